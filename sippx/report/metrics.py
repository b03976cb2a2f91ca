"""What a threshold may be about: one declarative table, from which parsing, error texts and docs derive."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sippx.report.demand import Demand
from sippx.report.flow import Measures
from sippx.report.snapshot import Histogram, Snapshot
from sippx.report.stamps import NS_PER_MS, NS_PER_S, NS_PER_US

Kind = Literal["count", "share", "time", "rate", "size"]

UNITS: Mapping[Kind, Mapping[str, float]] = {
    # factor to what is compared: counts, shares of 1, nanoseconds, events a second, bytes
    "count": {"": 1.0},
    "share": {"": 1.0, "%": 0.01},
    "time": {"us": float(NS_PER_US), "ms": float(NS_PER_MS), "s": float(NS_PER_S)},
    "rate": {"": 1.0},
    "size": {"": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9},
}

COUNTERS: Mapping[str, tuple[str, str]] = {
    # name -> (meaning, counter that it is a share of with %)
    "incoming_calls": ("calls that began with a message received", ""),
    "outgoing_calls": ("calls opened by this side", ""),
    "calls_ended": ("calls that ended, one way or the other", ""),
    "successful_calls": ("calls that ran to the end of the scenario", "calls_ended"),
    "failed_calls": ("calls that ended otherwise", "calls_ended"),
    "failed_cannot_send_message": ("failed: a message could not be sent", "calls_ended"),
    "failed_max_udp_retrans": ("failed: retransmitted as often as allowed, without an answer", "calls_ended"),
    "failed_tcp_connect": ("failed: no connection", "calls_ended"),
    "failed_tcp_closed": ("failed: the connection was closed", "calls_ended"),
    "failed_unexpected_message": ("failed: a message that the scenario does not expect", "calls_ended"),
    "failed_call_rejected": ("failed: rejected", "calls_ended"),
    "failed_cmd_not_sent": ("failed: a command to the twin could not be sent", "calls_ended"),
    "failed_regexp_doesnt_match": ("failed: a regular expression should have matched", "calls_ended"),
    "failed_regexp_shouldnt_match": ("failed: a regular expression should not have matched", "calls_ended"),
    "failed_regexp_hdr_not_found": ("failed: a header to search was not there", "calls_ended"),
    "failed_outbound_congestion": ("failed: the network took no more", "calls_ended"),
    "failed_timeout_on_recv": ("failed: a message did not arrive in time", "calls_ended"),
    "failed_timeout_on_send": ("failed: a message was not answered in time", "calls_ended"),
    "failed_test_doesnt_match": ("failed: a <test> should have been true", "calls_ended"),
    "failed_test_shouldnt_match": ("failed: a <test> should have been false", "calls_ended"),
    "failed_strcmp_doesnt_match": ("failed: a <strcmp> should have found equal texts", "calls_ended"),
    "failed_strcmp_shouldnt_match": ("failed: a <strcmp> should have found different texts", "calls_ended"),
    "failed_aborted": ("failed: still open when the run was cut short", "calls_ended"),
    "out_of_call_msgs": ("messages received that belong to no call", "datagrams_received"),
    "dead_call_msgs": ("messages received for calls that had ended", "datagrams_received"),
    "retransmissions": ("messages sent once more", "datagrams_sent"),
    "auto_answered": ("requests answered by -aa", "datagrams_received"),
    "warnings": ("warnings", ""),
    "late_starts": ("calls opened more than 10 ms later than due", "outgoing_calls"),
    "limited_starts": ("calls that fell due and were held back by the limit of open calls (-l)", ""),
    "datagrams_sent": ("messages sent, retransmissions included", ""),
    "datagrams_received": ("messages received, also those that are no SIP", ""),
    "bytes_sent": ("bytes of the messages sent", ""),
    "bytes_received": ("bytes of the messages received", ""),
    "send_syscalls": ("system calls that sent", ""),
    "receive_syscalls": ("system calls that received", ""),
    "send_errors": ("messages that the kernel refused for good", "datagrams_sent"),
    "send_congested": ("messages dropped because the send buffer was full", "datagrams_sent"),
    "icmp_errors": ("errors reported by ICMP, such as port unreachable", "datagrams_sent"),
    "receive_errors": ("errors while receiving", ""),
    "socket_drops": ("messages that the kernel dropped because the receive buffer was full", "datagrams_received"),
    "malformed": ("messages received that are no SIP", "datagrams_received"),
    "malformed_no_call_id": ("messages received without a Call-ID", "datagrams_received"),
    "trace_drops": ("trace records lost because they could not be written fast enough", ""),
    "calls_refused": ("incoming calls refused, no room for them", "incoming_calls"),
    "connections_opened": ("connections made, handshakes included", ""),
    "connections_accepted": ("connections accepted, handshakes included", ""),
    "connections_failed": ("connections refused, not open in time, or failed in a handshake", ""),
    "connections_lost": ("connections that the peer closed under open calls, or that broke", ""),
    "reconnections": ("lost connections that were begun anew (-max_reconnect)", ""),
    "congestions": ("times that a connection took no more for a while", ""),
    "framing_errors": ("connections given up because what came on them is no SIP", ""),
    "accept_errors": ("times that a connection could not be accepted, of lack of descriptors above all", ""),
    "tls_handshakes": ("TLS handshakes completed", ""),
    "tls_resumed": ("TLS handshakes that resumed a session", "tls_handshakes"),
    "tls_failures": ("TLS handshakes that failed", ""),
}

STATISTICS = "mean, stdev, max or a percentile: p50, p99, p99.9, ..."
_STATISTIC = re.compile(r"mean|stdev|max|p(?P<percent>\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Figures:
    """What metrics are measured on: the counters so far and what goes with them."""

    total: Snapshot
    measures: Measures
    demand: Demand
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A value in the unit that is compared; None: `reason` says why there is none.

    n_events  how many calls, times or messages it rests on, None where it does not
    """

    value: float | None
    n_events: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric or, with capital letters in its name, a family of them.

    share_of  a count may be written as a share of this counter with %
    grows     the value never falls while the run lasts
    measure   gets the figures and the parts that stand for the capital letters
    """

    name: str
    kind: Kind
    meaning: str
    measure: Callable[[Figures, tuple[str, ...]], Measured]
    share_of: str = ""
    grows: bool = False
    pattern: re.Pattern[str] | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """What may follow the value."""
        return (*UNITS[self.kind], "%") if self.share_of else tuple(UNITS[self.kind])


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as a threshold names it: its spec and what stands for the capital letters."""

    name: str
    spec: MetricSpec
    parts: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """What it is, with what stands for the capital letters."""
        if not self.parts:
            return self.spec.meaning
        statistic = f", {self.parts[-1]}" if "STAT" in self.spec.name else ""
        return self.spec.meaning.replace("NAME", self.parts[0]) + statistic

    def measured(self, figures: Figures, *, as_share: bool) -> Measured:
        """The value now; as_share: a count as a share of what `spec.share_of` says."""
        measured = self.spec.measure(figures, self.parts)
        if not as_share or self.spec.kind == "share" or measured.value is None:
            return measured
        whole = figures.total.counter(self.spec.share_of)
        if not whole:
            return Measured(None, reason=f"{self.spec.share_of} is 0")
        return Measured(measured.value / whole, whole)


def find_metric(name: str) -> Metric:
    """The metric of this name; ValueError with the nearest one where there is none."""
    if name in METRICS and METRICS[name].pattern is None:
        return Metric(name, METRICS[name])
    for spec in METRICS.values():
        match = spec.pattern.fullmatch(name) if spec.pattern is not None else None
        if match is not None:
            parts = match.groups()
            if "STAT" in spec.name:
                _check_statistic(parts[-1])
            return Metric(name, spec, parts)
    raise ValueError(f"unknown metric '{name}', the nearest known one is '{_nearest(name)}'")


def _check_statistic(text: str) -> None:
    match = _STATISTIC.fullmatch(text)
    if match is None:
        raise ValueError(f"unknown statistic '{text}', use {STATISTICS}")
    if match["percent"] is not None and not 0 < float(match["percent"]) <= 100:
        raise ValueError(f"a percentile is above 0 and at most 100, not {match['percent']}")


def _nearest(name: str) -> str:
    return max(METRICS, key=lambda known: difflib.SequenceMatcher(None, name, known).ratio())


# ---- how they are measured ---------------------------------------------------------------------------


def _counter(name: str) -> Callable[[Figures, tuple[str, ...]], Measured]:
    return lambda figures, parts: Measured(float(figures.total.counter(name)))


def _gauge(name: str) -> Callable[[Figures, tuple[str, ...]], Measured]:
    return lambda figures, parts: Measured(float(figures.total.gauge(name)))


def _own_counter(figures: Figures, parts: tuple[str, ...]) -> Measured:
    names = figures.measures.counter_names
    if parts[0] not in names:
        return Measured(None, reason=f"the scenario counts nothing as '{parts[0]}'; {_there_is(names)}")
    return Measured(float(figures.total.generic[names.index(parts[0])]))


def _calls(figures: Figures, parts: tuple[str, ...]) -> Measured:
    return Measured(float(figures.total.calls_created))


def _calls_per_s(figures: Figures, parts: tuple[str, ...]) -> Measured:
    return Measured(figures.total.call_rate, figures.total.calls_created)


def _rate(figures: Figures, parts: tuple[str, ...]) -> Measured:
    share = figures.demand.share
    if share is None:
        return Measured(None, reason="no rate was asked for")
    return Measured(share, int(figures.demand.asked))


def _duration(figures: Figures, parts: tuple[str, ...]) -> Measured:
    return Measured(float(figures.total.elapsed_ns))


def _cpu(figures: Figures, parts: tuple[str, ...]) -> Measured:
    if figures.total.elapsed_ns <= 0:
        return Measured(None, reason="no time has passed")
    return Measured(figures.cpu_s / figures.total.elapsed_s)


def _rtd(figures: Figures, parts: tuple[str, ...]) -> Measured:
    names = figures.measures.rtd_names
    if parts[0] not in names:
        return Measured(None, reason=f"the scenario has no response time '{parts[0]}'; {_there_is(names)}")
    return _statistic(figures.total.histogram(names.index(parts[0])), parts[1])


def _there_is(names: tuple[str, ...]) -> str:
    return f"it has: {', '.join(names)}" if names else "it has none"


def _call_length(figures: Figures, parts: tuple[str, ...]) -> Measured:
    return _statistic(figures.total.call_length, parts[0])


def _lag(figures: Figures, parts: tuple[str, ...]) -> Measured:
    return _statistic(figures.total.schedule_lag, parts[0])


def _connect_time(figures: Figures, parts: tuple[str, ...]) -> Measured:
    return _statistic(figures.total.connect_time, parts[0])


def _statistic(histogram: Histogram, name: str) -> Measured:
    if not histogram.count:
        return Measured(None, reason="nothing was measured")
    if name == "mean":
        value = histogram.mean_ns
    elif name == "stdev":
        value = histogram.stdev_ns
    else:
        value = float(histogram.percentile(100.0 if name == "max" else float(name[1:])))
    return Measured(value, histogram.count)


def _specs() -> Iterator[MetricSpec]:
    of_ended = "calls_ended"
    yield MetricSpec("failed", "count", "failed calls, with % of the calls that ended", _counter("failed_calls"),
                     of_ended, grows=True)
    yield MetricSpec("successful", "count", "successful calls, with % of the calls that ended",
                     _counter("successful_calls"), of_ended, grows=True)
    yield MetricSpec("rate", "share", "calls opened / calls that the target rate asked for", _rate)
    yield MetricSpec("calls", "count", "calls created, incoming and outgoing", _calls, grows=True)
    yield MetricSpec("calls_per_s", "rate", "calls created per second of the run", _calls_per_s)
    yield MetricSpec("rtdNAME.STAT", "time", "response time NAME of the scenario", _rtd,
                     pattern=re.compile(r"rtd(.+?)\.(p\d+\.\d+|[^.]*)"))
    for name, meaning, measure in (
        ("call_length", "length of the calls that ended", _call_length),
        ("lag", "how much later than due calls were opened", _lag),
        ("connect_time", "how long connections took to open, handshakes included", _connect_time),
    ):
        yield MetricSpec(f"{name}.STAT", "time", meaning, measure, pattern=re.compile(rf"{name}\.(.*)"))
    yield MetricSpec("duration", "time", "length of the run", _duration, grows=True)
    yield MetricSpec("cpu", "share", "CPU time of the thread that runs the engine, as a share of one core", _cpu)
    yield MetricSpec("peak_calls", "count", "the most calls that were open at a time", _gauge("peak_calls"), grows=True)
    yield MetricSpec("memory", "size", "memory of calls, messages and tables at the end", _gauge("memory_bytes"))
    for name, (meaning, share_of) in COUNTERS.items():
        yield MetricSpec(name, "count", meaning, _counter(name), share_of, grows=True)
    yield MetricSpec("counter.NAME", "count", "the scenario's own counter NAME", _own_counter, grows=True,
                     pattern=re.compile(r"counter\.(.+)"))


METRICS: Mapping[str, MetricSpec] = {spec.name: spec for spec in _specs()}
"""Every metric by its name, in the order of the documentation."""
