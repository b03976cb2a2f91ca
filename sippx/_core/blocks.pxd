# sippx/_core/blocks.pxd: memory for saved messages, recycled by size.
#
# Sizes are rounded up to 64 bytes (to powers of two above 2 KiB) and freed blocks of a size are reused
# last-in first-out, so that a busy engine works in warm cache. Nothing is given back before the end.
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    BLOCK_CLASSES = 40
    BLOCK_CAP = 131072           # the largest block

cdef struct blocks_t:
    void* free[BLOCK_CLASSES]
    char* chunk                  # being carved; its first word links the chunk before it
    uint64_t chunk_used
    uint64_t n_bytes             # mapped
    uint64_t max_bytes

cdef void blocks_init(blocks_t* b, uint64_t max_bytes) noexcept nogil
cdef void blocks_free_all(blocks_t* b) noexcept nogil

# n bytes, readable 64 bytes past the end; NULL where max_bytes is reached or n > BLOCK_CAP.
cdef char* block_acquire(blocks_t* b, uint32_t n) noexcept nogil
# n as it was acquired
cdef void block_release(blocks_t* b, char* p, uint32_t n) noexcept nogil
# Whether blocks of n and m bytes are the same size inside.
cdef bint block_same_class(uint32_t n, uint32_t m) noexcept nogil
