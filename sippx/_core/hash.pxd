# sippx/_core/hash.pxd: a seeded 64-bit hash of bytes (multiply-mix, after the public-domain wyhash).
#
# Used for Call-IDs (seeded, so that a stranger cannot aim at one bucket) and as the fingerprint that
# recognises a byte-identical retransmission. Not cryptographic. Reads exactly n bytes.
from libc.stdint cimport uint32_t, uint64_t

cdef extern from *:
    """
    #ifndef SIPPX_HASH
    #define SIPPX_HASH
    #include <stdint.h>
    #include <string.h>
    #define SIPPX_K0 0xa0761d6478bd642fULL
    #define SIPPX_K1 0xe7037ed1a0b428dbULL
    #define SIPPX_K2 0x8ebc6af09c88c6e3ULL
    #define SIPPX_K3 0x589965cc75374cc3ULL
    static inline uint64_t sippx_mix(uint64_t a, uint64_t b) {
        __uint128_t r = (__uint128_t)a * b;
        /* the operands stay in: a zero factor must not wipe out the other */
        return a ^ b ^ (uint64_t)r ^ (uint64_t)(r >> 64);
    }
    static inline uint64_t sippx_hash_load(const char *p) { uint64_t v; memcpy(&v, p, 8); return v; }
    static inline uint64_t sippx_hash(const char *p, uint32_t n, uint64_t seed) {
        const uint64_t n0 = n;
        uint64_t a = 0, b = 0, h = seed ^ SIPPX_K0;
        if (n >= 64) {
            uint64_t h1 = h ^ SIPPX_K1, h2 = h ^ SIPPX_K2, h3 = h ^ SIPPX_K3;
            do {
                h = sippx_mix(sippx_hash_load(p) ^ SIPPX_K0, sippx_hash_load(p + 8) ^ h);
                h1 = sippx_mix(sippx_hash_load(p + 16) ^ SIPPX_K1, sippx_hash_load(p + 24) ^ h1);
                h2 = sippx_mix(sippx_hash_load(p + 32) ^ SIPPX_K2, sippx_hash_load(p + 40) ^ h2);
                h3 = sippx_mix(sippx_hash_load(p + 48) ^ SIPPX_K3, sippx_hash_load(p + 56) ^ h3);
                p += 64; n -= 64;
            } while (n >= 64);
            h ^= h1 ^ (h2 << 1 | h2 >> 63) ^ (h3 << 2 | h3 >> 62);
        }
        while (n > 16) {
            h = sippx_mix(sippx_hash_load(p) ^ SIPPX_K1, sippx_hash_load(p + 8) ^ h);
            p += 16; n -= 16;
        }
        if (n >= 8) { a = sippx_hash_load(p); b = sippx_hash_load(p + n - 8); }
        else if (n) {
            unsigned char t[8] = {0};
            memcpy(t, p, n);
            memcpy(&a, t, 8);
        }
        return sippx_mix(SIPPX_K1 ^ n0, sippx_mix(a ^ SIPPX_K2, b ^ h));
    }
    /* The same job for whole messages, 16 bytes an instruction where the CPU has AES; only equal values of
       one process are ever compared. */
    #if defined(__x86_64__)
    #include <immintrin.h>
    __attribute__((target("aes,sse2")))
    static uint64_t sippx_fingerprint_aes(const char *p, uint32_t n) {
        const __m128i key = _mm_set_epi64x((long long)SIPPX_K0, (long long)SIPPX_K1);
        __m128i a = _mm_set_epi64x((long long)SIPPX_K2, n), b = key;
        __m128i c = _mm_slli_epi64(key, 1), d = _mm_srli_epi64(key, 1);
        while (n >= 64) {
            a = _mm_aesenc_si128(a, _mm_loadu_si128((const __m128i *)p));
            b = _mm_aesenc_si128(b, _mm_loadu_si128((const __m128i *)(p + 16)));
            c = _mm_aesenc_si128(c, _mm_loadu_si128((const __m128i *)(p + 32)));
            d = _mm_aesenc_si128(d, _mm_loadu_si128((const __m128i *)(p + 48)));
            p += 64; n -= 64;
        }
        while (n >= 16) {
            a = _mm_aesenc_si128(a, _mm_loadu_si128((const __m128i *)p));
            p += 16; n -= 16;
        }
        if (n) {
            char tail[16] = {0};
            memcpy(tail, p, n);
            b = _mm_aesenc_si128(b, _mm_loadu_si128((const __m128i *)tail));
        }
        a = _mm_aesenc_si128(_mm_aesenc_si128(a, b), key);
        c = _mm_aesenc_si128(_mm_aesenc_si128(c, d), key);
        a = _mm_aesenc_si128(_mm_aesenc_si128(_mm_aesenc_si128(a, c), key), key);
        return (uint64_t)_mm_cvtsi128_si64(a) ^ (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(a, a));
    }
    static inline int sippx_has_aes(void) { return __builtin_cpu_supports("aes"); }
    #else
    static uint64_t sippx_fingerprint_aes(const char *p, uint32_t n) { return sippx_hash(p, n, 0); }
    static inline int sippx_has_aes(void) { return 0; }
    #endif
    /* xorshift64*: a fast generator for chances, -lost and pauses; state must not be 0 */
    static inline uint64_t sippx_random(uint64_t *state) {
        uint64_t x = *state;
        x ^= x >> 12; x ^= x << 25; x ^= x >> 27;
        *state = x;
        return x * 0x2545F4914F6CDD1DULL;
    }
    #endif
    """
    uint64_t hash_bytes "sippx_hash"(const char* p, uint32_t n, uint64_t seed) noexcept nogil
    uint64_t fingerprint_aes "sippx_fingerprint_aes"(const char* p, uint32_t n) noexcept nogil
    bint has_aes "sippx_has_aes"() noexcept nogil
    uint64_t random_u64 "sippx_random"(uint64_t* state) noexcept nogil
