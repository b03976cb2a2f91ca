"""When calls are due: the schedule of an open-model load generator, as a pure function of elapsed time.

A constant rate is a `RateSchedule`. Rates that change by themselves are here, too: ramps (`--stages`), whose
number of calls is exact at every moment, and SIPp's steps (`-rate_increase`). All are told the time.

Call number k = 1, 2, ... is due at the first nanosecond t for which n_due(t) >= k, with

    n_due(t) = floor(c + r * (t - s) / 10**9)

    t  elapsed time since the start of the run [ns]
    s  start of the segment of constant rate that t lies in [ns]
    c  calls due at s, with the fraction of the call then under way [calls]
    r  rate of the segment [calls/s]

Everything is integer and fraction arithmetic, so the schedule does not drift however long it runs: a rate is
the exact value of the float given, and c keeps the exact fraction over every change of rate. The denominators
stay bounded, because all rates of a run are binary floats divided by the same period.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

from sippx.option_types import parse_float, parse_time_ms

NS_PER_S = 1_000_000_000

LIMIT_CALL_LENGTHS = 3
"""The automatic limit of open calls has room for so many times the calls that are open on average ..."""
LIMIT_MIN_LENGTH_MS = 1000
"""... where a call counts as at least this long [ms]."""


def calls_per_second(rate: float, period_ms: int) -> Fraction:
    """Exact rate in calls/s of `rate` calls (-r) every `period_ms` milliseconds (-rp)."""
    return Fraction(rate) * 1000 / period_ms


def automatic_limit(rate: float, period_ms: int, scenario_duration_ms: int, pause_ms: int) -> int:
    """Open calls allowed when -l is not given: max(1, floor(3 * rate * max(S, d, 1000) / rp)).

    rate: -r [calls per period]; rp = period_ms: -rp [ms]; S = scenario_duration_ms: pauses of the scenario,
    each by its 99th percentile [ms]; d = pause_ms: -d [ms]. It changes with every change of rate.
    """
    length_ms = max(scenario_duration_ms, pause_ms, LIMIT_MIN_LENGTH_MS)
    return max(1, int(LIMIT_CALL_LENGTHS * Fraction(rate) * length_ms / period_ms))


@dataclass(frozen=True, slots=True)
class RateSegment:
    """A constant rate from `start_ns` to the next segment's start; the symbols s, c and r above."""

    start_ns: int
    calls_at_start: Fraction
    calls_per_s: Fraction

    def __post_init__(self) -> None:
        if self.calls_per_s < 0:
            raise ValueError(f"a rate is 0 or more, not {self.calls_per_s}")

    def calls_at(self, elapsed_ns: int) -> Fraction:
        """Calls due at `elapsed_ns`, with the fraction of the call under way."""
        return self.calls_at_start + self.calls_per_s * (elapsed_ns - self.start_ns) / NS_PER_S


@dataclass(frozen=True, slots=True)
class RateSchedule:
    """Segments in order of time, the first of which starts at 0; the last has no end."""

    segments: tuple[RateSegment, ...]

    @staticmethod
    def constant(calls_per_s: Fraction | float) -> RateSchedule:
        """A schedule of one rate; as in SIPp the first call is due 1 / calls_per_s seconds after time 0."""
        return RateSchedule((RateSegment(0, Fraction(0), Fraction(calls_per_s)),))

    def n_due(self, elapsed_ns: int) -> int:
        """Number of calls that should have been started `elapsed_ns` after the start of the run."""
        if elapsed_ns < 0:
            return 0
        index = bisect_right(self.segments, elapsed_ns, key=lambda segment: segment.start_ns) - 1
        return int(self.segments[index].calls_at(elapsed_ns))

    def due_ns(self, call_number: int) -> int | None:
        """First elapsed time [ns] at which `n_due` reaches `call_number` (from 1); None: never."""
        target = Fraction(call_number)
        segment = self.segments[bisect_left(self.segments, target, key=lambda item: item.calls_at_start) - 1]
        if segment.calls_per_s == 0:  # the last one: else the next would begin below the target as well
            return None
        wait_ns = (target - segment.calls_at_start) * NS_PER_S / segment.calls_per_s
        return segment.start_ns - (-wait_ns.numerator // wait_ns.denominator)

    def with_rate(self, elapsed_ns: int, calls_per_s: Fraction | float) -> RateSchedule:
        """This schedule up to `elapsed_ns`, then another rate; the call under way keeps its fraction.

        Raises ValueError when the last segment starts later than `elapsed_ns`.
        """
        last = self.segments[-1]
        if elapsed_ns < last.start_ns:
            raise ValueError(f"elapsed_ns {elapsed_ns} lies before the last change at {last.start_ns}")
        kept = self.segments[:-1] if elapsed_ns == last.start_ns else self.segments
        segment = RateSegment(elapsed_ns, last.calls_at(elapsed_ns), Fraction(calls_per_s))
        return RateSchedule((*kept, segment))


# ---- ramps (--stages) -----------------------------------------------------------------------------------------

STAGES_MAX = 1000
STAGE_RATE_MAX = 1e9
"""Highest rate of a stage [calls per period]."""
STAGE_DURATION_MAX_MS = 366 * 24 * 3_600_000
_STAGE_FORM = "[START:]DURATION:TARGET, such as 0:30s:1000,5m:1000,30s:0"


@dataclass(frozen=True, slots=True)
class Stage:
    """A linear change of the rate [calls per period] from `start` to `target` within `duration_ms`; 0: a jump."""

    start: float
    duration_ms: int
    target: float


def parse_stages(text: str) -> tuple[Stage, ...]:
    """The stages of `[START:]DURATION:TARGET,...`; only the first may have a START, which else is 0.

    A duration without a unit is in seconds. Raises ValueError with the rest of the sentence `--stages, "text" ...`.
    """
    stages: list[Stage] = []
    words = text.split(",")
    if len(words) > STAGES_MAX:
        raise ValueError(f"has {len(words)} stages; at most {STAGES_MAX} are allowed")
    for number, word in enumerate(words, 1):
        parts = word.strip().split(":")
        if len(parts) == 3 and number > 1:
            raise ValueError(f"gives stage {number} ('{word}') a START: only the first may have one")
        if len(parts) not in (2, 3):
            raise ValueError(f"has the stage '{word}', which is not of the form {_STAGE_FORM}")
        start = _stage_rate(parts.pop(0), word) if len(parts) == 3 else stages[-1].target if stages else 0.0
        stages.append(Stage(start, _stage_duration_ms(parts[0], word), _stage_rate(parts[1], word)))
    if not any(stage.duration_ms for stage in stages):
        raise ValueError("takes no time at all: at least one stage must last")
    return tuple(stages)


def _stage_rate(text: str, stage: str) -> float:
    try:
        value = parse_float(text) if text else math.nan
    except ValueError:
        value = math.nan
    if not 0 <= value <= STAGE_RATE_MAX:
        raise ValueError(f"has the stage '{stage}', in which '{text}' is not a rate from 0 to {STAGE_RATE_MAX:g}")
    return value


def _stage_duration_ms(text: str, stage: str) -> int:
    try:
        value_ms = parse_time_ms(text, "s")
    except ValueError as error:
        raise ValueError(f"has the stage '{stage}', in which '{text}' {error}") from None
    if value_ms > STAGE_DURATION_MAX_MS:
        raise ValueError(f"has the stage '{stage}', which lasts longer than a year")
    return value_ms


class StageProgram:
    """The calls of a run by stages: exact at every moment, and how an engine of constant rates follows.

    The engine is told a rate for each slice of time: the mean rate that brings it from the calls it has found due
    so far to those the stages want at the end of the slice. So no error lasts longer than a slice, and the total
    is exact. Elapsed times count from the start of the run [ns]; calls_due is the engine's figure of them.
    """

    def __init__(self, stages: tuple[Stage, ...], period_ms: int) -> None:
        self.stages = stages
        self._period_ms = period_ms
        self._ends_ns = [end_ms * 1_000_000 for end_ms in accumulate(stage.duration_ms for stage in stages)]
        self._starts_ns = [0, *self._ends_ns[:-1]]
        self._calls_at_start = [Fraction(0)]
        for stage in stages:
            mean = (calls_per_second(stage.start, period_ms) + calls_per_second(stage.target, period_ms)) / 2
            self._calls_at_start.append(self._calls_at_start[-1] + mean * stage.duration_ms / 1000)
        self._left_out = Fraction(0)

    @property
    def end_ns(self) -> int:
        """Elapsed time at which the last stage ends."""
        return self._ends_ns[-1]

    @property
    def n_total(self) -> int:
        """Calls of all stages."""
        return int(self._calls_at_start[-1])

    @property
    def peak_rate(self) -> float:
        """Highest rate of all [calls per period]."""
        return max(max(stage.start, stage.target) for stage in self.stages)

    def rate_at(self, elapsed_ns: int) -> Fraction:
        """The rate at a moment [calls per period], 0 behind the last stage; at a jump the one behind it."""
        index = bisect_right(self._ends_ns, elapsed_ns)
        if index == len(self.stages):
            return Fraction(0)
        stage = self.stages[index]
        share = Fraction(max(elapsed_ns, 0) - self._starts_ns[index], stage.duration_ms * 1_000_000)
        return Fraction(stage.start) + (Fraction(stage.target) - Fraction(stage.start)) * share

    def calls_at(self, elapsed_ns: int) -> Fraction:
        """Calls that should have been started by then, with the fraction of the one under way."""
        if elapsed_ns <= 0:
            return Fraction(0)
        index = bisect_right(self._ends_ns, elapsed_ns)
        if index == len(self.stages):
            return self._calls_at_start[-1]
        start = calls_per_second(self.stages[index].start, self._period_ms)
        now = self.rate_at(elapsed_ns) * 1000 / self._period_ms
        return self._calls_at_start[index] + (start + now) / 2 * (elapsed_ns - self._starts_ns[index]) / NS_PER_S

    def slice_ns(self, elapsed_ns: int, longest_ns: int) -> int:
        """How long the next slice should be: not across the end of a stage, where the rate has a corner."""
        index = bisect_right(self._ends_ns, elapsed_ns)
        if index == len(self.stages):
            return longest_ns
        return min(longest_ns, self._ends_ns[index] - elapsed_ns)

    def rate_for(self, elapsed_ns: int, slice_ns: int, calls_due: float) -> float:
        """Rate of the slice that begins now [calls/s]."""
        until_ns = elapsed_ns + slice_ns
        wanted = self.calls_at(until_ns)
        if until_ns >= self.end_ns:
            # the last call is due at the very end, where rounding must not lose it
            wanted = self.n_total + Fraction(1, 2)
        return max(0.0, float((wanted - self._left_out - Fraction(calls_due)) * NS_PER_S / slice_ns))

    def resume(self, elapsed_ns: int, calls_due: float) -> None:
        """Go on from here after a pause: the calls that fell due meanwhile are left out."""
        self._left_out = self.calls_at(elapsed_ns) - Fraction(calls_due)

    def is_over(self, elapsed_ns: int, calls_due: float) -> bool:
        """True when the last stage has ended and its last call is due."""
        return elapsed_ns >= self.end_ns and calls_due >= int(self.n_total - self._left_out)


# ---- steps (-rate_increase) -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RateSteps:
    """SIPp's rate that grows by itself: by `increase` [calls per period] every `interval_ms`.

    maximum: 0 is none; a rate that would exceed it is set to it and, with `quits`, ends the run softly.
    """

    increase: float
    interval_ms: int
    maximum: float = 0.0
    quits: bool = True

    def n_steps(self, elapsed_ns: int) -> int:
        """Steps that are due `elapsed_ns` after the start of the run."""
        return max(elapsed_ns, 0) // (self.interval_ms * 1_000_000) if self.interval_ms else 0

    def after(self, rate: float, n_steps: int) -> tuple[float, bool]:
        """The rate after `n_steps` more steps, and whether they end the run."""
        if not n_steps or not self.increase:
            return rate, False
        raised = max(0.0, rate + n_steps * self.increase)
        if self.maximum and raised > self.maximum:
            return self.maximum, self.quits
        return raised, False
