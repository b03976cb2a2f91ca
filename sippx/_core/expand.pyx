# sippx/_core/expand.pyx: expands what depends on a call: variables, fields, files, routes, credentials.
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod
from libc.string cimport memchr, memcpy, memmove, memset, strlen

from sippx._core.bits cimport BYTES_READABLE_PAST_END, unlikely
from sippx._core.calls cimport call_call_id, call_peer_tag, call_t
from sippx._core.challenge cimport challenge_choose, challenge_t
from sippx._core.codes cimport *
from sippx._core.digest cimport PREFER_AUTH, credentials_t, digest_authorization, digest_error_text
from sippx._core.hash cimport random_u64
from sippx._core.injection cimport INJECTION_E_TOO_LONG, INJECTION_NO_LINE, injection_render_field
from sippx._core.linux cimport O_CLOEXEC, O_NONBLOCK, O_RDONLY, close, open_file, read
from sippx._core.message cimport header_uri, msg_first_value, msg_t
from sippx._core.runtime cimport *
from sippx._core.span cimport span_of, span_t
from sippx._core.tables cimport credential_rows_t, piece_t
from sippx._core.template cimport MESSAGE_CAP, empty_line, put_decimal, render_ctx_t, template_render
from sippx._core.variables cimport variable_number, variable_put

cdef extern from "<string.h>" nogil:
    void* memmem(const void* haystack, size_t n, const void* needle, size_t m)

cdef enum:
    CREDENTIALS = 2              # scratch text of an [authentication]: its parameters, or all of it from a file
    HEADER = 3                   # scratch text of the header field to insert; before that, of file names and lines
    NAME_CAP = 4096
    LINE_CAP = 1024              # a number's text, with the room that the renderer asks for
    CHALLENGES_CAP = 8
    HEADER_CAP = 16384


cdef inline span_t nothing() noexcept nogil:
    return span_of(<const char*> b"", 0)


cdef void complain(runtime_t* rt, call_t* call, int32_t complaint, span_t text) noexcept nogil:
    count(rt, COUNT_WARNINGS)
    trace(rt, TRACE_COMPLAINT, <int32_t> call.step, complaint, call_call_id(call), text)


cdef void expand_context(runtime_t* rt, call_t* call, msg_t* last, render_ctx_t* ctx) noexcept nogil:
    ctx.call_id = call_call_id(call)
    ctx.peer_tag = call_peer_tag(call)
    ctx.call_number = call.call_number
    ctx.elapsed_ns = rt.now_ns - rt.start_ns
    ctx.random_state = &rt.random_state
    ctx.cseq = call.cseq
    ctx.local_port = call_link(rt, call).local_port if unlikely(rt.link_off != 0) else 0
    ctx.last = last
    ctx.expand = expand_piece
    ctx.authorize = authorize
    ctx.runtime = rt
    ctx.call = call
    ctx.auth_at = NULL


cdef span_t expand_text(runtime_t* rt, call_t* call, uint32_t first, uint32_t n, msg_t* last,
                        uint32_t scratch) noexcept nogil:
    cdef render_ctx_t ctx
    cdef char* out = scratch_text(rt, scratch)
    cdef int32_t length
    expand_context(rt, call, last, &ctx)
    length = template_render(rt.program.pieces + first, n, rt.program.pool, &ctx, out, MESSAGE_CAP)
    return span_of(out, <uint32_t> length if length > 0 else 0)

# --------------------------------------------------------------------------- single pieces

cdef inline char* put_text(char* out, char* limit, const char* text, uint32_t n) noexcept nogil:
    if unlikely(limit - out < <int64_t> n):
        return NULL
    memcpy(out, text, n)
    return out + n


cdef char* expand_piece(render_ctx_t* ctx, const piece_t* p, char* out, char* limit) noexcept nogil:
    cdef runtime_t* rt = <runtime_t*> ctx.runtime
    cdef call_t* call = <call_t*> ctx.call
    cdef dialog_t* d
    if p.kind == PIECE_VARIABLE:
        return variable_put(call_variable(rt, call, p.offset), out, limit)
    if p.kind == PIECE_FIELD:
        return expand_field(rt, call, ctx, p, out, limit)
    if p.kind == PIECE_FILE:
        return expand_file(rt, call, ctx, p, out, limit)
    if p.kind == PIECE_FILL:
        return expand_fill(rt, call, p, out, limit)
    if p.kind == PIECE_ROUTES:
        d = call_dialog(rt, call)
        if rt.dialog_off == 0 or d.routes_len == 0:
            return out
        out = put_text(out, limit, b"Route: ", 7)
        return NULL if out == NULL else put_text(out, limit, d.routes, d.routes_len)
    if p.kind == PIECE_NEXT_URL:
        return expand_target(rt, call, ctx, out, limit)
    if limit - out < 64:
        return NULL
    if p.kind == PIECE_TDM_CIRCUIT:
        return expand_circuit(rt, call, out)
    if p.kind == PIECE_DYNAMIC_ID:
        out = put_decimal(out, rt.shared.dynamic_id)
        rt.shared.dynamic_id += rt.shared.dynamic_step
        if rt.shared.dynamic_id > rt.shared.dynamic_max:
            rt.shared.dynamic_id = rt.shared.dynamic_start
        return out
    if p.kind == PIECE_USER_ID:
        return put_decimal(out, call_dialog(rt, call).user_id if rt.dialog_off else 0)
    if p.kind == PIECE_USERS:
        return put_decimal(out, rt.users.n) if rt.users.n else put_text(out, limit, b"-1", 2)
    return out


cdef char* expand_target(runtime_t* rt, call_t* call, render_ctx_t* ctx, char* out, char* limit) noexcept nogil:
    """The remote target that rrs kept, else the URI of the last received To."""
    cdef dialog_t* d = call_dialog(rt, call)
    cdef span_t uri
    if rt.dialog_off != 0 and d.target_len > 0:
        return put_text(out, limit, d.target, d.target_len)
    if ctx.last == NULL:
        return out
    uri = header_uri(msg_first_value(ctx.last, HDR_TO))
    return put_text(out, limit, uri.ptr, uri.len)


cdef char* expand_fill(runtime_t* rt, call_t* call, const piece_t* p, char* out, char* limit) noexcept nogil:
    cdef double number = variable_number(call_variable(rt, call, p.offset))
    cdef int64_t n, i
    if not number >= 1:
        return out
    if number > <double> (limit - out):
        return NULL
    n = <int64_t> number
    if p.len == 0:
        memset(out, c'X', n)
        return out + n
    for i in range(n):
        out[i] = rt.program.pool[p.off + i % p.len]
    return out + n


cdef char* expand_circuit(runtime_t* rt, call_t* call, char* out) noexcept nogil:
    cdef tdm_map_t* t = &rt.shared.tdm
    cdef uint32_t k
    if rt.dialog_off == 0 or call_dialog(rt, call).circuit == 0:
        return out
    k = call_dialog(rt, call).circuit - 1
    out = put_decimal(out, t.first_a + k // (t.n_c * t.n_d) % t.n_a)
    out[0] = c'.'
    out = put_decimal(out + 1, t.b)
    out[0] = c'.'
    out = put_decimal(out + 1, t.first_c + k // t.n_d % t.n_c)
    out[0] = c'/'
    return put_decimal(out + 1, t.first_d + k % t.n_d)


cdef bint take_circuit(runtime_t* rt, call_t* call) noexcept nogil:
    cdef tdm_map_t* t = &rt.shared.tdm
    cdef uint32_t k
    if t.n_circuits == 0:
        return True
    if t.n_taken == t.n_circuits:
        complain(rt, call, COMPLAINT_NO_CIRCUIT, nothing())
        return False
    k = <uint32_t> (random_u64(&rt.random_state) % t.n_circuits)
    while t.taken[k]:
        k = k + 1 if k + 1 < t.n_circuits else 0
    t.taken[k] = 1
    t.n_taken += 1
    call_dialog(rt, call).circuit = <unsigned short> (k + 1)
    return True


cdef void free_circuit(runtime_t* rt, call_t* call) noexcept nogil:
    cdef dialog_t* d = call_dialog(rt, call)
    if d.circuit:
        rt.shared.tdm.taken[d.circuit - 1] = 0
        rt.shared.tdm.n_taken -= 1
        d.circuit = 0

# --------------------------------------------------------------------------- files

cdef span_t nested_text(runtime_t* rt, render_ctx_t* ctx, uint32_t first, uint32_t n, char* out,
                        uint32_t cap) noexcept nogil:
    cdef render_ctx_t inner = ctx[0]
    cdef int32_t length
    inner.authorize = NULL       # what it inserts belongs into a message
    length = template_render(rt.program.pieces + first, n, rt.program.pool, &inner, out, cap)
    return span_of(out, <uint32_t> length if length > 0 else 0)


cdef bint parse_line(span_t text, uint32_t* line) noexcept nogil:
    """A line number as SIPp's variables print it (3.000000), NUL-terminated behind its end; False: no number."""
    cdef char* end = NULL
    cdef double number = strtod(text.ptr, &end)
    if text.len == 0 or end != text.ptr + text.len:
        return False
    line[0] = <uint32_t> number if 0 <= number < 4294967295.0 else <uint32_t> INJECTION_NO_LINE
    return True


cdef char* expand_field(runtime_t* rt, call_t* call, render_ctx_t* ctx, const piece_t* p, char* out,
                        char* limit) noexcept nogil:
    cdef uint32_t line
    cdef int32_t n
    cdef char[16] number
    cdef span_t text
    if p.len == 0:
        line = call_lines(rt, call)[p.arg]
    else:
        text = nested_text(rt, ctx, p.off, p.len, scratch_text(rt, HEADER), LINE_CAP)
        (<char*> text.ptr)[text.len] = 0
        if not parse_line(text, &line):
            complain(rt, call, COMPLAINT_BAD_LINE, text)
            return out
    if line == <uint32_t> INJECTION_NO_LINE:
        return out
    n = injection_render_field(rt.files[p.arg], &rt.file_states[p.arg], line, <uint32_t> p.offset, out,
                               <uint32_t> (limit - out))
    if unlikely(n < 0):
        if n == INJECTION_E_TOO_LONG:
            return NULL
        n = snprintf(number, sizeof(number), "%d", p.offset)
        complain(rt, call, COMPLAINT_NO_FIELD, span_of(number, <uint32_t> n))
        return out
    if unlikely(n > 16 and ctx.authorize != NULL and memmem(out, n, b"[authentication", 15) != NULL):
        return split_field(rt, ctx, out, <uint32_t> n)
    return out + n


cdef char* split_field(runtime_t* rt, render_ctx_t* ctx, char* out, uint32_t n) noexcept nogil:
    """An injected field with an [authentication] in it: the keyword comes out, its header field goes in later."""
    cdef char* start = <char*> memmem(out, n, b"[authentication", 15)
    cdef char* end = out + n
    cdef char* p = start
    cdef char* kept = scratch_text(rt, CREDENTIALS)
    cdef bint quoted = False
    while p < end and (quoted or p[0] != c']'):
        if p[0] == c'"':
            quoted = not quoted
        p += 1
    if p == end or p - start > NAME_CAP:
        return end
    ctx.auth_text = span_of(kept, <uint32_t> (p - start - 1))
    memcpy(kept, start + 1, p - start - 1)
    ctx.auth_piece = NULL
    ctx.auth_at = start
    memmove(start, p + 1, end - p - 1)
    return end - (p + 1 - start)


cdef char* expand_file(runtime_t* rt, call_t* call, render_ctx_t* ctx, const piece_t* p, char* out,
                       char* limit) noexcept nogil:
    """The file as it is at this moment."""
    cdef span_t name = nested_text(rt, ctx, p.off, p.len, scratch_text(rt, HEADER), NAME_CAP)
    cdef int fd
    cdef int64_t n
    (<char*> name.ptr)[name.len] = 0
    fd = open_file(name.ptr, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if fd < 0:
        complain(rt, call, COMPLAINT_NO_FILE, name)
        return NULL
    while out < limit:
        n = read(fd, out, limit - out)
        if n <= 0:
            break
        out += n
    close(fd)
    return out if out < limit else NULL

# --------------------------------------------------------------------------- authentication

cdef span_t parameter(span_t text, const char* name, uint32_t n) noexcept nogil:
    """The value of name="..." or name=word in the text of an injected keyword."""
    cdef const char* end = text.ptr + text.len
    cdef const char* p = <const char*> memmem(text.ptr, text.len, name, n)
    cdef const char* q
    if p == NULL:
        return nothing()
    p += n
    if p < end and p[0] == c'"':
        q = <const char*> memchr(p + 1, c'"', end - p - 1)
        return span_of(p + 1, <uint32_t> ((q if q != NULL else end) - p - 1))
    q = p
    while q < end and q[0] > 32 and q[0] < 127:
        q += 1
    return span_of(p, <uint32_t> (q - p))


cdef span_t next_credential(runtime_t* rt, render_ctx_t* ctx, uint32_t first, uint32_t n, char** out) noexcept nogil:
    """A parameter rendered at out, which moves on; ptr NULL where it was not given."""
    cdef span_t text
    if n == 0:
        return span_of(NULL, 0)
    text = nested_text(rt, ctx, first, n, out[0], NAME_CAP)
    out[0] += text.len + BYTES_READABLE_PAST_END
    return text


cdef void collect_credentials(runtime_t* rt, render_ctx_t* ctx, credentials_t* c) noexcept nogil:
    cdef char* out = scratch_text(rt, CREDENTIALS)
    cdef credential_rows_t* rows
    if ctx.auth_piece == NULL:
        c.username = parameter(ctx.auth_text, b"username=", 9)
        c.password = parameter(ctx.auth_text, b"password=", 9)
        return
    rows = &rt.program.credentials[ctx.auth_piece.arg]
    c.username = next_credential(rt, ctx, rows.username_first, rows.n_username, &out)
    c.password = next_credential(rt, ctx, rows.password_first, rows.n_password, &out)
    c.aka_k = next_credential(rt, ctx, rows.aka_k_first, rows.n_aka_k, &out)
    c.aka_op = next_credential(rt, ctx, rows.aka_op_first, rows.n_aka_op, &out)
    c.aka_amf = next_credential(rt, ctx, rows.aka_amf_first, rows.n_aka_amf, &out)


cdef uint32_t split_challenges(const dialog_t* d, span_t* values) noexcept nogil:
    cdef const char* p = d.challenge
    cdef const char* end = p + d.challenge_len
    cdef const char* q
    cdef uint32_t n = 0
    while p < end and n < CHALLENGES_CAP:
        q = <const char*> memchr(p, 0, end - p)
        if q == NULL:
            q = end
        values[n] = span_of(p, <uint32_t> (q - p))
        n += 1
        p = q + 1
    return n


cdef char* authorize(render_ctx_t* ctx, char* start, char* end, char* limit) noexcept nogil:
    cdef runtime_t* rt = <runtime_t*> ctx.runtime
    cdef call_t* call = <call_t*> ctx.call
    cdef dialog_t* d = call_dialog(rt, call)
    cdef credentials_t c
    cdef challenge_t challenge
    cdef span_t[CHALLENGES_CAP] values
    cdef char* header = scratch_text(rt, HEADER)
    cdef char* p
    cdef const char* text
    cdef int32_t n
    if d.challenge_len == 0:
        complain(rt, call, COMPLAINT_NO_CHALLENGE, nothing())
        return NULL
    memset(&c, 0, sizeof(c))
    collect_credentials(rt, ctx, &c)
    p = <char*> memchr(start, c' ', end - start)
    c.method = span_of(start, <uint32_t> ((p if p != NULL else end) - start))
    p = empty_line(start, end, ctx.auth_at)
    c.body = span_of(p + 4, <uint32_t> (end - p - 4)) if p != NULL else nothing()
    c.uri = rt.auth_uri
    c.qop_preference = PREFER_AUTH
    c.sqn_ms = &d.aka_sqn
    c.nc = d.nonce_count + 1
    c.cnonce = random_u64(&rt.random_state)
    n = challenge_choose(values, split_challenges(d, values), c.aka_k.ptr != NULL, d.challenge_status == 407,
                         &challenge)
    if n >= 0:
        n = digest_authorization(rt.digest, &challenge, &c, header, HEADER_CAP)
    if n < 0 or limit - end < n:
        text = digest_error_text(n)
        complain(rt, call, COMPLAINT_AUTHENTICATION, span_of(text, <uint32_t> strlen(text)))
        return NULL
    d.nonce_count += 1
    memmove(ctx.auth_at + n, ctx.auth_at, end - ctx.auth_at)
    memcpy(ctx.auth_at, header, n)
    return end + n
