"""What the option table is made of: one command-line option, its checks and its words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sippx.errors import UsageError
from sippx.option_types import FLAG, TIME_S, ValueType
from sippx.transports import Trait

Action = Literal["set", "help", "version", "dump", "expand"]


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One command-line option.

    flags: the names, each with its dashes as the help shows it; any may be typed with one dash or two.
    field: name of the `Options` field it sets, "" for none. flag_value: what a flag stores.
    minimum, maximum: allowed values, both included. default_text: what the help says when `default` does not.
    once: a second one on the command line is an error; of other options the last one counts.
    action: set a field, print help, version or a built-in scenario, or expand (stands for the words of
    `expansion`). needs: what a transport mode must have that the option changes anything.
    """

    flags: tuple[str, ...]
    type: ValueType
    group: str
    help: str
    field: str = ""
    default: Any = None
    default_text: str = ""
    metavar: str = ""
    minimum: float | None = None
    maximum: float | None = None
    flag_value: bool = True
    once: bool = False
    action: Action = "set"
    expansion: tuple[str, ...] = ()
    needs: Trait = ""

    @property
    def is_positional(self) -> bool:
        """True for the remote host, which has no dash."""
        return not self.flags[0].startswith("-")

    @property
    def names(self) -> tuple[str, ...]:
        """The flags without their dashes."""
        return tuple(flag.lstrip("-") for flag in self.flags)

    @property
    def argument(self) -> str:
        """What stands for the argument in help and messages, "" for a flag."""
        return self.metavar or self.type.metavar

    def describe_default(self) -> str:
        """The default as a user would write it, "" when there is nothing to say."""
        if self.default_text or self.type is FLAG or self.default in (None, {}):
            return self.default_text
        if self.type is TIME_S and self.default % 1000 == 0:
            return f"{self.default // 1000}s"
        if isinstance(self.default, (int, float)):
            return f"{self.default:g}{self.type.unit}"
        return str(self.default)

    def describe_range(self) -> str:
        """The allowed values in words."""
        unit = " ms" if self.type.unit else ""
        if self.minimum is None and self.maximum is None:
            return self.type.description
        if self.maximum is None:
            return f"{self.minimum}{unit} or more"
        return f"{self.minimum} to {self.maximum}{unit}"

    def checked(self, value: Any) -> Any:
        """`value` as the field stores it; UsageError when it is not allowed."""
        if value is None and self.default is None:
            return None
        name = f"{self.field} ({self.flags[0]})"
        try:
            value = self.type.check(value)
        except (TypeError, OverflowError):
            raise UsageError(f"{name}: {value!r} is not {self.type.description}") from None
        except ValueError as error:
            raise UsageError(f"{name}: {value!r} {error}") from None
        too_small = self.minimum is not None and not value >= self.minimum
        too_large = self.maximum is not None and not value <= self.maximum
        if too_small or too_large:
            raise UsageError(f"{name}: {value} is not allowed, use {self.describe_range()}")
        return value


def option(flag: str, type: ValueType, default: Any, **more: Any) -> Any:
    """A dataclass field with its command-line option; `more` are further fields of OptionSpec."""
    spec = OptionSpec(flags=(flag,), type=type, default=default, **more)
    metadata = {"option": spec}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata, hash=False)
    return field(default=default, metadata=metadata)


SCENARIO = "Scenario"
ADDRESSES = "Addresses and transport"
CONNECTIONS = "Connections"
TLS = "TLS"
SCTP = "SCTP"
BEHAVIOR = "Overall behavior"
CALLS = "Call behavior"
TWINS = "Third-party call control"
INJECTION = "Injection file"
MEDIA = "Media"
RATE = "Call rate"
TIMEOUTS = "Retransmission and timeouts"
PERFORMANCE = "Performance"
CONTROL = "Screens and remote control"
TRACING = "Tracing and statistics"
RESULTS = "Results and verdict"
INFORMATION = "Information"

GROUPS = (
    SCENARIO,
    ADDRESSES,
    CONNECTIONS,
    TLS,
    SCTP,
    BEHAVIOR,
    CALLS,
    TWINS,
    INJECTION,
    MEDIA,
    RATE,
    TIMEOUTS,
    PERFORMANCE,
    CONTROL,
    TRACING,
    RESULTS,
    INFORMATION,
)
"""The groups in the order of the help."""

DEFAULT_SCENARIO = "uac"
PORT_MAX = 65535
RATE_MAX = 1e9
