"""What every engine supplies to a run: single steps of adaptive size, and the solution within the last one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["March", "MarchResult", "Solver", "SolverFailure", "Tolerances"]

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


@dataclass(frozen=True)
class March:
    """Where steps that nobody looks at have to end.

    Attributes
    ----------
    until : float
        With the first step that reaches this time.
    orientation : float
        With the first step that has another.
    resolution : float
        With the first step where the smallest singular value is resolved less well.
    limited, most_limited : int
        Steps in a row that stability has limited so far; with the one that makes them so many.
    most_steps : int
        After so many.
    """

    until: float
    orientation: float
    resolution: float
    limited: int
    most_limited: int
    most_steps: int


@dataclass(frozen=True)
class MarchResult:
    """What a march has seen: the number of its steps, the largest drift, and `limited` before the last of them."""

    steps: int
    drift: float
    limited: int


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

    @property
    def next_step(self) -> float:
        """The size that it would try next, or of the last step where that is not known."""
        ...

    def step(self) -> None:
        """One accepted step; raises `SolverFailure`."""
        ...

    def interpolated(self, time: float) -> Array:
        """The state at a time within the last step."""
        ...
