r"""The gradient of the loss L(W) = E(W_N ⋯ W_1) in the layers.

    ∂L/∂W_p = (W_N ⋯ W_{p+1})ᵀ ∇E(X) (W_{p-1} ⋯ W_1)ᵀ,

the adjoint dφ* ∇E of `geometry.layers`, from two products with the gradient of E whatever the depth:
∇E W_1ᵀ and ∇Eᵀ W_N.  With W_Nᵀ ∇E W_1ᵀ in the place of ∇E, the layers between form a network of their
own, backpropagated through as usual.  Nothing of the size of X is formed where E has `gradient_products`
or a sparse gradient; a step costs O(nnz h + (m + n) h² + N h³) for hidden width h.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from .energies import Energy, as_dense
from .energy_products import gradient_products

__all__ = ["layer_gradients", "loss_and_layer_gradients"]

Array = NDArray[np.float64]
Matrices = Sequence[Array]


def layer_gradients(energy: Energy, layers: Matrices) -> tuple[Array, ...]:
    """∂L/∂W_p for p = 1 … N, of the layers' shapes.

    Parameters
    ----------
    energy : Energy
        With `gradient_products(X_left, X_right, onto_left, onto_right)`, which returns (∇E onto_right,
        ∇Eᵀ onto_left, E) at X = X_left X_rightᵀ, these are taken; otherwise `gradient`.
    layers : sequence of arrays (d_p, d_{p-1})
        W_1 first.

    Examples
    --------
    >>> from numerics import MatrixCompletion
    >>> energy = MatrixCompletion.from_array([[1.0, float("nan")], [0.0, 2.0]])
    >>> [gradient.tolist() for gradient in layer_gradients(energy, [np.array([[1.0, 1.0]]), np.array([[1.0], [1.0]])])]
    [[[1.0, -1.0]], [[0.0], [0.0]]]
    """
    return _gradients(energy, layers, with_loss=False)[1]


def loss_and_layer_gradients(energy: Energy, layers: Matrices) -> tuple[float, tuple[Array, ...]]:
    """(L, ∂L/∂W_p for p = 1 … N)."""
    return _gradients(energy, layers, with_loss=True)


def _gradients(energy: Energy, layers: Matrices, with_loss: bool) -> tuple[float, tuple[Array, ...]]:
    if len(layers) == 1:
        return (energy(layers[0]) if with_loss else np.nan), (as_dense(energy.gradient(layers[0])),)
    first, *between, last = layers
    # W_p ⋯ W_2 for p = 2 … N-1; the last one is what lies between the ends.
    below = list(accumulate(between, lambda product, layer: layer @ product))
    left = last @ below[-1] if between else last
    slope_right, slope_left, loss = gradient_products(energy, left, first.T, last, first.T, with_value=with_loss)
    if not between:
        return loss, (slope_left.T, slope_right)
    # Backwards from W_Nᵀ ∇E W_1ᵀ: (W_N ⋯ W_{p+1})ᵀ ∇E W_1ᵀ, times (W_{p-1} ⋯ W_2)ᵀ.
    slope, inner = last.T @ slope_right, []
    for p in range(len(between) - 1, 0, -1):
        inner.append(slope @ below[p - 1].T)
        slope = between[p].T @ slope
    return loss, ((slope_left @ below[-1]).T, slope, *reversed(inner), slope_right @ below[-1].T)
