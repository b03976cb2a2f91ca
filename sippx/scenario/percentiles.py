"""99th percentiles of the pause distributions, by closed form or bisection on the distribution function."""

from __future__ import annotations

import math
from collections.abc import Callable

_REST = 0.01
_Z = 2.3263478740408408
"""99th percentile of the standard normal distribution."""
_BISECTIONS = 200
_TERMS = 100_000
_EPSILON = 1e-13
_TINY = 1e-300


def normal(mean: float, stdev: float) -> float:
    return mean + _Z * stdev


def lognormal(mean: float, stdev: float) -> float:
    exponent = mean + _Z * stdev
    return math.exp(exponent) if exponent < 700 else math.inf


def exponential(mean: float) -> float:
    return -mean * math.log(_REST)


def weibull(scale: float, k: float) -> float:
    return _scaled_power(scale, -math.log(_REST), 1 / k)


def pareto(k: float, x_m: float) -> float:
    return _scaled_power(x_m, 1 / _REST, 1 / k)


def gpareto(shape: float, scale: float, location: float) -> float:
    if abs(shape) < 1e-12:
        return location - scale * math.log(_REST)
    power = _scaled_power(1.0, 1 / _REST, shape)
    return location + scale * (power - 1) / shape


def gamma(k: float, theta: float) -> float:
    return theta * _bisect(lambda x: _lower_gamma(k, x), k + 10)


def negbin(n: float, p: float) -> float:
    """Failures before the n-th success."""
    if p >= 1:
        return 0.0
    return math.ceil(_bisect(lambda x: _beta_ratio(n, x + 1, p), n * (1 - p) / p + 10) - 1e-6)


def _scaled_power(scale: float, base: float, exponent: float) -> float:
    """scale * base ** exponent, infinite where a double cannot hold it."""
    return scale * base**exponent if exponent * math.log(base) < 700 else math.inf


def _bisect(distribution: Callable[[float], float], high: float) -> float:
    """Where a distribution function on 0.. reaches 0.99; infinite beyond every double of interest."""
    low = 0.0
    while distribution(high) < 1 - _REST:
        low, high = high, high * 2
        if high > 1e300:
            return math.inf
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if distribution(middle) < 1 - _REST:
            low = middle
        else:
            high = middle
    return high


def _lower_gamma(a: float, x: float) -> float:
    """Regularised lower incomplete gamma function P(a, x), by series or continued fraction."""
    if x <= 0:
        return 0.0
    lead = a * math.log(x) - x - math.lgamma(a)
    if x < a + 1:
        term = total = 1 / a
        for i in range(1, _TERMS):
            term *= x / (a + i)
            total += term
            if term < total * _EPSILON:
                break
        return min(total * math.exp(lead), 1.0)
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    fraction = d
    for i in range(1, _TERMS):
        b += 2
        d = _reciprocal(-i * (i - a) * d + b)
        c = b - i * (i - a) / c or _TINY
        fraction *= d * c
        if abs(d * c - 1) < _EPSILON:
            break
    return 1 - math.exp(lead) * fraction


def _beta_ratio(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b), by continued fraction."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_ratio(b, a, 1 - x)
    lead = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, _reciprocal(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for numerator in (even, odd):
            d = _reciprocal(1 + numerator * d)
            c = 1 + numerator / c or _TINY
            change = d * c
            fraction *= change
        if abs(change - 1) < _EPSILON:
            break
    return math.exp(lead) * fraction / a


def _reciprocal(value: float) -> float:
    return 1 / (value or _TINY)
