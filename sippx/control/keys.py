"""The reader of keys: takes characters from a terminal, a pipe or a file without ever waiting."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Self

from sippx.control.commands import Command
from sippx.control.editing import KeyLine


def may_read_keys() -> bool:
    """True where somebody may press keys: standard input or standard output is a terminal.

    A script's standard input belongs to the script, as with SIPp: `while read host; do sippx $host; done < hosts`.
    """
    return any(os.isatty(stream.fileno()) for stream in (sys.__stdin__, sys.__stdout__) if stream is not None)


class KeyReader:
    """Reads keys from a descriptor without ever waiting, and puts a terminal into cbreak mode meanwhile.

    A context manager; the terminal gets its settings back on every way out. End of file, an error or a
    descriptor that is not open end the reading silently. Keys are read from pipes and files as well; whether
    they may be is for `may_read_keys` to say. While
    the process is in the background the terminal is left alone (the kernel would stop the process).
    """

    def __init__(self, *, enabled: bool = True, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._enabled = enabled
        self._line = KeyLine()
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
        return self._line.feed(self._read()) if self._is_open else []

    @property
    def prompt(self) -> str:
        """The command being typed, to be shown below the screen; "" when none is."""
        return self._line.prompt

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
        try:
            if os.tcgetpgrp(self._descriptor) != os.getpgrp():
                return False
        except OSError as error:
            # another process's terminal: no job control stops who reads it
            if error.errno != errno.ENOTTY:
                raise
        if self._saved_settings is None:
            self._saved_settings = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor, termios.TCSANOW)
        return True
