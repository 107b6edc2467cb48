r"""Events along a flow, located within the steps of the solver: escapes, losses of rank, crossings.

======================  =====================================================================
``Escape(level)``       a singular value rises through a level: it has left the saddle
``RankLoss(level)``     a singular value falls through a level: the rank is about to drop
``Crossing()``          two neighbouring singular values come closest
======================  =====================================================================

Singular values of a real family of matrices avoid each other unless a symmetry lets them cross; what is
called a crossing is either, and the record has the gap that was left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from .charts import Chart
from .solvers import Solver

__all__ = ["Crossing", "Escape", "EventRecord", "EventWatch", "FlowEvent", "RankLoss"]

Array = NDArray[np.float64]

EVENT_ACCURACY = 1e-10
"""The share of a step within which an event is located, as far as floating point goes."""
EDGE = 1e-3
"""The share of a step at its ends over which it is seen whether singular values approach each other."""


@dataclass(frozen=True)
class Escape:
    """A singular value rises through a level.

    Parameters
    ----------
    level : float
        Positive; of the order of what the singular values grow to, far above the start.
    """

    level: float

    def __post_init__(self) -> None:
        _require_positive(self.level)


@dataclass(frozen=True)
class RankLoss:
    """A singular value falls through a level.

    Parameters
    ----------
    level : float
        Positive; far below the start.
    """

    level: float

    def __post_init__(self) -> None:
        _require_positive(self.level)


@dataclass(frozen=True)
class Crossing:
    """Two neighbouring singular values come closest: they cross, or avoid each other.

    Parameters
    ----------
    largest_gap : float
        Relative to the larger one; what stays further apart is no crossing.
    """

    largest_gap: float = 0.1

    def __post_init__(self) -> None:
        _require_positive(self.largest_gap, "largest_gap")


FlowEvent = Escape | RankLoss | Crossing


@dataclass(frozen=True)
class EventRecord:
    """An event that happened.

    Attributes
    ----------
    event : Escape, RankLoss or Crossing
    time : float
        Accurate to the interpolation within a step.
    index : int
        Of the singular value, from 0; of the upper one of two.
    singular_values : array (r,)
        There.
    """

    event: FlowEvent
    time: float
    index: int
    singular_values: Array

    @property
    def gap(self) -> float:
        """σ_k - σ_{k+1}."""
        return float(self.singular_values[self.index] - self.singular_values[self.index + 1])


def _require_positive(value: Any, name: str = "level") -> None:
    if not (isinstance(value, int | float | np.number) and np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite, not {value!r}")


class EventWatch:
    """Compares the ends of each step, and locates within it what happened.

    Parameters
    ----------
    events : sequence of events
    chart : Chart
    coordinates : array
        Of the start.

    Attributes
    ----------
    records : list of EventRecord
        In the order of their times.
    """

    def __init__(self, events: Sequence[FlowEvent], chart: Chart, coordinates: Array) -> None:
        for event in events:
            if not isinstance(event, Escape | RankLoss | Crossing):
                raise TypeError(f"events must be Escape, RankLoss or Crossing, not {event!r}")
        self.events = tuple(events)
        self.records: list[EventRecord] = []
        self.restart(chart, coordinates)

    def restart(self, chart: Chart, coordinates: Array) -> None:
        """Go on from here."""
        if self.events:
            self._before = chart.point(coordinates).singular_values

    def end(self, time: float) -> None:
        """Forget what the last step brought after the time at which the run has stopped."""
        self.records = [record for record in self.records if record.time <= time]

    def look(self, start: float, chart: Chart, solver: Solver) -> None:
        """Look at the step from `start` to where the solver is."""
        if not self.events:
            return
        after = chart.point(solver.coordinates).singular_values
        step = _Step(start, solver.time, self._before, after, chart, solver)
        found = [record for event in self.events for record in _records(event, step)]
        self.records += sorted(found, key=lambda record: record.time)
        self._before = after


@dataclass(frozen=True, eq=False)
class _Step:
    """The singular values along a step."""

    start: float
    end: float
    before: Array
    after: Array
    chart: Chart
    solver: Solver

    def at(self, share: float) -> float:
        """The time at a share of the step."""
        return self.end if share == 1.0 else self.start + share * (self.end - self.start)

    def spectrum(self, time: float) -> Array:
        """The singular values at a time within the step."""
        if time == self.start:
            return self.before
        if time == self.end:
            return self.after
        return self.chart.point(self.solver.interpolated(time)).singular_values

    def relative_gaps(self, time: float) -> Array:
        """(σ_k - σ_{k+1})/σ_k."""
        sigma = self.spectrum(time)
        return np.asarray(-np.diff(sigma) / sigma[:-1])


def _records(event: FlowEvent, step: _Step) -> Iterator[EventRecord]:
    if isinstance(event, Crossing):
        times = [(index, _closest(step, index)) for index in _approaching(step)]
        times = [(index, time) for index, time in times if step.relative_gaps(time)[index] <= event.largest_gap]
    elif isinstance(event, Escape):
        risen = (step.before < event.level) & (step.after >= event.level)
        times = [(index, _passage(step, index, event.level)) for index in np.flatnonzero(risen).tolist()]
    else:
        fallen = (step.before > event.level) & (step.after <= event.level)
        times = [(index, _passage(step, index, event.level)) for index in np.flatnonzero(fallen).tolist()]
    for index, time in times:
        yield EventRecord(event, time, index, step.spectrum(time))


def _approaching(step: _Step) -> list[int]:
    """The pairs that come nearer at the beginning of the step and part at its end."""
    margin = EDGE * (step.end - step.start)
    nearer = step.relative_gaps(step.start + margin) < step.relative_gaps(step.start)
    parting = step.relative_gaps(step.end) > step.relative_gaps(step.end - margin)
    return [int(index) for index in np.flatnonzero(nearer & parting)]


def _closest(step: _Step, index: int) -> float:
    """Where the gap is least: at a crossing it has a kink there, so the search ends with the bounds close together."""
    share = minimize_scalar(
        lambda share: float(step.relative_gaps(step.at(float(share)))[index]),
        bounds=(0.0, 1.0),
        method="bounded",
        options={"xatol": EVENT_ACCURACY},
    ).x
    return step.at(float(share))


def _passage(step: _Step, index: int, level: float) -> float:
    def excess(share: float) -> float:
        return float(np.log(step.spectrum(step.at(share))[index] / level))

    return step.at(float(brentq(excess, 0.0, 1.0, xtol=EVENT_ACCURACY)))
