"""Program verification: a spec that was tampered with is refused, never run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sippx._core.engine import Engine
from sippx._core.program import Program
from sippx.scenario import Bindings, ProgramSpec, Scenario, compile_scenario

SPEC = compile_scenario(Scenario.builtin("uas"), Bindings())


def changed(table: str, row: int, field: str, value: Any) -> ProgramSpec:
    rows = getattr(SPEC, table).copy()
    rows[row][field] = value
    return replace(SPEC, **{table: rows})


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        ("steps", "kind", 200),
        ("steps", "method", 99),
        ("steps", "next", 8),
        ("steps", "next", -2),
        ("steps", "on_timeout", 100),
        ("steps", "start_rtd", 1),
        ("steps", "stop_rtd", 64),
        ("steps", "counter", 0),
        ("steps", "name_off", 2**31),
        ("steps", "methods_len", 2**31),
        ("steps", "timeout_ms", -1),
        ("steps", "lost_percent", 101.0),
        ("steps", "lost_percent", float("nan")),
        ("pieces", "kind", 99),
        ("pieces", "off", 2**32 - 1),
        ("pieces", "len", 2**32 - 1),
        ("pauses", "kind", 99),
        ("pauses", "p0", float("inf")),
        ("pauses", "p1", float("nan")),
    ],
)
def test_a_field_out_of_range_is_named(table: str, field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=table):
        Program(changed(table, 0, field, value))


def test_a_send_without_pieces_is_refused() -> None:
    with pytest.raises(ValueError, match="without a message"):
        Program(changed("steps", 1, "n_pieces", 0))


def test_a_pause_without_its_row_is_refused() -> None:
    with pytest.raises(ValueError, match="pause_idx"):
        Program(changed("steps", 6, "pause_idx", 5))


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="steps has 0 rows"):
        Program(replace(SPEC, steps=SPEC.steps[:0].copy()))


def test_unsorted_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="not sorted"):
        Program(replace(SPEC, call_length_bounds_ms=(5, 3)))


@given(st.sampled_from(["steps", "pieces", "pauses"]), st.data())
@settings(max_examples=300, deadline=None)
def test_random_bytes_in_a_table_are_refused_or_harmless(table: str, data: st.DataObject) -> None:
    rows = getattr(SPEC, table).copy()
    raw = rows.view(np.uint8).reshape(-1)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        program = Program(replace(SPEC, **{table: rows}))
    except ValueError:
        return
    engine = Engine(program, start_ns=0, capacity=64, run_steps=50, remote=(2, b"\x7f\0\0\1", 5060))
    engine.set_rate(1000)
    source = (2, b"\x7f\0\0\1", 5061)
    for method in (b"INVITE", b"ACK", b"BYE"):
        engine.inject(
            method + b" sip:a SIP/2.0\r\nVia: x\r\nFrom: a\r\nTo: b\r\nCall-ID: 1\r\nCSeq: 1 " + method + b"\r\n\r\n",
            source,
        )
    for n in range(1, 6):
        engine.turn(n * 3_000_000_000)
