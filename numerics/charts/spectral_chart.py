r"""The chart (σ, U, V) of the singular value decomposition itself.

    dσ_k/dt = -λ_kk G_kk,   dU/dt = U Ω^U + U_⊥ A,   dV/dt = V Ω^V + V_⊥ B

with the rotations derived in `geometry.spectral_flow`.  It is singular where singular values cross:
the factored chart is not.

Source: Cohen, Menon, Veraszto, arXiv 2210.12497, section 4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from ..energies import Energy
from ..factored import FactoredMatrix
from .chart import Chart, SpectralCrossingError

__all__ = ["SpectralChart"]

Array = NDArray[np.float64]

SMALLEST_GAP = 1e-6
"""The relative gap of neighbouring singular values below which the chart gives up."""


class SpectralChart(Chart):
    """Coordinates (σ, U, V), flattened one after the other."""

    def __init__(self, energy: Energy, network: DeepLinearNetwork, start: FactoredMatrix) -> None:
        super().__init__(energy, network, start)
        self._above, self._below = np.triu_indices(start.rank, 1)
        self._require_gaps(start.singular_values, "at the start")

    def _require_gaps(self, sigma: Array, when: str) -> None:
        gaps = -np.diff(sigma) / sigma[:-1]
        if gaps.size and gaps.min() < SMALLEST_GAP:
            k = int(np.argmin(gaps))
            raise SpectralCrossingError(
                f"singular values {k + 1} and {k + 2} ({sigma[k]:.6g} and {sigma[k + 1]:.6g}) cross {when}, where the "
                "spectral chart is singular; use chart='factored', which is not"
            )

    def _split(self, coordinates: Array) -> tuple[Array, Array, Array]:
        (m, n), r = self.start.shape, self.start.rank
        return coordinates[:r], coordinates[r : r + m * r].reshape(m, r), coordinates[r + m * r :].reshape(n, r)

    def coordinates(self, point: FactoredMatrix) -> Array:
        """(σ, U, V) as one vector."""
        U, sigma, V = point.decomposition
        return np.concatenate([sigma, U.ravel(), V.ravel()])

    def point(self, coordinates: Array) -> FactoredMatrix:
        """The point, with columns brought back to orthonormal ones."""
        sigma, U, V = self._split(coordinates)
        return FactoredMatrix.orthonormalized(U, np.diag(sigma), V)

    def _velocity(self, coordinates: Array) -> Array:
        sigma, U, V = self._split(coordinates)
        if sigma.min() <= 0:
            return np.full_like(coordinates, np.nan)
        slope = self.energy.gradient(FactoredMatrix.unchecked(U, np.diag(sigma), V))
        slope_right, slope_left = slope @ V, slope.T @ U
        block = U.T @ slope_right
        dsigma = -np.diag(self.kernels.multiplier_matrix(sigma)) * np.diag(block)
        dU, dV = U @ self._rotation(sigma, block, 0), V @ self._rotation(sigma, block, 1)
        rate = self.kernels.null_rate(sigma)
        if self.network.moves_left_space:
            dU = dU - (slope_right - U @ block) * rate
        if self.network.moves_right_space:
            dV = dV - (slope_left - V @ block.T) * rate
        return np.concatenate([dsigma, dU.ravel(), dV.ravel()])

    def _rotation(self, sigma: Array, block: Array, side: int) -> Array:
        """Ω^U (side 0) or Ω^V (side 1), skew."""
        k, l = self._above, self._below
        rotation = np.zeros_like(block)
        rotation[k, l] = self.kernels.rotation(sigma[k], sigma[l], block[k, l], block[l, k])[..., side]
        return rotation - rotation.T

    def noise(self, rtol: float) -> Array:
        """rtol times the smallest singular value for σ, times the columns' mean entry for U and V."""
        (m, n), r = self.start.shape, self.start.rank
        sizes = [np.full(r, self.smallest), np.full(m * r, 1 / np.sqrt(m)), np.full(n * r, 1 / np.sqrt(n))]
        return rtol * np.concatenate(sizes)

    def scale(self, coordinates: Array) -> Array:
        """The singular values, and 1 for U and V."""
        sigma, U, V = self._split(coordinates)
        return np.concatenate([np.abs(sigma), np.ones(U.size + V.size)])

    def drift(self, coordinates: Array) -> float:
        """The defect of orthonormality of U and V."""
        _, U, V = self._split(coordinates)
        return max(float(np.abs(W.T @ W - np.eye(W.shape[1])).max()) for W in (U, V))

    def require_regular(self, time: float, coordinates: Array) -> None:
        """Raise `SpectralCrossingError` where two singular values are about to cross."""
        self._require_gaps(self._split(coordinates)[0], f"at t = {time:.6g}")
