# sippx/_core/interp.pyx: the scenario interpreter.
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from sippx._core.bits cimport likely, unlikely
from sippx._core.calls cimport *
from sippx._core.codes cimport *
from sippx._core.hash cimport fingerprint_aes, hash_bytes, random_u64
from sippx._core.message cimport MSG_REQUEST, MSG_RESPONSE, header_tag, msg_first_value, msg_t
from sippx._core.outbox cimport OUTBOX_FULL, outbox_abandon, outbox_commit, outbox_reserve, outbox_room
from sippx._core.parser cimport msg_parse
from sippx._core.runtime cimport *
from sippx._core.span cimport span_of, span_t
from sippx._core.stats cimport HIST_WORDS, hist_record, repartition_record
from sippx._core.tables cimport pause_t, step_t
from sippx._core.template cimport MESSAGE_CAP, render_ctx_t, template_render
from sippx._core.wheel cimport wheel_cancel, wheel_is_scheduled, wheel_schedule

cdef extern from "<string.h>" nogil:
    void* memmem(const void* haystack, size_t n, const void* needle, size_t m)

cdef enum:
    NO_STEP = 0xFFFF             # program limit is 65000 steps

# --------------------------------------------------------------------------- small helpers

cdef inline span_t nothing() noexcept nogil:
    return span_of(<const char*> b"", 0)


cdef inline span_t whole(msg_t* m) noexcept nogil:
    return span_of(m.data, m.len)


cdef inline void record(runtime_t* rt, uint32_t hist, uint64_t v_ns) noexcept nogil:
    """Adds a value to RTD `hist` (n_rtds: call length) and to its repartition table."""
    cdef uint32_t first = rt.program.bounds_first[hist]
    cdef uint32_t n = rt.program.bounds_first[hist + 1] - first
    hist_record(rt.hists + <uint64_t> hist * HIST_WORDS, &rt.maxima[hist], v_ns)
    if n > 0:
        # every table before this one has one word more than bounds
        repartition_record(rt.repartitions + first + hist, rt.program.bounds_ns + first, n, v_ns)


cdef inline void bookkeep(runtime_t* rt, call_t* call, const step_t* s) noexcept nogil:
    """RTDs and generic counter of a step that is being executed."""
    cdef uint64_t* tail
    cdef uint64_t bit
    if s.start_rtd >= 0:
        call_tail(call)[1 + s.start_rtd] = rt.now_ns
    if s.stop_rtd >= 0:
        tail = call_tail(call)
        bit = 1ULL << s.stop_rtd
        if tail[0] & bit == 0 or s.flags & STEP_REPEAT_RTD:
            tail[0] |= bit
            record(rt, s.stop_rtd, rt.now_ns - (tail[1 + s.stop_rtd] if rt.program.has_start_rtd else call.start_ns))
    if s.counter >= 0:
        rt.generic[s.counter] += 1


cdef inline uint32_t step_after(runtime_t* rt, uint32_t i) noexcept nogil:
    cdef const step_t* s = &rt.program.steps[i]
    if s.next >= 0 and (s.chance == 0xFFFFFFFFULL or <uint32_t> random_u64(&rt.random_state) <= s.chance):
        return <uint32_t> s.next
    return i + 1


cdef inline bint is_lost(runtime_t* rt, const step_t* s) noexcept nogil:
    if s != NULL and s.flags & STEP_HAS_LOST:
        return chance_percent(rt, s.lost_percent)
    return rt.config.lost_percent > 0 and chance_percent(rt, rt.config.lost_percent)


cdef inline msg_t* last_message(runtime_t* rt, call_t* call, msg_t* current) noexcept nogil:
    """The call's last received message: the one at hand, or the saved copy parsed again."""
    if current != NULL:
        return current
    if call.last_bytes == NULL:
        return NULL
    msg_parse(&rt.saved, call.last_bytes, call.last_len)
    return &rt.saved

# --------------------------------------------------------------------------- sending

cdef void file_message(runtime_t* rt, call_t* call, uint32_t template_idx, int32_t group, uint32_t n,
                       uint32_t min_group) noexcept nogil:
    if unlikely(traces(rt, TRACE_SENT)):
        trace(rt, TRACE_SENT, 0, 0, call_call_id(call), span_of(outbox_room(&rt.outbox, group), n))
    group = outbox_commit(&rt.outbox, group, n, min_group)
    rt.group_hint[template_idx] = group
    call.outbox_generation = rt.outbox.generation
    call.outbox_group = <uint16_t> group


cdef inline int32_t reserve(runtime_t* rt, call_t* call, uint32_t template_idx, uint32_t* min_group) noexcept nogil:
    cdef int32_t group
    min_group[0] = call.outbox_group if call.outbox_generation == rt.outbox.generation else 0
    group = outbox_reserve(&rt.outbox, &call.remote, rt.group_hint[template_idx], min_group[0])
    if unlikely(group == OUTBOX_FULL):
        rt.flush(rt)
        min_group[0] = 0
        group = outbox_reserve(&rt.outbox, &call.remote, -1, 0)
    return group


cdef bint render_and_send(runtime_t* rt, call_t* call, uint32_t template_idx, uint32_t piece_first,
                          uint32_t n_pieces, const step_t* s, msg_t* current, bint keep) noexcept nogil:
    """Renders a template and files it; with keep the bytes are kept for retransmission. False: not sent."""
    cdef render_ctx_t ctx
    cdef uint32_t min_group
    cdef int32_t group = reserve(rt, call, template_idx, &min_group)
    cdef int32_t n
    ctx.call_id = call_call_id(call)
    ctx.peer_tag = call_peer_tag(call)
    ctx.call_number = call.call_number
    ctx.elapsed_ns = rt.now_ns - rt.start_ns
    ctx.random_state = &rt.random_state
    ctx.cseq = call.cseq
    ctx.last = last_message(rt, call, current) if rt.program.uses_last[template_idx] else NULL
    n = template_render(rt.program.pieces + piece_first, n_pieces, rt.program.pool, &ctx,
                        outbox_room(&rt.outbox, group), MESSAGE_CAP)
    if unlikely(n <= 0):
        outbox_abandon(&rt.outbox, group)
        trace(rt, TRACE_MESSAGE_TOO_LONG, <int32_t> template_idx, 0, call_call_id(call), nothing())
        return False
    if keep and not call_save_retrans(&rt.calls, call, outbox_room(&rt.outbox, group), <uint32_t> n):
        outbox_abandon(&rt.outbox, group)
        return False
    if unlikely(is_lost(rt, s)):
        if s != NULL:
            count_step(rt, template_idx, STEPC_LOST)
        trace(rt, TRACE_LOST, 0, 0, call_call_id(call), span_of(outbox_room(&rt.outbox, group), <uint32_t> n))
        outbox_abandon(&rt.outbox, group)
        return True
    file_message(rt, call, template_idx, group, <uint32_t> n, min_group)
    return True


cdef bint send_default(runtime_t* rt, call_t* call, uint32_t which, msg_t* current) noexcept nogil:
    cdef uint32_t template_idx = rt.program.n_steps + rt.program.n_init_steps + which
    return render_and_send(rt, call, template_idx, rt.program.defaults[which].piece_first,
                           rt.program.defaults[which].n_pieces, NULL, current, False)


cdef inline void note_cause(call_t* call, const step_t* s, uint32_t i) noexcept nogil:
    """Remembers which received message this send answers, so that its retransmission is answered alike.

    A request is answered by the last response sent to it, a response by the first message after it.
    """
    if call.last_recv_hash != 0:
        call.cause_hash = call.last_recv_hash
        call.cause_recv_step = call.last_recv_step
        call.cause_send_step = <uint16_t> i
        call.last_recv_hash = 0
    elif call.cause_hash != 0 and call.flags & CALL_CAUSE_IS_REQUEST and not s.flags & STEP_IS_REQUEST:
        call.cause_send_step = <uint16_t> i


cdef bint send_step(runtime_t* rt, call_t* call, uint32_t i, msg_t* current) noexcept nogil:
    """Executes a send; False where the message could not be built (the call fails)."""
    cdef const step_t* s = &rt.program.steps[i]
    cdef bint keep = s.retrans_ms > 0
    if s.flags & STEP_RAISES_CSEQ:
        call.cseq += 1
    bookkeep(rt, call, s)
    if not render_and_send(rt, call, i, s.piece_first, s.n_pieces, s, current, keep):
        return False
    count_step(rt, i, STEPC_MESSAGES)
    if keep:
        call.retrans_step = <uint16_t> i
        call.retrans_interval_ms = s.retrans_ms
        call.n_retrans = 0
        call.retrans_is_invite = s.flags & STEP_IS_INVITE != 0
        schedule_after(rt, &rt.retrans, &call.retrans_timer, s.retrans_ms)
    if s.flags & STEP_IS_REQUEST:
        if s.flags & STEP_SENDS_ACK:
            call.flags = (call.flags | CALL_ESTABLISHED) & ~(CALL_ACK_PENDING | CALL_LAST_SENT_INVITE)
        elif s.flags & STEP_IS_INVITE:
            call.flags |= CALL_LAST_SENT_INVITE
        else:
            call.flags &= ~CALL_LAST_SENT_INVITE
    else:
        call.flags &= ~CALL_LAST_SENT_INVITE
    if rt.config.detect_retrans:
        note_cause(call, s, i)
    return True


cdef inline void stop_retransmitting(runtime_t* rt, call_t* call) noexcept nogil:
    wheel_cancel(&rt.retrans, &call.retrans_timer)
    call_drop_retrans(&rt.calls, call)


cdef void interp_retransmit(runtime_t* rt, call_t* call) noexcept nogil:
    cdef uint32_t i = call.retrans_step
    cdef const step_t* s = &rt.program.steps[i]
    cdef uint32_t limit = rt.config.max_invite_retrans if call.retrans_is_invite \
        else rt.config.max_non_invite_retrans
    cdef uint32_t min_group
    cdef int32_t group
    if call.n_retrans >= limit:
        retransmission_timeout(rt, call, i)
        return
    call.n_retrans += 1
    count_step(rt, i, STEPC_RETRANS)
    count(rt, COUNT_RETRANSMISSIONS)
    if unlikely(is_lost(rt, s)):
        count_step(rt, i, STEPC_LOST)
        trace(rt, TRACE_LOST, 0, 0, call_call_id(call), span_of(call.retrans_bytes, call.retrans_len))
    else:
        group = reserve(rt, call, i, &min_group)
        memcpy(outbox_room(&rt.outbox, group), call.retrans_bytes, call.retrans_len)
        file_message(rt, call, i, group, call.retrans_len, min_group)
    call.retrans_interval_ms *= 2
    if not call.retrans_is_invite and call.retrans_interval_ms > rt.config.t2_ms:
        call.retrans_interval_ms = rt.config.t2_ms
    schedule_after(rt, &rt.retrans, &call.retrans_timer, call.retrans_interval_ms)


cdef void retransmission_timeout(runtime_t* rt, call_t* call, uint32_t i) noexcept nogil:
    cdef const step_t* s = &rt.program.steps[i]
    count_step(rt, i, STEPC_TIMEOUT)
    stop_retransmitting(rt, call)
    if s.on_timeout >= 0 and <uint32_t> s.on_timeout < rt.program.n_steps:
        count(rt, COUNT_WARNINGS)
        trace(rt, TRACE_RETRANS_TIMEOUT_JUMP, <int32_t> i, s.on_timeout, call_call_id(call), nothing())
        jump(rt, call, <uint32_t> s.on_timeout, NULL)
        return
    count(rt, COUNT_WARNINGS)
    trace(rt, TRACE_RETRANS_TIMEOUT, <int32_t> i, 0, call_call_id(call), nothing())
    abort_call(rt, call, COUNT_FAILED_MAX_UDP_RETRANS, NULL)

# --------------------------------------------------------------------------- running

cdef inline void set_state(runtime_t* rt, call_t* call, uint32_t state) noexcept nogil:
    rt.n_paused += (state == CALL_PAUSED) - <int> (call.state == CALL_PAUSED)
    call.state = <unsigned char> state


cdef inline bint park(runtime_t* rt, call_t* call, uint32_t state, msg_t* current) noexcept nogil:
    """Leaves the call at its step; keeps the message it just received if it may be needed. False: no memory."""
    set_state(rt, call, state)
    if current != NULL:
        if rt.program.steps[call.step].flags & STEP_KEEPS_LAST:
            return call_save_last(&rt.calls, call, current.data, current.len)
        call_drop_last(&rt.calls, call)
    return True


cdef void arm_receive_timeout(runtime_t* rt, call_t* call) noexcept nogil:
    """The smallest timeout of the optional receives from here to the mandatory one, and its own."""
    cdef uint32_t i = call.step
    cdef const step_t* s
    cdef int32_t best = 0
    while i < rt.program.n_steps:
        s = &rt.program.steps[i]
        if s.kind != STEP_RECV:
            break
        if s.timeout_ms > 0 and (best == 0 or s.timeout_ms < best):
            best = s.timeout_ms
            call.timeout_step = <uint16_t> i
        if not s.flags & STEP_OPTIONAL:
            break
        i += 1
    if best > 0:
        schedule_after(rt, &rt.timers, &call.timer, best)


cdef uint64_t pause_ms(runtime_t* rt, const step_t* s) noexcept nogil:
    cdef const pause_t* p = &rt.program.pauses[s.pause_idx]
    cdef double ms = p.p0
    if p.kind == PAUSE_UNIFORM:
        ms += (p.p1 - p.p0) * (<double> (random_u64(&rt.random_state) >> 11) * (1.0 / 9007199254740992.0))
    if ms < 1:
        return 0
    return <uint64_t> ms if ms < 2147483647.0 else 2147483647ULL


cdef inline bint rest(runtime_t* rt, call_t* call, const step_t* s, uint64_t ms) noexcept nogil:
    """Lets a call that only waits for its end do so in a small record; False where it has more to do."""
    if call.failure != 0 or wheel_is_scheduled(&call.retrans_timer) or call.step + 1 < rt.program.n_steps \
            or rt.program.pauses[s.pause_idx].kind != PAUSE_FIXED:
        return False
    return calls_rest(&rt.calls, call, now_ms(rt) + 1 + <uint32_t> ms)


cdef void interp_rested(runtime_t* rt, const resting_t* r) noexcept nogil:
    # ends when its time was over, however late the engine looks; a forced quit ends it before
    cdef uint64_t end_ns = rt.start_ns + <uint64_t> r.expiry_ms * NS_PER_MS
    count(rt, COUNT_SUCCESSFUL_CALLS)
    count(rt, COUNT_CALLS_ENDED)
    record(rt, rt.program.n_rtds, (end_ns if end_ns < rt.now_ns else rt.now_ns) - r.start_ns)


cdef void interp_woken(runtime_t* rt, call_t* call, uint64_t expiry_ms, msg_t* m) noexcept nogil:
    set_state(rt, call, CALL_PAUSED)
    wheel_schedule(&rt.timers, &call.timer, expiry_ms)
    interp_deliver(rt, call, m)


cdef void run(runtime_t* rt, call_t* call, msg_t* current) noexcept nogil:
    """Executes steps until the call parks, ends, or has had its share of this turn."""
    cdef const step_t* s
    cdef uint32_t budget = rt.config.run_steps
    cdef uint64_t ms
    cdef bint kept = True
    set_state(rt, call, CALL_RUNNING)
    while True:
        if call.step >= rt.program.n_steps:
            if call.failure != 0:
                end_call(rt, call, call.failure, DEAD_FAILED, True)
            else:
                end_call(rt, call, 0, DEAD_SUCCESSFUL, True)
            return
        s = &rt.program.steps[call.step]
        if s.kind == STEP_RECV:
            kept = park(rt, call, CALL_WAITING, current)
            arm_receive_timeout(rt, call)
            break
        if unlikely(budget == 0):
            kept = park(rt, call, CALL_YIELDED, current)
            if current != NULL and kept:
                kept = call_save_last(&rt.calls, call, current.data, current.len)
            schedule_after(rt, &rt.timers, &call.timer, 1)
            break
        budget -= 1
        if s.kind == STEP_SEND:
            if wheel_is_scheduled(&call.retrans_timer):
                kept = park(rt, call, CALL_BLOCKED, current)
                break
            if unlikely(not send_step(rt, call, call.step, current)):
                end_call(rt, call, COUNT_FAILED_CANNOT_SEND_MESSAGE, DEAD_FAILED, True)
                return
        elif s.kind == STEP_PAUSE:
            bookkeep(rt, call, s)
            count_step(rt, call.step, STEPC_MESSAGES)
            ms = pause_ms(rt, s)
            if s.flags & STEP_TIMEWAIT and ms > 0 and rest(rt, call, s, ms):
                return
            if ms > 0:
                kept = park(rt, call, CALL_PAUSED, current)
                schedule_after(rt, &rt.timers, &call.timer, ms)
                break
        else:
            bookkeep(rt, call, s)
        call.step = <uint16_t> step_after(rt, call.step)
    if unlikely(not kept):
        count(rt, COUNT_CALLS_REFUSED)
        trace(rt, TRACE_CALLS_REFUSED, 0, 0, call_call_id(call), nothing())
        end_call(rt, call, COUNT_FAILED_CANNOT_SEND_MESSAGE, DEAD_FAILED, True)


cdef inline void jump(runtime_t* rt, call_t* call, uint32_t step, msg_t* current) noexcept nogil:
    wheel_cancel(&rt.timers, &call.timer)
    call.step = <uint16_t> step
    run(rt, call, current)


cdef void interp_start(runtime_t* rt, call_t* call) noexcept nogil:
    cdef uint64_t* tail = call_tail(call)
    cdef uint32_t i
    call.cseq = rt.config.base_cseq - 1
    if rt.program.has_start_rtd:
        for i in range(rt.program.n_rtds):
            tail[1 + i] = call.start_ns
    run(rt, call, NULL)


cdef void interp_timer(runtime_t* rt, call_t* call) noexcept nogil:
    if call.state == CALL_PAUSED:
        call.step = <uint16_t> step_after(rt, call.step)
        run(rt, call, NULL)
    elif call.state == CALL_YIELDED:
        run(rt, call, NULL)
    elif call.state == CALL_WAITING:
        receive_timeout(rt, call)


cdef void receive_timeout(runtime_t* rt, call_t* call) noexcept nogil:
    cdef uint32_t i = call.timeout_step
    cdef const step_t* s = &rt.program.steps[i]
    count_step(rt, i, STEPC_TIMEOUT)
    count(rt, COUNT_WARNINGS)
    if s.on_timeout >= 0:
        trace(rt, TRACE_RECV_TIMEOUT_JUMP, <int32_t> i, s.on_timeout, call_call_id(call), nothing())
        if <uint32_t> s.on_timeout < rt.program.n_steps:
            jump(rt, call, <uint32_t> s.on_timeout, NULL)
            return
    else:
        trace(rt, TRACE_RECV_TIMEOUT, <int32_t> i, 0, call_call_id(call), nothing())
    abort_call(rt, call, COUNT_FAILED_TIMEOUT_ON_RECV, NULL)

# --------------------------------------------------------------------------- ending

cdef void end_call(runtime_t* rt, call_t* call, uint32_t failure, uint32_t reason, bint remember) noexcept nogil:
    """Counts the outcome (failure: Counter of the cause, 0 for success) and frees the call."""
    if failure == 0:
        count(rt, COUNT_SUCCESSFUL_CALLS)
    else:
        count(rt, COUNT_FAILED_CALLS)
        count(rt, failure)
    count(rt, COUNT_CALLS_ENDED)
    record(rt, rt.program.n_rtds, rt.now_ns - call.start_ns)
    wheel_cancel(&rt.timers, &call.timer)
    wheel_cancel(&rt.retrans, &call.retrans_timer)
    set_state(rt, call, CALL_RUNNING)
    calls_close(&rt.calls, call, remember, reason, now_ms(rt))


cdef void abort_call(runtime_t* rt, call_t* call, uint32_t failure, msg_t* current) noexcept nogil:
    """Ends the call early: a client tells its peer with ACK, CANCEL or BYE, built from the last message."""
    if rt.program.is_client and call.step > 0 and rt.config.behaviors & BEHAVIOR_BYE:
        if call.flags & CALL_LAST_SENT_INVITE and not call.flags & CALL_ESTABLISHED:
            if call.last_status >= 400:
                send_default(rt, call, DEFAULT_ACK, current)
            elif call.flags & CALL_ACK_PENDING:
                send_default(rt, call, DEFAULT_ACK, current)
                send_default(rt, call, DEFAULT_BYE, current)
            elif call.flags & CALL_RECEIVED:
                send_default(rt, call, DEFAULT_CANCEL, current)
        elif call.flags & CALL_RECEIVED:
            send_default(rt, call, DEFAULT_BYE, current)
    end_call(rt, call, failure, DEAD_ABORTED, True)


cdef void interp_give_up(runtime_t* rt, call_t* call) noexcept nogil:
    count(rt, COUNT_WARNINGS)
    trace(rt, TRACE_ABORTED_CALL, call.step, 0, call_call_id(call), nothing())
    abort_call(rt, call, COUNT_FAILED_ABORTED, NULL)

# --------------------------------------------------------------------------- receiving

cdef inline bint answers_sent_method(runtime_t* rt, const step_t* s, msg_t* m) noexcept nogil:
    """SIPp's rule: the response's CSeq method occurs in the concatenated methods sent above this recv."""
    if m.cseq_method != METHOD_OTHER:
        return m.cseq_method == METHOD_NONE or s.methods_mask >> m.cseq_method & 1
    return memmem(rt.program.pool + s.methods_off, s.methods_len,
                  m.cseq_method_text.ptr, m.cseq_method_text.len) != NULL


cdef inline bint matches(runtime_t* rt, uint32_t i, msg_t* m) noexcept nogil:
    cdef const step_t* s = &rt.program.steps[i]
    if m.kind == MSG_RESPONSE:
        return s.status_code == m.status_code and not s.flags & STEP_IS_REQUEST \
            and (i == 0 or answers_sent_method(rt, s, m))
    if not s.flags & STEP_IS_REQUEST or s.method != m.method:
        return False
    return m.method != METHOD_OTHER or (
        s.name_len == m.method_text.len and memcmp(rt.program.pool + s.name_off, m.method_text.ptr, s.name_len) == 0)


cdef uint32_t find_forward(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    """From the call's step over optional receives to the first mandatory one."""
    cdef uint32_t i = call.step
    while i < rt.program.n_steps and rt.program.steps[i].kind == STEP_RECV:
        if matches(rt, i, m):
            return i
        if not rt.program.steps[i].flags & STEP_OPTIONAL:
            break
        i += 1
    return NO_STEP


cdef uint32_t find_backward(runtime_t* rt, call_t* call, msg_t* m, uint32_t* ack_step) noexcept nogil:
    """Optional receives just passed, global ones anywhere before; or the ACK to repeat for an old INVITE answer."""
    cdef uint32_t i = call.step
    cdef const step_t* s
    cdef bint contiguous = True
    while i > 0:
        i -= 1
        s = &rt.program.steps[i]
        if s.kind != STEP_RECV or not s.flags & STEP_OPTIONAL:
            contiguous = False
        if s.kind != STEP_RECV or not matches(rt, i, m):
            continue
        if contiguous or s.flags & STEP_GLOBAL:
            return i
        if m.kind == MSG_RESPONSE and m.cseq_method == METHOD_INVITE and i + 1 < rt.program.n_steps \
                and rt.program.steps[i + 1].kind == STEP_SEND and rt.program.steps[i + 1].flags & STEP_SENDS_ACK:
            ack_step[0] = i + 1
            return NO_STEP
    return NO_STEP


cdef bint is_retransmission(runtime_t* rt, call_t* call, msg_t* m, uint64_t fingerprint) noexcept nogil:
    """Deals with a byte-identical repetition: answers it as before, or counts and ignores it."""
    cdef uint32_t i
    cdef const step_t* s
    if fingerprint == call.cause_hash:
        s = &rt.program.steps[call.cause_recv_step]
        if is_lost(rt, s):
            count_step(rt, call.cause_recv_step, STEPC_LOST)
            trace(rt, TRACE_LOST, 1, 1, call_call_id(call), whole(m))
            return True
        i = call.cause_send_step
        s = &rt.program.steps[i]
        count_step(rt, call.cause_recv_step, STEPC_RETRANS)
        count_step(rt, i, STEPC_RETRANS)
        count(rt, COUNT_RETRANSMISSIONS)
        # [last_*] of that answer came from this very message
        render_and_send(rt, call, i, s.piece_first, s.n_pieces, s, m, False)
        return True
    if fingerprint == call.last_recv_hash:
        count_step(rt, call.last_recv_step, STEPC_RETRANS)
        return True
    return False


cdef inline void adjust_retransmission(runtime_t* rt, call_t* call, uint32_t i, msg_t* m) noexcept nogil:
    """What a message matched at step i means for our own unanswered message."""
    if not wheel_is_scheduled(&call.retrans_timer) or i <= call.retrans_step:
        return
    if m.kind == MSG_REQUEST:
        if m.method == METHOD_ACK or m.method == METHOD_CANCEL or m.method == METHOD_BYE or m.method == METHOD_PRACK:
            stop_retransmitting(rt, call)
    elif m.status_code >= 200 or m.cseq_method == METHOD_INVITE:
        stop_retransmitting(rt, call)
    else:
        # RFC 3261 17.1.2.2: a provisional answer slows a non-INVITE request down to T2
        call.retrans_interval_ms = rt.config.t2_ms
        schedule_after(rt, &rt.retrans, &call.retrans_timer, rt.config.t2_ms)


cdef void accept(runtime_t* rt, call_t* call, uint32_t i, msg_t* m, uint64_t fingerprint) noexcept nogil:
    """The message matched the recv at step i."""
    cdef const step_t* s = &rt.program.steps[i]
    if is_lost(rt, s):
        count_step(rt, i, STEPC_LOST)
        trace(rt, TRACE_LOST, 1, 0, call_call_id(call), whole(m))
        return
    bookkeep(rt, call, s)
    count_step(rt, i, STEPC_MESSAGES)
    if m.kind == MSG_REQUEST and m.cseq_number > call.cseq:
        call.cseq = m.cseq_number
    adjust_retransmission(rt, call, i, m)
    if m.kind == MSG_RESPONSE and m.status_code == 200:
        call.flags |= CALL_ACK_PENDING
    if s.flags & STEP_KEEP_STATE:
        if call.state == CALL_BLOCKED and not wheel_is_scheduled(&call.retrans_timer):
            run(rt, call, NULL)      # the send that waited for this answer goes on
        return
    note_received(call, m)
    call.last_recv_hash = fingerprint
    call.last_recv_step = <uint16_t> i
    if m.kind == MSG_REQUEST:
        call.flags |= CALL_CAUSE_IS_REQUEST
    else:
        call.flags &= ~CALL_CAUSE_IS_REQUEST
    # a new message was received: what answers the one before is no longer complemented
    jump(rt, call, step_after(rt, i), m)


cdef inline void note_received(call_t* call, msg_t* m) noexcept nogil:
    call.flags |= CALL_RECEIVED
    if m.kind == MSG_RESPONSE:
        call.last_status = m.status_code


cdef void unexpected(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    """No recv takes the message (scenario rules: default behaviours)."""
    cdef uint32_t i = call.step
    cdef bint aborts = rt.config.behaviors & BEHAVIOR_ABORT_UNEXPECTED != 0
    count(rt, COUNT_WARNINGS)
    if m.kind == MSG_REQUEST and m.method == METHOD_PING and rt.config.behaviors & BEHAVIOR_PING_REPLY:
        count(rt, COUNT_AUTO_ANSWERED)
        send_default(rt, call, DEFAULT_200, m)
        return
    count_step(rt, i, STEPC_UNEXPECTED)
    if m.kind == MSG_REQUEST and (m.method == METHOD_BYE or m.method == METHOD_CANCEL):
        trace(rt, TRACE_ABORT_BYE, <int32_t> i, m.method if aborts else -<int32_t> m.method, call_call_id(call),
              whole(m))
        if aborts:
            if rt.config.behaviors & BEHAVIOR_BYE:
                send_default(rt, call, DEFAULT_200, m)
            end_call(rt, call, COUNT_FAILED_UNEXPECTED_MESSAGE, DEAD_ABORTED, False)
        return
    trace(rt, TRACE_UNEXPECTED, <int32_t> i, 0, call_call_id(call), whole(m))
    trace(rt, TRACE_ABORT_UNEXPECTED if aborts else TRACE_CONTINUE_UNEXPECTED, <int32_t> i, call.state,
          call_call_id(call), whole(m))
    if aborts:
        note_received(call, m)
        abort_call(rt, call, COUNT_FAILED_UNEXPECTED_MESSAGE, m)


cdef void interp_deliver(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    cdef uint64_t fingerprint = 0
    cdef uint32_t i, ack_step = NO_STEP
    cdef span_t tag
    if rt.config.detect_retrans:
        fingerprint = (fingerprint_aes(m.data, m.len) if rt.has_aes else hash_bytes(m.data, m.len, 0)) | 1
        if unlikely(fingerprint == call.cause_hash or fingerprint == call.last_recv_hash):
            if is_retransmission(rt, call, m, fingerprint):
                return
    if unlikely(m.first[<int> HDR_TO] == 0):
        unexpected(rt, call, m)
        return
    if m.kind == MSG_RESPONSE:
        if rt.program.uses_peer_tag:
            tag = header_tag(msg_first_value(m, HDR_TO))
            if tag.len > 0 and (tag.len != call.peer_tag_len
                                or memcmp(tag.ptr, call_peer_tag(call).ptr, tag.len) != 0):
                call_set_peer_tag(&rt.calls, call, tag)
    elif m.method == METHOD_ACK:
        call.flags |= CALL_ESTABLISHED
    i = find_forward(rt, call, m)
    if unlikely(i == NO_STEP):
        i = find_backward(rt, call, m, &ack_step)
    if likely(i != NO_STEP):
        accept(rt, call, i, m, fingerprint)
    elif ack_step != NO_STEP:
        count_step(rt, ack_step, STEPC_RETRANS)
        count(rt, COUNT_RETRANSMISSIONS)
        render_and_send(rt, call, ack_step, rt.program.steps[ack_step].piece_first,
                        rt.program.steps[ack_step].n_pieces, &rt.program.steps[ack_step], m, False)
    else:
        unexpected(rt, call, m)
