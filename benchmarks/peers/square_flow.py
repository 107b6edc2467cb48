"""Peer: a square full-rank X, all of it integrated through its singular value decomposition, as one would write it.

dX/dt = -P (λ ∘ Pᵀ∇E Q) Qᵀ with X = P D Qᵀ.  Nothing is cut off, as no singular value is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .diffrax_run import EVALUATIONS_A_STEP
from .factored_chart import multipliers
from .problem import CompletionProblem, TimeLimitError
from .scipy_run import integrate

__all__ = ["SampledFlow", "diffrax_square_flow", "scipy_square_flow"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SampledFlow:
    """X at the times asked for, (T, n, n), and what it took.

    Velocities for Jacobians and products with them count as evaluations; `exact_jacobians` took none.
    """

    X: Array
    evaluations: int
    jacobians: int = 0
    exact_jacobians: int = 0


def _velocity(problem: CompletionProblem, array: Any) -> Callable[[Any], Any]:
    """The velocity (n, n) → (n, n), in NumPy or in jax.numpy."""
    depth = None if problem.infinitely_deep else problem.depth
    shape, energy = problem.energy.shape, problem.energy
    observed, given = np.zeros(shape), np.zeros(shape)
    observed[energy.rows, energy.columns] = 1.0
    given[energy.rows, energy.columns] = energy.values

    def velocity(X: Any) -> Any:
        P, sigma, Qt = array.linalg.svd(X)
        block = P.T @ (observed * X - given) @ Qt.T
        return -P @ (multipliers(sigma, depth, array)[0] * block) @ Qt

    return velocity


def scipy_square_flow(
    problem: CompletionProblem, times: Array, method: str, rtol: float, atol: float | None, limit: float
) -> SampledFlow:
    """With Jacobians differenced by SciPy; atol None is rtol times the smallest singular value of the start."""
    smallest = float(problem.start.singular_values[-1])
    velocity, shape = _velocity(problem, np), problem.energy.shape
    states, evaluations, jacobians = integrate(
        lambda state: velocity(state.reshape(shape)).ravel(),
        problem.start.to_array().ravel(),
        list(times),
        method=method,
        rtol=rtol,
        atol=rtol * smallest if atol is None else atol,
        limit=limit,
    )
    return SampledFlow(states.reshape(-1, *shape), evaluations, jacobians)


def diffrax_square_flow(
    problem: CompletionProblem, times: Array, method: str, rtol: float, atol: float, max_steps: int
) -> SampledFlow:
    """Explicit methods only: the derivative of JAX's decomposition, for a Jacobian, is NaN at the balanced start."""
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    velocity = _velocity(problem, jnp)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, X, _: velocity(X)),
        getattr(diffrax, method)(),
        0.0,
        times[-1],
        None,
        jnp.asarray(problem.start.to_array()),
        saveat=diffrax.SaveAt(ts=jnp.asarray(times)),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        adjoint=diffrax.ForwardMode(),
        max_steps=max_steps,
        throw=False,
    )
    evaluations = EVALUATIONS_A_STEP[method] * int(solution.stats["num_steps"]) + 1
    if solution.result != diffrax.RESULTS.successful:
        raise TimeLimitError(f"{method} took more than {evaluations} right-hand sides")
    return SampledFlow(np.asarray(solution.ys), evaluations)
