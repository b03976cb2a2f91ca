"""Batched socket I/O on loopback: what goes in comes out, with and without the kernel's offloads."""

from __future__ import annotations

import errno
import random
import socket
import time
from collections.abc import Iterator

import pytest

from sippx._core.udp import UdpBatch

FAMILIES = {"ipv4": (socket.AF_INET, "127.0.0.1"), "ipv6": (socket.AF_INET6, "::1")}


@pytest.fixture(params=FAMILIES)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket, str]]:
    family, ip = FAMILIES[request.param]
    with socket.socket(family, socket.SOCK_DGRAM) as a, socket.socket(family, socket.SOCK_DGRAM) as b:
        try:
            a.bind((ip, 0))
        except OSError:
            pytest.skip(f"no {request.param} loopback here")
        b.bind((ip, 0))
        for one in (a, b):
            one.setblocking(False)
        b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        yield a, b, ip


def receive_all(batch: UdpBatch, n: int) -> list[bytes]:
    found: list[bytes] = []
    deadline = time.monotonic() + 5
    while len(found) < n and time.monotonic() < deadline:
        found += [datagram for datagram, _ in batch.receive()]
    return found


@pytest.mark.parametrize("gso", [True, False])
@pytest.mark.parametrize("gro", [True, False])
@pytest.mark.parametrize("batch", [True, False])
def test_datagrams_arrive_as_they_were_sent(
    pair: tuple[socket.socket, socket.socket, str], gso: bool, gro: bool, batch: bool
) -> None:
    a, b, ip = pair
    rng = random.Random(7)
    sender = UdpBatch(a.fileno(), gso=gso, gro=gro, batch=batch)
    receiver = UdpBatch(b.fileno(), gso=gso, gro=gro, batch=batch)
    datagrams = [rng.randbytes(rng.choice([100, 100, 100, 507, 508, 9000])) for _ in range(300)]
    family = a.family
    sender.send(datagrams, family, socket.inet_pton(family, ip), b.getsockname()[1])
    assert sorted(receive_all(receiver, len(datagrams))) == sorted(datagrams)
    assert sender.counters["sent"] == len(datagrams)
    assert sender.counters["send_errors"] == 0


def test_many_equal_datagrams_take_few_calls(pair: tuple[socket.socket, socket.socket, str]) -> None:
    a, b, ip = pair
    sender = UdpBatch(a.fileno())
    if not sender.features[0]:
        pytest.skip("this kernel has no UDP_SEGMENT")
    sender.send([bytes(500)] * 640, a.family, socket.inet_pton(a.family, ip), b.getsockname()[1])
    assert sender.counters["send_calls"] <= 2


def test_an_unreachable_peer_is_counted(pair: tuple[socket.socket, socket.socket, str]) -> None:
    a, b, ip = pair
    port = b.getsockname()[1]
    b.close()
    sender = UdpBatch(a.fileno())
    for _ in range(3):
        sender.send([b"x"], a.family, socket.inet_pton(a.family, ip), port)
        time.sleep(0.01)
    n_errors, error = sender.drain_errors()
    assert n_errors >= 1
    assert error == errno.ECONNREFUSED


def test_an_address_of_the_wrong_family_is_a_counted_error(pair: tuple[socket.socket, socket.socket, str]) -> None:
    a, _, _ = pair
    sender = UdpBatch(a.fileno())
    if a.family == socket.AF_INET:
        sender.send([b"x"], socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "::1"), 9)
        assert sender.counters["send_errors"] == 1


def test_a_datagram_too_long_for_the_family_is_a_counted_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a:
        a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sender = UdpBatch(a.fileno())
        sender.send([bytes(65507)], socket.AF_INET, socket.inet_aton("127.0.0.1"), 9)
        assert sender.counters["send_errors"] + sender.counters["congested"] + sender.counters["sent"] == 1


# --------------------------------------------------------------------------- further sockets


@pytest.fixture
def further(pair: tuple[socket.socket, socket.socket, str]) -> Iterator[list[socket.socket]]:
    """Four more sockets beside the pair's."""
    a, _, ip = pair
    made = [socket.socket(a.family, socket.SOCK_DGRAM) for _ in range(4)]
    for one in made:
        one.bind((ip, 0))
        one.setblocking(False)
    yield made
    for one in made:
        one.close()


def port_of(one: socket.socket) -> int:
    return int(one.getsockname()[1])


def sources_of(receiver: UdpBatch, n: int) -> list[tuple[bytes, int]]:
    """n datagrams with the ports that they came from."""
    found: list[tuple[bytes, int]] = []
    deadline = time.monotonic() + 5
    while len(found) < n and time.monotonic() < deadline:
        found += receiver.receive()
    return found


def test_datagrams_leave_from_the_socket_their_destination_names(
    pair: tuple[socket.socket, socket.socket, str], further: list[socket.socket]
) -> None:
    a, b, ip = pair
    sender, receiver = UdpBatch(a.fileno()), UdpBatch(b.fileno())
    vias = [0, *(sender.add_socket(one.fileno()) for one in further)]
    assert vias == [0, 1, 2, 3, 4]
    ports = [port_of(one) for one in (a, *further)]
    datagrams = [b"%03d" % i + bytes(i % 7) for i in range(200)]
    sender.send(datagrams, a.family, socket.inet_pton(a.family, ip), port_of(b), vias)
    assert sorted(sources_of(receiver, 200)) == sorted((text, ports[i % 5]) for i, text in enumerate(datagrams))
    assert sender.counters["sent"] == 200
    assert sender.counters["send_errors"] == 0


def test_consecutive_groups_of_one_socket_take_one_call(
    pair: tuple[socket.socket, socket.socket, str], further: list[socket.socket]
) -> None:
    a, b, ip = pair
    sender, receiver = UdpBatch(a.fileno()), UdpBatch(b.fileno())
    vias = [sender.add_socket(one.fileno()) for one in further[:2]]
    # each length is a group of its own
    datagrams = [bytes(1 + i) for i in range(20)]
    sender.send(datagrams, a.family, socket.inet_pton(a.family, ip), port_of(b), [vias[0]] * 10 + [vias[1]] * 10)
    assert sender.counters["send_calls"] == 2
    assert len(sources_of(receiver, 20)) == 20


@pytest.mark.parametrize("via", [2, 5, 65535])
def test_what_leaves_through_a_socket_that_is_gone_is_a_counted_error(
    pair: tuple[socket.socket, socket.socket, str], further: list[socket.socket], via: int
) -> None:
    a, b, ip = pair
    sender, receiver = UdpBatch(a.fileno()), UdpBatch(b.fileno())
    for one in further[:3]:
        sender.add_socket(one.fileno())
    sender.remove_socket(2)
    sender.send([b"one", b"other", b"third"], a.family, socket.inet_pton(a.family, ip), port_of(b), [1, via, 3])
    assert sorted(sources_of(receiver, 2)) == [(b"one", port_of(further[0])), (b"third", port_of(further[2]))]
    assert sender.counters["send_errors"] == 1
    assert sender.counters["last_errno"] == errno.EBADF


def test_number_of_a_removed_socket_is_given_again(
    pair: tuple[socket.socket, socket.socket, str], further: list[socket.socket]
) -> None:
    a, b, ip = pair
    sender, receiver = UdpBatch(a.fileno()), UdpBatch(b.fileno())
    assert [sender.add_socket(one.fileno(), is_brief=True) for one in further[:3]] == [1, 2, 3]
    sender.remove_socket(2)
    sender.remove_socket(2)
    sender.remove_socket(0)
    sender.remove_socket(77)
    assert sender.add_socket(further[3].fileno(), is_brief=True) == 2
    sender.send([b"x"], a.family, socket.inet_pton(a.family, ip), port_of(b), [2])
    assert sources_of(receiver, 1) == [(b"x", port_of(further[3]))]


def test_numbers_end_with_65534() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a:
        batch = UdpBatch(a.fileno())
        vias = [batch.add_socket(a.fileno(), is_brief=True) for _ in range(65535)]
    assert vias == [*range(1, 65535), 0]
    batch.remove_socket(4711)
    assert batch.add_socket(0, is_brief=True) == 4711


@pytest.mark.parametrize("is_brief", [True, False], ids=["brief", "lasting"])
def test_each_socket_gives_what_came_to_it(
    pair: tuple[socket.socket, socket.socket, str], further: list[socket.socket], is_brief: bool
) -> None:
    a, b, ip = pair
    receiver, sender = UdpBatch(a.fileno()), UdpBatch(b.fileno())
    vias = [0, *(receiver.add_socket(one.fileno(), is_brief=is_brief) for one in further)]
    for via, one in zip(vias, (a, *further), strict=True):
        sender.send([b"%d-%d" % (via, i) for i in range(3)], a.family, socket.inet_pton(a.family, ip), port_of(one))
    for via in vias:
        found: list[bytes] = []
        deadline = time.monotonic() + 5
        while len(found) < 3 and time.monotonic() < deadline:
            batch = receiver.receive(via)
            assert len(batch) <= 1 or via == 0 or not is_brief
            found += [text for text, _ in batch]
        assert found == [b"%d-%d" % (via, i) for i in range(3)]
    assert receiver.receive(99) == []


def test_drops_of_all_sockets_are_counted(
    pair: tuple[socket.socket, socket.socket, str], further: list[socket.socket]
) -> None:
    a, b, ip = pair
    receiver, sender = UdpBatch(a.fileno()), UdpBatch(b.fileno(), gso=False)
    full = [a, *further[:2]]
    for one in full[1:]:
        receiver.add_socket(one.fileno())
    for one in full:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        sender.send([bytes(1000)] * 40, a.family, socket.inet_pton(a.family, ip), port_of(one))
    assert receiver.read_drops() > 0
    for via in (0, 1, 2):
        while receiver.receive(via):
            pass
    dropped = receiver.read_drops()
    assert receiver.read_drops() == dropped
    assert dropped > 3 * 20
    assert receiver.counters["socket_drops"] == dropped


def test_unreachable_peer_of_a_further_socket_is_counted(
    pair: tuple[socket.socket, socket.socket, str], further: list[socket.socket]
) -> None:
    a, b, ip = pair
    port = port_of(b)
    b.close()
    sender = UdpBatch(a.fileno())
    via = sender.add_socket(further[0].fileno(), is_brief=True)
    deadline = time.monotonic() + 5
    while sender.drain_errors(via)[0] == 0 and time.monotonic() < deadline:
        sender.send([b"x"], a.family, socket.inet_pton(a.family, ip), port, [via])
    assert sender.drain_errors(via) >= (1, errno.ECONNREFUSED)
    n_errors, _ = sender.drain_errors(0)
    assert n_errors == sender.drain_errors(99)[0]
