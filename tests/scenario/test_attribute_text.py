"""Tests of sippx/scenario/attribute_text.py: the layers of escapes behind XML's own."""

from __future__ import annotations

import pytest

from sippx.scenario.attribute_text import string_text, without_escapes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"a\\b", "a\\b"),
        (r"\"", '"'),
        (r"a\nb\rc\td", "a\nb\rc\td"),
        (r"\.", r"\."),
        (r"\\.", r"\."),
        (r"\x41", r"\x41"),
        (r"\\n", r"\n"),
        ("\\", "\\"),
        ("&lt;", "&lt;"),
    ],
)
def test_backslash_escapes(text: str, expected: str) -> None:
    assert without_escapes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("&lt;&gt;&quot;&amp;", '<>"&'),
        ("&amp;lt;", "&lt;"),
        ("&apos;&#65;&", "&apos;&#65;&"),
        (r"\\&quot;", '\\"'),
    ],
)
def test_entities_are_decoded_once_behind_the_escapes(text: str, expected: str) -> None:
    assert string_text(text) == expected
