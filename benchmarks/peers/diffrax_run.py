"""One compiled diffrax integration, shared by the peers that use diffrax."""

from __future__ import annotations

from collections.abc import Callable
from math import isinf
from time import perf_counter
from typing import Any

__all__ = ["EVALUATIONS_A_STEP", "compiled_solver"]

EVALUATIONS_A_STEP = {"Tsit5": 6, "Dopri8": 13}
"""Stages, less one where the last of a step is the first of the next one."""

CONTROLLERS: dict[str, dict[str, Any]] = {"I": {}, "PI": {"pcoeff": 0.3, "icoeff": 0.4}}


def compiled_solver(
    velocity: Callable[[Any], Any],
    start: Any,
    end: float,
    *,
    method: str,
    limit: float,
    controller: str = "I",
) -> Callable[[float, Any], tuple[Any, int, bool]]:
    """solve(rtol, atol) → (state at the end, steps, whether it got there); compiled at the first call.

    A compiled loop cannot be interrupted, so the time limit is turned into one on the number of steps.
    """
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    solver = getattr(diffrax, method)()
    term = diffrax.ODETerm(lambda t, state, _: velocity(state))
    start = jax.tree.map(jnp.asarray, start)
    budget = None if isinf(limit) else _steps_within(limit, velocity, start, EVALUATIONS_A_STEP[method])

    @jax.jit
    def run(rtol: Any, atol: Any) -> Any:
        solution = diffrax.diffeqsolve(
            term,
            solver,
            0.0,
            end,
            None,
            start,
            saveat=diffrax.SaveAt(t1=True),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol, **CONTROLLERS[controller]),
            adjoint=diffrax.ForwardMode(),
            max_steps=budget,
            throw=False,
        )
        state = jax.tree.map(lambda leaf: leaf[-1], solution.ys)
        return state, solution.stats["num_steps"], solution.result == diffrax.RESULTS.successful

    def solve(rtol: float, atol: Any) -> tuple[Any, int, bool]:
        state, steps, reached = jax.block_until_ready(run(rtol, atol))
        return state, int(steps), bool(reached)

    return solve


def _steps_within(limit: float, velocity: Callable[[Any], Any], start: Any, evaluations: int, sample: int = 50) -> int:
    """How many steps the time limit allows, from the time of some velocities in a compiled loop."""
    import jax

    @jax.jit
    def repeated(state: Any) -> Any:
        def once(_: int, moved: Any) -> Any:
            return jax.tree.map(lambda x, v: x + 1e-9 * v, moved, velocity(moved))

        return jax.lax.fori_loop(0, sample, once, state)

    jax.block_until_ready(repeated(start))
    begin = perf_counter()
    jax.block_until_ready(repeated(start))
    return max(int(limit / ((perf_counter() - begin) / sample * evaluations)), 100)
