# sippx/_core/parser.pxd: one pass over a datagram gives a msg_t (RFC 3261 7, 7.3.1, 25.1).
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from sippx._core.message cimport msg_t
from sippx._core.span cimport span_t

cdef enum:
    PARSE_OK = 0
    PARSE_E_NOT_SIP = -1         # no SIP message in there
    PARSE_E_NO_CALL_ID = -2      # a message that no call can be found for
    PARSE_E_KEEPALIVE = -3       # nothing but CR, LF and NUL (RFC 5626 4.4.1, and SIPp's four NULs)
    PARSE_E_TOO_LONG = -4

# data must be readable BYTES_READABLE_PAST_END bytes past len. Never reads a byte's meaning beyond len.
cdef int msg_parse(msg_t* m, const char* data, uint32_t len) noexcept nogil

# The layout of a message seen before. Traffic of a load test repeats a few layouts millions of times: if
# every line end is where it was and every line begins with the name it had, only values need reading.
cdef enum:
    MEMO_BLOCKS = 16             # header sections up to 1 KiB
    MEMO_LINES = 24
    MEMO_SLOTS = 8

cdef struct memo_t:
    uint32_t len                 # 0: unused slot
    uint32_t n_blocks
    uint32_t start_len           # bytes of the start line that must be equal: status line, or method
    uint32_t start_end           # end of a request line's text, 0 for a response
    uint64_t newlines[MEMO_BLOCKS]
    uint64_t last_mask           # bits of the last block that belong to the header section
    uint8_t name_words[MEMO_LINES]     # 8-byte words of the name and its colon
    uint64_t name_mask[MEMO_LINES]     # of the last of them
    msg_t m                      # offsets only; its pointers are stale
    char bytes[MEMO_BLOCKS * 64 + 64]

# As msg_parse, quicker for layouts in memos (MEMO_SLOTS of them, zeroed at the start), which it maintains.
cdef int msg_parse_again(memo_t* memos, msg_t* m, const char* data, uint32_t len) noexcept nogil

# Request URI of a request's start line, empty for a response.
cdef span_t msg_request_uri(const msg_t* m) noexcept nogil

# Method of a token, METHOD_OTHER if it is none of the known ones; case-sensitive (RFC 3261 7.1).
cdef int method_of(const char* p, uint32_t n) noexcept nogil

# HeaderId of a field name, full or compact (RFC 3261 7.3.3), any case; HDR_OTHER if unknown.
cdef int header_id_of(const char* p, uint32_t n) noexcept nogil
