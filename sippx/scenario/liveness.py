"""Which steps a call can be parked at while its last received message may still be needed."""

from __future__ import annotations

from collections.abc import Sequence

from sippx._core.codes import ActionKind
from sippx.scenario.model import UNEXPECTED_LABEL, RecvStep, Scenario, SendStep


def steps_that_keep_last(
    scenario: Scenario, uses_last: Sequence[bool], *, says_goodbye: bool = False
) -> list[bool]:
    """For each step: whether a call parked there must keep its last received message.

    uses_last[i]: step i, with its actions, looks at the last message. Backward liveness: such a step makes it
    live; waiting for a message ends its life, since the match replaces it, except along a timeout and where
    the recv may be skipped. Clients (and, with says_goodbye, others whose aborted calls end like a client's)
    always keep it, because the messages that abort a call are built from it, and so does a server whose calls do
    not just go on from step to step.
    """
    steps = scenario.steps
    if scenario.is_client or says_goodbye or _goes_anywhere(scenario, uses_last):
        return [True] * len(steps)
    live = [False] * (len(steps) + 1)  # the last entry is the end of the scenario

    def target(label: str | None) -> bool:
        return label is not None and live[scenario.labels[label]]

    changed = True
    while changed:
        changed = False
        # A send that was not answered jumps to its ontimeout from wherever the call is parked then.
        jumps_live = any(isinstance(s, SendStep) and s.retrans_ms and target(s.on_timeout) for s in steps)
        for index in range(len(steps) - 1, -1, -1):
            step = steps[index]
            behind = live[index + 1] or target(step.next)
            if isinstance(step, RecvStep):
                is_skipped = step.condexec is not None and behind
                now_live = target(step.on_timeout) or (step.optional and live[index + 1]) or is_skipped
            else:
                # the message of a twin is no received SIP message
                now_live = uses_last[index] or behind or target(step.on_timeout)
            now_live = now_live or jumps_live
            changed |= now_live != live[index]
            live[index] = now_live
    return live[:-1]


def _goes_anywhere(scenario: Scenario, uses_last: Sequence[bool]) -> bool:
    """Whether a call may find itself at a step that looks at the last message from any other one.

    By a jump to a computed index, by an unexpected message, or because an action of a recv, which may match
    out of order, looks at the message before.
    """
    if UNEXPECTED_LABEL in scenario.labels:
        return True
    for step, uses in zip(scenario.steps, uses_last, strict=True):
        if uses and isinstance(step, RecvStep):
            return True
        if any(action.kind == ActionKind.ACTION_JUMP for action in step.actions):
            return True
    return False
