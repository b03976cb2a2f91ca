"""What follows a run by its snapshots: files, records and watchers, each called in its own period."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from sippx.report.flow import RunInfo
from sippx.report.snapshot import Snapshot

NS_PER_MS = 1_000_000


class Reporter(Protocol):
    """One follower of a run. It never raises into the run: what it could not do it says in `notes`.

    period_ms  time between two calls of `report`; 0: never in between
    """

    @property
    def period_ms(self) -> int:
        """Time between two calls of `report` [ms], 0: none."""

    @property
    def notes(self) -> list[str]:
        """What the user should be told at the end, such as why a file is incomplete."""

    def begin(self, total: Snapshot, info: RunInfo) -> None:
        """The run is about to start: all counters are 0."""

    def report(self, total: Snapshot, info: RunInfo) -> None:
        """A period is over; total: counters since the start."""

    def end(self, total: Snapshot, info: RunInfo) -> None:
        """The run is over; nothing comes after this."""


@dataclass
class _Due:
    reporter: Reporter
    at_ns: int


class Reporters:
    """The reporters of a run and when each is due.

    look  takes a snapshot and the state that goes with it; called once for all that are due together
    """

    def __init__(
        self, reporters: Iterable[Reporter], look: Callable[[], tuple[Snapshot, RunInfo]]
    ) -> None:
        self._all = tuple(reporters)
        self._look = look
        self._due: list[_Due] = []
        self._next_ns = 0
        self._is_over = False

    def begin(self, now_ns: int) -> None:
        """Start all of them; now_ns: monotonic time."""
        if not self._all:
            return
        total, info = self._look()
        for reporter in self._all:
            reporter.begin(total, info)
        self._due = [
            _Due(reporter, now_ns + reporter.period_ms * NS_PER_MS) for reporter in self._all if reporter.period_ms
        ]
        self._note_next()

    def poll(self, now_ns: int) -> None:
        """Call those whose period is over; cheap where there is none."""
        if not self._due or now_ns < self._next_ns:
            return
        total, info = self._look()
        for due in self._due:
            if now_ns >= due.at_ns:
                due.reporter.report(total, info)
                # a period that was missed is not made up for
                due.at_ns = max(due.at_ns + due.reporter.period_ms * NS_PER_MS, now_ns + 1)
        self._note_next()

    def end(self) -> None:
        """End all of them; safe to call twice."""
        if self._is_over or not self._all:
            return
        self._is_over = True
        total, info = self._look()
        for reporter in self._all:
            reporter.end(total, info)

    @property
    def notes(self) -> list[str]:
        """What all of them have to say."""
        return [note for reporter in self._all for note in reporter.notes]

    def _note_next(self) -> None:
        self._next_ns = min((due.at_ns for due in self._due), default=0)
