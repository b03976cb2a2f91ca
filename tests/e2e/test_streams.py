"""What goes to stdout and what to stderr, where neither is a terminal: results only on stdout."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import SIPPX, free_port

TIMEOUT_S = 60
FIRST_SCREEN = "------------------------------ Scenario Screen"
LAST_LINE = "------------------------------ Test Terminated --------------------------------"


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SIPPX, *map(str, words)],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip


def idle(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """A server that nobody calls."""
    return run("-sn", "uas", "-i", "127.0.0.1", "-p", free_port(), "-timeout", "200ms", *words, folder=folder)


def test_a_run_prints_its_last_screens_and_nothing_else(tmp_path: Path) -> None:
    done = idle(folder=tmp_path)
    assert done.stdout.startswith(FIRST_SCREEN)
    assert done.stdout.endswith(LAST_LINE + "\n")
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_results_for_programs_have_stdout_for_themselves(tmp_path: Path) -> None:
    done = idle("--json", "-", folder=tmp_path)
    assert isinstance(json.loads(done.stdout), dict)
    assert done.stderr.startswith(FIRST_SCREEN)


def test_thresholds_are_told_on_stderr(tmp_path: Path) -> None:
    done = idle("--threshold", "calls>=1", folder=tmp_path)
    assert done.returncode == 98
    assert LAST_LINE in done.stdout and "threshold" not in done.stdout
    assert done.stderr.startswith("threshold calls>=1: failed")


@pytest.mark.parametrize(
    "words",
    [["-zork"], ["-sf", "/nowhere.xml"], ["-sd", "zork"], ["-plugin", "/nowhere.py"], ["check"], ["completion", "csh"]],
    ids=" ".join,
)
def test_an_error_is_one_line_on_stderr(words: list[str], tmp_path: Path) -> None:
    done = run(*words, folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("sippx: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["-h"], 99), (["-h", "stat"], 99), (["-v"], 99), (["-sd", "uac"], 99), (["check", "uac"], 0),
        (["check", "--list"], 0), (["show", "uac"], 0), (["check", "-h"], 99), (["completion", "bash"], 0),
    ],
)  # fmt: skip
def test_what_was_asked_for_is_on_stdout(words: list[str], code: int, tmp_path: Path) -> None:
    done = run(*words, folder=tmp_path)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout or words == ["check", "uac"]


@pytest.mark.parametrize("words", [["-h"], ["check", "uac"], ["show", "uac"], ["-sn", "uas", "-timeout", "100ms"]])
def test_there_are_no_colours(words: list[str], tmp_path: Path) -> None:
    place = ["-i", "127.0.0.1", "-p", str(free_port())] if "-sn" in words else []
    done = run(*words, *place, folder=tmp_path)
    assert "\x1b" not in done.stdout + done.stderr


def test_a_scripts_standard_input_is_left_to_the_script(tmp_path: Path) -> None:
    """As in `while read host; do sippx $host -m 1; done < hosts`, where the p of pbx would pause the test."""
    lines = "pbx-2\nquux\n"
    (tmp_path / "hosts").write_text(lines)
    words = map(str, (*SIPPX, "-sn", "uas", "-i", "127.0.0.1", "-p", free_port(), "-timeout", "200ms"))
    with (tmp_path / "hosts").open() as hosts:
        subprocess.run(list(words), cwd=tmp_path, stdin=hosts, capture_output=True, timeout=TIMEOUT_S, check=False)
        assert hosts.read() == lines
