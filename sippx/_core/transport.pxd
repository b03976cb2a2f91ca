# sippx/_core/transport.pxd: what carries an engine's messages: a UDP socket, or a memory link for simulations.
#
# The seam to the rest: rt.flush sends what a runtime's outbox holds, receive() hands what came to intake.
from libc.stdint cimport uint32_t, uint64_t

from sippx._core.runtime cimport runtime_t
from sippx._core.span cimport span_t
from sippx._core.state cimport engine_t

# rt.flush of engines with and without a socket, rt.send_command
cdef void flush_udp(runtime_t* rt) noexcept nogil
cdef void flush_memory(runtime_t* rt) noexcept nogil
cdef bint keep_command(runtime_t* rt, span_t peer, span_t text) noexcept nogil

cdef void flush_all(engine_t* e) noexcept nogil
cdef void set_now(engine_t* e, uint64_t now_ns) noexcept nogil

# Takes one batch off the socket: buffers that came; there may be more behind a full batch only.
cdef uint32_t receive(engine_t* e) noexcept nogil
# Moves what the socket layer counted into the engine's counters; reports errors that are new.
cdef void collect_udp_counters(engine_t* e) noexcept nogil
