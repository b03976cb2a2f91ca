"""sippx and the real sipp call each other over TCP and over several UDP sockets: calls succeed, messages are the same.

The pairs of all selected tests are begun at once, a few at a time: most of their time is spent waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.harness import free_port, is_listening, wait_until
from interop.pairs import SIPP, Side, normalised, run_pair
from interop.plays import start
from sippx.scenario.builtin import builtin_text

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(SIPP is None, reason="the real sipp is not installed (Debian package sip-tester)"),
]

N_AT_A_TIME = 3
N_CALLS = 10
SOCKETS = ("-max_socket", "500")
"""sipp compares it with the limit of open files."""
UAS = ("-sf", "uas.xml", "-reconnect_close", "false")
"""sipp fails a call whose client closes the connection before the step behind the last answer is run."""
OPTIONS = """<send><![CDATA[
OPTIONS sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:tester@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:service@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: {number} OPTIONS
Content-Length: 0

]]></send>
<recv response="200">{action}</recv>
"""
ANSWER = """<recv request="OPTIONS"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"""


SHARE = "calls that share"


def xml(steps: str) -> str:
    return f'<?xml version="1.0"?>\n<scenario name="test">\n{steps}</scenario>\n'


def twice(action: str) -> str:
    """A call of two requests with this action between them."""
    return xml(OPTIONS.format(number=1, action=f"<action>{action}</action>") + OPTIONS.format(number=2, action=""))


@dataclass(frozen=True)
class Meeting:
    """What a client and a server are told besides what every pair is."""

    uac: tuple[str, ...] = ()
    uas: tuple[str, ...] = UAS
    ip: str = "127.0.0.1"
    n_served: int = N_CALLS


MEETINGS = {
    "t1": Meeting(("-t", "t1"), ("-t", "t1", *UAS)),
    "tn": Meeting(("-t", "tn", *SOCKETS), ("-t", "t1", *UAS)),
    "t1 over IPv6": Meeting(("-t", "t1"), ("-t", "t1", *UAS), ip="::1"),
    "tn over IPv6": Meeting(("-t", "tn", *SOCKETS), ("-t", "t1", *UAS), ip="::1"),
    "a server of many": Meeting(("-t", "t1"), ("-t", "tn", *SOCKETS, *UAS)),
    SHARE: Meeting(("-t", "tn", "-max_socket", "8", "-d", "300"), ("-t", "t1", *UAS)),
    "un": Meeting(("-t", "un", *SOCKETS)),
    "ui": Meeting(("-t", "ui", "-inf", "ips.csv", *SOCKETS)),
    "closecon": Meeting(
        ("-t", "tn", *SOCKETS, "-sf", "closecon.xml"), ("-t", "t1", "-sf", "answer.xml", "-deadcall_wait", "0", "-reconnect_close", "false"),
        n_served=2 * N_CALLS,
    ),
}  # fmt: skip
STOCK = [name for name in MEETINGS if name not in ("closecon", SHARE)]
MIXED = [("sippx", "sipp"), ("sipp", "sippx")]
# sipp ends with "Broken pipe" when the first of its calls is to share
every_way = pytest.mark.parametrize(
    ("name", "uac", "uas"), [(name, *tools) for name in MEETINGS for tools in MIXED if (name, tools[0]) != (SHARE, "sipp")]
)
Sides = tuple[Side, Side]
Met = Callable[[str, str, str], Sides]


def meet(meeting: Meeting, uac: str, uas: str, folder: Path) -> Sides:
    """Runs the pair in this folder."""
    (folder / "uas.xml").write_text(builtin_text("uas").replace('milliseconds="4000"', 'milliseconds="10"'))
    (folder / "answer.xml").write_text(xml(ANSWER))
    (folder / "closecon.xml").write_text(twice("<closecon/>"))
    (folder / "ips.csv").write_text("SEQUENTIAL\n127.0.0.1\n127.0.0.2\n127.0.0.3\n")
    return run_pair(
        folder, uac, uas, n_calls=N_CALLS, ip=meeting.ip, uac_words=meeting.uac,
        uas_words=(*meeting.uas, "-m", str(meeting.n_served)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def met(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Met]:
    """met(name, uac, uas): both sides of that meeting of those tools."""
    pairs: dict[tuple[str, str, str], Future[Sides]] = {}
    with ThreadPoolExecutor(N_AT_A_TIME) as pool:

        def begin(name: str, uac: str, uas: str) -> None:
            if (name, uac, uas) not in pairs:
                folder = tmp_path_factory.mktemp("meeting")
                pairs[name, uac, uas] = pool.submit(meet, MEETINGS[name], uac, uas, folder)

        for item in request.session.items:
            if isinstance(item, pytest.Function) and item.module is request.module and "met" in item.fixturenames:
                params = item.callspec.params
                for uac, uas in [(params["uac"], params["uas"])] if "uac" in params else MIXED:
                    begin(params["name"], uac, uas)

        yield lambda *names: pairs[names].result()
        pool.shutdown(cancel_futures=True)


@every_way
def test_every_call_succeeds_both_ways(name: str, uac: str, uas: str, met: Met) -> None:
    client, server = met(name, uac, uas)
    for side, n_calls in ((client, N_CALLS), (server, MEETINGS[name].n_served)):
        assert side.code == 0, side.screen
        assert (side.stat_row["SuccessfulCall(C)"], side.stat_row["FailedCall(C)"]) == (str(n_calls), "0"), side.screen


@every_way
def test_both_sides_log_the_same_bytes(name: str, uac: str, uas: str, met: Met) -> None:
    client, server = met(name, uac, uas)
    for sender, receiver in ((client, server), (server, client)):
        sent = sorted(data for way, data in sender.messages if way == "sent")
        received = sorted(data for way, data in receiver.messages if way == "received")
        assert len(received) == (2 if name == "closecon" else 3) * N_CALLS
        if sender is client and uac == "sipp" and "tn" in MEETINGS[name].uac:
            assert set(sent) <= set(received), "sipp leaves out what waits for a connection to open"
        else:
            assert sent == received


def shapes(side: Side) -> set[tuple[str, ...]]:
    """The distinct messages that a side received, without what varies from call to call."""
    return {tuple(normalised(data)) for way, data in side.messages if way == "received"}


@pytest.mark.parametrize("name", STOCK)
def test_messages_of_both_tools_are_the_same(name: str, met: Met) -> None:
    ours_client, theirs_server = met(name, "sippx", "sipp")
    theirs_client, ours_server = met(name, "sipp", "sippx")
    assert shapes(ours_client) == shapes(theirs_client)
    assert shapes(ours_server) == shapes(theirs_server)


def test_a_client_reaches_sipp_behind_a_remote_sending_address(tmp_path: Path) -> None:
    """-rsa: the connection goes there, the messages name the remote host."""
    (tmp_path / "uas.xml").write_text(builtin_text("uas").replace('milliseconds="4000"', 'milliseconds="10"'))
    starts = {}
    for uac, uas in MIXED:
        port, named = free_port(), free_port()
        here = ("-i", "127.0.0.1", "-m", "3", "-t", "t1")
        with start(uas, tmp_path, *UAS, *here, "-p", port) as server:
            wait_until(lambda port=port: is_listening(port), "the server listens")
            words = ("-sn", "uac", f"127.0.0.1:{named}", "-rsa", f"127.0.0.1:{port}", "-p", free_port(), "-trace_msg")
            with start(uac, tmp_path, *words, "-message_file", f"{uac}.log", *here) as client:
                assert client.wait().code == server.wait().code == 0
        text = (tmp_path / f"{uac}.log").read_text()
        starts[uac] = {line.replace(str(named), "NAMED") for line in text.splitlines() if line.startswith("INVITE ")}
    assert starts["sippx"] == starts["sipp"] == {"INVITE sip:service@127.0.0.1:NAMED SIP/2.0"}


@pytest.mark.parametrize("tool", ["sippx", "sipp"])
def test_setdest_goes_on_to_another_server(tool: str, tmp_path: Path) -> None:
    """From a server of one tool to one of the other."""
    ports = [free_port(), free_port()]
    here = ("-i", "127.0.0.1", "-m", "5")
    (tmp_path / "answer.xml").write_text(xml(ANSWER))
    (tmp_path / "setdest.xml").write_text(twice(f'<setdest host="127.0.0.1" port="{ports[1]}" protocol="tcp"/>'))
    with (
        start("sipp", tmp_path, "-sf", "answer.xml", "-t", "t1", "-p", ports[0], *here) as first,
        start("sippx", tmp_path, "-sf", "answer.xml", "-t", "t1", "-p", ports[1], *here) as second,
    ):
        wait_until(lambda: all(map(is_listening, ports)), "the servers listen")
        words = ("-sf", "setdest.xml", f"127.0.0.1:{ports[0]}", "-t", "tn", "-p", free_port(), *SOCKETS)
        with start(tool, tmp_path, *words, *here) as client:
            for finished in (client.wait(), first.wait(), second.wait()):
                assert finished.code == 0, finished.text
