r"""The velocity of the factored chart as a function of JAX arrays; see `factored_velocity` for the formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import Matrix, symbols

from geometry import DeepLinearNetwork, compile_kernel

from ..energies import Energy, MatrixCompletion, SymbolicEnergy
from ..factored import FactoredMatrix

__all__ = ["traceable_velocity"]

DENSE_ENTRIES = 2**18
"""Up to this m n residuals of completion are faster as a dense matrix with a mask than gathered."""


def traceable_velocity(energy: Energy, network: DeepLinearNetwork, start: FactoredMatrix) -> Callable[[Any], Any]:
    """(S, U, V) in one vector to its velocity; U and V are the start's where they do not move.

    Raises
    ------
    ValueError
        If the energy is neither a `MatrixCompletion` nor a `SymbolicEnergy`.
    """
    import jax.numpy as jnp

    a, b = symbols("a b", positive=True)
    pair = compile_kernel(network.pair_multiplier(a, b), (a, b), backend="jax").function
    null_rate = compile_kernel(network.pair_null_multiplier(a) / a, (a,), backend="jax").function
    products = _products(energy)
    (m, n), r = start.shape, start.rank
    moves_left, moves_right = network.moves_left_space, network.moves_right_space
    first, second = r * r, r * r + (m * r if moves_left else 0)

    def velocity(coordinates: Any) -> Any:
        S = coordinates[:first].reshape(r, r)
        U = coordinates[first:second].reshape(m, r) if moves_left else jnp.asarray(start.U)
        V = coordinates[second:].reshape(n, r) if moves_right else jnp.asarray(start.V)
        slope_right, slope_left = products(U @ S, U, V)
        P, sigma, Qt = jnp.linalg.svd(S)
        block = U.T @ slope_right
        parts = [-P @ (pair(sigma[:, None], sigma) * (P.T @ block @ Qt.T)) @ Qt]
        turn = (Qt.T * null_rate(sigma)) @ P.T
        if moves_left:
            parts.append((U @ block - slope_right) @ turn)
        if moves_right:
            parts.append((V @ block.T - slope_left) @ turn.T)
        return jnp.concatenate([part.ravel() for part in parts])

    return velocity


def _products(energy: Energy) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """(U S, U, V) to (∇E V, ∇Eᵀ U)."""
    import jax.numpy as jnp
    from jax.ops import segment_sum

    if isinstance(energy, SymbolicEnergy):
        entries = energy.entries
        gradient = Matrix(entries.rows, entries.cols, lambda i, j: energy.expression.diff(entries[i, j]))
        slope_of = compile_kernel(gradient, list(entries), backend="jax").function

        def dense_products(left: Any, U: Any, V: Any) -> tuple[Any, Any]:
            slope = jnp.asarray(slope_of(*(left @ V.T).ravel())).reshape(energy.shape)
            return slope @ V, slope.T @ U

        return dense_products
    if not isinstance(energy, MatrixCompletion):
        raise ValueError(
            f"engine 'diffrax' takes a MatrixCompletion or a SymbolicEnergy, not {type(energy).__name__}; "
            "use engine='auto', or write the energy as an expression"
        )
    (m, n), weights = energy.shape, energy.hessian_pattern.data
    if m * n <= DENSE_ENTRIES:
        mask, values = np.zeros((m, n)), np.zeros((m, n))
        mask[energy.rows, energy.columns], values[energy.rows, energy.columns] = weights, energy.values

        def masked_products(left: Any, U: Any, V: Any) -> tuple[Any, Any]:
            slope = mask * (left @ V.T - values)
            return slope @ V, slope.T @ U

        return masked_products

    def gathered_products(left: Any, U: Any, V: Any) -> tuple[Any, Any]:
        residual = weights * (jnp.sum(left[energy.rows] * V[energy.columns], axis=1) - energy.values)
        return (
            segment_sum(residual[:, None] * V[energy.columns], energy.rows, num_segments=m, indices_are_sorted=True),
            segment_sum(residual[:, None] * U[energy.rows], energy.columns, num_segments=n),
        )

    return gathered_products
