# sippx/_core/streams.pxd: calls over connections: which call sends through which, and what a loss means for its calls.
#
# Outgoing calls share a connection to each peer, or have one each; incoming ones answer on that of their first message.
# A connection is made with a call's first message and closed behind its last one. Lost connections end their calls,
# are made anew, or both, as -reconnect_close and -max_reconnect say.
from sippx._core.connections cimport connection_t
from sippx._core.runtime cimport runtime_t
from sippx._core.state cimport engine_t
from sippx._core.streamsettings cimport StreamSettings

# Fills e.streams and its channel of e.connections, both allocated; runtimes get their hooks, and the sockets listen.
cdef open_streams(engine_t* e, StreamSettings settings)

# What the connection table tells of those of channel CHANNEL_SIP (connection_owner_t).
cdef void stream_message(engine_t* e, connection_t* n, const char* bytes, unsigned int n_bytes) noexcept nogil
cdef void stream_accepted(connection_t* n) noexcept nogil
cdef void stream_opened(engine_t* e, connection_t* n, unsigned long took_ns) noexcept nogil
cdef void stream_writable(engine_t* e, connection_t* n) noexcept nogil
cdef void stream_lost(engine_t* e, connection_t* n) noexcept nogil
cdef void stream_due(engine_t* e, connection_t* n) noexcept nogil

# rt.flush of engines over streams
cdef void flush_streams(runtime_t* rt) noexcept nogil
# Once a turn: closes connections whose calls have ended, tells of lost ones. No call is being run.
cdef void settle_streams(engine_t* e) noexcept nogil
# The connection that the calls share is made before the first of them.
cdef void start_streams(engine_t* e) noexcept nogil
cdef void collect_stream_counters(engine_t* e) noexcept nogil
