"""Diffrax's solvers on JAX, step by step, each step one compiled program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..charts import Chart
from .solver import SolverFailure, Tolerances

__all__ = ["DIFFRAX_METHODS", "DiffraxSolver"]

Array = NDArray[np.float64]

DIFFRAX_METHODS = ("Dopri8", "Tsit5", "Dopri5", "Kvaerno5")
"""Names of solvers in Diffrax; the last one is implicit."""

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
        velocity = chart.traceable_velocity()
        with jax.enable_x64(True):
            self._advance, self._interpolate, self._state = _stepping(
                diffrax, jax, velocity, method, time, coordinates, end, tolerances
            )
        self._stages = getattr(diffrax, method)().tableau
        self.evaluations = 0
        self.time, self.coordinates = time, np.array(coordinates)
        self.step_size = np.nan
        self.finished = False

    def step(self) -> None:
        """One accepted step."""
        with self._jax.enable_x64(True):
            self._state, self._dense, tries = self._advance(self._state)
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


def _stepping(
    diffrax: Any,
    jax: Any,
    velocity: Callable[[Any], Any],
    method: str,
    time: float,
    coordinates: Array,
    end: float,
    tolerances: Tolerances,
) -> tuple[Callable[[Any], Any], Callable[[Any, float], Any], Any]:
    """The compiled step, the interpolation within it, and the state to begin with.

    A state is (t, the next t, y, the solver's state, the controller's state, whether a jump was made).
    """
    jnp = jax.numpy
    terms = diffrax.ODETerm(lambda t, y, args: velocity(y))
    solver = getattr(diffrax, method)()
    atol = jnp.asarray(tolerances.atol)
    controller = diffrax.PIDController(rtol=tolerances.rtol, atol=atol)
    y = jnp.asarray(coordinates)
    # The controller needs a finite end; no step is ever this long.
    last = float(min(end, 1e300))

    @jax.jit
    def begin(y: Any) -> Any:
        following, state = controller.init(
            terms, time, last, y, tolerances.first_step, None, solver.func, solver.error_order(terms)
        )
        following = jnp.minimum(following, last)
        return (
            jnp.asarray(time, float),
            jnp.asarray(following, float),
            y,
            solver.init(terms, time, following, y, None),
            state,
            jnp.asarray(False),
        )

    @jax.jit
    def advance(state: Any) -> Any:
        def attempt(carry: Any) -> Any:
            (t0, t1, y0, solver_state, controller_state, jump), _, _, tries, _ = carry
            y1, error, dense, new_solver_state, result = solver.step(terms, t0, t1, y0, None, solver_state, jump)
            failed = result != diffrax.RESULTS.successful
            error = jnp.where(failed | ~jnp.isfinite(error), jnp.inf, error)
            keep, following, after, new_jump, new_controller_state, _ = controller.adapt_step_size(
                t0, t1, y0, y1, None, error, solver.error_order(terms), controller_state
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

    @jax.jit
    def interpolate(dense: Any, moment: float) -> Any:
        t0, t1, info = dense
        return solver.interpolation_cls(t0=t0, t1=t1, **info).evaluate(moment)

    return advance, interpolate, begin(y)
