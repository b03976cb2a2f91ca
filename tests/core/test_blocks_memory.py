"""What a block of the allocator may be used for: all of its bytes, and reading on past them."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sippx._core.blocks import Blocks

READABLE_PAST_END = 64


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 131_072), min_size=1, max_size=40))
def test_blocks_are_readable_past_their_end(sizes: list[int]) -> None:
    blocks = Blocks(64 << 20)
    for n in sizes:
        address = blocks.acquire(n)
        assert address is not None
        assert address % 8 == 0
        assert ctypes.string_at(address, n + READABLE_PAST_END)[:n] == b"\xa5" * n


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 131_072), st.booleans()), max_size=60))
def test_a_block_keeps_its_bytes_until_it_is_released(plan: list[tuple[int, bool]]) -> None:
    blocks = Blocks(128 << 20)
    held: list[tuple[int, int, int]] = []
    for number, (n, release_one) in enumerate(plan):
        address = blocks.acquire(n)
        assert address is not None
        ctypes.memset(address, number % 251, n)
        held.append((address, n, number % 251))
        if release_one:
            blocks.release(*held.pop(number % len(held))[:2])
    for address, n, fill in held:
        assert ctypes.string_at(address, n) == bytes([fill]) * n


@pytest.mark.parametrize(("small", "large"), [(1, 64), (65, 128), (1985, 2048), (2049, 4096), (65_537, 131_072)])
def test_sizes_of_one_class_reuse_each_other(small: int, large: int) -> None:
    blocks = Blocks()
    address = blocks.acquire(large)
    assert address is not None
    blocks.release(address, large)
    assert blocks.acquire(small) == address


def test_freed_blocks_are_reused_last_in_first_out() -> None:
    blocks = Blocks()
    addresses = [blocks.acquire(700) for _ in range(5)]
    for address in addresses:
        assert address is not None
        blocks.release(address, 700)
    assert [blocks.acquire(700) for _ in range(5)] == addresses[::-1]


def test_churn_maps_no_more_memory() -> None:
    blocks = Blocks()
    for round_number in range(50):
        held = [(blocks.acquire(n), n) for n in (100, 500, 1500, 3000, 60_000)]
        if round_number == 0:
            n_bytes = blocks.n_bytes
        for address, n in held:
            assert address is not None
            blocks.release(address, n)
    assert blocks.n_bytes == n_bytes


def test_no_block_ends_within_reading_distance_of_its_chunk() -> None:
    chunk_bytes = 1 << 20
    for size in (64, 704, 2048, 4096, 65_536, 131_072):
        blocks = Blocks(8 << 20)
        first = blocks.acquire(size)
        assert first is not None
        base = first & ~4095
        while (address := blocks.acquire(size)) is not None and blocks.n_bytes == chunk_bytes:
            assert base <= address
            assert address + size + READABLE_PAST_END <= base + chunk_bytes
