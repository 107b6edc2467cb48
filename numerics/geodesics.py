r"""Geodesics from a start and a velocity: the exponential map of the network's metric.

Hamilton's equations (`numerics.geodesic_hamiltonian`) are integrated with an explicit method of order 8; the energy and
the momenta of the two orthogonal actions, PXᵀ - XPᵀ and PᵀX - XᵀP, are constant, and how far they drift is reported.

The metric is not complete at finite depth: a geodesic can reach a matrix of lower rank after a finite time, as
straight lines in y = √N σ^{1/N} do, and ends there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import DOP853

from geometry import DeepLinearNetwork

from .factored import FactoredMatrix
from .geodesic_hamiltonian import GeodesicHamiltonian, PhasePoint
from .geodesic_points import SMALLEST_SHARE, tangent_vector

__all__ = ["GeodesicError", "GeodesicPath", "GeodesicStatistics", "exponential_map", "geodesic", "require_rtol"]

Array = NDArray[np.float64]

MISALIGNMENT = 0.1
"""How far S may be from diagonal, relative to √(σ_k σ_l), before the coordinates are turned to the singular basis."""


class GeodesicError(RuntimeError):
    """A geodesic that could not be continued, or not be found.

    Attributes
    ----------
    time : float or None
        How far it came; None for a geodesic between two points.
    point : FactoredMatrix or None
        Where it was then.
    """

    def __init__(self, message: str, time: float | None = None, point: FactoredMatrix | None = None) -> None:
        super().__init__(message)
        self.time, self.point = time, point

    def __reduce__(self) -> tuple[type[GeodesicError], tuple[str, float | None, FactoredMatrix | None]]:
        return type(self), (str(self), self.time, self.point)


@dataclass(frozen=True)
class GeodesicStatistics:
    """What an integration took, and how well it kept what geodesics keep.

    Attributes
    ----------
    evaluations : int
        Right-hand sides, of about twelve to a step.
    rtol : float
    energy_drift : float
        The largest relative change of ½ g(dX/dt, dX/dt) at the times asked for.
    momentum_drift : float
        The largest change of PXᵀ - XPᵀ and PᵀX - XᵀP there, relative to |P| |X| at the start.
    """

    evaluations: int
    rtol: float
    energy_drift: float
    momentum_drift: float


@dataclass(frozen=True, eq=False)
class GeodesicPath:
    """A geodesic at the times asked for.

    Attributes
    ----------
    network : DeepLinearNetwork
    times : array (T,)
    factored : tuple of FactoredMatrix, T of them
    speed : float
        √g(dX/dt, dX/dt), constant.
    statistics : GeodesicStatistics
    """

    network: DeepLinearNetwork
    times: Array
    factored: tuple[FactoredMatrix, ...]
    speed: float
    statistics: GeodesicStatistics
    _phase: tuple[PhasePoint, ...]

    @property
    def length(self) -> float:
        """The length from the first to the last time."""
        return self.speed * float(self.times[-1] - self.times[0])

    @cached_property
    def singular_values(self) -> Array:
        """(T, r), decreasing along each row."""
        return np.array([point.singular_values for point in self.factored])

    def matrix(self, index: int) -> Array:
        """X at times[index], (m, n)."""
        return self.factored[index].to_array()

    def velocity(self, index: int) -> Array:
        """dX/dt at times[index], (m, n)."""
        return GeodesicHamiltonian(self.network, self.factored[index]).velocity(self._phase[index])


def geodesic(
    network: DeepLinearNetwork,
    start: ArrayLike | FactoredMatrix,
    velocity: ArrayLike,
    times: ArrayLike,
    rtol: float = 1e-10,
    most_evaluations: int = 1_000_000,
) -> GeodesicPath:
    r"""The geodesic X(t) of the network's metric with X = start and dX/dt = velocity at times[0].

    Parameters
    ----------
    network : DeepLinearNetwork
        Of explicit depth, shape and rank, over R; at depth oo with m = n = r, as elsewhere there is no metric.
    start : array (m, n) or FactoredMatrix
        Of the network's rank.
    velocity : array (m, n)
        Tangent to the matrices of that rank.
    times : array (T,)
        Increasing; the first is that of the start.
    rtol : float
        Relative tolerance of a step.
    most_evaluations : int
        Of the right-hand side, before giving up.

    Returns
    -------
    GeodesicPath

    Raises
    ------
    GeodesicError
        If the geodesic ends at a matrix of lower rank, or takes too many evaluations; with the time and the last point.
    ValueError
        If an argument does not fit, the velocity is not tangent, or the network has no metric.

    Examples
    --------
    At infinite depth diagonal geodesics are σ(0)^(1-t) σ(1)^t:

    >>> from sympy import oo
    >>> network = DeepLinearNetwork(oo, (2, 2))
    >>> path = geodesic(network, [[2.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, -1.0]], [0.0, 1.0])
    >>> (path.singular_values[1] / [2 * np.e, 1 / np.e]).round(9).tolist()
    [1.0, 1.0]
    """
    point, tangent = tangent_vector(network, start, velocity)
    grid = _increasing(times)
    require_rtol(rtol)
    phase = GeodesicHamiltonian(network, point).lift(tangent)
    if not tangent.any():
        nothing = GeodesicStatistics(0, rtol, 0.0, 0.0)
        return GeodesicPath(network, grid, (point,) * len(grid), 0.0, nothing, (phase,) * len(grid))
    return _integrate(network, phase, grid, rtol, most_evaluations)


def require_rtol(rtol: float) -> None:
    """Refuse a relative tolerance that is none.

    Raises
    ------
    ValueError
        If it is not between 0 and 1.
    """
    if not np.isfinite(rtol) or not 0 < rtol < 1:
        raise ValueError(f"rtol must be between 0 and 1, not {rtol}")


def exponential_map(
    network: DeepLinearNetwork, X: ArrayLike | FactoredMatrix, velocity: ArrayLike, rtol: float = 1e-10
) -> Array:
    """Where the geodesic from X with the given velocity is after time 1, (m, n); see `geodesic`.

    Examples
    --------
    >>> network = DeepLinearNetwork(1, (2, 2))
    >>> exponential_map(network, [[1.0, 0.0], [0.0, 2.0]], [[0.5, 1.0], [0.0, 0.0]]).round(9).tolist()
    [[1.5, 1.0], [0.0, 2.0]]
    """
    return geodesic(network, X, velocity, [0.0, 1.0], rtol).matrix(-1)


def _increasing(times: ArrayLike) -> Array:
    grid = np.asarray(times, dtype=np.float64)
    if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all() or (np.diff(grid) <= 0).any():
        raise ValueError(f"times must be at least two increasing finite numbers, not {times!r}")
    return grid


def _integrate(
    network: DeepLinearNetwork, phase: PhasePoint, times: Array, rtol: float, most_evaluations: int
) -> GeodesicPath:
    hamiltonian, phase = _aligned(network, phase)
    points, time, step, evaluations = [phase], float(times[0]), None, 0
    for end in times[1:]:
        while time < end:
            solver = _solver(hamiltonian, phase, (time, float(end)), step, rtol)
            while solver.status == "running" and not _misaligned(phase):
                message = solver.step()
                phase, time = hamiltonian.split(solver.y), float(solver.t)
                if message is None and evaluations + solver.nfev > most_evaluations:
                    message = f"the geodesic took more than {most_evaluations} evaluations"
                _require_metric(network, phase, time, message)
            step, evaluations = solver.h_abs, evaluations + solver.nfev
            hamiltonian, phase = _aligned(network, phase)
        points.append(phase)
    energies = np.array([GeodesicHamiltonian(network, _matrix(point)).energy(point) for point in points])
    statistics = GeodesicStatistics(
        evaluations, rtol, float(np.abs(energies / energies[0] - 1).max()), _momentum_drift(points)
    )
    speed = float(np.sqrt(2 * energies[0]))
    return GeodesicPath(network, times, tuple(map(_matrix, points)), speed, statistics, tuple(points))


def _matrix(phase: PhasePoint) -> FactoredMatrix:
    return FactoredMatrix.orthonormalized(phase.U, phase.S, phase.V)


def _aligned(network: DeepLinearNetwork, phase: PhasePoint) -> tuple[GeodesicHamiltonian, PhasePoint]:
    """The same in the singular basis, where the entries of S and G have the sizes that belong to them."""
    R, sigma, Qt = np.linalg.svd(phase.S)
    Q = Qt.T
    moved = PhasePoint(phase.U @ R, np.diag(sigma), phase.V @ Q, R.T @ phase.G @ Q, phase.K @ R, phase.L @ Q)
    return GeodesicHamiltonian(network, FactoredMatrix.unchecked(moved.U, moved.S, moved.V)), moved


def _misaligned(phase: PhasePoint) -> bool:
    """Whether S is far from diagonal, measured by its diagonal entries."""
    diagonal = np.abs(np.diag(phase.S))
    off = np.abs(phase.S - np.diag(np.diag(phase.S)))
    return bool((off**2 > MISALIGNMENT**2 * np.outer(diagonal, diagonal)).any())


def _solver(
    hamiltonian: GeodesicHamiltonian, phase: PhasePoint, span: tuple[float, float], step: float | None, rtol: float
) -> Any:
    """Errors are compared with a coordinate's natural size: σ for S, 1 for U, and the speed over √λ for momenta."""
    first = None if step is None else min(step, span[1] - span[0])
    coordinates, scale = hamiltonian.join(phase), hamiltonian.join(hamiltonian.natural_size(phase))
    solver: Any = DOP853  # its stubs take neither arrays of tolerances nor functions of arrays
    return solver(
        hamiltonian.rates, span[0], coordinates, span[1], rtol=max(rtol, 1e-13), atol=rtol * scale, first_step=first
    )


def _require_metric(network: DeepLinearNetwork, phase: PhasePoint, time: float, message: str | None) -> None:
    """Raise where a geodesic has left the domain of the metric, or the solver has given up with a message."""
    finite = bool(np.isfinite(phase.S).all())
    if finite and (network.keeps_rank or network.coframe.has_null_directions):
        sigma = np.linalg.svd(phase.S, compute_uv=False)
        if np.linalg.slogdet(phase.S)[0] <= 0 or sigma[-1] < SMALLEST_SHARE * sigma[0]:
            message = "the geodesic reaches the matrices of lower rank, where the metric ends"
    if message is not None or not finite:
        reason = message or "the solver left the finite numbers"
        point = _matrix(phase) if finite else None
        raise GeodesicError(f"{reason}, at t = {time:.6g}; shorten the times or the velocity", time, point)


def _momentum_drift(points: list[PhasePoint]) -> float:
    first = points[0]
    size = np.linalg.norm(first.S, 2) * np.linalg.norm(first.G) + np.linalg.norm(first.K) + np.linalg.norm(first.L)
    drifts = []
    for point in points[1:]:
        for (W, C), (W0, C0) in zip(point.conserved(), first.conserved(), strict=True):
            upper = np.asarray(np.linalg.qr(np.hstack([W, W0]), mode="r"))
            here, there = upper[:, : W.shape[1]], upper[:, W.shape[1] :]
            drifts.append(np.linalg.norm(here @ C @ here.T - there @ C0 @ there.T))
    return float(max(drifts) / size)
