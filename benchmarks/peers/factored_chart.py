"""Peer: the factored chart X = U S Vᵀ written straight down, in SciPy or compiled by JAX for diffrax.

With S = P D Qᵀ, G̃ = (UP)ᵀ ∇E (VQ) and λ_kl = (d_k d_l)^{1-1/N} sinh(u)/sinh(u/N), u = log(d_k/d_l):
dS/dt = -P(λ∘G̃)Qᵀ, dU/dt = -(I - UUᵀ) ∇E V Q D^{1-2/N} Pᵀ, likewise V.  At depth oo sinh(u/N) becomes u/N, the flow is
rescaled, and U and V stand still.  It is retyped here as a user would, without the toolkit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .diffrax_run import EVALUATIONS_A_STEP, compiled_solver
from .jax_gradients import dense_products
from .problem import CompletionProblem, Outcome, TimeLimitError
from .scipy_run import integrate

__all__ = ["factored_diffrax", "factored_scipy", "multipliers"]

Array = NDArray[np.float64]


def multipliers(sigma: Any, depth: int | None, array: Any) -> tuple[Any, Any]:
    """λ_kl and λ(d_k, 0)/d_k, in NumPy or jax.numpy; depth None is infinite."""
    logarithm = array.log(sigma)
    u = logarithm[:, None] - logarithm[None, :]
    mean = (logarithm[:, None] + logarithm[None, :]) / 2
    apart = u != 0
    safe = array.where(apart, u, 1.0)
    if depth is None:
        return array.exp(2 * mean) * array.where(apart, array.sinh(safe) / safe, 1.0), array.zeros_like(sigma)
    ratio = array.where(apart, array.sinh(safe) / array.sinh(safe / depth), depth)
    return array.exp((2 - 2 / depth) * mean) * ratio, sigma ** (1 - 2 / depth)


def factored_scipy(problem: CompletionProblem, method: str, limit: float) -> Callable[[float], Outcome]:
    """NumPy and a SciPy sparse residual."""
    energy, start = problem.energy, problem.start
    depth = None if problem.infinitely_deep else problem.depth
    rows, columns, values = energy.rows, energy.columns, energy.values
    pointers = np.searchsorted(rows, np.arange(energy.shape[0] + 1))
    slope = sparse.csr_array((np.empty_like(values), columns, pointers), shape=energy.shape)
    (m, n), r = start.shape, start.rank

    def split(state: Array) -> tuple[Array, Array, Array]:
        if depth is None:
            return state.reshape(r, r), start.U, start.V
        S, U, V = np.split(state, [r * r, r * r + m * r])
        return S.reshape(r, r), U.reshape(m, r), V.reshape(n, r)

    def velocity(state: Array) -> Array:
        S, U, V = split(state)
        P, sigma, Qt = np.linalg.svd(S)
        left, right = U @ P, V @ Qt.T
        slope.data = np.einsum("ek,ek->e", (U @ S)[rows], V[columns]) - values
        slope_right = slope @ right
        block = left.T @ slope_right
        multiplier, rate = multipliers(sigma, depth, np)
        dS = -P @ (multiplier * block) @ Qt
        if depth is None:
            return dS.ravel()
        dU = -((slope_right - left @ block) * rate) @ P.T
        dV = -((slope.T @ left - right @ block.T) * rate) @ Qt
        return np.concatenate([dS.ravel(), dU.ravel(), dV.ravel()])

    parts = [start.S] if depth is None else [start.S, start.U, start.V]
    begin = np.concatenate([part.ravel() for part in parts])

    def solve(rtol: float) -> Outcome:
        states, evaluations, jacobians = integrate(
            velocity, begin, [problem.end], method=method, rtol=rtol, atol=rtol * _scales(problem), limit=limit
        )
        S, U, V = split(states[-1])
        return Outcome(U @ S @ V.T, evaluations, jacobians)

    return solve


def factored_diffrax(
    problem: CompletionProblem, method: str, limit: float, controller: str = "I"
) -> Callable[[float], Outcome]:
    """JAX with a dense masked residual, the faster one at this size (see `layers_diffrax`)."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    start = problem.start
    depth = None if problem.infinitely_deep else problem.depth
    slope_products = dense_products(problem)

    def velocity(state: Any) -> Any:
        S, U, V = state if depth is not None else (*state, start.U.T, start.V.T)  # U and V are transposed
        P, sigma, Qt = jnp.linalg.svd(S)
        left, right = P.T @ U, Qt @ V
        slope_right, slope_left = slope_products(left * sigma[:, None], right)
        slope_left = slope_left / sigma[:, None]
        block = left @ slope_right.T
        multiplier, rate = multipliers(sigma, depth, jnp)
        dS = -P @ (multiplier * block) @ Qt
        if depth is None:
            return (dS,)
        dU = -P @ ((slope_right - block.T @ left) * rate[:, None])
        dV = -Qt.T @ ((slope_left - block @ right) * rate[:, None])
        return dS, dU, dV

    parts = (start.S,) if depth is None else (start.S, start.U.T, start.V.T)
    solver = compiled_solver(velocity, parts, problem.end, method=method, limit=limit, controller=controller)

    def solve(rtol: float) -> Outcome:
        state, steps, reached = solver(rtol, rtol * problem.start.singular_values[-1])
        if not reached:
            raise TimeLimitError(f"{method} took more than the {steps} steps for which there was time")
        S, U, V = (np.asarray(part) for part in (state if depth is not None else (*state, start.U.T, start.V.T)))
        return Outcome(U.T @ S @ V, EVALUATIONS_A_STEP[method] * steps + 1, detail={"steps": steps})

    return solve


def _scales(problem: CompletionProblem) -> Array:
    """What an absolute tolerance is relative to: the smallest singular value for S, the mean entry for U and V."""
    (m, n), r = problem.start.shape, problem.start.rank
    core = np.full(r * r, problem.start.singular_values[-1])
    if problem.infinitely_deep:
        return core
    return np.concatenate([core, np.full(m * r, m**-0.5), np.full(n * r, n**-0.5)])
