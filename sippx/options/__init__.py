"""The options of a run: one declarative table, from which parsing, checks, help and documentation derive.

Each field of `Options` carries the command-line option that sets it as metadata (`OptionSpec`); OTHER_OPTIONS
are those that set no field, REFUSED_OPTIONS the rest of SIPp's, which are known by name and refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from sippx.errors import UsageError
from sippx.option_types import FLAG, STRING
from sippx.options.report_options import ReportOptions
from sippx.options.spec import (
    CALLS,
    DEFAULT_SCENARIO,
    GROUPS,
    INFORMATION,
    SCENARIO,
    Action,
    OptionSpec,
)

__all__ = [
    "ALL_OPTIONS",
    "DEFAULT_SCENARIO",
    "FIELD_OPTIONS",
    "OTHER_OPTIONS",
    "REFUSED_OPTIONS",
    "Action",
    "OptionSpec",
    "Options",
    "find_option",
    "injection_name",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(ReportOptions):
    """Everything a run can be told; a value that is not allowed raises UsageError, which says what is.

    Times are integers in milliseconds. Every field has the command line's default.
    """

    def __post_init__(self) -> None:
        for spec in FIELD_OPTIONS:
            object.__setattr__(self, spec.field, spec.checked(getattr(self, spec.field)))
        if self.scenario_file is not None and self.scenario_name is not None:
            raise UsageError("scenario_file (-sf) and scenario_name (-sn): only one scenario is allowed")
        if self.rx_scenario_file is not None and self.rx_scenario_name is not None:
            raise UsageError("rx_scenario_file (-rxsf) and rx_scenario_name (-rxrn): only one scenario is allowed")
        if self.ooc_scenario_file is not None and self.ooc_scenario_name is not None:
            raise UsageError("ooc_scenario_file (-oocsf) and ooc_scenario_name (-oocsn): only one scenario is allowed")
        if self.has_rx_scenario and self.has_ooc_scenario:
            raise UsageError("a scenario of received calls (-rxsf) takes all requests: none are left for -oocsf")
        if self.transport_mode.sockets == "per_ip" and not self.injection_files:
            raise UsageError("transport (-t): ui needs an injection file (-inf) with the local addresses")
        self.check_twins()
        if self.max_log_size_bytes and (self.ringbuffer_size_bytes or self.ringbuffer_files):
            raise UsageError("-ringbuffer_size, -ringbuffer_files and -max_log_size are mutually exclusive")
        for name in self.injection_indexes:
            if name not in self.injection_names:
                raise UsageError(f"injection_indexes (-infindex): there is no injection file (-inf) '{name}'")

    @property
    def has_rx_scenario(self) -> bool:
        """True where received calls have a scenario of their own (-rxsf, -rxrn)."""
        return self.rx_scenario_file is not None or self.rx_scenario_name is not None

    @property
    def has_ooc_scenario(self) -> bool:
        """True where requests out of calls have a scenario (-oocsf, -oocsn)."""
        return self.ooc_scenario_file is not None or self.ooc_scenario_name is not None

    @property
    def all_injection_files(self) -> tuple[str, ...]:
        """The files of -inf, then those of -rxinf."""
        return self.injection_files + self.rx_injection_files

    @property
    def injection_names(self) -> tuple[str, ...]:
        """What [fieldN file="..."] calls the injection files: their names without folders, each once."""
        return tuple(dict.fromkeys(injection_name(path) for path in self.all_injection_files))


def injection_name(path: str) -> str:
    """What a scenario calls an injection file: the name without folders."""
    return re.split(r"[/\\]", path)[-1]


FIELD_OPTIONS: tuple[OptionSpec, ...] = tuple(
    replace(item.metadata["option"], field=item.name) for item in fields(Options)
)
"""The options that set a field, in the order of the help."""

OTHER_OPTIONS: tuple[OptionSpec, ...] = (
    OptionSpec(
        ("-sd",), STRING, SCENARIO, "Print the XML of a built-in scenario and exit with code 99.",
        metavar="NAME", action="dump",
    ),
    OptionSpec(
        ("-nd",), FLAG, CALLS, "The same as -default_behaviors none.",
        action="expand", expansion=("-default_behaviors", "none"),
    ),
    OptionSpec(
        ("-h", "-help"), FLAG, INFORMATION,
        "Print this text, or help on the next word (an option, a group, keys, stat, thresholds); exit with code 99.",
        action="help",
    ),
    OptionSpec(("-v",), FLAG, INFORMATION, "Print the version and exit with code 99.", action="version"),
)
"""The options that set no field."""

ALL_OPTIONS: tuple[OptionSpec, ...] = tuple(
    sorted(FIELD_OPTIONS + OTHER_OPTIONS, key=lambda spec: GROUPS.index(spec.group))
)
"""Every option, group by group."""

_REFUSED_BY_NEED = {
    "media": "-audiotolerance -max_rtp_port -mb -min_rtp_port -random_base_ssrc -rtp_buffsize -rtp_echo -rtp_payload "
    "-rtp_threadtasks -rtpcheck_debug -srtpcheck_debug -videotolerance",
}

REFUSED_OPTIONS: Mapping[str, str] = MappingProxyType(
    {flag: need for need, flags in _REFUSED_BY_NEED.items() for flag in flags.split()}
)
"""SIPp's options that are known by name and refused: what each of them needs."""

_BY_NAME: dict[str, OptionSpec] = {
    name: spec for spec in ALL_OPTIONS if not spec.is_positional for name in spec.names
}


def find_option(word: str) -> OptionSpec:
    """The option that a command-line word with one or two leading dashes names.

    Raises UsageError for an option of SIPp that is not built, and for an unknown one (with the nearest name).
    """
    name = word[2:] if word.startswith("--") else word[1:]
    spec = _BY_NAME.get(name)
    if spec is not None:
        return spec
    need = REFUSED_OPTIONS.get(f"-{name}")
    if need is not None:
        raise UsageError(f"-{name} is a SIPp option that needs {need}, which this version of sippx does not have yet")
    head, equals, _ = name.partition("=")
    if equals and head in _BY_NAME:
        raise UsageError(f"unknown option '{word}'; the value must be a word of its own, behind '-{head}'")
    raise UsageError(f"unknown option '{word}'; {_nearest_option(name)}")


def _nearest_option(name: str) -> str:
    import difflib  # only needed on the way out

    flags = [flag for spec in ALL_OPTIONS if not spec.is_positional for flag in spec.flags]
    names = {flag.lstrip("-").lower(): flag for flag in (*REFUSED_OPTIONS, *flags)}
    near = difflib.get_close_matches(name.lower(), names, n=1)
    return f"the nearest known one is {names[near[0]]} ('sippx -h' lists all)" if near else "'sippx -h' lists all"
