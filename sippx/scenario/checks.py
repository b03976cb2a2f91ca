"""Checks of a whole scenario: what can be judged only when all its steps are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sippx._core.codes import ActionKind
from sippx.scenario.context import Context
from sippx.scenario.element import Element
from sippx.scenario.model import RecvCmdStep, RecvStep, Step
from sippx.scenario.names import nearest_hint


def check_labels(steps: Sequence[Step], elements: Sequence[Element], labels: Mapping[str, int]) -> None:
    """Every label that a step goes to is defined."""
    for step, element in zip(steps, elements, strict=True):
        for attribute, label in (("next", step.next), ("ontimeout", step.on_timeout)):
            if label is not None and label not in labels:
                element.fail(f"the label '{label}' is not defined{nearest_hint(label, labels)}", attribute)


def warn_of_jumps(context: Context, steps: Sequence[Step], elements: Sequence[Element]) -> None:
    """Remark on each <jump> to a literal index that ends the run when it is executed, as in SIPp."""
    for index, (step, element) in enumerate(zip(steps, elements, strict=True)):
        for action in step.actions:
            if action.kind != ActionKind.ACTION_JUMP or action.source is not None:
                continue
            if int(action.value) == index:
                context.warn(element, f"<jump> in line {action.line} goes to its own step, {index}: an endless loop")
            elif not 0 <= action.value < len(steps):
                where = f"step {action.value:g}, not to one of 0 to {len(steps) - 1}"
                context.warn(element, f"<jump> in line {action.line} goes to {where}")


def check_optionals(context: Context, steps: Sequence[Step], elements: Sequence[Element]) -> None:
    """An optional recv must reach a mandatory one before any other step (SIPp searches no further)."""
    optional: Element | None = None
    for step, element in zip(steps, elements, strict=True):
        if isinstance(step, RecvStep | RecvCmdStep):
            optional = element if step.optional else None
        elif optional is not None:
            optional.fail(
                f"optional <{optional.name}> before <{element.name}> in line {element.line}"
                f" without a mandatory <{optional.name}> between"
            )
    if optional is not None:
        name = optional.name
        context.warn(optional, f"optional <{name}> at the end of the scenario waits like a mandatory one")
