# sippx/_core/runtime.pxd: what one engine's calls run on: program, calls, timers, outbox, counters.
#
# One runtime_t per scenario of an engine, run by one thread; a second scenario (-rxsf, -oocsf) has its own
# calls, timers and counters, and a shared_t in common with the main one. `flush` is the seam to the transport: it
# sends what the outbox holds and clears it.
#
# A call's record ends in a tail whose parts depend on the program: RTD starts (calls.pxd), then
# variables, dialog, transactions, injection lines and the INVITE's CSeq, each at an offset kept here (0: not there).
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from sippx._core.address cimport address_t
from sippx._core.bits cimport BYTES_READABLE_PAST_END, unlikely
from sippx._core.calls cimport call_t, calls_t
from sippx._core.codes cimport *
from sippx._core.digest cimport digest_ctx_t
from sippx._core.hash cimport random_u64
from sippx._core.injection cimport injection_state_t, injection_t
from sippx._core.message cimport msg_t
from sippx._core.outbox cimport outbox_t
from sippx._core.program cimport program_t
from sippx._core.ring cimport ring_put, ring_t, rtt_trace_t
from sippx._core.span cimport span_of, span_t
from sippx._core.targets cimport targets_failed, targets_next, targets_t
from sippx._core.variables cimport variable_t
from sippx._core.wheel cimport wheel_node_t, wheel_schedule, wheel_t

cdef enum:
    NS_PER_MS = 1000000
    NO_CALL = 0xFFFFFFFF
    TARGET_PENALTY_MS = 10000    # a target that does not answer is left out for so long
    SCRATCH_TEXTS = 5
    SCRATCH_STRIDE = 66048       # a message, padded at both ends
    TDM_CIRCUITS = 1024
    OOC_NUMBERS = 1000000000000  # calls of the out-of-call scenario are numbered from there

# -tdmmap {first_a-..}{b}{first_c-..}{first_d-..}; n_a * n_c * n_d circuits, taken[] while a call has one
cdef struct tdm_map_t:
    uint32_t n_circuits          # 0: no map
    uint32_t first_a, n_a, b, first_c, n_c, first_d, n_d
    uint32_t n_taken
    uint8_t taken[TDM_CIRCUITS]

cdef enum StopReason:
    STOP_NONE = 0
    STOP_GRACEFULLY              # int_cmd stop_gracefully: no new calls
    STOP_NOW                     # int_cmd stop_now
    STOP_ERROR                   # <error>

# -users: ids from 1 that have no call wait in a ring; a call takes the one at the back, its end puts it in front.
cdef struct users_t:
    uint32_t n                   # wanted; 0: no users, calls by rate
    uint32_t n_known             # ids made so far, at most cap
    uint32_t n_active            # in the ring or in a call
    uint32_t cap
    uint32_t* ring               # cap ids
    uint32_t* retired            # n_retired ids that were more than wanted; room for cap
    uint32_t n_retired
    uint32_t front
    uint32_t n_free
    variable_t* variables        # cap x n_user_variables, NULL without any

# What a call knows of its dialog and its place in the run, where the program needs it. The texts are
# blocks of the calls' blocks_t.
cdef struct dialog_t:
    char* routes                 # route set in the order of a Route header field, NULL none (rrs)
    char* target                 # remote target, NULL none
    char* challenge              # challenge header fields of the last 401 or 407 kept, joined by LF
    uint32_t routes_len
    uint32_t target_len
    uint32_t challenge_len
    uint32_t nonce_count         # uses of that challenge
    uint16_t challenge_status
    uint16_t circuit             # TDM circuit + 1, 0 none
    uint32_t user_id             # from 1; 0 without -users
    uint64_t pause_end_ms        # engine time at which the pause in progress ends
    uint64_t aka_sqn             # highest AKA sequence number accepted
    uint64_t restored_end_ms     # pauserestore: when the next pause ends, 0: by itself

cdef struct txn_t:
    uint64_t branch_hash         # of the top Via of the request, 0: not begun
    uint64_t final_hash          # fingerprint of the final response accepted
    uint32_t ack_step            # + 1: the ACK of this transaction was sent from there
    uint32_t reserved

cdef struct config_t:
    bint detect_retrans          # off with -nr
    uint32_t t2_ms
    uint32_t max_invite_retrans
    uint32_t max_non_invite_retrans
    uint32_t behaviors           # Behavior bits
    uint32_t base_cseq
    uint32_t run_steps           # steps a call may run in one turn
    uint64_t late_start_ns       # a start this much behind its due time counts as late
    double lost_percent
    bint loose_check             # -rtcheck loose: what repeats the main header fields is a retransmission
    bint ignore_in_pause         # -pause_msg_ign
    bint keep_slashes            # -callid_slash_ign
    address_t reply_to           # -rsa: where incoming calls send to; family 0: where their first message came from
    bint auto_answer             # -aa: INFO, NOTIFY, OPTIONS and UPDATE that nothing expects get a 200
    uint8_t family               # AF_INET or AF_INET6: of the addresses that calls send to
    char protocol[8]             # transport in small letters, as setdest names it
    bint owns_sockets            # a client whose calls have a socket or connection each: [local_port] is theirs
    uint32_t send_timeout_ms     # -send_timeout, 0: none
    bint has_plain_twin          # -3pcc: src of a recvCmd does not count, the twin is told of aborted calls
    bint says_goodbye            # aborted calls end with ACK, CANCEL or BYE: a client's, and all of a mixed run

# Of a call whose messages leave through a connection or a socket of its own; calls of one connection are linked.
cdef struct link_t:
    uint32_t next, previous      # calls of the same connection, NO_CALL at the ends
    uint32_t next_waiting, previous_waiting
    uint16_t local_port          # [local_port], host order; 0: the engine's
    uint8_t is_linked
    uint8_t is_waiting
    uint32_t reserved            # what follows it in a record is aligned to 8 bytes

# What prepare() of a runtime says.
cdef enum Readiness:
    READY = 0
    NOT_READY = 0xFFFF           # the call is to wait: interp_resume() comes, or its send times out
    # else the Counter of the failure that ends the call

# What the scenarios of one engine have in common.
cdef struct shared_t:
    uint32_t stop                # StopReason
    uint64_t last_number         # call number given out last: branches and tags are made of them
    uint64_t last_ooc_number     # those of the out-of-call scenario, far from the others
    uint64_t dynamic_id, dynamic_start, dynamic_max, dynamic_step
    tdm_map_t tdm
    uint64_t* counters           # of the main scenario, and of what belongs to no scenario
    targets_t* targets           # where outgoing calls go, in turn; NULL: all to rt.remote

cdef struct runtime_t:
    program_t* program
    config_t config
    calls_t calls
    wheel_t timers               # call_t.timer
    wheel_t retrans              # call_t.retrans_timer
    outbox_t outbox
    void (*flush)(runtime_t*) noexcept nogil
    # Where calls send through what belongs to a few of them (connections, sockets of their own); NULL: one socket for
    # all. prepare() comes before a call sends: Readiness; adopt() when it is opened by a message that came on
    # call.remote, or wakes; release() when it ends, rests, or closes its connection (closecon).
    uint32_t (*prepare)(runtime_t*, call_t*) noexcept nogil
    void (*adopt)(runtime_t*, call_t*) noexcept nogil
    void (*release)(runtime_t*, call_t*, bint closes) noexcept nogil
    # hands a command to the twin; False: there is none. NULL: likewise
    bint (*send_command)(runtime_t*, span_t peer, span_t text) noexcept nogil
    void* owner                  # of the functions above
    uint8_t side_idx             # 1 for the second scenario
    ring_t* ring
    uint64_t trace_mask          # bit per TraceKind that is recorded
    uint64_t start_ns
    uint64_t now_ns              # read once a turn
    uint64_t random_state
    bint has_aes
    address_t remote             # where outgoing calls go
    shared_t* shared
    uint64_t* last_number        # the one in shared that this scenario's calls take theirs from
    uint32_t trace_flags         # TraceFlag bits of this scenario's records
    uint64_t n_calls             # created so far
    uint32_t n_paused
    bint ended_call_failed
    # the flat array of counters and its parts
    uint64_t* words
    uint64_t n_words
    uint64_t* counters
    uint64_t* gauges
    uint64_t* steps              # n_steps x N_STEP_COUNTERS
    uint64_t* generic
    uint64_t* hists              # n_rtds, call length, schedule lag; HIST_WORDS each
    uint64_t* repartitions
    uint64_t* maxima             # one per histogram
    int32_t* group_hint          # per template (steps, then defaults): group its last message went to
    msg_t saved                  # parse of a call's saved last message
    uint32_t variables_off
    uint32_t dialog_off
    uint32_t txns_off
    uint32_t lines_off
    uint32_t link_off            # link_t
    uint32_t invite_cseq_off     # u64: 1 + CSeq number of the last INVITE received, 0 none (BEHAVIOR_CSEQ)
    variable_t* globals
    injection_t** files          # in the order of the program's injection files
    injection_state_t* file_states
    digest_ctx_t* digest         # NULL where the program authenticates nothing
    span_t auth_uri              # -auth_uri, or sip:remote_ip:remote_port
    char* scratch                # SCRATCH_TEXTS texts of SCRATCH_STRIDE bytes
    span_t sent                  # the message rendered last, valid until the next one
    users_t users

cdef inline dialog_t* call_dialog(runtime_t* rt, call_t* call) noexcept nogil:
    return <dialog_t*> (<char*> call + rt.dialog_off)

cdef inline variable_t* call_variable(runtime_t* rt, call_t* call, int32_t v) noexcept nogil:
    """The variable with that number: of the call, of its user (of the call without -users), or global."""
    cdef uint32_t own = rt.program.n_call_variables + rt.program.n_user_variables
    if <uint32_t> v >= own:
        return rt.globals + (<uint32_t> v - own)
    if rt.users.variables != NULL and <uint32_t> v >= rt.program.n_call_variables \
            and call_dialog(rt, call).user_id > 0:
        return rt.users.variables + <uint64_t> (call_dialog(rt, call).user_id - 1) * rt.program.n_user_variables \
            + (<uint32_t> v - rt.program.n_call_variables)
    return <variable_t*> (<char*> call + rt.variables_off) + v

cdef inline txn_t* call_txn(runtime_t* rt, call_t* call, int32_t i) noexcept nogil:
    return <txn_t*> (<char*> call + rt.txns_off) + i

cdef inline link_t* call_link(runtime_t* rt, call_t* call) noexcept nogil:
    return <link_t*> (<char*> call + rt.link_off)

cdef inline uint32_t* call_lines(runtime_t* rt, call_t* call) noexcept nogil:
    """The call's line of each injection file."""
    return <uint32_t*> (<char*> call + rt.lines_off)

cdef inline char* scratch_text(runtime_t* rt, uint32_t i) noexcept nogil:
    return rt.scratch + i * SCRATCH_STRIDE + BYTES_READABLE_PAST_END

cdef inline void number_call(runtime_t* rt, call_t* call) noexcept nogil:
    rt.n_calls += 1
    rt.last_number[0] += 1
    call.call_number = rt.last_number[0]

cdef inline void count(runtime_t* rt, uint32_t counter) noexcept nogil:
    rt.counters[counter] += 1

cdef inline void count_step(runtime_t* rt, uint32_t step, uint32_t counter) noexcept nogil:
    rt.steps[step * N_STEP_COUNTERS + counter] += 1

cdef inline uint32_t now_ms(const runtime_t* rt) noexcept nogil:
    return <uint32_t> ((rt.now_ns - rt.start_ns) // NS_PER_MS)

cdef inline void schedule_after(runtime_t* rt, wheel_t* wheel, wheel_node_t* node, uint64_t delay_ms) noexcept nogil:
    # rounded up to the tick: never early
    wheel_schedule(wheel, node, (rt.now_ns - rt.start_ns + NS_PER_MS - 1) // NS_PER_MS + delay_ms)

cdef inline void choose_remote(runtime_t* rt, call_t* call) noexcept nogil:
    """Where an outgoing call goes."""
    call.remote = rt.remote
    if unlikely(rt.shared.targets != NULL):
        call.remote = rt.shared.targets.targets[targets_next(rt.shared.targets, now_ms(rt))].address
        call.remote.via = rt.remote.via

# What calls were sent to does not answer: others of the targets are used for a while.
cdef void target_failed(runtime_t* rt, const address_t* peer) noexcept nogil

cdef inline bint chance_percent(runtime_t* rt, double percent) noexcept nogil:
    return percent > 0 and <double> (random_u64(&rt.random_state) >> 11) * (100.0 / 9007199254740992.0) < percent

cdef void trace(runtime_t* rt, uint32_t kind, int32_t a, int32_t b, span_t call_id, span_t data) noexcept nogil

cdef inline bint traces(const runtime_t* rt, uint32_t kind) noexcept nogil:
    return rt.trace_mask >> kind & 1
