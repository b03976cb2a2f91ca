# sippx/_core/targets.pxd: which of several remote addresses the next call goes to.
#
# Targets stand in ascending priority. The best priority that has a target which is up is used; in it targets take
# turns by weight, spread evenly (smooth weighted round robin). A target that failed is down for a while. Targets of
# weight 0 get calls only where no other one of their priority is up, and then equally (RFC 2782).
# Work is linear in the targets, of which there are at most TARGETS_CAP; with one it is constant.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from sippx._core.address cimport address_t

cdef enum:
    TARGETS_CAP = 64

cdef struct target_t:
    address_t address
    uint64_t down_until_ms       # up from this time on; 0: never failed
    int64_t turn                 # the highest is next; those of the targets of a priority that are up add up to 0
    uint32_t weight
    uint32_t priority            # the lower is preferred

cdef struct targets_t:
    uint32_t n_targets
    target_t targets[TARGETS_CAP]

cdef void targets_init(targets_t* t) noexcept nogil

# 0, or -1: there are TARGETS_CAP already, or the priority is below that of the target before.
cdef int targets_add(targets_t* t, const address_t* address, uint32_t weight, uint32_t priority) noexcept nogil

# Index of the next call's target: of those that are up, else the one that is up again first. There must be one.
cdef uint32_t targets_next(targets_t* t, uint64_t now_ms) noexcept nogil

# Target `index` was found not to answer: it is left out for penalty_ms, or for as long as it already was.
cdef void targets_failed(targets_t* t, uint32_t index, uint64_t now_ms, uint64_t penalty_ms) noexcept nogil
