"""Tests of keywords with parameters and of those that need more than constants: pieces, rows, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from xml_text import compiled, error_of, load, send, send_text

from sippx._core.codes import PieceKind
from sippx._core.program import Program
from sippx.scenario import ProgramSpec
from sippx.scenario.model import Keyword, Literal, Template, Variable
from sippx.scenario.template_text import Scope, parse_template

FILES = ("first.csv", "second.csv")
USES = '<nop condexec="v"/><nop condexec="v"/>'
"""Makes $v known, so that a keyword may name it."""


def program(line: str, *, more: str = USES, extra: str = "", **options: Any) -> ProgramSpec:
    """Program of an INVITE with this header line and a mention of $v."""
    spec = compiled(send(extra=f"X: {line}\n{extra}") + more, injection_names=FILES, **options)
    Program(spec)
    return spec


def rows_of(spec: ProgramSpec, kind: PieceKind) -> list[Any]:
    first, count = int(spec.steps[0]["piece_first"]), int(spec.steps[0]["n_pieces"])
    return [row for row in spec.pieces[first : first + count] if row["kind"] == kind]


def only(spec: ProgramSpec, kind: PieceKind) -> Any:
    (row,) = rows_of(spec, kind)
    return row


def texts(spec: ProgramSpec, first: int, count: int) -> list[bytes | int]:
    """Texts of literals and numbers of variables in a range of pieces."""
    return [
        int(row["offset"])
        if row["kind"] == PieceKind.PIECE_VARIABLE
        else spec.pool[int(row["off"]) :][: int(row["len"])]
        for row in spec.pieces[first : first + count]
    ]


def refused(line: str, **options: Any) -> str:
    return error_of(send(extra=f"X: {line}") + USES, **{"injection_names": FILES, **options}).message


# -- fields ---------------------------------------------------------------------------------------------


def test_field_of_the_first_file() -> None:
    row = only(program("[field3]"), PieceKind.PIECE_FIELD)
    assert (row["offset"], row["arg"], row["len"], row["suppress"]) == (3, 0, 0, 0)


@pytest.mark.parametrize("text", ['file="second.csv"', "file=second.csv", ' file="second.csv" '])
def test_field_of_a_named_file(text: str) -> None:
    assert only(program(f"[field0 {text}]"), PieceKind.PIECE_FIELD)["arg"] == 1


def test_field_with_a_line_keeps_its_pieces_in_rows() -> None:
    spec = program('[field1 file="first.csv" line="4[$v]"]')
    row = only(spec, PieceKind.PIECE_FIELD)
    assert texts(spec, int(row["off"]), int(row["len"])) == [b"4", 0]


def test_field_at_the_start_of_a_line_may_take_the_line_away() -> None:
    assert only(compiled(send(extra="[field0]\nX: 1"), injection_names=FILES), PieceKind.PIECE_FIELD)["suppress"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[field]", "must be followed by the number of a field"),
        ("[fieldx]", "must be followed by the number of a field"),
        ("[field0x]", "must be followed by the number of a field"),
        ("[field9999999]", "0 to 100000"),
        ('[field0 file="secnd.csv"]', "did you mean 'second.csv'?"),
        ('[field0 line="x"]', "'x' is no line number"),
        ('[field0 line=""]', "'' is no line number"),
        ("[field0 lin=1]", "unknown parameter 'lin' of [field]; did you mean 'line'?"),
        ("[field0 second.csv]", "'second.csv' is no name=value parameter"),
        ('[field0 line="[field1 line=\\"1\\"]"]', "[field] may not stand inside [field]"),
        ('[field0 line="[file name=x]"]', "[file] may not stand inside [field]"),
    ],
)
def test_bad_fields_are_refused(text: str, message: str) -> None:
    assert message in refused(text)


def test_field_without_any_file_is_refused() -> None:
    assert "no injection file was given (-inf)" in refused("[field0]", injection_names=())


def test_offset_of_a_field_has_no_effect() -> None:
    (warning,) = load(send(extra="X: [field1+1]"), injection_names=FILES).warnings
    assert "[field] takes none" in warning


def test_sign_and_digit_inside_a_parameter_are_no_offset() -> None:
    scope = Scope(injection_names=("a-1.csv",))
    assert parse_template(b'[field0 file="a-1.csv"]', scope) == (Keyword("field", "a-1.csv"),)


# -- file and fill --------------------------------------------------------------------------------------


def test_file_keeps_the_pieces_of_its_name_in_rows() -> None:
    spec = program('[file name="/tmp/[$v].[service]"]')
    row = only(spec, PieceKind.PIECE_FILE)
    assert texts(spec, int(row["off"]), int(row["len"])) == [b"/tmp/", 0, b".service"]
    assert only(program("[file name=/tmp/x]"), PieceKind.PIECE_FILE)["len"] == 1


@pytest.mark.parametrize(("text", "expected"), [("", b"X"), (' text="ab"', b"ab"), (" text=a,b", b"a,b")])
def test_fill_repeats_a_text(text: str, expected: bytes) -> None:
    spec = program(f'[fill variable="v"{text}]')
    row = only(spec, PieceKind.PIECE_FILL)
    assert row["offset"] == 0 and spec.pool[int(row["off"]) :][: int(row["len"])] == expected


def test_fill_counts_as_a_mention_of_its_variable() -> None:
    assert "'w' is mentioned only once" in refused("[fill variable=w]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[file]", "needs the parameter name="),
        ('[file name=""]', "the name of the file is empty"),
        ("[fill text=x]", "needs the parameter variable="),
        ('[fill variable="v" text=""]', "text is empty"),
        ("[fill variable=$v]", "is no name of a variable"),
        ("[$]", "is no name of a variable"),
        ("[$a,b]", "is no name of a variable"),
    ],
)
def test_bad_file_fill_and_variable_are_refused(text: str, message: str) -> None:
    assert message in refused(text)


# -- routes and next_url --------------------------------------------------------------------------------

ROUTED = '<recv response="200" rrs="true"/>'


def test_routes_and_next_url_of_a_call_that_records_them() -> None:
    spec = program("1", extra="[routes]\nY: [next_url]\n", more=ROUTED)
    assert only(spec, PieceKind.PIECE_ROUTES)["suppress"]
    assert only(spec, PieceKind.PIECE_NEXT_URL)
    first, count = spec.default_pieces[2]
    kinds = set(spec.pieces[first : first + count]["kind"])
    assert {PieceKind.PIECE_ROUTES, PieceKind.PIECE_NEXT_URL} <= kinds  # the default BYE


def test_without_rrs_a_line_of_routes_is_left_out_and_next_url_is_the_to_uri() -> None:
    spec = program("1", extra="[routes]\nY: [next_url]\n")
    assert not rows_of(spec, PieceKind.PIECE_ROUTES)
    assert only(spec, PieceKind.PIECE_LAST_REQUEST_URI)
    assert b"X: 1\r\nY: " in spec.pool


def test_without_rrs_routes_inside_a_line_stay() -> None:
    assert only(program("a[routes]b"), PieceKind.PIECE_ROUTES)


# -- authentication -------------------------------------------------------------------------------------


def credentials(line: str, **bindings: Any) -> dict[str, list[bytes | int]]:
    spec = program(line, **bindings)
    row = spec.credentials[int(only(spec, PieceKind.PIECE_AUTHENTICATION)["arg"])]
    names = ("username", "password", "aka_k", "aka_op", "aka_amf")
    return {name: texts(spec, int(row[f"{name}_first"]), int(row[f"n_{name}"])) for name in names}


def test_authentication_takes_the_defaults_of_the_run() -> None:
    nothing: dict[str, list[bytes]] = {"aka_k": [], "aka_op": [], "aka_amf": []}
    assert credentials("[authentication]") == {"username": [b"service"], "password": [b"password"], **nothing}
    given = credentials("[authentication]", service="s", auth_username="u", auth_password="p")
    assert given == {"username": [b"u"], "password": [b"p"], **nothing}


def test_authentication_parameters_are_templates() -> None:
    found = credentials('[authentication username="[$v]@[service]" password=p-1]')
    assert (found["username"], found["password"]) == ([0, b"@service"], [b"p-1"])


def test_authentication_username_may_hold_a_field_with_a_line() -> None:
    spec = program('[authentication username="[field0 line=\\"[$v]\\"]"]')
    row = spec.credentials[0]
    field = spec.pieces[int(row["username_first"])]
    assert field["kind"] == PieceKind.PIECE_FIELD and texts(spec, int(field["off"]), int(field["len"])) == [0]


def test_empty_parameter_is_given_nevertheless() -> None:
    found = credentials('[authentication username="" password= aka_K=""]')
    assert (found["username"], found["password"], found["aka_k"], found["aka_op"]) == ([b""], [b""], [b""], [])


def test_aka_parameters_in_hexadecimal_are_bytes() -> None:
    found = credentials("[authentication aka_K=0x00ff5b aka_OP=0xCDC2 aka_AMF=0x0a0D]")
    assert (found["aka_k"], found["aka_op"], found["aka_amf"]) == ([b"\x00\xff["], [b"\xcd\xc2"], [b"\n\r"])


def test_equal_credentials_share_a_row() -> None:
    line = "X: [authentication username=a]\n"
    body = send(extra=line) + send("OPTIONS", extra=line) + send("BYE", extra=line.replace("=a", "=b"))
    assert len(compiled(body).credentials) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[authentication user=a]", "unknown parameter 'user' of [authentication]; did you mean 'username'?"),
        ("[authentication aka_K=0x123]", "no even number of hexadecimal digits"),
        ('[authentication username="[authentication]"]', "may not stand inside"),
        ("[authentication]\n[authentication]", "only one [authentication]"),
        ("1\n\n[authentication]", "in the headers, not in the body"),
        ("1\n[service]\n\nbody\n[authentication]", "in the headers, not in the body"),
    ],
)
def test_bad_authentication_is_refused(text: str, message: str) -> None:
    assert message in refused(text)


def test_misplaced_authentication_is_refused_where_it_stands() -> None:
    error = error_of(send_text("\n OPTIONS x SIP/2.0\n A: 1\n\n  [authentication]"))
    assert (error.line, error.column) == (7, 3)


# -- small ones -----------------------------------------------------------------------------------------


def test_tdmmap() -> None:
    assert only(program("[tdmmap]"), PieceKind.PIECE_TDM_CIRCUIT)


def test_dynamic_id() -> None:
    assert only(program("[dynamic_id]"), PieceKind.PIECE_DYNAMIC_ID)


def test_users_and_userid_are_constants_without_users() -> None:
    spec = program("[userid] [users]")
    assert b"X: 0 -1\r\n" in spec.pool
    spec = program("[userid] [users]", users=5)
    assert only(spec, PieceKind.PIECE_USER_ID) and only(spec, PieceKind.PIECE_USERS)


def test_variable() -> None:
    assert only(program("[$v]"), PieceKind.PIECE_VARIABLE)["offset"] == 0


# -- the grammar of parameters --------------------------------------------------------------------------


def parse(text: str, **options: Any) -> Template:
    return parse_template(text.encode(), Scope(injection_names=FILES, **options))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'"a\"b"', b'a"b'),
        (r'"a\\b"', b"a\\b"),
        (r'"a\x41\x5b"', b"aA["),
        ('"a]b"', b"a]b"),
        ('"a b,c"', b"a b,c"),
        ("a:b@c", b"a:b@c"),
        (r"a\x41", b"aA"),
    ],
)
def test_values_are_quoted_or_bare(text: str, expected: bytes) -> None:
    (keyword,) = parse(f"[file name={text}]")
    assert isinstance(keyword, Keyword) and keyword.parameters == (("name", (Literal(expected),)),)


def test_bracket_outside_of_quotes_opens_the_keyword_and_what_is_before_is_text() -> None:
    warnings: list[str] = []
    template = parse("X[field1 line=[$l]]Y", warn=lambda _, message: warnings.append(message))
    assert template == (
        Literal(b"X[field1 line="),
        Keyword("$", "l", variable=Variable("l")),
        Literal(b"]Y"),
    )
    assert warnings == ["'[field1' is sent as text: the bracket behind it stands outside of quotes"]


def test_error_inside_a_parameter_points_at_it() -> None:
    places: list[int] = []

    def fail(at: int, message: str) -> Exception:
        places.append(at)
        return ValueError(message)

    text = r'ab[file name="x\"y[foo]"]'
    with pytest.raises(ValueError, match=r"unknown keyword '\[foo\]'"):
        parse(text, fail=fail)
    assert places == [text.index("[foo]")]


@pytest.mark.parametrize("text", ["[$v]", "[field0]", "[file name=x]", "[fill variable=v]", "[last_message]"])
def test_len_stays_a_piece_where_the_body_may_begin_elsewhere(text: str) -> None:
    spec = compiled(send(extra=f"Content-Length: [len]\n{text}\n\nbody") + USES, injection_names=FILES)
    assert rows_of(spec, PieceKind.PIECE_LEN)


@pytest.mark.parametrize("text", ["[routes]", "X: [tdmmap]", "X: [dynamic_id]", "X: [next_url]"])
def test_len_is_folded_beside_pieces_of_one_line(text: str) -> None:
    spec = compiled(send(extra=f"Content-Length: [len]\n{text}\n\nbody") + ROUTED)
    assert not rows_of(spec, PieceKind.PIECE_LEN)
