"""Typed view of program.pyx: a verified program and the tables it is made from."""

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

MAX_STEPS: int
MAX_RTDS: int
MAX_PAUSE_MS: int
MAX_ROWS: int
MAX_GROUPS: int
MAX_TRANSACTIONS: int
MAX_VARIABLES: int

class _Spec(Protocol):
    @property
    def is_client(self) -> bool: ...
    @property
    def steps(self) -> NDArray[Any]: ...
    @property
    def pieces(self) -> NDArray[Any]: ...
    @property
    def pauses(self) -> NDArray[Any]: ...
    @property
    def pool(self) -> bytes: ...
    @property
    def call_id_pieces(self) -> tuple[int, int]: ...
    @property
    def default_pieces(self) -> Sequence[tuple[int, int]]: ...
    @property
    def rtd_names(self) -> Sequence[str]: ...
    @property
    def counter_names(self) -> Sequence[str]: ...
    @property
    def rtd_bounds_ms(self) -> Sequence[Sequence[int]]: ...
    @property
    def call_length_bounds_ms(self) -> Sequence[int]: ...
    @property
    def uses_peer_tag(self) -> bool: ...

class Program:
    def __init__(self, spec: _Spec) -> None: ...
    @property
    def spec(self) -> Any: ...  # the very object that was given; it may know more than _Spec asks for
    @property
    def n_steps(self) -> int: ...
