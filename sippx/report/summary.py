"""The report at the end of a run for people: rates, outcomes, percentiles and cost in a few plain lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sippx.report.flow import Measures
from sippx.report.screen import PERCENTILES
from sippx.report.snapshot import Histogram, Snapshot
from sippx.report.stamps import ms_text

FAILURE_PREFIX = "failed_"
FAILURE_TOTAL = "failed_calls"

# Shown when not zero: what happened on the way, and what says that this side or the network was too slow.
_EVENTS = (
    ("retransmissions", "retransmissions"),
    ("late starts", "late_starts"),
    ("starts held by -l", "limited_starts"),
    ("out-of-call messages", "out_of_call_msgs"),
    ("messages to ended calls", "dead_call_msgs"),
    ("malformed messages", "malformed"),
    ("messages without Call-ID", "malformed_no_call_id"),
    ("send errors", "send_errors"),
    ("sends refused, buffer full", "send_congested"),
    ("receive errors", "receive_errors"),
    ("ICMP errors", "icmp_errors"),
    ("dropped, receive buffer full", "socket_drops"),
    ("calls refused, no room", "calls_refused"),
    ("connections failed", "connections_failed"),
    ("connections lost", "connections_lost"),
    ("reconnections", "reconnections"),
    ("congested connections", "congestions"),
    ("connections with what is no SIP", "framing_errors"),
    ("connections not accepted", "accept_errors"),
    ("TLS handshakes", "tls_handshakes"),
    ("TLS sessions resumed", "tls_resumed"),
    ("TLS handshakes failed", "tls_failures"),
    ("trace records lost", "trace_drops"),
)


@dataclass(frozen=True)
class Side:
    """One side of a test for the summary.

    title  what it is called, such as "uac"
    cpu_s  CPU time it used (user and system) in seconds, None when not known
    """

    title: str
    total: Snapshot
    measures: Measures
    client: bool
    cpu_s: float | None = None


def failure_causes(total: Snapshot) -> dict[str, int]:
    """Failed calls by cause in words, causes with none left out, most frequent first."""
    causes = {
        name.removeprefix(FAILURE_PREFIX).replace("_", " "): count
        for name, count in total.counters().items()
        if name.startswith(FAILURE_PREFIX) and name != FAILURE_TOTAL and count
    }
    other = total.counter(FAILURE_TOTAL) - sum(causes.values())
    if other > 0:
        causes["other"] = other
    return dict(sorted(causes.items(), key=lambda item: -item[1]))


def summary_lines(side: Side) -> list[str]:
    """The report of one side."""
    total = side.total
    successful, failed = total.counter("successful_calls"), total.counter("failed_calls")
    lines = [
        side.title,
        f"  calls        {total.calls_created:,} in {total.elapsed_s:.3f} s = {total.call_rate:,.0f} calls/s"
        f" (at most {total.gauge('peak_calls'):,} open at once)",
        f"  successful   {successful:,}{_success_share(successful, failed)}",
        f"  failed       {failed:,}",
    ]
    lines += [f"    {cause:26s} {count:,}" for cause, count in failure_causes(total).items()]
    if total.gauge("current_calls"):
        lines.append(f"  still open   {total.gauge('current_calls'):,}")
    lines += [f"  {name}: {total.counter(key):,}" for name, key in _EVENTS if total.counter(key)]
    return lines + _table(side) + _cost(side)


def _success_share(successful: int, failed: int) -> str:
    # Cut, not rounded: one failed call in a million must not read as 100 %.
    ended = successful + failed
    return f" ({successful * 1_000_000 // ended / 10_000:.4f} %)" if ended else ""


def _table(side: Side) -> list[str]:
    total = side.total
    rows = [(f"response time {name}", total.histogram(n)) for n, name in enumerate(side.measures.rtd_names)]
    rows.append(("call length", total.call_length))
    if side.client:
        rows.append(("schedule lag", total.schedule_lag))
    if total.connect_time.count:
        rows.append(("connect time", total.connect_time))
    width = max(len(name) for name, _ in rows) + 2
    heading = "".join(f"{name:>11s}" for name in ("mean", *(name for _, name in PERCENTILES)))
    return [f"  {'ms':{width}s}{heading}", *(f"  {name:{width}s}{_durations(row)}" for name, row in rows)]


def _durations(histogram: Histogram) -> str:
    if not histogram.count:
        return f"{'none':>11s}"
    values_ns = (histogram.mean_ns, *(histogram.percentile(percent) for percent, _ in PERCENTILES))
    return "".join(f"{ms_text(value_ns):>11s}" for value_ns in values_ns)


def _cost(side: Side) -> list[str]:
    created, elapsed_s = side.total.calls_created, side.total.elapsed_s
    if side.cpu_s is None or not created or elapsed_s <= 0:
        return []
    share = 100 * side.cpu_s / elapsed_s
    return [f"  CPU          {side.cpu_s / created * 1e6:.2f} us a call ({share:.0f} % of one core)"]


def report_lines(sides: Sequence[Side]) -> list[str]:
    """The report of a whole run, its sides one below the other with an empty line between."""
    lines: list[str] = []
    for side in sides:
        lines += ["", *summary_lines(side)] if lines else summary_lines(side)
    return lines
