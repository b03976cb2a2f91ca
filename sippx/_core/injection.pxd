# sippx/_core/injection.pxd: serves the lines and fields of an injection file; per-engine inserts and replacements.
#
# An Injection is a file as it was read: immutable, borrowed from its table, shared by any number of engines.
# An injection_state_t is what one engine has done with it: the sequential counter, inserted and replaced lines
# and the index. Lines have no stored field offsets: they are short, and finding the n-th ';' eight bytes at a
# time costs less than the cache miss of looking its place up.
# PRINTF files cannot be inserted into, replaced in or indexed; whoever compiles a scenario refuses that.
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from sippx._core.span cimport span_t

cdef extern from *:
    enum:
        INJECTION_NO_LINE "0xFFFFFFFFU"    # out of range of every file: its fields are empty

# The values of sippx.injection.Order.
cdef enum:
    INJECTION_SEQUENTIAL = 0
    INJECTION_RANDOM = 1
    INJECTION_USER = 2

cdef enum:
    INJECTION_E_NO_FIELD = -1    # the line has fewer fields: warn, print nothing
    INJECTION_E_TOO_LONG = -2
    INJECTION_E_NO_LINE = -3
    INJECTION_E_FULL = -4        # max_bytes, or no memory
    INJECTION_E_PRINTF = -5      # not with a PRINTF file
    INJECTION_LINE_CAP = 1048576     # bytes of an inserted line
    INJECTION_MAX_LINES = 2147483647

cdef struct injection_t:
    const char* data             # the whole file, readable BYTES_READABLE_PAST_END bytes past every line
    const uint32_t* line_start
    const uint32_t* line_len
    uint32_t n_base              # data lines, at least 1
    uint32_t n_virtual           # lines of a PRINTF file, 0 for an ordinary one
    int64_t printf_offset
    int64_t printf_multiple
    uint32_t order
    int32_t index_column         # -1: no index

# A line whose text the state owns: cap bytes at text + at, of which len are used.
cdef struct own_line_t:
    uint64_t at
    uint32_t len
    uint32_t cap

cdef struct own_lines_t:
    own_line_t* rows
    uint64_t cap_bytes
    uint32_t n

# An entry of the index; its key is what its line's column now says. line INJECTION_NO_LINE: empty.
cdef struct index_slot_t:
    uint32_t hash
    uint32_t line

cdef struct injection_state_t:
    uint32_t next_line           # of SEQUENTIAL
    own_lines_t appended         # lines n_base, n_base + 1, ...
    own_lines_t replaced         # of the file's lines, in the order of their first replacement
    uint32_t* replaced_row       # per line of the file: 1 + row of replaced, 0: as in the file; NULL before the first
    char* text
    uint64_t text_used
    uint64_t text_cap_bytes
    index_slot_t* index          # NULL: none; open addressing, at most half full
    uint64_t index_mask
    uint64_t n_indexed
    uint64_t seed                # of the index: keys may come from the network
    uint64_t n_bytes             # allocated since init
    uint64_t max_bytes

cdef inline uint32_t injection_n_lines(const injection_t* inj, const injection_state_t* s) noexcept nogil:
    return inj.n_virtual if inj.n_virtual else inj.n_base + s.appended.n

# Builds the index where the file has one (O(lines)). max_bytes bounds what inserts and replacements may add.
# -1 without memory; free() is right after either.
cdef int injection_state_init(injection_state_t* s, const injection_t* inj, uint64_t seed,
                              uint64_t max_bytes) noexcept nogil
cdef void injection_state_free(injection_state_t* s) noexcept nogil

# The line of a new call. INJECTION_NO_LINE where a USER file has no line for user_id (from 1; 0: no user).
cdef uint32_t injection_pick_line(const injection_t* inj, injection_state_t* s, uint32_t user_id,
                                  uint64_t* random_state) noexcept nogil

# Writes at most cap bytes (plus padding garbage behind them) to out, which must have room for
# cap + BYTES_READABLE_PAST_END. Returns the length, 0 for a line out of range, or INJECTION_E_NO_FIELD or
# INJECTION_E_TOO_LONG.
cdef int32_t injection_render_field(const injection_t* inj, const injection_state_t* s, int64_t line, uint32_t field,
                                    char* out, uint32_t cap) noexcept nogil

# The line that was last put under that key, -1 where there is none (and without an index).
cdef int64_t injection_lookup(const injection_t* inj, const injection_state_t* s, span_t key) noexcept nogil

# 0 or an INJECTION_E_ code, in which case nothing has changed. values must not point into the state. Amortised
# O(1), but a growing index is rehashed at once: about 10 ms for each million lines.
cdef int injection_insert(const injection_t* inj, injection_state_t* s, span_t values) noexcept nogil
cdef int injection_replace(const injection_t* inj, injection_state_t* s, int64_t line, span_t values) noexcept nogil

cdef class Injection:
    cdef injection_t f
    cdef readonly object table
    cdef const unsigned char[::1] _data
    cdef const uint32_t[::1] _line_start
    cdef const uint32_t[::1] _line_len
    cdef _check_lines(self)
