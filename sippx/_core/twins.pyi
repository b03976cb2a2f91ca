"""Typed view of twins.pyx: the twins of an engine (3PCC)."""

from collections.abc import Mapping

_Address = tuple[int, bytes, int] | tuple[int, bytes, int, int]

ROLES: dict[str, int]

class TwinSettings:
    def __init__(
        self,
        role: str,
        *,
        listener: int | None = None,
        peers: Mapping[bytes, _Address | int | None],
        source: _Address | None = None,
    ) -> None: ...
    @property
    def role(self) -> str: ...
    @property
    def listener(self) -> int | None: ...
    @property
    def peers(self) -> dict[bytes, _Address | int | None]: ...
    @property
    def source(self) -> _Address | None: ...

def command_call_id(command: bytes) -> bytes: ...
