"""Distributions of pauses and samples: the one table of them, and how an element names one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from sippx._core.codes import PauseKind
from sippx.scenario import percentiles
from sippx.scenario.element import INT_MAX, Element
from sippx.scenario.model import Duration
from sippx.scenario.names import nearest_hint

MAX_PARAMETER = 1e17


@dataclass(frozen=True, slots=True)
class Parameter:
    """An attribute of a distribution: its name and what its value must be."""

    name: str
    low: float = -math.inf
    is_positive: bool = False
    high: float = math.inf


@dataclass(frozen=True, slots=True)
class DistributionSpec:
    """A distribution: its parameters, its rows' kind, its 99th percentile, its text on the scenario screen."""

    name: str
    kind: PauseKind
    parameters: tuple[Parameter, ...]
    percentile: Callable[..., float]
    text: str = ""


def _positive(name: str, high: float = math.inf) -> Parameter:
    return Parameter(name, low=0.0, is_positive=True, high=high)


DISTRIBUTIONS: dict[str, DistributionSpec] = {
    spec.name: spec
    for spec in (
        DistributionSpec("fixed", PauseKind.PAUSE_FIXED, (Parameter("value"),), lambda ms: ms),
        # SIPp's estimate of a uniform pause's percentile, which its -l rests on
        DistributionSpec(
            "uniform",
            PauseKind.PAUSE_UNIFORM,
            (Parameter("min"), Parameter("max")),
            lambda low, high: low + 0.99 * high,
        ),
        DistributionSpec(
            "normal",
            PauseKind.PAUSE_NORMAL,
            (Parameter("mean"), Parameter("stdev", 0.0)),
            percentiles.normal,
            "N({:g},{:g})",
        ),
        DistributionSpec(
            "lognormal",
            PauseKind.PAUSE_LOGNORMAL,
            (Parameter("mean"), Parameter("stdev", 0.0)),
            percentiles.lognormal,
            "LN({:g},{:g})",
        ),
        DistributionSpec(
            "exponential",
            PauseKind.PAUSE_EXPONENTIAL,
            (Parameter("mean", 0.0),),
            percentiles.exponential,
            "Exp({:g})",
        ),
        DistributionSpec(
            "weibull",
            PauseKind.PAUSE_WEIBULL,
            (_positive("lambda"), _positive("k")),
            percentiles.weibull,
            "Wb({:g},{:g})",
        ),
        DistributionSpec(
            "pareto",
            PauseKind.PAUSE_PARETO,
            (_positive("k"), _positive("x_m")),
            percentiles.pareto,
            "P({:g},{:g})",
        ),
        DistributionSpec(
            "gpareto",
            PauseKind.PAUSE_GPARETO,
            (Parameter("shape"), _positive("scale"), Parameter("location")),
            percentiles.gpareto,
            "P({:g},{:g},{:g})",
        ),
        DistributionSpec(
            "gamma",
            PauseKind.PAUSE_GAMMA,
            (_positive("k", 1e6), _positive("theta")),
            percentiles.gamma,
            "G({:g},{:g})",
        ),
        DistributionSpec(
            "negbin",
            PauseKind.PAUSE_NEGBIN,
            (_positive("n", 1e6), _positive("p", 1.0)),
            percentiles.negbin,
            "NB({1:g},{0:g})",
        ),
    )
}
"""SIPp's distributions; SIPp offers those behind uniform only when it is built with GSL."""

PARAMETER_NAMES = tuple(
    dict.fromkeys(parameter.name for spec in DISTRIBUTIONS.values() for parameter in spec.parameters)
)


def percentile_ms(duration: Duration, default_ms: float) -> float:
    """99th percentile of a pause; a variable's length is unknown before the run and counts as 0."""
    spec = DISTRIBUTIONS.get(duration.distribution)
    if spec is not None:
        return spec.percentile(*duration.parameters)
    return default_ms if duration.distribution == "default" else 0.0


def distribution_text(duration: Duration) -> str:
    """What the scenario screen shows for a pause by distribution or variable; empty for plain times."""
    if duration.variable is not None:
        return f"${duration.variable.name}"
    spec = DISTRIBUTIONS.get(duration.distribution)
    return spec.text.format(*duration.parameters) if spec is not None else ""


def read_distribution(element: Element) -> Duration | None:
    """The distribution that an element's attributes name, None when they name none."""
    name = element.get("distribution")
    if name is None:
        # SIPp's oldest spellings: an attribute named after the distribution, or just min and max
        name = next((known for known in DISTRIBUTIONS if element.get(known) is not None), None)
        if name is None and (element.get("min") is not None or element.get("max") is not None):
            name = "uniform"
        if name is None:
            return None
    spec = DISTRIBUTIONS.get(name)
    if spec is None:
        hint = nearest_hint(name, DISTRIBUTIONS) or f"; use one of {', '.join(DISTRIBUTIONS)}"
        element.fail(f'unknown distribution "{name}"{hint}', "distribution")
    values = tuple(_parameter(element, spec, parameter) for parameter in spec.parameters)
    if name == "uniform" and values[0] > values[1]:
        element.fail(f'min="{element.get("min")}" is greater than max="{element.get("max")}"', "min")
    return Duration(name, values)


def _parameter(element: Element, spec: DistributionSpec, parameter: Parameter) -> float:
    text = element.get(parameter.name)
    if text is None:
        element.fail(f"a {spec.name} {_noun(element)} needs the attribute '{parameter.name}'")
    is_time = _noun(element) == "pause" and spec.name in ("fixed", "uniform")
    low = 0.0 if is_time else parameter.low
    value = element.number(parameter.name, 0.0, low=low, high=parameter.high)
    if parameter.is_positive and value <= 0:
        element.fail(f'{parameter.name}="{text}" is not greater than 0', parameter.name)
    if abs(value) > MAX_PARAMETER and not is_time:
        element.fail(f'{parameter.name}="{text}" is larger than {MAX_PARAMETER:g}', parameter.name)
    return value


def _noun(element: Element) -> str:
    return "sample" if element.name == "sample" else "pause"


def bounded(duration: Duration) -> Duration:
    """The same with the times of plain pauses cut to what a timer can hold."""
    if duration.distribution not in ("fixed", "uniform"):
        return duration
    return Duration(duration.distribution, tuple(min(ms, float(INT_MAX)) for ms in duration.parameters))
