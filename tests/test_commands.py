"""Commands of <exec>: started, not waited for, bounded."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sippx import commands
from sippx.commands import CommandRunner


def wait_for(path: Path) -> str:
    for _ in range(500):
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written")


def test_a_command_is_run_by_the_shell(tmp_path: Path) -> None:
    CommandRunner().run(f"echo $((20 + 3)) > {tmp_path}/out".encode())
    assert wait_for(tmp_path / "out") == "23\n"


def test_a_long_command_is_not_waited_for() -> None:
    begin_s = time.monotonic()
    CommandRunner().run(b"exec sleep 2")
    assert time.monotonic() - begin_s < 1.5


def test_commands_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "MAX_RUNNING", 2)
    runner = CommandRunner()
    for _ in range(5):
        runner.run(b"exec sleep 1")
    assert runner.n_refused == 3


def test_a_command_with_a_nul_byte_is_refused() -> None:
    runner = CommandRunner()
    runner.run(b"echo \0")
    assert runner.n_refused == 1
