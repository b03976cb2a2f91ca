"""`python -m tests.fuzz [TARGET ...] [--seconds N] [--seed N]`: fuzz for a while; a finding is kept as a file.

With the package atheris installed, `--atheris` hands one target to its coverage-guided engine instead.
"""

from __future__ import annotations

import argparse
import hashlib
import mmap
import os
import sys
import time
from pathlib import Path

from .mutation import MAX_BYTES, inputs
from .targets import TARGETS, Target


def keep(target: Target, data: bytes, what: str) -> Path:
    """Write a finding beside the kept inputs, so that the next test run fails on it."""
    target.corpus_dir.mkdir(parents=True, exist_ok=True)
    path = target.corpus_dir / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    print(f"{target.name}: {what}; input kept as {path}", file=sys.stderr)
    return path


def fuzz(target: Target, seconds: float, seed: int) -> bool:
    """Fuzz in a child process, which a crash of the core may take with it; whether all inputs passed."""
    shared = mmap.mmap(-1, 16 + MAX_BYTES)  # number of inputs, length and bytes of the one being tried
    child = os.fork()
    if child == 0:
        os._exit(_try_inputs(target, seconds, seed, shared))
    _, status = os.waitpid(child, 0)
    n_tried = int.from_bytes(shared[:8], "little")
    print(f"{target.name}: {n_tried} inputs (seed {seed})")
    if status == 0:
        return True
    length = int.from_bytes(shared[8:16], "little")
    what = f"killed by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "an exception came through"
    keep(target, shared[16 : 16 + length], what)
    return False


def _try_inputs(target: Target, seconds: float, seed: int, shared: mmap.mmap) -> int:
    end_s = time.monotonic() + seconds
    for n, data in enumerate(inputs(target.seeds(), target.words, seed), 1):
        shared[:16] = n.to_bytes(8, "little") + len(data).to_bytes(8, "little")
        shared[16 : 16 + len(data)] = data
        try:
            target.run_one(data)
        except Exception as error:
            print(f"{target.name}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
        if time.monotonic() >= end_s:
            return 0
    return 0


def fuzz_with_atheris(target: Target) -> None:
    """Coverage-guided fuzzing, until a finding or Ctrl-C."""
    try:
        import atheris  # type: ignore[import-not-found]
    except ImportError:
        raise SystemExit("--atheris needs the package atheris (pip install atheris)") from None
    atheris.Setup([sys.argv[0], str(target.corpus_dir)], target.run_one)
    atheris.Fuzz()


def main() -> int:
    """Exit code 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each target (default 30)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the mutations (default: the time)")
    parser.add_argument("--atheris", action="store_true", help="coverage-guided, for one target")
    options = parser.parse_args()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"unknown target {', '.join(sorted(unknown))}: use {', '.join(TARGETS)}")
    chosen = [TARGETS[name] for name in options.targets or TARGETS]
    if options.atheris:
        fuzz_with_atheris(chosen[0])
        return 0
    results = [fuzz(target, options.seconds, options.seed) for target in chosen]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
