"""Linear sensing against the sum over its measurements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, sparse
from scipy.sparse.linalg import LinearOperator

from numerics import FactoredMatrix
from numerics.energies import DerivativeError, LinearSensing, MatrixCompletion, UserEnergy, as_dense, check_gradient

Array = np.ndarray
SHAPE = (3, 4)
OBSERVATIONS = 5


def measurements(seed: int) -> tuple[Array, Array, Array, Array]:
    """(A_i, b, X, Z)."""
    generator = np.random.default_rng(seed)
    matrices = generator.standard_normal((OBSERVATIONS, *SHAPE))
    return matrices, generator.standard_normal(OBSERVATIONS), *generator.standard_normal((2, *SHAPE))


def brute_force(matrices: Array, b: Array, X: Array, Z: Array) -> tuple[float, Array, Array]:
    """½ Σ (<A_i, X> - b_i)², Σ (<A_i, X> - b_i) A_i and Σ <A_i, Z> A_i, one after the other."""
    energy, gradient, hessian = 0.0, np.zeros(SHAPE), np.zeros(SHAPE)
    for matrix, value in zip(matrices, b, strict=True):
        residual = sum(matrix[i, j] * X[i, j] for i in range(SHAPE[0]) for j in range(SHAPE[1])) - value
        energy += residual**2 / 2
        gradient += residual * matrix
        hessian += np.sum(matrix * Z) * matrix
    return energy, gradient, hessian


def forms(matrices: Array, b: Array) -> dict[str, LinearSensing]:
    rows = matrices.reshape(OBSERVATIONS, -1)
    operator = LinearOperator(rows.shape, matvec=lambda x: rows @ x, rmatvec=lambda y: rows.T @ y, dtype=np.float64)
    return {
        "array": LinearSensing.from_operator(rows, b, SHAPE),
        "sparse": LinearSensing.from_operator(sparse.csr_array(rows), b, SHAPE),
        "operator": LinearSensing.from_operator(operator, b, SHAPE),
        "matrices": LinearSensing.from_matrices(list(matrices), b),
        "stack": LinearSensing.from_matrices(matrices, b),
        "sparse matrices": LinearSensing.from_matrices([sparse.csr_array(matrix) for matrix in matrices], b),
        "mixed": LinearSensing.from_matrices([sparse.csr_array(matrices[0]), *matrices[1:].tolist()], b),
    }


@pytest.mark.parametrize("form", ["array", "sparse", "operator", "matrices", "stack", "sparse matrices", "mixed"])
def test_every_form_is_the_sum_over_its_measurements(form: str) -> None:
    matrices, b, X, Z = measurements(1)
    energy = forms(matrices, b)[form]
    value, gradient, hessian = brute_force(matrices, b, X, Z)
    assert energy.shape == SHAPE
    assert energy.observations == OBSERVATIONS
    assert abs(energy(X) - value) < 1e-12
    np.testing.assert_allclose(energy.gradient(X), gradient, atol=1e-12)
    np.testing.assert_allclose(energy.hessian(X, Z), hessian, atol=1e-12)
    point = FactoredMatrix.from_matrix(X)
    np.testing.assert_allclose(energy.gradient(point), gradient, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_rank_one_sensing(seed: int) -> None:
    generator = np.random.default_rng(seed)
    u, v = generator.standard_normal((OBSERVATIONS, SHAPE[0])), generator.standard_normal((OBSERVATIONS, SHAPE[1]))
    _, b, X, Z = measurements(seed)
    X = X[:, :2] @ Z[:2]
    energy = LinearSensing.from_factors(u, v, b)
    value, gradient, hessian = brute_force(np.einsum("ei,ej->eij", u, v), b, X, Z)
    size = 1e-12 * (1 + value)
    direction = FactoredMatrix.unchecked(Z, np.eye(4), np.eye(4))
    for point, along in ((X, Z), (FactoredMatrix.from_matrix(X, 2), direction)):
        assert abs(energy(point) - value) < size
        np.testing.assert_allclose(as_dense(energy.gradient(point)), gradient, atol=size)
        np.testing.assert_allclose(as_dense(energy.hessian(point, along)), hessian, atol=size)
    slope = energy.gradient(X)
    np.testing.assert_allclose(slope @ Z.T, gradient @ Z.T, atol=20 * size)
    np.testing.assert_allclose(slope.T @ Z, gradient.T @ Z, atol=20 * size)


def test_rank_one_sensing_of_unit_vectors_is_completion() -> None:
    rows, columns, values = np.array([0, 0, 2]), np.array([1, 3, 2]), np.array([1.0, -2.0, 0.5])
    energy = LinearSensing.from_factors(np.eye(3)[rows], np.eye(4)[columns], values)
    completion = MatrixCompletion.from_entries(rows=rows, columns=columns, values=values, shape=SHAPE)
    X = np.random.default_rng(0).standard_normal(SHAPE)
    assert abs(energy(X) - completion(X)) < 1e-14
    np.testing.assert_allclose(as_dense(energy.gradient(X)), completion.gradient(X).toarray(), atol=1e-14)


def test_vectors_are_read_by_rows() -> None:
    """Entry (0, 1) is the second one of vec(X)."""
    energy = LinearSensing.from_operator([[0.0, 1.0, 0.0, 0.0]], [0.0], (2, 2))
    assert energy(np.array([[0.0, 3.0], [5.0, 0.0]])) == 4.5


def test_a_transform_that_is_no_matrix() -> None:
    """A discrete cosine transform keeps lengths, so E is half the squared distance."""
    size = SHAPE[0] * SHAPE[1]
    transform = LinearOperator(
        (size, size),
        matvec=lambda x: fft.dct(x.ravel(), norm="ortho"),
        rmatvec=lambda y: fft.idct(y.ravel(), norm="ortho"),
        dtype=np.float64,
    )
    _, _, X, target = measurements(2)
    energy = LinearSensing.from_operator(transform, fft.dct(target.ravel(), norm="ortho"), SHAPE)
    assert abs(energy(X) - np.sum((X - target) ** 2) / 2) < 1e-12
    np.testing.assert_allclose(energy.gradient(X), X - target, atol=1e-12)


def test_an_adjoint_that_is_none_is_found() -> None:
    matrices, b, X, _ = measurements(4)
    energy = forms(matrices, b)["array"]
    assert check_gradient(energy, X) < 1e-8
    mutant = UserEnergy(energy, lambda X: energy.gradient(X)[:, ::-1], SHAPE)
    with pytest.raises(DerivativeError):
        check_gradient(mutant, X)


def test_what_is_refused() -> None:
    matrices, b, X, _ = measurements(0)
    rows = matrices.reshape(OBSERVATIONS, -1)
    holed = rows.copy()
    holed[1, 2] = np.nan
    complex_operator = LinearOperator(rows.shape, matvec=lambda x: rows @ x, dtype=np.complex128)
    for arguments, named in (
        ((rows[:, :-1], b, SHAPE), r"operator must have shape \(observations, 12\)"),
        ((rows, b[:-1], SHAPE), "values must be a sequence of 5 numbers"),
        ((rows, [*b[:-1], np.inf], SHAPE), r"values\[4\] is inf"),
        ((rows, b, (3, 0)), "shape must be two positive integers"),
        ((holed, b, SHAPE), r"operator\[1, 2\] is nan"),
        ((sparse.csr_array(holed), b, SHAPE), "operator must be finite"),
        ((complex_operator, b, SHAPE), "real"),
        ((1j * rows, b, SHAPE), "real"),
    ):
        with pytest.raises(ValueError, match=named):
            LinearSensing.from_operator(*arguments)  # type: ignore[arg-type]
    unequal: list[Any] = [np.ones((2, 2)), np.ones((2, 3))]
    for given_matrices, named in (([], "at least one"), (unequal, "one shape"), ([[1.0, 2.0]], r"matrices\[0\]")):
        with pytest.raises(ValueError, match=named):
            LinearSensing.from_matrices(given_matrices, [1.0] * len(given_matrices))
    with pytest.raises(ValueError, match="one row a measurement, not 2 and 3"):
        LinearSensing.from_factors(np.ones((2, 3)), np.ones((3, 4)), [1.0, 1.0])
    with pytest.raises(ValueError, match="left must be finite"):
        LinearSensing.from_factors([[np.nan]], [[1.0]], [1.0])
    energy = LinearSensing.from_operator(rows, b, SHAPE)
    with pytest.raises(ValueError, match="X must have the energy's shape"):
        energy.gradient(X.T)
    with pytest.raises(ValueError, match="Z must have the energy's shape"):
        energy.hessian(X, X.T)
