# sippx/_core/matching.pxd: which recv of the program takes a message (SIPp's rules, not those of RFC 3261).
#
# A response needs the right code and either the branch of the recv's named transaction or a CSeq method that
# occurs in all methods sent above, joined. The search goes forward from the call's step over optional receives to
# the first mandatory one, then backward over optional ones just passed and global ones anywhere before.
from libc.stdint cimport uint32_t, uint64_t

from sippx._core.calls cimport call_t
from sippx._core.message cimport msg_t
from sippx._core.runtime cimport runtime_t

cdef enum:
    IGNORED = 0xFFFE             # no step: the message changes nothing
    NO_STEP = 0xFFFF             # program limit is 65000 steps

# Whether a request is one that the scenario of a server begins with.
cdef bint opens_call(runtime_t* rt, msg_t* m) noexcept nogil

cdef uint32_t match_forward(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil

# fingerprint: of the message. Where no recv takes it, ack_step is the ACK to send again for a repeated answer to
# an INVITE, IGNORED for a late response of a named transaction, or untouched.
cdef uint32_t match_backward(runtime_t* rt, call_t* call, msg_t* m, uint64_t fingerprint,
                             uint32_t* ack_step) noexcept nogil
