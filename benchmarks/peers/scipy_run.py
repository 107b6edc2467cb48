"""One SciPy integration with a time limit, shared by the peers that use SciPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from .problem import TimeLimitError

__all__ = ["integrate"]

Array = NDArray[np.float64]


def integrate(
    velocity: Callable[[Array], Array],
    start: Array,
    times: Sequence[float],
    *,
    method: Any,
    rtol: float,
    atol: float | Array,
    limit: float,
) -> tuple[Array, int, int]:
    """The states at the times (T, size), the number of velocities (differences included) and of Jacobians.

    Raises
    ------
    TimeLimitError
        After `limit` seconds.
    RuntimeError
        If the solver fails.
    """
    deadline = perf_counter() + limit
    calls = 0

    def counted(_: Any, state: Any) -> Any:
        nonlocal calls
        calls += 1
        if perf_counter() > deadline:
            raise TimeLimitError(f"{method} took more than {limit:g} s, {calls} right-hand sides")
        return velocity(state)

    with np.errstate(all="ignore"):
        solution = solve_ivp(counted, (0.0, times[-1]), start, method=method, rtol=rtol, atol=atol, t_eval=times)
    if not solution.success:
        raise RuntimeError(f"{method} failed: {solution.message}")
    return solution.y.T, calls, int(solution.njev)
