"""Showing a run while it lasts: full screens with curses, a progress line, or nothing.

How it is shown is chosen by what stdout and stderr are: screens on stdout, else one line on stderr that is
rewritten, else (no terminal at all) a line on stderr every PLAIN_INTERVAL_NS. Nothing but final screens is
ever written to a stdout that is no terminal. Keys are not read here: `Display.select` is told which screen is
wanted. Nothing here handles signals; open the display after the run has installed its own
handlers, because curses installs some of its own where there are none.
"""

from __future__ import annotations

import contextlib
import locale
import os
import sys
import termios
import time
from collections.abc import Sequence
from typing import IO, Any, Protocol

from sippx.report.flow import Flow, FlowStep, Measures, RunInfo, ScenarioName
from sippx.report.screen import DUMPED_KEYS, SCREEN_KEYS, View, screen_lines
from sippx.report.snapshot import Snapshot
from sippx.report.stamps import NS_PER_S, clock_text

PROGRESS_INTERVAL_NS = 1_000_000_000
PLAIN_INTERVAL_NS = 10_000_000_000
_CURSES_FD = 1


class Painter(Protocol):
    """Where the display is drawn.

    draws_at_once  a drawing comes at the start and whenever something changed, not only after each period
    """

    draws_at_once: bool

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
    text = (
        f"{clock_text(total.elapsed_ns)}  {view.period.call_rate:,.1f} calls/s  "
        f"calls {total.calls_created:,}  open {total.gauge('current_calls'):,}  "
        f"failed {total.counter('failed_calls'):,}"
    )
    left_s = _remaining_s(view)
    return text if left_s is None else f"{text}  left {clock_text(int(left_s * NS_PER_S))}"


def _remaining_s(view: View) -> float | None:
    """Time until the run places no more calls: by -m at the rate of now, or by its duration; None: not known."""
    info, total = view.info, view.total
    ends_s = []
    if info.duration_s is not None:
        ends_s.append(info.duration_s - total.elapsed_s)
    if info.max_calls is not None and view.period.call_rate > 0:
        ends_s.append((info.max_calls - total.calls_created) / view.period.call_rate)
    return max(0.0, min(ends_s)) if ends_s else None


class CursesPainter:
    """Full screens on a terminal. Raises ValueError when the terminal cannot show them."""

    draws_at_once = True

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
        with contextlib.suppress(self._curses.error):  # the terminal may be gone
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
    """One line on a terminal that is rewritten in place; while a command is typed it shows that."""

    draws_at_once = True

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._width = 0

    def paint(self, view: View, key: str, prompt: str) -> None:
        """Rewrite the line, cut to the width of the window."""
        with _gone_is_fine():
            n_columns = terminal_size(self._stream.fileno())[1]
            text = printable_line(prompt or progress_text(view))[: n_columns - 1]
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


class LinePainter:
    """A line after the other on a stream that is no terminal."""

    draws_at_once = False

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def paint(self, view: View, key: str, prompt: str) -> None:
        """Write a line."""
        with _gone_is_fine():
            print(progress_text(view), file=self._stream, flush=True)

    def was_resized(self) -> bool:
        """There is no window."""
        return False

    def close(self) -> None:
        """There is nothing to leave."""


class NoPainter:
    """Shows nothing."""

    draws_at_once = False

    def paint(self, view: View, key: str, prompt: str) -> None:
        """Draw nothing."""

    def was_resized(self) -> bool:
        """There is no window."""
        return False

    def close(self) -> None:
        """There is nothing to leave."""


class Display:
    """What the run shows: which screen of which scenario, how often, and what changed since it was last drawn.

    refresh_ns  time between drawings, 0: only at the start and when asked for (-f)
    prompt      a line of input shown below the screen, "" for none
    is_quiet    nothing is printed at the end
    hides       steps that the scenario hides are left out; is_indexed: messages begin with their index
    has_tdm_map whether there is a screen of circuits
    """

    def __init__(
        self,
        painter: Painter,
        steps: Sequence[FlowStep],
        measures: Measures,
        refresh_ns: int,
        *,
        action_lines: Sequence[str] = (),
        is_quiet: bool = False,
    ) -> None:
        self.prompt = ""
        self.hides = True
        self.is_indexed = False
        self.has_tdm_map = False
        self._painter = painter
        self._flows: dict[ScenarioName, Flow] = {"main": Flow(steps, measures, action_lines)}
        self._shown: ScenarioName = "main"
        self._refresh_ns = refresh_ns
        self._is_quiet = is_quiet
        self._key = "1"
        self._previous: dict[ScenarioName, Snapshot] = {}
        self._next_ns = 0 if painter.draws_at_once else time.monotonic_ns() + refresh_ns
        self._requested = painter.draws_at_once

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def is_live(self) -> bool:
        """False when nothing is shown while the run lasts."""
        return not isinstance(self._painter, NoPainter)

    @property
    def shown(self) -> ScenarioName:
        """The scenario whose figures `draw`, `final_lines` and `dump_lines` take."""
        return self._shown

    def add(self, name: ScenarioName, flow: Flow) -> None:
        """Another scenario of the run that can be shown."""
        self._flows[name] = flow

    def show(self, name: str) -> bool:
        """Show the figures of another scenario from now on; False when the run has none of that name."""
        if name not in self._flows:
            return False
        self._shown = name
        self.request()
        return True

    def select(self, key: str) -> bool:
        """Choose the screen of a key and have it drawn soon; False when no screen has that key."""
        if key not in SCREEN_KEYS:
            return False
        self._key = key
        self.request()
        return True

    def request(self) -> None:
        """Have the screen drawn soon."""
        self._requested = self._painter.draws_at_once

    def set_prompt(self, prompt: str) -> None:
        """The line of input below the screen; drawn soon where it changed."""
        if prompt != self.prompt:
            self.prompt = prompt
            self.request()

    def is_due(self, now_ns: int) -> bool:
        """True when `draw` should be called; cheap enough for every slice of the run. now_ns: monotonic."""
        if not self.is_live:
            return False
        if self._requested or self._painter.was_resized():
            return True
        return self._refresh_ns > 0 and now_ns >= self._next_ns

    def draw(self, total: Snapshot, info: RunInfo) -> None:
        """Draw now; the period shown began with the previous drawing of this scenario's figures."""
        self._painter.paint(self._view(total, info), self._key, self.prompt)
        self._previous[self._shown] = total
        self._requested = False
        self._next_ns = total.monotonic_ns + self._refresh_ns

    def close(self) -> None:
        """Leave the terminal as it was found; safe to call twice."""
        self._painter.close()

    def final_lines(self, total: Snapshot, info: RunInfo) -> list[str]:
        """SIPp's last output: the current screen, then the statistics screen unless it was that."""
        if self._is_quiet:
            return []
        view = self._view(total, info)
        lines = screen_lines(self._key, view, final=True)
        return lines if self._key == "2" else lines + screen_lines("2", view, final=True)

    def dump_lines(self, total: Snapshot, info: RunInfo) -> list[str]:
        """Scenario, statistics and all repartition screens one behind the other, as in SIPp's screen file."""
        view = self._view(total, info)
        n_repartitions = max(1, min(len(view.measures.rtd_names), len(DUMPED_KEYS) - 2))
        return [line for key in DUMPED_KEYS[: 2 + n_repartitions] for line in screen_lines(key, view)]

    def _view(self, total: Snapshot, info: RunInfo) -> View:
        flow, previous = self._flows[self._shown], self._previous.get(self._shown)
        period = total if previous is None else total - previous
        return View(total, period, flow.steps, flow.measures, info, flow.action_lines, self.hides, self.is_indexed)


def open_display(
    steps: Sequence[FlowStep],
    measures: Measures,
    *,
    refresh_ms: int = 1000,
    action_lines: Sequence[str] = (),
    is_quiet: bool = False,
    stdout: IO[str] | None = None,
    stderr: IO[str] | None = None,
) -> Display:
    """Choose how the run is shown, as the module's text says; is_quiet: not at all, nor at the end.

    A terminal that cannot show screens gets the progress line too. Close the display, whatever happens.
    """
    stdout = sys.stdout if stdout is None else stdout
    stderr = sys.stderr if stderr is None else stderr
    painter, refresh_ns = _choose(stdout, stderr, 0 if is_quiet else refresh_ms * 1_000_000, is_quiet)
    return Display(painter, steps, measures, refresh_ns, action_lines=action_lines, is_quiet=is_quiet)


def _choose(stdout: IO[str] | None, stderr: IO[str] | None, refresh_ns: int, is_quiet: bool) -> tuple[Painter, int]:
    if is_quiet:
        return NoPainter(), refresh_ns
    if stdout is not None and _is_terminal(stdout):
        try:
            return CursesPainter(stdout), refresh_ns
        except ValueError:
            stderr = stderr if stderr is not None and _is_terminal(stderr) else stdout
    if not refresh_ns or stderr is None:
        return NoPainter(), refresh_ns
    if _is_terminal(stderr):
        return ProgressPainter(stderr), max(refresh_ns, PROGRESS_INTERVAL_NS)
    return LinePainter(stderr), max(refresh_ns, PLAIN_INTERVAL_NS)


def _is_terminal(stream: IO[str]) -> bool:
    try:
        return stream.isatty() and stream.fileno() >= 0
    except (OSError, ValueError, AttributeError):
        return False
