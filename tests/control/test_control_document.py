"""docs/control.md is what the tables say."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_document_is_generated_from_the_tables() -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate_control.py"))["generate"]
    assert (ROOT / "docs" / "control.md").read_text() == generate()
