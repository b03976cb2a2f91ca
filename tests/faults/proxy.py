"""A TCP relay between a client and a server that does to their connections what networks and dying peers do.

What passes in each direction goes through a rule: it gives the pieces to send on, one `send` each, and may break the
connection on the way. Rules see every connection as a `Link`.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

RESETTING = struct.pack("ii", 1, 0)
READ_BYTES = 65_536
DEADLINE_S = 60.0

Rule = Callable[["Link", bytes], Iterable[bytes]]


class Broken(Exception):
    """A rule has broken the link."""


class Link:
    """One connection through the proxy: both its sockets, and what passed so far."""

    def __init__(self, number: int, client: socket.socket, server: socket.socket) -> None:
        self.number = number
        self.client = client
        self.server = server
        self.n_up = 0
        """Bytes that came from the client."""
        self.n_down = 0
        """Bytes that came from the server."""
        self.may_go_on = threading.Event()
        """What a stalled direction waits for."""
        self.rng = random.Random(number)

    def reset(self) -> None:
        """Both ends see a reset."""
        for end in (self.client, self.server):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETTING)
        self.close()
        raise Broken

    def drop(self) -> None:
        """Both ends see the end of the stream."""
        self.close()
        raise Broken

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RD)  # wakes the other direction, without a word to the peer
            end.close()


# ---- rules: what passes unharmed, in other segments ---------------------------------------------------------


def whole(link: Link, data: bytes) -> Iterable[bytes]:
    """As it came."""
    return (data,)


def pieces_of(n_bytes: int) -> Rule:
    """Segments of so many bytes."""

    def rule(link: Link, data: bytes) -> Iterable[bytes]:
        return (data[at : at + n_bytes] for at in range(0, len(data), n_bytes))

    return rule


def random_pieces(link: Link, data: bytes) -> Iterator[bytes]:
    """Segments of any lengths."""
    while data:
        n_bytes = link.rng.choice((1, 2, 3, 7, 50, 400, 2000))
        yield data[:n_bytes]
        data = data[n_bytes:]


def in_front_of_every(mark: bytes) -> Rule:
    """A segment ends where the mark begins, and in the middle of it."""

    def rule(link: Link, data: bytes) -> Iterator[bytes]:
        first, *others = data.split(mark)
        yield first + mark[:1] if others else first
        for i, part in enumerate(others, 1):
            yield mark[1:] + part + (mark[:1] if i < len(others) else b"")

    return rule


def merged(delay_s: float) -> Rule:
    """What comes within this time arrives together."""

    def rule(link: Link, data: bytes) -> Iterable[bytes]:
        time.sleep(delay_s)
        return (data,)

    return rule


# ---- rules: what breaks --------------------------------------------------------------------------------------


def after(n_bytes: int, act: Callable[[Link], None], links: Callable[[int], bool] = lambda number: True) -> Rule:
    """Of the links with these numbers: the act happens behind so many bytes of a direction, mid-message as may be."""
    passed: dict[int, int] = {}

    def rule(link: Link, data: bytes) -> Iterator[bytes]:
        before = passed.get(link.number, 0)
        passed[link.number] = before + len(data)
        if not links(link.number) or passed[link.number] < n_bytes:
            yield data
            return
        if before < n_bytes:
            yield data[: n_bytes - before]
        act(link)
        if before < n_bytes:
            yield data[n_bytes - before :]
        else:
            yield data

    return rule


def stall(link: Link) -> None:
    """Nothing more is read in this direction until the link may go on."""
    link.may_go_on.wait(DEADLINE_S)


# ---- the proxy -----------------------------------------------------------------------------------------------


class FaultProxy:
    """Relays connections to `port` of 127.0.0.1, each direction by a rule."""

    def __init__(self, port: int, *, up: Rule = whole, down: Rule = whole, buffer_bytes: int = 0) -> None:
        self.upstream = ("127.0.0.1", port)
        self.up, self.down = up, down
        self.links: list[Link] = []
        self.errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if buffer_bytes:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(512)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._accepting = self._start(self._accept)

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()
        self._accepting.join(DEADLINE_S)
        for link in self.links:
            link.may_go_on.set()
            link.close()
        for thread in self._threads:
            thread.join(DEADLINE_S)
        assert not self.errors, self.errors

    def _start(self, run: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.upstream, DEADLINE_S)
            except OSError:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETTING)
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(len(self.links), client, server)
            self.links.append(link)
            self._threads += [self._start(self._pump, link, True), self._start(self._pump, link, False)]

    def _pump(self, link: Link, is_up: bool) -> None:
        source, sink = (link.client, link.server) if is_up else (link.server, link.client)
        rule = self.up if is_up else self.down
        try:
            while data := source.recv(READ_BYTES):
                if is_up:
                    link.n_up += len(data)
                else:
                    link.n_down += len(data)
                for piece in rule(link, data):
                    if piece:
                        sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except (OSError, Broken):
            link.close()
        except BaseException as error:  # shown when the block is left
            self.errors.append(error)
