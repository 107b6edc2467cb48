"""The loss in the layers against central differences of a loss written out with full matrices."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import Matrix, symbols

from numerics import FactoredMatrix, MatrixCompletion, SymbolicEnergy
from numerics import layer_hessian as module
from numerics.energies import Ridge
from numerics.energy_products import gradient_products
from numerics.layer_gradients import layer_gradients, loss_and_layer_gradients
from numerics.layer_hessian import layer_hessian

Array = NDArray[np.float64]
WIDTHS = [(3, 4), (3, 2, 4), (3, 5, 5, 4), (3, 2, 3, 1, 4), (3, 2, 2, 2, 2, 4)]
STEP = 1e-5


class Quartic:
    """¼ Σ (X_ij - 1)⁴ with no more than a user has to give: value and gradient."""

    shape = (4, 3)

    def __call__(self, X: Any) -> float:
        return float(np.sum((self.full(X) - 1) ** 4)) / 4

    def gradient(self, X: Any) -> Array:
        return (self.full(X) - 1) ** 3

    @staticmethod
    def full(X: Any) -> Array:
        return np.asarray(X.to_array() if isinstance(X, FactoredMatrix) else X)


class QuarticWithHessian(Quartic):
    def hessian(self, X: Any, Z: Any) -> Array:
        return 3 * (self.full(X) - 1) ** 2 * self.full(Z)


def completion(weighted: bool = False) -> MatrixCompletion:
    generator = np.random.default_rng(0)
    array = np.where(generator.random((4, 3)) < 0.3, np.nan, generator.standard_normal((4, 3)))
    return MatrixCompletion.from_array(array, generator.uniform(0.5, 2.0, array.shape) if weighted else None)


def symbolic() -> SymbolicEnergy:
    X = Matrix(4, 3, symbols("x:12", real=True))
    return SymbolicEnergy(sum((x**3 / 3 + x * y) for x, y in pairwise(X)), X)


ENERGIES = {
    "completion": completion(),
    "weighted": completion(weighted=True),
    "with ridge": completion() + Ridge((4, 3), 0.5),
    "symbolic": symbolic(),
    "value and gradient": Quartic(),
    "with Hessian": QuarticWithHessian(),
}


def gaussian(widths: tuple[int, ...], seed: int) -> list[Array]:
    generator = np.random.default_rng(seed)
    return [generator.standard_normal((rows, columns)) for columns, rows in pairwise(widths)]


def product(layers: list[Array]) -> Array:
    result = np.eye(layers[0].shape[1])
    for layer in layers:
        result = layer @ result
    return result


def moved(layers: list[Array], step: float, direction: list[Array]) -> list[Array]:
    return [W + step * V for W, V in zip(layers, direction, strict=True)]


def full_gradients(energy: Any, layers: list[Array]) -> list[Array]:
    """(W_N ⋯ W_{p+1})ᵀ ∇E (W_{p-1} ⋯ W_1)ᵀ with full matrices."""
    slope = energy.gradient(product(layers))
    slope = slope.toarray() if hasattr(slope, "toarray") else slope
    gradients = []
    for p, W in enumerate(layers):
        above = product(layers[p + 1 :]) if layers[p + 1 :] else np.eye(len(W))
        below = product(layers[:p]) if p else np.eye(W.shape[1])
        gradients.append(above.T @ slope @ below.T)
    return gradients


def inner(first: Any, second: Any) -> float:
    return float(sum(np.sum(A * B) for A, B in zip(first, second, strict=True)))


@pytest.mark.parametrize("name", list(ENERGIES))
@pytest.mark.parametrize("widths", WIDTHS)
def test_gradients_are_derivatives_of_the_loss(widths: tuple[int, ...], name: str) -> None:
    energy, layers, direction = ENERGIES[name], gaussian(widths, 1), gaussian(widths, 2)
    loss, gradients = loss_and_layer_gradients(energy, layers)
    assert loss == pytest.approx(energy(product(layers)), rel=1e-12)
    assert [gradient.shape for gradient in gradients] == [layer.shape for layer in layers]
    ahead, behind = (energy(product(moved(layers, sign * STEP, direction))) for sign in (1, -1))
    # Central differences: STEP² times third derivatives of a polynomial of degree up to 20.
    assert inner(gradients, direction) == pytest.approx((ahead - behind) / (2 * STEP), rel=1e-5)
    for ours, full, alone in zip(
        gradients, full_gradients(energy, layers), layer_gradients(energy, layers), strict=True
    ):
        np.testing.assert_allclose(ours, full, atol=1e-12 * np.linalg.norm(full))
        np.testing.assert_array_equal(ours, alone)


@pytest.mark.parametrize("widths", [(3, 2, 4), (3, 2, 2, 2, 4)])
@pytest.mark.parametrize("part", [0, 1])
def test_wrong_products_with_the_gradient_are_seen(
    part: int, widths: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutants: ∇E W_1ᵀ, or ∇Eᵀ W_N, with the wrong sign."""

    def mutant(*arguments: Any, **options: Any) -> Any:
        products = list(gradient_products(*arguments, **options))
        products[part] = -products[part]
        return products

    layers = gaussian(widths, 1)
    expected = full_gradients(completion(), layers)
    monkeypatch.setattr("numerics.layer_gradients.gradient_products", mutant)
    difference = moved(list(layer_gradients(completion(), layers)), -1.0, expected)
    assert inner(difference, difference) > 0.1 * inner(expected, expected)


def hessian_error(energy: Any, layers: list[Array], direction: list[Array]) -> float:
    """The distance of the product from central differences of gradients with full matrices, relative."""
    products = layer_hessian(energy, layers)(direction)
    ahead, behind = (full_gradients(energy, moved(layers, sign * STEP, direction)) for sign in (1, -1))
    expected = [(first - second) / (2 * STEP) for first, second in zip(ahead, behind, strict=True)]
    difference = moved(list(products), -1.0, expected)
    return float(np.sqrt(inner(difference, difference) / inner(expected, expected)))


@pytest.mark.parametrize("name", list(ENERGIES))
@pytest.mark.parametrize("widths", WIDTHS)
def test_hessian_products_are_derivatives_of_the_gradients(widths: tuple[int, ...], name: str) -> None:
    energy, layers, direction, other = ENERGIES[name], *(gaussian(widths, seed) for seed in (3, 4, 5))
    assert hessian_error(energy, layers, direction) < 1e-6
    products, reverse = (layer_hessian(energy, layers)(V) for V in (direction, other))
    size = np.sqrt(inner(products, products) * inner(other, other))
    # The Hessian is symmetric.
    assert inner(products, other) == pytest.approx(inner(reverse, direction), abs=1e-6 * size)


def drop_a_term_of_the_product_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant of (A B, dA B + A dB) without its last term."""
    monkeypatch.setattr(module, "_times", lambda left, right: (left[0] @ right[0], left[1] @ right[0]))


def drop_the_curvature_of_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant that takes the gradient of E for zero: the Gauss-Newton part is left."""
    true = module._Hessian.at

    def mutant(energy: Any, layers: Any) -> Any:
        at = true(energy, layers)
        return replace(at, slope=0 * at.slope, slope_left=0 * at.slope_left, slope_right=0 * at.slope_right)

    monkeypatch.setattr(module._Hessian, "at", mutant)


def drop_the_curvature_of_the_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant that takes the Hessian of E for zero."""
    monkeypatch.setattr(module, "energy_hessian", lambda energy, X, Z: np.zeros(energy.shape))


@pytest.mark.parametrize(
    "mutate",
    [drop_a_term_of_the_product_rule, drop_the_curvature_of_the_layers, drop_the_curvature_of_the_energy],
)
def test_wrong_hessians_are_seen(mutate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = completion(), gaussian((3, 2, 2, 2, 2, 4), 8), gaussian((3, 2, 2, 2, 2, 4), 9)
    assert hessian_error(*arguments) < 1e-6
    mutate(monkeypatch)
    assert hessian_error(*arguments) > 0.01


@pytest.mark.parametrize("widths", WIDTHS)
def test_differences_stand_in_for_a_hessian(widths: tuple[int, ...]) -> None:
    layers, direction = gaussian(widths, 6), gaussian(widths, 7)
    differenced = layer_hessian(Quartic(), layers)(direction)
    exact = layer_hessian(QuarticWithHessian(), layers)(direction)
    size = np.sqrt(inner(exact, exact))
    assert 0 < np.sqrt(inner(moved(differenced, -1.0, exact), moved(differenced, -1.0, exact))) < 1e-7 * size


def test_at_zero_layers() -> None:
    """Neither the point nor the direction has a size that a difference could be measured by."""
    zero = [np.zeros((2, 3)), np.zeros((4, 2))]
    for gradient in (*layer_gradients(Quartic(), zero), *layer_hessian(Quartic(), zero)(zero)):
        np.testing.assert_array_equal(gradient, 0.0)


def test_nothing_dense_is_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix with 10^10 entries, 20,000 of them seen."""
    generator = np.random.default_rng(10)
    side, seen = 100_000, 20_000
    places = np.unique(generator.integers(0, side, (seen, 2)), axis=0)
    energy = MatrixCompletion.from_entries(
        rows=places[:, 0], columns=places[:, 1], values=np.ones(len(places)), shape=(side, side)
    )
    monkeypatch.setattr(FactoredMatrix, "to_array", lambda self: pytest.fail("a matrix was formed"))
    layers, direction = gaussian((side, 2, 2, side), 11), gaussian((side, 2, 2, side), 12)
    loss, gradients = loss_and_layer_gradients(energy, layers)
    ahead, behind = (loss_and_layer_gradients(energy, moved(layers, s * 1e-6, direction))[0] for s in (1, -1))
    assert inner(gradients, direction) == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)
    assert len(layer_hessian(energy, layers)(direction)) == 3
