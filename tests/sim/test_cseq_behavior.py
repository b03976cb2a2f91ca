"""The default behaviour cseq: an ACK belongs to the INVITE before it, or its call is aborted."""

from __future__ import annotations

import pytest

from sim.language import complaints
from sim.ticks import Ticks, accounted, names, recv, request, scenario, send
from sippx._core.codes import Behavior, Complaint

ALL = Behavior.BEHAVIOR_BYE | Behavior.BEHAVIOR_ABORT_UNEXPECTED | Behavior.BEHAVIOR_PING_REPLY
CSEQ = ALL | Behavior.BEHAVIOR_CSEQ
CALLEE = scenario(recv("INVITE"), send("200"), recv("ACK"), recv("BYE"), send("200"))
TWICE = scenario(*[recv("INVITE"), send("200"), recv("ACK")] * 2, "<timewait milliseconds='50'/>")


def test_an_ack_with_the_number_of_another_request_aborts_the_call_without_a_bye() -> None:
    ticks = Ticks.of(CALLEE, behaviors=CSEQ)
    assert names(ticks.receive(request("INVITE", cseq=4), request("ACK", cseq=5))) == ["200"]
    assert ticks.counts("failed_calls", "failed_unexpected_message") == [1, 1]
    assert complaints(ticks) == [Complaint.COMPLAINT_ACK_CSEQ]
    assert ticks.total.gauge("current_calls") == 0
    accounted(ticks.total)


def test_the_ack_of_the_invite_goes_through() -> None:
    ticks = Ticks.of(CALLEE, behaviors=CSEQ)
    ack = request("ACK", cseq=4)
    ticks.receive(request("INVITE", cseq=4), ack, ack, request("BYE", cseq=5))
    assert ticks.counts("successful_calls", "failed_calls") == [1, 0]


def test_other_behaviours_do_not_look_at_it() -> None:
    ticks = Ticks.of(CALLEE, behaviors=ALL)
    ticks.receive(request("INVITE", cseq=4), request("ACK", cseq=5), request("BYE", cseq=6))
    assert ticks.counts("successful_calls", "failed_calls") == [1, 0]


@pytest.mark.parametrize(("number", "outcome"), [(2, [1, 0]), (1, [0, 1])])
def test_it_is_the_last_invite_that_counts(number: int, outcome: list[int]) -> None:
    ticks = Ticks.of(TWICE, behaviors=CSEQ)
    ticks.receive(request("INVITE", cseq=1), request("ACK", cseq=1), request("INVITE", cseq=2))
    ticks.receive(request("ACK", cseq=number, more="X: y\r\n"))
    ticks.until(60)
    assert ticks.counts("successful_calls", "failed_calls") == outcome


def test_an_ack_in_a_call_without_an_invite_is_judged_by_the_scenario() -> None:
    ticks = Ticks.of(scenario(recv("MESSAGE"), send("200"), recv("ACK")), behaviors=CSEQ)
    ticks.receive(request("MESSAGE"), request("ACK", cseq=77))
    assert ticks.counts("successful_calls", "failed_calls") == [1, 0]


def test_a_call_in_its_timewait_still_knows_its_invite() -> None:
    ticks = Ticks.of(TWICE, behaviors=CSEQ)
    for number in (1, 2):
        ticks.receive(request("INVITE", cseq=number), request("ACK", cseq=number))
    ticks.receive(request("ACK", cseq=9))
    assert ticks.counts("failed_calls") == [1]
