"""One command line with one tool: the peer it meets, what is done to it, and what can be observed of it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import sippx
from e2e.harness import Peer, answer_like_uas, free_port, is_bound, method, request, response, say_nothing, wait_until
from interop.pairs import COMMANDS

DEADLINE_S = 10.0
HUNG = -999
"""Exit code of a run that did not end in time."""
Answers = Callable[[bytes], Iterable[bytes]]


def refuse(message: bytes) -> Iterable[bytes]:
    """A peer that is busy."""
    return [] if method(message) == "ACK" else [response(message, "486 Busy Here")]


def answer_with_strangers(message: bytes) -> Iterable[bytes]:
    """The built-in uas, and behind the ACK a request of a call that nobody knows."""
    if method(message) == "ACK":
        return [request("OPTIONS", "stranger@127.0.0.1")]
    return [] if method(message).isdigit() else answer_like_uas(message)


def ring_only(message: bytes) -> Iterable[bytes]:
    """A phone that nobody takes up, which answers everything but the INVITE."""
    return [response(message, "180 Ringing" if method(message) == "INVITE" else "200 OK")]


ANSWERS: Mapping[str, Answers] = {
    "uas": answer_like_uas,
    "silent": say_nothing,
    "busy": refuse,
    "strangers": answer_with_strangers,
    "ringing": ring_only,
}


@dataclass(frozen=True)
class Act:
    """Something done to a run: a signal ("USR1"), keys ("keys:q"), a datagram to CP ("udp:q")."""

    what: str
    after: str = "INVITE"
    """Once the peer has received this message ...."""
    n: int = 1
    """... so often; 0: as soon as the port is bound."""
    wait_s: float = 0.0
    """Then, so much later."""


@dataclass(frozen=True)
class CommandLine:
    """A command line and what it meets. All words are written as in a shell.

    REMOTE is the address of the peer, PORT a free local port, CP a free port for the control socket, TAKEN a port that
    another process has. `-i 127.0.0.1 -p PORT` is added unless `bare`.
    """

    name: str
    words: str
    peer: str = "uas"
    """One of ANSWERS; "nobody": a closed port; "caller:N": calls the tool N times as the built-in uac would."""
    acts: tuple[Act, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False
    ip: str = "127.0.0.1"
    keys: str | None = ""
    """What a pipe on stdin has from the start; None: stdin is /dev/null."""
    near: float = 0.0
    """Numbers may differ by this part of the greater one and 1, where the run is ended by time."""
    error: str = ""
    """What the error says in both tools, where the test is not begun; sippx says so in one line on stderr and no more."""
    without: tuple[str, ...] = ()
    """Facts that are not compared: they depend on which of two things happens first."""
    differs: Mapping[str, str] = field(default_factory=dict)
    """By fact: why sippx is meant to differ from sipp. The facts are the fields of Observed."""
    code: int | None = None
    """Exit code of sippx, where it differs."""
    sipp_hangs_s: float = 0.0
    """sipp is killed after so long, because it does not end by itself."""


@dataclass(frozen=True)
class Observed:
    """What one tool did."""

    code: int
    seconds: float
    out: tuple[str, ...]
    """stdout: titles of the screens and the lines that are not of a screen, masked."""
    err: tuple[str, ...]
    """stderr: what it says, masked."""
    counters: Mapping[str, int]
    """Calls of the statistics screen."""
    steps: tuple[str, ...]
    """Rows of the scenario screen with their numbers."""
    wire: Mapping[str, int]
    """Messages the peer received, by method or code."""
    sources: frozenset[str]
    """Addresses they came from."""
    first: tuple[str, ...]
    """Lines of the first message, masked."""
    files: tuple[str, ...]
    """Names of the files it wrote, masked."""
    shapes: tuple[object, ...]
    """Of each file: the first line and the numbers of lines and columns of a table, the kinds of lines of a log."""
    raw: str
    """All it was told and all it said, to be shown where a comparison fails."""


# ---- running ------------------------------------------------------------------------------------------------------


class Caller:
    """Calls a server as the built-in uac would, one call after the other."""

    def __init__(self, ip: str, n_calls: int, port: int) -> None:
        self.n_calls = n_calls
        self.port = port
        self.ip = ip
        self.peer = Peer(self.answer, ip)

    def begin(self) -> None:
        for number in range(self.n_calls):
            self.peer.send(request("INVITE", f"{number}@caller", branch=f"z9hG4bK-{number}"), self.port, self.ip)
            time.sleep(0.01)

    def answer(self, message: bytes) -> Iterable[bytes]:
        text = message.decode("latin-1")
        call_id = re.search(r"(?im)^Call-ID: *(\S+)", text)
        if text.startswith("SIP/2.0 200") and call_id and "INVITE" in text:
            return [request("ACK", call_id[1]), request("BYE", call_id[1], cseq=2, branch=f"z9hG4bK-b{call_id[1]}")]
        return []


def run(case: CommandLine, tool: str, folder: Path) -> Observed:
    """Run the command line in this folder."""
    for name, text in case.files.items():
        (folder / name).write_text(text)
    port, cp = free_port(case.ip), free_port(case.ip)
    with ExitStack() as stack:
        caller = None
        if case.peer.startswith("caller:"):
            caller = Caller(case.ip, int(case.peer.partition(":")[2]), port)
            peer = stack.enter_context(caller.peer)
        elif case.peer == "nobody":
            peer = stack.enter_context(Peer())
        else:
            peer = stack.enter_context(Peer(ANSWERS[case.peer], case.ip))
        remote = peer.address if case.peer != "nobody" else f"{case.ip}:{free_port(case.ip)}"
        taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        taken.bind(("127.0.0.1", 0))
        names = {
            "REMOTE": remote, "REMOTEPORT": remote.rpartition(":")[2], "PORT": str(port), "CP": str(cp),
            "TAKEN": str(taken.getsockname()[1]),
        }  # fmt: skip
        line = case.words if case.bare else f"{case.words} -i {case.ip} -p PORT"
        words = [re.sub("|".join(sorted(names, key=len, reverse=True)), lambda m: names[m[0]], word) for word in shlex.split(line)]
        return observe(case, tool, folder, words, peer, caller, port, cp)


def observe(
    case: CommandLine, tool: str, folder: Path, words: list[str], peer: Peer, caller: Caller | None, port: int, cp: int
) -> Observed:
    environment = {**os.environ, "PYTHONPATH": str(Path(sippx.__file__).parents[1])}
    out, err = folder / "std.out", folder / "std.err"
    began_s = time.monotonic()
    deadline_s = case.sipp_hangs_s if tool == "sipp" and case.sipp_hangs_s else DEADLINE_S
    with out.open("wb") as out_file, err.open("wb") as err_file:
        process = subprocess.Popen(
            [*COMMANDS[tool], *words], cwd=folder, env=environment, stdout=out_file, stderr=err_file,
            stdin=subprocess.DEVNULL if case.keys is None else subprocess.PIPE,
        )  # fmt: skip
    pids = [process.pid]
    try:
        if case.keys is not None:
            assert process.stdin is not None
            process.stdin.write(case.keys.encode())
            process.stdin.flush()
        if caller is not None:
            wait_until(lambda: is_bound(port) or process.poll() is not None, "the tool's port", DEADLINE_S)
            began_s = time.monotonic()
            caller.begin()
        for act in case.acts:
            perform(act, process, peer, port, cp)
        code = wait(process, began_s + deadline_s)
        for found in re.finditer(r"PID=\[(\d+)\]", out.read_text(errors="replace")):
            pids.append(int(found[1]))
            wait_gone(pids[-1], began_s + deadline_s)
    finally:
        for pid in pids:
            end(pid, process)
        if process.stdin is not None:
            process.stdin.close()
        ended_s = time.monotonic()
        peer.stop()
    seconds = ended_s - (peer.arrived_s[0] if peer.arrived_s else began_s)
    text, errors = (path.read_bytes().decode("latin-1") for path in (out, err))
    mask = Mask(pids, [port, peer.port, cp, *(int(word) for word in words if word.isdigit() and len(word) == 5)])
    files = [path for path in sorted(folder.iterdir()) if path.suffix not in (".out", ".err", ".xml")]
    received = [message for message in peer.received if message.strip()]
    return Observed(
        code, seconds, screens(text, mask), said(errors, mask), counters(text), steps(text),
        Counter(map(method, received)), frozenset(source[0] for source in peer.sources),
        tuple(mask(received[0].decode("latin-1")).split("\r\n")) if received else (),
        tuple(mask(path.name) for path in files), tuple(shape(path, mask) for path in files),
        f"{' '.join(words)}\n--- stdout\n{text}\n--- stderr\n{errors}",
    )  # fmt: skip


def perform(act: Act, process: subprocess.Popen[bytes], peer: Peer, port: int, cp: int) -> None:
    """Do it once its time has come; nothing where the tool has ended before."""
    def is_time() -> bool:
        return (len(peer.of(act.after)) >= act.n if act.n else is_bound(port)) or process.poll() is not None

    wait_until(is_time, f"{act.n} {act.after}", DEADLINE_S)
    time.sleep(act.wait_s)
    if process.poll() is not None:
        return
    kind, _, text = act.what.partition(":")
    if kind == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            control.sendto(text.encode(), ("127.0.0.1", cp))
    elif kind == "keys":
        assert process.stdin is not None
        process.stdin.write(text.encode())
        process.stdin.flush()
    else:
        process.send_signal(signal.Signals[f"SIG{kind}"])


def wait(process: subprocess.Popen[bytes], end_s: float) -> int:
    """Exit code, HUNG where there is none in time."""
    try:
        return process.wait(max(0.1, end_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        return HUNG


def is_alive(pid: int) -> bool:
    """True while the process runs (a child of the child of this process: it cannot be waited for)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_gone(pid: int, end_s: float) -> None:
    """Return when a process in the background has ended, or its time is over."""
    while is_alive(pid) and time.monotonic() < end_s:
        time.sleep(0.02)


def end(pid: int, process: subprocess.Popen[bytes]) -> None:
    """Kill what still runs."""
    if pid == process.pid:
        if process.poll() is None:
            process.kill()
        process.wait()
    elif is_alive(pid):
        os.kill(pid, signal.SIGKILL)


# ---- observing ----------------------------------------------------------------------------------------------------


class Mask:
    """Replaces what varies from run to run: process ids, ports, times, tags."""

    def __init__(self, pids: list[int], ports: list[int]) -> None:
        self._pids = re.compile("|".join(rf"\b{pid}(?!\d)|(?<=_){pid}(?=_)" for pid in pids))
        self._ports = re.compile("|".join(rf"(?<=[: ]){port}\b" for port in ports))

    def __call__(self, text: str) -> str:
        text = re.sub(r"\d{4}-\d\d-\d\d[\t T]\d\d:\d\d:\d\d\.\d{6}(\t\d{9,10}\.\d{6}|Z)?", "TIME", text)
        text = re.sub(r"_\d{10}(\.\d+)?\.log", "_SECOND.log", text)
        text = self._ports.sub("PORT", text)  # in front of the pids: a branch may be of the same number
        text = self._pids.sub("PID", text)
        text = re.sub(r"\d\d:\d\d:\d\d(:\d{6})?", "DURATION", text)
        text = re.sub(r"m=audio 60\d\d ", "m=audio MEDIA ", text)  # sipp takes the next free one
        return re.sub(r"(branch=z9hG4bK)[-\w]*", r"\1", text)


def screens(text: str, mask: Mask) -> tuple[str, ...]:
    """Titles of the screens of a text, and the lines in front of and between them."""
    found = []
    inside = False
    for line in text.splitlines():
        title = re.fullmatch(r"-+ (\w[\w ]*?(?: \w+)?) -+.*", line)
        if title:
            inside = title[1] != "Test Terminated"
            found.append(f"[{title[1]}]")
        elif not inside and line.strip():
            found.append(mask(line.strip()))
    return tuple(found)


def said(text: str, mask: Mask) -> tuple[str, ...]:
    """Messages on stderr without the time in front and the tool's own name; each once."""
    text = re.sub(r"\d+-PID@", "N-PID@", mask(text))  # which of the calls was the last is chance
    texts = [re.sub(r"^(TIME: |sippx: )(warning: )?", "", line).strip().rstrip(".") for line in text.splitlines()]
    noise = (r"Resolving remote (host|sending address)", r"Failed to delete FD from epoll", r"There were more errors")
    return tuple(dict.fromkeys(line for line in texts if line and not any(re.search(word, line) for word in noise)))


def counters(text: str) -> dict[str, int]:
    """Cumulative figures of calls on the last statistics screen."""
    found = {}
    for name in ("Incoming calls created", "Outgoing calls created", "Total Calls created", "Successful call", "Failed call"):
        rows = re.findall(rf"^\s*{name}\s*\|[^|\n]*\|\s*(\d+)", text, re.MULTILINE)
        if rows:
            found[name] = int(rows[-1])
    return found


def steps(text: str) -> tuple[str, ...]:
    """Rows of the last scenario screen with single blanks."""
    part = text.rpartition("Messages  Retrans")[2].partition("\n-----")[0]
    return tuple(" ".join(line.split()) for line in part.splitlines()[1:] if line.strip())


def shape(path: Path, mask: Mask) -> object:
    """What a file is like."""
    text = path.read_bytes().decode("latin-1")
    lines = text.splitlines()
    if path.name.endswith(".csv") or (lines and lines[0].startswith("StartTime")):
        delimiter = ";" if ";" in lines[0] else lines[0][len("StartTime") : len("StartTime") + 1]
        return lines[0] if lines[0][0].isalpha() else "", len(lines), sorted({line.count(delimiter) for line in lines})
    return Counter(kinds(mask(text)))


def kinds(text: str) -> Iterable[str]:
    """The kinds of lines of a log: of each SIP message the start only, of an event its first words."""
    text = re.sub(r"(?<=.)TIME: ", "\nTIME: ", text)  # sipp leaves out the line end behind most events
    for line in text.splitlines():
        if re.match(r"-{20,} \w|-{40,}$", line):
            yield re.sub(r"-+", "-", line)
        elif re.match(r"UDP message (sent|received)|[A-Z]+ sip:.* SIP/2.0|SIP/2.0 |The following", line):
            yield re.sub(r"[\[(]\d+( bytes)?[\])]( bytes)? ?:", "N bytes:", line)
        elif re.match(r"TIME\t[SR]\t", line):
            yield re.sub(r"\d+-PID@", "N-PID@", line)
        elif re.match(r"TIME:? (?!Processing message|Set |Failed to delete FD)", line):
            yield re.sub(r"\d+-PID@", "N-PID@", " ".join(line.split()[:4]))


# ---- comparing ----------------------------------------------------------------------------------------------------

FACTS = ("code", "seconds", "out", "err", "counters", "steps", "wire", "sources", "first", "files", "shapes")
NOT_OF_ERRORS = ("seconds", "out", "counters", "steps")
"""Facts that an error of the command line leaves out: sipp shows help or the screens of a test that never began."""
SLACK_S = 2.0
"""Durations may differ by so much: the machine is busy with other cases."""


def disagreements(case: CommandLine, theirs: Observed, ours: Observed) -> list[str]:
    """In what the two are not as the case says."""
    found = []
    for fact in FACTS:
        if fact in case.without or (case.error and fact in NOT_OF_ERRORS):
            continue
        are_same, reason = is_same(fact, case, theirs, ours), case.differs.get(fact)
        if reason and are_same:
            found.append(f"{fact} is the same, take this out of the case: {reason}")
        elif not reason and not are_same:
            found.append(f"{fact} is not the same:\n  sipp:  {getattr(theirs, fact)}\n  sippx: {getattr(ours, fact)}")
    if case.code is not None and ours.code != case.code:
        found.append(f"the exit code of sippx is {ours.code}, not {case.code}")
    if case.error and (ours.out or len(ours.err) != 1):
        found.append(f"an error is one line on stderr, not {ours.out} and {ours.err}")
    return found


def is_same(fact: str, case: CommandLine, theirs: Observed, ours: Observed) -> bool:
    """True where both tools agree in this fact."""
    a, b = getattr(theirs, fact), getattr(ours, fact)
    if fact == "seconds":
        is_measured = (theirs.wire and ours.wire) or case.peer.startswith("caller:")
        return not is_measured or bool(abs(a - b) < SLACK_S)
    if fact == "err" and case.error:
        return all(case.error in " ".join(said) for said in (a, b))
    if case.near and isinstance(a, Mapping):
        a, b = (tuple(sorted(counts.items())) for counts in (a, b))
    return is_near(str(a), str(b), case.near) if case.near and fact in ("counters", "steps", "wire") else bool(a == b)


def is_near(a: str, b: str, near: float) -> bool:
    """True where the texts are the same but for their numbers, and these are about the same."""
    if re.sub(r"\d+", "", a) != re.sub(r"\d+", "", b):
        return False
    pairs = zip(map(int, re.findall(r"\d+", a)), map(int, re.findall(r"\d+", b)), strict=True)
    return all(abs(x - y) <= 1 + near * max(x, y) for x, y in pairs)
