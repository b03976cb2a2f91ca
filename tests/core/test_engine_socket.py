"""The engine on real loopback sockets: what its outcome of run() says, and what must never reach the wire."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from sippx._core.codes import QuitLevel
from sippx._core.engine import Engine
from sippx._core.program import Program
from sippx.scenario import Bindings, Scenario, builtin_text, compile_scenario

MS = 1_000_000
S = 1000 * MS
FAMILIES = {"ipv4": (socket.AF_INET, "127.0.0.1"), "ipv6": (socket.AF_INET6, "::1")}


@pytest.fixture(params=FAMILIES)
def sockets(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's and a server's bound socket."""
    family, ip = FAMILIES[request.param]
    with socket.socket(family, socket.SOCK_DGRAM) as client, socket.socket(family, socket.SOCK_DGRAM) as server:
        for one in (client, server):
            try:
                one.bind((ip, 0))
            except OSError as error:
                pytest.skip(f"no {request.param} loopback here: {error}")
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        yield client, server


def program(name: str) -> Program:
    """A built-in scenario, without the four seconds that a server remembers its calls."""
    text = builtin_text(name).replace('milliseconds="4000"', 'milliseconds="50"')
    return Program(compile_scenario(Scenario.from_string(text), Bindings(pid=7)))


def address(of: socket.socket) -> tuple[int, bytes, int]:
    host, port = of.getsockname()[:2]
    return of.family, socket.inet_pton(of.family, host), port


def run_to_end(engine: Engine, seconds: float = 20.0) -> str:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        state = engine.run(50 * MS)
        if state != "running":
            return state
    return "running"


@pytest.mark.parametrize("offloads", [True, False], ids=["offloads", "plain"])
def test_two_engines_in_two_threads_complete_their_calls(
    sockets: tuple[socket.socket, socket.socket], offloads: bool
) -> None:
    options = {"gso": offloads, "gro": offloads, "batch": offloads}
    client = Engine(program("uac"), fd=sockets[0].fileno(), remote=address(sockets[1]), **options)
    server = Engine(program("uas"), fd=sockets[1].fileno(), **options)
    server.set_max_calls(500)
    client.set_rate(5000.0)
    client.set_max_calls(500)
    states: dict[str, str] = {}
    threads = [
        threading.Thread(target=lambda one=one, name=name: states.update({name: run_to_end(one)}))
        for name, one in (("client", client), ("server", server))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == {"client": "finished", "server": "finished"}
    for one in (client, server):
        assert one.counter("successful_calls") == 500
        assert one.counter("failed_calls") == one.counter("malformed") == 0
    assert client.counter("datagrams_sent") >= 1500
    assert server.counter("datagrams_received") >= 1500
    assert client.counter("bytes_sent") >= server.counter("bytes_received") > 0


def test_lost_messages_leave_nothing_on_the_wire(sockets: tuple[socket.socket, socket.socket]) -> None:
    client = Engine(program("uac"), fd=sockets[0].fileno(), remote=address(sockets[1]), lost_percent=100.0)
    client.set_rate(2000.0)
    client.set_max_calls(100)
    client.run(100 * MS)
    assert client.counter("outgoing_calls") == 100
    with pytest.raises(BlockingIOError):
        sockets[1].recv(65536)


def test_call_that_cannot_be_built_leaves_nothing_on_the_wire(sockets: tuple[socket.socket, socket.socket]) -> None:
    client = Engine(program("uac"), fd=sockets[0].fileno(), remote=address(sockets[1]), max_block_bytes=0)
    client.set_rate(2000.0)
    client.set_max_calls(50)
    assert run_to_end(client) == "finished"
    assert client.counter("failed_cannot_send_message") == 50
    with pytest.raises(BlockingIOError):
        sockets[1].recv(65536)


def test_unreachable_peer_is_counted_and_repeated(sockets: tuple[socket.socket, socket.socket]) -> None:
    remote = address(sockets[1])
    sockets[1].close()
    client = Engine(program("uac"), fd=sockets[0].fileno(), remote=remote)
    client.set_rate(1000.0)
    client.set_max_calls(20)
    client.run(700 * MS)
    assert client.counter("icmp_errors") > 0
    assert client.counter("retransmissions") == 20
    assert client.n_open == 20


def test_slice_ends_on_time(sockets: tuple[socket.socket, socket.socket]) -> None:
    server = Engine(program("uas"), fd=sockets[1].fileno())
    start_s = time.monotonic()
    assert server.run(30 * MS) == "running"
    assert 0.025 <= time.monotonic() - start_s < 1.0
    server.quit(QuitLevel.QUIT_SOFT)
    assert server.run(10 * S) == "finished"
    assert time.monotonic() - start_s < 5.0


def test_engine_without_a_socket_cannot_run() -> None:
    with pytest.raises(ValueError, match="without a socket"):
        Engine(program("uas")).run(MS)


def test_engine_with_a_socket_has_a_clock_of_its_own(sockets: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(ValueError, match="with a socket"):
        Engine(program("uas"), fd=sockets[1].fileno()).turn(1)


def test_client_needs_a_remote_address() -> None:
    with pytest.raises(ValueError, match="remote address"):
        Engine(program("uac"))


@pytest.mark.parametrize(
    "remote", [(socket.AF_INET, b"123", 1), (socket.AF_INET6, b"1234", 1), (99, b"1234", 1), (socket.AF_INET, b"1234", 65536)]
)
def test_impossible_address_is_refused(remote: tuple[int, bytes, int]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Engine(program("uac"), remote=remote)


def test_descriptor_that_is_no_socket_is_refused() -> None:
    with pytest.raises(OSError, match=r"."):
        Engine(program("uas"), fd=10_000)


@pytest.mark.parametrize("capacity", [0, (1 << 30) + 1])
def test_impossible_capacity_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity"):
        Engine(program("uas"), capacity=capacity)
