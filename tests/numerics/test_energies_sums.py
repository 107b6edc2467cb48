"""Sums, multiples, the ridge, a user's own energies, and the checks of derivatives."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

from numerics import FactoredMatrix
from numerics.energies import (
    DerivativeError,
    Energy,
    EnergySum,
    EnergyWithHessian,
    LowRankMatrix,
    MatrixCompletion,
    MatrixSum,
    Ridge,
    UserEnergy,
    as_dense,
    check_gradient,
    check_hessian,
    from_functions,
)

Array = np.ndarray


def completion(m: int = 4, n: int = 5, seed: int = 0) -> MatrixCompletion:
    generator = np.random.default_rng(seed)
    return MatrixCompletion.from_array(
        np.where(generator.random((m, n)) < 0.5, np.nan, 1.0) * generator.standard_normal((m, n)),
        generator.uniform(0.5, 2.0, (m, n)),
    )


QUARTIC = UserEnergy(lambda X: np.sum(X**4) / 4, lambda X: X**3, (4, 5), lambda X, Z: 3 * X**2 * Z)


class Plain:
    """An energy of a user's own: no base class, no hessian."""

    shape = (4, 5)

    def __call__(self, X: Any) -> float:
        return float(np.sum(as_dense(X)))

    def gradient(self, X: Any) -> Array:
        return np.ones(self.shape)


# ------------------------------------------------------------------------------------------------ sums


@settings(max_examples=20, deadline=None)
@given(a=st.floats(-3, 3), b=st.floats(-3, 3), seed=st.integers(0, 1000))
def test_sums_and_multiples(a: float, b: float, seed: int) -> None:
    fit, ridge = completion(), Ridge((4, 5), 0.3)
    energy = a * (fit + b * ridge) - QUARTIC * 2 + fit
    X, Z = np.random.default_rng(seed).standard_normal((2, 4, 5))
    residuals = fit.residuals(X)
    expected = (a + 1) * np.sum(fit.weights * residuals**2) / 2 + a * b * 0.15 * np.sum(X**2) - np.sum(X**4) / 2
    assert abs(energy(X) - expected) < 1e-11
    gradient = (a + 1) * fit.gradient(X).toarray() + a * b * 0.3 * X - 2 * X**3
    np.testing.assert_allclose(energy.gradient(X), gradient, atol=1e-12)
    hessian = (a + 1) * fit.hessian(X, Z).toarray() + a * b * 0.3 * Z - 6 * X**2 * Z
    np.testing.assert_allclose(energy.hessian(X, Z), hessian, atol=1e-12)
    assert len(energy.terms) == 4


def test_gradients_of_sums_stay_sparse_and_of_low_rank() -> None:
    m, n = 3000, 4000
    generator = np.random.default_rng(0)
    places = generator.choice(m * n, 5000, replace=False)
    fit = MatrixCompletion.from_entries(
        rows=places // n, columns=places % n, values=generator.standard_normal(5000), shape=(m, n)
    )
    energy = 2.0 * fit + Ridge((m, n), 0.1)
    U, V = (np.linalg.qr(generator.standard_normal((side, 3)))[0] for side in (m, n))
    point = FactoredMatrix(U, np.diag([3.0, 2.0, 1.0]), V)
    energy(point)  # what is compiled or imported at the first call is no memory of the second
    tracemalloc.start()
    slope, along = energy.gradient(point), energy.hessian(point, FactoredMatrix.unchecked(U, np.eye(3), V))
    products = slope @ V, slope.T @ U, along @ V, along.T @ U
    value = energy(point)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * m * n / 20
    whole = 2 * fit.gradient(point).toarray() + 0.1 * point.to_array()
    whole_along = 2 * fit.hessian(point, FactoredMatrix.unchecked(U, np.eye(3), V)).toarray() + 0.1 * U @ V.T
    for product, expected in zip(products, (whole @ V, whole.T @ U, whole_along @ V, whole_along.T @ U), strict=True):
        np.testing.assert_allclose(product, expected, atol=1e-12)
    assert isinstance(slope, MatrixSum)
    assert slope.shape == slope.T.shape[::-1] == (m, n)
    assert abs(value - (2 * fit(point) + 0.05 * 14)) < 1e-12


def test_other_objects_add_from_either_side() -> None:
    X = np.random.default_rng(1).standard_normal((4, 5))
    fit, plain = completion(), Plain()
    for energy in (fit + plain, plain + fit, np.float64(1.0) * fit + plain):
        assert isinstance(energy, EnergySum)
        assert abs(energy(X) - fit(X) - X.sum()) < 1e-12
        assert not hasattr(energy, "hessian")
        assert isinstance(energy, Energy)
        assert not isinstance(energy, EnergyWithHessian)
    with pytest.raises(AttributeError, match="Plain, a term of the sum, has no hessian"):
        _ = (fit + plain).hessian
    assert isinstance(fit + QUARTIC, EnergyWithHessian)


def test_sums_that_are_refused() -> None:
    fit = completion()
    with pytest.raises(ValueError, match=r"one shape, not \(4, 5\) and \(5, 4\)|one shape, not \(5, 4\) and \(4, 5\)"):
        fit + Ridge((5, 4), 1.0)
    for factor in (np.nan, np.inf, True):
        with pytest.raises(ValueError, match="factor of an energy"):
            factor * fit
    for other in (3.0, "fit", None, 1j):
        with pytest.raises(TypeError):
            fit + other
    with pytest.raises(TypeError):
        "2" * fit  # type: ignore[operator]


def test_matrices_of_every_kind_add() -> None:
    generator = np.random.default_rng(2)
    dense = generator.standard_normal((3, 4))
    left, right = generator.standard_normal((3, 2)), generator.standard_normal((4, 2))
    total = MatrixSum(
        ((2.0, sparse.csr_array(dense)), (-1.0, LowRankMatrix(left, right)), (0.5, aslinearoperator(dense)))
    )
    expected = 2.5 * dense - left @ right.T
    np.testing.assert_allclose(total.toarray(), expected, atol=1e-14)
    np.testing.assert_allclose(total @ right, expected @ right, atol=1e-13)
    np.testing.assert_allclose(total.T @ left, expected.T @ left, atol=1e-13)
    np.testing.assert_allclose(total @ right[:, 0], expected @ right[:, 0], atol=1e-13)
    np.testing.assert_allclose(as_dense(total.T), expected.T, atol=1e-14)


# ----------------------------------------------------------------------------------------------- ridge


def test_ridge_at_factors_that_are_not_orthonormal() -> None:
    generator = np.random.default_rng(3)
    point = FactoredMatrix.unchecked(*(generator.standard_normal(size) for size in ((4, 2), (2, 2), (5, 2))))
    ridge = Ridge((4, 5), 0.7)
    assert abs(ridge(point) - 0.35 * np.sum(point.to_array() ** 2)) < 1e-12
    np.testing.assert_allclose(as_dense(ridge.gradient(point)), 0.7 * point.to_array(), atol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(((2, 0), 1.0), "shape"), (((2, 2), np.nan), "strength"), (((2, 2), "1"), "strength"), ((3, 1.0), "shape")],
)
def test_ridges_that_are_refused(arguments: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Ridge(*arguments)


# ------------------------------------------------------------------------------------ a user's functions


def test_a_users_functions() -> None:
    X = np.arange(20.0).reshape(4, 5) / 10
    assert QUARTIC(X) == np.sum(X**4) / 4
    point = FactoredMatrix.from_matrix(X, 2)
    np.testing.assert_allclose(QUARTIC.gradient(point), X**3, atol=1e-12)
    assert check_gradient(QUARTIC, X) < 1e-9
    assert check_hessian(QUARTIC, X, seed=3) < 1e-9
    without = from_functions(lambda X: np.sum(X), np.ones_like, shape=(4, 5))
    assert not hasattr(without, "hessian")
    assert hasattr(QUARTIC, "hessian")


def test_what_functions_must_not_return() -> None:
    X = np.ones((2, 2))
    for value, gradient, named in (
        (lambda X: X, np.ones_like, "value must return a real number"),
        (lambda X: 1j, np.ones_like, "value must return a real number"),
        (np.sum, lambda X: np.ones(4), r"gradient must return a real array of shape \(2, 2\), not of shape \(4,\)"),
        (np.sum, lambda X: 1j * X, "gradient must return a real array"),
    ):
        energy = UserEnergy(value, gradient, (2, 2))
        with pytest.raises(ValueError, match=named):
            energy(X), energy.gradient(X)
    with pytest.raises(TypeError, match="gradient must be a function"):
        UserEnergy(np.sum, np.ones((2, 2)), (2, 2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="X must have the energy's shape"):
        QUARTIC(np.ones((5, 4)))


# ------------------------------------------------------------------------------------ derivative checks


@pytest.mark.parametrize(
    "wrong",
    [
        lambda X: -(X**3),
        lambda X: X**2,
        lambda X: 2 * X**3,
        lambda X: np.where(np.arange(20).reshape(4, 5) == 7, 1.0001, 1.0) * X**3,
        lambda X: X**3 * np.nan,
    ],
)
def test_wrong_gradients_are_found(wrong: Any) -> None:
    X = np.arange(1.0, 21.0).reshape(4, 5) / 20
    with pytest.raises(DerivativeError, match=r"gradient is wrong by .* most at \[\d, \d\]"):
        check_gradient(UserEnergy(QUARTIC, wrong, (4, 5)), X)


def test_the_worst_entry_is_named() -> None:
    def wrong(X: Array) -> Array:
        slope = X**3
        slope[2, 4] += 1.0
        return slope

    with pytest.raises(DerivativeError, match=r"at \[2, 4\]: it says 2, differences of the energy say 1"):
        check_gradient(UserEnergy(QUARTIC, wrong, (4, 5)), np.ones((4, 5)))


def test_wrong_hessians_are_found() -> None:
    mutant = UserEnergy(QUARTIC, QUARTIC.gradient, (4, 5), lambda X, Z: 2 * X**2 * Z)
    with pytest.raises(DerivativeError, match=r"hessian is wrong by 0\.33"):
        check_hessian(mutant, np.ones((4, 5)))


def test_derivatives_at_zero_and_at_factored_points() -> None:
    fit = completion()
    point = FactoredMatrix.from_matrix(np.random.default_rng(0).standard_normal((4, 5)), 2)
    for X in (np.zeros((4, 5)), point):
        assert check_gradient(fit, X) < 1e-9
        assert check_hessian(fit, X) < 1e-9
    assert check_gradient(0.0 * fit, point) == 0.0
