"""Datagrams above the path MTU: segmentation offload gives way to plain sends, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOT_HERE = 77


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What small_mtu.py saw."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("small_mtu.py"))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode == NOT_HERE:
        pytest.skip(f"no network namespace on this machine: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_datagrams_above_the_mtu_all_arrive(found: dict[str, Any]) -> None:
    assert found["long"]["complete"]
    assert found["long"]["counters"]["sent"] == 40
    assert found["long"]["counters"]["send_errors"] == 0


def test_the_refused_length_is_remembered(found: dict[str, Any]) -> None:
    if not found["short"]["gso"]:
        pytest.skip("this kernel has no UDP_SEGMENT")
    # one refused attempt, not one for each batch
    limit = found["long"]["counters"]["gso_max_segment"]
    assert not found["long"]["gso"] or 0 < limit < 2000


def test_shorter_datagrams_are_still_segmented(found: dict[str, Any]) -> None:
    if not found["short"]["gso"]:
        pytest.skip("this kernel has no UDP_SEGMENT")
    assert found["short"]["complete"]
    assert found["short"]["counters"]["send_calls"] == 2
    assert found["short"]["counters"]["gso_max_segment"] == 0
