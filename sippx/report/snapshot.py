"""Snapshots of the engine's counters: one flat array that is merged, differenced and queried here.

A snapshot is what `stats` of the core copies out: `n_words` unsigned 64-bit words whose places the
layout names. Every word before `max_offset` adds up over workers; the words from there on are maxima.
The functions `bucket_index` and `bucket_bounds` define the histogram buckets and are the oracle for
the core's own version.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sippx.report.stamps import NS_PER_S, NS_PER_US

Words: TypeAlias = NDArray[np.uint64]

HIST_SUB_BITS = 7
HIST_MAX_NS = (1 << 45) - 1
N_STEP_COUNTERS = 5

_SUB_BUCKETS = 1 << HIST_SUB_BITS


def bucket_index(value_ns: int) -> int:
    """Histogram bucket of a duration in ns.

    Buckets are exact below 2**7 ns; above, each power of two is cut into 2**7 equal parts, so that a
    bucket is at most 1/128 of its values wide. Durations above 2**45 - 1 ns (9.7 hours) count as that.
    Raises ValueError for a negative duration.
    """
    if value_ns < 0:
        raise ValueError(f"a duration cannot be negative: {value_ns} ns")
    value_ns = min(value_ns, HIST_MAX_NS)
    if value_ns < _SUB_BUCKETS:
        return value_ns
    shift = value_ns.bit_length() - 1 - HIST_SUB_BITS
    return (shift + 1) * _SUB_BUCKETS + (value_ns >> shift) - _SUB_BUCKETS


def bucket_bounds(index: int) -> tuple[int, int]:
    """First duration of a bucket and first one beyond it, in ns: `low <= value_ns < high`.

    Raises ValueError for a negative index.
    """
    if index < 0:
        raise ValueError(f"a bucket index cannot be negative: {index}")
    if index < _SUB_BUCKETS:
        return index, index + 1
    shift = index // _SUB_BUCKETS - 1
    first = _SUB_BUCKETS + index % _SUB_BUCKETS
    return first << shift, (first + 1) << shift


N_BUCKETS = bucket_index(HIST_MAX_NS) + 1


@lru_cache(maxsize=1)
def _bucket_middles_ns() -> NDArray[np.int64]:
    bounds = [bucket_bounds(index) for index in range(N_BUCKETS)]
    middles = np.array([(low + high - 1) // 2 for low, high in bounds], dtype=np.int64)
    middles.setflags(write=False)
    return middles


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each value of a snapshot lies, in words. Made from the engine's layout dict by `from_dict`."""

    n_words: int
    counters: Mapping[str, int]
    gauges: Mapping[str, int]
    step_offset: int
    n_steps: int
    generic_offset: int
    n_generic: int
    hist_offset: int
    hist_stride: int
    hist_header: int
    n_hists: int
    repartitions: tuple[tuple[int, int], ...]
    max_offset: int

    @classmethod
    def from_dict(cls, layout: Mapping[str, Any]) -> Layout:
        """Adopt the engine's layout dict; raises ValueError when it is not the layout known here."""
        if layout["step_stride"] != N_STEP_COUNTERS:
            raise ValueError(f"step_stride is {layout['step_stride']}, expected {N_STEP_COUNTERS}")
        if layout["hist_sub_bits"] != HIST_SUB_BITS:
            raise ValueError(f"hist_sub_bits is {layout['hist_sub_bits']}, expected {HIST_SUB_BITS}")
        if layout["hist_stride"] - layout["hist_header"] != N_BUCKETS:
            raise ValueError(f"a histogram has {layout['hist_stride'] - layout['hist_header']} buckets, "
                             f"expected {N_BUCKETS}")
        if layout["n_hists"] < 3:
            raise ValueError("the histograms of call length, schedule lag and connect time are missing")
        return cls(
            n_words=layout["n_words"],
            counters=dict(layout["counters"]),
            gauges=dict(layout["gauges"]),
            step_offset=layout["step_offset"],
            n_steps=layout["n_steps"],
            generic_offset=layout["generic_offset"],
            n_generic=layout["n_generic"],
            hist_offset=layout["hist_offset"],
            hist_stride=layout["hist_stride"],
            hist_header=layout["hist_header"],
            n_hists=layout["n_hists"],
            repartitions=tuple((offset, n_words) for offset, n_words in layout["repartitions"]),
            max_offset=layout["max_offset"],
        )

    @property
    def n_rtds(self) -> int:
        """Number of response-time durations: all histograms but call length, schedule lag and connect time."""
        return self.n_hists - 3

    @property
    def call_length_hist(self) -> int:
        """Index of the histogram of call lengths."""
        return self.n_hists - 3

    @property
    def schedule_lag_hist(self) -> int:
        """Index of the histogram of start times later than due."""
        return self.n_hists - 2

    @property
    def connect_time_hist(self) -> int:
        """Index of the histogram of the time until connections are open, handshakes included."""
        return self.n_hists - 1


@dataclass(frozen=True)
class Histogram:
    """One log-linear histogram of durations (HDR style: at most 1 % error, mergeable by addition).

    buckets is a view of N_BUCKETS counts; sums are exact and in microseconds, max_ns is exact.
    """

    count: int
    sum_us: int
    sum_squares_us2: int
    max_ns: int
    buckets: Words

    @property
    def mean_ns(self) -> float:
        """Mean duration in ns, 0 when empty."""
        return self.sum_us * NS_PER_US / self.count if self.count else 0.0

    @property
    def stdev_ns(self) -> float:
        """Sample standard deviation in ns, 0 with fewer than two values (SIPp prints 0/0 there)."""
        n = self.count
        if n < 2:
            return 0.0
        spread = n * self.sum_squares_us2 - self.sum_us * self.sum_us
        return math.sqrt(max(spread, 0) / (n * (n - 1))) * NS_PER_US

    @cached_property
    def _cumulative(self) -> NDArray[np.int64]:
        return np.cumsum(self.buckets, dtype=np.int64)

    def percentile(self, percent: float) -> int:
        """Smallest recorded duration with at least `percent` % of all at or below it, in ns.

        The value is the middle of its bucket, never above the exact maximum; 0 when empty.
        Raises ValueError outside 0..100.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"a percentile lies in 0..100, not {percent}")
        total = int(self._cumulative[-1])
        if not total:
            return 0
        if percent == 100:
            return self.max_ns
        rank = max(1, math.ceil(total * percent / 100))
        index = int(np.searchsorted(self._cumulative, rank))
        return min(int(_bucket_middles_ns()[index]), self.max_ns)

    def percentiles(self, percents: Sequence[float]) -> list[int]:
        """`percentile` for each of percents, in ns."""
        return [self.percentile(percent) for percent in percents]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The engine's counters at one moment, or (as a difference) those of one period.

    words         n_words unsigned 64-bit values placed by `layout`; not changed afterwards
    time_ns       wall clock of the end, ns since the epoch
    monotonic_ns  monotonic clock of the end
    start_time_ns, start_ns   the same two clocks at the beginning: of the run, of the period, or of `since`
    raw           what `since` was called on, so that a period may begin before it; None: this is it
    """

    words: Words
    layout: Layout
    time_ns: int
    monotonic_ns: int
    start_time_ns: int
    start_ns: int
    raw: Snapshot | None = None

    def __post_init__(self) -> None:
        if self.words.shape != (self.layout.n_words,) or self.words.dtype != np.uint64:
            raise ValueError(f"a snapshot has {self.layout.n_words} uint64 words, "
                             f"not {self.words.shape} {self.words.dtype}")

    @property
    def elapsed_ns(self) -> int:
        """Length of the time covered."""
        return self.monotonic_ns - self.start_ns

    @property
    def elapsed_s(self) -> float:
        """Length of the time covered in seconds."""
        return self.elapsed_ns / NS_PER_S

    @property
    def calls_created(self) -> int:
        """Calls created, incoming and outgoing."""
        return self.counter("incoming_calls") + self.counter("outgoing_calls")

    @property
    def call_rate(self) -> float:
        """Calls created per second of the time covered; 0 when no time has passed."""
        return self.calls_created / self.elapsed_s if self.elapsed_ns > 0 else 0.0

    def counter(self, name: str) -> int:
        """A total by its name in lower case without COUNT_; KeyError for an unknown one."""
        return int(self.words[self.layout.counters[name]])

    def counters(self) -> dict[str, int]:
        """All totals by name."""
        return {name: int(self.words[index]) for name, index in self.layout.counters.items()}

    def gauge(self, name: str) -> int:
        """A momentary value by its name in lower case without GAUGE_; KeyError for an unknown one."""
        return int(self.words[self.layout.gauges[name]])

    def gauges(self) -> dict[str, int]:
        """All momentary values by name."""
        return {name: int(self.words[index]) for name, index in self.layout.gauges.items()}

    @property
    def steps(self) -> Words:
        """Counters per step: shape (n_steps, 5), columns in the order of StepCounter."""
        first = self.layout.step_offset
        flat = self.words[first : first + self.layout.n_steps * N_STEP_COUNTERS]
        return flat.reshape(self.layout.n_steps, N_STEP_COUNTERS)

    @property
    def generic(self) -> list[int]:
        """Values of the scenario's own counters, in order of appearance."""
        first = self.layout.generic_offset
        return [int(value) for value in self.words[first : first + self.layout.n_generic]]

    def histogram(self, index: int) -> Histogram:
        """Histogram by index: the RTDs in order of appearance, then call length, then schedule lag."""
        if not 0 <= index < self.layout.n_hists:
            raise IndexError(f"there are {self.layout.n_hists} histograms, no number {index}")
        layout = self.layout
        first = layout.hist_offset + index * layout.hist_stride
        count, sum_us, squares_low, squares_high = (int(word) for word in self.words[first : first + 4])
        return Histogram(
            count=count,
            sum_us=sum_us,
            sum_squares_us2=squares_low + (squares_high << 32),
            max_ns=int(self.words[layout.max_offset + index]),
            buckets=self.words[first + layout.hist_header : first + layout.hist_stride],
        )

    @property
    def call_length(self) -> Histogram:
        """Histogram of the lengths of all ended calls."""
        return self.histogram(self.layout.call_length_hist)

    @property
    def schedule_lag(self) -> Histogram:
        """Histogram of how much later than due calls were started."""
        return self.histogram(self.layout.schedule_lag_hist)

    def repartition(self, index: int) -> list[int]:
        """Counts of a repartition table by index: the RTDs, then call length; empty without a table.

        For bounds b0..bn: values v < b0, b0 <= v < b1, ..., v >= bn.
        """
        first, n_words = self.layout.repartitions[index]
        return [int(value) for value in self.words[first : first + n_words]]

    @property
    def connect_time(self) -> Histogram:
        """How long connections took to open, handshakes included; empty over UDP."""
        return self.histogram(self.layout.connect_time_hist)

    def __sub__(self, earlier: Snapshot) -> Snapshot:
        """The period from `earlier` to this snapshot of the same run; gauges keep the later value.

        A maximum of the period is exact if it was a new maximum of the run; otherwise it is the upper
        end of the highest bucket that counted, at most 1 % too high.
        """
        if self.raw is not None or earlier.raw is not None:
            return (self.raw or self) - (earlier.raw or earlier)
        self._check_same_layout(earlier)
        layout = self.layout
        words = self.words - earlier.words
        for index in layout.gauges.values():
            words[index] = self.words[index]
        for index in range(layout.n_hists):
            self._subtract_squares(earlier, index, words)
            first = layout.hist_offset + index * layout.hist_stride
            buckets = words[first + layout.hist_header : first + layout.hist_stride]
            max_index = layout.max_offset + index
            maxima = int(self.words[max_index]), int(earlier.words[max_index])
            words[max_index] = _period_max_ns(buckets, *maxima)
        return Snapshot(words, layout, self.time_ns, self.monotonic_ns,
                        start_time_ns=earlier.time_ns, start_ns=earlier.monotonic_ns)

    def since(self, baseline: Snapshot | None) -> Snapshot:
        """The cumulative figures as if the counters had been zeroed at `baseline`; gauges stay. None: all.

        Periods are not concerned: the difference of two such snapshots, whatever their baselines, is that of
        the counters themselves.
        """
        return self if baseline is None else replace(self - baseline, raw=self.raw or self)

    def __add__(self, other: Snapshot) -> Snapshot:
        """Merge two workers' snapshots of one moment: totals and gauges add up, maxima are maxima.

        The moment of a peak (gauge `..._at_ns`) cannot be added; the later one is kept.
        """
        self._check_same_layout(other)
        layout = self.layout
        words = self.words + other.words
        maxima = list(range(layout.max_offset, layout.n_words))
        maxima += [index for name, index in layout.gauges.items() if name.endswith("_at_ns")]
        words[maxima] = np.maximum(self.words[maxima], other.words[maxima])
        return Snapshot(words, layout,
                        max(self.time_ns, other.time_ns), max(self.monotonic_ns, other.monotonic_ns),
                        start_time_ns=min(self.start_time_ns, other.start_time_ns),
                        start_ns=min(self.start_ns, other.start_ns),
                        raw=None if self.raw is other.raw is None else (self.raw or self) + (other.raw or other))

    def _check_same_layout(self, other: Snapshot) -> None:
        if self.layout is not other.layout and self.layout != other.layout:
            raise ValueError("the snapshots have different layouts")

    def _subtract_squares(self, earlier: Snapshot, index: int, words: Words) -> None:
        # The two halves cannot be subtracted one by one: the low one may have carried in between.
        squares = self.histogram(index).sum_squares_us2 - earlier.histogram(index).sum_squares_us2
        first = self.layout.hist_offset + index * self.layout.hist_stride
        words[first + 2] = squares & 0xFFFFFFFF
        words[first + 3] = squares >> 32


def _period_max_ns(period_buckets: Words, max_ns: int, earlier_max_ns: int) -> int:
    filled = np.flatnonzero(period_buckets)
    if not len(filled):
        return 0
    if max_ns > earlier_max_ns:
        return max_ns
    return min(bucket_bounds(int(filled[-1]))[1] - 1, max_ns)


def merge(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Merge the snapshots of all workers taken at one moment; raises ValueError for none."""
    if not snapshots:
        raise ValueError("nothing to merge")
    merged = snapshots[0]
    for snapshot in snapshots[1:]:
        merged = merged + snapshot
    return merged
