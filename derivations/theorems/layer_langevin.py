r"""Brownian motion on the balanced manifold, projected to X: its drift is -grad(E - T S)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from sympy import S, Tuple

from geometry import DeepLinearNetwork
from geometry.coframe import generic_singular_value
from geometry.entropy import fibre_factors
from geometry.indexed import index_symbols
from geometry.langevin_equation import entropy_drift, entropy_drift_terms
from geometry.laplacian import at_index, radial_derivative, radial_laplacian_drift

from ..check_points import instances
from ..definition import UNITS, Point
from ..derivation import Derivation, NotApplicableError
from ..references import MENON_YU_ENTROPY
from ..standard_networks import networks_over_fields, standard_networks, symbolic_network
from ..step import Step
from .laplacian import largest_error, number, values_at_indices

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "layer-langevin"
REFERENCE = MENON_YU_ENTROPY

Array = Any


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those of finite depth: standard, symbolic in everything, over C and H."""
    every = (*standard_networks(), symbolic_network(), *networks_over_fields())
    return tuple(network for network in every if not network.is_infinitely_deep)


def derive(network: DeepLinearNetwork) -> Derivation:
    """Noise on the layers along the fibres too projects to the free energy E - T S: π_*Δ = Δ + grad S·∇.

    Raises
    ------
    NotApplicableError
        At infinite depth, which has no layers.
    """
    if network.is_infinitely_deep:
        raise NotApplicableError("depth oo has no layers; choose a finite or symbolic depth")
    return Derivation(
        name=NAME,
        network=network,
        statement=r"The Laplacian of the balanced manifold (hidden width $r$) acts on functions of $X$ as $\Delta + "
        r"\langle \mathrm{grad}\, S, \nabla \cdot \rangle$, $S$ the logarithm of the volume of the fibres: Brownian "
        r"motion of the layers drifts by $-\mathrm{grad}(E - T S)$, horizontal noise alone by $-\mathrm{grad}\, E$.",
        steps=_steps(network),
        result=Tuple(radial_laplacian_drift(network.metric), entropy_drift(network)),
        subject=(r"\Delta\sigma_k", r"\lambda_{kk}\, \partial_k S"),
        reference=REFERENCE,
        residual=_residual,
    )


def _steps(network: DeepLinearNetwork) -> tuple[Step, ...]:
    """grad S from the determinants of the fibre's Gram matrix, and from the entropy as a whole."""
    names = tuple(map(generic_singular_value, index_symbols(2)))
    inverse = network.pair_multiplier(names[0], names[0])
    own, between = entropy_drift_terms(network)
    gradients = {1: S.Zero, 2: S.Zero}
    for part in fibre_factors(network, None):
        root = part.determinant(*names[: part.size]) ** part.exponent
        gradients[part.size] += inverse * root.diff(names[0]) / root
    reasons = {1: "the volume of a fibre: factors in one singular value", 2: "and factors in a pair of them"}
    pairs = zip(gradients.items(), (own, between), strict=True)
    steps = [Step(value, closed, reasons[size]) for (size, value), closed in pairs if value != S.Zero]
    return (*steps, _whole(network))


def _whole(network: DeepLinearNetwork) -> Step:
    k, _ = index_symbols(2)
    first, weight, value = network.singular_values[0], network.multiplier(0, 0), network.entropy()
    slope = value.diff(first) if network.coframe.has_explicit_rank else at_index(radial_derivative(value, k), 0)
    closed = at_index(entropy_drift(network), 0)
    return Step(first + weight * slope, first + closed, "the gradient of the entropy, for the first singular value")


# ------------------------------------------------------------------------------- against the definition


def _residual(derivation: Derivation, route: str) -> float:
    """Δσ_k on the balanced manifold, from the Gram matrix of the layers' velocities."""
    worst = 0.0
    for numeric, values, point in instances(derivation.network, route):
        parts = [
            values_at_indices(part, numeric, values, point, route) for part in derivation.result
        ]  # fmt: skip
        found = [own + pull for own, pull in zip(*parts, strict=True)]
        worst = max(worst, largest_error(found, _layer_drift(point, route)))
    return worst


def _layer_drift(point: Point, route: str) -> list[Any]:
    """Δσ_k upstairs: with σ = τ^N and g_kk = N along τ_k, half the trace of G⁻¹ ∂_k G."""
    depth, one = int(point.depth), number(S.One, route)
    roots = _roots(point, route)
    inverse = _inverse(_gram(point, roots))
    drift = []
    for k, root in enumerate(roots):
        # G is quadratic in τ: a central difference with step 1 is its derivative.
        above, below = (_gram(point, [r + sign * one * (i == k) for i, r in enumerate(roots)]) for sign in (1, -1))
        slope = np.sum(inverse * (above - below)) / 4
        drift.append((depth - 1) * root ** (depth - 2) + slope * root ** (depth - 1))
    return drift


def _roots(point: Point, route: str) -> list[Any]:
    if route == "exact":
        return [number(root, route) for root in point.roots]  # type: ignore[attr-defined]
    return [number(value, route) ** (number(S.One, route) / int(point.depth)) for value in point.singular_values]


def _gram(point: Point, roots: list[Any]) -> Array:
    """The Frobenius Gram matrix of the velocities of W_p = Q_p Λ Q_{p-1}ᵀ at Q_p = 1, along Λ and all Q_p."""
    vectors = np.array([np.concatenate([layer.ravel() for layer in move]) for move in _moves(point, roots)])
    return vectors @ vectors.T / point.beta


def _moves(point: Point, roots: list[Any]) -> Iterator[list[Array]]:
    depth, r, (m, n) = int(point.depth), point.rank, point.shape
    widths = (n, *[r] * (depth - 1), m)
    cores = [_diagonal(point, roots, widths[p + 1], widths[p]) for p in range(depth)]
    still = [0 * core for core in cores]
    for k in range(r):
        yield [_place(point, core, k, k, 0) for core in cores]
    for p, width in enumerate(widths):
        for turn in _turns(point, width, r, roots[0], phases=p > 0):
            move = list(still)
            if p > 0:
                move[p - 1] = turn @ cores[p - 1]
            if p < depth:
                move[p] = move[p] - cores[p] @ turn
            yield move


def _turns(point: Point, width: int, rank: int, sample: Any, phases: bool) -> Iterator[Array]:
    """A basis of the skew-Hermitian matrices that move the first directions; phases common to all Q_p move nothing."""
    zero = np.full((point.beta * width,) * 2, 0 * sample, dtype=object)
    for k, l in product(range(rank), range(width)):
        for unit in range(point.beta):
            if k < l:
                yield _place(point, zero, l, k, unit) - _place(point, zero, l, k, unit).T
            elif k == l and unit > 0 and phases:
                yield _place(point, zero, k, k, unit)


def _place(point: Point, like: Array, k: int, l: int, unit: int) -> Array:
    result, beta = 0 * like, point.beta
    block = np.array(UNITS[point.field][unit], dtype=object)
    result[beta * k : beta * (k + 1), beta * l : beta * (l + 1)] += block
    return result


def _diagonal(point: Point, roots: list[Any], rows: int, columns: int) -> Array:
    zero = np.full((point.beta * rows, point.beta * columns), 0 * roots[0], dtype=object)
    return sum((root * _place(point, zero, k, k, 0) for k, root in enumerate(roots)), zero)


def _inverse(matrix: Array) -> Array:
    """Gauss and Jordan's, in any arithmetic; a Gram matrix needs no pivoting."""
    size = len(matrix)
    one = matrix[0, 0] / matrix[0, 0]
    rows = np.hstack([matrix, np.array([[one * (i == j) for j in range(size)] for i in range(size)], dtype=object)])
    for i in range(size):
        rows[i] = rows[i] / rows[i, i]
        for j in range(size):
            if j != i and rows[j, i] != 0:
                rows[j] = rows[j] - rows[j, i] * rows[i]
    return rows[:, size:]
