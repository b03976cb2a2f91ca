# sippx/_core/transport.pyx: flushing outboxes, taking what came, socket counters.
from libc.errno cimport errno
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

import os

from sippx._core.bits cimport likely, unlikely
from sippx._core.attaching cimport collect_datagram_counters, receive_further, settle_datagrams
from sippx._core.clock cimport monotonic_ns
from sippx._core.codes cimport *
from sippx._core.connections cimport *
from sippx._core.datagrams cimport EVENT_UDP
from sippx._core.intake cimport deliver_parsed, take_datagrams
from sippx._core.linux cimport (
    CLOCK_MONOTONIC, EINTR, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLLERR, EPOLLET, EPOLLIN, TFD_CLOEXEC, TFD_NONBLOCK, close,
    epoll_create1, epoll_ctl, epoll_event, epoll_wait, timerfd_create,
)
from sippx._core.outbox cimport outbox_clear, outbox_t
from sippx._core.runtime cimport count, now_ms, runtime_t, trace
from sippx._core.span cimport span_of, span_t
from sippx._core.state cimport CHANNEL_TWIN, EVENT_TIMER, engine_t, link_head_t, memory_link_t
from sippx._core.streams cimport (
    collect_stream_counters, settle_streams, stream_accepted, stream_due, stream_lost, stream_message, stream_opened,
    stream_writable,
)
from sippx._core.twins cimport (
    deliver_commands, flush_twins, settle_twins, twin_accepted, twin_lost, twin_message, twin_opened, twin_writable,
    twins_linger_ns,
)
from sippx._core.udp cimport (
    FALLBACK_GRO, FALLBACK_GSO, FALLBACK_RECVMMSG, FALLBACK_SENDMMSG, UDP_RX_STRIDE, udp_drain_errors,
    udp_read_drops, udp_receive, udp_send_outbox, udp_t,
)

cdef enum:
    COMMANDS_CAP_BYTES = 1 << 26     # of sendCmds that nobody fetches
    EVENTS_AT_ONCE = 256
    GOODBYE_NS = 1000000000      # at the end of a test


cdef void flush_udp(runtime_t* rt) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    if rt.outbox.n_groups > 0:
        udp_send_outbox(e.udp, &rt.outbox)
        outbox_clear(&rt.outbox)


cdef void flush_memory(runtime_t* rt) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    cdef outbox_t* o = &rt.outbox
    cdef uint32_t i, k
    cdef link_head_t head
    cdef span_t datagram
    for i in range(o.n_groups):
        for k in range(o.groups[i].n_segments):
            head.dest = o.groups[i].dest
            head.len = o.groups[i].segment_len
            datagram = span_of(o.groups[i].bytes + k * o.groups[i].segment_len, o.groups[i].segment_len)
            if not put_record(&e.link, &head, sizeof(head), datagram):
                break
            count(&e.rt, COUNT_DATAGRAMS_SENT)
            e.rt.counters[<int> COUNT_BYTES_SENT] += o.groups[i].segment_len
    outbox_clear(o)


cdef void flush_all(engine_t* e) noexcept nogil:
    e.rt.flush(&e.rt)
    if unlikely(e.side != NULL):
        e.side.flush(e.side)
    if unlikely(e.twins != NULL):
        flush_twins(e)


cdef void set_now(engine_t* e, uint64_t now_ns) noexcept nogil:
    e.rt.now_ns = now_ns
    if unlikely(e.side != NULL):
        e.side.now_ns = now_ns


cdef bint put_record(memory_link_t* link, const void* head, uint32_t head_len, span_t body) noexcept nogil:
    """Appends head and body; False where there is no memory."""
    cdef uint64_t need = <uint64_t> head_len + body.len
    cdef char* p
    if link.n_bytes + need > link.cap:
        p = <char*> realloc(link.bytes, (link.cap + need) * 2)
        if p == NULL:
            link.failed = True
            return False
        link.bytes = p
        link.cap = (link.cap + need) * 2
    memcpy(link.bytes + link.n_bytes, head, head_len)
    memcpy(link.bytes + link.n_bytes + head_len, body.ptr, body.len)
    link.n_bytes += need
    return True


cdef bint keep_command(runtime_t* rt, span_t peer, span_t text) noexcept nogil:
    """Keeps a command for take_commands(): lengths of peer and text, peer, text."""
    cdef engine_t* e = <engine_t*> rt.owner
    cdef uint32_t[2] lengths
    if e.commands.n_bytes > COMMANDS_CAP_BYTES:
        return False
    lengths[0] = peer.len
    lengths[1] = text.len
    return put_record(&e.commands, lengths, sizeof(lengths), peer) and put_record(&e.commands, lengths, 0, text)


cdef void collect_udp_counters(engine_t* e) noexcept nogil:
    cdef runtime_t* rt = &e.rt
    cdef udp_t* u = e.udp
    cdef span_t none = span_of(<const char*> b"", 0)
    cdef uint64_t n_new
    udp_read_drops(u)
    rt.counters[<int> COUNT_DATAGRAMS_SENT] = u.n_sent
    rt.counters[<int> COUNT_BYTES_SENT] = u.n_sent_bytes
    rt.counters[<int> COUNT_BYTES_RECEIVED] = u.n_received_bytes
    rt.counters[<int> COUNT_SEND_SYSCALLS] = u.n_send_calls
    rt.counters[<int> COUNT_RECEIVE_SYSCALLS] = u.n_receive_calls
    rt.counters[<int> COUNT_RECEIVE_ERRORS] = u.n_receive_errors
    rt.counters[<int> COUNT_SEND_CONGESTED] = u.n_congested
    rt.counters[<int> COUNT_SOCKET_DROPS] += <uint32_t> (u.n_socket_drops - e.seen_drops)
    e.seen_drops = u.n_socket_drops
    if unlikely(u.n_send_errors != e.seen_errors or u.n_congested != e.seen_congested):
        count(rt, COUNT_WARNINGS)
        n_new = u.n_send_errors + u.n_congested - e.seen_errors - e.seen_congested
        trace(rt, TRACE_SEND_ERROR, u.last_errno, <int32_t> n_new, none, none)
        e.seen_errors = u.n_send_errors
        e.seen_congested = u.n_congested
        rt.counters[<int> COUNT_SEND_ERRORS] = u.n_send_errors
    if unlikely(u.n_icmp_errors != e.seen_icmp):
        count(rt, COUNT_WARNINGS)
        trace(rt, TRACE_ICMP_ERROR, u.last_icmp_errno, <int32_t> (u.n_icmp_errors - e.seen_icmp), none, none)
        e.seen_icmp = u.n_icmp_errors
        rt.counters[<int> COUNT_ICMP_ERRORS] = u.n_icmp_errors
    if unlikely(u.fallbacks != 0):
        if u.fallbacks & FALLBACK_GSO:
            trace(rt, TRACE_FALLBACK, u.fallback_errno, 0, none, none)
        if u.fallbacks & FALLBACK_GRO:
            trace(rt, TRACE_FALLBACK, u.fallback_errno, 1, none, none)
        if u.fallbacks & FALLBACK_SENDMMSG:
            trace(rt, TRACE_FALLBACK, u.fallback_errno, 2, none, none)
        if u.fallbacks & FALLBACK_RECVMMSG:
            trace(rt, TRACE_FALLBACK, u.fallback_errno, 3, none, none)
        u.fallbacks = 0


cdef void collect_counters(engine_t* e) noexcept nogil:
    if e.udp != NULL:
        collect_udp_counters(e)
    if e.streams != NULL:
        collect_stream_counters(e)
    if e.datagrams != NULL:
        collect_datagram_counters(e)

# --------------------------------------------------------------------------- receiving

cdef uint32_t receive(engine_t* e) noexcept nogil:
    """Takes one batch off the UDP socket: buffers that came."""
    cdef udp_t* u = e.udp
    cdef uint32_t i, n = udp_receive(u)
    if n == 0:
        return 0
    set_now(e, monotonic_ns())
    for i in range(n):
        take_datagrams(e, u.rx_bytes + i * UDP_RX_STRIDE, u.rx_len[i], u.rx_segment[i], &u.rx_source[i])
    return n


cdef int take_events(engine_t* e, int timeout_ms) noexcept nogil:
    """Waits, and lets connections deal with their events; INPUT_NONE where there was nothing but the timer."""
    cdef epoll_event[EVENTS_AT_ONCE] events
    cdef int i, n, status = INPUT_NONE
    cdef uint64_t kind, now_ns
    n = epoll_wait(e.epoll_fd, events, EVENTS_AT_ONCE, timeout_ms)
    if n < 0:
        return INPUT_SIGNAL if errno == EINTR else INPUT_NONE
    now_ns = monotonic_ns()
    if (e.connections != NULL or e.datagrams != NULL) and n > 0:
        set_now(e, now_ns)
        if e.connections != NULL:
            e.connections.now_ms = now_ms(&e.rt)
    for i in range(n):
        kind = events[i].data.u64 >> EVENT_KIND_SHIFT
        if kind == EVENT_TIMER:
            continue
        status = INPUT_SOME
        if kind == EVENT_UDP:
            if events[i].data.u64 & 0xFFFF:
                receive_further(e, events[i].data.u64 & 0xFFFF, events[i].events)
            elif unlikely(events[i].events & EPOLLERR):
                udp_drain_errors(e.udp)
    if e.connections != NULL:
        if n > 0:
            connections_events(e.connections, events, <uint32_t> n, now_ns)
        if connections_read_on(e.connections, now_ns):
            return INPUT_MORE
    return INPUT_MORE if n == EVENTS_AT_ONCE else status


cdef int poll_input(engine_t* e) noexcept nogil:
    cdef int status = INPUT_NONE
    cdef uint32_t n
    if likely(e.udp != NULL):
        n = receive(e)
        if n > 0:
            status = INPUT_MORE if n == e.udp.rx_batch else INPUT_SOME
    if e.connections != NULL or e.datagrams != NULL:
        status |= take_events(e, 0)
    return INPUT_MORE if status > INPUT_MORE else status


cdef int wait_input(engine_t* e) noexcept nogil:
    return take_events(e, -1)


cdef void settle(engine_t* e) noexcept nogil:
    if e.datagrams != NULL:
        settle_datagrams(e)
    if e.streams != NULL:
        settle_streams(e)
    elif e.connections != NULL:
        connections_reap(e.connections)
    if unlikely(e.twins != NULL):
        settle_twins(e)


cdef void close_connections_at_end(engine_t* e) noexcept nogil:
    cdef connections_t* c = e.connections
    cdef connection_t* n
    cdef uint64_t end_ns = monotonic_ns()
    cdef uint32_t i
    if e.twins != NULL:
        end_ns += twins_linger_ns(e)
        while not e.twins.has_ended and monotonic_ns() < end_ns:
            take_events(e, 5)
            connections_reap(e.connections)
    end_ns = monotonic_ns() + GOODBYE_NS
    for i in range(c.n_touched):
        n = connection_at(c, i)
        if n.fd >= 0 and not n.is_closing:
            connections_close(c, n)
    while c.n_open_sockets > 0 and monotonic_ns() < end_ns:
        take_events(e, 1)

# --------------------------------------------------------------------------- connections: by channel

cdef void on_message(void* owner, connection_t* n, const char* bytes, uint32_t n_bytes) noexcept nogil:
    if unlikely(n.channel == CHANNEL_TWIN):
        twin_message(<engine_t*> owner, n, bytes, n_bytes)
    else:
        stream_message(<engine_t*> owner, n, bytes, n_bytes)


cdef void on_drain(void* owner) noexcept nogil:
    cdef engine_t* e = <engine_t*> owner
    deliver_parsed(e)
    if unlikely(e.twins != NULL):
        deliver_commands(e)


cdef void on_accepted(void* owner, connection_t* n) noexcept nogil:
    if unlikely(n.channel == CHANNEL_TWIN):
        twin_accepted(<engine_t*> owner, n)
    else:
        stream_accepted(n)


cdef void on_opened(void* owner, connection_t* n, uint64_t took_ns) noexcept nogil:
    if unlikely(n.channel == CHANNEL_TWIN):
        twin_opened(n)
    else:
        stream_opened(<engine_t*> owner, n, took_ns)


cdef void on_writable(void* owner, connection_t* n) noexcept nogil:
    if unlikely(n.channel == CHANNEL_TWIN):
        twin_writable(<engine_t*> owner, n)
    else:
        stream_writable(<engine_t*> owner, n)


cdef void on_lost(void* owner, connection_t* n) noexcept nogil:
    if unlikely(n.channel == CHANNEL_TWIN):
        twin_lost(<engine_t*> owner, n)
    else:
        stream_lost(<engine_t*> owner, n)


cdef void on_due(void* owner, connection_t* n) noexcept nogil:
    stream_due(<engine_t*> owner, n)

# --------------------------------------------------------------------------- opening

cdef open_events(engine_t* e, uint32_t cap_connections):
    cdef epoll_event event
    cdef connection_owner_t to
    e.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
    e.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
    memset(&event, 0, sizeof(event))
    # edge-triggered: each time it is set it wakes once, without being read
    event.events = EPOLLIN | EPOLLET
    event.data.u64 = <uint64_t> EVENT_TIMER << EVENT_KIND_SHIFT
    if e.epoll_fd < 0 or e.timer_fd < 0 or epoll_ctl(e.epoll_fd, EPOLL_CTL_ADD, e.timer_fd, &event) != 0:
        raise OSError(errno, os.strerror(errno))
    if cap_connections == 0:
        return
    e.connections = <connections_t*> calloc(1, sizeof(connections_t))
    to.owner = e
    to.message = on_message
    to.drain = on_drain
    to.accepted = on_accepted
    to.opened = on_opened
    to.writable = on_writable
    to.lost = on_lost
    to.due = on_due
    if e.connections == NULL \
            or connections_init(e.connections, &to, e.epoll_fd, cap_connections, e.rt.random_state ^ 0x5DEECE66D) != 0:
        raise MemoryError


cdef void close_events(engine_t* e) noexcept nogil:
    if e.connections != NULL:
        connections_free(e.connections)
        free(e.connections)
        e.connections = NULL
    if e.epoll_fd >= 0:
        close(e.epoll_fd)
    if e.timer_fd >= 0:
        close(e.timer_fd)


cdef int watch_udp(engine_t* e, int fd) noexcept nogil:
    cdef epoll_event event
    memset(&event, 0, sizeof(event))
    event.events = EPOLLIN | EPOLLERR
    event.data.u64 = <uint64_t> EVENT_UDP << EVENT_KIND_SHIFT
    return 0 if epoll_ctl(e.epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 else -errno
