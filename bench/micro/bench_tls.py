"""TLS sessions, both ends in this thread over a socket pair: handshakes, records, and what an idle session holds."""

from __future__ import annotations

import ctypes
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from timing import Row, Table, print_tables, repeated

from sippx._core.tls import Owner, Session
from sippx._core.tlscontext import TlsContext

NAME = "sip.example.test"
KEYS = {"ECDSA P-256": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "RSA 2048": ("-newkey", "rsa:2048")}
N_IDLE = 200


class _HeapInfo(ctypes.Structure):
    """mallinfo2: ten counts, of which the eighth is the bytes in use."""

    _fields_ = [(f"count_{i}", ctypes.c_size_t) for i in range(10)]


def heap_bytes() -> int:
    """What of the C heap is in use."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _HeapInfo
    return int(libc.mallinfo2().count_7)


def make_certificate(folder: Path, kind: str) -> tuple[Path, Path]:
    """A certificate that vouches for itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", *KEYS[kind], "-nodes", "-subj", "/CN=bench"]
    words += ["-addext", f"subjectAltName=DNS:{NAME}"]
    subprocess.run([*words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True, timeout=30)
    return certificate, key


class Ends:
    """A client and a server with contexts of one kind, and their owner."""

    def __init__(self, folder: Path, kind: str, version: str) -> None:
        certificate, key = make_certificate(folder, kind)
        self.client = TlsContext(is_server=False, ca=certificate, version=version)
        self.server = TlsContext(is_server=True, certificate=certificate, key=key, version=version)
        self.owner = Owner(4)

    @contextmanager
    def pair(self, destination: int = 0) -> Iterator[tuple[Session, Session]]:
        """Both sessions, open."""
        wires = socket.socketpair()
        with wires[0], wires[1]:
            client = Session(self.owner, self.client, wires[0].fileno(), NAME.encode(), destination, cap=81920)
            server = Session(self.owner, self.server, wires[1].fileno(), cap=81920)
            while client.handshake() != "done" or server.handshake() != "done":
                server.handshake()
            # a ticket, where there is one
            server.write(b"x")
            client.read()
            yield client, server
            client.close()
            server.close()

    def shake(self, n: int, destination: int = 0) -> None:
        """n handshakes; resumed where there is a destination."""
        for _ in range(n):
            with self.pair(destination):
                pass

    def idle_bytes(self) -> tuple[int, int]:
        """What an idle session holds in the heap, of a client and of a server; without the test surface's own room."""
        self.shake(1)
        wires, clients, servers = [], [], []
        for _ in range(N_IDLE):
            one, other = socket.socketpair()
            wires += [one, other]
            clients.append(Session(self.owner, self.client, one.fileno(), NAME.encode(), cap=32768))
            servers.append(Session(self.owner, self.server, other.fileno(), cap=32768))
            while clients[-1].handshake() != "done" or servers[-1].handshake() != "done":
                servers[-1].handshake()
            servers[-1].write(b"x")
            while not isinstance(clients[-1].read(), bytes):
                pass
            clients[-1].read()
            clients[-1].write(b"x")
            servers[-1].read()
            servers[-1].read()
        both = heap_bytes()
        for session in clients:
            session.close()
        only_servers = heap_bytes()
        for session in servers:
            session.close()
        none = heap_bytes()
        for wire in wires:
            wire.close()
        return (both - only_servers) // N_IDLE, (only_servers - none) // N_IDLE


def moving(writer: Session, reader: Session, size: int, n_records: int) -> Callable[[int], None]:
    """Moves n times n_records records of `size` bytes, all of them before they are read."""
    data = bytes(size)

    def move(n: int) -> None:
        for _ in range(n):
            for _ in range(n_records):
                writer.write(data)
            left = size * n_records
            while left:
                left -= len(reader.read())

    return move


def measure() -> Table:
    """Handshakes of every kind, then records."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in KEYS:
            for version in ("1.2", "1.3"):
                ends = Ends(folder, kind, version)
                rows.append(repeated(f"handshake, both ends, TLS {version}, {kind}", ends.shake, first_repeats=1))
                ends.shake(1, 1)
                resume = f"resumed handshake, both ends, TLS {version}, {kind}"
                rows.append(repeated(resume, lambda n, ends=ends: ends.shake(n, 1), first_repeats=1))  # type: ignore[misc]
        ends = Ends(folder, "ECDSA P-256", "1.3")
        with ends.pair() as (client, server):
            for size, n_records in ((600, 1), (600, 64), (16384, 1), (65536, 1)):
                move = moving(client, server, size, n_records)
                rows.append(repeated(f"record of {size} bytes, {n_records} at a time", move, n_in_one=n_records))
        client_bytes, server_bytes = ends.idle_bytes()
    note = f"an idle session holds {client_bytes} bytes of heap at a client, {server_bytes} at a server"
    return Table("tls", rows, note)


if __name__ == "__main__":
    print_tables([measure()])
