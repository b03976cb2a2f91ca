"""Compares what we compile with what the real sipp sends, on loopback against a scripted peer."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from xml_text import document, send_text

from reference.matching import find_match
from reference.render import CallValues, render_range, render_step
from reference.sip_message import SipMessage, parse_message
from sippx._core.codes import DefaultMessage
from sippx.scenario import Bindings, ProgramSpec, Scenario, compile_scenario

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="the real sipp (sip-tester) is not installed"),
]

HOST = "127.0.0.1"
DEADLINE_S = 10.0
Answer = Callable[[SipMessage], list[bytes]]


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Sipp:
    """A running sipp, the peer's socket, and the values its messages depend on."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        self.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.peer.bind((HOST, 0))
        self.peer.settimeout(0.1)
        self.peer_port = int(self.peer.getsockname()[1])
        self.port = free_port()
        command = ["sipp", f"{HOST}:{self.peer_port}", "-i", HOST, "-p", str(self.port), "-nostdin"]
        self.process = subprocess.Popen(
            [*command, "-timeout", "8", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self.process.pid

    def bindings(self, **options: object) -> Bindings:
        return Bindings(
            pid=self.pid, remote_port=self.peer_port, local_port=self.port, sipp_version="3.6.1", **options
        )  # type: ignore[arg-type]

    def converse(self, n_messages: int, answer: Answer | None = None) -> list[bytes]:
        """The first n_messages that sipp sends, each answered."""
        got: list[bytes] = []
        end = time.monotonic() + DEADLINE_S
        while len(got) < n_messages and time.monotonic() < end:
            try:
                data, sender = self.peer.recvfrom(65536)
            except TimeoutError:
                continue
            got.append(data)
            for reply in answer(parse_message(data)) if answer else []:
                self.peer.sendto(reply, sender)
        assert len(got) == n_messages, f"sipp sent only {got}"
        return got


@contextmanager
def sipp(folder: Path, *arguments: str) -> Iterator[Sipp]:
    run = Sipp(list(arguments), folder)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait(timeout=5)
        run.peer.close()


def response(request: SipMessage, status: int, extra: bytes = b"") -> bytes:
    """An answer that repeats the request's Via, From, To, Call-ID and CSeq and tags the To."""
    lines = [b"SIP/2.0 %d Answer" % status]
    for name in (b"Via", b"From", b"To", b"Call-ID", b"CSeq"):
        value = request.value(name)
        tag = b";tag=peer" if name == b"To" and b"tag=" not in value else b""
        lines.append(name + b": " + value + tag)
    return b"\r\n".join([*lines, *([extra] if extra else []), b"Content-Length: 0", b"", b""])


def values_of(run: Sipp, last: bytes | None = None, **options: object) -> CallValues:
    return CallValues(
        call_number=1,
        call_id=f"1-{run.pid}@{HOST}".encode(),
        last=parse_message(last) if last else None,
        **options,
    )  # type: ignore[arg-type]


def program(scenario: Scenario, run: Sipp) -> ProgramSpec:
    return compile_scenario(scenario, run.bindings())


def test_built_in_uac_sends_the_messages_of_sipps_uac(tmp_path: Path) -> None:
    with sipp(tmp_path, "-sn", "uac", "-m", "1") as run:
        seen = run.converse(3, lambda m: [] if m.method == b"ACK" else [response(m, 200)])
        spec = program(Scenario.builtin("uac"), run)
        expected = [
            render_step(spec, 0, values_of(run)),
            render_step(spec, 5, values_of(run, peer_tag=b"peer")),
            render_step(spec, 7, values_of(run, peer_tag=b"peer")),
        ]
    assert seen == expected


def test_built_in_uas_sends_the_messages_of_sipps_uas(tmp_path: Path) -> None:
    with sipp(tmp_path, "-sn", "uas", "-m", "1") as run:
        head = (
            f"Via: SIP/2.0/UDP {HOST}:{run.peer_port};branch=z9hG4bK1\r\n"
            f"Via: SIP/2.0/UDP a;branch=z9hG4bK2\r\n"
            f'From: <sip:a@{HOST}>;tag=a\r\nTo: "b" <sip:b@{HOST}>\r\nCall-ID: 1@x\r\n'
        )
        invite = f"INVITE sip:b@{HOST} SIP/2.0\r\n{head}CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n".encode()
        bye = f"BYE sip:b@{HOST} SIP/2.0\r\n{head}CSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n".encode()
        ack = f"ACK sip:b@{HOST} SIP/2.0\r\n{head}CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n".encode()
        time.sleep(0.5)  # sipp says nowhere that it listens
        run.peer.sendto(invite, (HOST, run.port))
        seen = run.converse(2)
        run.peer.sendto(ack, (HOST, run.port))
        run.peer.sendto(bye, (HOST, run.port))
        seen += run.converse(1)
        spec = program(Scenario.builtin("uas"), run)
        expected = [
            render_step(spec, 1, values_of(run, invite)),
            render_step(spec, 2, values_of(run, invite)),
            render_step(spec, 5, values_of(run, bye)),
        ]
    assert seen == expected


REQUEST = """OPTIONS sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:a@[local_ip]>;tag=[call_number]
To: <sip:b@[remote_ip]>[peer_tag_param]
Call-ID: [call_id]
CSeq: [cseq] OPTIONS
"""

# Names are written as the peer writes them: sipp 3.6.1 prints [last_from] with the message's spelling, newer
# versions and we with the keyword's.
LINES = [
    "A: [remote_host] [remote_port+1] [local_port-1] [local_ip_type]\n",
    "A: [media_ip] [media_ip_type] [server_ip]\n",
    "A: audio [media_port] [media_port+2]\n",
    "A: audio [auto_media_port] [auto_media_port+2]\n",
    "A: [pid] [users] [userid] [sipp_version] [msg_index] [call_number] [cseq+1] [cseq-1]\n",
    "A: [branch-1] [branch+7]\n",
    "A: [service-1] [call_id+2] [pid+1]\n",
    "A: [last_cseq_number] [last_cseq_number+1] [last_cseq_number-3] [last_Request_URI]\n",
    "[last_From]\n[last_From:]\n[last_X-Two:]\n[last_Subject]\n",
    "A: 1\n[last_None:]\n[last_Nothing]\nB: 2\n",
    "A: x[last_None:]\nB: 2\n",
    "A: 1\n[last_None:];tag=1\nB: 2\n",
    "A: 1\n[k]\nB: [v]\n",
    "A: \\x41\\x5bservice] ] \\n \\x0aB: \\\\x41 é\n",
    "Content-Length: [len]\n\nabc\n",
    "Content-Length: [len+5]\n\nabc",
    "Content-Length: [len]\n\n[call_number] [call_id]\n\n  x\t\n\n",
    "Content-Length: [len]\n",
    "A: 1\n\n[last_message]\n\n  x\n",
]


@pytest.mark.parametrize("lines", LINES)
def test_keywords_expand_as_sipp_expands_them(tmp_path: Path, lines: str) -> None:
    text = document(
        send_text("\n  " + REQUEST.replace("\n", "\n  "))
        + '<recv response="200"/>'
        + send_text(REQUEST + lines)
    )
    path = tmp_path / "t.xml"
    path.write_text(text)
    keys = {"k": "", "v": "[service]  x"}
    arguments = [word for name, value in keys.items() for word in ("-key", name, value)]
    extra = b"X-Two: one\r\nX-Two: two\r\nSubject: a, b"
    with sipp(tmp_path, "-sf", str(path), "-m", "1", *arguments) as run:
        answers: list[bytes] = []

        def answer(message: SipMessage) -> list[bytes]:
            answers.append(response(message, 200, extra))
            return answers[-1:]

        first, second = run.converse(2, answer)
        scenario = Scenario.from_file(path, keys=keys)
        spec = compile_scenario(scenario, run.bindings(keys=keys, server_ip=HOST))
        assert render_step(spec, 0, values_of(run, cseq=1)) == first
        assert render_step(spec, 2, values_of(run, answers[0], cseq=2, peer_tag=b"peer")) == second


CALL = (
    send_text(REQUEST.replace("OPTIONS", "INVITE"))
    + '<recv response="181" optional="global"/><recv response="180" optional="true"/>'
    + '<recv response="183" optional="true"/><recv response="200"/>'
    + send_text(REQUEST.replace("OPTIONS", "ACK"))
    + '<pause milliseconds="300"/>'
    + send_text(REQUEST.replace("OPTIONS", "INFO"))
    + '<recv response="200"/>'
)
AWAITING_200, PAUSING = 4, 6


@pytest.mark.parametrize(
    ("current", "status", "cseq_method", "expected"),
    [
        (AWAITING_200, 180, b"INVITE", ("recv", 2)),
        (AWAITING_200, 181, b"INVITE", ("recv", 1)),
        (AWAITING_200, 182, b"INVITE", None),
        (AWAITING_200, 200, b"VIT", ("recv", 4)),
        (AWAITING_200, 200, b"BYE", None),
        (AWAITING_200, 200, b"ACK", None),
        (PAUSING, 180, b"INVITE", None),
        (PAUSING, 181, b"INVITE", ("recv", 1)),
        (PAUSING, 200, b"INVITE", ("ack", 5)),
        (PAUSING, 200, b"INFO", None),
    ],
)
def test_twin_of_message_matching_agrees_with_sipp(
    tmp_path: Path, current: int, status: int, cseq_method: bytes, expected: tuple[str, int] | None
) -> None:
    path = tmp_path / "t.xml"
    path.write_text(document(CALL))
    with sipp(tmp_path, "-sf", str(path), "-m", "1") as run:

        def variant(message: SipMessage) -> bytes:
            text = response(message, status, b"X-Variant: yes")  # no retransmission of an earlier one
            return re.sub(rb"CSeq: (\d+) \w+", b"CSeq: \\1 " + cseq_method, text)

        received: list[SipMessage] = []

        def answer(message: SipMessage) -> list[bytes]:
            is_moment = message.method == (b"INVITE" if current == AWAITING_200 else b"ACK") and not received
            before = [response(message, 183 if current == AWAITING_200 else 200)]
            replies = before if message.method == b"INVITE" else []
            if is_moment:
                replies.append(variant(message))
                received.append(parse_message(replies[-1]))
            return replies

        methods: list[bytes] = []
        end = time.monotonic() + 2
        spec = program(Scenario.from_file(path), run)
        while time.monotonic() < end and not (methods and methods[-1] in (b"INFO", b"CANCEL", b"BYE")):
            try:
                data, sender = run.peer.recvfrom(65536)
            except TimeoutError:
                continue
            methods.append(parse_message(data).method)
            for reply in answer(parse_message(data)):
                run.peer.sendto(reply, sender)
        assert find_match(spec, current, received[0]) == expected
    is_aborted = methods[-1] in (b"CANCEL", b"BYE")
    is_acked_again = methods.count(b"ACK") == 2
    assert (is_aborted, is_acked_again) == (expected is None, expected is not None and expected[0] == "ack")


def without_branch(message: bytes) -> bytes:
    return re.sub(rb"branch=[^\r\n;]*", b"branch=", message)


@pytest.mark.parametrize(
    ("statuses", "wanted"),
    [
        ((180, 486), (DefaultMessage.DEFAULT_ACK,)),
        ((180, 302), (DefaultMessage.DEFAULT_CANCEL,)),
        ((200, 302), (DefaultMessage.DEFAULT_ACK, DefaultMessage.DEFAULT_BYE)),
    ],
)
def test_default_messages_are_those_of_sipp(
    tmp_path: Path, statuses: tuple[int, int], wanted: tuple[DefaultMessage, ...]
) -> None:
    path = tmp_path / "t.xml"
    invite = REQUEST.replace("OPTIONS", "INVITE")
    path.write_text(
        document(
            send_text(invite) + f'<recv response="{statuses[0]}"/><recv response="199"/>' + send_text(invite)
        )
    )
    with sipp(tmp_path, "-sf", str(path), "-m", "1") as run:
        last: list[bytes] = []

        def answer(message: SipMessage) -> list[bytes]:
            if message.method != b"INVITE":
                return []
            last.append(response(message, statuses[1]))
            return [response(message, statuses[0]), last[0]]

        seen = run.converse(1 + len(wanted), answer)[1:]
        spec = program(Scenario.from_file(path), run)
        for message, data in zip(wanted, seen, strict=True):
            expected = render_range(spec, spec.default_pieces[message], values_of(run, last[0]))
            if message == DefaultMessage.DEFAULT_BYE:
                expected, data = without_branch(expected), without_branch(data)
            assert data == expected


def test_unexpected_bye_is_answered_as_sipp_answers_it(tmp_path: Path) -> None:
    path = tmp_path / "t.xml"
    path.write_text(document(send_text(REQUEST) + '<recv response="200"/>'))
    with sipp(tmp_path, "-sf", str(path), "-m", "1") as run:
        bye: list[bytes] = []

        def answer(message: SipMessage) -> list[bytes]:
            if message.method:
                bye.append(
                    b"BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKq\r\nFrom: <sip:b@h>;tag=1\r\n"
                    b"To: <sip:a@h>;tag=2\r\nCall-ID: "
                    + message.value(b"Call-ID")
                    + b"\r\nCSeq: 9 BYE\r\n\r\n"
                )
            return bye if message.method else []

        _, seen = run.converse(2, answer)
        spec = program(Scenario.from_file(path), run)
        assert seen == render_range(
            spec, spec.default_pieces[DefaultMessage.DEFAULT_200], values_of(run, bye[0])
        )
