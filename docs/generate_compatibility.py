"""Writes the generated part of docs/compatibility.md from the tables of the scenario language.

`python docs/generate_compatibility.py`. What stands outside the two marks is written by hand and kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TREE))

from sippx._core.codes import ActionKind  # noqa: E402
from sippx.scenario.actions import ACTION_DIFFERENCES, ACTIONS, MEDIA_COMMANDS, ActionSpec  # noqa: E402
from sippx.scenario.builtin import builtin_names  # noqa: E402
from sippx.scenario.keywords import KEYWORD_DIFFERENCES, KEYWORDS, PARAMETERS, KeywordSpec  # noqa: E402
from sippx.scenario.language import (  # noqa: E402
    ATTRIBUTE_DIFFERENCES,
    ATTRIBUTES,
    ELEMENT_DIFFERENCES,
    ELEMENTS,
    ROOT,
    STEPS,
)
from sippx.scenario.model import Scenario  # noqa: E402
from sippx.scenario.pauses import DISTRIBUTIONS  # noqa: E402

BEGIN = "<!-- begin of the part that docs/generate_compatibility.py writes -->\n"
END = "<!-- end of that part -->\n"

_MEDIA = "read and checked; a run is refused: it needs media"


def generate(text: str) -> str:
    """The text of docs/compatibility.md with its generated part written anew."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError("docs/compatibility.md has lost the marks of its generated part")
    return head + BEGIN + "\n" + "\n".join(_sections()) + "\n" + END + tail


def _sections() -> Iterator[str]:
    yield "### Elements\n"
    yield from _table(("element", "what it is", "state", "difference"), _elements())
    yield "### Attributes\n"
    yield from _table(("attribute", "of", "what it is", "difference"), _attributes())
    yield "### Distributions of pauses and samples\n"
    yield from _table(
        ("distribution", "parameters"),
        ((f"`{spec.name}`", _code(parameter.name for parameter in spec.parameters)) for spec in DISTRIBUTIONS.values()),
    )
    yield "### Actions\n"
    yield from _table(("action", "attributes", "what it does", "state", "difference"), map(_action, ACTIONS.values()))
    yield "### Keywords\n"
    shown = [spec for spec in KEYWORDS.values() if spec.use != "media"]
    yield from _table(("keyword", "what it prints", "state", "difference"), map(_keyword, shown))
    media = ", ".join(f"`[{spec.name}]`" for spec in KEYWORDS.values() if spec.use == "media")
    yield f"Keywords of media streams, which are refused when the scenario is loaded: {media}.\n"
    yield "### Built-in scenarios\n"
    yield from _table(("scenario", "state"), ((f"`{name}`", _builtin_state(name)) for name in builtin_names()))


def _elements() -> Iterator[tuple[str, ...]]:
    yield f"`{ROOT}`", "the root element", "runs", ""
    for spec in ELEMENTS.values():
        yield f"`{spec.name}`", spec.meaning, "runs", ELEMENT_DIFFERENCES.get(spec.name, "")


def _attributes() -> Iterator[tuple[str, ...]]:
    for spec in ATTRIBUTES:
        elements = "all steps" if spec.elements == STEPS else _code(spec.elements)
        difference = ATTRIBUTE_DIFFERENCES.get((spec.elements[0], spec.name), "")
        yield f"`{spec.name}`", elements, spec.meaning, difference


def _action(spec: ActionSpec) -> tuple[str, ...]:
    state = _MEDIA if spec.kind == ActionKind.ACTION_MEDIA else "runs"
    if spec.name == "exec":
        state = f"runs; {_code(MEDIA_COMMANDS)}: {_MEDIA}"
    attributes = _code(dict.fromkeys(attribute.name for attribute in spec.attributes))
    return f"`{spec.name}`", attributes, spec.meaning, state, ACTION_DIFFERENCES.get(spec.name, "")


def _keyword(spec: KeywordSpec) -> tuple[str, ...]:
    suffix = {"last_": "HEADER", "field": "N", "$": "NAME"}.get(spec.name, "")
    parameters = "".join(f" {parameter.name}=" for parameter in PARAMETERS.get(spec.name, ()))
    offset = "+N" if spec.has_offset else ""
    name = f"`[{spec.name}{suffix}{offset}{parameters}]`"
    return name, spec.meaning, "runs", KEYWORD_DIFFERENCES.get(spec.name, "")


def _builtin_state(name: str) -> str:
    return _MEDIA if Scenario.builtin(name).media_uses else "runs"


def _code(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in row) + " |"
    yield ""


if __name__ == "__main__":
    path = TREE / "docs" / "compatibility.md"
    path.write_text(generate(path.read_text("utf-8")), "utf-8")
