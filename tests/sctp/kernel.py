"""SCTP of the kernel the tests run on, seen with sockets of Python's own and through /proc/net/sctp."""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from sippx.sctp import bind_option, sctp_options

SECONDS = 30.0
"""No socket of a test waits longer."""

SCTP = 132
"""IPPROTO_SCTP: the protocol, and the level of its options."""

ASSOCINFO, NODELAY, PEER_ADDR_PARAMS, DEFAULT_SEND_PARAM, RECVRCVINFO = 1, 3, 9, 10, 32
RCVINFO = 3
"""Of ancillary data; what RECVRCVINFO switches on."""

UNORDERED, HEARTBEATS, PMTU_FIXED = 1, 1, 16
"""sinfo_flags and rcv_flags; two of spp_flags."""

INT = struct.Struct("=i")
ASSOCIATION_PARAMETERS = struct.Struct("=iHHIII")
"""struct sctp_assocparams: assoc_id, asocmaxrxt, number_peer_destinations, peer_rwnd, local_rwnd, cookie_life"""
PEER_ADDRESS_PARAMETERS = struct.Struct("=i128sIHIIIIBx")
"""struct sctp_paddrparams, packed: assoc_id, address, hbinterval, pathmaxrxt, pathmtu, sackdelay, flags, flowlabel, dscp"""
SEND_PARAMETERS = struct.Struct("=HHHxxIIIIIi")
"""struct sctp_sndrcvinfo: stream, ssn, flags, ppid, context, timetolive, tsn, cumtsn, assoc_id"""
RECEIVE_INFORMATION = struct.Struct("=HHHxxIIIIi")
"""struct sctp_rcvinfo: sid, ssn, flags, ppid, tsn, cumtsn, context, assoc_id"""

ABORTS = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
TELLS_HOW = (SCTP, RECVRCVINFO, INT.pack(1))
"""Received messages come with their stream and whether they were unordered."""
PRODUCT = tuple(sctp_options())
"""What sippx sets without options of the command line."""


def has_sctp() -> bool:
    """Whether SCTP sockets can be opened here."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP):
        return True
    return False


def require_sctp() -> None:
    """Skip the module that says so where the kernel has no SCTP; in the virtual machine it must have it."""
    if os.environ.get("SIPPX_SCTP") != "required" and not has_sctp():
        pytest.skip("no SCTP in this kernel: make sctp-test runs these in a virtual machine", allow_module_level=True)


def family_of(ip: str) -> socket.AddressFamily:
    """Of a numeric address."""
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def open_socket(ip: str = "127.0.0.1", options: Sequence[tuple[int, int, bytes]] = ()) -> socket.socket:
    """A one-to-one SCTP socket that waits SECONDS at most."""
    sock = socket.socket(family_of(ip), socket.SOCK_STREAM, SCTP)
    sock.settimeout(SECONDS)
    for option in options:
        sock.setsockopt(*option)
    return sock


def listener(
    ip: str = "127.0.0.1", options: Sequence[tuple[int, int, bytes]] = (), more: Sequence[str] = ()
) -> socket.socket:
    """A listening socket at a port of the kernel's choice, on `ip` and the addresses `more`."""
    sock = open_socket(ip, options)
    sock.bind((ip, 0))
    if more:
        sock.setsockopt(*bind_option(family_of(ip), more, 0))
    sock.listen(1000)
    return sock


def pair(
    ip: str = "127.0.0.1", options: Sequence[tuple[int, int, bytes]] = ()
) -> tuple[socket.socket, socket.socket]:
    """The two ends of an association: that which connected, that which was accepted."""
    with listener(ip, options) as waiting:
        client = open_socket(ip, options)
        client.connect(waiting.getsockname())
        accepted, _ = waiting.accept()
        accepted.settimeout(SECONDS)
        return client, accepted


def free_port(ip: str = "127.0.0.1") -> int:
    """An SCTP port nobody is bound to."""
    with open_socket(ip) as sock:
        sock.bind((ip, 0))
        return int(sock.getsockname()[1])


def read_option(sock: socket.socket, name: int, layout: struct.Struct) -> tuple[int, ...]:
    """getsockopt of an SCTP option whose value is also an argument: association 0, no address."""
    value, size = ctypes.create_string_buffer(layout.size), ctypes.c_uint(layout.size)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.getsockopt(sock.fileno(), SCTP, name, value, ctypes.byref(size)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    assert size.value == layout.size
    return layout.unpack(value.raw)


@dataclass
class Settings:
    """What options of the command line may change of a socket."""

    assocmaxret: int
    pathmaxret: int
    heartbeat_ms: int
    pmtu: int
    pmtu_is_fixed: bool
    is_unordered: bool
    is_undelayed: bool
    aborts: bool


DEFAULTS = {"assocmaxret": 10, "pathmaxret": 5, "heartbeat_ms": 30_000, "pmtu_is_fixed": False, "aborts": False}
"""Linux's own."""


def settings_of(sock: socket.socket) -> Settings:
    """The settings that a socket has now."""
    _, assocmaxret, *_ = read_option(sock, ASSOCINFO, ASSOCIATION_PARAMETERS)
    _, _, heartbeat, pathmaxret, pmtu, _, flags, _, _ = read_option(
        sock, PEER_ADDR_PARAMS, PEER_ADDRESS_PARAMETERS
    )
    send = read_option(sock, DEFAULT_SEND_PARAM, SEND_PARAMETERS)
    (nodelay,) = read_option(sock, NODELAY, INT)
    return Settings(
        assocmaxret=assocmaxret,
        pathmaxret=pathmaxret,
        heartbeat_ms=heartbeat if flags & HEARTBEATS else 0,
        pmtu=pmtu,
        pmtu_is_fixed=bool(flags & PMTU_FIXED),
        is_unordered=bool(send[2] & UNORDERED),
        is_undelayed=bool(nodelay),
        aborts=sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("=ii", 1, 0),
    )


@dataclass
class Association:
    """A line of /proc/net/sctp/assocs."""

    is_established: bool
    inode: int
    local_port: int
    remote_port: int
    local_ips: list[str]
    remote_ips: list[str]


def associations() -> list[Association]:
    """All of this machine."""
    found = []
    for line in Path("/proc/net/sctp/assocs").read_text().splitlines()[1:]:
        words = line.partition("\t")[0].split()
        at = words.index("<->")
        remote = [word.lstrip("*") for word in words[at + 1 :]]
        inode, local_port, remote_port = map(int, words[10:13])
        found.append(Association(words[4] == "3", inode, local_port, remote_port, words[13:at], remote))
    return found


def is_listening(port: int) -> bool:
    """True while an SCTP socket listens at the port."""
    rows = (line.split() for line in Path("/proc/net/sctp/eps").read_text().splitlines()[1:])
    return any(row[3] == "10" and int(row[5]) == port for row in rows)


def socket_of(pid: int, inode: int) -> socket.socket:
    """A duplicate of the socket of another process, that of an association."""
    for path in Path(f"/proc/{pid}/fd").iterdir():
        if str(path.readlink()) == f"socket:[{inode}]":
            pidfd = os.pidfd_open(pid)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                pidfd_getfd = 438
                fd = libc.syscall(pidfd_getfd, pidfd, int(path.name), 0)
            finally:
                os.close(pidfd)
            assert fd >= 0, os.strerror(ctypes.get_errno())
            return socket.socket(fileno=fd)
    raise AssertionError(f"process {pid} has no socket {inode}")


@dataclass
class Arrival:
    """A message as the kernel gave it."""

    content: bytes
    stream: int
    is_unordered: bool
    n_parts: int


def receive(sock: socket.socket) -> Arrival:
    """The next message, with RECVRCVINFO set before it came; content b"" at the end of the association."""
    content, parts, stream, flags = b"", 0, 0, 0
    while True:
        part, ancillary, message_flags, _ = sock.recvmsg(1 << 20, 256)
        content += part
        parts += 1
        for level, kind, value in ancillary:
            if (level, kind) == (SCTP, RCVINFO):
                stream, _, flags, *_ = RECEIVE_INFORMATION.unpack(value)
        if not part or message_flags & socket.MSG_EOR:
            return Arrival(content, stream, bool(flags & UNORDERED), parts)


def events_of(poll: select.epoll, seconds: float = SECONDS) -> int:
    """Of the one descriptor that an epoll watches: the next events; 0: none came."""
    found = poll.poll(seconds)
    return found[0][1] if found else 0
