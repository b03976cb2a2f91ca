"""Twins over real sockets: commands out and in, their ends, and what comes from a twin that is none."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sippx._core.codes import TraceKind
from sippx._core.engine import Engine
from sippx._core.program import Program
from sippx._core.twins import TwinSettings, command_call_id
from sippx.scenario import Bindings, Scenario, compile_scenario

MS = 1_000_000
LONG_S = 20.0
OPTIONS = """<send><![CDATA[
OPTIONS sip:x@[remote_ip] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:a@b>;tag=[call_number]
To: <sip:x@y>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Content-Length: 0

]]></send>"""
RECV_200 = '<recv response="200"/>'
RECV_CMD = '<recvCmd><action><ereg regexp="X: (.*)" search_in="msg" assign_to="_,x"/><log message="[$x]"/></action></recvCmd>'


def send_cmd(text: str, dest: str = "") -> str:
    attribute = f' dest="{dest}"' if dest else ""
    return f"<sendCmd{attribute}><![CDATA[\n{text}\n]]></sendCmd>"


HELLO = send_cmd("Call-ID: [call_id]\nX: hello [call_number]\n")


def program(*steps: str) -> Program:
    """A client's; one that neither sends nor receives has a send that is never reached."""
    if not any("<send>" in step for step in steps):
        steps = (*steps, '<nop next="end"/>', OPTIONS, '<label id="end"/>')
    text = f'<scenario name="t">{"".join(steps)}</scenario>'
    return Program(compile_scenario(Scenario.from_string(text), Bindings(pid=7)))


def listener() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


@dataclass
class Side:
    """An engine with a UDP socket, the peer of its calls, and its twin's end of the connection."""

    engine: Engine
    udp: socket.socket
    agent: socket.socket
    listening: socket.socket | None = None
    log: list[tuple[str, bytes]] = field(default_factory=list)

    def run_until(self, is_so: Callable[[], bool]) -> None:
        """Runs the engine until that is so; it is not asked again then."""
        end_s = time.monotonic() + LONG_S
        state = "running"
        while not (found := is_so()) and time.monotonic() < end_s and state == "running":
            state = self._run()
        assert found or is_so(), (state, self.log)

    def run_to_end(self) -> None:
        end_s = time.monotonic() + LONG_S
        state = "running"
        while state == "running" and time.monotonic() < end_s:
            state = self._run()
        assert state == "finished"

    def _run(self) -> str:
        state = self.engine.run(2 * MS)
        self.log += [(TraceKind(record[0]).name, record[5]) for record in self.engine.ring.drain(1 << 20)]
        return state

    def said(self) -> list[str]:
        return [data.decode() for kind, data in self.log if kind == "TRACE_TWIN"]

    def logged(self) -> list[str]:
        return [data.decode() for kind, data in self.log if kind == "TRACE_LOG"]

    def counts(self, *names: str) -> list[int]:
        return [self.engine.counter(name) for name in names]

    def connect(self) -> socket.socket:
        """A twin that connects to the listener."""
        assert self.listening is not None
        sock = socket.create_connection(self.listening.getsockname())
        sock.settimeout(LONG_S)
        return sock

    def read(self, twin: socket.socket, n_commands: int = 1) -> list[bytes]:
        """Runs the engine until that many commands have come to the twin."""
        twin.setblocking(False)
        data = bytearray()

        def is_there() -> bool:
            try:
                while part := twin.recv(1 << 20):
                    data.extend(part)
            except BlockingIOError:
                pass
            return data.count(b"\x1b") >= n_commands

        self.run_until(is_there)
        assert data.endswith(b"\x1b")
        return bytes(data).split(b"\x1b")[:-1]


Make = Callable[..., Side]


@pytest.fixture
def make() -> Iterator[Make]:
    sockets: list[socket.socket] = []

    def side(role: str, code: Program, *, peers: dict[bytes, object] | None = None, listens: bool = True) -> Side:
        udp, agent = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for sock in (udp, agent):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        listening = listener() if listens else None
        sockets.extend(filter(None, (udp, agent, listening)))
        settings = TwinSettings(
            role, listener=None if listening is None else listening.fileno(), peers={b"": None} if peers is None else peers
        )
        engine = Engine(
            code, fd=udp.fileno(), remote=packed(agent), twins=settings, seed=1, capacity=4096,
            trace_mask=1 << TraceKind.TRACE_TWIN | 1 << TraceKind.TRACE_LOG | 1 << TraceKind.TRACE_NO_CALL_ID,
        )  # fmt: skip
        return Side(engine, udp, agent, listening)

    yield side
    for sock in sockets:
        sock.close()


def packed(sock: socket.socket) -> tuple[int, bytes, int]:
    host, port = sock.getsockname()
    return socket.AF_INET, socket.inet_aton(host), port


def controller_a(make: Make, *steps: str, n_calls: int = 1, rate: float = 10_000.0) -> tuple[Side, socket.socket]:
    """Side A, connected, and the twin's end."""
    with listener() as sock:
        sock.setblocking(True)
        with socket.create_connection(sock.getsockname()) as ours:
            ours.setblocking(False)
            twin, _ = sock.accept()
            side = make("a", program(*steps), peers={b"": ours.fileno()}, listens=False)
            side.engine.set_rate(rate)
            side.engine.set_max_calls(n_calls)
            side.engine.run(0)
    return side, twin


def command(number: int, more: str = "", name: str = "Call-ID: ") -> bytes:
    return f"{name}{number}-7@127.0.0.1\r\n{more}\r\n\x1b".encode()


# ---- commands out and in


def test_commands_of_many_calls_come_to_the_twin_in_order(make: Make) -> None:
    side, twin = controller_a(make, HELLO, n_calls=300)
    with closing(twin):
        commands = side.read(twin, 300)
    assert commands == [f"Call-ID: {i}-7@127.0.0.1\r\nX: hello {i}\r\n\r\n".encode() for i in range(1, 301)]
    side.run_to_end()
    assert side.counts("successful_calls", "failed_calls", "send_errors") == [300, 0, 0]


def test_call_goes_on_with_the_command_of_its_call_id_however_that_is_written(make: Make) -> None:
    names = ["Call-ID: ", "call-id:", "CALL-ID :\t", "i: ", "I:"]
    side, twin = controller_a(make, HELLO, RECV_CMD, n_calls=len(names))
    with closing(twin):
        side.read(twin, len(names))
        twin.setblocking(True)
        twin.sendall(b"".join(command(i, f"X: {i}", name) for i, name in enumerate(names, start=1)))
        side.run_to_end()
    assert sorted(side.logged()) == [str(i) for i in range(1, len(names) + 1)]
    assert side.counts("successful_calls") == [len(names)]


def test_command_opens_a_call_of_the_same_call_id(make: Make) -> None:
    side = make("b", program(RECV_CMD, OPTIONS, HELLO))
    side.engine.set_max_calls(2)
    with side.connect() as twin:
        twin.sendall(command(5, "X: 5") + command(6, "X: 6"))
        assert [text.splitlines()[0] for text in side.read(twin, 2)] == [
            b"Call-ID: 5-7@127.0.0.1", b"Call-ID: 6-7@127.0.0.1",
        ]  # fmt: skip
    side.run_to_end()
    assert side.counts("outgoing_calls", "successful_calls") == [2, 2]
    assert b"Call-ID: 5-7@127.0.0.1" in side.agent.recv(2000)


def test_call_that_came_in_sends_its_twin_a_command(make: Make) -> None:
    side, twin = controller_a(make, '<recv request="OPTIONS"/>', HELLO, RECV_CMD)
    with closing(twin):
        request = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=b\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\n"
        side.agent.sendto(request + b"Call-ID: in\r\nCSeq: 1 OPTIONS\r\n\r\n", side.udp.getsockname())
        assert side.read(twin) == [b"Call-ID: in\r\nX: hello 1\r\n\r\n"]
        twin.setblocking(True)
        twin.sendall(b"Call-ID: nobody\r\n\x1bCall-ID: in\r\nX: 1\r\n\x1b")
        side.run_to_end()
    assert side.counts("incoming_calls", "successful_calls", "out_of_call_msgs") == [1, 1, 1]


def test_names_do_not_count_where_there_are_two(make: Make) -> None:
    side = make("b", program(RECV_CMD.replace("<recvCmd>", '<recvCmd src="m">')))
    side.engine.set_max_calls(2)
    with side.connect() as twin:
        twin.sendall(command(1, "X: 1") + command(2, "From: x\r\nX: 2"))
        side.run_to_end()
    assert side.counts("successful_calls") == [2]


def test_prefix_of_a_call_id_does_not_count(make: Make) -> None:
    side, twin = controller_a(make, HELLO, RECV_CMD)
    with closing(twin):
        side.read(twin)
        twin.setblocking(True)
        twin.sendall(b"Call-ID: any///1-7@127.0.0.1\r\nX: 1\r\n\x1b")
        side.run_to_end()
    assert side.counts("successful_calls") == [1]


def test_command_comes_in_pieces(make: Make) -> None:
    side = make("b", program(RECV_CMD))
    side.engine.set_max_calls(1)
    with side.connect() as twin:
        for i in range(len(text := command(1, "X: " + "y" * 50))):
            twin.sendall(text[i : i + 1])
            side.engine.run(0)
        side.run_to_end()
    assert side.logged() == ["y" * 50]


def test_side_without_a_twin_cannot_send(make: Make) -> None:
    side = make("b", program(OPTIONS, HELLO))
    side.engine.set_rate(1000.0)
    side.engine.set_max_calls(2)
    side.run_to_end()
    assert side.counts("failed_cmd_not_sent", "failed_calls") == [2, 2]


def test_escape_within_a_command_is_refused(make: Make) -> None:
    side, twin = controller_a(make, send_cmd("Call-ID: [call_id]\nX: a\\x1bb"))
    with closing(twin):
        side.run_to_end()
        assert twin.recv(100) == b""
    assert side.counts("failed_cmd_not_sent") == [1]


# ---- aborted calls


def answer(side: Side, status: str) -> None:
    """The agent's answer to the request that came."""

    def came() -> bool:
        try:
            data, where = side.agent.recvfrom(4000)
        except BlockingIOError:
            return False
        head, _, rest = data.partition(b"\r\n")
        assert head.startswith(b"OPTIONS")
        side.agent.sendto(f"SIP/2.0 {status} X\r\n".encode() + rest, where)
        return True

    side.run_until(came)


def test_twin_is_told_of_an_aborted_call(make: Make) -> None:
    side, twin = controller_a(make, OPTIONS, RECV_200, HELLO)
    with closing(twin):
        answer(side, "603")
        assert side.read(twin) == [b"call-id: 1-7@127.0.0.1\r\ninternal-cmd: abort_call\r\n\r\n"]
        side.run_to_end()
    assert side.counts("failed_unexpected_message", "failed_calls") == [1, 1]


def test_abort_command_ends_the_call_and_is_not_sent_back(make: Make) -> None:
    side, twin = controller_a(make, HELLO, RECV_CMD)
    with closing(twin):
        side.read(twin)
        twin.setblocking(True)
        twin.sendall(command(1, "internal-cmd: abort_call\r\n", "call-id: "))
        side.run_to_end()
        assert twin.recv(100) == b""
    assert side.counts("failed_unexpected_message", "failed_calls") == [1, 1]


# ---- the end of a twin


def test_a_opens_no_more_calls_when_b_has_ended_and_aborts_those_that_wait_for_it(make: Make) -> None:
    side, twin = controller_a(make, HELLO, RECV_CMD, n_calls=1000, rate=200.0)
    side.read(twin)
    twin.close()
    side.run_to_end()
    ended, failed = side.counts("calls_ended", "failed_aborted")
    assert ended == failed < 1000
    assert side.said() == ["3PCC controller B has ended -> no new calls"]


def test_b_ends_with_a_and_lets_calls_end_that_need_no_command(make: Make) -> None:
    side = make("b", program(RECV_CMD, '<pause milliseconds="150"/>'))
    with side.connect() as twin:
        twin.sendall(command(1, "X: 1"))
        side.run_until(lambda: side.counts("outgoing_calls") == [1])
    side.run_to_end()
    assert side.counts("successful_calls", "failed_calls") == [1, 0]
    assert side.said() == ["3PCC controller A has ended -> exiting"]


def test_b_aborts_what_does_not_end_in_time(make: Make) -> None:
    side = make("b", program(RECV_CMD, '<pause milliseconds="60000"/>'))
    with side.connect() as twin:
        twin.sendall(command(1, "X: 1"))
        side.run_until(lambda: side.counts("outgoing_calls") == [1])
    began_s = time.monotonic()
    side.run_to_end()
    assert time.monotonic() - began_s >= 0.9
    assert side.counts("failed_aborted") == [1]


def test_reset_by_the_twin_is_said_with_its_reason(make: Make) -> None:
    side = make("b", program(RECV_CMD))
    with side.connect() as twin:
        side.engine.run(2 * MS)
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    side.run_to_end()
    (said,) = side.said()
    assert said.startswith("3PCC controller A has ended -> exiting (") and "reset" in said


# ---- what no twin sends


def test_command_without_call_id_is_said_and_the_next_one_is_taken(make: Make) -> None:
    side = make("b", program(RECV_CMD))
    side.engine.set_max_calls(1)
    with side.connect() as twin:
        twin.sendall(b"\x1b" b"garbage\r\nNo-Call-ID: x\r\n\x1b" + b"\0" * 100 + b"\x1b" b"Call-ID:\r\n\x1b" + command(1, "X: 1"))
        side.run_to_end()
    assert side.counts("malformed_no_call_id", "successful_calls") == [4, 1]
    assert [kind for kind, _ in side.log].count("TRACE_NO_CALL_ID") == 4


def test_endless_command_ends_the_run_and_is_said(make: Make) -> None:
    side = make("b", program(RECV_CMD))
    with side.connect() as twin:
        twin.setblocking(False)

        def pour() -> bool:
            try:
                twin.send(b"x" * 8192)
            except BlockingIOError:
                return False
            except OSError:
                return True
            return bool(side.said())

        side.run_until(pour)
        side.run_to_end()
    (said,) = side.said()
    assert said.startswith("3PCC controller A has ended -> exiting (what it sends are no commands")


def test_twin_that_does_not_read_fails_calls_and_then_gets_more(make: Make) -> None:
    side, twin = controller_a(make, send_cmd("Call-ID: [call_id]\n" + "y" * 30_000), n_calls=1 << 30)
    with closing(twin):
        side.run_until(lambda: side.counts("failed_cmd_not_sent") > [10])
        assert side.said() == ["A twin does not read its commands: calls that send it one fail until it does"]
        assert side.counts("congestions") == [1]
        twin.setblocking(False)
        before = side.counts("successful_calls")[0]

        def is_read() -> bool:
            try:
                while twin.recv(1 << 20):
                    pass
            except BlockingIOError:
                pass
            return side.counts("successful_calls")[0] > before + 50

        side.run_until(is_read)


def test_second_controller_is_sent_away(make: Make) -> None:
    side = make("b", program(RECV_CMD))
    side.engine.set_max_calls(1)
    with side.connect() as first, side.connect() as second:
        side.run_until(lambda: bool(side.said()))
        assert side.said() == ["Max number of twin instances reached"]
        second.settimeout(LONG_S)
        try:
            assert second.recv(10) == b""
        except OSError as error:
            assert error.errno == errno.ECONNRESET
        first.sendall(command(1, "X: 1"))
        side.run_to_end()
    assert side.counts("successful_calls") == [1]


# ---- extended: by name


def test_slave_connects_back_when_the_first_twin_has_connected(make: Make) -> None:
    src = RECV_CMD.replace("<recvCmd>", '<recvCmd src="m">')
    with listener() as master:
        answer_step = send_cmd("Call-ID: [call_id]\nFrom: s\n", "m")
        side = make("slave", program(src, answer_step), peers={b"m": packed(master)})
        side.engine.run(2 * MS)
        with pytest.raises(BlockingIOError):
            master.accept()
        with side.connect() as twin:
            twin.sendall(command(1, "From: m\r\nX: 1"))
            found: list[socket.socket] = []

            def came() -> bool:
                try:
                    found.append(master.accept()[0])
                except BlockingIOError:
                    return False
                return True

            side.run_until(came)
            with found[0] as back:
                assert side.read(back) == [b"Call-ID: 1-7@127.0.0.1\r\nFrom: s\r\n\r\n"]
                twin.close()
                side.run_to_end()
    assert side.said() == ["One of the twin instances has ended -> exiting"]
    assert side.counts("successful_calls") == [1]


def test_peer_that_cannot_be_reached_ends_the_run(make: Make) -> None:
    with listener() as gone:
        where = packed(gone)
    side = make("slave", program(RECV_CMD.replace("<recvCmd>", '<recvCmd src="m">')), peers={b"m": where})
    with side.connect():
        side.run_to_end()
    (said,) = side.said()
    assert said == f"Unable to connect a twin sipp socket, m at 127.0.0.1:{where[2]}: Connection refused"
    assert side.engine.stop_reason == "error"


@pytest.mark.parametrize(
    "settings",
    [
        ("c", {b"": None}), ("a", {}), ("b", {b"x": None}), ("master", {b"x" * 256: None}),
        ("slave", {b"%d" % i: None for i in range(65)}),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(settings: tuple[str, dict[bytes, None]]) -> None:
    with pytest.raises(ValueError, match=r"twin|role"):
        TwinSettings(settings[0], peers=settings[1])


# ---- the Call-ID of a command


def slow_call_id(command: bytes) -> bytes:
    for line in command.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon and name.rstrip(b" \t\r").lower() in (b"call-id", b"i"):
            return value.strip(b" \t\r")
    return b""


PARTS = [b"Call-ID", b"call-id", b"CALL-ID", b"i", b"I", b":", b" ", b"\t", b"\r", b"\n", b"\r\n", b"a@b", b"x", b"Call-I", b"\xeb"]


@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=4), max_size=30).map(b"".join))
def test_call_id_is_that_of_the_slow_search(command: bytes) -> None:
    assert command_call_id(command) == slow_call_id(command)
