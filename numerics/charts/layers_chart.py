r"""The chart of the layers W_1, …, W_N: gradient descent itself, and the independent route.

    dW_p/dt = -∂L/∂W_p = -(W_N ⋯ W_{p+1})ᵀ ∇E(X) (W_{p-1} ⋯ W_1)ᵀ,     X = W_N ⋯ W_1,

from balanced layers of hidden width r over a matrix, or from any layers.  No operator A_N, no multiplier,
no singular values in it.  The flow conserves the defects W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ, whatever they are.

Source: Arora, Cohen, Hazan, arXiv 1802.06509.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry import DeepLinearNetwork

from ..compilation import compiles
from ..energies import Energy
from ..factored import FactoredMatrix
from ..layer_gradients import layer_gradients
from ..layer_hessian import layer_hessian
from ..layers import Layers
from .chart import Chart, LinearMap, Preconditioner
from .completion_velocity import thin_layers_velocity
from .layers_preconditioner import GaussNewtonInverse

__all__ = ["LayersChart"]

Array = NDArray[np.float64]


class LayersChart(Chart):
    """Coordinates: the entries of W_1, then W_2, up to W_N.

    Balanced layers keep the rank of X; wider ones then have points of the network's rank.  Layers that
    are not balanced move X through matrices of the largest rank that their widths allow.

    Parameters
    ----------
    energy : Energy
    network : DeepLinearNetwork
        Of finite depth; its rank is that of the points.
    start : FactoredMatrix or Layers
        For a matrix the balanced layers of hidden width r over it.

    Raises
    ------
    ValueError
        If the network has no layers, or the layers are not those of the network; see `Layers.require_network`.
    """

    keeps_coordinates = True

    def __init__(self, energy: Energy, network: DeepLinearNetwork, start: FactoredMatrix | Layers) -> None:
        layers = start if isinstance(start, Layers) else Layers.balanced(network, start)
        layers.require_network(network)
        rank = network.coframe.rank
        super().__init__(energy, network, layers.product(rank) if isinstance(start, Layers) else start)
        self.start_layers = layers
        self.is_balanced = isinstance(start, FactoredMatrix) or layers.is_balanced()
        self.rank = rank
        self.speed = 1 / float(network.operator_divisor)

    def compile(self) -> None:
        """Compile the velocity of thin layers for completion, which takes seconds."""
        if compiles():
            self.is_compiled = True
            layers = self.start_layers
            watched = self.is_balanced and layers.largest_rank == self.rank < max(layers.shape)
            self.field = thin_layers_velocity(self.energy, layers, self.speed, self.typical_curvature, watched)

    def layers(self, coordinates: Array) -> Layers:
        """W_1, …, W_N."""
        return Layers.from_vector(coordinates, self.start_layers.shapes)

    def coordinates(self, point: FactoredMatrix) -> Array:
        """The layers of the start over it; over any other point balanced ones, of the same widths."""
        if point is self.start:
            return self.start_layers.vector()
        return Layers.balanced(self.network, point, self.start_layers.widths[1:-1]).vector()

    def point(self, coordinates: Array) -> FactoredMatrix:
        """The product of the layers."""
        return self.layers(coordinates).product(self.rank)

    def _velocity(self, coordinates: Array) -> Array:
        if self.field is not None:
            return self.field(coordinates)
        gradients = layer_gradients(self.energy, self.layers(coordinates).matrices)
        return -self.speed * np.concatenate([gradient.ravel() for gradient in gradients])

    def linearization(self, coordinates: Array) -> LinearMap:
        """The derivative of the velocity: minus the Hessian of the loss, a symmetric map."""
        hessian = layer_hessian(self.energy, self.layers(coordinates).matrices)

        def derivative(direction: Array) -> Array:
            products = hessian(self.layers(direction).matrices)
            return -self.speed * np.concatenate([product.ravel() for product in products])

        return derivative

    def preconditioner(self, coordinates: Array) -> Preconditioner | None:
        """The inverse of I - γJ with the typical curvature for ∇²E, where the layers are balanced."""
        if not self.is_balanced:
            return None
        inverse = GaussNewtonInverse.at(self.layers(coordinates), self.rank, self.speed * self.typical_curvature)
        return lambda gamma, residual: inverse(gamma, self.layers(residual)).vector()

    def fastest_rate(self, coordinates: Array) -> float:
        """About the sharpness: the typical curvature of the energy times Σ_p Π_{q≠p} |W_q|², spectral norms.

        That sum bounds the largest eigenvalue of dφ dφ*, and is N σ_1^{2-2/N} where the layers are balanced.
        """
        # From the smaller Gram matrix: a layer may have a long side.
        grams = (
            layer @ layer.T if len(layer) < layer.shape[1] else layer.T @ layer for layer in self.layers(coordinates)
        )
        squares = [float(np.linalg.eigvalsh(gram)[-1]) for gram in grams]
        bound = sum(np.prod(squares[:p] + squares[p + 1 :]) for p in range(len(squares)))
        return self.typical_curvature * self.speed * float(bound)

    def noise(self, rtol: float) -> Array:
        """rtol times the smallest singular value of each layer that is not zero."""
        spectra = [np.linalg.svd(layer, compute_uv=False) for layer in self.start_layers]
        rounding = np.finfo(float).eps
        smallest = [min(sigma[sigma > rounding * sigma[0]], default=0.0) for sigma in spectra]
        # A layer that starts at zero is as large as the others after a moment.
        otherwise = min((value for value in smallest if value > 0), default=1.0)
        sizes = (layer.size for layer in self.start_layers)
        return rtol * np.repeat([value or otherwise for value in smallest], list(sizes))

    def scale(self, coordinates: Array) -> Array:
        """The norm of each layer; that of all of them where it is zero."""
        norms = [float(np.linalg.norm(layer)) for layer in self.layers(coordinates)]
        whole = float(np.linalg.norm(coordinates)) or 1.0
        return np.repeat([norm or whole for norm in norms], [layer.size for layer in self.start_layers])

    def orientation(self, coordinates: Array) -> float:
        """The product of the signs of det W_p, for square layers of full rank that are balanced; 0 for others."""
        layers = self.layers(coordinates)
        if not self.is_balanced or any(width != self.rank for width in layers.widths):
            return 0.0
        return float(np.prod([np.linalg.slogdet(layer)[0] for layer in layers]))

    def drift(self, coordinates: Array) -> float:
        """How far the defects have moved from those of the start, and noise beyond the rank that balanced layers keep.

        The larger of max |D_p - D_p(start)|, entry by entry, and of σ_{r+1}/σ_1 where the widths leave room for it.
        """
        layers = self.layers(coordinates)
        change = layers.defect_change(self.start_layers)
        if layers.largest_rank == self.rank:
            return change
        sigma = layers.product().singular_values
        return max(change, float(sigma[self.rank] / sigma[0]))
