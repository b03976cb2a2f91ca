# sippx/_core/upgrade.pyx: the opening handshake of WebSocket connections, and its Python test surface.
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy, memset, strlen

from sippx._core.hash cimport random_u64
from sippx._core.libcrypto cimport SHA1_BYTES, libcrypto_load, sha1
from sippx._core.message cimport bytes_equal_nocase
from sippx._core.span cimport span_of, span_t

cdef const char* BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
cdef const char* GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

cdef enum:
    GUID_BYTES = 36

cdef const char* ERROR_TEXTS[1 - UPGRADE_E_LAST]
ERROR_TEXTS[0] = "no error"
ERROR_TEXTS[1] = "what arrived is not HTTP/1.1"
ERROR_TEXTS[2] = "the WebSocket handshake is too long"
ERROR_TEXTS[3] = "the request's method is not GET"
ERROR_TEXTS[4] = "no upgrade to websocket"
ERROR_TEXTS[5] = "Sec-WebSocket-Version is not 13"
ERROR_TEXTS[6] = "Sec-WebSocket-Key is not 16 bytes in base64"
ERROR_TEXTS[7] = "the WebSocket subprotocol is not sip"
ERROR_TEXTS[8] = "the server refused the WebSocket handshake"
ERROR_TEXTS[9] = "Sec-WebSocket-Accept does not match the key"
ERROR_TEXTS[10] = "the server chose a WebSocket extension"
ERROR_TEXTS[11] = "libcrypto does not offer SHA-1"

# What a server answers to a refused request: status line and header fields of its own.
cdef const char* REFUSALS[1 - UPGRADE_E_LAST]
REFUSALS[0] = "408 Request Timeout\r\n"
REFUSALS[1] = "400 Bad Request\r\n"
REFUSALS[2] = "431 Request Header Fields Too Large\r\n"
REFUSALS[3] = "405 Method Not Allowed\r\nAllow: GET\r\n"
REFUSALS[4] = "426 Upgrade Required\r\nUpgrade: websocket\r\n"
REFUSALS[5] = "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
REFUSALS[6] = "400 Bad Request\r\n"
REFUSALS[7] = "400 Bad Request\r\n"
REFUSALS[8] = "500 Internal Server Error\r\n"
REFUSALS[9] = "500 Internal Server Error\r\n"
REFUSALS[10] = "500 Internal Server Error\r\n"
REFUSALS[11] = "500 Internal Server Error\r\n"

# What the header fields of a request or response say.
cdef struct head_t:
    span_t start_line
    span_t key                   # the last Sec-WebSocket-Key
    span_t accept                # the last Sec-WebSocket-Accept
    uint32_t n_keys
    uint32_t n_accepts
    uint32_t n_hosts
    uint32_t n_versions
    uint32_t n_subprotocols      # named in all such fields
    bint is_upgrade              # `Upgrade` names websocket
    bint is_connection           # `Connection` names Upgrade
    bint is_version_13
    bint is_sip                  # "sip" is among the subprotocols
    bint is_extended


cdef str upgrade_init():
    return libcrypto_load()


cdef const char* upgrade_error_text(int error) noexcept nogil:
    if not UPGRADE_E_LAST <= error <= 0:
        return "unknown error"
    return ERROR_TEXTS[-error]

# --------------------------------------------------------------------------- key and accept

cdef void put_base64(const uint8_t* data, uint32_t n, char* out) noexcept nogil:
    cdef uint32_t i, bits
    for i in range(0, n, 3):
        bits = data[i] << 16
        if i + 1 < n:
            bits |= data[i + 1] << 8
        if i + 2 < n:
            bits |= data[i + 2]
        out[0] = BASE64[bits >> 18]
        out[1] = BASE64[bits >> 12 & 63]
        out[2] = BASE64[bits >> 6 & 63] if i + 1 < n else c'='
        out[3] = BASE64[bits & 63] if i + 2 < n else c'='
        out += 4


cdef bint is_key(span_t s) noexcept nogil:
    """Whether s is base64 of 16 bytes."""
    cdef uint32_t i
    if s.len != UPGRADE_KEY_BYTES or s.ptr[22] != c'=' or s.ptr[23] != c'=':
        return False
    for i in range(22):
        if memchr(BASE64, s.ptr[i], 64) == NULL:
            return False
    return True


cdef bint make_accept(const char* key, char* accept) noexcept nogil:
    """RFC 6455 4.2.2: base64 of the SHA-1 of the key's text and a fixed one."""
    cdef char[UPGRADE_KEY_BYTES + GUID_BYTES] text
    cdef uint8_t[SHA1_BYTES] hash
    memcpy(text, key, UPGRADE_KEY_BYTES)
    memcpy(text + UPGRADE_KEY_BYTES, GUID, GUID_BYTES)
    if not sha1(text, UPGRADE_KEY_BYTES + GUID_BYTES, hash):
        return False
    put_base64(hash, SHA1_BYTES, accept)
    return True

# --------------------------------------------------------------------------- reading

cdef int find_head(upgrade_t* u, const char* data, uint32_t n, uint32_t* len) noexcept nogil:
    """UPGRADE_OPEN once the empty line is there; len: all up to it."""
    cdef uint32_t end = n if n < UPGRADE_HEAD_CAP else UPGRADE_HEAD_CAP
    cdef uint32_t nl, start
    cdef const char* p
    len[0] = 0
    # bytes of another protocol need not be followed by a line end
    if n > 0 and not 32 < <uint8_t> data[0] < 127:
        return UPGRADE_E_HTTP
    while u.scanned < end:
        p = <const char*> memchr(data + u.scanned, c'\n', end - u.scanned)
        if p == NULL:
            u.scanned = end
            break
        nl = <uint32_t> (p - data)
        start = u.line_off
        if nl == start or (nl == start + 1 and data[start] == c'\r'):
            len[0] = nl + 1
            return UPGRADE_OPEN
        u.line_off = nl + 1
        u.scanned = nl + 1
    return UPGRADE_E_TOO_LONG if end == UPGRADE_HEAD_CAP else UPGRADE_MORE


cdef span_t trimmed(const char* p, const char* end) noexcept nogil:
    while p < end and (p[0] == c' ' or p[0] == c'\t'):
        p += 1
    while p < end and ((end - 1)[0] == c' ' or (end - 1)[0] == c'\t' or (end - 1)[0] == c'\r'):
        end -= 1
    return span_of(p, <uint32_t> (end - p))


cdef bint span_is(span_t s, const char* text) noexcept nogil:
    return s.len == strlen(text) and bytes_equal_nocase(s.ptr, text, s.len)


cdef bint names(span_t value, const char* token) noexcept nogil:
    """Whether a comma-separated list has that element, in any case."""
    cdef const char* p = value.ptr
    cdef const char* end = value.ptr + value.len
    cdef const char* comma
    while p < end:
        comma = <const char*> memchr(p, c',', end - p)
        if comma == NULL:
            comma = end
        if span_is(trimmed(p, comma), token):
            return True
        p = comma + 1
    return False


cdef void take_subprotocols(head_t* h, span_t value) noexcept nogil:
    """Subprotocols are told apart by case (RFC 6455 11.3.4 compares them as they are)."""
    cdef const char* p = value.ptr
    cdef const char* end = value.ptr + value.len
    cdef const char* comma
    cdef span_t name
    while p < end:
        comma = <const char*> memchr(p, c',', end - p)
        if comma == NULL:
            comma = end
        name = trimmed(p, comma)
        h.n_subprotocols += 1
        if name.len == 3 and memcmp(name.ptr, b"sip", 3) == 0:
            h.is_sip = True
        p = comma + 1


cdef void take_field(head_t* h, span_t name, span_t value) noexcept nogil:
    if span_is(name, "host"):
        h.n_hosts += 1
    elif span_is(name, "upgrade"):
        h.is_upgrade = h.is_upgrade or names(value, "websocket")
    elif span_is(name, "connection"):
        h.is_connection = h.is_connection or names(value, "upgrade")
    elif span_is(name, "sec-websocket-key"):
        h.key = value
        h.n_keys += 1
    elif span_is(name, "sec-websocket-accept"):
        h.accept = value
        h.n_accepts += 1
    elif span_is(name, "sec-websocket-version"):
        h.is_version_13 = span_is(value, "13")
        h.n_versions += 1
    elif span_is(name, "sec-websocket-protocol"):
        take_subprotocols(h, value)
    elif span_is(name, "sec-websocket-extensions"):
        h.is_extended = h.is_extended or value.len > 0


cdef bint read_head(head_t* h, const char* data, uint32_t len) noexcept nogil:
    """Reads a head that ends in an empty line; False: a line is no header field. Folds are refused (RFC 7230 3.2.4)."""
    cdef const char* p = data
    cdef const char* end = data + len
    cdef const char* nl
    cdef const char* colon
    cdef span_t line
    memset(h, 0, sizeof(head_t))
    while p < end:
        nl = <const char*> memchr(p, c'\n', end - p)
        line = trimmed(p, nl)
        if p == data:
            h.start_line = line
        elif nl + 1 < end:
            colon = <const char*> memchr(p, c':', nl - p)
            if line.ptr != p or colon == NULL or colon == p or (colon - 1)[0] == c' ' or (colon - 1)[0] == c'\t':
                return False
            take_field(h, span_of(p, <uint32_t> (colon - p)), trimmed(colon + 1, nl))
        p = nl + 1
    return True


cdef int check_request_line(span_t line) noexcept nogil:
    cdef const char* method_end
    cdef const char* target_end
    cdef const char* end = line.ptr + line.len
    method_end = <const char*> memchr(line.ptr, c' ', line.len)
    if method_end == NULL or method_end == line.ptr:
        return UPGRADE_E_HTTP
    target_end = <const char*> memchr(method_end + 1, c' ', end - method_end - 1)
    if target_end == NULL or target_end == method_end + 1:
        return UPGRADE_E_HTTP
    if end - target_end != 9 or memcmp(target_end, b" HTTP/1.1", 9) != 0:
        return UPGRADE_E_HTTP
    if method_end - line.ptr != 3 or memcmp(line.ptr, b"GET", 3) != 0:
        return UPGRADE_E_METHOD
    return UPGRADE_OPEN


cdef uint16_t status_of(span_t line) noexcept nogil:
    """The code of an HTTP/1.1 status line, 0 where it is none."""
    cdef const char* p = line.ptr + 9
    cdef uint32_t i, code = 0
    if line.len < 12 or memcmp(line.ptr, b"HTTP/1.1 ", 9) != 0 or (line.len > 12 and p[3] != c' '):
        return 0
    for i in range(3):
        if not <uint8_t> (p[i] - 48) < 10:
            return 0
        code = code * 10 + <uint8_t> (p[i] - 48)
    return <uint16_t> code


cdef int upgrade_read_request(upgrade_t* u, const char* data, uint32_t n, uint32_t* len) noexcept nogil:
    cdef head_t h
    cdef int result = find_head(u, data, n, len)
    if result != UPGRADE_OPEN:
        return result
    if not read_head(&h, data, len[0]):
        return UPGRADE_E_HTTP
    result = check_request_line(h.start_line)
    if result != UPGRADE_OPEN:
        return result
    if h.n_hosts != 1:
        return UPGRADE_E_HTTP
    if not h.is_upgrade or not h.is_connection:
        return UPGRADE_E_NOT_ASKED
    if h.n_versions != 1 or not h.is_version_13:
        return UPGRADE_E_VERSION
    if h.n_keys != 1 or not is_key(h.key):
        return UPGRADE_E_KEY
    if not h.is_sip:
        return UPGRADE_E_SUBPROTOCOL
    return UPGRADE_OPEN if make_accept(h.key.ptr, u.accept) else UPGRADE_E_CRYPTO


cdef int upgrade_read_response(upgrade_t* u, const char* data, uint32_t n, uint32_t* len) noexcept nogil:
    cdef head_t h
    cdef int result = find_head(u, data, n, len)
    if result != UPGRADE_OPEN:
        return result
    if not read_head(&h, data, len[0]):
        return UPGRADE_E_HTTP
    u.status_code = status_of(h.start_line)
    if u.status_code != 101:
        return UPGRADE_E_STATUS if u.status_code else UPGRADE_E_HTTP
    if not h.is_upgrade or not h.is_connection:
        return UPGRADE_E_NOT_ASKED
    if h.n_accepts != 1 or h.accept.len != UPGRADE_ACCEPT_BYTES or memcmp(h.accept.ptr, u.accept, h.accept.len) != 0:
        return UPGRADE_E_ACCEPT
    if h.is_extended:
        return UPGRADE_E_EXTENSION
    return UPGRADE_OPEN if h.is_sip and h.n_subprotocols == 1 else UPGRADE_E_SUBPROTOCOL

# --------------------------------------------------------------------------- writing

# A head being written; is_full: something did not fit.
cdef struct writer_t:
    char* p
    char* end
    bint is_full


cdef void put_span(writer_t* w, span_t s) noexcept nogil:
    if <uint64_t> (w.end - w.p) < s.len:
        w.is_full = True
    elif s.len:
        memcpy(w.p, s.ptr, s.len)
        w.p += s.len


cdef void put(writer_t* w, const char* text) noexcept nogil:
    put_span(w, span_of(text, <uint32_t> strlen(text)))


cdef uint32_t upgrade_put_request(upgrade_t* u, span_t host, span_t path, uint64_t* random_state, char* out,
                                  uint32_t cap) noexcept nogil:
    cdef writer_t w
    cdef uint64_t[2] random
    cdef char[UPGRADE_KEY_BYTES] key
    memset(u, 0, sizeof(upgrade_t))
    random[0] = random_u64(random_state)
    random[1] = random_u64(random_state)
    put_base64(<const uint8_t*> random, sizeof(random), key)
    if not make_accept(key, u.accept):
        return 0
    w.p = out
    w.end = out + cap
    w.is_full = False
    put(&w, "GET ")
    put_span(&w, path)
    put(&w, " HTTP/1.1\r\nHost: ")
    put_span(&w, host)
    put(&w, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ")
    put_span(&w, span_of(key, UPGRADE_KEY_BYTES))
    put(&w, "\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n")
    return 0 if w.is_full else <uint32_t> (w.p - out)


cdef uint32_t upgrade_put_answer(const upgrade_t* u, int result, char* out) noexcept nogil:
    cdef writer_t w
    w.p = out
    w.end = out + UPGRADE_ANSWER_CAP
    w.is_full = False
    put(&w, "HTTP/1.1 ")
    if result == UPGRADE_OPEN:
        put(&w, "101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
        put_span(&w, span_of(u.accept, UPGRADE_ACCEPT_BYTES))
        put(&w, "\r\nSec-WebSocket-Protocol: sip\r\n\r\n")
    else:
        put(&w, REFUSALS[-result] if UPGRADE_E_LAST <= result <= 0 else REFUSALS[-UPGRADE_E_CRYPTO])
        put(&w, "Connection: close\r\nContent-Length: 0\r\n\r\n")
    return <uint32_t> (w.p - out)

# --------------------------------------------------------------------------- test surface

RESULT_NAMES = {
    UPGRADE_MORE: "more", UPGRADE_OPEN: "open", UPGRADE_E_HTTP: "http", UPGRADE_E_TOO_LONG: "too_long",
    UPGRADE_E_METHOD: "method", UPGRADE_E_NOT_ASKED: "not_asked", UPGRADE_E_VERSION: "version",
    UPGRADE_E_KEY: "key", UPGRADE_E_SUBPROTOCOL: "subprotocol", UPGRADE_E_STATUS: "status",
    UPGRADE_E_ACCEPT: "accept", UPGRADE_E_EXTENSION: "extension", UPGRADE_E_CRYPTO: "crypto",
}


cdef class Handshake:
    """One side of a handshake and the bytes that have arrived for it."""
    cdef upgrade_t u
    cdef bint _is_client
    cdef int _result
    cdef bytes _data
    cdef readonly bytes rest

    def __cinit__(self, *, bint is_client=False):
        self._is_client = is_client
        self._data = b""
        error = upgrade_init()
        if error is not None:
            raise RuntimeError(error)

    def request(self, bytes host not None, bytes path not None=b"/", *, uint64_t seed=1, uint32_t cap=1024):
        """The client's request, None where it does not fit."""
        cdef char* out = <char*> malloc(cap + 1)
        cdef uint64_t random_state = seed
        if out == NULL:
            raise MemoryError
        try:
            n = upgrade_put_request(&self.u, span_of(host, <uint32_t> len(host)), span_of(path, <uint32_t> len(path)),
                                    &random_state, out, cap)
            return out[:n] if n else None
        finally:
            free(out)

    def feed(self, bytes data not None):
        """Name of the result; once it is not "more", `rest` is what lies behind the other side's head."""
        cdef uint32_t head_len = 0
        cdef char* p
        self._data += data
        n = len(self._data)
        # a copy of exactly its size, so that a read beyond the end is one beyond an allocation
        p = <char*> malloc(n + 1)
        if p == NULL:
            raise MemoryError
        memcpy(p + 1, PyBytes_AS_STRING(self._data), n)
        if self._is_client:
            self._result = upgrade_read_response(&self.u, p + 1, <uint32_t> n, &head_len)
        else:
            self._result = upgrade_read_request(&self.u, p + 1, <uint32_t> n, &head_len)
        free(p)
        self.rest = self._data[head_len:]
        return RESULT_NAMES[self._result]

    def answer(self):
        """What the server sends to the request."""
        cdef char[UPGRADE_ANSWER_CAP] out
        return out[:upgrade_put_answer(&self.u, self._result, out)]

    @property
    def status_code(self):
        return self.u.status_code


def accept_of(bytes key not None):
    """Sec-WebSocket-Accept of a key of 24 bytes."""
    cdef char[UPGRADE_ACCEPT_BYTES] out
    error = upgrade_init()
    if error is not None:
        raise RuntimeError(error)
    if len(key) != UPGRADE_KEY_BYTES or not make_accept(key, out):
        raise ValueError(key)
    return out[:UPGRADE_ACCEPT_BYTES]


def error_texts():
    """What each error means, from UPGRADE_MORE on."""
    return [upgrade_error_text(-i).decode() for i in range(2 - UPGRADE_E_LAST)]
