"""Tests that sippx/_core/codes.pyi says what codes.pxd defines and what Python sees."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import sippx._core.codes as codes
from sippx._core import tables

CORE = Path(__file__).parents[2] / "sippx" / "_core"


def enums_of_pxd() -> dict[str, dict[str, int]]:
    """Names and values of each `cpdef enum`, counted as C does."""
    enums: dict[str, dict[str, int]] = {}
    members: dict[str, int] | None = None
    for line in (CORE / "codes.pxd").read_text().splitlines():
        text = line.partition("#")[0].rstrip()
        if header := re.fullmatch(r"cpdef enum (\w+):", text):
            members = enums[header.group(1)] = {}
        elif text and not text.startswith(" "):
            members = None
        elif text and members is not None:
            name, _, value = text.partition("=")
            members[name.strip()] = int(value, 0) if value else max(members.values(), default=-1) + 1
    return enums


def enums_of_stub() -> dict[str, dict[str, int]]:
    tree = ast.parse((CORE / "codes.pyi").read_text())
    enums: dict[str, dict[str, int]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            members = enums[node.name] = {}
            for item in node.body:
                assert isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)
                members[item.targets[0].id] = ast.literal_eval(item.value)
    return enums


def test_stub_agrees_with_the_definition() -> None:
    assert enums_of_stub() == enums_of_pxd()


def test_stub_agrees_with_the_compiled_module() -> None:
    compiled = {
        name: {member.name: int(member) for member in enum.__members__.values()}
        for name, enum in vars(codes).items()
        if isinstance(enum, type)
    }
    stub = {name: dict(members) for name, members in enums_of_stub().items()}
    # IntEnum folds names of equal value into one member
    assert {n: set(m.values()) for n, m in compiled.items()} == {n: set(m.values()) for n, m in stub.items()}


def test_row_dtypes_name_the_struct_members() -> None:
    text = (CORE / "tables.pxd").read_text()
    for struct, dtype in (
        ("step_t", tables.STEP_DTYPE),
        ("piece_t", tables.PIECE_DTYPE),
        ("pause_t", tables.PAUSE_DTYPE),
    ):
        body = text.partition(f"cdef struct {struct}:\n")[2].partition("\ncdef")[0]
        members = re.findall(r"^    \w+ (\w+)", body, re.MULTILINE)
        assert list(dtype.names or ()) == members
