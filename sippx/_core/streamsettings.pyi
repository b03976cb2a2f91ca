"""Typed view of streamsettings.pyx: how an engine's messages go over connections."""

from collections.abc import Sequence

from sippx._core.tlscontext import TlsContext

_Address = tuple[int, bytes, int] | tuple[int, bytes, int, int]

PROTOCOLS: dict[str, int]

class StreamSettings:
    def __init__(
        self,
        kind: str,
        *,
        per_call: bool,
        listeners: Sequence[int] = (),
        source: _Address | None = None,
        options: Sequence[tuple[int, int, bytes]] = (),
        client_tls: TlsContext | None = None,
        server_tls: TlsContext | None = None,
        server_name: bytes = b"",
        host: bytes = b"",
        path: bytes = b"/",
        max_connections: int = 50000,
        max_reconnects: int = 0,
        closes_calls: bool = True,
        reconnect_sleep_ms: int = 1000,
        open_timeout_ms: int = 10000,
        send_timeout_ms: int = 0,
    ) -> None: ...
    @property
    def kind(self) -> str: ...
    @property
    def per_call(self) -> bool: ...
    @property
    def listeners(self) -> tuple[int, ...]: ...
    @property
    def max_connections(self) -> int: ...
    @property
    def max_reconnects(self) -> int: ...
    @property
    def closes_calls(self) -> bool: ...
    @property
    def reconnect_sleep_ms(self) -> int: ...
    @property
    def send_timeout_ms(self) -> int: ...
