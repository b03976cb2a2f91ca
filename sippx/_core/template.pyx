# sippx/_core/template.pyx: the template renderer and its Python test surface.
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcpy, memset

from sippx._core.bits cimport BYTES_READABLE_PAST_END, copy_wild, likely, unlikely
from sippx._core.clock cimport wall_ns
from sippx._core.codes cimport *
from sippx._core.hash cimport random_u64
from sippx._core.message cimport (
    MSG_LEN_CAP, header_uri, msg_first_value, msg_line_is, msg_line_value, msg_t,
)
from sippx._core.parser cimport PARSE_E_NO_CALL_ID, PARSE_OK, msg_parse
from sippx._core.span cimport span_of, span_t
from sippx._core.tables cimport piece_t

cdef extern from "<string.h>" nogil:
    void* memmem(const void* haystack, size_t n, const void* needle, size_t m)

cdef extern from *:
    """
    #include <time.h>
    #include <stdio.h>
    static const char sippx_digits2[201] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    /* SIPp's trace time: local date TAB time TAB epoch */
    static int sippx_put_timestamp(char *out, size_t cap) {
        struct timespec t; struct tm tm;
        clock_gettime(CLOCK_REALTIME, &t);
        localtime_r(&t.tv_sec, &tm);
        return snprintf(out, cap, "%04d-%02d-%02d\\t%02d:%02d:%02d.%06ld\\t%lld.%06ld",
            tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, t.tv_nsec / 1000,
            (long long)t.tv_sec, t.tv_nsec / 1000);
    }
    /* RFC 3261 20.17, always GMT and in English */
    static int sippx_put_date(char *out, size_t cap) {
        static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        time_t t = time(NULL); struct tm tm;
        gmtime_r(&t, &tm);
        return snprintf(out, cap, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday, tm.tm_mday,
            months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    }
    """
    const char* DIGITS2 "sippx_digits2"
    int put_timestamp "sippx_put_timestamp"(char* out, size_t cap) nogil
    int put_date "sippx_put_date"(char* out, size_t cap) nogil


cdef enum:
    LEN_CAP = 8                  # [len]s of one message that are filled in; more print 0


cdef char* put_decimal(char* out, uint64_t v) noexcept nogil:
    cdef char[24] digits
    cdef char* p = digits + 20
    cdef uint64_t q
    while v >= 100:
        q = v // 100
        p -= 2
        memcpy(p, DIGITS2 + 2 * (v - q * 100), 2)
        v = q
    if v >= 10:
        p -= 2
        memcpy(p, DIGITS2 + 2 * v, 2)
    else:
        p -= 1
        p[0] = <char> (48 + v)
    memcpy(out, p, digits + 20 - p)
    return out + (digits + 20 - p)


cdef inline char* put_signed(char* out, int64_t v) noexcept nogil:
    if v < 0:
        out[0] = c'-'
        return put_decimal(out + 1, <uint64_t> (-v))
    return put_decimal(out, <uint64_t> v)


cdef char* put_unfolded(char* out, span_t v) noexcept nogil:
    """A field value on one line: each line end with its white space becomes one space (RFC 3261 7.3.1)."""
    cdef const char* p = v.ptr
    cdef const char* end = v.ptr + v.len
    if likely(memchr(p, c'\n', v.len) == NULL):
        return copy_wild(out, p, v.len)
    while p < end:
        if p[0] == c'\r' or p[0] == c'\n':
            while (out - 1)[0] == c' ' or (out - 1)[0] == c'\t':
                out -= 1
            while p < end and (p[0] == c'\r' or p[0] == c'\n' or p[0] == c' ' or p[0] == c'\t'):
                p += 1
            out[0] = c' '
            out += 1
        else:
            out[0] = p[0]
            out += 1
            p += 1
    return out


cdef inline char* put_value(char* out, char* limit, msg_t* m, uint32_t line) noexcept nogil:
    """The value of a header line; NULL where it does not fit (two bytes stay free)."""
    cdef span_t v = msg_line_value(m, line)
    if unlikely(<uint64_t> (limit - out) < <uint64_t> v.len + 2):
        return NULL
    if unlikely(m.folded):
        return put_unfolded(out, v)
    return copy_wild(out, v.ptr, v.len)


cdef char* put_last_header(char* out, char* limit, msg_t* m, uint32_t id_, const char* name,
                           uint32_t name_len) noexcept nogil:
    """"Name: v1, v2", all fields of that name; nothing where there is none; NULL where it does not fit."""
    cdef uint32_t i = m.first[id_]
    cdef bint any_ = False
    cdef char* value
    if i == 0 or <uint64_t> (limit - out) < <uint64_t> name_len + 2:
        return out if i == 0 else NULL
    i -= 1
    if likely(id_ != HDR_OTHER and m.repeated >> id_ & 1 == 0):
        out = copy_wild(out, name, name_len)
        memcpy(out, b": ", 2)
        value = put_value(out + 2, limit, m, i)
        # as SIPp: no blank behind the colon of a field without a value
        return value - 1 if unlikely(value == out + 2) else value
    for i in range(i, m.n_lines):
        if not msg_line_is(m, i, id_, name, name_len):
            continue
        if any_:
            memcpy(out, b", ", 2)
        else:
            out = copy_wild(out, name, name_len)
            memcpy(out, b": ", 2)
            any_ = True
        value = put_value(out + 2, limit, m, i)
        if value == NULL:
            return NULL
        out = value - 1 if value == out + 2 else value
    return out


cdef char* empty_line(char* start, char* end, const char* auth_at) noexcept nogil:
    cdef char* p = <char*> memmem(start, end - start, b"\r\n\r\n", 4)
    if p != NULL and p < auth_at < p + 4:
        return <char*> memmem(auth_at, end - auth_at, b"\r\n\r\n", 4)
    return p


cdef void put_len(char* at, char* start, char* end, int32_t offset, const char* auth_at) noexcept nogil:
    """Fills the five characters kept for [len] with the body's length."""
    cdef char* body = empty_line(start, end, auth_at)
    cdef int64_t n = offset
    cdef char[32] text
    if body != NULL:
        n += end - body - 4
    snprintf(text, sizeof(text), "%5lld", <long long> n)
    memcpy(at, text, 5)


cdef char* put_hex(char* out, uint64_t bits, uint32_t n_digits) noexcept nogil:
    """The highest n_digits hexadecimal digits of bits."""
    cdef uint32_t i
    for i in range(n_digits):
        out[i] = (b"0123456789abcdef")[bits >> 60]
        bits <<= 4
    return out + n_digits


cdef char* put_random(char* out, uint64_t* state, uint32_t form) noexcept nogil:
    """Random text, at most 36 bytes (RandomText)."""
    cdef uint64_t high, low
    cdef bint dashes = form == RANDOM_UUID
    if form == RANDOM_DECIMAL:
        return put_decimal(out, random_u64(state) >> 33)
    high = random_u64(state)
    low = random_u64(state)
    if form != RANDOM_HEX:
        # RFC 9562 5.4: version 4, variant 10
        high = high & 0xFFFFFFFFFFFF0FFFULL | 0x4000ULL
        low = low & 0x3FFFFFFFFFFFFFFFULL | 0x8000000000000000ULL
    out = put_hex(out, high, 8)
    if not dashes:
        return put_hex(put_hex(out, high << 32, 8), low, 16)
    out[0] = c'-'
    out = put_hex(out + 1, high << 32, 4)
    out[0] = c'-'
    out = put_hex(out + 1, high << 48, 4)
    out[0] = c'-'
    out = put_hex(out + 1, low, 4)
    out[0] = c'-'
    return put_hex(out + 1, low << 16, 12)


cdef int32_t template_render(const piece_t* pieces, uint32_t n_pieces, const char* pool, render_ctx_t* ctx,
                             char* out, uint32_t cap) noexcept nogil:
    cdef char* start = out
    cdef char* limit = out + cap
    cdef char* len_at[LEN_CAP]
    cdef uint32_t n_lens = 0
    cdef char* q
    cdef const piece_t* p
    cdef const char* text
    cdef const piece_t* end = pieces + n_pieces
    cdef int32_t len_offset[LEN_CAP]
    cdef uint32_t n, kind, i
    cdef span_t v
    cdef bint drop_space = False

    ctx.auth_at = NULL
    p = pieces
    while p < end:
        # 40 bytes hold any number or date that the small pieces print
        if unlikely(<uint64_t> (limit - out) < <uint64_t> p.len + 64):
            if <uint64_t> (limit - out) < p.len or p.kind != PIECE_LITERAL:
                return RENDER_E_TOO_LONG
        kind = p.kind
        if kind == PIECE_LITERAL:
            text = pool + p.off
            n = p.len
            if unlikely(drop_space):
                drop_space = False
                while n > 0 and (text[0] == c'\r' or text[0] == c'\n' or text[0] == c' ' or text[0] == c'\t'):
                    text += 1
                    n -= 1
            out = copy_wild(out, text, n)
            p += 1
            continue
        elif kind == PIECE_CALL_NUMBER:
            out = put_decimal(out, ctx.call_number)
        elif kind == PIECE_CALL_ID:
            if unlikely(<uint64_t> (limit - out) < ctx.call_id.len):
                return RENDER_E_TOO_LONG
            out = copy_wild(out, ctx.call_id.ptr, ctx.call_id.len)
        elif kind == PIECE_PEER_TAG:
            if ctx.peer_tag.len > 0:
                if unlikely(<uint64_t> (limit - out) < <uint64_t> ctx.peer_tag.len + 5):
                    return RENDER_E_TOO_LONG
                memcpy(out, b";tag=", 5)
                out = copy_wild(out + 5, ctx.peer_tag.ptr, ctx.peer_tag.len)
        elif kind == PIECE_LAST_HEADER:
            if ctx.last != NULL:
                q = put_last_header(out, limit, ctx.last, p.arg, pool + p.off, p.len)
                if unlikely(q == NULL):
                    return RENDER_E_TOO_LONG
                out = q
        elif kind == PIECE_CSEQ:
            out = put_signed(out, <int64_t> ctx.cseq + p.offset)
        elif kind == PIECE_LEN:
            if n_lens < LEN_CAP:
                len_at[n_lens] = out
                len_offset[n_lens] = p.offset
                n_lens += 1
            memcpy(out, b"    0", 5)
            out += 5
        elif kind == PIECE_LAST_REQUEST_URI:
            if ctx.last != NULL:
                v = header_uri(msg_first_value(ctx.last, HDR_TO))
                if unlikely(<uint64_t> (limit - out) < v.len):
                    return RENDER_E_TOO_LONG
                out = put_unfolded(out, v)
        elif kind == PIECE_LAST_CSEQ_NUMBER:
            out = put_signed(out, (<int64_t> ctx.last.cseq_number if ctx.last != NULL else 0) + p.offset)
        elif kind == PIECE_LAST_MESSAGE:
            if ctx.last != NULL:
                if unlikely(<uint64_t> (limit - out) < ctx.last.len):
                    return RENDER_E_TOO_LONG
                out = copy_wild(out, ctx.last.data, ctx.last.len)
        elif kind == PIECE_CLOCK_TICK:
            out = put_decimal(out, ctx.elapsed_ns // 1000000)
        elif kind == PIECE_TIMESTAMP:
            out += put_timestamp(out, 64)
        elif kind == PIECE_DATE:
            out += put_date(out, 64)
        elif kind == PIECE_LOCAL_PORT:
            out = put_signed(out, <int64_t> (ctx.local_port if ctx.local_port else <uint32_t> p.arg) + p.offset)
        elif kind == PIECE_AUTO_MEDIA_PORT:
            out = put_signed(out, <int64_t> p.arg + <int64_t> ((4 * (ctx.call_number - 1)) % 10000) + p.offset)
        elif kind == PIECE_RANDOM:
            out = put_random(out, ctx.random_state, p.arg)
        elif kind == PIECE_WALL_US:
            out = put_decimal(out, wall_ns() // 1000)
        elif kind == PIECE_AUTHENTICATION:
            ctx.auth_at = out
            ctx.auth_piece = p
        elif ctx.expand != NULL:
            q = ctx.expand(ctx, p, out, limit)
            if unlikely(q == NULL):
                return RENDER_E_TOO_LONG
            out = q
        if p.suppress and (out == start or (out - 1)[0] == c'\n') and out != ctx.auth_at:
            drop_space = out != start
        p += 1
    for i in range(n_lens):
        put_len(len_at[i], start, out, len_offset[i], ctx.auth_at)
    if unlikely(ctx.auth_at != NULL) and ctx.authorize != NULL:
        out = ctx.authorize(ctx, start, out, limit)
        if out == NULL:
            return RENDER_E_NOT_AUTHORIZED
    return <int32_t> (out - start)

# --------------------------------------------------------------------------- test surface


def render(pieces not None, bytes pool not None, *, uint64_t call_number=1, bytes call_id=b"", bytes peer_tag=b"",
           uint32_t cseq=0, uint32_t local_port=0, bytes last=None, uint64_t elapsed_ns=0, uint32_t cap=MESSAGE_CAP,
           int repeat=1):
    """Renders PIECE_DTYPE rows over a literal pool; the bytes, or None where they exceed cap.

    last is the raw last received message; repeat renders again and again for benchmarks. Piece ranges
    are checked here as Program does (ValueError).
    """
    cdef const piece_t[::1] rows = pieces
    cdef bytes padded_pool = pool + bytes(BYTES_READABLE_PAST_END)
    cdef bytes padded_call_id = call_id + bytes(BYTES_READABLE_PAST_END)
    cdef bytes padded_tag = peer_tag + bytes(BYTES_READABLE_PAST_END)
    cdef bytes padded_last = (last or b"") + bytes(BYTES_READABLE_PAST_END)
    cdef bytearray out = bytearray(cap + 2 * BYTES_READABLE_PAST_END)
    cdef char* out_p = out
    cdef const char* pool_p = padded_pool
    cdef render_ctx_t ctx
    cdef msg_t m
    cdef uint64_t state = 88172645463325252ULL
    cdef int32_t n = 0
    cdef int i, _i, status
    cdef const piece_t* first = &rows[0] if rows.shape[0] else NULL
    cdef uint32_t n_rows = <uint32_t> rows.shape[0]
    for i in range(<int> n_rows):
        if rows[i].kind >= N_PIECE_KINDS or <uint64_t> rows[i].off + rows[i].len > <uint64_t> len(pool):
            raise ValueError(f"piece {i}: kind or literal range out of bounds")
        if rows[i].kind == PIECE_LAST_HEADER and rows[i].arg >= N_HEADER_IDS:
            raise ValueError(f"piece {i}: no such header id")
        if rows[i].kind == PIECE_RANDOM and rows[i].arg >= N_RANDOM_TEXTS:
            raise ValueError(f"piece {i}: no such random text")
    memset(&ctx, 0, sizeof(ctx))
    ctx.call_id = span_of(padded_call_id, <uint32_t> len(call_id))
    ctx.peer_tag = span_of(padded_tag, <uint32_t> len(peer_tag))
    ctx.call_number = call_number
    ctx.cseq = cseq
    ctx.local_port = local_port
    ctx.elapsed_ns = elapsed_ns
    ctx.random_state = &state
    if last is not None:
        status = msg_parse(&m, padded_last, <uint32_t> min(len(last), MSG_LEN_CAP + 1))
        if status != PARSE_OK and status != PARSE_E_NO_CALL_ID:
            raise ValueError("last is not a SIP message")
        ctx.last = &m
    # a byte in front of the output lets the suppression rule look back safely
    out_p += BYTES_READABLE_PAST_END // 2
    with nogil:
        for _i in range(repeat):
            n = template_render(first, n_rows, pool_p, &ctx, out_p, cap)
    return PyBytes_FromStringAndSize(out_p, n) if n >= 0 else None
