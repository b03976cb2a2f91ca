# sippx/_core/blocks.pyx: the block allocator and its Python test surface.
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from sippx._core.bits cimport clz64, likely
from sippx._core.linux cimport (
    MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap,
)

cdef enum:
    CHUNK_BYTES = 1048576
    CHUNK_PAD = 128


cdef inline uint32_t class_of(uint32_t n) noexcept nogil:
    if n <= 2048:
        return (n + 63) // 64 if n else 1
    return 32 + (64 - clz64(<uint64_t> (n - 1))) - 11


cdef inline uint64_t class_bytes(uint32_t c) noexcept nogil:
    return c * 64 if c <= 32 else 2048ULL << (c - 32)


cdef void blocks_init(blocks_t* b, uint64_t max_bytes) noexcept nogil:
    memset(b, 0, sizeof(blocks_t))
    b.max_bytes = max_bytes


cdef void blocks_free_all(blocks_t* b) noexcept nogil:
    cdef char* before
    while b.chunk != NULL:
        before = (<char**> b.chunk)[0]
        munmap(b.chunk, CHUNK_BYTES)
        b.chunk = before
    b.n_bytes = 0


cdef char* carve(blocks_t* b, uint64_t size) noexcept nogil:
    cdef char* p
    if b.chunk == NULL or b.chunk_used + size + CHUNK_PAD > CHUNK_BYTES:
        if b.n_bytes + CHUNK_BYTES > b.max_bytes:
            return NULL
        p = <char*> mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                         -1, 0)
        if p == MAP_FAILED:
            return NULL
        (<char**> p)[0] = b.chunk
        b.chunk = p
        b.chunk_used = 64
        b.n_bytes += CHUNK_BYTES
    p = b.chunk + b.chunk_used
    b.chunk_used += size
    return p


cdef char* block_acquire(blocks_t* b, uint32_t n) noexcept nogil:
    cdef uint32_t c
    cdef char* p
    if n > BLOCK_CAP:
        return NULL
    c = class_of(n)
    p = <char*> b.free[c]
    if likely(p != NULL):
        b.free[c] = (<void**> p)[0]
        return p
    return carve(b, class_bytes(c))


cdef void block_release(blocks_t* b, char* p, uint32_t n) noexcept nogil:
    cdef uint32_t c = class_of(n)
    (<void**> p)[0] = b.free[c]
    b.free[c] = p


cdef bint block_same_class(uint32_t n, uint32_t m) noexcept nogil:
    return class_of(n) == class_of(m)

# --------------------------------------------------------------------------- test surface

cdef class Blocks:
    """An allocator whose blocks Python names by address."""
    cdef blocks_t b

    def __cinit__(self, uint64_t max_bytes=1 << 30):
        blocks_init(&self.b, max_bytes)

    def __dealloc__(self):
        blocks_free_all(&self.b)

    def acquire(self, uint32_t n):
        """Address of n bytes, or None; the bytes are overwritten to show that they are ours."""
        cdef char* p = block_acquire(&self.b, n)
        if p == NULL:
            return None
        memset(p, 0xA5, n)
        return <size_t> p

    def release(self, size_t address, uint32_t n):
        block_release(&self.b, <char*> address, n)

    @property
    def n_bytes(self):
        return self.b.n_bytes
