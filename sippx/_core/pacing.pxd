# sippx/_core/pacing.pxd: when calls start: an open-model schedule by rate, or users that start their next call.
from libc.stdint cimport uint64_t

from sippx._core.state cimport engine_t

# Makes `now` the origin of the schedule, keeping what is due.
cdef void rebase(engine_t* e, uint64_t now) noexcept nogil
# Starts the calls that are due; True where more are due than one turn takes.
cdef bint pace(engine_t* e) noexcept nogil
# When pace() has something to do again, ~0: only a command can change that.
cdef uint64_t next_start_ns(engine_t* e) noexcept nogil
