"""The spectral ODE against finite differences of singular value decompositions along dX/dt = -A_N(∇E)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sympy import Expr, Matrix, Rational, cos, eye, latex, oo, symbols

from geometry import DeepLinearNetwork
from geometry.spectral_flow import TimeDerivative, pair_rotation, spectral_flow
from tests.definition import defined_operator

N = symbols("N", positive=True)
EnergyFunction = Callable[[Any], Any]


def some_entries(X: Any) -> Any:
    """A completion energy: two observed entries."""
    return ((X[0, 0] - 1) ** 2 + (X[1, 1] - Rational(1, 2)) ** 2) / 2


def generic(X: Any) -> Any:
    """An energy without symmetries."""
    return X[0, 0] * X[1, 1] ** 2 / 3 + X[0, 1] ** 2 + 2 * X[1, 0] - X[0, 0] * X[1, 0] / 2


def numeric_gradient(energy: EnergyFunction, X: np.ndarray) -> np.ndarray:
    """Central differences; polynomials of degree 3 leave h² = 1e-10 and rounding."""
    gradient, step = np.zeros_like(X), 1e-5
    for place in np.ndindex(*X.shape):
        moved = np.zeros_like(X)
        moved[place] = step
        gradient[place] = (float(energy(X + moved)) - float(energy(X - moved))) / (2 * step)
    return gradient


def decomposed(X: np.ndarray, near: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """σ, U, V with the signs of the columns as in a neighbouring decomposition."""
    U, sigma, Vt = np.linalg.svd(X, full_matrices=False)
    r = near[0].shape[1]
    U, V = U[:, :r], Vt[:r].T
    signs = np.sign(np.sum(U * near[0], axis=0))
    return sigma[:r], U * signs, V * signs


def evaluated(
    network: DeepLinearNetwork, energy: EnergyFunction, sigma: Any, U: Any, V: Any, depth: Any = None
) -> dict[str, float]:
    """The right-hand sides by the names on the left."""
    flow = spectral_flow(network, energy)
    numbers = dict(zip(network.singular_values, map(float, sigma), strict=True))
    numbers |= dict(zip(flow.left, U.ravel(), strict=True)) | dict(zip(flow.right, V.ravel(), strict=True))
    if depth is not None:
        numbers[N] = depth
    return {equation.lhs.args[0].name: float(equation.rhs.subs(numbers)) for equation in flow.equations}


CASES = [
    (depth, shape, rank)
    for depth in (2, 3, 5, oo)
    for shape, rank in (((2, 2), 2), ((3, 2), 2), ((2, 3), 2), ((3, 3), 2))
]
CASES += [(1, (2, 2), 2), (1, (3, 2), 2), (1, (3, 3), 2), (3, (3, 3), 1), (2, (3, 3), 3)]


@pytest.mark.parametrize("energy", [some_entries, generic])
@pytest.mark.parametrize(("depth", "shape", "rank"), CASES)
def test_equations_are_the_projected_definition(
    depth: Any, shape: tuple[int, int], rank: int, energy: EnergyFunction
) -> None:
    generator = np.random.default_rng(7)
    U, V = (np.linalg.qr(generator.standard_normal((side, rank)))[0] for side in shape)
    sigma = np.array([2.0, 1.1, 0.6])[:rank]
    X = (U * sigma) @ V.T
    velocity = -defined_operator(X, float(depth), rank)(numeric_gradient(energy, X))
    step = 1e-5
    ends = [decomposed(X + sign * step * velocity, (U, V)) for sign in (1, -1)]
    rates = [(forward - backward) / (2 * step) for forward, backward in zip(*ends, strict=True)]
    values = evaluated(DeepLinearNetwork(depth, shape, rank), energy, sigma, U, V)
    for k in range(rank):
        # h² |X'|³ over the gap cubed: 1e-10 times at most 1e3.
        assert abs(values[f"sigma_{k + 1}"] - rates[0][k]) < 1e-6
        for i in range(shape[0]):
            assert abs(values[f"U_{i + 1}{k + 1}"] - rates[1][i, k]) < 1e-6
        for i in range(shape[1]):
            assert abs(values[f"V_{i + 1}{k + 1}"] - rates[2][i, k]) < 1e-6
    assert len(values) == rank * (1 + sum(shape))
    assert np.abs(rates[0]).max() > 1e-2


def test_symbolic_depth_substituted() -> None:
    generator = np.random.default_rng(3)
    U, V = (np.linalg.qr(generator.standard_normal((side, 2)))[0] for side in (3, 2))
    for depth in (2, 3, 7):
        symbolic = evaluated(DeepLinearNetwork(N, (3, 2)), generic, (1.7, 0.4), U, V, depth)
        explicit = evaluated(DeepLinearNetwork(depth, (3, 2)), generic, (1.7, 0.4), U, V)
        assert symbolic.keys() == explicit.keys()
        for name, value in explicit.items():
            assert abs(symbolic[name] - value) < 1e-12
    assert any(abs(value) > 0.1 for value in explicit.values())


def test_rescaled_flow_is_slower_by_the_depth() -> None:
    U, V = np.eye(2), np.array([[0.6, -0.8], [0.8, 0.6]])
    plain = evaluated(DeepLinearNetwork(3, (2, 2)), generic, (2.0, 1.0), U, V)
    rescaled = evaluated(DeepLinearNetwork(3, (2, 2), rescaled=True), generic, (2.0, 1.0), U, V)
    for name, value in plain.items():
        assert abs(value - 3 * rescaled[name]) < 1e-12


def test_infinite_square_flow_is_the_limit() -> None:
    U, V = np.eye(2), np.array([[0.6, -0.8], [0.8, 0.6]])
    limit_values = evaluated(DeepLinearNetwork(oo, (2, 2)), generic, (2.0, 1.2), U, V)
    deviations = []
    for depth in (100, 200):
        finite = evaluated(DeepLinearNetwork(depth, (2, 2), rescaled=True), generic, (2.0, 1.2), U, V)
        deviations.append(max(abs(finite[name] - limit_values[name]) for name in finite))
    assert abs(deviations[0] / deviations[1] - 2) < 0.1


@pytest.mark.parametrize("depth", [1, 2, 3, oo, N])
def test_a_spectral_energy_closes_on_the_singular_values(depth: Any) -> None:
    """E = ½ tr XᵀX - ¼ tr (XᵀX)²: dσ/dt = -λ_kk (σ - σ³), whatever U and V."""
    network = DeepLinearNetwork(depth, (3, 2))

    def energy(X: Matrix) -> Expr:
        gram = X.T * X
        return gram.trace() / 2 - (gram * gram).trace() / 4

    equations = network.gradient_flow(energy)
    assert [equation.lhs.args[0] for equation in equations] == list(network.singular_values)
    number = 4 if depth == N else depth
    sigma = np.array([1.7, 0.6])
    generator = np.random.default_rng(0)
    U, V = (np.linalg.qr(generator.standard_normal((side, 2)))[0] for side in (3, 2))
    X = (U * sigma) @ V.T
    rates = np.diag(U.T @ -defined_operator(X, float(number), 2)(X - X @ X.T @ X) @ V)
    for equation, rate in zip(equations, rates, strict=True):
        value = equation.rhs.subs(N, 4).subs(dict(zip(network.singular_values, sigma, strict=True)))
        assert abs(float(value) - rate) < 1e-12
        assert not equation.rhs.free_symbols - {*network.singular_values, N}


def test_determinant_is_not_a_spectral_energy() -> None:
    """Invariant under rotations, not under reflections: its flow depends on det U det V."""
    network = DeepLinearNetwork(2, (2, 2))
    flow = spectral_flow(network, lambda X: X.det())
    assert len(flow.equations) == 2 + 4 + 4
    for reflected, sign in ((np.eye(2), 1), (np.diag([1.0, -1.0]), -1)):
        values = evaluated(network, lambda X: X.det(), (2.0, 0.5), np.eye(2), reflected)
        # λ_11 = 2σ_1, and the cofactor of σ_1 is σ_2.
        assert abs(values["sigma_1"] + sign * 2 * 2.0 * 0.5) < 1e-12


def test_one_by_one_matrices() -> None:
    """dx/dt = -N x^(2-2/N) E'(x), by hand."""
    for depth in (1, 2, 3):
        network = DeepLinearNetwork(depth, (1, 1))
        values = evaluated(network, lambda X: (X[0, 0] - 3) ** 2 / 2, (8.0,), np.eye(1), np.eye(1))
        assert abs(values["sigma_1"] + depth * 8.0 ** (2 - 2 / depth) * 5.0) < 1e-10
        assert values["U_11"] == values["V_11"] == 0
        negative = evaluated(network, lambda X: (X[0, 0] - 3) ** 2 / 2, (8.0,), -np.eye(1), np.eye(1))
        assert abs(negative["sigma_1"] + depth * 8.0 ** (2 - 2 / depth) * 11.0) < 1e-10


def test_frames_stay_orthonormal() -> None:
    """UᵀdU/dt is skew, exactly as symbols where U is orthonormal."""
    network = DeepLinearNetwork(3, (3, 3), 2)
    generator = np.random.default_rng(5)
    U, V = (np.linalg.qr(generator.standard_normal((3, 2)))[0] for _ in range(2))
    values = evaluated(network, generic, (1.5, 0.3), U, V)
    for letter, frame in (("U", U), ("V", V)):
        rate = np.array([[values[f"{letter}_{i + 1}{k + 1}"] for k in range(2)] for i in range(3)])
        np.testing.assert_allclose(frame.T @ rate + rate.T @ frame, 0, atol=1e-12)
        assert np.abs(frame.T @ rate).max() > 1e-3
    flow = spectral_flow(network, generic)
    assert flow.left_rotation == -flow.left_rotation.T
    assert flow.right_rotation == -flow.right_rotation.T


def test_rotation_of_a_pair_solves_its_equations() -> None:
    a, b, multiplier = symbols("a b lambda", positive=True)
    first, second = symbols("g h", real=True)
    left, right = pair_rotation(a, b, (first, second), multiplier)
    # Entries kl and lk of Ω^U Σ - Σ Ω^V for skew 2 x 2 matrices.
    assert (left * b - a * right + multiplier * first).simplify() == 0
    assert (-left * a + b * right + multiplier * second).simplify() == 0


def test_energy_may_return_a_one_by_one_matrix_or_a_constant() -> None:
    network = DeepLinearNetwork(2, (2, 2))
    column = Matrix([1, 2])
    wrapped = network.gradient_flow(lambda X: column.T * X * column)
    plain = network.gradient_flow(lambda X: (column.T * X * column)[0, 0])
    assert wrapped == plain
    assert all(equation.rhs == 0 for equation in network.gradient_flow(lambda X: 3))


def test_left_hand_sides_are_typeset() -> None:
    equation = DeepLinearNetwork(N, (2, 2)).gradient_flow(some_entries)[0]
    assert isinstance(equation.lhs, TimeDerivative)
    assert str(equation.lhs) == "dsigma_1/dt"
    assert latex(equation.lhs) == r"\frac{d \sigma_{1}}{dt}"


@pytest.mark.parametrize(
    ("network", "energy", "named"),
    [
        (DeepLinearNetwork(2, symbols("m n", integer=True, positive=True), 2), some_entries, "shape"),
        (DeepLinearNetwork(2, (symbols("m", integer=True, positive=True), 3), 2), some_entries, "shape"),
        (DeepLinearNetwork(2, (2, 2), field="C"), some_entries, "field"),
        (DeepLinearNetwork(2, (2, 2), field="H"), some_entries, "field"),
        (DeepLinearNetwork(2, (2, 2)), lambda X: X.T * X, "energy"),
        (DeepLinearNetwork(2, (2, 2)), lambda X: eye(3), "energy"),
        (DeepLinearNetwork(2, (2, 2)), lambda X: None, "energy"),
        (DeepLinearNetwork(2, (2, 2)), lambda X: "X + 1", "energy"),
    ],
)
def test_refusals(network: DeepLinearNetwork, energy: EnergyFunction, named: str) -> None:
    with pytest.raises((ValueError, TypeError), match=named):
        network.gradient_flow(energy)


def test_energies_of_more_than_polynomials() -> None:
    U, V = np.eye(2), np.array([[0.6, -0.8], [0.8, 0.6]])
    values = evaluated(DeepLinearNetwork(1, (2, 2)), lambda X: cos(X[0, 0]), (2.0, 1.0), U, V)
    # At depth 1 with U = I: dσ_1/dt = sin(X_00) V_00, X_00 = 2 V_00.
    assert abs(values["sigma_1"] - np.sin(1.2) * 0.6) < 1e-12
