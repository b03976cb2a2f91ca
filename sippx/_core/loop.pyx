# sippx/_core/loop.pyx: pace, flush, wait, receive, expire, flush: one turn after the other. No SIP syntax in it.
from libc.errno cimport errno
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memchr, memcpy, memset


from sippx._core.address cimport address_t
from sippx._core.bits cimport BYTES_READABLE_PAST_END, likely, prefetch, unlikely
from sippx._core.calls cimport *
from sippx._core.clock cimport monotonic_ns
from sippx._core.codes cimport *
from sippx._core.dialog cimport users_take
from sippx._core.expand cimport complain
from sippx._core.endings cimport answer_stray, end_rest, give_up
from sippx._core.interp cimport (
    interp_command, interp_deliver, interp_retransmit, interp_start, interp_timer, interp_woken, is_auto_answered,
)
from sippx._core.linux cimport EINTR, EPOLLERR, TFD_TIMER_ABSTIME, epoll_event, epoll_wait, itimerspec, timerfd_settime
from sippx._core.matching cimport opens_call
from sippx._core.message cimport MSG_REQUEST, msg_t
from sippx._core.outbox cimport outbox_clear, outbox_t
from sippx._core.parser cimport PARSE_E_KEEPALIVE, PARSE_E_NO_CALL_ID, PARSE_OK, msg_parse_again
from sippx._core.program cimport program_t
from sippx._core.runtime cimport (
    NS_PER_MS, STOP_GRACEFULLY, STOP_NOW, count, now_ms, number_call, runtime_t, trace, traces,
)
from sippx._core.span cimport span_of, span_t
from sippx._core.stats cimport HIST_WORDS, hist_record
from sippx._core.template cimport render_ctx_t, template_render
from sippx._core.udp cimport (
    FALLBACK_GRO, FALLBACK_GSO, FALLBACK_RECVMMSG, FALLBACK_SENDMMSG, UDP_RX_STRIDE, udp_drain_errors, udp_read_drops,
    udp_receive, udp_send_outbox, udp_t,
)
from sippx._core.wheel cimport wheel_advance, wheel_next, wheel_node_t, wheel_pop

cdef extern from "<stddef.h>" nogil:
    size_t RETRANS_NODE_OFFSET "offsetof(struct __pyx_t_5sippx_5_core_5calls_call_t, retrans_timer)"

cdef enum:
    ERROR_EXCERPT = 512          # bytes of a stray datagram that reach the error log
    COMMANDS_CAP_BYTES = 1 << 26     # of sendCmds that nobody fetches
    STARTS_PER_TURN = 256        # calls opened before the socket is looked at again
    NO_SLEEP_NS = 3000           # a wait that ends sooner found the message there
    REST_SLACK_MS = 16           # resting calls do nothing when they end: they wait for a turn that comes anyway

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
        ctx.call_number = e.shared.last_number + 1 + i
        length = template_render(p.pieces + p.call_id.piece_first, p.call_id.n_pieces, p.pool, &ctx,
                                 e.start_texts[i] + BYTES_READABLE_PAST_END, CALL_ID_CAP)
        e.start_ids[i] = span_of(e.start_texts[i] + BYTES_READABLE_PAST_END, <uint32_t> length if length > 0 else 0)
        e.start_hashes[i] = calls_hash(&rt.calls, e.start_ids[i])
        calls_prefetch_slot(&rt.calls, e.start_hashes[i])


cdef bint start_call(engine_t* e, uint32_t i, uint64_t due_ns, uint32_t user_id) noexcept nogil:
    """Opens the i-th prepared call and runs it; False where there is no room."""
    cdef runtime_t* rt = &e.rt
    cdef uint32_t lag_hist = rt.program.n_rtds + 1
    cdef call_t* call = calls_open(&rt.calls, e.start_ids[i], e.start_hashes[i], rt.now_ns)
    cdef uint64_t lag
    if unlikely(call == NULL):
        count(rt, COUNT_CALLS_REFUSED)
        trace(rt, TRACE_CALLS_REFUSED, 0, 0, e.start_ids[i], span_of(e.start_ids[i].ptr, 0))
        return False
    number_call(rt, call)
    call.remote = rt.remote
    count(rt, COUNT_OUTGOING_CALLS)
    lag = rt.now_ns - due_ns if rt.now_ns > due_ns else 0
    hist_record(rt.hists + lag_hist * HIST_WORDS, &rt.maxima[lag_hist], lag)
    if lag > rt.config.late_start_ns:
        count(rt, COUNT_LATE_STARTS)
    note_peak(rt)
    interp_start(rt, call, user_id)
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


cdef inline bint opens_by_rate(engine_t* e) noexcept nogil:
    return e.rt.program.is_client and not e.opens_by_command and not e.paused and e.calls_per_ns > 0 \
        and e.rt.users.cap == 0 and may_open(e)


cdef bint pace_users(engine_t* e) noexcept nogil:
    """Opens a call for each user that has none; True where there are more than one turn takes."""
    cdef runtime_t* rt = &e.rt
    cdef uint32_t _n, user_id
    if not rt.program.is_client or e.paused:
        return False
    for _n in range(STARTS_PER_TURN):
        if not may_open(e):
            return False
        user_id = users_take(&rt.users)
        if user_id == 0:
            return False
        prepare_starts(e, 1)
        if not start_call(e, 0, rt.now_ns, user_id):
            return False
        note_opened(e)
    return True


cdef bint pace(engine_t* e) noexcept nogil:
    """Starts the calls that are due; True where more are due than one turn takes."""
    cdef runtime_t* rt = &e.rt
    cdef uint64_t due
    cdef uint32_t n = 0, i, n_ahead
    if rt.users.cap:
        return pace_users(e)
    if not opens_by_rate(e):
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
            if not start_call(e, i, due_time_ns(e, e.n_paced + 1), 0):
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
    if not opens_by_rate(e):
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
    """No call has that Call-ID: side or a server open one for a request, everything else is out of call."""
    cdef runtime_t* rt = &e.rt
    cdef call_t* call
    if unlikely(e.side != NULL) and m.kind == MSG_REQUEST and m.method != METHOD_ACK and e.quit_level < QUIT_FORCED:
        open_side_call(e, m, key, hash_, source)
        return
    if rt.config.auto_answer and m.kind == MSG_REQUEST and is_auto_answered(m) \
            and (rt.program.is_client or not opens_call(rt, m)):
        call = calls_open(&rt.calls, key, hash_, rt.now_ns)
        if call != NULL:
            call.remote = source[0]
            answer_stray(rt, call, m)
        return
    if rt.program.is_client or e.quit_level != QUIT_RUN or m.kind != MSG_REQUEST or m.method == METHOD_ACK:
        count(rt, COUNT_OUT_OF_CALL_MSGS)
        count(rt, COUNT_WARNINGS)
        trace(rt, TRACE_OUT_OF_CALL, e.quit_level, 0, key, excerpt(m.data, m.len))
        return
    call = open_incoming(rt, m, key, hash_, source)
    if likely(call != NULL):
        note_opened(e)
        run_incoming(rt, call, m)


cdef call_t* open_incoming(runtime_t* rt, msg_t* m, span_t key, uint64_t hash_, const address_t* source) noexcept nogil:
    """A call for a request of an unknown Call-ID; NULL where there is no room."""
    cdef call_t* call = calls_open(&rt.calls, key, hash_, rt.now_ns)
    if unlikely(call == NULL):
        count(rt, COUNT_CALLS_REFUSED)
        trace(rt, TRACE_CALLS_REFUSED, 0, 0, key, excerpt(m.data, m.len))
        return NULL
    number_call(rt, call)
    call.remote = source[0]
    call.flags |= CALL_INCOMING
    count(rt, COUNT_INCOMING_CALLS)
    note_peak(rt)
    return call


cdef void run_incoming(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    cdef uint64_t hash_ = call.hash
    interp_start(rt, call, 0)
    # nops in front of the first recv may have ended or moved the call, never freed the others'
    if call.state != CALL_FREE and call.hash == hash_:
        interp_deliver(rt, call, m)


cdef void open_side_call(engine_t* e, msg_t* m, span_t key, uint64_t hash_, const address_t* source) noexcept nogil:
    cdef call_t* call = open_incoming(e.side, m, key, hash_, source)
    if unlikely(call == NULL):
        return
    if e.side_is_ooc:
        count(&e.rt, COUNT_AUTO_ANSWERED)
        complain(e.side, call, COMPLAINT_STRANGER, m.method_text)
    run_incoming(e.side, call, m)


cdef inline bint deliver_to(runtime_t* rt, msg_t* m, span_t key, uint64_t hash_) noexcept nogil:
    """Hands the message to the call of that Call-ID; False where this scenario has and had none."""
    cdef uint64_t other = 0
    cdef uint32_t found = calls_find(&rt.calls, key, hash_, &other)
    cdef uint32_t expiry_ms
    cdef call_t* call
    if likely(found <= CALL_FOUND_MAX):
        interp_deliver(rt, call_at(&rt.calls, found), m)
    elif found == CALL_RESTING:
        expiry_ms = rt.calls.resting[other].expiry_ms
        call = calls_wake(&rt.calls, other, key)
        if call != NULL:
            interp_woken(rt, call, expiry_ms, m)
        else:
            count(rt, COUNT_CALLS_REFUSED)
    elif found == CALL_DEAD:
        # as SIPp, among those of the main scenario
        rt.shared.counters[<int> COUNT_DEAD_CALL_MSGS] += 1
        count(rt, COUNT_WARNINGS)
        trace(rt, TRACE_DEAD_CALL, rt.calls.dead[other].reason, rt.calls.dead[other].step, key,
              span_of(m.data, m.len))
    else:
        return False
    return True


cdef void deliver(engine_t* e, uint32_t i, const address_t* source) noexcept nogil:
    cdef msg_t* m = &e.msgs[i]
    if likely(deliver_to(&e.rt, m, e.keys[i], e.hashes[i])):
        return
    # both tables hash with the same seed
    if unlikely(e.side != NULL) and deliver_to(e.side, m, e.keys[i], e.hashes[i]):
        return
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
            if likely(status == PARSE_OK):
                e.keys[k] = e.msgs[k].call_id if rt.config.keep_slashes else call_key(e.msgs[k].call_id)
            if unlikely(traces(rt, TRACE_RECEIVED)):
                trace(rt, TRACE_RECEIVED, 0, 0, e.keys[k] if status == PARSE_OK else span_of(bytes, 0),
                      span_of(bytes + off, n))
            if likely(status == PARSE_OK):
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
    set_now(e, monotonic_ns())
    for i in range(n):
        take_datagrams(e, u.rx_bytes + i * UDP_RX_STRIDE, u.rx_len[i], u.rx_segment[i], &u.rx_source[i])
    return n

# --------------------------------------------------------------------------- commands of the twin

cdef bint opens_by_command(const program_t* p) noexcept nogil:
    """Whether the first step that waits or sends is a recvCmd."""
    cdef uint32_t i
    for i in range(p.n_steps):
        if p.steps[i].kind != STEP_NOP and p.steps[i].kind != STEP_PAUSE:
            return p.steps[i].kind == STEP_RECV_CMD
    return False


cdef void take_command(engine_t* e, span_t text, span_t call_id) noexcept nogil:
    """A command for the call with that Call-ID, which it opens where the scenario begins with a recvCmd."""
    cdef runtime_t* rt = &e.rt
    cdef uint64_t hash_ = calls_hash(&rt.calls, call_id)
    cdef uint64_t other = 0
    cdef uint32_t found = calls_find(&rt.calls, call_id, hash_, &other)
    cdef call_t* call
    if found <= CALL_FOUND_MAX:
        interp_command(rt, call_at(&rt.calls, found), text)
        return
    call = NULL
    if found == CALL_NONE and e.opens_by_command and call_id.len > 0 and may_open(e):
        call = calls_open(&rt.calls, call_id, hash_, rt.now_ns)
    if call == NULL:
        count(rt, COUNT_OUT_OF_CALL_MSGS)
        trace(rt, TRACE_OUT_OF_CALL, e.quit_level, 0, call_id, excerpt(text.ptr, text.len))
        return
    number_call(rt, call)
    call.remote = rt.remote
    count(rt, COUNT_OUTGOING_CALLS)
    note_peak(rt)
    note_opened(e)
    interp_start(rt, call, 0)
    if call.state != CALL_FREE and call.hash == hash_:
        interp_command(rt, call, text)

# --------------------------------------------------------------------------- timers and the turn

cdef void expire(engine_t* e) noexcept nogil:
    expire_calls(&e.rt)
    if unlikely(e.side != NULL):
        expire_calls(e.side)


cdef void expire_calls(runtime_t* rt) noexcept nogil:
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
        end_rest(rt, r)
        calls_end_rest(&rt.calls, True, now_ms(rt))
        r = calls_rested(&rt.calls, now_ms(rt))
    calls_expire_dead(&rt.calls, now_ms(rt))


cdef uint64_t next_timer_ns(engine_t* e) noexcept nogil:
    cdef uint64_t t = next_timer_of(&e.rt), u
    if unlikely(e.side != NULL):
        u = next_timer_of(e.side)
        if u < t:
            t = u
    return t


cdef uint64_t next_timer_of(runtime_t* rt) noexcept nogil:
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


cdef void give_up_calls(runtime_t* rt) noexcept nogil:
    cdef resting_t* r
    cdef uint32_t i
    for i in range(rt.calls.n_touched):
        if call_at(&rt.calls, i).state != CALL_FREE:
            give_up(rt, call_at(&rt.calls, i))
    # a resting call has done all its scenario asks for
    while rt.calls.n_resting > 0:
        r = calls_rested(&rt.calls, rt.calls.resting[rt.calls.resting_oldest].expiry_ms)
        if r != NULL:
            end_rest(rt, r)
            calls_end_rest(&rt.calls, True, now_ms(rt))


cdef void heed_stop(engine_t* e) noexcept nogil:
    """int_cmd stop_gracefully: no new calls."""
    if unlikely(e.shared.stop == <uint32_t> STOP_GRACEFULLY) and e.quit_level < QUIT_SOFT:
        e.quit_level = QUIT_SOFT


cdef bint finished(const engine_t* e) noexcept nogil:
    return e.shared.stop >= <uint32_t> STOP_NOW or e.quit_level != QUIT_RUN and e.rt.calls.n_open == 0


cdef void end_test(engine_t* e) noexcept nogil:
    if e.side != NULL and e.shared.stop < <uint32_t> STOP_NOW:
        give_up_calls(e.side)
    flush_all(e)


cdef void update_gauges_of(runtime_t* rt) noexcept nogil:
    rt.gauges[<int> GAUGE_CURRENT_CALLS] = rt.calls.n_open
    rt.gauges[<int> GAUGE_PAUSED_CALLS] = rt.n_paused + rt.calls.n_resting
    rt.gauges[<int> GAUGE_RUNNING_CALLS] = rt.calls.n_open - rt.n_paused - rt.calls.n_resting
    rt.gauges[<int> GAUGE_DEAD_CALLS] = rt.calls.dead_head - rt.calls.dead_tail
    rt.gauges[<int> GAUGE_CALLS_TOTAL] = rt.n_calls
    rt.gauges[<int> GAUGE_MEMORY_BYTES] = calls_memory_bytes(&rt.calls)


cdef void update_gauges(engine_t* e) noexcept nogil:
    update_gauges_of(&e.rt)
    if e.side != NULL:
        update_gauges_of(e.side)
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
    set_now(e, monotonic_ns())
    while True:
        if unlikely(e.quit_level >= QUIT_FORCED and rt.calls.n_open > 0):
            give_up_calls(rt)
        more_due = pace(e)
        flush_all(e)
        heed_stop(e)
        if unlikely(finished(e)):
            end_test(e)
            return 1
        if rt.now_ns >= end_ns:
            return 0
        wake = end_ns
        t = next_start_ns(e)
        if t < wake:
            wake = t
        t = next_timer_ns(e)
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
            flush_all(e)
            n = receive(e)
            k += 1
        set_now(e, monotonic_ns())
        expire(e)
        flush_all(e)
