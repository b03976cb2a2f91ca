# sippx/_core/sample.pxd: random values of the pause distributions.
from libc.stdint cimport uint64_t

from sippx._core.tables cimport pause_t

# One value of a row other than PAUSE_VARIABLE, as GNU GSL's generators of the same parameters have it
# (weibull: scale lambda, shape k; pareto: shape k, scale x_m; gamma: shape k, scale theta; negbin:
# failures before n successes of probability p). Never NaN, may be infinite or negative. `state` is the
# generator's (hash.pxd random_u64).
cdef double sample_value(const pause_t* p, uint64_t* state) noexcept nogil
