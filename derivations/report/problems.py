"""The two completion problems of the report, and the results that its pages show."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from numerics import Completion, Convergence, complete, hold_out, root_mean_square

from ..mauna_loa import RESOLUTION, monthly_means, weekly_matrix

__all__ = [
    "MONTHLY_SHARE_UNSEEN",
    "START",
    "WEEKLY_RANK",
    "FlowResult",
    "monthly_problem",
    "run_monthly",
    "run_weekly",
    "weekly_problem",
]

Array = NDArray[np.float64]

START = 1e-3
"""The start's singular values, relative to the norm of the data."""
MONTHLY_SHARE_UNSEEN = 0.2
WEEKLY_SHARE_HELD_OUT = 0.1
WEEKLY_RANK = 5
WEEKLY_GRADIENT = 1e-3
"""The rank-5 flow stops here: five singular values cannot fit the record to its rounding, and further
down the flow only fits noise."""


@dataclass(frozen=True)
class FlowResult:
    """One flow of the report, in ppm.

    Attributes
    ----------
    depth : int or oo
    times : array (T,)
    singular_values : array (T, r)
        Of the scaled matrix.
    seen, unseen : arrays (T,)
        Root mean square errors on the entries that the flow has seen, and on those it has not.
    log_volume : array (T,)
    mean_error : float
        Of filling in the mean, on the unseen entries.
    completed : array (m, n)
        The fit at the end.
    filled : array (m, n)
        The observed entries, and the fit in the gaps.
    converged : bool
    statistics : str
    seconds : float
    """

    depth: int | Expr
    times: Array
    singular_values: Array
    seen: Array
    unseen: Array
    log_volume: Array
    mean_error: float
    completed: Array
    filled: Array
    converged: bool
    statistics: str
    seconds: float


def monthly_problem(seed: int) -> tuple[Array, Array, NDArray[np.bool_]]:
    """The monthly means of 1990 to 2001, the same with a fifth unseen, and the mask of the unseen."""
    record = monthly_means(1990, 2001)
    return (record, *hold_out(record, MONTHLY_SHARE_UNSEEN, seed))


def weekly_problem(seed: int) -> tuple[Array, Array, NDArray[np.bool_]]:
    """The record by years and weeks, the same with a tenth held out, and the mask of the held-out."""
    record = weekly_matrix()
    return (record, *hold_out(record, WEEKLY_SHARE_HELD_OUT, seed))


def run_monthly(depth: int | Expr, seed: int) -> FlowResult:
    """The square problem at full rank, from a small multiple of a random orthogonal matrix.

    The flow stops where its residuals are down to the rounding of the record, 0.1 ppm.
    """
    record, training, unseen = monthly_problem(seed)
    began = time.perf_counter()
    completion = complete(training, depth=depth, seed=seed, scale=START, resolution=RESOLUTION)
    return _result(depth, record, training, unseen, completion, time.perf_counter() - began)


def run_weekly(depth: int | Expr, seed: int) -> FlowResult:
    """The record with its real gaps at rank 5."""
    record, training, unseen = weekly_problem(seed)
    began = time.perf_counter()
    until = Convergence(gradient_norm=WEEKLY_GRADIENT)
    completion = complete(training, depth=depth, rank=WEEKLY_RANK, seed=seed, scale=START, until=until)
    return _result(depth, record, training, unseen, completion, time.perf_counter() - began)


def _result(
    depth: int | Expr,
    record: Array,
    training: Array,
    unseen: NDArray[np.bool_],
    completion: Completion,
    seconds: float,
) -> FlowResult:
    trajectory, seen = completion.trajectory, ~np.isnan(training)
    errors = [completion.mean + completion.norm * point.to_array() - record for point in trajectory.factored]
    statistics = trajectory.statistics
    return FlowResult(
        depth=depth,
        times=trajectory.times,
        singular_values=trajectory.singular_values,
        seen=np.array([root_mean_square(error[seen]) for error in errors]),
        unseen=np.array([root_mean_square(error[unseen]) for error in errors]),
        log_volume=trajectory.log_volume,
        mean_error=root_mean_square((completion.mean - record)[unseen]),
        completed=completion.completed,
        filled=np.where(np.isnan(record), completion.completed, record),
        converged=bool(trajectory.converged),
        statistics=f"{statistics.method}: {statistics.steps} steps, {statistics.evaluations} velocities, "
        f"{statistics.jacobians} Jacobians, rtol {statistics.rtol:g}",
        seconds=seconds,
    )
