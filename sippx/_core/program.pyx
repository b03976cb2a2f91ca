# sippx/_core/program.pyx: verifies a ProgramSpec's tables and adopts them as C arrays.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from sippx._core.bits cimport BYTES_READABLE_PAST_END
from sippx._core.codes cimport *
from sippx._core.regex cimport regex_compile, regex_free
from sippx._core.tables cimport action_t, credential_rows_t, pause_t, piece_t, step_t

MAX_STEPS = 65000
MAX_RTDS = 64
MAX_PAUSE_MS = 2147483647
MAX_ROWS = 1 << 20
MAX_GROUPS = 10
MAX_TRANSACTIONS = 1000
MAX_VARIABLES = 2000


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
    counter_names, rtd_bounds_ms, call_length_bounds_ms; init_steps (STEP_DTYPE), actions (ACTION_DTYPE), targets
    (int32), credentials (CREDENTIALS_DTYPE), regexes, injection_names, call_variables, user_variables,
    global_variables, transactions, unexpected_step, unexpected_return_var, unexpected_pause_var. Copies
    everything. Every index, range and jump is checked here; ValueError names the table, row and field.
    """

    def __cinit__(self, spec not None):
        memset(&self.p, 0, sizeof(self.p))
        self.spec = spec
        self._adopt_tables(spec)
        self._adopt_actions(spec)
        self._adopt_bounds(spec)
        self.p.is_client = bool(spec.is_client)
        self.p.uses_peer_tag = bool(spec.uses_peer_tag)
        self.p.n_counters = len(spec.counter_names)
        self.p.call_id = self._template(spec.call_id_pieces, "call_id_pieces")
        if len(spec.default_pieces) != N_DEFAULT_MESSAGES:
            raise ValueError(f"default_pieces has {len(spec.default_pieces)} rows, not {N_DEFAULT_MESSAGES}")
        for i in range(N_DEFAULT_MESSAGES):
            self.p.defaults[<int> i] = self._template(spec.default_pieces[i], f"default_pieces[{i}]")
        for i in range(self.p.n_credentials):
            self._check_credentials(i)
        for i in range(self.p.n_pieces):
            self._check_piece(i)
        for i in range(self.p.n_pauses):
            self._check_pause(i)
        for i in range(self.p.n_steps + self.p.n_init_steps):
            self._check_step(i)
            self._check_step_references(i)
        for i in range(self.p.n_actions):
            self._check_action(i)
        self._note_last_users()

    def __dealloc__(self):
        if self.p.regexes != NULL:
            for i in range(self.p.n_regexes):
                regex_free(self.p.regexes[<int> i])
        free(self.p.regexes)
        free(self.p.uses_last)
        free(self.p.actions_use_last)
        free(self.p.steps)
        free(self.p.actions)
        free(self.p.targets)
        free(self.p.credentials)
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
        cdef const step_t[::1] init_steps = spec.init_steps
        if steps.shape[0] + init_steps.shape[0] > MAX_STEPS:
            raise ValueError(f"steps and init_steps have {steps.shape[0] + init_steps.shape[0]} rows, "
                             f"at most {MAX_STEPS}")
        self.p.n_steps = <uint32_t> steps.shape[0]
        self.p.n_init_steps = <uint32_t> init_steps.shape[0]
        self.p.steps = <step_t*> calloc(self.p.n_steps + self.p.n_init_steps + 1, sizeof(step_t))
        if self.p.steps == NULL:
            raise MemoryError
        memcpy(self.p.steps, &steps[0], self.p.n_steps * sizeof(step_t))
        if self.p.n_init_steps:
            memcpy(self.p.steps + self.p.n_steps, &init_steps[0], self.p.n_init_steps * sizeof(step_t))
        self.p.n_pieces = <uint32_t> pieces.shape[0]
        self.p.pieces = <piece_t*> copy_rows(&pieces[0] if self.p.n_pieces else NULL, self.p.n_pieces, sizeof(piece_t))
        self.p.n_pauses = <uint32_t> pauses.shape[0]
        self.p.pauses = <pause_t*> copy_rows(&pauses[0] if self.p.n_pauses else NULL, self.p.n_pauses, sizeof(pause_t))
        self.p.pool_len = <uint32_t> len(pool)
        self.p.pool = <char*> calloc(self.p.pool_len + BYTES_READABLE_PAST_END, 1)
        if self.p.pool == NULL:
            raise MemoryError
        memcpy(self.p.pool, <const char*> pool, self.p.pool_len)

    cdef _adopt_actions(self, spec):
        cdef const action_t[::1] actions = spec.actions
        cdef const int32_t[::1] targets = spec.targets
        cdef const credential_rows_t[::1] credentials = spec.credentials
        if max(actions.shape[0], targets.shape[0], credentials.shape[0], len(spec.regexes)) > MAX_ROWS:
            raise ValueError(f"actions, targets, credentials or regexes have more than {MAX_ROWS} rows")
        if len(spec.injection_names) > MAX_STEPS or len(spec.transactions) > MAX_TRANSACTIONS:
            raise ValueError("too many injection files or transactions")
        self.p.n_actions = <uint32_t> actions.shape[0]
        self.p.actions = <action_t*> copy_rows(&actions[0] if self.p.n_actions else NULL, self.p.n_actions,
                                               sizeof(action_t))
        self.p.n_targets = <uint32_t> targets.shape[0]
        self.p.targets = <int32_t*> copy_rows(&targets[0] if self.p.n_targets else NULL, self.p.n_targets,
                                              sizeof(int32_t))
        self.p.n_credentials = <uint32_t> credentials.shape[0]
        self.p.credentials = <credential_rows_t*> copy_rows(&credentials[0] if self.p.n_credentials else NULL,
                                                            self.p.n_credentials, sizeof(credential_rows_t))
        self._compile_regexes(spec.regexes)
        self.p.n_files = len(spec.injection_names)
        self.p.n_call_variables = len(spec.call_variables)
        self.p.n_user_variables = len(spec.user_variables)
        self.p.n_variables = self.p.n_call_variables + self.p.n_user_variables + len(spec.global_variables)
        if self.p.n_variables > MAX_VARIABLES:
            raise ValueError(f"{self.p.n_variables} variables, at most {MAX_VARIABLES}")
        self.p.n_transactions = len(spec.transactions)
        self.p.unexpected_step = spec.unexpected_step
        self.p.unexpected_return_var = spec.unexpected_return_var
        self.p.unexpected_pause_var = spec.unexpected_pause_var
        if not -1 <= self.p.unexpected_step < <int32_t> self.p.n_steps:
            raise ValueError(f"unexpected_step {self.p.unexpected_step} out of -1..{self.p.n_steps - 1}")
        self._check_variable(self.p.unexpected_return_var, "unexpected_return_var")
        self._check_variable(self.p.unexpected_pause_var, "unexpected_pause_var")

    cdef _compile_regexes(self, patterns):
        cdef bytes pattern
        cdef bytearray error = bytearray(256)
        self.p.regexes = <regex_t**> calloc(len(patterns) + 1, sizeof(regex_t*))
        if self.p.regexes == NULL:
            raise MemoryError
        self.p.n_regexes = len(patterns)
        for i, pattern in enumerate(patterns):
            self.p.regexes[<int> i] = regex_compile(pattern, <uint32_t> len(pattern), error, 256)
            if self.p.regexes[<int> i] == NULL:
                raise ValueError(f"regexes[{i}]: {error.split(bytes(1))[0].decode('utf-8', 'replace')}")

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
        cdef uint32_t k
        if p.kind >= N_PIECE_KINDS:
            raise ValueError(f"pieces[{i}].kind {p.kind} unknown")
        if p.kind == PIECE_FIELD or p.kind == PIECE_FILE:
            # one level deep: expansion cannot go round in circles
            self._check_rows(p.off, p.len, f"pieces[{i}]")
            for k in range(p.off, p.off + p.len):
                if self.p.pieces[k].kind == PIECE_FILE or self.p.pieces[k].kind == PIECE_AUTHENTICATION \
                        or self.p.pieces[k].kind == PIECE_FIELD and self.p.pieces[k].len:
                    raise ValueError(f"pieces[{i}]: piece {k} may not stand inside another")
            if p.kind == PIECE_FIELD and (p.arg >= self.p.n_files or p.offset < 0):
                raise ValueError(f"pieces[{i}]: no such injection file or field")
            return
        if p.kind == PIECE_VARIABLE or p.kind == PIECE_FILL:
            if p.offset < 0:
                raise ValueError(f"pieces[{i}]: no variable")
            self._check_variable(p.offset, f"pieces[{i}]")
        if p.kind == PIECE_AUTHENTICATION and p.arg >= self.p.n_credentials:
            raise ValueError(f"pieces[{i}]: no such credentials")
        if <uint64_t> p.off + p.len > self.p.pool_len:
            raise ValueError(f"pieces[{i}]: pool range {p.off}+{p.len} out of 0..{self.p.pool_len}")
        if p.kind == PIECE_LAST_HEADER:
            if p.arg >= N_HEADER_IDS:
                raise ValueError(f"pieces[{i}].arg: header id {p.arg} unknown")
            if p.len == 0:
                raise ValueError(f"pieces[{i}]: header without a name")
        if p.kind == PIECE_RANDOM and p.arg >= N_RANDOM_TEXTS:
            raise ValueError(f"pieces[{i}].arg: random text {p.arg} unknown")

    cdef _check_pause(self, uint32_t i):
        cdef pause_t* p = &self.p.pauses[i]
        if p.kind >= N_PAUSE_KINDS:
            raise ValueError(f"pauses[{i}].kind {p.kind} unknown")
        if p.kind == PAUSE_VARIABLE:
            if not 0 <= p.p0 < self.p.n_variables or p.p0 != <int64_t> p.p0:
                raise ValueError(f"pauses[{i}]: variable {p.p0} unknown")
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
        cdef int32_t first = 0
        if i >= self.p.n_steps:
            first, n = n, n + <int32_t> self.p.n_init_steps
        for field, value in (("next", s.next), ("on_timeout", s.on_timeout)):
            if value != -1 and not first <= value <= n:
                raise ValueError(f"steps[{i}].{field} {value} out of -1, {first}..{n}")
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
        if s.kind == STEP_SEND or s.kind == STEP_SEND_CMD:
            self._template((s.piece_first, s.n_pieces), f"steps[{i}]")
            if s.n_pieces == 0:
                raise ValueError(f"steps[{i}]: a send without a message")
        if s.kind == STEP_RECV and not (100 <= s.status_code <= 999 or s.flags & (STEP_IS_REQUEST | STEP_REGEXP)):
            raise ValueError(f"steps[{i}]: a recv of neither a request nor a status code")
        if not 0 <= s.lost_percent <= 100:
            raise ValueError(f"steps[{i}].lost_percent {s.lost_percent} out of 0..100")

    cdef _check_step_references(self, uint32_t i):
        cdef step_t* s = &self.p.steps[i]
        cdef int32_t n = <int32_t> self.p.n_transactions
        if i >= self.p.n_steps and s.kind != STEP_NOP:
            raise ValueError(f"steps[{i}]: an init step that is no nop")
        if <uint64_t> s.action_first + s.n_actions > self.p.n_actions:
            raise ValueError(f"steps[{i}]: actions {s.action_first}+{s.n_actions} out of 0..{self.p.n_actions}")
        self._check_variable(s.condexec_var, f"steps[{i}].condexec_var")
        self._check_variable(s.test_var, f"steps[{i}].test_var")
        if not -1 <= s.regex_idx < <int32_t> self.p.n_regexes:
            raise ValueError(f"steps[{i}].regex_idx {s.regex_idx} unknown")
        if s.flags & STEP_REGEXP and s.regex_idx < 0:
            raise ValueError(f"steps[{i}]: regexp_match without a regular expression")
        for field, value in (("start_txn", s.start_txn), ("ack_txn", s.ack_txn), ("response_txn", s.response_txn)):
            if not -1 <= value < n:
                raise ValueError(f"steps[{i}].{field} {value} out of -1..{n - 1}")

    cdef _check_rows(self, uint64_t first, uint64_t n, str where):
        if first + n > self.p.n_pieces:
            raise ValueError(f"{where}: pieces {first}+{n} out of 0..{self.p.n_pieces}")

    cdef _check_credentials(self, uint32_t i):
        cdef credential_rows_t* c = &self.p.credentials[i]
        cdef uint32_t k
        for first, n in ((c.username_first, c.n_username), (c.password_first, c.n_password),
                         (c.aka_k_first, c.n_aka_k), (c.aka_op_first, c.n_aka_op), (c.aka_amf_first, c.n_aka_amf)):
            self._check_rows(first, n, f"credentials[{i}]")
            for k in range(first, first + n):
                if self.p.pieces[k].kind == PIECE_AUTHENTICATION:
                    raise ValueError(f"credentials[{i}]: piece {k} may not stand inside another")

    cdef _check_variable(self, int64_t v, str where):
        if not -1 <= v < <int64_t> self.p.n_variables:
            raise ValueError(f"{where}: variable {v} out of -1..{self.p.n_variables - 1}")

    cdef _check_action(self, uint32_t i):
        cdef action_t* a = &self.p.actions[i]
        cdef uint32_t k
        cdef str where = f"actions[{i}]"
        if a.kind >= N_ACTION_KINDS or a.check > CHECK_IT_INVERSE or a.search_in > SEARCH_VARIABLE \
                or a.compare >= N_COMPARISONS:
            raise ValueError(f"{where}: kind, check, search_in or compare unknown")
        for v in (a.target, a.source, a.source2):
            self._check_variable(v, where)
        self._check_rows(a.piece_first, a.n_pieces, where)
        self._check_rows(a.piece2_first, a.n_pieces2, where)
        if <uint64_t> a.text_off + a.text_len > self.p.pool_len:
            raise ValueError(f"{where}: pool range {a.text_off}+{a.text_len} out of 0..{self.p.pool_len}")
        if <uint64_t> a.targets_first + a.n_targets > self.p.n_targets:
            raise ValueError(f"{where}: targets {a.targets_first}+{a.n_targets} out of 0..{self.p.n_targets}")
        for k in range(a.targets_first, a.targets_first + a.n_targets):
            if self.p.targets[k] < 0:
                raise ValueError(f"{where}: target {k} is no variable")
            self._check_variable(self.p.targets[k], where)
        n_rows = {
            ACTION_EREG: self.p.n_regexes, ACTION_SAMPLE: self.p.n_pauses, ACTION_LOOKUP: self.p.n_files,
            ACTION_INSERT: self.p.n_files, ACTION_REPLACE: self.p.n_files,
        }.get(a.kind)
        if n_rows is not None and not 0 <= a.row < n_rows:
            raise ValueError(f"{where}: row {a.row} out of 0..{n_rows - 1}")
        if ACTION_ASSIGN <= a.kind <= ACTION_SAMPLE and a.target < 0:
            raise ValueError(f"{where}: no variable to assign to")
        if a.kind == ACTION_TRIM and a.target < 0 \
                or (a.kind == ACTION_URL_DECODE or a.kind == ACTION_URL_ENCODE) and a.source < 0 and a.target < 0:
            raise ValueError(f"{where}: no variable to change")
        if a.kind == ACTION_TIME_OF_DAY and a.n_targets != 2:
            raise ValueError(f"{where}: needs two variables")
        if a.kind == ACTION_EREG and (a.n_targets > MAX_GROUPS or a.occurrence == 0):
            raise ValueError(f"{where}: at most {MAX_GROUPS} variables; occurrences count from 1")

    cdef _note_last_users(self):
        cdef uint32_t i, n = self.p.n_steps + self.p.n_init_steps + N_DEFAULT_MESSAGES
        cdef template_t t
        self.p.uses_last = <uint8_t*> calloc(n, 1)
        if self.p.uses_last == NULL:
            raise MemoryError
        for i in range(n):
            if i < self.p.n_steps + self.p.n_init_steps:
                t.piece_first = self.p.steps[i].piece_first
                t.n_pieces = self.p.steps[i].n_pieces
            else:
                t = self.p.defaults[i - self.p.n_steps - self.p.n_init_steps]
            self.p.uses_last[i] = self._reads_last(t.piece_first, t.n_pieces)
        self.p.actions_use_last = <uint8_t*> calloc(n, 1)
        if self.p.actions_use_last == NULL:
            raise MemoryError
        for i in range(self.p.n_steps + self.p.n_init_steps):
            self.p.actions_use_last[i] = self._actions_read_last(i)
        self.p.uses_dialog = self._needs_dialog()
        self.p.uses_digest = self.p.n_credentials > 0 or self.p.n_files > 0
        for i in range(self.p.n_actions):
            self.p.uses_digest |= self.p.actions[i].kind == ACTION_VERIFY_AUTH

    cdef bint _actions_read_last(self, uint32_t i):
        cdef uint32_t k
        cdef action_t* a
        for k in range(self.p.steps[i].action_first, self.p.steps[i].action_first + self.p.steps[i].n_actions):
            a = &self.p.actions[k]
            if self._reads_last(a.piece_first, a.n_pieces) or self._reads_last(a.piece2_first, a.n_pieces2):
                return True
        return False

    cdef bint _reads_last(self, uint32_t first, uint32_t n):
        cdef uint32_t k
        cdef piece_t* piece
        for k in range(first, first + n):
            piece = &self.p.pieces[k]
            if PIECE_LAST_HEADER <= piece.kind <= PIECE_LAST_MESSAGE or piece.kind == PIECE_NEXT_URL \
                    or (piece.kind == PIECE_FIELD or piece.kind == PIECE_FILE) \
                    and self._reads_last(piece.off, piece.len) \
                    or piece.kind == PIECE_AUTHENTICATION and self._credentials_read_last(piece.arg):
                return True
        return False

    cdef bint _credentials_read_last(self, uint32_t row):
        cdef credential_rows_t* c = &self.p.credentials[row]
        return self._reads_last(c.username_first, c.n_username) or self._reads_last(c.password_first, c.n_password) \
            or self._reads_last(c.aka_k_first, c.n_aka_k) or self._reads_last(c.aka_op_first, c.n_aka_op) \
            or self._reads_last(c.aka_amf_first, c.n_aka_amf)

    cdef bint _needs_dialog(self):
        cdef uint32_t i
        if self.p.n_files or self.p.n_credentials or self.p.n_user_variables or self.p.n_transactions \
                or self.p.unexpected_step >= 0:
            return True
        for i in range(self.p.n_actions):
            if self.p.actions[i].kind == ACTION_PAUSE_RESTORE:
                return True
        for i in range(self.p.n_steps):
            if self.p.steps[i].flags & (STEP_RECORDS_ROUTES | STEP_KEEPS_CHALLENGE):
                return True
        for i in range(self.p.n_pieces):
            if self.p.pieces[i].kind == PIECE_TDM_CIRCUIT or self.p.pieces[i].kind == PIECE_USER_ID:
                return True
        return False

    @property
    def n_steps(self):
        return self.p.n_steps
