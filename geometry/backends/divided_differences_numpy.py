"""Power divided differences in double precision, vectorized over NumPy arrays; see `divided_differences_arrays`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .divided_differences_arrays import array_divided_difference
from .numpy_backend import log_ratio, power

__all__ = ["NAMESPACE", "power_divided_difference"]

Array = NDArray[np.float64]


def power_divided_difference(
    p_numerator: ArrayLike,
    p_denominator: ArrayLike,
    q_numerator: ArrayLike,
    q_denominator: ArrayLike,
    *points: ArrayLike,
) -> Array:
    """[s_0, …, s_n] a^p with respect to s = a^q/q (log a at q = 0), in the points a_0, …, a_n in any order."""
    parts = (p_numerator, p_denominator, q_numerator, q_denominator)
    if any(np.ndim(part) for part in parts):
        return _at_each_exponent(parts, points)
    p, p_below, q, q_below = (float(part) for part in parts)  # type: ignore[arg-type]
    arrays = np.broadcast_arrays(*(np.asarray(point, dtype=np.float64) for point in points))
    return np.asarray(array_divided_difference(np, power, log_ratio, (p, p_below, q, q_below), arrays))


def _at_each_exponent(parts: tuple[ArrayLike, ...], points: tuple[ArrayLike, ...]) -> Array:
    """Exponents that are arrays: one call for each of their values."""
    arrays = np.broadcast_arrays(*parts, *points)
    flat = np.stack([np.asarray(array, dtype=np.float64).ravel() for array in arrays])
    result = np.empty(flat.shape[1])
    for exponents in np.unique(flat[:4], axis=1).T:
        chosen = np.all(flat[:4] == exponents[:, None], axis=0)
        result[chosen] = power_divided_difference(*exponents.tolist(), *flat[4:, chosen])
    return result.reshape(arrays[0].shape)


NAMESPACE = {"power_divided_difference": power_divided_difference}
"""The functions that emitted kernels call."""
