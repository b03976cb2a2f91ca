"""Fixtures of the reporters' tests: local time is UTC, as in the recorded files of sipp."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sippx.report import stamps


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    stamps._local.cache_clear()
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    stamps._local.cache_clear()
    monkeypatch.undo()
    time.tzset()
