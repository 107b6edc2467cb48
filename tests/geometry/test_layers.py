"""Layers against finite differences, integrated layer flows, and layers with random hidden frames."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from sympy import Integer, Matrix, Rational, Symbol, expand, oo, symbols, zeros

from geometry import DeepLinearNetwork, compile_kernel
from geometry.constant_defect import constant_defect_metric, layer_square
from geometry.layers import (
    adjoint,
    balanced_layers,
    defect_decay,
    defect_velocity,
    defects,
    differential,
    end_to_end,
    frobenius_product,
    symbolic_layers,
    symbolic_matrix,
)
from tests.definition import random_unitary

Array = NDArray[Any]
WIDTHS = (3, 2, 4, 2)


def random_layers(widths: tuple[int, ...], seed: int = 0) -> list[Array]:
    generator = np.random.default_rng(seed)
    return [generator.standard_normal((widths[p], widths[p - 1])) for p in range(1, len(widths))]


def multiplied(layers: list[Array]) -> Array:
    """The product, written out."""
    product = np.eye(layers[0].shape[1])
    for layer in layers:
        product = layer @ product
    return product


# ---------------------------------------------------------------------------- product, derivative, adjoint


def test_product_and_differential() -> None:
    layers, velocities = random_layers(WIDTHS), random_layers(WIDTHS, seed=1)
    step = 1e-6
    ends = [multiplied([W + sign * step * V for W, V in zip(layers, velocities, strict=True)]) for sign in (1, -1)]
    assert np.allclose(end_to_end(layers), multiplied(layers), rtol=1e-14)
    # Central differences: h² of truncation and 1e-16/h of rounding.
    assert np.allclose(differential(layers, velocities), (ends[0] - ends[1]) / (2 * step), atol=1e-8)


def test_adjoint_is_the_gradient_of_a_loss() -> None:
    layers, target = random_layers(WIDTHS), np.random.default_rng(2).standard_normal((2, 3))
    pulled = adjoint(layers, multiplied(layers) - target)
    step = 1e-6
    for p, layer in enumerate(layers):
        for place in np.ndindex(*layer.shape):
            ends = []
            for sign in (1, -1):
                moved = [W.copy() for W in layers]
                moved[p][place] += sign * step
                ends.append(np.sum((multiplied(moved) - target) ** 2) / 2)
            assert abs(pulled[p][place] - (ends[0] - ends[1]) / (2 * step)) < 1e-7


@pytest.mark.parametrize("library", ["numpy", "mpmath", "sympy"])
def test_adjointness_in_every_library(library: str) -> None:
    make = {"numpy": np.array, "mpmath": mpmath.matrix, "sympy": Matrix}[library]
    generator = np.random.default_rng(3)
    integers = [generator.integers(-5, 6, (WIDTHS[p], WIDTHS[p - 1])).tolist() for p in (1, 2, 3) for _ in range(2)]
    layers, velocities = ([make(matrix) for matrix in integers[start::2]] for start in (0, 1))
    Z = make(generator.integers(-5, 6, (2, 3)).tolist())
    pairs = zip(adjoint(layers, Z), velocities, strict=True)
    left = sum(frobenius_product(pulled, velocity) for pulled, velocity in pairs)
    assert left == frobenius_product(Z, differential(layers, velocities)) != 0
    for defect in defects(layers):
        assert frobenius_product(defect, defect) > 0


def test_a_single_layer() -> None:
    (layer,) = random_layers((3, 2))
    assert end_to_end([layer]) is layer
    assert adjoint([layer], layer)[0] is layer
    assert differential([layer], [layer]) is layer
    assert defects([layer]) == ()


# ----------------------------------------------------------------------------------------- balanced layers


@pytest.mark.parametrize(("shape", "rank", "hidden"), [((2, 2), 2, None), ((3, 2), 2, 3), ((2, 4), 1, 2)])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_balanced_layers(depth: int, shape: tuple[int, int], rank: int, hidden: int | None) -> None:
    network = DeepLinearNetwork(depth, shape, rank)
    layers = balanced_layers(network, hidden)
    spectrum = zeros(*shape)
    for k in range(rank):
        spectrum[k, k] = network.singular_values[k]
    assert end_to_end(layers) == spectrum
    assert all(defect.is_zero_matrix for defect in defects(layers))
    assert all(layer.shape[0] == (hidden or rank) for layer in layers[:-1])


@pytest.mark.parametrize(
    ("network", "hidden", "message"),
    [
        (DeepLinearNetwork(Symbol("N", positive=True), (2, 2)), None, "integer depth"),
        (DeepLinearNetwork(oo, (2, 2)), None, "integer depth"),
        (DeepLinearNetwork(2, (3, 3)), 2, "hidden_width"),
        (DeepLinearNetwork(2, symbols("m n", integer=True, positive=True), 2), None, "explicit shape"),
    ],
)
def test_balanced_layers_that_do_not_exist(network: DeepLinearNetwork, hidden: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        balanced_layers(network, hidden)


@pytest.mark.parametrize("widths", [(2,), (2, 0), (2, Symbol("h"))])
def test_widths_that_make_no_layers(widths: Any) -> None:
    with pytest.raises(ValueError, match="widths"):
        symbolic_layers(widths)


# ------------------------------------------------------------------------------------------ the layer flow


@pytest.mark.parametrize("widths", [(1, 1, 1), (2, 2, 2), (2, 1, 2, 1), (1, 2, 1, 2)])
def test_the_layer_flow_conserves_defects_symbolically(widths: tuple[int, ...]) -> None:
    """For generic layers and a generic gradient of E."""
    layers, gradient = symbolic_layers(widths), symbolic_matrix("G", widths[-1], widths[0])
    forces = adjoint(layers, gradient)
    assert all(change.expand().is_zero_matrix for change in defect_velocity(layers, forces))
    # The forces themselves do not vanish, nor does a product that is not in the combination.
    assert all(not (layer.T @ force).expand().is_zero_matrix for layer, force in zip(layers, forces, strict=True))


def integrated(layers: list[Array], velocity: Any, time: float) -> list[Array]:
    """Layers after a time, by a Runge-Kutta method of order 8."""
    shapes = [layer.shape for layer in layers]
    cuts = np.cumsum([layer.size for layer in layers])[:-1]

    def unpacked(vector: Array) -> list[Array]:
        return [part.reshape(shape) for part, shape in zip(np.split(vector, cuts), shapes, strict=True)]

    solution = solve_ivp(
        lambda t, vector: np.concatenate([V.ravel() for V in velocity(unpacked(vector))]),
        (0, time),
        np.concatenate([layer.ravel() for layer in layers]),
        method="DOP853",
        rtol=1e-11,
        atol=1e-12,
    )
    assert solution.success
    return unpacked(solution.y[:, -1])


@pytest.mark.parametrize("strength", [0.0, 0.7])
def test_defects_along_an_integrated_flow(strength: float) -> None:
    layers, target = random_layers(WIDTHS, seed=4), np.random.default_rng(5).standard_normal((2, 3))

    def velocity(moved: list[Array]) -> list[Array]:
        error = multiplied(moved) - target
        left, right = moved[2] @ moved[1], moved[1] @ moved[0]
        forces = [left.T @ error, moved[2].T @ error @ moved[0].T, error @ right.T]
        return [-force - strength * layer for force, layer in zip(forces, moved, strict=True)]

    time = 1.3
    mu, t = symbols("mu t", positive=True)
    factor = float(defect_decay(mu, t).subs({mu: strength, t: time}))
    after = integrated(layers, velocity, time)
    assert np.linalg.norm(multiplied(after) - multiplied(layers)) > 0.5
    for before, now in zip(defects(layers), defects(after), strict=True):
        # The tolerance of the integration, 1e-11 a step, accumulates.
        assert np.allclose(now, factor * before, atol=1e-8)


def test_decay() -> None:
    mu, t = symbols("mu t", positive=True)
    assert defect_decay(Integer(0), t) == 1
    assert expand(defect_decay(mu, t).diff(t) + 2 * mu * defect_decay(mu, t)) == 0
    assert defect_decay(mu, Integer(0)) == 1


# --------------------------------------------------------------------------------------- a constant defect


def test_squares_of_layers() -> None:
    sigma, delta = symbols("sigma", positive=True), Symbol("delta", real=True)
    above, below = layer_square(sigma, delta), layer_square(sigma, -delta)
    assert expand(above - below) == delta
    assert expand(above * below) == sigma**2
    assert layer_square(Integer(2), Integer(3)) == 4
    assert layer_square(Integer(2), Integer(-3)) == 1


@pytest.mark.parametrize(("field", "delta"), [("R", 0.8), ("R", -0.8), ("C", 1.5), ("R", 0.0)])
def test_two_layers_with_a_constant_defect_move_by_the_metric(field: str, delta: float) -> None:
    """dX/dt of explicit layers against the operator with the multiplier, in the singular basis."""
    generator = np.random.default_rng(6)
    U, V, Q = (random_unitary(3, generator, field) for _ in range(3))
    sigma = np.array([1.7, 0.9, 0.2])
    t = -delta / 2 + np.sqrt(sigma**2 + delta**2 / 4)
    second, first = U @ np.diag(np.sqrt(t + delta)) @ Q.conj().T, Q @ np.diag(np.sqrt(t)) @ V.conj().T
    assert np.allclose(second.conj().T @ second - first @ first.conj().T, delta * np.eye(3))
    gradient = generator.standard_normal((3, 3))
    velocity = -(second @ second.conj().T @ gradient + gradient @ first.conj().T @ first)
    metric = constant_defect_metric(3, Rational(delta), field)
    kernels = [[metric.multiplier(k, l) for l in range(3)] for k in range(3)]
    weights = compile_kernel(Matrix(kernels), metric.singular_values)(*sigma)
    moved = U.conj().T @ gradient @ V
    assert np.allclose(U.conj().T @ velocity @ V, -weights * moved, rtol=1e-12)


def test_limits_of_the_constant_defect() -> None:
    delta = Symbol("delta", real=True)
    metric = constant_defect_metric(2, delta)
    a, b = metric.singular_values
    multiplier = metric.multiplier(0, 1)
    balanced = DeepLinearNetwork(2, (2, 2))
    assert (multiplier.subs(delta, 0) - balanced.multiplier(0, 1)).simplify() == 0
    # Far below the defect every direction moves at the rate |δ|, as Frobenius: up to (a² + b²)/δ.
    assert abs(multiplier.subs({a: 1, b: 2, delta: 10**6}) / 10**6 - 1) < Rational(5, 10**12)
    r = Symbol("r", integer=True, positive=True)
    written_out = constant_defect_metric(r, delta).volume_density().subs(r, 2).doit()
    values = {a: Rational(5, 2), b: Rational(1, 3), delta: Rational(-7, 5)}
    assert abs((written_out / metric.volume_density()).subs(values).evalf(30) - 1) < Rational(1, 10**28)
    with pytest.raises(ValueError, match="real"):
        constant_defect_metric(2, Symbol("delta"))
