# sippx/_core/dialog.pyx: route sets, remote targets, challenges, transactions; the tail of a call's record.
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from sippx._core.blocks cimport BLOCK_CAP, block_acquire, block_release
from sippx._core.calls cimport call_t
from sippx._core.codes cimport *
from sippx._core.expand cimport complain, free_circuit, take_circuit
from sippx._core.hash cimport hash_bytes
from sippx._core.injection cimport injection_pick_line
from sippx._core.message cimport (
    bytes_equal_nocase, header_uri, is_blank, msg_first_value, msg_line_is, msg_line_value, msg_t,
)
from sippx._core.runtime cimport *
from sippx._core.span cimport span_of, span_t
from sippx._core.variables cimport variable_clear

cdef enum:
    ROUTES_CAP = 64              # entries of a route set; further ones are left out


cdef inline span_t nothing() noexcept nogil:
    return span_of(<const char*> b"", 0)


cdef bint dialog_open(runtime_t* rt, call_t* call, uint32_t user_id) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t* lines = call_lines(rt, call)
    if rt.dialog_off == 0:
        return True
    call_dialog(rt, call).user_id = user_id
    for i in range(rt.program.n_files):
        lines[i] = injection_pick_line(rt.files[i], &rt.file_states[i], user_id, &rt.random_state)
    return take_circuit(rt, call)


cdef void release_text(runtime_t* rt, char** text, uint32_t* n) noexcept nogil:
    if text[0] != NULL:
        block_release(rt.calls.blocks, text[0], n[0])
    text[0] = NULL
    n[0] = 0


cdef void dialog_close(runtime_t* rt, call_t* call) noexcept nogil:
    cdef uint32_t i, n = rt.program.n_call_variables
    cdef dialog_t* d
    if rt.users.variables == NULL or call_dialog(rt, call).user_id == 0:
        n += rt.program.n_user_variables
    for i in range(n):
        variable_clear(rt.calls.blocks, call_variable(rt, call, <int> i))
    if rt.dialog_off == 0:
        return
    d = call_dialog(rt, call)
    release_text(rt, &d.routes, &d.routes_len)
    release_text(rt, &d.target, &d.target_len)
    release_text(rt, &d.challenge, &d.challenge_len)
    free_circuit(rt, call)
    if d.user_id:
        users_release(&rt.users, d.user_id)


cdef inline void retire(users_t* u, uint32_t user_id) noexcept nogil:
    u.retired[u.n_retired] = user_id
    u.n_retired += 1
    u.n_active -= 1


cdef void users_release(users_t* u, uint32_t user_id) noexcept nogil:
    """The user's call has ended: its next one comes last, or none where there are more users than wanted."""
    if u.n_active > u.n:
        retire(u, user_id)
        return
    u.front = u.front - 1 if u.front else u.cap - 1
    u.ring[u.front] = user_id
    u.n_free += 1


cdef uint32_t users_take(users_t* u) noexcept nogil:
    cdef uint32_t at
    if u.n_free == 0:
        return 0
    u.n_free -= 1
    at = u.front + u.n_free
    return u.ring[at - u.cap if at >= u.cap else at]


cdef void users_set(users_t* u, uint32_t n) noexcept nogil:
    cdef uint32_t at, user_id
    u.n = n if n < u.cap else u.cap
    while u.n_active < u.n:
        if u.n_retired > 0:
            u.n_retired -= 1
            user_id = u.retired[u.n_retired]
        else:
            u.n_known += 1
            user_id = u.n_known
        at = u.front + u.n_free
        u.ring[at - u.cap if at >= u.cap else at] = user_id
        u.n_free += 1
        u.n_active += 1
    while u.n_active > u.n and u.n_free > 0:
        retire(u, users_take(u))


cdef void keep_joined(runtime_t* rt, call_t* call, char** text, uint32_t* n, const span_t* parts, uint32_t n_parts,
                      const char* joint, uint32_t joint_len) noexcept nogil:
    cdef uint64_t total = 0
    cdef uint32_t i
    cdef char* p
    release_text(rt, text, n)
    for i in range(n_parts):
        total += parts[i].len + (joint_len if i else 0)
    if total == 0 or total > BLOCK_CAP:
        return
    p = block_acquire(rt.calls.blocks, <uint32_t> total)
    if p == NULL:
        complain(rt, call, COMPLAINT_NO_MEMORY, nothing())
        return
    text[0] = p
    n[0] = <uint32_t> total
    for i in range(n_parts):
        if i:
            memcpy(p, joint, joint_len)
            p += joint_len
        memcpy(p, parts[i].ptr, parts[i].len)
        p += parts[i].len

# --------------------------------------------------------------------------- routes

cdef const char* end_of_element(const char* p, const char* end) noexcept nogil:
    """The comma behind a list element, or the end; commas in quotes and in <...> belong to it."""
    cdef bint quoted = False, angled = False
    while p < end:
        if quoted:
            if p[0] == c'\\' and p + 1 < end:
                p += 1
            elif p[0] == c'"':
                quoted = False
        elif p[0] == c'"':
            quoted = True
        elif p[0] == c'<':
            angled = True
        elif p[0] == c'>':
            angled = False
        elif p[0] == c',' and not angled:
            return p
        p += 1
    return end


cdef span_t trimmed(const char* p, const char* end) noexcept nogil:
    while p < end and is_blank(p[0]):
        p += 1
    while end > p and is_blank((end - 1)[0]):
        end -= 1
    return span_of(p, <uint32_t> (end - p))


cdef uint32_t record_routes(msg_t* m, span_t* routes) noexcept nogil:
    """The entries of all Record-Route fields in their order."""
    cdef uint32_t i, n = 0
    cdef span_t v
    cdef const char* p
    cdef const char* q
    for i in range(m.n_lines):
        if not msg_line_is(m, i, HDR_RECORD_ROUTE, b"Record-Route", 12):
            continue
        v = msg_line_value(m, i)
        p = v.ptr
        while p < v.ptr + v.len and n < ROUTES_CAP:
            q = end_of_element(p, v.ptr + v.len)
            routes[n] = trimmed(p, q)
            n += routes[n].len > 0
            p = q + 1
    return n


cdef bint is_loose(span_t route) noexcept nogil:
    """Whether the URI has the lr parameter (RFC 3261 16.12.1.1)."""
    cdef uint32_t i
    for i in range(route.len - 2 if route.len > 2 else 0):
        if route.ptr[i] == c';' and bytes_equal_nocase(route.ptr + i + 1, b"lr", 2):
            return True
    return False


cdef span_t contact_uri(msg_t* m) noexcept nogil:
    """The URI of the first Contact: between <>, else up to its parameters."""
    cdef span_t value = msg_first_value(m, HDR_CONTACT)
    cdef span_t uri = header_uri(value)
    cdef const char* p
    if uri.len > 0:
        return uri
    value = trimmed(value.ptr, end_of_element(value.ptr, value.ptr + value.len))
    p = <const char*> memchr(value.ptr, c';', value.len)
    return span_of(value.ptr, <uint32_t> (p - value.ptr)) if p != NULL else value


cdef void dialog_record_routes(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    cdef dialog_t* d = call_dialog(rt, call)
    cdef span_t[ROUTES_CAP + 1] routes
    cdef span_t target = contact_uri(m)
    cdef uint32_t i, n, first = 0
    cdef span_t t
    if d.routes_len > 0:
        return
    if target.len == 0:
        complain(rt, call, COMPLAINT_NO_CONTACT, nothing())
        return
    n = record_routes(m, routes)
    if m.kind != 1:              # of a response: the nearest proxy is last
        for i in range(n // 2):
            t = routes[i]
            routes[i] = routes[n - 1 - i]
            routes[n - 1 - i] = t
    if n > 0 and not is_loose(routes[0]):
        # a strict router: it is the request's target, the peer itself the last route
        t = header_uri(routes[0])
        routes[n] = msg_first_value(m, HDR_CONTACT)
        target = t if t.len else routes[0]
        n += 1
        first = 1
    keep_joined(rt, call, &d.target, &d.target_len, &target, 1, b"", 0)
    keep_joined(rt, call, &d.routes, &d.routes_len, routes + first, n - first, b", ", 2)

# --------------------------------------------------------------------------- challenges

cdef uint32_t challenges(msg_t* m, uint32_t header, const char* name, uint32_t name_len, span_t* values) noexcept nogil:
    cdef uint32_t i, n = 0
    for i in range(m.n_lines):
        if n < ROUTES_CAP and msg_line_is(m, i, header, name, name_len):
            values[n] = msg_line_value(m, i)
            n += 1
    return n


cdef bint is_kept(const dialog_t* d, const span_t* values, uint32_t n) noexcept nogil:
    """Whether the same challenge came again: its nonce count goes on."""
    cdef const char* p = d.challenge
    cdef uint32_t i, k, left = d.challenge_len
    for i in range(n):
        if left < values[i].len + <int> (i > 0):
            return False
        if i:
            p += 1
            left -= 1
        for k in range(values[i].len):
            if p[k] != values[i].ptr[k]:
                return False
        p += values[i].len
        left -= values[i].len
    return n > 0 and left == 0


cdef void dialog_keep_challenge(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    cdef dialog_t* d = call_dialog(rt, call)
    cdef span_t[ROUTES_CAP] values
    cdef uint16_t status = 407 if m.status_code == 407 else 401
    cdef uint32_t n = 0, attempt
    if m.status_code != 401 and m.status_code != 407:
        return
    for attempt in range(2):     # some servers send the other status's header, and SIPp answers them, too
        if (status == 407) == (attempt == 0):
            n = challenges(m, HDR_PROXY_AUTHENTICATE, b"Proxy-Authenticate", 18, values)
        else:
            n = challenges(m, HDR_WWW_AUTHENTICATE, b"WWW-Authenticate", 16, values)
        if n:
            break
    if n == 0 or d.challenge_status == status and is_kept(d, values, n):
        return
    keep_joined(rt, call, &d.challenge, &d.challenge_len, values, n, b"\0", 1)  # folded values hold line ends
    d.challenge_status = status
    d.nonce_count = 0

# --------------------------------------------------------------------------- transactions

cdef uint64_t branch_hash(msg_t* m) noexcept nogil:
    cdef span_t via = msg_first_value(m, HDR_VIA)
    cdef const char* p = via.ptr
    cdef const char* end = via.ptr + via.len
    cdef const char* q
    while p < end:
        p = <const char*> memchr(p, c';', end - p)
        if p == NULL:
            return 0
        p += 1
        while p < end and is_blank(p[0]):
            p += 1
        if end - p > 7 and bytes_equal_nocase(p, b"branch=", 7):
            p += 7
            q = p
            while q < end and q[0] != c';' and q[0] != c',' and not is_blank(q[0]):
                q += 1
            return hash_bytes(p, <uint32_t> (q - p), 0) | 1
    return 0
