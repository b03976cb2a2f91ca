# sippx/_core/injection.pyx: lines, fields, index and PRINTF expansion of an injection file; Python test surface.
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

from sippx._core.bits cimport BYTES_READABLE_PAST_END, clz64, copy_wild, ctz64, likely, load64, unlikely
from sippx._core.hash cimport hash_bytes, random_u64
from sippx._core.span cimport span_of, span_t

cdef enum:
    MIN_GROWTH_BYTES = 4096
    WIDTH_CAP = 999              # of a PRINTF conversion, precision too
    RENDER_CAP = 65507           # of the test surface

# --------------------------------------------------------------------------- lines and fields


cdef inline own_line_t* own_line(const injection_t* inj, const injection_state_t* s, uint32_t line) noexcept nogil:
    """The state's version of a line that exists, NULL where the file's holds."""
    if line >= inj.n_base:
        return &s.appended.rows[line - inj.n_base]
    if likely(s.replaced_row == NULL) or s.replaced_row[line] == 0:
        return NULL
    return &s.replaced.rows[s.replaced_row[line] - 1]


cdef inline span_t line_text(const injection_t* inj, const injection_state_t* s, uint32_t line) noexcept nogil:
    cdef own_line_t* own = own_line(inj, s, line)
    if own != NULL:
        return span_of(s.text + own.at, own.len)
    return span_of(inj.data + inj.line_start[line], inj.line_len[line])


cdef inline uint64_t separators(const char* p) noexcept nogil:
    """The highest bit of each of the eight bytes that is a ';'."""
    cdef uint64_t low = 0x7f7f7f7f7f7f7f7fULL
    cdef uint64_t x = load64(p) ^ 0x3b3b3b3b3b3b3b3bULL
    return ~(((x & low) + low) | x | low)


cdef inline bint find_field(span_t text, uint32_t field, span_t* found) noexcept nogil:
    cdef uint32_t start = 0, at = 0, end
    cdef uint64_t mask
    while at < text.len:
        mask = separators(text.ptr + at)
        while mask:
            end = at + (ctz64(mask) >> 3)
            if end >= text.len:
                break
            if field == 0:
                found[0] = span_of(text.ptr + start, end - start)
                return True
            field -= 1
            start = end + 1
            mask &= mask - 1
        at += 8
    if field:
        return False
    found[0] = span_of(text.ptr + start, text.len - start)
    return True


cdef uint32_t injection_pick_line(const injection_t* inj, injection_state_t* s, uint32_t user_id,
                                  uint64_t* random_state) noexcept nogil:
    cdef uint32_t line, n = injection_n_lines(inj, s)
    if inj.order == INJECTION_SEQUENTIAL:
        line = s.next_line
        # wrapped at once, as SIPp does: a line inserted after the last one was taken waits for the next round
        s.next_line = line + 1 if line + 1 < n else 0
        return line
    if inj.order == INJECTION_RANDOM:
        return <uint32_t> (((random_u64(random_state) >> 32) * n) >> 32)
    return user_id - 1 if 0 < user_id <= n else INJECTION_NO_LINE


cdef int32_t injection_render_field(const injection_t* inj, const injection_state_t* s, int64_t line, uint32_t field,
                                    char* out, uint32_t cap) noexcept nogil:
    cdef span_t text
    if unlikely(line < 0 or line >= injection_n_lines(inj, s)):
        return 0
    if unlikely(inj.n_virtual != 0):
        if not find_field(line_text(inj, s, <uint32_t> (line % inj.n_base)), field, &text):
            return INJECTION_E_NO_FIELD
        return expand(text, inj.printf_offset + line * inj.printf_multiple, out, cap)
    if unlikely(not find_field(line_text(inj, s, <uint32_t> line), field, &text)):
        return INJECTION_E_NO_FIELD
    if unlikely(text.len > cap or text.len > INT32_MAX):
        return INJECTION_E_TOO_LONG
    copy_wild(out, text.ptr, text.len)
    return <int32_t> text.len

# --------------------------------------------------------------------------- PRINTF expansion

cdef extern from "<stdint.h>" nogil:
    const uint32_t INT32_MAX

cdef struct conversion_t:
    bint left
    bint zeros
    bint has_precision
    uint32_t width
    uint32_t precision


cdef inline uint32_t put_number(const char* p, const char* end, uint32_t* value) noexcept nogil:
    """Digits at p into value, which stops behind WIDTH_CAP; how many there are."""
    cdef uint32_t n = 0
    value[0] = 0
    while p + n < end and c'0' <= p[n] <= c'9':
        value[0] = min(value[0] * 10 + <uint32_t> (p[n] - c'0'), WIDTH_CAP + 1)
        n += 1
    return n


cdef uint32_t conversion_at(const char* p, const char* end, conversion_t* c) noexcept nogil:
    """Length of the conversion at p, which is a '%'; 0 where it is none that may be used."""
    cdef const char* start = p
    memset(c, 0, sizeof(conversion_t))
    p += 1
    while p < end and (p[0] == c'-' or p[0] == c'0'):
        c.left |= p[0] == c'-'
        c.zeros |= p[0] == c'0'
        p += 1
    p += put_number(p, end, &c.width)
    if p < end and p[0] == c'.':
        c.has_precision = True
        p += 1
        p += put_number(p, end, &c.precision)
    if p == end or p[0] != c'd' or c.width > WIDTH_CAP or c.precision > WIDTH_CAP:
        return 0
    return <uint32_t> (p + 1 - start)


cdef char* put_converted(const conversion_t* c, int64_t value, char* out, const char* limit) noexcept nogil:
    """value as C's printf writes it; NULL where it ends behind limit."""
    cdef char digits[20]
    cdef uint32_t n_digits = 0, n_sign = value < 0, n_zeros = 0, n_blanks = 0, n
    cdef uint64_t v = <uint64_t> value if value >= 0 else 0 - <uint64_t> value
    while v or (n_digits == 0 and not (c.has_precision and c.precision == 0)):
        n_digits += 1
        digits[20 - n_digits] = <char> (c'0' + v % 10)
        v //= 10
    if c.precision > n_digits:
        n_zeros = c.precision - n_digits
    elif c.zeros and not c.left and not c.has_precision and c.width > n_sign + n_digits:
        n_zeros = c.width - n_sign - n_digits
    n = n_sign + n_zeros + n_digits
    if c.width > n:
        n_blanks = c.width - n
    if limit - out < <int64_t> n + n_blanks:
        return NULL
    if not c.left:
        memset(out, c' ', n_blanks)
        out += n_blanks
    if n_sign:
        out[0] = c'-'
        out += 1
    memset(out, c'0', n_zeros)
    memcpy(out + n_zeros, digits + 20 - n_digits, n_digits)
    out += n_zeros + n_digits
    if c.left:
        memset(out, c' ', n_blanks)
        out += n_blanks
    return out


cdef int32_t expand(span_t text, int64_t value, char* out, uint32_t cap) noexcept nogil:
    """text with conversions replaced; a '%' that starts none stays (the loader has refused those)."""
    cdef const char* p = text.ptr
    cdef const char* end = p + text.len
    cdef const char* percent
    cdef char* start = out
    cdef char* limit = out + min(cap, INT32_MAX)
    cdef conversion_t c
    cdef uint32_t n
    while p < end:
        percent = <const char*> memchr(p, c'%', end - p)
        n = <uint32_t> ((percent if percent != NULL else end) - p)
        if n > <uint64_t> (limit - out):
            return INJECTION_E_TOO_LONG
        out = copy_wild(out, p, n)
        if percent == NULL:
            break
        n = conversion_at(percent, end, &c)
        if n:
            out = put_converted(&c, value, out, limit)
            if out == NULL:
                return INJECTION_E_TOO_LONG
            p = percent + n
            continue
        if out == limit:
            return INJECTION_E_TOO_LONG
        out[0] = c'%'
        out += 1
        p = percent + (2 if percent + 1 < end and percent[1] == c'%' else 1)
    return <int32_t> (out - start)

# --------------------------------------------------------------------------- index


cdef inline span_t key_of(const injection_t* inj, const injection_state_t* s, uint32_t line) noexcept nogil:
    """What a line is indexed under: its column, or nothing where it is too short for it."""
    cdef span_t key
    if not find_field(line_text(inj, s, line), <uint32_t> inj.index_column, &key):
        key = span_of(NULL, 0)
    return key


cdef inline uint32_t key_hash(const injection_state_t* s, span_t key) noexcept nogil:
    return <uint32_t> hash_bytes(key.ptr, key.len, s.seed)


cdef inline uint64_t index_place(const injection_t* inj, const injection_state_t* s, span_t key,
                                 uint32_t h) noexcept nogil:
    """The slot that holds key, or the empty one where it belongs."""
    cdef uint64_t at = h & s.index_mask
    cdef span_t other
    while s.index[at].line != INJECTION_NO_LINE:
        if s.index[at].hash == h:
            other = key_of(inj, s, s.index[at].line)
            if other.len == key.len and (key.len == 0 or memcmp(other.ptr, key.ptr, key.len) == 0):
                break
        at = (at + 1) & s.index_mask
    return at


cdef void index_put(const injection_t* inj, injection_state_t* s, uint32_t line) noexcept nogil:
    """Enters a line; a line that had its key loses it. Needs a free slot."""
    cdef span_t key = key_of(inj, s, line)
    cdef uint32_t h = key_hash(s, key)
    cdef uint64_t at = index_place(inj, s, key, h)
    s.n_indexed += s.index[at].line == INJECTION_NO_LINE
    s.index[at].hash = h
    s.index[at].line = line


cdef void index_drop(const injection_t* inj, injection_state_t* s, uint32_t line) noexcept nogil:
    """Takes a line's key out, unless a later line has taken it. Closes the gap: there are no tombstones."""
    cdef span_t key = key_of(inj, s, line)
    cdef uint64_t hole = index_place(inj, s, key, key_hash(s, key)), at = hole
    if s.index[hole].line != line:
        return
    while True:
        at = (at + 1) & s.index_mask
        if s.index[at].line == INJECTION_NO_LINE:
            break
        # an entry may move back unless its home lies behind the hole
        if ((at - s.index[at].hash) & s.index_mask) >= ((at - hole) & s.index_mask):
            s.index[hole] = s.index[at]
            hole = at
    s.index[hole].line = INJECTION_NO_LINE
    s.n_indexed -= 1


cdef index_slot_t* new_index(uint64_t n_slots) noexcept nogil:
    cdef index_slot_t* p = <index_slot_t*> malloc(n_slots * sizeof(index_slot_t))
    if p != NULL:
        memset(p, 0xFF, n_slots * sizeof(index_slot_t))
    return p


cdef bint index_reserve(injection_state_t* s) noexcept nogil:
    """Room for one more key; False without memory, in which case nothing has changed."""
    cdef uint64_t n_slots = s.index_mask + 1, mask, at, i
    cdef index_slot_t* larger
    if s.index == NULL or 2 * (s.n_indexed + 1) <= n_slots:
        return True
    if s.n_bytes + n_slots * sizeof(index_slot_t) > s.max_bytes:
        return False
    larger = new_index(2 * n_slots)
    if larger == NULL:
        return False
    mask = 2 * n_slots - 1
    for i in range(n_slots):
        if s.index[i].line != INJECTION_NO_LINE:
            at = s.index[i].hash & mask
            while larger[at].line != INJECTION_NO_LINE:
                at = (at + 1) & mask
            larger[at] = s.index[i]
    free(s.index)
    s.index = larger
    s.index_mask = mask
    s.n_bytes += n_slots * sizeof(index_slot_t)
    return True


cdef int64_t injection_lookup(const injection_t* inj, const injection_state_t* s, span_t key) noexcept nogil:
    cdef uint32_t line
    if s.index == NULL:
        return -1
    line = s.index[index_place(inj, s, key, key_hash(s, key))].line
    return <int64_t> line if line != INJECTION_NO_LINE else -1

# --------------------------------------------------------------------------- state, inserts, replacements


cdef int injection_state_init(injection_state_t* s, const injection_t* inj, uint64_t seed,
                              uint64_t max_bytes) noexcept nogil:
    cdef uint64_t n_slots
    cdef uint32_t line
    memset(s, 0, sizeof(injection_state_t))
    s.seed = seed
    s.max_bytes = max_bytes
    if inj.index_column < 0:
        return 0
    # the next power of two from twice the lines, with room for an insert
    n_slots = 1ULL << (64 - clz64(2ULL * inj.n_base + 1))
    s.index = new_index(n_slots)
    if s.index == NULL:
        return -1
    s.index_mask = n_slots - 1
    for line in range(inj.n_base):
        index_put(inj, s, line)
    return 0


cdef void injection_state_free(injection_state_t* s) noexcept nogil:
    free(s.appended.rows)
    free(s.replaced.rows)
    free(s.replaced_row)
    free(s.text)
    free(s.index)
    memset(s, 0, sizeof(injection_state_t))


cdef void* grown(injection_state_t* s, void* p, uint64_t* cap_bytes, uint64_t needed) noexcept nogil:
    """p or a larger copy with room for needed bytes; NULL without memory, in which case p is as it was."""
    cdef uint64_t left = s.max_bytes - s.n_bytes, wanted
    cdef void* larger
    if needed <= cap_bytes[0]:
        return p
    # doubled, but never more than half of what is left: the others grow too
    wanted = min(max(2 * cap_bytes[0], MIN_GROWTH_BYTES), cap_bytes[0] + left // 2)
    wanted = max(wanted, needed)
    if wanted - cap_bytes[0] > left:
        return NULL
    larger = realloc(p, wanted)
    if larger != NULL:
        s.n_bytes += wanted - cap_bytes[0]
        cap_bytes[0] = wanted
    return larger


cdef bint reserve_row(injection_state_t* s, own_lines_t* lines) noexcept nogil:
    cdef void* p = grown(s, lines.rows, &lines.cap_bytes, (lines.n + 1ULL) * sizeof(own_line_t))
    if p != NULL:
        lines.rows = <own_line_t*> p
    return p != NULL


cdef bint reserve_text(injection_state_t* s, uint64_t n) noexcept nogil:
    cdef void* p = grown(s, s.text, &s.text_cap_bytes, s.text_used + n + BYTES_READABLE_PAST_END)
    if p != NULL:
        s.text = <char*> p
    return p != NULL


cdef bint reserve_replaced_row(const injection_t* inj, injection_state_t* s) noexcept nogil:
    cdef uint64_t n_bytes = <uint64_t> inj.n_base * sizeof(uint32_t)
    if s.replaced_row != NULL:
        return True
    if n_bytes > s.max_bytes - s.n_bytes:
        return False
    s.replaced_row = <uint32_t*> calloc(inj.n_base, sizeof(uint32_t))
    if s.replaced_row == NULL:
        return False
    s.n_bytes += n_bytes
    return True


cdef inline uint32_t piece_cap(uint32_t len, uint32_t cap) noexcept nogil:
    """Bytes to take for a line of len whose piece of cap is too small; doubling bounds what is left behind."""
    return (max(len, 2 * cap) + 15) & ~<uint32_t> 15


cdef void set_text(injection_state_t* s, own_line_t* own, span_t values) noexcept nogil:
    """Needs piece_cap bytes of reserved text where the line does not fit its piece."""
    if values.len > own.cap:
        own.cap = piece_cap(values.len, own.cap)
        own.at = s.text_used
        s.text_used += own.cap
    own.len = values.len
    if values.len:
        memcpy(s.text + own.at, values.ptr, values.len)


cdef int injection_insert(const injection_t* inj, injection_state_t* s, span_t values) noexcept nogil:
    cdef uint32_t line = injection_n_lines(inj, s)
    cdef own_line_t* own
    if inj.n_virtual:
        return INJECTION_E_PRINTF
    if values.len > INJECTION_LINE_CAP:
        return INJECTION_E_TOO_LONG
    if line >= INJECTION_MAX_LINES:
        return INJECTION_E_FULL
    if not (reserve_row(s, &s.appended) and reserve_text(s, piece_cap(values.len, 0)) and index_reserve(s)):
        return INJECTION_E_FULL
    own = &s.appended.rows[s.appended.n]
    memset(own, 0, sizeof(own_line_t))
    set_text(s, own, values)
    s.appended.n += 1
    if s.index != NULL:
        index_put(inj, s, line)
    return 0


cdef int injection_replace(const injection_t* inj, injection_state_t* s, int64_t line, span_t values) noexcept nogil:
    cdef own_line_t* own
    cdef uint32_t n, had
    if inj.n_virtual:
        return INJECTION_E_PRINTF
    if line < 0 or line >= injection_n_lines(inj, s):
        return INJECTION_E_NO_LINE
    if values.len > INJECTION_LINE_CAP:
        return INJECTION_E_TOO_LONG
    n = <uint32_t> line
    own = own_line(inj, s, n)
    if own == NULL and not (reserve_replaced_row(inj, s) and reserve_row(s, &s.replaced)):
        return INJECTION_E_FULL
    had = own.cap if own != NULL else 0
    if values.len > had and not reserve_text(s, piece_cap(values.len, had)):
        return INJECTION_E_FULL
    if not index_reserve(s):
        return INJECTION_E_FULL
    # a key is found by the text of its line: it goes before the text does
    if s.index != NULL:
        index_drop(inj, s, n)
    if own == NULL:
        own = &s.replaced.rows[s.replaced.n]
        memset(own, 0, sizeof(own_line_t))
        s.replaced.n += 1
        s.replaced_row[n] = s.replaced.n
    set_text(s, own, values)
    if s.index != NULL:
        index_put(inj, s, n)
    return 0

# --------------------------------------------------------------------------- Python


cdef class Injection:
    """An injection file, immutable, shared by any number of engines: borrows the arrays of an InjectionTable.

    Every place is checked here; ValueError names what is wrong.
    """

    def __cinit__(self, table not None, index_column=None):
        self.table = table
        self._data = table.data
        self._line_start = table.line_start
        self._line_len = table.line_len
        self._check_lines()
        self.f.data = <const char*> &self._data[0]
        self.f.line_start = &self._line_start[0]
        self.f.line_len = &self._line_len[0]
        self.f.n_base = <uint32_t> self._line_start.shape[0]
        if not 0 <= table.order <= INJECTION_USER:
            raise ValueError(f"no such order: {table.order}")
        self.f.order = table.order
        if not 0 <= table.n_virtual <= INJECTION_MAX_LINES:
            raise ValueError(f"{table.n_virtual} virtual lines, at most {INJECTION_MAX_LINES}")
        self.f.n_virtual = table.n_virtual
        if not (abs(table.printf_offset) < 1 << 62 and abs(table.printf_multiple) < 1 << 31):
            raise ValueError("printf_offset or printf_multiple too large")
        self.f.printf_offset = table.printf_offset
        self.f.printf_multiple = table.printf_multiple
        self.f.index_column = -1
        if index_column is not None:
            if self.f.n_virtual:
                raise ValueError("a PRINTF file cannot be indexed")
            if not 0 <= index_column < 1 << 31:
                raise ValueError(f"no such column: {index_column}")
            self.f.index_column = index_column

    cdef _check_lines(self):
        cdef Py_ssize_t i, n = self._line_start.shape[0]
        cdef Py_ssize_t n_bytes = self._data.shape[0] - BYTES_READABLE_PAST_END
        if not 0 < n <= INJECTION_MAX_LINES or self._line_len.shape[0] != n:
            raise ValueError(f"{n} line starts and {self._line_len.shape[0]} lengths")
        for i in range(n):
            if <Py_ssize_t> self._line_start[i] + <Py_ssize_t> self._line_len[i] > n_bytes:
                raise ValueError(f"line {i} ends behind the data")


cdef class InjectionState:
    """One engine's view of an Injection: what tests and benchmarks drive. ValueError is an INJECTION_E_ code."""
    cdef injection_state_t s
    cdef Injection injection
    cdef uint64_t random_state

    def __cinit__(self, Injection injection not None, uint64_t seed=1, uint64_t max_bytes=1 << 30):
        self.injection = injection
        self.random_state = seed or 1
        if injection_state_init(&self.s, &injection.f, seed, max_bytes) != 0:
            raise MemoryError

    def __dealloc__(self):
        injection_state_free(&self.s)

    def __len__(self):
        return injection_n_lines(&self.injection.f, &self.s)

    @property
    def n_bytes(self):
        return self.s.n_bytes

    def pick(self, uint32_t user=0):
        """The line of a new call, None where a USER file has none for it."""
        cdef uint32_t line = injection_pick_line(&self.injection.f, &self.s, user, &self.random_state)
        return None if line == INJECTION_NO_LINE else line

    def field(self, int64_t line, uint32_t n, uint32_t cap=RENDER_CAP):
        """The field's text, None where the line has no such field."""
        cdef bytearray out = bytearray(cap + BYTES_READABLE_PAST_END)
        cdef int32_t length = injection_render_field(&self.injection.f, &self.s, line, n, out, cap)
        if length == INJECTION_E_TOO_LONG:
            raise ValueError(length)
        return None if length == INJECTION_E_NO_FIELD else PyBytes_FromStringAndSize(out, length)

    def lookup(self, bytes key not None):
        """The line indexed under key, -1 where there is none."""
        return injection_lookup(&self.injection.f, &self.s, span_of(key, <uint32_t> len(key)))

    def insert(self, bytes text not None):
        cdef int code = injection_insert(&self.injection.f, &self.s, span_of(text, <uint32_t> len(text)))
        if code:
            raise ValueError(code)

    def replace(self, int64_t line, bytes text not None):
        cdef int code = injection_replace(&self.injection.f, &self.s, line, span_of(text, <uint32_t> len(text)))
        if code:
            raise ValueError(code)

    def check(self):
        """Recomputes every invariant the slow way; AssertionError names the first that does not hold."""
        cdef uint64_t i, n = 0
        cdef uint32_t line
        cdef span_t key
        assert self.s.n_bytes <= self.s.max_bytes, "max_bytes"
        assert self.s.text_used + (BYTES_READABLE_PAST_END if self.s.text_used else 0) <= self.s.text_cap_bytes, "text"
        if self.s.index == NULL:
            return
        for i in range(self.s.index_mask + 1):
            line = self.s.index[i].line
            if line == INJECTION_NO_LINE:
                continue
            n += 1
            assert line < len(self), f"line of slot {i}"
            key = key_of(&self.injection.f, &self.s, line)
            assert key_hash(&self.s, key) == self.s.index[i].hash, f"hash of slot {i}"
            assert index_place(&self.injection.f, &self.s, key, self.s.index[i].hash) == i, f"place of slot {i}"
        assert n == self.s.n_indexed and 2 * n <= self.s.index_mask + 1, "count"

    def bench(self, uint64_t rounds, uint32_t n_fields):
        """rounds x (pick a line, render its first n_fields fields); bytes rendered."""
        cdef char out[4096]
        cdef uint64_t _r, total = 0
        cdef uint32_t line, i
        cdef const injection_t* inj = &self.injection.f
        with nogil:
            for _r in range(rounds):
                line = injection_pick_line(inj, &self.s, 1, &self.random_state)
                for i in range(n_fields):
                    total += <uint32_t> max(0, injection_render_field(inj, &self.s, line, i, out, 4000))
        return total
