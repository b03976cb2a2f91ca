"""Typed view of tracelog.pyx: the text of the logs that grow with every message."""

from collections.abc import Callable, Sequence

from sippx._core.ring import TraceRing

class TraceLog:
    def __init__(
        self,
        ring: TraceRing,
        *,
        stamp_texts: Callable[[int], tuple[tuple[bytes, bytes, bytes], tuple[bytes, bytes, bytes]]],
        transport: bytes = b"UDP",
        rtd_names: Sequence[bytes] = (),
    ) -> None: ...
    @property
    def n_dropped(self) -> int: ...
    def select(self, *, messages: bool, short_messages: bool, rtts: bool, records: int) -> None: ...
    def drain(
        self, message_room: int = ..., short_room: int = ..., max_records: int = 4096
    ) -> tuple[list[tuple[int, int, int, int, bytes, bytes]], memoryview, memoryview, bool]: ...
    @property
    def n_rtts(self) -> int: ...
    def take_rtts(self) -> memoryview: ...
