# sippx/_core/attaching.pxd: calls over UDP sockets of their own (-t un), or over that of their source address (-t ui).
#
# A call whose remote.via is VIA_UNATTACHED gets its socket with its first message. One that a message opened stays with
# the socket that the message came to.
from libc.stdint cimport uint32_t

from sippx._core.datagrams cimport DatagramSettings
from sippx._core.state cimport engine_t

# Fills e.datagrams (allocated, zeroed) when everything else of the engine is there; the runtimes of a client get their
# hooks. ValueError, OSError, MemoryError; datagrams_free() is right after either.
cdef open_datagrams(engine_t* e, DatagramSettings settings)

# Takes what a further socket's epoll event tells of; the engine's clock has been set.
cdef void receive_further(engine_t* e, uint32_t via, uint32_t events) noexcept nogil
# Moves what was counted into the engine's counters; says what is new.
cdef void collect_datagram_counters(engine_t* e) noexcept nogil
# Once a turn, when no call is being run: closes the sockets whose calls have ended, behind their last messages.
cdef void settle_datagrams(engine_t* e) noexcept nogil
