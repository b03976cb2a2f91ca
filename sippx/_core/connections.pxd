# sippx/_core/connections.pxd: a table of non-blocking connections on one epoll: streams that carry SIP, and the like.
#
# One thread has one connections_t. A connection is a record of a slab that never moves; its index and generation name
# it (address.pxd), and both stay the same when it is made anew after a loss. What a connection carries (SIP on a
# stream, WebSocket, SCTP messages, commands of a twin) and whether TLS protects it is its channel's; the owner sees
# whole messages only. The owner waits on the epoll and hands each event that is of this table to connections_event.
#
# Nothing here blocks, and nothing calls the owner but connections_event, _events, _read_on, _expire and _reap:
# connecting, sending, closing, parking and reopening may be done within the owner's own functions. lost() is called by
# connections_reap alone, which the owner calls once a turn, when none of its calls is being run. So is opened() of a
# connection that was open at once (n.state says it). Most are not: without blocking, TCP has never connected when
# connect returns, not even on a loopback; what is sent until the next event waits.
#
# The structures, and what owners implement (connection_owner_t), are in connection.pxd.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from sippx._core.address cimport address_connection_generation, address_connection_index, address_t
from sippx._core.connection cimport (
    ACCEPT_RETRY_MS, CARRY_COMMANDS, CARRY_MESSAGES, CARRY_SIP, CARRY_WEBSOCKET, CAUSE_CONNECT_TIMEOUT, CAUSE_FRAMING,
    CAUSE_NO_MEMORY, CAUSE_NONE, CAUSE_OVERFLOW, CAUSE_PEER_CLOSED, CAUSE_REFUSED, CAUSE_RESET, CAUSE_TLS,
    CAUSE_UPGRADE, CHANNEL_CAP, CHANNEL_TEXT_BYTES, CLOSE_TIMEOUT_MS, CONNECTION_CONNECTING, CONNECTION_FREE,
    CONNECTION_LOST, CONNECTION_OPEN, CONNECTION_PARKED, CONNECTION_SECURING, CONNECTION_UPGRADING, EVENT_CONNECTION,
    EVENT_KIND_SHIFT, EVENT_LISTENER, LISTENER_CAP, N_CONNECTION_CAUSES, NO_CONNECTION, RECEIVE_BYTES,
    SOCKET_OPTION_BYTES, SOCKET_OPTION_CAP, channel_t, connection_at, connection_cause_text, connection_owner_t,
    connection_t, connections_t, part_t, session_t, socket_option_t,
)
from sippx._core.linux cimport epoll_event

# 0, or -1: no memory. cap: connections at most. epoll_fd is the owner's.
cdef int connections_init(connections_t* c, const connection_owner_t* to, int epoll_fd, uint32_t cap,
                          uint64_t random_state) noexcept nogil
# Closes all sockets that are its own (not listeners) and frees everything; tells nobody.
cdef void connections_free(connections_t* c) noexcept nogil

# TLS sessions can be made from now on (tls_prepare was called): False: no memory.
cdef bint connections_use_tls(connections_t* c, uint32_t n_saved_sessions) noexcept nogil

# Accepts on fd, a non-blocking listening socket, from now on: 0, or -errno.
cdef int connections_listen(connections_t* c, int fd, uint32_t channel) noexcept nogil

# Takes over fd, a connected non-blocking socket, as if it had been accepted; NULL: it could not, and is closed. Calls
# the owner as connections_event does.
cdef connection_t* connections_adopt(connections_t* c, int fd, uint32_t channel, const address_t* peer,
                                     uint64_t now_ns) noexcept nogil

# Begins a connection to `peer` from `source` (family 0: any address and port; port 0: any): its index, or
# NO_CONNECTION and in error an errno (ENOBUFS: `cap` are taken): nothing is left behind. Where the kernel's range of
# ports is used up (many connections to one peer), ports outside of it are tried, from 1024 up. A socket connected to
# itself counts as refused.
cdef uint32_t connections_connect(connections_t* c, uint32_t channel, const address_t* peer, const address_t* source,
                                  int* error) noexcept nogil
# A parked connection to `peer` without a timer, to be reopened: its index, or NO_CONNECTION: no room.
cdef uint32_t connections_create(connections_t* c, uint32_t channel, const address_t* peer) noexcept nogil
# Frees a parked one.
cdef void connections_drop(connections_t* c, connection_t* n) noexcept nogil
# Makes a parked or lost connection anew, as the same connection: 0, or an errno, and it is as it was. What waits is
# sent when it is open.
cdef int connections_reopen(connections_t* c, connection_t* n, const address_t* peer,
                            const address_t* source) noexcept nogil
# In lost(): keeps it, without a socket, until due() `delay_ms` from now. What is sent meanwhile waits. Of a parked one:
# sets the time anew.
cdef void connections_park(connections_t* c, connection_t* n, uint32_t delay_ms) noexcept nogil

# Drops what waits on a parked or lost connection. What waited is there only where it never connected: else the peer may
# have had half of it, and it was dropped with the loss.
cdef void connections_clear(connections_t* c, connection_t* n) noexcept nogil

# The connection so named, NULL where it is no more.
cdef inline connection_t* connections_find(connections_t* c, const address_t* name) noexcept nogil:
    cdef uint32_t index = address_connection_index(name)
    cdef connection_t* n
    if index >= c.n_touched:
        return NULL
    n = connection_at(c, index)
    if n.generation != address_connection_generation(name) or n.state == CONNECTION_FREE:
        return NULL
    return n

# Port of its own socket, 0 where it has none.
cdef uint16_t connection_local_port(const connection_t* n) noexcept nogil

# Sends all messages of the parts, in their order, behind what waits; writes as much as the socket takes and keeps the
# rest. False: the connection has ended, or does now (lost() will follow), and none of it will be sent.
cdef bint connections_send(connections_t* c, connection_t* n, const part_t* parts, uint32_t n_parts) noexcept nogil

# Ends it: at once where nothing waits to be sent, else when that has left (bounded by 1 s). TLS and WebSocket say
# goodbye. Its name is good for nobody from now on; lost() is not called.
cdef void connections_close(connections_t* c, connection_t* n) noexcept nogil

# An event with data.u64 of kind EVENT_CONNECTION or EVENT_LISTENER; one of a connection that is gone is ignored.
# now_ns: of the monotonic clock.
cdef void connections_event(connections_t* c, uint64_t data, uint32_t events, uint64_t now_ns) noexcept nogil
# All of an epoll_wait's that are of these kinds, others are left out: messages of many connections then come to the
# owner as one batch, with one drain() at the end of all.
cdef void connections_events(connections_t* c, const epoll_event* events, uint32_t n, uint64_t now_ns) noexcept nogil
# Goes on reading where one call had more than its share: True where there still is more.
cdef bint connections_read_on(connections_t* c, uint64_t now_ns) noexcept nogil
# Tells of connections that are lost, or were open at once; reads what is left on those that sending failed on.
cdef void connections_reap(connections_t* c) noexcept nogil
# Runs the timers up to now_ms.
cdef void connections_expire(connections_t* c, uint64_t now_ms) noexcept nogil
# When connections_expire has something to do, ~0: never; now, where connections_reap or _read_on has.
cdef uint64_t connections_next_ms(const connections_t* c) noexcept nogil
