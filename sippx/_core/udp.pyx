# sippx/_core/udp.pyx: recvmmsg/sendmmsg with GRO/GSO and the run-time fallbacks; its Python test surface.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport errno
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from sippx._core.address cimport address_from_sockaddr, address_t, address_to_sockaddr
from sippx._core.bits cimport likely, unlikely
from sippx._core.linux cimport *
from sippx._core.outbox cimport (
    OUTBOX_SEGMENTS, group_t, outbox_clear, outbox_commit, outbox_free, outbox_init, outbox_reserve, outbox_room,
    outbox_t,
)

cdef enum:
    CONGESTION_RETRIES = 3       # waits for a full send buffer before a datagram is given up
    CONGESTION_WAIT_MS = 2
    ERROR_RETRIES = 16           # errors of earlier datagrams that one may meet
    SK_MEMINFO_DROPS = 8         # <linux/sock_diag.h>
    SK_MEMINFO_WORDS = 9
    DROPS_READ = 256             # further sockets that udp_read_drops looks at

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd* fds, unsigned long n, int timeout_ms)
    int POLLOUT


cdef int udp_init(udp_t* u, int fd, bint gso, bint gro, bint batch) noexcept nogil:
    cdef int one = 1, off = 0
    cdef uint32_t i
    memset(u, 0, sizeof(udp_t))
    u.fd = fd
    u.batch_tx = batch
    u.batch_rx = batch
    u.rx_batch = UDP_RX_BATCH if batch else 1
    # zeroed, so that reading past a datagram's end never reads what was never written
    u.rx_bytes = <char*> calloc(UDP_RX_BATCH, UDP_RX_STRIDE)
    if u.rx_bytes == NULL or not grow_table(u):
        return -1
    u.sockets[0].fd = fd
    u.n_sockets = 1
    for i in range(UDP_RX_BATCH):
        u.rx_iov[i].iov_base = u.rx_bytes + i * UDP_RX_STRIDE
        u.rx_iov[i].iov_len = UDP_RX_BYTES
    if gso:
        # a kernel that knows the option accepts "no segmentation by default"
        if setsockopt(fd, SOL_UDP, UDP_SEGMENT, &off, sizeof(off)) == 0:
            u.gso = 1
        else:
            u.fallbacks |= FALLBACK_GSO
            u.fallback_errno = errno
    if gro:
        if setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof(one)) == 0:
            u.gro = 1
            u.rx_batch = UDP_RX_GRO_BATCH if batch else 1
        else:
            u.fallbacks |= FALLBACK_GRO
            u.fallback_errno = errno
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof(one))
    u.is_ipv6 = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one)) == 0
    ask_for_errors(fd, u.is_ipv6)
    return 0


cdef void udp_free(udp_t* u) noexcept nogil:
    free(u.rx_bytes)
    free(u.sockets)
    u.rx_bytes = NULL
    u.sockets = NULL
    u.n_sockets = 0


cdef inline void ask_for_errors(int fd, bint is_ipv6) noexcept nogil:
    # a refinement, as SO_RXQ_OVFL: without it unreachable peers are merely not counted
    cdef int one = 1
    setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one))
    if is_ipv6:
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one))

# --------------------------------------------------------------------------- further sockets

cdef bint grow_table(udp_t* u) noexcept nogil:
    cdef uint32_t cap = u.sockets_cap * 2 if u.sockets_cap else 4
    cdef udp_socket_t* table
    if cap > UDP_SOCKETS_CAP:
        cap = UDP_SOCKETS_CAP
    if cap == u.sockets_cap:
        return False
    table = <udp_socket_t*> realloc(u.sockets, cap * sizeof(udp_socket_t))
    if table == NULL:
        return False
    memset(table + u.sockets_cap, 0, (cap - u.sockets_cap) * sizeof(udp_socket_t))
    u.sockets = table
    u.sockets_cap = cap
    return True


cdef uint32_t udp_add_socket(udp_t* u, int fd, bint is_brief) noexcept nogil:
    cdef uint32_t via = u.free_via
    cdef udp_socket_t* s
    cdef int one = 1
    if via != 0:
        u.free_via = u.sockets[via].next_free
    elif u.n_sockets < u.sockets_cap or grow_table(u):
        via = u.n_sockets
        u.n_sockets += 1
    else:
        return UDP_NO_VIA
    s = &u.sockets[via]
    s.fd = fd
    s.seen_drops = 0
    s.is_brief = is_brief
    ask_for_errors(fd, u.is_ipv6)
    if not is_brief:
        if u.gro:
            setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof(one))
        setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof(one))
    return via


cdef void udp_remove_socket(udp_t* u, uint32_t via) noexcept nogil:
    if via == 0 or udp_fd(u, via) < 0:
        return
    u.sockets[via].fd = -1
    u.sockets[via].next_free = u.free_via
    u.free_via = <uint16_t> via

# --------------------------------------------------------------------------- sending

cdef inline void prepare(udp_t* u, uint32_t slot, const address_t* dest, char* p, uint32_t n,
                         uint32_t segment_len) noexcept nogil:
    """Message header `slot` for n bytes, cut by the kernel into segment_len each where that is not 0."""
    cdef msghdr* h = &u.tx_msgs[slot].msg_hdr
    cdef cmsghdr* c
    u.tx_iov[slot].iov_base = p
    u.tx_iov[slot].iov_len = n
    h.msg_name = &u.tx_names[slot]
    h.msg_namelen = address_to_sockaddr(dest, &u.tx_names[slot])
    h.msg_iov = &u.tx_iov[slot]
    h.msg_iovlen = 1
    h.msg_flags = 0
    if segment_len == 0:
        h.msg_control = NULL
        h.msg_controllen = 0
        return
    h.msg_control = u.tx_control[slot]
    h.msg_controllen = CMSG_SPACE(sizeof(uint16_t))
    c = CMSG_FIRSTHDR(h)
    c.cmsg_level = SOL_UDP
    c.cmsg_type = UDP_SEGMENT
    c.cmsg_len = CMSG_LEN(sizeof(uint16_t))
    (<uint16_t*> CMSG_DATA(c))[0] = <uint16_t> segment_len


cdef inline int send_some(udp_t* u, int fd, uint32_t first, uint32_t n) noexcept nogil:
    """Messages accepted (>= 1), or -errno of the first one."""
    cdef int r
    u.n_send_calls += 1
    if u.batch_tx:
        r = sendmmsg(fd, &u.tx_msgs[first], n, MSG_DONTWAIT)
        if unlikely(r < 0 and errno == ENOSYS):
            u.batch_tx = 0
            u.fallbacks |= FALLBACK_SENDMMSG
            u.fallback_errno = ENOSYS
        else:
            return r if r > 0 else -errno
    return 1 if sendmsg(fd, &u.tx_msgs[first].msg_hdr, MSG_DONTWAIT) >= 0 else -errno


cdef void wait_writable(int fd) noexcept nogil:
    cdef pollfd p
    p.fd = fd
    p.events = <short> POLLOUT
    poll(&p, 1, CONGESTION_WAIT_MS)


cdef bint is_of_earlier(udp_t* u, int fd, int tries) noexcept nogil:
    """A datagram was refused for what befell earlier ones: ICMP errors are told to later ones, once each."""
    cdef uint64_t n_before = u.n_icmp_errors
    drain_errors(u, fd)
    return tries == 0 or u.n_icmp_errors != n_before and tries < ERROR_RETRIES


cdef uint32_t send_plain(udp_t* u, int fd, uint32_t n) noexcept nogil:
    """Sends the n prepared single datagrams; each refused one is counted. Returns those that left."""
    cdef uint32_t done = 0, accepted = 0
    cdef int r, tries = 0
    while done < n:
        r = send_some(u, fd, done, n - done)
        if likely(r > 0):
            done += r
            accepted += r
            tries = 0
        elif r == -EINTR:
            continue
        elif r == -EAGAIN or r == -ENOBUFS or r == -ENOMEM:
            if tries < CONGESTION_RETRIES:
                tries += 1
                wait_writable(fd)
                continue
            u.n_congested += n - done        # the kernel takes nothing now: the timers send it again
            u.last_errno = -r
            break
        elif is_of_earlier(u, fd, tries):
            tries += 1
        else:
            u.n_send_errors += 1
            u.last_errno = -r
            done += 1
            tries = 0
    return accepted


cdef void send_group_plain(udp_t* u, int fd, const group_t* g) noexcept nogil:
    cdef uint32_t i = 0, k, sent
    while i < g.n_segments:
        k = 0
        while k < UDP_TX_BATCH and i + k < g.n_segments:
            prepare(u, k, &g.dest, g.bytes + (i + k) * g.segment_len, g.segment_len, 0)
            k += 1
        sent = send_plain(u, fd, k)
        u.n_sent += sent
        u.n_sent_bytes += <uint64_t> sent * g.segment_len
        i += k


cdef inline bint may_segment(udp_t* u, const group_t* g) noexcept nogil:
    return u.gso and g.n_segments > 1 and (u.gso_max_segment == 0 or g.segment_len <= u.gso_max_segment)


cdef void give_up_segmentation(udp_t* u, const group_t* g, int error) noexcept nogil:
    """The kernel refused a segmented send: never again so long, or never again at all."""
    if error == EMSGSIZE or error == EINVAL:
        # a segment above the path MTU: shorter ones may still pass
        if u.gso_max_segment == 0 or g.segment_len <= u.gso_max_segment:
            u.gso_max_segment = g.segment_len - 1
            if u.gso_max_segment >= 256:
                return
    u.gso = 0
    u.fallbacks |= FALLBACK_GSO
    u.fallback_errno = error


cdef void refuse_group(udp_t* u, const group_t* g, int error) noexcept nogil:
    if error == EAGAIN or error == ENOBUFS or error == ENOMEM:
        u.n_congested += g.n_segments
    else:
        u.n_send_errors += g.n_segments
    u.last_errno = error


cdef inline uint32_t prepare_run(udp_t* u, const group_t* groups, uint32_t n) noexcept nogil:
    """Prepares the groups at the front that one call can send: of one socket, one message header each."""
    cdef uint32_t k = 0, via = groups[0].dest.via
    cdef const group_t* g
    while k < n and k < UDP_TX_BATCH:
        g = &groups[k]
        if unlikely(g.dest.via != via) or g.n_segments > 1 and not may_segment(u, g):
            break
        prepare(u, k, &g.dest, g.bytes, g.n_bytes, g.segment_len if g.n_segments > 1 else 0)
        k += 1
    return k


cdef void udp_send_groups(udp_t* u, const group_t* groups, uint32_t n) noexcept nogil:
    cdef uint32_t first = 0, k
    cdef int32_t r
    cdef int tries = 0, fd
    cdef const group_t* g
    while first < n:
        g = &groups[first]
        fd = udp_fd(u, g.dest.via)
        if unlikely(fd < 0):
            refuse_group(u, g, EBADF)
            first += 1
            continue
        k = prepare_run(u, g, n - first)
        if k == 0:
            send_group_plain(u, fd, g)
            first += 1
            continue
        r = send_some(u, fd, 0, k)
        if likely(r > 0):
            while r > 0:
                g = &groups[first]
                u.n_sent += g.n_segments
                u.n_sent_bytes += g.n_bytes
                first += 1
                r -= 1
            tries = 0
            continue
        if r == -EINTR:
            continue
        if g.n_segments > 1 and (r == -EIO or r == -EINVAL or r == -EMSGSIZE or r == -EOPNOTSUPP
                                 or r == -ENOPROTOOPT):
            give_up_segmentation(u, g, -r)
            continue
        if (r == -EAGAIN or r == -ENOBUFS or r == -ENOMEM) and tries < CONGESTION_RETRIES:
            tries += 1
            wait_writable(fd)
            continue
        if r != -EAGAIN and r != -ENOBUFS and r != -ENOMEM and is_of_earlier(u, fd, tries):
            tries += 1
            continue
        refuse_group(u, g, -r)
        first += 1
        tries = 0

# --------------------------------------------------------------------------- receiving

cdef inline void note_drops(udp_t* u, uint32_t via, uint32_t n_drops) noexcept nogil:
    u.n_socket_drops += n_drops - u.sockets[via].seen_drops
    u.sockets[via].seen_drops = n_drops


cdef void read_control(udp_t* u, uint32_t via, uint32_t i) noexcept nogil:
    cdef msghdr* h = &u.rx_msgs[i].msg_hdr
    cdef cmsghdr* c = CMSG_FIRSTHDR(h)
    cdef int segment
    cdef uint32_t n_drops
    while c != NULL:
        if c.cmsg_level == SOL_UDP and c.cmsg_type == UDP_GRO:
            memcpy(&segment, CMSG_DATA(c), sizeof(int))
            if segment > 0:
                u.rx_segment[i] = <uint32_t> segment
        elif c.cmsg_level == SOL_SOCKET and c.cmsg_type == SO_RXQ_OVFL:
            memcpy(&n_drops, CMSG_DATA(c), sizeof(uint32_t))
            note_drops(u, via, n_drops)
        c = CMSG_NXTHDR(h, c)


cdef inline uint32_t receive(udp_t* u, int fd, uint32_t via, uint32_t batch) noexcept nogil:
    cdef uint32_t i, n
    cdef int r
    cdef msghdr* h
    u.rx_n = 0
    for i in range(batch):
        h = &u.rx_msgs[i].msg_hdr
        h.msg_name = &u.rx_names[i]
        h.msg_namelen = sizeof(sockaddr_storage)
        h.msg_iov = &u.rx_iov[i]
        h.msg_iovlen = 1
        h.msg_control = u.rx_control[i]
        h.msg_controllen = UDP_CONTROL_BYTES
        h.msg_flags = 0
    while True:
        u.n_receive_calls += 1
        if batch > 1 and u.batch_rx:
            r = recvmmsg(fd, u.rx_msgs, batch, MSG_DONTWAIT, NULL)
            if unlikely(r < 0 and errno == ENOSYS):
                u.batch_rx = 0
                u.rx_batch = 1
                u.fallbacks |= FALLBACK_RECVMMSG
                u.fallback_errno = ENOSYS
                continue
        else:
            r = <int> recvmsg(fd, &u.rx_msgs[0].msg_hdr, MSG_DONTWAIT)
            if r >= 0:
                u.rx_msgs[0].msg_len = <unsigned int> r
                r = 1
        if r >= 0:
            break
        if errno == EINTR:
            continue
        if errno != EAGAIN and errno != EWOULDBLOCK:
            # ICMP errors of earlier sends surface here as well
            u.n_receive_errors += 1
            drain_errors(u, fd)
        return 0
    n = <uint32_t> r
    for i in range(n):
        address_from_sockaddr(&u.rx_source[i], &u.rx_names[i])
        u.rx_source[i].via = <uint16_t> via
        u.rx_len[i] = u.rx_msgs[i].msg_len
        u.rx_segment[i] = u.rx_len[i]
        if u.rx_msgs[i].msg_hdr.msg_controllen > 0:
            read_control(u, via, i)
        u.n_received_bytes += u.rx_len[i]
    u.rx_n = n
    return n


cdef uint32_t udp_receive(udp_t* u) noexcept nogil:
    return receive(u, u.fd, 0, u.rx_batch)


cdef uint32_t udp_receive_from(udp_t* u, uint32_t via) noexcept nogil:
    cdef int fd = udp_fd(u, via)
    if unlikely(fd < 0):
        # an event of a socket that was removed meanwhile
        u.rx_n = 0
        return 0
    return receive(u, fd, via, 1 if u.sockets[via].is_brief else u.rx_batch)


cdef void read_drops_of(udp_t* u, uint32_t via) noexcept nogil:
    cdef uint32_t[SK_MEMINFO_WORDS] info
    cdef socklen_t size = sizeof(info)
    if getsockopt(u.sockets[via].fd, SOL_SOCKET, SO_MEMINFO, info, &size) == 0 and size >= sizeof(info):
        note_drops(u, via, info[SK_MEMINFO_DROPS])


cdef void udp_read_drops(udp_t* u) noexcept nogil:
    cdef uint32_t _i, n = u.n_sockets - 1
    read_drops_of(u, 0)
    for _i in range(n if n < DROPS_READ else DROPS_READ):
        u.drops_via = u.drops_via + 1 if u.drops_via + 1 < u.n_sockets else 1
        if u.sockets[u.drops_via].fd >= 0:
            read_drops_of(u, u.drops_via)


cdef void drain_errors(udp_t* u, int fd) noexcept nogil:
    cdef msghdr h
    cdef cmsghdr* c
    cdef char[512] control
    cdef char[64] data
    cdef iovec iov
    cdef sock_extended_err* e
    cdef int _i
    for _i in range(1024):        # bounded: a storm of errors is drained over several turns
        iov.iov_base = data
        iov.iov_len = sizeof(data)
        memset(&h, 0, sizeof(h))
        h.msg_iov = &iov
        h.msg_iovlen = 1
        h.msg_control = control
        h.msg_controllen = sizeof(control)
        if recvmsg(fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) < 0:
            return
        u.n_icmp_errors += 1
        c = CMSG_FIRSTHDR(&h)
        while c != NULL:
            if (c.cmsg_level == IPPROTO_IP and c.cmsg_type == IP_RECVERR) or \
                    (c.cmsg_level == IPPROTO_IPV6 and c.cmsg_type == IPV6_RECVERR):
                e = <sock_extended_err*> CMSG_DATA(c)
                u.last_icmp_errno = <int> e.ee_errno
            c = CMSG_NXTHDR(&h, c)


cdef void udp_drain_errors(udp_t* u) noexcept nogil:
    drain_errors(u, u.fd)


cdef void udp_drain_errors_of(udp_t* u, uint32_t via) noexcept nogil:
    if udp_fd(u, via) >= 0:
        drain_errors(u, udp_fd(u, via))

# --------------------------------------------------------------------------- test surface

cdef class UdpBatch:
    """Batched I/O on an existing socket's descriptor (borrowed), as the engine does it."""
    cdef udp_t* u
    cdef outbox_t out

    def __cinit__(self, int fd, *, bint gso=True, bint gro=True, bint batch=True):
        self.u = <udp_t*> calloc(1, sizeof(udp_t))
        if self.u == NULL or udp_init(self.u, fd, gso, gro, batch) != 0 \
                or outbox_init(&self.out, OUTBOX_SEGMENTS) != 0:
            raise MemoryError

    def __dealloc__(self):
        if self.u != NULL:
            udp_free(self.u)
            free(self.u)
        outbox_free(&self.out)

    @property
    def features(self):
        """(gso, gro, sendmmsg, recvmmsg) in use now."""
        return bool(self.u.gso), bool(self.u.gro), bool(self.u.batch_tx), bool(self.u.batch_rx)

    @property
    def counters(self):
        return {
            "send_calls": self.u.n_send_calls, "receive_calls": self.u.n_receive_calls, "sent": self.u.n_sent,
            "sent_bytes": self.u.n_sent_bytes, "send_errors": self.u.n_send_errors,
            "congested": self.u.n_congested, "icmp_errors": self.u.n_icmp_errors,
            "socket_drops": self.u.n_socket_drops, "gso_max_segment": self.u.gso_max_segment,
            "last_errno": self.u.last_errno,
        }

    def add_socket(self, int fd, *, bint is_brief=False):
        """Number of a further socket, 0 where there is no room."""
        return udp_add_socket(self.u, fd, is_brief)

    def remove_socket(self, uint32_t via):
        udp_remove_socket(self.u, via)

    def send(self, datagrams, int family, bytes ip not None, int port, vias=(0,)):
        """Sends [bytes, ...] to one destination (ip packed) in few calls, from the sockets of vias in turn."""
        cdef address_t a
        cdef int32_t group = -1, at
        cdef bytes data
        cdef Py_ssize_t i
        memset(&a, 0, sizeof(a))
        a.family = <uint8_t> family
        a.port = <uint16_t> (((port & 0xFF) << 8) | (port >> 8))
        memcpy(a.ip, PyBytes_AS_STRING(ip), min(len(ip), 16))
        for i, data in enumerate(datagrams):
            a.via = <uint16_t> vias[i % len(vias)]
            at = outbox_reserve(&self.out, &a, group, 0)
            if at < 0:
                self.flush()
                at = outbox_reserve(&self.out, &a, -1, 0)
            memcpy(outbox_room(&self.out, at), PyBytes_AS_STRING(data), len(data))
            group = outbox_commit(&self.out, at, <uint32_t> len(data), 0)
        self.flush()

    cdef flush(self):
        with nogil:
            udp_send_outbox(self.u, &self.out)
            outbox_clear(&self.out)

    def read_drops(self):
        with nogil:
            udp_read_drops(self.u)
        return self.u.n_socket_drops

    def drain_errors(self, uint32_t via=0):
        with nogil:
            udp_drain_errors_of(self.u, via)
        return self.u.n_icmp_errors, self.u.last_icmp_errno

    def receive(self, uint32_t via=0):
        """[(datagram, port), ...] of one batch, of the own or a further socket."""
        cdef uint32_t i, off, n
        with nogil:
            if via == 0:
                udp_receive(self.u)
            else:
                udp_receive_from(self.u, via)
        datagrams = []
        for i in range(self.u.rx_n):
            off = 0
            while True:
                n = min(self.u.rx_segment[i], self.u.rx_len[i] - off)
                port = self.u.rx_source[i].port
                assert self.u.rx_source[i].via == via
                datagrams.append((PyBytes_FromStringAndSize(self.u.rx_bytes + i * UDP_RX_STRIDE + off, n),
                                  (port & 0xFF) << 8 | port >> 8))
                off += n
                if off >= self.u.rx_len[i]:
                    break
        return datagrams
