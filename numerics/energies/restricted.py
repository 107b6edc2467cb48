"""A quadratic energy on the matrices U S Vᵀ of fixed spaces, as a function of S alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .protocol import Array, Point, as_array, check_shape

__all__ = ["QuadraticEnergy"]


@dataclass(frozen=True, eq=False)
class QuadraticEnergy:
    """E(S) = c + <b, S> + ½ <S, H S>, <·, ·> the sum over the entries.

    Where the spaces of a flow are frozen it is all that has to be known of a `MatrixCompletion`: however many entries
    were observed, and however large X is, a gradient costs r⁴ multiplications.

    Attributes
    ----------
    value : float
        c.
    slope : array (r, s)
        b.
    curvature : array (rs, rs)
        H as a symmetric matrix, for the entries of S row by row.

    Examples
    --------
    >>> energy = QuadraticEnergy(0.5, np.array([[-1.0]]), np.array([[1.0]]))
    >>> energy(np.array([[1.0]])), float(energy.gradient(np.array([[3.0]]))[0, 0])
    (0.0, 2.0)
    """

    value: float
    slope: Array
    curvature: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """(r, s)."""
        rows, columns = self.slope.shape
        return rows, columns

    def __call__(self, X: Point) -> float:
        """E(S)."""
        check_shape("X", X, self.shape)
        S = as_array(X)
        return self.value + float(np.sum(S * (self.slope + self._curved(S) / 2)))

    def gradient(self, X: Point) -> Array:
        """b + H S, (r, s)."""
        check_shape("X", X, self.shape)
        return self.slope + self._curved(as_array(X))

    def hessian(self, X: Point, Z: Point) -> Any:
        """H Z, the same at all S."""
        check_shape("Z", Z, self.shape)
        return self._curved(as_array(Z))

    def _curved(self, S: Array) -> Array:
        return (self.curvature @ S.ravel()).reshape(self.shape)
