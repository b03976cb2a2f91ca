# sippx/_core/datagrams.pyx: opening, sharing and choosing UDP sockets for calls; its settings and Python test surface.
from libc.errno cimport errno
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import os

from sippx._core.address cimport VIA_UNATTACHED, address_to_sockaddr
from sippx._core.addressing cimport address_from_tuple
from sippx._core.bits cimport BYTES_READABLE_PAST_END, likely, unlikely
from sippx._core.connections cimport EVENT_KIND_SHIFT, SOCKET_OPTION_BYTES, SOCKET_OPTION_CAP, socket_option_t
from sippx._core.hash cimport hash_bytes
from sippx._core.injection cimport (
    Injection, injection_render_field, injection_replace, injection_state_free, injection_state_init,
    injection_state_t, injection_t,
)
from sippx._core.linux cimport (
    AF_INET, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLLIN, SOCK_DGRAM, ENOMEM, close, epoll_create1, epoll_ctl,
    epoll_event, epoll_wait, setsockopt, sockaddr, sockaddr_in, sockaddr_storage, socklen_t,
)
from sippx._core.span cimport span_of
from sippx._core.udp cimport (
    UDP_NO_VIA, UDP_SOCKETS_CAP, udp_add_socket, udp_fd, udp_free, udp_init, udp_remove_socket, udp_t,
)

cdef enum:
    IP_TEXT_CAP = 256            # bytes of a field that can say an address
    INJECTED_CAP_BYTES = 1 << 20     # of the test surface

cdef extern from "<sys/socket.h>" nogil:
    int SOCK_NONBLOCK, SOCK_CLOEXEC
    int socket(int family, int type, int protocol)
    int bind(int fd, const sockaddr* name, socklen_t n)
    int getsockname(int fd, sockaddr* name, socklen_t* n)

cdef extern from "<arpa/inet.h>" nogil:
    int inet_pton(int family, const char* text, void* ip)

# --------------------------------------------------------------------------- a socket for each call

cdef int bound_socket(datagrams_t* d) noexcept nogil:
    """A new socket's descriptor, or -errno."""
    cdef int fd = socket(d.local.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    cdef int error
    cdef uint32_t i
    if fd < 0:
        return -errno
    for i in range(d.n_options):
        setsockopt(fd, d.options[i].level, d.options[i].name, d.options[i].value, d.options[i].n_bytes)
    if bind(fd, <sockaddr*> &d.local, d.local_len) != 0:
        error = errno
        close(fd)
        return -error
    return fd


cdef uint16_t port_of(int fd) noexcept nogil:
    cdef sockaddr_storage name
    cdef socklen_t n = sizeof(name)
    cdef uint16_t port
    if getsockname(fd, <sockaddr*> &name, &n) != 0:
        return 0
    # at the same place in both families
    port = (<sockaddr_in*> &name).sin_port
    return <uint16_t> (port << 8 | port >> 8)


cdef int watch(datagrams_t* d, int fd, uint32_t via) noexcept nogil:
    cdef epoll_event event
    memset(&event, 0, sizeof(event))
    event.events = EPOLLIN
    event.data.u64 = <uint64_t> EVENT_UDP << EVENT_KIND_SHIFT | via
    return 0 if epoll_ctl(d.epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 else errno


cdef uint32_t open_failed(datagrams_t* d, int error) noexcept nogil:
    # with none open there is none to share: each call tries again
    d.is_exhausted = d.n_open > 0
    d.n_open_errors += 1
    d.last_open_errno = error
    return 0


cdef uint32_t open_one(datagrams_t* d) noexcept nogil:
    cdef int fd = bound_socket(d), error
    cdef uint32_t via
    cdef call_socket_t* s
    if unlikely(fd < 0):
        return open_failed(d, -fd)
    via = udp_add_socket(d.udp, fd, True)
    error = watch(d, fd, via) if via != UDP_NO_VIA else ENOMEM
    if unlikely(error != 0):
        udp_remove_socket(d.udp, via)
        close(fd)
        return open_failed(d, error)
    s = &d.sockets[via]
    s.n_calls = 1
    s.port = port_of(fd)
    s.open_idx = <uint16_t> d.n_open
    s.is_dropped = False
    d.open[d.n_open] = <uint16_t> via
    d.n_open += 1
    d.n_opened += 1
    return via


cdef void close_one(datagrams_t* d, uint32_t via) noexcept nogil:
    cdef int fd = udp_fd(d.udp, via)
    cdef uint32_t at = d.sockets[via].open_idx
    d.n_open -= 1
    d.open[at] = d.open[d.n_open]
    d.sockets[d.open[at]].open_idx = <uint16_t> at
    udp_remove_socket(d.udp, via)
    # the only descriptor of that socket: closing takes it off the epoll
    close(fd)
    d.is_exhausted = False


cdef uint32_t datagrams_take(datagrams_t* d) noexcept nogil:
    cdef uint32_t via
    if likely(d.n_open < d.max_sockets and not d.is_exhausted):
        via = open_one(d)
        if likely(via != 0):
            return via
    if d.n_open == 0:
        return 0
    d.share_next = d.share_next + 1 if d.share_next + 1 < d.n_open else 0
    via = d.open[d.share_next]
    d.sockets[via].n_calls += 1
    d.n_shared += 1
    return via


cdef bint datagrams_join(datagrams_t* d, uint32_t via) noexcept nogil:
    if via == 0 or udp_fd(d.udp, via) < 0:
        return False
    d.sockets[via].n_calls += 1
    return True


cdef void datagrams_drop(datagrams_t* d, uint32_t via) noexcept nogil:
    cdef call_socket_t* s = &d.sockets[via]
    s.n_calls -= 1
    if s.n_calls == 0 and not s.is_dropped:
        s.is_dropped = True
        d.dropped[d.n_dropped] = <uint16_t> via
        d.n_dropped += 1


cdef void datagrams_settle(datagrams_t* d) noexcept nogil:
    cdef uint32_t i, via
    for i in range(d.n_dropped):
        via = d.dropped[i]
        d.sockets[via].is_dropped = False
        # a call may have got it since
        if d.sockets[via].n_calls == 0:
            close_one(d, via)
    d.n_dropped = 0

# --------------------------------------------------------------------------- a socket for each source IP

cdef inline uint64_t ip_hash(const datagrams_t* d, const char* key, uint32_t n, bint is_text) noexcept nogil:
    cdef uint64_t h = hash_bytes(key, n, d.seed + is_text)
    return h if likely(h != 0) else 1


cdef void name_socket(datagrams_t* d, uint64_t hash_, uint32_t via) noexcept nogil:
    cdef uint64_t i = hash_ & d.ips_mask
    while d.ips[i].hash != 0 and d.ips[i].hash != hash_:
        i = (i + 1) & d.ips_mask
    d.ips[i].hash = hash_
    d.ips[i].via = <uint16_t> via


cdef uint32_t find_socket(const datagrams_t* d, uint64_t hash_) noexcept nogil:
    cdef uint64_t i = hash_ & d.ips_mask
    while d.ips[i].hash != 0:
        if d.ips[i].hash == hash_:
            return d.ips[i].via
        i = (i + 1) & d.ips_mask
    return VIA_UNATTACHED


cdef inline bint is_blank(char c) noexcept nogil:
    return c == c' ' or c == c'\t' or c == c'\r'


cdef uint32_t via_of_field(const datagrams_t* d, const injection_t* file, const injection_state_t* state,
                           uint32_t line) noexcept nogil:
    cdef char[IP_TEXT_CAP + BYTES_READABLE_PAST_END + 1] text
    cdef char[16] ip
    cdef char* p = text
    cdef int32_t n = injection_render_field(file, state, line, d.ip_field, text, IP_TEXT_CAP)
    while n > 0 and is_blank(p[0]):
        p += 1
        n -= 1
    while n > 0 and is_blank(p[n - 1]):
        n -= 1
    if n <= 0:
        return VIA_UNATTACHED
    p[n] = 0
    if inet_pton(d.family, p, ip) == 1:
        return find_socket(d, ip_hash(d, ip, 4 if d.family == AF_INET else 16, False))
    return find_socket(d, ip_hash(d, p, <uint32_t> n, True))


cdef bint datagrams_use_file(datagrams_t* d, const injection_t* file, const injection_state_t* state) noexcept nogil:
    cdef uint32_t i
    if file.n_virtual > 0:
        return True              # PRINTF: as many lines as one likes
    d.line_vias = <uint16_t*> calloc(file.n_base, sizeof(uint16_t))
    if d.line_vias == NULL:
        return False
    for i in range(file.n_base):
        d.line_vias[i] = <uint16_t> via_of_field(d, file, state, i)
    d.n_lines = file.n_base
    return True


cdef uint32_t datagrams_via_of_line(const datagrams_t* d, const injection_t* file, const injection_state_t* state,
                                    uint32_t line) noexcept nogil:
    if likely(line < d.n_lines and (state.replaced_row == NULL or state.replaced_row[line] == 0)):
        return d.line_vias[line]
    return via_of_field(d, file, state, line)

# --------------------------------------------------------------------------- settings

MAX_SOCKETS = UDP_SOCKETS_CAP - 1


cdef class DatagramSettings:
    """Which UDP sockets an engine's calls have beside its own.

    mode: "per_call" or "per_ip". local: (family, packed ip[, port[, scope id]]) of the engine's own socket.
    per_call: at most max_sockets at a time, on local's IP with ports of the kernel's choice; options: (level, name,
    bytes) set on each before it is bound. per_ip: sockets: (descriptor, packed ip) of the source addresses, bound,
    non-blocking and borrowed; the engine's own may be among them. Field ip_field of the first injection file's line
    says which one a call has, as an address or as a text that names (text -> packed ip) tells the meaning of. Lines
    of other addresses have none.
    """

    def __cinit__(self, str mode not None, *, local, max_sockets=50000, options=(), sockets=(), names=None,
                  ip_field=0):
        if mode not in ("per_call", "per_ip"):
            raise ValueError(f"mode '{mode}' is neither per_call nor per_ip")
        self.mode = mode
        # the port of the sockets that are opened is the kernel's choice
        self.local = address_from_tuple((local[0], local[1], 0, *local[3:]))
        self.max_sockets = max_sockets
        self.options = tuple((int(level), int(name), bytes(value)) for level, name, value in options)
        self.sockets = tuple((int(fd), bytes(ip)) for fd, ip in sockets)
        self.names = dict(names or {})
        self.ip_field = ip_field
        if not 0 <= max_sockets <= MAX_SOCKETS:
            raise ValueError(f"max_sockets {max_sockets} out of 0..{MAX_SOCKETS}")
        if not 0 <= ip_field < 1 << 31:
            raise ValueError(f"ip_field {ip_field} is no number of a field")
        if mode == "per_call" and (self.sockets or self.names) or mode == "per_ip" and self.options:
            raise ValueError("sockets and names are of per_ip, options of per_call")
        self._check_options()
        self._check_sockets()

    def _check_options(self):
        if len(self.options) > SOCKET_OPTION_CAP:
            raise ValueError(f"{len(self.options)} socket options, at most {<int> SOCKET_OPTION_CAP}")
        for _level, _name, value in self.options:
            if len(value) > SOCKET_OPTION_BYTES:
                raise ValueError(f"a socket option of {len(value)} bytes, at most {<int> SOCKET_OPTION_BYTES}")

    def _check_sockets(self):
        n_bytes = 4 if self.local.family == AF_INET else 16
        vias = self._vias()
        if len(self.sockets) > MAX_SOCKETS:
            raise ValueError(f"{len(self.sockets)} sockets, at most {MAX_SOCKETS}")
        for fd, ip in self.sockets:
            if fd < 0 or len(ip) != n_bytes:
                raise ValueError(f"a socket is a descriptor and {n_bytes} bytes of its address")
        if len({ip for _, ip in self.sockets}) != len(self.sockets):
            raise ValueError("two sockets have the same address")
        for text, ip in self.names.items():
            if not 0 < len(text) <= IP_TEXT_CAP or ip not in vias:
                raise ValueError(f"{text!r} names no socket's address")

    cdef dict _vias(self):
        """Packed address -> place in the table of sockets, from 1; 0 for the engine's own."""
        vias = {ip: i for i, (_, ip) in enumerate(self.sockets, 1)}
        vias[self._own_ip()] = 0
        return vias

    cdef bytes _own_ip(self):
        return (<char*> self.local.ip)[:4 if self.local.family == AF_INET else 16]


cdef datagrams_init(datagrams_t* d, DatagramSettings settings, udp_t* udp, int epoll_fd, uint64_t seed):
    memset(d, 0, sizeof(datagrams_t))
    d.udp = udp
    d.epoll_fd = epoll_fd
    d.seed = seed
    d.family = settings.local.family
    d.ip_field = settings.ip_field
    d.max_sockets = settings.max_sockets
    if settings.mode == "per_call":
        init_per_call(d, settings)
    else:
        init_per_ip(d, settings)


cdef init_per_call(datagrams_t* d, DatagramSettings settings):
    cdef socket_option_t* o
    d.local_len = address_to_sockaddr(&settings.local, &d.local)
    for level, name, value in settings.options:
        o = &d.options[d.n_options]
        o.level, o.name, o.n_bytes = level, name, len(value)
        memcpy(o.value, <const char*> <bytes> value, len(value))
        d.n_options += 1
    d.sockets = <call_socket_t*> calloc(UDP_SOCKETS_CAP, sizeof(call_socket_t))
    d.open = <uint16_t*> calloc(UDP_SOCKETS_CAP, sizeof(uint16_t))
    d.dropped = <uint16_t*> calloc(UDP_SOCKETS_CAP, sizeof(uint16_t))
    if d.sockets == NULL or d.open == NULL or d.dropped == NULL:
        raise MemoryError


cdef init_per_ip(datagrams_t* d, DatagramSettings settings):
    cdef dict vias = settings._vias()
    cdef bytes key
    cdef uint32_t via
    cdef int error
    d.ips_mask = (1 << (2 * (len(vias) + len(settings.names))).bit_length()) - 1
    d.ips = <ip_slot_t*> calloc(d.ips_mask + 1, sizeof(ip_slot_t))
    if d.ips == NULL:
        raise MemoryError
    for fd, ip in settings.sockets:
        if ip == settings._own_ip():
            if fd != d.udp.fd:
                raise ValueError("the engine's own address is that of another socket, too")
            continue
        via = udp_add_socket(d.udp, fd, False)
        if via == UDP_NO_VIA:
            raise MemoryError
        vias[ip] = via
        error = watch(d, fd, via)
        if error != 0:
            raise OSError(error, os.strerror(error))
    for key, via in vias.items():
        name_socket(d, ip_hash(d, key, <uint32_t> len(key), False), via)
    for key, ip in settings.names.items():
        name_socket(d, ip_hash(d, key, <uint32_t> len(key), True), vias[ip])


cdef void datagrams_free(datagrams_t* d) noexcept nogil:
    while d.n_open > 0:
        close_one(d, d.open[d.n_open - 1])
    free(d.sockets)
    free(d.open)
    free(d.dropped)
    free(d.ips)
    free(d.line_vias)
    memset(d, 0, sizeof(datagrams_t))

# --------------------------------------------------------------------------- test surface

cdef class CallSockets:
    """Sockets of calls beside the one of fd (borrowed), as an engine has them; file: an Injection, for per_ip."""
    cdef udp_t* u
    cdef datagrams_t d
    cdef int epoll_fd
    cdef Injection file
    cdef injection_state_t state

    def __cinit__(self, int fd, DatagramSettings settings not None, Injection file=None):
        self.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        self.u = <udp_t*> calloc(1, sizeof(udp_t))
        if self.epoll_fd < 0 or self.u == NULL or udp_init(self.u, fd, True, True, True) != 0:
            raise MemoryError
        datagrams_init(&self.d, settings, self.u, self.epoll_fd, 7)
        self.file = file
        if file is not None and (injection_state_init(&self.state, &file.f, 7, INJECTED_CAP_BYTES) != 0
                                 or not datagrams_use_file(&self.d, &file.f, &self.state)):
            raise MemoryError

    def __dealloc__(self):
        if self.u != NULL:
            datagrams_free(&self.d)
            udp_free(self.u)
            free(self.u)
        if self.file is not None:
            injection_state_free(&self.state)
        if self.epoll_fd >= 0:
            close(self.epoll_fd)

    def take(self):
        """Number of a socket for a call, 0 where there is none."""
        return datagrams_take(&self.d)

    def join(self, uint32_t via):
        return bool(datagrams_join(&self.d, via))

    def drop(self, uint32_t via):
        if via == 0 or udp_fd(self.u, via) < 0 or self.d.sockets[via].n_calls == 0:
            raise ValueError(f"no call has socket {via}")
        datagrams_drop(&self.d, via)

    def settle(self):
        with nogil:
            datagrams_settle(&self.d)

    def local_port(self, uint32_t via):
        if via == 0 or udp_fd(self.u, via) < 0:
            raise ValueError(f"no socket {via}")
        return datagrams_local_port(&self.d, via)

    def fd(self, uint32_t via):
        """Descriptor of a socket, -1 for none."""
        return udp_fd(self.u, via)

    def ready(self, int timeout_ms):
        """Numbers of the sockets that have something to read."""
        cdef epoll_event[64] events
        cdef int i, n
        with nogil:
            n = epoll_wait(self.epoll_fd, events, 64, timeout_ms)
        assert all(events[i].data.u64 >> EVENT_KIND_SHIFT == EVENT_UDP for i in range(n))
        return [events[i].data.u64 & 0xFFFF for i in range(n)]

    def via_of_line(self, uint32_t line):
        """Number of the socket that a call with that line has; None for none."""
        via = datagrams_via_of_line(&self.d, &self.file.f, &self.state, line)
        return None if via == VIA_UNATTACHED else via

    def replace_line(self, uint32_t line, bytes text not None):
        if injection_replace(&self.file.f, &self.state, line, span_of(text, <uint32_t> len(text))) != 0:
            raise ValueError("the line cannot be replaced")

    @property
    def counters(self):
        return {
            "open": self.d.n_open, "opened": self.d.n_opened, "shared": self.d.n_shared,
            "open_errors": self.d.n_open_errors, "last_open_errno": self.d.last_open_errno,
        }
