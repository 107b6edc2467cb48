"""Linear sensing: the squared distance to linear measurements of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from ..factored import FactoredMatrix, finite_matrix
from .lazy_matrices import LowRankMatrix, as_dense
from .protocol import Array, Point, as_array, check_shape, validated_shape
from .sums import Summable

__all__ = ["LinearSensing", "Measurement", "OperatorMeasurement", "RankOneMeasurement"]


class Measurement(Protocol):
    """A linear map A from matrices (m, n) to vectors, with its adjoint."""

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        ...

    @property
    def observations(self) -> int:
        """The number of measurements."""
        ...

    def of(self, X: Point) -> Array:
        """A(X), (observations,)."""
        ...

    def adjoint(self, vector: Array) -> Any:
        """A*(vector), (m, n): an array or an object with `@` and `T`."""
        ...


@dataclass(frozen=True, eq=False)
class OperatorMeasurement:
    """A(X) = L vec(X), vec by rows: entry (i, j) of X is entry i n + j of vec(X), as `X.ravel()` has it.

    Attributes
    ----------
    linear_operator : LinearOperator (observations, m n)
    shape : (m, n)
    """

    linear_operator: LinearOperator
    shape: tuple[int, int]

    @property
    def observations(self) -> int:
        """The number of measurements."""
        return int(self.linear_operator.shape[0])

    def of(self, X: Point) -> Array:
        """A(X), (observations,)."""
        return np.asarray(self.linear_operator.matvec(as_array(X).ravel()))

    def adjoint(self, vector: Array) -> Array:
        """A*(vector), (m, n)."""
        return np.asarray(self.linear_operator.rmatvec(vector)).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class RankOneMeasurement:
    """A(X)_i = u_iᵀ X v_i, which needs nothing of the size of X at a `FactoredMatrix`.

    Attributes
    ----------
    left : array (observations, m)
        The u_i, one a row.
    right : array (observations, n)
        The v_i.
    """

    left: Array
    right: Array

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.left.shape[1], self.right.shape[1]

    @property
    def observations(self) -> int:
        """The number of measurements."""
        return self.left.shape[0]

    def of(self, X: Point) -> Array:
        """A(X), (observations,)."""
        if isinstance(X, FactoredMatrix):
            return np.asarray(np.einsum("ek,ek->e", self.left @ (X.U @ X.S), self.right @ X.V))
        return np.asarray(np.einsum("ej,ej->e", self.left @ np.asarray(X, dtype=np.float64), self.right))

    def adjoint(self, vector: Array) -> LowRankMatrix:
        """Σ_i vector_i u_i v_iᵀ, (m, n), as the product that it is."""
        return LowRankMatrix(self.left.T * vector, self.right.T)


@dataclass(frozen=True, eq=False)
class LinearSensing(Summable):
    """E(X) = ½ |A(X) - b|² for a linear map A.

    Build it with `from_operator`, `from_matrices` or `from_factors`, which validate.

    Attributes
    ----------
    measurement : Measurement
        A.
    values : array (observations,)
        b.

    Examples
    --------
    >>> energy = LinearSensing.from_matrices([[[1.0, 0.0], [0.0, 1.0]]], values=[3.0])   # the trace
    >>> energy(np.zeros((2, 2))), energy.gradient(np.zeros((2, 2))).tolist()
    (4.5, [[-3.0, 0.0], [0.0, -3.0]])
    >>> energy = LinearSensing.from_factors([[1.0, 0.0]], [[1.0, 1.0]], values=[3.0])   # X_11 + X_12
    >>> energy(np.eye(2)), energy.gradient(np.eye(2)).toarray().tolist()
    (2.0, [[-2.0, -2.0], [0.0, 0.0]])
    """

    measurement: Measurement
    values: Array

    @classmethod
    def from_operator(cls, operator: Any, values: ArrayLike, shape: tuple[int, int]) -> LinearSensing:
        """From A as a matrix on vec(X), by rows (`X.ravel()`).

        Parameters
        ----------
        operator : LinearOperator, array or sparse array (observations, m n)
        values : array (observations,)
        shape : (m, n)

        Raises
        ------
        ValueError
            If the shapes do not fit, or a number is not real and finite.
        """
        m, n = validated_shape(shape)
        if not isinstance(operator, LinearOperator):
            operator = _finite_operator(operator)
        if operator.ndim != 2 or operator.shape[1] != m * n:
            raise ValueError(
                f"operator must have shape (observations, {m * n}) for shape {shape}, not {operator.shape}"
            )
        if np.issubdtype(operator.dtype, np.complexfloating):
            raise ValueError("operator must be real, not complex")
        return cls._validated(OperatorMeasurement(aslinearoperator(operator), (m, n)), values)

    @classmethod
    def from_matrices(cls, matrices: Sequence[Any] | Array, values: ArrayLike) -> LinearSensing:
        """From A(X)_i = <A_i, X>, the matrices A_i given as a sequence, or an array (observations, m, n).

        Sparse ones stay sparse.

        Raises
        ------
        ValueError
            If there are none, they are not of one shape, or a number is not real and finite.
        """
        if len(matrices) == 0:
            raise ValueError("matrices must have at least one measurement, but is empty")
        if not all(_is_sparse(matrix) for matrix in matrices):
            matrices = [finite_matrix(f"matrices[{i}]", as_dense(matrix)) for i, matrix in enumerate(matrices)]
        shapes = sorted({tuple(matrix.shape) for matrix in matrices})
        if len(shapes) > 1:
            raise ValueError(f"matrices must have one shape, not {' and '.join(map(str, shapes))}")
        return cls.from_operator(_rows(list(matrices)), values, shapes[0])

    @classmethod
    def from_factors(cls, left: ArrayLike, right: ArrayLike, values: ArrayLike) -> LinearSensing:
        """From A(X)_i = u_iᵀ X v_i = <u_i v_iᵀ, X>.

        Parameters
        ----------
        left : array (observations, m)
            The u_i, one a row.
        right : array (observations, n)
            The v_i.
        values : array (observations,)

        Raises
        ------
        ValueError
            If the lengths differ, or a number is not real and finite.
        """
        u, v = finite_matrix("left", left), finite_matrix("right", right)
        if len(u) != len(v):
            raise ValueError(f"left and right must have one row a measurement, not {len(u)} and {len(v)} rows")
        return cls._validated(RankOneMeasurement(u, v), values)

    @classmethod
    def _validated(cls, measurement: Measurement, values: ArrayLike) -> LinearSensing:
        numbers = np.asarray(values, dtype=np.float64)
        if numbers.shape != (measurement.observations,):
            raise ValueError(
                f"values must be a sequence of {measurement.observations} numbers, one a measurement, "
                f"not of shape {numbers.shape}"
            )
        if not np.isfinite(numbers).all():
            first = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise ValueError(f"values must be finite, but values[{first}] is {numbers[first]}")
        return cls(measurement, numbers)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.measurement.shape

    @property
    def observations(self) -> int:
        """The number of measurements."""
        return len(self.values)

    def residuals(self, X: Point) -> Array:
        """A(X) - b, (observations,)."""
        check_shape("X", X, self.shape)
        return self.measurement.of(X) - self.values

    def __call__(self, X: Point) -> float:
        """E(X)."""
        residuals = self.residuals(X)
        return float(residuals @ residuals) / 2

    def gradient(self, X: Point) -> Any:
        """∇E(X) = A*(A(X) - b), (m, n): an array, or a `LowRankMatrix` for rank-one measurements."""
        return self.measurement.adjoint(self.residuals(X))

    def hessian(self, X: Point, Z: Point) -> Any:
        """A*(A(Z)), of the same kinds, the same at all X."""
        check_shape("X", X, self.shape)
        check_shape("Z", Z, self.shape)
        return self.measurement.adjoint(self.measurement.of(Z))


def _is_sparse(matrix: Any) -> bool:
    return bool(sparse.issparse(matrix))


def _rows(matrices: Sequence[Any]) -> Any:
    """vec of each matrix as a row; sparse if they are."""
    if _is_sparse(matrices[0]):
        flat: list[Any] = [sparse.coo_array(matrix).reshape((1, -1)) for matrix in matrices]
        return sparse.vstack(flat, format="csr")
    return np.array([matrix.ravel() for matrix in matrices])


def _finite_operator(operator: Any) -> LinearOperator:
    """A matrix as a linear operator; a sparse one stays sparse."""
    if not _is_sparse(operator):
        return aslinearoperator(finite_matrix("operator", operator))
    if not np.isfinite(sparse.find(operator)[2]).all():
        raise ValueError("operator must be finite, but one of its entries is not")
    return aslinearoperator(operator)
