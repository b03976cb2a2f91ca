"""The command in a real terminal (tmux): live screens, keys, resizing, and the terminal left as it was."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .harness import Peer, answer_like_uas, free_port, method, response, wait_until
from .terminal import TMUX, Terminal, type_command

pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")

OpenPeer = Callable[..., Peer]
FINAL = "Test Terminated"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_(*words: object, **more: object) -> Terminal:
        command = shlex.join([sys.executable, "-m", "sippx", *map(str, words)])
        opened.append(Terminal(tmp_path, command, **more))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for session in opened:
        session.close()


def uac(target: Peer, *words: object) -> list[object]:
    return [target.address, "-i", "127.0.0.1", "-p", free_port(), "-f", "200ms", *words]


def count_of(screen: str, name: str) -> int:
    match = re.search(rf"{name} -+> +(?:[BE]-RTD\d )?(\d+)", screen)
    assert match, screen
    return int(match[1])


def test_the_live_screen_counts_up_and_a_soft_end_restores_the_terminal(
    terminal: Callable[..., Terminal], peer: OpenPeer
) -> None:
    target = peer(answer_like_uas)
    session = terminal(*uac(target, "-r", 20))
    screen = session.wait_for(r"INVITE -+> +[1-9]")
    assert session.is_full_screen
    assert "Scenario Screen" in screen.splitlines()[0]
    assert "[+|-|*|/]: Adjust rate ---- [q]: Soft exit ---- [p]: Pause traffic" in screen
    first = count_of(screen, "INVITE")
    wait_until(lambda: count_of(session.text, "INVITE") > first, "the numbers grow", 10)
    session.press("q")
    assert session.wait_over() == 0
    session.assert_restored()
    assert FINAL in session.text


def test_keys_change_the_rate_and_the_wire_follows(terminal: Callable[..., Terminal], peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    session = terminal(*uac(target, "-r", 5))
    session.wait_for(r"\n +5\.0\(0 ms\)/1\.000s")
    for keys, rate in (
        ("+", "6.0"),
        ("**", "26.0"),
        ("-", "25.0"),
        ("/", "15.0"),
        ("//", "0.0"),
        ("*****", "50.0"),
    ):
        session.press(keys)
        session.wait_for(rf"\n +{re.escape(rate)}\(0 ms\)/1\.000s")
    before = len(target.of("INVITE"))
    target.wait_for("INVITE", before + 20, 5)
    session.press("q")
    assert session.wait_over() == 0
    session.assert_restored()


def test_p_pauses_and_resumes(terminal: Callable[..., Terminal], peer: OpenPeer) -> None:
    target = peer(answer_like_uas)
    session = terminal(*uac(target, "-r", 50))
    session.wait_for(r"INVITE -+> +[1-9]")
    session.press("p")
    session.wait_for("Traffic Paused - Press \\[p\\] again to resume")
    paused_at = len(target.of("INVITE"))
    time.sleep(0.5)
    assert len(target.of("INVITE")) == paused_at
    session.press("p")
    session.wait_for("Pause traffic")
    target.wait_for("INVITE", paused_at + 5, 10)
    session.press("q")
    assert session.wait_over() == 0


def test_digits_choose_the_screen_and_unknown_keys_do_nothing(
    terminal: Callable[..., Terminal], peer: OpenPeer
) -> None:
    session = terminal(*uac(peer(answer_like_uas), "-r", 50))
    for key, title in (
        ("2", "Statistics Screen"),
        ("3", "Repartition Screen"),
        ("4", "Variables Screen"),
        ("x", "Variables Screen"),
        ("1", "Scenario Screen"),
    ):
        session.press(key) if key != "2" else session.wait_for("Scenario Screen") and session.press(key)
        screen = session.wait_for(title)
        assert title in screen.splitlines()[0]
    session.press("2")
    assert re.search(r"Successful call +\| +\d+ +\| +[1-9]\d*", session.wait_for("Outgoing calls created"))
    session.press("3")
    assert re.search(r"0 ms <= n < +10 ms : +[1-9]", session.wait_for("Average Response Time Repartition 1"))
    session.press("q")
    assert session.wait_over() == 0
    session.assert_restored()


def test_the_screen_follows_the_size_of_the_window(terminal: Callable[..., Terminal], peer: OpenPeer) -> None:
    session = terminal(*uac(peer(answer_like_uas), "-r", 50))
    session.wait_for("Adjust rate")
    for columns, rows in ((60, 12), (200, 60), (20, 3), (1, 1), (80, 24)):
        session.resize(columns, rows)
        time.sleep(0.4)
        lines = session.text.splitlines()
        assert all(len(line) <= columns for line in lines)
    screen = session.wait_for("Adjust rate")
    assert "Scenario Screen" in screen.splitlines()[0]
    session.press("q")
    assert session.wait_over() == 0
    session.assert_restored()


def test_q_ends_softly_and_a_second_one_at_once(
    terminal: Callable[..., Terminal], peer: OpenPeer
) -> None:
    target = peer(lambda message: [response(message, "180 Ringing")] if method(message) == "INVITE" else [])
    session = terminal(*uac(target, "-r", 20))
    session.wait_for(r"180 <-+ +[1-9]")
    session.press("q")
    session.wait_for("Waiting for active calls to end. Press \\[q\\] again to force exit.")
    session.press("q")
    assert session.wait_over() == 1
    session.assert_restored()
    assert FINAL in session.text
    assert target.of("CANCEL")


def test_ctrl_c_ends_now_and_gives_the_terminal_back(terminal: Callable[..., Terminal], peer: OpenPeer) -> None:
    target = peer(lambda message: [response(message, "180 Ringing")] if method(message) == "INVITE" else [])
    session = terminal(*uac(target, "-r", 20))
    session.wait_for(r"180 <-+ +[1-9]")
    session.press("\x03")
    assert session.wait_over() == 0
    session.assert_restored()
    assert FINAL in session.text
    assert not target.of("CANCEL")


def test_a_server_shows_its_footer_and_ends_by_q(terminal: Callable[..., Terminal]) -> None:
    session = terminal("-sn", "uas", "-i", "127.0.0.1", "-p", free_port(), "-f", "200ms")
    screen = session.wait_for("SIPp Server Mode")
    assert "----------> INVITE" in screen
    session.press("q")
    assert session.wait_over() == 0
    session.assert_restored()


def test_an_error_before_the_run_leaves_the_terminal_alone(terminal: Callable[..., Terminal]) -> None:
    session = terminal("-sf", "missing.xml", "127.0.0.1")
    assert session.wait_over() == 1
    session.assert_restored()
    assert "sippx: missing.xml: cannot read the scenario" in session.text


@pytest.mark.parametrize("term", ["dumb", "no-such-terminal"])
def test_a_terminal_without_a_cursor_gets_a_line_of_progress(
    terminal: Callable[..., Terminal], peer: OpenPeer, term: str
) -> None:
    session = terminal(*uac(peer(answer_like_uas), "-r", 20, "-m", 50), term=term)
    session.wait_for(r"calls/s +calls")
    assert not session.is_full_screen
    assert session.wait_over() == 0
    session.assert_restored()
    assert FINAL in session.text


def test_nostdin_ignores_keys(terminal: Callable[..., Terminal], peer: OpenPeer) -> None:
    session = terminal(*uac(peer(answer_like_uas), "-r", 20, "-m", 40, "-nostdin"))
    session.wait_for(r"INVITE -+> +[1-9]")
    session.press("qqQ2")
    assert session.wait_over() == 0
    assert re.search(r"Successful call +\| +\d+ +\| +40", session.text)


def test_what_a_peer_sends_does_not_reach_the_terminal_as_commands(
    terminal: Callable[..., Terminal], peer: OpenPeer
) -> None:
    evil = "\x1b]2;owned\x07\x1b[2J\x1b[31mred"
    target = peer(lambda m: [response(m, "486 Busy", more=f"X: {evil}\r\n")] if method(m) == "INVITE" else [])
    session = terminal(*uac(target, "-r", 20, "-m", 30))
    session.wait_for("Last Error")
    assert session.wait_over() == 1
    session.assert_restored()
    assert "owned" not in session._tmux("display-message", "-p", "#{pane_title}")
    assert "\\x1b" in session.text


# ---- commands ---------------------------------------------------------------------------------------------

ACTIONS = """<?xml version="1.0"?>
<scenario name="acting"><Global variables="gv"/>
<send retrans="500"><![CDATA[
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
  <ereg regexp="Ringing" search_in="msg" assign_to="gv"/><log message="r=[$gv]"/>
</action></recv>
<recv response="200"/>
<pause milliseconds="60000"/>
</scenario>
"""


@pytest.fixture
def acting(tmp_path: Path) -> list[object]:
    """Options for a scenario with actions, a hidden step and TDM circuits, three calls of which stay open."""
    (tmp_path / "acting.xml").write_text(ACTIONS)
    return ["-sf", "acting.xml", "-tdmmap", "{0-2}{5}{1-2}{1-8}", "-r", 50, "-l", 3]


def test_a_command_is_echoed_below_the_screen_edited_and_executed(
    terminal: Callable[..., Terminal], peer: OpenPeer
) -> None:
    session = terminal(*uac(peer(answer_like_uas), "-r", 5))
    session.wait_for(r"\n +5\.0\(0 ms\)/1\.000s")
    session.press("cset rate 70q")
    screen = session.wait_for("Command: set rate 70q")
    assert screen.index("Adjust rate") < screen.index("Command: ")
    session.press("\x7f\x7f\r")
    screen = session.wait_for(r"\n +7\.0\(0 ms\)/1\.000s")
    assert "Command:" not in session.text
    session.press("cxyz")
    session.wait_for("Command: xyz")
    session.press("\x1b")
    wait_until(lambda: "Command:" not in session.text, "escape leaves the command", 10)
    type_command(session, "set rate-scale 2")
    session.press("+")
    session.wait_for(r"\n +9\.0\(0 ms\)/1\.000s")
    type_command(session, "set rate fast")
    session.wait_for('Last Error: Invalid rate value: "fast"')
    type_command(session, "set users 5")
    session.wait_for("Last Error: Users can not be changed at run time for a rate-based benchm")
    session.press("q")
    assert session.wait_over() == 0
    session.assert_restored()


def test_hidden_messages_and_indexes_are_shown_by_command(
    terminal: Callable[..., Terminal], peer: OpenPeer, acting: list[object]
) -> None:
    session = terminal(*uac(peer(answer_like_uas), *acting))
    screen = session.wait_for(r"200 <-+ +3")
    assert "100 <--" not in screen
    assert "3 calls (limit 3)" in screen
    type_command(session, "set hide false")
    session.wait_for(r"\n +100 <-+")
    type_command(session, "set index true")
    assert re.search(r"\n3 : +200 <-+ +3", session.wait_for(r"\n0 : +INVITE -+>"))
    type_command(session, "set index false")
    session.wait_for(r"\n +INVITE -+>")
    type_command(session, "set limit 5")
    session.wait_for(r"5 calls \(limit 5\)")
    type_command(session, "set display ooc")
    session.wait_for("Last Error: Unknown display scenario: ooc")
    session.press("Q")
    assert session.wait_over() == 1
    session.assert_restored()


def test_the_variables_and_tdm_screens_show_actions_and_circuits(
    terminal: Callable[..., Terminal], peer: OpenPeer, acting: list[object]
) -> None:
    session = terminal(*uac(peer(answer_like_uas), *acting))
    session.wait_for(r"200 <-+ +3")
    session.press("4")
    screen = session.wait_for("Variables Screen")
    assert "=> Message[2] (Receive Message) - [2] action(s) defined :" in screen
    assert "   --> action[1] = Type[13] - message[r=[$gv]                         ]" in screen
    session.press("5")
    screen = session.wait_for("TDM map Screen")
    rows = re.findall(r"^[.*]{8}$", screen, re.MULTILINE)
    assert len(rows) == 6 and "".join(rows).count("*") == 3
    assert "3/48 circuits (6%) in use" in screen
    session.press("Q")
    assert session.wait_over() == 1


def test_without_a_tdm_map_its_key_does_nothing(terminal: Callable[..., Terminal], peer: OpenPeer) -> None:
    session = terminal(*uac(peer(answer_like_uas), "-r", 20))
    session.wait_for("Scenario Screen")
    session.press("25")
    session.wait_for("Statistics Screen")
    session.press("5")
    time.sleep(0.5)
    assert "Statistics Screen" in session.text
    session.press("q")
    assert session.wait_over() == 0


def test_keys_and_commands_change_the_users(terminal: Callable[..., Terminal], peer: OpenPeer) -> None:
    session = terminal(*uac(peer(answer_like_uas), "-users", 7, "-d", 300, "-rate_scale", 2))
    screen = session.wait_for(r"\n +7 \(300 ms\)")
    assert "  Users (length)   Port" in screen and "(limit 7)" in screen
    session.press("+")
    session.wait_for(r"\n +9 \(300 ms\)")
    session.press("/")
    session.wait_for(r"\n +0 \(300 ms\)")
    type_command(session, "set users 4")
    session.wait_for(r"\n +4 \(300 ms\)")
    session.wait_for(r"4 calls \(limit 4\)")
    for command, error in (
        ("set rate 4", "Rates can not be set in a user-based benchmark."),
        ("set limit 4", "Can not set call limit for a user-based benchmark."),
    ):
        type_command(session, command)
        session.wait_for(re.escape(f"Last Error: {error}"))
    session.press("q")
    assert session.wait_over() == 0
    session.assert_restored()


def test_reset_stats_begins_again_from_0_and_keeps_what_is_open(
    terminal: Callable[..., Terminal], peer: OpenPeer, acting: list[object]
) -> None:
    session = terminal(*uac(peer(answer_like_uas), *acting))
    session.wait_for(r"200 <-+ +3")
    session.press("2")
    session.wait_for(r"Outgoing calls created +\| +\d+ +\| +3")
    type_command(session, "reset stats")
    screen = session.wait_for(r"Outgoing calls created +\| +\d+ +\| +0")
    assert re.search(r"Current Calls +\| +3 ", screen)
    session.press("1")
    assert count_of(session.wait_for("Scenario Screen"), "INVITE") == 0
    session.press("q")
    session.wait_for("Waiting for active calls to end")
    session.press("q")
    assert session.wait_over() == 1


def test_logs_are_switched_on_and_off_by_command(
    terminal: Callable[..., Terminal], peer: OpenPeer, tmp_path: Path
) -> None:
    session = terminal(*uac(peer(answer_like_uas), "-r", 20))
    session.wait_for(r"INVITE -+> +[1-9]")
    assert not list(tmp_path.glob("uac_*"))
    type_command(session, "trace messages on")
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.glob("uac_*_messages.log")), "messages are logged", 10)
    type_command(session, "trace messages off")
    time.sleep(0.7)
    (log,) = tmp_path.glob("uac_*_messages.log")
    size = log.stat().st_size
    assert b"INVITE sip:" in log.read_bytes()
    time.sleep(0.7)
    assert log.stat().st_size == size
    type_command(session, "trace messages on")
    wait_until(lambda: log.stat().st_size > size, "the log goes on", 10)
    type_command(session, "trace error on")
    type_command(session, "dump tasks")
    session.wait_for("Last Error: .*calls, one task each")
    session.press("q")
    assert session.wait_over() == 0
    (errors,) = tmp_path.glob("uac_*_errors.log")
    assert "Active Tasks ----" in errors.read_text()


def test_s_writes_all_screens_to_the_screen_file(
    terminal: Callable[..., Terminal], peer: OpenPeer, tmp_path: Path
) -> None:
    session = terminal(*uac(peer(answer_like_uas), "-r", 20))
    session.wait_for(r"INVITE -+> +[1-9]")
    session.press("s")
    wait_until(lambda: list(tmp_path.glob("uac_*_screen.log")), "the screens are written", 10)
    (path,) = tmp_path.glob("uac_*_screen.log")
    wait_until(lambda: "Repartition Screen" in path.read_text(), "all of them", 10)
    session.press("q")
    assert session.wait_over() == 0


def test_no_colour_is_ever_sent(terminal: Callable[..., Terminal], peer: OpenPeer) -> None:
    session = terminal(*uac(peer(answer_like_uas), "-r", 20))
    session.wait_for(r"INVITE -+> +[1-9]")
    assert "\x1b[3" not in session._tmux("capture-pane", "-p", "-e")
    session.press("q")
    assert session.wait_over() == 0


@pytest.mark.parametrize(
    ("words", "name", "main_footer", "other_footer"),
    [
        (("-oocsn", "ooc_default"), "ooc", "Adjust rate", "SIPp Server Mode"),
        (("-rxrn", "uas"), "rx", "Sipp Mixed Mode - main -  call originating", "Sipp Mixed mode - rx - call terminating"),
    ],
)
def test_the_display_changes_to_the_second_scenario_and_back(
    terminal: Callable[..., Terminal], peer: OpenPeer, words: tuple[str, ...], name: str, main_footer: str,
    other_footer: str,
) -> None:  # fmt: skip
    session = terminal(*uac(peer(answer_like_uas), "-r", 20, *words))
    session.wait_for(re.escape(main_footer))
    type_command(session, f"set display {name}")
    screen = session.wait_for(re.escape(other_footer))
    assert re.search(r"-+> [A-Z.*]+ +0 ", screen)
    session.press("2")
    session.wait_for(r"Outgoing calls created \| +0 +\| +0\n")
    session.press("1")
    type_command(session, "set display main")
    assert count_of(session.wait_for(re.escape(main_footer)), "INVITE") > 0
    session.press("q")
    assert session.wait_over() == 0
    session.assert_restored()
