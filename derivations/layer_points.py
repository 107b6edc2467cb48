r"""Layers at the points of the definition: W_p = Q_p Λ Q_{p-1}ᵀ with random frames, and how far off matrices are.

Like `derivations.definition` it works in rational numbers, with mpmath and in floating point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sympy import Expr, Integer

from .definition import Point

__all__ = [
    "balanced_layers_over",
    "directions",
    "inner_product",
    "matrix_of",
    "random_invertible",
    "random_layers",
    "relative_size",
    "tangent_vector",
]

Matrices = Sequence[Any]


def matrix_of(point: Point) -> Any:
    """X = U Σ Vᵀ."""
    size = point.beta * point.rank
    return point.U[:, 0:size] @ _core(point, point.singular_values) @ point.V[:, 0:size].T


def balanced_layers_over(point: Point, wider: int = 0) -> list[Any]:
    """Balanced layers with the product X, the hidden spaces `wider` than the rank, with random frames in them."""
    depth, size = int(point.depth), point.beta * point.rank
    hidden = [point.unitary_matrix(point.rank + wider)[:, 0:size] for _ in range(depth - 1)]
    frames = [point.V[:, 0:size], *hidden, point.U[:, 0:size]]
    core = _core(point, [_root(sigma, depth) for sigma in point.singular_values])
    return [frames[p] @ core @ frames[p - 1].T for p in range(1, depth + 1)]


def random_layers(point: Point, wider: int = 0) -> list[Any]:
    """Layers of no particular kind between spaces of the dimensions n, r + wider, …, m."""
    (m, n), beta = point.shape, point.beta
    widths = (n, *[point.rank + wider] * (int(point.depth) - 1), m)
    layers = []
    for rows, columns in zip(widths[1:], widths[:-1], strict=True):
        some, other = (point.unitary_matrix(max(rows, columns)) for _ in range(2))
        layers.append((point.random() * some + point.random() * other)[0 : beta * rows, 0 : beta * columns])
    return layers


def directions(point: Point, layer: Any) -> Iterator[Any]:
    """The matrices of the shape of a layer with one unit of the field, the others zero: an orthonormal basis."""
    rows, columns = (size // point.beta for size in _shape(layer))
    for i in range(rows):
        for j in range(columns):
            for number in range(point.beta):
                unit = 0 * layer
                point.add_block(unit, i, j, number, 1)
                yield unit


def _core(point: Point, values: Sequence[Any]) -> Any:
    """The diagonal matrix over the field."""
    core = point.matrix(point.beta * len(values), point.beta * len(values))
    for k, value in enumerate(values):
        for i in range(point.beta * k, point.beta * (k + 1)):
            core[i, i] = value
    return core


def _root(sigma: Any, depth: int) -> Any:
    """σ^{1/N}, exact where σ is a rational N-th power."""
    return sigma ** (1 / Integer(depth)) if isinstance(sigma, Expr) else sigma ** (sigma / sigma / depth)


def tangent_vector(point: Point) -> Any:
    """A random tangent vector of the matrices of rank r."""
    first, *others = (point.random() * point.outer(*element) for element in point.tangent_basis())
    return sum(others, first)


def random_invertible(point: Point) -> tuple[Any, Any]:
    """A random invertible matrix of the side r over the field, and its inverse."""
    size = point.beta * point.rank
    turn, other = point.unitary_matrix(point.rank), point.unitary_matrix(point.rank)
    stretch = [1 + abs(point.random()) for _ in range(point.rank)]
    straight, back = (_core(point, values) for values in (stretch, [1 / value for value in stretch]))
    return (turn @ straight @ other)[0:size, 0:size], (other.T @ back @ turn.T)[0:size, 0:size]


def inner_product(first: Matrices, second: Matrices) -> Any:
    """The sum of the products of all entries of two sequences of matrices."""
    return sum(Y[place] * Z[place] for Y, Z in zip(first, second, strict=True) for place in _places(Y))


def relative_size(differences: Matrices, others: Matrices) -> float:
    """|differences|/|others|; exactly zero where the differences vanish exactly, or there are none."""
    small = inner_product(differences, differences)
    return float(abs(small)) ** 0.5 / float(abs(inner_product(others, others))) ** 0.5 if small != 0 else 0.0


def _places(matrix: Any) -> Iterator[tuple[int, int]]:
    rows, columns = _shape(matrix)
    return ((i, j) for i in range(rows) for j in range(columns))


def _shape(matrix: Any) -> tuple[int, int]:
    return matrix.shape if hasattr(matrix, "shape") else (matrix.rows, matrix.cols)
