"""Spectral energies against the same functions written in matrices, and against 40 digits."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Abs, Expr, Rational, Symbol, cos, exp, log, oo, sqrt, symbols

from geometry import DeepLinearNetwork
from numerics import FactoredMatrix
from numerics.energies import DerivativeError, EntropicTerm, SpectralEnergy, as_dense, check_gradient, check_hessian

Array = np.ndarray


def spectral(shape: tuple[int, int], term: Callable[[Expr], Expr], rank: int | None = None) -> SpectralEnergy:
    """Σ term(σ_k)."""
    network = DeepLinearNetwork(2, shape, rank)
    return SpectralEnergy(sum(term(sigma) for sigma in network.singular_values), network)


def orthogonal(size: int, seed: int) -> Array:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


def with_singular_values(sigma: list[float], shape: tuple[int, int], seed: int = 0) -> Array:
    r = len(sigma)
    return orthogonal(shape[0], seed)[:, :r] @ np.diag(sigma) @ orthogonal(shape[1], seed + 1)[:, :r].T


SPECTRA = [[3.0, 1.0, 0.2], [2.0, 2.0, 2.0], [1.0, 1.0 - 1e-9, 0.5], [1.5, 1.5, 1e-3], [1.0, 0.93, 0.9]]
"""Apart, all equal, nearly equal, equal and small, and on either side of where quotients become means."""

MATRIX_FORMS: dict[str, tuple[Callable[[Expr], Expr], Callable[..., Array], Callable[..., Array]]] = {
    "fourth powers": (
        lambda s: s**4,  # tr (XᵀX)²
        lambda X: 4 * X @ X.T @ X,
        lambda X, Z: 4 * (Z @ X.T @ X + X @ Z.T @ X + X @ X.T @ Z),
    ),
    "log determinant": (
        lambda s: -log(s),
        lambda X: -np.linalg.inv(X).T,
        lambda X, Z: (np.linalg.inv(X) @ Z @ np.linalg.inv(X)).T,
    ),
    "inverse squares": (
        lambda s: s**-2 / 2,  # ½ tr (XᵀX)⁻¹
        lambda X: -np.linalg.inv(X.T @ X @ X.T),
        lambda X, Z: (
            np.linalg.inv(X.T @ X @ X.T)
            @ (Z.T @ X @ X.T + X.T @ Z @ X.T + X.T @ X @ Z.T)
            @ np.linalg.inv(X.T @ X @ X.T)
        ),
    ),
}


@pytest.mark.parametrize("sigma", SPECTRA)
@pytest.mark.parametrize("name", MATRIX_FORMS)
def test_gradient_and_hessian_are_those_of_the_matrix_form(name: str, sigma: list[float]) -> None:
    term, gradient, hessian = MATRIX_FORMS[name]
    energy = spectral((3, 3), term)
    X = with_singular_values(sigma, (3, 3))
    Z = np.random.default_rng(5).standard_normal((3, 3))
    size = np.abs(gradient(X)).max()
    # Inverting X loses its condition number; so does its decomposition in the small singular vectors.
    loss = 1e-14 * max(sigma) / min(sigma)
    np.testing.assert_allclose(energy.gradient(X), gradient(X), atol=20 * loss * size)
    second = hessian(X, Z)
    np.testing.assert_allclose(energy.hessian(X, Z), second, atol=50 * loss * np.abs(second).max())


def test_low_rank_hessian_with_both_null_spaces() -> None:
    energy = spectral((5, 4), lambda s: s**4, rank=2)
    X = with_singular_values([2.0, 2.0 - 1e-10], (5, 4))
    Z = np.random.default_rng(6).standard_normal((5, 4))
    expected = 4 * (Z @ X.T @ X + X @ Z.T @ X + X @ X.T @ Z)
    np.testing.assert_allclose(energy.hessian(X, Z), expected, atol=1e-11)
    np.testing.assert_allclose(energy.gradient(X), 4 * X @ X.T @ X, atol=1e-12)


def test_nuclear_norm_at_an_orthogonal_matrix() -> None:
    """Its gradient is the polar factor; the derivative of that at c Q is (Z - Q Zᵀ Q)/(2 c)."""
    energy, Q, c = spectral((4, 4), lambda s: s), orthogonal(4, 3), 0.3
    Z = np.random.default_rng(1).standard_normal((4, 4))
    np.testing.assert_allclose(energy.gradient(c * Q), Q, atol=1e-14)
    np.testing.assert_allclose(energy.hessian(c * Q, Z), (Z - Q @ Z.T @ Q) / (2 * c), atol=1e-13)
    assert abs(energy(c * Q) - 4 * c) < 1e-14


def test_energies_that_are_no_sums() -> None:
    """(det X)² couples all singular values: its gradient is 2 (det X)² X⁻ᵀ."""
    network = DeepLinearNetwork(3, (3, 3))
    a, b, c = network.singular_values
    energy = SpectralEnergy((a * b * c) ** 2, network)
    for sigma in SPECTRA:
        X = with_singular_values(sigma, (3, 3), seed=4)
        Z = np.random.default_rng(2).standard_normal((3, 3))
        inverse, square = np.linalg.inv(X), np.linalg.det(X) ** 2
        first = 2 * square * inverse.T
        second = 2 * first * np.trace(inverse @ Z) - 2 * square * (inverse @ Z @ inverse).T
        np.testing.assert_allclose(energy.gradient(X), first, atol=1e-11 * np.abs(first).max())
        np.testing.assert_allclose(energy.hessian(X, Z), second, atol=1e-10 * np.abs(second).max())


@pytest.mark.parametrize("gap", [0.0, 1e-16, 1e-12, 1e-8, 1e-4, 0.03, 0.049, 0.051, 0.2, 0.9])
@pytest.mark.parametrize("middle", [1e-8, 1.0, 1e6])
@pytest.mark.parametrize(
    ("term", "slope", "curvature"),
    [
        (lambda s: s ** Rational(3, 2), lambda s: 3 * mpmath.sqrt(s) / 2, lambda s: 3 / (4 * mpmath.sqrt(s))),
        (lambda s: log(s), lambda s: 1 / s, lambda s: -1 / s**2),
        (lambda s: s**5, lambda s: 5 * s**4, lambda s: 20 * s**3),
        (
            lambda s: s ** Rational(1, 3),
            lambda s: s ** (-mpmath.mpf(2) / 3) / 3,
            lambda s: -2 * s ** (-mpmath.mpf(5) / 3) / 9,
        ),
    ],
)
def test_divided_differences_to_the_last_digits(
    term: Any, slope: Any, curvature: Any, middle: float, gap: float
) -> None:
    energy = spectral((2, 2), term)
    sigma = middle * np.array([1 + gap, 1 - gap])
    with mpmath.workdps(60):
        a, b = (mpmath.mpf(float(value)) for value in sigma)
        exact = float((slope(a) - slope(b)) / (a - b) if a != b else curvature(a))
    # Where quotients are taken, at most 1/0.05 roundings of each slope.
    assert abs(energy.divided_differences(sigma)[0, 1] / exact - 1) < 3e-14


def test_a_kink_away_from_crossings_is_seen() -> None:
    """|σ - 1| has the divided difference 2/gap across 1, which no mean of second derivatives gives."""
    energy = spectral((2, 2), lambda s: Abs(s - 1))
    assert abs(energy.divided_differences(np.array([1.2, 0.8]))[0, 1] - 5.0) < 1e-14


# ------------------------------------------------------------------------------- points and invariance


def test_factored_points_stay_factored() -> None:
    energy = spectral((6, 5), lambda s: exp(-s) + s**3, rank=2)
    point = FactoredMatrix.from_matrix(with_singular_values([2.0, 0.5], (6, 5)), 2)
    point = FactoredMatrix(point.U @ orthogonal(2, 1), orthogonal(2, 1).T @ point.S, point.V)
    Z = FactoredMatrix.unchecked(np.ones((6, 1)), np.eye(1), np.arange(5.0)[:, None])
    X = point.to_array()
    assert abs(energy(point) - energy(X)) < 1e-14
    gradient, hessian = energy.gradient(point), energy.hessian(point, Z)
    assert not isinstance(gradient, np.ndarray)
    assert hessian.left.shape == (6, 4)
    np.testing.assert_allclose(as_dense(gradient), energy.gradient(X), atol=1e-13)
    np.testing.assert_allclose(as_dense(hessian), energy.hessian(X, Z.to_array()), atol=1e-12)
    np.testing.assert_allclose(gradient @ X.T, energy.gradient(X) @ X.T, atol=1e-13)
    np.testing.assert_allclose(hessian.T @ X, as_dense(hessian).T @ X, atol=1e-13)


@pytest.mark.parametrize("width", [2, 5, 9])
def test_products_of_layers_are_points(width: int) -> None:
    """Factors that are not orthonormal, and as many columns as a hidden layer is wide."""
    energy = spectral((6, 5), lambda s: exp(-s) + s**3, rank=2)
    X = with_singular_values([2.0, 0.5], (6, 5))
    mixing = np.random.default_rng(3).standard_normal((5, width))
    point = FactoredMatrix.unchecked(X @ mixing, np.eye(width), np.linalg.pinv(mixing).T)
    if width < 5:
        left, sigma, right = np.linalg.svd(X, full_matrices=False)
        point = FactoredMatrix.unchecked(left[:, :2] * sigma[:2], np.eye(2), right[:2].T)
    Z = np.random.default_rng(4).standard_normal((6, 5))
    np.testing.assert_allclose(point.to_array(), X, atol=1e-13)
    assert abs(energy(point) - energy(X)) < 1e-12
    np.testing.assert_allclose(as_dense(energy.gradient(point)), energy.gradient(X), atol=1e-11)
    np.testing.assert_allclose(as_dense(energy.hessian(point, Z)), energy.hessian(X, Z), atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), coalesce=st.booleans())
def test_invariance_under_rotations_and_transposition(seed: int, coalesce: bool) -> None:
    energy, flipped = ENERGY, TRANSPOSED_ENERGY
    generator = np.random.default_rng(seed)
    sigma = np.sort(generator.uniform(0.5, 2.0, 3))[::-1]
    if coalesce:
        sigma[1] = sigma[0]
    X, Z = with_singular_values(list(sigma), (3, 4), seed), generator.standard_normal((3, 4))
    P, Q = orthogonal(3, seed + 7), orthogonal(4, seed + 9)
    assert abs(energy(P @ X @ Q) - energy(X)) < 1e-12
    np.testing.assert_allclose(energy.gradient(P @ X @ Q), P @ energy.gradient(X) @ Q, atol=1e-12)
    np.testing.assert_allclose(energy.hessian(P @ X @ Q, P @ Z @ Q), P @ energy.hessian(X, Z) @ Q, atol=1e-11)
    np.testing.assert_allclose(flipped.hessian(X.T, Z.T), energy.hessian(X, Z).T, atol=1e-11)


ENERGY = spectral((3, 4), lambda s: exp(-s) + s**3)
TRANSPOSED_ENERGY = spectral((4, 3), lambda s: exp(-s) + s**3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_hessian_is_symmetric(seed: int) -> None:
    generator = np.random.default_rng(seed)
    X, Y, Z = generator.standard_normal((3, 3, 4))
    first, second = np.sum(Y * ENERGY.hessian(X, Z)), np.sum(Z * ENERGY.hessian(X, Y))
    assert abs(first - second) < 1e-11 * max(1, np.abs(ENERGY.hessian(X, Z)).max())


def test_one_singular_value() -> None:
    energy = spectral((3, 1), lambda s: s**3)
    x = np.array([[1.0], [2.0], [2.0]])
    z = np.array([[1.0], [0.0], [-1.0]])
    np.testing.assert_allclose(energy.gradient(x), 3 * 3 * x, atol=1e-13)
    np.testing.assert_allclose(energy.hessian(x, z), 9 * z + 3 * x @ (x.T @ z) / 3, atol=1e-13)


# --------------------------------------------------------------------------------------------- mutants


def mutated_differences(original: Callable[..., Array]) -> dict[str, Callable[..., Array]]:
    return {
        "factor": lambda self, sigma: 2 * original(self, sigma),
        "sign": lambda self, sigma: -original(self, sigma),
        "sums": lambda self, sigma: np.add.outer(self.slopes(sigma), self.slopes(sigma)) / np.add.outer(sigma, sigma),
    }


@pytest.mark.parametrize("mutant", ["factor", "sign", "sums"])
def test_a_wrong_hessian_is_found(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X = with_singular_values([2.0, 1.0, 0.5], (3, 4))
    assert check_hessian(ENERGY, X) < 1e-8
    wrong = mutated_differences(SpectralEnergy.divided_differences)[mutant]
    monkeypatch.setattr(SpectralEnergy, "divided_differences", wrong)
    with pytest.raises(DerivativeError, match="hessian is wrong"):
        check_hessian(ENERGY, X)


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    X = with_singular_values([2.0, 1.0, 0.5], (3, 4))
    assert check_gradient(ENERGY, X) < 1e-8
    right = SpectralEnergy.slopes
    monkeypatch.setattr(SpectralEnergy, "slopes", lambda self, sigma: right(self, sigma)[::-1])
    with pytest.raises(DerivativeError, match="gradient is wrong"):
        check_gradient(ENERGY, X)


# ------------------------------------------------------------------------------------------- refusals


def refused(expression: Any, error: Any, named: str, network: Any = None) -> None:
    with pytest.raises(error, match=named):
        SpectralEnergy(expression, network or DeepLinearNetwork(2, (2, 2)))


def test_what_is_refused() -> None:
    a, b = DeepLinearNetwork(2, (2, 2)).singular_values
    refused("sigma_1", TypeError, "string")
    refused(a + 2 * b, ValueError, "symmetric")
    refused(a**2, ValueError, "symmetric")
    refused(a + b + Symbol("t"), ValueError, "t")
    refused([a, b], TypeError, "scalar")
    refused(a + b, TypeError, "DeepLinearNetwork", network="3")
    refused(a + b, ValueError, "shape", network=DeepLinearNetwork(2, symbols("m n", integer=True, positive=True), 2))
    energy = SpectralEnergy(a + b, DeepLinearNetwork(2, (2, 2)))
    with pytest.raises(ValueError, match="X must have the energy's shape"):
        energy(np.ones((3, 2)))
    with pytest.raises(ValueError, match="Z must have the energy's shape"):
        energy.hessian(np.eye(2), np.ones((2, 3)))
    with pytest.raises(ValueError, match="at least the rank 2 of the network, not 1"):
        energy(FactoredMatrix.from_matrix(np.eye(2), 1))


def test_symmetry_is_not_taken_for_its_opposite() -> None:
    a, b, c = DeepLinearNetwork(2, (3, 3)).singular_values
    energy = SpectralEnergy(sqrt(a * b + b * c + c * a) + cos(a + b + c), DeepLinearNetwork(2, (3, 3)))
    assert np.isfinite(energy(np.eye(3)))


def test_copies_through_pickle() -> None:
    copy = pickle.loads(pickle.dumps(ENERGY))
    X = np.random.default_rng(0).standard_normal((3, 4))
    np.testing.assert_array_equal(copy.hessian(X, X), ENERGY.hessian(X, X))


# --------------------------------------------------------------------------------------------- entropy


def log_volume_of_the_fibre(sigma: list[Any], depth: int) -> Any:
    """½ Σ log λ_kl, λ summed term by term from A_N; constants, which have no gradient, left out."""
    total = mpmath.mpf(0)
    for l, b in enumerate(sigma):
        for a in sigma[:l]:
            left = [mpmath.power(a, mpmath.mpf(2 * (depth - p)) / depth) for p in range(1, depth + 1)]
            right = [mpmath.power(b, mpmath.mpf(2 * (p - 1)) / depth) for p in range(1, depth + 1)]
            total += mpmath.log(mpmath.fdot(left, right)) / 2
    return total


def entropic_slopes(sigma: list[float], depth: int, temperature: float) -> list[float]:
    """-T times the derivatives of that, by differences at 50 digits."""

    def along(k: int) -> Any:
        return lambda s: log_volume_of_the_fibre([*sigma[:k], s, *sigma[k + 1 :]], depth)

    with mpmath.workdps(50):
        return [float(-temperature * mpmath.diff(along(k), value)) for k, value in enumerate(sigma)]


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
@pytest.mark.parametrize("sigma", [[2.0, 1.0, 0.3], [1.0, 1.0, 1.0], [1.0, 1.0 - 2**-40, 1e-6]])
def test_entropic_term_against_the_definition(depth: int, sigma: list[float]) -> None:
    term = EntropicTerm(DeepLinearNetwork(depth, (3, 3)), temperature=0.7)
    exact = entropic_slopes(sigma, depth, 0.7)
    np.testing.assert_allclose(term.slopes(np.array(sigma)), exact, rtol=1e-12, atol=1e-300)
    X = np.diag(sigma)
    np.testing.assert_allclose(np.diag(term.gradient(X)), exact, rtol=1e-10)


@pytest.mark.parametrize("sigma", [[2.0, 1.0], [1.0, 1.0]])
def test_entropic_term_at_infinite_depth(sigma: list[float]) -> None:
    """½ log of the logarithmic mean of the squares: the integral over s of a^(2(1-s)) b^(2s)."""
    term = EntropicTerm(DeepLinearNetwork(oo, (2, 2)), temperature=2.0)
    with mpmath.workdps(30):
        exact = -mpmath.log(
            mpmath.quad(lambda s: mpmath.mpf(sigma[0]) ** (2 - 2 * s) * mpmath.mpf(sigma[1]) ** (2 * s), [0, 1])
        )
    assert abs(term(np.diag(sigma)) - float(exact)) < 1e-14
    # Homogeneous of degree 2 under the logarithm: Σ σ_k ∂_k S = 1.
    assert abs(term.slopes(np.array(sigma)) @ sigma + 2.0) < 1e-14


def test_entropy_adds_to_an_energy() -> None:
    network = DeepLinearNetwork(3, (2, 2))
    energy = spectral((2, 2), lambda s: s**2 / 2) + EntropicTerm(network, temperature=0.5)
    X = with_singular_values([1.0, 1.0 - 1e-12], (2, 2))
    Z = np.random.default_rng(0).standard_normal((2, 2))
    term = EntropicTerm(network, 0.5)
    np.testing.assert_allclose(energy.gradient(X), X + term.gradient(X), atol=1e-14)
    np.testing.assert_allclose(energy.hessian(X, Z), Z + term.hessian(X, Z), atol=1e-13)
    assert check_hessian(energy, with_singular_values([1.0, 0.7], (2, 2))) < 1e-7


def test_wider_hidden_layers_add_entropy() -> None:
    """h - r more directions, each of the length of λ(σ, 0): for r = 1 and N = 2, S = const + (h-1)/2 log σ."""
    network = DeepLinearNetwork(2, (1, 1))
    slope = EntropicTerm(network, 1.0, hidden_width=4).slopes(np.array([0.25]))
    np.testing.assert_allclose(slope, [-3 / 2 * 4], rtol=1e-14)


@pytest.mark.parametrize("temperature", [-1.0, np.nan, np.inf, "1", True, None])
def test_temperatures_that_are_refused(temperature: Any) -> None:
    with pytest.raises(ValueError, match="temperature"):
        EntropicTerm(DeepLinearNetwork(2, (2, 2)), temperature)
