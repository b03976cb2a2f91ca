"""Options that a scenario needs beside it: each is asked for by file and line before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .harness import Finished

Run = Callable[..., Finished]

SEND = """<send><![CDATA[
OPTIONS sip:a@b SIP/2.0
Call-ID: [call_id]
X: {}

]]></send>"""
LOOKUP = "<nop><action><lookup assign_to='a' file='users.csv' key='x'/><log message='[$a]'/></action></nop>"
INSERT = "<nop><action><insert file='users.csv' value='a;b'/></action></nop>"


def scenario(folder: Path, *elements: str) -> str:
    text = "\n".join(('<?xml version="1.0"?>', "<scenario>", *elements, SEND.format("1"), "</scenario>"))
    (folder / "test.xml").write_text(text)
    return "test.xml"


@pytest.mark.parametrize(
    ("elements", "header", "words", "says"),
    [
        ((LOOKUP,), "SEQUENTIAL", (), "test.xml:3: <lookup> needs an index of 'users.csv' (-infindex users.csv COLUMN)"),
        ((INSERT,), "SEQUENTIAL,PRINTF=3", (), "test.xml:3: nothing can be inserted into"),
        ((SEND.format("[tdmmap]"),), "SEQUENTIAL", (), "[tdmmap] needs the option -tdmmap"),
        ((LOOKUP,), "USER", ("-infindex", "users.csv", 0, "-users", 5), "has only 2 lines, yet there are 5 users"),
    ],
)
def test_what_a_scenario_needs_is_asked_for(
    sippx: Run, tmp_path: Path, elements: tuple[str, ...], header: str, words: tuple[object, ...], says: str
) -> None:
    (tmp_path / "users.csv").write_text(f"{header}\na;1\nb;2\n")
    name = scenario(tmp_path, *elements)
    assert says in sippx("-sf", name, "-inf", "users.csv", *words, "127.0.0.1:9", "-m", 1).assert_one_line_error(1)


def test_lookup_finds_its_line_with_an_index(sippx: Run, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("SEQUENTIAL\nw;1\nx;2\n")
    name = scenario(tmp_path, LOOKUP)
    words = ("-inf", "users.csv", "-infindex", "users.csv", 0, "-trace_logs", "-log_file", "out.log")
    assert sippx("-sf", name, *words, "127.0.0.1:9", "-m", 1, "-r", 100).code == 0
    assert (tmp_path / "out.log").read_text() == "1.000000\n"
