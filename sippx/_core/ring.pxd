# sippx/_core/ring.pxd: a bounded ring of trace records from the engine's thread to the tracer's.
#
# One producer (the engine, no GIL), one consumer (any Python thread). A record that does not fit is
# dropped and counted: a slow disk never holds up a call.
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t

from sippx._core.span cimport span_t

cdef struct ring_t:
    char* bytes
    uint64_t size                # a power of two
    uint64_t head                # written by the producer
    uint64_t tail                # written by the consumer
    uint64_t n_dropped

cdef struct record_t:
    uint32_t n_bytes             # of the record, a multiple of 8
    uint16_t kind                # TraceKind
    uint16_t call_id_len
    uint32_t data_len
    int32_t a
    int32_t b
    uint32_t reserved
    uint64_t wall_ns

# data of a TRACE_RTT record
cdef struct rtt_trace_t:
    uint64_t at_ns               # since the engine's start
    uint64_t duration_ns

cdef int ring_init(ring_t* r, uint64_t size) noexcept nogil      # 0, or -1: no memory
cdef void ring_free(ring_t* r) noexcept nogil

# False where the record was dropped. Records larger than a quarter of the ring lose the end of `data`.
cdef bint ring_put(ring_t* r, uint32_t kind, uint64_t wall_ns, int32_t a, int32_t b, span_t call_id,
                   span_t data) noexcept nogil

# The consumer's side. ring_peek: the head of the oldest record, False where there is none; ring_read: n of its
# bytes from `off` on; ring_drop: gives it up; ring_take: the record as Python sees it, which gives it up.
cdef bint ring_peek(ring_t* r, record_t* h) noexcept nogil
cdef void ring_read(ring_t* r, uint64_t off, char* p, uint64_t n) noexcept nogil
cdef void ring_drop(ring_t* r, const record_t* h) noexcept nogil
cdef tuple ring_take(ring_t* r, const record_t* h)

cdef class TraceRing:
    cdef ring_t ring
