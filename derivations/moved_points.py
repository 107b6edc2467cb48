r"""The points of the definition with other singular values or vectors: X carried to P X Qᵀ, Xᵀ, c X or X⁻¹."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from .definition import Point

__all__ = ["inverted", "moved", "rotated", "scaled", "transposed"]


def moved(point: Point, left: Any, singular_values: Sequence[Any], right: Any) -> Point:
    """The point with the complete orthogonal matrices `left` and `right` and other singular values.

    On the exact route these must be rational N-th powers.
    """
    other = copy.copy(point)
    other.shape = (_rows(left) // point.beta, _rows(right) // point.beta)
    other.place(left, list(singular_values), right)
    return other


def _rows(matrix: Any) -> int:
    return int(matrix.rows) if hasattr(matrix, "rows") else len(matrix)


def rotated(point: Point, left: Any, right: Any) -> Point:
    """P X Qᵀ."""
    return moved(point, left @ point.U, point.singular_values, right @ point.V)


def transposed(point: Point) -> Point:
    """Xᵀ."""
    return moved(point, point.V, point.singular_values, point.U)


def scaled(point: Point, factor: Any) -> Point:
    """The point with c X, c = factor."""
    return moved(point, point.U, [factor * value for value in point.singular_values], point.V)


def inverted(point: Point) -> Point:
    """X⁻¹; its singular values increase."""
    return moved(point, point.V, [1 / value for value in point.singular_values], point.U)
