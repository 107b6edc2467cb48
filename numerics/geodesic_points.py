"""What geodesics take as points and velocities, and what is refused."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry import DeepLinearNetwork

from .factored import FactoredMatrix, finite_matrix
from .network_kernels import explicit_shape

__all__ = ["SMALLEST_SHARE", "manifold_point", "tangent_vector"]

Array = NDArray[np.float64]

SMALLEST_SHARE = 1e-10
"""The share of the largest singular value at which the smallest one counts as zero, and a geodesic as ended."""

TANGENCY_TOLERANCE = 1e-8
"""The share of a velocity that may be normal to the rank-r matrices before it is refused."""


def tangent_vector(
    network: DeepLinearNetwork, X: ArrayLike | FactoredMatrix, velocity: ArrayLike
) -> tuple[FactoredMatrix, Array]:
    """X as a point of the network's manifold, and a velocity that is tangent there.

    Raises
    ------
    ValueError
        If one of them is not, or the network has no metric.
    """
    point = manifold_point(network, "start", X)
    tangent = finite_matrix("velocity", velocity)
    if tangent.shape != point.shape:
        raise ValueError(f"velocity must have the network's shape {point.shape}, not {tangent.shape}")
    against = tangent - point.U @ (point.U.T @ tangent)
    normal = np.linalg.norm(against - (against @ point.V) @ point.V.T)
    if normal > TANGENCY_TOLERANCE * np.linalg.norm(tangent):
        raise ValueError(
            f"velocity is not tangent to the matrices of rank {point.rank} at the start: its normal part has norm "
            f"{normal:.2e} of {np.linalg.norm(tangent):.2e}; project it first"
        )
    return point, tangent


def manifold_point(network: DeepLinearNetwork, name: str, X: ArrayLike | FactoredMatrix) -> FactoredMatrix:
    """X as a point of the network's shape and rank.

    Raises
    ------
    ValueError
        If it is none, or the network has no metric.
    """
    shape, rank = explicit_shape(network), network.coframe.rank
    _ = network.metric  # raises where there is none
    try:
        point = X if isinstance(X, FactoredMatrix) else FactoredMatrix.from_matrix(finite_matrix(name, X), rank)
    except ValueError as error:
        raise ValueError(f"{name} must be a {shape[0]} x {shape[1]} matrix of rank {rank}: {error}") from error
    if point.shape != shape or point.rank != rank:
        raise ValueError(
            f"{name} must be a {shape[0]} x {shape[1]} matrix of rank {rank}, as the network, "
            f"not {point.shape[0]} x {point.shape[1]} of rank {point.rank}"
        )
    sigma = point.singular_values
    if sigma[-1] <= SMALLEST_SHARE * sigma[0]:
        raise ValueError(
            f"{name} is too near the matrices of lower rank: its singular values reach from {sigma[0]:.2e} down to "
            f"{sigma[-1]:.2e}, and geodesics need a ratio above {SMALLEST_SHARE:.0e}"
        )
    return point
