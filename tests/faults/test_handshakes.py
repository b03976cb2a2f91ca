"""Handshakes that do not come to an end, or to a bad one: TLS and WebSocket, seen from a client and from a server."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from core.certificates import Certificates, make_certificates
from e2e.harness import DEADLINE_S, request
from e2e.test_stream_transports import read_to_end

from .proxy import FaultProxy, Link, after, stall
from .runs import assert_accounts_for, call, error_log, errors_of, serve, wait_for

N_CALLS = 3


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def peer(act: Callable[[socket.socket], object]) -> Iterator[str]:
    """A listener that does this with every connection and closes it; its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def run() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(DEADLINE_S)
                with connection, suppress(OSError):
                    act(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(DEADLINE_S)


def answers(data: bytes) -> Callable[[socket.socket], object]:
    """Reads something, says this, and waits for the end."""

    def act(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(data)
        read_to_end(connection)

    return act


def assert_every_call_fails(address: str, mode: str, says: str, folder: Path, **options: Any) -> None:
    with call(address, mode, N_CALLS, **options, **error_log(folder)) as client:
        result = client.wait()
    assert_accounts_for(result, N_CALLS)
    assert result.counters["failed_tcp_connect"] == result.counters["connections_failed"] == N_CALLS, result.counters
    assert result.counters["connections_lost"] == 0
    log = errors_of(folder)
    assert log.count(f"connection to {address}: ") == N_CALLS, log
    assert says in log
    assert result.exit_code == 1


WRONG = {
    "stray": ("issuer", "of an authority that nobody trusts"),
    "expired": ("expired", "of another year"),
    "named_else": ("mismatch", "of another name"),
    "revoked": ("revoked", "taken back"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_certificate_that_is_not_good_fails_the_calls(name: str, certificates: Certificates, tmp_path: Path) -> None:
    files = {"tls_certificate": str(getattr(certificates, name)), "tls_key": str(getattr(certificates, f"{name}_key"))}
    more = {"tls_crl": str(certificates.crl)} if name == "revoked" else {}
    with serve("l1", **files) as server:
        address = f"127.0.0.1:{server.runner.local_port}"
        assert_every_call_fails(address, "ln", WRONG[name][0], tmp_path, tls_ca=str(certificates.ca), **more)
        result = server.end()
    assert result.n_calls == 0


@pytest.mark.parametrize("mode", ["ln", "wsn"])
def test_a_peer_that_speaks_no_tls_fails_the_calls(mode: str, tmp_path: Path) -> None:
    with peer(answers(b"SIP/2.0 400 This is no TLS\r\n\r\n")) as address:
        assert_every_call_fails(address, mode, "TLS", tmp_path)


@pytest.mark.parametrize("mode", ["ln", "wn", "wsn"])
def test_a_peer_that_never_finishes_the_handshake_fails_the_calls_in_time(mode: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert_every_call_fails(address, mode, "connect timeout", tmp_path, connect_timeout_ms=100)


@pytest.mark.parametrize("how", [Link.reset, Link.drop, stall], ids=["reset", "closed", "stalled"])
def test_a_handshake_that_breaks_in_its_middle_fails_the_calls(
    how: Callable[[Link], None], certificates: Certificates, tmp_path: Path
) -> None:
    with (
        serve("l1", tls_certificate=str(certificates.both)) as server,
        FaultProxy(server.runner.local_port, down=after(300, how)) as proxy,
    ):
        assert_every_call_fails(proxy.address, "ln", "", tmp_path, connect_timeout_ms=500)


def test_a_plain_client_of_a_tls_server_hurts_nobody_else(certificates: Certificates, tmp_path: Path) -> None:
    with serve("l1", tls_certificate=str(certificates.both), **error_log(tmp_path)) as server:
        place = ("127.0.0.1", server.runner.local_port)
        with socket.create_connection(place, DEADLINE_S) as plain:
            plain.sendall(request("INVITE", "plain"))
            assert not read_to_end(plain).startswith(b"SIP/2.0")
        with call(f"127.0.0.1:{place[1]}", "ln", N_CALLS) as client:
            assert client.wait().n_successful == N_CALLS
        result = server.end()
    assert result.counters["connections_failed"] == result.counters["tls_failures"] == 1, result.counters
    assert result.n_calls == N_CALLS
    assert "connection from 127.0.0.1:" in errors_of(tmp_path)


def test_who_connects_and_says_nothing_is_let_go(certificates: Certificates) -> None:
    with serve("l1", tls_certificate=str(certificates.both), connect_timeout_ms=100) as server:
        place = ("127.0.0.1", server.runner.local_port)
        idle = [socket.create_connection(place, DEADLINE_S) for _ in range(5)]
        for connection in idle:
            read_to_end(connection)
            connection.close()
        wait_for(server, "connections_failed", 5)
        assert server.end().total.gauge("open_sockets") == 0


def test_a_tls_peer_that_stops_in_mid_record_loses_its_calls(certificates: Certificates) -> None:
    with serve("l1", tls_certificate=str(certificates.both)) as server:
        context = ssl.create_default_context(cafile=str(certificates.ca))
        raw = socket.create_connection(("127.0.0.1", server.runner.local_port), DEADLINE_S)
        tls = context.wrap_socket(raw, server_hostname="127.0.0.1")
        tls.sendall(request("INVITE", "cut"))
        assert tls.recv(65_536).startswith(b"SIP/2.0 180")
        with socket.socket(fileno=tls.detach()) as wire:
            wire.sendall(b"\x17\x03\x03\x40\x00 half of a record")
        wait_for(server, "connections_lost", 1)
        result = server.end()
    assert result.counters["failed_tcp_closed"] == 1, result.counters


HTTP = {
    "200": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "SIP": b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "101 of another key": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\nSec-WebSocket-Protocol: sip\r\n\r\n",
    "endless": b"HTTP/1.1 101 Switching Protocols\r\n" + b"X-Filler: y\r\n" * 10_000,
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("name", HTTP)
def test_a_web_server_that_opens_no_websocket_fails_the_calls(name: str, tmp_path: Path) -> None:
    with peer(answers(HTTP[name])) as address:
        assert_every_call_fails(address, "wn", "WebSocket handshake failed", tmp_path)


@pytest.mark.parametrize(
    "said", [request("INVITE", "plain"), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(1000), b"\x16\x03\x01\x00\x05hello"]
)
def test_who_opens_no_websocket_at_a_server_is_refused_and_the_run_goes_on(said: bytes) -> None:
    with serve("w1", connect_timeout_ms=300) as server:
        place = ("127.0.0.1", server.runner.local_port)
        with socket.create_connection(place, DEADLINE_S) as plain:
            plain.sendall(said)
            answer = read_to_end(plain)
            assert answer.startswith(b"HTTP/1.1 4") or not answer
        with call(f"127.0.0.1:{place[1]}", "wn", N_CALLS) as client:
            assert client.wait().n_successful == N_CALLS
        result = server.end()
    assert result.counters["connections_failed"] == 1
    assert result.n_calls == N_CALLS


def test_a_websocket_of_an_unmasked_client_is_closed(tmp_path: Path) -> None:
    """RFC 6455 5.1: a server must close it."""
    key = b"dGhlIHNhbXBsZSBub25jZQ=="
    with serve("w1", **error_log(tmp_path)) as server:
        with socket.create_connection(("127.0.0.1", server.runner.local_port), DEADLINE_S) as client:
            client.sendall(
                b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: " + key + b"\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
            )
            client.settimeout(DEADLINE_S)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            client.sendall(b"\x81\x05hello")
            assert read_to_end(client)[:4] == b"\x88\x02\x03\xea"
        wait_for(server, "framing_errors", 1)
        server.end()
    assert "framing lost" in errors_of(tmp_path)
