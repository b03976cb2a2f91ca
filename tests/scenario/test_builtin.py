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
    words = {
        StepKind.STEP_SEND: "send",
        StepKind.STEP_RECV: "recv",
        StepKind.STEP_PAUSE: "pause",
        StepKind.STEP_NOP: "nop",
        StepKind.STEP_SEND_CMD: "sendCmd",
        StepKind.STEP_RECV_CMD: "recvCmd",
    }
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


LISTED = """<scenario>
<Global variables="g"/>
<init><nop next="e"/><nop condexec="g" condexec_inverse="true"/><label id="e"/></init>
<send start_txn="t" timeout="7"><![CDATA[INVITE [field0 line="[$c]"] SIP/2.0
[authentication username=u]
[$c] [fill variable=c text=ab]
]]></send>
<recv response="2.." regexp_match="true" rrs="true" auth="true" response_txn="t">
<action><ereg regexp="(a)" search_in="hdr" header="To:" occurrence="2" check_it="true" assign_to="c,_"/></action></recv>
<send ack_txn="t" next="x" test="c"><![CDATA[ACK a SIP/2.0
]]></send>
<label id="x"/><nop condexec="c"><action>
<assign assign_to="c" value="2"/>
<test variable="c" compare="less_than" value="3" check_it_inverse="true"/>
<sample assign_to="c" distribution="normal" mean="1" stdev="2"/>
<replace file="f.csv" line="1" value="[$c]"/>
</action></nop>
<sendCmd dest="m"><![CDATA[Call-ID: 1]]></sendCmd><recvCmd src="m"/><pause variable="c"/>
</scenario>"""


def test_listing_shows_actions_variables_transactions_and_init() -> None:
    scenario = Scenario.from_string(LISTED, injection_names=("f.csv",))
    text = list_program(compile_scenario(scenario, Bindings()))
    for line in (
        "   0  send INVITE           timeout 7 ms, start_txn t, keeps last message  (line 4)",
        "        <field 0 of f.csv>",
        "            <variable $c>",
        "            username: b'u'",
        "            password: b'password'",
        "        <fill $c b'ab'>",
        "      ereg $c $_ in header b'(a)' occurrence 2 b'To:' checked  (line 9)",
        "   2  send ACK              ack_txn t, next 3 if $c is set, keeps last message  (line 10)",
        "   3  nop                   if $c is set, keeps last message  (line 12)",
        "      assign $c 2  (line 13)",
        "      test of $c less 3 checked inversely  (line 14)",
        "      sample $c normal(1, 2, 0)  (line 15)",
        "      replace file f.csv  (line 16)",
        "   4  sendCmd m             keeps last message  (line 18)",
        "   5  recvCmd m             keeps last message  (line 18)",
        "   6  pause $c ms           keeps last message  (line 18)",
        "init",
        "   7  nop                   next 9  (line 3)",
        "   8  nop                   if $g is not set  (line 3)",
        "   9  end of init",
        "variable 0: c (call)",
        "variable 1: _ (call)",
        "variable 2: g (global)",
        "transaction 0: t",
        "injection file 0: f.csv",
    ):
        assert line in text.splitlines(), line
    assert "by regular expression, records routes, keeps challenge" in text


def test_twins_know_which_of_them_creates_calls() -> None:
    assert Scenario.builtin("3pcc-C-A").creates_calls and not Scenario.builtin("3pcc-C-B").creates_calls
    assert Scenario.builtin("3pcc-C-B").is_client


def test_uac_pcap_needs_media_and_says_where() -> None:
    assert [what for _, what in Scenario.builtin("uac_pcap").media_uses] == [
        'exec play_pcap_audio="pcap/g711a.pcap"',
        'exec play_pcap_audio="pcap/dtmf_2833_1.pcap"',
    ]


FLOWS = {
    "regexp": "send INVITE 500/recv 100?/recv 180?/recv 183?/recv 200/send ACK/pause/send BYE 500/recv 200",
    "branchc": "send REGISTER 500/recv 200/recv 200/send INVITE 500/recv 100?/recv 180?/recv 183?/recv 403?/recv 200"
    "/send ACK/pause/send BYE 500/recv 200/pause",
    "branchs": "recv REGISTER/send 200/recv INVITE/send 180/send 403/send 100/send 200 500/recv ACK?/recv BYE/send 200"
    "/pause",
    "uac_pcap": "send INVITE 500/recv 100?/recv 180?/recv 200/send ACK/nop/pause/nop/pause/send BYE 500/recv 200",
    "3pcc-C-A": "send INVITE 500/recv 100?/recv 180?/recv 183?/recv 200/sendCmd/recvCmd/send ACK/pause/send BYE 500"
    "/recv 200",
    "3pcc-C-B": "recvCmd/send INVITE 500/recv 100?/recv 180?/recv 183?/recv 200/send ACK/sendCmd/pause/send BYE 500"
    "/recv 200",
    "3pcc-A": "recv INVITE/send 200/recv ACK/recv BYE/send 200/pause",
    "3pcc-B": "recv INVITE/send 200/recv ACK/recv BYE/send 200/pause",
    "ooc_default": "recv .*/send 200/pause",
    "ooc_dummy": "recv DUMMY",
}


@pytest.mark.parametrize("name", FLOWS)
def test_other_built_ins_have_the_flow_of_sipps(name: str) -> None:
    assert "/".join(flow(program(name))) == FLOWS[name]
