r"""Rank-r matrices as X = U S Vᵀ, the points of the factored chart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from geometry import DeepLinearNetwork

from .network_kernels import explicit_shape

__all__ = ["FactoredMatrix", "balanced_start", "finite_matrix", "random_generator"]

Array = NDArray[np.float64]

ORTHONORMALITY_TOLERANCE = 1e-6
"""How far UᵀU and VᵀV of a given point may be from the identity: typing errors, not rounding."""


def finite_matrix(name: str, value: ArrayLike) -> Array:
    """A two-dimensional array of finite real numbers.

    Raises
    ------
    ValueError
        Naming the argument and what is wrong with it.
    """
    try:
        array = np.asarray(value)
        if np.iscomplexobj(array):
            raise ValueError(f"{name} must be real, not complex")
        array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a matrix of real numbers: {error}") from error
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must be a non-empty matrix, not an array of shape {array.shape}")
    if not np.isfinite(array).all():
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, but {name}[{place[0]}, {place[1]}] is {array[place]}")
    return array


@dataclass(frozen=True, eq=False)
class FactoredMatrix:
    """The matrix X = U S Vᵀ.

    Parameters
    ----------
    U : array (m, r)
        Orthonormal columns.
    S : array (r, r)
        Any invertible matrix; diagonal after `from_matrix`.
    V : array (n, r)
        Orthonormal columns.

    Raises
    ------
    ValueError
        If the shapes do not fit, an entry is not finite, or columns are not orthonormal.

    Examples
    --------
    >>> X = FactoredMatrix.from_matrix([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    >>> X.shape, X.rank, [round(float(value), 12) for value in X.singular_values]
    ((2, 3), 2, [3.0, 2.0])
    """

    U: Array
    S: Array
    V: Array

    def __post_init__(self) -> None:
        for name in "USV":
            object.__setattr__(self, name, finite_matrix(name, getattr(self, name)))
        r = self.S.shape[0]
        if self.S.shape != (r, r) or self.U.shape[1] != r or self.V.shape[1] != r:
            shapes = f"{self.U.shape}, {self.S.shape}, {self.V.shape}"
            raise ValueError(f"U, S, V must have shapes (m, r), (r, r), (n, r), not {shapes}")
        for name in "UV":
            defect = self._orthonormality_defect(getattr(self, name))
            if defect > ORTHONORMALITY_TOLERANCE:
                raise ValueError(
                    f"the columns of {name} must be orthonormal, but |{name}ᵀ{name} - I| is {defect:.1e}; "
                    "build the point with FactoredMatrix.from_matrix"
                )

    @staticmethod
    def _orthonormality_defect(columns: Array) -> float:
        return float(np.abs(columns.T @ columns - np.eye(columns.shape[1])).max())

    @classmethod
    def from_matrix(cls, X: ArrayLike, rank: int | None = None) -> FactoredMatrix:
        """The best approximation of rank r of a matrix, by its singular value decomposition.

        Raises
        ------
        ValueError
            If the rank is not between 1 and min(shape), or the matrix has a lower one.
        """
        matrix = finite_matrix("X", X)
        largest = min(matrix.shape)
        rank = largest if rank is None else rank
        if isinstance(rank, bool) or not isinstance(rank, int | np.integer) or not 1 <= rank <= largest:
            raise ValueError(f"rank must be an integer from 1 to {largest} for shape {matrix.shape}, not {rank!r}")
        U, sigma, Vt = np.linalg.svd(matrix, full_matrices=False)
        noise = np.finfo(float).eps * max(matrix.shape) * sigma[0]
        if sigma[rank - 1] <= noise:
            lower = int((sigma > noise).sum())
            if lower == 0:
                raise ValueError("X must have rank at least 1, but is zero")
            raise ValueError(f"X must have rank at least {rank}, but has numerical rank {lower}; choose rank={lower}")
        return cls(U[:, :rank], np.diag(sigma[:rank]), Vt[:rank].T)

    @classmethod
    def unchecked(cls, U: Array, S: Array, V: Array) -> FactoredMatrix:
        """U S Vᵀ as it is, for a solver's trial points, whose columns are not quite orthonormal."""
        point = object.__new__(cls)
        for name, value in (("U", U), ("S", S), ("V", V)):
            object.__setattr__(point, name, value)
        return point

    @classmethod
    def orthonormalized(cls, U: Array, S: Array, V: Array) -> FactoredMatrix:
        """U S Vᵀ with columns that are not quite orthonormal, brought back without changing the product."""
        left, upper = np.linalg.qr(U)
        right, lower = np.linalg.qr(V)
        # QR leaves the signs of the columns open; keep them, so that a trajectory stays continuous.
        left_sign, right_sign = (np.where(np.diag(factor) < 0, -1.0, 1.0) for factor in (upper, lower))
        core = (left_sign[:, None] * upper) @ S @ (right_sign[:, None] * lower).T
        return cls(left * left_sign, core, right * right_sign)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.U.shape[0], self.V.shape[0]

    @property
    def rank(self) -> int:
        """The number r of columns of U and V."""
        return self.S.shape[0]

    @cached_property
    def decomposition(self) -> tuple[Array, Array, Array]:
        """(UP, σ, VQ) with S = P diag(σ) Qᵀ: the singular value decomposition of X."""
        P, sigma, Qt = np.linalg.svd(self.S)
        return self.U @ P, sigma, self.V @ Qt.T

    @property
    def singular_values(self) -> Array:
        """(r,), decreasing."""
        return self.decomposition[1]

    def to_array(self) -> Array:
        """All of X, (m, n)."""
        return self.U @ self.S @ self.V.T

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """All of X where NumPy is given the point, as by an energy that is written for arrays."""
        if copy is False:
            raise ValueError("all entries of a FactoredMatrix are always computed anew; ask for copy=None")
        return np.asarray(self.to_array(), dtype=dtype)

    def __getitem__(self, key: Any) -> Any:
        """Entries of X, as of an array."""
        return self.to_array()[key]

    def entries(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Array:
        """X_ij at the given places, without forming X."""
        return np.einsum("ek,ek->e", (self.U @ self.S)[rows], self.V[columns])

    def orthonormality_defect(self) -> float:
        """max |UᵀU - I|, |VᵀV - I|."""
        return max(self._orthonormality_defect(self.U), self._orthonormality_defect(self.V))


def balanced_start(
    network: DeepLinearNetwork, scale: float = 1e-2, seed: int | np.random.Generator = 0
) -> FactoredMatrix:
    """A start with all singular values equal to `scale` and Haar-distributed singular spaces.

    At full rank m = n = r it is a multiple of a random orthogonal matrix.  Its layers are the
    balanced ones, W_p of singular values scale^(1/N).

    Raises
    ------
    ValueError
        If the scale is not positive and finite, or the seed is negative.
    """
    m, n = explicit_shape(network)
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be positive and finite, not {scale}")
    generator = random_generator(seed)
    r = network.coframe.rank
    U, V = (_random_orthonormal(side, r, generator) for side in (m, n))
    return FactoredMatrix(U, scale * np.eye(r), V)


def random_generator(seed: int | np.random.Generator) -> np.random.Generator:
    """The generator of a seed, or the generator itself.

    Raises
    ------
    ValueError
        If the seed is neither a non-negative integer nor a Generator.
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise ValueError(f"seed must be a non-negative integer or a numpy.random.Generator, not {seed!r}") from error


def _random_orthonormal(rows: int, columns: int, generator: np.random.Generator) -> Array:
    Q, R = np.linalg.qr(generator.standard_normal((rows, columns)))
    return np.asarray(Q * np.sign(np.diag(R)))
