"""SciPy's solvers, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import integrate

from ..charts import Chart
from .compiled_dop853 import CompiledDOP853
from .solver import March, MarchResult, SolverFailure, Tolerances

__all__ = ["IMPLICIT", "METHODS", "ScipySolver"]

Array = NDArray[np.float64]

METHODS = {
    "BDF": integrate.BDF,
    "Radau": integrate.Radau,
    "LSODA": integrate.LSODA,
    "DOP853": integrate.DOP853,
    "RK45": integrate.RK45,
}
IMPLICIT = ("BDF", "Radau")


class ScipySolver:
    """One of SciPy's solvers on a chart; the implicit ones get the chart's Jacobian."""

    jacobian_products = 0

    def __init__(
        self, chart: Chart, method: str, time: float, coordinates: Array, end: float, tolerances: Tolerances
    ) -> None:
        self.method = method
        self.jacobians = 0
        self._chart = chart
        options: dict[str, Any] = {"rtol": tolerances.rtol, "atol": tolerances.atol}
        if tolerances.first_step is not None:
            options["first_step"] = min(tolerances.first_step, end - time)
        if method in IMPLICIT:
            options["jac"] = self._jacobian
        with np.errstate(all="ignore"):
            arguments = chart.velocity, time, coordinates, end
            if method == "DOP853" and chart.field is not None:
                self._solver = CompiledDOP853(chart.field, *arguments, **options)
            else:
                self._solver = METHODS[method](*arguments, **options)
        self.time, self.coordinates = time, coordinates
        self.step_size = np.nan

    def _jacobian(self, time: float, coordinates: Array) -> Array:
        self.jacobians += 1
        return self._chart.jacobian(time, coordinates)

    @property
    def evaluations(self) -> int:
        """Velocities so far."""
        return int(self._solver.nfev)

    @property
    def finished(self) -> bool:
        """Whether the end was reached."""
        return bool(self._solver.status == "finished")

    @property
    def next_step(self) -> float:
        """The size that it would try next, or of the last step where that is not known."""
        return float(getattr(self._solver, "h_abs", None) or self.step_size)

    def step(self) -> None:
        """One accepted step."""
        try:
            with np.errstate(all="ignore"):
                message = self._solver.step()
        except (ValueError, np.linalg.LinAlgError) as error:
            # From within SciPy, where a trial step overflowed.
            raise SolverFailure(f"{self.method} failed: {error}") from error
        if self._solver.status == "failed" or not np.isfinite(self._solver.y).all():
            raise SolverFailure(f"{self.method} failed: {message or 'the state overflowed'}")
        self._take()

    def _take(self) -> None:
        self.time, self.coordinates = float(self._solver.t), self._solver.y.copy()
        self.step_size = self.time - float(self._solver.t_old)

    @property
    def marches(self) -> bool:
        """Whether many steps can be taken at once, as they are compiled."""
        return isinstance(self._solver, CompiledDOP853) and self._solver.marches

    def march(self, limits: March) -> MarchResult:
        """Steps until one of the limits is met, as if `step` had been called so many times."""
        assert isinstance(self._solver, CompiledDOP853)
        result = self._solver.march(limits)
        if result.steps:
            self._take()
        if self._solver.status == "failed":
            raise SolverFailure(f"{self.method} failed: {self._solver.TOO_SMALL_STEP}")
        return result

    def interpolated(self, time: float) -> Array:
        """The state at a time within the last step."""
        return np.asarray(self._solver.dense_output()(time))
