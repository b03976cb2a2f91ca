"""The tables of keys and commands: what texts mean, and SIPp's answers to those that mean nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sippx.control import (
    COMMAND_OF_KEY,
    COMMANDS,
    QUIT_FORCED_STEP,
    QUIT_SOFT_STEP,
    RATE_MAX,
    AdjustRate,
    Command,
    Dump,
    DumpScreens,
    Quit,
    Refused,
    ResetStats,
    SetDisplay,
    SetHide,
    SetIndex,
    SetLimit,
    SetRate,
    SetRateScale,
    SetUsers,
    Trace,
    is_quit_forced,
    is_quitting,
    parse_command,
    parse_datagram,
)

UNDERSTOOD: tuple[tuple[str, Command], ...] = (
    ("set rate 10", SetRate(10.0)),
    ("set rate 1e1", SetRate(10.0)),
    ("set rate 0x10", SetRate(16.0)),
    ("  set   rate  7  ", SetRate(7.0)),
    ("set rate 0", SetRate(0.0)),
    ("set rate-scale 2.5\n", SetRateScale(2.5)),
    ("set rate-scale -2", SetRateScale(-2.0)),
    ("set users 3", SetUsers(3)),
    ("set limit 0", SetLimit(0)),
    ("set display ooc", SetDisplay("ooc")),
    ("set hide true", SetHide(True)),
    ("set index false", SetIndex(False)),
    ("trace error on", Trace("error", True)),
    ("trace logs off", Trace("logs", False)),
    ("trace messages true", Trace("messages", True)),
    ("trace shortmessages false", Trace("shortmessages", False)),
    ("dump tasks", Dump("tasks")),
    ("dump variables", Dump("variables")),
    ("reset stats", ResetStats()),
)

# as sipp 3.6.1 answered, one by one
REFUSED = (
    ("foo", "The foo command requires at least one argument"),
    ("", "The  command requires at least one argument"),
    ("foo bar", 'Unrecognized command: "foo"'),
    ("SET rate 3", 'Unrecognized command: "SET"'),
    ("set", "The set command requires at least one argument"),
    ("set ", "The set command requires at least one argument"),
    ("set rate", "The set command requires two arguments (attribute and value)"),
    ("set foo", "The set command requires two arguments (attribute and value)"),
    ("set foo 1", "Unknown set attribute: foo"),
    ("set rate abc", 'Invalid rate value: "abc"'),
    ("set rate 5x", 'Invalid rate value: "5x"'),
    ("set rate 7 8", 'Invalid rate value: "7 8"'),
    ("set rate-scale abc", 'Invalid rate-scale value: "abc"'),
    ("set users x", 'Invalid users value: "x"'),
    ("set limit abc", 'Invalid limit value: "abc"'),
    ("set display foo", "Unknown display scenario: foo"),
    ("set hide x", "Invalid bool: x"),
    ("set hide 1", "Invalid bool: 1"),
    ("set index on", "Invalid bool: on"),
    ("trace", "The trace command requires at least one argument"),
    ("trace error", "The trace command requires two arguments (log and [on|off])"),
    ("trace foo on", "Unknown log file: foo"),
    ("trace foo maybe", "The trace command's second argument must be on or off."),
    ("trace error maybe", "The trace command's second argument must be on or off."),
    ("dump", "The dump command requires at least one argument"),
    ("dump foo", "Unknown dump type: foo"),
    ("reset", "The reset command requires at least one argument"),
    ("reset foo", "Unknown reset type: foo"),
)


@pytest.mark.parametrize(("text", "command"), UNDERSTOOD)
def test_a_command_is_understood(text: str, command: Command) -> None:
    assert parse_command(text) == command


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_a_text_that_is_no_command_gets_sipps_answer(text: str, reason: str) -> None:
    assert parse_command(text) == Refused(reason)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "-1", "1e300", "2e9"])
def test_a_rate_that_no_engine_can_keep_is_refused(text: str) -> None:
    assert parse_command(f"set rate {text}") == Refused(f'Invalid rate value: "{text}"')


@pytest.mark.parametrize("text", ["-1", "1.5", "99999999999"])
def test_a_count_is_a_32_bit_number_from_0(text: str) -> None:
    assert parse_command(f"set limit {text}") == Refused(f'Invalid limit value: "{text}"')


def test_every_command_of_the_table_is_among_those_understood() -> None:
    tried = {tuple(text.split()[:2]) for text, _ in UNDERSTOOD}
    assert {(spec.verb, spec.noun) for spec in COMMANDS} == tried


def test_a_warning_is_bounded_and_has_no_control_characters() -> None:
    command = parse_command("set rate \x1b[2J" + "9" * 1000)
    assert isinstance(command, Refused)
    assert command.reason.isprintable()
    assert len(command.reason) < 200


@given(st.text(max_size=60))
def test_any_text_is_a_command_or_refused(text: str) -> None:
    assert isinstance(parse_command(text), Command)


@given(st.binary(max_size=60))
def test_any_datagram_is_a_command_or_nothing(data: bytes) -> None:
    command = parse_datagram(data)
    if not data.startswith(b"c"):
        assert command == COMMAND_OF_KEY.get(data[:1].decode("latin-1"))


def test_a_datagram_is_a_command_behind_c_else_its_first_byte_is_a_key() -> None:
    assert parse_datagram(b"cset rate 10\n") == SetRate(10.0)
    assert parse_datagram(b"c set rate 10") == SetRate(10.0)
    assert parse_datagram(b"++") == AdjustRate(1)
    assert parse_datagram(b"s") == DumpScreens()
    assert parse_datagram(b" cset rate 7") is None
    assert parse_datagram(b"") is None


@given(st.floats(0, RATE_MAX), st.sampled_from([-10, -1, 1, 10]), st.floats(0, 1e9))
def test_an_adjusted_rate_stays_between_0_and_the_largest(rate: float, steps: int, scale: float) -> None:
    adjusted = AdjustRate(steps).applied_to(rate, scale)
    assert 0 <= adjusted <= RATE_MAX
    assert (adjusted >= rate) if steps > 0 else (adjusted <= rate)


def test_users_are_adjusted_by_the_scale_and_not_below_0() -> None:
    assert AdjustRate(1).applied_to_users(7, 2.0) == 9
    assert AdjustRate(-10).applied_to_users(9, 2.0) == 0


def test_one_soft_quit_is_soft_and_a_second_one_is_forced() -> None:
    assert not is_quitting(0)
    assert is_quitting(QUIT_SOFT_STEP) and not is_quit_forced(QUIT_SOFT_STEP)
    assert is_quit_forced(2 * QUIT_SOFT_STEP) and is_quit_forced(QUIT_FORCED_STEP)
    assert COMMAND_OF_KEY["q"] == Quit(QUIT_SOFT_STEP)


def test_a_soft_quit_after_the_last_call_of_m_is_still_soft() -> None:
    assert not is_quit_forced(1 + QUIT_SOFT_STEP)
