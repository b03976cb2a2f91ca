"""When calls start: the engine against the exact schedule of sippx.rate, through every change of plan."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.link import MS, S, engine, snapshot
from sim.ticks import Ticks, accounted, scenario, send
from sippx._core.engine import Engine
from sippx.rate import RateSchedule, RateSegment

ONE_SHOT = scenario(send("MESSAGE"))
HELD = scenario(send("MESSAGE"), "<pause milliseconds='100'/>")
NOTHING = RateSchedule((RateSegment(0, Fraction(0), Fraction(0)),))

rates = st.one_of(
    st.just(0.0),
    st.floats(0.1, 50_000.0),
    st.sampled_from([1.0, 3.0, 10.0, 333.0, 1000.0, 9999.9, 0.3, 1 / 3, 20_000.0]),
)
waits_ns = st.integers(1, 300 * MS)


def n_started(one: Engine) -> int:
    return one.counter("outgoing_calls")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(rates, st.lists(waits_ns, min_size=1, max_size=4)), min_size=1, max_size=6))
def test_calls_started_follow_the_exact_schedule(plan: list[tuple[float, list[int]]]) -> None:
    one, schedule, now_ns = engine(ONE_SHOT, dead_wait_ms=0), NOTHING, 0
    for rate, waits in plan:
        one.set_rate(rate)
        schedule = schedule.with_rate(now_ns, Fraction(rate))
        for wait_ns in waits:
            now_ns += wait_ns
            one.turn(now_ns)
            one.take_sent()
            assert abs(n_started(one) - schedule.n_due(now_ns)) <= 1


@settings(max_examples=60, deadline=None)
@given(st.floats(0.5, 20_000.0), st.integers(1, 200))
def test_next_event_is_when_the_next_call_is_due(rate: float, n_events: int) -> None:
    one = engine(ONE_SHOT, timer_resolution_ns=0, dead_wait_ms=0)
    one.set_rate(rate)
    schedule = RateSchedule.constant(rate)
    for number in range(1, n_events + 1):
        next_ns = one.next_event_ns()
        due_ns = schedule.due_ns(number)
        assert next_ns is not None
        assert due_ns is not None
        assert abs(next_ns - due_ns) <= 2
        one.turn(next_ns)
        one.take_sent()
        assert n_started(one) == number


@pytest.mark.parametrize("rate", [1.0, 7.3, 1000.0, 33_333.3])
def test_rate_does_not_drift_in_an_hour(rate: float) -> None:
    one = engine(ONE_SHOT, dead_wait_ms=0)
    one.set_rate(rate / 100)
    for minute in range(1, 61):
        one.turn(minute * 60 * S)
        one.take_sent()
        assert abs(n_started(one) - rate / 100 * 60 * minute) <= 1


def test_first_call_is_due_after_one_interval() -> None:
    one = engine(ONE_SHOT)
    one.set_rate(10.0)
    one.turn(99 * MS)
    assert n_started(one) == 0
    one.turn(100 * MS + 1)
    assert n_started(one) == 1


@pytest.mark.parametrize("late_ms", [0, 9, 11, 5000])
def test_late_start_is_made_up_and_its_lag_recorded(late_ms: int) -> None:
    one = engine(ONE_SHOT, late_start_ns=10 * MS + 10, dead_wait_ms=0)
    one.set_rate(100.0)
    one.turn(100 * MS + late_ms * MS)
    total = snapshot(one)
    n_due = 10 + late_ms // 10
    assert n_started(one) == n_due
    assert total.schedule_lag.count == n_due
    assert total.schedule_lag.max_ns == pytest.approx((90 + late_ms) * MS, abs=2)
    lags_ms = [100 + late_ms - 10 * number for number in range(1, n_due + 1)]
    assert total.counter("late_starts") == sum(lag > 10 for lag in lags_ms)
    assert total.schedule_lag.sum_us == pytest.approx(sum(lags_ms) * 1000, abs=n_due)


def test_calls_on_time_have_no_lag() -> None:
    ticks = Ticks.of(ONE_SHOT, n_calls=500).until(500)
    assert n_started(ticks.engine) == 500
    assert ticks.total.schedule_lag.max_ns <= 2
    assert ticks.counts("late_starts") == [0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), min_size=1, max_size=5))
def test_pauses_leave_out_what_falls_due_meanwhile(periods_ms: list[tuple[int, int]]) -> None:
    one, now_ns, running_ns = engine(ONE_SHOT, dead_wait_ms=0), 0, 0
    one.set_rate(500.0)
    for run_ms, pause_ms in periods_ms:
        now_ns += run_ms * MS
        running_ns += run_ms * MS
        one.turn(now_ns)
        one.pause(True)
        assert one.paused
        before = n_started(one)
        now_ns += pause_ms * MS
        one.turn(now_ns)
        assert n_started(one) == before
        one.pause(False)
        one.turn(now_ns)
        # each pause may cost the fraction of a call that was under way
        assert before <= n_started(one) <= before + 1
    assert 0 <= running_ns * 500 // S - n_started(one) <= len(periods_ms)


def test_rate_may_change_while_paused() -> None:
    one = engine(ONE_SHOT, dead_wait_ms=0)
    one.set_rate(100.0)
    one.turn(1 * S)
    one.pause(True)
    one.set_rate(1000.0)
    one.turn(3 * S)
    one.pause(False)
    one.turn(4 * S)
    assert n_started(one) == pytest.approx(100 + 1000, abs=1)


def test_number_of_calls_ends_the_test() -> None:
    ticks = Ticks.of(HELD, n_calls=7).until(50)
    assert n_started(ticks.engine) == 7
    assert ticks.engine.quit_level == 1
    assert not ticks.engine.turn(100 * MS)
    assert ticks.engine.turn(108 * MS)
    accounted(ticks.total)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.lists(st.integers(1, 40), min_size=5, max_size=40))
def test_limit_is_never_exceeded_and_every_held_call_counted(limit: int, waits_ms: list[int]) -> None:
    one, now_ns = engine(HELD, dead_wait_ms=0), 0
    one.set_rate(1000.0)
    one.set_limit(limit)
    for wait_ms in waits_ms:
        now_ns += wait_ms * MS
        one.turn(now_ns)
        assert one.n_open <= limit
        n_due = n_started(one) + one.counter("limited_starts")
        assert abs(n_due - now_ns // MS) <= 1


def test_lifted_limit_lets_calls_start_again() -> None:
    one = engine(HELD, dead_wait_ms=0)
    one.set_rate(1000.0)
    one.set_limit(3)
    one.turn(10 * MS)
    assert (n_started(one), one.counter("limited_starts")) == (3, 7)
    one.set_limit(0)
    one.turn(20 * MS)
    assert n_started(one) == 13


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf"), 1e12])
def test_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        engine(ONE_SHOT).set_rate(rate)


def test_time_cannot_run_backwards() -> None:
    one = engine(ONE_SHOT)
    one.turn(5)
    with pytest.raises(ValueError, match="forward"):
        one.turn(4)
