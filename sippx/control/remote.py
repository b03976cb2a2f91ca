"""The remote control socket (-ci, -cp): one command a datagram, never an answer."""

from __future__ import annotations

import errno
import socket
from types import TracebackType
from typing import Self

from sippx.addresses import LocalAddress, resolve_local
from sippx.control.commands import Command, parse_datagram
from sippx.errors import AddressInUseError, SippxError, StartError

DEFAULT_IP = "127.0.0.1"
FIRST_PORT, N_PORTS = 8888, 60
"""Without -cp the first free port of these is taken (as SIPp does)."""
DATAGRAMS_PER_POLL = 64
"""More than that wait for the next poll: a flood may not hold up the run."""
_DATAGRAM_BYTES = 1024


class ControlSocket:
    """A UDP socket that commands come in by. A context manager; reading never waits.

    ip: -ci, the loopback address without it. port: -cp; where it cannot be bound StartError is raised. Without
    a port the first free one is taken; that there is none is only said in `warning`, and nothing is received.
    """

    def __init__(self, ip: str | None = None, port: int | None = None) -> None:
        self._socket: socket.socket | None = None
        self.warning = ""
        try:
            local = resolve_local(ip or DEFAULT_IP)
            if port is not None:
                self._socket = _bound(local, port)
                return
            self._socket = _first_free(local)
        except SippxError as error:
            if port is not None:
                raise
            self.warning = str(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> tuple[str, int] | None:
        """IP and port it is bound to, None when it is not."""
        if self._socket is None:
            return None
        name = self._socket.getsockname()
        return str(name[0]), int(name[1])

    def poll(self) -> list[Command]:
        """Commands that came in since the last time, at most DATAGRAMS_PER_POLL; others are left out."""
        commands = []
        for _ in range(DATAGRAMS_PER_POLL if self._socket is not None else 0):
            try:
                assert self._socket is not None
                data = self._socket.recv(_DATAGRAM_BYTES)
            except OSError:  # nothing there
                break
            command = parse_datagram(data)
            if command is not None:
                commands.append(command)
        return commands

    def close(self) -> None:
        """Receive no more; safe to call twice."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()


def _bound(local: LocalAddress, port: int) -> socket.socket:
    try:
        return _open(local, port)
    except OSError as error:
        text = f"Unable to bind remote control socket to UDP port {port}: {error.strerror or error}"
        raise (AddressInUseError if error.errno == errno.EADDRINUSE else StartError)(text) from None
    except OverflowError:
        raise StartError(f"Unable to bind remote control socket to UDP port {port}: no port") from None


def _first_free(local: LocalAddress) -> socket.socket:
    for port in range(FIRST_PORT, FIRST_PORT + N_PORTS):
        try:
            return _open(local, port)
        except OSError as error:
            reason = error
            if error.errno != errno.EADDRINUSE:
                break
    last = FIRST_PORT + N_PORTS - 1
    raise StartError(
        f"Unable to bind remote control socket (tried UDP ports {FIRST_PORT}-{last}): {reason.strerror or reason}"
    )


def _open(local: LocalAddress, port: int) -> socket.socket:
    sock = socket.socket(local.family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        if local.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(local.socket_address(port))
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
