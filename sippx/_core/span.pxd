# sippx/_core/span.pxd: a borrowed run of bytes, never owned, never NUL-terminated.
from libc.stdint cimport uint32_t

cdef extern from *:
    """
    #ifndef SIPPX_SPAN
    #define SIPPX_SPAN
    #include <stdint.h>
    typedef struct sippx_span { const char *ptr; uint32_t len; } sippx_span;
    static inline sippx_span sippx_span_of(const char *ptr, uint32_t len) {
        sippx_span s; s.ptr = ptr; s.len = len; return s;
    }
    #endif
    """
    ctypedef struct span_t "sippx_span":
        const char* ptr
        uint32_t len
    span_t span_of "sippx_span_of"(const char* ptr, uint32_t len) noexcept nogil
