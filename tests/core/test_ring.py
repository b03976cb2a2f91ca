"""The trace ring: records stay whole across the wrap, what does not fit is counted."""

from __future__ import annotations

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from sippx._core.ring import TraceRing


@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=30), st.booleans()), max_size=80))
@settings(max_examples=100, deadline=None)
def test_records_come_out_whole_and_in_order(stream: list[tuple[bytes, bytes, bool]]) -> None:
    ring = TraceRing(4096)
    expected, found, dropped = [], [], 0
    for n, (data, call_id, drain) in enumerate(stream):
        if ring.put(n % 20, n, n, -n, call_id, data):
            expected.append((n % 20, n, n, -n, call_id, data))
        else:
            dropped += 1
        if drain:
            found += ring.drain()
    found += ring.drain()
    assert found == expected
    assert ring.n_dropped == dropped


def test_a_record_larger_than_the_ring_is_cut() -> None:
    ring = TraceRing(4096)
    assert ring.put(1, 1, 0, 0, b"c", b"x" * 100_000)
    assert ring.drain()[0][5] == b"x" * 1024


def test_a_full_ring_takes_records_again_when_drained() -> None:
    ring = TraceRing(4096)
    while ring.put(1, 1, 0, 0, b"", b"y" * 500):
        pass
    assert ring.n_dropped == 1
    assert len(ring.drain()) > 3
    assert ring.put(1, 1, 0, 0, b"", b"y" * 500)


def test_one_thread_fills_while_another_drains() -> None:
    ring = TraceRing(1 << 14)
    found: list[int] = []
    done = threading.Event()

    def drain() -> None:
        while not done.is_set():
            found.extend(record[1] for record in ring.drain())
        found.extend(record[1] for record in ring.drain())

    thread = threading.Thread(target=drain)
    thread.start()
    kept = [n for n in range(20_000) if ring.put(3, n, 0, 0, b"id", b"%d" % n)]
    done.set()
    thread.join()
    assert found == kept
