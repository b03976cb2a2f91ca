"""How the micro-benchmarks measure and print: CPU time an operation, median of several runs with the extremes."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

N_RUNS = 9
RUN_NS = 20_000_000
"""A run repeats its operation until it takes about this long."""
_CALIBRATION_NS = 2_000_000


@dataclass(frozen=True)
class Row:
    """One operation of a table; times in nanoseconds of CPU, sorted."""

    operation: str
    runs_ns: tuple[float, ...]

    @property
    def median_ns(self) -> float:
        """The middle run."""
        return statistics.median(self.runs_ns)


@dataclass(frozen=True)
class Table:
    """The operations of one core module."""

    module: str
    rows: list[Row]
    note: str = ""


def cpu_ns(work: Callable[[], object]) -> int:
    """CPU nanoseconds of one call in this thread: what others do on the machine is left out, save for caches."""
    start_ns = time.thread_time_ns()
    work()
    return time.thread_time_ns() - start_ns


def repeated(operation: str, work: Callable[[int], object], *, n_in_one: int = 1, first_repeats: int = 64) -> Row:
    """A row for work(n), which does the operation n * n_in_one times; n is chosen so that a run takes RUN_NS."""
    n = first_repeats
    while (took_ns := cpu_ns(partial(work, n))) < _CALIBRATION_NS:
        n *= 4
    n = max(1, n * RUN_NS // took_ns)
    return Row(operation, tuple(sorted(cpu_ns(partial(work, n)) / (n * n_in_one) for _ in range(N_RUNS))))


def difference(operation: str, work: Callable[[], object], same_calls: Callable[[], object], n_operations: int) -> Row:
    """A row for work() where Python makes every call: same_calls() makes as many calls that do nothing.

    The median cost of those is taken off each run; what is left is the work itself.
    """
    work()
    overhead_ns = statistics.median(cpu_ns(same_calls) for _ in range(N_RUNS))
    return Row(operation, tuple(sorted((cpu_ns(work) - overhead_ns) / n_operations for _ in range(N_RUNS))))


def machine_lines() -> list[str]:
    """CPU, number of them, kernel, Python: what figures are worthless without."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return [
        f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}",
        f"ns of CPU an operation: median of {N_RUNS} runs of about {RUN_NS // 1_000_000} ms, fastest and slowest",
    ]


def table_lines(table: Table) -> list[str]:
    """The table as text."""
    width = max(len(row.operation) for row in table.rows)
    lines = [f"{table.module:<{width}}    {'median':>9} {'min':>9} {'max':>9}"]
    lines += [
        f"{row.operation:<{width}}    {row.median_ns:>9.1f} {row.runs_ns[0]:>9.1f} {row.runs_ns[-1]:>9.1f}"
        for row in table.rows
    ]
    if table.note:
        lines.append(f"({table.note})")
    return lines


def print_tables(tables: Iterable[Table]) -> None:
    """The machine, then each table as soon as it is measured."""
    print(*machine_lines(), sep="\n", flush=True)
    for table in tables:
        print("", *table_lines(table), sep="\n", flush=True)
