"""Whether a regular expression is one: the core's matcher is asked when a scenario is loaded."""

from __future__ import annotations

from sippx._core.regex import Regex


def regex_error(pattern: bytes) -> str | None:
    """What is wrong with a POSIX extended regular expression, None if nothing is."""
    try:
        Regex(pattern)
    except ValueError as error:
        return str(error)
    return None
