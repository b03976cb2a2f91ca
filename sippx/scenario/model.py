"""The scenario model: what a scenario file says, checked and frozen, with the place of every step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal as OneOf

Transport = OneOf["UDP", "TCP", "TLS", "SCTP", "WS", "WSS"]
Distribution = OneOf["default", "fixed", "uniform"]
DefaultName = OneOf["200", "ack", "ack2", "bye", "cancel"]


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes of a message that go out as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Keyword:
    """One [keyword] of a message.

    name: the keyword as keywords.KEYWORDS lists it ("last_" for all [last_X]), "key" for a -key parameter.
    argument: header name of [last_X], name of a -key parameter, else empty.
    offset: the number behind [cseq+1] and its like.
    line, column: of the opening bracket in the file, from 1; 0 in text that comes from no file.
    """

    name: str
    argument: str = ""
    offset: int = 0
    line: int = 0
    column: int = 0


Template = tuple[Literal | Keyword, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What all steps share: one line of the scenario's program.

    line: of the element in the file. next and on_timeout: label ids. chance: of taking `next`, 0..1.
    lost_percent: None leaves the run's -lost in force. crlf and hide serve the scenario screen.
    """

    line: int
    start_rtd: str | None = None
    stop_rtd: str | None = None
    repeat_rtd: bool = False
    counter: str | None = None
    lost_percent: float | None = None
    next: str | None = None
    chance: float = 1.0
    on_timeout: str | None = None
    crlf: bool = False
    hide: bool = False
    display: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendStep(Step):
    """A message to send. method is empty for a response, status_code 0 for a request.

    retrans_ms: T1 of this message, 0 when it is not retransmitted.
    """

    template: Template
    method: bytes = b""
    status_code: int = 0
    retrans_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecvStep(Step):
    """A message to wait for. method is empty for a response, status_code 0 for a request.

    timeout_ms: 0 leaves the run's -recv_timeout in force.
    """

    method: bytes = b""
    status_code: int = 0
    optional: bool = False
    is_global: bool = False
    advance_state: bool = True
    timeout_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseStep(Step):
    """A pause; distribution "default" lasts -d, "fixed" min_ms, "uniform" between min_ms and max_ms."""

    distribution: Distribution = "default"
    min_ms: float = 0.0
    max_ms: float = 0.0
    is_timewait: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NopStep(Step):
    """A step that only counts, times or branches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario that was read and checked: `compile_scenario` accepts every instance.

    name: what trace file names use (file name without directory and `.xml`, or the built-in's name).
    file: what error messages say. description: the `name` attribute of the root element.
    labels: label id -> index of the step behind it (len(steps) for a label at the end).
    rtd_names, counter_names: in the order of their first appearance.
    response_time_tables: one tuple of ascending bounds in milliseconds for each RTD, empty without table.
    default_messages: texts that replace the standard ones, by <DefaultMessage id>.
    key_names: the -key names the scenario was loaded with. warnings: what the author should look at.
    """

    name: str
    file: str
    description: str
    encoding: str
    is_client: bool
    steps: tuple[Step, ...]
    labels: Mapping[str, int] = field(default_factory=dict)
    rtd_names: tuple[str, ...] = ()
    counter_names: tuple[str, ...] = ()
    response_time_tables: tuple[tuple[int, ...], ...] = ()
    call_length_table: tuple[int, ...] = ()
    default_messages: Mapping[DefaultName, Template] = field(default_factory=dict)
    key_names: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()

    @staticmethod
    def from_file(path: str | Path, *, keys: Collection[str] = ()) -> Scenario:
        """Read and check a scenario file; `keys` are the names of -key parameters.

        Raises ScenarioError for everything that is wrong with the file or its content.
        """
        from sippx.scenario.loader import load_file

        return load_file(path, keys=keys)

    @staticmethod
    def from_string(text: str | bytes, *, name: str = "scenario", keys: Collection[str] = ()) -> Scenario:
        """Check scenario XML given as text; a `str` is taken as UTF-8 whatever its declaration says."""
        from sippx.scenario.loader import load_string

        return load_string(text, name=name, keys=keys)

    @staticmethod
    def builtin(name: str, *, keys: Collection[str] = ()) -> Scenario:
        """Load one of the scenarios that come with sippx; raises ScenarioError for an unknown name."""
        from sippx.scenario.loader import load_builtin

        return load_builtin(name, keys=keys)
