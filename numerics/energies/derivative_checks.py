"""Gradients and Hessians compared with differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..factored import random_generator
from .lazy_matrices import as_dense
from .protocol import Array, Energy, EnergyWithHessian, Point, as_array, check_shape

__all__ = ["DerivativeError", "check_gradient", "check_hessian"]

STEP = 1e-3
"""Of differences, relative to the largest entry of X; after extrapolation their error goes like its 6th power."""


class DerivativeError(ValueError):
    """A gradient or Hessian is not the derivative of what it should be."""


def check_gradient(energy: Energy, X: Point, tolerance: float = 1e-6) -> float:
    """Compare ∇E with differences of E, entry by entry: 6 m n values of E.

    Parameters
    ----------
    energy : Energy
    X : FactoredMatrix or array (m, n)
        Where E is smooth.
    tolerance : float
        What an entry may be wrong by, relative to the largest entry of either.

    Returns
    -------
    float
        The largest error found, relative to the largest entry.

    Raises
    ------
    DerivativeError
        Naming the worst entry, its value and that of the difference.

    Examples
    --------
    >>> from numerics.energies import UserEnergy
    >>> check_gradient(UserEnergy(lambda X: np.sum(X**3) / 3, lambda X: X**2, (2, 2)), np.eye(2)) < 1e-9
    True
    >>> check_gradient(UserEnergy(lambda X: np.sum(X**3), lambda X: X**2, (2, 2)), np.diag([1.0, 2.0]))
    Traceback (most recent call last):
        ...
    numerics.energies.derivative_checks.DerivativeError: gradient is wrong by 0.67 of the largest entry, most at
    [1, 1]: it says 4, differences of the energy say 12
    """
    check_shape("X", X, energy.shape)
    point, claimed = as_array(X), as_dense(energy.gradient(X))
    if claimed.shape != point.shape:
        raise DerivativeError(f"gradient has shape {claimed.shape}, not {point.shape}")
    measured = np.empty_like(point)
    for place in np.ndindex(*point.shape):
        unit = np.zeros_like(point)
        unit[place] = 1.0
        measured[place] = _derivative(lambda step, unit=unit: energy(point + step * unit), point)  # type: ignore[misc]
    return _compare("gradient", "the energy", claimed, measured, tolerance)


def check_hessian(
    energy: EnergyWithHessian, X: Point, tolerance: float = 1e-6, seed: int | np.random.Generator = 0
) -> float:
    """Compare the Hessian along a random direction with differences of ∇E.

    Parameters, what is returned and raised as in `check_gradient`.

    Examples
    --------
    >>> from numerics.energies import MatrixCompletion
    >>> check_hessian(MatrixCompletion.from_array([[1.0, float("nan")], [2.0, 3.0]]), np.eye(2)) < 1e-9
    True
    """
    check_shape("X", X, energy.shape)
    point = as_array(X)
    direction = random_generator(seed).standard_normal(point.shape)
    claimed = as_dense(energy.hessian(X, direction))
    measured = _derivative(lambda step: as_dense(energy.gradient(point + step * direction)), point)
    return _compare("hessian", "the gradient", claimed, np.asarray(measured), tolerance)


def _derivative(function: Callable[[float], Array | float], point: Array) -> Array | float:
    """The derivative at 0, from central differences with steps h, h/2, h/4, extrapolated to h = 0."""
    step = STEP * (float(np.abs(point).max()) or 1.0)
    coarse, middle, fine = (
        (np.asarray(function(h)) - np.asarray(function(-h))) / (2 * h) for h in (step, step / 2, step / 4)
    )
    first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    return np.asarray((16 * second - first) / 15)


def _compare(name: str, of: str, claimed: Array, measured: Array, tolerance: float) -> float:
    size = max(float(np.abs(claimed).max()), float(np.abs(measured).max()))
    errors = np.abs(claimed - measured)
    place = np.unravel_index(int(np.argmax(errors)), errors.shape)
    error = float(errors[place])
    # Written so that NaN is an error.
    if not error <= tolerance * size:
        raise DerivativeError(
            f"{name} is wrong by {error / size:.2g} of the largest entry, most at [{place[0]}, {place[1]}]: "
            f"it says {claimed[place]:.6g}, differences of {of} say {measured[place]:.6g}"
        )
    return error / size if size else 0.0
