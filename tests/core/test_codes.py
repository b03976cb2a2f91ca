"""The enumerations and row layouts that core and Python share: dense, in step with their stubs."""

from __future__ import annotations

import ast
import enum
from pathlib import Path

import numpy as np
import pytest

from sippx._core import codes, tables

CORE = Path(codes.__file__).parent
FLAGS = {"StepFlag", "Behavior"}
SPARSE = {"QuitLevel", "TraceFlag"}


def stub_classes() -> dict[str, list[str]]:
    """Class name -> member names of codes.pyi."""
    tree = ast.parse((CORE / "codes.pyi").read_text())
    return {
        node.name: [
            target.id
            for line in node.body
            for target in (line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)])
            if isinstance(target, ast.Name)
        ]
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def enumerations() -> dict[str, type[enum.IntEnum]]:
    return {
        name: value
        for name, value in vars(codes).items()
        if isinstance(value, type) and issubclass(value, enum.IntEnum | enum.IntFlag)
        and value.__module__ == codes.__name__
    }


def test_stub_lists_every_member_in_its_order() -> None:
    found = {name: list(members.__members__) for name, members in enumerations().items()}
    assert stub_classes() == found


@pytest.mark.parametrize("name", sorted(set(stub_classes()) - FLAGS - SPARSE))
def test_values_are_dense_so_that_they_can_index_a_table(name: str) -> None:
    assert [int(member) for member in enumerations()[name]] == list(range(len(enumerations()[name])))


@pytest.mark.parametrize("name", sorted(FLAGS))
def test_flags_are_single_bits_of_their_own(name: str) -> None:
    values = [int(member) for member in enumerations()[name]]
    assert values == [1 << bit for bit in range(len(values))]


def test_failure_causes_stand_together() -> None:
    names = [counter.name for counter in codes.Counter]
    failed = [name for name in names if name.startswith("COUNT_FAILED_") and name != "COUNT_FAILED_CALLS"]
    causes = [names.index(name) for name in failed]
    assert causes == list(range(causes[0], causes[-1] + 1))
    assert names[causes[0]] == "COUNT_FAILED_CANNOT_SEND_MESSAGE"
    assert names[causes[-1]] == "COUNT_FAILED_ABORTED"


@pytest.mark.parametrize("name", ["STEP_DTYPE", "PIECE_DTYPE", "PAUSE_DTYPE", "ACTION_DTYPE", "CREDENTIALS_DTYPE"])
def test_rows_have_no_hidden_padding(name: str) -> None:
    dtype: np.dtype[np.void] = getattr(tables, name)
    assert dtype.names is not None
    assert sum(dtype[field].itemsize for field in dtype.names) == dtype.itemsize
