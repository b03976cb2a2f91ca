# sippx/_core/transport.pxd: what carries an engine's messages: UDP sockets, connections, or a memory link.
#
# The seam to the rest: rt.flush sends what a runtime's outbox holds; poll_input() and wait_input() hand what came to
# intake, settle() deals with sockets that have become useless.
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

cdef enum:
    INPUT_NONE = 0
    INPUT_SOME = 1
    INPUT_MORE = 2               # a batch was full: there may be more behind it
    INPUT_SIGNAL = 3             # the wait was interrupted

# The engine's epoll, timer and table of connections (none where cap is 0); raises OSError, MemoryError.
cdef open_events(engine_t* e, uint32_t cap_connections)
cdef void close_events(engine_t* e) noexcept nogil
# The engine's UDP socket is waited for from now on: 0, or -errno.
cdef int watch_udp(engine_t* e, int fd) noexcept nogil

# Takes one batch of what is there.
cdef int poll_input(engine_t* e) noexcept nogil
# Sleeps until there is something, or the engine's timer runs out; connections' messages are delivered when it returns.
cdef int wait_input(engine_t* e) noexcept nogil
# Once a turn, when no call is being run: sockets whose calls have ended, connections that were lost.
cdef void settle(engine_t* e) noexcept nogil
# Closes all connections when what waits on them is sent, within bounds.
cdef void close_connections_at_end(engine_t* e) noexcept nogil
# Moves what the socket layers counted into the engine's counters; reports errors that are new.
cdef void collect_counters(engine_t* e) noexcept nogil
