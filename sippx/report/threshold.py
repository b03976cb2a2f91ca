"""Thresholds: `--threshold 'rtd1.p99<50ms'` -> a condition, its verdict at the end, and ending a run early.

    METRIC OP VALUE[UNIT] [abort]      OP: < <= > >= == !=
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sippx.report.demand import Demand
from sippx.report.flow import Measures, RunInfo
from sippx.report.metrics import UNITS, Figures, Kind, Metric, find_metric
from sippx.report.snapshot import Snapshot
from sippx.report.stamps import NS_PER_MS, NS_PER_S, NS_PER_US

Verdict = Literal["passed", "failed", "no data"]

PERIOD_MS = 1000
MIN_EVENTS = 100
"""Shares, times and rates end a run early only once they rest on so many calls, times or messages."""

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}

_ABOUT_FAILURES = frozenset({"failed", "failed_calls", "successful", "successful_calls"})

_GRAMMAR = re.compile(
    r"\s*(?P<metric>[^<>=!]*?)\s*(?P<op><=|>=|==|!=|<|>)\s*"
    r"(?P<value>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>(?!abort\b)[A-Za-z%]*)(?P<abort>\s+abort)?\s*"
)
_EXAMPLE = "write METRIC OP VALUE, such as 'failed<0.1%' or 'rtd1.p99<50ms'"


@dataclass(frozen=True, slots=True)
class Threshold:
    """One condition that the run has to meet.

    limit   in what the metric is compared in: ns, shares of 1, bytes, plain numbers
    aborts  the run is ended as soon as it is breached
    """

    text: str
    metric: Metric
    op: str
    limit: float
    unit: str
    aborts: bool = False

    def result(self, figures: Figures) -> ThresholdResult:
        """The verdict on these figures."""
        measured = self.metric.measured(figures, as_share=self.unit == "%")
        if measured.value is None:
            return ThresholdResult(self, None, "no data", "", measured.reason)
        verdict: Verdict = "passed" if OPERATORS[self.op](measured.value, self.limit) else "failed"
        return ThresholdResult(self, measured.value, verdict, value_text(measured.value, self.shown_as))

    def is_breached(self, figures: Figures) -> bool:
        """True when the condition is not met and that is enough to end the run."""
        measured = self.metric.measured(figures, as_share=self.unit == "%")
        if measured.value is None or OPERATORS[self.op](measured.value, self.limit):
            return False
        if self._grows:  # what is still below the limit may reach it
            return measured.value >= self.limit
        return measured.n_events is None or measured.n_events >= MIN_EVENTS

    @property
    def factor(self) -> float:
        """What one unit of the threshold's text is in what is compared."""
        return UNITS["share"]["%"] if self.unit == "%" else UNITS[self.metric.spec.kind][self.unit]

    @property
    def shown_as(self) -> Kind:
        """How values are written: shares in % where the threshold has them so."""
        if self.metric.spec.kind == "share" and self.unit == "":
            return "rate"
        return "share" if self.unit == "%" else self.metric.spec.kind

    @property
    def _grows(self) -> bool:
        return self.metric.spec.grows and self.unit != "%"


@dataclass(frozen=True, slots=True)
class ThresholdResult:
    """What became of a threshold. No data counts as failed.

    measured       value in the unit that is compared (ns, shares of 1, bytes, plain numbers), None: no data
    measured_text  the same as people write it
    reason         why there is no data
    """

    threshold: Threshold
    measured: float | None
    verdict: Verdict
    measured_text: str
    reason: str = ""

    @property
    def is_met(self) -> bool:
        """True when the condition held."""
        return self.verdict == "passed"

    @property
    def judges_failures(self) -> bool:
        """True when the threshold says how many calls may fail, so that one alone is no failure of the run."""
        return self.threshold.metric.name in _ABOUT_FAILURES

    def line(self) -> str:
        """The result in one line."""
        found = f"measured {self.measured_text}" if self.measured is not None else self.reason
        return f"threshold {self.threshold.text}: {self.verdict}, {found}"


def parse(text: str) -> Threshold:
    """The threshold that a text says; raises ValueError with one sentence about what is wrong."""
    match = _GRAMMAR.fullmatch(text)
    if match is None or not match["metric"]:
        raise ValueError(f"'{text}' is not a threshold: {_EXAMPLE}")
    try:
        metric = find_metric(match["metric"])
        limit = float(match["value"]) * _factor(metric, match["unit"])
    except ValueError as error:
        raise ValueError(f"'{text}': {error}") from None
    threshold = Threshold(" ".join(text.split()), metric, match["op"], limit, match["unit"], bool(match["abort"]))
    if threshold.aborts and threshold._grows and threshold.op not in ("<", "<=", "=="):
        raise ValueError(f"'{text}': '{metric.name}' still grows, so {threshold.op} can only be judged at the end: "
                         "leave 'abort' out")
    return threshold


def _factor(metric: Metric, unit: str) -> float:
    spec = metric.spec
    if unit == "%" and spec.share_of:
        return UNITS["share"]["%"]
    if unit not in UNITS[spec.kind]:
        named = [known for known in spec.units if known]
        allowed = " or ".join(part for part in (", ".join(named[:-1]), named[-1] if named else "") if part)
        if not unit:
            raise ValueError(f"'{metric.name}' is a time, its value needs a unit: {allowed}")
        raise ValueError(f"'{metric.name}' has no unit '{unit}'; use {f'{allowed}' if allowed else 'a plain number'}")
    return UNITS[spec.kind][unit]


def value_text(value: float, kind: Kind) -> str:
    """A value as people write it: 12, 0.125 %, 1.234 ms."""
    if kind == "share":
        return f"{100 * value:.4g} %"
    if kind == "time":
        if value < NS_PER_MS:
            return f"{value / NS_PER_US:.4g} us"
        return f"{value / NS_PER_MS:.4g} ms" if value < NS_PER_S else f"{value / NS_PER_S:.6g} s"
    if kind == "size":
        return f"{value / 1e6:,.1f} MB"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}" if value < 1 else f"{value:,.2f}"


class ThresholdWatch:
    """The reporter that judges the thresholds: each second those that may end the run, all at the end.

    abort  called once, when a threshold with `abort` is breached; the verdicts are those of that moment,
           since the calls that the abort cuts short would otherwise count as failed
    """

    def __init__(self, thresholds: Iterable[Threshold], measures: Measures,
                 abort: Callable[[], None] = lambda: None) -> None:  # fmt: skip
        self.period_ms = PERIOD_MS
        self.notes: list[str] = []
        self.thresholds = tuple(thresholds)
        self.results: tuple[ThresholdResult, ...] = ()
        self.aborted_by: Threshold | None = None
        self.aborted_at_s: float | None = None
        self._measures = measures
        self._abort = abort
        self._demand = Demand()
        self._cpu_start_s = 0.0

    def begin(self, total: Snapshot, info: RunInfo) -> None:
        """Start at this moment."""
        self._cpu_start_s = info.cpu_s
        self._demand.look(total, info)

    def report(self, total: Snapshot, info: RunInfo) -> None:
        """A second is over."""
        self._demand.look(total, info)
        if self.aborted_by is not None or not any(threshold.aborts for threshold in self.thresholds):
            return
        figures = self._figures(total, info)
        breached = [item for item in self.thresholds if item.aborts and item.is_breached(figures)]
        if breached:
            self.aborted_by, self.aborted_at_s = breached[0], total.elapsed_s
            self.results = self._judge(figures)
            self.notes.append(
                f"the run was ended after {total.elapsed_s:.0f} s by the threshold '{self.aborted_by.text}'"
            )
            self._abort()

    def end(self, total: Snapshot, info: RunInfo) -> None:
        """The run is over: judge, unless that was done when it was aborted."""
        self._demand.look(total, info)
        if self.aborted_by is None:
            self.results = self._judge(self._figures(total, info))

    @property
    def is_met(self) -> bool:
        """True when all conditions held."""
        return all(result.is_met for result in self.results)

    @property
    def demand(self) -> Demand:
        """Calls asked for and opened."""
        return self._demand

    def lines(self) -> list[str]:
        """The verdicts for the end of the run, one line each."""
        return [result.line() for result in self.results]

    def _judge(self, figures: Figures) -> tuple[ThresholdResult, ...]:
        return tuple(threshold.result(figures) for threshold in self.thresholds)

    def _figures(self, total: Snapshot, info: RunInfo) -> Figures:
        return Figures(total, self._measures, self._demand, info.cpu_s - self._cpu_start_s)
