# sippx/_core/libcrypto.pxd: hashes and AES-128 of the OpenSSL found at run time; no header or library to build with.
#
# libcrypto_load() finds the functions once a process, with the GIL, before the first crypto_open().
# Everything below is then free of the GIL; one owner uses a crypto_t at a time.
from libc.stdint cimport uint8_t, uint32_t

from sippx._core.span cimport span_t

cdef enum:
    HASH_MD5
    HASH_SHA256
    HASH_SHA512_256
    N_HASHES
    HASH_MAX_BYTES = 32          # the longest of their results
    HASH_PENDING_BYTES = 256
    SHA1_BYTES = 20

# Contexts of one owner, made once. Input of a hash is gathered in `pending`: a call of libcrypto costs more
# than the copy. (libcrypto 3 itself may still allocate its state of about 100 bytes at the start of a hash.)
cdef struct crypto_t:
    void* md_ctx[N_HASHES]       # EVP_MD_CTX: one each, so that none changes its algorithm
    void* cipher_ctx             # EVP_CIPHER_CTX, AES-128-ECB
    uint32_t n_pending
    int hash                     # of the hash that is being computed
    bint is_failed               # since its hash_begin
    uint8_t pending[HASH_PENDING_BYTES]

# None, or why there is no usable libcrypto. Loading again costs nothing.
cdef str libcrypto_load()

# False where a hash is missing: MD5 in a FIPS build.
cdef bint hash_is_offered(int hash) noexcept nogil

# False for want of memory; close what was opened either way. A zeroed crypto_t may be closed.
cdef bint crypto_open(crypto_t* c) noexcept nogil
cdef void crypto_close(crypto_t* c) noexcept nogil

# hash_begin, any number of hash_put, hash_end. hash_end writes hash_bytes_of(hash) bytes to out and returns
# their number, or 0 where libcrypto failed at any point since hash_begin.
cdef void hash_begin(crypto_t* c, int hash) noexcept nogil
cdef void hash_put(crypto_t* c, const void* data, uint32_t n) noexcept nogil
cdef uint32_t hash_end(crypto_t* c, uint8_t* out) noexcept nogil

cdef inline void hash_put_span(crypto_t* c, span_t s) noexcept nogil:
    hash_put(c, s.ptr, s.len)

cdef inline uint32_t hash_bytes_of(int hash) noexcept nogil:
    return 16 if hash == HASH_MD5 else 32

# The bytes that HMAC pads its key to.
cdef inline uint32_t hash_block_bytes_of(int hash) noexcept nogil:
    return 128 if hash == HASH_SHA512_256 else 64

# SHA-1 of n bytes at once, without a crypto_t; libcrypto allocates its state. For a handshake, not for messages.
cdef bint sha1(const void* data, uint32_t n, uint8_t* out) noexcept nogil

# The key holds until the next aes128_key. 16 bytes each; block and out may be the same. False: libcrypto failed
# or has no AES.
cdef bint aes128_key(crypto_t* c, const uint8_t* key) noexcept nogil
cdef bint aes128_encrypt(crypto_t* c, const uint8_t* block, uint8_t* out) noexcept nogil
