"""What the parser reads: nothing beyond the padding it is promised, and no meaning beyond the message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TORTURE = HERE.parent / "data" / "rfc4475"


def test_bytes_behind_a_message_are_never_needed_nor_understood() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "guarded_parse.py"), str(TORTURE)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"status {done.returncode} (-11: a read past the padding)\n{done.stderr}"
    found = json.loads(done.stdout)
    assert found["n_parsed"] > 10_000
    assert found["differing"] == []
