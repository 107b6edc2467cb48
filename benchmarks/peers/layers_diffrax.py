"""Peer: the layers W_1, …, W_N compiled by JAX and integrated by diffrax, thin or full."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from .diffrax_run import EVALUATIONS_A_STEP, compiled_solver
from .jax_gradients import GRADIENTS
from .problem import CompletionProblem, Outcome, TimeLimitError

__all__ = ["full_layers", "thin_layers"]

UNROLLED = 16
"""Up to this depth the products of layers are written out; beyond, they are an associative scan."""


def thin_layers(
    problem: CompletionProblem, method: str, limit: float, controller: str = "I", gradient: str = "dense"
) -> Callable[[float], Outcome]:
    """Hidden width r.  State: W_1 (r, n), W_2 … W_{N-1} (N-2, r, r), W_Nᵀ (r, m).

    gradient "sparse" gathers the observed entries and sums by segment_sum, which is what scales.  "dense" is faster at
    100 x 100 with 2000 entries: a masked residual whose products of rank r are written out, so that XLA fuses and
    vectorizes them, takes a fifth of the time of segment_sum or BCOO, and half of that of padded gathers.
    """
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    r, layers = problem.start.rank, problem.layers()
    middle = np.array(layers[1:-1]).reshape(-1, r, r)
    slope_products = GRADIENTS[gradient](problem)
    inner_products = _unrolled_products if problem.depth <= UNROLLED else _scanned_products

    def velocity(state: Any) -> Any:
        first, inner, last = state
        below, above, core = inner_products(inner, r)
        left = _small(core.T, last)
        slope_right, left_slope = slope_products(left, first)
        block = last @ slope_right.T
        d_inner = -jnp.einsum("pba,bc,pdc->pad", above, block, below)
        return -left_slope, d_inner, -_small(core, slope_right)

    solver = compiled_solver(
        velocity, (layers[0], middle, layers[-1].T), problem.end, method=method, limit=limit, controller=controller
    )

    def solve(rtol: float) -> Outcome:
        (first, inner, last), steps, reached = solver(rtol, rtol * problem.layer_scale)
        if not reached:
            raise TimeLimitError(f"{method} took more than the {steps} steps for which there was time")
        core = reduce(lambda product, W: W @ product, np.asarray(inner), np.eye(r))
        return Outcome(
            np.asarray(last).T @ core @ np.asarray(first), _evaluations(method, steps), detail={"steps": steps}
        )

    return solve


def full_layers(
    problem: CompletionProblem, method: str, limit: float, controller: str = "I"
) -> Callable[[float], Outcome]:
    """Hidden width n, the gradient by reverse-mode differentiation of the loss: as it is usually written."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    energy = problem.energy
    observed = np.zeros(energy.shape)
    observed[energy.rows, energy.columns] = 1.0
    target = np.zeros(energy.shape)
    target[energy.rows, energy.columns] = energy.values

    def loss(layers: Any) -> Any:
        product = reduce(lambda product, W: W @ product, layers)
        return jnp.sum((observed * product - target) ** 2) / 2

    gradient = jax.grad(loss)

    def velocity(layers: Any) -> Any:
        return jax.tree.map(jnp.negative, gradient(layers))

    layers = problem.layers(max(energy.shape))
    solver = compiled_solver(velocity, layers, problem.end, method=method, limit=limit, controller=controller)

    def solve(rtol: float) -> Outcome:
        state, steps, reached = solver(rtol, rtol * problem.layer_scale)
        if not reached:
            raise TimeLimitError(f"{method} took more than the {steps} steps for which there was time")
        product = reduce(lambda product, W: W @ product, [np.asarray(W) for W in state])
        return Outcome(product, _evaluations(method, steps), detail={"steps": steps})

    return solve


def _evaluations(method: str, steps: int) -> int:
    return EVALUATIONS_A_STEP[method] * steps + 1


def _small(A: Any, B: Any) -> Any:
    """A B for a batch of small A, as a fused sum rather than calls of a matrix product."""
    return (A[..., :, :, None] * B[..., None, :, :]).sum(-2)


def _unrolled_products(inner: Any, r: int) -> tuple[Any, Any, Any]:
    """For each W_p of W_2 … W_{N-1} the product of those below and of those above it; and that of all."""
    import jax.numpy as jnp

    below, above = [jnp.eye(r)], [jnp.eye(r)]
    for p in range(inner.shape[0]):
        below.append(_small(inner[p], below[-1]))
    for p in range(inner.shape[0] - 1, 0, -1):
        above.append(_small(above[-1], inner[p]))
    if inner.shape[0] == 0:
        return inner, inner, below[-1]
    return jnp.stack(below[:-1]), jnp.stack(above[::-1]), below[-1]


def _scanned_products(inner: Any, r: int) -> tuple[Any, Any, Any]:
    import jax
    import jax.numpy as jnp

    up_to = jax.lax.associative_scan(lambda low, high: _small(high, low), inner)
    from_top = jax.lax.associative_scan(lambda high, low: _small(high, low), inner, reverse=True)
    identity = jnp.eye(r)[None]
    return jnp.concatenate([identity, up_to[:-1]]), jnp.concatenate([from_top[1:], identity]), up_to[-1]
