r"""The chart of the layers W_1, …, W_N: gradient descent itself, and the independent route.

    dW_p/dt = -∂L/∂W_p = -(W_N ⋯ W_{p+1})ᵀ ∇E(X) (W_{p-1} ⋯ W_1)ᵀ,     X = W_N ⋯ W_1,

started balanced with hidden width r.  No operator A_N, no multiplier, no singular values in it.

Source: Arora, Cohen, Hazan, arXiv 1802.06509.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from ..energies import Energy
from ..factored import FactoredMatrix
from .chart import Chart

__all__ = ["LayersChart"]

Array = NDArray[np.float64]


class LayersChart(Chart):
    """Coordinates: the entries of W_1, then W_2, up to W_N."""

    def __init__(self, energy: Energy, network: DeepLinearNetwork, start: FactoredMatrix) -> None:
        super().__init__(energy, network, start)
        self.depth = network.layer_count()
        if network.is_projected:
            raise ValueError(
                "at depth 1 a single layer leaves the matrices of rank r < min(m, n), the network's flow does not; "
                "use chart='factored' for the projected flow, or rank=min(m, n)"
            )
        (m, n), r = start.shape, start.rank
        widths = [n, *([r] * (self.depth - 1)), m]
        self._shapes = list(zip(widths[1:], widths[:-1], strict=True))
        self._bounds = [0, *accumulate(rows * columns for rows, columns in self._shapes)]

    def layers(self, coordinates: Array) -> list[Array]:
        """W_1, …, W_N."""
        pieces = zip(self._bounds[:-1], self._bounds[1:], self._shapes, strict=True)
        return [coordinates[first:last].reshape(shape) for first, last, shape in pieces]

    def coordinates(self, point: FactoredMatrix) -> Array:
        """The balanced layers over a point: W_N = U Σ^{1/N}, W_1 = Σ^{1/N} Vᵀ, Σ^{1/N} between them."""
        U, sigma, V = point.decomposition
        layers = [np.diag(sigma ** (1 / self.depth))] * self.depth
        layers[0] = layers[0] @ V.T
        layers[-1] = U @ layers[-1]
        return np.concatenate([layer.ravel() for layer in layers])

    def point(self, coordinates: Array) -> FactoredMatrix:
        """The product of the layers."""
        layers = self.layers(coordinates)
        if len(layers) == 1:
            return FactoredMatrix.from_matrix(layers[0], self.start.rank)
        core = np.eye(self.start.rank)
        for layer in layers[1:-1]:
            core = layer @ core
        return FactoredMatrix.orthonormalized(layers[-1], core, layers[0].T)

    def _velocity(self, coordinates: Array) -> Array:
        layers = self.layers(coordinates)
        products = list(accumulate(layers, lambda product, layer: layer @ product))
        slope = self.energy.gradient(products[-1])
        slope = slope.toarray() if hasattr(slope, "toarray") else slope
        velocities, above = [], slope
        for p in range(self.depth - 1, -1, -1):
            velocities.append(-(above @ products[p - 1].T if p > 0 else above))
            above = layers[p].T @ above
        speed = 1 / self.depth if self.network.rescaled else 1.0
        return speed * np.concatenate([velocity.ravel() for velocity in reversed(velocities)])

    def noise(self, rtol: float) -> Array:
        """rtol times the smallest singular value of a layer."""
        return np.full(self._bounds[-1], rtol * self.smallest ** (1 / self.depth))

    def scale(self, coordinates: Array) -> Array:
        """The norm of each layer."""
        return np.concatenate([np.full(layer.size, np.linalg.norm(layer)) for layer in self.layers(coordinates)])

    def orientation(self, coordinates: Array) -> float:
        """The product of the signs of det W_p, for square layers."""
        layers = self.layers(coordinates)
        if any(rows != columns for rows, columns in self._shapes):
            return 0.0
        return float(np.prod([np.linalg.slogdet(layer)[0] for layer in layers]))

    def drift(self, coordinates: Array) -> float:
        """The defect of balancedness max |W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ|."""
        layers = self.layers(coordinates)
        neighbours = zip(layers[1:], layers[:-1], strict=True)
        return max((float(np.abs(above.T @ above - below @ below.T).max()) for above, below in neighbours), default=0.0)
