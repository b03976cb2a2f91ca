"""The call schedule: properties, and SIPp's automatic limit."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sippx.rate import NS_PER_S, RateSchedule, automatic_limit, calls_per_second

YEAR_NS = 365 * 24 * 3600 * NS_PER_S

rates = st.floats(0, 1e9)
times_ns = st.integers(0, 10 * YEAR_NS)


@st.composite
def schedules(draw: st.DrawFn) -> RateSchedule:
    """Schedules with up to five changes of rate, at times that may coincide."""
    schedule = RateSchedule.constant(draw(rates))
    for elapsed_ns in sorted(draw(st.lists(times_ns, max_size=5))):
        schedule = schedule.with_rate(elapsed_ns, draw(st.just(0.0) | rates))
    return schedule


@given(schedules(), times_ns, times_ns)
def test_the_number_of_due_calls_never_falls(schedule: RateSchedule, one_ns: int, other_ns: int) -> None:
    earlier_ns, later_ns = sorted((one_ns, other_ns))
    assert 0 <= schedule.n_due(earlier_ns) <= schedule.n_due(later_ns)


@given(schedules(), st.integers(1, 10**20))
def test_the_due_time_is_the_first_at_which_the_call_is_due(schedule: RateSchedule, call_number: int) -> None:
    due_ns = schedule.due_ns(call_number)
    if due_ns is None:
        assert schedule.segments[-1].calls_per_s == 0
        assert schedule.n_due(max(10 * YEAR_NS, schedule.segments[-1].start_ns)) < call_number
    else:
        assert schedule.n_due(due_ns) >= call_number
        assert schedule.n_due(due_ns - 1) < call_number


@given(schedules(), times_ns)
def test_the_next_call_is_due_later_than_now(schedule: RateSchedule, elapsed_ns: int) -> None:
    due_ns = schedule.due_ns(schedule.n_due(elapsed_ns) + 1)
    assert due_ns is None or due_ns > elapsed_ns


@given(st.integers(1, 10**6), st.integers(1, 100_000), st.integers(0, 10**6))
def test_whole_periods_have_exactly_their_calls_however_long_it_runs(
    rate: int, period_ms: int, n_periods: int
) -> None:
    schedule = RateSchedule.constant(calls_per_second(float(rate), period_ms))
    end_ns = n_periods * period_ms * 1_000_000
    assert schedule.n_due(end_ns) == rate * n_periods
    assert schedule.due_ns(rate * n_periods + 1) == end_ns + -(-period_ms * 1_000_000 // rate)


@given(rates, st.lists(times_ns, max_size=20), times_ns)
def test_changing_to_the_same_rate_changes_nothing(rate: float, changes_ns: list[int], now_ns: int) -> None:
    plain = RateSchedule.constant(rate)
    changed = plain
    for elapsed_ns in sorted(changes_ns):
        changed = changed.with_rate(elapsed_ns, rate)
    assert changed.n_due(now_ns) == plain.n_due(now_ns)


@given(schedules(), times_ns)
def test_the_number_of_due_calls_is_the_sum_over_the_segments(schedule: RateSchedule, now_ns: int) -> None:
    starts_ns = [segment.start_ns for segment in schedule.segments]
    calls = Fraction(0)
    for segment, end_ns in zip(schedule.segments, [*starts_ns[1:], now_ns], strict=True):
        calls += segment.calls_per_s * max(0, min(end_ns, now_ns) - segment.start_ns) / NS_PER_S
    assert schedule.n_due(now_ns) == calls // 1


def test_the_first_call_waits_one_interval_as_in_sipp() -> None:
    schedule = RateSchedule.constant(calls_per_second(1.0, 1000))
    assert schedule.due_ns(1) == NS_PER_S
    assert schedule.n_due(NS_PER_S - 1) == 0


def test_nothing_is_due_before_the_start_or_at_rate_0() -> None:
    assert RateSchedule.constant(1e9).n_due(-1) == 0
    assert RateSchedule.constant(0.0).n_due(YEAR_NS) == 0
    assert RateSchedule.constant(0.0).due_ns(1) is None


def test_a_change_of_rate_keeps_the_fraction_of_the_call_under_way() -> None:
    schedule = RateSchedule.constant(1.0).with_rate(500_000_000, 10.0)
    assert schedule.due_ns(1) == 550_000_000


def test_a_change_at_the_same_time_replaces_the_one_before() -> None:
    schedule = RateSchedule.constant(1.0).with_rate(5, 7.0).with_rate(5, 8.0)
    assert [segment.calls_per_s for segment in schedule.segments] == [1, 8]


def test_a_change_before_the_last_one_is_refused() -> None:
    with pytest.raises(ValueError, match="before the last change at 5"):
        RateSchedule.constant(1.0).with_rate(5, 2.0).with_rate(4, 3.0)


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="a rate is 0 or more, not -1"):
        RateSchedule.constant(-1.0)


@pytest.mark.parametrize(
    ("rate", "period_ms", "pause_ms", "limit"),
    [
        (4.0, 1000, 0, 12),
        (0.7, 1000, 10_000, 20),
        (0.1, 1000, 0, 1),
        (7.0, 2000, 3500, 36),
        (33.3, 1000, 1234, 123),
    ],
)
def test_the_automatic_limit_is_the_one_sipp_shows(
    rate: float, period_ms: int, pause_ms: int, limit: int
) -> None:
    assert automatic_limit(rate, period_ms, 0, pause_ms) == limit


def test_the_automatic_limit_counts_the_longer_of_scenario_and_pause() -> None:
    assert automatic_limit(10.0, 1000, 5000, 2000) == automatic_limit(10.0, 1000, 2000, 5000) == 150
