"""Layers against products written out, 50 digits, and the statistics of their entries."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sympy import Symbol, oo

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix
from numerics.layers import Layers

Array = NDArray[np.float64]
CASES = [(1, (3, 4), 3), (2, (5, 4), 2), (3, (4, 4), 4), (5, (3, 6), 2), (8, (1, 3), 1)]


def random_point(shape: tuple[int, int], sigma: list[float], seed: int) -> FactoredMatrix:
    """Given singular values, a core that is no diagonal matrix."""
    generator = np.random.default_rng(seed)
    U, P, Q, V = (orthonormal(side, len(sigma), generator) for side in (shape[0], len(sigma), len(sigma), shape[1]))
    return FactoredMatrix(U, P @ np.diag(sigma) @ Q.T, V)


def orthonormal(rows: int, columns: int, generator: np.random.Generator) -> Array:
    return np.asarray(np.linalg.qr(generator.standard_normal((rows, columns)))[0])


def gaussian_layers(widths: tuple[int, ...], seed: int) -> Layers:
    generator = np.random.default_rng(seed)
    return Layers(tuple(generator.standard_normal((rows, columns)) for columns, rows in pairwise(widths)))


def multiplied(layers: Layers) -> Array:
    """W_N ⋯ W_1, all of it."""
    product = np.eye(layers[0].shape[1])
    for layer in layers:
        product = layer @ product
    return product


# ------------------------------------------------------------------------------------- balanced layers


@pytest.mark.parametrize(("depth", "shape", "rank"), CASES)
@pytest.mark.parametrize("width", [None, "thin", "full", 7])
@pytest.mark.parametrize("seed", [None, 3])
def test_balanced_layers_multiply_to_the_point(
    depth: int, shape: tuple[int, int], rank: int, width: int | str | None, seed: int | None
) -> None:
    point = random_point(shape, list(np.linspace(2.0, 0.3, rank)), 1)
    layers = Layers.balanced(DeepLinearNetwork(depth, shape, rank), point, width, seed)
    hidden = {None: rank, "thin": rank, "full": max(shape), 7: 7}[width]
    assert layers.widths == (shape[1], *[hidden] * (depth - 1), shape[0])
    np.testing.assert_allclose(multiplied(layers), point.to_array(), atol=1e-14)
    np.testing.assert_allclose(layers.product(rank).to_array(), point.to_array(), atol=1e-14)
    for below, above in pairwise(layers):
        np.testing.assert_allclose(above.T @ above, below @ below.T, atol=1e-14)
    assert layers.imbalance() < 1e-14
    assert layers.is_balanced()


def test_frames_are_random_where_a_seed_is_given() -> None:
    network, point = DeepLinearNetwork(3, (5, 4), 2), random_point((5, 4), [2.0, 1.0], 2)
    first, again, other, plain = (Layers.balanced(network, point, 6, seed) for seed in (0, 0, 1, None))
    np.testing.assert_array_equal(first[1], again[1])
    assert np.linalg.norm(first[1] - other[1]) > 0.1
    assert np.count_nonzero(plain[1]) == 2
    widths = Layers.balanced(network, point, [2, 5], 0)
    assert widths.shapes == ((2, 4), (5, 2), (5, 5))
    np.testing.assert_allclose(multiplied(widths), point.to_array(), atol=1e-14)


@pytest.mark.parametrize("depth", [2, 3, 7, 10])
@pytest.mark.parametrize("scale", [1e-300, 1e-8, 1e200])
def test_tiny_starts_keep_their_digits(depth: int, scale: float) -> None:
    """σ^{1/N} to a unit in the last place, and a singular value beside one that is 10^8 times larger."""
    network = DeepLinearNetwork(depth, (3, 3), 2)
    point = FactoredMatrix(np.eye(3)[:, :2], np.diag([scale, 1e-8 * scale]), np.eye(3)[:, :2])
    layers = Layers.balanced(network, point)
    with mpmath.workdps(50):
        for k, value in enumerate([scale, 1e-8 * scale]):
            root = mpmath.root(mpmath.mpf(value), depth)
            for layer in layers:
                assert abs(mpmath.mpf(layer[k, k]) / root - 1) < 3 * np.finfo(float).eps
    np.testing.assert_allclose(layers.product().singular_values / scale, [1.0, 1e-8], rtol=1e-13)


@pytest.mark.parametrize(
    "mutant", [lambda sigma, count: sigma ** (1 / (count + 1)), lambda sigma, count: sigma / count]
)
def test_a_wrong_root_is_seen(mutant: Callable[[Array, int], Array], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numerics.layers.layer_singular_values", mutant)
    point = random_point((5, 4), [2.0, 0.3], 1)
    layers = Layers.balanced(DeepLinearNetwork(3, (5, 4), 2), point)
    assert np.linalg.norm(multiplied(layers) - point.to_array()) > 0.1


def test_a_zero_singular_value_stays_zero() -> None:
    network = DeepLinearNetwork(3, (2, 2))
    layers = Layers.balanced(network, FactoredMatrix(np.eye(2), np.diag([8.0, 0.0]), np.eye(2)))
    np.testing.assert_allclose(layers[1], np.diag([2.0, 0.0]), atol=1e-15)


# --------------------------------------------------------------------------------------- random layers


def test_random_layers_have_the_stated_size() -> None:
    network, scale = DeepLinearNetwork(3, (4, 6), 2), 0.1
    draws = [Layers.random(network, scale, 5, seed) for seed in range(3000)]
    squares = [float(np.sum(multiplied(layers) ** 2)) for layers in draws]
    error = np.std(squares) / np.sqrt(len(squares))
    assert abs(np.mean(squares) - 4 * scale**2) < 4 * error
    # And each layer: h_p scale^{2/N} in the mean.
    for p, rows in enumerate((5, 5, 4)):
        sizes = [float(np.sum(layers[p] ** 2)) for layers in draws]
        assert np.mean(sizes) == pytest.approx(rows * scale ** (2 / 3), rel=0.02)
    assert min(layers.imbalance() for layers in draws) > 0.01


def test_random_layers_are_reproducible() -> None:
    network = DeepLinearNetwork(2, (3, 3), 2)
    np.testing.assert_array_equal(Layers.random(network, 1.0, seed=5)[0], Layers.random(network, 1.0, seed=5)[0])
    assert Layers.random(network, 1.0).widths == (3, 2, 3)
    assert Layers.random(network, 1.0, "full").widths == (3, 3, 3)


# ---------------------------------------------------------------------------------- products and defects


@pytest.mark.parametrize("widths", [(4, 3), (5, 2, 4), (3, 6, 6, 4), (4, 2, 5, 3, 6), (6, 3, 3, 3, 5), (2, 5, 3)])
def test_product_of_any_widths(widths: tuple[int, ...]) -> None:
    layers = gaussian_layers(widths, 6)
    product = layers.product()
    assert product.rank == layers.largest_rank == min(widths)
    expected = multiplied(layers)
    np.testing.assert_allclose(product.to_array(), expected, atol=1e-13 * np.linalg.norm(expected))
    best = layers.product(1)
    U, sigma, Vt = np.linalg.svd(expected)
    np.testing.assert_allclose(best.to_array(), sigma[0] * np.outer(U[:, 0], Vt[0]), atol=1e-13 * sigma[0])


def test_nothing_of_the_size_of_the_matrix_is_formed() -> None:
    """A product with 10^11 entries."""
    generator = np.random.default_rng(7)
    layers = Layers((generator.standard_normal((2, 500_000)), np.eye(2), generator.standard_normal((200_000, 2))))
    point = layers.product()
    rows, columns = np.array([0, 199_999]), np.array([499_999, 3])
    np.testing.assert_allclose(
        point.entries(rows, columns), [layers[2][i] @ layers[0][:, j] for i, j in zip(rows, columns, strict=True)]
    )


def test_defects_are_the_definition() -> None:
    layers = gaussian_layers((3, 2, 4, 2), 8)
    defects = layers.defects()
    assert [defect.shape for defect in defects] == [(2, 2), (4, 4)]
    for p, defect in enumerate(defects):
        np.testing.assert_allclose(defect, layers[p + 1].T @ layers[p + 1] - layers[p] @ layers[p].T)
    norms = [np.linalg.norm(defect) for defect in defects]
    assert layers.imbalance() == pytest.approx(max(norms) / max(np.sum(layer**2) for layer in layers))
    assert Layers(([[3.0]],)).defects() == ()
    assert Layers(([[3.0]],)).imbalance() == 0.0
    assert Layers(([[0.0]], [[0.0]])).imbalance() == 0.0
    # As unbalanced as can be.
    assert Layers(([[0.0]], [[2.0]])).imbalance() == 1.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(2, 5), scale=st.floats(1e-3, 1e3))
def test_invariance_under_rotations_of_all_spaces(seed: int, depth: int, scale: float) -> None:
    """W_p → Q_p W_p Q_{p-1}ᵀ rotates the product and the defects; scaling leaves the imbalance."""
    generator = np.random.default_rng(seed)
    widths = tuple(int(width) for width in generator.integers(1, 6, depth + 1))
    layers = gaussian_layers(widths, seed)
    turns = [orthonormal(width, width, generator) for width in widths]
    turned = Layers(tuple(turns[p + 1] @ W @ turns[p].T for p, W in enumerate(layers)))
    expected = turns[-1] @ multiplied(layers) @ turns[0].T
    size = float(np.prod([np.linalg.norm(W) for W in layers]))
    np.testing.assert_allclose(turned.product().to_array(), expected, atol=1e-13 * size)
    for Q, after, before in zip(turns[1:-1], turned.defects(), layers.defects(), strict=True):
        np.testing.assert_allclose(after, Q @ before @ Q.T, atol=1e-12 * np.linalg.norm(layers.vector()) ** 2)
    assert turned.imbalance() == pytest.approx(layers.imbalance(), rel=1e-10)
    assert Layers(tuple(scale * W for W in layers)).imbalance() == pytest.approx(layers.imbalance(), rel=1e-10)


def test_vector_and_layers_are_inverse() -> None:
    layers = gaussian_layers((3, 2, 4), 9)
    vector = layers.vector()
    again = Layers.from_vector(vector, layers.shapes)
    for before, after in zip(layers, again, strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(again.vector(), vector)
    with pytest.raises(ValueError, match="14 entries"):
        Layers.from_vector(vector[1:], layers.shapes)


# ------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        ((), "at least one"),
        (([[1.0, 2.0]], [[1.0, 2.0]]), r"W_2 must have as many columns as W_1 has rows.*\(1, 2\) and \(1, 2\)"),
        (([[1.0]], [[np.nan]]), r"W_2\[0, 0\] is nan"),
        (([1.0, 2.0],), "W_1 must be a non-empty matrix"),
        ("ab", "W_1 must be a matrix of real numbers"),
    ],
)
def test_refused_layers(matrices: tuple[list[list[float]], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Layers(matrices)


def test_refused_requests() -> None:
    network, point = DeepLinearNetwork(3, (4, 3), 2), random_point((4, 3), [2.0, 1.0], 10)
    for width in (1, "wide", 2.5, [2, 2, 2], [2, 1]):
        with pytest.raises(ValueError, match="width must be"):
            Layers.balanced(network, point, width)
    with pytest.raises(ValueError, match=r"network's shape \(3, 4\)"):
        Layers.balanced(DeepLinearNetwork(3, (3, 4), 2), point)
    for depth in (oo, Symbol("N", positive=True)):
        with pytest.raises(ValueError, match="depth"):
            Layers.balanced(DeepLinearNetwork(depth, (4, 3), 2), point)
    for scale in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="scale must be positive"):
            Layers.random(network, scale)
    with pytest.raises(ValueError, match="seed"):
        Layers.random(network, 1.0, seed=-1)
    with pytest.raises(ValueError, match="rank must be between 1 and the smallest width 2, not 3"):
        Layers.balanced(network, point).product(3)


def test_layers_of_another_network() -> None:
    layers = gaussian_layers((3, 2, 4), 11)
    layers.require_network(DeepLinearNetwork(2, (4, 3), 2))
    for network, message in [
        (DeepLinearNetwork(3, (4, 3), 2), "as many as the network is deep, 3, not 2"),
        (DeepLinearNetwork(2, (3, 4), 2), r"shape \(3, 4\), not \(4, 3\)"),
        (DeepLinearNetwork(2, (4, 3), 3), "no product of the network's rank 3"),
        (DeepLinearNetwork(2, (4, 3), 1), "rank 2, not of the network's rank 1.*rank=2, or balanced layers"),
    ]:
        with pytest.raises(ValueError, match=message):
            layers.require_network(network)
    with pytest.raises(ValueError, match="projected"):
        gaussian_layers((3, 4), 11).require_network(DeepLinearNetwork(1, (4, 3), 2))
    # Balanced ones keep their rank, whatever their width.
    network = DeepLinearNetwork(2, (4, 3), 1)
    Layers.balanced(network, random_point((4, 3), [1.0], 12), "full").require_network(network)
