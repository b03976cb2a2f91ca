# sippx/_core/pattern.pxd: a pattern of the regular expressions that we match ourselves, ready to be searched for.
#
# No pointers: a pattern_t may be copied and lies in its owner. A repetition takes as many positions as it
# may take bytes, its minimum (at least one) where that is unbounded; sets of positions are words.
from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    PATTERN_MATCHES = 10         # the whole match and nine groups with slots
    PATTERN_POSITIONS = 64
    PATTERN_OPS = 256
    PATTERN_UNBOUNDED = 0xFFFFFFFF

cdef enum op_kind:
    OP_ONE                       # one byte of the class
    OP_REPEAT                    # min..max bytes of the class, as many as there are
    OP_OPEN_REPEAT               # min..max bytes of the class, the most for which the rest succeeds
    OP_SAVE                      # the position goes to a slot
    OP_MAYBE                     # the group up to `skip` is entered if its first byte is here
    OP_END

cdef enum scan_kind:
    SCAN_ANCHORED                # a match starts at the text's first byte only
    SCAN_ANY
    SCAN_BYTE
    SCAN_PAIR
    SCAN_RANGE
    SCAN_TABLE

cdef struct op_t:
    uint64_t bit                 # accepts[b] & bit: byte b is of the class; OP_MAYBE: of the body's first bytes
    uint32_t min
    uint32_t max
    uint8_t kind
    uint8_t slot                 # index into start[] and then end[] of regex_match_t
    uint16_t skip
    int16_t stop                 # the only byte that is not of the class; -1: there are none or several

cdef struct pattern_t:
    bint at_end                  # `$`
    uint8_t scan                 # how starts are found, and what from
    uint8_t scan_first
    uint8_t scan_second          # SCAN_PAIR: the next byte; SCAN_RANGE: highest less lowest
    bint nullable                # the empty text matches
    bint rest_nullable           # the same for what follows OP_OPEN_REPEAT
    int16_t rest_byte            # the byte that it starts with; -1: several, or it may be empty
    int16_t lead                 # op with which the pattern starts if that is an unbounded repetition; -1
    uint32_t n_ops
    uint32_t n_positions
    uint64_t first               # positions at which a match can start
    uint64_t rest_first
    uint64_t last                # positions with which it can end
    uint64_t before[PATTERN_POSITIONS]   # positions that can come right before this one
    uint64_t accepts[256]                # positions that take the byte
    op_t ops[PATTERN_OPS + 1]

# False: not for us. `text` is a pattern that regcomp has taken in the C locale.
cdef bint pattern_compile(pattern_t* r, const char* text, uint32_t n) noexcept nogil
