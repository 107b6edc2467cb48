r"""Discrete training beside the flow: how far apart they are, and how that depends on the learning rate.

At time t = η k, η = h/(1-β), gradient descent is at a distance O(h) from the flow, and at O(h²) from the
flow of the modified loss (`numerics.training_rule`).  The defects W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ, which the flow
conserves, move in a step without momentum by h² (g_{p+1}ᵀ g_{p+1} - g_p g_pᵀ), g_p = ∂L/∂W_p: O(h) in a given time.

Source: Elkabetz, Cohen, arXiv 2107.06608; Barrett, Dherin, arXiv 2009.11162.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp

from geometry import DeepLinearNetwork

from .charts import LayersChart
from .energies import Energy
from .factored import FactoredMatrix
from .layers import Layers
from .training import train
from .training_batches import counted
from .training_rule import GradientDescent

__all__ = ["FlowComparison", "compare_with_flow", "modified_flow"]

Array = NDArray[np.float64]


def modified_flow(
    energy: Energy,
    network: DeepLinearNetwork,
    start: FactoredMatrix | Layers,
    times: ArrayLike,
    rule: GradientDescent | None = None,
    *,
    rtol: float = 1e-10,
) -> tuple[Layers, ...]:
    r"""The layers along dW/dt = -∇L - (η c/2) ∇²L ∇L, the flow of the loss that a learning rate modifies.

    Parameters
    ----------
    energy : Energy
    network : DeepLinearNetwork
        Of finite depth; a rescaled one flows at the speed 1/N.
    start : FactoredMatrix or Layers
        At times[0].
    times : array (T,)
        Not decreasing.
    rule : GradientDescent, optional
        η and c; the flow of L itself unless given.
    rtol : float
        Of SciPy's DOP853.

    Returns
    -------
    tuple of Layers, T of them

    Raises
    ------
    ValueError
        If the times decrease.
    ArithmeticError
        If the solver fails.
    """
    chart = LayersChart(energy, network, start)
    grid = np.asarray(times, dtype=np.float64)
    if grid.ndim != 1 or len(grid) == 0 or not np.isfinite(grid).all() or (np.diff(grid) < 0).any():
        raise ValueError(f"times must be finite numbers that do not decrease, not {times!r}")
    strength = rule.modification / chart.speed if rule is not None else 0.0

    def velocity(time: float, coordinates: Array) -> Array:
        flow = chart.velocity(time, coordinates)
        # Along the flow of L the acceleration is ∇²L ∇L.
        return flow - strength * chart.linearization(coordinates)(flow) if strength else flow

    moments, places = np.unique(grid, return_inverse=True)
    states = [chart.coordinates(chart.start)]
    if len(moments) > 1:
        span = (moments[0], moments[-1])
        solution = solve_ivp(velocity, span, states[0], "DOP853", moments, rtol=rtol, atol=chart.noise(rtol))
        if not solution.success:
            raise ArithmeticError(f"the flow of the layers failed at t = {solution.t[-1]:.6g}: {solution.message}")
        states = list(solution.y.T)
    return tuple(chart.layers(states[place]) for place in places)


@dataclass(frozen=True, eq=False)
class FlowComparison:
    """Gradient descent at several learning rates beside the flow, up to one time.

    Attributes
    ----------
    learning_rates : array (R,)
    steps : array (R,) of int
        How many steps each took.
    distances : array (R,)
        The largest |X_k - X(t_k)| / |X(t_k)| over the snapshots, in the Frobenius norm; inf where the descent diverged.
    defect_changes : array (R,)
        How far the conserved defects of the layers moved: the largest entry at the end.
    """

    learning_rates: Array
    steps: NDArray[np.intp]
    distances: Array
    defect_changes: Array

    def order(self) -> float:
        """The power of the learning rate that the distances go with, by least squares."""
        return _slope(self.learning_rates, self.distances)

    def defect_order(self) -> float:
        """The power of the learning rate that the changes of the defects go with."""
        return _slope(self.learning_rates, self.defect_changes)


def compare_with_flow(
    energy: Energy,
    network: DeepLinearNetwork,
    start: FactoredMatrix | Layers,
    learning_rates: Sequence[float],
    time: float,
    *,
    momentum: float = 0.0,
    nesterov: bool = False,
    modified: bool = False,
    snapshots: int = 10,
    rtol: float = 1e-10,
) -> FlowComparison:
    """How far gradient descent is from the flow of the layers, for each learning rate.

    Parameters
    ----------
    energy : Energy
    network : DeepLinearNetwork
    start : FactoredMatrix or Layers
    learning_rates : sequence of float, R of them
    time : float
        Until when, in the network's flow; each rate takes as many steps as come nearest.
    momentum, nesterov
        As for `train`.
    modified : bool
        Compare with the flow of the modified loss, with the lag that momentum starts with, instead: of second order.
    snapshots : int
        At how many times.
    rtol : float
        Of the flow.

    Raises
    ------
    ValueError
        If an argument makes no sense, or a rate leaves fewer steps than snapshots.

    Examples
    --------
    >>> from numerics import MatrixCompletion, balanced_start
    >>> energy = MatrixCompletion.from_array([[1.0, float("nan")], [0.5, 0.25]])
    >>> network = DeepLinearNetwork(3, shape=(2, 2))
    >>> beside = compare_with_flow(energy, network, balanced_start(network, 0.5), [0.02, 0.01, 0.005], time=4.0)
    >>> round(beside.order(), 1), round(beside.defect_order(), 1)
    (1.0, 1.0)
    """
    if not (np.isfinite(time) and time > 0):
        raise ValueError(f"time must be positive and finite, not {time}")
    counted("snapshots", snapshots, 1)
    if len(learning_rates) == 0:
        raise ValueError("learning_rates must be at least one, but are empty")
    descend = partial(train, energy, network, momentum=momentum, nesterov=nesterov, on_divergence="return")
    rows = []
    for rate in learning_rates:
        rule = GradientDescent(rate, momentum, nesterov)
        step_time = rule.effective_rate * float(network.operator_divisor)
        steps = round(time / step_time)
        if steps < snapshots:
            raise ValueError(f"learning_rate {rate} takes {steps} steps to {time}, fewer than snapshots = {snapshots}")
        record = np.linspace(0, steps, snapshots + 1).round().astype(int).tolist()
        run = descend(start, rate, steps, record=record)
        if run.diverged:
            rows.append((steps, np.inf, np.inf))
            continue
        times = np.maximum(run.times - (step_time * rule.lag if modified else 0.0), 0.0)
        flow = modified_flow(energy, network, start, times, rule if modified else None, rtol=rtol)
        pairs = zip(run.factored, flow, strict=True)
        rows.append((steps, max(_distance(X, layers.product(X.rank)) for X, layers in pairs), run.defect_changes[-1]))
    taken, distances, changes = zip(*rows, strict=True)
    rates = np.array(learning_rates, dtype=np.float64)
    return FlowComparison(rates, np.array(taken), np.array(distances), np.array(changes))


def _distance(X: FactoredMatrix, Y: FactoredMatrix) -> float:
    """|X - Y| / |Y|, without forming either."""
    left, upper = np.linalg.qr(np.hstack([X.U @ X.S, -(Y.U @ Y.S)]))
    right, lower = np.linalg.qr(np.hstack([X.V, Y.V]))
    return float(np.linalg.norm(upper @ lower.T) / np.linalg.norm(Y.S))


def _slope(rates: Array, values: Array) -> float:
    """Of log values against log rates."""
    finite = np.isfinite(values) & (values > 0)
    if finite.sum() < 2:
        raise ValueError("an order needs at least two learning rates with a positive, finite value")
    return float(np.polyfit(np.log(rates[finite]), np.log(values[finite]), 1)[0])
