"""lxml -> model: reads scenario XML and checks everything that can be wrong with it, by file:line:column."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from lxml import etree

from sippx.errors import ScenarioError
from sippx.scenario import builtin
from sippx.scenario.element import INT_MAX, Element
from sippx.scenario.language import (
    ACTIONS,
    ATTRIBUTES,
    DISTRIBUTIONS,
    ELEMENTS,
    ROOT,
    SUPPORTED_DISTRIBUTIONS,
    attribute_names,
    find_attribute,
)
from sippx.scenario.message_text import read_start_line, read_template
from sippx.scenario.model import (
    DefaultName,
    Distribution,
    NopStep,
    PauseStep,
    RecvStep,
    Scenario,
    SendStep,
    Step,
    Template,
)
from sippx.scenario.names import nearest_hint
from sippx.scenario.source import MAX_BYTES, Source, Tag

MAX_STEPS = 65_000
MAX_RTDS = 64
MAX_COUNTERS = 10_000

_LATER = "is part of SIPp's language but not supported by this version of sippx"
_BOUNDS = re.compile(r"[0-9, \t\r\n]*")
_METHOD = re.compile(r"[A-Za-z0-9!%*_+`'~.-]+")
_DEFAULT_NAMES: tuple[DefaultName, ...] = ("200", "ack", "ack2", "bye", "cancel")
_PARSE_POSITION = re.compile(r", line \d+, column \d+(?: \(.*\))?$")


def load_file(path: str | Path, *, keys: Collection[str] = ()) -> Scenario:
    """See Scenario.from_file."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ScenarioError(f"cannot read the scenario: {error.strerror or error}", file=str(path)) from None
    return _Loader(Source(data, str(path)), path.name.removesuffix(".xml"), keys).load()


def load_string(text: str | bytes, *, name: str = "scenario", keys: Collection[str] = ()) -> Scenario:
    """See Scenario.from_string."""
    if isinstance(text, str):
        source = Source(text.encode("utf-8", "surrogateescape"), name, encoding="UTF-8")
    else:
        source = Source(text, name)
    return _Loader(source, name.removesuffix(".xml"), keys).load()


def load_builtin(name: str, *, keys: Collection[str] = ()) -> Scenario:
    """See Scenario.builtin."""
    data = builtin.builtin_text(name).encode("utf-8")
    return _Loader(Source(data, f"{name} (built-in)"), name, keys).load()


class _Loader:
    """Builds one Scenario; the order of the document is the order of all numbering."""

    def __init__(self, source: Source, name: str, keys: Collection[str]) -> None:
        self.source = source
        self.name = name
        self.keys = frozenset(keys)
        self.steps: list[Step] = []
        self.step_elements: list[Element] = []
        self.labels: dict[str, int] = {}
        self.rtds: dict[str, tuple[int, ...]] = {}
        self.started_rtds: dict[str, Element] = {}
        self.stopped_rtds: set[str] = set()
        self.counters: dict[str, None] = {}
        self.call_length_table: tuple[int, ...] = ()
        self.default_messages: dict[DefaultName, Template] = {}
        self.hide_rest = False
        self.response_time_element: Element | None = None
        self.warnings: list[str] = []
        self.tag_of: dict[Any, Tag] = {}

    def load(self) -> Scenario:
        root = self._parse()
        if root.name != ROOT:
            root.fail(f"the root element must be <{ROOT}>, not <{root.name}>")
        self._check_attributes(root)
        handlers: dict[str, Callable[[Element], None]] = {
            "send": self._send,
            "recv": self._recv,
            "pause": self._pause,
            "timewait": self._pause,
            "nop": self._nop,
            "label": self._label,
            "ResponseTimeRepartition": self._response_time_table,
            "CallLengthRepartition": self._call_length,
            "DefaultMessage": self._default_message,
        }
        for node in root.node:
            element = self._element(node)
            spec = ELEMENTS.get(element.name)
            if spec is None:
                element.fail(f"unknown element <{element.name}>{nearest_hint(element.name, ELEMENTS)}")
            if not spec.supported:
                element.fail(f"<{element.name}> {_LATER}")
            self._check_attributes(element)
            self._check_children(element, is_step=spec.is_step)
            handlers[element.name](element)
        return self._finish(root)

    # -- XML ----------------------------------------------------------------------------------------

    def _parse(self) -> Element:
        try:
            # lxml knows fewer spellings of encodings than Python does
            parser = etree.XMLParser(
                encoding=self.source.encoding,
                resolve_entities=False,
                load_dtd=False,
                no_network=True,
                huge_tree=False,
                remove_comments=True,
                remove_pis=True,
            )
            root = etree.fromstring(self.source.skeleton, parser)
        except etree.XMLSyntaxError as error:
            line, column = error.position
            message = _PARSE_POSITION.sub("", error.msg or "ill-formed").partition("\n")[0]
            raise ScenarioError(
                f"invalid XML: {message}", file=self.source.file, line=line or 1, column=max(column, 1)
            ) from None
        except LookupError:
            raise self.source.error(0, f"encoding '{self.source.encoding}' is not supported") from None
        nodes = [node for node in root.iter() if isinstance(node.tag, str)]
        self.tag_of = dict(zip(nodes, self.source.tags, strict=True))
        for node in nodes:
            for text in (node.text if len(node) else None, *(child.tail for child in node)):
                if text and text.strip():
                    self._warn(self._element(node), f"stray text '{text.strip()[:40]}' is ignored")
        return self._element(root)

    def _element(self, node: Any) -> Element:
        return Element(self.source, node, self.tag_of[node])

    def _warn(self, element: Element, message: str, attribute: str | None = None) -> None:
        self.warnings.append(f"{element.place(attribute)}: {message}")

    def _warn_at(self, offset: int, message: str) -> None:
        line, column = self.source.place(offset)
        self.warnings.append(f"{self.source.file}:{line}:{column}: {message}")

    def _check_attributes(self, element: Element) -> None:
        """Refuse attributes nobody knows; remove those that have no meaning here, with a warning."""
        anywhere = {spec.name for spec in ATTRIBUTES}
        for name, value in list(element.node.attrib.items()):
            spec = find_attribute(element.name, name)
            if spec is None and name in anywhere:
                if element.name == "timewait" and name in ("next", "ontimeout"):
                    element.fail_name(name, f"'{name}' is not allowed in <timewait>: it ends the scenario")
                self._warn(element, f"attribute '{name}' has no effect on <{element.name}>", name)
                del element.node.attrib[name]
            elif spec is None:
                hint = nearest_hint(name, attribute_names(element.name)) or nearest_hint(name, anywhere)
                element.fail_name(name, f"unknown attribute '{name}' of <{element.name}>{hint}")
            elif not spec.supported and value not in spec.neutral:
                element.fail_name(name, f"attribute '{name}' of <{element.name}> {_LATER}")

    def _check_children(self, element: Element, *, is_step: bool) -> None:
        for node in element.node:
            child = self._element(node)
            if not is_step or child.name != "action":
                child.fail(f"<{child.name}> is not allowed in <{element.name}>")
            for action in node:
                inner = self._element(action)
                if inner.name in ACTIONS:
                    inner.fail(f"action <{inner.name}> {_LATER}")
                inner.fail(f"unknown action <{inner.name}>{nearest_hint(inner.name, ACTIONS)}")

    # -- steps --------------------------------------------------------------------------------------

    def _common(self, element: Element) -> dict[str, Any]:
        """Constructor arguments of the attributes all steps share."""
        stop_rtd = self._rtd(element, "rtd")
        start_rtd = self._rtd(element, "start_rtd")
        if start_rtd is not None:
            self.started_rtds.setdefault(start_rtd, element)
        if stop_rtd is not None:
            self.stopped_rtds.add(stop_rtd)
        elif element.get("repeat_rtd") is not None:
            element.fail_name("repeat_rtd", "repeat_rtd without rtd: nothing to repeat")
        counter = element.identifier("counter")
        if counter is not None:
            if "$" in counter or "," in counter:
                element.fail("a counter name may not contain '$' or ','", "counter")
            self.counters.setdefault(counter)
            if len(self.counters) > MAX_COUNTERS:
                element.fail(f"more than {MAX_COUNTERS} generic counters", "counter")
        self.hide_rest = element.boolean("hiderest", self.hide_rest)
        next_label = element.identifier("next")
        chance = element.number("chance", 1.0, high=1.0)
        if next_label is None and element.get("chance") is not None:
            self._warn(element, "chance without next has no effect", "chance")
        return {
            "line": element.line,
            "start_rtd": start_rtd,
            "stop_rtd": stop_rtd,
            "repeat_rtd": element.boolean("repeat_rtd", False),
            "counter": counter,
            "lost_percent": None if element.get("lost") is None else element.number("lost", 0, high=100.0),
            "next": next_label,
            "chance": chance,
            "on_timeout": element.identifier("ontimeout"),
            "crlf": element.get("crlf") is not None,
            "hide": element.boolean("hide", self.hide_rest),
            "display": element.get("display") or "",
        }

    def _rtd(self, element: Element, attribute: str) -> str | None:
        name = element.identifier(attribute)
        if name is None or name == "false":
            return None
        name = "1" if name == "true" else name
        self.rtds.setdefault(name, ())
        if len(self.rtds) > MAX_RTDS:
            element.fail(f"more than {MAX_RTDS} response time durations", attribute)
        return name

    def _add(self, step: Step, element: Element) -> None:
        if self.steps and isinstance(last := self.steps[-1], PauseStep) and last.is_timewait:
            self.step_elements[-1].fail("<timewait> can only be the last step of a scenario")
        if len(self.steps) >= MAX_STEPS:
            element.fail(f"more than {MAX_STEPS} steps")
        self.steps.append(step)
        self.step_elements.append(element)

    def _template(self, element: Element, *, keep_last_line_end: bool) -> Template:
        if not element.tag.cdata:
            element.fail(f"<{element.name}> needs its message text in a <![CDATA[ ... ]]> section")
        for start, _ in element.tag.cdata[1:]:
            self._warn_at(start, "only the first CDATA section is sent")
        start, end = element.tag.cdata[0]
        template = read_template(
            self.source,
            start,
            end,
            keep_last_line_end=keep_last_line_end,
            keys=self.keys,
            warn=self._warn_at,
        )
        if template is None:
            raise self.source.error(start, f"the message text of <{element.name}> is empty")
        return template

    def _send(self, element: Element) -> None:
        template = self._template(element, keep_last_line_end=True)
        try:
            method, status_code = read_start_line(template)
        except ValueError as error:
            start, end = element.tag.cdata[0]
            lead = len(self.source.data[start:end]) - len(self.source.data[start:end].lstrip())
            raise self.source.error(start + lead, str(error)) from None
        retrans_ms = element.integer("retrans", 0)
        step = SendStep(
            **self._common(element),
            template=template,
            method=method,
            status_code=status_code,
            retrans_ms=retrans_ms,
        )
        self._add(step, element)

    def _recv(self, element: Element) -> None:
        request = element.get("request")
        if request is None and element.get("response") is None:
            element.fail("<recv> needs a request or a response attribute: it would never match")
        if request is not None:
            if element.get("response") is not None:
                self._warn(element, "<recv> with both request and response waits for the request", "response")
            if not _METHOD.fullmatch(request):
                element.fail(f'request="{request}" is no method', "request")
        optional = element.get("optional")
        if optional not in (None, "true", "global", "false"):
            element.fail(f'optional="{optional}" is none of true, global and false', "optional")
        is_optional = optional in ("true", "global")
        if element.get("advance_state") is not None and not is_optional:
            element.fail_name("advance_state", "advance_state is allowed only for an optional <recv>")
        step = RecvStep(
            **self._common(element),
            method=(request or "").encode(self.source.encoding),
            status_code=0 if request is not None else element.integer("response", 0, low=100, high=699),
            optional=is_optional,
            is_global=optional == "global",
            advance_state=element.boolean("advance_state", True),
            timeout_ms=element.integer("timeout", 0),
        )
        self._add(step, element)

    def _pause(self, element: Element) -> None:
        distribution, min_ms, max_ms = self._duration(element)
        percentile_ms = min_ms if distribution == "fixed" else min_ms + 0.99 * max_ms
        if percentile_ms > INT_MAX and element.boolean("sanity_check", True):
            element.fail(f'the pause may last longer than {INT_MAX} ms; sanity_check="false" accepts that')
        step = PauseStep(
            **self._common(element),
            distribution=distribution,
            min_ms=min(min_ms, INT_MAX),
            max_ms=min(max_ms, INT_MAX),
            is_timewait=element.name == "timewait",
        )
        self._add(step, element)

    def _duration(self, element: Element) -> tuple[Distribution, float, float]:
        """(distribution, shortest ms, longest ms) of a pause."""
        has = {
            name
            for name in ("milliseconds", "distribution", "min", "max", "value", *DISTRIBUTIONS)
            if element.get(name) is not None
        }
        name = element.get("distribution")
        if name is None:
            name = next((known for known in DISTRIBUTIONS if known in has), None)
        elif name in DISTRIBUTIONS and name not in SUPPORTED_DISTRIBUTIONS:
            element.fail(f'distribution "{name}" {_LATER}', "distribution")
        elif name not in DISTRIBUTIONS:
            hint = nearest_hint(name, DISTRIBUTIONS)
            element.fail(f'unknown distribution "{name}"{hint}', "distribution")
        if name is None and has & {"min", "max"}:
            name = "uniform"
        if name is not None and "milliseconds" in has:
            self._warn(element, f"the {name} distribution wins over 'milliseconds'", "milliseconds")
        if name is None and "milliseconds" in has:
            value = element.number("milliseconds", 0.0)
            return "fixed", value, value
        if name is None:
            if "value" in has:
                element.fail_name("value", "'value' needs distribution=\"fixed\" beside it")
            return "default", 0.0, 0.0
        for parameter in DISTRIBUTIONS[name]:
            if parameter not in has:
                element.fail(f"a {name} pause needs the attribute '{parameter}'")
        if name == "fixed":
            value = element.number("value", 0.0)
            return "fixed", value, value
        low, high = element.number("min", 0.0), element.number("max", 0.0)
        if low > high:
            element.fail(f'min="{element.get("min")}" is greater than max="{element.get("max")}"', "min")
        return "uniform", low, high

    def _nop(self, element: Element) -> None:
        self._add(NopStep(**self._common(element)), element)

    # -- declarations -------------------------------------------------------------------------------

    def _label(self, element: Element) -> None:
        name = element.identifier("id")
        if name is None:
            element.fail("<label> needs an id attribute")
        if name in self.labels:
            element.fail(f"the label '{name}' is used twice", "id")
        self.labels[name] = len(self.steps)

    def _bounds(self, element: Element) -> tuple[int, ...]:
        text = element.get("value")
        if text is None:
            element.fail(f"<{element.name}> needs a value attribute")
        numbers = [int(word) for word in text.replace(",", " ").split()] if _BOUNDS.fullmatch(text) else []
        if not numbers:
            element.fail(f'value="{text}" is no list of numbers separated by commas', "value")
        if max(numbers) > INT_MAX:
            element.fail(f"a bound is greater than {INT_MAX}", "value")
        return tuple(sorted(numbers))

    def _response_time_table(self, element: Element) -> None:
        self.response_time_element = element
        bounds = self._bounds(element)
        for name in self.rtds:
            self.rtds[name] = bounds

    def _call_length(self, element: Element) -> None:
        self.call_length_table = self._bounds(element)

    def _default_message(self, element: Element) -> None:
        name = element.identifier("id")
        if name is None:
            element.fail("<DefaultMessage> needs an id attribute")
        if name == "3pcc_abort":
            element.fail(f"default message '{name}' {_LATER}", "id")
        if name not in _DEFAULT_NAMES:
            hint = nearest_hint(name, _DEFAULT_NAMES) or f"; use one of {', '.join(_DEFAULT_NAMES)}"
            element.fail(f"unknown default message '{name}'{hint}", "id")
        template = self._template(element, keep_last_line_end=False)
        self.default_messages[name] = template

    # -- whole-scenario checks ----------------------------------------------------------------------

    def _finish(self, root: Element) -> Scenario:
        if not self.steps:
            root.fail("the scenario has no steps")
        self._check_labels()
        self._check_optionals()
        for name, element in self.started_rtds.items():
            if name not in self.stopped_rtds:
                element.fail(f"response time duration '{name}' is started but never stopped", "start_rtd")
        if self.response_time_element is not None:
            late = [name for name, bounds in self.rtds.items() if not bounds]
            if late:
                self._warn(
                    self.response_time_element,
                    f"response time durations first used below have no table: {', '.join(late)}",
                )
        mode = next((step for step in self.steps if isinstance(step, SendStep | RecvStep)), None)
        if mode is None:
            root.fail("the scenario neither sends nor receives: unable to tell client from server")
        return Scenario(
            name=self.name,
            file=self.source.file,
            description=root.get("name") or "",
            encoding=self.source.encoding,
            is_client=isinstance(mode, SendStep),
            steps=tuple(self.steps),
            labels=self.labels,
            rtd_names=tuple(self.rtds),
            counter_names=tuple(self.counters),
            response_time_tables=tuple(self.rtds.values()),
            call_length_table=self.call_length_table,
            default_messages=self.default_messages,
            key_names=self.keys,
            warnings=tuple(self.warnings),
        )

    def _check_labels(self) -> None:
        for step, element in zip(self.steps, self.step_elements, strict=True):
            for attribute, label in (("next", step.next), ("ontimeout", step.on_timeout)):
                if label is not None and label not in self.labels:
                    element.fail(
                        f"the label '{label}' is not defined{nearest_hint(label, self.labels)}", attribute
                    )

    def _check_optionals(self) -> None:
        """An optional recv must reach a mandatory one before any other step (SIPp searches no further)."""
        optional: Element | None = None
        for step, element in zip(self.steps, self.step_elements, strict=True):
            if isinstance(step, RecvStep):
                optional = element if step.optional else None
            elif optional is not None:
                optional.fail(
                    f"optional <recv> before <{element.name}> in line {element.line}"
                    " without a mandatory <recv> between"
                )
        if optional is not None:
            self._warn(optional, "optional <recv> at the end of the scenario waits like a mandatory one")
