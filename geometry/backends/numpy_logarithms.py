r"""Sums of logarithms in twice the working precision, on NumPy arrays.

A sum Σ c log x of many terms loses digits three times: in each logarithm, in each product with a coefficient, in the
additions.  So factors with the same coefficient are multiplied first, with their exponents apart,

    log Π x = e log 2 + log m,     1/√2 <= m < √2,

which is exact but for the rounding of m and of log m; the products of the coefficients with e log 2 and the additions
are done in double-double arithmetic, and the sum is rounded once.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .double_double import LN2_HIGH, LN2_LOW, exponent_weight, split_quotient, two_product, two_sum

__all__ = [
    "Pair",
    "exact_product",
    "extended",
    "extended_sum",
    "log_mean_excess",
    "magnitude",
    "rounded",
    "scaled_product",
    "sum_of_logs",
    "weighted_log",
]

Array = NDArray[np.float64]
Pair = tuple[Any, Any]

SERIES_TERMS = 14
"""Of sinh(x)/x - 1 for x <= 2: 4^14/29! = 3e-23."""


def scaled_product(*factors: Any) -> Pair:
    """Π x as a mantissa and an exponent of 2; the mantissa of up to two factors is between 1/√2 and √2 in size."""
    if len(factors) == 1 and type(factors[0]) in (int, float):
        return _scaled_constant(float(factors[0]))
    mantissa, exponent = np.frexp(factors[0])
    for factor in factors[1:]:
        part, shift = np.frexp(factor)
        if part.shape == mantissa.shape:
            mantissa *= part
            exponent += shift
        else:
            mantissa, exponent = mantissa * part, exponent + shift
    return _normalized(mantissa, exponent) if len(factors) < 3 else _halved(mantissa, exponent)


def _halved(mantissa: Array, exponent: Array) -> Pair:
    """The mantissa from 1/2 up to 1."""
    mantissa, shift = np.frexp(mantissa)
    shift += exponent
    return mantissa, shift


def _normalized(mantissa: Array, exponent: Array) -> Pair:
    """The mantissa from 1/√2 up to √2: numbers near 1 keep the exponent 0, so that their logarithms do not cancel."""
    mantissa, exponent = _halved(mantissa, exponent)
    low = np.abs(mantissa) < math.sqrt(0.5)
    return mantissa * (1.0 + low), exponent - low


@lru_cache(maxsize=256)
def _scaled_constant(value: float) -> tuple[float, int]:
    mantissa, exponent = math.frexp(value)
    return (2 * mantissa, exponent - 1) if mantissa < math.sqrt(0.5) else (mantissa, exponent)


def exact_product(*factors: Any) -> tuple[Any, Any, Any]:
    """Π x as a mantissa, an exponent of 2, and what is missing of the mantissa, in units of it."""
    mantissa, exponent = scaled_product(factors[0])
    missing: Any = 0.0
    for factor in factors[1:]:
        part, shift = np.frexp(factor)
        mantissa, error = two_product(mantissa, part)
        missing = missing + error / mantissa
        mantissa, exponent = _normalized(mantissa, exponent + shift)
    return mantissa, exponent, missing


def magnitude(product: tuple[Any, ...]) -> tuple[Any, ...]:
    """The absolute value of a product."""
    return np.abs(product[0]), *product[1:]


def weighted_log(numerator: Any, denominator: Any, product: tuple[Any, ...]) -> Pair:
    """c log P as an unevaluated sum of two doubles, c = numerator/denominator."""
    mantissa, exponent, *missing = product
    if not isinstance(exponent, int):
        exponent = exponent.astype(np.float64)
    if missing:
        logarithm, error = two_sum(exponent * LN2_HIGH, np.log(mantissa))
        return _weighted(numerator, denominator, logarithm, error + (exponent * LN2_LOW + missing[0]))
    is_constant = isinstance(numerator, (int, float)) and isinstance(denominator, (int, float))
    coefficient, high, low = (_constant_weight if is_constant else exponent_weight)(numerator, denominator)
    # The mantissa's share, at most c log 2, is only rounded.
    rest = np.log(mantissa)
    rest *= coefficient
    leading = exponent * high
    exponent *= low
    rest += exponent
    return leading, rest


@lru_cache(maxsize=256)
def _constant_weight(numerator: float, denominator: float) -> tuple[float, float, float]:
    return exponent_weight(float(numerator), float(denominator))


def _weighted(numerator: Any, denominator: Any, value: Array, error: Array) -> Pair:
    if type(numerator) is int and abs(numerator) == 1 and denominator in (1, 2):
        return numerator / denominator * value, numerator / denominator * error
    coefficient, remainder = split_quotient(np.float64(numerator), np.float64(denominator))
    product, rounding = two_product(coefficient, value)
    return product, rounding + coefficient * error + remainder * value


def log_mean_excess(weight: tuple[Any, Any], exponent: Any, gap: Array, ratio: Pair) -> Pair:
    """c log(sinh(x)/x) for x = p gap/2, where gap = log ratio; 0 for an infinite gap.

    Where x is small log(1 + x²/6 + …), which is relatively accurate; else x - log(2 x) + log(1 - exp(-2 x)), with the
    first term twice as precise, since it may cancel with the logarithms of the numbers themselves.
    """
    x = exponent * gap / 2
    square = np.minimum(x, 2.0) ** 2
    series = np.zeros_like(square)
    for k in range(SERIES_TERMS, 0, -1):
        series = square / (2 * k * (2 * k + 1)) * (1.0 + series)
    value, error = np.log1p(series), np.zeros_like(square)
    far = np.asarray(x > 2.0)
    if far.any():
        large = np.maximum(x, 2.0)
        high, low = two_sum(*weighted_log(exponent, 2, ratio))
        high, more = two_sum(high, np.log1p(-np.exp(-2 * large)) - np.log(2 * large))
        finite = far & (x < np.inf)
        value = np.where(finite, high, np.where(far, 0.0, value))
        error = np.where(finite, low + more, 0.0)
    return _weighted(*weight, value, error)


def sum_of_logs(*pairs: Pair) -> Pair:
    """The sum of weighted logarithms, whose leading parts are added without rounding."""
    leading, rest = pairs[0]
    for value, more in pairs[1:]:
        leading, rest = leading + value, rest + more
    return leading, rest


def extended(x: Any) -> Pair:
    """A number, exactly."""
    return x, 0.0


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
    total: Array = np.asarray(high + low)
    if np.isnan(total).any():
        total = np.where(np.isfinite(high), total, high)
    return total
