"""SIPp's screens (scenario, statistics, repartitions, variables, TDM map) as pure functions to lines of text.

Formats are those of sipp 3.6.1 (trailing blanks included) without its RTP lines. Two of its faults are
not copied: the two-column time rows show the period's and the whole run's value (sipp shows the period's
twice), and the period beside "Call limit hit" is in seconds. There are no colours: NO_COLOR has nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sippx.report.flow import Flow, FlowStep, Measures, RunInfo, duration_text, step_text
from sippx.report.snapshot import Histogram, Snapshot
from sippx.report.stamps import NS_PER_S, duration_stamp, ms_text, wall_stamp

__all__ = [
    "DUMPED_KEYS",
    "PERCENTILES",
    "SCREEN_KEYS",
    "Flow",
    "FlowStep",
    "Measures",
    "RunInfo",
    "View",
    "duration_text",
    "footer",
    "repartition_screen",
    "scenario_screen",
    "screen_lines",
    "statistics_screen",
    "step_text",
    "tdm_screen",
    "variables_screen",
]

WIDTH = 80
SEPARATOR = "-------------------------+---------------------------+--------------------------"
PERCENTILES = ((50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99.9"), (100.0, "max"))

_TITLE_SCENARIO = "------------------------------ Scenario Screen -------- [1-9]: Change Screen --"
_TITLE_STATISTICS = "----------------------------- Statistics Screen ------- [1-9]: Change Screen --"
_TITLE_REPARTITION = "---------------------------- Repartition Screen ------- [1-9]: Change Screen --"
_TITLE_REPARTITION_N = "--------------------------- Repartition {} Screen ------ [1-9]: Change Screen --"
_TITLE_VARIABLES = "----------------------------- Variables Screen -------- [1-9]: Change Screen --"
_TITLE_TDM = "------------------------------ TDM map Screen --------- [1-9]: Change Screen --"

_FOOT_TERMINATED = "------------------------------ Test Terminated --------------------------------"
_FOOT_WAITING = "------- Waiting for active calls to end. Press [q] again to force exit. -------"
_FOOT_FORCED = "-------------------------------- Forcing quit ---------------------------------"
_FOOT_PAUSED = "----------------- Traffic Paused - Press [p] again to resume ------------------"
_FOOT_CPU = "-------------------------------- CPU CONGESTED ---------------------------------"
_FOOT_OUTBOUND = "------------------------------ OUTBOUND CONGESTION -----------------------------"
_FOOT_CLIENT = "------ [+|-|*|/]: Adjust rate ---- [q]: Soft exit ---- [p]: Pause traffic -----"
_FOOT_SERVER = "------------------------------ SIPp Server Mode -------------------------------"
_FOOT_MIXED = {
    "main": "----------------Sipp Mixed Mode - main -  call originating scenario------------",
    "rx": "-----------------Sipp Mixed mode - rx - call terminating scenario-------------",
}
_FOOT_TWIN = {
    ("a", True): "----------------------- 3PCC Mode - Controller A side -------------------------",
    ("master", True): "-----------------------3PCC extended mode - Master side -------------------------",
    ("a", False): "------------------ 3PCC Mode - Controller A side (passive) --------------------",
    ("b", False): "----------------------- 3PCC Mode - Controller B side -------------------------",
    ("master", False): "------------------ 3PCC extended mode - Master side (passive) --------------------",
    ("slave", False): "----------------------- 3PCC extended mode - Slave side -------------------------",
}
"""By part and whether this side places calls."""

_SOCKET_ERRORS = ("send_errors", "receive_errors", "send_congested")
_QUIT_FORCED = 11
_LAST_ERROR_CHARS = 60

# Further counters at the end of the statistics screen; the second group is shown when not zero.
_EXTRA_ROWS = (
    ("Late starts", "late_starts"),
    ("Starts held by -l", "limited_starts"),
    ("Socket drops", "socket_drops"),
)
_EXTRA_ROWS_NONZERO = (
    ("Aborted calls", "failed_aborted"),
    ("Calls refused", "calls_refused"),
    ("Malformed messages", "malformed"),
    ("Messages, no Call-ID", "malformed_no_call_id"),
    ("ICMP errors", "icmp_errors"),
    ("Trace records lost", "trace_drops"),
    ("Connections opened", "connections_opened"),
    ("Connections accepted", "connections_accepted"),
    ("Connections failed", "connections_failed"),
    ("Connections lost", "connections_lost"),
    ("Reconnections", "reconnections"),
    ("Not SIP, conn. closed", "framing_errors"),
    ("Accept errors", "accept_errors"),
    ("TLS handshakes", "tls_handshakes"),
    ("TLS resumed", "tls_resumed"),
    ("TLS failures", "tls_failures"),
)


@dataclass(frozen=True)
class View:
    """All that one screen is drawn from.

    total       counters since the start of the run
    period      counters since the last drawing
    hides       steps that the scenario hides are left out
    is_indexed  messages begin with their index
    """

    total: Snapshot
    period: Snapshot
    steps: Sequence[FlowStep]
    measures: Measures
    info: RunInfo
    action_lines: Sequence[str] = ()
    hides: bool = True
    is_indexed: bool = False


def footer(info: RunInfo, *, final: bool = False) -> str:
    """The last line of a screen: what the run is doing and what keys do."""
    state = (
        (final, _FOOT_TERMINATED),
        (info.quit_level >= _QUIT_FORCED, _FOOT_FORCED),
        (info.quit_level > 0, _FOOT_WAITING),
        (info.paused, _FOOT_PAUSED),
        (info.cpu_congested, _FOOT_CPU),
        (info.outbound_congested, _FOOT_OUTBOUND),
        (True, _role_text(info)),
    )
    return next(text for applies, text in state if applies)


def _role_text(info: RunInfo) -> str:
    plain = _FOOT_CLIENT if info.client else _FOOT_SERVER
    if info.twin:
        return _FOOT_TWIN.get((info.twin, info.client), plain)
    return _FOOT_MIXED.get(info.scenario, plain) if info.is_mixed else plain


def _closing(info: RunInfo, final: bool) -> list[str]:
    lines = []
    if info.last_error and not final:
        dots = "..." if len(info.last_error) > _LAST_ERROR_CHARS else ""
        lines.append(f"Last Error: {' '.join(info.last_error[:_LAST_ERROR_CHARS].split())}{dots}")
    lines.append(footer(info, final=final))
    return lines


# ---- scenario screen -------------------------------------------------------------------------------


def scenario_screen(view: View, *, final: bool = False) -> list[str]:
    """SIPp's first screen: the run's head, its call counts and one line a message."""
    lost_heading = "Unexp.    Lost" if view.info.loss_enabled else "Unexpected-Msg"
    lines = [_TITLE_SCENARIO, *_run_lines(view), "", *_call_lines(view), ""]
    lines.append(f"{'':33}Messages  Retrans   Timeout   {lost_heading}")
    for index, (step, row) in enumerate(zip(view.steps, view.total.steps.tolist(), strict=True)):
        if not (step.hidden and view.hides):
            is_indexed = view.is_indexed and step.kind in ("send", "recv")
            lines.append(f"{index:<2d}:" * is_indexed + _step_line(step, row, view.info))
            if step.crlf:
                lines.append("")
    return lines + _closing(view.info, final)


def _run_lines(view: View) -> list[str]:
    info = view.info
    seconds, hundredths = divmod(view.total.elapsed_ns * 100 // NS_PER_S, 100)
    elapsed = f"{seconds:6d}.{hundredths:02d} s"
    calls = f"{view.total.calls_created:8d}"
    if not info.client:
        return ["  Port   Total-time  Total-calls  Transport",
                f"  {info.local_port:<5d} {elapsed}     {calls}  {info.transport}"]
    remote = f"{info.remote_ip:.20s}:{info.remote_port}({info.transport})"
    if info.users is not None:
        what, pace = "Users (length)", f"{info.users} ({info.pause_ms} ms)"
    else:
        what = "Call rate (length)"
        pace = f"{info.rate:3.1f}({info.pause_ms} ms)/{info.rate_period_ms / 1000:5.3f}s"
    return [f"  {what}   Port   Total-time  Total-calls  Remote-host",
            f"  {pace}   {info.local_port:<5d} {elapsed}     {calls}  {remote}"]


def _call_lines(view: View) -> list[str]:
    info, total = view.info, view.total
    if info.max_calls is not None and total.calls_created >= info.max_calls:
        progress = f"Call limit {info.max_calls} hit, {view.period.elapsed_s:.1f} s period "
    else:
        seconds, ms = divmod(view.period.elapsed_ns // 1_000_000, 1000)
        progress = f"{view.period.calls_created} new calls during {seconds}.{ms:03d} s period"
    current = f"{total.gauge('current_calls')} calls"
    if info.client:
        current += f" (limit {info.limit if info.users is None else info.users})"
    peak = f"Peak was {total.gauge('peak_calls')} calls, after {total.gauge('peak_at_ns') // NS_PER_S} s"
    woken = view.period.counter("datagrams_received")
    messages = f"{total.counter('dead_call_msgs')} dead call msg (discarded)"
    lines = [
        f"  {progress:38.38s}  {f'{info.resolution_ms} ms scheduler resolution':37.37s}",
        f"  {current:38s}  {peak}",
        f"  {total.gauge('running_calls')} Running, {total.gauge('paused_calls')} Paused, {woken} Woken up",
        f"  {messages:38s}",
    ]
    if info.client:
        lines[-1] += f"  {total.counter('out_of_call_msgs')} out-of-call msg (discarded)"
    if info.auto_answer:
        lines.append(f"  {total.counter('auto_answered')} requests auto-answered")
    errors = "/".join(str(total.counter(name)) for name in _SOCKET_ERRORS)
    sockets = f"{info.open_sockets} open sockets"
    lines.append(f"  {sockets:38s}  {errors} {info.transport} errors (send/recv/cong)")
    return lines


def _step_line(step: FlowStep, row: list[int], info: RunInfo) -> str:
    messages, retrans, timeout, unexpected, lost = row
    if step.kind == "nop":
        return f" {step.display}" if step.display else "              [ NOP ]              "
    if step.kind in _COMMAND_LABELS:
        return f"{_COMMAND_LABELS[step.kind]:33s}{messages:<39d}"
    if step.kind == "pause":
        length = f"[{step.pause_text:>9s}]"
        text = f"       Pause {length}" if info.client else f"  {length} Pause"
        return f"{text:33s}{messages:<9d}{'':21s}{unexpected:<9d}"
    outward = info.client == (step.kind == "send")
    arrow = "---------->" if outward else "<----------"
    text = f"  {step.label:>10s} {arrow} " if info.client else f"  {arrow} {step.label:<10s} "
    lost_text = str(lost) if info.loss_enabled and lost else ""
    columns = f"{messages:<9d} {retrans:<9d} "
    if step.kind == "recv":
        columns += f"{timeout:<9d} {unexpected:<9d} "
    else:
        columns += f"{timeout if step.has_retrans else '':<9} {'':9s} "
    return f"{text}{_rtd_mark(step):8s}{columns}{lost_text:6s}"


_COMMAND_LABELS = {"sendCmd": "        [ Sent Command ]", "recvCmd": "    [ Received Command ]"}


def _rtd_mark(step: FlowStep) -> str:
    if step.start_rtd is not None:
        return f" B-RTD{step.start_rtd} "
    if step.stop_rtd is not None:
        return f" E-RTD{step.stop_rtd} "
    return ""


# ---- statistics screen -----------------------------------------------------------------------------


def _text_row(name: str, text: str) -> str:
    return f"  {name:22.22s} | {text:52.52s} "


def _pair_row(name: str, periodic: str, cumulative: str) -> str:
    return f"  {name:22.22s} | {periodic:25.25s} | {cumulative:24.24s} "


def _count_row(name: str, periodic: int | None, cumulative: int | None) -> str:
    texts = ["" if value is None else f"{value:8d}" for value in (periodic, cumulative)]
    return _pair_row(name, *texts)


def statistics_screen(view: View, *, final: bool = False) -> list[str]:
    """SIPp's second screen: periodic and cumulative values; what sipp does not have comes last."""
    total, period = view.total, view.period

    def counted(name: str, counter: str) -> str:
        return _count_row(name, period.counter(counter), total.counter(counter))

    lines = [
        _TITLE_STATISTICS,
        _text_row("Start Time", wall_stamp(total.start_time_ns)),
        _text_row("Last Reset Time", wall_stamp(period.start_time_ns)),
        _text_row("Current Time", wall_stamp(total.time_ns)),
        SEPARATOR,
        "  Counter Name           | Periodic value            | Cumulative value",
        SEPARATOR,
        _pair_row("Elapsed Time", duration_stamp(period.elapsed_ns), duration_stamp(total.elapsed_ns)),
        _pair_row("Call Rate", f"{period.call_rate:8.3f} cps", f"{total.call_rate:8.3f} cps"),
        SEPARATOR,
        counted("Incoming calls created", "incoming_calls"),
        counted("Outgoing calls created", "outgoing_calls"),
        _count_row("Total Calls created", None, total.calls_created),
        _count_row("Current Calls", total.gauge("current_calls"), None),
        SEPARATOR,
    ]
    if view.measures.counter_names:
        rows = zip(view.measures.counter_names, period.generic, total.generic, strict=True)
        lines += [_count_row(f"Counter {name}", in_period, so_far) for name, in_period, so_far in rows]
        lines.append(SEPARATOR)
    lines += [
        counted("Successful call", "successful_calls"),
        counted("Failed call", "failed_calls"),
        SEPARATOR,
    ]
    for name, index in _timed(view.measures, total):
        means = (duration_stamp(part.histogram(index).mean_ns) for part in (period, total))
        lines.append(_pair_row(name, *means))
    return lines + _extra_lines(view) + _closing(view.info, final)


def _timed(measures: Measures, total: Snapshot) -> list[tuple[str, int]]:
    names = [f"Response Time {name}" for name in measures.rtd_names]
    return [*zip(names, range(len(names)), strict=True), ("Call Length", total.layout.call_length_hist)]


def _extra_lines(view: View) -> list[str]:
    total, period = view.total, view.period
    lines = [SEPARATOR, _text_row("Percentiles (ms)", "".join(f"{name:>10s}" for _, name in PERCENTILES))]
    lags = [("Schedule lag", total.layout.schedule_lag_hist)] if view.info.client else []
    if total.connect_time.count:
        lags.append(("Connect time", total.layout.connect_time_hist))
    for name, index in _timed(view.measures, total) + lags:
        lines.append(_text_row(name, _percentile_columns(total.histogram(index))))
    lines.append(SEPARATOR)
    shown = _EXTRA_ROWS + tuple(row for row in _EXTRA_ROWS_NONZERO if total.counter(row[1]))
    lines += [_count_row(name, period.counter(counter), total.counter(counter)) for name, counter in shown]
    return lines


def _percentile_columns(histogram: Histogram) -> str:
    return "".join(f"{ms_text(histogram.percentile(percent)):>10s}" for percent, _ in PERCENTILES)


# ---- repartition and variables screens -------------------------------------------------------------


def repartition_screen(view: View, rtd: int = 0, *, final: bool = False) -> list[str]:
    """The response-time table of one RTD (index from 0); the first also has the call lengths."""
    measures, total = view.measures, view.total
    lines = [_TITLE_REPARTITION if rtd == 0 else _TITLE_REPARTITION_N.format(rtd + 1)]
    if rtd < len(measures.rtd_names):
        lines.append(f"{f'  Average Response Time Repartition {measures.rtd_names[rtd]}':79s}")
        lines += _repartition_rows(measures.rtd_bounds_ms[rtd], total.repartition(rtd))
    if rtd == 0 and (measures.rtd_names or measures.call_length_bounds_ms):
        lines.append(f"{'  Average Call Length Repartition':79s}")
        lines += _repartition_rows(measures.call_length_bounds_ms, total.repartition(total.layout.n_rtds))
    if len(lines) == 1:
        lines.append(_NO_TABLE)
    return lines + _closing(view.info, final)


_NO_TABLE = "    <No repartion defined>"


def _repartition_rows(bounds_ms: Sequence[int], counts: Sequence[int]) -> list[str]:
    if not bounds_ms:
        return [_NO_TABLE]
    lows = (0, *bounds_ms[:-1])
    rows = [f"    {low:10d} ms <= n < {high:10d} ms : {count:10d}"
            for low, high, count in zip(lows, bounds_ms, counts, strict=False)]
    return [*rows, f"    {'':14s} n >= {bounds_ms[-1]:10d} ms : {counts[-1]:10d}"]


def variables_screen(view: View, *, final: bool = False) -> list[str]:
    """SIPp's fourth screen lists the scenario's actions: what they are, not what they did."""
    lines = [_TITLE_VARIABLES, "Action defined Per Message :", *(view.action_lines or [_NO_ACTION])]
    return lines + _closing(view.info, final)


_NO_ACTION = "=> No action found on any messages"


def tdm_screen(view: View, *, final: bool = False) -> list[str]:
    """SIPp's fifth screen: which circuits of -tdmmap calls have taken."""
    info = view.info
    circuits = "".join(".*"[taken != 0] for taken in info.tdm_taken)
    n_circuits, n_taken = len(circuits), circuits.count("*")
    columns = info.tdm_columns or 1
    rows = [circuits[first : first + columns] for first in range(0, n_circuits, columns)]
    share = 100 * n_taken // n_circuits if n_circuits else 0
    lines = [_TITLE_TDM, "TDM Circuits in use:", *rows, "", f"{n_taken}/{n_circuits} circuits ({share}%) in use"]
    return lines + _closing(info, final)


def _repartition_of(rtd: int) -> Callable[..., list[str]]:
    def draw(view: View, *, final: bool = False) -> list[str]:
        return repartition_screen(view, rtd, final=final)

    return draw


_SCREENS: dict[str, Callable[..., list[str]]] = {
    "1": scenario_screen,
    "2": statistics_screen,
    "3": repartition_screen,
    "4": variables_screen,
    "5": tdm_screen,
    "6": _repartition_of(1),
    "7": _repartition_of(2),
    "8": _repartition_of(3),
    "9": _repartition_of(4),
}
SCREEN_KEYS = tuple(_SCREENS)
DUMPED_KEYS = ("1", "2", "3", "6", "7", "8", "9")
"""The screens that SIPp writes to its screen file, those of durations that there are."""


def screen_lines(key: str, view: View, *, final: bool = False) -> list[str]:
    """The screen that a key of SCREEN_KEYS selects; KeyError for another."""
    return _SCREENS[key](view, final=final)
