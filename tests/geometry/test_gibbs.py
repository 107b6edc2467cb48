"""Partition functions by quadrature and as Gaussian integrals; masses that are finite or not, by integration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import Integer, Matrix, Rational, Symbol, factorial, false, gamma, log, oo, pi, symbols, true

from geometry import DeepLinearNetwork
from geometry.equilibrium import (
    CLUSTER,
    completion_equilibrium_exists,
    completion_exponents,
    equilibrium_exists,
    mass_exponents,
)
from geometry.gibbs import equilibrium_free_energy, laguerre_selberg, mean_energy, partition_function
from geometry.group_volumes import angular_volume

N, T = symbols("N T", positive=True)
BETA = {"R": 1, "C": 2, "H": 4}


def multiplier(a: Any, b: Any, depth: int) -> Any:
    """The sum of the N terms, with 0^0 = 1."""
    terms = (a ** (2 * (depth - p) / depth) * b ** (2 * (p - 1) / depth) for p in range(1, depth + 1))
    return sum(terms, np.zeros(()))


def radial_density(sigma: list[Any], network: DeepLinearNetwork) -> Any:
    """√det g in the coframe from the sums of N terms: the Jacobian of the SVD times Π λ^(-1/2) over all entries."""
    beta, depth = BETA[network.field], int(network.depth)
    m, n = (int(side) for side in network.shape)
    null = beta * (m + n - 2 * len(sigma))
    value = np.ones(())
    for position, a in enumerate(sigma):
        value = value * a ** (null + beta - 1) * multiplier(a, a, depth) ** (-beta / 2)
        value = value * multiplier(a, np.zeros(()), depth) ** (-null / 2)
        for b in sigma[position + 1 :]:
            value = value * np.abs(a**2 - b**2) ** beta * multiplier(a, b, depth) ** -float(beta)
    return value


def nodes(start: float, stop: float, count: int = 120) -> tuple[Any, Any]:
    """Gauss-Legendre nodes and weights."""
    points, weights = np.polynomial.legendre.leggauss(count)
    return (stop + start + (stop - start) * points) / 2, (stop - start) / 2 * weights


def integral(network: DeepLinearNetwork, function: Any, intervals: list[tuple[float, float]]) -> float:
    """∫ function(τ) √det g dσ over a box in τ = σ^{1/N}; for τ_2 < τ_1 the second interval is one of τ_2/τ_1."""
    depth = int(network.depth)
    grids = [nodes(*interval) for interval in intervals]
    roots = list(np.meshgrid(*(points for points, _ in grids), indexing="ij"))
    weight = grids[0][1] if len(grids) == 1 else np.outer(grids[0][1], grids[1][1])
    if len(roots) == 2 and intervals[1] == (0, 1):
        weight, roots[1] = weight * roots[0], roots[0] * roots[1]
    for root in roots:
        weight = weight * depth * root ** (depth - 1)
    return float(np.sum(weight * function(roots) * radial_density([root**depth for root in roots], network)))


def quadrature(network: DeepLinearNetwork, temperature: float, power: int = 0) -> float:
    """∫ E^power exp(-E/T) √det g dσ over σ_1 > σ_2 > 0, E = Σ τ_k²."""

    def function(roots: list[Any]) -> Any:
        energy = sum(root**2 for root in roots)
        return energy**power * np.exp(-energy / temperature)

    return integral(network, function, [(0, 12), (0, 1)][: network.rank])


@pytest.mark.parametrize(
    ("depth", "shape", "rank", "field"),
    [
        (1, (3, 2), 1, "R"),
        (2, (3, 1), 1, "R"),
        (5, (2, 1), 1, "C"),
        (3, (1, 1), 1, "H"),
        (1, (2, 2), 2, "R"),
        (2, (2, 2), 2, "R"),
        (3, (3, 2), 2, "R"),
        (4, (3, 3), 2, "C"),
        (3, (2, 2), 2, "H"),
    ],
)
def test_partition_function_by_quadrature(depth: int, shape: tuple[int, int], rank: int, field: str) -> None:
    network = DeepLinearNetwork(depth, shape, rank, field)
    temperature = Rational(4, 5)
    expected = quadrature(network, 0.8)
    found = float(partition_function(network, temperature) / angular_volume(network.coframe))
    # The tail beyond τ = 12 is exp(-180); for entire integrands 120 nodes reach rounding error.
    assert abs(found / expected - 1) < 1e-11


@pytest.mark.parametrize("field", ["R", "C", "H"])
@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_depth_one_is_a_gaussian_integral(d: int, field: str) -> None:
    """With the volume of the angles: ∫ exp(-|X|²/T) dX over all of R^(β d n)."""
    for shape in ((d, d), (d + 2, d)):
        network = DeepLinearNetwork(1, shape, field=field)
        dimension = Integer(BETA[field] * shape[0] * shape[1])
        ratio = partition_function(network, T) / (pi * T) ** (dimension / 2)
        assert abs(ratio.subs(T, 3).evalf(30) - 1) < Rational(1, 10**25)


def test_symbolic_depth_shape_and_rank() -> None:
    m, n, r = symbols("m n r", integer=True, positive=True)
    symbolic = partition_function(DeepLinearNetwork(N, (m, n), r), T)
    for depth, (rows, columns), rank in ((3, (4, 3), 2), (2, (3, 3), 3), (5, (5, 4), 1)):
        network = DeepLinearNetwork(depth, (rows, columns), rank)
        put_in = symbolic.subs({m: rows, n: columns, r: rank}).doit().subs({N: depth, T: 2}).evalf(30)
        direct = partition_function(network, 2).evalf(30)
        assert abs(put_in / direct - 1) < Rational(1, 10**25)


def test_rescaled_metric() -> None:
    """The metric times N has N^(dim/2) times the volume."""
    plain, rescaled = (DeepLinearNetwork(3, (3, 2), rescaled=flag) for flag in (False, True))
    ratio = partition_function(rescaled, T) / partition_function(plain, T)
    assert ratio.simplify() == Integer(3) ** 3


@pytest.mark.parametrize("depth", [2, 5])
def test_mean_energy_and_free_energy(depth: int) -> None:
    network = DeepLinearNetwork(depth, (2, 2))
    assert mean_energy(network, T) == 2 * T
    assert abs(quadrature(network, 0.7, power=1) / quadrature(network, 0.7) - 1.4) < 1e-11
    assert equilibrium_free_energy(network, T).equals(-T * log(partition_function(network, T)))


def test_mean_energy_for_symbolic_rank() -> None:
    m, n, r = symbols("m n r", integer=True, positive=True)
    network = DeepLinearNetwork(N, (m, n), r, field="C")
    assert (mean_energy(network, T) - T * network.coframe.dimension / 2).expand() == 0


def test_laguerre_selberg_by_determinants() -> None:
    """For γ = 1 the integral is r! det Γ(α + i + j), Andréief's identity."""
    for alpha in (Rational(1, 2), Integer(3)):
        for r in (1, 2, 3):
            hankel = Matrix(r, r, lambda i, j, a=alpha: gamma(a + i + j)).det()
            assert (laguerre_selberg(alpha, Integer(1), r) - factorial(r) * hankel).expand() == 0


def test_infinite_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="depth must be finite"):
        partition_function(DeepLinearNetwork(oo, (2, 2)), T)


@pytest.mark.parametrize("temperature", [0, -2, "warm"])
def test_bad_temperature(temperature: Any) -> None:
    with pytest.raises(ValueError, match="temperature must be positive"):
        partition_function(DeepLinearNetwork(2, (2, 2)), temperature)


# ------------------------------------------------------------------------------ which measures are finite


def test_the_completion_energy() -> None:
    """Normalizable for 3 ≤ N < ∞, with entropy for 4 ≤ N < ∞; N = 2 diverges logarithmically."""
    for vertical, first in ((False, 3), (True, 4)):
        for depth in (1, 2, 3, 4, 5, 50, oo):
            expected = true if depth != oo and depth >= first else false
            assert completion_equilibrium_exists(DeepLinearNetwork(depth, (2, 2)), vertical) == expected
        condition = completion_equilibrium_exists(DeepLinearNetwork(N, (2, 2)), vertical)
        assert [condition.subs(N, depth) for depth in (first - 1, first, 99)] == [false, true, true]
    assert completion_exponents(DeepLinearNetwork(2, (2, 2)))["both entries"] == 0


def matrix_density(b: Any, c: Any, depth: int, entropic: bool) -> Any:
    """Π λ_kl^{-1/2} at X = [[1, b], [c, 1]], and λ_12^{1/2} with entropy: the singular values from traces."""
    total, determinant = 2 + b**2 + c**2, np.abs(1 - b * c)
    gap = np.sqrt(np.maximum(total**2 - 4 * determinant**2, 0))
    first = np.sqrt((total + gap) / 2)
    second = determinant / first
    terms = [first ** (2 * (depth - p) / depth) * second ** (2 * (p - 1) / depth) for p in range(1, depth + 1)]
    mixed = sum(terms)
    own = depth**2 * (first * second) ** (2 - 2 / depth)
    return own**-0.5 * (mixed**-0.5 if entropic else mixed**-1.0)


def shell(radius: float, depth: int, entropic: bool, way: str) -> float:
    """The mass along b, c > 0 with max(b, c) in (R, 2R), the smaller in (R/2, R), or bounded: a fine midpoint rule.

    Mass on X_11 = X_22 = 1 stands for that of the diagonals that the energy confines.
    """
    b = radius * (1 + (np.arange(400) + 0.5) / 400)
    low, high = (radius / 2, radius) if way == "both entries" else (1.0, 2.0)
    c = low + (high - low) * (np.arange(400) + 0.5) / 400
    values = matrix_density(b[:, None], c[None, :], depth, entropic)
    return float(values.mean() * radius * (high - low))


@pytest.mark.parametrize("way", ["one entry", "both entries"])
@pytest.mark.parametrize("entropic", [False, True])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_completion_exponents_are_those_of_the_mass_far_out(depth: int, entropic: bool, way: str) -> None:
    exponent = completion_exponents(DeepLinearNetwork(depth, (2, 2)), entropic)[way]
    measured = np.log2(shell(2e9, depth, entropic, way) / shell(1e9, depth, entropic, way))
    # Corrections are powers (σ_2/σ_1)^(2/N) of 1e-9, at N = 4 some 3e-5.
    assert abs(measured - float(exponent)) < 2e-4


@pytest.mark.parametrize(("depth", "shape", "rank"), [(3, (2, 2), 2), (2, (3, 2), 2), (1, (2, 2), 2)])
def test_mass_exponents_by_integration(depth: int, shape: tuple[int, int], rank: int) -> None:
    network = DeepLinearNetwork(depth, shape, rank)
    exponents = mass_exponents(network)

    def mass(*edges: tuple[float, float]) -> float:
        roots = [(low ** (1 / depth), high ** (1 / depth)) for low, high in edges]
        return integral(network, lambda tau: np.ones_like(tau[0]), roots)

    small, tiny = (mass((1, 2), (0.0, e)) for e in (1e-9, 1e-10))
    assert abs(np.log10(small / tiny) - float(exponents.at_zero.subs(CLUSTER, 1))) < 1e-4
    large, huge = (mass((R, 2 * R), (1, 2)) for R in (1e9, 1e10))
    assert abs(np.log10(huge / large) - float(exponents.at_infinity.subs(CLUSTER, 1))) < 1e-4
    one, ten = (mass((R, 2 * R), (3 * R, 4 * R)) for R in (1.0, 10.0))
    for found in (exponents.at_infinity, exponents.at_zero):
        assert abs(np.log10(ten / one) - float(found.subs(CLUSTER, 2))) < 1e-10


def test_entropy_changes_the_exponents_by_the_degree_of_the_fibres_volume() -> None:
    network = DeepLinearNetwork(3, (2, 2))
    plain, noisy = (mass_exponents(network, vertical_noise=flag) for flag in (False, True))
    # √λ_12 is of degree 1 - 1/N, in the larger singular value where the other is small.
    assert [(noisy.at_zero - plain.at_zero).subs(CLUSTER, j) for j in (1, 2)] == [0, Rational(2, 3)]
    assert [(noisy.at_infinity - plain.at_infinity).subs(CLUSTER, j) for j in (1, 2)] == [Rational(2, 3)] * 2


def test_spectral_energies() -> None:
    quadratic = lambda sigma: (sigma - 1) ** 2  # noqa: E731
    for depth in (1, 2, 7, N):
        assert equilibrium_exists(DeepLinearNetwork(depth, (3, 3)), quadratic, T) == true
    # At infinite depth an energy that is finite at singular matrices has no equilibrium over R, with or without S …
    infinite = DeepLinearNetwork(oo, (3, 3))
    assert equilibrium_exists(infinite, quadratic, 1) == false
    assert equilibrium_exists(infinite, quadratic, 1, vertical_noise=True) == false
    # … one that confines log σ has.
    assert equilibrium_exists(infinite, lambda sigma: log(sigma) ** 2, 1) == true
    assert equilibrium_exists(infinite, lambda sigma: sigma + 1 / sigma, 1) == true
    # Over C the phases of the fibres keep away from singular matrices: S has a term log σ for each.
    assert equilibrium_exists(DeepLinearNetwork(oo, (3, 3), field="C"), quadratic, 1, vertical_noise=True) == true


def test_logarithmic_growth_decides_by_temperature() -> None:
    """For q log(1 + σ) on vectors the mass at infinity is ∫ σ^{m/N - 1 - q/T} dσ."""
    network = DeepLinearNetwork(2, (3, 1))
    condition = [equilibrium_exists(network, lambda s: log(1 + s), t) for t in (Rational(1, 2), Rational(2, 3), 1)]
    assert condition == [true, false, false]


def test_bad_input() -> None:
    r = Symbol("r", integer=True, positive=True)
    with pytest.raises(ValueError, match="explicit rank"):
        equilibrium_exists(DeepLinearNetwork(2, (r, r), r), lambda s: s, 1)
    with pytest.raises(ValueError, match="2 x 2"):
        completion_exponents(DeepLinearNetwork(2, (3, 3)))
