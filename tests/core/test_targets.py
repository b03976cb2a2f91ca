"""Which of several remote addresses the next call goes to: properties of the oracle, and the core against it."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sippx._core.targets import TargetTable
from tests.reference.targets import ReferenceTargets

Pairs = list[tuple[int, int]]
BOTH = pytest.mark.parametrize("kind", [ReferenceTargets, TargetTable])
Kind = type[ReferenceTargets] | type[TargetTable]


@st.composite
def tables(draw: st.DrawFn, weights: st.SearchStrategy[int] = st.integers(0, 6)) -> Pairs:  # noqa: B008
    pairs = draw(st.lists(st.tuples(weights, st.integers(0, 2)), min_size=1, max_size=7))
    return sorted(pairs, key=lambda pair: pair[1])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("next"), st.integers(0, 40), st.just(0), st.just(0)),
        st.tuples(st.just("failed"), st.integers(0, 5), st.integers(0, 6), st.integers(0, 90)),
    ),
    max_size=80,
)


@given(tables(st.one_of(st.integers(0, 6), st.integers(0, 2**32 - 1))), STEPS)
def test_the_core_chooses_as_the_oracle(pairs: Pairs, steps: list[tuple[str, int, int, int]]) -> None:
    core, oracle, now_ms = TargetTable(pairs), ReferenceTargets(pairs), 1000
    for what, later_ms, index, penalty_ms in steps:
        now_ms += later_ms
        if what == "next":
            assert core.next(now_ms) == oracle.next(now_ms)
        else:
            core.failed(index % len(pairs), now_ms, penalty_ms)
            oracle.failed(index % len(pairs), now_ms, penalty_ms)
        assert core.turns == oracle.turns


@BOTH
@given(pairs=tables(), steps=STEPS)
def test_the_best_priority_that_is_up_is_used_and_nothing_that_is_down(
    kind: Kind, pairs: Pairs, steps: list[tuple[str, int, int, int]]
) -> None:
    table, now_ms, down_until = kind(pairs), 0, [0] * len(pairs)
    for what, later_ms, index, penalty_ms in steps:
        now_ms += later_ms
        index %= len(pairs)
        if what == "failed":
            table.failed(index, now_ms, penalty_ms)
            down_until[index] = max(down_until[index], now_ms + penalty_ms)
            continue
        chosen = table.next(now_ms)
        up = [i for i, until_ms in enumerate(down_until) if until_ms <= now_ms]
        if not up:
            assert down_until[chosen] == min(down_until)
            continue
        best = min(pairs[i][1] for i in up)
        group = [i for i in up if pairs[i][1] == best]
        assert chosen in group
        assert pairs[chosen][0] > 0 or all(pairs[i][0] == 0 for i in group)


@BOTH
@given(pairs=tables(), n_rounds=st.integers(1, 3))
def test_calls_are_shared_in_proportion_to_the_weights(kind: Kind, pairs: Pairs, n_rounds: int) -> None:
    table = kind(pairs)
    best = [weight for weight, priority in pairs if priority == pairs[0][1]]
    shares = best if any(best) else [1] * len(best)
    counted = Counter(table.next(0) for _ in range(n_rounds * sum(shares)))
    assert [counted[i] for i in range(len(shares))] == [n_rounds * share for share in shares]


@BOTH
@given(pairs=tables(), steps=STEPS)
def test_no_turn_ever_runs_away(kind: Kind, pairs: Pairs, steps: list[tuple[str, int, int, int]]) -> None:
    """They add up to 0 in a priority, however targets fail and come back, and stay below the sum of weights."""
    table, now_ms = kind(pairs), 0
    for what, later_ms, index, penalty_ms in steps:
        now_ms += later_ms
        if what == "next":
            table.next(now_ms)
        else:
            table.failed(index % len(pairs), now_ms, penalty_ms)
        turns = iter(table.turns)
        for _, members in groupby(pairs, key=lambda pair: pair[1]):
            weights = [max(weight, 1) for weight, _ in members]
            of_group = [next(turns) for _ in weights]
            assert sum(of_group) == 0
            assert all(abs(turn) <= sum(weights) for turn in of_group)


@BOTH
def test_turns_are_spread_evenly(kind: Kind) -> None:
    table = kind([(5, 0), (1, 0), (1, 0)])
    assert [table.next(0) for _ in range(7)] == [0, 0, 1, 0, 2, 0, 0]


@BOTH
def test_the_next_priority_takes_over_until_the_penalty_is_over(kind: Kind) -> None:
    table = kind([(1, 10), (1, 20)])
    table.failed(0, 1000, 500)
    assert [table.next(now_ms) for now_ms in (1000, 1499, 1500)] == [1, 1, 0]


@BOTH
def test_late_failures_of_a_target_that_is_down_leave_the_turns_of_the_others(kind: Kind) -> None:
    table = kind([(1, 0), (2, 0), (1, 0)])
    table.failed(0, 0, 1000)
    chosen = []
    for now_ms in range(6):
        table.failed(0, now_ms, 1000)
        chosen.append(table.next(now_ms))
    assert Counter(chosen) == {1: 4, 2: 2}


def test_a_penalty_beyond_all_time_is_for_ever() -> None:
    table = TargetTable([(1, 0), (1, 1)])
    table.failed(0, 5, 2**64 - 1)
    assert table.next(2**64 - 2) == 1


def test_at_most_64_targets_in_ascending_priority() -> None:
    TargetTable([(1, 0)] * 64)
    for pairs in ([(1, 0)] * 65, [(1, 1), (1, 0)], []):
        with pytest.raises(ValueError):
            TargetTable(pairs)
