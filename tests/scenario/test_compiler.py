"""Tests of sippx/scenario/compiler.py: step rows, jumps, timers, pauses and the pool."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xml_text import compiled, load, send

from sippx._core.codes import DefaultMessage, Method, PauseKind, StepFlag, StepKind
from sippx._core.tables import PAUSE_DTYPE, PIECE_DTYPE, STEP_DTYPE
from sippx.errors import ScenarioError
from sippx.scenario import Bindings, ProgramSpec, compile_scenario
from sippx.scenario.compiler import ALWAYS, METHODS

RECV = '<recv request="INVITE"/>'


def name_of(spec: ProgramSpec, step: Any) -> bytes:
    return spec.pool[int(step["name_off"]) : int(step["name_off"]) + int(step["name_len"])]


def flags_of(spec: ProgramSpec, index: int) -> set[StepFlag]:
    flags = int(spec.steps[index]["flags"]) & ~StepFlag.STEP_KEEPS_LAST
    return {flag for flag in StepFlag if flags & flag}


def test_tables_have_the_core_dtypes() -> None:
    spec = compiled(f"{RECV}<pause/>" + send())
    assert (spec.steps.dtype, spec.pieces.dtype, spec.pauses.dtype) == (STEP_DTYPE, PIECE_DTYPE, PAUSE_DTYPE)


def test_tables_without_rows_keep_their_dtypes() -> None:
    spec = compiled(RECV)
    assert spec.pauses.dtype == PAUSE_DTYPE and len(spec.pauses) == 0


def test_steps_keep_kind_line_and_order() -> None:
    spec = compiled(f"{RECV}\n<pause/>\n<nop/>\n{send('200')}")
    assert list(spec.steps["kind"]) == [
        StepKind.STEP_RECV,
        StepKind.STEP_PAUSE,
        StepKind.STEP_NOP,
        StepKind.STEP_SEND,
    ]
    assert list(spec.steps["source_line"]) == [3, 4, 5, 6]


def test_labels_take_no_row_and_the_end_is_the_number_of_steps() -> None:
    spec = compiled('<recv request="A" next="b"/><label id="a"/><nop next="a"/><nop/><label id="b"/>')
    assert len(spec.steps) == 3
    assert list(spec.steps["next"]) == [3, 1, -1]


@pytest.mark.parametrize(
    ("chance", "next_", "limit"),
    [
        ("1", 2, ALWAYS),
        ("0", -1, None),
        ("0.5", 2, 2**31 - 1),
        ("1e-12", 2, 0),
        ("0.9999999999999", 2, ALWAYS - 1),
    ],
)
def test_chance_is_a_limit_for_a_random_u32(chance: str, next_: int, limit: int | None) -> None:
    spec = compiled(f'<recv request="A" next="b" chance="{chance}"/><nop/><label id="b"/>')
    assert spec.steps[0]["next"] == next_
    assert limit is None or spec.steps[0]["chance"] == limit


@pytest.mark.parametrize("method", [*METHODS, b"CUSTOM"])
def test_methods_have_their_number_and_others_their_text(method: bytes) -> None:
    spec = compiled(send(method.decode()) + f'<recv request="{method.decode()}"/>')
    for step in spec.steps:
        assert step["method"] == METHODS.get(method, Method.METHOD_OTHER)
        assert step["status_code"] == 0
        assert name_of(spec, step) == method


def test_methods_are_case_sensitive() -> None:
    assert compiled(send("invite")).steps[0]["method"] == Method.METHOD_OTHER


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("INVITE", {StepFlag.STEP_IS_REQUEST, StepFlag.STEP_RAISES_CSEQ, StepFlag.STEP_IS_INVITE}),
        ("ACK", {StepFlag.STEP_IS_REQUEST, StepFlag.STEP_SENDS_ACK}),
        ("CANCEL", {StepFlag.STEP_IS_REQUEST}),
        ("BYE", {StepFlag.STEP_IS_REQUEST, StepFlag.STEP_RAISES_CSEQ}),
        ("200", set()),
    ],
)
def test_flags_of_sent_messages(method: str, expected: set[StepFlag]) -> None:
    assert flags_of(compiled(send(method)), 0) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('request="A"', {StepFlag.STEP_IS_REQUEST}),
        ('response="200"', set()),
        ('response="180" optional="true"', {StepFlag.STEP_OPTIONAL}),
        ('response="180" optional="global"', {StepFlag.STEP_OPTIONAL, StepFlag.STEP_GLOBAL}),
        (
            'response="180" optional="true" advance_state="false"',
            {StepFlag.STEP_OPTIONAL, StepFlag.STEP_KEEP_STATE},
        ),
        ('response="200" lost="5"', {StepFlag.STEP_HAS_LOST}),
        ('response="200" rtd="1" repeat_rtd="true"', {StepFlag.STEP_REPEAT_RTD}),
    ],
)
def test_flags_of_awaited_messages(attributes: str, expected: set[StepFlag]) -> None:
    assert flags_of(compiled(f"<recv {attributes}/>{RECV}"), 0) == expected


def test_lost_percent_is_kept_even_when_zero() -> None:
    spec = compiled('<recv request="A" lost="0"/><recv request="A" lost="12.5"/><recv request="A"/>')
    assert list(spec.steps["lost_percent"]) == [0, 12.5, 0]
    assert [bool(flags & StepFlag.STEP_HAS_LOST) for flags in spec.steps["flags"]] == [True, True, False]


def test_timers_and_counters_are_indices_of_their_names() -> None:
    spec = compiled(
        '<recv request="A" rtd="b" start_rtd="a" counter="x"/><nop rtd="a" counter="y"/><nop counter="x"/>'
        '<ResponseTimeRepartition value="10, 20"/><nop rtd="c"/><CallLengthRepartition value="5"/>'
    )
    assert spec.rtd_names == ("b", "a", "c") and spec.counter_names == ("x", "y")
    assert list(spec.steps["stop_rtd"]) == [0, 1, -1, 2]
    assert list(spec.steps["start_rtd"]) == [1, -1, -1, -1]
    assert list(spec.steps["counter"]) == [0, 1, 0, -1]
    assert spec.rtd_bounds_ms == ((10, 20), (10, 20), ())
    assert spec.call_length_bounds_ms == (5,)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 500), ({"retransmissions_enabled": False}, 0), ({"transport": "TCP"}, 0)],
)
def test_retransmission_is_for_udp_without_nr(options: dict[str, Any], expected: int) -> None:
    assert compiled(send(attributes='retrans="500"'), **options).steps[0]["retrans_ms"] == expected


# -- methods a response may belong to -------------------------------------------------------------------

SENT = st.lists(st.sampled_from(["INVITE", "ACK", "BYE", "PRACK", "INFO", "CUSTOM", "recv"]), max_size=8)


@given(SENT)
def test_response_knows_the_methods_sent_above_it(names: list[str]) -> None:
    body = "".join('<recv response="200"/>' if name == "recv" else send(name) for name in names)
    spec = compiled(body + '<recv response="200"/>')
    for index, step in enumerate(spec.steps):
        if step["kind"] != StepKind.STEP_RECV:
            assert step["methods_len"] == 0
            continue
        joined = "".join(name for name in names[:index] if name != "recv").encode()
        first = int(step["methods_off"])
        assert spec.pool[first : first + int(step["methods_len"])] == joined
        for method, number in METHODS.items():
            assert bool(int(step["methods_mask"]) & 1 << number) == (method in joined)
        assert bool(int(step["methods_mask"]) & 1 << Method.METHOD_OTHER) == (b"CUSTOM" in joined)


def test_awaited_request_needs_no_methods() -> None:
    spec = compiled(send() + RECV)
    assert spec.steps[1]["methods_mask"] == 0 and spec.steps[1]["methods_len"] == 0


# -- timeouts -------------------------------------------------------------------------------------------


def timeouts(body: str, **options: Any) -> list[tuple[int, int]]:
    spec = compiled(body, **options)
    return [(int(step["timeout_ms"]), int(step["on_timeout"])) for step in spec.steps]


def test_timeout_of_a_recv_and_its_label() -> None:
    assert timeouts('<recv request="A" timeout="7" ontimeout="x"/><label id="x"/>') == [(7, 1)]


def test_recv_without_timeout_takes_the_default_one() -> None:
    body = '<recv request="A"/><recv request="A" timeout="7"/><recv request="A" timeout="0"/><pause/>'
    assert timeouts(body, recv_timeout_ms=50) == [(50, -1), (7, -1), (50, -1), (0, -1)]


def test_timeout_of_the_mandatory_recv_is_armed_at_the_optional_ones_in_front() -> None:
    # sipp 3.6.1 waits for ever here: the call sits at the first optional recv, which has no timeout.
    body = (
        '<recv response="100" optional="true"/><recv response="180" optional="true" timeout="900"/>'
        '<recv response="200" timeout="500" ontimeout="x"/><recv request="A" timeout="5"/><label id="x"/>'
    )
    assert timeouts(body) == [(500, 4), (500, 4), (500, 4), (5, -1)]


def test_smaller_timeout_of_an_optional_recv_wins() -> None:
    optional = '<recv response="100" optional="true" timeout="3" ontimeout="x"/>'
    body = optional + '<recv response="200" timeout="9"/><label id="x"/>'
    assert timeouts(body) == [(3, 2), (9, -1)]


# -- pauses ---------------------------------------------------------------------------------------------


def test_pause_rows() -> None:
    spec = compiled(
        f'{RECV}<pause/><pause milliseconds="1.5"/><pause min="2" max="8"/><timewait milliseconds="4"/>',
        pause_ms=77,
    )
    rows = [(PauseKind(int(r["kind"])), float(r["p0"]), float(r["p1"])) for r in spec.pauses]
    fixed, uniform = PauseKind.PAUSE_FIXED, PauseKind.PAUSE_UNIFORM
    assert rows == [(fixed, 77, 0), (fixed, 1.5, 0), (uniform, 2, 8), (fixed, 4, 0)]
    assert list(spec.steps["pause_idx"]) == [-1, 0, 1, 2, 3]
    assert flags_of(spec, 4) == {StepFlag.STEP_TIMEWAIT}


@pytest.mark.parametrize(
    ("pauses", "options", "expected_ms"),
    [
        # From the limit that sipp 3.6.1 computes for -l: 3 * rate * duration.
        ("<pause/><pause/>", {"pause_ms": 2000}, 4000),
        ('<timewait milliseconds="4000"/>', {}, 4000),
        ('<pause distribution="uniform" min="1000" max="4000"/>', {}, 4960),
        ("<nop/>", {}, 0),
    ],
)
def test_scenario_duration_is_the_sum_of_99th_percentiles(
    pauses: str, options: dict[str, Any], expected_ms: int
) -> None:
    assert compiled(RECV + pauses, **options).scenario_duration_ms == expected_ms


# -- the whole program ----------------------------------------------------------------------------------


def test_equal_texts_share_one_place_in_the_pool() -> None:
    assert compiled(send("BYE") * 3).pool.count(b"BYE sip:b@h SIP/2.0") == 1


def test_piece_ranges_cover_the_piece_table_without_overlap() -> None:
    spec = compiled(send() + RECV + send("200"))
    ranges = [
        (int(s["piece_first"]), int(s["n_pieces"])) for s in spec.steps if s["kind"] == StepKind.STEP_SEND
    ]
    ranges += [spec.call_id_pieces, *spec.default_pieces]
    at = 0
    for first, count in ranges:
        assert first == at
        at += count
    assert at == len(spec.pieces)
    assert len(spec.default_pieces) == DefaultMessage.N_DEFAULT_MESSAGES


@pytest.mark.parametrize(("extra", "expected"), [("X: 1", False), ("X: a[peer_tag_param]", True)])
def test_program_says_whether_it_prints_the_peer_tag(extra: str, expected: bool) -> None:
    assert compiled(send(extra=extra)).uses_peer_tag is expected


def test_missing_key_value_is_refused_by_name() -> None:
    scenario = load(RECV, keys={"a", "b"})
    with pytest.raises(ScenarioError, match=r"no value for the -key parameters b"):
        compile_scenario(scenario, Bindings(keys={"a": "1"}))


def test_program_is_compiled_in_linear_time() -> None:
    def seconds(n_pairs: int) -> float:
        scenario = load((send("INFO") + '<recv response="200"/>') * n_pairs)
        start = time.process_time()
        spec = compile_scenario(scenario, Bindings())
        assert len(spec.steps) == 2 * n_pairs and len(spec.pool) < 1000 + 1000 * n_pairs
        return time.process_time() - start

    seconds(10)
    assert seconds(2000) < 40 * max(seconds(200), 0.005)
