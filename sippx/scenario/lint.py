"""`sippx check`: examines scenarios without running them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sippx.errors import ScenarioError
from sippx.scenario.builtin import builtin_names, builtin_text
from sippx.scenario.lint_checks import Finding
from sippx.scenario.lint_flow import check_flow
from sippx.scenario.lint_messages import check_messages
from sippx.scenario.lint_subject import Subject
from sippx.scenario.lint_variables import check_variables
from sippx.scenario.loader import load_string
from sippx.scenario.model import Scenario
from sippx.scenario.source import MAX_BYTES, Source


def is_builtin(name: str) -> bool:
    """Whether a word that may be a file stands for a built-in scenario: a file of that name goes first."""
    return name in builtin_names() and not Path(name).exists()


def lint_file(name: str, *, keys: Collection[str] = (), injection_names: Sequence[str] = ()) -> list[Finding]:
    """Findings about a file or a built-in scenario, in the order of their places."""
    if is_builtin(name):
        return lint_text(builtin_text(name).encode("utf-8"), f"{name} (built-in)", keys=keys)
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return [Finding(name, 1, 1, "invalid", f"cannot read the scenario: {reason}")]
    return lint_text(data, name, keys=keys, injection_names=injection_names)


def lint_text(
    data: bytes, name: str, *, keys: Collection[str] = (), injection_names: Sequence[str] = ()
) -> list[Finding]:
    """Findings about scenario XML; `name` is the file in them."""
    try:
        scenario = load_string(data, name=name, keys=keys, injection_names=injection_names)
    except ScenarioError as error:
        return [Finding(name, error.line or 1, error.column or 1, "invalid", error.message)]
    subject = Subject(scenario, Source(data, name))
    subject.findings += _remarks(scenario)
    check_flow(subject)
    check_variables(subject)
    check_messages(subject)
    return sorted(subject.findings)


def _remarks(scenario: Scenario) -> list[Finding]:
    """Warnings of loading, which begin with `file:line:column: `."""
    findings = []
    for warning in scenario.warnings:
        line, column, text = warning.removeprefix(f"{scenario.file}:").split(":", 2)
        findings.append(Finding(scenario.file, int(line), int(column), "remark", text.strip()))
    return findings
