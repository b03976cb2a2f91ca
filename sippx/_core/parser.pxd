# sippx/_core/parser.pxd: one pass over a datagram gives a msg_t (RFC 3261 7, 7.3.1, 25.1).
from libc.stdint cimport uint32_t

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

# Method of a token, METHOD_OTHER if it is none of the known ones; case-sensitive (RFC 3261 7.1).
cdef int method_of(const char* p, uint32_t n) noexcept nogil

# HeaderId of a field name, full or compact (RFC 3261 7.3.3), any case; HDR_OTHER if unknown.
cdef int header_id_of(const char* p, uint32_t n) noexcept nogil
