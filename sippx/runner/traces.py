"""The trace files of a run, made from its options and fed from the engine's ring."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields

from sippx._core import codes
from sippx._core.ring import TraceRing
from sippx._core.tracelog import TraceLog
from sippx.commands import CommandRunner
from sippx.options import Options
from sippx.report.flow import FlowStep, Measures
from sippx.report.tracefile import TraceCodes, TraceContext
from sippx.report.traces import TraceNames, Traces, TraceSettings, open_traces
from sippx.runner.flow import flow_step
from sippx.scenario import Scenario

_ERROR_RING_BYTES = 1 << 22
_MESSAGE_RING_BYTES = 1 << 26


def make_ring(options: Options) -> TraceRing:
    """The ring between the engine and the tracer, as large as what is traced needs it."""
    every_message = options.trace_msg or options.trace_shortmsg or options.trace_calldebug or options.trace_rtt
    return TraceRing(_MESSAGE_RING_BYTES if every_message else _ERROR_RING_BYTES)


def make_traces(
    scenario: Scenario,
    options: Options,
    flow: Sequence[FlowStep],
    measures: Measures,
    ring: TraceRing,
    *,
    second: Scenario | None = None,
) -> Traces:
    """The tracer with the logs and the statistics files that were asked for; see `open_traces` for errors."""
    settings = TraceSettings(**{field.name: getattr(options, field.name) for field in fields(TraceSettings)})
    transport = options.transport_mode.transport
    side = None
    if second is not None:
        steps = tuple(flow_step(step, second, options) for step in second.steps)
        side = TraceContext(second.description, steps, transport=transport)
    context = TraceContext(scenario.description, flow, transport=transport, side=side)
    source = TraceLog(
        ring,
        stamp_texts=settings.stamps.encoded_texts,
        transport=context.transport.encode(),
        rtd_names=[name.encode() for name in measures.rtd_names],
    )
    return open_traces(
        settings,
        TraceNames(scenario.name, os.getpid()),
        source,
        TraceCodes.from_enums(
            (kind for kind in codes.TraceKind if kind != codes.TraceKind.N_TRACE_KINDS), codes.Method, codes.Complaint
        ),
        context,
        measures,
        execute=CommandRunner().run,
    )
