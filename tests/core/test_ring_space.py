"""The trace ring filled to the last byte: a record fits exactly or not at all, and harms no other."""

from __future__ import annotations

import pytest

from sippx._core.ring import TraceRing

SIZE = 4096
HEADER = 32


def room_for(n_bytes: int) -> int:
    """Bytes a record with so much text takes: header and text, rounded up to 8."""
    return -(-(HEADER + n_bytes) // 8) * 8


@pytest.mark.parametrize("start", [0, 40, 1000, 4000, 4080])
def test_record_is_taken_where_it_fits_exactly_and_dropped_where_it_does_not(start: int) -> None:
    for last_bytes in range(400):
        ring = TraceRing(SIZE)
        # move the place where the ring begins
        for _ in range(start // room_for(8)):
            assert ring.put(9, 0, 0, 0, b"", bytes(8))
            assert len(ring.drain()) == 1
        filled = [b"%d" % n * 900 for n in range(4)]
        used = sum(room_for(len(data)) for data in filled)
        assert all(ring.put(1, n, n, -n, b"", data) for n, data in enumerate(filled))
        assert used + room_for(0) <= SIZE
        fits = used + room_for(last_bytes) <= SIZE
        assert ring.put(2, 7, 7, 7, b"", b"e" * last_bytes) is fits
        assert ring.n_dropped == (not fits)
        expected = [(1, n, n, -n, b"", data) for n, data in enumerate(filled)]
        assert ring.drain() == expected + [(2, 7, 7, 7, b"", b"e" * last_bytes)] * fits


def test_call_id_and_text_share_a_record() -> None:
    ring = TraceRing(SIZE)
    assert ring.put(3, 2**63, -(2**31), 2**31 - 1, b"c" * 1024, b"d" * 1024)
    assert ring.put(3, 0, 0, 0, b"c" * 2000, b"")
    assert [record[1:] for record in ring.drain()] == [
        (2**63, -(2**31), 2**31 - 1, b"c" * 1024, b"d" * 1024),
        (0, 0, 0, b"c" * 1024, b""),
    ]


def test_drain_takes_no_more_than_asked_for() -> None:
    ring = TraceRing(SIZE)
    for number in range(10):
        ring.put(1, number, 0, 0, b"", b"")
    assert [record[1] for record in ring.drain(3)] == [0, 1, 2]
    assert [record[1] for record in ring.drain()] == list(range(3, 10))
