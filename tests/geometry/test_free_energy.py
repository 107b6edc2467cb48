"""The free energy: derivatives against finite differences, equilibria against numerical minimization."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sympy import Rational, Symbol, oo, symbols

from geometry import DeepLinearNetwork, compile_kernel
from geometry.free_energy import (
    entropy_degree,
    equilibria,
    equilibrium_equations,
    free_energy,
    free_energy_gradient,
    free_energy_hessian,
    riemannian_gradient,
    symmetric_equilibria,
    symmetric_hessian_eigenvalues,
)

T = Symbol("T", positive=True)
NETWORKS = [
    DeepLinearNetwork(3, (2, 2)), DeepLinearNetwork(4, (3, 3), 3), DeepLinearNetwork(oo, (2, 2)),
    DeepLinearNetwork(2, (3, 2), field="C"), DeepLinearNetwork(5, (2, 2), field="H"),
]  # fmt: skip


def half_squares(network):
    return network.coframe.sum_over(1, lambda s: s**2 / 2)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_derivatives(network) -> None:
    energy, sigma = half_squares(network), list(network.singular_values)
    point = np.array([1.7, 1.1, 0.6])[: len(sigma)]
    value = compile_kernel(free_energy(network, energy, Rational(3, 2), len(sigma) + 1), sigma)
    slope = compile_kernel(list(free_energy_gradient(network, energy, Rational(3, 2), len(sigma) + 1)), sigma)
    hessian = free_energy_hessian(network, energy, Rational(3, 2), len(sigma) + 1)
    bend = compile_kernel(list(hessian), sigma)
    step = 1e-5
    moved = step * np.eye(len(sigma))
    slopes = [(value(*(point + e)) - value(*(point - e))) / (2 * step) for e in moved]
    bends = [(np.array(slope(*(point + e))) - np.array(slope(*(point - e)))) / (2 * step) for e in moved]
    # Central differences: rounding 1e-16 · 10/step beside step² of the third derivatives.
    assert np.allclose(slope(*point), slopes, atol=2e-9)
    assert np.allclose(np.reshape(bend(*point), (len(sigma),) * 2), bends, atol=2e-8)
    flow = compile_kernel(list(riemannian_gradient(network, energy, Rational(3, 2), len(sigma) + 1)), sigma)
    own = [float(network.multiplier(k, k).subs(dict(zip(sigma, point, strict=True)))) for k in range(len(sigma))]
    assert np.allclose(flow(*point), np.array(own) * slopes, atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_symmetric_equilibria_are_minima(network) -> None:
    """Minimized in log σ from a start off the diagonal; the Hessian by finite differences."""
    sigma, r = list(network.singular_values), len(network.singular_values)
    value = compile_kernel(free_energy(network, half_squares(network), Rational(3, 2)), sigma)
    best = minimize(lambda logs: float(value(*np.exp(logs))), np.linspace(0.4, -0.3, r), method="BFGS", tol=1e-10)
    (common,) = symmetric_equilibria(network, lambda s: s**2 / 2, Rational(3, 2))
    # A minimum is found to the root of the rounding error.
    assert np.allclose(np.exp(best.x), float(common), rtol=1e-5)
    along, across = symmetric_hessian_eigenvalues(network, lambda s: s**2 / 2, Rational(3, 2), common)
    assert along > 0
    assert across > 0
    step, middle = 1e-3, np.full(r, float(common))
    for direction, expected in ((np.ones(r), along), (np.array([1.0, -1.0] + [0.0] * (r - 2)), across)):
        unit = step * direction / np.linalg.norm(direction)
        second = value(*(middle + unit)) - 2 * value(*middle) + value(*(middle - unit))
        assert second / step**2 == pytest.approx(float(expected), rel=1e-4)


def test_virial() -> None:
    N = Symbol("N", positive=True)
    for field in "RCH":
        network = DeepLinearNetwork(N, (3, 3), field=field)
        beta = network.coframe.dyson_index
        slopes = free_energy_gradient(network, 0, 1, 4).subs({N: 3})
        values = dict(zip(network.singular_values, (2.0, 1.2, 0.7), strict=True))
        total = -sum(float((s * slope).subs(values)) for s, slope in zip(network.singular_values, slopes, strict=True))
        assert total == pytest.approx(float(entropy_degree(network, 4).subs(N, 3)), rel=1e-12)
        assert total == pytest.approx((2 - 2 / 3) * (beta * 6 / 4 + (beta - 1) * 3 / 2 + beta * 3 / 2), rel=1e-12)


def test_quadratic_target_at_depth_two() -> None:
    m1, m2 = symbols("m_1 m_2", positive=True)
    network = DeepLinearNetwork(2, (2, 2))
    a, b = network.singular_values
    energy = ((a - m1) ** 2 + (b - m2) ** 2) / 2
    (found,) = equilibria(network, energy, T)
    numbers = {m1: 2, m2: Rational(1, 2), T: Rational(3, 4)}
    value = compile_kernel(free_energy(network, energy, T).subs(numbers), [a, b])
    best = minimize(lambda x: float(value(*x)), [1.0, 1.0], method="BFGS", tol=1e-10).x
    assert np.allclose([float(found[s].subs(numbers)) for s in (a, b)], best, rtol=1e-5)
    for equation in equilibrium_equations(network, energy, T):
        assert abs((equation.lhs - equation.rhs).subs(found).subs(numbers).evalf(30)) < 1e-25


def test_equilibria_of_other_depths() -> None:
    N = Symbol("N", positive=True)
    network = DeepLinearNetwork(N, (2, 2))
    a, b = network.singular_values
    (found,) = equilibria(network, (a**2 + b**2) / 2, T)
    assert float((found[a] ** 2).subs({N: 3, T: 5})) == pytest.approx(5 / 3)
    single = DeepLinearNetwork(N, (1, 1), field="H")
    (s,) = single.singular_values
    (alone,) = equilibria(single, (s - 1) ** 2 / 2, T)
    # s (s - 1) = T (β-1)(1 - 1/N) = 6
    assert float(alone[s].subs({N: 3, T: 3})) == pytest.approx(3)
    assert equilibria(DeepLinearNetwork(1, (2, 2)), (a**2 + b**2) / 2, T) == []


def test_bad_input() -> None:
    r = Symbol("r", integer=True, positive=True)
    network = DeepLinearNetwork(3, (3, 3))
    with pytest.raises(ValueError, match="rank 1 and 2"):
        equilibria(network, half_squares(network), T)
    with pytest.raises(ValueError, match="rank"):
        free_energy_gradient(DeepLinearNetwork(3, (r, r)), 0, T)
    with pytest.raises(ValueError, match="temperature"):
        free_energy(network, half_squares(network), -1)
    with pytest.raises(ValueError, match="sigma_4"):
        free_energy(network, Symbol("sigma_4", positive=True), T)
    pair = DeepLinearNetwork(3, (2, 2))
    a, b = pair.singular_values
    with pytest.raises(ValueError, match="closed form"):
        equilibria(pair, (a - 1) ** 2 + b**2, T)
