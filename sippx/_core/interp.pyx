# sippx/_core/interp.pyx: the scenario interpreter.
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from sippx._core.actions cimport actions_run, outcome_t
from sippx._core.bits cimport likely, unlikely
from sippx._core.bookkeeping cimport bookkeep, nothing, whole
from sippx._core.calls cimport *
from sippx._core.codes cimport *
from sippx._core.dialog cimport dialog_keep_challenge, dialog_open, dialog_record_routes
from sippx._core.endings cimport abort_call, end_call, rest, set_state
from sippx._core.expand cimport complain, expand_text
from sippx._core.hash cimport fingerprint_aes, hash_bytes, random_u64
from sippx._core.matching cimport IGNORED, NO_STEP, match_backward, match_forward
from sippx._core.message cimport MSG_REQUEST, MSG_RESPONSE, header_tag, msg_first_value, msg_t
from sippx._core.outbox cimport outbox_room
from sippx._core.program cimport template_t
from sippx._core.runtime cimport *
from sippx._core.sample cimport sample_value
from sippx._core.sending cimport (
    file_message, is_lost, last_message, render_and_send, reserve, send_default, send_step, stop_retransmitting,
)
from sippx._core.span cimport span_of, span_t
from sippx._core.tables cimport pause_t, step_t
from sippx._core.variables cimport variable_is_set, variable_number, variable_set_number
from sippx._core.wheel cimport wheel_cancel, wheel_is_scheduled, wheel_schedule

cdef extern from "<string.h>" nogil:
    void* memmem(const void* haystack, size_t n, const void* needle, size_t m)

cdef enum:
    PAUSE_MAX_MS = 2147483647

# --------------------------------------------------------------------------- small helpers

cdef void trace_step(runtime_t* rt, call_t* call, uint32_t kind) noexcept nogil:
    cdef uint64_t ms = now_ms(rt)
    trace(rt, TRACE_STEP, call.step, <int32_t> kind, call_call_id(call), span_of(<const char*> &ms, sizeof(ms)))


cdef inline bint is_set(runtime_t* rt, call_t* call, int32_t v) noexcept nogil:
    return variable_is_set(call_variable(rt, call, v))


cdef inline uint32_t step_after(runtime_t* rt, call_t* call, uint32_t i) noexcept nogil:
    cdef const step_t* s = &rt.program.steps[i]
    if s.next < 0 or s.test_var >= 0 and not is_set(rt, call, s.test_var):
        return i + 1
    if s.chance == 0xFFFFFFFFULL or <uint32_t> random_u64(&rt.random_state) <= s.chance:
        return <uint32_t> s.next
    return i + 1


# --------------------------------------------------------------------------- retransmitting

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
    if unlikely(rt.shared.targets != NULL):
        target_failed(rt, &call.remote)
    if s.on_timeout >= 0 and <uint32_t> s.on_timeout < rt.program.n_steps:
        count(rt, COUNT_WARNINGS)
        trace(rt, TRACE_RETRANS_TIMEOUT_JUMP, <int32_t> i, s.on_timeout, call_call_id(call), nothing())
        jump(rt, call, <uint32_t> s.on_timeout, NULL)
        return
    count(rt, COUNT_WARNINGS)
    trace(rt, TRACE_RETRANS_TIMEOUT, <int32_t> i, 0, call_call_id(call), nothing())
    abort_call(rt, call, COUNT_FAILED_MAX_UDP_RETRANS, NULL)

# --------------------------------------------------------------------------- running

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
        if s.kind != STEP_RECV and s.kind != STEP_RECV_CMD:
            break
        if s.timeout_ms > 0 and (best == 0 or s.timeout_ms < best):
            best = s.timeout_ms
            call.timeout_step = <uint16_t> i
        if not s.flags & STEP_OPTIONAL:
            break
        i += 1
    if best > 0:
        schedule_after(rt, &rt.timers, &call.timer, best)


cdef uint64_t pause_ms(runtime_t* rt, call_t* call, const step_t* s) noexcept nogil:
    cdef const pause_t* p = &rt.program.pauses[s.pause_idx]
    cdef dialog_t* d
    cdef double ms
    if p.kind == PAUSE_FIXED:
        ms = p.p0
    elif p.kind == PAUSE_VARIABLE:
        ms = variable_number(call_variable(rt, call, <int32_t> p.p0))
        if ms < 0:
            ms = PAUSE_MAX_MS    # as SIPp: for ever
    else:
        ms = sample_value(p, &rt.random_state)
    if rt.dialog_off != 0:
        d = call_dialog(rt, call)
        if d.restored_end_ms != 0:
            ms = <double> d.restored_end_ms - <double> now_ms(rt)
            d.restored_end_ms = 0
        d.pause_end_ms = now_ms(rt) + <uint64_t> (ms if 0 < ms < PAUSE_MAX_MS else 0)
    if not ms >= 1:
        return 0
    return <uint64_t> ms if ms < <double> PAUSE_MAX_MS else PAUSE_MAX_MS


cdef void interp_woken(runtime_t* rt, call_t* call, uint64_t expiry_ms, msg_t* m) noexcept nogil:
    set_state(rt, call, CALL_PAUSED)
    if unlikely(rt.adopt != NULL):
        rt.adopt(rt, call)
    wheel_schedule(&rt.timers, &call.timer, expiry_ms)
    interp_deliver(rt, call, m)


cdef bint act(runtime_t* rt, call_t* call, uint32_t i, span_t text, msg_t* m, msg_t* last,
              bint honoured) noexcept nogil:
    """Runs the actions of a step and notes where a jump says to go on; False where call or run were ended.

    honoured: a failed check makes the call fail at its end (of recv and nop; other steps ignore it).
    """
    cdef outcome_t o = actions_run(rt, call, i, text, m, last)
    if o.failure != 0 and honoured and call.failure == 0:
        call.failure = <uint16_t> o.failure
    if o.stop_call:
        end_call(rt, call, COUNT_FAILED_CALL_REJECTED, DEAD_FAILED, True)
        return False
    call.jump_step = <uint16_t> o.jump_step if o.jump_step >= 0 else NO_STEP
    return rt.shared.stop < <uint32_t> STOP_NOW


cdef inline uint32_t acted_step(runtime_t* rt, call_t* call, uint32_t i) noexcept nogil:
    """Where a call goes on behind step i, whose actions were run."""
    cdef uint32_t target = call.jump_step
    if unlikely(rt.program.steps[i].n_actions and target != NO_STEP):
        return target
    return step_after(rt, call, i)


cdef inline bint act_on_last(runtime_t* rt, call_t* call, uint32_t i, msg_t* current, bint honoured) noexcept nogil:
    """Actions of a step that neither sends nor receives: they look at the last message received."""
    cdef msg_t* last = last_message(rt, call, current)
    return act(rt, call, i, whole(last) if last != NULL else nothing(), last, last, honoured)


cdef bint park_congested(runtime_t* rt, call_t* call, msg_t* current) noexcept nogil:
    """Leaves the call at its send until its connection takes more, or its time is over. False: no memory."""
    cdef int32_t timeout_ms = rt.program.steps[call.step].timeout_ms
    set_state(rt, call, CALL_CONGESTED)
    if timeout_ms <= 0:
        timeout_ms = <int32_t> rt.config.send_timeout_ms
    if timeout_ms > 0:
        schedule_after(rt, &rt.timers, &call.timer, timeout_ms)
    return current == NULL or call_save_last(&rt.calls, call, current.data, current.len)


cdef bint may_send(runtime_t* rt, call_t* call, msg_t* current) noexcept nogil:
    """What the call sends through is there and takes more; False: the call waits for that, or was ended."""
    cdef uint32_t readiness = rt.prepare(rt, call)
    if likely(readiness == READY):
        return True
    if readiness != NOT_READY:
        end_call(rt, call, readiness, DEAD_FAILED, True)
    elif not park_congested(rt, call, current):
        end_call(rt, call, COUNT_FAILED_CANNOT_SEND_MESSAGE, DEAD_FAILED, True)
    return False


cdef void interp_resume(runtime_t* rt, call_t* call) noexcept nogil:
    if call.state == CALL_CONGESTED:
        wheel_cancel(&rt.timers, &call.timer)
        run(rt, call, NULL)


cdef void send_timeout(runtime_t* rt, call_t* call) noexcept nogil:
    """The connection has taken nothing for the time that a send may wait."""
    cdef uint32_t i = call.step
    cdef int32_t target = rt.program.steps[i].on_timeout
    count_step(rt, i, STEPC_TIMEOUT)
    count(rt, COUNT_WARNINGS)
    trace(rt, TRACE_SEND_TIMEOUT, <int32_t> i, target, call_call_id(call), nothing())
    if target >= 0 and <uint32_t> target < rt.program.n_steps:
        jump(rt, call, <uint32_t> target, NULL)
        return
    abort_call(rt, call, COUNT_FAILED_TIMEOUT_ON_SEND, NULL)


cdef bint run_send(runtime_t* rt, call_t* call, msg_t* current) noexcept nogil:
    """Sends and acts; False where the call was ended."""
    cdef uint32_t i = call.step
    cdef msg_t* last = NULL
    if unlikely(not send_step(rt, call, i, current)):
        end_call(rt, call, COUNT_FAILED_CANNOT_SEND_MESSAGE, DEAD_FAILED, True)
        return False
    if unlikely(rt.program.steps[i].n_actions):
        if rt.program.actions_use_last[i]:
            last = last_message(rt, call, current)
        return act(rt, call, i, rt.sent, NULL, last, False)
    return True


cdef inline bint is_over(runtime_t* rt, call_t* call) noexcept nogil:
    if unlikely(call.flags & CALL_INIT):
        return call.step >= rt.program.n_steps + rt.program.n_init_steps
    return call.step >= rt.program.n_steps


cdef void finish_call(runtime_t* rt, call_t* call) noexcept nogil:
    """The call has run past its last step."""
    if call.failure != 0:
        end_call(rt, call, call.failure, DEAD_FAILED, True)
    else:
        end_call(rt, call, 0, DEAD_SUCCESSFUL, True)


cdef inline bint is_skipped(runtime_t* rt, call_t* call, const step_t* s) noexcept nogil:
    return s.condexec_var >= 0 and is_set(rt, call, s.condexec_var) == (s.flags & STEP_CONDEXEC_INVERSE != 0)


cdef void run(runtime_t* rt, call_t* call, msg_t* current) noexcept nogil:
    """Executes steps until the call parks, ends, or has had its share of this turn."""
    cdef const step_t* s
    cdef uint32_t budget = rt.config.run_steps
    cdef uint64_t ms
    cdef bint kept = True, skipped
    set_state(rt, call, CALL_RUNNING)
    while True:
        if is_over(rt, call):
            finish_call(rt, call)
            return
        s = &rt.program.steps[call.step]
        skipped = is_skipped(rt, call, s)
        if unlikely(skipped) and budget > 0:
            budget -= 1
            call.step = <uint16_t> step_after(rt, call, call.step)
            continue
        if unlikely(traces(rt, TRACE_STEP)):
            trace_step(rt, call, s.kind)
        if (s.kind == STEP_RECV or s.kind == STEP_RECV_CMD) and not skipped:
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
            if unlikely(rt.prepare != NULL) and not may_send(rt, call, current):
                return
            if not run_send(rt, call, current):
                return
        elif s.kind == STEP_PAUSE:
            bookkeep(rt, call, s)
            count_step(rt, call.step, STEPC_MESSAGES)
            if unlikely(s.n_actions) and not act_on_last(rt, call, call.step, current, False):
                return
            ms = pause_ms(rt, call, s)
            if s.flags & STEP_TIMEWAIT and ms > 0 and rest(rt, call, s, ms):
                return
            if ms > 0:
                kept = park(rt, call, CALL_PAUSED, current)
                schedule_after(rt, &rt.timers, &call.timer, ms)
                break
        elif s.kind == STEP_SEND_CMD:
            bookkeep(rt, call, s)
            if not send_command(rt, call, s, current):
                return
        else:
            bookkeep(rt, call, s)
            if unlikely(s.n_actions) and not act_on_last(rt, call, call.step, current, True):
                return
        call.step = <uint16_t> acted_step(rt, call, call.step)
    if unlikely(not kept):
        count(rt, COUNT_CALLS_REFUSED)
        trace(rt, TRACE_CALLS_REFUSED, 0, 0, call_call_id(call), nothing())
        end_call(rt, call, COUNT_FAILED_CANNOT_SEND_MESSAGE, DEAD_FAILED, True)


cdef inline void jump(runtime_t* rt, call_t* call, uint32_t step, msg_t* current) noexcept nogil:
    wheel_cancel(&rt.timers, &call.timer)
    call.step = <uint16_t> step
    run(rt, call, current)


cdef void interp_start(runtime_t* rt, call_t* call, uint32_t user_id) noexcept nogil:
    cdef uint64_t* tail = call_tail(call)
    cdef uint32_t i
    call.cseq = rt.config.base_cseq - 1
    if unlikely(traces(rt, TRACE_CALL_STARTED)):
        trace(rt, TRACE_CALL_STARTED, 0, 0, call_call_id(call), nothing())
    if rt.dialog_off != 0 and not dialog_open(rt, call, user_id):
        end_call(rt, call, COUNT_FAILED_OUTBOUND_CONGESTION, DEAD_FAILED, True)
        return
    if call.flags & CALL_INIT:
        call.step = <uint16_t> rt.program.n_steps
    if rt.program.has_start_rtd:
        for i in range(rt.program.n_rtds):
            tail[1 + i] = call.start_ns
    run(rt, call, NULL)


cdef void interp_timer(runtime_t* rt, call_t* call) noexcept nogil:
    if call.state == CALL_PAUSED:
        call.step = <uint16_t> acted_step(rt, call, call.step)
        run(rt, call, NULL)
    elif call.state == CALL_YIELDED:
        run(rt, call, NULL)
    elif call.state == CALL_WAITING:
        receive_timeout(rt, call)
    elif call.state == CALL_CONGESTED:
        send_timeout(rt, call)


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

# --------------------------------------------------------------------------- twin commands

cdef bint send_command(runtime_t* rt, call_t* call, const step_t* s, msg_t* current) noexcept nogil:
    """Renders a command for the twin and hands it over; False where the call was ended."""
    cdef uint32_t i = call.step
    cdef msg_t* last = last_message(rt, call, current)
    cdef span_t text = expand_text(rt, call, s.piece_first, s.n_pieces, last, 4)
    cdef span_t peer = span_of(rt.program.pool + s.name_off, s.name_len)
    if text.len == 0 or rt.send_command == NULL or not rt.send_command(rt, peer, text):
        end_call(rt, call, COUNT_FAILED_CMD_NOT_SENT, DEAD_FAILED, True)
        return False
    count_step(rt, i, STEPC_MESSAGES)
    if unlikely(s.n_actions):
        return act(rt, call, i, text, NULL, last, False)
    return True


cdef void tell_twin(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    """Says that the call is aborted, so that the twin aborts its own."""
    cdef const template_t* t = &rt.program.defaults[<int> DEFAULT_TWIN_ABORT]
    cdef span_t text
    if not rt.config.has_plain_twin or call.step == 0:
        return
    text = expand_text(rt, call, t.piece_first, t.n_pieces, m, 4)
    if text.len > 0:
        rt.send_command(rt, nothing(), text)


cdef bint is_from(span_t text, const char* peer, uint32_t n) noexcept nogil:
    """Whether the command's From: names that peer; a recvCmd without src takes any."""
    cdef const char* end = text.ptr + text.len
    cdef const char* p = <const char*> memmem(text.ptr, text.len, b"From:", 5)
    if n == 0:
        return True
    if p == NULL:
        return False
    p += 5
    while p < end and p[0] == c' ':
        p += 1
    return end - p >= n and memcmp(p, peer, n) == 0 and (p + n == end or <unsigned char> p[n] <= 32)


cdef void interp_command(runtime_t* rt, call_t* call, span_t text) noexcept nogil:
    cdef uint32_t i = call.step
    cdef const step_t* s
    if memmem(text.ptr, text.len, b"internal-cmd: abort_call", 24) != NULL:
        abort_call(rt, call, COUNT_FAILED_UNEXPECTED_MESSAGE, NULL)
        return
    while i < rt.program.n_steps:
        s = &rt.program.steps[i]
        if s.kind == STEP_RECV_CMD \
                and (rt.config.has_plain_twin or is_from(text, rt.program.pool + s.name_off, s.name_len)):
            break
        if s.kind != STEP_NOP and not s.flags & STEP_OPTIONAL:
            i = rt.program.n_steps
            break
        i += 1
    if i >= rt.program.n_steps:
        complain(rt, call, COMPLAINT_COMMAND, text)
        end_call(rt, call, COUNT_FAILED_CALL_REJECTED, DEAD_FAILED, True)
        return
    s = &rt.program.steps[i]
    bookkeep(rt, call, s)
    count_step(rt, i, STEPC_MESSAGES)
    while text.len > 0 and (text.ptr[text.len - 1] == c'\r' or text.ptr[text.len - 1] == c'\n'):
        text.len -= 1
    call.step = <uint16_t> i
    if s.n_actions and not act(rt, call, i, text, NULL, last_message(rt, call, NULL), True):
        return
    jump(rt, call, acted_step(rt, call, i), NULL)

# --------------------------------------------------------------------------- receiving

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
    if unlikely(s.n_actions) and not act_on_received(rt, call, i, m):
        return
    if m.kind == MSG_REQUEST and m.cseq_number > call.cseq:
        call.cseq = m.cseq_number
    adjust_retransmission(rt, call, i, m)
    if m.kind == MSG_RESPONSE and m.status_code == 200:
        call.flags |= CALL_ACK_PENDING
    if unlikely(s.flags & STEP_RECORDS_ROUTES):
        dialog_record_routes(rt, call, m)
    if unlikely(s.flags & STEP_KEEPS_CHALLENGE):
        dialog_keep_challenge(rt, call, m)
    if unlikely(s.response_txn >= 0) and m.status_code >= 200:
        call_txn(rt, call, s.response_txn).final_hash = fingerprint
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
    jump(rt, call, acted_step(rt, call, i), m)


cdef bint act_on_received(runtime_t* rt, call_t* call, uint32_t i, msg_t* m) noexcept nogil:
    """The actions of a recv; False where they ended the call. [last_*] is still the message before this one."""
    cdef msg_t* last = last_message(rt, call, NULL) if rt.program.actions_use_last[i] else NULL
    cdef uint16_t at = call.step
    cdef bint goes_on
    call.step = <uint16_t> i     # what actions say and [index] is about this step
    goes_on = act(rt, call, i, whole(m), m, last, True)
    if goes_on:
        call.step = at
    return goes_on


cdef inline void note_received(call_t* call, msg_t* m) noexcept nogil:
    call.flags |= CALL_RECEIVED
    if m.kind == MSG_RESPONSE:
        call.last_status = m.status_code


cdef bint handle_unexpected(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    """_unexp.main: the call goes on at that label with the message; False where it is being handled already."""
    cdef int32_t back = rt.program.unexpected_return_var, paused = rt.program.unexpected_pause_var
    cdef uint64_t end_ms = call_dialog(rt, call).pause_end_ms if call.state == CALL_PAUSED else 0
    cdef uint64_t hash_ = call.hash
    if call.flags & CALL_UNEXPECTED:
        return False             # the return variable cannot say so where the call came from step 0
    if back >= 0:
        if variable_number(call_variable(rt, call, back)) != 0:
            return False
        variable_set_number(rt.calls.blocks, call_variable(rt, call, back), call.step)
    if paused >= 0:
        variable_set_number(rt.calls.blocks, call_variable(rt, call, paused), <double> end_ms)
    call.flags |= CALL_UNEXPECTED
    jump(rt, call, <uint32_t> rt.program.unexpected_step, NULL)
    if call.state != CALL_FREE and call.hash == hash_:
        if match_forward(rt, call, m) != NO_STEP:
            interp_deliver(rt, call, m)
        else:
            unexpected(rt, call, m)
        if call.state != CALL_FREE and call.hash == hash_:
            call.flags &= ~CALL_UNEXPECTED
    return True


cdef void unexpected(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    """No recv takes the message (scenario rules: default behaviours)."""
    cdef uint32_t i = call.step
    cdef bint aborts = rt.config.behaviors & BEHAVIOR_ABORT_UNEXPECTED != 0
    if rt.program.unexpected_step >= 0 and handle_unexpected(rt, call, m):
        return
    count(rt, COUNT_WARNINGS)
    if m.kind == MSG_REQUEST and m.method == METHOD_PING:
        trace(rt, TRACE_PING, <int32_t> i, rt.config.behaviors & BEHAVIOR_PING_REPLY, call_call_id(call), nothing())
        if rt.config.behaviors & BEHAVIOR_PING_REPLY:
            count(rt, COUNT_AUTO_ANSWERED)
            send_default(rt, call, DEFAULT_200, m)
        return
    if rt.config.auto_answer and m.kind == MSG_REQUEST and is_auto_answered(m):
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
            tell_twin(rt, call, m)
            end_call(rt, call, COUNT_FAILED_UNEXPECTED_MESSAGE, DEAD_ABORTED, False)
        return
    trace(rt, TRACE_UNEXPECTED, <int32_t> i, 0, call_call_id(call), whole(m))
    trace(rt, TRACE_ABORT_UNEXPECTED if aborts else TRACE_CONTINUE_UNEXPECTED, <int32_t> i, call.state,
          call_call_id(call), whole(m))
    if aborts:
        tell_twin(rt, call, m)
        note_received(call, m)
        abort_call(rt, call, COUNT_FAILED_UNEXPECTED_MESSAGE, m)


cdef void count_received_ack(runtime_t* rt, call_t* call) noexcept nogil:
    """Counts an ACK that no recv takes as a repetition of the last one that was taken."""
    cdef uint32_t i = call.step
    while i > 0:
        i -= 1
        if rt.program.steps[i].kind == STEP_RECV and rt.program.steps[i].flags & STEP_IS_REQUEST \
                and rt.program.steps[i].method == METHOD_ACK:
            count_step(rt, i, STEPC_RETRANS)
            return


cdef uint64_t loose_fingerprint(msg_t* m) noexcept nogil:
    """-rtcheck loose: To, From, Call-ID and CSeq, of a response its first line and body too."""
    cdef span_t v
    cdef uint64_t h = 0
    v = msg_first_value(m, HDR_TO)
    h = hash_bytes(v.ptr, v.len, h)
    v = msg_first_value(m, HDR_FROM)
    h = hash_bytes(v.ptr, v.len, h)
    h = hash_bytes(m.call_id.ptr, m.call_id.len, h)
    v = msg_first_value(m, HDR_CSEQ)
    h = hash_bytes(v.ptr, v.len, h)
    if m.kind == MSG_RESPONSE:
        h = hash_bytes(m.data, m.line_off[0], h)
        h = hash_bytes(m.data + m.body_off, m.len - m.body_off, h)
    return h


cdef inline uint64_t fingerprint_of(runtime_t* rt, msg_t* m) noexcept nogil:
    if unlikely(rt.config.loose_check):
        return loose_fingerprint(m) | 1
    return (fingerprint_aes(m.data, m.len) if rt.has_aes else hash_bytes(m.data, m.len, 0)) | 1


cdef bint follows_invite(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    """BEHAVIOR_CSEQ; False where the call was ended: this ACK's CSeq number is not that of the INVITE before it."""
    cdef uint64_t* kept = <uint64_t*> (<char*> call + rt.invite_cseq_off)
    if m.kind == MSG_REQUEST and m.method == METHOD_INVITE:
        kept[0] = 1 + <uint64_t> m.cseq_number
    elif m.kind == MSG_REQUEST and m.method == METHOD_ACK and kept[0] != 0 and kept[0] != 1 + <uint64_t> m.cseq_number:
        complain(rt, call, COMPLAINT_ACK_CSEQ, whole(m))
        end_call(rt, call, COUNT_FAILED_UNEXPECTED_MESSAGE, DEAD_FAILED, True)
        return False
    return True


cdef void interp_deliver(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    cdef uint64_t fingerprint = 0
    cdef uint32_t i, ack_step = NO_STEP
    cdef bint is_later_ack = False
    cdef span_t tag
    if unlikely(rt.config.ignore_in_pause) and call.state == CALL_PAUSED:
        return
    if unlikely(rt.invite_cseq_off != 0) and not follows_invite(rt, call, m):
        return
    if rt.config.detect_retrans:
        fingerprint = fingerprint_of(rt, m)
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
        is_later_ack = rt.config.detect_retrans and call.flags & CALL_ESTABLISHED != 0
        call.flags |= CALL_ESTABLISHED
    i = match_forward(rt, call, m)
    if unlikely(i == NO_STEP):
        i = match_backward(rt, call, m, fingerprint, &ack_step)
    if likely(i != NO_STEP):
        accept(rt, call, i, m, fingerprint)
    elif ack_step == IGNORED:
        return
    elif ack_step != NO_STEP:
        count_step(rt, ack_step, STEPC_RETRANS)
        render_and_send(rt, call, ack_step, rt.program.steps[ack_step].piece_first,
                        rt.program.steps[ack_step].n_pieces, &rt.program.steps[ack_step], m, False)
    elif is_later_ack:
        # each repeated 2xx has an ACK of its own (RFC 3261 13.2.2.4), which may come after the BYE
        count_received_ack(rt, call)
    else:
        unexpected(rt, call, m)
