r"""The Hessian of the loss L(W) = E(W_N ⋯ W_1) in the layers, as a linear map.

Along a direction (V_1, …, V_N) the layer gradient (W_N ⋯ W_{p+1})ᵀ ∇E (W_{p-1} ⋯ W_1)ᵀ changes by the
product rule: each factor moves in turn, ∇E by its derivative along dX = Σ_p W_N ⋯ V_p ⋯ W_1, of rank 2h for
hidden width h.  As for the gradient only products with W_1ᵀ and W_N are taken, and nothing of the size of X
is formed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry.layers import differential, end_to_end

from .energies import Energy, as_dense
from .energy_products import energy_hessian, factored

__all__ = ["layer_hessian"]

Array = NDArray[np.float64]
Matrices = Sequence[Array]


def layer_hessian(energy: Energy, layers: Matrices) -> Callable[[Matrices], tuple[Array, ...]]:
    """The map from directions (V_1, …, V_N) to the derivatives of ∂L/∂W_p along them: linear and symmetric.

    Parameters
    ----------
    energy : Energy
        With `hessian(X, Z)`, the derivative of ∇E at X along Z, the map is exact.  Without it the gradient of E is
        differenced centrally along dX, which for an energy of degree two costs no more than rounding.
    layers : sequence of arrays (d_p, d_{p-1})
        W_1 first.

    Examples
    --------
    >>> from numerics import MatrixCompletion
    >>> hessian = layer_hessian(MatrixCompletion.from_array([[3.0]]), [np.array([[2.0]]), np.array([[1.0]])])
    >>> [product.round(6).tolist() for product in hessian([np.array([[1.0]]), np.array([[0.0]])])]
    [[[1.0]], [[1.0]]]
    """
    if len(layers) == 1:
        return lambda direction: (as_dense(energy_hessian(energy, layers[0], direction[0])),)
    return _Hessian.at(energy, layers)


@dataclass(frozen=True, eq=False)
class _Hessian:
    """The map at two layers or more, with what does not depend on the direction.

    Attributes
    ----------
    core : array (d_{N-1}, d_1)
        W_{N-1} ⋯ W_2.
    left : array (m, d_1)
        W_N ⋯ W_2, so that X = left W_1.
    slope : matrix (m, n)
        ∇E(X).
    slope_right, slope_left : arrays (m, d_1), (n, d_{N-1})
        ∇E W_1ᵀ and ∇Eᵀ W_N.
    """

    energy: Energy
    layers: Matrices
    core: Array
    left: Array
    slope: Any
    slope_right: Array
    slope_left: Array

    @classmethod
    def at(cls, energy: Energy, layers: Matrices) -> _Hessian:
        first, *between, last = layers
        core = end_to_end(between) if between else np.eye(len(first))
        left = last @ core
        slope = energy.gradient(factored(left, first.T))
        return cls(energy, layers, core, left, slope, slope @ first.T, slope.T @ last)

    def __call__(self, direction: Matrices) -> tuple[Array, ...]:
        (first, *between, last), (d_first, *d_between, d_last) = self.layers, direction
        d_core = differential(between, d_between) if between else np.zeros_like(self.core)
        d_left = d_last @ self.core + last @ d_core
        change = factored(np.hstack([d_left, self.left]), np.hstack([first.T, d_first.T]))
        d_slope = energy_hessian(self.energy, factored(self.left, first.T), change)
        d_slope_right = self.slope @ d_first.T + d_slope @ first.T
        d_slope_left = self.slope.T @ d_last + d_slope.T @ last
        inner: list[Array] = []
        if between:
            block, d_block = last.T @ self.slope_right, d_last.T @ self.slope_right + last.T @ d_slope_right
            inner = _adjoint_derivative(between, d_between, block, d_block)
        return (
            (d_slope_left @ self.core + self.slope_left @ d_core).T,
            *inner,
            d_slope_right @ self.core.T + self.slope_right @ d_core.T,
        )


def _adjoint_derivative(layers: Matrices, direction: Matrices, Z: Array, dZ: Array) -> list[Array]:
    """The derivative of dφ* Z, layer by layer, as the layers move along the direction and Z along dZ."""
    pairs = list(zip(layers, direction, strict=True))
    below = accumulate(pairs[:-1], lambda product, pair: _times(pair, product), initial=_one(layers[0].shape[1]))
    above = list(accumulate(pairs[:0:-1], _times, initial=_one(len(layers[-1]))))[::-1]
    return [dA.T @ Z @ B.T + A.T @ dZ @ B.T + A.T @ Z @ dB.T for (A, dA), (B, dB) in zip(above, below, strict=True)]


def _one(side: int) -> tuple[Array, Array]:
    """The empty product and its derivative."""
    return np.eye(side), np.zeros((side, side))


def _times(left: tuple[Array, Array], right: tuple[Array, Array]) -> tuple[Array, Array]:
    """A product and its derivative, from those of its factors."""
    (A, dA), (B, dB) = left, right
    return A @ B, dA @ B + A @ dB
