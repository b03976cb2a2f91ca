"""The connection table on SCTP sockets: boundaries, congestion, ends."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from core.connection_sides import Side, message, until
from sippx.sctp import bind_option, sctp_options

from .kernel import ABORTS, PRODUCT, Arrival, free_port, open_socket, receive, require_sctp

require_sctp()

CHANNEL: dict[str, Any] = {"carries": "messages", "is_sctp": True, "options": PRODUCT, "queue_cap": 1 << 26}


@pytest.fixture
def client() -> Iterator[Side]:
    side = Side(**CHANNEL)
    yield side
    side.close()


@pytest.fixture
def server() -> Iterator[Side]:
    side = Side(**CHANNEL)
    yield side
    side.close()


def listen(side: Side, *, receive_buffer: int = 0) -> int:
    """The SCTP port at which the side accepts."""
    waiting = open_socket(options=PRODUCT)
    if receive_buffer:
        waiting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    waiting.bind(("127.0.0.1", 0))
    waiting.listen(100)
    waiting.setblocking(False)
    side.listeners.append(waiting)
    side.table.listen(waiting.fileno(), side.channel)
    return int(waiting.getsockname()[1])


def accept(client: Side) -> tuple[int, socket.socket]:
    """A connection of the side, and its other end as a plain socket."""
    with open_socket(options=PRODUCT) as waiting:
        waiting.bind(("127.0.0.1", 0))
        waiting.listen(1)
        index = client.connect(waiting.getsockname()[1])
        far, _ = waiting.accept()
        far.settimeout(30)
    until(lambda: "opened" in client.names(index), client)
    return index, far


def test_messages_of_many_connections_arrive_one_by_one(client: Side, server: Side) -> None:
    port = listen(server)
    sent = [message(number, number) for number in range(100)]
    for number in range(10):
        index = client.connect(port)
        client.table.send(index, sent[number::10])
    until(lambda: len(server.messages()) == 100, client, server)
    assert sorted(server.messages()) == sorted(sent)
    for index in {told[1] for told in server.told if told[0] == "message"}:
        server.table.send(index, server.messages(index))
    until(lambda: len(client.messages()) == 100, client, server)
    assert sorted(client.messages()) == sorted(sent)


def test_more_than_the_socket_takes_waits_and_all_of_it_arrives(client: Side, server: Side) -> None:
    index = client.connect(listen(server))
    until(lambda: "opened" in client.names(index), client, server)
    sent = [message(number, 400) for number in range(3000)]
    assert client.table.send(index, sent)
    assert client.table.totals()["congested"] == 1
    until(lambda: len(server.messages()) == len(sent), client, server)
    assert sorted(server.messages()) == sorted(sent)
    until(lambda: "writable" in client.names(index), client, server)


def test_message_that_the_kernel_gives_in_parts_is_put_together(server: Side) -> None:
    client = Side(**{**CHANNEL, "options": list(sctp_options(path_mtu_bytes=1400))})
    index = client.connect(listen(server, receive_buffer=16_384))
    long = message(1, 60_000)
    client.table.send(index, [long, message(2)])
    held: set[int] = set()

    def has_all() -> bool:
        held.update(server.table.describe(told[1])["held"] for told in server.told[:1])
        return len(server.messages()) == 2

    until(has_all, client, server)
    client.close()
    assert sorted(server.messages()) == sorted([long, message(2)])
    assert max(held) > 0


def test_plain_end_gets_each_message_by_itself(client: Side) -> None:
    index, far = accept(client)
    with far:
        client.table.send(index, [message(1), message(2, 5000)])
        arrivals = [receive(far) for _ in range(2)]
        assert [each.content for each in arrivals] == [message(1), message(2, 5000)]


def test_end_of_the_peer_s_is_told_after_its_last_message(client: Side) -> None:
    index, far = accept(client)
    far.send(message(1))
    far.close()
    until(lambda: client.losses(), client)
    assert client.messages(index) == [message(1)]
    assert client.losses()[0][0] == "closed by the peer"


def test_abort_of_the_peer_s_is_a_reset_after_its_last_message(client: Side) -> None:
    index, far = accept(client)
    far.setsockopt(*ABORTS)
    far.send(message(1))
    far.close()
    until(lambda: client.losses(), client)
    assert client.messages(index) == [message(1)]
    cause, _, error = client.losses()[0]
    assert (cause, error) == ("reset", errno.ECONNRESET)


def test_abort_while_messages_wait_to_be_sent_is_a_loss(client: Side) -> None:
    index, far = accept(client)
    client.table.send(index, [message(number, 400) for number in range(3000)])
    far.setsockopt(*ABORTS)
    far.close()
    until(lambda: client.losses(), client)
    assert client.losses()[0][0] == "reset"


def test_nobody_listening_is_a_refusal(client: Side) -> None:
    client.connect(free_port())
    until(lambda: client.losses(), client)
    cause, _, error = client.losses()[0]
    assert (cause, error) == ("refused", errno.ECONNREFUSED)


def test_what_waits_is_delivered_before_a_connection_closes(client: Side) -> None:
    index, far = accept(client)
    sent = [message(number, 400) for number in range(500)]
    client.table.send(index, sent)
    assert client.table.describe(index)["waiting"]
    client.table.close(index)
    received: list[Arrival] = []
    with far:
        far.setblocking(False)

        def is_at_end() -> bool:
            with suppress(BlockingIOError):
                while not received or received[-1].content:
                    received.append(receive(far))
            return bool(received) and not received[-1].content

        until(is_at_end, client)
    assert sorted(each.content for each in received[:-1]) == sorted(sent)


@pytest.mark.parametrize("source_port", [0, 1])
def test_connection_with_further_addresses_binds_them_as_an_option(source_port: int) -> None:
    port = source_port and free_port()
    side = Side(**{**CHANNEL, "options": [*PRODUCT, bind_option(socket.AF_INET, ["127.0.0.1", "127.0.0.2"], port)]})
    try:
        _, far = accept(side)
        with far:
            assert far.getpeername()[0] == "127.0.0.1"
            assert not port or far.getpeername()[1] == port
    finally:
        side.close()
