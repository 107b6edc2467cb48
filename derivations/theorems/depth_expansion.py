r"""The series in 1/N around infinite depth, of multiplier and volume form."""

from __future__ import annotations

import math
from typing import Any

from sympy import Expr, Integer, Limit, Symbol, Tuple, exp, expand, factorial, log, oo, simplify, sinh

from geometry import DeepLinearNetwork, explicit
from geometry.asymptotics import DepthSeries, depth_series, log_volume_series, symbolic_depth_twin

from ..check_points import at_instance, numeric_network, value_at
from ..definition import FloatPoint, Point, PrecisePoint
from ..derivation import Derivation
from ..references import COHEN_MENON_VERASZTO
from ..standard_networks import networks_over_fields, standard_networks, symbolic_network
from ..step import Step
from .multiplier import defining_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "depth-expansion"
REFERENCE = COHEN_MENON_VERASZTO.at("Theorem 2, for the leading terms")
ORDER = 2
"""The terms that are shown beyond the leading one."""
CHECKED = {"precise": (500, 16), "float": (60, 8)}
"""Depth and order at which the truncated series is held against the definition: what is left out is below 1e-44 and
1e-15, as singular values and their ratios have logarithms of order 1."""
RANK = 2


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Symbolic depth, with null spaces, everything a symbol, and over C and H."""
    finite = (network for network in standard_networks() if isinstance(network.depth, Symbol))
    return (*finite, symbolic_network(), *networks_over_fields()[:2])


def derive(network: DeepLinearNetwork) -> Derivation:
    """λ_kl/N and N^{β r²/2} √det g^N are series in 1/N, with Bernoulli numbers from (u/N)/sinh(u/N)."""
    twin = symbolic_depth_twin(network)
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    series = pair_series(twin, a, b, ORDER)
    volume = log_volume_series(twin, ORDER)
    return Derivation(
        name=NAME,
        network=twin,
        statement=r"With $u = \log(\sigma_k/\sigma_l)$ and $s = \log(\sigma_k \sigma_l)$ the multiplier over $N$ is "
        r"the logarithmic mean of the squares times $e^{-s/N} (u/N)/\sinh(u/N)$, whose series in $1/N$ converges for "
        r"$|u| < \pi N$. What is left out of the series is of the next order.",
        steps=_steps(twin, a, b, series),
        result=Tuple(series.truncated(), volume.truncated()),
        subject=(r"\lambda_{kl}/N + O(N^{-3})", r"\log(N^{\beta r^2/2} \sqrt{\det g^N}) + O(N^{-3})"),
        reference=REFERENCE,
        residual=_residual,
    )


def pair_series(network: DeepLinearNetwork, a: Expr, b: Expr, order: int) -> DepthSeries:
    """The series of λ(a, b)/N."""
    depth: Symbol = network.depth
    return depth_series(network.pair_multiplier(a, b) / depth, depth, order)


def _steps(network: DeepLinearNetwork, a: Symbol, b: Symbol, series: DepthSeries) -> tuple[Step, ...]:
    N, u, s = network.depth, log(a) - log(b), log(a) + log(b)
    closed = (a**2 - b**2) * exp(-s / N) / (2 * N * sinh(u / N))
    steps = [
        Step(
            defining_multiplier(network, a, b) / N,
            closed,
            "the geometric series, with the middle power taken out of the difference",
        ),
        Step(Limit(closed, N, oo), series.leading, "the leading term"),
    ]
    for order in range(1, ORDER + 1):
        rest = N**order * (closed - series.truncated(order))
        steps.append(Step(Limit(rest, N, oo), series.coefficients[order], f"the coefficient of N^-{order}"))
    pair = log(N * (a ** (2 / N) - b ** (2 / N)) / (2 * u))
    steps.append(Step(Limit(N * pair, N, oo), s, "a pair of the volume form, to first order"))
    steps.append(Step(Limit(N**2 * (pair - s / N), N, oo), u**2 / 6, "and to second"))
    return tuple(steps)


def _residual(derivation: Derivation, route: str) -> float:
    """The truncated series against the definition at one large depth; exactly, as a series with the right inverse."""
    network = derivation.network
    if route == "exact":
        return _inverse_residual(network)
    depth, order = CHECKED[route]
    rank = network.rank if isinstance(network.rank, int) else RANK
    numeric, values = numeric_network(network, depth, rank)
    kind = PrecisePoint if route == "precise" else FloatPoint
    point = kind(depth, numeric.shape, rank, seed=5, field=network.field)
    return max(
        _multiplier_error(derivation, point, route, depth, order),
        _volume_error(network, values, point, route, depth, order),
    )


def _multiplier_error(derivation: Derivation, point: Point, route: str, depth: int, order: int) -> float:
    """λ_12 against the definition with many terms, and the terms that are shown against the same series."""
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    series = pair_series(derivation.network, a, b, order)
    shown = expand(explicit(derivation.result[0] - series.truncated(ORDER + 1)))
    if shown != 0:
        return 1.0
    first, last = 0, point.rank - 1
    sigma = {a: point.singular_values[first], b: point.singular_values[last]}
    if first == last:
        return 0.0
    found = value_at(series.truncated().subs(derivation.network.depth, depth), sigma, route)
    image = point.components(point.apply(point.outer(first, last)))
    place = point.tangent_basis().index((first, last, 0))
    expected = image[place, 0] / depth
    return abs(float((found - expected) / expected))


def _volume_error(
    network: DeepLinearNetwork, values: dict[Symbol, Any], point: Point, route: str, depth: int, order: int
) -> float:
    """The squared density, its logarithm expanded, against the Gram determinant of the definition."""
    truncated = at_instance(log_volume_series(network, order).truncated(), values)
    power = Integer(network.coframe.dyson_index) * point.rank**2
    logarithm = 2 * truncated.subs(network.depth, depth)
    sigma = {Symbol(f"sigma_{k + 1}", positive=True): value for k, value in enumerate(point.singular_values)}
    expected = point.squared_volume() * depth**power
    if route == "precise":
        found = value_at(exp(logarithm), sigma, route)
        return abs(float((found - expected) / expected))
    return abs(float(value_at(logarithm, sigma, route)) - math.log(float(expected)))


def _inverse_residual(network: DeepLinearNetwork) -> float:
    """The series of λ/N times the Taylor series of N (a^{2/N} - b^{2/N}) is a² - b², term by term."""
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    series, order = pair_series(network, a, b, 6), 6
    differences = [
        Integer(2) ** (j + 1) * (log(a) ** (j + 1) - log(b) ** (j + 1)) / factorial(j + 1) for j in range(order + 1)
    ]
    for k in range(order + 1):
        total = sum(series.coefficients[j] * differences[k - j] for j in range(k + 1))
        if simplify(explicit(total) - (a**2 - b**2 if k == 0 else 0)) != 0:
            return 1.0
    return 0.0
