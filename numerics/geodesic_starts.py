r"""Paths between two matrices of one rank, from which the search for a geodesic starts.

X = U₁ diag(σ) V₁ᵀ is joined with Y = U₂ diag(σ') V₂ᵀ by turning U₁ into U₂ D and V₁ into V₂ D, while the singular
values move to those of Dᵀ diag(σ') D along diagonal geodesics.  D is any signed permutation: the singular value
decomposition leaves it open, and each choice is a path in a class of its own.  Where U is square, only a D with
det(U₁ᵀU₂D) = 1 will do, and likewise for V.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise, permutations, product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import schur
from scipy.optimize import linear_sum_assignment
from sympy import symbols

from geometry import DeepLinearNetwork, Kernel, compile_kernel
from geometry.geodesic_closed_forms import path_between

from .factored import FactoredMatrix
from .network_kernels import network_kernels
from .riemannian import apply_operator

__all__ = ["ConnectingPath", "connecting_paths", "rotation_logarithm"]

Array = NDArray[np.float64]

LARGEST_ENUMERATION = 3
"""The rank up to which all signed permutations are tried."""

SEGMENTS = 12
"""Of a path, when its length is estimated."""


@lru_cache(maxsize=64)
def _diagonal_kernel(network: DeepLinearNetwork) -> Kernel:
    a, b, t = symbols("a b t", positive=True)
    return compile_kernel(path_between(network.metric, a, b, t), (a, b, t))


@dataclass(frozen=True, eq=False)
class Turn:
    """Orthonormal columns that turn: Re(frame exp(-i t angles) columns), (m, r).

    Attributes
    ----------
    frame : array (m, k)
        Complex: the eigenvectors of the rotation's logarithm.
    angles : array (k,)
    columns : array (k, r)
        The columns at the start, in the eigenvectors.
    """

    frame: NDArray[np.complex128]
    angles: Array
    columns: NDArray[np.complex128]

    def at(self, t: float) -> Array:
        """The columns at t, (m, r)."""
        return np.asarray(np.real((self.frame * np.exp(-1j * t * self.angles)) @ self.columns))


@dataclass(frozen=True, eq=False)
class ConnectingPath:
    """U(t) diag(σ(t)) V(t)ᵀ for 0 <= t <= 1.

    Attributes
    ----------
    network : DeepLinearNetwork
    left, right : Turn
        Of U and V.
    start, end : arrays (r,)
        The singular values, in matching order.
    """

    network: DeepLinearNetwork
    left: Turn
    right: Turn
    start: Array
    end: Array

    def at(self, t: float) -> FactoredMatrix:
        """The point of the path at t."""
        sigma = np.asarray(_diagonal_kernel(self.network)(self.start, self.end, t))
        return FactoredMatrix.orthonormalized(self.left.at(t), np.diag(sigma), self.right.at(t))

    def length(self) -> float:
        """Its length in the network's metric, from a few segments."""
        kernels, total = network_kernels(self.network), 0.0
        nodes = [self.at(t).to_array() for t in np.linspace(0, 1, SEGMENTS + 1)]
        for index, (before, after) in enumerate(pairwise(nodes)):
            U, sigma, V = self.at((index + 0.5) / SEGMENTS).decomposition
            change = after - before
            slowness = apply_operator(kernels, U, sigma, V, change, inverse=True)
            total += float(np.sqrt(max(np.sum(change * slowness), 0.0)))
        return total


def connecting_paths(network: DeepLinearNetwork, X: FactoredMatrix, Y: FactoredMatrix) -> list[ConnectingPath]:
    """Paths from X to Y, the shortest first; none where both sides are square and det X, det Y differ in sign."""
    (U1, first, V1), (U2, last, V2) = X.decomposition, Y.decomposition
    paths = []
    for D in _signed_permutations(np.abs(U1.T @ U2) + np.abs(V1.T @ V2)):
        left, right = _turn(U1, U2 @ D), _turn(V1, V2 @ D)
        if left is not None and right is not None:
            paths.append(ConnectingPath(network, left, right, first, np.abs(D).T @ last))
    return sorted(paths, key=ConnectingPath.length)


def _signed_permutations(likeness: Array) -> Iterator[Array]:
    """All of them in low dimension; else the best match of singular vectors, its exchanges, and all with few signs."""
    r = len(likeness)
    if r <= LARGEST_ENUMERATION:
        orders = [list(order) for order in permutations(range(r))]
        choices = [np.array(signs) for signs in product((1.0, -1.0), repeat=r)]
    else:
        best = [int(k) for k in linear_sum_assignment(-likeness)[1]]
        orders = [best, list(range(r))] if best != list(range(r)) else [best]
        choices = [np.ones(r)]
        for flipped in (*((k,) for k in range(r)), *combinations(range(r), 2)):
            signs = np.ones(r)
            signs[list(flipped)] = -1.0
            choices.append(signs)
    for order in orders:
        for signs in choices:
            D = np.zeros((r, r))
            D[order, range(r)] = signs
            yield D


def _turn(before: Array, after: Array) -> Turn | None:
    """The rotation of least angles that takes the columns `before` to `after`; None where it would reflect."""
    m, r = before.shape
    basis = np.linalg.svd(np.hstack([before, after]), full_matrices=False)[0][:, : min(2 * r, m)]
    here, there = (np.linalg.qr(basis.T @ columns, mode="complete")[0] for columns in (before, after))
    here[:, :r], there[:, :r] = basis.T @ before, basis.T @ after
    rest = slice(r, None)
    if len(basis.T) > r:
        left, _, right = np.linalg.svd(there[:, rest].T @ here[:, rest])
        fitted = there[:, rest] @ left
        if np.linalg.det(np.hstack([there[:, :r], fitted @ right]) @ here.T) < 0:
            fitted[:, -1] *= -1
        there[:, rest] = fitted @ right
    rotation = there @ here.T
    if np.linalg.det(rotation) < 0:
        return None
    angles, vectors = np.linalg.eigh(1j * rotation_logarithm(rotation))
    return Turn(basis @ vectors, angles, vectors.conj().T @ here[:, :r])


def rotation_logarithm(rotation: Array) -> Array:
    """The skew matrix of angles up to π whose exponential is a rotation; eigenvalues -1 are taken in pairs.

    Examples
    --------
    >>> rotation_logarithm(-np.eye(2)).round(12).tolist()
    [[0.0, -3.14159265359], [3.14159265359, 0.0]]
    """
    blocks, frame = schur(rotation, output="real")
    logarithm, k, reversed_axes = np.zeros_like(blocks), 0, []
    while k < len(blocks):
        if k + 1 < len(blocks) and abs(blocks[k + 1, k]) > 1e-12:
            angle = np.arctan2(blocks[k + 1, k], blocks[k, k])
            logarithm[k + 1, k], logarithm[k, k + 1] = angle, -angle
            k += 2
            continue
        if blocks[k, k] < 0:
            reversed_axes.append(k)
        k += 1
    for i, j in zip(reversed_axes[::2], reversed_axes[1::2], strict=True):
        logarithm[j, i], logarithm[i, j] = np.pi, -np.pi
    return np.asarray(frame @ logarithm @ frame.T)
