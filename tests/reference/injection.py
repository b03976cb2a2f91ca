"""Slow twin of injection files: reads a file line by line and serves it from Python lists and a dictionary."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

CONVERSION = re.compile(rb"%(%|([-0]*)([0-9]*)(?:(\.)([0-9]*))?d)")
OPTION = re.compile(rb"PRINTF(OFFSET|MULTIPLE)?(?==[ \t]*([-+]?[0-9]\w*))")


@dataclass
class SlowInjection:
    """An injection file and what was done with it; `index` maps the column's text to the line it was last put under."""

    order: str
    lines: list[bytes]
    n_virtual: int = 0
    offset: int = 0
    multiple: int = 1
    column: int | None = None
    next_line: int = 0
    index: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in range(len(self.lines)):
            self._enter(line)

    @property
    def n_lines(self) -> int:
        return self.n_virtual or len(self.lines)

    def pick(self, user: int = 0) -> int | None:
        """The line of a new call; not for RANDOM."""
        if self.order == "USER":
            return user - 1 if 0 < user <= self.n_lines else None
        line = self.next_line
        self.next_line = (line + 1) % self.n_lines
        return line

    def field(self, line: int, n: int) -> bytes | None:
        if not 0 <= line < self.n_lines:
            return b""
        fields = self.lines[line % len(self.lines)].split(b";")
        if n >= len(fields):
            return None
        if not self.n_virtual:
            return fields[n]
        value = self.offset + line * self.multiple
        return CONVERSION.sub(lambda match: convert(match, value), fields[n])

    def lookup(self, key: bytes) -> int:
        return self.index.get(key, -1)

    def insert(self, text: bytes) -> None:
        self.lines.append(text)
        self._enter(len(self.lines) - 1)

    def replace(self, line: int, text: bytes) -> None:
        if self.column is not None and self.index.get(self._key(line)) == line:
            del self.index[self._key(line)]
        self.lines[line] = text
        self._enter(line)

    def _key(self, line: int) -> bytes:
        assert self.column is not None
        return self.field(line, self.column) or b""

    def _enter(self, line: int) -> None:
        if self.column is not None:
            self.index[self._key(line)] = line


def convert(match: re.Match[bytes], value: int) -> bytes:
    """What C's printf makes of one conversion."""
    if match[1] == b"%":
        return b"%"
    is_left, is_zero_padded = b"-" in match[2], b"0" in match[2]
    width, precision = int(match[3] or b"0"), int(match[5] or b"0")
    sign, digits = ("-" if value < 0 else ""), str(abs(value))
    if match[4]:
        digits = "" if precision == 0 and value == 0 else digits.rjust(precision, "0")
    elif is_zero_padded and not is_left:
        digits = digits.rjust(width - len(sign), "0")
    text = sign + digits
    return (text.ljust(width) if is_left else text.rjust(width)).encode()


def read(data: bytes, column: int | None = None) -> SlowInjection:
    """Reads a file that is known to be right."""
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    header, *rest = lines
    order = next(word for word in ("RANDOM", "SEQUENTIAL", "USER") if word.encode() in header)
    options: dict[bytes, int] = {}
    for match in OPTION.finditer(header):
        if (match[1] or b"") in options:
            continue
        octal = re.fullmatch(rb"([-+]?)0([0-7]+)", match[2])
        value = int(octal[1] + octal[2], 8) if octal else int(match[2], 0)
        options[match[1] or b""] = value
    data_lines = []
    for line in rest:
        if line == b"":
            break
        if not line.startswith(b"#"):
            data_lines.append(line.removesuffix(b"\r"))
    return SlowInjection(
        order, data_lines, options.get(b"", 0), options.get(b"OFFSET", 0), options.get(b"MULTIPLE", 1), column
    )
