"""Calls between two engines on a virtual clock: the protocol's timers and every way a call may end."""

from __future__ import annotations

import itertools

import pytest

from sim.link import CLIENT, MS, SERVER, Link, S, engine, first_lines, snapshot, steps
from sippx._core.codes import QuitLevel

UAC_OPTIONS = "<scenario><send retrans='500'><![CDATA[OPTIONS sip:a SIP/2.0\nVia: SIP/2.0/UDP x;branch=[branch]\nFrom: a;tag=1\nTo: b\nCall-ID: [call_id]\nCSeq: 1 OPTIONS\nContent-Length: 0]]></send><recv response='200' rtd='true'/></scenario>"


def request(method: str, call_id: str = "1-7@127.0.0.1", cseq: int = 1, to: str = "b") -> bytes:
    return (
        f"{method} sip:a SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK{method}{cseq}\r\nFrom: a;tag=1\r\nTo: {to}\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def response(code: int, method: str = "INVITE", call_id: str = "1-7@127.0.0.1", cseq: int = 1) -> bytes:
    return (
        f"SIP/2.0 {code} X\r\nVia: SIP/2.0/UDP x\r\nFrom: a;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: {call_id}\r\n"
        f"CSeq: {cseq} {method}\r\nContact: <sip:c@d>\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def started(scenario: str = "uac", n_calls: int = 1, rate: float = 1000.0, **more: object) -> object:
    one = engine(scenario, **more)
    one.set_rate(rate)
    one.set_max_calls(n_calls)
    return one


def accounted(one: object) -> None:
    """Every call created has ended, and in one way."""
    total = snapshot(one)
    assert total.counter("successful_calls") + total.counter("failed_calls") == total.counter("calls_ended")
    assert total.calls_created == total.counter("calls_ended") + total.gauge("current_calls")
    causes = sum(
        n for name, n in total.counters().items() if name.startswith("failed_") and name != "failed_calls"
    )
    assert causes == total.counter("failed_calls")


def test_every_call_succeeds_over_a_perfect_link() -> None:
    client, server = started(n_calls=500), engine("uas")
    link = Link(client, server)
    link.run(10 * S)
    for one in (client, server):
        assert snapshot(one).counter("successful_calls") == 500
        assert snapshot(one).counter("retransmissions") == 0
        accounted(one)
    assert steps(client)[0][0] == steps(server)[0][0] == 500


def test_an_unanswered_invite_doubles_its_interval_and_gives_up() -> None:
    client, server = started(), engine("uas")
    link = Link(client, server, loss=1.0)
    link.run(60 * S)
    at_ms = [at for at, line in first_lines(link, "client") if line == "INVITE"]
    gaps = [round(b - a) for a, b in itertools.pairwise(at_ms)]
    assert gaps == [500, 1000, 2000, 4000, 8000]
    total = snapshot(client)
    assert total.counter("failed_max_udp_retrans") == total.counter("failed_calls") == 1
    assert steps(client)[0][:3] == [1, 5, 1]


def test_an_unanswered_other_request_is_capped_at_t2() -> None:
    client, server = started(UAC_OPTIONS), engine("uas")
    link = Link(client, server, loss=1.0)
    link.run(60 * S)
    at_ms = [at for at, _ in first_lines(link, "client")]
    gaps = [round(b - a) for a, b in itertools.pairwise(at_ms)]
    assert gaps == [500, 1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000]
    assert snapshot(client).counter("failed_max_udp_retrans") == 1


def test_timers_fire_at_their_tick_and_never_before_it() -> None:
    client, server = started(rate=300.0), engine("uas")
    link = Link(client, server, loss=1.0)
    link.run(2 * S)
    first, second = (at for at, line in first_lines(link, "client")[:2])
    assert 500 <= second - first <= 502


@pytest.mark.parametrize("loss", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_lossy_link_loses_no_call_silently(loss: float, seed: int) -> None:
    client, server = started(n_calls=300), engine("uas")
    link = Link(client, server, loss=loss, duplicate=0.1, delay_ms=(5, 5), seed=seed)
    link.run(400 * S)
    client.quit(QuitLevel.QUIT_FORCED)
    server.quit(QuitLevel.QUIT_FORCED)
    link.run(402 * S)
    for one in (client, server):
        accounted(one)
        assert snapshot(one).gauge("current_calls") == 0
    assert snapshot(client).calls_created == 300
    if loss <= 0.1:
        assert snapshot(client).counter("successful_calls") >= 290


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reordering_ends_calls_but_loses_none(seed: int) -> None:
    client, server = started(n_calls=300), engine("uas")
    link = Link(client, server, loss=0.02, duplicate=0.2, delay_ms=(0.1, 900), seed=seed)
    link.run(100 * S)
    for one in (client, server):
        one.quit(QuitLevel.QUIT_FORCED)
    link.run(101 * S)
    for one in (client, server):
        accounted(one)
        assert snapshot(one).gauge("current_calls") == 0


def test_a_repeated_request_is_answered_as_before() -> None:
    server = engine("uas")
    server.inject(request("INVITE"), CLIENT)
    answers = [data for data, _ in server.take_sent()]
    server.inject(request("INVITE"), CLIENT)
    again = [data for data, _ in server.take_sent()]
    assert again == answers[-1:]
    server.inject(request("ACK"), CLIENT)
    server.inject(request("BYE", cseq=2), CLIENT)
    bye_answer = server.take_sent()
    server.inject(request("BYE", cseq=2), CLIENT)
    assert server.take_sent() == bye_answer
    total = snapshot(server)
    assert total.counter("retransmissions") == 2
    assert total.counter("failed_calls") == 0


def test_a_repeated_answer_to_the_invite_is_acknowledged_again() -> None:
    client = started()
    client.turn(1 * MS)
    client.take_sent()
    client.inject(response(200), SERVER)
    ack = client.take_sent()[0]
    client.inject(response(200), SERVER)
    assert client.take_sent() == [ack]


@pytest.mark.parametrize(
    ("received", "sent"),
    [
        ([486], ["ACK"]),
        ([183, 699], ["ACK"]),
        ([180, 302], ["CANCEL"]),
        ([200, 486], ["ACK", "BYE", "BYE"]),
    ],
)
def test_an_unexpected_answer_ends_the_call_as_sipp_does(received: list[int], sent: list[str]) -> None:
    client = started(bindings=None)
    client.turn(1 * MS)
    client.take_sent()
    for code in received:
        client.inject(response(code), SERVER)
    lines = [data.split(b" ")[0].decode() for data, _ in client.take_sent()]
    assert lines == sent
    assert snapshot(client).counter("failed_unexpected_message") == 1
    accounted(client)


def test_an_unexpected_bye_is_answered_and_ends_the_call() -> None:
    client = started()
    client.turn(1 * MS)
    client.take_sent()
    client.inject(request("BYE"), SERVER)
    assert [data.split(b"\r\n")[0] for data, _ in client.take_sent()] == [b"SIP/2.0 200 OK"]
    accounted(client)


def test_without_behaviours_an_unexpected_message_changes_nothing() -> None:
    client = started(behaviors=0)
    client.turn(1 * MS)
    client.take_sent()
    client.inject(response(486), SERVER)
    assert client.take_sent() == []
    assert client.n_open == 1
    assert sum(row[3] for row in steps(client)) == 1


def test_a_ping_is_answered_and_the_call_goes_on() -> None:
    client = started()
    client.turn(1 * MS)
    client.take_sent()
    client.inject(request("PING"), SERVER)
    assert client.take_sent()[0][0].startswith(b"SIP/2.0 200 OK")
    assert client.n_open == 1
    assert snapshot(client).counter("auto_answered") == 1


@pytest.mark.parametrize("stray", [request("ACK", "x"), response(200, call_id="x"), request("ACK", "y///x")])
def test_a_stray_ack_or_answer_opens_no_call(stray: bytes) -> None:
    server = engine("uas")
    server.inject(stray, CLIENT)
    assert (server.n_open, snapshot(server).counter("out_of_call_msgs")) == (0, 1)


def test_a_message_for_an_ended_call_is_told_from_a_strangers() -> None:
    client, server = started(), engine("uas")
    Link(client, server).run(1 * S)
    client.inject(response(200), SERVER)
    client.inject(response(200, call_id="stranger"), SERVER)
    total = snapshot(client)
    assert (total.counter("dead_call_msgs"), total.counter("out_of_call_msgs")) == (1, 1)


def test_the_prefix_of_a_call_id_is_not_part_of_its_name() -> None:
    server = engine("uas")
    server.inject(request("INVITE", "log///7"), CLIENT)
    server.inject(request("ACK", "7"), CLIENT)
    assert steps(server)[3][0] == 1


def test_a_resting_call_answers_and_then_succeeds() -> None:
    client, server = started(), engine("uas")
    link = Link(client, server)
    link.run(1 * S)
    bye = next(data for _, side, data in link.sent if side == "client" and data.startswith(b"BYE"))
    server.inject(bye, CLIENT)
    assert len(server.take_sent()) == 1
    link.run(3900 * MS)
    assert snapshot(server).counter("successful_calls") == 0
    link.run(5 * S)
    assert snapshot(server).counter("successful_calls") == 1
    accounted(server)


def test_an_unexpected_message_for_a_resting_call_fails_it() -> None:
    client, server = started(), engine("uas")
    link = Link(client, server)
    link.run(1 * S)
    server.inject(request("MESSAGE", cseq=9), CLIENT)
    assert snapshot(server).counter("failed_unexpected_message") == 1
    link.run(10 * S)
    accounted(server)


def test_receive_timeouts_jump_or_end_the_call() -> None:
    head = "OPTIONS sip:a SIP/2.0\nVia: x\nFrom: a\nTo: b\nCall-ID: [call_id]\nCSeq: 1 OPTIONS\nContent-Length: 0"
    jumping = (
        f"<scenario><send><![CDATA[{head}]]></send><recv response='100' optional='true'/>"
        "<recv response='200' timeout='300' ontimeout='late'/><nop counter='never'/>"
        "<label id='late'/><nop counter='late'/><pause milliseconds='10'/></scenario>"
    )
    client, server = started(jumping), engine("uas")
    Link(client, server, loss=1.0).run(5 * S)
    assert snapshot(client).generic == [0, 1]
    assert snapshot(client).counter("successful_calls") == 1
    ending = jumping.replace(" ontimeout='late'", "")
    client = started(ending)
    Link(client, server, loss=1.0, now_ns=5 * S).run(9 * S)
    assert snapshot(client).counter("failed_timeout_on_recv") == 1


def test_pauses_last_what_they_say_on_the_virtual_clock() -> None:
    pausing = "<scenario><nop start_rtd='a'/><pause milliseconds='250'/><nop rtd='a'/><send><![CDATA[OPTIONS sip:a SIP/2.0\nCall-ID: [call_id]\nContent-Length: 0]]></send></scenario>"
    client, server = started(pausing, n_calls=20), engine("uas")
    Link(client, server, loss=1.0).run(2 * S)
    times = snapshot(client).histogram(0)
    assert times.count == 20
    assert 250 * MS <= times.max_ns <= 252 * MS


def test_a_late_turn_makes_up_all_starts_and_records_the_lag() -> None:
    client = started(n_calls=10_000)
    client.turn(10 * MS)
    client.turn(510 * MS)
    total = snapshot(client)
    assert total.counter("outgoing_calls") == 510
    assert total.counter("late_starts") >= 480
    assert 499 * MS <= total.schedule_lag.max_ns <= 501 * MS


def test_a_limit_holds_calls_back_and_counts_them() -> None:
    client = started(n_calls=10_000)
    client.set_limit(10)
    client.turn(100 * MS)
    total = snapshot(client)
    assert total.gauge("current_calls") == 10
    assert total.counter("limited_starts") == 90


def test_a_pause_leaves_out_what_falls_due_meanwhile() -> None:
    client = started(n_calls=10_000)
    client.turn(100 * MS)
    client.pause(True)
    client.turn(200 * MS)
    client.pause(False)
    client.turn(300 * MS)
    assert 199 <= snapshot(client).counter("outgoing_calls") <= 200


def test_a_full_slab_counts_every_call_it_refuses() -> None:
    client = started(n_calls=10_000, capacity=4)
    client.turn(10 * MS)
    total = snapshot(client)
    assert total.counter("outgoing_calls") == 4
    assert total.counter("calls_refused") == 6


def test_message_memory_that_runs_out_ends_calls_and_nothing_else() -> None:
    client, server = started(n_calls=20_000, max_block_bytes=1 << 20), engine("uas")
    link = Link(client, server, loss=1.0)
    link.run(3 * S)
    client.quit(QuitLevel.QUIT_FORCED)
    link.run(4 * S)
    accounted(client)


def test_a_soft_quit_lets_open_calls_end() -> None:
    client, server = started(n_calls=10_000), engine("uas")
    link = Link(client, server, delay_ms=(50, 50))
    link.run(100 * MS)
    client.quit(QuitLevel.QUIT_SOFT)
    link.run(2 * S)
    total = snapshot(client)
    assert total.counter("successful_calls") == total.calls_created > 0
    assert client.turn(2 * S)


def test_a_forced_quit_ends_every_open_call() -> None:
    client, server = started(n_calls=1000), engine("uas")
    link = Link(client, server, delay_ms=(500, 500))
    link.run(100 * MS)
    client.quit(QuitLevel.QUIT_FORCED)
    assert client.turn(101 * MS)
    accounted(client)
    assert snapshot(client).counter("failed_aborted") > 0


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"garbage", b"\x00" * 100, b"INVITE sip:a SIP/2.0\r\n\r\n", b"x" * 70000])
def test_what_is_no_sip_message_is_counted_and_survived(data: bytes) -> None:
    server = engine("uas")
    server.inject(data, CLIENT)
    total = snapshot(server)
    assert server.n_open == 0
    keepalive = not data.strip(b"\r\n\0")
    assert total.counter("malformed") + total.counter("malformed_no_call_id") == (0 if keepalive else 1)


def test_a_message_without_to_is_unexpected() -> None:
    client = started()
    client.turn(1 * MS)
    client.inject(b"SIP/2.0 200 OK\r\nCall-ID: 1-7@127.0.0.1\r\nCSeq: 1 INVITE\r\n\r\n", SERVER)
    assert snapshot(client).counter("failed_unexpected_message") == 1


def test_losing_messages_on_purpose_leaves_nothing_on_the_wire() -> None:
    client = started(n_calls=50, lost_percent=100.0)
    client.turn(50 * MS)
    assert client.take_sent() == []
    assert steps(client)[0][4] == 50


def test_memory_does_not_grow_with_calls_that_came_and_went() -> None:
    client, server = started(n_calls=40_000, rate=20_000.0, dead_wait_ms=0), engine("uas", dead_wait_ms=0)
    link = Link(client, server)
    link.run(1 * S)
    link.sent.clear()
    before = snapshot(client).gauge("memory_bytes")
    link.run(2 * S)
    link.sent.clear()
    assert snapshot(client).gauge("memory_bytes") <= before * 1.2


def test_the_rate_is_kept_exactly_over_changes() -> None:
    client = engine("uac")
    client.set_limit(0)
    client.set_max_calls(0)
    due, now = 0.0, 0
    for rate, ms in ((333.0, 100), (0.0, 50), (1234.5, 77), (10.0, 900)):
        client.set_rate(rate)
        for _ in range(ms):
            now += MS
            client.turn(now)
        due += rate * ms / 1000
        assert abs(snapshot(client).counter("outgoing_calls") - due) <= 1


def test_two_engines_in_one_process_share_nothing() -> None:
    a, b = started(n_calls=5), started(n_calls=7)
    a.turn(100 * MS)
    b.turn(50 * MS)
    assert (a.n_open, b.n_open) == (5, 7)
