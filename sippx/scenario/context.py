"""What the readers of a scenario's parts share: its source, its names so far, its warnings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sippx.errors import ScenarioError
from sippx.scenario.element import Element
from sippx.scenario.message_text import misplaced_authentication, read_template
from sippx.scenario.model import Template, Variable
from sippx.scenario.regex_check import regex_error
from sippx.scenario.source import Source, Tag
from sippx.scenario.template_text import Scope, keywords_of, parse_template
from sippx.scenario.transactions import TransactionTable
from sippx.scenario.variables import VariableTable

MAX_REGEXP_BYTES = 65_535


class Context:
    """One document while it is read; numbering of all names follows the order of the document."""

    def __init__(
        self, source: Source, keys: Collection[str], injection_names: Sequence[str], default_injection: str = ""
    ) -> None:
        self.source = source
        self.keys = frozenset(keys)
        self.injection_names = tuple(injection_names)
        self.warnings: list[str] = []
        self.variables = VariableTable(source, self.warn_at)
        self.transactions = TransactionTable()
        self.media_uses: list[tuple[int, str]] = []
        self.rtds: dict[str, tuple[int, ...]] = {}
        self.started_rtds: dict[str, Element] = {}
        self.stopped_rtds: set[str] = set()
        self.counters: dict[str, None] = {}
        self.tag_of: dict[Any, Tag] = {}
        self._scope = Scope(
            keys=self.keys,
            injection_names=self.injection_names,
            default_injection=default_injection,
            variable=self._keyword_variable,
            fail=source.error,
            warn=self.warn_at,
            place=source.place,
        )

    def element(self, node: Any) -> Element:
        """An XML node with its place."""
        return Element(self.source, node, self.tag_of[node])

    def warn(self, element: Element, message: str, attribute: str | None = None) -> None:
        """Take a remark about the value of an attribute, or an element."""
        self.warnings.append(f"{element.place(attribute)}: {message}")

    def warn_name(self, element: Element, attribute: str, message: str) -> None:
        """Take a remark about an attribute."""
        self.warn_at(element.tag.name_offsets.get(attribute, element.tag.offset), message)

    def warn_at(self, offset: int, message: str) -> None:
        """Take a remark about a place of the source."""
        line, column = self.source.place(offset)
        self.warnings.append(f"{self.source.file}:{line}:{column}: {message}")

    def drop_unknown(self, element: Element, attribute: str, hint: str) -> None:
        """Remove an attribute nobody knows, as SIPp does; one that is like a known one is a misspelling, refused."""
        message = f"unknown attribute '{attribute}' of <{element.name}>"
        if hint:
            element.fail_name(attribute, message + hint)
        self.warn_name(element, attribute, f"{message} is ignored")
        del element.node.attrib[attribute]

    # -- variables and texts --------------------------------------------------------------------------

    def variable(self, element: Element, attribute: str) -> Variable | None:
        """The variable that an attribute names, None without the attribute."""
        name = element.get(attribute)
        return None if name is None else self.variables.mention(name, element.offset(attribute))

    def regexp(self, element: Element, attribute: str) -> bytes:
        """The regular expression in an attribute, checked."""
        pattern = element.bytes_of(attribute) or b""
        if len(pattern) > MAX_REGEXP_BYTES:
            element.fail(f"a regular expression has at most {MAX_REGEXP_BYTES} bytes", attribute)
        error = regex_error(pattern)
        if error is not None:
            element.fail(f"'{pattern.decode('utf-8', 'replace')}' is no regular expression: {error}", attribute)
        return pattern

    def attribute_template(self, element: Element, attribute: str) -> Template:
        """The template in an attribute of an action."""
        is_string = attribute != "command"  # as SIPp has it: a shell may need its &amp; itself
        text = element.bytes_of(attribute, is_string=is_string) or b""
        template = parse_template(text, self._scope.moved([element.offset(attribute)]))
        if any(keyword.name == "authentication" for keyword in keywords_of(template)):
            element.fail("[authentication] can stand in the headers of a message only", attribute)
        return template

    def message_template(self, element: Element, *, keep_last_line_end: bool) -> Template:
        """The template in the first CDATA section of an element."""
        if not element.tag.cdata:
            element.fail(f"<{element.name}> needs its message text in a <![CDATA[ ... ]]> section")
        for start, _ in element.tag.cdata[1:]:
            self.warn_at(start, "only the first CDATA section is sent")
        start, end = element.tag.cdata[0]
        template = read_template(
            self.source, start, end, keep_last_line_end=keep_last_line_end, scope=self._scope
        )
        if template is None:
            raise self.source.error(start, f"the message text of <{element.name}> is empty")
        misplaced = misplaced_authentication(template)
        if misplaced is not None:
            keyword, message = misplaced
            raise ScenarioError(message, file=self.source.file, line=keyword.line, column=keyword.column)
        return template

    def _keyword_variable(self, name: str, offset: int) -> Variable:
        as_bytes = name.encode("utf-8", "surrogateescape")
        return self.variables.mention(as_bytes.decode(self.source.encoding, "replace"), offset)
