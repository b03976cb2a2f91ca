"""What the reporters know about a run besides its counters: the flow, its names, the run's settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

StepLabelKind = Literal["send", "recv", "pause", "nop", "sendCmd", "recvCmd"]
TwinRole = Literal["", "a", "b", "master", "slave"]
ScenarioName = Literal["main", "ooc", "rx"]


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One step of the scenario as the screens and the error texts show it.

    kind         what the step does
    label        method or status code as the scenario wrote it ("INVITE", "200"); empty for others
    request      send: a request; recv: waits for a request
    optional     recv: need not arrive
    start_rtd, stop_rtd   number (from 1) of the response-time duration started or stopped here
    crlf         an empty line follows on the screen
    hidden       not shown
    has_retrans  send: to be retransmitted (but for -nr), so it can time out
    has_lost     messages of this step may be dropped on purpose (-lost or its own lost attribute)
    display      nop: text shown instead of "[ NOP ]"
    pause_text   pause: its length, "300ms" or "100ms/200ms" (see `duration_text`)
    """

    kind: StepLabelKind
    label: str = ""
    request: bool = False
    optional: bool = False
    start_rtd: int | None = None
    stop_rtd: int | None = None
    crlf: bool = False
    hidden: bool = False
    has_retrans: bool = False
    has_lost: bool = False
    display: str = ""
    pause_text: str = ""


@dataclass(frozen=True, slots=True)
class Measures:
    """Names and tables of what the scenario measures, in order of appearance.

    rtd_bounds_ms has one entry an RTD, empty without a ResponseTimeRepartition table;
    call_length_bounds_ms is empty without a CallLengthRepartition table.
    """

    rtd_names: tuple[str, ...] = ()
    counter_names: tuple[str, ...] = ()
    rtd_bounds_ms: tuple[tuple[int, ...], ...] = ()
    call_length_bounds_ms: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """All that the screens show of one scenario but for its figures.

    action_lines  what the variables screen says of the scenario's actions, empty for none
    """

    steps: Sequence[FlowStep]
    measures: Measures = Measures()
    action_lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Settings and state of the run that the screens show; the state part changes while it runs.

    rate          calls per rate_period_ms (-r, -rp)
    pause_ms      length of pauses without their own (-d)
    limit         open calls at most (-l), 0: no limit
    max_calls     calls in total (-m), None: no limit
    quit_level    0 runs, 1..10 waits for open calls, 11 and more aborts them
    users         calls held open at a time (-users), None: calls by rate
    target_rate   calls/s that are asked for now; 0 for a server and with -users
    calls_due     calls that the rates so far have asked for; 0 for a server and with -users
    cpu_s         CPU time of the thread that runs the engine so far [s]
    duration_s    when the run ends by itself (-timeout, stages) [s], None: not known
    scenario      which scenario the figures are of; is_mixed: calls come in and go out (-rxsf)
    twin          this side's part in third-party call control
    tdm_taken     a byte for each TDM circuit, 0 where it is free; tdm_columns: circuits in one row, 0 without a map
    """

    client: bool
    rate: float = 10.0
    rate_period_ms: int = 1000
    pause_ms: int = 0
    local_port: int = 0
    remote_ip: str = ""
    remote_port: int = 0
    transport: str = "UDP"
    limit: int = 0
    max_calls: int | None = None
    quit_level: int = 0
    paused: bool = False
    cpu_congested: bool = False
    outbound_congested: bool = False
    resolution_ms: int = 1
    open_sockets: int = 1
    loss_enabled: bool = False
    auto_answer: bool = False
    last_error: str = ""
    users: int | None = None
    target_rate: float = 0.0
    calls_due: float = 0.0
    cpu_s: float = 0.0
    duration_s: float | None = None
    scenario: ScenarioName = "main"
    is_mixed: bool = False
    twin: TwinRole = ""
    tdm_taken: bytes = b""
    tdm_columns: int = 0


def duration_text(ms: float) -> str:
    """A pause's length as the scenario screen shows it: 300ms, 15.0s, 1:15, 2:05:00."""
    if ms < 1_000:
        return f"{ms:.0f}ms" if float(ms).is_integer() else f"{ms:.2f}ms"
    if ms < 10_000:
        return f"{ms:.0f}ms" if float(ms).is_integer() else f"{ms:.1f}ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f}s"
    seconds = int(ms // 1000)
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d}"
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def step_text(steps: Sequence[FlowStep], index: int) -> str:
    """What a call at a step is doing, for error texts: "while expecting '200' (index 1)"."""
    if not 0 <= index < len(steps):
        return f"while in message type {index}"
    step = steps[index]
    if step.kind == "recv":
        return f"while expecting '{step.label}' (index {index})"
    if step.kind == "send":
        return f"while sending '{step.label}' (index {index})"
    return f"while {'pausing' if step.kind == 'pause' else 'in a nop'} (index {index})"
