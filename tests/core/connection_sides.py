"""Tables of connections and plain sockets at their other ends, driven in the same thread."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from sippx._core.connectiontable import ConnectionTable

MESSAGE = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n"
LIMIT_S = 30
ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER: close with a reset, which leaves nothing behind."""
ABORTING = (socket.SOL_SOCKET, socket.SO_LINGER, ABORT)


def message(number: int, body_bytes: int = 0) -> bytes:
    """A SIP message that is like no other."""
    body = b"x" * body_bytes
    return b"INFO sip:%d@host SIP/2.0\r\nCall-ID: %d\r\nContent-Length: %d\r\n\r\n%s" % (number, number, len(body), body)


class Side:
    """A table with one channel, and all that it has told."""

    def __init__(self, cap: int = 1024, **channel: Any) -> None:
        self.table = ConnectionTable(cap)
        self.channel = self.table.add_channel(**channel)
        self.told: list[tuple[Any, ...]] = []
        self.listeners: list[socket.socket] = []

    def turn(self, timeout_ms: int = 0) -> None:
        self.told += self.table.poll(timeout_ms)

    def listen(self, host: str = "127.0.0.1", backlog: int = 512) -> int:
        """The port of a new listener."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, 0), family=family, backlog=backlog)
        listener.setblocking(False)
        self.listeners.append(listener)
        self.table.listen(listener.fileno(), self.channel)
        return int(listener.getsockname()[1])

    def connect(self, port: int, host: str = "127.0.0.1", **more: Any) -> int:
        return self.table.connect(self.channel, host, port, **more)

    def adopted(self, kind: int = socket.SOCK_STREAM, buffer_bytes: int = 0) -> tuple[int, socket.socket]:
        """A connection over a pair of local sockets, and its other end."""
        near, far = socket.socketpair(socket.AF_UNIX, kind)
        if buffer_bytes:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        near.setblocking(False)
        far.settimeout(LIMIT_S)
        return self.table.adopt(near.detach(), self.channel), far

    def names(self, index: int | None = None) -> list[str]:
        """What was told of one or all, in their order."""
        return [told[0] for told in self.told if index is None or told[1] == index]

    def messages(self, index: int | None = None) -> list[bytes]:
        return [told[2] for told in self.told if told[0] == "message" and index in (None, told[1])]

    def losses(self) -> list[tuple[Any, ...]]:
        """(cause, detail, errno) of each."""
        return [told[2:] for told in self.told if told[0] == "lost"]

    def state(self, index: int = 0) -> str:
        return str(self.table.describe(index)["state"])

    def close(self) -> None:
        self.table.shut()
        for listener in self.listeners:
            listener.close()


def until(condition: Callable[[], object], *sides: Side) -> None:
    """Turns of all sides until that is so."""
    end_s = time.monotonic() + LIMIT_S
    while not condition():
        for side in sides:
            side.turn(1)
        assert time.monotonic() < end_s, [side.told[-5:] for side in sides]


def read_exactly(peer: socket.socket, n_bytes: int, *sides: Side) -> bytes:
    """What a plain socket gets while the sides have their turns."""
    peer.setblocking(False)
    got = bytearray()
    end_s = time.monotonic() + LIMIT_S
    while len(got) < n_bytes:
        for side in sides:
            side.turn()
        try:
            data = peer.recv(1 << 16)
        except BlockingIOError:
            continue
        assert data, f"ended after {len(got)} of {n_bytes} bytes"
        got += data
        assert time.monotonic() < end_s
    return bytes(got)
