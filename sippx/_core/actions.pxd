# sippx/_core/actions.pxd: what the <action>s of a step do to a call's variables and to the run.
from libc.stdint cimport int32_t, uint32_t

from sippx._core.calls cimport call_t
from sippx._core.message cimport msg_t
from sippx._core.runtime cimport runtime_t
from sippx._core.span cimport span_t

cdef struct outcome_t:
    uint32_t failure             # Counter of the first check that failed (later actions were left out), 0 none
    int32_t jump_step            # where the call goes on, -1: as it would
    bint stop_call               # int_cmd stop_call

# Executes all actions of step `i`. text is what they look at (the message received or sent, empty for
# other steps), m the same parsed where it was received, last the last message before it.
cdef outcome_t actions_run(runtime_t* rt, call_t* call, uint32_t i, span_t text, msg_t* m, msg_t* last) noexcept nogil
