"""The balancing flow against integration, projections by linear algebra and Hessians by finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from sympy import Matrix, Rational, Symbol, eye, linsolve, oo, symbols, zeros

from geometry import DeepLinearNetwork, compile_kernel
from geometry.balancing import (
    balancing_equations,
    balancing_multiplier,
    balancing_velocity,
    fibre_velocity,
    least_regularizer,
    pair_gram,
    pair_hessian,
    regularizer,
    regularizer_derivative,
    regularizer_second_derivative,
    scalar_balancing_flow,
)
from geometry.layers import defects, differential, symbolic_layers, symbolic_matrix

Array = NDArray[Any]


def product(layers: list[Array]) -> Array:
    total = layers[0]
    for layer in layers[1:]:
        total = layer @ total
    return total


def generators(count: int, side: int) -> list[list[Array]]:
    """One entry of one generator 1, the others zero: a basis of the Lie algebra that moves along the fibre."""
    basis = []
    for p in range(count - 1):
        for place in np.ndindex(side, side):
            chosen = [np.zeros((side, side)) for _ in range(count - 1)]
            chosen[p][place] = 1.0
            basis.append(chosen)
    return basis


def fibre_basis(layers: list[Array]) -> Array:
    """Columns are velocities of W_p exp(t ξ)-orbits: a basis of the tangent space of the fibre."""
    columns = []
    for chosen in generators(len(layers), layers[0].shape[0]):
        moves = [np.zeros_like(layer) for layer in layers]
        for p, generator in enumerate(chosen):
            moves[p] = moves[p] + generator @ layers[p]
            moves[p + 1] = moves[p + 1] - layers[p + 1] @ generator
        columns.append(np.concatenate([move.ravel() for move in moves]))
    return np.array(columns).T


def packed(layers: list[Array]) -> Array:
    return np.concatenate([layer.ravel() for layer in layers])


def unpacked(vector: Array, like: list[Array]) -> list[Array]:
    cuts = np.cumsum([layer.size for layer in like])[:-1]
    return [part.reshape(layer.shape) for part, layer in zip(np.split(vector, cuts), like, strict=True)]


def projected_velocity(layers: list[Array]) -> Array:
    """-W projected to the tangent space of the fibre."""
    basis, target = fibre_basis(layers), -packed(layers)
    return np.asarray(basis @ np.linalg.lstsq(basis, target, rcond=None)[0])


def random_layers(widths: tuple[int, ...], seed: int) -> list[Array]:
    generator = np.random.default_rng(seed)
    return [generator.standard_normal((widths[p], widths[p - 1])) for p in range(1, len(widths))]


# --------------------------------------------------------------------------- derivatives of the regularizer


@pytest.mark.parametrize("widths", [(2, 2, 2, 2), (3, 2, 2, 4), (2, 1, 3)])
def test_the_derivative_along_the_fibre_is_the_defect(widths: tuple[int, ...]) -> None:
    layers = symbolic_layers(widths)
    chosen = [symbolic_matrix(f"xi^{p}", side, side) for p, side in enumerate(widths[1:-1], 1)]
    paired = sum((generator.T * defect).trace() for generator, defect in zip(chosen, defects(layers), strict=True))
    assert (regularizer_derivative(layers, chosen) + paired).expand() == 0 != paired.expand()
    assert differential(layers, fibre_velocity(layers, chosen)).expand().is_zero_matrix


def test_second_derivative_along_a_curve() -> None:
    """The regularizer of exp(tξ) W exp(-tη), differenced."""
    from scipy.linalg import expm

    layers = random_layers((3, 2, 2, 2), 0)
    chosen = [np.random.default_rng(p).standard_normal((2, 2)) for p in (1, 2)]

    def along(t: float) -> float:
        forth = [np.eye(3), *(expm(t * xi) for xi in chosen), np.eye(2)]
        back = [np.eye(3), *(expm(-t * xi) for xi in chosen), np.eye(2)]
        return sum(np.sum((forth[p + 1] @ W @ back[p]) ** 2) for p, W in enumerate(layers)) / 2

    step = 1e-3
    difference = (-along(2 * step) + 16 * along(step) - 30 * along(0) + 16 * along(-step) - along(-2 * step)) / (
        12 * step**2
    )
    found = regularizer_second_derivative([Matrix(W) for W in layers], [Matrix(xi) for xi in chosen])
    # Fourth order: h⁴ and 1e-16/h², both near 1e-10, relative to values of order 10.
    assert abs(float(found) - difference) < 1e-7 * abs(difference)


def test_convex_along_symmetric_generators() -> None:
    layers = [Matrix(W) for W in random_layers((2, 2, 2, 2), 3)]
    for seed in range(5):
        halves = [Matrix(np.random.default_rng(10 * seed + p).standard_normal((2, 2))) for p in (1, 2)]
        chosen = [half + half.T for half in halves]
        squared = sum((V.T * V).trace() for V in fibre_velocity(layers, chosen))
        assert abs(regularizer_second_derivative(layers, chosen) - 2 * squared) < 1e-12 * squared


# ------------------------------------------------------------------------------------------- the flow itself


@pytest.mark.parametrize("widths", [(2, 2, 2), (3, 2, 2), (2, 2, 2, 2), (1, 1, 1, 1, 1)])
def test_velocity_against_projection(widths: tuple[int, ...]) -> None:
    generator = np.random.default_rng(5)
    layers = [
        Matrix(
            widths[p], widths[p - 1], [Rational(int(x), 3) for x in generator.integers(1, 9, widths[p] * widths[p - 1])]
        )
        for p in range(1, len(widths))
    ]
    numeric = [np.array(layer.tolist(), dtype=float) for layer in layers]
    velocities = balancing_velocity(layers)
    found = packed([np.array(V.tolist(), dtype=float) for V in velocities])
    assert np.allclose(found, projected_velocity(numeric), atol=1e-10)
    assert differential(layers, velocities).is_zero_matrix


def test_generators_of_the_flow() -> None:
    """The equations for ξ_p have the velocity of the multiplier M for their solution."""
    layers = [Matrix([[1, 2], [0, 1]]), Matrix([[2, 1], [1, 1]]), Matrix([[1, 0], [3, 2]])]
    unknown = [symbolic_matrix(f"xi^{p}", 2, 2) for p in (1, 2)]
    names = [entry for generator in unknown for entry in generator]
    equations = balancing_equations(layers, unknown)
    assert len(equations) == len(names)
    (solution,) = linsolve([equation.lhs - equation.rhs for equation in equations], names)
    values = dict(zip(names, solution, strict=True))
    moved = fibre_velocity(layers, [generator.xreplace(values) for generator in unknown])
    assert tuple(moved) == balancing_velocity(layers) != tuple(zeros(2) for _ in layers)


@pytest.mark.parametrize(("widths", "seed"), [((2, 2, 2), 1), ((3, 2, 2, 2), 2), ((2, 2, 2, 2, 2), 3), ((4, 3, 4), 4)])
def test_the_flow_balances_any_layers(widths: tuple[int, ...], seed: int) -> None:
    """To balanced layers and (N/2) tr Σ^{2/N}, the defects exactly like e^{-2t}, X at rest."""
    layers = random_layers(widths, seed)
    depth, X = len(layers), product(layers)
    times = (0.5, 9.0)
    solution = solve_ivp(
        lambda t, vector: projected_velocity(unpacked(vector, layers)),
        (0, times[-1]),
        packed(layers),
        method="DOP853",
        t_eval=times,
        rtol=1e-10,
        atol=1e-11,
    )
    early, late = (unpacked(solution.y[:, i], layers) for i in range(2))
    for time, now in zip(times, (early, late), strict=True):
        assert np.allclose(product(now), X, atol=1e-7)
        for before, after in zip(defects(layers), defects(now), strict=True):
            assert np.allclose(after, np.exp(-2 * time) * before, atol=1e-7)
    sigma = np.linalg.svd(X)[1]
    network = DeepLinearNetwork(depth, X.shape, min(widths))
    least = compile_kernel(least_regularizer(network), network.singular_values)(*sigma[: min(widths)])
    value = sum(np.sum(layer**2) for layer in late) / 2
    # The excess is quadratic in what is left of the defects, e^{-18} of them; X moves by 1e-7.
    assert abs(value / float(least) - 1) < 1e-6
    assert sum(np.sum(layer**2) for layer in layers) / 2 > 1.01 * float(least)


def test_a_product_of_lower_rank_has_no_unique_multiplier() -> None:
    with pytest.raises(ValueError, match="no inverse"):
        balancing_multiplier((Matrix([[1, 0], [0, 0]]), Matrix([[1, 0], [0, 0]])))


def test_the_number_of_generators() -> None:
    with pytest.raises(ValueError, match="take 1 generators, not 2"):
        fibre_velocity((eye(2), eye(2)), (eye(2), eye(2)))


# --------------------------------------------------------------------------------------------- scalar layers


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_scalar_flow(depth: int) -> None:
    equations = scalar_balancing_flow(depth)
    weights = [equation.lhs.args[0] for equation in equations]
    harmonic = depth / sum(weight**-2 for weight in weights)
    for weight, equation in zip(weights, equations, strict=True):
        assert (2 * weight * equation.rhs - 2 * (harmonic - weight**2)).simplify() == 0
    # The product rests.
    assert sum(equation.rhs / weight for weight, equation in zip(weights, equations, strict=True)).simplify() == 0
    with pytest.raises(ValueError, match="depth"):
        scalar_balancing_flow(0)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.floats(0.05, 20), min_size=2, max_size=6))
def test_balanced_scalars_have_the_least_squares(weights: list[float]) -> None:
    """The inequality of the arithmetic and the geometric mean."""
    layers = [np.array([[weight]]) for weight in weights]
    network = DeepLinearNetwork(len(weights), (1, 1))
    least = float(least_regularizer(network).subs(network.singular_values[0], np.prod(weights)))
    value = float(regularizer([Matrix(layer) for layer in layers]))
    assert value >= least * (1 - 1e-12)


def test_least_regularizer_of_symbols() -> None:
    r, N = Symbol("r", integer=True, positive=True), Symbol("N", positive=True)
    symbolic = least_regularizer(DeepLinearNetwork(N, (r, r), r))
    assert symbolic.subs({r: 3, N: 4}).doit().expand() == least_regularizer(DeepLinearNetwork(4, (3, 3))).expand()
    with pytest.raises(ValueError, match="depth oo"):
        least_regularizer(DeepLinearNetwork(oo, (2, 2)))


# ------------------------------------------------------------------------------------ near balanced layers


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_hessian_and_gram_matrix_of_a_pair(depth: int) -> None:
    network = DeepLinearNetwork(depth, (2, 2))
    for k, l in ((0, 1), (1, 1)):
        gram = pair_gram(network, k, l)
        assert (pair_hessian(network, k, l) - 2 * gram).expand().is_zero_matrix
        assert all(gram[i, j] == 0 for i in range(depth - 1) for j in range(depth - 1) if abs(i - j) > 1)
    assert pair_hessian(network, 0, 1, sign=-1).expand().is_zero_matrix
    assert (pair_gram(network, 0, 1, sign=-1) - pair_gram(network, 0, 1)).expand().is_zero_matrix
    # The determinant is the multiplier, which is where the volume of the fibre comes from.
    values = dict(zip(network.singular_values, (Rational(3), Rational(1, 2)), strict=True))
    determinant = pair_gram(network, 0, 1).subs(values).evalf(30).det() / 2 ** (depth - 1)
    assert abs(determinant / network.multiplier(0, 1).subs(values).evalf(30) - 1) < Rational(1, 10**25)


@pytest.mark.parametrize(("depth", "side"), [(2, 2), (3, 2), (4, 1), (2, 3)])
def test_the_hessian_on_the_fibre_has_the_eigenvalues_0_and_2(depth: int, side: int) -> None:
    """The linearization of the projected flow at balanced layers, by finite differences."""
    sigma = np.array([2.0, 1.1, 0.4])[:side]
    generator = np.random.default_rng(8)
    frames = [np.linalg.qr(generator.standard_normal((side, side)))[0] for _ in range(depth + 1)]
    layers = [frames[p] @ np.diag(sigma ** (1 / depth)) @ frames[p - 1].T for p in range(1, depth + 1)]
    tangent = np.linalg.qr(fibre_basis(layers))[0]
    step = 1e-5
    columns = []
    for direction in tangent.T:
        ends = [projected_velocity(unpacked(packed(layers) + sign * step * direction, layers)) for sign in (1, -1)]
        columns.append(tangent.T @ (ends[0] - ends[1]) / (2 * step))
    rates = np.sort(-np.linalg.eigvals(np.array(columns).T).real)
    still = (depth - 1) * side * (side - 1) // 2
    expected = np.array([0.0] * still + [2.0] * (len(rates) - still))
    # Central differences: h² of truncation, 1e-10, and 1e-16/h of rounding, 1e-11.
    assert np.allclose(rates, expected, atol=1e-7)


def test_what_a_pair_needs() -> None:
    network = DeepLinearNetwork(3, (2, 2))
    with pytest.raises(ValueError, match="sign"):
        pair_gram(network, 0, 0, sign=-1)
    with pytest.raises(ValueError, match="sign"):
        pair_gram(network, 0, 1, sign=2)
    with pytest.raises(ValueError, match="at least 2"):
        pair_gram(DeepLinearNetwork(1, (2, 2)), 0, 1)
    with pytest.raises(ValueError, match="integer depth"):
        pair_hessian(DeepLinearNetwork(symbols("N", positive=True), (2, 2)), 0, 1)
