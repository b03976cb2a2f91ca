# sippx/_core/stats.pyx: Python test surface of the histograms.
from libc.stdint cimport uint64_t


def record_all(values_ns, hist not None, maximum not None):
    """Records each value into hist (HIST_WORDS uint64 words) and maximum (one word)."""
    cdef uint64_t[::1] h = hist
    cdef uint64_t[::1] m = maximum
    if h.shape[0] != HIST_WORDS or m.shape[0] != 1:
        raise ValueError(f"hist needs {HIST_WORDS} words, maximum one")
    for v in values_ns:
        hist_record(&h[0], &m[0], v)


def bucket(uint64_t v_ns):
    """Index of the bucket of a value."""
    return hist_bucket(v_ns)


def repartition(uint64_t v_ns, bounds_ns not None, counts not None):
    """Adds one value to counts (one more word than bounds_ns)."""
    cdef const uint64_t[::1] b = bounds_ns
    cdef uint64_t[::1] c = counts
    if c.shape[0] != b.shape[0] + 1:
        raise ValueError("counts needs one word more than bounds_ns")
    repartition_record(&c[0], &b[0] if b.shape[0] else NULL, <unsigned int> b.shape[0], v_ns)
