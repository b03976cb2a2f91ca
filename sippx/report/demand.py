"""How many calls a run was asked to open, by what its rates made due: the base of "achieved / asked for"."""

from __future__ import annotations

from sippx.report.flow import RunInfo
from sippx.report.snapshot import Snapshot


class Demand:
    """Adds up the calls asked for and opened, one look at a time.

    Only time in which calls were to be opened counts: nothing falls due while the run is paused, nothing is
    asked for while it ends, and of a period in which the last call of -m was opened no more than what was left
    to open.

    asked   calls that fell due
    opened  calls opened meanwhile
    held    calls that fell due meanwhile and were held back by the limit of open calls
    """

    def __init__(self) -> None:
        self.asked = 0.0
        self.opened = 0
        self.held = 0
        self._created = 0
        self._limited = 0
        self._due = 0.0

    def look(self, total: Snapshot, info: RunInfo) -> tuple[float, int, int]:
        """Add what happened since the previous look; returns asked, opened and held of that period."""
        created, limited = total.calls_created, total.counter("limited_starts")
        opened, held = created - self._created, limited - self._limited
        asked = max(info.calls_due - self._due, 0.0)
        counts = True
        if info.max_calls is not None and created >= info.max_calls:
            asked = min(asked, float(info.max_calls - self._created))
        elif info.quit_level > 0:
            counts = False
        self._created, self._limited, self._due = created, limited, info.calls_due
        if not counts:
            return 0.0, 0, 0
        self.asked += asked
        self.opened += opened
        self.held += held
        return asked, opened, held

    @property
    def share(self) -> float | None:
        """Calls opened of those asked for; None when no whole call was asked for."""
        return self.opened / int(self.asked) if self.asked >= 1 else None
