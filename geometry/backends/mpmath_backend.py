"""Power differences and means in mpmath's working precision; see `numpy_backend` for the forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
from mpmath import mpf

__all__ = ["LIBRARIES", "NAMESPACE", "call", "kernel_function"]

LIBRARIES = ["mpmath"]
"""Where emitted code finds the elementary functions."""


def power(x: mpf, numerator: mpf, denominator: mpf) -> mpf:
    """x^(numerator/denominator)."""
    return mpmath.mpf(x) ** (mpmath.mpf(numerator) / denominator)


def cube_root(x: mpf) -> mpf:
    """x^(1/3)."""
    return mpmath.cbrt(x)


def fifth_root(x: mpf) -> mpf:
    """x^(1/5)."""
    return mpmath.root(x, 5)


def log_ratio(a: mpf, b: mpf) -> mpf:
    """log a - log b, relatively accurate also where a and b are near each other."""
    a, b = mpmath.mpf(a), mpmath.mpf(b)
    return mpmath.log1p((a - b) / b) if b < 2 * a < 4 * b else mpmath.log(a) - mpmath.log(b)


def log_gap(a: mpf, b: mpf) -> mpf:
    """|log a - log b|: 0 where they are equal, infinite against zero."""
    high, low = max(mpmath.mpf(a), b), min(mpmath.mpf(a), b)
    if high == low:
        return mpmath.mpf(0)
    return mpmath.inf if low == 0 else log_ratio(high, low)


# ----------------------------------------------------------------------------- differences and means


def homogeneous_sum(*powers: mpf) -> mpf:
    """Σ x^i y^j over i + j = 2 m, from x, y, x², y², x⁴, y⁴ and so on."""
    product = powers[0] * powers[1]
    total = powers[2] + powers[3] + product
    for x, y in zip(powers[4::2], powers[5::2], strict=True):
        total = x + y + product * total
    return total


def scaled_difference(a: mpf, b: mpf, h: mpf) -> mpf:
    """(a - b)/h, and 0 where h is 0."""
    return mpmath.mpf(0) if h == 0 else (mpmath.mpf(a) - b) / h


def power_difference(a: mpf, b: mpf, above: mpf, below: mpf, numerator: mpf, denominator: mpf) -> mpf:
    """a^q - b^q from above = a^q and below = b^q."""
    exponent = mpmath.mpf(numerator) / denominator
    size = -max(mpmath.mpf(above), below) * mpmath.expm1(-abs(exponent) * log_gap(a, b))
    return size if (a >= b) == (exponent >= 0) else -size


def difference_ratio(a: mpf, b: mpf, above: mpf, below: mpf, numerator: mpf, denominator: mpf) -> mpf:
    """(a - b)/(a^q - b^q) for q > 0, from above = a^(1-q) and below = b^(1-q); a^(1-q)/q at a = b."""
    exponent = mpmath.mpf(numerator) / denominator
    if a == b:
        return above / exponent
    high, low = max(mpmath.mpf(a), b), min(mpmath.mpf(a), b)
    return -(above if a > b else below) * (high - low) / high / mpmath.expm1(-exponent * log_gap(a, b))


def logarithmic_mean(a: mpf, b: mpf) -> mpf:
    """(a - b)/(log a - log b), with its values at a = b and against zero."""
    return mpmath.mpf(a) if a == b else abs(mpmath.mpf(a) - b) / log_gap(a, b)


def _decay(x: mpf) -> mpf:
    return mpmath.mpf(1) if x == 0 else -mpmath.expm1(-x) / x


def power_difference_mean(
    a: mpf, b: mpf, p_numerator: mpf, p_denominator: mpf, q_numerator: mpf, q_denominator: mpf
) -> mpf:
    """(q/p) (a^p - b^p)/(a^q - b^q), with its values at a = b, at q = 0 and against zero."""
    high, gap = max(mpmath.mpf(a), b), log_gap(a, b)
    p, q = mpmath.mpf(p_numerator) / p_denominator, mpmath.mpf(q_numerator) / q_denominator
    ratio = q / p if gap == mpmath.inf else _decay(p * gap) / _decay(q * gap)
    return high ** (p - q) * ratio


# ------------------------------------------------- sums of logarithms: working precision is enough here


def scaled_product(*factors: mpf) -> mpf:
    """Π x; the exponents of mpmath have no bounds."""
    return mpmath.fprod(factors)


def weighted_log(numerator: mpf, denominator: mpf, product: mpf) -> mpf:
    """c log P, c = numerator/denominator."""
    return mpmath.mpf(numerator) / denominator * mpmath.log(product)


exact_product = scaled_product


def magnitude(product: mpf) -> mpf:
    """The absolute value of a product."""
    return abs(product)


def mean_scale(a: mpf, b: mpf) -> mpf:
    """The larger of a and b."""
    return max(mpmath.mpf(a), b)


def mean_shape(a: mpf, b: mpf, p_numerator: mpf, p_denominator: mpf, q_numerator: mpf, q_denominator: mpf) -> mpf:
    """The power-difference mean for p, q > 0 over max(a, b)^(p-q)."""
    gap = log_gap(a, b)
    p, q = mpmath.mpf(p_numerator) / p_denominator, mpmath.mpf(q_numerator) / q_denominator
    return q / p if gap == mpmath.inf else _decay(p * gap) / _decay(q * gap)


def weighted_excess(c_numerator: mpf, c_denominator: mpf, a: mpf, b: mpf, numerator: mpf, denominator: mpf) -> mpf:
    """c log(sinh(x)/x) for x = (p/2) |log(a/b)|, p = numerator/denominator; 0 against zero."""
    x = abs(mpmath.mpf(numerator) / denominator) * log_gap(a, b) / 2
    if x == 0 or x == mpmath.inf:
        return mpmath.mpf(0)
    with mpmath.extraprec(2 * max(0, -mpmath.mag(x)) + 10):
        return mpmath.mpf(c_numerator) / c_denominator * mpmath.log(mpmath.sinh(x) / x)


def extended(x: mpf) -> mpf:
    """The number."""
    return mpmath.mpf(x)


def extended_sum(*terms: mpf) -> mpf:
    """The sum, rounded once."""
    return mpmath.fsum(terms)


def rounded(value: mpf) -> mpf:
    """The value."""
    return value


# ------------------------------------------------------------------------------------ special functions


def lambert_w(x: mpf, branch: int = 0) -> mpf:
    """The real branches 0 and -1 of W e^W = x."""
    return mpmath.lambertw(x, branch)


def hypergeometric(above: Sequence[mpf], below: Sequence[mpf], x: mpf) -> mpf:
    """The generalized hypergeometric function."""
    return mpmath.hyper(list(above), list(below), x)


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
    weighted_log,
    magnitude,
    mean_scale,
    mean_shape,
    weighted_excess,
    extended,
    extended_sum,
    rounded,
    lambert_w,
    hypergeometric,
)
NAMESPACE: dict[str, Any] = {function.__name__: function for function in _FUNCTIONS}
NAMESPACE |= {
    "exact_product": exact_product,
    "sum_of_logs": extended_sum,
    "gamma": mpmath.gamma,
    "log_gamma": mpmath.loggamma,
}
"""The functions that emitted kernels call."""


# ---------------------------------------------------------------------------------------- calling


def kernel_function(
    emitted: Callable[..., Any], places: Sequence[int], shape: tuple[int, ...]
) -> Callable[..., list[Any]]:
    """What a kernel exposes: a function to the list of all entries; the emitted one gives the distinct ones."""

    def evaluate(*values: Any) -> list[Any]:
        distinct = emitted(*values)
        return [distinct[place] for place in places]

    return evaluate


def call(evaluate: Callable[..., Sequence[Any]], values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """A number, or a matrix, of mpf; arrays of numbers give an object array, shaped as the NumPy backend does it."""
    if any(hasattr(value, "shape") for value in values):
        return _broadcast(evaluate, values, shape)
    entries = [mpmath.mpf(entry) for entry in evaluate(*(mpmath.mpf(value) for value in values))]
    if not shape:
        return entries[0]
    if len(shape) == 1:
        return mpmath.matrix(entries)
    rows, columns = shape
    return mpmath.matrix([entries[row * columns : (row + 1) * columns] for row in range(rows)])


def _broadcast(evaluate: Callable[..., Sequence[Any]], values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    import numpy as np

    arrays = np.broadcast_arrays(*(np.asarray(value, dtype=object) for value in values))
    common = arrays[0].shape
    result = np.empty((*common, *shape), dtype=object)
    for index in np.ndindex(*common):
        entries = evaluate(*(mpmath.mpf(array[index]) for array in arrays))
        result[index] = np.array([mpmath.mpf(entry) for entry in entries], dtype=object).reshape(shape)[()]
    return result
