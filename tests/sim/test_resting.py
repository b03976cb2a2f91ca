"""Calls in their final timewait, which rest as a small record: they behave as if they did not."""

from __future__ import annotations

import pytest

from sim.ticks import Ticks, accounted, name_of, names, recv, request, response, scenario, send
from sippx._core.codes import QuitLevel

SERVER = scenario(recv("INVITE"), send("200"), recv("BYE"), send("200"), "<timewait milliseconds='400'/>")
CLIENT = scenario(
    send("INVITE"), recv("200"), send("ACK"), send("BYE"), recv("200"), "<timewait milliseconds='400'/>"
)


def resting_server(number: int = 1, **options: object) -> Ticks:
    """A server whose call has been answered to its end."""
    ticks = Ticks.of(SERVER, **options)
    ticks.receive(request("INVITE", number=number), request("BYE", number=number, cseq=2))
    assert len(ticks.sent) == 2
    return ticks


def test_resting_call_is_open_and_paused() -> None:
    total = resting_server().total
    assert [total.gauge(name) for name in ("current_calls", "paused_calls", "running_calls")] == [1, 1, 0]
    assert total.counter("calls_ended") == 0


@pytest.mark.parametrize("waits_ms", [0, 1, 399])
def test_rest_ends_in_success_at_its_time(waits_ms: int) -> None:
    ticks = resting_server().until(waits_ms)
    assert ticks.engine.n_open == 1
    ticks.until(402)
    assert ticks.counts("successful_calls") == [1]
    assert 400 <= ticks.total.call_length.max_ns / 1e6 <= 401
    accounted(ticks.total)


def test_rest_ends_at_its_time_although_the_call_was_woken() -> None:
    ticks = resting_server().until(200)
    bye = request("BYE", cseq=2)
    assert names(ticks.receive(bye)) == ["200"]
    assert names(ticks.receive(bye)) == ["200"]
    assert ticks.steps[2][:2] == [1, 2]
    ticks.until(398)
    assert ticks.engine.n_open == 1
    ticks.until(402)
    assert ticks.counts("successful_calls") == [1]
    accounted(ticks.total)


def test_answer_from_rest_equals_the_first_one() -> None:
    ticks = resting_server()
    first = ticks.sent[-1][1]
    assert ticks.receive(request("BYE", cseq=2)) == [first]


def test_message_after_the_rest_is_for_a_dead_call() -> None:
    ticks = resting_server().until(405)
    ticks.receive(request("BYE", cseq=2))
    assert ticks.counts("dead_call_msgs", "incoming_calls") == [1, 1]


def test_unexpected_message_ends_a_resting_call_in_failure() -> None:
    ticks = resting_server().until(100)
    ticks.receive(request("INFO", cseq=3))
    assert ticks.counts("failed_unexpected_message", "calls_ended") == [1, 1]
    ticks.until(1000)
    assert ticks.counts("successful_calls", "calls_ended") == [0, 1]
    accounted(ticks.total)


def test_repeated_answer_to_the_invite_is_acknowledged_from_rest() -> None:
    ticks = Ticks.of(CLIENT).until(1)
    ticks.receive(response(200))
    ack = next(data for _, data in ticks.sent if name_of(data) == "ACK")
    ticks.receive(response(200, "BYE", cseq=2))
    assert ticks.engine.n_open == 1
    assert ticks.receive(response(200, more="Subject: again\r\n"))[0].split(b"\r\n")[0] == ack.split(b"\r\n")[0]
    ticks.until(1000)
    assert ticks.counts("successful_calls") == [1]


def test_unexpected_message_for_a_resting_client_is_answered_by_the_abort_rules() -> None:
    ticks = Ticks.of(CLIENT).until(1)
    ticks.receive(response(200), response(200, "BYE", cseq=2))
    ticks.sent.clear()
    assert names(ticks.receive(request("INFO", cseq=9))) == ["BYE"]
    assert ticks.counts("failed_unexpected_message") == [1]


def test_resting_calls_leave_their_records_to_others() -> None:
    ticks = Ticks.of(SERVER, capacity=2)
    for number in (1, 2):
        ticks.receive(request("INVITE", number=number), request("BYE", number=number, cseq=2))
    assert ticks.engine.n_open == 2
    ticks.receive(request("INVITE", number=3))
    assert ticks.counts("incoming_calls", "calls_refused") == [3, 0]


def test_resting_call_that_cannot_be_woken_is_still_accounted_for() -> None:
    ticks = resting_server(capacity=1)
    ticks.receive(request("INVITE", number=2))
    assert ticks.engine.n_open == 2
    # the one record is in use: the first call cannot answer, but it must not vanish
    ticks.receive(request("BYE", cseq=2))
    accounted(ticks.total)
    ticks.receive(request("BYE", number=2, cseq=2))
    ticks.until(1000)
    accounted(ticks.total)
    assert ticks.counts("incoming_calls", "calls_ended") == [2, 2]


def test_call_with_an_unanswered_message_does_not_rest() -> None:
    text = scenario(recv("INVITE"), send("200", "retrans='100'"), "<timewait milliseconds='1000'/>")
    ticks = Ticks.of(text)
    ticks.receive(request("INVITE"))
    ticks.until(800)
    assert [ms for ms, _ in ticks.sent] == [0, 100, 300, 700]


def test_many_resting_calls_end_in_order() -> None:
    text = SERVER.replace("milliseconds='400'", "distribution='uniform' min='50' max='400'")
    ticks = Ticks.of(text)
    for number in range(300):
        ticks.receive(request("INVITE", number=number), request("BYE", number=number, cseq=2))
        if number % 3 == 0:
            ticks.receive(request("BYE", number=number, cseq=2))
        ticks.until(number // 2)
    ticks.until(1000)
    assert ticks.counts("successful_calls") == [300]
    accounted(ticks.total)
    assert ticks.engine.next_event_ns() is None


def test_forced_quit_ends_resting_calls() -> None:
    ticks = resting_server()
    ticks.receive(request("INVITE", number=2))
    ticks.engine.quit(QuitLevel.QUIT_FORCED)
    assert ticks.engine.turn(1_000_000)
    assert ticks.counts("calls_ended") == [2]
    accounted(ticks.total)


def test_soft_quit_waits_for_resting_calls() -> None:
    ticks = resting_server()
    ticks.engine.quit(QuitLevel.QUIT_SOFT)
    assert not ticks.engine.turn(300_000_000)
    assert ticks.engine.turn(402_000_000)
    assert ticks.counts("successful_calls") == [1]


def test_answer_from_rest_goes_where_the_call_came_from() -> None:
    ticks = resting_server()
    stranger = (2, b"\x7f\x00\x00\x09", 9)
    ticks.engine.inject(request("BYE", cseq=2), stranger)
    (answer,) = ticks.engine.take_sent()
    assert answer[1] != stranger


@pytest.mark.parametrize("rests", [True, False])
def test_ack_of_a_repeated_answer_may_come_after_the_bye(rests: bool) -> None:
    """A peer that waited too long for the 200 repeats its INVITE, and acknowledges each of the two 200s."""
    wait = "<timewait milliseconds='400'/>" if rests else "<pause milliseconds='400'/><nop/>"
    server = scenario(recv("INVITE"), send("200"), recv("ACK"), recv("BYE"), send("200"), wait)
    ticks = Ticks.of(server)
    ack = request("ACK")
    ticks.receive(request("INVITE"), request("INVITE"), ack, request("BYE", cseq=2), ack)
    assert len(ticks.sent) == 3
    ticks.until(410)
    assert ticks.counts("successful_calls", "failed_calls") == [1, 0]
    assert ticks.steps[2][:4] == [1, 1, 0, 0]
    accounted(ticks.total)


def test_first_ack_that_no_step_awaits_is_still_unexpected() -> None:
    ticks = Ticks.of(scenario(recv("INVITE"), send("200"), recv("BYE"), send("200")))
    ticks.receive(request("INVITE"), request("ACK"))
    assert ticks.counts("failed_unexpected_message") == [1]
