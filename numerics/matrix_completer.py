"""Completion as scikit-learn's estimators do it.

scikit-learn is an optional extra, so this module can be imported without it; what says that it is missing
is `MatrixCompleter` when one is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sympy import Expr

from .completion import Completion, complete

Array = NDArray[np.float64]

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
else:
    try:
        from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
    except ImportError:

        class OneToOneFeatureMixin:
            """In the place of scikit-learn's."""

        class TransformerMixin:
            """In the place of scikit-learn's."""

        class BaseEstimator:
            """In the place of scikit-learn's: nothing can be made of it."""

            def __new__(cls, *_, **__):
                raise ImportError(
                    "MatrixCompleter needs the extra 'learn', which is scikit-learn: pip install 'dln-geometry[learn]'"
                )


__all__ = ["MatrixCompleter"]


class MatrixCompleter(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""A transformer that fills the gaps (NaN) of a matrix by the gradient flow of a deep linear network.

    The rows are samples and the columns features.  `fit_transform` is `complete`: observed entries stay as
    they are, gaps become those of the fit X.  `transform` fills the gaps of any rows, one row on its own:
    with X - mean = U Σ Vᵀ of the data of `fit`, its coefficients c in the columns of V minimize

        |x_o - mean - V_o c|²/τ² + m |Σ^{-1} c|²

    over its observed entries o, with the mean square τ² of the residuals of `fit` and the number m of its
    rows: the fit's own coefficients have the covariance Σ²/m.  On the rows of `fit` this agrees with
    `fit_transform` where these have converged, entries enough, and small residuals.

    Parameters
    ----------
    depth : int or oo
        Of the network: the deeper, the stronger its preference for low rank.
    rank : int, optional
        The largest rank of X - mean; no more than min(m, n) of the data is used, which is what it is
        unless given.
    scale : float
        The start's singular values, relative to the data.
    rtol : float
        Relative tolerance of a step of the flow.
    until : Convergence, mapping of its fields, or float, optional
        When to stop, as `complete` takes it.
    resolution : float, optional
        The rounding of the data, as `complete` takes it.
    random_state : int, RandomState or None
        Of the start's singular spaces; an int is the `seed` of `complete`.

    Attributes
    ----------
    completion_ : Completion
        Of the data of `fit`.
    rank_ : int
        The largest rank that was used.
    mean_ : float
    singular_values_ : array (r,)
        Of X - mean, decreasing.
    components_ : array (r, n)
        Vᵀ.
    n_features_in_ : int
    feature_names_in_ : array (n,) of str
        Where the data had names.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("sklearn")
    >>> X = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, 0.5, 2.0, 1.0])
    >>> X[0, 0] = X[2, 1] = np.nan
    >>> completer = MatrixCompleter(depth=3, rank=2)
    >>> float(completer.fit_transform(X)[2, 1].round(3))
    1.5
    >>> completer.transform([[10.0, np.nan, 20.0, 10.0]]).round(2).tolist()
    [[10.0, 5.0, 20.0, 10.0]]
    """

    completion_: Completion
    n_features_in_: int

    def __init__(
        self,
        depth: int | Expr = 3,
        rank: int | None = None,
        *,
        scale: float = 1e-3,
        rtol: float = 1e-6,
        until: Any = None,
        resolution: float | None = None,
        random_state: Any = 0,
    ) -> None:
        self.depth = depth
        self.rank = rank
        self.scale = scale
        self.rtol = rtol
        self.until = until
        self.resolution = resolution
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None) -> MatrixCompleter:
        """Complete a matrix, and keep its mean and its row space.

        Parameters
        ----------
        X : array (m, n)
            NaN where nothing was observed.
        y : ignored

        Returns
        -------
        MatrixCompleter
            Itself.

        Raises
        ------
        ValueError
            Where `complete` raises it.
        """
        from sklearn.utils import check_random_state

        matrix = self._checked(X, reset=True)
        given = self.random_state
        seed = given if isinstance(given, (int, np.integer)) else check_random_state(given).randint(2**31)
        self.rank_ = min(matrix.shape) if self.rank is None else min(self.rank, *matrix.shape)
        self.completion_ = complete(
            matrix,
            depth=self.depth,
            rank=self.rank_,
            seed=int(seed),
            scale=self.scale,
            rtol=self.rtol,
            until=self.until,
            resolution=self.resolution,
        )
        self.mean_ = self.completion_.mean
        _, _, V = self.completion_.trajectory.factored[-1].decomposition
        self.singular_values_ = self.completion_.singular_values
        self.components_ = V.T
        return self

    def fit_transform(self, X: ArrayLike, y: object = None) -> Array:
        """Complete a matrix.

        Parameters
        ----------
        X : array (m, n)
            NaN where nothing was observed.
        y : ignored

        Returns
        -------
        array (m, n)
            The observed entries, and the fit in the gaps.
        """
        return self.fit(X).completion_.filled.copy()

    def transform(self, X: ArrayLike) -> Array:
        """Fill the gaps of rows, each from its own observed entries; a row of gaps becomes the mean.

        Parameters
        ----------
        X : array (rows, n)
            NaN where nothing was observed.

        Returns
        -------
        array (rows, n)
            The observed entries, and the prediction in the gaps.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        matrix = self._checked(X, reset=False)
        return np.array([self._filled(row) for row in matrix])

    def _filled(self, row: Array) -> Array:
        """One row: least squares in coefficients scaled to variance 1, stacked on their own squares."""
        observed = ~np.isnan(row)
        if observed.all():
            return row
        scaled = self.components_.T * (self.singular_values_ / np.sqrt(len(self.completion_.filled)))
        r = len(self.components_)
        system = np.vstack([scaled[observed], self.completion_.observed_error * np.eye(r)])
        wanted = np.append(row[observed] - self.mean_, np.zeros(r))
        coefficients = np.linalg.lstsq(system, wanted, rcond=None)[0]
        return np.where(observed, row, self.mean_ + scaled @ coefficients)

    def _checked(self, X: ArrayLike, reset: bool) -> Array:
        """As scikit-learn checks data, gaps allowed."""
        from sklearn.utils.validation import validate_data

        return np.asarray(
            validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"), dtype=np.float64
        )

    def __sklearn_tags__(self) -> Any:
        """That gaps are allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
