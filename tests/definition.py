r"""The definitions of section 1 of the mathematics, by brute force: what everything else is held against.

Nothing here is imported from the packages.  A_N is summed from matrix powers, the metric is inverted as a
matrix in a frame of tangent vectors, and those are velocities of Û Σ̂ V̂ᴴ under one-parameter groups.  Matrices over
C and H are complex ones, a quaternion being a 2 x 2 block with <Z, Z> = ½ tr of the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

Array = NDArray[Any]

UNITS: dict[str, list[Array]] = {
    "R": [np.array([[1.0]])],
    "C": [np.array([[1.0 + 0j]]), np.array([[1j]])],
    "H": [
        np.eye(2, dtype=complex),
        np.array([[1j, 0], [0, -1j]]),
        np.array([[0, 1], [-1, 0]], dtype=complex),
        np.array([[0, 1j], [1j, 0]]),
    ],
}
"""The real basis of each field, as matrices; the first is 1, the others are imaginary."""


# ------------------------------------------------------------------------------- A_N in floating point


def defined_operator(X: Array, depth: float, rank: int | None = None) -> Callable[[Array], Array]:
    """A_N at X as a function of Z; A_N/N in the limit, as an integral, at depth infinity.

    The smallest eigenvalues of X Xᴴ and Xᴴ X, beyond the rank, are set to exactly zero: a rounding error to the
    power 1/N is none.
    """
    rank = min(X.shape) if rank is None else rank
    left, right = (_Powers.of(gram, rank) for gram in (X @ X.conj().T, X.conj().T @ X))
    if np.isinf(depth):
        # Entire integrands: 60 nodes reach rounding error for singular values up to e^15 apart.
        nodes, weights = np.polynomial.legendre.leggauss(60)
        terms = [(w / 2, (1 - s) / 2, (1 + s) / 2) for s, w in zip(nodes, weights, strict=True)]
    else:
        terms = [(1.0, (depth - p) / depth, (p - 1) / depth) for p in range(1, int(depth) + 1)]
    factors = [(weight * left.to(e), right.to(f)) for weight, e, f in terms]
    return lambda Z: sum((L @ Z @ R for L, R in factors), np.zeros_like(Z))


@dataclass(frozen=True)
class _Powers:
    """Fractional powers of one positive semidefinite matrix, with 0^0 = 1."""

    values: Array
    vectors: Array

    @classmethod
    def of(cls, gram: Array, rank: int) -> _Powers:
        values, vectors = np.linalg.eigh(gram)
        values[: len(values) - rank] = 0.0
        return cls(values, vectors)

    def to(self, exponent: float) -> Array:
        if exponent == 0:
            return np.eye(len(self.values), dtype=self.vectors.dtype)
        return (self.vectors * self.values**exponent) @ self.vectors.conj().T


# -------------------------------------------------------------------------------------- tangent frame


@dataclass(frozen=True)
class FrameVector:
    """The velocity of X along one form of the coframe, the others resting.

    `kind` is "radial", "phase", "left rotation", "right rotation", "left" or "right"; `indices` are (k,), (k, l) or,
    against null directions, (j, k); `unit` is the number of the real component.
    """

    kind: str
    indices: tuple[int, ...]
    unit: int
    velocity: Array


def _place(rows: int, columns: int, k: int, l: int, unit: Array) -> Array:
    place = np.zeros((rows, columns))
    place[k, l] = 1.0
    return np.kron(place, unit)


def _turn(side: int, k: int, l: int, unit: Array) -> Array:
    """The skew-Hermitian matrix with the given unit at (k, l)."""
    return _place(side, side, k, l, unit) - _place(side, side, l, k, unit.conj().T)


def random_unitary(side: int, generator: np.random.Generator, field: str = "R") -> Array:
    """The exponential of a random skew-Hermitian matrix over the field."""
    units = UNITS[field]
    skew = sum(
        (
            generator.standard_normal() * _turn(side, k, l, unit)
            for k, l in combinations(range(side), 2)
            for unit in units
        ),
        np.zeros((side * len(units[0]),) * 2, dtype=units[0].dtype),
    )
    for k in range(side):
        for unit in units[1:]:
            skew = skew + generator.standard_normal() * _place(side, side, k, k, unit)
    return np.asarray(expm(skew))


@dataclass(frozen=True)
class DefinedPoint:
    """X = Û Σ̂ V̂ᴴ with completed, square Û and V̂.

    Attributes
    ----------
    left, right : arrays (m, m), (n, n), twice that over H
    sigma : array (r,)
    field : {"R", "C", "H"}
    """

    left: Array
    sigma: Array
    right: Array
    field: str = "R"

    @classmethod
    def random(
        cls, shape: tuple[int, int], sigma: Sequence[float], generator: np.random.Generator, field: str = "R"
    ) -> DefinedPoint:
        """Random singular spaces for the given singular values."""
        left, right = (random_unitary(side, generator, field) for side in shape)
        return cls(left, np.asarray(sigma, dtype=float), right, field)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n), over the field."""
        size = len(UNITS[self.field][0])
        return len(self.left) // size, len(self.right) // size

    @property
    def spectrum(self) -> Array:
        """Σ̂."""
        m, n = self.shape
        one = UNITS[self.field][0]
        return sum(
            (value * _place(m, n, k, k, one) for k, value in enumerate(self.sigma)),
            np.zeros((len(self.left), len(self.right)), dtype=one.dtype),
        )

    @property
    def matrix(self) -> Array:
        """X."""
        return self.left @ self.spectrum @ self.right.conj().T

    def _velocity(self, left: Array, change: Array, right: Array) -> Array:
        inner = left @ self.spectrum + change - self.spectrum @ right
        return np.asarray(self.left @ inner @ self.right.conj().T)

    def frame(self) -> list[FrameVector]:
        """The velocities along dσ_k, the phases, Ω^U_kl, Ω^V_kl, A_jk and B_jk."""
        (m, n), r, units = self.shape, len(self.sigma), UNITS[self.field]
        rest, still, calm = np.zeros_like(self.left), np.zeros_like(self.spectrum), np.zeros_like(self.right)
        frame = []
        for k in range(r):
            frame.append(FrameVector("radial", (k,), 0, self._velocity(rest, _place(m, n, k, k, units[0]), calm)))
            for number, unit in enumerate(units[1:], 1):
                turned = self.sigma[k] * _place(m, n, k, k, unit)
                frame.append(FrameVector("phase", (k,), number, self._velocity(rest, turned, calm)))
        for number, unit in enumerate(units):
            for k, l in combinations(range(r), 2):
                left, right = self._velocity(_turn(m, k, l, unit), still, calm), _turn(n, k, l, unit)
                frame.append(FrameVector("left rotation", (k, l), number, left))
                frame.append(FrameVector("right rotation", (k, l), number, self._velocity(rest, still, right)))
            for k in range(r):
                for j in range(r, m):
                    moved = self._velocity(_turn(m, j, k, unit), still, calm)
                    frame.append(FrameVector("left", (j, k), number, moved))
                for j in range(r, n):
                    moved = self._velocity(rest, still, _turn(n, j, k, unit))
                    frame.append(FrameVector("right", (j, k), number, moved))
        return frame

    def inner(self, Y: Array, Z: Array) -> float:
        """<Y, Z>, the real Frobenius product, halved over H."""
        return float(np.real(np.sum(Y.conj() * Z))) / (2 if self.field == "H" else 1)

    def grams(self, depth: float) -> tuple[Array, Array]:
        """The Gram matrices <F_i, F_j> and <F_i, A_N F_j> of the frame."""
        rank = len(self.sigma) * len(UNITS[self.field][0])
        operator = defined_operator(self.matrix, depth, rank)
        vectors = [vector.velocity for vector in self.frame()]
        moved = [operator(vector) for vector in vectors]
        flat, weighted = (np.array([[self.inner(F, G) for G in row] for F in vectors]) for row in (vectors, moved))
        return flat, weighted

    def gram(self, depth: float) -> Array:
        """g^N(F_i, F_j): with A F = F C on the tangent space, <F, A⁻¹ F> is B M⁻¹ B."""
        flat, moved = self.grams(depth)
        return flat @ np.linalg.solve(moved, flat)

    def log_volume(self, depth: float) -> float:
        """log √det g^N in the coframe."""
        flat, moved = self.grams(depth)
        (sign, log_flat), (other, log_moved) = np.linalg.slogdet(flat), np.linalg.slogdet(moved)
        assert sign == other == 1
        return float(log_flat - log_moved / 2)


# ---------------------------------------------------------------------------------- with 50 digits and more


def precise_multiplier(a: Any, b: Any, depth: int) -> mpmath.mpf:
    """The sum of the N terms a^(2(N-p)/N) b^(2(p-1)/N), with 0^0 = 1, in mpmath's precision."""
    terms = (
        _power(mpmath.mpf(a), mpmath.mpf(2 * (depth - p)) / depth)
        * _power(mpmath.mpf(b), mpmath.mpf(2 * (p - 1)) / depth)
        for p in range(1, depth + 1)
    )
    return mpmath.fsum(terms)


def integrated_multiplier(a: Any, b: Any) -> mpmath.mpf:
    """The integral of a^(2(1-s)) b^(2s) over 0 < s < 1: the multiplier at depth infinity."""
    a, b = mpmath.mpf(a), mpmath.mpf(b)
    return mpmath.quad(lambda s: a ** (2 * (1 - s)) * b ** (2 * s), [0, 1])


def _power(x: mpmath.mpf, exponent: mpmath.mpf) -> mpmath.mpf:
    return mpmath.mpf(1) if exponent == 0 else x**exponent


def _precise_power(gram: mpmath.matrix, exponent: mpmath.mpf, rank: int) -> mpmath.matrix:
    values, vectors = mpmath.eigsy(gram)
    null = len(values) - rank
    powers = [mpmath.mpf(0) if k < null and exponent != 0 else _power(values[k], exponent) for k in range(len(values))]
    return vectors * mpmath.diag(powers) * vectors.T


def precise_operator(X: mpmath.matrix, depth: int, rank: int) -> Callable[[mpmath.matrix], mpmath.matrix]:
    """A_N at X as a function of Z, in mpmath's working precision."""
    N = mpmath.mpf(depth)
    left = [_precise_power(X * X.T, (N - p) / N, rank) for p in range(1, depth + 1)]
    right = [_precise_power(X.T * X, (p - 1) / N, rank) for p in range(1, depth + 1)]

    def apply(Z: mpmath.matrix) -> mpmath.matrix:
        total = mpmath.zeros(Z.rows, Z.cols)
        for L, R in zip(left, right, strict=True):
            total += L * Z * R
        return total

    return apply


def precise_log_volume(sigma: Sequence[Any], shape: tuple[int, int], depth: int) -> mpmath.mpf:
    """log √det g^N at the diagonal matrix Σ̂, in mpmath's working precision.

    Frame vectors are brought to length 1, and A_N to one of order 1, since mpmath's determinant takes pivots far
    below the others for zero.
    """
    (m, n), r = shape, len(sigma)
    spectrum = mpmath.zeros(m, n)
    for k, value in enumerate(sigma):
        spectrum[k, k] = mpmath.mpf(value)
    operator = precise_operator(spectrum, depth, r)
    frame = []
    for k in range(r):
        frame.append(_precise_place(m, n, k, k))
    for side, left in ((m, True), (n, False)):
        for k in range(r):
            for j in range(k + 1, side):
                turn = _precise_place(side, side, k, j) - _precise_place(side, side, j, k)
                frame.append(turn * spectrum if left else -spectrum * turn)
    lengths = [mpmath.sqrt(_precise_inner(vector, vector)) for vector in frame]
    frame = [vector / length for vector, length in zip(frame, lengths, strict=True)]
    moved = [operator(vector) for vector in frame]
    flat, weighted = (
        mpmath.matrix([[_precise_inner(F, G) for G in vectors] for F in frame]) for vectors in (frame, moved)
    )
    scale = mpmath.fsum(map(mpmath.log, lengths)) - len(frame) * mpmath.log(weighted[0, 0]) / 2
    return scale + mpmath.log(mpmath.det(flat)) - mpmath.log(mpmath.det(weighted / weighted[0, 0])) / 2


def _precise_place(rows: int, columns: int, k: int, l: int) -> mpmath.matrix:
    place = mpmath.zeros(rows, columns)
    place[k, l] = mpmath.mpf(1)
    return place


def _precise_inner(Y: mpmath.matrix, Z: mpmath.matrix) -> mpmath.mpf:
    return mpmath.fsum(Y[i, j] * Z[i, j] for i in range(Y.rows) for j in range(Y.cols))
