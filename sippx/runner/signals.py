"""Signals of a run: soft and forced end, screens on demand."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from sippx import control


class QuitSignals:
    """Passes signals on as steps of the quit level; those that come before there is a receiver are kept."""

    def __init__(self) -> None:
        self._n_kept = 0
        self._quit: Callable[[int], None] | None = None
        self._dump: Callable[[], None] | None = None

    @property
    def are_kept(self) -> bool:
        """True where a signal waits for a receiver."""
        return self._n_kept > 0

    def send_to(self, quit_: Callable[[int], None], dump: Callable[[], None]) -> None:
        self._quit = quit_
        self._dump = dump
        for _ in range(self._n_kept):
            quit_(control.QUIT_SOFT_STEP)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGUSR2:
            if self._dump is not None:
                self._dump()
        elif self._quit is None:
            self._n_kept += 1
        else:
            self._quit(control.QUIT_SOFT_STEP)


@contextmanager
def quit_signals() -> Iterator[QuitSignals]:
    """SIGINT, SIGTERM and SIGUSR1 end the run softly, a second one at once; SIGUSR2 has the screens written."""
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
