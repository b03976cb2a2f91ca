"""Seeded mutation of fuzz inputs: the same seed gives the same inputs on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

MAX_BYTES = 8192


def mutated(data: bytes, others: Sequence[bytes], words: Sequence[bytes], rng: random.Random) -> bytes:
    """data with one to six changes: bytes, words, repeated, removed or foreign parts."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        at = rng.randrange(len(result) + 1)
        n = min(rng.choice((1, 1, 2, 4, 16, 64)), len(result) - at)
        match rng.randrange(7):
            case 0 if n:
                result[at] = rng.randrange(256)
            case 1 if n:
                result[at] ^= 1 << rng.randrange(8)
            case 2:
                result[at:at] = rng.choice(words)
            case 3:
                del result[at : at + n]
            case 4:
                result[at:at] = result[at : at + n] * rng.choice((1, 2, 8))
            case 5:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                result[at : at + n] = other[start : start + rng.choice((4, 32, 256))]
            case _:
                result[at:] = b"" if rng.randrange(4) == 0 else result[at:]
    return bytes(result[:MAX_BYTES])


def inputs(seeds: Sequence[bytes], words: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Mutations of the seeds without end; now and then a mutation of a mutation."""
    rng = random.Random(seed)
    pool = list(seeds)
    while True:
        data = mutated(rng.choice(pool), pool, words, rng)
        if rng.randrange(50) == 0:
            pool[rng.randrange(len(pool))] = rng.choice((data, rng.choice(list(seeds))))
        yield data
