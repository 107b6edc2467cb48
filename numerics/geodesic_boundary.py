r"""Geodesics between two matrices, their length, and the logarithm map.

The velocity at X is found by shooting (`numerics.geodesic_shooting`), from a path that joins X with Y
(`numerics.geodesic_starts`).  Geodesics between two points are not unique: the paths
start in different classes, as rotating diag(1, ε) into diag(ε, 1) one way, the other, or not at all, and the shortest
geodesic found is returned.  That it is the shortest of all is not proved.

As ε → 0 the diagonal geodesic has length √(2N), and rotating with the singular values held fixed takes π/√2 (plain
metric): rotating is shorter from depth 3 on, for small ε.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry import DeepLinearNetwork

from .factored import FactoredMatrix
from .geodesic_points import manifold_point
from .geodesic_shooting import shoot
from .geodesic_starts import connecting_paths
from .geodesics import GeodesicError, GeodesicPath, geodesic, require_rtol
from .riemannian import inner_product

__all__ = ["distance", "geodesic_between", "logarithm_map"]

Array = NDArray[np.float64]

WORTH_TRYING = 1.5
"""How much longer than a geodesic found a path may be to be tried as well."""


def geodesic_between(
    network: DeepLinearNetwork,
    X: ArrayLike | FactoredMatrix,
    Y: ArrayLike | FactoredMatrix,
    times: ArrayLike | None = None,
    starts: int = 2,
    rtol: float = 1e-10,
) -> GeodesicPath:
    r"""The shortest geodesic found from X at time 0 to Y at time 1.

    Parameters
    ----------
    network : DeepLinearNetwork
        As for `geodesic`.
    X, Y : arrays (m, n) or FactoredMatrix
        Of the network's rank.
    times : array (T,), optional
        From 0 to 1; 11 of them unless given.
    starts : int
        How many of the connecting paths, the shortest first, are turned into geodesics, if they are not much longer
        than a geodesic found before.
    rtol : float
        Relative tolerance of the integration; Y is met within about ten times it.

    Returns
    -------
    GeodesicPath

    Raises
    ------
    ValueError
        If X or Y is singular or does not fit, or det X and det Y have different signs: then no path of invertible
        matrices joins them.
    GeodesicError
        If no geodesic was found: the points may be joined through matrices of lower rank only, or lie beyond
        conjugate points on all paths tried.

    Examples
    --------
    At depth 2 and on positive definite matrices the length is √2 times the Bures-Wasserstein distance:

    >>> network = DeepLinearNetwork(2, (2, 2))
    >>> path = geodesic_between(network, [[4.0, 0.0], [0.0, 1.0]], [[9.0, 0.0], [0.0, 1.0]])
    >>> round(path.length, 7), path.matrix(5).round(7).tolist()
    (1.4142136, [[6.25, 0.0], [0.0, 1.0]])
    """
    first, last = manifold_point(network, "X", X), manifold_point(network, "Y", Y)
    if not isinstance(starts, int) or starts < 1:
        raise ValueError(f"starts must be a positive integer, not {starts!r}")
    grid = np.linspace(0, 1, 11) if times is None else np.asarray(times, dtype=np.float64)
    if grid.ndim != 1 or len(grid) < 2 or grid[0] != 0 or grid[-1] != 1:
        raise ValueError(f"times must go from 0, where X is, to 1, where Y is, not {times!r}")
    require_rtol(rtol)
    velocity = _shortest_velocity(network, first, last, starts, rtol)
    return geodesic(network, first, velocity, grid, rtol)


def logarithm_map(
    network: DeepLinearNetwork,
    X: ArrayLike | FactoredMatrix,
    Y: ArrayLike | FactoredMatrix,
    starts: int = 2,
    rtol: float = 1e-10,
) -> Array:
    """The velocity at X, (m, n), of the geodesic that is at Y after time 1; see `geodesic_between`."""
    return geodesic_between(network, X, Y, [0.0, 1.0], starts, rtol).velocity(0)


def distance(
    network: DeepLinearNetwork,
    X: ArrayLike | FactoredMatrix,
    Y: ArrayLike | FactoredMatrix,
    starts: int = 2,
    rtol: float = 1e-10,
) -> float:
    """The length of the shortest geodesic found from X to Y; see `geodesic_between`.

    Examples
    --------
    At depth 1 it is the Frobenius norm of the difference:

    >>> round(distance(DeepLinearNetwork(1, (2, 2)), [[1.0, 0.0], [0.0, 1.0]], [[4.0, 0.0], [0.0, 5.0]]), 9)
    5.0
    """
    return geodesic_between(network, X, Y, [0.0, 1.0], starts, rtol).length


def _shortest_velocity(
    network: DeepLinearNetwork, X: FactoredMatrix, Y: FactoredMatrix, starts: int, rtol: float
) -> Array:
    difference = np.linalg.norm(X.to_array() - Y.to_array())
    if difference <= 1e-15 * np.linalg.norm(X.S):
        return np.zeros(X.shape)
    paths = connecting_paths(network, X, Y)
    if not paths:
        raise ValueError(
            "det X and det Y have different signs, and no path of invertible matrices joins them; "
            "change the sign of a row of one of them"
        )
    found: list[tuple[float, Array]] = []
    failures = []
    for path in paths[:starts]:
        if found and path.length() > WORTH_TRYING * min(length for length, _ in found):
            continue
        try:
            velocity = shoot(network, X, path, rtol)
        except GeodesicError as error:
            failures.append(str(error))
        else:
            found.append((float(np.sqrt(inner_product(network, X, velocity, velocity))), velocity))
    if not found:
        raise GeodesicError(
            f"no geodesic from X to Y was found from {len(failures)} paths: {failures[0]}; the shortest way may lead "
            "through matrices of lower rank, or past a conjugate point: try more starts, or an intermediate point"
        )
    return min(found, key=lambda pair: pair[0])[1]
