"""The -trace_counts and -trace_error_codes CSV files: counters of each message, unexpected response codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sippx.report.csvfile import CsvFile
from sippx.report.flow import FlowStep, RunInfo
from sippx.report.snapshot import Snapshot
from sippx.report.stamps import SIPP_STAMPS, Stamps, duration_stamp

MESSAGES, RETRANS, TIMEOUT, UNEXPECTED, LOST = range(5)
"""Columns of Snapshot.steps."""


def count_columns(steps: Sequence[FlowStep]) -> list[tuple[str, int, int]]:
    """Name, step and counter of each column. As sipp 3.6.1, a nop has the columns of a pause."""
    columns: list[tuple[str, int, int]] = []
    for index, step in enumerate(steps):
        if step.hidden:
            continue
        if step.kind not in ("send", "recv"):
            columns += [(f"{index}_Pause_Sessions", index, MESSAGES), (f"{index}_Pause_Unexp", index, UNEXPECTED)]
            continue
        what = f"{index}_{step.label}"
        columns.append((f"{what}_{'Sent' if step.kind == 'send' else 'Recv'}", index, MESSAGES))
        columns.append((f"{what}_Retrans", index, RETRANS))
        if step.kind == "recv" or step.has_retrans:
            columns.append((f"{what}_Timeout", index, TIMEOUT))
        if step.kind == "recv":
            columns.append((f"{what}_Unexp", index, UNEXPECTED))
        if step.has_lost:
            columns.append((f"{what}_Lost", index, LOST))
    return columns


class CountsFile(CsvFile):
    """An open -trace_counts file, a Reporter."""

    def __init__(
        self,
        path: Path,
        steps: Sequence[FlowStep],
        *,
        delimiter: str = ";",
        period_ms: int = 0,
        stamps: Stamps = SIPP_STAMPS,
    ) -> None:
        """Create the file and write the header; raises OSError when it cannot be created."""
        super().__init__(path, period_ms)
        self._columns = count_columns(steps)
        self._delimiter = delimiter
        self._stamps = stamps
        names = ["CurrentTime", "ElapsedTime", *(name for name, _, _ in self._columns)]
        self.write_line("".join(name + delimiter for name in names))

    def report(self, total: Snapshot, info: RunInfo) -> None:
        """A row of what was counted since the start."""
        steps = total.steps
        cells = [self._stamps.wall(total.time_ns), duration_stamp(total.elapsed_ns)]
        cells += [str(steps[step][counter]) for _, step, counter in self._columns]
        self.write_line("".join(cell + self._delimiter for cell in cells))


class ErrorCodesFile(CsvFile):
    """An open -trace_error_codes file, a Reporter. As in SIPp it has no header.

    take_codes  gives the codes of unexpected responses since its last call, oldest first
    """

    def __init__(
        self,
        path: Path,
        take_codes: Callable[[], Sequence[int]],
        *,
        delimiter: str = ";",
        period_ms: int = 0,
        stamps: Stamps = SIPP_STAMPS,
    ) -> None:
        """Create the file; raises OSError when it cannot be created."""
        super().__init__(path, period_ms)
        self._take_codes = take_codes
        self._delimiter = delimiter
        self._stamps = stamps

    def report(self, total: Snapshot, info: RunInfo) -> None:
        """A row of the codes since the previous one, newest first."""
        cells = [self._stamps.wall(total.time_ns), duration_stamp(total.elapsed_ns)]
        codes = "".join(f"{code}," for code in reversed(self._take_codes()))
        self.write_line("".join(cell + self._delimiter for cell in cells) + codes)
