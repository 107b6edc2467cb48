r"""Hamilton's equations of geodesics, in the factors of X = U S Vᵀ.

With the momentum P = A⁻¹ dX/dt the Hamiltonian is H = ½ <P, A(X) P>.  A change of U, S, V moves P by

    G = UᵀPV,    K = (I - UUᵀ) P V Sᵀ,    L = (I - VVᵀ) Pᵀ U S,

and with S = R diag(σ) Qᵀ and the null rates c_k = λ(σ_k, 0)/σ_k,

    H = ½ <G, A_S(G)> + ½ tr(KᵀK B) + ½ tr(LᵀL C),    B = R diag(c/σ) Rᵀ,    C = Q diag(c/σ) Qᵀ.

H is invariant under X = (U O₁)(O₁ᵀ S O₂)(V O₂)ᵀ, and the flow is the one whose momentum of that action is zero:

    dS/dt = A_S(G),     dU/dt = K B,     dV/dt = L C,
    dG/dt = -∂H/∂S,     dK/dt = K B (S Gᵀ - G Sᵀ) - U B KᵀK,     dL/dt = L C (Sᵀ G - Gᵀ S) - V C LᵀL.

∂H/∂S is the adjoint of `OperatorDerivative` and divided differences of c/σ, neither singular where singular values
coalesce.  U and K (V and L) are left out where U (V) is square.

Source: Arnold, *Mathematical methods of classical mechanics*, appendix 5 (reduction at zero momentum); the gauge
UᵀdU = 0 of Koch and Lubich, SIAM J. Matrix Anal. Appl. 29 (2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from .factored import FactoredMatrix
from .network_kernels import network_kernels
from .operator_derivative import OperatorDerivative

__all__ = ["GeodesicHamiltonian", "PhasePoint"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PhasePoint:
    """A matrix X = U S Vᵀ with a momentum.

    Attributes
    ----------
    U, S, V : arrays (m, r), (r, r), (n, r)
    G, K, L : arrays (r, r), (m, r), (n, r)
        The momenta of S, U and V.
    """

    U: Array
    S: Array
    V: Array
    G: Array
    K: Array
    L: Array

    def conserved(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """(W, C) for each side, with PXᵀ - XPᵀ = W C Wᵀ for the left and PᵀX - XᵀP = W C Wᵀ for the right."""
        return _turning(self.U, self.K, self.G @ self.S.T), _turning(self.V, self.L, self.G.T @ self.S)


def _turning(columns: Array, momentum: Array, product: Array) -> tuple[Array, Array]:
    one = np.eye(len(product))
    inner = np.block([[product - product.T, -one], [one, np.zeros_like(one)]])
    return np.hstack([columns, momentum]), inner


@dataclass(frozen=True)
class _Spectrum:
    """S = R diag(σ) Qᵀ and what of the Hamiltonian depends on it."""

    R: Array
    sigma: Array
    Q: Array
    B: Array
    C: Array


class GeodesicHamiltonian:
    """H and its flow for one network, in coordinates (S, G, U, K, V, L) flattened one after the other.

    Parameters
    ----------
    network : DeepLinearNetwork
    start : FactoredMatrix
        Its U and V where they do not move.
    """

    def __init__(self, network: DeepLinearNetwork, start: FactoredMatrix) -> None:
        self.kernels, self.start = network_kernels(network), start
        self.moves_left, self.moves_right = network.moves_left_space, network.moves_right_space

    # ------------------------------------------------------------------------------- coordinates

    def join(self, point: PhasePoint) -> Array:
        """A phase point as one vector."""
        left = [point.U, point.K] if self.moves_left else []
        right = [point.V, point.L] if self.moves_right else []
        return np.concatenate([part.ravel() for part in (point.S, point.G, *left, *right)])

    def split(self, coordinates: Array) -> PhasePoint:
        """The phase point of a vector."""
        (m, n), r = self.start.shape, self.start.rank
        shapes = [(r, r)] * 2 + [(m, r)] * 2 * self.moves_left + [(n, r)] * 2 * self.moves_right
        ends = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
        parts = [part.reshape(shape) for part, shape in zip(np.split(coordinates, ends), shapes, strict=True)]
        S, G, *rest = parts
        U, K = rest[:2] if self.moves_left else (self.start.U, np.zeros((m, r)))
        V, L = rest[-2:] if self.moves_right else (self.start.V, np.zeros((n, r)))
        return PhasePoint(U, S, V, G, K, L)

    # --------------------------------------------------------------------------------- mechanics

    def lift(self, velocity: Array) -> PhasePoint:
        """The start with the momentum of a tangent vector dX/dt, (m, n)."""
        U, S, V = self.start.U, self.start.S, self.start.V
        R, sigma, Qt = np.linalg.svd(S)
        right, left = velocity @ V, velocity.T @ U
        block = U.T @ right
        G = R @ ((R.T @ block @ Qt.T) / self.kernels.multiplier_matrix(sigma)) @ Qt
        K, L = np.zeros_like(U), np.zeros_like(V)
        if self.moves_left or self.moves_right:
            rate = np.asarray(self.kernels.null_rate(sigma))
            K = ((right - U @ block) @ Qt.T / rate) @ R.T if self.moves_left else K
            L = ((left - V @ block.T) @ R / rate) @ Qt if self.moves_right else L
        return PhasePoint(U, S, V, G, K, L)

    def energy(self, point: PhasePoint) -> float:
        """H, half the squared speed."""
        spectrum = self._spectrum(point.S)
        core = np.sum(point.G * self._apply(spectrum, point.G))
        return float(core + np.sum((point.K @ spectrum.B) * point.K) + np.sum((point.L @ spectrum.C) * point.L)) / 2

    def velocity(self, point: PhasePoint) -> Array:
        """dX/dt, (m, n)."""
        spectrum = self._spectrum(point.S)
        core = self._apply(spectrum, point.G)
        left, right = point.K @ spectrum.B @ point.S, point.L @ spectrum.C @ point.S.T
        return np.asarray((point.U @ core + left) @ point.V.T + point.U @ right.T)

    def natural_size(self, point: PhasePoint) -> PhasePoint:
        """What errors of a phase point in the singular basis are small against, coordinate by coordinate."""
        sigma = np.diag(point.S)
        spectrum, speed = self._spectrum(point.S), np.sqrt(2 * self.energy(point))
        core = speed / np.sqrt(self.kernels.multiplier_matrix(sigma))
        share = np.maximum(np.diag(spectrum.B), np.finfo(float).tiny)
        left, right = (np.broadcast_to(speed / np.sqrt(share), part.shape) for part in (point.K, point.L))
        one = np.ones_like
        return PhasePoint(one(point.U), np.maximum.outer(sigma, sigma), one(point.V), core, left, right)

    def rates(self, time: float, coordinates: Array) -> Array:
        """The time derivative of the coordinates."""
        point = self.split(coordinates)
        U, S, V, G, K, L = point.U, point.S, point.V, point.G, point.K, point.L
        spectrum = self._spectrum(S)
        derivative = OperatorDerivative(self.kernels, spectrum.R, spectrum.sigma, spectrum.Q, G)
        dG = -derivative.adjoint(G) / 2
        dU, dV, dK, dL = U, V, K, L
        if self.moves_left or self.moves_right:
            dG = dG - self._null_slope(spectrum, K.T @ K, L.T @ L)
        if self.moves_left:
            dU = K @ spectrum.B
            dK = dU @ (S @ G.T - G @ S.T) - U @ (spectrum.B @ (K.T @ K))
        if self.moves_right:
            dV = L @ spectrum.C
            dL = dV @ (S.T @ G - G.T @ S) - V @ (spectrum.C @ (L.T @ L))
        dS = spectrum.R @ (derivative.multiplier * (spectrum.R.T @ G @ spectrum.Q)) @ spectrum.Q.T
        return self.join(PhasePoint(dU, dS, dV, dG, dK, dL))

    def _spectrum(self, S: Array) -> _Spectrum:
        R, sigma, Qt = np.linalg.svd(S)
        share = np.zeros_like(sigma)
        if self.moves_left or self.moves_right:
            share = np.asarray(self.kernels.null_rate(sigma)) / sigma
        return _Spectrum(R, sigma, Qt.T, (R * share) @ R.T, (Qt.T * share) @ Qt)

    def _apply(self, spectrum: _Spectrum, G: Array) -> Array:
        R, Q = spectrum.R, spectrum.Q
        return np.asarray(R @ (self.kernels.multiplier_matrix(spectrum.sigma) * (R.T @ G @ Q)) @ Q.T)

    def _null_slope(self, spectrum: _Spectrum, left: Array, right: Array) -> Array:
        """The gradient of ½ tr(KᵀK B) + ½ tr(LᵀL C) in S: B and C are functions of S Sᵀ and of Sᵀ S."""
        R, sigma, Q = spectrum.R, spectrum.sigma, spectrum.Q
        pairs = np.asarray(self.kernels.rate_difference(sigma[:, None], sigma))
        difference = pairs[..., 1] / np.outer(sigma, sigma)
        inner = (difference * (R.T @ left @ R)) * sigma + sigma[:, None] * (difference * (Q.T @ right @ Q))
        return np.asarray(R @ inner @ Q.T)
