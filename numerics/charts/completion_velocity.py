r"""The velocity of the factored chart for completion in one compiled function, for problems that fit into the cache.

One pass over the observed entries forms the residuals and both products with them; nothing but the
products is allocated.  It saves the dozen calls of NumPy and SciPy that dominate small problems.  In large
ones separate products are faster (see `sampled_products`), since three factors at once leave the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from ..compilation import jitted
from ..energies import Energy, MatrixCompletion
from .chart import CompiledField
from .factored_velocity import velocity_function

__all__ = ["LARGEST_PERIMETER", "completion_products", "completion_velocity", "observations"]

Array = NDArray[np.float64]

LARGEST_PERIMETER = 1024
"""Above this m + n separate products were seen to be faster."""


def completion_velocity(energy: Energy, network: DeepLinearNetwork, U: Array, V: Array) -> CompiledField | None:
    """The velocity in the coordinates (S, U, V) for a small completion problem; None where it is not one.

    U and V are those of the chart's start, which stay where the coordinates do not contain them.
    """
    if not isinstance(energy, MatrixCompletion) or sum(energy.shape) > LARGEST_PERIMETER:
        return None
    return CompiledField(_compiled_velocity(network), (U, V, *observations(energy)))


def observations(energy: MatrixCompletion) -> tuple[NDArray[Any], ...]:
    """Row pointers, columns, values and weights of the observed entries."""
    observed = energy.observed
    return observed.indptr, observed.indices, observed.data, energy.hessian_pattern.data


@lru_cache(maxsize=64)
def _compiled_velocity(network: DeepLinearNetwork) -> Callable[..., Array]:
    velocity = velocity_function(network, compiled=True)
    moves_left, moves_right = network.moves_left_space, network.moves_right_space
    rank: int = network.coframe.rank
    products = completion_products(rank)

    def compiled_velocity(coordinates: Any, data: Any) -> Any:
        left, right, pointers, columns, values, weights = data
        S, first = coordinates[: rank * rank].reshape(rank, rank), rank * rank
        second = first + left.size if moves_left else first
        U = coordinates[first:second].reshape(left.shape) if moves_left else left
        V = coordinates[second:].reshape(right.shape) if moves_right else right
        slope_right, slope_left = products(U @ S, U, V, pointers, columns, values, weights)
        dS, dU, dV = velocity(S, U, V, slope_right, slope_left)
        moved = np.empty_like(coordinates)
        moved[:first] = dS.ravel()
        if moves_left:
            moved[first:second] = dU.ravel()
        if moves_right:
            moved[second:] = dV.ravel()
        return moved

    return jitted(compiled_velocity)


@lru_cache(maxsize=16)
def completion_products(rank: int) -> Callable[..., tuple[Any, Any]]:
    """(left, U, V, pointers, columns, values, weights) to (∇E V, ∇Eᵀ U) at X = left Vᵀ, in one pass over the entries.

    The rank is a constant of the compiled code, whose inner loops it unrolls.
    """

    def products(left: Any, U: Any, V: Any, pointers: Any, columns: Any, values: Any, weights: Any) -> tuple[Any, Any]:
        slope_right, slope_left = np.empty_like(U), np.zeros_like(V)
        for i in range(len(left)):
            for k in range(rank):
                slope_right[i, k] = 0.0
            for place in range(pointers[i], pointers[i + 1]):
                j = columns[place]
                residual = -values[place]
                for k in range(rank):
                    residual += left[i, k] * V[j, k]
                residual *= weights[place]
                for k in range(rank):
                    slope_right[i, k] += residual * V[j, k]
                    slope_left[j, k] += residual * U[i, k]
        return slope_right, slope_left

    return jitted(products)
