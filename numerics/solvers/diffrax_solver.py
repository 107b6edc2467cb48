"""Diffrax's solvers on JAX, step by step; a step is one program, compiled once for all problems of a kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..charts import Chart
from .solver import SolverFailure, Tolerances

__all__ = ["DIFFRAX_METHODS", "DiffraxSolver"]

Array = NDArray[np.float64]

DIFFRAX_METHODS = ("Dopri8", "Tsit5", "Dopri5")
"""Names of explicit solvers in Diffrax; implicit ones differentiate the decomposition, which is NaN at equal σ."""

SAFE_TIME = 1e300
MOST_REJECTIONS = 1000
"""In one step, before it is given up."""


class DiffraxSolver:
    """One of Diffrax's adaptive Runge-Kutta methods on the compiled velocity of a chart."""

    jacobians = 0
    jacobian_products = 0

    def __init__(
        self, chart: Chart, method: str, time: float, coordinates: Array, end: float, tolerances: Tolerances
    ) -> None:
        try:
            import diffrax
            import jax
        except ImportError as error:
            raise ImportError("engine 'diffrax' needs the extra 'jax': pip install 'dln-geometry[jax]'") from error
        self.method = method
        self._jax, self._end = jax, end
        field = chart.traceable_velocity()
        with jax.enable_x64(True):
            begin, self._advance, self._interpolate = _program(field.velocity, method)
            # The controller needs a finite end; no step is ever this long.
            self._data = jax.tree.map(
                jax.numpy.asarray, (field.data, tolerances.rtol, tolerances.atol, float(min(end, SAFE_TIME)))
            )
            self._state = begin(float(time), jax.numpy.asarray(coordinates), tolerances.first_step, self._data)
        self._stages = getattr(diffrax, method)().tableau
        self.evaluations = 0
        self.time, self.coordinates = time, np.array(coordinates)
        self.step_size = np.nan
        self.finished = False

    @property
    def next_step(self) -> float:
        """The size that it would try next."""
        return float(self._state[1] - self._state[0]) or self.step_size

    def step(self) -> None:
        """One accepted step."""
        with self._jax.enable_x64(True):
            self._state, self._dense, tries = self._advance(self._state, self._data)
            reached, state = float(self._state[0]), np.asarray(self._state[2])
        self.evaluations += int(tries) * len(self._stages.c) + 1
        if not np.isfinite(state).all() or not reached > self.time:
            raise SolverFailure(f"{self.method} failed: no step was accepted")
        self.step_size, self.time, self.coordinates = reached - self.time, reached, state
        self.finished = reached >= self._end

    def interpolated(self, time: float) -> Array:
        """The state at a time within the last step."""
        with self._jax.enable_x64(True):
            return np.asarray(self._interpolate(self._dense, time))


@lru_cache(maxsize=64)
def _program(velocity: Callable[[Any, Any], Any], method: str) -> tuple[Callable[..., Any], ...]:
    """The start, a step, and the interpolation within it, compiled at their first call.

    A state is (t, the next t, y, the solver's state, the controller's state, whether a jump was made); the data are
    those of the velocity, rtol, atol and the end.
    """
    import diffrax
    import jax

    jnp = jax.numpy
    terms: Any = diffrax.ODETerm(lambda t, y, args: velocity(y, args))

    solver: Any = getattr(diffrax, method)()

    def begin(time: Any, y: Any, first_step: Any, data: Any) -> Any:
        args, rtol, atol, last = data
        following, state = diffrax.PIDController(rtol=rtol, atol=atol).init(
            terms, time, last, y, first_step, args, solver.func, solver.error_order(terms)
        )
        following = jnp.minimum(following, last)
        return (
            jnp.asarray(time, float),
            jnp.asarray(following, float),
            y,
            solver.init(terms, time, following, y, args),
            state,
            jnp.asarray(False),
        )

    def advance(state: Any, data: Any) -> Any:
        args, rtol, atol, last = data
        controller: Any = diffrax.PIDController(rtol=rtol, atol=atol)

        def attempt(carry: Any) -> Any:
            (t0, t1, y0, solver_state, controller_state, jump), _, _, tries, _ = carry
            y1, error, dense, new_solver_state, result = solver.step(terms, t0, t1, y0, args, solver_state, jump)
            failed = result != diffrax.RESULTS.successful
            error = jnp.where(failed | ~jnp.isfinite(error), jnp.inf, error)
            keep, following, after, new_jump, new_controller_state, _ = controller.adapt_step_size(
                t0, t1, y0, y1, args, error, solver.error_order(terms), controller_state
            )
            following = jnp.minimum(following, t0 * ~keep + t1 * keep)

            def choose(new: Any, old: Any) -> Any:
                return jax.tree.map(lambda a, b: jnp.where(keep, a, b), new, old)

            state = (
                following,
                jnp.minimum(after, last),
                choose(y1, y0),
                choose(new_solver_state, solver_state),
                new_controller_state,
                new_jump,
            )
            return state, dense, keep, tries + 1, (t0, t1)

        first = attempt((state, None, False, 0, (state[0], state[1])))
        done = jax.lax.while_loop(lambda carry: ~carry[2] & (carry[3] < MOST_REJECTIONS), attempt, first)
        state, dense, _, tries, (t0, t1) = done
        return state, (t0, t1, dense), tries

    def interpolate(dense: Any, moment: Any) -> Any:
        t0, t1, info = dense
        return solver.interpolation_cls(t0=t0, t1=t1, **info).evaluate(moment)

    return jax.jit(begin), jax.jit(advance), jax.jit(interpolate)
