"""The sharpness against dense Hessians by differences, and against the metric's multiplier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, MatrixCompletion
from numerics import training_sharpness as module
from numerics.layers import Layers
from numerics.training_sharpness import sharpness

Array = NDArray[np.float64]


def loss(observed: Array, layers: Layers) -> float:
    product = np.eye(layers.widths[0])
    for layer in layers:
        product = layer @ product
    return float(np.sum(np.nan_to_num(product - observed) ** 2)) / 2


def largest_eigenvalue(observed: Array, layers: Layers) -> float:
    """Of the Hessian by central second differences of the loss."""
    vector, step = layers.vector(), 1e-4
    size = len(vector)
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            corners = []
            for first, second in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                moved = vector.copy()
                moved[i] += first * step
                moved[j] += second * step
                corners.append(loss(observed, Layers.from_vector(moved, layers.shapes)))
            hessian[i, j] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * step**2)
    return float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1])


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_against_second_differences(depth: int) -> None:
    generator = np.random.default_rng(0)
    observed = np.where(generator.random((3, 2)) < 0.3, np.nan, generator.standard_normal((3, 2)))
    layers = Layers.random(DeepLinearNetwork(depth, (3, 2)), 1.0, seed=1)
    expected = largest_eigenvalue(observed, layers)
    assert sharpness(MatrixCompletion.from_array(observed), layers) == pytest.approx(expected, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(1, 6), width=st.sampled_from(["thin", "full"]))
def test_at_a_minimum_it_is_the_largest_multiplier(seed: int, depth: int, width: str) -> None:
    """N σ_1^{2-2/N}, summed from the definition: the N terms are all equal at k = l."""
    generator = np.random.default_rng(seed)
    M = generator.standard_normal((4, 3))
    network = DeepLinearNetwork(depth, (4, 3))
    layers = Layers.balanced(network, FactoredMatrix.from_matrix(M), width, seed)
    sigma = float(np.linalg.norm(M, 2))
    expected = sum(sigma ** (2 * (depth - p) / depth) * sigma ** (2 * (p - 1) / depth) for p in range(1, depth + 1))
    assert sharpness(MatrixCompletion.from_array(M), layers) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("depth", [2, 3])
def test_lanczos_agrees_with_the_full_hessian(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(2)
    observed = np.where(generator.random((9, 8)) < 0.5, np.nan, generator.standard_normal((9, 8)))
    energy, layers = MatrixCompletion.from_array(observed), Layers.random(DeepLinearNetwork(depth, (9, 8)), 1.0, seed=3)
    by_lanczos = sharpness(energy, layers, tolerance=1e-9)
    monkeypatch.setattr(module, "SMALLEST_FOR_LANCZOS", 10_000)
    assert by_lanczos == pytest.approx(sharpness(energy, layers), rel=1e-8)


def test_a_flat_or_concave_loss_has_no_positive_sharpness() -> None:
    """The saddle at zero of depth three, where the Hessian vanishes."""
    energy = MatrixCompletion.from_array(np.eye(2))
    layers = Layers((np.zeros((2, 2)),) * 3)
    assert sharpness(energy, layers) == 0.0


class Infinite:
    shape = (1, 1)

    def __call__(self, X: Any) -> float:
        return float("nan")

    def gradient(self, X: Any) -> Array:
        return np.full((1, 1), np.nan)


def test_refused_arguments() -> None:
    energy, layers = MatrixCompletion.from_array(np.eye(2)), Layers((np.eye(2),))
    with pytest.raises(ValueError, match=r"energy's shape \(2, 2\), not \(1, 1\)"):
        sharpness(energy, Layers(([[1.0]],)))
    with pytest.raises(ValueError, match="tolerance must be positive"):
        sharpness(energy, layers, tolerance=0.0)
    with pytest.raises(ArithmeticError, match="not finite"):
        sharpness(Infinite(), Layers(([[1.0]],)))
