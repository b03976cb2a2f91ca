# sippx/_core/connection.pxd: what a connection and a table of them are made of, and the life of a record.
#
# connections.pxd is the contract for owners; this has the structures that the parts of the table share, and the steps
# that a record goes through: taken, with a socket, lost, parked, released. None of these functions calls the owner.
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from sippx._core.address cimport address_t
from sippx._core.stream cimport stream_t
from sippx._core.tls cimport tls_failure_t, tls_owner_t, tls_peer_t, tls_t
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
    # data.u64 of an epoll event: a kind in the upper 8 bits; a connection has 24 of its socket's number, 32 of index
    EVENT_KIND_SHIFT = 56
    EVENT_CONNECTION = 1
    EVENT_LISTENER = 2
    SOCKET_NUMBER_MASK = 0xFFFFFF

    RECEIVE_BYTES = 524288       # of a batch, as received
    ENCODE_BYTES = 131072        # messages that are changed on their way out
    CLOSE_TIMEOUT_MS = 1000      # what waits to be sent may take so long to leave a connection that is closed
    ACCEPT_RETRY_MS = 100
    NORMAL_CLOSE = 1000          # code of a WebSocket close frame (RFC 6455 7.4.1)

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
    CAUSE_PEER_CLOSED            # FIN, close_notify, WebSocket close: error_detail is its code
    CAUSE_RESET                  # error while reading or writing: last_errno
    CAUSE_TLS                    # connections.tls.failure says what, within lost()
    CAUSE_UPGRADE                # error_detail: UpgradeResult; above 0 the HTTP status of a server that refused
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

# What only TLS and WebSocket connections have; allocated with the connection's socket, freed when its end was told.
cdef struct session_t:
    tls_t tls
    upgrade_t upgrade
    websocket_t websocket
    tls_failure_t failure        # of CAUSE_TLS

cdef struct connection_t:
    wheel_node_t timer           # open_timeout_ms, or what the owner set on a parked one
    uint32_t index, generation
    int fd                       # -1: none
    uint32_t socket_number       # of 24 bits, never 0 with a socket: tells events of an earlier one from its own
    uint8_t state                # ConnectionState
    uint8_t channel
    uint8_t cause                # ConnectionCause
    uint8_t is_accepted
    uint8_t is_congested
    uint8_t is_closing           # the owner closed it: goes when what waits is sent
    uint8_t is_readable          # epoll said so, and the end of what is there was not met
    uint8_t has_ended            # the peer sends no more
    uint8_t ends                 # epoll said that the peer's end is there to be read
    uint8_t is_broken            # sending failed, for `cause`: read what is left, then it is lost
    uint8_t is_untold            # open, but opened() was not called yet
    uint8_t is_listed            # for connections_reap: `next` is taken
    uint8_t is_ready             # for connections_read_on: `next_ready` is taken
    uint8_t is_handshake_begun
    uint8_t may_be_itself        # its socket may have connected to itself
    int32_t error_detail
    int last_errno
    uint32_t next                # free connection, or one that connections_reap has to look at
    uint32_t next_ready
    uint64_t begun_ns            # connect or accept
    uint64_t took_ns             # until it was open
    session_t* session           # NULL: neither TLS nor WebSocket
    char* held                   # part of a message, n_held of cap_held bytes; NULL: none
    uint32_t n_held, cap_held
    stream_t stream              # CARRY_COMMANDS: `scanned` alone
    char* queue                  # waits to be sent: from queue_pos to queue_end; NULL: nothing
    uint32_t queue_pos, queue_end, queue_cap
    uint32_t n_early             # bytes at the front of the queue that leave before it is open: WebSocket handshake
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
    # Messages handed over so far are to be dealt with now. Called in between where there is no room for more, and
    # before connections_event, _events, _read_on and _reap return, where there were any.
    void (*drain)(void* owner) noexcept nogil
    void (*accepted)(void* owner, connection_t* n) noexcept nogil
    # Open: connected, secured and upgraded. took_ns since begun_ns. Before any message of it; of an accepted one too,
    # right behind accepted() where nothing is negotiated. Not called where it was lost meanwhile.
    void (*opened)(void* owner, connection_t* n, uint64_t took_ns) noexcept nogil
    # is_congested has passed.
    void (*writable)(void* owner, connection_t* n) noexcept nogil
    # It ended, for n.cause, and has no socket any more. The owner parks it, reopens it, or does nothing: then it is
    # freed, and its name is good for nobody. Not called for what the owner closed.
    void (*lost)(void* owner, connection_t* n) noexcept nogil
    # The timer of a parked connection has run out. It stays parked unless the owner does something about it.
    void (*due)(void* owner, connection_t* n) noexcept nogil

cdef struct connections_t:
    connection_owner_t to
    int epoll_fd                 # borrowed
    char* base                   # slab of `cap` records, stride sizeof(connection_t); untouched ones cost no memory
    uint32_t cap, n_touched, free_head
    uint32_t reap_head, ready_head
    uint32_t n_open_sockets      # connections with a socket
    uint32_t n_sockets           # made so far, modulo 2**24
    # the owner's clock, which runs the timers: connections_expire sets it; where that was not called for long, the
    # owner sets it before it connects, parks or closes
    uint64_t now_ms
    wheel_t timers
    channel_t channels[CHANNEL_CAP]
    uint32_t n_channels
    int listeners[LISTENER_CAP]  # borrowed descriptors
    uint8_t listener_channels[LISTENER_CAP]
    uint32_t n_listeners
    bint is_accepting            # False: no descriptors are left; tried again when one is closed, and on expire
    uint64_t accept_retry_ms
    uint32_t kernel_port_low, kernel_port_high     # its range of ports for outgoing sockets
    uint32_t next_port           # of the ports outside of the kernel's range
    uint64_t ports_used_up_ms    # until then the kernel's range is taken to be used up: its search is dear
    tls_owner_t tls
    bint has_tls
    uint64_t random_state
    char* in_bytes               # received bytes of the batch being dealt with, in_end of RECEIVE_BYTES
    uint32_t in_end
    uint32_t n_in_batch          # messages of it handed over
    char* out_bytes              # ENCODE_BYTES: messages on their way out, no longer than a call
    # totals; the owner reads differences
    uint64_t n_connects, n_accepts, n_opened     # n_connects: begun, whatever became of them
    uint64_t n_ended[N_CONNECTION_CAUSES]    # CAUSE_REFUSED: those refused at once too, which lost() is not called for
    uint64_t n_closed            # by the owner
    uint64_t n_accept_errors     # accept failed, of lack of descriptors or memory above all
    uint64_t n_send_calls, n_receive_calls, n_sent_bytes, n_received_bytes    # of sockets; with TLS of ciphertext
    uint64_t n_messages_sent, n_messages_received
    uint64_t n_congested         # times that is_congested came
    uint64_t n_pings             # keep-alives answered (RFC 5626 4.4.1, WebSocket pings)
    int last_accept_errno

cdef inline connection_t* connection_at(connections_t* c, uint32_t index) noexcept nogil:
    return <connection_t*> (c.base + <uint64_t> index * sizeof(connection_t))

cdef inline channel_t* channel_of(connections_t* c, const connection_t* n) noexcept nogil:
    return &c.channels[n.channel]

cdef inline bint has_tls(const connection_t* n) noexcept nogil:
    return n.session != NULL and n.session.tls.ssl != NULL

cdef inline uint32_t waiting_bytes(const connection_t* n) noexcept nogil:
    return n.queue_end - n.queue_pos

# A record without a socket; NULL: `cap` of them are taken.
cdef connection_t* take_record(connections_t* c) noexcept nogil
# Nobody knows it by its name any more; its socket and memory are given back.
cdef void release_record(connections_t* c, connection_t* n) noexcept nogil
# Its name is good for nobody from now on.
cdef void forget_name(connection_t* n) noexcept nogil

# Gives it the connected or connecting socket fd, which epoll watches from now on: 0, or an errno, and fd is the
# caller's still.
cdef int take_socket(connections_t* c, connection_t* n, int fd) noexcept nogil
# Gives back its socket, session and buffers. The session's memory stays for whoever asks what failed.
cdef void drop_socket(connections_t* c, connection_t* n) noexcept nogil
# Says that nothing more is sent and reads what is there, so that the peer gets what was sent last and no reset.
cdef void close_gently(connections_t* c, connection_t* n) noexcept nogil

# It ended: lost() will follow, or where the owner closed it before, its record is released.
cdef void lose(connections_t* c, connection_t* n, uint32_t cause) noexcept nogil
# Sending failed: reading is not over yet, and connections_reap will lose it.
cdef void note_broken(connections_t* c, connection_t* n, uint32_t cause, int error) noexcept nogil

# connections_reap looks at it next time.
cdef void list_for_reap(connections_t* c, connection_t* n) noexcept nogil
# All that were listed, in the order in which they were; linked by `next`, is_listed still.
cdef uint32_t take_reap_list(connections_t* c) noexcept nogil
# connections_read_on reads it further.
cdef void list_ready(connections_t* c, connection_t* n) noexcept nogil

# Sets its timer, channel.open_timeout_ms or another, from the table's clock on.
cdef void start_timer(connections_t* c, connection_t* n, uint32_t delay_ms) noexcept nogil

# Takes listeners into epoll again.
cdef void resume_accepting(connections_t* c) noexcept nogil
# Takes them out for ACCEPT_RETRY_MS, or until a socket or record is given back.
cdef void suspend_accepting(connections_t* c, int error) noexcept nogil

# Adds to the table's totals what TLS counted.
cdef void take_tls_totals(connections_t* c) noexcept nogil

# The words for a ConnectionCause: "refused" and so on; NUL-terminated.
cdef const char* connection_cause_text(uint32_t cause) noexcept nogil
