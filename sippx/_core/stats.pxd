# sippx/_core/stats.pxd: log-linear histograms and repartition tables in one flat array of counters.
#
# Histogram (HDR style): values below 128 ns have a bucket each; above, every power of two is cut into
# 128 equal buckets, so that the middle of a bucket is within 0.4 % of any value in it. Everything is
# a uint64_t that merges by addition; exact maxima are kept apart and merge by maximum.
from libc.stdint cimport uint32_t, uint64_t

from sippx._core.bits cimport clz64

cdef enum:
    HIST_SUB_BITS = 7
    HIST_VALUE_BITS = 45         # values are capped at 2**45 - 1 ns, 9.7 hours
    HIST_BUCKETS = 4992          # (45 - 7 + 1) * 128
    HIST_HEADER = 4              # count, sum of us, sum of us squared: low and high 32 bits
    HIST_WORDS = 4996

cdef inline uint32_t hist_bucket(uint64_t v_ns) noexcept nogil:
    cdef uint32_t shift
    if v_ns >= 1ULL << HIST_VALUE_BITS:
        v_ns = (1ULL << HIST_VALUE_BITS) - 1
    if v_ns < 128:
        return <uint32_t> v_ns
    shift = 63 - clz64(v_ns) - HIST_SUB_BITS
    return (shift + 1) * 128 + <uint32_t> ((v_ns >> shift) - 128)

cdef inline void hist_record(uint64_t* hist, uint64_t* maximum, uint64_t v_ns) noexcept nogil:
    cdef uint64_t us = (v_ns + 500) // 1000
    cdef uint64_t square
    if us > 0xFFFFFFFFULL:
        us = 0xFFFFFFFFULL       # 71 minutes: the square still fits 64 bits
    square = us * us
    hist[0] += 1
    hist[1] += us
    hist[2] += square & 0xFFFFFFFFULL
    hist[3] += square >> 32
    hist[HIST_HEADER + hist_bucket(v_ns)] += 1
    if v_ns > maximum[0]:
        maximum[0] = v_ns

cdef inline void repartition_record(uint64_t* counts, const uint64_t* bounds_ns, uint32_t n_bounds,
                                    uint64_t v_ns) noexcept nogil:
    """counts[i] += 1 for the first bound above v_ns; counts[n_bounds] where there is none."""
    cdef uint32_t i = 0
    while i < n_bounds and v_ns >= bounds_ns[i]:
        i += 1
    counts[i] += 1
