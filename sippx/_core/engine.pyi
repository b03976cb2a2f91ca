from typing import Literal

from numpy import uint64
from numpy.typing import NDArray

from sippx._core.program import Program
from sippx._core.ring import TraceRing

Address = tuple[int, bytes, int] | tuple[int, bytes, int, int]

class Engine:
    program: Program
    ring: TraceRing
    words: NDArray[uint64]
    def __init__(
        self,
        program: Program,
        *,
        fd: int | None = None,
        remote: Address | None = None,
        ring: TraceRing | None = None,
        trace_mask: int = 0,
        gso: bool = True,
        gro: bool = True,
        batch: bool = True,
        detect_retrans: bool = True,
        t2_ms: int = 4000,
        max_invite_retrans: int = 5,
        max_non_invite_retrans: int = 9,
        behaviors: int = 7,
        lost_percent: float = 0.0,
        base_cseq: int = 1,
        run_steps: int = 1000,
        max_receive_batches: int = 1000,
        dead_wait_ms: int = 33000,
        capacity: int = ...,
        max_block_bytes: int = ...,
        timer_resolution_ns: int = 1000000,
        late_start_ns: int = 10000000,
        start_ns: int | None = None,
        seed: int | None = None,
    ) -> None: ...
    def run(self, slice_ns: int) -> Literal["running", "finished", "interrupted"]: ...
    def turn(self, now_ns: int) -> bool: ...
    def next_event_ns(self) -> int | None: ...
    def inject(self, data: bytes, source: Address) -> None: ...
    def take_sent(self) -> list[tuple[bytes, tuple[int, bytes, int]]]: ...
    def set_rate(self, calls_per_s: float) -> None: ...
    def pause(self, paused: bool) -> None: ...
    def set_limit(self, n_calls: int) -> None: ...
    def set_max_calls(self, n_calls: int) -> None: ...
    def quit(self, level: int) -> None: ...
    @property
    def quit_level(self) -> int: ...
    @property
    def paused(self) -> bool: ...
    @property
    def n_open(self) -> int: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def features(self) -> tuple[bool, bool, bool, bool]: ...
    def counter(self, name: str) -> int: ...
    def snapshot(self) -> NDArray[uint64]: ...
    def layout(self) -> dict[str, object]: ...
