"""Power divided differences in mpmath's working precision; see `divided_differences_arrays` for the forms."""

from __future__ import annotations

from collections.abc import Sequence

import mpmath
from mpmath import mpf

__all__ = ["NAMESPACE", "power_divided_difference"]

GUARD_BITS = 30


def power_divided_difference(
    p_numerator: mpf, p_denominator: mpf, q_numerator: mpf, q_denominator: mpf, *points: mpf
) -> mpf:
    """[s_0, …, s_n] a^p with respect to s = a^q/q (log a at q = 0), in the points a_0, …, a_n in any order."""
    ordered = sorted(map(mpmath.mpf, points), reverse=True)
    order = len(ordered) - 1
    with mpmath.workprec(mpmath.mp.prec + GUARD_BITS * (order + 1)):
        p, q = mpmath.mpf(p_numerator) / p_denominator, mpmath.mpf(q_numerator) / q_denominator
        factors = [abs(p - j * q) for j in range(order)]
        if 0 in factors:
            return mpmath.mpf(0)
        # The recursion loses what is small in Π (p - j q).
        lost = sum(max(0, mpmath.log((abs(p) + abs(q)) / factor, 2)) for factor in factors)
        with mpmath.workprec(mpmath.mp.prec + int(lost)):
            value = _divided_difference(p, q, ordered)
    return +value


def _coordinate(a: mpf, b: mpf, q: mpf) -> mpf:
    """s(a) - s(b) in units of b^q, also where a and b are near each other."""
    if b == 0 or a == 0:
        return (a**q - b**q) / q if q != 0 else mpmath.inf
    ratio = mpmath.log1p((a - b) / b) if b < 2 * a < 4 * b else mpmath.log(a) - mpmath.log(b)
    return mpmath.expm1(q * ratio) / q if q != 0 else ratio


def _divided_difference(p: mpf, q: mpf, ordered: Sequence[mpf]) -> mpf:
    order, largest, smallest = len(ordered) - 1, ordered[0], ordered[-1]
    if order == 0:
        return largest**p
    if smallest != 0:
        distances = [_coordinate(point, smallest, q) for point in ordered]
        if max(abs(p), abs(q), 1) * distances[0] < 0.25:
            return smallest ** (p - order * q) * _series(p, q, distances)
    above, below = _divided_difference(p, q, ordered[:-1]), _divided_difference(p, q, ordered[1:])
    width = _coordinate(largest, smallest, q)
    return (above - below) / (width * smallest**q if smallest != 0 else width)


def _series(p: mpf, q: mpf, variables: Sequence[mpf]) -> mpf:
    """Σ_m c_{n+m} h_m(variables), c_k = Π_{j<k} (p - j q)/k!."""
    order = len(variables) - 1
    coefficient = mpmath.mpf(1)
    for j in range(order):
        coefficient *= (p - j * q) / (j + 1)
    row = [mpmath.mpf(1)] * len(variables)
    total, k = coefficient, order
    while coefficient != 0 and abs(coefficient * row[-1]) > mpmath.eps * abs(total):
        coefficient *= (p - k * q) / (k + 1)
        k += 1
        below = mpmath.mpf(0)
        for index, variable in enumerate(variables):
            row[index] = below = below + variable * row[index]
        total += coefficient * below
    return total


NAMESPACE = {"power_divided_difference": power_divided_difference}
"""The functions that emitted kernels call."""
