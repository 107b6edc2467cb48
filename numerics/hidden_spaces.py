"""The hidden spaces between the layers: their widths, frames in them, and the singular values of balanced layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import index

import numpy as np
from numpy.typing import NDArray
from sympy import Integer, Symbol

from geometry import Kernel, compile_kernel
from geometry.layers import layer_singular_value

from .factored import random_generator

__all__ = ["Width", "hidden_frames", "hidden_widths", "layer_singular_values"]

Array = NDArray[np.float64]
Width = int | tuple[int, ...] | list[int] | str | None
"""Of all hidden spaces, or of each; "thin" or None is the rank, "full" max(m, n)."""


def layer_singular_values(sigma: Array, count: int) -> Array:
    """σ^{1/N}, compiled so that the rounding of 1/N costs no digits at tiny σ; 0 for 0."""
    return np.where(sigma > 0, _root_kernel(count)(np.where(sigma > 0, sigma, 1.0)), 0.0)


@lru_cache(maxsize=64)
def _root_kernel(count: int) -> Kernel:
    value = Symbol("sigma", positive=True)
    return compile_kernel(layer_singular_value(value, Integer(count)), (value,))


def hidden_widths(shape: tuple[int, int], rank: int, width: Width, count: int) -> list[int]:
    """The widths d_1, …, d_{N-1} that a user asks for.

    Raises
    ------
    ValueError
        If one is below the rank, or what was given names none.
    """
    named = {None: rank, "thin": rank, "full": max(shape)}
    try:
        if width is None or isinstance(width, str):
            hidden = [named[width]] * count
        elif isinstance(width, tuple | list):
            hidden = [index(value) for value in width]
        else:
            hidden = [index(width)] * count
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"width must be an integer, one for each hidden space, 'thin' or 'full', not {width!r}"
        ) from error
    if len(hidden) != count or any(value < rank for value in hidden):
        raise ValueError(f"width must be at least the rank {rank} in each of {count} hidden spaces, not {width!r}")
    return hidden


def hidden_frames(widths: Sequence[int], rank: int, seed: int | np.random.Generator | None) -> list[Array]:
    """Frames of `rank` orthonormal columns in the hidden spaces."""
    if seed is None:
        return [np.eye(width, rank) for width in widths]
    generator = random_generator(seed)
    frames = []
    for width in widths:
        Q, R = np.linalg.qr(generator.standard_normal((width, rank)))
        frames.append(Q * np.sign(np.diag(R)))
    return frames
