# sippx/_core/connections.pyx: the table: opening, accepting, closing, events and timers; see connections.pxd.
from libc.errno cimport errno
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from sippx._core.address cimport address_from_sockaddr, address_t
from sippx._core.bits cimport BYTES_READABLE_PAST_END
from sippx._core.clock cimport monotonic_ns
from sippx._core.connection cimport (
    ENCODE_BYTES, NORMAL_CLOSE, SOCKET_NUMBER_MASK, channel_of, drop_socket, forget_name, list_for_reap, lose,
    release_record, resume_accepting, start_timer, suspend_accepting, take_reap_list, take_record, take_socket,
    waiting_bytes,
)
from sippx._core.dial cimport dial, dial_init, may_be_its_own_peer
from sippx._core.linux cimport (
    EAGAIN, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLIN, MAP_ANONYMOUS, MAP_FAILED,
    MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE, SOCK_CLOEXEC, SOCK_NONBLOCK, accept4, close, epoll_ctl,
    epoll_event, getsockname, mmap, munmap, sockaddr, sockaddr_storage, socklen_t,
)
from sippx._core.reception cimport (
    begin_session, drain_batch, finish_closing, finish_connect, finish_ended, give_up_opening, heed_event,
    heed_low_water, read_connection, tell_opened,
)
from sippx._core.sendqueue cimport send_close_frame, send_parts
from sippx._core.tls cimport tls_owner_free, tls_owner_init
from sippx._core.wheel cimport (
    wheel_advance, wheel_cancel, wheel_init, wheel_is_scheduled, wheel_next, wheel_node_t, wheel_pop,
)

cdef enum:
    ACCEPTS_PER_EVENT = 64
    REAP_ROUNDS = 4              # what is lost or opened while others are told of is told in the same call

# --------------------------------------------------------------------------- the table


cdef int connections_init(connections_t* c, const connection_owner_t* to, int epoll_fd, uint32_t cap,
                          uint64_t random_state) noexcept nogil:
    memset(c, 0, sizeof(connections_t))
    c.to = to[0]
    c.epoll_fd = epoll_fd
    c.cap = cap
    c.random_state = random_state if random_state else 1
    c.free_head = c.reap_head = c.ready_head = NO_CONNECTION
    c.is_accepting = True
    wheel_init(&c.timers, 0)
    dial_init(c)
    c.base = <char*> mmap(NULL, <size_t> cap * sizeof(connection_t), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    # zeroed, so that reading past a message's end never reads what was never written
    c.in_bytes = <char*> calloc(1, RECEIVE_BYTES + BYTES_READABLE_PAST_END)
    c.out_bytes = <char*> malloc(ENCODE_BYTES)
    if c.base == MAP_FAILED or c.in_bytes == NULL or c.out_bytes == NULL:
        if c.base == MAP_FAILED:
            c.base = NULL
        connections_free(c)
        return -1
    return 0


cdef void connections_free(connections_t* c) noexcept nogil:
    cdef uint32_t i
    for i in range(c.n_listeners):
        epoll_ctl(c.epoll_fd, EPOLL_CTL_DEL, c.listeners[i], NULL)
    c.n_listeners = 0
    if c.base != NULL:
        for i in range(c.n_touched):
            drop_socket(c, connection_at(c, i))
            free(connection_at(c, i).session)
        munmap(c.base, <size_t> c.cap * sizeof(connection_t))
    free(c.in_bytes)
    free(c.out_bytes)
    if c.has_tls:
        tls_owner_free(&c.tls)
    memset(c, 0, sizeof(connections_t))


cdef bint connections_use_tls(connections_t* c, uint32_t n_saved_sessions) noexcept nogil:
    if not c.has_tls:
        c.has_tls = tls_owner_init(&c.tls, n_saved_sessions)
    return c.has_tls

# --------------------------------------------------------------------------- opening


cdef void wait_for_opening(connections_t* c, connection_t* n) noexcept nogil:
    cdef uint32_t timeout_ms = channel_of(c, n).open_timeout_ms
    if timeout_ms and n.state != CONNECTION_OPEN:
        start_timer(c, n, timeout_ms)


cdef int open_socket(connections_t* c, connection_t* n, const address_t* peer, const address_t* source) noexcept nogil:
    """0, or an errno: then it has no socket, and its state is what it was or CONNECTION_LOST."""
    cdef bint is_connected = False
    cdef uint64_t now_ns = monotonic_ns()
    cdef int error
    cdef int fd = dial(c, channel_of(c, n), peer, source, &is_connected)
    if fd < 0:
        c.n_ended[<int> CAUSE_REFUSED] += 1
        return -fd
    error = take_socket(c, n, fd)
    if error:
        close(fd)
        return error
    wheel_cancel(&c.timers, &n.timer)
    n.peer = peer[0]
    n.begun_ns = now_ns
    n.error_detail = n.last_errno = 0
    n.cause = CAUSE_NONE
    n.state = CONNECTION_CONNECTING
    n.may_be_itself = may_be_its_own_peer(c, peer, source)
    if is_connected:
        finish_connect(c, n, False, monotonic_ns())
        if n.fd < 0:
            return n.last_errno if n.last_errno else ENOMEM
        if n.is_untold:
            list_for_reap(c, n)
    wait_for_opening(c, n)
    return 0


cdef uint32_t connections_connect(connections_t* c, uint32_t channel, const address_t* peer, const address_t* source,
                                  int* error) noexcept nogil:
    cdef connection_t* n = take_record(c)
    if n == NULL:
        error[0] = ENOBUFS
        return NO_CONNECTION
    n.channel = <uint8_t> channel
    error[0] = open_socket(c, n, peer, source)
    if error[0]:
        release_record(c, n)
        return NO_CONNECTION
    return n.index


cdef uint32_t connections_create(connections_t* c, uint32_t channel, const address_t* peer) noexcept nogil:
    cdef connection_t* n = take_record(c)
    if n == NULL:
        return NO_CONNECTION
    n.channel = <uint8_t> channel
    n.peer = peer[0]
    n.state = CONNECTION_PARKED
    return n.index


cdef void connections_drop(connections_t* c, connection_t* n) noexcept nogil:
    release_record(c, n)


cdef int connections_reopen(connections_t* c, connection_t* n, const address_t* peer,
                            const address_t* source) noexcept nogil:
    if n.state != CONNECTION_PARKED and n.state != CONNECTION_LOST:
        return EINVAL
    return open_socket(c, n, peer, source)


cdef void connections_clear(connections_t* c, connection_t* n) noexcept nogil:
    if n.state == CONNECTION_LOST or n.state == CONNECTION_PARKED:
        drop_socket(c, n)


cdef void connections_park(connections_t* c, connection_t* n, uint32_t delay_ms) noexcept nogil:
    if n.state == CONNECTION_LOST:
        n.state = CONNECTION_PARKED
    if n.state == CONNECTION_PARKED:
        # never due while timers are run, or there would be no end of it
        start_timer(c, n, max(delay_ms, <uint32_t> 1))


cdef uint16_t connection_local_port(const connection_t* n) noexcept nogil:
    cdef sockaddr_storage name
    cdef socklen_t size = sizeof(name)
    cdef address_t own
    if n.fd < 0 or getsockname(n.fd, <sockaddr*> &name, &size) != 0:
        return 0
    address_from_sockaddr(&own, &name)
    return <uint16_t> (own.port >> 8 | own.port << 8)

# --------------------------------------------------------------------------- accepting


cdef int connections_listen(connections_t* c, int fd, uint32_t channel) noexcept nogil:
    cdef epoll_event event
    if c.n_listeners == LISTENER_CAP:
        return -ENOBUFS
    event.events = <uint32_t> EPOLLIN
    event.data.u64 = <uint64_t> EVENT_LISTENER << EVENT_KIND_SHIFT | c.n_listeners
    if c.is_accepting and epoll_ctl(c.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0:
        return -errno
    c.listeners[c.n_listeners] = fd
    c.listener_channels[c.n_listeners] = <uint8_t> channel
    c.n_listeners += 1
    return 0


cdef connection_t* connections_adopt(connections_t* c, int fd, uint32_t channel, const address_t* peer,
                                     uint64_t now_ns) noexcept nogil:
    cdef connection_t* n = take_record(c)
    cdef uint32_t number
    if n == NULL or take_socket(c, n, fd) != 0:
        close(fd)
        if n != NULL:
            release_record(c, n)
        return NULL
    number = n.socket_number
    c.n_accepts += 1
    n.channel = <uint8_t> channel
    n.is_accepted = True
    n.peer = peer[0]
    n.begun_ns = now_ns
    n.state = CONNECTION_CONNECTING
    begin_session(c, n, now_ns)
    if n.fd < 0:
        release_record(c, n)
        return NULL
    wait_for_opening(c, n)
    c.to.accepted(c.to.owner, n)
    if n.socket_number == number:
        tell_opened(c, n)
    return n


cdef void accept_on(connections_t* c, uint32_t listener, uint64_t now_ns) noexcept nogil:
    cdef sockaddr_storage name
    cdef socklen_t size
    cdef address_t peer
    cdef int _i, fd
    for _i in range(ACCEPTS_PER_EVENT):
        if not c.is_accepting:
            return
        if c.free_head == NO_CONNECTION and c.n_touched == c.cap:
            suspend_accepting(c, ENOBUFS)
            return
        size = sizeof(name)
        fd = accept4(c.listeners[listener], <sockaddr*> &name, &size, SOCK_NONBLOCK | SOCK_CLOEXEC)
        if fd >= 0:
            address_from_sockaddr(&peer, &name)
            if connections_adopt(c, fd, c.listener_channels[listener], &peer, now_ns) == NULL:
                suspend_accepting(c, ENOMEM)
        elif errno == EMFILE or errno == ENFILE or errno == ENOMEM or errno == ENOBUFS or errno == EINVAL:
            # EINVAL: it listens no more, which epoll would tell for ever
            suspend_accepting(c, errno)
        elif errno == EAGAIN:
            return

# --------------------------------------------------------------------------- sending and closing


cdef bint connections_send(connections_t* c, connection_t* n, const part_t* parts, uint32_t n_parts) noexcept nogil:
    return send_parts(c, n, parts, n_parts)


cdef void connections_close(connections_t* c, connection_t* n) noexcept nogil:
    if n.state == CONNECTION_FREE or n.is_closing:
        return
    c.n_closed += 1
    if n.fd < 0 or n.is_broken:
        release_record(c, n)
        return
    n.is_closing = True
    n.is_congested = False
    forget_name(n)
    wheel_cancel(&c.timers, &n.timer)
    send_close_frame(c, n, NORMAL_CLOSE)
    # no socket: there was no memory for the frame
    if n.fd < 0 or ((n.queue == NULL or n.is_broken) and finish_closing(c, n)):
        return
    start_timer(c, n, CLOSE_TIMEOUT_MS)

# --------------------------------------------------------------------------- events


cdef inline void dispatch(connections_t* c, uint64_t data, uint32_t events, uint64_t now_ns) noexcept nogil:
    cdef uint32_t kind = <uint32_t> (data >> EVENT_KIND_SHIFT)
    cdef uint32_t index = <uint32_t> data
    cdef uint32_t number = <uint32_t> (data >> 32) & SOCKET_NUMBER_MASK
    cdef connection_t* n
    if kind == EVENT_LISTENER:
        if index < c.n_listeners:
            accept_on(c, index, now_ns)
    elif kind == EVENT_CONNECTION and index < c.n_touched:
        n = connection_at(c, index)
        if n.socket_number == number and number:
            heed_event(c, n, events, now_ns)


cdef void connections_event(connections_t* c, uint64_t data, uint32_t events, uint64_t now_ns) noexcept nogil:
    dispatch(c, data, events, now_ns)
    drain_batch(c)


cdef void connections_events(connections_t* c, const epoll_event* events, uint32_t n, uint64_t now_ns) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        dispatch(c, events[i].data.u64, events[i].events, now_ns)
    drain_batch(c)


cdef bint connections_read_on(connections_t* c, uint64_t now_ns) noexcept nogil:
    cdef uint32_t at = c.ready_head
    cdef connection_t* n
    c.ready_head = NO_CONNECTION
    while at != NO_CONNECTION:
        n = connection_at(c, at)
        at = n.next_ready
        n.is_ready = False
        if n.fd >= 0 and n.is_readable and not n.is_closing:
            read_connection(c, n, now_ns)
    drain_batch(c)
    return c.ready_head != NO_CONNECTION


cdef void look_at(connections_t* c, connection_t* n) noexcept nogil:
    """What there is to be done about a connection that has a socket and was listed."""
    cdef uint32_t number = n.socket_number
    tell_opened(c, n)
    if n.socket_number != number:
        return
    if n.is_broken:
        if not n.is_closing:
            read_connection(c, n, monotonic_ns())
        if n.socket_number == number:
            lose(c, n, n.cause)
    elif n.has_ended:
        if waiting_bytes(n) == 0 or n.state != CONNECTION_OPEN:
            finish_ended(c, n)
        elif not wheel_is_scheduled(&n.timer):
            start_timer(c, n, CLOSE_TIMEOUT_MS)
    else:
        heed_low_water(c, n)


cdef void tell_lost(connections_t* c, connection_t* n) noexcept nogil:
    cdef uint32_t generation = n.generation
    if n.cause == CAUSE_TLS and n.session != NULL:
        memcpy(&c.tls.failure, &n.session.failure, sizeof(c.tls.failure))
    c.to.lost(c.to.owner, n)
    if n.generation == generation and n.state == CONNECTION_LOST and not n.is_listed:
        release_record(c, n)


cdef void connections_reap(connections_t* c) noexcept nogil:
    cdef uint32_t at
    cdef connection_t* n
    cdef int _i
    for _i in range(REAP_ROUNDS):
        at = take_reap_list(c)
        if at == NO_CONNECTION:
            break
        while at != NO_CONNECTION:
            n = connection_at(c, at)
            at = n.next
            n.is_listed = False
            if n.state == CONNECTION_FREE:
                n.next = c.free_head
                c.free_head = n.index
            elif n.state == CONNECTION_LOST:
                tell_lost(c, n)
            elif n.fd >= 0:
                look_at(c, n)
        drain_batch(c)

# --------------------------------------------------------------------------- timers


cdef void expire_one(connections_t* c, connection_t* n) noexcept nogil:
    if n.state == CONNECTION_PARKED:
        c.to.due(c.to.owner, n)
    elif n.is_closing:
        release_record(c, n)
    elif n.state == CONNECTION_OPEN:
        lose(c, n, CAUSE_PEER_CLOSED)
    else:
        give_up_opening(c, n)


cdef void connections_expire(connections_t* c, uint64_t now_ms) noexcept nogil:
    cdef wheel_node_t* timer
    c.now_ms = now_ms
    wheel_advance(&c.timers, now_ms)
    while True:
        timer = wheel_pop(&c.timers)
        if timer == NULL:
            break
        # the timer is a connection's first member
        expire_one(c, <connection_t*> timer)
    if not c.is_accepting and now_ms >= c.accept_retry_ms:
        resume_accepting(c)


cdef uint64_t connections_next_ms(const connections_t* c) noexcept nogil:
    cdef uint64_t next_ms
    if c.reap_head != NO_CONNECTION or c.ready_head != NO_CONNECTION:
        return c.now_ms
    next_ms = wheel_next(&c.timers)
    return next_ms if c.is_accepting else min(next_ms, c.accept_retry_ms)
