# sippx/_core/dialog.pxd: what a call remembers of its dialog beyond the last message.
#
# Route set and remote target (RFC 3261 12.1, rrs), the challenge to answer (auth), the branches of named
# transactions, and the tail of a call's record as a whole. Only where the program needs it.
from libc.stdint cimport uint32_t, uint64_t

from sippx._core.calls cimport call_t
from sippx._core.message cimport msg_t
from sippx._core.runtime cimport runtime_t, users_t
from sippx._core.span cimport span_t

# A call was opened: picks its injection lines and its TDM circuit. False: no circuit is free.
cdef bint dialog_open(runtime_t* rt, call_t* call, uint32_t user_id) noexcept nogil

# Gives back all that the tail of the call's record owns.
cdef void dialog_close(runtime_t* rt, call_t* call) noexcept nogil

# rrs: keeps route set and remote target; once the call has a route set it is never replaced.
cdef void dialog_record_routes(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil

# auth: keeps the challenges of a 401 or 407.
cdef void dialog_keep_challenge(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil

# Hash of the branch of the top Via, never 0; 0 where there is none.
cdef uint64_t branch_hash(msg_t* m) noexcept nogil

# A user without a call, 0: none. And how many users there are; those above it leave when their calls end.
cdef uint32_t users_take(users_t* u) noexcept nogil
cdef void users_set(users_t* u, uint32_t n) noexcept nogil
