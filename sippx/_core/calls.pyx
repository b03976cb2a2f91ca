# sippx/_core/calls.pyx: call slab, Call-ID table, dead calls; their Python test surface.
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from sippx._core.address cimport ADDRESS_CONNECTION, address_of_connection
from sippx._core.bits cimport likely, prefetch, unlikely
from sippx._core.blocks cimport (
    block_acquire, block_release, block_same_class, blocks_free_all, blocks_init,
)
from sippx._core.hash cimport hash_bytes
from sippx._core.linux cimport (
    AF_INET, AF_INET6, MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap,
)

cdef enum:
    NO_FREE = 0xFFFFFFFF
    # slot values: the two highest bits say what the rest is an index of
    VALUE_RESTING = 0x40000000
    VALUE_DEAD = 0x80000000
    VALUE_KIND = 0xC0000000
    VALUE_MOVED = 0xFFFFFFFF     # in the old table: was here, keep probing
    PAGE_BYTES = 4096
    PREFETCH_AHEAD = 8
    FIRST_SLOTS = 1024
    MOVES_PER_OPEN = 16


cdef void* map_bytes(uint64_t n) noexcept nogil:
    cdef void* p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return NULL if p == MAP_FAILED else p


cdef bint slots_init(slots_t* t, uint64_t n) noexcept nogil:
    t.slots = <uint64_t*> map_bytes(n * 8)
    t.mask = n - 1
    t.n_used = 0
    return t.slots != NULL


cdef void slots_free(slots_t* t) noexcept nogil:
    if t.slots != NULL:
        munmap(t.slots, (t.mask + 1) * 8)
    t.slots = NULL


cdef int calls_init(calls_t* c, uint32_t capacity, uint32_t tail_bytes, uint32_t dead_wait_ms,
                    uint64_t seed, uint64_t max_block_bytes) noexcept nogil:
    memset(c, 0, sizeof(calls_t))
    c.stride = (sizeof(call_t) + tail_bytes + 63) & ~<uint64_t> 63
    c.capacity = capacity
    c.free_head = NO_FREE
    c.seed = seed
    c.dead_wait_ms = dead_wait_ms
    blocks_init(&c.own_blocks, max_block_bytes)
    c.blocks = &c.own_blocks
    # one record more: wild copies of the last call's texts read past it
    c.base = <char*> map_bytes((<uint64_t> capacity + 1) * c.stride)
    c.dead = <dead_t*> map_bytes(DEAD_CAP * sizeof(dead_t))
    c.resting = <resting_t*> map_bytes(<uint64_t> capacity * sizeof(resting_t))
    c.resting_free = NO_FREE
    c.resting_oldest = NO_FREE
    c.resting_youngest = NO_FREE
    if c.base == NULL or c.dead == NULL or c.resting == NULL or not slots_init(&c.table, FIRST_SLOTS):
        return -1
    return 0


cdef void calls_free(calls_t* c) noexcept nogil:
    if c.base != NULL:
        munmap(c.base, (<uint64_t> c.capacity + 1) * c.stride)
    if c.dead != NULL:
        munmap(c.dead, DEAD_CAP * sizeof(dead_t))
    if c.resting != NULL:
        munmap(c.resting, <uint64_t> c.capacity * sizeof(resting_t))
    slots_free(&c.table)
    slots_free(&c.old)
    slots_free(&c.next)
    blocks_free_all(&c.own_blocks)
    c.base = NULL
    c.dead = NULL
    c.resting = NULL

# --------------------------------------------------------------------------- the table

cdef uint64_t calls_hash(calls_t* c, span_t call_id) noexcept nogil:
    return hash_bytes(call_id.ptr, call_id.len, c.seed)


cdef inline uint64_t tag_of(uint64_t hash_) noexcept nogil:
    # never 0, so that no entry looks like an empty slot
    return hash_ >> 32 | 0x80000000ULL


cdef void calls_prefetch_slot(calls_t* c, uint64_t hash_) noexcept nogil:
    prefetch(&c.table.slots[tag_of(hash_) & c.table.mask])


cdef void slots_put(slots_t* t, uint64_t tag, uint64_t value) noexcept nogil:
    cdef uint64_t i = tag & t.mask
    while t.slots[i] != 0:
        i = (i + 1) & t.mask
    t.slots[i] = tag << 32 | value
    t.n_used += 1


cdef uint64_t* slots_at(slots_t* t, uint64_t tag, uint64_t value) noexcept nogil:
    """The slot that holds exactly this entry, NULL where there is none."""
    cdef uint64_t i = tag & t.mask
    cdef uint64_t want = tag << 32 | value
    if t.slots == NULL:
        return NULL
    while t.slots[i] != 0:
        if t.slots[i] == want:
            return &t.slots[i]
        i = (i + 1) & t.mask
    return NULL


cdef void slots_remove(slots_t* t, uint64_t* slot) noexcept nogil:
    """Closes the gap: entries behind it move up unless they would pass their home position."""
    cdef uint64_t hole = slot - t.slots
    cdef uint64_t i = hole
    cdef uint64_t home
    while True:
        i = (i + 1) & t.mask
        if t.slots[i] == 0:
            break
        home = (t.slots[i] >> 32) & t.mask
        if ((i - home) & t.mask) >= ((i - hole) & t.mask):
            t.slots[hole] = t.slots[i]
            hole = i
    t.slots[hole] = 0
    t.n_used -= 1


cdef void move_some(calls_t* c, uint64_t n) noexcept nogil:
    cdef uint64_t entry
    while n > 0 and c.old.slots != NULL:
        if c.move_at > c.old.mask:
            slots_free(&c.old)
            return
        entry = c.old.slots[c.move_at]
        if entry != 0 and entry & 0xFFFFFFFFULL != VALUE_MOVED:
            slots_put(&c.table, entry >> 32, entry & 0xFFFFFFFFULL)
            c.old.slots[c.move_at] = entry | VALUE_MOVED
        c.move_at += 1
        n -= 1


cdef void prepare_next(calls_t* c) noexcept nogil:
    """From a quarter full on, every 32nd insert touches a page of the table to come (half of them would do)."""
    cdef uint64_t n_bytes
    if c.table.n_used & 31:
        return
    if c.next.slots == NULL:
        if c.table.mask < PAGE_BYTES or not slots_init(&c.next, (c.table.mask + 1) * 2):
            return
        c.touch_at = 0
    n_bytes = (c.next.mask + 1) * 8
    if c.touch_at < n_bytes:
        (<volatile char*> c.next.slots)[c.touch_at] = 0
        c.touch_at += PAGE_BYTES


cdef bint make_room(calls_t* c) noexcept nogil:
    """Keeps the table at most half full; the move to a larger one is spread over the next inserts."""
    cdef slots_t larger
    if unlikely(c.old.slots != NULL):
        move_some(c, MOVES_PER_OPEN)
    if likely(c.table.n_used * 4 <= c.table.mask):
        return True
    prepare_next(c)
    if c.table.n_used * 2 <= c.table.mask:
        return True
    if c.old.slots != NULL:
        move_some(c, ~0ULL)
    larger = c.next
    memset(&c.next, 0, sizeof(c.next))
    if larger.slots == NULL and not slots_init(&larger, (c.table.mask + 1) * 2):
        return c.table.n_used * 8 < c.table.mask * 7
    c.old = c.table
    c.table = larger
    c.move_at = 0
    return True


cdef inline uint32_t find_in(calls_t* c, slots_t* t, span_t call_id, uint64_t hash_, uint64_t* other) noexcept nogil:
    cdef uint64_t tag = tag_of(hash_)
    cdef uint64_t i = tag & t.mask
    cdef uint64_t entry
    cdef uint32_t value
    cdef call_t* call
    while True:
        entry = t.slots[i]
        if entry == 0:
            return CALL_NONE
        if entry >> 32 == tag:
            value = <uint32_t> entry
            if value == VALUE_MOVED:
                pass
            elif value & VALUE_DEAD:
                if c.dead[value & ~VALUE_KIND].hash == hash_:
                    other[0] = value & ~VALUE_KIND
                    return CALL_DEAD
            elif value & VALUE_RESTING:
                if c.resting[value & ~VALUE_KIND].hash == hash_:
                    other[0] = value & ~VALUE_KIND
                    return CALL_RESTING
            else:
                call = call_at(c, value)
                if likely(call.call_id_len == call_id.len
                          and memcmp(call_text(call), call_id.ptr, call_id.len) == 0):
                    return value
        i = (i + 1) & t.mask


cdef uint32_t calls_find(calls_t* c, span_t call_id, uint64_t hash_, uint64_t* other) noexcept nogil:
    cdef uint32_t found = find_in(c, &c.table, call_id, hash_, other)
    if unlikely(found == CALL_NONE and c.old.slots != NULL):
        found = find_in(c, &c.old, call_id, hash_, other)
    return found


cdef uint32_t calls_guess(calls_t* c, uint64_t hash_) noexcept nogil:
    cdef uint64_t tag = tag_of(hash_)
    cdef uint64_t entry = c.table.slots[tag & c.table.mask]
    if entry >> 32 == tag and not (<uint32_t> entry) & VALUE_KIND:
        return <uint32_t> entry
    return CALL_NONE


cdef uint64_t* entry_slot(calls_t* c, uint64_t hash_, uint64_t value, slots_t** table) noexcept nogil:
    cdef uint64_t* slot = slots_at(&c.table, tag_of(hash_), value)
    table[0] = &c.table
    if unlikely(slot == NULL):
        slot = slots_at(&c.old, tag_of(hash_), value)
        table[0] = &c.old
    return slot


cdef void forget(calls_t* c, uint64_t hash_, uint64_t value) noexcept nogil:
    cdef slots_t* table
    cdef uint64_t* slot = entry_slot(c, hash_, value, &table)
    if slot == NULL:
        return
    if table == &c.old:
        slot[0] |= VALUE_MOVED
    else:
        slots_remove(table, slot)

# --------------------------------------------------------------------------- calls

cdef inline void clear_record(calls_t* c, call_t* call) noexcept nogil:
    """Zeroes all but the texts, whose lengths say what of them counts."""
    memset(call, 0, <size_t> (<char*> call.text - <char*> call))
    memset(call_tail(call), 0, c.stride - sizeof(call_t))


cdef call_t* calls_open(calls_t* c, span_t call_id, uint64_t hash_, uint64_t start_ns) noexcept nogil:
    cdef call_t* call
    cdef uint32_t index = c.free_head
    if unlikely(call_id.len > 65535 or not make_room(c)):
        return NULL
    if index != NO_FREE:
        call = call_at(c, index)
    else:
        if c.n_touched >= c.capacity:
            return NULL
        index = c.n_touched
        call = call_at(c, index)
    # taken off the free list or the untouched end only when nothing can fail any more
    if unlikely(call_id.len > CALL_TEXT_BYTES):
        if index != NO_FREE and index == c.free_head:
            c.free_head = call.next_free
        else:
            c.n_touched += 1
        clear_record(c, call)
        call.text_block = block_acquire(c.blocks, call_id.len)
        if call.text_block == NULL:
            call.next_free = c.free_head
            c.free_head = index
            return NULL
        memcpy(call.text_block, call_id.ptr, call_id.len)
    else:
        if index == c.free_head:
            c.free_head = call.next_free
        else:
            c.n_touched += 1
        clear_record(c, call)
        memcpy(call.text, call_id.ptr, call_id.len)
    call.call_id_len = <unsigned short> call_id.len
    call.index = index
    call.hash = hash_
    call.start_ns = start_ns
    call.state = CALL_RUNNING
    slots_put(&c.table, tag_of(hash_), index)
    c.n_open += 1
    return call


cdef void evict_dead(calls_t* c) noexcept nogil:
    cdef uint64_t at = c.dead_tail & (DEAD_CAP - 1)
    # evictions come in order: the slot of one to come is fetched while this one is worked on
    calls_prefetch_slot(c, c.dead[(c.dead_tail + PREFETCH_AHEAD) & (DEAD_CAP - 1)].hash)
    forget(c, c.dead[at].hash, VALUE_DEAD | at)
    c.dead_tail += 1


cdef void calls_expire_dead(calls_t* c, uint32_t now_ms) noexcept nogil:
    cdef uint32_t n = 0
    while c.dead_tail != c.dead_head and n < 4096 \
            and <int32_t> (c.dead[c.dead_tail & (DEAD_CAP - 1)].expiry_ms - now_ms) <= 0:
        evict_dead(c)
        n += 1


cdef void remember_dead(calls_t* c, uint64_t hash_, uint64_t value, uint32_t step, uint32_t reason,
                        uint32_t now_ms) noexcept nogil:
    """The table's entry (hash_, value) becomes that of a dead call."""
    cdef slots_t* table
    cdef uint64_t* slot
    cdef uint64_t at
    if c.dead_head - c.dead_tail == DEAD_CAP:
        evict_dead(c)
    at = c.dead_head & (DEAD_CAP - 1)
    slot = entry_slot(c, hash_, value, &table)
    if slot == NULL:
        return
    c.dead[at].hash = hash_
    c.dead[at].expiry_ms = now_ms + c.dead_wait_ms
    c.dead[at].step = <unsigned short> step
    c.dead[at].reason = <unsigned char> reason
    slot[0] = tag_of(hash_) << 32 | VALUE_DEAD | at
    c.dead_head += 1


cdef void release_record(calls_t* c, call_t* call) noexcept nogil:
    call_drop_last(c, call)
    call_drop_retrans(c, call)
    if call.text_block != NULL:
        block_release(c.blocks, call.text_block, call.call_id_len + call.peer_tag_len)
        call.text_block = NULL
    call.state = CALL_FREE
    call.next_free = c.free_head
    c.free_head = call.index


cdef void calls_close(calls_t* c, call_t* call, bint remember, uint32_t reason, uint32_t now_ms) noexcept nogil:
    if remember and c.dead_wait_ms > 0:
        remember_dead(c, call.hash, call.index, call.step, reason, now_ms)
    else:
        forget(c, call.hash, call.index)
    release_record(c, call)
    c.n_open -= 1

# --------------------------------------------------------------------------- resting

cdef bint calls_rest(calls_t* c, call_t* call, uint32_t expiry_ms) noexcept nogil:
    cdef uint32_t i = c.resting_free
    cdef resting_t* r
    cdef slots_t* table
    cdef uint64_t* slot
    if call.remote.family == AF_INET6 or call.last_recv_hash != 0:
        return False
    if c.resting_youngest != NO_FREE and <int32_t> (expiry_ms - c.resting[c.resting_youngest].expiry_ms) < 0:
        return False
    if i != NO_FREE:
        c.resting_free = c.resting[i].next
    elif c.resting_touched < c.capacity:
        i = c.resting_touched
        c.resting_touched += 1
    else:
        return False
    r = &c.resting[i]
    r.hash = call.hash
    r.start_ns = call.start_ns
    r.cause_hash = call.cause_hash
    r.call_number = call.call_number
    r.expiry_ms = expiry_ms
    r.next = NO_FREE
    r.cseq = call.cseq
    r.step = call.step
    r.cause_send_step = call.cause_send_step
    r.cause_recv_step = call.cause_recv_step
    r.flags = call.flags
    r.marks = RESTING_CONNECTED if call.remote.family == ADDRESS_CONNECTION else 0
    memcpy(r.peer, call.remote.ip, 8)
    if call.remote.family != ADDRESS_CONNECTION:
        r.peer[1] = <uint32_t> call.remote.via << 16 | call.remote.port
    slot = entry_slot(c, call.hash, call.index, &table)
    slot[0] = tag_of(call.hash) << 32 | VALUE_RESTING | i
    if c.resting_youngest == NO_FREE:
        c.resting_oldest = i
    else:
        c.resting[c.resting_youngest].next = i
    c.resting_youngest = i
    c.n_resting += 1
    release_record(c, call)
    return True


cdef call_t* calls_wake(calls_t* c, uint64_t resting, span_t call_id) noexcept nogil:
    cdef resting_t* r = &c.resting[resting]
    cdef call_t* call
    call = calls_open(c, call_id, r.hash, r.start_ns)
    if call == NULL:
        return NULL              # it rests on; the message is lost like a datagram
    forget(c, r.hash, VALUE_RESTING | resting)
    r.marks |= RESTING_GONE
    c.n_resting -= 1
    c.n_open -= 1                # calls_open counted it again
    if r.marks & RESTING_CONNECTED:
        address_of_connection(&call.remote, r.peer[0], r.peer[1])
    else:
        call.remote.family = AF_INET
        call.remote.port = <uint16_t> r.peer[1]
        call.remote.via = <uint16_t> (r.peer[1] >> 16)
        memcpy(call.remote.ip, r.peer, 4)
    call.cause_hash = r.cause_hash
    call.call_number = r.call_number
    call.cseq = r.cseq
    call.step = r.step
    call.cause_send_step = r.cause_send_step
    call.cause_recv_step = r.cause_recv_step
    call.flags = r.flags
    return call


cdef void leave_queue(calls_t* c) noexcept nogil:
    """The oldest resting record becomes free."""
    cdef uint32_t i = c.resting_oldest
    c.resting_oldest = c.resting[i].next
    if c.resting_oldest == NO_FREE:
        c.resting_youngest = NO_FREE
    c.resting[i].next = c.resting_free
    c.resting_free = i


cdef resting_t* calls_rested(calls_t* c, uint32_t now_ms) noexcept nogil:
    cdef resting_t* r
    while c.resting_oldest != NO_FREE:
        r = &c.resting[c.resting_oldest]
        if r.next != NO_FREE:
            calls_prefetch_slot(c, c.resting[r.next].hash)
            if c.resting[r.next].next != NO_FREE:
                prefetch(&c.resting[c.resting[r.next].next])
        if r.marks & RESTING_GONE:
            leave_queue(c)
            continue
        return r if <int32_t> (r.expiry_ms - now_ms) <= 0 else NULL
    return NULL


cdef void calls_end_rest(calls_t* c, bint remember, uint32_t now_ms) noexcept nogil:
    cdef uint64_t i = c.resting_oldest
    cdef resting_t* r = &c.resting[i]
    if remember and c.dead_wait_ms > 0:
        remember_dead(c, r.hash, VALUE_RESTING | i, r.step + 1, DEAD_SUCCESSFUL, now_ms)
    else:
        forget(c, r.hash, VALUE_RESTING | i)
    leave_queue(c)
    c.n_resting -= 1
    c.n_open -= 1


cdef bint call_set_peer_tag(calls_t* c, call_t* call, span_t tag) noexcept nogil:
    cdef uint32_t need
    cdef char* p
    if tag.len > 65535 - <uint32_t> call.call_id_len:
        tag.len = 65535 - <uint32_t> call.call_id_len
    need = call.call_id_len + tag.len
    if call.text_block == NULL and need <= CALL_TEXT_BYTES:
        memcpy(call.text + call.call_id_len, tag.ptr, tag.len)
        call.peer_tag_len = <unsigned short> tag.len
        return True
    p = block_acquire(c.blocks, need)
    if p == NULL:
        return False
    memcpy(p, call_text(call), call.call_id_len)
    memcpy(p + call.call_id_len, tag.ptr, tag.len)
    if call.text_block != NULL:
        block_release(c.blocks, call.text_block, call.call_id_len + call.peer_tag_len)
    call.text_block = p
    call.peer_tag_len = <unsigned short> tag.len
    return True


cdef inline bint save(calls_t* c, char** kept, uint32_t* kept_len, const char* p, uint32_t n) noexcept nogil:
    if kept[0] != NULL and not block_same_class(kept_len[0], n):
        block_release(c.blocks, kept[0], kept_len[0])
        kept[0] = NULL
    if kept[0] == NULL:
        kept[0] = block_acquire(c.blocks, n)
        if kept[0] == NULL:
            return False
    memcpy(kept[0], p, n)
    kept_len[0] = n
    return True


cdef bint call_save_last(calls_t* c, call_t* call, const char* p, uint32_t n) noexcept nogil:
    return save(c, &call.last_bytes, &call.last_len, p, n)


cdef void call_drop_last(calls_t* c, call_t* call) noexcept nogil:
    if call.last_bytes != NULL:
        block_release(c.blocks, call.last_bytes, call.last_len)
        call.last_bytes = NULL


cdef bint call_save_retrans(calls_t* c, call_t* call, const char* p, uint32_t n) noexcept nogil:
    return save(c, &call.retrans_bytes, &call.retrans_len, p, n)


cdef void call_drop_retrans(calls_t* c, call_t* call) noexcept nogil:
    if call.retrans_bytes != NULL:
        block_release(c.blocks, call.retrans_bytes, call.retrans_len)
        call.retrans_bytes = NULL


cdef uint64_t calls_memory_bytes(const calls_t* c) noexcept nogil:
    cdef uint64_t n_dead = c.dead_head if c.dead_head < DEAD_CAP else DEAD_CAP
    return c.n_touched * c.stride + c.resting_touched * sizeof(resting_t) + (c.table.mask + 1) * 8 \
        + c.own_blocks.n_bytes + n_dead * sizeof(dead_t)

# --------------------------------------------------------------------------- test surface

SIZEOF_CALL = sizeof(call_t)
SIZEOF_RESTING = sizeof(resting_t)
SIZEOF_CALL_HOT = <size_t> &(<call_t*> NULL).text_block


cdef class CallTable:
    """The slab and its table, driven by Call-IDs: what tests and benchmarks look at."""
    cdef calls_t c

    def __cinit__(self, uint32_t capacity=1 << 16, *, uint32_t dead_wait_ms=0, uint64_t seed=1,
                  uint64_t max_block_bytes=1 << 28):
        if calls_init(&self.c, capacity, 0, dead_wait_ms, seed, max_block_bytes) != 0:
            raise MemoryError

    def __dealloc__(self):
        calls_free(&self.c)

    cdef uint32_t _find(self, bytes call_id, uint64_t* dead):
        cdef span_t s = span_of(call_id, <uint32_t> len(call_id))
        return calls_find(&self.c, s, calls_hash(&self.c, s), dead)

    def open(self, bytes call_id not None):
        """Index of a new call; None where the slab is full."""
        cdef span_t s = span_of(call_id, <uint32_t> len(call_id))
        cdef call_t* call = calls_open(&self.c, s, calls_hash(&self.c, s), 0)
        return None if call == NULL else call.index

    def find(self, bytes call_id not None):
        """Index, "resting", "dead", or None."""
        cdef uint64_t other = 0
        cdef uint32_t i = self._find(call_id, &other)
        if i <= CALL_FOUND_MAX:
            return i
        return "dead" if i == CALL_DEAD else "resting" if i == CALL_RESTING else None

    def rest(self, bytes call_id not None, uint32_t expiry_ms):
        """Puts an open call to rest; False where an older one rests longer."""
        cdef uint64_t other = 0
        cdef uint32_t i = self._find(call_id, &other)
        if i > CALL_FOUND_MAX:
            raise KeyError(call_id)
        call_at(&self.c, i).remote.family = AF_INET
        return calls_rest(&self.c, call_at(&self.c, i), expiry_ms)

    def wake(self, bytes call_id not None):
        """Index of the full record a resting call has again; None where there is no room."""
        cdef uint64_t other = 0
        cdef call_t* call
        if self._find(call_id, &other) != CALL_RESTING:
            raise KeyError(call_id)
        call = calls_wake(&self.c, other, span_of(call_id, <uint32_t> len(call_id)))
        return None if call == NULL else call.index

    def end_rests(self, uint32_t now_ms, *, bint remember=False):
        """Ends all rests that are over; how many."""
        n = 0
        while calls_rested(&self.c, now_ms) != NULL:
            calls_end_rest(&self.c, remember, now_ms)
            n += 1
        return n

    @property
    def n_resting(self):
        return self.c.n_resting

    def close(self, bytes call_id not None, *, bint remember=False, uint32_t now_ms=0):
        cdef uint64_t dead = 0
        cdef uint32_t i = self._find(call_id, &dead)
        if i > CALL_FOUND_MAX:
            raise KeyError(call_id)
        calls_close(&self.c, call_at(&self.c, i), remember, DEAD_SUCCESSFUL, now_ms)

    def expire_dead(self, uint32_t now_ms):
        calls_expire_dead(&self.c, now_ms)

    def set_peer_tag(self, bytes call_id not None, bytes tag not None):
        cdef uint64_t dead = 0
        cdef uint32_t i = self._find(call_id, &dead)
        return call_set_peer_tag(&self.c, call_at(&self.c, i), span_of(tag, <uint32_t> len(tag)))

    def texts(self, uint32_t index):
        """(Call-ID, peer tag) of an open call."""
        cdef call_t* call = call_at(&self.c, index)
        cdef span_t a = call_call_id(call), b = call_peer_tag(call)
        return a.ptr[:a.len], b.ptr[:b.len]

    def save_last(self, uint32_t index, bytes data not None):
        return call_save_last(&self.c, call_at(&self.c, index), data, <uint32_t> len(data))

    def last(self, uint32_t index):
        cdef call_t* call = call_at(&self.c, index)
        return None if call.last_bytes == NULL else call.last_bytes[:call.last_len]

    def __len__(self):
        return self.c.n_open

    @property
    def n_dead(self):
        return self.c.dead_head - self.c.dead_tail

    @property
    def n_slots(self):
        return self.c.table.mask + 1

    @property
    def memory_bytes(self):
        return calls_memory_bytes(&self.c)

    def check(self):
        """Every entry of the table can be reached from its home position (AssertionError otherwise)."""
        cdef uint64_t i, j, n = 0
        for i in range(self.c.table.mask + 1):
            entry = self.c.table.slots[i]
            if entry == 0:
                continue
            n += 1
            j = (entry >> 32) & self.c.table.mask
            while j != i:
                assert self.c.table.slots[j] != 0, f"gap before slot {i}"
                j = (j + 1) & self.c.table.mask
        assert n == self.c.table.n_used

    def bench_find(self, ids not None, int rounds):
        """Looks up each Call-ID `rounds` times; the number found."""
        cdef uint64_t n_ids = len(ids), i, dead = 0, n_found = 0
        cdef span_t* spans = <span_t*> calloc(n_ids or 1, sizeof(span_t))
        cdef int _r
        if spans == NULL:
            raise MemoryError
        for i in range(n_ids):
            spans[i] = span_of(<bytes> ids[i], <uint32_t> len(ids[i]))
        with nogil:
            for _r in range(rounds):
                for i in range(n_ids):
                    if calls_find(&self.c, spans[i], calls_hash(&self.c, spans[i]), &dead) <= CALL_FOUND_MAX:
                        n_found += 1
        free(spans)
        return n_found
