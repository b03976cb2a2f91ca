"""Scenario XML to compiled program: load a Scenario, compile it with Bindings into a ProgramSpec."""

from __future__ import annotations

from sippx.scenario.bindings import Bindings
from sippx.scenario.builtin import builtin_names, builtin_text
from sippx.scenario.compiler import ProgramSpec, compile_scenario, shared_globals
from sippx.scenario.listing import list_program
from sippx.scenario.loader import load_builtin, load_file, load_string
from sippx.scenario.model import Scenario

__all__ = [
    "Bindings",
    "ProgramSpec",
    "Scenario",
    "builtin_names",
    "builtin_text",
    "compile_scenario",
    "list_program",
    "load_builtin",
    "load_file",
    "load_string",
    "shared_globals",
]
