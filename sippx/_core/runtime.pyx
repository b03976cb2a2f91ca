# sippx/_core/runtime.pyx: trace records of a runtime.
from sippx._core.clock cimport wall_ns


cdef void trace(runtime_t* rt, uint32_t kind, int32_t a, int32_t b, span_t call_id, span_t data) noexcept nogil:
    """Puts a record in the ring if that kind is wanted; what the ring has no room for is counted."""
    if not traces(rt, kind):
        return
    if not ring_put(rt.ring, kind | rt.trace_flags, wall_ns(), a, b, call_id, data):
        rt.shared.counters[<int> COUNT_TRACE_DROPS] += 1
