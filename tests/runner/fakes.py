"""Settings of transports that keep what they were told, ports and files."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sippx._core import datagrams, streamsettings


@dataclass
class StreamSettings:
    """What sippx._core.streamsettings.StreamSettings is told."""

    kind: str
    per_call: bool
    listeners: Sequence[int]
    source: tuple[int, bytes, int, int] | None
    options: Sequence[tuple[int, int, bytes]]
    client_tls: Any
    server_tls: Any
    server_name: bytes
    host: bytes
    path: bytes
    max_connections: int
    max_reconnects: int
    closes_calls: bool
    reconnect_sleep_ms: int
    open_timeout_ms: int
    send_timeout_ms: int

    def __post_init__(self) -> None:
        streamsettings.StreamSettings(**vars(self))


@dataclass
class DatagramSettings:
    """What sippx._core.datagrams.DatagramSettings is told."""

    mode: str
    local: tuple[int, bytes, int, int]
    max_sockets: int
    options: Sequence[tuple[int, int, bytes]] = ()
    sockets: Sequence[tuple[int, bytes]] = ()
    names: Mapping[bytes, bytes] = field(default_factory=dict)
    ip_field: int = 0

    def __post_init__(self) -> None:
        datagrams.DatagramSettings(**vars(self))


def any_port(ip: str = "127.0.0.1") -> int:
    """A port that is free for TCP and UDP."""
    for _ in range(100):
        with socket.socket() as probe, socket.socket(type=socket.SOCK_DGRAM) as other:
            probe.bind((ip, 0))
            port = int(probe.getsockname()[1])
            try:
                other.bind((ip, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)
