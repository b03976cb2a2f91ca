"""Injection files in calls: which line a call has, lines by number, and lookup, insert and replace."""

from __future__ import annotations

import pytest

from sim.language import (
    LONG,
    assign,
    assign_text,
    client,
    complaints,
    given_back,
    log,
    logged,
    memory_bytes,
    nop,
    run,
    show,
)  # fmt: skip
from sim.ticks import Ticks, recv, request, scenario, send
from sippx._core.codes import Complaint


def lines(order: str, n: int = 5) -> bytes:
    return f"{order}\n".encode() + b"".join(b"k%d;v%d\n" % (i, i) for i in range(n))


def fields(order: str, n_calls: int, text: str = "[field0] [field1]", **more: object) -> list[str]:
    ticks = run(client(nop(log(text))), files={"a.csv": lines(order)}, n_calls=n_calls, **more).until(n_calls + 3)  # type: ignore[arg-type]
    return logged(ticks)


def test_sequential_lines_go_round() -> None:
    assert fields("SEQUENTIAL", 12) == [f"k{i % 5} v{i % 5}" for i in range(12)]


def test_random_lines_all_come_and_fields_are_of_one_line() -> None:
    shown = fields("RANDOM", 200)
    assert {text[1] for text in shown} == set("01234")
    assert all(text == f"k{text[1]} v{text[1]}" for text in shown)


def test_user_file_has_no_line_without_users() -> None:
    assert fields("USER", 3, "([field0])") == ["()"] * 3


def test_user_file_gives_the_line_of_the_user() -> None:
    text = client(nop(log("[userid] [field0]")), recv("200"))
    ticks = run(text, files={"a.csv": lines("USER")}, n_calls=0, n_users=5, bindings={"users": 5}).until(3)
    assert sorted(logged(ticks)) == [f"{user} k{user - 1}" for user in range(1, 6)]


def test_files_have_lines_of_their_own() -> None:
    text = client(nop(log("[field0] [field0 file=b.csv]")))
    files = {"a.csv": lines("SEQUENTIAL", 2), "b.csv": lines("SEQUENTIAL", 3)}
    assert logged(run(text, files=files, n_calls=6).until(9)) == [f"k{i % 2} k{i % 3}" for i in range(6)]


def test_server_calls_take_lines_as_they_come() -> None:
    text = scenario(recv("OPTIONS"), nop(log("[field0]")), send("200"))
    ticks = run(text, files={"a.csv": lines("SEQUENTIAL")})
    for number in range(1, 7):
        ticks.receive(request("OPTIONS", number=number))
    assert logged(ticks) == [f"k{i % 5}" for i in range(6)]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("0", "k0"), ("4", "k4"), ("3.000000", "k3"), ("2.9", "k2"), ("5", ""), ("4294967296", ""), ("-1", ""),
        ("0x2", "k2"), ("1e0", "k1"), ("nan", ""), ("inf", ""), ("-inf", ""), (" 1", "k1"),
    ],
)
def test_line_by_number_is_that_line(line: str, shown: str) -> None:
    text = client(nop(assign_text("n", line), log('([field0 line="[$n]"])')))
    assert logged(run(text, files={"a.csv": lines("SEQUENTIAL")}).until(3)) == [f"({shown})"]


def test_constant_line_is_that_line() -> None:
    assert fields("SEQUENTIAL", 2, "[field0 line=3]") == ["k3", "k3"]


def test_line_may_be_a_variable() -> None:
    text = client(nop(assign("n", 2), log('[field0 line="[$n]"] [field1 line="[field2]"]')))
    ticks = run(text, files={"a.csv": b"SEQUENTIAL\na;b;1\nc;d;2\ne;f;0\n"}).until(3)
    assert logged(ticks) == ["e d"]


@pytest.mark.parametrize("line", ["x", "1x", "", "1 2"])
def test_line_that_is_no_number_warns_and_is_empty(line: str) -> None:
    text = client(nop(assign_text("n", line), log('([field0 line="[$n]"])')))
    ticks = run(text, files={"a.csv": lines("SEQUENTIAL")}).until(3)
    found = complaints(ticks)
    assert found == [Complaint.COMPLAINT_BAD_LINE]
    assert ticks.counts("successful_calls", "warnings") == [1, 1]


def test_field_beyond_the_line_warns_and_is_empty() -> None:
    ticks = run(client(nop(log("([field7])"))), files={"a.csv": lines("SEQUENTIAL")}).until(3)
    assert complaints(ticks) == [Complaint.COMPLAINT_NO_FIELD]
    assert fields("SEQUENTIAL", 1, "([field7])") == ["()"]


# --------------------------------------------------------------------------- lookup, insert, replace

LOOKUP = "<lookup assign_to='n' file='a.csv' key='{}'/>"
INSERT = "<insert file='a.csv' value='{}'/>"
REPLACE = "<replace file='a.csv' line='{}' value='{}'/>"


def indexed(*actions: str, n_calls: int = 1, **more: object) -> Ticks:
    text = client(nop(*actions))
    return run(text, files={"a.csv": lines("SEQUENTIAL")}, columns={"a.csv": 0}, n_calls=n_calls, **more).until(  # type: ignore[arg-type]
        n_calls + 3
    )


@pytest.mark.parametrize(("key", "line"), [("k0", ""), ("k3", "3.000000"), ("nobody", "-1.000000"), ("", "-1.000000")])
def test_lookup_gives_the_line_of_the_key_or_minus_one(key: str, line: str) -> None:
    assert logged(indexed(LOOKUP.format(key), show("n"))) == [f"n=({line})"]


def test_inserted_line_is_found_by_all_later_calls() -> None:
    ticks = indexed(LOOKUP.format("n[call_number]"), log("[$n]"), INSERT.format("n[call_number];x[call_number]"),
                    LOOKUP.format("n1"), log('[$n]=[field1 line="[$n]"]'), n_calls=3)  # fmt: skip
    assert logged(ticks) == ["-1.000000", "5.000000=x1"] * 3


def test_inserted_lines_are_dealt_out_too() -> None:
    text = client(nop(log("[field0]"), INSERT.format("new[call_number];x")))
    ticks = run(text, files={"a.csv": lines("SEQUENTIAL", 2)}, columns={"a.csv": 0}, n_calls=4).until(8)
    assert logged(ticks) == ["k0", "k1", "new1", "new2"]


def test_replaced_line_has_its_new_key_only() -> None:
    ticks = indexed(REPLACE.format(2, "other;w"), LOOKUP.format("k2"), log("[$n]"), LOOKUP.format("other"),
                    log("[$n] [field1 line=2]"))  # fmt: skip
    assert logged(ticks) == ["-1.000000", "2.000000 w"]


@pytest.mark.parametrize("line", ["5", "-1", "x", "", "4294967296", "nan", "inf", "-inf"])
def test_replacement_of_a_line_that_is_not_there_is_a_warning(line: str) -> None:
    ticks = indexed(REPLACE.format(line, "other;w"), LOOKUP.format("other"), log("[$n]"))
    found = complaints(ticks)
    assert found == [Complaint.COMPLAINT_BAD_LINE]
    assert ticks.counts("successful_calls") == [1]


def test_engines_do_not_share_what_they_insert() -> None:
    for _ in range(2):
        assert logged(indexed(LOOKUP.format("new"), log("[$n]"), INSERT.format("new;x"))) == ["-1.000000"]


def test_replacing_for_long_gives_the_memory_of_calls_back() -> None:
    text = client(nop(REPLACE.format(1, "k1;[call_number]"), "<assignstr assign_to='t' value='[field1 line=0]'/>", log("[$t]")))
    data = b"SEQUENTIAL\nk0;" + LONG.encode() + b"\nk1;v1\n"

    def exchange(ticks: Ticks, _number: int) -> None:
        ticks.until(ticks.now_ms + 1)

    ticks = given_back(lambda **more: run(text, files={"a.csv": data}, columns={"a.csv": 0}, **more), exchange)
    assert memory_bytes(ticks) < 1 << 22
