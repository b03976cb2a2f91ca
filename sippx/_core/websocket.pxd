# sippx/_core/websocket.pxd: WebSocket frames (RFC 6455 5): received bytes to messages, messages to frames.
#
# One SIP message is one WebSocket message (RFC 7118 5). The owner has the receive buffer and shows all of it from the
# first byte not yet consumed, as with stream_next, but writable: masks are taken off in place, and the fragments of a
# message are moved together at the front of the buffer. So nothing is copied elsewhere, and each byte is moved at most
# twice, however the stream was cut into reads or frames.
# With room for WEBSOCKET_HOLD_CAP bytes (and BYTES_READABLE_PAST_END) a buffer never fills without a result.
from libc.stdint cimport int8_t, uint8_t, uint16_t, uint32_t, uint64_t

from sippx._core.message cimport MSG_LEN_CAP
from sippx._core.span cimport span_t

cdef enum:
    WEBSOCKET_HEADER_CAP = 8     # of a frame of at most MSG_LEN_CAP bytes
    WEBSOCKET_CONTROL_CAP = 125  # payload of ping, pong and close
    WEBSOCKET_HOLD_CAP = MSG_LEN_CAP + WEBSOCKET_CONTROL_CAP + WEBSOCKET_HEADER_CAP
    WEBSOCKET_NO_CODE = 1005     # a close frame without one

cdef enum WebsocketOpcode:
    OPCODE_CONTINUATION = 0
    OPCODE_TEXT = 1
    OPCODE_BINARY = 2
    OPCODE_CLOSE = 8
    OPCODE_PING = 9
    OPCODE_PONG = 10

cdef enum WebsocketResult:
    WEBSOCKET_MORE = 0           # no complete frame, or only fragments
    WEBSOCKET_MESSAGE = 1        # complete
    WEBSOCKET_PING = 2           # to be answered by a pong with the same payload
    WEBSOCKET_PONG = 3
    WEBSOCKET_CLOSE = 4          # to be answered by a close, then closed; what comes behind it is dropped
    # the connection has failed: the same is returned for ever; send a close with websocket_close_code, then close
    WEBSOCKET_E_RESERVED = -1    # a reserved bit is set
    WEBSOCKET_E_OPCODE = -2      # an opcode that means nothing
    WEBSOCKET_E_MASK = -3        # a client's frame without a mask, or a server's with one
    WEBSOCKET_E_CONTROL = -4     # a control frame that is too long or a fragment
    WEBSOCKET_E_LENGTH = -5      # not in its shortest form, or beyond 63 bits
    WEBSOCKET_E_CONTINUATION = -6  # nothing to continue, or a new message inside another
    WEBSOCKET_E_CLOSE = -7       # a close frame of one byte, or with a code that must not be sent
    WEBSOCKET_E_UTF8 = -8        # a text or close reason that is not UTF-8
    WEBSOCKET_E_TOO_LONG = -9    # a message of more than MSG_LEN_CAP bytes
    WEBSOCKET_E_LAST = -9

# State of one connection behind its handshake; zeroed, it is a server's (it takes masked frames and sends unmasked).
cdef struct websocket_t:
    uint32_t joined_bytes        # fragments of the unfinished message, unmasked, at the front of the buffer
    uint32_t next_off            # of the next frame; from joined_bytes up to it are frames that are done with
    uint8_t is_client
    uint8_t opcode               # of the unfinished message, 0: none
    uint8_t is_closed            # a close has arrived
    int8_t error                 # WebsocketResult that ended the connection, 0: none

cdef struct websocket_item_t:
    span_t payload               # of the message, ping, pong; a close's reason; lies in the buffer until the next call
    uint32_t consumed            # the owner goes on so many bytes later; 0 while fragments are held
    uint32_t needed              # WEBSOCKET_MORE: bytes in the buffer that complete the frame, 0: not known
    uint16_t close_code          # of a close, WEBSOCKET_NO_CODE where it has none
    uint8_t opcode               # of a message: OPCODE_TEXT or OPCODE_BINARY

# The next thing in data[0:*n]: a WebsocketResult. WEBSOCKET_MORE may make *n less, where what is done with between
# fragments was dropped: more bytes go to data + *n. data is readable BYTES_READABLE_PAST_END bytes past *n.
cdef int websocket_next(websocket_t* w, char* data, uint32_t* n, websocket_item_t* item) noexcept nogil

# Writes a frame to out, which has room for payload.len + WEBSOCKET_HEADER_CAP bytes and does not overlap the payload;
# its length, 0 where the payload is longer than MSG_LEN_CAP, or WEBSOCKET_CONTROL_CAP of a control frame. A client's
# is masked with a key from random_state (of random_u64; a server's may be NULL).
cdef uint32_t websocket_put_frame(const websocket_t* w, uint8_t opcode, span_t payload, char* out,
                                  uint64_t* random_state) noexcept nogil
# A close frame; WEBSOCKET_NO_CODE: without code and reason. The reason is at most WEBSOCKET_CONTROL_CAP - 2 bytes.
cdef uint32_t websocket_put_close(const websocket_t* w, uint16_t code, span_t reason, char* out,
                                  uint64_t* random_state) noexcept nogil
# What to close a connection with that has failed with `error`: 1002, 1007 or 1009.
cdef uint16_t websocket_close_code(int error) noexcept nogil

cdef const char* websocket_error_text(int error) noexcept nogil
