"""Commands between twins (sendCmd, recvCmd): between two engines of one process, and the four 3pcc scenarios."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field

from sim.language import LONG, OPTIONS, action, given_back, log, logged, recv_doing, run
from sim.link import MS, snapshot
from sim.ticks import Ticks, accounted, recv, response, scenario
from sippx._core.codes import Complaint, TraceKind
from sippx._core.engine import Engine
from sippx._core.program import Program
from sippx.scenario import Bindings, Scenario, compile_scenario

ADDRESSES = {name: (socket.AF_INET, b"\x7f\0\0\1", 5070 + i) for i, name in enumerate(("3pcc-C-A", "3pcc-C-B", "3pcc-A", "3pcc-B"))}
PEERS = {"3pcc-C-A": "3pcc-A", "3pcc-C-B": "3pcc-B"}


def call_id_of(command: bytes) -> bytes:
    found = re.search(rb"Call-ID: *(\S+)", command, re.IGNORECASE)
    assert found is not None
    return found.group(1)


@dataclass
class ThirdParty:
    """Controller legs C-A and C-B, exchanging commands, and the agents A and B that they call."""

    n_calls: int
    engines: dict[str, Engine] = field(default_factory=dict)
    commands: list[tuple[str, bytes]] = field(default_factory=list)
    now_ms: int = 0

    def __post_init__(self) -> None:
        for name in ADDRESSES:
            self.engines[name] = controlled(name)
        self.engines["3pcc-C-A"].set_rate(200.0)
        for name in PEERS:
            self.engines[name].set_max_calls(self.n_calls)

    def until(self, ms: int) -> None:
        while self.now_ms < ms:
            self.now_ms += 1
            for one in self.engines.values():
                one.turn(self.now_ms * MS)
            for _ in range(4):
                self._carry()

    def _carry(self) -> None:
        for name, one in self.engines.items():
            for data, where in one.take_sent():
                to = next(n for n, address in ADDRESSES.items() if address[2] == where[2])
                self.engines[to].inject(data, ADDRESSES[name])
            for _, text in one.take_commands():
                self.commands.append((name, text))
                other = "3pcc-C-B" if name == "3pcc-C-A" else "3pcc-C-A"
                self.engines[other].give_command(text, call_id_of(text))


def controlled(name: str) -> Engine:
    """An engine for one of the built-in scenarios."""
    bindings = Bindings(pid=7, local_port=ADDRESSES[name][2], remote_port=ADDRESSES[PEERS.get(name, name)][2])
    program = Program(compile_scenario(Scenario.builtin(name), bindings))
    return Engine(program, remote=ADDRESSES[PEERS[name]] if name in PEERS else None, start_ns=0, seed=1, capacity=4096)


def test_the_four_built_in_scenarios_complete_their_calls() -> None:
    run_ = ThirdParty(n_calls=40)
    run_.until(5000)
    for name, one in run_.engines.items():
        total = snapshot(one)
        assert (total.counter("successful_calls"), total.counter("failed_calls")) == (40, 0), name
        assert total.counter("retransmissions") == total.counter("out_of_call_msgs") == 0
        assert total.gauge("current_calls") == 0
        accounted(total)
    assert [name for name, _ in run_.commands].count("3pcc-C-A") == 40
    assert all(b"m=audio" in text for _, text in run_.commands)


def test_offer_and_answer_go_through_the_controller_unchanged() -> None:
    run_ = ThirdParty(n_calls=1)
    run_.until(4000)
    (_, offer), (_, answer) = run_.commands
    assert offer.startswith(b"Call-ID: 1-7@127.0.0.1\r\nContent-Type: application/sdp\r\n")
    assert offer.rstrip().endswith(b"a=rtpmap:0 PCMU/8000")
    assert answer.rstrip().endswith(b"a=rtpmap:0 PCMU/8000")


# --------------------------------------------------------------------------- single engines


def send_cmd(text: str, attributes: str = "") -> str:
    return f"<sendCmd {attributes}><![CDATA[\n{text}\n]]></sendCmd>"


def recv_cmd(*actions: str, attributes: str = "") -> str:
    return f"<recvCmd {attributes}>{action(*actions)}</recvCmd>" if actions else f"<recvCmd {attributes}/>"


def command(more: str = "", number: int = 1) -> tuple[bytes, bytes]:
    """A twin's command for a call, and its Call-ID."""
    return f"Call-ID: {number}-7@127.0.0.1\r\n{more}\r\n".encode(), f"{number}-7@127.0.0.1".encode()


GET_X = "<ereg regexp='X: (.*)' search_in='msg' assign_to='_,x'/>"


def test_command_is_expanded_and_named_by_its_destination() -> None:
    ticks = run(scenario(OPTIONS, send_cmd("Call-ID: [call_id]\nN: [call_number]", "dest='s1'"), recv("200"))).until(2)
    ((peer, text),) = ticks.engine.take_commands()
    assert (peer, text.rstrip()) == (b"s1", b"Call-ID: 1-7@127.0.0.1\r\nN: 1")
    assert ticks.engine.take_commands() == []
    assert ticks.steps[1][0] == 1


def test_call_waits_for_its_command_and_takes_values_out_of_it() -> None:
    ticks = run(scenario(OPTIONS, recv_cmd(GET_X, log("([$x])"))), n_calls=2).until(5)
    assert ticks.counts("calls_ended") == [0]
    ticks.engine.give_command(*command("X: for two", 2))
    ticks.engine.give_command(*command("X: for one\r\n\r\n", 1))
    assert logged(ticks) == ["(for two)", "(for one)"]
    assert ticks.counts("successful_calls") == [2]


def test_call_is_opened_by_a_command_where_the_scenario_begins_with_it() -> None:
    ticks = run(scenario(recv_cmd(GET_X), OPTIONS, log_step("[call_number] [call_id] [$x]")), n_calls=3).until(5)
    assert ticks.counts("outgoing_calls") == [0]
    for number in (7, 5, 9, 11):
        ticks.engine.give_command(*command(f"X: {number}", number))
    assert logged(ticks) == [f"{i} {n}-7@127.0.0.1 {n}" for i, n in ((1, 7), (2, 5), (3, 9))]
    assert ticks.counts("successful_calls", "outgoing_calls", "out_of_call_msgs") == [3, 3, 1]
    accounted(ticks.total)


def log_step(text: str) -> str:
    return f"<nop>{action(log(text))}</nop>"


def test_command_that_does_not_come_in_time_fails_the_call() -> None:
    ticks = Ticks.of(scenario(OPTIONS, recv_cmd()), bindings={"recv_timeout_ms": 300}).until(290)
    assert ticks.counts("calls_ended") == [0]
    assert ticks.until(310).counts("failed_timeout_on_recv") == [1]
    accounted(ticks.total)


def test_command_for_nobody_is_out_of_call() -> None:
    ticks = run(scenario(OPTIONS, recv_cmd())).until(2)
    ticks.engine.give_command(*command(number=99))
    assert ticks.counts("out_of_call_msgs", "calls_ended") == [1, 0]


def test_command_that_nobody_waits_for_rejects_the_call() -> None:
    ticks = run(scenario(OPTIONS, recv("200"), recv_cmd())).until(2)
    ticks.engine.give_command(*command())
    assert ticks.counts("failed_call_rejected", "failed_calls") == [1, 1]
    found = [(kind, b) for kind, _, a, b, _, _ in ticks.engine.ring.drain(1 << 16) if kind == TraceKind.TRACE_COMPLAINT]
    assert found == [(TraceKind.TRACE_COMPLAINT, Complaint.COMPLAINT_COMMAND)]


def test_optional_receives_are_passed_by_a_command() -> None:
    ticks = run(scenario(OPTIONS, recv("180", "optional='true'"), recv("200", "optional='true'"), recv("202"))).until(2)
    ticks.engine.give_command(*command())
    assert ticks.counts("failed_call_rejected") == [1]


def test_abort_command_aborts_the_call() -> None:
    ticks = run(scenario(OPTIONS, recv("200"))).until(2)
    ticks.engine.give_command(*command("internal-cmd: abort_call"))
    assert ticks.counts("failed_unexpected_message", "calls_ended") == [1, 1]
    accounted(ticks.total)


def test_source_must_be_the_one_that_is_waited_for() -> None:
    text = scenario(OPTIONS, recv_cmd(log("m"), attributes="src='m'"))
    for source, ended in (("m", "successful_calls"), ("mm", "failed_call_rejected"), ("", "failed_call_rejected")):
        ticks = run(text).until(2)
        ticks.engine.give_command(*command(f"From: {source}"))
        assert ticks.counts(ended, "calls_ended") == [1, 1], source


def test_empty_and_odd_commands_end_no_run() -> None:
    for text in (b"", b"\0", b"\r\n\r\n", b"From:", b"From: ", b"x" * 100_000):
        ticks = run(scenario(OPTIONS, recv_cmd(GET_X, log("[$x]")), recv_cmd(attributes="src='m'"))).until(2)
        ticks.engine.give_command(text, b"1-7@127.0.0.1")
        ticks.engine.give_command(text, b"1-7@127.0.0.1")
        ticks.engine.give_command(text, b"")
        ticks.engine.give_command(text, b"y" * 100_000)
        accounted(ticks.total)


def test_call_opened_by_a_command_needs_a_call_id() -> None:
    ticks = run(scenario(recv_cmd(), OPTIONS, recv("200")), n_calls=5)
    for call_id in (b"", b"y" * 100_000):
        ticks.engine.give_command(b"x", call_id)
        accounted(ticks.total)
    assert ticks.total.gauge("current_calls") == 0


def test_commands_and_texts_of_ended_calls_are_given_back() -> None:
    text = scenario(
        OPTIONS, recv_doing("200", "<ereg regexp='y+' search_in='msg' assign_to='x'/>"), send_cmd("[$x]"),
        recv_cmd(GET_X.replace("'_,x'", "'x'"), log("[$x]")),
    )  # fmt: skip

    def exchange(ticks: Ticks, number: int) -> None:
        ticks.until(ticks.now_ms + 1)
        ticks.receive(response(200, "OPTIONS", number=number, more=f"X: {LONG}\r\n"))
        ((_, sent),) = ticks.engine.take_commands()
        assert LONG.encode() in sent
        ticks.engine.give_command(*command(f"X: {LONG}", number))

    given_back(lambda **more: run(text, **more), exchange)
