"""The tables of a program while they grow: literal pool, pieces, pauses, regexes, credentials, actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sippx._core.codes import ActionKind, PauseKind, PieceKind
from sippx.errors import ScenarioError
from sippx.scenario.bindings import Bindings
from sippx.scenario.model import Action, Duration, Template, Variable
from sippx.scenario.pauses import DISTRIBUTIONS
from sippx.scenario.pieces import Piece, PieceContext, reads_last, template_pieces

_MAX_CREDENTIALS = 1 << 16

Rows = tuple[int, int]
"""(first row, number of rows) in a table."""


class Pool:
    """The literal pool: equal texts share one place."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._places: dict[bytes, int] = {b"": 0}

    def add(self, text: bytes) -> Rows:
        """(offset, length) of a text."""
        if text not in self._places:
            self._places[text] = len(self.data)
            self.data += text
        return self._places[text], len(text)


@dataclass(slots=True)
class Layout:
    """Tables of one compilation. file: the scenario, for errors. numbers: of the variables."""

    file: str
    bindings: Bindings
    numbers: Mapping[Variable, int]
    injection_names: Sequence[str]
    pool: Pool = field(default_factory=Pool)
    pieces: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    pauses: list[tuple[int, int, float, float, float]] = field(default_factory=list)
    regexes: dict[bytes, int] = field(default_factory=dict)
    credentials: list[tuple[int, ...]] = field(default_factory=list)
    actions: list[dict[str, Any]] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    uses_peer_tag: bool = False
    _credentials_of: dict[tuple[tuple[Piece, ...], ...], int] = field(default_factory=dict)

    def add_pieces(self, pieces: Sequence[Piece]) -> Rows:
        """Put pieces into the table, those inside them first."""
        nested = [self._add_nested(piece) for piece in pieces]
        first = len(self.pieces)
        for piece, (arg, rows) in zip(pieces, nested, strict=True):
            off, length = self.pool.add(piece.text) if rows is None else rows
            self.pieces.append((piece.kind, piece.suppress, arg, off, length, piece.offset))
            self.uses_peer_tag |= piece.kind == PieceKind.PIECE_PEER_TAG
        return first, len(pieces)

    def _add_nested(self, piece: Piece) -> tuple[int, Rows | None]:
        """(arg, off and len as rows) of a piece; no rows: they are a place in the pool."""
        if piece.kind == PieceKind.PIECE_AUTHENTICATION:
            return self._add_credentials(piece.nested), None
        if piece.kind in (PieceKind.PIECE_FIELD, PieceKind.PIECE_FILE):
            return piece.arg, self.add_pieces(piece.nested[0]) if piece.nested else (0, 0)
        return piece.arg, None

    def _add_credentials(self, nested: tuple[tuple[Piece, ...], ...]) -> int:
        if nested not in self._credentials_of:
            if len(self._credentials_of) >= _MAX_CREDENTIALS:
                raise ScenarioError(f"more than {_MAX_CREDENTIALS} different [authentication]", file=self.file)
            row = tuple(number for pieces in nested for number in self.add_pieces(pieces))
            self._credentials_of[nested] = len(self._credentials_of)
            self.credentials.append(row)
        return self._credentials_of[nested]

    def add_pause(self, duration: Duration) -> int:
        """Row of a pause or sample in the table."""
        self.pauses.append(self._pause_row(duration))
        return len(self.pauses) - 1

    def _pause_row(self, duration: Duration) -> tuple[int, int, float, float, float]:
        if duration.distribution == "default":
            return PauseKind.PAUSE_FIXED, 0, self.bindings.pause_ms, 0.0, 0.0
        if duration.variable is not None:
            return PauseKind.PAUSE_VARIABLE, 0, self.numbers[duration.variable], 0.0, 0.0
        p0, p1, p2 = (*duration.parameters, 0.0, 0.0)[:3]
        return DISTRIBUTIONS[duration.distribution].kind, 0, p0, p1, p2

    def add_regex(self, pattern: bytes) -> int:
        """Row of a regular expression; equal ones share it."""
        return self.regexes.setdefault(pattern, len(self.regexes))

    def number(self, variable: Variable | None) -> int:
        """Number of a variable, -1 for none."""
        return -1 if variable is None else self.numbers[variable]

    def add_actions(self, actions: Iterable[Action], context: PieceContext, *, n_before: int) -> tuple[Rows, bool]:
        """Rows of a step's actions, and whether their templates look at the last received message.

        n_before: steps in front of those that a literal <jump> counts.
        """
        first = len(self.actions)
        uses_last = False
        for action in actions:
            templates = [
                template_pieces(template, self.bindings, context) for template in (action.template, action.template2)
            ]
            uses_last |= any(map(reads_last, templates))
            self.actions.append(self._action_row(action, templates, context, n_before))
        return (first, len(self.actions) - first), uses_last

    def _action_row(
        self, action: Action, templates: list[list[Piece]], context: PieceContext, n_before: int
    ) -> dict[str, Any]:
        row: dict[str, Any] = {
            "kind": action.kind,
            "check": action.check,
            "search_in": action.search_in,
            "compare": action.compare,
            "case_indep": action.case_indep,
            "start_line": action.start_line,
            "occurrence": action.occurrence,
            "target": self.number(action.target),
            "source": self.number(action.source),
            "source2": self.number(action.source2),
            "row": self._table_row(action),
            "value": action.value,
            "targets_first": len(self.targets),
            "n_targets": len(action.targets),
            "source_line": action.line,
        }
        if action.kind == ActionKind.ACTION_JUMP and action.source is None:
            row["value"] = action.value + n_before
        self.targets += [self.numbers[variable] for variable in action.targets]
        row["piece_first"], row["n_pieces"] = self.add_pieces(templates[0])
        row["piece2_first"], row["n_pieces2"] = self.add_pieces(templates[1])
        row["text_off"], row["text_len"] = self.pool.add(action.text or self._protocol(action.template3, context))
        return row

    def _table_row(self, action: Action) -> int:
        if action.kind == ActionKind.ACTION_EREG:
            return self.add_regex(action.regexp)
        if action.duration is not None:
            return self.add_pause(action.duration)
        return self.injection_names.index(action.injection_file) if action.injection_file else -1

    def _protocol(self, template: Template, context: PieceContext) -> bytes:
        """Text of a setdest protocol with keywords, lower case; empty when only the run knows it."""
        pieces = template_pieces(template, self.bindings, context)
        if any(piece.kind != PieceKind.PIECE_LITERAL for piece in pieces):
            return b""
        return b"".join(piece.text for piece in pieces).lower()

    # -- the finished tables --------------------------------------------------------------------------

    @staticmethod
    def array(rows: Sequence[Mapping[str, Any]], dtype: DTypeLike) -> NDArray[np.void]:
        """Rows given by field name as an array."""
        table = np.zeros(len(rows), dtype)
        for index, row in enumerate(rows):
            for name, value in row.items():
                table[index][name] = value
        return table
