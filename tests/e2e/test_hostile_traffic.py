"""Datagrams nobody asked for while a run is going on: nothing crashes, everything is counted, the log tells."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from sippx import Result, Scenario

from .harness import (
    Peer,
    answer_like_uas,
    builtin_uas,
    header,
    request,
    response,
    running,
    say_nothing,
)

N_CALLS = 100
TORTURE = sorted(Path(__file__).parents[1].glob("data/rfc4475/*.dat"))
LARGEST = 65_507
GOOD = request("OPTIONS", "good@test")
OpenPeer = Callable[..., Peer]

STRANGE: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"x",
    "zeros": bytes(1400),
    "line ends": b"\r\n" * 500,
    "keep-alive": b"\r\n\r\n",
    "start line only": b"INVITE sip:a@b SIP/2.0",
    "start line and end": b"INVITE sip:a@b SIP/2.0\r\n\r\n",
    "no Call-ID": GOOD.replace(b"Call-ID: good@test\r\n", b""),
    "empty Call-ID": GOOD.replace(b"good@test", b""),
    "no To": GOOD.replace(b"To: <sip:service@127.0.0.1>\r\n", b""),
    "no CSeq": GOOD.replace(b"CSeq: 1 OPTIONS\r\n", b""),
    "no Via": GOOD.replace(b"Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-test\r\n", b""),
    "no end of headers": GOOD[:-2],
    "LF only": GOOD.replace(b"\r\n", b"\n"),
    "CR only": GOOD.replace(b"\r\n", b"\r"),
    "long method": b"X" * 5000 + GOOD,
    "long Call-ID": GOOD.replace(b"good@test", b"i" * 60_000),
    "long To tag": GOOD.replace(b"<sip:service@127.0.0.1>", b"<sip:s@h>;tag=" + b"t" * 60_000),
    "many Vias": GOOD.replace(b"Call-ID", b"Via: SIP/2.0/UDP h;branch=z9hG4bK\r\n" * 1500 + b"Call-ID", 1),
    "many headers": GOOD.replace(b"Call-ID", b"X: y\r\n" * 10_000 + b"Call-ID", 1),
    "folded": GOOD.replace(b"Call-ID: ", b"Call-ID:\r\n \r\n\t"),
    "NUL in the middle": GOOD.replace(b"tester", b"\0ester"),
    "huge CSeq": GOOD.replace(b"CSeq: 1 ", b"CSeq: " + b"9" * 400 + b" "),
    "negative CSeq": GOOD.replace(b"CSeq: 1 ", b"CSeq: -1 "),
    "huge Content-Length": GOOD.replace(b"Content-Length: 0", b"Content-Length: 99999999999999999999"),
    "response without a code": b"SIP/2.0 \r\nCall-ID: good@test\r\n\r\n",
    "response with code 0": b"SIP/2.0 000 Nothing\r\nCall-ID: good@test\r\n\r\n",
    "response with a huge code": b"SIP/2.0 99999999999 Much\r\nCall-ID: good@test\r\n\r\n",
    "other version": GOOD.replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1),
    "slashes": GOOD.replace(b"good@test", b"///"),
    "the largest datagram": GOOD + b"b" * (LARGEST - len(GOOD)),
    "largest, no end": b"A" * LARGEST,
    "a colon first": b":" * 1000,
    "utf-8": "INVITE sip:日本@語 SIP/2.0\r\nCall-ID: 日本語\r\n\r\n".encode(),
    "terminal escapes": GOOD.replace(b"good@test", b"\x1b[2J\x1b]0;owned\x07@test"),
}


def run_under_fire(fire: Callable[[int], None], **options: object) -> tuple[Result, Result]:
    """Results of client and server; `fire(port)` was called for both ports while calls went on, and hurt none."""
    with (
        running(builtin_uas(), **options) as server,
        running(
            Scenario.builtin("uac"),
            remote_host=f"127.0.0.1:{server.runner.local_port}",
            rate=500.0,
            **options,
        ) as client,
    ):
        client.thread.join(0.1)
        fire(server.runner.local_port)
        fire(client.runner.local_port)
        client.thread.join(0.1)
        client.runner.quit()
        result = client.wait()
        server.thread.join(0.1)
        assert server.thread.is_alive()
        server_result = server.end()
    assert result.n_calls == result.n_successful > 10, result.summary()
    assert server_result.n_successful >= result.n_successful
    return result, server_result


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_datagram_hurts_no_call(name: str, tmp_path: Path) -> None:
    client, server = run_under_fire(
        fire_with([STRANGE[name]] * 3),
        trace_err=True,
        error_file=str(tmp_path / "errors"),
        trace_msg=True,
        message_file=str(tmp_path / "messages"),
    )
    assert client.counters["datagrams_received"] == 3 * client.n_calls + 3
    assert server.counters["datagrams_received"] == 3 * client.n_calls + 3
    log = (tmp_path / "errors").read_bytes() if (tmp_path / "errors").exists() else b""
    assert b"\x1b" not in log, "what a stranger sends must not reach a terminal as it is"


def test_the_torture_messages_of_rfc_4475_hurt_no_call() -> None:
    assert len(TORTURE) > 40
    messages = [file.read_bytes() for file in TORTURE]

    client, _ = run_under_fire(fire_with(messages))
    counters = client.counters
    n_refused = counters["out_of_call_msgs"] + counters["malformed"] + counters["malformed_no_call_id"]
    assert n_refused == len(messages)


def flood(datagrams: Iterable[bytes], port: int) -> None:
    """Send the datagrams from a socket of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", port))


def fire_with(datagrams: list[bytes]) -> Callable[[int], None]:
    """Something for run_under_fire: sends all of them."""

    def fire(port: int) -> None:
        flood(datagrams, port)

    return fire


def test_a_flood_of_random_bytes_is_counted_and_the_run_ends_clean(tmp_path: Path) -> None:
    rng = random.Random(1)
    datagrams = [rng.randbytes(rng.randrange(5, 900)) for _ in range(20_000)]
    client, server = run_under_fire(
        fire_with(datagrams),
        trace_err=True,
        error_file=str(tmp_path / "errors"),
    )
    for result in (client, server):
        counters = result.counters
        n_seen = counters["malformed"] + counters["malformed_no_call_id"] + counters["socket_drops"]
        assert n_seen == len(datagrams)
        assert counters["out_of_call_msgs"] == 0
    assert b"non SIP message discarded" in (tmp_path / "errors").read_bytes()
    assert (tmp_path / "errors").stat().st_size < 100_000_000


def test_twenty_thousand_strange_call_ids_do_not_disturb_a_client() -> None:
    datagrams = [request("OPTIONS", f"stranger-{n}@test") for n in range(20_000)]
    with (
        Peer(answer_like_uas) as target,
        running(Scenario.builtin("uac"), remote_host=target.address, max_calls=N_CALLS, rate=200.0) as run,
    ):
        flood(datagrams, run.runner.local_port)
        result = run.wait()
    assert (result.n_successful, result.n_failed) == (N_CALLS, 0)
    assert result.counters["out_of_call_msgs"] + result.counters["socket_drops"] == len(datagrams)


def test_twenty_thousand_strange_calls_are_served_and_time_out() -> None:
    """A server opens a call for each new Call-ID, as sipp does: it must take them, and their end is counted."""
    datagrams = [request("INVITE", f"stranger-{n}@test") for n in range(20_000)]
    with running(builtin_uas(), recv_timeout_ms=500, retransmissions=False) as server:
        flood(datagrams, server.runner.local_port)
        with running(
            Scenario.builtin("uac"),
            remote_host=f"127.0.0.1:{server.runner.local_port}",
            max_calls=N_CALLS,
            rate=200.0,
        ) as client:
            result = client.wait()
        server.runner.quit()
        final = server.wait()
    assert (result.n_successful, result.n_failed) == (N_CALLS, 0)
    assert final.n_calls + final.counters["socket_drops"] >= len(datagrams) + N_CALLS
    assert final.n_successful == N_CALLS
    assert final.failures == {"timeout on recv": final.n_calls - N_CALLS}


def test_messages_of_strangers_with_the_call_id_of_a_call_fail_that_call_only(peer: OpenPeer) -> None:
    stranger = peer()
    with (
        Peer(answer_like_uas) as target,
        running(
            Scenario.builtin("uac"), remote_host=target.address, max_calls=10, rate=100.0, pause_ms=400
        ) as run,
    ):
        invite = target.wait_for("INVITE", 5)[2]
        target.wait_for("ACK", 5)
        stranger.send(response(invite, "603 Decline"), run.runner.local_port)
        result = run.wait()
    assert (result.n_successful, result.n_failed) == (9, 1)
    assert result.failures == {"unexpected message": 1}


def test_truncated_answers_at_every_length_never_crash() -> None:
    """Each call gets its 200 cut somewhere; the next, whole one, saves the call where it was not understood."""
    count = iter(range(10_000))

    def answer(message: bytes) -> list[bytes]:
        if message.startswith(b"INVITE"):
            whole = response(message, "200 OK", more="Contact: <sip:x@127.0.0.1>\r\n")
            return [whole[: next(count) % len(whole)], whole]
        return list(answer_like_uas(message))

    with (
        Peer(answer) as target,
        running(
            Scenario.builtin("uac"), remote_host=target.address, max_calls=500, rate=2000.0, max_retrans=1
        ) as run,
    ):
        result = run.wait()
    assert result.n_successful + result.n_failed == 500
    # where the cut answer was understood as far as the To header the whole one is a second, different answer
    assert result.n_successful > 200


def test_a_server_under_fire_from_many_addresses_answers_each() -> None:
    with running(builtin_uas()) as server:
        sockets = []
        for n in range(200):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sender.bind((f"127.0.{n // 100}.{n % 100 + 1}", 0))
            sender.settimeout(20)
            sockets.append(sender)
        try:
            for n, sender in enumerate(sockets):
                sender.sendto(request("INVITE", f"from-{n}@test"), ("127.0.0.1", server.runner.local_port))
            for n, sender in enumerate(sockets):
                answers = [sender.recv(4000) for _ in range(2)]
                assert [answer.split()[1] for answer in answers] == [b"180", b"200"]
                assert {header(answer, "Call-ID") for answer in answers} == {f"from-{n}@test"}
        finally:
            for sender in sockets:
                sender.close()
        assert server.end().n_calls == 200


def test_a_client_counts_what_the_kernel_dropped_when_it_is_too_slow() -> None:
    """A receive buffer of one kilobyte cannot hold a flood: the drops are counted, not silent."""
    with (
        Peer(say_nothing) as target,
        running(
            Scenario.builtin("uac"),
            remote_host=target.address,
            rate=0.0,
            max_calls=1,
            buffer_size_bytes=1,
            max_retrans=0,
        ) as run,
    ):
        flood((request("OPTIONS", f"f{n}@test") for n in range(20_000)), run.runner.local_port)
        run.runner.set_rate(1000.0)
        result = run.wait()
    n_seen = result.counters["out_of_call_msgs"]
    assert n_seen < 20_000
    assert n_seen + result.counters["socket_drops"] == 20_000
