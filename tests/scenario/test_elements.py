"""Tests of the elements and attributes beyond plain messages: init, twin commands, recv by regex, rrs, auth."""

from __future__ import annotations

import pytest
from xml_text import compiled, error_of, load, send

from sippx._core.codes import ActionKind, Method, StepFlag, StepKind
from sippx._core.program import Program
from sippx.scenario import ProgramSpec
from sippx.scenario.model import RecvCmdStep, RecvStep, SendCmdStep

RECV = '<recv request="INVITE"/>'
SEND_CMD = "<sendCmd{}><![CDATA[\n  Call-ID: [call_id]\n  [last_From]\n]]></sendCmd>"


def name_of(spec: ProgramSpec, index: int) -> bytes:
    step = spec.steps[index]
    return spec.pool[int(step["name_off"]) :][: int(step["name_len"])]


# -- send and recv --------------------------------------------------------------------------------------


def test_send_timeout_of_its_own_or_of_the_run() -> None:
    spec = compiled(send(attributes='timeout="5"') + send("BYE"), send_timeout_ms=70)
    assert list(spec.steps["timeout_ms"]) == [5, 70]


def test_recv_request_by_regular_expression() -> None:
    spec = compiled('<recv request="INV|^B.E$" regexp_match="true"/>')
    step = spec.steps[0]
    assert spec.regexes == (b"INV|^B.E$",) and step["regex_idx"] == 0
    assert step["flags"] & StepFlag.STEP_REGEXP and step["flags"] & StepFlag.STEP_IS_REQUEST
    assert (step["method"], step["status_code"], step["methods_len"]) == (Method.METHOD_OTHER, 0, 0)
    assert name_of(spec, 0) == b"INV|^B.E$"
    Program(spec)


def test_recv_response_by_regular_expression() -> None:
    spec = compiled(send() + '<recv response="^18.$" regexp_match="true" optional="true"/><recv response="200"/>')
    step = spec.steps[1]
    assert step["flags"] & StepFlag.STEP_REGEXP and not step["flags"] & StepFlag.STEP_IS_REQUEST
    assert step["methods_mask"] == 1 << Method.METHOD_INVITE and step["status_code"] == 0
    Program(spec)


def test_regexp_match_is_true_only_when_it_says_so() -> None:
    scenario = load('<recv request="INVITE" regexp_match="1"/>')
    assert isinstance(scenario.steps[0], RecvStep) and scenario.steps[0].regexp is None
    assert 'regexp_match="1" is taken as false' in scenario.warnings[0]
    assert load('<recv request="INVITE" regexp_match="false"/>').warnings == ()


def test_regular_expression_has_the_escapes_of_an_attribute_decoded() -> None:
    assert compiled('<recv request="a\\\\.&quot;&amp;lt;" regexp_match="true"/>').regexes == (b'a\\."<',)


@pytest.mark.parametrize(
    ("element", "place"),
    [
        ('<recv request="(" regexp_match="true"/>', 'request="'),
        ('<nop><action><ereg regexp="(" assign_to="_"/></action></nop>', 'regexp="'),
    ],
)
def test_bad_regular_expression_is_refused_with_the_reason(element: str, place: str) -> None:
    error = error_of(RECV + element)
    assert error.message == "'(' is no regular expression: Unmatched ( or \\("
    assert error.column == len(RECV) + element.index(place) + len(place) + 1


@pytest.mark.parametrize(
    ("attribute", "flag"),
    [
        ("rrs", StepFlag.STEP_RECORDS_ROUTES),
        ("auth", StepFlag.STEP_KEEPS_CHALLENGE),
        ("ignoresdp", StepFlag.STEP_IGNORES_SDP),
    ],
)
def test_rrs_auth_and_ignoresdp_are_flags(attribute: str, flag: StepFlag) -> None:
    spec = compiled(f'{send()}<recv response="401" {attribute}="true"/><recv response="1xx" regexp_match="true"/>')
    assert [bool(flags & flag) for flags in spec.steps["flags"]] == [False, True, False]
    assert not compiled(f'{send()}<recv response="200" {attribute}="false"/>').steps[1]["flags"] & flag


# -- init -----------------------------------------------------------------------------------------------

INIT = (
    '<init><nop next="end" test="g"><action><assign assign_to="g" value="1"/></action></nop>'
    '<nop next="1"/><label id="1"/><nop><action><jump value="0"/></action></nop><label id="end"/></init>'
)


def test_init_steps_are_numbered_behind_the_others_with_labels_of_their_own() -> None:
    spec = compiled(f'<label id="1"/>{RECV}<nop next="1"/>{INIT}')
    assert (len(spec.steps), len(spec.init_steps)) == (2, 3)
    assert list(spec.steps["next"]) == [-1, 0]
    assert list(spec.init_steps["next"]) == [5, 4, -1]
    assert list(spec.init_steps["kind"]) == [StepKind.STEP_NOP] * 3
    assert list(spec.init_steps["test_var"]) == [0, -1, -1]


def test_jump_in_init_to_its_own_step_is_a_warning() -> None:
    scenario = load(f'{RECV}<init><nop><action><jump value="0"/></action></nop></init>')
    assert "its own step, 0" in scenario.warnings[0]


def test_literal_jump_in_init_counts_its_steps() -> None:
    spec = compiled(f"{RECV}{INIT}")
    Program(spec)
    (jump,) = spec.actions[spec.actions["kind"] == ActionKind.ACTION_JUMP]
    assert jump["value"] == len(spec.steps)


def test_init_without_jumps_makes_a_program() -> None:
    spec = compiled(f'{RECV}<init><nop><action><log message="[msg_index]"/></action></nop></init>')
    Program(spec)
    assert b"-1" in spec.pool


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("<pause/>", "<pause> is not allowed in <init>, only nop and label are"),
        ('<nop next="main"/>', "the label 'main' is not defined"),
        ('<label id="a"/><label id="a"/>', "the label 'a' is used twice"),
        ("<nop nxt='a'/>", "unknown attribute 'nxt' of <nop>; did you mean 'next'?"),
        ('<label id="a"><nop/></label>', "<nop> is not allowed in <label>"),
    ],
)
def test_bad_init_is_refused(inside: str, message: str) -> None:
    assert message in error_of(f'<label id="main"/>{RECV}<init>{inside}</init>').message


def test_main_scenario_does_not_see_labels_of_init() -> None:
    assert "the label 'end' is not defined" in error_of(f'{RECV}{INIT}<nop next="end" condexec="g"/>').message


# -- the twin -------------------------------------------------------------------------------------------


def test_send_cmd_is_a_message_to_a_peer() -> None:
    spec = compiled(RECV + SEND_CMD.format(' dest="master"'))
    step = spec.steps[1]
    assert (step["kind"], name_of(spec, 1)) == (StepKind.STEP_SEND_CMD, b"master")
    assert step["n_pieces"] == 6  # two literals, [call_id], [last_From], and the line end behind it cut in two
    assert isinstance(load(RECV + SEND_CMD.format("")).steps[1], SendCmdStep)
    Program(spec)


def test_recv_cmd_waits_for_a_peer() -> None:
    spec = compiled(send() + '<recvCmd src="s1" optional="true" ontimeout="e"/><recvCmd/><label id="e"/>', recv_timeout_ms=9)
    assert list(spec.steps["kind"][1:]) == [StepKind.STEP_RECV_CMD] * 2
    assert (name_of(spec, 1), name_of(spec, 2)) == (b"s1", b"")
    assert [bool(flags & StepFlag.STEP_OPTIONAL) for flags in spec.steps["flags"]] == [False, True, False]
    assert list(spec.steps["timeout_ms"]) == [0, 9, 9] and spec.steps[1]["on_timeout"] == 3
    Program(spec)


@pytest.mark.parametrize(
    ("element", "message"),
    [
        ("<sendCmd/>", "<sendCmd> needs its message text"),
        ("<sendCmd dest=''><![CDATA[xx]]></sendCmd>", "dest needs a name"),
        ("<recvCmd src=''/>", "src needs a name"),
        ("<recvCmd optional='global'/>", "none of true and false"),
        ("<recvCmd optional='true'/>" + send(), "optional <recvCmd> before <send>"),
    ],
)
def test_bad_commands_are_refused(element: str, message: str) -> None:
    assert message in error_of(RECV + element).message


def test_recv_cmd_reads_no_timeout() -> None:
    assert "attribute 'timeout' has no effect on <recvCmd>" in load(RECV + '<recvCmd timeout="5"/>').warnings[0]


@pytest.mark.parametrize(
    ("body", "is_client", "creates_calls"),
    [
        (SEND_CMD.format("") + send(), True, True),
        ("<recvCmd/>" + send(), True, False),
        ("<recvCmd/>" + RECV, False, False),
        ("<pause/><nop/>" + send(), True, True),
        (RECV + send(), False, False),
    ],
)
def test_first_step_decides_who_creates_calls_and_first_message_who_is_client(
    body: str, is_client: bool, creates_calls: bool
) -> None:
    scenario = load(body)
    assert (scenario.is_client, scenario.creates_calls) == (is_client, creates_calls)


def test_commands_alone_are_no_scenario() -> None:
    assert "neither sends nor receives" in error_of("<recvCmd/>" + SEND_CMD.format("")).message


def test_recv_cmd_is_a_step_of_its_own_kind() -> None:
    assert isinstance(load(RECV + "<recvCmd/>").steps[1], RecvCmdStep)


# -- default messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["3pcc_abort", "ack", "ack2", "bye", "cancel", "200"])
def test_every_default_message_may_be_replaced(name: str) -> None:
    element = f'<DefaultMessage id="{name}"><![CDATA[call-id: [call_id]\n]]></DefaultMessage>'
    assert list(load(RECV + element).default_messages) == [name]
