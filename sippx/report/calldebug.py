"""What each open call did, kept until it ends: -trace_calldebug writes it for those that were aborted."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sippx.report.flow import FlowStep
from sippx.report.stamps import Stamps

MAX_CALLS = 100_000
MAX_BYTES = 1 << 26
CALL_DEBUG_KINDS = frozenset(
    {"TRACE_CALL_STARTED", "TRACE_STEP", "TRACE_SENT", "TRACE_RECEIVED", "TRACE_UNEXPECTED", "TRACE_CALL_ENDED"}
)
"""Kinds of records that calls are followed by."""

_RULE = b"-" * 79
_DEAD_ABORTED = 2
# SIPp's numbers of kinds of messages by the engine's: send, recv, pause, nop, sendCmd, recvCmd
_TYPES = (2, 3, 4, 5, 0, 1)
_NOP = 3


@dataclass
class _Call:
    lines: list[bytes] = field(default_factory=list)
    n_bytes: int = 0


class CallDebug:
    """The lines of all open calls, bounded in calls and bytes: the oldest call goes first, and is counted."""

    def __init__(
        self,
        steps: Sequence[FlowStep],
        stamps: Stamps,
        transport: str = "UDP",
        *,
        max_calls: int = MAX_CALLS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._n_steps = len(steps)
        self._stamps = stamps
        self._transport = transport
        self._max_calls = max_calls
        self._max_bytes = max_bytes
        self._calls: OrderedDict[bytes, _Call] = OrderedDict()
        self._n_bytes = 0
        self.n_given_up = 0

    def take(self, name: str, wall_ns: int, a: int, b: int, call_id: bytes, data: bytes) -> bytes | None:
        """Follow a record by the name of its kind; the entry of the log where it says a call was aborted."""
        if name == "TRACE_CALL_ENDED":
            return self._end(wall_ns, a, b, call_id)
        stamp = self._stamps.wall(wall_ns).encode()
        text = self._text(name, a, b, call_id, data)
        if text is not None and call_id:
            self._add(call_id, b"%s %s\n" % (stamp, text))
            if name == "TRACE_STEP" and b == _NOP:
                self._add(call_id, b"%s Executing NOP at index %d.\n" % (stamp, a))
        return None

    @property
    def note(self) -> str | None:
        """What the user should be told at the end, None where no call was given up."""
        if not self.n_given_up:
            return None
        return f"-trace_calldebug: the lines of {self.n_given_up} calls were given up, too many were open"

    def _text(self, name: str, a: int, b: int, call_id: bytes, data: bytes) -> bytes | None:
        if name == "TRACE_CALL_STARTED":
            return b"Starting call %s" % call_id
        if name == "TRACE_STEP":
            kind = _TYPES[b] if 0 <= b < len(_TYPES) else b
            at_ms = int.from_bytes(data, "little")
            return b"Processing message %d of type %d for call %s at %d." % (a, kind, call_id, at_ms)
        if name == "TRACE_SENT":
            index = a if a < self._n_steps else -1
            head = b"Sending %s message for call %s (index %d, hash %d):" % (
                self._transport.encode(), call_id, index, zlib.crc32(data),
            )  # fmt: skip
            return b"%s\n%s\n" % (head, data)
        if name == "TRACE_RECEIVED":
            head = b"Processing %d byte incoming message for call-ID %s (hash %d):" % (
                len(data), call_id, zlib.crc32(data),
            )  # fmt: skip
            return b"%s\n%s\n" % (head, data)
        if name == "TRACE_UNEXPECTED":
            head = b"Unexpected %s message received (index %d, hash %d):" % (
                self._transport.encode(), a, zlib.crc32(data),
            )  # fmt: skip
            return b"%s\n\n%s" % (head, data)
        return None

    def _add(self, call_id: bytes, line: bytes) -> None:
        call = self._calls.get(call_id)
        if call is None:
            call = self._calls[call_id] = _Call()
        call.lines.append(line)
        call.n_bytes += len(line)
        self._n_bytes += len(line)
        while len(self._calls) > self._max_calls or self._n_bytes > self._max_bytes:
            _, oldest = self._calls.popitem(last=False)
            self._n_bytes -= oldest.n_bytes
            self.n_given_up += 1

    def _end(self, wall_ns: int, step: int, reason: int, call_id: bytes) -> bytes | None:
        call = self._calls.pop(call_id, None)
        if call is not None:
            self._n_bytes -= call.n_bytes
        if reason != _DEAD_ABORTED:
            return None
        last = b"%s Aborting call %s (index %d).\n" % (self._stamps.wall(wall_ns).encode(), call_id, step)
        head = b"%s\nCall debugging information for call %s:\n" % (_RULE, call_id)
        return head + b"".join(call.lines if call is not None else []) + last + b"\n"
