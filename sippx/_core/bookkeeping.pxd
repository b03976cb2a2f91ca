# sippx/_core/bookkeeping.pxd: what the steps of calls leave in an engine's counters: response times, counters.
from libc.stdint cimport int32_t, uint32_t, uint64_t

from sippx._core.bits cimport unlikely
from sippx._core.calls cimport call_call_id, call_t, call_tail
from sippx._core.codes cimport STEP_REPEAT_RTD, TRACE_RTT
from sippx._core.message cimport msg_t
from sippx._core.ring cimport rtt_trace_t
from sippx._core.runtime cimport runtime_t, trace, traces
from sippx._core.span cimport span_of, span_t
from sippx._core.stats cimport HIST_WORDS, hist_record, repartition_record
from sippx._core.tables cimport step_t

cdef inline span_t nothing() noexcept nogil:
    return span_of(<const char*> b"", 0)

cdef inline span_t whole(msg_t* m) noexcept nogil:
    return span_of(m.data, m.len)

cdef inline void record(runtime_t* rt, uint32_t hist, uint64_t v_ns) noexcept nogil:
    """Adds a value to RTD `hist` (n_rtds: call length) and to its repartition table."""
    cdef uint32_t first = rt.program.bounds_first[hist]
    cdef uint32_t n = rt.program.bounds_first[hist + 1] - first
    hist_record(rt.hists + <uint64_t> hist * HIST_WORDS, &rt.maxima[hist], v_ns)
    if n > 0:
        # every table before this one has one word more than bounds
        repartition_record(rt.repartitions + first + hist, rt.program.bounds_ns + first, n, v_ns)

cdef inline void trace_response_time(runtime_t* rt, call_t* call, int32_t rtd, uint64_t duration_ns) noexcept nogil:
    cdef rtt_trace_t rtt
    rtt.at_ns = rt.now_ns - rt.start_ns
    rtt.duration_ns = duration_ns
    trace(rt, TRACE_RTT, rtd, 0, call_call_id(call), span_of(<const char*> &rtt, sizeof(rtt)))

cdef inline void bookkeep(runtime_t* rt, call_t* call, const step_t* s) noexcept nogil:
    """RTDs and generic counter of a step that is being executed."""
    cdef uint64_t* tail
    cdef uint64_t bit, duration_ns
    if s.start_rtd >= 0:
        call_tail(call)[1 + s.start_rtd] = rt.now_ns
    if s.stop_rtd >= 0:
        tail = call_tail(call)
        bit = 1ULL << s.stop_rtd
        if tail[0] & bit == 0 or s.flags & STEP_REPEAT_RTD:
            tail[0] |= bit
            duration_ns = rt.now_ns - (tail[1 + s.stop_rtd] if rt.program.has_start_rtd else call.start_ns)
            record(rt, s.stop_rtd, duration_ns)
            if unlikely(traces(rt, TRACE_RTT)):
                trace_response_time(rt, call, s.stop_rtd, duration_ns)
    if s.counter >= 0:
        rt.generic[s.counter] += 1
