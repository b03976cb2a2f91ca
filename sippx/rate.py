"""When calls are due: the schedule of an open-model load generator, as a pure function of elapsed time.

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

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction

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
