"""One table per core module, in ns an operation: median of several runs, minimum and maximum."""

from __future__ import annotations

import platform
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sippx._core.calls import CallTable
from sippx._core.parser import bench_parse
from sippx._core.stats import record_all
from sippx._core.template import render
from sippx._core.wheel import Wheel
from sippx.scenario import Bindings, ProgramSpec, Scenario, compile_scenario

RUNS = 7
Row = tuple[str, Callable[[], object], int]


def print_table(title: str, rows: list[Row]) -> None:
    """Each row: what it is, an action, how many operations the action does."""
    print(f"\n{title:44s}{'median':>9s}{'min':>9s}{'max':>9s}   ns an operation")
    for name, action, n_operations in rows:
        action()
        times = []
        for _ in range(RUNS):
            start = time.perf_counter_ns()
            action()
            times.append((time.perf_counter_ns() - start) / n_operations)
        print(f"  {name:42s}{statistics.median(times):9.1f}{min(times):9.1f}{max(times):9.1f}", flush=True)


def message(spec: ProgramSpec, step: int, last: bytes | None = None, repeat: int = 1) -> bytes:
    """The message a send step makes."""
    row = spec.steps[step]
    pieces = spec.pieces[row["piece_first"] : row["piece_first"] + row["n_pieces"]]
    text = render(pieces, spec.pool, call_number=123456, call_id=b"123456-4711@127.0.0.1", peer_tag=b"4711SIPpTag011",
                  last=last, repeat=repeat)  # fmt: skip
    assert text is not None
    return text


def call_rows(n_open: int) -> list[Row]:
    """Looking up open calls in random order."""
    table = CallTable(n_open + 1)
    ids = [b"%d-4711@127.0.0.1" % number for number in range(n_open)]
    for call_id in ids:
        table.open(call_id)
    order = np.random.default_rng(1).permutation(n_open)[:100_000]
    wanted = [ids[at] for at in order]
    rounds = max(1, 200_000 // len(wanted))
    return [(f"find, {n_open:,} open", lambda: table.bench_find(wanted, rounds), rounds * len(wanted))]


def main() -> int:
    """Print all tables."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    machine = model[1] if model else platform.machine()
    print(f"{machine}, Linux {platform.release()}, Python {platform.python_version()}")
    uac, uas = (compile_scenario(Scenario.builtin(name), Bindings(pid=4711)) for name in ("uac", "uas"))
    invite, bye = message(uac, 0), message(uac, 7)
    ringing, answer = message(uas, 1, invite), message(uas, 2, invite)
    n = 200_000
    texts = {"INVITE": invite, "180": ringing, "200": answer, "BYE": bye}
    rows: list[Row] = []
    for name, text in texts.items():
        size = f"{name} ({len(text)} bytes)"
        rows.append((f"{size}, new layout", lambda t=text: bench_parse(t, n), n))  # type: ignore[misc]
        rows.append((f"{size}, known layout", lambda t=text: bench_parse(t, n, again=True), n))  # type: ignore[misc]
    print_table("parser", rows)
    print_table(
        "template",
        [
            ("uac INVITE", lambda: message(uac, 0, repeat=n), n),
            ("uac BYE", lambda: message(uac, 7, repeat=n), n),
            ("uas 200 to the INVITE", lambda: message(uas, 2, invite, repeat=n), n),
        ],
    )
    wheel = Wheel(1000)
    print_table(
        "wheel: schedule, cancel half, fire half",
        [(f"{delay} ticks ahead", lambda d=delay: wheel.bench(200, d), 200_000) for delay in (10, 500, 4000, 32000)],  # type: ignore[misc]
    )
    print_table("calls", [row for n_open in (1_000, 100_000, 1_000_000) for row in call_rows(n_open)])
    values = [int(value) for value in np.random.default_rng(2).lognormal(12, 2, 100_000)]
    hist, maximum = np.zeros(4996, np.uint64), np.zeros(1, np.uint64)
    print_table("stats", [("record (with Python's loop)", lambda: record_all(values, hist, maximum), len(values))])
    return 0


if __name__ == "__main__":
    sys.exit(main())
