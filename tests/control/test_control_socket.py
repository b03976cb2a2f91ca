"""The remote control socket: ports, addresses, what it takes, and that nothing upsets it."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sippx.control import AdjustRate, ControlSocket, Quit, SetRate
from sippx.control.remote import DATAGRAMS_PER_POLL, FIRST_PORT, N_PORTS
from sippx.errors import EXIT_ADDRESS_IN_USE, SippxError, StartError


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        yield sock


def free_port(family: socket.AddressFamily = socket.AF_INET) -> int:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_without_a_port_the_first_free_one_is_taken_on_the_loopback_address() -> None:
    with ControlSocket() as first, ControlSocket() as second:
        assert first.address is not None and second.address is not None
        assert first.address[0] == "127.0.0.1"
        assert FIRST_PORT <= first.address[1] < second.address[1] < FIRST_PORT + N_PORTS


def test_datagrams_become_commands_in_order_and_there_is_no_answer(sender: socket.socket) -> None:
    with ControlSocket(port=free_port()) as remote:
        assert remote.address is not None
        for data in (b"cset rate 10", b"++", b"x", b"", b"Q"):
            sender.sendto(data, remote.address)
        assert remote.poll() == [SetRate(10.0), AdjustRate(1), Quit(20)]
        assert remote.poll() == []
        sender.setblocking(False)
        with pytest.raises(BlockingIOError):
            sender.recv(100)


def test_a_flood_is_taken_in_parts(sender: socket.socket) -> None:
    with ControlSocket(port=free_port()) as remote:
        assert remote.address is not None
        for _ in range(DATAGRAMS_PER_POLL + 5):
            sender.sendto(b"+", remote.address)
        assert [len(remote.poll()) for _ in range(3)] == [DATAGRAMS_PER_POLL, 5, 0]


def test_garbage_is_survived(sender: socket.socket) -> None:
    source = random.Random(5)
    with ControlSocket(port=free_port()) as remote:
        assert remote.address is not None
        for n_bytes in (1, 50, 1400, 60_000):
            sender.sendto(b"c" + source.randbytes(n_bytes), remote.address)
            remote.poll()
        sender.sendto(b"+", remote.address)
        assert remote.poll()[-1] == AdjustRate(1)


def test_a_port_that_is_taken_is_fatal_where_it_was_asked_for() -> None:
    with ControlSocket(port=free_port()) as remote:
        assert remote.address is not None
        port = remote.address[1]
        with pytest.raises(StartError, match=f"Unable to bind remote control socket to UDP port {port}") as caught:
            ControlSocket(port=port)
        assert caught.value.exit_code == EXIT_ADDRESS_IN_USE


def test_no_free_port_is_only_a_warning_with_sipps_words() -> None:
    with ExitStack() as taken:
        for port in range(FIRST_PORT, FIRST_PORT + N_PORTS):
            sock = taken.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue  # somebody else's
        with ControlSocket() as remote:
            assert remote.address is None
            assert remote.poll() == []
            assert remote.warning == (
                "Unable to bind remote control socket (tried UDP ports 8888-8947): Address already in use"
            )


def test_an_unknown_address_is_a_warning_and_with_a_port_fatal() -> None:
    assert "is not an address" in ControlSocket("[::1").warning
    with pytest.raises(SippxError, match="is not an address"):
        ControlSocket("[::1", free_port())


def test_ipv6_addresses_are_taken() -> None:
    port = free_port(socket.AF_INET6)
    with ControlSocket("[::1]", port) as remote, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"p", ("::1", port))
        assert len(remote.poll()) == 1


def test_closing_twice_is_fine_and_the_port_is_free_again() -> None:
    remote = ControlSocket(port=free_port())
    assert remote.address is not None
    port = remote.address[1]
    remote.close()
    remote.close()
    assert remote.poll() == []
    ControlSocket(port=port).close()
