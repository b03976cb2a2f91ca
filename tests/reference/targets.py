"""Which of several remote addresses the next call goes to, the slow way (RFC 2782, smooth weighted round robin)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class _Member:
    index: int
    weight: int
    priority: int
    down_until_ms: int = 0
    turn: int = 0


class ReferenceTargets:
    """The targets of (weight, priority) pairs.

    Each turn every target that is up, of the best priority that has one, gains its weight; the one that has gained
    most is chosen and pays what all gained together. Where all that are up have weight 0 each gains 1. A target
    that fails while it is up makes those of its priority begin anew.
    """

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        self._members = [_Member(index, weight, priority) for index, (weight, priority) in enumerate(pairs)]

    def next(self, now_ms: int) -> int:
        """Index of the next call's target; where all are down, of the one that is up again first."""
        up = [member for member in self._members if member.down_until_ms <= now_ms]
        if not up:
            return min(self._members, key=lambda member: (member.down_until_ms, member.index)).index
        best = min(member.priority for member in up)
        group = [member for member in up if member.priority == best]
        if len(self._members) == 1:
            return 0
        gains = {member.index: member.weight for member in group}
        if not any(gains.values()):
            gains = dict.fromkeys(gains, 1)
        for member in group:
            member.turn += gains[member.index]
        candidates = [member for member in group if gains[member.index]]
        chosen = max(candidates, key=lambda member: (member.turn, -member.index))
        chosen.turn -= sum(gains.values())
        return chosen.index

    def failed(self, index: int, now_ms: int, penalty_ms: int) -> None:
        """Leave a target out for penalty_ms, or for as long as it already was."""
        failed = self._members[index]
        if failed.down_until_ms <= now_ms and penalty_ms:
            for member in self._members:
                if member.priority == failed.priority:
                    member.turn = 0
        failed.down_until_ms = max(failed.down_until_ms, now_ms + penalty_ms)

    @property
    def turns(self) -> list[int]:
        """How far each target's turn has come."""
        return [member.turn for member in self._members]
