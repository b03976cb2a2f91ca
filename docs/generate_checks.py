"""Writes docs/checks.md from the table of checks: `python docs/generate_checks.py`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sippx.scenario.lint_checks import CHECKS  # noqa: E402

_INTRODUCTION = """\
# What `sippx check` looks for

Generated from the table in `sippx/scenario/lint_checks.py` by `python docs/generate_checks.py`: change the table, not
this file.

`sippx check FILE...` examines scenarios without running them and prints a line for each finding:

    call.xml:12:5: error: CSeq says INFO, the request is INVITE [cseq-method]

FILE may be the name of a built-in scenario; a file of that name goes first. `-key NAME VALUE` and `-inf FILE` give the
names that a scenario uses; injection files are not read. Errors are what is certainly wrong, warnings what is likely
to be; notes are worth knowing. The exit code is 0 without errors and warnings, 1 with an error, and 2 (a choice of
sippx: SIPp has no such command) with warnings only.

A scenario that is refused has one finding, the first thing that is wrong with it; the other checks need it loaded.
What follows a test or a chance is taken to be possible either way. Variables that `<Reference>` lists are left alone,
and so are global ones, which `-set` may assign.

| check | is | finds |
|---|---|---|
"""


def generate() -> str:
    """The whole text of docs/checks.md."""
    rows = (f"| `{spec.name}` | {spec.severity} | {spec.meaning} |\n" for spec in CHECKS.values())
    return _INTRODUCTION + "".join(rows)


if __name__ == "__main__":
    (ROOT / "docs" / "checks.md").write_text(generate(), "utf-8")
