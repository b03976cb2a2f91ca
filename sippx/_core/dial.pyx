# sippx/_core/dial.pyx: makes outgoing sockets; see dial.pxd.
from libc.errno cimport errno
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memset

from sippx._core.address cimport address_from_sockaddr, address_t, address_to_sockaddr
from sippx._core.connection cimport channel_t, connections_t
from sippx._core.hash cimport random_u64
from sippx._core.linux cimport (
    EADDRINUSE, EADDRNOTAVAIL, EINPROGRESS, EINTR, IP_BIND_ADDRESS_NO_PORT, IPPROTO_IP, O_CLOEXEC,
    O_RDONLY, SO_LINGER, SO_REUSEADDR, SOCK_CLOEXEC, SOCK_NONBLOCK, SOL_SOCKET, bind, close, connect, getsockname,
    linger, open_file, read, setsockopt, sockaddr, sockaddr_storage, socket, socklen_t,
)

cdef enum:
    LOWEST_PORT = 1024
    PORT_END = 65536
    DEFAULT_PORT_LOW = 32768
    DEFAULT_PORT_HIGH = 60999
    PORT_TRIES = 32              # ports outside of the kernel's range tried for one connection
    USED_UP_MS = 1000            # the kernel's range is not searched again for so long

cdef extern from "<arpa/inet.h>" nogil:
    uint32_t ntohs(uint32_t value)
    uint32_t htons(uint32_t value)


cdef void dial_init(connections_t* c) noexcept nogil:
    cdef char[64] text
    cdef uint32_t[2] found
    cdef uint32_t i = 0
    cdef long k, n = 0
    cdef int fd = open_file(b"/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY | O_CLOEXEC)
    found[0] = found[1] = 0
    if fd >= 0:
        n = read(fd, text, sizeof(text))
        close(fd)
    for k in range(n):
        if <uint8_t> (text[k] - 48) < 10:
            found[i] = found[i] * 10 + <uint8_t> (text[k] - 48)
        elif i == 0 and found[0]:
            i = 1
        elif i == 1 and found[1]:
            break
    c.kernel_port_low = DEFAULT_PORT_LOW
    c.kernel_port_high = DEFAULT_PORT_HIGH
    if 0 < found[0] <= found[1] < PORT_END:
        c.kernel_port_low = found[0]
        c.kernel_port_high = found[1]
    # several tables of one host do not try the same ports at the same time
    c.next_port = LOWEST_PORT + <uint32_t> (random_u64(&c.random_state) >> 32) % (PORT_END - LOWEST_PORT)


cdef uint32_t take_port(connections_t* c) noexcept nogil:
    """The next port outside of the kernel's range, 0 where there is none."""
    cdef uint32_t port = c.next_port
    if c.kernel_port_low <= port <= c.kernel_port_high:
        port = c.kernel_port_high + 1
    if port >= PORT_END:
        port = LOWEST_PORT
        if c.kernel_port_low <= port <= c.kernel_port_high:
            port = c.kernel_port_high + 1
            if port >= PORT_END:
                return 0
    c.next_port = port + 1
    return port


cdef int bind_source(int fd, const address_t* source, const address_t* peer, uint32_t port) noexcept nogil:
    """port, in host order: instead of the source's own; 0: as that says. 0, or an errno."""
    cdef address_t own
    cdef sockaddr_storage name
    cdef socklen_t size
    cdef int one = 1
    if source.family != 0:
        own = source[0]
    else:
        memset(&own, 0, sizeof(own))
        own.family = peer.family
    if port:
        own.port = <unsigned short> htons(port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one))
    elif own.port:
        # an earlier connection from that port to another peer may still be known
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one))
    else:
        # so that the kernel chooses a port that is free for this peer, not one that is free for all
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one))
    size = address_to_sockaddr(&own, &name)
    return 0 if bind(fd, <const sockaddr*> &name, size) == 0 else errno


cdef int attempt(const channel_t* channel, const address_t* peer, const address_t* source, uint32_t port,
                 bint* is_connected, bint* is_bound) noexcept nogil:
    """One socket: its descriptor, or -errno; is_bound: it had its source by then."""
    cdef sockaddr_storage name
    cdef socklen_t size
    cdef uint32_t i
    cdef int error
    cdef int fd = socket(peer.family, channel.socket_type | SOCK_NONBLOCK | SOCK_CLOEXEC, channel.protocol)
    is_bound[0] = False
    if fd < 0:
        return -errno
    for i in range(channel.n_options):
        setsockopt(fd, channel.options[i].level, channel.options[i].name, channel.options[i].value,
                   channel.options[i].n_bytes)
    if source.family != 0 or port:
        error = bind_source(fd, source, peer, port)
        if error:
            close(fd)
            return -error
    is_bound[0] = True
    size = address_to_sockaddr(peer, &name)
    is_connected[0] = connect(fd, <const sockaddr*> &name, size) == 0
    if is_connected[0] or errno == EINPROGRESS or errno == EINTR:
        return fd
    error = errno
    close(fd)
    return -error


cdef int try_other_ports(connections_t* c, const channel_t* channel, const address_t* peer, const address_t* source,
                         bint* is_connected) noexcept nogil:
    cdef bint is_bound
    cdef uint32_t port
    cdef int _i, fd
    for _i in range(PORT_TRIES):
        port = take_port(c)
        if port == 0:
            break
        if port == ntohs(peer.port):
            continue
        fd = attempt(channel, peer, source, port, is_connected, &is_bound)
        if fd >= 0 or (fd != -EADDRINUSE and fd != -EADDRNOTAVAIL):
            return fd
    return -EADDRNOTAVAIL


cdef bint may_be_its_own_peer(const connections_t* c, const address_t* peer, const address_t* source) noexcept nogil:
    cdef uint32_t port = ntohs(peer.port)
    return c.kernel_port_low <= port <= c.kernel_port_high or source.port == peer.port


cdef int dial(connections_t* c, const channel_t* channel, const address_t* peer, const address_t* source,
              bint* is_connected) noexcept nogil:
    cdef bint is_bound
    cdef int fd
    c.n_connects += 1
    if source.port == 0 and c.now_ms < c.ports_used_up_ms:
        fd = try_other_ports(c, channel, peer, source, is_connected)
        if fd != -EADDRNOTAVAIL:
            return fd
    fd = attempt(channel, peer, source, 0, is_connected, &is_bound)
    if fd == -EADDRNOTAVAIL and is_bound and source.port == 0 and c.now_ms >= c.ports_used_up_ms:
        c.ports_used_up_ms = c.now_ms + USED_UP_MS
        fd = try_other_ports(c, channel, peer, source, is_connected)
    return fd


cdef bint is_self_connected(int fd, const address_t* peer) noexcept nogil:
    cdef sockaddr_storage name
    cdef socklen_t size = sizeof(name)
    cdef address_t own
    if getsockname(fd, <sockaddr*> &name, &size) != 0:
        return False
    address_from_sockaddr(&own, &name)
    return own.family == peer.family and own.port == peer.port and memcmp(own.ip, peer.ip, sizeof(own.ip)) == 0


cdef void leave_no_trace(int fd) noexcept nogil:
    cdef linger at_once
    at_once.l_onoff = 1
    at_once.l_linger = 0
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once))
