"""Compiled kernels against 50 digits and more, in units in the last place, where floating point cancels."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import (
    Abs,
    Expr,
    Function,
    I,
    Integer,
    Matrix,
    Max,
    Piecewise,
    Rational,
    Symbol,
    cos,
    exp,
    lambdify,
    log,
    oo,
    pi,
    sqrt,
    symbols,
    zeta,
    zoo,
)

from geometry import (
    DeepLinearNetwork,
    Kernel,
    LogarithmicMean,
    PowerDifference,
    PowerDifferenceMean,
    SpectralMetric,
    compile_kernel,
    explicit,
)
from tests.definition import precise_log_volume, precise_multiplier

a, b, c, N = symbols("a b c N", positive=True)
t = Symbol("t", real=True)

GAPS = [0.0, 1e-15, 1e-14, 1e-13, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2]
SCALES = [1e-150, 1e-75, 1e-8, 1.0, 1e8, 1e75, 1e150]
DEPTHS = [1, 2, 3, 5, 10, 37, oo]


def exact_multiplier(x: float, y: float, depth: Any) -> mpmath.mpf:
    """λ(x, y) for doubles: the sum of N terms at 60 digits, (x² - y²)/log(x²/y²) at 100."""
    if depth != oo:
        with mpmath.workdps(60):
            return precise_multiplier(x, y, int(depth))
    with mpmath.workdps(100):
        x, y = mpmath.mpf(x), mpmath.mpf(y)
        return x * x if x == y else (x * x - y * y) / (2 * (mpmath.log(x) - mpmath.log(y)))


def ulps(value: Any, exact: mpmath.mpf) -> float:
    """The error in units in the last place of the exact value."""
    if not np.isfinite(value):
        return float("inf")
    with mpmath.workdps(60):
        return float(abs(mpmath.mpf(float(value)) - exact) / mpmath.mpf(float(np.spacing(abs(float(exact))))))


@cache
def multiplier_matrix_kernel(depth: Any) -> Kernel:
    """All 64 multipliers at rank 8."""
    network = DeepLinearNetwork(depth, (8, 8))
    return compile_kernel(Matrix(8, 8, network.multiplier), network.singular_values)


def worst_ulps(values: np.ndarray, sigma: Sequence[float], depth: Any) -> float:
    """The largest error of a matrix of multipliers, which has to be symmetric to the last bit."""
    np.testing.assert_array_equal(values, values.T)
    return max(ulps(values[k, l], exact_multiplier(sigma[k], sigma[l], depth)) for k in range(8) for l in range(k, 8))


# ------------------------------------------------------------------- multipliers, at all gaps and scales


@pytest.mark.parametrize("depth", DEPTHS)
def test_multiplier_matrix_is_within_eight_ulps(depth: Any) -> None:
    scales = SCALES if depth in (3, oo) else [1e-150, 1.0, 1e150]
    kernel = multiplier_matrix_kernel(depth)
    for scale in scales:
        for gap in GAPS if depth in (3, oo) else GAPS[::3]:
            # Neighbours at the relative gap; the doubles themselves are the exact input.
            sigma = [scale * (1 + gap * (8 - k)) for k in range(8)]
            assert worst_ulps(kernel(*sigma), sigma, depth) <= 8, (scale, gap)


@pytest.mark.parametrize("depth", [3, 10, oo])
def test_multiplier_matrix_of_a_spread_spectrum(depth: Any) -> None:
    sigma = [1e150, 3e99, 1e50, 7.0, 6.999999999999, 1e-50, 2e-100, 1e-150]
    assert worst_ulps(multiplier_matrix_kernel(depth)(*sigma), sigma, depth) <= 8


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.floats(min_value=-345, max_value=345),
    st.one_of(st.floats(min_value=-36, max_value=0).map(np.exp), st.floats(min_value=0, max_value=300)),
    st.sampled_from([2, 3, 5, 10, 37, oo]),
)
def test_any_pair_of_singular_values(log_scale: float, log_gap: float, depth: Any) -> None:
    high = float(np.exp(log_scale))
    low = float(np.exp(max(log_scale - log_gap, -345.0)))
    kernel = multiplier_matrix_kernel(depth)
    sigma = [high] * 4 + [low] * 4
    values = kernel(*sigma)
    for k, l in ((0, 0), (0, 7), (7, 0), (7, 7)):
        assert ulps(values[k, l], exact_multiplier(sigma[k], sigma[l], depth)) <= 8


@pytest.mark.parametrize("depth", [3, 10, oo])
def test_naive_code_would_fail_these_tests(depth: Any) -> None:
    """The mutant: the quotient as it stands on paper, printed by SymPy."""
    network = DeepLinearNetwork(depth, (2, 2))
    naive = lambdify(network.singular_values, explicit(network.multiplier(0, 1)), "numpy")
    x, y = 1.0 + 1e-12, 1.0
    with np.errstate(all="ignore"):
        assert ulps(naive(x, y), exact_multiplier(x, y, depth)) > 1e3
        assert not np.isfinite(naive(np.float64(1), np.float64(1)))


def test_naive_powers_would_fail_at_large_scales() -> None:
    """The rounding of the exponent 2 - 2/N alone costs hundreds of ulps there."""
    x = 1e150 * 1.1
    assert ulps(x ** (2 - 2 / 3), exact_multiplier(x, x, 3) / 3) > 50
    kernel = compile_kernel(
        DeepLinearNetwork(3, (2, 1)).null_multiplier(0), DeepLinearNetwork(3, (2, 1)).singular_values
    )
    assert ulps(kernel(x), exact_multiplier(x, x, 3) / 3) <= 8


@pytest.mark.parametrize("depth", [1, 2, 3, 10, 37])
def test_null_multiplier(depth: int) -> None:
    network = DeepLinearNetwork(depth, (2, 1))
    kernel = compile_kernel(network.null_multiplier(0), network.singular_values)
    for scale in SCALES:
        with mpmath.workdps(60):
            exact = precise_multiplier(scale, 0, depth)
        assert ulps(kernel(scale), exact) <= 8


@pytest.mark.parametrize(
    ("expression", "depth"),
    [
        ((a**2 - b**2) / (a ** Rational(2, 3) - b ** Rational(2, 3)), 3),
        ((a**2 - b**2) / (2 * log(a) - 2 * log(b)), oo),
        ((a**2 - b**2) / (2 * log(a / b)), oo),
    ],
)
def test_an_explicit_quotient_is_made_accurate(expression: Expr, depth: Any) -> None:
    """Typed as on paper, not built from means."""
    kernel = compile_kernel(expression, (a, b))
    for gap in GAPS:
        x, y = 1.7 * (1 + gap), 1.7
        assert ulps(kernel(x, y), exact_multiplier(x, y, depth)) <= 8, gap


# ------------------------------------------------------------------------------ depth as an argument


def test_depth_at_run_time_and_in_arrays() -> None:
    network = DeepLinearNetwork(N, (2, 2))
    kernel = compile_kernel(network.multiplier(0, 1), (*network.singular_values, N))
    depths = np.array([1.0, 2.0, 3.0, 7.0, 49.0, 1000.0])
    for scale in (1e-150, 1.0, 1e150):
        for gap in (0.0, 1e-13, 1e-3, 5.0):
            x, y = scale * (1 + gap), scale
            values = kernel(x, y, depths)
            assert values.shape == depths.shape
            for value, depth in zip(values, depths, strict=True):
                assert ulps(value, exact_multiplier(x, y, int(depth))) <= 8, (scale, gap, depth)
                assert value == kernel(x, y, depth)


def test_depth_at_run_time_may_be_huge_or_fractional() -> None:
    network = DeepLinearNetwork(N, (2, 2))
    kernel = compile_kernel(network.multiplier(0, 1), (*network.singular_values, N))
    for depth in (2.5, 1e8, 1e15):
        with mpmath.workdps(100):
            x, y, q = mpmath.mpf(3.0), mpmath.mpf(2.0), 2 / mpmath.mpf(depth)
            exact = (x * x - y * y) / (x**q - y**q)
        assert ulps(kernel(3.0, 2.0, depth), exact) <= 8


# ------------------------------------------------------------------------------------ volume density


def largest_term(expression: Expr, numbers: dict[Symbol, Any]) -> float:
    """The largest of the terms that the logarithm of the density is the sum of."""
    terms = expression.as_ordered_terms()
    return max(abs(float(term.subs(numbers).evalf(30))) for term in terms)


@pytest.mark.parametrize("depth", [2, 3, 10])
@pytest.mark.parametrize("gap", [1e-15, 1e-12, 1e-6, 1e-2, 3.0])
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_log_volume_is_accurate_to_its_largest_term(depth: int, gap: float, scale: float) -> None:
    network = DeepLinearNetwork(depth, (3, 2))
    sigma = [scale * (1 + gap), scale]
    value = float(compile_kernel(network.log_volume_density(), network.singular_values)(*sigma))
    with mpmath.workdps(60):
        numbers = {symbol: Rational(value_) for symbol, value_ in zip(network.singular_values, sigma, strict=True)}
        largest = largest_term(network.log_volume_density(), numbers)
    # Singular values at a relative distance of 1e-15 take 30 digits, their sixth powers the rest.
    with mpmath.workdps(150):
        exact = precise_log_volume(sigma, (3, 2), depth)
        error = float(abs(mpmath.mpf(value) - exact))
    assert error <= 4 * np.spacing(largest) + np.spacing(abs(value)) / 2


@pytest.mark.parametrize("gap", [1e-15, 1e-12, 1e-6, 1e-2, 3.0])
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_log_volume_at_infinite_depth(gap: float, scale: float) -> None:
    network = DeepLinearNetwork(oo, (2, 2))
    sigma = [scale * (1 + gap), scale]
    value = float(compile_kernel(network.log_volume_density(), network.singular_values)(*sigma))
    with mpmath.workdps(100):
        # At N = 10^60 the brute-force sum is out of reach; the stated limit is checked in test_network.
        x, y = map(mpmath.mpf, sigma)
        exact = mpmath.log(2 * (mpmath.log(x) - mpmath.log(y))) - mpmath.log(x) - mpmath.log(y)
        terms = [abs(mpmath.log(x)), abs(mpmath.log(y)), abs(mpmath.log(mpmath.log(x) - mpmath.log(y))), mpmath.log(2)]
        error, largest = float(abs(mpmath.mpf(value) - exact)), float(max(terms))
    assert error <= 4 * np.spacing(largest) + np.spacing(abs(value)) / 2


def test_density_of_many_singular_values_neither_overflows_nor_cancels() -> None:
    network = DeepLinearNetwork(3, (8, 8))
    sigma = [1e100 / 7.0**k for k in range(8)]
    kernel = compile_kernel(network.log_volume_density(), network.singular_values)
    with mpmath.workdps(60):
        values = [mpmath.mpf(value) for value in sigma]
        exact = -4 * mpmath.log(3) + mpmath.fsum((mpmath.mpf(1) / 3 - 1) * mpmath.log(value) for value in values)
        third = mpmath.mpf(2) / 3
        exact += mpmath.fsum(
            mpmath.log(values[k] ** third - values[l] ** third) for k in range(8) for l in range(k + 1, 8)
        )
        value, largest = float(kernel(*sigma)), float(max(abs(mpmath.log(v)) for v in values))
        # 37 terms of order 150, each good to an ulp or two, and the rounding of the result.
        assert abs(mpmath.mpf(value) - exact) <= 8 * np.spacing(largest) + np.spacing(value) / 2


@pytest.mark.parametrize("depth", [1, 2, 3, 10, oo])
def test_coalescence_gives_zero_and_minus_infinity_without_warnings(depth: Any) -> None:
    network = DeepLinearNetwork(depth, (3, 3))
    sigma = np.array([[2.0, 2.0, 1.0], [3.0, 2.0, 2.0], [1e-150, 1e-150, 1e-150], [3.0, 2.0, 1.0]]).T
    density = compile_kernel(network.volume_density(), network.singular_values)
    log_density = compile_kernel(network.log_volume_density(), network.singular_values)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        values, logarithms = density(*sigma), log_density(*sigma)
    assert (values[:2] == 0).all()
    assert (logarithms[:3] == -np.inf).all()
    assert values[3] > 0
    np.testing.assert_allclose(np.log(values[3]), logarithms[3], rtol=1e-14)
    exact = compile_kernel(network.log_volume_density(), network.singular_values, backend="mpmath")
    assert exact(2, 2, 1) == -mpmath.inf


# --------------------------------------------------------------------------------- shapes and constants


def test_shapes_broadcast() -> None:
    x, y = np.linspace(1, 2, 5)[:, None], np.linspace(3, 4, 3)
    scalar = compile_kernel(a + b**2, (a, b))
    np.testing.assert_array_equal(scalar(x, y), x + y**2)
    assert scalar(1.0, 2.0) == 5.0
    assert np.shape(scalar(1.0, 2.0)) == ()
    assert scalar(1, 2) == 5.0
    matrix = compile_kernel(Matrix([[a, 1, b], [0, a * b, pi]]), (a, b))
    values = matrix(x, y)
    assert values.shape == (5, 3, 2, 3)
    for i in range(5):
        for j in range(3):
            expected = [[x[i, 0], 1, y[j]], [0, x[i, 0] * y[j], np.pi]]
            np.testing.assert_array_equal(values[i, j], expected)
    assert matrix(1.0, 2.0).shape == (2, 3)
    sequence = compile_kernel([a, Integer(2), a * b], (a, b))
    assert sequence(x, y).shape == (5, 3, 3)
    np.testing.assert_array_equal(sequence(np.float32(0.5), 3), [0.5, 2, 1.5])


def test_constants_broadcast() -> None:
    x = np.arange(1.0, 5.0)
    for constant, value in ((Integer(3), 3.0), (Rational(1, 3), 1 / 3), (pi, np.pi), (sqrt(2), np.sqrt(2)), (2.5, 2.5)):
        kernel = compile_kernel(constant, (a,))
        np.testing.assert_array_equal(kernel(x), np.full(4, value))
        assert np.shape(kernel(1.0)) == ()
    np.testing.assert_array_equal(
        compile_kernel(Matrix([[1, 0], [0, 1]]), (a,))(x), np.broadcast_to(np.eye(2), (4, 2, 2))
    )
    # Every multiplier at depth 1 is the constant 1.
    assert multiplier_matrix_kernel(1)(*np.ones((8, 3))).shape == (3, 8, 8)


def test_results_are_double_arrays_of_their_own() -> None:
    x = np.ones(3)
    kernel = compile_kernel(a, (a,))
    result = kernel(x)
    assert result.dtype == np.float64
    matrix = compile_kernel(Matrix([[a]]), (a,))(x)
    matrix[0] = 7
    assert x[0] == 1.0
    assert kernel(np.array([1, 2])).dtype == np.float64
    empty = compile_kernel(Matrix([[a, 1]]), (a,))(np.ones((0,)))
    assert empty.shape == (0, 1, 2)


def test_incompatible_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        compile_kernel(a + b, (a, b))(np.ones(2), np.ones(3))


def test_elementary_functions() -> None:
    x = np.linspace(0.1, 3, 7)
    expression = exp(-a) * cos(a) + Max(a, 1) + Abs(a - 2) + sqrt(a) + Piecewise((a, a < 1), (a**2, True))
    expected = np.exp(-x) * np.cos(x) + np.maximum(x, 1) + np.abs(x - 2) + np.sqrt(x) + np.where(x < 1, x, x**2)
    # A sum of five terms in some order.
    np.testing.assert_allclose(compile_kernel(expression, (a,))(x), expected, rtol=1e-15)


def test_outside_its_domain_a_kernel_is_nan_not_complex() -> None:
    assert np.isnan(compile_kernel(sqrt(t) + log(t), (t,))(-2.0))
    with pytest.raises(TypeError):
        compile_kernel(sqrt(t), (t,), backend="mpmath")(-2)


def test_real_symbols_may_be_negative() -> None:
    x = np.array([-2.0, -0.5, 3.0])
    np.testing.assert_allclose(
        compile_kernel((t**3 - 1) ** 2 / 3 + Abs(t), (t,))(x), (x**3 - 1) ** 2 / 3 + np.abs(x), rtol=1e-15
    )


# ------------------------------------------------------------------------------------- mpmath backend


@pytest.mark.parametrize("depth", [3, 10, oo])
def test_mpmath_backend_has_the_working_precision(depth: Any) -> None:
    network = DeepLinearNetwork(depth, (2, 2))
    kernel = compile_kernel(Matrix(2, 2, network.multiplier), network.singular_values, backend="mpmath")
    for gap in ("0", "1e-40", "1e-12", "0.5", "1e30"):
        with mpmath.workdps(120):
            x, y = mpmath.mpf(3) * (1 + mpmath.mpf(gap)), mpmath.mpf(3)
            if depth == oo:
                exact = x * x if x == y else (x * x - y * y) / (2 * (mpmath.log(x) - mpmath.log(y)))
            else:
                exact = precise_multiplier(x, y, depth)
        with mpmath.workdps(50):
            value = kernel(x, y)
            assert isinstance(value, mpmath.matrix)
            # Rounded arguments: gap 1e-40 keeps ten digits, but the mean is continuous.
            assert abs(value[0, 1] / exact - 1) < mpmath.mpf(10) ** -47
            assert value[0, 1] == value[1, 0]


def test_mpmath_backend_takes_object_arrays() -> None:
    kernel = compile_kernel(Matrix([[a, b], [1, a / b]]), (a, b), backend="mpmath")
    with mpmath.workdps(50):
        x = np.array([mpmath.mpf(1) / 3, mpmath.mpf(2)], dtype=object)
        values = kernel(x[:, None], np.array([3, 7, 9], dtype=object))
        assert values.shape == (2, 3, 2, 2)
        assert values.dtype == object
        assert values[0, 1, 1, 1] == x[0] / 7
        scalars = compile_kernel(a * b, (a, b), backend="mpmath")(x, 3)
        assert scalars.shape == (2,)
        assert abs(scalars[0] - 1) < mpmath.mpf(10) ** -49
    assert compile_kernel([a, 2], (a,), backend="mpmath")(5)[1] == 2
    assert compile_kernel(Integer(2), (a,), backend="mpmath")(np.arange(3)).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "expression",
    [
        PowerDifference(a, b, Rational(2, 3)),
        PowerDifference(a, b, Rational(-2, 3)),
        PowerDifferenceMean(a, b, 2, Rational(-1, 3)),
        LogarithmicMean(a, b),
        log(a) - log(b),
        a ** Rational(2, 3) - b ** Rational(2, 3),
        log(Abs(a ** Rational(2, 3) - b ** Rational(2, 3))),
        log(LogarithmicMean(a, b)) / 2,
        a ** Rational(5, 3) / (1 + b ** Rational(1, 7)),
    ],
)
def test_backends_agree(expression: Expr) -> None:
    quick, precise = compile_kernel(expression, (a, b)), compile_kernel(expression, (a, b), backend="mpmath")
    generator = np.random.default_rng(0)
    for x, y in [*np.exp(generator.uniform(-8, 8, (20, 2))).tolist(), [1 + 1e-09, 1.0], [2.0, 3.0]]:
        with mpmath.workdps(50):
            exact = precise(x, y)
            naive = expression.subs({a: Rational(x), b: Rational(y)})
            assert abs(exact - mpmath.mpf(explicit(naive).evalf(60)._to_mpmath(190))) <= mpmath.mpf(10) ** -45 * max(
                abs(exact), 1
            )
        # Within 8 ulps, of the largest term where it is a logarithm: |log| is at most 30 here.
        assert ulps(quick(x, y), exact) <= 8 or abs(float(quick(x, y)) - float(exact)) < 8 * np.spacing(
            8.0
        ) * expression.has(log)


# -------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("expression", "arguments", "error", "named"),
    [
        (a * b, (a,), ValueError, "b"),
        (Matrix([[a, 0], [c, b]]), (a, b), ValueError, "c"),
        (Function("f")(a), (a,), ValueError, "f"),
        (Function("f")(a).diff(a), (a,), ValueError, "Derivative"),
        (zeta(a), (a,), ValueError, "zeta"),
        (a + I, (a,), ValueError, "I"),
        (zoo * 1, (a,), ValueError, "zoo"),
        (Integer(1) * oo, (a,), ValueError, "oo"),
        (a, (a, a), ValueError, "distinct"),
        ("a + b", (a, b), TypeError, "string"),
        (a, ("a",), TypeError, "symbols"),
        (a, (a**2,), TypeError, "symbols"),
    ],
)
def test_what_cannot_be_compiled_is_refused(expression: Any, arguments: Any, error: type, named: str) -> None:
    with pytest.raises(error, match=named):
        compile_kernel(expression, arguments)


@pytest.mark.parametrize("backend", ["fortran", "", None])
def test_unknown_backends(backend: Any) -> None:
    with pytest.raises(ValueError, match="backend"):
        compile_kernel(a, (a,), backend=backend)


@pytest.mark.parametrize("backend", ["numpy", "mpmath"])
def test_calls_are_checked(backend: str) -> None:
    kernel = compile_kernel(a + b, (a, b), backend=backend)
    for values in ((1.0,), (1.0, 2.0, 3.0), ()):
        with pytest.raises(TypeError, match="arguments"):
            kernel(*values)
    for value in (1j, 1 + 0j, np.array([1.0, 2j])):
        with pytest.raises(TypeError):
            kernel(value, 1.0)


def test_a_symbolic_depth_has_to_be_an_argument() -> None:
    network = DeepLinearNetwork(N, (2, 2))
    with pytest.raises(ValueError, match="N"):
        compile_kernel(network.multiplier(0, 1), network.singular_values)


# ----------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name",
    [
        "log",
        "power",
        "exp",
        "power_difference_mean",
        "compensated_sum",
        "lambda",
        "x y",
        "sigma_{1}",
        "numpy",
        "abs",
        "x0",
        "select",
        "pi",
        "σ",
    ],
)
@pytest.mark.parametrize("backend", ["numpy", "mpmath"])
def test_argument_names_shadow_nothing(name: str, backend: str) -> None:
    symbol = Symbol(name, positive=True)
    expression = (
        PowerDifferenceMean(symbol, b, 2, Rational(2, 3)) + log(symbol) + exp(-symbol) + symbol ** Rational(1, 3)
    )
    expression = expression + Abs(symbol - b) * pi + Piecewise((1, symbol < 1), (2, True))
    kernel = compile_kernel(expression, (symbol, b), backend=backend)
    plain = compile_kernel(expression.xreplace({symbol: a}), (a, b), backend=backend)
    assert float(kernel(3.0, 2.0)) == float(plain(3.0, 2.0))


def test_symbols_of_one_name_are_kept_apart() -> None:
    real, positive = Symbol("a", real=True), a
    kernel = compile_kernel(real - 2 * positive, (real, positive))
    assert kernel(1.0, 5.0) == -9.0


def test_order_of_arguments_is_the_order_of_the_call() -> None:
    assert compile_kernel(a - 2 * b, (b, a))(1.0, 5.0) == 3.0
    assert compile_kernel(a, a)(4.0) == 4.0
    assert compile_kernel(a - b, [c, b, a])(100.0, 1.0, 5.0) == 4.0


def test_a_kernel_shows_what_it_is() -> None:
    kernel = compile_kernel(a + b, (a, b))
    assert kernel.expression == a + b
    assert kernel.arguments == (a, b)
    assert kernel.backend == "numpy"
    assert "def" in kernel.source


# ------------------------------------------------------------------------- metrics of one's own, differences


@pytest.mark.parametrize(
    ("expression", "oracle"),
    [
        (a ** Rational(2, 3) - b ** Rational(2, 3), lambda x, y: x ** (mpmath.mpf(2) / 3) - y ** (mpmath.mpf(2) / 3)),
        (log(a) - log(b), lambda x, y: mpmath.log(x) - mpmath.log(y)),
        (log(a / b), lambda x, y: mpmath.log(x) - mpmath.log(y)),
        (
            1 / (a ** Rational(2, 5) - b ** Rational(2, 5)),
            lambda x, y: 1 / (x ** (mpmath.mpf(2) / 5) - y ** (mpmath.mpf(2) / 5)),
        ),
    ],
)
@pytest.mark.parametrize("gap", [1e-15, 1e-9, 1e-3, 10.0])
@pytest.mark.parametrize("scale", [1e-100, 1.3, 1e100])
def test_differences_keep_their_digits(expression: Expr, oracle: Callable[..., Any], gap: float, scale: float) -> None:
    x, y = scale * (1 + gap), scale
    with mpmath.workdps(80):
        exact = oracle(mpmath.mpf(x), mpmath.mpf(y))
    assert ulps(compile_kernel(expression, (a, b))(x, y), exact) <= 8


def test_multiplier_of_a_metric_of_ones_own() -> None:
    metric = SpectralMetric((2, 2), multiplier=lambda a, b: (a**3 - b**3) / (log(a) - log(b)) if a != b else 3 * a**3)
    kernel = compile_kernel(metric.multiplier(0, 1), metric.singular_values)
    for gap in GAPS:
        x, y = 2.5 * (1 + gap), 2.5
        with mpmath.workdps(100):
            u, v = mpmath.mpf(x), mpmath.mpf(y)
            exact = 3 * u**3 if u == v else (u**3 - v**3) / (mpmath.log(u) - mpmath.log(v))
        assert ulps(kernel(x, y), exact) <= 8


@pytest.mark.parametrize("backend", ["numpy", "mpmath"])
def test_kernels_survive_pickling(backend: str) -> None:
    """As arguments of a process pool."""
    network = DeepLinearNetwork(3, (2, 2))
    for expression in (network.multiplier(0, 1), Matrix(2, 2, network.multiplier)):
        kernel = compile_kernel(expression, network.singular_values, backend)
        copy = pickle.loads(pickle.dumps(kernel))
        assert str(copy(2.0, 1.0)) == str(kernel(2.0, 1.0))
        assert copy == kernel
