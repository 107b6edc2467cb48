"""Invariances of spectral metrics against the metric of the definition, and of the connection by differences."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sympy import Expr, Integer, Rational, S, Symbol, exp, log, oo, powsimp, sqrt, symbols

from geometry import DeepLinearNetwork, Kernel, SpectralMetric, compile_kernel
from geometry.balancing import least_regularizer
from geometry.invariance import (
    cone_radius,
    degree_of_homogeneity,
    inversion_factor,
    is_inversion_invariant,
    position_length_squared,
    scaling_weights,
    split_off_coordinate,
)
from tests.definition import DefinedPoint, defined_operator, precise_operator, random_unitary

Array = NDArray[Any]
N = Symbol("N", positive=True)
a, b, c = symbols("a b c", positive=True)
m, n, r = symbols("m n r", integer=True, positive=True)


def squared_length(X: Array, Z: Array, depth: float) -> float:
    """<Z, A⁻¹ Z> at a square invertible X, with A_N (A_N/N in the limit) as a matrix."""
    operator = defined_operator(X, depth)
    side = len(X)
    units = np.eye(side * side).reshape(side * side, side, side)
    matrix = np.array([operator(unit).ravel() for unit in units]).T
    return float(Z.ravel() @ np.linalg.solve(matrix, Z.ravel()))


# ------------------------------------------------------------------- the definition under the symmetries


matrices = st.tuples(
    st.sampled_from([1, 2, 3, np.inf]), st.integers(0, 10**6), st.floats(0.2, 5), st.sampled_from([2, 3])
)


@cache
def derived(depth: float) -> tuple[float, bool, Kernel, Kernel]:
    """What the package says about a depth: weight, inversion invariance and factor, and the multiplier."""
    metric = DeepLinearNetwork(oo if np.isinf(depth) else depth, (2, 2)).metric
    kernels = (compile_kernel(f, [a, b]) for f in (inversion_factor(metric, a, b), metric.pair_multiplier(a, b)))
    return float(scaling_weights(metric).metric), is_inversion_invariant(metric), *kernels


@settings(max_examples=40, deadline=None, derandomize=True)
@given(matrices)
def test_orthogonal_groups_transposition_scaling_and_inversion(case: tuple[float, int, float, int]) -> None:
    depth, seed, factor, side = case
    generator = np.random.default_rng(seed)
    # Singular values within a factor of 6, so that the conditioning costs no more than a few digits.
    point = DefinedPoint.random((side, side), np.sort(generator.uniform(0.5, 3, side))[::-1], generator)
    X, Z = point.matrix, generator.standard_normal((side, side))
    before = squared_length(X, Z, depth)
    P, Q = (random_unitary(side, generator) for _ in range(2))
    assert abs(squared_length(P @ X @ Q.T, P @ Z @ Q.T, depth) / before - 1) < 1e-10
    assert abs(squared_length(X.T, Z.T, depth) / before - 1) < 1e-10
    weight, invariant, inversion, multiplier = derived(depth)
    assert abs(squared_length(factor * X, factor * Z, depth) / before / factor**weight - 1) < 1e-9
    inverse = np.linalg.inv(X)
    after = squared_length(inverse, -inverse @ Z @ inverse, depth)
    grid = np.meshgrid(point.sigma, point.sigma)
    entries = point.left.T @ Z @ point.right
    assert abs(np.sum(entries**2 / inversion(*grid) / multiplier(*grid)) / after - 1) < 1e-9
    assert (abs(after / before - 1) < 1e-9) == invariant


# ----------------------------------------------------------------------------- degrees and inversion factors


@pytest.mark.parametrize(
    ("multiplier", "degree", "inversion"),
    [
        (lambda x, y: S.One, 0, False),
        (lambda x, y: x + y, 1, False),
        (lambda x, y: x * y, 2, True),
        (lambda x, y: x**2 + y**2, 2, True),
        (lambda x, y: (x**3 + y**3) ** Rational(1, 3), 1, False),
        (lambda x, y: (x**3 + y**3) ** Rational(2, 3), 2, True),
        (lambda x, y: x**2 * y**2 / (x**2 + y**2), 2, True),
        (lambda x, y: sqrt(x * y) * (x + y), 2, True),
        (lambda x, y: 1 + x + y, None, False),
        (lambda x, y: exp(x + y), None, False),
        (lambda x, y: x * y + 1, None, False),
        (lambda x, y: x**2 * y**2 + 1, None, True),
        (lambda x, y: x + y + (x - y) ** 2, None, False),
        (lambda x, y: x + y + (x - y) ** 2 / (x + y), 1, False),
    ],
)
def test_degree_and_inversion(multiplier: Callable[[Expr, Expr], Expr], degree: int | None, inversion: bool) -> None:
    metric = SpectralMetric((2, 2), multiplier=multiplier)
    assert degree_of_homogeneity(metric) == degree
    assert is_inversion_invariant(metric) is inversion
    values = {a: Rational(5, 3), b: Rational(2, 7)}
    expected = a**2 * b**2 * multiplier(1 / a, 1 / b) / multiplier(a, b)
    assert abs((inversion_factor(metric, a, b) - expected).subs(values).evalf(40)) < Rational(1, 10**35)


def test_a_diagonal_that_is_homogeneous_is_not_enough() -> None:
    """λ = ab + (a - b)² (ab + 1) is a² on the diagonal."""
    metric = SpectralMetric((2, 2), multiplier=lambda x, y: x * y + (x - y) ** 2 * (x * y + 1))
    assert degree_of_homogeneity(metric) is None
    # Homogeneous against positive singular values, not against zero, with a null value of one's own.
    own = SpectralMetric((3, 2), 2, multiplier=lambda x, y: x + y, null_multiplier=lambda x: x**2)
    assert degree_of_homogeneity(own) is None


@pytest.mark.parametrize(
    "network",
    [
        DeepLinearNetwork(N, (3, 3)),
        DeepLinearNetwork(N, (4, 3), 2),
        DeepLinearNetwork(N, (m, n), r),
        DeepLinearNetwork(N, (2, 2), field="H", rescaled=True),
    ],
)
def test_finite_depth_is_homothetic(network: DeepLinearNetwork) -> None:
    weights = scaling_weights(network.metric)
    assert weights.metric == 2 / N
    assert weights.length == 1 / N
    assert (weights.volume - network.metric.dimension / N).expand() == 0
    assert not is_inversion_invariant(network.metric)
    for depth in (1, 2, 5):
        concrete = DeepLinearNetwork(depth, network.shape, network.rank, network.field, network.rescaled)
        assert scaling_weights(concrete.metric).metric == Rational(2, depth)


def test_infinite_depth_is_invariant() -> None:
    for network in (
        DeepLinearNetwork(oo, (3, 3)),
        DeepLinearNetwork(oo, (r, r), r),
        DeepLinearNetwork(oo, (2, 2), field="C"),
    ):
        assert scaling_weights(network.metric).metric == 0
        assert is_inversion_invariant(network.metric)
        assert inversion_factor(network.metric, a, b) == 1
    assert powsimp(inversion_factor(DeepLinearNetwork(N, (2, 2)).metric, a, b) / (a * b) ** (2 / N)) == 1


def test_what_is_refused() -> None:
    uneven = SpectralMetric((2, 2), multiplier=lambda x, y: 1 + x + y)
    with pytest.raises(ValueError, match="not homogeneous"):
        scaling_weights(uneven)
    with pytest.raises(ValueError, match="no inverse"):
        inversion_factor(DeepLinearNetwork(2, (3, 2)).metric, a, b)
    with pytest.raises(ValueError, match="no apex"):
        cone_radius(DeepLinearNetwork(oo, (2, 2)).metric)
    with pytest.raises(ValueError, match="no line splits off"):
        split_off_coordinate(DeepLinearNetwork(3, (2, 2)).metric)
    assert not is_inversion_invariant(SpectralMetric((3, 2), 2, multiplier=lambda x, y: x**2 + y**2))


# ------------------------------------------------------------------------------------------ what follows


@pytest.mark.parametrize("field", ["R", "C", "H"])
@pytest.mark.parametrize("depth", [2, 3, oo])
def test_volume_density_scales(depth: Any, field: str) -> None:
    network = DeepLinearNetwork(depth, (2, 2), field=field)
    metric = network.metric
    values = dict(zip(metric.singular_values, (Rational(27, 8), Rational(1, 8)), strict=True))
    scaled = {symbol: 8 * value for symbol, value in values.items()}
    ratio = metric.volume_density().subs(scaled).evalf(40) / metric.volume_density().subs(values).evalf(40)
    assert abs(ratio / Integer(8) ** scaling_weights(metric).volume_density - 1) < Rational(1, 10**35)


@pytest.mark.parametrize(
    "network", [DeepLinearNetwork(3, (2, 2)), DeepLinearNetwork(2, (3, 2)), DeepLinearNetwork(oo, (2, 2))]
)
def test_scalar_curvature_scales(network: DeepLinearNetwork) -> None:
    metric = network.metric
    curvature = metric.scalar_curvature()
    values = dict(zip(metric.singular_values, (Rational(27, 8), Rational(1, 8)), strict=True))
    scaled = {symbol: 8 * value for symbol, value in values.items()}
    before, after = (curvature.subs(at).evalf(40) for at in (values, scaled))
    assert before != 0
    assert abs(after / before / Integer(8) ** scaling_weights(metric).scalar_curvature - 1) < Rational(1, 10**30)


def test_the_laplacian_scales() -> None:
    metric = DeepLinearNetwork(3, (2, 2)).metric
    x, y = metric.singular_values
    function = x**3 * y + x
    scaled = {x: 8 * x, y: 8 * y}
    after = metric.laplacian(function.subs({x: x / 8, y: y / 8})).subs(scaled, simultaneous=True)
    at = {x: Rational(27, 8), y: Rational(1, 8)}
    ratio = after.subs(at).evalf(30) / metric.laplacian(function).subs(at).evalf(30)
    assert abs(ratio / Integer(8) ** scaling_weights(metric).laplacian - 1) < Rational(1, 10**25)


def test_the_radius_of_the_cone_is_the_length_of_the_layers() -> None:
    for network in (DeepLinearNetwork(N, (3, 3)), DeepLinearNetwork(2, (4, 3), 2), DeepLinearNetwork(N, (m, n), r)):
        assert (cone_radius(network.metric) ** 2 - 2 * least_regularizer(network)).expand() == 0


@pytest.mark.parametrize("metric", [DeepLinearNetwork(N, (3, 3)).metric, SpectralMetric((3, 2), 2, lambda x, y: x + y)])
def test_the_radius_is_an_arc_length(metric: SpectralMetric) -> None:
    """Its gradient has length 1, and along c X it grows by c^{w/2}."""
    radius = cone_radius(metric)
    speed = sum(radius.diff(sigma) ** 2 * metric.pair_multiplier(sigma, sigma) for sigma in metric.singular_values)
    values = {symbol: Rational(3 + k, 2 + 3 * k) for k, symbol in enumerate(metric.singular_values)}
    values[N] = Rational(5, 2)
    assert abs(speed.subs(values).evalf(30) - 1) < Rational(1, 10**25)
    scaled = radius.subs({symbol: 8 * symbol for symbol in metric.singular_values})
    weight = scaling_weights(metric).length
    ratio = scaled.subs(values).evalf(30) / radius.subs(values).evalf(30) / (8**weight).subs(values).evalf(30)
    assert abs(ratio - 1) < Rational(1, 10**25)


def test_the_coordinate_that_splits_off() -> None:
    metric = DeepLinearNetwork(oo, (3, 3)).metric
    assert (split_off_coordinate(metric) - sum(map(log, metric.singular_values)) / sqrt(3)).expand() == 0
    assert position_length_squared(metric) == 3
    symbolic = DeepLinearNetwork(oo, (r, r), r).metric
    assert (split_off_coordinate(symbolic).subs(r, 3).doit() - split_off_coordinate(metric)).expand() == 0
    doubled = SpectralMetric((2, 2), multiplier=lambda x, y: 2 * x * y)
    assert position_length_squared(doubled) == 1
    assert (split_off_coordinate(doubled) - sum(map(log, doubled.singular_values)) / 2).expand() == 0


# ----------------------------------------- the connection, from the metric in matrix coordinates by differences


def covariant_derivative_of_position(length: Callable[[Any, Any, Any], Any], X: Any, step: Any) -> Any:
    """The matrix of Z ↦ g(∇_Z X, ·) in the entries of X, by Koszul's formula with differences of the metric.

    2 g(∇_Z X, Y) = Z g(X, Y) + X g(Z, Y) - Y g(Z, X) + g([Z, X], Y) - g([X, Y], Z) - g([Z, Y], X), where
    [Z, X] = Z for constant Z and the position X.
    """
    units = basis(X)
    size = len(units)
    result = mpmath.matrix(size, size)
    for i, Z in enumerate(units):
        for j, Y in enumerate(units):

            def along(direction: Any, first: Any, second: Any) -> Any:
                ends = []
                for sign in (1, -1):
                    at = X + sign * step * direction
                    ends.append(length(at, at if first is None else first, at if second is None else second))
                return (ends[0] - ends[1]) / (2 * step)

            total = along(Z, None, Y) + along(X, Z, Y) - along(Y, Z, None)
            result[i, j] = (total + length(X, Z, Y) + length(X, Y, Z)) / 2
    return result


def basis(X: Any) -> list[Any]:
    units = []
    for i in range(X.rows):
        for j in range(X.cols):
            unit = mpmath.zeros(X.rows, X.cols)
            unit[i, j] = mpmath.mpf(1)
            units.append(unit)
    return units


def precise_product(depth: int) -> Callable[[Any, Any, Any], Any]:
    """<Y, A_N⁻¹ Z> at X, in mpmath."""

    def product(X: Any, Y: Any, Z: Any) -> Any:
        operator = precise_operator(X, depth, X.rows)
        units = basis(X)
        matrix = mpmath.matrix(len(units), len(units))
        for position, unit in enumerate(units):
            for row, entry in enumerate(operator(unit)):
                matrix[row, position] = entry
        inverse = mpmath.lu_solve(matrix, mpmath.matrix(list(Z)))
        return mpmath.fsum(y * z for y, z in zip(Y, inverse, strict=True))

    return product


@pytest.mark.parametrize("depth", [2, 3])
def test_position_has_half_the_weight_for_its_derivative(depth: int) -> None:
    """∇X = (w/2) 1: the cone of finite depth."""
    with mpmath.workdps(40):
        X = mpmath.matrix([[mpmath.mpf(7) / 5, mpmath.mpf(2) / 3], [mpmath.mpf(-1) / 4, mpmath.mpf(6) / 7]])
        product = precise_product(depth)
        found = covariant_derivative_of_position(product, X, mpmath.mpf(10) ** -12)
        for i, Z in enumerate(basis(X)):
            for j, Y in enumerate(basis(X)):
                # Central differences with h = 1e-12: h² of truncation.
                assert abs(found[i, j] - product(X, Z, Y) / depth) < mpmath.mpf(10) ** -20


def test_position_is_parallel_at_infinite_depth() -> None:
    X = np.array([[1.4, 0.65], [-0.25, 0.9]])

    def product(at: Any, Y: Any, Z: Any) -> Any:
        point, first, second = (np.array(matrix.tolist(), dtype=float) for matrix in (at, Y, Z))
        total, difference = (squared_length(point, first + sign * second, np.inf) for sign in (1, -1))
        return mpmath.mpf((total - difference) / 4)

    found = covariant_derivative_of_position(product, mpmath.matrix(X.tolist()), mpmath.mpf("1e-4"))
    # Central differences in double precision: h² of truncation, 1e-8, and 1e-15/h of rounding, 1e-11.
    assert max(abs(entry) for entry in found) < 1e-6
    assert abs(squared_length(X, X, np.inf) - 2) < 1e-12
