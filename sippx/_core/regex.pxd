# sippx/_core/regex.pxd: POSIX extended regular expressions on message bytes, without the GIL.
#
# The results are those of glibc's regcomp(REG_EXTENDED) and regexec in the C locale, whatever the locale
# of the process: leftmost, then longest match; bytes stand for themselves; `^` and `$` hold only at the
# ends of the text; `.` takes CR and LF but, as in glibc, no NUL (`[^x]` takes one). A NUL in the text is
# a byte like any other and does not end it. A pattern cannot hold a NUL.
#
# Two tiers, chosen once, when the pattern is compiled:
#   - ours: a concatenation of bytes, bracket expressions and `.`, with `* + ? {m} {m,} {m,n}` on these,
#     groups around parts of it (optional ones too), `^` first and `$` last, of at most PATTERN_POSITIONS
#     bytes with repetitions written out, where the next byte decides every choice; one repetition may
#     leave that open (`sip:(.*)@`). No allocation, no lock, time linear in the text.
#   - glibc's, for everything else. Each search takes a lock inside the pattern (threads wait for each
#     other), allocates and frees, and may take time quadratic in the text: acceptable for rare patterns.
from libc.stdint cimport int32_t, uint32_t

from sippx._core.pattern cimport PATTERN_MATCHES

cdef enum:
    REGEX_MATCHES = PATTERN_MATCHES  # the whole match and nine sub-expressions; further ones are not reported
    REGEX_TEXT_MAX = 0x7FFFFFFF  # longer texts match nothing

cdef struct regex_t              # made by regex_compile for its caller, who frees it; const in use

cdef struct regex_match_t:       # offsets of first byte and one past the last; -1: did not take part
    int32_t start[REGEX_MATCHES]
    int32_t end[REGEX_MATCHES]

# NULL: not a pattern (or no memory), and `error` holds glibc's words for it, NUL-terminated and cut to fit.
cdef regex_t* regex_compile(const char* pattern, uint32_t n, char* error, uint32_t error_cap) noexcept nogil
cdef void regex_free(regex_t* r) noexcept nogil          # NULL is fine
cdef bint regex_is_fast(const regex_t* r) noexcept nogil

# m: where the match is, written only when there is one; NULL: only whether there is one.
# Where glibc's tier runs out of memory it reports no match.
cdef bint regex_search(const regex_t* r, const char* text, uint32_t n, regex_match_t* m) noexcept nogil
