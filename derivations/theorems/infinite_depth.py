r"""The infinite depth limit: multiplier and volume form as N → ∞."""

from __future__ import annotations

import mpmath
from sympy import Limit, Symbol, Tuple, latex, oo

from geometry import DeepLinearNetwork

from ..check_points import at_instance, numeric_network, value_at
from ..definition import FloatPoint, PrecisePoint
from ..derivation import Derivation
from ..references import COHEN_MENON_VERASZTO
from ..step import Step
from .volume_form import limit_exponent, limit_steps, limit_subject

__all__ = ["NAME", "REFERENCE", "derive"]

NAME = "infinite-depth"
REFERENCE = COHEN_MENON_VERASZTO.at("Theorem 2")


def derive(network: DeepLinearNetwork) -> Derivation:
    """λ/N → logarithmic mean, and N^{β r²/2} √det g^N → its limit, for the network's shape and rank."""
    N = Symbol("N", positive=True)
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    finite = DeepLinearNetwork(N, network.shape, network.rank, network.field)
    limit = network.infinite_depth()
    multiplier = limit.pair_multiplier(a, b)
    steps = (
        Step(Limit(finite.pair_multiplier(a, b) / N, N, oo), multiplier, "the logarithmic mean of the squares"),
        Step(Limit(finite.pair_null_multiplier(a) / N, N, oo), limit.pair_null_multiplier(a), "against zero"),
        *limit_steps(network),
    )
    return Derivation(
        name=NAME,
        network=network,
        statement=r"As $N \to \infty$ the rescaled multiplier $\lambda/N$ and the volume form times "
        rf"$N^{{{latex(limit_exponent(network))}}}$ have limits.",
        steps=steps,
        result=Tuple(multiplier, limit.volume_density()),
        subject=(r"\lim_{N \to \infty} \lambda_{kl}/N", limit_subject(network)),
        reference=REFERENCE,
        residual=_residual,
    )


def _residual(derivation: Derivation, route: str) -> float:
    """At infinite depth against the integral that defines A_∞; the volume form where A_∞ is invertible."""
    if route == "exact":
        return 0.0  # the steps compare with series in 1/N
    limit = derivation.network.infinite_depth()
    r = limit.rank if isinstance(limit.rank, int) else 3
    _, values = numeric_network(limit, oo, r)
    square = DeepLinearNetwork(oo, (r, r), r, limit.field)
    point = (PrecisePoint if route == "precise" else FloatPoint)(oo, (r, r), r, seed=3, field=limit.field)
    sigma = dict(zip(square.singular_values, point.singular_values, strict=True))
    worst = 0.0
    for k in range(r):
        for l in range(r):
            image = point.components(point.apply(point.outer(k, l)))
            weight = value_at(limit.multiplier(k, l), sigma, route)
            worst = max(worst, abs(float((image[point.beta * (k * r + l), 0] - weight) / weight)))
    expected = point.squared_volume()
    # In the limit the exponent of the singular values no longer depends on m and n.
    density = mpmath.mpf(value_at(at_instance(limit.volume_density(), values), sigma, route))
    return max(worst, abs(float((density**2 - expected) / expected)))
