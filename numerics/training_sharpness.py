r"""The sharpness of the loss: the largest eigenvalue of its Hessian in the layers, by Lanczos's method.

At a minimum of E(X) = ½|X - M|² it is the largest multiplier, N σ_1^{2-2/N} on balanced layers: dφ dφ* is A_N.

Source: Cohen, Kaur, Li, Kolter, Talwalkar, arXiv 2103.00065.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from .energies import Energy
from .factored import random_generator
from .layer_hessian import layer_hessian
from .layers import Layers

__all__ = ["sharpness"]

Array = NDArray[np.float64]

SMALLEST_FOR_LANCZOS = 40
"""Smaller Hessians are formed."""


def sharpness(energy: Energy, layers: Layers, *, tolerance: float = 1e-6, seed: int | np.random.Generator = 0) -> float:
    """The largest eigenvalue of the Hessian of L(W) = E(W_N ⋯ W_1).

    Parameters
    ----------
    energy : Energy
        Its `hessian(X, Z)` makes the products exact; without it they are central differences.
    layers : Layers
    tolerance : float
        Relative accuracy of the eigenvalue.
    seed : int or Generator
        Of the vector that the iteration starts from.

    Raises
    ------
    ValueError
        If the shapes differ, or the tolerance is not positive.
    ArithmeticError
        If the iteration does not converge, or the Hessian is not finite.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> from numerics import FactoredMatrix, MatrixCompletion
    >>> network, target = DeepLinearNetwork(3, (2, 2)), np.diag([8.0, 1.0])
    >>> layers = Layers.balanced(network, FactoredMatrix.from_matrix(target))
    >>> round(sharpness(MatrixCompletion.from_array(target), layers), 6)   # 3 · 8^(4/3)
    48.0
    """
    if layers.shape != tuple(energy.shape):
        raise ValueError(f"layers must have a product of the energy's shape {tuple(energy.shape)}, not {layers.shape}")
    if not tolerance > 0:
        raise ValueError(f"tolerance must be positive, not {tolerance}")
    shapes, size = layers.shapes, sum(matrix.size for matrix in layers)
    hessian_at_layers = layer_hessian(energy, layers.matrices)

    def product(vector: Array) -> Array:
        direction = Layers.from_vector(np.ravel(vector), shapes)
        return Layers.unchecked(hessian_at_layers(direction.matrices)).vector()

    start = random_generator(seed).standard_normal(size)
    if not np.isfinite(product(start)).all():
        raise ArithmeticError("the Hessian of the loss is not finite at these layers")
    if size < SMALLEST_FOR_LANCZOS:
        hessian = np.array([product(column) for column in np.eye(size)])
        return float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1])
    hessian_map = LinearOperator((size, size), matvec=product, dtype=np.float64)
    try:
        values = eigsh(hessian_map, k=1, which="LA", tol=tolerance, v0=start, return_eigenvectors=False)
    except ArpackNoConvergence as error:
        raise ArithmeticError(
            f"the largest eigenvalue of the Hessian did not converge to a tolerance of {tolerance}; raise tolerance"
        ) from error
    return float(values[0])
