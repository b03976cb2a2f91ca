"""The label _unexp.main: what a message that nothing expects makes a call do, and the way back."""

from __future__ import annotations

import pytest

from sim.language import OPTIONS, log, logged, nop, recv_doing, run
from sim.ticks import Ticks, accounted, names, recv, request, response, scenario, send

BACK = nop(
    "<pauserestore variable='_unexp.pausedaddr'/>",
    "<assign assign_to='to' variable='_unexp.retaddr'/>",
    "<assign assign_to='_unexp.retaddr' value='0'/>",
    "<jump variable='to'/>",
)
END = "<label id='end'/>"


def handler(*elements: str) -> tuple[str, ...]:
    """Elements of the handler behind the scenario proper, which jumps over them."""
    return (nop(log("over"), attributes="next='end'"), "<label id='_unexp.main'/>", *elements)


INFO = (recv_doing("INFO", log("info [$_unexp.retaddr]")), send("200"), BACK)


def started(*elements: str, **more: object) -> Ticks:
    return run(scenario(OPTIONS, *elements, *handler(*INFO), END, "<nop/>"), **more).until(2)  # type: ignore[arg-type]


def test_call_answers_and_goes_back_to_what_it_waited_for() -> None:
    ticks = started(nop(log("begin")), recv("200"))
    assert names(ticks.receive(request("INFO"))) == ["200"]
    ticks.receive(response(200, "OPTIONS"))
    assert logged(ticks) == ["begin", "info 2.000000", "over"]
    assert ticks.counts("successful_calls", "failed_calls", "warnings") == [1, 0, 0]
    accounted(ticks.total)


def test_handler_may_be_used_again() -> None:
    ticks = started(nop(), recv("200"))
    for cseq in range(1, 6):
        assert names(ticks.receive(request("INFO", cseq=cseq))) == ["200"]
    ticks.receive(response(200, "OPTIONS"))
    assert ticks.counts("successful_calls") == [1]


def test_message_that_the_handler_does_not_take_is_unexpected() -> None:
    ticks = started(nop(), recv("200"))
    ticks.receive(request("NOTIFY"))
    assert ticks.counts("failed_unexpected_message", "failed_calls") == [1, 1]
    accounted(ticks.total)


@pytest.mark.parametrize("at_ms", [5, 20, 39])
def test_pause_ends_when_it_would_have_ended(at_ms: int) -> None:
    ticks = started(nop(), "<pause milliseconds='40'/>", send("BYE"))
    begun_ms = ticks.lines()[0][0]
    ticks.until(at_ms)
    ticks.receive(request("INFO"))
    ticks.until(100)
    assert [name for _, name in ticks.lines()] == ["OPTIONS", "200", "BYE"]
    assert 40 <= ticks.lines()[-1][0] - begun_ms <= 42
    assert ticks.counts("successful_calls") == [1]


def test_pause_that_is_over_meanwhile_is_not_made_longer() -> None:
    slow = (recv("INFO"), "<pause milliseconds='50'/>", send("200"), BACK)
    ticks = run(scenario(OPTIONS, nop(), "<pause milliseconds='20'/>", send("BYE"), *handler(*slow), END, "<nop/>"))
    ticks.until(10)
    ticks.receive(request("INFO"))
    ticks.until(200)
    assert ticks.lines()[1][0] in (60, 61)
    assert ticks.lines()[2][0] - ticks.lines()[1][0] <= 1


def test_label_of_a_server_works_likewise() -> None:
    text = scenario(
        recv("INVITE"), send("200"), recv("BYE"), send("200"), *handler(*INFO), END, "<pause milliseconds='1'/>"
    )
    ticks = run(text)
    ticks.receive(request("INVITE"))
    assert names(ticks.receive(request("INFO", cseq=2))) == ["200"]
    assert names(ticks.receive(request("BYE", cseq=3))) == ["200"]
    assert ticks.counts("failed_calls") == [0]


def test_unexpected_first_message_ends_the_call_not_the_program() -> None:
    text = scenario(recv("INVITE"), send("200"), *handler(*INFO), END, "<nop/>")
    ticks = run(text)
    ticks.receive(request("MESSAGE"))
    assert ticks.counts("failed_unexpected_message", "calls_ended") == [1, 1]


def test_label_at_the_first_step_does_not_go_round_for_ever() -> None:
    text = scenario(
        "<label id='_unexp.main'/>", recv("INVITE"), nop("<assign assign_to='x' variable='_unexp.retaddr'/>", log("[$x]")),
        send("200"),
    )  # fmt: skip
    ticks = run(text)
    ticks.receive(request("MESSAGE"))
    assert ticks.counts("failed_unexpected_message", "calls_ended") == [1, 1]


def test_calls_in_their_handlers_do_not_mix() -> None:
    ticks = started(nop(), recv("200"), n_calls=5)
    ticks.until(8)
    for number in (2, 4, 1, 5, 3):
        assert names(ticks.receive(request("INFO", number=number))) == ["200"]
    for number in range(1, 6):
        ticks.receive(response(200, "OPTIONS", number=number))
    assert ticks.counts("successful_calls", "calls_ended") == [5, 5]
