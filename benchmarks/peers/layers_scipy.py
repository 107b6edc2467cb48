"""Peer: the layers W_1, …, W_N in SciPy, thin (hidden width r) with a sparse gradient, or full (width n)."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.integrate import solve_ivp

from .problem import CompletionProblem, Outcome
from .scipy_run import integrate

__all__ = ["full_layers", "loss_drop_time", "thin_layers"]

Array = NDArray[np.float64]


class _ThinLayers:
    """State and velocity of layers of hidden width r: residuals at the observed entries only, two sparse products.

    With L = W_N ⋯ W_2 and the r x r block W_Nᵀ ∇E W_1ᵀ, the middle layers cost r³ each.
    """

    def __init__(self, problem: CompletionProblem) -> None:
        energy = problem.energy
        self.energy, self.rank = energy, problem.start.rank
        pointers = np.searchsorted(energy.rows, np.arange(energy.shape[0] + 1))
        self.slope = sparse.csr_array((np.empty_like(energy.values), energy.columns, pointers), shape=energy.shape)
        self.bounds = np.cumsum([self.rank * energy.shape[1], (problem.depth - 2) * self.rank**2])
        self.start = np.concatenate([layer.ravel() for layer in problem.layers()])

    def split(self, state: Array) -> tuple[Array, Array, Array]:
        """W_1 (r, n), W_2 … W_{N-1} (N-2, r, r), W_N (m, r)."""
        r = self.rank
        first, middle, last = np.split(state, self.bounds)
        return first.reshape(r, -1), middle.reshape(-1, r, r), last.reshape(-1, r)

    def residuals(self, left: Array, first: Array) -> Array:
        """X_ij - M_ij at the observed entries."""
        entries = np.einsum("ek,ek->e", left[self.energy.rows], first.T[self.energy.columns])
        return entries - self.energy.values

    def velocity(self, state: Array) -> Array:
        """-∂L/∂W_p for all p."""
        first, middle, last = self.split(state)
        below = list(accumulate(middle, lambda product, W: W @ product, initial=np.eye(self.rank)))
        left = last @ below[-1]
        self.slope.data = self.residuals(left, first)
        slope_right = self.slope @ first.T
        above = last.T @ slope_right
        middle_velocities = []
        for W, product in zip(middle[::-1], below[-2::-1], strict=True):
            middle_velocities.append(above @ product.T)
            above = W.T @ above
        parts: list[Any] = [(self.slope.T @ left).T, *middle_velocities[::-1], slope_right @ below[-1].T]
        return -np.concatenate([part.ravel() for part in parts])

    def product(self, state: Array) -> tuple[Array, Array]:
        """W_N ⋯ W_2 and W_1."""
        first, middle, last = self.split(state)
        return last @ reduce(lambda product, W: W @ product, middle, np.eye(self.rank)), first


def thin_layers(problem: CompletionProblem, method: str, limit: float) -> Callable[[float], Outcome]:
    """Hidden width r, with a sparse gradient."""
    layers = _ThinLayers(problem)

    def solve(rtol: float) -> Outcome:
        states, evaluations, jacobians = integrate(
            layers.velocity,
            layers.start,
            [problem.end],
            method=method,
            rtol=rtol,
            atol=rtol * problem.layer_scale,
            limit=limit,
        )
        left, first = layers.product(states[-1])
        return Outcome(left @ first, evaluations, jacobians)

    return solve


def loss_drop_time(problem: CompletionProblem, factor: float) -> float:
    """The time, to three digits, at which the flow has divided the loss of the start by a factor."""
    layers = _ThinLayers(problem)
    bound = problem.energy(problem.start) / factor

    def above_bound(_: float, state: Array) -> float:
        residuals = layers.residuals(*layers.product(state))
        return float(np.log(residuals @ residuals / 2 / bound))

    above_bound.terminal = True  # type: ignore[attr-defined]
    solution = solve_ivp(
        lambda _, state: layers.velocity(state),
        (0.0, problem.end),
        layers.start,
        method="DOP853",
        rtol=1e-9,
        atol=1e-9 * problem.layer_scale,
        events=above_bound,
    )
    if solution.status != 1:
        raise RuntimeError(f"the loss has not dropped by {factor:g} at t = {problem.end:g}")
    return float(f"{solution.t[-1]:.3g}")


def full_layers(problem: CompletionProblem, method: str, limit: float) -> Callable[[float], Outcome]:
    """Hidden width n, the gradient a dense matrix: gradient descent on the layers as it is usually written."""
    energy = problem.energy
    width = max(energy.shape)
    layers = problem.layers(width)
    shapes = [layer.shape for layer in layers]
    bounds = np.cumsum([0, *(layer.size for layer in layers)])
    observed = np.zeros(energy.shape)
    observed[energy.rows, energy.columns] = 1.0
    target = np.zeros(energy.shape)
    target[energy.rows, energy.columns] = energy.values

    def split(state: Array) -> list[Array]:
        return [
            state[low:high].reshape(shape) for low, high, shape in zip(bounds[:-1], bounds[1:], shapes, strict=True)
        ]

    def velocity(state: Array) -> Array:
        parts = split(state)
        products = list(accumulate(parts, lambda product, W: W @ product))
        above = observed * products[-1] - target
        velocities = []
        for p in range(len(parts) - 1, 0, -1):
            velocities.append(above @ products[p - 1].T)
            above = parts[p].T @ above
        velocities.append(above)
        return -np.concatenate([part.ravel() for part in reversed(velocities)])

    start = np.concatenate([layer.ravel() for layer in layers])

    def solve(rtol: float) -> Outcome:
        atol = rtol * problem.layer_scale
        states, evaluations, jacobians = integrate(
            velocity, start, [problem.end], method=method, rtol=rtol, atol=atol, limit=limit
        )
        return Outcome(reduce(lambda product, W: W @ product, split(states[-1])), evaluations, jacobians)

    return solve
