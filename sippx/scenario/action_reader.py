"""<action> -> model: reads the actions of a step by the table of actions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NoReturn

from sippx._core.codes import ActionCheck, ActionKind, Comparison, SearchIn
from sippx.scenario.actions import ACTION_ATTRIBUTE_NAMES, ACTIONS, MEDIA_COMMANDS, ActionAttribute, ActionSpec
from sippx.scenario.context import Context
from sippx.scenario.element import Element
from sippx.scenario.model import Action
from sippx.scenario.names import nearest_hint
from sippx.scenario.pauses import read_distribution
from sippx.scenario.template_text import keywords_of

MAX_TARGETS = 10
"""The whole match and nine groups."""

_SEARCH_IN = {
    "msg": SearchIn.SEARCH_MESSAGE,
    "hdr": SearchIn.SEARCH_HEADER,
    "body": SearchIn.SEARCH_BODY,
    "var": SearchIn.SEARCH_VARIABLE,
}
_COMPARE = {
    "equal": Comparison.COMPARE_EQUAL,
    "not_equal": Comparison.COMPARE_NOT_EQUAL,
    "greater_than": Comparison.COMPARE_GREATER,
    "less_than": Comparison.COMPARE_LESS,
    "greater_than_equal": Comparison.COMPARE_GREATER_OR_EQUAL,
    "less_than_equal": Comparison.COMPARE_LESS_OR_EQUAL,
}
_INT_CMD = {
    "stop_call": ActionKind.ACTION_STOP_CALL,
    "stop_gracefully": ActionKind.ACTION_STOP_GRACEFULLY,
    "stop_now": ActionKind.ACTION_STOP_NOW,
}
_PROTOCOLS = ("udp", "tcp", "tls", "sctp")
_HEADER_ONLY = ("header", "case_indep", "start_line", "occurrence", "occurence")


def read_actions(context: Context, step: Element) -> tuple[Action, ...]:
    """The actions of a step, in their order; refuses every other child element."""
    actions: list[Action] = []
    for number, node in enumerate(step.node):
        child = context.element(node)
        if child.name != "action":
            child.fail(f"<{child.name}> is not allowed in <{step.name}>")
        if number:
            context.warn(child, f"only the first <action> of <{step.name}> is executed")
            continue
        actions += [_read(context, context.element(inner)) for inner in node]
    return tuple(actions)


def _read(context: Context, element: Element) -> Action:
    spec = ACTIONS.get(element.name)
    if spec is None:
        element.fail(f"unknown action <{element.name}>{nearest_hint(element.name, ACTIONS)}")
    for node in element.node:
        context.element(node).fail(f"<{node.tag}> is not allowed in <{element.name}>")
    _check_attributes(context, element, spec)
    fields: dict[str, Any] = {}
    for attribute in spec.attributes:
        if element.get(attribute.name) is not None:
            fields.update(_field(context, element, attribute))
    action = Action(kind=spec.kind, name=spec.name, line=element.line, **fields)
    return _finished(context, element, action)


def _check_attributes(context: Context, element: Element, spec: ActionSpec) -> None:
    known = {attribute.name: attribute for attribute in spec.attributes}
    for name in list(element.node.attrib):
        if name in known:
            continue
        if name not in ACTION_ATTRIBUTE_NAMES:
            hint = nearest_hint(name, known) or nearest_hint(name, ACTION_ATTRIBUTE_NAMES)
            context.drop_unknown(element, name, hint)
            continue
        context.warn_name(element, name, f"attribute '{name}' has no effect on <{element.name}>")
        del element.node.attrib[name]
    for attribute in spec.attributes:
        if attribute.required and element.get(attribute.name) is None:
            element.fail(f"<{element.name}> needs the attribute '{attribute.name}'")
    given = [name for name in spec.one_of if element.get(name) is not None]
    if spec.one_of and len(given) != 1:
        found = f"not {' and '.join(given)} together" if given else "none is given"
        element.fail(f"<{element.name}> needs exactly one of {', '.join(spec.one_of)}: {found}")


def _field(context: Context, element: Element, attribute: ActionAttribute) -> dict[str, Any]:
    """The field of Action that an attribute fills; nothing for those that are read with others."""
    name = attribute.name
    match attribute.use:
        case "template" | "template2" | "template3":
            return {attribute.use: context.attribute_template(element, name)}
        case "target" | "source" | "source2":
            return {attribute.use: context.variable(element, name)}
        case "both":
            variable = context.variable(element, name)
            return {"target": variable, "source": variable}
        case "targets":
            return {"targets": context.variables.mention_all(element.get(name) or "", element.offset(name))}
        case "number":
            return {"value": element.number(name, 0.0, low=-math.inf)}
        case "text":
            return {"text": element.bytes_of(name, is_string=name != "header") or b""}
        case "regexp":
            return {"regexp": context.regexp(element, name)}
        case "file":
            return {"injection_file": _injection_file(context, element, name)}
        case "boolean":
            return {name: element.boolean(name, False)}
    return {}


def _injection_file(context: Context, element: Element, attribute: str) -> str:
    name = element.text(attribute) or ""
    names = context.injection_names
    if not names:
        element.fail(f"no injection file '{name}': no injection file was given (-inf)", attribute)
    if name not in names:
        hint = nearest_hint(name, names) or f"; use one of {', '.join(names)}"
        element.fail(f"no injection file '{name}' was given (-inf){hint}", attribute)
    return name


def _finished(context: Context, element: Element, action: Action) -> Action:
    """The action with what depends on several attributes."""
    match action.name:
        case "ereg":
            return _ereg(context, element, action)
        case "test":
            compare = element.get("compare") or ""
            if compare not in _COMPARE:
                _fail_word(element, "compare", tuple(_COMPARE))
            return _checked(element, replace(action, compare=_COMPARE[compare]))
        case "strcmp":
            return _checked(element, action)
        case "gettimeofday":
            if len(action.targets) != 2:
                element.fail("gettimeofday assigns to exactly two variables, seconds and microseconds", "assign_to")
        case "divide":
            if action.source is None and action.value == 0:
                element.fail("division by zero", "value")
        case "sample":
            duration = read_distribution(element)
            if duration is None:
                element.fail("<sample> needs a distribution attribute")
            return replace(action, duration=duration)
        case "setdest":
            return _setdest(element, action)
        case "exec":
            return _exec(context, element, action)
        case "rtp_echo":
            context.media_uses.append((element.line, "rtp_echo"))
    return action


def _ereg(context: Context, element: Element, action: Action) -> Action:
    where = element.get("search_in") or "msg"
    if where not in _SEARCH_IN:
        _fail_word(element, "search_in", tuple(_SEARCH_IN))
    if where == "hdr" and not action.text:
        element.fail('search_in="hdr" needs the attribute \'header\'')
    if where == "var" and action.source is None:
        element.fail('search_in="var" needs the attribute \'variable\'')
    useless = () if where == "hdr" else _HEADER_ONLY
    for name in (*useless, *(() if where == "var" else ("variable",))):
        if element.get(name) is not None:
            context.warn_name(element, name, f'\'{name}\' has no effect with search_in="{where}"')
    if len(action.targets) > MAX_TARGETS:
        element.fail(f"ereg assigns to at most {MAX_TARGETS} variables: the whole match and nine groups", "assign_to")
    occurrence = "occurrence" if element.get("occurrence") is not None else "occurence"
    return _checked(
        element,
        replace(
            action,
            search_in=_SEARCH_IN[where],
            occurrence=element.integer(occurrence, 1, low=1, high=65_535),
            source=action.source if where == "var" else None,
        ),
    )


def _checked(element: Element, action: Action) -> Action:
    """The action with its check; one that neither checks nor assigns would do nothing."""
    check_it = element.boolean("check_it", False)
    check_it_inverse = element.boolean("check_it_inverse", False)
    if check_it and check_it_inverse:
        element.fail_name("check_it_inverse", "check_it and check_it_inverse exclude each other")
    if not (action.target or action.targets or check_it or check_it_inverse):
        element.fail(f"<{element.name}> needs assign_to, check_it or check_it_inverse")
    check = ActionCheck.CHECK_IT if check_it else ActionCheck.CHECK_NONE
    return replace(action, check=ActionCheck.CHECK_IT_INVERSE if check_it_inverse else check)


def _setdest(element: Element, action: Action) -> Action:
    protocol = (element.text("protocol") or "").strip()
    if any(keywords_of(action.template3)):
        return action
    if protocol.lower() not in _PROTOCOLS:
        _fail_word(element, "protocol", _PROTOCOLS)
    return replace(action, template3=(), text=protocol.lower().encode("ascii"))


def _exec(context: Context, element: Element, action: Action) -> Action:
    command = element.get("int_cmd")
    if command is not None:
        if command not in _INT_CMD:
            context.warn(
                element,
                f'int_cmd="{command}" ends the call, as stop_call does{nearest_hint(command, _INT_CMD)}',
                "int_cmd",
            )
        return replace(action, kind=_INT_CMD.get(command, ActionKind.ACTION_STOP_CALL), name="exec int_cmd")
    media = next((name for name in MEDIA_COMMANDS if element.get(name) is not None), None)
    if media is None:
        return replace(action, name="exec command")
    text = element.get(media) or ""
    if not text.strip():
        element.fail(f"{media} needs a value", media)
    context.media_uses.append((element.line, f'exec {media}="{text}"'))
    return replace(action, kind=ActionKind.ACTION_MEDIA, name=f"exec {media}", text=media.encode("ascii"))


def _fail_word(element: Element, attribute: str, words: tuple[str, ...]) -> NoReturn:
    text = element.get(attribute) or ""
    hint = nearest_hint(text, words) or f"; use one of {', '.join(words)}"
    element.fail(f'{attribute}="{text}" is none of the possible values{hint}', attribute)
