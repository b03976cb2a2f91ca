"""Tests of sippx/scenario/source.py: places, the skeleton, encodings and limits."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from sippx.errors import ScenarioError
from sippx.scenario import Scenario, source
from sippx.scenario.source import Source

PLAIN = b'<scenario name="x"><nop/></scenario>'


def test_place_counts_lines_and_characters_from_one() -> None:
    text = Source("<a>\n  é<b/>\n</a>".encode(), "f")
    assert text.place(0) == (1, 1)
    assert text.place(text.data.index(b"<b")) == (2, 4)
    assert text.place(text.data.index(b"</a")) == (3, 1)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_place_agrees_with_counting_newlines(data: bytes, offset: int) -> None:
    text = Source(b"<a/>" + data.replace(b"<", b"."), "f", encoding="ISO-8859-1")
    offset = min(offset, len(text.data))
    before = text.data[:offset]
    assert text.place(offset) == (before.count(b"\n") + 1, offset - (before.rfind(b"\n") + 1) + 1)


def test_skeleton_keeps_length_and_lines_and_blanks_comments_and_cdata() -> None:
    data = b"<a><!-- x <b>\n -- y --><![CDATA[ <c>\n]]><d/></a>"
    text = Source(data, "f")
    assert len(text.skeleton) == len(data)
    assert [i for i, b in enumerate(text.skeleton) if b == 10] == [i for i, b in enumerate(data) if b == 10]
    assert b"x" not in text.skeleton and b"<c>" not in text.skeleton and b"<d/>" in text.skeleton


def test_tags_come_in_document_order_with_their_own_cdata() -> None:
    data = b"<a><b x='1'\ty=\"2\"><![CDATA[one]]></b><c/><![CDATA[two]]></a>"
    a, b, c = Source(data, "f").tags
    assert [data[tag.offset : tag.offset + 2] for tag in (a, b, c)] == [b"<a", b"<b", b"<c"]
    assert [data[start:end] for start, end in b.cdata] == [b"one"]
    assert [data[start:end] for start, end in a.cdata] == [b"two"]
    assert data[b.name_offsets["y"]] == ord("y") and data[b.value_offsets["x"]] == ord("1")


NAMES = st.sampled_from(["scenario", "send", "b", "c-d", "é"])
ATTRIBUTES = st.dictionaries(NAMES, st.text("abc =>&;'é\n", max_size=6), max_size=3)
TEXTS = st.sampled_from(["", " ", "\n", "text", "<!-- a -- <b> -->", "<?pi <x> ?>", "<![CDATA[<e>\x01]]>"])


def _element(name: str, attributes: dict[str, str], content: str) -> str:
    parts = "".join(f' {key}="{value.replace("&", "&amp;")}"' for key, value in attributes.items())
    return f"<{name}{parts}>{content}</{name}>"


DOCUMENTS = st.recursive(
    st.builds(_element, NAMES, ATTRIBUTES, TEXTS),
    lambda inner: st.builds(
        lambda name, attributes, parts: _element(name, attributes, "".join(parts)),
        NAMES,
        ATTRIBUTES,
        st.lists(inner | TEXTS, max_size=4),
    ),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_scanner_finds_the_tags_and_attributes_that_lxml_finds(document: str) -> None:
    text = Source(document.encode(), "f")
    nodes = [node for node in etree.fromstring(text.skeleton).iter() if isinstance(node.tag, str)]
    assert [node.tag for node in nodes] == [
        text.data[tag.offset + 1 :].decode("utf-8", "replace")[: len(node.tag)]
        for tag, node in zip(text.tags, nodes, strict=True)
    ]
    for tag, node in zip(text.tags, nodes, strict=True):
        assert list(tag.name_offsets) == list(node.attrib)


@given(st.binary(max_size=300))
def test_any_bytes_are_scanned_or_refused_with_a_scenario_error(data: bytes) -> None:
    try:
        text = Source(data, "f")
    except ScenarioError:
        return
    assert len(text.skeleton) == len(text.data)


def test_byte_order_mark_of_utf8_is_skipped() -> None:
    assert Scenario.from_string(b"\xef\xbb\xbf" + PLAIN.replace(b"<nop/>", b'<recv request="A"/>')).steps


@pytest.mark.parametrize(
    "encoding",
    ["UTF-16", "UTF-16LE", "UTF-32", "EBCDIC-CP-US", "nonsense", "hex", "ISO-2022-JP", "GBK", "UTF-7"],
)
def test_encoding_that_is_no_superset_of_ascii_is_refused(encoding: str) -> None:
    with pytest.raises(ScenarioError, match="not supported"):
        Source(b'<?xml version="1.0" encoding="%s"?>' % encoding.encode() + PLAIN, "f")


def test_utf16_file_is_refused_by_name() -> None:
    with pytest.raises(ScenarioError, match="UTF-16"):
        Source(PLAIN.decode().encode("utf-16"), "f")


def test_declared_encoding_is_used_for_places() -> None:
    data = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<a é="é"/>'.encode("latin-1")
    text = Source(data, "f")
    assert text.encoding == "ISO-8859-1"
    assert text.place(data.index(b"/>")) == (2, 9)


@pytest.mark.parametrize(
    "doctype",
    [
        b'<!DOCTYPE scenario [<!ENTITY a "b">]>',
        b'<!DOCTYPE scenario SYSTEM "sipp.dtd" [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>',
        b'<!DOCTYPE scenario [ <!ENTITY a SYSTEM "file:///etc/passwd"> ]>',
        b"<!DOCTYPE scenario [<!-- nothing -->]>",
    ],
)
def test_declarations_inside_doctype_are_refused(doctype: bytes) -> None:
    with pytest.raises(ScenarioError, match="DOCTYPE") as caught:
        Scenario.from_string(doctype + PLAIN, name="f")
    assert caught.value.line == 1


def test_entity_bomb_is_refused_at_once() -> None:
    bomb = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    start = time.monotonic()
    with pytest.raises(ScenarioError):
        Scenario.from_string(f'<!DOCTYPE scenario [{bomb}]><scenario name="&a11;"/>')
    assert time.monotonic() - start < 1


def test_external_dtd_is_neither_read_nor_needed() -> None:
    text = b'<!DOCTYPE scenario SYSTEM "/does/not/exist.dtd">\n'
    assert Scenario.from_string(text + PLAIN.replace(b"<nop/>", b'<recv request="A"/>')).steps


def attribute_of(text: str) -> str:
    """What the parser sees of the only attribute of <a>."""
    skeleton = Source(f"<a {text}/>".encode(), "f").skeleton
    (value,) = etree.fromstring(skeleton).attrib.values()
    return str(value)


@pytest.mark.parametrize("text", ["&undeclared;", "&xxe;", "&amp", "&", "a && b", "&&amp", "<sip:[^>]*>", "<b/>", "<!-- "])
def test_what_xml_forbids_in_an_attribute_stands_for_itself(text: str) -> None:
    assert attribute_of(f'x="{text}"') == text
    assert attribute_of(f"x='{text}'") == text


@given(st.text("<>&;'/= \tlgtamp#", max_size=12))
def test_any_text_may_stand_between_quotes(text: str) -> None:
    known = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
    expected = re.sub("&(?:amp|lt|gt);", lambda match: known[match[0]], text).replace("\t", " ")
    assert attribute_of(f'x="{text}"') == expected


def test_attributes_need_no_space_between() -> None:
    (tag,) = Source(b"<a x=\"1\"y='2' z=\"3\"/>", "f").tags
    assert list(tag.name_offsets) == ["x", "y", "z"]
    assert dict(etree.fromstring(Source(b"<a x=\"1\"y='2'/>", "f").skeleton).attrib) == {"x": "1", "y": "2"}


def test_respelled_tags_keep_the_lines_behind_them() -> None:
    with pytest.raises(ScenarioError, match="invalid XML") as caught:
        Scenario.from_string('<scenario>\n<nop\n display="<&"\n crlf="1"crlf="2"\n/>\n<nop></recv></scenario>')
    assert caught.value.line == 6


@pytest.mark.parametrize("declaration", ['<?xml encoding="UTF-8"?>', "<?xml?>", '<?xml version="9"?>'])
def test_declaration_needs_no_version(declaration: str) -> None:
    assert Scenario.from_string(declaration.encode() + b'<scenario><recv request="A"/></scenario>').steps


@pytest.mark.parametrize("encoding", ["us-ascii", "UTF-8"])
def test_text_that_is_not_in_its_encoding_is_taken_as_latin_1_with_a_warning(encoding: str) -> None:
    data = f'<?xml version="1.0" encoding="{encoding}"?>\n'.encode()
    scenario = Scenario.from_string(data + b'<scenario name="\xe9"><recv request="A"/></scenario>', name="t.xml")
    assert scenario.description == "\u00e9"
    assert scenario.warnings == (f"t.xml:2:17: no {encoding} text, as the file says it is: taken as ISO-8859-1",)


def test_nesting_is_bounded() -> None:
    depth = source.MAX_DEPTH
    Source(b"<a>" * depth + b"</a>" * depth, "f")
    with pytest.raises(ScenarioError, match="deeper"):
        Source(b"<a>" * (depth + 1) + b"</a>" * (depth + 1), "f")


def test_size_is_bounded() -> None:
    with pytest.raises(ScenarioError, match="16 MiB"):
        Source(b" " * (source.MAX_BYTES + 1), "f")


def test_number_of_elements_is_bounded() -> None:
    with pytest.raises(ScenarioError, match="elements"):
        Source(b"<a>" + b"<b/>" * source.MAX_ELEMENTS + b"</a>", "f")
