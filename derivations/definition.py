r"""The definition of A_N as code, three times: in rational numbers, with mpmath, in floating point.

    A_N(Z) = Σ_{p=1..N} (X Xᵀ)^{(N-p)/N} Z (Xᵀ X)^{(p-1)/N},      A_∞(Z) = ∫₀¹ (X Xᵀ)^{1-s} Z (Xᵀ X)^s ds.

The checks of all theorems compare with these points.  Nothing of `geometry` is used here: X is built
from orthogonal matrices and singular values, powers of X Xᵀ from their eigenvectors, and the metric
by solving with A_N on the tangent space.  Rational singular values are N-th powers, so that the
roots are rational.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import combinations
from typing import Any

import mpmath
import numpy as np
from sympy import Matrix, Rational, eye, oo, zeros

__all__ = ["ExactPoint", "FloatPoint", "Point", "PrecisePoint"]


class Point(ABC):
    """A matrix X = U diag(σ, 0) Vᵀ of rank r with complete orthogonal U (m, m) and V (n, n).

    Parameters
    ----------
    depth : int or oo
    shape, rank : (m, n) and r
    seed : int
    """

    U: Any
    V: Any
    singular_values: list[Any]

    def __init__(self, depth: Any, shape: tuple[int, int], rank: int, seed: int = 0) -> None:
        self.depth, self.shape, self.rank = depth, shape, rank
        self.generator = np.random.default_rng(seed)

    @abstractmethod
    def random(self) -> Any:
        """A random number of moderate size."""

    @abstractmethod
    def matrix(self, rows: int, columns: int) -> Any:
        """A zero matrix in this arithmetic."""

    @abstractmethod
    def apply(self, Z: Any) -> Any:
        """A_N(Z) from the definition (A_∞ at infinite depth)."""

    @abstractmethod
    def determinant(self, matrix: Any) -> Any:
        """The determinant of a square matrix."""

    @abstractmethod
    def solve(self, matrix: Any, right: Any) -> Any:
        """matrix⁻¹ right."""

    def random_matrix(self) -> Any:
        """A random (m, n) matrix."""
        Z = self.matrix(*self.shape)
        for i in range(self.shape[0]):
            for j in range(self.shape[1]):
                Z[i, j] = self.random()
        return Z

    def column(self, W: Any, k: int) -> Any:
        """The k-th column of a matrix, (m, 1)."""
        return W[:, k : k + 1]

    def outer(self, k: int, l: int) -> Any:
        """u_k v_lᵀ; indices from r on are null directions."""
        return self.column(self.U, k) @ self.column(self.V, l).T

    def frame(self) -> list[Any]:
        """∂X along dσ_k; Ω^U_kl and Ω^V_kl, k < l; the components of A and of B."""
        (m, n), r, sigma = self.shape, self.rank, self.singular_values
        vectors = [self.outer(k, k) for k in range(r)]
        for k, l in combinations(range(r), 2):
            vectors.append(sigma[l] * self.outer(k, l) - sigma[k] * self.outer(l, k))
            vectors.append(sigma[l] * self.outer(l, k) - sigma[k] * self.outer(k, l))
        vectors += [sigma[k] * self.outer(a, k) for k in range(r) for a in range(r, m)]
        vectors += [sigma[k] * self.outer(k, b) for k in range(r) for b in range(r, n)]
        return vectors

    def tangent_indices(self) -> list[tuple[int, int]]:
        """(k, l) with u_k v_lᵀ tangent to the matrices of rank r."""
        (m, n), r = self.shape, self.rank
        return [(k, l) for k in range(m) for l in range(n) if k < r or l < r]

    def components(self, Z: Any) -> Any:
        """The components of Z along the tangent u_k v_lᵀ, a column."""
        rotated = self.U.T @ Z @ self.V
        indices = self.tangent_indices()
        column = self.matrix(len(indices), 1)
        for row, (k, l) in enumerate(indices):
            column[row, 0] = rotated[k, l]
        return column

    def operator_matrix(self) -> Any:
        """A_N on the tangent space, in the orthonormal basis u_k v_lᵀ."""
        indices = self.tangent_indices()
        result = self.matrix(len(indices), len(indices))
        for position, (k, l) in enumerate(indices):
            image = self.components(self.apply(self.outer(k, l)))
            for row in range(len(indices)):
                result[row, position] = image[row, 0]
        return result

    def inner_product(self, Y: Any, Z: Any) -> Any:
        """<Y, A_N⁻¹ Z> for tangent vectors."""
        return (self.components(Y).T @ self.solve(self.operator_matrix(), self.components(Z)))[0, 0]

    def squared_volume(self) -> Any:
        """The determinant of the Gram matrix of the frame, det(frame)²/det(A_N)."""
        vectors = self.frame()
        frame = self.matrix(len(vectors), len(vectors))
        for position, vector in enumerate(vectors):
            column = self.components(vector)
            for row in range(len(vectors)):
                frame[row, position] = column[row, 0]
        return self.determinant(frame) ** 2 / self.determinant(self.operator_matrix())


class ExactPoint(Point):
    """Rational numbers: σ = τ^N, orthogonal matrices by Cayley's transform."""

    def __init__(self, depth: int, shape: tuple[int, int], rank: int, seed: int = 0) -> None:
        super().__init__(depth, shape, rank, seed)
        numerators = sorted(self.generator.choice(np.arange(2, 12), rank, replace=False), reverse=True)
        self.roots = [Rational(int(number), 5) for number in numerators]
        self.singular_values = [root**depth for root in self.roots]
        self.U, self.V = (self._orthogonal(side) for side in shape)
        left = self.U[:, :rank] @ _diagonal(self.roots) ** 2 @ self.U[:, :rank].T
        right = self.V[:, :rank] @ _diagonal(self.roots) ** 2 @ self.V[:, :rank].T
        # left = (X Xᵀ)^{1/N}; the zeroth power is the identity, null spaces included.
        self._powers = [(left**p, right**p) for p in range(depth)]

    def random(self) -> Rational:
        return Rational(int(self.generator.integers(-20, 21)), 7)

    def _orthogonal(self, side: int) -> Matrix:
        skew = zeros(side)
        for k, l in combinations(range(side), 2):
            skew[k, l] = self.random()
            skew[l, k] = -skew[k, l]
        return (eye(side) - skew) @ (eye(side) + skew).inv()

    def matrix(self, rows: int, columns: int) -> Matrix:
        return zeros(rows, columns)

    def apply(self, Z: Matrix) -> Matrix:
        terms = [self._powers[self.depth - p][0] @ Z @ self._powers[p - 1][1] for p in range(1, self.depth + 1)]
        return sum(terms[1:], terms[0])

    def determinant(self, matrix: Matrix) -> Rational:
        return matrix.det(method="domain-ge")

    def solve(self, matrix: Matrix, right: Matrix) -> Matrix:
        return matrix.LUsolve(right)


def _diagonal(values: list[Rational]) -> Matrix:
    return Matrix(len(values), len(values), lambda i, j: values[i] if i == j else 0)


class PrecisePoint(Point):
    """mpmath in its working precision; infinite depth by quadrature of the integral."""

    def __init__(self, depth: Any, shape: tuple[int, int], rank: int, seed: int = 0) -> None:
        super().__init__(depth, shape, rank, seed)
        self.singular_values = [mpmath.mpf(2 * (rank - k)) / 3 + abs(self.random()) / 9 for k in range(rank)]
        self.U, self.V = (mpmath.qr(self._random_square(side))[0] for side in shape)

    def random(self) -> Any:
        return mpmath.mpf(int(self.generator.integers(-(10**6), 10**6))) / 700001

    def _random_square(self, side: int) -> Any:
        square = mpmath.matrix(side, side)
        for i in range(side):
            for j in range(side):
                square[i, j] = self.random()
        return square

    def matrix(self, rows: int, columns: int) -> Any:
        return mpmath.matrix(rows, columns)

    def _power(self, W: Any, exponent: Any) -> Any:
        """(X Xᵀ)^exponent for W = U, (Xᵀ X)^exponent for W = V, on the range; the identity at 0."""
        if exponent == 0:
            return mpmath.eye(W.rows)
        result = mpmath.matrix(W.rows, W.rows)
        for k, sigma in enumerate(self.singular_values):
            result += sigma ** (2 * exponent) * (W[:, k] @ W[:, k].T)
        return result

    def apply(self, Z: Any) -> Any:
        if self.depth == oo:
            return self._integral(Z)
        N = mpmath.mpf(int(self.depth))
        result = mpmath.matrix(*self.shape)
        for p in range(1, int(self.depth) + 1):
            result += self._power(self.U, (N - p) / N) @ Z @ self._power(self.V, (p - 1) / N)
        return result

    def _integral(self, Z: Any) -> Any:
        nodes = mpmath.calculus.quadrature.GaussLegendre(mpmath.mp).calc_nodes(4, mpmath.mp.prec)
        result = mpmath.matrix(*self.shape)
        for node, weight in nodes:
            s = (1 + node) / 2
            result += weight / 2 * (self._power(self.U, 1 - s) @ Z @ self._power(self.V, s))
        return result

    def determinant(self, matrix: Any) -> Any:
        return mpmath.det(matrix)

    def solve(self, matrix: Any, right: Any) -> Any:
        return mpmath.lu_solve(matrix, right)


class FloatPoint(Point):
    """Double precision; powers by the eigenvectors of X Xᵀ and Xᵀ X, infinite depth by Gauss-Legendre."""

    def __init__(self, depth: Any, shape: tuple[int, int], rank: int, seed: int = 0) -> None:
        super().__init__(depth, shape, rank, seed)
        U, V = (np.linalg.qr(self.generator.standard_normal((side, side)))[0] for side in shape)
        self._place(U, list(np.sort(self.generator.uniform(0.3, 2.0, rank))[::-1]), V)

    @classmethod
    def at(cls, depth: Any, U: Any, singular_values: list[float], V: Any) -> FloatPoint:
        """The point with given complete orthogonal matrices and singular values."""
        point = cls(depth, (len(U), len(V)), len(singular_values))
        point._place(U, singular_values, V)
        return point

    def _place(self, U: Any, singular_values: list[float], V: Any) -> None:
        self.U, self.singular_values, self.V = U, singular_values, V
        X = U[:, : self.rank] @ np.diag(singular_values) @ V[:, : self.rank].T
        self._left, self._right = self._eigen(X @ X.T), self._eigen(X.T @ X)

    def _eigen(self, square: Any) -> tuple[Any, Any]:
        values, vectors = np.linalg.eigh(square)
        return values[-self.rank :], vectors[:, -self.rank :]

    def random(self) -> float:
        return float(self.generator.standard_normal())

    def matrix(self, rows: int, columns: int) -> Any:
        return np.zeros((rows, columns))

    @staticmethod
    def _power(eigen: tuple[Any, Any], exponent: float) -> Any:
        values, vectors = eigen
        return np.eye(vectors.shape[0]) if exponent == 0 else vectors @ np.diag(values**exponent) @ vectors.T

    def apply(self, Z: Any) -> Any:
        if self.depth == oo:
            nodes, weights = np.polynomial.legendre.leggauss(24)
            pairs = [((1 + node) / 2, weight / 2) for node, weight in zip(nodes, weights, strict=True)]
            return sum(w * (self._power(self._left, 1 - s) @ Z @ self._power(self._right, s)) for s, w in pairs)
        N = int(self.depth)
        return sum(
            self._power(self._left, (N - p) / N) @ Z @ self._power(self._right, (p - 1) / N) for p in range(1, N + 1)
        )

    def determinant(self, matrix: Any) -> float:
        return float(np.linalg.det(matrix))

    def solve(self, matrix: Any, right: Any) -> Any:
        return np.linalg.solve(matrix, right)
