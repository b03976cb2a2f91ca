"""Rates that change by themselves, on the wire: --stages place exactly their calls, -rate_increase as SIPp."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sippx.scenario import Scenario

from .harness import Peer, answer_like_uas, builtin_uas, free_port, run_sippx, running, start_sippx

OpenPeer = Callable[..., Peer]


def uac(target: Peer, *words: object) -> list[object]:
    return [target.address, "-i", "127.0.0.1", "-p", free_port(), *words]


@pytest.mark.parametrize(
    ("stages", "n_calls", "seconds"),
    [("0:1s:200,1s:200,1s:0", 400, 3.0), ("50:500ms:50,0s:400,500ms:400", 225, 1.0), ("1s:7", 3, 1.0)],
)
def test_stages_place_exactly_their_calls_and_then_the_test_ends(
    tmp_path: Path, peer: OpenPeer, stages: str, n_calls: int, seconds: float
) -> None:
    target = peer(answer_like_uas)
    begin_s = time.monotonic()
    ended = run_sippx(tmp_path, *uac(target, "--stages", stages))
    assert ended.code == 0, ended.text
    assert len(target.of("INVITE")) == n_calls
    assert time.monotonic() - begin_s >= seconds


def test_the_total_is_exact_at_a_high_rate() -> None:
    with (
        running(builtin_uas()) as uas,
        running(
            Scenario.builtin("uac"), remote_host=f"127.0.0.1:{uas.runner.local_port}", stages="0:1s:8000,1s:8000,500ms:0"
        ) as run,
    ):
        assert run.wait().total.counter("outgoing_calls") == 4000 + 8000 + 2000


def test_a_ramp_is_a_ramp_at_every_moment(tmp_path: Path, peer: OpenPeer) -> None:
    words = ("--stages", "0:2s:400", "-trace_stat", "-stf", "stat.csv", "-fd", "500ms")
    ended = run_sippx(tmp_path, *uac(peer(answer_like_uas), *words))
    assert ended.code == 0, ended.text
    rows = [line.split(";") for line in (tmp_path / "stat.csv").read_text().splitlines()]
    column = rows[0].index("TotalCallCreated")
    totals = [int(row[column]) for row in rows[2:5]]
    for n, (total, seconds) in enumerate(zip(totals, (0.5, 1.0, 1.5), strict=True)):
        assert total == pytest.approx(100 * seconds**2, abs=15 + 10 * n), totals


def test_a_ramp_is_asked_for_no_more_than_its_calls(tmp_path: Path, peer: OpenPeer) -> None:
    words = ("--stages", "0:1s:200,1s:0", "--threshold", "rate>=0.9")
    ended = run_sippx(tmp_path, *uac(peer(answer_like_uas), *words))
    assert ended.code == 0, ended.text
    assert "measured 1" in ended.err


def test_m_ends_stages_early(tmp_path: Path, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    ended = run_sippx(tmp_path, *uac(target, "--stages", "100:60s:100", "-m", 20))
    assert ended.code == 0, ended.text
    assert len(target.of("INVITE")) == 20


def test_a_rate_set_by_hand_ends_the_stages_with_a_warning(tmp_path: Path, peer: OpenPeer) -> None:
    target, port = peer(answer_like_uas), free_port()
    with (
        start_sippx(tmp_path, *uac(target, "--stages", "10:1s:10", "-cp", port)) as command,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        target.wait_for("INVITE", 2)
        sender.sendto(b"cset rate 30", ("127.0.0.1", port))
        target.wait_for("INVITE", 40, 20)
        sender.sendto(b"q", ("127.0.0.1", port))
        ended = command.wait()
    assert ended.code == 0, ended.text
    assert "the rate was set to 30 by hand: --stages has no effect any more" in ended.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--stages", "1s:x"), "in which 'x' is not a rate"),
        (("--stages", "1s:5", "-users", 3), "exclude each other"),
        (("--stages", "1s:5", "-rate_increase", 3), "exclude each other"),
    ],
)
def test_stages_that_cannot_be_are_refused_before_a_call(
    tmp_path: Path, peer: OpenPeer, words: tuple[object, ...], reason: str
) -> None:
    target = peer(answer_like_uas)
    ended = run_sippx(tmp_path, *uac(target, *words))
    assert reason in ended.assert_one_line_error(1)
    assert not target.of("INVITE")


def test_the_rate_grows_to_its_maximum_and_the_test_ends(tmp_path: Path, peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    words = ("-r", 20, "-rate_increase", 20, "-rate_max", 50, "-rate_interval", 1)
    begin_s = time.monotonic()
    ended = run_sippx(tmp_path, *uac(target, *words))
    assert ended.code == 0, ended.text
    assert 2 <= time.monotonic() - begin_s < 6
    assert len(target.of("INVITE")) == pytest.approx(20 + 40, abs=5)
