# sippx/_core/targets.pyx: turns by weight among the targets that are up; its Python test surface.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from sippx._core.address cimport address_t


cdef void targets_init(targets_t* t) noexcept nogil:
    t.n_targets = 0


cdef int targets_add(targets_t* t, const address_t* address, uint32_t weight, uint32_t priority) noexcept nogil:
    cdef target_t* added
    if t.n_targets == TARGETS_CAP:
        return -1
    if t.n_targets and t.targets[t.n_targets - 1].priority > priority:
        return -1
    added = &t.targets[t.n_targets]
    added.address = address[0]
    added.down_until_ms = 0
    added.turn = 0
    added.weight = weight
    added.priority = priority
    t.n_targets += 1
    return 0


cdef inline bint is_up(const target_t* target, uint64_t now_ms) noexcept nogil:
    return target.down_until_ms <= now_ms


cdef uint32_t group_end(const targets_t* t, uint32_t begin) noexcept nogil:
    """Behind the last target of the priority of target `begin`."""
    cdef uint32_t end = begin + 1
    while end < t.n_targets and t.targets[end].priority == t.targets[begin].priority:
        end += 1
    return end


cdef int64_t take_turn(targets_t* t, uint32_t begin, uint32_t end, uint64_t now_ms) noexcept nogil:
    """The next target of one priority, -1 where none is up."""
    cdef int64_t chosen = -1, total = 0, share
    cdef uint32_t n_up = 0, i
    cdef bint equal
    for i in range(begin, end):
        if is_up(&t.targets[i], now_ms):
            n_up += 1
            total += t.targets[i].weight
    if n_up == 0:
        return -1
    equal = total == 0
    if equal:
        total = n_up
    for i in range(begin, end):
        if not is_up(&t.targets[i], now_ms):
            continue
        share = 1 if equal else t.targets[i].weight
        t.targets[i].turn += share
        if share and (chosen < 0 or t.targets[i].turn > t.targets[chosen].turn):
            chosen = i
    t.targets[chosen].turn -= total
    return chosen


cdef uint32_t targets_next(targets_t* t, uint64_t now_ms) noexcept nogil:
    cdef uint32_t begin = 0, end, soonest = 0, i
    cdef int64_t chosen
    if t.n_targets == 1:
        return 0
    while begin < t.n_targets:
        end = group_end(t, begin)
        chosen = take_turn(t, begin, end, now_ms)
        if chosen >= 0:
            return <uint32_t> chosen
        begin = end
    for i in range(1, t.n_targets):
        if t.targets[i].down_until_ms < t.targets[soonest].down_until_ms:
            soonest = i
    return soonest


cdef void targets_failed(targets_t* t, uint32_t index, uint64_t now_ms, uint64_t penalty_ms) noexcept nogil:
    cdef target_t* failed = &t.targets[index]
    cdef uint64_t until_ms = now_ms + penalty_ms
    cdef uint32_t i
    if until_ms < now_ms:
        until_ms = ~0ULL
    if is_up(failed, now_ms) and until_ms > now_ms:
        # those left begin anew: their turns add up to 0 again
        for i in range(t.n_targets):
            if t.targets[i].priority == failed.priority:
                t.targets[i].turn = 0
    if until_ms > failed.down_until_ms:
        failed.down_until_ms = until_ms

# --------------------------------------------------------------------------- test surface

cdef class TargetTable:
    """The targets of (weight, priority) pairs, without addresses."""
    cdef targets_t t

    def __cinit__(self, pairs):
        cdef address_t nowhere
        memset(&nowhere, 0, sizeof(nowhere))
        targets_init(&self.t)
        for weight, priority in pairs:
            if targets_add(&self.t, &nowhere, weight, priority) != 0:
                raise ValueError(f"more than {TARGETS_CAP} targets, or not in ascending priority")
        if self.t.n_targets == 0:
            raise ValueError("no targets")

    def next(self, uint64_t now_ms):
        """Index of the next call's target."""
        return targets_next(&self.t, now_ms)

    def failed(self, uint32_t index, uint64_t now_ms, uint64_t penalty_ms):
        """Leave a target out for a while."""
        if index >= self.t.n_targets:
            raise IndexError(index)
        targets_failed(&self.t, index, now_ms, penalty_ms)

    @property
    def turns(self):
        """How far each target's turn has come."""
        return [self.t.targets[i].turn for i in range(self.t.n_targets)]
