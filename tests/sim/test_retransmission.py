"""Own retransmissions over UDP, to the millisecond (RFC 3261 17.1.1.2, 17.1.2.2; SIPp's limits)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sim.ticks import Ticks, accounted, names, recv, request, response, scenario, send
from sippx._core.codes import TraceKind

INVITE = scenario(send("INVITE", "retrans='500'"), recv("100", "optional='true'"), recv("200"), send("ACK"))
OPTIONS = scenario(send("OPTIONS", "retrans='500'"), recv("100", "optional='true'"), recv("200"))
SERVER = scenario(recv("INVITE"), send("200", "retrans='500'"), recv("ACK"), send("BYE"), recv("200"))


def times(ticks: Ticks) -> list[int]:
    return [ms for ms, _ in ticks.lines()]


def test_invite_is_repeated_on_schedule_then_fails() -> None:
    ticks = Ticks.of(INVITE).until(40_000)
    assert times(ticks) == [1 + ms for ms in (0, 500, 1500, 3500, 7500, 15500)]
    assert ticks.steps[0] == [1, 5, 1, 0, 0]
    assert ticks.counts("failed_max_udp_retrans", "failed_calls", "retransmissions") == [1, 1, 5]
    # the sixth expiry ends the call
    assert ticks.total.call_length.max_ns == 31_500_000_000
    accounted(ticks.total)


def test_other_request_is_capped_at_t2_then_fails() -> None:
    ticks = Ticks.of(OPTIONS).until(40_000)
    assert times(ticks) == [1 + ms for ms in (0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500)]
    assert ticks.total.call_length.max_ns == 31_500_000_000
    assert ticks.counts("failed_max_udp_retrans") == [1]


@pytest.mark.parametrize("data", [INVITE, OPTIONS, SERVER], ids=["invite", "options", "answer"])
def test_repetitions_are_the_same_bytes(data: str) -> None:
    ticks = Ticks.of(data)
    if not ticks.is_client:
        ticks.receive(request("INVITE"))
    ticks.until(3000)
    assert len(ticks.sent) == 3
    assert len({message for _, message in ticks.sent}) == 1


@pytest.mark.parametrize(
    ("t2_ms", "gaps"), [(1000, [500, 1000, 1000, 1000]), (500, [500] * 4), (400, [500, 400, 400, 400])]
)
def test_t2_is_configurable(t2_ms: int, gaps: list[int]) -> None:
    sent = times(Ticks.of(OPTIONS, t2_ms=t2_ms).until(6000))
    assert [b - a for a, b in pairwise(sent)][:4] == gaps


def test_invite_is_not_capped_at_t2() -> None:
    sent = times(Ticks.of(INVITE, t2_ms=700).until(9000))
    assert sent == [1, 501, 1501, 3501, 7501]


@pytest.mark.parametrize(("t1_ms", "sent"), [(200, [1, 201, 601, 1401]), (1, [1, 2, 4, 8, 16, 32]), (3000, [1])])
def test_first_interval_is_that_of_the_step(t1_ms: int, sent: list[int]) -> None:
    text = INVITE.replace("retrans='500'", f"retrans='{t1_ms}'")
    assert times(Ticks.of(text).until(2000)) == sent


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_limits_of_repetitions_hold(limit: int) -> None:
    for text, option in ((INVITE, "max_invite_retrans"), (OPTIONS, "max_non_invite_retrans")):
        ticks = Ticks.of(text, **{option: limit}).until(40_000)
        assert len(ticks.sent) == 1 + limit
        assert ticks.counts("failed_max_udp_retrans") == [1]


def test_without_retransmissions_a_request_is_sent_once_and_waits_for_ever() -> None:
    ticks = Ticks.of(INVITE, bindings={"retransmissions_enabled": False}, detect_retrans=False).until(40_000)
    assert times(ticks) == [1]
    assert ticks.engine.n_open == 1


def test_request_without_retrans_is_sent_once() -> None:
    assert times(Ticks.of(INVITE.replace("retrans='500'", "")).until(5000)) == [1]


def test_provisional_answer_ends_the_repetition_of_an_invite() -> None:
    ticks = Ticks.of(INVITE).until(600)
    ticks.receive(response(100))
    assert times(ticks.until(60_000)) == [1, 501]
    assert ticks.engine.n_open == 1


def test_provisional_answer_slows_another_request_down_to_t2() -> None:
    ticks = Ticks.of(OPTIONS).until(600)
    ticks.receive(response(100, "OPTIONS"))
    assert times(ticks.until(13_000)) == [1, 501, 4600, 8600, 12_600]


def test_final_answer_ends_the_repetition() -> None:
    ticks = Ticks.of(OPTIONS).until(600)
    ticks.receive(response(200, "OPTIONS"))
    assert times(ticks.until(40_000)) == [1, 501]
    assert ticks.counts("successful_calls") == [1]


def test_answer_is_repeated_until_the_ack() -> None:
    ticks = Ticks.of(SERVER)
    ticks.receive(request("INVITE"))
    ticks.until(1600)
    assert ticks.lines() == [(0, "200"), (500, "200"), (1500, "200")]
    assert names(ticks.receive(request("ACK"))) == ["BYE"]
    ticks.until(20_000)
    assert len(ticks.sent) == 4


def test_answer_that_nobody_acknowledges_fails_the_call() -> None:
    ticks = Ticks.of(SERVER)
    ticks.receive(request("INVITE"))
    ticks.until(40_000)
    # a response counts as non-INVITE: capped at T2, nine repetitions
    assert times(ticks) == [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500]
    assert ticks.counts("failed_max_udp_retrans") == [1]


def test_timeout_of_repetitions_jumps_where_a_label_says() -> None:
    text = scenario(
        send("INVITE", "retrans='500' ontimeout='late'"), recv("200"), "<nop counter='never'/>",
        "<label id='late'/>", "<nop counter='late'/>",
    )  # fmt: skip
    ticks = Ticks.of(text).until(40_000)
    assert ticks.total.generic == [0, 1]
    assert ticks.counts("successful_calls", "failed_calls") == [1, 0]
    assert (int(TraceKind.TRACE_RETRANS_TIMEOUT_JUMP), 0, 3) in ticks.trace()


def test_failed_repetition_is_reported() -> None:
    ticks = Ticks.of(INVITE).until(40_000)
    assert (int(TraceKind.TRACE_RETRANS_TIMEOUT), 0, 0) in ticks.trace()


def test_send_waits_for_the_answer_to_an_earlier_one() -> None:
    text = scenario(send("INVITE", "retrans='500'"), send("INFO"), recv("200"))
    ticks = Ticks.of(text).until(400)
    assert ticks.lines() == [(1, "INVITE")]
    ticks.until(40_000)
    assert {name for _, name in ticks.lines()} == {"INVITE"}
    assert ticks.counts("failed_max_udp_retrans") == [1]


def test_message_that_keeps_the_state_lets_a_waiting_send_go() -> None:
    text = scenario(
        recv("INVITE"), send("200", "retrans='500' next='wait'"),
        recv("ACK", "optional='global' advance_state='false'"),
        recv("BYE"), "<label id='wait'/>", send("INFO"), recv("200"),
    )  # fmt: skip
    ticks = Ticks.of(text)
    assert names(ticks.receive(request("INVITE"))) == ["200"]
    assert names(ticks.receive(request("ACK"))) == ["INFO"]


def test_call_that_ends_takes_its_timers_along() -> None:
    ticks = Ticks.of(INVITE).until(10)
    ticks.receive(request("BYE"))
    assert ticks.engine.n_open == 0
    before = len(ticks.sent)
    assert len(ticks.until(5000).sent) == before
    assert ticks.engine.next_event_ns() is None


@pytest.mark.parametrize("offset_us", [1, 250, 999])
def test_timers_between_ticks_are_late_by_less_than_one_never_early(offset_us: int) -> None:
    ticks = Ticks.of(INVITE)
    start_ns = 1_000_000 + offset_us * 1000
    ticks.engine.turn(start_ns)
    ticks.engine.take_sent()
    now_ns = start_ns
    while not ticks.engine.take_sent():
        now_ns += 50_000
        ticks.engine.turn(now_ns)
    assert 0 <= now_ns - start_ns - 500_000_000 <= 1_000_000
