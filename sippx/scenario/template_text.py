r"""The grammar of message templates: text with [keywords], their parameters, and \xHH bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from sippx.scenario.keywords import (
    KEYWORDS,
    PARAMETERS,
    ParameterSpec,
    find_keyword,
)
from sippx.scenario.model import Keyword, Literal, Template, Variable
from sippx.scenario.names import nearest_hint

MAX_KEYWORD_BYTES = 256
MAX_FIELD = 100_000

_OFFSET = re.compile(r"(.+?)([+-]\d+)\s*", re.DOTALL)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!%*_+`'~.-]+")
_KEY_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
_HEX_ESCAPE = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_FIELD_NUMBER = re.compile(r"(\d+)([+-]\d+)?(?=[ \t]|$)")
_PARAMETER = re.compile(rb'[ \t,]*([A-Za-z0-9_]+)=(?:"((?:\\.|[^"\\])*)"|([\x21\x23-\x7e][\x21-\x7e]*)?)')
_QUOTED_PAIR = re.compile(rb'\\(["\\])')
_BRACKET_HINT = "; write \\x5b for a bracket that opens no keyword"

Fail = Callable[[int, str], Exception]
Warn = Callable[[int, str], None]
Place = Callable[[int], tuple[int, int]]


def _nowhere(_index: int) -> tuple[int, int]:
    return 0, 0


def _value_error(_index: int, message: str) -> Exception:
    return ValueError(message)


def _no_warning(_index: int, _message: str) -> None:
    return None


def _call_variable(name: str, _index: int) -> Variable:
    return Variable(name)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a template may refer to, and whom to tell about it; indices count bytes of its text.

    keys: names of -key parameters. injection_names: files of [fieldN]; default_injection: that of one which
    names none, "": the first. variable(name, i)
    is the variable that text[i:] mentions. fail(i, message) makes the exception to raise for text[i:],
    warn(i, message) takes a remark, place(i) gives line and column.
    """

    keys: Collection[str] = ()
    injection_names: Sequence[str] = ()
    default_injection: str = ""
    variable: Callable[[str, int], Variable] = _call_variable
    fail: Fail = _value_error
    warn: Warn = _no_warning
    place: Place = _nowhere

    def moved(self, offsets: Sequence[int]) -> Scope:
        """The same for a part of the text whose byte i is byte offsets[i] of this one's."""
        last = offsets[-1] if offsets else 0

        def at(i: int) -> int:
            return offsets[i] if i < len(offsets) else last

        return replace(
            self,
            variable=lambda name, i: self.variable(name, at(i)),
            fail=lambda i, message: self.fail(at(i), message),
            warn=lambda i, message: self.warn(at(i), message),
            place=lambda i: self.place(at(i)),
        )


_NOTHING = Scope()


def parse_template(text: bytes, scope: Scope = _NOTHING) -> Template:
    r"""Split message text into literals and keywords.

    text: the message after CDATA clean-up, lines ending in LF, which become CRLF in literals; `\xHH` is any
    byte.
    """
    parts: list[Literal | Keyword] = []
    literal = bytearray()
    at = 0
    while at < len(text):
        byte = text[at]
        if byte == 0x0A:
            literal += b"\r\n"
            at += 1
        elif text.startswith(b"\\x", at):
            match = _HEX_ESCAPE.match(text, at)
            if match is None:
                raise scope.fail(at, "'\\x' must be followed by two hexadecimal digits")
            literal.append(int(match.group(1), 16))
            at = match.end()
        elif byte == 0x5B:
            end = _keyword_end(text, at, scope)
            if text[end] == 0x5B:  # another bracket opens first: this one is literal text
                if _looks_like_keyword(text[at + 1 : end]):
                    word = text[at + 1 : end].decode("utf-8", "replace").split()[0]
                    scope.warn(at, f"'[{word}' is sent as text: the bracket behind it stands outside of quotes")
                literal.append(byte)
                at += 1
                continue
            if literal:
                parts.append(Literal(bytes(literal)))
                literal.clear()
            parts.append(_Word(text, at, end, scope).keyword())
            at = end + 1
        else:
            literal.append(byte)
            at += 1
    if literal:
        parts.append(Literal(bytes(literal)))
    return tuple(parts)


def _keyword_end(text: bytes, start: int, scope: Scope) -> int:
    """Index of the first bracket of either kind behind text[start] and outside double quotes."""
    at = start + 1
    is_quoted = False
    while at < len(text):
        byte = text[at]
        if is_quoted and byte == 0x5C:
            at += 1
        elif byte == 0x22:
            is_quoted = not is_quoted
        elif byte == 0x0A:
            is_quoted = False
        elif byte in (0x5B, 0x5D) and not is_quoted:
            return at
        at += 1
    raise scope.fail(start, "'[' without a closing ']'" + _BRACKET_HINT)


def _looks_like_keyword(text: bytes) -> bool:
    """Whether text behind a bracket begins like a keyword with parameters."""
    word = text.split()[:1]
    found = find_keyword(word[0].decode("utf-8", "replace"), ()) if word else None
    return found is not None and found[0] in PARAMETERS


class _Word:
    """The text between two brackets, on its way to a Keyword."""

    def __init__(self, text: bytes, start: int, end: int, scope: Scope) -> None:
        self.start = start
        self.scope = scope
        self.body = text[start + 1 : end]
        if not self.body:
            self.fail("empty keyword '[]'" + _BRACKET_HINT)
        if len(self.body) > MAX_KEYWORD_BYTES:
            self.fail(f"keyword longer than {MAX_KEYWORD_BYTES} characters")
        if b"\n" in self.body:
            self.fail("'[' without a closing ']' on its line" + _BRACKET_HINT)
        self.word = self.body.decode("utf-8", "surrogateescape")

    def fail(self, message: str) -> NoReturn:
        raise self.scope.fail(self.start, message)

    def keyword(self) -> Keyword:
        name, argument, offset = self._resolve()
        line, column = self.scope.place(self.start)
        keyword = Keyword(name, argument, offset, line, column)
        match name:
            case "$":
                return replace(keyword, variable=self._variable(argument, self.start))
            case "field":
                return self._field(keyword)
            case "file" | "authentication":
                values = self._values(name)
                if name == "file" and not values["name"][0]:
                    self.fail(f"'[{self.word}]': the name of the file is empty")
                return replace(keyword, argument="", parameters=self._templates(name, values))
            case "fill":
                return self._fill(keyword)
        return keyword

    def _resolve(self) -> tuple[str, str, int]:
        """(name, argument, offset) of the word."""
        word, keys = self.word, self.scope.keys
        base, offset = word, 0
        known = find_keyword(word, keys)
        if known is None or known[0] == "last_":
            # A trailing number is an offset, unless the whole word is a name (a -key "a-1", a header "X-3").
            match = _OFFSET.fullmatch(word)
            stripped = find_keyword(match.group(1), keys) if match else None
            if match and stripped and (known is None or stripped[0] != "last_" or match.group(2)[0] == "+"):
                known, base, offset = stripped, match.group(1), int(match.group(2))
        if known is None:
            names = [spec.name for spec in KEYWORDS.values() if not spec.is_prefix or spec.name in PARAMETERS]
            hint = nearest_hint(base, [*names, *keys])
            key = f"; -key {base} VALUE gives it one" if _KEY_NAME.fullmatch(base) else ""
            self.fail(f"unknown keyword '[{word}]'" + (hint or key + _BRACKET_HINT))
        name, argument = known
        spec = KEYWORDS.get(name)
        if spec is not None and spec.use == "media":
            self.fail(f"keyword '[{word}]' is part of SIPp's language but not supported by this version of sippx")
        if name == "last_" and not _HEADER_NAME.fullmatch(argument):
            self.fail(f"'[{word}]': '{argument}' is no header name")
        if offset and not (spec and spec.has_offset):
            self.scope.warn(self.start, f"the offset in '[{word}]' has no effect: [{name}] takes none")
            offset = 0
        if not -(2**31) <= offset < 2**31:
            self.fail(f"the offset in '[{word}]' does not fit in 32 bits")
        return name, argument, offset

    def _variable(self, name: str, at: int) -> Variable:
        name = name.strip()
        if not name or "$" in name or "," in name:
            self.fail(f"'[{self.word}]': '{name}' is no name of a variable")
        return self.scope.variable(name, at)

    def _field(self, keyword: Keyword) -> Keyword:
        match = _FIELD_NUMBER.match(keyword.argument)
        if match is None or int(match[1]) > MAX_FIELD:
            self.fail(f"'[{self.word}]': 'field' must be followed by the number of a field, 0 to {MAX_FIELD}")
        if match[2]:
            self.scope.warn(self.start, f"the offset in '[{self.word}]' has no effect: [field] takes none")
        values = self._values("field", behind=len("field") + match.end())
        names = self.scope.injection_names
        if not names:
            self.fail(f"'[{self.word}]': no injection file was given (-inf)")
        file = self.scope.default_injection or names[0]
        if "file" in values:
            file = values["file"][0].decode("utf-8", "surrogateescape")
            if file not in names:
                hint = nearest_hint(file, names) or f"; use one of {', '.join(names)}"
                self.fail(f"'[{self.word}]': no injection file '{file}' was given (-inf){hint}")
        parameters = self._templates("field", values)
        line = dict(parameters).get("line")
        if line is not None and all(isinstance(part, Literal) for part in line):
            text = b"".join(part.data for part in line if isinstance(part, Literal))
            if not re.fullmatch(rb"\s*[+-]?\d+\s*", text):
                self.fail(f"'[{self.word}]': '{text.decode('utf-8', 'replace')}' is no line number")
        return replace(keyword, argument=file, offset=int(match[1]), parameters=parameters)

    def _fill(self, keyword: Keyword) -> Keyword:
        values = self._values("fill")
        name, offsets = values["variable"]
        text = values.get("text", (b"X", []))[0]
        if not text:
            self.fail(f"'[{self.word}]': nothing to fill with, text is empty")
        variable = self._variable(name.decode("utf-8", "surrogateescape"), offsets[0] if offsets else self.start)
        return replace(keyword, argument=text.decode("utf-8", "surrogateescape"), variable=variable)

    # -- parameters ---------------------------------------------------------------------------------

    def _values(self, name: str, behind: int | None = None) -> dict[str, tuple[bytes, list[int]]]:
        """Parameters of a keyword by name: the value, and the index of each of its bytes in the text."""
        specs = {spec.name: spec for spec in PARAMETERS[name]}
        values: dict[str, tuple[bytes, list[int]]] = {}
        at = len(name) if behind is None else behind
        while self.body[at:].strip(b" \t,"):
            match = _PARAMETER.match(self.body, at)
            if match is None:
                rest = self.body[at:].strip().decode("utf-8", "replace")
                self.fail(f"'[{self.word}]': '{rest}' is no name=value parameter")
            parameter = match[1].decode("ascii")
            if parameter not in specs:
                hint = nearest_hint(parameter, specs) or f"; use one of {', '.join(specs)}"
                self.fail(f"unknown parameter '{parameter}' of [{name}]{hint}")
            values.setdefault(parameter, self._value(match, specs[parameter]))
            at = match.end()
        for spec in specs.values():
            if spec.required and spec.name not in values:
                self.fail(f"'[{self.word}]' needs the parameter {spec.name}=")
        return values

    def _value(self, match: re.Match[bytes], spec: ParameterSpec) -> tuple[bytes, list[int]]:
        group = 2 if match[2] is not None else 3
        first = self.start + 1 + (match.start(group) if match[group] is not None else match.end())
        raw = match[group] or b""
        if group == 3 and raw[:2].lower() == b"0x" and spec.is_template:
            if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", raw[2:]):
                self.fail(f"'[{self.word}]': {spec.name}={raw.decode()} is no even number of hexadecimal digits")
            escaped = b"".join(b"\\x%02x" % byte for byte in bytes.fromhex(raw[2:].decode("ascii")))
            return escaped, [first] * len(escaped)
        offsets = list(range(first, first + len(raw)))
        if group == 2:
            for pair in reversed(list(_QUOTED_PAIR.finditer(raw))):
                del offsets[pair.start()]
            raw = _QUOTED_PAIR.sub(rb"\1", raw)
        return raw, offsets

    def _templates(
        self, name: str, values: dict[str, tuple[bytes, list[int]]]
    ) -> tuple[tuple[str, Template], ...]:
        """Values of the parameters that may hold keywords."""
        templates = []
        for spec in PARAMETERS[name]:
            if spec.is_template and spec.name in values:
                text, offsets = values[spec.name]
                template = parse_template(text, self.scope.moved(offsets))
                for inner in keywords_of(template):
                    if not _may_stand_in(name, inner):
                        self.fail(f"'[{self.word}]': [{inner.name}] may not stand inside [{name}]")
                templates.append((spec.name, template))
        return tuple(templates)


def _may_stand_in(outer: str, inner: Keyword) -> bool:
    """Whether a parameter of the keyword `outer` may hold `inner`: no more than one of the two reads files."""
    if outer == "authentication":
        return inner.name != "authentication"
    return inner.name not in ("authentication", "file") and not (inner.name == "field" and inner.parameters)


def keywords_of(template: Template) -> Iterator[Keyword]:
    """The keywords of a template, without those in parameters."""
    return (part for part in template if isinstance(part, Keyword))
