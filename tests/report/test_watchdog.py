"""Findings about the load generator itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recorder import Recorder

from sippx.report.flow import RunInfo
from sippx.report.watchdog import KINDS, MAX_FINDINGS_PER_KIND, Finding, GeneratorWatch

NS = 1_000_000_000
CLIENT = RunInfo(client=True, target_rate=1000.0)


def found(seconds: list[dict[str, float]]) -> tuple[Finding, ...]:
    """Findings of a run with these counts (and "cpu": seconds, "due": calls) in each second, at 1000 calls/s."""
    recorder, watch, info = Recorder(0), GeneratorWatch(), CLIENT
    watch.begin(recorder.snapshot(), info)
    for second, counts in enumerate(seconds, 1):
        due = info.calls_due + counts.get("due", 1000)
        info = replace(info, cpu_s=info.cpu_s + counts.get("cpu", 0.5), calls_due=due)
        for name, count in ({"outgoing_calls": 1000} | counts).items():
            if name not in ("cpu", "due"):
                recorder.count(name, int(count))
        (watch.end if second == len(seconds) else watch.report)(recorder.snapshot(second * NS), info)
    return watch.findings


def test_quiet_run_has_no_findings() -> None:
    assert found([{}] * 5) == ()


def test_full_core_is_one_finding_while_it_lasts() -> None:
    (finding,) = found([{}, {"cpu": 0.96}, {"cpu": 0.99}, {"cpu": 0.97}, {}])
    assert finding == Finding("cpu", 1.0, 4.0, pytest.approx(0.99), 3)
    assert finding.line() == "generator limited, 1 s to 4 s: the engine's thread used up to 99% of its core"


@pytest.mark.parametrize("name", [kind for kind in KINDS if kind not in ("cpu", "behind")])
def test_events_are_added_up(name: str) -> None:
    (finding,) = found([{}, {name: 30}, {name: 40}, {}])
    assert (finding.kind, finding.from_s, finding.to_s, finding.figure) == (name, 1.0, 3.0, 70)


def test_calls_not_opened_are_behind() -> None:
    (finding,) = found([{"outgoing_calls": 1000}, {"outgoing_calls": 600}])
    assert (finding.kind, finding.figure) == ("behind", pytest.approx(0.6))


def test_rate_that_changes_within_a_second_is_not_behind() -> None:
    assert found([{"outgoing_calls": 1000}, {"outgoing_calls": 500, "due": 500}, {"outgoing_calls": 60, "due": 60}]) == ()


def test_calls_held_back_by_the_limit_are_not_behind() -> None:
    assert found([{"outgoing_calls": 600, "limited_starts": 400}]) == ()


def test_server_is_never_behind() -> None:
    recorder, watch = Recorder(0), GeneratorWatch()
    watch.begin(recorder.snapshot(), RunInfo(client=False))
    watch.end(recorder.snapshot(NS), RunInfo(client=False))
    assert watch.findings == ()


def test_one_quiet_second_does_not_split_a_finding() -> None:
    assert len(found([{"late_starts": 10}, {}, {"late_starts": 10}, {}])) == 1
    assert len(found([{"late_starts": 10}, {}, {}, {"late_starts": 10}])) == 2


def test_findings_are_bounded() -> None:
    findings = found([{"late_starts": 10}, {}, {}] * 40)
    assert len(findings) == MAX_FINDINGS_PER_KIND
    assert sum(finding.figure for finding in findings) == 400
    assert findings[-1].to_s == 118.0


def test_short_rest_says_nothing_about_cpu() -> None:
    recorder, watch = Recorder(0), GeneratorWatch()
    watch.begin(recorder.snapshot(), CLIENT)
    watch.end(recorder.snapshot(NS // 100), replace(CLIENT, cpu_s=0.02))
    assert watch.findings == ()


def test_lines_say_what_may_help() -> None:
    recorder, watch = Recorder(0), GeneratorWatch()
    watch.begin(recorder.snapshot(), CLIENT)
    recorder.count("outgoing_calls", 1000)
    recorder.count("socket_drops", 5)
    watch.end(recorder.snapshot(NS), CLIENT)
    (line,) = watch.lines()
    assert "5 messages were dropped" in line
    assert "-buff_size" in line


def test_few_late_starts_are_no_finding() -> None:
    assert found([{"late_starts": 9}]) == ()


def test_a_rate_that_grows_from_nothing_asks_for_its_mean() -> None:
    recorder, watch = Recorder(0), GeneratorWatch()
    watch.begin(recorder.snapshot(), replace(CLIENT, target_rate=0.0))
    recorder.count("outgoing_calls", 500)
    watch.end(recorder.snapshot(NS), CLIENT)
    assert watch.findings == ()
