"""Checks of message texts: headers that a request needs, CSeq, Content-Length."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sippx.scenario.element import Element
from sippx.scenario.lint_subject import Subject
from sippx.scenario.model import Keyword, SendStep, Template

_REQUIRED = ("Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards")
_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "l": "content-length"}
_HEADERS_OF_KEYWORDS = {"routes": "route", "authentication": "authorization"}
_FIRST_KEYWORD = 0x10000
"""A keyword is a character above every character of a message."""
_NAME_END = re.compile("[:\U00010000-\U0010ffff]")
"""A keyword may bring the colon: To[$1], where $1 was taken of a header that was named without its colon."""
_CSEQ = re.compile(r"\s*\S+[ \t]+([^\s\U00010000-\U0010FFFF]+)\s*")


@dataclass(frozen=True, slots=True)
class Header:
    """A header line: name in lower case and long form, value, and number of its line (start line: 0)."""

    name: str
    value: str
    line_idx: int


@dataclass(frozen=True, slots=True)
class MessageText:
    """A template taken apart. has_unknown: a keyword at the start of a line may bring any header."""

    headers: tuple[Header, ...]
    body: str
    has_unknown: bool

    @staticmethod
    def of(template: Template) -> MessageText:
        """The headers and the body of a template; each keyword is one character."""
        keywords = [part for part in template if isinstance(part, Keyword)]
        numbers = iter(range(len(keywords)))
        text = "".join(
            chr(_FIRST_KEYWORD + next(numbers)) if isinstance(part, Keyword) else part.data.decode("latin-1")
            for part in template
        )
        head, _, body = text.partition("\r\n\r\n")
        headers: list[Header] = []
        has_unknown = False
        for number, line in enumerate(head.split("\r\n")):
            if number and line and ord(line[0]) >= _FIRST_KEYWORD:
                name = _header_of(keywords[ord(line[0]) - _FIRST_KEYWORD])
                has_unknown |= not name
                headers.append(Header(name, line, number))
            elif number:
                name = _NAME_END.split(line, maxsplit=1)[0]
                value = line[len(name) :].removeprefix(":")
                name = name.strip().lower()
                headers.append(Header(_COMPACT.get(name, name), value, number))
        return MessageText(tuple(headers), body, has_unknown)

    def find(self, name: str) -> Header | None:
        """The first header of this name."""
        return next((header for header in self.headers if header.name == name), None)


def check_messages(subject: Subject) -> None:
    """All checks of this module, for every <send>."""
    for site in subject.main.sites:
        if not isinstance(site.step, SendStep):
            continue
        message = MessageText.of(site.step.template)
        if site.step.method:
            _check_headers(subject, site.element, site.step, message)
        _check_length(subject, site.element, message)


def _header_of(keyword: Keyword) -> str:
    """Name of the header that a keyword prints, empty when that is not known."""
    if keyword.name == "last_":
        name = keyword.argument.lower()
        return _COMPACT.get(name, name)
    return _HEADERS_OF_KEYWORDS.get(keyword.name, "")


def _check_headers(subject: Subject, element: Element, step: SendStep, message: MessageText) -> None:
    method = step.method.decode("latin-1")
    missing = [name for name in _REQUIRED if message.find(name.lower()) is None]
    if missing and not message.has_unknown:
        text = f"the {method} has no {', '.join(missing)} (RFC 3261 8.1.1 asks for it)"
        subject.report_at("missing-header", line_offset(element, 0), text)
    cseq = message.find("cseq")
    match = _CSEQ.fullmatch(cseq.value) if cseq is not None else None
    if cseq is not None and match is not None and match[1] != method:
        text = f"CSeq says {match[1]}, the request is {method}"
        subject.report_at("cseq-method", line_offset(element, cseq.line_idx), text)


def _check_length(subject: Subject, element: Element, message: MessageText) -> None:
    header = message.find("content-length")
    if header is None:
        if message.body and not message.has_unknown:
            text = "the message has a body and no Content-Length; add Content-Length: [len]"
            subject.report_at("missing-length", line_offset(element, 0), text)
        return
    value = header.value.strip()
    if not (value.isascii() and value.isdigit()):
        return
    offset = line_offset(element, header.line_idx)
    if any(ord(char) >= _FIRST_KEYWORD for char in message.body):
        text = f"Content-Length is always {value}, and the body has keywords; use [len]"
        subject.report_at("fixed-length", offset, text)
    elif int(value) != len(message.body):
        text = f"Content-Length is {value}, and the body has {len(message.body)} bytes; use [len]"
        subject.report_at("wrong-length", offset, text)


def line_offset(element: Element, line_idx: int) -> int:
    """Byte offset of a line of a message (its start line: 0) in the document."""
    start, end = element.tag.cdata[0]
    data = element.source.data
    at = end - len(data[start:end].lstrip())
    for _ in range(line_idx):
        at = data.find(b"\n", at, end) + 1
    line = data[at:end].split(b"\n", 1)[0]
    return at + len(line) - len(line.lstrip(b" \t"))
