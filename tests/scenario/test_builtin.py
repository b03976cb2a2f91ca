"""Tests of the built-in scenarios and of the listing of a compiled program."""

from __future__ import annotations

import pytest

from reference.render import CallValues, render_step
from reference.sip_message import parse_message
from sippx._core.codes import StepFlag, StepKind
from sippx.errors import ScenarioError
from sippx.scenario import (
    Bindings,
    ProgramSpec,
    Scenario,
    builtin_names,
    builtin_text,
    compile_scenario,
    list_program,
)

RESPONSE_TABLE = (10, 20, 30, 40, 50, 100, 150, 200)
LENGTH_TABLE = (10, 50, 100, 500, 1000, 5000, 10000)


def program(name: str, **options: object) -> ProgramSpec:
    return compile_scenario(Scenario.builtin(name), Bindings(**options))  # type: ignore[arg-type]


def flow(spec: ProgramSpec) -> list[str]:
    words = {StepKind.STEP_SEND: "send", StepKind.STEP_RECV: "recv", StepKind.STEP_PAUSE: "pause"}
    lines = []
    for step in spec.steps:
        name = spec.pool[int(step["name_off"]) :][: int(step["name_len"])].decode()
        optional = "?" if step["flags"] & StepFlag.STEP_OPTIONAL else ""
        retrans = f" {step['retrans_ms']}" if step["retrans_ms"] else ""
        lines.append(f"{words[StepKind(int(step['kind']))]} {name}{optional}{retrans}".strip())
    return lines


@pytest.mark.parametrize("name", builtin_names())
def test_built_in_loads_without_a_warning(name: str) -> None:
    scenario = Scenario.builtin(name)
    assert scenario.name == name
    assert scenario.warnings == ()
    assert builtin_text(name).startswith("<?xml")


def test_uac_has_the_flow_of_sipps() -> None:
    spec = program("uac")
    assert spec.is_client
    assert flow(spec) == [
        "send INVITE 500", "recv 100?", "recv 180?", "recv 183?", "recv 200",
        "send ACK", "pause", "send BYE 500", "recv 200",
    ]  # fmt: skip
    assert list(spec.steps["stop_rtd"]) == [-1, -1, -1, -1, 0, -1, -1, -1, -1]
    assert [step.crlf for step in Scenario.builtin("uac").steps] == [False] * 8 + [True]
    assert (spec.rtd_names, spec.rtd_bounds_ms) == (("1",), (RESPONSE_TABLE,))
    assert spec.call_length_bounds_ms == LENGTH_TABLE


def test_uas_has_the_flow_of_sipps() -> None:
    spec = program("uas")
    assert not spec.is_client
    assert flow(spec) == [
        "recv INVITE", "send 180", "send 200 500", "recv ACK?", "recv BYE", "send 200", "pause",
    ]  # fmt: skip
    assert spec.steps["flags"][6] & StepFlag.STEP_TIMEWAIT and spec.pauses["p0"][0] == 4000
    assert list(spec.steps["stop_rtd"]) == [-1, -1, -1, 0, -1, -1, -1]
    assert [s.crlf for s in Scenario.builtin("uas").steps] == [True, False, False, True, False, False, False]
    assert (spec.rtd_names, spec.rtd_bounds_ms) == (("1",), (RESPONSE_TABLE,))
    assert spec.call_length_bounds_ms == LENGTH_TABLE


def test_content_length_of_the_built_ins_is_right() -> None:
    uac, uas = program("uac"), program("uas")
    invite = parse_message(render_step(uac, 0, CallValues()))
    answer = parse_message(render_step(uas, 2, CallValues(last=invite)))
    for message in (invite, answer):
        assert int(message.value(b"Content-Length")) == len(message.body) > 100


def test_uas_copies_record_route_when_there_is_one() -> None:
    invite = parse_message(b"INVITE a SIP/2.0\r\nVia: v\r\nRecord-Route: <sip:p;lr>\r\nTo: t\r\n\r\n")
    answer = parse_message(render_step(program("uas"), 2, CallValues(last=invite)))
    assert [name for name, _ in answer.fields][:2] == [b"Via", b"Record-Route"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("uaz", r"no built-in scenario 'uaz'; did you mean 'ua[cs]'\?"),
        ("x", "no built-in scenario 'x'; use one of uac, uas"),
        ("3pcc", r"no built-in scenario '3pcc'; did you mean '3pcc-[AB]'"),
        ("../uac", "no built-in scenario"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        Scenario.builtin(name)


def test_listing_shows_every_step_and_piece() -> None:
    for name in builtin_names():
        spec = program(name, pid=42)
        lines = list_program(spec).splitlines()
        assert sum(line[:4].strip().isdigit() for line in lines) == len(spec.steps) + 1
        assert sum(line.startswith(" " * 8) for line in lines) == len(spec.pieces)


def test_listing_reads_well() -> None:
    text = Scenario.from_string(
        '<scenario><recv request="A" rtd="t" counter="c" next="end" chance="0.5"/>'
        '<recv response="180" optional="global" advance_state="false" lost="5"/>'
        '<recv response="200" timeout="9"/>'
        '<send><![CDATA[SIP/2.0 200 OK\n[last_Via]\nC: [cseq+1]\n]]></send><pause min="1" max="5"/>'
        '<nop start_rtd="t"/><label id="end"/><timewait milliseconds="4"/></scenario>'
    )
    lines = list_program(compile_scenario(text, Bindings())).splitlines()
    assert lines[0].startswith("program scenario (server): 7 steps, ")
    assert lines[1:14] == [
        "   0  recv A                stop rtd t, counter c, next 6 with chance 0.5  (line 1)",
        "   1  recv 180              optional everywhere below, does not advance, to any (first step), "
        + "timeout 9 ms, lost 5 %  (line 1)",
        "   2  recv 200              to any (first step), timeout 9 ms  (line 1)",
        "   3  send 200              keeps last message  (line 1)",
        "        b'SIP/2.0 200 OK\\r\\n'",
        "        <last_header Via>  (line vanishes if empty)",
        "        b'\\r\\nC: '",
        "        <cseq+1>",
        "        b'\\r\\n\\r\\n'",
        "   4  pause 1..5 ms  (line 4)",
        "   5  nop                   start rtd t  (line 4)",
        "   6  timewait 4 ms  (line 4)",
        "   7  end",
    ]
