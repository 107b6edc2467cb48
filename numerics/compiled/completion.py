r"""Velocities of completion problems in machine code, for problems that fit into the cache.

One pass over the observed entries forms the residuals and both products with them; nothing is allocated.  All thin
matrices have rows that are filled up with zeros, so that a row is a vector of the processor (see `row_vectors`).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .addresses import call_two
from .machine_code import compiled
from .matrices import (
    copy,
    copy_negative,
    copy_transposed,
    copy_vector,
    decompose,
    decompose_by_library,
    factorize,
    left_transposed_product,
    product,
    right_transposed_product,
)
from .row_vectors import add_row, copy_row, padded_width, row_product, sampled_row
from .velocity import core_velocity_by

__all__ = [
    "Entries",
    "Flow",
    "LayersFlow",
    "Quadratic",
    "factored_velocity",
    "factored_watch",
    "frozen_velocity",
    "layers_velocity",
    "layers_watch",
    "rows_for",
]

Entries = namedtuple("Entries", "pointers columns values weights")
"""The observed entries, row by row; no weights where all are one."""

Flow = namedtuple("Flow", "pair null_rate left right curvature")
"""The addresses of λ(a, b) and λ(a, 0)/a; the numbers of entries of U and of V among the coordinates; the typical
curvature of the energy."""

Quadratic = namedtuple("Quadratic", "slope curvature")
"""b and H of an energy <b, S> + ½ <S, H S> of S as a vector."""

LayersFlow = namedtuple("LayersFlow", "speed below defects curvature")
"""A factor of the velocity; room for products of layers (N - 1, width, width); the defects at the start, of the same
shape; the typical curvature of the energy."""

Rows = namedtuple("Rows", "U V left right slope_right slope_left small block turn product rotated P Q sigma pivots")
"""Arrays to work in: the first seven have rows that are filled up, the others the size of S.

Nothing but zeros may stay where rows are filled up: an overflow leaves NaN there, so what is read is filled afresh.
"""

LARGEST_JACOBI = 10
"""Up to this rank rotations are faster than LAPACK's singular value decomposition."""


def rows_for(U: Any, V: Any) -> Rows:
    """Arrays to work in, with the columns of U and V in the first two."""
    r: int = U.shape[1]
    width = padded_width(r)
    left, right = np.zeros((len(U), width)), np.zeros((len(V), width))
    left[:, :r], right[:, :r] = U, V
    thin = (np.zeros_like(columns) for columns in (left, right, left, right))
    filled = left, right, *thin, np.zeros((r, width))
    square = (np.zeros((r, r)) for _ in range(6))
    return Rows._make((*filled, *square, np.zeros(r), np.zeros(r, dtype=np.int64)))


@lru_cache(maxsize=16)
def _products(width: int, weighted: bool) -> Callable[..., None]:
    """(left, entries, rows): rows.slope_right = ∇E V and rows.slope_left = ∇Eᵀ U at X = left Vᵀ."""
    add_sampled_row = sampled_row(width, weighted)

    def products(left: Any, entries: Any, rows: Any) -> None:
        rows.slope_left[:] = 0.0
        for i in range(left.shape[0]):
            begin, end = np.int64(entries.pointers[i]), np.int64(entries.pointers[i + 1])
            add_sampled_row(
                i,
                begin,
                end,
                entries.columns,
                entries.values,
                entries.weights,
                left,
                rows.V,
                rows.U,
                rows.slope_right,
                rows.slope_left,
            )

    return compiled(products)


@lru_cache(maxsize=16)
def _thin_products(rank: int) -> tuple[Callable[..., None], ...]:
    """A B of a thin A and a small B, the same added to what is there, and Aᵀ B of thin A and B."""
    width = padded_width(rank)
    set_product, add_product, add = row_product(width), row_product(width, adds=True), add_row(width)

    def thin_product(A: Any, B: Any, result: Any) -> None:
        for i in range(A.shape[0]):
            set_product(A, i, rank, B, result)

    def add_thin_product(A: Any, B: Any, result: Any) -> None:
        for i in range(A.shape[0]):
            add_product(A, i, rank, B, result)

    def gram(A: Any, B: Any, result: Any) -> None:
        result[:] = 0.0
        for i in range(A.shape[0]):
            for k in range(rank):
                add(A[i, k], B, i, result, k)

    return compiled(thin_product), compiled(add_thin_product), compiled(gram)


@lru_cache(maxsize=16)
def _copies(rank: int) -> tuple[Callable[..., None], ...]:
    """From an array of `rank` columns into one whose rows are filled up, and back."""
    fill_row, take_row = (copy_row(rank, padded_width(rank), fills) for fills in (True, False))

    def fill(source: Any, target: Any) -> None:
        for i in range(source.shape[0]):
            fill_row(source, target, i)

    def take(source: Any, target: Any) -> None:
        for i in range(source.shape[0]):
            take_row(source, target, i)

    return compiled(fill), compiled(take)


def _decomposition(rank: int) -> Any:
    return decompose if rank <= LARGEST_JACOBI else decompose_by_library


@lru_cache(maxsize=16)
def factored_velocity(rank: int, weighted: bool) -> Callable[..., None]:
    """(coordinates, (flow, entries, rows), result): the velocity in the coordinates (S, U, V).

    What rows.U and rows.V hold stays, where the coordinates do not contain them.
    """
    products, (thin_product, add_thin_product, gram) = _products(padded_width(rank), weighted), _thin_products(rank)
    fill, take = _copies(rank)
    core_velocity = core_velocity_by(_decomposition(rank))
    first = rank * rank

    def velocity(coordinates: Any, data: Any, result: Any) -> None:
        flow, entries, rows = data
        m, n, second = rows.U.shape[0], rows.V.shape[0], first + flow.left
        S = coordinates[:first].reshape(rank, rank)
        if flow.left > 0:
            fill(coordinates[first:second].reshape(m, rank), rows.U)
        if flow.right > 0:
            fill(coordinates[second:].reshape(n, rank), rows.V)
        fill(S, rows.small)
        thin_product(rows.U, rows.small, rows.left)
        products(rows.left, entries, rows)
        gram(rows.U, rows.slope_right, rows.small)
        copy(rows.small[:, :rank], rows.block)
        core_velocity(S, rows.block, flow, rows, result[:first].reshape(rank, rank))
        if flow.left > 0:
            copy_negative(rows.block, rows.product)
            fill(rows.product, rows.small)
            add_thin_product(rows.U, rows.small, rows.slope_right)
            copy_negative(rows.turn, rows.product)
            fill(rows.product, rows.small)
            thin_product(rows.slope_right, rows.small, rows.left)
            take(rows.left, result[first:second].reshape(m, rank))
        if flow.right > 0:
            copy_negative(rows.block.T, rows.product)
            fill(rows.product, rows.small)
            add_thin_product(rows.V, rows.small, rows.slope_left)
            copy_negative(rows.turn.T, rows.product)
            fill(rows.product, rows.small)
            thin_product(rows.slope_left, rows.small, rows.right)
            take(rows.right, result[second:].reshape(n, rank))

    return compiled(velocity)


@lru_cache(maxsize=16)
def frozen_velocity(rank: int) -> Callable[..., None]:
    """(S, (flow, quadratic, rows), result): the velocity of S in frozen spaces, for a quadratic energy of S."""
    core_velocity = core_velocity_by(_decomposition(rank))
    size = rank * rank

    def velocity(coordinates: Any, data: Any, result: Any) -> None:
        flow, quadratic, rows = data
        block = rows.block.reshape(size)
        copy_vector(quadratic.slope, block)
        for k in range(size):
            weight, row = coordinates[k], quadratic.curvature[k]
            for l in range(size):
                block[l] += weight * row[l]
        S = coordinates.reshape(rank, rank)
        core_velocity(S, rows.block, flow, rows, result.reshape(rank, rank))

    return compiled(velocity)


@lru_cache(maxsize=16)
def factored_watch(rank: int) -> Callable[..., tuple[float, float, float, float]]:
    """(coordinates, (flow, entries, rows)): what `factored_inspection` says, with the fastest rate for σ_1."""
    _, _, gram = _thin_products(rank)
    fill, _ = _copies(rank)
    decomposition = _decomposition(rank)
    first = rank * rank

    def watch(coordinates: Any, data: Any) -> tuple[Any, Any, Any, Any]:
        flow, _, rows = data
        m, n, second = rows.U.shape[0], rows.V.shape[0], first + flow.left
        S = coordinates[:first].reshape(rank, rank)
        drift, mixed = 0.0, 0.0
        if flow.left > 0:
            fill(coordinates[first:second].reshape(m, rank), rows.U)
            gram(rows.U, rows.U, rows.small)
            drift = max(drift, _distance_from_identity(rows.small, rank))
        if flow.right > 0:
            fill(coordinates[second:].reshape(n, rank), rows.V)
            gram(rows.V, rows.V, rows.small)
            drift = max(drift, _distance_from_identity(rows.small, rank))
        for k in range(rank):
            for l in range(rank):
                if l != k:
                    mixed = max(mixed, abs(S[k, l]))
        decomposition(S, rows.P, rows.sigma, rows.Q)
        smallest, largest = rows.sigma.min(), rows.sigma.max()
        copy(S, rows.block)
        sign = factorize(rows.block, rows.pivots)
        rate = flow.curvature * call_two(flow.pair, largest, largest)
        return drift, sign, rate, smallest * largest / mixed**2 if mixed > 0.0 else np.inf

    return compiled(watch)


@compiled
def _distance_from_identity(gram: Any, rank: int) -> float:
    distance = 0.0
    for k in range(rank):
        for l in range(rank):
            distance = max(distance, abs(gram[k, l] - (1.0 if k == l else 0.0)))
    return distance


@lru_cache(maxsize=16)
def layers_velocity(width: int, weighted: bool) -> Callable[..., None]:
    r"""(coordinates, (layers, entries, rows), result): the velocity of layers whose hidden widths are all alike.

    With C = W_{N-1} ⋯ W_2, of the size of the hidden width, and one pass over the observed entries,

        dW_1/dt = -(∇Eᵀ W_N C)ᵀ,     dW_N/dt = -∇E W_1ᵀ Cᵀ,     dW_p/dt = -A_pᵀ (W_Nᵀ ∇E W_1ᵀ) B_pᵀ,

    A_p = W_{N-1} ⋯ W_{p+1}, B_p = W_{p-1} ⋯ W_2.  See `layer_gradients`, the same for all energies and widths.
    """
    products, (thin_product, _, gram) = _products(padded_width(width), weighted), _thin_products(width)
    fill, take = _copies(width)

    def velocity(coordinates: Any, data: Any, result: Any) -> None:
        layers, entries, rows = data
        below = layers.below
        m, n, inner = rows.U.shape[0], rows.V.shape[0], below.shape[0] - 1
        first, last = width * n, width * n + inner * width * width
        between = coordinates[first:last].reshape(inner, width, width)
        copy_transposed(coordinates[:first].reshape(width, n), rows.V)
        fill(coordinates[last:].reshape(m, width), rows.U)
        if inner == 0:
            products(rows.U, entries, rows)
            copy_transposed(rows.slope_left[:, :width], result[:first].reshape(width, n))
            take(rows.slope_right, result[last:].reshape(m, width))
            _scale(result, -layers.speed)
            return
        # below[p] is the product of the first p of the layers between.
        for p in range(inner):
            product(between[p], below[p], below[p + 1])
        fill(below[inner], rows.small)
        thin_product(rows.U, rows.small, rows.left)
        products(rows.left, entries, rows)
        thin_product(rows.slope_left, rows.small, rows.right)
        copy_transposed(rows.right[:, :width], result[:first].reshape(width, n))
        copy_transposed(below[inner], rows.product)
        fill(rows.product, rows.small)
        thin_product(rows.slope_right, rows.small, rows.left)
        take(rows.left, result[last:].reshape(m, width))
        # above is A_pᵀ times W_Nᵀ ∇E W_1ᵀ.
        gram(rows.U, rows.slope_right, rows.small)
        above, turned = rows.block, rows.product
        copy(rows.small[:, :width], above)
        moved = result[first:last].reshape(inner, width, width)
        for p in range(inner - 1, -1, -1):
            right_transposed_product(above, below[p], moved[p])
            left_transposed_product(between[p], above, turned)
            above, turned = turned, above
        _scale(result, -layers.speed)

    return compiled(velocity)


@compiled
def _scale(vector: Any, factor: float) -> None:
    for k in range(len(vector)):
        vector[k] *= factor


@lru_cache(maxsize=16)
def layers_watch(width: int) -> Callable[..., tuple[float, float, float, float]]:
    """(coordinates, (layers, entries, rows)) for balanced layers: the change of the defects and the fastest rate.

    There is no orientation, as not all layers are square, and no chart with a better resolution.
    """
    _, _, gram = _thin_products(width)
    fill, _ = _copies(width)

    def watch(coordinates: Any, data: Any) -> tuple[Any, Any, Any, Any]:
        layers, _, rows = data
        m, n, inner = rows.U.shape[0], rows.V.shape[0], layers.below.shape[0] - 1
        first, last = width * n, width * n + inner * width * width
        between = coordinates[first:last].reshape(inner, width, width)
        copy_transposed(coordinates[:first].reshape(width, n), rows.V)
        fill(coordinates[last:].reshape(m, width), rows.U)
        gram(rows.V, rows.V, rows.small)
        change, inside, outside = 0.0, rows.block, rows.product
        copy(rows.small[:, :width], outside)
        for p in range(inner + 1):
            if p < inner:
                left_transposed_product(between[p], between[p], inside)
            else:
                gram(rows.U, rows.U, rows.small)
                copy(rows.small[:, :width], inside)
            for k in range(width):
                for l in range(width):
                    change = max(change, abs(inside[k, l] - outside[k, l] - layers.defects[p, k, l]))
            if p < inner:
                right_transposed_product(between[p], between[p], outside)
        decompose(inside, rows.P, rows.sigma, rows.Q)
        rate = layers.curvature * layers.speed * (inner + 2) * rows.sigma.max() ** (inner + 1)
        return change, 0.0, rate, np.inf

    return compiled(watch)
