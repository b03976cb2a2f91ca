"""A server that goes away and comes back: what -max_reconnect, -reconnect_close and -reconnect_sleep make of it."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from e2e.harness import DEADLINE_S, free_port, response, wait_until
from e2e.test_stream_transports import Stream

from .runs import assert_accounts_for, call, count_of, error_log, errors_of, pause, serve, wait_for

RELENTLESS: dict[str, Any] = {"max_reconnects": -1, "reconnect_sleep_ms": 20}


def listen(port: int = 0) -> socket.socket:
    sock = socket.create_server(("127.0.0.1", port), backlog=64)
    sock.settimeout(DEADLINE_S)
    return sock


def address_of(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


def accepted(listener: socket.socket) -> Stream:
    return Stream(listener.accept()[0])


def finish(stream: Stream, invite: bytes) -> None:
    """Plays the server's part of a call to its end."""
    stream.connection.sendall(response(invite, "200 OK"))
    stream.connection.sendall(response(stream.message_of("BYE"), "200 OK"))


@pytest.mark.parametrize("mode", ["t1", "tn"])
def test_a_servers_restart_is_survived(mode: str, tmp_path: Path) -> None:
    port = free_port()
    options = {"rate": 200.0, **RELENTLESS, **error_log(tmp_path)}
    with serve(local_port=port) as first, call(f"127.0.0.1:{port}", mode, 1_000_000, **options) as client:
        wait_for(client, "successful_calls", 20)
        first.end()
        wait_for(client, "connections_failed", 2)
        before = count_of(client, "successful_calls")
        with serve(local_port=port):
            wait_for(client, "successful_calls", before + 100)
            client.runner.quit()
            result = client.wait()
    assert_accounts_for(result, result.n_calls)
    assert result.counters["reconnections"] > 0 or mode == "tn"
    assert result.counters["connections_opened"] >= 2
    assert "Connection refused" in errors_of(tmp_path)


def test_without_reconnecting_a_restart_is_not_survived_by_one_connection() -> None:
    port = free_port()
    with serve(local_port=port) as first, call(f"127.0.0.1:{port}", "t1", 60, rate=200.0) as client:
        wait_for(client, "successful_calls", 1)
        first.end()
        with serve(local_port=port) as second:
            result = client.wait()
            assert second.end().n_calls == 0
    assert_accounts_for(result, 60)
    assert result.counters["connections_opened"] <= 1
    assert result.counters["failed_tcp_connect"] + result.counters["failed_tcp_closed"] == result.n_failed


def test_calls_of_a_lost_connection_fail_and_later_ones_take_the_new_one(tmp_path: Path) -> None:
    with closing(listen()) as listener, call(
        address_of(listener), "t1", 2, rate=1.0, rate_period_ms=100, max_open_calls=1, **RELENTLESS, **error_log(tmp_path)
    ) as client:  # fmt: skip
        stream = accepted(listener)
        stream.message_of("INVITE")
        stream.connection.close()
        stream = accepted(listener)
        finish(stream, stream.message_of("INVITE"))
        result = client.wait()
        stream.connection.close()
    assert (result.n_successful, result.n_failed) == (1, 1), result.counters
    assert result.counters["failed_tcp_closed"] == result.counters["reconnections"] == 1
    assert "closed by the peer" in errors_of(tmp_path)


def test_calls_survive_where_they_are_not_to_be_closed() -> None:
    with closing(listen()) as listener, call(
        address_of(listener), "t1", 1, reconnect_close=False, **RELENTLESS
    ) as client:  # fmt: skip
        stream = accepted(listener)
        invite = stream.message_of("INVITE")
        stream.connection.close()
        stream = accepted(listener)
        finish(stream, invite)
        result = client.wait()
        stream.connection.close()
    assert (result.n_successful, result.n_failed) == (1, 0), result.counters


def test_a_call_with_a_connection_of_its_own_survives_on_a_new_one() -> None:
    with closing(listen()) as listener, call(
        address_of(listener), "tn", 1, reconnect_close=False, **RELENTLESS
    ) as client:  # fmt: skip
        stream = accepted(listener)
        invite = stream.message_of("INVITE")
        stream.connection.close()
        stream = accepted(listener)
        finish(stream, invite)
        result = client.wait()
        stream.connection.close()
    assert (result.n_successful, result.n_failed) == (1, 0), result.counters


def test_connections_are_made_anew_as_often_as_was_asked_for(tmp_path: Path) -> None:
    with closing(listen()) as listener, call(
        address_of(listener), "t1", 1_000, rate=100.0, max_reconnects=2, reconnect_sleep_ms=1, **error_log(tmp_path)
    ) as client:  # fmt: skip
        for _ in range(3):
            stream = accepted(listener)
            stream.message_of("INVITE")
            stream.connection.close()
        wait_for(client, "failed_tcp_connect", 1)
        client.runner.quit()
        result = client.wait()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert_accounts_for(result, result.n_calls)
    assert result.counters["reconnections"] == 2
    assert result.counters["connections_lost"] == 3


def test_a_connection_is_made_anew_no_sooner_than_asked_for() -> None:
    with closing(listen()) as listener, call(
        address_of(listener), "t1", 1, max_reconnects=1, reconnect_sleep_ms=300, reconnect_close=False
    ) as client:  # fmt: skip
        stream = accepted(listener)
        invite = stream.message_of("INVITE")
        lost_s = time.monotonic()
        stream.connection.close()
        stream = accepted(listener)
        assert time.monotonic() - lost_s > 0.25
        finish(stream, invite)
        client.wait()
        stream.connection.close()


@pytest.mark.parametrize("mode", ["t1", "tn", "w1"])
def test_refused_from_the_start_every_call_fails_and_says_why(mode: str, tmp_path: Path) -> None:
    with closing(listen()) as gone:
        address = address_of(gone)
    with call(address, mode, 5, **error_log(tmp_path)) as client:
        result = client.wait()
    assert_accounts_for(result, 5)
    assert result.counters["failed_tcp_connect"] == 5, result.counters
    assert result.counters["connections_failed"] == (5 if mode == "tn" else 1)
    assert f"connection to {address}: Connection refused" in errors_of(tmp_path)
    assert result.exit_code == 1


def test_a_server_that_comes_late_is_waited_for() -> None:
    port = free_port()
    with call(f"127.0.0.1:{port}", "t1", 1_000_000, rate=100.0, **RELENTLESS) as client:
        wait_for(client, "connections_failed", 2)
        with serve(local_port=port):
            wait_for(client, "successful_calls", 1)
            client.runner.quit()
            result = client.wait()
    assert_accounts_for(result, result.n_calls)


def test_a_connection_that_nobody_takes_fails_in_time(tmp_path: Path) -> None:
    """A backlog that is full: the kernel drops what would open a connection."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as listener:
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        with call(address_of(listener), "tn", 3, connect_timeout_ms=100, **error_log(tmp_path)) as client:
            result = client.wait()
        for filler in fillers:
            filler.close()
    assert_accounts_for(result, 3)
    assert result.counters["failed_tcp_connect"] == result.counters["connections_failed"] == 3, result.counters
    assert "connect timeout" in errors_of(tmp_path)


def test_closing_connections_between_calls_is_no_loss() -> None:
    """A peer that closes an idle connection; a call later the client has it made anew."""
    with closing(listen()) as listener, call(
        address_of(listener), "t1", 2, max_open_calls=1, **RELENTLESS
    ) as client:  # fmt: skip
        stream = accepted(listener)
        invite = stream.message_of("INVITE")
        pause(client)
        finish(stream, invite)
        wait_until(lambda: count_of(client, "successful_calls") == 1, "the first call's end")
        stream.connection.close()
        stream = accepted(listener)
        client.runner.pause(False)
        finish(stream, stream.message_of("INVITE"))
        result = client.wait()
        stream.connection.close()
    assert (result.n_successful, result.n_failed) == (2, 0), result.counters
    assert result.counters["connections_lost"] == 0
