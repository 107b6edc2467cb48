r"""The definition of A_N as code, three times: in rational numbers, with mpmath, in floating point.

    A_N(Z) = Σ_{p=1..N} (X Xᵀ)^{(N-p)/N} Z (Xᵀ X)^{(p-1)/N},      A_∞(Z) = ∫₀¹ (X Xᵀ)^{1-s} Z (Xᵀ X)^s ds.

The checks of all theorems compare with these points.  Nothing of `geometry` is used here: X is built
from orthogonal matrices and singular values, powers of X Xᵀ from their eigenvectors, and the metric
by solving with A_N on the tangent space.  Rational singular values are N-th powers, so that the
roots are rational.

Matrices over C and H are real block matrices: a unit of the field is the β x β matrix of its multiplication from the
left, <Y, Z> is tr(Yᵀ Z)/β, and everything else is the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import mpmath
import numpy as np
from sympy import Matrix, Rational, oo, zeros

__all__ = ["ExactPoint", "FloatPoint", "FrameVector", "Point", "PrecisePoint"]


UNITS: dict[str, tuple[tuple[tuple[int, ...], ...], ...]] = {
    "R": (((1,),),),
    "C": (((1, 0), (0, 1)), ((0, -1), (1, 0))),
    "H": (
        ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
        ((0, -1, 0, 0), (1, 0, 0, 0), (0, 0, 0, -1), (0, 0, 1, 0)),
        ((0, 0, -1, 0), (0, 0, 0, 1), (1, 0, 0, 0), (0, -1, 0, 0)),
        ((0, 0, 0, -1), (0, 0, -1, 0), (0, 1, 0, 0), (1, 0, 0, 0)),
    ),
}
"""1; 1, i; 1, i, j, k as real matrices. The first is 1; the transposes of the others are their negatives."""


@dataclass(frozen=True)
class FrameVector:
    """∂X along one real component of a one-form of the coframe.

    Attributes
    ----------
    kind : str
        "radial", "phase", "left rotation", "right rotation", "left" or "right".
    indices : tuple of int
        The singular values involved, from 0.
    component : int
        Which of the real components of the form it is.
    velocity : matrix
    """

    kind: str
    indices: tuple[int, ...]
    component: int
    velocity: Any


class Point(ABC):
    """A matrix X = U diag(σ, 0) Vᵀ of rank r with complete orthogonal U (m, m) and V (n, n).

    Over C and H these are unitary, and all matrices are real ones with blocks of size β.

    Parameters
    ----------
    depth : int or oo
    shape, rank : (m, n) and r
    seed : int
    field : {"R", "C", "H"}
    """

    U: Any
    V: Any
    singular_values: list[Any]

    def __init__(self, depth: Any, shape: tuple[int, int], rank: int, seed: int = 0, field: str = "R") -> None:
        self.depth, self.shape, self.rank, self.field = depth, shape, rank, field
        self.beta = len(UNITS[field])
        self.generator = np.random.default_rng(seed)

    @property
    def is_infinitely_deep(self) -> bool:
        """Whether A_∞ takes the place of A_N."""
        return bool(self.depth == oo)

    def place(self, U: Any, singular_values: list[Any], V: Any) -> None:
        """Put X at complete orthogonal matrices and singular values (N-th powers, where they are rational)."""
        self.U, self.singular_values, self.V = U, singular_values, V

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
        """A random (m, n) matrix over the field."""
        Z = self.matrix(*self._block_shape)
        for i in range(self.shape[0]):
            for j in range(self.shape[1]):
                for number in range(self.beta):
                    self.add_block(Z, i, j, number, self.random())
        return Z

    @property
    def _block_shape(self) -> tuple[int, int]:
        return self.beta * self.shape[0], self.beta * self.shape[1]

    def add_block(self, Z: Any, k: int, l: int, number: int, value: Any, sign: int = 1) -> None:
        """Add a multiple of a unit, or for sign -1 of its conjugate, to the entry at (k, l)."""
        for i, row in enumerate(UNITS[self.field][number]):
            for j, entry in enumerate(row):
                if entry:
                    Z[self.beta * k + i, self.beta * l + j] += value * (entry if number == 0 else sign * entry)

    def skew_matrix(self, side: int) -> Any:
        """A random skew-Hermitian matrix."""
        skew = self.matrix(self.beta * side, self.beta * side)
        for k in range(side):
            for number in range(1, self.beta):
                self.add_block(skew, k, k, number, self.random())
        for k, l in combinations(range(side), 2):
            for number in range(self.beta):
                value = self.random()
                self.add_block(skew, k, l, number, value)
                self.add_block(skew, l, k, number, -value, sign=-1)
        return skew

    def unitary_matrix(self, side: int) -> Any:
        """A random unitary matrix (orthogonal over R), by Cayley's transform."""
        skew, one = self.skew_matrix(side), self.matrix(self.beta * side, self.beta * side)
        for k in range(self.beta * side):
            one[k, k] += 1
        return self.solve(one + skew, one - skew)

    def column(self, W: Any, k: int) -> Any:
        """The k-th column of a matrix over the field, (m, 1)."""
        return W[:, self.beta * k : self.beta * (k + 1)]

    def outer(self, k: int, l: int, number: int = 0) -> Any:
        """u_k v_lᵀ, with a unit of the field between them; indices from r on are null directions."""
        unit = self.matrix(self.beta, self.beta)
        self.add_block(unit, 0, 0, number, 1)
        return self.column(self.U, k) @ unit @ self.column(self.V, l).T

    def named_frame(self) -> Iterator[FrameVector]:
        """∂X along dσ_k; the phases; Ω^U_kl and Ω^V_kl, k < l; the components of A and of B."""
        (m, n), r, sigma, units = self.shape, self.rank, self.singular_values, range(self.beta)
        for k in range(r):
            yield FrameVector("radial", (k,), 0, self.outer(k, k))
        for k in range(r):
            for u in units[1:]:
                yield FrameVector("phase", (k,), u - 1, sigma[k] * self.outer(k, k, u))
        for k, l in combinations(range(r), 2):
            for u in units:
                above, below = self.outer(k, l, u), (1 if u == 0 else -1) * self.outer(l, k, u)
                yield FrameVector("left rotation", (k, l), u, sigma[l] * above - sigma[k] * below)
                yield FrameVector("right rotation", (k, l), u, sigma[l] * below - sigma[k] * above)
        for kind, side in (("left", m), ("right", n)):
            for k in range(r):
                for position, (a, u) in enumerate((a, u) for a in range(r, side) for u in units):
                    place = (a, k) if kind == "left" else (k, a)
                    yield FrameVector(kind, (k,), position, sigma[k] * self.outer(*place, u))

    def frame(self) -> list[Any]:
        """The velocities of `named_frame`."""
        return [vector.velocity for vector in self.named_frame()]

    def tangent_indices(self) -> list[tuple[int, int]]:
        """(k, l) with u_k v_lᵀ tangent to the matrices of rank r."""
        (m, n), r = self.shape, self.rank
        return [(k, l) for k in range(m) for l in range(n) if k < r or l < r]

    def tangent_basis(self) -> list[tuple[int, int, int]]:
        """(k, l, unit): an orthonormal basis of the tangent space."""
        return [(k, l, number) for k, l in self.tangent_indices() for number in range(self.beta)]

    def components(self, Z: Any) -> Any:
        """The components of Z along the tangent basis, a column."""
        rotated = self.U.T @ Z @ self.V
        basis = self.tangent_basis()
        column = self.matrix(len(basis), 1)
        for row, (k, l, number) in enumerate(basis):
            # The first column of a unit's matrix is the unit itself.
            column[row, 0] = rotated[self.beta * k + number, self.beta * l]
        return column

    def operator_matrix(self) -> Any:
        """A_N on the tangent space, in the orthonormal basis u_k v_lᵀ (times units)."""
        indices = self.tangent_basis()
        result = self.matrix(len(indices), len(indices))
        for position, element in enumerate(indices):
            image = self.components(self.apply(self.outer(*element)))
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

    def __init__(self, depth: int, shape: tuple[int, int], rank: int, seed: int = 0, field: str = "R") -> None:
        super().__init__(depth, shape, rank, seed, field)
        numerators = sorted(self.generator.choice(np.arange(2, 12), rank, replace=False), reverse=True)
        roots = [Rational(int(number), 5) for number in numerators]
        U, V = (self.unitary_matrix(side) for side in shape)
        self.place(U, [root**depth for root in roots], V)

    def place(self, U: Matrix, singular_values: list[Rational], V: Matrix) -> None:
        super().place(U, singular_values, V)
        self.roots = [value ** Rational(1, self.depth) for value in singular_values]
        size = self.beta * self.rank
        squares = Matrix(size, size, lambda i, j: self.roots[i // self.beta] ** 2 if i == j else 0)
        left, right = (W[:, :size] @ squares @ W[:, :size].T for W in (U, V))
        # left = (X Xᵀ)^{1/N}; the zeroth power is the identity, null spaces included.
        self._powers = [(left**p, right**p) for p in range(self.depth)]

    def random(self) -> Rational:
        return Rational(int(self.generator.integers(-20, 21)), 7)

    def matrix(self, rows: int, columns: int) -> Matrix:
        return zeros(rows, columns)

    def apply(self, Z: Matrix) -> Matrix:
        terms = [self._powers[self.depth - p][0] @ Z @ self._powers[p - 1][1] for p in range(1, self.depth + 1)]
        return sum(terms[1:], terms[0])

    def determinant(self, matrix: Matrix) -> Rational:
        return matrix.det(method="domain-ge")

    def solve(self, matrix: Matrix, right: Matrix) -> Matrix:
        return matrix.LUsolve(right)


class PrecisePoint(Point):
    """mpmath in its working precision; infinite depth by quadrature of the integral."""

    def __init__(self, depth: Any, shape: tuple[int, int], rank: int, seed: int = 0, field: str = "R") -> None:
        super().__init__(depth, shape, rank, seed, field)
        self.singular_values = [mpmath.mpf(2 * (rank - k)) / 3 + abs(self.random()) / 9 for k in range(rank)]
        self.U, self.V = (self.unitary_matrix(side) for side in shape)

    def random(self) -> Any:
        return mpmath.mpf(int(self.generator.integers(-(10**6), 10**6))) / 700001

    def matrix(self, rows: int, columns: int) -> Any:
        return mpmath.matrix(rows, columns)

    def _power(self, W: Any, exponent: Any) -> Any:
        """(X Xᵀ)^exponent for W = U, (Xᵀ X)^exponent for W = V, on the range; the identity at 0."""
        if exponent == 0:
            return mpmath.eye(W.rows)
        result = mpmath.matrix(W.rows, W.rows)
        for k, sigma in enumerate(self.singular_values):
            result += sigma ** (2 * exponent) * (self.column(W, k) @ self.column(W, k).T)
        return result

    def apply(self, Z: Any) -> Any:
        if self.is_infinitely_deep:
            return self._integral(Z)
        N = mpmath.mpf(int(self.depth))
        result = mpmath.matrix(*self._block_shape)
        for p in range(1, int(self.depth) + 1):
            result += self._power(self.U, (N - p) / N) @ Z @ self._power(self.V, (p - 1) / N)
        return result

    def _integral(self, Z: Any) -> Any:
        nodes = mpmath.calculus.quadrature.GaussLegendre(mpmath.mp).calc_nodes(4, mpmath.mp.prec)
        result = mpmath.matrix(*self._block_shape)
        for node, weight in nodes:
            s = (1 + node) / 2
            result += weight / 2 * (self._power(self.U, 1 - s) @ Z @ self._power(self.V, s))
        return result

    def determinant(self, matrix: Any) -> Any:
        return mpmath.det(matrix)

    def solve(self, matrix: Any, right: Any) -> Any:
        return mpmath.lu_solve(matrix, right) if right.cols == 1 else mpmath.inverse(matrix) @ right


class FloatPoint(Point):
    """Double precision; powers by the eigenvectors of X Xᵀ and Xᵀ X, infinite depth by Gauss-Legendre."""

    def __init__(self, depth: Any, shape: tuple[int, int], rank: int, seed: int = 0, field: str = "R") -> None:
        super().__init__(depth, shape, rank, seed, field)
        U, V = (self.unitary_matrix(side) for side in shape)
        self.place(U, list(np.sort(self.generator.uniform(0.3, 2.0, rank))[::-1]), V)

    @classmethod
    def at(cls, depth: Any, U: Any, singular_values: list[float], V: Any) -> FloatPoint:
        """The point over R with given complete orthogonal matrices and singular values."""
        point = cls(depth, (len(U), len(V)), len(singular_values))
        point.place(U, singular_values, V)
        return point

    def place(self, U: Any, singular_values: list[float], V: Any) -> None:
        super().place(U, singular_values, V)
        size = self.beta * self.rank
        X = U[:, :size] @ np.diag(np.repeat(singular_values, self.beta)) @ V[:, :size].T
        self._left, self._right = self._eigen(X @ X.T), self._eigen(X.T @ X)

    def _eigen(self, square: Any) -> tuple[Any, Any]:
        values, vectors = np.linalg.eigh(square)
        size = self.beta * self.rank
        return values[-size:], vectors[:, -size:]

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
