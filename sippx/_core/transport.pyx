# sippx/_core/transport.pyx: flushing outboxes, taking what came, socket counters.
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

from sippx._core.bits cimport unlikely
from sippx._core.clock cimport monotonic_ns
from sippx._core.codes cimport *
from sippx._core.intake cimport take_datagrams
from sippx._core.outbox cimport outbox_clear, outbox_t
from sippx._core.runtime cimport count, runtime_t, trace
from sippx._core.span cimport span_of, span_t
from sippx._core.state cimport engine_t, link_head_t, memory_link_t
from sippx._core.udp cimport (
    FALLBACK_GRO, FALLBACK_GSO, FALLBACK_RECVMMSG, FALLBACK_SENDMMSG, UDP_RX_STRIDE, udp_read_drops, udp_receive,
    udp_send_outbox, udp_t,
)

cdef enum:
    COMMANDS_CAP_BYTES = 1 << 26     # of sendCmds that nobody fetches


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


cdef uint32_t receive(engine_t* e) noexcept nogil:
    cdef udp_t* u = e.udp
    cdef uint32_t i, n = udp_receive(u)
    if n == 0:
        return 0
    set_now(e, monotonic_ns())
    for i in range(n):
        take_datagrams(e, u.rx_bytes + i * UDP_RX_STRIDE, u.rx_len[i], u.rx_segment[i], &u.rx_source[i])
    return n
