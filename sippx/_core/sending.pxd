# sippx/_core/sending.pxd: messages of a call: from templates into the outbox.
from libc.stdint cimport int32_t, uint32_t

from sippx._core.bits cimport unlikely
from sippx._core.calls cimport call_drop_retrans, call_t
from sippx._core.codes cimport STEP_HAS_LOST
from sippx._core.message cimport msg_t
from sippx._core.parser cimport msg_parse
from sippx._core.runtime cimport chance_percent, runtime_t
from sippx._core.tables cimport step_t
from sippx._core.wheel cimport wheel_cancel

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

cdef inline void stop_retransmitting(runtime_t* rt, call_t* call) noexcept nogil:
    wheel_cancel(&rt.retrans, &call.retrans_timer)
    call_drop_retrans(&rt.calls, call)

# Room in the outbox for a message of the call; min_group as outbox_commit() takes it.
cdef int32_t reserve(runtime_t* rt, call_t* call, uint32_t template_idx, uint32_t* min_group) noexcept nogil
# Files the n bytes rendered there.
cdef void file_message(runtime_t* rt, call_t* call, uint32_t template_idx, int32_t group, uint32_t n,
                       uint32_t min_group) noexcept nogil

# Renders a template and files it; with keep the bytes are kept for retransmission. current: the message at
# hand, NULL none. s: the step, NULL for a default message. False: not sent.
cdef bint render_and_send(runtime_t* rt, call_t* call, uint32_t template_idx, uint32_t piece_first,
                          uint32_t n_pieces, const step_t* s, msg_t* current, bint keep) noexcept nogil
# A default message (DefaultMessage).
cdef bint send_default(runtime_t* rt, call_t* call, uint32_t which, msg_t* current) noexcept nogil
# Executes the send at step i; False where the message could not be built (the call fails).
cdef bint send_step(runtime_t* rt, call_t* call, uint32_t i, msg_t* current) noexcept nogil
