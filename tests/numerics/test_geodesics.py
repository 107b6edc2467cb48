"""Geodesics against closed forms, the symbolic equations, the least-energy principle and horizontal lifts to layers."""

from __future__ import annotations

import pickle
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from sympy import oo

from geometry import DeepLinearNetwork, compile_kernel
from geometry.geodesic_closed_forms import bures_wasserstein_geodesic
from geometry.geodesics import conserved_momenta, geodesic_system
from numerics import inner_product
from numerics.factored import FactoredMatrix
from numerics.geodesic_hamiltonian import GeodesicHamiltonian
from numerics.geodesics import GeodesicError, exponential_map, geodesic
from tests.definition import defined_operator

Array = NDArray[np.float64]

CASES = [
    (1, (2, 2), 2),
    (2, (3, 3), 3),
    (3, (4, 3), 2),
    (10, (2, 3), 2),
    (1, (3, 4), 2),
    (2, (3, 2), 1),
    (oo, (3, 3), 3),
]


def orthogonal(generator: np.random.Generator, size: int) -> Array:
    return np.asarray(np.linalg.qr(generator.standard_normal((size, size)))[0])


def start_and_velocity(shape: tuple[int, int], rank: int, seed: int = 0, speed: float = 0.3) -> tuple[Array, Array]:
    """A matrix with singular values between 0.6 and 2 and a tangent vector."""
    generator = np.random.default_rng(seed)
    left, right = (orthogonal(generator, side) for side in shape)
    U, V, sigma = left[:, :rank], right[:, :rank], np.linspace(1.7, 0.8, rank)
    Z = speed * generator.standard_normal(shape)
    normal = (np.eye(shape[0]) - U @ U.T) @ Z @ (np.eye(shape[1]) - V @ V.T)
    return (U * sigma) @ V.T, Z - normal


def metric(X: Array, depth: Any, rank: int, Z: Array) -> float:
    """<Z, A⁻¹ Z> with A summed from its definition and inverted as a matrix on the tangent space."""
    U, _, Vt = np.linalg.svd(X)
    rows, columns = U[:, :rank], Vt[:rank].T
    operator = defined_operator(X, float("inf") if depth == oo else int(depth), rank)
    units = np.eye(X.size).reshape(-1, *X.shape)
    frame = [E - (E - rows @ (rows.T @ E)) @ (np.eye(X.shape[1]) - columns @ columns.T) for E in units]
    matrix = np.array([operator(E).ravel() for E in frame]).T
    return float(Z.ravel() @ np.linalg.lstsq(matrix, Z.ravel(), rcond=1e-10)[0])


# --------------------------------------------------------------------------------------- closed forms


def test_depth_one_has_straight_lines_even_through_singular_matrices() -> None:
    X, Z = np.eye(2), np.diag([-2.0, 1.0])
    path = geodesic(DeepLinearNetwork(1, (2, 2)), X, Z, np.linspace(0, 1, 5))
    for index, t in enumerate(path.times):
        assert np.allclose(path.matrix(index), X + t * Z, atol=1e-9)
    assert path.length == pytest.approx(np.linalg.norm(Z))


@pytest.mark.parametrize("depth", [2, 3, 10, oo])
@pytest.mark.parametrize("ends", [([2.0, 0.7, 0.1], [1.0, 0.5, 0.4]), ([2.0, 0.7, 0.1], [0.3, 0.6, 0.9])])
def test_diagonals_are_straight_in_flat_coordinates(depth: Any, ends: tuple[list[float], list[float]]) -> None:
    """Through coalescing singular values too."""
    first, last = map(np.array, ends)
    times = np.linspace(0, 1, 6)[:, None]
    if depth == oo:
        expected, slope = first ** (1 - times) * last**times, first * np.log(last / first)
    else:
        N = int(depth)
        expected = ((1 - times) * first ** (1 / N) + times * last ** (1 / N)) ** N
        slope = N * first ** (1 - 1 / N) * (last ** (1 / N) - first ** (1 / N))
    path = geodesic(DeepLinearNetwork(depth, (3, 3)), np.diag(first), np.diag(slope), times[:, 0])
    for index, row in enumerate(expected):
        assert np.allclose(path.matrix(index), np.diag(row), rtol=1e-8, atol=1e-9)


def test_depth_two_is_bures_wasserstein_on_positive_matrices() -> None:
    generator = np.random.default_rng(3)
    A, C = (M @ M.T + 0.2 * np.eye(3) for M in generator.standard_normal((2, 3, 3)))
    step = 1e-6
    velocity = (bures_wasserstein_geodesic(A, C, step) - bures_wasserstein_geodesic(A, C, -step)) / (2 * step)
    path = geodesic(DeepLinearNetwork(2, (3, 3)), A, velocity, [0.0, 0.5, 1.0])
    assert np.allclose(path.matrix(1), bures_wasserstein_geodesic(A, C, 0.5), atol=1e-7)
    assert np.allclose(path.matrix(2), C, atol=1e-7)


# ---------------------------------------------------------------------------------- other formulations


@pytest.mark.parametrize(("depth", "shape", "rank"), [(3, (3, 2), 2), (2, (3, 3), 2), (oo, (2, 2), 2)])
def test_against_the_symbolic_equations(depth: Any, shape: tuple[int, int], rank: int) -> None:
    """Hamilton's equations in the coframe, singular where singular values coalesce."""
    network = DeepLinearNetwork(depth, shape, rank)
    X, Z = start_and_velocity(shape, rank, seed=1)
    system = geodesic_system(network)
    U, sigma, Vt = np.linalg.svd(X)
    P = momentum(network, X, Z)
    left, right = conserved_momenta(X, P)
    values = dict(zip(system.singular_values, sigma[:rank], strict=True))
    values |= dict(zip(system.radial_momenta, np.diag(U.T @ P @ Vt.T)[:rank], strict=True))
    for symbols, numbers in (
        (system.left_momentum, U.T @ left @ U),
        (system.right_momentum, Vt @ right @ Vt.T),
        (system.left, U),
        (system.right, Vt.T),
    ):
        values |= {
            symbol: numbers[i, j]
            for i in range(symbols.rows)
            for j in range(symbols.cols)
            if (symbol := symbols[i, j]).is_Symbol
        }
    rates = compile_kernel(list(system.rates), system.state)
    state = np.array([values[symbol] for symbol in system.state])
    end = solve_ivp(lambda t, y: rates(*y), (0, 1), state, method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
    last = dict(zip(system.state, end, strict=True))
    spectrum = np.zeros(shape)
    spectrum[range(rank), range(rank)] = [last[symbol] for symbol in system.singular_values]
    frames = (np.array(frame.subs(last).tolist(), dtype=float) for frame in (system.left, system.right))
    left_end, right_end = frames
    assert np.allclose(exponential_map(network, X, Z), left_end @ spectrum @ right_end.T, atol=1e-8)


def momentum(network: DeepLinearNetwork, X: Array, Z: Array) -> Array:
    """P = A⁻¹ Z from the metric's polarization."""
    gradient = np.zeros_like(Z)
    units = np.eye(Z.size).reshape(-1, *Z.shape)
    point = FactoredMatrix.from_matrix(X, network.coframe.rank)
    for unit in units:
        against = unit - point.U @ (point.U.T @ unit)
        tangent = unit - (against - against @ point.V @ point.V.T)
        gradient += unit * inner_product(network, point, tangent, Z)
    return gradient


@pytest.mark.parametrize(("depth", "shape", "rank"), [case for case in CASES if case[1] in ((3, 3), (2, 2))])
def test_energy_is_stationary(depth: Any, shape: tuple[int, int], rank: int) -> None:
    """Along X(t) + ε sin²(πt) W, with the metric from the definition; a path that is no geodesic shows the slope."""
    network = DeepLinearNetwork(depth, shape, rank)
    X, Z = start_and_velocity(shape, rank)
    nodes, weights = np.polynomial.legendre.leggauss(10)
    times = (nodes + 1) / 2
    path = geodesic(network, X, Z, [0.0, *times, 1.0])
    W = np.random.default_rng(5).standard_normal(shape)

    def energy(epsilon: float, straight: bool) -> float:
        total = 0.0
        for index, (t, weight) in enumerate(zip(times, weights, strict=True), start=1):
            point, velocity = (path.matrix(index), path.velocity(index)) if not straight else (X + t * line, line)
            bump, slope = np.sin(np.pi * t) ** 2, np.pi * np.sin(2 * np.pi * t)
            total += weight / 4 * metric(point + epsilon * bump * W, depth, rank, velocity + epsilon * slope * W)
        return total

    line = path.matrix(-1) - X
    slopes = [(energy(1e-4, straight) - energy(-1e-4, straight)) / 2e-4 for straight in (False, True)]
    assert abs(slopes[0]) < 1e-5 * energy(0.0, False)
    if depth != 1:
        assert abs(slopes[1]) > 1e-3 * energy(0.0, False)


@pytest.mark.parametrize("depth", [2, 3])
def test_horizontal_lift_to_the_layers(depth: int) -> None:
    """dW_p = (W_N ⋯ W_{p+1})ᵀ P (W_{p-1} ⋯ W_1)ᵀ stays balanced, lies over the geodesic, and is as long."""
    X, Z = start_and_velocity((2, 2), 2)
    network = DeepLinearNetwork(depth, (2, 2))
    steps = 20
    path = geodesic(network, X, Z, np.linspace(0, 1, 2 * steps + 1))
    momenta = [momentum(network, path.matrix(i), path.velocity(i)) for i in range(2 * steps + 1)]
    U, sigma, Vt = np.linalg.svd(X)
    root = np.diag(sigma ** (1 / depth))
    layers = np.array(
        [(U if p == depth - 1 else np.eye(2)) @ root @ (Vt if p == 0 else np.eye(2)) for p in range(depth)]
    )

    def lifted(layers: Array, P: Array) -> Array:
        product = lambda matrices: reduce(lambda below, W: W @ below, matrices, np.eye(2))  # noqa: E731
        return np.array([product(layers[p + 1 :]).T @ P @ product(layers[:p]).T for p in range(depth)])

    speeds, h = [], 1 / steps
    for i in range(steps):
        begin, middle, end = momenta[2 * i : 2 * i + 3]
        k1 = lifted(layers, begin)
        speeds.append(np.linalg.norm(k1))
        k2 = lifted(layers + h / 2 * k1, middle)
        k3 = lifted(layers + h / 2 * k2, middle)
        layers = layers + h / 6 * (k1 + 2 * k2 + 2 * k3 + lifted(layers + h * k3, end))
    assert np.allclose(reduce(lambda below, W: W @ below, layers), path.matrix(-1), atol=1e-6)
    assert np.allclose(speeds, path.length, rtol=1e-6)
    for below, above in pairwise(layers):
        assert np.allclose(above.T @ above, below @ below.T, atol=1e-6)


# --------------------------------------------------------------------------- invariance and constants


@pytest.mark.parametrize(("depth", "shape", "rank"), CASES)
def test_constants_of_motion(depth: Any, shape: tuple[int, int], rank: int) -> None:
    network = DeepLinearNetwork(depth, shape, rank)
    X, Z = start_and_velocity(shape, rank)
    path = geodesic(network, X, Z, np.linspace(0, 1, 4))
    assert path.speed == pytest.approx(np.sqrt(metric(X, depth, rank, Z)), rel=1e-9)
    assert np.sqrt(metric(path.matrix(-1), depth, rank, path.velocity(-1))) == pytest.approx(path.speed, rel=1e-7)
    assert path.statistics.energy_drift < 1e-9
    assert path.statistics.momentum_drift < 1e-9
    assert np.allclose(path.velocity(0), Z, atol=1e-12)
    before, after = (
        conserved_momenta(path.matrix(i), momentum(network, path.matrix(i), path.velocity(i))) for i in (0, -1)
    )
    for first, last in zip(before, after, strict=True):
        assert np.allclose(first, last, atol=1e-8)


@pytest.mark.parametrize(("depth", "shape", "rank"), CASES)
def test_orthogonal_invariance_and_transposition(depth: Any, shape: tuple[int, int], rank: int) -> None:
    X, Z = start_and_velocity(shape, rank)
    generator = np.random.default_rng(1)
    left, right = (orthogonal(generator, side) for side in shape)
    end = exponential_map(DeepLinearNetwork(depth, shape, rank), X, Z)
    turned = exponential_map(DeepLinearNetwork(depth, shape, rank), left @ X @ right, left @ Z @ right)
    assert np.allclose(turned, left @ end @ right, atol=1e-8)
    assert np.allclose(exponential_map(DeepLinearNetwork(depth, shape[::-1], rank), X.T, Z.T), end.T, atol=1e-8)
    assert np.linalg.norm(end - X - Z) > 1e-3 or depth == 1


def test_inversion_and_scaling_at_infinite_depth() -> None:
    network = DeepLinearNetwork(oo, (3, 3))
    X, Z = start_and_velocity((3, 3), 3)
    end, inverse = exponential_map(network, X, Z), np.linalg.inv(X)
    assert np.allclose(exponential_map(network, inverse, -inverse @ Z @ inverse), np.linalg.inv(end), atol=1e-8)
    assert np.allclose(exponential_map(network, 5 * X, 5 * Z), 5 * end, atol=1e-7)


def test_coalescing_singular_values_are_no_place_in_particular() -> None:
    """At the identity, where every frame of singular vectors is one."""
    Z = start_and_velocity((3, 3), 3)[1]
    for depth in (2, 3, oo):
        network = DeepLinearNetwork(depth, (3, 3))
        exact = exponential_map(network, np.eye(3), Z)
        near = exponential_map(network, np.diag([1.0 + 1e-9, 1.0, 1.0 - 1e-9]), Z)
        assert np.allclose(exact, near, atol=1e-7)


def test_rescaling_leaves_geodesics_as_they_are() -> None:
    X, Z = start_and_velocity((3, 3), 3)
    plain, rescaled = (geodesic(DeepLinearNetwork(3, (3, 3), rescaled=flag), X, Z, [0, 1]) for flag in (False, True))
    assert np.allclose(plain.matrix(-1), rescaled.matrix(-1), atol=1e-9)
    assert rescaled.length == pytest.approx(np.sqrt(3) * plain.length)


@pytest.mark.parametrize("mutant", ["half force", "no force"])
def test_a_wrong_force_would_be_seen(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X, Z = start_and_velocity((3, 3), 3)
    rates = GeodesicHamiltonian.rates

    def wrong(self: GeodesicHamiltonian, time: float, coordinates: Array) -> Array:
        result = rates(self, time, coordinates)
        result[9:18] *= 0.5 if mutant == "half force" else 0.0
        return result

    monkeypatch.setattr(GeodesicHamiltonian, "rates", wrong)
    path = geodesic(DeepLinearNetwork(3, (3, 3)), X, Z, [0.0, 1.0])
    assert path.statistics.energy_drift > 1e-3


# -------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("depth", [2, 3])
def test_geodesics_end_at_matrices_of_lower_rank(depth: int) -> None:
    """y = √N σ^(1/N) goes from y(1) to 0 at t = 1/2."""
    with pytest.raises(GeodesicError, match="lower rank") as raised:
        geodesic(DeepLinearNetwork(depth, (2, 2)), np.eye(2), np.diag([-2.0 * depth, 0.0]), [0.0, 1.0])
    assert raised.value.time == pytest.approx(0.5, abs=1e-2)
    assert raised.value.time <= 0.5
    assert pickle.loads(pickle.dumps(raised.value)).time == raised.value.time


def test_too_many_evaluations() -> None:
    X, Z = start_and_velocity((3, 3), 3)
    with pytest.raises(GeodesicError, match="more than 20 evaluations"):
        geodesic(DeepLinearNetwork(3, (3, 3)), X, Z, [0.0, 1.0], most_evaluations=20)


@pytest.mark.parametrize(
    ("network", "X", "Z", "times", "message"),
    [
        (
            DeepLinearNetwork(2, (2, 2)),
            np.diag([1.0, 0.0]),
            np.eye(2),
            [0, 1],
            "start must be a 2 x 2 matrix of rank 2",
        ),
        (DeepLinearNetwork(2, (2, 2)), np.diag([1.0, 1e-14]), np.eye(2), [0, 1], "too near"),
        (DeepLinearNetwork(2, (2, 2)), np.eye(3), np.eye(2), [0, 1], "2 x 2 matrix"),
        (DeepLinearNetwork(2, (2, 2)), np.eye(2), np.eye(3), [0, 1], "velocity must have"),
        (DeepLinearNetwork(2, (2, 2)), np.eye(2), np.eye(2) * np.nan, [0, 1], "velocity must be finite"),
        (DeepLinearNetwork(2, (2, 2), 1), np.diag([1.0, 0.0]), np.eye(2), [0, 1], "not tangent"),
        (DeepLinearNetwork(2, (2, 2)), np.eye(2), np.eye(2), [0, 0], "increasing"),
        (DeepLinearNetwork(oo, (3, 2)), np.eye(3, 2), np.eye(3, 2), [0, 1], "does not exist"),
    ],
)
def test_refusals(network: DeepLinearNetwork, X: Array, Z: Array, times: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        geodesic(network, X, Z, times)


def test_no_velocity() -> None:
    path = geodesic(DeepLinearNetwork(2, (2, 2)), np.eye(2), np.zeros((2, 2)), [0.0, 1.0])
    assert path.length == 0
    assert np.array_equal(path.matrix(-1), np.eye(2))
