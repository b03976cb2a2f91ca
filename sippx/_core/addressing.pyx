# sippx/_core/addressing.pyx: addresses between Python and the core, and their test surface.
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

import socket

from sippx._core.address cimport address_scope, address_set_scope, address_t
from sippx._core.linux cimport AF_INET, AF_INET6

cdef enum:
    SCOPE_CAP = 1 << 24


cdef address_t address_from_tuple(where) except *:
    cdef address_t a
    cdef bytes ip
    family, ip, port = where[:3]
    scope_id = where[3] if len(where) > 3 else 0
    memset(&a, 0, sizeof(a))
    if (family, len(ip)) not in ((AF_INET, 4), (AF_INET6, 16)):
        raise ValueError("an address is 4 bytes of AF_INET or 16 of AF_INET6")
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} out of 0..65535")
    if not 0 <= scope_id < SCOPE_CAP:
        raise ValueError(f"zone {scope_id} out of 0..{SCOPE_CAP - 1}")
    a.family = <uint8_t> family
    a.port = <uint16_t> ((port & 0xFF) << 8 | port >> 8)
    address_set_scope(&a, scope_id)
    memcpy(a.ip, <const char*> ip, len(ip))
    return a


cdef str address_text(const address_t* a):
    cdef bytes ip = a.ip[:16]
    cdef uint32_t port = (a.port & 0xFF) << 8 | a.port >> 8
    if a.family == AF_INET6:
        return f"[{socket.inet_ntop(AF_INET6, ip)}]:{port}"
    return f"{socket.inet_ntop(AF_INET, ip[:4])}:{port}"

# --------------------------------------------------------------------------- test surface


def round_trip(where):
    """The text of an address, and its zone."""
    cdef address_t a = address_from_tuple(where)
    return address_text(&a), address_scope(&a)
