# sippx/_core/challenge.pyx: a tolerant parser of authentication header values, and its Python test surface.
#
# Tolerated: any white space and stray commas, names in any case, values with or without quotes, a quote that is
# never closed (ends at the next comma), qop lists without quotes.
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strlen

from sippx._core.libcrypto cimport HASH_MD5, HASH_SHA256, HASH_SHA512_256
from sippx._core.span cimport span_of, span_t

cdef enum ItemKind:
    ITEM_END
    ITEM_PARAM
    ITEM_WORD                    # neither a parameter nor followed by one
    ITEM_SCHEME                  # of the next challenge; not consumed

cdef enum:
    N_RANKED = 8                 # places for hashes in a group of ranks

cdef struct item_t:
    span_t name
    span_t value


cdef inline bint is_space(char c) noexcept nogil:
    return c == c' ' or c == c'\t' or c == c'\r' or c == c'\n'


cdef inline bint is_word(char c) noexcept nogil:
    return not is_space(c) and c != c',' and c != c'=' and c != c'"'


cdef inline uint32_t after_spaces(span_t s, uint32_t i) noexcept nogil:
    while i < s.len and is_space(s.ptr[i]):
        i += 1
    return i


cdef inline uint32_t after_separators(span_t s, uint32_t i) noexcept nogil:
    while i < s.len and (is_space(s.ptr[i]) or s.ptr[i] == c','):
        i += 1
    return i


cdef inline uint32_t after_word(span_t s, uint32_t i) noexcept nogil:
    while i < s.len and is_word(s.ptr[i]):
        i += 1
    return i


cdef bint span_equals_nocase(span_t s, const char* text) noexcept nogil:
    cdef uint32_t i
    cdef uint8_t a, b
    if s.len != strlen(text):
        return False
    for i in range(s.len):
        a = s.ptr[i]
        b = text[i]
        if <uint8_t> (a - c'A') < 26:
            a |= 32
        if <uint8_t> (b - c'A') < 26:
            b |= 32
        if a != b:
            return False
    return True


cdef inline void drop(span_t* s, uint32_t n) noexcept nogil:
    s.ptr += n
    s.len -= n


cdef uint32_t read_quoted(span_t s, uint32_t i, span_t* value) noexcept nogil:
    """s[i] is the opening quote; returns the place after the closing one."""
    cdef uint32_t start = i + 1, end
    i = start
    while i < s.len and s.ptr[i] != c'"':
        if s.ptr[i] == c'\\' and i + 1 < s.len:
            i += 1
        i += 1
    if i < s.len:
        value[0] = span_of(s.ptr + start, i - start)
        return i + 1
    i = start
    while i < s.len and s.ptr[i] != c',':
        i += 1
    end = i
    while end > start and is_space(s.ptr[end - 1]):
        end -= 1
    value[0] = span_of(s.ptr + start, end - start)
    return i


cdef uint32_t read_value(span_t s, uint32_t i, span_t* value) noexcept nogil:
    cdef uint32_t start = i
    if i < s.len and s.ptr[i] == c'"':
        return read_quoted(s, i, value)
    while i < s.len and not is_space(s.ptr[i]) and s.ptr[i] != c',':
        i += 1
    value[0] = span_of(s.ptr + start, i - start)
    if value.len and value.ptr[value.len - 1] == c'"':
        value.len -= 1
    return i


cdef ItemKind next_item(span_t* rest, item_t* out) noexcept nogil:
    cdef span_t s = rest[0]
    cdef uint32_t start = after_separators(s, 0)
    cdef uint32_t end = after_word(s, start)
    cdef uint32_t i = after_spaces(s, end)
    out.name = span_of(s.ptr + start, end - start)
    if i < s.len and s.ptr[i] == c'=':
        drop(rest, read_value(s, after_spaces(s, i + 1), &out.value))
        return ITEM_PARAM
    if start == end:
        if start == s.len:
            drop(rest, start)
            return ITEM_END
        # what stops a word here can only be a quote
        drop(rest, read_quoted(s, start, &out.value))
        return ITEM_WORD
    if i > end and i < s.len and is_word(s.ptr[i]):
        drop(rest, start)
        return ITEM_SCHEME
    drop(rest, end)
    return ITEM_WORD


cdef bint next_scheme(span_t* rest, span_t* scheme) noexcept nogil:
    """The first word of what is left; False where there is nothing."""
    cdef uint32_t start = after_separators(rest[0], 0)
    cdef uint32_t end = after_word(rest[0], start)
    scheme[0] = span_of(rest.ptr + start, end - start)
    drop(rest, end)
    return rest.len > 0 or scheme.len > 0


cdef inline void set_first(span_t* slot, span_t value) noexcept nogil:
    if slot.ptr == NULL:
        slot[0] = value


cdef uint8_t qop_bit(span_t word) noexcept nogil:
    if span_equals_nocase(word, "auth"):
        return QOP_AUTH
    return QOP_AUTH_INT if span_equals_nocase(word, "auth-int") else QOP_OTHER


cdef uint8_t qop_bits(span_t options) noexcept nogil:
    cdef uint8_t bits = 0
    cdef uint32_t start, i = after_separators(options, 0)
    while i < options.len:
        start = i
        while i < options.len and not is_space(options.ptr[i]) and options.ptr[i] != c',':
            i += 1
        bits |= qop_bit(span_of(options.ptr + start, i - start))
        i = after_separators(options, i)
    return bits


cdef digest_algorithm_t algorithm_of(span_t text) noexcept nogil:
    """[AKAvN-] name [-sess]; an absent one is MD5."""
    cdef digest_algorithm_t a
    memset(&a, 0, sizeof(a))
    a.is_known = True
    a.hash = HASH_MD5
    if text.ptr == NULL:
        return a
    if text.len > 6 and span_equals_nocase(span_of(text.ptr, 4), "AKAv") and text.ptr[5] == c'-':
        a.aka_version = text.ptr[4] - c'0'
        a.is_known = a.aka_version == 1 or a.aka_version == 2
        drop(&text, 6)
    if text.len > 5 and span_equals_nocase(span_of(text.ptr + text.len - 5, 5), "-sess"):
        a.is_sess = True
        text.len -= 5
    if span_equals_nocase(text, "SHA-256"):
        a.hash = HASH_SHA256
    elif span_equals_nocase(text, "SHA-512-256"):
        a.hash = HASH_SHA512_256
    elif not span_equals_nocase(text, "MD5"):
        a.is_known = False
    return a


cdef void set_param(challenge_t* c, const item_t* item) noexcept nogil:
    if span_equals_nocase(item.name, "realm"):
        set_first(&c.realm, item.value)
    elif span_equals_nocase(item.name, "nonce"):
        set_first(&c.nonce, item.value)
    elif span_equals_nocase(item.name, "opaque"):
        set_first(&c.opaque, item.value)
    elif span_equals_nocase(item.name, "algorithm"):
        set_first(&c.algorithm_text, item.value)
    elif span_equals_nocase(item.name, "domain"):
        set_first(&c.domain, item.value)
    elif span_equals_nocase(item.name, "stale"):
        c.stale = span_equals_nocase(item.value, "true")


cdef bint challenge_next(span_t* rest, challenge_t* out) noexcept nogil:
    cdef span_t scheme, qop
    cdef item_t item
    cdef ItemKind kind
    cdef bint in_qop = False
    memset(out, 0, sizeof(challenge_t))
    memset(&qop, 0, sizeof(qop))
    if not next_scheme(rest, &scheme):
        return False
    out.is_digest = span_equals_nocase(scheme, "Digest")
    while True:
        kind = next_item(rest, &item)
        if kind == ITEM_END or kind == ITEM_SCHEME:
            break
        if kind == ITEM_WORD:
            # the list of a qop without quotes goes on
            if in_qop:
                out.qop |= qop_bit(item.name)
            continue
        in_qop = qop.ptr == NULL and span_equals_nocase(item.name, "qop")
        if in_qop:
            qop = item.value
            out.qop = qop_bits(qop)
        else:
            set_param(out, &item)
    out.algorithm = algorithm_of(out.algorithm_text)
    return True


cdef DigestError challenge_check(const challenge_t* challenge) noexcept nogil:
    if not challenge.is_digest:
        return DIGEST_E_NO_CHALLENGE
    if not challenge.algorithm.is_known:
        return DIGEST_E_ALGORITHM
    if challenge.realm.ptr == NULL:
        return DIGEST_E_NO_REALM
    if challenge.nonce.ptr == NULL:
        return DIGEST_E_NO_NONCE
    return DIGEST_OK


cdef int rank_of(digest_algorithm_t a, bint has_aka_key) noexcept nogil:
    """AKA without a key of its own, plain ones, AKA with a key; the stronger hash within each."""
    cdef int group = 1
    if a.aka_version:
        group = 1 + a.aka_version if has_aka_key else 0
    return 1 + N_RANKED * group + a.hash


cdef DigestError challenge_choose(const span_t* values, uint32_t n, bint has_aka_key, bint is_proxy,
                                  challenge_t* out) noexcept nogil:
    cdef challenge_t found
    cdef span_t rest
    cdef uint32_t i
    cdef int rank, best = 0
    cdef DigestError error, reason = DIGEST_E_NO_CHALLENGE
    memset(out, 0, sizeof(challenge_t))
    for i in range(n):
        rest = values[i]
        while challenge_next(&rest, &found):
            error = challenge_check(&found)
            if error != DIGEST_OK:
                if reason == DIGEST_E_NO_CHALLENGE:
                    reason = error
                continue
            rank = rank_of(found.algorithm, has_aka_key)
            if rank > best:
                best = rank
                out[0] = found
    out.is_proxy = is_proxy
    return DIGEST_OK if best else reason


cdef void set_credential(authorization_t* a, const item_t* item) noexcept nogil:
    if span_equals_nocase(item.name, "username"):
        set_first(&a.username, item.value)
    elif span_equals_nocase(item.name, "realm"):
        set_first(&a.realm, item.value)
    elif span_equals_nocase(item.name, "nonce"):
        set_first(&a.nonce, item.value)
    elif span_equals_nocase(item.name, "uri"):
        set_first(&a.uri, item.value)
    elif span_equals_nocase(item.name, "response"):
        set_first(&a.response, item.value)
    elif span_equals_nocase(item.name, "cnonce"):
        set_first(&a.cnonce, item.value)
    elif span_equals_nocase(item.name, "nc"):
        set_first(&a.nc, item.value)
    elif span_equals_nocase(item.name, "qop"):
        set_first(&a.qop, item.value)
    elif span_equals_nocase(item.name, "algorithm"):
        set_first(&a.algorithm_text, item.value)
    elif span_equals_nocase(item.name, "userhash"):
        a.is_userhash = span_equals_nocase(item.value, "true")


cdef bint authorization_parse(span_t value, authorization_t* out) noexcept nogil:
    cdef span_t scheme
    cdef item_t item
    cdef ItemKind kind
    memset(out, 0, sizeof(authorization_t))
    if not next_scheme(&value, &scheme) or not span_equals_nocase(scheme, "Digest"):
        return False
    while True:
        kind = next_item(&value, &item)
        if kind == ITEM_END or kind == ITEM_SCHEME:
            break
        if kind == ITEM_PARAM:
            set_credential(out, &item)
    out.algorithm = algorithm_of(out.algorithm_text)
    return True

# --------------------------------------------------------------------------- test surface


cdef char* exact_copy(bytes value) except NULL:
    """The bytes in a block of their size: a sanitizer sees every read past them."""
    cdef char* copy = <char*> malloc(len(value))
    if copy == NULL:
        raise MemoryError
    memcpy(copy, <const char*> value, len(value))
    return copy


cdef object bytes_of(span_t s):
    return None if s.ptr == NULL else s.ptr[:s.len]


cdef dict dict_of(challenge_t* c):
    cdef digest_algorithm_t a = c.algorithm
    return {
        "is_digest": bool(c.is_digest), "realm": bytes_of(c.realm), "nonce": bytes_of(c.nonce),
        "opaque": bytes_of(c.opaque), "domain": bytes_of(c.domain), "algorithm_text": bytes_of(c.algorithm_text),
        "algorithm": (a.hash, bool(a.is_sess), a.aka_version) if a.is_known else None,
        "qop": c.qop, "stale": bool(c.stale), "is_proxy": bool(c.is_proxy),
    }


def parse_challenges(bytes value not None):
    """Every challenge of a header value as a dict; algorithm is (hash, is_sess, aka_version), None if unknown."""
    cdef char* copy = exact_copy(value)
    cdef span_t rest = span_of(copy, <uint32_t> len(value))
    cdef challenge_t c
    found = []
    try:
        while challenge_next(&rest, &c):
            found.append(dict_of(&c))
    finally:
        free(copy)
    return found


def choose_challenge(list values not None, *, bint has_aka_key=False, bint is_proxy=False):
    """The chosen challenge as a dict, or the negative DigestError."""
    cdef span_t[8] spans
    cdef challenge_t c
    cdef DigestError error
    cdef uint32_t i
    cdef bytes value
    if len(values) > 8:
        raise ValueError("at most 8 values")
    for i, value in enumerate(values):
        spans[i] = span_of(value, <uint32_t> len(value))
    error = challenge_choose(spans, <uint32_t> len(values), has_aka_key, is_proxy, &c)
    return <int> error if error != DIGEST_OK else dict_of(&c)


def parse_authorization(bytes value not None):
    """The parameters of an Authorization value as a dict; None where the scheme is not Digest."""
    cdef char* copy = exact_copy(value)
    cdef authorization_t a
    try:
        if not authorization_parse(span_of(copy, <uint32_t> len(value)), &a):
            return None
        return {
            "username": bytes_of(a.username), "realm": bytes_of(a.realm), "nonce": bytes_of(a.nonce),
            "uri": bytes_of(a.uri), "response": bytes_of(a.response), "cnonce": bytes_of(a.cnonce),
            "nc": bytes_of(a.nc), "qop": bytes_of(a.qop), "algorithm_text": bytes_of(a.algorithm_text),
            "is_userhash": bool(a.is_userhash),
        }
    finally:
        free(copy)
