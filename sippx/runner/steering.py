"""What the commands of keys and control socket do to a running test."""

from __future__ import annotations

from typing import Protocol

from sippx import control
from sippx.report.terminal import Display
from sippx.runner.pace import Pace


class Steered(Protocol):
    """What can be done to a run."""

    @property
    def pace(self) -> Pace:
        """Its rate, users and limit."""

    @property
    def is_paused(self) -> bool:
        """No new calls are opened."""

    def pause(self, paused: bool) -> None:
        """Stop opening calls, or go on."""

    def quit(self, step: int) -> None:
        """Raise the quit level."""

    def request_screens(self) -> None:
        """Have the screens written to a file."""

    def reset_stats(self) -> None:
        """Begin the cumulative figures again from 0."""

    def trace(self, log: str, on: bool) -> None:
        """Switch a log on or off."""

    def dump(self, what: str) -> None:
        """Report tasks or variables as warnings."""

    def warn(self, text: str) -> None:
        """Report a warning."""


def execute(command: control.Command, run: Steered, display: Display) -> None:
    """Do what a command says."""
    match command:
        case control.AdjustRate():
            run.pace.adjust(command)
        case control.SetRate(rate):
            run.pace.set_rate(rate)
        case control.SetRateScale(scale):
            run.pace.set_scale(scale)
        case control.SetUsers(n_users):
            run.pace.set_users(n_users)
        case control.SetLimit(n_calls):
            run.pace.set_limit(n_calls)
        case control.TogglePause():
            run.pause(not run.is_paused)
        case control.Quit(step):
            run.quit(step)
        case control.ResetStats():
            run.reset_stats()
        case control.Trace(log, on):
            run.trace(log, on)
        case control.Dump(what):
            run.dump(what)
        case control.DumpScreens():
            run.request_screens()
        case control.Refused(reason):
            run.warn(reason)
        case _:
            _show(command, run, display)
    display.request()


def _show(command: control.Command, run: Steered, display: Display) -> None:
    match command:
        case control.ShowScreen(5) if not display.has_tdm_map:
            pass  # as SIPp: the key does nothing without -tdmmap
        case control.ShowScreen(number):
            display.select(str(number))
        case control.SetHide(on):
            display.hides = on
        case control.SetIndex(on):
            display.is_indexed = on
        case control.SetDisplay(name):
            if not display.show(name):
                run.warn(f"Unknown display scenario: {name}")
