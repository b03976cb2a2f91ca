# sippx/_core/sendqueue.pxd: messages on their way out: encoded as the connection carries them, written, or kept.
#
# What the socket takes leaves from where the caller has it, or from a buffer of the table's where it has to be changed;
# only what is left over is copied into the connection's own queue. None of these functions calls the owner.
from libc.stdint cimport uint16_t, uint32_t

from sippx._core.connection cimport connection_t, connections_t, part_t

# As connections_send.
cdef bint send_parts(connections_t* c, connection_t* n, const part_t* parts, uint32_t n_parts) noexcept nogil

# Bytes as they are, behind what waits. False: it is lost or broken.
cdef bint send_raw(connections_t* c, connection_t* n, const char* bytes, uint32_t n_bytes) noexcept nogil

# Bytes of a handshake, before all messages that wait, though the connection is not open yet. False as above.
cdef bint send_early(connections_t* c, connection_t* n, const char* bytes, uint32_t n_bytes) noexcept nogil

# A close frame, with a code and without a reason, where it carries WebSocket.
cdef void send_close_frame(connections_t* c, connection_t* n, uint16_t code) noexcept nogil

# Writes what waits, as far as the socket takes it. False: it is broken.
cdef bint flush(connections_t* c, connection_t* n) noexcept nogil
