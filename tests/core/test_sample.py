"""Pause distributions against their closed forms; tolerances follow from the number of values drawn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sippx._core.codes import PauseKind
from sippx._core.sample import sample
from sippx._core.tables import PAUSE_DTYPE

N = 40_000
N_SIGMAS = 5.0
"""Standard errors that a statistic may be off; the seeds are fixed, so that this either holds for ever or never."""
LARGEST = 1e18
"""Parameters are below this in a Program."""
KINDS = [kind for kind in PauseKind if kind not in (PauseKind.PAUSE_VARIABLE, PauseKind.N_PAUSE_KINDS)]


def draw(kind: PauseKind, *parameters: float, n: int = N, seed: int = 12345) -> np.ndarray:
    row = np.zeros(1, PAUSE_DTYPE)
    row["kind"] = kind
    for name, value in zip(("p0", "p1", "p2"), parameters, strict=False):
        row[name] = value
    return np.array(sample(row, n, seed))


@dataclass(frozen=True)
class Case:
    """A distribution with its distribution function, and mean and variance where they are finite."""

    kind: PauseKind
    parameters: tuple[float, ...]
    below: Callable[[float], float]
    mean: float | None = None
    variance: float | None = None

    def __str__(self) -> str:
        return f"{self.kind.name[6:].lower()}{self.parameters}"


def normal_below(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def gamma_below(shape: float, x: float) -> float:
    """Regularised lower incomplete gamma function by its power series."""
    if x <= 0:
        return 0.0
    term = total = 1.0 / shape
    for n in range(1, 10_000):
        term *= x / (shape + n)
        total += term
        if term < total * 1e-15:
            break
    return total * math.exp(-x + shape * math.log(x) - math.lgamma(shape))


def negbin_below(n: float, p: float, x: float) -> float:
    """Failures before n successes: P(X <= x)."""
    if x < 0:
        return 0.0
    log_p = [
        math.lgamma(n + k) - math.lgamma(n) - math.lgamma(k + 1) + n * math.log(p) + k * math.log1p(-p)
        for k in range(int(x) + 1)
    ]
    return sum(map(math.exp, log_p))


def uniform(low: float, high: float) -> Case:
    return Case(
        PauseKind.PAUSE_UNIFORM, (low, high), lambda x: min(max((x - low) / (high - low), 0), 1),
        (low + high) / 2, (high - low) ** 2 / 12,
    )  # fmt: skip


def weibull(scale: float, shape: float) -> Case:
    first, second = (math.gamma(1 + k / shape) for k in (1, 2))
    return Case(
        PauseKind.PAUSE_WEIBULL, (scale, shape), lambda x: 1 - math.exp(-((max(x, 0) / scale) ** shape)),
        scale * first, scale**2 * (second - first**2),
    )  # fmt: skip


def pareto(shape: float, low: float) -> Case:
    return Case(
        PauseKind.PAUSE_PARETO, (shape, low), lambda x: 1 - (low / x) ** shape if x > low else 0.0,
        shape * low / (shape - 1) if shape > 1 else None,
        low**2 * shape / ((shape - 1) ** 2 * (shape - 2)) if shape > 4 else None,
    )  # fmt: skip


def gpareto(shape: float, scale: float, location: float) -> Case:
    def below(x: float) -> float:
        z = max((x - location) / scale, 0.0)
        if abs(shape) < 1e-12:
            return 1 - math.exp(-z)
        base = 1 + shape * z
        return 1 - base ** (-1 / shape) if base > 0 else 1.0

    mean = location + scale / (1 - shape) if shape < 0.25 else None
    variance = scale**2 / ((1 - shape) ** 2 * (1 - 2 * shape)) if shape < 0.25 else None
    return Case(PauseKind.PAUSE_GPARETO, (shape, scale, location), below, mean, variance)


def gamma(shape: float, scale: float) -> Case:
    return Case(
        PauseKind.PAUSE_GAMMA, (shape, scale), lambda x: gamma_below(shape, x / scale),
        shape * scale, shape * scale**2,
    )  # fmt: skip


def negbin(n: float, p: float) -> Case:
    return Case(
        PauseKind.PAUSE_NEGBIN, (n, p), lambda x: negbin_below(n, p, x), n * (1 - p) / p, n * (1 - p) / p**2
    )


CASES = [
    uniform(10, 20),
    uniform(-500, 60_000),
    Case(PauseKind.PAUSE_NORMAL, (100, 15), lambda x: normal_below((x - 100) / 15), 100, 225),
    Case(
        PauseKind.PAUSE_LOGNORMAL, (5, 0.5), lambda x: normal_below((math.log(x) - 5) / 0.5) if x > 0 else 0.0,
        math.exp(5.125), (math.exp(0.25) - 1) * math.exp(10.25),
    ),
    Case(PauseKind.PAUSE_EXPONENTIAL, (250,), lambda x: 1 - math.exp(-max(x, 0) / 250), 250, 62_500),
    weibull(100, 1.5),
    weibull(3000, 0.7),
    pareto(5, 100),
    pareto(0.8, 20),
    gpareto(0.2, 50, 1000),
    gpareto(-0.5, 50, -10),
    gpareto(0.0, 50, 10),
    gpareto(1e-17, 50, 10),
    gpareto(2.0, 5, 0),
    gamma(0.3, 100),
    gamma(1.0, 20),
    gamma(9.5, 7),
    gamma(1000, 2),
    negbin(3, 0.2),
    negbin(0.5, 0.05),
    negbin(40, 0.9),
    negbin(20, 0.005),
]  # fmt: skip
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=str)


@EVERY_CASE
def test_shares_below_the_deciles_are_those_of_the_distribution(case: Case) -> None:
    values = np.sort(draw(case.kind, *case.parameters))
    for decile in range(1, 10):
        x = float(values[decile * N // 10])
        expected = case.below(x)
        share = np.searchsorted(values, x, side="right") / N
        error = math.sqrt(max(expected * (1 - expected), 1 / N) / N)
        assert abs(share - expected) < N_SIGMAS * error, (decile, x, share, expected)


@EVERY_CASE
def test_largest_distance_to_the_distribution_function_is_small(case: Case) -> None:
    """Kolmogorov and Smirnov: for discrete ones their bound is wider than needed."""
    values, counts = np.unique(draw(case.kind, *case.parameters, seed=77), return_counts=True)
    steps = np.cumsum(counts) / N
    if len(values) > 4000:
        values, steps = values[::10], steps[::10]
    expected = np.array([case.below(float(x)) for x in values])
    assert np.abs(steps - expected).max() < 2.0 / math.sqrt(N)  # exceeded once in 1500 runs


@pytest.mark.parametrize("case", [case for case in CASES if case.mean is not None], ids=str)
def test_mean_is_that_of_the_distribution(case: Case) -> None:
    values = draw(case.kind, *case.parameters, seed=5)
    variance = case.variance if case.variance is not None else values.var()
    assert abs(values.mean() - case.mean) < N_SIGMAS * math.sqrt(variance / N)


@pytest.mark.parametrize("case", [case for case in CASES if case.variance is not None], ids=str)
def test_variance_is_that_of_the_distribution(case: Case) -> None:
    values = draw(case.kind, *case.parameters, seed=6)
    fourth = float(((values - values.mean()) ** 4).mean())
    error = math.sqrt(max(fourth - case.variance**2, 0.0) / N)
    assert abs(values.var() - case.variance) < 2 * N_SIGMAS * error


def test_negative_binomial_beyond_exact_rounds_keeps_its_moments() -> None:
    values = draw(PauseKind.PAUSE_NEGBIN, 50, 1e-7, n=4000)
    mean, deviation = 50 / 1e-7, math.sqrt(50) / 1e-7
    assert abs(values.mean() - mean) < N_SIGMAS * deviation / math.sqrt(len(values))
    assert abs(values.std() / deviation - 1) < 0.1
    assert np.array_equal(values, np.floor(values))


def test_fixed_value_is_itself() -> None:
    assert set(draw(PauseKind.PAUSE_FIXED, 1234.5, n=100)) == {1234.5}


def test_values_differ_by_seed_and_repeat_with_it() -> None:
    first, again, other = (draw(PauseKind.PAUSE_GAMMA, 2, 3, n=50, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", KINDS)
def test_successive_values_are_not_correlated(kind: PauseKind) -> None:
    parameters = {PauseKind.PAUSE_PARETO: (5, 100), PauseKind.PAUSE_NEGBIN: (3, 0.2)}.get(kind, (2, 0.1, 0))
    values = draw(kind, *parameters)
    if values.std() > 0:
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < N_SIGMAS / math.sqrt(N)


EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, 5e-324, -5e-324, 1e-300, 1e-17, 1.0 - 2**-53, 1.0 + 2**-52, 1e6, 1e17, -1e17]
PARAMETER = st.one_of(st.sampled_from(EDGES), st.floats(-LARGEST, LARGEST, exclude_min=True, exclude_max=True))


@given(st.sampled_from(KINDS), PARAMETER, PARAMETER, PARAMETER, st.integers(0, 2**64 - 1))
@settings(max_examples=600, deadline=None)
def test_no_parameters_give_nan(kind: PauseKind, a: float, b: float, c: float, seed: int) -> None:
    assert not np.isnan(draw(kind, a, b, c, n=20, seed=seed)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_every_pair_of_edges_is_drawn_in_no_time(kind: PauseKind) -> None:
    slowest_s = 0.0
    for a in EDGES:
        for b in EDGES:
            for c in (0.0, -1.0, 1e17):
                begin_s = time.perf_counter()
                values = draw(kind, a, b, c, n=3)
                slowest_s = max(slowest_s, time.perf_counter() - begin_s)
                assert not np.isnan(values).any(), (a, b, c)
    assert slowest_s < 0.1


@pytest.mark.parametrize("mean", [100.0, 1e4, 1e5, 1e6, 1.6e7])
def test_negative_binomial_of_any_mean_holds_no_engine_up(mean: float) -> None:
    begin_s = time.perf_counter()
    draw(PauseKind.PAUSE_NEGBIN, 1000, 1 / (1 + mean / 1000), n=20)
    assert time.perf_counter() - begin_s < 0.2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beyond", [math.nan, math.inf, -math.inf])
def test_what_no_program_may_hold_ends_all_the_same(kind: PauseKind, beyond: float) -> None:
    for parameters in ((beyond, 1.0, 0.0), (1.0, beyond, 0.0), (beyond, beyond, beyond)):
        assert not np.isnan(draw(kind, *parameters, n=3)).any()
