"""The text of -h and -v, generated from the option table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from sippx.options import ALL_OPTIONS, REFUSED_OPTIONS, OptionSpec

WIDTH = 80
_TEXT_COLUMN = 26

_USAGE = """
Usage: sippx REMOTE_HOST[:PORT] [options]     place calls
       sippx -sn uas [options]                answer calls
       sippx check FILE...                    look for mistakes in scenarios
       sippx show FILE                        print a scenario's flow

check and show are verbs as the first word only: 'sippx check -h' tells more. A
remote host of that name is written check:5060.

Options may be written with one dash or two. TIME is a number with the unit
ms, s, m or h (500ms, 1.5s); N may be decimal, 0x hexadecimal or 0 octal.
"""

_KEYS_SIGNALS_CODES = """
Keys:
  + - * /   rate +1, -1, +10, -10        p   pause or resume new calls
  q         end when open calls ended    Q   end at once
  1-9       change the screen

Signals:
  SIGINT, SIGTERM, SIGUSR1   end when open calls ended; a second one: at once

Exit codes:
    0  all calls were successful (or there were none)
    1  a call failed, or the command line or the scenario is wrong
   97  the time of -timeout passed without any call
   99  information was printed, or -bg started the run
  254  a local address or port is in use
  255  any other fatal error
"""


_VERB_HELP = {
    "check": """
Usage: sippx check FILE... [-key NAME VALUE]... [-inf FILE]...
       sippx check --list

Looks for mistakes in scenarios without running them. FILE may be the name of a
built-in scenario; -key and -inf give the names that the scenario uses. Findings
are lines like

  FILE:LINE:COLUMN: error|warning|note: TEXT [CHECK]

and --list prints what is looked for. A remote host whose name is check is
written check:5060.

Exit codes:
    0  nothing was found, or notes only
    1  an error was found, or the command line is wrong
    2  warnings were found, but no error
""",
    "show": """
Usage: sippx show FILE [-key NAME VALUE]... [-inf FILE]...

Prints the flow of a scenario as a ladder (indices, messages, labels, branches,
actions), and then the program it is compiled to, with addresses of this machine
as an example. FILE may be the name of a built-in scenario; -key and -inf give
the names that the scenario uses. A remote host whose name is show is written
show:5060.

Exit codes:
    0  the scenario was printed
    1  the scenario or the command line is wrong
""",
}


def render_verb_help(verb: str) -> str:
    """The help of `check` or `show`."""
    return _VERB_HELP[verb]


def render_help() -> str:
    """The whole help, at most 80 columns wide."""
    lines = [_USAGE]
    group = ""
    for spec in ALL_OPTIONS:
        if spec.group != group:
            group = spec.group
            lines.append(f"\n{group}:")
        lines.extend(_option_lines(spec))
    lines.append("\nOptions of SIPp that this version refuses:")
    lines.extend(_wrapped(" ".join(REFUSED_OPTIONS), "  "))
    lines.append(_KEYS_SIGNALS_CODES)
    return "\n".join(lines)


def render_version() -> str:
    """The text of -v."""
    from sippx import __version__

    return (
        f"\n sippx v{__version__}\n\n"
        " A SIP load tester that runs SIPp's scenarios and command lines.\n"
        " License: Apache-2.0. There is no warranty.\n"
    )


def _option_lines(spec: OptionSpec) -> Iterator[str]:
    head = f"  {', '.join(spec.flags)} {spec.argument if not spec.is_positional else ''}".rstrip()
    default = spec.describe_default()
    text = f"{spec.help} (default: {default})" if default else spec.help
    wrapped = _wrapped(text, " " * _TEXT_COLUMN)
    if len(head) + 2 > _TEXT_COLUMN:
        yield head
    else:
        wrapped[0] = f"{head:{_TEXT_COLUMN}}{wrapped[0].lstrip()}"
    yield from wrapped


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
