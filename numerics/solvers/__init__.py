"""The engines that integrate a chart, one file each."""

from .choice import ENGINES, Stiffness, default_method, start_solver
from .diffrax_solver import DIFFRAX_METHODS
from .scipy_solver import METHODS
from .solver import Solver, SolverFailure, Tolerances

__all__ = [
    "DIFFRAX_METHODS",
    "ENGINES",
    "METHODS",
    "Solver",
    "SolverFailure",
    "Stiffness",
    "Tolerances",
    "default_method",
    "start_solver",
]
