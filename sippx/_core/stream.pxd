# sippx/_core/stream.pxd: where one SIP message ends and the next begins on a byte stream (RFC 3261 18.3).
#
# The owner has the bytes: it shows all that it has from the first byte not yet consumed, and after STREAM_MORE shows
# the same bytes again (perhaps elsewhere in memory) with more behind them. Nothing is copied or kept but this state,
# and no byte of a header section is searched twice, however the stream was cut into reads.
# Line ends are CR LF or LF. A header field is looked at once the line behind it has arrived, so that folds are seen.
from libc.stdint cimport int8_t, uint8_t, uint32_t

from sippx._core.message cimport MSG_LEN_CAP

cdef enum:
    STREAM_START_LINE_CAP = 8192          # no line end in so many bytes: not SIP
    STREAM_HEADERS_CAP = MSG_LEN_CAP      # start line to empty line; as in a datagram, only the message is bounded

cdef enum StreamResult:
    STREAM_MORE = 0              # incomplete: len is how long the message will be, 0 where that is not known
    STREAM_MESSAGE = 1           # len bytes, headers and body
    STREAM_PONG = 2              # a CRLF between messages: the answer to a ping (RFC 5626 4.4.1), or nothing
    STREAM_PING = 3              # a second CRLF right behind the first: to be answered with CRLF
    STREAM_BLANK = 4             # a line feed alone between messages: nothing
    # the stream is lost: the same is returned for ever, the connection is to be closed
    STREAM_E_NOT_SIP = -1        # what should be a start line is none
    STREAM_E_CONTENT_LENGTH = -2  # no number, or two that differ
    STREAM_E_HEADERS = -3        # no empty line in STREAM_HEADERS_CAP bytes
    STREAM_E_TOO_LONG = -4       # headers and body are more than MSG_LEN_CAP
    STREAM_E_LAST = -4

# State of one direction of one connection; zeroed, it is at the beginning of a stream. Offsets count from the
# message's first byte.
cdef struct stream_t:
    uint32_t message_bytes       # of the message that is arriving, 0: header section not complete
    uint32_t scanned             # searched for line ends up to here
    uint32_t line_off            # start of the line that is not complete
    uint32_t value_off           # of a Content-Length whose field is not complete, 0: none
    uint32_t body_bytes_plus_1   # by Content-Length, 0: none so far
    uint8_t is_after_crlf        # the last thing consumed was the first CRLF of a pair
    int8_t error                 # StreamResult that ended the stream, 0: none

# The next thing in data[0:n]: a StreamResult, and in len the bytes of it; for all but STREAM_MORE and errors the owner
# goes on len bytes later. data is readable BYTES_READABLE_PAST_END bytes past n.
cdef int stream_next(stream_t* s, const char* data, uint32_t n, uint32_t* len) noexcept nogil

cdef const char* stream_error_text(int error) noexcept nogil
