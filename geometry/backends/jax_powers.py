r"""Powers, logarithms of ratios and the functions E_k in jax.numpy, with their derivatives; see `jax_backend`."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from .double_double import split_quotient
from .jax_calls import double

__all__ = [
    "SCALE",
    "cube_root",
    "decay",
    "decay_center",
    "fifth_root",
    "log_gap",
    "log_ratio",
    "log_ratio_slope",
    "power",
    "power_slope",
    "square_root",
]

Array = Any  # jax.Array or a tracer
SCALE = 2.0**300
"""A factor for differences of numbers below 1e-200, which XLA would take for 0 below 2e-308."""


@jax.custom_jvp
def _power(x: Array, numerator: Array, denominator: Array) -> Array:
    exponent, remainder = split_quotient(numerator, denominator)
    regular = (x > 0) & (x < jnp.inf)
    correction = 1.0 + remainder * jnp.log(jnp.where(regular, x, 1.0))
    return jnp.power(x, exponent) * jnp.where(regular, correction, 1.0)


@_power.defjvp
def power_slope(primals: Any, tangents: Any) -> tuple[Array, Array]:
    """x^(n/d) and its derivative along a tangent, for the rules of other functions."""
    (x, n, d), (dx, dn, dd) = primals, tangents
    value, inside = _power(x, n, d), jnp.where(x == 0, 1.0, x)
    slope = jnp.where(x == 0, jnp.where(n == d, 1.0, 0.0), n / d * _power(inside, n - d, d))
    return value, slope * dx + value * jnp.log(inside) * (dn * d - n * dd) / (d * d)


def power(x: Any, numerator: Any, denominator: Any) -> Array:
    """x^(numerator/denominator) with the rounding of the exponent compensated."""
    return _power(*jnp.broadcast_arrays(*map(double, (x, numerator, denominator))))


@jax.custom_jvp
def _cube_root(x: Array) -> Array:
    root = jnp.cbrt(x)
    # One step of Newton's method: the root that XLA computes is a power with a rounded exponent.
    inside = jnp.where((root > 0) & (root < jnp.inf), root, 1.0)
    return jnp.where(inside == root, root - (root - x / inside / inside) / 3, root)


@_cube_root.defjvp
def _cube_root_slope(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    root = _cube_root(x)
    return root, jnp.where(x == 0, 0.0, root / jnp.where(x == 0, 1.0, 3 * x)) * dx


def cube_root(x: Any) -> Array:
    """x^(1/3)."""
    return _cube_root(double(x))


def fifth_root(x: Any) -> Array:
    """x^(1/5)."""
    return power(x, 1, 5)


@jax.custom_jvp
def _square_root(x: Array) -> Array:
    return jnp.sqrt(x)


@_square_root.defjvp
def _square_root_slope(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    root = _square_root(x)
    return root, jnp.where(x == 0, 0.0, 0.5 / jnp.where(x == 0, 1.0, root)) * dx


def square_root(x: Any) -> Array:
    """x^(1/2)."""
    return _square_root(double(x))


@jax.custom_jvp
def _log_ratio(a: Array, b: Array) -> Array:
    high, low = jnp.maximum(a, b), jnp.minimum(a, b)
    # Differences of numbers below 1e-290 may be taken for 0.
    scale = jnp.where(high < 1e-200, SCALE, 1.0)
    excess = (high * scale - low * scale) / (low * scale)
    gap = jnp.where(jnp.isfinite(excess), jnp.log1p(excess), jnp.log(high) - jnp.log(low))
    return jnp.where(a == b, 0.0, jnp.where(a > b, gap, -gap))


@_log_ratio.defjvp
def log_ratio_slope(primals: Any, tangents: Any) -> tuple[Array, Array]:
    """The logarithm of a ratio and its derivative along a tangent, for the rules of other functions."""
    (a, b), (da, db) = primals, tangents
    x, y = jnp.where(a == 0, 1.0, a), jnp.where(b == 0, 1.0, b)
    return _log_ratio(a, b), jnp.where(a == 0, 0.0, da / x) - jnp.where(b == 0, 0.0, db / y)


def log_ratio(a: Any, b: Any) -> Array:
    """log a - log b, relatively accurate also where a and b are near each other."""
    return _log_ratio(*jnp.broadcast_arrays(double(a), double(b)))


def log_gap(a: Any, b: Any) -> Array:
    """|log a - log b|, relatively accurate also where a and b are near each other."""
    return jnp.abs(log_ratio(a, b))


# ------------------------------------------------------------------------------- the functions E_k


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def decay(order: int, x: Array) -> Array:
    """E_k(x) for x >= 0 and k = order."""
    if order == 0:
        return jnp.where(x == 0, 1.0, -jnp.expm1(-x) / jnp.where(x == 0, 1.0, x))
    # Near zero exp(-x) Σ x^j / ((k+1) ⋯ (k+1+j)), whose terms are positive; elsewhere by the recurrence.
    near = x < order + 1.5
    inside = jnp.where(near, x, 1.0)
    total = jnp.ones_like(inside)
    for divisor in range(order + 25, order + 1, -1):
        total = 1.0 + total * inside / divisor
    series = jnp.exp(-inside) * total / (order + 1)
    outside = jnp.where(near, order + 1.5, x)
    value = -jnp.expm1(-outside) / outside
    for k in range(1, order + 1):
        value = (k * value - jnp.exp(-outside)) / outside
    return jnp.where(near, series, value)


@decay.defjvp
def _decay_slope(order: int, primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return decay(order, x), -decay(order + 1, x) * dx


def decay_center(x: Array) -> Array:
    """r(x) = E_1(x)/E_0(x) for any sign: r(-x) = 1 - r(x)."""
    negative = x < 0
    size = jnp.where(negative, -x, x)
    ratio = decay(1, size) / decay(0, size)
    return jnp.where(negative, 1.0 - ratio, ratio)
