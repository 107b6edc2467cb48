"""What a flow needs of an energy."""

from __future__ import annotations

from operator import index
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..factored import FactoredMatrix

__all__ = ["Array", "Energy", "EnergyWithHessian", "Point", "as_array", "check_shape", "validated_shape"]

Array = NDArray[np.float64]
Point = FactoredMatrix | Array
"""A matrix (m, n), all of it or as U S Vᵀ."""


@runtime_checkable
class Energy(Protocol):
    """A function of matrices with its Euclidean gradient."""

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        ...

    def __call__(self, X: Point) -> float:
        """E(X)."""
        ...

    def gradient(self, X: Point) -> Any:
        """∇E(X), (m, n).

        An array, a SciPy sparse array, or an object with `G @ B`, `G.T @ B` and `shape`, such as a
        SciPy LinearOperator, for arrays B with two axes.
        """
        ...


@runtime_checkable
class EnergyWithHessian(Energy, Protocol):
    """An energy that also has second derivatives."""

    def hessian(self, X: Point, Z: Point) -> Any:
        """The derivative of ∇E at X along Z, (m, n), of the same kinds as a gradient.

        A direction L Rᵀ of low rank is given as ``FactoredMatrix.unchecked(L, np.eye(k), R)``.
        """
        ...


def as_array(X: Point) -> Array:
    """All of X, (m, n)."""
    return X.to_array() if isinstance(X, FactoredMatrix) else np.asarray(X, dtype=np.float64)


def check_shape(name: str, X: Point, shape: tuple[int, int]) -> None:
    """Refuse a point or direction of another shape than the energy's.

    Raises
    ------
    ValueError
        Naming both shapes.
    """
    found = X.shape if isinstance(X, FactoredMatrix) else np.shape(X)
    if found != shape:
        raise ValueError(f"{name} must have the energy's shape {shape}, not {found}")


def validated_shape(shape: Any) -> tuple[int, int]:
    """Two positive integers.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    try:
        m, n = (index(side) for side in shape)
    except (TypeError, ValueError):
        m = n = 0
    if m < 1 or n < 1:
        raise ValueError(f"shape must be two positive integers, not {shape!r}")
    return m, n
