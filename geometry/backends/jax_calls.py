"""Calling emitted JAX code: precision, broadcasting, stacking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["call", "double", "kernel_function"]

Array = Any  # jax.Array or a tracer


def double(value: Any) -> Array:
    """A double, or an array of them."""
    return jnp.asarray(value, dtype=jnp.float64)


def kernel_function(emitted: Callable[..., Any], places: Sequence[int], shape: tuple[int, ...]) -> Callable[..., Array]:
    """What a kernel exposes: a compiled function of values that broadcast to (…), to an array (…, *shape).

    Raises
    ------
    RuntimeError
        If JAX is in 32-bit mode when the function is traced.
    TypeError
        If a value is complex.
    """

    def evaluate(*values: Any) -> Array:
        if not _has_doubles():
            raise RuntimeError(
                "JAX is in 32-bit mode, in which kernels lose half their digits: trace them after "
                "jax.config.update('jax_enable_x64', True), or inside `with jax.enable_x64(True):`"
            )
        if any(jnp.iscomplexobj(value) for value in values):
            raise TypeError("kernels take real arguments, not complex ones")
        arrays = [double(value) for value in values]
        common = jnp.broadcast_shapes(*(array.shape for array in arrays))
        distinct = [jnp.broadcast_to(double(entry), common) for entry in emitted(*arrays)]
        if not shape:
            return distinct[0]
        return jnp.stack([distinct[place] for place in places], axis=-1).reshape((*common, *shape))

    return jax.jit(evaluate)


def call(function: Callable[..., Array], values: Sequence[Any], shape: tuple[int, ...]) -> Array:
    """Evaluate in double precision whatever JAX's mode is, unless JAX is tracing.

    In 32-bit mode the result is a NumPy array: whatever JAX did with an array of its own would halve its digits.
    """
    if any(isinstance(value, jax.core.Tracer) for value in values):
        return function(*values)
    given = [value if isinstance(value, jax.Array) else np.asarray(value) for value in values]
    if _has_doubles():
        return function(*given)
    with jax.enable_x64(True):
        return np.asarray(function(*given))[()]


def _has_doubles() -> bool:
    return bool(jax.config.read("jax_enable_x64"))
