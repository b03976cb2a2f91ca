"""The -trace_stat CSV file: SIPp's header line and rows of periodic (P) and cumulative (C) values."""

from __future__ import annotations

from pathlib import Path

from sippx.report.csvfile import CsvFile
from sippx.report.flow import Measures, RunInfo
from sippx.report.snapshot import Snapshot
from sippx.report.stamps import SIPP_STAMPS, Stamps, clock_text, duration_stamp

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
             delimiter: str = ";", stamps: Stamps = SIPP_STAMPS, *, periodic_tables: bool = False) -> str:  # fmt: skip
    """One row, without line end: `period` since the previous row, `total` since the start."""
    cells = [
        stamps.wall(total.start_time_ns),
        stamps.wall(period.start_time_ns),
        stamps.wall(total.time_ns),
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
            counted = (period if periodic_tables else total).repartition(index)
            cells += ["", *(str(count) for count in counted)]
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


class StatFile(CsvFile):
    """An open -trace_stat file, a Reporter."""

    def __init__(
        self,
        path: Path,
        measures: Measures,
        *,
        delimiter: str = ";",
        period_ms: int = 0,
        stamps: Stamps = SIPP_STAMPS,
        periodic_tables: bool = False,
    ) -> None:
        """Create the file and write the header; raises OSError when it cannot be created.

        periodic_tables: repartition columns count since the previous row (-periodic_rtd)
        """
        super().__init__(path, period_ms)
        self._measures = measures
        self._delimiter = delimiter
        self._stamps = stamps
        self._periodic_tables = periodic_tables
        self._previous: Snapshot | None = None
        self.write_line(header_line(measures, delimiter))

    def report(self, total: Snapshot, info: RunInfo) -> None:
        """A row; its period began with the previous row or the run. TargetRate is the number of users with -users."""
        period = total - self._previous if self._previous is not None else total
        rate = info.rate if info.users is None else info.users
        row = row_line(
            total, period, self._measures, rate, self._delimiter, self._stamps, periodic_tables=self._periodic_tables
        )
        self.write_line(row)
        self._previous = total
