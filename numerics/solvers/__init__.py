"""The engines that integrate a chart, one file each."""

from .choice import ENGINES, default_method, implicit_method, start_solver
from .diffrax_solver import DIFFRAX_METHODS
from .scipy_solver import METHODS, ScipySolver
from .solver import March, Solver, SolverFailure, Tolerances
from .stiffness import Stiffness

__all__ = [
    "DIFFRAX_METHODS",
    "ENGINES",
    "METHODS",
    "March",
    "ScipySolver",
    "Solver",
    "SolverFailure",
    "Stiffness",
    "Tolerances",
    "default_method",
    "implicit_method",
    "start_solver",
]
