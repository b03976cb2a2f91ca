"""Writes the generated part of docs/results.md from the table of metrics: `python docs/generate_results.py`.

What stands outside the two marks is written by hand and kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TREE))

from sippx.report.metrics import METRICS, STATISTICS, MetricSpec  # noqa: E402

BEGIN = "<!-- begin of the part that docs/generate_results.py writes -->\n"
END = "<!-- end of that part -->\n"


def generate(text: str) -> str:
    """The text of docs/results.md with its generated part written anew."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError("docs/results.md has lost the marks of its generated part")
    return head + BEGIN + "\n" + "".join(_table()) + "\n" + END + tail


def _table() -> Iterator[str]:
    yield f"`NAME` is a name of the scenario; `STAT` is {STATISTICS}\n\n"
    yield "| metric | is | unit of the value |\n|---|---|---|\n"
    for spec in METRICS.values():
        yield f"| `{spec.name}` | {spec.meaning.replace('|', '&#124;').replace('<', '&lt;')} | {_units(spec)} |\n"


def _units(spec: MetricSpec) -> str:
    units = ", ".join(f"`{unit}`" if unit else "none" for unit in spec.units)
    whole = f" of `{spec.share_of}`" if spec.share_of else ""
    return units + whole


if __name__ == "__main__":
    path = TREE / "docs" / "results.md"
    path.write_text(generate(path.read_text("utf-8")), "utf-8")
