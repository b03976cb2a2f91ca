"""A slow stand-in for the engine's statistics: records events, gives snapshots in the engine's layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sippx._core.codes import Counter, Gauge
from sippx.report.flow import Measures
from sippx.report.snapshot import N_BUCKETS, Layout, Snapshot, bucket_index

COUNTERS = [name.removeprefix("COUNT_").lower() for name in Counter.__members__ if name.startswith("COUNT_")]
GAUGES = [name.removeprefix("GAUGE_").lower() for name in Gauge.__members__ if name.startswith("GAUGE_")]
STEP_STRIDE = 5
HEADER = 4
STRIDE = HEADER + N_BUCKETS
START_TIME_NS = 1_795_424_611_804_970_000
START_NS = 5_000_000_000


def layout_dict(n_steps: int, measures: Measures) -> dict[str, Any]:
    """The layout dict the engine would give for such a program."""
    step_offset = len(COUNTERS) + len(GAUGES)
    generic_offset = step_offset + n_steps * STEP_STRIDE
    hist_offset = generic_offset + len(measures.counter_names)
    n_hists = len(measures.rtd_names) + 3
    offset = hist_offset + n_hists * STRIDE
    repartitions = []
    for bounds_ms in (*measures.rtd_bounds_ms, measures.call_length_bounds_ms):
        n_words = len(bounds_ms) + 1 if bounds_ms else 0
        repartitions.append((offset, n_words))
        offset += n_words
    return {
        "n_words": offset + n_hists,
        "counters": {name: index for index, name in enumerate(COUNTERS)},
        "gauges": {name: len(COUNTERS) + index for index, name in enumerate(GAUGES)},
        "step_offset": step_offset,
        "n_steps": n_steps,
        "step_stride": STEP_STRIDE,
        "generic_offset": generic_offset,
        "n_generic": len(measures.counter_names),
        "hist_offset": hist_offset,
        "hist_stride": STRIDE,
        "n_hists": n_hists,
        "hist_header": HEADER,
        "hist_sub_bits": 7,
        "repartitions": repartitions,
        "max_offset": offset,
    }


class Recorder:
    """Counts like the engine does, one event at a time."""

    def __init__(self, n_steps: int = 0, measures: Measures | None = None) -> None:
        self.measures = measures or Measures()
        self.layout = Layout.from_dict(layout_dict(n_steps, self.measures))
        self.words = np.zeros(self.layout.n_words, dtype=np.uint64)

    def count(self, name: str, n: int = 1) -> None:
        self.words[self.layout.counters[name]] += np.uint64(n)

    def set_gauge(self, name: str, value: int) -> None:
        self.words[self.layout.gauges[name]] = value

    def set_step(self, index: int, row: Sequence[int]) -> None:
        first = self.layout.step_offset + index * STEP_STRIDE
        self.words[first : first + STEP_STRIDE] = row

    def count_generic(self, index: int, n: int = 1) -> None:
        self.words[self.layout.generic_offset + index] += np.uint64(n)

    def record(self, hist: int, value_ns: int) -> None:
        """Record one duration in a histogram, its repartition table and its maximum."""
        layout = self.layout
        first = layout.hist_offset + hist * STRIDE
        value_us = (value_ns + 500) // 1000
        header = (1, value_us, value_us * value_us & 0xFFFFFFFF, value_us * value_us >> 32)
        self.words[first : first + HEADER] += np.array(header, dtype=np.uint64)
        self.words[first + HEADER + bucket_index(value_ns)] += np.uint64(1)
        self.words[layout.max_offset + hist] = max(int(self.words[layout.max_offset + hist]), value_ns)
        tables = (*self.measures.rtd_bounds_ms, self.measures.call_length_bounds_ms)
        if hist < len(tables) and tables[hist]:
            column = sum(value_ns >= bound_ms * 1_000_000 for bound_ms in tables[hist])
            self.words[layout.repartitions[hist][0] + column] += np.uint64(1)

    def snapshot(self, elapsed_ns: int = 0) -> Snapshot:
        """What the counters are `elapsed_ns` after the start."""
        return Snapshot(self.words.copy(), self.layout, START_TIME_NS + elapsed_ns, START_NS + elapsed_ns,
                        start_time_ns=START_TIME_NS, start_ns=START_NS)
