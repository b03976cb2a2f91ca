"""Serving injection files: against a slow twin, C's printf and the rules of states that share a file."""

from __future__ import annotations

import ctypes
import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reference.injection import SlowInjection, read
from sippx._core.injection import Injection, InjectionState
from sippx.injection import parse_injection

NO_LINE, FULL, PRINTF, TOO_LONG = "-3", "-4", "-5", "-2"

TEXTS = st.one_of(
    st.text("abc;", max_size=6).map(str.encode),
    st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"")),
)
FILES = st.lists(st.text("abc;", min_size=1, max_size=20).map(str.encode), min_size=1, max_size=8)


def state(data: bytes, column: int | None = None, **options: Any) -> InjectionState:
    return InjectionState(Injection(parse_injection(data, "f.csv"), column), **options)


def picks(of: InjectionState, n: int) -> list[int | None]:
    return [of.pick() for _ in range(n)]


# --------------------------------------------------------------------------- picking


def test_sequential_wraps() -> None:
    assert picks(state(b"SEQUENTIAL\na\nb\nc\n"), 7) == [0, 1, 2, 0, 1, 2, 0]


def test_sequential_goes_on_into_inserted_lines() -> None:
    served = state(b"SEQUENTIAL\na\nb\n")
    assert served.pick() == 0
    served.insert(b"c")
    assert picks(served, 4) == [1, 2, 0, 1]


def test_a_line_inserted_after_the_wrap_waits_for_the_next_round() -> None:
    served = state(b"SEQUENTIAL\na\n")
    assert served.pick() == 0
    served.insert(b"b")
    assert picks(served, 3) == [0, 1, 0]


def test_random_takes_every_line_about_as_often() -> None:
    served = state(b"RANDOM\na\nb\nc\nd\n")
    served.insert(b"e")
    counts = np.bincount(np.array(picks(served, 5000), dtype=int), minlength=5)
    assert len(counts) == 5
    assert counts.min() > 800


def test_states_with_different_seeds_draw_differently() -> None:
    file = Injection(parse_injection(b"RANDOM,PRINTF=1000\na\n", "f.csv"))
    first, second, again = (picks(InjectionState(file, seed), 20) for seed in (1, 2, 1))
    assert first == again != second


@pytest.mark.parametrize(("user", "line"), [(0, None), (1, 0), (2, 1), (3, None), (2**32 - 1, None)])
def test_a_user_has_the_line_before_its_number(user: int, line: int | None) -> None:
    assert state(b"USER\na\nb\n").pick(user) == line


def test_printf_lines_are_the_virtual_ones() -> None:
    served = state(b"SEQUENTIAL,PRINTF=3\na\nb\n")
    assert len(served) == 3
    assert picks(served, 5) == [0, 1, 2, 0, 1]


# --------------------------------------------------------------------------- fields


@given(FILES, st.integers(-2, 10), st.integers(0, 6))
@example([b"a;b;"], 0, 2)
@example([b"seven77;eight888"], 0, 1)
@example([b"seven777;"], 0, 1)
def test_fields_are_those_of_the_slow_twin(lines: list[bytes], line: int, n: int) -> None:
    data = b"\n".join([b"SEQUENTIAL", *lines])
    assert state(data).field(line, n) == read(data).field(line, n)


@pytest.mark.parametrize("line", [-(2**63), -1, 2, 2**32 - 1, 2**32, 2**63 - 1])
@pytest.mark.parametrize("header", [b"USER", b"USER,PRINTF=2"])
def test_a_line_out_of_range_has_empty_fields(header: bytes, line: int) -> None:
    assert state(header + b"\na\nb\n").field(line, 5) == b""


def test_a_field_behind_the_last_is_none() -> None:
    served = state(b"USER\na;b\n")
    assert (served.field(0, 1), served.field(0, 2), served.field(0, 2**32 - 1)) == (b"b", None, None)


def test_a_field_longer_than_the_buffer_is_refused() -> None:
    served = state(b"USER\nabcd\n")
    assert served.field(0, 0, 4) == b"abcd"
    with pytest.raises(ValueError, match=TOO_LONG):
        served.field(0, 0, 3)


# --------------------------------------------------------------------------- PRINTF

CONVERSIONS = st.builds(
    "%{}{}{}d".format,
    st.text("-0", max_size=3),
    st.one_of(st.just(""), st.integers(1, 40).map(str)),
    st.one_of(st.just(""), st.just("."), st.integers(0, 40).map(".{}".format)),
)


def c_printf(conversion: str, value: int) -> bytes:
    out = ctypes.create_string_buffer(2048)
    form = conversion.removesuffix("d") + "lld"
    ctypes.CDLL(None).snprintf(out, ctypes.c_size_t(2048), form.encode(), ctypes.c_longlong(value))
    return out.value


@given(CONVERSIONS, st.one_of(st.integers(-(10**6), 10**6), st.integers(-(2**62) + 1, 2**62 - 1)))
@example("%.d", 0)
@example("%-08.0d", 0)
def test_a_conversion_prints_what_c_prints(conversion: str, value: int) -> None:
    header = b"USER,PRINTF=1,PRINTFOFFSET=%d\n" % value
    assert state(header + conversion.encode()).field(0, 0) == c_printf(conversion, value)
    assert read(header + conversion.encode()).field(0, 0) == c_printf(conversion, value)


def test_the_largest_values_do_not_overflow() -> None:
    low, high = -(2**62) + 1, 2**62 - 1
    last = 2**31 - 2
    for offset, multiple in ((low, -(2**31) + 1), (high, 2**31 - 1)):
        served = state(b"USER,PRINTF=%d,PRINTFOFFSET=%d,PRINTFMULTIPLE=%d\n%%d" % (last + 1, offset, multiple))
        assert served.field(last, 0) == b"%d" % (offset + last * multiple)


def test_virtual_lines_take_the_data_lines_in_turn() -> None:
    served = state(b"SEQUENTIAL,PRINTF=4,PRINTFOFFSET=10,PRINTFMULTIPLE=5\na%d;50%%\nb%03d%d\n")
    assert [served.field(line, 0) for line in range(5)] == [b"a10", b"b01515", b"a20", b"b02525", b""]
    assert (served.field(2, 1), served.field(3, 1)) == (b"50%", None)


@pytest.mark.parametrize("text", [b"%d%%%d!", b"abc", b"%-9d", b"%9d", b"abc%%"])
def test_expansion_stops_at_the_buffers_end(text: bytes) -> None:
    served = state(b"USER,PRINTF=1,PRINTFOFFSET=1234\n" + text)
    whole = served.field(0, 0)
    assert whole is not None
    assert served.field(0, 0, len(whole)) == whole
    for cap in range(len(whole)):
        with pytest.raises(ValueError, match=TOO_LONG):
            served.field(0, 0, cap)


@pytest.mark.parametrize("text", [b"%", b"%x", b"%5-d", b"%1000d", b"%.1000d", b"%" + b"1" * 70 + b"d", b"%5"])
def test_a_percent_sign_that_converts_nothing_is_printed(text: bytes) -> None:
    table = parse_injection(b"USER\n" + text + b";%d", "f.csv")
    served = InjectionState(Injection(dataclasses.replace(table, n_virtual=7)))
    assert served.field(5, 0) == text
    assert served.field(5, 1) == b"5"


def test_a_printf_file_cannot_be_changed_or_indexed() -> None:
    served = state(b"USER,PRINTF=3\na")
    with pytest.raises(ValueError, match=PRINTF):
        served.insert(b"b")
    with pytest.raises(ValueError, match=PRINTF):
        served.replace(0, b"b")
    with pytest.raises(ValueError, match="a PRINTF file cannot be indexed"):
        state(b"USER,PRINTF=3\na", 0)


# --------------------------------------------------------------------------- inserts, replacements, lookups

ACTIONS = st.lists(st.tuples(st.sampled_from(["insert", "replace", "lookup"]), st.integers(0, 30), TEXTS), max_size=60)


@settings(max_examples=200)
@given(FILES, st.sampled_from([None, 0, 1]), ACTIONS)
def test_changes_and_lookups_are_those_of_the_slow_twin(
    lines: list[bytes], column: int | None, actions: list[tuple[str, int, bytes]]
) -> None:
    data = b"\n".join([b"SEQUENTIAL", *lines])
    fast, twin = state(data, column), read(data, column)
    for action, line, text in actions:
        if action == "insert":
            fast.insert(text)
            twin.insert(text)
        elif action == "replace":
            fast.replace(line % twin.n_lines, text)
            twin.replace(line % twin.n_lines, text)
        assert fast.lookup(text) == twin.lookup(text)
        assert fast.pick() == twin.pick()
    fast.check()
    assert_alike(fast, twin)


def assert_alike(fast: InjectionState, twin: SlowInjection) -> None:
    assert len(fast) == twin.n_lines
    for line in range(twin.n_lines):
        assert [fast.field(line, n) for n in range(4)] == [twin.field(line, n) for n in range(4)]
    for key in [*twin.index, b"no such key"]:
        assert fast.lookup(key) == twin.lookup(key)


def test_many_changes_leave_a_consistent_index() -> None:
    data = b"SEQUENTIAL\n" + b"".join(b"u%d;x\n" % i for i in range(100))
    fast, twin = state(data, 0), read(data, 0)
    rng = np.random.default_rng(3)
    for i in range(5000):
        text = b"u%d;%s" % (rng.integers(1500), b"y" * int(rng.integers(30)))
        if i % 3:
            line = int(rng.integers(twin.n_lines))
            fast.replace(line, text)
            twin.replace(line, text)
        else:
            fast.insert(text)
            twin.insert(text)
    fast.check()
    assert_alike(fast, twin)


@pytest.mark.parametrize(
    ("line", "text", "found"),
    [
        (1, b"q", {b"b": -1, b"q": 1, b"a": 2}),  # an only one
        (2, b"q", {b"a": -1, b"q": 2}),  # the later of two: the earlier does not come back
        (0, b"q", {b"a": 2, b"q": 0}),  # the earlier of two
        (0, b"a;new", {b"a": 0}),  # the last to be written wins
    ],
)
def test_replacing_moves_keys_as_sipp_does(line: int, text: bytes, found: dict[bytes, int]) -> None:
    served = state(b"SEQUENTIAL\na;1\nb;2\na;3\n", 0)
    served.replace(line, text)
    assert {key: served.lookup(key) for key in found} == found


def test_a_line_without_the_column_is_indexed_as_empty() -> None:
    assert state(b"USER\na;1\nb\n", 1).lookup(b"") == 1


def test_lookup_without_an_index_finds_nothing() -> None:
    assert state(b"USER\na\n").lookup(b"a") == -1


def test_states_do_not_share_changes() -> None:
    file = Injection(parse_injection(b"SEQUENTIAL\na\nb\n", "f.csv"), 0)
    first, second = InjectionState(file), InjectionState(file)
    first.pick()
    first.insert(b"c")
    first.replace(0, b"d")
    assert (len(second), second.pick(), second.field(0, 0), second.lookup(b"c")) == (2, 0, b"a", -1)


@pytest.mark.parametrize("line", [-1, 2, 2**32, 2**63 - 1])
def test_replacing_a_line_that_does_not_exist_is_refused(line: int) -> None:
    with pytest.raises(ValueError, match=NO_LINE):
        state(b"USER\na\nb\n").replace(line, b"c")


def test_a_line_of_more_than_a_mebibyte_is_refused() -> None:
    served = state(b"USER\na\n")
    served.insert(b"x" * (1 << 20))
    for change in (served.insert, lambda text: served.replace(0, text)):
        with pytest.raises(ValueError, match=TOO_LONG):
            change(b"x" * ((1 << 20) + 1))


@pytest.mark.parametrize("column", [None, 0])
def test_inserts_stop_at_max_bytes_and_change_nothing_then(column: int | None) -> None:
    served = state(b"SEQUENTIAL\na\n", column, max_bytes=40_000)
    n = 0
    with pytest.raises(ValueError, match=FULL):
        while n < 10_000:
            served.insert(b"line %d" % n)
            n += 1
    assert 300 < n < 2000
    assert (len(served), served.field(n, 0)) == (n + 1, b"line %d" % (n - 1))
    assert served.lookup(b"line %d" % n) == -1
    assert served.n_bytes <= 40_000
    served.check()


@pytest.mark.parametrize("column", [None, 0])
def test_replacements_stop_at_max_bytes_and_change_nothing_then(column: int | None) -> None:
    served = state(b"SEQUENTIAL\na\nb\n", column, max_bytes=9_000)
    with pytest.raises(ValueError, match=FULL):
        served.replace(1, b"x" * 9_000)
    assert (served.field(0, 0), served.field(1, 0)) == (b"a", b"b")
    assert served.lookup(b"b") == (-1 if column is None else 1)
    served.check()


def test_replacing_one_line_again_and_again_takes_bounded_memory() -> None:
    served = state(b"SEQUENTIAL\na\n")
    for i in range(20_000):
        served.replace(0, b"x" * (i % 300))
    assert served.n_bytes < 16_384


# --------------------------------------------------------------------------- the door


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": 3}, "no such order: 3"),
        ({"n_virtual": 2**31}, "2147483648 virtual lines, at most 2147483647"),
        ({"printf_offset": 2**62}, "printf_offset or printf_multiple too large"),
        ({"printf_multiple": -(2**31)}, "printf_offset or printf_multiple too large"),
        ({"line_start": np.array([5, 8], np.uint32)}, "line 1 ends behind the data"),
        ({"line_len": np.array([1, 2**32 - 1], np.uint32)}, "line 1 ends behind the data"),
        ({"line_len": np.array([1], np.uint32)}, "2 line starts and 1 lengths"),
        ({"line_start": np.array([], np.uint32)}, "0 line starts and 2 lengths"),
        ({"data": np.zeros(8, np.uint8)}, "line 0 ends behind the data"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    table = parse_injection(b"USER\na\nb", "f.csv")
    with pytest.raises(ValueError, match=message):
        Injection(dataclasses.replace(table, **change))


@pytest.mark.parametrize("column", [-1, 2**31])
def test_an_impossible_column_is_refused(column: int) -> None:
    with pytest.raises(ValueError, match="no such column"):
        state(b"USER\na", column)
