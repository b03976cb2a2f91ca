"""--junit: the verdict of a run as a JUnit report, a test case for each condition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from sippx.errors import EXIT_FAILED_CALLS, EXIT_THRESHOLD
from sippx.report.jsonfile import iso_time
from sippx.report.outcome import Outcome


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case; failure: one line, "" when it passed."""

    name: str
    failure: str = ""
    details: str = ""


def junit_text(outcome: Outcome) -> str:
    """The XML document as text: one test suite."""
    cases = list(_cases(outcome))
    total = outcome.total
    seconds = f"{total.elapsed_s:.3f}"
    counts = {
        "tests": str(len(cases)), "failures": str(sum(bool(case.failure) for case in cases)),
        "errors": "0", "skipped": "0", "time": seconds,
    }  # fmt: skip
    root = etree.Element("testsuites", {"name": "sippx", **counts})
    name = _clean(f"sippx.{outcome.scenario_name}")
    suite = etree.SubElement(root, "testsuite", {
        "name": name, **counts, "timestamp": iso_time(total.start_time_ns).removesuffix("Z"),
    })  # fmt: skip
    properties = etree.SubElement(suite, "properties")
    for key, value in _properties(outcome).items():
        etree.SubElement(properties, "property", {"name": key, "value": _clean(value)})
    for case in cases:
        element = etree.SubElement(suite, "testcase", {
            "classname": name, "name": _clean(case.name), "time": seconds,
        })  # fmt: skip
        if case.failure:
            failure = etree.SubElement(element, "failure", {"message": _clean(case.failure), "type": "failed"})
            failure.text = _clean(case.details or case.failure)
    if outcome.findings:
        etree.SubElement(suite, "system-out").text = _clean("\n".join(item.line() for item in outcome.findings))
    data = etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)
    return data.decode("utf-8")


def _cases(outcome: Outcome) -> Iterator[_Case]:
    n_failed = outcome.total.counter("failed_calls")
    causes = "\n".join(f"{cause}: {count}" for cause, count in outcome.failures.items())
    yield _Case("run completed", *(() if _is_complete(outcome) else (
        f"exit code {outcome.exit_code}: {outcome.reason}",)))  # fmt: skip
    if not any(result.judges_failures for result in outcome.thresholds):
        yield _Case("no failed calls", f"{n_failed} calls failed" if n_failed else "", causes)
    for result in outcome.thresholds:
        found = f"measured {result.measured_text}" if result.measured is not None else f"no data: {result.reason}"
        yield _Case(f"threshold {result.threshold.text}", "" if result.is_met else found, result.line())


def _is_complete(outcome: Outcome) -> bool:
    """True unless the exit code says more than the other test cases do."""
    explained = outcome.total.counter("failed_calls") or not all(result.is_met for result in outcome.thresholds)
    return outcome.exit_code == 0 or (bool(explained) and outcome.exit_code in (EXIT_FAILED_CALLS, EXIT_THRESHOLD))


def _properties(outcome: Outcome) -> dict[str, str]:
    total = outcome.total
    return {
        "version": outcome.version,
        "command_line": " ".join(outcome.command_line),
        "calls": str(total.calls_created),
        "successful": str(total.counter("successful_calls")),
        "failed": str(total.counter("failed_calls")),
        "calls_per_s": f"{total.call_rate:.3f}",
        "exit_code": str(outcome.exit_code),
        "generator_limited": str(bool(outcome.findings)).lower(),
    }


def _clean(text: str) -> str:
    """The text without what XML cannot carry."""
    return re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
