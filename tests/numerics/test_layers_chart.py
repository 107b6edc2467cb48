"""The chart of the layers against layers of full matrices, integrated by an explicit solver of order eight."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import LinearOperator, gmres

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, MatrixCompletion, balanced_start, gradient_flow
from numerics.charts import LayersChart
from numerics.layers import Layers

Array = NDArray[np.float64]
TIMES = np.array([0.0, 1.0, 4.0, 12.0])


def completion(shape: tuple[int, int], seed: int) -> MatrixCompletion:
    """Two thirds of a matrix of rank two and norm 1."""
    generator = np.random.default_rng(seed)
    M = generator.standard_normal((shape[0], 2)) @ generator.standard_normal((2, shape[1]))
    return MatrixCompletion.from_array(np.where(generator.random(shape) < 1 / 3, np.nan, M / np.linalg.norm(M)))


def multiplied(layers: list[Array], size: int) -> Array:
    product = np.eye(size)
    for layer in layers:
        product = layer @ product
    return product


def integrated(energy: MatrixCompletion, layers: Layers, times: Array) -> list[list[Array]]:
    """dW_p/dt = -(W_N ⋯ W_{p+1})ᵀ ∇E (W_{p-1} ⋯ W_1)ᵀ with full matrices, by DOP853: the layers at the times."""
    shapes, bounds = layers.shapes, np.cumsum([0, *(layer.size for layer in layers)])
    observed = np.full(energy.shape, np.nan)
    observed[energy.rows, energy.columns] = energy.values

    def unpacked(state: Array) -> list[Array]:
        return [state[bounds[p] : bounds[p + 1]].reshape(shape) for p, shape in enumerate(shapes)]

    def velocity(_: float, state: Array) -> Array:
        W = unpacked(state)
        slope = np.nan_to_num(multiplied(W, layers.widths[0]) - observed)
        return -np.concatenate(
            [
                (multiplied(W[p + 1 :], rows).T @ slope @ multiplied(W[:p], layers.widths[0]).T).ravel()
                for p, (rows, _) in enumerate(shapes)
            ]
        )

    start = np.concatenate([layer.ravel() for layer in layers])
    solution = solve_ivp(velocity, times[[0, -1]], start, "DOP853", times, rtol=1e-12, atol=1e-14)
    assert solution.success
    return [unpacked(state) for state in solution.y.T]


def flowed(chart: LayersChart, times: Array) -> list[Array]:
    """Coordinates of the chart at the times."""
    start = chart.coordinates(chart.start)
    solution = solve_ivp(chart.velocity, times[[0, -1]], start, "RK45", times, rtol=1e-10, atol=chart.noise(1e-10))
    assert solution.success
    return list(solution.y.T)


def starts(depth: int, shape: tuple[int, int]) -> dict[str, tuple[DeepLinearNetwork, Any]]:
    """Networks and starts by name: thin and wide, balanced and not."""
    network = DeepLinearNetwork(depth, shape, 2)
    point = balanced_start(network, 0.3, 1)
    full = DeepLinearNetwork(depth, shape)
    return {
        "matrix": (network, point),
        "thin": (network, Layers.balanced(network, point)),
        "full": (network, Layers.balanced(network, point, "full", seed=2)),
        "unbalanced": (network, Layers.random(network, 0.5, seed=3)),
        "unbalanced, full": (full, Layers.random(full, 0.5, "full", seed=4)),
    }


@pytest.mark.parametrize("name", ["matrix", "thin", "full", "unbalanced", "unbalanced, full"])
@pytest.mark.parametrize("depth", [2, 3, 5])
def test_flow_of_the_layers(depth: int, name: str) -> None:
    energy, (network, start) = completion((6, 5), 0), starts(depth, (6, 5))[name]
    chart = LayersChart(energy, network, start)
    layers = start if isinstance(start, Layers) else Layers.balanced(network, start)
    expected = integrated(energy, layers, TIMES)
    for coordinates, exact in zip(flowed(chart, TIMES), expected, strict=True):
        for ours, theirs in zip(chart.layers(coordinates), exact, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-7)
        point = chart.point(coordinates)
        assert point.rank == network.rank
        np.testing.assert_allclose(point.to_array(), multiplied(exact, 5), atol=1e-7)
        # The solver moves the conserved defects no further than its tolerance.
        assert chart.drift(coordinates) < 1e-8
    # The layers have moved, and unbalanced ones have a defect to conserve.
    assert np.linalg.norm(multiplied(expected[-1], 5) - multiplied(expected[0], 5)) > 0.1
    assert (layers.imbalance() > 0.01) == name.startswith("unbalanced")


@pytest.mark.parametrize("name", ["thin", "full", "unbalanced", "unbalanced, full"])
def test_gradient_flow_takes_layers(name: str) -> None:
    energy, (network, start) = completion((6, 5), 0), starts(3, (6, 5))[name]
    trajectory = gradient_flow(energy, network, start, TIMES, rtol=1e-10)
    assert trajectory.chart == "layers"
    expected = integrated(energy, start, TIMES)
    for i, exact in enumerate(expected):
        np.testing.assert_allclose(trajectory.matrix(i), multiplied(exact, 5), atol=1e-7)
        for ours, theirs in zip(trajectory.layers[i], exact, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-7)
        for now, before in zip(trajectory.layers[i].defects(), trajectory.conserved_defects, strict=True):
            np.testing.assert_allclose(now, before, atol=1e-8)
    assert 0 < trajectory.statistics.balancedness_drift < 1e-8
    assert trajectory.singular_values.shape == (4, network.rank)


def test_gradient_flow_of_layers_converges() -> None:
    energy, (network, start) = completion((6, 5), 0), starts(2, (6, 5))["unbalanced, full"]
    trajectory = gradient_flow(energy, network, start, until={"energy": 1e-8})
    assert trajectory.converged
    assert trajectory.energy[-1] <= 1e-8
    with pytest.raises(ValueError, match="chart"):
        gradient_flow(energy, network, start, TIMES, chart="factored")


def test_wide_balanced_layers_flow_as_thin_ones() -> None:
    energy, cases = completion((6, 5), 0), starts(3, (6, 5))
    ends = []
    for name in ("thin", "full"):
        chart = LayersChart(energy, *cases[name])
        ends.append(chart.point(flowed(chart, TIMES)[-1]).to_array())
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-8)


def test_rescaled_networks_flow_at_a_fraction_of_the_speed() -> None:
    energy = completion((4, 3), 5)
    charts = [
        LayersChart(energy, network, balanced_start(network, 0.5, 6))
        for network in (DeepLinearNetwork(4, (4, 3), 2), DeepLinearNetwork(4, (4, 3), 2, rescaled=True))
    ]
    plain, rescaled = (chart.velocity(0.0, chart.coordinates(chart.start)) for chart in charts)
    np.testing.assert_allclose(rescaled, plain / 4, rtol=1e-14)
    direction = np.random.default_rng(7).standard_normal(plain.size)
    plain, rescaled = (chart.linearization(chart.coordinates(chart.start))(direction) for chart in charts)
    np.testing.assert_allclose(rescaled, plain / 4, rtol=1e-13, atol=1e-15)


def test_depth_one() -> None:
    energy, network = completion((4, 3), 8), DeepLinearNetwork(1, (4, 3))
    start = Layers.random(network, 1.0)
    chart = LayersChart(energy, network, start)
    velocity = chart.velocity(0.0, chart.coordinates(chart.start))
    np.testing.assert_allclose(velocity, -energy.gradient(start[0]).toarray().ravel())
    assert chart.drift(chart.coordinates(chart.start)) == 0.0
    with pytest.raises(ValueError, match="projected"):
        LayersChart(energy, DeepLinearNetwork(1, (4, 3), 2), start)


@pytest.mark.parametrize("name", ["matrix", "full", "unbalanced, full"])
@pytest.mark.parametrize("depth", [2, 4])
def test_linearization_is_the_derivative_of_the_velocity(depth: int, name: str) -> None:
    energy, (network, start) = completion((6, 5), 9), starts(depth, (6, 5))[name]
    chart = LayersChart(energy, network, start)
    generator = np.random.default_rng(10)
    coordinates = chart.coordinates(chart.start)
    coordinates += 0.1 * generator.standard_normal(coordinates.size)
    direction = generator.standard_normal(coordinates.size)
    ahead, behind = (chart.velocity(0.0, coordinates + sign * 1e-5 * direction) for sign in (1, -1))
    product = chart.linearization(coordinates)(direction)
    # Central differences: 1e-10 times third derivatives.
    np.testing.assert_allclose(product, (ahead - behind) / 2e-5, atol=1e-6 * np.linalg.norm(product))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(2, 5))
def test_velocity_turns_with_the_hidden_spaces(seed: int, depth: int) -> None:
    """W_p → Q_p W_p Q_{p-1}ᵀ with Q_0 = Q_N = 1 leaves X: velocities turn alike, X moves alike."""
    generator = np.random.default_rng(seed)
    energy, network = completion((4, 3), 11), DeepLinearNetwork(depth, (4, 3))
    layers = Layers.random(network, 1.0, 3, seed)
    turns = [np.linalg.qr(generator.standard_normal((width, width)))[0] for width in layers.widths]
    turns[0], turns[-1] = np.eye(3), np.eye(4)
    turned = Layers(tuple(turns[p + 1] @ W @ turns[p].T for p, W in enumerate(layers)))
    velocities = []
    for start in (layers, turned):
        chart = LayersChart(energy, network, start)
        velocities.append(chart.layers(chart.velocity(0.0, chart.coordinates(chart.start))))
    for p, (before, after) in enumerate(zip(*velocities, strict=True)):
        expected = turns[p + 1] @ before @ turns[p].T
        np.testing.assert_allclose(after, expected, atol=1e-12 * (1 + np.linalg.norm(expected)))


# ------------------------------------------------------------------- what the solver is told about coordinates


def test_coordinates_of_the_start_are_its_layers() -> None:
    energy, (network, start) = completion((6, 5), 12), starts(3, (6, 5))["full"]
    chart = LayersChart(energy, network, start)
    np.testing.assert_array_equal(chart.coordinates(chart.start), start.vector())
    # Over another point balanced ones of the same widths.
    other = balanced_start(network, 0.7, 13)
    coordinates = chart.coordinates(other)
    assert chart.layers(coordinates).shapes == start.shapes
    assert chart.layers(coordinates).is_balanced()
    np.testing.assert_allclose(chart.point(coordinates).to_array(), other.to_array(), atol=1e-14)


def test_drift_is_the_movement_of_the_defects() -> None:
    energy, (network, start) = completion((6, 5), 14), starts(3, (6, 5))["unbalanced"]
    chart = LayersChart(energy, network, start)
    coordinates = chart.coordinates(chart.start)
    assert chart.drift(coordinates) == 0.0
    step = np.random.default_rng(15).standard_normal(coordinates.size)
    moved = chart.layers(coordinates + 0.1 * step)
    differences = [now - before for now, before in zip(moved.defects(), start.defects(), strict=True)]
    assert chart.drift(coordinates + 0.1 * step) == pytest.approx(max(np.abs(D).max() for D in differences))
    # Along the flow the defects rest to first order, along anything else they do not.
    velocity = chart.velocity(0.0, coordinates)
    assert chart.drift(coordinates + 1e-4 * velocity) < 1e-6
    assert chart.drift(coordinates + 1e-4 * step) > 1e-5


def test_drift_sees_noise_beyond_the_rank() -> None:
    """Wide balanced layers keep rank 2; a singular value that rounding adds belongs into the statistics."""
    energy, (network, start) = completion((6, 5), 16), starts(2, (6, 5))["full"]
    chart = LayersChart(energy, network, start)
    assert chart.drift(chart.coordinates(chart.start)) < 1e-14
    generator = np.random.default_rng(17)
    spoilt = Layers(tuple(W + 1e-3 * generator.standard_normal(W.shape) for W in start))
    sigma = np.linalg.svd(spoilt[1] @ spoilt[0], compute_uv=False)
    changes = [np.abs(now - before).max() for now, before in zip(spoilt.defects(), start.defects(), strict=True)]
    assert chart.drift(spoilt.vector()) == pytest.approx(max(*changes, sigma[2] / sigma[0]))


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_fastest_rate_is_the_sharpness_of_a_full_observation(depth: int) -> None:
    """N σ_1^{2-2/N} at a minimum of ½|X - M|²; unbalanced layers decay no faster than it says."""
    target = np.diag([2.0, 1.0, 0.5])
    network = DeepLinearNetwork(depth, (3, 3))
    for start in (Layers.balanced(network, FactoredMatrix.from_matrix(target)), Layers.random(network, 1.0, seed=3)):
        at_minimum = MatrixCompletion.from_array(multiplied(list(start), 3))
        chart = LayersChart(at_minimum, network, start)
        coordinates = chart.coordinates(chart.start)
        linearization = chart.linearization(coordinates)
        matrix = np.array([linearization(column) for column in np.eye(coordinates.size)])
        fastest = -np.linalg.eigvalsh((matrix + matrix.T) / 2)[0]
        assert chart.fastest_rate(coordinates) >= fastest * (1 - 1e-12)
        if start.is_balanced():
            assert chart.fastest_rate(coordinates) == pytest.approx(fastest)
            assert fastest == pytest.approx(depth * 2.0 ** (2 - 2 / depth))


@pytest.mark.parametrize("width", ["thin", "full", 7])
@pytest.mark.parametrize(
    ("depth", "shape", "rank"), [(1, (4, 3), 3), (2, (4, 3), 2), (3, (3, 5), 3), (5, (4, 4), 2), (4, (3, 3), 3)]
)
def test_preconditioner_inverts_the_jacobian_at_a_minimum(
    depth: int, shape: tuple[int, int], rank: int, width: int | str
) -> None:
    """For E = ½|X - M|² at X = M: no curvature but that of E, and the solution is exact."""
    generator = np.random.default_rng(30)
    U, V = (np.linalg.qr(generator.standard_normal((side, rank)))[0] for side in shape)
    point = FactoredMatrix(U, np.diag(np.linspace(2.0, 0.5, rank)), V)
    for rescaled in (False, True):
        network = DeepLinearNetwork(depth, shape, rank, rescaled=rescaled)
        start = Layers.balanced(network, point, width, seed=31)
        chart = LayersChart(MatrixCompletion.from_array(point.to_array()), network, start)
        coordinates = chart.coordinates(chart.start)
        solve, jacobian = chart.preconditioner(coordinates), chart.linearization(coordinates)
        assert solve is not None
        residual = generator.standard_normal(coordinates.size)
        for gamma in (1e-3, 0.7, 1e4):
            solution = solve(gamma, residual)
            np.testing.assert_allclose(solution - gamma * jacobian(solution), residual, atol=1e-13 * (1 + 100 * gamma))
        # It does something, and the identity would not do.
        assert np.linalg.norm(residual - 0.7 * jacobian(residual) - residual) > 0.1


def test_unbalanced_layers_have_no_preconditioner() -> None:
    network = DeepLinearNetwork(2, (4, 3))
    chart = LayersChart(completion((4, 3), 32), network, Layers.random(network, 1.0))
    assert chart.preconditioner(chart.coordinates(chart.start)) is None


def test_preconditioner_saves_krylov_iterations() -> None:
    """Near the end of a run with two thirds of the entries seen, at a step far beyond explicit stability."""
    shape = (30, 30)
    energy, network = completion(shape, 33), DeepLinearNetwork(3, shape, 4)
    trajectory = gradient_flow(energy, network, balanced_start(network, 1e-2), until={"energy": 1e-4}, chart="layers")
    chart = LayersChart(energy, network, trajectory.factored[0])
    coordinates = trajectory.layers[-1].vector()
    solve, jacobian = chart.preconditioner(coordinates), chart.linearization(coordinates)
    assert solve is not None
    gamma, size = 300 / chart.fastest_rate(coordinates), coordinates.size
    iterations = []
    for inverse in (None, LinearOperator((size, size), matvec=lambda vector: solve(gamma, vector))):
        norms: list[float] = []
        gmres(
            LinearOperator((size, size), matvec=lambda vector: vector - gamma * jacobian(vector)),
            chart.velocity(0.0, coordinates),
            rtol=1e-3,
            restart=200,
            M=inverse,
            callback=norms.append,
            callback_type="pr_norm",
        )
        iterations.append(len(norms))
    assert 0 < iterations[1] < 0.6 * iterations[0]


def test_tolerances_follow_the_smallest_singular_values() -> None:
    energy, network = completion((4, 3), 18), DeepLinearNetwork(3, (4, 3), 2)
    point = FactoredMatrix(np.eye(4)[:, :2], np.diag([1.0, 1e-9]), np.eye(3)[:, :2])
    np.testing.assert_allclose(LayersChart(energy, network, point).noise(1e-6), 1e-6 * 1e-3)
    # Wide layers have zero singular values, which are none of the point's.
    wide = Layers.balanced(network, point, "full", seed=19)
    np.testing.assert_allclose(LayersChart(energy, network, wide).noise(1e-6), 1e-6 * 1e-3, rtol=1e-6)
    # A last layer that starts at zero, as it often does, follows the others.
    zero = Layers((0.01 * np.eye(2, 3), 0.01 * np.eye(2), np.zeros((4, 2))))
    chart = LayersChart(energy, network, zero)
    np.testing.assert_allclose(chart.noise(1e-6), 1e-8)
    assert (chart.scale(chart.coordinates(chart.start)) > 0).all()


def test_a_last_layer_that_starts_at_zero_learns() -> None:
    """X starts at 0, where balanced layers would rest."""
    energy, network = completion((4, 3), 20), DeepLinearNetwork(2, (4, 3), 2)
    start = Layers((np.random.default_rng(21).standard_normal((2, 3)), np.zeros((4, 2))))
    chart = LayersChart(energy, network, start)
    end = flowed(chart, np.array([0.0, 20.0]))[-1]
    assert energy(chart.point(end)) < 0.1 * energy(np.zeros((4, 3)))


def test_orientation_is_kept_by_balanced_square_layers_only() -> None:
    energy, network = completion((3, 3), 22), DeepLinearNetwork(2, (3, 3))
    point = balanced_start(network, 0.5, 23)
    for start in (point, Layers.balanced(network, point, seed=24)):
        chart = LayersChart(energy, network, start)
        coordinates = chart.coordinates(chart.start)
        assert chart.orientation(coordinates) == np.sign(np.linalg.det(point.to_array()))
    for start in (Layers.random(network, 1.0), Layers.balanced(network, point, 5)):
        chart = LayersChart(energy, network, start)
        assert chart.orientation(chart.coordinates(chart.start)) == 0.0


def test_unbalanced_layers_change_the_sign_of_a_determinant() -> None:
    """Why they have no orientation: w_2² - w_1² = -0.99 lets w_2 go through zero."""
    energy, network = MatrixCompletion.from_array([[-1.0]]), DeepLinearNetwork(2, (1, 1))
    chart = LayersChart(energy, network, Layers(([[1.0]], [[0.1]])))
    end = flowed(chart, np.array([0.0, 20.0]))[-1]
    assert chart.point(end).to_array()[0, 0] == pytest.approx(-1.0, abs=1e-6)
    assert chart.layers(end).defects()[0][0, 0] == pytest.approx(-0.99, abs=1e-8)


def test_refused_layers() -> None:
    energy, network = completion((4, 3), 25), DeepLinearNetwork(2, (4, 3), 2)
    with pytest.raises(ValueError, match=r"rank 3, not of the network's rank 2.*rank=3"):
        LayersChart(energy, network, Layers.random(network, 1.0, "full"))
    with pytest.raises(ValueError, match="as many as the network is deep"):
        LayersChart(energy, network, Layers.random(DeepLinearNetwork(3, (4, 3), 2), 1.0))


def test_widths_may_differ() -> None:
    energy, network = completion((4, 3), 26), DeepLinearNetwork(3, (4, 3), 2)
    point = balanced_start(network, 0.5, 27)
    layers = Layers.balanced(network, point, [2, 5], seed=28)
    chart = LayersChart(energy, network, layers)
    assert [below.shape[0] == above.shape[1] for below, above in pairwise(chart.layers(chart.coordinates(point)))]
    thin = LayersChart(energy, network, point)
    ends = [c.point(flowed(c, TIMES)[-1]).to_array() for c in (chart, thin)]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-8)
