"""The two completion problems of the report, and the results that its pages show."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from numerics import Completion, Convergence, complete, hold_out, root_mean_square
from numerics.network_kernels import network_kernels

from ..mauna_loa import RESOLUTION, monthly_means, weekly_matrix

__all__ = [
    "MONTHLY_SHARE_UNSEEN",
    "NO_BETTER_THAN_THE_MEAN",
    "START",
    "WEEKLY_GRADIENT",
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
NO_BETTER_THAN_THE_MEAN = (1,)
"""Depths without implicit regularization: the unseen entries stay where the start put them."""
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
        Of the rescaled metric, so that depths compare; -inf at a start with equal singular values.
    mean_error : float
        Of filling in the mean, on the unseen entries.
    baseline : str
        A method for this kind of data without a network.
    baseline_error : float
        Its error on the unseen entries.
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
    baseline: str
    baseline_error: float
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
    seconds = time.perf_counter() - began
    baseline = "row and column means", additive_fit(training)
    return _result(record, training, unseen, completion, baseline, seconds)


def run_weekly(depth: int | Expr, seed: int) -> FlowResult:
    """The record with its real gaps at rank 5."""
    record, training, unseen = weekly_problem(seed)
    began = time.perf_counter()
    until = Convergence(gradient_norm=WEEKLY_GRADIENT)
    completion = complete(training, depth=depth, rank=WEEKLY_RANK, seed=seed, scale=START, until=until)
    seconds = time.perf_counter() - began
    baseline = "linear interpolation in time", interpolated(training)
    return _result(record, training, unseen, completion, baseline, seconds)


def additive_fit(training: Array) -> Array:
    """r_i + c_j, fitted to the seen entries by least squares."""
    m, n = training.shape
    rows, columns = np.nonzero(~np.isnan(training))
    design = np.hstack([np.eye(m)[rows], np.eye(n)[columns]])
    effects = np.linalg.lstsq(design, training[rows, columns], rcond=None)[0]
    return np.asarray(effects[:m, None] + effects[None, m:])


def interpolated(training: Array) -> Array:
    """Between the seen weeks, one row after the other."""
    values = training.ravel()
    seen = np.flatnonzero(~np.isnan(values))
    return np.interp(np.arange(values.size), seen, values[seen]).reshape(training.shape)


def _result(
    record: Array,
    training: Array,
    unseen: NDArray[np.bool_],
    completion: Completion,
    baseline: tuple[str, Array],
    seconds: float,
) -> FlowResult:
    trajectory, seen = completion.trajectory, ~np.isnan(training)
    network = replace(trajectory.network, rescaled=True)
    errors = [completion.mean + completion.norm * point.to_array() - record for point in trajectory.factored]
    statistics = trajectory.statistics
    return FlowResult(
        depth=network.depth,
        times=trajectory.times,
        singular_values=trajectory.singular_values,
        seen=np.array([root_mean_square(error[seen]) for error in errors]),
        unseen=np.array([root_mean_square(error[unseen]) for error in errors]),
        log_volume=network_kernels(network).log_volume_at(trajectory.singular_values),
        mean_error=root_mean_square((completion.mean - record)[unseen]),
        baseline=baseline[0],
        baseline_error=root_mean_square((baseline[1] - record)[unseen]),
        completed=completion.completed,
        filled=np.where(np.isnan(record), completion.completed, record),
        converged=bool(trajectory.converged),
        statistics=f"{statistics.method}: {statistics.steps} steps, {statistics.evaluations} velocities, "
        f"{statistics.jacobians} Jacobians, rtol {statistics.rtol:g}",
        seconds=seconds,
    )
