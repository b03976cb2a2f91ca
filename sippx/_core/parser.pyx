# sippx/_core/parser.pyx: the SIP message parser and its Python test surface.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from sippx._core.bits cimport BYTES_READABLE_PAST_END, ctz64, likely, load32, load64, newline_mask64, unlikely
from sippx._core.codes cimport *
from sippx._core.message cimport (
    MSG_LEN_CAP, MSG_LINES_CAP, MSG_REQUEST, MSG_RESPONSE, bytes_equal_nocase, header_tag, header_uri,
    msg_first_value, msg_line_value, msg_t,
)
from sippx._core.span cimport span_of, span_t

cdef extern from "<string.h>" nogil:
    void* memmem(const void* haystack, size_t n, const void* needle, size_t m)

cdef extern from *:
    """
    /* Bytes of a header name as a little-endian word, lowered by | 0x20, which leaves - and : alone. */
    #define SIPPX_W(a,b,c,d,e,f,g,h) ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | \
        (uint64_t)(d) << 24 | (uint64_t)(e) << 32 | (uint64_t)(f) << 40 | (uint64_t)(g) << 48 | (uint64_t)(h) << 56)
    #define SIPPX_W_VIA SIPPX_W('v','i','a',':',0,0,0,0)
    #define SIPPX_W_FROM SIPPX_W('f','r','o','m',':',0,0,0)
    #define SIPPX_W_TO SIPPX_W('t','o',':',0,0,0,0,0)
    #define SIPPX_W_CSEQ SIPPX_W('c','s','e','q',':',0,0,0)
    #define SIPPX_W_CALL_ID SIPPX_W('c','a','l','l','-','i','d',':')
    #define SIPPX_W_CONTACT SIPPX_W('c','o','n','t','a','c','t',':')
    #define SIPPX_W_CONTENT SIPPX_W('c','o','n','t','e','n','t','-')
    #define SIPPX_W_LENGTH SIPPX_W('l','e','n','g','t','h',':',0)
    #define SIPPX_W_TYPE SIPPX_W('t','y','p','e',':',0,0,0)
    #define SIPPX_W_ENCODING SIPPX_W('e','n','c','o','d','i','n','g')
    #define SIPPX_W_MAX_FORW SIPPX_W('m','a','x','-','f','o','r','w')
    #define SIPPX_W_ARDS SIPPX_W('a','r','d','s',':',0,0,0)
    #define SIPPX_W_SUBJECT SIPPX_W('s','u','b','j','e','c','t',':')
    #define SIPPX_W_EXPIRES SIPPX_W('e','x','p','i','r','e','s',':')
    #define SIPPX_W_RECORD_R SIPPX_W('r','e','c','o','r','d','-','r')
    #define SIPPX_W_OUTE SIPPX_W('o','u','t','e',':',0,0,0)
    #define SIPPX_W_ROUTE SIPPX_W('r','o','u','t','e',':',0,0)
    #define SIPPX_W_WWW_AUTH SIPPX_W('w','w','w','-','a','u','t','h')
    #define SIPPX_W_PROXY_AU SIPPX_W('p','r','o','x','y','-','a','u')
    #define SIPPX_W_ENTICATE SIPPX_W('e','n','t','i','c','a','t','e')
    #define SIPPX_W_THENTICA SIPPX_W('t','h','e','n','t','i','c','a')
    #define SIPPX_W_THORIZAT SIPPX_W('t','h','o','r','i','z','a','t')
    #define SIPPX_W_AUTHORIZ SIPPX_W('a','u','t','h','o','r','i','z')
    #define SIPPX_W_ATION SIPPX_W('a','t','i','o','n',':',0,0)
    #define SIPPX_W_SP_SIP20 SIPPX_W(' ','S','I','P','/','2','.','0')
    #define SIPPX_W_SIP20 SIPPX_W('S','I','P','/','2','.','0',' ')
    #define SIPPX_LOWER 0x2020202020202020ULL
    #define SIPPX_LOW(n) (~0ULL >> (64 - 8 * (n)))
    #define SIPPX_LOW_BITS(n) (~0ULL >> (64 - (n)))
    """
    uint64_t W_VIA "SIPPX_W_VIA"
    uint64_t W_FROM "SIPPX_W_FROM"
    uint64_t W_TO "SIPPX_W_TO"
    uint64_t W_CSEQ "SIPPX_W_CSEQ"
    uint64_t W_CALL_ID "SIPPX_W_CALL_ID"
    uint64_t W_CONTACT "SIPPX_W_CONTACT"
    uint64_t W_CONTENT "SIPPX_W_CONTENT"
    uint64_t W_LENGTH "SIPPX_W_LENGTH"
    uint64_t W_TYPE "SIPPX_W_TYPE"
    uint64_t W_ENCODING "SIPPX_W_ENCODING"
    uint64_t W_MAX_FORW "SIPPX_W_MAX_FORW"
    uint64_t W_ARDS "SIPPX_W_ARDS"
    uint64_t W_SUBJECT "SIPPX_W_SUBJECT"
    uint64_t W_EXPIRES "SIPPX_W_EXPIRES"
    uint64_t W_RECORD_R "SIPPX_W_RECORD_R"
    uint64_t W_OUTE "SIPPX_W_OUTE"
    uint64_t W_ROUTE "SIPPX_W_ROUTE"
    uint64_t W_WWW_AUTH "SIPPX_W_WWW_AUTH"
    uint64_t W_PROXY_AU "SIPPX_W_PROXY_AU"
    uint64_t W_ENTICATE "SIPPX_W_ENTICATE"
    uint64_t W_THENTICA "SIPPX_W_THENTICA"
    uint64_t W_THORIZAT "SIPPX_W_THORIZAT"
    uint64_t W_AUTHORIZ "SIPPX_W_AUTHORIZ"
    uint64_t W_ATION "SIPPX_W_ATION"
    uint64_t W_SIP20 "SIPPX_W_SIP20"
    uint64_t W_SP_SIP20 "SIPPX_W_SP_SIP20"
    uint64_t W_LOWER "SIPPX_LOWER"
    uint64_t low_bytes "SIPPX_LOW"(int n) nogil      # n in 1..8
    uint64_t low_bits "SIPPX_LOW_BITS"(int n) nogil    # n in 1..64

# --------------------------------------------------------------------------- names

cdef int method_of(const char* p, uint32_t n) noexcept nogil:
    if n == 3:
        if memcmp(p, b"ACK", 3) == 0:
            return METHOD_ACK
        if memcmp(p, b"BYE", 3) == 0:
            return METHOD_BYE
    elif n == 4:
        if memcmp(p, b"INFO", 4) == 0:
            return METHOD_INFO
        if memcmp(p, b"PING", 4) == 0:
            return METHOD_PING
    elif n == 5:
        if memcmp(p, b"PRACK", 5) == 0:
            return METHOD_PRACK
        if memcmp(p, b"REFER", 5) == 0:
            return METHOD_REFER
    elif n == 6:
        if memcmp(p, b"INVITE", 6) == 0:
            return METHOD_INVITE
        if memcmp(p, b"CANCEL", 6) == 0:
            return METHOD_CANCEL
        if memcmp(p, b"NOTIFY", 6) == 0:
            return METHOD_NOTIFY
        if memcmp(p, b"UPDATE", 6) == 0:
            return METHOD_UPDATE
    elif n == 7:
        if memcmp(p, b"OPTIONS", 7) == 0:
            return METHOD_OPTIONS
        if memcmp(p, b"MESSAGE", 7) == 0:
            return METHOD_MESSAGE
        if memcmp(p, b"PUBLISH", 7) == 0:
            return METHOD_PUBLISH
    elif n == 8:
        if memcmp(p, b"REGISTER", 8) == 0:
            return METHOD_REGISTER
    elif n == 9:
        if memcmp(p, b"SUBSCRIBE", 9) == 0:
            return METHOD_SUBSCRIBE
    elif n == 0:
        return METHOD_NONE
    return METHOD_OTHER


cdef struct name_t:
    const char* text
    uint8_t len
    uint8_t id
    char compact             # RFC 3261 7.3.3 one-letter form, 0 if none

cdef name_t[18] NAMES
NAMES[0] = name_t("via", 3, HDR_VIA, c'v')
NAMES[1] = name_t("from", 4, HDR_FROM, c'f')
NAMES[2] = name_t("to", 2, HDR_TO, c't')
NAMES[3] = name_t("call-id", 7, HDR_CALL_ID, c'i')
NAMES[4] = name_t("cseq", 4, HDR_CSEQ, 0)
NAMES[5] = name_t("contact", 7, HDR_CONTACT, c'm')
NAMES[6] = name_t("content-length", 14, HDR_CONTENT_LENGTH, c'l')
NAMES[7] = name_t("content-type", 12, HDR_CONTENT_TYPE, c'c')
NAMES[8] = name_t("content-encoding", 16, HDR_CONTENT_ENCODING, c'e')
NAMES[9] = name_t("record-route", 12, HDR_RECORD_ROUTE, 0)
NAMES[10] = name_t("route", 5, HDR_ROUTE, 0)
NAMES[11] = name_t("max-forwards", 12, HDR_MAX_FORWARDS, 0)
NAMES[12] = name_t("expires", 7, HDR_EXPIRES, 0)
NAMES[13] = name_t("subject", 7, HDR_SUBJECT, c's')
NAMES[14] = name_t("www-authenticate", 16, HDR_WWW_AUTHENTICATE, 0)
NAMES[15] = name_t("proxy-authenticate", 18, HDR_PROXY_AUTHENTICATE, 0)
NAMES[16] = name_t("authorization", 13, HDR_AUTHORIZATION, 0)
NAMES[17] = name_t("proxy-authorization", 19, HDR_PROXY_AUTHORIZATION, 0)


cdef int header_id_of(const char* p, uint32_t n) noexcept nogil:
    cdef int i
    cdef char c = p[0] | 32 if n > 0 else 0
    for i in range(18):
        if n == 1:
            if NAMES[i].compact == c:
                return NAMES[i].id
        elif NAMES[i].len == n and bytes_equal_nocase(p, NAMES[i].text, n):
            return NAMES[i].id
    return HDR_OTHER


cdef int classify_unusual(const char* p, uint32_t n, uint32_t* value_off) noexcept nogil:
    """Compact forms, and white space between name and colon (RFC 3261 7.3.1 HCOLON)."""
    cdef uint32_t i = 0, name_len
    while i < n and p[i] != c':' and p[i] != c' ' and p[i] != c'\t':
        i += 1
    name_len = i
    if name_len > 1 and i < n and p[i] == c':':
        return HDR_OTHER        # the usual form of a known name was recognised before
    while i < n and (p[i] == c' ' or p[i] == c'\t'):
        i += 1
    if name_len == 0 or i >= n or p[i] != c':':
        return HDR_OTHER
    value_off[0] = i + 1
    return header_id_of(p, name_len)


cdef inline int found(int header_id, uint32_t off, const char* p, uint32_t n, uint32_t* value_off) noexcept nogil:
    # the word may have been read past the line's end, and other bytes than these lower to : and -
    if unlikely(off > n or p[off - 1] != c':' or (header_id == HDR_CALL_ID and p[4] != c'-')):
        return HDR_OTHER
    value_off[0] = off
    return header_id


cdef inline int classify(const char* p, uint32_t n, uint32_t* value_off) noexcept nogil:
    """HeaderId of a line of n bytes; the usual names are told apart by one to three 8-byte compares.

    value_off becomes the offset behind the colon where the name was recognised.
    """
    cdef uint64_t w = load64(p) | W_LOWER
    cdef char c = <char> (w & 0xFF)
    if c == c'v':
        if w & low_bytes(4) == W_VIA:
            return found(HDR_VIA, 4, p, n, value_off)
    elif c == c'f':
        if w & low_bytes(5) == W_FROM:
            return found(HDR_FROM, 5, p, n, value_off)
    elif c == c't':
        if w & low_bytes(3) == W_TO:
            return found(HDR_TO, 3, p, n, value_off)
    elif c == c'c':
        if w == W_CALL_ID:
            return found(HDR_CALL_ID, 8, p, n, value_off)
        if w & low_bytes(5) == W_CSEQ:
            return found(HDR_CSEQ, 5, p, n, value_off)
        if w == W_CONTACT:
            return found(HDR_CONTACT, 8, p, n, value_off)
        if w == W_CONTENT:
            w = load64(p + 8) | W_LOWER
            if w & low_bytes(7) == W_LENGTH:
                return found(HDR_CONTENT_LENGTH, 15, p, n, value_off)
            if w & low_bytes(5) == W_TYPE:
                return found(HDR_CONTENT_TYPE, 13, p, n, value_off)
            if w == W_ENCODING and p[16] == c':':
                return found(HDR_CONTENT_ENCODING, 17, p, n, value_off)
    elif c == c'm':
        if w == W_MAX_FORW and (load64(p + 8) | W_LOWER) & low_bytes(5) == W_ARDS:
            return found(HDR_MAX_FORWARDS, 13, p, n, value_off)
    elif c == c's':
        if w == W_SUBJECT:
            return found(HDR_SUBJECT, 8, p, n, value_off)
    elif c == c'e':
        if w == W_EXPIRES:
            return found(HDR_EXPIRES, 8, p, n, value_off)
    elif c == c'r':
        if w & low_bytes(6) == W_ROUTE:
            return found(HDR_ROUTE, 6, p, n, value_off)
        if w == W_RECORD_R and (load64(p + 8) | W_LOWER) & low_bytes(5) == W_OUTE:
            return found(HDR_RECORD_ROUTE, 13, p, n, value_off)
    elif c == c'a':
        if w == W_AUTHORIZ and (load64(p + 8) | W_LOWER) & low_bytes(6) == W_ATION:
            return found(HDR_AUTHORIZATION, 14, p, n, value_off)
    elif c == c'w':
        if w == W_WWW_AUTH and load64(p + 8) | W_LOWER == W_ENTICATE and p[16] == c':':
            return found(HDR_WWW_AUTHENTICATE, 17, p, n, value_off)
    elif c == c'p':
        if w == W_PROXY_AU:
            w = load64(p + 8) | W_LOWER
            if w == W_THENTICA and bytes_equal_nocase(p + 16, "te:", 3):
                return found(HDR_PROXY_AUTHENTICATE, 19, p, n, value_off)
            if w == W_THORIZAT and bytes_equal_nocase(p + 16, "ion:", 4):
                return found(HDR_PROXY_AUTHORIZATION, 20, p, n, value_off)
    elif c != c'i' and c != c'l':
        return HDR_OTHER
    return classify_unusual(p, n, value_off)

# --------------------------------------------------------------------------- the pass

cdef inline uint32_t line_text_len(const char* p, uint32_t n) noexcept nogil:
    """n without the CR that belongs to the line end."""
    if n > 0 and p[n - 1] == c'\r':
        return n - 1
    return n


cdef int parse_start_line(msg_t* m, const char* p, uint32_t n) noexcept nogil:
    cdef uint32_t i
    if load64(p) == W_SIP20:
        if n < 11 or not (<uint8_t> (p[8] - 48) < 10 and <uint8_t> (p[9] - 48) < 10 and <uint8_t> (p[10] - 48) < 10):
            return PARSE_E_NOT_SIP
        if n > 11 and p[11] != c' ':
            return PARSE_E_NOT_SIP
        m.kind = MSG_RESPONSE
        m.status_code = (p[8] - 48) * 100 + (p[9] - 48) * 10 + (p[10] - 48)
        m.method = METHOD_NONE
        m.method_text = span_of(p, 0)
        return PARSE_OK
    i = 0
    while i < n and <uint8_t> p[i] > 32 and <uint8_t> p[i] < 127:
        i += 1
    if i == 0 or i >= n or (p[i] != c' ' and p[i] != c'\t'):
        return PARSE_E_NOT_SIP
    m.kind = MSG_REQUEST
    m.status_code = 0
    m.method_text = span_of(p, i)
    m.method = method_of(p, i)
    # SIPp takes anything that mentions SIP/2.0 for a message; the usual place is the line's end
    if n - i >= 8 and load64(p + n - 8) == W_SP_SIP20:
        return PARSE_OK
    if memmem(m.data, m.len, b"SIP/2.0", 7) == NULL:
        return PARSE_E_NOT_SIP
    return PARSE_OK


cdef inline void parse_cseq(msg_t* m, uint32_t line) noexcept nogil:
    """RFC 3261 20.16: number, white space, method; a number beyond 32 bits becomes 2**32 - 1."""
    cdef const char* p = m.data + m.line_value[line]
    cdef const char* end = m.data + m.line_off[line + 1]
    cdef const char* token
    cdef uint64_t number = 0
    while p < end and <uint8_t> p[0] <= 32:
        p += 1
    while p < end and <uint8_t> (p[0] - 48) < 10:
        if number <= 0xFFFFFFFFULL:
            number = number * 10 + <uint8_t> (p[0] - 48)
        p += 1
    m.cseq_number = <uint32_t> number if number <= 0xFFFFFFFFULL else 0xFFFFFFFFULL
    while p < end and <uint8_t> p[0] <= 32:
        p += 1
    token = p
    while p < end and <uint8_t> p[0] > 32:
        p += 1
    m.cseq_method_text = span_of(token, <uint32_t> (p - token))
    m.cseq_method = method_of(token, <uint32_t> (p - token))


cdef inline uint32_t leading_blanks(const char* data, uint32_t len) noexcept nogil:
    """CR, LF and NUL in front are no part of a message (RFC 3261 7.5)."""
    cdef uint32_t i = 0
    while i < len and (data[i] == c'\r' or data[i] == c'\n' or data[i] == 0):
        i += 1
    return i


cdef inline void add_line(msg_t* m, uint32_t start, uint32_t end) noexcept nogil:
    """Indexes the header line data[start:end] (the line end included or missing)."""
    cdef uint32_t value_off = 0
    cdef int id_ = classify(m.data + start, end - start, &value_off)
    cdef uint32_t n = m.n_lines
    m.line_off[n] = <uint16_t> start
    m.line_id[n] = <uint8_t> id_
    m.line_value[n] = <uint16_t> (start + value_off) if value_off else 0
    if m.first[id_] == 0:
        m.first[id_] = <uint16_t> (n + 1)
    else:
        m.repeated |= 1u << id_
    m.n_lines = <uint16_t> (n + 1)


cdef uint32_t unusual_line(msg_t* m, uint32_t start, uint32_t nl) noexcept nogil:
    """An empty line (returns 1), a continuation (RFC 3261 7.3.1), or a line beyond those indexed."""
    cdef char c = m.data[start]
    if nl == start or (c == c'\r' and nl == start + 1):
        return 1
    if c == c' ' or c == c'\t':
        m.folded = True
    elif m.n_lines < MSG_LINES_CAP:
        add_line(m, start, nl)
    elif m.headers_end > start:
        m.headers_end = start        # the last indexed line ends here
    return 0


cdef int parse_headers(msg_t* m, const char* data, uint32_t len) noexcept nogil:
    """Start line and header lines up to the empty line; newlines are found 64 bytes at a time."""
    cdef uint64_t mask
    cdef uint32_t block = 0, start = 0, nl
    cdef int status
    while block < len:
        mask = newline_mask64(data + block)
        if unlikely(len - block < 64):
            mask &= (1ULL << (len - block)) - 1
        while mask != 0:
            nl = block + ctz64(mask)
            mask &= mask - 1
            if likely(<uint8_t> data[start] > 32 and start > 0 and m.n_lines < MSG_LINES_CAP):
                add_line(m, start, nl)
            elif start == 0:
                status = parse_start_line(m, data, line_text_len(data, nl))
                if status != PARSE_OK:
                    return status
            elif unusual_line(m, start, nl):
                if m.headers_end > start:
                    m.headers_end = start
                m.body_off = nl + 1
                return PARSE_OK
            start = nl + 1
        block += 64
    if start == 0:
        return PARSE_E_NOT_SIP
    # no empty line: what no line end closes is still a header line
    if start < len and <uint8_t> data[start] > 32:
        if m.n_lines < MSG_LINES_CAP:
            add_line(m, start, len)
        elif m.headers_end > start:
            m.headers_end = start
    elif start < len:
        m.folded = True
    return PARSE_OK


cdef int msg_parse(msg_t* m, const char* data, uint32_t len) noexcept nogil:
    cdef uint32_t skipped
    cdef int status
    if unlikely(len > MSG_LEN_CAP):
        return PARSE_E_TOO_LONG
    if unlikely(len == 0):
        return PARSE_E_KEEPALIVE
    if unlikely(<uint8_t> data[0] <= 13):
        skipped = leading_blanks(data, len)
        if skipped == len:
            return PARSE_E_KEEPALIVE
        data += skipped
        len -= skipped
    m.data = data
    m.len = len
    m.n_lines = 0
    m.folded = False
    m.repeated = 0
    m.body_off = len
    m.headers_end = len
    memset(m.first, 0, sizeof(m.first))
    status = parse_headers(m, data, len)
    if unlikely(status != PARSE_OK):
        return status
    m.line_off[m.n_lines] = <uint16_t> m.headers_end
    return read_values(m)


cdef inline int read_values(msg_t* m) noexcept nogil:
    """CSeq and Call-ID of a message whose lines are known."""
    if likely(m.first[<int> HDR_CSEQ] != 0):
        parse_cseq(m, m.first[<int> HDR_CSEQ] - 1)
    else:
        m.cseq_number = 0
        m.cseq_method = METHOD_NONE
        m.cseq_method_text = span_of(m.data, 0)
    m.call_id = msg_first_value(m, HDR_CALL_ID)
    if unlikely(m.call_id.len == 0):
        return PARSE_E_NO_CALL_ID
    return PARSE_OK


cdef span_t msg_request_uri(const msg_t* m) noexcept nogil:
    cdef uint32_t i = m.method_text.len, start
    while i < m.len and (m.data[i] == c' ' or m.data[i] == c'\t'):
        i += 1
    start = i
    while i < m.len and m.data[i] != c' ' and m.data[i] != c'\t' and m.data[i] != c'\r' and m.data[i] != c'\n':
        i += 1
    return span_of(m.data + start, i - start if m.kind == MSG_REQUEST else 0)

# --------------------------------------------------------------------------- layouts seen before

cdef inline memo_t* memo_slot(memo_t* memos, const char* data, uint32_t len) noexcept nogil:
    cdef uint64_t k = (load64(data) ^ <uint64_t> load32(data + 8) << 17 ^ len) * 0x9E3779B97F4A7C15ULL
    return &memos[k >> 61]


cdef bint same_layout(const memo_t* memo, const char* data, uint32_t len) noexcept nogil:
    cdef uint32_t i, k, off, n
    cdef uint64_t difference
    if memo.len != len:
        return False
    difference = (load64(data) ^ load64(memo.bytes)) & low_bytes(memo.start_len if memo.start_len < 8 else 8)
    if memo.start_end:
        difference |= load64(data + memo.start_end - 8) ^ W_SP_SIP20
    else:
        difference |= load32(data + 8) ^ load32(memo.bytes + 8)
    n = memo.n_blocks - 1
    for i in range(n):
        difference |= newline_mask64(data + 64 * i) ^ memo.newlines[i]
    difference |= (newline_mask64(data + 64 * n) & memo.last_mask) ^ memo.newlines[n]
    # the empty line has its length by now, but must be empty
    difference |= data[memo.m.headers_end] ^ memo.bytes[memo.m.headers_end]
    for i in range(memo.m.n_lines):
        off = memo.m.line_off[i]
        n = memo.name_words[i] - 1
        for k in range(n):
            difference |= load64(data + off + 8 * k) ^ load64(memo.bytes + off + 8 * k)
        difference |= (load64(data + off + 8 * n) ^ load64(memo.bytes + off + 8 * n)) & memo.name_mask[i]
    return difference == 0 and (memo.start_len < 9 or data[8] == c' ')


cdef void remember_layout(memo_t* memo, const msg_t* m) noexcept nogil:
    """Files the layout of a message that was just parsed, if it is one that same_layout can recognise."""
    cdef uint32_t i, n, name_len, last = m.body_off - 1
    memo.len = 0
    if m.folded or m.n_lines > MEMO_LINES or last >= MEMO_BLOCKS * 64 \
            or m.body_off <= m.headers_end or m.data[last] != c'\n':
        return
    if m.kind == MSG_REQUEST:
        if m.method_text.len > 8 or m.line_off[0] < 10:
            return
        memo.start_len = m.method_text.len + 1
        memo.start_end = line_text_len(m.data, m.line_off[0] - 1)
        if memo.start_end < memo.start_len + 8 or load64(m.data + memo.start_end - 8) != W_SP_SIP20:
            return
    else:
        memo.start_len = 8
        memo.start_end = 0
    for i in range(m.n_lines):
        name_len = 0
        while m.line_off[i] + name_len < m.line_off[i + 1] and m.data[m.line_off[i] + name_len] != c':':
            name_len += 1
        n = (name_len + 1 + 7) // 8
        if m.line_off[i] + name_len >= m.line_off[i + 1] or n > 255:
            return
        memo.name_words[i] = <uint8_t> n
        memo.name_mask[i] = low_bytes(name_len + 1 - 8 * (n - 1))
    memo.n_blocks = last // 64 + 1
    for i in range(memo.n_blocks):
        memo.newlines[i] = newline_mask64(m.data + 64 * i)
    memo.last_mask = low_bits(last % 64 + 1)
    memo.newlines[memo.n_blocks - 1] &= memo.last_mask
    memcpy(memo.bytes, m.data, memo.n_blocks * 64)
    memcpy(&memo.m, m, sizeof(msg_t))
    memo.len = m.len


cdef int msg_parse_again(memo_t* memos, msg_t* m, const char* data, uint32_t len) noexcept nogil:
    cdef memo_t* memo
    cdef const msg_t* seen
    cdef int status
    if unlikely(len < 64 or <uint8_t> data[0] <= 13):
        return msg_parse(m, data, len)
    memo = memo_slot(memos, data, len)
    if unlikely(not same_layout(memo, data, len)):
        status = msg_parse(m, data, len)
        if status == PARSE_OK:
            remember_layout(memo, m)
        return status
    seen = &memo.m
    m.data = data
    m.len = len
    m.kind = seen.kind
    m.method = seen.method
    m.status_code = seen.status_code
    m.folded = False
    m.n_lines = seen.n_lines
    m.repeated = seen.repeated
    m.body_off = seen.body_off
    m.headers_end = seen.headers_end
    m.method_text = span_of(data, seen.method_text.len)
    memcpy(m.first, seen.first, sizeof(m.first))
    memcpy(m.line_off, seen.line_off, 2 * (MEMO_LINES + 1))
    memcpy(m.line_value, seen.line_value, 2 * MEMO_LINES)
    memcpy(m.line_id, seen.line_id, MEMO_LINES)
    return read_values(m)

# --------------------------------------------------------------------------- test surface

cdef bytes _bytes(span_t s):
    return PyBytes_FromStringAndSize(s.ptr, s.len)


STATUS_NAMES = {
    PARSE_OK: "ok", PARSE_E_NOT_SIP: "not_sip", PARSE_E_NO_CALL_ID: "no_call_id",
    PARSE_E_KEEPALIVE: "keepalive", PARSE_E_TOO_LONG: "too_long",
}


cdef class ParsedMessage:
    """A parsed message with its own padded copy of the bytes: what tests and tools look at.

    `status` is one of STATUS_NAMES' values; the other attributes mean something where it is "ok" or
    "no_call_id".
    """
    cdef msg_t m
    cdef bytes _data
    cdef readonly str status

    def __cinit__(self, bytes data not None):
        self._data = data + bytes(BYTES_READABLE_PAST_END)
        memset(&self.m, 0, sizeof(msg_t))
        cdef int status = msg_parse(&self.m, PyBytes_AS_STRING(self._data),
                                    <uint32_t> min(len(data), MSG_LEN_CAP + 1))
        self.status = STATUS_NAMES[status]

    @property
    def is_request(self):
        return self.m.kind == MSG_REQUEST

    @property
    def method(self):
        return _bytes(self.m.method_text)

    @property
    def method_code(self):
        return self.m.method

    @property
    def request_uri(self):
        return _bytes(msg_request_uri(&self.m))

    @property
    def status_code(self):
        return self.m.status_code

    @property
    def call_id(self):
        return _bytes(self.m.call_id)

    @property
    def cseq(self):
        return self.m.cseq_number, _bytes(self.m.cseq_method_text)

    @property
    def body(self):
        return PyBytes_FromStringAndSize(self.m.data + self.m.body_off, self.m.len - self.m.body_off)

    @property
    def headers(self):
        """(HeaderId, raw line without its line end, trimmed value) of each indexed header field."""
        cdef uint32_t i
        lines = []
        for i in range(self.m.n_lines):
            raw = PyBytes_FromStringAndSize(self.m.data + self.m.line_off[i],
                                            self.m.line_off[i + 1] - self.m.line_off[i])
            lines.append((self.m.line_id[i], raw.rstrip(b"\r\n"), _bytes(msg_line_value(&self.m, i))))
        return lines

    def first(self, int header_id):
        """Index of the first field with that HeaderId, or None."""
        if not 0 <= header_id < N_HEADER_IDS:
            raise ValueError(f"header id {header_id} not in 0..{N_HEADER_IDS - 1}")
        return self.m.first[header_id] - 1 if self.m.first[header_id] else None

    @property
    def to_tag(self):
        return _bytes(header_tag(msg_first_value(&self.m, HDR_TO)))

    @property
    def to_uri(self):
        return _bytes(header_uri(msg_first_value(&self.m, HDR_TO)))


def method_code(bytes token not None):
    """Method of a token."""
    return method_of(PyBytes_AS_STRING(token), <uint32_t> PyBytes_GET_SIZE(token))


def header_id(bytes name not None):
    """HeaderId of a field name."""
    return header_id_of(PyBytes_AS_STRING(name), <uint32_t> PyBytes_GET_SIZE(name))


def parse_again(messages):
    """Parses each message the quick way, one after the other; whether each result equals msg_parse's.

    Compares every field that readers of msg_t look at.
    """
    cdef memo_t* memos = <memo_t*> calloc(MEMO_SLOTS, sizeof(memo_t))
    cdef msg_t a, b
    cdef bytes padded
    cdef uint32_t n, i
    cdef bint same
    if memos == NULL:
        raise MemoryError
    results = []
    for data in messages:
        padded = data + bytes(BYTES_READABLE_PAST_END)
        n = <uint32_t> min(len(data), MSG_LEN_CAP + 1)
        memset(&a, 0, sizeof(a))
        memset(&b, 0, sizeof(b))
        status = msg_parse(&a, padded, n)
        same = msg_parse_again(memos, &b, padded, n) == status
        if same and (status == PARSE_OK or status == PARSE_E_NO_CALL_ID):
            same = (a.data == b.data and a.len == b.len and a.kind == b.kind and a.method == b.method
                    and a.status_code == b.status_code and a.cseq_number == b.cseq_number
                    and a.cseq_method == b.cseq_method and a.n_lines == b.n_lines and a.folded == b.folded
                    and a.repeated == b.repeated and a.body_off == b.body_off and a.headers_end == b.headers_end
                    and a.call_id.ptr == b.call_id.ptr and a.call_id.len == b.call_id.len
                    and a.method_text.len == b.method_text.len
                    and memcmp(a.first, b.first, sizeof(a.first)) == 0)
            for i in range(a.n_lines):
                same = (same and a.line_off[i] == b.line_off[i] and a.line_id[i] == b.line_id[i]
                        and a.line_value[i] == b.line_value[i])
            same = same and a.line_off[a.n_lines] == b.line_off[a.n_lines]
        results.append(bool(same))
    free(memos)
    return results


def bench_parse(bytes data not None, int repeat, *, bint again=False):
    """Parses data `repeat` times without the GIL; returns the sum of body offsets."""
    cdef memo_t* memos = <memo_t*> calloc(MEMO_SLOTS, sizeof(memo_t))
    cdef bytes padded = data + bytes(BYTES_READABLE_PAST_END)
    cdef const char* p = PyBytes_AS_STRING(padded)
    cdef uint32_t n = <uint32_t> len(data)
    cdef msg_t m
    cdef uint64_t total = 0
    cdef int _i
    with nogil:
        for _i in range(repeat):
            if again:
                msg_parse_again(memos, &m, p, n)
            else:
                msg_parse(&m, p, n)
            total += m.body_off
    free(memos)
    return total
