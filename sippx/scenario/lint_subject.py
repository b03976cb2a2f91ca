"""What the checks look at: a loaded scenario beside the elements of its document, and the findings so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from sippx.scenario.element import Element
from sippx.scenario.language import STEPS
from sippx.scenario.lint_checks import Finding
from sippx.scenario.model import Action, Scenario, Step
from sippx.scenario.source import Source


@dataclass(frozen=True, slots=True)
class Site:
    """A step with its element and those of its actions."""

    step: Step
    element: Element
    action_elements: tuple[Element, ...]

    def actions(self) -> Iterator[tuple[Action, Element]]:
        """The actions, each with its element."""
        return zip(self.step.actions, self.action_elements, strict=True)


@dataclass(frozen=True, slots=True)
class Section:
    """The steps of calls or of <init>, with the labels among them."""

    steps: tuple[Step, ...]
    sites: tuple[Site, ...]
    labels: Mapping[str, int]
    label_elements: Mapping[str, Element]
    is_init: bool = False


@dataclass(slots=True)
class Subject:
    """One scenario under examination; the document it was loaded from is known to be well-formed."""

    scenario: Scenario
    source: Source
    findings: list[Finding] = field(default_factory=list)
    elements: list[Element] = field(init=False)
    main: Section = field(init=False)
    init: Section = field(init=False)

    def __post_init__(self) -> None:
        parser = etree.XMLParser(
            encoding=self.source.encoding, resolve_entities=False, load_dtd=False, no_network=True,
            remove_comments=True, remove_pis=True,
        )  # fmt: skip
        root = etree.fromstring(self.source.skeleton, parser)
        nodes = [node for node in root.iter() if isinstance(node.tag, str)]
        by_node = {
            node: Element(self.source, node, tag) for node, tag in zip(nodes, self.source.tags, strict=True)
        }
        self.elements = list(by_node.values())
        top = [by_node[node] for node in root]
        inner = [by_node[node] for element in top if element.name == "init" for node in element.node]
        scenario = self.scenario
        self.main = self._section(by_node, top, scenario.steps, scenario.labels)
        self.init = self._section(by_node, inner, scenario.init_steps, scenario.init_labels, is_init=True)

    def report(self, check: str, element: Element, text: str, attribute: str | None = None) -> None:
        """Take a finding at an element or at the value of its attribute."""
        self.report_at(check, element.offset(attribute), text)

    def report_at(self, check: str, offset: int, text: str) -> None:
        """Take a finding at a byte offset of the document."""
        self.findings.append(Finding(self.source.file, *self.source.place(offset), check, text))

    def _section(
        self,
        by_node: Mapping[etree._Element, Element],
        elements: list[Element],
        steps: tuple[Step, ...],
        labels: Mapping[str, int],
        *,
        is_init: bool = False,
    ) -> Section:
        step_elements = [element for element in elements if element.name in STEPS]
        sites = tuple(
            Site(step, element, tuple(by_node[node] for node in (element.node[0] if len(element.node) else ())))
            for step, element in zip(steps, step_elements, strict=True)
        )
        label_elements = {element.get("id") or "": element for element in elements if element.name == "label"}
        return Section(steps, sites, labels, label_elements, is_init)
