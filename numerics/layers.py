r"""Layers W_1, …, W_N of numbers: the points of the network's parameter space.

    X = W_N ⋯ W_1,     W_p of shape (d_p, d_{p-1}),     d_0 = n, d_N = m, hidden widths d_1, …, d_{N-1}.

The layer flow conserves the defects W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ; layers are balanced where they vanish.

Source: Arora, Cohen, Hazan, arXiv 1802.06509.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry import DeepLinearNetwork
from geometry.layers import defects

from .factored import FactoredMatrix, finite_matrix, random_generator
from .hidden_spaces import Width, hidden_frames, hidden_widths, layer_singular_values
from .network_kernels import explicit_shape

__all__ = ["Layers"]

Array = NDArray[np.float64]

BALANCED_TOLERANCE = 1e-10
"""The imbalance below which layers count as balanced: rounding, not a property of theirs."""


@dataclass(frozen=True, eq=False)
class Layers:
    """The layers W_1, …, W_N, W_1 first.

    Parameters
    ----------
    matrices : sequence of arrays (d_p, d_{p-1})
        At least one; neighbours fit.

    Raises
    ------
    ValueError
        If there are none, an entry is not finite, or two neighbours do not fit.

    Examples
    --------
    >>> layers = Layers([[[1.0, 0.0]], [[2.0], [0.0], [1.0]]])
    >>> len(layers), layers.widths, layers.shape
    (2, (2, 1, 3), (3, 2))
    >>> layers.defects()[0].tolist(), layers.product().to_array().round(12).tolist()
    ([[4.0]], [[2.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    """

    matrices: tuple[Array, ...]

    def __post_init__(self) -> None:
        matrices = tuple(finite_matrix(f"W_{p}", matrix) for p, matrix in enumerate(self.matrices, 1))
        if not matrices:
            raise ValueError("matrices must be a sequence of at least one layer, not an empty one")
        for p, (below, above) in enumerate(pairwise(matrices), 1):
            if above.shape[1] != below.shape[0]:
                raise ValueError(
                    f"W_{p + 1} must have as many columns as W_{p} has rows, but their shapes are "
                    f"{above.shape} and {below.shape}; W_1, which is applied first, comes first"
                )
        object.__setattr__(self, "matrices", matrices)

    @classmethod
    def unchecked(cls, matrices: Sequence[Array]) -> Layers:
        """Layers as they are, for a solver's own steps."""
        layers = object.__new__(cls)
        object.__setattr__(layers, "matrices", tuple(matrices))
        return layers

    @classmethod
    def balanced(
        cls,
        network: DeepLinearNetwork,
        point: FactoredMatrix,
        width: Width = None,
        seed: int | np.random.Generator | None = None,
    ) -> Layers:
        """Balanced layers over X = U Σ Vᵀ.

        W_1 = Q_1 Σ^{1/N} Vᵀ, W_p = Q_p Σ^{1/N} Q_{p-1}ᵀ, W_N = U Σ^{1/N} Q_{N-1}ᵀ with frames Q_p of r
        orthonormal columns in the hidden spaces.

        Parameters
        ----------
        network : DeepLinearNetwork
            Of finite depth.
        point : FactoredMatrix
            X, of the network's shape.
        width : int, sequence of int, or {"thin", "full"}, optional
            Of all hidden spaces, or of each; at least r.  "thin" is r (the default), "full" max(m, n).
        seed : int or Generator, optional
            For Haar-distributed frames; unless given Q_p are the first r columns of the identity, which keeps the
            digits of small singular values beside large ones.

        Raises
        ------
        ValueError
            If the depth is infinite, the shapes differ, or the width is below the rank.

        Examples
        --------
        >>> network = DeepLinearNetwork(3, (2, 2), 1)
        >>> point = FactoredMatrix.from_matrix([[8.0, 0.0], [0.0, 0.0]], 1)
        >>> layers = Layers.balanced(network, point, width=2)
        >>> layers.widths, layers[1].round(12).tolist(), layers.imbalance() < 1e-15
        ((2, 2, 2, 2), [[2.0, 0.0], [0.0, 0.0]], True)
        """
        shape, count = explicit_shape(network), network.layer_count()
        if point.shape != shape:
            raise ValueError(f"point must have the network's shape {shape}, not {point.shape}")
        U, sigma, V = point.decomposition
        hidden = hidden_widths(shape, point.rank, width, count - 1)
        frames = [V, *hidden_frames(hidden, point.rank, seed), U]
        core = layer_singular_values(sigma, count)
        return cls(tuple((above * core) @ below.T for below, above in pairwise(frames)))

    @classmethod
    def random(
        cls,
        network: DeepLinearNetwork,
        scale: float,
        width: Width = None,
        seed: int | np.random.Generator = 0,
    ) -> Layers:
        """Independent Gaussian entries, as networks are initialized: not balanced.

        The entries of W_p have the variance scale^{2/N}/d_{p-1}, so that the mean of |X|² is m scale² and the large
        singular values of X are of the order of `scale`.

        Parameters
        ----------
        network : DeepLinearNetwork
            Of finite depth.
        scale : float
            Positive.
        width : int, sequence of int, or {"thin", "full"}, optional
            Of all hidden spaces, or of each; at least the network's rank r.  "thin" is r (the default), "full"
            max(m, n).
        seed : int or Generator

        Raises
        ------
        ValueError
            If the depth is infinite, the scale is not positive and finite, or the width is below the rank.
        """
        (m, n), count = explicit_shape(network), network.layer_count()
        if not (np.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be positive and finite, not {scale}")
        generator = random_generator(seed)
        widths = (n, *hidden_widths((m, n), network.coframe.rank, width, count - 1), m)
        size = float(layer_singular_values(np.array([scale]), count)[0])
        entries = [generator.standard_normal((rows, columns)) for columns, rows in pairwise(widths)]
        return cls(tuple(size / np.sqrt(layer.shape[1]) * layer for layer in entries))

    @classmethod
    def from_vector(cls, vector: ArrayLike, shapes: Sequence[tuple[int, int]]) -> Layers:
        """Layers of the given shapes from their entries, W_1 first, row by row: views, not copies.

        Raises
        ------
        ValueError
            If the number of entries is not that of the shapes.
        """
        entries = np.asarray(vector, dtype=np.float64)
        bounds = [0, *accumulate(rows * columns for rows, columns in shapes)]
        if entries.shape != (bounds[-1],):
            raise ValueError(f"vector must have {bounds[-1]} entries for layers {shapes}, not shape {entries.shape}")
        pieces = zip(bounds[:-1], bounds[1:], shapes, strict=True)
        return cls.unchecked([entries[first:last].reshape(shape) for first, last, shape in pieces])

    def vector(self) -> Array:
        """All entries, W_1 first, row by row: what `from_vector` takes."""
        return np.concatenate([matrix.ravel() for matrix in self.matrices])

    def __len__(self) -> int:
        """N."""
        return len(self.matrices)

    def __iter__(self) -> Iterator[Array]:
        return iter(self.matrices)

    def __getitem__(self, position: int) -> Array:
        return self.matrices[position]

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(d_p, d_{p-1}) for p = 1 … N."""
        return tuple((matrix.shape[0], matrix.shape[1]) for matrix in self.matrices)

    @property
    def widths(self) -> tuple[int, ...]:
        """(d_0, …, d_N) = (n, hidden widths, m)."""
        return (self.matrices[0].shape[1], *(matrix.shape[0] for matrix in self.matrices))

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n) of the product."""
        return self.matrices[-1].shape[0], self.matrices[0].shape[1]

    @property
    def largest_rank(self) -> int:
        """The largest rank that the product can have: the smallest width."""
        return min(self.widths)

    def product(self, rank: int | None = None) -> FactoredMatrix:
        """X = W_N ⋯ W_1 as U S Vᵀ; with hidden widths below m and n nothing of the size of X is formed.

        Parameters
        ----------
        rank : int, optional
            The best approximation of that rank; `largest_rank` unless given.

        Raises
        ------
        ValueError
            If the rank is not between 1 and `largest_rank`.
        """
        rank = self.largest_rank if rank is None else rank
        if not 1 <= rank <= self.largest_rank:
            raise ValueError(f"rank must be between 1 and the smallest width {self.largest_rank}, not {rank}")
        first, last = self.matrices[0], self.matrices[-1]
        if len(self) == 1:
            return _leading(np.eye(first.shape[0]), first, np.eye(first.shape[1]), rank)
        core = np.eye(first.shape[0])
        for matrix in self.matrices[1:-1]:
            core = matrix @ core
        if last.shape[1] == first.shape[0] == rank:
            return FactoredMatrix.orthonormalized(last, core, first.T)
        (left, upper), (right, lower) = np.linalg.qr(last), np.linalg.qr(first.T)
        return _leading(left, upper @ core @ lower.T, right, rank)

    def defects(self) -> tuple[Array, ...]:
        """W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ for p = 1 … N-1, each (d_p, d_p): conserved by the layer flow."""
        return tuple(np.asarray(defect) for defect in defects(self.matrices))

    def imbalance(self) -> float:
        """The largest defect relative to the largest layer, max |D_p| / max |W_p|², in Frobenius norms: 0 … 1."""
        largest = max(float(np.sum(matrix**2)) for matrix in self.matrices)
        worst = max((float(np.linalg.norm(defect)) for defect in self.defects()), default=0.0)
        return worst / largest if largest > 0 else 0.0

    def is_balanced(self, tolerance: float = BALANCED_TOLERANCE) -> bool:
        """Whether the imbalance is below a tolerance."""
        return self.imbalance() <= tolerance

    def defect_change(self, earlier: Layers) -> float:
        """The largest entry of the difference of the defects from those of other layers of the same shapes."""
        pairs = zip(self.defects(), earlier.defects(), strict=True)
        return max((float(np.abs(now - before).max()) for now, before in pairs), default=0.0)

    def require_network(self, network: DeepLinearNetwork) -> None:
        """Refuse a network that these are not layers of.

        Balanced layers keep the rank of their product, which may then be any that the widths allow; others reach the
        largest one.

        Raises
        ------
        ValueError
            If the number of layers, the shape or the rank of X differs, or the network's flow is the projected one.
        """
        shape, count, rank = explicit_shape(network), network.layer_count(), network.coframe.rank
        if network.is_projected:
            raise ValueError(
                "at depth 1 a single layer leaves the matrices of rank r < min(m, n), the network's flow does not; "
                "use chart='factored' for the projected flow, or rank=min(m, n)"
            )
        if len(self) != count:
            raise ValueError(f"layers must be as many as the network is deep, {count}, not {len(self)}")
        if self.shape != shape:
            raise ValueError(f"layers must have a product of the network's shape {shape}, not {self.shape}")
        if self.largest_rank < rank:
            raise ValueError(
                f"layers of widths {self.widths} have no product of the network's rank {rank}; "
                f"widen them, or take rank={self.largest_rank}"
            )
        if self.largest_rank > rank and not self.is_balanced():
            raise ValueError(
                f"layers of widths {self.widths} that are not balanced (imbalance {self.imbalance():.1e}) move X "
                f"through matrices of rank {self.largest_rank}, not of the network's rank {rank}; take a network of "
                f"rank={self.largest_rank}, or balanced layers"
            )


def _leading(left: Array, core: Array, right: Array, rank: int) -> FactoredMatrix:
    """The best approximation of left · core · rightᵀ of a rank; left and right have orthonormal columns."""
    P, sigma, Qt = np.linalg.svd(core, full_matrices=False)
    return FactoredMatrix(left @ P[:, :rank], np.diag(sigma[:rank]), right @ Qt[:rank].T)
