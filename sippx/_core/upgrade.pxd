# sippx/_core/upgrade.pxd: the opening handshake of a WebSocket connection that carries SIP (RFC 6455 4, RFC 7118 4).
#
# Both sides, as bytes: the owner sends what is written here and shows what arrives, from the connection's first byte,
# as with stream_next. The subprotocol is always "sip", no extension is offered or taken.
from libc.stdint cimport int8_t, uint16_t, uint32_t, uint64_t

from sippx._core.span cimport span_t

cdef enum:
    UPGRADE_HEAD_CAP = 8192      # request or response up to its empty line
    UPGRADE_KEY_BYTES = 24       # base64 of 16 random bytes
    UPGRADE_ACCEPT_BYTES = 28    # base64 of a SHA-1
    UPGRADE_ANSWER_CAP = 256     # longest that upgrade_put_answer writes

cdef enum UpgradeResult:
    UPGRADE_MORE = 0             # the empty line has not arrived
    UPGRADE_OPEN = 1             # frames follow
    # the connection is not to be used; a server sends its answer before it closes
    UPGRADE_E_HTTP = -1          # no HTTP/1.1 request, or response
    UPGRADE_E_TOO_LONG = -2      # no empty line in UPGRADE_HEAD_CAP bytes
    UPGRADE_E_METHOD = -3        # another than GET
    UPGRADE_E_NOT_ASKED = -4     # without `Upgrade: websocket` and `Connection: Upgrade`
    UPGRADE_E_VERSION = -5       # another than 13
    UPGRADE_E_KEY = -6           # none, more than one, or not base64 of 16 bytes
    UPGRADE_E_SUBPROTOCOL = -7   # "sip" is not offered, or not what the server has chosen
    UPGRADE_E_STATUS = -8        # the server's answer is not 101: status_code
    UPGRADE_E_ACCEPT = -9        # not made from our key
    UPGRADE_E_EXTENSION = -10    # the server has chosen one
    UPGRADE_E_CRYPTO = -11       # libcrypto has no SHA-1
    UPGRADE_E_LAST = -11

# State of a handshake, of no use once it is over. Zeroed, it is a server's that waits for a request.
cdef struct upgrade_t:
    char accept[UPGRADE_ACCEPT_BYTES]    # client: what the server has to send; server: what it sends
    uint32_t scanned             # searched for line ends up to here
    uint32_t line_off            # start of the line that is not complete
    uint16_t status_code         # client: of the response, 0: none so far

# None, or why no handshake can work here. Needs the GIL; before all others.
cdef str upgrade_init()

# Client: sets u and writes a request for `path` ("/" and so on) of `host` (with its port, IPv6 in brackets); its
# length, 0 where it does not fit or there is no SHA-1. random_state is that of random_u64.
cdef uint32_t upgrade_put_request(upgrade_t* u, span_t host, span_t path, uint64_t* random_state, char* out,
                                  uint32_t cap) noexcept nogil
# An UpgradeResult; len: the bytes of the response, behind which frames begin.
cdef int upgrade_read_response(upgrade_t* u, const char* data, uint32_t n, uint32_t* len) noexcept nogil

# Server: an UpgradeResult; len: the bytes of the request, behind which frames begin.
cdef int upgrade_read_request(upgrade_t* u, const char* data, uint32_t n, uint32_t* len) noexcept nogil
# Writes the answer to the request that gave `result`: 101, or a refusal (408 with UPGRADE_MORE: the owner has waited
# long enough). Its length, at most UPGRADE_ANSWER_CAP.
cdef uint32_t upgrade_put_answer(const upgrade_t* u, int result, char* out) noexcept nogil

cdef const char* upgrade_error_text(int error) noexcept nogil
