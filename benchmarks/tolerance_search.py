"""The loosest tolerance at which a solver reaches an error, and what it then took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .peers import CompletionProblem, Outcome, Solver, TimeLimitError

__all__ = ["Measurement", "loosest", "timed"]

Array = NDArray[np.float64]

ERROR = 1e-6
TOLERANCES = tuple(10.0 ** -(exponent / 2) for exponent in range(6, 25))
"""From 1e-3 to 1e-12, in half decades."""
MIDDLE = (6, 10)
"""Where the search begins, 1e-6, and where it begins again if that takes too long, 1e-8."""
LONG_ENOUGH = 15.0


@dataclass
class Measurement:
    """One solver on one problem.

    Attributes
    ----------
    family, name : str
        Of the solver.
    tolerance : float or None
        The loosest that reached the error; None where none did.
    error : float
    outcome : Outcome or None
    compilation : float
        Seconds that preparing and the first call took beyond a further call.
    rounds : list of float
        Seconds of each call.
    remark : str
        Why there is no time.
    """

    family: str
    name: str
    tolerance: float | None = None
    error: float = np.nan
    outcome: Outcome | None = None
    compilation: float = 0.0
    rounds: list[float] = field(default_factory=list)
    remark: str = ""

    @property
    def seconds(self) -> float:
        """The median of the rounds; infinite without any."""
        return median(self.rounds) if self.rounds else np.inf

    def ratio(self, ours: Measurement) -> float:
        """The median over the rounds of this time over that of ours; infinite without any."""
        pairs = list(zip(self.rounds, ours.rounds, strict=False))
        return median(theirs / mine for theirs, mine in pairs) if pairs else np.inf


def timed(function: Callable[[float], Outcome], tolerance: float) -> tuple[Outcome, float]:
    """One call and its seconds."""
    begin = perf_counter()
    outcome = function(tolerance)
    return outcome, perf_counter() - begin


def loosest(solver: Solver, problem: CompletionProblem, exact: Array, limit: float) -> tuple[Measurement, Any]:
    """Search the tolerance; the measurement without rounds, and the prepared solver.

    The search begins in the middle: at loose tolerances a flow that became unstable may take longest of all.
    """
    found = Measurement(solver.family, solver.name)
    if not solver.installed:
        found.remark = "not installed"
    elif not solver.applies(problem):
        found.remark = "no layers"
    if found.remark:
        return found, None
    begin = perf_counter()
    try:
        solve = solver.prepare(problem, limit)
    except (ValueError, TypeError, ImportError) as error:
        found.remark = _reason(error, limit)
        return found, None
    search = _Search(solve, problem, exact, limit, found)
    middle = next((index for index in MIDDLE if search.finishes(index)), None)
    if middle is None:
        return found, None
    found.compilation = _beyond_further_call(solve, TOLERANCES[middle], perf_counter() - begin)
    step = -1 if found.outcome is not None else 1
    for index in range(middle + step, len(TOLERANCES) if step > 0 else -1, step):
        before = found.tolerance
        finished = search.finishes(index)
        # Loosening stops at the first tolerance that fails, tightening at the first that is enough or out of time.
        if (step < 0 and found.tolerance == before) or (step > 0 and (found.outcome is not None or not finished)):
            break
    if found.outcome is None:
        return found, None
    found.remark = ""
    return found, solve


@dataclass
class _Search:
    """Runs at tolerances of the grid, keeping in a measurement the last that reached the error."""

    solve: Callable[[float], Outcome]
    problem: CompletionProblem
    exact: Array
    limit: float
    found: Measurement

    def finishes(self, index: int) -> bool:
        """Whether the run ends in time, right or wrong."""
        try:
            outcome, seconds = timed(self.solve, TOLERANCES[index])
        except (RuntimeError, ValueError, TypeError, ImportError) as error:  # FlowError, TimeLimitError among them
            self.found.remark = _reason(error, self.limit)
            return False
        distance = self.problem.error(outcome.X, self.exact)
        if seconds > self.limit:
            self.found.remark = f"> {self.limit:g} s"
            return False
        if distance <= ERROR:
            self.found.tolerance, self.found.error, self.found.outcome = TOLERANCES[index], distance, outcome
        self.found.remark = f"error {distance:.0e}"
        return True


def _reason(error: Exception, limit: float) -> str:
    """Why a solver has no time; what is not plain from that is printed."""
    if isinstance(error, TimeLimitError):
        return f"> {limit:g} s"
    if isinstance(error, ImportError):
        return "not installed"
    if isinstance(error, TypeError) or "must be one of" in str(error):
        return "not offered"
    print(f"    {type(error).__name__}: {str(error)[:200]}", flush=True)
    return "failed"


def _beyond_further_call(solve: Callable[[float], Outcome], tolerance: float, first: float) -> float:
    """What preparing and the first call took beyond one more call; not asked where that takes long."""
    if first > LONG_ENOUGH:
        return 0.0
    return max(first - timed(solve, tolerance)[1], 0.0)
