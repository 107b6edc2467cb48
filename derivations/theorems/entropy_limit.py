r"""The entropy at infinite depth: what is left of S_N without its linear and logarithmic growth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import mpmath
import numpy as np
from sympy import Expr, Limit, Symbol, Tuple, exp, latex, oo, sympify

from geometry import DeepLinearNetwork
from geometry.entropy import entropy, entropy_growth, fibre_factors, fibre_volume

from ..check_points import at_instance, numeric_network, value_at
from ..definition import FloatPoint, Point, PrecisePoint
from ..derivation import Derivation, NotApplicableError
from ..references import MENON_YU_ENTROPY
from ..standard_networks import networks_over_fields, standard_networks
from ..step import Step
from .entropy import CHECKED_WIDTHS, EXAMPLE, WIDER
from .fibre_gram_matrix import FibreOrbit

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "entropy-limit"
REFERENCE = MENON_YU_ENTROPY
EXTRAPOLATED = tuple(2**power for power in range(3, 10))
"""The depths from which the float route extrapolates."""


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those of infinite depth, and one of symbolic rank."""
    m, n, r = (Symbol(name, integer=True, positive=True) for name in "mnr")
    every = (*standard_networks(), *networks_over_fields())
    deep = [network for network in every if network.is_infinitely_deep]
    return (*deep, DeepLinearNetwork(oo, (m, n), r), DeepLinearNetwork(oo, (1, 1), field="H"))


def derive(network: DeepLinearNetwork) -> Derivation:
    """S_N - (N-1) log c - κ log N converges as N → ∞, to logarithms of logarithmic means.

    Raises
    ------
    NotApplicableError
        At finite depth.
    """
    if not network.is_infinitely_deep:
        raise NotApplicableError(f"entropy-limit is about depth oo, not depth {network.depth}; see entropy")
    width = sympify(network.rank) + WIDER
    growth = latex(entropy_growth(network))
    return Derivation(
        name=NAME,
        network=network,
        statement=r"As $N \to \infty$ the entropy grows like $(N-1) \log c + \kappa \log N$; what is left has a limit, "
        r"the entropy at infinite depth, for hidden spaces of width $r$ and $r + w$.",
        steps=tuple(_limits(network)),
        result=Tuple(entropy(network), entropy(network, width)),
        subject=tuple(
            rf"\lim_{{N \to \infty}} \left(S_N{mark} - (N-1) \log c{mark} - {growth} \log N\right)"
            for mark in ("", "^{(r+w)}")
        ),
        reference=REFERENCE,
        residual=_residual,
    )


def _limits(network: DeepLinearNetwork) -> Iterator[Step]:
    """Of each kind of determinant, and of the whole volume where the rank is a number."""
    N = Symbol("N", positive=True)
    finite = DeepLinearNetwork(N, network.shape, network.rank, network.field)
    width = sympify(network.rank) + EXAMPLE
    names = [Symbol(f"sigma_{index}", positive=True) for index in "kl"]
    for now, then in zip(fibre_factors(finite, width), fibre_factors(network, width), strict=True):
        sigma = names[: now.size]
        scaled = now.determinant(*sigma) * N**-then.order
        yield Step(Limit(scaled, N, oo), then.determinant(*sigma), f"the determinant of a {now.kind}")
    if network.coframe.has_explicit_rank:
        scaled = _without_constant(finite, width) ** 2 * N ** (-2 * entropy_growth(network, width))
        yield Step(Limit(scaled, N, oo), fibre_volume(network, width) ** 2, "the volume without its growth, squared")
    yield Step(fibre_volume(network, width), exp(entropy(network, width)), "its logarithm")


def _without_constant(finite: DeepLinearNetwork, width: Expr) -> Expr:
    """The volume of the fibre over c^{N-1}."""
    product: Expr = sympify(1)
    for factor in fibre_factors(finite, width):
        product *= factor.volume(finite.coframe)
    return product


def _residual(derivation: Derivation, route: str) -> float:
    """Against the integral that defines A_∞; in floating point against the orbits of finite depths, extrapolated."""
    if route == "exact":
        return 0.0  # nothing rational to compare with: the steps compare with series in 1/N
    network, worst = derivation.network, 0.0
    rank = network.rank if isinstance(network.rank, int) else 3
    _, values = numeric_network(network, oo, rank)
    square = DeepLinearNetwork(oo, (rank, rank), rank, network.field)
    for wider in CHECKED_WIDTHS:
        formula = at_instance(derivation.result[bool(wider)].subs(WIDER, wider), values)
        point: Point
        if route == "precise":
            point = PrecisePoint(oo, (rank, rank), rank, seed=5, field=network.field)
            expected = _integrated(point, wider)
        else:
            point = FloatPoint(EXTRAPOLATED[0], (rank, rank), rank, seed=5, field=network.field)
            expected = _extrapolated(rank, network.field, wider, float(entropy_growth(square)))
        found = value_at(formula, dict(zip(square.singular_values, point.singular_values, strict=True)), route)
        worst = max(worst, float(abs(found - expected) / max(abs(expected), 1)))
    return worst


def _integrated(point: Point, wider: int) -> Any:
    """The logarithms of λ_kl, of λ_kk (phases), and of σ_k² (complement), λ from A_∞(u_k v_lᵀ)."""
    r, beta = point.rank, point.beta

    def multiplier(k: int, l: int) -> Any:
        return point.components(point.apply(point.outer(k, l)))[beta * (k * r + l), 0]

    pairs = mpmath.fsum(mpmath.log(multiplier(k, l)) for k, l in combinations(range(r), 2))
    own = mpmath.fsum(mpmath.log(multiplier(k, k)) for k in range(r))
    beside = mpmath.fsum(2 * mpmath.log(sigma) for sigma in point.singular_values)
    return (beta * pairs + (beta - 1) * own + beta * wider * beside) / 2


def _extrapolated(rank: int, field: str, wider: int, growth: float) -> float:
    """log √det of the Gram matrices, a factor 2 taken out but for phases, without κ log N, in the limit of N."""
    table = []
    for depth in EXTRAPOLATED:
        orbit = FibreOrbit(FloatPoint(depth, (rank, rank), rank, seed=5, field=field), wider)
        table.append(_log_volume(orbit) - growth * np.log(depth))
    for order in range(1, len(table)):
        table = [(2**order * fine - coarse) / (2**order - 1) for coarse, fine in pairwise(table)]
    return float(table[0])


def _log_volume(orbit: FibreOrbit) -> float:
    """Block by block: components are orthogonal, as the entropy's own check shows at lower depth."""
    blocks: dict[tuple[Any, ...], list[Any]] = {}
    for vector in orbit.vectors():
        blocks.setdefault((vector.kind, vector.indices, vector.component), []).append(vector)
    total = 0.0
    for (kind, _, _), block in blocks.items():
        gram = orbit.gram(block) / (1 if kind == "phase" else 2)
        total += float(np.linalg.slogdet(gram)[1]) / 2
    return total
