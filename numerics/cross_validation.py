r"""Depth and rank of a completion chosen by cross-validation, and baselines to hold it against.

The observed entries are dealt into folds; each is hidden in turn and predicted from the others, and the
choice with the least error on what was hidden is taken.  Ranks are tried first, in increasing order at the
first depth and until two in a row are no better; then the other depths at that rank: as many flows as
there are ranks and depths together, not their product.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from sympy import Expr

from .completion import UnobservedWarning, complete, matrix_with_gaps, root_mean_square
from .convergence import Convergence
from .factored import random_generator
from .flow_errors import FlowError, FrozenSpacesWarning, ProjectedFlowWarning

__all__ = ["Candidate", "CrossValidation", "cross_validate", "truncated_svd", "truncated_svd_rank"]

Array = NDArray[np.float64]
logger = logging.getLogger(__name__)

DEPTHS: tuple[int | Expr, ...] = (3, 2, 4)
"""In the order in which they are tried, so that of equal ones the first is taken."""

RANKS = (1, 2, 3, 5, 8, 13, 21)

PATIENCE = 2
"""How many ranks in a row may be no better before larger ones are left out."""

GRADIENT_NORM = 1e-3
"""Where the flows of the folds stop: later they move the hidden entries by less than choices differ."""

RTOL = 1e-4
"""The relative tolerance of their steps, likewise."""


@dataclass(frozen=True)
class Candidate:
    """One choice, and how it did.

    Attributes
    ----------
    depth : int or oo
    rank : int
    errors : tuple of float
        Root mean square error on the hidden entries, fold by fold; infinite where the flow failed.
    """

    depth: int | Expr
    rank: int
    errors: tuple[float, ...]

    @property
    def error(self) -> float:
        """Root mean square of the errors of the folds."""
        return math.hypot(*self.errors) / math.sqrt(len(self.errors))


@dataclass(frozen=True)
class CrossValidation:
    """All candidates that were tried, in this order, and the best of them.

    Attributes
    ----------
    candidates : tuple of Candidate
    best : Candidate
        Of the least error; of equal ones the first.
    """

    candidates: tuple[Candidate, ...]
    best: Candidate

    @property
    def depth(self) -> int | Expr:
        """The chosen depth."""
        return self.best.depth

    @property
    def rank(self) -> int:
        """The chosen rank."""
        return self.best.rank


def cross_validate(
    array: ArrayLike,
    *,
    depths: Sequence[int | Expr] = DEPTHS,
    ranks: Sequence[int] | None = None,
    folds: int = 3,
    seed: int = 0,
    scale: float = 1e-3,
    resolution: float | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> CrossValidation:
    """Choose depth and rank of a completion by the error on hidden entries.

    Parameters
    ----------
    array : array (m, n)
        NaN, or a mask, where nothing was observed.
    depths : sequence of int or oo
        To choose from; the ranks are compared at the first one.
    ranks : sequence of int, optional
        To choose from; 1, 2, 3, 5, 8, 13, 21 unless given, up to min(m, n) and as long as matrices of that
        rank have no more dimensions than there are entries to learn from.
    folds : int
        Two or more.
    seed : int
        Of the folds and of the starts.
    scale, resolution
        As `complete` takes them.
    progress : callable, optional
        Called with (what is tried, an estimate of the share that is done).

    Returns
    -------
    CrossValidation

    Raises
    ------
    ValueError
        If there is nothing to choose from, or an argument makes no sense.
    FlowError
        If the flows of all candidates fail.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> M = generator.standard_normal((10, 1)) @ generator.standard_normal((1, 8))
    >>> cross_validate(M, depths=[3], ranks=[1, 2]).rank  # the mean takes one rank more
    2
    """
    matrix = matrix_with_gaps(array)
    parts = _folds(matrix, folds, seed)
    tried = _ranks(matrix, folds) if ranks is None else sorted(set(ranks))
    if not depths or not tried:
        raise ValueError(f"depths and ranks must not be empty; there is nothing to choose from in {depths} and {tried}")
    total = (len(tried) + len(depths) - 1) * folds
    candidates: list[Candidate] = []
    failures: list[FlowError] = []

    def attempt(depth: int | Expr, rank: int) -> None:
        errors = []
        for number, hidden in enumerate(parts):
            if progress is not None:
                progress(f"depth {depth}, rank {rank}", (len(candidates) * folds + number) / total)
            try:
                errors.append(_error(matrix, hidden, depth, rank, seed, scale, resolution))
            except FlowError as error:
                logger.warning("depth %s, rank %d: %s", depth, rank, error)
                failures.append(error)
                errors.append(math.inf)
        candidates.append(Candidate(depth, rank, tuple(errors)))
        logger.info("depth %s, rank %d: error %.6g on hidden entries", depth, rank, candidates[-1].error)

    for rank in tried:
        attempt(depths[0], rank)
        if _is_hopeless([candidate.error for candidate in candidates]):
            break
    rank = _best(candidates).rank
    for depth in depths[1:]:
        attempt(depth, rank)
    if not math.isfinite(_best(candidates).error):
        raise failures[-1]
    return CrossValidation(tuple(candidates), _best(candidates))


def _best(candidates: Sequence[Candidate]) -> Candidate:
    return min(candidates, key=lambda candidate: candidate.error)


def _ranks(matrix: Array, folds: int) -> list[int]:
    m, n = matrix.shape
    learned = int((~np.isnan(matrix)).sum()) * (folds - 1) // folds
    return [rank for rank in RANKS if rank <= min(matrix.shape) and (rank == 1 or rank * (m + n - rank) <= learned)]


def _folds(matrix: Array, folds: int, seed: int) -> list[NDArray[np.bool_]]:
    """Where each fold hides entries; every observed one is hidden once."""
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        raise ValueError(f"folds must be an integer, two at least, not {folds!r}")
    places = np.flatnonzero(~np.isnan(matrix))
    if len(places) < folds:
        raise ValueError(f"array must have {folds} observed entries at least, one for each fold, not {len(places)}")
    parts = []
    for chosen in np.array_split(random_generator(seed).permutation(places), folds):
        hidden = np.zeros(matrix.shape, dtype=bool)
        hidden.flat[chosen] = True
        parts.append(hidden)
    return parts


def _error(
    matrix: Array,
    hidden: NDArray[np.bool_],
    depth: int | Expr,
    rank: int,
    seed: int,
    scale: float,
    resolution: float | None,
) -> float:
    training = np.where(hidden, np.nan, matrix)
    with warnings.catch_warnings():
        # What is hidden may empty a row, and the rest is said of the completion itself.
        for category in (UnobservedWarning, FrozenSpacesWarning, ProjectedFlowWarning):
            warnings.simplefilter("ignore", category)
        completion = complete(
            training,
            depth=depth,
            rank=rank,
            seed=seed,
            scale=scale,
            rtol=RTOL,
            until=Convergence(gradient_norm=GRADIENT_NORM),
            resolution=resolution,
        )
    return root_mean_square((completion.completed - matrix)[hidden])


# ------------------------------------------------------------------------------------------ baselines


def truncated_svd(array: ArrayLike, rank: int, *, iterations: int = 1, tolerance: float = 1e-4) -> Array:
    """The baseline: the best approximation of a rank where the gaps are filled with the mean.

    With more iterations the gaps are filled with that approximation, and so on until it settles: the
    SVD-impute of Troyanskaya et al. (Bioinformatics 17, 2001), hard-impute in Mazumder, Hastie, Tibshirani
    (J. Mach. Learn. Res. 11, 2010).

    Parameters
    ----------
    array : array (m, n)
        NaN, or a mask, where nothing was observed.
    rank : int
        Of X - mean.
    iterations : int
        At most.
    tolerance : float
        Settled is where X moves by less than this share of X - mean, in Frobenius norm.

    Returns
    -------
    array (m, n)
        X everywhere.

    Raises
    ------
    ValueError
        If the rank is not between 1 and min(m, n), or there is no iteration.

    Examples
    --------
    >>> M = np.outer([1.0, 2.0, 3.0], [2.0, -1.0, -1.0])
    >>> M[2, 2] = np.nan
    >>> truncated_svd(M, 2, iterations=1000)[2, :2].round(2).tolist()
    [6.0, -3.0]
    """
    matrix = matrix_with_gaps(array)
    if not 1 <= rank <= min(matrix.shape):
        raise ValueError(f"rank must be between 1 and {min(matrix.shape)}, not {rank}")
    if iterations < 1:
        raise ValueError(f"iterations must be positive, not {iterations}")
    observed = ~np.isnan(matrix)
    mean = float(matrix[observed].mean())
    fitted = np.zeros_like(matrix)
    for _ in range(iterations):
        before, fitted = fitted, _nearest(np.where(observed, matrix - mean, fitted), rank)
        if np.linalg.norm(fitted - before) <= tolerance * np.linalg.norm(fitted):
            break
    return np.asarray(mean + fitted)


def _nearest(matrix: Array, rank: int) -> Array:
    """Of that rank, by projection on the leading singular vectors of the shorter side."""
    if matrix.shape[0] < matrix.shape[1]:
        return _nearest(matrix.T, rank).T
    n = matrix.shape[1]
    # For these alone, the eigenvectors of a small matrix are several times faster than a decomposition.
    _, V = eigh(matrix.T @ matrix, subset_by_index=(n - rank, n - 1))
    return np.asarray((matrix @ V) @ V.T)


def truncated_svd_rank(array: ArrayLike, *, iterations: int = 1, folds: int = 3, seed: int = 0) -> int:
    """The rank of the baseline with the least error on hidden entries, on the folds of `cross_validate`.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> M = generator.standard_normal((10, 2)) @ generator.standard_normal((2, 8))
    >>> truncated_svd_rank(M, iterations=500)
    2
    """
    matrix = matrix_with_gaps(array)
    parts = _folds(matrix, folds, seed)

    errors: dict[int, float] = {}
    for rank in _ranks(matrix, folds):
        fits = [truncated_svd(np.where(hidden, np.nan, matrix), rank, iterations=iterations) for hidden in parts]
        parted = [root_mean_square((fit - matrix)[hidden]) for fit, hidden in zip(fits, parts, strict=True)]
        errors[rank] = math.hypot(*parted)
        if _is_hopeless(list(errors.values())):
            break
    return min(errors, key=errors.__getitem__)


def _is_hopeless(errors: Sequence[float]) -> bool:
    """Whether the last ranks were no better than the best before them."""
    return len(errors) - 1 - int(np.argmin(errors)) >= PATIENCE
