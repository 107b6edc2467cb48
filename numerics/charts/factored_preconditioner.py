r"""The metric as preconditioner of the factored chart: about the inverse of I - γJ.

The Hessian of the energy is about a multiple c of the identity, so that J is about -c A_N; and A_N is diagonal in the
singular vectors S = P D Qᵀ: it multiplies by λ_kl along S, and by λ(d_k, 0) along U P and V Q.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from ..compilation import jitted

__all__ = ["preconditioner_function"]

Array = NDArray[np.float64]


@lru_cache(maxsize=64)
def preconditioner_function(network: DeepLinearNetwork, compiled: bool) -> Callable[..., Array]:
    """(γ, b, P, Qᵀ, c λ_kl, c λ(d_k, 0)) to the solution x of (I + γ c A_N) x = b, in coordinates."""
    (m, n), r = network.shape, network.coframe.rank
    moves_left, moves_right = network.moves_left_space, network.moves_right_space
    first: int = r * r
    second = first + m * r if moves_left else first

    def solve(gamma: Any, residual: Any, P: Any, Qt: Any, multiplier: Any, null: Any) -> Any:
        Pt, Q = np.ascontiguousarray(P.T), np.ascontiguousarray(Qt.T)
        shrink = 1 / (1 + gamma * null)
        solution = np.empty_like(residual)
        block = Pt @ residual[:first].copy().reshape(r, r) @ Q
        solution[:first] = (P @ (block / (1 + gamma * multiplier)) @ Qt).ravel()
        if moves_left:
            dU = residual[first:second].copy().reshape(m, r)
            solution[first:second] = (dU @ ((P * shrink) @ Pt)).ravel()
        if moves_right:
            dV = residual[second:].copy().reshape(n, r)
            solution[second:] = (dV @ ((Q * shrink) @ Qt)).ravel()
        return solution

    return jitted(solve) if compiled else solve
