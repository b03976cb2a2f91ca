"""What stands at the other end of a TLS session under test: Python's ssl, driven step by step in the same thread."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from core.certificates import NAME, Certificates
from sippx._core.tls import Owner, Session
from sippx._core.tlscontext import TlsContext

MAX_STEPS = 200
DESTINATION = 7


class Peer:
    """Python's side: its TLS is apart from the wire, so that a test has every byte in its hands."""

    def __init__(self, wire: socket.socket, context: ssl.SSLContext, *, is_server: bool, name: str | None = None) -> None:
        self.wire = wire
        self.wire.setblocking(False)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=is_server, server_hostname=name)
        self.is_done = False

    def take(self) -> None:
        """Moves what the wire holds into the TLS."""
        try:
            while data := self.wire.recv(65536):
                self.incoming.write(data)
            self.incoming.write_eof()
        except BlockingIOError:
            pass

    def give(self) -> None:
        data = self.outgoing.read()
        if data:
            self.wire.send(data)

    def step(self) -> None:
        """One turn of the handshake; raises what Python raises where it fails, with the alert sent."""
        self.take()
        try:
            if not self.is_done:
                self.tls.do_handshake()
                self.is_done = True
        except ssl.SSLWantReadError:
            pass
        finally:
            self.give()

    def read(self) -> bytes:
        """What has come so far; raises what Python raises at an end."""
        self.take()
        got = b""
        try:
            while data := self.tls.read(65536):
                got += data
        except ssl.SSLWantReadError:
            pass
        self.give()
        return got

    def write(self, data: bytes) -> None:
        while data:
            data = data[self.tls.write(data) :]
        self.give()

    def close(self) -> None:
        """Sends close_notify."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.give()


def python_client(certificates: Certificates, **changes: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates.ca))
    return changed(context, changes)


def python_server(certificates: Certificates, certificate: str = "server", **changes: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(getattr(certificates, certificate), getattr(certificates, f"{certificate}_key"))
    return changed(context, changes)


def changed(context: ssl.SSLContext, changes: dict[str, Any]) -> ssl.SSLContext:
    for name, value in changes.items():
        setattr(context, name, value)
    return context


def our_client(certificates: Certificates, **changes: Any) -> TlsContext:
    return TlsContext(is_server=False, **{"ca": certificates.ca, **changes})


def our_server(certificates: Certificates, certificate: str = "server", **changes: Any) -> TlsContext:
    mine = {"certificate": getattr(certificates, certificate), "key": getattr(certificates, f"{certificate}_key")}
    return TlsContext(is_server=True, **{**mine, **changes})


class Pair:
    """A session of ours and Python's at the other end of a socket pair."""

    def __init__(
        self,
        ours: TlsContext,
        theirs: ssl.SSLContext,
        *,
        owner: Owner | None = None,
        name: str = NAME,
        destination: int = DESTINATION,
        cap: int = 32768,
    ) -> None:
        self.near, far = socket.socketpair()
        self.near.setblocking(False)
        self.owner = owner or Owner(4)
        self.session = Session(self.owner, ours, self.near.fileno(), name.encode(), destination, cap)
        is_client = not ours.is_server
        self.peer = Peer(far, theirs, is_server=is_client, name=None if is_client else name)
        self.error: ssl.SSLError | None = None
        """What Python's side raised in the handshake."""

    def handshake(self) -> str:
        """Both sides in turn until ours is final; the result."""
        result = "want read"
        for _ in range(MAX_STEPS):
            if result.startswith("want"):
                result = self.session.handshake()
            elif self.peer.is_done or self.error:
                break
            if not self.error:
                try:
                    self.peer.step()
                except ssl.SSLError as error:
                    self.error = error
        return result

    def read(self) -> bytes | str:
        """What our side has got; a result where that is nothing."""
        got = b""
        while isinstance(data := self.session.read(), bytes):
            got += data
        return got or data

    def close(self) -> None:
        self.session.close()
        self.near.close()
        self.peer.wire.close()


@contextmanager
def pair_of(ours: TlsContext, theirs: ssl.SSLContext, **more: Any) -> Iterator[Pair]:
    pair = Pair(ours, theirs, **more)
    try:
        yield pair
    finally:
        pair.close()


@contextmanager
def open_pair(ours: TlsContext, theirs: ssl.SSLContext, **more: Any) -> Iterator[Pair]:
    with pair_of(ours, theirs, **more) as pair:
        assert pair.handshake() == "done", pair.owner.failure()
        assert pair.error is None
        yield pair
