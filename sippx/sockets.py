"""Signalling sockets: choosing the local port, binding, listening, buffer sizes."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from sippx.addresses import LocalAddress, bracketed
from sippx.errors import AddressInUseError, StartError

FIRST_PORT, LAST_PORT = 5060, 5119
"""Without -p the first free port of these is taken, then any (as SIPp does)."""

LARGEST_BUFFER_BYTES = 32 * 1024 * 1024
"""What is asked for without -buff_size where the process may exceed the kernel's usual limit."""

BACKLOG = 4096
"""Connections that may wait to be accepted; the kernel takes net.core.somaxconn where that is less."""

_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33

SocketOption = tuple[int, int, bytes]
"""Level, name and value, as setsockopt takes them."""


def open_udp_socket(
    local: LocalAddress, port: int, buffer_size_bytes: int | None, *, device: str | None = None
) -> socket.socket:
    """A non-blocking UDP socket bound to `local.bind_ip`.

    port: 0 takes the first free one of 5060 to 5119, else any; buffer_size_bytes: None for the largest
    possible; device: the network device it is bound to, None for any. Raises AddressInUseError where the port
    is taken, StartError where it cannot be bound.
    """
    sock = _open(local, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        if device is not None:
            _bind_to_device(sock, device)
        for candidate in _candidates(port):
            if _bind(sock, local, candidate, is_last=candidate == port):
                break
        _set_buffers(sock, buffer_size_bytes)
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def open_listener(
    local: LocalAddress,
    port: int,
    options: Iterable[SocketOption] = (),
    *,
    protocol: int = socket.IPPROTO_TCP,
    shares_port: bool = False,
    is_listening: bool = True,
) -> socket.socket:
    """A non-blocking socket of TCP or SCTP that listens at `local.bind_ip`; port and errors as open_udp_socket.

    options: set before it is bound, and so on what it accepts; what the kernel refuses of them is an error.
    shares_port: outgoing connections may be bound to the same port, where they have SO_REUSEADDR and
    SO_REUSEPORT set. is_listening: False only keeps the port; whoever connects to it is refused.
    """
    for candidate in _candidates(port):
        is_last = candidate == port
        sock = _open(local, socket.SOCK_STREAM, protocol)
        try:
            # a port whose connections have ended a moment ago is free
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _set_options(sock, options)
            if _bind(sock, local, candidate, is_last=is_last):
                if shares_port:
                    # not before: another process that listens here has to be found
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if not is_listening or _listen(sock, local, candidate, is_last=is_last):
                    sock.setblocking(False)
                    return sock
        except BaseException:
            sock.close()
            raise
        sock.close()
    raise AssertionError("the last port was neither bound nor refused")


def _open(local: LocalAddress, kind: int, protocol: int) -> socket.socket:
    name = {socket.IPPROTO_UDP: "UDP", socket.IPPROTO_TCP: "TCP"}.get(protocol, "SCTP")
    try:
        sock = socket.socket(local.family, kind | socket.SOCK_CLOEXEC, protocol)
    except OSError as error:
        if error.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT) and name == "SCTP":
            raise StartError(
                "SCTP is not available: this kernel has none, or its module sctp is not loaded (modprobe sctp)"
            ) from None
        raise StartError(f"cannot open a {name} socket: {error.strerror}") from None
    if local.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not local.dual_stack)
    return sock


def _candidates(port: int) -> Iterator[int]:
    """Ports to try; 0 is any."""
    if port == 0:
        yield from range(FIRST_PORT, LAST_PORT + 1)
    yield port


def _bind_to_device(sock: socket.socket, device: str) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    except OSError as error:
        raise StartError(f"-bind_to_device {device}: {error.strerror}") from None


def _set_options(sock: socket.socket, options: Iterable[SocketOption]) -> None:
    for level, name, value in options:
        try:
            sock.setsockopt(level, name, value)
        except OSError as error:
            if (level, name) == (socket.SOL_SOCKET, socket.SO_BINDTODEVICE):
                device = value.rstrip(b"\0").decode(errors="replace")
                raise StartError(f"-bind_to_device {device}: {error.strerror}") from None
            raise StartError(f"the kernel refuses an option of a socket ({level}, {name}): {error.strerror}") from None


def _bind(sock: socket.socket, local: LocalAddress, port: int, *, is_last: bool) -> bool:
    """False where the port is taken and another one may be tried."""
    try:
        sock.bind(local.socket_address(port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE and not is_last:
            return False
        raise _refused(local, port, error) from None
    return True


def _listen(sock: socket.socket, local: LocalAddress, port: int, *, is_last: bool) -> bool:
    """False as _bind: with SO_REUSEADDR a port may be found taken as late as here."""
    try:
        sock.listen(BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and not is_last:
            return False
        raise _refused(local, port, error) from None
    return True


def _refused(local: LocalAddress, port: int, error: OSError) -> StartError:
    where = f"{bracketed(local.bind_ip)}:{port}"
    if error.errno == errno.EADDRINUSE:
        return AddressInUseError(f"cannot bind the local address {where}: port in use")
    return StartError(f"cannot bind the local address {where}: {error.strerror}")


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


# ---- options as bytes --------------------------------------------------------------------------------------


def int_option(level: int, name: int, value: int) -> SocketOption:
    """An option whose value is an int."""
    return level, name, struct.pack("i", value)


def common_options(buffer_size_bytes: int | None, device: str | None) -> Iterator[SocketOption]:
    """What every socket of a transport with connections gets: -buff_size and -bind_to_device where given."""
    if buffer_size_bytes is not None:
        yield int_option(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_size_bytes)
        yield int_option(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_size_bytes)
    if device is not None:
        yield socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode()


def tcp_options() -> Iterator[SocketOption]:
    """What a TCP socket gets besides: messages leave at once."""
    yield int_option(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
