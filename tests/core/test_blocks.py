"""The block allocator: blocks never overlap, freed ones are reused, the bound holds."""

from __future__ import annotations

import itertools
import random

from sippx._core.blocks import Blocks


def test_blocks_in_use_never_overlap() -> None:
    rng, blocks = random.Random(3), Blocks()
    used: dict[int, int] = {}
    for _ in range(3000):
        if used and rng.random() < 0.45:
            address = rng.choice(list(used))
            blocks.release(address, used.pop(address))
        else:
            n = rng.choice([1, 63, 64, 65, 500, 2048, 2049, 5000, 65507])
            address_ = blocks.acquire(n)
            assert address_ is not None
            used[address_] = n
    ranges = sorted((address, address + n) for address, n in used.items())
    assert all(a_end <= b for (_, a_end), (b, _) in itertools.pairwise(ranges))


def test_a_freed_block_is_the_next_of_its_size() -> None:
    blocks = Blocks()
    first = blocks.acquire(500)
    assert first is not None
    blocks.release(first, 500)
    assert blocks.acquire(490) == first


def test_memory_stays_below_its_bound() -> None:
    blocks = Blocks(3 << 20)
    while blocks.acquire(60_000) is not None:
        pass
    assert blocks.n_bytes <= 3 << 20


def test_a_block_beyond_the_largest_is_refused() -> None:
    assert Blocks().acquire(131_073) is None
