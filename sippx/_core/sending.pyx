# sippx/_core/sending.pyx: rendering and filing of messages, and what a send means for its call.
from libc.stdint cimport int32_t, uint16_t, uint32_t

from sippx._core.address cimport VIA_UNATTACHED
from sippx._core.bits cimport unlikely
from sippx._core.bookkeeping cimport bookkeep, nothing
from sippx._core.calls cimport *
from sippx._core.codes cimport *
from sippx._core.dialog cimport branch_hash
from sippx._core.expand cimport expand_context
from sippx._core.message cimport msg_t
from sippx._core.outbox cimport OUTBOX_FULL, outbox_abandon, outbox_commit, outbox_reserve, outbox_room
from sippx._core.parser cimport PARSE_OK, msg_parse
from sippx._core.runtime cimport *
from sippx._core.span cimport span_of
from sippx._core.tables cimport step_t
from sippx._core.template cimport MESSAGE_CAP, RENDER_E_TOO_LONG, render_ctx_t, template_render


cdef void file_message(runtime_t* rt, call_t* call, uint32_t template_idx, int32_t group, uint32_t n,
                       uint32_t min_group) noexcept nogil:
    if unlikely(traces(rt, TRACE_SENT)):
        trace(rt, TRACE_SENT, <int32_t> template_idx, 0, call_call_id(call),
              span_of(outbox_room(&rt.outbox, group), n))
    group = outbox_commit(&rt.outbox, group, n, min_group)
    rt.sent = span_of(outbox_room(&rt.outbox, group) - n, n)
    rt.group_hint[template_idx] = group
    call.outbox_generation = rt.outbox.generation
    call.outbox_group = <uint16_t> group


cdef int32_t reserve(runtime_t* rt, call_t* call, uint32_t template_idx, uint32_t* min_group) noexcept nogil:
    cdef int32_t group
    min_group[0] = call.outbox_group if call.outbox_generation == rt.outbox.generation else 0
    group = outbox_reserve(&rt.outbox, &call.remote, rt.group_hint[template_idx], min_group[0])
    if unlikely(group == OUTBOX_FULL):
        rt.flush(rt)
        min_group[0] = 0
        group = outbox_reserve(&rt.outbox, &call.remote, -1, 0)
    return group


cdef bint attach(runtime_t* rt, call_t* call) noexcept nogil:
    """Gives the call what it sends through; False: it cannot be had."""
    cdef uint32_t readiness
    if rt.prepare == NULL:
        return False
    readiness = rt.prepare(rt, call)
    return readiness == READY or readiness == NOT_READY


cdef bint render_and_send(runtime_t* rt, call_t* call, uint32_t template_idx, uint32_t piece_first,
                          uint32_t n_pieces, const step_t* s, msg_t* current, bint keep) noexcept nogil:
    """Renders a template and files it; with keep the bytes are kept for retransmission. False: not sent."""
    cdef render_ctx_t ctx
    cdef uint32_t min_group
    cdef int32_t group
    cdef int32_t n
    if unlikely(call.remote.via == VIA_UNATTACHED) and not attach(rt, call):
        return False
    group = reserve(rt, call, template_idx, &min_group)
    expand_context(rt, call, last_message(rt, call, current) if rt.program.uses_last[template_idx] else NULL, &ctx)
    n = template_render(rt.program.pieces + piece_first, n_pieces, rt.program.pool, &ctx,
                        outbox_room(&rt.outbox, group), MESSAGE_CAP)
    if unlikely(n <= 0):
        outbox_abandon(&rt.outbox, group)
        if n == RENDER_E_TOO_LONG or n == 0:
            trace(rt, TRACE_MESSAGE_TOO_LONG, <int32_t> template_idx, 0, call_call_id(call), nothing())
        return False
    if keep and not call_save_retrans(&rt.calls, call, outbox_room(&rt.outbox, group), <uint32_t> n):
        outbox_abandon(&rt.outbox, group)
        return False
    if unlikely(is_lost(rt, s)):
        if s != NULL:
            count_step(rt, template_idx, STEPC_LOST)
        rt.sent = span_of(outbox_room(&rt.outbox, group), <uint32_t> n)
        trace(rt, TRACE_LOST, 0, 0, call_call_id(call), rt.sent)
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
    if s.start_txn >= 0:
        if msg_parse(&rt.saved, rt.sent.ptr, rt.sent.len) == PARSE_OK:
            call_txn(rt, call, s.start_txn).branch_hash = branch_hash(&rt.saved)
        call_txn(rt, call, s.start_txn).final_hash = 0
        call_txn(rt, call, s.start_txn).ack_step = 0
    if s.ack_txn >= 0:
        call_txn(rt, call, s.ack_txn).ack_step = i + 1
    return True
