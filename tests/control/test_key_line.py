"""Typing: single keys, the command line, editing it, and what terminals send for other keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sippx.control import AdjustRate, Refused, SetRate, ShowScreen
from sippx.control.editing import LINE_CHARS_MAX, KeyLine


def test_letters_of_a_command_are_no_keys() -> None:
    line = KeyLine()
    assert line.feed("cset rate 1qQp+-") == []
    assert line.prompt == "Command: set rate 1qQp+-"
    assert line.feed("\n") == [Refused('Invalid rate value: "1qQp+-"')]
    assert line.feed("+") == [AdjustRate(1)]


def test_backspace_takes_the_last_character_back() -> None:
    line = KeyLine()
    assert line.feed("cset rate 12\x7f3\b5\r") == [SetRate(15.0)]


def test_backspace_in_an_empty_line_keeps_the_command_mode() -> None:
    line = KeyLine()
    line.feed("c\x7f\x7f")
    assert line.prompt == "Command: "


def test_escape_leaves_the_command_mode_without_a_command() -> None:
    line = KeyLine()
    assert line.feed("cset rate 9\x1b") == []
    assert line.prompt == ""
    assert line.feed("2") == [ShowScreen(2)]


def test_control_u_clears_the_line() -> None:
    assert KeyLine().feed("cxyz\x15set rate 3\n") == [SetRate(3.0)]


def test_an_empty_command_is_none() -> None:
    assert KeyLine().feed("c\n c \n") == []


def test_arrow_and_function_keys_are_nothing_in_and_outside_the_command_mode() -> None:
    line = KeyLine()
    assert line.feed("\x1b[A\x1b[1;5D\x1b[15~\x1bOP") == []
    assert line.feed("cset \x1b[Drate 4\x1b[C\n") == [SetRate(4.0)]


def test_a_line_is_bounded() -> None:
    line = KeyLine()
    line.feed("c" + "x" * 10_000)
    assert len(line.prompt) == len("Command: ") + LINE_CHARS_MAX


@given(st.text(max_size=80))
def test_the_prompt_is_always_one_printable_line(text: str) -> None:
    line = KeyLine()
    line.feed(text)
    assert line.prompt.isprintable()
