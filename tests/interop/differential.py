"""Cases of the differential tests, and one run of a case with one tool."""

from __future__ import annotations

import errno
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from e2e.harness import free_port, is_bound, wait_until
from interop.pairs import COMMANDS
from interop.scripted_peer import IP, Script, ScriptedPeer, name_of
from interop.transcript import Facts, transcript

SCENARIOS = Path(__file__).parent / "scenarios"
DEADLINE_S = 8.0
HUNG = -999
"""Exit code of a run that did not end in time."""
CUT = -998
"""Exit code of a run that the case cut off."""
OUTCOMES = (
    "SuccessfulCall", "FailedCall", "FailedCannotSendMessage", "FailedMaxUDPRetrans", "FailedUnexpectedMessage",
    "FailedCallRejected", "FailedRegexpDoesntMatch", "FailedRegexpShouldntMatch", "FailedRegexpHdrNotFound",
    "FailedOutboundCongestion", "FailedTimeoutOnRecv", "FailedTimeoutOnSend", "FailedTestDoesntMatch",
    "FailedTestShouldntMatch", "FailedStrcmpDoesntMatch", "FailedStrcmpShouldntMatch", "OutOfCallMsgs", "DeadCallMsgs",
    "Retransmissions", "AutoAnswered",
)  # fmt: skip
"""Columns of -trace_stat that are compared."""


@dataclass(frozen=True)
class Expected:
    """What a run is known to do."""

    sent: tuple[str, ...]
    """Every message in order: "INVITE", "200 INVITE"."""
    lines: tuple[str, ...] = ()
    """Lines that stand, in this order, in what was sent (normalised, see transcript.py)."""
    absent: tuple[str, ...] = ()
    """Beginnings that no line has."""
    log: tuple[str, ...] | None = None
    """All lines that the scenario logged."""
    errors: tuple[str, ...] = ()
    """Texts found in the file of errors and warnings or on stderr."""
    outcome: Mapping[str, int] = field(default_factory=lambda: {"SuccessfulCall": 1})
    """The columns of OUTCOMES that are not 0."""
    stats: Mapping[str, str] = field(default_factory=dict)
    """More columns of the statistics file."""
    code: int = 0


@dataclass(frozen=True)
class Case:
    """A scenario (scenarios/NAME.xml, or a built-in with "-sn" in `words`), its peer, and what comes of it."""

    name: str
    expected: Expected
    peer: Script = field(default_factory=Script)
    words: tuple[str, ...] = ()
    """More words of the command line; SCENARIOS stands for the folder of the scenarios."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files in the working directory."""
    n_calls: int = 1
    is_server: bool = False
    credentials: tuple[str, str] = ("", "")
    """User and password, for checking digests."""
    scenario: str = ""
    """Name of the scenario's file, where it is not that of the case."""
    cut_ms: int = 0
    """Kill the tool then, counted from the first message: only what it sent is compared."""
    differs: str = ""
    """Why sippx is meant to behave otherwise than sipp ..."""
    instead: Expected | None = None
    """... and how; None: as sipp."""

    def __post_init__(self) -> None:
        assert bool(self.differs) == (self.instead is not None), self.name

    def expected_of(self, tool: str) -> Expected:
        """What this tool is to do."""
        return self.instead if tool == "sippx" and self.instead else self.expected


@dataclass(frozen=True)
class Run:
    """What a tool did in a case."""

    code: int
    sent: tuple[str, ...]
    messages: list[list[str]]
    log: list[str]
    errors: str
    stat_row: Mapping[str, str]
    seconds: float

    @property
    def outcome(self) -> dict[str, int]:
        """The columns of OUTCOMES that are not 0."""
        values = {name: int(self.stat_row.get(f"{name}(C)", "0")) for name in OUTCOMES}
        return {name: value for name, value in values.items() if value}

    @property
    def comparable(self) -> dict[str, object]:
        """All in which two tools are to agree."""
        return {"messages": self.messages, "log": self.log, "code": self.code, "outcome": self.outcome}

    @property
    def lines(self) -> list[str]:
        """Lines of all messages."""
        return [line for message in self.messages for line in message]

    def __str__(self) -> str:
        messages = "\n----\n".join("\n".join(message) for message in self.messages)
        return (
            f"exit code {self.code} after {self.seconds:.2f} s, {self.outcome}\nsent {self.sent}\n{messages}\n"
            f"---- log\n{self.log}\n---- errors\n{self.errors}"
        )


def command_line(case: Case, tool: str, port: int, peer_port: int) -> list[str]:
    """The words that start the case."""
    words = [word.replace("SCENARIOS", str(SCENARIOS)) for word in case.words]
    if "-sn" not in words:
        words += ["-sf", str(SCENARIOS / f"{case.scenario or case.name}.xml")]
    if not case.is_server:
        words.insert(0, f"{IP}:{peer_port}")
    if "-r" not in words:
        words += ["-r", "100"]
    if case.expected_of(tool).log is not None:
        words += ["-trace_logs", "-log_file", "run.log"]
    return [
        *COMMANDS[tool], *words, "-i", IP, "-p", str(port), "-m", str(case.n_calls), "-nostdin",
        "-trace_stat", "-stf", "stat.csv", "-trace_err", "-error_file", "run.err",
    ]  # fmt: skip


def start(words: list[str], folder: Path, out: IO[bytes], err: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a tool. Where several threads start processes, exec was once seen to fail with EFAULT."""
    for attempt in range(3):
        try:
            return subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        except OSError as error:
            if error.errno != errno.EFAULT or attempt == 2:
                raise
    raise AssertionError("not reached")


def run_case(case: Case, tool: str, folder: Path) -> Run:
    """Run the case with the tool in this folder."""
    for name, text in case.files.items():
        (folder / name).write_bytes(text.encode("latin-1"))
    peer = ScriptedPeer(case.peer)
    port = free_port(IP)
    began_s = time.monotonic()
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = start(command_line(case, tool, port, peer.port), folder, out, err)
        try:
            if case.peer.opening:
                wait_until(lambda: is_bound(port) or process.poll() is not None, "the tool's port", DEADLINE_S)
                peer.open(port)
            if case.cut_ms:
                wait_until(lambda: peer.received or process.poll() is not None, "the first message", DEADLINE_S)
            code = process.wait(case.cut_ms / 1000 or DEADLINE_S)
        except subprocess.TimeoutExpired:
            code = CUT if case.cut_ms else HUNG
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            seconds = time.monotonic() - began_s
            peer.stop()
    facts = Facts(process.pid, port, peer.port, *case.credentials)
    messages, log = transcript(peer.received, facts, read(folder / "run.log"))
    return Run(
        code, tuple(map(name_of, peer.received)), messages, log, read(folder / "run.err") + read(folder / "err"),
        {} if code == CUT else last_row(folder / "stat.csv"), seconds,
    )  # fmt: skip


def read(path: Path) -> str:
    """Text of a file, "" where there is none."""
    return path.read_bytes().decode("latin-1") if path.exists() else ""


def last_row(path: Path) -> dict[str, str]:
    """Last row of a statistics file by column."""
    lines = read(path).splitlines()
    return dict(zip(lines[0].split(";"), lines[-1].split(";"), strict=False)) if lines else {}


def assert_as_expected(run: Run, expected: Expected) -> None:
    """AssertionError, with all that the run did, where it is not what is expected."""
    assert run.sent == expected.sent, f"sent {run.sent}\nwant {expected.sent}\n{run}"
    assert run.code == expected.code, str(run)
    assert run.outcome == dict(expected.outcome), str(run)
    rest = iter(run.lines)
    for line in expected.lines:
        assert line in rest, f"no line {line!r} (there, or any more)\n{run}"
    for start in expected.absent:
        assert not [line for line in run.lines if line.startswith(start)], f"a line begins {start!r}\n{run}"
    assert expected.log is None or run.log == list(expected.log), str(run)
    for text in expected.errors:
        assert text in run.errors, f"no error {text!r}\n{run}"
    for column, value in expected.stats.items():
        assert run.stat_row.get(column) == value, f"{column} is {run.stat_row.get(column)!r}, not {value!r}\n{run}"
