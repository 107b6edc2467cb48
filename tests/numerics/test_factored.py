"""Rank-r matrices U S Vᵀ against the dense matrices that they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import oo, symbols

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix, balanced_start
from numerics.factored import finite_matrix

SEEDS = st.integers(min_value=0, max_value=2**32 - 1)


def random_matrix(shape: tuple[int, int], rank: int, seed: int) -> np.ndarray:
    """A product of Gaussian factors."""
    generator = np.random.default_rng(seed)
    return generator.standard_normal((shape[0], rank)) @ generator.standard_normal((rank, shape[1]))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(SEEDS, st.sampled_from([((4, 3), 2), ((3, 5), 3), ((1, 1), 1), ((1, 4), 1), ((6, 6), 6)]))
def test_from_matrix_gives_the_matrix_back(seed: int, case: tuple[tuple[int, int], int]) -> None:
    shape, rank = case
    X = random_matrix(shape, rank, seed)
    point = FactoredMatrix.from_matrix(X, rank)
    norm = np.linalg.norm(X)
    np.testing.assert_allclose(point.to_array(), X, atol=1e-13 * norm)
    np.testing.assert_allclose(point.singular_values, np.linalg.svd(X, compute_uv=False)[:rank], atol=1e-13 * norm)
    assert (point.shape, point.rank) == (shape, rank)
    assert point.orthonormality_defect() < 1e-13


def test_from_matrix_is_the_best_approximation() -> None:
    X = random_matrix((5, 4), 4, 1)
    tail = np.linalg.svd(X, compute_uv=False)[2:]
    # Eckart and Young: the error is the norm of the discarded singular values.
    error = np.linalg.norm(FactoredMatrix.from_matrix(X, 2).to_array() - X)
    assert abs(error - np.linalg.norm(tail)) < 1e-13


def test_decomposition_of_a_full_core() -> None:
    generator = np.random.default_rng(2)
    U, V = (np.linalg.qr(generator.standard_normal((side, 3)))[0] for side in (5, 4))
    point = FactoredMatrix(U, generator.standard_normal((3, 3)), V)
    left, sigma, right = point.decomposition
    np.testing.assert_allclose((left * sigma) @ right.T, U @ point.S @ V.T, atol=1e-13)
    np.testing.assert_allclose(left.T @ left, np.eye(3), atol=1e-13)
    assert (np.diff(sigma) <= 0).all()


def test_entries_without_the_matrix() -> None:
    X = random_matrix((6, 5), 2, 3)
    rows, columns = np.nonzero(np.random.default_rng(4).random((6, 5)) < 0.4)
    point = FactoredMatrix.from_matrix(X, 2)
    np.testing.assert_allclose(point.entries(rows, columns), X[rows, columns], atol=1e-13)


def test_orthonormalized_changes_neither_the_product_nor_signs() -> None:
    generator = np.random.default_rng(5)
    U, V = (np.linalg.qr(generator.standard_normal((side, 2)))[0] for side in (5, 4))
    U = U + 1e-3 * generator.standard_normal(U.shape)
    V = V + 1e-3 * generator.standard_normal(V.shape)
    S = generator.standard_normal((2, 2))
    point = FactoredMatrix.orthonormalized(U, S, V)
    np.testing.assert_allclose(point.to_array(), U @ S @ V.T, atol=1e-14)
    assert point.orthonormality_defect() < 1e-14
    # Near the given columns, not at their negatives.
    assert np.abs(point.U - U).max() < 1e-2
    assert np.abs(point.V - V).max() < 1e-2


def test_unchecked_takes_what_it_gets() -> None:
    U = np.full((3, 1), 2.0)
    point = FactoredMatrix.unchecked(U, np.eye(1), U)
    np.testing.assert_array_equal(point.to_array(), np.full((3, 3), 4.0))


# ----------------------------------------------------------------------------------------- starts


@pytest.mark.parametrize(("shape", "rank"), [((4, 4), 4), ((5, 3), 2), ((1, 1), 1)])
def test_balanced_start_has_equal_singular_values(shape: tuple[int, int], rank: int) -> None:
    network = DeepLinearNetwork(3, shape, rank)
    start = balanced_start(network, scale=1e-8, seed=7)
    np.testing.assert_allclose(np.linalg.svd(start.to_array(), compute_uv=False)[:rank], 1e-8, rtol=1e-12)
    assert (start.shape, start.rank) == (shape, rank)
    again, generated = balanced_start(network, 1e-8, 7), balanced_start(network, 1e-8, np.random.default_rng(7))
    np.testing.assert_array_equal(start.to_array(), again.to_array())
    np.testing.assert_array_equal(start.to_array(), generated.to_array())


def test_balanced_start_differs_by_seed_and_moves_a_generator_on() -> None:
    network = DeepLinearNetwork(oo, (3, 3))
    generator = np.random.default_rng(0)
    points = [balanced_start(network, seed=seed).to_array() for seed in (0, 1, generator, generator)]
    assert np.abs(points[0] - points[1]).max() > 1e-3
    assert np.abs(points[2] - points[3]).max() > 1e-3


def test_balanced_starts_are_distributed_like_haar() -> None:
    """Mean of entries 0, of squares 1/m, of fourth powers 3/(m(m+2)): 2000 samples, five standard errors."""
    network = DeepLinearNetwork(2, (3, 3), 1)
    generator = np.random.default_rng(11)
    columns = np.array([balanced_start(network, 1.0, generator).U[:, 0] for _ in range(2000)])
    for power, expected in ((1, 0.0), (2, 1 / 3), (4, 1 / 5)):
        values = columns**power
        assert np.abs(values.mean(axis=0) - expected).max() < 5 * values.std() / np.sqrt(2000)


# -------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_scales_that_make_no_sense(scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        balanced_start(DeepLinearNetwork(2, (2, 2)), scale=scale)


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (DeepLinearNetwork(symbols("N", positive=True), (2, 2)), "depth"),
        (DeepLinearNetwork(2, symbols("m n", integer=True, positive=True), 2), "shape"),
        (DeepLinearNetwork(2, (2, 2), field="C"), "field"),
        ("network", "network"),
    ],
)
def test_networks_without_numbers(network: Any, named: str) -> None:
    with pytest.raises((ValueError, TypeError), match=named):
        balanced_start(network)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([1.0, 2.0], "X must be a non-empty matrix"),
        (np.zeros((2, 0)), "non-empty"),
        ([[1.0, np.nan]], r"X\[0, 1\]"),
        ([[1.0], [np.inf]], r"X\[1, 0\]"),
        ([[1j]], "complex"),
        ([["a"]], "real numbers"),
        ([[1.0], [1.0, 2.0]], "matrix of real numbers"),
        (np.zeros((2, 2, 2)), "matrix"),
    ],
)
def test_what_is_no_finite_matrix(value: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        finite_matrix("X", value)
    with pytest.raises(ValueError, match="X"):
        FactoredMatrix.from_matrix(value)


@pytest.mark.parametrize("rank", [0, -1, 4])
def test_ranks_out_of_range(rank: int) -> None:
    with pytest.raises(ValueError, match="rank"):
        FactoredMatrix.from_matrix(np.eye(3), rank)


@pytest.mark.parametrize("rank", [1.5, "2"])
def test_ranks_that_are_no_integers(rank: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="rank"):
        FactoredMatrix.from_matrix(np.eye(3), rank)


def test_matrices_of_lower_rank() -> None:
    with pytest.raises(ValueError, match="rank=2"):
        FactoredMatrix.from_matrix(random_matrix((4, 4), 2, 0))
    with pytest.raises(ValueError, match="rank"):
        FactoredMatrix.from_matrix(np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("U", "S", "V", "named"),
    [
        (np.eye(3)[:, :2], np.eye(2), np.eye(3), "shapes"),
        (np.eye(3)[:, :2], np.ones((2, 3)), np.eye(3), "shapes"),
        (2 * np.eye(2), np.eye(2), np.eye(2), "columns of U"),
        (np.eye(2), np.eye(2), np.ones((2, 2)), "columns of V"),
        (np.eye(2), np.full((2, 2), np.nan), np.eye(2), "S"),
    ],
)
def test_factors_that_do_not_fit(U: Any, S: Any, V: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        FactoredMatrix(U, S, V)


@pytest.mark.parametrize("seed", [-1, 1.5, "zero"])
def test_seeds_that_make_no_sense(seed: Any) -> None:
    with pytest.raises(ValueError, match="seed must be a non-negative integer"):
        balanced_start(DeepLinearNetwork(2, (2, 2)), seed=seed)
