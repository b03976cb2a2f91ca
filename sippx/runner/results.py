"""The results of a run: thresholds, timeline, generator findings, and the files of --json, --junit and --html."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from sippx.errors import EXIT_FATAL, StartError, UsageError
from sippx.options import FIELD_OPTIONS, Options
from sippx.report.flow import FlowStep, Measures, RunInfo
from sippx.report.outcome import STDOUT, OptionValue, Outcome, check_writable, write_results
from sippx.report.reporter import Reporter
from sippx.report.threshold import Threshold, ThresholdWatch, parse
from sippx.report.timeline import Timeline
from sippx.report.watchdog import GeneratorWatch
from sippx.result import Result
from sippx.scenario import Scenario

_HIDDEN = "***"


class RunResults:
    """What follows a run for its results, and what is written at its end.

    abort  ends the run at once. Raises UsageError for a threshold that is none, StartError for a file that
    cannot be written.
    """

    def __init__(
        self, scenario: Scenario, options: Options, measures: Measures, *, abort: Callable[[], None],
        command_line: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.notes: list[str] = []
        self._scenario = scenario
        self._options = options
        self._measures = measures
        self._command_line = tuple(_without_secrets(command_line))
        self._watch = ThresholdWatch(map(_threshold, options.thresholds), measures, abort)
        self._timeline = Timeline(measures)
        self._generator = GeneratorWatch()
        _check_files(options)

    @property
    def reporters(self) -> tuple[Reporter, ...]:
        """What follows the run."""
        return self._watch, self._timeline, self._generator

    def judged(self) -> dict[str, Any]:
        """The fields of `Result` that are known here once the run is over."""
        return {
            "thresholds": self._watch.results,
            "timeline": self._timeline.data(),
            "findings": self._generator.findings,
        }

    def lines(self) -> list[str]:
        """What is said at the end: verdicts, when the generator was limited, files that could not be written."""
        return [*self._watch.lines(), *self._generator.lines(), *self.notes]

    def write(self, result: Result, info: RunInfo, flow: tuple[FlowStep, ...]) -> None:
        """Write the files that were asked for."""
        options = self._options
        if not any(_files(options)):
            return
        exit_code, reason = verdict(result, options, info.last_error)
        outcome = Outcome(
            version=_version(),
            scenario_name=self._scenario.name,
            scenario_file=self._scenario.file,
            scenario_description=self._scenario.description,
            total=result.total,
            measures=self._measures,
            info=info,
            flow=flow,
            cpu_s=result.cpu_s,
            exit_code=exit_code,
            reason=reason,
            command_line=self._command_line,
            options=tuple(_option_values(options)),
            timeline=result.timeline,
            thresholds=result.thresholds,
            findings=result.findings,
            last_warning=info.last_error,
            max_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )
        self.notes += write_results(
            outcome, json=options.json_file, junit=options.junit_file, html=options.html_file
        )


def verdict(result: Result, options: Options, last_error: str) -> tuple[int, str]:
    """The exit code of the command and why it is that."""
    if result.stop_reason == "error":
        return EXIT_FATAL, "an error ended the run: " + (last_error or "an <error> without a text")
    if result.timed_out and options.timeout_error:
        return EXIT_FATAL, f"{result.scenario_name} timed out after '{options.timeout_ms / 1000:.3f}' seconds"
    return result.exit_code, result.reason


def writes_to_stdout(options: Options) -> bool:
    """True where a result goes to standard output, which is then nobody else's."""
    return STDOUT in _files(options)


def _files(options: Options) -> tuple[str | None, ...]:
    return options.json_file, options.junit_file, options.html_file


def _threshold(text: str) -> Threshold:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"thresholds (--threshold): {error}") from None


def _check_files(options: Options) -> None:
    given = [path for path in _files(options) if path is not None]
    for path in given:
        if given.count(path) > 1:
            raise UsageError(f"--json, --junit and --html: only one of them can write '{path}'")
        try:
            check_writable(path)
        except OSError as error:
            raise StartError(f"cannot create '{path}': {error.strerror}") from None


# ---- options as the files show them --------------------------------------------------------------------

_SECRET_FIELDS = tuple(item.name for item in fields(Options) if "password" in item.name)
_SECRET_NAMES = {name for spec in FIELD_OPTIONS if spec.field in _SECRET_FIELDS for name in spec.names}


def _option_values(options: Options) -> Iterator[OptionValue]:
    for spec in FIELD_OPTIONS:
        value = getattr(options, spec.field)
        is_default = value == spec.default
        shown = _HIDDEN if spec.field in _SECRET_FIELDS and not is_default else value
        yield OptionValue(spec.field, spec.flags[0], shown, is_default)


def _without_secrets(words: Sequence[str]) -> Iterator[str]:
    is_secret = False
    for word in words:
        yield _HIDDEN if is_secret else word
        is_secret = not is_secret and word.startswith("-") and word.lstrip("-") in _SECRET_NAMES


def _version() -> str:
    from sippx import __version__

    return __version__
