"""Symbolic energies against NumPy, against 40 digits, and their Hessians against the matrix of second derivatives."""

from __future__ import annotations

import pickle
from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import Abs, Matrix, MatrixSymbol, Symbol, cos, exp, lambdify, log, symbols, tanh

from numerics import FactoredMatrix, MatrixCompletion, SymbolicEnergy
from numerics.energies import DerivativeError, UserEnergy, check_gradient, check_hessian

X = Matrix(2, 3, symbols("x:6", real=True))


def test_symbolic_energy_and_gradient() -> None:
    expression = exp(X[0, 0]) * X[1, 2] + X[0, 1] ** 4 - X[1, 0] * X[0, 2]
    energy = SymbolicEnergy(expression, X)
    point = np.random.default_rng(0).standard_normal((2, 3))
    expected = np.exp(point[0, 0]) * point[1, 2] + point[0, 1] ** 4 - point[1, 0] * point[0, 2]
    assert abs(energy(point) - expected) < 1e-14
    assert check_gradient(energy, point) < 1e-9
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


# ---------------------------------------------------------------------------------------- second derivatives

EXPRESSIONS = {
    "polynomial": X[0, 0] ** 3 * X[1, 2] + (X * X.T).det(),
    "transcendental": exp(X[0, 0] * X[1, 1]) + cos(X[0, 1] - X[1, 2]) * tanh(X[0, 2]) + log(1 + X[1, 0] ** 2),
    "constant": Matrix([[3]])[0],
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_derivatives_to_forty_digits(name: str) -> None:
    """Differences in mpmath, whose steps are far below double precision."""
    energy, expression = SymbolicEnergy(EXPRESSIONS[name], X), EXPRESSIONS[name]
    exact = lambdify(list(X), expression, "mpmath")
    point, Z = np.random.default_rng(4).standard_normal((2, 2, 3))
    with mpmath.workdps(40):
        numbers = [mpmath.mpf(float(x)) for x in point.ravel()]
        change = [mpmath.mpf(float(z)) for z in Z.ravel()]
        step = mpmath.mpf(10) ** -12

        def slope(base: list[Any], index: int) -> Any:
            ahead, behind = ([*base[:index], base[index] + sign * step, *base[index + 1 :]] for sign in (1, -1))
            return (exact(*ahead) - exact(*behind)) / (2 * step)

        ahead, behind = ([x + sign * step * z for x, z in zip(numbers, change, strict=True)] for sign in (1, -1))
        gradient = [float(slope(numbers, index)) for index in range(6)]
        hessian = [float((slope(ahead, index) - slope(behind, index)) / (2 * step)) for index in range(6)]
    np.testing.assert_allclose(energy.gradient(point).ravel(), gradient, atol=1e-13)
    np.testing.assert_allclose(energy.hessian(point, Z).ravel(), hessian, atol=1e-12)


def test_hessian_of_a_determinant() -> None:
    """det(X + t Z) is quadratic for 2 x 2 matrices: the second derivative is the adjugate of Z, whatever X is."""
    a, b, c, d = symbols("a b c d", real=True)
    energy = SymbolicEnergy(a * d - b * c, [[a, b], [c, d]])
    for point in (np.zeros((2, 2)), np.ones((2, 2))):
        np.testing.assert_array_equal(
            energy.hessian(point, np.array([[1.0, 2.0], [3.0, 4.0]])), [[4.0, -3.0], [-2.0, 1.0]]
        )


def test_hessian_at_factored_points_and_directions() -> None:
    energy = SymbolicEnergy(EXPRESSIONS["transcendental"], X)
    point = FactoredMatrix.from_matrix(np.random.default_rng(1).standard_normal((2, 3)), 1)
    along = FactoredMatrix.unchecked(np.ones((2, 1)), np.eye(1), np.arange(3.0)[:, None])
    np.testing.assert_allclose(
        energy.hessian(point, along), energy.hessian(point.to_array(), along.to_array()), atol=1e-14
    )
    assert check_gradient(energy, point) < 1e-9
    assert check_hessian(energy, point) < 1e-9


def test_a_wrong_hessian_is_found() -> None:
    energy = SymbolicEnergy(EXPRESSIONS["polynomial"], X)
    transposed = UserEnergy(energy, energy.gradient, (2, 3), lambda X, Z: energy.hessian(X, Z[::-1]))
    with pytest.raises(DerivativeError):
        check_hessian(transposed, np.random.default_rng(0).standard_normal((2, 3)))


def test_the_hessian_is_compiled_when_it_is_asked_for() -> None:
    energy = SymbolicEnergy(EXPRESSIONS["polynomial"], X)
    assert "_hessian" not in vars(energy)
    copy = pickle.loads(pickle.dumps(energy))
    Z = np.ones((2, 3))
    np.testing.assert_array_equal(copy.hessian(Z, Z), energy.hessian(Z, Z))
    assert "_hessian" in vars(energy)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(energy)).hessian(Z, Z), energy.hessian(Z, Z))


def test_a_kink_has_a_slope_on_either_side() -> None:
    energy = SymbolicEnergy(Abs(X[0, 0]), X)
    assert energy.gradient(np.full((2, 3), -2.0))[0, 0] == -1.0
    assert energy.gradient(np.full((2, 3), 2.0))[0, 0] == 1.0


def test_points_of_another_shape_are_refused() -> None:
    energy, Z = SymbolicEnergy(X[0, 0], X), np.ones((2, 3))
    for call in (energy, energy.gradient, lambda Y: energy.hessian(Z, Y), lambda Y: energy.hessian(Y, Z)):
        with pytest.raises(ValueError, match="must have the energy's shape"):
            call(np.ones((3, 2)))
