"""The text of trace records, and the message log (-trace_msg) and error log (-trace_err) they go to.

A record is what the engine's `drain` gives: (kind, wall_ns, a, b, call_id, data). The kinds are known
here by name only; `TraceCodes` carries the engine's numbers.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import IO, TypeAlias

from sippx.report.flow import FlowStep, step_text
from sippx.report.stamps import message_stamp, wall_stamp

TraceRecord: TypeAlias = tuple[int, int, int, int, bytes, bytes]

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

# Entries of the message log that have no time, as in SIPp: heading, then the message.
_BLOCK_HEADINGS: Mapping[str, str] = {
    "TRACE_UNEXPECTED": "Unexpected {e.transport} message received:",
    "TRACE_DEAD_CALL": "Dead call {e.call_id} received a {e.transport} message:",
}
_RULE = b"-----------------------------------------------"
_DEAD_REASONS = ("successful", "failed at index {}", "aborted at index {}")
_FEATURES = ("UDP_SEGMENT (GSO)", "UDP_GRO", "sendmmsg", "recvmmsg")
_UNPRINTABLE = re.compile("[^\t\r\n\x20-\x7e\xa0-\U0010ffff]")


def trace_file_name(scenario: str, pid: int, what: str) -> str:
    """SIPp's default name of a trace file in the current directory.

    scenario: base name of the scenario file without .xml, or the built-in's name; what: "messages",
    "errors", "logs" or "stat" (whose file is `<scenario>_<pid>_.csv`, as SIPp names it).
    """
    return f"{scenario}_{pid}_.csv" if what == "stat" else f"{scenario}_{pid}_{what}.log"


@dataclass(frozen=True)
class TraceCodes:
    """The engine's numbers: kind and method names by value."""

    kinds: Mapping[int, str]
    methods: Mapping[int, str]
    complaints: Mapping[int, str] = field(default_factory=dict)

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
    """What the texts name besides the record: the scenario's name attribute, its steps, the transport."""

    scenario_name: str
    steps: Sequence[FlowStep]
    transport: str = "UDP"


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
    name = codes.kinds.get(record[0], "")
    template = ERROR_TEXTS.get(name)
    if template is None:
        return None
    event = _event(context, codes, record)
    if name == "TRACE_ABORT_BYE" and event.b < 0:
        template = _CONTINUE_TEXTS.get(event.method, template)
    return template.format(e=event)


def message_entry(context: TraceContext, codes: TraceCodes, record: TraceRecord) -> bytes | None:
    """What -trace_msg says about a record; None for a kind that is not in the message log."""
    kind, wall_ns, a, b, _, data = record
    name = codes.kinds.get(kind, "")
    if name in ("TRACE_SENT", "TRACE_RECEIVED"):
        verb = "sent" if name == "TRACE_SENT" else "received"
        head = f" {message_stamp(wall_ns)}\n{context.transport} message {verb} [{len(data)}] bytes:\n\n"
        return b"%s%s%s\n" % (_RULE, head.encode(), data)
    if name == "TRACE_LOST":
        how = ("(retrans) lost (recv)" if b else "lost (recv)") if a else "voluntary lost (while sending)"
        return f"{context.transport} message {how}.\n".encode()
    if name in _BLOCK_HEADINGS:
        heading = _BLOCK_HEADINGS[name].format(e=_event(context, codes, record))
        return b"%s\n%s\n\n%s\n" % (_RULE, heading.encode(), data)
    return None


@dataclass
class TraceFile:
    """A log file that never fails its writer: after a failed write it only counts what it loses.

    lazy     the file is created by the first write (SIPp's error log), otherwise at once
    failure  why it cannot be written any more; n_lost entries at least are not in it
    """

    path: Path
    head: bytes = b""
    lazy: bool = False
    failure: OSError | None = None
    n_lost: int = 0
    _file: IO[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.lazy:
            self._file = self._open()

    @property
    def is_created(self) -> bool:
        """True once there is a file."""
        return self._file is not None

    def write(self, entry: bytes) -> None:
        """Append one entry."""
        if self.failure:
            self.n_lost += 1
            return
        try:
            if self._file is None:
                self._file = self._open()
            self._file.write(entry)
        except OSError as error:
            self._fail(error)

    def flush(self) -> None:
        """Hand everything written to the system."""
        self._attempt(lambda file: file.flush())

    def close(self) -> None:
        """Flush and close; nothing may be written afterwards."""
        self._attempt(lambda file: file.close())

    def _attempt(self, action: Callable[[IO[bytes]], None]) -> None:
        if self._file is None or self.failure:
            return
        try:
            action(self._file)
        except OSError as error:
            self._fail(error)

    def _open(self) -> IO[bytes]:
        file = self.path.open("wb", buffering=1 << 18)
        file.write(self.head)
        return file

    def _fail(self, error: OSError) -> None:
        # What was in the buffer is lost with the entry that failed; how many entries that was is not known.
        self.failure = error
        self.n_lost += 1
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()


def message_log(path: Path) -> TraceFile:
    """Create the -trace_msg file; raises OSError when it cannot be created."""
    return TraceFile(path)


def error_log(path: Path) -> TraceFile:
    """The -trace_err file; as in SIPp it is created by its first entry."""
    return TraceFile(path, head=b"The following events occurred:\n", lazy=True)


def action_log(path: Path) -> TraceFile:
    """Create the -trace_logs file; raises OSError when it cannot be created."""
    return TraceFile(path)


def error_entry(wall_ns: int, text: str) -> bytes:
    """One event as a line (or several) of the error log."""
    return f"{wall_stamp(wall_ns)}: {text}\n".encode("utf-8", "backslashreplace")
