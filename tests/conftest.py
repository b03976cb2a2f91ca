"""Shared fixtures: the command sippx in a directory of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from e2e.harness import Command, Finished, Peer, run_sippx, start_sippx


@pytest.fixture
def sippx(tmp_path: Path) -> Callable[..., Finished]:
    """sippx(*words) runs the command in tmp_path to its end."""
    return lambda *words, **more: run_sippx(tmp_path, *words, **more)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """start(*words) starts the command in tmp_path; it is ended with the test."""
    with ExitStack() as stack:
        yield lambda *words, **more: stack.enter_context(start_sippx(tmp_path, *words, **more))


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """peer(answer) opens a SIP peer; it is closed with the test."""
    with ExitStack() as stack:
        yield lambda *words, **more: stack.enter_context(Peer(*words, **more))
