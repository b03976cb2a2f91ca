"""What the help and the manual page say besides the options: keys, commands, signals, exit codes, environment."""

from __future__ import annotations

Rows = tuple[tuple[str, str], ...]

KEYS: Rows = (
    ("+ - * /", "rate +1, -1, +10, -10 (times -rate_scale); of -users their number"),
    ("p", "pause or resume new calls"),
    ("q", "end when open calls have ended; a second time: at once"),
    ("Q", "end at once: open calls are aborted"),
    ("1 2 3 4", "scenario, statistics, repartition, variables screen"),
    ("6 7 8 9", "repartition of the second to the fifth response time"),
)
"""Keys on standard input."""

COMMANDS: Rows = (
    ("set rate X", "calls per rate period (-r)"),
    ("set rate-scale X", "what one step of + - * / is worth (-rate_scale)"),
    ("set users N", "number of users (-users)"),
    ("set limit N", "calls open at a time (-l); 0: no limit"),
    ("set display main|ooc|rx", "scenario that the screens show"),
    ("set hide true|false", "leave out the messages that the scenario hides"),
    ("trace error|logs|messages|shortmessages on|off", "switch a log on or off"),
    ("dump tasks|variables", "report what is at work, or the names of the variables"),
    ("reset stats", "begin the cumulative figures again from 0"),
)
"""Commands of the key c and of the remote control socket."""

SIGNALS: Rows = (
    ("SIGINT, SIGTERM, SIGUSR1", "end when open calls have ended; a second one: at once"),
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
     "kept sippx from running; where only stderr is a terminal one line of progress"),
)
