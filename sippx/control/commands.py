"""What a user tells a running test, as data: one table of keys, one of commands, and how texts become commands.

Nothing here acts: a command is a frozen value that the runner executes. A text that is no command becomes a
`Refused`, whose text (SIPp's own, where SIPp has one) the runner reports as a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sippx.option_types import INT32_MAX, parse_float, parse_integer

QUIT_SOFT_STEP = 10
"""What `q` and SIGUSR1 add to the quit level."""
QUIT_FORCED_STEP = 20
"""What `Q` adds to the quit level."""
QUIT_SOFT_MAX = 11
"""Largest quit level at which open calls may still end by themselves."""

RATE_MAX = 1e9
"""Largest rate [calls per period] that keys and commands can reach."""
_SHOWN_CHARS = 80


# ---- commands ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AdjustRate:
    """Change the rate (or the number of users) by `steps` times the rate scale, not below 0."""

    steps: int

    def applied_to(self, rate: float, scale: float = 1.0) -> float:
        """The new rate [calls per period]."""
        return min(max(0.0, rate + self.steps * scale), RATE_MAX)

    def applied_to_users(self, n_users: int, scale: float = 1.0) -> int:
        """The new number of users."""
        return int(min(max(0.0, n_users + self.steps * scale), INT32_MAX))


@dataclass(frozen=True, slots=True)
class TogglePause:
    """Pause new calls, or resume them."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Add `step` to the quit level: from 1 on no new calls, above QUIT_SOFT_MAX open calls are aborted."""

    step: int


@dataclass(frozen=True, slots=True)
class ShowScreen:
    """Show screen 1 scenario, 2 statistics, 3 first repartition, 4 variables, 5 TDM map, 6-9 further repartitions."""

    number: int


@dataclass(frozen=True, slots=True)
class DumpScreens:
    """Write all screens to the screen file."""


@dataclass(frozen=True, slots=True)
class SetRate:
    """Calls per rate period from now on; not in a test of users."""

    rate: float


@dataclass(frozen=True, slots=True)
class SetRateScale:
    """What one step of the keys + - * / is worth."""

    scale: float


@dataclass(frozen=True, slots=True)
class SetUsers:
    """Users from now on; only in a test of users."""

    n_users: int


@dataclass(frozen=True, slots=True)
class SetLimit:
    """Calls open at a time from now on, 0: no limit; not in a test of users."""

    n_calls: int


@dataclass(frozen=True, slots=True)
class SetDisplay:
    """Which scenario the screens show: main, ooc or rx."""

    name: str


@dataclass(frozen=True, slots=True)
class SetHide:
    """Leave out the steps that the scenario hides, or show them."""

    on: bool


@dataclass(frozen=True, slots=True)
class SetIndex:
    """Begin the scenario screen's lines with the index of the message, or not."""

    on: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """Switch one of the logs on or off: error, logs, messages or shortmessages."""

    log: str
    on: bool


@dataclass(frozen=True, slots=True)
class Dump:
    """Report the tasks or the variables as warnings."""

    what: str


@dataclass(frozen=True, slots=True)
class ResetStats:
    """Begin the cumulative figures again from 0."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A text that is no command; `reason` is the warning to report."""

    reason: str


Command = (
    AdjustRate
    | TogglePause
    | Quit
    | ShowScreen
    | DumpScreens
    | SetRate
    | SetRateScale
    | SetUsers
    | SetLimit
    | SetDisplay
    | SetHide
    | SetIndex
    | Trace
    | Dump
    | ResetStats
    | Refused
)


def is_quitting(quit_level: int) -> bool:
    """True when no new calls are to be placed."""
    return quit_level > 0


def is_quit_forced(quit_level: int) -> bool:
    """True when open calls are to be aborted.

    SIPp 3.6.1's rule: level 11, reached by one `q` after the last call of -m (which counts 1), is still soft.
    """
    return quit_level > QUIT_SOFT_MAX


# ---- keys -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeySpec:
    """A key that is a command by itself."""

    key: str
    command: Command
    meaning: str


COMMAND_KEY = "c"
"""The key behind which a command is typed, and the first byte of one on the control socket."""

KEYS: tuple[KeySpec, ...] = (
    KeySpec("1", ShowScreen(1), "scenario screen"),
    KeySpec("2", ShowScreen(2), "statistics screen"),
    KeySpec("3", ShowScreen(3), "repartition screen: call lengths and the first response time"),
    KeySpec("4", ShowScreen(4), "variables screen: the scenario's actions"),
    KeySpec("5", ShowScreen(5), "TDM map screen, with -tdmmap"),
    *(KeySpec(str(n), ShowScreen(n), f"repartition screen of response time {n - 4}") for n in (6, 7, 8, 9)),
    KeySpec("+", AdjustRate(1), "rate + 1 (users + 1 with -users), times -rate_scale"),
    KeySpec("-", AdjustRate(-1), "rate - 1"),
    KeySpec("*", AdjustRate(10), "rate + 10"),
    KeySpec("/", AdjustRate(-10), "rate - 10"),
    KeySpec("p", TogglePause(), "pause new calls, or resume"),
    KeySpec("s", DumpScreens(), "write all screens to the screen file"),
    KeySpec("q", Quit(QUIT_SOFT_STEP), "end when the open calls have ended; a second time: abort them"),
    KeySpec("Q", Quit(QUIT_FORCED_STEP), "abort the open calls and end"),
)

COMMAND_OF_KEY: Mapping[str, Command] = MappingProxyType({spec.key: spec.command for spec in KEYS})
"""The keys that are commands by themselves; COMMAND_KEY begins one of several letters."""


# ---- texts ------------------------------------------------------------------------------------------------


def _rate(text: str) -> Command:
    value = _finite(text)
    if not 0 <= value <= RATE_MAX:
        raise ValueError
    return SetRate(value)


def _rate_scale(text: str) -> Command:
    return SetRateScale(_finite(text))


def _finite(text: str) -> float:
    value = parse_float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _count(text: str) -> int:
    value = parse_integer(text)
    if not 0 <= value <= INT32_MAX:
        raise ValueError
    return value


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _display(text: str) -> Command:
    if text not in ("main", "ooc", "rx"):
        raise ValueError
    return SetDisplay(text)


_SWITCH = MappingProxyType({"on": True, "true": True, "off": False, "false": False})


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command: `verb noun argument`.

    argument: how the help writes it, "" for none. parse: argument -> command, ValueError where it is none.
    invalid: SIPp's answer to that, with the argument in place of {}.
    """

    verb: str
    noun: str
    argument: str
    parse: Callable[[str], Command]
    meaning: str
    invalid: str = ""

    @property
    def usage(self) -> str:
        """The command as the help writes it."""
        return " ".join(filter(None, (self.verb, self.noun, self.argument)))


def _trace(log: str, meaning: str) -> CommandSpec:
    return CommandSpec("trace", log, "on|off", lambda text: Trace(log, _SWITCH[text]), meaning)


COMMANDS: tuple[CommandSpec, ...] = (
    CommandSpec("set", "rate", "X", _rate, "calls per rate period (-r)", 'Invalid rate value: "{}"'),
    CommandSpec("set", "rate-scale", "X", _rate_scale, "what one step of + - * / is worth (-rate_scale)",
                'Invalid rate-scale value: "{}"'),
    CommandSpec("set", "users", "N", lambda text: SetUsers(_count(text)), "number of users (-users)",
                'Invalid users value: "{}"'),
    CommandSpec("set", "limit", "N", lambda text: SetLimit(_count(text)), "calls open at a time (-l); 0: no limit",
                'Invalid limit value: "{}"'),
    CommandSpec("set", "display", "main|ooc|rx", _display, "scenario that the screens show",
                "Unknown display scenario: {}"),
    CommandSpec("set", "hide", "true|false", lambda text: SetHide(_bool(text)),
                "leave out the messages that the scenario hides", "Invalid bool: {}"),
    CommandSpec("set", "index", "true|false", lambda text: SetIndex(_bool(text)),
                "number the messages of the scenario screen", "Invalid bool: {}"),
    _trace("error", "the error log (-trace_err)"),
    _trace("logs", "the log of the <log> actions (-trace_logs)"),
    _trace("messages", "the message log (-trace_msg)"),
    _trace("shortmessages", "the short message log (-trace_shortmsg)"),
    CommandSpec("dump", "tasks", "", lambda _: Dump("tasks"), "report what is at work"),
    CommandSpec("dump", "variables", "", lambda _: Dump("variables"), "report the names of the variables"),
    CommandSpec("reset", "stats", "", lambda _: ResetStats(), "begin the cumulative figures again from 0"),
)  # fmt: skip
"""Every command that is typed behind `c`."""

_NOUN_UNKNOWN = MappingProxyType(
    {
        "set": "Unknown set attribute: {}",
        "trace": "Unknown log file: {}",
        "dump": "Unknown dump type: {}",
        "reset": "Unknown reset type: {}",
    }
)
_ARGUMENT_MISSING = MappingProxyType(
    {
        "set": "The set command requires two arguments (attribute and value)",
        "trace": "The trace command requires two arguments (log and [on|off])",
    }
)
_SPEC_OF = MappingProxyType({(spec.verb, spec.noun): spec for spec in COMMANDS})


def parse_command(text: str) -> Command:
    """The command of a text such as "set rate 10", without the `c`; `Refused` where it is none."""
    verb, rest = _first_word(text)
    if not rest:
        return Refused(f"The {_shown(verb)} command requires at least one argument")
    if verb not in _NOUN_UNKNOWN:
        return Refused(f'Unrecognized command: "{_shown(verb)}"')
    noun, argument = _first_word(rest) if verb in _ARGUMENT_MISSING else (rest, "")
    if not argument and verb in _ARGUMENT_MISSING:
        return Refused(_ARGUMENT_MISSING[verb])
    if verb == "trace" and argument not in _SWITCH:
        return Refused("The trace command's second argument must be on or off.")
    spec = _SPEC_OF.get((verb, noun))
    if spec is None:
        return Refused(_NOUN_UNKNOWN[verb].format(_shown(noun)))
    try:
        return spec.parse(argument)
    except ValueError:
        return Refused(spec.invalid.format(_shown(argument)))


def parse_datagram(data: bytes) -> Command | None:
    """What a datagram of the control socket says: a command behind `c`, else the key its first byte is."""
    text = data.decode("latin-1")
    if text.startswith(COMMAND_KEY):
        return parse_command(text[1:])
    return COMMAND_OF_KEY.get(text[:1])


def _first_word(text: str) -> tuple[str, str]:
    word, _, rest = text.strip().partition(" ")
    return word, rest.strip()


def _shown(text: str) -> str:
    """What a warning may say of what came from outside: bounded, and nothing that a terminal obeys."""
    clipped = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
    return "".join(char if char.isprintable() else "?" for char in clipped)
