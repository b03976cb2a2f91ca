# sippx/_core/libcrypto.pyx: binds OpenSSL's libcrypto with dlopen, and drives its EVP functions.
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset
from posix.dlfcn cimport RTLD_LOCAL, RTLD_NOW, dlerror, dlopen, dlsym

# 1.1.0 and later, 3.x: the signatures are the same in all of them
ctypedef void* (*new_fn)() noexcept nogil
ctypedef void (*free_fn)(void* ctx) noexcept nogil
ctypedef void* (*named_fn)() noexcept nogil
ctypedef void* (*fetch_fn)(void* library, const char* name, const char* properties) noexcept nogil
ctypedef int (*digest_init_fn)(void* ctx, const void* md, void* engine) noexcept nogil
ctypedef int (*digest_update_fn)(void* ctx, const void* data, size_t n) noexcept nogil
ctypedef int (*digest_final_fn)(void* ctx, uint8_t* out, unsigned int* n) noexcept nogil
ctypedef int (*digest_fn)(const void* data, size_t n, uint8_t* out, unsigned int* n_out, const void* md,
                          void* engine) noexcept nogil
ctypedef int (*encrypt_init_fn)(void* ctx, const void* cipher, void* engine, const uint8_t* key,
                                const uint8_t* iv) noexcept nogil
ctypedef int (*encrypt_update_fn)(void* ctx, uint8_t* out, int* n_out, const uint8_t* data, int n) noexcept nogil
ctypedef int (*set_padding_fn)(void* ctx, int is_padded) noexcept nogil
ctypedef void (*clear_error_fn)() noexcept nogil

cdef struct library_t:
    new_fn md_ctx_new
    free_fn md_ctx_free
    digest_init_fn digest_init
    digest_update_fn digest_update
    digest_final_fn digest_final
    digest_fn digest
    new_fn cipher_ctx_new
    free_fn cipher_ctx_free
    encrypt_init_fn encrypt_init
    encrypt_update_fn encrypt_update
    set_padding_fn set_padding
    clear_error_fn clear_error
    void* md[N_HASHES]           # EVP_MD; NULL: not offered
    void* sha1                   # EVP_MD; NULL: not offered
    void* aes128                 # EVP_CIPHER; NULL: not offered
    bint is_loaded

# A fact about the machine, filled once with the GIL; the library stays loaded.
cdef library_t LIBRARY


cdef str missing_symbol(void* handle, library_t* found):
    """Fills the functions; the name of the first that is not there, None where all are."""
    cdef void** slots[12]
    cdef int i
    slots[:] = [
        <void**> &found.md_ctx_new, <void**> &found.md_ctx_free, <void**> &found.digest_init,
        <void**> &found.digest_update, <void**> &found.digest_final, <void**> &found.cipher_ctx_new,
        <void**> &found.cipher_ctx_free, <void**> &found.encrypt_init, <void**> &found.encrypt_update,
        <void**> &found.set_padding, <void**> &found.clear_error, <void**> &found.digest,
    ]
    names = [
        b"EVP_MD_CTX_new", b"EVP_MD_CTX_free", b"EVP_DigestInit_ex", b"EVP_DigestUpdate", b"EVP_DigestFinal_ex",
        b"EVP_CIPHER_CTX_new", b"EVP_CIPHER_CTX_free", b"EVP_EncryptInit_ex", b"EVP_EncryptUpdate",
        b"EVP_CIPHER_CTX_set_padding", b"ERR_clear_error", b"EVP_Digest",
    ]
    for i in range(12):
        slots[i][0] = dlsym(handle, names[i])
        if slots[i][0] == NULL:
            return names[i].decode()
    return None


cdef void* algorithm_of(void* handle, const char* fetch_name, const char* name, const char* old_function):
    """An EVP_MD or EVP_CIPHER: fetched where libcrypto can (3.0), else the built-in one; NULL without either."""
    cdef fetch_fn fetch = <fetch_fn> dlsym(handle, fetch_name)
    cdef named_fn old
    if fetch != NULL:
        return fetch(NULL, name, NULL)
    old = <named_fn> dlsym(handle, old_function)
    return NULL if old == NULL else old()


cdef str load_from(void* handle, library_t* found):
    """Fills the table from an open library; None, or what it lacks."""
    cdef str missing = missing_symbol(handle, found)
    if missing is not None:
        return f"has no {missing}"
    found.md[HASH_MD5] = algorithm_of(handle, "EVP_MD_fetch", "MD5", "EVP_md5")
    found.md[HASH_SHA256] = algorithm_of(handle, "EVP_MD_fetch", "SHA256", "EVP_sha256")
    found.md[HASH_SHA512_256] = algorithm_of(handle, "EVP_MD_fetch", "SHA512-256", "EVP_sha512_256")
    found.sha1 = algorithm_of(handle, "EVP_MD_fetch", "SHA1", "EVP_sha1")
    found.aes128 = algorithm_of(handle, "EVP_CIPHER_fetch", "AES-128-ECB", "EVP_aes_128_ecb")
    # a refused algorithm leaves an error that Python's own ssl module would find
    found.clear_error()
    found.is_loaded = True
    return None


cdef str load_first(list names, library_t* found):
    """Tries library names in turn; None, or why each was of no use."""
    cdef void* handle
    cdef bytes path
    reasons = []
    for name in names:
        path = name.encode()
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)
        if handle == NULL:
            reasons.append(dlerror().decode(errors="replace"))
            continue
        reason = load_from(handle, found)
        if reason is None:
            return None
        reasons.append(f"{name} {reason}")
    return f"no usable libcrypto (OpenSSL 1.1 or 3): {'; '.join(reasons)}"


cdef str libcrypto_load():
    cdef str error
    if LIBRARY.is_loaded:
        return None
    error = load_first(usual_names(), &LIBRARY)
    return error


cdef list usual_names():
    names = ["libcrypto.so.3", "libcrypto.so.1.1"]
    try:
        # a symbol is looked for in what a library itself was linked with, too
        import _hashlib
        names.append(_hashlib.__file__)
    except (ImportError, AttributeError):
        pass
    return names


cdef bint hash_is_offered(int hash) noexcept nogil:
    return 0 <= hash < N_HASHES and LIBRARY.md[hash] != NULL


cdef bint crypto_open(crypto_t* c) noexcept nogil:
    cdef int i
    memset(c, 0, sizeof(crypto_t))
    if not LIBRARY.is_loaded:
        return False
    for i in range(N_HASHES):
        c.md_ctx[i] = LIBRARY.md_ctx_new()
        if c.md_ctx[i] == NULL:
            return False
    c.cipher_ctx = LIBRARY.cipher_ctx_new()
    return c.cipher_ctx != NULL


cdef void crypto_close(crypto_t* c) noexcept nogil:
    cdef int i
    for i in range(N_HASHES):
        if c.md_ctx[i] != NULL:
            LIBRARY.md_ctx_free(c.md_ctx[i])
    if c.cipher_ctx != NULL:
        LIBRARY.cipher_ctx_free(c.cipher_ctx)
    memset(c, 0, sizeof(crypto_t))


cdef void hash_begin(crypto_t* c, int hash) noexcept nogil:
    c.hash = hash
    c.n_pending = 0
    c.is_failed = (not hash_is_offered(hash)
                   or LIBRARY.digest_init(c.md_ctx[hash], LIBRARY.md[hash], NULL) != 1)


cdef void hash_put(crypto_t* c, const void* data, uint32_t n) noexcept nogil:
    if n > HASH_PENDING_BYTES - c.n_pending:
        hash_flush(c)
        if n > HASH_PENDING_BYTES:
            if not c.is_failed and LIBRARY.digest_update(c.md_ctx[c.hash], data, n) != 1:
                c.is_failed = True
            return
    if n:
        memcpy(c.pending + c.n_pending, data, n)
        c.n_pending += n


cdef void hash_flush(crypto_t* c) noexcept nogil:
    if c.n_pending and not c.is_failed and LIBRARY.digest_update(c.md_ctx[c.hash], c.pending, c.n_pending) != 1:
        c.is_failed = True
    c.n_pending = 0


cdef uint32_t hash_end(crypto_t* c, uint8_t* out) noexcept nogil:
    cdef unsigned int n = 0
    hash_flush(c)
    if c.is_failed or LIBRARY.digest_final(c.md_ctx[c.hash], out, &n) != 1:
        return 0
    return n


cdef bint sha1(const void* data, uint32_t n, uint8_t* out) noexcept nogil:
    cdef unsigned int n_out = 0
    return (LIBRARY.sha1 != NULL and LIBRARY.digest(data, n, out, &n_out, LIBRARY.sha1, NULL) == 1
            and n_out == SHA1_BYTES)


cdef bint aes128_key(crypto_t* c, const uint8_t* key) noexcept nogil:
    return (LIBRARY.aes128 != NULL and LIBRARY.encrypt_init(c.cipher_ctx, LIBRARY.aes128, NULL, key, NULL) == 1
            and LIBRARY.set_padding(c.cipher_ctx, 0) == 1)


cdef bint aes128_encrypt(crypto_t* c, const uint8_t* block, uint8_t* out) noexcept nogil:
    cdef int n = 0
    return LIBRARY.encrypt_update(c.cipher_ctx, out, &n, block, 16) == 1 and n == 16

# --------------------------------------------------------------------------- test surface


def load_error(list names=None):
    """None, or why no libcrypto can be used: the usual ones, or those named (which are not kept)."""
    cdef library_t scratch
    if names is None:
        return libcrypto_load()
    memset(&scratch, 0, sizeof(scratch))
    return load_first(names, &scratch)


def hash_in_pieces(int hash, list pieces not None):
    """The hash of the pieces put one after the other; None where libcrypto does not offer it."""
    cdef crypto_t c
    cdef uint8_t[HASH_MAX_BYTES] out
    cdef uint32_t n = 0
    cdef bytes piece
    error = libcrypto_load()
    if error is not None:
        raise RuntimeError(error)
    try:
        if not crypto_open(&c):
            raise MemoryError
        hash_begin(&c, hash)
        for piece in pieces:
            hash_put(&c, <const char*> piece, <uint32_t> len(piece))
        n = hash_end(&c, out)
    finally:
        crypto_close(&c)
    return (<char*> out)[:n] if n else None


def sha1_of(bytes data not None):
    """The SHA-1 of data; None where libcrypto does not offer it."""
    cdef uint8_t[SHA1_BYTES] out
    error = libcrypto_load()
    if error is not None:
        raise RuntimeError(error)
    return (<char*> out)[:SHA1_BYTES] if sha1(<const char*> data, <uint32_t> len(data), out) else None
