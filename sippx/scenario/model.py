"""The scenario model: what a scenario file says, checked and frozen, with the place of every step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal as OneOf

from sippx._core.codes import ActionCheck, ActionKind, Comparison, SearchIn

DefaultName = OneOf["200", "ack", "ack2", "bye", "cancel", "3pcc_abort"]

UNEXPECTED_LABEL = "_unexp.main"
"""Label that a call goes to on an unexpected message."""
UNEXPECTED_VARIABLES = ("_unexp.retaddr", "_unexp.pausedaddr")
"""Variables that are then set to where it was and to when its pause ends, if the scenario mentions them."""

VariableScope = OneOf["call", "user", "global"]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the scenario; scopes have separate names, the declarations above a use decide."""

    name: str
    scope: VariableScope = "call"


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes of a message that go out as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Keyword:
    """One [keyword] of a message.

    name: the keyword as keywords.KEYWORDS lists it ("last_" for all [last_X]), "key" for a -key parameter.
    argument: header name of [last_X], name of a -key parameter, injection file of [fieldN], text of [fill].
    offset: the number behind [cseq+1] and its like, the N of [fieldN].
    line, column: of the opening bracket in the file, from 1; 0 in text that comes from no file.
    variable: of [$x] and [fill]. parameters: name -> template of line="", name="", username="" and so on.
    """

    name: str
    argument: str = ""
    offset: int = 0
    line: int = 0
    column: int = 0
    variable: Variable | None = None
    parameters: tuple[tuple[str, Template], ...] = ()


Template = tuple[Literal | Keyword, ...]


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a pause lasts, or what <sample> draws.

    distribution: a name of pauses.DISTRIBUTIONS, "default" (-d) or "variable" (ms in `variable`).
    parameters: in the order of the distribution's parameter names.
    """

    distribution: str = "default"
    parameters: tuple[float, ...] = ()
    variable: Variable | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action of a step; only the fields its kind has are filled.

    name: of the element, or "exec play_pcap_audio" and its like. target: variable assigned to, source and
    source2: variables read, value: the number in place of one. targets: ereg and gettimeofday. template:
    message, value, command, key, line, host or username; template2: value of replace, port of setdest,
    password of verifyauth; template3: protocol of setdest. text: header of ereg, value of strcmp.
    """

    kind: ActionKind
    name: str
    line: int
    check: ActionCheck = ActionCheck.CHECK_NONE
    search_in: SearchIn = SearchIn.SEARCH_MESSAGE
    compare: Comparison = Comparison.COMPARE_EQUAL
    case_indep: bool = False
    start_line: bool = False
    occurrence: int = 1
    target: Variable | None = None
    source: Variable | None = None
    source2: Variable | None = None
    value: float = 0.0
    targets: tuple[Variable, ...] = ()
    regexp: bytes = b""
    duration: Duration | None = None
    injection_file: str = ""
    template: Template = ()
    template2: Template = ()
    template3: Template = ()
    text: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What all steps share: one line of the scenario's program.

    line: of the element in the file. next and on_timeout: label ids. chance: of taking `next`, 0..1.
    test: `next` is taken only while it is set. condexec: the step is skipped while it is not set (inverse:
    is set). lost_percent: None leaves the run's -lost in force. crlf and hide serve the scenario screen.
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
    test: Variable | None = None
    condexec: Variable | None = None
    condexec_inverse: bool = False
    ignores_sdp: bool = False
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SendStep(Step):
    """A message to send. method is empty for a response, status_code 0 for a request.

    retrans_ms: T1 of this message, 0 when it is not retransmitted. timeout_ms: 0 leaves -send_timeout in
    force. start_txn, ack_txn: names of transactions.
    """

    template: Template
    method: bytes = b""
    status_code: int = 0
    retrans_ms: int = 0
    timeout_ms: int = 0
    start_txn: str | None = None
    ack_txn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecvStep(Step):
    """A message to wait for. method is empty for a response, status_code 0 for a request.

    With `regexp` both are empty and it is matched against the method or the code; is_request says which
    attribute it came from. timeout_ms: 0 leaves the run's -recv_timeout in force.
    """

    method: bytes = b""
    status_code: int = 0
    optional: bool = False
    is_global: bool = False
    advance_state: bool = True
    timeout_ms: int = 0
    regexp: bytes | None = None
    is_request: bool = False
    records_routes: bool = False
    keeps_challenge: bool = False
    response_txn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseStep(Step):
    """A pause or, as the last step, a timewait."""

    duration: Duration = Duration()
    is_timewait: bool = False

    @property
    def distribution(self) -> str:
        """Name of the distribution, "default" or "variable"."""
        return self.duration.distribution

    @property
    def min_ms(self) -> float:
        """Length of a fixed pause, shortest one of a uniform pause; else 0."""
        return self.duration.parameters[0] if self.distribution in ("fixed", "uniform") else 0.0

    @property
    def max_ms(self) -> float:
        """Length of a fixed pause, longest one of a uniform pause; else 0."""
        return self.duration.parameters[-1] if self.distribution in ("fixed", "uniform") else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NopStep(Step):
    """A step that only counts, times, branches or acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCmdStep(Step):
    """A message to the twin; dest: name of the peer in extended 3PCC, empty otherwise."""

    template: Template
    dest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecvCmdStep(Step):
    """A message of the twin to wait for; src: name of the peer in extended 3PCC, empty otherwise."""

    src: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario that was read and checked: `compile_scenario` accepts every instance.

    name: what trace file names use (file name without directory and `.xml`, or the built-in's name).
    file: what error messages say. description: the `name` attribute of the root element.
    labels: label id -> index of the step behind it (len(steps) for a label at the end).
    rtd_names, counter_names: in the order of their first appearance.
    response_time_tables: one tuple of ascending bounds in milliseconds for each RTD, empty without table.
    default_messages: texts that replace the standard ones, by <DefaultMessage id>.
    key_names, injection_names: what the scenario was loaded with. warnings: what the author should look at.
    is_client: the first send or recv is a send. creates_calls: the first step that is neither pause nor nop
    sends (to the peer or the twin); differs from is_client for a twin that waits for the other one.
    init_steps, init_labels: the <init> section, indices from 0. variables: by scope, in the order of numbering.
    media_uses: (line, what) of actions that need media.
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
    injection_names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    creates_calls: bool = True
    init_steps: tuple[Step, ...] = ()
    init_labels: Mapping[str, int] = field(default_factory=dict)
    variables: tuple[Variable, ...] = ()
    transactions: tuple[str, ...] = ()
    media_uses: tuple[tuple[int, str], ...] = ()

    @staticmethod
    def from_file(
        path: str | Path,
        *,
        keys: Collection[str] = (),
        injection_names: Sequence[str] = (),
        default_injection: str = "",
    ) -> Scenario:
        """Read and check a scenario file.

        keys: names of -key parameters. injection_names: base names of the -inf files; default_injection: the one
        of a [fieldN] that names none, "": the first.
        Raises ScenarioError for everything that is wrong with the file or its content.
        """
        from sippx.scenario.loader import load_file

        return load_file(
            path, keys=keys, injection_names=injection_names, default_injection=default_injection
        )

    @staticmethod
    def from_string(
        text: str | bytes,
        *,
        name: str = "scenario",
        keys: Collection[str] = (),
        injection_names: Sequence[str] = (),
        default_injection: str = "",
    ) -> Scenario:
        """Check scenario XML given as text; a `str` is taken as UTF-8 whatever its declaration says."""
        from sippx.scenario.loader import load_string

        return load_string(
            text,
            name=name,
            keys=keys,
            injection_names=injection_names,
            default_injection=default_injection,
        )

    @staticmethod
    def builtin(
        name: str, *, keys: Collection[str] = (), injection_names: Sequence[str] = (), flag: str = "-sn"
    ) -> Scenario:
        """Load one of the scenarios that come with sippx.

        injection_names: as with from_file, for a scenario that shares them with another. Raises ScenarioError,
        which names `flag`, for an unknown name.
        """
        from sippx.scenario.loader import load_builtin

        return load_builtin(name, keys=keys, injection_names=injection_names, flag=flag)
