"""Templates -> pieces: expands keywords, folds what is constant, and merges neighbouring literals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sippx._core.codes import HeaderId, PieceKind, RandomText
from sippx.scenario.bindings import Bindings
from sippx.scenario.keywords import HEADER_IDS, KEY, KEYWORDS, PARAMETERS, ParameterSpec
from sippx.scenario.model import Keyword, Literal, Template, Variable

LAST_KINDS = frozenset(
    {
        PieceKind.PIECE_LAST_HEADER,
        PieceKind.PIECE_LAST_REQUEST_URI,
        PieceKind.PIECE_LAST_CSEQ_NUMBER,
        PieceKind.PIECE_LAST_MESSAGE,
        PieceKind.PIECE_NEXT_URL,
    }
)
"""Pieces that read the call's last received message."""

_MAY_HOLD_EMPTY_LINE = frozenset(
    {
        PieceKind.PIECE_LAST_MESSAGE,
        PieceKind.PIECE_VARIABLE,
        PieceKind.PIECE_FIELD,
        PieceKind.PIECE_FILE,
        PieceKind.PIECE_FILL,
        PieceKind.PIECE_AUTHENTICATION,
    }
)
"""Pieces whose text is anybody's: the body may begin in them."""

_WHITE_SPACE = b" \t\r\n"
_LEN_BYTES = 5
_MAX_FOLDED_BODY_BYTES = 99_999


@dataclass(frozen=True, slots=True)
class Piece:
    """One row of the piece table before its text has a place in the pool.

    text: the literal, the header name of PIECE_LAST_HEADER (as the scenario wrote it, without colon), or what
    PIECE_FILL repeats. nested: templates of the parameters: line of PIECE_FIELD, name of PIECE_FILE, the five
    of PIECE_AUTHENTICATION in the order of credentials_t (empty: not given).
    suppress: when the output ends in LF behind this piece (it was empty at the start of a line), white space
    at the start of the literal that follows is dropped.
    """

    kind: PieceKind
    text: bytes = b""
    arg: int = 0
    offset: int = 0
    suppress: bool = False
    nested: tuple[tuple[Piece, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class PieceContext:
    """What the expansion of keywords depends on besides the bindings: the step a message belongs to.

    branch_index is the last part of [branch], msg_index the text of [msg_index]. numbers: of the variables.
    injection_names: files in the order of their numbers. records_routes: some step has rrs, so that [routes]
    and [next_url] are more than nothing and [last_Request_URI].
    """

    branch_index: int
    msg_index: int
    numbers: Mapping[Variable, int] = field(default_factory=dict)
    injection_names: Sequence[str] = ()
    records_routes: bool = False


def template_pieces(template: Template, bindings: Bindings, context: PieceContext) -> list[Piece]:
    """Pieces of a message template for one run, as few as possible."""
    pieces: list[Piece] = []
    if not context.records_routes:
        template = _without_routes(template)
    for part in template:
        if isinstance(part, Literal):
            pieces.append(Piece(PieceKind.PIECE_LITERAL, part.data))
        elif part.name == "transport" and _ends_in_parameter(pieces):
            pieces.append(_literal(bindings.transport_parameter))
        else:
            pieces += _expand(part, bindings, context)
    return _merge(_fold_len(_without_empty(pieces)))


def _ends_in_parameter(pieces: Sequence[Piece]) -> bool:
    """Whether what follows is the value of a URI's transport parameter."""
    return bool(pieces) and _is_literal(pieces[-1]) and pieces[-1].text.lower().endswith(b";transport=")


def reads_last(pieces: Iterable[Piece]) -> bool:
    """Whether the pieces, or the pieces inside them, look at the last received message."""
    return any(piece.kind in LAST_KINDS or any(map(reads_last, piece.nested)) for piece in pieces)


def _without_routes(template: Template) -> Template:
    """The template without lines that hold nothing but [routes], which will be empty."""
    parts = list(template)
    for at in range(len(parts) - 2, 0, -1):
        part, before, behind = parts[at], parts[at - 1], parts[at + 1]
        if not (isinstance(before, Literal) and isinstance(behind, Literal)):
            continue
        if isinstance(part, Literal) or part.name != "routes":
            continue
        if before.data.endswith(b"\r\n") and behind.data.startswith(b"\r\n"):
            parts[at : at + 2] = [Literal(behind.data[2:])]
    return tuple(parts)


def call_id_pieces(bindings: Bindings) -> list[Piece]:
    """Pieces of a new call's Call-ID by -cid_type and -cid_str; an unknown %x is a percent sign, as in SIPp."""
    pieces: list[Piece] = []
    local_ip = bindings.local_ip.removeprefix("[").removesuffix("]")
    if bindings.call_id_type != "default":
        return _merge([*_call_id_of_type(bindings), _literal(f"@{local_ip}")])
    characters = iter(bindings.call_id_format)
    for character in characters:
        if character != "%":
            pieces.append(_literal(character))
            continue
        code = next(characters, "")
        if code == "u":
            pieces.append(Piece(PieceKind.PIECE_CALL_NUMBER))
        elif code == "r":
            pieces.append(Piece(PieceKind.PIECE_RANDOM))
        else:
            pieces.append(_literal({"p": str(bindings.pid), "s": local_ip}.get(code, "%")))
    return _merge(_without_empty(pieces))


def _call_id_of_type(bindings: Bindings) -> list[Piece]:
    """What stands before the @ of a Call-ID that does not follow -cid_str."""
    number = Piece(PieceKind.PIECE_CALL_NUMBER)
    if bindings.call_id_type == "uuid":
        return [Piece(PieceKind.PIECE_RANDOM, arg=RandomText.RANDOM_UUID)]
    if bindings.call_id_type == "uuid-compact":
        return [Piece(PieceKind.PIECE_RANDOM, arg=RandomText.RANDOM_UUID_COMPACT)]
    if bindings.call_id_type == "random":
        return [number, _literal("-"), Piece(PieceKind.PIECE_RANDOM, arg=RandomText.RANDOM_HEX)]
    return [Piece(PieceKind.PIECE_WALL_US), _literal("-"), number, _literal(f"-{bindings.pid}")]


def _without_empty(pieces: list[Piece]) -> list[Piece]:
    return [piece for piece in pieces if piece.text or not _is_literal(piece)]


def _literal(text: str) -> Piece:
    return Piece(PieceKind.PIECE_LITERAL, text.encode("utf-8", "surrogateescape"))


def _expand(keyword: Keyword, bindings: Bindings, context: PieceContext) -> list[Piece]:
    """Pieces of one keyword; [len] stays a piece until the body is known."""
    if keyword.name == KEY:
        return [_literal(bindings.keys[keyword.argument])]
    spec = KEYWORDS[keyword.name]
    if spec.text is not None:
        return [_literal(spec.text(bindings))]
    if keyword.name == "local_port" and bindings.has_own_port:
        # a call of the second scenario may have come to the port that all share
        return [Piece(PieceKind.PIECE_LOCAL_PORT, arg=bindings.local_port, offset=keyword.offset)]
    if spec.number is not None:
        return [_literal(str(spec.number(bindings) + keyword.offset))]
    if spec.use == "msg_index":
        return [_literal(str(context.msg_index))]
    if spec.use == "branch":
        return [
            _literal(f"z9hG4bK-{bindings.pid}-"),
            Piece(PieceKind.PIECE_CALL_NUMBER),
            _literal(f"-{context.branch_index + keyword.offset}"),
        ]
    if spec.use == "len":
        return [Piece(PieceKind.PIECE_LEN, offset=keyword.offset)]
    assert spec.piece is not None, spec.name
    piece = Piece(spec.piece, offset=keyword.offset, suppress=spec.suppress)
    return [_parametrised(piece, keyword, bindings, context)]


def _parametrised(piece: Piece, keyword: Keyword, bindings: Bindings, context: PieceContext) -> Piece:
    """The piece with what its kind needs besides an offset."""
    match piece.kind:
        case PieceKind.PIECE_LAST_HEADER:
            header_id = HEADER_IDS.get(keyword.argument.lower(), HeaderId.HDR_OTHER)
            return replace(piece, text=keyword.argument.encode("ascii"), arg=int(header_id))
        case PieceKind.PIECE_AUTO_MEDIA_PORT:
            return replace(piece, arg=bindings.media_port)
        case PieceKind.PIECE_NEXT_URL if not context.records_routes:
            return replace(piece, kind=PieceKind.PIECE_LAST_REQUEST_URI)
        case PieceKind.PIECE_USERS if bindings.users < 0:
            return _literal("-1")
        case PieceKind.PIECE_USER_ID if bindings.users < 0:
            return _literal("0")
        case PieceKind.PIECE_VARIABLE:
            return replace(piece, offset=_number(keyword, context))
        case PieceKind.PIECE_FILL:
            text = keyword.argument.encode("utf-8", "surrogateescape")
            return replace(piece, offset=_number(keyword, context), text=text)
        case PieceKind.PIECE_FIELD:
            nested = _nested(keyword, bindings, context)
            return replace(piece, arg=context.injection_names.index(keyword.argument), nested=nested)
        case PieceKind.PIECE_FILE:
            return replace(piece, nested=_nested(keyword, bindings, context))
        case PieceKind.PIECE_AUTHENTICATION:
            username, password, *aka = _nested(keyword, bindings, context, PARAMETERS["authentication"])
            return replace(
                piece,
                nested=(
                    username or (_literal(bindings.auth_username or bindings.service),),
                    password or (_literal(bindings.auth_password),),
                    *aka,
                ),
            )
    return piece


def _number(keyword: Keyword, context: PieceContext) -> int:
    assert keyword.variable is not None, keyword.name
    return context.numbers[keyword.variable]


def _nested(
    keyword: Keyword, bindings: Bindings, context: PieceContext, specs: Sequence[ParameterSpec] | None = None
) -> tuple[tuple[Piece, ...], ...]:
    """Pieces of a keyword's parameters: of those it has, or of all in the order of specs (none: not given)."""
    nothing = (Piece(PieceKind.PIECE_LITERAL),)
    given = {
        name: tuple(template_pieces(template, bindings, context)) or nothing
        for name, template in keyword.parameters
    }
    names = given if specs is None else [spec.name for spec in specs]
    return tuple(given.get(name, ()) for name in names)


def _is_literal(piece: Piece) -> bool:
    return piece.kind == PieceKind.PIECE_LITERAL


def _merge(pieces: list[Piece]) -> list[Piece]:
    """Join neighbouring literals, and settle which pieces can suppress a line at all.

    A piece suppresses only what stands directly behind it, and only where a line may begin. Of the literal
    behind it one line end may vanish, never the empty line in front of the body: a literal with more white
    space is cut behind its first line end.
    """
    merged: list[Piece] = []
    for piece in pieces:
        if not _is_literal(piece):
            merged.append(piece)
        elif not (merged and _is_literal(merged[-1])):
            merged += _literals_behind(merged, piece.text)
        elif _would_be_dropped(merged, piece.text):
            merged.append(piece)
        else:
            merged[-1] = replace(merged[-1], text=merged[-1].text + piece.text)
    for index, piece in enumerate(merged):
        if piece.suppress and not (index + 1 < len(merged) and _is_literal(merged[index + 1])):
            merged[index] = replace(piece, suppress=False)
    return merged


def _literals_behind(merged: list[Piece], text: bytes) -> list[Piece]:
    """Literal pieces for text that follows merged[-1]; takes a pointless `suppress` from that piece."""
    if merged and merged[-1].suppress:
        if not _may_begin_line(merged) or text[0] not in _WHITE_SPACE:
            merged[-1] = replace(merged[-1], suppress=False)
        elif cut := _line_end_before_blank(text):
            return [
                Piece(PieceKind.PIECE_LITERAL, text[:cut]),
                Piece(PieceKind.PIECE_LITERAL, text[cut:]),
            ]
    return [Piece(PieceKind.PIECE_LITERAL, text)]


def _may_begin_line(merged: list[Piece]) -> bool:
    """Whether the output in front of the piece merged[-1] can end in LF."""
    if len(merged) < 2 or not _is_literal(merged[-2]):
        return len(merged) > 1
    may_vanish = len(merged) > 2 and merged[-3].suppress and not merged[-2].text.strip(_WHITE_SPACE)
    return may_vanish or merged[-2].text.endswith(b"\n")


def _would_be_dropped(merged: list[Piece], text: bytes) -> bool:
    """Whether `text` would become droppable white space by joining the last literal of `merged`."""
    is_droppable = len(merged) > 1 and merged[-2].suppress and not merged[-1].text.strip(_WHITE_SPACE)
    return is_droppable and text[0] in _WHITE_SPACE


def _line_end_before_blank(text: bytes) -> int:
    """Where to cut a literal so that only one line end can be dropped from its start; 0: nowhere."""
    leading = text[: len(text) - len(text.lstrip(_WHITE_SPACE))]
    cut = leading.find(b"\n") + 1
    return cut if cut < len(leading) else 0


def _fold_len(pieces: list[Piece]) -> list[Piece]:
    """Replace [len] by its text when the body is all literal; otherwise it is filled in when rendered."""
    at = [index for index, piece in enumerate(pieces) if piece.kind == PieceKind.PIECE_LEN]
    # Directly behind a suppressing piece its text would lose its blanks.
    if not at or any(index and pieces[index - 1].suppress for index in at):
        return pieces
    n_body_bytes = _constant_body_bytes(pieces)
    if n_body_bytes is None:
        return pieces
    return [
        _literal(f"{n_body_bytes + piece.offset:5d}") if piece.kind == PieceKind.PIECE_LEN else piece
        for piece in pieces
    ]


def _constant_body_bytes(pieces: list[Piece]) -> int | None:
    """Bytes behind the first empty line if they are the same in every rendering, else None.

    They are if the first empty line stands in the last run of literals, both when all other pieces are empty
    and when none is, and no run before it holds an empty line. Some pieces can hold one, and a lone CR or LF could
    become part of one: then nothing is promised.
    """
    literals = [piece.text for piece in pieces if _is_literal(piece)]
    has_lone = any(set(text.replace(b"\r\n", b"")) & {0x0A, 0x0D} for text in literals)
    if has_lone or any(piece.kind in _MAY_HOLD_EMPTY_LINE for piece in pieces):
        return None
    output = bytearray()
    last_run = bytearray()
    is_suppressed = False
    for piece in pieces:
        if not _is_literal(piece) and piece.kind != PieceKind.PIECE_LEN:
            if b"\r\n\r\n" in last_run:
                return None
            last_run.clear()
            is_suppressed = piece.suppress and output.endswith(b"\n")
            continue
        text = piece.text if _is_literal(piece) else b"0" * _LEN_BYTES
        last_run += text
        if is_suppressed:
            leading = text[: len(text) - len(text.lstrip(_WHITE_SPACE))]
            text = text[leading.find(b"\n") + 1 or len(leading) :]
            is_suppressed = False
        output += text
    n_if_empty = _body_bytes(output)
    if n_if_empty is None or n_if_empty != _body_bytes(last_run) or n_if_empty > _MAX_FOLDED_BODY_BYTES:
        return None
    return n_if_empty


def _body_bytes(message: bytearray) -> int | None:
    """Bytes behind the first empty line, None without one."""
    at = message.find(b"\r\n\r\n")
    return None if at < 0 else len(message) - at - 4
