"""Calls over connections: client and server of this process, and peers with plain sockets."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from core.certificates import Certificates, make_certificates
from sippx import Scenario
from sippx.result import Result
from sippx.transports import MODES

from .harness import (
    DEADLINE_S,
    Running,
    answer_step,
    builtin_uas,
    free_port,
    header,
    method,
    request,
    response,
    run_pair,
    running,
)

N_CALLS = 40
CLEAR = ["t1", "tn", "w1", "wn"]
SECURE = ["l1", "ln", "ws1", "wsn"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def one(mode: str) -> str:
    """The mode of the same transport with one connection, which a server may as well have."""
    return mode[:-1] + "1"


def pair(mode: str, n_calls: int = N_CALLS, *, uas_options: dict[str, Any] | None = None, **options: Any) -> tuple[Result, Result]:
    return run_pair(
        n_calls, transport=mode, uas_options={"transport": one(mode), **(uas_options or {})}, **options
    )


def assert_clean(client: Result, server: Result, n_calls: int = N_CALLS) -> None:
    for result in (client, server):
        assert (result.n_calls, result.n_successful, result.n_failed) == (n_calls, n_calls, 0), result.summary()
        assert result.counters["retransmissions"] == 0
        assert not result.steps[:, 1:].any()


def vias(text: str) -> list[str]:
    """The Via of each INVITE in a message log."""
    return re.findall(r"^INVITE [^\n]*\n(Via: [^\n]*)", text.replace("\r", ""), re.MULTILINE)


@pytest.mark.parametrize("mode", CLEAR)
def test_every_call_succeeds(mode: str) -> None:
    assert_clean(*pair(mode))


@pytest.mark.parametrize("mode", SECURE)
def test_every_call_succeeds_with_a_certificate_that_is_verified(mode: str, certificates: Certificates) -> None:
    client, server = pair(
        mode, tls_ca=str(certificates.ca), uas_options={"tls_certificate": str(certificates.both)}
    )
    assert_clean(client, server)


def test_both_sides_may_demand_a_certificate(certificates: Certificates) -> None:
    ca, both = str(certificates.ca), str(certificates.both)
    files = {"tls_ca": ca, "tls_certificate": both}
    assert_clean(*pair("l1", uas_options=files, **files))


def test_without_the_certificate_that_a_server_demands_calls_fail(certificates: Certificates) -> None:
    files = {"tls_ca": str(certificates.ca), "tls_certificate": str(certificates.both)}
    client, _ = pair("ln", 3, uas_options=files)
    assert (client.n_successful, client.n_failed) == (0, 3)


def test_a_server_of_another_name_is_not_called(certificates: Certificates) -> None:
    server = {"tls_certificate": str(certificates.named_else), "tls_key": str(certificates.named_else_key)}
    client, _ = pair("ln", 3, uas_options=server, tls_ca=str(certificates.ca))
    assert (client.n_successful, client.n_failed) == (0, 3)
    client, _ = pair("ln", 3, uas_options=server, tls_ca=str(certificates.ca), tls_server_name="other.example.test")
    assert (client.n_successful, client.n_failed) == (3, 0)


def test_calls_go_over_ipv6_too() -> None:
    assert_clean(*pair("tn", ip="::1"))


@pytest.mark.parametrize("mode", CLEAR)
def test_messages_name_the_transport_and_the_port_of_the_connection(mode: str, tmp_path: Path) -> None:
    log = tmp_path / "messages.log"
    port = free_port()
    assert_clean(*pair(mode, 5, local_port=port, trace_msg=True, message_file=str(log)), 5)
    text = log.read_text()
    name = MODES[mode].transport
    assert f"{name} message sent" in text
    assert f";transport={'ws' if name == 'WS' else name}" in text
    found = vias(text)
    assert all(via.startswith(f"Via: SIP/2.0/{name} 127.0.0.1:") for via in found), found
    ports = {int(via.split(";")[0].rpartition(":")[2]) for via in found}
    if mode.endswith("1"):
        assert ports == {port}
    else:
        assert len(ports) == 5
        assert port not in ports


def test_more_calls_than_connections_share_those_there_are() -> None:
    client, server = pair("tn", 30, max_sockets=4, pause_ms=100, max_open_calls=0)
    assert (client.n_successful, client.n_failed) == (30, 0)
    assert client.total.gauge("peak_calls") > 4
    assert server.counters["connections_accepted"] < 30


# ---- peers of the test's own -------------------------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(DEADLINE_S)
        yield sock


def client_to(listener: socket.socket, mode: str, **options: Any) -> Any:
    host, port = listener.getsockname()[:2]
    return running(
        Scenario.builtin("uac"), transport=mode, remote_host=f"{host}:{port}", rate=1000.0, max_calls=1, **options
    )


class Stream:
    """A connection that messages are read from, one at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.rest = b""
        connection.settimeout(DEADLINE_S)

    def message(self) -> bytes:
        """The next one, with its body."""
        while b"\r\n\r\n" not in self.rest:
            self._receive()
        n_bytes = self.rest.index(b"\r\n\r\n") + 4
        n_bytes += int(header(self.rest[:n_bytes], "Content-Length"))
        while len(self.rest) < n_bytes:
            self._receive()
        message, self.rest = self.rest[:n_bytes], self.rest[n_bytes:]
        return message

    def message_of(self, name: str) -> bytes:
        """The next one of that method or status code."""
        while method(message := self.message()) != name:
            pass
        return message

    def _receive(self) -> None:
        data = self.connection.recv(65_536)
        assert data, "the connection was closed"
        self.rest += data


def read_to_end(connection: socket.socket) -> bytes:
    """What comes until the connection is closed."""
    connection.settimeout(DEADLINE_S)
    data = b""
    try:
        while more := connection.recv(65_536):
            data += more
    except ConnectionError:
        pass
    return data


def test_the_port_that_is_given_is_where_the_one_connection_leaves_from(listener: socket.socket) -> None:
    port = free_port()
    with client_to(listener, "t1", local_port=port) as run:
        connection, peer = listener.accept()
        with closing(connection):
            assert peer == ("127.0.0.1", port)
            assert header(Stream(connection).message(), "Via").startswith(f"SIP/2.0/TCP 127.0.0.1:{port};")
            run.end()


def test_a_connection_per_call_closes_with_its_call(listener: socket.socket) -> None:
    with client_to(listener, "tn") as run:
        connection, _ = listener.accept()
        with closing(connection):
            connection.sendall(response(Stream(connection).message(), "486 Busy Here"))
            read_to_end(connection)
        assert run.wait().n_failed == 1


def test_answers_come_back_in_pieces_or_several_at_a_time(listener: socket.socket) -> None:
    with client_to(listener, "t1") as run:
        connection, _ = listener.accept()
        with closing(connection):
            stream = Stream(connection)
            invite = stream.message()
            both = response(invite, "180 Ringing") + response(invite, "200 OK")
            for at in range(0, len(both), 100):
                connection.sendall(both[at : at + 100])
            assert method(stream.message()) == "ACK"
            connection.sendall(b"\r\n\r\n" + response(stream.message(), "200 OK"))
            assert run.wait().n_successful == 1


def test_a_connection_that_is_refused_fails_its_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"127.0.0.1:{gone.getsockname()[1]}"
    with running(
        Scenario.builtin("uac"), transport="tn", remote_host=address, rate=1000.0, max_calls=3
    ) as run:
        result = run.wait()
    assert (result.n_calls, result.n_failed) == (3, 3)
    assert result.exit_code == 1


def test_a_connection_that_does_not_open_in_time_fails_its_call(listener: socket.socket) -> None:
    # accepted by the kernel, but nobody answers the handshake of the WebSocket
    with client_to(listener, "wn", connect_timeout_ms=100) as run:
        assert run.wait().n_failed == 1


def test_a_call_fails_when_its_connection_is_closed(listener: socket.socket) -> None:
    with client_to(listener, "tn") as run:
        connection, _ = listener.accept()
        Stream(connection).message()
        connection.close()
        assert run.wait().n_failed == 1


def server(mode: str, n_calls: int, **options: Any) -> Any:
    return running(builtin_uas(), transport=mode, max_calls=n_calls, **options)


def listening(run: Running) -> tuple[str, int]:
    return "127.0.0.1", run.runner.local_port


def test_a_server_answers_on_the_connection_a_request_came_by() -> None:
    with server("t1", 2) as run:
        connections = [socket.create_connection(listening(run), DEADLINE_S) for _ in range(2)]
        for i, connection in enumerate(connections):
            connection.sendall(request("INVITE", f"call-{i}"))
        for i, connection in enumerate(connections):
            assert header(Stream(connection).message_of("200"), "Call-ID") == f"call-{i}"
            connection.close()


def test_what_is_no_sip_ends_its_connection_and_nothing_else() -> None:
    with server("t1", 1) as run:
        with socket.create_connection(listening(run), DEADLINE_S) as bad:
            bad.sendall(b"x" * 200_000 + b"\r\n\r\n")
            read_to_end(bad)
        with socket.create_connection(listening(run), DEADLINE_S) as good:
            good.sendall(request("INVITE", "good"))
            assert header(Stream(good).message_of("200"), "Call-ID") == "good"


def test_a_client_listens_at_its_local_port(listener: socket.socket) -> None:
    with client_to(listener, "tn") as run:
        socket.create_connection(listening(run), DEADLINE_S).close()
        run.end()


@pytest.mark.parametrize("comes_by_our_connection", [True, False])
def test_a_call_of_the_second_scenario_names_the_port_it_came_to(
    comes_by_our_connection: bool, listener: socket.socket, tmp_path: Path
) -> None:
    path = tmp_path / "answer.xml"
    answer = answer_step("200 OK", lines="Contact: <sip:[local_ip]:[local_port]>\n")
    path.write_text(f'<scenario name="answer"><recv request="MESSAGE"/>{answer}</scenario>')
    with client_to(listener, "tn", rx_scenario_file=str(path)) as run:
        connection, (_, port) = listener.accept()
        with closing(connection):
            stream = Stream(connection)
            assert f":{port};" in header(stream.message(), "Via")
            if not comes_by_our_connection:
                port = run.runner.local_port
                stream = Stream(socket.create_connection(listening(run), DEADLINE_S))
            stream.connection.sendall(request("MESSAGE", "another"))
            assert header(stream.message(), "Contact") == f"<sip:127.0.0.1:{port}>"
            stream.connection.close()
            run.end()
