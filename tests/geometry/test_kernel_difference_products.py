"""Products over all pairs: found in sums of logarithms, equal to the product of the pairs, whatever their order."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Abs, Expr, Float, Integer, Rational, S, log, symbols

from geometry import DeepLinearNetwork, PowerDifference, compile_kernel
from geometry.kernel_difference_products import take_difference_products
from geometry.kernel_functions import interval_product
from geometry.stable_form import stable_form

POINTS = symbols("a b c d", positive=True)
a, b, c, d = POINTS
BACKENDS = ["numpy", "mpmath", "jax", "numba"]


def log_differences(points: tuple[Expr, ...], q: Any) -> Expr:
    """Σ log |s_k - s_l|, pair by pair."""
    values = [log(point) if q == 0 else point**q for point in points]
    return sum((log(Abs(x - y)) for x, y in combinations(values, 2)), S.Zero)


def exact(sigma: Any, q: Any) -> mpmath.mpf:
    with mpmath.workdps(60):
        numbers = [mpmath.mpf(float(x)) for x in sigma]
        values = [mpmath.log(x) if q == 0 else x ** (mpmath.mpf(q.p) / q.q) for x in numbers]
        return mpmath.fsum(mpmath.log(abs(x - y)) for x, y in combinations(values, 2))


EXPONENTS = [S.Zero, Rational(1, 5), Rational(2, 7), Rational(1, 2), Rational(2, 3), S.One]


@pytest.mark.parametrize("q", EXPONENTS, ids=str)
def test_all_pairs_are_found_and_few_are_not(q: Expr) -> None:
    assert stable_form(log_differences(POINTS, q)).has(interval_product)
    assert not stable_form(log_differences(POINTS[:2], q)).has(interval_product)
    one_missing = log_differences(POINTS, q) - log_differences((a, d), q)
    assert not stable_form(one_missing).has(interval_product)
    of_two_weights = log_differences(POINTS, q) + log_differences((a, d), q)
    assert not stable_form(of_two_weights).has(interval_product)


def test_what_is_not_taken() -> None:
    """Squares would overflow, numbers that may be negative have no order of their powers."""
    x, y, z = symbols("x y z", real=True)
    for bases in (
        [Abs(PowerDifference(*pair, Integer(2))) for pair in combinations((a, b, c), 2)],
        [Abs(p - q) for p, q in combinations((x, y, z), 2)],
        [Abs(p + q) for p, q in combinations((x, y, z), 2)],
    ):
        table = dict.fromkeys(bases, S.One)
        assert take_difference_products(table) == []
        assert len(table) == 3


def test_the_constants_of_power_differences_are_kept() -> None:
    table = {Abs(PowerDifference(*pair, Rational(2, 3))): S.Half for pair in combinations((a, b, c), 2)}
    (product,) = take_difference_products(table)
    assert (product.coefficient, product.exponent, product.points) == (S.Half, Rational(2, 3), (a, b, c))
    assert table == {Rational(2, 3): -Rational(3, 2)}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("q", EXPONENTS, ids=str)
def test_equal_to_the_pairs_in_any_order(backend: str, q: Expr) -> None:
    if backend in ("jax", "numba"):
        pytest.importorskip(backend)
    kernel = compile_kernel(log_differences(POINTS, q), POINTS, backend)
    for sigma in ([2.0, 1.5, 0.7, 0.1], [1e250, 1.0, 1e-200, 3e-300], [1.0, 1 - 1e-15, 0.5, 0.5 + 1e-16]):
        expected = float(exact(sigma, q))
        for order in list(permutations(sigma))[::5]:
            assert float(kernel(*order)) == pytest.approx(expected, rel=4e-15)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(-290, 290), min_size=4, max_size=4, unique=True),
    st.sampled_from(EXPONENTS),
    st.sampled_from([1.0, 1e-3, 1e-12]),
)
def test_at_any_scale_and_gap(logarithms: list[float], q: Expr, spread: float) -> None:
    sigma = [10.0 ** (290 * np.tanh(logarithms[0] / 100) + spread * x / 100) for x in logarithms]
    if len(set(sigma)) < 4:
        return
    kernel = compile_kernel(log_differences(POINTS, q), POINTS)
    expected = exact(sigma, q)
    pairs = [abs(float(exact(pair, q))) for pair in combinations(sigma, 2)]
    assert abs(float(mpmath.mpf(float(kernel(*sigma))) - expected)) <= 8 * np.spacing(max(pairs) + abs(float(expected)))


@pytest.mark.parametrize("q", EXPONENTS, ids=str)
def test_a_batch_in_which_some_are_in_order(q: Expr) -> None:
    """Out of order, equal, zero, immoderate, not a number: each as if it were alone."""
    kernel = compile_kernel(log_differences(POINTS, q), POINTS)
    ordered = np.sort(np.random.default_rng(0).uniform(0.1, 2, (4, 50)), axis=0)[::-1]
    batch = ordered.copy()
    batch[:, 7] = batch[::-1, 7]
    batch[1, 9] = batch[0, 9]
    batch[3, 11] = 0.0
    batch[:, 13] = 1e300, 1e-300, 1e-299, 2e-300
    batch[2, 15] = np.nan
    values = kernel(*batch)
    for index in (0, 7, 9, 11, 13, 15):
        np.testing.assert_allclose(values[index], kernel(*batch[:, index]), rtol=1e-15)
    assert values[9] == -np.inf
    assert np.isnan(values).sum() == 1
    np.testing.assert_allclose(values[:7], kernel(*ordered)[:7], rtol=1e-15)


def test_many_numbers_are_put_in_order_by_jax() -> None:
    jax = pytest.importorskip("jax")
    from geometry.backends.interval_products_jax import MOST_COMPARED, descending

    for count in (MOST_COMPARED, MOST_COMPARED + 1):
        numbers = np.random.default_rng(1).uniform(size=(count, 30))
        with jax.enable_x64():
            np.testing.assert_array_equal(np.array(descending(*numbers)), np.sort(numbers, axis=0)[::-1])


def test_slopes_in_jax() -> None:
    """Against the sum of the pairs' derivatives, with points out of order."""
    jax = pytest.importorskip("jax")
    network = DeepLinearNetwork(3, (4, 4))
    kernel = compile_kernel(network.log_volume_density(), network.singular_values, "jax")
    slopes = [network.log_volume_density().diff(sigma) for sigma in network.singular_values]
    sigma = (0.4, 1.7, 0.9, 1.70000001)
    with jax.enable_x64():
        found = jax.grad(kernel.function, argnums=(0, 1, 2, 3))(*sigma)
    substitution = {s: Float(x, 40) for s, x in zip(network.singular_values, sigma, strict=True)}
    expected = [float(slope.subs(substitution).evalf(20)) for slope in slopes]
    np.testing.assert_allclose(np.array(found, dtype=float), expected, rtol=1e-7)


def test_a_step_left_out_would_be_seen() -> None:
    """The mutant: neighbours only."""
    sigma, q = [2.0, 1.5, 0.7, 0.1], Rational(2, 3)
    neighbours = sum(float(exact(pair, q)) for pair in pairwise(sigma))
    assert abs(float(exact(sigma, q)) - float(neighbours)) > 0.1


@pytest.mark.parametrize("backend", BACKENDS)
def test_fifth_roots(backend: str) -> None:
    if backend in ("jax", "numba"):
        pytest.importorskip(backend)
    x = np.concatenate([10.0 ** np.random.default_rng(2).uniform(-250, 250, 40), [1.0, 32.0, 5e-255]])
    for k in (1, 2, 3, 4, 6, -1):
        kernel = compile_kernel(a ** Rational(k, 5), (a,), backend)
        for value, number in zip(np.asarray(kernel(x), dtype=float), x, strict=True):
            with mpmath.workdps(40):
                right = mpmath.mpf(number) ** (mpmath.mpf(k) / 5)
                assert abs(value - right) <= 5 * mpmath.mpf(float(np.spacing(float(right)))), (number, k)
    assert float(compile_kernel(a ** Rational(1, 5), (a,), backend)(0.0)) == 0


def test_fifth_roots_of_what_is_no_ordinary_number() -> None:
    values = compile_kernel(a ** Rational(1, 5), (a,))(np.array([0.0, np.inf, np.nan, -1.0, 1.0, 2.0**-1070]))
    np.testing.assert_allclose(values, [0, np.inf, np.nan, np.nan, 1, 2.0**-214], rtol=1e-15)
