"""The command of the fixtures of tests/conftest.py, started as these tests need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from e2e.harness import Finished

from .commands import Sippx


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Sippx]]:
    """start(*words) starts the command in tmp_path; it is ended with the test."""
    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(Sippx(tmp_path, *words))


@pytest.fixture
def sippx(start: Callable[..., Sippx]) -> Callable[..., Finished]:
    """sippx(*words) runs the command in tmp_path to its end."""
    return lambda *words: start(*words).wait(110)
