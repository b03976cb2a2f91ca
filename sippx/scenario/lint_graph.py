"""The graph of a scenario's steps: which step may follow which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sippx._core.codes import ActionKind
from sippx.scenario.lint_subject import Section
from sippx.scenario.model import RecvCmdStep, RecvStep


class Flow:
    """Nodes are the steps by index, the end, and one for "some step": what a jump to a variable goes to.

    A path is what may happen by all that is known without running: tests and chances may turn out either way.
    """

    def __init__(self, section: Section) -> None:
        self._steps = section.steps
        self._labels = section.labels
        self._anywhere = len(section.steps) + 1
        n_steps = len(section.steps)
        self._after: list[list[int]] = [list(self._successors(index)) for index in range(n_steps)]
        self._after += [[], list(range(n_steps))]

    def goes_on(self, index: int) -> Iterator[int]:
        """Nodes that follow step `index` once it is executed, its message sent or taken."""
        step = self._steps[index]
        if step.next is None or step.chance < 1 or step.test is not None:
            yield index + 1
        if step.next is not None:
            yield self._labels[step.next]
        for action in step.actions:
            if action.kind == ActionKind.ACTION_JUMP and action.source is not None:
                yield self._anywhere
            elif action.kind == ActionKind.ACTION_JUMP and 0 <= action.value < len(self._steps):
                yield int(action.value)  # any other ends the run

    def reachable_from(self, starts: Iterable[int]) -> set[int]:
        """All nodes on some path from `starts`, these included."""
        return _closure(self._after, starts)

    def leading_to(self, ends: Iterable[int]) -> set[int]:
        """All nodes from which some path goes to one of `ends`, these included."""
        before: list[list[int]] = [[] for _ in self._after]
        for index, successors in enumerate(self._after):
            for successor in successors:
                before[successor].append(index)
        return _closure(before, ends)

    def _successors(self, index: int) -> Iterator[int]:
        """What goes_on says, and what follows otherwise: a timeout, or a message that another recv takes."""
        step = self._steps[index]
        yield from self.goes_on(index)
        if step.on_timeout is not None:
            yield self._labels[step.on_timeout]
        if isinstance(step, RecvStep | RecvCmdStep):
            if step.optional:
                yield index + 1
            if index and isinstance(before := self._steps[index - 1], RecvStep | RecvCmdStep) and before.optional:
                yield index - 1  # a message is looked for backward, too


def _closure(edges: list[list[int]], starts: Iterable[int]) -> set[int]:
    seen: set[int] = set()
    pending = list(starts)
    while pending:
        index = pending.pop()
        if index not in seen:
            seen.add(index)
            pending.extend(edges[index])
    return seen
