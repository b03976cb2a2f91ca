"""A peer that reads slowly or not at all: what is sent waits, for as long as it may, and memory is bounded."""

from __future__ import annotations

import socket
from pathlib import Path

from e2e.harness import DEADLINE_S, answer_step, request, running, scenario, send_step
from e2e.test_stream_transports import Stream

from .proxy import FaultProxy, after, stall
from .runs import error_log, errors_of, wait_for

LARGE = "a" * 60_000


def test_a_peer_that_stops_reading_for_a_while_costs_no_call() -> None:
    sink = scenario('<recv request="INFO"/>' + answer_step("200 OK"))
    client_steps = scenario(send_step("INFO", body=LARGE + "\n") + '<recv response="200"/>')
    with (
        running(sink, transport="t1") as server,
        FaultProxy(server.runner.local_port, up=after(100_000, stall), buffer_bytes=4096) as proxy,
        running(
            client_steps, transport="t1", remote_host=proxy.address, rate=1000.0, max_calls=200, max_open_calls=1000
        ) as client,
    ):
        wait_for(client, "congestions", 1)
        assert client.thread.is_alive()
        proxy.links[0].may_go_on.set()
        result = client.wait()
    assert (result.n_successful, result.n_failed) == (200, 0), result.counters
    assert result.counters["congestions"] > 0


def test_a_send_waits_no_longer_than_it_may(tmp_path: Path) -> None:
    steps = scenario(send_step("INFO", body=LARGE + "\n") + '<recv response="200"/>')
    with socket.create_server(("127.0.0.1", 0)) as listener, running(
        steps, transport="t1", remote_host=f"127.0.0.1:{listener.getsockname()[1]}", rate=1000.0, max_calls=200,
        max_open_calls=1000, send_timeout_ms=100, recv_timeout_ms=20_000, **error_log(tmp_path),
    ) as client:  # fmt: skip
        wait_for(client, "failed_timeout_on_send", 50)
        result = client.end()
    assert result.counters["failed_timeout_on_send"] > 0
    assert result.counters["congestions"] == 1
    assert "timeout" in errors_of(tmp_path).lower()


def test_a_server_whose_client_does_not_read_serves_others() -> None:
    uas = scenario('<recv request="INFO"/>' + answer_step("200 OK", body=LARGE + "\n"))
    steps = scenario(send_step("INFO") + '<recv response="200"/>')
    with running(uas, transport="t1") as server:
        place = ("127.0.0.1", server.runner.local_port)
        with (
            FaultProxy(place[1], down=after(1, stall), buffer_bytes=4096) as proxy,
            running(
                steps, transport="t1", remote_host=proxy.address, rate=1000.0, max_calls=200, max_open_calls=1000,
                call_id_format="stuck-%u@%s",
            ) as stuck,
        ):  # fmt: skip
            wait_for(server, "congestions", 1)
            with running(steps, transport="tn", remote_host=f"127.0.0.1:{place[1]}", rate=1000.0, max_calls=20) as good:
                assert good.wait().n_successful == 20
            stuck.end()
        wait_for(server, "connections_lost", 1)
        result = server.end()
    assert result.counters["connections_lost"] == 1, result.counters


def test_the_queue_of_a_connection_is_bounded() -> None:
    """Answers to a client that reads nothing wait in their calls, not in memory."""
    uas = scenario('<recv request="INFO"/>' + answer_step("200 OK", body=LARGE + "\n"))
    with running(uas, transport="t1") as server:
        with socket.create_connection(("127.0.0.1", server.runner.local_port), DEADLINE_S) as client:
            for i in range(400):
                client.sendall(request("INFO", f"call-{i}"))
            wait_for(server, "incoming_calls", 400)
            snapshot = server.runner.snapshot
            assert snapshot is not None
            sent = snapshot.counter("datagrams_sent")
            assert sent < 300, "most of the calls wait for the connection"
            stream = Stream(client)
            for _ in range(400):
                stream.message_of("200")
        assert server.end().n_failed == 0

