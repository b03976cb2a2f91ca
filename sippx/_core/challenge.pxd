# sippx/_core/challenge.pxd: the values of WWW-Authenticate, Proxy-Authenticate and Authorization, taken apart.
#
# Spans point into the value and are what stands between the quotes, escapes as written: that is what is hashed
# (RFC 7616 3.3, "unq") and echoed. A span with ptr NULL: the parameter is absent. Of equal names the first counts.
from libc.stdint cimport uint8_t, uint32_t

from sippx._core.span cimport span_t

cdef enum DigestError:
    DIGEST_OK = 0
    DIGEST_E_NO_CHALLENGE = -1   # no Digest among the challenges
    DIGEST_E_NO_REALM = -2
    DIGEST_E_NO_NONCE = -3
    DIGEST_E_ALGORITHM = -4      # none of the algorithms is one of ours
    DIGEST_E_NOT_OFFERED = -5    # libcrypto has no such hash (MD5 in a FIPS build) or no AES
    DIGEST_E_AKA_NONCE = -6
    DIGEST_E_AKA_MAC = -7
    DIGEST_E_NO_KEY = -8
    DIGEST_E_KEY_SIZE = -9
    DIGEST_E_TOO_LONG = -10
    DIGEST_E_LAST = -10

cdef enum QopBit:
    QOP_AUTH = 1
    QOP_AUTH_INT = 2
    QOP_OTHER = 4

cdef struct digest_algorithm_t:
    uint8_t is_known
    uint8_t hash                 # HASH_* of libcrypto.pxd
    uint8_t is_sess
    uint8_t aka_version          # 0: not AKA

cdef struct challenge_t:
    span_t realm
    span_t nonce
    span_t opaque
    span_t domain
    span_t algorithm_text        # absent: MD5
    digest_algorithm_t algorithm
    uint8_t is_digest            # its scheme
    uint8_t is_proxy             # of a 407
    uint8_t qop                  # QopBits; 0: none or an empty list
    uint8_t stale

# What an Authorization or Proxy-Authorization header holds.
cdef struct authorization_t:
    span_t username
    span_t realm
    span_t nonce
    span_t uri
    span_t response
    span_t cnonce
    span_t nc
    span_t qop
    span_t algorithm_text
    digest_algorithm_t algorithm
    uint8_t is_userhash          # RFC 7616 3.4.4: username is H(username:realm)

cdef bint span_equals_nocase(span_t s, const char* text) noexcept nogil

# Takes the next challenge, of whatever scheme, off `rest` (RFC 7235 4.1: several may stand in one value).
# False where nothing is left. Always makes progress.
cdef bint challenge_next(span_t* rest, challenge_t* out) noexcept nogil

# DIGEST_OK where the challenge can be answered, else why not.
cdef DigestError challenge_check(const challenge_t* challenge) noexcept nogil

# The strongest answerable challenge of n header values, the first of equals: SHA-512-256, SHA-256, MD5. AKA comes
# before all of them where the caller has a key, else after. Without any: why the first Digest challenge is not.
cdef DigestError challenge_choose(const span_t* values, uint32_t n, bint has_aka_key, bint is_proxy,
                                  challenge_t* out) noexcept nogil

# False where the scheme is not Digest. Says nothing about which parameters there are.
cdef bint authorization_parse(span_t value, authorization_t* out) noexcept nogil
