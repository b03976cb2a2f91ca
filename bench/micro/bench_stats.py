"""Statistics: recording a value, and taking a snapshot of the counters of a stock engine."""

from __future__ import annotations

import random
import socket

import numpy as np
from stock import program
from timing import Row, Table, print_tables, repeated

from sippx._core.engine import Engine
from sippx._core.program import Program
from sippx._core.stats import record_all
from sippx.report.snapshot import Layout

N_VALUES = 10_000
REMOTE = (socket.AF_INET, bytes([127, 0, 0, 1]), 5060)


def record(operation: str, values_ns: list[int], layout: Layout) -> Row:
    """Into one histogram, again and again."""
    hist = np.zeros(layout.hist_stride, np.uint64)
    maximum = np.zeros(1, np.uint64)

    def work(n: int) -> None:
        for _ in range(n):
            record_all(values_ns, hist, maximum)

    return repeated(operation, work, n_in_one=len(values_ns), first_repeats=1)


def measure() -> Table:
    """One value in cache, values all over the histogram, a whole snapshot."""
    engine = Engine(Program(program("uac")), remote=REMOTE, capacity=1_024)
    layout = Layout.from_dict(engine.layout())
    random_ = random.Random(1)
    spread = [int(10 ** random_.uniform(3, 10)) for _ in range(N_VALUES)]

    def snapshots(n: int) -> None:
        for _ in range(n):
            engine.snapshot()

    rows = [
        record("record the same value", [54_000] * N_VALUES, layout),
        record("record values from 1 us to 10 s", spread, layout),
        repeated(f"snapshot of the stock uac, {layout.n_words:,} words", snapshots),
    ]
    return Table("stats", rows, "record: each value comes out of a Python list, which takes its part of the time")


if __name__ == "__main__":
    print_tables([measure()])
