"""Slow twin of the template renderer: piece rows, literal pool and call values to the bytes of a message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sippx._core.codes import PieceKind

from .sip_message import SipMessage

WHITE_SPACE = b" \t\r\n"


@dataclass(frozen=True)
class CallValues:
    """What the pieces of a message may refer to. Texts of the clock pieces are given, not made here."""

    call_number: int = 1
    call_id: bytes = b"1-1@127.0.0.1"
    peer_tag: bytes = b""
    cseq: int = 1
    local_port: int = 0
    elapsed_ns: int = 0
    timestamp: bytes = b""
    date: bytes = b""
    random: int = 0
    last: SipMessage | None = None


def render_pieces(rows: Any, pool: bytes, values: CallValues) -> bytes:
    """Render rows of PIECE_DTYPE (one template). [len] takes five columns and counts the body's bytes."""
    output = bytearray()
    len_places: list[tuple[int, int]] = []
    drop_white_space = False
    for row in rows:
        kind = PieceKind(int(row["kind"]))
        text = pool[int(row["off"]) : int(row["off"]) + int(row["len"])]
        if kind == PieceKind.PIECE_LITERAL:
            output += text.lstrip(WHITE_SPACE) if drop_white_space else text
            drop_white_space = False
            continue
        if kind == PieceKind.PIECE_LEN:
            len_places.append((len(output), int(row["offset"])))
            output += b"     "
        else:
            output += _dynamic(kind, row, text, values)
        if row["suppress"] and output.endswith(b"\n"):
            drop_white_space = True
    _, separator, body = bytes(output).partition(b"\r\n\r\n")
    for place, offset in len_places:
        length = (len(body) if separator else 0) + offset
        output[place : place + 5] = f"{length:5d}".encode()[:5]
    return bytes(output)


def render_range(spec: Any, first_and_count: tuple[int, int], values: CallValues) -> bytes:
    """Render the template that a ProgramSpec keeps in these rows."""
    first, count = first_and_count
    return render_pieces(spec.pieces[first : first + count], spec.pool, values)


def render_step(spec: Any, index: int, values: CallValues) -> bytes:
    """Render the message of a send step of a ProgramSpec."""
    step = spec.steps[index]
    return render_range(spec, (int(step["piece_first"]), int(step["n_pieces"])), values)


def _dynamic(kind: PieceKind, row: Any, text: bytes, values: CallValues) -> bytes:
    offset, last = int(row["offset"]), values.last
    match kind:
        case PieceKind.PIECE_CALL_NUMBER:
            return b"%d" % values.call_number
        case PieceKind.PIECE_CALL_ID:
            return values.call_id
        case PieceKind.PIECE_CSEQ:
            return b"%d" % (values.cseq + offset)
        case PieceKind.PIECE_PEER_TAG:
            return b";tag=" + values.peer_tag if values.peer_tag else b""
        case PieceKind.PIECE_LAST_HEADER:
            found = last.values(text) if last else []
            return text + b": " + b", ".join(found) if found else b""
        case PieceKind.PIECE_LAST_REQUEST_URI:
            match = re.match(rb'(?:"(?:\\.|[^"\\])*"|[^"<])*<([^>]*)>', last.value(b"To")) if last else None
            return match.group(1) if match else b""
        case PieceKind.PIECE_LAST_CSEQ_NUMBER:
            return b"%d" % ((last.cseq_number if last else 0) + offset)
        case PieceKind.PIECE_LAST_MESSAGE:
            return last.raw if last else b""
        case PieceKind.PIECE_CLOCK_TICK:
            return b"%d" % (values.elapsed_ns // 1_000_000)
        case PieceKind.PIECE_TIMESTAMP:
            return values.timestamp
        case PieceKind.PIECE_DATE:
            return values.date
        case PieceKind.PIECE_AUTO_MEDIA_PORT:
            return b"%d" % (int(row["arg"]) + 4 * (values.call_number - 1) % 10_000 + offset)
        case PieceKind.PIECE_LOCAL_PORT:
            return b"%d" % ((values.local_port or int(row["arg"])) + offset)
        case PieceKind.PIECE_RANDOM:
            return b"%d" % values.random
    raise AssertionError(f"no twin of {kind.name}")
