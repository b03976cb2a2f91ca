"""--json: the result of a run as one JSON document; its schema is `result.schema.json` beside this file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sippx.report.outcome import Outcome
from sippx.report.snapshot import Histogram, bucket_bounds
from sippx.report.stamps import NS_PER_MS, NS_PER_S
from sippx.report.summary import FAILURE_PREFIX, FAILURE_TOTAL
from sippx.report.threshold import ThresholdResult

SCHEMA = "sippx-result/1"
PERCENTILES = (50, 75, 90, 95, 99, 99.9, 99.99)

STEP_COUNTERS = ("messages", "retransmissions", "timeouts", "unexpected", "lost")
"""Columns of `Snapshot.steps`."""


def document(outcome: Outcome) -> dict[str, Any]:
    """The document: numbers, texts, lists and mappings only."""
    total = outcome.total
    return {
        "schema": SCHEMA,
        "version": outcome.version,
        "scenario": {
            "name": outcome.scenario_name,
            "file": outcome.scenario_file,
            "description": outcome.scenario_description,
            "role": "client" if outcome.info.client else "server",
        },
        "command_line": list(outcome.command_line),
        "options": {
            "set": {option.name: _plain(option.value) for option in outcome.options_set},
            "all": {option.name: _plain(option.value) for option in outcome.options},
        },
        "start_time": iso_time(total.start_time_ns),
        "end_time": iso_time(total.time_ns),
        "elapsed_s": round(total.elapsed_s, 6),
        "verdict": {
            "passed": outcome.has_passed,
            "exit_code": outcome.exit_code,
            "reason": outcome.reason,
            "thresholds": [_threshold(result) for result in outcome.thresholds],
        },
        "calls": {
            "created": total.calls_created,
            "successful": total.counter("successful_calls"),
            "failed": total.counter("failed_calls"),
            "open": total.gauge("current_calls"),
            "peak": total.gauge("peak_calls"),
            "per_s": round(total.call_rate, 3),
        },
        "failures": _failures(outcome),
        "counters": total.counters(),
        "scenario_counters": dict(zip(outcome.measures.counter_names, total.generic, strict=True)),
        "steps": _steps(outcome),
        "response_times": {
            name: _durations(total.histogram(index)) for index, name in enumerate(outcome.measures.rtd_names)
        },
        "call_length": _durations(total.call_length),
        "schedule_lag": _durations(total.schedule_lag),
        "connect_time": _durations(total.connect_time),
        "timeline": outcome.timeline,
        "cpu": {
            "engine_s": round(outcome.cpu_s, 6),
            "us_per_call": round(outcome.cpu_us_per_call, 3),
            "percent": round(outcome.cpu_percent, 2),
        },
        "memory": {"calls_bytes": total.gauge("memory_bytes"), "process_max_bytes": outcome.max_rss_bytes},
        "generator": {
            "limited": bool(outcome.findings),
            "findings": [
                {
                    "kind": finding.kind,
                    "from_s": round(finding.from_s, 3),
                    "to_s": round(finding.to_s, 3),
                    "figure": round(finding.figure, 4),
                    "periods": finding.n_periods,
                    "text": finding.text,
                }
                for finding in outcome.findings
            ],
        },
        "warnings": {"count": total.counter("warnings"), "last": outcome.last_warning},
    }


def json_text(outcome: Outcome) -> str:
    """The document as text, ending with a line end; a list of numbers is one line."""
    return _laid_out(document(outcome), "") + "\n"


def iso_time(time_ns: int) -> str:
    """A moment as ISO 8601 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(time_ns // NS_PER_S, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % NS_PER_S // NS_PER_MS:03d}Z"


def _plain(value: Any) -> Any:
    """An option's value in what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_plain(item) for item in items]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _failures(outcome: Outcome) -> dict[str, int]:
    """Failed calls by cause, all that occurred; the names are those of the counters without "failed_"."""
    counters = outcome.total.counters()
    causes = {
        name.removeprefix(FAILURE_PREFIX): count
        for name, count in counters.items()
        if name.startswith(FAILURE_PREFIX) and name != FAILURE_TOTAL and count
    }
    other = counters[FAILURE_TOTAL] - sum(causes.values())
    return causes | ({"other": other} if other > 0 else {})


def _steps(outcome: Outcome) -> list[dict[str, Any]]:
    names = outcome.measures.rtd_names
    rtd_names = dict(enumerate(names, 1))
    return [
        {
            "index": index,
            "kind": step.kind,
            "label": step.label or step.display or step.pause_text,
            "optional": step.optional,
            "start_rtd": rtd_names.get(step.start_rtd or 0),
            "stop_rtd": rtd_names.get(step.stop_rtd or 0),
            **dict(zip(STEP_COUNTERS, row, strict=True)),
        }
        for index, (step, row) in enumerate(zip(outcome.flow, outcome.total.steps.tolist(), strict=True))
    ]


def _durations(histogram: Histogram) -> dict[str, Any]:
    """Count, moments and percentiles in ms; null where nothing was measured. Buckets: [from, below, count]."""
    is_empty = not histogram.count
    figures: dict[str, Any] = {
        "mean_ms": histogram.mean_ns, "stdev_ms": histogram.stdev_ns, "max_ms": histogram.max_ns,
    }  # fmt: skip
    return {
        "count": histogram.count,
        **{name: None if is_empty else _ms(value) for name, value in figures.items()},
        "percentiles_ms": {
            f"p{percent:g}": None if is_empty else _ms(histogram.percentile(percent)) for percent in PERCENTILES
        },
        "buckets_ms": [
            [*map(_ms, bucket_bounds(int(index))), int(histogram.buckets[index])]
            for index in histogram.buckets.nonzero()[0]
        ],
    }


def _ms(value_ns: float) -> float:
    return round(value_ns / NS_PER_MS, 6)


def _threshold(result: ThresholdResult) -> dict[str, Any]:
    threshold = result.threshold
    return {
        "text": threshold.text,
        "metric": threshold.metric.name,
        "operator": threshold.op,
        "limit": _significant(threshold.limit / threshold.factor),
        "unit": threshold.unit,
        "measured": None if result.measured is None else _significant(result.measured / threshold.factor),
        "measured_text": result.measured_text,
        "verdict": result.verdict,
        "reason": result.reason,
        "abort": threshold.aborts,
    }


def _significant(value: float) -> float:
    return float(f"{value:.9g}")


# ---- layout of the text ------------------------------------------------------------------------------


def _laid_out(value: Any, indent: str) -> str:
    """Mappings over several lines, lists of plain values on one: thousands of points stay readable."""
    inner = indent + "  "
    if isinstance(value, Mapping) and value:
        rows = (f"{inner}{_dumped(key)}: {_laid_out(item, inner)}" for key, item in value.items())
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return "[\n" + ",\n".join(inner + _laid_out(item, inner) for item in value) + f"\n{indent}]"
    return _dumped(value)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
