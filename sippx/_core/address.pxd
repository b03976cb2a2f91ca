# sippx/_core/address.pxd: an IP address and port in 24 comparable bytes.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sippx._core.linux cimport AF_INET, AF_INET6, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t

cdef struct address_t:
    uint16_t family          # AF_INET or AF_INET6, 0: none
    uint16_t port            # network order
    uint32_t scope_id        # zone of a link-local IPv6 address
    uint8_t ip[16]           # an IPv4 address in the first four

cdef inline bint address_equal(const address_t* a, const address_t* b) noexcept nogil:
    cdef const uint64_t* x = <const uint64_t*> a
    cdef const uint64_t* y = <const uint64_t*> b
    return x[0] == y[0] and x[1] == y[1] and x[2] == y[2]

cdef inline void address_from_sockaddr(address_t* a, const sockaddr_storage* s) noexcept nogil:
    cdef const sockaddr_in* s4 = <const sockaddr_in*> s
    cdef const sockaddr_in6* s6 = <const sockaddr_in6*> s
    memset(a, 0, sizeof(address_t))
    a.family = s.ss_family
    if s.ss_family == AF_INET:
        a.port = s4.sin_port
        memcpy(a.ip, &s4.sin_addr, 4)
    elif s.ss_family == AF_INET6:
        a.port = s6.sin6_port
        a.scope_id = s6.sin6_scope_id
        memcpy(a.ip, &s6.sin6_addr, 16)

cdef inline socklen_t address_to_sockaddr(const address_t* a, sockaddr_storage* s) noexcept nogil:
    """Fills s and returns the length to hand to the kernel."""
    cdef sockaddr_in* s4 = <sockaddr_in*> s
    cdef sockaddr_in6* s6 = <sockaddr_in6*> s
    if a.family == AF_INET6:
        memset(s6, 0, sizeof(sockaddr_in6))
        s6.sin6_family = a.family
        s6.sin6_port = a.port
        s6.sin6_scope_id = a.scope_id
        memcpy(&s6.sin6_addr, a.ip, 16)
        return sizeof(sockaddr_in6)
    memset(s4, 0, sizeof(sockaddr_in))
    s4.sin_family = a.family
    s4.sin_port = a.port
    memcpy(&s4.sin_addr, a.ip, 4)
    return sizeof(sockaddr_in)
