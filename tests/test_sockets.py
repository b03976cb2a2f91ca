"""Sockets that listen, and the options of those that connect, against the kernel."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sippx.addresses import LocalAddress
from sippx.errors import AddressInUseError, StartError
from sippx.sockets import FIRST_PORT, LAST_PORT, common_options, int_option, open_listener, open_udp_socket, tcp_options

HERE = LocalAddress("127.0.0.1", socket.AF_INET, "127.0.0.1")
HERE_6 = LocalAddress("::1", socket.AF_INET6, "::1")
SHARING = (
    int_option(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
    int_option(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),
)


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def any_port(ip: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as probe:
        probe.bind((ip, 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("local", [HERE, HERE_6], ids=["IPv4", "IPv6"])
def test_a_listener_takes_connections_at_the_port_that_was_given(local: LocalAddress, closing: ExitStack) -> None:
    port = any_port(local.bind_ip)
    listener = closing.enter_context(open_listener(local, port, tcp_options()))
    client = closing.enter_context(socket.create_connection((local.bind_ip, port), 10))
    accepted, peer = listener.accept()
    closing.enter_context(accepted)
    assert peer[:2] == client.getsockname()[:2]
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "is inherited"


def test_a_listener_never_waits(closing: ExitStack) -> None:
    with pytest.raises(BlockingIOError):
        closing.enter_context(open_listener(HERE, any_port())).accept()


def test_without_a_port_the_first_free_one_of_sipps_is_taken(closing: ExitStack) -> None:
    first = closing.enter_context(open_listener(HERE, 0))
    second = closing.enter_context(open_listener(HERE, 0))
    ports = [sock.getsockname()[1] for sock in (first, second)]
    assert ports[0] != ports[1]
    assert all(FIRST_PORT <= port <= LAST_PORT for port in ports)


def test_a_port_that_somebody_listens_on_is_in_use(closing: ExitStack) -> None:
    port = closing.enter_context(open_listener(HERE, any_port())).getsockname()[1]
    with pytest.raises(AddressInUseError, match=f"127.0.0.1:{port}: port in use"):
        open_listener(HERE, port)


def test_a_port_that_is_bound_and_then_listened_on_by_another_is_in_use(closing: ExitStack) -> None:
    # with SO_REUSEADDR on both sides bind does not find out, listen does
    port = closing.enter_context(open_listener(HERE, any_port(), is_listening=False)).getsockname()[1]
    closing.enter_context(open_listener(HERE, port))
    with pytest.raises(AddressInUseError):
        open_listener(HERE, port)


def test_a_port_that_is_only_kept_refuses_connections(closing: ExitStack) -> None:
    port = closing.enter_context(open_listener(HERE, any_port(), is_listening=False)).getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10)


def test_an_address_of_another_machine_is_no_local_one() -> None:
    strange = LocalAddress("::1", socket.AF_INET6, "::2")
    with pytest.raises(StartError, match=r"\[::2\]:5060: Cannot assign"):
        open_listener(strange, 5060)


def test_a_connection_can_leave_from_the_port_that_is_listened_on_again_and_again(closing: ExitStack) -> None:
    far = closing.enter_context(open_listener(HERE, any_port()))
    port = closing.enter_context(open_listener(HERE, any_port(), shares_port=True)).getsockname()[1]
    far.setblocking(True)
    far.settimeout(10)
    for _ in range(2):
        with socket.socket() as client:
            for option in SHARING:
                client.setsockopt(*option)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.bind(("127.0.0.1", port))
            client.connect(far.getsockname())
            accepted, peer = far.accept()
            accepted.close()
            assert peer[1] == port


def test_a_port_that_is_shared_with_connections_is_in_use_for_other_listeners(closing: ExitStack) -> None:
    port = closing.enter_context(open_listener(HERE, any_port(), shares_port=True)).getsockname()[1]
    with pytest.raises(AddressInUseError):
        open_listener(HERE, port, shares_port=True)


def test_buffers_are_set_only_where_they_were_asked_for(closing: ExitStack) -> None:
    assert not list(common_options(None, None))
    usual = closing.enter_context(open_listener(HERE, any_port()))
    small = closing.enter_context(open_listener(HERE, any_port(), common_options(30_000, None)))
    sizes = [small.getsockopt(socket.SOL_SOCKET, name) for name in (socket.SO_RCVBUF, socket.SO_SNDBUF)]
    assert sizes == [60_000, 60_000], "the kernel doubles them"
    assert usual.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > 60_000


def test_a_device_that_does_not_exist_is_named() -> None:
    with pytest.raises(StartError, match="-bind_to_device no-such: "):
        open_listener(HERE, any_port(), common_options(None, "no-such"))


def test_without_sctp_in_the_kernel_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(StartError, match="SCTP is not available: this kernel has none"):
        open_listener(HERE, 5060, protocol=132)


def test_an_ipv6_socket_leaves_ipv4_to_others(closing: ExitStack) -> None:
    every = LocalAddress("::1", socket.AF_INET6, "::")
    port = closing.enter_context(open_listener(every, any_port())).getsockname()[1]
    closing.enter_context(open_listener(HERE, port))


def test_a_udp_socket_is_bound_to_the_first_free_port_too(closing: ExitStack) -> None:
    ports = [closing.enter_context(open_udp_socket(HERE, 0, None)).getsockname()[1] for _ in range(2)]
    assert ports[0] != ports[1]
    with pytest.raises(AddressInUseError):
        open_udp_socket(HERE, ports[0], None)
