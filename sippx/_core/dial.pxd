# sippx/_core/dial.pxd: outgoing sockets: options, source address and port, connect.
from libc.stdint cimport uint32_t

from sippx._core.address cimport address_t
from sippx._core.connection cimport channel_t, connections_t

# Reads the kernel's range of ports for outgoing sockets.
cdef void dial_init(connections_t* c) noexcept nogil

# A non-blocking socket that is connected (is_connected) or connecting, or -errno. source as connections_connect has it.
cdef int dial(connections_t* c, const channel_t* channel, const address_t* peer, const address_t* source,
              bint* is_connected) noexcept nogil

# Whether a socket to that peer may connect to itself: by far most listen outside of the range that sockets without a
# port of their own get theirs from.
cdef bint may_be_its_own_peer(const connections_t* c, const address_t* peer, const address_t* source) noexcept nogil
# Whether a connected one has.
cdef bint is_self_connected(int fd, const address_t* peer) noexcept nogil
# When such a socket is closed, its port is to be free at once for whoever is to listen there.
cdef void leave_no_trace(int fd) noexcept nogil
