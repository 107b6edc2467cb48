"""The points that derivations are checked at, against a brute force that shares no code with them."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import Rational, eye, oo

from derivations.definition import ExactPoint, FloatPoint, Point, PrecisePoint
from tests.definition import UNITS, DefinedPoint, defined_operator

CASES = [((2, 2), 2), ((3, 2), 2), ((2, 4), 1), ((4, 4), 2)]
TOLERANCES: dict[type[Point], float] = {ExactPoint: 1e-9, PrecisePoint: 1e-11, FloatPoint: 1e-11}


def as_array(matrix: Any) -> NDArray[np.float64]:
    """In double precision."""
    if isinstance(matrix, mpmath.matrix):
        return np.array(matrix.tolist(), dtype=float).reshape(matrix.rows, matrix.cols)
    return np.array(matrix, dtype=float)


def over_field(matrix: Any, field: str) -> NDArray[Any]:
    """A real block matrix as one of the units that the other implementation uses."""
    units, array = UNITS[field], as_array(matrix)
    beta = len(units)
    parts = (np.kron(array[number::beta, ::beta], unit) for number, unit in enumerate(units))
    return np.sum(list(parts), axis=0)


def as_defined(point: Point) -> DefinedPoint:
    """The same point for the other implementation."""
    sigma = np.array([float(value) for value in point.singular_values])
    return DefinedPoint(over_field(point.U, point.field), sigma, over_field(point.V, point.field), point.field)


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


FIELD_CASES = [
    (kind, depth, field, shape)
    for kind in (ExactPoint, PrecisePoint, FloatPoint)
    for field, shape in (("C", (2, 2)), ("C", (3, 2)), ("H", (2, 1)), ("H", (2, 2)))
    for depth in ((1, 2, 3) if kind is ExactPoint or shape[0] > shape[1] else (1, 2, 3, oo))
]
"""There are no rational points at infinite depth, and with null directions no inverse of the operator."""


@pytest.mark.parametrize(("kind", "depth", "field", "shape"), FIELD_CASES)
def test_fields(kind: type[Point], depth: Any, field: str, shape: tuple[int, int]) -> None:
    rank = min(shape)
    point = kind(depth, shape, rank, seed=5, field=field)
    defined = as_defined(point)
    Z = point.random_matrix()
    expected = defined_operator(defined.matrix, float(depth), rank * len(UNITS[field][0]))(over_field(Z, field))
    # Eigenvalues of X Xᴴ in double precision, condition of X below 10.
    np.testing.assert_allclose(over_field(point.apply(Z), field), expected, atol=1e-9 * np.abs(expected).max())
    log_volume = float(mpmath.log(mpmath.mpf(str(float(point.squared_volume()))))) / 2
    assert abs(log_volume - defined.log_volume(float(depth))) < 1e-8
    Y = point.outer(0, 0, 1) + point.outer(0, 0)
    assert abs(float((point.components(Y).T @ point.components(Y))[0, 0]) - 2) < 1e-12
