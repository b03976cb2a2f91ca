"""Tests of sippx/scenario/loader.py: what is accepted, what is refused, and where the error points."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xml_text import document, error_of, load, send

from sippx._core.program import Program
from sippx.errors import EXIT_USAGE, ScenarioError
from sippx.scenario import Bindings, Scenario, compile_scenario, list_program
from sippx.scenario.actions import ACTION_ATTRIBUTE_NAMES, ACTIONS
from sippx.scenario.language import ATTRIBUTES, STEPS
from sippx.scenario.model import NopStep, PauseStep, RecvStep, SendStep
from sippx.scenario.step_reader import MAX_COUNTERS, MAX_RTDS

RECV = '<recv request="INVITE"/>'


# -- files and names ------------------------------------------------------------------------------------


def test_scenario_name_is_the_file_name_without_xml(tmp_path: Path) -> None:
    path = tmp_path / "my.test.xml"
    path.write_text(document(RECV))
    scenario = Scenario.from_file(path)
    assert scenario.name == "my.test"
    assert scenario.file == str(path)
    assert scenario.description == "test"


def test_scenario_name_keeps_other_suffixes(tmp_path: Path) -> None:
    path = tmp_path / "call.sipp"
    path.write_text(document(RECV))
    assert Scenario.from_file(str(path)).name == "call.sipp"


def test_missing_file_is_one_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(
        ScenarioError, match=r"nothing\.xml: cannot read the scenario: No such file"
    ) as caught:
        Scenario.from_file(tmp_path / "nothing.xml")
    assert caught.value.exit_code == EXIT_USAGE


def test_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="Is a directory"):
        Scenario.from_file(tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "invalid XML"),
        ("<scenario>", 1, "invalid XML"),
        ("<scenario>\n<recv>\n</scenario>", 3, "invalid XML"),
        ("<scenario>\n<!-- open </scenario>", 2, "this comment is never closed with '-->'"),
        ("<scenario>\n<send><![CDATA[ open\n</send></scenario>", 2, "this CDATA section is never closed"),
        ('<scenario>\n<recv request="A/></scenario>', 2, "invalid XML"),
        ("<scenario/>\n<scenario/>", 2, "invalid XML"),
        ("<!DOCTYPE scenario SYSTEM", 1, "this DOCTYPE is never closed"),
        ("<scenario>\n<recv request=a/></scenario>", 2, "invalid XML"),
        ("\n<foo/>", 2, "root element must be <scenario>, not <foo>"),
        ("<scenario/>", 1, "no steps"),
        ("<scenario>\n<nop/><pause/></scenario>", 1, "neither sends nor receives"),
    ],
)
def test_unusable_document_is_one_error_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(ScenarioError, match=message) as caught:
        Scenario.from_string(text, name="t.xml")
    assert caught.value.line == line
    assert str(caught.value).startswith(f"t.xml:{line}:")
    assert "\n" not in str(caught.value)


# -- elements and attributes ----------------------------------------------------------------------------


def test_error_names_file_line_and_column_of_an_attribute() -> None:
    error = error_of('<nop/>\n  <recv request="A"\n        rtdd="1"/>')
    assert str(error) == "t.xml:5:9: unknown attribute 'rtdd' of <recv>; did you mean 'rtd'?"


@pytest.mark.parametrize("attribute", ["xyzzy='1'", "xml:space='preserve'"])
@pytest.mark.parametrize("name", STEPS)
def test_attribute_that_is_like_no_other_is_ignored_with_a_warning(name: str, attribute: str) -> None:
    body = {"send": send(attributes=attribute), "sendCmd": f"<sendCmd {attribute}><![CDATA[\nCall-ID: [call_id]\n\n]]></sendCmd>"}
    recv = f'<recv request="A" {attribute}/>'
    scenario = load(RECV + body.get(name, recv if name == "recv" else f"<{name} {attribute}/>"))
    (warning,) = scenario.warnings
    assert "unknown attribute '" in warning and warning.endswith(f"of <{name}> is ignored")


def test_attributes_of_the_root_that_are_like_no_other_are_ignored() -> None:
    text = '<scenario version="1" name="x" xmlns:a="urn:b">\n<recv request="A"/></scenario>'
    scenario = Scenario.from_string(text, name="t.xml")
    assert scenario.description == "x"
    assert scenario.warnings == ("t.xml:1:11: unknown attribute 'version' of <scenario> is ignored",)


def test_first_of_two_values_of_an_attribute_counts_with_a_warning() -> None:
    scenario = load("<recv request='ONE' request='TWO'/>")
    assert scenario.steps[0].method == b"ONE"  # type: ignore[attr-defined]
    assert scenario.warnings == ("t.xml:3:21: 'request' is given twice: the first one counts",)


def test_advance_state_that_changes_nothing_is_allowed_everywhere() -> None:
    assert load('<recv request="A" advance_state="true"/>').warnings == ()


def test_stray_text_is_remarked_at_the_element_in_front_of_it() -> None:
    (warning,) = load(f"{RECV}\n{RECV}\\").warnings
    assert warning == "t.xml:4:1: stray text '\\' behind <recv> is ignored"


def test_unknown_element_is_refused_with_the_nearest_name() -> None:
    error = error_of(f"{RECV}\n <recieve/>")
    assert error.message == "unknown element <recieve>; did you mean 'recv'?"
    assert (error.line, error.column) == (4, 2)


def test_unknown_action_is_refused_with_the_nearest_name() -> None:
    assert (
        "unknown action <logg>; did you mean 'log'?"
        in error_of(f"{RECV}<nop><action><logg/></action></nop>").message
    )


def test_empty_action_list_is_accepted() -> None:
    assert len(load(f"{RECV}<nop><action></action></nop>").steps) == 2


def test_known_attribute_at_the_wrong_element_is_a_warning() -> None:
    scenario = load('<recv request="A"/>\n<nop retrans="500"/>')
    assert scenario.warnings == ("t.xml:4:15: attribute 'retrans' has no effect on <nop>",)


def test_attribute_without_effect_leaves_no_trace_in_the_step() -> None:
    _, step = load(f'{RECV}<pause lost="50" ontimeout="nowhere"/>').steps
    assert (step.lost_percent, step.on_timeout) == (None, None)


@pytest.mark.parametrize("declared", ["ISO-8859-1", "UTF-16", "UTF-8"])
def test_text_given_as_str_is_utf8_whatever_it_declares(declared: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>'
    scenario = Scenario.from_string(document(f'{RECV}<nop display="é"/>', declaration=declaration))
    assert scenario.steps[1].display == "é"


@pytest.mark.parametrize("name", ["foo", "scenario", "label"])
def test_child_elements_other_than_action_are_refused(name: str) -> None:
    assert f"<{name}> is not allowed in <nop>" in error_of(f"{RECV}<nop><{name}/></nop>").message


def test_comments_may_hold_anything_and_processing_instructions_are_skipped() -> None:
    assert len(load(f"<!-- -- <send> & --><?x <y> ?>{RECV}").steps) == 1


def test_single_quoted_attributes_are_read() -> None:
    (step,) = load("<recv request='INVITE' rtd='a'/>").steps
    assert isinstance(step, RecvStep) and (step.method, step.stop_rtd) == (b"INVITE", "a")


# -- common attributes ----------------------------------------------------------------------------------


def test_rtd_names_are_numbered_by_appearance_with_the_stopped_one_first() -> None:
    # Verified with sipp 3.6.1: the CSV columns come in this order.
    scenario = load(
        send(attributes='start_rtd="zz" rtd="aa"')
        + '<recv response="200" rtd="zz" start_rtd="mm" counter="c2"/><nop rtd="mm" counter="c1"/>'
    )
    assert scenario.rtd_names == ("aa", "zz", "mm")
    assert scenario.counter_names == ("c2", "c1")


@pytest.mark.parametrize(("text", "name"), [("true", "1"), ("false", None), ("TRUE", "TRUE"), ("x y", "x y")])
def test_rtd_true_is_the_timer_named_1_and_false_is_none(text: str, name: str | None) -> None:
    (step,) = load(f'<recv request="A" rtd="{text}"/>').steps
    assert step.stop_rtd == name


def test_rtd_that_is_started_but_never_stopped_is_refused() -> None:
    error = error_of('<recv request="A" start_rtd="x"/>')
    assert error.message == "response time duration 'x' is started but never stopped"
    assert error.column == 30


def test_rtd_may_be_stopped_before_it_is_started_in_the_file() -> None:
    assert load('<recv request="A" rtd="x"/><nop start_rtd="x"/>').rtd_names == ("x",)


def test_repeat_rtd_needs_rtd() -> None:
    assert "repeat_rtd without rtd" in error_of('<recv request="A" repeat_rtd="true"/>').message
    assert load('<recv request="A" rtd="1" repeat_rtd="true"/>').steps[0].repeat_rtd


@pytest.mark.parametrize("name", ["start_rtd", "rtd", "counter", "next", "ontimeout"])
def test_names_may_not_be_empty(name: str) -> None:
    assert f"{name} needs a name" in error_of(f'<recv request="A" {name}=""/>').message


@pytest.mark.parametrize("name", ["a$", "a,b"])
def test_counter_names_may_not_hold_dollar_or_comma(name: str) -> None:
    assert "may not contain" in error_of(f'<recv request="A" counter="{name}"/>').message


def test_hiderest_applies_from_its_own_step_to_the_next_hiderest() -> None:
    # Verified with sipp 3.6.1.
    scenario = load(
        '<recv request="A"/><nop hiderest="true"/><nop/><nop hide="false"/><nop hiderest="false"/><nop/>'
    )
    assert [step.hide for step in scenario.steps] == [False, True, True, False, False, False]


def test_any_value_of_crlf_means_yes() -> None:
    assert [s.crlf for s in load('<recv request="A" crlf="false"/><nop/>').steps] == [True, False]


def test_display_is_kept_with_xml_entities_decoded() -> None:
    assert load(f'{RECV}<nop display="a &lt; b"/>').steps[1].display == "a < b"


@pytest.mark.parametrize("text", ["abc", "", "1s", "5 ", "1.5", "08"])
def test_integers_must_be_integers(text: str) -> None:
    assert f'retrans="{text}" is no integer' in error_of(send(attributes=f'retrans="{text}"')).message


@pytest.mark.parametrize(
    ("text", "value"), [("10", 10), ("0x10", 16), ("010", 8), (" 5", 5), ("+7", 7), ("0", 0)]
)
def test_integers_are_read_as_c_does(text: str, value: int) -> None:
    (step,) = load(send(attributes=f'retrans="{text}"')).steps
    assert isinstance(step, SendStep) and step.retrans_ms == value


@pytest.mark.parametrize("text", ["-1", "2147483648", "99999999999999999999"])
def test_integers_out_of_range_are_refused(text: str) -> None:
    assert "is not in the range 0 to 2147483647" in error_of(f'<recv request="A" timeout="{text}"/>').message


@pytest.mark.parametrize("text", ["abc", "", "50%", "nan", "inf", "1e", "1e999"])
def test_numbers_must_be_finite_numbers(text: str) -> None:
    assert f'lost="{text}" is no number' in error_of(f'<recv request="A" lost="{text}"/>').message


@pytest.mark.parametrize(
    ("text", "value"), [("1e1", 10.0), (".5", 0.5), ("0x10", 16.0), ("100", 100.0), ("5.", 5.0)]
)
def test_numbers_are_read_as_c_does(text: str, value: float) -> None:
    assert load(f'<recv request="A" lost="{text}"/>').steps[0].lost_percent == value


@pytest.mark.parametrize(
    "attribute", ['lost="101"', 'lost="-1"', 'chance="1.1" next="a"', 'chance="-1" next="a"']
)
def test_percentages_and_chances_have_a_range(attribute: str) -> None:
    assert "is not in the range" in error_of(f'<recv request="A" {attribute}/><label id="a"/>').message


def test_chance_without_next_is_a_warning() -> None:
    (warning,) = load('<recv request="A" chance="0.5"/>').warnings
    assert "chance without next" in warning


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("FALSE", False), ("1", True), ("0", False), ("0x2", True)]
)
def test_booleans_are_words_or_integers(text: str, value: bool) -> None:
    assert load(f'<recv request="A" hide="{text}"/>').steps[0].hide is value


@pytest.mark.parametrize("text", ["yes", "", "tru"])
def test_other_booleans_are_refused(text: str) -> None:
    assert "is no boolean; use true or false" in error_of(f'<recv request="A" hide="{text}"/>').message


# -- labels ---------------------------------------------------------------------------------------------


def test_label_is_the_index_of_the_next_step_and_may_stand_at_the_end() -> None:
    scenario = load('<label id="a"/><recv request="A" next="c"/><label id="b"/><nop/><label id="c"/>')
    assert scenario.labels == {"a": 0, "b": 1, "c": 2}


@pytest.mark.parametrize("attribute", ["next", "ontimeout"])
def test_undefined_label_is_refused_where_it_is_used(attribute: str) -> None:
    error = error_of(f'<recv request="A" {attribute}="ende"/><label id="end"/>')
    assert error.message == "the label 'ende' is not defined; did you mean 'end'?"
    assert error.column == len(f'<recv request="A" {attribute}="') + 1


def test_label_used_twice_is_refused() -> None:
    assert "the label 'a' is used twice" in error_of(f'{RECV}<label id="a"/><label id="a"/>').message


@pytest.mark.parametrize("element", ["<label/>", "<DefaultMessage/>"])
def test_id_is_required(element: str) -> None:
    assert "needs an id" in error_of(RECV + element).message


# -- send and recv --------------------------------------------------------------------------------------


def test_send_of_a_request_has_a_method_and_of_a_response_a_code() -> None:
    request, response = load(send("OPTIONS") + send("486")).steps
    assert isinstance(request, SendStep) and isinstance(response, SendStep)
    assert (request.method, request.status_code) == (b"OPTIONS", 0)
    assert (response.method, response.status_code) == (b"", 486)


def test_send_without_cdata_is_refused() -> None:
    assert "needs its message text in a <![CDATA[" in error_of("<send>INVITE</send>").message


def test_only_the_first_cdata_is_sent() -> None:
    scenario = load(send().replace("</send>", "<![CDATA[more]]></send>"))
    assert scenario.warnings[0].endswith("only the first CDATA section is sent")


def test_recv_needs_a_request_or_a_response() -> None:
    assert "needs a request or a response" in error_of("<recv/>").message


def test_request_wins_over_response_with_a_warning() -> None:
    scenario = load('<recv request="BYE" response="200"/>')
    (step,) = scenario.steps
    assert isinstance(step, RecvStep) and (step.method, step.status_code) == (b"BYE", 0)
    assert "waits for the request" in scenario.warnings[0]


@pytest.mark.parametrize("code", ["2xx", "200 OK", "99", "700", "0", ""])
def test_response_must_be_a_status_code(code: str) -> None:
    assert f'response="{code}"' in error_of(f'<recv response="{code}"/>').message


def test_request_must_be_a_method() -> None:
    assert "is no method" in error_of('<recv request="INVITE BYE"/>').message


@pytest.mark.parametrize("text", ["maybe", "TRUE", "1", ""])
def test_optional_is_true_global_or_false(text: str) -> None:
    assert (
        "none of true, global and false" in error_of(f'<recv request="A" optional="{text}"/>{RECV}').message
    )


def test_advance_state_is_for_optional_recv_only() -> None:
    assert "only for an optional" in error_of('<recv request="A" advance_state="false"/>').message
    (step, _) = load(f'<recv request="A" optional="global" advance_state="false"/>{RECV}').steps
    assert isinstance(step, RecvStep) and step.is_global and not step.advance_state


@pytest.mark.parametrize("between", [send(), "<pause/>", "<nop/>", "<timewait/>"])
@pytest.mark.parametrize("optional", ["true", "global"])
def test_optional_recv_must_reach_a_mandatory_one(between: str, optional: str) -> None:
    error = error_of(f'{RECV}\n<recv request="A" optional="{optional}"/>\n{between}')
    assert "without a mandatory <recv> between" in error.message
    assert error.line == 4


def test_labels_may_stand_between_optional_and_mandatory_recv() -> None:
    assert load(f'<recv request="A" optional="true"/><label id="a"/>{RECV}').warnings == ()


def test_optional_recv_at_the_end_is_a_warning() -> None:
    # sipp accepts it and waits.
    (warning,) = load('<recv request="A" optional="true"/>').warnings
    assert "waits like a mandatory one" in warning


# -- pauses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", ("default", 0, 0)),
        ('milliseconds="1.5"', ("fixed", 1.5, 1.5)),
        ('distribution="fixed" value="7"', ("fixed", 7, 7)),
        ('fixed="1" value="7"', ("fixed", 7, 7)),
        ('distribution="uniform" min="1" max="5"', ("uniform", 1, 5)),
        ('uniform="yes" min="1" max="5"', ("uniform", 1, 5)),
        ('min="1" max="5"', ("uniform", 1, 5)),
        ('milliseconds="700" distribution="fixed" value="100"', ("fixed", 100, 100)),
    ],
)
def test_pause_forms(attributes: str, expected: tuple[str, float, float]) -> None:
    _, step = load(f"{RECV}<pause {attributes}/>").steps
    assert isinstance(step, PauseStep)
    assert (step.distribution, step.min_ms, step.max_ms) == expected


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ('distribution="fixed"', "a fixed pause needs the attribute 'value'"),
        ('min="1"', "a uniform pause needs the attribute 'max'"),
        ('distribution="uniform" max="1"', "a uniform pause needs the attribute 'min'"),
        (
            'distribution="unifrom" min="1" max="2"',
            "unknown distribution \"unifrom\"; did you mean 'uniform'?",
        ),
        ('min="5" max="1"', 'min="5" is greater than max="1"'),
        ('value="5"', "'value' needs distribution=\"fixed\" beside it"),
        ('milliseconds="1s"', 'milliseconds="1s" is no number'),
        ('milliseconds="-5"', 'milliseconds="-5" is less than 0'),
        ('milliseconds="3e9"', "the pause lasts longer than 2147483647 ms in one of a hundred"),
        ('min="0" max="3e9"', "the pause lasts longer than 2147483647 ms in one of a hundred"),
    ],
)
def test_bad_pauses_are_refused(attributes: str, message: str) -> None:
    assert message in error_of(f"{RECV}<pause {attributes}/>").message


def test_sanity_check_false_accepts_an_endless_pause_and_bounds_it() -> None:
    _, step = load(f'{RECV}<pause milliseconds="1e30" sanity_check="false"/>').steps
    assert isinstance(step, PauseStep) and step.min_ms == 2**31 - 1


def test_timewait_must_be_the_last_step() -> None:
    assert "can only be the last step" in error_of(f"{RECV}<timewait/><nop/>").message
    _, step = load(f'{RECV}<timewait milliseconds="5"/><label id="end"/>').steps
    assert isinstance(step, PauseStep) and step.is_timewait


@pytest.mark.parametrize("attribute", ["next", "ontimeout"])
def test_timewait_branches_nowhere(attribute: str) -> None:
    error = error_of(f'{RECV}<timewait {attribute}="a"/><label id="a"/>')
    assert f"'{attribute}' is not allowed in <timewait>" in error.message


# -- tables and default messages ------------------------------------------------------------------------


def test_response_time_table_is_given_to_the_timers_above_it_only() -> None:
    scenario = load(
        '<recv request="A" rtd="a"/><ResponseTimeRepartition value="20, 10"/><nop rtd="b"/>'
        '<CallLengthRepartition value="10,10 5"/>'
    )
    assert scenario.response_time_tables == ((10, 20), ())
    assert scenario.call_length_table == (5, 10, 10)
    assert "have no table: b" in scenario.warnings[0]


def test_later_tables_replace_earlier_ones() -> None:
    scenario = load(
        '<recv request="A" rtd="a"/><ResponseTimeRepartition value="1"/><ResponseTimeRepartition value="2"/>'
    )
    assert scenario.response_time_tables == ((2,),)


@pytest.mark.parametrize("element", ["ResponseTimeRepartition", "CallLengthRepartition"])
@pytest.mark.parametrize("value", ["", "a", "10, b", "-1", "1.5", ",", "3000000000"])
def test_bad_tables_are_refused(element: str, value: str) -> None:
    assert error_of(f'{RECV}\n<{element} value="{value}"/>').line == 4


def test_table_without_value_is_refused() -> None:
    assert "needs a value" in error_of(f"{RECV}<CallLengthRepartition>10, 20</CallLengthRepartition>").message


def test_default_message_replaces_one_by_its_id() -> None:
    scenario = load(f'{RECV}<DefaultMessage id="bye"><![CDATA[BYE [next_url] SIP/2.0\n]]></DefaultMessage>')
    assert list(scenario.default_messages) == ["bye"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("by", "unknown default message 'by'; did you mean 'bye'?"),
        ("404", "unknown default message '404'"),
    ],
)
def test_other_default_messages_are_refused(name: str, message: str) -> None:
    element = f'<DefaultMessage id="{name}"><![CDATA[BYE x]]></DefaultMessage>'
    assert message in error_of(RECV + element).message


# -- mode and limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "is_client"), [(send(), True), (RECV, False)])
@pytest.mark.parametrize("before", ["", "<nop/>", "<pause/>", '<label id="a"/>'])
def test_first_send_or_recv_decides_between_client_and_server(
    before: str, first: str, is_client: bool
) -> None:
    assert load(before + first + send() + RECV).is_client is is_client


def test_number_of_timers_and_counters_is_bounded() -> None:
    rtds = "".join(f'<nop rtd="{i}"/>' for i in range(MAX_RTDS + 1))
    assert "response time durations" in error_of(RECV + rtds).message
    counters = "".join(f'<nop counter="{i}"/>' for i in range(MAX_COUNTERS + 1))
    assert "generic counters" in error_of(RECV + counters).message


# -- everything that loads compiles ---------------------------------------------------------------------

LABELS = ["a", "b", "c"]
VALUES = st.sampled_from(
    ["true", "false", "0", "1", "5", "100", "200", "1.5", "INVITE", "ACK", "x", "", "global", "a"]
)
NAMES = st.sampled_from(sorted({spec.name for spec in ATTRIBUTES} | ACTION_ATTRIBUTE_NAMES))
ATTRIBUTE_TEXT = st.dictionaries(NAMES, VALUES, max_size=3).map(
    lambda d: "".join(f' {name}="{value}"' for name, value in d.items())
)
MESSAGES = st.sampled_from(
    [
        "INVITE [service] SIP/2.0\n[last_Via]\n[len]\n\nx",
        "SIP/2.0 200 OK\n[last_To:]",
        "ACK [cseq+1]",
        "BYE [$a] SIP/2.0\n[routes]\n[authentication username=[service]]\n[field0 line=\"[$b]\"]\n\n[$a]",
        "BYE [next_url] SIP/2.0\n[authentication aka_K=0x00]\n[fill variable=a text=b] [file name=\"[$b]\"] [userid]",
        "[x]",
        "FOO",
    ]
)
USEFUL_ACTIONS = [
    '<ereg regexp="(a)" assign_to="a,b"/>',
    '<assign assign_to="a" value="1"/>',
    '<test variable="a" compare="equal" variable2="b" check_it="true"/>',
    '<replace file="f.csv" line="[$a]" value="[$b] [last_To]"/>',
    '<sample assign_to="b" gamma="1" k="2" theta="3"/>',
    '<setdest host="[$a]" port="1" protocol="[$b]"/>',
]
ELEMENT = st.one_of(
    st.builds(
        lambda n, a: f"<{n}{a}/>", st.sampled_from([*STEPS, "label", "nop", "recv", "pause"]), ATTRIBUTE_TEXT
    ),
    st.builds(lambda a, m: f"<send{a}><![CDATA[{m}]]></send>", ATTRIBUTE_TEXT, MESSAGES),
    st.builds(lambda r: f'<recv response="{r}" optional="true"/>', st.integers(100, 110)),
    st.sampled_from(LABELS).map(lambda name: f'<label id="{name}"/>'),
    st.sampled_from(LABELS).map(lambda name: f'<nop next="{name}" chance="0.25"/>'),
    st.just('<recv request="BYE" ontimeout="a" timeout="5"/>'),
    st.builds(lambda name, a: f"<nop><action><{name}{a}/></action></nop>", st.sampled_from([*ACTIONS]), ATTRIBUTE_TEXT),
    st.sampled_from(USEFUL_ACTIONS).map(lambda action: f"<recv request='A'><action>{action}</action></recv>"),
    st.sampled_from(['<Global variables="a"/>', '<User variables="b,a"/>', '<Reference variables="a,b"/>']),
    st.just('<sendCmd><![CDATA[Call-ID: [$a]]]></sendCmd>'),
    st.just("<init><nop/></init>"),
    st.just("<pause/>"),
)


@settings(max_examples=800, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ELEMENT, max_size=8))
def test_scenario_is_refused_with_a_place_or_compiles(elements: list[str]) -> None:
    declared = '<Global variables="a,b"/><Reference variables="a,b"/>'
    text = document("\n".join([declared, *elements]))
    try:
        scenario = Scenario.from_string(text, name="t.xml", injection_names=("f.csv",))
    except ScenarioError as error:
        assert error.file == "t.xml" and error.line and error.column
        assert 1 <= error.line <= text.count("\n") + 1
        return
    spec = compile_scenario(scenario, Bindings())
    assert Program(spec).n_steps == len(scenario.steps)
    assert list_program(spec).startswith(f"program t ({'client' if spec.is_client else 'server'})")


@given(st.data())
def test_damaged_document_never_raises_anything_but_scenario_error(data: st.DataObject) -> None:
    text = bytearray(
        document(send(extra="X: [last_Via:] \\x41\nContent-Length: [len]\n\nbody") + RECV).encode()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        scenario = Scenario.from_string(bytes(text))
    except ScenarioError:
        return
    compile_scenario(scenario, Bindings())


def test_steps_keep_their_kind_and_line() -> None:
    scenario = load(f"{RECV}\n{send()}\n<pause/>\n<nop/>")
    assert [type(step) for step in scenario.steps] == [RecvStep, SendStep, PauseStep, NopStep]
    lines = [step.line for step in scenario.steps]
    assert lines == [3, 4, 4 + send().count("\n") + 1, 4 + send().count("\n") + 2]
