# sippx/_core/runtime.pxd: what one engine's calls run on: program, calls, timers, outbox, counters.
#
# One runtime_t per engine and thread, shared with nobody. `flush` is the seam to the transport: it
# sends what the outbox holds and clears it.
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from sippx._core.address cimport address_t
from sippx._core.calls cimport call_t, calls_t
from sippx._core.codes cimport *
from sippx._core.hash cimport random_u64
from sippx._core.message cimport msg_t
from sippx._core.outbox cimport outbox_t
from sippx._core.program cimport program_t
from sippx._core.ring cimport ring_put, ring_t
from sippx._core.span cimport span_of, span_t
from sippx._core.wheel cimport wheel_node_t, wheel_schedule, wheel_t

cdef enum:
    NS_PER_MS = 1000000

cdef struct config_t:
    bint detect_retrans          # off with -nr
    uint32_t t2_ms
    uint32_t max_invite_retrans
    uint32_t max_non_invite_retrans
    uint32_t behaviors           # Behavior bits
    uint32_t base_cseq
    uint32_t run_steps           # steps a call may run in one turn
    uint64_t late_start_ns       # a start this much behind its due time counts as late
    double lost_percent

cdef struct runtime_t:
    program_t* program
    config_t config
    calls_t calls
    wheel_t timers               # call_t.timer
    wheel_t retrans              # call_t.retrans_timer
    outbox_t outbox
    void (*flush)(runtime_t*) noexcept nogil
    void* owner                  # of flush
    ring_t* ring
    uint32_t trace_mask          # bit per TraceKind that is recorded
    uint64_t start_ns
    uint64_t now_ns              # read once a turn
    uint64_t random_state
    bint has_aes
    address_t remote             # where outgoing calls go
    uint64_t n_calls             # created so far; also the last call number
    uint32_t n_paused
    bint ended_call_failed
    # the flat array of counters and its parts
    uint64_t* words
    uint64_t n_words
    uint64_t* counters
    uint64_t* gauges
    uint64_t* steps              # n_steps x N_STEP_COUNTERS
    uint64_t* generic
    uint64_t* hists              # n_rtds, call length, schedule lag; HIST_WORDS each
    uint64_t* repartitions
    uint64_t* maxima             # one per histogram
    int32_t* group_hint          # per template (steps, then defaults): group its last message went to
    msg_t saved                  # parse of a call's saved last message

cdef inline void count(runtime_t* rt, uint32_t counter) noexcept nogil:
    rt.counters[counter] += 1

cdef inline void count_step(runtime_t* rt, uint32_t step, uint32_t counter) noexcept nogil:
    rt.steps[step * N_STEP_COUNTERS + counter] += 1

cdef inline uint32_t now_ms(const runtime_t* rt) noexcept nogil:
    return <uint32_t> ((rt.now_ns - rt.start_ns) // NS_PER_MS)

cdef inline void schedule_after(runtime_t* rt, wheel_t* wheel, wheel_node_t* node, uint64_t delay_ms) noexcept nogil:
    # rounded up to the tick: never early
    wheel_schedule(wheel, node, (rt.now_ns - rt.start_ns + NS_PER_MS - 1) // NS_PER_MS + delay_ms)

cdef inline bint chance_percent(runtime_t* rt, double percent) noexcept nogil:
    return percent > 0 and <double> (random_u64(&rt.random_state) >> 11) * (100.0 / 9007199254740992.0) < percent

cdef void trace(runtime_t* rt, uint32_t kind, int32_t a, int32_t b, span_t call_id, span_t data) noexcept nogil

cdef inline bint traces(const runtime_t* rt, uint32_t kind) noexcept nogil:
    return rt.trace_mask >> kind & 1
