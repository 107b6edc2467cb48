r"""Products of the differences of all pairs out of several numbers, vectorized over NumPy arrays.

In descending order x_1 >= … >= x_r each difference is a sum of steps from one number to the next, d_k + … + d_(l-1),
where nothing cancels: r - 1 steps have to be formed with care for r(r-1)/2 differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .numpy_logarithms import Pair, scaled_product

__all__ = ["NAMESPACE", "descending", "interval_product", "ranked"]

Array = NDArray[np.float64]


def descending(*numbers: Any) -> Any:
    """The numbers from the largest to the smallest, point by point; as they are, if they are in order everywhere."""
    if not any(np.count_nonzero(np.less(first, second)) for first, second in pairwise(numbers)):
        return numbers
    return np.sort(np.array(np.broadcast_arrays(*numbers)), axis=0)[::-1]


def ranked(place: int, numbers: Any) -> Any:
    """One of the numbers in descending order."""
    return numbers[place]


def interval_product(*steps: Any) -> Pair:
    """Π (d_k + … + d_l) over all k <= l as a mantissa and an exponent of 2, of two steps or more."""
    rows = np.empty((len(steps), *np.broadcast_shapes(*map(np.shape, steps))))
    for row, step in enumerate(steps):
        rows[row] = step
    bound = 2.0 ** (1020 // len(rows))
    least, largest = np.minimum.reduce(rows, axis=None), np.maximum.reduce(rows, axis=None)
    if not (least > 1 / bound and len(rows) * largest < bound):
        return scaled_product(*rows, *(length for lengths in _lengths(rows) for length in lengths))
    # The product of the intervals that start at one point neither overflows nor underflows.
    longer = _lengths(rows)
    factors = rows[:-1] * next(longer)
    for lengths in longer:
        factors[: len(lengths)] *= lengths
    return scaled_product(*factors, rows[-1])


def _lengths(steps: Array) -> Iterator[Array]:
    """The lengths of the intervals of two steps, of three, and so on, each (count, …)."""
    lengths = steps
    for width in range(1, len(steps)):
        lengths = lengths[:-1] + steps[width:]
        yield lengths


NAMESPACE = {function.__name__: function for function in (descending, ranked, interval_product)}
"""The functions that emitted kernels call."""
