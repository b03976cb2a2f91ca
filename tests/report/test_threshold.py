"""Thresholds: the grammar, what is measured, verdicts, ending a run early."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorder import COUNTERS, Recorder

from sippx.report.demand import Demand
from sippx.report.flow import Measures, RunInfo
from sippx.report.metrics import COUNTERS as KNOWN_COUNTERS
from sippx.report.metrics import METRICS, UNITS, Figures, find_metric
from sippx.report.threshold import OPERATORS, ThresholdResult, ThresholdWatch, parse

MEASURES = Measures(("1", "p.q"), ("busy",), ((), ()), ())
NS = 1_000_000_000
CLIENT = RunInfo(client=True, target_rate=1000.0)


def busy() -> Recorder:
    recorder = Recorder(0, MEASURES)
    recorder.count("outgoing_calls", 1000)
    recorder.count("calls_ended", 1000)
    recorder.count("successful_calls", 990)
    recorder.count("failed_calls", 10)
    recorder.count("failed_timeout_on_recv", 10)
    recorder.count("datagrams_sent", 4000)
    recorder.count("retransmissions", 40)
    recorder.count_generic(0, 7)
    recorder.set_gauge("memory_bytes", 3_000_000)
    for ms in range(1, 101):
        recorder.record(0, ms * 1_000_000)
    return recorder


def judged(text: str, recorder: Recorder | None = None, info: RunInfo = CLIENT) -> ThresholdResult:
    """The verdict after one second at full rate and half a second of CPU time."""
    recorder = recorder or busy()
    watch = ThresholdWatch([parse(text)], MEASURES)
    watch.begin(Recorder(0, MEASURES).snapshot(), info)
    watch.end(recorder.snapshot(NS), replace(info, cpu_s=0.5, calls_due=info.target_rate))
    return watch.results[0]


@pytest.mark.parametrize(
    "text",
    [
        "failed<=1%", "failed==10", "failed > 9", "failed_timeout_on_recv<=10", "successful>=99%", "rate>=0.99",
        "rate>=99%", "calls==1000", "calls_per_s>=1e3", "rtd1.p50<51ms", "rtd1.p99<0.1s", "rtd1.p99.9>=99000us",
        "rtd1.max<=100ms", "rtd1.mean>50ms", "rtd1.stdev<30ms", "cpu<=50%", "cpu<0.6", "memory<4MB",
        "retransmissions<=1%", "retransmissions!=41", "duration<=1s", "counter.busy==7", "peak_calls<1",
    ],
)  # fmt: skip
def test_met(text: str) -> None:
    assert judged(text).verdict == "passed"


@pytest.mark.parametrize(
    "text",
    ["failed<1%", "failed==0", "rate>1", "rtd1.p99<50ms", "rtd1.max<100ms", "cpu<0.5", "memory<3MB", "counter.busy<7"],
)
def test_not_met(text: str) -> None:
    result = judged(text)
    assert result.verdict == "failed"
    assert "measured" in result.line()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rtd2.p99<1s", "the scenario has no response time '2'; it has: 1, p.q"),
        ("rtdp.q.p99.9<1s", "nothing was measured"),
        ("lag.p99<1ms", "nothing was measured"),
        ("counter.free<1", "the scenario counts nothing as 'free'; it has: busy"),
        ("malformed<1%", "datagrams_received is 0"),
    ],
)
def test_no_data_is_a_failure_that_is_explained(text: str, reason: str) -> None:
    result = judged(text)
    assert (result.verdict, result.reason, result.is_met) == ("no data", reason, False)
    assert result.line() == f"threshold {text}: no data, {reason}"


def test_server_was_asked_for_no_rate() -> None:
    assert judged("rate>=0.9", info=RunInfo(client=False)).reason == "no rate was asked for"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("failed", "'failed' is not a threshold: write METRIC OP VALUE"),
        ("<5", "is not a threshold"),
        ("failed<", "is not a threshold"),
        ("failed<5 soon", "'failed' has no unit 'soon'; use %"),
        ("failed<5%x", "'failed' has no unit '%x'; use %"),
        ("faild<1%", "unknown metric 'faild', the nearest known one is 'failed'"),
        ("rtd1.p99<5", "'rtd1.p99' is a time, its value needs a unit: us, ms or s"),
        ("rtd1.p101<5s", "a percentile is above 0 and at most 100, not 101"),
        ("rtd1.median<5s", "unknown statistic 'median', use mean"),
        ("calls<5ms", "'calls' has no unit 'ms'; use a plain number"),
        ("memory<5MiB", "'memory' has no unit 'MiB'; use kB, MB or GB"),
        ("calls>=5 abort", "'calls' still grows, so >= can only be judged at the end"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    assert sentence in str(caught.value)


def test_table_knows_every_counter_of_the_core() -> None:
    assert set(KNOWN_COUNTERS) == set(COUNTERS)
    assert {share_of for _, share_of in KNOWN_COUNTERS.values() if share_of} <= set(COUNTERS)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_found_and_measured(name: str) -> None:
    metric = find_metric(name.replace("rtdNAME", "rtd1").replace("NAME", "busy").replace("STAT", "p99"))
    assert metric.spec is METRICS[name]
    demand = Demand()
    demand.look(busy().snapshot(NS), replace(CLIENT, calls_due=1000))
    measured = metric.measured(Figures(busy().snapshot(NS), MEASURES, demand, 0.1), as_share=False)
    assert measured.value is not None or measured.reason
    assert "NAME" not in metric.meaning


@given(st.sampled_from(sorted(OPERATORS)), st.integers(0, 2000), st.sampled_from(["", " "]))
def test_verdict_is_the_comparison(op: str, limit: int, space: str) -> None:
    result = judged(f"calls{space}{op}{space}{limit}")
    assert result.is_met == OPERATORS[op](1000, limit)


@given(st.sampled_from(sorted(UNITS["time"])), st.floats(0.001, 1000, allow_nan=False))
def test_time_limit_is_in_ns(unit: str, value: float) -> None:
    threshold = parse(f"duration<{value!r}{unit}")
    assert threshold.limit == pytest.approx(value * {"us": 1e3, "ms": 1e6, "s": 1e9}[unit])
    assert threshold.limit / threshold.factor == pytest.approx(value)


@given(st.text(max_size=20))
def test_any_text_is_a_threshold_or_a_value_error(text: str) -> None:
    try:
        parse(text)
    except ValueError:
        return


# ---- ending a run early ------------------------------------------------------------------------------


def watched(text: str, seconds: list[tuple[int, int]]) -> tuple[ThresholdWatch, list[float]]:
    """A run with (ended, failed) calls in each second; the watch and when it asked to end the run."""
    recorder, aborts = Recorder(0, MEASURES), []
    watch = ThresholdWatch([parse(text), parse("failed<50%")], MEASURES, lambda: aborts.append(watch.aborted_at_s))
    watch.begin(recorder.snapshot(), CLIENT)
    for second, (ended, failed) in enumerate(seconds, 1):
        recorder.count("outgoing_calls", ended)
        recorder.count("calls_ended", ended)
        recorder.count("failed_calls", failed)
        watch.report(recorder.snapshot(second * NS), CLIENT)
    recorder.count("calls_ended", 1000)
    recorder.count("failed_calls", 1000)
    watch.end(recorder.snapshot((len(seconds) + 1) * NS), CLIENT)
    return watch, aborts


def test_breach_ends_the_run_once_with_the_verdicts_of_that_moment() -> None:
    watch, aborts = watched("failed<1% abort", [(1000, 0), (1000, 30), (1000, 500)])
    assert aborts == [2.0]
    assert watch.aborted_by is not None
    assert watch.aborted_by.text == "failed<1% abort"
    assert [result.verdict for result in watch.results] == ["failed", "passed"]
    assert watch.notes == ["the run was ended after 2 s by the threshold 'failed<1% abort'"]


def test_share_of_few_calls_does_not_end_the_run() -> None:
    watch, aborts = watched("failed<1% abort", [(50, 5), (40, 0)])
    assert not aborts
    assert not watch.is_met


def test_count_ends_the_run_at_once() -> None:
    assert watched("failed==0 abort", [(5, 0), (5, 1)])[1] == [2.0]


def test_count_that_may_still_be_reached_does_not_end_the_run() -> None:
    assert not watched("failed==3 abort", [(5, 1), (5, 1)])[1]


def test_threshold_without_abort_is_judged_at_the_end_only() -> None:
    watch, aborts = watched("failed<1%", [(1000, 500)])
    assert not aborts
    assert not watch.is_met


# ---- calls asked for ---------------------------------------------------------------------------------


def shares(*looks: tuple[float, int, RunInfo]) -> float | None:
    """Share of (calls due, calls opened by then, state)."""
    demand = Demand()
    demand.look(Recorder(0).snapshot(), looks[0][2])
    for second, (due, created, info) in enumerate(looks, 1):
        recorder = Recorder(0)
        recorder.count("outgoing_calls", created)
        demand.look(recorder.snapshot(second * NS), replace(info, calls_due=due))
    return demand.share


def test_end_of_a_run_asks_for_no_calls() -> None:
    ending = replace(CLIENT, max_calls=1500, quit_level=10)
    running = replace(CLIENT, max_calls=1500)
    assert shares((1000, 1000, running), (2000, 1500, ending), (9000, 1500, ending)) == 1.0


def test_soft_end_asks_for_no_calls() -> None:
    assert shares((1000, 1000, CLIENT), (2000, 1100, replace(CLIENT, quit_level=10))) == 1.0


def test_pause_asks_for_no_calls() -> None:
    paused = replace(CLIENT, paused=True)
    assert shares((1000, 1000, CLIENT), (1000, 1000, paused), (1000, 1000, CLIENT), (2000, 2000, CLIENT)) == 1.0


def test_rate_that_is_not_reached_is_a_share() -> None:
    assert shares((1000, 1000, CLIENT), (2000, 1500, CLIENT)) == 0.75
