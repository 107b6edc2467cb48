r"""Power divided differences on arrays, written once for NumPy and for JAX.

With the points sorted, a_0 >= a_1 >= … >= a_n, and g_i = log(a_{i-1}/a_i), the divided difference of a^p with respect
to s = a^q/q is a_0^(p - n q) D(g_1, …, g_n), where D is computed in one of three ways:

- p = k q for a small integer k: D = q^n h_{k-n}(1, e^(-q g_1), …, e^(-q (g_1 + … + g_n))), a complete homogeneous
  symmetric polynomial, all of whose terms are positive;
- points near each other: the Taylor series Σ_m c_{n+m} h_m(ζ_0, …, ζ_n), c_k = Π_{j<k} (p - j q)/k!, with
  ζ_i = s_i - s_ref in units of a_ref^q.  The reference is the smallest point where p >= n q, else the largest: the
  terms then have one sign;
- points far apart: the recursion (D(first n points) - D(last n points))/(s_0 - s_n), where little cancels.

A point may be 0 where q > 0 and p >= (n - 1) q.  Exponents are numbers, given as numerator and denominator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

__all__ = [
    "MOST_FACTORS",
    "TERMS",
    "array_divided_difference",
    "integer_ratio",
    "taylor_coefficients",
    "widest_series",
]

TERMS = 32
"""Of the Taylor series: enough for rounding error within the two bounds below."""

EXPONENTIAL_SPREAD = 3.0
"""The series is used where max(|p|, |q|) times the spread of the logarithms is at most this (a third of it for
p < 0 < q, where the coefficients do not fall off): 3^32/32! = 7e-21."""

BINOMIAL_SPREAD = 0.25
"""… and, unless it ends, the spread of a^q relative to the reference at most this: 0.25^32 = 5e-20."""

MOST_FACTORS = 24
"""The largest p/q for which the homogeneous polynomial is summed."""

Exponents = tuple[float, float, float, float]


def integer_ratio(p_numerator: float, p_denominator: float, q_numerator: float, q_denominator: float) -> int | None:
    """p/q where it is an integer >= 0, else None."""
    above, below = p_numerator * q_denominator, p_denominator * q_numerator
    if below == 0:
        return None
    ratio = above / below
    return int(ratio) if ratio >= 0 and ratio == int(ratio) and int(ratio) * below == above else None


def taylor_coefficients(p: float, q: float, first: int, count: int) -> list[float]:
    """c_k = Π_{j<k} (p - j q)/k! for k = first, …, first + count - 1."""
    value = math.prod((p - j * q) / (j + 1) for j in range(first))
    coefficients = []
    for k in range(first, first + count):
        coefficients.append(value)
        value *= (p - k * q) / (k + 1)
    return coefficients


def widest_series(p: float, q: float, order: int, series_ends: bool) -> float:
    """The spread of logarithms up to which the series is used, q >= 0."""
    widest = EXPONENTIAL_SPREAD / max(abs(p), q)
    if series_ends or q == 0:
        return widest
    if p >= order * q:
        return min(widest, math.log1p(BINOMIAL_SPREAD) / q)
    return min(widest / 3 if p < 0 else widest, -math.log1p(-BINOMIAL_SPREAD) / q)


def array_divided_difference(
    xp: Any,
    power: Callable[[Any, float, float], Any],
    log_ratio: Callable[[Any, Any], Any],
    exponents: Exponents,
    points: Sequence[Any],
) -> Any:
    """[s_0, …, s_n] a^p at arrays of one shape.

    Parameters
    ----------
    xp : module
        numpy or jax.numpy.
    power, log_ratio : callables
        The backend's accurate x^(numerator/denominator) and log(a/b).
    exponents : tuple
        Numerators and denominators of p and q.
    points : sequence of arrays
        a_0, …, a_n, in any order.
    """
    order = len(points) - 1
    p, p_below, q, q_below = exponents
    degree = (p * q_below - order * q * p_below, p_below * q_below)
    ordered = xp.sort(xp.stack(points), axis=0)[::-1]
    if order == 0:
        return power(ordered[0], *degree)
    steps = [xp.where(a == b, 0.0, log_ratio(a, b)) for a, b in pairwise(ordered)]
    if q / q_below >= 0:
        return power(ordered[0], *degree) * _normalized(xp, exponents, steps)
    # The inverses of the points: a -> 1/a turns p, q and s into -p, -q and -s.
    normalized = _normalized(xp, (-p, p_below, -q, q_below), steps[::-1])
    return (-1) ** order * power(ordered[-1], *degree) * normalized


def _normalized(xp: Any, exponents: Exponents, steps: Sequence[Any]) -> Any:
    """D(g_1, …, g_n), for q >= 0."""
    ratio, order = integer_ratio(*exponents), len(steps)
    p, q = exponents[0] / exponents[1], exponents[2] / exponents[3]
    one = xp.ones_like(steps[0])
    if ratio is not None and ratio < order:
        return 0.0 * one
    if ratio is not None and ratio <= MOST_FACTORS:
        variables, distance = [one], 0.0
        for step in steps:
            distance = distance + step
            variables.append(xp.exp(-q * distance))
        return _homogeneous_sums(variables, [0.0] * (ratio - order) + [q**order], one)
    return _by_spread(xp, p, q, ratio is not None, list(steps))


def _homogeneous_sums(variables: Sequence[Any], coefficients: Sequence[float], one: Any) -> Any:
    """Σ_m coefficients[m] h_m(variables)."""
    row = [one] * len(variables)
    total = coefficients[0] * one
    for coefficient in coefficients[1:]:
        below: Any = 0.0
        for index, variable in enumerate(variables):
            row[index] = below = below + variable * row[index]
        total = total + coefficient * below
    return total


def _by_spread(xp: Any, p: float, q: float, series_ends: bool, steps: list[Any]) -> Any:
    """D by the series or the recursion."""
    order, spread = len(steps), sum(steps[1:], steps[0])
    if order == 1:
        far = spread > 0
        safe = xp.where(far, spread, 1.0)
        return xp.where(far, -xp.expm1(-p * safe) / _span(xp, q, safe), p)
    near = spread <= widest_series(p, q, order, series_ends)
    first = _by_spread(xp, p, q, series_ends, steps[:-1])
    last = _by_spread(xp, p, q, series_ends, steps[1:])
    # Against zero the last points count nothing; an exponent 0 times the infinite step would be NaN.
    vanishing = xp.isinf(steps[0])
    shrink = xp.where(vanishing, 0.0, xp.exp(-(p - (order - 1) * q) * xp.where(vanishing, 0.0, steps[0])))
    recursion = (first - shrink * last) / _span(xp, q, xp.where(near, 1.0, spread))
    return xp.where(near, _series(xp, p, q, [xp.where(near, step, 0.0) for step in steps]), recursion)


def _span(xp: Any, q: float, distance: Any) -> Any:
    """s_0 - s_n in units of the first point: (1 - e^(-q G))/q, and G at q = 0."""
    return -xp.expm1(-q * distance) / q if q != 0 else distance


def _series(xp: Any, p: float, q: float, steps: Sequence[Any]) -> Any:
    order = len(steps)
    one = xp.ones_like(steps[0])
    from_smallest = p >= order * q
    variables, distance = [], 0.0 * one
    for step in reversed(steps) if from_smallest else steps:
        distance = distance + step
        variables.append(_span(xp, -q, distance) if from_smallest else -_span(xp, q, distance))
    total = _homogeneous_sums(variables, taylor_coefficients(p, q, order, TERMS), one)
    return xp.exp(-(p - order * q) * distance) * total if from_smallest else total
