"""Sums of logarithms in twice the working precision, in jax.numpy; see `numpy_logarithms` for the forms."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from .double_double import LN2_HIGH, LN2_LOW, split_quotient, two_product, two_sum
from .jax_calls import double

__all__ = [
    "exact_product",
    "extended",
    "extended_log",
    "extended_sum",
    "magnitude",
    "rounded",
    "scaled_product",
    "weighted",
    "weighted_log",
]

Array = Any  # jax.Array or a tracer
Pair = tuple[Array, Array]


def scaled_product(*factors: Any) -> tuple[Array, ...]:
    """The factors themselves: what is differentiated is the logarithm of their product."""
    return tuple(map(double, factors))


exact_product = scaled_product


def magnitude(factors: tuple[Array, ...]) -> tuple[Array, ...]:
    """The absolute values of the factors."""
    return tuple(map(jnp.abs, factors))


def weighted(numerator: Array, denominator: Array, value: Array, error: Array) -> Pair:
    """c times an unevaluated sum, c = numerator/denominator."""
    coefficient, remainder = split_quotient(numerator, denominator)
    product, rounding = two_product(coefficient, value)
    return product, rounding + coefficient * error + remainder * value


def _normalized(mantissa: Array, exponent: Array) -> tuple[Array, Array]:
    """The mantissa between 1/√2 and √2."""
    mantissa, shift = jnp.frexp(mantissa)
    low = mantissa < math.sqrt(0.5)
    return jnp.where(low, 2 * mantissa, mantissa), exponent + shift - low


def extended_log(*factors: Array) -> Pair:
    """log Π x as an unevaluated sum; see `numpy_logarithms.exact_product`."""
    mantissa, exponent = _normalized(factors[0], 0)
    missing = jnp.zeros_like(mantissa)
    for factor in factors[1:]:
        part, exponent = _normalized(factor, exponent)
        mantissa, error = two_product(mantissa, part)
        missing += error / jnp.where(mantissa == 0, 1.0, mantissa)
        mantissa, exponent = _normalized(mantissa, exponent)
    logarithm, error = two_sum(exponent * LN2_HIGH, jnp.log(mantissa))
    return logarithm, error + (exponent * LN2_LOW + missing)


@jax.custom_jvp
def _weighted_log(numerator: Array, denominator: Array, *factors: Array) -> Pair:
    return weighted(numerator, denominator, *extended_log(*factors))


@_weighted_log.defjvp
def _weighted_log_slope(primals: Any, tangents: Any) -> tuple[Pair, Pair]:
    (n, d, *factors), (dn, dd, *slopes) = primals, tangents
    value = _weighted_log(n, d, *factors)
    slope = jnp.zeros_like(value[0])
    total = jnp.zeros_like(value[0])
    for factor, change in zip(factors, slopes, strict=True):
        inside = jnp.where(factor == 0, 1.0, factor)
        slope += jnp.where(factor == 0, 0.0, change / inside)
        total += jnp.log(inside)
    slope = n / d * slope + (dn * d - n * dd) / (d * d) * total
    return value, (slope, jnp.zeros_like(slope))


def weighted_log(numerator: Any, denominator: Any, product: tuple[Array, ...]) -> Pair:
    """c log P as an unevaluated sum of two doubles, c = numerator/denominator."""
    return _weighted_log(*jnp.broadcast_arrays(double(numerator), double(denominator), *product))


def extended(x: Any) -> Pair:
    """A number, exactly."""
    return double(x), jnp.zeros(())


def extended_sum(*pairs: Pair) -> Pair:
    """The sum of unevaluated sums."""
    total, error = pairs[0]
    for value, more in pairs[1:]:
        total, rounding = two_sum(total, value)
        error = error + (rounding + more)
    return total, error


def rounded(pair: Pair) -> Array:
    """The value of an unevaluated sum; where the leading part is not finite, that part."""
    high, low = pair
    return high + jnp.where(jnp.isfinite(high), low, 0.0)
