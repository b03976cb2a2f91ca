"""All trace files of a run, built from its settings: logs, statistics files, and the thread that writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sippx.errors import SippxError, StartError, UsageError
from sippx.report.calldebug import CallDebug
from sippx.report.countfile import CountsFile, ErrorCodesFile
from sippx.report.flow import FlowStep, Measures
from sippx.report.logfile import LogFile, LogLimits
from sippx.report.reporter import Reporter
from sippx.report.stamps import Stamps
from sippx.report.statfile import StatFile
from sippx.report.tracefile import TraceCodes, TraceContext, trace_file_name
from sippx.report.tracer import TraceLogs, Tracer, TraceSource

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """The options on trace files, by the names they have there."""

    trace_msg: bool = False
    trace_shortmsg: bool = False
    trace_err: bool = False
    trace_error_codes: bool = False
    trace_logs: bool = False
    trace_calldebug: bool = False
    trace_screen: bool = False
    trace_counts: bool = False
    trace_rtt: bool = False
    trace_stat: bool = False
    rtt_frequency: int = 200
    stat_period_ms: int = 60_000
    stat_delimiter: str = ";"
    stat_file: str | None = None
    message_file: str | None = None
    shortmessage_file: str | None = None
    error_file: str | None = None
    log_file: str | None = None
    calldebug_file: str | None = None
    screen_file: str | None = None
    message_overwrite: bool = True
    shortmessage_overwrite: bool = True
    error_overwrite: bool = True
    log_overwrite: bool = True
    calldebug_overwrite: bool = True
    screen_overwrite: bool = True
    max_log_size_bytes: int = 0
    ringbuffer_size_bytes: int = 0
    ringbuffer_files: int = 0
    rfc3339: bool = False
    periodic_rtd: bool = False

    @property
    def stamps(self) -> Stamps:
        """How times are written in the files."""
        return Stamps(rfc3339=self.rfc3339)


@dataclass(frozen=True)
class TraceNames:
    """What trace files are named after: the scenario and the process."""

    scenario: str
    pid: int

    def path(self, what: str, given: str | None = None) -> Path:
        """The name that was given, or SIPp's."""
        return Path(given or trace_file_name(self.scenario, self.pid, what))


@dataclass(frozen=True)
class Traces:
    """What writes the trace files of a run: the tracer for records, the reporters for counters."""

    tracer: Tracer
    reporters: list[Reporter]


def open_traces(
    settings: TraceSettings,
    names: TraceNames,
    source: TraceSource,
    codes: TraceCodes,
    context: TraceContext,
    measures: Measures,
    *,
    execute: Callable[[bytes], None] | None = None,
) -> Traces:
    """Create the files that were asked for.

    Raises UsageError for a log that cannot be created (SIPp opens these while it deals with its command line)
    and StartError for a statistics file.
    """
    logs = _make_logs(settings, names)
    wanted = (
        (logs.messages, settings.trace_msg), (logs.short_messages, settings.trace_shortmsg),
        (logs.errors, settings.trace_err), (logs.actions, settings.trace_logs),
        (logs.call_debug, settings.trace_calldebug), (logs.rtts, settings.trace_rtt),
        (logs.screens, settings.trace_screen),
    )  # fmt: skip
    for log, is_wanted in wanted:
        if is_wanted and log is not None:
            _created(log.path, log.turn_on, UsageError)
    stamps = settings.stamps
    call_debug = CallDebug(context.steps, stamps, context.transport) if settings.trace_calldebug else None
    tracer = Tracer(
        source,
        codes,
        context,
        logs,
        stamps=stamps,
        call_debug=call_debug,
        keeps_codes=settings.trace_error_codes,
        rtt_frequency=settings.rtt_frequency,
        oversized_path=names.path("traces_oversized"),
        execute=execute,
    )
    return Traces(tracer, _make_reporters(settings, names, tracer, context.steps, measures))


def _make_logs(settings: TraceSettings, names: TraceNames) -> TraceLogs:
    limits = LogLimits(
        settings.max_log_size_bytes, settings.ringbuffer_size_bytes, settings.ringbuffer_files
    )

    def log(what: str, given: str | None, overwrite: bool, head: bytes = b"", *, lazy: bool = False) -> LogFile:
        return LogFile(
            names.path(what, given),
            rotated_stem=f"{names.scenario}_{names.pid}_{what}",
            head=head,
            append=not overwrite,
            lazy=lazy,
            limits=limits,
        )

    return TraceLogs(
        messages=log("messages", settings.message_file, settings.message_overwrite),
        short_messages=log("shortmessages", settings.shortmessage_file, settings.shortmessage_overwrite),
        errors=log(
            "errors", settings.error_file, settings.error_overwrite, b"The following events occurred:\n", lazy=True
        ),
        actions=log("logs", settings.log_file, settings.log_overwrite),
        call_debug=log("calldebug", settings.calldebug_file, settings.calldebug_overwrite),
        rtts=LogFile(names.path("rtt"), head=b"Date_ms;response_time_ms;rtd_no\n"),
        # as with SIPp, no limit and no ring: a screen file is read at its end
        screens=LogFile(
            names.path("screen", settings.screen_file), append=not settings.screen_overwrite,
            lazy=not settings.trace_screen,
        ),
    )


def _make_reporters(
    settings: TraceSettings, names: TraceNames, tracer: Tracer, steps: Sequence[FlowStep], measures: Measures
) -> list[Reporter]:
    delimiter, period_ms, stamps = settings.stat_delimiter, settings.stat_period_ms, settings.stamps
    reporters: list[Reporter] = []
    if settings.trace_stat:
        path = names.path("stat", settings.stat_file)
        reporters.append(
            _created(
                path,
                lambda: StatFile(
                    path,
                    measures,
                    delimiter=delimiter,
                    period_ms=period_ms,
                    stamps=stamps,
                    periodic_tables=settings.periodic_rtd,
                ),
            )
        )
    if settings.trace_counts:
        counts = names.path("counts")
        reporters.append(
            _created(
                counts,
                lambda: CountsFile(counts, steps, delimiter=delimiter, period_ms=period_ms, stamps=stamps),
            )
        )
    if settings.trace_error_codes:
        errors = names.path("error_codes")
        take = tracer.take_error_codes
        reporters.append(
            _created(
                errors,
                lambda: ErrorCodesFile(errors, take, delimiter=delimiter, period_ms=period_ms, stamps=stamps),
            )
        )
    return reporters


def _created(path: Path, create: Callable[[], _T], kind: type[SippxError] = StartError) -> _T:
    try:
        return create()
    except OSError as error:
        raise kind(f"cannot create '{path}': {error.strerror}") from None
