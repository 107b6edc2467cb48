r"""Gradient flows dX/dt = -A_N(∇E(X)) of deep linear networks (A_N/N for rescaled ones).

The flow is stiff: it starts near a saddle, leaves it slowly, and relaxes at rates that differ by the
multipliers.  So implicit solvers are the default, and absolute tolerances follow the start.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate

from geometry import DeepLinearNetwork

from .charts import CHARTS, Chart
from .energies import Energy
from .factored import FactoredMatrix
from .network_kernels import explicit_shape
from .trajectory import FlowStatistics, Trajectory

__all__ = ["Convergence", "FlowError", "FrozenSpacesWarning", "ProjectedFlowWarning", "gradient_flow", "slope_norm"]

Array = NDArray[np.float64]
Progress = Callable[[float, float], None]

METHODS = {
    "BDF": integrate.BDF,
    "Radau": integrate.Radau,
    "LSODA": integrate.LSODA,
    "DOP853": integrate.DOP853,
    "RK45": integrate.RK45,
}
IMPLICIT = ("BDF", "Radau")
TIGHT_RTOL = 1e-9
"""Below this relative tolerance Radau is the default."""
SMALLEST_RTOL = 100 * np.finfo(float).eps
"""Below this SciPy's solvers silently use it instead."""


class FlowError(RuntimeError):
    """A solver gave up.

    Attributes
    ----------
    time : float
        The last time that was reached.
    state : FactoredMatrix
        X there.
    """

    def __init__(self, message: str, time: float, state: FactoredMatrix) -> None:
        largest, smallest = state.singular_values[0], state.singular_values[-1]
        super().__init__(f"{message} (at t = {time:.9g}, singular values from {largest:.3g} to {smallest:.3g})")
        self.time = time
        self.state = state
        self._given = (message, time, state)

    def __reduce__(self) -> tuple[type[FlowError], tuple[str, float, FactoredMatrix]]:
        return type(self), self._given


class FrozenSpacesWarning(UserWarning):
    """At infinite depth row or column spaces do not move, unless m = n = r."""


class ProjectedFlowWarning(UserWarning):
    """At depth 1 and r < min(m, n) the network's flow is the projected one."""


@dataclass(frozen=True)
class Convergence:
    """When a flow has converged: any bound that is given suffices.

    Parameters
    ----------
    gradient_norm : float, optional
        Bound on the Frobenius norm of ∇E projected on the tangent space of the rank-r matrices
        (within frozen spaces at infinite depth), which is not small at a small start.
    energy : float, optional
        Bound on E.
    latest : float
        Stop there in any case.
    """

    gradient_norm: float | None = None
    energy: float | None = None
    latest: float = np.inf

    def __post_init__(self) -> None:
        for name in ("gradient_norm", "energy", "latest"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} of until must be positive, not {value}")
        if self.gradient_norm is None and self.energy is None and not np.isfinite(self.latest):
            raise ValueError("until needs a bound on the gradient norm or on the energy, or a latest time")

    def reached(self, energy: Energy, network: DeepLinearNetwork, point: FactoredMatrix) -> bool:
        """Whether a point meets a bound."""
        if self.energy is not None and energy(point) <= self.energy:
            return True
        return self.gradient_norm is not None and slope_norm(energy, network, point) <= self.gradient_norm


def slope_norm(energy: Energy, network: DeepLinearNetwork, point: FactoredMatrix) -> float:
    """The Frobenius norm of ∇E projected on the directions in which the network can move."""
    U, _, V = point.decomposition
    slope = energy.gradient(point)
    right, left = slope @ V, slope.T @ U
    block = U.T @ right
    parts = [block]
    if network.moves_left_space:
        parts.append(right - U @ block)
    if network.moves_right_space:
        parts.append(left - V @ block.T)
    return float(np.sqrt(sum(np.sum(part**2) for part in parts)))


def gradient_flow(
    energy: Energy,
    network: DeepLinearNetwork,
    start: FactoredMatrix,
    times: ArrayLike | None = None,
    *,
    chart: str = "factored",
    engine: str = "scipy",
    rtol: float = 1e-8,
    atol: float | None = None,
    until: Convergence | Mapping[str, float] | float | None = None,
    method: str | None = None,
    max_steps: int = 100_000,
    progress: Progress | None = None,
) -> Trajectory:
    r"""Integrate dX/dt = -A_N(∇E(X)), the gradient flow of E in the metric g^N.

    Parameters
    ----------
    energy : Energy
        E; the flow is that of E as it is, so scale the data to norm about 1.
    network : DeepLinearNetwork
        Of integer or infinite depth.  Rescaled networks (always at depth oo) flow with A_N/N.
    start : FactoredMatrix
        X at times[0], of the network's shape and rank.
    times : array (T,), optional
        Increasing; where the trajectory is wanted.  Without them it has all steps from t = 0 until
        convergence.
    chart : {"factored", "spectral", "matrix", "layers"}
    engine : {"scipy"}
    rtol : float
        Relative tolerance of each step, not of the result.
    atol : float, optional
        Absolute tolerance of all coordinates.  Unless given it follows the start: rtol times the
        smallest singular value, so that escape times from small starts come out right.
    until : Convergence, mapping of its fields, or float, optional
        When to stop; a float is a bound on the gradient norm.
    method : {"BDF", "Radau", "LSODA", "DOP853", "RK45"}, optional
        SciPy's solver; the first two are stiff.  Unless given BDF, and Radau for rtol below 1e-9: its
        global error stays near the tolerance, where that of BDF is a thousand times it.
    max_steps : int
        Accepted steps before the run is given up.
    progress : callable, optional
        Called after each step with (time, last time or inf).

    Returns
    -------
    Trajectory

    Raises
    ------
    ValueError
        If an argument makes no sense; the message names it.
    SpectralCrossingError
        Where singular values cross in the spectral chart.
    FlowError
        If the solver fails, with the time and the state.

    Warns
    -----
    FrozenSpacesWarning
        At infinite depth unless m = n = r: the flow runs within the spaces it starts in.
    ProjectedFlowWarning
        At depth 1 and r < min(m, n), where the flow of X would leave the rank-r matrices.

    Examples
    --------
    >>> from geometry import DeepLinearNetwork
    >>> from numerics import MatrixCompletion, balanced_start
    >>> energy = MatrixCompletion.from_array([[1.0, float("nan")], [0.5, 0.25]])
    >>> network = DeepLinearNetwork(3, shape=(2, 2))
    >>> trajectory = gradient_flow(energy, network, balanced_start(network), until=1e-6)
    >>> trajectory.converged, bool(trajectory.energy[-1] < 1e-10)
    (True, True)
    """
    if method is None:
        method = "BDF" if rtol >= TIGHT_RTOL else "Radau"
    _validate(energy, network, start, chart, engine, rtol, atol, method)
    grid, goal = _grid(times), _convergence(until)
    if grid is None and goal is None:
        raise ValueError("give times, or until=... to integrate to convergence")
    _warn(network)
    run = _Run(CHARTS[chart](energy, network, start), method, rtol, atol, 0.0 if grid is None else float(grid[0]))
    end = float(grid[-1]) if grid is not None else (goal.latest if goal else np.inf)
    recorded, converged = run.integrate(grid, end, goal, max_steps, progress)
    reached, points = zip(*recorded, strict=True)
    return Trajectory(np.array(reached), points, energy, network, chart, run.statistics(), converged)


def _validate(
    energy: Energy,
    network: DeepLinearNetwork,
    start: FactoredMatrix,
    chart: str,
    engine: str,
    rtol: float,
    atol: float | None,
    method: str,
) -> None:
    shape = explicit_shape(network)
    if not isinstance(start, FactoredMatrix):
        raise TypeError(f"start must be a FactoredMatrix, not {type(start).__name__}; see FactoredMatrix.from_matrix")
    if start.shape != shape or start.rank != network.coframe.rank:
        raise ValueError(
            f"start must have the network's shape {shape} and rank {network.rank}, not {start.shape} and {start.rank}"
        )
    if tuple(energy.shape) != shape:
        raise ValueError(f"energy must have the network's shape {shape}, not {tuple(energy.shape)}")
    if not start.singular_values[-1] > 0:
        raise ValueError("start must have positive singular values; a zero one never grows at depth 2 and beyond")
    for name, value, known in (("chart", chart, CHARTS), ("engine", engine, ("scipy",)), ("method", method, METHODS)):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, not {value!r}")
    if not SMALLEST_RTOL <= rtol < 1:
        raise ValueError(f"rtol must be between {SMALLEST_RTOL:.1e} and 1, not {rtol}")
    if atol is not None and not (np.isfinite(atol) and atol > 0):
        raise ValueError(f"atol must be positive and finite, not {atol}")


def _grid(times: ArrayLike | None) -> Array | None:
    if times is None:
        return None
    grid = np.asarray(times, dtype=np.float64)
    if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all() or not (np.diff(grid) > 0).all():
        raise ValueError(f"times must be at least two finite, increasing numbers, not {times!r}")
    return grid


def _convergence(until: Convergence | Mapping[str, float] | float | None) -> Convergence | None:
    if until is None or isinstance(until, Convergence):
        return until
    return Convergence(**until) if isinstance(until, Mapping) else Convergence(gradient_norm=float(until))


def _warn(network: DeepLinearNetwork) -> None:
    if network.freezes_spaces:
        (m, n), r = network.shape, network.rank
        sides = " and ".join(name for name, side in (("column", m), ("row", n)) if side != r)
        warnings.warn(
            f"at infinite depth the {sides} space of a {m} x {n} matrix of rank {r} does not move: the flow runs "
            "within the spaces of the start; for low-rank learning start from a square matrix of full rank",
            FrozenSpacesWarning,
            stacklevel=3,
        )
    if network.is_projected:
        warnings.warn(
            "at depth 1 and rank r < min(m, n) the flow of X leaves the matrices of rank r; this is the projected flow",
            ProjectedFlowWarning,
            stacklevel=3,
        )


@dataclass
class _Run:
    """One integration: the solver on the present chart, and the counts over all charts it went through."""

    chart: Chart
    method: str
    rtol: float
    atol: float | None
    time: float
    evaluations: int = 0
    jacobians: int = 0
    difference_evaluations: int = 0
    steps: int = 0
    realignments: int = 0
    drift: float = 0.0
    coordinates: Array = field(init=False)
    solver: Any = field(init=False)

    def __post_init__(self) -> None:
        self.tolerance = self.chart.noise(self.rtol) if self.atol is None else self.atol
        self._begin(self.chart.coordinates(self.chart.start))

    def _begin(self, coordinates: Array, first_step: float | None = None, end: float = np.inf) -> None:
        self.coordinates = coordinates
        self.initial_drift = self.chart.drift(coordinates)
        self.orientation = self.chart.orientation(coordinates)
        options: dict[str, Any] = {"rtol": self.rtol, "atol": self.tolerance, "first_step": first_step}
        if self.method in IMPLICIT:
            options["jac"] = self._jacobian
        if not np.isfinite(self.chart.velocity(self.time, coordinates)).all():
            raise FlowError("the velocity overflows at the start of the run", self.time, self.chart.start)
        with np.errstate(all="ignore"):
            self.solver = METHODS[self.method](self.chart.velocity, self.time, coordinates, end, **options)

    def _jacobian(self, time: float, coordinates: Array) -> Array:
        self.jacobians += 1
        return self.chart.jacobian(time, coordinates)

    def integrate(
        self,
        grid: Array | None,
        end: float,
        goal: Convergence | None,
        max_steps: int,
        progress: Progress | None,
    ) -> tuple[list[tuple[float, FactoredMatrix]], bool | None]:
        """Step until the end or the goal; the points at the grid's times, or at all steps without one."""
        self.solver.t_bound = end
        recorded = [(self.time, self.chart.start)]
        waiting = [] if grid is None else list(grid[1:])
        while True:
            self._step()
            self._record(recorded, waiting, grid is None)
            if progress is not None:
                progress(self.time, end)
            if goal is not None and goal.reached(self.chart.energy, self.chart.network, self._point()):
                if grid is not None and recorded[-1][0] < self.time:
                    recorded.append((self.time, self._point()))
                return recorded, True
            if self.solver.status == "finished":
                return recorded, None if goal is None else False
            if self.steps >= max_steps:
                raise FlowError(f"not finished after max_steps = {max_steps} steps", self.time, self._point())
            self._realign(end)

    def _point(self) -> FactoredMatrix:
        return self.chart.point(self.coordinates)

    def _step(self) -> None:
        before = self.solver.nfev
        try:
            with np.errstate(all="ignore"):
                message = self.solver.step()
        except (ValueError, np.linalg.LinAlgError) as error:
            # From within SciPy, where a trial step overflowed.
            raise FlowError(f"{self.method} failed: {error}", self.time, self._point()) from error
        self.evaluations += self.solver.nfev - before
        if self.solver.status == "failed" or not np.isfinite(self.solver.y).all():
            self.chart.require_regular(self.time, self.coordinates)
            raise FlowError(f"{self.method} failed: {message or 'the state overflowed'}", self.time, self._point())
        self.steps += 1
        self.time, self.coordinates = float(self.solver.t), self.solver.y.copy()
        self.drift = max(self.drift, self.chart.drift(self.coordinates) - self.initial_drift)
        self.chart.require_regular(self.time, self.coordinates)
        self._require_orientation()

    def _require_orientation(self) -> None:
        """Raise where a singular value went through zero, which only the rounding of the solver can do."""
        if self.chart.network.keeps_rank and self.chart.orientation(self.coordinates) != self.orientation:
            raise FlowError(
                "a singular value decayed below the tolerances and changed its sign, as the exact flow never does: "
                "what minimizes the energy has a determinant of the other sign, or lower rank; start on the other side "
                "(one column of U negated), at a lower rank, or stop earlier with until",
                self.time,
                self._point(),
            )

    def _record(self, recorded: list[tuple[float, FactoredMatrix]], waiting: list[float], all_steps: bool) -> None:
        if all_steps:
            recorded.append((self.time, self._point()))
        if waiting and waiting[0] <= self.time:
            interpolant = self.solver.dense_output()
            while waiting and waiting[0] <= self.time:
                moment = float(waiting.pop(0))
                at_step = moment == self.time
                recorded.append((moment, self.chart.point(self.coordinates if at_step else interpolant(moment))))

    def _realign(self, end: float) -> None:
        chart = self.chart.realigned(self.coordinates, self.rtol)
        if chart is None:
            return
        step = min(self.solver.step_size, end - self.time)
        self.difference_evaluations += self.chart.difference_evaluations
        self.chart = chart
        self.realignments += 1
        self._begin(chart.coordinates(chart.start), first_step=step, end=end)

    def statistics(self) -> FlowStatistics:
        """The counts so far."""
        return FlowStatistics(
            method=self.method,
            rtol=self.rtol,
            atol=float(np.min(self.tolerance)),
            evaluations=self.evaluations,
            jacobians=self.jacobians,
            jacobian_evaluations=self.difference_evaluations + self.chart.difference_evaluations,
            steps=self.steps,
            realignments=self.realignments,
            drift=max(self.drift, 0.0),
        )
