"""Rates that change by themselves: stages, exact at every moment and in total, and SIPp's steps."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sippx.rate import NS_PER_S, RateSteps, Stage, StageProgram, calls_per_second, parse_stages

SLICE_NS = 50_000_000


def program(text: str, period_ms: int = 1000) -> StageProgram:
    return StageProgram(parse_stages(text), period_ms)


# ---- parsing --------------------------------------------------------------------------------------------------


def test_stages_are_parsed_with_the_previous_target_as_start() -> None:
    assert parse_stages("5:30s:1000,5m:1000,1.5:0") == (
        Stage(5.0, 30_000, 1000.0),
        Stage(1000.0, 300_000, 1000.0),
        Stage(1000.0, 1500, 0.0),
    )


def test_the_first_start_is_0_where_it_is_not_given() -> None:
    assert parse_stages("500ms:7") == (Stage(0.0, 500, 7.0),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has the stage '', which is not of the form"),
        ("10", "has the stage '10', which is not of the form"),
        ("1:2:3:4", "which is not of the form"),
        ("1s:1,2:1s:3", "gives stage 2 ('2:1s:3') a START"),
        ("1s:x", "in which 'x' is not a rate"),
        ("1s:", "in which '' is not a rate"),
        ("1s:-1", "in which '-1' is not a rate"),
        ("1s:nan", "in which 'nan' is not a rate"),
        ("1s:1e10", "in which '1e10' is not a rate"),
        ("-1:5", "in which '-1' is not a valid time"),
        ("9999h:5", "lasts longer than a year"),
        ("0s:5", "takes no time at all"),
        ("1s:5,", "has the stage ''"),
        (",".join(["1s:1"] * 1001), "has 1001 stages"),
    ],
)
def test_a_text_that_is_no_stages_is_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_stages(text)
    assert reason in str(caught.value)


# ---- the schedule ---------------------------------------------------------------------------------------------

STAGES = st.lists(
    st.builds(Stage, st.integers(0, 2000), st.integers(1, 3000), st.integers(0, 2000)), min_size=1, max_size=5
).map(lambda stages: tuple(
    Stage(float(stages[n - 1].target if n else stage.start), stage.duration_ms, float(stage.target))
    for n, stage in enumerate(stages)
))  # fmt: skip


def test_a_trapezoid_has_the_area_it_has() -> None:
    ramps = program("0:30s:1000,5m:1000,30s:0")
    assert ramps.n_total == 15_000 + 300_000 + 15_000
    assert ramps.calls_at(30 * NS_PER_S) == 15_000
    assert ramps.calls_at(15 * NS_PER_S) == 3750
    assert ramps.rate_at(15 * NS_PER_S) == 500
    assert ramps.rate_at(360 * NS_PER_S) == 0
    assert ramps.end_ns == 360 * NS_PER_S
    assert ramps.peak_rate == 1000


def test_the_rate_is_per_period() -> None:
    assert program("10:60s:10", period_ms=60_000).n_total == 10


def test_a_stage_of_no_time_is_a_jump() -> None:
    jump = program("0:1s:0,0s:100,1s:100")
    assert jump.rate_at(NS_PER_S) == 100
    assert jump.n_total == 100


@given(STAGES, st.integers(0, 20_000_000_000))
def test_calls_at_is_the_integral_of_the_rate(stages: tuple[Stage, ...], elapsed_ns: int) -> None:
    """Oracle: the sum of trapezoids between stage ends, which is exact for straight lines."""
    ramps = StageProgram(stages, 1000)
    expected, begin_ns = Fraction(0), 0
    for stage in stages:
        n_ns = min(max(elapsed_ns - begin_ns, 0), stage.duration_ms * 1_000_000)
        share = Fraction(n_ns, stage.duration_ms * 1_000_000)
        end_rate = Fraction(stage.start) + (Fraction(stage.target) - Fraction(stage.start)) * share
        expected += (Fraction(stage.start) + end_rate) / 2 * n_ns / NS_PER_S
        begin_ns += stage.duration_ms * 1_000_000
    assert ramps.calls_at(elapsed_ns) == expected


class FakeEngine:
    """An engine of constant rates: late by some time at each slice, and computing in floating point."""

    def __init__(self) -> None:
        self.due = 0.0
        self.now_ns = 0

    def run(self, calls_per_s: float, slice_ns: int) -> None:
        self.due += calls_per_s * slice_ns / NS_PER_S
        self.now_ns += slice_ns


@given(STAGES, st.integers(0, 2**32))
def test_an_engine_that_runs_late_still_places_the_exact_total(stages: tuple[Stage, ...], seed: int) -> None:
    ramps, engine, source = StageProgram(stages, 1000), FakeEngine(), random.Random(seed)
    for _ in range(10_000):
        if ramps.is_over(engine.now_ns, engine.due):
            break
        slice_ns = ramps.slice_ns(engine.now_ns, SLICE_NS)
        late_ns = source.choice((0, 1000, 30_000)) if engine.now_ns + slice_ns < ramps.end_ns else 0
        engine.run(ramps.rate_for(engine.now_ns, slice_ns, engine.due), slice_ns + late_ns)
        if engine.now_ns < ramps.end_ns:
            assert abs(engine.due - ramps.calls_at(engine.now_ns)) < 0.2
    assert ramps.is_over(engine.now_ns, engine.due)
    assert int(engine.due) == ramps.n_total
    assert engine.now_ns - ramps.end_ns < 2 * SLICE_NS


def test_calls_of_a_pause_are_left_out() -> None:
    ramps, engine = program("100:10s:100"), FakeEngine()
    while not ramps.is_over(engine.now_ns, engine.due):
        slice_ns = ramps.slice_ns(engine.now_ns, SLICE_NS)
        if 2 * NS_PER_S <= engine.now_ns < 5 * NS_PER_S:
            engine.run(0.0, slice_ns)
            ramps.resume(engine.now_ns, engine.due)
        else:
            engine.run(ramps.rate_for(engine.now_ns, slice_ns, engine.due), slice_ns)
    assert int(engine.due) == 700
    assert engine.now_ns == pytest.approx(10 * NS_PER_S, abs=SLICE_NS)


def test_a_slice_does_not_cross_the_end_of_a_stage() -> None:
    ramps = program("0:1s:10,1s:0")
    assert ramps.slice_ns(980_000_000, SLICE_NS) == 20_000_000
    assert ramps.slice_ns(NS_PER_S, SLICE_NS) == SLICE_NS
    assert ramps.slice_ns(3 * NS_PER_S, SLICE_NS) == SLICE_NS


# ---- steps ----------------------------------------------------------------------------------------------------


def rates_by_second(steps: RateSteps, rate: float, seconds: int) -> tuple[list[float], int | None]:
    """The rate in force in each second, as a run applies steps, and the second at which it ends."""
    rates, done = [], 0
    for second in range(seconds):
        due = steps.n_steps(second * NS_PER_S)
        rate, ends = steps.after(rate, due - done)
        done = due
        if ends:
            return rates, second
        rates.append(rate)
    return rates, None


def test_the_rate_grows_as_sipps_did_and_ends_the_run_when_it_would_exceed_the_maximum() -> None:
    # sipp -r 10 -rate_increase 10 -rate_max 35 -fd 1: TargetRate 10 20 30, then 35 and a soft quit at 3 s
    assert rates_by_second(RateSteps(10, 1000, 35), 10, 9) == ([10, 20, 30], 3)


def test_without_quitting_it_stays_at_the_maximum() -> None:
    # sipp ... -rate_interval 2 -no_rate_quit
    steps = RateSteps(10, 2000, 35, quits=False)
    assert rates_by_second(steps, 10, 9) == ([10, 10, 20, 20, 30, 30, 35, 35, 35], None)


def test_a_rate_equal_to_the_maximum_does_not_exceed_it() -> None:
    assert RateSteps(10, 1000, 30).after(20, 1) == (30, False)
    assert RateSteps(10, 1000, 30).after(30, 1) == (30, True)


def test_a_falling_rate_stops_at_0() -> None:
    # sipp -r 20 -rate_increase -7
    assert rates_by_second(RateSteps(-7, 1000), 20, 5) == ([20, 13, 6, 0, 0], None)


@given(st.floats(0, 1e6), st.integers(-1000, 1000), st.integers(0, 5), st.integers(0, 5))
def test_steps_may_be_taken_one_by_one_or_together(rate: float, increase: int, first: int, second: int) -> None:
    steps = RateSteps(increase, 1000)
    halfway, _ = steps.after(rate, first)
    assert steps.after(halfway, second)[0] == pytest.approx(steps.after(rate, first + second)[0])


def test_an_interval_of_0_never_steps() -> None:
    assert RateSteps(10, 0).n_steps(10**12) == 0


def test_calls_per_second_of_a_stage_follow_the_period() -> None:
    assert program("5:1s:5", period_ms=500).calls_at(NS_PER_S) == calls_per_second(5, 500)
