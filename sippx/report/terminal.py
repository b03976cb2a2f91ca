"""Showing a run while it lasts: full screens with curses, one progress line, or nothing.

The screen is chosen by what stdout and stderr are. Keys are not read here: `Display.select` is told
which screen is wanted. Nothing here handles signals; open the display after the run has installed its
own handlers, because curses installs some of its own where there are none.
"""

from __future__ import annotations

import contextlib
import locale
import os
import sys
import termios
from collections.abc import Sequence
from typing import IO, Any, Protocol

from sippx.report.flow import FlowStep, Measures, RunInfo
from sippx.report.screen import SCREEN_KEYS, View, screen_lines
from sippx.report.snapshot import Snapshot
from sippx.report.stamps import clock_text

PROGRESS_INTERVAL_NS = 1_000_000_000
_CURSES_FD = 1


class Painter(Protocol):
    """Where the display is drawn."""

    def paint(self, view: View, key: str, prompt: str) -> None:
        """Show a view as the screen selected by key, and a line of input below it."""

    def was_resized(self) -> bool:
        """True once after the window changed its size."""

    def close(self) -> None:
        """Leave the terminal as it was found; safe to call twice."""


def clip(lines: Sequence[str], n_rows: int, n_columns: int) -> list[str]:
    """What of a screen fits a window; the last line, which says what the run does, always stays."""
    lines = [line.expandtabs()[: max(n_columns, 0)] for line in lines]
    if len(lines) > n_rows:
        return lines[: n_rows - 1] + lines[-1:] if n_rows > 0 else []
    return lines


def terminal_size(fd: int) -> tuple[int, int]:
    """Rows and columns of a terminal; 24 and 80 where it does not say."""
    try:
        size = os.get_terminal_size(fd)
    except OSError:
        return 24, 80
    return size.lines or 24, size.columns or 80


def printable_line(line: str) -> str:
    """The line with what a terminal could take for a command, or cannot show, replaced."""
    encoding = locale.getpreferredencoding(False)
    shown = line.encode(encoding, "replace").decode(encoding)
    return "".join(char if char.isprintable() else "?" for char in shown)


def progress_text(view: View) -> str:
    """One line on how the run goes: time, rate since the last line, calls, open calls, failures."""
    total = view.total
    return (
        f"{clock_text(total.elapsed_ns)}  {view.period.call_rate:,.1f} calls/s  "
        f"calls {total.calls_created:,}  open {total.gauge('current_calls'):,}  "
        f"failed {total.counter('failed_calls'):,}"
    )


class CursesPainter:
    """Full screens on a terminal. Raises ValueError when the terminal cannot show them."""

    def __init__(self, stdout: IO[str]) -> None:
        self._fd = stdout.fileno()
        if self._fd != _CURSES_FD:
            raise ValueError("curses draws on the process's standard output only")
        if _is_background(self._fd):
            raise ValueError("a background job that changes its terminal's modes would be stopped")
        self._curses = _usable_curses(self._fd)
        self._saved_modes = termios.tcgetattr(self._fd)
        stdout.flush()
        self._window: Any = self._curses.initscr()
        try:
            self._size = terminal_size(self._fd)
            self._curses.noecho()
            self._curses.cbreak()
            with contextlib.suppress(self._curses.error):  # not every terminal can hide its cursor
                self._curses.curs_set(0)
        except BaseException:
            self.close()
            raise

    def paint(self, view: View, key: str, prompt: str) -> None:
        """Draw a screen; a window too small for it shows its beginning and its last line."""
        lines = screen_lines(key, view)
        if prompt:
            lines.append(prompt)
        self._apply_size()
        window = self._window
        window.erase()
        for row, line in enumerate(clip(lines, *window.getmaxyx())):
            # curses complains about the bottom right cell after it has drawn it.
            with contextlib.suppress(self._curses.error):
                window.addstr(row, 0, printable_line(line))
        window.refresh()

    def was_resized(self) -> bool:
        """True once after the window changed its size."""
        return terminal_size(self._fd) != self._size

    def close(self) -> None:
        """Leave the full screen and give the terminal its modes back."""
        window, self._window = self._window, None
        if window is not None:
            with contextlib.suppress(self._curses.error):
                self._curses.curs_set(1)
            with contextlib.suppress(self._curses.error):
                self._curses.endwin()
        with contextlib.suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved_modes)

    def _apply_size(self) -> None:
        size = terminal_size(self._fd)
        if size != self._size:
            self._size = size
            with contextlib.suppress(self._curses.error):
                self._curses.resizeterm(*size)
            self._window.clear()


def _is_background(fd: int) -> bool:
    try:
        return os.tcgetpgrp(fd) != os.getpgrp()
    except OSError:  # not our controlling terminal: no job control to fear
        return False


def _usable_curses(fd: int) -> Any:
    """The curses module, set up for the terminal; ValueError when it cannot address its cursor."""
    # setupterm first: initscr ends the process when it does not know the terminal.
    try:
        import curses

        curses.setupterm(fd=fd)
        if not curses.tigetstr("cup"):
            raise ValueError(f"TERM={os.environ.get('TERM', '')} cannot place its cursor")
    except ImportError as error:
        raise ValueError("this Python has no curses") from error
    except curses.error as error:
        raise ValueError(f"TERM={os.environ.get('TERM', '')}: {error}") from error
    return curses


class ProgressPainter:
    """One line on a terminal that is rewritten in place."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._width = 0

    def paint(self, view: View, key: str, prompt: str) -> None:
        """Rewrite the line, cut to the width of the window."""
        with _gone_is_fine():
            n_columns = terminal_size(self._stream.fileno())[1]
            text = progress_text(view)[: n_columns - 1]
            self._stream.write(f"\r{text:{self._width}s}")
            self._stream.flush()
            self._width = len(text)

    def was_resized(self) -> bool:
        """A line needs no redrawing."""
        return False

    def close(self) -> None:
        """End the line, so that what follows begins a new one."""
        with _gone_is_fine():
            if self._width:
                self._width = 0
                self._stream.write("\n")
                self._stream.flush()


def _gone_is_fine() -> contextlib.suppress:
    # The terminal may have been closed, or the stream by the caller: the run goes on without them.
    return contextlib.suppress(OSError, ValueError)


class NoPainter:
    """Shows nothing."""

    def paint(self, view: View, key: str, prompt: str) -> None:
        """Draw nothing."""

    def was_resized(self) -> bool:
        """There is no window."""
        return False

    def close(self) -> None:
        """There is nothing to leave."""


class Display:
    """What the run shows: which screen, how often, and what changed since it was last drawn.

    refresh_ns  time between drawings, 0: only at the start and when asked for (-f)
    prompt      a line of input shown below the screen, "" for none
    """

    def __init__(
        self, painter: Painter, steps: Sequence[FlowStep], measures: Measures, refresh_ns: int
    ) -> None:
        self.prompt = ""
        self._painter = painter
        self._steps = steps
        self._measures = measures
        self._refresh_ns = refresh_ns
        self._key = "1"
        self._previous: Snapshot | None = None
        self._next_ns = 0
        self._requested = True

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def is_live(self) -> bool:
        """False when nothing is shown while the run lasts."""
        return not isinstance(self._painter, NoPainter)

    def select(self, key: str) -> bool:
        """Choose the screen of a key and have it drawn soon; False when no screen has that key."""
        if key not in SCREEN_KEYS:
            return False
        self._key = key
        self._requested = True
        return True

    def request(self) -> None:
        """Have the screen drawn soon."""
        self._requested = True

    def is_due(self, now_ns: int) -> bool:
        """True when `draw` should be called; cheap enough for every slice of the run. now_ns: monotonic."""
        if not self.is_live:
            return False
        if self._requested or self._painter.was_resized():
            return True
        return self._refresh_ns > 0 and now_ns >= self._next_ns

    def draw(self, total: Snapshot, info: RunInfo) -> None:
        """Draw now; the period shown began with the previous drawing."""
        self._painter.paint(self._view(total, info), self._key, self.prompt)
        self._previous = total
        self._requested = False
        self._next_ns = total.monotonic_ns + self._refresh_ns

    def close(self) -> None:
        """Leave the terminal as it was found; safe to call twice."""
        self._painter.close()

    def final_lines(self, total: Snapshot, info: RunInfo) -> list[str]:
        """SIPp's last output: the current screen, then the statistics screen unless it was that."""
        view = self._view(total, info)
        lines = screen_lines(self._key, view, final=True)
        return lines if self._key == "2" else lines + screen_lines("2", view, final=True)

    def dump_lines(self, total: Snapshot, info: RunInfo) -> list[str]:
        """All screens one behind the other, as SIPp writes them to its screen file."""
        view = self._view(total, info)
        return [line for key in SCREEN_KEYS for line in screen_lines(key, view)]

    def _view(self, total: Snapshot, info: RunInfo) -> View:
        period = total if self._previous is None else total - self._previous
        return View(total, period, self._steps, self._measures, info)


def open_display(
    steps: Sequence[FlowStep],
    measures: Measures,
    *,
    refresh_ms: int = 1000,
    stdout: IO[str] | None = None,
    stderr: IO[str] | None = None,
) -> Display:
    """Choose how the run is shown: screens if stdout is a terminal, else a line on stderr if that is one.

    A terminal that cannot show screens gets the progress line too. Close the display, whatever happens.
    """
    stdout = sys.stdout if stdout is None else stdout
    stderr = sys.stderr if stderr is None else stderr
    refresh_ns = refresh_ms * 1_000_000
    if _is_terminal(stdout):
        try:
            return Display(CursesPainter(stdout), steps, measures, refresh_ns)
        except ValueError:
            stderr = stderr if _is_terminal(stderr) else stdout
    if refresh_ns and _is_terminal(stderr):
        progress_ns = max(refresh_ns, PROGRESS_INTERVAL_NS)
        return Display(ProgressPainter(stderr), steps, measures, progress_ns)
    return Display(NoPainter(), steps, measures, refresh_ns)


def _is_terminal(stream: IO[str]) -> bool:
    try:
        return stream.isatty() and stream.fileno() >= 0
    except (OSError, ValueError, AttributeError):
        return False
