"""From a CDATA section to a checked message template: clean-up, keywords, start line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sippx.scenario.model import Keyword, Literal, Template
from sippx.scenario.source import Source
from sippx.scenario.template_text import Scope, parse_template

MAX_METHOD_BYTES = 63
MAX_MESSAGE_BYTES = 65_507
"""The largest UDP payload over IPv4."""
_MAX_CDATA_BYTES = 1 << 20

_BLANKS = b" \t"
_METHOD = re.compile(rb"([^ \t\r\n]+)[ \t\r\n]")
_STATUS = re.compile(rb"SIP/2\.0[ \t]+([^ \t\r\n]*)")


@dataclass(frozen=True, slots=True)
class CleanText:
    """Message text after clean-up, lines ending in LF, and the source offset of each of its bytes."""

    text: bytes
    offsets: tuple[int, ...]


def clean_message(raw: bytes, base: int, *, keep_last_line_end: bool) -> CleanText | None:
    """Apply SIPp's clean-up to CDATA that stands at `base` in the file; None when nothing is left.

    Blank space around the text goes, blanks and tabs at both ends of each line go, CR LF counts as LF. Text
    without an empty line gets one at its end. keep_last_line_end (messages of <send>): a body followed by a
    line end keeps exactly one.
    """
    body = raw.rstrip(b" \t\r\n")
    had_line_end = b"\n" in raw[len(body) :]
    text = bytearray()
    offsets: list[int] = []
    at = len(body) - len(body.lstrip(b" \t\r\n"))
    for number, line in enumerate(body[at:].split(b"\n")):
        if number:
            text.append(0x0A)
            offsets.append(base + at - 1)
        kept = line.removesuffix(b"\r").strip(_BLANKS)
        start = base + at + len(line) - len(line.lstrip(_BLANKS))
        text += kept
        offsets.extend(range(start, start + len(kept)))
        at += len(line) + 1
    if len(text) <= 1:
        return None
    end = base + len(body)
    if b"\n\n" not in text:
        text += b"\n\n"
        offsets += [end, end]
    if keep_last_line_end and had_line_end and not text.endswith(b"\n"):
        text.append(0x0A)
        offsets.append(end)
    return CleanText(bytes(text), tuple(offsets))


def read_template(
    source: Source, start: int, end: int, *, keep_last_line_end: bool, scope: Scope
) -> Template | None:
    """Template of the CDATA in source.data[start:end]; None when it is empty.

    scope: what it may refer to; its indices are byte offsets in the source. Raises ScenarioError for a bad
    keyword.
    """
    too_long = f"the message text is longer than {MAX_MESSAGE_BYTES} bytes, the largest datagram"
    if end - start > _MAX_CDATA_BYTES:
        raise source.error(start, too_long)
    clean = clean_message(source.data[start:end], start, keep_last_line_end=keep_last_line_end)
    if clean is None:
        return None
    template = parse_template(clean.text, scope.moved(clean.offsets))
    if sum(len(part.data) for part in template if isinstance(part, Literal)) > MAX_MESSAGE_BYTES:
        raise source.error(clean.offsets[0], too_long)
    return template


def misplaced_authentication(template: Template) -> tuple[Keyword, str] | None:
    """The [authentication] of a message that may not stand where it does, and why; None if all is well."""
    is_body = False
    found: Keyword | None = None
    text = bytearray()
    for part in template:
        if isinstance(part, Literal):
            text += part.data
            is_body = is_body or b"\r\n\r\n" in text
            continue
        text += b"\0"
        if part.name == "authentication":
            if is_body:
                return part, "[authentication] must stand in the headers, not in the body"
            if found is not None:
                return part, "only one [authentication] is possible in a message"
            found = part
    return None


def read_start_line(template: Template) -> tuple[bytes, int]:
    """(method, 0) of a request or (b"", status code) of a response; ValueError says what is wrong."""
    first = template[0]
    if not isinstance(first, Literal):
        raise ValueError("a message must begin with a method or 'SIP/2.0', not with a keyword")
    if first.data.startswith(b"SIP/2.0"):
        match = _STATUS.match(first.data)
        code = match.group(1) if match else b""
        if not code.isdigit():
            raise ValueError("'SIP/2.0' must be followed by a status code written as a number")
        if len(code) != 3 or not 100 <= int(code) <= 699:
            raise ValueError(f"status code {code.decode()} is not in the range 100 to 699")
        return b"", int(code)
    match = _METHOD.match(first.data)
    if match is None:
        raise ValueError("a message must begin with a method (no keyword in it) or with 'SIP/2.0'")
    method = match.group(1)
    if len(method) > MAX_METHOD_BYTES:
        raise ValueError(f"a method has at most {MAX_METHOD_BYTES} characters")
    return method, 0
