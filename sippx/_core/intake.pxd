# sippx/_core/intake.pxd: messages that came: parsed, brought to their call, or to one that is opened for them.
from libc.stdint cimport uint32_t

from sippx._core.address cimport address_t
from sippx._core.program cimport program_t
from sippx._core.span cimport span_t
from sippx._core.state cimport engine_t

# A message from source: parsed now, delivered with others by deliver_parsed(), or at once where PARSE_BATCH are there.
# bytes and source are borrowed until then.
cdef void take_message(engine_t* e, const char* bytes, uint32_t n, const address_t* source) noexcept nogil
cdef void deliver_parsed(engine_t* e) noexcept nogil
# Datagrams of `segment` bytes back to back, the last may be shorter; delivered when it returns.
cdef void take_datagrams(engine_t* e, const char* bytes, uint32_t n_bytes, uint32_t segment,
                         const address_t* source) noexcept nogil

# Whether the first step that waits or sends is a recvCmd: calls are opened by the twin.
cdef bint opens_by_command(const program_t* p) noexcept nogil
# A command of the twin for the call with that Call-ID, which it opens where the scenario begins with a recvCmd.
cdef void take_command(engine_t* e, span_t text, span_t call_id) noexcept nogil
