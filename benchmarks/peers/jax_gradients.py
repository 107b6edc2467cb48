"""∇E of a completion problem times the thin factors, compiled by JAX: as dense arrays, and sparse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .problem import CompletionProblem

__all__ = ["GRADIENTS"]

Products = Callable[[Any, Any], tuple[Any, Any]]


def dense_products(problem: CompletionProblem) -> Products:
    """(leftᵀ (r, m), right (r, n)) → right (∇E)ᵀ (r, m) and leftᵀ ∇E (r, n), by a masked residual."""
    import jax.numpy as jnp

    energy, r = problem.energy, problem.start.rank
    mask, given = np.zeros(energy.shape), np.zeros(energy.shape)
    mask[energy.rows, energy.columns] = 1.0
    given[energy.rows, energy.columns] = energy.values
    observed, target = jnp.asarray(mask), jnp.asarray(given)

    def products(left: Any, right: Any) -> tuple[Any, Any]:
        slope = observed * sum(left[a][:, None] * right[a][None, :] for a in range(r)) - target
        return jnp.stack([slope @ right[a] for a in range(r)]), jnp.stack([left[a] @ slope for a in range(r)])

    return products


def sparse_products(problem: CompletionProblem) -> Products:
    """The same from the observed entries alone, by gathers and segment_sum."""
    import jax.numpy as jnp
    from jax.ops import segment_sum

    energy = problem.energy
    rows, columns, values = (jnp.asarray(array) for array in (energy.rows, energy.columns, energy.values))
    m, n = energy.shape

    def products(left: Any, right: Any) -> tuple[Any, Any]:
        at_row, at_column = left.T[rows], right.T[columns]
        residuals = jnp.sum(at_row * at_column, axis=1) - values
        slope_right = segment_sum(residuals[:, None] * at_column, rows, m, indices_are_sorted=True)
        return slope_right.T, segment_sum(residuals[:, None] * at_row, columns, n).T

    return products


GRADIENTS: dict[str, Callable[[CompletionProblem], Products]] = {"dense": dense_products, "sparse": sparse_products}
