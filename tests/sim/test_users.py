"""Users (-users): a fixed number of calls, ids from 1, variables that survive calls."""

from __future__ import annotations

from collections import Counter

import pytest

from sim.language import LONG, assign_text, client, given_back, log, logged, memory_bytes, nop, recv_doing, run
from sim.ticks import Ticks, accounted, recv, response

CALL = client(nop(log("[userid]")), recv("200"))


def answered(ticks: Ticks, *numbers: int) -> None:
    """End these calls, and let the next turn open new ones."""
    for number in numbers:
        ticks.receive(response(200, "OPTIONS", number=number))
    ticks.until(ticks.now_ms + 1)


def users(n: int, text: str = CALL, *, n_calls: int = 0, **more: object) -> Ticks:
    ticks = run(text, n_calls=n_calls, n_users=n, bindings={"users": n}, **more)  # type: ignore[arg-type]
    ticks.engine.set_rate(0.0)
    return ticks.until(1)


def open_calls(ticks: Ticks) -> int:
    return ticks.total.gauge("current_calls")


def test_every_user_has_one_call_and_the_last_id_comes_first() -> None:
    ticks = users(5)
    assert logged(ticks) == ["5", "4", "3", "2", "1"] or logged(ticks) == ["1", "2", "3", "4", "5"]
    assert open_calls(ticks.until(50)) == 5


def test_number_of_calls_is_constant_and_ids_come_back() -> None:
    ticks = users(4)
    seen = Counter(logged(ticks))
    for round_ in range(10):
        numbers = range(round_ * 4 + 1, round_ * 4 + 5)
        answered(ticks, *numbers)
        assert open_calls(ticks) == 4
    seen += Counter(logged(ticks))
    assert seen == {str(user): 11 for user in range(1, 5)}
    assert ticks.counts("successful_calls") == [40]
    accounted(ticks.total)


def test_ended_users_next_call_comes_last() -> None:
    ticks = users(3)
    logged(ticks)
    for number in (2, 1, 3):
        ticks.receive(response(200, "OPTIONS", number=number))
    ticks.until(2)
    order = logged(ticks)
    assert sorted(order) == ["1", "2", "3"]
    assert order[0] == "2", "the first to end is the first to begin again"


def test_no_more_calls_than_asked_for() -> None:
    ticks = users(3, n_calls=7)
    for number in range(1, 8):
        answered(ticks, number)
    assert ticks.counts("successful_calls", "outgoing_calls") == [7, 7]
    assert ticks.engine.turn(10**9)


@pytest.mark.parametrize(("n", "down", "up"), [(6, 2, 6), (6, 0, 6), (6, 5, 3), (2, 1, 8), (1, 0, 1)])
def test_set_users_changes_the_number_of_calls_and_never_doubles_an_id(n: int, down: int, up: int) -> None:
    text = client(recv_doing("200", log("end [userid]")))
    ticks = users(n, text.replace("<send", nop(log("begin [userid]")) + "<send", 1), max_users=8)
    ticks.engine.set_users(down)
    assert ticks.engine.n_users == down
    number = 0
    for _ in range(3 * n):
        number += 1
        answered(ticks, number)
    assert open_calls(ticks) == down
    ticks.engine.set_users(up)
    for _ in range(40):
        number += 1
        answered(ticks, number)
        number = min(number, ticks.total.calls_created - 1) if open_calls(ticks) == 0 else number
    assert open_calls(ticks) == up
    active: set[str] = set()
    for text in logged(ticks):
        what, user = text.split()
        if what == "begin":
            assert user not in active
            active.add(user)
        else:
            active.remove(user)
    assert len(active) == up
    assert {int(user) for user in active} <= set(range(1, 9))


def test_users_above_the_most_are_not_made() -> None:
    ticks = users(2, max_users=3)
    ticks.engine.set_users(100)
    assert ticks.engine.n_users == 3
    assert open_calls(ticks.until(3)) == 3


def test_engine_by_rate_has_no_users_to_set() -> None:
    ticks = run(CALL)
    with pytest.raises(ValueError, match="no users"):
        ticks.engine.set_users(1)


def test_users_keyword_follows_the_number() -> None:
    ticks = users(2, client(nop(log("[users]")), recv("200")), max_users=4)
    ticks.engine.set_users(3)
    ticks.until(2)
    assert logged(ticks) == ["2", "2", "3"]


COUNTING = client(
    "<User variables='visits'/>",
    nop("<add assign_to='visits' value='1'/>", log("[userid] [$visits]")),
    recv("200"),
)


def test_user_variables_survive_calls_and_are_each_users_own() -> None:
    ticks = users(3, COUNTING)
    for round_ in range(3):
        answered(ticks, *range(round_ * 3 + 1, round_ * 3 + 4))
    expected = sorted(f"{user} {visit:f}" for user in (1, 2, 3) for visit in (1, 2, 3, 4))
    assert sorted(logged(ticks)) == expected


def test_without_users_user_variables_are_the_calls() -> None:
    ticks = run(COUNTING, n_calls=3).until(5)
    assert logged(ticks) == ["0 1.000000"] * 3


def test_texts_of_users_are_replaced_and_those_of_calls_given_back() -> None:
    text = client(
        "<User variables='u'/>",
        recv_doing("200", assign_text("u", LONG), assign_text("c", LONG), log("[$u][$c]")),
    )

    def exchange(ticks: Ticks, number: int) -> None:
        if ticks.now_ms == 0:
            ticks.until(1)
        answered(ticks, number)

    given_back(lambda **more: run(text, n_users=3, **more), exchange)


def test_user_texts_of_the_init_call_are_given_back() -> None:
    text = client("<User variables='u'/>", nop(log("[$u]"))).replace(
        "<scenario>", f"<scenario><init><nop><action>{assign_text('u', LONG)}</action></nop></init>"
    )
    text = text.replace("<User variables='u'/>", "").replace("<scenario>", "<scenario><User variables='u'/>")
    ticks = run(text, n_users=1, n_calls=1)
    ticks.engine.run_init()
    before = memory_bytes(ticks)
    for _ in range(2000):
        ticks.engine.run_init()
    assert memory_bytes(ticks) == before


def test_no_users_left_open_no_calls_by_rate() -> None:
    ticks = users(2)
    ticks.engine.set_rate(1000.0)
    ticks.engine.set_users(0)
    answered(ticks, 1, 2)
    assert open_calls(ticks.until(20)) == 0
