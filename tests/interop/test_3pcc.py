"""Third-party call control between sippx and sippx, and with the real sipp in either part."""

from __future__ import annotations

import secrets
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.harness import DEADLINE_S, Command, Running, free_port, running, wait_until
from interop.pairs import SIPP, read_messages
from interop.plays import start
from sippx import Scenario
from sippx.cli import main

LOOPBACK = "127.0.0.1"
N_CALLS = 4
RATE = 40
SIPP_ENDS_S = 5.0
"""A sipp that has open calls when its twin ends says so and then never ends."""
needs_sipp = [
    pytest.mark.interop,
    pytest.mark.skipif(SIPP is None, reason="the real sipp is not installed (Debian package sip-tester)"),
]
PAIRS = [
    pytest.param("sippx", "sippx"),
    pytest.param("sippx", "sipp", marks=needs_sipp),
    pytest.param("sipp", "sippx", marks=needs_sipp),
]


def listens(port: int) -> bool:
    """True while a TCP socket of this machine listens at the port: connecting would count as a twin."""
    ending = f":{port:04X}"
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        rows = [row.split() for row in table.read_text().splitlines()[1:]] if table.exists() else []
        if any(row[1].endswith(ending) and row[3] == "0A" for row in rows):
            return True
    return False


def free_tcp_port() -> int:
    """A port that nobody listens at, below those that the kernel gives away by itself."""
    while True:
        port = free_port()
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port


@dataclass(frozen=True)
class Outcome:
    """How an instance ended. code: None where a sipp had to be killed."""

    code: int | None
    successful: int
    failed: int


class Twins:
    """Instances of one test, sippx's in this process; those that still run are ended at its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = ExitStack()

    def start(self, tool: str, name: str, scenario: str, remote_port: int, **options: Any) -> Callable[[], Outcome]:
        """An instance with a message log and an error log; waits for its end.

        scenario: a built-in one, or a file of the folder. options: fields of Options that have a word in _WORDS.
        """
        remote = f"{LOOPBACK}:{remote_port}"
        if tool == "sippx":
            path = self.folder / scenario
            # one process has one number, and the agents have seen the Call-IDs of other tests
            options["call_id_format"] = f"%u-{secrets.token_hex(4)}@%s"
            logs = {
                "trace_msg": True, "message_file": str(self.folder / f"{name}.log"),
                "trace_err": True, "error_file": str(self.folder / f"{name}.err"),
            }  # fmt: skip
            run = self.stack.enter_context(
                running(
                    Scenario.from_file(path) if path.exists() else Scenario.builtin(scenario),
                    remote_host=remote, **logs, **options,
                )
            )  # fmt: skip
            return lambda: _ended(run)
        words = [word for field, value in options.items() for word in (_WORDS[field], value) if word is not True]
        command = self.stack.enter_context(
            start(
                "sipp", self.folder, "-sf" if scenario.endswith(".xml") else "-sn", scenario, remote, *words,
                "-i", LOOPBACK, "-p", free_port(), "-trace_stat", "-stf", f"{name}.csv", "-fd", 1,
                "-trace_msg", "-message_file", f"{name}.log", "-trace_err", "-error_file", f"{name}.err",
            )
        )  # fmt: skip
        return lambda: self._sipp_ended(command, name)

    def _sipp_ended(self, command: Command, name: str) -> Outcome:
        code: int | None = None
        try:
            wait_until(lambda: not command.is_running(), "sipp ends", SIPP_ENDS_S)
            code = command.wait().code
        except AssertionError:
            pass
        lines = (self.folder / f"{name}.csv").read_text().splitlines()
        row = dict(zip(lines[0].split(";"), lines[-1].split(";"), strict=False))
        return Outcome(code, int(row["SuccessfulCall(C)"]), int(row["FailedCall(C)"]))

    def responder(self, status: str) -> int:
        """Port of somebody who answers so."""
        agent = Responder(status)
        self.stack.callback(agent.close)
        return agent.port

    def log(self, name: str) -> str:
        """A log, empty where there is none."""
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""


_WORDS = {
    "twin_address": "-3pcc", "master_name": "-master", "slave_name": "-slave", "slave_file": "-slave_cfg",
    "max_calls": "-m", "rate": "-r", "trace_logs": "-trace_logs", "log_file": "-log_file",
}  # fmt: skip


def _ended(run: Running) -> Outcome:
    result = run.wait()
    return Outcome(result.exit_code, result.n_successful, result.n_failed)


def assert_all_succeeded(outcome: Outcome) -> None:
    if outcome.code is not None:
        assert outcome == Outcome(0, N_CALLS, 0)


@pytest.fixture
def twins(tmp_path: Path) -> Iterator[Twins]:
    instances = Twins(tmp_path)
    with instances.stack:
        yield instances


@pytest.fixture(scope="module")
def agents() -> Iterator[dict[str, int]]:
    """Ports of the agents that the controllers connect."""
    with running(Scenario.builtin("3pcc-A")) as a, running(Scenario.builtin("3pcc-B")) as b:
        yield {"a": a.runner.local_port, "b": b.runner.local_port}


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_built_in_controllers_connect_two_agents(twins: Twins, agents: dict[str, int], a: str, b: str) -> None:
    port = free_tcp_port()
    where = f"{LOOPBACK}:{port}"
    other = twins.start(b, "b", "3pcc-C-B", agents["b"], twin_address=where)
    wait_until(lambda: listens(port), "B listens")
    first = twins.start(a, "a", "3pcc-C-A", agents["a"], twin_address=where, max_calls=N_CALLS, rate=RATE)
    assert first() == Outcome(0, N_CALLS, 0)
    assert_all_succeeded(other())
    assert "3PCC controller A has ended -> exiting" in twins.log("b.err")
    # the ACK of controller A brings what the twin's agent answered
    acks = [data for way, data in read_messages(twins.folder / "a.log") if way == "sent" and data.startswith(b"ACK")]
    assert len(acks) == N_CALLS
    assert all(b"application/sdp" in ack for ack in acks)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_call_that_one_side_aborts_is_aborted_by_the_other(
    twins: Twins, agents: dict[str, int], a: str, b: str
) -> None:
    refusing = twins.responder("603 Decline")
    port = free_tcp_port()
    where = f"{LOOPBACK}:{port}"
    other = twins.start(b, "b", "3pcc-C-B", refusing, twin_address=where)
    wait_until(lambda: listens(port), "B listens")
    first = twins.start(a, "a", "3pcc-C-A", agents["a"], twin_address=where, max_calls=2, rate=RATE)
    assert first() == Outcome(1, 0, 2)
    assert other().failed == 2
    logs = twins.log("a.log") + twins.log("b.log")
    assert logs.count("internal-cmd: abort_call") == 4


class Responder:
    """Answers every request but ACK with one response, whatever its Call-ID."""

    def __init__(self, status: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self._socket.settimeout(0.1)
        self.port: int = self._socket.getsockname()[1]
        self._status = status
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ends.is_set():
            try:
                data, where = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            kept = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
            fields = [line for line in data.split(b"\r\n\r\n")[0].split(b"\r\n")[1:] if line.lower().startswith(kept)]
            if not data.startswith(b"ACK"):
                head = b"\r\n".join([f"SIP/2.0 {self._status}".encode(), *fields, b"Content-Length: 0"])
                self._socket.sendto(head + b"\r\n\r\n", where)

    def close(self) -> None:
        """Stop it."""
        self._ends.set()
        self._thread.join()
        self._socket.close()


REQUEST = """<send><![CDATA[
OPTIONS sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: sipp <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: x <sip:x@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Content-Length: 0

]]></send>
<recv response="200"/>
"""


def command_to(dest: str, own: str, text: str) -> str:
    return f'<sendCmd dest="{dest}"><![CDATA[\nCall-ID: [call_id]\nFrom: {own}\n{text}\n\n]]></sendCmd>\n'


def command_from(src: str, variable: str) -> str:
    return (
        f'<recvCmd src="{src}"><action><ereg regexp="Say: .*" search_in="msg" assign_to="{variable}"/>'
        f'<log message="{src} [${variable}]"/></action></recvCmd>\n'
    )


SCENARIOS = {
    "m": command_to("s1", "m", "Say: one") + command_from("s1", "1") + REQUEST + command_to("s2", "m", "[$1] two")
    + command_from("s2", "2"),
    "s1": command_from("m", "1") + REQUEST + command_to("m", "s1", "[$1] from s1"),
    "s2": command_from("m", "1") + REQUEST + command_to("m", "s2", "[$1] from s2"),
}  # fmt: skip


def in_files(folder: Path, ports: dict[str, int]) -> None:
    (folder / "twins.cfg").write_text("".join(f"{name};{LOOPBACK}:{port}\n" for name, port in ports.items()))
    for name, steps in SCENARIOS.items():
        (folder / f"{name}.xml").write_text(f'<?xml version="1.0"?>\n<scenario name="{name}">\n{steps}</scenario>\n')


@pytest.mark.parametrize(("master", "slaves"), PAIRS)
def test_master_and_two_slaves_exchange_commands(twins: Twins, master: str, slaves: str) -> None:
    ports = {name: free_tcp_port() for name in SCENARIOS}
    in_files(twins.folder, ports)
    agent = twins.responder("200 OK")
    file = str(twins.folder / "twins.cfg")
    others = []
    for name in ("s1", "s2"):
        others.append(twins.start(slaves, name, f"{name}.xml", agent, slave_file=file, slave_name=name))
        wait_until(lambda name=name: listens(ports[name]), "the slave listens")
    said = twins.folder / "m.said"
    first = twins.start(
        master, "m", "m.xml", agent, slave_file=file, master_name="m", max_calls=N_CALLS, rate=RATE, trace_logs=True,
        log_file=str(said),
    )  # fmt: skip
    assert first() == Outcome(0, N_CALLS, 0)
    for other in others:
        assert_all_succeeded(other())
    expected = ["s1 Say: one from s1", "s2 Say: one from s1 two from s2"]
    assert sorted(said.read_text().splitlines()) == sorted(expected * N_CALLS)
    assert "One of the twin instances has ended -> exiting" in twins.log("s1.err")


REFUSED = [
    "-sn 3pcc-C-A -3pcc {closed} {remote}",
    "-sn 3pcc-C-A {remote}",
    "-sn 3pcc-C-B {remote}",
    "-sn uac -3pcc {closed} {remote}",
    "-sf m.xml -slave_cfg twins.cfg -master m {remote}",
    "-sf m.xml -slave_cfg twins.cfg -slave m {remote}",
    "-sf s1.xml -slave_cfg twins.cfg -master s1 {remote}",
    "-sf m.xml -slave_cfg twins.cfg -master zz {remote}",
    "-sf lost.xml -slave_cfg twins.cfg -master m {remote}",
    "-sf m.xml -slave_cfg none.cfg -master m {remote}",
    "-slave_cfg twins.cfg -sn 3pcc-C-A {remote}",
    "-3pcc {closed} -slave_cfg twins.cfg -sn 3pcc-C-A {remote}",
    "-3pcc {closed} -master m -sn 3pcc-C-A {remote}",
]


@pytest.mark.interop
@pytest.mark.skipif(SIPP is None, reason="the real sipp is not installed (Debian package sip-tester)")
def test_what_cannot_work_is_refused_with_the_exit_code_of_sipp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_files(tmp_path, {name: free_tcp_port() for name in SCENARIOS})
    (tmp_path / "lost.xml").write_text(f'<scenario name="l">{command_to("nobody", "m", "x")}{REQUEST}</scenario>')
    monkeypatch.chdir(tmp_path)
    places = {"closed": f"{LOOPBACK}:{free_tcp_port()}", "remote": f"{LOOPBACK}:{free_port()}"}
    for line in REFUSED:
        words = [*line.format(**places).split(), "-i", LOOPBACK, "-m", "1", "-nostdin"]
        theirs = subprocess.run(["sipp", *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S)
        code = main(words)
        said = capsys.readouterr().err.splitlines()
        assert (code, len(said)) == (theirs.returncode, 1), (line, said)


def test_command_line_reaches_the_twins(tmp_path: Path) -> None:
    where = f"{LOOPBACK}:{free_tcp_port()}"
    with start("sippx", tmp_path, "-sn", "3pcc-C-B", "-3pcc", where, "-i", LOOPBACK, f"{LOOPBACK}:{free_port()}") as b:
        wait_until(lambda: listens(int(where.rpartition(":")[2])), "B listens")
        socket.create_connection((LOOPBACK, int(where.rpartition(":")[2]))).close()
        result = b.wait()
    assert result.code == 0, result.text
    assert result.err.endswith(": 3PCC controller A has ended -> exiting\n"), result.text
