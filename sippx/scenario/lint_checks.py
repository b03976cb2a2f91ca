"""The one table of what `sippx check` looks for, and what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal as OneOf

Severity = OneOf["error", "warning", "note"]

EXIT_ERRORS = 1
EXIT_WARNINGS = 2


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """One check. Errors are what is certainly wrong, warnings what likely is; notes do not count."""

    name: str
    severity: Severity
    meaning: str


CHECKS: dict[str, CheckSpec] = {
    spec.name: spec
    for spec in (
        CheckSpec("invalid", "error", "sippx refuses the scenario: the first thing that is wrong with it"),
        CheckSpec("remark", "warning", "what loading remarks: something is ignored, hidden or without effect"),
        CheckSpec("not-built", "warning", "media is needed, which this version refuses to run"),
        CheckSpec("unreachable", "warning", "no path through the scenario leads to the step"),
        CheckSpec("unused-label", "warning", "nothing goes to the label"),
        CheckSpec("never-read", "warning", "a call or user variable is assigned, and nothing reads it"),
        CheckSpec("never-assigned", "warning", "a call or user variable is read, and nothing assigns it"),
        CheckSpec("missing-header", "warning", "a request lacks Via, From, To, Call-ID, CSeq or Max-Forwards"),
        CheckSpec("cseq-method", "error", "the method in a request's CSeq is not the request's method"),
        CheckSpec("missing-length", "warning", "a message has a body and no Content-Length"),
        CheckSpec("wrong-length", "error", "Content-Length is a number, and the body has another length"),
        CheckSpec("fixed-length", "warning", "Content-Length is a number, and the body has keywords: use [len]"),
        CheckSpec("never-matches", "error", "a mandatory recv waits for what cannot come"),
        CheckSpec("useless-recv", "warning", "an optional recv waits for what cannot come"),
        CheckSpec(
            "late-timeout", "warning", "timeout of a mandatory recv behind optional ones: SIPp never arms it"
        ),
        CheckSpec("missing-ack", "warning", "behind a final answer to INVITE no ACK is sent"),
        CheckSpec("open-timer", "warning", "no step behind a start_rtd stops the response time duration"),
        CheckSpec("long-pause", "warning", "a pause lasts longer than a day"),
        CheckSpec("no-retrans", "note", "a request other than ACK is not sent again when it is lost over UDP"),
    )
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What a check found, and where; line and column count from 1."""

    file: str
    line: int
    column: int
    check: str
    text: str

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CHECKS[self.check].severity

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.text} [{self.check}]"


def exit_code(findings: list[Finding]) -> int:
    """Exit code for these findings: 1 with an error, 2 with warnings only, else 0."""
    severities = {finding.severity for finding in findings}
    if "error" in severities:
        return EXIT_ERRORS
    return EXIT_WARNINGS if "warning" in severities else 0


def check_list() -> Iterator[str]:
    """Lines of `sippx check --list`."""
    width = max(map(len, CHECKS))
    for spec in CHECKS.values():
        yield f"{spec.name:{width}}  {spec.severity:7}  {spec.meaning}"
