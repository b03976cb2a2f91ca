"""Receive timeouts to the millisecond: which one is armed, what stops it, where it leads."""

from __future__ import annotations

import pytest

from sim.ticks import Ticks, accounted, names, recv, request, response, scenario, send
from sippx._core.codes import TraceKind


def ended_at_ms(ticks: Ticks, limit_ms: int = 5000) -> int | None:
    """When the only call ended; None where it is still open at the limit."""
    while ticks.now_ms < limit_ms:
        ticks.until(ticks.now_ms + 1)
        if ticks.engine.n_open == 0:
            return ticks.now_ms
    return None


@pytest.mark.parametrize(
    ("elements", "at_ms"),
    [
        ((recv("200", "timeout='300'"),), 301),
        ((recv("100", "optional='true'"), recv("200", "timeout='300'")), 301),
        ((recv("100", "optional='true' timeout='200'"), recv("200", "timeout='300'")), 201),
        ((recv("100", "optional='true' timeout='400'"), recv("200", "timeout='300'")), 301),
        ((recv("100", "optional='true' timeout='400'"), recv("200")), 401),
        ((recv("200"), send("ACK"), recv("202", "timeout='300'")), None),
        ((recv("200"),), None),
    ],
)
def test_smallest_timeout_of_the_group_is_armed(elements: tuple[str, ...], at_ms: int | None) -> None:
    ticks = Ticks.of(scenario(send("INVITE"), *elements)).until(1)
    assert ended_at_ms(ticks) == at_ms


@pytest.mark.parametrize(("own", "at_ms"), [("", 701), ("timeout='100'", 101), ("timeout='900'", 901)])
def test_option_gives_receives_without_a_timeout_theirs(own: str, at_ms: int) -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("200", own)), bindings={"recv_timeout_ms": 700}).until(1)
    assert ended_at_ms(ticks) == at_ms


def test_timeout_without_a_label_fails_the_call_by_the_abort_rules() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("180"), recv("200", "timeout='300'"))).until(1)
    ticks.receive(response(180))
    ticks.until(400)
    assert ticks.lines() == [(1, "INVITE"), (301, "CANCEL")]
    assert ticks.steps[2][2] == 1
    assert ticks.counts("failed_timeout_on_recv", "failed_calls") == [1, 1]
    assert (int(TraceKind.TRACE_RECV_TIMEOUT), 2, 0) in ticks.trace()
    accounted(ticks.total)


def test_timeout_is_counted_where_the_call_waits() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("100", "optional='true'"), recv("200", "timeout='50'"))).until(100)
    assert [row[2] for row in ticks.steps] == [0, 1, 0]


def test_label_of_the_armed_timeout_is_taken() -> None:
    text = scenario(
        send("INVITE"), recv("100", "optional='true' timeout='200' ontimeout='early'"),
        recv("200", "timeout='300' ontimeout='late'"), "<nop counter='neither'/>",
        "<label id='late'/>", "<nop counter='late'/>", "<label id='early'/>", "<nop counter='early'/>",
    )  # fmt: skip
    ticks = Ticks.of(text).until(1000)
    assert ticks.total.generic == [0, 0, 1]
    assert ticks.counts("successful_calls") == [1]
    assert (int(TraceKind.TRACE_RECV_TIMEOUT_JUMP), 1, 5) in ticks.trace()


def test_timeout_to_the_end_of_the_scenario_fails_the_call() -> None:
    text = scenario(send("INVITE"), recv("200", "timeout='100' ontimeout='end'"), "<nop/>", "<label id='end'/>")
    ticks = Ticks.of(text).until(200)
    assert ticks.counts("failed_timeout_on_recv", "successful_calls") == [1, 0]


def test_message_that_moves_the_call_stops_the_timeout() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("180", "timeout='100'"), recv("200"))).until(50)
    ticks.receive(response(180))
    assert ended_at_ms(ticks, 1000) is None


def test_optional_message_restarts_the_timeout_of_the_group() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("180", "optional='true'"), recv("200", "timeout='100'"))).until(50)
    ticks.receive(response(180))
    assert ended_at_ms(ticks) == 150


def test_message_that_keeps_the_state_lets_the_timeout_run_on() -> None:
    text = scenario(
        send("INVITE"), recv("INFO", "optional='true' advance_state='false'"), recv("200", "timeout='100'")
    )
    ticks = Ticks.of(text).until(50)
    ticks.receive(request("INFO"))
    assert ended_at_ms(ticks) == 101


def test_unexpected_message_lets_the_timeout_run_on() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("200", "timeout='100'")), behaviors=0).until(50)
    ticks.receive(response(404), response(180))
    assert ended_at_ms(ticks) == 101


def test_timeout_runs_beside_repetitions() -> None:
    ticks = Ticks.of(scenario(send("INVITE", "retrans='100'"), recv("200", "timeout='350'"))).until(1000)
    assert ticks.lines() == [(1, "INVITE"), (101, "INVITE"), (301, "INVITE")]
    assert ticks.counts("failed_timeout_on_recv", "failed_max_udp_retrans") == [1, 0]


def test_jump_at_a_timeout_leaves_an_unanswered_message_to_its_repetitions() -> None:
    text = scenario(
        send("INVITE", "retrans='100'"), recv("200", "timeout='150' ontimeout='on'"), "<label id='on'/>",
        "<pause milliseconds='10000'/>",
    )  # fmt: skip
    ticks = Ticks.of(text).until(800)
    assert [ms for ms, _ in ticks.lines()] == [1, 101, 301, 701]


def test_server_times_out_without_a_word() -> None:
    ticks = Ticks.of(scenario(recv("INVITE"), send("200"), recv("ACK", "timeout='100'")))
    assert names(ticks.receive(request("INVITE"))) == ["200"]
    ticks.until(200)
    assert len(ticks.sent) == 1
    assert ticks.counts("failed_timeout_on_recv") == [1]


def test_message_in_the_last_millisecond_is_in_time() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("200", "timeout='100'"))).until(100)
    ticks.receive(response(200))
    assert ticks.counts("successful_calls") == [1]
