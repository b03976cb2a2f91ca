"""The one table of the scenario language's elements and attributes: which exist, and where."""

from __future__ import annotations

from dataclasses import dataclass

from sippx.scenario.pauses import DISTRIBUTIONS, PARAMETER_NAMES


@dataclass(frozen=True, slots=True)
class ElementSpec:
    """An element below <scenario>."""

    name: str
    meaning: str
    is_step: bool = False


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """An attribute and the elements it applies to."""

    name: str
    elements: tuple[str, ...]
    meaning: str


ELEMENTS: dict[str, ElementSpec] = {
    spec.name: spec
    for spec in (
        ElementSpec("send", "send a message", is_step=True),
        ElementSpec("recv", "wait for a message", is_step=True),
        ElementSpec("pause", "wait for a time", is_step=True),
        ElementSpec("timewait", "wait at the end, answering repeated messages", is_step=True),
        ElementSpec("nop", "count, time, branch or act", is_step=True),
        ElementSpec("sendCmd", "send to the twin", is_step=True),
        ElementSpec("recvCmd", "wait for the twin", is_step=True),
        ElementSpec("label", "a place to jump to"),
        ElementSpec("ResponseTimeRepartition", "bounds of the response time table, in ms"),
        ElementSpec("CallLengthRepartition", "bounds of the call length table, in ms"),
        ElementSpec("DefaultMessage", "text of a message sent outside the scenario"),
        ElementSpec("init", "steps run once before the first call"),
        ElementSpec("Global", "variables of the process"),
        ElementSpec("User", "variables of a user"),
        ElementSpec("Reference", "mention variables"),
    )
}

ROOT = "scenario"
STEPS = tuple(spec.name for spec in ELEMENTS.values() if spec.is_step)
PAUSES = ("pause", "timewait")

ATTRIBUTES: tuple[AttributeSpec, ...] = (
    AttributeSpec("name", (ROOT,), "description of the scenario"),
    AttributeSpec("start_rtd", STEPS, "start this response time duration"),
    AttributeSpec("rtd", STEPS, "stop this response time duration"),
    AttributeSpec("repeat_rtd", STEPS, "every stop counts, not only the first of a call"),
    AttributeSpec("counter", STEPS, "raise this generic counter"),
    AttributeSpec("lost", ("send", "recv"), "per cent of messages to drop here"),
    AttributeSpec("crlf", STEPS, "empty line behind the step on the screen"),
    AttributeSpec("ignoresdp", STEPS, "do not take media addresses from received SDP"),
    AttributeSpec("hide", STEPS, "keep the step off the screen"),
    AttributeSpec("hiderest", STEPS, "default of hide for the following steps"),
    AttributeSpec("display", STEPS, "text of a nop on the screen"),
    AttributeSpec("next", ("send", "recv", "pause", "nop", "sendCmd", "recvCmd"), "label to continue at"),
    AttributeSpec("chance", STEPS, "probability of taking next, 0 to 1"),
    AttributeSpec("ontimeout", ("send", "recv", "recvCmd"), "label to continue at after a timeout"),
    AttributeSpec("test", STEPS, "take next only if the variable is set"),
    AttributeSpec("condexec", STEPS, "execute only if the variable is set"),
    AttributeSpec("condexec_inverse", STEPS, "execute only if it is not set"),
    AttributeSpec("retrans", ("send",), "T1 of the message in ms; without it no retransmission"),
    AttributeSpec("timeout", ("recv",), "how long to wait, in ms"),
    AttributeSpec("timeout", ("send",), "how long to try, in ms"),
    AttributeSpec("start_txn", ("send",), "begin a transaction"),
    AttributeSpec("ack_txn", ("send",), "transaction this ACK belongs to"),
    AttributeSpec("response", ("recv",), "status code to wait for"),
    AttributeSpec("request", ("recv",), "method to wait for"),
    AttributeSpec("optional", ("recv",), "true, global or false"),
    AttributeSpec("advance_state", ("recv",), "false: take the message without moving on"),
    AttributeSpec("regexp_match", ("recv",), "true: the value is a regular expression"),
    AttributeSpec("rrs", ("recv",), "record the route set"),
    AttributeSpec("auth", ("recv",), "keep the challenge"),
    AttributeSpec("response_txn", ("recv",), "transaction of the response"),
    AttributeSpec("milliseconds", PAUSES, "duration"),
    AttributeSpec("distribution", PAUSES, "name of the distribution"),
    AttributeSpec("value", PAUSES, "duration of a fixed pause, in ms"),
    AttributeSpec("min", PAUSES, "shortest uniform pause, in ms"),
    AttributeSpec("max", PAUSES, "longest uniform pause, in ms"),
    AttributeSpec("sanity_check", PAUSES, "false: accept a pause longer than 24 days"),
    AttributeSpec("variable", PAUSES, "variable with the duration"),
    AttributeSpec("dest", ("sendCmd",), "peer to send to"),
    AttributeSpec("src", ("recvCmd",), "peer to wait for"),
    AttributeSpec("optional", ("recvCmd",), "true or false"),
    AttributeSpec("id", ("label", "DefaultMessage"), "name of the label or message"),
    AttributeSpec(
        "value", ("ResponseTimeRepartition", "CallLengthRepartition"), "bounds in ms, separated by commas"
    ),
    AttributeSpec("variables", ("Global", "User", "Reference"), "names, separated by commas"),
)

FORBIDDEN: dict[tuple[str, str], str] = {
    ("timewait", "next"): "'next' is not allowed in <timewait>: it ends the scenario",
    ("timewait", "ontimeout"): "'ontimeout' is not allowed in <timewait>: it ends the scenario",
    ("send", "response_txn"): "response_txn is for <recv> only",
}
"""Attributes that exist elsewhere and are refused, not ignored, at an element: (element, attribute) -> why."""


def find_attribute(element: str, name: str) -> AttributeSpec | None:
    """The row of an attribute of an element, None when SIPp knows none such there."""
    for spec in ATTRIBUTES:
        if spec.name == name and element in spec.elements:
            return spec
    if element in PAUSES and (name in DISTRIBUTIONS or name in PARAMETER_NAMES):
        # SIPp's oldest spelling: an attribute named after the distribution.
        return AttributeSpec(name, PAUSES, "distribution or its parameter")
    return None


def attribute_names(element: str | None = None) -> list[str]:
    """Names of all attributes of an element (None: of the whole language)."""
    return sorted({spec.name for spec in ATTRIBUTES if element is None or element in spec.elements})


ELEMENT_DIFFERENCES: dict[str, str] = {
    "nop": "a check that fails, and `stop_call`, fail the call; 3.6.1 ignores both here",
}
"""Chosen differences from SIPp 3.6.1 by element; those of the engine stand in docs/compatibility.md."""

ATTRIBUTE_DIFFERENCES: dict[tuple[str, str], str] = {
    ("recv", "timeout"): "behind optional ones the smallest of the group is armed; SIPp never arms that one",
    ("recv", "regexp_match"): "works for `response`, too, which 3.6.1 refuses",
    ("send", "next"): "of an optional `recv` may go to the first step; in SIPp it does nothing then",
    ("pause", "distribution"): "all of them run; SIPp has most only when it is built with GSL",
}
"""The same by (first element, attribute)."""
