# sippx/_core/websocket.pyx: WebSocket frames in and out, and their Python test surface.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int8_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset

from sippx._core.bits cimport BYTES_READABLE_PAST_END, load64, unlikely
from sippx._core.hash cimport random_u64
from sippx._core.message cimport MSG_LEN_CAP
from sippx._core.span cimport span_of, span_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* dst[i] = src[i] ^ key[i & 3], 8 bytes at a time; dst may lie before src in the same buffer, or be src. */
    static inline void sippx_unmask(char *dst, const char *src, uint32_t n, uint32_t key) {
        const uint64_t wide = (uint64_t)key | (uint64_t)key << 32;
        uint64_t v;
        for (; n >= 8; n -= 8, dst += 8, src += 8) {
            memcpy(&v, src, 8);
            v ^= wide;
            memcpy(dst, &v, 8);
        }
        if (n) {
            v = 0;
            memcpy(&v, src, n);
            v ^= wide;
            memcpy(dst, &v, n);
        }
    }
    /* The same in place; without a second pointer the compiler takes whole vectors. */
    static inline void sippx_unmask_in_place(char *p, uint32_t n, uint32_t key) {
        const uint64_t wide = (uint64_t)key | (uint64_t)key << 32;
        const uint32_t n_words = n / 8;
        uint64_t v;
        for (uint32_t i = 0; i < n_words; i++) {
            memcpy(&v, p + 8 * i, 8);
            v ^= wide;
            memcpy(p + 8 * i, &v, 8);
        }
        sippx_unmask(p + 8 * n_words, p + 8 * n_words, n & 7, key);
    }
    #define SIPPX_NOT_ASCII 0x8080808080808080ULL
    """
    uint64_t NOT_ASCII "SIPPX_NOT_ASCII"
    void unmask "sippx_unmask"(char* dst, const char* src, uint32_t n, uint32_t key) noexcept nogil
    void unmask_in_place "sippx_unmask_in_place"(char* p, uint32_t n, uint32_t key) noexcept nogil

cdef enum:
    FIN = 0x80
    RESERVED = 0x70
    MASKED = 0x80
    HEADER_DONE = 1

cdef const char* ERROR_TEXTS[1 - WEBSOCKET_E_LAST]
ERROR_TEXTS[0] = "no error"
ERROR_TEXTS[1] = "a reserved bit of a WebSocket frame is set"
ERROR_TEXTS[2] = "a WebSocket frame's opcode is not known"
ERROR_TEXTS[3] = "a client's WebSocket frame has no mask, or a server's has one"
ERROR_TEXTS[4] = "a WebSocket control frame is too long or in fragments"
ERROR_TEXTS[5] = "a WebSocket frame's length is not in its shortest form"
ERROR_TEXTS[6] = "a WebSocket fragment is out of place"
ERROR_TEXTS[7] = "a WebSocket close frame has no valid code"
ERROR_TEXTS[8] = "a WebSocket text is not UTF-8"
ERROR_TEXTS[9] = "the WebSocket message is too long"

# A frame's header, read.
cdef struct frame_t:
    uint32_t header_bytes
    uint32_t payload_bytes
    uint32_t key                 # in memory order, 0: not masked
    uint8_t opcode
    bint is_final


cdef const char* websocket_error_text(int error) noexcept nogil:
    if not WEBSOCKET_E_LAST <= error <= 0:
        return "unknown error"
    return ERROR_TEXTS[-error]


cdef uint16_t websocket_close_code(int error) noexcept nogil:
    if error == WEBSOCKET_E_UTF8:
        return 1007
    return 1009 if error == WEBSOCKET_E_TOO_LONG else 1002

# --------------------------------------------------------------------------- checks

cdef uint32_t utf8_sequence(const uint8_t* p, uint32_t n) noexcept nogil:
    """Bytes of the character that begins at p, 0 where it is none (RFC 3629 4)."""
    cdef uint8_t lead = p[0], low = 0x80, high = 0xBF
    cdef uint32_t i, n_bytes
    if lead < 0x80:
        return 1
    if 0xC2 <= lead <= 0xDF:
        n_bytes = 2
    elif 0xE0 <= lead <= 0xEF:
        n_bytes = 3
        if lead == 0xE0:
            low = 0xA0
        elif lead == 0xED:
            high = 0x9F
    elif 0xF0 <= lead <= 0xF4:
        n_bytes = 4
        if lead == 0xF0:
            low = 0x90
        elif lead == 0xF4:
            high = 0x8F
    else:
        return 0
    if n < n_bytes or not low <= p[1] <= high:
        return 0
    for i in range(2, n_bytes):
        if not 0x80 <= p[i] <= 0xBF:
            return 0
    return n_bytes


cdef bint is_utf8(const char* p, uint32_t n) noexcept nogil:
    cdef uint32_t i = 0, n_bytes
    while i < n:
        # SIP is nearly all ASCII
        while n - i >= 32 and ((load64(p + i) | load64(p + i + 8) | load64(p + i + 16) | load64(p + i + 24))
                               & NOT_ASCII) == 0:
            i += 32
        while n - i >= 8 and load64(p + i) & NOT_ASCII == 0:
            i += 8
        if i < n:
            n_bytes = utf8_sequence(<const uint8_t*> p + i, n - i)
            if n_bytes == 0:
                return False
            i += n_bytes
    return True


cdef bint is_close_code(uint32_t code) noexcept nogil:
    """Whether a close frame may carry it: RFC 6455 7.4 and the codes registered since."""
    return (1000 <= code <= 1003) or (1007 <= code <= 1014) or (3000 <= code <= 4999)

# --------------------------------------------------------------------------- frames in

cdef inline int take_length(const uint8_t* p, uint32_t n, frame_t* f) noexcept nogil:
    """The length in one, three or nine bytes; HEADER_DONE where it is complete and small enough to be looked at."""
    cdef uint32_t i
    cdef uint64_t long_length = 0
    f.payload_bytes = p[1] & 127
    if f.payload_bytes < 126:
        return HEADER_DONE
    if f.payload_bytes == 126:
        f.header_bytes += 2
        if n < 4:
            return WEBSOCKET_MORE
        f.payload_bytes = p[2] << 8 | p[3]
        return HEADER_DONE if f.payload_bytes >= 126 else WEBSOCKET_E_LENGTH
    if n < 10:
        return WEBSOCKET_MORE
    for i in range(2, 10):
        long_length = long_length << 8 | p[i]
    return WEBSOCKET_E_LENGTH if long_length <= 0xFFFF or long_length >> 63 else WEBSOCKET_E_TOO_LONG


cdef int read_header(const websocket_t* w, const char* data, uint32_t n, frame_t* f) noexcept nogil:
    """HEADER_DONE, WEBSOCKET_MORE, or what is wrong with the frame."""
    cdef const uint8_t* p = <const uint8_t*> data
    cdef bint is_masked
    cdef int status
    if n < 2:
        return WEBSOCKET_MORE
    is_masked = p[1] & MASKED != 0
    f.opcode = p[0] & 15
    f.is_final = p[0] & FIN != 0
    if unlikely(p[0] & RESERVED):
        return WEBSOCKET_E_RESERVED
    if unlikely(f.opcode > OPCODE_PONG or OPCODE_BINARY < f.opcode < OPCODE_CLOSE):
        return WEBSOCKET_E_OPCODE
    if unlikely(is_masked == (w.is_client != 0)):
        return WEBSOCKET_E_MASK
    if f.opcode >= OPCODE_CLOSE:
        if not f.is_final or p[1] & 127 > WEBSOCKET_CONTROL_CAP:
            return WEBSOCKET_E_CONTROL
    elif unlikely((f.opcode == OPCODE_CONTINUATION) != (w.opcode != 0)):
        return WEBSOCKET_E_CONTINUATION
    f.header_bytes = 6 if is_masked else 2
    status = take_length(p, n, f)
    if status != HEADER_DONE:
        return status
    if f.opcode < OPCODE_CLOSE and w.joined_bytes + f.payload_bytes > MSG_LEN_CAP:
        return WEBSOCKET_E_TOO_LONG
    if n < f.header_bytes:
        return WEBSOCKET_MORE
    f.key = 0
    if is_masked:
        memcpy(&f.key, data + f.header_bytes - 4, 4)
    return HEADER_DONE


cdef inline uint32_t step_over(websocket_t* w, const frame_t* f) noexcept nogil:
    """A frame is done with; what the owner may consume, which is nothing while fragments are held."""
    cdef uint32_t consumed
    w.next_off += f.header_bytes + f.payload_bytes
    if w.opcode != 0:
        return 0
    consumed = w.next_off
    w.next_off = 0
    w.joined_bytes = 0
    return consumed


cdef int take_control(websocket_t* w, char* payload, const frame_t* f, websocket_item_t* item) noexcept nogil:
    cdef const uint8_t* p = <const uint8_t*> payload
    unmask_in_place(payload, f.payload_bytes, f.key)
    item.payload = span_of(payload, f.payload_bytes)
    item.consumed = step_over(w, f)
    if f.opcode != OPCODE_CLOSE:
        return WEBSOCKET_PING if f.opcode == OPCODE_PING else WEBSOCKET_PONG
    item.close_code = WEBSOCKET_NO_CODE
    if f.payload_bytes > 0:
        if f.payload_bytes < 2 or not is_close_code(p[0] << 8 | p[1]):
            return WEBSOCKET_E_CLOSE
        item.close_code = <uint16_t> (p[0] << 8 | p[1])
        item.payload = span_of(payload + 2, f.payload_bytes - 2)
        if not is_utf8(item.payload.ptr, item.payload.len):
            return WEBSOCKET_E_UTF8
    w.is_closed = True
    return WEBSOCKET_CLOSE


cdef int take_data(websocket_t* w, char* data, char* payload, const frame_t* f, websocket_item_t* item) noexcept nogil:
    """WEBSOCKET_MORE where the frame is a fragment and not the last."""
    if w.opcode == 0 and f.is_final:
        if f.key:
            unmask_in_place(payload, f.payload_bytes, f.key)
        item.opcode = f.opcode
        item.payload = span_of(payload, f.payload_bytes)
    else:
        unmask(data + w.joined_bytes, payload, f.payload_bytes, f.key)
        w.joined_bytes += f.payload_bytes
        if w.opcode == 0:
            w.opcode = f.opcode
        if not f.is_final:
            step_over(w, f)
            return WEBSOCKET_MORE
        item.opcode = w.opcode
        item.payload = span_of(data, w.joined_bytes)
        w.opcode = 0
    item.consumed = step_over(w, f)
    if item.opcode == OPCODE_TEXT and not is_utf8(item.payload.ptr, item.payload.len):
        return WEBSOCKET_E_UTF8
    return WEBSOCKET_MESSAGE


cdef void close_gap(websocket_t* w, char* data, uint32_t* n) noexcept nogil:
    """Moves the incomplete frame up to the fragments that it continues."""
    cdef uint32_t gap = w.next_off - w.joined_bytes
    if gap:
        memmove(data + w.joined_bytes, data + w.next_off, n[0] - w.next_off)
        w.next_off = w.joined_bytes
        n[0] -= gap


cdef int websocket_next(websocket_t* w, char* data, uint32_t* n, websocket_item_t* item) noexcept nogil:
    cdef frame_t f
    cdef char* frame
    cdef uint32_t left
    cdef int status = w.error
    memset(item, 0, sizeof(websocket_item_t))
    if unlikely(w.is_closed):
        item.consumed = n[0]
        return WEBSOCKET_MORE
    while status == WEBSOCKET_MORE:
        frame = data + w.next_off
        left = n[0] - w.next_off
        status = read_header(w, frame, left, &f)
        if status == HEADER_DONE:
            if left - f.header_bytes < f.payload_bytes:
                item.needed = w.joined_bytes + f.header_bytes + f.payload_bytes
                status = WEBSOCKET_MORE
                break
            if f.opcode >= OPCODE_CLOSE:
                status = take_control(w, frame + f.header_bytes, &f, item)
            else:
                status = take_data(w, data, frame + f.header_bytes, &f, item)
        elif status == WEBSOCKET_MORE:
            break
    if status == WEBSOCKET_MORE:
        close_gap(w, data, n)
    elif status < 0:
        memset(item, 0, sizeof(websocket_item_t))
        w.error = <int8_t> status
    return status

# --------------------------------------------------------------------------- frames out

cdef uint32_t websocket_put_frame(const websocket_t* w, uint8_t opcode, span_t payload, char* out,
                                  uint64_t* random_state) noexcept nogil:
    cdef uint8_t* p = <uint8_t*> out
    cdef uint32_t key, n = 2
    if payload.len > (MSG_LEN_CAP if opcode < OPCODE_CLOSE else WEBSOCKET_CONTROL_CAP):
        return 0
    p[0] = FIN | opcode
    if payload.len < 126:
        p[1] = <uint8_t> payload.len
    else:
        p[1] = 126
        p[2] = <uint8_t> (payload.len >> 8)
        p[3] = <uint8_t> payload.len
        n = 4
    if w.is_client:
        key = <uint32_t> (random_u64(random_state) >> 32)
        p[1] |= MASKED
        memcpy(out + n, &key, 4)
        n += 4
        unmask(out + n, payload.ptr, payload.len, key)
    elif payload.len:
        memcpy(out + n, payload.ptr, payload.len)
    return n + payload.len


cdef uint32_t websocket_put_close(const websocket_t* w, uint16_t code, span_t reason, char* out,
                                  uint64_t* random_state) noexcept nogil:
    cdef char[WEBSOCKET_CONTROL_CAP] payload
    if code == WEBSOCKET_NO_CODE:
        return websocket_put_frame(w, OPCODE_CLOSE, span_of(payload, 0), out, random_state)
    if reason.len > WEBSOCKET_CONTROL_CAP - 2:
        return 0
    payload[0] = <char> (code >> 8)
    payload[1] = <char> (code & 255)
    if reason.len:
        memcpy(payload + 2, reason.ptr, reason.len)
    return websocket_put_frame(w, OPCODE_CLOSE, span_of(payload, reason.len + 2), out, random_state)

# --------------------------------------------------------------------------- test surface

RESULT_NAMES = {
    WEBSOCKET_MESSAGE: "message", WEBSOCKET_PING: "ping", WEBSOCKET_PONG: "pong", WEBSOCKET_CLOSE: "close",
    WEBSOCKET_E_RESERVED: "reserved", WEBSOCKET_E_OPCODE: "opcode", WEBSOCKET_E_MASK: "mask",
    WEBSOCKET_E_CONTROL: "control", WEBSOCKET_E_LENGTH: "length", WEBSOCKET_E_CONTINUATION: "continuation",
    WEBSOCKET_E_CLOSE: "close_code", WEBSOCKET_E_UTF8: "utf8", WEBSOCKET_E_TOO_LONG: "too_long",
}


cdef class Endpoint:
    """One side of an open connection and its receive buffer."""
    cdef websocket_t w
    cdef uint64_t _random_state
    cdef bytes _data
    cdef readonly int needed

    def __cinit__(self, *, bint is_client=False, uint64_t seed=1):
        self.w.is_client = is_client
        self._random_state = seed
        self._data = b""

    def feed(self, bytes data not None):
        """(name of the result, opcode or close code, payload) of all that is complete now; an error ends the list."""
        cdef bytes held = self._data + data
        cdef uint32_t at = 0, n = <uint32_t> len(held), left
        cdef websocket_item_t item
        cdef int result
        # of exactly the promised size, so that a read beyond it is one beyond an allocation
        cdef char* buffer = <char*> malloc(n + BYTES_READABLE_PAST_END)
        if buffer == NULL:
            raise MemoryError
        memcpy(buffer, PyBytes_AS_STRING(held), n)
        memset(buffer + n, 0xFF, BYTES_READABLE_PAST_END)
        items = []
        while True:
            left = n - at
            result = websocket_next(&self.w, buffer + at, &left, &item)
            n = at + left
            if result == WEBSOCKET_MORE:
                at += item.consumed
                break
            number = item.close_code if result == WEBSOCKET_CLOSE else item.opcode
            items.append((RESULT_NAMES[result], number, PyBytes_FromStringAndSize(item.payload.ptr, item.payload.len)))
            at += item.consumed
            if result < 0:
                break
        self.needed = <int> item.needed
        self._data = PyBytes_FromStringAndSize(buffer + at, n - at)
        free(buffer)
        return items

    def frame(self, int opcode, bytes payload not None):
        """A frame of the payload, None where it is too long."""
        return self._written(opcode, payload, -1)

    def close_frame(self, int code=WEBSOCKET_NO_CODE, bytes reason not None=b""):
        """A close frame, None where the reason is too long."""
        return self._written(OPCODE_CLOSE, reason, code)

    cdef object _written(self, int opcode, bytes payload, int close_code):
        cdef span_t s = span_of(PyBytes_AS_STRING(payload), <uint32_t> len(payload))
        cdef char* out = <char*> malloc(s.len + 2 + WEBSOCKET_HEADER_CAP)
        cdef uint32_t n
        if out == NULL:
            raise MemoryError
        if close_code < 0:
            n = websocket_put_frame(&self.w, <uint8_t> opcode, s, out, &self._random_state)
        else:
            n = websocket_put_close(&self.w, <uint16_t> close_code, s, out, &self._random_state)
        written = PyBytes_FromStringAndSize(out, n) if n else None
        free(out)
        return written

    @property
    def n_held(self):
        """Bytes in the receive buffer."""
        return len(self._data)

    @property
    def state_bytes(self):
        return sizeof(websocket_t)


def close_code_of(str error not None):
    """The code that a connection is closed with that has failed with that result."""
    numbers = {name: number for number, name in RESULT_NAMES.items()}
    return websocket_close_code(numbers[error])


def error_texts():
    """What each error means, from WEBSOCKET_MORE on."""
    return [websocket_error_text(-i).decode() for i in range(2 - WEBSOCKET_E_LAST)]


def bench_receive(bytes frame not None, int repeat, *, bint is_client=False):
    """Receives one frame `repeat` times without the GIL, unmasking it in place each time; the payload bytes."""
    cdef bytes padded = frame + bytes(BYTES_READABLE_PAST_END)
    cdef uint32_t n = <uint32_t> len(frame), left
    cdef uint64_t total = 0
    cdef websocket_t w
    cdef websocket_item_t item
    cdef int _i
    cdef char* buffer = <char*> malloc(n + BYTES_READABLE_PAST_END)
    if buffer == NULL:
        raise MemoryError
    memcpy(buffer, PyBytes_AS_STRING(padded), n + BYTES_READABLE_PAST_END)
    memset(&w, 0, sizeof(w))
    w.is_client = is_client
    with nogil:
        for _i in range(repeat):
            left = n
            if websocket_next(&w, buffer, &left, &item) == WEBSOCKET_MESSAGE:
                total += item.payload.len
    free(buffer)
    return total


def bench_send(bytes payload not None, int repeat, *, bint is_client=False):
    """Writes a frame of the payload `repeat` times without the GIL; the bytes written."""
    cdef span_t s = span_of(PyBytes_AS_STRING(payload), <uint32_t> len(payload))
    cdef uint64_t total = 0, random_state = 1
    cdef websocket_t w
    cdef int _i
    cdef char* out = <char*> malloc(s.len + WEBSOCKET_HEADER_CAP)
    if out == NULL:
        raise MemoryError
    memset(&w, 0, sizeof(w))
    w.is_client = is_client
    with nogil:
        for _i in range(repeat):
            total += websocket_put_frame(&w, OPCODE_BINARY, s, out, &random_state)
    free(out)
    return total
