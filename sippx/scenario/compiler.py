"""Scenario -> ProgramSpec: resolves names to indices and lays out the core's tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sippx._core.codes import DefaultMessage, Method, PauseKind, PieceKind, StepFlag, StepKind
from sippx._core.tables import ACTION_DTYPE, CREDENTIALS_DTYPE, PAUSE_DTYPE, PIECE_DTYPE, STEP_DTYPE
from sippx.errors import ScenarioError
from sippx.scenario.bindings import Bindings
from sippx.scenario.defaults import DEFAULT_NAMES, default_template
from sippx.scenario.liveness import steps_that_keep_last
from sippx.scenario.model import NopStep, PauseStep, RecvStep, Scenario, SendStep, Step
from sippx.scenario.pieces import LAST_KINDS, Piece, PieceContext, call_id_pieces, template_pieces

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
}


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """A compiled scenario: tables of C rows and one literal pool, as the core's Program takes them.

    steps, pieces, pauses: arrays of STEP_DTYPE, PIECE_DTYPE and PAUSE_DTYPE. pool: the bytes that offsets
    point into. call_id_pieces: (first, number) of the Call-ID's pieces; default_pieces: the same for each
    DefaultMessage. rtd_bounds_ms: repartition bounds of each RTD, maybe empty. scenario_duration_ms: sum of
    the pauses' 99th percentiles. uses_peer_tag: some template prints [peer_tag_param].
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


def compile_scenario(scenario: Scenario, bindings: Bindings) -> ProgramSpec:
    """Compile a scenario for one run.

    Raises ScenarioError if `bindings.keys` lacks a name the scenario was loaded with; nothing else can fail.
    """
    missing = sorted(scenario.key_names - set(bindings.keys))
    if missing:
        raise ScenarioError(f"no value for the -key parameters {', '.join(missing)}", file=scenario.file)
    return _Compiler(scenario, bindings).compile()


def recv_timeouts(scenario: Scenario, recv_timeout_ms: int) -> list[tuple[int, str | None]]:
    """(timeout ms, label) armed when a call sits at each step; (0, None) where none is.

    A call waits at the first optional recv of a group, so the timeouts of those behind it, up to the
    mandatory one, are armed there too: the smallest wins.
    """
    armed: list[tuple[int, str | None]] = [(0, None)] * (len(scenario.steps) + 1)
    for index in range(len(scenario.steps) - 1, -1, -1):
        step = scenario.steps[index]
        if isinstance(step, RecvStep):
            own = (step.timeout_ms or recv_timeout_ms, step.on_timeout)
            candidates = [own, armed[index + 1]] if step.optional else [own]
            armed[index] = min((c for c in candidates if c[0]), key=lambda c: c[0], default=(0, None))
    return armed[:-1]


class _Pool:
    """The literal pool: equal texts share one place."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._places: dict[bytes, int] = {b"": 0}

    def add(self, text: bytes) -> tuple[int, int]:
        """(offset, length) of a text."""
        if text not in self._places:
            self._places[text] = len(self.data)
            self.data += text
        return self._places[text], len(text)


class _Compiler:
    """The tables of one compilation while they grow."""

    def __init__(self, scenario: Scenario, bindings: Bindings) -> None:
        self.scenario = scenario
        self.bindings = bindings
        self.pool = _Pool()
        self.pieces: list[tuple[int, int, int, int, int, int]] = []
        self.pauses: list[tuple[int, int, float, float, float]] = []
        self.uses_peer_tag = False
        self.rtd_index = {name: index for index, name in enumerate(scenario.rtd_names)}
        self.counter_index = {name: index for index, name in enumerate(scenario.counter_names)}
        sent = b"".join(step.method for step in scenario.steps if isinstance(step, SendStep))
        self.methods_off = self.pool.add(sent)[0]
        self.methods_above = bytearray()
        self.methods_mask = 0

    def compile(self) -> ProgramSpec:
        scenario = self.scenario
        templates = [self._step_pieces(step, index) for index, step in enumerate(scenario.steps)]
        uses_last = [any(piece.kind in LAST_KINDS for piece in pieces) for pieces in templates]
        keeps_last = steps_that_keep_last(scenario, uses_last)
        timeouts = recv_timeouts(scenario, self.bindings.recv_timeout_ms)
        steps = np.zeros(len(scenario.steps), STEP_DTYPE)
        for index, step in enumerate(scenario.steps):
            row = self._common_row(step)
            if isinstance(step, SendStep):
                self._send_row(row, step, templates[index])
            elif isinstance(step, RecvStep):
                self._recv_row(row, step, *timeouts[index])
            elif isinstance(step, PauseStep):
                self._pause_row(row, step)
            row["flags"] |= StepFlag.STEP_KEEPS_LAST if keeps_last[index] else 0
            for name, value in row.items():
                steps[index][name] = value
        call_id = self._add_pieces(call_id_pieces(self.bindings))
        defaults = tuple(self._add_pieces(self._default_pieces(message)) for message in DEFAULT_NAMES)
        return ProgramSpec(
            name=scenario.name,
            is_client=scenario.is_client,
            steps=steps,
            call_id_pieces=call_id,
            default_pieces=defaults,
            pieces=np.array(self.pieces, PIECE_DTYPE),
            pauses=np.array(self.pauses, PAUSE_DTYPE),
            pool=bytes(self.pool.data),
            rtd_names=scenario.rtd_names,
            counter_names=scenario.counter_names,
            rtd_bounds_ms=scenario.response_time_tables,
            call_length_bounds_ms=scenario.call_length_table,
            scenario_duration_ms=self._duration_ms(),
            uses_peer_tag=self.uses_peer_tag,
        )

    # -- templates ----------------------------------------------------------------------------------

    def _step_pieces(self, step: Step, index: int) -> list[Piece]:
        if not isinstance(step, SendStep):
            return []
        return template_pieces(step.template, self.bindings, PieceContext(index, index))

    def _default_pieces(self, message: DefaultMessage) -> list[Piece]:
        template = self.scenario.default_messages.get(DEFAULT_NAMES[message]) or default_template(message)
        # A branch of its own, which no step of the call has used.
        context = PieceContext(branch_index=len(self.scenario.steps), msg_index=-1)
        return template_pieces(template, self.bindings, context)

    def _add_pieces(self, pieces: list[Piece]) -> tuple[int, int]:
        """(first row, number of rows) of pieces put into the table."""
        first = len(self.pieces)
        for piece in pieces:
            off, length = self.pool.add(piece.text)
            self.pieces.append((piece.kind, piece.suppress, piece.arg, off, length, piece.offset))
            self.uses_peer_tag |= piece.kind == PieceKind.PIECE_PEER_TAG
        return first, len(pieces)

    # -- rows ---------------------------------------------------------------------------------------

    def _target(self, label: str | None) -> int:
        return -1 if label is None else self.scenario.labels[label]

    def _common_row(self, step: Step) -> dict[str, Any]:
        flags = StepFlag.STEP_REPEAT_RTD if step.repeat_rtd else 0
        flags |= StepFlag.STEP_HAS_LOST if step.lost_percent is not None else 0
        is_taken = step.chance > 0
        return {
            "kind": _KINDS[type(step)],
            "flags": flags,
            "next": self._target(step.next) if is_taken else -1,
            "chance": ALWAYS if step.chance >= 1 else max(int(step.chance * 2**32) - 1, 0),
            "on_timeout": self._target(step.on_timeout),
            "pause_idx": -1,
            "start_rtd": -1 if step.start_rtd is None else self.rtd_index[step.start_rtd],
            "stop_rtd": -1 if step.stop_rtd is None else self.rtd_index[step.stop_rtd],
            "counter": -1 if step.counter is None else self.counter_index[step.counter],
            "lost_percent": step.lost_percent or 0.0,
            "source_line": step.line,
            "condexec_var": -1,
            "test_var": -1,
            "regex_idx": -1,
            "start_txn": -1,
            "ack_txn": -1,
            "response_txn": -1,
        }

    def _message_row(self, row: dict[str, Any], step: SendStep | RecvStep) -> None:
        """Fields that a sent and an awaited message share."""
        name = step.method or str(step.status_code).encode("ascii")
        row["name_off"], row["name_len"] = self.pool.add(name)
        row["status_code"] = step.status_code
        if step.method:
            row["method"] = METHODS.get(step.method, Method.METHOD_OTHER)
            row["flags"] |= StepFlag.STEP_IS_REQUEST

    def _send_row(self, row: dict[str, Any], step: SendStep, pieces: list[Piece]) -> None:
        self._message_row(row, step)
        row["piece_first"], row["n_pieces"] = self._add_pieces(pieces)
        if self.bindings.retransmissions_enabled and self.bindings.transport == "UDP":
            row["retrans_ms"] = step.retrans_ms
        if step.method:
            self._add_method_above(step.method)
            if step.method not in (b"ACK", b"CANCEL"):
                row["flags"] |= StepFlag.STEP_RAISES_CSEQ
            if step.method == b"ACK":
                row["flags"] |= StepFlag.STEP_SENDS_ACK
            if step.method == b"INVITE":
                row["flags"] |= StepFlag.STEP_IS_INVITE

    def _recv_row(self, row: dict[str, Any], step: RecvStep, timeout_ms: int, label: str | None) -> None:
        self._message_row(row, step)
        row["flags"] |= StepFlag.STEP_OPTIONAL if step.optional else 0
        row["flags"] |= StepFlag.STEP_GLOBAL if step.is_global else 0
        row["flags"] |= 0 if step.advance_state else StepFlag.STEP_KEEP_STATE
        row["timeout_ms"], row["on_timeout"] = timeout_ms, self._target(label)
        if not step.method:
            row["methods_off"], row["methods_len"] = self.methods_off, len(self.methods_above)
            row["methods_mask"] = self.methods_mask

    def _add_method_above(self, method: bytes) -> None:
        """SIPp asks whether a response's CSeq method is a substring of all methods sent above, joined."""
        new = bytes(self.methods_above[-_MAX_METHOD_BYTES:]) + method
        self.methods_above += method
        self.methods_mask |= sum(1 << number for known, number in METHODS.items() if known in new)
        self.methods_mask |= 0 if method in METHODS else 1 << Method.METHOD_OTHER

    def _pause_row(self, row: dict[str, Any], step: PauseStep) -> None:
        row["pause_idx"] = len(self.pauses)
        row["flags"] |= StepFlag.STEP_TIMEWAIT if step.is_timewait else 0
        if step.distribution == "uniform":
            self.pauses.append((PauseKind.PAUSE_UNIFORM, 0, step.min_ms, step.max_ms, 0.0))
        else:
            ms = self.bindings.pause_ms if step.distribution == "default" else step.min_ms
            self.pauses.append((PauseKind.PAUSE_FIXED, 0, ms, 0.0, 0.0))

    def _duration_ms(self) -> int:
        """Sum of the pauses' 99th percentiles (a uniform one's as SIPp estimates it: min + 0.99 max)."""
        total = 0.0
        for kind, _, p0, p1, _ in self.pauses:
            total += p0 + 0.99 * p1 if kind == PauseKind.PAUSE_UNIFORM else p0
        return int(total)
