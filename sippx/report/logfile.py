"""A log that opens, rotates and limits itself, and never fails its writer."""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NO_BOUND = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How large logs may become, 0: no limit.

    max_bytes   a log that has more is closed for good (-max_log_size)
    ring_bytes  a log that has more is begun anew (-ringbuffer_size)
    ring_files  so many of the full ones are kept under names of their own (-ringbuffer_files)
    """

    max_bytes: int = 0
    ring_bytes: int = 0
    ring_files: int = 0


class LogFile:
    """One log. It is off until `turn_on`; a write that fails ends it, and what follows is only counted.

    path     where it is written; the full ones of a ring are <rotated_stem>_<second it was begun>.log
    head     first line of each file
    append   what an earlier run wrote is kept
    lazy     the file is created by the first write (SIPp's error log), otherwise by `turn_on`
    failure  why it cannot be written any more; n_lost_bytes at least are not in it
    """

    def __init__(
        self,
        path: Path,
        *,
        rotated_stem: str = "",
        head: bytes = b"",
        append: bool = False,
        lazy: bool = False,
        limits: LogLimits = LogLimits(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.failure: OSError | None = None
        self.n_lost_bytes = 0
        self.is_created = False
        self._stem = rotated_stem or str(path.with_suffix(""))
        self._head = head
        self._append = append
        self._lazy = lazy
        self._limits = limits
        self._clock = clock
        self._fd: int | None = None
        self._is_on = False
        self._is_full = False
        self._n_bytes = 0
        self._begun_s = 0
        self._rotated: deque[Path] = deque()
        self._last_second = -1
        self._n_same_second = 0

    @property
    def is_on(self) -> bool:
        """True while entries are wanted: turned on, not failed, not closed at its largest size."""
        return self._is_on and self.failure is None and not self._is_full

    @property
    def room(self) -> int:
        """Bytes that may be written before it is full, beyond which the size is to be looked at again."""
        bound = self._limits.max_bytes or self._limits.ring_bytes
        return max(bound - self._n_bytes, 0) if bound else NO_BOUND

    @property
    def is_bounded(self) -> bool:
        """True where it has a limit: entries are then to be written one by one."""
        return self.room != NO_BOUND

    def turn_on(self) -> None:
        """Want entries from now on; raises OSError where the file cannot be created."""
        if not self._is_on and not self._lazy and not self._is_full:
            self._open(append=self._append or self.is_created)
        self._is_on = True

    def turn_off(self) -> None:
        """Close the file; it can be turned on again and is then continued."""
        self._is_on = False
        self._close()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append entries, which are not kept."""
        view = memoryview(data)
        if not self._is_on or self._is_full:
            return
        if self.failure is not None:
            self.n_lost_bytes += len(view)
            return
        try:
            if self._fd is None:
                self._open(append=self._append or self.is_created)
            self._write_all(view)
            self._limit()
        except OSError as error:
            self.failure = error
            self.n_lost_bytes += len(view)
            self._close()

    @property
    def note(self) -> str | None:
        """What the user should be told at the end, None where all is well."""
        if self.failure is None:
            return None
        reason = self.failure.strerror or self.failure
        return f"'{self.path}' is incomplete ({reason}), at least {self.n_lost_bytes} bytes are lost"

    def _write_all(self, view: memoryview) -> None:
        assert self._fd is not None
        while view:
            n = os.write(self._fd, view)
            self._n_bytes += n
            view = view[n:]

    def _open(self, *, append: bool) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC)
        self._fd = os.open(self.path, flags, 0o666)
        self.is_created = True
        self._n_bytes = os.fstat(self._fd).st_size if append else 0
        self._begun_s = int(self._clock())
        self._write_all(memoryview(self._head))

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is None:
            return
        try:
            os.close(fd)
        except OSError as error:
            self.failure = self.failure or error

    def _limit(self) -> None:
        limits = self._limits
        if limits.max_bytes and self._n_bytes > limits.max_bytes:
            self._is_full = True
            self._close()
        elif limits.ring_bytes and self._n_bytes > limits.ring_bytes:
            self._close()
            if limits.ring_files:
                self._keep()
            self._open(append=False)

    def _keep(self) -> None:
        """Give the full file its own name and remove the oldest ones."""
        same = self._begun_s == self._last_second
        self._n_same_second = self._n_same_second + 1 if same else 0
        self._last_second = self._begun_s
        number = f".{self._n_same_second}" if same else ""
        name = Path(f"{self._stem}_{self._begun_s}{number}.log")
        self.path.rename(name)
        self._rotated.append(name)
        while len(self._rotated) > self._limits.ring_files:
            with suppress(FileNotFoundError):
                self._rotated.popleft().unlink()


def is_oversized(error: OSError | None) -> bool:
    """True for what a file system or `ulimit -f` says of a file that has become too large."""
    return error is not None and error.errno == errno.EFBIG
