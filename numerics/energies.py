"""Energies E(X) on matrices, with their Euclidean gradients."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sympy import Expr, Matrix, MatrixBase, Symbol, sympify

from geometry import Kernel, compile_kernel

from .factored import FactoredMatrix

__all__ = ["Energy", "MatrixCompletion", "SymbolicEnergy"]

Array = NDArray[np.float64]
Point = FactoredMatrix | Array


class Energy(Protocol):
    """What a flow needs of an energy."""

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        ...

    def __call__(self, X: Point) -> float:
        """E(X)."""
        ...

    def gradient(self, X: Point) -> Any:
        """∇E(X), (m, n): an array or a SciPy sparse array."""
        ...


@dataclass(frozen=True, eq=False)
class MatrixCompletion:
    """E(X) = ½ Σ over the observed entries of (X_ij - M_ij)².

    Build it with `from_array` or `from_entries`, which validate.  The gradient is the sparse matrix
    of residuals; nothing dense of the size of X is formed for a `FactoredMatrix`.

    Attributes
    ----------
    rows, columns : arrays (observations,) of int
        The observed places, sorted by row, then column.
    values : array (observations,)
        M at these places.
    shape : (m, n)

    Examples
    --------
    >>> energy = MatrixCompletion.from_array([[1.0, float("nan")], [2.0, 3.0]])
    >>> energy.observations, energy(np.zeros((2, 2)))
    (3, 7.0)
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: Array
    shape: tuple[int, int]

    @classmethod
    def from_array(cls, array: ArrayLike) -> MatrixCompletion:
        """From a matrix with NaN where nothing was observed.

        Raises
        ------
        ValueError
            If it is no matrix, contains inf, or nothing was observed.
        """
        matrix = np.asarray(array, dtype=np.float64)
        if matrix.ndim != 2:
            raise ValueError(f"array must be a matrix, not an array of shape {matrix.shape}")
        rows, columns = np.nonzero(~np.isnan(matrix))
        return cls.from_entries(
            rows=rows, columns=columns, values=matrix[rows, columns], shape=(matrix.shape[0], matrix.shape[1])
        )

    @classmethod
    def from_entries(
        cls, *, rows: ArrayLike, columns: ArrayLike, values: ArrayLike, shape: tuple[int, int]
    ) -> MatrixCompletion:
        """From coordinate triples.

        Raises
        ------
        ValueError
            If the lengths differ, there are no observations, an index is no integer or out of
            range, an entry is observed twice, or a value is not finite.
        """
        m, n = _validated_shape(shape)
        places = [_indices(name, index, side) for name, index, side in (("rows", rows, m), ("columns", columns, n))]
        numbers = np.asarray(values, dtype=np.float64)
        if numbers.ndim != 1 or not places[0].shape == places[1].shape == numbers.shape:
            lengths = f"{places[0].shape}, {places[1].shape}, {numbers.shape}"
            raise ValueError(f"rows, columns and values must be sequences of one length, not of shapes {lengths}")
        if len(numbers) == 0:
            raise ValueError("there must be at least one observation, but values is empty")
        if not np.isfinite(numbers).all():
            first = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise ValueError(f"values must be finite, but values[{first}] is {numbers[first]}")
        order = np.lexsort((places[1], places[0]))
        row, column = places[0][order], places[1][order]
        twice = np.flatnonzero((np.diff(row) == 0) & (np.diff(column) == 0))
        if len(twice):
            place = int(row[twice[0]]), int(column[twice[0]])
            raise ValueError(f"entry {place} is observed more than once; average its values or keep one of them")
        return cls(row, column, numbers[order], (m, n))

    @property
    def observations(self) -> int:
        """The number of observed entries."""
        return len(self.values)

    @cached_property
    def _pattern(self) -> sparse.csr_array:
        """The observed places as a sparse matrix, whose index arrays all gradients share."""
        pointers = np.searchsorted(self.rows, np.arange(self.shape[0] + 1))
        return sparse.csr_array((self.values, self.columns, pointers), shape=self.shape)

    @cached_property
    def hessian_pattern(self) -> sparse.csr_array:
        """The Hessian of E: the projection on the observed entries, as ones at their places."""
        pattern = copy(self._pattern)
        pattern.data = np.ones(self.observations)
        return pattern

    def residuals(self, X: Point) -> Array:
        """X_ij - M_ij at the observed places, (observations,)."""
        entries = X.entries(self.rows, self.columns) if isinstance(X, FactoredMatrix) else X[self.rows, self.columns]
        return entries - self.values

    def __call__(self, X: Point) -> float:
        """E(X)."""
        residuals = self.residuals(X)
        return float(residuals @ residuals) / 2

    def gradient(self, X: Point) -> sparse.csr_array:
        """∇E(X), the residuals at the observed places, (m, n) sparse."""
        slope = copy(self._pattern)
        slope.data = self.residuals(X)
        return slope


def _validated_shape(shape: Any) -> tuple[int, int]:
    try:
        m, n = (index(side) for side in shape)
    except (TypeError, ValueError):
        m = n = 0
    if m < 1 or n < 1:
        raise ValueError(f"shape must be two positive integers, not {shape!r}")
    return m, n


def _indices(name: str, values: ArrayLike, side: int) -> NDArray[np.intp]:
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must be integers, not of type {array.dtype}")
    outside = np.flatnonzero((array < 0) | (array >= side))
    if len(outside):
        raise ValueError(f"{name} must be in 0 … {side - 1}, but {name}[{outside[0]}] is {array.flat[outside[0]]}")
    return array.astype(np.intp)


class SymbolicEnergy:
    """An energy given by a SymPy expression in the entries of X.

    Parameters
    ----------
    expression : Expr
        E, in the entries only.
    entries : Matrix or nested sequence of Symbol
        The symbols X_ij, (m, n).

    Raises
    ------
    ValueError, TypeError
        If the entries are no matrix of distinct symbols, or the expression has others in it.

    Examples
    --------
    >>> import sympy
    >>> X = sympy.Matrix(sympy.symbols("a b c d", real=True)).reshape(2, 2)
    >>> energy = SymbolicEnergy((X[0, 0] - 1) ** 2 / 2, X)
    >>> energy(np.zeros((2, 2))), energy.gradient(np.zeros((2, 2))).tolist()
    (0.5, [[-1.0, 0.0], [0.0, 0.0]])
    """

    def __init__(self, expression: Expr, entries: MatrixBase | Sequence[Sequence[Symbol]]) -> None:
        if isinstance(expression, str):
            raise TypeError("expression must be a SymPy expression, not a string; see geometry.parse_expression")
        matrix = Matrix(entries)
        self.expression = sympify(expression)
        self.entries = matrix
        self.shape: tuple[int, int] = (int(matrix.rows), int(matrix.cols))
        arguments = list(matrix)
        self._value: Kernel = compile_kernel(self.expression, arguments)
        self._gradient: Kernel = compile_kernel(
            Matrix(matrix.rows, matrix.cols, lambda i, j: self.expression.diff(matrix[i, j])), arguments
        )

    def __call__(self, X: Point) -> float:
        """E(X)."""
        return float(self._value(*_dense(X).ravel()))

    def gradient(self, X: Point) -> Array:
        """∇E(X), (m, n)."""
        return np.asarray(self._gradient(*_dense(X).ravel()))


def _dense(X: Point) -> Array:
    return X.to_array() if isinstance(X, FactoredMatrix) else np.asarray(X, dtype=np.float64)
