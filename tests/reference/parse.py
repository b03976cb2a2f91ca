"""Slow twin of the message parser: what a datagram is, line by line, from RFC 3261 7 and the parser's contract.

Independent of sip_message.py on purpose: that one reads well-formed messages, this one says what becomes of
every datagram.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sippx._core.codes import HeaderId, Method

MAX_MESSAGE_BYTES = 65535
MAX_HEADER_FIELDS = 256

_BLANK = b" \t"
_WHITE_SPACE = b" \t\r\n"
_KEEPALIVE = b"\r\n\x00"
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([0-9]{3})(?: |\Z)")
_REQUEST_LINE = re.compile(rb"([\x21-\x7e]+)[ \t]+([^ \t]*)")
_CSEQ = re.compile(rb"[\x00-\x20]*([0-9]*)[\x00-\x20]*([^\x00-\x20]*)")
_COMPACT = {
    b"v": HeaderId.HDR_VIA,
    b"f": HeaderId.HDR_FROM,
    b"t": HeaderId.HDR_TO,
    b"i": HeaderId.HDR_CALL_ID,
    b"m": HeaderId.HDR_CONTACT,
    b"l": HeaderId.HDR_CONTENT_LENGTH,
    b"c": HeaderId.HDR_CONTENT_TYPE,
    b"e": HeaderId.HDR_CONTENT_ENCODING,
    b"s": HeaderId.HDR_SUBJECT,
}
_NAMES = {
    header.name.removeprefix("HDR_").replace("_", "-").lower().encode(): header
    for header in HeaderId
    if header not in (HeaderId.HDR_OTHER, HeaderId.N_HEADER_IDS)
}
_METHODS = {
    method.name.removeprefix("METHOD_").encode(): method
    for method in Method
    if method not in (Method.METHOD_NONE, Method.METHOD_OTHER, Method.N_METHODS)
}


def header_id(name: bytes) -> HeaderId:
    """Known header field of a name, full or compact, in any case."""
    name = name.lower()
    return _NAMES.get(name) or _COMPACT.get(name) or HeaderId.HDR_OTHER


def method_code(token: bytes) -> Method:
    """Number of a method; case-sensitive, nothing is METHOD_NONE."""
    return _METHODS.get(token, Method.METHOD_OTHER if token else Method.METHOD_NONE)


@dataclass(frozen=True)
class Parsed:
    """What ParsedMessage shows: status, start line, header fields (id, raw lines, trimmed value), body."""

    status: str
    is_request: bool = False
    method: bytes = b""
    request_uri: bytes = b""
    status_code: int = 0
    headers: tuple[tuple[HeaderId, bytes, bytes], ...] = field(default=())
    body: bytes = b""

    def first(self, header: HeaderId) -> int | None:
        """Index of the first field of that kind."""
        return next((i for i, (kind, _, _) in enumerate(self.headers) if kind == header), None)

    def value(self, header: HeaderId) -> bytes:
        """Its value, or nothing."""
        index = self.first(header)
        return b"" if index is None else self.headers[index][2]

    @property
    def call_id(self) -> bytes:
        return self.value(HeaderId.HDR_CALL_ID)

    @property
    def cseq(self) -> tuple[int, bytes]:
        """Number (at most 2**32 - 1) and method of the first CSeq."""
        index = self.first(HeaderId.HDR_CSEQ)
        value = b"" if index is None else self.headers[index][1].partition(b":")[2]
        match = _CSEQ.match(value)
        assert match is not None
        return min(int(match.group(1) or b"0"), 0xFFFFFFFF), match.group(2)


def parse(data: bytes) -> Parsed:
    """Read a datagram as the core does."""
    if len(data) > MAX_MESSAGE_BYTES:
        return Parsed("too_long")
    data = data.lstrip(_KEEPALIVE)
    if not data:
        return Parsed("keepalive")
    lines, body = _lines(data)
    if not lines or not lines[0].endswith(b"\n"):
        return Parsed("not_sip")
    start = _text(lines[0])
    start_line = _start_line(start, data)
    if start_line is None:
        return Parsed("not_sip")
    headers = tuple(_header(raw) for raw in _fields(lines[1:])[:MAX_HEADER_FIELDS])
    has_call_id = any(kind == HeaderId.HDR_CALL_ID for kind, _, _ in headers)
    parsed = Parsed("ok", *start_line, headers, body)
    if not has_call_id or not parsed.call_id:
        return Parsed("no_call_id", *start_line, headers, body)
    return parsed


def _text(line: bytes) -> bytes:
    """A line without LF, or CR LF."""
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Lines with their ends up to the first empty one, and the bytes behind that."""
    lines: list[bytes] = []
    at = 0
    while at < len(data):
        end = data.find(b"\n", at) + 1
        if not end:
            lines.append(data[at:])
            return lines, b""
        if lines and not _text(data[at:end]):
            return lines, data[end:]
        lines.append(data[at:end])
        at = end
    return lines, b""


def _start_line(line: bytes, data: bytes) -> tuple[bool, bytes, bytes, int] | None:
    """(is request, method, Request-URI, status code), None where there is no SIP message."""
    if line.startswith(b"SIP/2.0 "):
        status = _STATUS_LINE.match(line)
        return (False, b"", b"", int(status.group(1))) if status else None
    request = _REQUEST_LINE.match(line)
    if request is None or b"SIP/2.0" not in data:
        return None
    return True, request.group(1), request.group(2), 0


def _fields(lines: list[bytes]) -> list[bytes]:
    """Header lines with their continuations; a continuation of the start line belongs to nothing.

    A last line that no line end closes begins a field only with a visible character.
    """
    fields: list[bytes] = []
    for line in lines:
        if line[:1] not in (b" ", b"\t") and (line.endswith(b"\n") or line[0] > 32):
            fields.append(line)
        elif fields:
            fields[-1] += line
    return fields


def _header(raw: bytes) -> tuple[HeaderId, bytes, bytes]:
    first_line = raw.partition(b"\n")[0]
    name, colon, _ = first_line.partition(b":")
    # the value of a field without a colon in its first line is what follows the first colon anywhere
    value = raw.partition(b":")[2].strip(_WHITE_SPACE)
    kind = header_id(name.rstrip(_BLANK)) if colon else HeaderId.HDR_OTHER
    return kind, raw.rstrip(b"\r\n"), value
