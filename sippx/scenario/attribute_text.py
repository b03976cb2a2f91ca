"""Text of attributes behind the XML layer: backslash escapes, and entities that were escaped once more."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r'\\([\\"nrt])')
_CHARACTERS = {"\\": "\\", '"': '"', "n": "\n", "r": "\r", "t": "\t"}
_ENTITY = re.compile("&(amp|lt|gt|quot);")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"'}


def without_escapes(text: str) -> str:
    r"""Text with \\ \" \n \r \t decoded; any other backslash stays (\xHH is the message template's)."""
    return _ESCAPE.sub(lambda match: _CHARACTERS[match[1]], text)


def string_text(text: str) -> str:
    """Text of a string attribute (regexp, message, value, ...): escapes, then entities a second time."""
    return _ENTITY.sub(lambda match: _ENTITIES[match[1]], without_escapes(text))
