"""Tests of what connections carry besides SIP in clear: TLS, WebSocket, both, messages of a socket, commands."""

from __future__ import annotations

import ctypes
import errno
import itertools
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.certificates import Certificates
from core.connection_sides import ABORTING, LIMIT_S, MESSAGE, Side, message, read_exactly, until
from core.tls_peers import Peer, our_client, our_server, python_client, python_server
from sippx._core.connectiontable import bench_exchanges
from sippx._core.websocket import Endpoint

TEXT, BINARY = 1, 2
NARROW = (socket.SOL_SOCKET, socket.SO_SNDBUF, (4096).to_bytes(4, "little"))
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture
def side() -> Iterator[Callable[..., Side]]:
    """side(...) makes one that is closed with the test."""
    with ExitStack() as stack:

        def make(*words: int, **more: object) -> Side:
            made = Side(*words, **more)
            stack.callback(made.close)
            return made

        yield make


def open_both(client: Side, server: Side) -> tuple[Side, Side]:
    client.connect(server.listen())
    until(lambda: "opened" in client.names() and "opened" in server.names(), client, server)
    return client, server


def secured(certificates: Certificates, side: Callable[..., Side], version: str | None = None, **more: Any) -> tuple[Side, Side]:
    """A client's and a server's that are not connected yet."""
    client = side(client_tls=our_client(certificates, version=version), name=b"127.0.0.1", destination=1, **more)
    return client, side(server_tls=our_server(certificates, version=version), **more)


both_versions = pytest.mark.parametrize("version", ["1.2", "1.3"])

# --------------------------------------------------------------------------- TLS


@both_versions
def test_messages_go_both_ways_over_tls(version: str, certificates: Certificates, side: Callable[..., Side]) -> None:
    client, server = secured(certificates, side, version)
    index = client.connect(server.listen())
    assert client.table.send(index, [message(1)])
    until(lambda: server.messages() and "opened" in client.names(), client, server)
    assert server.names() == ["accepted", "opened", "message"]
    assert client.told[0][2] > 0
    server.table.send(0, [message(2), message(3)], n_parts=2)
    until(lambda: len(client.messages()) == 2, client, server)
    assert client.messages() == [message(2), message(3)]


def test_a_message_over_tls_takes_one_call_to_send_and_one_to_receive(certificates: Certificates, side: Callable[..., Side]) -> None:
    client, server = open_both(*secured(certificates, side))
    for _ in range(3):
        client.turn()
        server.turn()
    sent, received = (one.table.totals() for one in (client, server))
    for number in range(5):
        client.table.send(0, [message(number)])
        until(lambda n=number: len(server.messages()) == n + 1, server)
    assert client.table.totals()["send_calls"] - sent["send_calls"] == 5
    assert server.table.totals()["receive_calls"] - received["receive_calls"] == 5
    assert server.table.totals()["received_bytes"] - received["received_bytes"] > 5 * len(message(1))


@both_versions
def test_much_goes_over_tls_through_a_narrow_socket(version: str, certificates: Certificates, side: Callable[..., Side]) -> None:
    client, server = open_both(*secured(certificates, side, version, queue_cap=16 << 20, options=[NARROW]))
    sent = [message(number, number * 17 % 9000) for number in range(400)]
    for at in range(0, 400, 20):
        assert client.table.send(0, sent[at : at + 20])
    assert client.table.describe(0)["waiting"]
    until(lambda: len(server.messages()) == len(sent), client, server)
    assert server.messages() == sent
    until(lambda: client.table.describe(0)["queue_cap"] == 0, client, server)


@both_versions
def test_a_server_that_is_not_trusted_is_refused(version: str, certificates: Certificates, side: Callable[..., Side]) -> None:
    client = side(client_tls=our_client(certificates, ca=certificates.other_ca, version=version), name=b"127.0.0.1")
    server = side(server_tls=our_server(certificates, version=version))
    client.connect(server.listen())
    failures = []
    client.table.hook = lambda name, _index: failures.append(client.table.tls_failure()) if name == "lost" else None
    server.table.hook = lambda name, _index: failures.append(server.table.tls_failure()) if name == "lost" else None
    until(lambda: client.losses() and server.losses(), client, server)
    assert client.losses() == server.losses() == [("TLS failed", 0, 0)]
    assert any("certificate" in failure and "refused" in failure for failure in failures)
    assert any("the peer sent alert" in failure for failure in failures)
    assert "opened" not in client.names()


def test_a_client_without_a_certificate_is_told_why_it_is_refused(certificates: Certificates, side: Callable[..., Side]) -> None:
    client = side(client_tls=our_client(certificates), name=b"127.0.0.1")
    server = side(server_tls=our_server(certificates, ca=certificates.ca))
    index = client.connect(server.listen())
    client.table.send(index, [MESSAGE])
    until(lambda: client.losses() and server.losses(), client, server)
    # TLS 1.3: it was open for all it knew
    assert client.losses()[0][0] == "TLS failed"
    assert "alert" in client.table.tls_failure()
    assert server.messages() == []


def test_what_is_not_tls_is_refused(certificates: Certificates, side: Callable[..., Side]) -> None:
    server = side(server_tls=our_server(certificates))
    _, peer = server.adopted()
    peer.sendall(MESSAGE)
    until(server.losses, server)
    assert server.names() == ["accepted", "lost"]
    assert server.losses() == [("TLS failed", 0, 0)]
    assert "does the peer speak TLS" in server.table.tls_failure()


@pytest.mark.parametrize("which", ["client", "server"])
def test_a_peer_that_never_secures_is_given_up(which: str, certificates: Certificates, side: Callable[..., Side]) -> None:
    if which == "server":
        ours = side(server_tls=our_server(certificates), open_timeout_ms=500)
        _, peer = ours.adopted()
        begun_ms = ours.table.now_ms
    else:
        ours = side(client_tls=our_client(certificates), name=b"127.0.0.1", open_timeout_ms=500)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours.connect(listener.getsockname()[1])
            begun_ms = ours.table.now_ms
            peer, _ = listener.accept()
        peer.settimeout(LIMIT_S)
        until(lambda: ours.state() == "securing", ours)
    for _ in range(3):
        ours.turn()
    ours.table.expire(begun_ms + 450)
    ours.turn()
    assert ours.losses() == []
    ours.table.expire(begun_ms + 700)
    ours.turn()
    assert ours.losses() == [("connect timeout", 0, errno.ETIMEDOUT)]
    while peer.recv(4096):
        pass
    peer.close()


class Secure:
    """Python's side of an adopted connection, its handshake done."""

    def __init__(self, certificates: Certificates, server: Side) -> None:
        self.server = server
        self.index, wire = server.adopted()
        self.peer = Peer(wire, python_client(certificates), is_server=False, name="127.0.0.1")
        until(self._is_open, server)

    def _is_open(self) -> bool:
        self.peer.step()
        return self.peer.is_done and "opened" in self.server.names()


def test_close_notify_ends_a_connection_behind_its_answers(certificates: Certificates, side: Callable[..., Side]) -> None:
    server = side(server_tls=our_server(certificates))
    secure = Secure(certificates, server)
    server.table.hook = lambda name, i: server.table.send(i, [message(9)]) if name == "message" else None
    secure.peer.tls.write(MESSAGE)
    secure.peer.close()
    until(server.losses, server)
    assert server.names()[-2:] == ["message", "lost"]
    assert server.losses() == [("closed by the peer", 0, 0)]
    secure.peer.take()
    with suppress(Exception):
        assert secure.peer.tls.read(1000) == message(9)


def test_an_end_without_close_notify_is_an_end_too(certificates: Certificates, side: Callable[..., Side]) -> None:
    server = side(server_tls=our_server(certificates))
    secure = Secure(certificates, server)
    secure.peer.write(MESSAGE)
    secure.peer.wire.close()
    until(server.losses, server)
    assert server.messages() == [MESSAGE]
    assert server.losses() == [("closed by the peer", 0, 0)]


def test_a_close_over_tls_sends_what_waits_and_says_goodbye(certificates: Certificates, side: Callable[..., Side]) -> None:
    server = side(server_tls=our_server(certificates), queue_cap=8 << 20)
    secure = Secure(certificates, server)
    whole = message(1, 60_000) * 20
    server.table.send(secure.index, [message(1, 60_000)] * 20)
    assert server.table.describe(secure.index)["waiting"]
    server.table.close(secure.index)
    got = b""
    while len(got) < len(whole):
        server.turn()
        got += secure.peer.read()
    assert got == whole
    until(lambda: server.table.totals()["open_sockets"] == 0, server)
    # not the SSLEOFError of a session that was cut off
    assert secure.peer.tls.read(10) == b"" or secure.peer.read() == b""
    assert server.losses() == []


def test_sessions_are_resumed(certificates: Certificates, side: Callable[..., Side]) -> None:
    server = side(server_tls=our_server(certificates))
    client = side(client_tls=our_client(certificates), name=b"127.0.0.1", destination=5)
    port = server.listen()
    for number in range(2):
        index = client.connect(port)
        client.table.send(index, [message(number)])
        until(lambda n=number: len(server.messages()) == n + 1 and client.names().count("opened") == n + 1, client, server)
        server.table.send(server.told[-1][1], [MESSAGE])
        until(lambda n=number: len(client.messages()) == n + 1, client, server)
        client.table.close(index)
        until(lambda n=number: len(server.losses()) == n + 1, client, server)
    assert client.table.tls_totals() == {"handshakes": 2, "resumed": 1, "failed": 0}


# --------------------------------------------------------------------------- WebSocket


def websocket_pair(certificates: Certificates, side: Callable[..., Side], *, is_secure: bool = False, **more: Any) -> tuple[Side, Side]:
    if is_secure:
        return secured(certificates, side, carries="websocket", **more)
    return side(carries="websocket", **more), side(carries="websocket", **more)


@pytest.mark.parametrize("is_secure", [False, True])
def test_messages_go_both_ways_over_websocket(is_secure: bool, certificates: Certificates, side: Callable[..., Side]) -> None:
    client, server = websocket_pair(certificates, side, is_secure=is_secure, queue_cap=16 << 20)
    index = client.connect(server.listen())
    sent = [message(number, number * 377 % 60_000) for number in range(60)]
    # before it is open: behind the handshake
    assert client.table.send(index, sent[:2])
    until(lambda: "opened" in client.names(), client, server)
    assert client.table.send(index, sent[2:])
    until(lambda: len(server.messages()) == 60, client, server)
    assert server.messages() == sent
    assert server.table.send(0, sent, n_parts=3)
    until(lambda: len(client.messages()) == 60, client, server)
    assert client.messages() == sent
    client.table.close(0)
    until(server.losses, client, server)
    assert server.losses() == [("closed by the peer", 1000, 0)]
    assert client.losses() == []


def test_a_server_may_send_before_the_handshake(certificates: Certificates, side: Callable[..., Side]) -> None:
    client, server = websocket_pair(certificates, side)
    server.table.hook = lambda name, i: server.table.send(i, [message(1)]) if name == "accepted" else None
    client.connect(server.listen())
    until(client.messages, client, server)
    assert client.names() == ["opened", "message"]
    assert client.messages() == [message(1)]


def opened_server(side: Callable[..., Side], **more: Any) -> tuple[Side, int, socket.socket, Endpoint]:
    """A server that has answered the request of a plain socket."""
    server = side(carries="websocket", **more)
    index, peer = server.adopted()
    peer.sendall(REQUEST)
    until(lambda: "opened" in server.names(), server)
    answer = peer.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101 ") and answer.endswith(b"\r\n\r\n")
    return server, index, peer, Endpoint(is_client=True)


def frame_of(endpoint: Endpoint, opcode: int, payload: bytes) -> bytes:
    frame = endpoint.frame(opcode, payload)
    assert frame is not None
    return frame


@settings(max_examples=40, deadline=None)
@given(
    bodies=st.lists(st.integers(0, 400), min_size=1, max_size=8),
    cuts=st.lists(st.integers(1, 300), min_size=1, max_size=20),
)
def test_frames_come_whole_however_the_stream_is_cut(bodies: list[int], cuts: list[int]) -> None:
    server = Side(carries="websocket")
    index, peer = server.adopted()
    client = Endpoint(is_client=True)
    sent = [message(number, body) for number, body in enumerate(bodies)]
    wire = REQUEST
    for number, one in enumerate(sent):
        wire += frame_of(client, (TEXT, BINARY)[number % 2], one) + frame_of(client, 9, b"%d" % number)
    for turn in itertools.count():
        if not wire:
            break
        cut = cuts[turn % len(cuts)]
        peer.sendall(wire[:cut])
        wire = wire[cut:]
        server.turn()
    assert server.messages() == sent
    assert server.table.totals()["pings"] == len(sent)
    assert server.table.describe(index)["cap_held"] == 0
    peer.close()
    server.close()


def test_fragments_are_joined_over_several_reads(side: Callable[..., Side]) -> None:
    server, _, peer, client = opened_server(side)
    whole = message(1, 1000)
    first = bytearray(frame_of(client, TEXT, whole[:300]))
    first[0] &= 0x7F
    last = bytearray(frame_of(client, TEXT, whole[300:]))
    last[0] &= 0xF0
    ping = frame_of(client, 9, b"between")
    for part in (bytes(first), ping, bytes(last[:100]), bytes(last[100:]) + frame_of(client, BINARY, MESSAGE)):
        peer.sendall(part)
        server.turn()
    until(lambda: len(server.messages()) == 2, server)
    assert server.messages() == [whole, MESSAGE]
    assert client.feed(peer.recv(100)) == [("pong", 0, b"between")]


def test_a_close_frame_is_answered_behind_the_answers(side: Callable[..., Side]) -> None:
    server, index, peer, client = opened_server(side)
    server.table.hook = lambda name, i: server.table.send(i, [message(9)]) if name == "message" else None
    close = client.close_frame(1001, b"off")
    assert close is not None
    peer.sendall(frame_of(client, TEXT, MESSAGE) + close + b"dropped")
    until(server.losses, server)
    assert server.names(index) == ["accepted", "opened", "message", "lost"]
    assert server.losses() == [("closed by the peer", 1001, 0)]
    assert client.feed(read_exactly(peer, len(message(9)) + 2 + 4)) == [("message", TEXT, message(9)), ("close", 1001, b"")]


def test_a_frame_that_is_wrong_is_answered_with_a_code(side: Callable[..., Side]) -> None:
    server, _, peer, client = opened_server(side)
    peer.sendall(frame_of(client, TEXT, MESSAGE) + frame_of(Endpoint(), TEXT, MESSAGE))
    until(server.losses, server)
    assert server.messages() == [MESSAGE]
    assert server.losses() == [("framing lost", -3, 0)]
    assert client.feed(peer.recv(100)) == [("close", 1002, b"")]
    assert peer.recv(10) == b""


def test_a_request_that_is_refused_is_answered(side: Callable[..., Side]) -> None:
    server = side(carries="websocket")
    _, peer = server.adopted()
    peer.sendall(REQUEST.replace(b"Version: 13", b"Version: 12"))
    until(server.losses, server)
    assert server.names() == ["accepted", "lost"]
    assert server.losses() == [("WebSocket handshake failed", -5, 0)]
    assert peer.recv(4096).startswith(b"HTTP/1.1 426 ")
    assert peer.recv(10) == b""


def test_a_request_that_never_ends_is_timed_out(side: Callable[..., Side]) -> None:
    server = side(carries="websocket", open_timeout_ms=500)
    _, peer = server.adopted()
    peer.sendall(REQUEST[:40])
    server.turn()
    server.table.expire(server.table.now_ms + 600)
    server.turn()
    assert server.losses() == [("connect timeout", 0, errno.ETIMEDOUT)]
    assert peer.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_a_server_that_refuses_is_no_connection(side: Callable[..., Side]) -> None:
    client = side(carries="websocket", host=b"example.test:8", path=b"/sip")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client.connect(listener.getsockname()[1])
        client.table.send(0, [MESSAGE])
        peer, _ = listener.accept()
    with peer:
        request = b""
        peer.settimeout(0.01)
        while b"\r\n\r\n" not in request:
            client.turn()
            with suppress(TimeoutError):
                request += peer.recv(4096)
        assert request.startswith(b"GET /sip HTTP/1.1\r\nHost: example.test:8\r\n")
        # nothing behind the request before it is answered
        assert request.endswith(b"\r\n\r\n") and b"OPTIONS" not in request
        peer.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        until(client.losses, client)
    assert client.losses() == [("WebSocket handshake failed", 403, 0)]


def exchange(peer: Any, wire: socket.socket, one: Side, condition: Callable[[], object]) -> None:
    """The library's side and ours in turn until that is so."""

    def is_so() -> object:
        wire.setblocking(False)
        with suppress(BlockingIOError):
            if data := wire.recv(1 << 16):
                peer.receive_data(data)
            else:
                peer.receive_eof()
        for data in peer.data_to_send():
            # what answers a close may find nobody
            with suppress(BrokenPipeError):
                wire.sendall(data)
        return condition()

    until(is_so, one)


def test_the_library_websockets_is_served(side: Callable[..., Side]) -> None:
    client_module = pytest.importorskip("websockets.client", reason="needs the package websockets")
    uri = pytest.importorskip("websockets.uri", reason="needs the package websockets")
    server = side(carries="websocket")
    index, wire = server.adopted()
    peer = client_module.ClientProtocol(uri.parse_uri("ws://127.0.0.1:5062/"), subprotocols=["sip"])
    peer.send_request(peer.connect())
    exchange(peer, wire, server, lambda: "opened" in server.names())
    events: list[Any] = []
    peer.send_text(MESSAGE)
    peer.send_ping(b"are you there")
    server.table.send(index, [message(4), message(5)])
    exchange(peer, wire, server, lambda: events.extend(peer.events_received()) or len(events) >= 4)
    assert [bytes(event.data) for event in events[1:]] == [message(4), message(5), b"are you there"]
    assert server.messages() == [MESSAGE]
    server.table.close(index)
    exchange(peer, wire, server, lambda: peer.close_rcvd is not None)
    assert peer.close_rcvd.code == 1000
    wire.close()


def test_the_library_websockets_serves(side: Callable[..., Side]) -> None:
    server_module = pytest.importorskip("websockets.server", reason="needs the package websockets")
    client = side(carries="websocket")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client.connect(listener.getsockname()[1])
        client.table.send(0, [message(1)])
        wire, _ = listener.accept()
    peer = server_module.ServerProtocol(subprotocols=["sip"])
    events: list[Any] = []

    def answered() -> object:
        for event in peer.events_received():
            if not events:
                peer.send_response(peer.accept(event))
            events.append(event)
        return len(events) >= 2

    exchange(peer, wire, client, answered)
    assert bytes(events[1].data) == message(1)
    peer.send_binary(message(2))
    peer.send_close(1001, "off")
    exchange(peer, wire, client, client.losses)
    assert client.messages() == [message(2)]
    assert client.losses() == [("closed by the peer", 1001, 0)]
    wire.close()


# --------------------------------------------------------------------------- messages of a socket, commands


def test_a_socket_that_keeps_boundaries_gives_each_message(side: Callable[..., Side]) -> None:
    server = side(carries="messages")
    index, peer = server.adopted(socket.SOCK_SEQPACKET)
    # neither is looked into
    for data in (b"one", message(1) + message(2), b"\r\n\r\n"):
        peer.send(data)
    until(lambda: len(server.messages()) == 3, server)
    assert server.messages() == [b"one", message(1) + message(2), b"\r\n\r\n"]
    server.table.send(index, [b"three", b"four", b"five"], n_parts=2)
    assert [peer.recv(100) for _ in range(3)] == [b"three", b"four", b"five"]


def test_boundaries_are_kept_where_messages_have_to_wait(side: Callable[..., Side]) -> None:
    server = side(carries="messages", queue_cap=8 << 20)
    index, peer = server.adopted(socket.SOCK_SEQPACKET, buffer_bytes=8192)
    sent = [message(number, number * 13 % 3000) for number in range(200)]
    for at in range(0, 200, 20):
        assert server.table.send(index, sent[at : at + 20], n_parts=4)
    assert server.table.describe(index)["waiting"]
    got = []
    peer.setblocking(False)
    while len(got) < 200:
        server.turn()
        with suppress(BlockingIOError):
            got.append(peer.recv(1 << 16))
    assert got == sent
    assert server.table.describe(index)["queue_cap"] == 0


def test_a_message_too_long_for_the_socket_ends_the_connection(side: Callable[..., Side]) -> None:
    server = side(carries="messages")
    index, _peer = server.adopted(socket.SOCK_SEQPACKET, buffer_bytes=4096)
    assert not server.table.send(index, [bytes(60_000)])
    server.turn()
    assert server.losses() == [("reset", 0, errno.EMSGSIZE)]


@pytest.mark.parametrize("is_sctp", [False, True])
def test_a_message_that_is_too_long_ends_the_connection(is_sctp: bool, side: Callable[..., Side]) -> None:
    server = side(carries="messages", is_sctp=is_sctp)
    _, peer = server.adopted(socket.SOCK_SEQPACKET)
    # a local socket never says that a message of SCTP has come to its end
    parts = [bytes(30_000)] * 3 if is_sctp else [bytes(65_536)]
    for part in parts:
        peer.send(part)
        server.turn()
    until(server.losses, server)
    assert server.losses() == [("framing lost", -4, 0)]
    assert server.messages() == []


@settings(max_examples=40, deadline=None)
@given(
    commands=st.lists(st.binary(max_size=200).map(lambda b: b.replace(b"\x1b", b"")), max_size=10),
    cuts=st.lists(st.integers(1, 150), min_size=1, max_size=20),
)
def test_commands_come_whole_however_the_stream_is_cut(commands: list[bytes], cuts: list[int]) -> None:
    twin = Side(carries="commands")
    index, peer = twin.adopted()
    wire, turn = b"".join(command + b"\x1b" for command in commands), 0
    while wire:
        cut = cuts[turn % len(cuts)]
        peer.sendall(wire[:cut])
        wire, turn = wire[cut:], turn + 1
        twin.turn()
    assert twin.messages() == commands
    twin.table.send(index, [*commands, b"last"])
    whole = b"".join(command + b"\x1b" for command in [*commands, b"last"])
    assert read_exactly(peer, len(whole), twin) == whole
    peer.close()
    twin.close()


def test_a_command_without_end_ends_the_connection(side: Callable[..., Side]) -> None:
    twin = side(carries="commands")
    _, peer = twin.adopted()
    longest = bytes(65_536)
    left = memoryview(longest + b"\x1b" + longest + b"x")
    peer.setblocking(False)
    while left or not twin.losses():
        twin.turn()
        with suppress(BlockingIOError, BrokenPipeError):
            left = left[peer.send(left) :]
    assert twin.messages() == [longest]
    assert twin.losses() == [("framing lost", -4, 0)]


def test_python_serves_a_client_over_tls(certificates: Certificates, side: Callable[..., Side]) -> None:
    client = side(client_tls=our_client(certificates), name=b"127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        index = client.connect(listener.getsockname()[1])
        wire, _ = listener.accept()
    peer = Peer(wire, python_server(certificates), is_server=True)
    client.table.send(index, [message(1)])

    def is_open() -> bool:
        peer.step()
        return peer.is_done and "opened" in client.names()

    until(is_open, client)
    got = b""
    while not got:
        client.turn()
        got += peer.read()
    assert got == message(1)
    peer.write(message(2))
    until(client.messages, client)
    client.table.close(index)
    assert peer.read() == b""
    wire.close()


# --------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("carries", ["sip", "websocket", "commands"])
@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(
        st.one_of(st.binary(max_size=80), st.sampled_from([MESSAGE, REQUEST, MESSAGE[:40], b"\r\n\r\n", b"\x1b"]),
                  st.builds(frame_of, st.just(Endpoint(is_client=True)), st.sampled_from([0, 1, 2, 8, 9, 10]), st.binary(max_size=120))),
        max_size=10,
    ),
    ends=st.sampled_from(["not", "half", "whole"]),
)  # fmt: skip
def test_any_bytes_come_to_some_end(carries: str, parts: list[bytes], ends: str) -> None:
    server = Side(carries=carries)
    index, peer = server.adopted()
    for part in parts:
        with suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(part)
        server.turn()
        if server.state(index) != "free":
            server.table.send(index, [MESSAGE])
    if ends == "whole":
        peer.close()
    elif ends == "half":
        peer.shutdown(socket.SHUT_WR)
    for _ in range(3):
        server.turn()
    totals = server.table.totals()
    assert server.names().count("lost") == sum(totals["ended"].values())
    assert totals["open_sockets"] == 1 - len(server.losses())
    assert ends == "not" or server.losses()
    peer.close()
    server.close()


def heap_bytes() -> int:
    """What of the C heap is in use."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = HeapInfo
    return int(libc.mallinfo2().count_7)


class HeapInfo(ctypes.Structure):
    """mallinfo2: ten counts, of which the eighth is the bytes in use."""

    _fields_ = [(f"count_{i}", ctypes.c_size_t) for i in range(10)]


@pytest.mark.parametrize(("carries", "is_secure"), [("sip", False), ("websocket", False), ("sip", True), ("websocket", True)])
def test_connections_that_are_gone_hold_no_memory(carries: str, is_secure: bool, certificates: Certificates, side: Callable[..., Side]) -> None:
    more = {"carries": carries, "options": [ABORTING]}
    client, server = secured(certificates, side, **more) if is_secure else (side(**more), side(**more))
    port = server.listen()
    seen = []
    for _ in range(4):
        assert bench_exchanges(client.table, server.table, client.channel, port, MESSAGE, 20, 4) == 80
        until(lambda: server.table.totals()["open_sockets"] == 0, server)
        server.told.clear()
        seen.append(heap_bytes())
    assert seen[-1] - seen[1] < 20_000, seen


@pytest.mark.parametrize("carries", ["sip", "websocket", "commands"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_the_owner_may_do_anything_while_it_is_being_told(carries: str, seed: int) -> None:
    chance = random.Random(seed)
    client = Side(12, carries=carries, queue_cap=30_000, high_water=3000, low_water=100, options=[NARROW, ABORTING][: seed % 3])
    server = Side(8, carries=carries, queue_cap=30_000, high_water=3000, low_water=100)
    port = server.listen()

    def act(side: Side, index: int) -> None:
        match chance.randrange(7):
            case 0:
                side.table.close(index)
            case 1:
                side.table.park(index, chance.randrange(3))
            case 2:
                side.table.reopen(index, "127.0.0.1", port)
            case 3:
                with suppress(OSError):
                    client.connect(port)
            case _ if side.state(index) != "free":
                side.table.send(index, [message(n, chance.randrange(4000)) for n in range(chance.randrange(1, 5))])

    def owner(side: Side) -> Callable[[str, int], None]:
        def told(_name: str, index: int) -> None:
            for at in (index, chance.randrange(max(side.table.n_records, 1))):
                if at < side.table.n_records and chance.random() < 0.5:
                    act(side, at)

        return told

    client.table.hook, server.table.hook = owner(client), owner(server)
    for _ in range(30):
        with suppress(OSError):
            client.connect(port)
        client.turn()
        server.turn()
    client.table.hook = server.table.hook = None
    server.listeners.pop().close()
    for side in (client, server):
        for index in range(side.table.n_records):
            side.table.close(index)
        # what waits may take a second to leave
        side.table.expire(side.table.now_ms + 1100)
        side.turn()
    for side in (client, server):
        assert all(side.state(index) == "free" for index in range(side.table.n_records))
        assert len({side.adopted()[0] for _ in range(8)}) == 8
        side.close()
