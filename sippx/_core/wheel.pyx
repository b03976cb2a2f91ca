# sippx/_core/wheel.pyx: the timer wheel and its Python test surface.
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from sippx._core.bits cimport clz64, ctz64

cdef inline uint32_t level_of(uint64_t a, uint64_t b) noexcept nogil:
    """The highest base-64 digit in which a and b differ."""
    return (63 - clz64((a ^ b) | 1)) // 6


cdef inline void push(wheel_node_t** head, wheel_node_t* n) noexcept nogil:
    n.next = head[0]
    if n.next != NULL:
        n.next.pprev = &n.next
    n.pprev = head
    head[0] = n


cdef void wheel_init(wheel_t* w, uint64_t now) noexcept nogil:
    memset(w, 0, sizeof(wheel_t))
    w.now = now


cdef inline void place(wheel_t* w, wheel_node_t* n) noexcept nogil:
    cdef uint32_t level = level_of(n.expiry, w.now)
    cdef uint32_t slot = (n.expiry >> (6 * level)) & 63
    push(&w.slots[level][slot], n)
    w.occupied[level] |= 1ULL << slot


cdef void wheel_schedule(wheel_t* w, wheel_node_t* n, uint64_t expiry) noexcept nogil:
    if n.pprev != NULL:
        wheel_cancel(w, n)
    w.n_scheduled += 1
    if expiry <= w.now:
        n.expiry = w.now
        push(&w.due, n)
        return
    n.expiry = expiry
    place(w, n)


cdef void wheel_cancel(wheel_t* w, wheel_node_t* n) noexcept nogil:
    cdef wheel_node_t** head = n.pprev
    cdef uint64_t first, i
    if head == NULL:
        return
    head[0] = n.next
    if n.next != NULL:
        n.next.pprev = head
    n.pprev = NULL
    w.n_scheduled -= 1
    if head[0] == NULL:
        # an emptied slot head clears its bit
        first = <uint64_t> &w.slots[0][0]
        i = <uint64_t> head
        if first <= i < first + sizeof(w.slots):
            i = (i - first) // sizeof(void*)
            w.occupied[i // WHEEL_SLOTS] &= ~(1ULL << (i % WHEEL_SLOTS))


cdef void take_slot(wheel_t* w, uint32_t level, uint32_t slot, wheel_node_t** taken) noexcept nogil:
    cdef wheel_node_t* n = w.slots[level][slot]
    cdef wheel_node_t* next_
    w.slots[level][slot] = NULL
    w.occupied[level] &= ~(1ULL << slot)
    while n != NULL:
        next_ = n.next
        push(taken, n)
        n = next_


cdef void wheel_advance(wheel_t* w, uint64_t now) noexcept nogil:
    cdef wheel_node_t* taken = NULL
    cdef wheel_node_t* n
    cdef uint32_t top, level, last
    cdef uint64_t bits
    if now <= w.now:
        return
    top = level_of(now, w.now)
    last = (now >> (6 * top)) & 63
    for level in range(top):
        while w.occupied[level]:
            take_slot(w, level, ctz64(w.occupied[level]), &taken)
    # slots of the top level up to and including the one that holds `now`
    while True:
        bits = w.occupied[top]
        if last < 63:
            bits &= (1ULL << (last + 1)) - 1
        if bits == 0:
            break
        take_slot(w, top, ctz64(bits), &taken)
    w.now = now
    while taken != NULL:
        n = taken
        taken = n.next
        if n.expiry <= now:
            push(&w.due, n)
        else:
            place(w, n)


cdef wheel_node_t* wheel_pop(wheel_t* w) noexcept nogil:
    cdef wheel_node_t* n = w.due
    if n != NULL:
        w.due = n.next
        if w.due != NULL:
            w.due.pprev = &w.due
        n.pprev = NULL
        w.n_scheduled -= 1
    return n


cdef uint64_t wheel_next(const wheel_t* w) noexcept nogil:
    cdef uint32_t level, slot, shift
    if w.due != NULL:
        return w.now
    for level in range(WHEEL_LEVELS):
        if w.occupied[level]:
            slot = ctz64(w.occupied[level])
            shift = 6 * level
            return ((w.now >> shift) & ~<uint64_t> 63 | slot) << shift
    return ~0ULL

# --------------------------------------------------------------------------- test surface

cdef class Wheel:
    """A wheel with `capacity` timers numbered from 0: what tests and benchmarks drive."""
    cdef wheel_t w
    cdef wheel_node_t* nodes
    cdef readonly uint32_t capacity

    def __cinit__(self, uint32_t capacity, uint64_t now=0):
        self.nodes = <wheel_node_t*> calloc(capacity or 1, sizeof(wheel_node_t))
        if self.nodes == NULL:
            raise MemoryError
        self.capacity = capacity
        wheel_init(&self.w, now)

    def __dealloc__(self):
        free(self.nodes)

    cdef wheel_node_t* node(self, uint32_t i) except NULL:
        if i >= self.capacity:
            raise IndexError(f"timer {i} of {self.capacity}")
        return &self.nodes[i]

    def schedule(self, uint32_t i, uint64_t expiry):
        wheel_schedule(&self.w, self.node(i), expiry)

    def cancel(self, uint32_t i):
        wheel_cancel(&self.w, self.node(i))

    def is_scheduled(self, uint32_t i):
        return wheel_is_scheduled(self.node(i))

    def advance(self, uint64_t now):
        wheel_advance(&self.w, now)

    def pop(self):
        """Number of a due timer, or None."""
        cdef wheel_node_t* n = wheel_pop(&self.w)
        return None if n == NULL else n - self.nodes

    @property
    def now(self):
        return self.w.now

    @property
    def next(self):
        """A tick not later than the next expiry, None where nothing is scheduled."""
        cdef uint64_t t = wheel_next(&self.w)
        return None if t == ~0ULL else t

    def __len__(self):
        return self.w.n_scheduled

    def check(self):
        """Recomputes every invariant the slow way; AssertionError names the first that does not hold."""
        cdef uint32_t level, slot
        cdef uint64_t n = 0
        cdef wheel_node_t* p
        for level in range(WHEEL_LEVELS):
            for slot in range(WHEEL_SLOTS):
                p = self.w.slots[level][slot]
                assert (p != NULL) == bool(self.w.occupied[level] >> slot & 1), f"bit of {level}/{slot}"
                while p != NULL:
                    n += 1
                    assert p.pprev[0] == p, f"links of {level}/{slot}"
                    assert p.expiry > self.w.now, f"late timer in {level}/{slot}"
                    assert level_of(p.expiry, self.w.now) == level, f"level of a timer in {level}/{slot}"
                    assert (p.expiry >> (6 * level)) & 63 == slot, f"slot of a timer in {level}/{slot}"
                    p = p.next
        p = self.w.due
        while p != NULL:
            n += 1
            assert p.pprev[0] == p and p.expiry <= self.w.now, "due list"
            p = p.next
        assert n == self.w.n_scheduled, "count"

    def bench(self, uint64_t rounds, uint64_t delay):
        """rounds x (schedule `capacity` timers `delay` ticks ahead, cancel every second, advance, pop all)."""
        cdef uint64_t _r, fired = 0
        cdef uint32_t i
        with nogil:
            for _r in range(rounds):
                for i in range(self.capacity):
                    wheel_schedule(&self.w, &self.nodes[i], self.w.now + delay + (i & 7))
                for i in range(0, self.capacity, 2):
                    wheel_cancel(&self.w, &self.nodes[i])
                wheel_advance(&self.w, self.w.now + delay + 8)
                while wheel_pop(&self.w) != NULL:
                    fired += 1
        return fired
