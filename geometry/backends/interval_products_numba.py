"""Products of the differences of all pairs out of several doubles, compiled by Numba; see `interval_products_numpy`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .numba_backend import compiled

__all__ = ["NAMESPACE", "descending", "interval_product", "ranked"]


@compiled
def descending(*numbers: float) -> Any:
    """The numbers from the largest to the smallest."""
    ordered = np.empty(len(numbers))
    for count in range(len(numbers)):
        number, place = numbers[count], count
        # A number that is none stays where it is.
        while place > 0 and ordered[place - 1] < number:
            ordered[place] = ordered[place - 1]
            place -= 1
        ordered[place] = number
    return ordered


@compiled
def ranked(place: int, numbers: Any) -> float:
    """One of the numbers in descending order."""
    return numbers[place]


@compiled
def interval_product(*steps: float) -> tuple[float, int]:
    """Π (d_k + … + d_l) over all k <= l as a mantissa and an exponent of 2."""
    mantissa, exponent = 1.0, 0
    for first in range(len(steps)):
        length = 0.0
        for last in range(first, len(steps)):
            length += steps[last]
            mantissa, shift = math.frexp(mantissa * length)
            exponent += shift
    return mantissa, exponent


NAMESPACE = {function.__name__: function for function in (descending, ranked, interval_product)}
"""The functions that emitted kernels call."""
