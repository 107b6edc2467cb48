r"""The velocity of thin layers for completion in one compiled function.

With C = W_{N-1} ⋯ W_2, of the size of the hidden width, and one pass over the observed entries,

    dW_1/dt = -(∇Eᵀ W_N C)ᵀ,     dW_N/dt = -∇E W_1ᵀ Cᵀ,     dW_p/dt = -A_pᵀ (W_Nᵀ ∇E W_1ᵀ) B_pᵀ,

A_p = W_{N-1} ⋯ W_{p+1}, B_p = W_{p-1} ⋯ W_2; see `layer_gradients`, which does the same for all energies and widths.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compilation import jitted
from ..energies import Energy, MatrixCompletion
from ..layers import Layers
from .chart import CompiledField
from .completion_velocity import LARGEST_PERIMETER, completion_products, observations

__all__ = ["thin_layers_velocity"]

Array = NDArray[np.float64]


def thin_layers_velocity(energy: Energy, layers: Layers, speed: float) -> CompiledField | None:
    """The velocity in the coordinates (W_1, …, W_N); None unless all hidden widths are one and the problem is small."""
    hidden = set(layers.widths[1:-1])
    if len(hidden) != 1 or not isinstance(energy, MatrixCompletion) or sum(energy.shape) > LARGEST_PERIMETER:
        return None
    velocity = _compiled_velocity(*energy.shape, hidden.pop(), len(layers))
    return CompiledField(velocity, (speed, *observations(energy)))


@lru_cache(maxsize=64)
def _compiled_velocity(m: int, n: int, width: int, count: int) -> Callable[..., Array]:
    from ..compiled.matrices import left_transposed_product, product, right_transposed_product

    products = completion_products(width)
    square, inner = width * width, max(count - 2, 0)
    first = width * n
    last = first + inner * square

    def compiled_velocity(coordinates: Any, data: Any) -> Any:
        speed, pointers, columns, values, weights = data
        right = np.ascontiguousarray(coordinates[:first].reshape(width, n).T)
        between = coordinates[first:last].reshape(inner, width, width)
        left = coordinates[last:].reshape(m, width)
        # below[p] is the product of the first p of the layers between.
        below = np.empty((inner + 1, width, width))
        below[0] = np.eye(width)
        for p in range(inner):
            product(between[p], below[p], below[p + 1])
        core = below[inner]
        slope_right, slope_left = products(left @ core, left, right, pointers, columns, values, weights)
        velocity = np.empty_like(coordinates)
        velocity[:first] = (-speed * (slope_left @ core)).T.copy().ravel()
        velocity[last:] = (-speed * (slope_right @ np.ascontiguousarray(core.T))).ravel()
        # above is A_pᵀ times W_Nᵀ ∇E W_1ᵀ.
        above, turned, moved = left.T @ slope_right, np.empty((width, width)), np.empty((width, width))
        for p in range(inner - 1, -1, -1):
            right_transposed_product(above, below[p], moved)
            velocity[first + p * square : first + (p + 1) * square] = -speed * moved.ravel()
            left_transposed_product(between[p], above, turned)
            above, turned = turned, above
        return velocity

    return jitted(compiled_velocity)
