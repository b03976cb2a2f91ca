"""Tests of Milenage against 3GPP TS 35.208."""

from __future__ import annotations

import pytest

from core.milenage_sets import SETS
from sippx._core.milenage import functions

RESULTS = ("opc", "f1", "f1_star", "f2", "f3", "f4", "f5", "f5_star")


@pytest.mark.parametrize("number", range(len(SETS)))
def test_every_function_gives_the_result_of_the_test_set(number: int) -> None:
    given = SETS[number]
    found = functions(given["k"], given["rand"], given["sqn"], given["amf"], op=given["op"])
    assert found == {name: given[name] for name in RESULTS}


def test_opc_stands_for_op() -> None:
    given = SETS[2]
    found = functions(given["k"], given["rand"], given["sqn"], given["amf"], opc=given["opc"])
    assert found == {name: given[name] for name in RESULTS}


def test_inputs_of_another_size_are_refused() -> None:
    given = SETS[0]
    with pytest.raises(ValueError, match="16 bytes"):
        functions(given["k"][:15], given["rand"], given["sqn"], given["amf"], op=given["op"])
