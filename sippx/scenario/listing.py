"""ProgramSpec -> text: a compiled program as a person reads it, one line for each step and piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sippx._core.codes import (
    ActionCheck,
    ActionKind,
    Comparison,
    DefaultMessage,
    Method,
    PauseKind,
    PieceKind,
    SearchIn,
    StepFlag,
    StepKind,
)
from sippx.scenario.compiler import ALWAYS, METHODS, ProgramSpec

_OFFSET_KINDS = frozenset(
    {
        PieceKind.PIECE_CSEQ,
        PieceKind.PIECE_LEN,
        PieceKind.PIECE_LAST_CSEQ_NUMBER,
        PieceKind.PIECE_AUTO_MEDIA_PORT,
        PieceKind.PIECE_LOCAL_PORT,
    }
)


_NUMBER_KINDS = frozenset(
    {
        ActionKind.ACTION_ASSIGN,
        ActionKind.ACTION_ADD,
        ActionKind.ACTION_SUBTRACT,
        ActionKind.ACTION_MULTIPLY,
        ActionKind.ACTION_DIVIDE,
        ActionKind.ACTION_TEST,
        ActionKind.ACTION_JUMP,
        ActionKind.ACTION_PAUSE_RESTORE,
    }
)
"""Actions with a number, unless a variable stands in for it."""


def list_program(spec: ProgramSpec) -> str:
    """Readable text of a compiled program, ending in a line end."""
    return "\n".join(_lines(spec)) + "\n"


def _lines(spec: ProgramSpec) -> Iterator[str]:
    role = "client" if spec.is_client else "server"
    yield (
        f"program {spec.name} ({role}): {len(spec.steps)} steps, {len(spec.pieces)} pieces, "
        f"{len(spec.pool)} literal bytes, pauses {spec.scenario_duration_ms} ms"
    )
    for index, step in enumerate(spec.steps):
        yield from _step_lines(spec, index, step)
    yield f"{len(spec.steps):4d}  end"
    if len(spec.init_steps):
        yield "init"
        for index, step in enumerate(spec.init_steps, len(spec.steps)):
            yield from _step_lines(spec, index, step)
        yield f"{len(spec.steps) + len(spec.init_steps):4d}  end of init"
    if spec.unexpected_step >= 0:
        yield f"unexpected messages: step {spec.unexpected_step}"
    for number, (scope, name) in enumerate(_variables(spec)):
        yield f"variable {number}: {name} ({scope})"
    for number, name in enumerate(spec.transactions):
        yield f"transaction {number}: {name}"
    for number, name in enumerate(spec.injection_names):
        yield f"injection file {number}: {name}"
    yield "Call-ID"
    yield from _piece_lines(spec, *spec.call_id_pieces)
    for message, (first, count) in zip(DefaultMessage, spec.default_pieces, strict=False):
        yield f"default {message.name.removeprefix('DEFAULT_')}"
        yield from _piece_lines(spec, first, count)
    for name, bounds in zip(spec.rtd_names, spec.rtd_bounds_ms, strict=True):
        yield f"response time {name}: {_bounds_text(bounds)}"
    yield f"call length: {_bounds_text(spec.call_length_bounds_ms)}"


def _step_lines(spec: ProgramSpec, index: int, step: Any) -> Iterator[str]:
    yield f"{index:4d}  {_step_text(spec, step)}"
    yield from _piece_lines(spec, int(step["piece_first"]), int(step["n_pieces"]))
    first = int(step["action_first"])
    for action in spec.actions[first : first + int(step["n_actions"])]:
        yield f"      {_action_text(spec, action)}"
        yield from _piece_lines(spec, int(action["piece_first"]), int(action["n_pieces"]))
        yield from _piece_lines(spec, int(action["piece2_first"]), int(action["n_pieces2"]))


def _variables(spec: ProgramSpec) -> Iterator[tuple[str, str]]:
    """(scope, name) of all variables in the order of their numbers."""
    yield from (("call", name) for name in spec.call_variables)
    yield from (("user", name) for name in spec.user_variables)
    yield from (("global", name) for name in spec.global_variables)


def _variable(spec: ProgramSpec, number: int) -> str:
    return "$" + list(_variables(spec))[number][1]


def _bounds_text(bounds: tuple[int, ...]) -> str:
    return "no table" if not bounds else "table " + ", ".join(map(str, bounds)) + " ms"


def _step_text(spec: ProgramSpec, step: Any) -> str:
    flags = int(step["flags"])
    parts: list[str] = []
    match StepKind(int(step["kind"])):
        case StepKind.STEP_SEND:
            head = f"send {_name(spec, step)}"
            if step["retrans_ms"]:
                parts.append(f"retrans {step['retrans_ms']} ms")
            if step["timeout_ms"]:
                parts.append(f"timeout {step['timeout_ms']} ms")
        case StepKind.STEP_RECV:
            head = f"recv {_name(spec, step)}"
            parts += _recv_parts(step, flags)
        case StepKind.STEP_PAUSE:
            head = "timewait " if flags & StepFlag.STEP_TIMEWAIT else "pause "
            head += _duration_text(spec, spec.pauses[int(step["pause_idx"])])
        case StepKind.STEP_SEND_CMD:
            head = f"sendCmd {_name(spec, step)}".rstrip()
        case StepKind.STEP_RECV_CMD:
            head = f"recvCmd {_name(spec, step)}".rstrip()
            if flags & StepFlag.STEP_OPTIONAL:
                parts.append("optional")
            if step["timeout_ms"]:
                parts.append(f"timeout {step['timeout_ms']} ms")
        case _:
            head = "nop"
    parts += _common_parts(spec, step, flags)
    return f"{head:<20}  {', '.join(parts)}".rstrip() + f"  (line {step['source_line']})"


def _duration_text(spec: ProgramSpec, pause: Any) -> str:
    kind = PauseKind(int(pause["kind"]))
    match kind:
        case PauseKind.PAUSE_FIXED:
            return f"{pause['p0']:g} ms"
        case PauseKind.PAUSE_UNIFORM:
            return f"{pause['p0']:g}..{pause['p1']:g} ms"
        case PauseKind.PAUSE_VARIABLE:
            return f"{_variable(spec, int(pause['p0']))} ms"
    name = kind.name.removeprefix("PAUSE_").lower()
    return f"{name}({pause['p0']:g}, {pause['p1']:g}, {pause['p2']:g})"


def _action_text(spec: ProgramSpec, action: Any) -> str:
    kind = ActionKind(int(action["kind"]))
    parts = [kind.name.removeprefix("ACTION_").lower()]
    targets = spec.targets[int(action["targets_first"]) :][: int(action["n_targets"])]
    parts += [_variable(spec, int(number)) for number in targets]
    parts += [_variable(spec, int(action["target"]))] if action["target"] >= 0 else []
    if kind == ActionKind.ACTION_EREG:
        parts.append(f"in {SearchIn(int(action['search_in'])).name.removeprefix('SEARCH_').lower()}")
        parts.append(repr(spec.regexes[int(action["row"])]))
        parts += [f"occurrence {action['occurrence']}"] if action["occurrence"] != 1 else []
        parts += [word.replace("_", " ") for word in ("case_indep", "start_line") if action[word]]
    if kind == ActionKind.ACTION_SAMPLE:
        parts.append(_duration_text(spec, spec.pauses[int(action["row"])]))
    elif kind != ActionKind.ACTION_EREG and action["row"] >= 0:
        parts.append(f"file {spec.injection_names[int(action['row'])]}")
    parts += [f"of {_variable(spec, int(action['source']))}"] if action["source"] >= 0 else []
    if kind == ActionKind.ACTION_TEST:
        parts.append(Comparison(int(action["compare"])).name.removeprefix("COMPARE_").lower().replace("_", " "))
    parts += [_variable(spec, int(action["source2"]))] if action["source2"] >= 0 else []
    if kind in _NUMBER_KINDS and action["source2" if kind == ActionKind.ACTION_TEST else "source"] < 0:
        parts.append(f"{action['value']:g}")
    text = spec.pool[int(action["text_off"]) : int(action["text_off"]) + int(action["text_len"])]
    parts += [repr(text)] if text else []
    parts += {ActionCheck.CHECK_IT: ["checked"], ActionCheck.CHECK_IT_INVERSE: ["checked inversely"]}.get(
        ActionCheck(int(action["check"])), []
    )
    return " ".join(parts) + f"  (line {action['source_line']})"


def _recv_parts(step: Any, flags: int) -> Iterator[str]:
    if flags & StepFlag.STEP_GLOBAL:
        yield "optional everywhere below"
    elif flags & StepFlag.STEP_OPTIONAL:
        yield "optional"
    words = {
        StepFlag.STEP_REGEXP: "by regular expression",
        StepFlag.STEP_RECORDS_ROUTES: "records routes",
        StepFlag.STEP_KEEPS_CHALLENGE: "keeps challenge",
    }
    yield from (word for flag, word in words.items() if flags & flag)
    if flags & StepFlag.STEP_KEEP_STATE:
        yield "does not advance"
    if not flags & StepFlag.STEP_IS_REQUEST:
        mask = int(step["methods_mask"])
        names = [name.decode() for name, number in METHODS.items() if mask & 1 << number]
        names += ["others"] if mask & 1 << Method.METHOD_OTHER else []
        yield f"to {' '.join(names) or 'any (first step)'}"
    if step["timeout_ms"]:
        yield f"timeout {step['timeout_ms']} ms"


def _common_parts(spec: ProgramSpec, step: Any, flags: int) -> Iterator[str]:
    if step["stop_rtd"] >= 0:
        repeat = " every time" if flags & StepFlag.STEP_REPEAT_RTD else ""
        yield f"stop rtd {spec.rtd_names[int(step['stop_rtd'])]}{repeat}"
    if step["start_rtd"] >= 0:
        yield f"start rtd {spec.rtd_names[int(step['start_rtd'])]}"
    if step["counter"] >= 0:
        yield f"counter {spec.counter_names[int(step['counter'])]}"
    if flags & StepFlag.STEP_HAS_LOST:
        yield f"lost {step['lost_percent']:g} %"
    if step["condexec_var"] >= 0:
        inverse = " not" if flags & StepFlag.STEP_CONDEXEC_INVERSE else ""
        yield f"if {_variable(spec, int(step['condexec_var']))} is{inverse} set"
    for field in ("start_txn", "ack_txn", "response_txn"):
        if step[field] >= 0:
            yield f"{field} {spec.transactions[int(step[field])]}"
    if flags & StepFlag.STEP_IGNORES_SDP:
        yield "ignores SDP"
    if step["next"] >= 0:
        chance = int(step["chance"])
        test = f" if {_variable(spec, int(step['test_var']))} is set" if step["test_var"] >= 0 else ""
        yield f"next {step['next']}{test}" + ("" if chance == ALWAYS else f" with chance {(chance + 1) / 2**32:g}")
    if step["on_timeout"] >= 0:
        yield f"ontimeout {step['on_timeout']}"
    if flags & StepFlag.STEP_KEEPS_LAST:
        yield "keeps last message"


def _name(spec: ProgramSpec, step: Any) -> str:
    first = int(step["name_off"])
    return spec.pool[first : first + int(step["name_len"])].decode("utf-8", "replace")


def _piece_lines(spec: ProgramSpec, first: int, count: int, indent: str = " " * 8) -> Iterator[str]:
    for row in spec.pieces[first : first + count]:
        kind = PieceKind(int(row["kind"]))
        off, length = int(row["off"]), int(row["len"])
        has_rows = kind in (PieceKind.PIECE_FIELD, PieceKind.PIECE_FILE)
        text = b"" if has_rows else spec.pool[off : off + length]
        if kind == PieceKind.PIECE_LITERAL:
            yield f"{indent}{text!r}"
            continue
        name = kind.name.removeprefix("PIECE_").lower()
        suppress = "  (line vanishes if empty)" if row["suppress"] else ""
        yield f"{indent}<{name}{_piece_argument(spec, kind, row, text)}>{suppress}"
        if has_rows:
            yield from _piece_lines(spec, off, length, indent + "    ")
        if kind == PieceKind.PIECE_AUTHENTICATION:
            credentials = spec.credentials[int(row["arg"])]
            for word in ("username", "password", "aka_k", "aka_op", "aka_amf"):
                yield from _piece_lines(
                    spec, int(credentials[f"{word}_first"]), int(credentials[f"n_{word}"]), f"{indent}    {word}: "
                )


def _piece_argument(spec: ProgramSpec, kind: PieceKind, row: Any, text: bytes) -> str:
    offset = int(row["offset"])
    if kind == PieceKind.PIECE_VARIABLE:
        return f" {_variable(spec, offset)}"
    if kind == PieceKind.PIECE_FILL:
        return f" {_variable(spec, offset)} {text!r}"
    if kind == PieceKind.PIECE_FIELD:
        return f" {offset} of {spec.injection_names[int(row['arg'])]}"
    argument = f" {text.decode('ascii')}" if text else ""
    return argument + (f"{offset:+d}" if kind in _OFFSET_KINDS and offset else "")
