"""Power differences and means in mpmath's working precision; see `numpy_backend` for the forms."""

from __future__ import annotations

import mpmath
from mpmath import mpf

__all__ = ["NAMESPACE"]


def power(x: mpf, numerator: mpf, denominator: mpf) -> mpf:
    """x^(numerator/denominator)."""
    return mpmath.mpf(x) ** (mpmath.mpf(numerator) / denominator)


def log_ratio(a: mpf, b: mpf) -> mpf:
    """log a - log b, relatively accurate also where a and b are near each other."""
    a, b = mpmath.mpf(a), mpmath.mpf(b)
    return mpmath.log1p((a - b) / b) if b < 2 * a < 4 * b else mpmath.log(a) - mpmath.log(b)


def _decay(x: mpf) -> mpf:
    return mpmath.mpf(1) if x == 0 else -mpmath.expm1(-x) / x


def _ordered(a: mpf, b: mpf) -> tuple[mpf, mpf]:
    high, low = max(mpmath.mpf(a), b), min(mpmath.mpf(a), b)
    if high == low:
        return high, mpmath.mpf(0)
    return high, mpmath.inf if low == 0 else log_ratio(high, low)


def power_difference(a: mpf, b: mpf, numerator: mpf, denominator: mpf) -> mpf:
    """(a^q - b^q)/q for q = numerator/denominator, and log(a/b) for q = 0."""
    high, gap = _ordered(a, b)
    exponent = mpmath.mpf(numerator) / denominator
    size = high**exponent * _decay(exponent * gap) * gap
    return size if a >= b else -size


def power_difference_mean(
    a: mpf, b: mpf, p_numerator: mpf, p_denominator: mpf, q_numerator: mpf, q_denominator: mpf
) -> mpf:
    """(q/p) (a^p - b^p)/(a^q - b^q), with its values at a = b, at q = 0 and against zero."""
    high, gap = _ordered(a, b)
    p, q = mpmath.mpf(p_numerator) / p_denominator, mpmath.mpf(q_numerator) / q_denominator
    ratio = q / p if gap == mpmath.inf else _decay(p * gap) / _decay(q * gap)
    return high ** (p - q) * ratio


def logarithmic_mean(a: mpf, b: mpf) -> mpf:
    """(a - b)/(log a - log b), with its values at a = b and against zero."""
    high, gap = _ordered(a, b)
    return mpmath.mpf(0) if gap == mpmath.inf else high * _decay(gap)


def log_power_gap(a: mpf, b: mpf, numerator: mpf, denominator: mpf) -> mpf:
    """log |(a/b)^(q/2) - (b/a)^(q/2)|: -inf where a = b."""
    _, gap = _ordered(a, b)
    if gap == 0:
        return -mpmath.inf
    width = abs(mpmath.mpf(numerator) / denominator) * gap
    return width / 2 + mpmath.log(-mpmath.expm1(-width))


def compensated_sum(*terms: mpf) -> mpf:
    """The sum of the terms, rounded once."""
    return mpmath.fsum(terms)


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
