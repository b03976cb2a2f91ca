# sippx/_core/wheel.pxd: a hierarchical timer wheel; possibly late, never early.
#
# Levels of 64 slots: level l holds timers whose tick first differs from now in base-64 digit l.
# schedule, cancel and a step of advance are O(1); a timer moves down at most once a level. Nodes are
# intrusive: the caller owns them, keeps them where they are while scheduled, and finds its object
# around them. advance() only moves due nodes to the `due` list; pop() hands them out one by one, so
# whatever the owner does in between (cancel others, schedule this one again) is safe.
# Rejected: one list per tick (memory), a heap (log n and cache misses per cancel).
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    WHEEL_LEVELS = 11            # 11 x 6 bits: every 64-bit tick has its place
    WHEEL_SLOTS = 64

cdef struct wheel_node_t:
    wheel_node_t* next
    wheel_node_t** pprev         # NULL: not scheduled
    uint64_t expiry              # tick

cdef struct wheel_t:
    uint64_t now                 # ticks up to and including this one have been advanced over
    uint64_t n_scheduled         # nodes in slots and on the due list
    wheel_node_t* due
    uint64_t occupied[WHEEL_LEVELS]                  # bit s: slot s of the level is not empty
    wheel_node_t* slots[WHEEL_LEVELS][WHEEL_SLOTS]

cdef void wheel_init(wheel_t* w, uint64_t now) noexcept nogil

cdef inline bint wheel_is_scheduled(const wheel_node_t* n) noexcept nogil:
    return n.pprev != NULL

# expiry <= now fires at the next advance.
cdef void wheel_schedule(wheel_t* w, wheel_node_t* n, uint64_t expiry) noexcept nogil
cdef void wheel_cancel(wheel_t* w, wheel_node_t* n) noexcept nogil
cdef void wheel_advance(wheel_t* w, uint64_t now) noexcept nogil
cdef wheel_node_t* wheel_pop(wheel_t* w) noexcept nogil

# A tick not later than the next expiry (its slot's first tick); ~0 where nothing is scheduled.
cdef uint64_t wheel_next(const wheel_t* w) noexcept nogil
