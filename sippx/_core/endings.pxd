# sippx/_core/endings.pxd: how calls end: counted, aborted with a goodbye, or resting until their timewait is over.
from libc.stdint cimport uint32_t, uint64_t

from sippx._core.calls cimport CALL_PAUSED, call_t, resting_t
from sippx._core.codes cimport STEP_TIMEWAIT
from sippx._core.message cimport msg_t
from sippx._core.runtime cimport runtime_t
from sippx._core.tables cimport step_t

cdef inline void set_state(runtime_t* rt, call_t* call, uint32_t state) noexcept nogil:
    rt.n_paused += (state == CALL_PAUSED) - <int> (call.state == CALL_PAUSED)
    call.state = <unsigned char> state

cdef inline bint only_waits_for_its_end(const runtime_t* rt, const call_t* call) noexcept nogil:
    return call.state == CALL_PAUSED and call.failure == 0 and rt.program.steps[call.step].flags & STEP_TIMEWAIT != 0

# Counts the outcome (failure: Counter of the cause, 0 for success) and frees the call.
cdef void end_call(runtime_t* rt, call_t* call, uint32_t failure, uint32_t reason, bint remember) noexcept nogil
# Ends the call early: a client tells its peer with ACK, CANCEL or BYE, built from the last message.
cdef void abort_call(runtime_t* rt, call_t* call, uint32_t failure, msg_t* current) noexcept nogil

# Lets a call that only waits for its end do so in a small record; False where it has more to do.
cdef bint rest(runtime_t* rt, call_t* call, const step_t* s, uint64_t ms) noexcept nogil
# A call whose rest (final timewait, see calls_rest) is over has succeeded.
cdef void end_rest(runtime_t* rt, const resting_t* r) noexcept nogil

# The 200 of -aa to a request that belongs to no call (`call` was opened for it, and is closed).
cdef void answer_stray(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil
# Ends an open call that the user gave up on (forced quit), with the default BYE or CANCEL.
cdef void give_up(runtime_t* rt, call_t* call) noexcept nogil
