r"""The multiplier: A_N is diagonal in the singular basis.

A_N(u_k v_lᵀ) = λ_kl u_k v_lᵀ, and λ_kl is a geometric series.
"""

from __future__ import annotations

from typing import Any

from sympy import Expr, Integral, Limit, S, Symbol, exp, expand_log, log, oo, simplify, sinh

from geometry import DeepLinearNetwork, explicit
from geometry.multiplier import definition_sum, definition_term, geometric_sum

from ..check_points import instances, value_at
from ..derivation import Derivation
from ..references import BAH_RAUHUT_TERSTIEGE_WESTDICKENBERG
from ..standard_networks import networks_over_fields, standard_networks, symbolic_network
from ..step import Step

__all__ = ["NAME", "REFERENCE", "defining_multiplier", "defining_null_multiplier", "derive", "networks"]

NAME = "multiplier"
REFERENCE = BAH_RAUHUT_TERSTIEGE_WESTDICKENBERG.at("section 2")


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those of all kinds: standard, symbolic in everything, over C and H."""
    return (*standard_networks(), symbolic_network(), *networks_over_fields())


def derive(network: DeepLinearNetwork) -> Derivation:
    """λ_kl from the sum of N terms; at infinite depth its limit."""
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    return Derivation(
        name=NAME,
        network=network,
        statement=r"The operator is diagonal in the singular basis: "
        r"$\mathcal{A}(u_k v_l^{\mathsf T}) = \lambda_{kl}\, u_k v_l^{\mathsf T}$.",
        steps=_limits(network, a, b) if network.is_infinitely_deep else _sums(network, a, b),
        result=network.pair_multiplier(a, b),
        subject=(r"\lambda_{kl}",),
        reference=REFERENCE,
        residual=_residual,
    )


def _sums(network: DeepLinearNetwork, a: Symbol, b: Symbol) -> tuple[Step, ...]:
    series = definition_sum(a, b, network.depth)
    closed = geometric_sum(series)
    return (
        Step(series, closed, "geometric series"),
        Step(
            closed / network.operator_divisor,
            network.pair_multiplier(a, b).rewrite(sinh),
            "in the form of a mean, regular where they coalesce",
        ),
        Step(defining_multiplier(network, a, a), network.pair_multiplier(a, a), "all terms are equal on the diagonal"),
        Step(
            defining_null_multiplier(network, a),
            network.pair_null_multiplier(a),
            "against a zero singular value only the first term is left",
        ),
    )


def defining_multiplier(network: DeepLinearNetwork, a: Expr, b: Expr) -> Expr:
    """λ(a, b) as the sum over the layers; at infinite depth its limit."""
    if network.is_infinitely_deep:
        return explicit(network.pair_multiplier(a, b))
    return definition_sum(a, b, network.depth) / network.operator_divisor


def defining_null_multiplier(network: DeepLinearNetwork, a: Expr) -> Expr:
    """λ(a, 0) as the sum over the layers, with 0^0 = 1; at infinite depth its limit."""
    if network.is_infinitely_deep:
        return network.pair_null_multiplier(a)
    return definition_sum(a, S.Zero, network.depth) / network.operator_divisor


def _limits(network: DeepLinearNetwork, a: Symbol, b: Symbol) -> tuple[Step, ...]:
    N = Symbol("N", positive=True)
    mean = network.pair_multiplier(a, b)
    return (
        Step(
            Limit(geometric_sum(definition_sum(a, b, N)) / N, N, oo),
            explicit(mean),
            "limit of the sum over N",
        ),
        Step(explicit(mean), mean.rewrite(sinh), "a logarithmic mean, regular where they coalesce"),
        Step(
            Limit(geometric_sum(definition_sum(a, a, N)) / N, N, oo), network.pair_multiplier(a, a), "on the diagonal"
        ),
        Step(
            Limit(definition_term(a, S.One, S.One, N) / N, N, oo),
            network.pair_null_multiplier(a),
            "against a zero singular value",
        ),
    )


def _residual(derivation: Derivation, route: str) -> float:
    """|A(u_k v_lᵀ) - λ_kl u_k v_lᵀ| relative to λ_kl, over all k and l, null directions included."""
    if route == "exact" and derivation.network.is_infinitely_deep:
        return _integral_residual(derivation.network)
    worst = 0.0
    for numeric, values, point in instances(derivation.network, route):
        sigma = dict(zip(numeric.singular_values, point.singular_values, strict=True))
        (m, n), r = point.shape, point.rank
        scale = numeric.operator_divisor
        for k, l in [(k, l) for k in range(m) for l in range(n) if k < r or l < r]:
            weight = value_at(_entry(derivation.network, k, l, r).subs(values), sigma, route)
            image, vector = point.apply(point.outer(k, l)), point.outer(k, l)
            worst = max(worst, _distance(image, weight, scale, vector, (point.beta * m, point.beta * n)))
    return worst


def _entry(network: DeepLinearNetwork, k: int, l: int, r: int) -> Expr:
    if k < r and l < r:
        return network.multiplier(k, l)
    return network.null_multiplier(k if k < r else l)


def _distance(image: Any, weight: Any, scale: Any, vector: Any, shape: tuple[int, int]) -> float:
    differences = [abs(image[i, j] - weight * scale * vector[i, j]) for i in range(shape[0]) for j in range(shape[1])]
    return float(max(differences)) / max(1.0, abs(float(weight)))


def _integral_residual(network: DeepLinearNetwork) -> float:
    """λ against ∫₀¹ a^(2-2s) b^(2s) ds, integrated symbolically with a = e^x, b = e^y."""
    x, y, s = Symbol("x", real=True), Symbol("y", real=True), Symbol("s", real=True)
    a, b = Symbol("sigma_k", positive=True), Symbol("sigma_l", positive=True)
    rate = 2 * (y - x)
    # exp(2x) ∫ exp(rate s) ds over [0, 1], with a generic rate.
    generic = Symbol("c", nonzero=True)
    integral = exp(2 * x) * Integral(exp(generic * s), (s, 0, 1)).doit().subs(generic, rate)
    value = expand_log(explicit(network.pair_multiplier(a, b)).subs({a: exp(x), b: exp(y)}), force=True)
    value = value.subs({log(exp(x)): x, log(exp(y)): y})
    return 0.0 if simplify(value - integral) == 0 else 1.0
