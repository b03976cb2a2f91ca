# sippx/_core/stream.pyx: framing of SIP messages on byte streams, and its Python test surface.
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int8_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from sippx._core.bits cimport BYTES_READABLE_PAST_END, ctz64, load64, newline_mask64, unlikely
from sippx._core.message cimport MSG_LEN_CAP, bytes_equal_nocase, is_blank

cdef extern from "<string.h>" nogil:
    void* memmem(const void* haystack, size_t n, const void* needle, size_t m)

cdef extern from *:
    """
    #define SIPPX_STREAM_WORD(a,b,c,d,e,f,g,h) ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | \
        (uint64_t)(d) << 24 | (uint64_t)(e) << 32 | (uint64_t)(f) << 40 | (uint64_t)(g) << 48 | (uint64_t)(h) << 56)
    #define SIPPX_STREAM_SIP20_BLANK SIPPX_STREAM_WORD('S','I','P','/','2','.','0',' ')
    #define SIPPX_STREAM_BLANK_SIP20 SIPPX_STREAM_WORD(' ','S','I','P','/','2','.','0')
    """
    uint64_t W_SIP20_BLANK "SIPPX_STREAM_SIP20_BLANK"
    uint64_t W_BLANK_SIP20 "SIPPX_STREAM_BLANK_SIP20"

cdef const char* ERROR_TEXTS[1 - STREAM_E_LAST]
ERROR_TEXTS[0] = "no error"
ERROR_TEXTS[1] = "what arrived is not SIP"
ERROR_TEXTS[2] = "Content-Length is not a number, or there are two that differ"
ERROR_TEXTS[3] = "the header section is too long"
ERROR_TEXTS[4] = "the message is too long"


cdef const char* stream_error_text(int error) noexcept nogil:
    if not STREAM_E_LAST <= error <= 0:
        return "unknown error"
    return ERROR_TEXTS[-error]


cdef int between_messages(stream_t* s, const char* data, uint32_t n, uint32_t* len) noexcept nogil:
    """What is not the first character of a start line."""
    if data[0] == c'\r':
        if n < 2:
            return STREAM_MORE
        if data[1] != c'\n':
            return STREAM_E_NOT_SIP
        len[0] = 2
        s.is_after_crlf = not s.is_after_crlf
        return STREAM_PONG if s.is_after_crlf else STREAM_PING
    if data[0] != c'\n':
        return STREAM_E_NOT_SIP
    s.is_after_crlf = False
    len[0] = 1
    return STREAM_BLANK


cdef bint is_start_line(const char* p, uint32_t n) noexcept nogil:
    """Whether n bytes without their LF name SIP as their protocol; what version it is, is the parser's affair."""
    if n > 0 and p[n - 1] == c'\r':
        n -= 1
    if n < 8:
        return False
    if load64(p) == W_SIP20_BLANK or load64(p + n - 8) == W_BLANK_SIP20:
        return True
    return bytes_equal_nocase(p, "SIP/", 4) or memmem(p, n, b" SIP/", 5) != NULL


cdef uint32_t length_value_off(const char* p, uint32_t n) noexcept nogil:
    """Offset of the value in a line of n bytes that is a Content-Length, 0 where it is another field."""
    cdef uint32_t i
    if n > 14 and bytes_equal_nocase(p, "content-length", 14):
        i = 14
    elif n > 1 and p[0] | 32 == c'l':
        i = 1
    else:
        return 0
    while i < n and (p[i] == c' ' or p[i] == c'\t'):
        i += 1
    return i + 1 if i < n and p[i] == c':' else 0


cdef int take_length(stream_t* s, const char* data, uint32_t end) noexcept nogil:
    """Reads the Content-Length between value_off and end, the start of the next field."""
    cdef uint32_t p = s.value_off, n_digits = 0, value = 0
    s.value_off = 0
    while p < end and is_blank(data[p]):
        p += 1
    while p < end and <uint8_t> (data[p] - 48) < 10:
        if value <= MSG_LEN_CAP:
            value = value * 10 + <uint8_t> (data[p] - 48)
        p += 1
        n_digits += 1
    while p < end and is_blank(data[p]):
        p += 1
    if value > MSG_LEN_CAP:
        value = MSG_LEN_CAP + 1
    if p < end or n_digits == 0 or (s.body_bytes_plus_1 and s.body_bytes_plus_1 != value + 1):
        return STREAM_E_CONTENT_LENGTH
    s.body_bytes_plus_1 = value + 1
    return STREAM_MORE


cdef int special_line(stream_t* s, const char* data, uint32_t start, uint32_t nl) noexcept nogil:
    """A line that may be the first, the last, a fold, a Content-Length, or the end of one."""
    cdef char c = data[start]
    cdef int status
    if start == 0:
        return STREAM_MORE if nl < STREAM_START_LINE_CAP and is_start_line(data, nl) else STREAM_E_NOT_SIP
    if c == c' ' or c == c'\t':
        return STREAM_MORE
    if s.value_off:
        status = take_length(s, data, start)
        if status != STREAM_MORE:
            return status
    if nl == start or (c == c'\r' and nl == start + 1):
        s.message_bytes = nl + 1 + (s.body_bytes_plus_1 - 1 if s.body_bytes_plus_1 else 0)
        return STREAM_MESSAGE if s.message_bytes <= MSG_LEN_CAP else STREAM_E_TOO_LONG
    s.value_off = length_value_off(data + start, nl - start)
    if s.value_off:
        s.value_off += start
    return STREAM_MORE


cdef inline bint may_be_length(const char* p, uint8_t lowered) noexcept nogil:
    """Told by the first character, and the one behind `Content-`: most fields begin with a C."""
    return (lowered == c'c' and p[8] | 32 == c'l') or lowered == c'l'


cdef int scan_headers(stream_t* s, const char* data, uint32_t n) noexcept nogil:
    """STREAM_MESSAGE once message_bytes is known; line ends are found 64 bytes at a time."""
    cdef uint32_t end = n if n < STREAM_HEADERS_CAP else STREAM_HEADERS_CAP
    cdef uint32_t block = s.scanned, start = s.line_off, nl
    cdef uint64_t mask
    cdef uint8_t c
    cdef int status
    while block < end:
        mask = newline_mask64(data + block)
        if unlikely(end - block < 64):
            mask &= (1ULL << (end - block)) - 1
        while mask != 0:
            nl = block + ctz64(mask)
            mask &= mask - 1
            c = <uint8_t> data[start]
            if unlikely(c <= 32 or s.value_off or start == 0) or may_be_length(data + start, c | 32):
                status = special_line(s, data, start, nl)
                if status != STREAM_MORE:
                    return status
            start = nl + 1
        block += 64
    s.scanned = end
    s.line_off = start
    if start == 0 and end >= STREAM_START_LINE_CAP:
        return STREAM_E_NOT_SIP
    return STREAM_E_HEADERS if end == STREAM_HEADERS_CAP else STREAM_MORE


cdef int stream_next(stream_t* s, const char* data, uint32_t n, uint32_t* len) noexcept nogil:
    cdef int status
    len[0] = 0
    if unlikely(s.error != 0):
        return s.error
    if n == 0:
        return STREAM_MORE
    if s.message_bytes == 0:
        if unlikely(s.scanned == 0 and not 32 < <uint8_t> data[0] < 127):
            status = between_messages(s, data, n, len)
        else:
            status = scan_headers(s, data, n)
        if status != STREAM_MESSAGE:
            if status < 0:
                s.error = <int8_t> status
            return status
    len[0] = s.message_bytes
    if n < s.message_bytes:
        return STREAM_MORE
    memset(s, 0, sizeof(stream_t))
    return STREAM_MESSAGE

# --------------------------------------------------------------------------- test surface


RESULT_NAMES = {
    STREAM_MESSAGE: "message", STREAM_PONG: "pong", STREAM_PING: "ping", STREAM_BLANK: "blank",
    STREAM_E_NOT_SIP: "not_sip", STREAM_E_CONTENT_LENGTH: "content_length", STREAM_E_HEADERS: "headers",
    STREAM_E_TOO_LONG: "too_long",
}


cdef class Framer:
    """A stream and the bytes of it that are not consumed yet."""
    cdef stream_t s
    cdef bytes _data
    cdef readonly int needed
    cdef bint _forgets

    def __cinit__(self, *, bint forgets=False):
        """forgets: bytes that must not be looked at again are overwritten after each feed."""
        self._data = b""
        self._forgets = forgets

    def feed(self, bytes data not None):
        """(name of the result, its bytes) of all that is complete now; an error is the last and comes once a feed."""
        cdef bytes held = self._data + data
        cdef bytes padded = held + bytes(BYTES_READABLE_PAST_END)
        cdef uint32_t at = 0, n = <uint32_t> len(held), item_len = 0
        cdef int result
        items = []
        while True:
            result = stream_next(&self.s, PyBytes_AS_STRING(padded) + at, n - at, &item_len)
            if result == STREAM_MORE:
                break
            items.append((RESULT_NAMES[result], held[at:at + item_len]))
            at += item_len
            if result < 0:
                break
        self.needed = <int> item_len
        self._data = held[at:]
        if self._forgets:
            settled = min(self.settled, len(self._data))
            self._data = b"\x00" * settled + self._data[settled:]
        return items

    @property
    def settled(self):
        """How many of the bytes kept are never looked at again."""
        if self.s.message_bytes:
            return self.s.message_bytes
        return min(self.s.line_off, self.s.value_off) if self.s.value_off else self.s.line_off

    @property
    def state_bytes(self):
        return sizeof(stream_t)


def error_texts():
    """What each error means, from STREAM_MORE on."""
    return [stream_error_text(-i).decode() for i in range(2 - STREAM_E_LAST)]


def bench_frames(bytes data not None, int repeat, *, int read_bytes=0):
    """Frames data `repeat` times without the GIL, read_bytes more at each step (0: all at once); messages found."""
    cdef bytes padded = data + bytes(BYTES_READABLE_PAST_END)
    cdef const char* p = PyBytes_AS_STRING(padded)
    cdef uint32_t n = <uint32_t> len(data), step = <uint32_t> read_bytes if read_bytes > 0 else n
    cdef uint32_t at, end, item_len
    cdef uint64_t n_messages = 0
    cdef stream_t s
    cdef int result, _i
    with nogil:
        for _i in range(repeat):
            memset(&s, 0, sizeof(s))
            at = 0
            end = 0
            while end < n:
                end = end + step if n - end > step else n
                while True:
                    result = stream_next(&s, p + at, end - at, &item_len)
                    if result <= 0:
                        break
                    at += item_len
                    n_messages += result == STREAM_MESSAGE
    return n_messages
