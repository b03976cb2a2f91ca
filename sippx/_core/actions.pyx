# sippx/_core/actions.pyx: the actions: they look into messages, set variables, count failures, command the run.
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod, strtol
from libc.string cimport memchr, memcmp, memcpy, memset, strlen

from sippx._core.address cimport ADDRESS_CONNECTION, VIA_UNATTACHED, address_from_sockaddr, address_t
from sippx._core.calls cimport CALL_INIT, call_call_id, call_t
from sippx._core.clock cimport wall_ns
from sippx._core.codes cimport *
from sippx._core.digest cimport digest_verify
from sippx._core.expand cimport complain, expand_text
from sippx._core.injection cimport injection_insert, injection_lookup, injection_replace
from sippx._core.linux cimport SOCK_DGRAM, addrinfo, freeaddrinfo, getaddrinfo, sockaddr_storage
from sippx._core.message cimport bytes_equal_nocase, msg_first_value, msg_t
from sippx._core.regex cimport REGEX_MATCHES, regex_match_t, regex_search
from sippx._core.runtime cimport *
from sippx._core.sample cimport sample_value
from sippx._core.span cimport span_of, span_t
from sippx._core.tables cimport action_t, pause_t
from sippx._core.variables cimport (
    VAR_MATCH, VAR_TEXT, variable_number, variable_set_number, variable_set_text, variable_set_truth, variable_t,
    variable_text,
)

cdef extern from "<string.h>" nogil:
    void* memmem(const void* haystack, size_t n, const void* needle, size_t m)

cdef enum:
    HEADER_VALUE_CAP = 2048      # SIPp looks at no more of a header line
    NUMBER_CAP = 64
    PORT_CAP = 16
    END_MAX_MS = 4503599627370496    # 2^52: engine time at which a restored pause ends at the latest
    SUBJECT_CAP = SCRATCH_STRIDE - 256   # of an ereg that assigns to what it looks into

cdef struct scene_t:
    # what the actions of one step see and change
    runtime_t* rt
    call_t* call
    span_t text
    msg_t* m
    msg_t* last
    outcome_t outcome


cdef inline span_t nothing() noexcept nogil:
    return span_of(<const char*> b"", 0)


cdef inline variable_t* variable(scene_t* s, int32_t v) noexcept nogil:
    return call_variable(s.rt, s.call, v)


cdef inline span_t first_text(scene_t* s, const action_t* a) noexcept nogil:
    return expand_text(s.rt, s.call, a.piece_first, a.n_pieces, s.last, 0)


cdef inline span_t second_text(scene_t* s, const action_t* a) noexcept nogil:
    return expand_text(s.rt, s.call, a.piece2_first, a.n_pieces2, s.last, 1)


cdef inline double operand(scene_t* s, const action_t* a) noexcept nogil:
    return variable_number(variable(s, a.source)) if a.source >= 0 else a.value


cdef inline void set_number(scene_t* s, int32_t target, double number) noexcept nogil:
    if target >= 0:
        variable_set_number(s.rt.calls.blocks, variable(s, target), number)


cdef void set_text(scene_t* s, int32_t target, uint32_t kind, span_t text) noexcept nogil:
    if not variable_set_text(s.rt.calls.blocks, variable(s, target), kind, text):
        complain(s.rt, s.call, COMPLAINT_NO_MEMORY, nothing())


cdef inline void fail(scene_t* s, uint32_t counter, int32_t complaint, span_t text) noexcept nogil:
    complain(s.rt, s.call, complaint, text)
    s.outcome.failure = counter

# --------------------------------------------------------------------------- looking into messages

cdef inline bint name_at(const action_t* a, const char* name, const char* p) noexcept nogil:
    return bytes_equal_nocase(p, name, a.text_len) if a.case_indep else memcmp(p, name, a.text_len) == 0


cdef const char* find_header(const action_t* a, const char* name, span_t text, const char* p) noexcept nogil:
    """The header's text at or behind p, anywhere in the message as SIPp looks for it; NULL where there is none."""
    cdef const char* end = text.ptr + text.len
    while p < end and end - p >= a.text_len:
        if not a.case_indep and not a.start_line:
            return <const char*> memmem(p, end - p, name, a.text_len)
        if a.start_line and p != text.ptr and (p - 1)[0] != c'\n':
            p = <const char*> memchr(p, c'\n', end - p)
            if p == NULL:
                return NULL
            p += 1
            continue
        if name_at(a, name, p):
            return p
        p += 1
    return NULL


cdef bint header_text(scene_t* s, const action_t* a, span_t* found) noexcept nogil:
    """The rest of the line behind the n-th occurrence of the header's text."""
    cdef const char* name = s.rt.program.pool + a.text_off
    cdef const char* end = s.text.ptr + s.text.len
    cdef const char* p = s.text.ptr
    cdef const char* q
    cdef uint32_t left = a.occurrence
    found[0] = nothing()
    if a.text_len == 0:
        return False
    while True:
        p = find_header(a, name, s.text, p)
        if p == NULL:
            return False
        p += a.text_len
        left -= 1
        if left == 0:
            break
    q = p
    while q < end and q[0] != c'\r' and q[0] != c'\n' and q - p < HEADER_VALUE_CAP:
        q += 1
    found[0] = span_of(p, <uint32_t> (q - p))
    return True


cdef bint subject_of(scene_t* s, const action_t* a, span_t* subject) noexcept nogil:
    """What an ereg looks at; False where its header is not there."""
    cdef const char* body
    if a.search_in == SEARCH_HEADER:
        return header_text(s, a, subject)
    if a.search_in == SEARCH_VARIABLE:
        subject[0] = variable_text(variable(s, a.source)) if a.source >= 0 else nothing()
    elif a.search_in == SEARCH_BODY:
        subject[0] = nothing()
        if s.m != NULL and s.m.data == s.text.ptr:   # received: its lines may end in LF only
            subject[0] = span_of(s.m.data + s.m.body_off, s.m.len - s.m.body_off)
            return True
        body = <const char*> memmem(s.text.ptr, s.text.len, b"\r\n\r\n", 4)
        if body != NULL:
            subject[0] = span_of(body + 4, <uint32_t> (s.text.ptr + s.text.len - body - 4))
    else:
        subject[0] = s.text
    return True


cdef span_t kept_apart(scene_t* s, const action_t* a, span_t subject) noexcept nogil:
    """The subject of an ereg that also assigns to the variable it looks into: a copy, as the original goes."""
    cdef char* copy = scratch_text(s.rt, 0)
    cdef uint32_t i, n = subject.len if subject.len < SUBJECT_CAP else SUBJECT_CAP
    if a.search_in != SEARCH_VARIABLE:
        return subject
    for i in range(a.n_targets):
        if s.rt.program.targets[a.targets_first + i] == a.source:
            memcpy(copy, subject.ptr, n)
            return span_of(copy, n)
    return subject


cdef void run_ereg(scene_t* s, const action_t* a) noexcept nogil:
    cdef span_t subject
    cdef regex_match_t m
    cdef uint32_t i
    cdef int32_t target
    if not subject_of(s, a, &subject) and a.check == CHECK_IT:
        fail(s, COUNT_FAILED_REGEXP_HDR_NOT_FOUND, COMPLAINT_NO_HEADER,
             span_of(s.rt.program.pool + a.text_off, a.text_len))
        return
    subject = kept_apart(s, a, subject)
    if not regex_search(s.rt.program.regexes[a.row], subject.ptr, subject.len, &m):
        if a.check == CHECK_IT:
            fail(s, COUNT_FAILED_REGEXP_DOESNT_MATCH, COMPLAINT_REGEXP, subject)
        return
    if a.check == CHECK_IT_INVERSE:
        fail(s, COUNT_FAILED_REGEXP_SHOULDNT_MATCH, COMPLAINT_REGEXP_INVERSE, subject)
        return
    for i in range(a.n_targets):
        target = s.rt.program.targets[a.targets_first + i]
        if i < <uint32_t> REGEX_MATCHES and m.start[i] >= 0:
            set_text(s, target, VAR_MATCH, span_of(subject.ptr + m.start[i], <uint32_t> (m.end[i] - m.start[i])))
        else:
            set_text(s, target, VAR_MATCH, nothing())

# --------------------------------------------------------------------------- numbers and texts

cdef bint compare(uint32_t how, double x, double y) noexcept nogil:
    if how == COMPARE_EQUAL:
        return x == y
    if how == COMPARE_NOT_EQUAL:
        return x != y
    if how == COMPARE_GREATER:
        return x > y
    if how == COMPARE_LESS:
        return x < y
    if how == COMPARE_GREATER_OR_EQUAL:
        return x >= y
    return x <= y


cdef void run_test(scene_t* s, const action_t* a) noexcept nogil:
    cdef double x = variable_number(variable(s, a.source)) if a.source >= 0 else 0.0
    cdef double y = variable_number(variable(s, a.source2)) if a.source2 >= 0 else a.value
    cdef bint holds = compare(a.compare, x, y)
    cdef char[2 * NUMBER_CAP] text
    cdef int n
    if a.target >= 0:
        variable_set_truth(s.rt.calls.blocks, variable(s, a.target), holds)
    if a.check == CHECK_IT and not holds or a.check == CHECK_IT_INVERSE and holds:
        n = snprintf(text, sizeof(text), "%g and %g", x, y)
        fail(s, COUNT_FAILED_TEST_SHOULDNT_MATCH if holds else COUNT_FAILED_TEST_DOESNT_MATCH, COMPLAINT_TEST,
             span_of(text, <uint32_t> n))


cdef void run_strcmp(scene_t* s, const action_t* a) noexcept nogil:
    cdef span_t x = variable_text(variable(s, a.source)) if a.source >= 0 else nothing()
    cdef span_t y = span_of(s.rt.program.pool + a.text_off, a.text_len)
    cdef uint32_t n
    cdef int order
    if a.source2 >= 0:
        y = variable_text(variable(s, a.source2))
    n = x.len if x.len < y.len else y.len
    order = memcmp(x.ptr, y.ptr, n) if n else 0
    if order == 0:
        order = <int> (x.len > y.len) - <int> (x.len < y.len)
    order = 1 if order > 0 else -1 if order < 0 else 0
    set_number(s, a.target, order)
    if a.check == CHECK_IT and order != 0:
        fail(s, COUNT_FAILED_STRCMP_DOESNT_MATCH, COMPLAINT_STRCMP, x)
    elif a.check == CHECK_IT_INVERSE and order == 0:
        fail(s, COUNT_FAILED_STRCMP_SHOULDNT_MATCH, COMPLAINT_STRCMP, x)


cdef void run_to_double(scene_t* s, const action_t* a) noexcept nogil:
    cdef span_t text = variable_text(variable(s, a.source)) if a.source >= 0 else nothing()
    cdef char[NUMBER_CAP] copy
    cdef char* end = NULL
    cdef double number
    if 0 < text.len < NUMBER_CAP:
        memcpy(copy, text.ptr, text.len)
        copy[text.len] = 0
        number = strtod(copy, &end)
        if end == copy + text.len:
            set_number(s, a.target, number)
            return
    complain(s.rt, s.call, COMPLAINT_NO_NUMBER, text)


cdef void run_arithmetic(scene_t* s, const action_t* a) noexcept nogil:
    cdef double x = variable_number(variable(s, a.target)), y = operand(s, a)
    if a.kind == ACTION_ADD:
        x += y
    elif a.kind == ACTION_SUBTRACT:
        x -= y
    elif a.kind == ACTION_MULTIPLY:
        x *= y
    elif y == 0:
        complain(s.rt, s.call, COMPLAINT_DIVIDE_BY_ZERO, nothing())
        return
    else:
        x /= y
    set_number(s, a.target, x)


cdef inline bint is_space(char c) noexcept nogil:
    return c == c' ' or c'\t' <= c <= c'\r'


cdef void run_trim(scene_t* s, const action_t* a) noexcept nogil:
    cdef span_t text = variable_text(variable(s, a.target))
    cdef const char* p = text.ptr
    cdef const char* end = p + text.len
    while p < end and is_space(p[0]):
        p += 1
    while end > p and is_space((end - 1)[0]):
        end -= 1
    set_text(s, a.target, VAR_TEXT, span_of(p, <uint32_t> (end - p)))


cdef inline int hex_value(char c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - c'0'
    c = <char> (c | 32)
    return c - c'a' + 10 if c'a' <= c <= c'f' else -1


cdef void run_url(scene_t* s, const action_t* a) noexcept nogil:
    """Percent-encoding (RFC 3986 2.1) of a variable in place."""
    cdef int32_t v = a.source if a.source >= 0 else a.target
    cdef span_t text = variable_text(variable(s, v))
    cdef char* start = scratch_text(s.rt, 0)
    cdef char* out = start
    cdef char* limit = start + SCRATCH_STRIDE - 256
    cdef const char* p = text.ptr
    cdef const char* end = p + text.len
    cdef char c
    while p < end and out < limit:
        c = p[0]
        if a.kind == ACTION_URL_DECODE:
            if c == c'%' and end - p > 2 and hex_value(p[1]) >= 0 and hex_value(p[2]) >= 0:
                c = <char> (hex_value(p[1]) * 16 + hex_value(p[2]))
                p += 2
            elif c == c'+':
                c = c' '
        elif not (c'a' <= c <= c'z' or c'A' <= c <= c'Z' or c'0' <= c <= c'9'
                  or c == c'-' or c == c'_' or c == c'.' or c == c'~'):
            out[0] = c'%'
            out[1] = b"0123456789ABCDEF"[(<unsigned char> c) >> 4]
            c = b"0123456789ABCDEF"[c & 15]
            out += 2
        out[0] = c
        out += 1
        p += 1
    set_text(s, v, VAR_TEXT, span_of(start, <uint32_t> (out - start)))

# --------------------------------------------------------------------------- the run and the dialog

cdef inline uint32_t first_step(scene_t* s) noexcept nogil:
    return s.rt.program.n_steps if s.call.flags & CALL_INIT else 0


cdef void stop_run(scene_t* s, uint32_t reason) noexcept nogil:
    if s.rt.shared.stop < reason:
        s.rt.shared.stop = reason


cdef void run_jump(scene_t* s, const action_t* a) noexcept nogil:
    cdef double step = operand(s, a)
    cdef uint32_t end = s.rt.program.n_steps
    if s.call.flags & CALL_INIT:
        end += s.rt.program.n_init_steps
        step += first_step(s) if a.source >= 0 else 0
    if not first_step(s) <= step < end or <uint32_t> step == s.call.step:
        complain(s.rt, s.call, COMPLAINT_JUMP, nothing())
        stop_run(s, STOP_ERROR)
        return
    s.outcome.jump_step = <int32_t> step


cdef void run_pause_restore(scene_t* s, const action_t* a) noexcept nogil:
    cdef double end_ms = operand(s, a)
    if s.rt.dialog_off != 0 and end_ms >= 0:
        call_dialog(s.rt, s.call).restored_end_ms = <unsigned long long> end_ms if end_ms < END_MAX_MS else END_MAX_MS


cdef void run_time_of_day(scene_t* s, const action_t* a) noexcept nogil:
    cdef int64_t now = <int64_t> wall_ns()
    set_number(s, s.rt.program.targets[a.targets_first], <double> (now // 1000000000))
    set_number(s, s.rt.program.targets[a.targets_first + 1], <double> (now // 1000 % 1000000))


cdef void run_injection(scene_t* s, const action_t* a) noexcept nogil:
    cdef span_t text = first_text(s, a)
    cdef span_t values
    cdef char* end = NULL
    cdef double line
    cdef int status
    if a.kind == ACTION_LOOKUP:
        set_number(s, a.target, <double> injection_lookup(s.rt.files[a.row], &s.rt.file_states[a.row], text))
        return
    if a.kind == ACTION_INSERT:
        status = injection_insert(s.rt.files[a.row], &s.rt.file_states[a.row], text)
    else:
        (<char*> text.ptr)[text.len] = 0
        line = strtod(text.ptr, &end)
        if text.len == 0 or end != text.ptr + text.len or not -1 < line < 4294967295.0:
            complain(s.rt, s.call, COMPLAINT_BAD_LINE, text)
            return
        values = second_text(s, a)
        status = injection_replace(s.rt.files[a.row], &s.rt.file_states[a.row], <int64_t> line, values)
    if status != 0:
        complain(s.rt, s.call, COMPLAINT_BAD_LINE, text)


cdef void run_set_destination(scene_t* s, const action_t* a) noexcept nogil:
    """A host name is resolved here and now, and holds up the run: use addresses."""
    cdef span_t host = first_text(s, a)
    cdef span_t port = second_text(s, a)
    cdef addrinfo hints
    cdef addrinfo* found = NULL
    cdef address_t address
    cdef int status
    (<char*> host.ptr)[host.len] = 0
    (<char*> port.ptr)[port.len] = 0
    if host.len > 2 and host.ptr[0] == c'[' and host.ptr[host.len - 1] == c']':
        (<char*> host.ptr)[host.len - 1] = 0
        host.ptr += 1
    memset(&hints, 0, sizeof(hints))
    hints.ai_family = s.rt.config.family
    hints.ai_socktype = SOCK_DGRAM
    status = getaddrinfo(host.ptr, NULL, &hints, &found)
    if a.text_len != 0 and not (a.text_len == strlen(s.rt.config.protocol)
                                and memcmp(s.rt.program.pool + a.text_off, s.rt.config.protocol, a.text_len) == 0):
        status = -1              # the protocol of a call cannot be switched
    if status != 0 or found == NULL or not 0 < strtol(port.ptr, NULL, 10) <= 65535:
        if found != NULL:
            freeaddrinfo(found)
        fail(s, COUNT_FAILED_TCP_CONNECT, COMPLAINT_DESTINATION, host)
        return
    memset(&address, 0, sizeof(address))
    address_from_sockaddr(&address, <sockaddr_storage*> found.ai_addr)
    freeaddrinfo(found)
    status = <int> strtol(port.ptr, NULL, 10)
    address.port = <uint16_t> ((status & 0xFF) << 8 | status >> 8)
    # a UDP socket of its own stays the call's; another connection is found or made with the next message
    address.via = s.call.remote.via
    if s.call.remote.family == ADDRESS_CONNECTION:
        s.rt.release(s.rt, s.call, True)
        address.via = VIA_UNATTACHED
    s.call.remote = address


cdef void run_verify(scene_t* s, const action_t* a) noexcept nogil:
    cdef span_t value = nothing()
    cdef span_t body = nothing()
    cdef bint right = False
    if s.m != NULL:
        value = msg_first_value(s.m, HDR_AUTHORIZATION)
        if value.len == 0:
            value = msg_first_value(s.m, HDR_PROXY_AUTHORIZATION)
        body = span_of(s.m.data + s.m.body_off, s.m.len - s.m.body_off)
        if value.len > 0:
            right = digest_verify(s.rt.digest, value, first_text(s, a), second_text(s, a), s.m.method_text, body)
    if a.target >= 0:
        variable_set_truth(s.rt.calls.blocks, variable(s, a.target), right)


cdef void say(scene_t* s, const action_t* a, uint32_t kind) noexcept nogil:
    cdef span_t text = first_text(s, a)
    if kind == TRACE_WARNING:
        count(s.rt, COUNT_WARNINGS)
    trace(s.rt, kind, <int32_t> s.call.step, 0, call_call_id(s.call), text)

# --------------------------------------------------------------------------- dispatch

cdef void run_value(scene_t* s, const action_t* a) noexcept nogil:
    """Actions that only change variables."""
    cdef const pause_t* p
    if a.kind == ACTION_ASSIGN:
        set_number(s, a.target, operand(s, a))
    elif a.kind == ACTION_ASSIGN_STRING:
        set_text(s, a.target, VAR_TEXT, first_text(s, a))
    elif a.kind == ACTION_TO_DOUBLE:
        run_to_double(s, a)
    elif a.kind == ACTION_SAMPLE:
        p = &s.rt.program.pauses[a.row]
        set_number(s, a.target, variable_number(variable(s, <int32_t> p.p0)) if p.kind == PAUSE_VARIABLE
                   else sample_value(p, &s.rt.random_state))
    elif a.kind == ACTION_TRIM:
        run_trim(s, a)
    elif a.kind == ACTION_INDEX:
        set_number(s, a.target, s.call.step - first_step(s))
    elif a.kind == ACTION_TIME_OF_DAY:
        run_time_of_day(s, a)
    elif a.kind == ACTION_URL_DECODE or a.kind == ACTION_URL_ENCODE:
        run_url(s, a)
    else:
        run_arithmetic(s, a)


cdef void run_command(scene_t* s, const action_t* a) noexcept nogil:
    """Actions on the call, the files and the run."""
    if a.kind == ACTION_LOG:
        say(s, a, TRACE_LOG)
    elif a.kind == ACTION_WARNING:
        say(s, a, TRACE_WARNING)
    elif a.kind == ACTION_ERROR:
        say(s, a, TRACE_ERROR)
        stop_run(s, STOP_ERROR)
    elif a.kind == ACTION_EXEC_COMMAND:
        say(s, a, TRACE_EXEC)
    elif a.kind == ACTION_JUMP:
        run_jump(s, a)
    elif a.kind == ACTION_PAUSE_RESTORE:
        run_pause_restore(s, a)
    elif a.kind == ACTION_SET_DESTINATION:
        run_set_destination(s, a)
    elif a.kind == ACTION_CLOSE_CONNECTION:
        if s.rt.release != NULL:
            s.rt.release(s.rt, s.call, True)
    elif a.kind == ACTION_VERIFY_AUTH:
        run_verify(s, a)
    elif a.kind == ACTION_STOP_CALL:
        s.outcome.stop_call = True
    elif a.kind == ACTION_STOP_GRACEFULLY:
        stop_run(s, STOP_GRACEFULLY)
    elif a.kind == ACTION_STOP_NOW:
        stop_run(s, STOP_NOW)
    elif ACTION_LOOKUP <= a.kind <= ACTION_REPLACE:
        run_injection(s, a)


cdef outcome_t actions_run(runtime_t* rt, call_t* call, uint32_t i, span_t text, msg_t* m, msg_t* last) noexcept nogil:
    cdef scene_t s
    cdef const action_t* a = rt.program.actions + rt.program.steps[i].action_first
    cdef const action_t* end = a + rt.program.steps[i].n_actions
    s.rt = rt
    s.call = call
    s.text = text
    s.m = m
    s.last = last
    memset(&s.outcome, 0, sizeof(s.outcome))
    s.outcome.jump_step = -1
    while a < end and s.outcome.failure == 0 and not s.outcome.stop_call and rt.shared.stop < <uint32_t> STOP_NOW:
        if a.kind == ACTION_EREG:
            run_ereg(&s, a)
        elif a.kind == ACTION_TEST:
            run_test(&s, a)
        elif a.kind == ACTION_STRCMP:
            run_strcmp(&s, a)
        elif ACTION_ASSIGN <= a.kind <= ACTION_SAMPLE or a.kind == ACTION_TRIM or a.kind == ACTION_URL_DECODE \
                or a.kind == ACTION_URL_ENCODE or a.kind == ACTION_TIME_OF_DAY or a.kind == ACTION_INDEX:
            run_value(&s, a)
        else:
            run_command(&s, a)
        a += 1
    return s.outcome
