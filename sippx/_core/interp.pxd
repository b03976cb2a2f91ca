# sippx/_core/interp.pxd: runs calls through the program: sends, matches, retransmits, times out, ends.
#
# The engine feeds it three kinds of events (a message, a timer, a retransmission timer) and the start
# of calls. Behaviour is SIPp's: see docs/compatibility.md for the rules and the chosen differences.
# After any of these calls the call may have ended: its pointer is dead.
from libc.stdint cimport uint32_t, uint64_t

from sippx._core.calls cimport call_t
from sippx._core.codes cimport METHOD_INFO, METHOD_NOTIFY, METHOD_OPTIONS, METHOD_UPDATE
from sippx._core.message cimport msg_t
from sippx._core.runtime cimport runtime_t
from sippx._core.span cimport span_t

# Runs a call that was just opened: from step 0 (CALL_INIT: the first init step) until it parks.
# user_id: from 1, 0 without -users.
cdef void interp_start(runtime_t* rt, call_t* call, uint32_t user_id) noexcept nogil

# A message for the call. `m` is borrowed for the time of the call only.
cdef void interp_deliver(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil

# call.timer / call.retrans_timer has come due.
cdef void interp_timer(runtime_t* rt, call_t* call) noexcept nogil
cdef void interp_retransmit(runtime_t* rt, call_t* call) noexcept nogil

# The connection of a call that waits to send takes more.
cdef void interp_resume(runtime_t* rt, call_t* call) noexcept nogil

# A message for a resting call that was just woken: it goes on waiting until engine tick expiry_ms.
cdef void interp_woken(runtime_t* rt, call_t* call, uint64_t expiry_ms, msg_t* m) noexcept nogil

# A command from the twin for the call.
cdef void interp_command(runtime_t* rt, call_t* call, span_t text) noexcept nogil

# -aa: whether an unexpected request is answered automatically.
cdef inline bint is_auto_answered(const msg_t* m) noexcept nogil:
    return m.method == METHOD_INFO or m.method == METHOD_NOTIFY or m.method == METHOD_OPTIONS \
        or m.method == METHOD_UPDATE
