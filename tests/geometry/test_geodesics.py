"""Geodesics against Hamilton's equations in a chart of matrix entries, with A_N summed from its definition."""

from __future__ import annotations

from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sympy import Symbol, oo, symbols

from geometry import DeepLinearNetwork, SpectralMetric, compile_kernel
from geometry.geodesics import GeodesicSystem, conserved_momenta, geodesic_equations, geodesic_system
from tests.definition import defined_operator

Array = Any
TIME = 0.4


@cache
def compiled(network: DeepLinearNetwork) -> tuple[GeodesicSystem, Any, Any]:
    system = geodesic_system(network)
    watched = [system.hamiltonian, *system.conserved[0], *system.conserved[1]]
    return system, *(compile_kernel(list(e), list(system.state)) for e in (system.rates, watched))


def unitary(generator: np.random.Generator, side: int) -> Array:
    return np.linalg.qr(generator.standard_normal((side, side)))[0]


def start(network: DeepLinearNetwork, seed: int) -> tuple[Array, Array, Array, Array]:
    """U, σ, V and the momentum in the completed singular basis."""
    generator = np.random.default_rng(seed)
    (m, n), r = network.shape, network.rank
    body = 0.5 * generator.standard_normal((m, n))
    body[r:, r:] = 0
    return unitary(generator, m), np.array([1.9, 1.1, 0.6])[:r], unitary(generator, n), body


def middle(sigma: Array, shape: tuple[int, int]) -> Array:
    core = np.zeros(shape)
    core[np.arange(len(sigma)), np.arange(len(sigma))] = sigma
    return core


def initial_state(system: GeodesicSystem, U: Array, sigma: Array, V: Array, body: Array) -> Array:
    core = middle(sigma, body.shape)
    values = dict(zip(system.singular_values, sigma, strict=True)) | dict(
        zip(system.radial_momenta, np.diag(body), strict=False)
    )
    matrices = (
        (system.left_momentum, body @ core.T - core @ body.T),
        (system.right_momentum, body.T @ core - core.T @ body),
        (system.left, U),
        (system.right, V),
    )
    for names, numbers in matrices:
        for i, j in np.ndindex(*numbers.shape):
            if names[i, j].is_Symbol:
                values[names[i, j]] = numbers[i, j]
    return np.array([float(values[symbol]) for symbol in system.state])


def integrated(network: DeepLinearNetwork, begin: tuple[Array, Array, Array, Array], time: float = TIME) -> Array:
    system, rates, _ = compiled(network)
    solution = solve_ivp(
        lambda t, y: np.array(rates(*y), dtype=float),
        (0, time),
        initial_state(system, *begin),
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
    )
    assert solution.success
    return solution.y[:, -1]


def matrix_of(network: DeepLinearNetwork, state: Array) -> Array:
    system = compiled(network)[0]
    (m, n), r = network.shape, network.rank
    U, V = state[-m * m - n * n : -n * n].reshape(m, m), state[-n * n :].reshape(n, n)
    assert len(state) == len(system.state)
    return U @ middle(state[:r], (m, n)) @ V.T


class Chart:
    """The matrices [[B, C], [D, D B⁻¹ C]] of rank r in the entries of B, C and D."""

    def __init__(self, depth: Any, shape: tuple[int, int], rank: int) -> None:
        self.depth, self.shape, self.rank = float(depth), shape, rank
        self.tangent = [(i, j) for i, j in np.ndindex(*shape) if i < rank or j < rank]

    def matrix(self, x: Array) -> Array:
        X, r = np.zeros(self.shape), self.rank
        for value, place in zip(x, self.tangent, strict=True):
            X[place] = value
        X[r:, r:] = X[r:, :r] @ np.linalg.solve(X[:r, :r], X[:r, r:])
        return X

    def coordinates(self, X: Array) -> Array:
        return np.array([X[place] for place in self.tangent])

    def basis(self, x: Array) -> Array:
        X, r, columns = self.matrix(x), self.rank, []
        inverse = np.linalg.inv(X[:r, :r])
        for place in self.tangent:
            Z = np.zeros(self.shape)
            Z[place] = 1
            B, C, D = Z[:r, :r], Z[:r, r:], Z[r:, :r]
            slope = D @ inverse @ X[:r, r:] + X[r:, :r] @ inverse @ (C - B @ inverse @ X[:r, r:])
            Z[r:, r:] = slope
            columns.append(Z.ravel())
        return np.array(columns).T

    def inverse_metric(self, x: Array) -> Array:
        Q, R = np.linalg.qr(self.basis(x))
        operator = defined_operator(self.matrix(x), self.depth, self.rank)
        images = np.array([operator(q.reshape(self.shape)).ravel() for q in Q.T]).T
        triangular = np.linalg.inv(R)
        return triangular @ (Q.T @ images) @ triangular.T

    def rates(self, y: Array) -> Array:
        x, momentum = np.split(y, 2)
        step, force = 2e-5, np.zeros(len(x))
        for i in range(len(x)):
            e = np.zeros(len(x))
            e[i] = step
            difference = self.inverse_metric(x + e) - self.inverse_metric(x - e)
            force[i] = -momentum @ difference @ momentum / (4 * step)
        return np.concatenate([self.inverse_metric(x) @ momentum, force])

    def geodesic(self, X: Array, P: Array) -> Array:
        x = self.coordinates(X)
        y = np.concatenate([x, self.basis(x).T @ P.ravel()])
        found = solve_ivp(lambda t, y: self.rates(y), (0, TIME), y, method="DOP853", rtol=1e-8, atol=1e-9)
        return self.matrix(found.y[: len(x), -1])


CASES = [(1, (2, 2), 2), (2, (2, 2), 2), (3, (3, 3), 3), (5, (3, 2), 2), (2, (4, 3), 2), (3, (4, 3), 2), (1, (3, 2), 2)]
CASES += [(1, (4, 3), 2), (oo, (2, 2), 2), (oo, (3, 3), 3)]


@pytest.mark.parametrize(("depth", "shape", "rank"), CASES)
def test_against_geodesics_in_matrix_entries(depth: Any, shape: tuple[int, int], rank: int) -> None:
    network = DeepLinearNetwork(depth, shape, rank)
    U, sigma, V, body = begin = start(network, 3)
    body *= 0.6 / np.linalg.norm(body)
    X = U @ middle(sigma, shape) @ V.T
    expected = Chart(depth, shape, rank).geodesic(X, U @ body @ V.T)
    found = matrix_of(network, integrated(network, begin))
    # Central differences of step 2e-5 leave 1e-9, the integrator less.
    assert np.abs(found - expected).max() < 1e-6
    assert np.abs(found - X).max() > 0.05


@pytest.mark.parametrize(("depth", "shape", "rank"), CASES)
def test_speed_and_momenta_are_kept(depth: Any, shape: tuple[int, int], rank: int) -> None:
    network = DeepLinearNetwork(depth, shape, rank)
    U, sigma, V, body = begin = start(network, 5)
    body *= 0.6 / np.linalg.norm(body)
    system, _, watched = compiled(network)
    first, last = (np.array(watched(*state)) for state in (initial_state(system, *begin), integrated(network, begin)))
    assert np.abs(first - last).max() < 1e-10 * max(1.0, np.abs(first).max())
    # The start's momenta are those of X and P.
    X, P = U @ middle(sigma, shape) @ V.T, U @ body @ V.T
    expected = np.concatenate([momentum.ravel() for momentum in conserved_momenta(X, P)])
    assert np.abs(first[1:] - expected).max() < 1e-13
    operator = defined_operator(X, float(depth), rank)
    assert abs(first[0] - np.sum(P * operator(P)) / 2) < 1e-12


def test_transposed_and_rotated() -> None:
    network, transposed = DeepLinearNetwork(3, (3, 2)), DeepLinearNetwork(3, (2, 3))
    U, sigma, V, body = begin = start(network, 8)
    found = matrix_of(network, integrated(network, begin))
    other = matrix_of(transposed, integrated(transposed, (V, sigma, U, body.T)))
    assert np.abs(found.T - other).max() < 1e-10
    Q = unitary(np.random.default_rng(1), 3)
    rotated = matrix_of(network, integrated(network, (Q @ U, sigma, V, body)))
    assert np.abs(Q @ found - rotated).max() < 1e-10


def test_scaling_and_inversion_at_infinite_depth() -> None:
    network = DeepLinearNetwork(oo, (2, 2))
    U, sigma, V, body = begin = start(network, 2)
    found = matrix_of(network, integrated(network, begin))
    scaled = matrix_of(network, integrated(network, (U, 3 * sigma, V, body / 3)))
    assert np.abs(3 * found - scaled).max() < 1e-9
    # X⁻¹ = V Σ⁻¹ Uᵀ, in decreasing order with both columns swapped; the momentum is -Xᵀ P Xᵀ.
    swap = [1, 0]
    inverse_body = -(np.diag(sigma) @ body @ np.diag(sigma))[np.ix_(swap, swap)]
    begin = (V[:, swap], 1 / sigma[swap], U[:, swap], inverse_body)
    inverse = matrix_of(network, integrated(network, begin))
    assert np.abs(np.linalg.inv(found) - inverse).max() < 1e-9


@pytest.mark.parametrize("field", ["C", "H"])
def test_fields_keep_energy_and_momenta(field: str) -> None:
    network = DeepLinearNetwork(2, (2, 2) if field == "C" else (2, 1), field=field)
    system, rates, watched = compiled(network)
    state = 0.3 * np.random.default_rng(4).standard_normal(len(system.state))
    state[: len(system.singular_values)] = [1.7, 0.8][: len(system.singular_values)]
    identity = {system.left[i, i]: 1.0 for i in range(0, system.left.rows, network.coframe.dyson_index)}
    identity |= {system.right[i, i]: 1.0 for i in range(0, system.right.rows, network.coframe.dyson_index)}
    frames = system.left.free_symbols | system.right.free_symbols
    state = np.array([identity.get(s, 0.0) if s in frames else v for s, v in zip(system.state, state, strict=True)])
    found = solve_ivp(lambda t, y: np.array(rates(*y)), (0, 0.5), state, method="DOP853", rtol=1e-12, atol=1e-13)
    first, last = np.array(watched(*state)), np.array(watched(*found.y[:, -1]))
    assert np.abs(first - last).max() < 1e-10
    assert np.abs(state - found.y[:, -1]).max() > 0.1


def test_straight_lines_at_depth_one() -> None:
    network = DeepLinearNetwork(1, (2, 2))
    U, sigma, V, body = begin = start(network, 6)
    expected = U @ (np.diag(sigma) + TIME * body) @ V.T
    assert np.abs(matrix_of(network, integrated(network, begin)) - expected).max() < 1e-10


def test_metric_of_ones_own_and_refusals() -> None:
    own = SpectralMetric(shape=(2, 2), multiplier=lambda a, b: a + b)
    assert own.geodesic_equations() == geodesic_equations(DeepLinearNetwork(2, (2, 2)))
    m = symbols("m", integer=True, positive=True)
    with pytest.raises(ValueError, match="shape must be explicit"):
        geodesic_equations(DeepLinearNetwork(2, (m, 2), 2))
    with pytest.raises(ValueError, match="rank must be explicit"):
        geodesic_equations(DeepLinearNetwork(2, (3, 3), Symbol("r", integer=True, positive=True)))
    with pytest.raises(ValueError, match="does not exist"):
        geodesic_equations(DeepLinearNetwork(oo, (3, 2)))
    with pytest.raises(ValueError, match="P must have the shape"):
        conserved_momenta(np.eye(2), np.eye(3))


@pytest.mark.parametrize("depth", [3, oo])
@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
def test_nearly_coalescing_singular_values(depth: Any, gap: float) -> None:
    system = compiled(DeepLinearNetwork(depth, (2, 2)))[0]
    fast, precise = (compile_kernel(list(system.rates[:4]), list(system.state), name) for name in ("numpy", "mpmath"))
    # M^U + M^V is of the order of the gap, as it is for momenta P of the order of one.
    state = [1.0 + gap, 1.0, 0.3, -0.2, 0.5 + gap, -0.5, *[1.0, 0.0, 0.0, 1.0] * 2]
    with mpmath.workdps(40):
        expected = np.array([float(value) for value in precise(*map(mpmath.mpf, state))])
    # Both start from the same rounded state: what is left is the kernel's own rounding.
    assert np.abs(np.array(fast(*state), dtype=float) / expected - 1).max() < 1e-14
