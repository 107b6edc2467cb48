r"""Geodesics in closed form: on diagonals for every spectral metric, and on positive definite matrices at depth 2.

On diagonals a spectral metric is Σ dσ_k²/λ_kk, flat in the coordinates y_k = ∫ dσ/√λ(σ, σ): √N σ^{1/N} at depth N,
log σ at infinite depth.  Diagonals are totally geodesic, as the fixed points of the sign changes of singular vectors,
so straight lines in y are geodesics.

Source: Menon, arXiv 2411.09004; Bhatia, Jain, Lim, arXiv 1712.01504, for the Bures-Wasserstein metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sympy import Expr, Integral, Symbol, expand_log, integrate, log, powdenest, powsimp, sqrt, sympify

from .means import explicit
from .metric import SpectralMetric
from .network import DeepLinearNetwork

__all__ = [
    "DiagonalDistance",
    "bures_wasserstein_distance",
    "bures_wasserstein_geodesic",
    "diagonal_distance",
    "diagonal_geodesic",
    "flat_coordinate",
    "flat_coordinates",
    "path_between",
]

Metric = SpectralMetric | DeepLinearNetwork


@dataclass(frozen=True)
class DiagonalDistance:
    """Bounds of the distance of two diagonal matrices; `is_exact` where they agree.

    Attributes
    ----------
    upper : Expr
        |y - y'|, the length of the straight line in flat coordinates.
    lower : Expr
        |y - y'| with both in decreasing order: no curve is shorter, since its singular values alone are not.
    is_exact : bool
        Whether the singular values come in the same order; then `upper` is the distance.
    """

    upper: Expr
    lower: Expr
    is_exact: bool


def flat_coordinate(metric: Metric, value: Expr) -> Expr:
    """y(σ) = ∫ dσ/√λ(σ, σ), up to a constant; powers and logarithms by rule, else by SymPy.

    Raises
    ------
    ValueError
        If SymPy finds no antiderivative.

    Examples
    --------
    >>> from sympy import Symbol
    >>> flat_coordinate(DeepLinearNetwork(Symbol("N", positive=True), (2, 2)), Symbol("s", positive=True))
    sqrt(N)*s**(1/N)
    """
    sigma = Symbol("sigma", positive=True)
    factor, power, exponent = _power_law(metric, sigma)
    if power is None:
        primitive = integrate(factor, sigma)
        if primitive.has(Integral):
            raise ValueError(f"multiplier has no flat coordinate in closed form: 1/sqrt(lambda) is {factor}")
        return primitive.subs(sigma, value)
    if exponent == -1:
        return factor * log(value)
    return powsimp(factor / (exponent + 1)) * sympify(value, strict=True) ** (exponent + 1)


def _power_law(metric: Metric, sigma: Symbol) -> tuple[Expr, Expr | None, Expr]:
    """(c, σ, e) where 1/√λ(σ, σ) = c σ^e, else (1/√λ, None, 0)."""
    inverse = powdenest(powsimp(1 / sqrt(explicit(metric.pair_multiplier(sigma, sigma)))), force=True)
    factor, rest = inverse.as_independent(sigma, as_Add=False)
    base, exponent = powsimp(rest).as_base_exp()
    if base != sigma or exponent.has(sigma):
        return (factor, sigma, sympify(0)) if rest == 1 else (inverse, None, sympify(0))
    return factor, sigma, exponent


def flat_coordinates(metric: Metric) -> tuple[Expr, ...]:
    """(y_1, …, y_r) in the metric's singular values, for an explicit rank."""
    if not metric.coframe.has_explicit_rank:
        raise ValueError(f"rank must be explicit, not {metric.coframe.rank}; flat_coordinate takes one value")
    return tuple(flat_coordinate(metric, sigma) for sigma in metric.singular_values)


def diagonal_geodesic(metric: Metric, start: Sequence[Expr], end: Sequence[Expr], t: Expr) -> tuple[Expr, ...]:
    """The diagonal geodesic from t = 0 to t = 1, for positive diagonals in any order.

    Raises
    ------
    ValueError
        If start and end are no r positive numbers (or symbols) each, or λ(σ, σ) is no power of σ, so that y
        is not inverted in closed form.

    Examples
    --------
    >>> from sympy import oo, symbols
    >>> a, b, t = symbols("a b t", positive=True)
    >>> diagonal_geodesic(DeepLinearNetwork(2, (1, 1)), [a], [b], t)
    ((sqrt(a)*(1 - t) + sqrt(b)*t)**2,)
    >>> diagonal_geodesic(DeepLinearNetwork(oo, (1, 1)), [a], [b], t)
    (a**(1 - t)*b**t,)
    """
    first, last = _diagonals(metric, start, end)
    return tuple(path_between(metric, a, b, t) for a, b in zip(first, last, strict=True))


def path_between(metric: Metric, start: Expr, end: Expr, t: Expr) -> Expr:
    """One singular value along a diagonal geodesic: y⁻¹((1-t) y(start) + t y(end)).

    Raises
    ------
    ValueError
        If λ(σ, σ) is no power of σ.
    """
    _, power, exponent = _power_law(metric, Symbol("sigma", positive=True))
    if power is None:
        raise ValueError("multiplier must be a power of sigma on the diagonal for a geodesic in closed form")
    t = sympify(t, strict=True)
    if exponent == -1:
        return start ** (1 - t) * end**t
    root = exponent + 1
    return ((1 - t) * start**root + t * end**root) ** (1 / root)


def diagonal_distance(metric: Metric, start: Sequence[Expr], end: Sequence[Expr]) -> DiagonalDistance:
    """The distance of two positive diagonal matrices, or bounds where they are ordered differently.

    Any curve is at least as long as its singular values in the metric Σ dσ_k²/λ_kk, which is Euclidean in y, and y
    increases with σ: |y - y'| is the distance if both come in the same order.  Otherwise rotating may be shorter.

    Raises
    ------
    ValueError
        If start and end are no r positive numbers each.
    """
    first, last = _diagonals(metric, start, end)
    if not all(value.is_number for value in (*first, *last)):
        raise ValueError(f"start and end must be numbers, so that they can be ordered, not {(*first, *last)}")
    upper = _flat_distance(metric, first, last)
    pairs = list(zip(first, last, strict=True))
    same = all(not ((a - c) * (b - d)).is_negative for a, b in pairs for c, d in pairs)
    lower = upper if same else _flat_distance(metric, sorted(first), sorted(last))
    return DiagonalDistance(upper, lower, same)


def _flat_distance(metric: Metric, first: Sequence[Expr], last: Sequence[Expr]) -> Expr:
    differences = [flat_coordinate(metric, b) - flat_coordinate(metric, a) for a, b in zip(first, last, strict=True)]
    return sqrt(sum((expand_log(difference) ** 2 for difference in differences), sympify(0)))


def _diagonals(metric: Metric, start: Sequence[Expr], end: Sequence[Expr]) -> tuple[list[Expr], list[Expr]]:
    first, last = ([sympify(value, strict=True) for value in values] for values in (start, end))
    for name, values in (("start", first), ("end", last)):
        if metric.coframe.has_explicit_rank and len(values) != metric.coframe.rank:
            raise ValueError(f"{name} must have {metric.coframe.rank} singular values, not {len(values)}")
        if len(first) != len(last) or not all(value.is_positive for value in values):
            raise ValueError(
                f"{name} must consist of positive singular values, as many in start as in end, not {values}"
            )
    return first, last


def bures_wasserstein_geodesic(start: Any, end: Any, t: float) -> Any:
    """((1-t) I + t T) A ((1-t) I + t T), T = A^{-1/2} (A^{1/2} C A^{1/2})^{1/2} A^{-1/2}: depth 2 on positive matrices.

    Parameters
    ----------
    start, end : (n, n) arrays
        A and C, symmetric positive definite.
    t : float

    Raises
    ------
    ValueError
        If A or C is not symmetric positive definite.
    """
    import numpy as np

    A, C = _positive("start", start), _positive("end", end)
    root = _root(A)
    inverse = np.linalg.inv(root)
    transport = inverse @ _root(root @ C @ root) @ inverse
    factor = (1 - t) * np.eye(len(A)) + t * transport
    return factor @ A @ factor


def bures_wasserstein_distance(start: Any, end: Any) -> float:
    """√(tr A + tr C - 2 tr (A^{1/2} C A^{1/2})^{1/2}); the length of its geodesic in the depth-2 metric is √2 times it.

    A_2 has λ(a, b) = a + b, and BW is ½ <Z, L⁻¹ Z> with L_A(Z) = A Z + Z A, half of that metric.

    Raises
    ------
    ValueError
        If A or C is not symmetric positive definite.
    """
    import numpy as np

    A, C = _positive("start", start), _positive("end", end)
    root = _root(A)
    squared = np.trace(A) + np.trace(C) - 2 * np.trace(_root(root @ C @ root))
    return float(np.sqrt(max(squared, 0.0)))


def _root(A: Any) -> Any:
    import numpy as np

    values, vectors = np.linalg.eigh((A + A.T) / 2)
    return (vectors * np.sqrt(values)) @ vectors.T


def _positive(name: str, matrix: Any) -> Any:
    import numpy as np

    A = np.asarray(matrix, dtype=float)
    if A.ndim != 2 or A.shape[0] != A.shape[1] or not np.isfinite(A).all() or not np.allclose(A, A.T, rtol=1e-12):
        raise ValueError(f"{name} must be a symmetric matrix of finite numbers, not {matrix!r}")
    if np.linalg.eigvalsh(A)[0] <= 0:
        raise ValueError(f"{name} must be positive definite; its smallest eigenvalue is {np.linalg.eigvalsh(A)[0]}")
    return A
