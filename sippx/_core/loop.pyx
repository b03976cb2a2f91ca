# sippx/_core/loop.pyx: pace, flush, wait, receive, expire, flush: one turn after the other. No SIP syntax in it.
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset

from sippx._core.bits cimport prefetch, unlikely
from sippx._core.calls cimport *
from sippx._core.clock cimport monotonic_ns
from sippx._core.codes cimport *
from sippx._core.endings cimport end_rest, give_up
from sippx._core.interp cimport interp_retransmit, interp_timer
from sippx._core.connections cimport connections_expire, connections_next_ms
from sippx._core.linux cimport TFD_TIMER_ABSTIME, itimerspec, timerfd_settime
from sippx._core.pacing cimport next_start_ns, pace
from sippx._core.runtime cimport NS_PER_MS, STOP_GRACEFULLY, STOP_NOW, now_ms, runtime_t
from sippx._core.state cimport engine_t
from sippx._core.transport cimport (
    INPUT_MORE, INPUT_NONE, INPUT_SIGNAL, INPUT_SOME, close_connections_at_end, collect_counters, flush_all, poll_input,
    set_now, settle, wait_input,
)
from sippx._core.wheel cimport wheel_advance, wheel_next, wheel_node_t, wheel_pop

cdef extern from "<stddef.h>" nogil:
    size_t RETRANS_NODE_OFFSET "offsetof(struct __pyx_t_5sippx_5_core_5calls_call_t, retrans_timer)"

cdef enum:
    NO_SLEEP_NS = 3000           # a wait that ends sooner found the message there
    REST_SLACK_MS = 16           # resting calls do nothing when they end: they wait for a turn that comes anyway

# --------------------------------------------------------------------------- timers and the turn

cdef void expire(engine_t* e) noexcept nogil:
    expire_calls(&e.rt)
    if unlikely(e.side != NULL):
        expire_calls(e.side)
    if unlikely(e.connections != NULL):
        connections_expire(e.connections, now_ms(&e.rt))


cdef void expire_calls(runtime_t* rt) noexcept nogil:
    cdef uint64_t tick = (rt.now_ns - rt.start_ns) // NS_PER_MS
    cdef wheel_node_t* node
    cdef resting_t* r
    wheel_advance(&rt.retrans, tick)
    while True:
        node = wheel_pop(&rt.retrans)
        if node == NULL:
            break
        interp_retransmit(rt, <call_t*> (<char*> node - RETRANS_NODE_OFFSET))
    wheel_advance(&rt.timers, tick)
    while True:
        node = wheel_pop(&rt.timers)
        if node == NULL:
            break
        if node.next != NULL:
            prefetch(node.next)
        interp_timer(rt, <call_t*> node)
    r = calls_rested(&rt.calls, now_ms(rt))
    while r != NULL:
        end_rest(rt, r)
        calls_end_rest(&rt.calls, True, now_ms(rt))
        r = calls_rested(&rt.calls, now_ms(rt))
    calls_expire_dead(&rt.calls, now_ms(rt))


cdef uint64_t next_timer_ns(engine_t* e) noexcept nogil:
    cdef uint64_t t = next_timer_of(&e.rt), u
    if unlikely(e.side != NULL):
        u = next_timer_of(e.side)
        if u < t:
            t = u
    if unlikely(e.connections != NULL):
        u = connections_next_ms(e.connections)
        if u != ~0ULL and e.rt.start_ns + u * NS_PER_MS < t:
            t = e.rt.start_ns + u * NS_PER_MS
    return t


cdef uint64_t next_timer_of(runtime_t* rt) noexcept nogil:
    cdef uint64_t a = wheel_next(&rt.timers), b = wheel_next(&rt.retrans)
    cdef int32_t left_ms
    if b < a:
        a = b
    if rt.calls.n_resting > 0:
        # the queue's head may have been woken meanwhile: a wake-up too many does no harm
        left_ms = <int32_t> (rt.calls.resting[rt.calls.resting_oldest].expiry_ms - now_ms(rt))
        b = now_ms(rt) + <uint64_t> (left_ms if left_ms > 0 else 0) + REST_SLACK_MS
        if b < a:
            a = b
    return ~0ULL if a == ~0ULL else rt.start_ns + a * NS_PER_MS


cdef void give_up_calls(runtime_t* rt) noexcept nogil:
    cdef resting_t* r
    cdef uint32_t i
    for i in range(rt.calls.n_touched):
        if call_at(&rt.calls, i).state != CALL_FREE:
            give_up(rt, call_at(&rt.calls, i))
    # a resting call has done all its scenario asks for
    while rt.calls.n_resting > 0:
        r = calls_rested(&rt.calls, rt.calls.resting[rt.calls.resting_oldest].expiry_ms)
        if r != NULL:
            end_rest(rt, r)
            calls_end_rest(&rt.calls, True, now_ms(rt))


cdef void heed_stop(engine_t* e) noexcept nogil:
    """int_cmd stop_gracefully: no new calls."""
    if unlikely(e.shared.stop == <uint32_t> STOP_GRACEFULLY) and e.quit_level < QUIT_SOFT:
        e.quit_level = QUIT_SOFT


cdef bint finished(const engine_t* e) noexcept nogil:
    return e.shared.stop >= <uint32_t> STOP_NOW or e.quit_level != QUIT_RUN and e.rt.calls.n_open == 0


cdef void end_test(engine_t* e) noexcept nogil:
    if e.side != NULL and e.shared.stop < <uint32_t> STOP_NOW:
        give_up_calls(e.side)
    flush_all(e)
    if e.connections != NULL:
        close_connections_at_end(e)


cdef void update_gauges_of(runtime_t* rt) noexcept nogil:
    rt.gauges[<int> GAUGE_CURRENT_CALLS] = rt.calls.n_open
    rt.gauges[<int> GAUGE_PAUSED_CALLS] = rt.n_paused + rt.calls.n_resting
    rt.gauges[<int> GAUGE_RUNNING_CALLS] = rt.calls.n_open - rt.n_paused - rt.calls.n_resting
    rt.gauges[<int> GAUGE_DEAD_CALLS] = rt.calls.dead_head - rt.calls.dead_tail
    rt.gauges[<int> GAUGE_CALLS_TOTAL] = rt.n_calls
    rt.gauges[<int> GAUGE_MEMORY_BYTES] = calls_memory_bytes(&rt.calls)


cdef void update_gauges(engine_t* e) noexcept nogil:
    update_gauges_of(&e.rt)
    if e.side != NULL:
        update_gauges_of(e.side)
    collect_counters(e)


cdef int sleep_until(engine_t* e, uint64_t wake_ns) noexcept nogil:
    """Waits for input until wake_ns or a little before."""
    cdef itimerspec at
    cdef uint64_t begin_ns = monotonic_ns()
    cdef int status
    if begin_ns >= wake_ns:
        return INPUT_NONE
    if e.timer_at_ns > wake_ns or e.timer_at_ns <= begin_ns:
        memset(&at, 0, sizeof(at))
        at.it_value.tv_sec = <long> (wake_ns // 1000000000)
        at.it_value.tv_nsec = <long> (wake_ns % 1000000000)
        timerfd_settime(e.timer_fd, TFD_TIMER_ABSTIME, &at, NULL)
        e.timer_at_ns = wake_ns
    status = wait_input(e)
    if status == INPUT_SOME or status == INPUT_MORE:
        e.is_idle = monotonic_ns() - begin_ns > NO_SLEEP_NS
    return status


cdef int run_slice(engine_t* e, uint64_t end_ns, uint32_t max_receive_batches) noexcept nogil:
    """Turns until end_ns, the end of the test (1), or a signal (2)."""
    cdef runtime_t* rt = &e.rt
    cdef uint64_t wake, t
    cdef uint32_t k
    cdef int status
    cdef bint more_due
    set_now(e, monotonic_ns())
    while True:
        if unlikely(e.quit_level >= QUIT_FORCED and rt.calls.n_open > 0):
            give_up_calls(rt)
        more_due = pace(e)
        flush_all(e)
        heed_stop(e)
        if unlikely(finished(e)):
            end_test(e)
            return 1
        if rt.now_ns >= end_ns:
            return 0
        wake = end_ns
        t = next_start_ns(e)
        if t < wake:
            wake = t
        t = next_timer_ns(e)
        if t < wake:
            wake = t
        status = INPUT_NONE
        if more_due or wake <= rt.now_ns or not e.is_idle:
            status = poll_input(e)
            e.is_idle = status == INPUT_NONE
        if status == INPUT_NONE and not more_due and wake > rt.now_ns:
            status = sleep_until(e, wake)
            if status == INPUT_SIGNAL:
                return 2
            if status != INPUT_NONE and e.udp != NULL:
                status = poll_input(e)
        k = 1
        while status == INPUT_MORE and k < max_receive_batches:
            # messages made so far leave before the next batch is looked at: the peer works meanwhile
            flush_all(e)
            status = poll_input(e)
            k += 1
        set_now(e, monotonic_ns())
        expire(e)
        flush_all(e)
        settle(e)
