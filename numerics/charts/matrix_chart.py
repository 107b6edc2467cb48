r"""The chart of all entries of X: dX/dt = -A_N(∇E(X)) with the operator at X.

It costs a singular value decomposition of X a step and serves for comparison.  The decomposition is
cut off at rank r: the noise in the zero singular values, raised to the power 1/N, is no noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..factored import FactoredMatrix
from ..riemannian import apply_operator
from .chart import Chart

__all__ = ["MatrixChart"]

Array = NDArray[np.float64]


class MatrixChart(Chart):
    """Coordinates: the entries of X, row by row."""

    def coordinates(self, point: FactoredMatrix) -> Array:
        """X as one vector."""
        return point.to_array().ravel()

    def _decomposition(self, coordinates: Array) -> tuple[Array, Array, Array]:
        r = self.start.rank
        U, sigma, Vt = np.linalg.svd(coordinates.reshape(self.start.shape), full_matrices=False)
        return U[:, :r], sigma[:r], Vt[:r].T

    def point(self, coordinates: Array) -> FactoredMatrix:
        """The best approximation of rank r."""
        U, sigma, V = self._decomposition(coordinates)
        return FactoredMatrix(U, np.diag(sigma), V)

    def _velocity(self, coordinates: Array) -> Array:
        U, sigma, V = self._decomposition(coordinates)
        slope = self.energy.gradient(FactoredMatrix.unchecked(U, np.diag(sigma), V))
        dense = slope.toarray() if hasattr(slope, "toarray") else slope
        return -apply_operator(self.kernels, U, sigma, V, dense).ravel()

    def noise(self, rtol: float) -> Array:
        """rtol times the smallest singular value."""
        m, n = self.start.shape
        return np.full(m * n, rtol * self.smallest)

    def scale(self, coordinates: Array) -> Array:
        """The root mean square entry."""
        return np.full_like(coordinates, np.linalg.norm(coordinates) / np.sqrt(coordinates.size))

    def orientation(self, coordinates: Array) -> float:
        """The sign of det X, for a square X of full rank."""
        (m, n), r = self.start.shape, self.start.rank
        return float(np.linalg.slogdet(coordinates.reshape(m, n))[0]) if m == n == r else 0.0

    def drift(self, coordinates: Array) -> float:
        """The distance to the matrices of rank r, relative to the largest singular value."""
        sigma = np.linalg.svd(coordinates.reshape(self.start.shape), compute_uv=False)
        return float(sigma[self.start.rank] / sigma[0]) if len(sigma) > self.start.rank else 0.0
