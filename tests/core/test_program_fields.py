"""Program verification field by field: every extreme value in every row is refused by name, or can be run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fuzz.targets import drive, language_spec
from sippx._core.codes import ActionKind, DefaultMessage, HeaderId, PieceKind, StepFlag, StepKind
from sippx._core.program import Program
from sippx._core.tables import PIECE_DTYPE, STEP_DTYPE
from sippx.scenario import Bindings, ProgramSpec, Scenario, compile_scenario

SPECS = {name: compile_scenario(Scenario.builtin(name), Bindings(pid=1)) for name in ("uac", "uas")}
TABLES = ("steps", "pieces", "pauses")
FIELDS = [(table, field) for table in TABLES for field in getattr(SPECS["uac"], table).dtype.names]
LANGUAGE = language_spec()
"""Has rows of every table: actions, targets, credentials, init steps, injection files, transactions."""
LANGUAGE_FIELDS = [
    (table, field)
    for table in (*TABLES, "init_steps", "actions", "credentials")
    for field in getattr(LANGUAGE, table).dtype.names
]


def extremes(dtype: np.dtype[Any]) -> list[Any]:
    """Values at the edges of a field's type and of what may be an index here."""
    if dtype.kind == "f":
        return [0.0, -1.0, 1e-300 if dtype.itemsize == 8 else 1e-30, 99.99, 101.0, 1e30, np.inf, -np.inf, np.nan]
    info = np.iinfo(dtype)
    near = [0, 1, 2, 3, 7, 8, 9, 10, 17, 64, 100, 255, 1000, 65535]
    return [int(info.min), int(info.max), int(info.max) // 2, *(v for v in near if v <= info.max)]


def with_row(spec: ProgramSpec, table: str, row: int, /, **fields: Any) -> ProgramSpec:
    """The spec with fields of one row replaced."""
    rows = getattr(spec, table).copy()
    for field, value in fields.items():
        rows[row][field] = value
    return replace(spec, **{table: rows})


def variants(spec: ProgramSpec, table: str, field: str) -> Iterator[tuple[int, Any, ProgramSpec]]:
    rows = getattr(spec, table)
    for row in range(len(rows)):
        for value in extremes(rows.dtype[field]):
            yield row, value, with_row(spec, table, row, **{field: value})


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(("table", "field"), FIELDS)
def test_extreme_value_is_refused_by_name_or_can_be_run(name: str, table: str, field: str) -> None:
    n_refused = 0
    for row, _, spec in variants(SPECS[name], table, field):
        try:
            program = Program(spec)
        except ValueError as error:
            assert f"{table}[{row}]" in str(error)
            n_refused += 1
        else:
            try:
                drive(program)
            except ValueError as error:
                assert "Call-ID" in str(error)  # its template is rendered once before any call
                n_refused += 1
    free = {"suppress", "offset", "flags", "reserved", "reserved2", "chance", "retrans_ms", "source_line", "methods_mask"}
    checked_elsewhere = {"status_code", "piece_first", "n_pieces", "pause_idx", "arg"}
    assert n_refused or field in free | checked_elsewhere


@pytest.mark.parametrize(("table", "field"), LANGUAGE_FIELDS)
def test_extreme_value_in_a_whole_language_program_is_refused_or_can_be_run(table: str, field: str) -> None:
    for _, _, spec in variants(LANGUAGE, table, field):
        try:
            program = Program(spec)
        except ValueError as error:
            assert str(error)
        else:
            drive(program)


@pytest.mark.parametrize("value", [-(2**31), -2, -1, 0, 1, 10, 100, 2000, 2**31 - 1])
def test_extreme_target_is_refused_or_can_be_run(value: int) -> None:
    for row in range(len(LANGUAGE.targets)):
        targets = LANGUAGE.targets.copy()
        targets[row] = value
        try:
            program = Program(replace(LANGUAGE, targets=targets))
        except ValueError as error:
            assert "actions[" in str(error)
        else:
            drive(program)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("unexpected_step", 100_000),
        ("unexpected_step", -2),
        ("unexpected_return_var", 100),
        ("unexpected_pause_var", -2),
        ("call_variables", ()),
        ("call_variables", tuple(map(str, range(2001)))),
        ("transactions", ()),
        ("transactions", tuple(map(str, range(1001)))),
        ("injection_names", ()),
        ("regexes", ()),
        ("regexes", (b"(",) * 2),
        ("actions", LANGUAGE.actions[:1].copy()),
        ("credentials", LANGUAGE.credentials[:0].copy()),
        ("targets", LANGUAGE.targets[:1].copy()),
        ("init_steps", LANGUAGE.steps.copy()),
    ],
)
def test_whole_language_spec_whose_parts_do_not_fit_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Program(replace(LANGUAGE, **{field: value}))


@pytest.mark.parametrize("kind", ["ACTION_TRIM", "ACTION_URL_DECODE", "ACTION_URL_ENCODE"])
def test_action_in_place_needs_its_variable(kind: str) -> None:
    for row in range(len(LANGUAGE.actions)):
        with pytest.raises(ValueError, match=rf"actions\[{row}\]"):
            Program(with_row(LANGUAGE, "actions", row, kind=ActionKind[kind], target=-1, source=-1))


def test_all_steps_together_have_numbers_of_16_bits() -> None:
    steps, init = np.repeat(LANGUAGE.steps[:1], 40_000), np.repeat(LANGUAGE.init_steps[:1], 30_000)
    with pytest.raises(ValueError, match="70000"):
        Program(replace(LANGUAGE, steps=steps, init_steps=init))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("call_id_pieces", (0, 10_000)),
        ("call_id_pieces", (-1, 1)),
        ("call_id_pieces", (10_000, 0)),
        ("call_id_pieces", (2**40, 2**40)),
        ("default_pieces", ()),
        ("default_pieces", ((0, 1),) * (len(DefaultMessage) + 1)),
        ("default_pieces", ((0, 1), (0, 1), (0, 1), (3, 2**33))),
        ("rtd_bounds_ms", ()),
        ("rtd_bounds_ms", ((3, 2, 1),)),
        ("rtd_bounds_ms", ((-1,),)),
        ("rtd_bounds_ms", ((2**40,),)),
        ("call_length_bounds_ms", (10, 9)),
        ("rtd_names", ("1", "2")),
        ("rtd_names", tuple(map(str, range(65)))),
    ],
)
def test_spec_whose_parts_do_not_fit_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Program(replace(SPECS["uac"], **{field: value}))


@pytest.mark.parametrize("table", TABLES)
def test_table_of_other_rows_is_refused(table: str) -> None:
    spec = SPECS["uac"]
    other = PIECE_DTYPE if table != "pieces" else STEP_DTYPE
    for rows in (np.zeros(4, other), np.zeros(4, np.uint8), getattr(spec, table).reshape(1, -1)):
        with pytest.raises(ValueError, match=r"."):
            Program(replace(spec, **{table: rows}))


@pytest.mark.parametrize("table", TABLES)
def test_table_with_gaps_is_refused(table: str) -> None:
    rows = getattr(SPECS["uac"], table)
    spread = np.zeros(2 * len(rows), rows.dtype)[::2]
    spread[:] = rows
    if len(rows) > 1:
        with pytest.raises(ValueError, match="contiguous"):
            Program(replace(SPECS["uac"], **{table: spread}))


def test_program_keeps_its_own_copy() -> None:
    spec = SPECS["uac"]
    tables = {name: getattr(spec, name).copy() for name in TABLES}
    program = Program(replace(spec, **tables))
    for rows in tables.values():
        rows.view(np.uint8)[:] = 255
    drive(program)


def test_read_only_tables_are_accepted() -> None:
    spec = SPECS["uas"]
    tables = {name: getattr(spec, name).copy() for name in TABLES}
    for rows in tables.values():
        rows.setflags(write=False)
    drive(Program(replace(spec, **tables)))


def test_header_piece_needs_a_name_and_a_known_id() -> None:
    spec = SPECS["uas"]
    row = int(np.flatnonzero(spec.pieces["kind"] == PieceKind.PIECE_LAST_HEADER)[0])
    for fields in ({"len": 0}, {"arg": HeaderId.N_HEADER_IDS}):
        with pytest.raises(ValueError, match=rf"pieces\[{row}\]"):
            Program(with_row(spec, "pieces", row, **fields))


def test_recv_must_wait_for_something() -> None:
    spec = SPECS["uac"]
    row = int(np.flatnonzero(spec.steps["kind"] == StepKind.STEP_RECV)[0])
    for status_code in (0, 99, 1000):
        with pytest.raises(ValueError, match="neither a request nor a status code"):
            Program(with_row(spec, "steps", row, status_code=status_code, flags=0))
    Program(with_row(spec, "steps", row, status_code=0, flags=StepFlag.STEP_IS_REQUEST))


def test_steps_beyond_the_largest_number_are_refused() -> None:
    spec = SPECS["uas"]
    many = np.repeat(spec.steps[:1], 65_001)
    with pytest.raises(ValueError, match="65001 rows"):
        Program(replace(spec, steps=many))
    assert Program(replace(spec, steps=many[:65_000].copy())).n_steps == 65_000
