"""What the end-to-end tests stand on: commands as processes, ports, waiting, pairs of runs, SIP peers.

Everything is bounded in time. Only processes that a test started itself are signalled, by their pid.
"""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sippx
from sippx import Options, Scenario
from sippx.runner import Result, Runner
from sippx.scenario.builtin import builtin_text

DEADLINE_S = 60.0
"""No single step of a test may take longer, however slow the machine is."""
SCENARIOS = Path(__file__).parents[1] / "data" / "scenarios"
SIPPX = (sys.executable, "-m", "sippx")
FORCED = 20
"""What `Runner.quit` takes to end a run at once."""

# ---- ports and waiting ----------------------------------------------------------------------------------

_next_port = random.Random(os.getpid() ^ time.time_ns()).randrange(17_000, 30_000)


_port_lock = threading.Lock()


def free_port(ip: str = "127.0.0.1") -> int:
    """A UDP port nobody is bound to, below the range from which the kernel gives ports away by itself."""
    global _next_port
    with _port_lock:
        for _ in range(1000):
            _next_port = _next_port + 1 if _next_port < 32_000 else 17_000
            if can_bind(ip, _next_port):
                return _next_port
    raise AssertionError("no free UDP port")


def can_bind(ip: str, port: int) -> bool:
    """True if a UDP socket could be bound there now."""
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((ip, port))
        except OSError:
            return False
    return True


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return when `condition()` is true; AssertionError after deadline_s."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"waited {deadline_s} s in vain: {what}"
        time.sleep(0.01)


def is_bound(port: int) -> bool:
    """True while a UDP socket of this machine is bound to the port."""
    ending = f":{port:04X}"
    for table in ("udp", "udp6"):
        path = Path("/proc/net", table)
        if path.exists() and any(
            row.split()[1].endswith(ending) for row in path.read_text().splitlines()[1:]
        ):
            return True
    return False


def is_listening(port: int) -> bool:
    """True while a TCP socket of this machine listens at the port."""
    ending = f":{port:04X}"
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net", table)
        rows = path.read_text().splitlines()[1:] if path.exists() else []
        if any(row.split()[1].endswith(ending) and row.split()[3] == "0A" for row in rows):
            return True
    return False


# ---- processes ------------------------------------------------------------------------------------------


@dataclass
class Finished:
    """A process that has ended."""

    code: int
    out: str
    err: str
    pid: int

    @property
    def text(self) -> str:
        """Everything it printed, for the message of an assertion."""
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    def assert_one_line_error(self, code: int) -> str:
        """Its error: one line on stderr and nothing that looks like a Python traceback."""
        assert self.code == code, self.text
        assert "Traceback" not in self.out + self.err, self.text
        lines = self.err.splitlines()
        assert len(lines) == 1, self.text
        return lines[0]


class Command:
    """A process with its output in files; ended when the `with` block is left."""

    def __init__(self, argv: Sequence[str], cwd: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.argv = list(argv)
        self._files = [(cwd / f".{name}-{time.monotonic_ns()}").open("w+b") for name in ("out", "err")]
        environment = {**os.environ, "PYTHONPATH": str(Path(sippx.__file__).parents[1]), **(env or {})}
        out, err = self._files
        self._process = subprocess.Popen(
            self.argv, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
        for file in self._files:
            file.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def is_running(self) -> bool:
        """True until it has ended."""
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait_bound(self, port: int) -> None:
        """Return when a socket is bound to the port; AssertionError when the process ended before."""
        wait_until(lambda: is_bound(port) or not self.is_running(), f"{self.argv} binds port {port}")
        assert self.is_running(), self._finished().text

    def wait(self, deadline_s: float = DEADLINE_S) -> Finished:
        """Wait for its end; AssertionError with its output when it does not end in time."""
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(DEADLINE_S)
            raise AssertionError(
                f"{self.argv} did not end in {deadline_s} s\n{self._finished().text}"
            ) from None
        return self._finished()

    def _finished(self) -> Finished:
        texts = []
        for file in self._files:
            file.seek(0)
            texts.append(file.read().decode("utf-8", "backslashreplace"))
        return Finished(
            self._process.returncode if self._process.returncode is not None else -1, *texts, self.pid
        )


def start_sippx(cwd: Path, *words: object, env: Mapping[str, str] | None = None) -> Command:
    """Start the command with these words."""
    return Command([*SIPPX, *map(str, words)], cwd, env=env)


def run_sippx(cwd: Path, *words: object, deadline_s: float = DEADLINE_S) -> Finished:
    """Run the command to its end."""
    with start_sippx(cwd, *words) as command:
        return command.wait(deadline_s)


def step_numbers(screen: str) -> dict[str, list[int]]:
    """Numbers behind the steps of a scenario screen, by `<position>-<name>`.

    The columns are those of the screen's heading: messages, retransmissions, timeouts, unexpected or lost;
    columns that a step does not have are left out.
    """
    lines = screen.splitlines()
    begin = next(i for i, line in enumerate(lines) if "Messages  Retrans" in line) + 1
    end = next(i for i in range(begin, len(lines)) if lines[i].startswith("-----"))
    numbers = {}
    for line in filter(str.strip, lines[begin:end]):
        match = re.match(r"\s*(?:-+>|<-+|\[[^\]]*\])?\s*(\w+)", line)
        name = match[1] if match else line.strip()
        numbers[f"{len(numbers)}-{name}"] = [int(n) for n in re.findall(r"(?<=\s)\d+(?=\s|$)", line[27:])]
    return numbers


# ---- runs in this process -------------------------------------------------------------------------------


def builtin_uas(timewait_ms: int = 0) -> Scenario:
    """The built-in uas with a shorter time of waiting for repeated messages at the end of a call."""
    text = builtin_text("uas")
    assert 'milliseconds="4000"' in text
    return Scenario.from_string(
        text.replace('milliseconds="4000"', f'milliseconds="{timewait_ms}"'), name="uas"
    )


@dataclass
class Running:
    """A Runner that runs in a thread of its own."""

    runner: Runner
    result: Result | None = None
    error: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.result = self.runner.run()
        except BaseException as error:
            self.error = error

    def wait(self, deadline_s: float = DEADLINE_S) -> Result:
        """Its result; AssertionError when it does not end in time."""
        self.thread.join(deadline_s)
        assert not self.thread.is_alive(), f"{self.runner.scenario.name} did not end in {deadline_s} s"
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result

    def end(self) -> Result:
        """End it at once and give its result."""
        self.runner.quit(FORCED)
        return self.wait()


@contextmanager
def running(scenario: Scenario, **options: Any) -> Iterator[Running]:
    """A run in a thread of its own on 127.0.0.1 (or local_ip), ended when the block is left."""
    run = Running(
        Runner(scenario, Options(**{"local_ip": "127.0.0.1", "local_port": free_port(), **options}))
    )
    try:
        yield run
    finally:
        run.runner.quit(FORCED)
        run.thread.join(DEADLINE_S)


def run_pair(
    n_calls: int,
    *,
    uac: Scenario | None = None,
    uas: Scenario | None = None,
    ip: str = "127.0.0.1",
    uas_options: Mapping[str, Any] | None = None,
    **uac_options: Any,
) -> tuple[Result, Result]:
    """Results of a client and of the server it called, both in this process, each in a thread."""
    port = free_port(ip)
    server_options = {"max_calls": n_calls, **(uas_options or {})}
    with running(uas or builtin_uas(), local_ip=ip, local_port=port, **server_options) as server:
        remote = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
        options = {"local_ip": ip, "local_port": free_port(ip), "rate": 1000.0, **uac_options}
        with running(
            uac or Scenario.builtin("uac"), remote_host=remote, max_calls=n_calls, **options
        ) as client:
            client_result = client.wait()
        server.runner.quit()
        return client_result, server.wait()


# ---- SIP peers ------------------------------------------------------------------------------------------


def start_line(message: bytes) -> str:
    """The first line of a message."""
    return message.partition(b"\r\n")[0].decode("latin-1")


def method(message: bytes) -> str:
    """First word of a request, status code of a response."""
    words = start_line(message).split(" ")
    return words[1] if words[0] == "SIP/2.0" else words[0]


def header(message: bytes, name: str) -> str:
    """Value of the first header field of that name; AssertionError where there is none."""
    found = headers(message, name)
    assert found, f"no {name} in {message!r}"
    return found[0]


def headers(message: bytes, name: str) -> list[str]:
    """Values of all header fields of that name."""
    head = message.partition(b"\r\n\r\n")[0].decode("latin-1")
    fields = (line.partition(":") for line in head.split("\r\n")[1:])
    return [value.strip() for field_name, _, value in fields if field_name.strip().lower() == name.lower()]


def response(request: bytes, status: str, *, to_tag: str = "peer", more: str = "", body: str = "") -> bytes:
    """An answer to a request: `status` such as "200 OK", `more` header lines ending in CRLF."""
    to = header(request, "To")
    if to_tag and "tag=" not in to:
        to += f";tag={to_tag}"
    via = "".join(f"Via: {value}\r\n" for value in headers(request, "Via"))
    return (
        f"SIP/2.0 {status}\r\n{via}From: {header(request, 'From')}\r\nTo: {to}\r\n"
        f"Call-ID: {header(request, 'Call-ID')}\r\nCSeq: {header(request, 'CSeq')}\r\n{more}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode("latin-1")


def request(name: str, call_id: str, *, cseq: int = 1, branch: str = "z9hG4bK-test", more: str = "") -> bytes:
    """A request as a stranger or a scripted client would send it."""
    return (
        f"{name} sip:service@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch={branch}\r\n"
        f"From: <sip:tester@127.0.0.1>;tag=tester\r\nTo: <sip:service@127.0.0.1>\r\nCall-ID: {call_id}\r\n"
        f"CSeq: {cseq} {name}\r\nContact: <sip:tester@127.0.0.1>\r\n{more}Content-Length: 0\r\n\r\n"
    ).encode("latin-1")


def answer_like_uas(message: bytes) -> Iterable[bytes]:
    """What the built-in uas would say."""
    if method(message) == "INVITE":
        return [response(message, "180 Ringing"), response(message, "200 OK")]
    return [] if method(message) == "ACK" else [response(message, "200 OK")]


def say_nothing(message: bytes) -> Iterable[bytes]:
    """A peer that never answers."""
    return ()


class Peer:
    """A UDP socket that keeps what it receives and sends back what `answer` gives for each message.

    received: datagrams in order; arrived_s: the monotonic time of each.
    """

    def __init__(
        self,
        answer: Callable[[bytes], Iterable[bytes]] = say_nothing,
        ip: str = "127.0.0.1",
        port: int | None = None,
    ) -> None:
        self.received: list[bytes] = []
        self.arrived_s: list[float] = []
        self.sources: list[Any] = []
        self.errors: list[BaseException] = []
        self._answer = answer
        self.socket = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)  # as far as the kernel allows
        for attempt in range(3):
            try:
                self.socket.bind((ip, free_port(ip) if port is None else port))
                break
            except OSError:  # another process, another test session perhaps, was quicker
                if port is not None or attempt == 2:
                    raise
        self.socket.settimeout(0.02)
        self.port: int = self.socket.getsockname()[1]
        self.address = f"[{ip}]:{self.port}" if ":" in ip else f"{ip}:{self.port}"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the socket; AssertionError if answering failed."""
        self._stopping.set()
        self._thread.join(DEADLINE_S)
        self.socket.close()
        assert not self.errors, self.errors

    def send(self, datagram: bytes, port: int, ip: str = "127.0.0.1") -> None:
        """Send a datagram from this socket."""
        self.socket.sendto(datagram, (ip, port))

    def of(self, name: str) -> list[bytes]:
        """What was received with that method or status code."""
        return [message for message in list(self.received) if message and method(message) == name]

    def wait_for(self, name: str, n: int = 1, deadline_s: float = DEADLINE_S) -> list[bytes]:
        """The messages of that method or status code as soon as there are n."""
        wait_until(lambda: len(self.of(name)) >= n, f"{n} {name}", deadline_s)
        return self.of(name)

    def _run(self) -> None:
        while True:
            try:
                datagram, source = self.socket.recvfrom(70_000)
            except (TimeoutError, ConnectionError):
                if self._stopping.is_set():  # and what was already on its way has been read
                    return
                continue
            self.arrived_s.append(time.monotonic())
            self.sources.append(source)
            self.received.append(datagram)
            try:
                for answer in self._answer(datagram) if datagram else ():
                    self.socket.sendto(answer, source)
            except BaseException as error:  # shown by stop()
                self.errors.append(error)


def scenario(body: str, *, name: str = "test") -> Scenario:
    """A scenario from its steps."""
    return Scenario.from_string(f'<scenario name="{name}">{body}</scenario>', name=name)


def send_step(start: str, *, attributes: str = "", lines: str = "", body: str = "") -> str:
    """A <send> of a request with the headers a client needs; `start` such as "INVITE" or "BYE"."""
    return (
        f"<send {attributes}><![CDATA[\n{start} sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n"
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
        "From: tester <sip:tester@[local_ip]:[local_port]>;tag=[pid]t[call_number]\n"
        "To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]\n"
        f"Call-ID: [call_id]\nCSeq: [cseq] {start}\nMax-Forwards: 70\n{lines}"
        f"Content-Length: [len]\n\n{body}]]></send>\n"
    )


def answer_step(status: str, *, attributes: str = "", lines: str = "", body: str = "") -> str:
    """A <send> of a response; `status` such as "200 OK"."""
    return (
        f"<send {attributes}><![CDATA[\nSIP/2.0 {status}\n[last_Via:]\n[last_From:]\n"
        "[last_To:];tag=[call_number]\n[last_Call-ID:]\n[last_CSeq:]\n"
        f"{lines}Content-Length: [len]\n\n{body}]]></send>\n"
    )
