"""Gradients that are sums of sparse matrices and of products of low rank, kept as such.

They have what a flow asks of a gradient: `G @ B`, `G.T @ B`, `shape`, and `toarray()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .protocol import Array

__all__ = ["LowRankMatrix", "MatrixSum", "as_dense", "linear_combination"]


@dataclass(frozen=True, eq=False)
class LowRankMatrix:
    """left rightᵀ, for left (m, k) and right (n, k).

    Examples
    --------
    >>> G = LowRankMatrix(np.array([[1.0], [2.0]]), np.array([[3.0], [4.0], [5.0]]))
    >>> G.shape, (G.T @ np.array([[1.0], [0.0]])).ravel().tolist()
    ((2, 3), [3.0, 4.0, 5.0])
    """

    left: Array
    right: Array

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.left.shape[0], self.right.shape[0]

    @property
    def T(self) -> LowRankMatrix:
        """The transpose."""
        return LowRankMatrix(self.right, self.left)

    def __matmul__(self, other: Array) -> Array:
        return np.asarray(self.left @ (self.right.T @ other))

    def toarray(self) -> Array:
        """All of it, (m, n)."""
        return np.asarray(self.left @ self.right.T)


@dataclass(frozen=True, eq=False)
class MatrixSum:
    """Σ c_i G_i of matrices of one shape, none of which is formed.

    Attributes
    ----------
    terms : tuple of (float, matrix)
        The coefficients c_i and matrices G_i: arrays, sparse arrays, or objects with `@` and `T`.

    Examples
    --------
    >>> from scipy import sparse
    >>> G = MatrixSum(((2.0, sparse.csr_array([[1.0, 0.0]])), (1.0, np.array([[1.0, 1.0]]))))
    >>> (G @ np.eye(2)).tolist(), G.toarray().tolist()
    ([[3.0, 1.0]], [[3.0, 1.0]])
    """

    terms: tuple[tuple[float, Any], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        m, n = self.terms[0][1].shape
        return m, n

    @property
    def T(self) -> MatrixSum:
        """The transpose."""
        return MatrixSum(tuple((coefficient, matrix.T) for coefficient, matrix in self.terms))

    def __matmul__(self, other: Array) -> Array:
        total = np.zeros((self.shape[0], *other.shape[1:]))
        for coefficient, matrix in self.terms:
            total += coefficient * (matrix @ other)
        return total

    def toarray(self) -> Array:
        """All of it, (m, n)."""
        total = np.zeros(self.shape)
        for coefficient, matrix in self.terms:
            total += coefficient * as_dense(matrix)
        return total


def linear_combination(terms: tuple[tuple[float, Any], ...]) -> Any:
    """Σ c_i G_i: an array where one of them is an array already, else a `MatrixSum`."""
    combined = MatrixSum(terms)
    if any(isinstance(matrix, np.ndarray) for _, matrix in terms):
        return combined.toarray()
    return combined


def as_dense(matrix: Any) -> Array:
    """All of a gradient, (m, n): of an array, a sparse array or an object with `@`."""
    if hasattr(matrix, "toarray"):
        return np.asarray(matrix.toarray())
    if isinstance(matrix, LinearOperator):
        return np.asarray(matrix @ np.eye(matrix.shape[1]))
    return np.asarray(matrix)
