"""Histogram buckets of the core against their definition in the report package."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sippx._core.stats import bucket, record_all, repartition
from sippx.report.snapshot import N_BUCKETS, bucket_bounds, bucket_index

durations_ns = st.integers(0, 2**46) | st.integers(0, 300) | st.integers(0, 45).map(lambda bit: 1 << bit)


@given(durations_ns)
@settings(max_examples=500)
def test_core_and_report_agree_on_every_bucket(value_ns: int) -> None:
    assert bucket(value_ns) == bucket_index(value_ns) < N_BUCKETS


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=200))
@settings(max_examples=60)
def test_a_recorded_value_is_within_one_percent_of_its_bucket(values_ns: list[int]) -> None:
    hist, maximum = np.zeros(N_BUCKETS + 4, np.uint64), np.zeros(1, np.uint64)
    record_all(values_ns, hist, maximum)
    assert int(hist[0]) == len(values_ns) == int(hist[4:].sum())
    assert int(maximum[0]) == max(values_ns)
    for value_ns in values_ns:
        low, high = bucket_bounds(bucket(value_ns))
        assert low <= value_ns < high
        assert abs((low + high - 1) // 2 - value_ns) <= max(value_ns * 0.01, 1)


@given(st.lists(st.integers(0, 2**42), min_size=1, max_size=100))
@settings(max_examples=60)
def test_sums_are_exact_in_microseconds(values_ns: list[int]) -> None:
    hist, maximum = np.zeros(N_BUCKETS + 4, np.uint64), np.zeros(1, np.uint64)
    record_all(values_ns, hist, maximum)
    us = [min((value + 500) // 1000, 2**32 - 1) for value in values_ns]
    assert int(hist[1]) == sum(us)
    assert int(hist[2]) + (int(hist[3]) << 32) == sum(value * value for value in us)


@given(st.lists(st.integers(0, 1000), max_size=8), st.integers(0, 1200))
def test_a_value_counts_below_the_first_bound_above_it(bounds: list[int], value: int) -> None:
    bounds.sort()
    counts = np.zeros(len(bounds) + 1, np.uint64)
    repartition(value, np.array(bounds, np.uint64), counts)
    assert int(counts[sum(bound <= value for bound in bounds)]) == 1 == int(counts.sum())
