"""The key reader on pipes and terminals."""

from __future__ import annotations

import os
import pty
import select
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from sippx.control import (
    COMMAND_OF_KEY,
    QUIT_FORCED_STEP,
    QUIT_SOFT_STEP,
    AdjustRate,
    KeyReader,
    Quit,
    SetRate,
    ShowScreen,
    TogglePause,
    may_read_keys,
)

LOCAL_MODES = 3  # index of c_lflag in termios.tcgetattr


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        if Path(f"/proc/self/fd/{descriptor}").exists():
            os.close(descriptor)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The user's end and the program's end of a terminal that is not this process's own."""
    user, program = pty.openpty()
    yield user, program
    os.close(user)
    os.close(program)


@pytest.fixture
def in_foreground(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp())


def is_canonical(descriptor: int) -> bool:
    """True in a terminal's normal mode, where input comes by lines."""
    return bool(termios.tcgetattr(descriptor)[LOCAL_MODES] & termios.ICANON)


def test_keys_become_commands_in_order(pipe: tuple[int, int]) -> None:
    with KeyReader(descriptor=pipe[0]) as keys:
        os.write(pipe[1], b"+-*/pqQ19")
        assert keys.poll() == [
            AdjustRate(1),
            AdjustRate(-1),
            AdjustRate(10),
            AdjustRate(-10),
            TogglePause(),
            Quit(QUIT_SOFT_STEP),
            Quit(QUIT_FORCED_STEP),
            ShowScreen(1),
            ShowScreen(9),
        ]
        assert keys.poll() == []


def test_every_other_byte_is_ignored(pipe: tuple[int, int]) -> None:
    with KeyReader(descriptor=pipe[0]) as keys:
        os.write(pipe[1], bytes(byte for byte in range(256) if chr(byte) not in COMMAND_OF_KEY and byte != ord("c")))
        assert keys.poll() == []
        os.write(pipe[1], b"\n")
        assert keys.poll() == []
        os.write(pipe[1], b"p")
        assert keys.poll() == [TogglePause()]


def test_polling_without_input_does_not_wait(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    waits_ms: list[float | None] = []

    class RecordingPoll:
        def register(self, descriptor: int, events: int) -> None:
            pass

        def poll(self, timeout_ms: float | None = None) -> list[tuple[int, int]]:
            waits_ms.append(timeout_ms)
            return []

    monkeypatch.setattr(select, "poll", RecordingPoll)
    with KeyReader(descriptor=pipe[0]) as keys:
        assert keys.poll() == []
    assert waits_ms == [0]


def test_end_of_file_ends_the_reading_silently(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"q")
    os.close(pipe[1])
    with KeyReader(descriptor=pipe[0]) as keys:
        assert [keys.poll() for _ in range(3)] == [[Quit(QUIT_SOFT_STEP)], [], []]


def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("p+")
    with path.open() as file, KeyReader(descriptor=file.fileno()) as keys:
        assert keys.poll() == [TogglePause(), AdjustRate(1)]
        assert keys.poll() == []


def test_a_descriptor_that_is_not_open_gives_no_keys(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    with KeyReader(descriptor=pipe[0]) as keys:
        assert keys.poll() == []


def test_a_reader_that_is_not_enabled_leaves_the_input_alone(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"q")
    with KeyReader(enabled=False, descriptor=pipe[0]) as keys:
        assert keys.poll() == []
    assert os.read(pipe[0], 10) == b"q"


@pytest.mark.parametrize(
    ("is_terminal", "may_read"),
    [({}, False), ({0}, True), ({1}, True)],
    ids=["neither", "stdin", "stdout"],
)
def test_keys_may_be_read_where_a_terminal_is(
    is_terminal: set[int], may_read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [SimpleNamespace(fileno=lambda number=number: number) for number in (0, 1)]
    monkeypatch.setattr(sys, "__stdin__", streams[0])
    monkeypatch.setattr(sys, "__stdout__", streams[1])
    monkeypatch.setattr(os, "isatty", lambda descriptor: descriptor in is_terminal)
    assert may_read_keys() == may_read


@pytest.mark.usefixtures("in_foreground")
def test_a_key_counts_without_the_enter_key_on_a_terminal(terminal: tuple[int, int]) -> None:
    user, program = terminal
    with KeyReader(descriptor=program) as keys:
        keys.poll()
        os.write(user, b"p")
        assert keys.poll() == [TogglePause()]


def test_keys_are_read_from_a_terminal_that_controls_another_process(terminal: tuple[int, int]) -> None:
    user, program = terminal
    with KeyReader(descriptor=program) as keys:
        os.write(user, b"p")
        select.select([program], [], [], 2)
        assert keys.poll() == [TogglePause()]
    assert is_canonical(program)


@pytest.mark.usefixtures("in_foreground")
def test_the_terminal_gets_its_settings_back_after_an_error(terminal: tuple[int, int]) -> None:
    before = termios.tcgetattr(terminal[1])

    def fail_while_reading() -> None:
        with KeyReader(descriptor=terminal[1]) as keys:
            keys.poll()
            assert not is_canonical(terminal[1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_while_reading()
    assert termios.tcgetattr(terminal[1]) == before


def test_a_background_process_leaves_the_terminal_alone(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    user, program = terminal
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp() + 1)
    os.write(user, b"q\n")
    with KeyReader(descriptor=program) as keys:
        assert keys.poll() == []
        assert is_canonical(program)
        monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp())
        assert keys.poll() == [Quit(QUIT_SOFT_STEP)]


def test_a_command_is_typed_across_polls_and_shown_as_prompt(pipe: tuple[int, int]) -> None:
    with KeyReader(descriptor=pipe[0]) as keys:
        os.write(pipe[1], b"pcset ra")
        assert keys.poll() == [TogglePause()]
        assert keys.prompt == "Command: set ra"
        os.write(pipe[1], b"te 7\n+")
        assert keys.poll() == [SetRate(7.0), AdjustRate(1)]
        assert keys.prompt == ""
