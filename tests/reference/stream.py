"""Slow twin of the stream framing: the whole stream at once, line by line, from RFC 3261 18.3 and RFC 5626."""

from __future__ import annotations

import re

MAX_MESSAGE_BYTES = 65535
MAX_START_LINE_BYTES = 8192

Item = tuple[str, bytes]

_CONTENT_LENGTH = re.compile(rb"(?:content-length|l)[ \t]*:(.*)", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(rb"[ \t\r\n]*([0-9]+)[ \t\r\n]*")


def frames(data: bytes) -> list[Item]:
    """Everything complete in a stream, in order; an error is the last. What is incomplete is left out."""
    items: list[Item] = []
    while data:
        name, n_bytes = _first(data)
        if name == "more":
            break
        if name == "pong" and items and items[-1][0] == "pong":
            name = "ping"
        items.append((name, data[:n_bytes]))
        if not n_bytes:
            break
        data = data[n_bytes:]
    return items


def _first(data: bytes) -> tuple[str, int]:
    """Name and length of the first thing in data."""
    if data.startswith(b"\r"):
        return ("pong", 2) if data.startswith(b"\r\n") else ("more", 0) if data == b"\r" else ("not_sip", 0)
    if data.startswith(b"\n"):
        return "blank", 1
    if not 32 < data[0] < 127:
        return "not_sip", 0
    return _message(data)


def _message(data: bytes) -> tuple[str, int]:
    lines = _complete_lines(data[:MAX_MESSAGE_BYTES])
    if len(lines[0] if lines else data) > MAX_START_LINE_BYTES or (not lines and len(data) >= MAX_START_LINE_BYTES):
        return "not_sip", 0
    if lines and not _is_start_line(lines[0].removesuffix(b"\n").removesuffix(b"\r")):
        return "not_sip", 0
    field, length, at = b"", None, 0
    for number, line in enumerate(lines):
        at += len(line)
        if line[:1] in (b" ", b"\t"):
            field += line
            continue
        match = _CONTENT_LENGTH.match(field)
        if match and number > 1:
            value = _NUMBER.fullmatch(match.group(1))
            if value is None or length not in (None, min(int(value.group(1)), MAX_MESSAGE_BYTES + 1)):
                return "content_length", 0
            length = min(int(value.group(1)), MAX_MESSAGE_BYTES + 1)
        field = line
        if line in (b"\n", b"\r\n"):
            n_bytes = at + (length or 0)
            if n_bytes > MAX_MESSAGE_BYTES:
                return "too_long", 0
            return ("message", n_bytes) if len(data) >= n_bytes else ("more", 0)
    return ("headers", 0) if len(data) >= MAX_MESSAGE_BYTES else ("more", 0)


def _complete_lines(data: bytes) -> list[bytes]:
    """Lines with their LF; what no LF ends is left out."""
    return re.findall(rb"[^\n]*\n", data)


def _is_start_line(line: bytes) -> bool:
    return len(line) >= 8 and (line[:4].upper() == b"SIP/" or b" SIP/" in line)
