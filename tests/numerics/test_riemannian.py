"""The geometry at a numeric matrix against A_N by brute force, and its invariances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Expr, Symbol, oo

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, inner_product, log_volume, operator
from tests.definition import DefinedPoint, defined_operator, random_unitary

CASES = [((2, 2), 2), ((4, 3), 3), ((3, 4), 2), ((4, 4), 2), ((1, 3), 1)]
SEEDS = st.integers(min_value=0, max_value=2**32 - 1)
DEPTHS = st.sampled_from([2, 3, 7, oo])


def defined_point(shape: tuple[int, int], rank: int, seed: int) -> DefinedPoint:
    """Singular values between 0.5 and 2.5, apart from each other."""
    generator = np.random.default_rng(seed)
    sigma = np.sort(0.5 + 2 * (np.arange(rank) + generator.uniform(0.2, 0.8, rank)) / rank)[::-1]
    return DefinedPoint.random(shape, sigma, generator)


def tangents(point: DefinedPoint, count: int, seed: int) -> list[np.ndarray]:
    """Random combinations of the frame."""
    generator = np.random.default_rng(seed)
    frame = [vector.velocity for vector in point.frame()]
    return [sum(c * F for c, F in zip(generator.standard_normal(len(frame)), frame, strict=True)) for _ in range(count)]


# -------------------------------------------------------------------------------------- against the definition


@pytest.mark.parametrize("depth", [2, 3, 8, oo])
@pytest.mark.parametrize(("shape", "rank"), CASES)
def test_operator_is_the_definition(depth: Any, shape: tuple[int, int], rank: int) -> None:
    point = defined_point(shape, rank, 1)
    Z = np.random.default_rng(2).standard_normal(shape)
    expected = defined_operator(point.matrix, float(depth), rank)(Z)
    result = operator(DeepLinearNetwork(depth, shape, rank), point.matrix)(Z)
    # The oracle's powers of X Xᵀ: 1e-15 times a condition of 25.
    np.testing.assert_allclose(result, expected, atol=1e-12 * np.linalg.norm(expected))
    assert np.linalg.norm(expected) > 0.1


@pytest.mark.parametrize("depth", [2, 5])
def test_rescaled_operator_is_divided_by_the_depth(depth: int) -> None:
    point = defined_point((3, 2), 2, 3)
    Z = np.random.default_rng(4).standard_normal((3, 2))
    rescaled = operator(DeepLinearNetwork(depth, (3, 2), rescaled=True), point.matrix)(Z)
    np.testing.assert_allclose(depth * rescaled, defined_operator(point.matrix, depth)(Z), rtol=1e-11)


def test_depth_one_is_the_identity_or_the_projection() -> None:
    Z = np.random.default_rng(5).standard_normal((4, 3))
    full = defined_point((4, 3), 3, 6)
    np.testing.assert_allclose(operator(DeepLinearNetwork(1, (4, 3)), full.matrix)(Z), Z, atol=1e-13)
    low = defined_point((4, 3), 2, 6)
    projected = operator(DeepLinearNetwork(1, (4, 3), 2), low.matrix)(Z)
    frame = np.array([vector.velocity.ravel() for vector in low.frame()]).T
    # Least squares in the span of the frame.
    expected = frame @ np.linalg.lstsq(frame, Z.ravel(), rcond=None)[0]
    np.testing.assert_allclose(projected.ravel(), expected, atol=1e-13)


@pytest.mark.parametrize("depth", [1, 2, 3, 8])
@pytest.mark.parametrize(("shape", "rank"), CASES)
def test_inner_product_is_the_gram_matrix(depth: int, shape: tuple[int, int], rank: int) -> None:
    point = defined_point(shape, rank, 7)
    network, frame = DeepLinearNetwork(depth, shape, rank), point.frame()
    result = np.array([[inner_product(network, point.matrix, F.velocity, G.velocity) for G in frame] for F in frame])
    np.testing.assert_allclose(result, point.gram(depth), atol=1e-11)


def test_inner_product_at_infinite_depth() -> None:
    point = defined_point((3, 3), 3, 8)
    network, (Y, Z) = DeepLinearNetwork(oo, (3, 3)), tangents(point, 2, 9)
    moved = defined_operator(point.matrix, np.inf)(Z)
    # <Y, A⁻¹ A Z> = <Y, Z>.
    assert abs(inner_product(network, point.matrix, Y, moved) - np.sum(Y * Z)) < 1e-11


@pytest.mark.parametrize("depth", [1, 2, 3, 8])
@pytest.mark.parametrize(("shape", "rank"), CASES)
def test_log_volume_is_the_determinant(depth: int, shape: tuple[int, int], rank: int) -> None:
    point = defined_point(shape, rank, 10)
    network = DeepLinearNetwork(depth, shape, rank)
    assert abs(log_volume(network, point.matrix) - point.log_volume(depth)) < 1e-11
    factored = FactoredMatrix.from_matrix(point.matrix, rank)
    assert abs(log_volume(network, factored) - point.log_volume(depth)) < 1e-11


def test_log_volume_at_coalescence() -> None:
    assert log_volume(DeepLinearNetwork(3, (2, 2)), 2 * np.eye(2)) == -np.inf
    assert log_volume(DeepLinearNetwork(oo, (2, 2)), 2 * np.eye(2)) == -np.inf


@pytest.mark.parametrize("scale", [1e-120, 1e120])
def test_extreme_scales(scale: float) -> None:
    """A_N is homogeneous of degree 2 - 2/N in X: compare with scale 1, in logarithms."""
    point, network = defined_point((2, 2), 2, 11), DeepLinearNetwork(3, (2, 2))
    Z = np.random.default_rng(12).standard_normal((2, 2))
    result = operator(network, scale * point.matrix)(Z)
    ratio = result / defined_operator(point.matrix, 3)(Z)
    np.testing.assert_allclose(np.log(ratio), 4 / 3 * np.log(scale), rtol=1e-13)


# --------------------------------------------------------------------------------------------- invariances


@settings(max_examples=20, deadline=None, derandomize=True)
@given(SEEDS, DEPTHS)
def test_orthogonal_invariance(seed: int, depth: int | Expr) -> None:
    shape, rank = ((3, 3), 3) if depth == oo else ((4, 3), 2)
    network, point = DeepLinearNetwork(depth, shape, rank), defined_point(shape, rank, seed)
    Y, Z = tangents(point, 2, seed)
    generator = np.random.default_rng(seed)
    Q, R = (random_unitary(side, generator) for side in shape)
    Q[0] *= -1  # a reflection as well
    plain = inner_product(network, point.matrix, Y, Z)
    turned = inner_product(network, Q @ point.matrix @ R, Q @ Y @ R, Q @ Z @ R)
    assert abs(turned - plain) < 1e-10 * (1 + abs(plain))
    assert abs(log_volume(network, Q @ point.matrix @ R) - log_volume(network, point.matrix)) < 1e-10


@settings(max_examples=20, deadline=None, derandomize=True)
@given(SEEDS, DEPTHS)
def test_transpose_invariance(seed: int, depth: int | Expr) -> None:
    shape, rank = ((3, 3), 3) if depth == oo else ((4, 3), 2)
    network, point = DeepLinearNetwork(depth, shape, rank), defined_point(shape, rank, seed)
    other = DeepLinearNetwork(depth, shape[::-1], rank)
    Y, Z = tangents(point, 2, seed)
    plain = inner_product(network, point.matrix, Y, Z)
    assert abs(inner_product(other, point.matrix.T, Y.T, Z.T) - plain) < 1e-10 * (1 + abs(plain))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(SEEDS, st.floats(min_value=-50, max_value=50))
def test_scaling_and_inversion_are_isometries_at_infinite_depth(seed: int, log_scale: float) -> None:
    network, point = DeepLinearNetwork(oo, (3, 3)), defined_point((3, 3), 3, seed)
    X, (Y, Z) = point.matrix, tangents(point, 2, seed)
    c = float(np.exp(log_scale))
    plain = inner_product(network, X, Y, Z)
    size = 1 + abs(plain)
    assert abs(inner_product(network, c * X, c * Y, c * Z) - plain) < 1e-10 * size
    inverse = np.linalg.inv(X)
    pushed = [-inverse @ W @ inverse for W in (Y, Z)]
    assert abs(inner_product(network, inverse, *pushed) - plain) < 1e-9 * size
    # At finite depth neither is one: the factor is c^(2/N).
    finite = DeepLinearNetwork(4, (3, 3))
    ratio = inner_product(finite, 16 * X, 16 * Y, 16 * Y) / inner_product(finite, X, Y, Y)
    assert abs(ratio - 4) < 1e-9


@settings(max_examples=20, deadline=None, derandomize=True)
@given(SEEDS, DEPTHS)
def test_operator_is_symmetric_and_positive(seed: int, depth: int | Expr) -> None:
    network, generator = DeepLinearNetwork(depth, (3, 2)), np.random.default_rng(seed)
    A = operator(network, defined_point((3, 2), 2, seed).matrix)
    Y, Z = generator.standard_normal((2, 3, 2))
    assert abs(np.sum(Y * A(Z)) - np.sum(A(Y) * Z)) < 1e-11
    assert np.sum(Y * A(Y)) > 0
    np.testing.assert_allclose(A(2 * Y - 3 * Z), 2 * A(Y) - 3 * A(Z), atol=1e-11)


# ------------------------------------------------------------------------------------------------ refusals


def test_normal_vectors_are_refused() -> None:
    point = defined_point((3, 3), 2, 13)
    network = DeepLinearNetwork(3, (3, 3), 2)
    (Y,) = tangents(point, 1, 14)
    normal = np.outer(point.left[:, 2], point.right[:, 2])
    for name, vectors in (("Y", (Y + 1e-3 * normal, Y)), ("Z", (Y, normal))):
        with pytest.raises(ValueError, match=f"{name} is not tangent"):
            inner_product(network, point.matrix, *vectors)
    # Rounding is no offence.
    assert inner_product(network, point.matrix, Y + 1e-12 * normal, Y) > 0
    assert inner_product(network, point.matrix, 0 * Y, Y) == 0


def test_no_inner_product_where_there_is_no_metric() -> None:
    point = defined_point((3, 2), 2, 15)
    with pytest.raises(ValueError, match="metric"):
        inner_product(DeepLinearNetwork(oo, (3, 2)), point.matrix, point.matrix, point.matrix)


@pytest.mark.parametrize(
    ("X", "named"),
    [
        (np.eye(3), "X"),
        (np.ones((3, 2)), "rank"),
        (np.full((3, 2), np.nan), "X"),
        (np.ones(3), "X"),
        (np.ones((3, 2)) * 1j, "X"),
    ],
)
def test_points_that_do_not_fit(X: Any, named: str) -> None:
    network = DeepLinearNetwork(3, (3, 2))
    for call in (
        lambda: operator(network, X),
        lambda: log_volume(network, X),
        lambda: inner_product(network, X, np.ones((3, 2)), np.ones((3, 2))),
    ):
        with pytest.raises(ValueError, match=named):
            call()


@pytest.mark.parametrize("Z", [np.ones((2, 3)), np.ones(3), np.full((3, 2), np.inf), [["a"]]])
def test_vectors_that_do_not_fit(Z: Any) -> None:
    network, point = DeepLinearNetwork(3, (3, 2)), defined_point((3, 2), 2, 16)
    with pytest.raises(ValueError, match="Z"):
        operator(network, point.matrix)(Z)
    with pytest.raises(ValueError, match="Z"):
        inner_product(network, point.matrix, point.matrix, Z)


def test_factored_points_of_another_rank_are_refused() -> None:
    point = FactoredMatrix.from_matrix(defined_point((3, 3), 3, 17).matrix, 2)
    with pytest.raises(ValueError, match="rank"):
        operator(DeepLinearNetwork(3, (3, 3)), point)


def test_a_symbolic_rank_is_refused() -> None:
    network = DeepLinearNetwork(3, (4, 3), Symbol("r", integer=True, positive=True))
    with pytest.raises(ValueError, match="explicit rank"):
        operator(network, np.eye(4, 3))
    with pytest.raises(ValueError, match="explicit rank"):
        network.gradient_flow(lambda X: (X.T * X).trace())
