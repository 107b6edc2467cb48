"""Power divided differences of single doubles, compiled by Numba; see `divided_differences_arrays` for the forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .divided_differences_arrays import MOST_FACTORS, TERMS, widest_series
from .numba_backend import compiled, log_ratio, power

__all__ = ["NAMESPACE", "power_divided_difference"]

_widest_series = compiled(widest_series)


@compiled
def power_divided_difference(
    p_numerator: float, p_denominator: float, q_numerator: float, q_denominator: float, *points: float
) -> float:
    """[s_0, …, s_n] a^p with respect to s = a^q/q (log a at q = 0), in the points a_0, …, a_n in any order."""
    order = len(points) - 1
    p, q = p_numerator / p_denominator, q_numerator / q_denominator
    ordered = np.empty(order + 1)
    for index, point in enumerate(points):
        place = index
        while place > 0 and ordered[place - 1] < point:
            ordered[place] = ordered[place - 1]
            place -= 1
        ordered[place] = point
    steps = np.zeros(order)
    for index in range(order):
        if ordered[index] != ordered[index + 1]:
            steps[index] = log_ratio(ordered[index], ordered[index + 1])
    above, below = p_numerator * q_denominator, p_denominator * q_numerator
    reference, sign = ordered[0], 1.0
    if q < 0:
        # The inverses of the points: a -> 1/a turns p, q and s into -p, -q and -s.
        p, q, steps, reference, sign = -p, -q, steps[::-1].copy(), ordered[order], (-1.0) ** order
    ratio = above / below if below != 0 else -1.0
    ends = ratio >= 0 and ratio == math.floor(ratio) and ratio * below == above
    scale = sign * power(reference, above - order * below, p_denominator * q_denominator)
    if order == 0:
        return scale
    if ends and ratio < order:
        return 0.0
    if ends and ratio <= MOST_FACTORS:
        return scale * q**order * _homogeneous_polynomial(q, steps, int(ratio) - order)
    return scale * _by_spread(p, q, ends, steps)


@compiled
def _homogeneous_polynomial(q: float, steps: Any, degree: int) -> float:
    order = len(steps)
    row, variables, distance = np.ones(order + 1), np.ones(order + 1), 0.0
    for index in range(order):
        distance += steps[index]
        variables[index + 1] = math.exp(-q * distance)
    for _ in range(degree):
        for index in range(1, order + 1):
            row[index] = row[index - 1] + variables[index] * row[index]
    return row[order]


@compiled
def _by_spread(p: float, q: float, ends: bool, steps: Any) -> float:
    """The differences of all runs of neighbours, from the shortest runs on."""
    row = np.empty(len(steps))
    for index, step in enumerate(steps):
        row[index] = -math.expm1(-p * step) / _span(q, step) if step > 0 else p
    for order in range(2, len(steps) + 1):
        widest = _widest_series(p, q, order, ends)
        for first in range(len(steps) - order + 1):
            run = steps[first : first + order]
            spread = run.sum()
            if spread <= widest:
                row[first] = _series(p, q, run)
            else:
                step = run[0]
                shrink = 0.0 if step == math.inf else math.exp(-(p - (order - 1) * q) * step)
                row[first] = (row[first] - shrink * row[first + 1]) / _span(q, spread)
    return row[0]


@compiled
def _span(q: float, distance: float) -> float:
    return -math.expm1(-q * distance) / q if q != 0 else distance


@compiled
def _series(p: float, q: float, steps: Any) -> float:
    order = len(steps)
    from_smallest = p >= order * q
    variables, row, distance = np.empty(order), np.ones(order), 0.0
    for index in range(order):
        distance += steps[order - 1 - index] if from_smallest else steps[index]
        variables[index] = _span(-q, distance) if from_smallest else -_span(q, distance)
    coefficient = 1.0
    for j in range(order):
        coefficient *= (p - j * q) / (j + 1)
    total = coefficient
    for k in range(order, order + TERMS - 1):
        coefficient *= (p - k * q) / (k + 1)
        below = 0.0
        for index in range(order):
            below += variables[index] * row[index]
            row[index] = below
        total += coefficient * below
    return total * math.exp(-(p - order * q) * distance) if from_smallest else total


NAMESPACE = {"power_divided_difference": power_divided_difference}
"""The functions that emitted kernels call."""
