"""Slow reading of a SIP message for oracles: start line and unfolded header fields, nothing clever."""

from __future__ import annotations

import re
from dataclasses import dataclass

COMPACT_FORMS = {
    b"v": b"via",
    b"f": b"from",
    b"t": b"to",
    b"i": b"call-id",
    b"m": b"contact",
    b"l": b"content-length",
    b"c": b"content-type",
    b"e": b"content-encoding",
    b"s": b"subject",
}
"""RFC 3261 7.3.3."""


def full_name(name: bytes) -> bytes:
    """Lower-case long form of a header name."""
    name = name.lower()
    return COMPACT_FORMS.get(name, name)


@dataclass(frozen=True)
class SipMessage:
    """A message that was received. method is empty for a response, status_code 0 for a request."""

    raw: bytes
    method: bytes
    status_code: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """Values of all fields of that name, compact or not, in their order."""
        return [value for field, value in self.fields if full_name(field) == full_name(name)]

    def value(self, name: bytes) -> bytes:
        """The first of `values`, or nothing."""
        return next(iter(self.values(name)), b"")

    @property
    def cseq_number(self) -> int:
        match = re.match(rb"\d+", self.value(b"CSeq"))
        return int(match.group()) if match else 0

    @property
    def cseq_method(self) -> bytes:
        match = re.match(rb"\d+\s+(\S+)", self.value(b"CSeq"))
        return match.group(1) if match else b""


def parse_message(raw: bytes) -> SipMessage:
    """Read a well-formed message; lines end in CR LF or LF."""
    head, body = _split_body(raw)
    lines = re.split(rb"\r?\n", head)
    fields: list[tuple[bytes, bytes]] = []
    for line in lines[1:]:
        if line[:1] in (b" ", b"\t") and fields:
            name, value = fields[-1]
            fields[-1] = (name, value.rstrip(b" \t") + b" " + line.strip(b" \t"))
        elif b":" in line:
            name, _, value = line.partition(b":")
            fields.append((name.rstrip(b" \t"), value.strip(b" \t")))
    status = re.match(rb"SIP/2\.0 (\d{3})", lines[0])
    return SipMessage(
        raw=raw,
        method=b"" if status else lines[0].split(b" ")[0],
        status_code=int(status.group(1)) if status else 0,
        fields=tuple((name, value.strip(b" \t")) for name, value in fields),
        body=body,
    )


def _split_body(raw: bytes) -> tuple[bytes, bytes]:
    match = re.search(rb"\r?\n\r?\n", raw)
    return (raw[: match.start()], raw[match.end() :]) if match else (raw, b"")
