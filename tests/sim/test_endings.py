"""How calls end that do not go as written: abort rules, default messages, dead and unknown calls, full tables."""

from __future__ import annotations

import socket

import pytest

from reference.sip_message import parse_message
from sim.link import CLIENT, MS, SERVER, Link, S, engine, snapshot
from sim.ticks import Ticks, accounted, name_of, names, recv, request, response, scenario, send
from sippx._core.codes import Behavior, QuitLevel, TraceKind

ALL = Behavior.BEHAVIOR_BYE | Behavior.BEHAVIOR_ABORT_UNEXPECTED | Behavior.BEHAVIOR_PING_REPLY
NO_BYE = ALL & ~Behavior.BEHAVIOR_BYE
NO_ABORT = ALL & ~Behavior.BEHAVIOR_ABORT_UNEXPECTED
NO_PING = ALL & ~Behavior.BEHAVIOR_PING_REPLY

CALL = scenario(
    send("INVITE"), recv("100", "optional='true'"), recv("180", "optional='true'"), recv("200"), send("ACK"),
    "<pause milliseconds='1000'/>", send("BYE"), recv("200"),
)  # fmt: skip
SERVER_CALL = scenario(recv("INVITE"), send("200"), recv("ACK"), recv("BYE"), send("200"))


def client_at(*received: bytes, **options: object) -> Ticks:
    """A client that has sent its INVITE and received these messages; what it sent is forgotten."""
    ticks = Ticks.of(CALL, **options).until(1)
    for data in received:
        ticks.receive(data)
    ticks.sent.clear()
    return ticks


# --------------------------------------------------------------------------- the abort rules of a client


@pytest.mark.parametrize(
    ("received", "unexpected", "sent"),
    [
        pytest.param([], response(404), ["ACK"], id="error to the INVITE"),
        pytest.param([response(180)], response(600), ["ACK"], id="error after ringing"),
        pytest.param([], response(302), ["CANCEL"], id="redirection"),
        pytest.param([], response(182), ["CANCEL"], id="unknown provisional"),
        pytest.param([], response(202), ["CANCEL"], id="another success"),
        pytest.param([response(180)], request("INFO"), ["CANCEL"], id="request before the answer"),
        pytest.param([response(200)], response(404), ["BYE"], id="error in the dialog"),
        pytest.param([response(200)], request("INFO"), ["BYE"], id="request in the dialog"),
        pytest.param([], request("INFO"), ["CANCEL"], id="request as first message"),
    ],
)
def test_unexpected_message_ends_the_call_by_the_abort_rules(
    received: list[bytes], unexpected: bytes, sent: list[str]
) -> None:
    ticks = client_at(*received)
    assert names(ticks.receive(unexpected)) == sent
    assert ticks.counts("failed_unexpected_message", "failed_calls") == [1, 1]
    accounted(ticks.total)


@pytest.mark.parametrize("unexpected", [response(404), response(302), request("INFO")])
def test_without_the_bye_behaviour_the_call_ends_silently(unexpected: bytes) -> None:
    ticks = client_at(behaviors=NO_BYE)
    assert ticks.receive(unexpected) == []
    assert ticks.counts("failed_unexpected_message") == [1]


@pytest.mark.parametrize("unexpected", [response(404), request("INFO"), request("BYE"), request("CANCEL")])
def test_without_the_abort_behaviour_the_call_goes_on(unexpected: bytes) -> None:
    ticks = client_at(behaviors=NO_ABORT)
    assert ticks.receive(unexpected) == []
    assert ticks.steps[1][3] == 1
    assert names(ticks.receive(response(200))) == ["ACK"]
    ticks.until(2000)
    ticks.receive(response(200, "BYE", cseq=2))
    assert ticks.counts("successful_calls") == [1]


@pytest.mark.parametrize("method", ["BYE", "CANCEL"])
@pytest.mark.parametrize(("behaviors", "sent"), [(ALL, ["200"]), (NO_BYE, [])])
def test_unexpected_bye_and_cancel_are_answered_and_leave_no_trace(
    method: str, behaviors: int, sent: list[str]
) -> None:
    ticks = client_at(response(180), behaviors=behaviors)
    data = request(method)
    assert names(ticks.receive(data)) == sent
    assert ticks.counts("failed_unexpected_message") == [1]
    # no dead call is remembered: the same again comes from a stranger
    ticks.receive(data)
    assert ticks.counts("dead_call_msgs", "out_of_call_msgs") == [0, 1]


def test_unexpected_ping_without_the_ping_behaviour_is_not_answered_and_the_call_goes_on() -> None:
    ticks = client_at(behaviors=NO_PING)
    assert names(ticks.receive(request("PING"))) == []
    assert ticks.counts("auto_answered", "failed_unexpected_message", "warnings") == [0, 0, 1]
    assert ticks.engine.n_open == 1


def test_server_sends_nothing_of_its_own_when_it_aborts() -> None:
    ticks = Ticks.of(SERVER_CALL)
    ticks.receive(request("INVITE"))
    assert ticks.receive(request("INFO", cseq=2)) == []
    assert ticks.counts("failed_unexpected_message") == [1]


def test_call_that_sent_nothing_yet_sends_nothing_when_it_aborts() -> None:
    ticks = Ticks.of(scenario("<pause milliseconds='5000'/>", send("INVITE"), recv("200"))).until(10)
    assert ticks.receive(request("INFO")) == []
    assert ticks.counts("failed_unexpected_message") == [1]


def test_forced_quit_tells_the_peer_what_the_call_needs() -> None:
    ticks = Ticks.of(CALL, n_calls=3).until(3)
    ticks.receive(response(200, number=2), response(180, number=3))
    ticks.sent.clear()
    ticks.engine.quit(QuitLevel.QUIT_FORCED)
    ticks.until(4)
    by_call = {data.partition(b"Call-ID: ")[2][:1]: name_of(data) for _, data in ticks.sent}
    assert by_call == {b"2": "BYE", b"3": "CANCEL"}
    assert ticks.counts("failed_aborted", "failed_calls") == [3, 3]
    assert sum(kind == TraceKind.TRACE_ABORTED_CALL for kind, _, _ in ticks.trace()) == 3
    accounted(ticks.total)


def test_soft_quit_waits_for_a_forced_one() -> None:
    ticks = Ticks.of(CALL, n_calls=100).until(50)
    ticks.engine.quit(QuitLevel.QUIT_SOFT)
    ticks.until(70)
    assert ticks.total.calls_created == 50 == ticks.engine.n_open
    ticks.engine.quit(QuitLevel.QUIT_FORCED)
    ticks.engine.quit(QuitLevel.QUIT_SOFT)  # a level never falls
    assert ticks.engine.turn(71 * MS)


# --------------------------------------------------------------------------- the default messages


def test_default_bye_is_built_from_the_last_message() -> None:
    ticks = client_at(response(200))
    answer = response(404, "INFO", cseq=8)
    (bye,) = map(parse_message, ticks.receive(answer))
    last = parse_message(answer)
    assert bye.raw.startswith(b"BYE sip:callee@there;p=1 SIP/2.0\r\n")
    assert bye.value(b"CSeq") == b"9 BYE"
    assert (bye.value(b"From"), bye.value(b"To")) == (last.value(b"From"), last.value(b"To"))
    assert bye.value(b"Call-ID") == last.value(b"Call-ID")
    assert bye.value(b"Via") != last.value(b"Via")


@pytest.mark.parametrize(("code", "method"), [(486, b"ACK"), (302, b"CANCEL")])
def test_default_ack_and_cancel_belong_to_the_transaction(code: int, method: bytes) -> None:
    answer = response(code)
    (message,) = map(parse_message, client_at().receive(answer))
    last = parse_message(answer)
    assert (message.method, message.value(b"CSeq")) == (method, b"1 " + method)
    assert message.value(b"Via") == last.value(b"Via")
    assert message.raw.split(b"\r\n")[0] == method + b" sip:callee@there;p=1 SIP/2.0"


def test_default_200_copies_the_request() -> None:
    bye = request("BYE", cseq=77)
    (answer,) = map(parse_message, client_at(response(180)).receive(bye))
    asked = parse_message(bye)
    for name in (b"Via", b"From", b"To", b"Call-ID", b"CSeq"):
        assert answer.value(name) == asked.value(name)


def test_scenario_may_replace_a_default_message() -> None:
    goodbye = "<DefaultMessage id='bye'><![CDATA[\nGOODBYE x SIP/2.0\n[last_From:]\n]]></DefaultMessage>"
    text = CALL.replace("</scenario>", goodbye + "</scenario>")
    ticks = Ticks.of(text).until(1)
    ticks.receive(response(200))
    assert names(ticks.receive(request("INFO")))[-1:] == ["GOODBYE"]


# --------------------------------------------------------------------------- dead, unknown and too many calls


def test_ended_call_is_remembered_for_its_time() -> None:
    ticks = Ticks.of(SERVER_CALL, dead_wait_ms=500)
    ticks.receive(request("INVITE"), request("ACK"), request("BYE", cseq=2))
    assert ticks.counts("successful_calls") == [1]
    assert ticks.total.gauge("dead_calls") == 1
    ticks.until(499)
    ticks.receive(request("BYE", cseq=2))
    assert ticks.counts("dead_call_msgs", "incoming_calls") == [1, 1]
    assert any(kind == TraceKind.TRACE_DEAD_CALL for kind, _, _ in ticks.trace())
    ticks.until(501)
    assert ticks.total.gauge("dead_calls") == 0
    ticks.receive(request("INVITE", cseq=3))
    assert ticks.counts("incoming_calls") == [2]


def test_without_a_wait_ended_calls_are_forgotten_at_once() -> None:
    ticks = Ticks.of(SERVER_CALL, dead_wait_ms=0)
    ticks.receive(request("INVITE"), request("ACK"), request("BYE", cseq=2), request("INVITE", cseq=3))
    assert ticks.counts("incoming_calls", "dead_call_msgs") == [2, 0]


def test_quitting_server_takes_no_new_call_but_ends_the_open_one() -> None:
    ticks = Ticks.of(SERVER_CALL)
    ticks.receive(request("INVITE"))
    ticks.engine.quit(QuitLevel.QUIT_SOFT)
    ticks.receive(request("INVITE", number=2))
    assert ticks.counts("incoming_calls", "out_of_call_msgs") == [1, 1]
    ticks.receive(request("ACK"), request("BYE", cseq=2))
    assert ticks.engine.turn(5 * MS)


def test_server_with_a_number_of_calls_ends_after_them() -> None:
    ticks = Ticks.of(SERVER_CALL)
    ticks.engine.set_max_calls(2)
    for number in (1, 2, 3):
        ticks.receive(request("INVITE", number=number))
    assert ticks.counts("incoming_calls", "out_of_call_msgs") == [2, 1]
    for number in (1, 2):
        ticks.receive(request("ACK", number=number), request("BYE", number=number, cseq=2))
    assert ticks.engine.turn(MS)


def test_full_server_refuses_and_counts_then_recovers() -> None:
    ticks = Ticks.of(SERVER_CALL, capacity=2, dead_wait_ms=0)
    for number in range(5):
        ticks.receive(request("INVITE", number=number))
    assert ticks.counts("incoming_calls", "calls_refused") == [2, 3]
    assert sum(kind == TraceKind.TRACE_CALLS_REFUSED for kind, _, _ in ticks.trace()) == 3
    ticks.receive(request("ACK", number=0), request("BYE", number=0, cseq=2))
    ticks.receive(request("INVITE", number=9))
    assert ticks.counts("incoming_calls") == [3]
    accounted(ticks.total)


def test_call_without_memory_for_its_message_fails_and_is_counted() -> None:
    ticks = Ticks.of(scenario(send("INVITE", "retrans='500'"), recv("200")), n_calls=5, max_block_bytes=0).until(10)
    assert ticks.counts("failed_cannot_send_message", "outgoing_calls") == [5, 5]
    assert ticks.sent == []
    accounted(ticks.total)


def test_call_without_memory_for_a_received_message_fails_and_is_counted() -> None:
    ticks = Ticks.of(CALL, n_calls=3, max_block_bytes=0).until(10)
    ticks.receive(response(180), response(180, number=2))
    assert ticks.counts("failed_cannot_send_message") == [2]
    assert ticks.engine.n_open == 1
    accounted(ticks.total)


def test_message_too_long_for_a_datagram_fails_the_call() -> None:
    text = scenario(
        recv("MESSAGE"),
        "<send><![CDATA[SIP/2.0 200 OK\n[last_Via:]\n[last_Call-ID:]\n\n[last_message][last_message]]]></send>",
    )
    ticks = Ticks.of(text)
    ticks.receive(request("MESSAGE", more=f"X: {'x' * 40_000}\r\n"))
    assert ticks.counts("failed_cannot_send_message", "datagrams_sent") == [1, 0]
    assert any(kind == TraceKind.TRACE_MESSAGE_TOO_LONG for kind, _, _ in ticks.trace())
    accounted(ticks.total)


def test_message_without_to_ends_the_call_as_unexpected() -> None:
    ticks = client_at(response(180))
    data = response(200).replace(b"To: <sip:callee@there;p=1>;tag=t1\r\n", b"")
    ticks.receive(data)
    assert ticks.counts("failed_unexpected_message") == [1]


# --------------------------------------------------------------------------- scheduling of steps


def test_endless_loop_of_steps_leaves_time_for_other_calls() -> None:
    text = scenario("<label id='again'/>", "<nop counter='spins' next='again'/>", send("INVITE"), recv("200"))
    ticks = Ticks.of(text, n_calls=2, run_steps=10).until(5)
    # ten steps a millisecond for each of the two calls, the second a millisecond later
    assert ticks.total.generic == [50 + 40]
    ticks.engine.quit(QuitLevel.QUIT_FORCED)
    ticks.until(6)
    accounted(ticks.total)


def test_call_that_yields_keeps_its_last_message() -> None:
    nops = ["<nop/>"] * 25
    ticks = Ticks.of(scenario(recv("INVITE"), *nops, send("200"), recv("ACK")), run_steps=10)
    invite = request("INVITE", more="Subject: kept\r\n")
    assert ticks.receive(invite) == []
    ticks.until(5)
    (answer,) = [parse_message(data) for _, data in ticks.sent]
    assert answer.value(b"Via") == parse_message(invite).value(b"Via")


def test_two_engines_have_nothing_in_common() -> None:
    pairs = [(engine(CALL), engine(SERVER_CALL)) for _ in range(2)]
    for (client, server), n_calls in zip(pairs, (3, 40), strict=True):
        client.set_rate(1000.0)
        client.set_max_calls(n_calls)
        link = Link(client, server)
        link.run(5 * S)
    for (client, server), n_calls in zip(pairs, (3, 40), strict=True):
        assert snapshot(client).counter("successful_calls") == n_calls == snapshot(server).counter("successful_calls")


def test_addresses_of_both_families_are_answered_where_they_came_from() -> None:
    ticks = Ticks.of(SERVER_CALL)
    sources = [(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "::1"), 5070), CLIENT, SERVER]
    for number, source in enumerate(sources):
        ticks.engine.inject(request("INVITE", number=number), source)
        assert [to for _, to in ticks.engine.take_sent()] == [source]
