"""One integration: steps of a solver on the present chart, and what is counted and recorded on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from .charts import Chart
from .convergence import Convergence
from .factored import FactoredMatrix
from .flow_errors import FlowError
from .flow_events import EventRecord, EventWatch, FlowEvent
from .solvers import March, ScipySolver, Solver, SolverFailure, Stiffness, Tolerances, implicit_method, start_solver
from .trajectory import FlowStatistics

__all__ = ["FlowRun", "Recording"]

Array = NDArray[np.float64]
Progress = Callable[[float, float], None]

STOP_ACCURACY = 1e-9
"""The share of a step within which the time is found where a bound is met."""


@dataclass
class Recording:
    """The points that are kept: those at the times of a grid, or all steps, thinned out to a number of them.

    Attributes
    ----------
    times, coordinates, points : lists of the same length
    waiting : list of float
        Times still to come.
    all_steps : bool
        Whether steps are kept, since there is no grid.
    keep : int or None
        Steps are halved each time there are so many, which leaves room for the end.
    stride : int
        One step in so many is kept.
    """

    waiting: list[float]
    all_steps: bool
    keep: int | None = None
    times: list[float] = field(default_factory=list)
    points: list[FactoredMatrix] = field(default_factory=list)
    coordinates: list[Array] = field(default_factory=list)
    stride: int = 1

    def add(self, time: float, chart: Chart, coordinates: Array, point: FactoredMatrix | None = None) -> None:
        """Keep a point, which is given or that of the coordinates."""
        self.times.append(time)
        self.points.append(chart.point(coordinates) if point is None else point)
        if chart.keeps_coordinates:
            self.coordinates.append(np.array(coordinates))

    def after_step(self, step: int, chart: Chart, solver: Solver) -> None:
        """Keep what a step has brought: a grid's times within it, or its end."""
        if self.all_steps and step % self.stride == 0:
            self.add(solver.time, chart, solver.coordinates)
            if self.keep is not None and len(self.times) >= self.keep:
                self.stride *= 2
                # The start stays; of the steps those that the new stride would have kept.
                self.times, self.points = self.times[::2], self.points[::2]
                self.coordinates = self.coordinates[::2]
        while self.waiting and self.waiting[0] <= solver.time:
            moment = self.waiting.pop(0)
            at_step = moment == solver.time
            self.add(moment, chart, solver.coordinates if at_step else solver.interpolated(moment))

    def end(self, chart: Chart, time: float, coordinates: Array) -> None:
        """Keep the last point, in any case, and nothing after it."""
        while self.times[-1] > time:
            self.times.pop()
            self.points.pop()
            del self.coordinates[len(self.times) :]
        if self.times[-1] < time:
            self.add(time, chart, coordinates)


@dataclass
class FlowRun:
    """A flow under way.

    Attributes
    ----------
    chart : Chart
        The present one: the factored chart is turned now and then.
    method : str
        The solver's, which engine "auto" may change.
    rtol : float
    atol : float or None
        None follows the start.
    time, coordinates
        Where the run is.
    chooses_method : bool
        Whether the method is changed where the problem has become stiff.
    compile_after : float
        Evaluations from which on the velocity is compiled; 0 at once.
    events : tuple of events
    first_step : float, optional
    evaluations, jacobians, jacobian_evaluations, jacobian_products, steps, realignments : int
    drift : float
    changes : list of str
        What was chosen, and why.
    excess : float
        Of the goal, after the last step.
    step_start, next_step : float
        Where the last step began, and the size that its solver would have tried next.
    """

    chart: Chart
    method: str
    rtol: float
    atol: float | None
    time: float
    chooses_method: bool = False
    compile_after: float = np.inf
    events: tuple[FlowEvent, ...] = ()
    first_step: float | None = None
    evaluations: int = 0
    jacobians: int = 0
    jacobian_evaluations: int = 0
    jacobian_products: int = 0
    steps: int = 0
    realignments: int = 0
    drift: float = 0.0
    changes: list[str] = field(default_factory=list)
    excess: float = np.inf
    step_start: float = -np.inf
    next_step: float = np.nan
    coordinates: Array = field(init=False)
    solver: Solver = field(init=False)

    def __post_init__(self) -> None:
        self.tolerance = self.chart.noise(self.rtol) if self.atol is None else self.atol
        self.coordinates = self.chart.coordinates(self.chart.start)
        self.watch = EventWatch(self.events, self.chart, self.coordinates)
        self.stiffness = Stiffness()
        if self.compile_after <= 0:
            self.chart.compile()

    def _begin(self, coordinates: Array, end: float, first_step: float | None = None) -> None:
        self.coordinates = coordinates
        self.initial_drift = self.chart.drift(coordinates)
        self.orientation = self.chart.orientation(coordinates)
        if not np.isfinite(self.chart.velocity(self.time, coordinates)).all():
            self.chart.require_velocity(coordinates)
            raise FlowError("the velocity overflows at the start of the run", self.time, self.chart.start)
        tolerances = Tolerances(self.rtol, self.tolerance, first_step)
        self.solver = start_solver(self.chart, self.method, self.time, coordinates, end, tolerances)

    def integrate(
        self,
        recording: Recording,
        end: float,
        goal: Convergence | None,
        max_steps: int,
        progress: Progress | None,
        after_step: Callable[[FlowRun, Recording], bool] | None = None,
    ) -> bool | None:
        """Step until the end or the goal, and say whether the goal was reached (None without one).

        `after_step` may look at the run, save it, and ask for a fresh start of the solver by returning True.
        """
        self._begin(self.coordinates, end, self.first_step)
        self.excess = np.inf if goal is None else goal.excess(self.chart.energy, self.chart.network, self.point())
        # Where nobody looks at single steps, many are taken at once.
        unseen = goal is None and progress is None and after_step is None and not (self.events or recording.all_steps)
        while True:
            if unseen and isinstance(self.solver, ScipySolver) and self.solver.marches:
                self._march(self.solver, recording.waiting[0] if recording.waiting else end, max_steps)
            else:
                self._step()
            recording.after_step(self.steps, self.chart, self.solver)
            reached = goal is not None and self._reaches(goal)
            if progress is not None:
                progress(self.time, end)
            if reached:
                self.watch.end(self.time)
                recording.end(self.chart, self.time, self.coordinates)
                return True
            if self.solver.finished:
                recording.end(self.chart, self.time, self.coordinates)
                return None if goal is None else False
            if self.steps >= max_steps:
                raise FlowError(f"not finished after max_steps = {max_steps} steps", self.time, self.point())
            self._adapt(end)
            if after_step is not None and after_step(self, recording):
                self._restart(end)

    def _reaches(self, goal: Convergence) -> bool:
        """Whether the last step met a bound of the goal; the run is then put where it did."""

        def excess(coordinates: Array) -> float:
            return goal.excess(self.chart.energy, self.chart.network, self.chart.point(coordinates))

        before, self.excess = self.excess, excess(self.coordinates)
        if self.excess > 0:
            return False
        if before > 0:
            # Otherwise the end would depend on the sizes of the steps, which rounding can change.
            start, end = self.step_start, self.time
            known = {start: before, end: self.excess}

            def excess_at(time: float) -> float:
                return known[time] if time in known else excess(self.solver.interpolated(time))

            met = float(brentq(excess_at, start, end, xtol=(end - start) * STOP_ACCURACY))
            for time in (met, met + 2 * (end - start) * STOP_ACCURACY):
                if time < end and excess(coordinates := self.solver.interpolated(time)) <= 0:
                    self.time, self.coordinates = time, coordinates
                    break
        return True

    def point(self) -> FactoredMatrix:
        """X where the run is."""
        return self.chart.point(self.coordinates)

    def _step(self) -> None:
        with self._counted():
            self.solver.step()
        self._look(self.time, 1)

    def _march(self, solver: ScipySolver, until: float, max_steps: int) -> None:
        limits = March(
            until,
            self.chart.orientation(self.coordinates),
            self.chart.least_resolution(self.rtol),
            self.stiffness.limited,
            self.stiffness.most(self.chart) if self.chooses_method else max_steps + 1,
            max_steps - self.steps,
        )
        with self._counted():
            result = solver.march(limits)
        self.drift = max(self.drift, result.drift - self.initial_drift)
        self.stiffness.limited = result.limited
        self._look(solver.time - solver.step_size, result.steps)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count what steps cost, and say where they failed."""
        before = self.solver.evaluations, self.solver.jacobians, self.solver.jacobian_products
        try:
            yield
        except SolverFailure as failure:
            self.time, self.coordinates = self.solver.time, self.solver.coordinates
            self.chart.require_regular(self.time, self.coordinates)
            raise FlowError(str(failure), self.time, self.point()) from failure
        self.evaluations += self.solver.evaluations - before[0]
        self.jacobians += self.solver.jacobians - before[1]
        self.jacobian_products += self.solver.jacobian_products - before[2]

    def _look(self, start: float, steps: int) -> None:
        """Look at the last of the steps that were taken, which began at `start`."""
        self.steps += steps
        self.step_start, self.next_step = start, self.solver.next_step
        self.time, self.coordinates = self.solver.time, self.solver.coordinates
        self.drift = max(self.drift, self.chart.drift(self.coordinates) - self.initial_drift)
        self.chart.require_regular(self.time, self.coordinates)
        self._require_orientation()
        self.watch.look(self.step_start, self.chart, self.solver)

    def _require_orientation(self) -> None:
        """Raise where a singular value went through zero, which only the rounding of the solver can do."""
        if self.chart.network.keeps_rank and self.chart.orientation(self.coordinates) != self.orientation:
            raise FlowError(
                "a singular value decayed below the tolerances and changed its sign, as the exact flow never does: "
                "what minimizes the energy has a determinant of the other sign, or lower rank; start on the other side "
                "(one column of U negated), at a lower rank, or stop earlier with until",
                self.time,
                self.point(),
            )

    def _adapt(self, end: float) -> None:
        """Turn the chart where it loses digits, and change the method where the problem has become stiff."""
        stiff = self.chooses_method and self.stiffness.shows(self.chart, self.solver, end)
        chart = self.chart.realigned(self.coordinates, self.rtol)
        if stiff:
            better = implicit_method(self.rtol)
            self.changes.append(
                f"{better} from t = {self.time:.6g}, where steps of {self.method} were limited by its stability"
            )
            self.method, self.chooses_method = better, False
        if chart is not None:
            self.jacobian_evaluations += self.chart.difference_evaluations
            self.chart, self.realignments = chart, self.realignments + 1
            self.coordinates = chart.coordinates(chart.start)
        if stiff or chart is not None:
            self._restart(end)
        if self.evaluations > self.compile_after and not self.chart.is_compiled:
            self.chart.compile()
            self.compile_after = np.inf

    def _restart(self, end: float) -> None:
        self._begin(self.coordinates, end, min(self.next_step, end - self.time))

    def records(self) -> tuple[EventRecord, ...]:
        """The events so far."""
        return tuple(self.watch.records)

    def statistics(self) -> FlowStatistics:
        """The counts so far."""
        return FlowStatistics(
            method=self.method,
            rtol=self.rtol,
            atol=float(np.min(self.tolerance)),
            evaluations=self.evaluations,
            jacobians=self.jacobians,
            jacobian_evaluations=self.jacobian_evaluations + self.chart.difference_evaluations,
            steps=self.steps,
            realignments=self.realignments,
            drift=float(max(self.drift, 0.0)),
            jacobian_products=self.jacobian_products,
            choices=tuple(self.changes),
        )
