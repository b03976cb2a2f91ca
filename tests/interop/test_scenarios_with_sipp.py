"""Scenarios run by the real sipp and by sippx against the same peer: same messages, counters and exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.harness import (
    answer_like_uas,
    answer_step,
    header,
    method,
    request,
    response,
    say_nothing,
    send_step,
)
from interop.tools import SIPP, WHY_SKIPPED, run_clients, run_servers

pytestmark = [pytest.mark.interop, pytest.mark.skipif(SIPP is None, reason=WHY_SKIPPED)]

Answer = Callable[[bytes], Iterable[bytes]]
HEAD = "OPTIONS sip:a@b SIP/2.0\nCall-ID: [call_id]\n"


def cdata(text: str, attributes: str = "") -> str:
    return f"<send {attributes}><![CDATA[{text}]]></send>\n"


def options(lines: str = "", body: str = "", attributes: str = "") -> str:
    return send_step("OPTIONS", lines=lines, body=body, attributes=attributes)


def answers(*statuses: str, more: str = "") -> Answer:
    """A peer that answers each request but ACK with all of these."""
    return lambda message: (
        [] if method(message) == "ACK" else [response(message, s, more=more) for s in statuses]
    )


def invite_answers(*statuses: str) -> Answer:
    """A peer that answers an INVITE with these, anything else but ACK with 200."""
    final = answers("200 OK")
    return lambda message: answers(*statuses)(message) if method(message) == "INVITE" else final(message)


def after_ack(name: str) -> Answer:
    """A peer that accepts a call and sends a request of its own behind the ACK."""

    def answer(message: bytes) -> list[bytes]:
        if method(message) == "INVITE":
            return [response(message, "200 OK")]
        return [request(name, header(message, "Call-ID"), cseq=7)] if method(message) == "ACK" else []

    return answer


def without_to(message: bytes) -> list[bytes]:
    if method(message) != "INVITE":
        return []
    lines = response(message, "200 OK").split(b"\r\n")
    return [b"\r\n".join(line for line in lines if not line.startswith(b"To:"))]


INVITE = send_step("INVITE", attributes='retrans="500"')
ACK = send_step("ACK")
BYE = send_step("BYE", attributes='retrans="500"')
R200 = '<recv response="200"/>\n'
CALL = (
    INVITE
    + '<recv response="100" optional="true"/><recv response="180" optional="true"/>'
    + '<recv response="183" optional="true"/><recv response="200" rtd="1"/>'
    + ACK
    + '<pause milliseconds="50"/>'
    + BYE
    + R200
)
BRANCHES = (
    options()
    + '<recv response="404" optional="true" next="absent"/><recv response="200"/>'
    + send_step("INFO", attributes='next="end"')
    + '<label id="absent"/>'
    + send_step("BYE")
    + '<label id="end"/>'
)


@dataclass(frozen=True)
class Case:
    """A client scenario, its peer and further words of the command line."""

    name: str
    steps: str
    answer: Answer = say_nothing
    words: tuple[object, ...] = ()


CLIENTS = [
    # what is sent
    Case("blanks around lines", cdata("\n\n   OPTIONS sip:a@b SIP/2.0   \n\tX: y\t \n  Call-ID: [call_id]\n\n")),
    Case("no empty line", cdata(HEAD.rstrip())),
    Case("body, no line end", cdata(HEAD + "Content-Length: [len]\n\nabc")),
    Case("body, line end", cdata(HEAD + "Content-Length: [len]\n\nabc\n")),
    Case("body, line ends", cdata(HEAD + "Content-Length: [len]\n\nabc\n\n\n")),
    Case("body of one character", cdata(HEAD + "Content-Length: [len]\n\na\n")),
    Case("empty lines in the body", cdata(HEAD + "Content-Length: [len]\n\na\n\n\n b \n\nc\n")),
    Case("empty lines at the end", cdata(HEAD + "Content-Length: [len]\n\n\n\n\n")),
    Case("a tab separates the body", cdata(HEAD + "Content-Length: [len]\n\t\nabc\n")),
    Case("CR LF in the file", cdata((HEAD + "Content-Length: [len]\n\nabc\ndef\n").replace("\n", "\r\n"))),
    Case("bytes by number", cdata(HEAD + r"X: \x41\x5bdate]\xff" + "\nContent-Length: [len]\n\n\\x01\\x02\\x0d\\x0a")),
    Case("latin-1", cdata(HEAD + "X: \u00e4\u00f6\n")),
    Case("len with an offset", cdata(HEAD + "Content-Length: [len+5]\n\nbody[call_number]\n")),
    Case("addresses", options("A: [service] [remote_host] [remote_ip] [remote_port] [transport] [local_ip]\n")),
    Case("identifiers", options("B: [pid] [call_number] [call_id] [cseq] [branch] [msg_index] [users] [userid]\n")),
    Case("offsets", options("C: [remote_port+1] [local_port+2] [cseq+4] [branch+1] [branch-1] [call_number+3]\n")),
    Case("nothing received yet", options("X: [last_From]\n[last_Via:]\nY: [last_message][last_cseq_number]\n")),
    Case("media", options(body="v=0\nc=IN IP[media_ip_type] [media_ip]\nm=audio [media_port] RTP/AVP 0\n")),
    Case("auto media port", options(body="m=audio [auto_media_port] RTP/AVP 0\nm=audio [auto_media_port+2] x\n")),
    Case("-s", options("A: [service]\n"), words=("-s", "bob")),
    Case("-key", options("A: [a] [b] [c]\n"), words=("-key", "a", "v [service]", "-key", "b", "", "-key", "c", "][")),
    Case("-cid_str", options(), words=("-cid_str", "x%u.%p.%s.%%.%q")),
    Case("-base_cseq", INVITE + R200 + ACK + options() + R200 + BYE, answers("200 OK"), ("-base_cseq", 40)),
    Case("a method of one's own", send_step("FOOBAR") + R200, answers("200 OK")),
    # what comes back
    Case("a call", CALL, answer_like_uas),
    Case("provisional answers in any order", CALL, invite_answers("183 P", "180 R", "100 T", "180 R", "200 OK")),
    Case("the same 180 twice", CALL, invite_answers("180 R", "180 R", "200 OK")),
    Case("the same 200 twice", CALL, invite_answers("200 OK", "200 OK")),
    Case("404", CALL, invite_answers("404 No")),
    Case("180, then 404", CALL, invite_answers("180 R", "404 No")),
    Case("302", CALL, invite_answers("302 Moved")),
    Case("an unknown provisional answer", CALL, invite_answers("199 X")),
    Case("202 for 200", CALL, invite_answers("202 Accepted")),
    Case("180, then 202", CALL, invite_answers("180 R", "202 Accepted")),
    Case("an answer without To", CALL, without_to),
    Case("the peer says BYE", INVITE + R200 + ACK + '<recv request="BYE"/>' + answer_step("200 OK"), after_ack("BYE")),
    Case("an unexpected BYE", INVITE + R200 + ACK + '<recv request="INFO"/>', after_ack("BYE")),
    Case("an unexpected CANCEL", INVITE + R200 + ACK + '<recv request="INFO"/>', after_ack("CANCEL")),
    Case("an unexpected INFO", INVITE + R200 + ACK + '<recv request="BYE"/>', after_ack("INFO")),
    Case("the CSeq method of another", options() + R200, lambda m: [response(m, "200 OK").replace(b" OPT", b" XPT")]),
    Case(
        "two CSeq methods joined",
        INVITE + send_step("FOO") + R200,
        lambda m: [response(m, "200 OK").replace(b"1 FOO", b"1 TEFOO")] if method(m) == "FOO" else [],
        ("-max_retrans", 0, "-nr"),
    ),
    # default behaviours
    *(
        Case(f"404 and {words}", CALL, invite_answers("180 R", "404 No"), ("-default_behaviors", words, "-recv_timeout", 400))
        for words in ("all", "none", "bye", "abortunexp", "all,-bye", "all,-abortunexp")
    ),
    Case("404 and -nd", CALL, invite_answers("180 R", "404 No"), ("-nd", "-recv_timeout", 400)),
    # time
    Case("receive timeout", INVITE + '<recv response="200" timeout="200"/>'),
    Case("-recv_timeout", CALL, words=("-recv_timeout", 200)),
    Case("timeout of an optional recv", INVITE + '<recv response="180" optional="true" timeout="200"/>' + R200),
    Case(
        "ontimeout",
        INVITE + '<recv response="200" timeout="200" ontimeout="late"/><nop next="end"/><label id="late"/>'
        + send_step("CANCEL") + '<label id="end"/>' + send_step("INFO"),
    ),
    Case("ontimeout is the end", INVITE + '<recv response="200" timeout="200" ontimeout="end"/><label id="end"/>'),
    Case(
        "ontimeout of a send",
        send_step("INVITE", attributes='retrans="50" ontimeout="end"') + R200 + '<label id="end"/>' + send_step("INFO"),
        words=("-max_invite_retrans", 2),
    ),
    Case("retransmissions", send_step("OPTIONS", attributes='retrans="50"') + R200, words=("-max_non_invite_retrans", 3)),
    Case("-max_retrans", send_step("INVITE", attributes='retrans="50"') + R200, words=("-max_retrans", 2)),
    Case("-nr", send_step("INVITE", attributes='retrans="50"') + R200, words=("-nr", "-recv_timeout", 300)),
    Case(
        "a send waits for the answer to the one before",
        send_step("OPTIONS", attributes='retrans="100"') + '<pause milliseconds="250"/>' + send_step("INFO"),
        words=("-max_retrans", 2),
    ),
    Case("timewait", options() + R200 + '<timewait milliseconds="200"/>', answers("200 OK", "200 OK")),
    Case("-d", options() + R200 + "<pause/>", answers("200 OK"), ("-d", 100)),
    # flow
    Case("next", options(attributes='next="end"') + send_step("INFO") + '<label id="end"/>' + BYE + R200, answers("200 OK")),
    Case("chance 0", options(attributes='next="end" chance="0"') + send_step("INFO") + '<label id="end"/>'),
    Case("next of an optional recv", BRANCHES, answers("404 No")),
    Case("an optional recv is passed", BRANCHES, lambda m: answers("200 OK")(m) if method(m) == "OPTIONS" else []),
    Case("a nop first", "<nop/>" + options() + R200, answers("200 OK")),
    Case("a pause first", '<pause milliseconds="20"/>' + options() + R200, answers("200 OK")),
    Case(
        "advance_state",
        options() + '<recv response="180" optional="true" advance_state="false"/>' + R200,
        answers("180 R", "180 S", "200 OK"),
    ),
    Case("rtd", options(attributes='start_rtd="a"') + '<recv response="200" rtd="a"/>', answers("200 OK")),
    Case(
        "hide, crlf, display",
        options(attributes='crlf="true"') + '<recv response="200" hide="true"/><nop display="hello"/><pause min="1" max="3"/>',
        answers("200 OK"),
    ),
    # headers of the last message
    Case(
        "last headers",
        INVITE + R200 + send_step("INFO", lines=(
            "A: [last_cseq_number] [last_cseq_number+1] [last_Request_URI]\n[last_From]\n[last_To:]\n[last_X-A]\n"
            "[last_Contact]\nY: [last_Contact:]\n[last_Via]\n[last_Record-Route]\n[last_Nothing]\n[last_Subject]\n"
        )),
        answers("200 OK", more=(
            "X-A: 1\r\nx-a: 2\r\nContact: <sip:me@h;p>;x=y\r\nVia: SIP/2.0/UDP second\r\nRecord-Route: <sip:a>\r\n"
            "Record-Route: <sip:b>\r\nSubject: a\r\n  b\r\n\tc\r\n"
        )),
    ),
    Case("last message", INVITE + R200 + send_step("INFO", body="[last_message]"), answers("200 OK")),
]  # fmt: skip


@pytest.mark.parametrize("case", CLIENTS, ids=lambda case: case.name)
def test_a_client_scenario_is_run_as_sipp_runs_it(tmp_path: Path, case: Case) -> None:
    theirs, ours = run_clients(tmp_path, case.steps, case.answer, case.words)
    assert ours.messages == theirs.messages, ours.ended.text
    assert ours.steps == theirs.steps
    assert ours.ended.code == theirs.ended.code, ours.ended.text


UAS = (
    '<recv request="INVITE"/>'
    + answer_step("180 Ringing")
    + answer_step("200 OK", attributes='retrans="200"')
    + '<recv request="ACK" optional="true"/><recv request="BYE"/>'
    + answer_step("200 OK")
    + '<timewait milliseconds="400"/>'
)
START, CONFIRM, END = request("INVITE", "1@t"), request("ACK", "1@t"), request("BYE", "1@t", cseq=2)
ROUTED = START.replace(
    b"From:",
    b"Via: SIP/2.0/UDP a;branch=1\r\nvia: SIP/2.0/UDP b\r\nRecord-Route: <sip:r;lr>\r\nRecord-Route: <sip:s>\r\nFrom:",
)


@dataclass(frozen=True)
class ServerCase:
    """A server scenario, what it is sent, and further words of the command line."""

    name: str
    steps: str
    script: tuple[bytes, ...]
    words: tuple[object, ...] = ()
    n_calls: int = 1


SERVERS = [
    ServerCase("a call", UAS, (START, CONFIRM, END)),
    ServerCase("ACK twice", UAS, (START, CONFIRM, CONFIRM, END)),
    ServerCase("BYE three times", UAS, (START, CONFIRM, END, END, END)),
    ServerCase("no ACK", UAS, (START, END)),
    ServerCase("silence behind the INVITE", UAS, (START,), ("-max_retrans", 2)),
    ServerCase("BYE first", UAS, (END,)),
    ServerCase("an unexpected OPTIONS", UAS, (START, CONFIRM, request("OPTIONS", "1@t", cseq=2))),
    ServerCase("CANCEL after the 200", UAS, (START, request("CANCEL", "1@t"))),
    ServerCase("a stranger's BYE behind the last call", UAS, (START, CONFIRM, request("BYE", "2@t"), END)),
    ServerCase("a prefix of the Call-ID", UAS, (START.replace(b": 1@t", b": x///1@t"), CONFIRM, END)),
    ServerCase("routes", UAS.replace("[last_From:]", "[last_Record-Route:]\n[last_From:]"), (ROUTED, CONFIRM, END)),
    ServerCase("To has a tag", UAS, (START.replace(b"<sip:service@127.0.0.1>", b"<sip:s@h>;tag=z"), CONFIRM, END)),
    ServerCase("no To", UAS, (START.replace(b"To: <sip:service@127.0.0.1>\r\n", b""),)),
    ServerCase("two calls", UAS, (START, request("INVITE", "2@t"), request("ACK", "2@t"), CONFIRM, END,
                                  request("BYE", "2@t", cseq=2)), n_calls=2),
    ServerCase(
        "CSeq of the caller",
        '<recv request="INVITE"/>' + answer_step("200 OK") + '<recv request="ACK"/>' + cdata(
            "BYE sip:x@h SIP/2.0\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\nCSeq: [cseq] BYE\n"
            "X: [last_cseq_number] [last_cseq_number+3] [call_number] [peer_tag_param]\nContent-Length: 0\n\n"
        ),
        (START.replace(b"CSeq: 1 ", b"CSeq: 77 "), CONFIRM.replace(b"CSeq: 1 ", b"CSeq: 77 ")),
    ),
    ServerCase("a timeout", '<recv request="INVITE"/>' + answer_step("200 OK") + '<recv request="ACK" timeout="200"/>', (START,)),
    ServerCase(
        "a timeout with a label",
        '<recv request="INVITE"/>' + answer_step("200 OK") + '<recv request="ACK" timeout="200" ontimeout="late"/>'
        + answer_step("500 No") + '<label id="late"/>' + answer_step("408 Late"),
        (START,),
    ),
    ServerCase(
        "two kinds of calls",
        '<recv request="REGISTER" optional="true" next="r"/><recv request="INVITE"/>'
        + answer_step("200 OK", attributes='next="end"') + '<label id="r"/>' + answer_step("201 R") + '<label id="end"/>',
        (request("REGISTER", "1@t"), request("INVITE", "2@t")),
        n_calls=2,
    ),
    ServerCase("the whole message as a body", '<recv request="MESSAGE"/>' + answer_step("200 OK", body="[last_message]"),
               (request("MESSAGE", "1@t"),)),
    ServerCase("a nop first", '<nop/><recv request="INVITE"/>' + answer_step("200 OK"), (START,)),
]  # fmt: skip


@pytest.mark.parametrize("case", SERVERS, ids=lambda case: case.name)
def test_a_server_scenario_is_run_as_sipp_runs_it(tmp_path: Path, case: ServerCase) -> None:
    theirs, ours = run_servers(tmp_path, case.steps, case.script, case.words, case.n_calls)
    assert sorted(ours.messages) == sorted(theirs.messages), ours.ended.text
    assert ours.steps == theirs.steps
    assert ours.ended.code == theirs.ended.code, ours.ended.text
