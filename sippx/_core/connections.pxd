# sippx/_core/connections.pxd: a table of non-blocking connections on one epoll: streams that carry SIP, and the like.
#
# One thread has one connections_t. A connection is a record of a slab that never moves; its index and generation name
# it (address.pxd), and both stay the same when it is made anew after a loss. What a connection carries (SIP on a
# stream, WebSocket, SCTP messages, commands of a twin) and whether TLS protects it is its channel's; the owner sees
# whole messages only. The owner waits on the epoll and hands each event that is of this table to connections_event.
#
# Nothing here blocks, and nothing calls the owner but connections_event, connections_expire and connections_reap:
# sending and closing may be done within the owner's own functions. A connection that failed while it was sent on is
# told of by connections_reap, which the owner calls once a turn, when none of its calls is being run.
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from sippx._core.address cimport address_connection_generation, address_connection_index, address_t
from sippx._core.stream cimport stream_t
from sippx._core.tls cimport tls_owner_t, tls_peer_t, tls_t
from sippx._core.tlscontext cimport tls_context_t
from sippx._core.upgrade cimport upgrade_t
from sippx._core.websocket cimport websocket_t
from sippx._core.wheel cimport wheel_node_t, wheel_t

cdef enum:
    NO_CONNECTION = 0xFFFFFFFF
    CHANNEL_CAP = 4
    LISTENER_CAP = 128
    CHANNEL_TEXT_BYTES = 512
    SOCKET_OPTION_BYTES = 160
    SOCKET_OPTION_CAP = 24
    # data.u64 of an epoll event: a kind in the upper 8 bits; of a connection 24 bits of generation, 32 of index below
    EVENT_KIND_SHIFT = 56
    EVENT_CONNECTION = 1
    EVENT_LISTENER = 2

cdef enum Carries:
    CARRY_SIP                    # RFC 3261 18.3
    CARRY_WEBSOCKET              # RFC 7118
    CARRY_MESSAGES               # a socket that keeps boundaries: one-to-one SCTP
    CARRY_COMMANDS               # 3PCC: each ends with ESC

cdef enum ConnectionState:
    CONNECTION_FREE
    CONNECTION_PARKED            # no socket: made anew when its timer, which the owner set, has run out
    CONNECTION_CONNECTING
    CONNECTION_SECURING          # TLS handshake
    CONNECTION_UPGRADING         # WebSocket handshake
    CONNECTION_OPEN
    CONNECTION_LOST              # no socket: the owner has yet to be told

cdef enum ConnectionCause:
    # why a connection ended
    CAUSE_NONE
    CAUSE_REFUSED                # connect failed: last_errno
    CAUSE_CONNECT_TIMEOUT        # not open in channel.open_timeout_ms, handshakes included
    CAUSE_PEER_CLOSED            # FIN, close_notify, WebSocket close
    CAUSE_RESET                  # error while reading or writing: last_errno
    CAUSE_TLS                    # connections.tls.failure says what
    CAUSE_UPGRADE                # error_detail: UpgradeResult
    CAUSE_FRAMING                # error_detail: StreamResult or WebsocketResult; too long a command, message
    CAUSE_OVERFLOW               # more than channel.queue_cap_bytes waited to be sent
    CAUSE_NO_MEMORY
    N_CONNECTION_CAUSES

cdef struct socket_option_t:
    int level, name
    uint32_t n_bytes
    uint8_t value[SOCKET_OPTION_BYTES]

# How connections of one kind are made. Filled by the owner before use, constant then.
cdef struct channel_t:
    uint8_t carries              # Carries
    int socket_type, protocol    # of outgoing sockets: SOCK_STREAM and IPPROTO_TCP or IPPROTO_SCTP
    const tls_context_t* client_tls      # NULL: in clear
    const tls_context_t* server_tls
    tls_peer_t tls_peer          # name of the outgoing connections' peer; destination 0: no resumption
    char host[CHANNEL_TEXT_BYTES]        # WebSocket: Host header field and path, NUL-terminated
    char path[CHANNEL_TEXT_BYTES]
    uint32_t open_timeout_ms     # 0: as long as the kernel tries
    uint32_t queue_cap_bytes     # bytes that may wait to be sent: the connection fails beyond
    uint32_t high_water_bytes    # more waiting bytes than this: is_congested ...
    uint32_t low_water_bytes     # ... until there are no more than this
    uint32_t n_options
    socket_option_t options[SOCKET_OPTION_CAP]     # set on each outgoing socket before connect; refusals are ignored

# What only TLS and WebSocket connections have; allocated with the connection's socket.
cdef struct session_t:
    tls_t tls
    upgrade_t upgrade
    websocket_t websocket

cdef struct connection_t:
    wheel_node_t timer           # open_timeout_ms, or what the owner set on a parked one
    uint32_t index, generation
    int fd                       # -1: none
    uint8_t state                # ConnectionState
    uint8_t channel
    uint8_t cause                # ConnectionCause
    uint8_t is_accepted
    uint8_t is_congested
    uint8_t is_closing           # the owner closed it: goes when what waits is sent
    uint8_t is_readable          # epoll said so, and the end of what is there was not met
    uint8_t has_ended            # the peer sends no more
    int32_t error_detail
    int last_errno
    uint32_t next                # free, lost or ready connection
    uint64_t begun_ns            # connect or accept
    session_t* session           # NULL: neither TLS nor WebSocket
    char* held                   # part of a message, n_held of cap_held bytes; NULL: none
    uint32_t n_held, cap_held
    stream_t stream
    char* queue                  # waits to be sent: from queue_pos to queue_end; NULL: nothing
    uint32_t queue_pos, queue_end, queue_cap
    address_t peer               # numeric; of an outgoing one where it connects to
    # the owner's
    uint32_t first_call[2]       # calls of the main scenario and of the side, linked
    uint32_t n_calls
    uint32_t waiting_head, waiting_tail    # calls that wait for is_congested to pass
    uint32_t owner_word

# Messages back to back that go to one connection; ends[i] is where the i-th ends.
cdef struct part_t:
    const char* bytes
    uint32_t n_bytes
    const uint32_t* ends
    uint32_t n_messages

cdef struct connection_owner_t:
    void* owner
    # A whole message; its bytes are good until drain() is called, readable BYTES_READABLE_PAST_END bytes further.
    void (*message)(void* owner, connection_t* n, const char* bytes, uint32_t len) noexcept nogil
    # Messages handed over so far are to be dealt with now. Always called before connections_event returns.
    void (*drain)(void* owner) noexcept nogil
    void (*accepted)(void* owner, connection_t* n) noexcept nogil
    # Open: connected, secured and upgraded. took_ns since begun_ns.
    void (*opened)(void* owner, connection_t* n, uint64_t took_ns) noexcept nogil
    # is_congested has passed.
    void (*writable)(void* owner, connection_t* n) noexcept nogil
    # It ended, for n.cause, and has no socket any more. The owner parks it, reopens it, or does nothing: then it is
    # freed, and its name is good for nobody. Not called for what the owner closed.
    void (*lost)(void* owner, connection_t* n) noexcept nogil
    # The timer of a parked connection has run out.
    void (*due)(void* owner, connection_t* n) noexcept nogil

cdef struct connections_t:
    connection_owner_t to
    int epoll_fd                 # borrowed
    char* base                   # slab of `cap` records, stride sizeof(connection_t); untouched ones cost no memory
    uint32_t cap, n_touched, free_head
    uint32_t lost_head, ready_head
    uint32_t n_open_sockets      # connections with a socket
    uint64_t now_ms              # the owner's clock, which runs the timers
    wheel_t timers
    channel_t channels[CHANNEL_CAP]
    uint32_t n_channels
    int listeners[LISTENER_CAP]  # borrowed descriptors
    uint8_t listener_channels[LISTENER_CAP]
    uint32_t n_listeners
    bint is_accepting            # False: no descriptors are left; tried again when one is closed, and on expire
    uint32_t next_port           # of the ports outside of the kernel's range
    tls_owner_t tls
    bint has_tls
    uint64_t random_state
    char* in_bytes               # received bytes of the batch being dealt with
    # totals; the owner reads differences
    uint64_t n_connects, n_accepts, n_opened
    uint64_t n_ended[N_CONNECTION_CAUSES]
    uint64_t n_closed            # by the owner
    uint64_t n_accept_errors     # accept failed, of lack of descriptors or memory above all
    uint64_t n_send_calls, n_receive_calls, n_sent_bytes, n_received_bytes    # of sockets; with TLS of ciphertext
    uint64_t n_messages_sent, n_messages_received
    uint64_t n_congested         # times that is_congested came
    uint64_t n_pings             # keep-alives answered (RFC 5626 4.4.1, WebSocket pings)
    int last_accept_errno

# 0, or -1: no memory. cap: connections at most. epoll_fd is the owner's.
cdef int connections_init(connections_t* c, const connection_owner_t* to, int epoll_fd, uint32_t cap,
                          uint64_t random_state) noexcept nogil
# Closes all sockets that are its own (not listeners) and frees everything; tells nobody.
cdef void connections_free(connections_t* c) noexcept nogil

# TLS sessions can be made from now on (tls_prepare was called): False: no memory.
cdef bint connections_use_tls(connections_t* c, uint32_t n_saved_sessions) noexcept nogil

# Accepts on fd, a non-blocking listening socket, from now on: 0, or -errno.
cdef int connections_listen(connections_t* c, int fd, uint32_t channel) noexcept nogil

# Begins a connection to `peer` from `source` (family 0: any address and port; port 0: any): its index, or
# NO_CONNECTION and in error an errno: nothing is left behind. Where the kernel's range of ports is used up (many
# connections to one peer), ports outside of it are tried, from 1024 up. A socket connected to itself counts as refused.
cdef uint32_t connections_connect(connections_t* c, uint32_t channel, const address_t* peer, const address_t* source,
                                  int* error) noexcept nogil
# Makes a parked or lost connection anew, as the same connection: 0, or an errno, and it is as it was.
cdef int connections_reopen(connections_t* c, connection_t* n, const address_t* peer, const address_t* source) noexcept nogil
# In lost(): keeps it, without a socket, until due() `delay_ms` from now. What is sent meanwhile waits; what waited is
# dropped (the peer may have had half of it).
cdef void connections_park(connections_t* c, connection_t* n, uint32_t delay_ms) noexcept nogil

# The connection so named, NULL where it is no more.
cdef inline connection_t* connection_at(connections_t* c, uint32_t index) noexcept nogil:
    return <connection_t*> (c.base + <uint64_t> index * sizeof(connection_t))

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
# Goes on reading where one call had more than its share: True where there still is more.
cdef bint connections_read_on(connections_t* c, uint64_t now_ns) noexcept nogil
# Tells of lost connections.
cdef void connections_reap(connections_t* c) noexcept nogil
# Runs the timers up to now_ms.
cdef void connections_expire(connections_t* c, uint64_t now_ms) noexcept nogil
# When connections_expire has something to do, ~0: never.
cdef uint64_t connections_next_ms(const connections_t* c) noexcept nogil
# The words for a ConnectionCause: "refused" and so on; NUL-terminated.
cdef const char* connection_cause_text(uint32_t cause) noexcept nogil
