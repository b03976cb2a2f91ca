# sippx/_core/program.pxd: a compiled scenario, verified once and then run unchecked.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from sippx._core.codes cimport N_DEFAULT_MESSAGES
from sippx._core.tables cimport pause_t, piece_t, step_t

cdef struct template_t:
    uint32_t piece_first
    uint32_t n_pieces

cdef struct program_t:
    step_t* steps
    uint32_t n_steps
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
    cdef _note_last_users(self)
