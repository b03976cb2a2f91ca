# sippx/_core/endings.pyx: the ends of calls.
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy

from sippx._core.bits cimport unlikely
from sippx._core.bookkeeping cimport nothing, record
from sippx._core.calls cimport *
from sippx._core.codes cimport *
from sippx._core.dialog cimport dialog_close
from sippx._core.message cimport msg_t
from sippx._core.runtime cimport *
from sippx._core.sending cimport send_default
from sippx._core.span cimport span_of
from sippx._core.tables cimport step_t
from sippx._core.wheel cimport wheel_cancel, wheel_is_scheduled

cdef enum:
    TRACED_CALL_ID_CAP = 1024


cdef bint rest(runtime_t* rt, call_t* call, const step_t* s, uint64_t ms) noexcept nogil:
    """Lets a call that only waits for its end do so in a small record; False where it has more to do."""
    cdef bint rested
    if call.failure != 0 or wheel_is_scheduled(&call.retrans_timer) or call.step + 1 < rt.program.n_steps \
            or rt.program.pauses[s.pause_idx].kind != PAUSE_FIXED or rt.variables_off != 0 or rt.dialog_off != 0 \
            or rt.invite_cseq_off != 0 or rt.config.owns_sockets:
        return False
    if unlikely(rt.release != NULL):
        rt.release(rt, call, False)
    if unlikely(traces(rt, TRACE_CALL_ENDED)):
        rested = rest_traced(rt, call, now_ms(rt) + 1 + <uint32_t> ms)
    else:
        rested = calls_rest(&rt.calls, call, now_ms(rt) + 1 + <uint32_t> ms)
    if unlikely(not rested and rt.adopt != NULL):
        rt.adopt(rt, call)
    return rested


cdef bint rest_traced(runtime_t* rt, call_t* call, uint32_t expiry_ms) noexcept nogil:
    """Traces the end of a call that goes to rest: its small record has no Call-ID to do so later."""
    cdef char[TRACED_CALL_ID_CAP] text
    cdef uint32_t n = call.call_id_len if call.call_id_len < TRACED_CALL_ID_CAP else TRACED_CALL_ID_CAP
    cdef int32_t step = call.step
    memcpy(text, call_text(call), n)
    if not calls_rest(&rt.calls, call, expiry_ms):
        return False
    trace(rt, TRACE_CALL_ENDED, step, DEAD_SUCCESSFUL, span_of(text, n), nothing())
    return True


cdef void end_rest(runtime_t* rt, const resting_t* r) noexcept nogil:
    # ends when its time was over, however late the engine looks; a forced quit ends it before
    cdef uint64_t end_ns = rt.start_ns + <uint64_t> r.expiry_ms * NS_PER_MS
    count(rt, COUNT_SUCCESSFUL_CALLS)
    count(rt, COUNT_CALLS_ENDED)
    record(rt, rt.program.n_rtds, (end_ns if end_ns < rt.now_ns else rt.now_ns) - r.start_ns)


cdef void close_init(runtime_t* rt, call_t* call) noexcept nogil:
    """The hidden call of <init> is no call of the test: nothing is counted."""
    wheel_cancel(&rt.timers, &call.timer)
    wheel_cancel(&rt.retrans, &call.retrans_timer)
    set_state(rt, call, CALL_RUNNING)
    if rt.release != NULL:
        rt.release(rt, call, False)
    dialog_close(rt, call)
    calls_close(&rt.calls, call, False, DEAD_SUCCESSFUL, now_ms(rt))


cdef void end_call(runtime_t* rt, call_t* call, uint32_t failure, uint32_t reason, bint remember) noexcept nogil:
    """Counts the outcome (failure: Counter of the cause, 0 for success) and frees the call."""
    if unlikely(traces(rt, TRACE_CALL_ENDED)):
        trace(rt, TRACE_CALL_ENDED, call.step, <int32_t> reason, call_call_id(call), nothing())
    if unlikely(call.flags & CALL_INIT):
        close_init(rt, call)
        return
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
    if unlikely(rt.release != NULL):
        rt.release(rt, call, False)
    if rt.variables_off != 0 or rt.dialog_off != 0:
        dialog_close(rt, call)
    calls_close(&rt.calls, call, remember, reason, now_ms(rt))


cdef void abort_call(runtime_t* rt, call_t* call, uint32_t failure, msg_t* current) noexcept nogil:
    """Ends the call early: a client tells its peer with ACK, CANCEL or BYE, built from the last message."""
    if rt.config.says_goodbye and call.step > 0 and rt.config.behaviors & BEHAVIOR_BYE:
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


cdef void answer_stray(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    count(rt, COUNT_AUTO_ANSWERED)
    send_default(rt, call, DEFAULT_200, m)
    calls_close(&rt.calls, call, False, DEAD_SUCCESSFUL, now_ms(rt))


cdef void give_up(runtime_t* rt, call_t* call) noexcept nogil:
    if only_waits_for_its_end(rt, call):
        # has done all its scenario asks for, as a resting call; one that was woken kept no message to answer
        end_call(rt, call, 0, DEAD_SUCCESSFUL, True)
        return
    count(rt, COUNT_WARNINGS)
    trace(rt, TRACE_ABORTED_CALL, call.step, 0, call_call_id(call), nothing())
    abort_call(rt, call, COUNT_FAILED_ABORTED, NULL)
