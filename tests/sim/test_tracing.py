"""What the engine traces: only the kinds asked for, and the life of each call where that is asked for."""

from __future__ import annotations

from sim.ticks import Ticks, recv, request, response, scenario, send
from sippx._core.codes import StepKind, TraceKind

SERVER = scenario(recv("INVITE"), send("200"), recv("BYE"), send("200"), "<timewait milliseconds='400'/>")
LIFE = (TraceKind.TRACE_CALL_STARTED, TraceKind.TRACE_STEP, TraceKind.TRACE_CALL_ENDED)
Record = tuple[int, int, int, int, bytes, bytes]


def mask(*kinds: TraceKind) -> int:
    return sum(1 << kind for kind in kinds)


def traced(ticks: Ticks) -> list[Record]:
    return ticks.engine.ring.drain()


def test_response_times_are_traced_with_their_moment() -> None:
    ticks = Ticks.of(scenario(send("INVITE", "start_rtd='a'"), recv("200", "rtd='a'")), trace_mask=mask(LIFE[0]))
    ticks.engine.set_trace_mask(mask(TraceKind.TRACE_RTT))
    ticks.until(1)
    sent_ms = 1
    ticks.until(26)
    ticks.receive(response("200"))
    ((kind, _, rtd, _, _, data),) = traced(ticks)
    at_ns, duration_ns = (int.from_bytes(data[n : n + 8], "little") for n in (0, 8))
    assert (kind, rtd) == (TraceKind.TRACE_RTT, 0)
    assert at_ns // 10**6 == 26
    assert 24 <= duration_ns / 10**6 <= 26 - sent_ms + 1
    assert ticks.total.histogram(0).max_ns == duration_ns


def test_the_life_of_a_call_is_traced_from_step_to_step() -> None:
    ticks = Ticks.of(SERVER, trace_mask=mask(*LIFE))
    ticks.receive(request("INVITE"), request("BYE", cseq=2))
    ticks.until(500)
    records = traced(ticks)
    assert [record[0] for record in records] == [LIFE[0], *[LIFE[1]] * 5, LIFE[2]]
    steps = [(a, b) for kind, _, a, b, _, _ in records if kind == TraceKind.TRACE_STEP]
    kinds = (StepKind.STEP_RECV, StepKind.STEP_SEND, StepKind.STEP_RECV, StepKind.STEP_SEND, StepKind.STEP_PAUSE)
    assert steps == list(enumerate(kinds))
    assert len({record[4] for record in records}) == 1
    assert records[-1][3] == 0


def test_tracing_calls_does_not_keep_them_from_resting() -> None:
    totals = []
    for kinds in ((), LIFE):
        ticks = Ticks.of(SERVER, trace_mask=mask(*kinds), capacity=1)
        ticks.receive(request("INVITE"), request("BYE", cseq=2), request("INVITE", number=2))
        totals.append((ticks.engine.n_open, ticks.counts("incoming_calls", "calls_refused")))
    assert totals[0] == totals[1] == (2, [2, 0])


def test_a_call_that_is_aborted_says_so_at_its_end() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("200")), trace_mask=mask(*LIFE)).until(1)
    ticks.receive(response("486"))
    assert [record[3] for record in traced(ticks) if record[0] == LIFE[2]] == [2]


def test_received_messages_carry_the_id_of_their_call() -> None:
    ticks = Ticks.of(SERVER, trace_mask=mask(TraceKind.TRACE_RECEIVED))
    ticks.receive(request("INVITE"), b"no SIP at all\r\n\r\n")
    first, second = traced(ticks)
    assert first[4] and first[4] in first[5]
    assert second[4] == b""


def test_sent_messages_carry_their_step() -> None:
    ticks = Ticks.of(scenario(send("INVITE"), recv("200"), send("ACK")), trace_mask=mask(TraceKind.TRACE_SENT))
    ticks.until(1).receive(response("200"))
    assert [record[2] for record in traced(ticks)] == [0, 2]


def test_nothing_is_traced_after_the_mask_is_cleared() -> None:
    ticks = Ticks.of(SERVER, trace_mask=(1 << 64) - 1)
    ticks.engine.set_trace_mask(0)
    ticks.receive(request("INVITE"), b"junk")
    assert traced(ticks) == []
