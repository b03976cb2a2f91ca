# sippx/_core/ring.pyx: the trace ring and the object Python drains it with.
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    #define sippx_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define sippx_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    """
    uint64_t load_acquire "sippx_load_acquire"(uint64_t* p) nogil
    void store_release "sippx_store_release"(uint64_t* p, uint64_t v) nogil


cdef int ring_init(ring_t* r, uint64_t size) noexcept nogil:
    memset(r, 0, sizeof(ring_t))
    r.size = 4096
    while r.size < size:
        r.size *= 2
    r.bytes = <char*> malloc(r.size)
    return 0 if r.bytes != NULL else -1


cdef void ring_free(ring_t* r) noexcept nogil:
    free(r.bytes)
    r.bytes = NULL


cdef inline void copy_in(ring_t* r, uint64_t at, const char* p, uint64_t n) noexcept nogil:
    cdef uint64_t off = at & (r.size - 1)
    cdef uint64_t first = r.size - off
    if n <= first:
        memcpy(r.bytes + off, p, n)
    else:
        memcpy(r.bytes + off, p, first)
        memcpy(r.bytes, p + first, n - first)


cdef bint ring_peek(ring_t* r, record_t* h) noexcept nogil:
    if r.tail == load_acquire(&r.head):
        return False
    ring_read(r, 0, <char*> h, sizeof(record_t))
    return True


cdef void ring_read(ring_t* r, uint64_t off, char* p, uint64_t n) noexcept nogil:
    cdef uint64_t at = (r.tail + off) & (r.size - 1)
    cdef uint64_t first = r.size - at
    if n <= first:
        memcpy(p, r.bytes + at, n)
    else:
        memcpy(p, r.bytes + at, first)
        memcpy(p + first, r.bytes, n - first)


cdef void ring_drop(ring_t* r, const record_t* h) noexcept nogil:
    store_release(&r.tail, r.tail + h.n_bytes)


cdef tuple ring_take(ring_t* r, const record_t* h):
    cdef bytes call_id = PyBytes_FromStringAndSize(NULL, h.call_id_len)
    cdef bytes data = PyBytes_FromStringAndSize(NULL, h.data_len)
    cdef tuple record
    ring_read(r, sizeof(record_t), <char*> call_id, h.call_id_len)
    ring_read(r, sizeof(record_t) + h.call_id_len, <char*> data, h.data_len)
    record = (h.kind, h.wall_ns, h.a, h.b, call_id, data)
    ring_drop(r, h)
    return record


cdef bint ring_put(ring_t* r, uint32_t kind, uint64_t wall_ns, int32_t a, int32_t b, span_t call_id,
                   span_t data) noexcept nogil:
    cdef record_t h
    cdef uint64_t need
    if call_id.len > 1024:
        call_id.len = 1024
    if data.len > r.size // 4:
        data.len = <uint32_t> (r.size // 4)
    need = (sizeof(record_t) + call_id.len + data.len + 7) & ~<uint64_t> 7
    if r.size - (r.head - load_acquire(&r.tail)) < need:
        r.n_dropped += 1
        return False
    memset(&h, 0, sizeof(h))
    h.n_bytes = <uint32_t> need
    h.kind = <unsigned short> kind
    h.call_id_len = <unsigned short> call_id.len
    h.data_len = data.len
    h.a = a
    h.b = b
    h.wall_ns = wall_ns
    copy_in(r, r.head, <const char*> &h, sizeof(h))
    copy_in(r, r.head + sizeof(h), call_id.ptr, call_id.len)
    copy_in(r, r.head + sizeof(h) + call_id.len, data.ptr, data.len)
    store_release(&r.head, r.head + need)
    return True


cdef class TraceRing:
    """The consumer's side of an engine's trace ring; owns the memory.

    drain() may run in another thread than the engine, but in one thread at a time.
    """

    def __cinit__(self, uint64_t size_bytes=1 << 20):
        if ring_init(&self.ring, size_bytes) != 0:
            raise MemoryError

    def __dealloc__(self):
        ring_free(&self.ring)

    @property
    def n_dropped(self):
        return self.ring.n_dropped

    def put(self, uint32_t kind, uint64_t wall_ns, int32_t a, int32_t b, bytes call_id not None, bytes data not None):
        """Adds a record as the engine does; False where it was dropped."""
        cdef span_t c, d
        c.ptr = call_id
        c.len = <uint32_t> len(call_id)
        d.ptr = data
        d.len = <uint32_t> len(data)
        return ring_put(&self.ring, kind, wall_ns, a, b, c, d)

    def drain(self, int max_records=4096):
        """Up to max_records records, oldest first: (kind, wall_ns, a, b, call_id, data)."""
        cdef record_t h
        records = []
        while len(records) < max_records and ring_peek(&self.ring, &h):
            records.append(ring_take(&self.ring, &h))
        return records
