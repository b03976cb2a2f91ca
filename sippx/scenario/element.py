"""An XML element with its place: typed access to its attributes, errors that say where they are."""

from __future__ import annotations

import math
import re
from typing import Any, NoReturn

from sippx.scenario.attribute_text import string_text, without_escapes
from sippx.scenario.source import Source, Tag

INT_MAX = 2**31 - 1

_C_INT = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_C_FLOAT = re.compile(r"\s*[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)")
_C_HEX_FLOAT = re.compile(r"\s*[+-]?0[xX][0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?(?:[pP][+-]?\d+)?")


def parse_c_int(text: str) -> int:
    """Integer as C's strtol with base 0 reads it: 10, 0x1F, 017; ValueError for anything else."""
    match = _C_INT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    digits = match.group(2)
    is_octal = len(digits) > 1 and digits[0] == "0" and digits[1] not in "xX"
    value = int(digits, 8) if is_octal else int(digits, 0)
    return -value if match.group(1) == "-" else value


def parse_c_float(text: str) -> float:
    """Finite number as C's strtod reads it; ValueError for anything else."""
    if _C_HEX_FLOAT.fullmatch(text):
        return float.fromhex(text.strip())
    if not _C_FLOAT.fullmatch(text) or not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


class Element:
    """An element with its place: typed access to its attributes, errors that say where."""

    def __init__(self, source: Source, node: Any, tag: Tag) -> None:
        self.source = source
        self.node = node
        self.tag = tag
        self.name: str = node.tag
        self.line = source.place(tag.offset)[0]

    def get(self, name: str) -> str | None:
        """Text of an attribute, None when it is absent."""
        value = self.node.get(name)
        return None if value is None else str(value)

    def text(self, name: str) -> str | None:
        """Text of a string attribute (regexp, message, value, ...) with all its layers of escapes decoded."""
        value = self.get(name)
        return None if value is None else string_text(value)

    def bytes_of(self, name: str, *, is_string: bool = True) -> bytes | None:
        """The same (or with backslash escapes only) as bytes in the encoding of the file."""
        value = self.get(name)
        if value is None:
            return None
        decoded = string_text(value) if is_string else without_escapes(value)
        try:
            return decoded.encode(self.source.encoding)
        except UnicodeEncodeError:
            return decoded.encode("utf-8")

    def fail(self, message: str, attribute: str | None = None) -> NoReturn:
        """Raise ScenarioError at the value of an attribute, or at the element."""
        raise self.source.error(self.offset(attribute), message)

    def fail_name(self, attribute: str, message: str) -> NoReturn:
        """Raise ScenarioError at the name of an attribute."""
        raise self.source.error(self.tag.name_offsets.get(attribute, self.tag.offset), message)

    def place(self, attribute: str | None = None) -> str:
        """`file:line:column` of the value of an attribute, or of the element."""
        line, column = self.source.place(self.offset(attribute))
        return f"{self.source.file}:{line}:{column}"

    def offset(self, attribute: str | None = None) -> int:
        """Byte offset of the value of an attribute, or of the element."""
        return self.tag.value_offsets.get(attribute or "", self.tag.offset)

    def integer(self, name: str, default: int, *, low: int = 0, high: int = INT_MAX) -> int:
        """Value of an integer attribute, C notation; ScenarioError outside low..high."""
        text = self.get(name)
        if text is None:
            return default
        try:
            value = parse_c_int(text)
        except ValueError:
            self.fail(f'{name}="{text}" is no integer', name)
        if not low <= value <= high:
            self.fail(f'{name}="{text}" is not in the range {low} to {high}', name)
        return value

    def number(self, name: str, default: float, *, low: float = 0.0, high: float = math.inf) -> float:
        """Value of a number attribute; ScenarioError outside low..high."""
        text = self.get(name)
        if text is None:
            return default
        try:
            value = parse_c_float(text)
        except ValueError:
            self.fail(f'{name}="{text}" is no number', name)
        if not low <= value <= high:
            is_below = high == math.inf
            wrong = f"less than {low:g}" if is_below else f"not in the range {low:g} to {high:g}"
            self.fail(f'{name}="{text}" is {wrong}', name)
        return value

    def boolean(self, name: str, default: bool) -> bool:
        """Value of a boolean attribute: true, false or an integer."""
        text = self.get(name)
        if text is None:
            return default
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        try:
            return parse_c_int(text) != 0
        except ValueError:
            self.fail(f'{name}="{text}" is no boolean; use true or false', name)

    def identifier(self, name: str) -> str | None:
        """A name of a timer, counter, label or peer: not empty."""
        text = self.get(name)
        if text == "":
            self.fail(f"{name} needs a name", name)
        return text
