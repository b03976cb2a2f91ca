"""The command: one test with screens, keys and signals, and what it says at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import IO

from sippx import control
from sippx.errors import EXIT_FATAL, EXIT_OK, RunError
from sippx.options import Options
from sippx.plugins import Plugins
from sippx.report.terminal import open_display
from sippx.runner.results import verdict, writes_to_stdout
from sippx.runner.runner import Runner
from sippx.runner.signals import QuitSignals, quit_signals
from sippx.scenario import Scenario
from sippx.scenario.action_text import action_lines

_SLEEP_STEP_S = 0.05


def run_command(
    scenario: Scenario, options: Options, command_line: Sequence[str] = (), plugins: Plugins | None = None
) -> int:
    """Run the test of the command line: screens, keys, signals; returns the exit code.

    command_line: its words, for the result files. plugins: those that were loaded before the scenario.
    """
    reads_keys = options.read_stdin and control.may_read_keys()
    # signals are taken from here on: whoever sees the port open may send one
    with quit_signals() as signals, control.KeyReader(enabled=reads_keys) as keys:
        _sleep(options.start_delay_ms / 1000, signals)
        runner = Runner(scenario, options, command_line=command_line, plugins=plugins)
        signals.send_to(runner)
        _print_lines(sys.stderr, runner.opening_lines())
        with control.ControlSocket(options.control_ip, options.control_port) as remote:
            if remote.warning:
                runner.warn(remote.warning)
            display = open_display(
                runner.flow,
                runner.measures,
                refresh_ms=options.screen_period_ms,
                action_lines=action_lines(scenario.steps),
                is_quiet=options.quiet,
            )
            display.has_tdm_map = options.tdm_map is not None
            second = runner.second_flow()
            if second is not None:
                display.add(runner.scenario_names[1], second)
            with display:
                result = runner.run(display, keys, remote)
    screens_to = sys.stderr if writes_to_stdout(options) else sys.stdout
    total, info = runner.view(display.shown)
    total = result.total if display.shown == "main" else total
    _print_lines(screens_to, display.final_lines(total, replace(info, quit_level=0)))
    _print_lines(sys.stderr, runner.closing_lines())
    exit_code, reason = verdict(result, options, runner.last_error)
    if exit_code == EXIT_FATAL:
        raise RunError(reason)
    if exit_code == EXIT_OK and runner.results_are_lost:
        raise RunError("the results could not be written")
    return exit_code


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
