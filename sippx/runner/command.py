"""The command: one test with screens, keys and signals, and what it says at the end."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import IO

from sippx import control
from sippx.errors import RunError
from sippx.options import Options
from sippx.report.terminal import open_display
from sippx.runner.runner import Runner
from sippx.runner.signals import QuitSignals, quit_signals
from sippx.scenario import Scenario

_SLEEP_STEP_S = 0.05


def run_command(scenario: Scenario, options: Options) -> int:
    """Run the test of the command line: screens, keys, signals; returns the exit code."""
    # signals are taken from here on: whoever sees the port open may send one
    with quit_signals() as signals, control.KeyReader(enabled=options.read_stdin) as keys:
        _sleep(options.start_delay_ms / 1000, signals)
        runner = Runner(scenario, options)
        signals.send_to(runner.quit, runner.request_screens)
        display = open_display(runner.flow, runner.measures, refresh_ms=options.screen_period_ms)
        with display:
            result = runner.run(display, keys)
    _print_lines(sys.stdout, display.final_lines(result.total, replace(runner.info(), quit_level=0)))
    _print_lines(sys.stderr, runner.closing_lines())
    if result.stop_reason == "error":
        raise RunError("the scenario ended the run with an <error>: " + (runner.last_error or "without a text"))
    if result.timed_out and options.timeout_error:
        raise RunError(f"{scenario.name} timed out after '{options.timeout_ms / 1000:.3f}' seconds")
    return result.exit_code


def _sleep(seconds: float, signals: QuitSignals) -> None:
    """-sleep; a signal ends it."""
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0 and not signals.are_kept:
        time.sleep(min(left_s, _SLEEP_STEP_S))


def _print_lines(stream: IO[str] | None, lines: list[str]) -> None:
    if stream is None or not lines:
        return
    # nobody reads any more: the exit code still says how it went
    with suppress(OSError):
        print(*lines, sep="\n", file=stream, flush=True)
