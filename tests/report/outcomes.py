"""An outcome with something of everything, for the tests of the result files."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

from recorder import Recorder

from sippx.report.flow import FlowStep, Measures, RunInfo
from sippx.report.outcome import OptionValue, Outcome
from sippx.report.threshold import ThresholdWatch, parse
from sippx.report.timeline import Timeline
from sippx.report.watchdog import GeneratorWatch

NS_PER_S = 1_000_000_000
MEASURES = Measures(("1", "invite"), ("busy",), ((), ()), ())
FLOW = (
    FlowStep("send", "INVITE", request=True, start_rtd=1, has_retrans=True),
    FlowStep("recv", "100", optional=True),
    FlowStep("recv", "180", optional=True),
    FlowStep("recv", "200", stop_rtd=1),
    FlowStep("send", "ACK", request=True),
    FlowStep("pause", pause_text="300ms"),
    FlowStep("nop", display="<log> & more"),
    FlowStep("nop", hidden=True),
    FlowStep("send", "BYE", request=True, has_retrans=True),
    FlowStep("recv", "200", crlf=True),
)
THRESHOLDS = ("failed<0.1%", "rtd1.p99<50ms", "rate>=0.99", "rtd7.p99<1s")


def record_second(recorder: Recorder, second: int, rng: random.Random, n_calls: int) -> None:
    """A second of calls of a system whose answers become slow in the middle."""
    recorder.count("outgoing_calls", n_calls)
    recorder.count("calls_ended", n_calls)
    n_failed = rng.randrange(4) if 20 < second < 30 else 0
    recorder.count("successful_calls", n_calls - n_failed)
    recorder.count("failed_calls", n_failed)
    recorder.count("failed_timeout_on_recv", n_failed // 2)
    recorder.count("failed_unexpected_message", n_failed - n_failed // 2)
    recorder.count("retransmissions", rng.randrange(20) if 18 < second < 33 else 0)
    recorder.count("datagrams_sent", 3 * n_calls)
    recorder.count("datagrams_received", 4 * n_calls)
    recorder.set_gauge("current_calls", n_calls // 3)
    recorder.set_gauge("peak_calls", n_calls)
    slow = 1 + 20 * math.exp(-((second - 25) ** 2) / 20)
    for _ in range(60):
        recorder.record(0, int(rng.lognormvariate(0, 0.4) * 2e6 * slow))
        recorder.record(1, int(rng.lognormvariate(0, 0.4) * 1e6))
        recorder.record(2, int(3e8 + rng.random() * 1e7))
        recorder.record(3, int(rng.expovariate(1) * 2e5))


def sample_outcome(seconds: int = 60, **changes: Any) -> Outcome:
    """The outcome of a made-up run, watched each second by all reporters."""
    rng = random.Random(4)
    recorder = Recorder(len(FLOW), MEASURES)
    info = RunInfo(client=True, remote_ip="127.0.0.1", remote_port=5060, rate=1000, target_rate=1000.0)
    watch = ThresholdWatch(map(parse, THRESHOLDS), MEASURES)
    timeline, generator = Timeline(MEASURES), GeneratorWatch()
    reporters = (watch, timeline, generator)
    for reporter in reporters:
        reporter.begin(recorder.snapshot(), info)
    for second in range(1, seconds + 1):
        limited = 40 <= second <= 45
        record_second(recorder, second, rng, 800 if limited else 1000)
        recorder.count("late_starts", 50 if limited else 0)
        cpu_s = 0.99 if limited else 0.55 + rng.random() * 0.05
        info = replace(info, cpu_s=info.cpu_s + cpu_s, calls_due=second * 1000.0)
        for reporter in reporters:
            reporter.report(recorder.snapshot(second * NS_PER_S), info)
    for index in range(len(FLOW)):
        recorder.set_step(index, (max(seconds * 1000 - index, 0), 17 * (index == 0), 0, 3 * (index == 3), 0))
    recorder.count("warnings")
    total = recorder.snapshot(seconds * NS_PER_S)
    for reporter in reporters:
        reporter.end(total, info)
    outcome = Outcome(
        version="0.1.0",
        scenario_name="uac",
        scenario_file="uac.xml",
        scenario_description="Basic Sipstone UAC",
        total=total,
        measures=MEASURES,
        info=info,
        flow=FLOW,
        cpu_s=info.cpu_s,
        exit_code=98,
        reason="threshold 'rtd1.p99<50ms' was not met",
        command_line=("sippx", "127.0.0.1:5060", "-r", "1000"),
        options=(
            OptionValue("rate", "-r", 1000.0, False),
            OptionValue("keys", "-key", {"name": "</script><b>"}, False),
            OptionValue("pause_ms", "-d", 0, True),
        ),
        timeline=timeline.data(),
        thresholds=watch.results,
        findings=generator.findings,
        last_warning="nothing of importance",
        max_rss_bytes=80_000_000,
    )
    return replace(outcome, **changes)
