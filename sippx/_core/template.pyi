"""Typed view of template.pyx: rendering of one template."""

from typing import Any

from numpy.typing import NDArray

def render(
    pieces: NDArray[Any],
    pool: bytes,
    *,
    call_number: int = 1,
    call_id: bytes = b"",
    peer_tag: bytes = b"",
    cseq: int = 0,
    local_port: int = 0,
    last: bytes | None = None,
    elapsed_ns: int = 0,
    cap: int = 65507,
    repeat: int = 1,
) -> bytes | None: ...
