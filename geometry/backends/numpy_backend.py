r"""Power differences and means in double precision, vectorized over NumPy arrays.

With hi >= lo and g = log(hi/lo) >= 0,

    a^q - b^q = ± hi^q (1 - exp(-q g)),     (a - b)/(a^q - b^q) = hi^(1-q) ((hi - lo)/hi)/(1 - exp(-q g)),

where nothing cancels, whatever the gap, once g itself is accurate, which g = log1p((hi - lo)/lo) is for every ratio
that is a double, and once the rounding of exponents is compensated: with s = fl(s) + δ,

    x^s = x^fl(s) (1 + δ log x) up to δ²,

which at x = 1e±150 alone is worth hundreds of units in the last place.  Zeros, coalescence and ratios that overflow are
looked for with one reduction of a whole block, and treated only where they occur.  Callers silence warnings.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .double_double import LN2_HIGH, split_quotient
from .numpy_calls import call, kernel_function
from .numpy_logarithms import (
    Pair,
    exact_product,
    extended,
    extended_sum,
    log_mean_excess,
    magnitude,
    rounded,
    scaled_product,
    sum_of_logs,
    weighted_log,
)
from .numpy_special import gamma, hypergeometric, lambert_w, log_gamma

__all__ = ["LIBRARIES", "NAMESPACE", "call", "kernel_function", "log_ratio", "power"]

LIBRARIES = ["numpy"]
"""Where emitted code finds the elementary functions."""

Array = NDArray[np.float64]

TINY = 1e-300
"""In place of 0 in quotients 0/0."""

_SMALLEST = 5e-324


# ------------------------------------------------------------------------------ powers and logarithms


@lru_cache(maxsize=1024)
def _split_constant(numerator: float, denominator: float) -> tuple[float, float]:
    return split_quotient(float(numerator), float(denominator))


def _split_exponent(numerator: Any, denominator: Any) -> tuple[Any, Any]:
    if isinstance(numerator, (int, float)) and isinstance(denominator, (int, float)):
        return _split_constant(numerator, denominator)
    return split_quotient(np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64))


def power(x: ArrayLike, numerator: Any, denominator: Any) -> Array:
    """x^(numerator/denominator) with the rounding δ of the exponent compensated."""
    exponent, remainder = _split_exponent(numerator, denominator)
    result: Array = np.power(x, exponent)
    if type(remainder) is float and remainder == 0:
        return result
    # δ log x without the logarithm of the mantissa, whose share is a fraction of an ulp; finite at 0 and infinity.
    correction = np.frexp(x)[1] * (remainder * LN2_HIGH)
    correction += 1.0
    return result * correction


def cube_root(x: ArrayLike) -> Array:
    """x^(1/3)."""
    return np.cbrt(x)


def fifth_root(x: Array) -> Array:
    """x^(1/5): a step of Newton's method from exp(log(x)/5), which carries the rounding of its exponent."""
    root: Array = np.log(x)
    root *= 0.2
    root = np.exp(root)
    correction = root * root
    correction *= correction
    is_ordinary = _is_positive_and_finite(correction)
    correction = x / correction
    correction -= root
    correction *= 0.2
    correction += root
    return correction if is_ordinary else np.where(np.isfinite(correction), correction, root)


def _is_positive_and_finite(x: Array) -> bool:
    """Of all entries."""
    return bool(np.minimum.reduce(x, axis=None) > 0 and np.maximum.reduce(x, axis=None) < np.inf)


def _gap(difference: Array, high: Array, low: Array) -> Array:
    """log(high/low) for high >= low >= 0 and difference = high - low: 0 where they are equal, infinite against zero."""
    gap: Array = np.log1p(difference / low)
    if gap.max() < np.inf:
        return gap
    # The ratio overflows, or both are 0, or NaN.
    return np.where(np.isfinite(gap), gap, np.where(difference == 0, 0.0, np.log(high) - np.log(low)))


def log_gap(a: Any, b: Any) -> Array:
    """|log a - log b|, relatively accurate also where a and b are near each other."""
    difference = np.subtract(a, b)
    if np.minimum.reduce(difference, axis=None) >= 0:
        return _gap(difference, a, b)
    high, low = np.maximum(a, b), np.minimum(a, b)
    return _gap(high - low, high, low)


def log_ratio(a: Any, b: Any) -> Array:
    """log a - log b, relatively accurate also where a and b are near each other."""
    return np.copysign(log_gap(a, b), np.subtract(a, b))


# ----------------------------------------------------------------------------- differences and means


def homogeneous_sum(*powers: Array) -> Array:
    """Σ x^i y^j over i + j = 2 m, from x, y, x², y², x⁴, y⁴, …: x^(2m) + y^(2m) + x y (… + x y)."""
    product = powers[0] * powers[1]
    total = powers[2] + powers[3]
    total += product
    for x, y in zip(powers[4::2], powers[5::2], strict=True):
        total *= product
        total += x + y
    return total


def scaled_difference(a: Array, b: Any, h: Array) -> Array:
    """(a - b)/h, and 0 where h is 0."""
    difference = a if type(b) is int and b == 0 else np.subtract(a, b)
    positive = h if np.minimum.reduce(h, axis=None) > 0 else h + _SMALLEST
    return difference / positive


def power_difference(
    a: ArrayLike, b: ArrayLike, above: ArrayLike, below: ArrayLike, numerator: Any, denominator: Any
) -> Array:
    """a^q - b^q from above = a^q and below = b^q."""
    exponent = _exponent(numerator, denominator)
    shrink = np.expm1(log_gap(a, b) * -abs(exponent))
    return np.copysign(np.maximum(above, below) * shrink, np.subtract(a, b) * exponent)


def difference_ratio(
    a: ArrayLike, b: ArrayLike, above: ArrayLike, below: ArrayLike, numerator: Any, denominator: Any
) -> Array:
    """(a - b)/(a^q - b^q) for q > 0, from above = a^(1-q) and below = b^(1-q); a^(1-q)/q at a = b."""
    exponent = _exponent(numerator, denominator)
    relative, gap, _ = _relative_and_gap(a, b)
    # Of the two powers that of the larger number.
    if type(exponent) is float:
        leading = np.maximum(above, below) if exponent <= 1 else np.minimum(above, below)
    else:
        leading = np.where(exponent <= 1, np.maximum(above, below), np.minimum(above, below))
    relative = relative / np.expm1(gap * -exponent)
    return -leading * relative


def logarithmic_mean(a: ArrayLike, b: ArrayLike) -> Array:
    """(a - b)/(log a - log b), with the value a at a = b and 0 against zero."""
    relative, gap, high = _relative_and_gap(a, b)
    relative /= gap
    return high * relative


def _relative_and_gap(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array, Array]:
    """(hi - lo)/hi, log(hi/lo) and hi; both are TINY where a and b are equal, so that their quotient is 1."""
    high, low = np.maximum(a, b), np.minimum(a, b)
    difference = high - low
    gap = _gap(difference, high, low)
    relative = difference / high
    if not gap.min() > 0:
        relative = np.where(difference == 0, TINY, relative)
        gap += TINY
    return relative, gap, high


def _exponent(numerator: Any, denominator: Any) -> Any:
    """The quotient: a float if both are Python numbers, which is quicker than an array of one."""
    if type(numerator) is int and type(denominator) is int:
        return numerator / denominator
    return np.divide(numerator, denominator)


def _relative(difference: Array, high: Array) -> Array:
    """(high - low)/high, but TINY where they are equal, also to 0."""
    return difference / (high + _SMALLEST) + TINY


def _decay(x: Array) -> Array:
    """(1 - exp(-x))/x for x >= 0."""
    x = np.maximum(x, TINY)
    return -np.expm1(-x) / x


def power_difference_mean(
    a: ArrayLike,
    b: ArrayLike,
    p_numerator: Any,
    p_denominator: Any,
    q_numerator: Any,
    q_denominator: Any,
) -> Array:
    """(q/p) (a^p - b^p)/(a^q - b^q), with the value a^(p-q) at a = b and the logarithmic mean at q = 0.

    (a^p - b^p)/p is log(hi/lo) (1 - exp(-|p| g))/(|p| g) times hi^p, or times lo^p where p < 0.
    """
    high, low = np.maximum(a, b), np.minimum(a, b)
    gap = _gap(high - low, high, low)
    p, q = np.divide(p_numerator, p_denominator), np.divide(q_numerator, q_denominator)
    below = np.multiply(p_denominator, q_denominator)
    first, second = np.multiply(p_numerator, q_denominator), np.multiply(q_numerator, p_denominator)
    same = np.where(p + q >= 0, high, low)
    mixed = power(np.where(p > 0, high, low), first, below) * power(np.where(q > 0, high, low), -second, below)
    degree = np.where(p * q >= 0, power(same, first - second, below), mixed)
    # Against zero the quotient of the two decays is q/p.
    ratio = np.where(np.isinf(gap), np.abs(second / first), _decay(np.abs(p) * gap) / _decay(np.abs(q) * gap))
    return degree * ratio


def mean_scale(a: ArrayLike, b: ArrayLike) -> Array:
    """The larger of a and b."""
    return np.maximum(a, b)


def mean_shape(
    a: ArrayLike,
    b: ArrayLike,
    p_numerator: Any,
    p_denominator: Any,
    q_numerator: Any,
    q_denominator: Any,
) -> Array:
    """The power-difference mean for p, q > 0 over max(a, b)^(p-q)."""
    gap = log_gap(a, b) + TINY
    p, q = np.divide(p_numerator, p_denominator), np.divide(q_numerator, q_denominator)
    return np.expm1(-p * gap) / np.expm1(-q * gap) * (q / p)


def weighted_excess(
    c_numerator: Any,
    c_denominator: Any,
    a: ArrayLike,
    b: ArrayLike,
    numerator: Any,
    denominator: Any,
) -> Pair:
    """c log(sinh(x)/x) for x = (p/2) |log(a/b)|, p = numerator/denominator; 0 against zero."""
    (high, above), (low, below) = scaled_product(np.maximum(a, b)), scaled_product(np.minimum(a, b))
    ratio = (high / low, above - below)
    exponent = np.divide(numerator, denominator)
    return log_mean_excess((c_numerator, c_denominator), exponent, log_gap(a, b), ratio)


_FUNCTIONS = (
    power,
    cube_root,
    fifth_root,
    log_gap,
    log_ratio,
    homogeneous_sum,
    scaled_difference,
    power_difference,
    difference_ratio,
    logarithmic_mean,
    power_difference_mean,
    scaled_product,
    exact_product,
    magnitude,
    weighted_log,
    mean_scale,
    mean_shape,
    weighted_excess,
    sum_of_logs,
    extended,
    extended_sum,
    rounded,
    gamma,
    log_gamma,
    lambert_w,
    hypergeometric,
)
NAMESPACE = {function.__name__: function for function in _FUNCTIONS}
"""The functions that emitted kernels call."""
