# sippx/_core/message.pxd: a parsed SIP message and the ways to look into it.
#
# msg_t borrows the datagram: offsets and spans point into `data`, which must stay alive and be
# readable BYTES_READABLE_PAST_END bytes past `len`. A folded header field is one line: the end of
# line i is the start of line i+1.
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memchr, memcmp

from sippx._core.codes cimport HDR_OTHER, N_HEADER_IDS
from sippx._core.span cimport span_of, span_t

cdef enum:
    MSG_LINES_CAP = 256      # header fields indexed; later ones only end the header section
    MSG_LEN_CAP = 65535

cdef enum MsgKind:
    MSG_REQUEST = 1
    MSG_RESPONSE = 2

cdef struct msg_t:
    const char* data
    uint32_t len
    uint8_t kind                        # MsgKind
    uint8_t method                      # Method of a request
    uint16_t status_code                # of a response
    uint8_t cseq_method                 # Method
    uint8_t folded                      # some header field spans several lines
    uint16_t n_lines
    uint32_t cseq_number
    uint32_t body_off                   # first byte behind the empty line; len where there is no body
    uint32_t headers_end                # end of the last header line
    span_t method_text                  # of a request
    span_t call_id
    span_t cseq_method_text
    uint32_t repeated                   # bit per HeaderId: the field occurs more than once
    uint16_t first[N_HEADER_IDS]        # 1 + index of the first line with that id, 0: none
    uint16_t line_off[MSG_LINES_CAP + 1]
    uint16_t line_value[MSG_LINES_CAP]  # offset behind the colon, 0 where nobody looked yet
    uint8_t line_id[MSG_LINES_CAP]      # HeaderId

cdef inline bint is_blank(char c) noexcept nogil:
    """Space, tab, CR, LF; one comparison settles nearly every character."""
    return <uint8_t> c <= 32 and (c == c' ' or c == c'\t' or c == c'\r' or c == c'\n')

cdef inline span_t msg_line_value(msg_t* m, uint32_t i) noexcept nogil:
    """Field value of header line i, white space trimmed at both ends; folds are still inside."""
    cdef uint32_t p = m.line_value[i]
    cdef uint32_t end = m.line_off[i + 1]
    cdef const char* d = m.data
    cdef const char* colon
    if p == 0:
        p = m.line_off[i]
        colon = <const char*> memchr(d + p, c':', end - p)
        p = <uint32_t> (colon - d) + 1 if colon != NULL else end
    while p < end and is_blank(d[p]):
        p += 1
    while end > p and is_blank(d[end - 1]):
        end -= 1
    return span_of(d + p, end - p)

cdef inline bint bytes_equal_nocase(const char* a, const char* b, uint32_t n) noexcept nogil:
    cdef uint32_t i
    cdef uint8_t x, y
    for i in range(n):
        x = <uint8_t> a[i]
        y = <uint8_t> b[i]
        if 65 <= x <= 90:
            x |= 32
        if 65 <= y <= 90:
            y |= 32
        if x != y:
            return False
    return True

cdef inline bint msg_line_is(msg_t* m, uint32_t i, uint32_t header_id, const char* name,
                             uint32_t name_len) noexcept nogil:
    """Whether line i carries that header field; unknown fields (HDR_OTHER) are compared by name."""
    cdef uint32_t p, end
    if m.line_id[i] != header_id:
        return False
    if header_id != HDR_OTHER:
        return True
    p = m.line_off[i]
    end = m.line_off[i + 1]
    if end - p <= name_len or not bytes_equal_nocase(m.data + p, name, name_len):
        return False
    p += name_len
    while p < end and (m.data[p] == c' ' or m.data[p] == c'\t'):
        p += 1
    return p < end and m.data[p] == c':'

cdef inline span_t msg_first_value(msg_t* m, uint32_t header_id) noexcept nogil:
    """Value of the first field with a known id; an empty span where there is none."""
    if m.first[header_id] == 0:
        return span_of(m.data, 0)
    return msg_line_value(m, m.first[header_id] - 1)

cdef inline span_t header_tag(span_t value) noexcept nogil:
    """The tag parameter of a From or To value (RFC 3261 20.39), empty where there is none."""
    cdef const char* p = value.ptr
    cdef const char* end = value.ptr + value.len
    cdef const char* q
    cdef bint quoted = False
    # a display name may hold '<', '>' and ';' in quotes; parameters of the URI are inside <...>
    while p < end:
        if quoted:
            if p[0] == c'\\':
                p += 1
            elif p[0] == c'"':
                quoted = False
        elif p[0] == c'"':
            quoted = True
        elif p[0] == c'<':
            q = <const char*> memchr(p, c'>', end - p)
            if q == NULL:
                return span_of(value.ptr, 0)
            p = q
        elif p[0] == c';':
            p += 1
            while p < end and is_blank(p[0]):
                p += 1
            if end - p > 4 and bytes_equal_nocase(p, "tag", 3):
                q = p + 3
                while q < end and is_blank(q[0]):
                    q += 1
                if q < end and q[0] == c'=':
                    q += 1
                    while q < end and is_blank(q[0]):
                        q += 1
                    p = q
                    while p < end and p[0] != c';' and p[0] != c',' and not is_blank(p[0]):
                        p += 1
                    return span_of(q, <uint32_t> (p - q))
            continue
        p += 1
    return span_of(value.ptr, 0)

cdef inline span_t header_uri(span_t value) noexcept nogil:
    """The text between the first '<' outside quotes and its '>' of a name-addr, empty where there is none."""
    cdef const char* p = value.ptr
    cdef const char* end = value.ptr + value.len
    cdef const char* q
    cdef bint quoted = False
    while p < end:
        if quoted:
            if p[0] == c'\\':
                p += 1
            elif p[0] == c'"':
                quoted = False
        elif p[0] == c'"':
            quoted = True
        elif p[0] == c'<':
            q = <const char*> memchr(p, c'>', end - p)
            if q == NULL:
                return span_of(value.ptr, 0)
            return span_of(p + 1, <uint32_t> (q - p - 1))
        p += 1
    return span_of(value.ptr, 0)
