r"""CVODE of SUNDIALS: backward differentiation formulas.

The linear systems (I - γJ) x = b of its Newton iterations are solved directly where there are few coordinates: a
Jacobian then serves for some fifty steps.  Otherwise they are solved by GMRES, without Jacobian matrix, preconditioned
by the metric itself: the Hessian of the energy is about a multiple of the identity, so J is about -A_N, which is
diagonal in the singular vectors.

Source: Hindmarsh et al., *SUNDIALS: suite of nonlinear and differential/algebraic equation solvers*,
ACM Trans. Math. Software 31 (2005).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..charts import Chart, LinearMap, Preconditioner
from .solver import SolverFailure, Tolerances

__all__ = ["LARGEST_DENSE", "SundialsSolver", "sundials_is_installed"]

Array = NDArray[np.float64]

LARGEST_DENSE = 100
"""Up to so many coordinates a Jacobian and its factors cost less than the products that GMRES takes."""
KRYLOV_DIMENSION = 10
SIDE = "right"
"""Of the preconditioner: from the left it would weigh down the residuals in directions that nothing observes."""
SAFE_TIME = 1e300
"""CVODE takes no infinite time to go to."""


def sundials_is_installed() -> bool:
    """Whether the extra `stiff` is there."""
    try:
        import sksundae.cvode  # noqa: F401
    except ImportError:
        return False
    return True


def _no_product(direction: Array) -> Array:
    raise RuntimeError("CVODE asked for a product before it had linearized the velocity")


class SundialsSolver:
    """CVODE's BDF on a chart."""

    method = "CVODE"

    def __init__(self, chart: Chart, time: float, coordinates: Array, end: float, tolerances: Tolerances) -> None:
        try:
            from sksundae.cvode import CVODE
        except ImportError as error:
            raise ImportError("engine 'sundials' needs the extra 'stiff': pip install 'dln-geometry[stiff]'") from error
        self._chart = chart
        self._end = min(end, SAFE_TIME)
        self._preconditioner: Preconditioner | None = None
        self._product: LinearMap = _no_product
        options: dict[str, Any] = {"rtol": tolerances.rtol, "atol": tolerances.atol}
        options |= self._direct() if coordinates.size <= LARGEST_DENSE else self._iterative(coordinates)
        first_step = tolerances.first_step
        if first_step is None and self._end == SAFE_TIME:
            # CVODE's own guess is a share of the time to the end.
            first_step = tolerances.rtol ** (1 / 3) / max(chart.fastest_rate(coordinates), 1 / SAFE_TIME)
        if first_step is not None:
            options["first_step"] = min(first_step, self._end - time)
        self.evaluations, self.jacobians, self.jacobian_products = 0, 0, 0
        self._solver = CVODE(self._velocity, **options)
        self._solver.init_step(time, coordinates)
        self.time, self.coordinates = time, coordinates
        self.step_size = np.nan
        self.finished = False

    def _direct(self) -> dict[str, Any]:
        return {"linsolver": "dense", "jacfn": self._jacobian}

    def _iterative(self, coordinates: Array) -> dict[str, Any]:
        from sksundae.cvode import CVODEJacTimes, CVODEPrecond

        options: dict[str, Any] = {
            "linsolver": "gmres",
            "krylov_dim": KRYLOV_DIMENSION,
            "precond": CVODEPrecond(self._prepare, self._precondition, SIDE),
        }
        if not self._chart.is_cheap and self._chart.linearization(coordinates) is not None:
            # Where a velocity costs next to nothing, CVODE's own differences of it are cheaper.
            options["jactimes"] = CVODEJacTimes(self._linearize, self._jacobian_product)
        return options

    def _velocity(self, time: float, coordinates: Array, velocity: Array) -> None:
        self.evaluations += 1
        # A copy: the compiled velocities would be compiled once more for arrays that cannot be written to.
        velocity[:] = self._chart.velocity(time, coordinates.copy())

    def _jacobian(self, time: float, coordinates: Array, velocity: Array, jacobian: Array) -> None:
        self.jacobians += 1
        jacobian[:, :] = self._chart.jacobian(time, coordinates.copy())

    def _linearize(self, time: float, coordinates: Array, velocity: Array) -> None:
        self._product = self._chart.linearization(coordinates.copy()) or _no_product

    def _jacobian_product(self, time: float, coordinates: Array, velocity: Array, v: Array, product: Array) -> None:
        self.jacobian_products += 1
        product[:] = self._product(v)

    def _prepare(self, time: float, y: Array, velocity: Array, jok: int, renewed: list[int], gamma: float) -> None:
        self._preconditioner = self._chart.preconditioner(y.copy())
        renewed[0] = 1

    def _precondition(
        self,
        time: float,
        coordinates: Array,
        velocity: Array,
        residual: Array,
        solution: Array,
        gamma: float,
        delta: float,
        side: int,
    ) -> None:
        solution[:] = residual if self._preconditioner is None else self._preconditioner(gamma, residual.copy())

    @property
    def next_step(self) -> float:
        """The size of the last step."""
        return self.step_size

    def step(self) -> None:
        """One accepted step."""
        reached, state = self._advance()
        if reached == self.time:
            # After an interpolation CVODE first returns to the end of its last step.
            reached, state = self._advance()
        if reached <= self.time:
            raise SolverFailure("CVODE failed: the step size is below the spacing of the floating-point numbers")
        self.step_size, self.time, self.coordinates = reached - self.time, reached, state
        self.finished = reached >= self._end

    def _advance(self) -> tuple[float, Array]:
        result = self._solver.step(self._end, method="onestep", tstop=self._end)
        state = np.array(result.y, dtype=np.float64).reshape(-1)
        if not result.success or not np.isfinite(state).all():
            raise SolverFailure(f"CVODE failed: {result.message}")
        return float(np.ravel(result.t)[-1]), state

    def interpolated(self, time: float) -> Array:
        """The state at a time within the last step."""
        result = self._solver.step(time, method="normal", tstop=None)
        if not result.success:
            raise SolverFailure(f"CVODE failed to interpolate: {result.message}")
        return np.array(result.y, dtype=np.float64).reshape(-1)
