"""Tests that each compiled module's .pyi names exactly what Python sees of it, with the same parameters."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CORE = Path(__file__).parents[2] / "sippx" / "_core"
MODULES = sorted(path.stem for path in CORE.glob("*.pyx"))
BY_THE_COMPILER = {"__new__", "__doc__", "__reduce__", "__setstate__", "__pyx_vtable__", "__test__"}
UNKNOWN = object()
"""Stands for a default that the stub leaves open."""

Function = ast.FunctionDef
Parameters = dict[str, tuple[str, object]]
"""Name -> (kind, default); inspect.Parameter.empty where there is no default."""


@cache
def stub(name: str) -> ast.Module:
    return ast.parse((CORE / f"{name}.pyi").read_text())


@cache
def source(name: str) -> str:
    return (CORE / f"{name}.pyx").read_text()


def compiled(name: str) -> ModuleType:
    return importlib.import_module(f"sippx._core.{name}")


def is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name not in BY_THE_COMPILER)


def defined_in(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """Public names that a stub's module or class body defines."""
    names: dict[str, ast.stmt] = {}
    for node in body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names[name] = node
            case ast.AnnAssign(target=ast.Name(id=name)):
                names[name] = node
            case ast.Assign(targets=[ast.Name(id=name)]):
                names[name] = node
    return {name: node for name, node in names.items() if is_public(name)}


def public_of_module(module: ModuleType) -> dict[str, Any]:
    """What the module defines: neither what it imports nor what the compiler adds."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and getattr(value, "__module__", module.__name__) in (module.__name__, None)
    }


def public_of_class(class_: type) -> set[str]:
    # a constructor is __cinit__, which Python does not see
    return {name for name in vars(class_) if is_public(name)} | {"__init__"}


def stub_parameters(function: Function) -> Parameters:
    arguments = function.args
    assert arguments.vararg is None and arguments.kwarg is None, function.name
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    pairs = [("positional", *pair) for pair in zip(positional, defaults, strict=True)]
    pairs += [("keyword", *pair) for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return {argument.arg: (kind, stub_default(default)) for kind, argument, default in pairs}


def stub_default(node: ast.expr | None) -> object:
    if node is None:
        return inspect.Parameter.empty
    value = ast.literal_eval(node)
    return UNKNOWN if value is ... else value


def compiled_parameters(function: Any) -> Parameters:
    kinds: dict[object, str] = {
        inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
        inspect.Parameter.KEYWORD_ONLY: "keyword",
    }
    signature = inspect.signature(function)
    return {name: (kinds[p.kind], p.default) for name, p in signature.parameters.items()}


def constructor_parameters(module: str, class_: str) -> Parameters:
    """Parameters of a class's __cinit__ as its .pyx writes them: inspect cannot see them."""
    body = source(module).partition(f"cdef class {class_}:\n")[2]
    header = re.search(r"    def __cinit__\((.*?)\):\n", body, re.DOTALL)
    assert header is not None, f"{module}.{class_} has no __cinit__"
    parameters: Parameters = {}
    kind = "positional"
    for text in header.group(1).split(","):
        declaration, _, default = text.partition("=")
        name = declaration.removesuffix(" not None").split()[-1]
        if name == "*":
            kind = "keyword"
        else:
            parameters[name] = (kind, UNKNOWN if default else inspect.Parameter.empty)
    return parameters


def assert_same_parameters(where: str, written: Parameters, real: Parameters) -> None:
    assert [(n, kind) for n, (kind, _) in written.items()] == [(n, kind) for n, (kind, _) in real.items()], where
    for name, (_, default) in written.items():
        expected = real[name][1]
        empty = inspect.Parameter.empty
        assert (default is empty) == (expected is empty), f"{where}: default of {name}"
        if default is not UNKNOWN and expected is not UNKNOWN:
            assert default == expected and type(default) is type(expected), f"{where}: default of {name}"


def functions_in(body: list[ast.stmt]) -> Iterator[Function]:
    """Functions of a stub body that are not properties."""
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            yield node


def classes_in(name: str) -> list[ast.ClassDef]:
    """Public classes of a stub, enumerations apart (the stub of codes has a test of its own)."""
    classes = [node for node in stub(name).body if isinstance(node, ast.ClassDef) and is_public(node.name)]
    return [node for node in classes if not any(ast.unparse(base) in ("IntEnum", "IntFlag") for base in node.bases)]


@pytest.mark.parametrize("name", MODULES)
def test_stub_says_in_its_first_line_what_it_types(name: str) -> None:
    assert (ast.get_docstring(stub(name)) or "").startswith("Typed view of ")


@pytest.mark.parametrize("name", MODULES)
def test_stub_names_what_the_module_defines(name: str) -> None:
    assert set(defined_in(stub(name).body)) == set(public_of_module(compiled(name)))


@pytest.mark.parametrize("name", MODULES)
def test_stub_classes_have_the_attributes_of_the_compiled_ones(name: str) -> None:
    for class_ in classes_in(name):
        assert set(defined_in(class_.body)) == public_of_class(getattr(compiled(name), class_.name)), class_.name


@pytest.mark.parametrize("name", MODULES)
def test_stub_calls_a_property_what_is_one(name: str) -> None:
    for class_ in classes_in(name):
        members = vars(getattr(compiled(name), class_.name))
        properties = {n for n, value in members.items() if inspect.isgetsetdescriptor(value) and is_public(n)}
        written = {
            node.name
            for node in class_.body
            if isinstance(node, ast.FunctionDef) and [ast.unparse(d) for d in node.decorator_list] == ["property"]
        }
        assert written == properties, class_.name


@pytest.mark.parametrize("name", MODULES)
def test_stub_functions_have_the_parameters_of_the_compiled_ones(name: str) -> None:
    module = compiled(name)
    for function in functions_in(stub(name).body):
        real = compiled_parameters(getattr(module, function.name))
        assert_same_parameters(f"{name}.{function.name}", stub_parameters(function), real)
    for class_ in classes_in(name):
        for method in functions_in(class_.body):
            where = f"{name}.{class_.name}.{method.name}"
            if method.name == "__init__":
                real = constructor_parameters(name, class_.name)
            elif method.name.startswith("__"):
                continue  # a slot of the type: its parameters are Python's own
            else:
                real = compiled_parameters(getattr(getattr(module, class_.name), method.name))
            assert_same_parameters(where, stub_parameters(method), real)


@pytest.mark.parametrize("name", MODULES)
def test_stub_annotates_everything(name: str) -> None:
    for node in ast.walk(stub(name)):
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            bare = [argument.arg for argument in arguments if argument.annotation is None and argument.arg != "self"]
            assert not bare and node.returns is not None, node.name
