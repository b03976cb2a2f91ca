"""Framing of SIP on byte streams: the slow twin's messages, at every cut, and no byte looked at twice."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import stream as slow
from sippx._core.stream import RESULT_NAMES, Framer, bench_frames, error_texts

Item = tuple[str, bytes]

START = b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\n"
VIA = b"Via: SIP/2.0/TCP 127.0.0.1:5061;branch=z9hG4bK-1\r\n"
REST = b"From: <sip:a@b>;tag=1\r\nCall-ID: 1-1@127.0.0.1\r\nCSeq: 1 OPTIONS\r\n"


def message(*fields: bytes, body: bytes = b"") -> bytes:
    """An OPTIONS with these header fields (line ends included) among its own."""
    return START + VIA + b"".join(fields) + REST + b"\r\n" + body


def framed(pieces: list[bytes]) -> list[Item]:
    """All results of a stream that arrives in these pieces."""
    framer, items = Framer(), []
    for piece in pieces:
        items += framer.feed(piece)
        if items and not items[-1][1]:
            break
    return items


def cut(data: bytes, at: list[int]) -> list[bytes]:
    ends = [0, *sorted(at), len(data)]
    return [data[a:b] for a, b in pairwise(ends)]


def assert_framed(data: bytes, expected: list[Item]) -> None:
    """As expected, at once and byte by byte; the twin agrees."""
    assert slow.frames(data) == expected
    assert framed([data]) == expected
    assert framed([data[i : i + 1] for i in range(len(data))]) == expected


# --------------------------------------------------------------------------- Content-Length


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Length: 4\r\n",
        b"content-length:4\r\n",
        b"CONTENT-LENGTH : 4 \r\n",
        b"l: 4\r\n",
        b"L\t:\t4\t\r\n",
        b"Content-Length: 0004\r\n",
        b"Content-Length:\r\n 4\r\n",
        b"Content-Length:\r\n\t\r\n  4\r\n \r\n",
        b"Content-Length: 4\n",
        b"Content-Length: 4\r\nl: 4\r\n",
        b"Subject: x\r\n Content-Length: 9\r\nContent-Length: 4\r\n",
        b"Content-Lengthy: 9\r\nContent-Language: en\r\nl-x: 9\r\nContent-Length: 4\r\n",
    ],
)
def test_content_length_is_found_however_it_is_written(field: bytes) -> None:
    first, second = message(field, body=b"\r\n\r\n"), message(b"l: 0\r\n")
    assert_framed(first + second, [("message", first), ("message", second)])


@pytest.mark.parametrize("place", ["first", "last"])
def test_content_length_may_be_the_first_or_the_last_field(place: str) -> None:
    fields = [b"Content-Length:\r\n 2\r\n", VIA]
    data = START + b"".join(fields if place == "first" else fields[::-1]) + b"\r\nab"
    assert_framed(data, [("message", data)])


def test_without_content_length_a_message_has_no_body() -> None:
    data = message()
    assert_framed(data + data, [("message", data), ("message", data)])


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Length: -1\r\n",
        b"Content-Length: +1\r\n",
        b"Content-Length:\r\n",
        b"Content-Length: \r\n \r\n",
        b"l: x\r\n",
        b"l: 1x\r\n",
        b"l: 1 2\r\n",
        b"l: 1, 1\r\n",
        b"l: 0x10\r\n",
        b"l: 1.0\r\n",
        b"l: 1\r\nContent-Length: 2\r\n",
        b"l: 2\r\n 1\r\n",
    ],
)
def test_a_content_length_that_is_no_number_ends_the_stream(field: bytes) -> None:
    assert_framed(message(field, body=b"xx"), [("content_length", b"")])


@pytest.mark.parametrize("number", [65535, 65536, 2**32, 2**32 + 1, 2**64, 10**400])
def test_a_message_beyond_the_bound_ends_the_stream(number: int) -> None:
    assert_framed(message(b"Content-Length: %d\r\n" % number), [("too_long", b"")])


def test_the_longest_message_is_framed_and_one_byte_more_is_not() -> None:
    room = 65535 - len(message(b"Content-Length: 00000\r\n"))
    data = message(b"Content-Length: %05d\r\n" % room, body=b"v" * room)
    assert framed(cut(data + START, [100, 60000])) == [("message", data)]
    assert framed([message(b"Content-Length: %05d\r\n" % (room + 1), body=b"v" * (room + 1))]) == [("too_long", b"")]


# --------------------------------------------------------------------------- line ends and what is between messages


def test_line_feeds_alone_end_lines() -> None:
    data = message(b"l: 3\r\n", body=b"a\nb").replace(b"\r\n", b"\n")
    assert_framed(data + data, [("message", data), ("message", data)])


def test_mixed_line_ends_end_a_header_section() -> None:
    data = START + VIA + b"l: 1\n\r\n"
    assert_framed(data + b"x" + data + b"y", [("message", data + b"x"), ("message", data + b"y")])


def test_one_crlf_is_a_pong_and_a_second_makes_a_ping() -> None:
    pong, ping = ("pong", b"\r\n"), ("ping", b"\r\n")
    data = message()
    assert_framed(b"\r\n", [pong])
    assert_framed(b"\r\n\r\n", [pong, ping])
    assert_framed(b"\r\n" * 5, [pong, ping, pong, ping, pong])
    assert_framed(b"\r\n" + data + b"\r\n", [pong, ("message", data), pong])


def test_line_feeds_between_messages_mean_nothing() -> None:
    data = message()
    assert_framed(b"\n\n" + data, [("blank", b"\n"), ("blank", b"\n"), ("message", data)])
    assert_framed(b"\r\n\n\r\n", [("pong", b"\r\n"), ("blank", b"\n"), ("pong", b"\r\n")])


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x00",
        b" OPTIONS sip:a SIP/2.0\r\n",
        b"\rOPTIONS sip:a SIP/2.0\r\n",
        b"GET / HTTP/1.1\r\n",
        b"SIP/2.0\n",
        b"x\n",
        b"\xe4",
        b"x" * 8192,
        b"OPTIONS sip:" + b"a" * 8192 + b" SIP/2.0\r\n",
    ],
)
def test_what_is_not_sip_ends_the_stream(data: bytes) -> None:
    assert framed([data]) == framed([data[i : i + 1] for i in range(len(data))]) == [("not_sip", b"")]
    assert slow.frames(data) == [("not_sip", b"")]


@pytest.mark.parametrize(
    "start_line", [b"SIP/2.0 200 OK", b"SIP/3.0 200", b"sip/2.0 200 OK", b"A sip:a SIP/2.0 ", b"A sip:a SIP/7.0", b"? ? SIP/"]
)
def test_start_lines_that_name_sip_are_left_to_the_parser(start_line: bytes) -> None:
    data = start_line + b"\r\n\r\n"
    assert_framed(data, [("message", data)])


def test_a_header_section_without_end_ends_the_stream() -> None:
    data = START + b"Via: x\r\n" * 9000
    assert framed(cut(data, [9000, 20000, 65534])) == [("headers", b"")]
    assert slow.frames(data) == [("headers", b"")]
    assert framed([data[:65534]]) == []


def test_an_error_is_for_ever() -> None:
    framer = Framer()
    assert framer.feed(b"\x00") == framer.feed(message()) == [("not_sip", b"")]


# --------------------------------------------------------------------------- cuts

_BODIES = st.one_of(st.binary(max_size=20), st.sampled_from([b"\r\n", b"\r\n\r\n", START, b"l: 5\r\n\r\n", b"v" * 200]))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    body = draw(_BODIES)
    name = draw(st.sampled_from([b"Content-Length:", b"l:", b"L : ", b"content-length: ", b"l:\r\n "]))
    fields = [VIA, b"Contact: <sip:a@b>\r\n", b"Subject: long\r\n and folded\r\n", b"X: " + b"y" * draw(st.integers(0, 150)) + b"\r\n"]
    fields.append(name + b"%d\r\n" % len(body))
    data = START + b"".join(draw(st.permutations(fields)))
    if draw(st.booleans()):
        data = data.replace(b"\r\n", b"\n")
    return data + b"\r\n" + body


_BETWEEN = st.sampled_from([b"", b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n"])
_JUNK = st.sampled_from([b"", b"", b"", b"\x00", b"\r", START, b"A B\r\n", START + b"l: -1\r\n\r\n", START + b"l: 1\r\nl: 2\r\n\r\n"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    parts = draw(st.lists(st.tuples(_BETWEEN, messages()), max_size=4))
    return b"".join(between + data for between, data in parts) + draw(_BETWEEN) + draw(_JUNK)


@settings(max_examples=150, deadline=None)
@given(streams(), st.data())
def test_every_cut_of_a_stream_gives_the_same_messages(data: bytes, source: st.DataObject) -> None:
    expected = slow.frames(data)
    assert framed([data]) == expected
    assert framed(cut(data, source.draw(st.lists(st.integers(0, len(data)), max_size=8)))) == expected


def test_every_single_cut_of_a_pipelined_stream_gives_the_same_messages() -> None:
    first, second = message(b"Content-Length:\r\n 6\r\n", body=b"\r\n\r\nab"), message(b"l: 0\r\n")
    data = first + b"\r\n\r\n" + second + b"\r\n" + first
    expected = [
        ("message", first), ("pong", b"\r\n"), ("ping", b"\r\n"), ("message", second), ("pong", b"\r\n"), ("message", first),
    ]  # fmt: skip
    assert slow.frames(data) == expected
    for at in range(len(data) + 1):
        assert framed([data[:at], data[at:]]) == expected, at


@settings(max_examples=60, deadline=None)
@given(streams(), st.integers(1, 40))
def test_what_was_searched_is_not_looked_at_again(data: bytes, step: int) -> None:
    forgetful, items, expected = Framer(forgets=True), [], [(name, len(part)) for name, part in slow.frames(data)]
    for at in range(0, len(data), step):
        items += forgetful.feed(data[at : at + step])
        if items and not items[-1][1]:
            break
    assert [(name, len(part)) for name, part in items] == expected


def test_all_but_the_line_that_is_arriving_is_settled() -> None:
    framer = Framer()
    framer.feed(START + VIA + b"Subj")
    assert framer.settled == len(START + VIA)
    framer.feed(b"ect: x\r\nl: 5\r\n")
    assert framer.settled == len(START + VIA) + len(b"Subject: x\r\nl:")
    framer.feed(b"\r\n")
    assert framer.settled == len(START + VIA) + len(b"Subject: x\r\nl: 5\r\n\r\n") + 5


def test_the_length_of_a_message_is_known_with_its_header_section() -> None:
    framer, head = Framer(), message(b"l: 40\r\n")
    framer.feed(head[:-1])
    assert framer.needed == 0
    framer.feed(head[-1:] + b"x")
    assert framer.needed == len(head) + 40


def test_an_idle_stream_is_a_few_bytes() -> None:
    assert Framer().state_bytes <= 24


def test_a_stream_cut_into_bytes_has_the_same_number_of_messages() -> None:
    data = message(b"l: 2\r\n", body=b"ab") * 3
    assert bench_frames(data, 2) == bench_frames(data, 2, read_bytes=1) == bench_frames(data, 2, read_bytes=7) == 6


def test_every_error_has_a_text() -> None:
    texts = error_texts()
    assert texts[0] == "no error" and texts[-1] == "unknown error"
    assert len(set(texts)) == len(texts) == 2 + sum(number < 0 for number in RESULT_NAMES)
