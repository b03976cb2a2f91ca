"""What a user tells a running test: keys on standard input, as commands for the runner."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import tty
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Self

QUIT_SOFT_STEP = 10
"""What `q`, SIGINT, SIGTERM and SIGUSR1 add to the quit level."""
QUIT_FORCED_STEP = 20
"""What `Q` adds to the quit level."""
QUIT_SOFT_MAX = 11
"""Largest quit level at which open calls may still end by themselves."""


@dataclass(frozen=True, slots=True)
class AdjustRate:
    """Change the rate by `steps` calls per period, not below 0."""

    steps: int

    def applied_to(self, rate: float) -> float:
        """The new rate [calls per period]."""
        return max(0.0, rate + self.steps)


@dataclass(frozen=True, slots=True)
class TogglePause:
    """Pause new calls, or resume them."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Add `step` to the quit level: from 1 on no new calls, above QUIT_SOFT_MAX open calls are aborted."""

    step: int


@dataclass(frozen=True, slots=True)
class ShowScreen:
    """Show screen 1 scenario, 2 statistics, 3 first repartition, 4 variables, or 6-9 further repartitions."""

    number: int


Command = AdjustRate | TogglePause | Quit | ShowScreen

_COMMAND_OF_KEY: dict[str, Command] = {
    "+": AdjustRate(1),
    "-": AdjustRate(-1),
    "*": AdjustRate(10),
    "/": AdjustRate(-10),
    "p": TogglePause(),
    "q": Quit(QUIT_SOFT_STEP),
    "Q": Quit(QUIT_FORCED_STEP),
    **{str(number): ShowScreen(number) for number in (1, 2, 3, 4, 6, 7, 8, 9)},
}

COMMAND_OF_KEY: Mapping[str, Command] = MappingProxyType(_COMMAND_OF_KEY)
"""All keys that do something; 5 (TDM map) and c (command line) are SIPp's and do nothing here."""


def is_quitting(quit_level: int) -> bool:
    """True when no new calls are to be placed."""
    return quit_level > 0


def is_quit_forced(quit_level: int) -> bool:
    """True when open calls are to be aborted.

    SIPp 3.6.1's rule: level 11, reached by one `q` after the last call of -m (which counts 1), is still soft.
    """
    return quit_level > QUIT_SOFT_MAX


class KeyReader:
    """Reads keys from a descriptor without ever waiting, and puts a terminal into cbreak mode meanwhile.

    A context manager; the terminal gets its settings back on every way out. End of file, an error or a
    descriptor that is not open end the reading silently. Keys are read from pipes and files as well. While
    the process is in the background the terminal is left alone (the kernel would stop the process).
    """

    def __init__(self, *, enabled: bool = True, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._enabled = enabled
        self._is_open = False
        self._is_terminal = False
        self._saved_settings: list[Any] | None = None

    def __enter__(self) -> Self:
        self._is_open = self._enabled
        self._is_terminal = self._is_open and os.isatty(self._descriptor)
        if self._is_terminal:
            # before anything else changes the terminal: what is saved now is what it gets back
            with contextlib.suppress(OSError, termios.error):
                self._owns_terminal()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def poll(self) -> list[Command]:
        """Commands of the keys pressed since the last time; keys without a meaning are left out."""
        keys = self._read() if self._is_open else ""
        return [COMMAND_OF_KEY[key] for key in keys if key in COMMAND_OF_KEY]

    def close(self) -> None:
        """Give the terminal its settings back and read no more."""
        self._is_open = False
        saved, self._saved_settings = self._saved_settings, None
        if saved is None:
            return
        # SIGTTOU stops a background process that changes the terminal, unless it is blocked.
        blocked_before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            termios.tcsetattr(self._descriptor, termios.TCSANOW, saved)
        except termios.error:
            pass  # the terminal is gone
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked_before)

    def _read(self) -> str:
        try:
            if self._is_terminal and not self._owns_terminal():
                return ""
            poller = select.poll()
            poller.register(self._descriptor, select.POLLIN)
            if not poller.poll(0):
                return ""
            data = os.read(self._descriptor, 1024)
        except (OSError, termios.error):
            data = b""
        if not data:
            self.close()
        return data.decode("latin-1")

    def _owns_terminal(self) -> bool:
        """True in the terminal's foreground, where cbreak mode is set the first time."""
        if os.tcgetpgrp(self._descriptor) != os.getpgrp():
            return False
        if self._saved_settings is None:
            self._saved_settings = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor, termios.TCSANOW)
        return True
