"""The command in a real terminal (tmux): live screens, keys, resizing, and the terminal left as it was."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sippx

from .harness import Peer, answer_like_uas, free_port, method, response, wait_until

TMUX = shutil.which("tmux")
pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")

OpenPeer = Callable[..., Peer]
FINAL = "Test Terminated"


class Terminal:
    """A shell command in a terminal of its own; text is what its screen shows."""

    def __init__(
        self, folder: Path, command: str, *, columns: int = 100, rows: int = 40, term: str = ""
    ) -> None:
        self.folder = folder
        self._socket = f"sippx-test-{os.getpid()}-{time.monotonic_ns()}"
        path = Path(sippx.__file__).parents[1]
        script = folder / "session.sh"
        script.write_text(
            f"cd {shlex.quote(str(folder))}\nexport PYTHONPATH={shlex.quote(str(path))}\n"
            + (f"export TERM={term}\n" if term else "")
            + f"trap : INT\nstty -a > before\n{command}\necho $? > code\nstty -a > after\ntouch over\nsleep 30\n"
        )
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), f"sh {script}"
        )
        self._tmux("set-option", "-g", "window-size", "manual")

    def close(self) -> None:
        """End the session's own tmux server."""
        self._tmux("kill-server")

    @property
    def text(self) -> str:
        """The visible screen."""
        return self._tmux("capture-pane", "-p")

    @property
    def is_full_screen(self) -> bool:
        """True while the program shows the alternate screen."""
        return self._tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    def press(self, keys: str) -> None:
        """Type characters."""
        self._tmux("send-keys", "-l", keys)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def wait_for(self, pattern: str, deadline_s: float = 20) -> str:
        """The screen as soon as it shows the pattern."""
        try:
            wait_until(lambda: re.search(pattern, self.text), pattern, deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text}") from None
        return self.text

    def wait_over(self) -> int:
        """Exit code of the command."""
        wait_until((self.folder / "over").exists, "the command ends", 30)
        return int((self.folder / "code").read_text())

    def assert_restored(self) -> None:
        """The terminal is as it was before the command."""
        before, after = (
            re.sub(r"rows \d+; columns \d+;", "", (self.folder / name).read_text()) for name in ("before", "after")
        )
        assert after == before
        assert not self.is_full_screen
        assert self._tmux("display-message", "-p", "#{cursor_flag}").strip() == "1", "the cursor is hidden"

    def _tmux(self, *words: str) -> str:
        assert TMUX is not None
        done = subprocess.run(
            [TMUX, "-L", self._socket, *words], capture_output=True, text=True, timeout=20, check=False
        )
        return done.stdout


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


def test_ctrl_c_ends_softly_and_a_second_one_at_once(
    terminal: Callable[..., Terminal], peer: OpenPeer
) -> None:
    target = peer(lambda message: [response(message, "180 Ringing")] if method(message) == "INVITE" else [])
    session = terminal(*uac(target, "-r", 20))
    session.wait_for(r"180 <-+ +[1-9]")
    session.press("\x03")
    session.wait_for("Waiting for active calls to end. Press \\[q\\] again to force exit.")
    session.press("\x03")
    assert session.wait_over() == 1
    session.assert_restored()
    assert FINAL in session.text
    assert target.of("CANCEL")


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
