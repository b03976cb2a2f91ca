"""One engine on a clock that moves a millisecond at a time, and a peer whose messages the test writes.

Everything the engine does happens at a turn, so every time seen here is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sim.link import CLIENT, MS, SERVER, engine, snapshot, steps
from sippx._core.codes import TraceKind
from sippx._core.engine import Engine
from sippx._core.ring import TraceRing
from sippx.report.snapshot import Snapshot
from sippx.scenario import Bindings

HEADERS = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:a@[local_ip]>;tag=[call_number]
To: <sip:b@[remote_ip]>[peer_tag_param]
Call-ID: [call_id]
CSeq: [cseq] {method}
Content-Length: 0
"""
ANSWER = """[last_Via:]
[last_From:]
[last_To:];tag=s[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0
"""


EVENTS = (1 << TraceKind.TRACE_RTT) - 1
"""Every kind of record but response times and what calls are debugged by."""


def send(what: str, attributes: str = "") -> str:
    """A <send> of a request, or of an answer where `what` is a number."""
    if what.isdigit():
        return f"<send {attributes}><![CDATA[\nSIP/2.0 {what} Text\n{ANSWER}\n]]></send>"
    return f"<send {attributes}><![CDATA[\n{what} sip:b@h SIP/2.0\n{HEADERS.format(method=what)}\n]]></send>"


def recv(what: str, attributes: str = "") -> str:
    """A <recv> of a request, or of an answer where `what` is a number."""
    kind = "response" if what.isdigit() else "request"
    return f"<recv {kind}='{what}' {attributes}/>"


def scenario(*elements: str) -> str:
    """Scenario text of these elements."""
    return "<scenario>\n" + "\n".join(elements) + "\n</scenario>"


def call_id(number: int = 1) -> str:
    """Call-ID of an outgoing call of these engines."""
    return f"{number}-7@127.0.0.1"


def request(method: str, *, number: int = 1, cseq: int = 1, more: str = "") -> bytes:
    """A request of the peer for a call."""
    return (
        f"{method} sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bK{method}{cseq}\r\nFrom: <sip:p@q>;tag=p1\r\n"
        f"To: <sip:me@here>\r\nCall-ID: {call_id(number)}\r\nCSeq: {cseq} {method}\r\n{more}Content-Length: 0\r\n\r\n"
    ).encode()


def response(code: int, method: str = "INVITE", *, number: int = 1, cseq: int = 1, more: str = "") -> bytes:
    """An answer of the peer for a call."""
    return (
        f"SIP/2.0 {code} Text\r\nVia: SIP/2.0/UDP v;branch=z9hG4bK-7-{number}-0\r\nFrom: <sip:a@b>;tag={number}\r\n"
        f"To: <sip:callee@there;p=1>;tag=t{number}\r\nCall-ID: {call_id(number)}\r\nCSeq: {cseq} {method}\r\n"
        f"{more}Content-Length: 0\r\n\r\n"
    ).encode()


@dataclass
class Ticks:
    """A client (one call due each millisecond from 1 ms on) or a server, its time in milliseconds."""

    engine: Engine
    is_client: bool
    now_ms: int = 0
    sent: list[tuple[int, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, text: str, *, n_calls: int = 1, bindings: dict[str, Any] | None = None, **more: Any) -> Ticks:
        """An engine that runs this scenario; a client opens n_calls, a server as many as come."""
        values = {"pid": 7, "local_port": 5061, **(bindings or {})}
        ring = more.setdefault("ring", TraceRing(1 << 20))
        more.setdefault("trace_mask", EVENTS)
        made = engine(text, bindings=Bindings(**values), **more)
        assert made.ring is ring
        if made.program.spec.is_client:
            made.set_rate(1000.0)
            made.set_max_calls(n_calls)
        return cls(made, made.program.spec.is_client)

    def until(self, ms: int) -> Ticks:
        """Let every millisecond up to this one pass."""
        while self.now_ms < ms:
            self.now_ms += 1
            self.engine.turn(self.now_ms * MS)
            self._collect()
        return self

    def receive(self, *messages: bytes) -> list[bytes]:
        """Messages arrive now; what is sent at once because of them."""
        before = len(self.sent)
        for data in messages:
            self.engine.inject(data, SERVER if self.is_client else CLIENT)
        self._collect()
        return [data for _, data in self.sent[before:]]

    def _collect(self) -> None:
        self.sent += [(self.now_ms, data) for data, _ in self.engine.take_sent()]

    def lines(self) -> list[tuple[int, str]]:
        """(time in ms, method or status code) of everything sent."""
        return [(ms, name_of(data)) for ms, data in self.sent]

    def trace(self) -> list[tuple[int, int, int]]:
        """(kind, a, b) of the trace records since the last call, messages themselves left out."""
        return [(kind, a, b) for kind, _, a, b, _, _ in self.engine.ring.drain(1 << 20) if kind > 1]

    @property
    def total(self) -> Snapshot:
        return snapshot(self.engine)

    @property
    def steps(self) -> list[list[int]]:
        """Per step: messages, retransmissions, timeouts, unexpected, lost."""
        return steps(self.engine)

    def counts(self, *names: str) -> list[int]:
        """Totals by name."""
        return [self.total.counter(name) for name in names]


def name_of(data: bytes) -> str:
    """Method of a request, status code of an answer."""
    words = data.split(b" ", 2)
    return (words[1] if words[0] == b"SIP/2.0" else words[0]).decode()


def names(messages: list[bytes]) -> list[str]:
    return [name_of(data) for data in messages]


def accounted(total: Snapshot) -> None:
    """Every call created is open or has ended in one way, and every list of the books adds up."""
    counters = total.counters()
    causes = sum(n for name, n in counters.items() if name.startswith("failed_") and name != "failed_calls")
    assert causes == counters["failed_calls"]
    assert counters["successful_calls"] + counters["failed_calls"] == counters["calls_ended"]
    assert total.calls_created == counters["calls_ended"] + total.gauge("current_calls")
    assert total.call_length.count == counters["calls_ended"]
    assert int(total.steps[:, 1].sum()) >= 0
