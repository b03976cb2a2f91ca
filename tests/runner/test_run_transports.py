"""From options and addresses to what the engine is told of its transport; the engine's settings are fakes."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from core.certificates import Certificates
from runner.fakes import DatagramSettings, StreamSettings, any_port, write
from sippx import sctp
from sippx.addresses import LocalAddress, RemoteAddress
from sippx.errors import AddressInUseError, UsageError
from sippx.injection import load_injection
from sippx.options import Options
from sippx.runner.transports import RunTransport, open_transport
from sippx.transports import MODES

pytestmark = pytest.mark.usefixtures("told")

ANY = LocalAddress("127.0.0.1", socket.AF_INET, "0.0.0.0")
HERE = LocalAddress("127.0.0.1", socket.AF_INET, "127.0.0.1")
REMOTE = RemoteAddress("localhost", "127.0.0.1", 5070, socket.AF_INET)


def opened(
    closing: ExitStack, mode: str, local: LocalAddress = HERE, *, is_client: bool = True, table: Any = None, **more: Any
) -> RunTransport:
    return open_transport(Options(transport=mode, **more), local, closing, is_client=is_client, table=table)


def settings(transport: RunTransport, remote: RemoteAddress | None = REMOTE) -> StreamSettings:
    arguments = transport.engine_arguments(remote)
    assert set(arguments) == {"streams"}
    found = arguments["streams"]
    assert isinstance(found, StreamSettings)
    return found


def names(found: StreamSettings) -> list[tuple[int, int]]:
    return [(level, name) for level, name, _ in found.options]


# ---- UDP ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "is_client"), [("u1", True), ("u1", False), ("un", False)])
def test_over_one_udp_socket_the_engine_gets_that_only(mode: str, is_client: bool, closing: ExitStack) -> None:
    transport = opened(closing, mode, is_client=is_client, local_port=any_port())
    arguments = transport.engine_arguments(None)
    assert set(arguments) == {"fd"}
    with socket.fromfd(arguments["fd"], socket.AF_INET, socket.SOCK_DGRAM) as main:
        assert main.getsockname() == ("127.0.0.1", transport.local_port)
    assert not transport.has_own_port


def test_un_gives_each_call_of_a_client_a_socket_at_the_local_address(closing: ExitStack) -> None:
    transport = opened(closing, "un", local_port=any_port(), max_sockets=100, buffer_size_bytes=30_000)
    arguments = transport.engine_arguments(REMOTE)
    given = arguments["datagrams"]
    assert isinstance(given, DatagramSettings)
    assert (given.mode, given.local, given.max_sockets) == ("per_call", (socket.AF_INET, b"\x7f\0\0\1", 0, 0), 100)
    assert [name for _, name, _ in given.options] == [socket.SO_SNDBUF, socket.SO_RCVBUF]
    assert transport.has_own_port


def test_ui_binds_a_socket_for_each_address_once_with_the_same_port(closing: ExitStack, tmp_path: Path) -> None:
    lines = "SEQUENTIAL\na;127.0.0.2\nb;127.0.0.3\nc; 127.0.0.2\n"
    table = load_injection(write(tmp_path / "ips.csv", lines))
    port = any_port("127.0.0.2")
    transport = opened(closing, "ui", table=table, ip_field=1, injection_files=("ips.csv",), local_port=port)
    arguments = transport.engine_arguments(REMOTE)
    given = arguments["datagrams"]
    assert (given.mode, given.ip_field, given.max_sockets) == ("per_ip", 1, 2)
    assert [ip for _, ip in given.sockets] == [b"\x7f\0\0\3"]
    assert given.local == (socket.AF_INET, b"\x7f\0\0\2", port, 0), "the first line's is the main one"
    assert not given.names
    for fd, ip in ((arguments["fd"], b"\x7f\0\0\2"), *given.sockets):
        with socket.fromfd(fd, socket.AF_INET, socket.SOCK_DGRAM) as sock:
            assert sock.getsockname() == (socket.inet_ntoa(ip), port)
    assert transport.local_port == port
    assert transport.local.bind_ip == "127.0.0.2"
    assert transport.local.ip == "127.0.0.1", "[local_ip] stays"


def test_ui_takes_names_of_addresses(closing: ExitStack, tmp_path: Path) -> None:
    table = load_injection(write(tmp_path / "ips.csv", "SEQUENTIAL\n127.0.0.2\nlocalhost\n"))
    transport = opened(closing, "ui", table=table, injection_files=("ips.csv",), local_port=any_port())
    assert transport.engine_arguments(REMOTE)["datagrams"].names == {b"localhost": b"\x7f\0\0\1"}


@pytest.mark.parametrize(
    ("line", "says"), [("a;127.0.0.300", "'127.0.0.300', no IPv4 address"), ("a", "'', no IPv4"), ("a;::1", "'::1', no IPv4")]
)
def test_ui_says_which_line_has_no_address(line: str, says: str, closing: ExitStack, tmp_path: Path) -> None:
    table = load_injection(write(tmp_path / "ips.csv", f"SEQUENTIAL\nb;127.0.0.2\n{line}\n"))
    with pytest.raises(UsageError, match=rf"ips\.csv: field 1 \(-ip_field\) of data line 2 is {says}"):
        opened(closing, "ui", table=table, ip_field=1, injection_files=("ips.csv",))


# ---- connections ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [name for name, mode in MODES.items() if mode.transport in ("TCP", "WS")])
@pytest.mark.parametrize("is_client", [True, False])
def test_client_and_server_listen_at_the_local_port(mode: str, is_client: bool, closing: ExitStack) -> None:
    port = any_port()
    transport = opened(closing, mode, is_client=is_client, local_port=port)
    found = settings(transport)
    assert transport.local_port == port
    assert found.kind == MODES[mode].stream_kind
    assert found.per_call == transport.has_own_port == (is_client and mode.endswith("n"))
    assert len(found.listeners) == 1
    socket.create_connection(("127.0.0.1", port), 10).close()


def test_the_port_of_a_client_that_is_given_is_the_source_of_its_one_connection(closing: ExitStack) -> None:
    port = any_port()
    found = settings(opened(closing, "t1", ANY, local_port=port))
    assert found.source == (socket.AF_INET, bytes(4), port, 0)
    with socket.socket() as client, socket.socket() as far:
        far.bind(("127.0.0.1", 0))
        far.listen()
        for option in found.options:
            client.setsockopt(*option)
        client.bind(("127.0.0.1", port))
        client.connect(far.getsockname())
        assert far.accept()[1][1] == port


@pytest.mark.parametrize(("mode", "is_client"), [("tn", True), ("t1", False), ("tn", False)])
def test_several_connections_do_not_leave_from_the_port_that_was_given(
    mode: str, is_client: bool, closing: ExitStack
) -> None:
    port = any_port()
    assert settings(opened(closing, mode, ANY, is_client=is_client, local_port=port)).source is None


def test_a_local_address_that_is_given_is_the_source_and_the_kernel_chooses_the_port_late(closing: ExitStack) -> None:
    found = settings(opened(closing, "tn", HERE, local_port=any_port()))
    assert found.source == (socket.AF_INET, b"\x7f\0\0\1", 0, 0)
    assert (socket.IPPROTO_IP, 24) in names(found)


def test_options_on_connections_arrive(closing: ExitStack) -> None:
    found = settings(
        opened(
            closing, "tn", local_port=any_port(), max_sockets=12, max_reconnects=-1, reconnect_close=False,
            reconnect_sleep_ms=5, connect_timeout_ms=6, send_timeout_ms=7, buffer_size_bytes=30_000,
        )
    )  # fmt: skip
    assert (found.max_connections, found.max_reconnects, found.closes_calls) == (12, -1, False)
    assert (found.reconnect_sleep_ms, found.open_timeout_ms, found.send_timeout_ms) == (5, 6, 7)
    assert {(socket.SOL_SOCKET, socket.SO_SNDBUF), (socket.IPPROTO_TCP, socket.TCP_NODELAY)} <= set(names(found))


def test_a_port_that_is_taken_is_an_address_in_use(closing: ExitStack) -> None:
    port = opened(closing, "t1", local_port=any_port()).local_port
    with pytest.raises(AddressInUseError):
        opened(closing, "t1", local_port=port)


@pytest.mark.parametrize(
    ("mode", "host", "port", "field"),
    [
        ("w1", "localhost", 5060, b"localhost:5060"),
        ("w1", "localhost", 80, b"localhost"),
        ("w1", "::1", 5060, b"[::1]:5060"),
        ("t1", "localhost", 5060, b""),
    ],
)
def test_the_host_of_a_websocket_is_what_the_connection_goes_to(
    mode: str, host: str, port: int, field: bytes, closing: ExitStack
) -> None:
    remote = RemoteAddress(host, "127.0.0.1", port, socket.AF_INET)
    found = settings(opened(closing, mode, local_port=any_port(), websocket_path="/x?y"), remote)
    assert (found.host, found.path) == (field, b"/x?y")


# ---- TLS -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["ln", "wsn"])
def test_a_client_without_a_certificate_keeps_its_port_and_does_not_listen(
    mode: str, closing: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    transport = opened(closing, mode, local_port=any_port())
    found = settings(transport)
    assert found.client_tls is not None
    assert (found.server_tls, found.listeners) == (None, ())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", transport.local_port), 10)


def test_a_certificate_makes_a_client_listen_too(closing: ExitStack, certificates: Certificates) -> None:
    found = settings(opened(closing, "l1", local_port=any_port(), tls_certificate=str(certificates.both)))
    assert found.server_tls.is_server
    assert len(found.listeners) == 1


@pytest.mark.parametrize(
    ("given", "name"), [(None, b"localhost"), ("sip.example.test", b"sip.example.test"), ("b\u00fccher.test", b"xn--bcher-kva.test")]
)
def test_the_name_that_is_asked_for_is_the_remote_hosts_or_the_one_given(
    given: str | None, name: bytes, closing: ExitStack
) -> None:
    assert settings(opened(closing, "l1", local_port=any_port(), tls_server_name=given)).server_name == name


# ---- SCTP: the kernel of the tests may have none, so a TCP socket listens ----------------------------------------------


@pytest.fixture
def without_sctp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sippx.runner.transports.IPPROTO_SCTP", socket.IPPROTO_TCP)
    monkeypatch.setattr("sippx.runner.transports.open_listener", lambda *_, **__: socket.create_server(("127.0.0.1", 0)))


@pytest.mark.usefixtures("without_sctp")
def test_options_of_sctp_go_to_its_sockets(closing: ExitStack) -> None:
    found = settings(opened(closing, "sn", heartbeat_ms=1000, close_gracefully=False))
    assert found.kind == "sctp"
    assert {(132, sctp.PEER_ADDR_PARAMS), (132, sctp.NODELAY), (socket.SOL_SOCKET, socket.SO_LINGER)} <= set(names(found))
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY) not in names(found)


@pytest.mark.usefixtures("without_sctp")
def test_an_association_with_two_homes_is_bound_by_its_option(closing: ExitStack) -> None:
    found = settings(opened(closing, "s1", ANY, multihome_ip="127.0.0.2"))
    assert found.source is None
    (value,) = (value for level, name, value in found.options if (level, name) == (132, sctp.BINDX_ADD))
    addresses = [struct.unpack_from("!2xH4s", value, at) for at in (0, 16)]
    assert addresses == [(0, b"\x7f\0\0\1"), (0, b"\x7f\0\0\2")]


@pytest.mark.usefixtures("without_sctp")
@pytest.mark.parametrize(("option", "says"), [({"multihome_ip": "::1"}, "-multihome: '::1'"), ({"path_mtu_bytes": 100}, "-pmtu 100")])
def test_what_sctp_cannot_do_is_refused(option: dict[str, Any], says: str, closing: ExitStack) -> None:
    with pytest.raises(UsageError, match=says):
        opened(closing, "s1", **option)
