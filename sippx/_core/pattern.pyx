# sippx/_core/pattern.pyx: patterns of our own tier: parsing them, and whether every choice is decided.
#
# A pattern is a line of items (class, min, max). An item with min < max is decided if its class shares no
# byte with what may follow it: stopping it early leaves a byte that nothing after it takes, so that the
# match fails or ends there, shorter. If no item after it is mandatory, going on cannot fail. So one greedy
# pass from a start gives its longest match, parsed in the only way there is. An optional group is decided
# if its body is not empty, its first bytes cannot follow it, and the match cannot end without something
# after it: then not entering would fail for certain.
#
# One open item is allowed, with no optional group after it. Before it the parse is unique; after it the
# rest, R, is decided for each number of repetitions. Let R's greedy pass start at x1 < x2 and succeed from
# both. On the bytes they share the pass from x1 is never behind in the line of items: where it has a
# successor for a byte, the other, at the same or an earlier item, cannot jump over that one. When the pass
# from x2 ends, only optional items are left, and whatever byte the pass from x1 could take there, the other
# could too. So end(x1) <= end(x2): the most repetitions for which R succeeds give the longest match, and
# POSIX's preference for long early parts.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy, memmove, memset

from sippx._core.bits cimport ctz64

cdef extern from "<wctype.h>" nogil:
    ctypedef unsigned long wctype_t
    wctype_t wctype(const char* name)
    int iswctype(uint32_t character, wctype_t kind)

cdef enum:
    MAX_DEPTH = 32

cdef struct class_t:
    uint8_t has[256]

cdef struct parse_t:
    pattern_t* r
    const uint8_t* pattern
    uint32_t n
    uint32_t i                   # next byte of the pattern
    uint32_t n_groups
    uint32_t n_mandatory         # items that cannot be empty, those in optional groups apart
    uint32_t depth
    uint32_t open_op[MAX_DEPTH]          # first op of each open group
    uint32_t open_number[MAX_DEPTH]
    uint32_t open_mandatory[MAX_DEPTH]   # n_mandatory before it


cdef int push_op(pattern_t* r, op_kind kind) noexcept nogil:
    """Index of a new op, -1 without room."""
    cdef op_t* op = &r.ops[r.n_ops]
    if r.n_ops >= PATTERN_OPS:
        return -1
    memset(op, 0, sizeof(op_t))
    op.kind = kind
    op.stop = -1
    r.n_ops += 1
    return r.n_ops - 1


cdef bint push_save(pattern_t* r, uint32_t group, bint ends) noexcept nogil:
    cdef int at
    if group >= PATTERN_MATCHES:
        return True
    at = push_op(r, OP_SAVE)
    if at >= 0:
        r.ops[at].slot = group + (PATTERN_MATCHES if ends else 0)
    return at >= 0


cdef bint push_item(parse_t* p, const class_t* bytes_, uint32_t min, uint32_t max) noexcept nogil:
    cdef pattern_t* r = p.r
    cdef uint32_t n_positions = max if max != PATTERN_UNBOUNDED else (min or 1)
    cdef uint64_t positions
    cdef int at, b, n_missing = 0
    if n_positions == 0 or min > max or r.n_positions + n_positions > PATTERN_POSITIONS:
        return False
    at = push_op(r, OP_ONE if min == 1 and max == 1 else OP_REPEAT)
    if at < 0:
        return False
    r.ops[at].min = min
    r.ops[at].max = max
    r.ops[at].bit = 1ULL << r.n_positions
    positions = (~0ULL >> (64 - n_positions)) << r.n_positions
    r.n_positions += n_positions
    for b in range(256):
        if bytes_.has[b]:
            r.accepts[b] |= positions
        else:
            n_missing += 1
            r.ops[at].stop = b
    if n_missing != 1:
        r.ops[at].stop = -1
    p.n_mandatory += min > 0
    return True


cdef bint add_named(class_t* c, const uint8_t* name, uint32_t n) noexcept nogil:
    """Adds [:name:]; regcomp has taken the pattern, so that the C locale has a class of that name."""
    cdef char[8] terminated
    cdef wctype_t kind
    cdef uint32_t b
    if n >= sizeof(terminated):
        return False
    memcpy(terminated, name, n)
    terminated[n] = 0
    kind = wctype(terminated)
    for b in range(128):                 # in the C locale no other byte is of a class; on ASCII locales agree
        c.has[b] |= iswctype(b, kind) != 0
    return kind != 0


cdef bint parse_bracket(parse_t* p, class_t* c) noexcept nogil:
    """What stands after `[`; False for what only glibc understands: [.x.], [=x=], a `-` in an odd place."""
    cdef uint32_t first, at
    cdef uint32_t low, high, b
    cdef bint negated = p.i < p.n and p.pattern[p.i] == c'^'
    p.i += negated
    first = p.i
    while True:
        if p.i >= p.n:
            return False
        low = p.pattern[p.i]
        p.i += 1
        if low == c']' and p.i - 1 > first:
            break
        if low == c'[' and p.i < p.n and p.pattern[p.i] in (c'.', c'='):
            return False
        if low == c'[' and p.i < p.n and p.pattern[p.i] == c':':
            at = p.i + 1
            while at < p.n and c'a' <= p.pattern[at] <= c'z':
                at += 1
            if at + 1 >= p.n or p.pattern[at] != c':' or p.pattern[at + 1] != c']':
                return False
            if not add_named(c, &p.pattern[p.i + 1], at - p.i - 1):
                return False
            p.i = at + 2
            # a class is no end of a range
            if p.i + 1 < p.n and p.pattern[p.i] == c'-' and p.pattern[p.i + 1] != c']':
                return False
            continue
        high = low
        if p.i + 1 < p.n and p.pattern[p.i] == c'-' and p.pattern[p.i + 1] != c']':
            high = p.pattern[p.i + 1]
            if low == c'-' or high in (c'-', c'['):
                return False
            p.i += 2
            if p.i + 1 < p.n and p.pattern[p.i] == c'-' and p.pattern[p.i + 1] != c']':
                return False
        for b in range(low, high + 1):
            c.has[b] = 1
    if negated:
        for b in range(256):
            c.has[b] = not c.has[b]
    return True


cdef bint is_plain_escape(uint8_t b) noexcept nogil:
    """Punctuation that a backslash makes a plain byte; others may be GNU's operators."""
    return b != 0 and memchr(b".[]*+?(){}|^$\\/-:;@=,\"&%#!~", b, 28) != NULL


cdef bint parse_atom(parse_t* p, class_t* c) noexcept nogil:
    """One byte, `.` or bracket expression; the index is at it."""
    cdef uint8_t b = p.pattern[p.i]
    cdef int other
    memset(c, 0, sizeof(class_t))
    p.i += 1
    if b == c'[':
        return parse_bracket(p, c)
    if b == c'.':
        for other in range(1, 256):
            c.has[other] = 1
        return True
    if b == c'\\':
        if p.i >= p.n or not is_plain_escape(p.pattern[p.i]):
            return False
        b = p.pattern[p.i]
        p.i += 1
    elif b in (c'*', c'+', c'?', c'{', c'|', c'^', c'$', c'(', c')'):
        return False
    c.has[b] = 1
    return True


cdef bint parse_number(parse_t* p, uint32_t* value) noexcept nogil:
    cdef uint32_t first = p.i
    value[0] = 0
    while p.i < p.n and c'0' <= p.pattern[p.i] <= c'9' and value[0] <= PATTERN_POSITIONS:
        value[0] = 10 * value[0] + p.pattern[p.i] - c'0'
        p.i += 1
    return p.i > first and value[0] <= PATTERN_POSITIONS


cdef bint is_quantifier(const parse_t* p) noexcept nogil:
    return p.i < p.n and p.pattern[p.i] in (c'*', c'+', c'?', c'{')


cdef bint parse_quantifier(parse_t* p, uint32_t* min, uint32_t* max) noexcept nogil:
    """min and max of what was read before; 1 and 1 where no quantifier stands. Two in a row are glibc's."""
    cdef uint8_t b
    min[0] = max[0] = 1
    if not is_quantifier(p):
        return True
    b = p.pattern[p.i]
    p.i += 1
    if b != c'+':
        min[0] = 0
    if b != c'?':
        max[0] = PATTERN_UNBOUNDED
    if b == c'{':
        if not parse_number(p, min):
            return False
        max[0] = min[0]
        if p.i < p.n and p.pattern[p.i] == c',':
            p.i += 1
            max[0] = PATTERN_UNBOUNDED
            if p.i < p.n and p.pattern[p.i] != c'}' and not parse_number(p, max):
                return False
        if p.i >= p.n or p.pattern[p.i] != c'}':
            return False
        p.i += 1
    return not is_quantifier(p)


cdef bint open_group(parse_t* p) noexcept nogil:
    if p.depth == MAX_DEPTH:
        return False
    p.i += 1
    p.n_groups += 1
    p.open_op[p.depth] = p.r.n_ops
    p.open_number[p.depth] = p.n_groups
    p.open_mandatory[p.depth] = p.n_mandatory
    p.depth += 1
    return push_save(p.r, p.n_groups, False)


cdef bint close_group(parse_t* p) noexcept nogil:
    """`)`, or `)?` where the body cannot be empty; a group is repeated by glibc only, and so is `()`."""
    cdef pattern_t* r = p.r
    cdef uint32_t first, i
    if p.depth == 0 or p.pattern[p.i - 1] == c'(':
        return False
    p.i += 1
    p.depth -= 1
    first = p.open_op[p.depth]
    if not push_save(r, p.open_number[p.depth], True):
        return False
    if not is_quantifier(p):
        return True
    if p.pattern[p.i] != c'?' or p.n_mandatory == p.open_mandatory[p.depth]:
        return False
    p.i += 1
    if is_quantifier(p) or push_op(r, OP_MAYBE) < 0:
        return False
    memmove(&r.ops[first + 1], &r.ops[first], (r.n_ops - 1 - first) * sizeof(op_t))
    memset(&r.ops[first], 0, sizeof(op_t))
    r.ops[first].kind = OP_MAYBE
    r.ops[first].skip = r.n_ops
    for i in range(first + 1, r.n_ops):
        r.ops[i].skip += r.ops[i].kind == OP_MAYBE
    p.n_mandatory = p.open_mandatory[p.depth]
    return True


cdef bint parse(parse_t* p) noexcept nogil:
    """Pattern to ops; False: not of our tier."""
    cdef class_t bytes_
    cdef uint32_t min, max
    cdef uint8_t b
    if p.n > 0 and p.pattern[0] == c'^':
        p.r.scan = SCAN_ANCHORED
        p.i = 1
    else:
        p.r.scan = SCAN_ANY
    while p.i < p.n:
        b = p.pattern[p.i]
        if b == c'(':
            if not open_group(p):
                return False
        elif b == c')':
            if not close_group(p):
                return False
        elif b == c'$' and p.i == p.n - 1:
            p.r.at_end = True
            p.i += 1
        elif not (parse_atom(p, &bytes_) and parse_quantifier(p, &min, &max) and push_item(p, &bytes_, min, max)):
            return False
    return p.depth == 0 and push_op(p.r, OP_END) >= 0


cdef bint share_a_byte(const pattern_t* r, uint64_t a, uint64_t b) noexcept nogil:
    cdef int i
    for i in range(256):
        if r.accepts[i] & a and r.accepts[i] & b:
            return True
    return False


cdef int only_byte(const pattern_t* r, uint64_t positions) noexcept nogil:
    """The one byte that these positions take, -1 where there are others."""
    cdef int i, found = -1
    for i in range(256):
        if r.accepts[i] & positions:
            if found >= 0:
                return -1
            found = i
    return found


cdef bint is_item(const op_t* op) noexcept nogil:
    return op.kind <= OP_OPEN_REPEAT


cdef void link_item(pattern_t* r, const op_t* op, uint64_t after, bint may_end) noexcept nogil:
    """Enters the order of an item's positions; `after` are those that can follow the item."""
    cdef uint32_t i, base = ctz64(op.bit), n = op.max if op.max != PATTERN_UNBOUNDED else (op.min or 1)
    cdef uint64_t next_
    for i in range(base, base + n):
        next_ = 0
        if i + 1 < base + n:
            next_ |= 1ULL << (i + 1)
        elif op.max == PATTERN_UNBOUNDED:
            next_ |= 1ULL << i
        if i + 1 - base >= op.min:
            next_ |= after
            if may_end:
                r.last |= 1ULL << i
        while next_:
            r.before[ctz64(next_)] |= 1ULL << i
            next_ &= next_ - 1


cdef bint analyse(pattern_t* r) noexcept nogil:
    """Fills what a search needs beside the ops; False where a choice is not decided, and not the only one."""
    cdef uint64_t first[PATTERN_OPS + 1]     # positions that can come next at the op
    cdef bint may_end[PATTERN_OPS + 1]       # nothing has to
    cdef op_t* op
    cdef int i
    cdef bint seen_open = False, seen_maybe = False
    for i in range(r.n_ops - 1, -1, -1):
        op = &r.ops[i]
        if op.kind == OP_END:
            first[i] = 0
            may_end[i] = True
            continue
        first[i] = first[i + 1]
        may_end[i] = may_end[i + 1]
        if op.kind == OP_MAYBE:
            if share_a_byte(r, first[i + 1], first[op.skip]) or (may_end[op.skip] and not r.at_end):
                return False
            op.bit = first[i + 1]
            first[i] |= first[op.skip]
            may_end[i] = may_end[i + 1] or may_end[op.skip]
            seen_maybe = True
        elif is_item(op):
            if op.min < op.max and share_a_byte(r, op.bit, first[i + 1]):
                if seen_open or seen_maybe:
                    return False
                seen_open = True
                op.kind = OP_OPEN_REPEAT
                r.rest_first = first[i + 1]
                r.rest_nullable = may_end[i + 1]
                r.rest_byte = -1 if r.rest_nullable else only_byte(r, r.rest_first)
            link_item(r, op, first[i + 1], may_end[i + 1])
            if op.min > 0:
                first[i] = op.bit
                may_end[i] = False
            else:
                first[i] |= op.bit
    r.first = first[0]
    r.nullable = may_end[0]
    choose_scan(r)
    return True


cdef const op_t* next_item(const pattern_t* r, uint32_t* i) noexcept nogil:
    """The item that comes next for certain, saves apart; NULL where an optional group or the end comes."""
    cdef const op_t* op = &r.ops[i[0]]
    while op.kind == OP_SAVE:
        op += 1
    i[0] = op - r.ops + 1
    if not is_item(op):
        return NULL
    return op


cdef void choose_scan(pattern_t* r) noexcept nogil:
    cdef uint32_t i = 0
    cdef const op_t* op = next_item(r, &i)
    cdef int b, low = -1, high = -1, n = 0, second
    r.lead = i - 1 if op != NULL and op.max == PATTERN_UNBOUNDED else -1
    if r.scan == SCAN_ANCHORED or r.nullable:
        return
    for b in range(256):
        if r.accepts[b] & r.first:
            low = b if low < 0 else low
            high = b
            n += 1
    r.scan = SCAN_TABLE
    if n == 0:
        return
    r.scan_first = low
    if n == high - low + 1:
        r.scan = SCAN_RANGE
        r.scan_second = high - low
    if n == 1:
        r.scan = SCAN_BYTE
        if op != NULL and op.kind == OP_ONE:
            op = next_item(r, &i)
            second = only_byte(r, op.bit) if op != NULL and op.min > 0 else -1
            if second >= 0:
                r.scan = SCAN_PAIR
                r.scan_second = second


cdef bint pattern_compile(pattern_t* r, const char* text, uint32_t n) noexcept nogil:
    cdef parse_t p
    memset(r, 0, sizeof(pattern_t))
    memset(&p, 0, sizeof(p))
    p.r = r
    p.pattern = <const uint8_t*> text
    p.n = n
    return parse(&p) and analyse(r)
