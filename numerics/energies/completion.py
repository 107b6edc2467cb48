"""Matrix completion: the squared distance to observed entries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..factored import FactoredMatrix
from ..sampled_products import (
    gradient_products,
    half_product,
    hessian_products,
    sampled_product,
    sampled_residuals,
    with_data,
)
from .protocol import Array, Point, check_shape, validated_shape
from .restricted import QuadraticEnergy
from .sums import Summable

__all__ = ["MatrixCompletion"]

Indices = NDArray[np.signedinteger]


@dataclass(frozen=True, eq=False)
class MatrixCompletion(Summable):
    """E(X) = ½ Σ over the observed entries of w_ij (X_ij - M_ij)².

    Build it with `from_array` or `from_entries`, which validate.  Gradient and Hessian are sparse
    matrices at the observed places; nothing dense of the size of X is formed for a `FactoredMatrix`.

    Attributes
    ----------
    rows, columns : arrays (observations,) of int
        The observed places, sorted by row, then column.
    values : array (observations,)
        M at these places.
    shape : (m, n)
    weights : array (observations,) or None
        w at these places, positive; None is one everywhere.

    Examples
    --------
    >>> energy = MatrixCompletion.from_array([[1.0, float("nan")], [2.0, 3.0]])
    >>> energy.observations, energy(np.zeros((2, 2)))
    (3, 7.0)
    >>> weighted = MatrixCompletion.from_array([[1.0, float("nan")], [2.0, 3.0]], [[4.0, 1.0], [1.0, 2.0]])
    >>> weighted(np.zeros((2, 2))), weighted.gradient(np.zeros((2, 2))).toarray().tolist()
    (13.0, [[-4.0, 0.0], [-2.0, -6.0]])
    """

    rows: Indices
    columns: Indices
    values: Array
    shape: tuple[int, int]
    weights: Array | None = None

    @classmethod
    def from_array(cls, array: ArrayLike, weights: ArrayLike | None = None) -> MatrixCompletion:
        """From a matrix with NaN where nothing was observed, and weights of the same shape.

        Weights where nothing was observed are not looked at.

        Raises
        ------
        ValueError
            If it is no matrix, contains inf, or nothing was observed; if the weights have another
            shape, or one of an observed entry is not positive and finite.
        """
        matrix = np.asarray(array, dtype=np.float64)
        if matrix.ndim != 2:
            raise ValueError(f"array must be a matrix, not an array of shape {matrix.shape}")
        rows, columns = np.nonzero(~np.isnan(matrix))
        observed_weights = None
        if weights is not None:
            all_weights = np.asarray(weights, dtype=np.float64)
            if all_weights.shape != matrix.shape:
                raise ValueError(f"weights must have the shape {matrix.shape} of the array, not {all_weights.shape}")
            observed_weights = all_weights[rows, columns]
        return cls.from_entries(
            rows=rows,
            columns=columns,
            values=matrix[rows, columns],
            shape=(matrix.shape[0], matrix.shape[1]),
            weights=observed_weights,
        )

    @classmethod
    def from_entries(
        cls,
        *,
        rows: ArrayLike,
        columns: ArrayLike,
        values: ArrayLike,
        shape: tuple[int, int],
        weights: ArrayLike | None = None,
    ) -> MatrixCompletion:
        """From coordinate triples, and their weights.

        Raises
        ------
        ValueError
            If the lengths differ, there are no observations, an index is no integer or out of
            range, an entry is observed twice, a value is not finite, or a weight is not positive
            and finite.
        """
        m, n = validated_shape(shape)
        row, column = _indices("rows", rows, m), _indices("columns", columns, n)
        numbers = np.asarray(values, dtype=np.float64)
        if numbers.ndim != 1 or not row.shape == column.shape == numbers.shape:
            lengths = f"{row.shape}, {column.shape}, {numbers.shape}"
            raise ValueError(f"rows, columns and values must be sequences of one length, not of shapes {lengths}")
        if len(numbers) == 0:
            raise ValueError("there must be at least one observation, but values is empty")
        _check_entries("values", "finite", numbers, np.isfinite(numbers))
        weight = None if weights is None else _weights(weights, len(numbers))
        order = np.lexsort((column, row))
        row, column = row[order], column[order]
        twice = np.flatnonzero((np.diff(row) == 0) & (np.diff(column) == 0))
        if len(twice):
            place = int(row[twice[0]]), int(column[twice[0]])
            raise ValueError(f"entry {place} is observed more than once; average its values or keep one of them")
        return cls(row, column, numbers[order], (m, n), None if weight is None else weight[order])

    @property
    def observations(self) -> int:
        """The number of observed entries."""
        return len(self.values)

    @cached_property
    def observed(self) -> sparse.csr_array:
        """M at the observed places, (m, n) sparse; gradients and Hessians share its index arrays."""
        pointers = np.searchsorted(self.rows, np.arange(self.shape[0] + 1))
        # One type for all index arrays, or SciPy converts them each time; the small one halves the traffic.
        index_type = np.int32 if max(*self.shape, self.observations) <= np.iinfo(np.int32).max else np.int64
        indices = self.columns.astype(index_type, copy=False), pointers.astype(index_type)
        return sparse.csr_array((self.values, *indices), shape=self.shape)

    @cached_property
    def hessian_pattern(self) -> sparse.csr_array:
        """The Hessian of E: it multiplies entry by entry with this, the weights (or ones) at the observed places."""
        return with_data(self.observed, np.ones(self.observations) if self.weights is None else self.weights)

    def residuals(self, X: Point) -> Array:
        """X_ij - M_ij at the observed places, (observations,)."""
        if isinstance(X, FactoredMatrix):
            check_shape("X", X, self.shape)
            return sampled_residuals(self.observed, X.U @ X.S, X.V)
        return self._entries("X", X) - self.values

    def __call__(self, X: Point) -> float:
        """E(X)."""
        residuals = self.residuals(X)
        return half_product(self._weighted(residuals), residuals)

    def gradient(self, X: Point) -> sparse.csr_array:
        """∇E(X), the weighted residuals at the observed places, (m, n) sparse."""
        return with_data(self.observed, self._weighted(self.residuals(X)))

    def hessian(self, X: Point, Z: Point) -> sparse.csr_array:
        """The derivative of ∇E along Z: w_ij Z_ij at the observed places, (m, n) sparse, the same at all X."""
        check_shape("X", X, self.shape)
        return with_data(self.observed, self._weighted(self._entries("Z", Z)))

    def gradient_products(
        self, left: Array, right: Array, onto_left: Array, onto_right: Array
    ) -> tuple[Array, Array, float]:
        """∇E onto_right (m, k), ∇Eᵀ onto_left (n, k) and E at X = left rightᵀ, in one pass.

        Parameters
        ----------
        left, right : arrays (m, r), (n, r)
        onto_left, onto_right : arrays (m, k), (n, k)
        """
        return gradient_products(self.observed, left, right, onto_left, onto_right, self.weights)

    def hessian_products(self, left: Array, right: Array, onto_left: Array, onto_right: Array) -> tuple[Array, Array]:
        """H onto_right (m, k) and Hᵀ onto_left (n, k), for H the derivative of ∇E along left rightᵀ."""
        return hessian_products(self.observed, left, right, onto_left, onto_right, self.weights)

    def restricted(self, U: Array, V: Array) -> QuadraticEnergy:
        """E(U S Vᵀ) as a function of S.

        Parameters
        ----------
        U, V : arrays (m, r), (n, s)
        """
        (r, s), data = (U.shape[1], V.shape[1]), self.values
        # Σ w v_j v_jᵀ over the observed j of each row i; then H = Σ_i (u_i u_iᵀ) ⊗ that.
        pairs = self.hessian_pattern @ np.einsum("jk,jl->jkl", V, V).reshape(len(V), -1)
        curvature = np.einsum("ik,il->ikl", U, U).reshape(len(U), -1).T @ pairs
        weighted = with_data(self.observed, self._weighted(data))
        return QuadraticEnergy(
            half_product(self._weighted(data), data),
            -(U.T @ (weighted @ V)),
            curvature.reshape(r, r, s, s).transpose(0, 2, 1, 3).reshape(r * s, r * s),
        )

    def _entries(self, name: str, X: Point) -> Array:
        check_shape(name, X, self.shape)
        if isinstance(X, FactoredMatrix):
            return sampled_product(self.observed, X.U @ X.S, X.V)
        return np.asarray(X, dtype=np.float64)[self.rows, self.columns]

    def _weighted(self, entries: Array) -> Array:
        return entries if self.weights is None else self.weights * entries


def _indices(name: str, values: ArrayLike, side: int) -> Indices:
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must be integers, not of type {array.dtype}")
    outside = np.flatnonzero((array < 0) | (array >= side))
    if len(outside):
        raise ValueError(f"{name} must be in 0 … {side - 1}, but {name}[{outside[0]}] is {array.flat[outside[0]]}")
    return array.astype(np.int32 if side <= np.iinfo(np.int32).max else np.int64)


def _weights(weights: ArrayLike, observations: int) -> Array:
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (observations,):
        raise ValueError(f"weights must be a sequence of {observations} numbers, one a value, not of {array.shape}")
    _check_entries("weights", "positive and finite", array, np.isfinite(array) & (array > 0))
    return array


def _check_entries(name: str, requirement: str, array: Array, fulfilled: NDArray[np.bool_]) -> None:
    if not fulfilled.all():
        first = int(np.flatnonzero(~fulfilled)[0])
        raise ValueError(f"{name} must be {requirement}, but {name}[{first}] is {array[first]}")
