# sippx/_core/reception.pxd: what arrives on a connection: handshakes, bytes, messages, ends.
#
# Bytes of all connections are read into the table's one buffer, behind what the owner has yet to deal with, so that
# messages of many form one batch. A part of a message is kept with its connection until the rest comes, and then
# stands in front of it in the buffer. Functions that may call the owner say so: whoever goes on afterwards looks first
# whether the connection still is (is_done_with).
from libc.stdint cimport uint32_t, uint64_t

from sippx._core.connection cimport CONNECTION_OPEN, connection_t, connections_t

# The owner, who is called, deals with the messages it has, and the buffer is free again.
cdef void drain_batch(connections_t* c) noexcept nogil

# A socket that connect has come to an end with goes on to its TLS or WebSocket handshake, or is open (opened() is not
# called yet: n.is_untold), or is lost.
cdef void finish_connect(connections_t* c, connection_t* n, bint is_refused, uint64_t now_ns) noexcept nogil
# The same, of a socket that is connected to another.
cdef void begin_session(connections_t* c, connection_t* n, uint64_t now_ns) noexcept nogil
# Calls the owner.
cdef void tell_opened(connections_t* c, connection_t* n) noexcept nogil

# What epoll said of it. Calls the owner.
cdef void heed_event(connections_t* c, connection_t* n, uint32_t events, uint64_t now_ns) noexcept nogil
# Reads until nothing more is there, or it had its share: then it is listed as ready. Calls the owner.
cdef void read_connection(connections_t* c, connection_t* n, uint64_t now_ns) noexcept nogil

# Calls the owner where is_congested has passed.
cdef void heed_low_water(connections_t* c, connection_t* n) noexcept nogil

# The owner closed it, and nothing waits any more: says goodbye and releases it; False: the goodbye has to wait.
cdef bint finish_closing(connections_t* c, connection_t* n) noexcept nogil
# The peer sends no more, and what was sent last has left: says goodbye and loses it.
cdef void finish_ended(connections_t* c, connection_t* n) noexcept nogil
# Not open in time: says so where the protocol has words for it, and loses it.
cdef void give_up_opening(connections_t* c, connection_t* n) noexcept nogil

# `number` was its socket's: whether that is gone, or closed by the owner, who wants no more of it.
cdef inline bint is_done_with(const connection_t* n, uint32_t number) noexcept nogil:
    return n.socket_number != number or (n.is_closing and n.state == CONNECTION_OPEN)
