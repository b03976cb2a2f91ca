"""Engines whose calls have UDP sockets of their own, or one for each source address, on real loopback sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from sippx._core.codes import QuitLevel
from sippx._core.datagrams import DatagramSettings
from sippx._core.engine import Engine
from sippx._core.injection import Injection
from sippx._core.program import Program
from sippx.injection import parse_injection
from sippx.scenario import Bindings, Scenario, builtin_text, compile_scenario

MS = 1_000_000
LINES = b"SEQUENTIAL\n127.0.0.1;a\n127.0.0.2;b\n127.0.0.3;c\n"
Source = tuple[str, int]
Open = Callable[..., socket.socket]


class Peer:
    """A server that says 200 to every request (or another status), and what came from where."""

    def __init__(self, one: socket.socket, status: str = "200 OK") -> None:
        self.socket = one
        self.status = status
        self.seen: list[tuple[str, str, Source]] = []
        """(method, Call-ID, source)"""

    def serve(self) -> None:
        while True:
            try:
                data, source = self.socket.recvfrom(65536)
            except BlockingIOError:
                return
            lines = data.decode().split("\r\n")
            method = lines[0].split()[0]
            fields = {line.partition(":")[0].lower(): line for line in lines[1:]}
            self.seen.append((method, fields["call-id"], source[:2]))
            if method not in ("ACK", "SIP/2.0"):
                to = fields["to"] if "tag=" in fields["to"] else fields["to"] + ";tag=1"
                answer = [
                    f"SIP/2.0 {self.status}",
                    fields["via"],
                    fields["from"],
                    to,
                    fields["call-id"],
                    fields["cseq"],
                ]
                self.socket.sendto("\r\n".join([*answer, "Content-Length: 0", "", ""]).encode(), source)

    def sources(self, *methods: str) -> dict[str, set[Source]]:
        """Call-ID -> where its messages came from."""
        found: dict[str, set[Source]] = {}
        for method, call_id, source in self.seen:
            if not methods or method in methods:
                found.setdefault(call_id, set()).add(source)
        return found


@pytest.fixture
def opened() -> Iterator[Open]:
    """Makes bound sockets on loopback."""
    made: list[socket.socket] = []

    def make(ip: str = "127.0.0.1") -> socket.socket:
        made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made[-1].bind((ip, 0))
        made[-1].setblocking(False)
        return made[-1]

    yield make
    for one in made:
        one.close()


def program(name: str, pause_ms: int = 50, injection_names: tuple[str, ...] = ()) -> Program:
    text = builtin_text(name).replace('milliseconds="4000"', f'milliseconds="{pause_ms}"')
    if injection_names:
        text = text.replace("Subject: Performance Test", "Subject: [field1]")
    scenario = Scenario.from_string(text, injection_names=injection_names)
    return Program(compile_scenario(scenario, Bindings(pid=7)))


def address(of: socket.socket) -> tuple[int, bytes, int]:
    host, port = of.getsockname()[:2]
    return of.family, socket.inet_aton(host), port


def per_call_engine(
    own: socket.socket, remote: socket.socket, n_calls: int, max_sockets: int = 1000, **options: object
) -> Engine:
    settings = DatagramSettings("per_call", local=address(own), max_sockets=max_sockets)
    engine = Engine(program("uac"), fd=own.fileno(), remote=address(remote), datagrams=settings, **options)  # type: ignore[arg-type]
    engine.set_rate(2000.0)
    engine.set_max_calls(n_calls)
    return engine


def run_with(engine: Engine, peer: Peer, until: Callable[[], bool] = lambda: False, seconds: float = 20.0) -> str:
    """Runs the engine and its peer in turn to the end of the test, or until something has happened."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s and not until():
        state = engine.run(2 * MS)
        peer.serve()
        if state != "running":
            return state
    return "running"


def open_sockets(engine: Engine) -> int:
    return int(engine.snapshot()[engine.layout()["gauges"]["open_sockets"]])


# --------------------------------------------------------------------------- a socket for each call


def test_each_call_sends_all_its_messages_from_a_port_of_its_own(opened: Open) -> None:
    own, there = opened(), opened()
    peer = Peer(there)
    engine = per_call_engine(own, there, 100)
    assert run_with(engine, peer) == "finished"
    peer.serve()
    sources = peer.sources()
    assert len(sources) == engine.counter("successful_calls") == 100
    assert all(len(of_call) == 1 for of_call in sources.values())
    assert own.getsockname() not in set.union(*sources.values())
    assert engine.counter("failed_calls") == engine.counter("send_errors") == 0


def test_socket_is_open_as_long_as_its_call(opened: Open) -> None:
    own, there = opened(), opened()
    peer = Peer(there)
    engine = per_call_engine(own, there, 30)
    # nobody answers yet
    while engine.counter("outgoing_calls") < 30:
        engine.run(2 * MS)
    assert open_sockets(engine) == 30
    assert run_with(engine, peer) == "finished"
    engine.run(2 * MS)
    assert open_sockets(engine) == 0


def test_last_message_of_an_aborted_call_leaves_from_its_own_socket(opened: Open) -> None:
    own, there = opened(), opened()
    peer = Peer(there, "183 Progress")
    engine = per_call_engine(own, there, 10)
    run_with(engine, peer, lambda: sum(method == "INVITE" for method, _, _ in peer.seen) == 10)
    engine.run(2 * MS)
    engine.quit(QuitLevel.QUIT_FORCED)
    assert run_with(engine, peer) == "finished"
    peer.serve()
    assert len(peer.sources("CANCEL")) == 10
    assert peer.sources("CANCEL") == peer.sources("INVITE")
    assert engine.counter("send_errors") == 0


def test_calls_beyond_the_limit_share_sockets(opened: Open) -> None:
    own, there = opened(), opened()
    peer = Peer(there)
    engine = per_call_engine(own, there, 12, max_sockets=3)
    while engine.counter("outgoing_calls") < 12:
        engine.run(2 * MS)
    assert open_sockets(engine) == 3
    assert run_with(engine, peer) == "finished"
    peer.serve()
    sources = peer.sources()
    assert len(set.union(*sources.values())) == 3
    assert engine.counter("successful_calls") == 12


def test_one_socket_is_enough_for_calls_one_after_the_other(opened: Open) -> None:
    own, there = opened(), opened()
    peer = Peer(there)
    engine = per_call_engine(own, there, 20, max_sockets=1)
    engine.set_limit(1)
    assert run_with(engine, peer) == "finished"
    peer.serve()
    assert all(len(of_call) == 1 for of_call in peer.sources().values())
    assert engine.counter("successful_calls") == 20


def test_calls_without_any_socket_fail(opened: Open) -> None:
    own, there = opened(), opened()
    engine = per_call_engine(own, there, 5, max_sockets=0)
    assert run_with(engine, Peer(there)) == "finished"
    assert engine.counter("failed_cannot_send_message") == 5


def test_unreachable_peer_of_calls_is_counted(opened: Open) -> None:
    own, there = opened(), opened()
    engine = per_call_engine(own, there, 10)
    there.close()
    end_s = time.monotonic() + 10
    while engine.counter("icmp_errors") < 10 and time.monotonic() < end_s:
        engine.run(20 * MS)
    assert engine.counter("icmp_errors") >= 10


def test_stranger_is_answered_from_the_socket_it_wrote_to(opened: Open) -> None:
    own, there, stranger = opened(), opened(), opened()
    peer = Peer(there, "183 Progress")
    engine = per_call_engine(own, there, 1, auto_answer=True)
    run_with(engine, peer, lambda: len(peer.seen) > 0)
    source = peer.seen[0][2]
    stranger.sendto(
        b"OPTIONS sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP z;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"
        b"Call-ID: strange\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        source,
    )
    answers = Peer(stranger)
    run_with(engine, answers, lambda: len(answers.seen) > 0)
    assert answers.seen == [("SIP/2.0", "Call-ID: strange", source)]


@pytest.mark.parametrize("offloads", [True, False], ids=["offloads", "plain"])
def test_two_engines_complete_calls_with_sockets_of_their_own(opened: Open, offloads: bool) -> None:
    own, there = opened(), opened()
    server = Engine(program("uas"), fd=there.fileno(), gso=offloads, gro=offloads, batch=offloads)
    server.set_max_calls(300)
    client = per_call_engine(own, there, 300, gso=offloads, gro=offloads, batch=offloads)
    run_both(client, server)
    for one in (client, server):
        assert one.counter("successful_calls") == 300
        assert one.counter("failed_calls") == 0
    assert client.counter("send_errors") == 0


def run_both(*engines: Engine) -> None:
    def run(engine: Engine) -> None:
        end_s = time.monotonic() + 20
        while engine.run(50 * MS) == "running" and time.monotonic() < end_s:
            pass

    threads = [threading.Thread(target=run, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --------------------------------------------------------------------------- a socket for each source address


def by_ip(own: socket.socket, *others: socket.socket) -> DatagramSettings:
    sockets = [(one.fileno(), socket.inet_aton(one.getsockname()[0])) for one in others]
    return DatagramSettings("per_ip", local=address(own), sockets=sockets)


def test_field_of_a_calls_line_says_where_it_sends_from(opened: Open) -> None:
    own, there = opened(), opened()
    ips = [own, opened("127.0.0.2"), opened("127.0.0.3")]
    engine = Engine(
        program("uac", injection_names=("ips.csv",)), fd=own.fileno(), remote=address(there), datagrams=by_ip(*ips),
        files=[Injection(parse_injection(LINES, "ips.csv"))],
    )  # fmt: skip
    engine.set_rate(2000.0)
    engine.set_max_calls(9)
    peer = Peer(there)
    assert run_with(engine, peer) == "finished"
    assert engine.counter("successful_calls") == 9
    peer.serve()
    assert peer.sources() == {f"Call-ID: {i + 1}-7@127.0.0.1": {ips[i % 3].getsockname()} for i in range(9)}


def test_call_whose_line_names_no_socket_fails(opened: Open) -> None:
    own, there = opened(), opened()
    engine = Engine(
        program("uac", injection_names=("ips.csv",)), fd=own.fileno(), remote=address(there), datagrams=by_ip(own),
        files=[Injection(parse_injection(LINES, "ips.csv"))],
    )  # fmt: skip
    engine.set_rate(2000.0)
    engine.set_max_calls(6)
    assert run_with(engine, Peer(there)) == "finished"
    assert engine.counter("successful_calls") == 2
    assert engine.counter("failed_cannot_send_message") == 4


def test_server_answers_from_the_socket_that_was_written_to(opened: Open) -> None:
    own = opened()
    ips = [own, opened("127.0.0.2"), opened("127.0.0.3")]
    # the final rest of 300 ms is long enough for a BYE that comes again
    server = Engine(program("uas", 300), fd=own.fileno(), datagrams=by_ip(*ips))
    clients = [(opened(), one) for one in ips]
    for method in ("INVITE", "ACK", "BYE", "BYE"):
        for i, (client, one) in enumerate(clients):
            text = (
                f"{method} sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP z;branch=z9hG4bK{method}{i}\r\nFrom: <sip:a@b>;tag=1\r\n"
                f"To: <sip:c@d>\r\nCall-ID: call-{i}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
            )
            client.sendto(text.encode(), one.getsockname())
        n_answers = {"INVITE": 2, "ACK": 0, "BYE": 1}[method]
        for client, one in clients:
            peer = Peer(client)
            run_with(server, peer, lambda peer=peer, n=n_answers: len(peer.seen) >= n)  # type: ignore[misc]
            assert [source for _, _, source in peer.seen] == [one.getsockname()] * n_answers
    assert server.counter("incoming_calls") == 3


def test_client_whose_sockets_a_file_chooses_needs_one(opened: Open) -> None:
    own = opened()
    with pytest.raises(ValueError, match="needs one"):
        Engine(program("uac"), fd=own.fileno(), remote=address(own), datagrams=by_ip(own))


def test_sockets_of_calls_need_one_of_the_engine(opened: Open) -> None:
    with pytest.raises(ValueError, match="beside one"):
        Engine(program("uas"), datagrams=by_ip(opened()))
