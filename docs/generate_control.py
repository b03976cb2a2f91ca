"""Writes docs/control.md from the tables of keys and commands: `python docs/generate_control.py`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sippx.control import COMMANDS, KEYS  # noqa: E402

_INTRODUCTION = """\
# Steering a running test

Generated from the tables in `sippx/control/commands.py` by `python docs/generate_control.py`: change the tables, not
this file.

## Keys

Read from standard input (not with `-nostdin`), on a terminal without Enter. Where neither standard input nor standard
output is a terminal nothing is read, as with SIPp: a script's input is its own (`while read host; do sippx $host -m 1;
done < hosts`). Signals and datagrams steer a test that runs in a script.
"""

_COMMANDS = """
## Commands

Typed behind `c`: the line is shown below the screen, Enter executes it, Backspace and Ctrl-U edit it, Escape leaves
it. So `cset rate 10` and Enter sets the rate. What is wrong with a command is the *Last Error* of the screen and in
the error log.
"""

_REST = """
## Remote control

A UDP socket takes the same: one command a datagram, a `c` and a command or else a key of which only the first byte
counts. There is never an answer.

    printf 'cset rate 200' > /dev/udp/127.0.0.1/8888
    printf q > /dev/udp/127.0.0.1/8888

`-cp` is its port: without it the first free one of 8888 to 8947 is taken, and that there is none is only a warning;
with it the test does not start where the port is taken. `-ci` is its address. Whoever reaches the socket steers the
test, so it is bound to 127.0.0.1 unless `-ci` says otherwise (SIPp: to all addresses).

## Screens

Drawn on standard output where that is a terminal, with the terminal's own colours only (`NO_COLOR` changes nothing). A
terminal that cannot place its cursor gets one line that is rewritten; where standard output is no terminal, standard
error gets that line, or, where it is none either, a line every ten seconds. `--quiet` prints none of it and no screens
at the end.

## Rates that change by themselves

`--stages [START:]TIME:RATE,TIME:RATE,...` is a list of straight lines: `0:30s:1000,5m:1000,30s:0` climbs from 0 to
1000 calls per rate period in 30 seconds, stays there for 5 minutes and comes down in 30 seconds. A stage of no time
(`0s:500`) is a jump. Exactly the calls of that area are placed; calls that fall due in a pause (`p`) are left out. Then
the test ends when its open calls have ended. A rate set by key or command ends the stages, with a warning.

`-rate_increase`, `-rate_interval`, `-rate_max` and `-no_rate_quit` are SIPp's steps; they go on from a rate set by
hand.

## Differences from SIPp

| SIPp | sippx |
|---|---|
| Backspace is a character of the command | it takes the last one back |
| `reset stats` zeroes the current calls, too | they stay, and so do the periods of statistics files |
| `trace messages on` opens the file of `trace logs` | it opens its own |
| 3.6.1 crashes at `set display ooc` without such a scenario | a warning |
| 3.6.1 never ends drawing the variables screen of most scenarios with variables | it is drawn |
| the variables screen says "divide" for a test, 0.000000 for a variable, "unknown action type" | what the action does |
| a negative, infinite or not-a-number rate is taken | `Invalid rate value` |
| at `-rate_max` every further interval adds to the quit level, so that open calls are aborted | it is added once |
"""


def generate() -> str:
    """The whole text of docs/control.md."""
    keys = ["", "| key | does |", "|---|---|", *(f"| `{spec.key}` | {spec.meaning} |" for spec in KEYS)]
    commands = ["", "| command | does |", "|---|---|"]
    commands += [f"| `{spec.usage.replace('|', chr(92) + '|')}` | {spec.meaning} |" for spec in COMMANDS]
    return _INTRODUCTION + "\n".join(keys) + "\n" + _COMMANDS + "\n".join(commands) + "\n" + _REST


if __name__ == "__main__":
    Path(ROOT, "docs", "control.md").write_text(generate(), encoding="utf-8")
