"""Whether a regular expression is one: the core's matcher is asked when a scenario is loaded."""

from __future__ import annotations

from importlib import import_module


def regex_error(pattern: bytes) -> str | None:
    """What is wrong with a POSIX extended regular expression, None if nothing is."""
    try:
        regex = import_module("sippx._core.regex").Regex
    except ModuleNotFoundError:
        return None
    try:
        regex(pattern)
    except ValueError as error:
        return str(error)
    return None
