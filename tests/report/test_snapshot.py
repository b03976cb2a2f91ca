"""Snapshots: bucket arithmetic against first principles, percentiles against numpy, merge and difference."""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder import COUNTERS, STRIDE, Recorder, layout_dict

from sippx._core import stats
from sippx.report.flow import Measures
from sippx.report.snapshot import (
    HIST_MAX_NS,
    N_BUCKETS,
    Layout,
    Snapshot,
    bucket_bounds,
    bucket_index,
    merge,
)

DURATIONS_NS = st.one_of(
    st.integers(0, 300),
    st.integers(0, HIST_MAX_NS),
    st.integers(1, 44).flatmap(lambda bits: st.integers((1 << bits) - 2, (1 << bits) + 2)),
)
SAMPLES_NS = st.lists(DURATIONS_NS, min_size=1, max_size=200)
MEASURES = Measures(("1",), ("okc",), ((10, 20),), (10, 50))


def record_all(samples_ns: list[int], hist: int = 0) -> Snapshot:
    recorder = Recorder(2, MEASURES)
    for value_ns in samples_ns:
        recorder.record(hist, value_ns)
    return recorder.snapshot(1_000_000_000)


def test_number_of_buckets_is_4992() -> None:
    assert N_BUCKETS == 4992


def test_buckets_tile_all_durations_without_gap_or_overlap() -> None:
    edge = 0
    for index in range(N_BUCKETS):
        low, high = bucket_bounds(index)
        assert low == edge
        assert high > low
        edge = high
    assert edge == HIST_MAX_NS + 1


@given(DURATIONS_NS)
def test_value_lies_in_the_bounds_of_its_bucket(value_ns: int) -> None:
    low, high = bucket_bounds(bucket_index(value_ns))
    assert low <= value_ns < high


@given(DURATIONS_NS)
def test_bucket_is_at_most_one_128th_of_its_values_wide(value_ns: int) -> None:
    low, high = bucket_bounds(bucket_index(value_ns))
    assert high - low == 1 or (high - low) * 128 <= low


def test_duration_beyond_the_last_bucket_counts_in_it() -> None:
    assert bucket_index(1 << 60) == N_BUCKETS - 1


@pytest.mark.parametrize("function", [bucket_index, bucket_bounds])
def test_negative_argument_is_refused(function: object) -> None:
    with pytest.raises(ValueError, match="negative"):
        function(-1)  # type: ignore[operator]


@given(SAMPLES_NS, st.floats(0, 100))
@settings(max_examples=300)
def test_percentile_is_within_one_percent_of_numpy_on_raw_samples(
    samples_ns: list[int], percent: float
) -> None:
    exact = float(np.percentile(np.array(samples_ns, dtype=np.int64), percent, method="inverted_cdf"))
    found = record_all(samples_ns).histogram(0).percentile(percent)
    assert abs(found - exact) <= max(0.01 * exact, 0.5)


@given(SAMPLES_NS)
def test_percentile_is_never_above_the_exact_maximum(samples_ns: list[int]) -> None:
    histogram = record_all(samples_ns).histogram(0)
    assert histogram.max_ns == max(samples_ns)
    assert all(histogram.percentile(percent) <= max(samples_ns) for percent in (0, 50, 90, 99.9, 100))
    assert histogram.percentile(100) == max(samples_ns)


@given(st.lists(st.integers(0, 10**12).map(lambda us: us * 1000), min_size=2, max_size=100))
def test_mean_and_sample_stdev_agree_with_statistics(samples_ns: list[int]) -> None:
    samples_ns = [min(value, HIST_MAX_NS // 1000 * 1000) for value in samples_ns]
    histogram = record_all(samples_ns).histogram(0)
    assert histogram.mean_ns == pytest.approx(statistics.mean(samples_ns))
    assert histogram.stdev_ns == pytest.approx(statistics.stdev(samples_ns), rel=1e-9, abs=1e-3)


@given(st.lists(st.integers(0, 10**12), max_size=100))
def test_recorder_of_these_tests_counts_as_the_core_does(samples_ns: list[int]) -> None:
    hist, maximum = np.zeros(STRIDE, dtype=np.uint64), np.zeros(1, dtype=np.uint64)
    stats.record_all(samples_ns, hist, maximum)
    snapshot = record_all(samples_ns)
    first = snapshot.layout.hist_offset
    assert np.array_equal(snapshot.words[first : first + STRIDE], hist)
    assert snapshot.histogram(0).max_ns == maximum[0]


def test_stdev_of_one_value_is_zero() -> None:
    assert record_all([1_508_000_000]).histogram(0).stdev_ns == 0.0


def test_empty_histogram_is_all_zero() -> None:
    histogram = record_all([]).histogram(0)
    assert (histogram.count, histogram.mean_ns, histogram.stdev_ns, histogram.max_ns) == (0, 0.0, 0.0, 0)
    assert histogram.percentiles([0, 50, 100]) == [0, 0, 0]


@pytest.mark.parametrize("percent", [-0.1, 100.1])
def test_percentile_outside_0_to_100_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match=r"0\.\.100"):
        record_all([1]).histogram(0).percentile(percent)


@given(SAMPLES_NS, SAMPLES_NS)
def test_merged_workers_equal_one_worker_that_saw_everything(first: list[int], second: list[int]) -> None:
    merged = record_all(first) + record_all(second)
    alone = record_all(first + second)
    assert merged.histogram(0).sum_squares_us2 == alone.histogram(0).sum_squares_us2
    assert merged.histogram(0).max_ns == alone.histogram(0).max_ns
    assert np.array_equal(merged.histogram(0).buckets, alone.histogram(0).buckets)
    assert merged.repartition(0) == alone.repartition(0)


@given(SAMPLES_NS, st.lists(DURATIONS_NS, max_size=100))
def test_difference_of_two_moments_equals_a_run_of_only_that_period(
    before: list[int], during: list[int]
) -> None:
    period = record_all(before + during) - record_all(before)
    alone = record_all(during)
    found, expected = period.histogram(0), alone.histogram(0)
    assert (found.count, found.sum_us, found.sum_squares_us2) == (
        expected.count, expected.sum_us, expected.sum_squares_us2)  # fmt: skip
    assert np.array_equal(found.buckets, expected.buckets)
    assert expected.max_ns <= found.max_ns <= expected.max_ns * 1.01 + 1


def test_difference_covers_the_time_between_both_moments() -> None:
    recorder = Recorder()
    early, late = recorder.snapshot(2_000_000_000), recorder.snapshot(5_500_000_000)
    period = late - early
    assert period.elapsed_s == 3.5
    assert (period.start_time_ns, period.time_ns) == (early.time_ns, late.time_ns)


def test_difference_subtracts_totals_and_keeps_later_gauges() -> None:
    recorder = Recorder(1, MEASURES)
    recorder.count("outgoing_calls", 7)
    recorder.set_gauge("current_calls", 90)
    recorder.set_step(0, [7, 1, 0, 0, 0])
    early = recorder.snapshot(1_000_000_000)
    recorder.count("outgoing_calls", 5)
    recorder.count_generic(0, 3)
    recorder.set_gauge("current_calls", 4)
    recorder.set_step(0, [12, 1, 0, 2, 0])
    period = recorder.snapshot(3_000_000_000) - early
    assert period.counter("outgoing_calls") == 5
    assert period.gauge("current_calls") == 4
    assert period.steps.tolist() == [[5, 0, 0, 2, 0]]
    assert period.generic == [3]
    assert period.calls_created == 5
    assert period.call_rate == 2.5


def test_merge_adds_gauges_but_keeps_the_later_moment_of_the_peak() -> None:
    parts = []
    for peak, at_ns in ((10, 4_000), (5, 9_000), (1, 100)):
        recorder = Recorder()
        recorder.set_gauge("peak_calls", peak)
        recorder.set_gauge("peak_at_ns", at_ns)
        recorder.count("successful_calls", peak)
        parts.append(recorder.snapshot(peak))
    merged = merge(parts)
    assert merged.gauge("peak_calls") == 16
    assert merged.gauge("peak_at_ns") == 9_000
    assert merged.counter("successful_calls") == 16
    assert merged.elapsed_ns == 10


def test_merge_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        merge([])


def test_snapshots_of_different_layouts_do_not_mix() -> None:
    with pytest.raises(ValueError, match="layouts"):
        Recorder(1).snapshot() + Recorder(2).snapshot()


def test_call_rate_of_no_time_is_zero() -> None:
    recorder = Recorder()
    recorder.count("incoming_calls")
    assert recorder.snapshot(0).call_rate == 0.0


def test_all_counters_are_found_by_name() -> None:
    recorder = Recorder()
    for n, name in enumerate(COUNTERS):
        recorder.count(name, n)
    assert recorder.snapshot().counters() == {name: n for n, name in enumerate(COUNTERS)}


def test_unknown_counter_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Recorder().snapshot().counter("no_such_counter")


def test_histograms_are_rtds_then_call_length_schedule_lag_and_connect_time() -> None:
    recorder = Recorder(0, MEASURES)
    for hist, value_ns in enumerate((1_000, 2_000, 3_000, 4_000)):
        recorder.record(hist, value_ns)
    snapshot = recorder.snapshot()
    assert snapshot.histogram(0).max_ns == 1_000
    assert snapshot.call_length.max_ns == 2_000
    assert snapshot.schedule_lag.max_ns == 3_000
    assert snapshot.connect_time.max_ns == 4_000
    with pytest.raises(IndexError):
        snapshot.histogram(4)


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [("step_stride", 4, "step_stride"), ("hist_sub_bits", 6, "hist_sub_bits"), ("hist_stride", 99, "buckets"),
     ("n_hists", 2, "missing")],
)  # fmt: skip
def test_layout_of_another_engine_is_refused(key: str, value: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Layout.from_dict({**layout_dict(1, MEASURES), key: value})


def test_words_of_wrong_number_or_type_are_refused() -> None:
    snapshot = Recorder().snapshot()
    with pytest.raises(ValueError, match="words"):
        replace(snapshot, words=snapshot.words[:-1])
    with pytest.raises(ValueError, match="words"):
        replace(snapshot, words=snapshot.words.astype(np.int64))


# ---- figures since a reset ------------------------------------------------------------------------------------


def reset_series() -> tuple[Snapshot, Snapshot, Snapshot, Snapshot]:
    """Before a reset, at it, and twice after it: 10, 15, 18 and 20 calls; 4 of them open from the reset on."""
    recorder, series = Recorder(1, MEASURES), []
    for second, n_calls in enumerate((10, 5, 3, 2), 1):
        recorder.count("outgoing_calls", n_calls)
        recorder.record(0, second * 1_000_000)
        recorder.set_gauge("current_calls", 4)
        series.append(recorder.snapshot(second * 1_000_000_000))
    first, at_reset, second_, third = series
    return first, at_reset, second_, third


def test_figures_since_a_reset_begin_at_0_and_gauges_stay() -> None:
    _, at_reset, later, _ = reset_series()
    total = later.since(at_reset)
    assert total.calls_created == 3
    assert total.gauge("current_calls") == 4
    assert total.histogram(0).count == 1
    assert total.elapsed_ns == 1_000_000_000
    assert total.start_time_ns == at_reset.time_ns
    assert at_reset.since(at_reset).calls_created == 0


def test_periods_are_the_same_with_and_without_a_reset() -> None:
    before, at_reset, later, last = reset_series()
    across = later.since(at_reset) - before
    assert across.calls_created == (later - before).calls_created == 8
    assert (across.words == (later - before).words).all()
    assert (last.since(at_reset) - later.since(at_reset)).calls_created == 2
    assert (last.since(later) - later.since(at_reset)).calls_created == 2


def test_a_second_reset_replaces_the_first() -> None:
    _, at_reset, later, last = reset_series()
    assert last.since(at_reset).calls_created == 5
    assert last.since(later).calls_created == 2


def test_without_a_reset_the_figures_are_those_of_the_run() -> None:
    first, *_ = reset_series()
    assert first.since(None) is first


def test_merged_figures_since_a_reset_still_give_true_periods() -> None:
    before, at_reset, later, _ = reset_series()
    both = later.since(at_reset) + later.since(at_reset)
    assert both.calls_created == 6
    assert (both - (before + before)).calls_created == 16
