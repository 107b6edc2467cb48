"""What every engine supplies to a run: single steps of adaptive size, and the solution within the last one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Solver", "SolverFailure", "Tolerances"]

Array = NDArray[np.float64]


class SolverFailure(RuntimeError):
    """A solver cannot go on; the run says where."""


@dataclass(frozen=True)
class Tolerances:
    """The tolerances of each step: the error in coordinate i is kept below rtol |y_i| + atol_i.

    Attributes
    ----------
    rtol : float
    atol : array or float
    first_step : float, optional
    """

    rtol: float
    atol: Array | float
    first_step: float | None = None


class Solver(Protocol):
    """An integration under way.

    Attributes
    ----------
    time : float
    coordinates : array
        The state there; a copy, not a view of the solver's memory.
    step_size : float
        Of the last step.
    evaluations : int
        Velocities so far, those for Jacobian matrices not counted.
    finished : bool
        Whether the end was reached.
    jacobians, jacobian_products : int
        Jacobian matrices, and exact products with directions, so far.
    """

    time: float
    coordinates: Array
    step_size: float
    jacobians: int
    jacobian_products: int

    @property
    def evaluations(self) -> int:
        """Velocities so far."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the end was reached."""
        ...

    def step(self) -> None:
        """One accepted step; raises `SolverFailure`."""
        ...

    def interpolated(self, time: float) -> Array:
        """The state at a time within the last step."""
        ...
