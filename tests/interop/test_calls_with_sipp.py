"""sippx and the real sipp call each other: every call succeeds and the messages are the same, field by field."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.harness import Command, free_port, header, is_listening, wait_until
from e2e.test_second_scenario import CALLER
from interop.kamailio_runs import SCENARIOS
from interop.pairs import COMMANDS, SIPP, Side, normalised, read_messages, run_pair
from interop.plays import start as started

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(SIPP is None, reason="the real sipp is not installed (Debian package sip-tester)"),
]

UAC_STARTS = {b"INVITE": "sent", b"ACK": "sent", b"BYE": "sent"}
UAS_STARTS = [b"SIP/2.0 180", b"SIP/2.0 200"]
MIXED = [("sippx", "sipp"), ("sipp", "sippx")]


def assert_all_succeeded(sides: tuple[Side, Side], n_calls: int) -> None:
    for side in sides:
        assert side.code == 0, side.screen
        assert side.stat_row["SuccessfulCall(C)"] == str(n_calls)
        assert side.stat_row["FailedCall(C)"] == "0"


@pytest.mark.parametrize(("uac", "uas"), MIXED)
@pytest.mark.parametrize("batching", [(), ("--no-gso", "--no-gro"), ("--no-batch",)], ids=lambda words: "".join(words))
def test_a_hundred_calls_succeed_both_ways(tmp_path: Path, uac: str, uas: str, batching: tuple[str, ...]) -> None:
    words = {"uac_words" if uac == "sippx" else "uas_words": batching}
    assert_all_succeeded(run_pair(tmp_path, uac, uas, n_calls=100, rate=200, **words), 100)


@pytest.mark.parametrize(("uac", "uas"), MIXED)
def test_calls_over_ipv6_succeed_both_ways(tmp_path: Path, uac: str, uas: str) -> None:
    assert_all_succeeded(run_pair(tmp_path, uac, uas, ip="::1"), 20)


@pytest.mark.parametrize(("uac", "uas"), MIXED)
@pytest.mark.parametrize("mode", ["t1", "tn"])
def test_calls_over_tcp_succeed_both_ways(tmp_path: Path, uac: str, uas: str, mode: str) -> None:
    # a server without a timewait: sipp fails the calls that are in it when the client closes the connection
    port = free_port()
    here = ["-i", "127.0.0.1", "-m", "20", "-nostdin", "-trace_msg", "-message_file"]
    server = Command([*COMMANDS[uas], "-sf", str(SCENARIOS / "answer.xml"), "-p", str(port), "-t", "t1", *here, "uas.log"], tmp_path)
    # sipp gives up where -max_socket is above the limit of open files
    words = ["-sn", "uac", f"127.0.0.1:{port}", "-p", str(free_port()), "-t", mode, "-r", "100", "-max_socket", "1000"]
    with server:
        wait_until(lambda: is_listening(port) or not server.is_running(), "the server listens")
        with Command([*COMMANDS[uac], *words, *here, "uac.log"], tmp_path) as client:
            for finished in (client.wait(), server.wait()):
                assert finished.code == 0, finished.text
    logs = [read_messages(tmp_path / f"{name}.log") for name in (("uac", "uas") if uac == "sippx" else ("uas",))]
    for messages in logs:  # sipp's client does not log what it sends while it connects
        assert len(messages) == 6 * 20
        assert all(header(data, "Via").startswith("SIP/2.0/TCP 127.0.0.1:") for _, data in messages)
        assert sorted(data for _, data in messages) == sorted(data for _, data in logs[0])


@pytest.mark.parametrize(("uac", "uas"), MIXED)
def test_calls_held_open_succeed_both_ways(tmp_path: Path, uac: str, uas: str) -> None:
    assert_all_succeeded(run_pair(tmp_path, uac, uas, uac_words=("-d", "700")), 20)


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_the_stock_call_is_the_same_on_the_wire(tmp_path: Path, ip: str) -> None:
    sides = {}
    for tool in ("sipp", "sippx"):
        folder = tmp_path / tool
        folder.mkdir()
        sides[tool] = run_pair(folder, tool, tool, n_calls=1, ip=ip)
    for side, starts in ((0, [b"INVITE", b"ACK", b"BYE"]), (1, UAS_STARTS)):
        for start in starts:
            theirs = normalised(sides["sipp"][side].first("sent", start))
            ours = normalised(sides["sippx"][side].first("sent", start))
            assert ours == theirs
    bye_answers = [
        normalised([data for way, data in sides[tool][1].messages if way == "sent"][-1]) for tool in ("sipp", "sippx")
    ]
    assert bye_answers[0] == bye_answers[1]


@pytest.mark.parametrize(("uac", "uas"), MIXED)
def test_both_sides_log_the_same_bytes(tmp_path: Path, uac: str, uas: str) -> None:
    client, server = run_pair(tmp_path, uac, uas, n_calls=5)
    for sender, receiver in ((client, server), (server, client)):
        sent = sorted(data for way, data in sender.messages if way == "sent")
        received = sorted(data for way, data in receiver.messages if way == "received")
        assert sent == received
        assert len(sent) == 15


@pytest.mark.parametrize(("uac", "uas"), MIXED)
@pytest.mark.parametrize("loser", ["uac", "uas"])
def test_a_lossy_run_accounts_for_every_call(tmp_path: Path, uac: str, uas: str, loser: str) -> None:
    lossy = ("-lost", "5")
    client, server = run_pair(
        tmp_path, uac, uas, n_calls=100, rate=100, **{f"{loser}_words": lossy},
        **({"uas_words": ("-timeout", "15")} if loser == "uac" else {}),
    ) if loser == "uac" else run_pair(
        tmp_path, uac, uas, n_calls=100, rate=100, uas_words=(*lossy, "-timeout", "15"),
    )  # fmt: skip
    ended = int(client.stat_row["SuccessfulCall(C)"]) + int(client.stat_row["FailedCall(C)"])
    assert ended == int(client.stat_row["TotalCallCreated"]) == 100
    assert int(client.stat_row["SuccessfulCall(C)"]) >= 60
    assert int(client.stat_row["Retransmissions(C)"]) + int(server.stat_row["Retransmissions(C)"]) > 0


def test_the_statistics_file_has_the_same_columns(tmp_path: Path) -> None:
    headers = {}
    for tool in ("sipp", "sippx"):
        folder = tmp_path / tool
        folder.mkdir()
        headers[tool] = [side.stat_header for side in run_pair(folder, tool, tool, n_calls=1)]
    assert headers["sipp"] == headers["sippx"]


def test_one_run_calls_sipp_and_is_called_by_it(tmp_path: Path) -> None:
    (tmp_path / "caller.xml").write_text(f'<?xml version="1.0"?>\n<scenario name="c">\n{CALLER}</scenario>\n')
    port, uas_port, uac_port = free_port(), free_port(), free_port()
    here = ("-i", "127.0.0.1", "-nostdin", "-m", "20")
    mixed_words = ("-sf", "caller.xml", "-rxrn", "uas", f"127.0.0.1:{uas_port}", "-p", port, "-r", "50", "-d", "2500")
    with (
        started("sipp", tmp_path, "-sn", "uas", "-p", uas_port, *here) as called,
        started("sippx", tmp_path, *mixed_words, *here) as mixed,
    ):
        called.wait_bound(uas_port)
        mixed.wait_bound(port)
        with started("sipp", tmp_path, "-sn", "uac", f"127.0.0.1:{port}", "-p", uac_port, "-r", "50", *here) as caller:
            for finished in (caller.wait(), called.wait(), mixed.wait()):
                assert finished.code == 0, finished.text
