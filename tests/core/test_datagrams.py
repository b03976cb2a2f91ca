"""UDP sockets of calls: opened, shared and closed for each call, or chosen by a field of an injection file's line."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sippx._core.datagrams import MAX_SOCKETS, CallSockets, DatagramSettings
from sippx._core.injection import Injection
from sippx.injection import parse_injection

FAMILIES = {"ipv4": (socket.AF_INET, "127.0.0.1"), "ipv6": (socket.AF_INET6, "::1")}
Make = Callable[..., CallSockets]


@pytest.fixture(params=FAMILIES)
def own(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """The engine's own socket."""
    family, ip = FAMILIES[request.param]
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        try:
            one.bind((ip, 0))
        except OSError:
            pytest.skip(f"no {request.param} loopback here")
        one.setblocking(False)
        yield one


def local_of(one: socket.socket) -> tuple[int, bytes, int]:
    ip, port = one.getsockname()[:2]
    return one.family, socket.inet_pton(one.family, ip), port


def per_call(
    one: socket.socket, max_sockets: int = 50, options: list[tuple[int, int, bytes]] | None = None
) -> CallSockets:
    settings = DatagramSettings("per_call", local=local_of(one), max_sockets=max_sockets, options=options or [])
    return CallSockets(one.fileno(), settings)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


# --------------------------------------------------------------------------- a socket for each call


def test_each_call_has_a_port_of_its_own_on_the_local_address(own: socket.socket) -> None:
    calls = per_call(own)
    vias = [calls.take() for _ in range(20)]
    assert len(set(vias)) == 20
    for via in vias:
        assert not os.get_blocking(calls.fd(via))
        assert not os.get_inheritable(calls.fd(via))
        with socket.socket(fileno=os.dup(calls.fd(via))) as same:
            assert same.getsockname()[:2] == (own.getsockname()[0], calls.local_port(via))
    assert len({calls.local_port(via) for via in vias} | {own.getsockname()[1]}) == 21


def test_dropped_socket_is_closed_when_settled_and_not_before(own: socket.socket) -> None:
    calls = per_call(own)
    via = calls.take()
    fd = calls.fd(via)
    calls.drop(via)
    assert is_open(fd)
    calls.settle()
    assert not is_open(fd)
    assert calls.fd(via) == -1
    assert calls.counters["open"] == 0


def test_socket_of_a_call_tells_by_its_number_that_something_came(own: socket.socket) -> None:
    calls = per_call(own)
    vias = [calls.take() for _ in range(3)]
    ip = own.getsockname()[0]
    own.sendto(b"x", (ip, calls.local_port(vias[1])))
    assert calls.ready(5000) == [vias[1]]
    calls.drop(vias[1])
    calls.settle()
    assert calls.ready(0) == []


def test_calls_share_sockets_in_turn_where_no_more_may_be_open(own: socket.socket) -> None:
    calls = per_call(own, max_sockets=3)
    vias = [calls.take() for _ in range(9)]
    assert sorted(vias[:3]) == sorted(set(vias))
    assert all(vias.count(via) == 3 for via in vias[:3])
    assert calls.counters["opened"] == 3
    assert calls.counters["shared"] == 6


def test_shared_socket_is_closed_behind_its_last_call(own: socket.socket) -> None:
    calls = per_call(own, max_sockets=1)
    via = calls.take()
    assert [calls.take(), calls.take()] == [via, via]
    for n_left in (2, 1, 0):
        calls.drop(via)
        calls.settle()
        assert (calls.fd(via) >= 0) == (n_left > 0)


def test_dropped_socket_that_another_call_gets_stays_open(own: socket.socket) -> None:
    calls = per_call(own, max_sockets=1)
    via = calls.take()
    calls.drop(via)
    assert calls.take() == via
    calls.settle()
    assert calls.fd(via) >= 0
    calls.drop(via)
    assert calls.join(via)
    calls.drop(via)
    calls.settle()
    assert calls.fd(via) == -1


def test_without_any_socket_a_call_has_none(own: socket.socket) -> None:
    assert per_call(own, max_sockets=0).take() == 0


def test_socket_that_is_gone_cannot_be_joined(own: socket.socket) -> None:
    calls = per_call(own)
    via = calls.take()
    calls.drop(via)
    calls.settle()
    assert not calls.join(via)
    assert not calls.join(0)
    assert not calls.join(65535)


def test_calls_share_sockets_where_the_system_gives_no_more(own: socket.socket) -> None:
    calls = per_call(own, max_sockets=5000)
    first = calls.take()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # a descriptor of that number cannot be made
    resource.setrlimit(resource.RLIMIT_NOFILE, (calls.fd(first) + 1, hard))
    try:
        taken = [calls.take() for _ in range(200)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    counters = calls.counters
    assert first in taken
    assert counters["open_errors"] == 1
    assert os.strerror(counters["last_open_errno"]) == "Too many open files"
    # tried again when one was closed
    for via in [first, *taken]:
        calls.drop(via)
    calls.settle()
    assert calls.counters["open"] == 0
    assert calls.take() > 0
    assert calls.counters["open_errors"] == 1


def test_call_has_no_socket_where_the_system_gives_none(own: socket.socket) -> None:
    calls = per_call(own)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        assert [calls.take(), calls.take()] == [0, 0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert calls.counters["open_errors"] == 2
    assert calls.take() > 0


def test_options_are_set_on_each_socket(own: socket.socket) -> None:
    size = (20000).to_bytes(4, "little")
    calls = per_call(own, options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, size), (socket.SOL_SOCKET, 9999, b"refused")])
    with socket.socket(fileno=os.dup(calls.fd(calls.take()))) as same:
        assert same.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 40000


def test_sockets_are_closed_with_their_owner(own: socket.socket) -> None:
    calls = per_call(own)
    fds = [calls.fd(calls.take()) for _ in range(5)]
    del calls
    assert not any(is_open(fd) for fd in fds)


@given(steps=st.lists(st.sampled_from(["take", "take", "drop", "settle"]), max_size=80), max_sockets=st.integers(1, 6))
def test_sockets_are_open_for_exactly_the_calls_that_have_them(steps: list[str], max_sockets: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        calls = per_call(own, max_sockets=max_sockets)
        held: list[int] = []
        for step in steps:
            if step == "take":
                via = calls.take()
                assert via > 0
                held.append(via)
            elif step == "drop" and held:
                calls.drop(held.pop(0))
            elif step == "settle":
                calls.settle()
                assert calls.counters["open"] == len(set(held)) <= max_sockets
            assert all(calls.fd(via) >= 0 for via in held)
            assert len({calls.local_port(via) for via in held}) == len(set(held))


# --------------------------------------------------------------------------- a socket for each source address


@pytest.fixture
def by_ip() -> Iterator[Callable[..., tuple[CallSockets, dict[str, int]]]]:
    """Makes the sockets of 127.0.0.1 (the engine's own), .2 and .3 for a file: they and address -> via."""
    made: list[socket.socket] = []

    def make(
        text: bytes, ip_field: int = 0, names: dict[bytes, bytes] | None = None
    ) -> tuple[CallSockets, dict[str, int]]:
        ips = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        for ip in ips:
            made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            made[-1].bind((ip, 0))
            made[-1].setblocking(False)
        sockets = [(one.fileno(), socket.inet_aton(ip)) for one, ip in zip(made[1:], ips[1:], strict=True)]
        settings = DatagramSettings("per_ip", local=local_of(made[0]), sockets=sockets, names=names, ip_field=ip_field)
        calls = CallSockets(made[0].fileno(), settings, Injection(parse_injection(text, "ips.csv")))
        vias = {
            "127.0.0.1": 0,
            **{ip: via for via in (1, 2) for ip in ips if calls.fd(via) == made[ips.index(ip)].fileno()},
        }
        return calls, vias

    yield make
    for one in made:
        one.close()


def test_field_of_the_line_says_the_socket(by_ip: Callable[..., tuple[CallSockets, dict[str, int]]]) -> None:
    calls, vias = by_ip(
        b"SEQUENTIAL\na;127.0.0.2\nb;127.0.0.3;x\n# no line\nc; 127.0.0.1\t;\r\nd;127.0.0.2\r\n", ip_field=1
    )
    found = [calls.via_of_line(i) for i in range(4)]
    assert found == [vias["127.0.0.2"], vias["127.0.0.3"], vias["127.0.0.1"], vias["127.0.0.2"]]
    assert len(vias) == 3


def test_name_stands_for_its_address(by_ip: Callable[..., tuple[CallSockets, dict[str, int]]]) -> None:
    names = {b"here": socket.inet_aton("127.0.0.1"), b"third.example": socket.inet_aton("127.0.0.3")}
    calls, vias = by_ip(b"RANDOM\nthird.example\nhere\nHERE\n", names=names)
    assert [calls.via_of_line(i) for i in range(3)] == [vias["127.0.0.3"], 0, None]


@pytest.mark.parametrize("text", [b"", b"127.0.0.9", b"::1", b"nowhere", b"1", b"\xff\0x", b"7" * 300])
def test_line_of_another_address_has_no_socket(
    by_ip: Callable[..., tuple[CallSockets, dict[str, int]]], text: bytes
) -> None:
    calls, _ = by_ip(b"SEQUENTIAL\n127.0.0.2;a\n" + text + b";b\n")
    assert calls.via_of_line(0) is not None
    assert calls.via_of_line(1) is None


def test_line_out_of_range_or_without_that_field_has_no_socket(
    by_ip: Callable[..., tuple[CallSockets, dict[str, int]]],
) -> None:
    calls, vias = by_ip(b"USER\na;127.0.0.2\nb\n", ip_field=1)
    assert [calls.via_of_line(i) for i in (0, 1, 2, 0xFFFFFFFF)] == [vias["127.0.0.2"], None, None, None]


def test_replaced_line_has_the_socket_it_says_now(by_ip: Callable[..., tuple[CallSockets, dict[str, int]]]) -> None:
    calls, vias = by_ip(b"SEQUENTIAL\n127.0.0.2\n127.0.0.2\n")
    calls.replace_line(1, b"127.0.0.3")
    assert [calls.via_of_line(i) for i in range(2)] == [vias["127.0.0.2"], vias["127.0.0.3"]]


def test_lines_of_a_printf_file_have_their_sockets(by_ip: Callable[..., tuple[CallSockets, dict[str, int]]]) -> None:
    calls, vias = by_ip(b"SEQUENTIAL,PRINTF=3,PRINTFOFFSET=2\n127.0.0.%d\n")
    assert [calls.via_of_line(i) for i in range(3)] == [vias["127.0.0.2"], vias["127.0.0.3"], None]


def test_socket_of_an_address_tells_by_its_number_that_something_came(
    by_ip: Callable[..., tuple[CallSockets, dict[str, int]]],
) -> None:
    calls, vias = by_ip(b"SEQUENTIAL\n127.0.0.2\n")
    with (
        socket.socket(fileno=os.dup(calls.fd(vias["127.0.0.3"]))) as same,
        socket.socket(type=socket.SOCK_DGRAM) as peer,
    ):
        peer.sendto(b"x", same.getsockname())
    assert calls.ready(5000) == [vias["127.0.0.3"]]


def test_a_thousand_addresses_are_told_apart() -> None:
    rng = np.random.default_rng(5)
    ips = [b"\x7f" + rng.bytes(3) for _ in range(1000)]
    ips = list(dict.fromkeys(ip for ip in ips if ip != b"\x7f\0\0\1"))
    lines = [ips[int(i)] for i in rng.integers(0, len(ips), 3000)]
    with socket.socket(type=socket.SOCK_DGRAM) as own, socket.socket(type=socket.SOCK_DGRAM) as other:
        own.bind(("127.0.0.1", 0))
        # what is told apart are numbers: all may be of one descriptor but for the epoll, which takes it once
        others = [os.dup(other.fileno()) for _ in ips]
        try:
            settings = DatagramSettings("per_ip", local=local_of(own), sockets=list(zip(others, ips, strict=True)))
            text = b"SEQUENTIAL\n" + b"".join(socket.inet_ntoa(ip).encode() + b";\n" for ip in lines)
            calls = CallSockets(own.fileno(), settings, Injection(parse_injection(text, "ips.csv")))
            expected = dict(zip(ips, others, strict=True))
            assert [calls.fd(calls.via_of_line(i) or 0) for i in range(3000)] == [expected[ip] for ip in lines]
        finally:
            for fd in others:
                os.close(fd)


# --------------------------------------------------------------------------- settings

LOCAL = (socket.AF_INET, bytes([127, 0, 0, 1]), 5060)
OTHER = bytes([127, 0, 0, 2])


@pytest.mark.parametrize(
    ("mode", "options", "reason"),
    [
        ("per_user", {"local": LOCAL}, "neither"),
        ("per_call", {"local": (socket.AF_INET, b"123", 1)}, "4 bytes"),
        ("per_call", {"local": (99, b"1234", 1)}, "4 bytes"),
        ("per_call", {"local": (socket.AF_INET6, bytes(16), 1, 1 << 24)}, "zone"),
        ("per_call", {"local": LOCAL, "max_sockets": -1}, "max_sockets"),
        ("per_call", {"local": LOCAL, "max_sockets": MAX_SOCKETS + 1}, "max_sockets"),
        ("per_call", {"local": LOCAL, "options": [(1, 1, bytes(161))]}, "161 bytes"),
        ("per_call", {"local": LOCAL, "options": [(1, 1, b"")] * 25}, "25 socket options"),
        ("per_call", {"local": LOCAL, "sockets": [(3, OTHER)]}, "of per_ip"),
        ("per_ip", {"local": LOCAL, "options": [(1, 1, b"")]}, "of per_call"),
        ("per_ip", {"local": LOCAL, "sockets": [(3, OTHER), (4, OTHER)]}, "same address"),
        ("per_ip", {"local": LOCAL, "sockets": [(3, LOCAL[1]), (4, LOCAL[1])]}, "same address"),
        ("per_ip", {"local": LOCAL, "sockets": [(-1, OTHER)]}, "descriptor"),
        ("per_ip", {"local": LOCAL, "sockets": [(3, bytes(16))]}, "descriptor"),
        ("per_ip", {"local": LOCAL, "ip_field": -1}, "ip_field"),
        ("per_ip", {"local": LOCAL, "names": {b"": LOCAL[1]}}, "names no socket"),
        ("per_ip", {"local": LOCAL, "names": {b"x": OTHER}}, "names no socket"),
    ],
)  # fmt: skip
def test_impossible_setting_is_refused(mode: str, options: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        DatagramSettings(mode, **options)  # type: ignore[arg-type]


def test_own_socket_may_be_among_those_of_the_addresses(own: socket.socket) -> None:
    ip = local_of(own)[1]
    for fd in (own.fileno(), own.fileno() + 1):
        settings = DatagramSettings("per_ip", local=local_of(own), sockets=[(fd, ip)])
        if fd == own.fileno():
            text = b"SEQUENTIAL\n" + own.getsockname()[0].encode() + b"\n"
            calls = CallSockets(fd, settings, Injection(parse_injection(text, "ips.csv")))
            assert calls.via_of_line(0) == 0
        else:
            with pytest.raises(ValueError, match="another socket"):
                CallSockets(own.fileno(), settings)


def test_descriptor_that_cannot_be_watched_is_refused(own: socket.socket) -> None:
    settings = DatagramSettings(
        "per_ip", local=local_of(own), sockets=[(10_000, bytes([1, 2, 3, 4] * 4)[: len(local_of(own)[1])])]
    )
    with pytest.raises(OSError, match="Bad file descriptor"):
        CallSockets(own.fileno(), settings)
