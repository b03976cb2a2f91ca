"""Typed view of sample.pyx: the test surface of the pause distributions."""

from typing import Any

from numpy.typing import NDArray

def sample(rows: NDArray[Any], n: int, seed: int = ...) -> list[float]: ...
