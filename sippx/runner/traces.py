"""The trace files of a run: which records are wanted, and where they go."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from sippx._core import codes
from sippx._core.ring import TraceRing
from sippx.commands import CommandRunner
from sippx.errors import SippxError, StartError, UsageError
from sippx.options import Options
from sippx.report import tracefile
from sippx.report.flow import FlowStep, Measures
from sippx.report.reporter import Reporter
from sippx.report.statfile import StatFile
from sippx.report.tracer import Tracer
from sippx.runner.flow import flow_step
from sippx.scenario import Scenario

_ERROR_RING_BYTES = 1 << 22
_MESSAGE_RING_BYTES = 1 << 26
_MESSAGE_KINDS = (
    codes.TraceKind.TRACE_SENT,
    codes.TraceKind.TRACE_RECEIVED,
    codes.TraceKind.TRACE_UNEXPECTED,
    codes.TraceKind.TRACE_LOST,
)

_T = TypeVar("_T")


def make_ring(options: Options) -> TraceRing:
    """The ring between the engine and the tracer, as large as what is traced needs it."""
    return TraceRing(_MESSAGE_RING_BYTES if options.trace_msg else _ERROR_RING_BYTES)


def trace_mask(options: Options) -> int:
    """A bit for each kind of record that somebody wants."""
    wanted = [kind for kind in codes.TraceKind if kind != codes.TraceKind.N_TRACE_KINDS]
    if not options.trace_msg:
        wanted = [kind for kind in wanted if kind not in _MESSAGE_KINDS]
    if not options.trace_logs:
        wanted.remove(codes.TraceKind.TRACE_LOG)
    return sum(1 << kind for kind in wanted)


def trace_path(scenario: Scenario, given: str | None, what: str) -> Path:
    """The name that was given, or SIPp's."""
    return Path(given or tracefile.trace_file_name(scenario.name, os.getpid(), what))


def make_tracer(
    scenario: Scenario,
    options: Options,
    flow: Sequence[FlowStep],
    ring: TraceRing,
    *,
    second: Scenario | None = None,
) -> Tracer:
    """The tracer with the logs that were asked for; UsageError where one cannot be created."""
    message_log = error_log = action_log = None
    if options.trace_msg:
        path = trace_path(scenario, options.message_file, "messages")
        # as SIPp: this log is opened while the command line is still being dealt with, so exit code 1
        message_log = _created(path, tracefile.message_log, UsageError)
    if options.trace_err:
        error_log = tracefile.error_log(trace_path(scenario, options.error_file, "errors"))
    if options.trace_logs:
        action_log = _created(trace_path(scenario, options.log_file, "logs"), tracefile.action_log, UsageError)
    context = tracefile.TraceContext(scenario.description, flow)
    side_context = None
    if second is not None:
        side_context = tracefile.TraceContext(
            second.description, tuple(flow_step(step, second, options) for step in second.steps)
        )
    trace_codes = tracefile.TraceCodes.from_enums(codes.TraceKind, codes.Method, codes.Complaint)
    return Tracer(
        ring.drain,
        trace_codes,
        context,
        side_context=side_context,
        message_log=message_log,
        error_log=error_log,
        action_log=action_log,
        execute=CommandRunner().run,
    )


def make_trace_reporters(scenario: Scenario, options: Options, measures: Measures) -> list[Reporter]:
    """The files that follow a run by its counters; StartError where one cannot be created."""
    if not options.trace_stat:
        return []
    path = trace_path(scenario, options.stat_file, "stat")

    def create(path: Path) -> StatFile:
        return StatFile(path, measures, delimiter=options.stat_delimiter, period_ms=options.stat_period_ms)

    return [_created(path, create)]


def _created(path: Path, create: Callable[[Path], _T], kind: type[SippxError] = StartError) -> _T:
    try:
        return create(path)
    except OSError as error:
        raise kind(f"cannot create '{path}': {error.strerror}") from None
