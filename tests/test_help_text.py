"""The generated help."""

from __future__ import annotations

import pytest

from sippx import help_tables
from sippx.command_line import VERBS
from sippx.control import COMMAND_OF_KEY
from sippx.help_text import WIDTH, render_help, render_topic, render_verb_help
from sippx.options import ALL_OPTIONS, REFUSED_OPTIONS, OptionSpec
from sippx.options.spec import GROUPS
from sippx.report.flow import Measures
from sippx.report.metrics import METRICS
from sippx.report.stat_help import STATISTICS
from sippx.report.statfile import columns


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
    assert f"Usage: sippx {verb} " in text
    assert f"{verb}:5060" in text


def test_the_help_names_all_verbs_and_how_to_write_a_host_of_that_name() -> None:
    text = render_help()
    for verb in VERBS:
        assert f"       sippx {verb} " in text
    assert "check:5060" in text


# ---- topics ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ALL_OPTIONS, ids=lambda spec: spec.flags[0])
def test_an_option_is_a_topic_however_it_is_written(spec: OptionSpec) -> None:
    if spec.is_positional:
        return
    for name in spec.names:
        text = render_topic(name)
        assert text is not None
        assert spec.help in " ".join(text.split())
        assert spec.group in text
        assert render_topic(f"-{name}") == render_topic(f"--{name}") == text


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_a_topic_and_shows_what_the_whole_help_has(group: str) -> None:
    text = render_topic(group)
    assert text is not None
    assert f"\n{group}:" in text
    assert text.strip("\n") in render_help()


@pytest.mark.parametrize(("word", "group"), [("tracing", "Tracing and statistics"), ("Rate", "Call rate")])
def test_a_word_of_a_group_is_enough(word: str, group: str) -> None:
    assert render_topic(word) == render_topic(group)


def test_a_word_of_two_groups_shows_both() -> None:
    text = render_topic("behavior")
    assert text is not None and "\nOverall behavior:" in text and "\nCall behavior:" in text


def test_a_refused_option_is_a_topic() -> None:
    assert "-mb is an option of SIPp that needs media" in (render_topic("-mb") or "")


@pytest.mark.parametrize("word", ["zork", "and", "", "-zork"])
def test_other_words_are_no_topic(word: str) -> None:
    assert render_topic(word) is None


@pytest.mark.parametrize("word", ["stat", "keys", "thresholds", "r", "tracing", "mb"])
def test_topics_are_ascii_and_fit_the_width(word: str) -> None:
    text = render_topic(word)
    assert text is not None and text.isascii() and text.endswith("\n") and not text.endswith("\n\n")
    assert [line for line in text.splitlines() if len(line) > WIDTH] == []


def test_every_column_of_the_statistics_file_is_explained_in_its_order() -> None:
    measures = Measures(("NAME",), ("1",), ((5,),), (5,))
    names = dict.fromkeys(name.removesuffix("(P)").removesuffix("(C)") for name in columns(measures))
    names = {name: None for name in names if "Repartition" not in name or "_" not in name}
    explained = [name.partition(",")[0].replace("CounterN", "Counter1") for name, _ in STATISTICS]
    assert explained == list(names)
    for name, _ in STATISTICS:
        assert f"\n  {name}\n" in (render_topic("stat") or "")


def test_every_key_is_explained() -> None:
    assert {name for name, _ in help_tables.KEYS} == {*COMMAND_OF_KEY, "c"}


def test_every_metric_is_in_the_help_on_thresholds() -> None:
    text = render_topic("thresholds") or ""
    for spec in METRICS.values():
        assert f"\n  {spec.name}" in text
        assert spec.meaning in " ".join(text.split())
