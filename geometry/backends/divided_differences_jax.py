"""Power divided differences in jax.numpy, as their derivatives are; see `divided_differences_arrays`."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from .divided_differences_arrays import Exponents, array_divided_difference
from .jax_backend import log_ratio, power

__all__ = ["NAMESPACE", "power_divided_difference"]

_SMALLEST = 2.2250738585072014e-308


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _divided_difference(exponents: Exponents, *points: Any) -> Any:
    return array_divided_difference(jnp, power, log_ratio, exponents, points)


@_divided_difference.defjvp
def _divided_difference_slope(exponents: Exponents, primals: Any, tangents: Any) -> tuple[Any, Any]:
    """d/da_i = a_i^(q-1) [s_0, …, s_i, s_i, …, s_n] a^p, at zero taken at the smallest normal number."""
    _, _, q, below = exponents
    slope = jnp.zeros_like(primals[0])
    for point, tangent in zip(primals, tangents, strict=True):
        inside = jnp.maximum(point, _SMALLEST)
        slope += power(inside, q - below, below) * _divided_difference(exponents, *primals, inside) * tangent
    return _divided_difference(exponents, *primals), slope


def power_divided_difference(
    p_numerator: float, p_denominator: float, q_numerator: float, q_denominator: float, *points: Any
) -> Any:
    """[s_0, …, s_n] a^p with respect to s = a^q/q (log a at q = 0), in the points a_0, …, a_n in any order.

    Raises
    ------
    TypeError
        If an exponent is an array: which form is accurate depends on it, so that it cannot be traced.
    """
    parts = (p_numerator, p_denominator, q_numerator, q_denominator)
    if not all(isinstance(part, (int, float)) for part in parts):
        raise TypeError(
            "on the backend 'jax' the exponents of a divided difference must be numbers, not arguments of the kernel; "
            "substitute the depth before compiling"
        )
    p, p_below, q, q_below = map(float, parts)
    arrays = jnp.broadcast_arrays(*(jnp.asarray(point, dtype=jnp.float64) for point in points))
    return _divided_difference((p, p_below, q, q_below), *arrays)


NAMESPACE = {"power_divided_difference": power_divided_difference}
"""The functions that emitted kernels call."""
