# sippx/_core/bits.pxd: the few bit and byte-vector operations that C has no portable name for.
#
# newline_mask64 reads 64 bytes at p: callers guarantee BYTES_READABLE_PAST_END past a message.
from libc.stdint cimport uint32_t, uint64_t

cdef extern from *:
    """
    #ifndef SIPPX_BITS
    #define SIPPX_BITS
    #include <stdint.h>
    #include <string.h>
    #if defined(__SSE2__)
    #include <emmintrin.h>
    #endif
    #define sippx_likely(x) __builtin_expect(!!(x), 1)
    #define sippx_unlikely(x) __builtin_expect(!!(x), 0)
    #define sippx_prefetch(p) __builtin_prefetch((const void *)(p), 1, 3)
    static inline uint32_t sippx_ctz64(uint64_t x) { return (uint32_t)__builtin_ctzll(x); }
    static inline uint32_t sippx_clz64(uint64_t x) { return (uint32_t)__builtin_clzll(x); }
    static inline uint64_t sippx_load64(const char *p) { uint64_t v; memcpy(&v, p, 8); return v; }
    static inline uint32_t sippx_load32(const char *p) { uint32_t v; memcpy(&v, p, 4); return v; }
    static inline uint64_t sippx_newline_mask64(const char *p) {
    #if defined(__SSE2__)
        const __m128i nl = _mm_set1_epi8('\\n');
        uint64_t m = 0;
        for (int i = 0; i < 4; i++) {
            __m128i v = _mm_loadu_si128((const __m128i *)(p + 16 * i));
            m |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, nl)) << (16 * i);
        }
        return m;
    #else
        uint64_t m = 0;
        for (int i = 0; i < 64; i++)
            m |= (uint64_t)(p[i] == '\\n') << i;
        return m;
    #endif
    }
    /* Copies n bytes in 32-byte strides: reads and writes up to 31 bytes past both ends. */
    static inline char *sippx_copy_wild(char *d, const char *s, uint32_t n) {
        char *end = d + n;
        while (d < end) { memcpy(d, s, 32); d += 32; s += 32; }
        return end;
    }
    #endif
    """
    enum:
        BYTES_READABLE_PAST_END "64"
    bint likely "sippx_likely"(bint condition) noexcept nogil
    bint unlikely "sippx_unlikely"(bint condition) noexcept nogil
    void prefetch "sippx_prefetch"(const void* p) noexcept nogil
    uint32_t ctz64 "sippx_ctz64"(uint64_t x) noexcept nogil
    uint32_t clz64 "sippx_clz64"(uint64_t x) noexcept nogil
    uint64_t load64 "sippx_load64"(const char* p) noexcept nogil
    uint32_t load32 "sippx_load32"(const char* p) noexcept nogil
    uint64_t newline_mask64 "sippx_newline_mask64"(const char* p) noexcept nogil
    # returns dst + n; both sides must be accessible BYTES_READABLE_PAST_END bytes past n
    char* copy_wild "sippx_copy_wild"(char* dst, const char* src, uint32_t n) noexcept nogil
