"""The run over time: what a point holds, merging, bounded memory, cost."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorder import Recorder

from sippx.report.flow import Measures, RunInfo
from sippx.report.timeline import Timeline

MEASURES = Measures(("1",), (), ((),), ())
NS = 1_000_000_000
CLIENT = RunInfo(client=True, target_rate=100.0)


def followed(counts: list[int], *, max_points: int = 2000, last_ns: int = NS, timeline: Timeline | None = None) -> Timeline:
    """A timeline of so many calls opened each second; the last second may be shorter."""
    recorder = Recorder(0, MEASURES)
    timeline = timeline or Timeline(MEASURES, max_points=max_points)
    timeline.begin(recorder.snapshot(), CLIENT)
    for second, count in enumerate(counts, 1):
        recorder.count("outgoing_calls", count)
        if second < len(counts):
            timeline.report(recorder.snapshot(second * NS), replace(CLIENT, cpu_s=second / 2))
    end_ns = (len(counts) - 1) * NS + last_ns
    timeline.end(recorder.snapshot(end_ns), replace(CLIENT, cpu_s=len(counts) / 2))
    return timeline


def test_point_holds_the_rate_of_its_second() -> None:
    data = followed([100, 80, 120]).data()
    assert data["time_s"] == [1.0, 2.0, 3.0]
    assert data["rate"] == data["calls"] == [100, 80, 120]
    assert data["target_rate"] == [100.0] * 3
    assert data["cpu_percent"] == [50.0] * 3


def test_percentiles_are_those_of_the_period() -> None:
    recorder, timeline = Recorder(0, MEASURES), Timeline(MEASURES)
    timeline.begin(recorder.snapshot(), CLIENT)
    for second, ms in enumerate((10, 20), 1):
        recorder.record(0, ms * 1_000_000)
        timeline.report(recorder.snapshot(second * NS), CLIENT)
    timeline.report(recorder.snapshot(3 * NS), CLIENT)
    p99_ms = timeline.data()["rtd"]["1"]["p99_ms"]
    assert p99_ms[:2] == [pytest.approx(10, rel=0.01), pytest.approx(20, rel=0.01)]
    assert p99_ms[2] is None


def test_only_causes_that_occurred_are_given() -> None:
    recorder, timeline = Recorder(0, MEASURES), Timeline(MEASURES)
    timeline.begin(recorder.snapshot(), CLIENT)
    recorder.count("failed_calls", 2)
    recorder.count("failed_timeout_on_recv", 2)
    timeline.end(recorder.snapshot(NS), CLIENT)
    assert timeline.data()["failures"] == {"timeout_on_recv": [2]}


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.integers(2, 9))
def test_merging_keeps_sums_time_and_bound(counts: list[int], max_points: int) -> None:
    timeline = followed(counts, max_points=max_points)
    data = timeline.data()
    assert len(timeline) <= max_points
    assert sum(data["calls"]) == sum(counts)
    assert sum(data["duration_s"]) == pytest.approx(len(counts))
    assert data["time_s"][-1] == pytest.approx(len(counts))
    assert data["time_s"] == sorted(set(data["time_s"]))
    assert {len(data[name]) for name in ("rate", "calls", "users", "cpu_percent")} == {len(timeline)}


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=40))
def test_merged_percentile_is_not_below_the_worst_second(values_ms: list[int]) -> None:
    recorder, timeline = Recorder(0, MEASURES), Timeline(MEASURES, max_points=4)
    timeline.begin(recorder.snapshot(), CLIENT)
    for second, ms in enumerate(values_ms, 1):
        recorder.record(0, ms * 1_000_000)
        timeline.report(recorder.snapshot(second * NS), CLIENT)
    timeline.end(recorder.snapshot(len(values_ms) * NS), CLIENT)
    known = [value for value in timeline.data()["rtd"]["1"]["max_ms"] if value is not None]
    assert max(known) == pytest.approx(max(values_ms), rel=0.01)


def test_week_long_run_fits() -> None:
    timeline = followed([1] * 6000, max_points=50)
    assert len(timeline) <= 50
    assert timeline.point_s >= 6000 / 50


def test_short_rest_is_merged_with_the_last_second() -> None:
    data = followed([100, 100, 1], last_ns=NS // 100).data()
    assert data["time_s"] == [1.0, 2.01]
    assert data["calls"] == [100, 101]


def test_rest_of_half_a_second_is_a_point() -> None:
    assert followed([100, 100, 60], last_ns=NS * 6 // 10).data()["rate"] == [100, 100, 100]


def test_run_without_time_has_no_points() -> None:
    recorder, timeline = Recorder(0, MEASURES), Timeline(MEASURES)
    timeline.begin(recorder.snapshot(), CLIENT)
    timeline.end(recorder.snapshot(), CLIENT)
    assert timeline.data()["rate"] == []


def test_two_points_at_least() -> None:
    with pytest.raises(ValueError, match="2 or more"):
        Timeline(MEASURES, max_points=1)


def test_point_costs_far_less_than_its_second() -> None:
    measures = Measures(tuple("12345"), (), ((),) * 5, ())
    recorder, timeline = Recorder(0, measures), Timeline(measures)
    timeline.begin(recorder.snapshot(), CLIENT)
    costs_s = []
    for second in range(1, 50):
        for hist in range(7):
            recorder.record(hist, 1_000_000 + second * 1000)
        snapshot = recorder.snapshot(second * NS)
        start_s = time.thread_time()
        timeline.report(snapshot, CLIENT)
        costs_s.append(time.thread_time() - start_s)
    assert sorted(costs_s)[len(costs_s) // 2] < 0.005
