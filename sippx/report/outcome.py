"""All that the result files say about a run that is over, and writing them."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sippx.report.flow import FlowStep, Measures, RunInfo
from sippx.report.snapshot import Snapshot
from sippx.report.summary import failure_causes
from sippx.report.threshold import ThresholdResult
from sippx.report.watchdog import Finding

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class OptionValue:
    """One option of the run.

    name   field of `Options`
    flag   as on the command line
    value  numbers, texts, lists and mappings of them; secrets are replaced before they get here
    """

    name: str
    flag: str
    value: Any
    is_default: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A run that is over: put together by the runner, read by the result files.

    total, info    counters and state at the end
    cpu_s          CPU time of the engine's thread
    max_rss_bytes  most memory that the process had, 0: not known
    reason         why the exit code is what it is, in words
    timeline       `Timeline.data`
    """

    version: str
    scenario_name: str
    scenario_file: str
    total: Snapshot
    measures: Measures
    info: RunInfo
    flow: tuple[FlowStep, ...]
    cpu_s: float
    exit_code: int
    reason: str
    scenario_description: str = ""
    command_line: tuple[str, ...] = ()
    options: tuple[OptionValue, ...] = ()
    timeline: Mapping[str, Any] = field(default_factory=dict)
    thresholds: tuple[ThresholdResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    last_warning: str = ""
    max_rss_bytes: int = 0

    @property
    def has_passed(self) -> bool:
        """True when the command ends with exit code 0, thresholds included."""
        return self.exit_code == 0 and all(result.is_met for result in self.thresholds)

    @property
    def failures(self) -> dict[str, int]:
        """Failed calls by cause in words, most frequent first."""
        return failure_causes(self.total)

    @property
    def options_set(self) -> tuple[OptionValue, ...]:
        """The options that are not at their defaults."""
        return tuple(option for option in self.options if not option.is_default)

    @property
    def cpu_us_per_call(self) -> float:
        """CPU microseconds per call created, 0 without calls."""
        return self.cpu_s * 1e6 / self.total.calls_created if self.total.calls_created else 0.0

    @property
    def cpu_percent(self) -> float:
        """CPU time as a share of one core."""
        return 100 * self.cpu_s / self.total.elapsed_s if self.total.elapsed_ns > 0 else 0.0


def write_results(
    outcome: Outcome, *, json: str | None = None, junit: str | None = None, html: str | None = None
) -> list[str]:
    """Write the files that are asked for ("-": standard output); returns what could not be done, in words.

    Each is written by itself, so that one that fails does not take the others with it.
    """
    from sippx.report.htmlfile import page_text
    from sippx.report.jsonfile import json_text
    from sippx.report.junitfile import junit_text

    writers: tuple[tuple[str | None, Callable[[Outcome], str]], ...] = (
        (json, json_text), (junit, junit_text), (html, page_text),
    )  # fmt: skip
    notes = []
    for path, text in writers:
        if path is not None:
            try:
                write_whole(path, text(outcome))
            except OSError as error:
                notes.append(f"cannot write '{path}': {error.strerror or error}")
    return notes


def check_writable(path: str) -> None:
    """Raise OSError when a result file could not be created there: said before a run rather than after it."""
    if path == STDOUT:
        return
    target = Path(path).resolve()
    if target.is_dir():
        raise IsADirectoryError(21, "Is a directory", path)
    if _is_device(target):
        with target.open("ab"):
            return
    fd, temporary = _temporary_file(target)
    os.close(fd)
    temporary.unlink()


def write_whole(path: str, text: str) -> None:
    """Write the file so that it is either complete or not there; raises OSError.

    What is not an ordinary file (/dev/stderr, a pipe) is written to directly. A symbolic link is kept.
    """
    data = text.encode("utf-8", "backslashreplace")
    if path == STDOUT:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "standard output is closed")
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    target = Path(path).resolve()
    if _is_device(target):
        target.write_bytes(data)
        return
    fd, temporary = _temporary_file(target)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def _is_device(target: Path) -> bool:
    return target.exists() and not target.is_file()


def _temporary_file(target: Path) -> tuple[int, Path]:
    """A new file beside the target, with the rights that the target would be created with."""
    temporary = target.with_name(f".{target.name[:200]}.{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    return fd, temporary
