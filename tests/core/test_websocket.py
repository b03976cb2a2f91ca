"""WebSocket frames: RFC 6455's examples, every rule of its section 5, and the slow twin at every cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import websocket as slow
from sippx._core.websocket import RESULT_NAMES, Endpoint, bench_receive, bench_send, close_code_of, error_texts

Item = tuple[str, int, bytes]

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = bytes.fromhex("37fa213d")


def received(pieces: list[bytes], *, is_client: bool = False) -> list[Item]:
    """All that one side makes of what arrives in these pieces."""
    endpoint, items = Endpoint(is_client=is_client), []
    for piece in pieces:
        items += endpoint.feed(piece)
        if items and items[-1][0] not in ("message", "ping", "pong"):
            break
    return items


def cut(data: bytes, at: list[int]) -> list[bytes]:
    return [data[a:b] for a, b in pairwise([0, *sorted(at), len(data)])]


def assert_received(data: bytes, expected: list[Item], *, is_client: bool = False) -> None:
    """As expected, at once and byte by byte; the twin agrees."""
    assert slow.receive(data, is_client=is_client) == expected
    assert received([data], is_client=is_client) == expected
    assert received([data[i : i + 1] for i in range(len(data))], is_client=is_client) == expected


# --------------------------------------------------------------------------- RFC 6455 5.7


def test_rfc_6455_unmasked_text() -> None:
    assert_received(bytes.fromhex("810548656c6c6f"), [("message", TEXT, b"Hello")], is_client=True)


def test_rfc_6455_masked_text() -> None:
    assert_received(bytes.fromhex("818537fa213d7f9f4d5158"), [("message", TEXT, b"Hello")])


def test_rfc_6455_fragmented_text() -> None:
    assert_received(bytes.fromhex("010348656c80026c6f"), [("message", TEXT, b"Hello")], is_client=True)


def test_rfc_6455_ping_and_its_pong() -> None:
    assert_received(bytes.fromhex("890548656c6c6f"), [("ping", 0, b"Hello")], is_client=True)
    assert_received(bytes.fromhex("8a8537fa213d7f9f4d5158"), [("pong", 0, b"Hello")])


def test_rfc_6455_256_bytes_in_one_frame() -> None:
    data = bytes(range(256))
    assert_received(bytes.fromhex("827e0100") + data, [("message", BINARY, data)], is_client=True)


def test_rfc_6455_64_kib_are_beyond_the_bound() -> None:
    assert received([bytes.fromhex("827f0000000000010000")], is_client=True) == [("too_long", 0, b"")]


# --------------------------------------------------------------------------- lengths


@pytest.mark.parametrize("n_bytes", [0, 1, 3, 7, 8, 9, 125, 126, 127, 65535])
@pytest.mark.parametrize("is_client", [False, True])
def test_a_frame_of_any_length_is_read_and_written(n_bytes: int, is_client: bool) -> None:
    payload = bytes(i * 7 & 255 for i in range(n_bytes))
    frame = slow.frame(BINARY, payload, None if is_client else KEY)
    assert received([frame], is_client=is_client) == [("message", BINARY, payload)]
    written = Endpoint(is_client=not is_client).frame(BINARY, payload)
    assert written is not None and len(written) == len(frame)
    assert slow.receive(written, is_client=is_client) == [("message", BINARY, payload)]


def test_a_message_beyond_the_bound_is_neither_written_nor_read() -> None:
    assert Endpoint().frame(BINARY, bytes(65536)) is None
    fragments = [slow.frame(BINARY, bytes(40000), KEY, is_final=False), slow.frame(0, bytes(25536), KEY)]
    assert received([b"".join(fragments)]) == [("too_long", 0, b"")]
    fragments[1] = slow.frame(0, bytes(25535), KEY)
    assert received([b"".join(fragments)]) == [("message", BINARY, bytes(65535))]


@pytest.mark.parametrize(("n_bytes", "form"), [(0, 16), (125, 16), (0, 64), (126, 64), (65535, 64)])
def test_a_length_that_is_not_in_its_shortest_form_ends_the_connection(n_bytes: int, form: int) -> None:
    assert received([slow.frame(BINARY, bytes(n_bytes), KEY, form=form)]) == [("length", 0, b"")]


def test_a_length_beyond_63_bits_ends_the_connection() -> None:
    assert_received(b"\x82\xff" + b"\xff" * 8, [("length", 0, b"")])


# --------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("bit", [0x10, 0x20, 0x40])
def test_a_reserved_bit_ends_the_connection(bit: int) -> None:
    assert_received(bytes([0x82 | bit, 0x80]) + KEY, [("reserved", 0, b"")])


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_an_unknown_opcode_ends_the_connection(opcode: int) -> None:
    assert_received(slow.frame(opcode, b"", KEY), [("opcode", 0, b"")])


def test_a_server_takes_masked_frames_only_and_a_client_unmasked_ones() -> None:
    assert_received(slow.frame(TEXT, b"x"), [("mask", 0, b"")])
    assert_received(slow.frame(TEXT, b"x", KEY), [("mask", 0, b"")], is_client=True)


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_long_or_fragmented_control_frame_ends_the_connection(opcode: int) -> None:
    assert_received(slow.frame(opcode, bytes(126), KEY), [("control", 0, b"")])
    assert_received(slow.frame(opcode, b"", KEY, is_final=False), [("control", 0, b"")])
    assert Endpoint().frame(opcode, bytes(126)) is None


def test_a_control_frame_may_have_125_bytes() -> None:
    assert_received(slow.frame(PING, bytes(125), KEY), [("ping", 0, bytes(125))])
    assert Endpoint().frame(PING, bytes(125)) == slow.frame(PING, bytes(125))


def test_a_fragment_out_of_place_ends_the_connection() -> None:
    assert_received(slow.frame(0, b"x", KEY), [("continuation", 0, b"")])
    inside = slow.frame(TEXT, b"x", KEY, is_final=False) + slow.frame(TEXT, b"y", KEY)
    assert_received(inside, [("continuation", 0, b"")])


def test_an_error_is_for_ever() -> None:
    endpoint = Endpoint()
    assert endpoint.feed(b"\xf0\x80") == endpoint.feed(slow.frame(TEXT, b"x", KEY)) == [("reserved", 0, b"")]


# --------------------------------------------------------------------------- UTF-8

_TEXTS = [
    "Hé", "käse" * 20, "日本", "\U0001f600", "\x00", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\U00010000",
    "\U0010ffff",
]  # fmt: skip
_NO_TEXTS = [
    b"\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
    b"\xff", b"abcdefgh\xe4", b"\xe2\x82", b"\xe2\x82x", b"\xf0\x9f\x98",
]  # fmt: skip


@pytest.mark.parametrize("text", _TEXTS)
def test_a_text_is_utf_8_wherever_it_was_cut(text: str) -> None:
    payload = text.encode()
    for at in range(len(payload) + 1):
        data = slow.frame(TEXT, payload[:at], KEY, is_final=False) + slow.frame(0, payload[at:], KEY)
        assert received([data]) == [("message", TEXT, payload)]


@pytest.mark.parametrize("payload", _NO_TEXTS)
def test_a_text_that_is_not_utf_8_ends_the_connection(payload: bytes) -> None:
    assert_received(slow.frame(TEXT, payload, KEY), [("utf8", 0, b"")])
    assert_received(slow.frame(BINARY, payload, KEY), [("message", BINARY, payload)])
    assert_received(slow.frame(CLOSE, b"\x03\xe8" + payload, KEY), [("utf8", 0, b"")])


@pytest.mark.parametrize("n_before", range(80))
def test_a_wrong_byte_is_found_wherever_it_is(n_before: int) -> None:
    for n_behind in (0, 7, 40):
        payload = b"a" * n_before + b"\x80" + b"a" * n_behind
        assert received([slow.frame(TEXT, payload, KEY)]) == [("utf8", 0, b"")]


@given(st.binary(max_size=24))
def test_utf_8_is_what_python_decodes(payload: bytes) -> None:
    data = slow.frame(TEXT, payload, KEY)
    assert received([data]) == slow.receive(data, is_client=False)


# --------------------------------------------------------------------------- close


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 4999])
def test_a_close_has_a_code_and_a_reason(code: int) -> None:
    frame = Endpoint(is_client=True).close_frame(code, b"bye")
    assert frame is not None
    assert_received(frame, [("close", code, b"bye")])


def test_a_close_may_have_no_code() -> None:
    assert Endpoint().close_frame() == b"\x88\x00"
    assert_received(b"\x88\x00", [("close", 1005, b"")], is_client=True)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_a_close_with_a_code_that_must_not_be_sent_ends_the_connection(code: int) -> None:
    assert_received(slow.frame(CLOSE, code.to_bytes(2, "big"), KEY), [("close_code", 0, b"")])


def test_a_close_of_one_byte_ends_the_connection() -> None:
    assert_received(slow.frame(CLOSE, b"\x03", KEY), [("close_code", 0, b"")])


def test_a_reason_of_a_close_is_bounded() -> None:
    assert Endpoint().close_frame(1000, bytes(124)) is None
    assert Endpoint().close_frame(1000, bytes(123)) == slow.frame(CLOSE, b"\x03\xe8" + bytes(123))


@pytest.mark.parametrize("is_in_fragments", [False, True])
def test_what_comes_behind_a_close_is_dropped(is_in_fragments: bool) -> None:
    endpoint = Endpoint()
    start = slow.frame(TEXT, b"x", KEY, is_final=False) if is_in_fragments else b""
    assert endpoint.feed(start + slow.frame(CLOSE, b"", KEY) + slow.frame(TEXT, b"x", KEY)) == [("close", 1005, b"")]
    assert endpoint.feed(b"\xff" * 100) == []
    assert endpoint.n_held == 0


def test_errors_have_the_close_codes_of_rfc_6455() -> None:
    codes = {name: close_code_of(name) for number, name in RESULT_NAMES.items() if number < 0}
    assert codes.pop("utf8") == 1007 and codes.pop("too_long") == 1009
    assert set(codes.values()) == {1002}


# --------------------------------------------------------------------------- fragments


def test_pings_with_payloads_between_fragments_come_before_the_message() -> None:
    data = b"".join((
        slow.frame(TEXT, b"INVITE ", KEY, is_final=False), slow.frame(PING, b"one", KEY), slow.frame(0, b"", b"abcd", is_final=False),
        slow.frame(PONG, b"two", KEY), slow.frame(0, b"sip:a ", b"\0\0\0\0", is_final=False), slow.frame(0, b"SIP/2.0", b"zyxw"),
        slow.frame(BINARY, b"next", KEY),
    ))  # fmt: skip
    expected = [("ping", 0, b"one"), ("pong", 0, b"two"), ("message", TEXT, b"INVITE sip:a SIP/2.0"), ("message", BINARY, b"next")]
    assert_received(data, expected)
    for at in range(len(data)):
        assert received([data[:at], data[at:]]) == expected, at


def test_control_frames_between_fragments_do_not_fill_the_buffer() -> None:
    endpoint = Endpoint()
    endpoint.feed(slow.frame(BINARY, b"first", KEY, is_final=False))
    for _ in range(500):
        assert endpoint.feed(slow.frame(PING, bytes(125), KEY)) == [("ping", 0, bytes(125))]
        assert endpoint.feed(slow.frame(0, b"", KEY, is_final=False)) == []
        assert endpoint.n_held == 5
    assert endpoint.feed(slow.frame(0, b"last", KEY)) == [("message", BINARY, b"firstlast")]
    assert endpoint.n_held == 0


def test_a_message_in_fragments_of_one_byte_is_joined() -> None:
    payload = bytes(i & 255 for i in range(3000))
    data = b"".join(slow.frame(0 if i else BINARY, payload[i : i + 1], KEY, is_final=False) for i in range(3000))
    for n_bytes in (len(data), 11):
        pieces = [data[i : i + n_bytes] for i in range(0, len(data), n_bytes)]
        assert received([*pieces, slow.frame(0, b"", KEY)]) == [("message", BINARY, payload)]


def test_the_bytes_that_a_frame_needs_are_known_with_its_header() -> None:
    endpoint = Endpoint()
    endpoint.feed(slow.frame(BINARY, bytes(1000), KEY)[:-1])
    assert endpoint.needed == 1008
    endpoint = Endpoint()
    endpoint.feed(slow.frame(BINARY, bytes(500), KEY, is_final=False) + slow.frame(0, bytes(90), KEY)[:50])
    assert endpoint.needed == 500 + 96 and endpoint.n_held == 500 + 50


# --------------------------------------------------------------------------- the twin


@st.composite
def connections(draw: st.DrawFn) -> tuple[bytes, bool]:
    """What a side receives: messages in fragments, control frames, now and then something wrong."""
    is_client = draw(st.booleans())
    key = None if is_client else draw(st.binary(min_size=4, max_size=4))
    frames: list[bytes] = []
    for _ in range(draw(st.integers(0, 4))):
        n_fragments = draw(st.integers(1, 4))
        for i in range(n_fragments):
            if draw(st.integers(0, 3)) == 0:
                frames.append(slow.frame(draw(st.sampled_from([PING, PONG])), draw(st.binary(max_size=10)), key))
            opcode = draw(st.sampled_from([TEXT, BINARY])) if i == 0 else 0
            payload = draw(st.one_of(st.binary(max_size=10), st.sampled_from([b"v" * 130, b"INVITE sip:a SIP/2.0\r\n" * 2])))
            frames.append(slow.frame(opcode, payload, key, is_final=i == n_fragments - 1))
    if draw(st.booleans()):
        frames.insert(draw(st.integers(0, len(frames))), draw(st.binary(max_size=6)))
    if draw(st.booleans()):
        frames.append(slow.frame(CLOSE, draw(st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8bye", b"\0", b"\0\0"])), key))
    return b"".join(frames), is_client


@settings(max_examples=200, deadline=None)
@given(connections(), st.data())
def test_every_cut_of_a_connection_gives_the_same_messages(connection: tuple[bytes, bool], source: st.DataObject) -> None:
    data, is_client = connection
    expected = slow.receive(data, is_client=is_client)
    assert received([data], is_client=is_client) == expected
    at = source.draw(st.lists(st.integers(0, len(data)), max_size=8))
    assert received(cut(data, at), is_client=is_client) == expected
    assert received([data[i : i + 1] for i in range(len(data))], is_client=is_client) == expected


@given(st.binary(max_size=300), st.integers(1, 2**64 - 1))
def test_a_client_masks_with_keys_from_its_random_state(payload: bytes, seed: int) -> None:
    first, second = (Endpoint(is_client=True, seed=seed) for _ in range(2))
    frames = [first.frame(BINARY, payload) for _ in range(3)]
    assert frames == [second.frame(BINARY, payload) for _ in range(3)]
    assert received([b"".join(frame or b"" for frame in frames)]) == [("message", BINARY, payload)] * 3
    assert len({frame and frame[-len(payload) - 4 :][:4] for frame in frames}) == 3


def test_an_idle_connection_is_a_few_bytes() -> None:
    assert Endpoint().state_bytes <= 16


def test_the_benchmarks_do_what_they_say() -> None:
    assert bench_send(bytes(500), 2) == 2 * 504 and bench_send(bytes(500), 2, is_client=True) == 2 * 508
    assert bench_receive(slow.frame(BINARY, bytes(500), KEY), 3) == 1500


def test_every_error_has_a_text() -> None:
    texts = error_texts()
    assert texts[0] == "no error" and texts[-1] == "unknown error"
    assert len(set(texts)) == len(texts) == 2 + sum(number < 0 for number in RESULT_NAMES)
