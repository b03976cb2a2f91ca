# sippx/_core/sample.pyx: the generators of the pause distributions; their Python test surface.
from libc.math cimport cos, exp, expm1, floor, isfinite, log, pow, sqrt
from libc.stdint cimport uint64_t

from sippx._core.codes cimport *
from sippx._core.hash cimport random_u64
from sippx._core.tables cimport pause_t

cdef enum:
    POISSON_STEP = 500           # exp(-500) is still a normal number
    POISSON_CAP = 1 << 16        # rounds at most: under a millisecond


cdef inline double uniform(uint64_t* state) noexcept nogil:
    """In (0, 1]: its logarithm is finite."""
    return (<double> (random_u64(state) >> 11) + 1.0) * (1.0 / 9007199254740992.0)


cdef double normal(uint64_t* state) noexcept nogil:
    return sqrt(-2.0 * log(uniform(state))) * cos(6.283185307179586 * uniform(state))


cdef double gamma(double shape, uint64_t* state) noexcept nogil:
    """Marsaglia and Tsang, A simple method for generating gamma variables (2000); scale 1."""
    cdef double d, c, x, v
    if not shape > 0 or not isfinite(shape):
        return 0.0
    if shape < 1:
        return gamma(shape + 1, state) * pow(uniform(state), 1.0 / shape)
    d = shape - 1.0 / 3.0
    c = 1.0 / sqrt(9.0 * d)
    while True:
        x = normal(state)
        v = 1.0 + c * x
        if v <= 0:
            continue
        v = v * v * v
        if log(uniform(state)) < 0.5 * x * x + d - d * v + d * log(v):
            return d * v


cdef double poisson(double mean, uint64_t* state) noexcept nogil:
    """Knuth's product of uniforms, in steps so that exp does not underflow; normal above what that can do."""
    cdef double left = mean, product = 1.0, n = 0.0
    if not isfinite(mean):
        return mean
    if mean > POISSON_CAP:
        product = floor(mean + sqrt(mean) * normal(state) + 0.5)
        return product if product > 0 else 0.0
    while True:
        product *= uniform(state)
        while product < 1.0 and left > 0:
            if left > POISSON_STEP:
                product *= exp(<double> POISSON_STEP)
                left -= POISSON_STEP
            else:
                product *= exp(left)
                left = 0
        if product <= 1.0:
            return n
        n += 1.0


cdef double draw(const pause_t* p, uint64_t* state) noexcept nogil:
    cdef double a = p.p0, b = p.p1
    if p.kind == PAUSE_UNIFORM:
        return a + (b - a) * (<double> (random_u64(state) >> 11) * (1.0 / 9007199254740992.0))
    if p.kind == PAUSE_NORMAL:
        return a + b * normal(state)
    if p.kind == PAUSE_LOGNORMAL:
        return exp(a + b * normal(state))
    if p.kind == PAUSE_EXPONENTIAL:
        return -a * log(uniform(state))
    if p.kind == PAUSE_WEIBULL:
        return a * pow(-log(uniform(state)), 1.0 / b) if b > 0 else 0.0
    if p.kind == PAUSE_PARETO:
        return b * pow(uniform(state), -1.0 / a) if a > 0 else 0.0
    if p.kind == PAUSE_GPARETO:
        if a == 0:
            return p.p2 - b * log(uniform(state))
        # b/a (u^-a - 1), exact for small shapes too
        return p.p2 + b * expm1(-a * log(uniform(state))) / a
    if p.kind == PAUSE_GAMMA:
        return b * gamma(a, state)
    if p.kind == PAUSE_NEGBIN:
        return poisson(gamma(a, state) * (1.0 - b) / b, state) if b > 0 else 0.0
    return a


cdef double sample_value(const pause_t* p, uint64_t* state) noexcept nogil:
    # 0 * infinity at the edges of what a distribution takes: as if it were not there
    cdef double value = draw(p, state)
    return value if value == value else 0.0

# --------------------------------------------------------------------------- test surface


def sample(rows not None, int n, uint64_t seed=1):
    """n values of the first row (PAUSE_DTYPE) as a list."""
    cdef const pause_t[::1] view = rows
    cdef uint64_t state = seed or 1
    return [sample_value(&view[0], &state) for _ in range(n)]
