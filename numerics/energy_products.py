r"""What flows need of an energy at X = left rightᵀ: products of its gradient and Hessian with thin matrices.

Nothing of the size of X is formed where the energy has `gradient_products` and `hessian_products`, as
`MatrixCompletion` does, or a sparse gradient and Hessian.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .energies import Energy
from .energies.lazy_matrices import linear_combination
from .factored import FactoredMatrix

__all__ = ["energy_hessian", "factored", "gradient_products", "hessian_products", "typical_curvature"]

Array = NDArray[np.float64]

PROBES = 4
"""Random directions in which the curvature of an energy is looked at."""


def factored(left: Array, right: Array) -> FactoredMatrix:
    """left rightᵀ, unorthonormalized."""
    return FactoredMatrix.unchecked(left, np.eye(left.shape[1]), right)


def gradient_products(
    energy: Energy, left: Array, right: Array, onto_left: Array, onto_right: Array, with_value: bool = False
) -> tuple[Array, Array, float]:
    """(∇E onto_right, ∇Eᵀ onto_left, E) at X = left rightᵀ.

    Parameters
    ----------
    energy : Energy
    left, right : arrays (m, r), (n, r)
    onto_left, onto_right : arrays (m, k), (n, k)
    with_value : bool
        Whether E is wanted; it may be NaN otherwise.
    """
    products = getattr(energy, "gradient_products", None)
    if products is not None:
        slope_right, slope_left, value = products(left, right, onto_left, onto_right)
        return slope_right, slope_left, float(value)
    point = factored(left, right)
    slope = energy.gradient(point)
    return slope @ onto_right, slope.T @ onto_left, energy(point) if with_value else np.nan


def hessian_products(
    energy: Energy, left: Array, right: Array, change: tuple[Array, Array], onto_left: Array, onto_right: Array
) -> tuple[Array, Array]:
    """(H onto_right, Hᵀ onto_left) for H the derivative of ∇E at left rightᵀ along the product of `change`."""
    products = getattr(energy, "hessian_products", None)
    if products is not None:
        moved_right, moved_left = products(*change, onto_left, onto_right)
        return moved_right, moved_left
    moved = energy_hessian(energy, factored(left, right), factored(*change))
    return moved @ onto_right, moved.T @ onto_left


def energy_hessian(energy: Energy, X: Any, Z: Any) -> Any:
    """The derivative of ∇E at X along Z as the energy has it, or by central differences of its gradient."""
    hessian = getattr(energy, "hessian", None)
    if hessian is not None:
        return hessian(X, Z)
    step = np.cbrt(np.finfo(float).eps) * (_norm(X) or 1.0) / (_norm(Z) or 1.0)
    ahead, behind = (energy.gradient(_moved(X, sign * step, Z)) for sign in (1, -1))
    return linear_combination(((0.5 / step, ahead), (-0.5 / step, behind)))


def _moved(X: Any, step: float, Z: Any) -> Any:
    if not isinstance(X, FactoredMatrix):
        return X + step * Z
    return factored(np.hstack([X.U @ X.S, step * (Z.U @ Z.S)]), np.hstack([X.V, Z.V]))


def _norm(X: Any) -> float:
    """The Frobenius norm; that of a product from the two Gram matrices."""
    if not isinstance(X, FactoredMatrix):
        return float(np.linalg.norm(X))
    left = X.U @ X.S
    return float(np.sqrt(max(np.sum((left.T @ left) * (X.V.T @ X.V)), 0.0)))


def typical_curvature(energy: Energy, point: FactoredMatrix) -> float:
    """The mean eigenvalue of the Hessian of an energy, about: <Z, ∇²E Z>/<Z, Z> over random Z of low rank.

    For completion this is the share of the entries that are observed (times their mean weight).  It only
    scales a preconditioner and the test for stiffness, so that it need not be exact.
    """
    pattern = getattr(energy, "hessian_pattern", None)
    m, n = energy.shape
    if pattern is not None:
        return float(pattern.sum()) / (m * n)
    generator = np.random.default_rng(0)
    left, right = generator.standard_normal((m, PROBES)), generator.standard_normal((n, PROBES))
    moved, _ = hessian_products(energy, point.U @ point.S, point.V, (left, right), left, right)
    return abs(float(np.sum(moved * left))) / float(np.sum((left.T @ left) * (right.T @ right)))
