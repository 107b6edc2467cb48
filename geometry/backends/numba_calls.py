"""Jitting emitted code, and calling it with arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numba
import numpy as np

__all__ = ["call", "compiled", "kernel_function"]


def compiled(function: Any) -> Any:
    """Jit a scalar function, with the division of IEEE 754: 1/0 is infinite, not an exception."""
    return numba.njit(error_model="numpy", nogil=True)(function)


def kernel_function(emitted: Callable[..., Any], places: Sequence[int], shape: tuple[int, ...]) -> Callable[..., Any]:
    """What a kernel exposes: a jitted function of doubles, to a double or the tuple of all entries."""
    entries = ", ".join(f"float(distinct[{place}])" for place in places)
    return _defined(
        f"def evaluate(*values):\n    distinct = emitted(*values)\n    return {f'({entries},)' if shape else entries}",
        "evaluate",
        emitted=compiled(emitted),
    )


def _defined(source: str, name: str, **names: Any) -> Any:
    """A jitted function from its source: Numba takes no tuples of varying length, so that they are written out."""
    exec(source, names)
    return compiled(names[name])


def call(function: Callable[..., Any], values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Evaluate at arrays that broadcast to (…): an array (…, *shape) of doubles."""
    arrays = [np.asarray(value) for value in values]
    if any(np.iscomplexobj(array) for array in arrays):
        raise TypeError("kernels take real arguments, not complex ones")
    common = np.broadcast_shapes(*(array.shape for array in arrays))
    columns = np.empty((len(arrays), math.prod(common)))
    for column, array in zip(columns, arrays, strict=True):
        column.reshape(common)[...] = array
    result = np.empty((columns.shape[1], math.prod(shape)))
    _loop(function, len(arrays), bool(shape))(columns, result)
    return result.reshape((*common, *shape))[()]


@lru_cache(maxsize=256)
def _loop(function: Callable[..., Any], arity: int, has_shape: bool) -> Callable[..., None]:
    """Evaluate a jitted function at the columns of an array (arity, size), into the rows of another."""
    arguments = ", ".join(f"columns[{index}, i]" for index in range(arity))
    lines = [
        "def loop(columns, result):",
        "    for i in range(columns.shape[1]):",
        f"        value = function({arguments})",
    ]
    if has_shape:
        lines += ["        for k in range(result.shape[1]):", "            result[i, k] = value[k]"]
    else:
        lines += ["        result[i, 0] = value"]
    return _defined("\n".join(lines), "loop", function=function)
