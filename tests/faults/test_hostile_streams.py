"""What comes over a connection that nobody should send: garbage is counted, its connection closed, the run goes on."""

from __future__ import annotations

import random
import re
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from e2e.harness import DEADLINE_S, Running, header, is_listening, request, start_sippx, wait_until
from e2e.test_stream_transports import Stream, read_to_end

from .runs import call, error_log, errors_of, serve, wait_for

GARBAGE = {
    "zeros": bytes(300_000),
    "noise": random.Random(5).randbytes(300_000),
    "no line end": b"A" * 300_000,
    "endless headers": b"INVITE sip:a@b SIP/2.0\r\n" + b"X: y\r\n" * 50_000,
    "negative length": request("OPTIONS", "bad").replace(b"Content-Length: 0", b"Content-Length: -1"),
    "a length beyond all": request("OPTIONS", "bad").replace(b"Content-Length: 0", b"Content-Length: 99999999999999"),
    "two lengths": request("OPTIONS", "bad").replace(b"Content-Length: 0", b"Content-Length: 0\r\nContent-Length: 7"),
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.Random(6).randbytes(200_000),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with serve(**error_log(tmp_path)) as run:
        yield run


def connected(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.runner.local_port), DEADLINE_S)


def assert_calls_succeed(server: Running, mode: str = "tn") -> None:
    with call(f"127.0.0.1:{server.runner.local_port}", mode, 3) as client:
        assert client.wait().n_successful == 3


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_a_framing_error_that_ends_its_connection(name: str, server: Running, tmp_path: Path) -> None:
    with closing(connected(server)) as bad:
        with suppress(ConnectionError):
            bad.sendall(GARBAGE[name])
        read_to_end(bad)
    assert_calls_succeed(server)
    result = server.end()
    assert result.counters["framing_errors"] == 1, result.counters
    assert result.n_calls == result.n_successful == 3
    assert "framing lost" in errors_of(tmp_path)


def test_garbage_behind_good_messages_costs_the_calls_of_its_connection(server: Running) -> None:
    with closing(connected(server)) as bad:
        bad.sendall(request("INVITE", "good"))
        assert header(Stream(bad).message_of("200"), "Call-ID") == "good"
        bad.sendall(GARBAGE["negative length"])
        read_to_end(bad)
    wait_for(server, "framing_errors", 1)
    result = server.end()
    assert result.counters["failed_tcp_closed"] == result.counters["connections_lost"] == 1, result.counters


def test_a_client_whose_peer_answers_garbage_fails_its_calls(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        with call(f"127.0.0.1:{listener.getsockname()[1]}", "tn", 1, **error_log(tmp_path)) as client:
            with closing(listener.accept()[0]) as connection:
                Stream(connection).message()
                connection.sendall(b"\xff" * 200_000)
                read_to_end(connection)
            result = client.wait()
    assert result.counters["failed_tcp_closed"] == result.counters["framing_errors"] == 1, result.counters
    assert "framing lost" in errors_of(tmp_path)


def test_several_messages_in_one_segment_are_several(server: Running) -> None:
    with closing(connected(server)) as client:
        client.sendall(b"".join(request("INVITE", f"call-{i}") for i in range(50)))
        stream = Stream(client)
        assert sorted(header(stream.message_of("200"), "Call-ID") for _ in range(50)) == sorted(f"call-{i}" for i in range(50))


def test_keep_alives_are_answered(server: Running) -> None:
    """RFC 5626 4.4.1: CRLF CRLF is a ping, CRLF the pong."""
    with closing(connected(server)) as client:
        client.sendall(b"\r\n\r\n")
        assert client.recv(100) == b"\r\n"
        client.sendall(b"\r\n\r\n" + request("INVITE", "between") + b"\r\n\r\n")
        answers = b""
        while answers.count(b"\r\n\r\n") < 2 or b"PCMU/8000\r\n" not in answers:
            answers += client.recv(65_536)
        # two pongs, in front of or between the answers
        assert len(re.sub(rb"SIP/2.0 (?:.+\r\n)+\r\n(?:\w=.*\r\n)*", b"", answers)) == 4
    assert server.end().counters["framing_errors"] == 0


def test_a_message_without_a_length_ends_with_its_headers(server: Running) -> None:
    bare = request("INVITE", "bare").replace(b"Content-Length: 0\r\n", b"")
    with closing(connected(server)) as client:
        client.sendall(bare + request("INVITE", "next"))
        stream = Stream(client)
        assert {header(stream.message_of("200"), "Call-ID") for _ in range(2)} == {"bare", "next"}


def test_stray_connections_leave_no_trace(server: Running) -> None:
    for _ in range(200):
        connected(server).close()
    wait_for(server, "connections_accepted", 200)
    assert_calls_succeed(server)
    wait_until(lambda: server.runner.snapshot.gauge("open_sockets") == 0, "all are closed")
    result = server.end()
    assert result.counters["connections_lost"] == result.n_failed == 0
    assert result.counters["warnings"] == 0, "an idle connection that goes is no event"


def test_a_server_without_descriptors_goes_on_when_there_are_some_again(tmp_path: Path) -> None:
    with start_sippx(tmp_path, "-sn", "uas", "-t", "t1", "-i", "127.0.0.1", "-p", (port := free_tcp_port()), "-nostdin") as command:  # fmt: skip
        wait_until(lambda: is_listening(port) or not command.is_running(), "the server listens")
        with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as first:
            first.sendall(request("INVITE", "first"))
            Stream(first).message_of("200")  # so it is past its start, where it raises the limit
        n_open = len(list(Path(f"/proc/{command.pid}/fd").iterdir()))
        resource.prlimit(command.pid, resource.RLIMIT_NOFILE, (n_open + 10, n_open + 10))
        connections = [socket.create_connection(("127.0.0.1", port), DEADLINE_S) for _ in range(30)]
        for i, connection in enumerate(connections):
            connection.sendall(request("INVITE", f"call-{i}"))
        for i, connection in enumerate(connections):  # those that wait are accepted as others close
            assert header(Stream(connection).message_of("200"), "Call-ID") == f"call-{i}"
            connection.close()
        command.signal(signal.SIGUSR1)
        done = command.wait()
    assert done.code in (0, 1), done.text
    assert "Unable to accept a connection, errno = 24 (Too many open files)" in done.err


def free_tcp_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
