"""Where a call goes on: condexec, test, chance, jump, regexp_match, pauses by variable and distribution."""

from __future__ import annotations

import math

import pytest

from sim.language import OPTIONS, assign, assign_text, client, complaints, log, logged, nop, recv_doing, run, uses
from sim.ticks import names, recv, request, response, scenario, send
from sippx._core.codes import Complaint

SETTINGS = {
    "unset": ("", False),
    "zero": (assign("v", 0), False),
    "one": (assign("v", 1), True),
    "minus": (assign("v", -0.5), True),
    "empty text": (assign_text("v", ""), True),
    "text": (assign_text("v", "0"), True),
    "true": (assign("o", 1) + "<test assign_to='v' variable='o' compare='equal' value='1'/>", True),
    "false": (assign("o", 1) + "<test assign_to='v' variable='o' compare='equal' value='2'/>", False),
    "match": ("<ereg regexp='^' search_in='msg' assign_to='v'/>", True),
    "no match": ("<ereg regexp='zz' search_in='msg' assign_to='v'/>", False),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_condexec_skips_while_the_variable_is_not_set(setting: str) -> None:
    actions, is_set = SETTINGS[setting]
    text = client(
        nop(actions, log("-")),
        nop(log("set"), attributes="condexec='v'"),
        nop(log("unset"), attributes="condexec='v' condexec_inverse='true'"),
    )
    ticks = run(text).until(3)
    assert logged(ticks) == ["-", "set" if is_set else "unset"]
    assert ticks.counts("successful_calls") == [1]


@pytest.mark.parametrize("setting", SETTINGS)
def test_next_is_taken_while_the_test_variable_is_set(setting: str) -> None:
    actions, is_set = SETTINGS[setting]
    text = client(
        nop(actions, log("-"), attributes="next='far' test='v'"), nop(log("near")), "<label id='far'/>", nop(log("far"))
    )
    text = text if "'v'" in actions else text.replace("<label id='far'/>", "<label id='far'/>" + uses("v"))
    assert logged(run(text).until(3)) == (["-", "far"] if is_set else ["-", "near", "far"])


def test_skipped_element_still_branches() -> None:
    text = client(
        nop(log("no"), attributes="condexec='v' next='far'"), nop(log("near")), "<label id='far'/>", nop(log("far")), uses("v")
    )
    assert logged(run(text).until(3)) == ["far"]


def test_skipped_recv_and_send_are_not_waited_for_or_sent() -> None:
    text = client(recv("200", "condexec='v'"), send("BYE", "condexec='v'"), nop(log("end")), uses("v"))
    ticks = run(text).until(3)
    assert [name for _, name in ticks.lines()] == ["OPTIONS"]
    assert logged(ticks) == ["end"]


@pytest.mark.parametrize("run_steps", range(1, 8))
def test_skipped_recv_is_not_waited_for_however_short_a_turn_is(run_steps: int) -> None:
    text = client(nop(), nop(), recv("200", "condexec='v'"), nop(), recv("200", "condexec='v'"), nop(log("end")), uses("v"))
    assert logged(run(text, run_steps=run_steps).until(20)) == ["end"]


def test_skipping_in_a_circle_is_shared_out_over_turns() -> None:
    text = client("<label id='1'/>", nop(log("no"), attributes="condexec='v' next='1'"), uses("v"))
    ticks = run(text, n_calls=2, run_steps=50).until(20)
    assert ticks.counts("calls_ended", "outgoing_calls") == [0, 2]


@pytest.mark.parametrize("chance", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_chance_is_the_share_of_calls_that_branch(chance: float) -> None:
    n = 2000
    text = client(nop(attributes=f"next='far' chance='{chance}'"), nop(log("near")), "<label id='far'/>", nop())
    n_far = n - len(logged(run(text, n_calls=n).until(n + 10)))
    assert abs(n_far - n * chance) <= 5 * math.sqrt(n * chance * (1 - chance))


# --------------------------------------------------------------------------- jumps


def test_jump_goes_to_the_step_with_that_number() -> None:
    text = client(nop(log("a"), "<jump value='3'/>"), nop(log("skipped")), nop(log("b")))
    assert logged(run(text).until(3)) == ["a", "b"]


def test_jump_by_variable_may_go_back() -> None:
    text = client(
        nop("<add assign_to='n' value='1'/>", log("[$n]"), "<test assign_to='done' variable='n' compare='equal' value='3'/>",
            attributes="next='end' test='done'"),
        nop(assign("to", 1), "<jump variable='to'/>"),
        "<label id='end'/>", nop(log("end")),
    )  # fmt: skip
    assert logged(run(text).until(3)) == ["1.000000", "2.000000", "3.000000", "end"]


@pytest.mark.parametrize("to", ["1", "99", "-1", "4294967296", "nan", "inf", "-inf", "1e300"])
def test_jump_to_itself_or_outside_ends_the_run(to: str) -> None:
    jump = "<todouble assign_to='x' variable='t'/><jump variable='x'/>"
    ticks = run(client(nop(assign_text("t", to), jump), nop(log("no")))).until(5)
    assert ticks.engine.stop_reason == "error"
    assert Complaint.COMPLAINT_JUMP in complaints(ticks)


def test_jump_out_of_a_recv_goes_there() -> None:
    text = client(recv_doing("200", "<jump value='3'/>"), nop(log("skipped")), nop(log("end")))
    ticks = run(text).until(2)
    ticks.receive(response(200, "OPTIONS"))
    assert logged(ticks) == ["end"]


# --------------------------------------------------------------------------- regexp_match


@pytest.mark.parametrize(("code", "takes"), [(180, True), (183, True), (199, True), (200, False), (404, False)])
def test_response_code_is_matched_as_text(code: int, takes: bool) -> None:
    ticks = run(client(recv("1[0-9]+", "regexp_match='true'").replace("request=", "response="), recv("200"))).until(2)
    ticks.receive(response(code, "OPTIONS"))
    assert ticks.counts("failed_unexpected_message") == [0 if takes else 1]


@pytest.mark.parametrize(("method", "takes"), [("INVITE", True), ("INFO", True), ("MESSAGE", False), ("XINVITE", True)])
def test_method_is_matched_anywhere_in_its_name(method: str, takes: bool) -> None:
    ticks = run(scenario(recv("IN(VITE|FO)", "regexp_match='true'"), send("200")))
    assert names(ticks.receive(request(method))) == (["200"] if takes else [])


def test_regexp_takes_no_response_for_a_request() -> None:
    ticks = run(client(recv(".*", "regexp_match='true'"), send("200"))).until(2)
    ticks.receive(response(200, "OPTIONS"))
    assert ticks.counts("failed_unexpected_message") == [1]


# --------------------------------------------------------------------------- pauses


@pytest.mark.parametrize(("ms", "waits"), [("25", 25), ("0", 0), ("0.9", 0), ("1.9", 1), ("nan", 0)])
def test_pause_by_variable_lasts_as_long_as_it_says(ms: str, waits: int) -> None:
    convert = "<todouble assign_to='x' variable='t'/>"
    text = scenario(OPTIONS, nop(assign_text("t", ms), convert), "<pause variable='x'/>", send("BYE"))
    ticks = run(text).until(60)
    (begin, _), (end, _) = ticks.lines()
    assert end - begin == waits


@pytest.mark.parametrize("ms", ["-1", "1e18", "inf", "2147483648"])
def test_pause_of_an_endless_time_waits(ms: str) -> None:
    convert = "<todouble assign_to='x' variable='t'/>"
    ticks = run(scenario(OPTIONS, nop(assign_text("t", ms), convert), "<pause variable='x'/>", send("BYE"))).until(100)
    assert len(ticks.lines()) == 1
    assert ticks.total.gauge("paused_calls") == 1


def test_pause_by_distribution_differs_from_call_to_call() -> None:
    text = scenario(OPTIONS, "<pause distribution='uniform' min='10' max='60'/>", send("BYE"))
    ticks = run(text, n_calls=200).until(300)
    begun = [ms for ms, name in ticks.lines() if name == "OPTIONS"]
    assert len(begun) == 200
    ended = {data.split(b"Call-ID: ")[1].split(b"-")[0]: ms for ms, data in ticks.sent if data.startswith(b"BYE")}
    waits = [ended[b"%d" % (i + 1)] - begun[i] for i in range(200)]
    assert 10 <= min(waits) <= 15
    assert 55 <= max(waits) <= 60


@pytest.mark.parametrize("end", ["1e30", "inf", "nan", "-5", "0"])
def test_pause_restored_to_an_extreme_end_does_no_harm(end: str) -> None:
    convert = "<todouble assign_to='x' variable='t'/><pauserestore variable='x'/>"
    ticks = run(scenario(OPTIONS, nop(assign_text("t", end), convert), "<pause milliseconds='20'/>", send("BYE"))).until(80)
    ended = len(ticks.lines()) == 2
    assert ended == (end in ("nan", "-5", "0"))
