"""What the connection table takes for granted of one-to-one SCTP sockets: the kernel is asked."""

from __future__ import annotations

import errno
import select
import socket
import time

import pytest

from sippx.sctp import sctp_options

from .kernel import (
    ABORTS,
    PRODUCT,
    TELLS_HOW,
    events_of,
    free_port,
    listener,
    open_socket,
    pair,
    receive,
    require_sctp,
)

require_sctp()

EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
LARGEST = 65_536


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_messages_keep_their_boundaries(ip: str) -> None:
    client, accepted = pair(ip)
    with client, accepted:
        client.send(b"one")
        client.sendmsg([b"tw", b"o"])
        assert [receive(accepted).content for _ in range(2)] == [b"one", b"two"]


def test_rest_of_a_message_stays_for_the_next_call_and_only_its_end_is_marked() -> None:
    client, accepted = pair()
    with client, accepted:
        client.send(b"0123456789")
        client.send(b"next")
        seen = [accepted.recvmsg(size)[:3:2] for size in (4, 100, 100)]
        assert seen == [(b"0123", 0), (b"456789", socket.MSG_EOR), (b"next", socket.MSG_EOR)]


@pytest.mark.parametrize("pmtu", [0, 512, 1400])
def test_longest_message_arrives_whole_in_one_call(pmtu: int) -> None:
    client, accepted = pair(options=list(sctp_options(path_mtu_bytes=pmtu)))
    message = bytes(range(256)) * (LARGEST // 256)
    with client, accepted:
        assert client.send(message) == LARGEST
        arrival = receive(accepted)
        assert (arrival.content == message, arrival.n_parts) == (True, 1)


def test_message_too_long_for_the_receive_window_arrives_in_parts() -> None:
    client, accepted = pair()
    message = b"x" * 150_000
    with client, accepted:
        client.send(message)
        arrival = receive(accepted)
        assert arrival.content == message
        assert arrival.n_parts > 1


def test_message_longer_than_the_send_buffer_is_refused_and_the_association_lives_on() -> None:
    client, accepted = pair()
    with client, accepted:
        size = client.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        with pytest.raises(OSError) as refused:
            client.send(b"x" * (size + 1))
        assert refused.value.errno == errno.EMSGSIZE
        client.send(b"after")
        assert receive(accepted).content == b"after"


def test_message_of_no_bytes_is_refused() -> None:
    client, accepted = pair()
    with client, accepted:
        with pytest.raises(OSError) as refused:
            client.send(b"")
        assert refused.value.errno == errno.EINVAL


def test_default_send_parameters_make_plain_sends_unordered_on_stream_0() -> None:
    for options, expected in ((PRODUCT, True), ((), False)):
        client, accepted = pair(options=options)
        with client, accepted:
            accepted.setsockopt(*TELLS_HOW)
            client.send(b"message")
            arrival = receive(accepted)
            assert (arrival.content, arrival.is_unordered, arrival.stream) == (b"message", expected, 0)


# ---- ends -----------------------------------------------------------------------------------------------


def test_close_delivers_what_was_sent_then_the_end_and_the_peer_can_send_no_more() -> None:
    client, accepted = pair()
    with client, accepted, select.epoll() as poll:
        poll.register(accepted, EDGES)
        client.send(b"last")
        client.close()
        assert receive(accepted).content == b"last"
        assert receive(accepted).content == b""
        assert events_of(poll) & select.EPOLLRDHUP
        with pytest.raises(BrokenPipeError):
            accepted.send(b"too late")


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_abort_is_told_once_after_what_was_received_before(is_asked_for: bool) -> None:
    client, accepted = pair(options=[ABORTS])
    with client, accepted, select.epoll() as poll:
        accepted.setblocking(False)
        poll.register(accepted, EDGES)
        client.send(b"last")
        while not events_of(poll) & select.EPOLLIN:
            pass
        client.close()
        while not (events := events_of(poll)) & select.EPOLLERR:
            pass
        assert not events & select.EPOLLHUP
        if is_asked_for:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
        assert receive(accepted).content == b"last"
        if not is_asked_for:
            with pytest.raises(ConnectionResetError):
                accepted.recv(1)
        with pytest.raises(BlockingIOError):  # as if more could come
            accepted.recv(1)
        with pytest.raises(BrokenPipeError):
            accepted.send(b"too late")


def test_close_with_received_messages_unread_aborts() -> None:
    client, accepted = pair()
    with client, accepted, select.epoll() as poll:
        poll.register(accepted, EDGES)
        client.send(b"never read")
        while not events_of(poll) & select.EPOLLIN:
            pass
        accepted.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


# ---- without waiting ------------------------------------------------------------------------------------


def test_connecting_without_waiting_tells_of_success_by_writability() -> None:
    with listener() as waiting, open_socket() as client, select.epoll() as poll:
        client.setblocking(False)
        poll.register(client, EDGES)
        events_of(poll, 0)
        assert client.connect_ex(waiting.getsockname()) == errno.EINPROGRESS
        assert events_of(poll) & (select.EPOLLOUT | select.EPOLLERR) == select.EPOLLOUT
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_refused_connection_is_an_error_event_and_the_socket_may_try_again() -> None:
    port = free_port()
    with open_socket() as client, select.epoll() as poll:
        client.setblocking(False)
        poll.register(client, EDGES)
        events_of(poll, 0)
        assert client.connect_ex(("127.0.0.1", port)) == errno.EINPROGRESS
        assert events_of(poll) & select.EPOLLERR
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
        with listener() as waiting:
            assert client.connect_ex(waiting.getsockname()) == errno.EINPROGRESS
            assert events_of(poll) & select.EPOLLOUT


def test_message_sent_while_connecting_is_delivered_when_connected() -> None:
    with listener() as waiting, open_socket() as client:
        client.setblocking(False)
        client.connect_ex(waiting.getsockname())
        assert client.send(b"early") == 5
        accepted, _ = waiting.accept()
        with accepted:
            accepted.settimeout(30)
            assert receive(accepted).content == b"early"


def test_full_send_buffer_refuses_a_whole_message_and_tells_when_there_is_room() -> None:
    client, accepted = pair()
    with client, accepted, select.epoll() as poll:
        client.setblocking(False)
        poll.register(client, EDGES)
        sent = fill(client)
        while events_of(poll, 0.2):  # events of the time before it was full
            sent += fill(client)
        received = 0
        while not events_of(poll, 0.05):
            received += len(receive(accepted).content) == 500
            assert received < sent
        assert fill(client) > 0


def fill(sock: socket.socket) -> int:
    """Send messages of 500 bytes until none is taken: how many were."""
    n = 0
    while True:
        try:
            assert sock.send(b"y" * 500) == 500
        except BlockingIOError:
            return n
        n += 1


def test_each_message_is_an_edge() -> None:
    client, accepted = pair()
    with client, accepted, select.epoll() as poll:
        poll.register(accepted, EDGES)
        events_of(poll, 0)
        for _ in range(3):
            client.send(b"message")
            assert events_of(poll) & select.EPOLLIN


def test_ports_are_free_again_at_once() -> None:
    port = free_port()
    for _ in range(2):
        with open_socket() as waiting, open_socket() as client:
            waiting.bind(("127.0.0.1", port))
            waiting.listen()
            client.connect(("127.0.0.1", port))
            accepted, _ = waiting.accept()
            accepted.close()
            deadline = time.monotonic() + 30
            while client.recv(1):
                assert time.monotonic() < deadline


@pytest.mark.parametrize(("option", "expected"), [(socket.SO_REUSEADDR, False), (socket.SO_REUSEPORT, True)])
def test_only_a_shared_port_lets_a_client_use_that_of_a_listening_socket(option: int, expected: bool) -> None:
    shared = [(socket.SOL_SOCKET, option, b"\1\0\0\0")]
    with listener(options=shared) as own, listener() as other, open_socket(options=shared) as client:
        try:
            client.bind(own.getsockname())
        except OSError as error:
            assert (error.errno, expected) == (errno.EADDRINUSE, False)
            return
        assert expected
        client.connect(other.getsockname())
        accepted, peer = other.accept()
        assert peer == own.getsockname()
        with accepted, open_socket() as caller:
            client.send(b"out")
            accepted.settimeout(30)
            assert receive(accepted).content == b"out"
            caller.connect(own.getsockname())
            incoming, _ = own.accept()
            with incoming:
                caller.send(b"in")
                incoming.settimeout(30)
                assert receive(incoming).content == b"in"
