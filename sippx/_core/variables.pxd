# sippx/_core/variables.pxd: scenario variables: unset, matched text, text, number or truth value.
#
# A variable_t is zero when unset; the text of a VAR_MATCH or VAR_TEXT is a block of its owner's
# blocks_t (NULL when empty) and is released by variable_clear or the next assignment.
from libc.stdint cimport uint32_t

from sippx._core.blocks cimport blocks_t
from sippx._core.span cimport span_of, span_t

cdef enum VariableKind:
    VAR_UNSET = 0
    VAR_MATCH                    # by ereg: set from the first match on
    VAR_TEXT
    VAR_NUMBER
    VAR_TRUTH

cdef union variable_value_t:
    double number
    char* text

cdef struct variable_t:
    uint32_t kind                # VariableKind
    uint32_t len                 # of the text
    variable_value_t value

# Whether test, condexec and [$x] take it for set: any text, a number other than 0, true.
cdef inline bint variable_is_set(const variable_t* v) noexcept nogil:
    if v.kind == VAR_NUMBER or v.kind == VAR_TRUTH:
        return v.value.number != 0
    return v.kind != VAR_UNSET

# SIPp reads a number from numbers only: text and truth values count as 0.
cdef inline double variable_number(const variable_t* v) noexcept nogil:
    return v.value.number if v.kind == VAR_NUMBER else 0.0

# Empty for what is no text; borrowed until the next assignment.
cdef inline span_t variable_text(const variable_t* v) noexcept nogil:
    if (v.kind == VAR_MATCH or v.kind == VAR_TEXT) and v.value.text != NULL:
        return span_of(v.value.text, v.len)
    return span_of(<const char*> b"", 0)

cdef void variable_clear(blocks_t* b, variable_t* v) noexcept nogil
cdef void variable_set_number(blocks_t* b, variable_t* v, double number) noexcept nogil
cdef void variable_set_truth(blocks_t* b, variable_t* v, bint truth) noexcept nogil
# Copies the text, which may be the variable's own; False where there is no memory (then unset).
cdef bint variable_set_text(blocks_t* b, variable_t* v, uint32_t kind, span_t text) noexcept nogil

# What [$x] expands to ("%f" for numbers, nothing for 0 and unset); NULL where it exceeds limit.
cdef char* variable_put(const variable_t* v, char* out, char* limit) noexcept nogil
