"""Screens of sippx and of the real sipp side by side in two terminals: the same lines but for their figures."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.harness import Peer, answer_like_uas, free_port
from e2e.terminal import TMUX, Terminal
from interop.pairs import SIPP

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(SIPP is None, reason="the real sipp is not installed (Debian package sip-tester)"),
    pytest.mark.skipif(TMUX is None, reason="tmux is not installed"),
]

# one global variable: with any other sipp 3.6.1 never ends drawing its variables screen
ACTIONS = """<?xml version="1.0"?>
<scenario name="acting"><Global variables="gv"/>
<send retrans="500" start_rtd="invite" counter="sent"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: sipp <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: sut <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
X-Circuit: [tdmmap]
Contact: sip:sipp@[local_ip]:[local_port]
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="100" optional="true" hide="true"/>
<recv response="180" optional="true"><action>
  <ereg regexp="Ringing" search_in="msg" assign_to="gv"/><log message="r=[$gv]"/><add assign_to="gv" value="1"/>
</action></recv>
<recv response="200" rtd="invite" crlf="true"/>
<nop display="between"/>
<nop/>
<pause milliseconds="60000"/>
<ResponseTimeRepartition value="10, 100"/><CallLengthRepartition value="50, 500"/>
</scenario>
"""

class Pair:
    """sipp and sippx with the same words, each with a peer and a terminal of its own."""

    def __init__(self, folder: Path, open_peer: Callable[..., Peer], *words: object, is_client: bool = True) -> None:
        self.terminals = []
        assert SIPP is not None
        for name, command in (("sipp", [SIPP]), ("sippx", [sys.executable, "-m", "sippx"])):
            place = folder / name
            place.mkdir()
            (place / "acting.xml").write_text(ACTIONS)
            target = [open_peer(answer_like_uas).address] if is_client else []
            argv = [*command, *target, "-i", "127.0.0.1", "-p", free_port(), "-cp", free_port(), "-f", 1, *words]
            text = shlex.join(map(str, argv))
            if name == "sipp":
                text = f"ulimit -v 4000000; {text}"
            self.terminals.append(Terminal(place, text, columns=200, rows=90))

    def close(self) -> None:
        """End both."""
        for session in self.terminals:
            session.close()

    def wait_for(self, pattern: str) -> None:
        """Both show it."""
        for session in self.terminals:
            session.wait_for(pattern)

    def press(self, keys: str) -> None:
        """Type in both."""
        for session in self.terminals:
            session.press(keys)

    def command(self, text: str) -> None:
        """A command in both, executed as soon as both show it (sipp not always with its prompt)."""
        for session in self.terminals:
            session.press("c" + text)
            session.wait_for(re.escape(text))
            session.press("\r")

    def masked(self) -> tuple[list[str], list[str]]:
        """Both screens without figures and without what only one of them has."""
        sipp, sippx = (masked_lines(session.text) for session in self.terminals)
        return sipp, sippx

    def assert_same(self, title: str) -> None:
        """Both show this screen, line by line the same."""
        self.wait_for(title)
        deadline_s = time.monotonic() + 8
        while (screens := self.masked())[0] != screens[1] and time.monotonic() < deadline_s:
            time.sleep(0.3)
        assert screens[1] == screens[0]

    def assert_same_at_the_end(self) -> None:
        """Both end without failed calls and leave the same screens behind.

        The statistics screen is compared here only: while it runs, sipp often leaves the lower half undrawn.
        """
        assert [session.wait_over() for session in self.terminals] == [0, 0]
        sipp, sippx = (
            masked_lines(text[text.index("-" * 28) :])
            for text in (session._tmux("capture-pane", "-p", "-S", "-400") for session in self.terminals)
        )
        assert sum("Statistics Screen" in line for line in sipp) == 1
        assert sippx == sipp

    def show(self, key: str, title: str) -> None:
        """Both show the screen of a key, line by line the same.

        Keys are pressed until it is so: sipp often leaves a screen half drawn until another one is wanted.
        """
        deadline_s = time.monotonic() + 12
        while time.monotonic() < deadline_s:
            self.press(key)
            self.wait_for(title)
            time.sleep(0.4)
            sipp, sippx = self.masked()
            if sipp == sippx:
                break
            self.press("4" if key != "4" else "3")
            time.sleep(0.4)
        assert sippx == sipp


def masked_lines(screen: str) -> list[str]:
    """Lines with numbers as # and single blanks, without what one of the two does not have.

    sipp: RTP counters, its last screens have one line twice, what was typed stays on the screen. sippx: rows at
    the end of the statistics screen, and a warning about the limit of calls.
    """
    screen = re.sub(r"\n-[-+]+\n  Percentiles \(ms\).*?\n(?=------)(?!-+\+)", "\n", screen, flags=re.DOTALL)
    lines: list[str] = []
    for line in filter(str.strip, screen.splitlines()):
        if "RTP pckts" in line or "calls are open, the limit (-l)" in line or line.startswith(_TYPED):
            continue
        if "open sockets" in line and lines and "open sockets" in lines[-1]:
            continue
        text = re.sub(r"\d+:\d\d:\d\d:\d+|\d{4}-\d\d-\d\d[ \t]+\d\d:\d\d:\d\d\.\d+[ \t]+\d+\.\d+", "#", line)
        text = re.sub(r"\d+(\.\d+)?", "#", text)
        text = re.sub(r"(Pause traffic -----)(set|trace) .*", r"\1", text)
        lines.append(re.sub(r" +", " ", text).rstrip())
    return lines


_TYPED = ("set ", "trace ", "Command:")


@pytest.fixture
def pair(tmp_path: Path, peer: Callable[..., Peer]) -> Iterator[Callable[..., Pair]]:
    opened: list[Pair] = []

    def start(*words: object, **more: bool) -> Pair:
        opened.append(Pair(tmp_path, peer, *words, **more))
        return opened[-1]

    yield start
    for both in opened:
        both.close()


def test_all_screens_of_a_client_with_actions_and_circuits(pair: Callable[..., Pair]) -> None:
    both = pair("-sf", "acting.xml", "-tdmmap", "{0-2}{5}{1-2}{1-8}", "-r", 50, "-l", 3)
    both.wait_for(r"200 <-+ +E-RTD1 3")
    both.assert_same("Scenario Screen")
    for key, title in (("3", "Repartition"), ("4", "Variables")):
        both.show(key, f"{title} Screen")
    both.press("5")
    both.wait_for("TDM map Screen")
    for session in both.terminals:
        rows = re.findall(r"^[.*]{8}$", session.wait_for(r"3/48 circuits \(6%\) in use"), re.MULTILINE)
        assert len(rows) == 6 and "".join(rows).count("*") == 3
    both.press("1")
    both.command("set hide false")
    both.wait_for(r"\n +100 <-+")
    both.assert_same("Scenario Screen")
    both.command("set index true")
    both.wait_for(r"\n0 : +INVITE -+>")
    both.assert_same("Scenario Screen")
    both.press("q")
    both.wait_for("Waiting for active calls to end")
    both.assert_same("Scenario Screen")


def test_the_footer_of_a_pause_and_the_warnings_of_bad_commands(pair: Callable[..., Pair]) -> None:
    both = pair("-sn", "uac", "-r", 20)
    both.wait_for(r"INVITE -+> +[1-9]")
    both.press("p")
    both.wait_for("Traffic Paused")
    both.assert_same("Scenario Screen")
    both.press("p")
    for text, error in (
        ("set rate fast", 'Invalid rate value: "fast"'),
        ("set users 5", "Users can not be changed at run time for a rate-based benchm..."),
        ("set display foo", "Unknown display scenario: foo"),
        ("trace error maybe", "The trace command's second argument must be on or off."),
    ):
        both.command(text)
        both.wait_for(re.escape(f"Last Error: {error}"))
        both.assert_same("Scenario Screen")


def test_a_test_of_users(pair: Callable[..., Pair]) -> None:
    both = pair("-sn", "uac", "-users", 7, "-d", 500)
    both.wait_for(r"7 calls \(limit 7\)")
    both.assert_same("Scenario Screen")
    both.press("+")
    both.wait_for(r"\n +8 \(500 ms\)")
    both.wait_for(r"8 calls \(limit 8\)")
    both.press("/")
    both.wait_for(r"\n +0 \(500 ms\)")
    both.wait_for(r"0 calls \(limit 0\)")
    both.assert_same("Scenario Screen")


def test_a_server(pair: Callable[..., Pair]) -> None:
    both = pair("-sn", "uas", is_client=False)
    both.assert_same("Scenario Screen")
    for key, title in (("3", "Repartition"), ("4", "Variables"), ("6", "Repartition 2")):
        both.show(key, f"{title} Screen")
    both.press("2")
    both.wait_for("Statistics Screen")
    both.press("q")
    both.assert_same_at_the_end()


def test_the_end_of_m_calls(pair: Callable[..., Pair]) -> None:
    both = pair("-sn", "uac", "-r", 50, "-m", 10, "-d", 3000)
    both.wait_for("Call limit 10 hit")
    both.wait_for("Waiting for active calls to end")
    both.assert_same("Scenario Screen")
    both.assert_same_at_the_end()


def test_the_rate_grows_as_sipps_does(tmp_path: Path, peer: Callable[..., Peer]) -> None:
    """-rate_increase with -rate_max: the target rates of the statistics file in their order, and the end."""
    words = ("-r", 10, "-rate_increase", 10, "-rate_max", 35, "-fd", 1, "-trace_stat", "-stf", "stat.csv", "-nostdin")
    sessions = Pair(tmp_path, peer, "-sn", "uac", *words)
    try:
        assert [session.wait_over() for session in sessions.terminals] == [0, 0]
    finally:
        sessions.close()
    rates = []
    for name in ("sipp", "sippx"):
        rows = [line.split(";") for line in (tmp_path / name / "stat.csv").read_text().splitlines()]
        column = rows[0].index("TargetRate")
        rates.append(list(dict.fromkeys(float(row[column]) for row in rows[1:])))
    assert rates[1] == rates[0] == [10, 20, 30, 35]
