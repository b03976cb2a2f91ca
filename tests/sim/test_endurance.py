"""A million calls that come and go: memory, tables and books are as after the first few."""

from __future__ import annotations

import os
import resource
from itertools import pairwise

import pytest

from sim.link import CLIENT, MS, SERVER, S, engine, snapshot
from sim.ticks import accounted, recv, scenario, send
from sippx._core.engine import Engine

CLIENT_SIDE = scenario(send("MESSAGE", "retrans='500'"), recv("200", "rtd='true'"))
SERVER_SIDE = scenario(recv("MESSAGE"), send("200"), "<timewait milliseconds='100'/>")
CALLS_A_ROUND = 10_000 if os.environ.get("SIPPX_ASAN") else 100_000
CALLS_A_TURN = 1000


def exchange(client: Engine, server: Engine) -> None:
    """Carry everything over the perfect link until nothing is under way."""
    while True:
        there = client.take_sent()
        for data, _ in there:
            server.inject(data, CLIENT)
        back = server.take_sent()
        for data, _ in back:
            client.inject(data, SERVER)
        if not there and not back:
            return


@pytest.mark.parametrize(
    ("scenarios", "n_rounds", "dead_wait_ms"),
    [
        pytest.param((CLIENT_SIDE, SERVER_SIDE), 10, 200, id="a million short calls"),
        pytest.param((CLIENT_SIDE, SERVER_SIDE), 3, 0, id="without dead calls"),
        pytest.param(("uac", "uas"), 3, 200, id="the stock call"),
    ],
)
def test_memory_does_not_grow_with_calls(scenarios: tuple[str, str], n_rounds: int, dead_wait_ms: int) -> None:
    client, server = (engine(text, dead_wait_ms=dead_wait_ms, capacity=1 << 19) for text in scenarios)
    client.set_rate(CALLS_A_TURN * 100.0)
    now_ns, sizes, resident_kib = 0, [], []
    for _ in range(n_rounds):
        for _ in range(CALLS_A_ROUND // CALLS_A_TURN):
            now_ns += 10 * MS
            client.turn(now_ns)
            server.turn(now_ns)
            exchange(client, server)
        client.pause(True)
        for _ in range(500):
            now_ns += 10 * MS
            client.turn(now_ns)
            server.turn(now_ns)
        client.pause(False)
        assert client.n_open == server.n_open == 0
        sizes.append([snapshot(one).gauge("memory_bytes") for one in (client, server)])
        resident_kib.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    for one in (client, server):
        total = snapshot(one)
        accounted(total)
        assert total.counter("successful_calls") == total.calls_created
        assert total.calls_created == pytest.approx(n_rounds * CALLS_A_ROUND, abs=n_rounds)
        assert total.gauge("dead_calls") == 0
        assert total.counter("failed_calls") == 0
    # dead calls go round in a ring of 24 MiB, of which each round touches a new part until it is full
    dead_bytes = 24 * CALLS_A_ROUND if dead_wait_ms else 0
    for before, after in pairwise(sizes[1:]):
        assert [b - a for a, b in zip(before, after, strict=True)] <= [dead_bytes, dead_bytes]
    if os.environ.get("SIPPX_ASAN"):
        return  # freed memory stays in the sanitizer's quarantine: the process grows by design
    assert resident_kib[-1] - resident_kib[1] <= (2 * n_rounds * dead_bytes >> 10) + 4096


def test_table_of_calls_survives_far_more_dead_calls_than_it_remembers() -> None:
    server = engine(scenario(recv("MESSAGE"), send("200")), dead_wait_ms=1 << 30)
    head, tail = b"MESSAGE sip:a SIP/2.0\r\nVia: x\r\nFrom: a\r\nTo: b\r\nCall-ID: ", b"\r\nCSeq: 1 MESSAGE\r\n\r\n"
    n_calls = (1 << 20) + 30_000
    for number in range(n_calls):
        server.inject(head + b"%d" % number + tail, CLIENT)
        if number % 10_000 == 0:
            server.take_sent()
    total = snapshot(server)
    assert total.counter("successful_calls") == n_calls
    assert total.gauge("dead_calls") == 1 << 20
    # the oldest are forgotten and may call again, the others are known to be dead
    for number, is_dead in ((0, False), (29_999, False), (n_calls - 1, True), (n_calls // 2, True)):
        before = server.counter("dead_call_msgs")
        server.inject(head + b"%d" % number + tail, CLIENT)
        assert server.counter("dead_call_msgs") - before == is_dead
    server.turn(S)
