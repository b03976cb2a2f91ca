"""The run over time: one point a second, in memory that does not grow with the length of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sippx.report.flow import Measures, RunInfo
from sippx.report.snapshot import Histogram, Snapshot
from sippx.report.stamps import NS_PER_MS, NS_PER_S
from sippx.report.summary import FAILURE_PREFIX, FAILURE_TOTAL

PERIOD_MS = 1000
MAX_POINTS = 2000

POINT_PERCENTILES = ((50.0, "p50_ms"), (90.0, "p90_ms"), (99.0, "p99_ms"), (100.0, "max_ms"))

Value = float | None
Values: TypeAlias = NDArray[np.float64]
Rule = Literal["count", "sum", "mean", "max", "last"]


@dataclass(frozen=True)
class _Period:
    """What a point is made of: the counters of its time, and the state at its end."""

    part: Snapshot
    info: RunInfo
    cpu_s: float
    _histograms: dict[int, Histogram] = field(default_factory=dict)

    def histogram(self, index: int) -> Histogram:
        """A histogram that all its percentiles share: they need the same sums."""
        if index not in self._histograms:
            self._histograms[index] = self.part.histogram(index)
        return self._histograms[index]


@dataclass(frozen=True, slots=True)
class Column:
    """One value of every point.

    path  where it stands in `Timeline.data`, such as ("rtd", "1", "p99_ms")
    rule  what becomes of two neighbouring points when they are merged: a count is a sum of whole numbers,
          mean weighs by their durations
    """

    path: tuple[str, ...]
    rule: Rule
    read: Callable[[_Period], Value]


class Timeline:
    """The reporter that keeps the points. When there are `max_points`, neighbours are merged into one.

    From then on a point covers twice the time. Counts of merged points are added, rates and gauges averaged;
    of two percentiles the larger is kept, which the percentile of both together does not exceed.
    """

    def __init__(self, measures: Measures, *, max_points: int = MAX_POINTS, period_ms: int = PERIOD_MS) -> None:
        if max_points < 2:
            raise ValueError(f"max_points is 2 or more, not {max_points}")
        self.period_ms = period_ms
        self.notes: list[str] = []
        self._max_points = max_points
        self._measures = measures
        self._columns: tuple[Column, ...] = ()
        # shape (columns, points); not a number: no value
        self._values: Values = np.empty((0, max_points))
        self._n_points = 0
        self._previous: Snapshot | None = None
        self._cpu_s = 0.0
        self._periods_per_point = 1
        self._n_waiting = 0

    # ---- the reporter ---------------------------------------------------------------------------------

    def begin(self, total: Snapshot, info: RunInfo) -> None:
        """Start at this moment."""
        self._columns = _columns(total, self._measures)
        self._values = np.empty((len(self._columns), self._max_points))
        self._previous, self._cpu_s = total, info.cpu_s

    def report(self, total: Snapshot, info: RunInfo) -> None:
        """A second is over."""
        self._n_waiting += 1
        if self._n_waiting >= self._periods_per_point:
            self._add(total, info)

    def end(self, total: Snapshot, info: RunInfo) -> None:
        """The last point; what is shorter than half of the others is merged with the one before it."""
        if self._previous is None or total.monotonic_ns <= self._previous.monotonic_ns:
            return
        self._add(total, info)
        last = self._n_points - 1
        if last > 0 and self._values[_DURATION, last] < self.point_s / 2:
            self._merge(last - 1, last + 1)

    def _add(self, total: Snapshot, info: RunInfo) -> None:
        previous = self._previous
        assert previous is not None, "begin comes first"
        period = _Period(total - previous, info, info.cpu_s - self._cpu_s)
        self._previous, self._cpu_s, self._n_waiting = total, info.cpu_s, 0
        values = (column.read(period) for column in self._columns)
        self._values[:, self._n_points] = [np.nan if value is None else value for value in values]
        self._n_points += 1
        if self._n_points == self._max_points:
            self._merge(0, self._n_points)
            self._periods_per_point *= 2

    def _merge(self, first: int, end: int) -> None:
        """Make one of each two neighbours in first <= point < end, at the end of all points."""
        n_pairs = (end - first) // 2
        left, right = (self._values[:, first + side : first + 2 * n_pairs : 2].copy() for side in (0, 1))
        rules = np.array([column.rule for column in self._columns])
        for rule, merge in _RULES.items():
            rows = rules == rule
            durations_s = left[_DURATION], right[_DURATION]
            self._values[rows, first : first + n_pairs] = merge(left[rows], right[rows], *durations_s)
        rest = end - first - 2 * n_pairs
        self._values[:, first + n_pairs : first + n_pairs + rest] = self._values[:, end - rest : end].copy()
        self._n_points = first + n_pairs + rest

    # ---- what it holds --------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._n_points

    @property
    def point_s(self) -> float:
        """Time that a point covers now [s]; it doubles with every merge."""
        return self._periods_per_point * self.period_ms / 1000

    def data(self) -> dict[str, Any]:
        """All points, a list for each value: counts of the point's time, rates, gauges at its end.

        time_s is the end of each point since the start of the run. A percentile is None where nothing was
        measured. Of the causes of failures only those that occurred are given.
        """
        data: dict[str, Any] = {"point_s": self.point_s}
        for column, numbers in zip(self._columns, self._values, strict=True):
            values = _plain(column, numbers[: self._n_points].tolist())
            if column.path[0] == "failures" and not any(values):
                continue
            place = data
            for name in column.path[:-1]:
                place = place.setdefault(name, {})
            place[column.path[-1]] = values
        durations_s = data.get("duration_s", [])
        data.setdefault("failures", {})
        data["rate"] = _divided(data.get("calls", []), durations_s)
        data["cpu_percent"] = _divided([100 * cpu_s for cpu_s in data.pop("cpu_s", [])], durations_s)
        return data


def _plain(column: Column, numbers: list[float]) -> list[Value]:
    if column.rule == "count":
        return [int(number) for number in numbers]
    return [None if number != number else round(number, 6) for number in numbers]


def _divided(values: list[float], durations_s: list[float]) -> list[float]:
    return [round(value / duration_s, 3) if duration_s else 0.0
            for value, duration_s in zip(values, durations_s, strict=True)]


# ---- the columns -------------------------------------------------------------------------------------

_DURATION = 1
"""Index of the column with the duration of each point."""


def _columns(total: Snapshot, measures: Measures) -> tuple[Column, ...]:
    columns = [
        Column(("time_s",), "last", lambda p: (p.part.monotonic_ns - total.start_ns) / NS_PER_S),
        Column(("duration_s",), "sum", lambda p: p.part.elapsed_s),
        Column(("target_rate",), "mean", lambda p: p.info.target_rate),
        Column(("calls",), "count", lambda p: p.part.calls_created),
        Column(("open_calls",), "mean", lambda p: p.part.gauge("current_calls")),
        Column(("users",), "mean", lambda p: p.info.users),
        Column(("cpu_s",), "sum", lambda p: p.cpu_s),
        *(_count_column((name,), counter) for name, counter in _COUNTS.items()),
        *(
            _count_column(("failures", name.removeprefix(FAILURE_PREFIX)), name)
            for name in total.layout.counters
            if name.startswith(FAILURE_PREFIX) and name != FAILURE_TOTAL
        ),
    ]
    for index, rtd in enumerate(measures.rtd_names):
        columns += _percentile_columns(("rtd", rtd), index)
    columns += _percentile_columns(("call_length",), total.layout.call_length_hist)
    lag = total.layout.schedule_lag_hist
    columns.append(_percentile_column(("schedule_lag", "p99_ms"), lag, 99.0))
    return tuple(columns)


_COUNTS: Mapping[str, str] = {
    # name in the data -> counter
    "successful": "successful_calls",
    "failed": "failed_calls",
    "retransmissions": "retransmissions",
    "messages_sent": "datagrams_sent",
    "messages_received": "datagrams_received",
    "late_starts": "late_starts",
    "held_starts": "limited_starts",
    "socket_drops": "socket_drops",
    "connections_opened": "connections_opened",
    "connections_accepted": "connections_accepted",
    "tls_handshakes": "tls_handshakes",
}


def _count_column(path: tuple[str, ...], counter: str) -> Column:
    return Column(path, "count", lambda p: p.part.counter(counter))


def _percentile_columns(path: tuple[str, ...], hist: int) -> list[Column]:
    return [_percentile_column((*path, name), hist, percent) for percent, name in POINT_PERCENTILES]


def _percentile_column(path: tuple[str, ...], hist: int, percent: float) -> Column:
    return Column(path, "max", lambda p: _percentile_ms(p.histogram(hist), percent))


def _percentile_ms(histogram: Histogram, percent: float) -> Value:
    return histogram.percentile(percent) / NS_PER_MS if histogram.count else None


# ---- merging -----------------------------------------------------------------------------------------


def _sum(a: Values, b: Values, a_s: Values, b_s: Values) -> Values:
    return a + b


def _mean(a: Values, b: Values, a_s: Values, b_s: Values) -> Values:
    with np.errstate(invalid="ignore"):
        both: Values = (a * a_s + b * b_s) / (a_s + b_s)
    return np.where(np.isnan(both), np.fmax(a, b), both)


def _max(a: Values, b: Values, a_s: Values, b_s: Values) -> Values:
    return np.fmax(a, b)


def _last(a: Values, b: Values, a_s: Values, b_s: Values) -> Values:
    return b


_RULES: Mapping[Rule, Callable[[Values, Values, Values, Values], Values]] = {
    "count": _sum, "sum": _sum, "mean": _mean, "max": _max, "last": _last,
}  # fmt: skip
