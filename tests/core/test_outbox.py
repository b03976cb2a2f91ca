"""The outbox: nothing lost, nothing doubled, and no message of a call overtakes another of it."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sippx._core.outbox import Outbox


def number(datagram: bytes) -> tuple[int, int]:
    call, sequence, _ = datagram.split(b",", 2)
    return int(call), int(sequence)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.sampled_from([20, 20, 21, 40, 3000])), max_size=300),
    st.integers(1, 64),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_messages_of_a_call_leave_in_the_order_they_were_made(
    stream: list[tuple[int, int, int]], max_segments: int, remember_hint: bool, is_stream: bool
) -> None:
    outbox = Outbox(max_segments, is_stream)
    sent: list[tuple[int, bytes]] = []
    last_group: dict[int, int] = {}
    hints: dict[int, int] = {}
    expected = []
    for sequence, (call, dest, length) in enumerate(stream):
        datagram = b"%d,%d," % (call, sequence)
        datagram += b"x" * (length - len(datagram))
        hint = hints.get(length, -1) if remember_hint else -1
        group = outbox.put(datagram, dest, hint, last_group.get(call, 0))
        if group is None:
            sent += [(to, one) for to, many in outbox.take() for one in many]
            last_group.clear()
            hints.clear()
            group = outbox.put(datagram, dest)
            assert group is not None
        last_group[call] = hints[length] = group
        expected.append((dest, datagram))
    for to, many in outbox.take():
        assert is_stream or len({len(one) for one in many}) <= 1
        assert is_stream or len(many) <= max_segments
        sent += [(to, one) for one in many]
    assert sorted(sent) == sorted(expected)
    order = defaultdict(list)
    for _, datagram in sent:
        call, sequence = number(datagram)
        order[call].append(sequence)
    assert all(numbers == sorted(numbers) for numbers in order.values())


def test_equal_messages_for_one_peer_share_a_group() -> None:
    outbox = Outbox()
    group = -1
    for _ in range(64):
        put = outbox.put(b"x" * 500, 1, group)
        assert put is not None
        group = put
    assert [len(many) for _, many in outbox.take()] == [64]


def test_an_outbox_without_room_says_so() -> None:
    outbox = Outbox()
    results = [outbox.put(bytes(10 + n), 1) for n in range(40)]
    assert None in results


def test_a_datagram_of_the_largest_size_fits() -> None:
    outbox = Outbox()
    assert outbox.put(b"a" * 65507, 1) is not None
    assert outbox.put(b"b" * 65507, 1) is not None
    assert [len(many[0]) for _, many in outbox.take()] == [65507, 65507]


def test_too_large_datagrams_are_refused() -> None:
    with pytest.raises(ValueError, match="exceed"):
        Outbox().put(bytes(65508), 1)


def test_messages_of_any_length_share_the_group_of_their_connection() -> None:
    outbox = Outbox(is_stream=True)
    lengths = [500, 20, 3000, 1, 65507]
    for length in lengths:
        assert outbox.put(b"x" * length, 1) is not None
    assert [(dest, [len(one) for one in many]) for dest, many in outbox.take()] == [(1, lengths)]


def test_connections_in_turn_keep_a_group_each() -> None:
    outbox = Outbox(is_stream=True)
    for n in range(90):
        assert outbox.put(b"x" * n, n % 30) is not None
    assert [dest for dest, _ in outbox.take()] == list(range(30))


def test_a_full_group_of_a_connection_is_followed_by_another() -> None:
    outbox = Outbox(is_stream=True)
    for n in range(600):
        assert outbox.put(b"%d" % n, 1) is not None
    groups = outbox.take()
    assert [one for _, many in groups for one in many] == [b"%d" % n for n in range(600)]
    assert len(groups) == 2
