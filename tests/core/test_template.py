"""The template renderer against its slow twin."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import INVITE
from reference.render import CallValues, render_pieces, render_step
from reference.sip_message import parse_message
from sippx._core.codes import HeaderId, PieceKind, RandomText, StepKind
from sippx._core.tables import PIECE_DTYPE
from sippx._core.template import render
from sippx.scenario import Bindings, Scenario, compile_scenario

POOL = b"INVITE x\r\nVia\r\n\r\nFrom Call-ID X-Y  \r\n tail\r\n\r\nbody bytes \r\n" + bytes(range(32, 127))
NAMES = {b"Via": HeaderId.HDR_VIA, b"From": HeaderId.HDR_FROM, b"To": HeaderId.HDR_TO, b"X-Y": HeaderId.HDR_OTHER}
LAST = (
    b"SIP/2.0 200 OK\r\nVia: a\r\nX-Y: one\r\nv: b,\r\n  c\r\nFrom: <sip:f@g>;tag=1\r\nx-y : two\r\n"
    b'To: "<q>" <sip:t@u;p=1>;tag=2\r\nCall-ID: 9\r\nCSeq: 77 INVITE\r\n\r\nbody'
)
CLOCKLESS = [
    kind
    for kind in PieceKind
    if kind < PieceKind.PIECE_VARIABLE
    and kind
    not in (
        PieceKind.PIECE_TIMESTAMP, PieceKind.PIECE_DATE, PieceKind.PIECE_RANDOM, PieceKind.PIECE_WALL_US
    )
]


@st.composite
def pieces(draw: st.DrawFn) -> tuple[int, int, int, int, int, int]:
    kind = draw(st.sampled_from(CLOCKLESS))
    if kind == PieceKind.PIECE_LAST_HEADER:
        name = draw(st.sampled_from(sorted(NAMES)))
        off = (POOL + b"".join(NAMES)).index(name)
        return kind, draw(st.integers(0, 1)), NAMES[name], off, len(name), 0
    off = draw(st.integers(0, len(POOL)))
    n = draw(st.integers(0, len(POOL) - off)) if kind == PieceKind.PIECE_LITERAL else 0
    suppress = 0 if kind == PieceKind.PIECE_LITERAL else draw(st.integers(0, 1))
    return kind, suppress, draw(st.integers(0, 60000)), off, n, draw(st.integers(-5, 5))


@given(st.lists(pieces(), max_size=12), st.integers(1, 2**40), st.binary(max_size=40), st.booleans(), st.sampled_from([0, 1, 65535]))
@settings(max_examples=400, deadline=None)
def test_pieces_render_as_their_slow_twin(
    rows: list[tuple[int, ...]], call_number: int, tag: bytes, has_last: bool, local_port: int
) -> None:
    table = np.array(rows, dtype=PIECE_DTYPE)
    pool = POOL + b"".join(NAMES)
    found = render(
        table, pool, call_number=call_number, call_id=b"call@id", peer_tag=tag, cseq=3, elapsed_ns=5_999_999,
        last=LAST if has_last else None, local_port=local_port,
    )  # fmt: skip
    values = CallValues(
        call_number=call_number, call_id=b"call@id", peer_tag=tag, cseq=3, elapsed_ns=5_999_999,
        last=parse_message(LAST) if has_last else None, local_port=local_port,
    )  # fmt: skip
    assert found == render_pieces(table, pool, values)


@pytest.mark.parametrize("name", ["uac", "uas"])
def test_built_in_messages_render_as_their_slow_twin(name: str) -> None:
    spec = compile_scenario(Scenario.builtin(name), Bindings(pid=4711))
    values = CallValues(call_number=123, call_id=b"123-4711@127.0.0.1", peer_tag=b"abc", last=parse_message(INVITE))
    for index, step in enumerate(spec.steps):
        if step["kind"] == StepKind.STEP_SEND:
            rows = spec.pieces[step["piece_first"] : step["piece_first"] + step["n_pieces"]]
            found = render(
                rows, spec.pool, call_number=123, call_id=b"123-4711@127.0.0.1", peer_tag=b"abc", last=INVITE
            )
            assert found == render_step(spec, index, values)


@given(st.integers(0, 400))
@settings(deadline=None)
def test_a_message_never_exceeds_the_room_it_was_given(cap: int) -> None:
    spec = compile_scenario(Scenario.builtin("uac"), Bindings())
    step = spec.steps[0]
    rows = spec.pieces[step["piece_first"] : step["piece_first"] + step["n_pieces"]]
    whole = render(rows, spec.pool, call_id=b"c" * 30)
    assert whole is not None
    limited = render(rows, spec.pool, call_id=b"c" * 30, cap=cap)
    assert limited is None or (len(limited) <= cap and limited == whole)


def test_the_date_is_that_of_rfc_3261() -> None:
    rows = np.array([(PieceKind.PIECE_DATE, 0, 0, 0, 0, 0)], dtype=PIECE_DTYPE)
    text = render(rows, b"")
    assert text is not None
    assert re.fullmatch(rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", text)


def test_the_timestamp_is_local_time_and_epoch() -> None:
    rows = np.array([(PieceKind.PIECE_TIMESTAMP, 0, 0, 0, 0, 0)], dtype=PIECE_DTYPE)
    text = render(rows, b"")
    assert text is not None
    assert re.fullmatch(rb"\d{4}-\d\d-\d\d\t\d\d:\d\d:\d\d\.\d{6}\t\d+\.\d{6}", text)


def test_ranges_outside_the_pool_are_refused() -> None:
    rows = np.array([(PieceKind.PIECE_LITERAL, 0, 0, 1, 10, 0)], dtype=PIECE_DTYPE)
    with pytest.raises(ValueError, match="out of bounds"):
        render(rows, b"short")


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        (RandomText.RANDOM_DECIMAL, rb"\d{1,10}"),
        (RandomText.RANDOM_HEX, rb"[0-9a-f]{32}"),
        (RandomText.RANDOM_UUID, rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        (RandomText.RANDOM_UUID_COMPACT, rb"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}"),
    ],
)
def test_random_texts_have_their_form_and_differ(form: RandomText, pattern: bytes) -> None:
    row = (PieceKind.PIECE_RANDOM, 0, form, 0, 0, 0)
    found = render(np.array([row] * 3, dtype=PIECE_DTYPE), b"")
    assert found is not None
    match = re.fullmatch(rb"(%s)(%s)(%s)" % (pattern, pattern, pattern), found)
    assert match is not None
    assert len(set(match.groups())) == 3


def test_an_unknown_random_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no such random text"):
        render(np.array([(PieceKind.PIECE_RANDOM, 0, RandomText.N_RANDOM_TEXTS, 0, 0, 0)], dtype=PIECE_DTYPE), b"")


def test_wall_clock_microseconds_are_now() -> None:
    before = time.time_ns() // 1000
    found = render(np.array([(PieceKind.PIECE_WALL_US, 0, 0, 0, 0, 0)], dtype=PIECE_DTYPE), b"")
    assert found is not None and before <= int(found) <= time.time_ns() // 1000
