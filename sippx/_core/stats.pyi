"""Typed view of stats.pyx: histograms and repartition tables on arrays of Python's."""

from collections.abc import Iterable

from numpy import uint64
from numpy.typing import NDArray

def record_all(values_ns: Iterable[int], hist: NDArray[uint64], maximum: NDArray[uint64]) -> None: ...
def bucket(v_ns: int) -> int: ...
def repartition(v_ns: int, bounds_ns: NDArray[uint64], counts: NDArray[uint64]) -> None: ...
