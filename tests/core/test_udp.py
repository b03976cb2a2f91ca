"""Batched socket I/O on loopback: what goes in comes out, with and without the kernel's offloads."""

from __future__ import annotations

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
    n_errors, errno = sender.drain_errors()
    assert n_errors >= 1
    assert errno == 111


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
