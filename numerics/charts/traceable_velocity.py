r"""The velocity of the factored chart as a function of JAX arrays; see `factored_velocity` for the formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, ImmutableMatrix, symbols

from geometry import DeepLinearNetwork, compile_kernel

from ..energies import Energy, MatrixCompletion, SymbolicEnergy
from ..energies.restricted import QuadraticEnergy

__all__ = ["TraceableField", "traceable_velocity"]

Array = NDArray[np.float64]

DENSE_ENTRIES = 2**18
"""Up to this m n residuals of completion are faster as a dense matrix with a mask than gathered."""

Products = Callable[[Any, Any, Any, Any], tuple[Any, Any]]
"""(U S, U, V, data) to (∇E V, ∇Eᵀ U)."""


@dataclass(frozen=True, eq=False)
class TraceableField:
    """A velocity as a function of JAX arrays, the same object for all problems of a kind.

    So a program made of it is compiled once.

    Attributes
    ----------
    velocity : callable
        (coordinates, data) to the velocity.
    data : tuple of arrays
        What it needs beside the coordinates.
    """

    velocity: Callable[[Any, Any], Any]
    data: tuple[Any, ...]


def traceable_velocity(energy: Energy, network: DeepLinearNetwork, U: Array, V: Array) -> TraceableField:
    """(S, U, V) in one vector to its velocity; U and V are those of the start where they do not move.

    Raises
    ------
    ValueError
        If the energy is neither a `MatrixCompletion` nor a `SymbolicEnergy`.
    """
    products, data = _products(energy)
    return TraceableField(_velocity(network, len(U), len(V), U.shape[1], products), (U, V, data))


@lru_cache(maxsize=64)
def _velocity(network: DeepLinearNetwork, m: int, n: int, r: int, products: Products) -> Callable[[Any, Any], Any]:
    import jax.numpy as jnp

    a, b = symbols("a b", positive=True)
    pair = compile_kernel(network.pair_multiplier(a, b), (a, b), backend="jax").function
    null_rate = compile_kernel(network.pair_null_multiplier(a) / a, (a,), backend="jax").function
    moves_left, moves_right = network.moves_left_space, network.moves_right_space
    first, second = r * r, r * r + (m * r if moves_left else 0)

    def velocity(coordinates: Any, data: Any) -> Any:
        left, right, observed = data
        S = coordinates[:first].reshape(r, r)
        U = coordinates[first:second].reshape(m, r) if moves_left else left
        V = coordinates[second:].reshape(n, r) if moves_right else right
        slope_right, slope_left = products(U @ S, U, V, observed)
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


def _products(energy: Energy) -> tuple[Products, tuple[Any, ...]]:
    """The products with the gradient, and their data."""
    if isinstance(energy, SymbolicEnergy):
        return _symbolic_products(energy.expression, energy.entries.as_immutable()), ()
    if isinstance(energy, QuadraticEnergy):
        return _quadratic_products, (energy.slope, energy.curvature)
    if not isinstance(energy, MatrixCompletion):
        raise ValueError(
            f"engine 'diffrax' takes a MatrixCompletion or a SymbolicEnergy, not {type(energy).__name__}; "
            "use engine='auto', or write the energy as an expression"
        )
    (m, n), weights = energy.shape, energy.hessian_pattern.data
    if m * n > DENSE_ENTRIES:
        return _gathered_products, (energy.rows, energy.columns, energy.values, weights)
    mask, values = np.zeros((m, n)), np.zeros((m, n))
    mask[energy.rows, energy.columns], values[energy.rows, energy.columns] = weights, energy.values
    return _masked_products, (mask, values)


@lru_cache(maxsize=64)
def _symbolic_products(expression: Expr, entries: ImmutableMatrix) -> Products:
    import jax.numpy as jnp

    slope_of = compile_kernel(entries.applyfunc(expression.diff), list(entries), backend="jax").function

    def products(left: Any, U: Any, V: Any, data: Any) -> tuple[Any, Any]:
        slope = jnp.asarray(slope_of(*(left @ V.T).ravel())).reshape(entries.shape)
        return slope @ V, slope.T @ U

    return products


def _quadratic_products(left: Any, U: Any, V: Any, data: Any) -> tuple[Any, Any]:
    offset, curvature = data
    slope = offset + (curvature @ (left @ V.T).ravel()).reshape(offset.shape)
    return slope @ V, slope.T @ U


def _masked_products(left: Any, U: Any, V: Any, data: Any) -> tuple[Any, Any]:
    mask, values = data
    slope = mask * (left @ V.T - values)
    return slope @ V, slope.T @ U


def _gathered_products(left: Any, U: Any, V: Any, data: Any) -> tuple[Any, Any]:
    from jax.numpy import sum as total
    from jax.ops import segment_sum

    rows, columns, values, weights = data
    residual = weights * (total(left[rows] * V[columns], axis=1) - values)
    return (
        segment_sum(residual[:, None] * V[columns], rows, num_segments=len(U), indices_are_sorted=True),
        segment_sum(residual[:, None] * U[rows], columns, num_segments=len(V)),
    )
