r"""The scalar curvature of g^N: sums over one, two and three singular values."""

from __future__ import annotations

from typing import Any

from sympy import Add, Expr, Float, Rational, Symbol, oo

from geometry import DeepLinearNetwork
from geometry.coframe import generic_singular_value
from geometry.curvature import delta_symbol, generic_curvature, orbit_scalar, q_symbol
from geometry.indexed import index_symbols
from geometry.structure import bracket_triples

from ..check_points import at_instance, instances, value_at
from ..curvature_oracle import CurvatureOracle
from ..derivation import Derivation, require_metric
from ..references import BESSE
from ..step import Step

__all__ = ["NAME", "REFERENCE", "derive", "networks", "oracle_value"]

NAME = "scalar-curvature"
REFERENCE = BESSE.at("chapters 7 and 9")
WARPED = Symbol("scal_orbit") - 2 * Symbol("W_1") - Symbol("W_2")
"""The scalar curvature of the orbit with W_1 = Σ n f''/f and W_2 = (Σ n f'/f)² - Σ n (f'/f)²."""


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Symbolic, integer and infinite depth, with null spaces, and over C."""
    N = Symbol("N", positive=True)
    return (
        DeepLinearNetwork(N, (2, 2)),
        DeepLinearNetwork(N, (3, 2), 2),
        DeepLinearNetwork(3, (3, 2), 1),
        DeepLinearNetwork(oo, (2, 2)),
        DeepLinearNetwork(2, (2, 1), 1, "C"),
    )


def derive(network: DeepLinearNetwork) -> Derivation:
    """The scalar curvature, from the orbits of U_m x U_n and their second fundamental forms.

    Raises
    ------
    ValueError
        At infinite depth unless m = n = r: the metric has no limit.
    """
    require_metric(network)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"The orbits of $U_m \times U_n$ are homogeneous, the singular values flat across them: the scalar "
        r"curvature is a sum over one, two and three singular values. With the lengths $f_i$ of the frame along the "
        r"orbit, of multiplicity $n_i$, and derivatives in the flat coordinates "
        r"$y_k = \int d\sigma_k/\sqrt{\lambda_{kk}}$, "
        r"$W_1 = \sum_i n_i f_i''/f_i$ and $W_2 = (\sum_i n_i f_i'/f_i)^2 - \sum_i n_i (f_i'/f_i)^2$, summed over $k$. "
        r"Spheres are positive.",
        steps=_steps(network),
        result=network.metric.scalar_curvature(),
        subject=(r"\operatorname{scal}",),
        reference=REFERENCE,
        residual=_residual,
    )


def _steps(network: DeepLinearNetwork) -> tuple[Step, ...]:
    a, b = (generic_singular_value(index) for index in index_symbols(2))
    generic, metric = generic_curvature(network.metric), network.metric
    plus, minus = ((a - b) ** 2, (a + b) ** 2)
    weight = metric.pair_multiplier(a, b)
    delta, q = generic.values[delta_symbol((0, 1))], generic.values[q_symbol((0, 1))]
    steps = [
        Step(plus / weight, delta * q, "length of a common rotation of both sides"),
        Step(minus / weight, delta / q, "length of an opposite rotation"),
    ]
    if isinstance(network.rank, int) and network.rank < 2:
        return tuple(steps)
    closed = generic.scalar_term(2)
    return (
        *steps,
        Step(_pair_by_warping(network), closed, "terms of a pair of singular values", shown=(WARPED, closed)),
    )


def _pair_by_warping(network: DeepLinearNetwork) -> Expr:
    """The terms in two singular values written out: the orbit's and -2 Σ n f''/f - (Σ n h)² + Σ n h², directly."""
    generic = generic_curvature(network.metric)
    a, b = generic.sigma[:2]
    orbit = Add(
        *(
            triple.multiplicity(network.coframe) * orbit_scalar(triple)
            for triple in bracket_triples(network.field)
            if triple.size == 2
        )
    ).xreplace(generic.values)
    return orbit + sum(_radial_pair(network, x, y) for x, y in ((a, b), (b, a)))


def _radial_pair(network: DeepLinearNetwork, a: Symbol, b: Symbol) -> Expr:
    """Along D = √λ_aa ∂_a: all terms of the warping functions but those of a alone."""
    metric, beta = network.metric, network.coframe.dyson_index
    speed, weight = metric.pair_multiplier(a, a), metric.pair_multiplier(a, b)
    nulls = beta * (network.coframe.left_nullity + network.coframe.right_nullity)
    pair = [(beta, ((a + sign * b) ** 2 / weight)) for sign in (-1, 1)]
    single = [(beta - 1, a**2 / speed), (nulls, a**2 / metric.pair_null_multiplier(a))] if nulls != 0 else []
    single = single or [(beta - 1, a**2 / speed)]

    def warped(families: list[tuple[Any, Expr]]) -> Expr:
        total: Expr = Rational(0)
        rate: Expr = Rational(0)
        for count, square in families:
            h = square.diff(a) / (2 * square)
            total += -2 * count * (speed * (h.diff(a) + h**2) + speed.diff(a) * h / 2) + count * speed * h**2
            rate += count * h
        return total - speed * rate**2

    return warped(pair + single) - warped(single)


def oracle_value(oracle: CurvatureOracle, value: Any) -> Any:
    """A rational number of the oracle as one of SymPy."""
    return Rational(int(value.numerator), int(value.denominator)) if oracle.exact else value


def _residual(derivation: Derivation, route: str) -> float:
    """Against the metric of the definition in a chart, expanded to second order."""
    network = derivation.network
    if route == "exact" and network.is_infinitely_deep:
        return 0.0  # no rational points: the other routes are numeric
    worst = 0.0
    for numeric, values, point in instances(network, route):
        oracle = CurvatureOracle(point)
        scale = numeric.operator_divisor
        expected = oracle_value(oracle, oracle.scalar)
        sigma = dict(zip(numeric.singular_values, point.singular_values, strict=True))
        expression = at_instance(derivation.result, values)
        found = value_at(expression, sigma, route) if expression.free_symbols else expression
        # A multiple of the metric divides its curvature.
        found = found * scale
        difference = float(abs(Float(found, 60) - Float(expected, 60))) if route == "precise" else abs(found - expected)
        worst = max(worst, float(difference) / max(1.0, abs(float(expected))))
    return worst
