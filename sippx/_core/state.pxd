# sippx/_core/state.pxd: what one engine consists of.
#
# engine_t is one engine's everything: the main scenario's runtime and, in mixed mode (-rxsf) and with an
# out-of-call scenario (-oocsf), the side: the runtime whose calls requests of unknown Call-IDs open. Schedule,
# limits and the end of the test are the main scenario's alone. The Engine object (engine.pyx) builds and frees
# it; pacing, intake, transport and loop run it without the GIL. An engine without a socket (memory link) is
# driven by its owner: pace(), take_datagrams(), expire(), flush_all() at times of his choice.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from sippx._core.address cimport address_t
from sippx._core.datagrams cimport datagrams_t
from sippx._core.codes cimport GAUGE_PEAK_AT_NS, GAUGE_PEAK_CALLS, QUIT_RUN, QUIT_SOFT
from sippx._core.message cimport msg_t
from sippx._core.parser cimport MEMO_SLOTS, memo_t
from sippx._core.runtime cimport runtime_t, shared_t
from sippx._core.connections cimport connections_t
from sippx._core.span cimport span_t
from sippx._core.udp cimport udp_t

cdef enum:
    PARSE_BATCH = 16             # messages parsed ahead, so that their calls are in cache when delivered
    CALL_ID_CAP = 1024
    STARTS_PER_QUANTUM = 64      # calls that may be due together before the quantum gets shorter
    STARTS_AHEAD = 8             # Call-IDs made ahead of their calls

cdef struct link_head_t:
    address_t dest
    uint32_t len

cdef struct memory_link_t:
    # records back to back: datagrams of an engine without a socket (link_head_t, bytes), or commands
    char* bytes
    uint64_t n_bytes
    uint64_t cap
    bint failed


cdef enum:
    # kinds of epoll events besides those of connections
    EVENT_TIMER = 0

    CLOSING_CAP = 4096           # connections that go with the next flush
    SHARED_CAP = 1024            # peers of connections that many calls share
    CHANNEL_SIP = 0              # of connections_t
    CHANNEL_TWIN = 1

    TWIN_PEERS_CAP = 64
    TWIN_NAME_CAP = 255
    TWIN_BATCH = 64              # commands delivered together
    TWIN_GROUP_BYTES = 131072    # commands to one peer gathered for one write
    TWIN_GROUP_COMMANDS = 512

# A connection that all calls to one peer share; index NO_CONNECTION: there is none (any more).
cdef struct shared_connection_t:
    address_t peer
    uint32_t index, generation

# What is done with the connections of an engine whose messages go over streams.
cdef struct streams_t:
    bint is_per_call             # outgoing calls have a connection each
    bint closes_calls            # -reconnect_close: calls of a lost connection fail
    int64_t n_reconnects_left    # -max_reconnect; negative: no bound
    uint32_t reconnect_sleep_ms
    uint32_t max_sockets         # outgoing connections of calls; more calls share those that are there
    address_t source             # of outgoing connections
    uint32_t n_own               # connections of calls
    uint32_t share_next          # where the search for one to share goes on
    uint32_t n_shared
    shared_connection_t shared[SHARED_CAP]
    uint32_t n_closing
    address_t closing[CLOSING_CAP]       # names
    address_t sources[PARSE_BATCH]       # of the messages being parsed

cdef enum TwinRole:
    TWIN_A                       # connects to B
    TWIN_B
    TWIN_MASTER                  # of extended 3PCC: connects to all its peers before the run
    TWIN_SLAVE                   # likewise when the first one has connected to it

# One twin that commands are sent to, and those of this turn.
cdef struct twin_peer_t:
    char name[TWIN_NAME_CAP]
    uint32_t name_len            # 0 in 3PCC of two
    address_t address            # family 0: it connects to us
    uint32_t index, generation   # its connection; generation 0: none
    bint is_slow                 # it does not read, which was said
    char* bytes                  # TWIN_GROUP_BYTES, and where each command ends, TWIN_GROUP_COMMANDS
    uint32_t* ends
    uint32_t n_bytes, n_commands

# Third-party call control: the engine's twins. 3PCC of two has one peer, whose connection carries commands both ways;
# in extended 3PCC they go out on connections made here and come in on those accepted.
cdef struct twins_t:
    uint32_t role                # TwinRole
    uint32_t n_peers
    twin_peer_t peers[TWIN_PEERS_CAP]
    address_t source             # of outgoing connections
    bint is_connected            # the outgoing connections were begun
    int adopted_peer             # being given its connection; -1: none
    uint32_t n_accepted          # incoming connections that are there
    bint has_ended               # one of them is gone: no new calls
    uint64_t scan_ns             # when calls that wait for commands are ended next
    uint64_t give_up_ns          # when all open calls are, 0: not
    span_t texts[TWIN_BATCH]     # commands received and not yet delivered, and the Call-IDs in them
    span_t ids[TWIN_BATCH]
    uint32_t n_texts

cdef struct engine_t:
    runtime_t rt
    runtime_t* side              # NULL: none
    bint side_is_ooc             # its calls answer what is out of call, and are counted and reported as such
    shared_t shared              # of both
    udp_t* udp                   # NULL: memory link, or streams
    connections_t* connections   # NULL: neither streams nor twins
    datagrams_t* datagrams       # NULL: no UDP socket but its own
    streams_t* streams           # NULL: SIP does not go over connections
    twins_t* twins               # NULL: none
    memory_link_t link
    memory_link_t commands       # sendCmds that the twin has not fetched
    int epoll_fd
    int timer_fd
    uint64_t timer_at_ns         # when timer_fd wakes epoll: not reset by every wait, which is dear on virtual CPUs
    # pacing: due(now) = base_calls + (now - base_ns) * calls_per_ns
    double calls_per_ns
    uint64_t base_ns
    double base_calls
    uint64_t n_paced             # due calls dealt with: started or held back by the limit
    # An idle engine starts calls at least quantum_ns apart: what falls due meanwhile starts with one wake-up and
    # leaves in one segmented send. One that is busy anyway starts them as they fall due.
    uint64_t quantum_ns
    uint64_t resolution_ns       # -timer_resol: the longest quantum
    uint64_t last_pace_ns
    uint64_t limit               # open calls, 0 none
    uint64_t max_calls           # 0 none
    bint opens_by_command        # calls are opened by the twin
    uint32_t quit_level
    bint paused
    bint is_idle                 # messages come more rarely than turns: sleep before looking at the socket
    # what udp counted when we looked last
    uint64_t seen_sent, seen_sent_bytes, seen_errors, seen_congested, seen_icmp, seen_receive_errors
    uint64_t seen_send_calls, seen_receive_calls, seen_received_bytes
    uint32_t seen_drops
    uint64_t seen_open_errors    # of datagrams
    memo_t memos[MEMO_SLOTS]
    msg_t msgs[PARSE_BATCH]
    uint64_t hashes[PARSE_BATCH]
    span_t keys[PARSE_BATCH]
    const address_t* sources[PARSE_BATCH]
    uint32_t n_parsed            # messages parsed and not yet delivered
    span_t start_ids[STARTS_AHEAD]
    uint64_t start_hashes[STARTS_AHEAD]
    char start_texts[STARTS_AHEAD][CALL_ID_CAP + 128]

cdef inline void note_peak(runtime_t* rt) noexcept nogil:
    if rt.calls.n_open > rt.gauges[<int> GAUGE_PEAK_CALLS]:
        rt.gauges[<int> GAUGE_PEAK_CALLS] = rt.calls.n_open
        rt.gauges[<int> GAUGE_PEAK_AT_NS] = rt.now_ns - rt.start_ns

cdef inline bint may_open(const engine_t* e) noexcept nogil:
    return e.quit_level == QUIT_RUN and (e.max_calls == 0 or e.rt.n_calls < e.max_calls)

cdef inline void note_opened(engine_t* e) noexcept nogil:
    if e.max_calls > 0 and e.rt.n_calls >= e.max_calls and e.quit_level < QUIT_SOFT:
        e.quit_level = QUIT_SOFT
