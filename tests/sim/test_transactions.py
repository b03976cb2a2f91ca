"""Named transactions (start_txn, ack_txn, response_txn): responses are matched by branch, not by method."""

from __future__ import annotations

import re

from sim.language import log, logged, recv_doing, run
from sim.ticks import Ticks, accounted, names, recv, scenario, send

TWO_INVITES = scenario(
    send("INVITE", "start_txn='first'"),
    send("INVITE", "start_txn='second'"),
    recv_doing("200", log("first"), attributes="response_txn='first'"),
    send("ACK", "ack_txn='first'"),
    recv_doing("200", log("second"), attributes="response_txn='second'"),
    send("ACK", "ack_txn='second'"),
    "<pause milliseconds='50'/>",
)
TWO_OTHERS = scenario(
    send("OPTIONS", "start_txn='a'"),
    send("INFO", "start_txn='b'"),
    recv_doing("180", log("a"), attributes="response_txn='a' optional='true'"),
    recv_doing("200", log("a"), attributes="response_txn='a'"),
    recv_doing("200", log("b"), attributes="response_txn='b'"),
    "<pause milliseconds='50'/>",
)


def answer(sent: bytes, code: int, tag: str = "t", more: str = "") -> bytes:
    """A response to a request as it was sent."""
    kept = [line for line in sent.decode().split("\r\n")[1:] if re.match("Via|From|Call-ID|CSeq", line)]
    to = f"To: <sip:b@there>;tag={tag}"
    return "\r\n".join([f"SIP/2.0 {code} Text", *kept, to, f"{more}Content-Length: 0", "", ""]).encode()


def started(text: str) -> tuple[Ticks, bytes, bytes]:
    ticks = run(text).until(2)
    first, second = (data for _, data in ticks.sent)
    return ticks, first, second


def test_each_response_goes_to_the_transaction_of_its_branch() -> None:
    ticks, first, second = started(TWO_INVITES)
    assert names(ticks.receive(answer(first, 200))) == ["ACK"]
    assert names(ticks.receive(answer(second, 200))) == ["ACK"]
    ticks.until(100)
    assert logged(ticks) == ["first", "second"]
    assert ticks.counts("successful_calls", "retransmissions") == [1, 0]
    accounted(ticks.total)


def test_response_of_the_other_transaction_is_unexpected() -> None:
    ticks, _, second = started(TWO_INVITES)
    assert names(ticks.receive(answer(second, 200)))[-1:] == ["CANCEL"]
    assert ticks.counts("failed_unexpected_message") == [1]


def test_response_with_no_branch_belongs_to_no_transaction() -> None:
    ticks, first, _ = started(TWO_INVITES)
    ticks.receive(re.sub(rb";branch=[^;\r]*", b"", answer(first, 200)))
    assert ticks.counts("failed_unexpected_message") == [1]


def test_branch_is_found_among_parameters_in_any_case() -> None:
    ticks, first, _ = started(TWO_INVITES)
    response = re.sub(rb";branch=([^;\r]*)", rb";received=1.2.3.4; Branch=\1;rport=5060", answer(first, 200))
    assert names(ticks.receive(response)) == ["ACK"]


def test_old_final_response_of_an_invite_has_its_own_ack_repeated() -> None:
    ticks, first, second = started(TWO_INVITES)
    (ack1,) = ticks.receive(answer(first, 200))
    (ack2,) = ticks.receive(answer(second, 200))
    (again,) = ticks.receive(answer(first, 200, more="X: again\r\n"))
    assert names([again]) == ["ACK"]
    (again,) = ticks.receive(answer(first, 200))
    assert names([again]) == ["ACK"]
    assert ticks.steps[3][1] == 2, "repeated ACKs count at the ACK of the first"
    assert ticks.steps[5][1] == 0
    assert ack1 != ack2
    ticks.until(100)
    assert ticks.counts("successful_calls", "retransmissions") == [1, 0], "SIPp counts no retransmission here"


def test_old_final_response_of_another_request_is_ignored() -> None:
    ticks, first, second = started(TWO_OTHERS)
    assert ticks.receive(answer(first, 200), answer(second, 200)) == []
    assert ticks.receive(answer(first, 200)) == []
    ticks.until(100)
    assert logged(ticks) == ["a", "b"]
    assert ticks.counts("successful_calls", "failed_calls") == [1, 0]


def test_late_provisional_response_is_ignored() -> None:
    ticks, first, second = started(TWO_OTHERS)
    ticks.receive(answer(first, 200), answer(first, 180), answer(second, 200))
    ticks.until(100)
    assert ticks.counts("successful_calls", "failed_calls") == [1, 0]


def test_transactions_of_calls_do_not_mix() -> None:
    ticks = run(TWO_INVITES, n_calls=4).until(5)
    sent = [data for _, data in ticks.sent]
    for data in (*sent[::2], *sent[1::2]):
        assert names(ticks.receive(answer(data, 200))) == ["ACK"]
    ticks.until(100)
    assert ticks.counts("successful_calls", "calls_ended") == [4, 4]


def test_new_request_of_a_transaction_forgets_the_old_branch() -> None:
    text = scenario(
        "<label id='1'/>",
        send("INVITE", "start_txn='t'"),
        recv("401", "response_txn='t' optional='true' next='2'"),
        recv("200", "response_txn='t'"),
        send("ACK", "ack_txn='t' next='3'"),
        "<label id='2'/>",
        send("ACK", "ack_txn='t' next='1'"),
        "<label id='3'/>",
        "<pause milliseconds='5'/>",
    )
    ticks = run(text).until(2)
    (old,) = (data for _, data in ticks.sent)
    ack, new = ticks.receive(answer(old, 401))
    assert names([ack, new]) == ["ACK", "INVITE"]
    if b"branch" in new and re.search(rb"branch=\S+", old).group() != re.search(rb"branch=\S+", new).group():  # type: ignore[union-attr]
        assert names(ticks.receive(answer(new, 200))) == ["ACK"]
        ticks.until(20)
        assert ticks.counts("successful_calls") == [1]
