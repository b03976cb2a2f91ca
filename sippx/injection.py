"""Injection files (-inf): reads SIPp's CSV into one flat buffer and the places of its data lines.

The first line says in which order calls take the data lines, and may ask for PRINTF expansion; then come data
lines and comments (`#`) up to the first empty line. A million lines are read with a handful of numpy passes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sippx.errors import ScenarioError

MAX_BYTES = (1 << 32) - 4096
"""Places are 32 bits."""
MAX_VIRTUAL_LINES = (1 << 31) - 1
MAX_OFFSET = (1 << 62) - 1
MAX_MULTIPLE = (1 << 31) - 1
"""Their sum with the largest virtual line fits 64 bits signed."""
PADDING = 64
"""Zeros behind the data: the core copies in strides."""

_NEWLINE, _CR, _SEPARATOR, _HASH = b"\n\r;#"
_OPTION = re.compile(rb"PRINTF(OFFSET|MULTIPLE|)")
_NUMBER = re.compile(rb"=[ \t]*([-+]?(?:0[xX][0-9A-Fa-f]+|[0-9]+))[ \t]*(?:,|$)")
# Possessive, so that the match ends where the first conversion starts that is none of ours.
_FORMATS = re.compile(rb"[^%]*+(?:%(?:%|[-0]*+[0-9]{0,3}(?:\.0*+[0-9]{0,3})?d)[^%]*+)*+")


class Order(IntEnum):
    """How a call gets its line; the core has the same numbers."""

    SEQUENTIAL = 0
    RANDOM = 1
    USER = 2


@dataclass(frozen=True, slots=True, eq=False)
class InjectionTable:
    """An injection file as it was read; `file` is the name in messages.

    `data` is the file's bytes and PADDING zeros. Data line i is `line_len[i]` bytes at `line_start[i]`, line end
    and trailing CR excluded. `n_virtual` is PRINTF's number, 0 for an ordinary file. `n_fields` counts the fields of
    the line that has most.
    """

    file: str
    order: Order
    data: NDArray[np.uint8]
    line_start: NDArray[np.uint32]
    line_len: NDArray[np.uint32]
    n_virtual: int
    printf_offset: int
    printf_multiple: int
    n_fields: int
    warnings: tuple[str, ...]

    @property
    def n_lines(self) -> int:
        """Lines that calls can have: virtual ones of a PRINTF file, else data lines."""
        return self.n_virtual or len(self.line_start)


def load_injection(path: str | Path) -> InjectionTable:
    """Read an injection file; ScenarioError says what is wrong with it and where."""
    try:
        with Path(path).open("rb") as source:
            data = source.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ScenarioError(f"injection file cannot be read: {reason}", file=str(path)) from None
    return parse_injection(data, str(path))


def parse_injection(data: bytes, file: str) -> InjectionTable:
    """The table of an injection file's bytes; `file` is its name in errors and warnings."""
    if len(data) > MAX_BYTES:
        raise ScenarioError(f"more than {MAX_BYTES} bytes, the most an injection file can have", file=file)
    end = data.find(b"\n")
    header = data if end < 0 else data[:end]
    order = _order(header, file)
    n_virtual, offset, multiple = _printf_options(header.removesuffix(b"\r"), file)
    padded = np.frombuffer(data + bytes(PADDING), dtype=np.uint8)
    text = padded[: len(data)]
    starts, ends, warnings = _data_lines(text, file)
    if len(starts) == 0:
        why = f" ({warnings[0].partition(': ')[2]})" if warnings else ""
        raise ScenarioError(
            f"no data lines{why}: lines with fields separated by ';' must follow the first line", file=file, line=2
        )
    separators = np.flatnonzero(text == _SEPARATOR)
    n_separators = np.searchsorted(separators, ends) - np.searchsorted(separators, starts)
    line_start, line_len = starts.astype(np.uint32), (ends - starts).astype(np.uint32)
    for array in (line_start, line_len):
        array.setflags(write=False)
    n_fields = int(n_separators.max()) + 1
    table = InjectionTable(
        file, order, padded, line_start, line_len, n_virtual, offset, multiple, n_fields, tuple(warnings)
    )
    if n_virtual:
        _check_formats(data, table)
    return table


# --------------------------------------------------------------------------- first line


def _order(header: bytes, file: str) -> Order:
    # SIPp's precedence, which it needs because comments may share the line
    for order in (Order.RANDOM, Order.SEQUENTIAL, Order.USER):
        if order.name.encode() in header:
            return order
    raise ScenarioError(
        f"the first line must contain SEQUENTIAL, RANDOM or USER, not {_shown(header)}", file=file, line=1
    )


def _printf_options(header: bytes, file: str) -> tuple[int, int, int]:
    """PRINTF's number of lines (0: an ordinary file), PRINTFOFFSET and PRINTFMULTIPLE."""
    values: dict[str, int] = {}
    for match in _OPTION.finditer(header):
        name = match[0].decode()
        if name not in values:
            values[name] = _number(name, header[match.end() :], file)
    if values and "PRINTF" not in values:
        raise ScenarioError(f"{next(iter(values))} needs PRINTF=n in the same line", file=file, line=1)
    return values.get("PRINTF", 0), values.get("PRINTFOFFSET", 0), values.get("PRINTFMULTIPLE", 1)


def _number(name: str, text: bytes, file: str) -> int:
    """The number behind an option's name: C's base 0, up to a comma or the end of the line."""
    low, high = {
        "PRINTF": (1, MAX_VIRTUAL_LINES),
        "PRINTFOFFSET": (-MAX_OFFSET, MAX_OFFSET),
        "PRINTFMULTIPLE": (-MAX_MULTIPLE, MAX_MULTIPLE),
    }[name]
    match = _NUMBER.match(text)
    value = _c_integer(match[1]) if match else None
    if value is None or not low <= value <= high:
        raise ScenarioError(
            f"{name}{_shown(text.partition(b',')[0])[1:-1]}: write {name}=n with an integer from {low} to {high} "
            "(0x.. is hexadecimal, 0.. octal), then ',' or the end of the line",
            file=file, line=1,
        )  # fmt: skip
    return value


def _c_integer(text: bytes) -> int | None:
    digits = text.lstrip(b"+-").lower()
    base = 16 if digits.startswith(b"0x") else 8 if digits.startswith(b"0") else 10
    if len(digits) > 24:
        return None
    try:
        return int(text, base)
    except ValueError:  # 8 or 9 in an octal number
        return None


# --------------------------------------------------------------------------- data lines

_Places = NDArray[np.int64]


def _data_lines(text: NDArray[np.uint8], file: str) -> tuple[_Places, _Places, list[str]]:
    """Starts and ends of the data lines, and warnings about lines that surprise."""
    newlines = np.flatnonzero(text == _NEWLINE)
    starts, ends = np.append(0, newlines + 1), np.append(newlines, len(text))
    if starts[-1] == len(text):  # nothing behind the last newline
        starts, ends = starts[:-1], ends[:-1]
    starts, ends = starts[1:], ends[1:]
    warnings: list[str] = []
    empty = np.flatnonzero(starts == ends)
    if len(empty):
        end = int(empty[0])
        n_unused = _count_data_lines(text, starts[end:], ends[end:])
        if n_unused:
            warnings.append(
                f"{file}:{end + 2}: an empty line ends an injection file: {n_unused} data lines behind it are not used"
            )
        starts, ends = starts[:end], ends[:end]
    is_data = text[starts] != _HASH
    has_cr = text[ends - 1] == _CR
    only_cr = np.flatnonzero(has_cr & (ends - starts == 1))
    if len(only_cr):
        warnings.append(
            f"{file}:{int(only_cr[0]) + 2}: a line of nothing but a CR is a data line with one empty field"
            + (f" ({len(only_cr)} such lines)" if len(only_cr) > 1 else "")
        )
    return starts[is_data], (ends - has_cr)[is_data], warnings


def _count_data_lines(text: NDArray[np.uint8], starts: _Places, ends: _Places) -> int:
    starts = starts[starts < ends]
    return int(np.count_nonzero(text[starts] != _HASH))


def _check_formats(data: bytes, table: InjectionTable) -> None:
    """Refuse what PRINTF expansion cannot print; only `%%` and `%d` with width, precision, `-` and `0` can."""
    at, end = int(table.line_start[0]), int(table.line_start[-1]) + int(table.line_len[-1])
    while (match := _FORMATS.match(data, at, end)) and match.end() < end:
        at = match.end()
        i = int(np.searchsorted(table.line_start, at, side="right")) - 1
        line_end = int(table.line_start[i]) + int(table.line_len[i])
        if at < line_end:
            raise ScenarioError(
                f"{_shown(data[at:line_end].partition(b';')[0])} cannot be expanded in a PRINTF file: "
                "allowed are %d, %5d, %-5d, %05d, %.3d (up to 3 digits) and %% for a percent sign",
                file=table.file,
                line=data.count(b"\n", 0, at) + 1,
            )
        at = data.index(b"\n", at)  # a comment


def _shown(text: bytes) -> str:
    """Text for a message, quoted, cut and printable."""
    cut = text[:40].decode("utf-8", "backslashreplace")
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in cut)
    return f"'{shown}...'" if len(text) > 40 else f"'{shown}'"
