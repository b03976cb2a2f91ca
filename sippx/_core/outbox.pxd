# sippx/_core/outbox.pxd: datagrams waiting to leave, grouped so that one sendmsg carries many.
#
# A group holds datagrams of one length for one destination, back to back, as UDP_SEGMENT wants them.
# Groups are opened and flushed in index order. Per-call order: a call's next message may only go into
# a group whose index is not below that of the call's previous message in the same generation (the
# `min_group` argument); later groups leave later, so nothing of one call is ever overtaken.
#
# For streams (`ends` is there) groups hold messages of any length, and one connection's go into the same group as long
# as there is room.
#
# Use: reserve() gives room for a message of any length where the hinted group will probably keep it;
# render there; commit() files it, moving the bytes only if the guess was wrong. When reserve() says
# OUTBOX_FULL the owner flushes and calls clear(), which starts a new generation.
from libc.stdint cimport int32_t, uint32_t, uint64_t

from sippx._core.address cimport address_t

cdef enum:
    OUTBOX_GROUPS = 32
    OUTBOX_SEGMENTS = 64         # UDP_MAX_SEGMENTS of the kernels that have it lowest
    OUTBOX_GROUP_BYTES = 65507   # a GSO send is one UDP payload to the kernel
    OUTBOX_STREAM_SEGMENTS = 512
    OUTBOX_FULL = -1

cdef struct group_t:
    address_t dest
    char* bytes
    uint32_t n_segments
    uint32_t segment_len         # of each; of streams: of the last
    uint32_t n_bytes
    uint32_t* ends               # of streams: where each message ends, OUTBOX_STREAM_SEGMENTS; else NULL

cdef struct outbox_t:
    group_t groups[OUTBOX_GROUPS]
    uint32_t n_groups            # opened in this generation
    uint32_t generation          # never 0
    uint32_t max_segments        # 1..OUTBOX_SEGMENTS
    uint64_t n_datagrams         # filed in this generation
    bint is_stream
    char* memory
    uint32_t* ends

cdef int outbox_init(outbox_t* o, uint32_t max_segments) noexcept nogil     # 0, or -1: no memory
# Makes an empty outbox one for streams: 0, or -1: no memory.
cdef int outbox_for_streams(outbox_t* o) noexcept nogil
cdef void outbox_free(outbox_t* o) noexcept nogil
cdef void outbox_clear(outbox_t* o) noexcept nogil

# hint: group the step's last message went to. Returns the group to render into, or OUTBOX_FULL.
cdef int32_t outbox_reserve(outbox_t* o, const address_t* dest, int32_t hint, uint32_t min_group) noexcept nogil

cdef inline char* outbox_room(outbox_t* o, int32_t group) noexcept nogil:
    """Where to render: MESSAGE_CAP + padding bytes are free there."""
    return o.groups[group].bytes + o.groups[group].n_bytes

# Gives up what outbox_reserve() gave: nothing is sent.
cdef void outbox_abandon(outbox_t* o, int32_t group) noexcept nogil

# Files the n bytes rendered at outbox_room(group); returns the group they are in now.
cdef int32_t outbox_commit(outbox_t* o, int32_t group, uint32_t n, uint32_t min_group) noexcept nogil
