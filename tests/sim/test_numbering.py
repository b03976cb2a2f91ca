"""What calls number: CSeq, branches, call numbers and the tags they are known by."""

from __future__ import annotations

import pytest

from reference.sip_message import SipMessage, parse_message
from sim.ticks import Ticks, recv, request, response, scenario, send


def parsed(ticks: Ticks) -> list[SipMessage]:
    return [parse_message(data) for _, data in ticks.sent]


def test_each_request_but_ack_and_cancel_raises_the_cseq() -> None:
    sends = [send(method) for method in ("INVITE", "ACK", "INFO", "CANCEL", "BYE", "ACK")]
    found = parsed(Ticks.of(scenario(*sends)).until(1))
    assert [message.cseq_number for message in found] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("base", [1, 7, 2**31])
def test_first_request_has_the_base_cseq(base: int) -> None:
    (invite,) = parsed(Ticks.of(scenario(send("INVITE"), recv("200")), base_cseq=base).until(1))
    assert invite.cseq_number == base


def test_larger_cseq_of_the_peer_raises_ours() -> None:
    text = scenario(recv("INVITE"), send("200"), recv("ACK"), send("BYE"), recv("200"))
    for received, sent in ((500, 501), (1, 2)):
        ticks = Ticks.of(text)
        ticks.receive(request("INVITE", cseq=received), request("ACK", cseq=received))
        assert parsed(ticks)[-1].cseq_number == sent


def test_smaller_cseq_of_the_peer_changes_nothing() -> None:
    text = scenario(send("INVITE"), recv("INFO"), send("BYE"), recv("200"))
    ticks = Ticks.of(text, base_cseq=100).until(1)
    ticks.receive(request("INFO", cseq=5))
    assert parsed(ticks)[-1].cseq_number == 101


def test_answers_of_the_peer_do_not_raise_the_cseq() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("200"), send("BYE"))).until(1)
    ticks.receive(response(200, cseq=900))
    assert parsed(ticks)[-1].cseq_number == 2


def test_branch_names_call_and_step() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), "<nop/>", send("BYE")), n_calls=12).until(12)
    branches = [message.value(b"Via").partition(b"branch=")[2] for message in parsed(ticks)]
    assert branches == [b"z9hG4bK-7-%d-%d" % (number, step) for number in range(1, 13) for step in (0, 2)]


def test_call_numbers_count_incoming_calls_too() -> None:
    ticks = Ticks.of(scenario(recv("MESSAGE"), send("200")))
    for number in (5, 9, 2):
        ticks.receive(request("MESSAGE", number=number))
    tags = [message.value(b"To").partition(b";tag=")[2] for message in parsed(ticks)]
    assert tags == [b"s1", b"s2", b"s3"]


def test_peer_tag_is_that_of_the_last_answer_with_one() -> None:
    text = scenario(
        send("INVITE"), recv("180"), send("INFO"), recv("183"), send("INFO"), recv("200"), send("ACK")
    )
    ticks = Ticks.of(text).until(1)
    other = response(183).replace(b"tag=t1", b"tag=other-and-longer")
    without = response(200).replace(b";tag=t1", b"")
    ticks.receive(response(180), other, without)
    tags = [message.value(b"To").partition(b";tag=")[2] for message in parsed(ticks)]
    assert tags == [b"", b"t1", b"other-and-longer", b"other-and-longer"]


def test_request_of_the_peer_sets_no_tag() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("INFO"), send("BYE"))).until(1)
    ticks.receive(request("INFO").replace(b"To: <sip:me@here>", b"To: <sip:me@here>;tag=mine"))
    assert b";tag=" not in parsed(ticks)[-1].value(b"To")


@pytest.mark.parametrize("n_bytes", [1, 100, 121, 900])
def test_call_ids_of_any_length_lead_to_their_call(n_bytes: int) -> None:
    call_id = "c" * n_bytes
    ticks = Ticks.of(scenario(send("INVITE"), recv("200"), send("ACK")), bindings={"call_id_format": f"%u{call_id}"})
    ticks.until(1)
    answer = response(200).replace(b"Call-ID: 1-7@127.0.0.1", f"Call-ID: 1{call_id}".encode())
    (ack,) = map(parse_message, ticks.receive(answer))
    assert ack.value(b"Call-ID") == f"1{call_id}".encode()
