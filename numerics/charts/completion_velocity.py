r"""Compiled velocities for completion, of problems that fit into the cache.

They save the dozen calls of NumPy and SciPy that dominate small problems.  In large ones separate products are faster
(see `sampled_products`), since three factors at once leave the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from ..energies import Energy, MatrixCompletion
from ..energies.restricted import QuadraticEnergy
from ..factored import FactoredMatrix
from ..layers import Layers
from .chart import CompiledField

__all__ = [
    "LARGEST_PERIMETER",
    "LARGEST_RANK",
    "completion_velocity",
    "frozen_velocity",
    "layers_are_cheaper",
    "thin_layers_velocity",
]

Array = NDArray[np.float64]

LARGEST_PERIMETER = 1024
"""Above this m + n separate products were seen to be faster."""
LARGEST_RANK = 32
"""Above this rank products by BLAS are faster than rows in registers."""


def completion_velocity(
    energy: Energy, network: DeepLinearNetwork, start: FactoredMatrix, curvature: float
) -> CompiledField | None:
    """The velocity in the coordinates (S, U, V) for a small completion problem; None where it is not one.

    U and V are those of the chart's start, which stay where the coordinates do not contain them.
    """
    if not isinstance(energy, MatrixCompletion) or not _is_small(energy, start.rank):
        return None
    from ..compiled.completion import Flow, factored_velocity, factored_watch, rows_for
    from ..compiled.functions import multipliers

    moving = start.U.size * network.moves_left_space, start.V.size * network.moves_right_space
    flow = Flow(*multipliers(network), *moving, curvature)
    data = flow, _entries(energy), rows_for(start.U, start.V)
    return CompiledField(factored_velocity(start.rank, energy.weights is not None), data, factored_watch(start.rank))


def frozen_velocity(energy: QuadraticEnergy, network: DeepLinearNetwork, curvature: float) -> CompiledField | None:
    """The velocity of S in frozen spaces, with the energy as a function of S; None for large ranks."""
    r = energy.shape[0]
    if r > LARGEST_RANK:
        return None
    from ..compiled.completion import Flow, Quadratic, factored_watch, rows_for
    from ..compiled.completion import frozen_velocity as compiled_velocity
    from ..compiled.functions import multipliers

    flow = Flow(*multipliers(network), 0, 0, curvature)
    data = flow, Quadratic(energy.slope.ravel(), energy.curvature), rows_for(np.eye(r), np.eye(r))
    return CompiledField(compiled_velocity(r), data, factored_watch(r))


def thin_layers_velocity(
    energy: Energy, layers: Layers, speed: float, curvature: float, watched: bool
) -> CompiledField | None:
    """The velocity in the coordinates (W_1, …, W_N); None unless all hidden widths are one and the problem is small.

    It can be watched where the layers are balanced, of the width of the rank, and have no orientation.
    """
    hidden = set(layers.widths[1:-1])
    if len(hidden) != 1 or not isinstance(energy, MatrixCompletion) or not _is_small(energy, max(hidden)):
        return None
    from ..compiled.completion import LayersFlow, layers_velocity, layers_watch, rows_for

    (m, n), width = energy.shape, hidden.pop()
    below = np.zeros((len(layers) - 1, width, width))
    below[0] = np.eye(width)
    flow = LayersFlow(speed, below, np.array(layers.defects()), curvature)
    data = flow, _entries(energy), rows_for(np.zeros((m, width)), np.zeros((n, width)))
    return CompiledField(
        layers_velocity(width, energy.weights is not None), data, layers_watch(width) if watched else None
    )


def layers_are_cheaper(energy: Energy, network: DeepLinearNetwork, start: FactoredMatrix) -> bool:
    """Whether compiled velocities of thin balanced layers take less than those of U S Vᵀ.

    They need no singular value decomposition, but products of r x r matrices, as many as there are layers.
    """
    if network.is_infinitely_deep or not isinstance(energy, MatrixCompletion) or not _is_small(energy, start.rank):
        return False
    return 1 < network.layer_count() <= sum(start.shape) / (2 * start.rank) and start.rank < max(start.shape)


def _is_small(energy: MatrixCompletion, rank: int) -> bool:
    return sum(energy.shape) <= LARGEST_PERIMETER and rank <= LARGEST_RANK


def _entries(energy: MatrixCompletion) -> tuple[Any, ...]:
    """Row pointers, columns, values and weights of the observed entries."""
    from ..compiled.completion import Entries

    observed, weights = energy.observed, np.empty(0) if energy.weights is None else energy.weights
    return Entries(observed.indptr, observed.indices, observed.data, weights)
