"""Matrix completion against its sum over entries, its gradient against differences."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from numerics import Energy, FactoredMatrix, MatrixCompletion
from numerics.energies import DerivativeError, UserEnergy, check_gradient, check_hessian


def incomplete(shape: tuple[int, int], seed: int) -> np.ndarray:
    """A Gaussian matrix with a third of its entries missing."""
    generator = np.random.default_rng(seed)
    return np.where(generator.random(shape) < 1 / 3, np.nan, generator.standard_normal(shape))


def numeric_gradient(energy: Energy, point: np.ndarray) -> np.ndarray:
    """Central differences: exact for quadratic energies but for rounding, 1e-10."""
    gradient, step = np.zeros_like(point), 1e-5
    for place in np.ndindex(*point.shape):
        moved = np.zeros_like(point)
        moved[place] = step
        gradient[place] = (energy(point + moved) - energy(point - moved)) / (2 * step)
    return gradient


@pytest.mark.parametrize("shape", [(1, 4), (3, 2), (4, 6)])
def test_completion_energy_is_half_the_sum_of_squares(shape: tuple[int, int]) -> None:
    M = incomplete(shape, 8)
    point = np.random.default_rng(1).standard_normal(shape)
    energy = MatrixCompletion.from_array(M)
    total = 0.0
    for i in range(shape[0]):
        for j in range(shape[1]):
            if not np.isnan(M[i, j]):
                total += 0.5 * (point[i, j] - M[i, j]) ** 2
    assert abs(energy(point) - total) < 1e-13 * max(total, 1)
    assert energy.observations == np.isfinite(M).sum() > 0
    assert energy.shape == shape
    assert isinstance(energy(point), float)


def test_completion_gradient() -> None:
    M = incomplete((4, 5), 3)
    energy = MatrixCompletion.from_array(M)
    point = np.random.default_rng(4).standard_normal((4, 5))
    gradient = energy.gradient(point)
    assert sparse.issparse(gradient)
    np.testing.assert_allclose(gradient.toarray(), numeric_gradient(energy, point), atol=1e-9)
    assert gradient.nnz == energy.observations
    assert np.abs(gradient.toarray()[np.isnan(M)]).max() == 0


def test_dense_and_factored_points_agree() -> None:
    energy = MatrixCompletion.from_array(incomplete((5, 4), 5))
    generator = np.random.default_rng(6)
    point = FactoredMatrix.from_matrix(generator.standard_normal((5, 2)) @ generator.standard_normal((2, 4)), 2)
    assert abs(energy(point) - energy(point.to_array())) < 1e-13
    difference = energy.gradient(point) - energy.gradient(point.to_array())
    assert abs(difference).max() < 1e-13


def test_gradients_do_not_share_their_values() -> None:
    energy = MatrixCompletion.from_array(incomplete((3, 3), 1))
    first = energy.gradient(np.zeros((3, 3)))
    before = first.toarray()
    second = energy.gradient(np.ones((3, 3)))
    np.testing.assert_array_equal(first.toarray(), before)
    np.testing.assert_allclose((second - first).toarray(), energy.hessian_pattern.toarray(), atol=1e-14)
    np.testing.assert_array_equal(np.unique(energy.hessian_pattern.toarray()), [0, 1])


def test_entries_in_any_order() -> None:
    M = incomplete((4, 3), 9)
    rows, columns = np.nonzero(~np.isnan(M))
    shuffled = np.random.default_rng(0).permutation(len(rows))
    energy = MatrixCompletion.from_entries(
        rows=rows[shuffled].tolist(), columns=columns[shuffled], values=M[rows, columns][shuffled], shape=(4, 3)
    )
    reference = MatrixCompletion.from_array(M)
    for name in ("rows", "columns", "values"):
        np.testing.assert_array_equal(getattr(energy, name), getattr(reference, name))
    point = np.ones((4, 3))
    assert energy(point) == reference(point)


def test_rows_and_columns_without_observations() -> None:
    energy = MatrixCompletion.from_entries(rows=[1], columns=[2], values=[5.0], shape=(4, 4))
    gradient = energy.gradient(np.zeros((4, 4))).toarray()
    assert gradient[1, 2] == -5
    assert np.abs(gradient).sum() == 5
    assert energy(np.zeros((4, 4))) == 12.5


@pytest.mark.parametrize(
    ("array", "named"),
    [
        ([1.0, 2.0], "matrix"),
        ([[np.nan, np.nan]], "at least one observation"),
        ([[1.0, np.inf]], "finite"),
        (np.zeros((0, 3)), "shape|observation"),
    ],
)
def test_arrays_that_are_refused(array: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        MatrixCompletion.from_array(array)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"rows": [0, 1], "columns": [0], "values": [1.0]}, "length"),
        ({"rows": [0], "columns": [0], "values": [[1.0]]}, "length"),
        ({"rows": [], "columns": [], "values": []}, "at least one"),
        ({"rows": [2], "columns": [0], "values": [1.0]}, "rows"),
        ({"rows": [-1], "columns": [0], "values": [1.0]}, "rows"),
        ({"rows": [0], "columns": [3], "values": [1.0]}, "columns"),
        ({"rows": [0.0], "columns": [0], "values": [1.0]}, "rows"),
        ({"rows": [0], "columns": [True], "values": [1.0]}, "columns"),
        ({"rows": [0], "columns": [0], "values": [np.nan]}, r"values\[0\]"),
        ({"rows": [0, 0], "columns": [1, 1], "values": [1.0, 2.0]}, r"\(0, 1\)"),
        ({"rows": [[0]], "columns": [[0]], "values": [1.0]}, "sequences|one-dimensional"),
        ({"rows": [0], "columns": [0], "values": [1.0], "shape": (0, 3)}, "shape"),
        ({"rows": [0], "columns": [0], "values": [1.0], "shape": (2.5, 3)}, "shape"),
        ({"rows": [0], "columns": [0], "values": [1.0], "shape": (2,)}, "shape"),
    ],
)
def test_entries_that_are_refused(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        MatrixCompletion.from_entries(**({"shape": (2, 3)} | arguments))


# ---------------------------------------------------------------------------------- weights, second derivatives


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), m=st.integers(1, 6), n=st.integers(1, 6))
def test_weighted_completion_is_the_weighted_sum(seed: int, m: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    M = incomplete((m, n), seed)
    M[0, 0] = 1.0
    weights = np.where(np.isnan(M), np.nan, generator.uniform(0.1, 3.0, (m, n)))
    X, Z = generator.standard_normal((2, m, n))
    energy = MatrixCompletion.from_array(M, weights)
    value, gradient, hessian = 0.0, np.zeros((m, n)), np.zeros((m, n))
    for i in range(m):
        for j in range(n):
            if not np.isnan(M[i, j]):
                value += weights[i, j] * (X[i, j] - M[i, j]) ** 2 / 2
                gradient[i, j] = weights[i, j] * (X[i, j] - M[i, j])
                hessian[i, j] = weights[i, j] * Z[i, j]
    assert abs(energy(X) - value) < 1e-12 * max(1, value)
    np.testing.assert_allclose(energy.gradient(X).toarray(), gradient, atol=1e-13)
    np.testing.assert_allclose(energy.hessian(X, Z).toarray(), hessian, atol=1e-13)
    np.testing.assert_allclose(energy.hessian_pattern.toarray() * Z, hessian, atol=1e-13)


def test_unit_weights_are_none() -> None:
    M, X = incomplete((4, 5), 0), np.ones((4, 5))
    weighted, plain = MatrixCompletion.from_array(M, np.ones((4, 5))), MatrixCompletion.from_array(M)
    assert weighted(X) == plain(X)
    np.testing.assert_array_equal(weighted.gradient(X).toarray(), plain.gradient(X).toarray())


def test_weights_follow_their_entries() -> None:
    energy = MatrixCompletion.from_entries(
        rows=[1, 0], columns=[0, 1], values=[1.0, 2.0], shape=(2, 2), weights=[3.0, 5.0]
    )
    assert energy(np.zeros((2, 2))) == 3 * 1 / 2 + 5 * 4 / 2


def test_directions_of_low_rank_are_not_formed() -> None:
    """A 10⁵ x 10⁵ matrix would take 80 GB."""
    side = 10**5
    generator = np.random.default_rng(0)
    rows, columns = np.arange(100), generator.integers(0, side, 100)
    energy = MatrixCompletion.from_entries(rows=rows, columns=columns, values=np.ones(100), shape=(side, side))
    left, right = generator.standard_normal((2, side, 2))
    direction = FactoredMatrix.unchecked(left, np.eye(2), right)
    hessian = energy.hessian(direction, direction)
    np.testing.assert_allclose(hessian.data, np.sum(left[rows] * right[columns], axis=1), atol=1e-13)
    assert hessian.nnz == 100


@pytest.mark.parametrize("weighted", [False, True])
def test_products_in_one_pass(weighted: bool) -> None:
    M, generator = incomplete((6, 5), 2), np.random.default_rng(3)
    energy = MatrixCompletion.from_array(M, generator.uniform(0.5, 2.0, M.shape) if weighted else None)
    left, right = generator.standard_normal((6, 3)), generator.standard_normal((5, 3))
    onto_left, onto_right = generator.standard_normal((6, 2)), generator.standard_normal((5, 2))
    X = left @ right.T
    gradient, hessian = energy.gradient(X), energy.hessian(X, X)
    slope_right, slope_left, value = energy.gradient_products(left, right, onto_left, onto_right)
    np.testing.assert_allclose(slope_right, gradient @ onto_right, atol=1e-12)
    np.testing.assert_allclose(slope_left, gradient.T @ onto_left, atol=1e-12)
    assert abs(value - energy(X)) < 1e-12
    turned, turned_back = energy.hessian_products(left, right, onto_left, onto_right)
    np.testing.assert_allclose(turned, hessian @ onto_right, atol=1e-12)
    np.testing.assert_allclose(turned_back, hessian.T @ onto_left, atol=1e-12)


def test_derivatives_and_their_mutants() -> None:
    """A gradient whose weights are rooted, squared or left out is found."""
    M, generator = incomplete((4, 5), 2), np.random.default_rng(3)
    weights, X = generator.uniform(0.5, 2.0, M.shape), generator.standard_normal(M.shape)
    energy = MatrixCompletion.from_array(M, weights)
    assert check_gradient(energy, X) < 1e-9
    assert check_hessian(energy, X) < 1e-9
    for power in (-1.0, -0.5, 1.0):
        wrong = UserEnergy(energy, lambda X, power=power: energy.gradient(X).toarray() * weights**power, M.shape)
        with pytest.raises(DerivativeError):
            check_gradient(wrong, X)


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        ([[1.0, 0.0], [1.0, 1.0]], r"weights must be positive and finite, but weights\[1\] is 0.0"),
        ([[1.0, -1.0], [1.0, 1.0]], "positive"),
        ([[1.0, np.nan], [1.0, 1.0]], "finite"),
        ([[1.0, np.inf], [1.0, 1.0]], "finite"),
        ([[1.0, 1.0]], r"shape \(2, 2\)"),
    ],
)
def test_weights_that_are_refused(weights: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        MatrixCompletion.from_array([[1.0, 2.0], [3.0, np.nan]], weights)


def test_points_of_another_shape_are_refused() -> None:
    energy, X = MatrixCompletion.from_array(incomplete((4, 5), 0)), np.ones((4, 5))
    for call in (energy, energy.gradient, lambda X: energy.hessian(np.ones((4, 5)), X), lambda Z: energy.hessian(Z, X)):
        with pytest.raises(ValueError, match=r"must have the energy's shape \(4, 5\), not \(5, 4\)"):
            call(X.T)
    with pytest.raises(ValueError, match="one a value"):
        MatrixCompletion.from_entries(rows=[0], columns=[0], values=[1.0], shape=(2, 2), weights=[1.0, 2.0])


def test_copies_through_pickle() -> None:
    energy, X = MatrixCompletion.from_array(incomplete((4, 5), 0)), np.ones((4, 5))
    energy.gradient(X)
    assert pickle.loads(pickle.dumps(energy))(X) == energy(X)
