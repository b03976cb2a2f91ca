# sippx/_core/attaching.pyx: which UDP socket a call sends through, and when that socket may go.
from libc.stdint cimport uint16_t, uint32_t

from sippx._core.address cimport VIA_UNATTACHED
from sippx._core.bits cimport likely, unlikely
from sippx._core.calls cimport call_t
from sippx._core.codes cimport (
    COUNT_FAILED_CANNOT_SEND_MESSAGE, COUNT_WARNINGS, GAUGE_OPEN_SOCKETS, TRACE_OPEN_ERROR,
)
from sippx._core.datagrams cimport (
    DatagramSettings, datagrams_drop, datagrams_init, datagrams_join, datagrams_local_port, datagrams_settle,
    datagrams_t, datagrams_take, datagrams_use_file, datagrams_via_of_line,
)
from sippx._core.intake cimport take_datagrams
from sippx._core.linux cimport EPOLLERR
from sippx._core.runtime cimport READY, call_lines, call_link, count, link_t, runtime_t, trace
from sippx._core.span cimport span_of, span_t
from sippx._core.state cimport engine_t
from sippx._core.udp cimport UDP_RX_STRIDE, udp_drain_errors_of, udp_receive_from, udp_t

# --------------------------------------------------------------------------- a socket for each call

cdef void link_socket(runtime_t* rt, call_t* call, uint32_t via) noexcept nogil:
    cdef link_t* link = call_link(rt, call)
    call.remote.via = <uint16_t> via
    link.is_linked = True
    link.local_port = datagrams_local_port((<engine_t*> rt.owner).datagrams, via)


cdef uint32_t prepare_own(runtime_t* rt, call_t* call) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    cdef datagrams_t* d = e.datagrams
    cdef uint32_t via
    if likely(call.remote.via != VIA_UNATTACHED):
        return READY
    if unlikely(d.n_dropped > 0 and (d.n_open >= d.max_sockets or d.is_exhausted)):
        settle_datagrams(e)
    via = datagrams_take(d)
    if unlikely(via == 0):
        return COUNT_FAILED_CANNOT_SEND_MESSAGE
    link_socket(rt, call, via)
    return READY


cdef void adopt_own(runtime_t* rt, call_t* call) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    if call.remote.via != VIA_UNATTACHED and datagrams_join(e.datagrams, call.remote.via):
        link_socket(rt, call, call.remote.via)


cdef void release_own(runtime_t* rt, call_t* call, bint closes) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    cdef link_t* link = call_link(rt, call)
    if not link.is_linked:
        return
    link.is_linked = False
    link.local_port = 0
    # what the call sent last may still be in the outbox: the socket goes with the next settle_datagrams
    datagrams_drop(e.datagrams, call.remote.via)
    if closes:
        call.remote.via = VIA_UNATTACHED


cdef void collect_datagram_counters(engine_t* e) noexcept nogil:
    cdef datagrams_t* d = e.datagrams
    cdef span_t none = span_of(<const char*> b"", 0)
    e.rt.gauges[<int> GAUGE_OPEN_SOCKETS] = d.n_open
    if unlikely(d.n_open_errors != e.seen_open_errors):
        e.seen_open_errors = d.n_open_errors
        count(&e.rt, COUNT_WARNINGS)
        trace(&e.rt, TRACE_OPEN_ERROR, d.last_open_errno, 0, none, none)


cdef void settle_datagrams(engine_t* e) noexcept nogil:
    if e.datagrams.n_dropped == 0:
        return
    e.rt.flush(&e.rt)
    if e.side != NULL:
        e.side.flush(e.side)
    datagrams_settle(e.datagrams)

# --------------------------------------------------------------------------- a socket for each source address

cdef uint32_t prepare_by_ip(runtime_t* rt, call_t* call) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    cdef uint32_t via
    if likely(call.remote.via != VIA_UNATTACHED):
        return READY
    via = datagrams_via_of_line(e.datagrams, rt.files[0], &rt.file_states[0], call_lines(rt, call)[0])
    if unlikely(via == VIA_UNATTACHED):
        return COUNT_FAILED_CANNOT_SEND_MESSAGE
    call.remote.via = <uint16_t> via
    return READY

# --------------------------------------------------------------------------- both

cdef void receive_further(engine_t* e, uint32_t via, uint32_t events) noexcept nogil:
    cdef udp_t* u = e.udp
    cdef uint32_t i, n
    if unlikely(events & EPOLLERR):
        udp_drain_errors_of(u, via)
    n = udp_receive_from(u, via)
    for i in range(n):
        take_datagrams(e, u.rx_bytes + i * UDP_RX_STRIDE, u.rx_len[i], u.rx_segment[i], &u.rx_source[i])


cdef void set_hooks(runtime_t* rt, bint is_per_call) noexcept:
    rt.config.owns_sockets = is_per_call
    if not is_per_call:
        rt.prepare = prepare_by_ip
        return
    rt.prepare = prepare_own
    rt.adopt = adopt_own
    rt.release = release_own


cdef open_datagrams(engine_t* e, DatagramSettings settings):
    cdef runtime_t* rt = &e.rt
    cdef bint is_per_call = settings.mode == "per_call"
    if e.udp == NULL:
        raise ValueError("sockets of calls are beside one of the engine")
    datagrams_init(e.datagrams, settings, e.udp, e.epoll_fd, rt.random_state)
    if not rt.program.is_client:
        return                   # calls stay with the socket that their first message came to
    if not is_per_call:
        if rt.program.n_files == 0:
            raise ValueError("a client whose sockets are chosen by an injection file needs one")
        if not datagrams_use_file(e.datagrams, rt.files[0], &rt.file_states[0]):
            raise MemoryError
    set_hooks(rt, is_per_call)
    rt.remote.via = VIA_UNATTACHED
    if e.side != NULL:
        # all its calls are opened by messages
        set_hooks(e.side, is_per_call)
