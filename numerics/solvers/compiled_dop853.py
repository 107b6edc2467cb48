"""SciPy's DOP853 with its steps compiled, one at a time or as many as nobody has to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853

from ..charts import CompiledField
from ..compilation import jitted
from .solver import March, MarchResult
from .stiffness import limited_steps

__all__ = ["CompiledDOP853"]

Array = NDArray[np.float64]

SAFETY, SMALLEST_FACTOR, LARGEST_FACTOR = 0.9, 0.2, 10.0
"""Those of SciPy's own control of the step."""


class CompiledDOP853(DOP853):
    """DOP853 on a compiled field: SciPy's coefficients, control of the step and dense output.

    Parameters
    ----------
    field : CompiledField
        The velocity.
    *arguments, **options
        Of `scipy.integrate.DOP853`.
    """

    rtol: float
    atol: Any

    def __init__(self, field: CompiledField, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._field = field
        self._step = _step(field.velocity)
        self._atol = np.broadcast_to(np.asarray(self.atol, dtype=np.float64), (self.n,)).copy()
        self._work = np.empty((3, self.n))

    def _step_impl(self) -> tuple[bool, str | None]:
        y = np.empty(self.n)
        reached, size, proposed, attempts = self._step(
            self.t, self.y, self.f, self.h_abs, self.t_bound, self.rtol, self._atol, self.K, self._work, y,
            self._field.data,
        )  # fmt: skip
        self.nfev += self.n_stages * attempts
        self.h_abs = proposed
        if size == 0.0:
            return False, self.TOO_SMALL_STEP
        self.h_previous, self.y_old, self.y, self.t, self.f = size, self.y, y, reached, self.K[-1].copy()
        return True, None

    @property
    def marches(self) -> bool:
        """Whether the field has what to look at."""
        return self._field.watch is not None

    def march(self, limits: March) -> MarchResult:
        """Steps until one of the limits is met, as if `step` had been called so many times."""
        before, f = self.y.copy(), self.f.copy()
        y = self.y.copy()
        march = _march(self._field.velocity, self._field.watch)
        (steps, attempts, limited), (drift, begin, time, size, proposed) = march(
            self.t, y, before, f, self.h_abs, self.t_bound, self.rtol, self._atol, self.K, self._work,
            limits.until, limits.orientation, limits.resolution, limits.limited, limits.most_limited,
            limits.most_steps, self._field.data,
        )  # fmt: skip
        self.nfev += self.n_stages * attempts
        self.h_abs = proposed
        if steps:
            self.h_previous, self.t_old, self.t = size, begin, time
            self.y_old, self.y, self.f = before, y, f
        if size == 0.0:
            self.status = "failed"
        elif self.t >= self.t_bound:
            self.status = "finished"
        return MarchResult(steps, drift, limited)


@lru_cache(maxsize=64)
def _step(velocity: Callable[..., Any]) -> Callable[..., Any]:
    """One accepted step: the time reached, its size (0 if there is none), the next size, and the attempts."""
    attempt = _attempt(velocity)
    exponent: float = -1 / (DOP853.error_estimator_order + 1)

    def step(
        time: Any, y: Any, f: Any, size: Any, bound: Any, rtol: Any, atol: Any, K: Any, work: Any, new: Any, data: Any
    ) -> tuple[Any, Any, Any, Any]:
        smallest = 10 * abs(np.nextafter(time, np.inf) - time)
        size, rejected, attempts = max(size, smallest), False, 0
        while size >= smallest:
            reached = min(time + size, bound)
            size = reached - time
            error = attempt(y, f, size, rtol, atol, K, work, new, data)
            attempts += 1
            factor = LARGEST_FACTOR if error == 0 else SAFETY * error**exponent
            if error < 1:
                return reached, size, size * min(1.0 if rejected else LARGEST_FACTOR, factor), attempts
            # A NaN, from a velocity that overflowed, counts as the largest error.
            size *= factor if factor > SMALLEST_FACTOR else SMALLEST_FACTOR
            rejected = True
        return time, 0.0, size, attempts

    return jitted(step)


@lru_cache(maxsize=64)
def _march(velocity: Callable[..., Any], watch: Callable[..., Any]) -> Callable[..., Any]:
    """Steps in a row; see `March` for where they end."""
    step, count = _step(velocity), jitted(limited_steps)

    def march(
        time: Any, y: Any, before: Any, f: Any, size: Any, bound: Any, rtol: Any, atol: Any, K: Any, work: Any,
        until: Any, orientation: Any, resolution: Any, limited: Any, most_limited: Any, most_steps: Any, data: Any,
    ) -> tuple[Any, Any]:  # fmt: skip
        new, begin, last = np.empty_like(y), time, np.nan
        steps, attempts, drift = 0, 0, 0.0
        while steps < most_steps:
            reached, taken, size, tried = step(time, y, f, size, bound, rtol, atol, K, work, new, data)
            attempts += tried
            if taken == 0.0:
                last = 0.0
                break
            for i in range(len(y)):
                before[i], y[i], f[i] = y[i], new[i], K[-1, i]
            begin, time, last = time, reached, taken
            steps += 1
            defect, sign, rate, resolved = watch(y, data)
            drift = max(drift, defect)
            after = count(limited, last, rate, bound - time, most_limited)
            if time >= until or sign != orientation or not resolved > resolution or after >= most_limited:
                break
            if steps < most_steps:
                limited = after
        return (steps, attempts, limited), (drift, begin, time, last, size)

    return jitted(march)


@lru_cache(maxsize=64)
def _attempt(velocity: Callable[..., Any]) -> Callable[..., Any]:
    """A step, and its error in units of the tolerance; K is filled with the velocities at the stages and the end."""
    stages = len(DOP853.B)
    weights, places, terms = _by_fours([*DOP853.A[:stages], DOP853.B, DOP853.E5, DOP853.E3])
    combine, squared_norm = jitted(_combine), jitted(_squared_norm, regroups=True)

    def attempt(y: Any, f: Any, step: Any, rtol: Any, atol: Any, K: Any, work: Any, new: Any, data: Any) -> Any:
        moved, error, zero = work[0], work[1], work[2]
        for i in range(len(y)):
            K[0, i], zero[i] = f[i], 0.0
        for stage in range(1, stages):
            combine(y, step, weights[stage], places[stage], terms[stage], K, moved)
            velocity(moved, data, K[stage])
        combine(y, step, weights[stages], places[stages], terms[stages], K, new)
        velocity(new, data, K[stages])
        combine(zero, 1.0, weights[stages + 1], places[stages + 1], terms[stages + 1], K, error)
        fifth = squared_norm(error, y, new, rtol, atol)
        combine(zero, 1.0, weights[stages + 2], places[stages + 2], terms[stages + 2], K, error)
        third = squared_norm(error, y, new, rtol, atol)
        if fifth == 0.0 and third == 0.0:
            return 0.0
        return abs(step) * fifth / np.sqrt((fifth + 0.01 * third) * len(y))

    return jitted(attempt)


def _by_fours(rows: Sequence[Array]) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """The coefficients that are not zero, their places, and their number, filled up to a multiple of four."""
    longest = -(-max(np.count_nonzero(row) for row in rows) // 4) * 4
    weights, places = np.zeros((len(rows), longest)), np.zeros((len(rows), longest), dtype=np.int64)
    for row, weight, place in zip(rows, weights, places, strict=True):
        (found,) = np.nonzero(row)
        weight[: len(found)], place[: len(found)] = row[found], found
    return weights, places, np.array([-(-np.count_nonzero(row) // 4) * 4 for row in rows])


def _combine(y: Any, step: Any, weights: Any, places: Any, terms: Any, K: Any, result: Any) -> None:
    """y + step Σ weights[j] K[places[j]]; by fours, as the sum is read and written for each of them."""
    for i in range(len(y)):
        result[i] = y[i]
    for j in range(0, terms, 4):
        a, b, c, d = step * weights[j], step * weights[j + 1], step * weights[j + 2], step * weights[j + 3]
        A, B, C, D = K[places[j]], K[places[j + 1]], K[places[j + 2]], K[places[j + 3]]
        for i in range(len(y)):
            result[i] += (a * A[i] + b * B[i]) + (c * C[i] + d * D[i])


def _squared_norm(error: Any, y: Any, new: Any, rtol: Any, atol: Any) -> Any:
    """The sum of squares of an error in units of the tolerances."""
    total = 0.0
    for i in range(len(y)):
        total += (error[i] / (atol[i] + rtol * max(abs(y[i]), abs(new[i])))) ** 2
    return total
