r"""Completion of a matrix with gaps by the gradient flow of a deep linear network.

The flow runs on (M - mean)/norm, with the mean of the observed entries and the spectral norm of the
centred matrix with zeros in its gaps: then the start's scale, the tolerances and the bounds do not
depend on the data's units, and the result moves with the data, a M + b to a X + b for a > 0.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sympy import Expr

from geometry import DeepLinearNetwork

from .energies import MatrixCompletion
from .factored import FactoredMatrix, balanced_start, random_generator
from .flows import Convergence, gradient_flow
from .trajectory import Trajectory

__all__ = ["Completion", "UnobservedWarning", "complete", "hold_out", "root_mean_square"]

Array = NDArray[np.float64]
logger = logging.getLogger(__name__)

GRADIENT_NORM = 1e-6
"""Where the flow of the scaled matrix, of norm about 1, counts as converged."""


class UnobservedWarning(UserWarning):
    """A row or a column has no observed entry: what is put there does not follow from the data."""


@dataclass(frozen=True, eq=False)
class Completion:
    """A completed matrix, in the units of the data.

    Attributes
    ----------
    completed : array (m, n)
        The fit X everywhere.
    filled : array (m, n)
        The observed entries, and the fit in the gaps.
    trajectory : Trajectory
        The flow, of (X - mean)/norm.
    mean : float
        Of the observed entries.
    norm : float
        The spectral norm of the centred matrix with zeros in its gaps.
    observed_error : float
        Root mean square of X - M at the observed entries.
    singular_values : array (r,)
        Of X - mean, decreasing.
    """

    completed: Array
    filled: Array
    trajectory: Trajectory
    mean: float
    norm: float
    observed_error: float
    singular_values: Array


def complete(
    array: ArrayLike,
    *,
    depth: int | Expr = 3,
    rank: int | None = None,
    seed: int | np.random.Generator = 0,
    scale: float = 1e-3,
    rtol: float = 1e-6,
    until: Convergence | Mapping[str, float] | float | None = None,
    resolution: float | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> Completion:
    """Fill the gaps of a matrix by the gradient flow from a small balanced start to convergence.

    Parameters
    ----------
    array : array (m, n)
        NaN, or a mask, where nothing was observed.
    depth : int or oo
        Of the network: the deeper, the stronger its preference for low rank.
    rank : int, optional
        The largest rank of X - mean, up to one more than that of X, as the mean is a matrix of rank
        the data; min(m, n) unless given, which takes time cubic in rank (m + n).
    seed : int or Generator
        Of the start's singular spaces.
    scale : float
        The start's singular values, as shares of `norm`.
    rtol : float
        Relative tolerance of a step of the flow.
    until : Convergence, mapping of its fields, or float, optional
        When to stop, in terms of the scaled matrix; a float is a bound on the gradient norm, 1e-6
        unless given.
    resolution : float, optional
        The rounding of the data, in their units.  The flow then also stops where the root mean square of
        the residuals is down to it (the discrepancy principle): what is left is no signal.  An energy
        bound in `until` takes precedence.
    progress : callable, optional
        Called after each step with (time, last time or inf).

    Returns
    -------
    Completion

    Raises
    ------
    ValueError
        If the array is no matrix, has no or only equal observed entries or an infinite one, or an
        argument makes no sense.
    FlowError
        If the solver fails.

    Warns
    -----
    UnobservedWarning
        If a row or a column has no observed entry.
    FrozenSpacesWarning, ProjectedFlowWarning
        Where `gradient_flow` warns.

    Examples
    --------
    >>> M = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, 0.5, 2.0, 1.0])
    >>> M[0, 0] = M[2, 1] = np.nan
    >>> completion = complete(M, rank=2)
    >>> float(completion.filled[2, 1].round(3)), float(completion.filled[3, 3])
    (1.5, 4.0)
    """
    matrix = matrix_with_gaps(array)
    observed = ~np.isnan(matrix)
    mean, norm = _centre_and_norm(matrix, observed)
    scaled = (matrix - mean) / norm
    goal = _goal(until, None if resolution is None else _bound(resolution, norm, int(observed.sum())))
    network = DeepLinearNetwork(depth, (matrix.shape[0], matrix.shape[1]), rank)
    start = _oriented(balanced_start(network, scale, seed), network, scaled)
    _warn_of_unobserved(observed)
    energy = MatrixCompletion.from_array(scaled)
    trajectory = gradient_flow(energy, network, start, until=goal, rtol=rtol, progress=progress)
    if not trajectory.converged:
        logger.warning("not converged at the latest time t = %.6g; the fit is that of this time", trajectory.times[-1])
    fitted = mean + norm * trajectory.matrix(-1)
    return Completion(
        completed=fitted,
        filled=np.where(observed, matrix, fitted),
        trajectory=trajectory,
        mean=mean,
        norm=norm,
        observed_error=root_mean_square((fitted - matrix)[observed]),
        singular_values=norm * trajectory.singular_values[-1],
    )


def matrix_with_gaps(array: ArrayLike) -> Array:
    """A matrix of finite numbers with NaN in its gaps, one of them observed at least.

    Raises
    ------
    ValueError
        If it is none.
    """
    given: Any = np.ma.asarray(array)
    if given.dtype.kind not in "biuf" or given.ndim != 2:
        raise ValueError(
            f"array must be a matrix of real numbers, not of shape {given.shape} and type {given.dtype}; "
            "write gaps as NaN"
        )
    matrix = np.asarray(given.astype(np.float64).filled(np.nan))
    if np.isinf(matrix).any():
        i, j = (int(index) for index in np.argwhere(np.isinf(matrix))[0])
        raise ValueError(f"array must be finite, or NaN for a gap, but array[{i}, {j}] is {matrix[i, j]}")
    if np.isnan(matrix).all():
        raise ValueError(f"array must have an observed entry, but all {matrix.size} are gaps")
    return matrix


def _centre_and_norm(matrix: Array, observed: NDArray[np.bool_]) -> tuple[float, float]:
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.mean(matrix[observed]))
        centred = np.where(observed, matrix - mean, 0.0)
        norm = float(np.linalg.norm(centred, 2)) if np.isfinite(centred).all() else np.inf
    if not np.isfinite(norm):
        raise ValueError("the entries of array are too large to be centred; divide them by a power of ten")
    largest = float(np.abs(matrix[observed]).max())
    # The mean of equal numbers is off by their rounding.
    if norm <= 4 * np.finfo(float).eps * largest * np.sqrt(observed.sum()):
        raise ValueError(
            f"all observed entries of array are equal to {mean:.9g}, so there is no structure to learn: "
            "fill the gaps with that value, or give more data"
        )
    return mean, norm


def _oriented(start: FactoredMatrix, network: DeepLinearNetwork, scaled: Array) -> FactoredMatrix:
    """The start on the side of det X = 0 that the data lie on: the flow never changes it beyond depth 1.

    Where there are gaps the flow finds a completion on either side.
    """
    square = start.shape[0] == start.shape[1] == start.rank
    if not (square and network.keeps_rank) or np.isnan(scaled).any():
        return start
    if np.linalg.slogdet(scaled)[0] * np.linalg.slogdet(start.to_array())[0] >= 0:
        return start
    U = start.U.copy()
    U[:, 0] *= -1
    return FactoredMatrix(U, start.S, start.V)


def _bound(resolution: float, norm: float, observations: int) -> float:
    """E of the scaled matrix where the root mean square of the residuals is the resolution."""
    if not (np.isfinite(resolution) and resolution > 0):
        raise ValueError(f"resolution must be positive and finite, or None where it is not known, not {resolution}")
    # No scaled entry exceeds 1, so a coarser resolution accepts the mean as a finer one does; and a bound
    # that underflows would be refused, though it is only never met.
    share = min(resolution / norm, 1.0)
    return max(observations / 2 * share**2, float(np.finfo(float).tiny))


def _goal(until: Convergence | Mapping[str, float] | float | None, energy: float | None) -> Convergence:
    if until is None:
        goal = Convergence(gradient_norm=GRADIENT_NORM)
    elif isinstance(until, Convergence):
        goal = until
    else:
        goal = Convergence(**until) if isinstance(until, Mapping) else Convergence(gradient_norm=float(until))
    return goal if energy is None or goal.energy is not None else replace(goal, energy=energy)


def _warn_of_unobserved(observed: NDArray[np.bool_]) -> None:
    for name, axis in (("row", 1), ("column", 0)):
        empty = np.flatnonzero(~observed.any(axis=axis))
        if len(empty):
            shown = ", ".join(map(str, empty[:5])) + (", …" if len(empty) > 5 else "")
            warnings.warn(
                f"no entry is observed in {name}{'s' * (len(empty) != 1)} {shown} (from 0): what is put there follows "
                f"from the start and the mean only; leave out such {name}s, or do not rely on them",
                UnobservedWarning,
                stacklevel=3,
            )


def hold_out(array: ArrayLike, share: float, seed: int | np.random.Generator = 0) -> tuple[Array, NDArray[np.bool_]]:
    """Hide a share of the observed entries, to be predicted.

    Parameters
    ----------
    array : array (m, n)
        NaN, or a mask, where nothing was observed.
    share : float
        Of the observed entries, in (0, 1); rounded to at least one entry and to less than all.
    seed : int or Generator

    Returns
    -------
    training : array (m, n)
        The matrix with NaN at the hidden entries too.
    hidden : array (m, n) of bool
        Where they are.

    Raises
    ------
    ValueError
        If the share is not between 0 and 1, or fewer than two entries are observed.

    Examples
    --------
    >>> training, hidden = hold_out([[1.0, 2.0], [3.0, np.nan]], share=1 / 3)
    >>> int(hidden.sum()), bool(np.isnan(training[hidden]).all())
    (1, True)
    """
    matrix = matrix_with_gaps(array)
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, such as 0.1, not {share}")
    places = np.flatnonzero(~np.isnan(matrix))
    if len(places) < 2:
        raise ValueError("array must have at least two observed entries, one to hold out and one to keep")
    count = min(max(round(share * len(places)), 1), len(places) - 1)
    hidden = np.zeros(matrix.shape, dtype=bool)
    hidden.flat[random_generator(seed).choice(places, count, replace=False)] = True
    return np.where(hidden, np.nan, matrix), hidden


def root_mean_square(errors: ArrayLike) -> float:
    """√(mean of the squares).

    Raises
    ------
    ValueError
        If there are no errors, or one is not finite: take them at observed entries only.

    Examples
    --------
    >>> root_mean_square([3.0, -4.0, 0.0, 0.0])
    2.5
    """
    array = np.asarray(errors, dtype=np.float64).ravel()
    if array.size == 0:
        raise ValueError("errors must not be empty; there is no mean of nothing")
    if not np.isfinite(array).all():
        raise ValueError("errors must be finite; take them at the observed entries only")
    return float(np.linalg.norm(array) / np.sqrt(array.size))
