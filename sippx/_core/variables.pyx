# sippx/_core/variables.pyx: assignment and expansion of scenario variables; their Python test surface.
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memmove, memset

from sippx._core.blocks cimport (
    BLOCK_CAP, block_acquire, block_release, block_same_class, blocks_free_all, blocks_init, blocks_t,
)
from sippx._core.span cimport span_of, span_t

cdef enum:
    NUMBER_CAP = 352             # "%f" of the largest double


cdef inline bint has_block(const variable_t* v) noexcept nogil:
    return (v.kind == VAR_MATCH or v.kind == VAR_TEXT) and v.value.text != NULL


cdef void variable_clear(blocks_t* b, variable_t* v) noexcept nogil:
    if has_block(v):
        block_release(b, v.value.text, v.len)
    memset(v, 0, sizeof(variable_t))


cdef void variable_set_number(blocks_t* b, variable_t* v, double number) noexcept nogil:
    variable_clear(b, v)
    v.kind = VAR_NUMBER
    v.value.number = number


cdef void variable_set_truth(blocks_t* b, variable_t* v, bint truth) noexcept nogil:
    variable_clear(b, v)
    v.kind = VAR_TRUTH
    v.value.number = 1.0 if truth else 0.0


cdef bint variable_set_text(blocks_t* b, variable_t* v, uint32_t kind, span_t text) noexcept nogil:
    cdef uint32_t n = text.len if text.len <= BLOCK_CAP else BLOCK_CAP
    cdef char* block = NULL
    if n > 0 and has_block(v) and block_same_class(n, v.len):
        # the text may be a part of what the block holds
        memmove(v.value.text, text.ptr, n)
        v.kind = kind
        v.len = n
        return True
    if n > 0:
        block = block_acquire(b, n)
        if block != NULL:
            memcpy(block, text.ptr, n)
    variable_clear(b, v)
    if n > 0 and block == NULL:
        return False
    v.kind = kind
    v.len = n
    v.value.text = block
    return True


cdef char* put_number(double number, char* out, char* limit) noexcept nogil:
    cdef char[NUMBER_CAP] digits
    cdef int n
    if limit - out >= NUMBER_CAP:
        return out + snprintf(out, NUMBER_CAP, "%f", number)
    n = snprintf(digits, NUMBER_CAP, "%f", number)
    if n > limit - out:
        return NULL
    memcpy(out, digits, n)
    return out + n


cdef char* variable_put(const variable_t* v, char* out, char* limit) noexcept nogil:
    cdef span_t text
    if v.kind == VAR_NUMBER:
        return put_number(v.value.number, out, limit) if v.value.number != 0 else out
    if v.kind == VAR_TRUTH:
        if limit - out < 8:
            return NULL
        if v.value.number != 0:
            memcpy(out, b"true", 4)
            return out + 4
        memcpy(out, b"false", 5)
        return out + 5
    text = variable_text(v)
    if limit - out < <long> text.len:
        return NULL
    memcpy(out, text.ptr, text.len)
    return out + text.len

# --------------------------------------------------------------------------- test surface


cdef class Variables:
    """n variables with the memory of their texts."""
    cdef blocks_t blocks
    cdef variable_t[64] v

    def __cinit__(self, *, max_bytes=1 << 20):
        blocks_init(&self.blocks, max_bytes)
        memset(self.v, 0, sizeof(self.v))

    def __dealloc__(self):
        blocks_free_all(&self.blocks)

    def set_text(self, uint32_t i, bytes text not None, *, bint match=False):
        """Assigns text; False where there is no memory."""
        return variable_set_text(&self.blocks, &self.v[i & 63], VAR_MATCH if match else VAR_TEXT,
                                 span_of(text, <uint32_t> len(text)))

    def set_number(self, uint32_t i, double number):
        variable_set_number(&self.blocks, &self.v[i & 63], number)

    def set_truth(self, uint32_t i, bint truth):
        variable_set_truth(&self.blocks, &self.v[i & 63], truth)

    def clear(self, uint32_t i):
        variable_clear(&self.blocks, &self.v[i & 63])

    def trim_to(self, uint32_t i, uint32_t first, uint32_t n):
        """Assigns a part of the variable's own text to it."""
        cdef span_t text = variable_text(&self.v[i & 63])
        if first > text.len or n > text.len - first:
            raise ValueError("not a part of the text")
        variable_set_text(&self.blocks, &self.v[i & 63], VAR_TEXT, span_of(text.ptr + first, n))

    def is_set(self, uint32_t i):
        return bool(variable_is_set(&self.v[i & 63]))

    def number(self, uint32_t i):
        return variable_number(&self.v[i & 63])

    def text(self, uint32_t i):
        cdef span_t text = variable_text(&self.v[i & 63])
        return PyBytes_FromStringAndSize(text.ptr, text.len)

    def expand(self, uint32_t i, uint32_t cap=4096):
        """What [$x] prints, None where it is longer than cap."""
        cdef bytearray out = bytearray(cap + 1)
        cdef char* p = out
        cdef char* end = variable_put(&self.v[i & 63], p, p + cap)
        return None if end == NULL else bytes(out[:end - p])
