"""Power divided differences against their definition with hundreds of digits, at coalescence and over all scales."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Expr, Float, Integer, Rational, Symbol, latex, limit, log, oo, simplify, symbols, sympify

from geometry import (
    DeepLinearNetwork,
    LogarithmicMean,
    PowerDifferenceMean,
    PowerDividedDifference,
    compile_kernel,
    explicit,
)
from geometry.divided_differences import multiplier_divided_difference, rate_differences

a, b, c, d, N = symbols("a b c d N", positive=True)
p, q = symbols("p q", real=True)

DEPTHS = [3, 4, 5, 10, 30, 100, 10**6, oo]
POINTS = symbols("x:4", positive=True)
ULP = 2.0**-52


def definition(p: Any, q: Any, points: Sequence[Any]) -> mpmath.mpf:
    """Σ_i a_i^p / Π_{j≠i} (s_i - s_j), equal points being moved apart by 1e-60 of their size."""
    with mpmath.workdps(350):
        p, q = (mpmath.mpf(Rational(exponent).p) / Rational(exponent).q for exponent in (p, q))
        apart = [mpmath.mpf(point) * (1 + index * mpmath.mpf(10) ** -60) for index, point in enumerate(points)]
        s = [point**q / q if q else mpmath.log(point) for point in apart]
        return mpmath.fsum(
            point**p / mpmath.fprod(s[i] - other for j, other in enumerate(s) if j != i)
            for i, point in enumerate(apart)
        )


def patterns(count: int, generator: np.random.Generator) -> Iterator[list[float]]:
    """Points of all patterns of coalescence: equal, neighbouring doubles, near, of one size, far apart."""
    for base in (1.0, 3.7e-5, 1e100, 1e-140):
        far = base * float(np.exp(generator.uniform(-1, 1)))
        neighbour = float(np.nextafter(base, np.inf))
        yield [base] * count
        yield [far] * (count - 1) + [base]
        yield [far] + [base] * (count - 1)
        yield [neighbour] + [base] * (count - 1)
        yield [far, neighbour] + [base] * (count - 2)
        for width in (1e-8, 1e-4, 0.03, 0.3, 1.0, 2.0, 10.0, 100.0):
            yield (base * np.exp(width * generator.uniform(-1, 1, count))).tolist()
            yield [base, *(base * np.exp(width * generator.uniform(-1, 1, count - 1)))]
            end = base * float(np.exp(width * generator.uniform(-1, 1)))
            yield [end] * (count - 1) + [base]
            yield [end] + [base] * (count - 1)


def largest_error(kernel: Callable[..., Any], p: Any, q: Any, count: int) -> float:
    """In units of the last place, over the patterns at which the value is representable."""
    errors = []
    for points in patterns(count, np.random.default_rng(count)):
        expected = definition(p, q, points)
        if 1e-290 < abs(expected) < 1e290:
            errors.append(abs(float(mpmath.mpf(float(kernel(*points))) / expected - 1)) / ULP)
    assert len(errors) > 60
    return max(errors)


# ------------------------------------------------------------------------------------------- kernels


@pytest.mark.parametrize(("count", "bound"), [(3, 8), (4, 12)])
@pytest.mark.parametrize("depth", DEPTHS)
def test_kernels_are_accurate_wherever_points_coalesce(depth: Any, count: int, bound: float) -> None:
    exponent = 2 / sympify(depth)
    kernel = compile_kernel(PowerDividedDifference(2, exponent, *POINTS[:count]), POINTS[:count])
    assert largest_error(kernel, 2, exponent, count) <= bound


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize(
    "exponents", [(2, Rational(1, 5)), (2, Rational(1, 50)), (2, 0), (Rational(-1, 5), 2), (2, Rational(-1, 3))]
)
@pytest.mark.parametrize("backend", ["jax", "numba"])
def test_compiled_backends_agree_with_numpy(backend: str, exponents: tuple[Any, Any], count: int) -> None:
    pytest.importorskip(backend)
    expression = PowerDividedDifference(*map(sympify, exponents), *POINTS[:count])
    columns = np.array(list(patterns(count, np.random.default_rng(count)))).T
    expected = compile_kernel(expression, POINTS[:count])(*columns)
    found = compile_kernel(expression, POINTS[:count], backend)(*columns)
    representable = (np.abs(expected) > 1e-290) & (np.abs(expected) < 1e290)
    assert np.sum(representable) > 60
    assert np.allclose(found[representable], expected[representable], rtol=2e-13, atol=0)


@pytest.mark.parametrize(
    ("exponents", "bound"),
    [((2, Rational(3, 7)), 8), ((2, Rational(3, 2)), 40), ((Rational(9, 5), 2), 120), ((Rational(-1, 5), 2), 600)],
)
def test_kernels_with_other_exponents(exponents: tuple[Any, Any], bound: float) -> None:
    """Where p < 2 q the recursion cancels more, by 1/|p/q - 1|; for p < 0 the exponentials carry the logarithms."""
    points = (a, b, c)
    kernel = compile_kernel(PowerDividedDifference(*map(sympify, exponents), *points), points)
    assert largest_error(kernel, *exponents, 3) <= bound


@pytest.mark.parametrize("depth", [3, 4, 10, 100, oo])
def test_kernels_at_a_point_zero(depth: Any) -> None:
    """At finite depth x^(N-2) for two zeros, h_{N-2}(x, y) for one; at infinite depth all vanish."""
    network = DeepLinearNetwork(depth, (3, 3))
    kernel = compile_kernel(multiplier_divided_difference(network, a, b, c), (a, b, c))
    if depth == oo:
        assert kernel(2.0, 1.0, 0.0) == kernel(2.0, 0.0, 0.0) == 0
        return
    x, y = 2 ** (2 / depth), 3 ** (2 / depth)
    assert kernel(2.0, 0.0, 0.0) == pytest.approx(x ** (depth - 2), rel=1e-14)
    assert kernel(0.0, 2.0, 3.0) == pytest.approx(sum(x**k * y ** (depth - 2 - k) for k in range(depth - 1)), rel=1e-14)
    assert kernel(0.0, 0.0, 0.0) == 0


@pytest.mark.parametrize("depth", [3, 10, 100, oo])
def test_mpmath_kernels_have_the_working_precision(depth: Any) -> None:
    exponent = Rational(2) / depth if depth != oo else Integer(0)
    kernel = compile_kernel(PowerDividedDifference(Integer(2), exponent, a, b, c), (a, b, c), "mpmath")
    for points in patterns(3, np.random.default_rng(0)):
        expected = definition(2, exponent, points)
        with mpmath.workdps(40):
            assert abs(kernel(*points) / expected - 1) < mpmath.mpf(10) ** -38


def test_exponents_may_be_arrays() -> None:
    """The depth as an argument of a kernel that broadcasts."""
    kernel = compile_kernel(PowerDividedDifference(Integer(2), 2 / N, a, b, c), (N, a, b, c))
    depths = np.array([3.0, 10.0, 57.0])
    found = kernel(depths[:, None], np.array([2.0, 1.0]), 1.0, 1.0)
    for row, depth in zip(found, (3, 10, 57), strict=True):
        expected = [definition(2, Rational(2, depth), (first, 1, 1)) for first in (2, 1)]
        assert np.allclose(row, np.array(expected, dtype=float), rtol=1e-14)


def test_traced_exponents_are_refused() -> None:
    pytest.importorskip("jax")
    kernel = compile_kernel(PowerDividedDifference(Integer(2), 2 / N, a, b, c), (N, a, b, c), "jax")
    with pytest.raises(TypeError, match="substitute the depth"):
        kernel(3.0, 1.0, 2.0, 3.0)


def test_jax_differentiates_at_coalescence() -> None:
    jax = pytest.importorskip("jax")
    expression = PowerDividedDifference(Integer(2), Rational(1, 5), a, b, c)
    with jax.enable_x64(True):
        slope = jax.grad(compile_kernel(expression, (a, b, c), "jax").function)
        found = float(slope(1.0, 1.0, 1.0)), float(jax.grad(slope)(1.0, 1.0, 2.0))
    # [s, s, s, s] a² is a third derivative over 3!: Π (2 - j/5) / 6 at a = 1.
    assert found[0] == pytest.approx(2 * 1.8 * 1.6 / 6, rel=1e-14)
    assert found[1] == pytest.approx(float(mpmath.diff(lambda x: definition_at(x), 1, 2)), rel=1e-8)


def definition_at(x: Any) -> mpmath.mpf:
    """[s(x), s(1), s(2)] a² for q = 1/5, through the definition, whose second derivative is regular at 1."""
    return definition(2, Rational(1, 5), (x, 1, 2))


@pytest.mark.parametrize("mutant", [(2, Rational(1, 4)), (Rational(19, 10), Rational(1, 5))])
def test_a_wrong_exponent_would_be_seen(mutant: tuple[Any, Any]) -> None:
    kernel = compile_kernel(PowerDividedDifference(*map(sympify, mutant), a, b, c), (a, b, c))
    assert largest_error(kernel, 2, Rational(1, 5), 3) > 1e10


# --------------------------------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    "exponents", [(2, Rational(2, 3)), (2, 0), (Rational(1, 3), -2), (Rational(1, 2), Rational(7, 3))]
)
@pytest.mark.parametrize("points", [(2, 2, 5), (3, 3, 3, 7), (1, 1 + Rational(1, 10**20), 2), (1, 2, 3, 4, 5)])
def test_evaluation_to_fifty_digits(exponents: tuple[Any, Any], points: tuple[Any, ...]) -> None:
    value = PowerDividedDifference(*map(sympify, exponents), *map(sympify, points)).evalf(50)
    with mpmath.workdps(350):
        numbers = [mpmath.mpf(Rational(point).p) / Rational(point).q for point in points]
        expected = definition(*exponents, numbers)
        assert abs(mpmath.mpf(str(value)) - expected) < mpmath.mpf(10) ** -48 * abs(expected) or value == 0


def test_exact_values() -> None:
    assert PowerDividedDifference(2, Rational(2, 3), 8, 1, 27, 27) == Rational(8, 27)
    assert PowerDividedDifference(2, Rational(1, 2), 1, 16, 16) == (1 + 1 * 8 + 16 + 16 + 16) * Rational(1, 4)
    assert PowerDividedDifference(2, -1, 2, 3, 3).is_Rational
    assert PowerDividedDifference(2, 1, a, b, c) == 1
    assert PowerDividedDifference(2, 2, a, b, c) == PowerDividedDifference(2, 1, a, b, c, d) == 0
    assert PowerDividedDifference(p, q, a) == a**p
    assert PowerDividedDifference(2, 0, a, a, a) == 2 * a**2
    assert isinstance(PowerDividedDifference(Float("2.0"), 0, 1, 2, 3), Float)


def test_two_points_are_the_means() -> None:
    assert PowerDividedDifference(2, 2 / N, a, b) == 2 * PowerDifferenceMean(a, b, 2, 2 / N)
    assert PowerDividedDifference(2, 0, a, b) == 2 * LogarithmicMean(a**2, b**2)
    assert simplify(explicit(PowerDividedDifference(2, 0, a, b)) - (a**2 - b**2) / (log(a) - log(b))) == 0


@settings(max_examples=30, deadline=None)
@given(st.permutations(list(range(4))), st.fractions(Rational(1, 9), 9, max_denominator=9))
def test_symmetry_and_homogeneity(order: list[int], scale: Any) -> None:
    points = [Rational(1, 2), Rational(3), Rational(3), Rational(7, 5)]
    value = PowerDividedDifference(2, Rational(2, 7), *points)
    assert PowerDividedDifference(2, Rational(2, 7), *(points[i] for i in order)) == value
    moved = PowerDividedDifference(2, Rational(2, 7), *(Rational(scale) * point for point in points))
    assert abs(moved.evalf(40) / (Rational(scale) ** (2 - 3 * Rational(2, 7)) * value).evalf(40) - 1) < 1e-38


@pytest.mark.parametrize("expression", [PowerDifferenceMean(a, b, 2, 2 / N), PowerDifferenceMean(a, b, p, q)])
@pytest.mark.parametrize("variable", [a, b])
def test_derivatives_of_means(expression: Expr, variable: Symbol) -> None:
    """Against the derivative of the quotient, at random numbers."""
    values = {a: Rational(7, 3), b: Rational(2, 5), N: Integer(5), p: Rational(3, 2), q: Rational(-1, 3)}
    found, expected = expression.diff(variable), explicit(expression).diff(variable)
    assert found.has(PowerDividedDifference)
    assert abs(found.subs(values).evalf(40) - expected.subs(values).evalf(40)) < 1e-37
    assert expected.subs(values).evalf(5) != 0


def test_derivatives_stay_in_the_class() -> None:
    value = PowerDividedDifference(2, 2 / N, a, a, b)
    assert value.diff(b) == b ** (2 / N - 1) * PowerDividedDifference(2, 2 / N, a, a, b, b)
    # a occurs twice.
    assert value.diff(a) == 2 * a ** (2 / N - 1) * PowerDividedDifference(2, 2 / N, a, a, a, b)
    assert LogarithmicMean(a**2, b**2).diff(a) == PowerDividedDifference(2, 0, a, a, b) / (2 * a)


@pytest.mark.parametrize("exponent", [p, q])
def test_derivatives_along_exponents(exponent: Symbol) -> None:
    values = {p: Rational(3, 2), q: Rational(1, 3)}
    points = (Integer(2), Integer(5), Rational(1, 3))
    found = (
        PowerDividedDifference(p, q, a, b, c)
        .diff(exponent)
        .subs(values)
        .subs(dict(zip((a, b, c), points, strict=True)))
    )
    step = Rational(1, 10**15)
    ends = [
        PowerDividedDifference(p, q, *points).subs({**values, exponent: values[exponent] + sign * step}).evalf(60)
        for sign in (1, -1)
    ]
    assert abs(found.evalf(40) - (ends[0] - ends[1]) / (2 * step)) < 1e-25


def test_limits_at_coalescence() -> None:
    value = PowerDividedDifference(2, 0, a, b, c)
    assert simplify(limit(value, b, a) - explicit(PowerDividedDifference(2, 0, a, a, c))) == 0
    deep = PowerDividedDifference(2, 2 / N, 1, 2, 3).subs(N, 10**9).evalf(20)
    assert abs(deep - PowerDividedDifference(2, 0, 1, 2, 3).evalf(20)) < 1e-7


def test_signs() -> None:
    """Of one sign everywhere: that of Π (p - j q)."""
    assert PowerDividedDifference(2, Rational(1, 2), a, b, c).is_positive
    assert PowerDividedDifference(1, Rational(3, 2), a, b, c).is_negative
    assert PowerDividedDifference(1, Rational(3, 2), Integer(2), 3, 7).evalf() < 0


def test_latex() -> None:
    assert latex(PowerDividedDifference(2, 2 / N, a, b, c) ** 2) == r"\Delta_{2,\,\frac{2}{N}}^{2}\left(a, b, c\right)"


# -------------------------------------------------------------------------------- of the multiplier


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 7, oo, N])
@pytest.mark.parametrize("rescaled", [False, True])
def test_multiplier_divided_difference(depth: Any, rescaled: bool) -> None:
    """λ(a, b) (λ(a, c) - λ(b, c))/(a² - b²), with the multiplier summed from the definition."""
    network = DeepLinearNetwork(depth, (3, 3), rescaled=rescaled)
    values = {a: Rational(7, 3), b: Rational(2, 5), c: Integer(4), N: Integer(6)}
    for first, second, third in permutations((a, b, c)):
        quotient = network.pair_multiplier(first, third) - network.pair_multiplier(second, third)
        expected = network.pair_multiplier(first, second) * quotient / (first**2 - second**2)
        found = multiplier_divided_difference(network, a, b, c)
        assert abs((found - expected).subs(values).evalf(40)) < 1e-36


@pytest.mark.parametrize("depth", [1, 2, 3, 10, oo, N])
def test_rate_differences(depth: Any) -> None:
    network = DeepLinearNetwork(depth, (3, 2))
    values = {a: Rational(7, 3), b: Rational(2, 5), N: Integer(6)}
    first, second = (network.pair_null_multiplier(point) / point for point in (a, b))
    expected = (a * first - b * second) / (a**2 - b**2), (b * first - a * second) / (a**2 - b**2)
    for found, quotient in zip(rate_differences(network, a, b), expected, strict=True):
        assert abs((found - quotient).subs(values).evalf(40)) < 1e-36


def test_refusals() -> None:
    with pytest.raises(ValueError, match="at least one point"):
        PowerDividedDifference(2, 1)


@pytest.mark.parametrize("depth", [3, 10, oo])
def test_gradient_kernels_at_coalescence(depth: Any) -> None:
    """Of the multiplier, once and twice, and of the entropy, against 60 digits at the same numbers."""
    network = DeepLinearNetwork(depth, (2, 2))
    first, second = network.singular_values
    multiplier = network.multiplier(0, 1)
    gradients = [multiplier.diff(first), multiplier.diff(first, second), network.entropy().diff(second)]
    kernels = [compile_kernel(gradients, (first, second), backend) for backend in ("numpy", "mpmath")]
    for points in ((1.0, 1.0), (1.0, float(np.nextafter(1.0, 0.0))), (1.0 + 1e-8, 1.0), (1.1, 1.0), (2.0, 1e-3)):
        with mpmath.workdps(60):
            precise = np.array([float(value) for value in kernels[1](*map(mpmath.mpf, points))])
        assert np.allclose(kernels[0](*points), precise, rtol=8 * ULP, atol=0)
        assert np.all(precise != 0)
