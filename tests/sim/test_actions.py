"""Actions on the virtual clock: what they set, what they look at, how their checks end calls."""

from __future__ import annotations

import math
import operator
from urllib.parse import quote, unquote_plus
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.language import (
    LONG,
    after,
    assign,
    assign_text,
    client,
    complaints,
    given_back,
    log,
    logged,
    nop,
    records,
    recv_doing,
    run,
    send_doing,
    show,
    uses,
)
from sim.ticks import accounted, recv, request, response, scenario, send
from sippx._core.codes import Complaint, TraceKind

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\[]"), max_size=60)


def ereg(regexp: str, to: str, attributes: str = "search_in='msg'") -> str:
    return f"<ereg regexp={quoteattr(regexp)} assign_to='{to}' {attributes}/>"


# --------------------------------------------------------------------------- numbers and texts


@pytest.mark.parametrize(
    ("name", "apply"),
    [("add", operator.add), ("subtract", operator.sub), ("multiply", operator.mul), ("divide", operator.truediv)],
)
@pytest.mark.parametrize("right", [2.0, -0.5, 1e15, 1e-9])
@pytest.mark.parametrize("by", ["value", "variable"])
def test_arithmetic_changes_the_variable(name: str, apply: object, right: float, by: str) -> None:
    operand = f"value='{right!r}'" if by == "value" else "variable='y'"
    text = after(assign("x", 7.25) + assign("y", right) + f"<{name} assign_to='x' {operand}/>", "x y")
    assert text == f"x=({apply(7.25, right):f}) y=({right:f})"  # type: ignore[operator]


def test_text_counts_as_zero_in_arithmetic() -> None:
    assert after(assign_text("x", "12") + "<add assign_to='x' value='3'/>", "x") == "x=(3.000000)"
    assert after(assign_text("y", "12") + assign("x", 3) + "<add assign_to='x' variable='y'/>", "x y") == (
        "x=(3.000000) y=(12)"
    )


def test_division_by_zero_warns_and_leaves_the_variable() -> None:
    ticks = run(client(nop(assign("x", 8), "<divide assign_to='x' variable='zero'/>", show("x", "zero")))).until(5)
    found = records(ticks)
    assert [(kind, b) for kind, _, b, _ in found] == [
        (TraceKind.TRACE_COMPLAINT, Complaint.COMPLAINT_DIVIDE_BY_ZERO),
        (TraceKind.TRACE_LOG, 0),
    ]
    assert found[1][3] == b"x=(8.000000) zero=()"
    assert ticks.counts("warnings", "successful_calls") == [1, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", "12.000000"), ("-1.5", "-1.500000"), ("1e3", "1000.000000"), ("0x10", "16.000000"), (" 7", "7.000000"),
        ("7 ", None), ("7x", None), ("", None), ("abc", None), ("9" * 63, f"{float('9' * 63):f}"), ("9" * 64, None),
    ],
)  # fmt: skip
def test_todouble_takes_whole_numbers_of_text_only(text: str, expected: str | None) -> None:
    ticks = run(
        client(nop(assign("x", 5), assign_text("t", text), "<todouble assign_to='x' variable='t'/>", show("x", "t")))
    ).until(5)
    found = records(ticks)
    shown = next(data.decode() for kind, _, _, data in found if kind == TraceKind.TRACE_LOG)
    assert shown == f"x=({expected or '5.000000'}) t=({text})"
    problems = [b for kind, _, b, _ in found if kind == TraceKind.TRACE_COMPLAINT]
    assert problems == ([] if expected else [Complaint.COMPLAINT_NO_NUMBER])


def test_assigned_variable_is_a_number_of_that_variable() -> None:
    assert after(assign("x", 4) + "<assign assign_to='y' variable='x'/>", "y x") == "y=(4.000000) x=(4.000000)"
    assert after(assign_text("x", "4") + "<assign assign_to='y' variable='x'/>", "y x") == "y=() x=(4)"


def test_zero_and_unset_variables_expand_to_nothing() -> None:
    text = client(nop(assign("x", 0), show("x", "never")), uses("never"))
    assert logged(run(text).until(5)) == ["x=() never=()"]


@given(st.text(st.sampled_from("ab \t\n\r\x0b"), max_size=30))
@settings(max_examples=40, deadline=None)
def test_trim_strips_white_space_at_both_ends(text: str) -> None:
    escaped = "".join(f"\\x{ord(c):02x}" for c in text)
    shown = after(assign_text("x", escaped) + "<trim assign_to='x'/>", "x")
    assert shown == f"x=({text.strip(chr(32) + chr(9) + chr(10) + chr(11) + chr(12) + chr(13))})"


@given(st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_urlencode_is_rfc_3986s_and_urldecode_takes_it_back(data: bytes) -> None:
    escaped = "".join(f"\\x{c:02x}" for c in data)
    both = assign_text("x", escaped) + "<urlencode variable='x'/>" + log("[$x]") + "<urldecode variable='x'/>"
    ticks = run(client(nop(both, log("[$x]")))).until(5)
    encoded, decoded = logged(ticks)
    assert encoded == quote(data, safe="-_.~")
    assert decoded.encode("latin-1") == data


@given(PRINTABLE)
@settings(max_examples=60, deadline=None)
def test_urldecode_leaves_what_is_no_encoding(text: str) -> None:
    value = escape(text, {'"': "&quot;"})
    shown = after(f'<assignstr assign_to="x" value="{value}"/><urldecode variable="x"/>', "x")
    assert shown.encode("latin-1") == b"x=(" + unquote_plus(text, "latin-1").encode("latin-1") + b")"


COMPARISONS = {
    "equal": operator.eq, "not_equal": operator.ne, "greater_than": operator.gt, "less_than": operator.lt,
    "greater_than_equal": operator.ge, "less_than_equal": operator.le,
}  # fmt: skip


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize(("x", "y"), [(1.0, 2.0), (2.0, 2.0), (3.0, 2.0), (0.0, -1.0)])
@pytest.mark.parametrize("by", ["value='{y}'", "variable2='y'"])
def test_test_assigns_the_truth_of_the_comparison(name: str, x: float, y: float, by: str) -> None:
    actions = assign("x", x) + assign("y", y) + f"<test variable='x' compare='{name}' assign_to='t' {by.format(y=y)}/>"
    shown = after(actions, "t x y")
    assert shown.startswith(f"t=({str(COMPARISONS[name](x, y)).lower()})")


@pytest.mark.parametrize(
    ("x", "y", "order"),
    [("abc", "abc", 0), ("abc", "abd", -1), ("b", "abd", 1), ("", "a", -1), ("a", "", 1), ("ab", "a", 1), ("", "", 0)],
)
@pytest.mark.parametrize("by", ["value", "variable2"])
def test_strcmp_assigns_the_order(x: str, y: str, order: int, by: str) -> None:
    right = f"value='{y}'" if by == "value" else "variable2='y'"
    actions = assign_text("x", x) + assign_text("y", y) + f"<strcmp variable='x' {right} assign_to='o'/>"
    assert after(actions, "o x y").startswith(f"o=({order:f})" if order else "o=()")


def test_sample_gives_each_call_its_own_number() -> None:
    text = client(nop("<sample assign_to='x' distribution='uniform' min='10' max='20'/>", log("[$x]")))
    values = [float(text) for text in logged(run(text, n_calls=50).until(60))]
    assert len(set(values)) == 50
    assert all(10 <= value < 20 for value in values)


def test_index_is_the_number_of_the_step() -> None:
    text = client(recv("200", "optional='true'"), nop("<index assign_to='i'/>", show("i")))
    text = text.replace(recv("200", "optional='true'"), nop(log("first")))
    assert logged(run(text).until(5)) == ["first", "i=(2.000000)"]


def test_time_of_day_is_seconds_and_microseconds() -> None:
    import time

    before = time.time()
    shown = after("<gettimeofday assign_to='s,us'/>", "s us")
    seconds, micros = (float(part.split("(")[1].rstrip(") us=")) if part else 0.0 for part in shown.split(") ", 1))
    assert before - 1 <= seconds + micros / 1e6 <= time.time() + 1
    assert 0 <= micros < 1e6


# --------------------------------------------------------------------------- looking into messages

RINGING = response(180, "OPTIONS", more="X-A: one\r\nx-a:two\r\nX-AB: three\r\nSubject: X-A: inner\r\n")


def looked_up(attributes: str, message: bytes = RINGING, regexp: str = ".*") -> str:
    text = client(recv_doing("180", ereg(regexp, "m", attributes), show("m")), recv("200"))
    ticks = run(text).until(2)
    ticks.receive(message)
    (shown,) = logged(ticks)
    return shown.removeprefix("m=(").removesuffix(")")


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ("header='X-A:'", " one"),
        ("header='X-A:' occurrence='2'", " inner"),
        ("header='X-A:' occurence='2'", " inner"),
        ("header='X-A:' occurrence='2' case_indep='true'", "two"),
        ("header='X-A:' occurrence='2' start_line='true'", ""),
        ("header='X-A:' occurrence='2' start_line='true' case_indep='true'", "two"),
        ("header='X-A:' occurrence='3' start_line='true' case_indep='true'", ""),
        ("header='X-AB:'", " three"),
        ("header='x-ab:'", ""),
        ("header='x-ab:' case_indep='true'", " three"),
        ("header='Nowhere:'", ""),
        ("header='SIP/2.0' start_line='true'", " 180 Text"),
        ("header='Content-Length:'", " 0"),
    ],
)
def test_header_search_takes_the_rest_of_the_line(attributes: str, found: str) -> None:
    assert looked_up(f"search_in='hdr' {attributes}") == found


def test_body_search_looks_behind_the_empty_line_only() -> None:
    message = RINGING.replace(b"Content-Length: 0", b"Content-Length: 9") + b"a=x one\r\n"
    assert looked_up("search_in='body'", message, "one") == "one"
    assert looked_up("search_in='body'", message, "SIP") == ""
    assert looked_up("search_in='body'", RINGING, "one") == ""


def test_message_search_starts_at_the_first_byte_and_takes_line_ends() -> None:
    assert looked_up("search_in='msg'", regexp="^SIP/2.0 180 Text") == "SIP/2.0 180 Text"
    assert looked_up("search_in='msg'", regexp="[0-9]+ OPTIONS") == "1 OPTIONS"


def test_groups_go_to_the_variables_in_their_order() -> None:
    message = RINGING
    text = client(
        recv_doing("180", ereg("(X-)(Z)?([A-Z]+): (o(n)e)", "all,a,z,c,d,e,none"), show(*["all", "a", "z", "c", "d", "e", "none"])),
        recv("200"),
    )
    ticks = run(text).until(2)
    ticks.receive(message)
    assert logged(ticks) == ["all=(X-A: one) a=(X-) z=() c=(A) d=(one) e=(n) none=()"]


def test_variable_search_looks_into_the_variables_text() -> None:
    actions = assign_text("x", "key=value") + ereg("=(.*)", "all,v", "search_in='var' variable='x'")
    assert after(actions, "all v x") == "all=(=value) v=(value) x=(key=value)"


@pytest.mark.parametrize("n_bytes", [3, 9, 30, 200, 1500])
@pytest.mark.parametrize("targets", ["x,a,b,c", "a,x,b,c", "a,b,x,c", "a,b,c,x"])
def test_groups_of_a_variable_that_is_assigned_to_itself_are_of_the_old_text(n_bytes: int, targets: str) -> None:
    text = "".join(chr(97 + i % 26) for i in range(n_bytes))
    whole = f"12{text}-{text[::-1]}"
    actions = assign_text("x", whole) + ereg("(.*-)((1?.).*)", targets, "search_in='var' variable='x'")
    found = [whole, f"12{text}-", text[::-1], text[-1]]
    shown = dict(zip(targets.split(","), found, strict=True))
    assert after(actions, "a b c x") == " ".join(f"{name}=({shown[name]})" for name in "abcx")
    actions = assign_text("x", whole) + ereg("((12).*)-(.*)", targets, "search_in='var' variable='x'")
    found = [whole, f"12{text}", "12", text[::-1]]
    shown = dict(zip(targets.split(","), found, strict=True))
    assert after(actions, "a b c x") == " ".join(f"{name}=({shown[name]})" for name in "abcx")


def test_no_match_leaves_the_variables_alone() -> None:
    actions = assign_text("x", "abc") + assign_text("m", "old") + ereg("z", "m", "search_in='var' variable='x'")
    assert after(actions, "m x") == "m=(old) x=(abc)"


def test_actions_of_a_send_look_at_what_was_sent() -> None:
    text = scenario(send_doing("OPTIONS", ereg("CSeq: (.*)", "all,c"), show("c", "all")), recv("200"))
    assert logged(run(text).until(2))[0].startswith("c=(1 OPTIONS")


def test_actions_of_a_nop_look_at_the_message_received_last() -> None:
    text = client(recv("180"), nop(ereg("180|200", "m"), show("m")), recv("200"), nop(ereg("180|200", "m"), show("m")))
    ticks = run(text).until(2)
    ticks.receive(RINGING)
    ticks.receive(response(200, "OPTIONS"))
    assert logged(ticks) == ["m=(180)", "m=(200)"]


def test_last_keywords_of_a_recvs_actions_are_the_message_before() -> None:
    text = client(recv("180"), recv_doing("200", log("[last_X-A:]"), ereg("X-A: [a-z]+", "m"), show("m")), nop(log("[last_X-A:]")))
    ticks = run(text).until(2)
    ticks.receive(response(180, "OPTIONS", more="X-A: before\r\n"))
    ticks.receive(response(200, "OPTIONS", more="X-A: now\r\n"))
    assert logged(ticks) == ["X-A: before", "m=(X-A: now)", "X-A: now"]


# --------------------------------------------------------------------------- checks

CHECKS = {
    "failed_regexp_doesnt_match": (ereg("404", "_", "search_in='msg' check_it='true'"), Complaint.COMPLAINT_REGEXP),
    "failed_regexp_shouldnt_match": (
        ereg("SIP", "_", "search_in='msg' check_it_inverse='true'"),
        Complaint.COMPLAINT_REGEXP_INVERSE,
    ),
    "failed_regexp_hdr_not_found": (
        ereg(".*", "_", "search_in='hdr' header='X-None:' check_it='true'"),
        Complaint.COMPLAINT_NO_HEADER,
    ),
    "failed_test_doesnt_match": (
        assign("x", 1) + "<test variable='x' compare='equal' value='2' check_it='true'/>",
        Complaint.COMPLAINT_TEST,
    ),
    "failed_test_shouldnt_match": (
        assign("x", 2) + "<test variable='x' compare='equal' value='2' check_it_inverse='true'/>",
        Complaint.COMPLAINT_TEST,
    ),
    "failed_strcmp_doesnt_match": (
        assign_text("x", "a") + "<strcmp variable='x' value='b' check_it='true'/>",
        Complaint.COMPLAINT_STRCMP,
    ),
    "failed_strcmp_shouldnt_match": (
        assign_text("x", "b") + "<strcmp variable='x' value='b' check_it_inverse='true'/>",
        Complaint.COMPLAINT_STRCMP,
    ),
}


@pytest.mark.parametrize("counter", CHECKS)
def test_failed_check_of_a_recv_fails_the_call_at_its_end(counter: str) -> None:
    actions, complaint = CHECKS[counter]
    text = client(recv_doing("180", actions, log("not reached")), recv("200"))
    ticks = run(text).until(2)
    ticks.receive(RINGING)
    assert ticks.counts("calls_ended") == [0], "the call goes on"
    ticks.receive(response(200, "OPTIONS"))
    assert ticks.counts(counter, "failed_calls", "calls_ended") == [1, 1, 1]
    found = records(ticks)
    assert [b for kind, _, b, _ in found if kind == TraceKind.TRACE_COMPLAINT] == [complaint]
    assert not [data for _, _, _, data in found if b"not reached" in data]
    accounted(ticks.total)


@pytest.mark.parametrize("counter", CHECKS)
def test_failed_check_of_a_send_is_only_a_warning(counter: str) -> None:
    actions, complaint = CHECKS[counter]
    text = scenario(send_doing("OPTIONS", actions))
    ticks = run(text).until(3)
    assert ticks.counts("successful_calls", "failed_calls", "warnings") == [1, 0, 1]
    assert complaints(ticks) == [complaint]


def test_first_failed_check_is_the_one_counted() -> None:
    bad_test = assign("x", 1) + "<test variable='x' compare='equal' value='2' check_it='true'/>"
    ticks = run(client(nop(bad_test), nop(ereg("zz", "m", "search_in='msg' check_it='true'"), show("m")))).until(5)
    assert ticks.counts("failed_test_doesnt_match", "failed_regexp_doesnt_match", "failed_calls") == [1, 0, 1]


def test_checks_that_hold_leave_the_call_successful() -> None:
    actions = (
        ereg("180", "m", "search_in='msg' check_it='true'"),
        ereg("404", "m", "search_in='msg' check_it_inverse='true'"),
        assign("x", 1),
        "<test variable='x' compare='equal' value='1' check_it='true'/>",
        show("m"),
    )
    ticks = run(client(recv_doing("180", *actions))).until(2)
    ticks.receive(RINGING)
    assert ticks.counts("successful_calls", "failed_calls", "warnings") == [1, 0, 0]


# --------------------------------------------------------------------------- the call and the run


def test_stop_call_rejects_the_call_at_once() -> None:
    text = client(nop("<exec int_cmd='stop_call'/>", log("not reached")), send("BYE"))
    ticks = run(text, n_calls=3).until(10)
    assert [name for _, name in ticks.lines()] == ["OPTIONS"] * 3
    assert ticks.counts("failed_call_rejected", "failed_calls") == [3, 3]
    assert logged(ticks) == []
    accounted(ticks.total)


@pytest.mark.parametrize(("command", "reason"), [("stop_gracefully", "graceful"), ("stop_now", "now")])
def test_stop_commands_give_the_run_a_reason_to_end(command: str, reason: str) -> None:
    ticks = run(client(nop(f"<exec int_cmd='{command}'/>"), recv("200")))
    assert ticks.engine.stop_reason == ""
    ticks.until(3)
    assert ticks.engine.stop_reason == reason


def test_stop_now_outranks_stop_gracefully() -> None:
    text = client(nop("<exec int_cmd='stop_now'/>", "<exec int_cmd='stop_gracefully'/>"), recv("200"))
    assert run(text).until(3).engine.stop_reason == "now"


def test_error_says_so_and_stops_the_run() -> None:
    ticks = run(client(nop("<error message='bad [call_number]'/>"), recv("200"))).until(3)
    assert ticks.engine.stop_reason == "error"
    assert logged(ticks, TraceKind.TRACE_ERROR) == ["bad 1"]


def test_warning_is_counted_and_says_its_text() -> None:
    ticks = run(client(nop("<warning message='odd [call_number]'/>")), n_calls=2).until(5)
    assert ticks.counts("warnings", "successful_calls") == [2, 2]
    assert logged(ticks, TraceKind.TRACE_WARNING) == ["odd 1", "odd 2"]


def test_command_is_handed_over_expanded() -> None:
    ticks = run(client(nop(assign("x", 2), "<exec command='echo [$x] [call_number]'/>"))).until(5)
    assert logged(ticks, TraceKind.TRACE_EXEC) == ["echo 2.000000 1"]


def test_destination_of_the_call_changes_from_the_next_message_on() -> None:
    setdest = "<setdest host='127.0.0.[call_number]' port='60[call_number]0' protocol='udp'/>"
    ticks = run(client(nop(setdest), send("BYE")), n_calls=2)
    sent = []
    for ms in (1, 2, 3):
        ticks.engine.turn(ms * 1_000_000)
        sent += [(data.split(b" ")[0], where[1][3], where[2]) for data, where in ticks.engine.take_sent()]
    assert sent == [(b"OPTIONS", 1, 5060), (b"BYE", 1, 6010), (b"OPTIONS", 1, 5060), (b"BYE", 2, 6020)]


@pytest.mark.parametrize("where", ["host='127.0.0.1' port='0'", "host='127.0.0.1' port='65536'", "host='127.0.0.1' port='x'"])
def test_destination_that_is_none_fails_the_call(where: str) -> None:
    ticks = run(client(nop(f"<setdest {where} protocol='udp'/>"), send("BYE"))).until(5)
    assert ticks.counts("failed_tcp_connect", "failed_calls") == [1, 1]
    assert complaints(ticks) == [Complaint.COMPLAINT_DESTINATION]


def test_destination_over_another_protocol_fails_the_call() -> None:
    ticks = run(client(nop("<setdest host='127.0.0.1' port='5060' protocol='tcp'/>"))).until(5)
    assert ticks.counts("failed_tcp_connect") == [1]


def test_actions_of_a_server_see_each_calls_own_variables() -> None:
    text = scenario(
        recv_doing("OPTIONS", ereg("Call-ID: ([0-9]+)", "all,id"), log("[$all]")),
        "<pause milliseconds='10'/>",
        nop(log("[$id]")),
        send("200"),
    )
    ticks = run(text)
    for number in range(1, 6):
        ticks.receive(request("OPTIONS", number=number))
    ticks.until(20)
    assert sorted(logged(ticks)[5:]) == ["1", "2", "3", "4", "5"]
    assert ticks.counts("successful_calls") == [5]


@pytest.mark.parametrize("number", [math.inf, 1e308, -1e308, 1e-320])
def test_numbers_at_the_edge_are_carried_through(number: float) -> None:
    big = "1e308" if math.isinf(number) else repr(number)
    actions = f"<assign assign_to='x' value='{big}'/>"
    if math.isinf(number):
        actions += "<multiply assign_to='x' value='10'/>"
    shown = after(actions, "x")
    assert shown == f"x=({number:f})"


def test_all_texts_of_ended_calls_are_given_back() -> None:
    text = client(
        recv_doing(
            "200",
            ereg("X: (y+)", "m,g"),
            assign_text("t", "[$g][$g]"),
            "<urlencode variable='t'/>",
            ereg("(y+)", "t,a,b", "search_in='var' variable='t'"),
            log("[$m][$a][$b]"),
        )
    )

    def exchange(ticks: object, number: int) -> None:
        ticks.until(ticks.now_ms + 1)  # type: ignore[attr-defined]
        ticks.receive(response(200, "OPTIONS", number=number, more=f"X: {LONG}\r\n"))  # type: ignore[attr-defined]

    given_back(lambda **more: run(text, **more), exchange)
