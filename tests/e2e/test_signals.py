"""Signals and -bg: soft ends, second signals, and that final statistics are always written."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from .harness import (
    Command,
    Finished,
    Peer,
    answer_like_uas,
    free_port,
    is_bound,
    method,
    response,
    run_sippx,
    say_nothing,
    wait_until,
)

SOFT = [signal.SIGUSR1]
HARD = [signal.SIGINT, signal.SIGTERM]
Start = Callable[..., Command]


def rings_only(message: bytes) -> list[bytes]:
    """A peer whose calls never end by themselves."""
    return [response(message, "180 Ringing")] if method(message) == "INVITE" else []


def assert_final_statistics(ended: Finished) -> None:
    assert ended.out.count("Test Terminated") == 2, ended.text
    assert "Scenario Screen" in ended.out
    assert "Statistics Screen" in ended.out
    assert "Traceback" not in ended.out + ended.err, ended.text


@pytest.mark.parametrize("number", SOFT)
def test_the_first_signal_lets_open_calls_end(
    start: Start, peer: Callable[..., Peer], number: signal.Signals
) -> None:
    target = peer(answer_like_uas)
    client = start(target.address, "-i", "127.0.0.1", "-p", free_port(), "-r", 50, "-d", 700)
    target.wait_for("INVITE", 3)
    client.signal(number)
    ended = client.wait()
    assert ended.code == 0, ended.text
    assert_final_statistics(ended)
    n_calls = len(target.of("INVITE"))
    assert len(target.of("BYE")) == n_calls
    assert f"Successful call        | {n_calls:8d}" in ended.out


@pytest.mark.parametrize("number", SOFT)
def test_the_second_signal_ends_at_once(
    start: Start, peer: Callable[..., Peer], number: signal.Signals
) -> None:
    target = peer(rings_only)
    client = start(target.address, "-i", "127.0.0.1", "-p", free_port(), "-r", 50)
    target.wait_for("INVITE", 3)
    client.signal(number)
    with pytest.raises(AssertionError, match="in vain"):
        wait_until(lambda: not client.is_running(), "nothing", 0.4)
    client.signal(number)
    ended = client.wait()
    assert ended.code == 1, ended.text
    assert_final_statistics(ended)
    n_calls = len({message.partition(b"Call-ID:")[2].split()[0] for message in target.of("INVITE")})
    assert f"Failed call            | {n_calls:8d}" in ended.out
    assert len(target.wait_for("CANCEL", n_calls)) == n_calls


@pytest.mark.parametrize("number", HARD)
def test_an_interrupt_ends_now_and_leaves_open_calls_as_they_are(
    start: Start, peer: Callable[..., Peer], number: signal.Signals
) -> None:
    target = peer(rings_only)
    client = start(target.address, "-i", "127.0.0.1", "-p", free_port(), "-r", 50)
    target.wait_for("INVITE", 3)
    client.signal(number)
    ended = client.wait()
    assert ended.code == 0, ended.text
    assert_final_statistics(ended)
    assert f"Failed call            | {0:8d}" in ended.out
    assert target.of("CANCEL") == []


def test_two_different_signals_end_at_once_too(start: Start, peer: Callable[..., Peer]) -> None:
    target = peer(rings_only)
    client = start(target.address, "-i", "127.0.0.1", "-p", free_port(), "-r", 50)
    target.wait_for("INVITE")
    client.signal(signal.SIGUSR1)
    client.signal(signal.SIGTERM)
    assert_final_statistics(client.wait())


@pytest.mark.parametrize("number", SOFT + HARD)
def test_an_idle_server_ends_with_0_by_one_signal(start: Start, number: signal.Signals) -> None:
    port = free_port()
    server = start("-sn", "uas", "-i", "127.0.0.1", "-p", port)
    server.wait_bound(port)
    server.signal(number)
    ended = server.wait()
    assert ended.code == 0, ended.text
    assert_final_statistics(ended)


def test_a_signal_at_any_moment_of_the_start_ends_the_command_without_a_traceback(
    tmp_path: Path, start: Start
) -> None:
    """Before sippx's own code runs only the interpreter can speak; from then on there is no traceback."""
    for delay_ms in (30, 50, 80, 150, 220, 300, 400, 550):
        command = start("-sn", "uas", "-i", "127.0.0.1", "-p", free_port())
        with contextlib.suppress(AssertionError):
            wait_until(lambda: False, "the delay", delay_ms / 1000)
        command.signal(signal.SIGINT)
        ended = command.wait()
        assert not re.search(r"sippx/(?!__init__|__main__)\w+\.py", ended.err), (delay_ms, ended.text)
        # the interpreter itself ends with 1 when it is interrupted while it imports its own site module
        in_time = "init_import_site" not in ended.err
        assert ended.code in (0, -signal.SIGINT, 128 + signal.SIGINT) or not in_time, (delay_ms, ended.text)


def test_signals_that_sipp_ignores_do_not_end_the_run(start: Start, peer: Callable[..., Peer]) -> None:
    target = peer(answer_like_uas)
    client = start(target.address, "-i", "127.0.0.1", "-p", free_port(), "-r", 50)
    target.wait_for("INVITE", 2)
    for number in (signal.SIGPIPE, signal.SIGWINCH):
        client.signal(number)
    target.wait_for("INVITE", len(target.of("INVITE")) + 5)
    client.signal(signal.SIGUSR1)
    assert client.wait().code == 0


def test_sigusr2_writes_the_screens_and_the_run_goes_on(
    tmp_path: Path, start: Start, peer: Callable[..., Peer]
) -> None:
    target = peer(answer_like_uas)
    client = start(target.address, "-i", "127.0.0.1", "-p", free_port(), "-r", 50)
    target.wait_for("INVITE", 2)
    client.signal(signal.SIGUSR2)

    def text() -> str:
        return "".join(path.read_text() for path in tmp_path.glob("uac_*_screen.log"))

    wait_until(lambda: "Statistics Screen" in text(), "the screens")
    assert "Scenario Screen" in text()
    target.wait_for("INVITE", len(target.of("INVITE")) + 5)
    client.signal(signal.SIGUSR1)
    assert client.wait().code == 0


def test_a_stopped_and_continued_run_goes_on(start: Start, peer: Callable[..., Peer]) -> None:
    target = peer(answer_like_uas)
    client = start(target.address, "-i", "127.0.0.1", "-p", free_port(), "-r", 50, "-m", 60)
    target.wait_for("INVITE", 5)
    client.signal(signal.SIGSTOP)
    with contextlib.suppress(AssertionError):
        wait_until(lambda: False, "the stop", 0.3)
    client.signal(signal.SIGCONT)
    ended = client.wait()
    assert ended.code == 0, ended.text
    assert "Successful call        |       60" in ended.out
    late = re.search(r"Late starts +\| +(\d+)", ended.out)
    assert late is not None and int(late[1]) > 0, "the calls that fell due while it was stopped started late"


def test_bg_prints_the_pid_detaches_and_ends_on_usr1(tmp_path: Path, peer: Callable[..., Peer]) -> None:
    port, target = free_port(), peer(answer_like_uas)
    started = run_sippx(
        tmp_path,
        target.address,
        "-i",
        "127.0.0.1",
        "-p",
        port,
        "-r",
        50,
        "-bg",
        "-trace_stat",
        "-stf",
        "bg.csv",
    )
    assert started.code == 99, started.text
    match = re.fullmatch(r"Background mode - PID=\[(\d+)\]\n", started.out)
    assert match, started.text
    assert started.err == ""
    child = int(match[1])
    try:
        target.wait_for("BYE", 5)
        assert is_bound(port)
        assert {str(Path(f"/proc/{child}/fd/{fd}").readlink()) for fd in (0, 1, 2)} == {"/dev/null"}
        os.kill(child, signal.SIGUSR1)
        wait_until(lambda: not is_bound(port), "the background process ends")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    header, *rows = (tmp_path / "bg.csv").read_text().splitlines()
    last = dict(zip(header.split(";"), rows[-1].split(";"), strict=True))
    assert int(last["SuccessfulCall(C)"]) == len(target.of("BYE"))
    assert last["FailedCall(C)"] == "0"


def test_bg_tells_what_is_wrong_with_the_scenario_before_it_detaches(tmp_path: Path) -> None:
    (tmp_path / "bad.xml").write_text("<scenario><send/></scenario>")
    ended = run_sippx(tmp_path, "127.0.0.1:9", "-sf", "bad.xml", "-bg")
    assert "bad.xml:1" in ended.assert_one_line_error(1)


@pytest.mark.parametrize("words", [["no.such.host.invalid"], ["127.0.0.1", "-i", "192.0.2.1"]])
def test_a_background_run_that_cannot_start_leaves_no_process(tmp_path: Path, words: list[str]) -> None:
    started = run_sippx(tmp_path, *words, "-bg")
    match = re.search(r"PID=\[(\d+)\]", started.out)
    if match is None:  # said before detaching: better
        assert started.code == 255, started.text
        return
    child = Path("/proc", match[1])
    wait_until(lambda: not child.exists() or "State:\tZ" in (child / "status").read_text(), "the child ends")


def test_a_second_signal_ends_a_run_whose_plugin_does_not_return(
    start: Start, peer: Callable[..., Peer], tmp_path: Path
) -> None:
    (tmp_path / "stuck.py").write_text(
        "import pathlib, time\n"
        "class Stuck:\n"
        "    period_ms = 50\n"
        "    def report(self, total, info):\n"
        "        pathlib.Path('stuck').touch()\n"
        "        time.sleep(1000)\n"
        "def init(context): context.add_reporter(Stuck())\n"
    )
    client = start(peer(answer_like_uas).address, "-i", "127.0.0.1", "-p", free_port(), "-plugin", "stuck.py")
    wait_until((tmp_path / "stuck").exists, "the plugin is stuck")
    for _ in range(2):
        client.signal(signal.SIGTERM)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: False, "the signal is taken", 0.2)
    ended = client.wait()
    assert "plugin stuck.py:6: InterruptedError: ended by a signal; it is switched off" in ended.err
    assert_final_statistics(ended)


def test_a_signal_during_a_storm_of_calls_still_writes_everything(start: Start, tmp_path: Path) -> None:
    port = free_port()
    server = start("-sn", "uas", "-i", "127.0.0.1", "-p", port)
    server.wait_bound(port)
    client = start(
        f"127.0.0.1:{port}", "-i", "127.0.0.1", "-p", free_port(), "-r", 5000, "-trace_stat", "-stf", "x.csv"
    )
    wait_until(lambda: (tmp_path / "x.csv").exists(), "the client starts")
    with contextlib.suppress(AssertionError):
        wait_until(lambda: False, "some calls", 0.5)
    client.signal(signal.SIGINT)
    ended = client.wait()
    assert ended.code == 0, ended.text
    assert_final_statistics(ended)
    header, *rows = (tmp_path / "x.csv").read_text().splitlines()
    last = dict(zip(header.split(";"), rows[-1].split(";"), strict=True))
    assert int(last["SuccessfulCall(C)"]) == int(last["TotalCallCreated"]) > 0
    assert last["CurrentCall"] == "0"


def test_a_client_without_an_answer_ends_on_a_second_signal_and_sends_nothing_more(
    start: Start, peer: Callable[..., Peer]
) -> None:
    target = peer(say_nothing)
    client = start(target.address, "-i", "127.0.0.1", "-p", free_port(), "-r", 50)
    target.wait_for("INVITE", 2)
    client.signal(signal.SIGUSR1)
    client.signal(signal.SIGUSR1)
    assert client.wait().code == 1
    assert {method(message) for message in target.received} == {"INVITE"}
