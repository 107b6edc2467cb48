r"""The Jacobian of the factored chart's velocity in U and V, for completion energies.

With S fixed, its decomposition S = P D Qᵀ and all multipliers are, so the velocity is polynomial in U
and V; and the Hessian of the energy is the projection on the observed entries.  The derivatives
along single entries of U are written down here; those along V are the same with X transposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["FrozenCore", "velocity_derivatives"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FrozenCore:
    """The point, and what depends on S alone.

    Attributes
    ----------
    U, S, V : arrays (m, r), (r, r), (n, r)
    P, Q : arrays (r, r)
        S = P D Qᵀ.
    multiplier : array (r, r)
        λ_kl.
    rate : array (r,)
        λ(d_k, 0)/d_k.
    slope : sparse array (m, n)
        ∇E(X).
    pattern : sparse array (m, n)
        Ones at the observed entries: the Hessian of the energy.
    """

    U: Array
    S: Array
    V: Array
    P: Array
    Q: Array
    multiplier: Array
    rate: Array
    slope: Any
    pattern: Any

    def transposed(self) -> FrozenCore:
        """The same for Xᵀ."""
        return FrozenCore(
            self.V,
            self.S.T,
            self.U,
            self.Q,
            self.P,
            self.multiplier.T,
            self.rate,
            sparse.csr_array(self.slope.T),
            sparse.csr_array(self.pattern.T),
        )


def velocity_derivatives(core: FrozenCore) -> tuple[Array, Array, Array]:
    """The derivatives of (dS/dt, dU/dt, dV/dt) along the entries U_ik.

    Returns
    -------
    arrays (r, r, m, r), (m, r, m, r), (n, r, m, r)
        The last two axes are i and k.
    """
    U, S, V, P, Q = core.U, core.S, core.V, core.P, core.Q
    (m, r), n = U.shape, V.shape[0]
    left, right = U @ P, V @ Q
    slope_right = core.slope @ right
    block = left.T @ slope_right
    # Along U_ik the gradient changes in row i only, by (S Vᵀ)_k at the observed entries.
    products = (V[:, :, None] * right[:, None, :]).reshape(n, r * r)
    gathered = (core.pattern @ products).reshape(m, r, r)
    turned = np.einsum("ka,iab->ikb", S, gathered)
    d_block = np.einsum("ka,ib->abik", P, slope_right) + np.einsum("ia,ikb->abik", left, turned)
    d_core = -np.einsum("pa,abik,qb->pqik", P, core.multiplier[:, :, None, None] * d_block, Q)
    against = -np.einsum("ja,abik->jbik", left, d_block)
    rows = np.arange(m)
    against[rows, :, rows, :] += turned.transpose(0, 2, 1) - (P @ block).T[None]
    d_left = -np.einsum("jbik,b,pb->jpik", against, core.rate, P)
    d_right = np.einsum("ij,jk,ib->jbik", core.pattern.toarray(), V @ S.T, left)
    d_right += np.einsum("ij,kb->jbik", core.slope.toarray(), P) - np.einsum("ja,baik->jbik", right, d_block)
    return d_core, d_left, -np.einsum("jbik,b,qb->jqik", d_right, core.rate, Q)
