"""When an explicit method should be given up, since its stability and not its accuracy limits the steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..charts import Chart
from .solver import Solver
from .sundials_solver import LARGEST_DENSE

__all__ = ["Stiffness", "limited_steps"]

STIFF_STEP = 1.5
"""h times the largest rate from which on the stability bound of DOP853, about 6, is what limits h."""
STIFF_STEPS = 6
"""That many steps in a row, and `STEPS_TO_GO` of the same size left, where the implicit method solves directly."""
STEPS_TO_GO = 15
ITERATIVE_STIFF_STEPS = 200
"""Where it solves iteratively: its velocities and products for a whole flow were seen to be as many as these steps'."""
COMPILED_STIFF_STEPS = 1000
"""Where explicit steps are compiled, and the implicit ones come back to Python for each velocity."""


def limited_steps(limited: int, size: float, rate: float, left: float, most: int) -> int:
    """How many steps in a row stability has limited, after one more of this size with the time left to go.

    `most` is returned where so many are certain to come.
    """
    if size * rate <= STIFF_STEP or left <= STEPS_TO_GO * size:
        return 0
    certain = limited + 1 >= STIFF_STEPS and most * size < left < math.inf
    return most if certain else limited + 1


@dataclass
class Stiffness:
    """Looks at accepted steps, and says when an explicit method should be given up.

    Attributes
    ----------
    limited : int
        Steps in a row that stability has limited.
    """

    limited: int = 0

    @staticmethod
    def most(chart: Chart) -> int:
        """So many of them are enough."""
        if chart.field is not None:
            return COMPILED_STIFF_STEPS
        return STIFF_STEPS if chart.coordinates(chart.start).size <= LARGEST_DENSE else ITERATIVE_STIFF_STEPS

    def shows(self, chart: Chart, solver: Solver, end: float) -> bool:
        """Whether the method should be changed after this step."""
        rate = chart.fastest_rate(solver.coordinates)
        most = self.most(chart)
        self.limited = limited_steps(self.limited, solver.step_size, rate, end - solver.time, most)
        return self.limited >= most
