# sippx/_core/runtime.pyx: trace records of a runtime, targets that do not answer.
from libc.stdint cimport uint32_t

from sippx._core.address cimport address_equal
from sippx._core.clock cimport wall_ns


cdef void trace(runtime_t* rt, uint32_t kind, int32_t a, int32_t b, span_t call_id, span_t data) noexcept nogil:
    """Puts a record in the ring if that kind is wanted; what the ring has no room for is counted."""
    if not traces(rt, kind):
        return
    if not ring_put(rt.ring, kind | rt.trace_flags, wall_ns(), a, b, call_id, data):
        rt.shared.counters[<int> COUNT_TRACE_DROPS] += 1


cdef void target_failed(runtime_t* rt, const address_t* peer) noexcept nogil:
    cdef targets_t* t = rt.shared.targets
    cdef address_t plain = peer[0]
    cdef uint32_t i
    plain.via = 0
    for i in range(t.n_targets):
        if address_equal(&t.targets[i].address, &plain):
            targets_failed(t, i, now_ms(rt), TARGET_PENALTY_MS)
            return
