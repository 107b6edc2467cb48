"""Energies against their sums, their gradients against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sympy import Matrix, MatrixSymbol, Symbol, exp, symbols

from numerics import Energy, FactoredMatrix, MatrixCompletion, SymbolicEnergy

X = Matrix(2, 3, symbols("x:6", real=True))


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


# -------------------------------------------------------------------------------------- symbolic energies


def test_symbolic_energy_and_gradient() -> None:
    expression = exp(X[0, 0]) * X[1, 2] + X[0, 1] ** 4 - X[1, 0] * X[0, 2]
    energy = SymbolicEnergy(expression, X)
    point = np.random.default_rng(0).standard_normal((2, 3))
    expected = np.exp(point[0, 0]) * point[1, 2] + point[0, 1] ** 4 - point[1, 0] * point[0, 2]
    assert abs(energy(point) - expected) < 1e-14
    # h² times third derivatives, 1e-9.
    np.testing.assert_allclose(energy.gradient(point), numeric_gradient(energy, point), atol=1e-7)
    assert energy.shape == energy.gradient(point).shape == (2, 3)


def test_symbolic_energy_at_a_factored_point() -> None:
    energy = SymbolicEnergy((X * X.T).trace() / 2, X)
    point = FactoredMatrix.from_matrix(np.random.default_rng(1).standard_normal((2, 3)))
    assert abs(energy(point) - np.sum(point.singular_values**2) / 2) < 1e-14
    np.testing.assert_allclose(energy.gradient(point), point.to_array(), atol=1e-14)


def test_symbolic_energy_equals_the_completion_energy() -> None:
    M = np.array([[1.0, np.nan, 2.0], [np.nan, -1.0, np.nan]])
    completion = MatrixCompletion.from_array(M)
    expression = sum((X[i, j] - M[i, j]) ** 2 / 2 for i in range(2) for j in range(3) if not np.isnan(M[i, j]))
    symbolic = SymbolicEnergy(expression, X)
    point = np.random.default_rng(2).standard_normal((2, 3))
    assert abs(symbolic(point) - completion(point)) < 1e-14
    np.testing.assert_allclose(symbolic.gradient(point), completion.gradient(point).toarray(), atol=1e-14)


def test_constant_energy_rests() -> None:
    energy = SymbolicEnergy(3, X)
    assert energy(np.ones((2, 3))) == 3.0
    np.testing.assert_array_equal(energy.gradient(np.ones((2, 3))), np.zeros((2, 3)))


def test_entries_as_nested_lists() -> None:
    a, b, c, d = symbols("a b c d", real=True)
    energy = SymbolicEnergy(a * d - b * c, [[a, b], [c, d]])
    point = np.array([[1.0, 2.0], [3.0, 5.0]])
    assert energy(point) == -1.0
    np.testing.assert_array_equal(energy.gradient(point), [[5.0, -3.0], [-2.0, 1.0]])


@pytest.mark.parametrize(
    ("expression", "entries", "error", "named"),
    [
        ("a", X, TypeError, "string"),
        (X[0, 0] * Symbol("unknown"), X, ValueError, "unknown"),
        (X[0, 0], [[X[0, 0], X[0, 0]]], ValueError, "distinct"),
        (X[0, 0], [[X[0, 0], 1]], TypeError, "symbols"),
        (X.T * X, X, (TypeError, ValueError), "expression|scalar"),
        (X[0, 0], MatrixSymbol("Y", 2, 2), (TypeError, ValueError), "symbols|free"),
    ],
)
def test_symbolic_energies_that_are_refused(expression: Any, entries: Any, error: Any, named: str) -> None:
    with pytest.raises(error, match=named):
        SymbolicEnergy(expression, entries)
