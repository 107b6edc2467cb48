r"""The chart X = U S Vᵀ with a full r x r matrix S: no singularity where singular values cross.

With S = P D Qᵀ, G̃ = (UP)ᵀ ∇E (VQ), the multiplier matrix λ and c_k = λ(d_k, 0)/d_k,

    dS/dt = -P (λ∘G̃) Qᵀ,
    dU/dt = -(I - U Uᵀ) ∇E V Q diag(c) Pᵀ,     dV/dt = -(I - V Vᵀ) ∇Eᵀ U P diag(c) Qᵀ.

U (V) is left out of the coordinates where the flow does not move it.

Source: the gauge UᵀdU = VᵀdV = 0 of Koch and Lubich, *Dynamical low-rank approximation*, SIAM J.
Matrix Anal. Appl. 29 (2007), applied to the flow of arXiv 2210.12497.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from ..energies import Energy
from ..factored import FactoredMatrix
from .chart import Chart
from .factored_jacobian import FrozenCore, velocity_derivatives

__all__ = ["FactoredChart"]

Array = NDArray[np.float64]

RESOLUTION = 1e-3
"""How well, relatively, the smallest singular value has to be resolved by the entries of S."""


class FactoredChart(Chart):
    """Coordinates (S, U, V), flattened one after the other."""

    def __init__(self, energy: Energy, network: DeepLinearNetwork, start: FactoredMatrix) -> None:
        super().__init__(energy, network, start)
        self.moves_left, self.moves_right = network.moves_left_space, network.moves_right_space

    def _split(self, coordinates: Array) -> tuple[Array, Array, Array]:
        (m, n), r = self.start.shape, self.start.rank
        S = coordinates[: r * r].reshape(r, r)
        U, V, position = self.start.U, self.start.V, r * r
        if self.moves_left:
            U = coordinates[position : position + m * r].reshape(m, r)
            position += m * r
        if self.moves_right:
            V = coordinates[position : position + n * r].reshape(n, r)
        return S, U, V

    def _join(self, S: Array, U: Array, V: Array) -> Array:
        parts = [S, *([U] if self.moves_left else []), *([V] if self.moves_right else [])]
        return np.concatenate([part.ravel() for part in parts])

    def coordinates(self, point: FactoredMatrix) -> Array:
        """(S, U, V) as one vector."""
        return self._join(point.S, point.U, point.V)

    def point(self, coordinates: Array) -> FactoredMatrix:
        """The point, with columns brought back to orthonormal ones."""
        S, U, V = self._split(coordinates)
        return FactoredMatrix.orthonormalized(U, S, V)

    def _velocity(self, coordinates: Array) -> Array:
        S, U, V = self._split(coordinates)
        P, sigma, Qt = np.linalg.svd(S)
        left, right = U @ P, V @ Qt.T
        slope = self.energy.gradient(FactoredMatrix.unchecked(U, S, V))
        slope_right = slope @ right
        block = left.T @ slope_right
        dS = -P @ (self.kernels.multiplier_matrix(sigma) * block) @ Qt
        dU, dV = U, V
        if self.moves_left or self.moves_right:
            rate = self.kernels.null_rate(sigma)
            dU = -((slope_right - left @ block) * rate) @ P.T if self.moves_left else U
            dV = -((slope.T @ left - right @ block.T) * rate) @ Qt if self.moves_right else V
        return self._join(dS, dU, dV)

    def jacobian(self, time: float, coordinates: Array) -> Array:
        """Differences along S; along U and V written down where the Hessian of the energy is a pattern."""
        pattern = getattr(self.energy, "hessian_pattern", None)
        if pattern is None or not (self.moves_left or self.moves_right):
            return super().jacobian(time, coordinates)
        S, U, V = self._split(coordinates)
        core_size = S.size
        jacobian = np.empty((coordinates.size, coordinates.size))
        jacobian[:, :core_size] = self.difference_columns(time, coordinates, range(core_size))
        P, sigma, Qt = np.linalg.svd(S)
        multiplier, rate = self.kernels.multiplier_matrix(sigma), np.asarray(self.kernels.null_rate(sigma))
        slope = self.energy.gradient(FactoredMatrix.unchecked(U, S, V))
        core = FrozenCore(U, S, V, P, Qt.T, multiplier, rate, slope, pattern)
        position = core_size
        if self.moves_left:
            d_core, d_left, d_right = velocity_derivatives(core)
            jacobian[:, position : position + U.size] = self._stack(d_core, d_left, d_right)
            position += U.size
        if self.moves_right:
            d_core, d_right, d_left = velocity_derivatives(core.transposed())
            jacobian[:, position:] = self._stack(d_core.transpose(1, 0, 2, 3), d_left, d_right)
        return jacobian

    def _stack(self, d_core: Array, d_left: Array, d_right: Array) -> Array:
        parts = [d_core, *([d_left] if self.moves_left else []), *([d_right] if self.moves_right else [])]
        return np.concatenate([part.reshape(part.shape[0] * part.shape[1], -1) for part in parts])

    def noise(self, rtol: float) -> Array:
        """rtol times the smallest singular value for S, times the columns' mean entry for U and V."""
        (m, n), r = self.start.shape, self.start.rank
        return rtol * self._join(
            np.full((r, r), self.smallest), np.full((m, r), 1 / np.sqrt(m)), np.full((n, r), 1 / np.sqrt(n))
        )

    def scale(self, coordinates: Array) -> Array:
        """For S the geometric mean of the norms of an entry's row and column."""
        S, U, V = self._split(coordinates)
        rows, columns = np.linalg.norm(S, axis=1), np.linalg.norm(S, axis=0)
        core = np.sqrt(np.outer(rows, columns))
        return np.maximum(self._join(core, np.ones_like(U), np.ones_like(V)), np.finfo(float).tiny)

    def drift(self, coordinates: Array) -> float:
        """The defect of orthonormality of U and V."""
        S, U, V = self._split(coordinates)
        return max(float(np.abs(W.T @ W - np.eye(W.shape[1])).max()) for W in (U, V))

    def orientation(self, coordinates: Array) -> float:
        """The sign of det S."""
        return float(np.linalg.slogdet(self._split(coordinates)[0])[0])

    def realigned(self, coordinates: Array, rtol: float) -> FactoredChart | None:
        """The chart along the singular vectors, where S cannot carry its smallest singular value.

        The entries of S are accurate to rtol times their size.  A singular value far below the
        largest one is the small difference of large entries unless S is nearly diagonal.
        """
        S, U, V = self._split(coordinates)
        sigma = np.linalg.svd(S, compute_uv=False)
        mixed = np.abs(S - np.diag(np.diag(S)))
        rounding = rtol * (mixed.max(axis=1, initial=0.0)[:, None] * mixed.max(axis=0, initial=0.0)[None, :])
        if sigma[-1] * RESOLUTION > rounding.max() / sigma[0]:
            return None
        point = self.point(coordinates)
        left, values, right = point.decomposition
        return FactoredChart(self.energy, self.network, FactoredMatrix(left, np.diag(values), right))
