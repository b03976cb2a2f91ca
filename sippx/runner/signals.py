"""Signals of a run: soft and forced end, screens on demand."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from sippx import control


class Steered(Protocol):
    """What signals steer: a run."""

    def quit(self, step: int = ...) -> None:
        """Raise the quit level."""

    def stop(self) -> None:
        """End now."""

    def request_screens(self) -> None:
        """Write the screens."""

    def interrupt_plugin(self) -> None:
        """Raise in the plugin's function that is at work, if one is."""


class QuitSignals:
    """Passes signals on to a run; those that come before there is one are kept."""

    def __init__(self) -> None:
        self._kept: list[int] = []
        self._run: Steered | None = None
        self._n_stops = 0

    @property
    def are_kept(self) -> bool:
        """True where a signal waits for a run."""
        return bool(self._kept)

    def send_to(self, run: Steered) -> None:
        """From now on signals go to this run; it gets those that were kept."""
        self._run = run
        for number in self._kept:
            self._pass(run, number)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._run is not None:
            self._pass(self._run, number)
        elif number != signal.SIGUSR2:
            self._kept.append(number)

    def _pass(self, run: Steered, number: int) -> None:
        if number == signal.SIGUSR1:
            run.quit(control.QUIT_SOFT_STEP)
        elif number == signal.SIGUSR2:
            run.request_screens()
        else:
            run.stop()
            self._n_stops += 1
            if self._n_stops > 1:
                run.interrupt_plugin()


@contextmanager
def quit_signals() -> Iterator[QuitSignals]:
    """SIGINT and SIGTERM end the run now, SIGUSR1 softly, a second one at once; SIGUSR2 has the screens written."""
    signals = QuitSignals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    before = {number: signal.signal(number, signals) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
