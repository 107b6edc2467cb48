r"""The velocity of X = U S Vᵀ in the frame of the singular vectors at the start of a step.

    G = Uᵀ ∇E V,   S = P D Qᵀ,   dS/dt = -P (λ ∘ PᵀGQ) Qᵀ,
    dU/dt = (U G - ∇E V) Q R Pᵀ,   dV/dt = (V Gᵀ - ∇Eᵀ U) P R Qᵀ,   R = diag(λ(d_k, 0)/d_k)

The coordinates are the entries of S, then those of U and V as far as these spaces move.  Each step begins with
S = diag(σ), which is what keeps small singular values relatively accurate.  It is no singular chart: where singular
values cross P and Q are arbitrary, but P (λ ∘ …) Qᵀ is not.
"""

from __future__ import annotations

import math
from collections import namedtuple
from functools import lru_cache
from typing import Any

import numpy as np

from .addresses import call_one, call_two
from .machine_code import compiled
from .matrices import decompose, decompose_pair, left_transposed_product, product, right_transposed_product, subtract

__all__ = ["ROUNDING", "Problem", "core_velocity_by", "difference_quotients", "error_norm", "scratch", "velocity"]

Problem = namedtuple("Problem", "pair null_rate gradient data left right keeps_rank")
"""The addresses of λ(a, b) and λ(a, 0)/a, and ∇E as a compiled function; the energy's data; the numbers of entries of U
and of V among the coordinates, 0 where the space does not move; whether the flow keeps the rank."""

Scratch = namedtuple(
    "Scratch", "X slope slope_right slope_left within_left within_right block product rotated turn P sigma Q pivots"
)

ROUNDING = 2e-15
"""The share of the largest singular value that rounding leaves uncertain in a step."""

DIFFERENCE = 1.5e-8
"""The square root of the spacing of doubles at 1: rounding and truncation of a difference are then alike."""


@compiled
def scratch(m: int, n: int, r: int) -> Any:
    """Arrays to work in."""
    return Scratch(
        np.empty((m, n)),
        np.empty((m, n)),
        np.empty((m, r)),
        np.empty((n, r)),
        np.empty((m, r)),
        np.empty((n, r)),
        np.empty((r, r)),
        np.empty((r, r)),
        np.empty((r, r)),
        np.empty((r, r)),
        np.empty((r, r)),
        np.empty(r),
        np.empty((r, r)),
        np.empty(r, np.int64),
    )


@lru_cache(maxsize=2)
def core_velocity_by(decomposition: Any) -> Any:
    """(S, G = Uᵀ ∇E V, problem, work, result): result = dS/dt, and work.turn = Q R Pᵀ, where U or V move.

    The decomposition is `decompose`, or another function like that.
    """

    def core_velocity(S: Any, block: Any, problem: Any, work: Any, result: Any) -> None:
        r = len(work.sigma)
        decomposition(S, work.P, work.sigma, work.Q)
        left_transposed_product(work.P, block, work.product)
        product(work.product, work.Q, work.rotated)
        for k in range(r):
            work.rotated[k, k] *= -call_two(problem.pair, work.sigma[k], work.sigma[k])
            for l in range(k + 1, r):
                weight = -call_two(problem.pair, work.sigma[k], work.sigma[l])
                work.rotated[k, l] *= weight
                work.rotated[l, k] *= weight
        product(work.P, work.rotated, work.product)
        right_transposed_product(work.product, work.Q, result)
        if problem.left > 0 or problem.right > 0:
            for k in range(r):
                rate = call_one(problem.null_rate, work.sigma[k])
                for i in range(r):
                    work.rotated[i, k] = work.Q[i, k] * rate
            right_transposed_product(work.rotated, work.P, work.turn)

    return compiled(core_velocity)


core_velocity = core_velocity_by(decompose)


@compiled
def velocity(y: Any, U: Any, V: Any, problem: Any, work: Any, result: Any) -> None:
    """The velocity at the coordinates y, which override U and V as far as these move."""
    (m, r), n = U.shape, V.shape[0]
    if m == 2 and n == 2 and r == 2:
        _velocity_of_pairs(y, U, V, problem, work, result)
        return
    first, second = r * r, r * r + problem.left
    S = y[:first].reshape(r, r)
    if problem.left > 0:
        U = y[first:second].reshape(m, r)
    if problem.right > 0:
        V = y[second:].reshape(n, r)
    product(U, S, work.within_left)
    right_transposed_product(work.within_left, V, work.X)
    problem.gradient(work.X, problem.data, work.slope)
    product(work.slope, V, work.slope_right)
    left_transposed_product(U, work.slope_right, work.block)
    core_velocity(S, work.block, problem, work, result[:first].reshape(r, r))
    if problem.left > 0:
        product(U, work.block, work.within_left)
        subtract(work.slope_right, work.within_left)
        product(work.within_left, work.turn, result[first:second].reshape(m, r))
    if problem.right > 0:
        left_transposed_product(work.slope, U, work.slope_left)
        right_transposed_product(V, work.block, work.within_right)
        subtract(work.slope_left, work.within_right)
        right_transposed_product(work.within_right, work.turn, result[second:].reshape(n, r))


@compiled
def _velocity_of_pairs(y: Any, U: Any, V: Any, problem: Any, work: Any, result: Any) -> None:
    """The same for 2 x 2 matrices of rank 2, with all products written out, which takes a third of the time."""
    u00, u01, u10, u11 = U[0, 0], U[0, 1], U[1, 0], U[1, 1]
    v00, v01, v10, v11 = V[0, 0], V[0, 1], V[1, 0], V[1, 1]
    p00, p01, p10, p11, first, second, q, s = decompose_pair(y[0], y[1], y[2], y[3])
    # The singular vectors of X: U P and V Q, with Q = [[q, s], [-s, q]].
    l00, l01 = u00 * p00 + u01 * p10, u00 * p01 + u01 * p11
    l10, l11 = u10 * p00 + u11 * p10, u10 * p01 + u11 * p11
    r00, r01 = v00 * q - v01 * s, v00 * s + v01 * q
    r10, r11 = v10 * q - v11 * s, v10 * s + v11 * q
    X = work.X
    X[0, 0], X[0, 1] = l00 * first * r00 + l01 * second * r01, l00 * first * r10 + l01 * second * r11
    X[1, 0], X[1, 1] = l10 * first * r00 + l11 * second * r01, l10 * first * r10 + l11 * second * r11
    problem.gradient(X, problem.data, work.slope)
    z00, z01, z10, z11 = work.slope[0, 0], work.slope[0, 1], work.slope[1, 0], work.slope[1, 1]
    w00, w01 = z00 * r00 + z01 * r10, z00 * r01 + z01 * r11
    w10, w11 = z10 * r00 + z11 * r10, z10 * r01 + z11 * r11
    beside = -call_two(problem.pair, first, second)
    g00 = -call_two(problem.pair, first, first) * (l00 * w00 + l10 * w10)
    g01 = beside * (l00 * w01 + l10 * w11)
    g10 = beside * (l01 * w00 + l11 * w10)
    g11 = -call_two(problem.pair, second, second) * (l01 * w01 + l11 * w11)
    h00, h01 = g00 * q + g01 * s, g01 * q - g00 * s
    h10, h11 = g10 * q + g11 * s, g11 * q - g10 * s
    result[0], result[1] = p00 * h00 + p01 * h10, p00 * h01 + p01 * h11
    result[2], result[3] = p10 * h00 + p11 * h10, p10 * h01 + p11 * h11
    # The frame is left where `crosses_zero` looks for it.
    work.P[0, 0], work.P[0, 1], work.P[1, 0], work.P[1, 1] = p00, p01, p10, p11
    work.sigma[0], work.sigma[1] = first, second


@compiled
def difference_quotients(
    y: Any, value: Any, U: Any, V: Any, problem: Any, work: Any, shifted: Any, result: Any
) -> None:
    """The Jacobian of the velocity by forward differences, at a point where S = diag(σ)."""
    r, largest = U.shape[1], 0.0
    for k in range(r):
        largest = max(largest, y[k * (r + 1)])
    for j in range(len(y)):
        # λ varies on the scale of σ_k, but X is rounded on that of σ_1: between the two.
        size = 1.0
        if j < r * r:
            size = math.sqrt(largest * max(y[(j // r) * (r + 1)], y[(j % r) * (r + 1)]))
        kept = y[j]
        y[j] = kept + DIFFERENCE * size
        step = y[j] - kept
        velocity(y, U, V, problem, work, shifted)
        y[j] = kept
        for i in range(len(y)):
            result[i, j] = (shifted[i] - value[i]) / step


@compiled
def error_norm(error: Any, rtol: float, atol: float, work: Any) -> float:
    """The sum of squares of an error over its tolerances, in the frame work.P, work.Q of the singular vectors.

    To first order a singular value moves by its diagonal entry, which is held against atol + rtol σ_k.  Entries
    beside the diagonal turn the singular vectors, by their quotient with the larger singular value.  What rounding
    leaves of X is no error.
    """
    r, largest = len(work.sigma), 0.0
    for k in range(r):
        largest = max(largest, work.sigma[k])
    atol += ROUNDING * largest
    left_transposed_product(work.P, error[: r * r].reshape(r, r), work.product)
    product(work.product, work.Q, work.block)
    total = 0.0
    for k in range(r):
        for l in range(r):
            total += (work.block[k, l] / (atol + rtol * max(work.sigma[k], work.sigma[l]))) ** 2
    for j in range(r * r, len(error)):
        total += (error[j] / rtol) ** 2
    return total
