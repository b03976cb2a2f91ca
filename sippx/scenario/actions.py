"""The one table of the actions: which exist, what they do, and their attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf

from sippx._core.codes import ActionKind
from sippx.scenario.pauses import DISTRIBUTIONS, PARAMETER_NAMES

Use = OneOf[
    # what an attribute's text is
    "template",  # text with keywords; fills Action.template
    "template2",
    "template3",
    "target",  # the variable assigned to
    "targets",  # variables assigned to, separated by commas
    "source",  # a variable that is read
    "source2",
    "both",  # a variable changed in place
    "number",
    "text",
    "regexp",
    "file",  # name of an injection file
    "boolean",
    "check",
    "word",  # one of a few words, read by hand
    "distribution",
]


@dataclass(frozen=True, slots=True)
class ActionAttribute:
    """An attribute of an action and how it is read."""

    name: str
    use: Use
    required: bool = False


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """An action. one_of: exactly one of these attributes must be given."""

    name: str
    kind: ActionKind
    meaning: str
    attributes: tuple[ActionAttribute, ...] = ()
    one_of: tuple[str, ...] = ()


def _needs(name: str, use: Use) -> ActionAttribute:
    return ActionAttribute(name, use, required=True)


_ASSIGN_TO = _needs("assign_to", "target")
_CHECKS = (ActionAttribute("check_it", "check"), ActionAttribute("check_it_inverse", "check"))
_VALUE_OR_VARIABLE = (ActionAttribute("value", "number"), ActionAttribute("variable", "source"))
_EITHER = ("value", "variable")


def _report(name: str, kind: ActionKind, meaning: str) -> ActionSpec:
    return ActionSpec(name, kind, meaning, (_needs("message", "template"),))


def _arithmetic(name: str, kind: ActionKind, meaning: str) -> ActionSpec:
    return ActionSpec(name, kind, meaning, (_ASSIGN_TO, *_VALUE_OR_VARIABLE), _EITHER)


MEDIA_COMMANDS = (
    *("play_pcap_audio", "play_pcap_image", "play_pcap_video"),
    *("play_dtmf", "rtp_stream", "rtp_echo"),
)
"""Attributes of <exec> that need media."""
_EXEC = ("command", "int_cmd", *MEDIA_COMMANDS)

ACTIONS: dict[str, ActionSpec] = {
    spec.name: spec
    for spec in (
        ActionSpec(
            "ereg",
            ActionKind.ACTION_EREG,
            "match a regular expression, keep what it and its groups match",
            (
                _needs("regexp", "regexp"),
                _needs("assign_to", "targets"),
                ActionAttribute("search_in", "word"),
                ActionAttribute("header", "text"),
                ActionAttribute("occurrence", "word"),
                ActionAttribute("occurence", "word"),  # SIPp's other spelling
                ActionAttribute("case_indep", "boolean"),
                ActionAttribute("start_line", "boolean"),
                ActionAttribute("variable", "source"),
                *_CHECKS,
            ),
        ),
        _report("log", ActionKind.ACTION_LOG, "write to the log file"),
        _report("warning", ActionKind.ACTION_WARNING, "report an error and go on"),
        _report("error", ActionKind.ACTION_ERROR, "report an error and end the run"),
        _arithmetic("assign", ActionKind.ACTION_ASSIGN, "set a variable to a number"),
        ActionSpec(
            "assignstr",
            ActionKind.ACTION_ASSIGN_STRING,
            "set a variable to a text",
            (_ASSIGN_TO, _needs("value", "template")),
        ),
        ActionSpec(
            "todouble",
            ActionKind.ACTION_TO_DOUBLE,
            "make a number of a variable's text",
            (_ASSIGN_TO, _needs("variable", "source")),
        ),
        _arithmetic("add", ActionKind.ACTION_ADD, "add to a variable"),
        _arithmetic("subtract", ActionKind.ACTION_SUBTRACT, "subtract from a variable"),
        _arithmetic("multiply", ActionKind.ACTION_MULTIPLY, "multiply a variable"),
        _arithmetic("divide", ActionKind.ACTION_DIVIDE, "divide a variable"),
        ActionSpec(
            "test",
            ActionKind.ACTION_TEST,
            "compare a variable with a number",
            (
                _needs("variable", "source"),
                _needs("compare", "word"),
                ActionAttribute("value", "number"),
                ActionAttribute("variable2", "source2"),
                ActionAttribute("assign_to", "target"),
                *_CHECKS,
            ),
            ("value", "variable2"),
        ),
        ActionSpec(
            "strcmp",
            ActionKind.ACTION_STRCMP,
            "compare a variable with a text",
            (
                _needs("variable", "source"),
                ActionAttribute("value", "text"),
                ActionAttribute("variable2", "source2"),
                ActionAttribute("assign_to", "target"),
                *_CHECKS,
            ),
            ("value", "variable2"),
        ),
        ActionSpec(
            "trim", ActionKind.ACTION_TRIM, "strip white space from a variable", (_needs("assign_to", "both"),)
        ),
        ActionSpec(
            "urldecode", ActionKind.ACTION_URL_DECODE, "decode %XX in a variable", (_needs("variable", "both"),)
        ),
        ActionSpec(
            "urlencode", ActionKind.ACTION_URL_ENCODE, "encode a variable as %XX", (_needs("variable", "both"),)
        ),
        ActionSpec(
            "gettimeofday",
            ActionKind.ACTION_TIME_OF_DAY,
            "set two variables to seconds and microseconds",
            (_needs("assign_to", "targets"),),
        ),
        ActionSpec("index", ActionKind.ACTION_INDEX, "set a variable to the index of the step", (_ASSIGN_TO,)),
        ActionSpec(
            "sample",
            ActionKind.ACTION_SAMPLE,
            "draw a number from a distribution",
            (
                _ASSIGN_TO,
                ActionAttribute("distribution", "distribution"),
                *(ActionAttribute(name, "distribution") for name in (*DISTRIBUTIONS, *PARAMETER_NAMES)),
            ),
        ),
        ActionSpec("jump", ActionKind.ACTION_JUMP, "continue at a step by index", _VALUE_OR_VARIABLE, _EITHER),
        ActionSpec(
            "pauserestore", ActionKind.ACTION_PAUSE_RESTORE, "set when a pause ends", _VALUE_OR_VARIABLE, _EITHER
        ),
        ActionSpec(
            "lookup",
            ActionKind.ACTION_LOOKUP,
            "find a line of an injection file by its index",
            (_ASSIGN_TO, _needs("file", "file"), _needs("key", "template")),
        ),
        ActionSpec(
            "insert",
            ActionKind.ACTION_INSERT,
            "append a line to an injection file",
            (_needs("file", "file"), _needs("value", "template")),
        ),
        ActionSpec(
            "replace",
            ActionKind.ACTION_REPLACE,
            "replace a line of an injection file",
            (_needs("file", "file"), _needs("line", "template"), _needs("value", "template2")),
        ),
        ActionSpec(
            "setdest",
            ActionKind.ACTION_SET_DESTINATION,
            "send the call's messages to another address",
            (_needs("host", "template"), _needs("port", "template2"), _needs("protocol", "template3")),
        ),
        ActionSpec("closecon", ActionKind.ACTION_CLOSE_CONNECTION, "close the call's connection"),
        ActionSpec(
            "verifyauth",
            ActionKind.ACTION_VERIFY_AUTH,
            "check the Authorization of a received request",
            (_ASSIGN_TO, _needs("username", "template"), _needs("password", "template2")),
        ),
        ActionSpec(
            "exec",
            ActionKind.ACTION_EXEC_COMMAND,
            "run a command, stop the call or the run, or play media",
            tuple(ActionAttribute(name, "word" if name == "int_cmd" else "template") for name in _EXEC),
            _EXEC,
        ),
        ActionSpec(
            "rtp_echo", ActionKind.ACTION_MEDIA, "switch the media reflector", _VALUE_OR_VARIABLE, _EITHER
        ),
    )
}

ACTION_ATTRIBUTE_NAMES = frozenset(attribute.name for spec in ACTIONS.values() for attribute in spec.attributes)
"""Attributes that some action has."""

ACTION_DIFFERENCES: dict[str, str] = {
    "urldecode": "3.6.1 does not have it; newer versions do",
    "urlencode": "3.6.1 does not have it; newer versions do",
    "jump": "works in a `recv`, too, where SIPp loses it",
    "exec": "`int_cmd=\"stop_call\"` ends the call in a `nop`, too; 3.6.1 ignores it there",
    "verifyauth": "knows every algorithm that `[authentication]` answers",
    "setdest": "a host name holds up the run while it is resolved: use addresses",
    "closecon": "the next message of a client's call opens another; without effect over one UDP socket",
}
"""Chosen differences from SIPp 3.6.1 by action."""
