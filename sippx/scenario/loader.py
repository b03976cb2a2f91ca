"""lxml -> model: reads scenario XML and checks everything that can be wrong with it, by file:line:column."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from lxml import etree

from sippx.errors import EXIT_FATAL, ScenarioError
from sippx.scenario import builtin
from sippx.scenario.checks import check_labels, check_optionals, warn_of_jumps
from sippx.scenario.context import Context
from sippx.scenario.element import INT_MAX, Element
from sippx.scenario.language import ATTRIBUTES, ELEMENTS, FORBIDDEN, ROOT, attribute_names, find_attribute
from sippx.scenario.model import (
    UNEXPECTED_LABEL,
    UNEXPECTED_VARIABLES,
    DefaultName,
    PauseStep,
    RecvCmdStep,
    RecvStep,
    Scenario,
    SendCmdStep,
    SendStep,
    Step,
    Template,
)
from sippx.scenario.names import nearest_hint
from sippx.scenario.source import MAX_BYTES, Source
from sippx.scenario.step_reader import StepReader

MAX_STEPS = 65_000
_Kinds = type[Step] | tuple[type[Step], ...]
_BOUNDS = re.compile(r"[0-9, \t\r\n]*")
_DEFAULT_NAMES: tuple[DefaultName, ...] = ("200", "ack", "ack2", "bye", "cancel", "3pcc_abort")
_PARSE_POSITION = re.compile(r", line \d+, column \d+(?: \(.*\))?$")


def load_file(
    path: str | Path,
    *,
    keys: Collection[str] = (),
    injection_names: Sequence[str] = (),
    default_injection: str = "",
) -> Scenario:
    """See Scenario.from_file."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ScenarioError(f"cannot read the scenario: {error.strerror or error}", file=str(path)) from None
    context = Context(Source(data, str(path)), keys, injection_names, default_injection)
    return _Loader(context, path.name.removesuffix(".xml")).load()


def load_string(
    text: str | bytes,
    *,
    name: str = "scenario",
    keys: Collection[str] = (),
    injection_names: Sequence[str] = (),
    default_injection: str = "",
) -> Scenario:
    """See Scenario.from_string."""
    if isinstance(text, str):
        source = Source(text.encode("utf-8", "surrogateescape"), name, encoding="UTF-8")
    else:
        source = Source(text, name)
    context = Context(source, keys, injection_names, default_injection)
    return _Loader(context, name.removesuffix(".xml")).load()


def load_builtin(
    name: str, *, keys: Collection[str] = (), injection_names: Sequence[str] = (), flag: str = "-sn"
) -> Scenario:
    """See Scenario.builtin."""
    data = builtin.builtin_text(name, flag=flag).encode("utf-8")
    return _Loader(Context(Source(data, f"{name} (built-in)"), keys, injection_names), name).load()


class _Loader:
    """Builds one Scenario; the order of the document is the order of all numbering."""

    def __init__(self, context: Context, name: str) -> None:
        self.context = context
        self.source = context.source
        self.name = name
        self.reader = StepReader(context)
        self.steps: list[Step] = []
        self.step_elements: list[Element] = []
        self.labels: dict[str, int] = {}
        self.init_steps: list[Step] = []
        self.init_elements: list[Element] = []
        self.init_labels: dict[str, int] = {}
        self.call_length_table: tuple[int, ...] = ()
        self.default_messages: dict[DefaultName, Template] = {}
        self.response_time_element: Element | None = None

    def load(self) -> Scenario:
        root = self._parse()
        if root.name != ROOT:
            root.fail(f"the root element must be <{ROOT}>, not <{root.name}>")
        self._check_attributes(root)
        handlers: dict[str, Callable[[Element], None]] = {
            "label": self._label,
            "init": self._init,
            "Global": self._variables,
            "User": self._variables,
            "Reference": self._variables,
            "ResponseTimeRepartition": self._response_time_table,
            "CallLengthRepartition": self._call_length,
            "DefaultMessage": self._default_message,
        }
        for node in root.node:
            element = self.context.element(node)
            spec = ELEMENTS.get(element.name)
            if spec is None:
                element.fail(f"unknown element <{element.name}>{nearest_hint(element.name, ELEMENTS)}")
            self._check_attributes(element)
            if spec.is_step:
                self._add(element)
                continue
            if element.name != "init":
                self._refuse_children(element)
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
        self.context.tag_of = dict(zip(nodes, self.source.tags, strict=True))
        for offset, message in self.source.remarks:
            self.context.warn_at(offset, message)
        for node in nodes:
            texts = [(node, "in", node.text if len(node) else None), *((inner, "behind", inner.tail) for inner in node)]
            for near, where, text in texts:
                if text and text.strip():
                    message = f"stray text '{text.strip()[:40]}' {where} <{near.tag}> is ignored"
                    self.context.warn(self.context.element(near), message)
        return self.context.element(root)

    def _check_attributes(self, element: Element) -> None:
        """Refuse misspelt attributes; remove all others that have no meaning here, with a warning."""
        anywhere = {spec.name for spec in ATTRIBUTES}
        for name in list(element.node.attrib):
            spec = find_attribute(element.name, name)
            if spec is None and name in anywhere:
                if (element.name, name) in FORBIDDEN:
                    element.fail_name(name, FORBIDDEN[element.name, name])
                self.context.warn(element, f"attribute '{name}' has no effect on <{element.name}>", name)
                del element.node.attrib[name]
            elif spec is None:
                hint = nearest_hint(name, attribute_names(element.name)) or nearest_hint(name, anywhere)
                self.context.drop_unknown(element, name, hint)

    # -- steps --------------------------------------------------------------------------------------

    def _add(self, element: Element) -> None:
        if self.steps and isinstance(last := self.steps[-1], PauseStep) and last.is_timewait:
            self.step_elements[-1].fail("<timewait> can only be the last step of a scenario")
        if len(self.steps) >= MAX_STEPS:
            element.fail(f"more than {MAX_STEPS} steps")
        self.steps.append(self.reader.read(element))
        self.step_elements.append(element)

    def _init(self, element: Element) -> None:
        for node in element.node:
            child = self.context.element(node)
            if child.name not in ("nop", "label"):
                child.fail(f"<{child.name}> is not allowed in <init>, only nop and label are")
            self._check_attributes(child)
            if child.name == "label":
                self._refuse_children(child)
                self._add_label(child, self.init_labels, len(self.init_steps))
                continue
            if len(self.init_steps) >= MAX_STEPS:
                child.fail(f"more than {MAX_STEPS} steps")
            self.init_steps.append(self.reader.read(child))
            self.init_elements.append(child)

    def _refuse_children(self, element: Element) -> None:
        for node in element.node:
            self.context.element(node).fail(f"<{node.tag}> is not allowed in <{element.name}>")

    # -- declarations -------------------------------------------------------------------------------

    def _label(self, element: Element) -> None:
        self._add_label(element, self.labels, len(self.steps))

    def _add_label(self, element: Element, labels: dict[str, int], index: int) -> None:
        name = element.identifier("id")
        if name is None:
            element.fail("<label> needs an id attribute")
        if name in labels:
            element.fail(f"the label '{name}' is used twice", "id")
        labels[name] = index

    def _variables(self, element: Element) -> None:
        names = element.get("variables")
        if names is None:
            element.fail(f"<{element.name}> needs a variables attribute")
        offset = element.offset("variables")
        match element.name:
            case "Global":
                self.context.variables.declare("global", names, offset)
            case "User":
                self.context.variables.declare("user", names, offset)
            case _:
                self.context.variables.reference(names, offset)

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
        for name in self.context.rtds:
            self.context.rtds[name] = bounds

    def _call_length(self, element: Element) -> None:
        self.call_length_table = self._bounds(element)

    def _default_message(self, element: Element) -> None:
        name = element.identifier("id")
        if name is None:
            element.fail("<DefaultMessage> needs an id attribute")
        if name not in _DEFAULT_NAMES:
            hint = nearest_hint(name, _DEFAULT_NAMES) or f"; use one of {', '.join(_DEFAULT_NAMES)}"
            element.fail(f"unknown default message '{name}'{hint}", "id")
        self.default_messages[name] = self.context.message_template(element, keep_last_line_end=False)

    # -- whole-scenario checks ----------------------------------------------------------------------

    def _finish(self, root: Element) -> Scenario:
        context = self.context
        if not self.steps:
            root.fail("the scenario has no steps")
        check_labels(self.steps, self.step_elements, self.labels)
        check_labels(self.init_steps, self.init_elements, self.init_labels)
        warn_of_jumps(context, self.steps, self.step_elements)
        warn_of_jumps(context, self.init_steps, self.init_elements)
        check_optionals(context, self.steps, self.step_elements)
        self._check_timers()
        self._check_unexpected(root)
        if not any(isinstance(step, SendStep | RecvStep) for step in self.steps):
            # as SIPp, which finds this out when it is about to run: not the code of a bad scenario
            message = "the scenario neither sends nor receives: unable to tell client from server"
            error = self.source.error(root.tag.offset, message)
            error.exit_code = EXIT_FATAL
            raise error
        return Scenario(
            name=self.name,
            file=self.source.file,
            description=root.get("name") or "",
            encoding=self.source.encoding,
            is_client=self._begins_with(SendStep, (SendStep, RecvStep)),
            creates_calls=self._begins_with(
                (SendStep, SendCmdStep), (SendStep, RecvStep, SendCmdStep, RecvCmdStep)
            ),
            steps=tuple(self.steps),
            labels=self.labels,
            init_steps=tuple(self.init_steps),
            init_labels=self.init_labels,
            rtd_names=tuple(context.rtds),
            counter_names=tuple(context.counters),
            response_time_tables=tuple(context.rtds.values()),
            call_length_table=self.call_length_table,
            default_messages=self.default_messages,
            variables=context.variables.finish(),
            transactions=context.transactions.finish(),
            media_uses=tuple(context.media_uses),
            key_names=context.keys,
            injection_names=context.injection_names,
            warnings=tuple(context.warnings),
        )

    def _begins_with(self, kinds: _Kinds, among: _Kinds) -> bool:
        """Whether the first step that is one of `among` is one of `kinds`."""
        return isinstance(next(step for step in self.steps if isinstance(step, among)), kinds)

    def _check_timers(self) -> None:
        context = self.context
        for name, element in context.started_rtds.items():
            if name not in context.stopped_rtds:
                element.fail(f"response time duration '{name}' is started but never stopped", "start_rtd")
        late = [name for name, bounds in context.rtds.items() if not bounds]
        if self.response_time_element is not None and late:
            context.warn(
                self.response_time_element,
                f"response time durations first used below have no table: {', '.join(late)}",
            )

    def _check_unexpected(self, root: Element) -> None:
        """The label that a call goes to on an unexpected message needs a step; its variables are then used."""
        index = self.labels.get(UNEXPECTED_LABEL)
        if index is None:
            return
        if index == len(self.steps):
            root.fail(f"the label '{UNEXPECTED_LABEL}' stands at the end: no step would take the message")
        for name in UNEXPECTED_VARIABLES:
            if self.context.variables.find(name) is not None:
                self.context.variables.mention(name, root.offset())
