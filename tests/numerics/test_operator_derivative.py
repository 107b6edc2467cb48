"""The derivative of A_N against differences of its definition with 60 digits, coalescing singular values included."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import oo

from geometry import DeepLinearNetwork
from numerics.network_kernels import network_kernels
from numerics.operator_derivative import NullRateDerivative, OperatorDerivative, operator_derivative

Array = NDArray[np.float64]

DEPTHS = [1, 2, 3, 4, 10, oo]
SPECTRA = [[3.0, 1.0, 0.2], [2.0, 2.0, 0.5], [1.0, 1.0, 1.0], [1.0, 1.0 - 1e-13, 1.0 - 2e-8], [5.0, 1e-3, 1e-5]]


def orthogonal(generator: np.random.Generator, size: int) -> Array:
    return np.asarray(np.linalg.qr(generator.standard_normal((size, size)))[0])


def power(gram: mpmath.matrix, exponent: Any) -> mpmath.matrix:
    values, vectors = mpmath.eigsy(gram)
    return vectors * mpmath.diag([value**exponent for value in values]) * vectors.T


def defined(X: mpmath.matrix, Z: mpmath.matrix, depth: Any) -> mpmath.matrix:
    """The sum of N terms; at depth oo the integral, by Gauss's rule with 40 nodes."""
    left, right = X * X.T, X.T * X
    if depth == oo:
        nodes = mpmath.calculus.quadrature.GaussLegendre(mpmath.mp).calc_nodes(5, mpmath.mp.prec)
        return sum((w / 2 * power(left, (1 - s) / 2) * Z * power(right, (1 + s) / 2) for s, w in nodes), 0 * Z)
    N = mpmath.mpf(int(depth))
    return sum((power(left, (N - p) / N) * Z * power(right, (p - 1) / N) for p in range(1, int(depth) + 1)), 0 * Z)


def rates(X: mpmath.matrix, depth: Any) -> mpmath.matrix:
    """P diag(σ^(1-2/N)) Qᵀ = (X Xᵀ)^(-1/N) X; zero at depth oo."""
    return 0 * X if depth == oo else power(X * X.T, -mpmath.mpf(1) / int(depth)) * X


def differenced(function: Any, X: Array, Y: Array) -> Array:
    """The central difference with a step of 1e-20, in 60 digits."""
    with mpmath.workdps(60):
        step, point, direction = mpmath.mpf(10) ** -20, mpmath.matrix(X.tolist()), mpmath.matrix(Y.tolist())
        change = (function(point + step * direction) - function(point - step * direction)) / (2 * step)
        return np.array(change.tolist(), dtype=float)


@pytest.fixture(params=SPECTRA, ids=str)
def case(request: pytest.FixtureRequest) -> tuple[Array, Array, Array, Array, Array, Array]:
    generator = np.random.default_rng(7)
    sigma = np.array(request.param)
    P, Q = orthogonal(generator, 3), orthogonal(generator, 3)
    Y, Z = generator.standard_normal((2, 3, 3))
    return P, sigma, Q, (P * sigma) @ Q.T, Y, Z


def tolerance(expected: Array, sigma: Array) -> float:
    """X is rounded by 1e-16 of its largest singular value, which the derivative sees relative to the smallest."""
    return float(1e-13 * np.abs(expected).max() * sigma[0] / sigma[-1] + 1e-30)


@pytest.mark.parametrize("depth", DEPTHS)
def test_derivative_of_the_operator(case: Any, depth: Any) -> None:
    P, sigma, Q, X, Y, Z = case
    expected = differenced(lambda point: defined(point, mpmath.matrix(Z.tolist()), depth), X, Y)
    found = operator_derivative(network_kernels(DeepLinearNetwork(depth, (3, 3))), P, sigma, Q, Y, Z)
    assert np.allclose(found, expected, rtol=0, atol=tolerance(expected, sigma))
    if depth != 1:
        assert np.abs(expected).max() > 1e-3


@pytest.mark.parametrize("depth", DEPTHS)
def test_derivative_of_the_null_rates(case: Any, depth: Any) -> None:
    P, sigma, Q, X, Y, _ = case
    expected = differenced(lambda point: rates(point, depth), X, Y)
    found = NullRateDerivative(network_kernels(DeepLinearNetwork(depth, (4, 4), 3)), P, sigma, Q)(Y)
    assert np.allclose(found, expected, rtol=0, atol=tolerance(expected, sigma))


# ------------------------------------------------------------------- the other forms of the same map


@pytest.mark.parametrize("depth", [1, 2, 3, oo])
def test_matrix_and_adjoint_are_of_the_same_map(case: Any, depth: Any) -> None:
    P, sigma, Q, _, Y, Z = case
    kernels = network_kernels(DeepLinearNetwork(depth, (4, 4), 3))
    covector = np.random.default_rng(1).standard_normal((3, 3))
    for derivative in (OperatorDerivative(kernels, P, sigma, Q, Z), NullRateDerivative(kernels, P, sigma, Q)):
        moved = derivative(Y)
        assert np.allclose((derivative.matrix() @ Y.ravel()).reshape(3, 3), moved, rtol=1e-12, atol=1e-300)
        assert np.sum(derivative.adjoint(covector) * Y) == pytest.approx(np.sum(covector * moved), rel=1e-9, abs=1e-300)


def test_batches_of_directions(case: Any) -> None:
    P, sigma, Q, _, _, Z = case
    directions = np.random.default_rng(2).standard_normal((2, 5, 3, 3))
    kernels = network_kernels(DeepLinearNetwork(3, (3, 3)))
    for derivative in (OperatorDerivative(kernels, P, sigma, Q, Z), NullRateDerivative(kernels, P, sigma, Q)):
        for method in (derivative, derivative.adjoint):
            batch = method(directions)
            assert batch.shape == directions.shape
            assert np.allclose(batch[1, 3], method(directions[1, 3]), rtol=1e-12)


def test_rescaling_divides_by_the_depth(case: Any) -> None:
    P, sigma, Q, _, Y, Z = case
    plain, rescaled = (network_kernels(DeepLinearNetwork(5, (3, 3), rescaled=flag)) for flag in (False, True))
    expected = operator_derivative(plain, P, sigma, Q, Y, Z) / 5
    assert np.allclose(operator_derivative(rescaled, P, sigma, Q, Y, Z), expected, rtol=1e-13)


def test_depth_one_million_is_nearly_infinite_depth(case: Any) -> None:
    P, sigma, Q, _, Y, Z = case
    deep, limit = (DeepLinearNetwork(depth, (3, 3), rescaled=True) for depth in (10**6, oo))
    found, expected = (operator_derivative(network_kernels(network), P, sigma, Q, Y, Z) for network in (deep, limit))
    assert np.allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("mutant", ["exchanged", "transposed", "depth"])
def test_a_wrong_formula_would_be_seen(mutant: str) -> None:
    """The two sides of X exchanged, Z transposed, or another depth."""
    generator = np.random.default_rng(3)
    X, Y, Z = generator.standard_normal((3, 3, 3))
    P, sigma, Qt = np.linalg.svd(X)
    kernels, other = (network_kernels(DeepLinearNetwork(depth, (3, 3))) for depth in (3, 4))
    derivative = OperatorDerivative(kernels, P, sigma, Qt.T, Z)
    expected = differenced(lambda point: defined(point, mpmath.matrix(Z.tolist()), 3), X, Y)
    assert np.allclose(derivative(Y), expected, rtol=1e-10)
    wrong = OperatorDerivative(
        other if mutant == "depth" else kernels, P, sigma, Qt.T, Z.T if mutant == "transposed" else Z
    )
    if mutant == "exchanged":
        wrong.P, wrong.Q = wrong.Q, wrong.P
    assert np.abs(wrong(Y) - expected).max() > 1e-2 * np.abs(expected).max()
