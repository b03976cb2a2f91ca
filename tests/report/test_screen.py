"""Screens, line by line against what sipp 3.6.1 printed for the same counts (files in data/)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorder import START_TIME_NS, Recorder

from sippx.report.flow import FlowStep, Measures, RunInfo, duration_text, step_text
from sippx.report.screen import (
    SCREEN_KEYS,
    View,
    footer,
    repartition_screen,
    scenario_screen,
    screen_lines,
    statistics_screen,
    tdm_screen,
    variables_screen,
)

DATA = Path(__file__).parent / "data"
RT = (10, 20, 30, 40, 50, 100, 150, 200)
CL = (10, 50, 100, 500, 1000, 5000, 10000)
UAC_MEASURES = Measures(("1",), (), (RT,), CL)
UAC_STEPS = (
    FlowStep("send", "INVITE", request=True, has_retrans=True),
    FlowStep("recv", "100", optional=True),
    FlowStep("recv", "180", optional=True),
    FlowStep("recv", "183", optional=True),
    FlowStep("recv", "200", stop_rtd=1),
    FlowStep("send", "ACK", request=True),
    FlowStep("pause", pause_text="100ms"),
    FlowStep("send", "BYE", request=True, has_retrans=True),
    FlowStep("recv", "200", crlf=True),
)
UAC_INFO = RunInfo(client=True, rate=10.0, pause_ms=100, local_port=15321, remote_ip="127.0.0.1",
                   remote_port=15320, limit=30, max_calls=30, open_sockets=0, resolution_ms=0)  # fmt: skip


def uac_recorder() -> Recorder:
    recorder = Recorder(len(UAC_STEPS), UAC_MEASURES)
    for index, n in enumerate((30, 0, 30, 0, 30, 30, 30, 30, 30)):
        recorder.set_step(index, [n, 0, 0, 0, 0])
    recorder.count("outgoing_calls", 30)
    recorder.count("successful_calls", 30)
    recorder.set_gauge("peak_calls", 2)
    recorder.set_gauge("paused_calls", 32)
    for _ in range(30):
        recorder.record(0, 400_000)
        recorder.record(1, 108_000_000)
        recorder.record(2, 90_000)
    return recorder


def view_of(recorder: Recorder, steps: tuple[FlowStep, ...], info: RunInfo, elapsed_ns: int,
            previous_ns: int) -> View:  # fmt: skip
    total = recorder.snapshot(elapsed_ns)
    return View(total, total - recorder.snapshot(previous_ns), steps, recorder.measures, info)


def uac_view() -> View:
    return view_of(uac_recorder(), UAC_STEPS, UAC_INFO, 3_112_087_000, 3_111_876_000)


def printed_by_sipp(name: str) -> tuple[list[str], list[str]]:
    """Scenario and statistics screen as sipp printed them, without the line it prints twice."""
    lines = (DATA / f"sipp-3.6.1-{name}-final.txt").read_text().split("\n")[:-1]
    first = [line for n, line in enumerate(lines[: lines.index(lines[-1]) + 1])
             if not (n and line == lines[n - 1] and "open sockets" in line)]  # fmt: skip
    return first, lines[lines.index(lines[-1]) + 1 :]


def without_own_lines(lines: list[str]) -> list[str]:
    """The statistics screen without the lines at its end that sipp does not have."""
    percentiles = next(n for n, line in enumerate(lines) if line.startswith("  Percentiles"))
    return [*lines[: percentiles - 1], lines[-1]]


def test_final_scenario_screen_of_uac_is_as_sipp_prints_it() -> None:
    assert scenario_screen(uac_view(), final=True) == printed_by_sipp("uac")[0]


def test_final_statistics_screen_of_uac_is_as_sipp_prints_it_but_for_true_cumulative_times() -> None:
    ours = without_own_lines(statistics_screen(uac_view(), final=True))
    theirs = printed_by_sipp("uac")[1]
    pairs = zip(ours, theirs, strict=True)
    differing = {line.split("|")[0].strip(): line for line, sipp in pairs if line != sipp}
    assert differing == {
        "Elapsed Time": "  Elapsed Time           | 00:00:00:000211           | 00:00:03:112087          ",
        "Response Time 1": "  Response Time 1        | 00:00:00:000000           | 00:00:00:000400          ",
        "Call Length": "  Call Length            | 00:00:00:000000           | 00:00:00:108000          ",
    }


def test_final_scenario_screen_of_uas_is_as_sipp_prints_it() -> None:
    steps = (
        FlowStep("recv", "INVITE", request=True, crlf=True),
        FlowStep("send", "180"),
        FlowStep("send", "200", has_retrans=True),
        FlowStep("recv", "ACK", request=True, optional=True, stop_rtd=1, crlf=True),
        FlowStep("recv", "BYE", request=True),
        FlowStep("send", "200"),
        FlowStep("pause", pause_text=duration_text(4000)),
    )
    recorder = Recorder(len(steps), UAC_MEASURES)
    for index in range(len(steps)):
        recorder.set_step(index, [30, 0, 0, 0, 0])
    recorder.count("incoming_calls", 30)
    recorder.set_gauge("peak_calls", 30)
    recorder.set_gauge("peak_at_ns", 3_200_000_000)
    recorder.set_gauge("paused_calls", 32)
    info = RunInfo(client=False, local_port=15320, max_calls=30, open_sockets=0, resolution_ms=0)
    view = view_of(recorder, steps, info, 7_617_386_000, 7_617_173_000)
    assert scenario_screen(view, final=True) == printed_by_sipp("uas")[0]


def measures_steps(*, has_lost: bool) -> tuple[FlowStep, ...]:
    return (
        FlowStep("send", "INVITE", request=True, has_retrans=True, start_rtd=1),
        FlowStep("recv", "100", optional=True),
        FlowStep("recv", "180", optional=True),
        FlowStep("recv", "200", stop_rtd=1, crlf=True),
        FlowStep("send", "ACK", request=True),
        FlowStep("nop"),
        FlowStep("nop", display="My nop text"),
        FlowStep("pause", pause_text=duration_text(300)),
        FlowStep("pause", pause_text=f"{duration_text(100)}/{duration_text(200)}"),
        FlowStep("pause", pause_text=duration_text(15_000)),
        FlowStep("send", "BYE", request=True, has_retrans=True, start_rtd=3, stop_rtd=2, has_lost=has_lost),
        FlowStep("recv", "200", stop_rtd=3, crlf=True),
    )


MEASURES = Measures(("invite", "1", "bye"), ("okc", "3"), ((10, 20, 30),) * 3, (10, 50, 400))
MEASURES_INFO = RunInfo(client=True, rate=4.0, local_port=15311, remote_ip="127.0.0.1", remote_port=15310,
                        limit=187, max_calls=12, open_sockets=0, resolution_ms=0,
                        loss_enabled=True)  # fmt: skip


def test_screens_with_rtds_counters_nops_and_pauses_are_as_sipp_prints_them() -> None:
    recorder = Recorder(12, MEASURES)
    for index, n in enumerate((12, 0, 12, 12, 12, 12, 12, 12, 12, 0, 12, 12)):
        recorder.set_step(index, [n, 0, 0, 0, 0])
    recorder.count("outgoing_calls", 12)
    recorder.count("successful_calls", 12)
    recorder.count_generic(0, 12)
    recorder.count_generic(1, 12)
    recorder.set_gauge("peak_calls", 3)
    recorder.set_gauge("peak_at_ns", 2_000_000_000)
    recorder.set_gauge("paused_calls", 14)
    view = view_of(recorder, measures_steps(has_lost=False), MEASURES_INFO, 3_520_000_000, 3_519_900_000)
    scenario, statistics = printed_by_sipp("measures")
    assert scenario_screen(view, final=True) == scenario
    without_times = [line for line in statistics if not re.search(r"Time +\||cps", line)]
    ours = [line for line in without_own_lines(statistics_screen(view, final=True))
            if not re.search(r"Time +\||cps", line)]  # fmt: skip
    assert ours == without_times


def test_step_rows_of_a_lossy_run_are_as_sipp_prints_them() -> None:
    recorder = Recorder(12, MEASURES)
    rows = [[10, 4, 0, 0, 0], [0] * 5, [7, 0, 0, 0, 0], [10, 0, 0, 0, 0], [10, 0, 0, 0, 0], [0] * 5, [0] * 5,
            [10, 0, 0, 0, 0], [10, 0, 0, 0, 0], [0] * 5, [10, 21, 0, 0, 16], [8, 0, 0, 0, 0]]  # fmt: skip
    for index, row in enumerate(rows):
        recorder.set_step(index, row)
    view = view_of(recorder, measures_steps(has_lost=True), MEASURES_INFO, 1, 0)
    theirs = printed_by_sipp("lossy")[0]
    heading = next(n for n, line in enumerate(theirs) if "Unexp." in line)
    assert scenario_screen(view, final=True)[-len(theirs[heading:]) :] == theirs[heading:]


def test_repartition_screen_is_as_sipp_prints_it() -> None:
    theirs = (DATA / "sipp-3.6.1-uac-repartition.txt").read_text().split("\n")[:-1]
    ours = repartition_screen(replace(uac_view(), info=replace(UAC_INFO, quit_level=1)))
    assert ours == theirs


def test_repartition_screen_without_tables_says_so_in_sipps_spelling() -> None:
    view = view_of(Recorder(0, Measures(("b",), (), ((),), (10, 50))), (), UAC_INFO, 1, 0)
    lines = repartition_screen(view)
    assert lines[1].rstrip() == "  Average Response Time Repartition b"
    assert lines[2] == "    <No repartion defined>"
    assert lines[3].rstrip() == "  Average Call Length Repartition"
    assert repartition_screen(view, 1)[:2] == [
        "--------------------------- Repartition 2 Screen ------ [1-9]: Change Screen --",
        "    <No repartion defined>",
    ]
    nothing = view_of(Recorder(), (), UAC_INFO, 1, 0)
    assert repartition_screen(nothing)[1:-1] == ["    <No repartion defined>"]


def test_running_client_shows_new_calls_of_the_period() -> None:
    recorder = uac_recorder()
    early = recorder.snapshot(1_000_000_000)
    recorder.count("outgoing_calls", 5)
    total = recorder.snapshot(2_004_000_000)
    info = replace(UAC_INFO, max_calls=None, resolution_ms=1)
    lines = scenario_screen(View(total, total - early, UAC_STEPS, UAC_MEASURES, info))
    assert lines[4] == "  5 new calls during 1.004 s period       1 ms scheduler resolution            "


def test_auto_answer_line_is_shown_with_aa_only() -> None:
    view = uac_view()
    assert not any("auto-answered" in line for line in scenario_screen(view))
    lines = scenario_screen(replace(view, info=replace(UAC_INFO, auto_answer=True)))
    assert "  0 requests auto-answered" in lines


def test_hidden_steps_take_no_line() -> None:
    hidden = (*UAC_STEPS[:-1], replace(UAC_STEPS[-1], hidden=True))
    shown, less = scenario_screen(uac_view()), scenario_screen(replace(uac_view(), steps=hidden))
    assert len(less) == len(shown) - 2


def test_rate_of_a_million_keeps_the_other_columns() -> None:
    recorder = uac_recorder()
    recorder.count("outgoing_calls", 10_000_000)
    info = replace(UAC_INFO, rate=1_000_000.0, max_calls=None)
    lines = statistics_screen(view_of(recorder, UAC_STEPS, info, 10_000_000_000, 1))
    bars = {tuple(n for n, char in enumerate(line) if char == "|") for line in lines if line.count("|") == 2}
    assert bars == {(25, 53)}


def test_percentile_rows_come_last_in_milliseconds() -> None:
    lines = statistics_screen(uac_view())
    start = next(n for n, line in enumerate(lines) if line.startswith("  Percentiles"))
    assert lines[start].split() == ["Percentiles", "(ms)", "|", "p50", "p90", "p99", "p99.9", "max"]
    rows = {line.split("|")[0].strip(): line.split("|")[1].split() for line in lines[start + 1 : start + 4]}
    assert set(rows) == {"Response Time 1", "Call Length", "Schedule lag"}
    assert float(rows["Response Time 1"][0]) == pytest.approx(0.4, rel=0.01)
    assert rows["Call Length"][4] == "108.000"


def test_late_and_limited_starts_are_shown() -> None:
    recorder = uac_recorder()
    recorder.count("late_starts", 12)
    recorder.count("limited_starts", 7)
    text = "\n".join(statistics_screen(view_of(recorder, UAC_STEPS, UAC_INFO, 2, 1)))
    assert re.search(r"Late starts +\| +0 +\| +12 ", text)
    assert re.search(r"Starts held by -l +\| +0 +\| +7 ", text)
    assert "Malformed" not in text


def test_malformed_messages_are_shown_when_there_are_some() -> None:
    recorder = uac_recorder()
    recorder.count("malformed", 3)
    text = "\n".join(statistics_screen(view_of(recorder, UAC_STEPS, UAC_INFO, 2, 1)))
    assert re.search(r"Malformed messages +\| +0 +\| +3 ", text)


def test_server_screen_has_no_schedule_lag() -> None:
    view = replace(uac_view(), info=RunInfo(client=False))
    assert not any("Schedule lag" in line for line in statistics_screen(view))


@pytest.mark.parametrize("key", sorted(SCREEN_KEYS))
def test_no_screen_line_is_wider_than_the_screen(key: str) -> None:
    info = replace(UAC_INFO, last_error="x" * 200)
    lines = screen_lines(key, replace(uac_view(), info=info))
    assert max(len(line.rstrip().expandtabs()) for line in lines) <= 80


@pytest.mark.parametrize(
    ("info", "final", "words"),
    [
        (RunInfo(client=True), True, "Test Terminated"),
        (RunInfo(client=True, quit_level=11, paused=True), False, "Forcing quit"),
        (RunInfo(client=True, quit_level=10, paused=True), False, "Waiting for active calls to end"),
        (RunInfo(client=True, paused=True, cpu_congested=True), False, "Traffic Paused"),
        (RunInfo(client=True, cpu_congested=True), False, "CPU CONGESTED"),
        (RunInfo(client=False, outbound_congested=True), False, "OUTBOUND CONGESTION"),
        (RunInfo(client=True), False, "Adjust rate"),
        (RunInfo(client=False), False, "SIPp Server Mode"),
    ],
)
def test_footer_says_the_first_state_that_applies(info: RunInfo, final: bool, words: str) -> None:
    assert words in footer(info, final=final)


def test_last_error_line_shows_sixty_characters_before_the_footer_but_not_at_the_end() -> None:
    text = "Automatic response mode for an unexpected INFO, NOTIFY, OPTIONS or UPDATE"
    view = replace(uac_view(), info=replace(UAC_INFO, last_error=text))
    expected = "Last Error: Automatic response mode for an unexpected INFO, NOTIFY, OPTI..."
    assert scenario_screen(view)[-2] == expected
    assert expected not in scenario_screen(view, final=True)


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0ms"), (300, "300ms"), (1.5, "1.50ms"), (1500.5, "1500.5ms"), (9999, "9999ms"), (10_000, "10.0s"),
     (15_000, "15.0s"), (75_000, "1:15"), (100_000, "1:40"), (7_500_000, "2:05:00"), (20_000_000, "5:33:20")],
)  # fmt: skip
def test_pause_lengths_read_as_in_sipp(ms: float, text: str) -> None:
    assert duration_text(ms) == text


def test_step_text_names_what_was_awaited() -> None:
    assert step_text(UAC_STEPS, 4) == "while expecting '200' (index 4)"
    assert step_text(UAC_STEPS, 99) == "while in message type 99"


def test_start_time_is_that_of_the_run() -> None:
    line = next(line for line in statistics_screen(uac_view()) if line.startswith("  Start Time"))
    assert f"{START_TIME_NS // 10**9}.804970" in line


# ---- what keys, commands and modes change -----------------------------------------------------------------


def test_users_have_a_head_line_of_their_own_and_are_the_limit() -> None:
    lines = scenario_screen(replace(uac_view(), info=replace(UAC_INFO, users=7, pause_ms=1000, max_calls=None)))
    assert lines[1] == "  Users (length)   Port   Total-time  Total-calls  Remote-host"
    assert lines[2].startswith("  7 (1000 ms)   15321      3.11 s           30  127.0.0.1:15320(UDP)")
    assert any(line.startswith("  0 calls (limit 7) ") for line in lines)


def test_an_indexed_screen_numbers_messages_but_not_pauses() -> None:
    lines = scenario_screen(replace(uac_view(), is_indexed=True))
    assert any(line.startswith("0 :      INVITE ---------->  ") for line in lines)
    assert any(line.startswith("4 :         200 <----------  E-RTD1 30") for line in lines)
    assert any(line.startswith("       Pause [    100ms]") for line in lines)


def test_hidden_steps_are_shown_when_nothing_is_hidden() -> None:
    steps = (replace(UAC_STEPS[0], hidden=True), *UAC_STEPS[1:])
    view = replace(uac_view(), steps=steps)
    assert not any("INVITE" in line for line in scenario_screen(view))
    assert any("INVITE" in line for line in scenario_screen(replace(view, hides=False)))


def test_commands_of_a_twin_are_counted_as_sipp_prints_them() -> None:
    steps = (FlowStep("sendCmd"), FlowStep("recvCmd"))
    recorder = Recorder(2)
    recorder.set_step(0, [3, 0, 0, 0, 0])
    lines = scenario_screen(view_of(recorder, steps, UAC_INFO, 2_000_000_000, 1_000_000_000))
    assert "        [ Sent Command ]         3                                      " in lines
    assert "    [ Received Command ]         0                                      " in lines


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"client": True, "twin": "a"}, "3PCC Mode - Controller A side ---"),
        ({"client": False, "twin": "a"}, "3PCC Mode - Controller A side (passive)"),
        ({"client": False, "twin": "b"}, "3PCC Mode - Controller B side"),
        ({"client": True, "twin": "master"}, "3PCC extended mode - Master side ---"),
        ({"client": False, "twin": "master"}, "Master side (passive)"),
        ({"client": False, "twin": "slave"}, "Slave side"),
        ({"client": True, "is_mixed": True}, "Mixed Mode - main -  call originating"),
        ({"client": False, "is_mixed": True, "scenario": "rx"}, "Mixed mode - rx - call terminating"),
        ({"client": False, "is_mixed": True, "scenario": "ooc"}, "SIPp Server Mode"),
        ({"client": True, "cpu_congested": True}, "CPU CONGESTED"),
        ({"client": True, "outbound_congested": True}, "OUTBOUND CONGESTION"),
        ({"client": True, "twin": "a", "quit_level": 10}, "Waiting for active calls"),
    ],
)
def test_the_footer_tells_the_part_of_this_side(more: dict[str, Any], text: str) -> None:
    assert text in footer(RunInfo(**more))


def test_the_variables_screen_lists_the_actions_it_is_given() -> None:
    lines = variables_screen(replace(uac_view(), action_lines=("=> Message[1] - ...", "   --> ...")))
    assert lines[1:4] == ["Action defined Per Message :", "=> Message[1] - ...", "   --> ..."]
    assert "=> No action found on any messages" in variables_screen(uac_view())


def test_the_tdm_map_is_drawn_as_sipp_draws_it() -> None:
    taken = bytearray(48)
    taken[6] = taken[8] = taken[21] = 1
    info = replace(UAC_INFO, tdm_taken=bytes(taken), tdm_columns=8)
    assert tdm_screen(replace(uac_view(), info=info))[:-1] == [
        "------------------------------ TDM map Screen --------- [1-9]: Change Screen --",
        "TDM Circuits in use:",
        "......*.",
        "*.......",
        ".....*..",
        "........",
        "........",
        "........",
        "",
        "3/48 circuits (6%) in use",
    ]


def test_a_map_of_no_circuits_is_survived() -> None:
    assert "0/0 circuits (0%) in use" in tdm_screen(uac_view())
