r"""The velocity of the factored chart, from products with the gradient of the energy.

    dS/dt = -P (λ∘G̃) Qᵀ,     dU/dt = -(I - U Uᵀ) ∇E V C,     dV/dt = -(I - V Vᵀ) ∇Eᵀ U Cᵀ,

S = P D Qᵀ, G̃ = Pᵀ Uᵀ ∇E V Q, C = Q diag(c) Pᵀ, c_k = λ(d_k, 0)/d_k.  Written once, for NumPy and for compilation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import symbols

from geometry import DeepLinearNetwork, compile_kernel

from ..compilation import jitted
from ..network_kernels import network_kernels

__all__ = ["VelocityFunction", "velocity_function"]

Array = NDArray[np.float64]
VelocityFunction = Callable[[Array, Array, Array, Array, Array], tuple[Array, Array, Array]]
"""(S, U, V, ∇E V, ∇Eᵀ U) to (dS/dt, dU/dt, dV/dt)."""


@lru_cache(maxsize=64)
def velocity_function(network: DeepLinearNetwork, compiled: bool) -> VelocityFunction:
    """The velocity as a function of S, U, V and the products; zero for a space that the flow does not move."""
    moves_left, moves_right = network.moves_left_space, network.moves_right_space
    spectrum = _compiled_spectrum(network) if compiled else _spectrum(network)

    def velocity(S: Any, U: Any, V: Any, slope_right: Any, slope_left: Any) -> tuple[Any, Any, Any]:
        P, sigma, Qt = np.linalg.svd(S)
        multiplier, rate = spectrum(sigma)
        block = U.T @ slope_right
        Q, Pt = np.ascontiguousarray(Qt.T), np.ascontiguousarray(P.T)
        dS = -(P @ (multiplier * (Pt @ block @ Q)) @ Qt)
        turn = (Q * rate) @ Pt
        dU, dV = np.zeros_like(U), np.zeros_like(V)
        if moves_left:
            dU = (U @ block - slope_right) @ turn
        if moves_right:
            dV = (V @ np.ascontiguousarray(block.T) - slope_left) @ np.ascontiguousarray(turn.T)
        return dS, dU, dV

    return jitted(velocity) if compiled else velocity


def _spectrum(network: DeepLinearNetwork) -> Callable[[Array], tuple[Array, Array]]:
    kernels = network_kernels(network)

    def spectrum(sigma: Array) -> tuple[Array, Array]:
        return kernels.multiplier_matrix(sigma), np.asarray(kernels.null_rate(sigma))

    return spectrum


def _compiled_spectrum(network: DeepLinearNetwork) -> Callable[[Array], tuple[Array, Array]]:
    """The same from kernels of the compiled backend."""
    a, b = symbols("a b", positive=True)
    pair = compile_kernel(network.pair_multiplier(a, b), (a, b), backend="numba").function
    null_rate = compile_kernel(network.pair_null_multiplier(a) / a, (a,), backend="numba").function

    def spectrum(sigma: Any) -> tuple[Any, Any]:
        r = len(sigma)
        multiplier, rate = np.empty((r, r)), np.empty(r)
        for k in range(r):
            rate[k] = null_rate(sigma[k])
            for l in range(k + 1):
                multiplier[k, l] = multiplier[l, k] = pair(sigma[k], sigma[l])
        return multiplier, rate

    return jitted(spectrum)
