# sippx/_core/address.pxd: where a message goes: an IP address and port, or a connection, in 24 comparable bytes.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sippx._core.linux cimport AF_INET, AF_INET6, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t

cdef enum:
    ADDRESS_CONNECTION = 0xFF    # family of what names a connection: index and generation
    VIA_UNATTACHED = 0xFFFF      # what a call sends through is made with its first message

cdef struct address_t:
    uint8_t family           # AF_INET, AF_INET6, ADDRESS_CONNECTION; 0: none
    uint8_t scope_high       # zone of a link-local IPv6 address: its bits 16 to 23
    uint16_t port            # network order
    uint16_t scope_low       # its bits 0 to 15
    uint16_t via             # local UDP socket: 0 the engine's own, else one of its further ones; VIA_UNATTACHED
    uint8_t ip[16]           # an IPv4 address in the first four; of a connection: u32 index, u32 generation

cdef inline bint address_equal(const address_t* a, const address_t* b) noexcept nogil:
    # an address is aligned to 2 bytes only
    cdef uint64_t[3] x
    cdef uint64_t[3] y
    memcpy(x, a, sizeof(address_t))
    memcpy(y, b, sizeof(address_t))
    return x[0] == y[0] and x[1] == y[1] and x[2] == y[2]

cdef inline void address_set_scope(address_t* a, uint32_t scope_id) noexcept nogil:
    a.scope_high = <uint8_t> (scope_id >> 16)
    a.scope_low = <uint16_t> scope_id

cdef inline uint32_t address_scope(const address_t* a) noexcept nogil:
    return <uint32_t> a.scope_high << 16 | a.scope_low

cdef inline void address_of_connection(address_t* a, uint32_t index, uint32_t generation) noexcept nogil:
    memset(a, 0, sizeof(address_t))
    a.family = ADDRESS_CONNECTION
    memcpy(a.ip, &index, 4)
    memcpy(a.ip + 4, &generation, 4)

cdef inline uint32_t address_connection_index(const address_t* a) noexcept nogil:
    cdef uint32_t index
    memcpy(&index, a.ip, 4)
    return index

cdef inline uint32_t address_connection_generation(const address_t* a) noexcept nogil:
    cdef uint32_t generation
    memcpy(&generation, a.ip + 4, 4)
    return generation

cdef inline void address_from_sockaddr(address_t* a, const sockaddr_storage* s) noexcept nogil:
    cdef const sockaddr_in* s4 = <const sockaddr_in*> s
    cdef const sockaddr_in6* s6 = <const sockaddr_in6*> s
    memset(a, 0, sizeof(address_t))
    a.family = <uint8_t> s.ss_family
    if s.ss_family == AF_INET:
        a.port = s4.sin_port
        memcpy(a.ip, &s4.sin_addr, 4)
    elif s.ss_family == AF_INET6:
        a.port = s6.sin6_port
        address_set_scope(a, s6.sin6_scope_id)
        memcpy(a.ip, &s6.sin6_addr, 16)

cdef inline socklen_t address_to_sockaddr(const address_t* a, sockaddr_storage* s) noexcept nogil:
    """Fills s and returns the length to hand to the kernel."""
    cdef sockaddr_in* s4 = <sockaddr_in*> s
    cdef sockaddr_in6* s6 = <sockaddr_in6*> s
    if a.family == AF_INET6:
        memset(s6, 0, sizeof(sockaddr_in6))
        s6.sin6_family = a.family
        s6.sin6_port = a.port
        s6.sin6_scope_id = address_scope(a)
        memcpy(&s6.sin6_addr, a.ip, 16)
        return sizeof(sockaddr_in6)
    memset(s4, 0, sizeof(sockaddr_in))
    s4.sin_family = a.family
    s4.sin_port = a.port
    memcpy(&s4.sin_addr, a.ip, 4)
    return sizeof(sockaddr_in)
