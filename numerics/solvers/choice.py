r"""Which solver runs: the one asked for, or one chosen by what has been measured.

Engine "auto" starts with an explicit method of order eight.  It changes to an implicit one where the steps
have come up against its stability bound, since h times the largest rate of decay (the largest multiplier times
the typical curvature of the energy) stays above `STIFF_STEP`, and there is a long way to go.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..charts import Chart
from .diffrax_solver import DiffraxSolver
from .scipy_solver import METHODS, ScipySolver
from .solver import Solver, Tolerances
from .sundials_solver import SundialsSolver, sundials_is_installed

__all__ = ["ENGINES", "Stiffness", "default_method", "start_solver"]

Array = NDArray[np.float64]

ENGINES = ("auto", "scipy", "sundials", "diffrax")
TIGHT_RTOL = 1e-9
"""Below this relative tolerance Radau is SciPy's default: its global error stays near the tolerance."""
EXPLICIT = "DOP853"
STIFF_STEP = 2.0
"""h times the largest rate from which on the stability bound of `EXPLICIT`, about 6, is what limits h."""
STIFF_STEPS = 15
"""That many steps in a row, and at least as many still to go."""


def default_method(engine: str, rtol: float) -> str:
    """The method an engine begins with, where none is asked for."""
    if engine == "auto":
        return EXPLICIT
    if engine == "scipy":
        return "BDF" if rtol >= TIGHT_RTOL else "Radau"
    return "CVODE" if engine == "sundials" else "Dopri8"


def start_solver(
    chart: Chart, method: str, time: float, coordinates: Array, end: float, tolerances: Tolerances
) -> Solver:
    """A solver at its start, by the name of its method."""
    if method in METHODS:
        return ScipySolver(chart, method, time, coordinates, end, tolerances)
    if method == "CVODE":
        return SundialsSolver(chart, time, coordinates, end, tolerances)
    return DiffraxSolver(chart, method, time, coordinates, end, tolerances)


@dataclass
class Stiffness:
    """Looks at accepted steps, and says when an explicit method should be given up, and for which.

    Attributes
    ----------
    rtol : float
    limited : int
        Steps in a row that stability has limited.
    """

    rtol: float
    limited: int = 0

    def better_method(self, chart: Chart, solver: Solver, end: float) -> str | None:
        """The implicit method to change to after this step; None to go on."""
        at_bound = solver.step_size * chart.fastest_rate(solver.coordinates) > STIFF_STEP
        far = end - solver.time > STIFF_STEPS * solver.step_size
        self.limited = self.limited + 1 if at_bound and far else 0
        if self.limited < STIFF_STEPS:
            return None
        return "CVODE" if sundials_is_installed() else default_method("scipy", self.rtol)
