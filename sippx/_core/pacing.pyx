# sippx/_core/pacing.pyx: starting calls when they are due.
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset

from sippx._core.bits cimport BYTES_READABLE_PAST_END, unlikely
from sippx._core.calls cimport call_t, calls_hash, calls_open, calls_prefetch_slot
from sippx._core.codes cimport *
from sippx._core.dialog cimport users_take
from sippx._core.interp cimport interp_start
from sippx._core.program cimport program_t
from sippx._core.runtime cimport choose_remote, count, number_call, runtime_t, trace
from sippx._core.span cimport span_of
from sippx._core.state cimport CALL_ID_CAP, STARTS_AHEAD, engine_t, may_open, note_opened, note_peak
from sippx._core.stats cimport HIST_WORDS, hist_record
from sippx._core.template cimport render_ctx_t, template_render

cdef enum:
    STARTS_PER_TURN = 256        # calls opened before the socket is looked at again


cdef inline double due_calls(const engine_t* e, uint64_t now) noexcept nogil:
    return e.base_calls + <double> (now - e.base_ns) * e.calls_per_ns


cdef void rebase(engine_t* e, uint64_t now) noexcept nogil:
    """Makes `now` the origin of the schedule, keeping what is due."""
    e.base_calls = due_calls(e, now) if now > e.base_ns else e.base_calls
    e.base_ns = now


cdef void prepare_starts(engine_t* e, uint32_t n) noexcept nogil:
    """Makes the Call-IDs of the next n calls, so that their table slots are fetched before they are needed."""
    cdef runtime_t* rt = &e.rt
    cdef program_t* p = rt.program
    cdef render_ctx_t ctx
    cdef int32_t length
    cdef uint32_t i
    memset(&ctx, 0, sizeof(ctx))
    ctx.random_state = &rt.random_state
    ctx.elapsed_ns = rt.now_ns - rt.start_ns
    for i in range(n):
        ctx.call_number = e.shared.last_number + 1 + i
        length = template_render(p.pieces + p.call_id.piece_first, p.call_id.n_pieces, p.pool, &ctx,
                                 e.start_texts[i] + BYTES_READABLE_PAST_END, CALL_ID_CAP)
        e.start_ids[i] = span_of(e.start_texts[i] + BYTES_READABLE_PAST_END, <uint32_t> length if length > 0 else 0)
        e.start_hashes[i] = calls_hash(&rt.calls, e.start_ids[i])
        calls_prefetch_slot(&rt.calls, e.start_hashes[i])


cdef bint start_call(engine_t* e, uint32_t i, uint64_t due_ns, uint32_t user_id) noexcept nogil:
    """Opens the i-th prepared call and runs it; False where there is no room."""
    cdef runtime_t* rt = &e.rt
    cdef uint32_t lag_hist = rt.program.n_rtds + 1
    cdef call_t* call = calls_open(&rt.calls, e.start_ids[i], e.start_hashes[i], rt.now_ns)
    cdef uint64_t lag
    if unlikely(call == NULL):
        count(rt, COUNT_CALLS_REFUSED)
        trace(rt, TRACE_CALLS_REFUSED, 0, 0, e.start_ids[i], span_of(e.start_ids[i].ptr, 0))
        return False
    number_call(rt, call)
    choose_remote(rt, call)
    count(rt, COUNT_OUTGOING_CALLS)
    lag = rt.now_ns - due_ns if rt.now_ns > due_ns else 0
    hist_record(rt.hists + lag_hist * HIST_WORDS, &rt.maxima[lag_hist], lag)
    if lag > rt.config.late_start_ns:
        count(rt, COUNT_LATE_STARTS)
    note_peak(rt)
    interp_start(rt, call, user_id)
    return True


cdef inline uint64_t due_time_ns(const engine_t* e, uint64_t n) noexcept nogil:
    """When the n-th call falls due."""
    if <double> n <= e.base_calls:
        return e.base_ns
    return e.base_ns + <uint64_t> ((<double> n - e.base_calls) / e.calls_per_ns)


cdef inline bint held_back(engine_t* e, uint64_t due) noexcept nogil:
    """Where -l open calls are reached: as SIPp, what is due now is not made up for, but it is counted."""
    if e.limit == 0 or e.rt.calls.n_open < e.limit:
        return False
    e.rt.counters[<int> COUNT_LIMITED_STARTS] += due - e.n_paced
    e.n_paced = due
    return True


cdef inline bint opens_by_rate(engine_t* e) noexcept nogil:
    return e.rt.program.is_client and not e.opens_by_command and not e.paused and e.calls_per_ns > 0 \
        and e.rt.users.cap == 0 and may_open(e)


cdef bint pace_users(engine_t* e) noexcept nogil:
    """Opens a call for each user that has none; True where there are more than one turn takes."""
    cdef runtime_t* rt = &e.rt
    cdef uint32_t _n, user_id
    if not rt.program.is_client or e.paused:
        return False
    for _n in range(STARTS_PER_TURN):
        if not may_open(e):
            return False
        user_id = users_take(&rt.users)
        if user_id == 0:
            return False
        prepare_starts(e, 1)
        if not start_call(e, 0, rt.now_ns, user_id):
            return False
        note_opened(e)
    return True


cdef bint pace(engine_t* e) noexcept nogil:
    """Starts the calls that are due; True where more are due than one turn takes."""
    cdef runtime_t* rt = &e.rt
    cdef uint64_t due
    cdef uint32_t n = 0, i, n_ahead
    if rt.users.cap:
        return pace_users(e)
    if not opens_by_rate(e):
        return False
    if e.is_idle and rt.now_ns < e.last_pace_ns + e.quantum_ns:
        return False
    due = <uint64_t> due_calls(e, rt.now_ns)
    if e.n_paced < due:
        e.last_pace_ns = rt.now_ns
    while e.n_paced < due and n < STARTS_PER_TURN:
        n_ahead = <uint32_t> (due - e.n_paced) if due - e.n_paced < STARTS_AHEAD else STARTS_AHEAD
        prepare_starts(e, n_ahead)
        for i in range(n_ahead):
            if held_back(e, due):
                return False
            if not start_call(e, i, due_time_ns(e, e.n_paced + 1), 0):
                # start_call counted this one; the rest of the due calls finds no room either
                rt.counters[<int> COUNT_CALLS_REFUSED] += due - e.n_paced - 1
                e.n_paced = due
                return False
            e.n_paced += 1
            note_opened(e)
            if not may_open(e):
                return False
        n += n_ahead
    return e.n_paced < due


cdef uint64_t next_start_ns(engine_t* e) noexcept nogil:
    """When the schedule is looked at next: the next due call, but not before the quantum is over."""
    cdef uint64_t t, earliest = e.last_pace_ns + e.quantum_ns
    if not opens_by_rate(e):
        return ~0ULL
    t = due_time_ns(e, e.n_paced + 1) + 1        # the quotient is rounded down
    return t if t > earliest else earliest
