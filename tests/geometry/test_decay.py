"""Decay laws and rates against the layers' gradient flow and finite differences of A_N in matrix coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sympy import Rational, Symbol, oo, symbols

from derivations.definition import FloatPoint
from geometry import DeepLinearNetwork, SpectralMetric
from geometry.decay import (
    decay_law,
    leading_mobility,
    linearization,
    spectral_linearization,
    time_scales,
)

N = Symbol("N", positive=True)
h, s, sigma_1, sigma_2 = symbols("h s sigma_1 sigma_2", positive=True)
m, n, r = symbols("m n r", integer=True, positive=True)


def of_depth(depth: Any) -> DeepLinearNetwork:
    return DeepLinearNetwork(depth, (1, 1))


def trained(depth: int, first: float, until: float, slope: float, order: int) -> float:
    """σ after a time under E = h σ^j/j, from N layers of size 1 x 1 with equal entries: dw/dt = -h σ^{j-1} w^{N-1}."""

    def velocity(_: float, w: Any) -> Any:
        return -slope * w ** (depth * (order - 1)) * w ** (depth - 1)

    run = solve_ivp(velocity, (0, until), [first ** (1 / depth)], method="LSODA", rtol=1e-11, atol=1e-14)
    return float(run.y[0, -1] ** depth)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_law_of_the_layers(depth: int, order: int) -> None:
    """The time between two values of σ, whatever the law: that of the layers."""
    first, slope, until = 0.4, 0.7, 0.3
    law = decay_law(of_depth(depth), order, h)
    last = trained(depth, first, until, slope, order)
    times = [float(law.time(sigma_1).subs({h: slope, sigma_1: value})) for value in (first, last)]
    passed = times[0] - times[1] if law.kind == "finite time" else times[1] - times[0]
    assert abs(passed - until) < 1e-8


@pytest.mark.parametrize(("depth", "order"), [(3, 1), (6, 1), (2, 2), (4, 2)])
def test_algebraic_tail_of_the_layers(depth: int, order: int) -> None:
    """σ t^exponent tends to the coefficient, with an error of the order of t_0/t."""
    law, until = decay_law(of_depth(depth), order, Rational(7, 10)), 1e6
    last = trained(depth, 0.4, until, 0.7, order)
    assert law.kind == "algebraic"
    assert abs(last / float(law.at(until)) - 1) < 1e-4


def test_kinds_and_exponents() -> None:
    """The table of depths: finite time, exponential, algebraic; at depth oo t^-1 and t^-1/2."""
    flat = {depth: decay_law(of_depth(depth), 2) for depth in (1, 2, 4, oo)}
    assert flat[1].kind == "exponential"
    assert flat[1].rate == 1
    assert [flat[depth].exponent for depth in (2, 4, oo)] == [1, Rational(2, 3), Rational(1, 2)]
    boundary = {depth: decay_law(of_depth(depth), 1) for depth in (1, 2, 4, oo)}
    assert [law.kind for law in boundary.values()] == ["finite time", "exponential", "algebraic", "algebraic"]
    assert [boundary[depth].exponent for depth in (1, 4, oo)] == [1, 2, 1]
    assert decay_law(DeepLinearNetwork(2, (1, 1), rescaled=True), 1).rate * 2 == boundary[2].rate


@pytest.mark.parametrize("order", [1, 2])
def test_symbolic_depth(order: int) -> None:
    general = decay_law(of_depth(N), order, h)
    for depth in (3, 4, 9):
        special = decay_law(of_depth(depth), order, h)
        assert general.condition.subs(N, depth) == True  # noqa: E712
        assert general.exponent is not None
        assert general.exponent.subs(N, depth) == special.exponent
        assert abs((general.coefficient - special.coefficient).subs({N: depth, h: 2}).evalf()) < 1e-12
    assert general.condition.subs(N, 1) == False  # noqa: E712


def test_lowest_power_of_a_metric() -> None:
    assert leading_mobility(SpectralMetric(shape=(2, 2), multiplier=lambda a, b: 3 + a * b)) == (3, 0)
    assert decay_law(SpectralMetric(shape=(2, 2), multiplier=lambda a, b: a + b), 1).kind == "exponential"


@pytest.mark.parametrize(
    ("depth", "shape"), [(1, (3, 3)), (2, (3, 2)), (3, (2, 4)), (5, (3, 3)), (oo, (3, 3)), (oo, (3, 2))], ids=str
)
def test_rates_are_those_of_the_jacobian(depth: Any, shape: tuple[int, int]) -> None:
    """The spectrum of the Jacobian of X ↦ A_X(X - M) at M, by differences in the entries of X at full rank."""
    rank, step = min(shape), 1e-6
    point = FloatPoint(depth, shape, rank, seed=3)
    M = sum(value * point.outer(k, k) for k, value in enumerate(point.singular_values))

    def velocity(X: Any) -> Any:
        U, values, Vt = np.linalg.svd(X)
        return FloatPoint.at(depth, U, list(values[:rank]), Vt.T).apply(X - M).ravel()

    size = shape[0] * shape[1]
    columns = [
        velocity(M + step * unit.reshape(shape)) - velocity(M - step * unit.reshape(shape)) for unit in np.eye(size)
    ]
    found = np.sort(np.linalg.eigvals(np.array(columns).T / (2 * step)).real)
    network = DeepLinearNetwork(depth, shape)
    numbers = dict(zip(network.singular_values, point.singular_values, strict=True))
    rates = [float(mode.rate.subs(numbers)) for mode in linearization(network) for _ in range(int(mode.multiplicity))]
    # Central differences: step² and 1e-16/step.
    assert np.allclose(found, np.sort(rates), rtol=0, atol=1e-8)
    assert len(rates) == size


@pytest.mark.parametrize("field", ["R", "C", "H"])
def test_modes_fill_the_tangent_space(field: str) -> None:
    network = DeepLinearNetwork(3, (4, 3), 2, field)
    assert sum(mode.multiplicity for mode in linearization(network)) == network.coframe.dimension


def test_symbolic_rank_has_one_mode_of_each_kind() -> None:
    kinds = [mode.kind for mode in linearization(DeepLinearNetwork(N, (m, n), r))]
    assert kinds == ["radial", "pair", "left", "right"]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_spectral_rate_of_the_layers(depth: int) -> None:
    """The last of the approach to a minimum of (σ² - s²)²/8: a ratio of two distances."""
    target = 0.8
    rate = spectral_linearization(of_depth(depth), lambda x: (x**2 - s**2) ** 2 / 8, s).subs(s, target)

    def velocity(_: float, w: Any) -> Any:
        value = w**depth
        return -value * (value**2 - target**2) / 2 * w ** (depth - 1)

    run = solve_ivp(
        velocity, (0, 1), [(target + 1e-6) ** (1 / depth)], method="DOP853", rtol=1e-13, atol=1e-16, t_eval=[0.5, 1]
    )
    first, last = run.y[0] ** depth - target
    # Beyond the linear there is a relative 1e-6, and rounding 1e-16/1e-6.
    assert abs(np.log(first / last) / 0.5 - float(rate)) < 1e-5


def test_two_time_scales() -> None:
    """The ratio grows with the depth, and bounds the eigenvalues of A from the definition."""
    for depth in (2, 5, 20):
        point = FloatPoint(depth, (4, 3), 2, seed=1)
        network = DeepLinearNetwork(depth, (4, 3), 2)
        scales = time_scales(network, sigma_1, sigma_2)
        numbers = {sigma_1: max(point.singular_values), sigma_2: min(point.singular_values)}
        operator = point.operator_matrix()
        block = [operator[i, i] for i, (k, l, _) in enumerate(point.tangent_basis()) if k < 2 and l < 2]
        spaces = [operator[i, i] for i, (k, l, _) in enumerate(point.tangent_basis()) if k >= 2 or l >= 2]
        assert min(block) / max(spaces) > float(scales.ratio.subs(numbers)) * (1 - 1e-10)
    with pytest.raises(ValueError, match="null spaces"):
        time_scales(DeepLinearNetwork(2, (2, 2)), sigma_1, sigma_2)
    with pytest.raises(ValueError, match="frozen"):
        time_scales(DeepLinearNetwork(oo, (3, 2)), sigma_1, sigma_2)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="order"):
        decay_law(of_depth(3), 0)
    with pytest.raises(ValueError, match="slope"):
        decay_law(of_depth(3), 1, -2)
    with pytest.raises(ValueError, match="minimizer"):
        spectral_linearization(of_depth(3), lambda x: x**2, s)
    with pytest.raises(ValueError, match="exponential"):
        decay_law(of_depth(2), 1).at(s)
