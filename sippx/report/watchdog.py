"""Generator limited: when the load generator itself, not the system under test, was the bottleneck."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sippx.report.demand import Demand
from sippx.report.flow import RunInfo
from sippx.report.snapshot import Snapshot
from sippx.report.stamps import NS_PER_S

PERIOD_MS = 1000
MAX_FINDINGS_PER_KIND = 20
"""From then on the last one is extended."""

_CPU_LIMIT = 0.95
_ON_TIME_LIMIT = 0.95
_MIN_ASKED = 20.0
"""Below so many calls a period, one more or less says nothing about the rate."""
_MIN_LATE = 10
_LATE_SHARE = 0.01
_JOIN_GAP_NS = 1_500_000_000
"""Findings of one kind with less time between them are one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One stretch of time in which the generator was limited.

    kind       key of KINDS
    figure     highest CPU share, lowest share of calls opened on time, or the number of events
    n_periods  looks within the stretch that saw it; fewer than its seconds when it came and went
    """

    kind: str
    from_s: float
    to_s: float
    figure: float
    n_periods: int = 1

    @property
    def text(self) -> str:
        """What happened, with its figure."""
        return KINDS[self.kind].text(self.figure)

    def line(self) -> str:
        """The finding in one line."""
        return f"generator limited, {self.from_s:.0f} s to {self.to_s:.0f} s: {self.text}"


@dataclass(frozen=True, slots=True)
class FindingKind:
    """join: the figure of two stretches together; format: the text with {figure}; advice: what may help."""

    join: Callable[[float, float], float]
    format: str
    advice: str

    def text(self, figure: float) -> str:
        """The text with the figure in it."""
        return self.format.format(figure=figure)


def _add(a: float, b: float) -> float:
    return a + b


KINDS: Mapping[str, FindingKind] = {
    "cpu": FindingKind(max, "the engine's thread used up to {figure:.0%} of its core",
                       "more rate needs a faster core or a second sippx"),
    "behind": FindingKind(min, "as little as {figure:.1%} of the calls asked for were opened",
                          "the rate asked for is more than this machine opens"),
    "late_starts": FindingKind(_add, "{figure:,.0f} calls were opened more than 10 ms late",
                               "something else takes the core; see --cpu"),
    "socket_drops": FindingKind(_add, "{figure:,.0f} messages were dropped, the receive buffer was full",
                                "a larger -buff_size or net.core.rmem_max"),
    "send_congested": FindingKind(_add, "{figure:,.0f} messages were dropped, the send buffer was full",
                                  "a larger -buff_size or net.core.wmem_max"),
    "congestions": FindingKind(_add, "connections took no more {figure:,.0f} times",
                               "a peer that reads faster, more connections (-t tn), or a larger -buff_size"),
    "trace_drops": FindingKind(_add, "{figure:,.0f} trace records were lost, the files could not keep up",
                               "trace less or write to a faster disk"),
}  # fmt: skip
"""What is looked for, in order of importance."""

_COUNTERS = ("late_starts", "socket_drops", "send_congested", "congestions", "trace_drops")


class GeneratorWatch:
    """The reporter that looks each second; it never ends the run."""

    def __init__(self) -> None:
        self.period_ms = PERIOD_MS
        self.notes: list[str] = []
        self._by_kind: dict[str, list[Finding]] = {kind: [] for kind in KINDS}
        self._demand = Demand()
        self._counts = dict.fromkeys(_COUNTERS, 0)
        self._at_ns = 0
        self._cpu_s = 0.0
        self._created = 0

    def begin(self, total: Snapshot, info: RunInfo) -> None:
        """Start at this moment."""
        self._demand.look(total, info)
        self._at_ns, self._cpu_s = total.monotonic_ns, info.cpu_s
        self._counts = {name: total.counter(name) for name in _COUNTERS}
        self._created = total.calls_created

    def report(self, total: Snapshot, info: RunInfo) -> None:
        """A second is over."""
        self._look(total, info)

    def end(self, total: Snapshot, info: RunInfo) -> None:
        """The rest of the last second."""
        self._look(total, info)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in order of time."""
        found = [finding for findings in self._by_kind.values() for finding in findings]
        return tuple(sorted(found, key=lambda finding: finding.from_s))

    def lines(self) -> list[str]:
        """The findings for the end of the run, one line each, with what may help."""
        return [f"{finding.line()} ({KINDS[finding.kind].advice})" for finding in self.findings]

    def _look(self, total: Snapshot, info: RunInfo) -> None:
        elapsed_s = (total.monotonic_ns - self._at_ns) / NS_PER_S
        if elapsed_s <= 0:
            return
        from_s, to_s = (self._at_ns - total.start_ns) / NS_PER_S, (total.monotonic_ns - total.start_ns) / NS_PER_S
        for kind, figure in self._seen(total, info, elapsed_s).items():
            self._note(Finding(kind, max(from_s, 0.0), to_s, figure))
        self._at_ns, self._cpu_s = total.monotonic_ns, info.cpu_s

    def _seen(self, total: Snapshot, info: RunInfo, elapsed_s: float) -> dict[str, float]:
        seen: dict[str, float] = {}
        cpu_share = (info.cpu_s - self._cpu_s) / elapsed_s
        # a rest of a few ms is too short for the clock of CPU time
        if cpu_share >= _CPU_LIMIT and elapsed_s >= 0.1:
            seen["cpu"] = min(cpu_share, 1.0)
        opened_in_all = total.calls_created - self._created
        self._created = total.calls_created
        asked, opened, held = self._demand.look(total, info)
        if asked >= _MIN_ASKED and opened + held < _ON_TIME_LIMIT * asked:
            seen["behind"] = (opened + held) / asked
        for name in _COUNTERS:
            count = total.counter(name)
            events, self._counts[name] = count - self._counts[name], count
            if events > 0 and (name != "late_starts" or self._is_much(events, opened_in_all)):
                seen[name] = float(events)
        return seen

    @staticmethod
    def _is_much(n_late: int, n_opened: int) -> bool:
        """A few late starts are any machine's: they count from 10 a period and 1 % of the calls opened on."""
        return n_late >= _MIN_LATE and n_late >= _LATE_SHARE * n_opened

    def _note(self, finding: Finding) -> None:
        findings = self._by_kind[finding.kind]
        last = findings[-1] if findings else None
        joins = last is not None and (finding.from_s - last.to_s) * NS_PER_S < _JOIN_GAP_NS
        if last is not None and (joins or len(findings) >= MAX_FINDINGS_PER_KIND):
            findings[-1] = replace(
                last,
                to_s=finding.to_s,
                figure=KINDS[finding.kind].join(last.figure, finding.figure),
                n_periods=last.n_periods + 1,
            )
        else:
            findings.append(finding)
