"""What the lowest layer of the core promises: declarations and inline functions, in an order without cycles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CORE = Path(__file__).parents[1] / "sippx" / "_core"
HEADERS_IN_ORDER = ("span", "clock", "bits", "hash", "linux", "codes", "tables", "address", "message")
"""L0: each may cimport those before it only."""
WITH_OBJECTS = {"codes", "tables"}
"""L0 modules that Python imports too: enumerations and row layouts."""

CIMPORT = re.compile(r"^\s*(?:from\s+sippx\._core\.(\w+)\s+cimport|cimport\s+sippx\._core\.(\w+))", re.MULTILINE)
IMPORT = re.compile(r"^\s*(?:from\s+sippx(?:\._core)?(?:\.(\w+))?\s+import|import\s+sippx)", re.MULTILINE)


def cimported(text: str) -> set[str]:
    return {match[1] or match[2] for match in CIMPORT.finditer(text)}


@pytest.mark.parametrize("name", HEADERS_IN_ORDER)
def test_header_uses_earlier_headers_only(name: str) -> None:
    earlier = set(HEADERS_IN_ORDER[: HEADERS_IN_ORDER.index(name)])
    assert cimported((CORE / f"{name}.pxd").read_text()) <= earlier


@pytest.mark.parametrize("name", sorted(set(HEADERS_IN_ORDER) - WITH_OBJECTS))
def test_header_has_no_module_of_its_own(name: str) -> None:
    assert not (CORE / f"{name}.pyx").exists()


def test_template_parses_for_its_test_surface_only() -> None:
    text = (CORE / "template.pyx").read_text()
    product, line, surface = re.split(r"(# -+ test surface)", text)
    assert line
    assert "msg_parse" in surface
    body = re.sub(r"from sippx\._core\.\w+ cimport (?:\([^)]*\)|.*)", "", product)
    assert "msg_parse" not in body


@pytest.mark.parametrize("path", sorted(CORE.glob("*.pyx")), ids=lambda path: path.stem)
def test_core_imports_no_python_module_but_its_enumerations(path: Path) -> None:
    assert {match[1] for match in IMPORT.finditer(path.read_text())} <= {None, "codes"}
    assert "import sippx" not in path.read_text()


def test_interpreter_is_the_only_one_that_knows_steps_and_timers_of_calls() -> None:
    """The engine drives the interpreter's five entry points; it never looks at a step row."""
    text = (CORE / "engine.pyx").read_text()
    assert "step_t" not in text
    assert ".steps[" not in text
    assert "memcmp" not in text
