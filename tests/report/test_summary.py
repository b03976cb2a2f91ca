"""The report at the end of a run."""

from __future__ import annotations

import re

from recorder import Recorder

from sippx.report.flow import Measures
from sippx.report.summary import Side, failure_causes, report_lines, summary_lines

MEASURES = Measures(("1",), (), ((),), ())


def busy_recorder() -> Recorder:
    recorder = Recorder(0, MEASURES)
    recorder.count("outgoing_calls", 1_000_000)
    recorder.count("successful_calls", 999_990)
    recorder.count("failed_calls", 10)
    recorder.count("failed_unexpected_message", 3)
    recorder.count("failed_max_udp_retrans", 6)
    recorder.set_gauge("peak_calls", 1234)
    for us in range(50, 150):
        recorder.record(0, us * 1000)
        recorder.record(1, us * 2000)
    return recorder


def lines_of(recorder: Recorder, *, client: bool = True, cpu_s: float | None = None) -> list[str]:
    return summary_lines(Side("uac", recorder.snapshot(10_000_000_000), MEASURES, client, cpu_s))


def test_rate_and_outcomes_are_in_the_first_lines() -> None:
    assert lines_of(busy_recorder())[:4] == [
        "uac",
        "  calls        1,000,000 in 10.000 s = 100,000 calls/s (at most 1,234 open at once)",
        "  successful   999,990 (99.9990 %)",
        "  failed       10",
    ]


def test_one_failure_in_many_millions_is_not_a_hundred_percent() -> None:
    recorder = Recorder(0, MEASURES)
    recorder.count("successful_calls", 50_000_000)
    assert "  successful   50,000,000 (100.0000 %)" in lines_of(recorder)
    recorder.count("failed_calls", 1)
    assert "  successful   50,000,000 (99.9999 %)" in lines_of(recorder)


def test_failures_are_listed_by_cause_with_the_unexplained_rest() -> None:
    snapshot = busy_recorder().snapshot(1)
    assert list(failure_causes(snapshot).items()) == [
        ("max udp retrans", 6), ("unexpected message", 3), ("other", 1)]  # fmt: skip
    assert any(re.fullmatch(r" +max udp retrans +6", line) for line in lines_of(busy_recorder()))


def test_cpu_time_is_per_call_and_as_share_of_a_core() -> None:
    assert lines_of(busy_recorder(), cpu_s=7.1)[-1] == "  CPU          7.10 us a call (71 % of one core)"


def test_cpu_line_is_left_out_when_not_known_or_without_calls() -> None:
    assert not any("CPU" in line for line in lines_of(busy_recorder()))
    assert not any("CPU" in line for line in lines_of(Recorder(0, MEASURES), cpu_s=1.0))


def test_percentile_columns_are_in_milliseconds() -> None:
    lines = lines_of(busy_recorder())
    heading = next(line for line in lines if "p99.9" in line)
    row = next(line for line in lines if "response time 1" in line)
    values = dict(zip(heading.split()[1:], row.split()[3:], strict=True))
    assert abs(float(values["mean"]) - 0.0995) < 0.001
    assert abs(float(values["p50"]) - 0.099) < 0.002
    assert values["max"] == "0.149"


def test_nothing_measured_is_said_in_words() -> None:
    assert any(re.fullmatch(r" +schedule lag +none", line) for line in lines_of(busy_recorder()))


def test_server_has_no_schedule_lag() -> None:
    assert not any("schedule lag" in line for line in lines_of(busy_recorder(), client=False))


def test_only_events_that_happened_are_listed() -> None:
    recorder = busy_recorder()
    assert not any("retransmissions" in line for line in lines_of(recorder))
    recorder.count("retransmissions", 4_000)
    recorder.count("late_starts", 2)
    assert "  retransmissions: 4,000" in lines_of(recorder)
    assert "  late starts: 2" in lines_of(recorder)


def test_calls_still_open_are_listed() -> None:
    recorder = busy_recorder()
    recorder.set_gauge("current_calls", 17)
    assert "  still open   17" in lines_of(recorder)


def test_run_without_calls_has_no_shares() -> None:
    assert lines_of(Recorder(0, MEASURES))[1:4] == [
        "  calls        0 in 10.000 s = 0 calls/s (at most 0 open at once)",
        "  successful   0",
        "  failed       0",
    ]


def test_sides_are_separated_by_an_empty_line() -> None:
    side = Side("uac", busy_recorder().snapshot(1), MEASURES, client=True)
    lines = report_lines([side, side])
    assert lines.count("") == 1
    assert lines.count("uac") == 2
