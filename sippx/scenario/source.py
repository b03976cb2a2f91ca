"""XML source text: where its tags, attributes and CDATA sections stand, and what a parser may see of it.

lxml decides whether the document is well-formed and what its attributes say. It reports places by line
only and decodes CDATA, while a message must leave with the bytes the file has. So this module finds tags
and CDATA sections in the bytes, and hands lxml a skeleton in which comments, CDATA and the DOCTYPE are
blanks (same length, same lines). A skeleton has no entity declarations, hence nothing to expand or fetch.
It also has no XML declaration, and spells properly what SIPp reads and XML forbids: `<` and a lone `&` in
the value of an attribute, attributes without a space between, an attribute given twice.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from dataclasses import dataclass, field

from sippx.errors import ScenarioError

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_ELEMENTS = 200_000

_DECLARATION = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]+)["'][^>]*?\?>""")
_ATTRIBUTE_TEXT = rb"""[^\s<>/="']+\s*=\s*(?:"[^"]*"|'[^']*')"""
_START_TAG = re.compile(
    rb"""<([^\s<>/=!?"']+)((?:\s+%b(?:\s*%b)*)?)\s*(/?)>""" % (_ATTRIBUTE_TEXT, _ATTRIBUTE_TEXT)
)
_ATTRIBUTE = re.compile(rb"""\s*([^\s<>/="']+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_LONE_AMPERSAND = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);)")
_END_TAG = re.compile(rb"</[^\s<>/]+\s*>")
_DOCTYPE = re.compile(rb"""<!DOCTYPE(?:[^\[\]<>"']|"[^"]*"|'[^']*')*""")
_NOT_NEWLINE = re.compile(rb"[^\n]")
_ENCODINGS = ("utf-8", "ascii", "iso8859-", "cp125", "koi8-")
"""Python's names of the encodings in which a byte below 0x80 is always that character."""
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Tag:
    """A start tag: offsets of the tag, of its attributes' names and values, of its CDATA (start, end)."""

    offset: int
    name_offsets: dict[str, int] = field(default_factory=dict)
    value_offsets: dict[str, int] = field(default_factory=dict)
    cdata: list[tuple[int, int]] = field(default_factory=list)


class Source:
    """One scenario document: its bytes, the places in it, and the skeleton to parse.

    `file` is the name in error messages. `tags` are the start tags in document order, as far as the
    document is well-formed; `remarks` are byte offsets with what to warn of there. Raises ScenarioError
    for a document that is too large or too deep, is in an encoding that is no superset of ASCII, or
    declares entities. `encoding` overrules the declaration.
    """

    def __init__(self, data: bytes, file: str, *, encoding: str | None = None) -> None:
        self.file = file
        self.data = data.removeprefix(_BOM)
        if len(data) > MAX_BYTES:
            raise self.error(None, f"larger than {MAX_BYTES >> 20} MiB, the limit for a scenario")
        self.remarks: list[tuple[int, str]] = []
        self.encoding = encoding or self._find_encoding()
        self._line_starts: list[int] = []
        self.tags: list[Tag] = []
        self._respelled: list[tuple[int, int, bytes]] = []
        self.skeleton = b""
        self._scan()

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of a byte offset, both from 1; the column counts characters."""
        if not self._line_starts:
            self._line_starts = [0, *(m.end() for m in re.finditer(rb"\n", self.data))]
        line = bisect_right(self._line_starts, offset)
        start = self._line_starts[line - 1]
        return line, len(self.data[start:offset].decode(self.encoding, "replace")) + 1

    def error(self, offset: int | None, message: str) -> ScenarioError:
        """The error to raise for something at a byte offset (None: the whole file)."""
        if offset is None:
            return ScenarioError(message, file=self.file)
        line, column = self.place(offset)
        return ScenarioError(message, file=self.file, line=line, column=column)

    def _find_encoding(self) -> str:
        head = self.data[:1024]
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in head[:4]:
            raise self.error(None, "UTF-16 and UTF-32 scenarios are not supported; save the file as UTF-8")
        match = _DECLARATION.match(head)
        name = match.group(1).decode("ascii") if match else "UTF-8"
        try:
            if codecs.lookup(name).name.startswith(_ENCODINGS):
                self.data.decode(name)
                return name
        except UnicodeDecodeError as error:
            self.remarks.append((error.start, f"no {name} text, as the file says it is: taken as ISO-8859-1"))
            return "ISO-8859-1"
        except LookupError:
            pass
        raise ScenarioError(
            f"encoding '{name}' is not supported; use UTF-8, ISO-8859-1 or the like",
            file=self.file,
            line=1,
        )

    def _scan(self) -> None:
        """Fill `tags` and `skeleton`; stops at the first ill-formed place, which the parser then reports."""
        data = self.data
        skeleton = bytearray(data)
        open_tags: list[Tag] = []
        at = data.find(b"<")
        while at >= 0:
            if data.startswith(b"<!--", at):
                end = self._blank(skeleton, at, 4, b"-->", "comment")
            elif data.startswith(b"<![CDATA[", at):
                end = self._blank(skeleton, at, 9, b"]]>", "CDATA section")
                if open_tags:
                    open_tags[-1].cdata.append((at + 9, end - 3))
            elif data.startswith(b"<!DOCTYPE", at):
                end = self._doctype_end(at)
                skeleton[at:end] = _NOT_NEWLINE.sub(b" ", data[at:end])
            elif data.startswith(b"<?", at):
                end = data.find(b"?>", at)
                if at == 0 and end > 0:
                    # the encoding is known by now, and a version is more than SIPp asks for
                    end += 2
                    skeleton[:end] = _NOT_NEWLINE.sub(b" ", data[:end])
            elif data.startswith(b"</", at):
                match = _END_TAG.match(data, at)
                end = match.end() if match and open_tags else -1
                if end > 0:
                    open_tags.pop()
            else:
                end = self._start_tag(at, open_tags)
            if end < 0:
                break
            at = data.find(b"<", end)
        for start, end, text in reversed(self._respelled):
            skeleton[start:end] = text
        self.skeleton = bytes(skeleton)

    def _start_tag(self, at: int, open_tags: list[Tag]) -> int:
        match = _START_TAG.match(self.data, at)
        if match is None:
            return -1
        tag = Tag(at)
        self._attributes(tag, *match.span(2))
        self.tags.append(tag)
        if len(self.tags) > MAX_ELEMENTS:
            raise self.error(at, f"more than {MAX_ELEMENTS} elements")
        if not match.group(3):
            open_tags.append(tag)
            if len(open_tags) > MAX_DEPTH:
                raise self.error(at, f"elements are nested deeper than {MAX_DEPTH}")
        return match.end()

    def _attributes(self, tag: Tag, start: int, end: int) -> None:
        """Take the places of a tag's attributes, and respell them where SIPp allows more than XML does."""
        spelled = b""
        for attribute in _ATTRIBUTE.finditer(self.data, start, end):
            name = attribute.group(1).decode(self.encoding, "replace")
            if name in tag.name_offsets:
                self.remarks.append((attribute.start(1), f"'{name}' is given twice: the first one counts"))
                continue
            quote, value = (b'"', 2) if attribute.group(2) is not None else (b"'", 3)
            tag.name_offsets[name] = attribute.start(1)
            tag.value_offsets[name] = attribute.start(value)
            text = _LONE_AMPERSAND.sub(b"&amp;", attribute.group(value)).replace(b"<", b"&lt;")
            spelled += b" " + attribute.group(1) + b"=" + quote + text + quote
        # as many lines as before, for the places that the parser reports
        spelled += b"\n" * (self.data.count(b"\n", start, end) - spelled.count(b"\n"))
        self._respelled.append((start, end, spelled))

    def _doctype_end(self, at: int) -> int:
        """End of a DOCTYPE that only names an external DTD (which is never read)."""
        match = _DOCTYPE.match(self.data, at)
        end = match.end() if match else at
        if self.data[end : end + 1] == b"[":
            raise self.error(
                end, "entity and other declarations inside DOCTYPE are not allowed in a scenario"
            )
        if self.data[end : end + 1] != b">":
            raise self.error(at, "this DOCTYPE is never closed with '>'")
        return end + 1

    def _blank(self, skeleton: bytearray, at: int, opening: int, closing: bytes, what: str) -> int:
        """Blank what a construct at `at` holds, but for its line ends; returns the end of the construct."""
        end = self.data.find(closing, at + opening)
        if end < 0:
            raise self.error(at, f"this {what} is never closed with '{closing.decode()}'")
        skeleton[at + opening : end] = _NOT_NEWLINE.sub(b" ", self.data[at + opening : end])
        return end + len(closing)
