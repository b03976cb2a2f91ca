"""Tests of pauses and their distributions: spellings, rows, checks, percentiles against samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xml_text import compiled, error_of, load

from sippx._core.codes import PauseKind, StepFlag
from sippx._core.program import Program
from sippx.scenario import percentiles
from sippx.scenario.model import Duration, PauseStep
from sippx.scenario.pauses import DISTRIBUTIONS, distribution_text, percentile_ms

RECV = '<recv request="INVITE"/>'

EXAMPLES: dict[str, tuple[float, ...]] = {
    "fixed": (300,),
    "uniform": (100, 200),
    "normal": (500, 20),
    "lognormal": (5, 0.5),
    "exponential": (300,),
    "weibull": (200, 1.5),
    "pareto": (3, 50),
    "gpareto": (0.2, 40, 10),
    "gamma": (2.5, 100),
    "negbin": (5, 0.05),
}
TEXTS = {
    "normal": "N(500,20)",
    "lognormal": "LN(5,0.5)",
    "exponential": "Exp(300)",
    "weibull": "Wb(200,1.5)",
    "pareto": "P(3,50)",
    "gpareto": "P(0.2,40,10)",
    "gamma": "G(2.5,100)",
    "negbin": "NB(0.05,5)",
}


def attributes(name: str) -> str:
    pairs = zip(DISTRIBUTIONS[name].parameters, EXAMPLES[name], strict=True)
    return " ".join(f'{parameter.name}="{value}"' for parameter, value in pairs)


def duration(name: str) -> Duration:
    return Duration(name, EXAMPLES[name])


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("form", ['distribution="{}"', '{}="true"'])
def test_each_distribution_in_both_spellings(name: str, form: str) -> None:
    spec = compiled(f"{RECV}<pause {form.format(name)} {attributes(name)}/>")
    row = spec.pauses[0]
    assert PauseKind(int(row["kind"])).name == f"PAUSE_{name.upper()}"
    expected = (*EXAMPLES[name], 0, 0)[:3]
    assert (row["p0"], row["p1"], row["p2"]) == expected
    Program(spec)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_each_parameter_of_a_distribution_is_required(name: str) -> None:
    for parameter in DISTRIBUTIONS[name].parameters:
        without = " ".join(p for p in attributes(name).split(" ") if not p.startswith(f"{parameter.name}="))
        error = error_of(f'{RECV}<pause distribution="{name}" {without}/>')
        assert error.message == f"a {name} pause needs the attribute '{parameter.name}'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('distribution="normal" mean="1" stdev="-1"', 'stdev="-1" is less than 0'),
        ('distribution="weibull" lambda="0" k="1"', 'lambda="0" is not greater than 0'),
        ('distribution="negbin" n="5" p="1.5"', "not in the range 0 to 1"),
        ('distribution="gamma" k="1e9" theta="1"', "not in the range 0 to 1e+06"),
        ('distribution="normal" mean="1e18" stdev="1"', "is larger than 1e+17"),
        ('distribution="nomral" mean="1" stdev="1"', "did you mean 'normal'?"),
        ('distribution="x"', "use one of fixed, uniform, normal"),
        ('distribution="exponential" mean="1e9"', "in one of a hundred cases"),
        ('distribution="pareto" k="0.01" x_m="1"', "in one of a hundred cases"),
    ],
)
def test_bad_parameters_are_refused(text: str, message: str) -> None:
    assert message in error_of(f"{RECV}<pause {text}/>").message


def test_sanity_check_false_accepts_a_heavy_tail() -> None:
    spec = compiled(f'{RECV}<pause distribution="pareto" k="0.01" x_m="1" sanity_check="false"/>')
    assert spec.scenario_duration_ms == 2**31 - 1


def test_pause_of_a_variable() -> None:
    spec = compiled(f'{RECV}<nop condexec="a"/><nop condexec="a"/><pause variable="b"/><nop condexec="b"/>')
    assert (spec.pauses[0]["kind"], spec.pauses[0]["p0"]) == (PauseKind.PAUSE_VARIABLE, 1)
    assert spec.scenario_duration_ms == 0
    Program(spec)


def test_which_spelling_wins_is_said_in_a_warning() -> None:
    mention = '<nop condexec="v"/><nop condexec="v"/>'
    scenario = load(f'{RECV}{mention}<pause variable="v" milliseconds="5"/>')
    assert "'variable' wins over 'milliseconds'" in scenario.warnings[0]
    scenario = load(f'{RECV}{mention}<pause variable="v" min="1" max="5"/>')
    assert "the uniform distribution wins over 'variable'" in scenario.warnings[0]


def test_timewait_may_have_a_distribution() -> None:
    spec = compiled(f'{RECV}<timewait distribution="exponential" mean="5"/>')
    assert spec.steps[1]["flags"] & StepFlag.STEP_TIMEWAIT
    assert spec.pauses[0]["kind"] == PauseKind.PAUSE_EXPONENTIAL


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_text_of_the_scenario_screen(name: str) -> None:
    assert distribution_text(duration(name)) == TEXTS.get(name, "")


def test_lengths_of_plain_pauses_are_at_hand() -> None:
    _, step = load(f'{RECV}<pause distribution="gamma" k="1" theta="1"/>').steps
    assert isinstance(step, PauseStep) and (step.distribution, step.min_ms, step.max_ms) == ("gamma", 0, 0)


# -- percentiles ----------------------------------------------------------------------------------------

RANDOM = np.random.default_rng(1)
N = 200_000
SAMPLES = {
    "normal": RANDOM.normal(500, 20, N),
    "lognormal": RANDOM.lognormal(5, 0.5, N),
    "exponential": RANDOM.exponential(300, N),
    "weibull": 200 * RANDOM.weibull(1.5, N),
    "pareto": 50 * (1 + RANDOM.pareto(3, N)),
    "gpareto": 10 + 40 * (RANDOM.uniform(size=N) ** -0.2 - 1) / 0.2,
    "gamma": RANDOM.gamma(2.5, 100, N),
    "negbin": RANDOM.negative_binomial(5, 0.05, N),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_percentile_is_that_of_samples(name: str) -> None:
    assert percentile_ms(duration(name), 0) == pytest.approx(np.quantile(SAMPLES[name], 0.99), rel=0.03)


def test_percentile_of_uniform_is_sipps_estimate() -> None:
    assert percentile_ms(duration("uniform"), 0) == 100 + 0.99 * 200
    assert percentile_ms(Duration(), 77) == 77


@given(st.floats(0.01, 1e6), st.floats(1e-3, 1e3))
def test_percentile_of_gamma_holds_99_percent(k: float, theta: float) -> None:
    # a Chernoff bound from above, the mean from below where the distribution is not too skewed
    value = percentiles.gamma(k, theta)
    assert math.isfinite(value) and value >= 0
    assert k < 1 or value > k * theta
    x = value / theta
    assert x <= k or math.exp(min(0.0, k * math.log(x / k) - (x - k))) >= 0.0099


@given(st.integers(1, 1000), st.floats(0.001, 1.0))
def test_percentile_of_negbin_is_exact(n: int, p: float) -> None:
    value = percentiles.negbin(n, p)
    if value > 3000:
        return
    log_terms = [
        math.lgamma(n + k) - math.lgamma(k + 1) - math.lgamma(n) + n * math.log(p) + (k * math.log1p(-p) if k else 0)
        for k in range(int(value) + 1)
    ]
    total = math.fsum(map(math.exp, log_terms))
    assert total >= 0.99 - 1e-6
    assert total - math.exp(log_terms[-1]) <= 0.99 + 1e-6


def test_percentiles_at_the_edges() -> None:
    assert percentiles.gpareto(0, 40, 10) == pytest.approx(10 - 40 * math.log(0.01))
    assert percentiles.negbin(5, 1) == 0
    assert percentiles.lognormal(1e6, 0) == math.inf
    assert percentiles.weibull(1, 1e-9) == math.inf
    assert percentiles.exponential(0) == 0
