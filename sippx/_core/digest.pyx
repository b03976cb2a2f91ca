# sippx/_core/digest.pyx: digest responses, the Authorization header, and their Python test surface.
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset, strlen

from sippx._core.challenge cimport (
    DIGEST_E_AKA_MAC, DIGEST_E_AKA_NONCE, DIGEST_E_KEY_SIZE, DIGEST_E_LAST, DIGEST_E_NO_KEY, DIGEST_E_NOT_OFFERED,
    DIGEST_E_TOO_LONG, DIGEST_OK, QOP_AUTH, QOP_AUTH_INT, DigestError, authorization_parse, authorization_t,
    challenge_check, challenge_choose, challenge_t, span_equals_nocase)
from sippx._core.libcrypto cimport (
    HASH_MAX_BYTES, crypto_close, crypto_open, hash_begin, hash_block_bytes_of, hash_bytes_of, hash_end,
    hash_put, hash_put_span, libcrypto_load)
from sippx._core.milenage cimport (
    AKA_AUTN_BYTES, AKA_AUTS_BYTES, AKA_FAILED, AKA_KEY_BYTES, AKA_MAC_MISMATCH, AKA_OUT_OF_SYNC, AKA_RES_BYTES,
    AkaStatus, aka_answer, aka_result_t, milenage_begin, milenage_t)
from sippx._core.span cimport span_of, span_t

cdef enum:
    N_ERROR_TEXTS = 1 - DIGEST_E_LAST
    PASSWORD_CAP = 48            # base64 of HASH_MAX_BYTES
    AUTS_CAP = 20                # base64 of AKA_AUTS_BYTES
    CNONCE_DIGITS = 16
    NC_DIGITS = 8

cdef const char* ERROR_TEXTS[N_ERROR_TEXTS]
ERROR_TEXTS[0] = "no error"
ERROR_TEXTS[1] = "no Digest challenge"
ERROR_TEXTS[2] = "the challenge has no realm"
ERROR_TEXTS[3] = "the challenge has no nonce"
ERROR_TEXTS[4] = "the challenge's algorithm is not supported"
ERROR_TEXTS[5] = "libcrypto does not offer the challenge's algorithm"
ERROR_TEXTS[6] = "the AKA challenge's nonce is not base64 of RAND and AUTN"
ERROR_TEXTS[7] = "the AKA challenge's MAC does not match: another K, OP or AMF"
ERROR_TEXTS[8] = "no AKA key: neither aka_K nor a password of 16 bytes"
ERROR_TEXTS[9] = "aka_K and aka_OP must be 16 bytes, aka_AMF 2"
ERROR_TEXTS[10] = "the authentication header is too long"

cdef const char* HEX = "0123456789abcdef"
cdef const char* BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


cdef const char* digest_error_text(int error) noexcept nogil:
    if not DIGEST_E_LAST <= error <= 0:
        return "unknown error"
    return ERROR_TEXTS[-error]


cdef str digest_init():
    return libcrypto_load()


cdef bint digest_ctx_open(digest_ctx_t* ctx) noexcept nogil:
    return crypto_open(ctx)


cdef void digest_ctx_close(digest_ctx_t* ctx) noexcept nogil:
    crypto_close(ctx)

# --------------------------------------------------------------------------- text


cdef inline span_t text(const char* s) noexcept nogil:
    return span_of(s, <uint32_t> strlen(s))


cdef span_t put_hex(char* out, const uint8_t* data, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        out[2 * i] = HEX[data[i] >> 4]
        out[2 * i + 1] = HEX[data[i] & 15]
    return span_of(out, 2 * n)


cdef span_t put_hex_number(char* out, uint64_t number, uint32_t n_digits) noexcept nogil:
    cdef uint32_t i
    for i in range(n_digits):
        out[i] = HEX[(number >> (4 * (n_digits - 1 - i))) & 15]
    return span_of(out, n_digits)


cdef span_t put_base64(char* out, const uint8_t* data, uint32_t n) noexcept nogil:
    cdef uint32_t i, bits, n_out = 0
    for i in range(0, n, 3):
        bits = data[i] << 16
        if i + 1 < n:
            bits |= data[i + 1] << 8
        if i + 2 < n:
            bits |= data[i + 2]
        out[n_out] = BASE64[bits >> 18]
        out[n_out + 1] = BASE64[bits >> 12 & 63]
        out[n_out + 2] = BASE64[bits >> 6 & 63] if i + 1 < n else c'='
        out[n_out + 3] = BASE64[bits & 63] if i + 2 < n else c'='
        n_out += 4
    return span_of(out, n_out)


cdef int base64_value(char c) noexcept nogil:
    if c'A' <= c <= c'Z':
        return c - c'A'
    if c'a' <= c <= c'z':
        return c - c'a' + 26
    if c'0' <= c <= c'9':
        return c - c'0' + 52
    return 62 if c == c'+' else 63 if c == c'/' else -1


cdef bint get_base64(span_t s, uint8_t* out, uint32_t n) noexcept nogil:
    """The first n bytes that s stands for; False where it is shorter or something else."""
    cdef uint32_t i, n_out = 0, bits = 0, n_bits = 0
    cdef int value
    for i in range(s.len):
        value = base64_value(s.ptr[i])
        if value < 0:
            return False
        bits = (bits << 6 | value) & 0xffff
        n_bits += 6
        if n_bits >= 8:
            n_bits -= 8
            out[n_out] = (bits >> n_bits) & 255
            n_out += 1
            if n_out == n:
                return True
    return False


# A header being written; is_full: something did not fit.
cdef struct writer_t:
    char* p
    char* end
    bint is_full


cdef void put(writer_t* w, span_t s) noexcept nogil:
    if <uint64_t> (w.end - w.p) < s.len:
        w.is_full = True
    elif s.len:
        memcpy(w.p, s.ptr, s.len)
        w.p += s.len


cdef void put_between(writer_t* w, const char* before, span_t s, const char* after) noexcept nogil:
    put(w, text(before))
    put(w, s)
    put(w, text(after))

# --------------------------------------------------------------------------- response


cdef inline void hash_colon(digest_ctx_t* ctx) noexcept nogil:
    hash_put(ctx, b":", 1)


cdef span_t hash_hex(digest_ctx_t* ctx, char* out) noexcept nogil:
    """Ends the hash; its hex digits, none where libcrypto failed."""
    cdef uint8_t[HASH_MAX_BYTES] raw
    return put_hex(out, raw, hash_end(ctx, raw))


cdef span_t qop_text(uint8_t qop) noexcept nogil:
    return text("auth-int") if qop == QOP_AUTH_INT else text("auth")


cdef span_t put_ha1(digest_ctx_t* ctx, const response_t* r, char* out) noexcept nogil:
    cdef int hash = r.algorithm.hash
    cdef span_t ha1
    hash_begin(ctx, hash)
    hash_put_span(ctx, r.username)
    hash_colon(ctx)
    hash_put_span(ctx, r.realm)
    hash_colon(ctx)
    hash_put_span(ctx, r.password)
    ha1 = hash_hex(ctx, out)
    if not r.algorithm.is_sess:
        return ha1
    # the inner hash enters as hex digits, as all implementations have it
    hash_begin(ctx, hash)
    hash_put_span(ctx, ha1)
    hash_colon(ctx)
    hash_put_span(ctx, r.nonce)
    hash_colon(ctx)
    hash_put_span(ctx, r.cnonce)
    return hash_hex(ctx, out)


cdef span_t put_ha2(digest_ctx_t* ctx, const response_t* r, char* out) noexcept nogil:
    cdef int hash = r.algorithm.hash
    cdef char[DIGEST_HEX_CAP] body_hex
    cdef span_t body
    if r.qop == QOP_AUTH_INT:
        hash_begin(ctx, hash)
        hash_put_span(ctx, r.body)
        body = hash_hex(ctx, body_hex)
    hash_begin(ctx, hash)
    hash_put_span(ctx, r.method)
    hash_colon(ctx)
    hash_put_span(ctx, r.uri)
    if r.qop == QOP_AUTH_INT:
        hash_colon(ctx)
        hash_put_span(ctx, body)
    return hash_hex(ctx, out)


cdef int32_t digest_response(digest_ctx_t* ctx, const response_t* r, char* out) noexcept nogil:
    cdef char[DIGEST_HEX_CAP] ha1_hex, ha2_hex
    cdef span_t ha1 = put_ha1(ctx, r, ha1_hex)
    cdef span_t ha2 = put_ha2(ctx, r, ha2_hex)
    cdef span_t response
    hash_begin(ctx, r.algorithm.hash)
    hash_put_span(ctx, ha1)
    hash_colon(ctx)
    hash_put_span(ctx, r.nonce)
    hash_colon(ctx)
    if r.qop:
        hash_put_span(ctx, r.nc)
        hash_colon(ctx)
        hash_put_span(ctx, r.cnonce)
        hash_colon(ctx)
        hash_put_span(ctx, qop_text(r.qop))
        hash_colon(ctx)
    hash_put_span(ctx, ha2)
    response = hash_hex(ctx, out)
    if ha1.len == 0 or ha2.len == 0 or response.len == 0:
        return DIGEST_E_NOT_OFFERED
    return response.len

# --------------------------------------------------------------------------- AKA

# What AKA makes of a challenge: the password, and auts where it was out of sync.
cdef struct aka_t:
    span_t password
    span_t auts
    char password_text[PASSWORD_CAP]
    char auts_text[AUTS_CAP]


cdef span_t put_akav2_password(digest_ctx_t* ctx, int hash, const aka_result_t* result, char* out) noexcept nogil:
    """RFC 4169 3: base64 of HMAC with the key RES, IK, CK over a fixed text, by the algorithm's own hash."""
    cdef uint8_t[128] key
    cdef uint8_t[HASH_MAX_BYTES] inner
    cdef uint32_t i, block_bytes = hash_block_bytes_of(hash)
    memset(key, 0, sizeof(key))
    memcpy(key, result.res, AKA_RES_BYTES)
    memcpy(key + AKA_RES_BYTES, result.ik, AKA_KEY_BYTES)
    memcpy(key + AKA_RES_BYTES + AKA_KEY_BYTES, result.ck, AKA_KEY_BYTES)
    for i in range(block_bytes):
        key[i] ^= 0x36
    hash_begin(ctx, hash)
    hash_put(ctx, key, block_bytes)
    hash_put_span(ctx, text("http-digest-akav2-password"))
    if hash_end(ctx, inner) == 0:
        return span_of(out, 0)
    for i in range(block_bytes):
        key[i] ^= 0x36 ^ 0x5c
    hash_begin(ctx, hash)
    hash_put(ctx, key, block_bytes)
    hash_put(ctx, inner, hash_bytes_of(hash))
    return put_base64(out, inner, hash_end(ctx, inner))


cdef DigestError aka_keys(const credentials_t* c, const uint8_t** k, const uint8_t** op,
                          const uint8_t** amf) noexcept nogil:
    """Checks the sizes; op and amf are NULL where they were not given."""
    cdef span_t key = c.aka_k
    cdef span_t variant = c.aka_opc if c.aka_opc.ptr != NULL else c.aka_op
    if key.ptr == NULL:
        if c.password.len < AKA_KEY_BYTES:
            return DIGEST_E_NO_KEY
        key = span_of(c.password.ptr, AKA_KEY_BYTES)
    if (key.len != AKA_KEY_BYTES or (variant.ptr != NULL and variant.len != AKA_KEY_BYTES)
            or (c.aka_amf.ptr != NULL and c.aka_amf.len != 2)):
        return DIGEST_E_KEY_SIZE
    k[0] = <const uint8_t*> key.ptr
    op[0] = <const uint8_t*> variant.ptr
    amf[0] = <const uint8_t*> c.aka_amf.ptr
    return DIGEST_OK


cdef DigestError aka_run(digest_ctx_t* ctx, const challenge_t* challenge, const credentials_t* c,
                         aka_t* out) noexcept nogil:
    cdef milenage_t m
    cdef aka_result_t result
    cdef uint8_t[AKA_KEY_BYTES + AKA_AUTN_BYTES] nonce
    cdef uint8_t[AKA_KEY_BYTES] zeros
    cdef const uint8_t* k
    cdef const uint8_t* op
    cdef const uint8_t* amf
    cdef AkaStatus status
    cdef DigestError error = aka_keys(c, &k, &op, &amf)
    if error != DIGEST_OK:
        return error
    if not get_base64(challenge.nonce, nonce, sizeof(nonce)):
        return DIGEST_E_AKA_NONCE
    if op == NULL:
        memset(zeros, 0, sizeof(zeros))
        op = zeros
    milenage_begin(&m, ctx, k, op, c.aka_opc.ptr != NULL, nonce)
    # a challenge that is used again was fresh when it was used first
    status = aka_answer(&m, nonce + AKA_KEY_BYTES, amf, c.sqn_ms if c.nc <= 1 else NULL, &result)
    out.auts = span_of(NULL, 0)
    out.password = span_of(NULL, 0)
    if status == AKA_MAC_MISMATCH:
        return DIGEST_E_AKA_MAC
    if status == AKA_FAILED:
        return DIGEST_E_NOT_OFFERED
    if status == AKA_OUT_OF_SYNC:
        out.auts = put_base64(out.auts_text, result.auts, AKA_AUTS_BYTES)
    elif challenge.algorithm.aka_version == 1:
        memcpy(out.password_text, result.res, AKA_RES_BYTES)
        out.password = span_of(out.password_text, AKA_RES_BYTES)
    else:
        out.password = put_akav2_password(ctx, challenge.algorithm.hash, &result, out.password_text)
    return DIGEST_OK

# --------------------------------------------------------------------------- header


cdef uint8_t chosen_qop(uint8_t offered, uint8_t preference) noexcept nogil:
    """0 where nothing known is offered: unknown options are ignored (RFC 7616 3.3)."""
    if offered & QOP_AUTH_INT and (preference == PREFER_AUTH_INT or not offered & QOP_AUTH):
        return QOP_AUTH_INT
    return offered & QOP_AUTH


cdef int32_t put_authorization(const challenge_t* challenge, const response_t* r, span_t response, span_t auts,
                               char* out, uint32_t cap) noexcept nogil:
    cdef writer_t w
    w.p = out
    w.end = out + cap
    w.is_full = False
    put(&w, text("Proxy-Authorization: ") if challenge.is_proxy else text("Authorization: "))
    put_between(&w, 'Digest username="', r.username, '",realm="')
    put(&w, r.realm)
    if r.qop:
        put_between(&w, '",cnonce="', r.cnonce, '",nc=')
        put(&w, r.nc)
        put_between(&w, ",qop=", qop_text(r.qop), ',uri="')
    elif r.algorithm.is_sess:
        put_between(&w, '",cnonce="', r.cnonce, '",uri="')
    else:
        put(&w, text('",uri="'))
    put_between(&w, "", r.uri, '",nonce="')
    put_between(&w, "", r.nonce, '",response="')
    put_between(&w, "", response, '",algorithm=')
    put(&w, challenge.algorithm_text if challenge.algorithm_text.ptr != NULL else text("MD5"))
    if challenge.opaque.ptr != NULL:
        put_between(&w, ',opaque="', challenge.opaque, '"')
    if auts.len:
        put_between(&w, ',auts="', auts, '"')
    return DIGEST_E_TOO_LONG if w.is_full else <int32_t> (w.p - out)


cdef int32_t digest_authorization(digest_ctx_t* ctx, const challenge_t* challenge, const credentials_t* credentials,
                                  char* out, uint32_t cap) noexcept nogil:
    cdef response_t r
    cdef aka_t aka
    cdef span_t auts = span_of(NULL, 0)
    cdef char[CNONCE_DIGITS] cnonce
    cdef char[NC_DIGITS] nc
    cdef char[DIGEST_HEX_CAP] response
    cdef int32_t n = challenge_check(challenge)
    if n != DIGEST_OK:
        return n
    r.algorithm = challenge.algorithm
    r.qop = chosen_qop(challenge.qop, credentials.qop_preference)
    r.username = credentials.username
    r.realm = challenge.realm
    r.password = credentials.password
    r.nonce = challenge.nonce
    r.nc = put_hex_number(nc, credentials.nc, NC_DIGITS)
    r.cnonce = put_hex_number(cnonce, credentials.cnonce, CNONCE_DIGITS)
    r.method = credentials.method
    r.uri = credentials.uri
    r.body = credentials.body
    if r.algorithm.aka_version:
        n = aka_run(ctx, challenge, credentials, &aka)
        if n != DIGEST_OK:
            return n
        r.password = aka.password
        auts = aka.auts
    n = digest_response(ctx, &r, response)
    if n < 0:
        return n
    return put_authorization(challenge, &r, span_of(response, n), auts, out, cap)

# --------------------------------------------------------------------------- verification


cdef bint equal_in_constant_time(span_t a, span_t b) noexcept nogil:
    cdef uint32_t i
    cdef uint8_t differing = 0
    if a.len != b.len:
        return False
    for i in range(a.len):
        differing |= <uint8_t> a.ptr[i] ^ <uint8_t> b.ptr[i]
    return differing == 0


cdef bint is_user(digest_ctx_t* ctx, const authorization_t* a, span_t username) noexcept nogil:
    cdef char[DIGEST_HEX_CAP] hashed
    if not a.is_userhash:
        return equal_in_constant_time(a.username, username)
    hash_begin(ctx, a.algorithm.hash)
    hash_put_span(ctx, username)
    hash_colon(ctx)
    hash_put_span(ctx, a.realm)
    return equal_in_constant_time(a.username, hash_hex(ctx, hashed))


cdef bint digest_verify(digest_ctx_t* ctx, span_t value, span_t username, span_t password, span_t method,
                        span_t body) noexcept nogil:
    cdef authorization_t a
    cdef response_t r
    cdef char[DIGEST_HEX_CAP] response
    cdef int32_t n
    if not authorization_parse(value, &a) or not a.algorithm.is_known:
        return False
    if a.username.ptr == NULL or a.realm.ptr == NULL or a.nonce.ptr == NULL or a.uri.ptr == NULL:
        return False
    r.qop = 0
    if a.qop.ptr != NULL:
        if span_equals_nocase(a.qop, "auth"):
            r.qop = QOP_AUTH
        elif span_equals_nocase(a.qop, "auth-int"):
            r.qop = QOP_AUTH_INT
        if r.qop == 0 or a.nc.len == 0 or a.cnonce.ptr == NULL:
            return False
    if a.algorithm.is_sess and a.cnonce.ptr == NULL:
        return False
    if not is_user(ctx, &a, username):
        return False
    r.algorithm = a.algorithm
    r.username = username
    r.realm = a.realm
    r.password = password
    r.nonce = a.nonce
    r.nc = a.nc
    r.cnonce = a.cnonce
    r.method = method
    r.uri = a.uri
    r.body = body
    n = digest_response(ctx, &r, response)
    return n > 0 and equal_in_constant_time(a.response, span_of(response, n))

# --------------------------------------------------------------------------- test surface


cdef span_t span_in(bytes b):
    """A span of the bytes; ptr NULL for None. The caller keeps the bytes."""
    return span_of(NULL, 0) if b is None else span_of(<const char*> b, <uint32_t> len(b))


cdef class Digest:
    """One context; answers challenges and verifies answers. ValueError carries the text of a DigestError."""
    cdef digest_ctx_t ctx
    cdef uint64_t sqn
    cdef readonly bint checks_sqn

    def __cinit__(self, *, sqn_ms=None):
        error = digest_init()
        if error is not None:
            raise RuntimeError(error)
        self.checks_sqn = sqn_ms is not None
        self.sqn = sqn_ms or 0
        if not digest_ctx_open(&self.ctx):
            raise MemoryError

    def __dealloc__(self):
        digest_ctx_close(&self.ctx)

    @property
    def sqn_ms(self):
        """The highest SQN accepted; None where freshness is not looked at."""
        return self.sqn if self.checks_sqn else None

    def authorization(self, list challenges not None, *, bytes username=b"", bytes password=b"", bytes uri=b"",
                      bytes method=b"REGISTER", bytes body=b"", uint32_t nc=1, uint64_t cnonce=0, bint is_proxy=False,
                      bint prefer_auth=False, bytes aka_k=None, bytes aka_op=None, bytes aka_opc=None,
                      bytes aka_amf=None, uint32_t cap=4096, uint64_t repeat=1):
        """The header line that answers the strongest of at most 8 challenge values."""
        cdef span_t[8] values
        cdef challenge_t chosen
        cdef credentials_t c
        cdef bytearray out = bytearray(cap + 1)
        cdef char* out_p = out
        cdef uint64_t _i
        cdef int32_t n = 0
        if len(challenges) > 8:
            raise ValueError("at most 8 values")
        for i in range(len(challenges)):
            values[i] = span_in(challenges[i])
        memset(&c, 0, sizeof(c))
        c.username, c.password, c.uri, c.method = span_in(username), span_in(password), span_in(uri), span_in(method)
        c.body = span_in(body)
        c.aka_k, c.aka_op, c.aka_opc, c.aka_amf = span_in(aka_k), span_in(aka_op), span_in(aka_opc), span_in(aka_amf)
        c.sqn_ms = &self.sqn if self.checks_sqn else NULL
        c.cnonce = cnonce
        c.nc = nc
        c.qop_preference = PREFER_AUTH if prefer_auth else PREFER_AUTH_INT
        n = challenge_choose(values, <uint32_t> len(challenges), aka_k is not None, is_proxy, &chosen)
        if n == DIGEST_OK:
            with nogil:
                for _i in range(repeat):
                    n = digest_authorization(&self.ctx, &chosen, &c, out_p, cap)
        if n < 0:
            raise ValueError(digest_error_text(n).decode())
        assert out[cap] == 0, "written past cap"
        return PyBytes_FromStringAndSize(out_p, n)

    def verify(self, bytes value not None, bytes username not None, bytes password not None, bytes method not None,
               bytes body=b"", uint64_t repeat=1):
        """Whether an Authorization value is this user's for this request."""
        cdef span_t v = span_in(value), u = span_in(username), p = span_in(password), m = span_in(method)
        cdef span_t b = span_in(body)
        cdef uint64_t _i
        cdef bint is_right = False
        with nogil:
            for _i in range(repeat):
                is_right = digest_verify(&self.ctx, v, u, p, m, b)
        return is_right


def error_texts():
    """The text of every DigestError, from DIGEST_OK downwards."""
    return [digest_error_text(-i).decode() for i in range(N_ERROR_TEXTS)]
