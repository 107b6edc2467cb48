r"""Steps of two methods, and the frame they leave to the next one.

Where accuracy limits the step: the explicit Runge-Kutta method of order 8 of Dormand and Prince, with Hairer's
error estimate.  Where stability does: extrapolation of the linearly implicit Euler method,

    y_{i+1} = y_i + (1 - h/n J)⁻¹ h/n f(y_i),   i < n,   n = 1, 2, 3, …,

which damps what decays, and whose order follows the tolerance.

Source: Hairer, Nørsett, Wanner, *Solving Ordinary Differential Equations I*, II.5 and II.10, *II*, IV.2 and IV.9.
The coefficients are those of `scipy.integrate.DOP853`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.integrate import DOP853

from .machine_code import compiled
from .matrices import (
    copy,
    copy_vector,
    decompose,
    factorize,
    left_transposed_product,
    orthonormalize,
    product,
    right_transposed_product,
    solve,
)
from .velocity import ROUNDING, error_norm, velocity

__all__ = ["MOST_ROWS", "STAGES", "explicit_step", "fill_coordinates", "implicit_step", "settle", "turn_velocity"]

STAGES = 12
COEFFICIENTS = np.ascontiguousarray(DOP853.A[:STAGES, :STAGES])
WEIGHTS = np.ascontiguousarray(DOP853.B)
FIFTH_ORDER_ERROR = np.ascontiguousarray(DOP853.E5)
THIRD_ORDER_ERROR = np.ascontiguousarray(DOP853.E3)
MOST_ROWS = 12
FEWEST_ROWS = 4
SAFETY = 0.94
GROWTH = 6.0


@compiled
def explicit_step(
    y: Any, step: float, rtol: float, atol: float, U: Any, V: Any, problem: Any, work: Any, stages: Any, new: Any
) -> tuple[float, float]:
    """The error in units of the tolerance, and the step over the largest one that is stable.

    stages[0] is the velocity at y; stages[12] becomes that at the new coordinates if the error is below 1.
    """
    size = len(y)
    for stage in range(1, STAGES):
        copy_vector(y, new)
        for j in range(stage):
            coefficient = step * COEFFICIENTS[stage, j]
            if coefficient != 0.0:
                for i in range(size):
                    new[i] += coefficient * stages[j, i]
        velocity(new, U, V, problem, work, stages[stage])
    # The last stage is at the end of the step too, so that the two velocities there tell the stiffness.
    before = stages[STAGES + 1]
    copy_vector(new, before)
    fifth, third = stages[STAGES + 2], stages[STAGES + 3]
    for i in range(size):
        new[i], fifth[i], third[i] = 0.0, 0.0, 0.0
    for j in range(STAGES):
        for i in range(size):
            new[i] += WEIGHTS[j] * stages[j, i]
            fifth[i] += FIFTH_ORDER_ERROR[j] * stages[j, i]
            third[i] += THIRD_ORDER_ERROR[j] * stages[j, i]
    for i in range(size):
        new[i] = y[i] + step * new[i]
    r = U.shape[1]
    decompose(new[: r * r].reshape(r, r), work.P, work.sigma, work.Q)
    fifth_norm = error_norm(fifth, rtol, atol, work)
    third_norm = error_norm(third, rtol, atol, work)
    error = 0.0
    if fifth_norm > 0.0 or third_norm > 0.0 or math.isnan(fifth_norm):
        error = step * fifth_norm / math.sqrt((fifth_norm + 0.01 * third_norm) * size)
    if not error < 1.0:
        return error, 0.0
    velocity(new, U, V, problem, work, stages[STAGES])
    change, distance = 0.0, 0.0
    for i in range(size):
        change += (stages[STAGES, i] - stages[STAGES - 1, i]) ** 2
        distance += (new[i] - before[i]) ** 2
    return error, step * math.sqrt(change / distance) / 6.1 if distance > 0.0 else 0.0


@compiled
def implicit_step(
    y: Any,
    step: float,
    target: int,
    rtol: float,
    atol: float,
    U: Any,
    V: Any,
    problem: Any,
    work: Any,
    room: Any,
    new: Any,
) -> tuple[float, float, int, int]:
    """The error in units of the tolerance, the step and the number of rows to take next, and the evaluations.

    room.speed is the velocity at y, room.jacobian the Jacobian there.
    """
    size, r = len(y), U.shape[1]
    evaluations, error = 0, math.inf
    best_step, best_target, best_effort, effort_before = 0.25 * step, target, math.inf, math.inf
    for row in range(1, min(target + 1, MOST_ROWS) + 1):
        evaluations += row - 1
        if not _linearly_implicit_euler(y, step, row, atol, U, V, problem, work, room):
            return math.inf, 0.5 * step, target, evaluations
        # Aitken and Neville: the table is extrapolated to steps of length 0.
        value = room.place
        for i in range(size):
            entry, corner = value[i], 0.0
            for column in range(1, row):
                corner = entry
                entry += (entry - room.table[column - 1, i]) * (row - column) / column
                room.table[column - 1, i] = corner
            room.table[row - 1, i] = entry
            new[i], room.shift[i] = entry, entry - corner
        if row < FEWEST_ROWS - 1:
            continue
        decompose(new[: r * r].reshape(r, r), work.P, work.sigma, work.Q)
        error = math.sqrt(error_norm(room.shift, rtol, atol, work) / size)
        if math.isnan(error):
            return math.inf, 0.1 * step, target, evaluations
        optimal = step * min(GROWTH, max(0.1, SAFETY * (0.65 / error) ** (1.0 / row) if error > 0.0 else GROWTH))
        effort = _effort(row, size) / optimal
        if effort < best_effort:
            best_step, best_target, best_effort = optimal, row, effort
        if error < 1.0 and row >= target - 1:
            if best_target == row and row < MOST_ROWS and effort < 0.9 * effort_before:
                best_step, best_target = optimal * _effort(row + 1, size) / _effort(row, size), row + 1
            return error, best_step, max(best_target, FEWEST_ROWS), evaluations
        effort_before = effort
    return error, min(best_step, 0.7 * step), max(best_target, FEWEST_ROWS), evaluations


@compiled
def _effort(rows: int, size: int) -> float:
    """Evaluations, and factorizations at the price of about one."""
    return size + rows * (rows + 1) / 2 + rows


@compiled
def _linearly_implicit_euler(
    y: Any, step: float, parts: int, atol: float, U: Any, V: Any, problem: Any, work: Any, room: Any
) -> bool:
    """room.place becomes the result of so many steps; whether none of them crossed zero."""
    size, small = len(y), step / parts
    for i in range(size):
        for j in range(size):
            room.factors[i, j] = (1.0 if i == j else 0.0) - small * room.jacobian[i, j]
        room.place[i] = y[i]
    factorize(room.factors, room.pivots)
    for part in range(parts):
        if part > 0:
            velocity(room.place, U, V, problem, work, room.shift)
            if problem.keeps_rank and crosses_zero(work, atol):
                return False
        else:
            copy_vector(room.speed, room.shift)
        for i in range(size):
            room.shift[i] *= small
        solve(room.factors, room.pivots, room.shift)
        for i in range(size):
            room.place[i] += room.shift[i]
    return True


@compiled
def settle(y: Any, new: Any, U: Any, V: Any, problem: Any, work: Any) -> bool:
    """Take new coordinates, and turn the frame so that S = diag(σ) again; whether the velocity has to be evaluated.

    Otherwise its coordinates turn with the frame.
    """
    (m, r), n = U.shape, V.shape[0]
    first, second = r * r, r * r + problem.left
    S = new[:first].reshape(r, r)
    if problem.left > 0:
        copy(new[first:second].reshape(m, r), U)
        orthonormalize(U, work.block)
        product(work.block, S, work.product)
        copy(work.product, S)
    if problem.right > 0:
        copy(new[second:].reshape(n, r), V)
        orthonormalize(V, work.block)
        right_transposed_product(S, work.block, work.product)
        copy(work.product, S)
    decompose(S, work.P, work.sigma, work.Q)
    reflected = problem.keeps_rank and crosses_zero(work, 0.0)
    if reflected:
        _reflect(work)
    product(U, work.P, work.slope_right)
    copy(work.slope_right, U)
    product(V, work.Q, work.slope_left)
    copy(work.slope_left, V)
    fill_coordinates(work.sigma, U, V, problem, y)
    return reflected or problem.left > 0 or problem.right > 0


@compiled
def fill_coordinates(sigma: Any, U: Any, V: Any, problem: Any, y: Any) -> None:
    """The coordinates of U diag(σ) Vᵀ in its own frame."""
    (m, r), n = U.shape, V.shape[0]
    first, second = r * r, r * r + problem.left
    for k in range(first):
        y[k] = 0.0
    for k in range(r):
        y[k * (r + 1)] = sigma[k]
    if problem.left > 0:
        copy(U, y[first:second].reshape(m, r))
    if problem.right > 0:
        copy(V, y[second:].reshape(n, r))


@compiled
def crosses_zero(work: Any, atol: float) -> bool:
    """Whether a singular value came out on the other side of zero, by more than a tolerance.

    The flow never does that beyond depth 1, and its velocity has a kink there, at which extrapolation fails.
    S = P diag(σ) Qᵀ was positive at the start of the step, and det Q = 1.
    """
    smallest, largest = work.sigma[0], work.sigma[0]
    for k in range(len(work.sigma)):
        smallest, largest = min(smallest, work.sigma[k]), max(largest, work.sigma[k])
    if smallest <= (atol + ROUNDING * largest if atol > 0.0 else 0.0):
        return False
    if len(work.sigma) == 2:
        return work.P[0, 0] * work.P[1, 1] < work.P[0, 1] * work.P[1, 0]
    copy(work.P, work.block)
    return factorize(work.block, work.pivots) < 0.0


@compiled
def _reflect(work: Any) -> None:
    """Put the smallest singular value back on its side of zero.

    It is below the tolerance; left where it is it would grow again in the wrong direction.
    """
    smallest = 0
    for k in range(len(work.sigma)):
        if work.sigma[k] < work.sigma[smallest]:
            smallest = k
    for i in range(len(work.sigma)):
        work.P[i, smallest] = -work.P[i, smallest]


@compiled
def turn_velocity(value: Any, work: Any, result: Any) -> None:
    """The velocity of S in the new frame, Pᵀ dS/dt Q."""
    r = len(work.sigma)
    left_transposed_product(work.P, value.reshape(r, r), work.product)
    product(work.product, work.Q, result.reshape(r, r))
