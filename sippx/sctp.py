"""Options of SCTP sockets (RFC 6458), as linux/sctp.h lays them out."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence

from sippx.sockets import SocketOption, int_option

IPPROTO_SCTP = 132

ASSOCINFO, NODELAY, PEER_ADDR_PARAMS, DEFAULT_SEND_PARAM, BINDX_ADD = 1, 3, 9, 10, 100

_UNORDERED = 1
_HEARTBEAT_ENABLE, _PMTUD_DISABLE = 1, 16
_ADDRESS_BYTES = 128  # struct sockaddr_storage


def sctp_options(
    *,
    association_max_retrans: int = 0,
    path_max_retrans: int = 0,
    heartbeat_ms: int = 0,
    path_mtu_bytes: int = 0,
    close_gracefully: bool = True,
) -> Iterator[SocketOption]:
    """What a socket gets before it is bound; 0 leaves a value to the kernel."""
    yield int_option(IPPROTO_SCTP, NODELAY, 1)
    # RFC 4168 5.1: each message on stream 0, unordered, so that a lost one does not hold the others back
    yield IPPROTO_SCTP, DEFAULT_SEND_PARAM, struct.pack("HHHxxIIIIIi", 0, 0, _UNORDERED, 0, 0, 0, 0, 0, 0)
    if association_max_retrans:
        yield IPPROTO_SCTP, ASSOCINFO, struct.pack("iHHIII", 0, association_max_retrans, 0, 0, 0, 0)
    if path_max_retrans or heartbeat_ms or path_mtu_bytes:
        flags = (_HEARTBEAT_ENABLE if heartbeat_ms else 0) | (_PMTUD_DISABLE if path_mtu_bytes else 0)
        value = struct.pack(
            f"=i{_ADDRESS_BYTES}xIHIIIIBx", 0, heartbeat_ms, path_max_retrans, path_mtu_bytes, 0, flags, 0, 0
        )
        yield IPPROTO_SCTP, PEER_ADDR_PARAMS, value
    if not close_gracefully:
        # closing discards what waits and sends ABORT
        yield socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)


def bind_option(
    family: socket.AddressFamily, addresses: Sequence[str], port: int, scope_id: int = 0
) -> SocketOption:
    """Binds a socket to several addresses and one port (0: any), or adds some to those it is bound to.

    scope_id: interface of link-local addresses.
    """
    return IPPROTO_SCTP, BINDX_ADD, b"".join(_packed(family, ip, port, scope_id) for ip in addresses)


def _packed(family: socket.AddressFamily, ip: str, port: int, scope_id: int) -> bytes:
    """struct sockaddr_in or sockaddr_in6."""
    head = struct.pack("=H", family) + struct.pack("!H", port)
    if family == socket.AF_INET6:
        return head + bytes(4) + socket.inet_pton(family, ip) + struct.pack("=I", scope_id)
    return head + socket.inet_pton(family, ip) + bytes(8)
