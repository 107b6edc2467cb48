"""Means against the integrals that define them, quadrature being an independent route."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import Add, Expr, Float, Integer, Mul, Rational, Symbol, latex, limit, log, oo, sinh, sqrt, symbols

from geometry import LogarithmicMean, PowerDifference, PowerDifferenceMean, explicit, recognize_means

a, b, x, y, N = symbols("a b x y N", positive=True)
p, q = symbols("p q", real=True)

PAIRS = [("0.3", "2.7"), ("5", "4.999999999"), ("1e-40", "3"), ("1e150", "1e-150"), ("7", "7.5")]
NEAR = (Rational(1), 1 + Rational(1, 10**30))
RATIONALS = st.fractions(min_value="1/50", max_value=50, max_denominator=50)


def _panels(low: Any, high: Any, exponent: Any) -> list[mpmath.mpf]:
    """So many that the integrand exp(exponent t) changes by e^16 at most on one, where 100 nodes give 50 digits."""
    return mpmath.linspace(low, high, 2 + int(abs(exponent * (high - low)) / 16))


def log_mean_integral(a: Any, b: Any) -> mpmath.mpf:
    """∫₀¹ a^(1-s) b^s ds."""
    a, b = mpmath.mpf(a), mpmath.mpf(b)
    slope = mpmath.log(b) - mpmath.log(a)
    # mpmath's tolerance is an absolute one, so the largest value is taken out.
    scale = max(a, b)
    return scale * mpmath.quad(lambda s: a ** (1 - s) * b**s / scale, _panels(0, 1, slope), method="gauss-legendre")


def power_integral(a: Any, b: Any, q: Any) -> mpmath.mpf:
    """∫ s^(q-1) ds from b to a, in the variable log s."""
    low, high, q = mpmath.log(b), mpmath.log(a), mpmath.mpf(q)
    scale = mpmath.exp(max(q * low, q * high))
    return scale * mpmath.quad(lambda t: mpmath.exp(q * t) / scale, _panels(low, high, q), method="gauss-legendre")


def number(value: Expr, digits: int) -> mpmath.mpf:
    return mpmath.mpf(str(value.evalf(digits)))


def near(value: Any, expected: Any, digits: int) -> bool:
    return bool(abs(value - expected) <= mpmath.mpf(10) ** -digits * abs(expected))


# ------------------------------------------------------------------------- values, by quadrature


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_logarithmic_mean_is_its_integral(left: str, right: str) -> None:
    with mpmath.workdps(40):
        value = LogarithmicMean(Float(left, 35), Float(right, 35))
        # 30 of the 35 digits: the decimal input is rounded in the 36th.
        assert near(number(value, 35), log_mean_integral(left, right), 30)


@pytest.mark.parametrize("exponent", ["0.25", "-1.5", "2", "1e-20", "0.666666666666666666666"])
@pytest.mark.parametrize(("left", "right"), PAIRS[:3])
def test_power_difference_is_its_integral(left: str, right: str, exponent: str) -> None:
    with mpmath.workdps(45):
        value = PowerDifference(*(Float(text, 40) for text in (left, right, exponent)))
        # Relative to the difference of near arguments, 10 digits of the input are gone.
        assert near(number(value, 40), power_integral(left, right, exponent), 28)


@pytest.mark.parametrize(
    ("p_value", "q_value"), [("2", "0.4"), ("2", "1e-15"), ("1.5", "-0.5"), ("-1", "-3"), ("1e-12", "2")]
)
@pytest.mark.parametrize(("left", "right"), PAIRS[:3])
def test_power_difference_mean_is_a_ratio_of_integrals(left: str, right: str, p_value: str, q_value: str) -> None:
    with mpmath.workdps(45):
        value = PowerDifferenceMean(*(Float(text, 40) for text in (left, right, p_value, q_value)))
        expected = power_integral(left, right, p_value) / power_integral(left, right, q_value)
        assert near(number(value, 40), expected, 28)


def test_power_difference_at_exponent_zero_is_the_logarithm_of_the_ratio() -> None:
    with mpmath.workdps(30):
        assert near(number(PowerDifference(a, b, 0).subs({a: 7, b: 3}), 25), power_integral(7, 3, 0), 22)


# ----------------------------------------------------------------------------------------- evalf(50)


@pytest.mark.parametrize(
    ("mean", "oracle"),
    [
        (LogarithmicMean(x, y), log_mean_integral),
        (PowerDifference(x, y, Rational(2, 7)), lambda u, v: power_integral(u, v, mpmath.mpf(2) / 7)),
        (
            PowerDifferenceMean(x, y, 2, Rational(2, 7)),
            lambda u, v: power_integral(u, v, 2) / power_integral(u, v, mpmath.mpf(2) / 7),
        ),
    ],
)
@pytest.mark.parametrize("route", ["exact", "floats", "evalf"])
def test_fifty_digits_where_thirty_cancel(mean: Expr, oracle: Callable[[Any, Any], mpmath.mpf], route: str) -> None:
    with mpmath.workdps(90):
        expected = oracle(*(mpmath.mpf(value.p) / value.q for value in NEAR))
        if route == "exact":
            value = mean.subs({x: NEAR[0], y: NEAR[1]}).evalf(50)
        elif route == "floats":
            # Floats of 85 digits carry the thirtieth digit with 55 more behind it.
            value = mean.subs({x: Float(NEAR[0], 85), y: Float(NEAR[1], 85)}).evalf(50)
        else:
            value = mean.evalf(50, subs={x: NEAR[0], y: NEAR[1]})
        assert near(mpmath.mpf(value._to_mpmath(170)), expected, 48)


def test_evalf_of_irrational_arguments() -> None:
    arguments = sqrt(2), sqrt(2) + Rational(1, 10**30)
    with mpmath.workdps(90):
        expected = log_mean_integral(*(mpmath.mpf(value.evalf(85)._to_mpmath(300)) for value in arguments))
        assert near(mpmath.mpf(LogarithmicMean(*arguments).evalf(50)._to_mpmath(170)), expected, 48)


def test_an_expression_of_means_evaluates_to_the_digits_asked_for() -> None:
    expression = log(LogarithmicMean(x, y)) + PowerDifferenceMean(x, y, 2, 2 / N)
    value = expression.evalf(50, subs={x: 3, y: 2, N: 5})
    with mpmath.workdps(70):
        expected = mpmath.log(log_mean_integral(3, 2))
        expected += power_integral(3, 2, 2) / power_integral(3, 2, mpmath.mpf(2) / 5)
        assert near(mpmath.mpf(value._to_mpmath(200)), expected, 48)


# ------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("mean", "value"),
    [
        (LogarithmicMean(a, b), a),
        (PowerDifference(a, b, 2 / N), Integer(0)),
        (PowerDifferenceMean(a, b, 2, 2 / N), a ** (2 - 2 / N)),
        (PowerDifferenceMean(a, b, 3, Rational(1, 2)), a ** Rational(5, 2)),
    ],
)
def test_coalescence_by_substitution_and_by_limit(mean: Expr, value: Expr) -> None:
    assert (mean.subs(b, a) - value).simplify() == 0
    assert (limit(mean, b, a) - value).simplify() == 0


@pytest.mark.parametrize(
    ("mean", "value"),
    [
        (LogarithmicMean(a, b), Integer(0)),
        (PowerDifference(a, b, Rational(1, 2)), 2 * sqrt(a)),
        (PowerDifferenceMean(a, b, 2, Rational(2, 3)), a ** Rational(4, 3) / 3),
    ],
)
def test_against_zero_by_substitution_and_by_limit(mean: Expr, value: Expr) -> None:
    assert (mean.subs(b, 0) - value).simplify() == 0
    assert (limit(mean, b, 0) - value).simplify() == 0


def test_exponent_zero_by_substitution_and_by_limit() -> None:
    assert PowerDifference(a, b, q).subs(q, 0) == log(a) - log(b)
    assert PowerDifferenceMean(a, b, 2, q).subs(q, 0) == LogarithmicMean(a**2, b**2)
    assert PowerDifferenceMean(a, b, p, 1).subs(p, 0) == 1 / LogarithmicMean(a, b)
    rising = PowerDifferenceMean(3, 2, 2, 2 / N)
    with mpmath.workdps(30):
        assert near(number(limit(explicit(rising), N, oo), 25), log_mean_integral(9, 4), 22)


def test_equal_exponents_and_double_exponents() -> None:
    assert PowerDifferenceMean(a, b, q, q) == 1
    assert PowerDifferenceMean(a, b, 2, 1) == (a + b) / 2


# -------------------------------------------------------------------------- symmetry and homogeneity


@settings(max_examples=25, deadline=None, derandomize=True)
@given(RATIONALS, RATIONALS, RATIONALS)
def test_logarithmic_mean_is_symmetric_homogeneous_and_between_its_arguments(s: Any, t: Any, c: Any) -> None:
    s, t, c = (Float(Rational(value.numerator, value.denominator), 40) for value in (s, t, c))
    assume(s != t)
    mean = LogarithmicMean(s, t)
    assert abs(mean - LogarithmicMean(t, s)) < 1e-35 * mean
    assert abs(LogarithmicMean(c * s, c * t) - c * mean) < 1e-33 * c * mean
    # Between the geometric and the arithmetic mean, strictly.
    assert sqrt(s * t) < mean < (s + t) / 2


@settings(max_examples=25, deadline=None, derandomize=True)
@given(RATIONALS, RATIONALS, RATIONALS, RATIONALS, RATIONALS)
def test_power_difference_mean_is_symmetric_and_homogeneous(s: Any, t: Any, c: Any, e: Any, f: Any) -> None:
    s, t, c, e, f = (Float(Rational(value.numerator, value.denominator), 60) for value in (s, t, c, e, f))
    assume(s != t)
    mean = PowerDifferenceMean(s, t, e, f)
    assert abs(mean - PowerDifferenceMean(t, s, e, f)) < 1e-45 * mean
    assert abs(PowerDifferenceMean(c * s, c * t, e, f) - c ** (e - f) * mean) < 1e-45 * c ** (e - f) * mean


def test_symmetry_is_structural() -> None:
    assert LogarithmicMean(b, a) == LogarithmicMean(a, b)
    assert PowerDifferenceMean(b, a, 2, 2 / N) == PowerDifferenceMean(a, b, 2, 2 / N)
    assert LogarithmicMean(a, b).is_positive
    assert PowerDifferenceMean(a, b, p, q).is_positive


# --------------------------------------------------------------------------------------- derivatives


@pytest.mark.parametrize("symbol", [x, y])
def test_derivatives_of_the_logarithmic_mean(symbol: Symbol) -> None:
    point = {x: Rational(3), y: Rational(2)}
    derivative = LogarithmicMean(x, y).diff(symbol)
    with mpmath.workdps(40):
        quotient = mpmath.diff(
            lambda value: log_mean_integral(*(value if other == symbol else int(point[other]) for other in (x, y))),
            int(point[symbol]),
        )
        # mpmath.diff takes the step that leaves all digits right at doubled precision.
        assert near(number(derivative.subs(point), 35), quotient, 30)


@pytest.mark.parametrize("symbol", [x, y, p, q])
@pytest.mark.parametrize("function", [PowerDifference, PowerDifferenceMean])
def test_derivatives_of_power_differences_and_their_mean(function: type, symbol: Symbol) -> None:
    point = {x: Rational(3), y: Rational(2), p: Rational(5, 2), q: Rational(2, 3)}
    arguments = (x, y, q) if function is PowerDifference else (x, y, p, q)
    if symbol not in arguments:
        assert function(*arguments).diff(symbol) == 0
        return

    def value(moved: mpmath.mpf) -> mpmath.mpf:
        numbers = {key: moved if key == symbol else mpmath.mpf(at.p) / at.q for key, at in point.items()}
        below = power_integral(numbers[x], numbers[y], numbers[q])
        return below if function is PowerDifference else power_integral(numbers[x], numbers[y], numbers[p]) / below

    with mpmath.workdps(40):
        at = mpmath.mpf(point[symbol].p) / point[symbol].q
        derivative = number(function(*arguments).diff(symbol).subs(point), 35)
        assert derivative != 0
        assert near(derivative, mpmath.diff(value, at), 30)


def test_second_derivative_through_both_arguments() -> None:
    mean = PowerDifferenceMean(x**2, x + 1, 2, Rational(1, 2))
    with mpmath.workdps(30):

        def value(t: mpmath.mpf) -> mpmath.mpf:
            return power_integral(t**2, t + 1, 2) / power_integral(t**2, t + 1, 0.5)

        assert near(number(mean.diff(x, 2).subs(x, 3), 35), mpmath.diff(value, 3, 2), 20)


# ----------------------------------------------------------------------------------- exact arithmetic


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8])
def test_rational_arguments_give_the_exact_sum(depth: int) -> None:
    s, t = Rational(5, 3), Rational(2, 7)
    value = depth * PowerDifferenceMean(s**depth, t**depth, 2, Rational(2, depth))
    assert value == sum(s ** (2 * (depth - i)) * t ** (2 * (i - 1)) for i in range(1, depth + 1))
    assert value.is_Rational


def test_exact_values_stay_exact() -> None:
    assert PowerDifference(Integer(8), Integer(1), Rational(2, 3)) == Rational(9, 2)
    assert not LogarithmicMean(Integer(2), Integer(1)).has(Float)
    assert LogarithmicMean(Integer(4), Integer(1)).equals(3 / (2 * log(2)))


# ------------------------------------------------------------------------------- LaTeX and rewriting


@pytest.mark.parametrize(
    "expression",
    [
        LogarithmicMean(a, b),
        LogarithmicMean(a, b) ** 2,
        PowerDifferenceMean(a, b, 2, 2 / N),
        PowerDifferenceMean(a, b, 2, 2 / N) ** Rational(-1, 2),
        PowerDifference(a, b, 2 / N),
        PowerDifference(a, b, 2 / N) ** 3,
    ],
)
def test_latex_has_no_python_names(expression: Expr) -> None:
    written = latex(expression)
    assert not re.search(r"[A-Z][a-z]+[A-Z]|Mean|Difference|operatorname", written), written
    assert written.count("{") == written.count("}")
    base = latex(expression.as_base_exp()[0])
    assert base == written or expression.is_Pow


@pytest.mark.parametrize(
    "expression",
    [
        LogarithmicMean(a, b),
        LogarithmicMean(a**2, b**2),
        PowerDifferenceMean(a, b, 2, 2 / N),
        N * PowerDifferenceMean(a, b, 2, 2 / N),
        PowerDifferenceMean(a, b, 2, Rational(2, 3)) * a,
        LogarithmicMean(a, b) ** 2,
        Add(PowerDifferenceMean(a, b, 2, 2 / N), -LogarithmicMean(a, x)),
        Mul(LogarithmicMean(x, y), PowerDifferenceMean(a, b, 3, Rational(1, 2))),
    ],
)
def test_recognizing_undoes_writing_out(expression: Expr) -> None:
    written_out = explicit(expression)
    assert not written_out.has(LogarithmicMean, PowerDifference, PowerDifferenceMean)
    assert recognize_means(written_out) == expression


def test_a_reciprocal_is_recognized_as_the_mean_with_exchanged_exponents() -> None:
    expression = 1 / PowerDifferenceMean(a, b, 2, 2 / N)
    assert recognize_means(explicit(expression)) in (expression, PowerDifferenceMean(a, b, 2 / N, 2))


def test_explicit_form_has_the_same_value() -> None:
    with mpmath.workdps(30):
        value = number(explicit(PowerDifferenceMean(a, b, 2, 2 / N)).subs({a: 3, b: 2, N: 5}), 25)
        assert near(value, power_integral(3, 2, 2) / power_integral(3, 2, mpmath.mpf(2) / 5), 22)


def test_recognizing_leaves_other_expressions_alone() -> None:
    sign_unknown = Symbol("s", real=True)
    for expression in (a + b, (sign_unknown**2 - 1) / log(sign_unknown), a**2 - 3 * b**2, (a**2 - b**2) / (a - x)):
        assert recognize_means(expression) == expression


def test_differences_are_kept_on_request() -> None:
    assert recognize_means(a ** (2 / N) - b ** (2 / N), keep_differences=True) == 2 / N * PowerDifference(a, b, 2 / N)
    assert recognize_means(a ** (2 / N) - b ** (2 / N)) == a ** (2 / N) - b ** (2 / N)


@pytest.mark.parametrize(
    "mean",
    [PowerDifferenceMean(a, b, 2, Rational(2, 3)), PowerDifferenceMean(a, b, 3, -1), LogarithmicMean(a**2, b)],
)
def test_hyperbolic_form(mean: Expr) -> None:
    hyperbolic = mean.rewrite(sinh)
    assert hyperbolic.has(sinh)
    for numbers in ({a: Rational(8), b: Rational(27)}, {a: Rational(5), b: Rational(1, 7)}):
        assert abs((hyperbolic - explicit(mean)).subs(numbers).evalf(50)) < Float("1e-40")
