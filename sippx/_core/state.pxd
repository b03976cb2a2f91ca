# sippx/_core/state.pxd: what one engine consists of.
#
# engine_t is one engine's everything: the main scenario's runtime and, in mixed mode (-rxsf) and with an
# out-of-call scenario (-oocsf), the side: the runtime whose calls requests of unknown Call-IDs open. Schedule,
# limits and the end of the test are the main scenario's alone. The Engine object (engine.pyx) builds and frees
# it; pacing, intake, transport and loop run it without the GIL. An engine without a socket (memory link) is
# driven by its owner: pace(), take_datagrams(), expire(), flush_all() at times of his choice.
from libc.stdint cimport uint32_t, uint64_t

from sippx._core.address cimport address_t
from sippx._core.codes cimport GAUGE_PEAK_AT_NS, GAUGE_PEAK_CALLS, QUIT_RUN, QUIT_SOFT
from sippx._core.message cimport msg_t
from sippx._core.parser cimport MEMO_SLOTS, memo_t
from sippx._core.runtime cimport runtime_t, shared_t
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


cdef struct engine_t:
    runtime_t rt
    runtime_t* side              # NULL: none
    bint side_is_ooc             # its calls answer what is out of call, and are counted and reported as such
    shared_t shared              # of both
    udp_t* udp                   # NULL: memory link
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
    memo_t memos[MEMO_SLOTS]
    msg_t msgs[PARSE_BATCH]
    uint64_t hashes[PARSE_BATCH]
    span_t keys[PARSE_BATCH]
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
