# sippx/_core/matching.pyx: the search for the recv that takes a message.
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from sippx._core.bits cimport unlikely
from sippx._core.calls cimport call_t
from sippx._core.codes cimport *
from sippx._core.dialog cimport branch_hash
from sippx._core.message cimport MSG_REQUEST, MSG_RESPONSE, msg_t
from sippx._core.regex cimport regex_search
from sippx._core.runtime cimport *
from sippx._core.tables cimport step_t

cdef extern from "<string.h>" nogil:
    void* memmem(const void* haystack, size_t n, const void* needle, size_t m)


cdef inline bint answers_sent_method(runtime_t* rt, const step_t* s, msg_t* m) noexcept nogil:
    """SIPp's rule: the response's CSeq method occurs in the concatenated methods sent above this recv."""
    if m.cseq_method != METHOD_OTHER:
        return m.cseq_method == METHOD_NONE or s.methods_mask >> m.cseq_method & 1
    return memmem(rt.program.pool + s.methods_off, s.methods_len,
                  m.cseq_method_text.ptr, m.cseq_method_text.len) != NULL


cdef bint matches_regexp(runtime_t* rt, const step_t* s, msg_t* m) noexcept nogil:
    """regexp_match: the method of a request, or the status code of a response, as text."""
    cdef char[4] code
    if m.kind == MSG_REQUEST:
        return s.flags & STEP_IS_REQUEST and regex_search(rt.program.regexes[s.regex_idx], m.method_text.ptr,
                                                          m.method_text.len, NULL)
    code[0] = <char> (48 + m.status_code // 100 % 10)
    code[1] = <char> (48 + m.status_code // 10 % 10)
    code[2] = <char> (48 + m.status_code % 10)
    return not s.flags & STEP_IS_REQUEST and regex_search(rt.program.regexes[s.regex_idx], code, 3, NULL)


cdef inline bint is_of_transaction(runtime_t* rt, call_t* call, uint32_t i, msg_t* m) noexcept nogil:
    """What makes a response with the right code that of step i: its branch, or the methods sent above."""
    cdef const step_t* s = &rt.program.steps[i]
    cdef uint64_t branch
    if unlikely(s.response_txn >= 0):
        branch = call_txn(rt, call, s.response_txn).branch_hash
        return branch != 0 and branch == branch_hash(m)
    return i == 0 or answers_sent_method(rt, s, m)


cdef inline bint matches(runtime_t* rt, call_t* call, uint32_t i, msg_t* m) noexcept nogil:
    cdef const step_t* s = &rt.program.steps[i]
    if unlikely(s.flags & STEP_REGEXP):
        return matches_regexp(rt, s, m) and (m.kind == MSG_REQUEST or is_of_transaction(rt, call, i, m))
    if m.kind == MSG_RESPONSE:
        return s.status_code == m.status_code and not s.flags & STEP_IS_REQUEST and is_of_transaction(rt, call, i, m)
    if not s.flags & STEP_IS_REQUEST or s.method != m.method:
        return False
    return m.method != METHOD_OTHER or (
        s.name_len == m.method_text.len and memcmp(rt.program.pool + s.name_off, m.method_text.ptr, s.name_len) == 0)


cdef bint opens_call(runtime_t* rt, msg_t* m) noexcept nogil:
    cdef uint32_t i = 0
    while i < rt.program.n_steps and (rt.program.steps[i].kind == STEP_NOP or rt.program.steps[i].kind == STEP_PAUSE):
        i += 1
    return search_forward(rt, NULL, i, m) != NO_STEP


cdef uint32_t match_forward(runtime_t* rt, call_t* call, msg_t* m) noexcept nogil:
    return search_forward(rt, call, call.step, m)


cdef uint32_t search_forward(runtime_t* rt, call_t* call, uint32_t i, msg_t* m) noexcept nogil:
    """From step i over optional receives to the first mandatory one; call may be NULL for a request."""
    while i < rt.program.n_steps and rt.program.steps[i].kind == STEP_RECV:
        if matches(rt, call, i, m):
            return i
        if not rt.program.steps[i].flags & STEP_OPTIONAL:
            break
        i += 1
    return NO_STEP


cdef bint is_old_response(runtime_t* rt, call_t* call, const step_t* s, msg_t* m, uint64_t fingerprint,
                          uint32_t* ack_step) noexcept nogil:
    """A response of a named transaction whose recv was passed: ignored, or answered with its ACK."""
    cdef txn_t* txn = call_txn(rt, call, s.response_txn)
    ack_step[0] = IGNORED
    if m.status_code < 200:
        return True
    if m.cseq_method == METHOD_INVITE:
        if txn.ack_step == 0:
            return False
        ack_step[0] = txn.ack_step - 1
        return True
    return fingerprint == txn.final_hash


cdef uint32_t match_backward(runtime_t* rt, call_t* call, msg_t* m, uint64_t fingerprint,
                             uint32_t* ack_step) noexcept nogil:
    """Optional receives just passed, global ones anywhere before; or the ACK to repeat for an old INVITE answer."""
    cdef uint32_t i = call.step
    cdef const step_t* s
    cdef bint contiguous = True
    cdef bint invited_again = False
    while i > 0:
        i -= 1
        s = &rt.program.steps[i]
        if s.kind != STEP_RECV or not s.flags & STEP_OPTIONAL:
            contiguous = False
        if s.kind == STEP_SEND and s.flags & STEP_IS_INVITE:
            invited_again = True
        if s.kind != STEP_RECV or not matches(rt, call, i, m):
            continue
        if contiguous or s.flags & STEP_GLOBAL:
            return i
        if s.response_txn >= 0:
            if is_old_response(rt, call, s, m, fingerprint, ack_step):
                return NO_STEP
            continue
        if invited_again and m.cseq_number == call.cseq:
            continue  # it answers the later INVITE: nothing is repeated
        if m.kind == MSG_RESPONSE and m.cseq_method == METHOD_INVITE and i + 1 < rt.program.n_steps \
                and rt.program.steps[i + 1].kind == STEP_SEND and rt.program.steps[i + 1].flags & STEP_SENDS_ACK:
            ack_step[0] = i + 1
            return NO_STEP
    return NO_STEP
