"""Products of the differences of all pairs out of several numbers, in mpmath's working precision."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import mpmath
from mpmath import mpf

__all__ = ["NAMESPACE", "descending", "interval_product", "ranked"]


def descending(*numbers: mpf) -> list[mpf]:
    """The numbers from the largest to the smallest."""
    return sorted(numbers, reverse=True)


def ranked(place: int, numbers: Sequence[mpf]) -> mpf:
    """One of the numbers in descending order."""
    return numbers[place]


def interval_product(*steps: mpf) -> mpf:
    """Π (d_k + … + d_l) over all k <= l."""
    return mpmath.fprod(length for first in range(len(steps)) for length in accumulate(steps[first:]))


NAMESPACE = {function.__name__: function for function in (descending, ranked, interval_product)}
"""The functions that emitted kernels call."""
