"""The -trace_stat CSV file: SIPp's header line and rows of periodic (P) and cumulative (C) values."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from sippx.report.flow import Measures, RunInfo
from sippx.report.snapshot import Snapshot
from sippx.report.stamps import clock_text, duration_stamp, wall_stamp

# Columns that are a periodic and a cumulative count; None: SIPp has the column, sippx has no such event.
COUNTER_COLUMNS: tuple[tuple[str, str | None], ...] = (
    ("SuccessfulCall", "successful_calls"),
    ("FailedCall", "failed_calls"),
    ("FailedCannotSendMessage", "failed_cannot_send_message"),
    ("FailedMaxUDPRetrans", "failed_max_udp_retrans"),
    ("FailedTcpConnect", "failed_tcp_connect"),
    ("FailedTcpClosed", "failed_tcp_closed"),
    ("FailedUnexpectedMessage", "failed_unexpected_message"),
    ("FailedCallRejected", "failed_call_rejected"),
    ("FailedCmdNotSent", "failed_cmd_not_sent"),
    ("FailedRegexpDoesntMatch", "failed_regexp_doesnt_match"),
    ("FailedRegexpShouldntMatch", "failed_regexp_shouldnt_match"),
    ("FailedRegexpHdrNotFound", "failed_regexp_hdr_not_found"),
    ("FailedOutboundCongestion", "failed_outbound_congestion"),
    ("FailedTimeoutOnRecv", "failed_timeout_on_recv"),
    ("FailedTimeoutOnSend", "failed_timeout_on_send"),
    ("FailedTestDoesntMatch", "failed_test_doesnt_match"),
    ("FailedTestShouldntMatch", "failed_test_shouldnt_match"),
    ("FailedStrcmpDoesntMatch", "failed_strcmp_doesnt_match"),
    ("FailedStrcmpShouldntMatch", "failed_strcmp_shouldnt_match"),
    ("OutOfCallMsgs", "out_of_call_msgs"),
    ("DeadCallMsgs", "dead_call_msgs"),
    ("Retransmissions", "retransmissions"),
    ("AutoAnswered", "auto_answered"),
    ("Warnings", "warnings"),
    ("FatalErrors", None),
    ("WatchdogMajor", None),
    ("WatchdogMinor", None),
)

_HEAD_COLUMNS = (
    "StartTime", "LastResetTime", "CurrentTime", "ElapsedTime(P)", "ElapsedTime(C)", "TargetRate",
    "CallRate(P)", "CallRate(C)", "IncomingCall(P)", "IncomingCall(C)", "OutgoingCall(P)", "OutgoingCall(C)",
    "TotalCallCreated", "CurrentCall",
)  # fmt: skip


def _pair(name: str) -> list[str]:
    return [f"{name}(P)", f"{name}(C)"]


def columns(measures: Measures) -> list[str]:
    """Names of all columns for a scenario, in file order."""
    names = [*_HEAD_COLUMNS]
    for name, _ in COUNTER_COLUMNS:
        names += _pair(name)
    for name in (*(f"ResponseTime{rtd}" for rtd in measures.rtd_names), "CallLength"):
        names += _pair(name) + _pair(f"{name}StDev")
    for name in measures.counter_names:
        names += _pair(f"GenericCounter{name}" if name.isdigit() else name)
    for rtd, bounds_ms in zip(measures.rtd_names, measures.rtd_bounds_ms, strict=True):
        names += _table_columns(f"ResponseTimeRepartition{rtd}", bounds_ms)
    return names + _table_columns("CallLengthRepartition", measures.call_length_bounds_ms)


def _table_columns(title: str, bounds_ms: tuple[int, ...]) -> list[str]:
    if not bounds_ms:
        return []
    return [title, *(f"{title}_<{bound}" for bound in bounds_ms), f"{title}_>={bounds_ms[-1]}"]


def header_line(measures: Measures, delimiter: str = ";") -> str:
    """The header, without line end; as in SIPp the delimiter also follows the last column."""
    return _join(columns(measures), delimiter)


def row_line(total: Snapshot, period: Snapshot, measures: Measures, target_rate: float,
             delimiter: str = ";") -> str:  # fmt: skip
    """One row, without line end: `period` since the previous row, `total` since the start."""
    cells = [
        wall_stamp(total.start_time_ns),
        wall_stamp(period.start_time_ns),
        wall_stamp(total.time_ns),
        clock_text(period.elapsed_ns),
        clock_text(total.elapsed_ns),
        number_text(target_rate),
        number_text(period.call_rate),
        number_text(total.call_rate),
        *_counts(total, period, "incoming_calls"),
        *_counts(total, period, "outgoing_calls"),
        str(total.calls_created),
        str(total.gauge("current_calls")),
    ]
    for _, counter in COUNTER_COLUMNS:
        cells += _counts(total, period, counter)
    for index in range(total.layout.call_length_hist + 1):
        so_far, recent = total.histogram(index), period.histogram(index)
        durations_ns = (recent.mean_ns, so_far.mean_ns, recent.stdev_ns, so_far.stdev_ns)
        cells += [duration_stamp(duration_ns) for duration_ns in durations_ns]
    for recently, altogether in zip(period.generic, total.generic, strict=True):
        cells += [str(recently), str(altogether)]
    for index, bounds_ms in enumerate((*measures.rtd_bounds_ms, measures.call_length_bounds_ms)):
        if bounds_ms:
            cells += ["", *(str(count) for count in total.repartition(index))]
    return _join(cells, delimiter)


def _counts(total: Snapshot, period: Snapshot, counter: str | None) -> list[str]:
    if counter is None:
        return ["0", "0"]
    return [str(period.counter(counter)), str(total.counter(counter))]


def _join(cells: list[str], delimiter: str) -> str:
    return "".join(cell + delimiter for cell in cells)


def number_text(value: float) -> str:
    """Six significant digits, whole numbers bare, as sipp 3.6.1; no exponent from a million on.

    (sipp writes 1.23457e+06 there, which loses digits and which few readers of CSV expect.)
    """
    return f"{value:.6g}" if abs(value) < 999_999.5 else f"{value:.0f}"


class StatFile:
    """An open -trace_stat file, a Reporter. A write that fails ends the file, never the run: see `failure`."""

    def __init__(self, path: Path, measures: Measures, *, delimiter: str = ";", period_ms: int = 0) -> None:
        """Create the file and write the header; raises OSError when it cannot be created."""
        self.path = path
        self.period_ms = period_ms
        self.failure: OSError | None = None
        self._measures = measures
        self._delimiter = delimiter
        self._previous: Snapshot | None = None
        self._file: IO[str] | None = path.open("w", encoding="utf-8", newline="")
        self._write_line(header_line(measures, delimiter))

    @property
    def notes(self) -> list[str]:
        """Why the file is incomplete, where it is."""
        return [f"'{self.path}' is incomplete ({self.failure.strerror})"] if self.failure else []

    def begin(self, total: Snapshot, info: RunInfo) -> None:
        """The first row."""
        self.report(total, info)

    def report(self, total: Snapshot, info: RunInfo) -> None:
        """A row; TargetRate is the number of users with -users."""
        self.write(total, info.rate if info.users is None else info.users)

    def end(self, total: Snapshot, info: RunInfo) -> None:
        """The last row, twice, as SIPp writes it: at the end of its loop and of its process."""
        self.report(total, info)
        self.report(total, info)
        self.close()

    def write(self, total: Snapshot, target_rate: float) -> None:
        """Append a row for this moment; its period began with the previous row or the run."""
        period = total - self._previous if self._previous is not None else total
        self._write_line(row_line(total, period, self._measures, target_rate, self._delimiter))
        self._previous = total

    def close(self) -> None:
        """Close the file; further rows are ignored."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self.failure = error

    def _write_line(self, line: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            self.close()
            self.failure = error
