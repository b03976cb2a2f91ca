# sippx/_core/calls.pxd: the call slab and the table that finds a call by its Call-ID.
#
# A call is one slab record: the three hot cache lines of call_t, then the Call-ID and the peer's tag
# (in place up to CALL_TEXT_BYTES, else in a block), then the program's own tail (RTD starts). Records
# never move; a u32 index names one. Finished Call-IDs stay in the table for a while as dead entries
# (a ring of 16 bytes each, oldest dropped first), so that late messages are told from strangers'.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from sippx._core.address cimport address_t
from sippx._core.blocks cimport blocks_t
from sippx._core.span cimport span_of, span_t
from sippx._core.wheel cimport wheel_node_t

cdef enum:
    CALL_TEXT_BYTES = 120
    CALL_NONE = 0xFFFFFFFF       # no such call
    CALL_DEAD = 0xFFFFFFFE       # a finished call's Call-ID
    CALL_RESTING = 0xFFFFFFFD    # a call in its timewait
    CALL_FOUND_MAX = 0xFFFFFFFC  # results up to this are indices of open calls
    DEAD_CAP = 1048576           # finished Call-IDs remembered at most

cdef enum CallState:
    CALL_FREE = 0
    CALL_RUNNING                 # executing steps
    CALL_WAITING                 # at a recv
    CALL_PAUSED
    CALL_BLOCKED                 # at a send, until an earlier message is answered
    CALL_YIELDED                 # ran its share of steps without parking; goes on next turn
    CALL_CONGESTED               # at a send, until its connection takes more

cdef enum CallFlag:
    CALL_INCOMING = 1
    CALL_ESTABLISHED = 2         # an ACK was sent or received
    CALL_ACK_PENDING = 4         # a 200 was received and not yet acknowledged
    CALL_RECEIVED = 8            # anything was ever received
    CALL_CAUSE_IS_REQUEST = 16
    CALL_LAST_SENT_INVITE = 32
    CALL_INIT = 64               # the hidden call that runs the <init> steps
    CALL_UNEXPECTED = 128        # at _unexp.main with the message that brought it there

cdef enum DeadReason:
    DEAD_SUCCESSFUL = 0
    DEAD_FAILED = 1              # failed at index `step`
    DEAD_ABORTED = 2

cdef struct call_t:
    # line 0: timers and life cycle
    wheel_node_t timer           # pause end, receive timeout or next turn
    uint64_t hash                # of the Call-ID
    uint64_t start_ns
    uint32_t index
    uint32_t outbox_generation   # where this call's newest unsent message is
    uint16_t outbox_group
    uint16_t step                # where the call is
    uint8_t state                # CallState
    uint8_t flags                # CallFlag
    uint16_t failure             # Counter of a remembered failure, 0 none
    uint32_t next_free
    uint32_t cseq
    # line 1: retransmissions, ours and the peer's
    wheel_node_t retrans_timer
    char* retrans_bytes
    uint32_t retrans_len
    uint32_t retrans_interval_ms
    uint64_t last_recv_hash      # of the last received message while nothing was sent since
    uint64_t cause_hash          # of the message that our last send answered
    # line 2: dialog
    char* last_bytes             # last received message, where a later step may need it
    uint64_t call_number
    address_t remote
    uint32_t last_len
    uint16_t retrans_step
    uint8_t n_retrans
    uint8_t retrans_is_invite
    uint16_t last_recv_step
    uint16_t cause_send_step
    uint16_t cause_recv_step
    uint16_t last_status         # status code of the last response received
    uint16_t timeout_step        # recv whose timeout is running
    uint16_t call_id_len
    uint16_t peer_tag_len
    uint16_t jump_step           # where the actions of the current step said to go on, 0xFFFF nowhere
    # texts
    char* text_block             # Call-ID and tag where they exceed the record, else NULL
    char text[CALL_TEXT_BYTES]

cdef enum RestingMark:
    RESTING_GONE = 1             # woken: only waits to be taken off the queue
    RESTING_CONNECTED = 2        # its peer is a connection; calls with IPv6 peers do not rest

cdef struct resting_t:
    uint64_t hash
    uint64_t start_ns
    uint64_t cause_hash
    uint64_t call_number
    uint32_t expiry_ms           # engine time
    uint32_t next                # younger one, or next free record
    uint32_t cseq
    uint16_t step                # the timewait
    uint16_t cause_send_step
    uint16_t cause_recv_step
    uint8_t flags                # CallFlag
    uint8_t marks                # RestingMark
    uint32_t peer[2]             # IP address, port and via of an IPv4 peer; index and generation of a connection

cdef struct dead_t:
    uint64_t hash
    uint32_t expiry_ms           # engine time
    uint16_t step
    uint8_t reason               # DeadReason
    uint8_t in_table

cdef struct slots_t:
    uint64_t* slots              # tag << 32 | value; 0 empty
    uint64_t mask
    uint64_t n_used

cdef struct calls_t:
    char* base
    uint64_t stride
    uint32_t capacity
    uint32_t n_touched           # records ever used
    uint32_t free_head
    uint32_t n_open
    uint64_t seed
    slots_t table
    slots_t old                  # being moved into table
    uint64_t move_at
    slots_t next                 # the larger table to come, being touched page by page
    uint64_t touch_at
    resting_t* resting
    uint32_t n_resting           # calls resting now (they count as open)
    uint32_t resting_touched
    uint32_t resting_free
    uint32_t resting_oldest      # queue by expiry
    uint32_t resting_youngest
    dead_t* dead
    uint64_t dead_head
    uint64_t dead_tail
    uint32_t dead_wait_ms        # 0: finished calls are forgotten at once
    blocks_t own_blocks
    blocks_t* blocks             # own_blocks, or those of another table that lives longer (shared texts)

cdef int calls_init(calls_t* c, uint32_t capacity, uint32_t tail_bytes, uint32_t dead_wait_ms,
                    uint64_t seed, uint64_t max_block_bytes) noexcept nogil        # 0, or -1: no memory
cdef void calls_free(calls_t* c) noexcept nogil

cdef inline call_t* call_at(calls_t* c, uint32_t index) noexcept nogil:
    return <call_t*> (c.base + index * c.stride)

cdef inline uint64_t* call_tail(call_t* call) noexcept nogil:
    return <uint64_t*> (<char*> call + sizeof(call_t))

cdef inline char* call_text(call_t* call) noexcept nogil:
    return call.text_block if call.text_block != NULL else call.text

cdef inline span_t call_call_id(call_t* call) noexcept nogil:
    return span_of(call_text(call), call.call_id_len)

cdef inline span_t call_peer_tag(call_t* call) noexcept nogil:
    return span_of(call_text(call) + call.call_id_len, call.peer_tag_len)

cdef uint64_t calls_hash(calls_t* c, span_t call_id) noexcept nogil

# The table slot that a lookup of this hash reads first.
cdef void calls_prefetch_slot(calls_t* c, uint64_t hash_) noexcept nogil

# Index of the open call with that Call-ID, CALL_DEAD or CALL_RESTING (`other` is the record), or CALL_NONE.
cdef uint32_t calls_find(calls_t* c, span_t call_id, uint64_t hash_, uint64_t* other) noexcept nogil
# The same without comparing texts: a call that a prefetch may look at, or CALL_NONE.
cdef uint32_t calls_guess(calls_t* c, uint64_t hash_) noexcept nogil

# A zeroed record entered in the table under that Call-ID (which is copied); NULL where the slab is full.
cdef call_t* calls_open(calls_t* c, span_t call_id, uint64_t hash_, uint64_t start_ns) noexcept nogil

# Frees record and blocks; with remember the Call-ID stays as a dead entry until now_ms + dead_wait_ms.
# Both timers must have been cancelled.
cdef void calls_close(calls_t* c, call_t* call, bint remember, uint32_t reason, uint32_t now_ms) noexcept nogil

cdef void calls_expire_dead(calls_t* c, uint32_t now_ms) noexcept nogil

# Puts a call to rest until expiry_ms (not before that of any call resting already); False where it must
# go on as a full record: its peer has an IPv6 address, or its last message was not answered by a send (only
# a full record remembers both fingerprints). Frees the record; both timers must have been cancelled.
cdef bint calls_rest(calls_t* c, call_t* call, uint32_t expiry_ms) noexcept nogil

# A full record again, at its timewait with no timer set; NULL where there is no room.
cdef call_t* calls_wake(calls_t* c, uint64_t resting, span_t call_id) noexcept nogil

# The oldest resting call if its time is over by now_ms, else NULL; calls_end_rest() takes it off the queue.
cdef resting_t* calls_rested(calls_t* c, uint32_t now_ms) noexcept nogil
cdef void calls_end_rest(calls_t* c, bint remember, uint32_t now_ms) noexcept nogil

# Stores the peer's tag (copied, cut to 65535 - call_id_len); False where there is no memory.
cdef bint call_set_peer_tag(calls_t* c, call_t* call, span_t tag) noexcept nogil

# Keeps a copy of the last received message; False where there is no memory.
cdef bint call_save_last(calls_t* c, call_t* call, const char* p, uint32_t n) noexcept nogil
cdef void call_drop_last(calls_t* c, call_t* call) noexcept nogil

# Keeps a copy of a message that may have to be sent again.
cdef bint call_save_retrans(calls_t* c, call_t* call, const char* p, uint32_t n) noexcept nogil
cdef void call_drop_retrans(calls_t* c, call_t* call) noexcept nogil

cdef uint64_t calls_memory_bytes(const calls_t* c) noexcept nogil
