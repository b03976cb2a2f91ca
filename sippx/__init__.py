"""sippx, a SIP load tester: `from sippx import Scenario, Options, run`. The names are imported when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sippx.options import Options
    from sippx.runner import Result, run
    from sippx.scenario import Scenario

__version__ = "0.1.0"
__all__ = ["Options", "Result", "Scenario", "__version__", "run"]

_MODULE_OF_NAME = {
    "Options": "sippx.options",
    "Result": "sippx.runner",
    "Scenario": "sippx.scenario",
    "run": "sippx.runner",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module 'sippx' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULE_OF_NAME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
