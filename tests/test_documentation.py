"""Documents that are generated from the code's tables: up to date, and nothing is missing."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from sippx.options import ALL_OPTIONS
from sippx.report.metrics import METRICS
from sippx.report.watchdog import KINDS
from sippx.scenario import builtin_names
from sippx.scenario.actions import ACTION_DIFFERENCES, ACTIONS
from sippx.scenario.keywords import KEYWORD_DIFFERENCES, KEYWORDS
from sippx.scenario.language import (
    ATTRIBUTE_DIFFERENCES,
    ATTRIBUTES,
    ELEMENT_DIFFERENCES,
    ELEMENTS,
)
from sippx.scenario.lint_checks import CHECKS
from sippx.scenario.pauses import DISTRIBUTIONS

DOCS = Path(__file__).parents[1] / "docs"
COMPATIBILITY = (DOCS / "compatibility.md").read_text("utf-8")


def generator(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(section: str) -> list[list[str]]:
    """Cells of the table below a heading of docs/compatibility.md."""
    text = COMPATIBILITY.partition(f"### {section}\n")[2].partition("\n#")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def names(section: str) -> set[str]:
    return {row[0].strip("`") for row in rows(section)}


def test_compatibility_is_generated_from_the_tables() -> None:
    assert generator("generate_compatibility").generate(COMPATIBILITY) == COMPATIBILITY, "run: make docs"


def test_generating_keeps_what_was_written_by_hand() -> None:
    module = generator("generate_compatibility")
    text = module.generate(f"before\n{module.BEGIN}old\n{module.END}behind\n")
    assert text.startswith(f"before\n{module.BEGIN}")
    assert text.endswith(f"{module.END}behind\n")
    assert "old\n" not in text


def test_a_document_without_marks_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="marks"):
        generator("generate_compatibility").generate("text")


@pytest.mark.parametrize("name", ["scenario", *ELEMENTS])
def test_every_element_is_documented(name: str) -> None:
    assert name in names("Elements")


@pytest.mark.parametrize("spec", ATTRIBUTES, ids=lambda spec: f"{spec.elements[0]}-{spec.name}")
def test_every_attribute_is_documented(spec: object) -> None:
    found = [row for row in rows("Attributes") if row[0] == f"`{spec.name}`"]  # type: ignore[attr-defined]
    assert spec.meaning in {row[2] for row in found}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_is_documented(name: str) -> None:
    assert name in names("Actions")


@pytest.mark.parametrize("name", KEYWORDS)
def test_every_keyword_is_documented(name: str) -> None:
    assert f"`[{name}" in COMPATIBILITY


def test_every_distribution_and_built_in_scenario_is_documented() -> None:
    assert names("Distributions of pauses and samples") == set(DISTRIBUTIONS)
    assert names("Built-in scenarios") == set(builtin_names())


def test_what_a_run_refuses_says_so() -> None:
    refused = {row[0].strip("`") for row in rows("Elements") if "refused" in row[2]}
    assert refused == set()
    assert {row[0].strip("`") for row in rows("Actions") if "refused" in row[3]} == {"exec", "rtp_echo"}


def test_differences_are_of_what_exists() -> None:
    assert set(ELEMENT_DIFFERENCES) <= set(ELEMENTS)
    assert set(ATTRIBUTE_DIFFERENCES) <= {(spec.elements[0], spec.name) for spec in ATTRIBUTES}
    assert set(ACTION_DIFFERENCES) <= set(ACTIONS)
    assert set(KEYWORD_DIFFERENCES) <= set(KEYWORDS)


def test_checks_are_generated_from_the_table() -> None:
    text = (DOCS / "checks.md").read_text("utf-8")
    assert text == generator("generate_checks").generate(), "run: make docs"
    assert [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")] == list(CHECKS)


def test_metrics_are_generated_from_the_table() -> None:
    text = (DOCS / "results.md").read_text("utf-8")
    assert generator("generate_results").generate(text) == text, "run: make docs"
    for name in METRICS:
        assert f"| `{name}` |" in text


def test_every_field_of_the_result_and_every_finding_is_documented() -> None:
    text = (DOCS / "results.md").read_text("utf-8")
    schema = json.loads((DOCS.parent / "sippx" / "report" / "result.schema.json").read_text("utf-8"))
    for name in (*schema["properties"], *KINDS):
        assert f"`{name}`" in text, name


# ---- the manual page -------------------------------------------------------------------------------------

MAN_PAGE = DOCS / "sippx.1"


def test_the_manual_page_is_generated_from_the_option_table() -> None:
    assert MAN_PAGE.read_text("utf-8") == generator("generate_man").generate(), "run: make docs"


@pytest.mark.parametrize("command", [["groff", "-man", "-ww", "-Tutf8"], ["mandoc", "-T", "lint", "-W", "warning"]])
def test_nothing_is_wrong_with_the_manual_page(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    done = subprocess.run([*command, str(MAN_PAGE)], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert command[0] == "groff" or done.stdout == ""


@pytest.mark.parametrize("name", [spec.flags[0] for spec in ALL_OPTIONS])
def test_every_option_is_in_the_manual_page(name: str) -> None:
    assert rf"{name}\fR".replace("-", r"\-") in MAN_PAGE.read_text("utf-8")


def test_the_wheel_has_the_manual_page_where_man_looks_for_it() -> None:
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["setuptools"]["data-files"] == {"share/man/man1": ["docs/sippx.1"]}


def test_every_document_is_linked_from_the_readme() -> None:
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    assert [path.name for path in sorted(DOCS.glob("*.md")) if f"(docs/{path.name})" not in readme] == []


@pytest.mark.parametrize("path", [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda path: path.name)
def test_links_in_documents_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target
