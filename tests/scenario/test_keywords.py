"""Tests of sippx/scenario/keywords.py: the bracket grammar and the look-up of names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xml_text import error_of, load, send_text

from sippx._core.codes import HeaderId
from sippx.scenario.keywords import HEADER_IDS, KEYWORDS
from sippx.scenario.model import Keyword, Literal, Template, Variable
from sippx.scenario.template_text import Scope, parse_template


def parse(text: str, keys: tuple[str, ...] = ()) -> Template:
    return parse_template(text.encode(), Scope(keys=keys))


def only(text: str, keys: tuple[str, ...] = ()) -> Keyword:
    (part,) = parse(text, keys)
    assert isinstance(part, Keyword)
    return part


USABLE = [spec for spec in KEYWORDS.values() if spec.use != "media" and not spec.is_prefix]
MEDIA = [spec for spec in KEYWORDS.values() if spec.use == "media"]


@pytest.mark.parametrize("name", [spec.name for spec in USABLE])
def test_each_keyword_is_found_by_its_exact_name(name: str) -> None:
    assert only(f"[{name}]") == Keyword(name)


@pytest.mark.parametrize("name", [spec.name for spec in USABLE if spec.has_offset])
@pytest.mark.parametrize(("text", "offset"), [("+1", 1), ("-3", -3), ("+007", 7), ("+2 ", 2)])
def test_numeric_keywords_take_an_offset(name: str, text: str, offset: int) -> None:
    assert only(f"[{name}{text}]") == Keyword(name, offset=offset)


@pytest.mark.parametrize("name", [spec.name for spec in USABLE if not spec.has_offset])
def test_offset_of_other_keywords_is_ignored_with_a_warning(name: str) -> None:
    warnings: list[tuple[int, str]] = []
    parts = parse_template(
        f"x[{name}+1]".encode(), Scope(warn=lambda at, message: warnings.append((at, message)))
    )
    assert parts[1] == Keyword(name)
    assert warnings[0][0] == 1 and "has no effect" in warnings[0][1]


@pytest.mark.parametrize("name", [spec.name for spec in MEDIA])
@pytest.mark.parametrize("offset", ["", "+1", "-1"])
def test_media_keywords_are_refused_by_name(name: str, offset: str) -> None:
    with pytest.raises(ValueError, match="is part of SIPp's language but not supported by this version"):
        parse(f"[{name}{offset}]")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[call_nmber]", "did you mean 'call_number'?"),
        ("[Service]", "did you mean 'service'?"),
        ("[1,2]", "write \\x5b for a bracket"),
        ("[presentity]", "; -key presentity VALUE gives it one; write \\x5b for a bracket"),
        ("[last_]", "write \\x5b for a bracket"),
        ("[cseq+x]", "did you mean 'cseq'?"),
    ],
)
def test_unknown_keyword_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=r"unknown keyword") as caught:
        parse(text)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("[last_Via]", "Via"),
        ("[last_Via:]", "Via"),
        ("[last_X-3GPP-Thing:]", "X-3GPP-Thing"),
        ("[last_x-1]", "x-1"),
        ("[last_call-id]", "call-id"),
    ],
)
def test_last_header_takes_any_header_name_with_or_without_colon(text: str, argument: str) -> None:
    assert only(text) == Keyword("last_", argument)


@pytest.mark.parametrize("text", ["[last_a b]", "[last_a::]", "[last_:]", "[last_é]"])
def test_last_header_refuses_what_is_no_header_name(text: str) -> None:
    with pytest.raises(ValueError, match="is no header name"):
        parse(text)


def test_last_header_ignores_a_plus_offset_as_sipp_does() -> None:
    assert only("[last_CSeq+1]") == Keyword("last_", "CSeq")
    assert only("[last_cseq_number+1]") == Keyword("last_cseq_number", offset=1)


def test_key_parameters_are_found_by_name_even_with_digits_behind_a_sign() -> None:
    assert only("[bar-1]", ("bar-1",)) == Keyword("key", "bar-1")
    assert only("[bar-1]", ("bar",)) == Keyword("key", "bar")
    assert only("[field_of_mine]", ("field_of_mine",)) == Keyword("key", "field_of_mine")
    assert only("[clé]", ("clé",)) == Keyword("key", "clé")


def test_built_in_names_win_over_key_parameters() -> None:
    assert only("[service]", ("service",)) == Keyword("service")


def test_unknown_keyword_may_be_a_key_parameter_given_at_load() -> None:
    text = send_text("OPTIONS [target] SIP/2.0\n")
    assert load(text, keys={"target"}).key_names == {"target"}
    assert "unknown keyword '[target]'" in error_of(text).message


def test_inner_bracket_opens_the_keyword_and_the_outer_one_is_text() -> None:
    assert parse("X[ a [service]]") == (Literal(b"X[ a "), Keyword("service"), Literal(b"]"))


def test_closing_bracket_alone_is_text() -> None:
    assert parse("a]b") == (Literal(b"a]b"),)


def test_quotes_inside_a_keyword_hide_brackets() -> None:
    template = parse_template(b'[field1 line="[$l]"]', Scope(injection_names=("f.csv",)))
    line = (Keyword("$", "l", variable=Variable("l")),)
    assert template == (Keyword("field", "f.csv", offset=1, parameters=(("line", line),)),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[service", "'[' without a closing ']'"),
        ("[service\nX: ]", "'[' without a closing ']' on its line"),
        ("[]", "empty keyword"),
        (f"[{'a' * 257}]", "longer than 256"),
        ("\\x4", "two hexadecimal digits"),
        ("\\xzz", "two hexadecimal digits"),
        ("[cseq+99999999999]", "does not fit in 32 bits"),
    ],
)
def test_broken_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_error_in_cdata_has_the_line_and_column_of_the_bracket() -> None:
    error = error_of("<send>\n  <![CDATA[\n\n    OPTIONS sip:a SIP/2.0\n\tX: é [foo]\n  ]]></send>")
    assert (error.line, error.column) == (7, 7)
    assert str(error).startswith("t.xml:7:7: unknown keyword '[foo]'")


def test_keyword_of_a_scenario_keeps_its_place() -> None:
    (step,) = load(send_text("\n  OPTIONS [service] SIP/2.0")).steps
    assert step.template[1] == Keyword("service", line=4, column=11)  # type: ignore[attr-defined]


def test_line_feed_becomes_cr_lf_and_escapes_become_bytes() -> None:
    assert parse("a\nb\\x0A\\x5b\\xfF\\n") == (Literal(b"a\r\nb\n[\xff\\n"),)


PARTS = st.one_of(
    st.binary(min_size=1, max_size=5).map(Literal),
    st.sampled_from(USABLE).map(lambda spec: Keyword(spec.name)),
    st.builds(
        lambda spec, n: Keyword(spec.name, offset=n),
        st.sampled_from([s for s in USABLE if s.has_offset]),
        st.integers(-9, 9),
    ),
    st.from_regex(r"[A-Za-z][A-Za-z-]{0,9}", fullmatch=True)
    .filter(lambda name: f"last_{name}" not in KEYWORDS)
    .map(lambda name: Keyword("last_", name)),
)


def write(parts: list[Literal | Keyword]) -> bytes:
    """Template text of these parts, every literal byte escaped."""
    text = b""
    for part in parts:
        if isinstance(part, Literal):
            text += b"".join(b"\\x%02x" % byte for byte in part.data)
        else:
            offset = f"{part.offset:+d}" if part.offset else ""
            text += f"[{part.name}{part.argument}{offset}]".encode()
    return text


@given(st.lists(PARTS, max_size=8))
def test_written_template_reads_back(parts: list[Literal | Keyword]) -> None:
    joined: list[Literal | Keyword] = []
    for part in parts:
        if isinstance(part, Literal) and joined and isinstance(joined[-1], Literal):
            joined[-1] = Literal(joined[-1].data + part.data)
        else:
            joined.append(part)
    assert parse_template(write(parts)) == tuple(joined)


@given(st.text('[]ab"\\x5b\n+1 service', max_size=20))
def test_any_text_is_parsed_or_refused_with_a_place_inside(text: str) -> None:
    places: list[int] = []

    def fail(at: int, message: str) -> Exception:
        places.append(at)
        return ValueError(message)

    try:
        parse_template(text.encode(), Scope(fail=fail))
    except ValueError:
        assert len(places) == 1 and 0 <= places[0] < len(text.encode())


def test_header_ids_cover_every_known_header_and_its_compact_form() -> None:
    assert {*HEADER_IDS.values()} == {*HeaderId} - {HeaderId.HDR_OTHER, HeaderId.N_HEADER_IDS}
    for name, header_id in HEADER_IDS.items():
        if len(name) > 1:
            assert header_id.name == "HDR_" + name.upper().replace("-", "_")
    assert {name for name in HEADER_IDS if len(name) == 1} == set("vftimlces")
