"""The opening handshake of WebSocket connections: RFC 6455's example, its rules, the twin, another implementation."""

from __future__ import annotations

import base64
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import websocket as slow
from sippx._core.upgrade import RESULT_NAMES, Handshake, accept_of, error_texts
from sippx._core.websocket import Endpoint

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
REQUEST = slow.request(b"127.0.0.1:8080", b"/", KEY)


def key_of(request: bytes) -> bytes:
    match = re.search(rb"Sec-WebSocket-Key: (.*)\r\n", request)
    assert match is not None
    return match.group(1)


def asked() -> tuple[Handshake, bytes]:
    """A client that has made its request, and the key in it."""
    client = Handshake(is_client=True)
    request = client.request(b"127.0.0.1:8080")
    assert request is not None
    return client, key_of(request)


def served(data: bytes) -> str:
    """What a server makes of a request; the twin agrees."""
    result, rest = slow.read_request(data)
    server = Handshake()
    assert server.feed(data) == result
    assert server.rest == rest or result == "more"
    return result


def answered(change: tuple[bytes, bytes]) -> str:
    """What a client makes of a server's answer with something else in it; the twin agrees."""
    client, key = asked()
    response = slow.response(key).replace(*change)
    assert response != slow.response(key)
    result = client.feed(response)
    assert result == slow.read_response(response, key)[0]
    return result


# --------------------------------------------------------------------------- what is right


def test_rfc_6455_accept_of_the_sample_nonce() -> None:
    assert accept_of(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" == slow.accept_of(KEY)


@given(st.binary(min_size=16, max_size=16))
def test_accept_is_made_from_any_key(nonce: bytes) -> None:
    key = base64.b64encode(nonce)
    assert accept_of(key) == slow.accept_of(key)
    assert served(slow.request(b"h", b"/", key)) == "open"


@pytest.mark.parametrize(("host", "path"), [(b"127.0.0.1", b"/"), (b"[::1]:8080", b"/sip?x=y"), (b"h" * 200, b"/" * 300)])
def test_a_request_is_that_of_the_twin(host: bytes, path: bytes) -> None:
    request = Handshake(is_client=True).request(host, path, seed=5)
    assert request is not None
    assert request == slow.request(host, path, key_of(request))
    assert served(request) == "open"


def test_every_seed_has_a_key_of_its_own() -> None:
    requests = [Handshake(is_client=True).request(b"h", seed=seed) or b"" for seed in range(1, 50)]
    assert len({key_of(request) for request in requests}) == 49


def test_a_request_that_does_not_fit_is_not_written() -> None:
    n_bytes = len(REQUEST)
    assert Handshake(is_client=True).request(b"127.0.0.1:8080", cap=n_bytes) is not None
    assert Handshake(is_client=True).request(b"127.0.0.1:8080", cap=n_bytes - 1) is None


def test_a_server_answers_as_the_twin_does() -> None:
    server = Handshake()
    assert server.feed(REQUEST) == "open"
    assert server.answer() == slow.response(KEY)


def test_a_client_opens_with_the_answer_to_its_key() -> None:
    client, key = asked()
    assert client.feed(slow.response(key) + b"frames") == "open"
    assert (client.status_code, client.rest) == (101, b"frames")


def test_rfc_7118_request_opens() -> None:
    request = (
        b"GET / HTTP/1.1\r\nHost: sip-ws.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://www.example.com\r\n"
        b"Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert served(request) == "open"


@pytest.mark.parametrize(
    "change",
    [
        (b"Upgrade: websocket", b"UPGRADE:WebSocket"),
        (b"Connection: Upgrade", b"Connection: keep-alive, upgrade"),
        (b"Connection: Upgrade", b"Connection: keep-alive\r\nConnection: Upgrade"),
        (b"Protocol: sip", b"Protocol: msrp, sip ,x"),
        (b"Protocol: sip", b"Protocol: msrp\r\nSec-WebSocket-Protocol: sip"),
        (b"Upgrade: websocket", b"Upgrade: h2c, websocket\r\nSec-WebSocket-Extensions: permessage-deflate"),
        (b"\r\n", b"\n"),
    ],
)
def test_a_request_may_be_written_in_other_ways(change: tuple[bytes, bytes]) -> None:
    assert served(REQUEST.replace(*change)) == "open"


# --------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("change", "result", "status"),
    [
        ((b"HTTP/1.1", b"HTTP/1.0"), "http", b"400"),
        ((b"GET / ", b"GET "), "http", b"400"),
        ((b"GET ", b"POST "), "method", b"405"),
        ((b"Host: ", b"Hose: "), "http", b"400"),
        ((b"Host: ", b"Host: x\r\nHost: "), "http", b"400"),
        ((b"Host: ", b" Host: "), "http", b"400"),
        ((b"Host: ", b"Host : "), "http", b"400"),
        ((b"Host: ", b"no colon\r\nHost: "), "http", b"400"),
        ((b"Upgrade: websocket", b"Upgrade: websockets"), "not_asked", b"426"),
        ((b"Connection: Upgrade", b"Connection: close"), "not_asked", b"426"),
        ((b"Version: 13", b"Version: 8"), "version", b"426"),
        ((b"Sec-WebSocket-Version: 13\r\n", b""), "version", b"426"),
        ((b"Q==", b"Q="), "key", b"400"),
        ((b"Q==", b"QQ="), "key", b"400"),
        ((b"dGhl", b"d!hl"), "key", b"400"),
        ((b"Sec-WebSocket-Key: ", b"X: "), "key", b"400"),
        ((b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Key: "), "key", b"400"),
        ((b"Protocol: sip", b"Protocol: sips"), "subprotocol", b"400"),
        ((b"Protocol: sip", b"Protocol: SIP"), "subprotocol", b"400"),
        ((b"Sec-WebSocket-Protocol: sip\r\n", b""), "subprotocol", b"400"),
    ],
)
def test_a_request_that_is_wrong_is_refused(change: tuple[bytes, bytes], result: str, status: bytes) -> None:
    data = REQUEST.replace(*change)
    assert data != REQUEST
    assert served(data) == result
    server = Handshake()
    server.feed(data)
    answer = server.answer()
    assert answer.startswith(b"HTTP/1.1 " + status + b" ") and answer.endswith(b"Content-Length: 0\r\n\r\n")
    assert (b"Sec-WebSocket-Version: 13\r\n" in answer) == (result == "version")


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ((b"HTTP/1.1 101", b"HTTP/1.1 200"), "status"),
        ((b"HTTP/1.1 101", b"HTTP/1.1 302"), "status"),
        ((b"HTTP/1.1 101", b"HTTP/1.0 101"), "http"),
        ((b"HTTP/1.1 101 ", b"HTTP/1.1 1010 "), "http"),
        ((b"Upgrade: websocket\r\n", b""), "not_asked"),
        ((b"Connection: Upgrade\r\n", b""), "not_asked"),
        ((b"=\r\n", b"A\r\n"), "accept"),
        ((b"Sec-WebSocket-Accept", b"Sec-WebSocket-Except"), "accept"),
        ((b"Protocol: sip", b"Protocol: msrp"), "subprotocol"),
        ((b"Protocol: sip", b"Protocol: sip, msrp"), "subprotocol"),
        ((b"Sec-WebSocket-Protocol: sip\r\n", b""), "subprotocol"),
        ((b"Upgrade: w", b"Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: w"), "extension"),
    ],
)
def test_an_answer_that_is_wrong_does_not_open(change: tuple[bytes, bytes], result: str) -> None:
    assert answered(change) == result


def test_the_status_of_a_refusal_is_kept() -> None:
    client, _ = asked()
    assert client.feed(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") == "status"
    assert client.status_code == 403


@pytest.mark.parametrize("data", [b"\x16\x03\x01", b"\r\n", b"\x00"])
def test_what_is_not_http_is_told_without_a_line_end(data: bytes) -> None:
    assert served(data) == "http"


def test_a_head_is_bounded() -> None:
    head = REQUEST[:-2]
    field = b"X: %s\r\n" % (b"y" * (8192 - len(head) - 7))
    assert served(head + field + b"\r\n") == "open"
    assert served(head + b"z" + field + b"\r\n") == "too_long"
    server = Handshake()
    assert server.feed(b"x" * 8191) == "more"
    assert server.feed(b"x") == "too_long"
    assert server.answer().startswith(b"HTTP/1.1 431 ")


def test_a_request_that_does_not_end_can_be_answered() -> None:
    server = Handshake()
    assert server.feed(REQUEST[:-1]) == "more"
    assert server.answer().startswith(b"HTTP/1.1 408 ")


# --------------------------------------------------------------------------- cuts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(REQUEST) + 5), max_size=8), st.sampled_from([b"\r\n", b"\n"]))
def test_every_cut_gives_the_same_result(at: list[int], line_end: bytes) -> None:
    data = REQUEST.replace(b"\r\n", line_end) + b"\x81\x80"
    server = Handshake()
    for a, b in pairwise([0, *sorted(min(n, len(data)) for n in at), len(data)]):
        result = server.feed(data[a:b])
        if result != "more":
            break
    assert result == "open"
    assert server.rest + data[b:] == b"\x81\x80"


def test_a_head_that_arrives_byte_by_byte_opens_with_its_last() -> None:
    server = Handshake()
    assert [server.feed(REQUEST[i : i + 1]) for i in range(len(REQUEST))] == ["more"] * (len(REQUEST) - 1) + ["open"]


def test_every_error_has_a_text() -> None:
    texts = error_texts()
    assert texts[0] == "no error" and texts[-1] == "unknown error"
    assert len(set(texts)) == len(texts) == 2 + sum(number < 0 for number in RESULT_NAMES)


# --------------------------------------------------------------------------- another implementation

MESSAGE = b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"


def test_the_library_websockets_is_served() -> None:
    client_module = pytest.importorskip("websockets.client", reason="needs the package websockets")
    uri = pytest.importorskip("websockets.uri", reason="needs the package websockets")
    peer = client_module.ClientProtocol(uri.parse_uri("ws://127.0.0.1:8080/"), subprotocols=["sip"])
    peer.send_request(peer.connect())
    server, endpoint = Handshake(), Endpoint()
    assert server.feed(b"".join(peer.data_to_send())) == "open"
    peer.receive_data(server.answer() + (endpoint.frame(1, MESSAGE) or b"") + (endpoint.frame(9, b"are you there") or b""))
    events = peer.events_received()
    assert peer.handshake_exc is None and peer.subprotocol == "sip"
    assert [bytes(event.data) for event in events[1:]] == [MESSAGE, b"are you there"]
    peer.send_text(MESSAGE[:30], fin=False)
    peer.send_ping(b"between")
    peer.send_continuation(MESSAGE[30:], fin=True)
    peer.send_binary(b"v" * 65535)
    peer.send_close(1000, "bye")
    assert endpoint.feed(b"".join(peer.data_to_send())) == [
        ("pong", 0, b"are you there"), ("ping", 0, b"between"), ("message", 1, MESSAGE), ("message", 2, b"v" * 65535),
        ("close", 1000, b"bye"),
    ]  # fmt: skip


def test_the_library_websockets_serves() -> None:
    server_module = pytest.importorskip("websockets.server", reason="needs the package websockets")
    peer = server_module.ServerProtocol(subprotocols=["sip"])
    client, endpoint = Handshake(is_client=True), Endpoint(is_client=True)
    request = client.request(b"127.0.0.1:8080")
    assert request is not None
    peer.receive_data(request)
    peer.send_response(peer.accept(peer.events_received()[0]))
    assert client.feed(b"".join(peer.data_to_send())) == "open"
    for frame in (endpoint.frame(1, MESSAGE), endpoint.frame(9, b"p"), endpoint.frame(2, b"v" * 200), endpoint.close_frame(1001, b"off")):
        peer.receive_data(frame or b"")
    events = peer.events_received()
    assert [bytes(event.data) for event in events] == [MESSAGE, b"p", b"v" * 200, b"\x03\xe9off"]
    assert endpoint.feed(b"".join(peer.data_to_send())) == [("pong", 0, b"p"), ("close", 1001, b"off")]
