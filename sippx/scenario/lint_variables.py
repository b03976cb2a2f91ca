"""Checks of variables: those that are assigned in vain, and those that are read before anything assigns them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sippx.scenario.element import Element
from sippx.scenario.lint_subject import Site, Subject
from sippx.scenario.model import (
    UNEXPECTED_VARIABLES,
    Action,
    Keyword,
    PauseStep,
    SendCmdStep,
    SendStep,
    Template,
    Variable,
)
from sippx.scenario.variables import UNUSED

_IN_PLACE = ("trim", "urlencode", "urldecode")
"""Actions that change a value: in vain if nothing assigns it before or reads it afterwards."""
_Place = tuple[Element, str | None]


@dataclass(slots=True)
class _Uses:
    """First place at which each variable is assigned and read."""

    assigned: dict[Variable, _Place] = field(default_factory=dict)
    read: dict[Variable, _Place] = field(default_factory=dict)

    def assign(self, variable: Variable | None, element: Element, attribute: str | None) -> None:
        if variable is not None:
            self.assigned.setdefault(variable, (element, attribute))

    def reads(self, variable: Variable | None, element: Element, attribute: str | None = None) -> None:
        if variable is not None:
            self.read.setdefault(variable, (element, attribute))

    def reads_template(self, template: Template, element: Element) -> None:
        for variable in template_variables(template):
            self.reads(variable, element)


def check_variables(subject: Subject) -> None:
    """Compare what is assigned with what is read; a global may be set by -set or read by another scenario."""
    uses = _Uses()
    for site in (*subject.main.sites, *subject.init.sites):
        _add_site(uses, site)
    for element in subject.elements:
        if element.name == "DefaultMessage":
            name = element.get("id")
            template = next((t for key, t in subject.scenario.default_messages.items() if key == name), ())
            uses.reads_template(template, element)
    mentioned = _referenced(subject)
    exempt = {UNUSED, *UNEXPECTED_VARIABLES}
    for variable in subject.scenario.variables:
        if variable.scope == "global" or variable.name in exempt or variable.name in mentioned:
            continue
        if variable in uses.assigned and variable not in uses.read:
            text = f"the variable '{variable.name}' is assigned, and nothing reads it; name it _ if that is meant"
            element, attribute = uses.assigned[variable]
            subject.report("never-read", element, text, attribute)
        if variable in uses.read and variable not in uses.assigned:
            text = f"the variable '{variable.name}' is read, and nothing assigns it"
            element, attribute = uses.read[variable]
            subject.report("never-assigned", element, text, attribute)


def template_variables(template: Template) -> Iterator[Variable]:
    """Variables that a template reads, those in parameters of its keywords included."""
    for part in template:
        if isinstance(part, Keyword):
            if part.variable is not None:
                yield part.variable
            for _, inner in part.parameters:
                yield from template_variables(inner)


def _referenced(subject: Subject) -> set[str]:
    """Names in <Reference>: the author knows about them."""
    lists = (element.get("variables") or "" for element in subject.elements if element.name == "Reference")
    return {name.strip() for names in lists for name in names.split(",")}


def _add_site(uses: _Uses, site: Site) -> None:
    step, element = site.step, site.element
    uses.reads(step.test, element, "test")
    uses.reads(step.condexec, element, "condexec")
    if isinstance(step, SendStep | SendCmdStep):
        uses.reads_template(step.template, element)
    if isinstance(step, PauseStep):
        uses.reads(step.duration.variable, element, "variable")
    for action, action_element in site.actions():
        _add_action(uses, action, action_element)


def _add_action(uses: _Uses, action: Action, element: Element) -> None:
    if action.name not in _IN_PLACE:
        uses.assign(action.target, element, "assign_to")
        uses.reads(action.source, element, "variable")
    for target in action.targets:
        uses.assign(target, element, "assign_to")
    uses.reads(action.source2, element, "variable2")
    for template in (action.template, action.template2, action.template3):
        uses.reads_template(template, element)
