"""The texts of trace records for the error log (-trace_err), and the names of the trace files.

A record is what the engine's `drain` gives: (kind, wall_ns, a, b, call_id, data). The kinds are known
here by name only; `TraceCodes` carries the engine's numbers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from sippx.report.flow import FlowStep, step_text
from sippx.report.stamps import SIPP_STAMPS, Stamps

TraceRecord: TypeAlias = tuple[int, int, int, int, bytes, bytes]
SIDE_BIT = 0x100
"""Set in the kind of a record about a call of the second scenario."""

# What the texts say of each kind of record; the fields are properties of _Event. Texts are SIPp's where
# SIPp has the event. Kinds that are not here only go to the message log.
ERROR_TEXTS: Mapping[str, str] = {
    "TRACE_ABORT_UNEXPECTED": "Aborting call on unexpected message for Call-Id '{e.call_id}': "
    "{e.doing}, received '{e.text}'",
    "TRACE_CONTINUE_UNEXPECTED": "Continuing call on unexpected message for Call-Id '{e.call_id}': "
    "{e.doing}, received '{e.text}'",
    "TRACE_ABORT_BYE": "Aborting call on an unexpected {e.method} for call: {e.call_id}",
    "TRACE_RETRANS_TIMEOUT": "Aborting call on UDP retransmission timeout for Call-ID '{e.call_id}'",
    "TRACE_RETRANS_TIMEOUT_JUMP": "Call-Id: {e.call_id}, timeout on max UDP retrans for message {e.a}, "
    "jumping to label {e.b}",
    "TRACE_RECV_TIMEOUT": "Call-Id: {e.call_id}, receive timeout on message {e.scenario}:{e.a} without label "
    "to jump to (ontimeout attribute): aborting call",
    "TRACE_RECV_TIMEOUT_JUMP": "Call-Id: {e.call_id}, receive timeout on message {e.scenario}:{e.a}, "
    "jumping to label {e.b}",
    "TRACE_DEAD_CALL": "Dead call {e.call_id} ({e.dead_reason}), received '{e.text}'",
    "TRACE_OUT_OF_CALL": "Discarding message which can't be mapped to a known SIPp call:\n{e.text}",
    "TRACE_NOT_SIP": 'non SIP message discarded: "{e.text}" ({e.b})',
    "TRACE_NO_CALL_ID": "SIP message without Call-ID discarded: '{e.text}'",
    "TRACE_SEND_ERROR": "Unable to send {e.b} {e.transport} message(s), {e.errno}",
    "TRACE_ICMP_ERROR": "{e.b} network error(s) reported for {e.transport} messages, {e.errno}",
    "TRACE_ABORTED_CALL": "Aborted call with Call-ID '{e.call_id}'",
    "TRACE_MESSAGE_TOO_LONG": "Call-Id: {e.call_id}, {e.template} is longer than a datagram can be",
    "TRACE_CALLS_REFUSED": "New call refused, no room for more open calls: Call-Id '{e.call_id}'",
    "TRACE_WARNING": "{e.text}",
    "TRACE_ERROR": "{e.text}",
    "TRACE_PING": "{e.ping} on an unexpected PING for call: {e.call_id}",
    "TRACE_COMPLAINT": "{e.complaint}",
    "TRACE_CONNECTION_LOST": "{e.text}{e.failed_calls}",
    "TRACE_RECONNECTION": "Socket required a reconnection.",
    "TRACE_ACCEPT_ERROR": "Unable to accept a connection, {e.errno}",
    "TRACE_OPEN_ERROR": "Unable to open a UDP socket for a call, {e.errno}; calls share those that are open",
    "TRACE_SEND_TIMEOUT": "Call-Id: {e.call_id}, send timeout on message {e.scenario}:{e.a}{e.send_goes_on}",
    "TRACE_TWIN": "{e.text}",
    "TRACE_FALLBACK": "{e.feature} cannot be used here{e.reason}; continuing without it",
}
# The words of TRACE_COMPLAINT by its Complaint.
COMPLAINT_TEXTS: Mapping[str, str] = {
    "COMPLAINT_REGEXP": "Failed regexp match in message {e.a} of call {e.call_id}: looking in '{e.text}'",
    "COMPLAINT_REGEXP_INVERSE": "Regexp matched but should not in message {e.a} of call {e.call_id}: "
    "looking in '{e.text}'",
    "COMPLAINT_NO_HEADER": "Failed regexp match in message {e.a} of call {e.call_id}: header {e.text} not found",
    "COMPLAINT_TEST": "test failed in message {e.a} of call {e.call_id}: {e.text}",
    "COMPLAINT_STRCMP": "strcmp failed in message {e.a} of call {e.call_id}: '{e.text}'",
    "COMPLAINT_DIVIDE_BY_ZERO": "division by zero in message {e.a} of call {e.call_id}: the variable is unchanged",
    "COMPLAINT_NO_NUMBER": "Invalid double conversion in message {e.a} of call {e.call_id}: '{e.text}' is no number",
    "COMPLAINT_BAD_LINE": "no such line of the injection file in message {e.a} of call {e.call_id}: '{e.text}'",
    "COMPLAINT_NO_FIELD": "Field {e.text} not found in the line of the injection file, in message {e.a} of call "
    "{e.call_id}",
    "COMPLAINT_NO_FILE": "Could not open '{e.text}' for message {e.a} of call {e.call_id}",
    "COMPLAINT_NO_CHALLENGE": "[authentication] in message {e.a} of call {e.call_id}: no <recv auth=\"true\"> "
    "has received a challenge",
    "COMPLAINT_AUTHENTICATION": "[authentication] in message {e.a} of call {e.call_id}: {e.text}",
    "COMPLAINT_NO_CONTACT": "Cannot record route set if there is no Contact, message {e.a} of call {e.call_id}",
    "COMPLAINT_NO_CIRCUIT": "Can't create new outgoing call: all tdm_map circuits busy",
    "COMPLAINT_DESTINATION": "setdest in message {e.a} of call {e.call_id}: cannot send to '{e.text}'",
    "COMPLAINT_JUMP": "Jump statement at index {e.a} of call {e.call_id} jumps to itself or to no message",
    "COMPLAINT_COMMAND": "Unexpected command for call {e.call_id}: {e.doing}, received '{e.text}'",
    "COMPLAINT_NO_MEMORY": "no memory for a variable in message {e.a} of call {e.call_id}",
    "COMPLAINT_ACK_CSEQ": "ACK CSeq value does NOT match value of related INVITE CSeq -- aborting call {e.call_id}",
    "COMPLAINT_STRANGER": "Received out-of-call {e.text} message, using the out-of-call scenario for {e.call_id}",
}
# TRACE_ABORT_BYE of a call that goes on all the same (its b is the negative method).
_CONTINUE_TEXTS: Mapping[str, str] = {
    "BYE": "Continuing call on an unexpected BYE for call: {e.call_id}",
    "CANCEL": "Continuing call on unexpected CANCEL for call: {e.call_id}",
}
# Events that are no error of the test: logged, but not counted among the warnings.
NOTES = frozenset({"TRACE_FALLBACK"})

_DEAD_REASONS = ("successful", "failed at index {}", "aborted at index {}")
_FEATURES = ("UDP_SEGMENT (GSO)", "UDP_GRO", "sendmmsg", "recvmmsg")
_UNPRINTABLE = re.compile("[^\t\r\n\x20-\x7e\xa0-\U0010ffff]")


CSV_FILES = {"stat": "", "counts": "counts", "error_codes": "error_codes", "rtt": "rtt"}
"""Trace files whose name ends in .csv, and what stands in front of that: nothing of the statistics, as in SIPp."""


def trace_file_name(scenario: str, pid: int, what: str) -> str:
    """SIPp's default name of a trace file in the current directory.

    scenario: base name of the scenario file without .xml, or the built-in's name; what: "messages",
    "shortmessages", "errors", "logs", "calldebug", "screen", or one of CSV_FILES.
    """
    if what in CSV_FILES:
        return f"{scenario}_{pid}_{CSV_FILES[what]}.csv"
    return f"{scenario}_{pid}_{what}.log"


@dataclass(frozen=True)
class TraceCodes:
    """The engine's numbers: kind and method names by value."""

    kinds: Mapping[int, str]
    methods: Mapping[int, str]
    complaints: Mapping[int, str] = field(default_factory=dict)

    def name(self, kind: int) -> str:
        """The name of a record's kind, whichever scenario it is about; "" for an unknown one."""
        return self.kinds.get(kind & ~SIDE_BIT, "")

    def mask(self, names: Iterable[str]) -> int:
        """A bit for each of these kinds that the engine has."""
        wanted = frozenset(names)
        return sum(1 << number for number, name in self.kinds.items() if name in wanted)

    @classmethod
    def from_enums(
        cls, kinds: Iterable[IntEnum], methods: Iterable[IntEnum], complaints: Iterable[IntEnum] = ()
    ) -> TraceCodes:
        """Take the names of the enumerations TraceKind, Method (METHOD_BYE becomes "BYE") and Complaint."""
        return cls(
            {member.value: member.name for member in kinds},
            {member.value: member.name.removeprefix("METHOD_") for member in methods},
            {member.value: member.name for member in complaints},
        )


@dataclass(frozen=True)
class TraceContext:
    """What the texts name besides the record: the scenario's name attribute, its steps, the transport.

    side: the same for the second scenario, whose records have SIDE_BIT in their kind
    """

    scenario_name: str
    steps: Sequence[FlowStep]
    transport: str = "UDP"
    side: TraceContext | None = None

    def of(self, kind: int) -> TraceContext:
        """The scenario that a record of that kind is about."""
        return self.side if kind & SIDE_BIT and self.side is not None else self


def printable(data: bytes) -> str:
    """Received bytes as text for logs and terminals: control characters but tab and line ends are escaped."""
    text = data.decode("utf-8", errors="backslashreplace")
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def errno_text(number: int) -> str:
    """SIPp's ending for an error of the system."""
    return f"errno = {number} ({os.strerror(number)})"


@dataclass(frozen=True)
class _Event:
    """The fields of a record that the texts use."""

    context: TraceContext
    codes: TraceCodes
    a: int
    b: int
    raw_call_id: bytes
    data: bytes

    @property
    def call_id(self) -> str:
        return printable(self.raw_call_id)

    @property
    def text(self) -> str:
        return printable(self.data)

    @property
    def doing(self) -> str:
        return step_text(self.context.steps, self.a)

    @property
    def ping(self) -> str:
        return "Automatic response" if self.b else "Do not answer"

    @property
    def complaint(self) -> str:
        name = self.codes.complaints.get(self.b, "")
        return COMPLAINT_TEXTS.get(name, "message {e.a} of call {e.call_id}: {e.text}").format(e=self)

    @property
    def method(self) -> str:
        return self.codes.methods.get(abs(self.b), "request")

    @property
    def scenario(self) -> str:
        return self.context.scenario_name

    @property
    def transport(self) -> str:
        return self.context.transport

    @property
    def dead_reason(self) -> str:
        if not 0 <= self.a < len(_DEAD_REASONS):
            return "ended"
        return _DEAD_REASONS[self.a].format(self.b)

    @property
    def template(self) -> str:
        # Templates are numbered like the steps; the default messages follow the last step.
        return f"message {self.a}" if self.a < len(self.context.steps) else "a default message"

    @property
    def failed_calls(self) -> str:
        return f"; {self.a} calls failed" if self.a > 1 else "; 1 call failed" if self.a else ""

    @property
    def send_goes_on(self) -> str:
        return ": aborting call" if self.b < 0 else f", jumping to label {self.b}"

    @property
    def errno(self) -> str:
        return errno_text(self.a)

    @property
    def reason(self) -> str:
        return f", {self.errno}" if self.a else ""

    @property
    def feature(self) -> str:
        return _FEATURES[self.b] if 0 <= self.b < len(_FEATURES) else f"batching feature {self.b}"


def _event(context: TraceContext, codes: TraceCodes, record: TraceRecord) -> _Event:
    _, _, a, b, call_id, data = record
    return _Event(context, codes, a, b, call_id, data)


def error_text(context: TraceContext, codes: TraceCodes, record: TraceRecord) -> str | None:
    """What -trace_err says about a record, without time and line end; None for a message record."""
    name = codes.name(record[0])
    template = ERROR_TEXTS.get(name)
    if template is None:
        return None
    event = _event(context.of(record[0]), codes, record)
    if name == "TRACE_ABORT_BYE" and event.b < 0:
        template = _CONTINUE_TEXTS.get(event.method, template)
    return template.format(e=event)


def error_entry(wall_ns: int, text: str, stamps: Stamps = SIPP_STAMPS) -> bytes:
    """One event as a line (or several) of the error log."""
    return f"{stamps.wall(wall_ns)}: {text}\n".encode("utf-8", "backslashreplace")
