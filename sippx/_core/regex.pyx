# sippx/_core/regex.pyx: POSIX extended regular expressions: searching in our tier and in glibc's; test surface.
#
# In our tier one pass from a start finds the longest match (pattern.pyx says why). Trying starts one by one
# can take quadratic time: when a search has cost more than `patience` bytes for each byte of text, the start
# (or the number of repetitions) is looked up by running the pattern's positions backwards over the text, as
# a set in one word: linear whatever the text is.
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcpy, memset, strlen

from sippx._core.bits cimport ctz64
from sippx._core.pattern cimport (
    OP_MAYBE,
    OP_ONE,
    OP_OPEN_REPEAT,
    OP_REPEAT,
    OP_SAVE,
    SCAN_ANCHORED,
    SCAN_BYTE,
    SCAN_PAIR,
    SCAN_RANGE,
    SCAN_TABLE,
    op_t,
    pattern_compile,
    pattern_t,
)

cdef extern from "<regex.h>" nogil:
    ctypedef struct posix_regex_t "regex_t":
        size_t re_nsub
    ctypedef struct posix_match_t "regmatch_t":
        int rm_so
        int rm_eo
    int REG_EXTENDED
    int REG_STARTEND
    int regcomp(posix_regex_t* r, const char* pattern, int flags)
    int regexec(const posix_regex_t* r, const char* text, size_t n_matches, posix_match_t* m, int flags)
    size_t regerror(int code, const posix_regex_t* r, char* out, size_t cap)
    void regfree(posix_regex_t* r)

cdef extern from "<locale.h>" nogil:
    ctypedef void* locale_t
    int LC_ALL_MASK
    locale_t newlocale(int mask, const char* name, locale_t base)
    locale_t uselocale(locale_t locale)
    void freelocale(locale_t locale)

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__SSE2__)
    #include <emmintrin.h>
    #endif
    /* First byte p in [p, end) with p[0] == a and p[1] == b, p[1] inside too; NULL without. */
    static const uint8_t *sippx_find_pair(const uint8_t *p, const uint8_t *end, uint8_t a, uint8_t b) {
    #if defined(__SSE2__)
        const __m128i va = _mm_set1_epi8((char)a), vb = _mm_set1_epi8((char)b);
        for (; end - p >= 17; p += 16) {
            __m128i here = _mm_loadu_si128((const __m128i *)p);
            __m128i next = _mm_loadu_si128((const __m128i *)(p + 1));
            int m = _mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(here, va), _mm_cmpeq_epi8(next, vb)));
            if (m)
                return p + __builtin_ctz((unsigned)m);
        }
    #endif
        for (; end - p >= 2; p++)
            if (p[0] == a && p[1] == b)
                return p;
        return NULL;
    }
    /* First byte in [p, end) that is between low and low + width; NULL without. */
    static const uint8_t *sippx_find_range(const uint8_t *p, const uint8_t *end, uint8_t low, uint8_t width) {
    #if defined(__SSE2__)
        const __m128i vlow = _mm_set1_epi8((char)low), vwidth = _mm_set1_epi8((char)width);
        for (; end - p >= 16; p += 16) {
            __m128i v = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)p), vlow);
            int m = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, vwidth), v));
            if (m)
                return p + __builtin_ctz((unsigned)m);
        }
    #endif
        for (; p < end; p++)
            if ((uint8_t)(*p - low) <= width)
                return p;
        return NULL;
    }
    """
    const uint8_t* find_pair "sippx_find_pair"(
        const uint8_t* p, const uint8_t* end, uint8_t a, uint8_t b) noexcept nogil
    const uint8_t* find_range "sippx_find_range"(
        const uint8_t* p, const uint8_t* end, uint8_t low, uint8_t width) noexcept nogil
    const void* memrchr(const void* p, int byte, size_t n) nogil

cdef enum:
    NOWHERE = 0xFFFFFFFF
    PATIENCE = 16
    PATIENCE_BYTES = 1024        # and these, so that short texts do not leave the plain way

cdef struct regex_t:
    posix_regex_t posix
    bint fast                    # `pattern` is filled
    uint32_t patience            # bytes looked at for each byte of text before the linear way is taken
    uint32_t patience_bytes
    pattern_t pattern

cdef struct search_t:
    const uint8_t* text
    uint32_t n
    uint64_t work                # bytes looked at in attempts
    uint64_t limit
    int32_t* slots

# --------------------------------------------------------------------------- our tier

cdef inline uint32_t end_of_run(const pattern_t* r, const op_t* op, const search_t* st, uint32_t at) noexcept nogil:
    """One past the last of the bytes at `at` that the item can take."""
    cdef uint32_t end = st.n
    cdef const void* stop
    if op.max < end - at:
        end = at + op.max
    if op.stop >= 0:
        stop = memchr(st.text + at, op.stop, end - at)
        return end if stop == NULL else <uint32_t> (<const uint8_t*> stop - st.text)
    while at < end and r.accepts[st.text[at]] & op.bit:
        at += 1
    return at


cdef uint32_t start_backwards(const pattern_t* r, const search_t* st, uint64_t first, bint nullable, uint32_t low,
                              uint32_t high, bint lowest) noexcept nogil:
    """Lowest or highest place in low..high from which the positions after `first` lead to a match."""
    cdef uint64_t here = 0, before   # positions that can take the byte at x and lead to a match
    cdef uint32_t x = st.n, found = NOWHERE
    cdef bint can_end
    while True:
        can_end = not r.at_end or x == st.n
        if x <= high and (here & first or (nullable and can_end)):
            found = x
            if not lowest:
                return found
        if x == low:
            return found
        x -= 1
        before = r.last if can_end else 0
        while here:
            before |= r.before[ctz64(here)]
            here &= here - 1
        here = before & r.accepts[st.text[x]]


cdef uint32_t run_repeats(const pattern_t* r, uint32_t i, search_t* st, uint32_t at) noexcept nogil:
    """run() from the op OP_OPEN_REPEAT: the rest is tried after as many bytes as possible, then after fewer."""
    cdef const op_t* op = &r.ops[i]
    cdef uint32_t x = end_of_run(r, op, st, at), low = at + op.min, end
    cdef const void* place
    st.work += x - at + 1
    if x - at < op.min:
        return NOWHERE
    while True:
        if r.rest_byte >= 0:
            place = memrchr(st.text + low, r.rest_byte, (x + 1 if x < st.n else st.n) - low)
            if place == NULL:
                return NOWHERE
            x = <uint32_t> (<const uint8_t*> place - st.text)
            end = run(r, i + 1, st, x)
        elif x < st.n and r.accepts[st.text[x]] & r.rest_first or \
                r.rest_nullable and (not r.at_end or x == st.n):
            end = run(r, i + 1, st, x)
        else:
            end = NOWHERE
        if end != NOWHERE or x == low:
            return end
        x -= 1
        if st.work > st.limit:
            x = start_backwards(r, st, r.rest_first, r.rest_nullable, low, x, False)
            return NOWHERE if x == NOWHERE else run(r, i + 1, st, x)


cdef uint32_t run(const pattern_t* r, uint32_t i, search_t* st, uint32_t at) noexcept nogil:
    """End of the longest match of the ops from the i-th on that starts at `at`; NOWHERE without."""
    cdef const op_t* op
    cdef uint32_t end
    st.work += 1
    while True:
        op = &r.ops[i]
        i += 1
        if op.kind == OP_ONE:
            if at >= st.n or not r.accepts[st.text[at]] & op.bit:
                return NOWHERE
            at += 1
        elif op.kind == OP_REPEAT:
            end = end_of_run(r, op, st, at)
            st.work += end - at
            if end - at < op.min:
                return NOWHERE
            at = end
        elif op.kind == OP_SAVE:
            st.slots[op.slot] = at
        elif op.kind == OP_MAYBE:
            if at >= st.n or not r.accepts[st.text[at]] & op.bit:
                i = op.skip
        elif op.kind == OP_OPEN_REPEAT:
            return run_repeats(r, i - 1, st, at)
        else:
            return NOWHERE if r.at_end and at < st.n else at


cdef uint32_t next_start(const pattern_t* r, const search_t* st, uint32_t at) noexcept nogil:
    """The first place from `at` (at most n) on where a match may start; NOWHERE without."""
    cdef const uint8_t* place
    cdef const uint8_t* p = st.text + at
    cdef const uint8_t* end = st.text + st.n
    if r.scan == SCAN_PAIR:
        place = find_pair(p, end, r.scan_first, r.scan_second)
    elif r.scan == SCAN_BYTE:
        place = <const uint8_t*> memchr(p, r.scan_first, end - p)
    elif r.scan == SCAN_RANGE:
        place = find_range(p, end, r.scan_first, r.scan_second)
    elif r.scan == SCAN_TABLE:
        while p < end and not r.accepts[p[0]] & r.first:
            p += 1
        place = p if p < end else NULL
    else:
        return at
    return NOWHERE if place == NULL else <uint32_t> (place - st.text)


cdef bint search_fast(const regex_t* regex, const char* text, uint32_t n, regex_match_t* m) noexcept nogil:
    cdef const pattern_t* r = &regex.pattern
    cdef regex_match_t found
    cdef search_t st
    cdef uint32_t at = 0, end
    st.text = <const uint8_t*> text
    st.n = n
    st.work = 0
    st.limit = <uint64_t> n * regex.patience + regex.patience_bytes
    st.slots = <int32_t*> &found
    while True:
        at = next_start(r, &st, at)
        if at == NOWHERE:
            return False
        memset(&found, 0xFF, sizeof(found))
        end = run(r, 0, &st, at)
        if end != NOWHERE:
            break
        if r.scan == SCAN_ANCHORED:
            return False
        # every start within a leading unbounded run sees the same rest, or not enough of the run
        if r.lead >= 0:
            at = end_of_run(r, &r.ops[r.lead], &st, at)
        at += 1
        if at > n:
            return False
        if st.work > st.limit:
            at = start_backwards(r, &st, r.first, r.nullable, at, n, True)
            if at == NOWHERE:
                return False
    if m != NULL:
        found.start[0] = at
        found.end[0] = end
        m[0] = found
    return True

# --------------------------------------------------------------------------- both tiers

cdef bint search_posix(const regex_t* r, const char* text, uint32_t n, regex_match_t* m) noexcept nogil:
    cdef posix_match_t found[REGEX_MATCHES]
    cdef size_t i, n_matches = min(<size_t> REGEX_MATCHES, r.posix.re_nsub + 1) if m != NULL else 0
    found[0].rm_so = 0
    found[0].rm_eo = n
    if regexec(&r.posix, text, n_matches, found, REG_STARTEND) != 0:
        return False
    if m != NULL:
        memset(m, 0xFF, sizeof(regex_match_t))
        for i in range(n_matches):
            m.start[i] = found[i].rm_so
            m.end[i] = found[i].rm_eo
    return True


cdef bint regex_search(const regex_t* r, const char* text, uint32_t n, regex_match_t* m) noexcept nogil:
    if n > REGEX_TEXT_MAX:
        return False
    if n == 0:
        text = b""                       # NULL is no text for the C library
    return search_fast(r, text, n, m) if r.fast else search_posix(r, text, n, m)


cdef bint regex_is_fast(const regex_t* r) noexcept nogil:
    return r.fast


cdef void put_error(const char* words, char* error, uint32_t cap) noexcept nogil:
    cdef size_t n = strlen(words)
    if cap > 0:
        n = min(n, <size_t> cap - 1)
        memcpy(error, words, n)
        error[n] = 0


cdef bint compile_posix(regex_t* r, const char* pattern, uint32_t n, char* error, uint32_t cap) noexcept nogil:
    """regcomp in the C locale: the process may have another one, in which `.` is a character of UTF-8."""
    cdef char* terminated
    cdef locale_t c_locale
    cdef locale_t old
    cdef int code
    if memchr(pattern, 0, n) != NULL:
        put_error(b"Pattern holds a NUL byte", error, cap)
        return False
    terminated = <char*> malloc(<size_t> n + 1)
    c_locale = newlocale(LC_ALL_MASK, b"C", NULL)
    if terminated == NULL or c_locale == NULL:
        put_error(b"Memory exhausted", error, cap)
        free(terminated)
        return False
    memcpy(terminated, pattern, n)
    terminated[n] = 0
    old = uselocale(c_locale)
    code = regcomp(&r.posix, terminated, REG_EXTENDED)
    if code != 0 and cap > 0:
        regerror(code, &r.posix, error, cap)
    uselocale(old)
    freelocale(c_locale)
    free(terminated)
    return code == 0


cdef regex_t* regex_compile(const char* pattern, uint32_t n, char* error, uint32_t error_cap) noexcept nogil:
    cdef regex_t* r = <regex_t*> calloc(1, sizeof(regex_t))
    if r == NULL:
        put_error(b"Memory exhausted", error, error_cap)
        return NULL
    if n == 0:
        pattern = b""
    if not compile_posix(r, pattern, n, error, error_cap):
        free(r)
        return NULL
    r.patience = PATIENCE
    r.patience_bytes = PATIENCE_BYTES
    r.fast = pattern_compile(&r.pattern, pattern, n)
    return r


cdef void regex_free(regex_t* r) noexcept nogil:
    if r != NULL:
        regfree(&r.posix)
        free(r)

# --------------------------------------------------------------------------- test surface

cdef class Regex:
    """A pattern; fast=False: glibc's tier in any case; hasty: the linear way is taken at the first failure."""
    cdef regex_t* r

    def __cinit__(self, bytes pattern not None, *, bint fast=True, bint hasty=False):
        cdef char[128] error
        self.r = regex_compile(pattern, len(pattern), error, sizeof(error))
        if self.r == NULL:
            raise ValueError((<bytes> error).decode())
        if not fast:
            self.r.fast = False
        if hasty:
            self.r.patience = self.r.patience_bytes = 0

    def __dealloc__(self):
        regex_free(self.r)

    @property
    def is_fast(self):
        return regex_is_fast(self.r)

    def search(self, bytes text not None):
        """(start, end) of the match and of up to nine sub-expressions, (-1, -1) for those without part in it."""
        cdef regex_match_t m
        cdef bint found
        cdef const char* p = text
        cdef uint32_t n = len(text)
        with nogil:
            found = regex_search(self.r, p, n, &m)
        if not found:
            return None
        return [(m.start[i], m.end[i]) for i in range(min(REGEX_MATCHES, self.r.posix.re_nsub + 1))]

    def matches(self, bytes text not None):
        """Whether there is a match, without asking where."""
        return regex_search(self.r, text, len(text), NULL)

    def bench(self, bytes text not None, uint64_t repeat):
        """Searches `repeat` times; how many found a match."""
        cdef regex_match_t m
        cdef const char* p = text
        cdef uint32_t n = len(text)
        cdef uint64_t _i, found = 0
        with nogil:
            for _i in range(repeat):
                found += regex_search(self.r, p, n, &m)
        return found
