"""The command sippx as forks of a process that has imported it: in an emulated machine Python needs seconds to start."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from e2e.harness import DEADLINE_S, Finished

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command has it, before numpy is imported
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["sippx.cli", "sippx.runner", "sippx.sctp", "sippx.report.writer", "numpy", "lxml.etree"])


class Sippx:
    """A running command with its output in files; ended when the `with` block is left."""

    def __init__(self, cwd: Path, *words: object) -> None:
        self.words = [str(word) for word in words]
        self._files = [cwd / f".{name}-{time.monotonic_ns()}" for name in ("out", "err")]
        self._process = _FORKS.Process(target=_run, args=(self.words, str(cwd), *map(str, self._files)), daemon=True)
        self._process.start()

    def __enter__(self) -> Sippx:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join(DEADLINE_S)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def is_running(self) -> bool:
        """True until it has ended."""
        return self._process.is_alive()

    def wait(self, deadline_s: float = DEADLINE_S) -> Finished:
        """Wait for its end; AssertionError with its output when it does not end in time."""
        self._process.join(deadline_s)
        has_ended = not self._process.is_alive()
        self._process.kill()
        self._process.join(DEADLINE_S)
        out, err = (path.read_text(errors="backslashreplace") if path.exists() else "" for path in self._files)
        code = self._process.exitcode
        finished = Finished(-1 if code is None else code, out, err, self.pid)
        assert has_ended, f"{self.words} did not end in {deadline_s} s\n{finished.text}"
        return finished


def _run(words: Sequence[str], cwd: str, out: str, err: str) -> None:
    from sippx.cli import main

    os.chdir(cwd)
    for descriptor, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.exit(main(words))
