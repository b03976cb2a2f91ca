"""Scenario -> ProgramSpec: resolves names to indices and lays out the core's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sippx._core.codes import ActionKind, DefaultMessage, Method, SearchIn, StepFlag, StepKind
from sippx._core.tables import ACTION_DTYPE, CREDENTIALS_DTYPE, PAUSE_DTYPE, PIECE_DTYPE, STEP_DTYPE
from sippx.errors import ScenarioError
from sippx.scenario.bindings import Bindings
from sippx.scenario.defaults import DEFAULT_NAMES, default_template
from sippx.scenario.element import INT_MAX
from sippx.scenario.layout import Layout
from sippx.scenario.liveness import steps_that_keep_last
from sippx.scenario.model import (
    UNEXPECTED_LABEL,
    UNEXPECTED_VARIABLES,
    Action,
    NopStep,
    PauseStep,
    RecvCmdStep,
    RecvStep,
    Scenario,
    SendCmdStep,
    SendStep,
    Step,
    Template,
    Variable,
    VariableScope,
)
from sippx.scenario.pauses import percentile_ms
from sippx.scenario.pieces import Piece, PieceContext, call_id_pieces, reads_last, template_pieces
from sippx.scenario.variables import SCOPES

ALWAYS = 0xFFFFFFFF
"""step_t.chance of a branch that is always taken."""

METHODS: dict[bytes, Method] = {
    method.name.removeprefix("METHOD_").encode("ascii"): method
    for method in Method
    if method not in (Method.METHOD_NONE, Method.METHOD_OTHER, Method.N_METHODS)
}
"""Methods that have a number; any other is METHOD_OTHER."""

_MAX_METHOD_BYTES = max(map(len, METHODS))

_KINDS: dict[type[Step], StepKind] = {
    SendStep: StepKind.STEP_SEND,
    RecvStep: StepKind.STEP_RECV,
    PauseStep: StepKind.STEP_PAUSE,
    NopStep: StepKind.STEP_NOP,
    SendCmdStep: StepKind.STEP_SEND_CMD,
    RecvCmdStep: StepKind.STEP_RECV_CMD,
}


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """A compiled scenario: tables of C rows and one literal pool, as the core's Program takes them.

    steps, pieces, pauses: arrays of STEP_DTYPE, PIECE_DTYPE and PAUSE_DTYPE. pool: the bytes that offsets
    point into. call_id_pieces: (first, number) of the Call-ID's pieces; default_pieces: the same for each
    DefaultMessage. rtd_bounds_ms: repartition bounds of each RTD, maybe empty. scenario_duration_ms: sum of
    the pauses' 99th percentiles. uses_peer_tag: some template prints [peer_tag_param].

    init_steps: the <init> section; its steps are numbered behind the others, its end is the number of both.
    A variable's number counts call_variables, then user_variables, then global_variables. unexpected_*: step
    of the label _unexp.main and the variables it sets, -1: none.
    """

    name: str
    is_client: bool
    steps: NDArray[np.void]
    pieces: NDArray[np.void]
    pauses: NDArray[np.void]
    pool: bytes
    call_id_pieces: tuple[int, int]
    default_pieces: tuple[tuple[int, int], ...]
    rtd_names: tuple[str, ...]
    counter_names: tuple[str, ...]
    rtd_bounds_ms: tuple[tuple[int, ...], ...]
    call_length_bounds_ms: tuple[int, ...]
    scenario_duration_ms: int
    uses_peer_tag: bool
    init_steps: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, STEP_DTYPE))
    actions: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, ACTION_DTYPE))
    targets: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    credentials: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, CREDENTIALS_DTYPE))
    regexes: tuple[bytes, ...] = ()
    injection_names: tuple[str, ...] = ()
    call_variables: tuple[str, ...] = ()
    user_variables: tuple[str, ...] = ()
    global_variables: tuple[str, ...] = ()
    transactions: tuple[str, ...] = ()
    unexpected_step: int = -1
    unexpected_return_var: int = -1
    unexpected_pause_var: int = -1


def compile_scenario(
    scenario: Scenario,
    bindings: Bindings,
    *,
    global_names: Sequence[str] | None = None,
    is_second: bool = False,
) -> ProgramSpec:
    """Compile a scenario for one run.

    global_names: the global variables of the run, where another scenario has more than this one (see
    shared_globals). is_second: of a run's two scenarios it is the one whose calls requests open.

    Raises ScenarioError if `bindings.keys` lacks a name the scenario was loaded with; nothing else can fail.
    """
    missing = sorted(scenario.key_names - set(bindings.keys))
    if missing:
        raise ScenarioError(f"no value for the -key parameters {', '.join(missing)}", file=scenario.file)
    names = _names(scenario, "global") if global_names is None else tuple(global_names)
    return _Compiler(scenario, bindings, names, is_second).compile()


def shared_globals(*scenarios: Scenario) -> tuple[str, ...]:
    """Global variables of all these scenarios in one order: of one name, it is one variable."""
    return tuple(dict.fromkeys(name for scenario in scenarios for name in _names(scenario, "global")))


def recv_timeouts(scenario: Scenario, recv_timeout_ms: int) -> list[tuple[int, str | None]]:
    """(timeout ms, label) armed when a call sits at each step; (0, None) where none is.

    A call waits at the first optional recv of a group, so the timeouts of those behind it, up to the
    mandatory one, are armed there too: the smallest wins.
    """
    armed: list[tuple[int, str | None]] = [(0, None)] * (len(scenario.steps) + 1)
    for index in range(len(scenario.steps) - 1, -1, -1):
        step = scenario.steps[index]
        if isinstance(step, RecvStep | RecvCmdStep):
            timeout_ms = step.timeout_ms if isinstance(step, RecvStep) else 0
            own = (timeout_ms or recv_timeout_ms, step.on_timeout)
            candidates = [own, armed[index + 1]] if step.optional else [own]
            armed[index] = min((c for c in candidates if c[0]), key=lambda c: c[0], default=(0, None))
    return armed[:-1]


def _names(scenario: Scenario, scope: VariableScope) -> tuple[str, ...]:
    return tuple(variable.name for variable in scenario.variables if variable.scope == scope)


class _Compiler:
    """The tables of one compilation while they grow."""

    def __init__(self, scenario: Scenario, bindings: Bindings, global_names: tuple[str, ...], is_second: bool) -> None:
        self.scenario = scenario
        self.is_second = is_second
        self.bindings = bindings
        self.global_names = global_names
        own = (variable for variable in scenario.variables if variable.scope != "global")
        shared = (Variable(name, "global") for name in global_names)
        self.numbers = {variable: number for number, variable in enumerate((*own, *shared))}
        self.layout = Layout(scenario.file, bindings, self.numbers, scenario.injection_names)
        self.records_routes = any(isinstance(s, RecvStep) and s.records_routes for s in scenario.steps)
        self.rtd_index = {name: index for index, name in enumerate(scenario.rtd_names)}
        self.counter_index = {name: index for index, name in enumerate(scenario.counter_names)}
        self.transaction_index = {name: index for index, name in enumerate(scenario.transactions)}
        sent = b"".join(s.method for s in scenario.steps if isinstance(s, SendStep) and _is_listed(s))
        self.methods_off = self.layout.pool.add(sent)[0]
        self.methods_above = bytearray()
        self.methods_mask = 0

    def compile(self) -> ProgramSpec:
        scenario, layout = self.scenario, self.layout
        steps = self._steps()
        init_steps = self._init_steps()
        call_id = layout.add_pieces(call_id_pieces(self.bindings))
        defaults = tuple(layout.add_pieces(self._default_pieces(message)) for message in DEFAULT_NAMES)
        return ProgramSpec(
            name=scenario.name,
            is_client=scenario.is_client,
            steps=steps,
            call_id_pieces=call_id,
            default_pieces=defaults,
            pieces=np.array(layout.pieces, PIECE_DTYPE),
            pauses=np.array(layout.pauses, PAUSE_DTYPE),
            pool=bytes(layout.pool.data),
            rtd_names=scenario.rtd_names,
            counter_names=scenario.counter_names,
            rtd_bounds_ms=scenario.response_time_tables,
            call_length_bounds_ms=scenario.call_length_table,
            scenario_duration_ms=self._duration_ms(),
            uses_peer_tag=layout.uses_peer_tag,
            init_steps=init_steps,
            actions=layout.array(layout.actions, ACTION_DTYPE),
            targets=np.array(layout.targets, np.int32),
            credentials=np.array(layout.credentials, CREDENTIALS_DTYPE),
            regexes=tuple(layout.regexes),
            injection_names=scenario.injection_names,
            call_variables=_names(scenario, "call"),
            user_variables=_names(scenario, "user"),
            global_variables=self.global_names,
            transactions=scenario.transactions,
            unexpected_step=scenario.labels.get(UNEXPECTED_LABEL, -1),
            unexpected_return_var=self._variable_of(UNEXPECTED_VARIABLES[0]),
            unexpected_pause_var=self._variable_of(UNEXPECTED_VARIABLES[1]),
        )

    def _steps(self) -> NDArray[np.void]:
        rows: list[dict[str, Any]] = []
        uses_last: list[bool] = []
        timeouts = recv_timeouts(self.scenario, self.bindings.recv_timeout_ms)
        for index, step in enumerate(self.scenario.steps):
            row = self._common_row(step, self.scenario.labels)
            row["action_first"], row["n_actions"], uses = self._actions(step, index, first_step=0)
            match step:
                case SendStep():
                    pieces = self._message(row, step.template, index)
                    self._send_row(row, step)
                    uses = uses or reads_last(pieces)
                case SendCmdStep():
                    pieces = self._message(row, step.template, index)
                    row["name_off"], row["name_len"] = self.layout.pool.add(step.dest.encode("utf-8"))
                    uses = uses or reads_last(pieces)
                case RecvStep():
                    self._recv_row(row, step)
                    row["timeout_ms"], row["on_timeout"] = timeouts[index][0], self._target(timeouts[index][1])
                case RecvCmdStep():
                    row["name_off"], row["name_len"] = self.layout.pool.add(step.src.encode("utf-8"))
                    row["flags"] |= StepFlag.STEP_OPTIONAL if step.optional else 0
                    row["timeout_ms"], row["on_timeout"] = timeouts[index][0], self._target(timeouts[index][1])
                case PauseStep():
                    row["pause_idx"] = self.layout.add_pause(step.duration)
                    row["flags"] |= StepFlag.STEP_TIMEWAIT if step.is_timewait else 0
            rows.append(row)
            uses_last.append(uses)
        keep_last = steps_that_keep_last(self.scenario, uses_last, says_goodbye=self.is_second)
        for row, keeps in zip(rows, keep_last, strict=True):
            row["flags"] |= StepFlag.STEP_KEEPS_LAST if keeps else 0
        return self.layout.array(rows, STEP_DTYPE)

    def _init_steps(self) -> NDArray[np.void]:
        scenario = self.scenario
        first_step = len(scenario.steps)
        labels = {name: first_step + index for name, index in scenario.init_labels.items()}
        rows = []
        for index, step in enumerate(scenario.init_steps):
            row = self._common_row(step, labels)
            row["action_first"], row["n_actions"], _ = self._actions(step, index, first_step=first_step)
            rows.append(row)
        return self.layout.array(rows, STEP_DTYPE)

    # -- templates and actions ------------------------------------------------------------------------

    def _context(self, branch_index: int, msg_index: int) -> PieceContext:
        return PieceContext(
            branch_index, msg_index, self.numbers, self.scenario.injection_names, self.records_routes
        )

    def _message(self, row: dict[str, Any], template: Template, index: int) -> list[Piece]:
        pieces = template_pieces(template, self.bindings, self._context(index, index))
        row["piece_first"], row["n_pieces"] = self.layout.add_pieces(pieces)
        return pieces

    def _default_pieces(self, message: DefaultMessage) -> list[Piece]:
        template = self.scenario.default_messages.get(DEFAULT_NAMES[message]) or default_template(message)
        # A branch of its own, which no step of the call has used.
        return template_pieces(template, self.bindings, self._context(len(self.scenario.steps), -1))

    def _actions(self, step: Step, index: int, *, first_step: int) -> tuple[int, int, bool]:
        """(first row, number of rows, whether the last message is looked at) of a step's actions."""
        context = self._context(index - 1, -1)
        rows, uses_last = self.layout.add_actions(step.actions, context, n_before=first_step)
        if not isinstance(step, RecvStep):
            uses_last = uses_last or any(map(_searches_message, step.actions))
        return *rows, uses_last

    # -- rows ---------------------------------------------------------------------------------------

    def _target(self, label: str | None) -> int:
        return -1 if label is None else self.scenario.labels[label]

    def _variable_of(self, name: str) -> int:
        """Number of the variable of this name, -1 if there is none."""
        return next((n for scope in SCOPES if (n := self.numbers.get(Variable(name, scope), -1)) >= 0), -1)

    def _common_row(self, step: Step, labels: Mapping[str, int]) -> dict[str, Any]:
        flags = StepFlag.STEP_REPEAT_RTD if step.repeat_rtd else 0
        flags |= StepFlag.STEP_HAS_LOST if step.lost_percent is not None else 0
        flags |= StepFlag.STEP_CONDEXEC_INVERSE if step.condexec and step.condexec_inverse else 0
        flags |= StepFlag.STEP_IGNORES_SDP if step.ignores_sdp else 0
        is_taken = step.next is not None and step.chance > 0
        return {
            "kind": _KINDS[type(step)],
            "flags": flags,
            "next": labels[step.next] if step.next is not None and is_taken else -1,
            "chance": ALWAYS if step.chance >= 1 else max(int(step.chance * 2**32) - 1, 0),
            "on_timeout": -1 if step.on_timeout is None else labels[step.on_timeout],
            "pause_idx": -1,
            "condexec_var": self.layout.number(step.condexec),
            "test_var": self.layout.number(step.test),
            "start_rtd": -1 if step.start_rtd is None else self.rtd_index[step.start_rtd],
            "stop_rtd": -1 if step.stop_rtd is None else self.rtd_index[step.stop_rtd],
            "counter": -1 if step.counter is None else self.counter_index[step.counter],
            "lost_percent": step.lost_percent or 0.0,
            "source_line": step.line,
            "regex_idx": -1,
            "start_txn": -1,
            "ack_txn": -1,
            "response_txn": -1,
        }

    def _transaction(self, name: str | None) -> int:
        return -1 if name is None else self.transaction_index[name]

    def _message_row(self, row: dict[str, Any], step: SendStep | RecvStep) -> None:
        """Fields that a sent and an awaited message share."""
        name = step.method or str(step.status_code).encode("ascii")
        row["name_off"], row["name_len"] = self.layout.pool.add(name)
        row["status_code"] = step.status_code
        if step.method:
            row["method"] = METHODS.get(step.method, Method.METHOD_OTHER)
            row["flags"] |= StepFlag.STEP_IS_REQUEST

    def _send_row(self, row: dict[str, Any], step: SendStep) -> None:
        self._message_row(row, step)
        row["timeout_ms"] = step.timeout_ms or self.bindings.send_timeout_ms
        row["start_txn"] = self._transaction(step.start_txn)
        row["ack_txn"] = self._transaction(step.ack_txn)
        if self.bindings.retransmissions_enabled and self.bindings.transport == "UDP":
            row["retrans_ms"] = step.retrans_ms
        if not step.method:
            return
        if _is_listed(step):
            self._add_method_above(step.method)
        if step.method not in (b"ACK", b"CANCEL"):
            row["flags"] |= StepFlag.STEP_RAISES_CSEQ
        if step.method == b"ACK":
            row["flags"] |= StepFlag.STEP_SENDS_ACK
        if step.method == b"INVITE":
            row["flags"] |= StepFlag.STEP_IS_INVITE

    def _recv_row(self, row: dict[str, Any], step: RecvStep) -> None:
        if step.regexp is None:
            self._message_row(row, step)
        else:
            row["name_off"], row["name_len"] = self.layout.pool.add(step.regexp)
            row["regex_idx"] = self.layout.add_regex(step.regexp)
            row["flags"] |= StepFlag.STEP_REGEXP
            if step.is_request:
                row["flags"] |= StepFlag.STEP_IS_REQUEST
                row["method"] = Method.METHOD_OTHER
        row["flags"] |= StepFlag.STEP_OPTIONAL if step.optional else 0
        row["flags"] |= StepFlag.STEP_GLOBAL if step.is_global else 0
        row["flags"] |= 0 if step.advance_state else StepFlag.STEP_KEEP_STATE
        row["flags"] |= StepFlag.STEP_RECORDS_ROUTES if step.records_routes else 0
        row["flags"] |= StepFlag.STEP_KEEPS_CHALLENGE if step.keeps_challenge else 0
        row["response_txn"] = self._transaction(step.response_txn)
        if not row["flags"] & StepFlag.STEP_IS_REQUEST:
            row["methods_off"], row["methods_len"] = self.methods_off, len(self.methods_above)
            row["methods_mask"] = self.methods_mask

    def _add_method_above(self, method: bytes) -> None:
        """SIPp asks whether a response's CSeq method is a substring of all methods sent above, joined."""
        new = bytes(self.methods_above[-_MAX_METHOD_BYTES:]) + method
        self.methods_above += method
        self.methods_mask |= sum(1 << number for known, number in METHODS.items() if known in new)
        self.methods_mask |= 0 if method in METHODS else 1 << Method.METHOD_OTHER

    def _duration_ms(self) -> int:
        """Sum of the pauses' 99th percentiles, each at most what a timer can hold."""
        pauses = (step.duration for step in self.scenario.steps if isinstance(step, PauseStep))
        return int(sum(min(max(percentile_ms(d, self.bindings.pause_ms), 0), INT_MAX) for d in pauses))


def _is_listed(step: SendStep) -> bool:
    """Whether a request's method counts for the responses below: those of a transaction have its branch."""
    return step.start_txn is None and step.ack_txn is None


def _searches_message(action: Action) -> bool:
    """Whether an action looks at the message of its step, which outside a recv may be the last received one."""
    if action.kind == ActionKind.ACTION_EREG:
        return action.search_in != SearchIn.SEARCH_VARIABLE
    return action.kind == ActionKind.ACTION_VERIFY_AUTH
