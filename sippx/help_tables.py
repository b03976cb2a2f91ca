"""What the help and the manual page say besides the options: keys, commands, signals, exit codes, environment."""

from __future__ import annotations

from sippx import control

Rows = tuple[tuple[str, str], ...]

KEYS: Rows = (
    *((spec.key, spec.meaning) for spec in control.KEYS),
    (control.COMMAND_KEY, "type a command; Enter executes it, Escape leaves it"),
)
"""Keys on standard input."""

COMMANDS: Rows = tuple((spec.usage, spec.meaning) for spec in control.COMMANDS)
"""Commands behind that key and on the remote control socket."""

SIGNALS: Rows = (
    ("SIGINT, SIGTERM", "end now; open calls are left as they are"),
    ("SIGUSR1", "end when open calls have ended; a second one: abort them"),
    ("SIGUSR2", "write all screens to the file of -trace_screen"),
)

EXIT_CODES: Rows = (
    ("0", "all calls were successful (or there were none)"),
    ("1", "a call failed, or the command line or the scenario is wrong"),
    ("97", "the time of -timeout passed without any call"),
    ("98", "a --threshold was not met"),
    ("99", "information was printed, or -bg started the run"),
    ("254", "a local address or port is in use"),
    ("255", "any other fatal error"),
)

ENVIRONMENT: Rows = (
    ("PAGER", "what shows -h on a terminal; empty: nothing does. Without it pager, less or more is taken"),
    ("TERM", "the terminal that the screens are drawn for"),
)

OUTPUT: Rows = (
    ("stdout", "screens: live on a terminal, else the last ones when the run has ended; what -h, -v, -sd and the verbs "
     "print; --json - has it for itself, screens are on stderr then"),
    ("stderr", "the last error of the run, files that are incomplete, options without effect; one line for whatever "
     "kept sippx from running; where stdout is no terminal the progress: a line that is rewritten on a "
     "terminal, else one every 10 seconds"),
)
