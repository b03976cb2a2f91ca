"""The option table and the checks of Options."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import pickle
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sippx.errors import UsageError
from sippx.option_types import FLOAT
from sippx.options import (
    ALL_OPTIONS,
    FIELD_OPTIONS,
    REFUSED_OPTIONS,
    Options,
    OptionSpec,
    find_option,
)

ROOT = Path(__file__).parents[1]
BOUNDED = [spec for spec in FIELD_OPTIONS if spec.minimum is not None]


def options_with(spec: OptionSpec, value: Any) -> Options:
    values: dict[str, Any] = {spec.field: value}
    return Options(**values)


def test_every_field_has_an_option() -> None:
    assert [spec.field for spec in FIELD_OPTIONS] == [item.name for item in dataclasses.fields(Options)]


def test_every_option_name_is_declared_once() -> None:
    names = Counter(name for spec in ALL_OPTIONS for name in spec.names)
    names.update(flag.lstrip("-") for flag in REFUSED_OPTIONS)
    assert [name for name, n_uses in names.items() if n_uses > 1] == []


def test_defaults_are_allowed_values() -> None:
    options = Options()
    for spec in FIELD_OPTIONS:
        assert getattr(options, spec.field) == spec.default


@pytest.mark.parametrize("spec", BOUNDED, ids=lambda spec: spec.field)
def test_the_ends_of_a_range_are_allowed(spec: OptionSpec) -> None:
    for bound in (spec.minimum, spec.maximum):
        assert getattr(options_with(spec, bound), spec.field) == bound


@pytest.mark.parametrize("spec", BOUNDED, ids=lambda spec: spec.field)
def test_values_beyond_a_range_are_refused_with_what_is_allowed(spec: OptionSpec) -> None:
    assert spec.minimum is not None and spec.maximum is not None
    names = re.escape(f"{spec.field} ({spec.flags[0]})")
    for value in (spec.minimum - 1, spec.maximum * 2 + 1):
        with pytest.raises(UsageError, match=f"{names}: .* is not allowed, use {spec.minimum} to "):
            options_with(spec, value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    for spec in FIELD_OPTIONS:
        if spec.type is FLOAT:
            with pytest.raises(UsageError, match=rf"{spec.field} .* is not allowed"):
                options_with(spec, value)


@pytest.mark.parametrize("spec", FIELD_OPTIONS, ids=lambda spec: spec.field)
def test_a_value_of_a_wrong_type_is_refused(spec: OptionSpec) -> None:
    with pytest.raises(UsageError, match=re.escape(f"{spec.field} ({spec.flags[0]}): b'x' is not ")):
        options_with(spec, b"x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"local_port": True},
        {"local_port": 5060.5},
        {"rate": "10"},
        {"rate": True},
        {"keys": {"a": 1}},
        {"default_behaviors": "all"},
    ],
    ids=str,
)
def test_values_that_only_resemble_the_type_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=" is not "):
        Options(**wrong)


def test_none_is_refused_where_there_is_a_default() -> None:
    with pytest.raises(UsageError, match=r"rate \(-r\): None is not a number"):
        Options(rate=None)  # type: ignore[arg-type]


def test_an_integer_rate_becomes_a_float() -> None:
    assert isinstance(Options(rate=5).rate, float)


def test_keys_do_not_follow_the_mapping_they_were_made_from() -> None:
    given = {"a": "1"}
    options = Options(keys=given)
    given["b"] = "2"
    assert options.keys == {"a": "1"}


def test_unknown_default_behaviors_are_refused_in_a_set_as_well() -> None:
    assert Options(default_behaviors=frozenset()).default_behaviors == frozenset()
    with pytest.raises(UsageError, match="unknown default behavior 'zork'"):
        Options(default_behaviors=frozenset({"bye", "zork"}))


def test_a_file_and_a_built_in_scenario_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="only one scenario"):
        Options(scenario_file="a.xml", scenario_name="uac")


def test_options_are_frozen_comparable_hashable_and_can_be_pickled() -> None:
    options = Options(rate=5, keys={"a": "b"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.rate = 6.0  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(options)) == options
    assert hash(dataclasses.replace(options, rate=5.0)) == hash(options)


def test_replacing_a_value_checks_it_again() -> None:
    with pytest.raises(UsageError, match="rate_period_ms"):
        dataclasses.replace(Options(), rate_period_ms=0)


@pytest.mark.parametrize("spec", ALL_OPTIONS, ids=lambda spec: spec.flags[0])
def test_every_name_is_found_with_one_dash_and_with_two(spec: OptionSpec) -> None:
    for name in () if spec.is_positional else spec.names:
        assert find_option(f"-{name}") is spec
        assert find_option(f"--{name}") is spec


@pytest.mark.parametrize("flag", REFUSED_OPTIONS)
def test_an_option_that_only_sipp_has_is_refused_by_name(flag: str) -> None:
    for word in (flag, f"-{flag}"):
        with pytest.raises(UsageError, match=f"^{flag} is a SIPp option that needs .*, which this "):
            find_option(word)


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("-trace_mgs", "-trace_msg"), ("-TRACE_ERR", "-trace_err"), ("--nogso", "--no-gso"), ("-trace_rt", "-trace_rtt"), ("-max_retran", "-max_retrans")],
)
def test_an_unknown_option_names_the_nearest_known_one(word: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=f"unknown option '{word}'; the nearest known one is {nearest} "):
        find_option(word)


def test_an_unknown_option_that_resembles_none_is_not_compared() -> None:
    with pytest.raises(UsageError, match="unknown option '-zork'; 'sippx -h' lists all"):
        find_option("-zork")


@pytest.mark.parametrize("word", ["-", "--", "---m", "-zork", "-m5", "-M"])
def test_words_that_sipp_does_not_know_are_unknown(word: str) -> None:
    with pytest.raises(UsageError, match=f"unknown option '{word}'"):
        find_option(word)


def test_a_value_behind_an_equals_sign_is_explained() -> None:
    with pytest.raises(UsageError, match="'-m=5'; the value must be a word of its own, behind '-m'"):
        find_option("-m=5")


@pytest.mark.interop
def test_every_option_in_the_help_of_the_real_sipp_is_known() -> None:
    if shutil.which("sipp") is None:
        pytest.skip("needs the real sipp (Debian package sip-tester)")
    sipp_help = subprocess.run(["sipp", "-h"], capture_output=True, text=True, timeout=20, check=False).stdout
    flags = re.findall(r"^   (-[a-zA-Z3]\w*)\s*:", sipp_help, re.MULTILINE)
    assert len(flags) > 100
    known = {f"-{name}" for spec in ALL_OPTIONS for name in spec.names} | set(REFUSED_OPTIONS)
    assert [flag for flag in flags if flag not in known] == []


def test_the_documentation_is_generated_from_the_table() -> None:
    path = ROOT / "docs" / "generate_options.py"
    spec = importlib.util.spec_from_file_location("generate_options", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "docs" / "options.md").read_text("utf-8")
    assert text == module.generate(), "run: python docs/generate_options.py"
