"""The built-in scenarios: their names and their text, shipped as package data."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from sippx.errors import ScenarioError
from sippx.scenario.names import nearest_hint

_NAMES = (
    *("uac", "uas", "regexp", "branchc", "branchs", "uac_pcap"),
    *("3pcc-C-A", "3pcc-C-B", "3pcc-A", "3pcc-B", "ooc_default", "ooc_dummy"),
)


def builtin_names() -> tuple[str, ...]:
    """Names that -sn and -sd accept."""
    return _NAMES


def builtin_text(name: str, *, flag: str = "-sn") -> str:
    """XML of a built-in scenario; raises ScenarioError, which names `flag`, for a name that is none."""
    if name not in _NAMES:
        hint = nearest_hint(name, _NAMES) or f"; use one of {', '.join(_NAMES)}"
        raise ScenarioError(f"no built-in scenario '{name}'{hint}", file=flag)
    return (_folder() / f"{name}.xml").read_text("utf-8")


def _folder() -> Traversable:
    """Where the XML files are: a package when sippx is installed, scenarios/ in a source tree."""
    try:
        return files("sippx.scenario.builtin_xml")
    except ModuleNotFoundError:
        return Path(__file__).parents[2] / "scenarios"
