"""SciPy's DOP853 with each step one compiled function: between its stages nothing returns to Python."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.integrate import DOP853

from ..charts import CompiledField
from ..compilation import jitted

__all__ = ["CompiledDOP853"]

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
        self._attempt, self._data = _attempt(field.velocity), field.data
        self._atol = np.broadcast_to(np.asarray(self.atol, dtype=np.float64), (self.n,)).copy()

    def _step_impl(self) -> tuple[bool, str | None]:
        smallest = 10 * abs(np.nextafter(self.t, np.inf) - self.t)
        size, rejected = max(self.h_abs, smallest), False
        while size >= smallest:
            reached = min(self.t + size, self.t_bound)
            size = reached - self.t
            y, error = self._attempt(self.y, self.f, size, self.rtol, self._atol, self.K, self._data)
            self.nfev += self.n_stages
            factor = SAFETY * error**self.error_exponent if error > 0 else LARGEST_FACTOR
            if error < 1:
                self.h_previous, self.h_abs = size, size * min(1.0 if rejected else LARGEST_FACTOR, factor)
                self.y_old, self.y, self.t, self.f = self.y, y, reached, self.K[-1].copy()
                return True, None
            # A NaN, from a velocity that overflowed, counts as the largest error.
            size *= factor if factor > SMALLEST_FACTOR else SMALLEST_FACTOR
            rejected = True
        return False, self.TOO_SMALL_STEP


@lru_cache(maxsize=64)
def _attempt(velocity: Callable[..., Any]) -> Callable[..., Any]:
    """A step, and its error in units of the tolerance; K is filled with the velocities at the stages and the end."""
    A, B, E3, E5 = (np.ascontiguousarray(part) for part in (DOP853.A, DOP853.B, DOP853.E3, DOP853.E5))
    stages = len(B)

    def attempt(y: Any, f: Any, step: Any, rtol: Any, atol: Any, K: Any, data: Any) -> tuple[Any, Any]:
        K[0] = f
        for stage in range(1, stages):
            moved = y.copy()
            for j in range(stage):
                if A[stage, j] != 0.0:
                    weight = step * A[stage, j]
                    for i in range(len(y)):
                        moved[i] += weight * K[j, i]
            K[stage] = velocity(moved, data)
        new = y.copy()
        for j in range(stages):
            if B[j] != 0.0:
                weight = step * B[j]
                for i in range(len(y)):
                    new[i] += weight * K[j, i]
        K[stages] = velocity(new, data)
        fifth_norm, third_norm = 0.0, 0.0
        for i in range(len(y)):
            fifth, third = 0.0, 0.0
            for j in range(stages + 1):
                fifth += E5[j] * K[j, i]
                third += E3[j] * K[j, i]
            scale = atol[i] + rtol * max(abs(y[i]), abs(new[i]))
            fifth_norm += (fifth / scale) ** 2
            third_norm += (third / scale) ** 2
        if fifth_norm == 0.0 and third_norm == 0.0:
            return new, 0.0
        return new, abs(step) * fifth_norm / np.sqrt((fifth_norm + 0.01 * third_norm) * len(y))

    return jitted(attempt)
