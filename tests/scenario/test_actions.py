"""Tests of actions: one of each in action rows, and what is refused about their attributes."""

from __future__ import annotations

from typing import Any

import pytest
from xml_text import compiled, error_of, load

from sippx._core.codes import ActionCheck, ActionKind, Comparison, PauseKind, PieceKind, SearchIn
from sippx._core.program import Program
from sippx.scenario import ProgramSpec
from sippx.scenario.actions import ACTIONS, MEDIA_COMMANDS

RECV = '<recv request="INVITE"/>'
MENTIONS = '<Reference variables="a,b,c"/>' * 2
FILES = ("first.csv", "second.csv")
DECLARED = '<Global variables="a,b,c"/>' + MENTIONS


def with_action(action: str) -> str:
    """A scenario whose second step has this action; a, b and c are its variables 0, 1 and 2."""
    return f"{RECV}{DECLARED}<nop><action>{action}</action></nop>"


def row_of(action: str, **bindings: Any) -> tuple[ProgramSpec, Any]:
    """The program and the only action row of such a scenario."""
    spec = compiled(with_action(action), injection_names=FILES, **bindings)
    Program(spec)
    assert (spec.steps[1]["action_first"], spec.steps[1]["n_actions"]) == (0, 1)
    return spec, spec.actions[0]


def text_of(spec: ProgramSpec, row: Any) -> bytes:
    return spec.pool[int(row["text_off"]) :][: int(row["text_len"])]


def literal(spec: ProgramSpec, row: Any, which: str = "") -> bytes:
    """Text of the first or second template of an action if it is one literal."""
    first, count = int(row[f"piece{which}_first"]), int(row[f"n_pieces{which}"])
    assert count == 1 and spec.pieces[first]["kind"] == PieceKind.PIECE_LITERAL
    return spec.pool[int(spec.pieces[first]["off"]) :][: int(spec.pieces[first]["len"])]


def refused(action: str) -> str:
    return error_of(with_action(action), injection_names=FILES).message


# -- ereg -----------------------------------------------------------------------------------------------


def test_ereg_in_message_assigns_match_and_groups() -> None:
    spec, row = row_of('<ereg regexp="(x)(y)" assign_to="b, a ,c"/>')
    assert (row["kind"], row["search_in"]) == (ActionKind.ACTION_EREG, SearchIn.SEARCH_MESSAGE)
    assert spec.regexes == (b"(x)(y)",) and row["row"] == 0
    assert list(spec.targets[int(row["targets_first"]) :][: int(row["n_targets"])]) == [1, 0, 2]
    assert (row["source"], row["occurrence"], row["check"]) == (-1, 1, ActionCheck.CHECK_NONE)


def test_ereg_in_header() -> None:
    spec, row = row_of(
        '<ereg regexp="." search_in="hdr" header="From:" occurrence="3" case_indep="true" start_line="true"'
        ' check_it="true" assign_to="a"/>'
    )
    assert row["search_in"] == SearchIn.SEARCH_HEADER and text_of(spec, row) == b"From:"
    assert (row["occurrence"], row["case_indep"], row["start_line"]) == (3, 1, 1)
    assert row["check"] == ActionCheck.CHECK_IT


def test_header_of_ereg_is_not_decoded_a_second_time() -> None:
    spec, row = row_of('<ereg regexp="&amp;lt;" search_in="hdr" header="&amp;lt;" assign_to="a"/>')
    assert (text_of(spec, row), spec.regexes) == (b"&lt;", (b"<",))


def test_ereg_knows_the_old_spelling_of_occurrence() -> None:
    assert row_of('<ereg regexp="." search_in="hdr" header="To" occurence="2" assign_to="a"/>')[1]["occurrence"] == 2


def test_ereg_in_body_with_inverse_check() -> None:
    _, row = row_of('<ereg regexp="." search_in="body" check_it_inverse="true" assign_to="a"/>')
    assert (row["search_in"], row["check"]) == (SearchIn.SEARCH_BODY, ActionCheck.CHECK_IT_INVERSE)


def test_ereg_in_variable() -> None:
    _, row = row_of('<ereg regexp="." search_in="var" variable="c" assign_to="a"/>')
    assert (row["search_in"], row["source"]) == (SearchIn.SEARCH_VARIABLE, 2)


def test_equal_regular_expressions_share_a_row() -> None:
    actions = '<ereg regexp="x" assign_to="a"/><ereg regexp="y" assign_to="a"/><ereg regexp="x" assign_to="b"/>'
    spec = compiled(with_action(actions))
    assert spec.regexes == (b"x", b"y") and list(spec.actions["row"]) == [0, 1, 0]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ('search_in="header" assign_to="a"', "did you mean 'hdr'?"),
        ('search_in="hdr" assign_to="a"', "needs the attribute 'header'"),
        ('search_in="var" assign_to="a"', "needs the attribute 'variable'"),
        ('check_it="true" check_it_inverse="true" assign_to="a"', "exclude each other"),
        ('assign_to="a,a,a,a,a,a,a,a,a,a,a"', "at most 10 variables"),
        ('assign_to="a,,b"', "no list of variable names"),
        ("", "<ereg> needs the attribute 'assign_to'"),
        ('search_in="hdr" header="X" occurrence="0" assign_to="a"', "not in the range 1 to"),
        ('check_it="maybe" assign_to="a"', "is no boolean"),
    ],
)
def test_bad_ereg_is_refused(attributes: str, message: str) -> None:
    assert message in refused(f'<ereg regexp="x" {attributes}/>')


def test_header_attributes_of_ereg_have_no_effect_elsewhere() -> None:
    warnings = load(with_action('<ereg regexp="x" search_in="body" case_indep="true" assign_to="a"/>')).warnings
    assert "'case_indep' has no effect with search_in=\"body\"" in warnings[0]


# -- reports --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("log", ActionKind.ACTION_LOG),
        ("warning", ActionKind.ACTION_WARNING),
        ("error", ActionKind.ACTION_ERROR),
    ],
)
def test_log_warning_and_error_take_a_template(name: str, kind: ActionKind) -> None:
    spec, row = row_of(f'<{name} message="a\\n\\x41 [service]"/>')
    assert row["kind"] == kind and literal(spec, row) == b"a\r\nA service"


def test_msg_index_and_branch_in_an_action_are_those_of_no_step() -> None:
    spec = compiled(with_action('<log message="[msg_index] [branch]"/>'), pid=9)
    first = int(spec.actions[0]["piece_first"])
    texts = [
        spec.pool[int(p["off"]) : int(p["off"]) + int(p["len"])]
        for p in spec.pieces[first : first + int(spec.actions[0]["n_pieces"])]
    ]
    assert texts == [b"-1 z9hG4bK-9-", b"", b"-0"]  # the action stands at step 1


def test_authentication_has_no_place_in_an_action() -> None:
    assert "in the headers of a message only" in refused('<log message="[authentication]"/>')


# -- numbers and texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("assign", ActionKind.ACTION_ASSIGN),
        ("add", ActionKind.ACTION_ADD),
        ("subtract", ActionKind.ACTION_SUBTRACT),
        ("multiply", ActionKind.ACTION_MULTIPLY),
        ("divide", ActionKind.ACTION_DIVIDE),
    ],
)
def test_assign_and_arithmetic_take_a_value_or_a_variable(name: str, kind: ActionKind) -> None:
    _, by_value = row_of(f'<{name} assign_to="b" value="-1.5"/>')
    assert (by_value["kind"], by_value["target"], by_value["source"], by_value["value"]) == (kind, 1, -1, -1.5)
    _, by_variable = row_of(f'<{name} assign_to="b" variable="c"/>')
    assert (by_variable["target"], by_variable["source"]) == (1, 2)
    assert "none is given" in refused(f'<{name} assign_to="b"/>')
    assert "not value and variable together" in refused(f'<{name} assign_to="b" value="1" variable="c"/>')
    assert "is no number" in refused(f'<{name} assign_to="b" value="x"/>')
    assert "needs the attribute 'assign_to'" in refused(f'<{name} value="1"/>')


def test_division_by_zero_is_refused() -> None:
    assert refused('<divide assign_to="a" value="0.0"/>') == "division by zero"


def test_assignstr_takes_a_template() -> None:
    spec, row = row_of('<assignstr assign_to="a" value="[service]&amp;amp;"/>')
    assert (row["kind"], row["target"]) == (ActionKind.ACTION_ASSIGN_STRING, 0)
    assert literal(spec, row) == b"service&"


def test_todouble() -> None:
    _, row = row_of('<todouble assign_to="a" variable="b"/>')
    assert (row["kind"], row["target"], row["source"]) == (ActionKind.ACTION_TO_DOUBLE, 0, 1)


@pytest.mark.parametrize(
    ("word", "comparison"),
    [
        ("equal", Comparison.COMPARE_EQUAL),
        ("not_equal", Comparison.COMPARE_NOT_EQUAL),
        ("greater_than", Comparison.COMPARE_GREATER),
        ("less_than", Comparison.COMPARE_LESS),
        ("greater_than_equal", Comparison.COMPARE_GREATER_OR_EQUAL),
        ("less_than_equal", Comparison.COMPARE_LESS_OR_EQUAL),
    ],
)
def test_test_compares(word: str, comparison: Comparison) -> None:
    _, row = row_of(f'<test variable="b" compare="{word}" value="3" assign_to="a"/>')
    assert (row["kind"], row["compare"]) == (ActionKind.ACTION_TEST, comparison)
    assert (row["target"], row["source"], row["source2"], row["value"]) == (0, 1, -1, 3)


def test_test_of_two_variables_with_a_check_needs_no_assign_to() -> None:
    _, row = row_of('<test variable="b" compare="equal" variable2="c" check_it="true"/>')
    assert (row["target"], row["source"], row["source2"], row["check"]) == (-1, 1, 2, ActionCheck.CHECK_IT)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ('variable="b" compare="equal" value="1"', "needs assign_to, check_it or check_it_inverse"),
        ('variable="b" compare="eqal" value="1" assign_to="a"', "did you mean 'equal'?"),
        ('variable="b" value="1" assign_to="a"', "needs the attribute 'compare'"),
        ('variable="b" compare="equal" assign_to="a"', "none is given"),
        ('compare="equal" value="1" assign_to="a"', "needs the attribute 'variable'"),
    ],
)
def test_bad_test_is_refused(attributes: str, message: str) -> None:
    assert message in refused(f"<test {attributes}/>")


def test_strcmp_compares_with_plain_text_or_a_variable() -> None:
    spec, row = row_of('<strcmp variable="b" value="[service]" assign_to="a"/>')
    assert row["kind"] == ActionKind.ACTION_STRCMP and text_of(spec, row) == b"[service]"
    assert (row["target"], row["source"], row["source2"]) == (0, 1, -1)
    _, row = row_of('<strcmp variable="b" variable2="c" check_it_inverse="true"/>')
    assert (row["target"], row["source2"], row["check"]) == (-1, 2, ActionCheck.CHECK_IT_INVERSE)
    assert "none is given" in refused('<strcmp variable="b" assign_to="a"/>')


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ('<trim assign_to="b"/>', ActionKind.ACTION_TRIM),
        ('<urldecode variable="b"/>', ActionKind.ACTION_URL_DECODE),
        ('<urlencode variable="b"/>', ActionKind.ACTION_URL_ENCODE),
    ],
)
def test_trim_urldecode_and_urlencode_change_their_variable(action: str, kind: ActionKind) -> None:
    _, row = row_of(action)
    assert (row["kind"], row["target"], row["source"]) == (kind, 1, 1)


def test_gettimeofday_sets_two_variables() -> None:
    spec, row = row_of('<gettimeofday assign_to="c,a"/>')
    assert row["kind"] == ActionKind.ACTION_TIME_OF_DAY and list(spec.targets) == [2, 0]
    assert "exactly two" in refused('<gettimeofday assign_to="a"/>')


def test_index() -> None:
    _, row = row_of('<index assign_to="c"/>')
    assert (row["kind"], row["target"]) == (ActionKind.ACTION_INDEX, 2)


def test_sample_draws_from_a_row_of_the_pause_table() -> None:
    spec, row = row_of('<sample assign_to="a" distribution="fixed" value="-5"/>')
    pause = spec.pauses[int(row["row"])]
    assert (row["kind"], pause["kind"], pause["p0"]) == (ActionKind.ACTION_SAMPLE, PauseKind.PAUSE_FIXED, -5)
    assert spec.scenario_duration_ms == 0
    assert "needs a distribution" in refused('<sample assign_to="a"/>')
    assert "a normal sample needs the attribute 'stdev'" in refused('<sample assign_to="a" normal="1" mean="1"/>')


# -- the call -------------------------------------------------------------------------------------------


def test_jump_by_value_and_by_variable() -> None:
    _, row = row_of('<jump value="0"/>')
    assert (row["kind"], row["value"], row["source"]) == (ActionKind.ACTION_JUMP, 0, -1)
    assert row_of('<jump variable="b"/>')[1]["source"] == 1


@pytest.mark.parametrize(
    ("value", "message"), [("1", "its own step, 1"), ("2", "step 2, not to one of 0 to 1"), ("-1", "step -1")]
)
def test_jump_to_no_other_step_is_a_warning(value: str, message: str) -> None:
    # sipp accepts it, and ends only when it is executed
    assert message in load(with_action(f'<jump value="{value}"/>')).warnings[0]
    assert "is no number" in refused('<jump value="x"/>')


def test_pauserestore() -> None:
    _, row = row_of('<pauserestore variable="b"/>')
    assert (row["kind"], row["source"]) == (ActionKind.ACTION_PAUSE_RESTORE, 1)


def test_lookup() -> None:
    spec, row = row_of('<lookup assign_to="a" file="second.csv" key="x"/>')
    assert (row["kind"], row["target"], row["row"]) == (ActionKind.ACTION_LOOKUP, 0, 1)
    assert literal(spec, row) == b"x"


def test_insert() -> None:
    spec, row = row_of('<insert file="first.csv" value="a;b"/>')
    assert (row["kind"], row["row"]) == (ActionKind.ACTION_INSERT, 0) and literal(spec, row) == b"a;b"


def test_replace() -> None:
    spec, row = row_of('<replace file="first.csv" line="3" value="a;b"/>')
    assert row["kind"] == ActionKind.ACTION_REPLACE
    assert (literal(spec, row), literal(spec, row, "2")) == (b"3", b"a;b")


def test_injection_file_must_be_given() -> None:
    assert "did you mean 'first.csv'?" in refused('<insert file="firts.csv" value="x"/>')
    assert "no injection file was given (-inf)" in error_of(with_action('<insert file="a.csv" value="x"/>')).message


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [("udp", b"udp"), ("UDP", b"udp"), ("Tcp", b"tcp"), ("[transport]", b"udp"), ("[$c]", b"")],
)
def test_setdest(protocol: str, expected: bytes) -> None:
    spec, row = row_of(f'<setdest host="h" port="5" protocol="{protocol}"/>')
    assert (row["kind"], text_of(spec, row)) == (ActionKind.ACTION_SET_DESTINATION, expected)
    assert (literal(spec, row), literal(spec, row, "2")) == (b"h", b"5")


def test_setdest_needs_a_known_protocol() -> None:
    assert "did you mean 'udp'?" in refused('<setdest host="h" port="5" protocol="udq"/>')
    assert "needs the attribute 'protocol'" in refused('<setdest host="h" port="5"/>')


def test_closecon() -> None:
    assert row_of("<closecon/>")[1]["kind"] == ActionKind.ACTION_CLOSE_CONNECTION


def test_verifyauth() -> None:
    spec, row = row_of('<verifyauth assign_to="a" username="u" password="p"/>')
    assert (row["kind"], row["target"]) == (ActionKind.ACTION_VERIFY_AUTH, 0)
    assert (literal(spec, row), literal(spec, row, "2")) == (b"u", b"p")


# -- exec and media -------------------------------------------------------------------------------------


def test_exec_command_keeps_entities_that_the_shell_may_need() -> None:
    spec, row = row_of('<exec command="echo &amp;lt; [service]"/>')
    assert row["kind"] == ActionKind.ACTION_EXEC_COMMAND and literal(spec, row) == b"echo &lt; service"


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("stop_call", ActionKind.ACTION_STOP_CALL),
        ("stop_gracefully", ActionKind.ACTION_STOP_GRACEFULLY),
        ("stop_now", ActionKind.ACTION_STOP_NOW),
    ],
)
def test_exec_int_cmd(command: str, kind: ActionKind) -> None:
    assert row_of(f'<exec int_cmd="{command}"/>')[1]["kind"] == kind


def test_unknown_int_cmd_stops_the_call_with_a_warning() -> None:
    scenario = load(with_action('<exec int_cmd="stop_cal"/>'))
    assert "ends the call, as stop_call does; did you mean 'stop_call'?" in scenario.warnings[0]
    assert row_of('<exec int_cmd="huh"/>')[1]["kind"] == ActionKind.ACTION_STOP_CALL


@pytest.mark.parametrize("attributes", ["", 'command="a" int_cmd="stop_now"', 'play_dtmf="1" rtp_stream="x"'])
def test_exec_does_exactly_one_thing(attributes: str) -> None:
    assert "needs exactly one of command, int_cmd" in refused(f"<exec {attributes}/>")


@pytest.mark.parametrize("command", MEDIA_COMMANDS)
def test_exec_of_media_is_compiled_and_listed(command: str) -> None:
    body = with_action(f'<exec {command}="[service].x"/>')
    scenario = load(body)
    assert scenario.media_uses == ((3, f'exec {command}="[service].x"'),)
    spec, row = row_of(f'<exec {command}="[service].x"/>')
    assert (row["kind"], text_of(spec, row)) == (ActionKind.ACTION_MEDIA, command.encode())
    assert literal(spec, row) == b"service.x"


def test_rtp_echo_is_compiled_and_listed() -> None:
    assert load(with_action('<rtp_echo value="1"/>')).media_uses == ((3, "rtp_echo"),)
    assert row_of('<rtp_echo variable="b"/>')[1]["kind"] == ActionKind.ACTION_MEDIA


# -- all of them ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIONS)
def test_misspelt_attribute_of_an_action_is_refused(name: str) -> None:
    assert f"unknown attribute 'asign_to' of <{name}>; did you mean 'assign_to'?" in refused(f'<{name} asign_to="1"/>')


def test_attribute_of_an_action_that_is_like_no_other_is_ignored_with_a_warning() -> None:
    scenario = load(with_action('<log message="m" xyzzy="1"/>'))
    assert scenario.warnings[0].endswith("unknown attribute 'xyzzy' of <log> is ignored")
    assert scenario.steps == load(with_action('<log message="m"/>')).steps


@pytest.mark.parametrize("name", [spec.name for spec in ACTIONS.values() if spec.attributes])
def test_required_attributes_are_asked_for(name: str) -> None:
    assert f"<{name}> needs " in refused(f"<{name}/>")


def test_attribute_of_another_action_has_no_effect() -> None:
    (warning,) = load(with_action('<log message="x" assign_to="nobody"/>')).warnings
    assert "attribute 'assign_to' has no effect on <log>" in warning


def test_actions_keep_their_order_and_line() -> None:
    spec = compiled(with_action('<log message="1"/>\n<closecon/>\n\n<log message="2"/>'))
    assert list(spec.actions["source_line"]) == [3, 4, 6]


def test_second_action_list_is_ignored_with_a_warning() -> None:
    body = f'{RECV}<nop><action><log message="1"/></action><action><log message="2"/></action></nop>'
    assert len(compiled(body).actions) == 1
    assert "only the first <action> of <nop> is executed" in load(body).warnings[0]


@pytest.mark.parametrize(
    "step", ["send", "recv", "pause", "timewait", "nop", "sendCmd", "recvCmd"], ids=str
)
def test_every_step_may_have_actions(step: str) -> None:
    inside = {"send": "<![CDATA[INVITE x SIP/2.0\n]]>", "sendCmd": "<![CDATA[Call-ID: 1\n]]>"}.get(step, "")
    attributes = ' request="X"' if step == "recv" else ""
    spec = compiled(f'{RECV}<{step}{attributes}>{inside}<action><log message="x"/></action></{step}>')
    assert (spec.steps[1]["action_first"], spec.steps[1]["n_actions"]) == (0, 1)


def test_error_in_an_action_points_at_the_value() -> None:
    error = error_of(f'{RECV}\n<nop><action>\n  <log message="[foo]"/></action></nop>')
    assert (error.line, error.column) == (5, 17)
