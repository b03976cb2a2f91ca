"""Tests of sippx/scenario/message_text.py: CDATA clean-up and start lines, as sipp was seen to do it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xml_text import document, error_of, load, send_text, template_bytes

from sippx.scenario import Scenario
from sippx.scenario.message_text import MAX_MESSAGE_BYTES, clean_message

HEAD = "OPTIONS sip:a SIP/2.0\nTo: b\n"
WIRE_HEAD = b"OPTIONS sip:a SIP/2.0\r\nTo: b\r\n"

# What sipp 3.6.1 sent for <send><![CDATA[...]]></send> with this text.
SEEN_ON_THE_WIRE = {
    "nothing behind the last header": (HEAD.rstrip(), b"\r\n"),
    "many line ends behind the last header": (f"\n\n{HEAD}\n\n\n  \n", b"\r\n"),
    "body without line end": (f"{HEAD}\nbody", b"\r\nbody"),
    "body with line end": (f"{HEAD}\nbody\n", b"\r\nbody\r\n"),
    "body with many line ends": (f"{HEAD}\nbody\n\n\n  \t\n", b"\r\nbody\r\n"),
    "body with blanks behind it": (f"{HEAD}\nbody   ", b"\r\nbody"),
    "empty lines inside the body": (f"{HEAD}\na\n\n\nb\n", b"\r\na\r\n\r\n\r\nb\r\n"),
    "separator with only a tab and blanks": (f"{HEAD}\t \n  body\n x\n", b"\r\nbody\r\nx\r\n"),
    "body of one character": (f"{HEAD}\nA", b"\r\nA"),
    "body of one character and a line end": (f"{HEAD}\nA\n", b"\r\nA\r\n"),
    "body of escaped bytes": (f"{HEAD}\n\\x01\\x02\\x00\\xfF", b"\r\n\x01\x02\x00\xff"),
    "lines ending in CR LF": (f"{HEAD}\nbody\n".replace("\n", "\r\n"), b"\r\nbody\r\n"),
    "headers only, lines ending in CR LF": (f"\n{HEAD}\n  ".replace("\n", "\r\n"), b"\r\n"),
    "XML characters": (f"{HEAD}X: a&b&amp;<c>\n", b"X: a&b&amp;<c>\r\n\r\n"),
    "escaped bracket and a literal closing one": (f"{HEAD}X: \\x5bdate] ]\n", b"X: [date] ]\r\n\r\n"),
    "escaped line end is no CR LF": (f"{HEAD}X: a\\x0aY: b\n", b"X: a\nY: b\r\n\r\n"),
    "backslash n is text": (f"{HEAD}X: a\\nb\\\\x41\n", b"X: a\\nb\\A\r\n\r\n"),
}


@pytest.mark.parametrize(("cdata", "behind"), SEEN_ON_THE_WIRE.values(), ids=SEEN_ON_THE_WIRE)
def test_clean_up_gives_the_bytes_sipp_sends(cdata: str, behind: bytes) -> None:
    assert template_bytes(send_text(cdata)) == WIRE_HEAD + behind


@pytest.mark.parametrize("declared", ["ISO-8859-1", "UTF-8"])
@pytest.mark.parametrize("raw", [b"\xe9", "é".encode(), b"\x01", b"\xff\xfe", b"\x80"])
def test_bytes_of_cdata_go_out_unchanged_whatever_the_declared_encoding(declared: str, raw: bytes) -> None:
    text = document(send_text(f"{HEAD}X: @\n"), declaration=f'<?xml version="1.0" encoding="{declared}"?>')
    (step,) = Scenario.from_string(text.encode().replace(b"@", raw)).steps
    assert step.template[0].data == WIRE_HEAD + b"X: " + raw + b"\r\n\r\n"  # type: ignore[attr-defined]


def test_default_message_does_not_gain_a_line_end_behind_its_body() -> None:
    element = f'<DefaultMessage id="bye"><![CDATA[{HEAD}\nbody\n]]></DefaultMessage>'
    (part,) = load(f'<recv request="A"/>{element}').default_messages["bye"]
    assert part.data == WIRE_HEAD + b"\r\nbody"  # type: ignore[union-attr]


LINES = st.lists(st.text(" \tab\r", max_size=4), max_size=8).map("\n".join)


def slow_clean(raw: str, *, keep_last_line_end: bool) -> str:
    """The five clean-up rules one after the other, by text replacement."""
    text = raw.strip(" \t\r\n")
    had_line_end = "\n" in raw[len(raw.rstrip(" \t\r\n")) :]
    text = re.sub(r"\r\n", "\n", text)
    text = re.sub(r"[ \t]*\n[ \t]*", lambda m: "\n", text)
    while re.search(r"[ \t]\n|\n[ \t]", text):
        text = re.sub(r"[ \t]*\n[ \t]*", "\n", text)
    if "\n\n" not in text:
        text += "\n\n"
    if keep_last_line_end and had_line_end and not text.endswith("\n"):
        text += "\n"
    return text


@given(LINES, st.booleans())
def test_clean_up_agrees_with_the_rules_applied_one_by_one(raw: str, keep: bool) -> None:
    clean = clean_message(raw.encode(), 0, keep_last_line_end=keep)
    # CR inside a line is text; where blanks stand between it and LF the rules say nothing
    if re.search(r"\r[ \t\r]*\n", raw.replace("\r\n", "\n")):
        return
    if clean is None:
        assert len(slow_clean(raw, keep_last_line_end=False).strip("\n")) <= 1
    else:
        assert clean.text.decode() == slow_clean(raw, keep_last_line_end=keep)


@given(LINES, st.booleans(), st.integers(0, 1000))
def test_every_byte_of_clean_text_knows_where_it_came_from(raw: str, keep: bool, base: int) -> None:
    clean = clean_message(raw.encode(), base, keep_last_line_end=keep)
    if clean is None:
        return
    assert len(clean.offsets) == len(clean.text)
    assert list(clean.offsets) == sorted(clean.offsets)
    for byte, offset in zip(clean.text, clean.offsets, strict=True):
        if byte != 10:
            assert raw.encode()[offset - base] == byte


@pytest.mark.parametrize("cdata", ["", " \n\t ", " a\n "])
def test_empty_message_is_refused(cdata: str) -> None:
    assert "message text of <send> is empty" in error_of(send_text(cdata)).message


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("[service] sip:a SIP/2.0", "must begin with a method or 'SIP/2.0', not with a keyword"),
        ("OPT[service] sip:a SIP/2.0", "must begin with a method (no keyword in it)"),
        ("SIP/2.0 [service]", "must be followed by a status code"),
        ("SIP/2.0 20x X", "must be followed by a status code"),
        ("SIP/2.0", "must be followed by a status code"),
        ("SIP/2.0 99 X", "status code 99 is not in the range 100 to 699"),
        ("SIP/2.0 700 X", "status code 700 is not in the range 100 to 699"),
        ("SIP/2.0 2000 X", "status code 2000 is not in the range 100 to 699"),
        ("A" * 64 + " sip:a SIP/2.0", "at most 63 characters"),
    ],
)
def test_start_line_that_cannot_be_understood_is_refused_at_its_place(start: str, message: str) -> None:
    error = error_of(send_text(f"\n   {start}\nTo: b\n"))
    assert message in error.message
    assert (error.line, error.column) == (4, 4)


@pytest.mark.parametrize("start", ["OPTIONS", "X@Y  sip:a", "SIP/3.0 200 OK", "invite sip:a SIP/2.0"])
def test_malformed_requests_may_be_sent_on_purpose(start: str) -> None:
    assert load(send_text(f"{start}\nTo: b\n")).steps[0].method == start.split()[0].encode()  # type: ignore[attr-defined]


def test_message_longer_than_a_datagram_is_refused() -> None:
    fits = MAX_MESSAGE_BYTES - len(WIRE_HEAD) - 2
    assert load(send_text(f"{HEAD}\n{'x' * fits}")).steps
    assert "longer than 65507 bytes" in error_of(send_text(f"{HEAD}\n{'x' * (fits + 1)}")).message
    assert "longer than 65507 bytes" in error_of(send_text(HEAD + "x" * (1 << 20))).message
