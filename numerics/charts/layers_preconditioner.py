r"""About the inverse of I + γ ∇²L at balanced layers, for the Krylov solves of implicit methods.

With c times the identity in the place of ∇²E, and without the curvature of the layers, ∇²L is c dφ* dφ.  Balanced
layers share their singular vectors, W_p = Q_p D Q_{p-1}ᵀ, so that it falls apart: with V'_p = Q_pᵀ V_p Q_{p-1}
the entries kl of V'_1, …, V'_N are coupled with each other only, by

    dφ(V)'_kl = Σ_p v_p V'_p,kl,     v_p = d_k^{N-p} d_l^{p-1},

a matrix of rank one for each kl, and inverted as one (Sherman, Morrison).  The part of V_1 against the row space
and that of V_N against the column space are multiplied by d_k^{2N-2} alone; everything else is in the kernel of dφ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..layers import Layers

__all__ = ["GaussNewtonInverse"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GaussNewtonInverse:
    """The inverse of I + γ c dφ* dφ.

    Attributes
    ----------
    frames : tuple of arrays (d_p, r), p = 0 … N
        Q_p, orthonormal columns.
    coefficients : array (N, r, r)
        v_p at kl.
    curvature : float
        c.
    """

    frames: tuple[Array, ...]
    coefficients: Array
    curvature: float

    @classmethod
    def at(cls, layers: Layers, rank: int, curvature: float) -> GaussNewtonInverse:
        """From layers that are balanced, or nearly."""
        frames, scales = [layers.product(rank).decomposition[2]], []
        for layer in layers:
            Q, R = np.linalg.qr(layer @ frames[-1])
            frames.append(Q * np.where(np.diag(R) < 0, -1.0, 1.0))
            scales.append(np.abs(np.diag(R)))
        above = np.cumprod([np.ones(rank), *scales[:0:-1]], axis=0)[::-1]
        below = np.cumprod([np.ones(rank), *scales[:-1]], axis=0)
        return cls(tuple(frames), above[:, :, None] * below[:, None, :], curvature)

    def __call__(self, gamma: float, residual: Layers) -> Layers:
        """The solution of (I + γ c dφ* dφ) V = residual."""
        strength, v = gamma * self.curvature, self.coefficients
        pairs = list(zip(self.frames[1:], residual, self.frames[:-1], strict=True))
        turned = np.array([above.T @ layer @ below for above, layer, below in pairs])
        share = strength * np.sum(v * turned, axis=0) / (1 + strength * np.sum(v**2, axis=0))
        solution = [
            layer - above @ (part * share) @ below.T for (above, layer, below), part in zip(pairs, v, strict=True)
        ]
        # Against the row space in W_1 and against the column space in W_N.
        (above, first, below), row = pairs[0], strength * v[0, :, :1] ** 2
        solution[0] -= above @ (row / (1 + row) * (above.T @ first - turned[0] @ below.T))
        (above, last, below), column = pairs[-1], strength * v[-1, :1, :] ** 2
        solution[-1] -= (column / (1 + column) * (last @ below - above @ turned[-1])) @ below.T
        return Layers.unchecked(solution)
