"""Tests of sippx/scenario/liveness.py against a search over all paths of a call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xml_text import compiled, load, send

from sippx._core.codes import StepFlag
from sippx.scenario.liveness import steps_that_keep_last
from sippx.scenario.model import RecvStep, Scenario, SendStep

LABELS = "abc"
JUMP = st.sampled_from(["", "", *LABELS])


def attribute(name: str, value: str) -> str:
    return f' {name}="{value}"' if value else ""


STEPS = st.one_of(
    st.builds(
        lambda uses, n, t, r: send(
            "200",
            attribute("next", n) + attribute("ontimeout", t) + attribute("retrans", r),
            "[last_Via:]" if uses else "X: 1",
        ),
        st.booleans(),
        JUMP,
        JUMP,
        st.sampled_from(["", "500"]),
    ),
    st.builds(
        lambda n, t: f'<recv request="A"{attribute("next", n)}{attribute("ontimeout", t)}/>', JUMP, JUMP
    ),
    st.builds(
        lambda t1, t2, s: (
            f'<recv request="B" optional="true"{attribute("ontimeout", t1)}{s}/>'
            f'<recv request="A"{attribute("ontimeout", t2)}/>'
        ),
        JUMP,
        JUMP,
        st.sampled_from(["", ' advance_state="false"']),
    ),
    JUMP.map(lambda n: f"<pause{attribute('next', n)}/>"),
    JUMP.map(lambda n: f"<nop{attribute('next', n)}/>"),
)


def uses_last(scenario: Scenario) -> list[bool]:
    return [
        isinstance(step, SendStep) and any(getattr(part, "name", "") == "last_" for part in step.template)
        for step in scenario.steps
    ]


def is_needed(scenario: Scenario, parked_at: int) -> bool:
    """Whether some way of a call from here renders the message it holds now, found by walking all ways."""
    uses = uses_last(scenario)
    labels, steps = scenario.labels, scenario.steps
    # a sent message that stays unanswered makes the call jump at any time while it waits
    jumps = [labels[s.on_timeout] for s in steps if isinstance(s, SendStep) and s.retrans_ms and s.on_timeout]
    seen: set[int] = set()
    todo = [parked_at]
    while todo:
        index = todo.pop()
        if index in seen or index == len(steps):
            continue
        seen.add(index)
        if uses[index]:
            return True
        step = steps[index]
        todo += jumps
        if isinstance(step, RecvStep):
            # the match replaces the message: only a timeout leaves with the old one
            while True:
                if step.on_timeout:
                    todo.append(labels[step.on_timeout])
                if not step.optional:
                    break
                index += 1
                step = steps[index]
                assert isinstance(step, RecvStep)
        else:
            # a send that could not be done in time goes to its ontimeout from here
            todo += [index + 1, *(labels[name] for name in (step.next, step.on_timeout) if name)]
    return False


@given(st.lists(STEPS, min_size=1, max_size=7), st.lists(st.integers(0, 7), min_size=3, max_size=3))
def test_server_keeps_the_last_message_exactly_where_some_way_uses_it(
    parts: list[str], places: list[int]
) -> None:
    body = list(parts)
    for name, place in sorted(zip(LABELS, places, strict=True), key=lambda pair: -pair[1]):
        body.insert(min(place, len(body)), f'<label id="{name}"/>')
    scenario = load('<recv request="A"/>' + "".join(body))
    expected = [is_needed(scenario, index) for index in range(len(scenario.steps))]
    assert steps_that_keep_last(scenario, uses_last(scenario)) == expected


def test_client_keeps_the_last_message_everywhere() -> None:
    scenario = load(send() + '<recv response="200"/><pause/>')
    assert steps_that_keep_last(scenario, [False] * 3) == [True] * 3


def test_built_in_uas_keeps_it_only_where_it_answers() -> None:
    scenario = Scenario.builtin("uas")
    assert steps_that_keep_last(scenario, uses_last(scenario)) == [
        False,
        True,
        True,
        False,
        False,
        True,
        False,
    ]


VIA = "[last_Via:]"


def keeps(body: str) -> list[bool]:
    spec = compiled(body)
    return [bool(flags & StepFlag.STEP_KEEPS_LAST) for flags in spec.steps["flags"]]


def test_skipped_recv_does_not_end_the_life_of_the_last_message() -> None:
    body = '<recv request="A"/><recv request="B" condexec="v"/><nop condexec="v"/>' + send("200", extra=VIA)
    assert keeps(body) == [False, True, True, True]
    assert keeps('<recv request="A"/><recv request="B"/>' + send("200", extra=VIA)) == [False, False, True]


def test_message_of_the_twin_does_not_replace_the_last_message() -> None:
    assert keeps('<recv request="A"/><recvCmd/>' + send("200", extra=VIA)) == [False, True, True]


@pytest.mark.parametrize(
    ("action", "is_kept"),
    [
        ('<ereg regexp="x" assign_to="_"/>', True),
        ('<ereg regexp="x" search_in="hdr" header="To:" assign_to="_"/>', True),
        ('<ereg regexp="x" search_in="body" assign_to="_"/>', True),
        ('<ereg regexp="x" search_in="var" variable="_" assign_to="_"/>', False),
        ('<log message="[last_To]"/>', True),
        ('<log message="[file name=&quot;[last_To]&quot;]"/>', True),
        ('<log message="[call_id]"/>', False),
        ('<setdest host="h" port="[last_cseq_number]" protocol="udp"/>', True),
        ('<verifyauth assign_to="_" username="u" password="p"/>', True),
    ],
)
def test_action_outside_a_recv_may_look_at_the_last_message(action: str, is_kept: bool) -> None:
    body = f'<recv request="A"/><pause/><nop><action>{action}</action></nop>'
    assert keeps(body) == [False, is_kept, is_kept]


def test_action_of_a_recv_sees_the_message_that_came_unless_it_asks_for_the_last_one() -> None:
    body = '<recv request="A"/><pause/><recv request="B"><action>{}</action></recv><pause/>'
    assert keeps(body.format('<ereg regexp="x" assign_to="_"/>')) == [False] * 4
    assert keeps(body.format('<log message="[last_To]"/>')) == [True] * 4


@pytest.mark.parametrize(
    "more", ['<label id="_unexp.main"/><recv request="X"/>', '<nop><action><jump value="0"/></action></nop>']
)
def test_call_that_may_go_anywhere_keeps_it_everywhere(more: str) -> None:
    assert set(keeps(f'<recv request="A"/><pause/>{more}')) == {True}


def test_next_url_looks_at_the_last_message() -> None:
    body = '<recv request="A" rrs="true"/><pause/>' + send("BYE", extra="X: [next_url]")
    assert keeps(body) == [False, True, True]
