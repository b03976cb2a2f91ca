"""What the files that get a row each -fd have in common: when rows are written, and that they never fail the run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO

from sippx.report.flow import RunInfo
from sippx.report.snapshot import Snapshot


class CsvFile(ABC):
    """A Reporter that writes lines. A write that fails ends the file, never the run: see `failure`."""

    def __init__(self, path: Path, period_ms: int) -> None:
        """Create the file; raises OSError when it cannot be created."""
        self.path = path
        self.period_ms = period_ms
        self.failure: OSError | None = None
        self._file: IO[str] | None = path.open("w", encoding="utf-8", newline="")

    @property
    def notes(self) -> list[str]:
        """Why the file is incomplete, where it is."""
        return [f"'{self.path}' is incomplete ({self.failure.strerror})"] if self.failure else []

    def begin(self, total: Snapshot, info: RunInfo) -> None:
        """The first row."""
        self.report(total, info)

    @abstractmethod
    def report(self, total: Snapshot, info: RunInfo) -> None:
        """Write a row."""

    def end(self, total: Snapshot, info: RunInfo) -> None:
        """The last row, twice, as SIPp writes it: at the end of its loop and of its process."""
        self.report(total, info)
        self.report(total, info)
        self.close()

    def write_line(self, line: str) -> None:
        """Write a line at once."""
        if self._file is None:
            return
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            self.close()
            self.failure = error

    def close(self) -> None:
        """Close the file; further rows are ignored."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self.failure = error
