"""Matrices of rank r in batches: their frames, in closed form for r = 2.

A `Frames` stands for the matrices X = U diag(σ(y)) Vᵀ of many chains at once, with the flat coordinates y of
`geometry.radial_diffusion` for the singular values: these keep their relative accuracy in y, where σ = (y/√N)^N may
be far below the rounding errors of X.  Beyond the r singular vectors U and V hold orthonormal ones of the null spaces
that X can turn into.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Frames",
    "SingularBasis",
    "combined",
    "completed",
    "diagonal",
    "right_decomposition",
    "rotated",
    "skew_part",
    "spectral_decomposition",
    "svd",
    "symmetric_part",
    "transposed",
    "turned",
]

Array = NDArray[np.float64]


LARGEST_TURN = 8.0
"""Radians that a singular vector is turned by in one step at most: beyond them all directions are reached alike."""


@dataclass(frozen=True)
class Frames:
    """U and V, (chains, m, r) or completed to (chains, m, m), and y, (chains, r) in decreasing order."""

    U: Array
    y: Array
    V: Array

    @property
    def left(self) -> Array:
        """The singular vectors u_k, (chains, m, r)."""
        return self.U[..., : self.y.shape[-1]]

    @property
    def right(self) -> Array:
        """The singular vectors v_k, (chains, n, r)."""
        return self.V[..., : self.y.shape[-1]]

    def where(self, chosen: NDArray[np.bool_], other: Frames) -> Frames:
        """These frames where `chosen`, (chains,), and others elsewhere."""
        wide = chosen[:, None, None]
        return Frames(
            np.where(wide, self.U, other.U),
            np.where(chosen[:, None], self.y, other.y),
            np.where(wide, self.V, other.V),
        )


def transposed(matrices: Array) -> Array:
    """The transposes of a batch."""
    return np.swapaxes(matrices, -1, -2)


def symmetric_part(matrices: Array) -> Array:
    """(Z + Zᵀ)/2."""
    return (matrices + transposed(matrices)) / 2


def skew_part(matrices: Array) -> Array:
    """(Z - Zᵀ)/2."""
    return (matrices - transposed(matrices)) / 2


def diagonal(values: Array) -> Array:
    """The matrices with the diagonals (…, r)."""
    return values[..., None] * np.eye(values.shape[-1])


def svd(matrices: Array, determinants: Array | None = None) -> tuple[Array, Array, Array]:
    """P, s, Q with P diag(s) Qᵀ, s ≥ 0 decreasing; in closed form for 2 x 2, a tenth of LAPACK's time.

    Determinants (…,) that are known better than from the matrices make s_2 of 2 x 2 ones as accurate.
    """
    if matrices.shape[-1] != 2:
        P, s, Qt = np.linalg.svd(matrices)
        return P, s, transposed(Qt)
    # A rotation times (s_1 + s_2)/2 and a reflection times (s_1 - s_2)/2, with s_2 of the sign of the determinant.
    a, b, c, d = matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 0], matrices[..., 1, 1]
    mean, half = np.hypot(a + d, c - b) / 2, np.hypot(a - d, c + b) / 2
    difference, total = np.arctan2(c - b, a + d), np.arctan2(c + b, a - d)
    P, Q = rotation((total + difference) / 2), rotation((total - difference) / 2)
    last = mean - half if determinants is None else determinants / (mean + half)
    Q[..., :, 1] *= np.where(last < 0, -1.0, 1.0)[..., None]
    return P, np.stack([mean + half, np.abs(last)], axis=-1), Q


def right_decomposition(matrices: Array) -> tuple[Array, Array]:
    """s and R for P diag(s) Rᵀ with r columns, (…, r) and (…, r, r); through 2 x 2 matrices for r = 2."""
    columns = matrices.shape[-1]
    if columns > 2:
        _, s, Rt = np.linalg.svd(matrices, full_matrices=False)
        return s, transposed(Rt)
    R, _ = spectral_decomposition(transposed(matrices) @ matrices)
    # Not from their eigenvalues, which are squares and lose half of the digits.
    return np.linalg.norm(matrices @ R, axis=-2), R


def spectral_decomposition(symmetric: Array) -> tuple[Array, Array]:
    """P and y with P diag(y) Pᵀ, y decreasing; in closed form for 2 x 2."""
    if symmetric.shape[-1] != 2:
        values, vectors = np.linalg.eigh(symmetric)
        return vectors[..., ::-1], values[..., ::-1]
    a, b, d = symmetric[..., 0, 0], symmetric[..., 0, 1], symmetric[..., 1, 1]
    half = np.hypot((a - d) / 2, b)
    P = rotation(np.arctan2(2 * b, a - d) / 2)
    return P, np.stack([(a + d) / 2 + half, (a + d) / 2 - half], axis=-1)


def rotation(angle: Array) -> Array:
    """Rotations of the plane, (…, 2, 2)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cosine, -sine], axis=-1), np.stack([sine, cosine], axis=-1)], axis=-2)


def rotated(frames: Array, skew: Array) -> Array:
    """U exp(ω) to third order in ω, exactly orthogonal: Cayley's transform of ω/2; for the plane exp itself."""
    if skew.shape[-1] == 2:
        return frames @ rotation(skew[..., 1, 0])
    unit = np.eye(skew.shape[-1])
    return frames @ np.linalg.solve(unit - skew / 2, unit + skew / 2)


def turned(frames: Array, turn: Array | None, null: Array, inner: Array) -> Array:
    """Frames turned within the singular vectors and towards the null ones, the singular vectors then combined anew.

    Parameters
    ----------
    frames : array (…, m, r + s)
    turn : array (…, r, r) or None
        Skew: angles of u_k towards u_l.
    null : array (…, s, r)
        Angles of u_k towards the null directions.
    inner : array (…, r, r)
        Orthogonal: what the turned singular vectors are multiplied by.
    """
    null_count, rank = null.shape[-2:]
    if null_count == 0:
        return combined(frames if turn is None else rotated(frames, turn), inner)
    lengths = np.linalg.norm(null, axis=-2, keepdims=True)
    bounded = null * (LARGEST_TURN / np.maximum(lengths, LARGEST_TURN))
    skew = np.zeros((*null.shape[:-2], rank + null_count, rank + null_count))
    skew[..., rank:, :rank], skew[..., :rank, rank:] = bounded, -transposed(bounded)
    if turn is not None:
        skew[..., :rank, :rank] = turn
    return combined(rotated(frames, skew), inner)


def combined(frames: Array, inner: Array) -> Array:
    """Frames (…, m, r + s) with the singular vectors multiplied by orthogonal matrices (…, r, r)."""
    rank = inner.shape[-1]
    vectors = frames[..., :rank] @ inner
    return vectors if frames.shape[-1] == rank else np.concatenate([vectors, frames[..., rank:]], axis=-1)


def completed(vectors: Array, count: int) -> Array:
    """Orthonormal columns (…, m, r), and `count` = m - r more that complete them; or none."""
    if count == 0:
        return vectors
    basis, _ = np.linalg.qr(vectors, mode="complete")
    return np.concatenate([vectors, basis[..., vectors.shape[-1] :]], axis=-1)


class SingularBasis:
    """Coordinates (…, q) of tangent vectors in the frames of X, matrices (…, r + s, r + t) with no null-null entries.

    The diagonal comes first, then (Z_kl + Z_lk)/√2 and (Z_kl - Z_lk)/√2 for the pairs k < l, then the entries of the
    s null rows and of the t null columns: q = r² + (s + t) r.

    Attributes
    ----------
    rank, rows, columns : int
        r, s and t.
    dimension : int
        q.
    pairs : (array, array) of int
        k and l.
    null_places : array of int
        The k of each null entry.
    """

    def __init__(self, rank: int, rows: int = 0, columns: int = 0) -> None:
        self.rank, self.rows, self.columns = rank, rows, columns
        self.pairs = np.triu_indices(rank, 1)
        self.null_places = np.concatenate([np.tile(np.arange(rank), rows), np.repeat(np.arange(rank), columns)])
        self.dimension = rank * rank + len(self.null_places)
        basis = np.zeros((self.dimension, rank + rows, rank + columns))
        on_diagonal, off_diagonal = np.arange(rank), rank + np.arange(len(self.pairs[0]))
        basis[on_diagonal, on_diagonal, on_diagonal] = 1.0
        k, l = self.pairs
        for offset, sign in ((0, 1.0), (len(k), -1.0)):
            basis[off_diagonal + offset, k, l] = np.sqrt(0.5)
            basis[off_diagonal + offset, l, k] = sign * np.sqrt(0.5)
        null = rank * rank + np.arange(len(self.null_places))
        basis[null[: rows * rank], rank + np.repeat(np.arange(rows), rank), self.null_places[: rows * rank]] = 1.0
        basis[null[rows * rank :], self.null_places[rows * rank :], rank + np.tile(np.arange(columns), rank)] = 1.0
        self._basis = basis
        self._flat = basis.reshape(self.dimension, -1)
        self._core = basis[: rank * rank, :rank, :rank].reshape(rank * rank, rank * rank)

    @property
    def has_null_directions(self) -> bool:
        """Whether there are null rows or columns."""
        return len(self.null_places) > 0

    def coordinates(self, matrices: Array) -> Array:
        """(…, r + s, r + t) to (…, q)."""
        return matrices.reshape(*matrices.shape[:-2], -1) @ self._flat.T

    def joined(self, core: Array, null: Array) -> Array:
        """The coordinates (…, q) of a core (…, r, r) with null coordinates."""
        return np.concatenate([core.reshape(*core.shape[:-2], -1) @ self._core.T, null], axis=-1)

    def matrices(self, coordinates: Array) -> Array:
        """(…, q) to (…, r + s, r + t)."""
        return (coordinates @ self._flat).reshape(*coordinates.shape[:-1], *self._basis.shape[1:])

    def blocks(self, coordinates: Array) -> tuple[Array, Array, Array]:
        """The core (…, r, r), the null rows (…, s, r) and the null columns (…, r, t)."""
        matrices, r = self.matrices(coordinates), self.rank
        return matrices[..., :r, :r], matrices[..., r:, :r], matrices[..., :r, r:]

    def entries(self, symmetric: Array, null: Array) -> Array:
        """What coordinates are multiplied by, (…, q): entries by those of a symmetric matrix, null ones by (…, r)."""
        k, l = self.pairs
        diagonal_entries = np.diagonal(symmetric, axis1=-2, axis2=-1)
        parts = [diagonal_entries, symmetric[..., k, l], symmetric[..., k, l], null[..., self.null_places]]
        return np.concatenate(parts, axis=-1)

    def null_sums(self, coordinates: Array) -> Array:
        """For each k the sum of its null coordinates, (…, r)."""
        null, cut = coordinates[..., self.rank**2 :], self.rows * self.rank
        above = null[..., :cut].reshape(*null.shape[:-1], self.rows, self.rank).sum(axis=-2)
        return above + null[..., cut:].reshape(*null.shape[:-1], self.rank, self.columns).sum(axis=-1)

    def form(self, hessians: Array, U: Array, V: Array) -> Array:
        """A form on the entries of X, (…, mn, mn), in the coordinates of Uᵀ X V, (…, q, q)."""
        directions = U[..., None, :, :] @ self._basis @ transposed(V)[..., None, :, :]
        flat = directions.reshape(*directions.shape[:-2], -1)
        return flat @ hessians @ transposed(flat)
