"""Runs of this process over connections: servers, clients, and what their logs say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from e2e.harness import Running, builtin_uas, running, wait_until
from sippx import Scenario
from sippx.result import Result


def serve(mode: str = "t1", **options: Any) -> Any:
    """A server that runs until it is ended."""
    return running(builtin_uas(), transport=mode, **options)


def call(address: str, mode: str, n_calls: int, **options: Any) -> Any:
    """A client of that address."""
    return running(
        Scenario.builtin("uac"), transport=mode, remote_host=address, max_calls=n_calls, **{"rate": 1000.0, **options}
    )


def error_log(folder: Path) -> dict[str, Any]:
    """Options that write the error log of a run to this folder."""
    return {"trace_err": True, "error_file": str(folder / "errors.log")}


def errors_of(folder: Path) -> str:
    """What the error log says."""
    path = folder / "errors.log"
    return path.read_text() if path.exists() else ""


def assert_accounts_for(result: Result, n_calls: int) -> None:
    """Every call was made, and ended well or for a cause that was counted."""
    assert result.n_calls == n_calls, result.summary()
    assert result.n_successful + result.n_failed == n_calls, result.summary()
    causes = sum(value for name, value in result.counters.items() if name.startswith("failed_") and name != "failed_calls")
    assert causes == result.n_failed, result.counters


def wait_for(run: Running, name: str, at_least: int) -> None:
    """Until a counter of the run has come so far."""
    wait_until(lambda: count_of(run, name) >= at_least or not run.thread.is_alive(), f"{at_least} {name}")


def count_of(run: Running, name: str) -> int:
    """A counter of a run that goes on."""
    snapshot = run.runner.snapshot
    return snapshot.counter(name) if snapshot is not None else 0


def pause(run: Running) -> None:
    """No call is opened from now on, until the run is told otherwise."""
    run.runner.pause(True)
    for _ in range(2):  # one may have been taken before
        before = run.runner.snapshot
        wait_until(lambda before=before: run.runner.snapshot is not before, "a slice of the run")
