"""Which calls go over which connection: sharing under -max_socket, closecon, setdest; and that nothing is left behind."""

from __future__ import annotations

import gc
import os
import socket
from pathlib import Path

import pytest

from e2e.harness import DEADLINE_S, answer_step, free_port, request, running, scenario, send_step
from e2e.test_stream_transports import Stream

from .proxy import FaultProxy
from .runs import assert_accounts_for, call, serve, wait_for

OPTIONS_UAS = scenario('<recv request="OPTIONS"/>' + answer_step("200 OK"))
TWICE_UAS = scenario(('<recv request="OPTIONS"/>' + answer_step("200 OK")) * 2)
RECV_200 = '<recv response="200"/>'
N_SHORT = int(os.environ.get("SIPPX_SHORT_CONNECTIONS", "5000"))


@pytest.mark.parametrize("mode", ["tn", "t1"])
def test_closecon_ends_the_connection_and_the_next_message_opens_another(mode: str) -> None:
    steps = scenario(send_step("OPTIONS") + RECV_200[:-2] + "><action><closecon/></action></recv>" + send_step("OPTIONS") + RECV_200)
    with (
        running(TWICE_UAS, transport="t1", reconnect_close=False) as server,
        FaultProxy(server.runner.local_port) as proxy,
        running(steps, transport=mode, remote_host=proxy.address, rate=1000.0, max_calls=10) as client,
    ):
        result = client.wait()
        n_links = len(proxy.links)
    assert (result.n_successful, result.n_failed) == (10, 0), result.counters
    assert n_links == (20 if mode == "tn" else 1), "the shared one stays for the others"
    assert result.counters["connections_lost"] == 0


@pytest.mark.parametrize("mode", ["tn", "t1"])
def test_setdest_goes_on_to_another_server(mode: str) -> None:
    with running(OPTIONS_UAS, transport="t1") as first, running(OPTIONS_UAS, transport="t1") as second:
        steps = scenario(
            send_step("OPTIONS") + RECV_200[:-2] + f'><action><setdest host="127.0.0.1" port="{second.runner.local_port}" '
            'protocol="tcp"/></action></recv>' + send_step("OPTIONS") + RECV_200
        )
        with running(
            steps, transport=mode, remote_host=f"127.0.0.1:{first.runner.local_port}", rate=1000.0, max_calls=10
        ) as client:
            result = client.wait()
        at_first, at_second = first.end(), second.end()
    assert (result.n_successful, result.n_failed) == (10, 0), result.counters
    assert (at_first.n_successful, at_second.n_successful) == (10, 10)
    assert result.counters["connections_opened"] == (20 if mode == "tn" else 2)
    for served in (at_first, at_second):
        assert served.counters["connections_lost"] == 0


def test_setdest_to_where_nobody_listens_fails_the_call() -> None:
    steps = scenario(
        send_step("OPTIONS") + RECV_200[:-2] + f'><action><setdest host="127.0.0.1" port="{free_port()}" '
        'protocol="tcp"/></action></recv>' + send_step("OPTIONS") + RECV_200
    )
    with (
        running(OPTIONS_UAS, transport="t1") as server,
        running(steps, transport="tn", remote_host=f"127.0.0.1:{server.runner.local_port}", rate=1000.0, max_calls=5) as client,
    ):
        result = client.wait()
    assert_accounts_for(result, 5)
    assert result.counters["failed_tcp_connect"] == 5, result.counters


@pytest.mark.parametrize("n_sockets", [1, 3])
def test_more_open_calls_than_sockets_share_them(n_sockets: int) -> None:
    with (
        serve() as server,
        FaultProxy(server.runner.local_port) as proxy,
        call(proxy.address, "tn", 50, max_sockets=n_sockets, pause_ms=300, max_open_calls=1000) as client,
    ):
        result = client.wait()
        assert len(proxy.links) <= 50 - n_sockets
    assert (result.n_successful, result.n_failed) == (50, 0), result.counters
    assert result.total.gauge("peak_calls") > n_sockets


def test_calls_that_share_a_lost_connection_fail_together() -> None:
    with (
        serve() as server,
        FaultProxy(server.runner.local_port) as proxy,
        call(proxy.address, "tn", 10, max_sockets=1, pause_ms=60_000, max_open_calls=1000) as client,
    ):
        wait_for(client, "outgoing_calls", 10)
        proxy.links[0].client.shutdown(socket.SHUT_RDWR)
        result = client.wait()
    assert_accounts_for(result, 10)
    assert result.counters["failed_tcp_closed"] == 10, result.counters
    assert result.counters["connections_lost"] == 1


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_thousands_of_short_connections_leave_nothing_behind() -> None:
    uac = scenario(send_step("OPTIONS") + RECV_200)

    def short(n_calls: int, prefix: str) -> None:
        with (
            running(OPTIONS_UAS, transport="t1", call_id_format=prefix + "s-%u@%s") as server,
            running(
                uac, transport="tn", remote_host=f"127.0.0.1:{server.runner.local_port}", rate=5000.0, max_calls=n_calls,
                call_id_format=prefix + "-%u@%s",
            ) as client,
        ):  # fmt: skip
            result = client.wait()
            assert (result.n_successful, result.n_failed) == (n_calls, 0), result.counters
            assert result.counters["connections_opened"] == n_calls
            assert result.total.gauge("open_sockets") == 0
            served = server.end()
            assert served.total.gauge("open_sockets") == 0
            assert served.counters["connections_accepted"] == n_calls

    short(200, "warm")
    gc.collect()
    before = open_files()
    short(N_SHORT, "many")
    gc.collect()
    assert open_files() <= before


def test_a_request_is_answered_over_the_connection_it_came_by() -> None:
    """RFC 3261 18.2.2, where a proxy spreads the requests of a call over several."""
    with serve(max_calls=1) as server:
        place = ("127.0.0.1", server.runner.local_port)
        with (
            socket.create_connection(place, DEADLINE_S) as first,
            socket.create_connection(place, DEADLINE_S) as second,
        ):
            first.sendall(request("INVITE", "spread"))
            Stream(first).message_of("200")
            second.sendall(request("ACK", "spread") + request("BYE", "spread", cseq=2))
            Stream(second).message_of("200")
            assert server.wait().n_successful == 1
