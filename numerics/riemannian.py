r"""The geometry at a numeric matrix: the operator A_N, the inner product, the log volume.

With X = U Σ Vᵀ of rank r, Z is split into the block UᵀZV, where A_N multiplies by λ_kl, and the parts
against the null spaces, where it multiplies by λ(σ_k, 0).  The part of Z in both null spaces is
normal to the rank-r matrices and goes to zero (at depth 1 as well, where the network means the
projected flow).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry import DeepLinearNetwork

from .factored import FactoredMatrix, finite_matrix
from .network_kernels import NetworkKernels, explicit_shape, network_kernels

__all__ = ["apply_operator", "inner_product", "log_volume", "operator"]

Array = NDArray[np.float64]

TANGENCY_TOLERANCE = 1e-8
"""The share of a vector that may be normal to the rank-r matrices before it is refused."""


def apply_operator(kernels: NetworkKernels, U: Array, sigma: Array, V: Array, Z: Array, inverse: bool = False) -> Array:
    """A_N(Z), or A_N⁻¹(Z), from the decomposition of X; Z is (m, n)."""
    exponent = -1 if inverse else 1
    null = np.asarray(kernels.null(sigma))
    block = U.T @ Z @ V
    result = U @ (kernels.multiplier_matrix(sigma) ** exponent * block) @ V.T
    # A square frame has no null space: what rounding leaves against it must not be divided by λ(σ_k, 0).
    if U.shape[0] > len(sigma):
        result += ((Z @ V - U @ block) * null**exponent) @ V.T
    if V.shape[0] > len(sigma):
        result += U @ ((Z.T @ U - V @ block.T) * null**exponent).T
    return np.asarray(result)


def _point(network: DeepLinearNetwork, X: ArrayLike | FactoredMatrix) -> FactoredMatrix:
    shape, rank = explicit_shape(network), network.coframe.rank
    point = X if isinstance(X, FactoredMatrix) else FactoredMatrix.from_matrix(X, rank)
    if point.shape != shape or point.rank != rank:
        raise ValueError(
            f"X must be a {shape[0]} x {shape[1]} matrix of rank {rank}, as the network, "
            f"not {point.shape[0]} x {point.shape[1]} of rank {point.rank}"
        )
    return point


def _vector(network: DeepLinearNetwork, name: str, Z: ArrayLike) -> Array:
    vector = finite_matrix(name, Z)
    if vector.shape != explicit_shape(network):
        raise ValueError(f"{name} must have the network's shape {network.shape}, not {vector.shape}")
    return vector


def operator(network: DeepLinearNetwork, X: ArrayLike | FactoredMatrix) -> Callable[[ArrayLike], Array]:
    """The operator A_N at X (A_N/N for a rescaled network), as a function of Z, (m, n) to (m, n).

    Raises
    ------
    ValueError
        If X or Z does not fit the network, or is not finite.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> A = operator(DeepLinearNetwork(2, (2, 2)), [[3.0, 0.0], [0.0, 1.0]])
    >>> A([[1.0, 1.0], [0.0, 1.0]]).round(12).tolist()
    [[6.0, 4.0], [0.0, 2.0]]
    """
    U, sigma, V = _point(network, X).decomposition
    kernels = network_kernels(network)
    return lambda Z: apply_operator(kernels, U, sigma, V, _vector(network, "Z", Z))


def inner_product(network: DeepLinearNetwork, X: ArrayLike | FactoredMatrix, Y: ArrayLike, Z: ArrayLike) -> float:
    """g^N(Y, Z) = <Y, A_N⁻¹ Z> at X, for tangent vectors Y and Z.

    Raises
    ------
    ValueError
        If a vector is not tangent to the rank-r matrices at X, or there is no metric (infinite depth
        unless m = n = r).
    """
    _ = network.metric  # raises where there is none
    U, sigma, V = _point(network, X).decomposition
    vectors = [_vector(network, name, vector) for name, vector in (("Y", Y), ("Z", Z))]
    for name, vector in zip("YZ", vectors, strict=True):
        against = vector - U @ (U.T @ vector)
        normal = against - (against @ V) @ V.T
        if np.linalg.norm(normal) > TANGENCY_TOLERANCE * np.linalg.norm(vector):
            raise ValueError(
                f"{name} is not tangent to the matrices of rank {len(sigma)} at X: its normal part has norm "
                f"{np.linalg.norm(normal):.2e} of {np.linalg.norm(vector):.2e}; project it first"
            )
    return float(np.sum(vectors[0] * apply_operator(network_kernels(network), U, sigma, V, vectors[1], inverse=True)))


def log_volume(network: DeepLinearNetwork, X: ArrayLike | FactoredMatrix) -> float:
    """log √det g^N at X in the singular-value coframe; -inf where singular values coalesce."""
    return float(network_kernels(network).log_volume_at(_point(network, X).singular_values))
