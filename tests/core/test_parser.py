"""The message parser against its slow twin, and what it promises for every datagram."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reference import parse as slow
from sippx._core import parser
from sippx._core.codes import HeaderId, Method
from sippx._core.parser import ParsedMessage

TORTURE = sorted((Path(__file__).parents[1] / "data" / "rfc4475").glob("*.dat"))
INVITE = (
    b"INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
    b"To: <sip:b@h>\r\nCall-ID: 1@h\r\nCSeq: 1 INVITE\r\nContent-Length: 4\r\n\r\nbody"
)


def same(data: bytes) -> ParsedMessage:
    """Parse with the core and hold everything it shows to the twin."""
    fast, twin = ParsedMessage(data), slow.parse(data)
    assert fast.status == twin.status
    if fast.status not in ("ok", "no_call_id"):
        return fast
    assert fast.is_request == twin.is_request
    assert fast.method == twin.method
    assert fast.method_code == slow.method_code(twin.method)
    assert fast.status_code == twin.status_code
    assert [(HeaderId(h), raw, value) for h, raw, value in fast.headers] == list(twin.headers)
    assert fast.body == twin.body
    assert fast.cseq == twin.cseq
    for header in HeaderId:
        if header not in (HeaderId.HDR_OTHER, HeaderId.N_HEADER_IDS):
            assert fast.first(header) == twin.first(header)
    if fast.status == "ok":
        assert fast.call_id == twin.call_id
        assert fast.request_uri == twin.request_uri
    return fast


def with_header(line: bytes) -> ParsedMessage:
    """INVITE with one more header line in front of all others."""
    start, rest = INVITE.split(b"\r\n", 1)
    return same(start + b"\r\n" + line + b"\r\n" + rest)


# --------------------------------------------------------------------------- generated messages

LINE_ENDS = st.sampled_from([b"\r\n", b"\n"])
BLANKS = st.text(" \t", max_size=2).map(str.encode)
KNOWN = [*slow._NAMES, *slow._COMPACT]


@st.composite
def cased(draw: st.DrawFn, name: bytes) -> bytes:
    """A header name in random case."""
    return bytes(c ^ 0x20 if chr(c).isalpha() and draw(st.booleans()) else c for c in name)


NAMES = st.one_of(
    st.sampled_from(KNOWN).flatmap(cased),
    st.sampled_from([b"X", b"Via2", b"Fro", b"Callid", b"Content-Typo", b"P-Asserted-Identity", b"z", b"q", b""]),
    st.text("abcvftimlces-:\x1a@", max_size=9).map(str.encode),
)
VALUES = st.one_of(
    st.sampled_from([b"1 INVITE", b"4294967296 BYE", b"007  \t ACK x", b"INVITE", b"", b"<sip:a@b>;tag=x", b"0"]),
    st.binary(max_size=30).map(lambda v: v.replace(b"\n", b"").replace(b"\r", b"")),
)


@st.composite
def header_lines(draw: st.DrawFn) -> bytes:
    """One header field: any name, white space around the colon, maybe folded."""
    line = draw(NAMES) + draw(BLANKS) + draw(st.sampled_from([b":", b":", b":", b""])) + draw(BLANKS) + draw(VALUES)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        line += draw(LINE_ENDS) + draw(st.sampled_from([b" ", b"\t"])) + draw(BLANKS) + draw(VALUES)
    return line


START_LINES = st.sampled_from(
    [
        b"INVITE sip:b@h SIP/2.0",
        b"SIP/2.0 200 OK",
        b"SIP/2.0 183",
        b"SIP/2.0 200",
        b"SIP/2.0 20",
        b"SIP/2.0 2000 x",
        b"SIP/2.0 ",
        b"SIP/2.0",
        b"BYE\t sip:b  SIP/2.0",
        b"FOO sip:b SIP/2.0 \t",
        b"ACK sip:b SIP/7.0",
        b"OPTIONS ",
        b"OPTIONS",
        b" INVITE sip:b SIP/2.0",
        b"\xc3\xa4 sip:b SIP/2.0",
        b"",
    ]
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Nearly a SIP message: lines of every kind, with and without an end."""
    parts = [draw(st.sampled_from([b"", b"", b"\r\n", b"\x00\r\n\n"])), draw(START_LINES), draw(LINE_ENDS)]
    for line in draw(st.lists(header_lines(), max_size=8)):
        parts += [line, draw(LINE_ENDS)]
    parts += [draw(st.sampled_from([b"\r\n", b"\n", b"", b"\r", b" x"])), draw(st.binary(max_size=20))]
    return b"".join(parts)


@settings(max_examples=600, deadline=None)
@given(messages())
@example(b"A b\n\x1a: SIP/2.0\n\n")
@example(b"INVITE a SIP/2.0\r\nVia\x1a SIP/2.0/UDP\r\nCall-ID: x\r\n\r\n")
@example(b"INVITE a SIP/2.0\r\n folded start line\r\nCall-ID: x\r\n\r\n")
def test_nearly_sip_messages_parse_as_the_twin_says(data: bytes) -> None:
    same(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_parses_as_the_twin_says(data: bytes) -> None:
    same(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_messages_parse_as_the_twin_says(data: st.DataObject) -> None:
    message = bytearray(data.draw(st.sampled_from([path.read_bytes() for path in TORTURE])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.sampled_from(b"\n: \t;,<>\"\\0aZ\x00\xff"))
    cut = data.draw(st.integers(0, len(message)))
    same(bytes(message[:cut] if data.draw(st.booleans()) else message))


@pytest.mark.parametrize("length", range(len(INVITE) + 1))
def test_every_prefix_of_a_message_parses_as_the_twin_says(length: int) -> None:
    same(INVITE[:length])


# --------------------------------------------------------------------------- RFC 4475

NOT_SIP = {"badvers", "bigcode"}
NO_CALL_ID = {"insuf"}


@pytest.mark.parametrize("path", TORTURE, ids=lambda path: path.stem)
def test_torture_message_is_read_as_the_twin_says(path: Path) -> None:
    expected = "not_sip" if path.stem in NOT_SIP else "no_call_id" if path.stem in NO_CALL_ID else "ok"
    assert same(path.read_bytes()).status == expected


def test_all_torture_messages_are_here() -> None:
    assert len(TORTURE) == 49


def torture(name: str) -> ParsedMessage:
    return same((TORTURE[0].parent / f"{name}.dat").read_bytes())


def test_short_tortuous_invite_is_understood() -> None:
    message = torture("wsinv")
    assert message.call_id == b"wsinv.ndaksdj@192.0.2.1"
    assert message.cseq == (9, b"INVITE")
    assert message.to_tag == b"1918181833n"
    assert [HeaderId(h) for h, _, _ in message.headers].count(HeaderId.HDR_VIA) == 2
    assert message.body.startswith(b"v=0\r\n")


def test_unusual_method_is_kept_as_text() -> None:
    message = torture("intmeth")
    assert message.method == b"!interesting-Method0123456789_*+`.%indeed'~"
    assert message.method_code == Method.METHOD_OTHER
    assert message.cseq == (139122385, message.method)
    assert message.call_id == b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"


def test_escaped_letters_do_not_make_a_known_method_or_header() -> None:
    message = torture("esc02")
    assert message.method == b"RE%47IST%45R"
    assert [HeaderId(h) for h, _, _ in message.headers].count(HeaderId.HDR_CONTACT) == 2


def test_overlarge_cseq_is_cut_to_32_bits() -> None:
    assert torture("scalar02").cseq == (0xFFFFFFFF, b"REGISTER")


def test_second_request_in_a_datagram_is_body() -> None:
    message = torture("dblreq")
    assert message.method == b"REGISTER"
    assert b"INVITE sip:joe@example.com SIP/2.0" in message.body


def test_empty_reason_phrase_is_a_response() -> None:
    message = torture("noreason")
    assert (message.is_request, message.status_code) == (False, 100)


# --------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", KNOWN)
def test_header_name_is_known_in_any_case(name: bytes) -> None:
    expected = slow.header_id(name)
    assert expected != HeaderId.HDR_OTHER
    for variant in (name, name.upper(), name.title(), name.swapcase()):
        assert parser.header_id(variant) == expected
        assert HeaderId(with_header(variant + b": v").headers[0][0]) == expected
        assert HeaderId(with_header(variant + b" \t: v").headers[0][0]) == expected


@settings(max_examples=200, deadline=None)
@given(NAMES)
def test_header_id_agrees_with_the_twin(name: bytes) -> None:
    assert parser.header_id(name) == slow.header_id(name)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.sampled_from([*slow._METHODS]), st.text("ACKBYEINVTabc", max_size=9).map(str.encode)))
def test_method_code_agrees_with_the_twin(token: bytes) -> None:
    assert parser.method_code(token) == slow.method_code(token)


def test_every_known_header_and_method_has_a_twin() -> None:
    assert set(slow._NAMES.values()) == set(HeaderId) - {HeaderId.HDR_OTHER, HeaderId.N_HEADER_IDS}
    assert len(slow._METHODS) == Method.N_METHODS - 2


# --------------------------------------------------------------------------- header fields and lines


def test_folded_value_spans_its_lines() -> None:
    message = with_header(b"Subject: a\r\n  b\r\n\tc")
    assert message.headers[0] == (HeaderId.HDR_SUBJECT, b"Subject: a\r\n  b\r\n\tc", b"a\r\n  b\r\n\tc")


def test_line_feeds_alone_end_lines() -> None:
    message = same(INVITE.replace(b"\r\n", b"\n"))
    assert message.status == "ok"
    assert message.body == b"body"


def test_message_without_empty_line_has_no_body() -> None:
    message = same(INVITE[: INVITE.index(b"\r\n\r\n")])
    assert message.status == "ok"
    assert message.body == b""
    assert message.headers[-1][2] == b"4"


def test_white_space_before_the_colon_is_no_part_of_the_name() -> None:
    assert with_header(b"Subject \t : x").headers[0][0] == HeaderId.HDR_SUBJECT


@pytest.mark.parametrize("line", [b"Via\x1a x", b"Call\rID: x", b"To\x1a x", b"Via x: y", b"Via", b":", b"Vi a: x"])
def test_name_with_an_odd_character_is_no_known_header(line: bytes) -> None:
    assert with_header(line).headers[0][0] == HeaderId.HDR_OTHER


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\x00\x00\x00\x00", b"\n", b"\r", b"\r\n"])
def test_keepalives_are_told_apart(data: bytes) -> None:
    assert same(data).status == "keepalive"


def test_leading_line_ends_are_skipped() -> None:
    assert same(b"\r\n\r\n\x00\n" + INVITE).status == "ok"


def test_longest_message_is_taken_and_a_longer_one_refused() -> None:
    filled = INVITE + b"x" * (65535 - len(INVITE))
    assert same(filled).status == "ok"
    assert len(same(filled).body) == 4 + 65535 - len(INVITE)
    assert same(filled + b"x").status == "too_long"


def many_headers(n: int, tail: bytes) -> bytes:
    start, rest = INVITE.split(b"\r\n\r\n")[0].split(b"\r\n", 1)
    n_there = rest.count(b"\r\n") + 1
    extra = b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(n - n_there))
    return start + b"\r\n" + rest + b"\r\n" + extra + tail


@pytest.mark.parametrize("n", [255, 256, 257, 300, 2000])
@pytest.mark.parametrize(
    "tail",
    [b"\r\nbody", b"", b" folded\r\n\r\nbody", b" folded", b"Y: z", b"Y: z\r\n f\r\n\r\nbody", b"\x01: x\r\n\r\n"],
)
def test_headers_beyond_the_index_only_end_the_section(n: int, tail: bytes) -> None:
    message = same(many_headers(n, tail))
    assert message.status == "ok"
    assert len(message.headers) <= 256


def test_call_id_behind_the_index_is_not_found() -> None:
    start, rest = many_headers(300, b"\r\n").replace(b"Call-ID: 1@h\r\n", b"").split(b"\r\n", 1)
    assert same(start + b"\r\n" + rest[:-2] + b"Call-ID: x\r\n\r\n").status == "no_call_id"


@pytest.mark.parametrize("value", [b"", b"  ", b"\t\r\n "])
def test_empty_call_id_is_none(value: bytes) -> None:
    data = INVITE.replace(b"Call-ID: 1@h", b"Call-ID:" + value)
    assert same(data).status == "no_call_id"


def test_first_of_several_call_ids_counts() -> None:
    assert with_header(b"i: other").call_id == b"other"


# --------------------------------------------------------------------------- tags and URIs

TO = [
    (b"<sip:b@h>;tag=x", b"x", b"sip:b@h"),
    (b"sip:b@h;tag=x", b"x", b""),
    (b"sip:b@h", b"", b""),
    (b'"a;tag=no <sip:c@d>" <sip:b@h;tag=uri>;p=";tag=p";TAG = y ;q', b"y", b"sip:b@h;tag=uri"),
    (b'"a\\"<x>" <sip:b@h>;tags=1;tag=2', b"2", b"sip:b@h"),
    (b"<sip:b@h", b"", b""),
    (b'"unterminated <sip:b@h>;tag=x', b"", b""),
    (b"<sip:b@h>;tag=", b"", b"sip:b@h"),
    (b"<sip:b@h>;tag", b"", b"sip:b@h"),
    (b"<sip:b@h>\r\n ;\r\n tag = z", b"z", b"sip:b@h"),
    (b"<>;tag=a,b", b"a", b""),
    (b";tag=x", b"x", b""),
    (b'"\\', b"", b""),
]


@pytest.mark.parametrize(("value", "tag", "uri"), TO)
def test_to_tag_and_uri_are_found(value: bytes, tag: bytes, uri: bytes) -> None:
    message = same(INVITE.replace(b"To: <sip:b@h>", b"To: " + value))
    assert (message.to_tag, message.to_uri) == (tag, uri)


@settings(max_examples=300, deadline=None)
@given(st.text("\"\\<>;tagTAG= x,\t", max_size=24).map(str.encode))
def test_tag_and_uri_are_parts_of_the_value(value: bytes) -> None:
    message = same(INVITE.replace(b"To: <sip:b@h>", b"To: " + value))
    assert message.to_tag in value
    assert message.to_uri in value


# --------------------------------------------------------------------------- layouts seen before


@st.composite
def similar_messages(draw: st.DrawFn) -> list[bytes]:
    """Messages of one or two layouts with bytes changed here and there, lengths mostly kept."""
    bases = draw(st.lists(st.sampled_from([INVITE, *(path.read_bytes() for path in TORTURE)]), min_size=1, max_size=2))
    batch = []
    for _ in range(draw(st.integers(2, 10))):
        message = bytearray(draw(st.sampled_from(bases)))
        for _ in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
            at = draw(st.one_of(st.integers(0, min(120, len(message) - 1)), st.integers(0, len(message) - 1)))
            message[at] = draw(st.sampled_from(b"\r\n: \t0aZ<;\x00\x1a\xff"))
        batch.append(bytes(message))
    return batch


@settings(max_examples=500, deadline=None)
@given(similar_messages())
def test_quick_parse_equals_the_full_one(batch: list[bytes]) -> None:
    assert parser.parse_again(batch) == [True] * len(batch)


def test_quick_parse_equals_the_full_one_for_any_change_of_one_byte() -> None:
    alphabet = b"\r\n: \tIAx0\x00\x1a\xff"
    for base in (INVITE, INVITE.replace(b"INVITE sip:b@h SIP/2.0", b"SIP/2.0 200 Fine sir")):
        for at in range(len(base)):
            variants = [base[:at] + bytes([c]) + base[at + 1 :] for c in alphabet]
            batch = [message for variant in variants for message in (base, variant)]
            assert parser.parse_again(batch) == [True] * len(batch), at


def test_quick_parse_equals_the_full_one_for_two_changes_in_the_head() -> None:
    head = INVITE.index(b"From")
    line_end = INVITE.index(b"\r\n")
    places = [*range(0, head, 5), line_end, line_end + 1, INVITE.index(b":", 30), head - 2, head - 1]
    for a in places:
        for b in places:
            batch = [INVITE]
            for x, y in ((b"\n", b" "), (b" ", b"\n"), (b"\r", b"\n"), (b":", b":"), (b"\n", b"\n")):
                message = bytearray(INVITE)
                message[a : a + 1], message[b : b + 1] = x, y
                batch += [bytes(message), INVITE]
            assert parser.parse_again(batch) == [True] * len(batch), (a, b)
