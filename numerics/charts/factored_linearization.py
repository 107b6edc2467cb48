r"""The derivative of the factored chart's velocity along a direction (Ṡ, U̇, V̇): exact, and a few thin products.

With G = ∇E(X) and its change Ġ = ∇²E(X)[Ẋ], Ẋ = (U̇ S + U Ṡ) Vᵀ + U S V̇ᵀ, the products change by

    (G V)˙ = Ġ V + G V̇,     (Gᵀ U)˙ = Ġᵀ U + Gᵀ U̇,     B˙ = U̇ᵀ G V + Uᵀ (G V)˙,     B = Uᵀ G V,

and -A_S(B), (U B - G V) C, (V Bᵀ - Gᵀ U) Cᵀ by the product rule, with the derivatives of S -> A_S and S -> C from
`operator_derivative`, which no coalescing singular values disturb.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..energies import Energy
from ..energy_products import hessian_products
from ..factored import FactoredMatrix
from ..network_kernels import NetworkKernels
from ..operator_derivative import NullRateDerivative, OperatorDerivative

__all__ = ["FactoredLinearization"]

Array = NDArray[np.float64]


class FactoredLinearization:
    """The linear map (Ṡ, U̇, V̇) to the changes of (dS/dt, dU/dt, dV/dt).

    Parameters
    ----------
    energy : Energy
        Its Hessian is differenced where it has none.
    kernels : NetworkKernels
    S, U, V : arrays (r, r), (m, r), (n, r)
        The point.
    """

    def __init__(self, energy: Energy, kernels: NetworkKernels, S: Array, U: Array, V: Array) -> None:
        self.energy, self.S, self.U, self.V = energy, S, U, V
        self.left = U @ S
        self.slope = energy.gradient(FactoredMatrix.unchecked(U, S, V))
        self.slope_right, self.slope_left = self.slope @ V, self.slope.T @ U
        self.block = U.T @ self.slope_right
        self.P, self.sigma, Qt = np.linalg.svd(S)
        self.Q = Qt.T
        self.multiplier = kernels.multiplier_matrix(self.sigma)
        self.turn = (self.Q * np.asarray(kernels.null_rate(self.sigma))) @ self.P.T
        self.operator_change = OperatorDerivative(kernels, self.P, self.sigma, self.Q, self.block)
        self.turn_change = NullRateDerivative(kernels, self.P, self.sigma, self.Q)

    def __call__(self, dS: Array, dU: Array | None, dV: Array | None) -> tuple[Array, Array, Array]:
        """The changes along a direction; None stands for a space that stays."""
        U, V = self.U, self.V
        moved_left = U @ dS if dU is None else U @ dS + dU @ self.S
        change = (moved_left, V) if dV is None else (np.hstack([moved_left, self.left]), np.hstack([V, dV]))
        right, left = hessian_products(self.energy, self.left, V, change, U, V)
        if dV is not None:
            right = right + self.slope @ dV
        if dU is not None:
            left = left + self.slope.T @ dU
        block = U.T @ right
        if dU is not None:
            block = block + dU.T @ self.slope_right
        turned = self.P @ (self.multiplier * (self.P.T @ block @ self.Q)) @ self.Q.T
        turn = self.turn_change(dS).T
        against_left = U @ block - right if dU is None else U @ block - right + dU @ self.block
        against_right = V @ block.T - left if dV is None else V @ block.T - left + dV @ self.block.T
        return (
            -self.operator_change(dS) - turned,
            against_left @ self.turn + (U @ self.block - self.slope_right) @ turn,
            against_right @ self.turn.T + (V @ self.block.T - self.slope_left) @ turn.T,
        )
