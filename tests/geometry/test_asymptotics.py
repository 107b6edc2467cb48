"""Series in 1/N: their remainders at large depth, against sums of N terms, and coefficients near coalescence."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import mpmath
import pytest
from sympy import (
    Expr,
    Float,
    Integer,
    Rational,
    S,
    Symbol,
    bernoulli,
    cos,
    exp,
    factorial,
    latex,
    log,
    oo,
    sqrt,
    symbols,
)

from geometry import DeepLinearNetwork
from geometry.asymptotics import (
    DepthSeries,
    curvature_series,
    depth_series,
    entropy_series,
    log_volume_series,
    multiplier_series,
    volume_series,
)
from geometry.entropy import entropy_constant, entropy_growth
from geometry.power_series import PowerSeries, expanded
from tests.definition import precise_multiplier

N = Symbol("N", positive=True)
a, b = symbols("a b", positive=True)
m, n, r = symbols("m n r", integer=True, positive=True)
POINT = {Symbol(f"sigma_{k}", positive=True): Rational(7, k + 1) for k in (1, 2, 3)}
SQUARE = DeepLinearNetwork(N, (2, 2))


def at(expression: Expr, depth: int, sizes: dict[Symbol, int] | None = None) -> Expr:
    """The value at a depth, to 90 digits."""
    numbers = {symbol: Float(value, 110) for symbol, value in POINT.items()}
    return expression.subs(sizes or {}).doit().subs(N, depth).subs(numbers).evalf(90)


def slopes(series: DepthSeries, full: Expr, terms: int, sizes: dict[Symbol, int] | None = None) -> list[float]:
    """How the remainder after some terms falls with N, from 10^4 to 10^5 to 10^6."""
    rest = [abs(at(full, depth, sizes) - at(series.truncated(terms), depth, sizes)) for depth in (10**4, 10**5, 10**6)]
    return [float(log(there / here, 10).evalf(20)) for here, there in pairwise(rest)]


def require_remainders(series: DepthSeries, full: Expr, sizes: dict[Symbol, int] | None = None) -> None:
    """The remainder after k terms is the next term that does not vanish, up to one more order."""
    values = [at(c, 1, sizes) for c in series.coefficients]
    for terms in range(1, len(values)):
        following = next((k for k in range(terms, len(values)) if values[k] != 0), None)
        if following is None:
            continue
        depth = 10**6
        rest = at(full, depth, sizes) - at(series.truncated(terms), depth, sizes)
        term = values[following] * Float(depth, 90) ** -(series.leading_power + following)
        # What is left out is smaller by N, times logarithms and a few units.
        assert abs(rest / term - 1) < 1e-4, (terms, following)
        for slope in slopes(series, full, terms, sizes):
            assert abs(slope + series.leading_power + following) < 1e-2


@pytest.mark.parametrize("field", ["R", "C"])
@pytest.mark.parametrize(("shape", "rank"), [((2, 2), 2), ((3, 2), 2), ((4, 3), 3)])
def test_remainders_of_the_volume(shape: tuple[int, int], rank: int, field: str) -> None:
    network = DeepLinearNetwork(N, shape, rank, field)
    power = Integer(network.coframe.dyson_index) * rank**2 / 2
    require_remainders(volume_series(network, 4), N**power * network.volume_density())
    require_remainders(log_volume_series(network, 6), network.log_volume_density() + power * log(N))


@pytest.mark.parametrize(("k", "l"), [(0, 0), (0, 1)])
def test_remainders_of_the_multiplier(k: int, l: int) -> None:
    require_remainders(multiplier_series(SQUARE, k, l, 7), SQUARE.multiplier(k, l) / N)


@pytest.mark.parametrize(("field", "width"), [("R", None), ("C", None), ("R", 4)])
def test_remainders_of_the_entropy(field: str, width: int | None) -> None:
    network = DeepLinearNetwork(N, (3, 3), field=field)
    regular = (
        network.entropy(width) - (N - 1) * entropy_constant(network, width) - entropy_growth(network, width) * log(N)
    )
    series = entropy_series(network, 4, width)
    require_remainders(series, regular)
    assert abs((series.leading - network.infinite_depth().entropy(width)).subs(POINT).evalf(40)) < 1e-35


@pytest.mark.parametrize("side", [2, 3])
def test_remainders_of_the_curvature(side: int) -> None:
    network = DeepLinearNetwork(N, (side, side))
    series = curvature_series(network, 3 if side == 2 else 1)
    require_remainders(series, network.metric.scalar_curvature() / N)
    limit = network.infinite_depth().metric.scalar_curvature()
    assert abs((series.leading / limit).subs(POINT).evalf(40) - 1) < 1e-35


def test_remainders_with_a_symbolic_rank() -> None:
    network = DeepLinearNetwork(N, (m, n), r)
    full = network.log_volume_density() + r**2 * log(N) / 2
    require_remainders(log_volume_series(network, 4), full, {m: 4, n: 3, r: 3})
    square = DeepLinearNetwork(N, (r, r), r)
    require_remainders(curvature_series(square, 1), square.metric.scalar_curvature() / N, {r: 3})


@pytest.mark.parametrize("depth", [40, 200])
def test_many_terms_against_the_sum_of_n_terms(depth: int) -> None:
    series = multiplier_series(SQUARE, 0, 1, 12)
    with mpmath.workdps(60):
        numbers = [mpmath.mpf(7) / 2, mpmath.mpf(7) / 3]
        expected = precise_multiplier(*numbers, depth) / depth
        found = mpmath.mpf(str(at(series.truncated(), depth)))
        # |log(ab)/N| = 2.1/N to the 13th power over 13!, and the Bernoulli series far below it.
        bound = (mpmath.mpf(2.2) / depth) ** 13 / mpmath.factorial(13) * 10
        assert 0 < abs(found - expected) < bound


def test_bernoulli_numbers() -> None:
    """With log(ab) = 0 the multiplier is L (u/N)/sinh(u/N): 2 (1 - 2^{2k-1}) B_2k u^{2k}/(2k)!."""
    series = depth_series(SQUARE.pair_multiplier(a, 1 / a) / N, N, 8)
    u = 2 * log(a)
    for k in range(5):
        expected = 2 * (1 - Integer(2) ** (2 * k - 1)) * bernoulli(2 * k) * u ** (2 * k) / factorial(2 * k)
        assert abs((series.coefficients[2 * k] / series.leading - expected).subs(a, 3).evalf(40)) < 1e-35
    assert all(series.coefficients[k] == 0 for k in (1, 3, 5, 7))


def test_coefficients_are_regular_at_coalescence() -> None:
    series = multiplier_series(SQUARE, 0, 1, 5)
    diagonal = multiplier_series(SQUARE, 0, 0, 5)
    first, second = SQUARE.singular_values
    gap = Float(10, 50) ** -20
    for near, there in zip(series.coefficients, diagonal.coefficients, strict=True):
        value = near.subs({first: Float(2, 60) * (1 + gap), second: Float(2, 60)}).evalf(50)
        # The coefficients are smooth: off by the gap times a few units.
        assert abs(value - there.subs(first, 2)) < 1e-18
    volume = log_volume_series(SQUARE, 4).coefficients[1:]
    assert all(abs(c.subs({first: 2, second: 2})) < 100 for c in volume)


def test_any_depth_gives_the_series_of_its_shape() -> None:
    for depth in (2, oo, N):
        assert (
            multiplier_series(DeepLinearNetwork(depth, (2, 2)), 0, 1, 2).coefficients
            == multiplier_series(SQUARE, 0, 1, 2).coefficients
        )


# -------------------------------------------------------------------------------- expressions in general


@pytest.mark.parametrize(
    ("expression", "power"),
    [
        (a ** (2 / N) - b ** (2 / N), 1),
        ((a ** (2 / N) - 1) / (b ** (1 / N) - 1), 0),
        (sqrt(1 + a ** (1 / N)), 0),
        (N**2 * (a ** (1 / N) + a ** (-1 / N) - 2), 0),
        (exp(1 / N) * log(1 + 1 / N), 1),
        (abs(b ** (1 / N) - a ** (1 / N)) / (1 + N), 2),
        ((N + 1) ** 2 / (3 * N + a), -1),
    ],
)
def test_series_of_expressions(expression: Expr, power: int) -> None:
    series = depth_series(expression, N, 3)
    assert series.leading_power == power
    numbers = {a: Float(Rational(5, 2), 80), b: Float(Rational(1, 3), 80)}
    for terms in (1, 2, 3, 4):
        rest = [
            abs((expression - series.truncated(terms)).subs(numbers).subs(N, depth).evalf(60))
            for depth in (10**5, 10**6)
        ]
        assert rest[0] == rest[1] == 0 or float(log(rest[0] / rest[1], 10)) > power + terms - 0.01


@pytest.mark.parametrize(
    ("expression", "power", "coefficients"),
    [
        (exp(1 / N) - 1 - 1 / N + 5 / N**2, 2, [Rational(11, 2)]),
        (exp(1 / N) - 1 - 1 / N + 5 / N**3, 2, [Rational(1, 2)]),
        (a ** (1 / N) - 1 - log(a) / N - log(a) ** 2 / (2 * N**2) + N**-3, 3, [1 + log(a) ** 3 / 6, log(a) ** 4 / 24]),
        (
            exp(1 / N) - 1 - 1 / N - 1 / (2 * N**2) - 1 / (6 * N**3) + 7 / N**4,
            4,
            [Rational(169, 24), Rational(1, 120), Rational(1, 720)],
        ),
    ],
)
def test_what_cancels_is_not_taken_for_zero(expression: Expr, power: int, coefficients: list[Expr]) -> None:
    series = depth_series(expression, N, len(coefficients) - 1)
    assert series.leading_power == power
    assert [(found - true).expand() for found, true in zip(series.coefficients, coefficients, strict=True)] == [
        0
    ] * len(coefficients)


def test_a_power_with_depth_in_base_and_exponent() -> None:
    relative = [c / exp(1) for c in depth_series((1 + 1 / N) ** N, N, 3).coefficients]
    assert relative == [1, Rational(-1, 2), Rational(11, 24), Rational(-7, 16)]


def test_what_has_no_series_is_refused() -> None:
    with pytest.raises(ValueError, match="order must be"):
        depth_series(1 / N, N, -1)
    with pytest.raises(ValueError, match="cos"):
        depth_series(cos(1 / N), N, 1)
    with pytest.raises(ValueError, match="grows with the depth"):
        depth_series(a**N, N, 1)
    with pytest.raises(ValueError, match="no leading power"):
        depth_series((1 + a ** (1 / N)) ** 2 - 1 - 2 * a ** (1 / N) - a ** (2 / N), N, 1)
    with pytest.raises(ValueError, match="choose m = n = r"):
        curvature_series(DeepLinearNetwork(N, (3, 2)), 1)


def test_a_series_says_what_it_is() -> None:
    series = depth_series(a ** (1 / N), N, 2)
    assert (series.leading, series.coefficient(1), series.coefficient(-3)) == (1, log(a), 0)
    assert series.truncated(2) == 1 + log(a) / N
    assert series._repr_latex_().endswith(rf"O\left({latex(N**-3)}\right)$")
    with pytest.raises(ValueError, match="for 3 terms"):
        series.coefficient(3)


@pytest.mark.parametrize(
    ("operation", "whole"),
    [
        (lambda x: x.power(Rational(-3, 2)), lambda x: x ** Rational(-3, 2)),
        (lambda x: x * x, lambda x: x**2),
        (lambda x: x + x * x, lambda x: x + x**2),
        (lambda x: x.logarithm(N), log),
        (lambda x: (x + PowerSeries.constant(S.NegativeOne, 8)).exponential(), lambda x: exp(x - 1)),
    ],
    ids=["power", "product", "sum", "logarithm", "exponential"],
)
def test_arithmetic(operation: Callable[[PowerSeries], PowerSeries], whole: Callable[[Expr], Expr]) -> None:
    inner = 1 + 2 / N + 5 / N**2
    found = operation(expanded(inner, N, 8))
    h = 1 / Float(10**6, 120)
    total = sum(c * h ** (found.valuation + k) for k, c in enumerate(found.coefficients))
    # Seven terms at least, at N = 10^6.
    assert abs(total - whole(inner.subs(N, 1 / h)).evalf(100)) < 1e-40
