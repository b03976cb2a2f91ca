"""The trace log against an oracle that writes one entry a record: order, bounds, stamps, what is left to Python."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.tracelog import SIDE_BIT, Record, message_entry, rtt_line, short_entry
from sippx._core.codes import TraceKind
from sippx._core.ring import TraceRing
from sippx._core.tracelog import TraceLog
from sippx.report.stamps import Stamps

NAMES = (b"1", b"invite")
NO_ROOM_LIMIT = (1 << 64) - 1
MOMENT_NS = 1_795_408_757_547_945_000
INVITE = b"INVITE sip:b@h SIP/2.0\r\nVia: x\r\ncSeQ :  1 INVITE \r\n\r\nCSeq: body"
KINDS = [int(kind) for kind in TraceKind if kind != TraceKind.N_TRACE_KINDS]
TEXT_KINDS = {
    TraceKind.TRACE_SENT, TraceKind.TRACE_RECEIVED, TraceKind.TRACE_UNEXPECTED, TraceKind.TRACE_LOST,
    TraceKind.TRACE_DEAD_CALL, TraceKind.TRACE_COMMAND_SENT, TraceKind.TRACE_COMMAND_RECEIVED,
}  # fmt: skip
RECORD_MASK = sum(1 << kind for kind in KINDS if kind not in TEXT_KINDS - {TraceKind.TRACE_DEAD_CALL})

messages = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b"CSeq: 2 BYE", b"cseq:", b"C", b"", b" ", b"CSeq", b"INFO x"]), max_size=6).flatmap(
        lambda lines: st.sampled_from([b"\r\n", b"\n"]).map(lambda end: end.join(lines))
    ),
)
records = st.tuples(
    st.builds(lambda kind, side: kind | side, st.sampled_from(KINDS), st.sampled_from([0, 0, SIDE_BIT])),
    st.integers(MOMENT_NS, MOMENT_NS + 3 * 10**9),
    st.integers(-1, 2), st.integers(0, 2), st.binary(max_size=20), messages,
)  # fmt: skip


def make(records: list[Record], stamps: Stamps, size: int = 1 << 20) -> TraceLog:
    ring = TraceRing(size)
    for record in records:
        assert ring.put(*record)
    return TraceLog(ring, stamp_texts=stamps.encoded_texts, rtd_names=NAMES)


@given(st.lists(records, max_size=40), st.booleans(), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_entries_are_those_of_the_oracle(
    stream: list[Record], with_messages: bool, with_shorts: bool, with_rtts: bool, rfc3339: bool
) -> None:
    stamps = Stamps(rfc3339=rfc3339)
    log = make(stream, stamps)
    log.select(messages=with_messages, short_messages=with_shorts, rtts=with_rtts, records=RECORD_MASK)
    found, long, short, more = log.drain()
    assert bytes(long) == b"".join(message_entry(record, stamps) for record in stream if with_messages)
    assert bytes(short) == b"".join(short_entry(record, stamps) for record in stream if with_shorts)
    assert bytes(log.take_rtts()) == b"".join(rtt_line(record, NAMES) for record in stream if with_rtts)
    assert found == [record for record in stream if RECORD_MASK >> (record[0] & 0xFF) & 1]
    assert not more


@given(st.lists(records, max_size=30), st.integers(0, 800))
@settings(max_examples=60, deadline=None)
def test_draining_stops_behind_the_entry_that_crosses_the_room(stream: list[Record], room: int) -> None:
    stamps = Stamps()
    log = make(stream, stamps)
    log.select(messages=True, short_messages=False, rtts=False, records=0)
    text, more = b"", True
    while more:
        _, batch, _, more = log.drain(room)
        entries = bytes(batch)
        text += entries
        last = entries.rfind(b"-" * 47)
        assert len(entries) <= room or not more or last <= room
    assert text == b"".join(message_entry(record, stamps) for record in stream)


def test_the_header_is_found_whatever_its_case_and_only_in_the_header() -> None:
    record = (int(TraceKind.TRACE_SENT), MOMENT_NS, 0, 0, b"c", INVITE)
    log = make([record], Stamps())
    log.select(messages=False, short_messages=True, rtts=False, records=0)
    line = bytes(log.drain()[2])
    assert line.endswith(b"\tS\tc\tCSeq:1 INVITE\tINVITE sip:b@h SIP/2.0\n")


def test_large_messages_fill_a_batch_and_go_on_in_the_next() -> None:
    stamps = Stamps()
    stream = [(int(TraceKind.TRACE_RECEIVED), MOMENT_NS, 0, 0, b"", bytes([n]) * 65_000) for n in range(30)]
    log = make(stream, stamps, 1 << 22)
    log.select(messages=True, short_messages=True, rtts=False, records=0)
    text, n_batches, more = b"", 0, True
    while more:
        _, batch, _, more = log.drain()
        text += bytes(batch)
        n_batches += 1
    assert n_batches > 1
    assert text == b"".join(message_entry(record, stamps) for record in stream)


def test_a_record_is_cut_to_the_largest_datagram() -> None:
    ring = TraceRing(1 << 20)
    assert ring.put(int(TraceKind.TRACE_SENT), MOMENT_NS, 0, 0, b"", b"x" * 200_000)
    log = TraceLog(ring, stamp_texts=Stamps().encoded_texts)
    log.select(messages=True, short_messages=True, rtts=False, records=0)
    _, long, short, _ = log.drain()
    assert len(bytes(long)) < 66_000
    assert len(bytes(short)) < 66_000


def test_response_times_wait_until_they_are_taken() -> None:
    data = (1_000_123_456_789).to_bytes(8, "little") + (1_500).to_bytes(8, "little")
    log = make([(int(TraceKind.TRACE_RTT), MOMENT_NS, 1, 0, b"", data)] * 3, Stamps())
    log.select(messages=False, short_messages=False, rtts=True, records=0)
    log.drain()
    assert log.n_rtts == 3
    log.drain()
    assert bytes(log.take_rtts()) == b"1000123.456;0.001;invite\n" * 3
    assert log.n_rtts == 0


def test_untaken_response_times_never_overrun_their_buffer() -> None:
    data = bytes(16)
    ring = TraceRing(1 << 23)
    n = 0
    while ring.put(int(TraceKind.TRACE_RTT), MOMENT_NS, 0, 0, b"", data):
        n += 1
    log = TraceLog(ring, stamp_texts=Stamps().encoded_texts, rtd_names=NAMES)
    log.select(messages=False, short_messages=False, rtts=True, records=0)
    n_lines = 0
    while True:
        more = log.drain()[3]
        n_lines += bytes(log.take_rtts()).count(b"\n")
        if not more:
            break
    assert n_lines == n


def test_stamps_are_asked_for_once_a_second() -> None:
    asked: list[int] = []

    def texts(second: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        asked.append(second)
        return Stamps().encoded_texts(second)

    ring = TraceRing(1 << 20)
    for n in range(50):
        ring.put(int(TraceKind.TRACE_SENT), n * 10**8, 0, 0, b"", b"m")
    log = TraceLog(ring, stamp_texts=texts)
    log.select(messages=True, short_messages=False, rtts=False, records=0)
    log.drain()
    assert asked == [0, 1, 2, 3, 4]


def test_a_stamp_that_is_too_long_is_refused() -> None:
    ring = TraceRing(4096)
    ring.put(int(TraceKind.TRACE_SENT), 0, 0, 0, b"", b"m")
    log = TraceLog(ring, stamp_texts=lambda second: ((b"x" * 49, b"", b""), (b"", b"", b"")))
    log.select(messages=True, short_messages=False, rtts=False, records=0)
    with pytest.raises(ValueError, match="at most 48 bytes"):
        log.drain()


def test_draining_makes_no_objects_a_message() -> None:
    stream = [(int(TraceKind.TRACE_SENT), MOMENT_NS, 0, 0, b"c", INVITE)] * 2000
    log = make(stream, Stamps(), 1 << 22)
    log.select(messages=True, short_messages=False, rtts=False, records=0)
    tracemalloc.start()
    log.drain()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000


def test_more_durations_than_a_call_has_are_refused() -> None:
    with pytest.raises(ValueError, match="response-time durations"):
        TraceLog(TraceRing(4096), stamp_texts=Stamps().encoded_texts, rtd_names=[b"x"] * 65)
