# sippx/_core/loop.pxd: the event loop of one engine: pace, flush, wait, receive, expire.
from libc.stdint cimport uint32_t, uint64_t

from sippx._core.runtime cimport runtime_t
from sippx._core.state cimport engine_t

# Runs what the timers say is due.
cdef void expire(engine_t* e) noexcept nogil
cdef uint64_t next_timer_ns(engine_t* e) noexcept nogil
# Ends every open call (forced quit).
cdef void give_up_calls(runtime_t* rt) noexcept nogil
# What is left to do where finished() says so: open calls of the side end.
cdef void end_test(engine_t* e) noexcept nogil
cdef void heed_stop(engine_t* e) noexcept nogil
cdef bint finished(const engine_t* e) noexcept nogil
cdef void update_gauges(engine_t* e) noexcept nogil

# Turns until end_ns (0), the end of the test (1), or a signal (2).
cdef int run_slice(engine_t* e, uint64_t end_ns, uint32_t max_receive_batches) noexcept nogil
