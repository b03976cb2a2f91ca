"""A command in a terminal of its own (tmux), for the tests of screens and keys."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import sippx

from .harness import wait_until

TMUX = shutil.which("tmux")


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


def type_command(session: Terminal, text: str) -> None:
    """Type a command behind c, and Enter."""
    session.press("c" + text)
    session.wait_for(re.escape("Command: " + text))
    session.press("\r")
