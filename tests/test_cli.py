"""The command: what it prints, what it starts, and its exit codes."""

from __future__ import annotations

import errno
import os
import pty
import shutil
import subprocess
import sys
import tomllib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sippx
from sippx.cli import main
from sippx.errors import AddressInUseError, RunError
from sippx.help_text import render_help, render_topic
from sippx.options import Options
from sippx.scenario import builtin_names

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 60

# A command whose runner reports what it was given and ends with code 42.
FAKE_RUNNER = """
import os, sys, types
runner = types.ModuleType("sippx.runner")
runner.run_command = lambda scenario, options, words, plugins: {body}
sys.modules["sippx.runner"] = runner
from sippx.cli import main
sys.exit(main())
"""


class FakeScenario:
    """Stands for sippx.scenario.Scenario: remembers how it was loaded."""

    def __init__(self, *how: Any) -> None:
        self.how = how

    @staticmethod
    def from_file(path: str, *, keys: Any, injection_names: Any) -> FakeScenario:
        return FakeScenario("file", path, dict(keys))

    @staticmethod
    def builtin(name: str, **_: object) -> FakeScenario:
        return FakeScenario("builtin", name)


@pytest.fixture
def fake_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., int]], None]:
    """Replaces the scenario loader by FakeScenario and the runner by a function."""

    def install(run_command: Callable[..., int]) -> None:
        scenario = types.ModuleType("sippx.scenario")
        scenario.Scenario = FakeScenario  # type: ignore[attr-defined]
        runner = types.ModuleType("sippx.runner")
        runner.run_command = run_command  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "sippx.scenario", scenario)
        monkeypatch.setitem(sys.modules, "sippx.runner", runner)

    return install


def raising(error: BaseException) -> Callable[..., int]:
    def run_command(scenario: Any, options: Any, words: Any, plugins: Any) -> int:
        raise error

    return run_command


def run_sippx(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sippx", *words]
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.run(command, cwd=ROOT, text=True, timeout=TIMEOUT_S, check=False, **settings)


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"], ["-m", "5", "-h"]])
def test_help_goes_to_stdout_with_code_99(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 99
    assert capsys.readouterr() == (render_help(), "")


@pytest.mark.parametrize("words", [["-h", "stat"], ["--help", "-rp"], ["-h", "rate", "-zork"]])
def test_a_topic_of_the_help_goes_to_stdout_with_code_99(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 99
    assert capsys.readouterr() == (render_topic(words[1]), "")


def test_help_on_an_unknown_topic_is_the_whole_help_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-h", "zork"]) == 99
    assert capsys.readouterr() == (render_help(), "sippx: no help on 'zork' alone, so this is all of it\n")


def test_the_version_goes_to_stdout_with_code_99(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-v"]) == 99
    assert capsys.readouterr().out.startswith(f"\n sippx v{sippx.__version__}\n")


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert sippx.__version__ == project["version"]


def test_the_public_names_are_listed_and_imported_when_used() -> None:
    assert set(sippx.__all__) <= set(dir(sippx))
    assert sippx.Options is Options
    with pytest.raises(AttributeError, match="module 'sippx' has no attribute 'zork'"):
        _ = sippx.zork


@pytest.mark.parametrize("words", [["-h"], ["-h", "stat"], ["-v"]])
def test_help_and_version_do_not_wait_for_heavy_imports(words: list[str]) -> None:
    program = (
        "import sys; from sippx.cli import main; main(sys.argv[1:]);"
        "sys.exit(', '.join({'numpy', 'lxml', 'click', 'sippx._core'} & set(sys.modules)) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, timeout=TIMEOUT_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", builtin_names())
def test_every_built_in_scenario_is_printed_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-sd", name]) == 99
    assert capsys.readouterr() == ((ROOT / "scenarios" / f"{name}.xml").read_text("utf-8"), "")


def test_all_xml_files_are_built_in_scenarios() -> None:
    assert {path.stem for path in (ROOT / "scenarios").glob("*.xml")} == set(builtin_names())


def test_the_runner_gets_the_scenario_and_the_options(fake_run: Callable[[Callable[..., int]], None]) -> None:
    seen: list[Any] = []

    def run_command(scenario: FakeScenario, options: Options, words: list[str], plugins: None) -> int:
        seen.append((scenario.how, options))
        return 42

    fake_run(run_command)
    assert main(["127.0.0.1", "-m", "3"]) == 42
    assert main(["-sn", "uas"]) == 42
    assert main(["-sf", "call.xml", "-key", "a", "1"]) == 42
    assert seen == [
        (("builtin", "uac"), Options(remote_host="127.0.0.1", max_calls=3)),
        (("builtin", "uas"), Options(scenario_name="uas")),
        (("file", "call.xml", {"a": "1"}), Options(scenario_file="call.xml", keys={"a": "1"})),
    ]


def test_the_words_of_the_process_are_the_default(
    fake_run: Callable[[Callable[..., int]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_run(lambda scenario, options, words, plugins: 17 if words == ["sippx", "-m", "17"] and not plugins else 0)
    monkeypatch.setattr(sys, "argv", ["sippx", "-m", "17"])
    assert main() == 17


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(RunError("one\ntwo"), 255), (AddressInUseError("one two"), 254)],
)
def test_an_error_is_one_line_on_stderr_and_its_exit_code(
    error: Exception,
    exit_code: int,
    fake_run: Callable[[Callable[..., int]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_run(raising(error))
    assert main(["host"]) == exit_code
    assert capsys.readouterr() == ("", "sippx: one two\n")


def test_a_wrong_option_ends_with_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-m", "abc"]) == 1
    assert capsys.readouterr().err.startswith('sippx: -m, "abc" is not a valid integer!')


def test_an_interrupt_before_the_run_is_a_clean_end(
    fake_run: Callable[[Callable[..., int]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    fake_run(raising(KeyboardInterrupt()))
    assert main(["host"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("word", ["-h", "-v"])  # longer and shorter than a buffer
def test_a_reader_that_closes_early_is_no_error(word: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run_sippx(word, stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (99, "")


@pytest.mark.parametrize("word", ["-h", "-v"])  # longer and shorter than a buffer
def test_a_full_disk_is_one_line_and_code_255(word: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = run_sippx(word, stdout=full)
    reason = os.strerror(errno.ENOSPC)
    assert (done.returncode, done.stderr) == (255, f"sippx: cannot write to standard output: {reason}\n")


def test_descriptors_that_the_caller_closed_are_never_a_socket() -> None:
    """Keys are read from 0: a socket that got that number would lose its messages to the key reader."""
    script = (
        "import os, sys; from sippx import __main__, cli;"
        "cli.main = lambda: [os.readlink(f'/proc/self/fd/{fd}') for fd in (0, 1, 2)] != ['/dev/null'] * 3;"
        "__main__.main()"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, script], cwd=ROOT, check=False
    )
    assert done.returncode == 0


def read_terminal(descriptor: int) -> str:
    """All that was written to the other end, which is closed."""
    chunks: list[bytes] = []
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # EIO: nobody has the other end open any more
            chunk = b""
        if not chunk:
            return b"".join(chunks).decode().replace("\r\n", "\n")
        chunks.append(chunk)


def help_on_a_terminal(pager: str) -> str:
    user, program = pty.openpty()
    environment = {**os.environ, "PAGER": pager}
    process = subprocess.Popen(
        [sys.executable, "-m", "sippx", "-h"], cwd=ROOT, stdout=program, env=environment
    )
    os.close(program)
    try:
        text = read_terminal(user)
        assert process.wait(TIMEOUT_S) == 99
    finally:
        process.kill()
        os.close(user)
    return text


def test_help_on_a_terminal_goes_through_the_pager() -> None:
    text = help_on_a_terminal("sh -c 'echo $LESS; head -n 3; cat >/dev/null'")
    assert text.startswith("FRX\n\nUsage: sippx ")


@pytest.mark.parametrize("pager", ["", "/nowhere/less", "less '"])
def test_help_on_a_terminal_without_a_usable_pager_is_printed(pager: str) -> None:
    assert help_on_a_terminal(pager) == render_help()


def test_the_background_parent_prints_the_pid_of_the_child_that_runs() -> None:
    reading, writing = os.pipe()
    report = "f'{os.getpid()} {os.path.realpath(\"/proc/self/fd/1\")}'.encode()"
    body = f"[os.write({writing}, {report}), 0][1]"
    try:
        done = subprocess.run(
            [sys.executable, "-c", FAKE_RUNNER.format(body=body), "-bg", "-sn", "uas"],
            cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, pass_fds=[writing],
        )  # fmt: skip
        os.close(writing)
        writing = -1
        pid, stdout = os.read(reading, 200).decode().split()
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    assert (done.returncode, done.stdout, done.stderr) == (99, f"Background mode - PID=[{pid}]\n", "")
    assert stdout == os.devnull


def test_a_wrong_scenario_is_reported_before_going_to_the_background() -> None:
    done = run_sippx("-bg", "-sf", "/nowhere/call.xml")
    assert done.returncode == 1
    assert done.stdout == "" and "/nowhere/call.xml" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.interop
@pytest.mark.parametrize(
    "words",
    [
        [], ["-h"], ["--v"], ["-sd", "uac"], ["-m", "abc"], ["-m", "08"], ["-d", ".5"], ["-d", "1:30"],
        ["-r", "1x"], ["-zork"], ["-m"], ["-key", "a"], ["---h"], ["-m=5"], ["-sd", "zork"], ["-sn", "zork"],
        ["-sn", "uas", "-sn", "uas"], ["-sf", "/nowhere.xml"], ["-default_behaviors", "zork"], ["-t", "u"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_the_exit_code_is_that_of_the_real_sipp(words: list[str], tmp_path: Path) -> None:
    if shutil.which("sipp") is None:
        pytest.skip("needs the real sipp (Debian package sip-tester)")
    real = subprocess.run(
        ["sipp", *words],
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert run_sippx(*words).returncode == real.returncode
