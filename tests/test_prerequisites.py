"""Tests of bench/check_prerequisites.py: what it says about machines that lack something."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

SCRIPT = Path(__file__).parents[1] / "bench" / "check_prerequisites.py"


class Machine:
    """The script on a machine of Debian's that has everything but what a test takes away."""

    def __init__(self, script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script = script
        self.monkeypatch = monkeypatch
        self.ran: list[list[str]] = []
        monkeypatch.delenv("SIPPX_APT", raising=False)
        for check in ("has_venv", "has_compiler", "has_libc_headers", "has_python_headers", "is_from_packages"):
            self.set(check, True)
        monkeypatch.setattr(script, "python_package", lambda part: f"python3-{part}")

    def set(self, check: str, value: bool) -> None:
        self.monkeypatch.setattr(self.script, check, lambda: value)

    def lacks(self, *checks: str) -> None:
        for check in checks:
            self.set(check, False)

    def allow_apt(self, *, root: bool = True, exit_code: int = 0, brings_it: bool = True) -> None:
        self.monkeypatch.setenv("SIPPX_APT", "1")
        self.monkeypatch.setattr(self.script.os, "geteuid", lambda: 0 if root else 1000)
        self.monkeypatch.setattr(self.script.shutil, "which", lambda name: f"/usr/bin/{name}")

        def run(words: list[str], **more: object) -> SimpleNamespace:
            self.ran.append(words)
            if brings_it and words[1] == "install":
                for check in ("has_venv", "has_compiler", "has_libc_headers", "has_python_headers"):
                    self.set(check, True)
            return SimpleNamespace(returncode=exit_code)

        self.monkeypatch.setattr(self.script.subprocess, "run", run)

    def problem(self) -> str | None:
        problem = self.script.problem()
        assert problem is None or isinstance(problem, str)
        return problem


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_prerequisites", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def machine(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(script, monkeypatch)


def test_nothing_is_said_where_nothing_is_missing(machine: Machine) -> None:
    assert machine.problem() is None


@pytest.mark.parametrize(
    ("check", "packages"),
    [
        ("has_venv", "python3-venv"),
        ("has_compiler", "gcc libc6-dev"),
        ("has_libc_headers", "libc6-dev"),
        ("has_python_headers", "python3-dev"),
    ],
)
def test_one_missing_part_names_its_packages(machine: Machine, check: str, packages: str) -> None:
    machine.lacks(check)
    problem = machine.problem()
    assert problem is not None and problem.endswith(f"apt-get install -y --no-install-recommends {packages}")


def test_all_missing_parts_make_one_command(machine: Machine) -> None:
    machine.lacks("has_venv", "has_compiler", "has_python_headers")
    problem = machine.problem()
    assert problem is not None
    assert problem.endswith("run: apt-get install -y --no-install-recommends python3-venv gcc python3-dev libc6-dev")
    assert "\n" not in problem


def test_old_python_is_complained_about_first(machine: Machine) -> None:
    machine.lacks("has_venv")
    machine.monkeypatch.setattr(machine.script.sys, "version_info", (3, 9, 2, "final", 0))
    problem = machine.problem()
    assert problem is not None
    assert problem.startswith("sippx needs Python 3.11 or newer") and "is 3.9.2" in problem


def test_python_from_elsewhere_is_not_mended_with_apt(machine: Machine) -> None:
    machine.lacks("has_python_headers", "is_from_packages")
    machine.allow_apt()
    problem = machine.problem()
    assert problem is not None and "Python.h" in problem and "apt-get" not in problem
    assert machine.ran == []


def test_compiler_for_a_python_from_elsewhere_comes_from_apt(machine: Machine) -> None:
    machine.lacks("has_compiler", "is_from_packages")
    problem = machine.problem()
    assert problem is not None and problem.endswith("gcc libc6-dev")


def test_root_that_allows_it_gets_the_packages_installed(machine: Machine) -> None:
    machine.lacks("has_venv", "has_python_headers")
    machine.allow_apt()
    assert machine.problem() is None
    install = ["apt-get", "install", "-y", "--no-install-recommends", "python3-venv", "python3-dev"]
    assert machine.ran == [["apt-get", "update"], install]


def test_nobody_but_root_installs(machine: Machine) -> None:
    machine.lacks("has_venv")
    machine.allow_apt(root=False)
    problem = machine.problem()
    assert problem is not None and problem.endswith("python3-venv")
    assert machine.ran == []


def test_nothing_is_installed_unasked(machine: Machine) -> None:
    machine.lacks("has_venv")
    machine.allow_apt()
    machine.monkeypatch.setenv("SIPPX_APT", "0")
    assert machine.problem() is not None
    assert machine.ran == []


def test_failed_installation_is_told_with_its_command(machine: Machine) -> None:
    machine.lacks("has_venv")
    machine.allow_apt(exit_code=100)
    assert machine.problem() == "'apt-get update' failed with exit code 100"


def test_installation_that_changes_nothing_is_told(machine: Machine) -> None:
    machine.lacks("has_venv")
    machine.allow_apt(brings_it=False)
    problem = machine.problem()
    assert problem is not None and problem.endswith("did not bring the modules venv and ensurepip")


def test_compiler_is_looked_for_by_the_name_python_was_built_with(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: "x86_64-linux-gnu-gcc -pthread")
    assert script.compiler() == "x86_64-linux-gnu-gcc"
    monkeypatch.setenv("CC", "clang -m64")
    assert script.compiler() == "clang"


def test_headers_are_looked_for_with_the_compiler(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "true")
    assert script.has_compiler() and script.has_libc_headers()
    monkeypatch.setenv("CC", "false")
    assert not script.has_libc_headers()
    monkeypatch.setenv("CC", "no-such-compiler")
    assert not script.has_compiler() and script.has_libc_headers()


def test_ensurepip_that_cannot_be_imported_is_missing(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert not script.has_venv()


def test_python_header_is_looked_for_where_extensions_find_it(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    assert not script.has_python_headers()
    (tmp_path / "Python.h").touch()
    assert script.has_python_headers()


def test_second_python_of_debian_has_packages_with_its_version(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3.11").touch()
    (tmp_path / "bin" / "python3").symlink_to("python3.11")
    monkeypatch.setattr(script, "DEBIAN_PREFIX", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python3"))
    assert script.python_package("dev") == "python3-dev"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python3.13"))
    monkeypatch.setattr(sys, "version_info", (3, 13, 0, "final", 0))
    assert script.python_package("dev") == "python3.13-dev"


def test_script_says_it_as_one_line_and_exits_1(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "CC": "no-such-compiler"}
    done = subprocess.run([sys.executable, SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert "a C compiler" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
def test_script_is_silent_on_a_machine_that_can_build() -> None:
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        pytest.skip("no Python.h on this machine")
    done = subprocess.run([sys.executable, "-I", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_script_is_syntax_that_python_3_8_reads() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 8))


def test_script_imports_the_standard_library_only() -> None:
    tree = ast.walk(ast.parse(SCRIPT.read_text()))
    names = {alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names}
    assert names <= sys.stdlib_module_names
