# sippx/_core/intake.pyx: from received bytes to the call they belong to.
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memchr

from sippx._core.address cimport ADDRESS_CONNECTION, address_equal, address_t
from sippx._core.bits cimport likely, prefetch, unlikely
from sippx._core.calls cimport *
from sippx._core.codes cimport *
from sippx._core.endings cimport answer_stray
from sippx._core.expand cimport complain
from sippx._core.interp cimport interp_command, interp_deliver, interp_start, interp_woken, is_auto_answered
from sippx._core.matching cimport opens_call
from sippx._core.message cimport MSG_REQUEST, msg_t
from sippx._core.parser cimport PARSE_E_KEEPALIVE, PARSE_E_NO_CALL_ID, PARSE_OK, msg_parse_again
from sippx._core.program cimport program_t
from sippx._core.runtime cimport choose_remote, count, number_call, runtime_t, trace, traces
from sippx._core.span cimport span_of, span_t
from sippx._core.state cimport PARSE_BATCH, engine_t, may_open, note_opened, note_peak

cdef enum:
    ERROR_EXCERPT = 512          # bytes of a stray datagram that reach the error log


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


cdef inline address_t peer_of(const runtime_t* rt, const address_t* source) noexcept nogil:
    """Where a call sends to that a message from `source` opens."""
    return rt.config.reply_to if unlikely(rt.config.reply_to.family != 0) else source[0]


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
            call.remote = peer_of(rt, source)
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
    call.remote = peer_of(rt, source)
    if unlikely(rt.adopt != NULL):
        rt.adopt(rt, call)
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


cdef void follow(runtime_t* rt, call_t* call, const msg_t* m, const address_t* source) noexcept nogil:
    """A request over another connection than the peer's call is on: that one is answered on (RFC 3261 18.2.2)."""
    if m.kind != MSG_REQUEST or not call.flags & CALL_INCOMING or call.state == CALL_CONGESTED \
            or rt.config.reply_to.family != 0:
        return
    rt.release(rt, call, False)
    call.remote = source[0]
    rt.adopt(rt, call)


cdef inline bint deliver_to(runtime_t* rt, msg_t* m, span_t key, uint64_t hash_,
                            const address_t* source) noexcept nogil:
    """Hands the message to the call of that Call-ID; False where this scenario has and had none."""
    cdef uint64_t other = 0
    cdef uint32_t found = calls_find(&rt.calls, key, hash_, &other)
    cdef uint32_t expiry_ms
    cdef call_t* call
    if likely(found <= CALL_FOUND_MAX):
        call = call_at(&rt.calls, found)
        if unlikely(source.family == ADDRESS_CONNECTION and not address_equal(source, &call.remote)):
            follow(rt, call, m, source)
        interp_deliver(rt, call, m)
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


cdef void deliver(engine_t* e, uint32_t i) noexcept nogil:
    cdef msg_t* m = &e.msgs[i]
    if likely(deliver_to(&e.rt, m, e.keys[i], e.hashes[i], e.sources[i])):
        return
    # both tables hash with the same seed
    if unlikely(e.side != NULL) and deliver_to(e.side, m, e.keys[i], e.hashes[i], e.sources[i]):
        return
    stray_message(e, m, e.keys[i], e.hashes[i], e.sources[i])


cdef void take_message(engine_t* e, const char* bytes, uint32_t n, const address_t* source) noexcept nogil:
    cdef runtime_t* rt = &e.rt
    cdef uint32_t k = e.n_parsed
    cdef int status
    count(rt, COUNT_DATAGRAMS_RECEIVED)
    status = msg_parse_again(e.memos, &e.msgs[k], bytes, n)
    if likely(status == PARSE_OK):
        e.keys[k] = e.msgs[k].call_id if rt.config.keep_slashes else call_key(e.msgs[k].call_id)
    if unlikely(traces(rt, TRACE_RECEIVED)):
        trace(rt, TRACE_RECEIVED, 0, 0, e.keys[k] if status == PARSE_OK else span_of(bytes, 0), span_of(bytes, n))
    if unlikely(status != PARSE_OK):
        refuse_datagram(e, status, bytes, n)
        return
    e.sources[k] = source
    e.hashes[k] = calls_hash(&rt.calls, e.keys[k])
    calls_prefetch_slot(&rt.calls, e.hashes[k])
    e.n_parsed = k + 1
    if e.n_parsed == PARSE_BATCH:
        deliver_parsed(e)


cdef void deliver_parsed(engine_t* e) noexcept nogil:
    cdef runtime_t* rt = &e.rt
    cdef uint32_t i, guess, n = e.n_parsed
    for i in range(n):
        guess = calls_guess(&rt.calls, e.hashes[i])
        if guess <= CALL_FOUND_MAX:
            prefetch(call_at(&rt.calls, guess))
            prefetch(<char*> call_at(&rt.calls, guess) + 64)
            prefetch(<char*> call_at(&rt.calls, guess) + 128)
            prefetch(<char*> call_at(&rt.calls, guess) + 192)
    for i in range(n):
        deliver(e, i)
    e.n_parsed = 0


cdef void take_datagrams(engine_t* e, const char* bytes, uint32_t n_bytes, uint32_t segment,
                         const address_t* source) noexcept nogil:
    """Datagrams of `segment` bytes back to back; the last may be shorter."""
    cdef uint32_t off = 0, n
    if segment == 0:
        segment = n_bytes if n_bytes else 1
    while True:
        n = segment if segment < n_bytes - off else n_bytes - off
        take_message(e, bytes + off, n, source)
        off += n if n else 1
        if off >= n_bytes:
            break
    deliver_parsed(e)

# --------------------------------------------------------------------------- commands of the twin

cdef bint opens_by_command(const program_t* p) noexcept nogil:
    cdef uint32_t i
    for i in range(p.n_steps):
        if p.steps[i].kind != STEP_NOP and p.steps[i].kind != STEP_PAUSE:
            return p.steps[i].kind == STEP_RECV_CMD
    return False


cdef void take_command(engine_t* e, span_t text, span_t call_id) noexcept nogil:
    cdef runtime_t* rt = &e.rt
    cdef uint64_t hash_, other = 0
    cdef uint32_t found
    cdef call_t* call
    if not rt.config.keep_slashes:
        call_id = call_key(call_id)
    hash_ = calls_hash(&rt.calls, call_id)
    found = calls_find(&rt.calls, call_id, hash_, &other)
    if found <= CALL_FOUND_MAX:
        interp_command(rt, call_at(&rt.calls, found), text)
        return
    if e.side != NULL and found == CALL_NONE:
        found = calls_find(&e.side.calls, call_id, hash_, &other)
        if found <= CALL_FOUND_MAX:
            interp_command(e.side, call_at(&e.side.calls, found), text)
            return
    call = NULL
    if found == CALL_NONE and e.opens_by_command and call_id.len > 0 and may_open(e):
        call = calls_open(&rt.calls, call_id, hash_, rt.now_ns)
    if call == NULL:
        count(rt, COUNT_OUT_OF_CALL_MSGS)
        trace(rt, TRACE_OUT_OF_CALL, e.quit_level, 0, call_id, excerpt(text.ptr, text.len))
        return
    number_call(rt, call)
    choose_remote(rt, call)
    count(rt, COUNT_OUTGOING_CALLS)
    note_peak(rt)
    note_opened(e)
    interp_start(rt, call, 0)
    if call.state != CALL_FREE and call.hash == hash_:
        interp_command(rt, call, text)
