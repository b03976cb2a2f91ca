from typing import Any

MAX_STEPS: int
MAX_RTDS: int
MAX_PAUSE_MS: int

class Program:
    spec: Any
    def __init__(self, spec: Any) -> None: ...
    @property
    def n_steps(self) -> int: ...
