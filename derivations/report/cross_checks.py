r"""Numerics against symbols along trajectories.

A small problem, rank 2 on the monthly means, is integrated in all four charts; the full-rank one
gives the deviation of depth N from depth ∞.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sympy import oo

from geometry import DeepLinearNetwork
from numerics import (
    FactoredMatrix,
    MatrixCompletion,
    Trajectory,
    balanced_start,
    gradient_flow,
    inner_product,
    operator,
)
from numerics.charts import SpectralChart

from ..definition import FloatPoint
from ..derivation import CheckResult
from .problems import monthly_problem

__all__ = ["chart_checks", "depth_checks"]

Array = NDArray[np.float64]

RTOL = 1e-9
CHART_BOUND = 1e-5
"""Charts agree to rtol times what the escape from the start amplifies: a factor 1e3 from σ = 1e-3 to 1,
and the thousands of steps on the way."""
VELOCITY_BOUND = 1e-9
"""Two evaluations of one velocity: rounding, amplified by the square of the largest ratio of singular
values in X Xᵀ of the definition."""
DISSIPATION_BOUND = 1e-4
"""A central difference over a hundredth of the time: its error is of second order."""
VOLUME_BOUND = 1e-8
"""Digits of a determinant of 44 rows in double precision."""
SLOPE_BOUND = 0.15
"""The slope of the deviation in log N over N = 10 … 80, where the terms in 1/N² still show."""


def chart_checks(depth: int, seed: int) -> list[CheckResult]:
    """The four charts against each other, and their velocity, dissipation and volume against definitions."""
    energy = _energy(seed)
    network = DeepLinearNetwork(depth, energy.shape, 2)
    base = balanced_start(network, 1.0, seed)
    start = FactoredMatrix(base.U, np.diag([4e-2, 2e-2]), base.V)
    end = {2: 40.0, 3: 60.0}[depth]
    times = np.linspace(0, end, 13)
    runs = {
        chart: gradient_flow(energy, network, start, times, chart=chart, rtol=RTOL)
        for chart in ("factored", "spectral", "matrix", "layers")
    }
    factored = runs["factored"]
    results = [
        _check(f"{chart} chart against the factored chart, depth {depth}", _distance(run, factored), CHART_BOUND)
        for chart, run in runs.items()
        if chart != "factored"
    ]
    results.append(_check(f"spectral ODE against A_N, depth {depth}", _velocity_error(factored), VELOCITY_BOUND))
    results.append(_check(f"dE/dt against -|grad E|^2, depth {depth}", _dissipation_error(factored), DISSIPATION_BOUND))
    results.append(
        _check(f"log volume against the Gram determinant, depth {depth}", _volume_error(factored), VOLUME_BOUND)
    )
    return results


def depth_checks(seed: int) -> list[CheckResult]:
    """The deviation of depths 10, 20, 40, 80 from depth ∞ on a fixed horizon of rescaled time: O(1/N)."""
    energy = _energy(seed)
    times = np.linspace(0, 30, 4)
    start = balanced_start(DeepLinearNetwork(oo, energy.shape), 0.2, seed)
    limit = gradient_flow(energy, DeepLinearNetwork(oo, energy.shape), start, times, rtol=RTOL)
    depths = (10, 20, 40, 80)
    deviations = []
    for depth in depths:
        network = DeepLinearNetwork(depth, energy.shape, rescaled=True)
        deviations.append(_distance(gradient_flow(energy, network, start, times, rtol=RTOL), limit))
    slope = np.polyfit(np.log(depths), np.log(deviations), 1)[0]
    return [_check("depth N against depth oo: slope of the deviation + 1", abs(slope + 1), SLOPE_BOUND)]


def _energy(seed: int) -> MatrixCompletion:
    _, training, _ = monthly_problem(seed)
    centred = training - np.nanmean(training)
    return MatrixCompletion.from_array(centred / np.linalg.norm(np.nan_to_num(centred), 2))


def _check(name: str, figure: float, bound: float) -> CheckResult:
    return CheckResult(name, "float", bool(figure <= bound), float(figure), bound)


def _distance(first: Trajectory, second: Trajectory) -> float:
    """The largest relative distance of two trajectories at common times."""
    pairs = zip(first.factored, second.factored, strict=True)
    arrays = [(a.to_array(), b.to_array()) for a, b in pairs]
    return max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in arrays)


def _definition_point(network: DeepLinearNetwork, point: FactoredMatrix) -> FloatPoint:
    """The definition of A_N at a point of a trajectory."""
    U, sigma, V = point.decomposition
    left, right = np.linalg.qr(U, mode="complete")[0], np.linalg.qr(V, mode="complete")[0]
    left[:, : len(sigma)], right[:, : len(sigma)] = U, V
    return FloatPoint.at(network.depth, left, list(sigma), right)


def _velocity_error(run: Trajectory) -> float:
    """σ', U', V' of the spectral ODE put together to X', against -A_N(∇E) of the definition."""
    worst = 0.0
    for point in run.factored:
        U, sigma, V = point.decomposition
        r = len(sigma)
        chart = SpectralChart(run.energy_function, run.network, point)
        rates = chart.velocity(0.0, np.concatenate([sigma, U.ravel(), V.ravel()]))
        dU, dV = rates[r : r + U.size].reshape(U.shape), rates[r + U.size :].reshape(V.shape)
        velocity = dU @ np.diag(sigma) @ V.T + (U * rates[:r]) @ V.T + (U * sigma) @ dV.T
        slope = run.energy_function.gradient(point).toarray()
        expected = -_definition_point(run.network, point).apply(slope)
        worst = max(worst, float(np.linalg.norm(velocity - expected) / np.linalg.norm(expected)))
    return worst


def _dissipation_error(run: Trajectory) -> float:
    """Central differences of E along the flow against -|grad E|², relative to the largest of them."""
    errors, sizes = [], []
    for time, point in zip(run.times[1:], run.factored[1:], strict=True):
        step = time / 1000
        short = gradient_flow(run.energy_function, run.network, point, [0.0, step, 2 * step], rtol=1e-11)
        slope = (short.energy[2] - short.energy[0]) / (2 * step)
        middle = short.factored[1]
        gradient = operator(run.network, middle)(run.energy_function.gradient(middle).toarray())
        dissipation = inner_product(run.network, middle, gradient, gradient)
        errors.append(abs(slope + dissipation))
        sizes.append(dissipation)
    return float(np.max(np.array(errors) / np.maximum(sizes, 1e-6 * np.max(sizes))))


def _volume_error(run: Trajectory) -> float:
    """log √det g of the kernel against the determinant of the Gram matrix of the definition."""
    worst = 0.0
    for point, value in list(zip(run.factored, run.log_volume, strict=True))[::4]:
        expected = np.log(_definition_point(run.network, point).squared_volume()) / 2
        worst = max(worst, abs(value - expected) / max(1.0, abs(expected)))
    return worst
