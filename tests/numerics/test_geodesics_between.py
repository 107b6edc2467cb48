"""Geodesics between two matrices against distances in closed form, and the axioms and invariances of a distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import expm
from sympy import Float, oo

from geometry import DeepLinearNetwork
from geometry.geodesic_closed_forms import bures_wasserstein_distance, bures_wasserstein_geodesic, diagonal_distance
from numerics import geodesic_shooting, inner_product
from numerics.factored import FactoredMatrix
from numerics.geodesic_boundary import distance, geodesic_between, logarithm_map
from numerics.geodesic_shooting import shoot
from numerics.geodesic_starts import connecting_paths, rotation_logarithm
from numerics.geodesics import GeodesicError, exponential_map

Array = NDArray[np.float64]

CASES = [(1, (2, 2), 2), (2, (2, 2), 2), (3, (2, 2), 2), (oo, (2, 2), 2), (2, (3, 2), 2), (3, (3, 3), 1)]


def points(shape: tuple[int, int], rank: int, count: int, seed: int = 0) -> list[Array]:
    """Matrices of singular values between 0.5 and 2 in a ball around one of them; of positive determinant if square."""
    generator = np.random.default_rng(seed)
    left, right = (np.linalg.qr(generator.standard_normal((side, side)))[0] for side in shape)
    if shape[0] == shape[1] == rank and np.linalg.det(left) * np.linalg.det(right) < 0:
        left[:, 0] *= -1
    result = []
    for _ in range(count):
        turns = []
        for side in shape:
            skew = generator.standard_normal((side, side))
            turns.append(expm(0.4 * (skew - skew.T)))
        sigma = np.exp(generator.uniform(-0.7, 0.7, rank))
        result.append((turns[0] @ left[:, :rank] * sigma) @ (turns[1] @ right[:, :rank]).T)
    return result


# --------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("seed", [0, 1])
def test_depth_one_is_the_frobenius_distance(seed: int) -> None:
    X, Y = points((2, 2), 2, 2, seed)
    assert distance(DeepLinearNetwork(1, (2, 2)), X, Y) == pytest.approx(np.linalg.norm(X - Y), rel=1e-8)


@pytest.mark.parametrize("size", [2, 3])
def test_depth_two_is_bures_wasserstein_on_positive_matrices(size: int) -> None:
    generator = np.random.default_rng(size)
    A, C = (M @ M.T + np.eye(size) for M in generator.standard_normal((2, size, size)))
    path = geodesic_between(DeepLinearNetwork(2, (size, size)), A, C, [0.0, 0.3, 1.0])
    assert path.length == pytest.approx(np.sqrt(2) * bures_wasserstein_distance(A, C), rel=1e-7)
    assert np.allclose(path.matrix(1), bures_wasserstein_geodesic(A, C, 0.3), atol=1e-6)


@pytest.mark.parametrize("depth", [2, 3, oo])
def test_diagonals_in_the_same_order(depth: Any) -> None:
    network, ends = DeepLinearNetwork(depth, (2, 2)), ([2.0, 0.5], [1.5, 0.9])
    exact = diagonal_distance(network, *([Float(value) for value in end] for end in ends))
    assert distance(network, *map(np.diag, ends)) == pytest.approx(float(exact.upper), rel=1e-8)


def test_rotating_is_shorter_than_exchanging() -> None:
    """diag(1, ε) to diag(ε, 1): shorter than the diagonal geodesic and than rotating alone."""
    epsilon, network = 5e-3, DeepLinearNetwork(oo, (2, 2))
    ends = [1.0, epsilon], [epsilon, 1.0]
    upper = float(diagonal_distance(network, *([Float(value) for value in end] for end in ends)).upper)
    ratio = float(network.pair_multiplier(Float(1), Float(epsilon)))
    X, Y = (FactoredMatrix.from_matrix(np.diag(end)) for end in ends)
    velocity = shoot(network, X, connecting_paths(network, X, Y)[0], 1e-6)
    length = np.sqrt(inner_product(network, X, velocity, velocity))
    assert np.abs(velocity[0, 1]) > 0.1
    assert length < 0.95 * min(upper, np.pi / 2 * np.sqrt(2 / ratio) * (1 - epsilon))


@pytest.mark.parametrize("depth", [2, 3])
def test_exchanging_is_shorter_at_depth_two_or_for_large_epsilon(depth: int) -> None:
    network = DeepLinearNetwork(depth, (2, 2))
    upper = diagonal_distance(network, *([Float(value) for value in end] for end in ([1, 0.2], [0.2, 1]))).upper
    assert distance(network, np.diag([1.0, 0.2]), np.diag([0.2, 1.0]), starts=3) == pytest.approx(
        float(upper), rel=1e-8
    )


# ------------------------------------------------------------------------- axioms and invariances


@pytest.mark.parametrize(("depth", "shape", "rank"), CASES)
def test_distance_is_a_distance(depth: Any, shape: tuple[int, int], rank: int) -> None:
    network = DeepLinearNetwork(depth, shape, rank)
    X, Y, Z = points(shape, rank, 3)
    sides = [distance(network, *pair, rtol=1e-8) for pair in ((X, Y), (Y, Z), (X, Z))]
    assert distance(network, Y, X, rtol=1e-8) == pytest.approx(sides[0], rel=1e-6)
    assert distance(network, X, X) == 0
    assert min(sides) > 0.05
    assert 2 * max(sides) <= sum(sides) * (1 + 1e-7)


@pytest.mark.parametrize(("depth", "shape", "rank"), CASES)
def test_orthogonal_invariance_and_transposition(depth: Any, shape: tuple[int, int], rank: int) -> None:
    X, Y = points(shape, rank, 2, seed=4)
    generator = np.random.default_rng(0)
    left, right = (np.linalg.qr(generator.standard_normal((side, side)))[0] for side in shape)
    network, other = DeepLinearNetwork(depth, shape, rank), DeepLinearNetwork(depth, shape[::-1], rank)
    expected = distance(network, X, Y, rtol=1e-8)
    assert distance(network, left @ X @ right, left @ Y @ right, rtol=1e-8) == pytest.approx(expected, rel=1e-6)
    assert distance(other, X.T, Y.T, rtol=1e-8) == pytest.approx(expected, rel=1e-6)


def test_inversion_and_scaling_at_infinite_depth() -> None:
    network = DeepLinearNetwork(oo, (2, 2))
    X, Y = points((2, 2), 2, 2, seed=2)
    expected = distance(network, X, Y)
    assert distance(network, np.linalg.inv(X), np.linalg.inv(Y)) == pytest.approx(expected, rel=1e-7)
    assert distance(network, 100 * X, 100 * Y) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(("depth", "shape", "rank"), CASES)
def test_logarithm_inverts_the_exponential_map(depth: Any, shape: tuple[int, int], rank: int) -> None:
    network = DeepLinearNetwork(depth, shape, rank)
    X, Y = points(shape, rank, 2, seed=1)
    assert np.allclose(exponential_map(network, X, logarithm_map(network, X, Y)), Y, atol=1e-7)


def test_deep_networks_approach_infinite_depth() -> None:
    X, Y = points((2, 2), 2, 2, seed=6)
    deep, limit = (DeepLinearNetwork(depth, (2, 2), rescaled=True) for depth in (1000, oo))
    lengths = [distance(network, X, Y, starts=1, rtol=1e-7) for network in (deep, limit)]
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-2)
    assert lengths[0] != pytest.approx(lengths[1], rel=1e-6)


# -------------------------------------------------------------------------------------------- errors


def test_determinants_of_different_signs() -> None:
    with pytest.raises(ValueError, match="different signs"):
        distance(DeepLinearNetwork(2, (2, 2)), np.eye(2), np.diag([1.0, -1.0]))


def test_with_a_null_space_a_sign_can_be_turned_away() -> None:
    """In 3 x 2 matrices diag(1, -1) is reached by turning a column by π."""
    network = DeepLinearNetwork(2, (3, 2))
    X, Y = np.eye(3, 2), np.eye(3, 2) @ np.diag([1.0, -1.0])
    path = geodesic_between(network, X, Y, rtol=1e-8)
    assert np.allclose(path.matrix(-1), Y, atol=1e-6)


@pytest.mark.parametrize(
    ("X", "Y", "options", "message"),
    [
        (np.eye(2), np.diag([1.0, 0.0]), {}, "Y must be a 2 x 2 matrix of rank 2"),
        (np.zeros((2, 2)), np.eye(2), {}, "X must be a 2 x 2 matrix of rank 2"),
        (np.eye(2), np.eye(3), {}, "Y must be"),
        (np.eye(2), 2 * np.eye(2), {"times": [0.0, 0.5]}, "times must go from 0"),
        (np.eye(2), 2 * np.eye(2), {"starts": 0}, "starts must be a positive integer"),
    ],
)
def test_refusals(X: Array, Y: Array, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        geodesic_between(DeepLinearNetwork(2, (2, 2)), X, Y, **options)


def test_what_is_not_found_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geodesic_shooting, "MOST_EVALUATIONS", 5)
    X, Y = points((2, 2), 2, 2)
    with pytest.raises(GeodesicError, match="no geodesic from X to Y was found"):
        distance(DeepLinearNetwork(2, (2, 2)), X, Y)


# -------------------------------------------------------------------------------------------- starts


@pytest.mark.parametrize(("shape", "rank"), [((2, 2), 2), ((3, 2), 2), ((4, 5), 2), ((4, 4), 4), ((3, 3), 1)])
def test_connecting_paths_join_their_ends(shape: tuple[int, int], rank: int) -> None:
    X, Y = (FactoredMatrix.from_matrix(point, rank) for point in points(shape, rank, 2))
    paths = connecting_paths(DeepLinearNetwork(3, shape, rank), X, Y)
    assert paths
    for path in paths[:6]:
        assert np.allclose(path.at(0.0).to_array(), X.to_array(), atol=1e-10)
        assert np.allclose(path.at(1.0).to_array(), Y.to_array(), atol=1e-10)
        assert path.at(0.5).rank == rank


@pytest.mark.parametrize("angles", [[0.3, 2.0], [np.pi, 1.0], [np.pi, np.pi], [0.0, np.pi], [1e-9, 0.0]])
def test_rotation_logarithm(angles: list[float]) -> None:
    frame = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]
    skew = np.zeros((5, 5))
    for k, angle in enumerate(angles):
        skew[2 * k + 1, 2 * k], skew[2 * k, 2 * k + 1] = angle, -angle
    rotation = frame @ expm(skew) @ frame.T
    logarithm = rotation_logarithm(rotation)
    assert np.allclose(logarithm, -logarithm.T)
    assert np.allclose(expm(logarithm), rotation, atol=1e-12)
    assert np.linalg.norm(logarithm) == pytest.approx(np.linalg.norm(skew), abs=1e-8)
