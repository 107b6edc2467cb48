"""Power differences and means of single doubles, compiled by Numba; see `numpy_backend` for the forms.

Every function here is jitted, and compiled for its argument types when it is first called.
"""

from __future__ import annotations

import math
from typing import Any

from .double_double import LN2_HIGH, LN2_LOW, split_quotient, two_product, two_sum

try:
    import numba  # noqa: F401
except ImportError as error:
    raise ImportError("the backend 'numba' needs the extra 'compiled': pip install 'dln-geometry[compiled]'") from error

from .numba_calls import call, compiled, kernel_function

__all__ = ["LIBRARIES", "NAMESPACE", "call", "compiled", "kernel_function"]

LIBRARIES: list[str] = []
"""Emitted code finds the elementary functions in the namespace."""

_two_sum, _two_product, _split_quotient = map(compiled, (two_sum, two_product, split_quotient))


# ------------------------------------------------------------------------------ powers and logarithms


@compiled
def log(x: float) -> float:
    """The logarithm; NaN below zero, where that of `math` raises."""
    if x > 0:
        return math.log(x)
    return -math.inf if x == 0 else math.nan


@compiled
def sqrt(x: float) -> float:
    """The root; NaN below zero."""
    return math.sqrt(x) if x >= 0 else math.nan


@compiled
def sign(x: float) -> float:
    """-1, 0 or 1."""
    return x if x == 0 or math.isnan(x) else math.copysign(1.0, x)


@compiled
def larger(x: float, y: float) -> float:
    """The larger of two numbers; NaN if one is, where that of Python depends on their order."""
    return x if x >= y or x != x else y


@compiled
def smaller(x: float, y: float) -> float:
    """The smaller of two numbers; NaN if one is."""
    return x if x <= y or x != x else y


@compiled
def power(x: float, numerator: float, denominator: float) -> float:
    """x^(numerator/denominator) with the rounding of the exponent compensated."""
    exponent, remainder = _split_quotient(float(numerator), float(denominator))
    result = x**exponent
    return result * (1.0 + remainder * math.log(x)) if 0 < x < math.inf and remainder != 0 else result


@compiled
def cube_root(x: float) -> float:
    """x^(1/3)."""
    root = x ** (1 / 3)
    # One step of Newton's method, for the rounding of the exponent.
    return root - (root - x / root / root) / 3 if 0 < root < math.inf else root


@compiled
def fifth_root(x: float) -> float:
    """x^(1/5)."""
    return power(x, 1.0, 5.0)


@compiled
def log_gap(a: float, b: float) -> float:
    """|log a - log b|, relatively accurate also where a and b are near each other."""
    if a == b:
        return 0.0
    high, low = larger(a, b), smaller(a, b)
    gap = math.log1p((high - low) / low)
    return gap if gap < math.inf else log(high) - log(low)


@compiled
def log_ratio(a: float, b: float) -> float:
    """log a - log b, relatively accurate also where a and b are near each other."""
    return log_gap(a, b) if a >= b else -log_gap(a, b)


# ----------------------------------------------------------------------------- differences and means


@compiled
def homogeneous_sum(*powers: float) -> float:
    """Σ x^i y^j over i + j = 2 m, from x, y, x², y², x⁴, y⁴ and so on."""
    product = powers[0] * powers[1]
    total = powers[2] + powers[3] + product
    for index in range(4, len(powers), 2):
        total = powers[index] + powers[index + 1] + product * total
    return total


@compiled
def scaled_difference(a: float, b: float, h: float) -> float:
    """(a - b)/h, and 0 where h is 0."""
    return (a - b) / h if h != 0 else 0.0


@compiled
def power_difference(a: float, b: float, above: float, below: float, numerator: float, denominator: float) -> float:
    """a^q - b^q from above = a^q and below = b^q."""
    exponent = numerator / denominator
    size = -larger(above, below) * math.expm1(-abs(exponent) * log_gap(a, b))
    return size if (a >= b) == (exponent >= 0) else -size


@compiled
def difference_ratio(a: float, b: float, above: float, below: float, numerator: float, denominator: float) -> float:
    """(a - b)/(a^q - b^q) for q > 0, from above = a^(1-q) and below = b^(1-q); a^(1-q)/q at a = b."""
    exponent = numerator / denominator
    high, low = larger(a, b), smaller(a, b)
    if a == b:
        return above / exponent
    return (above if a > b else below) * ((high - low) / high / -math.expm1(-exponent * log_gap(a, b)))


@compiled
def logarithmic_mean(a: float, b: float) -> float:
    """(a - b)/(log a - log b), with the value a at a = b and 0 against zero."""
    return a if a == b else abs(a - b) / log_gap(a, b)


@compiled
def _decay(x: float) -> float:
    """(1 - exp(-x))/x, with the value 1 at 0."""
    return 1.0 if x == 0 else -math.expm1(-x) / x


@compiled
def power_difference_mean(
    a: float, b: float, p_numerator: float, p_denominator: float, q_numerator: float, q_denominator: float
) -> float:
    """(q/p) (a^p - b^p)/(a^q - b^q), with its values at a = b, at q = 0 and against zero."""
    p, q = p_numerator / p_denominator, q_numerator / q_denominator
    first, second, below = p_numerator * q_denominator, q_numerator * p_denominator, p_denominator * q_denominator
    high, low, gap = larger(a, b), smaller(a, b), log_gap(a, b)
    if p * q >= 0:
        degree = power(high if p + q >= 0 else low, first - second, below)
    else:
        degree = power(high if p > 0 else low, first, below) * power(high if q > 0 else low, -second, below)
    if gap == math.inf:
        return degree * abs(second / first)
    return degree * (_decay(abs(p) * gap) / _decay(abs(q) * gap))


# ------------------------------------------------- sums of logarithms; see `numpy_logarithms` for the forms


@compiled
def scaled_product(*factors: float) -> tuple[float, int]:
    """Π x as a mantissa between 1/√2 and √2 and an exponent of 2."""
    mantissa, exponent = 1.0, 0
    for factor in factors:
        part, shift = math.frexp(factor)
        mantissa, rest = math.frexp(mantissa * part)
        exponent += shift + rest
    return (2 * mantissa, exponent - 1) if abs(mantissa) < math.sqrt(0.5) else (mantissa, exponent)


@compiled
def exact_product(*factors: float) -> tuple[float, int, float]:
    """Π x as a mantissa, an exponent of 2, and what is missing of the mantissa, in units of it."""
    mantissa, exponent, missing = 1.0, 0, 0.0
    for factor in factors:
        part, shift = scaled_product(factor)
        mantissa, error = _two_product(mantissa, part)
        missing += error / mantissa
        mantissa, more = scaled_product(mantissa)
        exponent += shift + more
    return mantissa, exponent, missing


@compiled
def _weighted(numerator: float, denominator: float, value: float, error: float) -> tuple[float, float]:
    coefficient, remainder = _split_quotient(float(numerator), float(denominator))
    product, rounding = _two_product(coefficient, value)
    return product, rounding + coefficient * error + remainder * value


@compiled
def weighted_log(numerator: float, denominator: float, product: Any) -> tuple[float, float]:
    """c log P as an unevaluated sum of two doubles, c = numerator/denominator."""
    logarithm, error = _two_sum(product[1] * LN2_HIGH, log(product[0]))
    error += product[1] * LN2_LOW
    if len(product) == 3:
        error += product[2]
    return _weighted(numerator, denominator, logarithm, error)


@compiled
def magnitude(product: Any) -> Any:
    """The absolute value of a product."""
    return (abs(product[0]), *product[1:])


@compiled
def mean_scale(a: float, b: float) -> float:
    """The larger of a and b."""
    return larger(a, b)


@compiled
def mean_shape(
    a: float, b: float, p_numerator: float, p_denominator: float, q_numerator: float, q_denominator: float
) -> float:
    """The power-difference mean for p, q > 0 over max(a, b)^(p-q)."""
    gap, p, q = log_gap(a, b), p_numerator / p_denominator, q_numerator / q_denominator
    return 1.0 if gap == 0 else math.expm1(-p * gap) / math.expm1(-q * gap) * (q / p)


@compiled
def weighted_excess(
    c_numerator: float, c_denominator: float, a: float, b: float, numerator: float, denominator: float
) -> tuple[float, float]:
    """c log(sinh(x)/x) for x = (p/2) |log(a/b)|, p = numerator/denominator; 0 against zero."""
    x = abs(numerator / denominator) * log_gap(a, b) / 2
    if x == math.inf:
        return 0.0, 0.0
    if x > 2:
        (high, above), (low, below) = scaled_product(larger(a, b)), scaled_product(smaller(a, b))
        value, error = weighted_log(numerator, 2.0 * denominator, (high / low, above - below))
        value, more = _two_sum(value, math.log1p(-math.exp(-2 * x)) - math.log(2 * x))
        return _weighted(c_numerator, c_denominator, value, error + more)
    series = 0.0
    for k in range(14, 0, -1):
        series = x * x / (2 * k * (2 * k + 1)) * (1.0 + series)
    return _weighted(c_numerator, c_denominator, math.log1p(series), 0.0)


@compiled
def extended(x: float) -> tuple[float, float]:
    """A number, exactly."""
    return float(x), 0.0


@compiled
def extended_sum(*pairs: tuple[float, float]) -> tuple[float, float]:
    """The sum of unevaluated sums."""
    total, error = 0.0, 0.0
    for value, more in pairs:
        total, rounding = _two_sum(total, value)
        error += rounding + more
    return total, error


@compiled
def rounded(pair: tuple[float, float]) -> float:
    """The value of an unevaluated sum; where the leading part is not finite, that part."""
    return pair[0] + pair[1] if math.isfinite(pair[0]) else pair[0]


@compiled
def gamma(x: float) -> float:
    """Γ(x)."""
    return math.gamma(x)


@compiled
def log_gamma(x: float) -> float:
    """log Γ(x); NaN for x < 0."""
    return math.lgamma(x) if x >= 0 else math.nan


_FUNCTIONS = (
    log,
    sqrt,
    sign,
    larger,
    smaller,
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
    weighted_log,
    magnitude,
    mean_scale,
    mean_shape,
    weighted_excess,
    extended,
    extended_sum,
    rounded,
    gamma,
    log_gamma,
)
_ELEMENTARY = ("acosh", "asinh", "atan", "cos", "cosh", "exp", "sin", "sinh", "tan", "tanh", "pi", "e")
NAMESPACE = {function.__name__: function for function in _FUNCTIONS} | {n: getattr(math, n) for n in _ELEMENTARY}
NAMESPACE |= {"sum_of_logs": extended_sum}
"""The functions that emitted kernels call."""
