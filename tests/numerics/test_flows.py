"""Flows against the layers, against each other, and against what is known of them exactly."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad, solve_ivp
from sympy import Matrix, Symbol, oo, symbols

from geometry import DeepLinearNetwork
from numerics import (
    Convergence,
    FactoredMatrix,
    FlowError,
    FrozenSpacesWarning,
    MatrixCompletion,
    ProjectedFlowWarning,
    SpectralCrossingError,
    SymbolicEnergy,
    balanced_start,
    gradient_flow,
)
from numerics.convergence import slope_norm
from tests.definition import DefinedPoint, defined_operator

Array = NDArray[np.float64]


def low_rank_completion(shape: tuple[int, int], rank: int, seed: int, share: float = 0.6) -> MatrixCompletion:
    """A part of the entries of a matrix of given rank and norm 1."""
    generator = np.random.default_rng(seed)
    M = generator.standard_normal((shape[0], rank)) @ generator.standard_normal((rank, shape[1]))
    return MatrixCompletion.from_array(np.where(generator.random(shape) < share, M / np.linalg.norm(M), np.nan))


def separated_start(shape: tuple[int, int], rank: int, seed: int) -> FactoredMatrix:
    """Singular values between 0.2 and 1, apart."""
    generator = np.random.default_rng(seed)
    U, V = (np.linalg.qr(generator.standard_normal((side, rank)))[0] for side in shape)
    return FactoredMatrix(U, np.diag(np.linspace(1.0, 0.2, rank)), V)


def relative_distance(X: Array, Y: Array) -> float:
    """In the Frobenius norm."""
    return float(np.linalg.norm(X - Y) / np.linalg.norm(Y))


def integrated_layers(energy: MatrixCompletion, start: FactoredMatrix, depth: int, times: Array) -> list[Array]:
    """dW_p/dt = -∂L/∂W_p with an explicit solver of order eight: nothing in common with the package's charts."""
    U, sigma, V = start.decomposition
    layers = [np.diag(sigma ** (1 / depth))] * depth
    layers[0], layers[-1] = layers[0] @ V.T, U @ layers[-1]
    bounds = np.cumsum([0, *(layer.size for layer in layers)])

    def unpacked(state: Array) -> list[Array]:
        return [state[bounds[p] : bounds[p + 1]].reshape(layers[p].shape) for p in range(depth)]

    def product(pieces: list[Array], size: int) -> Array:
        result = np.eye(size)
        for piece in pieces:
            result = piece @ result
        return result

    def velocity(_: float, state: Array) -> Array:
        W = unpacked(state)
        slope = energy.gradient(product(W, start.shape[1])).toarray()
        return -np.concatenate(
            [
                (product(W[p + 1 :], W[p].shape[0]).T @ slope @ product(W[:p], W[0].shape[1]).T).ravel()
                for p in range(depth)
            ]
        )

    solution = solve_ivp(
        velocity, times[[0, -1]], np.concatenate([W.ravel() for W in layers]), "DOP853", times, rtol=1e-12, atol=1e-14
    )
    assert solution.success
    return [product(unpacked(state), start.shape[1]) for state in solution.y.T]


# ------------------------------------------------------------------------------- against the layers


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize(("shape", "rank", "seed"), [((6, 5), 2, 0), ((4, 7), 3, 1)])
def test_factored_chart_agrees_with_the_layers(depth: int, shape: tuple[int, int], rank: int, seed: int) -> None:
    energy, network = low_rank_completion(shape, rank, seed), DeepLinearNetwork(depth, shape, rank)
    start, times = balanced_start(network, 0.1, seed), np.array([0.0, 1.0, 5.0, 20.0])
    expected = integrated_layers(energy, start, depth, times)
    flows = {
        chart: gradient_flow(energy, network, start, times, chart=chart, rtol=1e-10) for chart in ("factored", "layers")
    }
    for trajectory in flows.values():
        np.testing.assert_array_equal(trajectory.times, times)
        for i in range(len(times)):
            assert relative_distance(trajectory.matrix(i), expected[i]) < 1e-8
    assert flows["factored"].statistics.orthonormality_drift < 1e-9
    assert flows["layers"].statistics.balancedness_drift < 1e-9
    # The matrices have moved: this compares flows, not starts.
    assert relative_distance(expected[-1], expected[0]) > 0.5


@pytest.mark.parametrize("depth", [2, 3, oo])
@pytest.mark.parametrize("chart", ["spectral", "matrix"])
@pytest.mark.parametrize(("shape", "rank"), [((3, 3), 3), ((4, 3), 3), ((4, 5), 2)])
@pytest.mark.filterwarnings("ignore::numerics.FrozenSpacesWarning")
def test_charts_agree(chart: str, depth: Any, shape: tuple[int, int], rank: int) -> None:
    energy, network = low_rank_completion(shape, rank, 2), DeepLinearNetwork(depth, shape, rank)
    start, times = separated_start(shape, rank, 3), np.linspace(0, 0.5, 4)
    factored = gradient_flow(energy, network, start, times, rtol=1e-10)
    other = gradient_flow(energy, network, start, times, chart=chart, rtol=1e-10)
    for i in range(len(times)):
        assert relative_distance(other.matrix(i), factored.matrix(i)) < 1e-8
    assert other.chart == chart


@pytest.mark.parametrize("method", ["BDF", "Radau", "LSODA", "DOP853", "RK45"])
def test_methods_agree(method: str) -> None:
    energy, network = low_rank_completion((4, 3), 2, 4), DeepLinearNetwork(3, (4, 3), 2)
    start, times = balanced_start(network, 0.2, 1), np.array([0.0, 3.0])
    reference = gradient_flow(energy, network, start, times, rtol=1e-11).matrix(-1)
    trajectory = gradient_flow(energy, network, start, times, method=method, rtol=1e-8)
    assert relative_distance(trajectory.matrix(-1), reference) < 1e-5
    assert trajectory.statistics.method == method
    assert trajectory.statistics.rtol == 1e-8


@pytest.mark.parametrize("depth", [2, 4, oo])
def test_tolerances_are_respected(depth: Any) -> None:
    energy, network = low_rank_completion((4, 4), 2, 5), DeepLinearNetwork(depth, (4, 4))
    start, times = balanced_start(network, 0.1, 2), np.array([0.0, 4.0])
    reference = gradient_flow(energy, network, start, times, rtol=1e-12).matrix(-1)
    errors = [
        relative_distance(gradient_flow(energy, network, start, times, rtol=rtol, engine="scipy").matrix(-1), reference)
        for rtol in (1e-4, 1e-6, 1e-8)
    ]
    assert errors[0] > errors[1] > errors[2]
    # A tolerance bounds the error of a step; those of a run add up.
    assert all(error < 1e3 * rtol for error, rtol in zip(errors, (1e-4, 1e-6, 1e-8), strict=True))


# ------------------------------------------------------------------------------- infinite depth


@pytest.mark.parametrize("shape", [(3, 3), (4, 4)])
def test_deviation_from_infinite_depth_shrinks_like_one_over_the_depth(shape: tuple[int, int]) -> None:
    energy = low_rank_completion(shape, 2, 6)
    limit = DeepLinearNetwork(oo, shape)
    start, times = balanced_start(limit, 0.3, 3), np.array([0.0, 2.0])
    end = gradient_flow(energy, limit, start, times, rtol=1e-10).matrix(-1)
    deviations = []
    for depth in (10, 20, 40, 80):
        network = DeepLinearNetwork(depth, shape, rescaled=True)
        deviations.append(relative_distance(gradient_flow(energy, network, start, times, rtol=1e-10).matrix(-1), end))
    slopes = np.diff(np.log(deviations)) / np.log(2)
    assert np.abs(slopes + 1).max() < 0.1
    assert deviations[0] > 1e-4


@pytest.mark.parametrize(
    ("shape", "rank", "sides"), [((4, 4), 2, "column and row"), ((5, 3), 3, "column"), ((3, 5), 3, "row")]
)
def test_spaces_freeze_at_infinite_depth(shape: tuple[int, int], rank: int, sides: str) -> None:
    energy, network = low_rank_completion(shape, rank, 7), DeepLinearNetwork(oo, shape, rank)
    start = balanced_start(network, 0.2, 4)
    with pytest.warns(FrozenSpacesWarning, match=f"the {sides} space of"):
        trajectory = gradient_flow(energy, network, start, [0.0, 1000.0])
    end = trajectory.matrix(-1)
    U, V = start.U, start.V
    np.testing.assert_allclose(U @ (U.T @ end) @ V @ V.T, end, atol=1e-12)
    assert relative_distance(end, start.to_array()) > 0.1


def test_no_warning_at_full_square_rank() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = DeepLinearNetwork(oo, (3, 3))
        gradient_flow(low_rank_completion((3, 3), 2, 8), network, balanced_start(network), [0.0, 1.0])
        network = DeepLinearNetwork(1, (4, 3))
        gradient_flow(low_rank_completion((4, 3), 2, 8), network, balanced_start(network), [0.0, 1.0])


def test_a_million_layers_are_as_good_as_infinitely_many() -> None:
    energy, flows = low_rank_completion((4, 4), 2, 5), []
    for network in (DeepLinearNetwork(10**6, (4, 4), rescaled=True), DeepLinearNetwork(oo, (4, 4))):
        flows.append(gradient_flow(energy, network, balanced_start(network, 0.1, 1), [0.0, 50.0, 200.0], rtol=1e-9))
    assert relative_distance(flows[0].matrix(-1), flows[1].matrix(-1)) < 1e-5
    assert relative_distance(flows[1].matrix(-1), flows[1].matrix(0)) > 0.5


# ------------------------------------------------------------------------------- exact answers


def test_projected_flow_at_depth_one() -> None:
    energy, network = low_rank_completion((4, 3), 1, 9), DeepLinearNetwork(1, (4, 3), 1)
    start = balanced_start(network, 0.5, 5)
    with pytest.warns(ProjectedFlowWarning, match="projected"):
        trajectory = gradient_flow(energy, network, start, np.linspace(0, 1e-4, 3), rtol=1e-10)
    U, V = start.U @ start.U.T, start.V @ start.V.T
    slope = energy.gradient(start).toarray()
    projected = slope - (np.eye(4) - U) @ slope @ (np.eye(3) - V)
    velocity = (trajectory.matrix(-1) - trajectory.matrix(0)) / 1e-4
    np.testing.assert_allclose(velocity, -projected, atol=1e-3)
    assert np.linalg.norm(slope - projected) > 1e-2


@pytest.mark.parametrize("chart", ["factored", "matrix", "layers"])
def test_depth_one_relaxes_exponentially(chart: str) -> None:
    M = np.random.default_rng(10).standard_normal((3, 2))
    network, times = DeepLinearNetwork(1, (3, 2)), np.array([0.0, 0.7, 2.0])
    start = balanced_start(network, 0.5, 6)
    trajectory = gradient_flow(MatrixCompletion.from_array(M), network, start, times, chart=chart, rtol=1e-10)
    for i, time in enumerate(times):
        expected = M + np.exp(-time) * (start.to_array() - M)
        assert relative_distance(trajectory.matrix(i), expected) < 1e-8


def escape_time(depth: float, scale: float, target: float, reached: float) -> float:
    """∫ ds / (λ(s, s) (target - s)) from scale to reached, the time of one singular value; λ/N at depth infinity."""

    def rate(log_sigma: float) -> float:
        sigma = np.exp(log_sigma)
        multiplier = sigma**2 if np.isinf(depth) else depth * sigma ** (2 - 2 / depth)
        return float(sigma / (multiplier * (target - sigma)))

    return float(quad(rate, np.log(scale), np.log(reached), epsabs=0, epsrel=1e-12, limit=400)[0])


@pytest.mark.parametrize("chart", ["factored", "layers", "spectral", "matrix"])
@pytest.mark.parametrize(("depth", "scale"), [(3, 1e-8), (2, 1e-12), (5, 1e-3), (oo, 1e-3)])
def test_escape_times_at_the_defaults(depth: Any, scale: float, chart: str) -> None:
    """X = x uvᵀ and M = uvᵀ: dx/dt = λ(x, x) (1 - x) leaves the saddle very late, and on time."""
    if chart == "layers" and depth == oo:
        chart = "factored"
    network = DeepLinearNetwork(depth, (1, 1))
    energy = MatrixCompletion.from_array([[1.0]])
    start = FactoredMatrix(np.eye(1), np.array([[scale]]), np.eye(1))
    half = escape_time(float(depth), scale, 1.0, 0.5)
    times = np.array([0.0, 0.999 * half, half, 1.001 * half])
    sigma = gradient_flow(energy, network, start, times, chart=chart).singular_values[:, 0]
    # Where σ is 1/2 it grows at λ/2: a relative error in time shows in σ times the escape time.
    rate = 0.5 * (0.25 if depth == oo else depth * 0.5 ** (2 - 2 / depth))
    assert abs(sigma[2] - 0.5) / (rate * half) < 1e-5
    assert sigma[0] == scale


@pytest.mark.parametrize("depth", [2, 3])
def test_small_starts_escape_as_the_layers_do(depth: int) -> None:
    energy, network = low_rank_completion((5, 4), 1, 11), DeepLinearNetwork(depth, (5, 4), 2)
    start = balanced_start(network, 1e-6, 7)
    runs = [gradient_flow(energy, network, start, until={"energy": 1e-3}, chart=c) for c in ("factored", "layers")]
    assert runs[0].converged
    assert runs[1].converged
    halves = [np.interp(0.5, run.singular_values[:, 0] / run.singular_values[-1, 0], run.times) for run in runs]
    assert abs(halves[0] / halves[1] - 1) < 1e-3


# ------------------------------------------------------------------------------- dissipation


@pytest.mark.parametrize("depth", [1, 2, 3, 7, oo])
@pytest.mark.filterwarnings("ignore::numerics.FrozenSpacesWarning")
def test_energy_falls_at_the_rate_of_the_gradient(depth: Any) -> None:
    """dE/dt = -<∇E, A_N ∇E>, integrated over the run."""
    energy, network = low_rank_completion((4, 3), 2, 12), DeepLinearNetwork(depth, (4, 3))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    times = np.concatenate([[0.0], 1 + nodes, [2.0]])
    trajectory = gradient_flow(energy, network, balanced_start(network, 0.4, 8), times, rtol=1e-10)
    dissipated = 0.0
    for weight, i in zip(weights, range(1, 21), strict=True):
        X = trajectory.matrix(i)
        slope = energy.gradient(X).toarray()
        dissipated += weight * np.sum(slope * defined_operator(X, float(depth))(slope))
    assert abs(trajectory.energy[0] - trajectory.energy[-1] - dissipated) < 1e-8 * dissipated
    assert (np.diff(trajectory.energy) < 0).all()


def test_log_volume_along_the_flow() -> None:
    energy, network = low_rank_completion((4, 3), 2, 13), DeepLinearNetwork(3, (4, 3), 2)
    trajectory = gradient_flow(energy, network, separated_start((4, 3), 2, 9), [0.0, 0.5, 1.0])
    for i in range(3):
        U, sigma, Vt = np.linalg.svd(trajectory.matrix(i))
        point = DefinedPoint(U, sigma[:2], Vt.T)
        assert abs(trajectory.log_volume[i] - point.log_volume(3)) < 1e-10
    assert trajectory.log_volume.shape == trajectory.energy.shape == (3,)
    assert trajectory.singular_values.shape == (3, 2)


# ------------------------------------------------------------------------------- invariances


def test_rotating_the_problem_rotates_the_flow() -> None:
    X = Matrix(2, 3, symbols("x:6", real=True))
    generator = np.random.default_rng(14)
    Q, R = (np.linalg.qr(generator.standard_normal((side, side)))[0] for side in (2, 3))
    M = generator.standard_normal((2, 3))
    weights = np.array([[1.0, 2.0, 0.5], [1.5, 1.0, 3.0]])

    def weighted(entries: Matrix) -> Any:
        return sum(float(weights[i, j]) * (entries[i, j] - float(M[i, j])) ** 2 / 2 for i in range(2) for j in range(3))

    network = DeepLinearNetwork(3, (2, 3))
    start = balanced_start(network, 0.3, 10)
    turned = FactoredMatrix(Q @ start.U, start.S, R @ start.V)
    plain = gradient_flow(SymbolicEnergy(weighted(X), X), network, start, [0.0, 1.0], rtol=1e-10)
    pulled = SymbolicEnergy(weighted(Matrix(Q.T) * X * Matrix(R)), X)
    other = gradient_flow(pulled, network, turned, [0.0, 1.0], rtol=1e-10)
    assert relative_distance(other.matrix(-1), Q @ plain.matrix(-1) @ R.T) < 1e-9


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_scaling_the_data_scales_the_time(depth: int) -> None:
    """X → cX with M → cM: time goes with c^(2/N - 2)."""
    c = 8.0
    energy, network = low_rank_completion((3, 4), 2, 15), DeepLinearNetwork(depth, (3, 4), 2)
    larger = MatrixCompletion.from_entries(
        rows=energy.rows, columns=energy.columns, values=c * energy.values, shape=(3, 4)
    )
    start, times = balanced_start(network, 0.2, 11), np.array([0.0, 1.0, 3.0])
    plain = gradient_flow(energy, network, start, times, rtol=1e-10)
    scaled = gradient_flow(
        larger, network, FactoredMatrix(start.U, c * start.S, start.V), times * c ** (2 / depth - 2), rtol=1e-10
    )
    for i in (1, 2):
        assert relative_distance(scaled.matrix(i), c * plain.matrix(i)) < 1e-8


# ------------------------------------------------------------------------------- ends of runs


def test_runs_to_convergence() -> None:
    energy, network = low_rank_completion((4, 4), 1, 16), DeepLinearNetwork(2, (4, 4), 1)
    start = balanced_start(network, 0.1, 12)
    trajectory = gradient_flow(energy, network, start, until=1e-7)
    assert trajectory.converged
    assert slope_norm(energy, network, trajectory.factored[-1]) <= 1e-7
    assert slope_norm(energy, network, trajectory.factored[-2]) > 1e-7
    by_energy = gradient_flow(energy, network, start, until=Convergence(energy=1e-6))
    assert by_energy.converged
    assert by_energy.energy[-1] <= 1e-6 < by_energy.energy[-2]
    late = gradient_flow(energy, network, start, until={"gradient_norm": 1e-300, "latest": 3.0})
    assert late.converged is False
    assert late.times[-1] == 3.0
    given = gradient_flow(energy, network, start, [0.0, 1.0, 1e6], until={"energy": 1e-4})
    assert given.converged
    assert given.times[-1] < 1e6
    np.testing.assert_array_equal(given.times[:2], [0.0, 1.0])
    assert gradient_flow(energy, network, start, [0.0, 1.0]).converged is None


def test_times_may_start_anywhere() -> None:
    energy, network = low_rank_completion((3, 3), 1, 17), DeepLinearNetwork(2, (3, 3))
    start = balanced_start(network, 0.2, 13)
    plain = gradient_flow(energy, network, start, [0.0, 1.0, 2.0])
    later = gradient_flow(energy, network, start, [5.0, 6.0, 7.0])
    np.testing.assert_allclose(later.matrix(-1), plain.matrix(-1), rtol=1e-9)
    np.testing.assert_array_equal(later.times, [5.0, 6.0, 7.0])


def test_progress_is_told() -> None:
    energy, network = low_rank_completion((3, 3), 1, 18), DeepLinearNetwork(2, (3, 3))
    told: list[tuple[float, float]] = []
    trajectory = gradient_flow(
        energy, network, balanced_start(network), [0.0, 2.0], progress=lambda *moment: told.append(moment)
    )
    assert told[-1] == (2.0, 2.0)
    assert len(told) == trajectory.statistics.steps


def test_singular_values_pass_each_other_in_the_factored_chart() -> None:
    """diag(1, 0.5) to diag(0.2, 1): they cross; the spectral chart says so."""
    energy = MatrixCompletion.from_array(np.diag([0.2, 1.0]))
    network, start = DeepLinearNetwork(2, (2, 2)), FactoredMatrix(np.eye(2), np.diag([1.0, 0.5]), np.eye(2))
    factored = gradient_flow(energy, network, start, until=1e-8)
    np.testing.assert_allclose(factored.matrix(-1), np.diag([0.2, 1.0]), atol=1e-6)
    with pytest.raises(SpectralCrossingError, match=r"t = .*chart='factored'"):
        gradient_flow(energy, network, start, until=1e-8, chart="spectral")


def test_flow_error_on_blow_up() -> None:
    """E = -x³/3 at depth 2: dx/dt = 2 x³ is infinite at t = 1/4."""
    x = Symbol("x", real=True)
    energy, network = SymbolicEnergy(-(x**3) / 3, [[x]]), DeepLinearNetwork(2, (1, 1))
    start = FactoredMatrix(np.eye(1), np.eye(1), np.eye(1))
    for chart in ("factored", "matrix", "spectral", "layers"):
        with pytest.raises(FlowError, match=r"failed.*t = ") as caught:
            gradient_flow(energy, network, start, [0.0, 1.0], chart=chart)
        assert abs(caught.value.time - 1 / 4) < 1e-3
        assert caught.value.state.singular_values[0] > 10
        copy = pickle.loads(pickle.dumps(caught.value))
        assert (copy.time, str(copy)) == (caught.value.time, str(caught.value))


@pytest.mark.parametrize("chart", ["factored", "matrix", "layers"])
@pytest.mark.parametrize("depth", [2, 3])
def test_no_flow_crosses_singular_matrices(depth: int, chart: str) -> None:
    """X = diag(1, 1) towards diag(1, -1): x₂ decays to zero, and rounding must not carry it through."""
    energy = MatrixCompletion.from_array(np.diag([1.0, -1.0]))
    network, start = DeepLinearNetwork(depth, (2, 2)), FactoredMatrix(np.eye(2), np.eye(2), np.eye(2))
    sane = gradient_flow(energy, network, start, [0.0, 3.0], chart=chart)
    assert 0 < sane.matrix(-1)[1, 1] < 0.2
    with pytest.raises(FlowError, match=r"changed its sign, as the exact flow never does|failed"):
        gradient_flow(energy, network, start, until=1e-8, chart=chart)
    # At depth 1 it goes there.
    end = gradient_flow(energy, DeepLinearNetwork(1, (2, 2)), start, until=1e-8).matrix(-1)
    np.testing.assert_allclose(end, np.diag([1.0, -1.0]), atol=1e-7)


def test_flow_error_when_steps_run_out() -> None:
    energy, network = low_rank_completion((3, 3), 1, 19), DeepLinearNetwork(2, (3, 3))
    with pytest.raises(FlowError, match="max_steps = 5") as caught:
        gradient_flow(energy, network, balanced_start(network), until=1e-8, max_steps=5)
    assert caught.value.time > 0


# ------------------------------------------------------------------------------- refusals

ENERGY = low_rank_completion((3, 4), 2, 20)
NETWORK = DeepLinearNetwork(3, (3, 4), 2)
START = balanced_start(NETWORK, 0.1, 14)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"times": None}, "times, or until"),
        ({"times": [0.0]}, "times"),
        ({"times": [0.0, 0.0]}, "increasing"),
        ({"times": [1.0, 0.0]}, "increasing"),
        ({"times": [0.0, np.nan]}, "times"),
        ({"times": [0.0, np.inf]}, "finite"),
        ({"times": [[0.0, 1.0]]}, "times"),
        ({"chart": "polar"}, "chart must be one of"),
        ({"engine": "magic"}, "engine"),
        ({"method": "Euler"}, "method"),
        ({"rtol": 0.0}, "rtol"),
        ({"rtol": 2.0}, "rtol"),
        ({"rtol": np.nan}, "rtol"),
        ({"atol": -1.0}, "atol"),
        ({"atol": np.nan}, "atol"),
        ({"until": 0.0}, "gradient_norm"),
        ({"until": np.nan}, "gradient_norm"),
        ({"until": {"energy": -1.0}}, "energy"),
        ({"until": {}}, "until needs"),
        ({"start": balanced_start(DeepLinearNetwork(3, (4, 3), 2))}, "start"),
        ({"start": balanced_start(DeepLinearNetwork(3, (3, 4), 1))}, "start"),
        ({"energy": low_rank_completion((4, 3), 2, 20)}, "energy"),
        ({"network": DeepLinearNetwork(Symbol("N", positive=True), (3, 4), 2)}, "depth"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], named: str) -> None:
    given = {"energy": ENERGY, "network": NETWORK, "start": START, "times": [0.0, 1.0]} | arguments
    with pytest.raises(ValueError, match=named):
        gradient_flow(**given)


def test_a_dense_start_is_refused_with_the_remedy() -> None:
    with pytest.raises(TypeError, match=r"FactoredMatrix\.from_matrix"):
        gradient_flow(ENERGY, NETWORK, np.ones((3, 4)), [0.0, 1.0])  # type: ignore[arg-type]


def test_unknown_bounds_are_refused() -> None:
    with pytest.raises((TypeError, ValueError), match="patience"):
        gradient_flow(ENERGY, NETWORK, START, until={"patience": 3})


class Distance:
    """An energy as one writes it, for arrays."""

    shape = (2, 2)

    def __init__(self, M: Array) -> None:
        self.M = M

    def value(self, X: Array) -> float:
        return float(np.sum((X - self.M) ** 2)) / 2

    def gradient(self, X: Array) -> Array:
        return X - self.M


class CallableDistance(Distance):
    """The same as a call."""

    def __call__(self, X: Array) -> float:
        return self.value(X)


@pytest.mark.parametrize("kind", [Distance, CallableDistance])
def test_an_object_written_for_arrays_is_an_energy(kind: Any) -> None:
    M = np.array([[1.0, 0.5], [0.5, 2.0]])
    network = DeepLinearNetwork(3, (2, 2))
    start, times = balanced_start(network, 0.1), [0.0, 2.0]
    mine = gradient_flow(kind(M), network, start, times)
    expected = gradient_flow(MatrixCompletion.from_array(M), network, start, times)
    np.testing.assert_allclose(mine.matrix(-1), expected.matrix(-1), rtol=1e-6)


def test_what_an_energy_raises_is_seen() -> None:
    class Broken(Distance):
        def gradient(self, X: Array) -> Array:
            raise ValueError("my data has the wrong length")

    network = DeepLinearNetwork(3, (2, 2))
    with pytest.raises(ValueError, match="my data has the wrong length"):
        gradient_flow(Broken(np.eye(2)), network, balanced_start(network), [0.0, 1.0])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rtol": "1e-3"}, "rtol"),
        ({"atol": [1e-9] * 4}, "atol"),
        ({"until": "x"}, "until"),
        ({"until": {"gradient": 1}}, "gradient_norm"),
        ({"times": "abc"}, "times"),
        ({"max_steps": 0}, "max_steps"),
        ({"events": None}, "events"),
        ({"energy": "E"}, "energy"),
    ],
)
def test_arguments_of_another_kind_are_named(options: dict[str, Any], named: str) -> None:
    network = DeepLinearNetwork(3, (2, 2))
    arguments = {"energy": MatrixCompletion.from_array(np.eye(2)), "times": [0.0, 1.0]} | options
    with pytest.raises((TypeError, ValueError), match=named):
        gradient_flow(network=network, start=balanced_start(network), **arguments)


@pytest.mark.parametrize("until", [1e-3, {"energy": 0.1}])
def test_cvode_begins_without_an_end(until: Any) -> None:
    pytest.importorskip("sksundae")
    network = DeepLinearNetwork(3, (3, 3))
    energy = MatrixCompletion.from_array(np.diag([3.0, 2.0, 1.0]))
    assert gradient_flow(energy, network, balanced_start(network), until=until, engine="sundials").converged
