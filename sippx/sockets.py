"""Signalling sockets: choosing the local port, binding, buffer sizes."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

from sippx.addresses import LocalAddress, bracketed
from sippx.errors import AddressInUseError, StartError

FIRST_PORT, LAST_PORT = 5060, 5119
"""Without -p the first free port of these is taken, then any (as SIPp does)."""

LARGEST_BUFFER_BYTES = 32 * 1024 * 1024
"""What is asked for without -buff_size where the process may exceed the kernel's usual limit."""

_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33


def open_udp_socket(
    local: LocalAddress, port: int, buffer_size_bytes: int | None, *, device: str | None = None
) -> socket.socket:
    """A non-blocking UDP socket bound to `local.bind_ip`.

    port: 0 takes the first free one of 5060 to 5119, else any; buffer_size_bytes: None for the largest
    possible; device: the network device it is bound to, None for any. Raises AddressInUseError where the port
    is taken, StartError where it cannot be bound.
    """
    try:
        sock = socket.socket(local.family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    except OSError as error:
        raise StartError(f"cannot open a UDP socket: {error.strerror}") from None
    try:
        if local.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if device is not None:
            _bind_to_device(sock, device)
        _bind(sock, local, port)
        _set_buffers(sock, buffer_size_bytes)
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _bind_to_device(sock: socket.socket, device: str) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    except OSError as error:
        raise StartError(f"-bind_to_device {device}: {error.strerror}") from None


def _bind(sock: socket.socket, local: LocalAddress, port: int) -> None:
    candidates = [port] if port else [*range(FIRST_PORT, LAST_PORT + 1), 0]
    for candidate in candidates:
        try:
            sock.bind((local.bind_ip, candidate))
        except OSError as error:
            if error.errno == errno.EADDRINUSE and candidate != candidates[-1]:
                continue
            where = f"{bracketed(local.bind_ip)}:{candidate}"
            if error.errno == errno.EADDRINUSE:
                raise AddressInUseError(f"cannot bind the local address {where}: port in use") from None
            raise StartError(f"cannot bind the local address {where}: {error.strerror}") from None
        return


def _set_buffers(sock: socket.socket, size_bytes: int | None) -> None:
    for option, forced, limit_file in (
        (socket.SO_SNDBUF, _SO_SNDBUFFORCE, "wmem_max"),
        (socket.SO_RCVBUF, _SO_RCVBUFFORCE, "rmem_max"),
    ):
        if size_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, option, size_bytes)
            continue
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, LARGEST_BUFFER_BYTES)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, option, _kernel_limit(limit_file))


def _kernel_limit(name: str) -> int:
    try:
        return int(Path("/proc/sys/net/core", name).read_text())
    except (OSError, ValueError):
        return 4 * 1024 * 1024
