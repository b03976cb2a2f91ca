"""The text of -h and -v, generated from the option table; -h TOPIC shows a part of it, or more."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from sippx import help_tables
from sippx.options import ALL_OPTIONS, REFUSED_OPTIONS, OptionSpec
from sippx.options.spec import GROUPS

WIDTH = 80
_TEXT_COLUMN = 26

_USAGE = """
Usage: sippx REMOTE_HOST[:PORT] [options]     place calls
       sippx -sn uas [options]                answer calls
       sippx check FILE...                    look for mistakes in scenarios
       sippx show FILE                        print a scenario's flow
       sippx completion bash|zsh|fish         print a completion script

check, show and completion are verbs as the first word only: 'sippx check -h'
tells more. A remote host of that name is written check:5060.

sippx -h TOPIC tells about an option (-h rp), a group of options (-h tracing),
the keys (-h keys), the columns of -trace_stat (-h stat) or what --threshold can
be about (-h thresholds).

Options may be written with one dash or two. TIME is a number with the unit
ms, s, m or h (500ms, 1.5s); N may be decimal, 0x hexadecimal or 0 octal.
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
    "completion": """
Usage: sippx completion bash|zsh|fish

Prints a script that makes the shell complete the options of sippx, their values
and its verbs. It is made from this version's options: make it anew after an
update. A remote host whose name is completion is written completion:5060.

  bash   sippx completion bash >~/.local/share/bash-completion/completions/sippx
  zsh    sippx completion zsh >DIR/_sippx      (DIR: a directory of $fpath)
  fish   sippx completion fish >~/.config/fish/completions/sippx.fish

or for this session only:

  bash, zsh   source <(sippx completion bash)
  fish        sippx completion fish | source

Exit codes:
    0  the script was printed
    1  there is none for this shell
""",
}


def render_verb_help(verb: str) -> str:
    """The help of a verb."""
    return _VERB_HELP[verb]


def render_help() -> str:
    """The whole help, at most 80 columns wide."""
    lines = [_USAGE.rstrip("\n")]
    for group in GROUPS:
        lines.extend(_group_lines(group))
    lines.append("\nOptions of SIPp that this version refuses:")
    lines.extend(_wrapped(" ".join(REFUSED_OPTIONS), "  "))
    lines += _keys_lines()
    lines += _table("Signals", help_tables.SIGNALS)
    lines += _table("Exit codes", help_tables.EXIT_CODES)
    return "\n".join(lines) + "\n"


def render_topic(topic: str) -> str | None:
    """What `-h TOPIC` prints, None where nobody knows the topic.

    stat, keys, thresholds, an option (with or without dashes), or a word of the name of a group.
    """
    if topic == "stat":
        return _stat_help()
    if topic == "keys":
        return "\n".join(_keys_lines()) + "\n"
    if topic == "thresholds":
        return _thresholds_help()
    name = topic.lstrip("-")
    for spec in ALL_OPTIONS:
        if name in spec.names:
            lines = ["", *_option_lines(spec), "", f"(group: {spec.group}; Python: {_python(spec)})"]
            return "\n".join(lines) + "\n"
    if f"-{name}" in REFUSED_OPTIONS:
        lines = _wrapped(f"-{name} is an option of SIPp that needs {REFUSED_OPTIONS[f'-{name}']}; it is refused.", "  ")
        return "\n".join(["", *lines]) + "\n"
    groups = [group for group in GROUPS if topic.lower() in (group.lower(), *group.lower().split())]
    if not groups or topic.lower() == "and":
        return None
    return "\n".join(line for group in groups for line in _group_lines(group)) + "\n"


def _python(spec: OptionSpec) -> str:
    return f"Options.{spec.field}" if spec.field else "none"


def _group_lines(group: str) -> Iterator[str]:
    yield f"\n{group}:"
    for spec in ALL_OPTIONS:
        if spec.group == group:
            yield from _option_lines(spec)


def _keys_lines() -> list[str]:
    return [*_table("Keys", help_tables.KEYS), *_table("Commands behind c", help_tables.COMMANDS)]


def _stat_help() -> str:
    from sippx.report.stat_help import INTRODUCTION, STATISTICS

    return "\n".join(["", *_wrapped(INTRODUCTION, ""), *_table("Statistics", STATISTICS, text_column=8)]) + "\n"


def _thresholds_help() -> str:
    from sippx.report.metrics import METRICS, STATISTICS

    introduction = (
        "--threshold takes METRIC OP VALUE[UNIT] [abort] in quotation marks, such as 'rtd1.p99<50ms' or "
        f"'failed<1% abort'. OP is <, <=, >, >=, == or !=. NAME is a name of the scenario, STAT is {STATISTICS}"
    )
    rows = ((f"{spec.name}  [{', '.join(spec.units).strip(' ,')}]".replace("  []", ""), spec.meaning)
            for spec in METRICS.values())  # fmt: skip
    return "\n".join(["", *_wrapped(introduction, ""), *_table("Metrics and their units", rows, text_column=8)]) + "\n"


def _table(title: str, rows: Iterable[tuple[str, str]], text_column: int = 0) -> list[str]:
    """A title and rows of a name and its meaning; text_column: where meanings stand, below their names."""
    rows = tuple(rows)
    lines = [f"\n{title}:"]
    column = text_column or max(len(name) for name, _ in rows) + 5
    for name, meaning in rows:
        wrapped = _wrapped(meaning, " " * column)
        if text_column:
            lines.append(f"  {name}")
        elif title == "Exit codes":
            wrapped[0] = f"  {name:>{column - 5}}   {wrapped[0].lstrip()}"
        else:
            wrapped[0] = f"  {name:{column - 5}}   {wrapped[0].lstrip()}"
        lines += wrapped
    return lines


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
