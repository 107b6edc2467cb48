r"""The curvature of g^N from the definition: second-order Taylor coefficients of the metric in a chart.

Around a matrix of rank r the chart is X = U [W; a W] Vᵀ, with W (r, n) and a (m - r, r) as coordinates.  With
L = [1; a]ᵀ[1; a] and K = W Wᵀ powers of X Xᵀ are

    (X Xᵀ)^α = [1; a] (K L)^{α-1} K [1; a]ᵀ,        (Xᵀ X)^α = Wᵀ (L K)^{α-1} L W,

and the power of a matrix near a diagonal one is expanded by divided differences (Daleckii, Krein).  With the Gram
matrices G_ij = <∂_iX, ∂_jX> and B_ij = <∂_iX, A_N(∂_jX)> the metric <Z, A_N⁻¹ Z> is G B⁻¹ G.  Its derivatives give the
Christoffel symbols, these the Riemann tensor.

Nothing of `geometry` is used, and no singular value decomposition is differentiated.  It runs in rational numbers (at
σ = τ^N), in mpmath and in floating point.

Sources: Yu. L. Daleckii, S. G. Krein, AMS Translations 47 (1965); L. D. Landau, E. M. Lifshitz, The classical theory of
fields, § 92 (sign and order of indices).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mpmath
import numpy as np
from sympy import QQ, Rational

from .definition import UNITS, ExactPoint, FloatPoint, FrameVector, Point

__all__ = ["CurvatureOracle", "Jet"]

Array = Any


@dataclass(frozen=True)
class Jet:
    """A matrix function of n coordinates to second order.

    Attributes
    ----------
    value : array (p, q)
    first : array (n, p, q)
    second : array (n, n, p, q), symmetric in the first two
    """

    value: Array
    first: Array
    second: Array

    def __matmul__(self, other: Jet) -> Jet:
        cross = self.first[:, None] @ other.first[None, :]
        return Jet(
            self.value @ other.value,
            self.first @ other.value + self.value @ other.first,
            self.second @ other.value + cross + cross.swapaxes(0, 1) + self.value @ other.second,
        )

    def __add__(self, other: Jet) -> Jet:
        return Jet(self.value + other.value, self.first + other.first, self.second + other.second)

    def scaled(self, factor: Any) -> Jet:
        """A multiple."""
        return Jet(self.value * factor, self.first * factor, self.second * factor)

    @property
    def T(self) -> Jet:
        """The transpose."""
        return Jet(*(part.swapaxes(-1, -2) for part in (self.value, self.first, self.second)))

    def inverse(self) -> Jet:
        """The inverse of a square matrix."""
        inverse = _inverse(self.value)
        first = -(inverse @ self.first @ inverse)
        cross = (inverse @ self.first)[:, None] @ (inverse @ self.first @ inverse)[None, :]
        return Jet(inverse, first, cross + cross.swapaxes(0, 1) - inverse @ self.second @ inverse)

    def kron(self, other: Jet) -> Jet:
        """The Kronecker product."""
        cross = _kron(self.first[:, None], other.first[None, :])
        return Jet(
            _kron(self.value, other.value),
            _kron(self.first, other.value) + _kron(self.value, other.first),
            _kron(self.second, other.value) + cross + cross.swapaxes(0, 1) + _kron(self.value, other.second),
        )


def _kron(left: Array, right: Array) -> Array:
    product = left[..., :, None, :, None] * right[..., None, :, None, :]
    *lead, a, b, c, d = product.shape
    return product.reshape(*lead, a * b, c * d)


def _inverse(matrix: Array) -> Array:
    """By Gauss and Jordan in any arithmetic; the matrix is positive definite."""
    size = len(matrix)
    rows = np.concatenate([matrix, _identity(size, matrix)], axis=1)
    for column in range(size):
        rows[column] = rows[column] / rows[column, column]
        for row in range(size):
            if row != column and rows[row, column] != 0:
                rows[row] = rows[row] - rows[row, column] * rows[column]
    return rows[:, size:]


def _identity(size: int, like: Array) -> Array:
    return np.eye(size, dtype=int).astype(like.dtype)


class CurvatureOracle:
    """The Riemann tensor of g^N at a point of the definition.

    Parameters
    ----------
    point : Point
        Exact, precise or in double precision; over R, C or H.
    """

    def __init__(self, point: Point) -> None:
        self.point, self.beta, self.rank = point, point.beta, point.rank
        self.exact = isinstance(point, ExactPoint)
        self.dtype = float if isinstance(point, FloatPoint) else object
        self.sigma = [self._number(value) for value in point.singular_values]
        (m, n), r = point.shape, point.rank
        self.coordinates = [("W", k, j, u) for k in range(r) for j in range(n) for u in range(self.beta)]
        self.coordinates += [("a", i, k, u) for i in range(m - r) for k in range(r) for u in range(self.beta)]

    def _number(self, value: Any) -> Any:
        """Rational numbers as elements of QQ, which are faster."""
        return QQ(value.p, value.q) if isinstance(value, Rational) else value

    def _quotient(self, a: int, b: int) -> Any:
        """a/b in this arithmetic."""
        return QQ(a, b) if self.exact else a / b if self.dtype is float else mpmath.mpf(a) / b

    def _constant(self, value: Array) -> Jet:
        n = len(self.coordinates)
        return Jet(value, np.zeros((n, *value.shape), self.dtype), np.zeros((n, n, *value.shape), self.dtype))

    def _unit(self, rows: int, columns: int, i: int, j: int, unit: int, factor: Any = 1) -> Array:
        """A unit of the field at an entry of a block matrix."""
        matrix = np.zeros((rows * self.beta, columns * self.beta), self.dtype)
        block = np.array(UNITS[self.point.field][unit], dtype=object) * factor
        matrix[i * self.beta : (i + 1) * self.beta, j * self.beta : (j + 1) * self.beta] = block
        return matrix

    def _coordinate_jet(self, letter: str, rows: int, columns: int, base: Array) -> Jet:
        jet = self._constant(base)
        for number, (name, i, j, unit) in enumerate(self.coordinates):
            if name == letter:
                jet.first[number] = self._unit(rows, columns, i, j, unit)
        return jet

    @cached_property
    def _factors(self) -> tuple[Jet, Jet]:
        """[1; a] and W."""
        (m, n), r = self.point.shape, self.rank
        below = self._coordinate_jet("a", m - r, r, np.zeros(((m - r) * self.beta, r * self.beta), self.dtype))
        above = self._constant(sum(self._unit(r, r, k, k, 0) for k in range(r)))
        left = Jet(*(np.concatenate([p, q], axis=-2) for p, q in zip(_parts(above), _parts(below), strict=True)))
        base = sum(self._unit(r, n, k, k, 0, self.sigma[k]) for k in range(r))
        return left, self._coordinate_jet("W", r, n, base)

    def _power(self, index: int, exponent: Any) -> Any:
        """σ_k^(2 exponent); on the exact route through the N-th root of σ_k."""
        if self.exact:
            root = self._number(self.point.roots[index])  # type: ignore[attr-defined]
            return root ** int(2 * self.point.depth * exponent)
        return self.sigma[index] ** (2 * exponent)

    def _divided(self, exponent: Any) -> tuple[Array, Array]:
        """First and second divided differences of x^exponent at the σ_k², repeated for the field."""
        r, p = self.rank, [self._power(k, 1) for k in range(self.rank)]
        f = [self._power(k, exponent) for k in range(r)]
        first, second = np.zeros((r, r), self.dtype), np.zeros((r, r, r), self.dtype)
        for i in range(r):
            for j in range(r):
                slope = exponent * f[i] / p[i] if i == j else (f[i] - f[j]) / (p[i] - p[j])
                first[i, j] = slope
        for i, j, l in np.ndindex(r, r, r):
            a, b, c = sorted((i, j, l))
            if a == c:
                second[i, j, l] = exponent * (exponent - 1) * f[a] / p[a] ** 2 / 2
            else:
                second[i, j, l] = (first[a, b] - first[b, c]) / (p[a] - p[c])
        for axis in range(3):
            second = np.repeat(second, self.beta, axis)
        return np.repeat(np.repeat(first, self.beta, 0), self.beta, 1), second

    def _matrix_power(self, matrix: Jet, exponent: Any) -> Jet:
        """A power of a jet whose value is the diagonal matrix of the σ_k²."""
        first, second = self._divided(exponent)
        value = sum(self._unit(self.rank, self.rank, k, k, 0, self._power(k, exponent)) for k in range(self.rank))
        # Sum over m of f[p_a, p_m, p_b] M_am M_mb, as a product with the difference put on the left factor.
        cross = np.zeros(matrix.second.shape, self.dtype)
        for m in range(len(first)):
            outer = matrix.first[:, None, :, m, None] * matrix.first[None, :, None, m, :]
            cross = cross + second[:, m, :] * outer
        return Jet(value, first * matrix.first, first * matrix.second + cross + cross.swapaxes(0, 1))

    def _square_powers(self, exponent: Any, opposite: Any) -> tuple[Jet, Jet]:
        """(X Xᵀ)^exponent and (Xᵀ X)^opposite; the zeroth power is the identity."""
        left, W = self._factors
        L, K = left.T @ left, W @ W.T
        m, n = self.point.shape
        above = (
            self._constant(sum(self._unit(m, m, k, k, 0) for k in range(m)))
            if exponent == 0
            else left @ self._matrix_power(K @ L, exponent - 1) @ K @ left.T
        )
        below = (
            self._constant(sum(self._unit(n, n, k, k, 0) for k in range(n)))
            if opposite == 0
            else W.T @ self._matrix_power(L @ K, opposite - 1) @ L @ W
        )
        return above, below

    def _terms(self) -> list[tuple[Any, Any, Any]]:
        """The exponents of X Xᵀ and Xᵀ X in A_N with their weights; at infinite depth quadrature nodes."""
        if self.point.is_infinitely_deep:
            nodes = self._nodes()
            return [(1 - s, s, weight) for s, weight in nodes]
        N = int(self.point.depth)
        return [(self._quotient(N - p, N), self._quotient(p - 1, N), 1) for p in range(1, N + 1)]

    def _nodes(self) -> list[tuple[Any, Any]]:
        if self.dtype is float:
            nodes = zip(*np.polynomial.legendre.leggauss(16), strict=True)
            return [((1 + x) / 2, weight / 2) for x, weight in nodes]
        found = mpmath.calculus.quadrature.GaussLegendre(mpmath.mp).calc_nodes(4, mpmath.mp.prec)
        return [((1 + x) / 2, weight / 2) for x, weight in found]

    @cached_property
    def metric(self) -> Jet:
        """g_ij in the chart, to second order."""
        total: Jet | None = None
        for exponent, opposite, weight in self._terms():
            above, below = self._square_powers(exponent, opposite)
            term = above.kron(below.T).scaled(weight)
            total = term if total is None else total + term
        assert total is not None
        velocity = self._velocity_jet
        gram = (velocity.T @ velocity).scaled(self._share)
        applied = (velocity.T @ total @ velocity).scaled(self._share)
        return gram @ applied.inverse() @ gram

    @property
    def _share(self) -> Any:
        """1/β: <Y, Z> = tr(Yᵀ Z)/β."""
        return self._quotient(1, self.beta)

    @cached_property
    def _velocity_jet(self) -> Jet:
        """∂_iX as columns; X is of second degree in the coordinates."""
        left, W = self._factors
        X = left @ W
        n = len(self.coordinates)
        value = X.first.reshape(n, -1).T
        first = X.second.reshape(n, n, -1).swapaxes(1, 2)
        return Jet(value, first, np.zeros((n, *first.shape), self.dtype))

    @cached_property
    def riemann(self) -> Array:
        """R_iklm = <R(∂_l, ∂_m) ∂_k, ∂_i> in the chart."""
        g, dg, ddg = self.metric.value, self.metric.first, self.metric.second
        # dg[j, k, i] = ∂_j g_ki; lowered[k, i, j] = Γ_k,ij.
        half = self._quotient(1, 2)
        lowered = half * (dg.transpose(1, 2, 0) + dg.transpose(1, 0, 2) - dg)
        n = len(g)
        raised = (_inverse(g) @ lowered.reshape(n, n * n)).reshape(n, n, n)
        products = (lowered.reshape(n, n * n).T @ raised.reshape(n, n * n)).reshape(n, n, n, n)  # [k, l, i, m]
        # ddg[k, l, i, m] = ∂_k ∂_l g_im
        straight = half * (ddg.transpose(2, 0, 1, 3) + ddg.transpose(0, 2, 3, 1))
        crossed = products.transpose(2, 0, 1, 3)  # i, k, l, m
        first = straight + crossed
        return first - first.transpose(0, 1, 3, 2)

    @cached_property
    def ricci(self) -> Array:
        """R_km = g^il R_iklm."""
        n = len(self.coordinates)
        inverse = _inverse(self.metric.value)
        return np.array([[(inverse * self.riemann[:, k, :, m]).sum() for m in range(n)] for k in range(n)])

    @cached_property
    def scalar(self) -> Any:
        """The scalar curvature."""
        return (_inverse(self.metric.value) * self.ricci).sum()

    def components(self, velocity: Any) -> Array:
        """The components in the chart of a tangent vector at the point, a matrix over the field."""
        turned = self.point.U.T @ velocity @ self.point.V
        r, found = self.rank, []
        for name, i, j, unit in self.coordinates:
            row = i if name == "W" else i + r
            # The first column of a unit's matrix is the unit itself.
            entry = self._number(turned[self.beta * row + unit, self.beta * j])
            found.append(entry if name == "W" else entry / self.sigma[j])
        return np.array(found, dtype=self.dtype)

    def frame(self) -> list[tuple[FrameVector, Array]]:
        """The frame vectors of the definition with their components."""
        return [(vector, self.components(vector.velocity)) for vector in self.point.named_frame()]

    def riemann_component(self, a: Array, b: Array, c: Array, d: Array) -> Any:
        """<R(a, b) c, d> of vectors given by their components in the chart."""
        total = self.riemann
        for vector in (d, c, a, b):
            total = np.tensordot(vector, total, axes=(0, 0))
        return total[()]


def _parts(jet: Jet) -> tuple[Array, Array, Array]:
    return jet.value, jet.first, jet.second
