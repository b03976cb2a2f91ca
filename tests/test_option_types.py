"""Texts of option values against C's own strtol and strtod."""

from __future__ import annotations

import ctypes
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sippx.option_types import (
    DEFAULT_BEHAVIORS,
    TIME_MAX_MS,
    parse_behaviors,
    parse_bool,
    parse_call_id_type,
    parse_float,
    parse_integer,
    parse_target,
    parse_time_ms,
    parse_tls_version,
    parse_transport,
)
from sippx.transports import MODES

libc = ctypes.CDLL(None)
libc.strtol.restype = ctypes.c_long
libc.strtod.restype = ctypes.c_double

integer_texts = st.one_of(
    st.text("0123456789abfxX+- \t", max_size=8),
    st.text("0123456789", max_size=4).map("0".__add__),
    st.integers(-(2**62), 2**62).map(str),
)
number_texts = st.one_of(
    st.text("0123456789.eEpPxXaf+- \t", max_size=9),
    st.floats().map(str),
    st.decimals(0, 10**6, places=4).map(str),
    st.floats(allow_nan=False).map(float.hex),
    st.sampled_from(
        ["inf", "-Infinity", "NaN", "nan(12)", "nan(", "infinit", "1_000", "\u0661", "0x.8p1", "1e400"]
    ),
)


def strtol(text: str) -> int | None:
    """C's value of `text` in base 0, None when characters are left over."""
    raw = ctypes.create_string_buffer(text.encode())
    end = ctypes.c_void_p()
    value = int(libc.strtol(raw, ctypes.byref(end), 0))
    return value if end.value == ctypes.addressof(raw) + len(raw) - 1 else None


def strtod(text: str) -> tuple[float, str]:
    """C's value of `text` and the characters left over."""
    raw = ctypes.create_string_buffer(text.encode())
    end = ctypes.c_void_p()
    value = float(libc.strtod(raw, ctypes.byref(end)))
    return value, raw.value[(end.value or 0) - ctypes.addressof(raw) :].decode()


@given(integer_texts)
def test_integers_are_what_strtol_reads_in_base_0(text: str) -> None:
    expected = strtol(text)
    if expected is None:
        with pytest.raises(ValueError, match="is not a valid integer!"):
            parse_integer(text)
    else:
        assert parse_integer(text) == expected


@given(number_texts)
def test_floats_are_what_strtod_reads(text: str) -> None:
    expected, rest = strtod(text)
    if rest:
        with pytest.raises(ValueError, match="is not a floating point number!"):
            parse_float(text)
    else:
        value = parse_float(text)
        assert value == expected or (math.isnan(value) and math.isnan(expected))


@given(number_texts, st.sampled_from(["", "ms", "s", "m", "h", "S", " s", "d"]), st.sampled_from(["ms", "s"]))
def test_times_are_a_strtod_number_and_a_unit_cut_to_whole_milliseconds(
    number: str, suffix: str, default_unit: str
) -> None:
    text = number + suffix
    value, rest = strtod(text)
    unit_ms = {"": {"ms": 1, "s": 1000}[default_unit], "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
    is_time = text[:1] in tuple("0123456789") and rest in unit_ms
    if is_time and value * unit_ms[rest] <= TIME_MAX_MS:
        assert parse_time_ms(text, default_unit) == math.trunc(value * unit_ms[rest])
    else:
        with pytest.raises(ValueError, match="too long a time!" if is_time else "is not a valid time!"):
            parse_time_ms(text, default_unit)


@pytest.mark.parametrize("text", ["1:30", "1:02:03", "", "-5", ".5"])
def test_times_that_sipp_refuses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid time!"):
        parse_time_ms(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("FALSE", False), ("True", True), ("", False), ("0", False), ("-1", True)],
)
def test_booleans_are_words_or_integers(text: str, expected: bool) -> None:
    assert parse_bool(text) is expected


def test_a_word_that_is_no_boolean_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a valid boolean!"):
        parse_bool("yes")


@given(st.lists(st.sampled_from(["", "all", "+all", "-all", "none", "bye", "+bye", "-bye", "abortunexp"])))
def test_behaviors_are_switched_from_left_to_right(words: list[str]) -> None:
    on = dict.fromkeys(DEFAULT_BEHAVIORS, False)
    for word in words:
        name = word.strip("+-")
        for behavior in DEFAULT_BEHAVIORS if name in ("all", "none") else (name,) if name else ():
            on[behavior] = name != "none" and not word.startswith("-")
    assert parse_behaviors(",".join(words)) == {name for name, is_on in on.items() if is_on}


def test_cseq_is_on_where_it_is_named() -> None:
    assert parse_behaviors("all,cseq") == {*DEFAULT_BEHAVIORS, "cseq"}
    assert parse_behaviors("cseq,-all") == set()


@pytest.mark.parametrize("text", ["uuid32", "UUID-Compact", "uuidcompact"])
def test_a_call_id_type_has_several_names(text: str) -> None:
    assert parse_call_id_type(text) == "uuid-compact"


def test_an_unknown_call_id_type_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="use default, uuid, uuid-compact, random, timestamp"):
        parse_call_id_type("serial")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("zork", "unknown default behavior 'zork'; use all, none, bye, abortunexp, pingreply"),
        ("all,+-bye", "unknown default behavior '+-bye'"),
        ("-none", "unknown default behavior '-none'"),
        ("-cseqs", "unknown default behavior '-cseqs'"),
    ],
)
def test_an_unknown_behavior_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        parse_behaviors(text)


@pytest.mark.parametrize("name", MODES)
def test_every_mode_of_the_table_is_taken(name: str) -> None:
    assert parse_transport(name) == name


def test_an_unknown_transport_mode_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"is not a transport mode; use u1, un, ui, t1, tn, l1, ln, s1, sn, w1, wn, ws1, wsn"):
        parse_transport("x1")
    with pytest.raises(ValueError, match="compressed UDP"):
        parse_transport("cn")


@pytest.mark.parametrize(("text", "version"), [("1", "1.0"), ("1.0", "1.0"), ("1.20", "1.2"), ("1.3", "1.3"), ("0", None)])
def test_a_version_of_tls_is_a_number_as_for_sipp(text: str, version: str | None) -> None:
    assert parse_tls_version(text) == version


@pytest.mark.parametrize("text", ["1.25", "2", "x", "-1.2", "nan"])
def test_other_versions_of_tls_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a version of TLS; use 1\.0, 1\.1, 1\.2, 1\.3"):
        parse_tls_version(text)


@pytest.mark.parametrize("text", ["/", "/sip?room=1&x=%20", "/" + "a" * 499])
def test_a_path_of_a_websocket_is_taken_as_it_is(text: str) -> None:
    assert parse_target(text) == text


@pytest.mark.parametrize("text", ["", "sip", "/a b", "/a#b", "/\r\nHost: x", "/\u00fc", "/" + "a" * 500])
def test_what_cannot_stand_in_a_request_line_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_target(text)
