"""Connections over 127.0.0.1, both ends in this thread: messages through one, and exchanges of one connection each."""

from __future__ import annotations

import socket
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench_tls import NAME, make_certificate
from stock import UAC_INVITE, stock_call
from timing import Row, Table, print_tables, repeated

from sippx._core.connectiontable import ConnectionTable, bench_exchanges, bench_messages
from sippx._core.tlscontext import TlsContext

BURST = 64
N_PARALLEL = 32


class Ends:
    """A client's and a server's table, and one open connection between them."""

    def __init__(self, client: dict[str, Any], server: dict[str, Any], **both: Any) -> None:
        self.client, self.server = ConnectionTable(), ConnectionTable()
        self.channel = self.client.add_channel(**client, **both)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.listener.setblocking(False)
        self.server.listen(self.listener.fileno(), self.server.add_channel(**server, **both))
        self.port = self.listener.getsockname()[1]
        self.index = self.client.connect(self.channel, "127.0.0.1", self.port)
        told: set[str] = set()
        while "opened" not in told:
            told |= {one[0] for one in self.client.poll(1)}
            self.server.poll(1)

    def messages(self, message: bytes, burst: int, repeat: int) -> None:
        """repeat bursts through the open connection."""
        assert bench_messages(self.client, self.server, self.index, message, burst, repeat) == burst * repeat

    def exchanges(self, message: bytes, repeat: int) -> None:
        """N_PARALLEL connections with a message each way, repeat times."""
        self.client.close(self.index)
        n_messages = bench_exchanges(self.client, self.server, self.channel, self.port, message, N_PARALLEL, repeat)
        assert n_messages == N_PARALLEL * repeat

    def close(self) -> None:
        """Gives back all sockets."""
        self.client.shut()
        self.server.shut()
        self.listener.close()


def measure() -> Table:
    """The INVITE of the stock call over TCP, TLS, WebSocket and both."""
    invite = stock_call()[0][UAC_INVITE].render()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = make_certificate(Path(folder), "ECDSA P-256")
        secure = (
            {"client_tls": TlsContext(is_server=False, ca=certificate), "name": NAME.encode()},
            {"server_tls": TlsContext(is_server=True, certificate=certificate, key=key)},
        )
        for name, ends, carries in (
            ("TCP", ({}, {}), "sip"), ("TLS", secure, "sip"),
            ("WebSocket", ({}, {}), "websocket"), ("secure WebSocket", secure, "websocket"),
        ):  # fmt: skip
            made = Ends(*ends, carries=carries)
            for burst in (1, BURST):
                work = partial(made.messages, invite, burst)
                rows.append(repeated(f"{name}: INVITE sent and received, {burst} a call", work, n_in_one=burst))
            what = f"{name}: connection with an INVITE each way"
            rows.append(repeated(what, partial(made.exchanges, invite), n_in_one=N_PARALLEL, first_repeats=1))
            made.close()
    return Table("connections", rows, "both ends in one thread")


if __name__ == "__main__":
    print_tables([measure()])
