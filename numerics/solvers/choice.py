r"""Which solver runs: the one asked for, or one chosen by what has been measured.

Engine "auto" starts with an explicit method of order eight.  It changes to an implicit one where the steps
have come up against its stability bound, since h times the largest rate of decay (the largest multiplier times
the typical curvature of the energy) stays large, and there is a long way to go: see `stiffness`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..charts import Chart
from .diffrax_solver import DiffraxSolver
from .scipy_solver import METHODS, ScipySolver
from .solver import Solver, Tolerances
from .sundials_solver import SundialsSolver, sundials_is_installed

__all__ = ["ENGINES", "default_method", "implicit_method", "start_solver"]

Array = NDArray[np.float64]

ENGINES = ("auto", "scipy", "sundials", "diffrax")
TIGHT_RTOL = 1e-9
"""Below this relative tolerance Radau is SciPy's default: its global error stays near the tolerance."""
EXPLICIT = "DOP853"


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


def implicit_method(rtol: float) -> str:
    """The method that engine "auto" changes to where the problem is stiff."""
    return "CVODE" if sundials_is_installed() else default_method("scipy", rtol)
