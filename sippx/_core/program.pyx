# sippx/_core/program.pyx: verifies a ProgramSpec's tables and adopts them as C arrays.
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from sippx._core.bits cimport BYTES_READABLE_PAST_END
from sippx._core.codes cimport *
from sippx._core.tables cimport pause_t, piece_t, step_t

MAX_STEPS = 65000
MAX_RTDS = 64
MAX_PAUSE_MS = 2147483647


cdef void* copy_rows(const void* rows, size_t n, size_t size) except NULL:
    cdef void* p = calloc(n + 1, size)
    if p == NULL:
        raise MemoryError
    if n:
        memcpy(p, rows, n * size)
    return p


cdef class Program:
    """A scenario program; immutable, shared by any number of engines.

    Takes a ProgramSpec: steps (STEP_DTYPE), pieces (PIECE_DTYPE), pauses (PAUSE_DTYPE), pool (bytes),
    call_id_pieces and default_pieces ((first, count) rows of pieces), is_client, uses_peer_tag, rtd_names,
    counter_names, rtd_bounds_ms, call_length_bounds_ms. Copies everything. Every index, range and jump is
    checked here; ValueError names the table, row and field.
    """

    def __cinit__(self, spec not None):
        memset(&self.p, 0, sizeof(self.p))
        self.spec = spec
        self._adopt_tables(spec)
        self._adopt_bounds(spec)
        self.p.is_client = bool(spec.is_client)
        self.p.uses_peer_tag = bool(spec.uses_peer_tag)
        self.p.n_counters = len(spec.counter_names)
        self.p.call_id = self._template(spec.call_id_pieces, "call_id_pieces")
        if len(spec.default_pieces) != N_DEFAULT_MESSAGES:
            raise ValueError(f"default_pieces has {len(spec.default_pieces)} rows, not {N_DEFAULT_MESSAGES}")
        for i in range(N_DEFAULT_MESSAGES):
            self.p.defaults[<int> i] = self._template(spec.default_pieces[i], f"default_pieces[{i}]")
        for i in range(self.p.n_pieces):
            self._check_piece(i)
        for i in range(self.p.n_pauses):
            self._check_pause(i)
        for i in range(self.p.n_steps):
            self._check_step(i)
        self._note_last_users()

    def __dealloc__(self):
        free(self.p.uses_last)
        free(self.p.steps)
        free(self.p.pieces)
        free(self.p.pauses)
        free(self.p.pool)
        free(self.p.bounds_ns)
        free(self.p.bounds_first)

    cdef _adopt_tables(self, spec):
        cdef const step_t[::1] steps = spec.steps
        cdef const piece_t[::1] pieces = spec.pieces
        cdef const pause_t[::1] pauses = spec.pauses
        cdef bytes pool = spec.pool
        if not 0 < steps.shape[0] <= MAX_STEPS:
            raise ValueError(f"steps has {steps.shape[0]} rows, not 1..{MAX_STEPS}")
        if pieces.shape[0] > 1 << 24 or pauses.shape[0] > MAX_STEPS or len(pool) > 1 << 28:
            raise ValueError("pieces, pauses or pool too large")
        self.p.n_steps = <uint32_t> steps.shape[0]
        self.p.steps = <step_t*> copy_rows(&steps[0], self.p.n_steps, sizeof(step_t))
        self.p.n_pieces = <uint32_t> pieces.shape[0]
        self.p.pieces = <piece_t*> copy_rows(&pieces[0] if self.p.n_pieces else NULL, self.p.n_pieces, sizeof(piece_t))
        self.p.n_pauses = <uint32_t> pauses.shape[0]
        self.p.pauses = <pause_t*> copy_rows(&pauses[0] if self.p.n_pauses else NULL, self.p.n_pauses, sizeof(pause_t))
        self.p.pool_len = <uint32_t> len(pool)
        self.p.pool = <char*> calloc(self.p.pool_len + BYTES_READABLE_PAST_END, 1)
        if self.p.pool == NULL:
            raise MemoryError
        memcpy(self.p.pool, <const char*> pool, self.p.pool_len)

    cdef _adopt_bounds(self, spec):
        tables = [*spec.rtd_bounds_ms, spec.call_length_bounds_ms]
        self.p.n_rtds = len(spec.rtd_names)
        if self.p.n_rtds > MAX_RTDS:
            raise ValueError(f"{self.p.n_rtds} response time durations, at most {MAX_RTDS}")
        if len(tables) != self.p.n_rtds + 1:
            raise ValueError("rtd_bounds_ms needs one table for each RTD")
        cdef uint32_t at = 0, t
        cdef uint64_t bound, before
        self.p.bounds_first = <uint32_t*> calloc(self.p.n_rtds + 2, sizeof(uint32_t))
        self.p.bounds_ns = <uint64_t*> calloc(sum(map(len, tables)) + 1, sizeof(uint64_t))
        if self.p.bounds_first == NULL or self.p.bounds_ns == NULL:
            raise MemoryError
        for t in range(self.p.n_rtds + 1):
            self.p.bounds_first[t] = at
            before = 0
            for bound_ms in tables[t]:
                if not 0 <= bound_ms < 1 << 40:
                    raise ValueError(f"repartition table {t}: bound {bound_ms} ms out of range")
                bound = <uint64_t> bound_ms * 1000000ULL
                if bound < before:
                    raise ValueError(f"repartition table {t} is not sorted")
                before = bound
                self.p.bounds_ns[at] = bound
                at += 1
        self.p.bounds_first[self.p.n_rtds + 1] = at

    cdef template_t _template(self, rows, str where) except *:
        first, n = rows
        cdef template_t t
        if not (0 <= first <= self.p.n_pieces and 0 <= n <= self.p.n_pieces - first):
            raise ValueError(f"{where}: pieces {first}+{n} out of 0..{self.p.n_pieces}")
        t.piece_first = first
        t.n_pieces = n
        return t

    cdef _check_piece(self, uint32_t i):
        cdef piece_t* p = &self.p.pieces[i]
        if p.kind >= N_PIECE_KINDS:
            raise ValueError(f"pieces[{i}].kind {p.kind} unknown")
        if <uint64_t> p.off + p.len > self.p.pool_len:
            raise ValueError(f"pieces[{i}]: pool range {p.off}+{p.len} out of 0..{self.p.pool_len}")
        if p.kind == PIECE_LAST_HEADER:
            if p.arg >= N_HEADER_IDS:
                raise ValueError(f"pieces[{i}].arg: header id {p.arg} unknown")
            if p.len == 0:
                raise ValueError(f"pieces[{i}]: header without a name")

    cdef _check_pause(self, uint32_t i):
        cdef pause_t* p = &self.p.pauses[i]
        if p.kind >= N_PAUSE_KINDS:
            raise ValueError(f"pauses[{i}].kind {p.kind} unknown")
        for value in (p.p0, p.p1, p.p2):
            if not -1e18 < value < 1e18:
                raise ValueError(f"pauses[{i}]: parameter {value} out of range")

    cdef _check_step(self, uint32_t i):
        cdef step_t* s = &self.p.steps[i]
        cdef int32_t n = <int32_t> self.p.n_steps
        if s.kind >= N_STEP_KINDS:
            raise ValueError(f"steps[{i}].kind {s.kind} unknown")
        if s.method >= N_METHODS:
            raise ValueError(f"steps[{i}].method {s.method} unknown")
        for field, value in (("next", s.next), ("on_timeout", s.on_timeout)):
            if not -1 <= value <= n:
                raise ValueError(f"steps[{i}].{field} {value} out of -1..{n}")
        for field, value in (("start_rtd", s.start_rtd), ("stop_rtd", s.stop_rtd)):
            if not -1 <= value < <int32_t> self.p.n_rtds:
                raise ValueError(f"steps[{i}].{field} {value} out of -1..{self.p.n_rtds - 1}")
        if s.start_rtd >= 0:
            self.p.has_start_rtd = True
        if not -1 <= s.counter < <int32_t> self.p.n_counters:
            raise ValueError(f"steps[{i}].counter {s.counter} out of -1..{self.p.n_counters - 1}")
        for field, off, length in (("name", s.name_off, s.name_len), ("methods", s.methods_off, s.methods_len)):
            if <uint64_t> off + <uint64_t> length > self.p.pool_len:
                raise ValueError(f"steps[{i}].{field}: pool range {off}+{length} out of 0..{self.p.pool_len}")
        if s.timeout_ms < 0:
            raise ValueError(f"steps[{i}].timeout_ms {s.timeout_ms} below 0")
        if s.kind == STEP_PAUSE and not 0 <= s.pause_idx < <int32_t> self.p.n_pauses:
            raise ValueError(f"steps[{i}].pause_idx {s.pause_idx} out of 0..{self.p.n_pauses - 1}")
        if s.kind == STEP_SEND:
            self._template((s.piece_first, s.n_pieces), f"steps[{i}]")
            if s.n_pieces == 0:
                raise ValueError(f"steps[{i}]: a send without a message")
        if s.kind == STEP_RECV and not (100 <= s.status_code <= 999 or s.flags & STEP_IS_REQUEST):
            raise ValueError(f"steps[{i}]: a recv of neither a request nor a status code")
        if not 0 <= s.lost_percent <= 100:
            raise ValueError(f"steps[{i}].lost_percent {s.lost_percent} out of 0..100")

    cdef _note_last_users(self):
        cdef uint32_t i, k, n = self.p.n_steps + N_DEFAULT_MESSAGES
        cdef template_t t
        self.p.uses_last = <uint8_t*> calloc(n, 1)
        if self.p.uses_last == NULL:
            raise MemoryError
        for i in range(n):
            if i < self.p.n_steps:
                t.piece_first = self.p.steps[i].piece_first
                t.n_pieces = self.p.steps[i].n_pieces if self.p.steps[i].kind == STEP_SEND else 0
            else:
                t = self.p.defaults[i - self.p.n_steps]
            for k in range(t.piece_first, t.piece_first + t.n_pieces):
                if PIECE_LAST_HEADER <= self.p.pieces[k].kind <= PIECE_LAST_MESSAGE:
                    self.p.uses_last[i] = 1

    @property
    def n_steps(self):
        return self.p.n_steps
