"""Steps of a scenario as the screens and reports show them."""

from __future__ import annotations

from dataclasses import replace

from sippx.options import Options
from sippx.report.flow import FlowStep, Measures, duration_text
from sippx.scenario import Scenario
from sippx.scenario.model import NopStep, PauseStep, RecvCmdStep, RecvStep, SendCmdStep, SendStep, Step
from sippx.scenario.pauses import distribution_text


def flow_step(step: Step, scenario: Scenario, options: Options) -> FlowStep:
    """A step of the scenario as the screens show it."""
    common = FlowStep(
        kind="nop",
        start_rtd=_rtd_number(scenario, step.start_rtd),
        stop_rtd=_rtd_number(scenario, step.stop_rtd),
        crlf=step.crlf,
        hidden=step.hide,
        has_lost=options.lost_percent > 0 or step.lost_percent is not None,
        display=step.display,
    )
    match step:
        case SendStep():
            label = step.method.decode("latin-1") or str(step.status_code)
            # without retransmissions (-nr), too, as in SIPp: -trace_counts keeps its columns
            return replace(
                common, kind="send", label=label, request=bool(step.method), has_retrans=step.retrans_ms > 0
            )
        case RecvStep():
            label = (step.regexp or step.method).decode("latin-1") or str(step.status_code)
            awaited = replace(common, kind="recv", label=label, request=step.is_request)
            return replace(awaited, optional=step.optional)
        case PauseStep(distribution="default"):
            return replace(common, kind="pause", pause_text=duration_text(options.pause_ms))
        case PauseStep(distribution="uniform"):
            text = f"{duration_text(step.min_ms)}/{duration_text(step.max_ms)}"
            return replace(common, kind="pause", pause_text=text)
        case PauseStep():
            text = distribution_text(step.duration) or duration_text(step.min_ms)
            return replace(common, kind="pause", pause_text=text)
        case NopStep():
            return common
        case SendCmdStep():
            return replace(common, kind="sendCmd")
        case RecvCmdStep():
            return replace(common, kind="recvCmd")
    raise TypeError(f"unknown step {step!r}")


def _rtd_number(scenario: Scenario, name: str | None) -> int | None:
    return None if name is None else scenario.rtd_names.index(name) + 1


def measures_of(scenario: Scenario) -> Measures:
    """What the scenario measures, by name."""
    return Measures(
        scenario.rtd_names, scenario.counter_names, scenario.response_time_tables, scenario.call_length_table
    )
