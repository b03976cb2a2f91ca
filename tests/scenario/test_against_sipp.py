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
from sippx.errors import ScenarioError
from sippx.scenario import (
    Bindings,
    ProgramSpec,
    Scenario,
    builtin_names,
    builtin_text,
    compile_scenario,
    list_program,
)

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


# -- what is a scenario at all --------------------------------------------------------------------------

RECV = '<recv request="INVITE"/>'
INVITE = REQUEST.replace("OPTIONS", "INVITE")
MENTIONS = "<nop><action>" + '<assign assign_to="v" value="1"/><assign assign_to="w" value="1"/>' * 2 + "</action></nop>"


def act(action: str) -> str:
    return f"{RECV}<nop><action>{action}</action></nop>{MENTIONS}"


def sends(method: str, attributes: str = "", extra: str = "") -> str:
    text = REQUEST.replace("OPTIONS", method) + extra
    return f"<send {attributes}><![CDATA[\n{text}\n]]></send>"


def answered(name: str) -> str:
    return f'<recv response="200" response_txn="{name}"/>'


VERDICTS: dict[str, tuple[str, bool]] = {
    "ereg": (act('<ereg regexp="a" assign_to="v"/>'), True),
    "ereg in header": (act('<ereg regexp="a" search_in="hdr" header="X:" occurence="2" assign_to="v"/>'), True),
    "ereg without header": (act('<ereg regexp="a" search_in="hdr" assign_to="v"/>'), False),
    "ereg in variable": (act('<ereg regexp="a" search_in="var" variable="w" assign_to="v"/>'), True),
    "ereg without variable": (act('<ereg regexp="a" search_in="var" assign_to="v"/>'), False),
    "ereg somewhere": (act('<ereg regexp="a" search_in="foo" assign_to="v"/>'), False),
    "ereg without assign_to": (act('<ereg regexp="a" check_it="true"/>'), False),
    "ereg of nothing": (act('<ereg regexp="" assign_to="v"/>'), True),
    "ereg with both checks": (
        act('<ereg regexp="a" check_it="true" check_it_inverse="true" assign_to="v"/>'),
        False,
    ),
    "escaped entities": (act('<ereg regexp="a\\\\.\\&quot;&amp;lt;" assign_to="v"/>'), True),
    "log": (act('<log message="[$v] [call_id]"/>'), True),
    "log of nothing": (act("<log/>"), False),
    "log of an unknown keyword": (act('<log message="[foo]"/>'), False),
    "warning": (act('<warning message="x"/>'), True),
    "error": (act('<error message="x"/>'), True),
    "assign": (act('<assign assign_to="v" value="-1.5e3"/>'), True),
    "assign nothing": (act('<assign assign_to="v"/>'), False),
    "assign twice": (act('<assign assign_to="v" value="1" variable="w"/>'), False),
    "assign text": (act('<assign assign_to="v" value="abc"/>'), False),
    "assign to nobody": (act('<assign value="1"/>'), False),
    "assign to a dollar": (RECV + '<nop><action><assign assign_to="$v" value="1"/></action></nop>', False),
    "assignstr": (act('<assignstr assign_to="v" value="abc"/>'), True),
    "assignstr of nothing": (act('<assignstr assign_to="v"/>'), False),
    "todouble": (act('<todouble assign_to="v" variable="w"/>'), True),
    "todouble of nothing": (act('<todouble assign_to="v"/>'), False),
    "add": (act('<add assign_to="v" variable="w"/>'), True),
    "subtract": (act('<subtract assign_to="v" value="2"/>'), True),
    "multiply": (act('<multiply assign_to="v" value="2"/>'), True),
    "divide": (act('<divide assign_to="v" variable="w"/>'), True),
    "divide by zero": (act('<divide assign_to="v" value="0"/>'), False),
    "test": (act('<test assign_to="v" variable="w" compare="equal" value="1"/>'), True),
    "test with check only": (act('<test variable="w" compare="equal" value="1" check_it="true"/>'), True),
    "test for nobody": (act('<test variable="w" compare="equal" value="1"/>'), False),
    "test of two": (act('<test assign_to="v" variable="w" compare="less_than" variable2="v"/>'), True),
    "test of three": (act('<test assign_to="v" variable="w" compare="equal" variable2="v" value="1"/>'), False),
    "test without compare": (act('<test assign_to="v" variable="w" value="1"/>'), False),
    "test by another word": (act('<test assign_to="v" variable="w" compare="eq" value="1"/>'), False),
    "strcmp": (act('<strcmp assign_to="v" variable="w" value="x"/>'), True),
    "strcmp of two": (act('<strcmp assign_to="v" variable="w" variable2="v"/>'), True),
    "strcmp with check only": (act('<strcmp variable="w" value="x" check_it="true"/>'), True),
    "strcmp for nobody": (act('<strcmp variable="w" value="x"/>'), False),
    "strcmp with nothing": (act('<strcmp assign_to="v" variable="w"/>'), False),
    "trim": (act('<trim assign_to="v"/>'), True),
    "gettimeofday": (act('<gettimeofday assign_to="v,w"/>'), True),
    "gettimeofday into one": (act('<gettimeofday assign_to="v"/>'), False),
    "index": (act('<index assign_to="v"/>'), True),
    "sample": (act('<sample assign_to="v" distribution="fixed" value="-5"/>'), True),
    "sample of nothing": (act('<sample assign_to="v"/>'), False),
    "jump": (act('<jump value="0"/>'), True),
    "jump to itself": (act('<jump value="1"/>'), True),
    "jump far away": (act('<jump value="99"/>'), True),
    "ereg of a bad expression": (act('<ereg regexp="(" assign_to="v"/>'), False),
    "pauserestore": (act('<pauserestore value="3"/>'), True),
    "lookup": (act('<lookup assign_to="v" file="a.csv" key="x"/>'), True),
    "insert": (act('<insert file="a.csv" value="x"/>'), True),
    "replace": (act('<replace file="a.csv" line="0" value="x"/>'), True),
    "replace no line": (act('<replace file="a.csv" value="x"/>'), False),
    "setdest": (act('<setdest host="h" port="1" protocol="UDP"/>'), True),
    "setdest from variables": (act('<setdest host="[$v]" port="[$w]" protocol="[transport]"/>'), True),
    "setdest without protocol": (act('<setdest host="h" port="1"/>'), False),
    "closecon": (act("<closecon/>"), True),
    "verifyauth": (act('<verifyauth assign_to="v" username="u" password="p"/>'), True),
    "verifyauth without password": (act('<verifyauth assign_to="v" username="u"/>'), False),
    "verifyauth for nobody": (act('<verifyauth username="u" password="p"/>'), False),
    "exec command": (act('<exec command="true"/>'), True),
    "exec int_cmd": (act('<exec int_cmd="stop_call"/>'), True),
    "exec unknown int_cmd": (act('<exec int_cmd="foo"/>'), True),
    "exec nothing": (act("<exec/>"), False),
    "exec rtp_stream": (act('<exec rtp_stream="pause"/>'), True),
    "rtp_echo": (act('<rtp_echo value="1"/>'), True),
    "unknown action": (act("<foo/>"), False),
    "second action list": (f'{RECV}<nop><action><log message="x"/></action><action/></nop>', True),
    "variable once": (RECV + '<nop condexec="v"/>', False),
    "variable once in a message": (sends("INVITE", extra="X: [$v]\n"), False),
    "variable in a message": (sends("INVITE", extra="X: [$v]\n") + '<nop condexec="v"/>', True),
    "underscore once": (RECV + '<nop condexec="_"/>', True),
    "variable and Reference": (RECV + '<nop condexec="v"/><Reference variables="v"/>', True),
    "Reference to nothing": (RECV + '<Reference variables="v"/>', False),
    "Global once": (RECV + '<Global variables="v"/>', False),
    "Global": (RECV + '<Global variables="v"/><nop condexec="v"/>', True),
    "Global too late": (RECV + '<nop condexec="v"/><Global variables="v"/><nop condexec="v"/>', False),
    "Global of nothing": (RECV + "<Global/>", False),
    "Global of a dollar": (RECV + '<Global variables="$a"/><nop condexec="a"/>', False),
    "User": (RECV + '<User variables="v"/><nop condexec="v"/>', True),
    "test without next": (RECV + '<nop test="v"/>', True),
    "test with next": (RECV + '<label id="1"/><nop next="1" test="v"/><nop condexec="v"/>', True),
    "condexec_inverse": (RECV + '<nop condexec="v" condexec_inverse="true"/><nop condexec="v"/>', True),
    "INVITE transaction": (
        sends("INVITE", 'start_txn="a"') + answered("a") + sends("ACK", 'ack_txn="a"'),
        True,
    ),
    "other transaction": (sends("OPTIONS", 'start_txn="a"') + answered("a"), True),
    "transaction without ACK": (sends("INVITE", 'start_txn="a"') + answered("a"), False),
    "transaction without answer": (sends("OPTIONS", 'start_txn="a"'), False),
    "transaction without start": (sends("OPTIONS") + answered("a"), False),
    "transaction with ACK too many": (
        sends("OPTIONS", 'start_txn="a"') + answered("a") + sends("ACK", 'ack_txn="a"'),
        False,
    ),
    "ACK starts a transaction": (sends("ACK", 'start_txn="a"') + answered("a"), False),
    "BYE as ACK": (sends("INVITE", 'start_txn="a"') + answered("a") + sends("BYE", 'ack_txn="a"'), False),
    "response_txn of a send": (sends("INVITE", 'response_txn="a"'), False),
    "recv by regexp": ('<recv request="INV|BYE" regexp_match="true"/>', True),
    "recv nothing": (RECV + "<recv/>", False),
    "rrs and auth": (sends("INVITE") + '<recv response="200" rrs="true" auth="true"/>', True),
    "rrs by another word": (sends("INVITE") + '<recv response="200" rrs="foo"/>', False),
    "authentication": (sends("INVITE", extra="[authentication username=a password=b]\n"), True),
    "field": (sends("INVITE", extra='X: [field0] [field1 file="a.csv" line="0"]\n'), True),
    "field of another file": (sends("INVITE", extra='X: [field1 file="z.csv"]\n'), False),
    "file": (sends("INVITE", extra='X: [file name="/etc/hostname"]\n'), True),
    "file of nothing": (sends("INVITE", extra="X: [file]\n"), False),
    "fill": (sends("INVITE", extra="X: [fill variable=v text=ab]\n") + '<nop condexec="v"/>', True),
    "fill with nothing": (sends("INVITE", extra='X: [fill text="ab"]\n'), False),
    "routes": (sends("INVITE", extra="[routes]\nX: [next_url]\n"), True),
    "small keywords": (sends("INVITE", extra="X: [tdmmap] [dynamic_id] [userid] [users]\n"), True),
    "nested brackets": (sends("INVITE", extra="X: [field1 line=[$v]]\n") + '<nop condexec="v"/>', True),
    "pause of a variable": (RECV + '<pause variable="v"/><nop condexec="v"/>', True),
    "pause without its parameter": (RECV + '<pause distribution="fixed"/>', False),
    "pause too long": (RECV + '<pause milliseconds="99999999999"/>', False),
    "init": (RECV + '<init><nop next="1"/><nop/><label id="1"/></init>', True),
    "init that sends": (RECV + "<init><send/></init>", False),
    "init with a label of the scenario": (RECV + '<label id="1"/><init><nop next="1"/></init>', False),
    "sendCmd of nothing": (sends("INVITE") + "<sendCmd/>", False),
    "optional recvCmd, then send": (sends("INVITE") + '<recvCmd optional="true"/>' + sends("BYE"), False),
    "3pcc_abort": (RECV + '<DefaultMessage id="3pcc_abort"><![CDATA[call-id: x\n]]></DefaultMessage>', True),
    "send timeout": (sends("INVITE", 'timeout="500"'), True),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_scenario_is_accepted_or_refused_as_sipp_does(tmp_path: Path, name: str) -> None:
    body, is_accepted = VERDICTS[name]
    (tmp_path / "a.csv").write_text("SEQUENTIAL\na;b\n")
    path = tmp_path / "t.xml"
    path.write_text(document(body))
    command = ["sipp", f"{HOST}:9", "-i", HOST, "-sf", str(path), "-inf", "a.csv", "-m", "0", "-nostdin", "-timeout", "1"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=DEADLINE_S, check=False)
    assert (run.returncode == 0) is is_accepted, run.stderr
    try:
        compile_scenario(Scenario.from_file(path, injection_names=("a.csv",)), Bindings())
    except ScenarioError as error:
        assert not is_accepted, str(error)
    else:
        assert is_accepted


KNOWN_DIFFERENCES = {
    "uas": (b"[last_Record-Route:]", b""),  # newer SIPp copies it, 3.6.1 does not
    "uac_pcap": (b"[media_port]", b"[auto_media_port]"),
}


@pytest.mark.parametrize("name", builtin_names())
def test_built_in_compiles_to_the_tables_of_sipps_own(name: str) -> None:
    run = subprocess.run(["sipp", "-sd", name], capture_output=True, timeout=DEADLINE_S, check=False)
    ours = builtin_text(name).encode()
    if name in KNOWN_DIFFERENCES:
        ours = ours.replace(*KNOWN_DIFFERENCES[name])
        ours = re.sub(rb"\n[ ]*\n(?=[ ]*\[last_From:\])", b"\n", ours)
    listings = [
        re.sub(r"  \(line \d+\)", "", list_program(compile_scenario(Scenario.from_string(text, name=name), Bindings())))
        for text in (ours, run.stdout)
    ]
    assert listings[0] == listings[1]
