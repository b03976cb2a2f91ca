"""ProgramSpec -> text: a compiled program as a person reads it, one line for each step and piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sippx._core.codes import DefaultMessage, Method, PauseKind, PieceKind, StepFlag, StepKind
from sippx.scenario.compiler import ALWAYS, METHODS, ProgramSpec

_OFFSET_KINDS = frozenset(
    {
        PieceKind.PIECE_CSEQ,
        PieceKind.PIECE_LEN,
        PieceKind.PIECE_LAST_CSEQ_NUMBER,
        PieceKind.PIECE_AUTO_MEDIA_PORT,
    }
)


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
        yield f"{index:4d}  {_step_text(spec, step)}"
        if step["kind"] == StepKind.STEP_SEND:
            yield from _piece_lines(spec, int(step["piece_first"]), int(step["n_pieces"]))
    yield f"{len(spec.steps):4d}  end"
    yield "Call-ID"
    yield from _piece_lines(spec, *spec.call_id_pieces)
    for message, (first, count) in zip(DefaultMessage, spec.default_pieces, strict=False):
        yield f"default {message.name.removeprefix('DEFAULT_')}"
        yield from _piece_lines(spec, first, count)
    for name, bounds in zip(spec.rtd_names, spec.rtd_bounds_ms, strict=True):
        yield f"response time {name}: {_bounds_text(bounds)}"
    yield f"call length: {_bounds_text(spec.call_length_bounds_ms)}"


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
        case StepKind.STEP_RECV:
            head = f"recv {_name(spec, step)}"
            parts += _recv_parts(step, flags)
        case StepKind.STEP_PAUSE:
            pause = spec.pauses[int(step["pause_idx"])]
            head = "timewait" if flags & StepFlag.STEP_TIMEWAIT else "pause"
            is_uniform = pause["kind"] == PauseKind.PAUSE_UNIFORM
            head += f" {pause['p0']:g}..{pause['p1']:g} ms" if is_uniform else f" {pause['p0']:g} ms"
        case _:
            head = "nop"
    parts += _common_parts(spec, step, flags)
    return f"{head:<20}  {', '.join(parts)}".rstrip() + f"  (line {step['source_line']})"


def _recv_parts(step: Any, flags: int) -> Iterator[str]:
    if flags & StepFlag.STEP_GLOBAL:
        yield "optional everywhere below"
    elif flags & StepFlag.STEP_OPTIONAL:
        yield "optional"
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
    if step["next"] >= 0:
        chance = int(step["chance"])
        yield f"next {step['next']}" + ("" if chance == ALWAYS else f" with chance {(chance + 1) / 2**32:g}")
    if step["on_timeout"] >= 0:
        yield f"ontimeout {step['on_timeout']}"
    if flags & StepFlag.STEP_KEEPS_LAST:
        yield "keeps last message"


def _name(spec: ProgramSpec, step: Any) -> str:
    first = int(step["name_off"])
    return spec.pool[first : first + int(step["name_len"])].decode("utf-8", "replace")


def _piece_lines(spec: ProgramSpec, first: int, count: int) -> Iterator[str]:
    for row in spec.pieces[first : first + count]:
        kind = PieceKind(int(row["kind"]))
        text = spec.pool[int(row["off"]) : int(row["off"]) + int(row["len"])]
        if kind == PieceKind.PIECE_LITERAL:
            yield f"        {text!r}"
            continue
        name = kind.name.removeprefix("PIECE_").lower()
        argument = f" {text.decode('ascii')}" if text else ""
        offset = f"{row['offset']:+d}" if kind in _OFFSET_KINDS and row["offset"] else ""
        suppress = "  (line vanishes if empty)" if row["suppress"] else ""
        yield f"        <{name}{argument}{offset}>{suppress}"
