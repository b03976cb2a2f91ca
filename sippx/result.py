"""What a finished run gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sippx.errors import EXIT_FAILED_CALLS, EXIT_NO_CALLS, EXIT_OK, EXIT_THRESHOLD
from sippx.report.summary import Side, failure_causes, summary_lines

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sippx.report.flow import Measures
    from sippx.report.snapshot import Histogram, Snapshot
    from sippx.report.threshold import ThresholdResult
    from sippx.report.watchdog import Finding


@dataclass(frozen=True)
class Result:
    """Counters, times and cost of one run; percentiles through the histograms.

    total      the counters at the end; every figure below comes from it
    wall_s     from the first turn of the event loop to the last
    cpu_s      CPU time (user and system) of the thread that ran the engine
    timed_out  the run was cut short by -timeout
    was_stopped  a signal or `Runner.stop` ended the run; calls may have been open
    stop_reason  what the scenario ended the run with: "graceful", "now" (int_cmd), "error", else ""
    thresholds   what became of each of `Options.thresholds`
    timeline     the run over time, a list of values for each name, as in the JSON file
    findings     when the load generator itself was the bottleneck
    """

    scenario_name: str
    is_client: bool
    total: Snapshot
    measures: Measures
    wall_s: float
    cpu_s: float
    timed_out: bool = False
    stop_reason: str = ""
    was_stopped: bool = False
    thresholds: tuple[ThresholdResult, ...] = ()
    timeline: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def counters(self) -> dict[str, int]:
        """All totals by name, such as "successful_calls" or "retransmissions"."""
        return self.total.counters()

    @property
    def n_calls(self) -> int:
        """Calls created, incoming and outgoing."""
        return self.total.calls_created

    @property
    def n_successful(self) -> int:
        """Calls that ran to the end of the scenario."""
        return self.total.counter("successful_calls")

    @property
    def n_failed(self) -> int:
        """Calls that ended otherwise."""
        return self.total.counter("failed_calls")

    @property
    def failures(self) -> dict[str, int]:
        """Failed calls by cause in words, most frequent first."""
        return failure_causes(self.total)

    @property
    def calls_per_s(self) -> float:
        """Calls created per second of wall time."""
        return self.n_calls / self.wall_s if self.wall_s > 0 else 0.0

    @property
    def cpu_us_per_call(self) -> float:
        """CPU microseconds per call created, 0 without calls."""
        return self.cpu_s * 1e6 / self.n_calls if self.n_calls else 0.0

    @property
    def steps(self) -> NDArray[np.uint64]:
        """Per step of the scenario: messages, retransmissions, timeouts, unexpected, lost; shape (n, 5)."""
        return self.total.steps

    @property
    def response_times(self) -> dict[str, Histogram]:
        """Histogram of each response-time duration by its name."""
        return {name: self.total.histogram(i) for i, name in enumerate(self.measures.rtd_names)}

    @property
    def call_length(self) -> Histogram:
        """Histogram of the lengths of all ended calls."""
        return self.total.call_length

    @property
    def connect_time(self) -> Histogram:
        """How long connections took to open, handshakes included; empty over UDP."""
        return self.total.connect_time

    @property
    def schedule_lag(self) -> Histogram:
        """Histogram of how much later than due calls were started."""
        return self.total.schedule_lag

    @property
    def exit_code(self) -> int:
        """What the command exits with.

        98 when a threshold is not met, 1 with failed calls, 97 for a time-out without any call ended, else 0.
        A threshold about failed or successful calls takes the place of "no call may fail".
        """
        return self._verdict[0]

    @property
    def reason(self) -> str:
        """Why the exit code is what it is."""
        return self._verdict[1]

    @property
    def _verdict(self) -> tuple[int, str]:
        failed = f"{self.n_failed:,} of {self.total.counter('calls_ended'):,} calls failed"
        unmet = [result.threshold.text for result in self.thresholds if not result.is_met]
        if self.stop_reason == "now":
            return EXIT_NO_CALLS, "the scenario ended the run at once"
        if unmet:
            return EXIT_THRESHOLD, f"not met: {', '.join(unmet)}"
        if self.n_failed and not any(result.judges_failures for result in self.thresholds):
            return EXIT_FAILED_CALLS, failed
        if self.timed_out and not self.n_successful:
            return EXIT_NO_CALLS, "the time was over before any call had ended"
        if self.n_failed:
            return EXIT_OK, f"{failed}, which the thresholds allow"
        if self.was_stopped:
            return EXIT_OK, f"no call failed until the run was stopped, {self.total.gauge('current_calls'):,} were open"
        return EXIT_OK, "no call failed" if self.n_calls else "there were no calls"

    def summary(self) -> str:
        """The run as a few lines of text."""
        side = Side(self.scenario_name, self.total, self.measures, self.is_client, self.cpu_s)
        return "\n".join(summary_lines(side))
