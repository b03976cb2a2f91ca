# sippx/_core/engine.pyx: the event loop: pace, flush, wait, receive, expire, flush. No SIP syntax in it.
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport errno
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcpy, memset

import os

import numpy

from sippx._core import codes

from sippx._core.address cimport address_t
from sippx._core.bits cimport BYTES_READABLE_PAST_END, likely, prefetch, unlikely
from sippx._core.calls cimport *
from sippx._core.clock cimport monotonic_ns
from sippx._core.codes cimport *
from sippx._core.hash cimport has_aes
from sippx._core.interp cimport (
    interp_deliver, interp_give_up, interp_rested, interp_retransmit, interp_start, interp_timer, interp_woken,
)
from sippx._core.linux cimport (
    AF_INET, AF_INET6, CLOCK_MONOTONIC, EINTR, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLLERR, EPOLLET, EPOLLIN, TFD_CLOEXEC,
    TFD_NONBLOCK, TFD_TIMER_ABSTIME, close, epoll_create1, epoll_ctl, epoll_event, epoll_wait, itimerspec,
    timerfd_create, timerfd_settime,
)
from sippx._core.message cimport MSG_REQUEST, msg_t
from sippx._core.outbox cimport OUTBOX_SEGMENTS, outbox_clear, outbox_free, outbox_init, outbox_t
from sippx._core.parser cimport (
    MEMO_SLOTS, PARSE_E_KEEPALIVE, PARSE_E_NO_CALL_ID, PARSE_OK, memo_t, msg_parse_again,
)
from sippx._core.program cimport Program, program_t
from sippx._core.ring cimport TraceRing
from sippx._core.runtime cimport NS_PER_MS, count, now_ms, runtime_t, trace, traces
from sippx._core.span cimport span_of, span_t
from sippx._core.stats cimport HIST_HEADER, HIST_SUB_BITS, HIST_WORDS, hist_record
from sippx._core.template cimport render_ctx_t, template_render
from sippx._core.udp cimport (
    FALLBACK_GRO, FALLBACK_GSO, FALLBACK_RECVMMSG, FALLBACK_SENDMMSG, UDP_RX_STRIDE, udp_drain_errors, udp_free,
    udp_init, udp_read_drops, udp_receive, udp_send_outbox, udp_t,
)
from sippx._core.wheel cimport wheel_advance, wheel_init, wheel_next, wheel_node_t, wheel_pop

cdef extern from "<stddef.h>" nogil:
    size_t RETRANS_NODE_OFFSET "offsetof(struct __pyx_t_5sippx_5_core_5calls_call_t, retrans_timer)"

cdef enum:
    PARSE_BATCH = 16             # messages parsed ahead, so that their calls are in cache when delivered
    CALL_ID_CAP = 1024
    ERROR_EXCERPT = 512          # bytes of a stray datagram that reach the error log
    STARTS_AHEAD = 8             # Call-IDs made ahead of their calls
    STARTS_PER_QUANTUM = 64      # calls that may be due together before the quantum gets shorter
    STARTS_PER_TURN = 256        # calls opened before the socket is looked at again
    NO_SLEEP_NS = 3000           # a wait that ends sooner found the message there
    REST_SLACK_MS = 16           # resting calls do nothing when they end: they wait for a turn that comes anyway


cdef struct memory_link_t:
    # datagrams sent by an engine without a socket: address_t, uint32_t length, bytes; back to back
    char* bytes
    uint64_t n_bytes
    uint64_t cap
    bint failed


cdef struct engine_t:
    runtime_t rt
    udp_t* udp                   # NULL: memory link
    memory_link_t link
    int epoll_fd
    int timer_fd
    uint64_t timer_at_ns         # when timer_fd wakes epoll: not reset by every wait, which is dear on virtual CPUs
    # pacing: due(now) = base_calls + (now - base_ns) * calls_per_ns
    double calls_per_ns
    uint64_t base_ns
    double base_calls
    uint64_t n_paced             # due calls dealt with: started or held back by the limit
    # An idle engine starts calls at least quantum_ns apart: what falls due meanwhile starts with one wake-up and
    # leaves in one segmented send. One that is busy anyway starts them as they fall due.
    uint64_t quantum_ns
    uint64_t resolution_ns       # -timer_resol: the longest quantum
    uint64_t last_pace_ns
    uint64_t limit               # open calls, 0 none
    uint64_t max_calls           # 0 none
    uint32_t quit_level
    bint paused
    bint is_idle                 # messages come more rarely than turns: sleep before looking at the socket
    # what udp counted when we looked last
    uint64_t seen_sent, seen_sent_bytes, seen_errors, seen_congested, seen_icmp, seen_receive_errors
    uint64_t seen_send_calls, seen_receive_calls, seen_received_bytes
    uint32_t seen_drops
    memo_t memos[MEMO_SLOTS]
    msg_t msgs[PARSE_BATCH]
    uint64_t hashes[PARSE_BATCH]
    span_t keys[PARSE_BATCH]
    span_t start_ids[STARTS_AHEAD]
    uint64_t start_hashes[STARTS_AHEAD]
    char start_texts[STARTS_AHEAD][CALL_ID_CAP + 128]

# --------------------------------------------------------------------------- transport

cdef void flush_udp(runtime_t* rt) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    if rt.outbox.n_groups > 0:
        udp_send_outbox(e.udp, &rt.outbox)
        outbox_clear(&rt.outbox)


cdef void flush_memory(runtime_t* rt) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    cdef outbox_t* o = &rt.outbox
    cdef uint32_t i, k
    cdef uint64_t need
    cdef char* p
    for i in range(o.n_groups):
        for k in range(o.groups[i].n_segments):
            need = sizeof(address_t) + 4 + o.groups[i].segment_len
            if e.link.n_bytes + need > e.link.cap:
                p = <char*> realloc(e.link.bytes, (e.link.cap + need) * 2)
                if p == NULL:
                    e.link.failed = True
                    break
                e.link.bytes = p
                e.link.cap = (e.link.cap + need) * 2
            p = e.link.bytes + e.link.n_bytes
            memcpy(p, &o.groups[i].dest, sizeof(address_t))
            memcpy(p + sizeof(address_t), &o.groups[i].segment_len, 4)
            memcpy(p + sizeof(address_t) + 4, o.groups[i].bytes + k * o.groups[i].segment_len, o.groups[i].segment_len)
            e.link.n_bytes += need
            count(rt, COUNT_DATAGRAMS_SENT)
            rt.counters[<int> COUNT_BYTES_SENT] += o.groups[i].segment_len
    outbox_clear(o)


cdef void collect_udp_counters(engine_t* e) noexcept nogil:
    """Moves what the socket layer counted into the engine's counters; reports errors that are new."""
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

# --------------------------------------------------------------------------- pacing

cdef inline double due_calls(const engine_t* e, uint64_t now) noexcept nogil:
    return e.base_calls + <double> (now - e.base_ns) * e.calls_per_ns


cdef void rebase(engine_t* e, uint64_t now) noexcept nogil:
    """Makes `now` the origin of the schedule, keeping what is due."""
    e.base_calls = due_calls(e, now) if now > e.base_ns else e.base_calls
    e.base_ns = now


cdef void prepare_starts(engine_t* e, uint32_t n) noexcept nogil:
    """Makes the Call-IDs of the next n calls, so that their table slots are fetched before they are needed."""
    cdef runtime_t* rt = &e.rt
    cdef program_t* p = rt.program
    cdef render_ctx_t ctx
    cdef int32_t length
    cdef uint32_t i
    memset(&ctx, 0, sizeof(ctx))
    ctx.random_state = &rt.random_state
    ctx.elapsed_ns = rt.now_ns - rt.start_ns
    for i in range(n):
        ctx.call_number = rt.n_calls + 1 + i
        length = template_render(p.pieces + p.call_id.piece_first, p.call_id.n_pieces, p.pool, &ctx,
                                 e.start_texts[i] + BYTES_READABLE_PAST_END, CALL_ID_CAP)
        e.start_ids[i] = span_of(e.start_texts[i] + BYTES_READABLE_PAST_END, <uint32_t> length if length > 0 else 0)
        e.start_hashes[i] = calls_hash(&rt.calls, e.start_ids[i])
        calls_prefetch_slot(&rt.calls, e.start_hashes[i])


cdef bint start_call(engine_t* e, uint32_t i, uint64_t due_ns) noexcept nogil:
    """Opens the i-th prepared call and runs it; False where there is no room."""
    cdef runtime_t* rt = &e.rt
    cdef uint32_t lag_hist = rt.program.n_rtds + 1
    cdef call_t* call = calls_open(&rt.calls, e.start_ids[i], e.start_hashes[i], rt.now_ns)
    cdef uint64_t lag
    if unlikely(call == NULL):
        count(rt, COUNT_CALLS_REFUSED)
        trace(rt, TRACE_CALLS_REFUSED, 0, 0, e.start_ids[i], span_of(e.start_ids[i].ptr, 0))
        return False
    rt.n_calls += 1
    call.call_number = rt.n_calls
    call.remote = rt.remote
    count(rt, COUNT_OUTGOING_CALLS)
    lag = rt.now_ns - due_ns if rt.now_ns > due_ns else 0
    hist_record(rt.hists + lag_hist * HIST_WORDS, &rt.maxima[lag_hist], lag)
    if lag > rt.config.late_start_ns:
        count(rt, COUNT_LATE_STARTS)
    note_peak(rt)
    interp_start(rt, call)
    return True


cdef inline void note_peak(runtime_t* rt) noexcept nogil:
    if rt.calls.n_open > rt.gauges[<int> GAUGE_PEAK_CALLS]:
        rt.gauges[<int> GAUGE_PEAK_CALLS] = rt.calls.n_open
        rt.gauges[<int> GAUGE_PEAK_AT_NS] = rt.now_ns - rt.start_ns


cdef inline bint may_open(const engine_t* e) noexcept nogil:
    return e.quit_level == QUIT_RUN and (e.max_calls == 0 or e.rt.n_calls < e.max_calls)


cdef inline void note_opened(engine_t* e) noexcept nogil:
    if e.max_calls > 0 and e.rt.n_calls >= e.max_calls and e.quit_level < QUIT_SOFT:
        e.quit_level = QUIT_SOFT


cdef inline uint64_t due_time_ns(const engine_t* e, uint64_t n) noexcept nogil:
    """When the n-th call falls due."""
    if <double> n <= e.base_calls:
        return e.base_ns
    return e.base_ns + <uint64_t> ((<double> n - e.base_calls) / e.calls_per_ns)


cdef inline bint held_back(engine_t* e, uint64_t due) noexcept nogil:
    """Where -l open calls are reached: as SIPp, what is due now is not made up for, but it is counted."""
    if e.limit == 0 or e.rt.calls.n_open < e.limit:
        return False
    e.rt.counters[<int> COUNT_LIMITED_STARTS] += due - e.n_paced
    e.n_paced = due
    return True


cdef bint pace(engine_t* e) noexcept nogil:
    """Starts the calls that are due; True where more are due than one turn takes."""
    cdef runtime_t* rt = &e.rt
    cdef uint64_t due
    cdef uint32_t n = 0, i, n_ahead
    if not rt.program.is_client or e.paused or e.calls_per_ns <= 0 or not may_open(e):
        return False
    if e.is_idle and rt.now_ns < e.last_pace_ns + e.quantum_ns:
        return False
    due = <uint64_t> due_calls(e, rt.now_ns)
    if e.n_paced < due:
        e.last_pace_ns = rt.now_ns
    while e.n_paced < due and n < STARTS_PER_TURN:
        n_ahead = <uint32_t> (due - e.n_paced) if due - e.n_paced < STARTS_AHEAD else STARTS_AHEAD
        prepare_starts(e, n_ahead)
        for i in range(n_ahead):
            if held_back(e, due):
                return False
            if not start_call(e, i, due_time_ns(e, e.n_paced + 1)):
                # start_call counted this one; the rest of the due calls finds no room either
                rt.counters[<int> COUNT_CALLS_REFUSED] += due - e.n_paced - 1
                e.n_paced = due
                return False
            e.n_paced += 1
            note_opened(e)
            if not may_open(e):
                return False
        n += n_ahead
    return e.n_paced < due


cdef uint64_t next_start_ns(engine_t* e) noexcept nogil:
    """When the schedule is looked at next: the next due call, but not before the quantum is over."""
    cdef uint64_t t, earliest = e.last_pace_ns + e.quantum_ns
    if not e.rt.program.is_client or e.paused or e.calls_per_ns <= 0 or not may_open(e):
        return ~0ULL
    t = due_time_ns(e, e.n_paced + 1) + 1        # the quotient is rounded down
    return t if t > earliest else earliest

# --------------------------------------------------------------------------- receiving

cdef inline span_t excerpt(const char* p, uint32_t n) noexcept nogil:
    return span_of(p, n if n < ERROR_EXCERPT else ERROR_EXCERPT)


cdef void refuse_datagram(engine_t* e, int status, const char* p, uint32_t n) noexcept nogil:
    cdef runtime_t* rt = &e.rt
    cdef span_t none = span_of(p, 0)
    if status == PARSE_E_KEEPALIVE:
        return
    count(rt, COUNT_WARNINGS)
    if status == PARSE_E_NO_CALL_ID:
        count(rt, COUNT_MALFORMED_NO_CALL_ID)
        trace(rt, TRACE_NO_CALL_ID, 0, 0, none, excerpt(p, n))
    else:
        count(rt, COUNT_MALFORMED)
        trace(rt, TRACE_NOT_SIP, 0, <int32_t> n, none, excerpt(p, n))


cdef inline span_t call_key(span_t call_id) noexcept nogil:
    """SIPp's `prefix///` of a Call-ID is for the log only: the part behind it finds the call."""
    cdef const char* p = call_id.ptr
    cdef const char* end = p + call_id.len
    while True:
        p = <const char*> memchr(p, c'/', end - p)
        if p == NULL or end - p < 3:
            return call_id
        if p[1] == c'/' and p[2] == c'/':
            return span_of(p + 3, <uint32_t> (end - p - 3))
        p += 1


cdef void stray_message(engine_t* e, msg_t* m, span_t key, uint64_t hash_, const address_t* source) noexcept nogil:
    """No open call has that Call-ID: a server opens one for a request, everything else is out of call."""
    cdef runtime_t* rt = &e.rt
    cdef call_t* call
    if rt.program.is_client or e.quit_level != QUIT_RUN or m.kind != MSG_REQUEST or m.method == METHOD_ACK:
        count(rt, COUNT_OUT_OF_CALL_MSGS)
        count(rt, COUNT_WARNINGS)
        trace(rt, TRACE_OUT_OF_CALL, e.quit_level, 0, key, excerpt(m.data, m.len))
        return
    call = calls_open(&rt.calls, key, hash_, rt.now_ns)
    if unlikely(call == NULL):
        count(rt, COUNT_CALLS_REFUSED)
        trace(rt, TRACE_CALLS_REFUSED, 0, 0, key, excerpt(m.data, m.len))
        return
    rt.n_calls += 1
    call.call_number = rt.n_calls
    call.remote = source[0]
    call.flags |= CALL_INCOMING
    count(rt, COUNT_INCOMING_CALLS)
    note_peak(rt)
    note_opened(e)
    interp_start(rt, call)
    # nops in front of the first recv may have ended or moved the call, never freed the others'
    if call.state != CALL_FREE and call.hash == hash_:
        interp_deliver(rt, call, m)


cdef void deliver(engine_t* e, uint32_t i, const address_t* source) noexcept nogil:
    cdef runtime_t* rt = &e.rt
    cdef msg_t* m = &e.msgs[i]
    cdef uint64_t other = 0
    cdef uint32_t found = calls_find(&rt.calls, e.keys[i], e.hashes[i], &other)
    cdef uint32_t expiry_ms
    cdef call_t* call
    if likely(found <= CALL_FOUND_MAX):
        interp_deliver(rt, call_at(&rt.calls, found), m)
    elif found == CALL_RESTING:
        expiry_ms = rt.calls.resting[other].expiry_ms
        call = calls_wake(&rt.calls, other, e.keys[i])
        if call != NULL:
            interp_woken(rt, call, expiry_ms, m)
        else:
            count(rt, COUNT_CALLS_REFUSED)
    elif found == CALL_DEAD:
        count(rt, COUNT_DEAD_CALL_MSGS)
        count(rt, COUNT_WARNINGS)
        trace(rt, TRACE_DEAD_CALL, rt.calls.dead[other].reason, rt.calls.dead[other].step, e.keys[i],
              span_of(m.data, m.len))
    else:
        stray_message(e, m, e.keys[i], e.hashes[i], source)


cdef void take_datagrams(engine_t* e, const char* bytes, uint32_t n_bytes, uint32_t segment,
                         const address_t* source) noexcept nogil:
    """Datagrams of `segment` bytes back to back (the last may be shorter): parse a batch, then deliver it."""
    cdef runtime_t* rt = &e.rt
    cdef uint32_t off = 0, n, k, i
    cdef uint32_t guess
    cdef int status
    if segment == 0:
        segment = n_bytes if n_bytes else 1
    while True:
        k = 0
        while k < PARSE_BATCH and (off < n_bytes or (n_bytes == 0 and off == 0)):
            n = segment if segment < n_bytes - off else n_bytes - off
            count(rt, COUNT_DATAGRAMS_RECEIVED)
            status = msg_parse_again(e.memos, &e.msgs[k], bytes + off, n)
            if unlikely(traces(rt, TRACE_RECEIVED)):
                trace(rt, TRACE_RECEIVED, 0, 0, span_of(bytes, 0), span_of(bytes + off, n))
            if likely(status == PARSE_OK):
                e.keys[k] = call_key(e.msgs[k].call_id)
                e.hashes[k] = calls_hash(&rt.calls, e.keys[k])
                calls_prefetch_slot(&rt.calls, e.hashes[k])
                k += 1
            else:
                refuse_datagram(e, status, bytes + off, n)
            off += n if n else 1
        for i in range(k):
            guess = calls_guess(&rt.calls, e.hashes[i])
            if guess <= CALL_FOUND_MAX:
                prefetch(call_at(&rt.calls, guess))
                prefetch(<char*> call_at(&rt.calls, guess) + 64)
                prefetch(<char*> call_at(&rt.calls, guess) + 128)
                prefetch(<char*> call_at(&rt.calls, guess) + 192)
        for i in range(k):
            deliver(e, i, source)
        if off >= n_bytes:
            break


cdef uint32_t receive(engine_t* e) noexcept nogil:
    """Takes one batch off the socket: buffers that came; there may be more behind a full batch only."""
    cdef udp_t* u = e.udp
    cdef uint32_t i, n = udp_receive(u)
    if n == 0:
        return 0
    e.rt.now_ns = monotonic_ns()
    for i in range(n):
        take_datagrams(e, u.rx_bytes + i * UDP_RX_STRIDE, u.rx_len[i], u.rx_segment[i], &u.rx_source[i])
    return n

# --------------------------------------------------------------------------- timers and the turn

cdef void expire(engine_t* e) noexcept nogil:
    cdef runtime_t* rt = &e.rt
    cdef uint64_t tick = (rt.now_ns - rt.start_ns) // NS_PER_MS
    cdef wheel_node_t* node
    cdef resting_t* r
    wheel_advance(&rt.retrans, tick)
    while True:
        node = wheel_pop(&rt.retrans)
        if node == NULL:
            break
        interp_retransmit(rt, <call_t*> (<char*> node - RETRANS_NODE_OFFSET))
    wheel_advance(&rt.timers, tick)
    while True:
        node = wheel_pop(&rt.timers)
        if node == NULL:
            break
        if node.next != NULL:
            prefetch(node.next)
        interp_timer(rt, <call_t*> node)
    r = calls_rested(&rt.calls, now_ms(rt))
    while r != NULL:
        interp_rested(rt, r)
        calls_end_rest(&rt.calls, True, now_ms(rt))
        r = calls_rested(&rt.calls, now_ms(rt))
    calls_expire_dead(&rt.calls, now_ms(rt))


cdef uint64_t next_timer_ns(runtime_t* rt) noexcept nogil:
    cdef uint64_t a = wheel_next(&rt.timers), b = wheel_next(&rt.retrans)
    cdef int32_t left_ms
    if b < a:
        a = b
    if rt.calls.n_resting > 0:
        # the queue's head may have been woken meanwhile: a wake-up too many does no harm
        left_ms = <int32_t> (rt.calls.resting[rt.calls.resting_oldest].expiry_ms - now_ms(rt))
        b = now_ms(rt) + <uint64_t> (left_ms if left_ms > 0 else 0) + REST_SLACK_MS
        if b < a:
            a = b
    return ~0ULL if a == ~0ULL else rt.start_ns + a * NS_PER_MS


cdef void give_up_calls(engine_t* e) noexcept nogil:
    cdef runtime_t* rt = &e.rt
    cdef resting_t* r
    cdef uint32_t i
    for i in range(rt.calls.n_touched):
        if call_at(&rt.calls, i).state != CALL_FREE:
            interp_give_up(rt, call_at(&rt.calls, i))
    # a resting call has done all its scenario asks for
    while rt.calls.n_resting > 0:
        r = calls_rested(&rt.calls, rt.calls.resting[rt.calls.resting_oldest].expiry_ms)
        if r != NULL:
            interp_rested(rt, r)
            calls_end_rest(&rt.calls, True, now_ms(rt))


cdef inline bint finished(const engine_t* e) noexcept nogil:
    return e.quit_level != QUIT_RUN and e.rt.calls.n_open == 0


cdef void update_gauges(engine_t* e) noexcept nogil:
    cdef runtime_t* rt = &e.rt
    rt.gauges[<int> GAUGE_CURRENT_CALLS] = rt.calls.n_open
    rt.gauges[<int> GAUGE_PAUSED_CALLS] = rt.n_paused + rt.calls.n_resting
    rt.gauges[<int> GAUGE_RUNNING_CALLS] = rt.calls.n_open - rt.n_paused - rt.calls.n_resting
    rt.gauges[<int> GAUGE_DEAD_CALLS] = rt.calls.dead_head - rt.calls.dead_tail
    rt.gauges[<int> GAUGE_CALLS_TOTAL] = rt.n_calls
    rt.gauges[<int> GAUGE_MEMORY_BYTES] = calls_memory_bytes(&rt.calls)
    if e.udp != NULL:
        collect_udp_counters(e)


cdef int sleep_until(engine_t* e, uint64_t wake_ns) noexcept nogil:
    """Waits for a message (1), wake_ns or a little before (0), or a signal (2)."""
    cdef epoll_event[4] events
    cdef itimerspec at
    cdef uint64_t begin_ns = monotonic_ns()
    cdef int i, n, status = 0
    if begin_ns >= wake_ns:
        return 0
    if e.timer_at_ns > wake_ns or e.timer_at_ns <= begin_ns:
        memset(&at, 0, sizeof(at))
        at.it_value.tv_sec = <long> (wake_ns // 1000000000)
        at.it_value.tv_nsec = <long> (wake_ns % 1000000000)
        timerfd_settime(e.timer_fd, TFD_TIMER_ABSTIME, &at, NULL)
        e.timer_at_ns = wake_ns
    n = epoll_wait(e.epoll_fd, events, 4, -1)
    if n < 0 and errno == EINTR:
        return 2
    for i in range(n):
        if events[i].data.fd == e.timer_fd:
            continue
        status = 1
        e.is_idle = monotonic_ns() - begin_ns > NO_SLEEP_NS
        if unlikely(events[i].events & EPOLLERR):
            udp_drain_errors(e.udp)
    return status


cdef int run_slice(engine_t* e, uint64_t end_ns, uint32_t max_receive_batches) noexcept nogil:
    """Turns until end_ns, the end of the test (1), or a signal (2)."""
    cdef runtime_t* rt = &e.rt
    cdef uint64_t wake, t
    cdef uint32_t k, n
    cdef int status
    cdef bint more_due
    rt.now_ns = monotonic_ns()
    while True:
        if unlikely(e.quit_level >= QUIT_FORCED and rt.calls.n_open > 0):
            give_up_calls(e)
        more_due = pace(e)
        flush_udp(rt)
        if unlikely(finished(e)):
            return 1
        if rt.now_ns >= end_ns:
            return 0
        wake = end_ns
        t = next_start_ns(e)
        if t < wake:
            wake = t
        t = next_timer_ns(rt)
        if t < wake:
            wake = t
        n = 0
        if more_due or wake <= rt.now_ns or not e.is_idle:
            n = receive(e)
            e.is_idle = n == 0
        if n == 0 and not more_due and wake > rt.now_ns:
            status = sleep_until(e, wake)
            if status == 2:
                return 2
            if status == 1:
                n = receive(e)
        k = 1
        while n == e.udp.rx_batch and k < max_receive_batches:
            # messages made so far leave before the next batch is looked at: the peer works meanwhile
            flush_udp(rt)
            n = receive(e)
            k += 1
        rt.now_ns = monotonic_ns()
        expire(e)
        flush_udp(rt)

# --------------------------------------------------------------------------- the object

cdef address_t make_address(where) except *:
    """(family, packed ip, port[, scope id]) as the core keeps it."""
    cdef address_t a
    cdef bytes ip
    family, ip, port = where[:3]
    scope_id = where[3] if len(where) > 3 else 0
    memset(&a, 0, sizeof(a))
    if family == AF_INET and len(ip) != 4 or family == AF_INET6 and len(ip) != 16 or family not in (AF_INET, AF_INET6):
        raise ValueError("an address is 4 bytes of AF_INET or 16 of AF_INET6")
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} out of 0..65535")
    a.family = <uint16_t> family
    a.port = <uint16_t> ((port & 0xFF) << 8 | port >> 8)
    a.scope_id = scope_id
    memcpy(a.ip, <const char*> ip, len(ip))
    return a


cdef class Engine:
    """Runs one Program over one UDP socket, or over a memory link where fd is None (simulation).

    The engine borrows the socket's descriptor and uses it from the thread that calls run(). Counters live
    in one uint64 array (see layout()); snapshot() copies it. A memory-link engine is driven by turn(),
    inject() and take_sent() on a clock of the caller.
    """
    cdef engine_t* e
    cdef readonly Program program
    cdef readonly TraceRing ring
    cdef readonly object words
    cdef uint64_t[::1] _words
    cdef uint32_t max_receive_batches

    def __cinit__(self, Program program not None, *, fd=None, remote=None, TraceRing ring=None, uint32_t trace_mask=0,
                  bint gso=True, bint gro=True, bint batch=True, bint detect_retrans=True, uint32_t t2_ms=4000,
                  uint32_t max_invite_retrans=5, uint32_t max_non_invite_retrans=9,
                  uint32_t behaviors=BEHAVIOR_BYE | BEHAVIOR_ABORT_UNEXPECTED | BEHAVIOR_PING_REPLY,
                  double lost_percent=0.0, uint32_t base_cseq=1, uint32_t run_steps=1000,
                  uint32_t max_receive_batches=1000, uint32_t dead_wait_ms=33000, uint32_t capacity=1 << 24,
                  uint64_t max_block_bytes=1 << 34, uint64_t timer_resolution_ns=1000000,
                  uint64_t late_start_ns=10000000, start_ns=None, seed=None):
        cdef runtime_t* rt
        self.e = <engine_t*> calloc(1, sizeof(engine_t))
        if self.e == NULL:
            raise MemoryError
        self.e.epoll_fd = -1
        self.e.timer_fd = -1
        self.program = program
        self.ring = ring if ring is not None else TraceRing(65536)
        self.max_receive_batches = max(max_receive_batches, 1)
        rt = &self.e.rt
        rt.program = &program.p
        rt.owner = self.e
        rt.has_aes = has_aes()
        rt.ring = &self.ring.ring
        rt.trace_mask = trace_mask
        rt.config.detect_retrans = detect_retrans
        rt.config.t2_ms = t2_ms
        rt.config.max_invite_retrans = min(max_invite_retrans, 255)
        rt.config.max_non_invite_retrans = min(max_non_invite_retrans, 255)
        rt.config.behaviors = behaviors
        rt.config.lost_percent = lost_percent
        rt.config.base_cseq = base_cseq
        rt.config.run_steps = max(run_steps, 1)
        rt.config.late_start_ns = late_start_ns
        rt.random_state = (int.from_bytes(os.urandom(8), "little") if seed is None else seed) & 0xFFFFFFFFFFFFFFFF or 1
        rt.start_ns = monotonic_ns() if start_ns is None else start_ns
        rt.now_ns = rt.start_ns
        self.e.base_ns = rt.start_ns
        self.e.resolution_ns = timer_resolution_ns
        if remote is not None:
            rt.remote = make_address(remote)
        elif program.p.is_client:
            raise ValueError("a client program needs a remote address")
        self._allocate(capacity, dead_wait_ms, max_block_bytes)
        self._open_transport(fd, gso, gro, batch)

    cdef _allocate(self, uint32_t capacity, uint32_t dead_wait_ms, uint64_t max_block_bytes):
        cdef runtime_t* rt = &self.e.rt
        cdef program_t* p = rt.program
        cdef uint32_t n_hists = p.n_rtds + 2
        cdef uint32_t tail = 8 * (1 + (p.n_rtds if p.has_start_rtd else 0))
        cdef uint64_t seed = rt.random_state * 0x9E3779B97F4A7C15ULL + 1
        cdef uint64_t n_repartition = p.bounds_first[p.n_rtds + 1] + p.n_rtds + 1
        cdef uint32_t i
        if not 1 <= capacity <= 1 << 30:
            raise ValueError(f"capacity {capacity} out of 1..2**30")
        if calls_init(&rt.calls, capacity, tail, dead_wait_ms, seed, max_block_bytes) != 0 \
                or outbox_init(&rt.outbox, OUTBOX_SEGMENTS) != 0:
            raise MemoryError(f"no room for {capacity} calls")
        wheel_init(&rt.timers, 0)
        wheel_init(&rt.retrans, 0)
        rt.group_hint = <int32_t*> malloc((p.n_steps + p.n_init_steps + N_DEFAULT_MESSAGES) * sizeof(int32_t))
        if rt.group_hint == NULL:
            raise MemoryError
        for i in range(p.n_steps + p.n_init_steps + N_DEFAULT_MESSAGES):
            rt.group_hint[i] = -1
        rt.n_words = N_COUNTERS + N_GAUGES + p.n_steps * N_STEP_COUNTERS + p.n_counters + n_hists * HIST_WORDS \
            + n_repartition + n_hists
        self.words = numpy.zeros(rt.n_words, dtype=numpy.uint64)
        self._words = self.words
        rt.words = &self._words[0]
        rt.counters = rt.words
        rt.gauges = rt.counters + <int> N_COUNTERS
        rt.steps = rt.gauges + <int> N_GAUGES
        rt.generic = rt.steps + p.n_steps * N_STEP_COUNTERS
        rt.hists = rt.generic + p.n_counters
        rt.repartitions = rt.hists + n_hists * HIST_WORDS
        rt.maxima = rt.repartitions + n_repartition

    cdef _open_transport(self, fd, bint gso, bint gro, bint batch):
        cdef epoll_event event
        if fd is None:
            self.e.rt.flush = flush_memory
            return
        self.e.rt.flush = flush_udp
        self.e.udp = <udp_t*> calloc(1, sizeof(udp_t))
        if self.e.udp == NULL or udp_init(self.e.udp, fd, gso, gro, batch) != 0:
            raise MemoryError
        self.e.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        self.e.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        memset(&event, 0, sizeof(event))
        event.events = EPOLLIN | EPOLLERR
        event.data.fd = fd
        if self.e.epoll_fd < 0 or self.e.timer_fd < 0 or epoll_ctl(self.e.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0:
            raise OSError(errno, os.strerror(errno))
        # edge-triggered: each time it is set it wakes once, without being read
        event.events = EPOLLIN | EPOLLET
        event.data.fd = self.e.timer_fd
        if epoll_ctl(self.e.epoll_fd, EPOLL_CTL_ADD, self.e.timer_fd, &event) != 0:
            raise OSError(errno, os.strerror(errno))

    def __dealloc__(self):
        if self.e == NULL:
            return
        if self.e.epoll_fd >= 0:
            close(self.e.epoll_fd)
        if self.e.timer_fd >= 0:
            close(self.e.timer_fd)
        if self.e.udp != NULL:
            udp_free(self.e.udp)
            free(self.e.udp)
        free(self.e.link.bytes)
        calls_free(&self.e.rt.calls)
        outbox_free(&self.e.rt.outbox)
        free(self.e.rt.group_hint)
        free(self.e)

    # ------------------------------------------------------------------ running

    def run(self, uint64_t slice_ns):
        """Runs for slice_ns nanoseconds without the GIL; "running", "finished", or "interrupted" by a signal."""
        cdef int status
        if self.e.udp == NULL:
            raise ValueError("an engine without a socket is driven by turn()")
        with nogil:
            status = run_slice(self.e, monotonic_ns() + slice_ns, self.max_receive_batches)
            update_gauges(self.e)
        return "running" if status == 0 else "finished" if status == 1 else "interrupted"

    def turn(self, uint64_t now_ns):
        """One turn of a memory-link engine at the caller's time; True where the test is finished."""
        cdef engine_t* e = self.e
        if e.udp != NULL:
            raise ValueError("an engine with a socket is driven by run()")
        if now_ns < e.rt.now_ns:
            raise ValueError("time runs forward")
        with nogil:
            e.rt.now_ns = now_ns
            if e.quit_level >= QUIT_FORCED:
                give_up_calls(e)
            while pace(e):
                pass
            expire(e)
            flush_memory(&e.rt)
            update_gauges(e)
        if e.link.failed:
            raise MemoryError
        return bool(finished(e))

    def next_event_ns(self):
        """When turn() has something to do at the latest, None where only a message can change anything."""
        cdef uint64_t a = next_start_ns(self.e), b = next_timer_ns(&self.e.rt)
        a = min(a, b)
        return None if a == ~0ULL else max(a, self.e.rt.now_ns)

    def inject(self, bytes data not None, source):
        """A datagram from source (family, packed ip, port) arrives at a memory-link engine now."""
        cdef address_t a = make_address(source)
        cdef bytes padded = data + bytes(BYTES_READABLE_PAST_END)
        cdef const char* p = padded
        cdef uint32_t n = <uint32_t> min(len(data), 1 << 20)
        with nogil:
            take_datagrams(self.e, p, n, n, &a)
            flush_memory(&self.e.rt)

    def take_sent(self):
        """[(datagram, (family, packed ip, port)), ...] that a memory-link engine sent since the last call."""
        cdef uint64_t off = 0
        cdef uint32_t n
        cdef address_t a
        sent = []
        while off < self.e.link.n_bytes:
            memcpy(&a, self.e.link.bytes + off, sizeof(a))
            memcpy(&n, self.e.link.bytes + off + sizeof(a), 4)
            off += sizeof(a) + 4
            ip = PyBytes_FromStringAndSize(<char*> a.ip, 4 if a.family == AF_INET else 16)
            sent.append((PyBytes_FromStringAndSize(self.e.link.bytes + off, n),
                         (a.family, ip, (a.port & 0xFF) << 8 | a.port >> 8)))
            off += n
        self.e.link.n_bytes = 0
        return sent

    # ------------------------------------------------------------------ commands

    def set_rate(self, double calls_per_s):
        """Open-model rate of outgoing calls from now on; 0 opens none."""
        if not 0 <= calls_per_s < 1e12:
            raise ValueError(f"rate {calls_per_s} calls/s out of 0..1e12")
        rebase(self.e, self._now())
        self.e.calls_per_ns = calls_per_s * 1e-9
        self.e.quantum_ns = self.e.resolution_ns
        if calls_per_s > 0:
            self.e.quantum_ns = min(self.e.resolution_ns, <uint64_t> (STARTS_PER_QUANTUM * 1e9 / calls_per_s))

    def pause(self, bint paused):
        """Stops opening calls, or goes on; calls that fell due in between are left out."""
        if self.e.paused and not paused:
            self.e.base_ns = self._now()
            self.e.base_calls = <double> self.e.n_paced
        elif paused and not self.e.paused:
            rebase(self.e, self._now())
        self.e.paused = paused

    def set_limit(self, uint64_t n_calls):
        """Open calls above which no more are started, 0 for none."""
        self.e.limit = n_calls

    def set_max_calls(self, uint64_t n_calls):
        """Calls after which no more are opened, 0 for no end."""
        self.e.max_calls = n_calls

    def quit(self, uint32_t level):
        """Raises the quit level (QuitLevel)."""
        self.e.quit_level = max(self.e.quit_level, level)

    cdef uint64_t _now(self):
        return monotonic_ns() if self.e.udp != NULL else self.e.rt.now_ns

    # ------------------------------------------------------------------ state

    @property
    def quit_level(self):
        return self.e.quit_level

    @property
    def paused(self):
        return bool(self.e.paused)

    @property
    def n_open(self):
        return self.e.rt.calls.n_open

    @property
    def start_ns(self):
        """Monotonic nanoseconds of the engine's start."""
        return self.e.rt.start_ns

    @property
    def features(self):
        """(gso, gro, sendmmsg, recvmmsg) in use; all False on a memory link."""
        if self.e.udp == NULL:
            return False, False, False, False
        return (bool(self.e.udp.gso), bool(self.e.udp.gro), bool(self.e.udp.batch_tx), bool(self.e.udp.batch_rx))

    def counter(self, str name not None):
        """One total by its name ("limited_starts") without copying all; KeyError for an unknown one."""
        return self.e.rt.counters[<int> codes.Counter["COUNT_" + name.upper()]]

    def snapshot(self):
        """A copy of the counters; call it from the thread that runs the engine."""
        update_gauges(self.e)
        return self.words.copy()

    def layout(self):
        """Where everything is in the array of counters: plain dicts, lists and numbers."""
        cdef runtime_t* rt = &self.e.rt
        cdef program_t* p = rt.program
        tables = []
        at = rt.repartitions - rt.words
        for i in range(p.n_rtds + 1):
            n = p.bounds_first[i + 1] - p.bounds_first[i]
            tables.append((at + p.bounds_first[i] + i, n + 1 if n else 0))
        return {
            "n_words": rt.n_words,
            "counters": {c.name[6:].lower(): int(c) for c in codes.Counter if c != N_COUNTERS},
            "gauges": {g.name[6:].lower(): N_COUNTERS + int(g) for g in codes.Gauge if g != N_GAUGES},
            "step_offset": rt.steps - rt.words,
            "n_steps": p.n_steps,
            "step_stride": N_STEP_COUNTERS,
            "generic_offset": rt.generic - rt.words,
            "n_generic": p.n_counters,
            "hist_offset": rt.hists - rt.words,
            "hist_stride": HIST_WORDS,
            "n_hists": p.n_rtds + 2,
            "hist_header": HIST_HEADER,
            "hist_sub_bits": HIST_SUB_BITS,
            "repartitions": tables,
            "max_offset": rt.maxima - rt.words,
        }
