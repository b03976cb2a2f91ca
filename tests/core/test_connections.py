"""Tests of the connection table in clear: opening, reading, sending, closing and losing of TCP connections."""

from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.connection_sides import ABORTING, MESSAGE, Side, message, read_exactly, until
from sippx._core.connection import cause_texts
from sippx._core.connectiontable import bench_exchanges

EPOLLIN = 1
IP_LOCAL_PORT_RANGE = 51


@pytest.fixture
def side() -> Iterator[Callable[..., Side]]:
    """side(...) makes one that is closed with the test."""
    with ExitStack() as stack:

        def make(*words: int, **more: object) -> Side:
            made = Side(*words, **more)
            stack.callback(made.close)
            return made

        yield make


def connected(side: Callable[..., Side], host: str = "127.0.0.1", **channel: object) -> tuple[Side, Side]:
    """A client's and a server's, with one connection, number 0 of both."""
    client, server = side(**channel), side(**channel)
    client.connect(server.listen(host), host)
    until(lambda: "opened" in client.names() and "opened" in server.names(), client, server)
    return client, server


# --------------------------------------------------------------------------- opening


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_messages_go_both_ways(host: str, side: Callable[..., Side]) -> None:
    client, server = connected(side, host)
    assert server.names() == ["accepted", "opened"]
    assert client.table.send(0, [message(1), message(2)])
    assert server.table.send(0, [message(3)])
    until(lambda: len(server.messages()) == 2 and client.messages(), client, server)
    assert server.messages() == [message(1), message(2)]
    assert client.messages() == [message(3)]


def test_what_is_sent_before_it_is_open_leaves_when_it_is(side: Callable[..., Side]) -> None:
    client, server = side(), side()
    index = client.connect(server.listen())
    assert client.state(index) == "connecting"
    assert client.table.send(index, [message(1)])
    assert client.table.send(index, [message(2)])
    until(lambda: len(server.messages()) == 2, client, server)
    assert client.names() == ["opened"]
    assert client.told[0][2] > 0
    assert client.table.describe(index)["queue_cap"] == 0


def test_a_message_takes_one_call_to_send_and_one_to_receive(side: Callable[..., Side]) -> None:
    client, server = connected(side)
    for n in range(1, 6):
        client.table.send(0, [message(n)])
        until(lambda n=n: len(server.messages()) == n, server)
    assert client.table.totals()["send_calls"] == server.table.totals()["receive_calls"] == 5


def test_a_refused_connection_is_lost(side: Callable[..., Side]) -> None:
    client = side()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    index = client.connect(port)
    client.table.send(index, [MESSAGE])
    generation = client.table.describe(index)["generation"]
    until(client.losses, client)
    assert client.told == [("lost", index, "refused", 0, errno.ECONNREFUSED)]
    assert not client.table.is_known(index, generation)
    assert client.table.totals()["open_sockets"] == 0


def test_what_cannot_be_begun_is_told_at_once(side: Callable[..., Side]) -> None:
    client, server = side(), side()
    port = server.listen()
    with pytest.raises(OSError) as caught:
        client.connect(port, source="127.0.0.1", source_port=port)
    assert caught.value.errno == errno.EADDRINUSE
    assert client.table.totals()["open_sockets"] == 0
    assert client.connect(port, source="127.0.0.1") == 0


def test_a_source_address_is_kept_to(side: Callable[..., Side]) -> None:
    client, server = side(), side()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client.connect(listener.getsockname()[1], source="127.0.0.9")
        accepted, address = listener.accept()
        accepted.close()
    assert address[0] == "127.0.0.9"
    assert address[1] == client.table.describe(0)["local_port"]
    del server


def test_a_connection_that_does_not_open_in_time_is_lost(side: Callable[..., Side]) -> None:
    client = side(open_timeout_ms=500)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        index = client.connect(full.getsockname()[1])
        begun_ms = client.table.now_ms
        client.turn()
        assert client.state(index) == "connecting"
        client.table.expire(begun_ms + 499)
        client.turn()
        assert client.losses() == []
        client.table.expire(begun_ms + 501)
        client.turn()
    assert client.losses() == [("connect timeout", 0, errno.ETIMEDOUT)]


def test_the_time_to_open_is_over_when_it_is_open(side: Callable[..., Side]) -> None:
    client, _server = connected(side, open_timeout_ms=500)
    assert client.table.next_ms is None
    client.table.expire(client.table.now_ms + 10_000)
    assert client.losses() == []


def test_a_socket_connected_to_itself_is_refused(side: Callable[..., Side]) -> None:
    client = side()
    for _ in range(10):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # somebody else may have taken it meanwhile
        with suppress(OSError):
            client.connect(port, source="127.0.0.1", source_port=port)
            break
    until(client.losses, client)
    assert client.losses() == [("refused", 0, errno.ECONNREFUSED)]
    # whoever is to listen there can
    socket.create_server(("127.0.0.1", port)).close()


def kernel_ports() -> range:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return range(low, high + 1)


@pytest.mark.parametrize("source", [None, "127.0.0.1"])
def test_ports_outside_of_the_kernels_range_are_used_when_that_is_used_up(
    source: str | None, side: Callable[..., Side]
) -> None:
    low = kernel_ports()[0]
    two = (socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("I", low | (low + 1) << 16))
    client, server = side(options=[two, ABORTING]), side()
    with socket.socket() as probe:
        try:
            probe.setsockopt(*two)
        except OSError:
            pytest.skip("this kernel has no range of ports for one socket")
    port = server.listen()
    for _ in range(8):
        client.connect(port, source=source)
    until(lambda: client.names().count("opened") == 8, client, server)
    ports = [client.table.describe(i)["local_port"] for i in range(8)]
    assert len(set(ports)) == 8
    assert sum(port not in kernel_ports() for port in ports) >= 6
    assert all(port >= 1024 for port in ports)


# --------------------------------------------------------------------------- reading


PIECES = st.lists(
    st.one_of(
        st.builds(message, st.integers(0, 9), st.integers(0, 300)),
        st.just(b"\r\n\r\n"),
        st.just(b"\r\n"),
        st.just(b"\n"),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(pieces=PIECES, cuts=st.lists(st.integers(1, 700), min_size=1, max_size=30))
def test_messages_come_whole_however_the_stream_is_cut(pieces: list[bytes], cuts: list[int]) -> None:
    server = Side()
    index, peer = server.adopted()
    wire, turn = b"".join(pieces), 0
    while wire:
        cut = cuts[turn % len(cuts)]
        peer.sendall(wire[:cut])
        wire, turn = wire[cut:], turn + 1
        server.turn()
    assert server.messages() == [piece for piece in pieces if len(piece) > 4]
    described = server.table.describe(index)
    assert (described["held"], described["cap_held"]) == (0, 0) or pieces[-1] == b"\r\n"
    peer.close()
    server.close()


def test_a_part_of_a_message_takes_no_more_memory_than_the_message(side: Callable[..., Side]) -> None:
    server = side()
    index, peer = server.adopted()
    whole = message(1, 40_000)
    peer.sendall(whole[:1000])
    server.turn()
    described = server.table.describe(index)
    assert (described["held"], described["cap_held"]) == (1000, len(whole))
    peer.sendall(whole[1000:])
    until(server.messages, server)
    assert server.messages() == [whole]
    assert server.table.describe(index)["cap_held"] == 0


def test_messages_of_many_connections_are_one_batch(side: Callable[..., Side]) -> None:
    server = side()
    peers = [server.adopted()[1] for _ in range(50)]
    server.turn()
    for number, peer in enumerate(peers):
        peer.sendall(message(number) + message(number)[:30])
    calls: list[str] = []
    server.table.hook = lambda name, _index: calls.append(name)
    server.turn()
    assert calls == ["message"] * 50 + ["drain"]
    assert sorted(server.messages()) == sorted(message(number) for number in range(50))


def test_more_than_the_buffer_is_dealt_with_in_several_batches(side: Callable[..., Side]) -> None:
    client, server = connected(side, queue_cap=16 << 20)
    sent = [message(number, number * 37 % 5000) for number in range(800)]
    client.table.send(0, sent)
    drains: list[str] = []
    server.table.hook = lambda name, _index: drains.append(name)
    until(lambda: len(server.messages()) == len(sent), client, server)
    assert server.messages() == sent
    assert drains.count("drain") > 3


def test_a_connection_with_much_to_read_has_its_share_of_a_turn(side: Callable[..., Side]) -> None:
    server = side()
    server.listeners.append(socket.create_server(("127.0.0.1", 0)))
    listener = server.listeners[0]
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    listener.setblocking(False)
    server.table.listen(listener.fileno(), server.channel)
    n_messages = 3000
    with socket.create_connection(listener.getsockname()) as peer:
        until(server.told.__len__, server)
        peer.setblocking(False)
        left = memoryview(message(1, 1000) * n_messages)
        most = 0
        while len(server.messages()) < n_messages:
            try:
                while left:
                    left = left[peer.send(left) :]
            except BlockingIOError:
                pass
            before = server.table.totals()["received_bytes"]
            server.turn(1000)
            most = max(most, server.table.totals()["received_bytes"] - before)
    # the event's share, and that of what was left ready
    assert most < 2 * ((1 << 20) + (1 << 19))


def test_pings_are_answered_and_blank_lines_are_not(side: Callable[..., Side]) -> None:
    server = side()
    _, peer = server.adopted()
    peer.sendall(b"\r\n\r\n" + MESSAGE + b"\r\n\n" + MESSAGE + b"\r\n\r\n")
    assert read_exactly(peer, 4, server) == b"\r\n\r\n"
    assert server.messages() == [MESSAGE] * 2
    assert server.table.totals()["pings"] == 2


def test_what_is_not_sip_ends_the_connection_behind_the_messages_before(side: Callable[..., Side]) -> None:
    server = side()
    index, peer = server.adopted()
    peer.sendall(MESSAGE + b"HELO example\r\n")
    until(server.losses, server)
    assert server.names() == ["accepted", "opened", "message", "lost"]
    assert server.losses() == [("framing lost", -1, 0)]
    assert not server.table.send(index, [MESSAGE])
    assert peer.recv(10) == b""


# --------------------------------------------------------------------------- sending


def test_what_a_full_socket_does_not_take_leaves_later_and_in_order(side: Callable[..., Side]) -> None:
    server = side(queue_cap=8 << 20)
    index, peer = server.adopted(buffer_bytes=4096)
    sent = [message(number, 3000) for number in range(300)]
    for at in range(0, 300, 10):
        assert server.table.send(index, sent[at : at + 10], n_parts=1 + at % 3)
    described = server.table.describe(index)
    assert described["waiting"] > 500_000
    got = read_exactly(peer, sum(map(len, sent)), server)
    assert got == b"".join(sent)
    assert server.table.describe(index)["queue_cap"] == 0


@pytest.mark.parametrize("n_parts", [1, 2, 40, 130])
def test_parts_leave_in_their_order(n_parts: int, side: Callable[..., Side]) -> None:
    client, server = connected(side)
    sent = [message(number) for number in range(150)]
    client.table.send(0, sent, n_parts=n_parts)
    until(lambda: len(server.messages()) == 150, client, server)
    assert server.messages() == sent
    assert client.table.totals()["messages_sent"] == 150


def test_water_marks_say_when_to_wait_and_when_to_go_on(side: Callable[..., Side]) -> None:
    server = side(queue_cap=8 << 20, high_water=100_000, low_water=20_000)
    index, peer = server.adopted(buffer_bytes=4096)
    sent = 0
    while server.table.describe(index)["waiting"] <= 100_000:
        assert not server.table.describe(index)["is_congested"]
        server.table.send(index, [message(1, 5000)])
        sent += len(message(1, 5000))
    assert server.table.describe(index)["is_congested"]
    peer.setblocking(False)
    got = 0
    while got < sent:
        before = server.table.describe(index)["waiting"]
        server.turn()
        after = server.table.describe(index)["waiting"]
        assert ("writable" in server.names()) == (after <= 20_000), (before, after)
        try:
            got += len(peer.recv(8192))
        except BlockingIOError:
            continue
    server.turn()
    assert server.names().count("writable") == 1
    assert server.table.totals()["congested"] == 1


def test_a_queue_beyond_its_cap_ends_the_connection(side: Callable[..., Side]) -> None:
    server = side(queue_cap=50_000)
    index, _peer = server.adopted(buffer_bytes=4096)
    server.turn()
    while server.table.send(index, [message(1, 5000)]):
        assert server.table.describe(index)["waiting"] <= 50_000
    assert server.state(index) == "lost"
    assert server.losses() == []
    server.turn()
    assert server.losses() == [("send queue full", 0, 0)]


def test_what_came_before_a_failure_to_send_is_still_read(side: Callable[..., Side]) -> None:
    server = side()
    index, peer = server.adopted()
    server.turn()
    peer.sendall(message(1))
    peer.close()
    assert not server.table.send(index, [message(2)])
    assert not server.table.send(index, [message(3)])
    assert server.told[2:] == []
    server.table.reap()
    assert server.table.take() == [("message", index, message(1)), ("lost", index, "reset", 0, errno.EPIPE)]


# --------------------------------------------------------------------------- ends


def test_a_reset_is_told_with_its_errno(side: Callable[..., Side]) -> None:
    client, server = side(options=[ABORTING]), side()
    client.connect(server.listen())
    until(lambda: "opened" in server.names(), client, server)
    client.table.close(0)
    until(server.losses, server)
    assert server.losses() == [("reset", 0, errno.ECONNRESET)]


def test_a_peer_that_sends_no_more_gets_its_answers(side: Callable[..., Side]) -> None:
    server = side()
    index, peer = server.adopted()
    server.table.hook = lambda name, i: server.table.send(i, [message(9)]) if name == "message" else None
    peer.sendall(message(1) + message(2) + message(3)[:20])
    peer.shutdown(socket.SHUT_WR)
    until(server.losses, server)
    assert server.names(index) == ["accepted", "opened", "message", "message", "lost"]
    assert server.losses() == [("closed by the peer", 0, 0)]
    assert peer.recv(1000) == message(9) * 2
    assert peer.recv(1000) == b""


def test_a_peer_that_sends_no_more_gets_what_waits_for_it(side: Callable[..., Side]) -> None:
    server = side()
    index, peer = server.adopted(buffer_bytes=4096)
    server.table.send(index, [message(1, 50_000)])
    peer.shutdown(socket.SHUT_WR)
    for _ in range(3):
        server.turn()
    assert server.losses() == [] and server.table.describe(index)["waiting"]
    assert read_exactly(peer, len(message(1, 50_000)), server) == message(1, 50_000)
    until(server.losses, server)
    assert server.losses() == [("closed by the peer", 0, 0)]


def test_a_peer_that_sends_no_more_and_reads_nothing_is_given_up(side: Callable[..., Side]) -> None:
    server = side()
    index, peer = server.adopted(buffer_bytes=4096)
    server.table.send(index, [message(1, 50_000)])
    peer.shutdown(socket.SHUT_WR)
    server.turn()
    server.table.expire(server.table.now_ms + 1500)
    server.turn()
    assert server.losses() == [("closed by the peer", 0, 0)]


def test_what_is_closed_is_not_told_of_and_has_no_name(side: Callable[..., Side]) -> None:
    client, server = connected(side)
    generation = client.table.describe(0)["generation"]
    assert client.table.is_known(0, generation)
    client.table.close(0)
    assert not client.table.is_known(0, generation)
    assert not client.table.is_known(0, generation + 1)
    until(server.losses, client, server)
    assert client.losses() == []
    assert client.table.totals()["closed"] == 1
    assert client.table.totals()["open_sockets"] == server.table.totals()["open_sockets"] == 0


def test_what_waits_leaves_before_a_close(side: Callable[..., Side]) -> None:
    server = side()
    index, peer = server.adopted(buffer_bytes=4096)
    generation = server.table.describe(index)["generation"]
    server.table.send(index, [message(1, 60_000)])
    server.table.close(index)
    assert not server.table.send(index, [message(2)])
    assert not server.table.is_known(index, generation)
    assert read_exactly(peer, len(message(1, 60_000)), server) == message(1, 60_000)
    until(lambda: server.table.totals()["open_sockets"] == 0, server)
    assert peer.recv(1) == b""
    assert server.losses() == []


def test_a_close_before_it_is_open_waits_for_what_was_sent(side: Callable[..., Side]) -> None:
    client, server = side(), side()
    client.connect(server.listen())
    client.table.send(0, [message(1)])
    client.table.close(0)
    until(server.losses, client, server)
    assert server.messages() == [message(1)]
    assert client.told == []
    assert client.table.totals()["open_sockets"] == 0


def test_a_close_waits_no_longer_than_a_second(side: Callable[..., Side]) -> None:
    server = side()
    index, _peer = server.adopted(buffer_bytes=4096)
    server.table.send(index, [message(1, 60_000)])
    server.table.close(index)
    now_ms = server.table.now_ms
    server.table.expire(now_ms + 900)
    assert server.table.totals()["open_sockets"] == 1
    server.table.expire(now_ms + 1100)
    assert server.table.totals()["open_sockets"] == 0


@pytest.mark.parametrize("when", ["accepted", "opened", "message", "drain"])
def test_the_owner_may_close_it_while_it_is_being_told(when: str, side: Callable[..., Side]) -> None:
    server = side()
    server.table.hook = lambda name, index: server.table.close(index) if name == when else None
    near, peer = socket.socketpair()
    near.setblocking(False)
    peer.sendall(MESSAGE * 3)
    server.table.adopt(near.detach(), server.channel)
    server.turn()
    server.turn()
    wanted = {"accepted": [0, 0], "opened": [1, 0], "message": [1, 1], "drain": [1, 3]}
    names = [told[0] for told in server.told]
    assert [names.count("opened"), names.count("message")] == wanted[when]
    assert server.table.totals()["open_sockets"] == 0
    assert server.losses() == []


def test_a_record_used_again_by_what_is_told_gets_nothing_of_the_earlier_one(side: Callable[..., Side]) -> None:
    server = side(1)
    spares = [socket.socketpair() for _ in range(2)]
    for near, _ in spares:
        near.setblocking(False)
    spares[0][1].sendall(MESSAGE * 2 + MESSAGE[:10])

    def replace(name: str, index: int) -> None:
        if name == "message":
            server.table.hook = None
            server.table.close(index)
            assert server.table.adopt(spares[1][0].detach(), server.channel) == index

    server.table.hook = replace
    server.table.adopt(spares[0][0].detach(), server.channel)
    server.turn()
    spares[1][1].sendall(message(7))
    until(lambda: len(server.messages()) == 2, server)
    assert server.messages() == [MESSAGE, message(7)]


# --------------------------------------------------------------------------- accepting


def test_a_storm_of_connections_is_accepted(side: Callable[..., Side]) -> None:
    client, server = side(), side()
    port = server.listen()
    for number in range(300):
        client.table.send(client.connect(port), [message(number)])
    until(lambda: len(server.messages()) == 300, client, server)
    assert sorted(server.messages()) == sorted(map(message, range(300)))
    assert server.table.totals()["accepts"] == server.table.totals()["opened"] == 300


def test_a_table_that_is_full_accepts_again_when_there_is_room(side: Callable[..., Side]) -> None:
    client, server = side(), side(2)
    port = server.listen()
    for number in range(3):
        client.table.send(client.connect(port), [message(number)])
    until(lambda: len(server.messages()) == 2 and not server.table.is_accepting, client, server)
    assert server.table.totals()["accept_errors"] >= 1
    server.table.close(0)
    until(lambda: len(server.messages()) == 3, client, server)


def test_a_table_that_is_full_connects_to_nobody(side: Callable[..., Side]) -> None:
    client, server = side(1), side()
    port = server.listen()
    client.connect(port)
    with pytest.raises(OSError) as caught:
        client.connect(port)
    assert caught.value.errno == errno.ENOBUFS


STARVED = """
import errno, os, resource, socket
from core.connection_sides import Side, message, until
client, server = Side(), Side()
port = server.listen()
for number in range(6):
    client.table.send(client.connect(port), [message(number)])
n_open = len(os.listdir("/proc/self/fd")) - 1
resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 3, n_open + 3))
until(lambda: len(server.messages()) == 3 and not server.table.is_accepting, client, server)
assert server.table.totals()["last_accept_errno"] == errno.EMFILE
assert server.table.next_ms is not None
try:
    client.connect(port)
except OSError as error:
    assert error.errno == errno.EMFILE
else:
    raise AssertionError("there was a descriptor left")
# one given back by the table is used at once, then one that only time can tell of: the client's end is closed as well
server.table.close(0)
until(lambda: len(server.messages()) == 5, client, server)
client.table.close(1)
until(lambda: len(server.messages()) == 6, client, server)
print("done")
"""


def test_without_descriptors_accepting_waits_until_there_are_some() -> None:
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", STARVED],
        capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": f"{tests}:{tests.parent}"},
    )  # fmt: skip
    assert done.stdout == "done\n", done.stderr


# --------------------------------------------------------------------------- records


def test_each_cause_has_words_of_its_own() -> None:
    texts = cause_texts()
    assert len(set(texts)) == len(texts) and all(texts)


def test_a_record_used_again_has_another_name(side: Callable[..., Side]) -> None:
    server = side()
    names = set()
    for _ in range(20):
        index, peer = server.adopted()
        names.add((index, server.table.describe(index)["generation"]))
        peer.close()
        until(lambda: server.table.totals()["open_sockets"] == 0, server)
    assert len(names) == 20
    assert server.table.n_records == 1
    assert not any(server.table.is_known(*name) for name in names)


def test_an_event_of_an_earlier_socket_is_ignored(side: Callable[..., Side]) -> None:
    server = side()
    index, _peer = server.adopted()
    number = server.table.describe(index)["number"]
    server.table.close(index)
    again, peer = server.adopted()
    assert again == index
    peer.sendall(MESSAGE)
    server.table.event(1 << 56 | number << 32 | index, EPOLLIN)
    server.table.event(1 << 56 | index, EPOLLIN)
    server.table.event(1 << 56 | number << 32 | 999, EPOLLIN)
    server.table.event(2 << 56 | 999, EPOLLIN)
    server.table.event(7 << 56, EPOLLIN)
    assert "message" not in [told[0] for told in server.table.take()]
    server.turn()
    assert server.messages() == [MESSAGE]


def test_a_table_costs_what_is_used_of_it() -> None:
    server = Side(1 << 24)
    with Path("/proc/self/statm").open() as statm:
        before = int(statm.read().split()[1])
    for _ in range(100):
        server.adopted()
    with Path("/proc/self/statm").open() as statm:
        after = int(statm.read().split()[1])
    assert (after - before) * 4096 < 1 << 20
    assert server.table.record_bytes <= 320
    server.close()


def test_a_lost_connection_can_be_made_anew(side: Callable[..., Side]) -> None:
    client, server = connected(side)
    port = server.listeners[0].getsockname()[1]
    generation = client.table.describe(0)["generation"]
    client.table.hook = lambda name, index: client.table.reopen(index, "127.0.0.1", port) if name == "lost" else None
    server.table.close(0)
    until(lambda: client.names().count("opened") == 2, client, server)
    assert client.names() == ["opened", "lost", "opened"]
    client.table.send(0, [message(1)])
    until(server.messages, client, server)
    assert client.table.is_known(0, generation)


def test_a_parked_connection_is_due_and_keeps_what_is_sent_meanwhile(side: Callable[..., Side]) -> None:
    client, server = connected(side)
    port = server.listeners[0].getsockname()[1]
    generation = client.table.describe(0)["generation"]

    def owner(name: str, index: int) -> None:
        if name == "lost":
            client.table.park(index, 200)
        elif name == "due":
            assert client.table.reopen(index, "127.0.0.1", port) == 0

    client.table.hook = owner
    server.table.close(0)
    until(client.losses, client, server)
    parked_ms = client.table.now_ms
    client.table.expire(parked_ms)
    assert client.state() == "parked" and client.table.is_known(0, generation)
    assert client.table.send(0, [message(1)])
    client.table.expire(parked_ms + 150)
    assert "due" not in [told[0] for told in client.table.take()]
    client.table.expire(parked_ms + 250)
    assert client.state() == "connecting"
    until(server.messages, client, server)
    assert server.messages() == [message(1)]
    assert client.table.is_known(0, generation)


def test_a_parked_connection_may_be_parked_further_or_closed(side: Callable[..., Side]) -> None:
    client, server = connected(side)
    generation = client.table.describe(0)["generation"]
    client.table.hook = lambda name, index: client.table.park(index, 0) if name in ("lost", "due") else None
    server.table.close(0)
    until(client.losses, client, server)
    for _ in range(5):
        client.table.expire(client.table.now_ms + 10)
    assert [told[0] for told in client.table.take()].count("due") >= 4
    client.table.close(0)
    assert not client.table.is_known(0, generation)
    assert client.table.next_ms is None


def test_what_waited_is_dropped_with_the_connection(side: Callable[..., Side]) -> None:
    server = side(queue_cap=8 << 20)
    index, peer = server.adopted(buffer_bytes=4096)
    server.table.hook = lambda name, i: server.table.park(i, 1000) if name == "lost" else None
    server.table.send(index, [message(1, 60_000)])
    peer.close()
    until(server.losses, server)
    assert server.table.describe(index)["queue_cap"] == 0
    assert server.table.send(index, [message(2)])
    assert server.table.describe(index)["waiting"] == len(message(2))


def test_many_short_connections_leave_nothing_behind(side: Callable[..., Side]) -> None:
    client, server = side(options=[ABORTING]), side()
    port = server.listen()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        assert bench_exchanges(client.table, server.table, client.channel, port, MESSAGE, 50, 80) == 4000
        until(lambda: server.table.totals()["open_sockets"] == 0, server)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert client.table.n_records <= server.table.n_records <= 100
    assert client.table.totals()["connects"] == server.table.totals()["accepts"] == 8000
