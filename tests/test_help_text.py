"""The generated help."""

from __future__ import annotations

import pytest

from sippx.command_line import VERBS
from sippx.help_text import WIDTH, render_help, render_verb_help
from sippx.options import ALL_OPTIONS, REFUSED_OPTIONS, OptionSpec


def test_no_line_is_longer_than_the_width() -> None:
    assert [line for line in render_help().splitlines() if len(line) > WIDTH] == []


def test_the_help_is_plain_ascii() -> None:
    assert render_help().isascii()


@pytest.mark.parametrize("spec", ALL_OPTIONS, ids=lambda spec: spec.flags[0])
def test_every_option_is_listed_with_its_argument_and_default(spec: OptionSpec) -> None:
    words = " ".join(render_help().split())
    head = spec.flags[0] if spec.is_positional else f"{', '.join(spec.flags)} {spec.argument}".rstrip()
    default = f" (default: {spec.describe_default()})" if spec.describe_default() else ""
    assert f" {head} {spec.help}{default} " in words


def test_every_refused_option_is_listed() -> None:
    listed = render_help().partition("that this version refuses:")[2].partition("Keys:")[0]
    assert listed.split() == list(REFUSED_OPTIONS)


def test_defaults_are_shown_in_their_units() -> None:
    words = " ".join(render_help().split())
    for default in ("10", "33000ms", "60s", ";", "any"):
        assert f"(default: {default})" in words


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_have_their_own_help(verb: str) -> None:
    text = render_verb_help(verb)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert f"Usage: sippx {verb} FILE" in text
    assert f"{verb}:5060" in text


def test_the_help_names_both_verbs_and_how_to_write_a_host_of_that_name() -> None:
    text = render_help()
    assert "sippx check FILE" in text
    assert "sippx show FILE" in text
    assert "check:5060" in text
