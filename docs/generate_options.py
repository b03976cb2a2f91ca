"""Writes docs/options.md from the option table: `python docs/generate_options.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sippx.options import ALL_OPTIONS, REFUSED_OPTIONS, OptionSpec  # noqa: E402

_INTRODUCTION = """\
# Options

Generated from the table in `sippx/options` by `python docs/generate_options.py`: change the table, not
this file.

An option may be written with one dash or two; its value is the next word. A value may begin with a dash. Of
an option given several times the last one counts, except for those that add up (they say so), and `-sf`,
`-sn` and the remote host, which are allowed once. `-h`, `-v` and `-sd` count at once: what follows them is
not looked at, but for one word behind `-h`, which is a topic: an option, a word of a heading below, `keys`, or `stat`.

| value | is |
|---|---|
| `N`, `PORT`, `BYTES` | an integer: decimal, `0x` hexadecimal, leading `0` octal; an empty word is 0 |
| `X`, `RATE`, `PERCENT` | a number: `10`, `1e3`, `0x1p3`; an empty word is 0 |
| `TIME` | a number that begins with a digit, and `ms`, `s`, `m` or `h`; without one the default unit |
| `BOOL` | `true`, `false`, or an integer that is not 0 for true |

The column *Python* has the field of `sippx.Options` that the option sets: `Options(rate=500, pause_ms=3000)`.
Times are milliseconds there, and values that are not allowed raise `sippx.errors.UsageError`.
"""


def generate() -> str:
    """The whole text of docs/options.md."""
    parts = [_INTRODUCTION]
    for group, specs in groupby(ALL_OPTIONS, key=lambda spec: spec.group):
        parts.append(f"\n## {group}\n\n| option | default | Python | what it does |\n|---|---|---|---|\n")
        parts.extend(_row(spec) for spec in specs)
    parts.append("\n## SIPp's options that this version refuses\n\n")
    parts.append("They are known by name and end sippx with code 1, until what they need is built:\n\n")
    for need, flags in groupby(REFUSED_OPTIONS, key=REFUSED_OPTIONS.__getitem__):
        parts.append(f"- {need}: {_list(flags)}")
    return "".join(parts)


def _row(spec: OptionSpec) -> str:
    flags = ", ".join(spec.flags)
    name = flags if spec.is_positional else f"{flags} {spec.argument}".rstrip()
    default = spec.describe_default()
    if default and not spec.default_text:
        default = f"`{default}`"
    python = f"`{spec.field}`" if spec.field else ""
    if spec.field and not spec.flag_value:
        python += " = False"
    text = spec.help.replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")
    return f"| `{name}` | {default} | {python} | {text} |\n"


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) + ".\n"


if __name__ == "__main__":
    (ROOT / "docs" / "options.md").write_text(generate(), "utf-8")
