"""A UDP peer that follows a script: what it says first, and what it says to each message it receives.

A script names messages by what they are: "INVITE" for a request, "200 INVITE" for a response to one. Everything
the peer writes is the same in every run but for ports, so that two tools can be compared by what they send back.
"""

from __future__ import annotations

import heapq
import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from e2e.harness import DEADLINE_S, header, headers, method

IP = "127.0.0.1"
TAG = "peer"
SDP = "v=0\r\no=peer 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


@dataclass(frozen=True)
class Answer:
    """A response to the message just received, or to the last request of the method `to`."""

    status: str
    headers: str = ""
    """More header lines, each ending in LF."""
    body: str = ""
    to: str = ""
    tag: str = TAG
    cseq: str = ""
    replace: tuple[tuple[str, str], ...] = ()
    """Plain replacements on the whole message, done last."""
    after_ms: int = 0
    """Time since the item before it, or since the message it reacts to."""


@dataclass(frozen=True)
class Request:
    """A request: of the call of the message just received, or of the peer's own call `call`."""

    method: str
    headers: str = ""
    body: str = ""
    call: int = 0
    """Number of a call of the peer's own; 0: the call of the message this reacts to."""
    cseq: str = ""
    replace: tuple[tuple[str, str], ...] = ()
    after_ms: int = 0


@dataclass(frozen=True)
class Again:
    """The datagram said `back` items ago, byte for byte."""

    back: int = 1
    after_ms: int = 0


@dataclass(frozen=True)
class Raw:
    """Text sent as it is, with CRLF for LF, the call's Call-ID for {call_id}."""

    text: str
    after_ms: int = 0


Item = Answer | Request | Again | Raw
Says = tuple[Item, ...]
Rules = Mapping[str, Says | Sequence[Says]]
"""By message: a tuple is said each time, a list has one tuple for the first time in a call, one for the second ..."""


@dataclass(frozen=True)
class Script:
    """What a peer does."""

    rules: Rules = field(default_factory=dict)
    opening: Says = ()
    """Said as soon as the other side listens."""


@dataclass
class Dialog:
    """What the peer knows of a call: From and To of its own requests, numbers and transactions used."""

    call_id: str
    local: str
    remote: str
    last_cseq: int = 0
    invite_cseq: int = 1
    invite_branch: str = ""
    requests: dict[str, bytes] = field(default_factory=dict)
    n_seen: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))


COMPACT = {b"v": b"Via", b"f": b"From", b"t": b"To", b"i": b"Call-ID"}


def with_long_names(message: bytes) -> bytes:
    """The message with those names written out that the peer looks for."""
    head, end, body = message.partition(b"\r\n\r\n")
    return re.sub(rb"(?<=\n)[vfti](?=:)", lambda match: COMPACT[match[0]], head) + end + body


def name_of(message: bytes) -> str:
    """What a script calls this message."""
    first = method(message)
    if not first.isdigit():
        return first
    cseq = headers(message, "CSeq")
    return f"{first} {cseq[0].split()[-1]}" if cseq else first


class ScriptedPeer:
    """The peer of a script on a port of its own; `received` holds the datagrams it got, in order."""

    def __init__(self, script: Script) -> None:
        self.received: list[bytes] = []
        self.errors: list[BaseException] = []
        self._script = script
        self._dialogs: dict[str, Dialog] = {}
        self._due: list[tuple[float, int, Item, bytes, tuple[str, int]]] = []
        self._n_queued = 0
        self._n_requests = 0
        self._said: list[bytes] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((IP, 0))
        self.port: int = self._socket.getsockname()[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def open(self, port: int) -> None:
        """Begin with the script's opening, to this port."""
        self._queue(self._script.opening, b"", (IP, port))

    def stop(self) -> None:
        """End, after reading what is on its way; AssertionError where the script could not be followed."""
        self._stopping.set()
        self._thread.join(DEADLINE_S)
        self._socket.close()
        assert not self.errors, self.errors

    def _run(self) -> None:
        while True:
            self._say_what_is_due()
            wait_s = self._due[0][0] - time.monotonic() if self._due else 0.02
            self._socket.settimeout(min(max(wait_s, 0.0005), 0.02))
            try:
                message, source = self._socket.recvfrom(70_000)
            except (TimeoutError, ConnectionError):
                if self._stopping.is_set():
                    return
                continue
            self.received.append(message)
            try:
                self._react(with_long_names(message), source)
            except Exception as error:  # shown by stop()
                self.errors.append(error)

    def _queue(self, items: Says, cause: bytes, address: tuple[str, int]) -> None:
        due_s = time.monotonic()
        for item in items:
            due_s += item.after_ms / 1000
            self._n_queued += 1
            heapq.heappush(self._due, (due_s, self._n_queued, item, cause, address))

    def _say_what_is_due(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, item, cause, address = heapq.heappop(self._due)
            try:
                self._said.append(self._datagram(item, cause, address[1]))
                self._socket.sendto(self._said[-1], address)
            except Exception as error:  # shown by stop()
                self.errors.append(error)

    def _react(self, message: bytes, source: tuple[str, int]) -> None:
        name = name_of(message)
        dialog = self._dialog_of(message)
        if method(message).isdigit():
            dialog.remote = header(message, "To")
        else:
            dialog.requests[name] = message
        n_before = dialog.n_seen[name]
        dialog.n_seen[name] += 1
        says = self._script.rules.get(name, ())
        if isinstance(says, tuple):
            self._queue(says, message, source)
        elif n_before < len(says):
            self._queue(says[n_before], message, source)

    def _dialog_of(self, message: bytes) -> Dialog:
        call_id = header(message, "Call-ID")
        if call_id not in self._dialogs:
            local = header(message, "To")
            local += "" if "tag=" in local else f";tag={TAG}"
            self._dialogs[call_id] = Dialog(call_id, local, header(message, "From"))
        return self._dialogs[call_id]

    def _own_dialog(self, number: int, port: int) -> Dialog:
        call_id = f"peer-{number}@{IP}"
        local = f"<sip:peer@{IP}:{self.port}>;tag={TAG}"
        return self._dialogs.setdefault(call_id, Dialog(call_id, local, f"<sip:service@{IP}:{port}>"))

    def _datagram(self, item: Item, cause: bytes, port: int) -> bytes:
        if isinstance(item, Again):
            return self._said[-item.back]
        if isinstance(item, Raw):
            call_id = header(cause, "Call-ID") if cause else ""
            return item.text.replace("\n", "\r\n").replace("{call_id}", call_id).encode("latin-1")
        text = self._answer(item, cause) if isinstance(item, Answer) else self._request(item, cause, port)
        more = item.headers.replace("{port}", str(self.port))
        if item.body:
            more += "" if "Content-Type" in more else "Content-Type: application/sdp\n"
        text += f"{more}Content-Length: {len(item.body)}\n\n".replace("\n", "\r\n") + item.body
        for old, new in item.replace:
            assert old in text, f"{old!r} is not in {text!r}"
            text = text.replace(old, new)
        return text.encode("latin-1")

    def _answer(self, answer: Answer, cause: bytes) -> str:
        request = self._dialog_of(cause).requests[answer.to] if answer.to else cause
        to = header(request, "To")
        if answer.tag and "tag=" not in to:
            to += f";tag={answer.tag}"
        vias = "".join(f"Via: {value}\r\n" for value in headers(request, "Via"))
        return (
            f"SIP/2.0 {answer.status}\r\n{vias}From: {header(request, 'From')}\r\nTo: {to}\r\n"
            f"Call-ID: {header(request, 'Call-ID')}\r\nCSeq: {answer.cseq or header(request, 'CSeq')}\r\n"
        )

    def _request(self, request: Request, cause: bytes, port: int) -> str:
        dialog = self._own_dialog(request.call, port) if request.call else self._dialog_of(cause)
        name = request.method
        self._n_requests += 1
        branch = f"z9hG4bK-peer-{self._n_requests}"
        number = dialog.invite_cseq
        if name not in ("ACK", "CANCEL"):
            dialog.last_cseq += 1
            number = dialog.last_cseq
        if name == "INVITE":
            dialog.invite_cseq, dialog.invite_branch = number, branch
        if name == "CANCEL":
            branch = dialog.invite_branch or branch
        return (
            f"{name} sip:service@{IP}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {IP}:{self.port};branch={branch}\r\n"
            f"From: {dialog.local}\r\nTo: {dialog.remote}\r\nCall-ID: {dialog.call_id}\r\n"
            f"CSeq: {request.cseq or f'{number} {name}'}\r\n"
        )
