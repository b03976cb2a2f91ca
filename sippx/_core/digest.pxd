# sippx/_core/digest.pxd: SIP digest authentication: the answer to a challenge, and its verification.
#
# RFC 2617, 7616 and 8760 with MD5, SHA-256 and SHA-512-256, plain or -sess; AKAv1 (RFC 3310) and AKAv2 (RFC 4169)
# over any of them. Header text in SIPp's order. All spans are borrowed and need no padding.
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from sippx._core.challenge cimport DigestError, challenge_t, digest_algorithm_t
from sippx._core.libcrypto cimport crypto_t
from sippx._core.span cimport span_t

cdef enum:
    DIGEST_HEX_CAP = 64          # hex digits of the longest response

cdef enum QopPreference:
    PREFER_AUTH_INT              # SIPp's: auth-int wherever it is offered
    PREFER_AUTH

ctypedef crypto_t digest_ctx_t   # one an owner; see libcrypto.pxd

# What the answer is made from. username and uri are written between quotes as they are: a quote or backslash in
# them has to be escaped by the caller, and is hashed as written.
cdef struct credentials_t:
    span_t username
    span_t password
    span_t uri
    span_t method                # of the request that carries the answer
    span_t body                  # hashed for auth-int
    span_t aka_k                 # 16 bytes; ptr NULL: the first 16 of the password
    span_t aka_op                # 16 bytes; ptr NULL: zeros
    span_t aka_opc               # 16 bytes, comes before aka_op; ptr NULL: made from aka_op
    span_t aka_amf               # 2 bytes; ptr NULL: that of the challenge
    uint64_t* sqn_ms             # highest SQN accepted (48 bits), raised here; NULL: any SQN is fresh
    uint64_t cnonce              # random, a new one each request
    uint32_t nc                  # uses of this challenge, from 1; AKA looks at freshness with the first
    uint8_t qop_preference

# The parts of one response; nc and cnonce count with a qop (cnonce with -sess, too).
cdef struct response_t:
    digest_algorithm_t algorithm
    uint8_t qop                  # a QopBit: QOP_AUTH, QOP_AUTH_INT, or 0
    span_t username
    span_t realm
    span_t password
    span_t nonce
    span_t nc
    span_t cnonce
    span_t method
    span_t uri
    span_t body

# None, or why digest authentication cannot work here. Needs the GIL; before the first digest_ctx_open.
cdef str digest_init()
cdef bint digest_ctx_open(digest_ctx_t* ctx) noexcept nogil
cdef void digest_ctx_close(digest_ctx_t* ctx) noexcept nogil

cdef const char* digest_error_text(int error) noexcept nogil

# Hex digits to out (DIGEST_HEX_CAP bytes); their number, or DIGEST_E_NOT_OFFERED.
cdef int32_t digest_response(digest_ctx_t* ctx, const response_t* r, char* out) noexcept nogil

# Writes `Authorization: Digest ...` (`Proxy-Authorization: ` for a 407's challenge) without CRLF; its length, or a
# DigestError. An AKA challenge whose SQN is not fresh is answered with auts and no password (RFC 3310 3.4).
cdef int32_t digest_authorization(digest_ctx_t* ctx, const challenge_t* challenge, const credentials_t* credentials,
                                  char* out, uint32_t cap) noexcept nogil

# Whether a received Authorization value was made by `username` with `password` for this method and body. uri,
# nonce, nc, cnonce, qop and algorithm are the header's own. For AKA the password is XRES, or RFC 4169's.
cdef bint digest_verify(digest_ctx_t* ctx, span_t value, span_t username, span_t password, span_t method,
                        span_t body) noexcept nogil
