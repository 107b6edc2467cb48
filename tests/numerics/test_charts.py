"""Velocities of the four charts against the definition, and the Jacobians that solvers get."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import Matrix, oo, symbols

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, MatrixCompletion, SpectralCrossingError, SymbolicEnergy
from numerics.charts import CHARTS, Chart
from tests.definition import defined_operator

CASES = [((3, 3), 3), ((4, 3), 3), ((3, 5), 2), ((4, 4), 2), ((1, 3), 1)]
STEP = 1e-5


def completion(shape: tuple[int, int], seed: int) -> MatrixCompletion:
    """Two thirds of a Gaussian matrix."""
    generator = np.random.default_rng(seed)
    return MatrixCompletion.from_array(
        np.where(generator.random(shape) < 1 / 3, np.nan, generator.standard_normal(shape))
    )


def rotated_start(shape: tuple[int, int], rank: int, seed: int, scale: float = 1.0) -> FactoredMatrix:
    """A point whose core S is no diagonal matrix."""
    generator = np.random.default_rng(seed)
    U, P, V, Q = (np.linalg.qr(generator.standard_normal((side, rank)))[0] for side in (shape[0], rank, shape[1], rank))
    sigma = scale * np.linspace(2.0, 0.6, rank)
    return FactoredMatrix(U, P @ np.diag(sigma) @ Q.T, V)


def velocity_of_the_product(chart: Chart) -> np.ndarray:
    """dX/dt from the coordinates' velocity, by central differences along it."""
    start = chart.coordinates(chart.start)
    velocity = chart.velocity(0.0, start)
    ahead, behind = (chart.point(start + sign * STEP * velocity).to_array() for sign in (1, -1))
    return np.asarray((ahead - behind) / (2 * STEP))


def defined_velocity(energy: Any, start: FactoredMatrix, depth: float) -> np.ndarray:
    """-A_N(∇E(X)); at depth infinity -A_N(∇E(X))/N in the limit."""
    slope = energy.gradient(start.to_array())
    dense = slope.toarray() if hasattr(slope, "toarray") else slope
    return -defined_operator(start.to_array(), depth, start.rank)(dense)


@pytest.mark.parametrize(("shape", "rank"), CASES)
@pytest.mark.parametrize(
    ("name", "depth"), [(name, depth) for name in CHARTS for depth in (2, 3, 8, oo) if (name, depth) != ("layers", oo)]
)
def test_velocity_is_the_definition(name: str, depth: Any, shape: tuple[int, int], rank: int) -> None:
    energy, start = completion(shape, 1), rotated_start(shape, rank, 2)
    expected = defined_velocity(energy, start, float(depth))
    result = velocity_of_the_product(CHARTS[name](energy, DeepLinearNetwork(depth, shape, rank), start))
    # Central differences: h² times third derivatives of products of up to eight layers.
    np.testing.assert_allclose(result, expected, atol=1e-6 * np.linalg.norm(expected))


@pytest.mark.parametrize("name", list(CHARTS))
def test_rescaled_velocity_is_divided_by_the_depth(name: str) -> None:
    energy, start = completion((3, 4), 3), rotated_start((3, 4), 3, 4)
    network = DeepLinearNetwork(5, (3, 4), rescaled=True)
    expected = defined_velocity(energy, start, 5) / 5
    result = velocity_of_the_product(CHARTS[name](energy, network, start))
    np.testing.assert_allclose(result, expected, atol=1e-6 * np.linalg.norm(expected))


@pytest.mark.parametrize("name", list(CHARTS))
def test_depth_one_at_full_rank_is_the_euclidean_flow(name: str) -> None:
    energy, start = completion((3, 4), 3), rotated_start((3, 4), 3, 4)
    result = velocity_of_the_product(CHARTS[name](energy, DeepLinearNetwork(1, (3, 4)), start))
    np.testing.assert_allclose(result, -energy.gradient(start).toarray(), atol=1e-6)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
@pytest.mark.parametrize("name", ["factored", "spectral", "matrix"])
def test_velocities_at_extreme_scales(name: str, scale: float) -> None:
    """For a constant gradient the velocity is homogeneous of degree 2 - 2/N."""
    X = Matrix(3, 4, symbols("x:12", real=True))
    slope = np.random.default_rng(7).standard_normal((3, 4))
    energy = SymbolicEnergy(sum(x * float(g) for x, g in zip(X, slope.ravel(), strict=True)), X)
    network = DeepLinearNetwork(3, (3, 4), 2)
    start = rotated_start((3, 4), 2, 4, scale)
    chart = CHARTS[name](energy, network, start)
    coordinates = chart.coordinates(start)
    velocity = chart.velocity(0.0, coordinates)
    assert np.isfinite(velocity).all()
    # A step that changes X by 1e-5 of its size.
    step = 1e-5 * scale ** (-1 / 3)
    ahead, behind = (chart.point(coordinates + sign * step * velocity).to_array() / scale for sign in (1, -1))
    expected = defined_velocity(energy, rotated_start((3, 4), 2, 4), 3)
    np.testing.assert_allclose((ahead - behind) / 2e-5, expected, atol=1e-6 * np.linalg.norm(expected))


@pytest.mark.parametrize("name", list(CHARTS))
def test_coordinates_and_points_are_inverse(name: str) -> None:
    start = rotated_start((5, 4), 3, 5)
    chart = CHARTS[name](completion((5, 4), 6), DeepLinearNetwork(4, (5, 4), 3), start)
    coordinates = chart.coordinates(start)
    np.testing.assert_allclose(chart.point(coordinates).to_array(), start.to_array(), atol=1e-14)
    assert chart.drift(coordinates) < 1e-14
    assert chart.noise(1e-8).shape == chart.scale(coordinates).shape == coordinates.shape
    assert (chart.noise(1e-8) > 0).all()
    assert (chart.scale(coordinates) > 0).all()


@pytest.mark.parametrize("depth", [1, 2, 3, 8, oo])
@pytest.mark.parametrize(("shape", "rank"), CASES)
def test_jacobian_of_the_factored_chart(shape: tuple[int, int], rank: int, depth: Any) -> None:
    energy, start = completion(shape, 8), rotated_start(shape, rank, 9)
    chart = CHARTS["factored"](energy, DeepLinearNetwork(depth, shape, rank), start)
    coordinates = chart.coordinates(start)
    result = chart.jacobian(0.0, coordinates)
    expected = np.empty_like(result)
    for index in range(coordinates.size):
        moved = np.zeros_like(coordinates)
        moved[index] = STEP
        ahead, behind = (chart.velocity(0.0, coordinates + sign * moved) for sign in (1, -1))
        expected[:, index] = (ahead - behind) / (2 * STEP)
    # The columns along S are one-sided differences: 1e-8 times second derivatives.
    np.testing.assert_allclose(result, expected, atol=2e-6 * np.abs(expected).max())


def test_jacobian_of_a_symbolic_energy_is_exact() -> None:
    X = Matrix(3, 2, symbols("x:6", real=True))
    array = np.array([[1.0, np.nan], [0.5, -1.0], [np.nan, 2.0]])
    seen = [(i, j) for i in range(3) for j in range(2) if np.isfinite(array[i, j])]
    symbolic = SymbolicEnergy(sum((X[i, j] - float(array[i, j])) ** 2 / 2 for i, j in seen), X)
    start, network = rotated_start((3, 2), 1, 10), DeepLinearNetwork(3, (3, 2), 1)
    charts = [CHARTS["factored"](energy, network, start) for energy in (symbolic, MatrixCompletion.from_array(array))]
    coordinates = charts[0].coordinates(start)
    by_products, written = (chart.jacobian(0.0, coordinates) for chart in charts)
    np.testing.assert_allclose(by_products, written, atol=1e-13)
    assert all(chart.difference_evaluations == 0 for chart in charts)


@pytest.mark.parametrize("name", list(CHARTS))
def test_velocities_that_cannot_be_evaluated_are_nan(name: str) -> None:
    """A solver then tries a smaller step."""
    start = rotated_start((3, 3), 3, 11)
    chart = CHARTS[name](completion((3, 3), 12), DeepLinearNetwork(3, (3, 3)), start)
    coordinates = chart.coordinates(start)
    for spoilt in (np.where(np.arange(coordinates.size) == 1, np.nan, coordinates), 1e200 * coordinates):
        velocity = chart.velocity(0.0, spoilt)
        assert np.isnan(velocity).all()


def test_factored_chart_at_coalescence() -> None:
    """Multiples of orthogonal matrices are ordinary points of it."""
    Q = np.linalg.qr(np.random.default_rng(13).standard_normal((3, 3)))[0]
    start, energy = FactoredMatrix(Q, 0.5 * np.eye(3), np.eye(3)), completion((3, 3), 14)
    for depth in (3, oo):
        result = velocity_of_the_product(CHARTS["factored"](energy, DeepLinearNetwork(depth, (3, 3)), start))
        expected = defined_velocity(energy, start, float(depth))
        np.testing.assert_allclose(result, expected, atol=1e-9)


def test_spectral_chart_refuses_coalescence() -> None:
    start = FactoredMatrix(np.eye(3), np.diag([2.0, 1.0, 1.0]), np.eye(3))
    with pytest.raises(SpectralCrossingError, match=r"2 and 3.*chart='factored'"):
        CHARTS["spectral"](completion((3, 3), 15), DeepLinearNetwork(3, (3, 3)), start)


def test_layers_need_a_finite_depth() -> None:
    with pytest.raises(ValueError, match="integer depth"):
        CHARTS["layers"](completion((3, 3), 16), DeepLinearNetwork(oo, (3, 3)), rotated_start((3, 3), 3, 17))
    with pytest.raises(ValueError, match="projected"):
        CHARTS["layers"](completion((3, 3), 16), DeepLinearNetwork(1, (3, 3), 2), rotated_start((3, 3), 2, 17))
