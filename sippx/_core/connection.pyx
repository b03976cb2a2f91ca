# sippx/_core/connection.pyx: the life of a connection's record; see connection.pxd.
from libc.errno cimport errno
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from sippx._core.linux cimport (
    EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, MSG_DONTWAIT, SHUT_WR, close, epoll_ctl,
    epoll_event, recv, shutdown,
)
from sippx._core.tls cimport tls_free
from sippx._core.wheel cimport wheel_cancel, wheel_schedule

cdef enum:
    DISCARD_READS = 8            # what a peer that is being left sends on is not waited for

cdef const char* CAUSE_TEXTS[N_CONNECTION_CAUSES]
CAUSE_TEXTS[<int> CAUSE_NONE] = "none"
CAUSE_TEXTS[<int> CAUSE_REFUSED] = "refused"
CAUSE_TEXTS[<int> CAUSE_CONNECT_TIMEOUT] = "connect timeout"
CAUSE_TEXTS[<int> CAUSE_PEER_CLOSED] = "closed by the peer"
CAUSE_TEXTS[<int> CAUSE_RESET] = "reset"
CAUSE_TEXTS[<int> CAUSE_TLS] = "TLS failed"
CAUSE_TEXTS[<int> CAUSE_UPGRADE] = "WebSocket handshake failed"
CAUSE_TEXTS[<int> CAUSE_FRAMING] = "framing lost"
CAUSE_TEXTS[<int> CAUSE_OVERFLOW] = "send queue full"
CAUSE_TEXTS[<int> CAUSE_NO_MEMORY] = "out of memory"


cdef const char* connection_cause_text(uint32_t cause) noexcept nogil:
    if cause >= <uint32_t> N_CONNECTION_CAUSES:
        return "unknown"
    return CAUSE_TEXTS[cause]

# --------------------------------------------------------------------------- records


cdef connection_t* take_record(connections_t* c) noexcept nogil:
    cdef connection_t* n
    cdef uint32_t next_ready
    cdef uint8_t is_ready
    cdef uint32_t index, generation = 1
    if c.free_head != NO_CONNECTION:
        n = connection_at(c, c.free_head)
        index = n.index
        generation = n.generation
        c.free_head = n.next
    elif c.n_touched < c.cap:
        index = c.n_touched
        n = connection_at(c, index)
        c.n_touched += 1
    else:
        return NULL
    # it may still stand in the list of those to be read further: that finds it not readable
    next_ready = n.next_ready
    is_ready = n.is_ready
    memset(n, 0, sizeof(connection_t))
    n.index = index
    n.generation = generation
    n.next_ready = next_ready
    n.is_ready = is_ready
    n.fd = -1
    n.next = NO_CONNECTION
    return n


cdef void forget_name(connection_t* n) noexcept nogil:
    n.generation += 1
    if n.generation == 0:
        n.generation = 1


cdef void release_record(connections_t* c, connection_t* n) noexcept nogil:
    drop_socket(c, n)
    free(n.session)
    n.session = NULL
    wheel_cancel(&c.timers, &n.timer)
    forget_name(n)
    n.state = CONNECTION_FREE
    # whoever walks the other list puts it on this one
    if not n.is_listed:
        n.next = c.free_head
        c.free_head = n.index
    resume_accepting(c)

# --------------------------------------------------------------------------- sockets


cdef int take_socket(connections_t* c, connection_t* n, int fd) noexcept nogil:
    cdef epoll_event event
    c.n_sockets = c.n_sockets + 1 & SOCKET_NUMBER_MASK
    if c.n_sockets == 0:
        c.n_sockets = 1
    event.events = <uint32_t> (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
    event.data.u64 = <uint64_t> EVENT_CONNECTION << EVENT_KIND_SHIFT | <uint64_t> c.n_sockets << 32 | n.index
    if epoll_ctl(c.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0:
        return errno
    n.fd = fd
    n.socket_number = c.n_sockets
    c.n_open_sockets += 1
    return 0


cdef void drop_socket(connections_t* c, connection_t* n) noexcept nogil:
    free(n.held)
    n.held = NULL
    n.n_held = n.cap_held = 0
    free(n.queue)
    n.queue = NULL
    n.queue_pos = n.queue_end = n.queue_cap = 0
    n.n_early = 0
    memset(&n.stream, 0, sizeof(n.stream))
    n.is_readable = n.has_ended = n.ends = n.is_broken = n.is_untold = n.is_congested = n.is_handshake_begun = 0
    if n.fd < 0:
        return
    if has_tls(n):
        tls_free(&n.session.tls)
    close(n.fd)
    n.fd = -1
    n.socket_number = 0
    c.n_open_sockets -= 1
    resume_accepting(c)


cdef void close_gently(connections_t* c, connection_t* n) noexcept nogil:
    cdef int _i
    if n.fd < 0:
        return
    shutdown(n.fd, SHUT_WR)
    for _i in range(DISCARD_READS):
        if recv(n.fd, c.out_bytes, ENCODE_BYTES, MSG_DONTWAIT) <= 0:
            break

# --------------------------------------------------------------------------- ends


cdef void lose(connections_t* c, connection_t* n, uint32_t cause) noexcept nogil:
    cdef char* queue
    cdef uint32_t queue_pos, queue_end, queue_cap
    if n.is_closing:
        release_record(c, n)
        return
    c.n_ended[cause] += 1
    n.cause = <uint8_t> cause
    if cause == CAUSE_TLS and n.session != NULL and not n.is_broken:
        memcpy(&n.session.failure, &c.tls.failure, sizeof(c.tls.failure))
    wheel_cancel(&c.timers, &n.timer)
    if n.state == CONNECTION_CONNECTING:
        # nothing of it has left: it may go on another socket
        queue, queue_pos, queue_end, queue_cap = n.queue, n.queue_pos, n.queue_end, n.queue_cap
        n.queue = NULL
        drop_socket(c, n)
        n.queue, n.queue_pos, n.queue_end, n.queue_cap = queue, queue_pos, queue_end, queue_cap
    else:
        drop_socket(c, n)
    n.state = CONNECTION_LOST
    list_for_reap(c, n)


cdef void note_broken(connections_t* c, connection_t* n, uint32_t cause, int error) noexcept nogil:
    if n.is_broken:
        return
    n.is_broken = True
    n.cause = <uint8_t> cause
    n.last_errno = error
    list_for_reap(c, n)

# --------------------------------------------------------------------------- lists and timers


cdef void list_for_reap(connections_t* c, connection_t* n) noexcept nogil:
    if n.is_listed:
        return
    n.is_listed = True
    n.next = c.reap_head
    c.reap_head = n.index


cdef uint32_t take_reap_list(connections_t* c) noexcept nogil:
    cdef uint32_t head = NO_CONNECTION, at = c.reap_head
    cdef connection_t* n
    c.reap_head = NO_CONNECTION
    while at != NO_CONNECTION:
        n = connection_at(c, at)
        at = n.next
        n.next = head
        head = n.index
    return head


cdef void list_ready(connections_t* c, connection_t* n) noexcept nogil:
    n.is_readable = True
    if n.is_ready:
        return
    n.is_ready = True
    n.next_ready = c.ready_head
    c.ready_head = n.index


cdef void start_timer(connections_t* c, connection_t* n, uint32_t delay_ms) noexcept nogil:
    wheel_schedule(&c.timers, &n.timer, c.now_ms + delay_ms)

# --------------------------------------------------------------------------- listeners


cdef void watch_listeners(connections_t* c, int operation) noexcept nogil:
    cdef epoll_event event
    cdef uint32_t i
    for i in range(c.n_listeners):
        event.events = <uint32_t> EPOLLIN
        event.data.u64 = <uint64_t> EVENT_LISTENER << EVENT_KIND_SHIFT | i
        epoll_ctl(c.epoll_fd, operation, c.listeners[i], &event)


cdef void resume_accepting(connections_t* c) noexcept nogil:
    if c.is_accepting or c.n_listeners == 0:
        return
    c.is_accepting = True
    watch_listeners(c, EPOLL_CTL_ADD)


cdef void suspend_accepting(connections_t* c, int error) noexcept nogil:
    c.n_accept_errors += 1
    c.last_accept_errno = error
    c.is_accepting = False
    c.accept_retry_ms = c.now_ms + ACCEPT_RETRY_MS
    watch_listeners(c, EPOLL_CTL_DEL)

# --------------------------------------------------------------------------- totals


cdef void take_tls_totals(connections_t* c) noexcept nogil:
    c.n_send_calls += c.tls.n_send_calls
    c.n_receive_calls += c.tls.n_receive_calls
    c.n_sent_bytes += c.tls.n_sent_bytes
    c.n_received_bytes += c.tls.n_received_bytes
    c.tls.n_send_calls = c.tls.n_receive_calls = 0
    c.tls.n_sent_bytes = c.tls.n_received_bytes = 0

# --------------------------------------------------------------------------- test surface


def cause_texts():
    """The words for each cause, in their order."""
    return [connection_cause_text(i).decode() for i in range(<int> N_CONNECTION_CAUSES)]
