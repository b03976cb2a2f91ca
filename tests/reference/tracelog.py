"""What the core's trace log writes, the slow and obvious way: one entry a record."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sippx._core.codes import TraceKind
from sippx.report.stamps import Stamps

Record = tuple[int, int, int, int, bytes, bytes]
SIDE_BIT = 0x100
RULE = b"-" * 47


def message_entry(record: Record, stamps: Stamps, transport: bytes = b"UDP") -> bytes:
    """The entry of the message log; empty for a kind that is not in it."""
    kind, wall_ns, a, b, call_id, data = record
    kind &= ~SIDE_BIT
    if kind in (TraceKind.TRACE_COMMAND_SENT, TraceKind.TRACE_COMMAND_RECEIVED):
        transport = b"TCP control"
        kind -= TraceKind.TRACE_COMMAND_SENT - TraceKind.TRACE_SENT
    if kind in (TraceKind.TRACE_SENT, TraceKind.TRACE_RECEIVED):
        verb = b"sent" if kind == TraceKind.TRACE_SENT else b"received"
        head = b"%s message %s [%d] bytes:" % (transport, verb, len(data))
        return b"%s %s\n%s\n\n%s\n" % (RULE, stamps.message(wall_ns).encode(), head, data)
    if kind == TraceKind.TRACE_LOST:
        how = (b"(retrans) lost (recv)" if b else b"lost (recv)") if a else b"voluntary lost (while sending)"
        return b"%s message %s.\n" % (transport, how)
    if kind == TraceKind.TRACE_UNEXPECTED:
        return b"%s\nUnexpected %s message received:\n\n%s\n" % (RULE, transport, data)
    if kind == TraceKind.TRACE_DEAD_CALL:
        return b"%s\nDead call %s received a %s message:\n\n%s\n" % (RULE, call_id, transport, data)
    return b""


def short_entry(record: Record, stamps: Stamps) -> bytes:
    """The line of the short message log; empty for a kind that is not in it."""
    kind, wall_ns, _, _, call_id, data = record
    kind &= ~SIDE_BIT
    if kind not in (TraceKind.TRACE_SENT, TraceKind.TRACE_RECEIVED):
        return b""
    first, _, rest = data.partition(b"\n")
    cseq = b""
    for line in rest.split(b"\n"):
        if line in (b"", b"\r"):
            break
        match = re.match(rb"(?i)cseq[ \t]*:", line)
        if match:
            cseq = line[match.end() :].strip(b" \t\r\n")
            break
    way = b"S" if kind == TraceKind.TRACE_SENT else b"R"
    return b"\t".join(
        (stamps.wall(wall_ns).encode(), way, call_id, b"CSeq:" + cseq, first.rstrip(b" \t\r\n"))
    ) + b"\n"


def rtt_line(record: Record, names: Sequence[bytes]) -> bytes:
    """The line of a response time; empty where the record is none, or of the second scenario."""
    kind, _, a, _, _, data = record
    if kind != TraceKind.TRACE_RTT or len(data) != 16 or not 0 <= a < len(names):
        return b""
    at_us, duration_us = (int.from_bytes(data[n : n + 8], "little") // 1000 for n in (0, 8))
    texts = (b"%d.%03d" % divmod(us, 1000) for us in (at_us, duration_us))
    return b";".join((*texts, names[a])) + b"\n"
