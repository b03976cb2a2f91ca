"""The types of option values: what text and what Python values they take, as SIPp reads them.

Texts follow C's `strtol` with base 0 and `strtod`; times are numbers with the units ms, s, m, h.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sippx.transports import COMPRESSED_MODES, MODES

INT32_MAX = 2**31 - 1
TIME_MAX_MS = 2**53
"""Largest time: the integers up to here are exact as float, which is what `strtod` computes in."""

DEFAULT_BEHAVIORS = ("bye", "abortunexp", "pingreply")
"""Names that -default_behaviors switches; `all` and `none` stand for all and none of them."""

ALL_BEHAVIORS = (*DEFAULT_BEHAVIORS, "cseq")
"""`cseq` came to SIPp later: it has to be named."""

CALL_ID_TYPES = ("default", "uuid", "uuid-compact", "random", "timestamp")
_CALL_ID_TYPE_ALIASES = {
    "format": "default", "legacy": "default", "uuidcompact": "uuid-compact", "uuid32": "uuid-compact",
    "random-hex": "random", "time": "timestamp",
}  # fmt: skip

DNS_MODES = ("first", "all", "srv")

TDM_CIRCUITS_MAX = 1024

TLS_VERSIONS = ("1.0", "1.1", "1.2", "1.3")

TARGET_MAX_CHARS = 500
"""Longest path of a WebSocket."""

_TDM_MAP = re.compile(r"\{(\d+)-(\d+)\}\{(\d+)\}\{(\d+)-(\d+)\}\{(\d+)-(\d+)\}")
_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_NUMBER = (
    r"0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?"
    r"|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
)
_NO_NUMBER = r"[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN](?:\([0-9A-Za-z_]*\))?"
_FLOAT = re.compile(rf"[ \t\n\v\f\r]*([+-]?)({_NUMBER}|{_NO_NUMBER})")
_TIME = re.compile(rf"(?=[0-9])({_NUMBER})(ms|s|m|h)?")
_MS_OF_UNIT = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def parse_integer(text: str) -> int:
    """Value of `text` as C's strtol with base 0 reads it: decimal, 0x hexadecimal, 0 octal; empty = 0.

    Raises ValueError when characters are left over.
    """
    if not text:
        return 0
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise ValueError("is not a valid integer! Use a decimal, 0x hexadecimal or 0 octal number")
    sign, digits = match.groups()
    base = 16 if digits[:2].lower() == "0x" else 8 if digits[0] == "0" else 10
    value = int(digits, base)
    return -value if sign == "-" else value


def parse_float(text: str) -> float:
    """Value of `text` as C's strtod reads it: decimal or hexadecimal, inf and nan, empty = 0.

    Raises ValueError when characters are left over.
    """
    if not text:
        return 0.0
    match = _FLOAT.fullmatch(text)
    if match is None:
        raise ValueError("is not a floating point number!")
    value = _c_float(match[2])
    return -value if match[1] == "-" else value


def parse_time_ms(text: str, default_unit: str = "ms") -> int:
    """Milliseconds of a time: a number and a unit ms, s, m (minutes) or h; without one `default_unit`.

    The first character must be a digit; fractions of a millisecond are cut off. Raises ValueError otherwise.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("is not a valid time! Use a number and a unit (ms, s, m, h), such as 500ms or 1.5s")
    value_ms = _c_float(match[1]) * _MS_OF_UNIT[match[2] or default_unit]
    if value_ms > TIME_MAX_MS:
        raise ValueError(f"is too long a time! At most {TIME_MAX_MS} ms are allowed")
    return int(value_ms)


def parse_bool(text: str) -> bool:
    """`true` or `false` in any case, otherwise an integer that is not 0; empty = false."""
    word = text.lower()
    if word in ("true", "false"):
        return word == "true"
    try:
        return parse_integer(text) != 0
    except ValueError:
        raise ValueError("is not a valid boolean! Use true, false or an integer") from None


def parse_transport(text: str) -> str:
    """The transport mode of -t: a name of `sippx.transports.MODES`."""
    if text in MODES:
        return text
    if text in COMPRESSED_MODES:
        raise ValueError(
            "is compressed UDP, which needs a plugin of SIPp's own that this version of sippx does not have"
        )
    raise ValueError(f"is not a transport mode; use {', '.join(MODES)} ('sippx -h t' says what they are)")


def parse_tls_version(text: str) -> str | None:
    """1.0, 1.1, 1.2 or 1.3, as SIPp a number; None for 0, which leaves the choice to both sides."""
    try:
        number = parse_float(text)
    except ValueError:
        number = -1.0
    if number == 0:
        return None
    name = f"{number:g}" if number != 1 else "1.0"
    if name not in TLS_VERSIONS:
        raise ValueError(f"is not a version of TLS; use {', '.join(TLS_VERSIONS)}")
    return name


def parse_target(text: str) -> str:
    """The target of an HTTP request (RFC 9112 3.2.1): a path, and a query where it has one."""
    if not text.startswith("/"):
        raise ValueError("is not a path: it has to begin with '/'")
    if len(text) > TARGET_MAX_CHARS:
        raise ValueError(f"is too long a path! At most {TARGET_MAX_CHARS} characters are allowed")
    if not re.fullmatch(r"[!-~]+", text) or "#" in text:
        raise ValueError("is not a path: blanks, '#' and what is not ASCII are written as %XX")
    return text


def parse_behaviors(text: str) -> frozenset[str]:
    """Behaviours left on by a -default_behaviors list, read from left to right, beginning with none on."""
    chosen: set[str] = set()
    for word in filter(None, text.split(",")):
        name = word[1:] if word.startswith(("+", "-")) else word
        if name not in (*ALL_BEHAVIORS, "all", "none") or word == "-none":
            raise ValueError(_unknown_behavior(word, ("all", "none", *ALL_BEHAVIORS)))
        if name == "none":
            chosen.clear()
        elif word.startswith("-"):
            chosen.difference_update(ALL_BEHAVIORS if name == "all" else (name,))
        else:
            chosen.update(DEFAULT_BEHAVIORS if name == "all" else (name,))
    return frozenset(chosen)


def _unknown_behavior(name: str, allowed: tuple[str, ...]) -> str:
    return f"names the unknown default behavior '{name}'; use {', '.join(allowed)}"


def _c_float(text: str) -> float:
    """`text` without a sign, known to match _NUMBER, inf or nan."""
    try:
        return float.fromhex(text) if text[:2].lower() == "0x" else float(text.partition("(")[0])
    except OverflowError:
        return float("inf")


def _check_integer(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def _check_float(value: Any) -> float:
    if isinstance(value, (bool, str, bytes)):
        raise TypeError
    return float(value)


def _check_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _check_string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _check_transport(value: Any) -> str:
    return parse_transport(_check_string(value))


def _check_tls_version(value: Any) -> str | None:
    return parse_tls_version(_check_string(value))


def _check_target(value: Any) -> str:
    return parse_target(_check_string(value))


def parse_retransmission_check(text: str) -> str:
    """full or loose."""
    if text in ("full", "loose"):
        return text
    raise ValueError("is no way to recognise retransmissions; use full or loose")


def parse_dns_mode(text: str) -> str:
    """One of DNS_MODES."""
    if text not in DNS_MODES:
        raise ValueError(f"is no way to find a remote host; use {', '.join(DNS_MODES)}")
    return text


def parse_call_id_type(text: str) -> str:
    """One of CALL_ID_TYPES; SIPp's other names for them are allowed, in any case."""
    name = _CALL_ID_TYPE_ALIASES.get(text.lower(), text.lower())
    if name not in CALL_ID_TYPES:
        raise ValueError(f"is no way to make Call-IDs; use {', '.join(CALL_ID_TYPES)}")
    return name


def _check_behaviors(value: Any) -> frozenset[str]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise TypeError
    names = frozenset(_check_string(name) for name in value)
    for name in sorted(names.difference(ALL_BEHAVIORS)):
        raise ValueError(_unknown_behavior(name, ALL_BEHAVIORS))
    return names


def _check_keys(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError
    return {_check_string(name): _check_string(text) for name, text in value.items()}


def _check_indexes(value: Any) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise TypeError
    indexes = {}
    for name, column in value.items():
        number = parse_integer(column) if isinstance(column, str) else _check_integer(column)
        if number < 0:
            raise ValueError(f"has the negative column {number}")
        indexes[_check_string(name)] = number
    return indexes


def _check_strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError
    return tuple(_check_string(item) for item in value)


def parse_tdm_map(text: str) -> tuple[int, ...]:
    """SIPp's {a-b}{c}{d-e}{f-g}: (a, number, c, d, number, f, number) of its ranges."""
    match = _TDM_MAP.fullmatch(text)
    if match is None:
        raise ValueError("is not of the form {a-b}{c}{d-e}{f-g}, with numbers")
    a, b, c, d, e, f, g = map(int, match.groups())
    if b < a or e < d or g < f:
        raise ValueError("has a range that ends before it begins")
    numbers = (a, b - a + 1, c, d, e - d + 1, f, g - f + 1)
    if max(numbers) > INT32_MAX or numbers[1] * numbers[4] * numbers[6] > TDM_CIRCUITS_MAX:
        raise ValueError(f"has more than {TDM_CIRCUITS_MAX} circuits")
    return numbers


def _check_tdm_map(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        return parse_tdm_map(value)
    numbers = tuple(_check_integer(number) for number in value)
    if len(numbers) != 7 or not 1 <= numbers[1] * numbers[4] * numbers[6] <= TDM_CIRCUITS_MAX:
        raise ValueError("is not (a, number, b, c, number, d, number)")
    return numbers


@dataclass(frozen=True, slots=True)
class ValueType:
    """What values an option takes.

    parse: argument text -> value, ValueError with the rest of the sentence `-x, "text" ...`.
    check: Python value -> value to store, TypeError for a wrong type, ValueError like `parse`.
    description: what the Python API accepts, for the error text. metavar: name of the argument in the help.
    is_list: the option may be repeated, and its values are collected.
    """

    description: str
    metavar: str
    parse: Callable[[str], Any]
    check: Callable[[Any], Any]
    unit: str = ""
    n_arguments: int = 1
    is_list: bool = False


FLAG = ValueType("True or False", "", parse_bool, _check_flag, n_arguments=0)
BOOL = ValueType("True or False", "BOOL", parse_bool, _check_flag)
INTEGER = ValueType("an integer", "N", parse_integer, _check_integer)
FLOAT = ValueType("a number", "X", parse_float, _check_float)
TIME_MS = ValueType("an integer of milliseconds", "TIME", parse_time_ms, _check_integer, unit="ms")
TIME_S = ValueType(
    "an integer of milliseconds", "TIME", lambda text: parse_time_ms(text, "s"), _check_integer, unit="s"
)
STRING = ValueType("a string", "TEXT", str, _check_string)
TRANSPORT = ValueType(f"one of {', '.join(MODES)}", "MODE", parse_transport, _check_transport)
TLS_VERSION = ValueType(f"one of {', '.join(TLS_VERSIONS)}", "VERSION", parse_tls_version, _check_tls_version)
TARGET = ValueType("a path", "PATH", parse_target, _check_target)
BEHAVIORS = ValueType(f"a set of {', '.join(ALL_BEHAVIORS)}", "LIST", parse_behaviors, _check_behaviors)
KEYS = ValueType("a mapping of strings to strings", "KEYWORD VALUE", str, _check_keys, n_arguments=2)
KEYS_OF_VARIABLES = ValueType("a mapping of strings to strings", "VARIABLE VALUE", str, _check_keys, n_arguments=2)
INDEXES = ValueType("a mapping of file names to columns", "FILE COLUMN", str, _check_indexes, n_arguments=2)
PATHS = ValueType("a sequence of file names", "FILE", str, _check_strings, is_list=True)
STRINGS = ValueType("a sequence of strings", "TEXT", str, _check_strings, is_list=True)
CALL_ID_TYPE = ValueType(
    "a way to make Call-IDs", "TYPE", parse_call_id_type, lambda v: parse_call_id_type(_check_string(v))
)
DNS_MODE = ValueType("first, all or srv", "HOW", parse_dns_mode, lambda v: parse_dns_mode(_check_string(v)))
RETRANSMISSION_CHECK = ValueType(
    '"full" or "loose"', "HOW", parse_retransmission_check, lambda v: parse_retransmission_check(_check_string(v))
)
TDM_MAP = ValueType("a TDM map", "MAP", parse_tdm_map, _check_tdm_map)
