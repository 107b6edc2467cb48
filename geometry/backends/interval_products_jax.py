"""Products of the differences of all pairs out of several numbers, in jax.numpy; see `interval_products_numpy`."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import jax.numpy as jnp

from .jax_calls import double

__all__ = ["NAMESPACE", "descending", "interval_product", "ranked"]

Array = Any  # jax.Array or a tracer


MOST_COMPARED = 16
"""Up to so many numbers are sorted by comparing neighbours, which XLA fuses with what follows, unlike its sort."""


def descending(*numbers: Any) -> Any:
    """The numbers from the largest to the smallest, point by point."""
    ordered = list(jnp.broadcast_arrays(*map(double, numbers)))
    if len(ordered) > MOST_COMPARED:
        return jnp.sort(jnp.stack(ordered), axis=0)[::-1]
    for turn in range(len(ordered)):
        for k in range(turn % 2, len(ordered) - 1, 2):
            first, second = ordered[k : k + 2]
            ordered[k : k + 2] = jnp.maximum(first, second), jnp.minimum(first, second)
    return ordered


def ranked(place: int, numbers: Any) -> Array:
    """One of the numbers in descending order."""
    return numbers[place]


def interval_product(*steps: Array) -> tuple[Array, ...]:
    """d_k + … + d_l for all k <= l: the factors, as `weighted_log` takes them."""
    return tuple(length for first in range(len(steps)) for length in accumulate(steps[first:]))


NAMESPACE = {function.__name__: function for function in (descending, ranked, interval_product)}
"""The functions that emitted kernels call."""
