"""Run as a script: sends equal datagrams above the path MTU in a network namespace of its own; prints JSON.

Exits with 77 and a reason where the machine does not let it make a namespace.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
import time

from sippx._core.udp import UdpBatch

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFMTU, IFF_UP = 0x8913, 0x8914, 0x8922, 1
MTU = 1500
NOT_HERE = 77


def enter_namespace() -> None:
    """A network of our own, whose loopback has a small MTU."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) and libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"unshare: {os.strerror(ctypes.get_errno())}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fd = any_socket.fileno()
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack_from("h", fcntl.ioctl(fd, SIOCGIFFLAGS, request), 16)[0]
        fcntl.ioctl(fd, SIOCSIFMTU, struct.pack("16si12x", b"lo", MTU))
        fcntl.ioctl(fd, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def run(length: int, n: int) -> dict[str, object]:
    """Send n datagrams of a length twice: what was sent, what arrived, what is in use afterwards."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b,
    ):
        b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        b.bind(("127.0.0.1", 0))
        for one in (a, b):
            one.setblocking(False)
        sender, receiver = UdpBatch(a.fileno()), UdpBatch(b.fileno())
        sent = [bytes([k % 256]) * length for k in range(2 * n)]
        for part in (sent[:n], sent[n:]):
            sender.send(part, socket.AF_INET, socket.inet_aton("127.0.0.1"), b.getsockname()[1])
        arrived: list[bytes] = []
        end_s = time.monotonic() + 5
        while len(arrived) < len(sent) and time.monotonic() < end_s:
            arrived += [datagram for datagram, _ in receiver.receive()]
        return {
            "complete": arrived == sent,
            "counters": sender.counters,
            "gso": sender.features[0],
        }


if __name__ == "__main__":
    try:
        enter_namespace()
    except OSError as error:
        print(error, file=sys.stderr)
        raise SystemExit(NOT_HERE) from None
    print(json.dumps({"long": run(MTU + 500, 20), "short": run(500, 20)}))
