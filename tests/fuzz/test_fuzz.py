"""The fuzz targets in a test run: every kept input, and a fixed number of seeded mutations."""

from __future__ import annotations

import itertools

import pytest

from .mutation import inputs
from .targets import TARGETS, Target

EVERY_TARGET = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@EVERY_TARGET
def test_kept_inputs_pass(target: Target) -> None:
    seeds = target.seeds()
    assert seeds
    for data in seeds:
        target.run_one(data)


@EVERY_TARGET
def test_seeded_mutations_pass(target: Target) -> None:
    for data in itertools.islice(inputs(target.seeds(), target.words, seed=20), target.n_in_tests):
        try:
            target.run_one(data)
        except Exception as error:
            pytest.fail(f"{target.name} on {data!r}: {type(error).__name__}: {error}")


@EVERY_TARGET
def test_mutations_are_the_same_for_the_same_seed(target: Target) -> None:
    first, second = (list(itertools.islice(inputs(target.seeds(), target.words, 7), 50)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 40
