"""The live display: when it draws, what fits, and that a terminal is left as it was found (on real ptys)."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorder import Recorder

from sippx.report.flow import Flow, FlowStep, Measures, RunInfo
from sippx.report.screen import View
from sippx.report.terminal import Display, ProgressPainter, clip, open_display, printable_line, progress_text

STEPS = (FlowStep("send", "INVITE", request=True), FlowStep("recv", "200"))
INFO = RunInfo(client=True)
SECOND_NS = 1_000_000_000
PATHS = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]


class FakePainter:
    draws_at_once = True

    def __init__(self) -> None:
        self.drawn: list[tuple[str, View, str]] = []
        self.resized = False
        self.n_closed = 0

    def paint(self, view: View, key: str, prompt: str) -> None:
        self.drawn.append((key, view, prompt))

    def was_resized(self) -> bool:
        return self.resized

    def close(self) -> None:
        self.n_closed += 1


def snapshots() -> tuple[Recorder, Any, Any]:
    recorder = Recorder(len(STEPS))
    recorder.count("outgoing_calls", 10)
    first = recorder.snapshot(1 * SECOND_NS)
    recorder.count("outgoing_calls", 30)
    return recorder, first, recorder.snapshot(3 * SECOND_NS)


def shown(painter: FakePainter, refresh_ns: int = SECOND_NS) -> Display:
    return Display(painter, STEPS, Measures(), refresh_ns)


def test_first_drawing_is_due_at_once_and_the_next_after_the_period() -> None:
    _, first, _ = snapshots()
    display = shown(FakePainter())
    assert display.is_due(first.monotonic_ns)
    display.draw(first, INFO)
    assert not display.is_due(first.monotonic_ns + SECOND_NS - 1)
    assert display.is_due(first.monotonic_ns + SECOND_NS)


def test_refresh_zero_draws_at_the_start_and_when_asked_only() -> None:
    _, first, second = snapshots()
    display = shown(FakePainter(), 0)
    display.draw(first, INFO)
    assert not display.is_due(second.monotonic_ns)
    display.request()
    assert display.is_due(second.monotonic_ns)


def test_key_and_resize_make_a_drawing_due() -> None:
    _, first, _ = snapshots()
    painter = FakePainter()
    display = shown(painter)
    display.draw(first, INFO)
    assert display.select("3")
    assert display.is_due(first.monotonic_ns)
    display.draw(first, INFO)
    painter.resized = True
    assert display.is_due(first.monotonic_ns)
    assert painter.drawn[-1][0] == "3"


def test_key_without_screen_changes_nothing() -> None:
    _, first, _ = snapshots()
    painter = FakePainter()
    display = shown(painter)
    display.draw(first, INFO)
    assert not display.select("q")
    assert not display.is_due(first.monotonic_ns)


def test_period_drawn_began_with_the_previous_drawing() -> None:
    _, first, second = snapshots()
    painter = FakePainter()
    display = shown(painter)
    display.draw(first, INFO)
    display.draw(second, INFO)
    assert [view.period.calls_created for _, view, _ in painter.drawn] == [10, 30]
    assert painter.drawn[1][1].period.elapsed_s == 2.0


def test_final_lines_are_the_current_screen_and_the_statistics_screen() -> None:
    _, first, _ = snapshots()
    display = shown(FakePainter())
    lines = display.final_lines(first, INFO)
    titles = [line.strip("- ").split(" Screen")[0] for line in lines if "Change Screen" in line]
    assert titles == ["Scenario", "Statistics"]
    assert sum("Test Terminated" in line for line in lines) == 2
    display.select("2")
    assert sum("Test Terminated" in line for line in display.final_lines(first, INFO)) == 1


def test_display_is_closed_when_the_run_raises() -> None:
    painter = FakePainter()
    with pytest.raises(RuntimeError), shown(painter):
        raise RuntimeError
    assert painter.n_closed == 1


LINES = st.lists(st.text("ab\t", max_size=100), min_size=1, max_size=30)


@given(LINES, st.integers(0, 40), st.integers(0, 90))
def test_clipped_lines_fit_the_window_and_keep_the_last_line(
    lines: list[str], n_rows: int, n_columns: int
) -> None:
    fitting = clip(lines, n_rows, n_columns)
    assert len(fitting) == min(len(lines), n_rows)
    assert all(len(line) <= n_columns for line in fitting)
    if n_rows:
        assert fitting[-1] == lines[-1].expandtabs()[:n_columns]


def test_line_for_a_terminal_has_no_control_characters() -> None:
    assert printable_line("a\x1b[2Jb\x9bc\n") == "a?[2Jb?c?"


def test_progress_text_tells_rate_calls_and_failures() -> None:
    recorder, first, _ = snapshots()
    recorder.count("failed_calls", 2)
    recorder.set_gauge("current_calls", 1500)
    second = recorder.snapshot(3 * SECOND_NS)
    text = progress_text(View(second, second - first, STEPS, Measures(), INFO))
    assert text == "00:00:03  15.0 calls/s  calls 40  open 1,500  failed 2"


def test_without_a_terminal_a_line_comes_every_ten_seconds_on_stderr() -> None:
    out, err = io.StringIO(), io.StringIO()
    begin_ns = time.monotonic_ns()
    with open_display(STEPS, Measures(), stdout=out, stderr=err) as display:
        display.select("2")
        display.request()
        assert not display.is_due(begin_ns + 9 * SECOND_NS)
        assert display.is_due(time.monotonic_ns() + 10 * SECOND_NS)
        _, first, _ = snapshots()
        display.draw(first, INFO)
        assert not display.is_due(first.monotonic_ns + 9 * SECOND_NS)
    assert err.getvalue() == "00:00:01  10.0 calls/s  calls 10  open 0  failed 0\n"
    assert out.getvalue() == ""


def test_a_quiet_run_shows_nothing_and_ends_without_screens() -> None:
    out, err = io.StringIO(), io.StringIO()
    _, first, _ = snapshots()
    with open_display(STEPS, Measures(), is_quiet=True, stdout=out, stderr=err) as display:
        assert not display.is_live
        assert not display.is_due(first.monotonic_ns + 60 * SECOND_NS)
        assert display.final_lines(first, INFO) == []
    assert out.getvalue() == err.getvalue() == ""


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ({"max_calls": 100}, "00:00:04"),
        ({"duration_s": 63.0}, "00:01:00"),
        ({"max_calls": 100, "duration_s": 5.0}, "00:00:02"),
        ({"max_calls": 10}, "00:00:00"),
    ],
)
def test_progress_text_tells_the_time_that_is_left_where_it_is_known(more: dict[str, Any], left: str) -> None:
    _, first, second = snapshots()
    view = View(second, second - first, STEPS, Measures(), RunInfo(client=True, **more))
    assert progress_text(view).endswith(f"  left {left}")


def test_a_command_being_typed_takes_the_place_of_the_progress_line() -> None:
    _, first, _ = snapshots()
    with terminal(24, 60) as (master, slave), open(slave, "w", closefd=False) as stream:
        display = Display(ProgressPainter(stream), STEPS, Measures(), SECOND_NS)
        display.set_prompt("Command: set rate 1")
        display.draw(first, INFO)
        assert "Command: set rate 1" in read_all(master)


def test_a_prompt_that_changed_is_drawn_soon() -> None:
    _, first, _ = snapshots()
    painter = FakePainter()
    display = shown(painter)
    display.draw(first, INFO)
    display.set_prompt("Command: s")
    assert display.is_due(first.monotonic_ns)
    display.draw(first, INFO)
    display.set_prompt("Command: s")
    assert not display.is_due(first.monotonic_ns)
    assert painter.drawn[-1][2] == "Command: s"


def test_the_scenarios_of_a_run_are_shown_by_name_each_with_its_own_period() -> None:
    _, first, second = snapshots()
    painter = FakePainter()
    display = shown(painter)
    display.add("ooc", Flow((FlowStep("recv", "NOTIFY"), FlowStep("send", "200"))))
    display.draw(first, INFO)
    assert display.show("ooc") and display.shown == "ooc"
    display.draw(second, INFO)
    assert not display.show("rx") and display.shown == "ooc"
    assert display.show("main")
    display.draw(second, INFO)
    steps = [view.steps[0].label for _, view, _ in painter.drawn]
    assert steps == ["INVITE", "NOTIFY", "INVITE"]
    assert [view.period.calls_created for _, view, _ in painter.drawn] == [10, 40, 30]


def test_hide_and_index_reach_the_view() -> None:
    _, first, _ = snapshots()
    painter = FakePainter()
    display = shown(painter)
    display.hides, display.is_indexed = False, True
    display.draw(first, INFO)
    view = painter.drawn[-1][1]
    assert not view.hides and view.is_indexed


def test_dumped_screens_are_scenario_statistics_and_the_repartitions_there_are() -> None:
    measures = Measures(("1", "2"), (), ((10,), (20,)), (30,))
    recorder = Recorder(len(STEPS), measures)
    display = Display(FakePainter(), STEPS, measures, SECOND_NS)
    lines = display.dump_lines(recorder.snapshot(SECOND_NS), INFO)
    titles = [line.strip("- ").split(" Screen")[0] for line in lines if "Change Screen" in line]
    assert titles == ["Scenario", "Statistics", "Repartition", "Repartition 2"]


@contextmanager
def terminal(n_rows: int = 24, n_columns: int = 80) -> Iterator[tuple[int, int]]:
    """A new pseudo terminal: our end and the program's."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", n_rows, n_columns, 0, 0))
    try:
        yield master, slave
    finally:
        os.close(master)
        os.close(slave)


def read_all(master: int, process: subprocess.Popen[bytes] | None = None, limit_s: float = 20.0) -> str:
    """Everything written to the terminal until the process ends (or now)."""
    output, deadline_s = b"", time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        ended = process is None or process.poll() is not None
        if select.select([master], [], [], 0 if ended else 0.05)[0]:
            output += os.read(master, 65536)
        elif ended:
            return output.decode(errors="replace")
    raise AssertionError(f"still running after {limit_s} s: {output!r}")


def test_progress_line_is_rewritten_in_place_and_ended_by_close() -> None:
    _, first, second = snapshots()
    with terminal(24, 40) as (master, slave), open(slave, "w", closefd=False) as stream:
        display = Display(ProgressPainter(stream), STEPS, Measures(), SECOND_NS)
        display.draw(first, INFO)
        display.draw(second, INFO)
        display.close()
        display.close()
        text = read_all(master)
    assert re.fullmatch(r"\r00:00:01 [^\r\n]{1,30}\r00:00:03 [^\r\n]{1,30}\r\n", text)


def test_progress_line_survives_a_terminal_that_is_gone() -> None:
    _, first, _ = snapshots()
    with terminal() as (_, slave):
        stream: IO[str] = open(os.dup(slave), "w")  # noqa: PTH123, SIM115
    display = Display(ProgressPainter(stream), STEPS, Measures(), SECOND_NS)
    display.draw(first, INFO)
    display.close()
    with suppress(OSError):  # flushing what the terminal can no longer take
        stream.close()


PROGRAM = """
import fcntl, os, struct, sys, termios
from recorder import Recorder
from sippx.report.flow import Flow, FlowStep, Measures, RunInfo
from sippx.report.terminal import open_display

def resize(rows, columns):
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

recorder = Recorder(1)
def draw(key="1", **info):
    display.select(key)
    display.draw(recorder.snapshot(10**9), RunInfo(client=True, **info))

with open_display([FlowStep("send", "INVITE")], Measures()) as display:
    painter = type(display._painter).__name__
{body}
print("painter:", painter)
"""


def run_on_terminal(body: str, n_rows: int = 24, n_columns: int = 80, term: str = "xterm",
                    **popen: Any) -> tuple[str, int]:  # fmt: skip
    """Output and exit code of PROGRAM with body; fails if the terminal's modes are not restored."""
    code = PROGRAM.format(body="\n".join(f"    {line}" for line in body.splitlines()))
    environment = {**os.environ, "TERM": term, "PYTHONPATH": os.pathsep.join(PATHS)}
    environment.pop("LINES", None)
    environment.pop("COLUMNS", None)
    with terminal(n_rows, n_columns) as (master, slave):
        before = termios.tcgetattr(slave)
        process = subprocess.Popen([sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave,
                                   env=environment, **popen)  # fmt: skip
        try:
            output = read_all(master, process)
            assert termios.tcgetattr(slave) == before
        finally:
            process.kill()
            process.wait()
    return output, process.returncode


def test_screens_are_drawn_on_a_terminal_and_left_again() -> None:
    output, code = run_on_terminal("draw()\nassert not termios.tcgetattr(1)[3] & termios.ECHO")
    assert code == 0
    assert "Scenario Screen" in output
    assert "Adjust rate" in output
    enter, leave = output.index("\x1b[?1049h"), output.index("\x1b[?1049l")
    assert enter < output.index("Scenario Screen") < leave < output.index("painter: CursesPainter")


def test_terminal_is_restored_when_the_run_raises() -> None:
    output, code = run_on_terminal("draw()\nraise RuntimeError('stop here')")
    assert code == 1
    assert output.index("\x1b[?1049l") < output.index("RuntimeError: stop here")


def test_terminal_is_restored_after_an_interrupt() -> None:
    output, _ = run_on_terminal(
        "draw()\nimport signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nsignal.raise_signal(signal.SIGINT)"
    )
    assert output.index("\x1b[?1049l") < output.index("KeyboardInterrupt")


@pytest.mark.parametrize(("n_rows", "n_columns"), [(1, 1), (2, 200), (500, 3), (0, 0)])
def test_any_size_of_window_is_survived(n_rows: int, n_columns: int) -> None:
    _, code = run_on_terminal("for key in '123456789': draw(key)\n", n_rows, n_columns)
    assert code == 0


def test_resized_window_is_due_for_drawing_and_used_in_full() -> None:
    output, code = run_on_terminal(
        "draw()\n"
        "assert not display._painter.was_resized()\n"
        "resize(60, 120)\n"
        "assert display.is_due(0)\n"
        "draw('2')\n"
        "assert not display._painter.was_resized()\n"
        "assert display._painter._window.getmaxyx() == (60, 120)\n"
        "resize(1, 1)\n"
        "draw('2')\n",
        n_rows=5,
    )
    assert (code, "Socket drops" in output) == (0, True)


def test_escape_sequences_of_a_peer_do_not_reach_the_terminal() -> None:
    output, code = run_on_terminal(r"draw(last_error='evil \x1b]0;title\x07')")
    assert code == 0
    assert "Last Error: evil ?]0;title?" in output


@pytest.mark.parametrize("term", ["no-such-terminal", "dumb", ""])
def test_terminal_that_cannot_show_screens_gets_the_progress_line(term: str) -> None:
    output, code = run_on_terminal("draw()", term=term)
    assert code == 0
    assert "painter: ProgressPainter" in output
    assert "calls 0" in output


def test_background_job_does_not_touch_the_terminals_modes() -> None:
    def become_background() -> None:
        # A session whose terminal belongs to another process group than ours.
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            os._exit(os.waitstatus_to_exitcode(status))
        os.setpgid(0, 0)

    output, code = run_on_terminal("draw()", preexec_fn=become_background)
    assert code == 0
    assert "painter: ProgressPainter" in output


def test_a_terminal_that_goes_away_does_not_end_the_run(tmp_path: Path) -> None:
    done = tmp_path / "done"
    body = f"draw()\nos.write(1, b'READY')\nimport time, pathlib\ntime.sleep(1)\ndraw('2')\ndraw('3')\ndisplay.close()\npathlib.Path({str(done)!r}).touch()"
    code = PROGRAM.format(body="\n".join(f"    {line}" for line in body.splitlines()))
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(PATHS)}
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=subprocess.DEVNULL,
                               env=environment)  # fmt: skip
    try:
        os.close(slave)
        output = b""
        while b"READY" not in output:
            output += os.read(master, 65536)
        os.close(master)
        process.wait(20)
    finally:
        process.kill()
        process.wait()
    assert done.exists()
