"""Scenario variables against a slow twin: kinds, expansion, and the memory of their texts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sippx._core.variables import Variables

N = 5
LONGEST = 131072
TEXTS = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda n, c: bytes([c]) * n, st.sampled_from([63, 64, 65, 128, 2048, 2049, 4096, 5000]), st.integers(0, 255)),
)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@dataclass
class SlowVariable:
    """One variable as a Python value: None, text, number or truth value."""

    value: bytes | float | bool | None = None
    history: list[bytes] = field(default_factory=list)

    @property
    def is_set(self) -> bool:
        if isinstance(self.value, bytes):
            return True
        return self.value is not None and self.value != 0

    @property
    def number(self) -> float:
        return self.value if isinstance(self.value, float) else 0.0

    @property
    def text(self) -> bytes:
        return self.value if isinstance(self.value, bytes) else b""

    @property
    def expanded(self) -> bytes:
        match self.value:
            case bool():
                return b"true" if self.value else b"false"
            case float():
                return b"%f" % self.value if self.value != 0 else b""
            case None:
                return b""
        return self.value


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


class VariablesMachine(RuleBasedStateMachine):
    """Random assignments to a few variables that share their memory; every one is compared after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.real = Variables()
        self.slow = [SlowVariable() for _ in range(N)]

    @rule(i=st.integers(0, N - 1), text=TEXTS, match=st.booleans())
    def set_text(self, i: int, text: bytes, match: bool) -> None:
        assert self.real.set_text(i, text, match=match)
        self.slow[i].value = text

    @rule(i=st.integers(0, N - 1), number=NUMBERS)
    def set_number(self, i: int, number: float) -> None:
        self.real.set_number(i, number)
        self.slow[i].value = number

    @rule(i=st.integers(0, N - 1), truth=st.booleans())
    def set_truth(self, i: int, truth: bool) -> None:
        self.real.set_truth(i, truth)
        self.slow[i].value = truth

    @rule(i=st.integers(0, N - 1))
    def clear(self, i: int) -> None:
        self.real.clear(i)
        self.slow[i].value = None

    @rule(i=st.integers(0, N - 1), data=st.data())
    def assign_a_part_of_itself(self, i: int, data: st.DataObject) -> None:
        text = self.slow[i].text
        first = data.draw(st.integers(0, len(text)))
        n = data.draw(st.integers(0, len(text) - first))
        self.real.trim_to(i, first, n)
        self.slow[i].value = text[first : first + n]

    @invariant()
    def agrees_with_its_twin(self) -> None:
        for i, slow in enumerate(self.slow):
            assert self.real.is_set(i) == slow.is_set
            assert same(self.real.number(i), slow.number)
            assert self.real.text(i) == slow.text
            if isinstance(slow.value, float) and math.isnan(slow.value):
                assert (self.real.expand(i, 8192) or b"").lstrip(b"-") == b"nan"  # glibc keeps the sign
            else:
                assert self.real.expand(i, 8192) == slow.expanded


VariablesMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestVariables = VariablesMachine.TestCase


@given(TEXTS, st.integers(0, 6000))
@settings(max_examples=200, deadline=None)
def test_text_expands_in_whole_or_not_at_all(text: bytes, cap: int) -> None:
    v = Variables()
    v.set_text(0, text)
    assert v.expand(0, cap) == (text if len(text) <= cap else None)


@given(st.floats(allow_nan=False).filter(bool), st.integers(-2, 2))
@settings(max_examples=200, deadline=None)
def test_number_expands_where_it_fits_exactly(number: float, more: int) -> None:
    v = Variables()
    v.set_number(0, number)
    text = b"%f" % number
    assert v.expand(0, 400) == text
    assert v.expand(0, len(text) + more) == (text if more >= 0 else None)


def test_zero_expands_to_nothing_without_room() -> None:
    v = Variables()
    for zero in (0.0, -0.0):
        v.set_number(0, zero)
        assert v.expand(0, 0) == b""
        assert not v.is_set(0)


@pytest.mark.parametrize("truth", [True, False])
def test_truth_value_expands_to_its_word(truth: bool) -> None:
    v = Variables()
    v.set_truth(0, truth)
    assert v.expand(0, 8) == (b"true" if truth else b"false")
    assert v.expand(0, 4) is None
    assert v.is_set(0) == truth


@pytest.mark.parametrize("match", [True, False])
def test_empty_text_counts_as_set(match: bool) -> None:
    v = Variables()
    v.set_text(0, b"", match=match)
    assert v.is_set(0)
    assert v.expand(0, 0) == b""


def test_text_beyond_the_largest_block_is_cut() -> None:
    v = Variables(max_bytes=4 << 20)
    assert v.set_text(0, bytes(LONGEST + 1))
    assert v.text(0) == bytes(LONGEST)


def test_assignment_without_memory_leaves_the_variable_unset() -> None:
    v = Variables(max_bytes=1 << 20)
    n_held = 0
    while n_held < 64 and v.set_text(n_held, b"x" * 100_000):
        n_held += 1
    assert 0 < n_held < 64
    assert not v.is_set(n_held)
    assert v.expand(n_held) == b""
    v.set_text(n_held, b"small")
    assert [v.text(i) for i in range(n_held)] == [b"x" * 100_000] * n_held


def test_without_memory_the_old_text_is_given_up_too() -> None:
    v = Variables(max_bytes=1 << 20)
    v.set_text(63, b"old")
    n_held = 0
    while n_held < 63 and v.set_text(n_held, b"x" * 100_000):
        n_held += 1
    assert not v.set_text(63, b"y" * 100_000)
    assert not v.is_set(63)


@pytest.mark.parametrize("n_bytes", [1, 64, 65, 3000, 100_000])
def test_texts_replaced_for_long_need_no_more_memory(n_bytes: int) -> None:
    v = Variables(max_bytes=1 << 20)
    for turn in range(2000):
        i = turn % 4
        if turn % 7 == 3:
            v.set_number(i, 1.0)
        elif turn % 7 == 5:
            v.clear(i)
        else:
            assert v.set_text(i, bytes([turn & 255]) * (n_bytes - turn % 2 * (n_bytes > 64)))
