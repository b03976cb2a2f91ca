"""How many calls a run was asked to open, by what its target rate was: the base of "achieved / asked for"."""

from __future__ import annotations

from sippx.report.flow import RunInfo
from sippx.report.snapshot import Snapshot
from sippx.report.stamps import NS_PER_S


class Demand:
    """Adds up the calls asked for and opened, one look at a time.

    Only time in which calls were to be opened counts: nothing is asked for while the run is paused or ends,
    and of a period in which the last call of -m was opened no more than what was left to open.

    asked   calls that the target rate asked for
    opened  calls opened meanwhile
    held    calls that fell due meanwhile and were held back by the limit of open calls
    """

    def __init__(self) -> None:
        self.asked = 0.0
        self.opened = 0
        self.held = 0
        self._created = 0
        self._limited = 0
        self._at_ns: int | None = None
        self._target_rate: float | None = None
        self._opens_calls = True

    def look(self, total: Snapshot, info: RunInfo) -> tuple[float, int, int]:
        """Add what happened since the previous look; returns asked, opened and held of that period."""
        created, limited = total.calls_created, total.counter("limited_starts")
        since_ns = self._at_ns if self._at_ns is not None else total.start_ns
        opened, held = created - self._created, limited - self._limited
        # a target rate that grows is met by the mean of both ends
        rate_before = info.target_rate if self._target_rate is None else self._target_rate
        target_rate = (rate_before + info.target_rate) / 2
        asked = target_rate * (total.monotonic_ns - since_ns) / NS_PER_S
        counts = self._opens_calls and not info.paused and target_rate > 0
        if info.max_calls is not None and created >= info.max_calls:
            asked = min(asked, float(info.max_calls - self._created))
        elif info.quit_level > 0:
            counts = False
        self._created, self._limited, self._at_ns = created, limited, total.monotonic_ns
        self._target_rate = info.target_rate
        self._opens_calls = not info.paused and info.quit_level == 0
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
