r"""Power differences and means in double precision, vectorized over NumPy arrays.

With hi >= lo and g = log(hi/lo) >= 0,

    (a^p - b^p)/(a^q - b^q) = hi^(p-q) expm1(-p g)/expm1(-q g),

where nothing cancels, whatever the gap, once g itself is accurate (log1p where the numbers are
near) and once the rounding of the exponent is compensated: with s = fl(s) + δ,

    x^s = x^fl(s) (1 + δ log x) up to δ²,

which at x = 1e±150 alone is worth hundreds of units in the last place.  Exponents come as a
numerator and a denominator, so that δ is known.  Callers silence floating-point warnings.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["NAMESPACE"]

Array = NDArray[np.float64]

_SPLITTER = 134217729.0  # 2^27 + 1: Veltkamp's splitting of a double into two halves


def _product_error(x: Array, y: Array) -> Array:
    """x y - fl(x y), exactly (Dekker)."""
    product = x * y
    x_high = _SPLITTER * x
    x_high = x_high - (x_high - x)
    y_high = _SPLITTER * y
    y_high = y_high - (y_high - y)
    x_low, y_low = x - x_high, y - y_high
    return ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


def _split_quotient(numerator: ArrayLike, denominator: ArrayLike) -> tuple[Array, Array]:
    """numerator/denominator as fl + δ, accurate to second order for exact arguments."""
    p, q = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    quotient = p / q
    product = quotient * q
    return quotient, ((p - product) - _product_error(quotient, q)) / q


@lru_cache(maxsize=1024)
def _split_constant(numerator: float, denominator: float) -> tuple[float, float]:
    quotient, remainder = _split_quotient(numerator, denominator)
    return float(quotient), float(remainder)


def _split_exponent(numerator: ArrayLike, denominator: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
    if np.ndim(numerator) == 0 and np.ndim(denominator) == 0:
        return _split_constant(float(numerator), float(denominator))  # type: ignore[arg-type]
    return _split_quotient(numerator, denominator)


def power(x: ArrayLike, numerator: ArrayLike, denominator: ArrayLike) -> Array:
    """x^(numerator/denominator) with the rounding of the exponent compensated."""
    exponent, remainder = _split_exponent(numerator, denominator)
    x = np.asarray(x, dtype=np.float64)
    result: Array = np.asarray(np.power(x, np.asarray(exponent, dtype=np.float64)))
    if np.ndim(remainder) == 0 and remainder == 0:
        return result
    logarithm = np.log(x)
    return np.where(np.isfinite(logarithm), result * (1.0 + remainder * logarithm), result)


def log_ratio(a: ArrayLike, b: ArrayLike) -> Array:
    """log a - log b, relatively accurate also where a and b are near each other."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    quotient = a / b
    near = (quotient > 0.5) & (quotient < 2.0)
    logarithm = np.where(near, np.log1p(np.where(near, (a - b) / b, 0.0)), np.log(quotient))
    representable = (quotient > 1e-300) & (quotient < 1e300)
    return np.where(representable, logarithm, np.log(a) - np.log(b))


def _ordered(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    """The larger of two numbers and the logarithm of the ratio to the smaller, 0 where they are equal."""
    high, low = np.maximum(a, b), np.minimum(a, b)
    return high, np.where(high == low, 0.0, log_ratio(high, low))


def _decay(x: Array) -> Array:
    """(1 - exp(-x))/x, with the value 1 at 0."""
    return np.where(x == 0, 1.0, -np.expm1(-x) / np.where(x == 0, 1.0, x))


def power_difference(a: ArrayLike, b: ArrayLike, numerator: ArrayLike, denominator: ArrayLike) -> Array:
    """(a^q - b^q)/q for q = numerator/denominator, and log(a/b) for q = 0."""
    high, gap = _ordered(a, b)
    exponent = np.divide(numerator, denominator)
    size = power(high, numerator, denominator) * _decay(exponent * gap) * gap
    return np.where(np.asarray(a) >= np.asarray(b), size, -size)


def power_difference_mean(
    a: ArrayLike,
    b: ArrayLike,
    p_numerator: ArrayLike,
    p_denominator: ArrayLike,
    q_numerator: ArrayLike,
    q_denominator: ArrayLike,
) -> Array:
    """(q/p) (a^p - b^p)/(a^q - b^q), with the value a^(p-q) at a = b and the logarithmic mean at q = 0."""
    high, gap = _ordered(a, b)
    x = np.divide(p_numerator, p_denominator) * gap
    y = np.divide(q_numerator, q_denominator) * gap
    top, bottom = np.multiply(p_numerator, q_denominator), np.multiply(p_denominator, q_denominator)
    degree = power(high, top - np.multiply(q_numerator, p_denominator), bottom)
    ratio = _decay(x) / _decay(y)
    # 1/(infinite gap) is 0 over 0 where both numbers decay: against zero the mean is (q/p) a^(p-q).
    at_zero = np.isinf(gap)
    share = np.divide(np.multiply(q_numerator, p_denominator), top)
    return degree * np.where(at_zero, share, ratio)


def logarithmic_mean(a: ArrayLike, b: ArrayLike) -> Array:
    """(a - b)/(log a - log b), with the value a at a = b and 0 against zero."""
    high, gap = _ordered(a, b)
    return high * _decay(gap)


def log_power_gap(a: ArrayLike, b: ArrayLike, numerator: ArrayLike, denominator: ArrayLike) -> Array:
    """log |(a/b)^(q/2) - (b/a)^(q/2)| = log(2 sinh(q |log(a/b)|/2)): -inf where a = b."""
    _, gap = _ordered(a, b)
    width = np.abs(np.divide(numerator, denominator)) * gap
    return width / 2 + np.log(-np.expm1(-width))


def compensated_sum(*terms: ArrayLike) -> Array:
    """The sum of the terms with its rounding errors carried along (Kahan, Babuška, Neumaier)."""
    total, error = np.asarray(0.0), np.asarray(0.0)
    for term in terms:
        new = total + term
        virtual = new - total
        error = error + ((total - (new - virtual)) + (term - virtual))
        total = new
    return np.where(np.isfinite(total), total + error, total)


NAMESPACE = {
    function.__name__: function
    for function in (
        power,
        log_ratio,
        power_difference,
        power_difference_mean,
        logarithmic_mean,
        log_power_gap,
        compensated_sum,
    )
}
"""The functions that emitted kernels call."""
