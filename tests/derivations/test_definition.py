"""The points that derivations are checked at, against a brute force that shares no code with them."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import Rational, eye, oo

from derivations.definition import ExactPoint, FloatPoint, Point, PrecisePoint
from tests.definition import DefinedPoint, defined_operator

CASES = [((2, 2), 2), ((3, 2), 2), ((2, 4), 1), ((4, 4), 2)]
TOLERANCES: dict[type[Point], float] = {ExactPoint: 1e-9, PrecisePoint: 1e-11, FloatPoint: 1e-11}


def as_array(matrix: Any) -> NDArray[np.float64]:
    """In double precision."""
    if isinstance(matrix, mpmath.matrix):
        return np.array(matrix.tolist(), dtype=float).reshape(matrix.rows, matrix.cols)
    return np.array(matrix, dtype=float)


def as_defined(point: Point) -> DefinedPoint:
    """The same point for the other implementation."""
    return DefinedPoint(
        as_array(point.U), np.array([float(value) for value in point.singular_values]), as_array(point.V)
    )


@pytest.mark.parametrize("depth", [1, 2, 3, 5, oo])
@pytest.mark.parametrize("kind", [ExactPoint, PrecisePoint, FloatPoint])
@pytest.mark.parametrize(("shape", "rank"), CASES)
def test_operator_and_volume(kind: type[Point], depth: Any, shape: tuple[int, int], rank: int) -> None:
    if kind is ExactPoint and depth == oo:
        with pytest.raises((TypeError, ValueError)):
            kind(depth, shape, rank)
        return
    point = kind(depth, shape, rank, seed=5)
    defined, tolerance = as_defined(point), TOLERANCES[kind]
    Z = point.random_matrix()
    expected = defined_operator(defined.matrix, float(depth), rank)(as_array(Z))
    np.testing.assert_allclose(as_array(point.apply(Z)), expected, atol=tolerance * np.abs(expected).max())
    if depth != oo or shape == (rank, rank):
        log_volume = float(mpmath.log(mpmath.mpf(str(float(point.squared_volume()))))) / 2
        assert abs(log_volume - defined.log_volume(float(depth))) < 1e-8


@pytest.mark.parametrize("kind", [ExactPoint, PrecisePoint, FloatPoint])
def test_frame_spans_the_tangent_vectors(kind: type[Point]) -> None:
    point = kind(3, (4, 3), 2, seed=1)
    ours = [as_array(vector).ravel() for vector in point.frame()]
    theirs = [vector.velocity.ravel() for vector in as_defined(point).frame()]
    assert len(ours) == len(theirs) == len(point.tangent_indices()) == 10
    assert np.linalg.matrix_rank(ours, tol=1e-8) == np.linalg.matrix_rank([*ours, *theirs], tol=1e-8) == 10


def test_exact_points_are_rational() -> None:
    point = ExactPoint(3, (3, 2), 2, seed=2)
    assert eye(3) == point.U.T @ point.U
    assert all(root**3 == sigma for root, sigma in zip(point.roots, point.singular_values, strict=True))
    assert all(isinstance(entry, Rational) for entry in point.apply(point.random_matrix()))
    assert isinstance(point.squared_volume(), Rational)


def test_precise_points_are_precise() -> None:
    with mpmath.workdps(50):
        point = PrecisePoint(oo, (2, 2), 2, seed=3)
        a, b = point.singular_values
        weight = (point.U[:, 0].T @ point.apply(point.outer(0, 1)) @ point.V[:, 1])[0, 0]
        assert abs(weight - (a**2 - b**2) / (2 * mpmath.log(a / b))) < mpmath.mpf(10) ** -40
