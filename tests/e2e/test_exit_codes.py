"""Each exit code of the command, by what leads to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .harness import Command, Finished, Peer, answer_like_uas, free_port, request, say_nothing, send_step

Run = Callable[..., Finished]
OPTIONS_ONLY = f"<scenario name='x'>{send_step('OPTIONS')}</scenario>"


@pytest.fixture
def one_shot(tmp_path: Path) -> str:
    """A scenario file whose calls send one message and end."""
    (tmp_path / "one_shot.xml").write_text(OPTIONS_ONLY)
    return "one_shot.xml"


def test_a_run_without_a_failed_call_ends_with_0(sippx: Run, peer: Callable[..., Peer]) -> None:
    ended = sippx(peer(answer_like_uas).address, "-i", "127.0.0.1", "-m", 10, "-r", 100, "-p", free_port())
    assert ended.code == 0, ended.text
    assert "Successful call        |       10" in ended.out
    assert ended.err == ""


@pytest.mark.parametrize("n_calls", ["0", "", "0x0"])
def test_a_run_of_no_calls_ends_with_0(sippx: Run, n_calls: str) -> None:
    ended = sippx(f"127.0.0.1:{free_port()}", "-i", "127.0.0.1", "-m", n_calls, "-p", free_port())
    assert ended.code == 0, ended.text
    assert "Outgoing calls created |        0                  |        0" in ended.out


def test_a_failed_call_ends_the_run_with_1(sippx: Run, peer: Callable[..., Peer]) -> None:
    ended = sippx(
        peer(say_nothing).address,
        "-i",
        "127.0.0.1",
        "-m",
        3,
        "-r",
        1000,
        "-max_retrans",
        0,
        "-p",
        free_port(),
    )
    assert ended.code == 1, ended.text
    assert "Aborting call on UDP retransmission timeout for Call-ID" in ended.err
    assert "There were more errors, enable -trace_err to log them." in ended.err
    assert "Traceback" not in ended.err


def test_a_global_timeout_without_any_call_ends_with_97(sippx: Run) -> None:
    ended = sippx("-sn", "uas", "-i", "127.0.0.1", "-p", free_port(), "-timeout", 1)
    assert ended.code == 97, ended.text
    assert "Test Terminated" in ended.out


def test_a_global_timeout_after_successful_calls_ends_with_0(
    sippx: Run, one_shot: str, peer: Callable[..., Peer]
) -> None:
    ended = sippx("-sf", one_shot, peer().address, "-i", "127.0.0.1", "-p", free_port(), "-timeout", "1500ms")
    assert ended.code == 0, ended.text


def test_a_global_timeout_aborts_open_calls_and_ends_with_1(sippx: Run, peer: Callable[..., Peer]) -> None:
    ended = sippx(
        peer(answer_like_uas).address, "-i", "127.0.0.1", "-p", free_port(), "-timeout", 1, "-d", "1h"
    )
    assert ended.code == 1, ended.text
    assert "Aborted call with Call-ID" in ended.err


@pytest.mark.parametrize("server", [True, False])
def test_a_global_timeout_with_timeout_error_ends_with_255(
    sippx: Run, peer: Callable[..., Peer], server: bool
) -> None:
    words = ("-sn", "uas") if server else (peer(answer_like_uas).address,)
    ended = sippx(*words, "-i", "127.0.0.1", "-p", free_port(), "-timeout", 1, "-timeout_error")
    assert ended.code == 255, ended.text
    assert "timed out after '1.000' seconds" in ended.err.splitlines()[-1]
    assert "Test Terminated" in ended.out
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("words", [[], ["-h"], ["-help"], ["--help"], ["-v"], ["-sd", "uac"], ["-sd", "uas"]])
def test_information_ends_with_99_on_stdout_only(sippx: Run, words: list[str]) -> None:
    ended = sippx(*words)
    assert ended.code == 99, ended.text
    assert ended.out.strip()
    assert ended.err == ""


@pytest.mark.parametrize("name", ["uac", "uas"])
def test_a_dumped_scenario_runs_like_the_built_in_one(sippx: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.xml").write_text(sippx("-sd", name).out)
    ended = sippx(
        "-sf", f"{name}.xml", f"127.0.0.1:{free_port()}", "-i", "127.0.0.1", "-p", free_port(), "-m", 0
    )
    assert ended.code == 0, ended.text


def test_a_port_in_use_ends_with_254(sippx: Run, start: Callable[..., Command]) -> None:
    port = free_port()
    start("-sn", "uas", "-i", "127.0.0.1", "-p", port).wait_bound(port)
    line = sippx("-sn", "uas", "-i", "127.0.0.1", "-p", port).assert_one_line_error(254)
    assert f"127.0.0.1:{port}" in line
    assert "in use" in line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "remote host"),
        (["no.such.host.invalid"], "no.such.host.invalid"),
        (["127.0.0.1", "-i", "::1"], "IPv6"),
        (["127.0.0.1", "-i", "192.0.2.1"], "192.0.2.1"),
        (["127.0.0.1", "-i", "no.such.host.invalid"], "no.such.host.invalid"),
        (["127.0.0.1", "-trace_stat", "-stf", "/no/such/dir/x.csv"], "/no/such/dir/x.csv"),
        (["127.0.0.1", "-i", "127.0.0.1", "-cpu", "4095"], "--cpu 4095"),
    ],
)
def test_a_run_that_cannot_start_ends_with_255(
    sippx: Run, one_shot: str, words: list[str], says: str
) -> None:
    assert says in sippx("-sf", one_shot, "-m", 1, *words).assert_one_line_error(255)


def test_failed_calls_of_a_server_end_it_with_1(
    start: Callable[..., Command], peer: Callable[..., Peer]
) -> None:
    port = free_port()
    server = start("-sn", "uas", "-i", "127.0.0.1", "-p", port, "-m", 1)
    server.wait_bound(port)
    peer().send(request("BYE", "stranger@test"), port)
    ended = server.wait()
    assert ended.code == 1, ended.text
    assert "while expecting 'INVITE'" in ended.err or "unexpected BYE" in ended.err
