"""The layers of docs/architecture.md, held against the imports and cimports of every file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "sippx"

CORE_LEVELS = [
    # L0: declarations and inline functions only
    {"codes", "tables", "span", "clock", "bits", "hash", "linux", "address", "message"},
    # L1: leaves; those that use another one are named in PEERS
    {
        "parser", "template", "wheel", "outbox", "udp", "stats", "ring", "blocks", "injection", "regex", "pattern",
        "libcrypto", "milenage", "challenge", "digest", "variables", "sample", "tracelog",
        "stream", "websocket", "upgrade", "libssl", "tlscontext", "tls", "targets",
        "addressing",
    },
    # L2
    {"program", "calls", "connection"},
    {"dial", "sendqueue", "streamsettings"},
    {"reception"},
    {"connections"},
    {"connectiontable"},
    {"runtime", "datagrams"},
    {"expand", "figures"},
    {"actions", "dialog"},
    {"bookkeeping"},
    {"matching", "sending"},
    {"endings"},
    {"interp"},
    {"state"},
    {"pacing", "intake"},
    {"streams", "attaching", "twins"},
    {"transport"},
    {"loop"},
    {"engine"},
]
LEVEL = {module: level for level, modules in enumerate(CORE_LEVELS) for module in modules}
PEERS = {
    ("udp", "outbox"), ("template", "parser"), ("regex", "pattern"), ("milenage", "libcrypto"),
    ("challenge", "libcrypto"), ("digest", "libcrypto"), ("digest", "milenage"), ("digest", "challenge"),
    ("variables", "blocks"), ("tracelog", "ring"), ("upgrade", "libcrypto"),
    ("tlscontext", "libssl"), ("tls", "libssl"), ("tls", "tlscontext"),
}  # fmt: skip
"""L1 modules that may use another one."""

PYTHON_RULES = {
    # package or module -> prefixes below sippx it may import
    "errors": set(),
    "twins": {"addresses", "errors"},
    "transports": set(),
    "option_types": {"errors", "transports"},
    "options": {"errors", "option_types", "options", "transports"},
    "help_text": {"options", "option_types", "help_tables", "report.metrics", "report.stat_help"},
    "command_line": {"errors", "options", "option_types"},
    "addresses": {"errors"},
    "resolver": {"addresses", "errors"},
    "sockets": {"addresses", "errors"},
    "descriptors": {"errors"},
    "sctp": {"sockets"},
    "rate": {"errors", "option_types"},
    "control": {"addresses", "control", "errors", "option_types"},
    "commands": set(),
    "injection": {"errors"},
    "scenario": {"scenario", "errors", "_core.codes", "_core.regex", "_core.tables", "transports"},
    "report": {"report", "errors"},
    "result": {"errors", "report"},
    "runner": {
        "_core", "addresses", "commands", "control", "descriptors", "errors", "injection", "options", "plugins", "rate",
        "report", "resolver", "result", "runner", "scenario", "sctp", "sockets", "transports", "twins",
    },
    "cli": {"command_line", "completion", "errors", "options", "help_text", "plugins", "runner", "scenario"},
    "__main__": {"cli"},
    "__init__": {"options", "result", "runner", "scenario"},
    "help_tables": {"control"},
    "completion": {"command_line", "option_types", "options", "scenario.builtin", "transports"},
    "plugins": {"errors", "options", "report", "result"},
}  # fmt: skip


def cimports(path: Path) -> set[str]:
    return set(re.findall(r"^from sippx\._core\.(\w+) cimport", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", sorted([*ROOT.glob("_core/*.pyx"), *ROOT.glob("_core/*.pxd")]), ids=lambda p: p.name)
def test_core_modules_use_lower_levels_only(path: Path) -> None:
    if path.stem == "__init__":
        return
    for used in cimports(path):
        allowed = LEVEL[used] < LEVEL[path.stem] or LEVEL[path.stem] == 0 or (path.stem, used) in PEERS
        assert allowed or used == path.stem, f"{path.name} cimports {used}"


@pytest.mark.parametrize("path", sorted(path for path in ROOT.rglob("*.py") if "_core" not in path.parts), ids=str)
def test_python_modules_keep_to_their_layer(path: Path) -> None:
    owner = path.relative_to(ROOT).parts[0].removesuffix(".py")
    pattern = re.compile(r"^\s*(?:from sippx(?:\.([\w.]+))? import (\w+)|import sippx\.([\w.]+))", re.MULTILINE)
    for match in pattern.finditer(path.read_text()):
        module = match[1] or match[3] or match[2]
        if match[1] in (None, "_core") and match[2]:
            module = f"{match[1]}.{match[2]}" if match[1] else match[2]
        if module == "__version__":
            continue
        allowed = any(module == rule or module.startswith(rule + ".") for rule in PYTHON_RULES[owner])
        assert allowed, f"{path.relative_to(ROOT)} imports {module}"


def test_every_core_module_has_a_level() -> None:
    modules = {path.stem for path in ROOT.glob("_core/*.p[xy][dx]")} - {"__init__"}
    assert modules == set(LEVEL)
