"""Which steps a call can be parked at while its last received message may still be needed."""

from __future__ import annotations

from collections.abc import Sequence

from sippx.scenario.model import RecvStep, Scenario, SendStep


def steps_that_keep_last(scenario: Scenario, uses_last: Sequence[bool]) -> list[bool]:
    """For each step: whether a call parked there must keep its last received message.

    uses_last[i]: step i renders a part of the last message. Backward liveness: a send that uses it makes it
    live; waiting for a message ends its life, since the match replaces it, except along a timeout. Clients
    always keep it, because the messages that abort a call are built from it.
    """
    steps = scenario.steps
    if scenario.is_client:
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
            if isinstance(step, RecvStep):
                now_live = target(step.on_timeout) or (step.optional and live[index + 1])
            else:
                now_live = uses_last[index] or live[index + 1] or target(step.next)
            now_live = now_live or jumps_live
            changed |= now_live != live[index]
            live[index] = now_live
    return live[:-1]
