"""Geodesics of X against horizontal geodesics of the balanced layers over it, and against paths of least energy."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

from geometry import DeepLinearNetwork, compile_kernel
from geometry.geodesics import geodesic_system
from tests.definition import DefinedPoint

Array = Any
TIME = 0.4
SIGMA = np.array([1.9, 1.1, 0.6])


def product(layers: Array) -> Array:
    """W_N ⋯ W_1."""
    return reduce(lambda below, W: W @ below, layers)


def balanced(U: Array, sigma: Array, V: Array, depth: int, generator: np.random.Generator) -> Array:
    """Balanced layers W_1, …, W_N over U diag(σ) Vᵀ, with random hidden frames."""
    d = len(sigma)
    frames = [V, *(np.linalg.qr(generator.standard_normal((d, d)))[0] for _ in range(depth - 1)), U]
    root = np.diag(sigma ** (1 / depth))
    return np.array([frames[p + 1] @ root @ frames[p].T for p in range(depth)])


def adjoint(layers: Array, P: Array) -> Array:
    """dφ*(P): the layer p gets (W_N ⋯ W_{p+1})ᵀ P (W_{p-1} ⋯ W_1)ᵀ."""
    one = np.eye(len(P))
    return np.array(
        [product([one, *layers[p + 1 :]]).T @ P @ product([one, *layers[:p]]).T for p in range(len(layers))]
    )


def defect_derivative(layers: Array, velocity: Array) -> Array:
    """The derivatives of W_{p+1}ᵀ W_{p+1} - W_p W_pᵀ along a velocity, upper triangles in a row."""
    rows = []
    for W, Z, V, Y in zip(layers[:-1], velocity[:-1], layers[1:], velocity[1:], strict=True):
        change = Y.T @ V + V.T @ Y - Z @ W.T - W @ Z.T
        rows.append(change[np.triu_indices(len(change))])
    return np.concatenate(rows)


def layer_geodesic(layers: Array, velocity: Array) -> Array:
    """The geodesic of the balanced manifold: the acceleration is normal, and keeps the defects zero."""
    shape = layers.shape
    units = np.eye(layers.size).reshape(-1, *shape)

    def rates(t: float, y: Array) -> Array:
        W, Z = y.reshape(2, *shape)
        constraint = np.array([defect_derivative(W, unit) for unit in units]).T
        curved = defect_derivative(Z, Z)  # half the second derivative of the quadratic defects, times two
        acceleration = -np.linalg.lstsq(constraint, curved, rcond=None)[0]
        return np.concatenate([Z.ravel(), acceleration])

    start = np.concatenate([layers.ravel(), velocity.ravel()])
    solution = solve_ivp(rates, (0, TIME), start, method="DOP853", rtol=1e-11, atol=1e-12)
    assert solution.success
    return solution.y[:, -1].reshape(2, *shape)[0]


def downstairs(network: DeepLinearNetwork, U: Array, sigma: Array, V: Array, body: Array, time: float) -> Array:
    """X at a time on the geodesic with momentum U body Vᵀ, from the equations in the coframe."""
    system, core = geodesic_system(network), np.diag(sigma)
    values = dict(zip(system.singular_values, sigma, strict=True))
    values |= dict(zip(system.radial_momenta, np.diag(body), strict=True))
    for names, numbers in (
        (system.left_momentum, body @ core.T - core @ body.T),
        (system.right_momentum, body.T @ core - core.T @ body),
        (system.left, U),
        (system.right, V),
    ):
        values |= {names[i, j]: numbers[i, j] for i, j in np.ndindex(*numbers.shape) if names[i, j].is_Symbol}
    kernel = compile_kernel(list(system.rates), list(system.state))
    start = np.array([float(values[symbol]) for symbol in system.state])
    solution = solve_ivp(lambda t, y: kernel(*y), (0, time), start, method="DOP853", rtol=1e-12, atol=1e-13)
    d, end = len(sigma), solution.y[:, -1]
    left, right = end[-2 * d * d : -d * d].reshape(d, d), end[-d * d :].reshape(d, d)
    return left @ np.diag(end[:d]) @ right.T


def start(d: int, seed: int) -> tuple[Array, Array, Array, Array]:
    """U, σ, V and a momentum in the singular basis."""
    generator = np.random.default_rng(seed)
    U, V = (np.linalg.qr(generator.standard_normal((d, d)))[0] for _ in range(2))
    return U, SIGMA[:d], V, 0.5 * generator.standard_normal((d, d))


@pytest.mark.parametrize(("depth", "d"), [(2, 2), (3, 2), (5, 2), (2, 3), (3, 3)])
def test_horizontal_geodesics_of_the_layers_lie_over_geodesics(depth: int, d: int) -> None:
    U, sigma, V, body = start(d, seed=depth)
    layers = balanced(U, sigma, V, depth, np.random.default_rng(9))
    np.testing.assert_allclose(product(layers), U @ np.diag(sigma) @ V.T, atol=1e-13)
    velocity = adjoint(layers, U @ body @ V.T)
    # The lift is tangent to the balanced manifold.
    np.testing.assert_allclose(defect_derivative(layers, velocity), 0, atol=1e-12)
    above = product(layer_geodesic(layers, velocity))
    below = downstairs(DeepLinearNetwork(depth, (d, d)), U, sigma, V, body, TIME)
    # Two integrations at 1e-11 over a short time.
    np.testing.assert_allclose(below, above, atol=1e-8)
    assert np.abs(above - product(layers)).max() > 0.1


@pytest.mark.parametrize("depth", [2, 3])
def test_geodesics_have_the_least_energy(depth: int) -> None:
    """Discrete paths X_0, …, X_K with the ends of a geodesic, relaxed: their middle is the geodesic's up to K^-2."""
    U, sigma, V, body = start(2, seed=4)
    network = DeepLinearNetwork(depth, (2, 2))
    points = {share: downstairs(network, U, sigma, V, body, share * TIME) for share in (0.5, 1.0)}
    begin, end = U @ np.diag(sigma) @ V.T, points[1.0]
    middles = [relaxed(begin, end, depth, pieces)[pieces // 2] for pieces in (4, 8, 16)]
    errors = [np.abs(middle - points[0.5]).max() for middle in middles]
    straight = np.abs((begin + end) / 2 - points[0.5]).max()
    first, second = ((4 * fine - coarse) / 3 for coarse, fine in pairwise(middles))
    extrapolated = np.abs((16 * second - first) / 15 - points[0.5]).max()
    assert errors[2] < errors[1] / 3 < errors[0] / 9
    # Richardson's remainder is of sixth order in 1/16; a straight line is not the path.
    assert extrapolated < 1e-6
    assert straight > 1e-3


def relaxed(begin: Array, end: Array, depth: int, pieces: int) -> Array:
    """The path of least energy Σ g(X_mid)(ΔX, ΔX) K with given ends."""
    line = np.array([begin + (end - begin) * share for share in np.linspace(0, 1, pieces + 1)])

    def energy(inner: Array) -> float:
        path = np.concatenate([[begin], inner.reshape(-1, 2, 2), [end]])
        return pieces * sum(length(a, b, depth) for a, b in pairwise(path))

    found = minimize(energy, line[1:-1].ravel(), method="BFGS", options={"gtol": 1e-9, "maxiter": 500})
    return np.concatenate([[begin], found.x.reshape(-1, 2, 2), [end]])


def length(a: Array, b: Array, depth: int) -> float:
    """g at the midpoint, of the difference: <Z, A⁻¹ Z> with A summed over the layers at singular vectors."""
    left, sigma, right = np.linalg.svd((a + b) / 2)
    point = DefinedPoint(left, sigma, right.T)
    entries = point.left.T @ (b - a) @ point.right
    weights = sum(
        np.outer(sigma ** (2 * (depth - p) / depth), sigma ** (2 * (p - 1) / depth)) for p in range(1, depth + 1)
    )
    return float((entries**2 / weights).sum())
