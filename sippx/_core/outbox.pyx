# sippx/_core/outbox.pyx: grouping of outgoing datagrams and its Python test surface.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from sippx._core.address cimport address_equal, address_t
from sippx._core.bits cimport BYTES_READABLE_PAST_END, likely
from sippx._core.linux cimport AF_INET

cdef enum:
    # a full group, then one message of any length, then what a wild copy may touch
    GROUP_STRIDE = 2 * 65536 + 256


cdef int outbox_init(outbox_t* o, uint32_t max_segments) noexcept nogil:
    cdef uint32_t i
    memset(o, 0, sizeof(outbox_t))
    o.memory = <char*> malloc(OUTBOX_GROUPS * GROUP_STRIDE)
    if o.memory == NULL:
        return -1
    for i in range(OUTBOX_GROUPS):
        # the renderer may look one byte back
        o.groups[i].bytes = o.memory + i * GROUP_STRIDE + BYTES_READABLE_PAST_END
    o.max_segments = max_segments
    o.generation = 1
    return 0


cdef int outbox_for_streams(outbox_t* o) noexcept nogil:
    cdef uint32_t i
    o.ends = <uint32_t*> malloc(OUTBOX_GROUPS * OUTBOX_STREAM_SEGMENTS * sizeof(uint32_t))
    if o.ends == NULL:
        return -1
    for i in range(OUTBOX_GROUPS):
        o.groups[i].ends = o.ends + i * OUTBOX_STREAM_SEGMENTS
    o.is_stream = True
    o.max_segments = OUTBOX_STREAM_SEGMENTS
    return 0


cdef void outbox_free(outbox_t* o) noexcept nogil:
    free(o.memory)
    free(o.ends)
    o.memory = NULL
    o.ends = NULL


cdef void outbox_clear(outbox_t* o) noexcept nogil:
    o.n_groups = 0
    o.n_datagrams = 0
    o.generation += 1
    if o.generation == 0:
        o.generation = 1


cdef inline bint has_room(outbox_t* o, const group_t* g, uint32_t n) noexcept nogil:
    return g.n_segments < o.max_segments and g.n_bytes + n <= OUTBOX_GROUP_BYTES


cdef inline int32_t open_group(outbox_t* o, const address_t* dest) noexcept nogil:
    cdef group_t* g = &o.groups[o.n_groups]
    g.dest = dest[0]
    g.n_segments = 0
    g.segment_len = 0
    g.n_bytes = 0
    o.n_groups += 1
    return <int32_t> (o.n_groups - 1)


cdef int32_t reserve_in_stream(outbox_t* o, const address_t* dest, uint32_t min_group) noexcept nogil:
    """The newest group of that destination, where it takes a message of any length; else a new one."""
    cdef int32_t i = <int32_t> o.n_groups - 1
    while i >= 0 and not address_equal(&o.groups[i].dest, dest):
        i -= 1
    if i >= <int32_t> min_group and has_room(o, &o.groups[i], 1):
        return i
    if o.n_groups >= OUTBOX_GROUPS:
        return OUTBOX_FULL
    return open_group(o, dest)


cdef int32_t outbox_reserve(outbox_t* o, const address_t* dest, int32_t hint, uint32_t min_group) noexcept nogil:
    cdef group_t* g
    if o.is_stream:
        return reserve_in_stream(o, dest, min_group)
    # one group stays spare, so that commit() can always move a message of unexpected length
    if o.n_groups >= OUTBOX_GROUPS - 1:
        return OUTBOX_FULL
    if likely(<uint32_t> hint < o.n_groups and <uint32_t> hint >= min_group):
        g = &o.groups[hint]
        if address_equal(&g.dest, dest) and has_room(o, g, g.segment_len):
            return hint
    return open_group(o, dest)


cdef void outbox_abandon(outbox_t* o, int32_t group) noexcept nogil:
    # a group without a datagram was opened for this message, and nothing was opened since
    if o.groups[group].n_segments == 0 and group == <int32_t> o.n_groups - 1:
        o.n_groups -= 1


cdef int32_t outbox_commit(outbox_t* o, int32_t group, uint32_t n, uint32_t min_group) noexcept nogil:
    cdef group_t* g = &o.groups[group]
    cdef group_t* other
    cdef int32_t target = -1
    cdef uint32_t i
    o.n_datagrams += 1
    if o.is_stream:
        g.n_bytes += n
        g.segment_len = n
        g.ends[g.n_segments] = g.n_bytes
        g.n_segments += 1
        return group
    if likely(g.n_segments > 0 and n == g.segment_len):
        g.n_segments += 1
        g.n_bytes += n
        return group
    for i in range(min_group, o.n_groups):
        other = &o.groups[i]
        if other.n_segments > 0 and other.segment_len == n and has_room(o, other, n) \
                and address_equal(&other.dest, &g.dest):
            target = <int32_t> i
            break
    if target < 0:
        if g.n_segments == 0:
            g.segment_len = n
            g.n_segments = 1
            g.n_bytes = n
            return group
        target = open_group(o, &g.dest)
    other = &o.groups[target]
    memcpy(other.bytes + other.n_bytes, g.bytes + g.n_bytes, n)
    other.segment_len = n
    other.n_segments += 1
    other.n_bytes += n
    outbox_abandon(o, group)
    return target

# --------------------------------------------------------------------------- test surface

cdef class Outbox:
    """An outbox that Python fills and empties: put() files one datagram, take() empties it in send order."""
    cdef outbox_t o

    def __cinit__(self, uint32_t max_segments=OUTBOX_SEGMENTS, bint is_stream=False):
        if not 1 <= max_segments <= OUTBOX_SEGMENTS:
            raise ValueError(f"max_segments {max_segments} not in 1..{OUTBOX_SEGMENTS}")
        if outbox_init(&self.o, max_segments) != 0:
            raise MemoryError
        if is_stream and outbox_for_streams(&self.o) != 0:
            raise MemoryError

    def __dealloc__(self):
        outbox_free(&self.o)

    def put(self, bytes data not None, int dest, int32_t hint=-1, uint32_t min_group=0):
        """The group the datagram went to, None where the outbox is full. dest numbers destinations."""
        cdef address_t a
        cdef int32_t group
        if len(data) > OUTBOX_GROUP_BYTES:
            raise ValueError(f"{len(data)} bytes exceed a datagram")
        memset(&a, 0, sizeof(a))
        a.family = AF_INET
        a.port = <unsigned short> dest
        group = outbox_reserve(&self.o, &a, hint, min_group)
        if group < 0:
            return None
        memcpy(outbox_room(&self.o, group), PyBytes_AS_STRING(data), len(data))
        return outbox_commit(&self.o, group, <uint32_t> len(data), min_group)

    def take(self):
        """[(dest, [datagram, ...]), ...] in the order of sending; empties the outbox."""
        cdef uint32_t i, k
        groups = []
        for i in range(self.o.n_groups):
            g = self.o.groups[i]
            groups.append((g.dest.port, [
                self._message(&self.o.groups[i], k) for k in range(g.n_segments)
            ]))
        outbox_clear(&self.o)
        return groups

    cdef bytes _message(self, const group_t* g, uint32_t k):
        cdef uint32_t first = k * g.segment_len, end = first + g.segment_len
        if self.o.is_stream:
            first = g.ends[k - 1] if k else 0
            end = g.ends[k]
        return PyBytes_FromStringAndSize(g.bytes + first, end - first)
