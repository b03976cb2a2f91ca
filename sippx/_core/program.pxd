# sippx/_core/program.pxd: a compiled scenario, verified once and then run unchecked.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from sippx._core.codes cimport N_DEFAULT_MESSAGES
from sippx._core.regex cimport regex_t
from sippx._core.tables cimport action_t, credential_rows_t, pause_t, piece_t, step_t

cdef struct template_t:
    uint32_t piece_first
    uint32_t n_pieces

cdef struct program_t:
    step_t* steps                # n_steps, then n_init_steps that only the init call runs
    uint32_t n_steps
    uint32_t n_init_steps
    action_t* actions
    uint32_t n_actions
    int32_t* targets             # variables that ereg and gettimeofday assign to
    uint32_t n_targets
    credential_rows_t* credentials
    uint32_t n_credentials
    uint32_t n_regexes           # Program.regexes
    uint32_t n_files             # injection files, in the order of Program.spec.injection_names
    uint32_t n_call_variables    # variable numbers: call, then user, then global ones
    uint32_t n_user_variables
    uint32_t n_variables         # all three
    uint32_t n_transactions
    int32_t unexpected_step      # label _unexp.main: where a call goes on an unexpected message, -1 none
    int32_t unexpected_return_var   # _unexp.retaddr, -1 none
    int32_t unexpected_pause_var    # _unexp.pausedaddr, -1 none
    bint uses_dialog             # calls need a dialog_t: routes, target, challenge, user, injection lines
    piece_t* pieces
    uint32_t n_pieces
    pause_t* pauses
    uint32_t n_pauses
    char* pool                   # literal pool, padded
    uint32_t pool_len
    template_t call_id
    template_t defaults[N_DEFAULT_MESSAGES]
    bint is_client
    bint uses_peer_tag
    bint has_start_rtd           # calls need room for RTD start times
    uint8_t* uses_last           # per step, then per default message: the template looks at the last message
    uint8_t* actions_use_last    # per step: templates of its actions do
    regex_t** regexes
    bint uses_digest
    uint32_t n_rtds              # at most 64
    uint32_t n_counters
    # repartition tables: RTD 0.., then call length; bounds in ns
    uint64_t* bounds_ns
    uint32_t* bounds_first       # n_rtds + 2 entries: table t is bounds_first[t]..bounds_first[t+1]

cdef class Program:
    cdef program_t p
    cdef readonly object spec
    cdef _adopt_tables(self, spec)
    cdef _adopt_bounds(self, spec)
    cdef template_t _template(self, rows, str where) except *
    cdef _check_piece(self, uint32_t i)
    cdef _check_pause(self, uint32_t i)
    cdef _check_step(self, uint32_t i)
    cdef _check_step_references(self, uint32_t i)
    cdef _check_action(self, uint32_t i)
    cdef _check_rows(self, uint64_t first, uint64_t n, str where)
    cdef _check_credentials(self, uint32_t i)
    cdef _check_variable(self, int64_t v, str where)
    cdef _adopt_actions(self, spec)
    cdef _compile_regexes(self, patterns)
    cdef bint _actions_read_last(self, uint32_t i)
    cdef _note_last_users(self)
    cdef bint _reads_last(self, uint32_t first, uint32_t n)
    cdef bint _credentials_read_last(self, uint32_t row)
    cdef bint _needs_dialog(self)
