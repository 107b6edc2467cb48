"""JAX kernels: traced, compiled, vectorized, and differentiated as accurately as they are evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import Expr, Matrix, Rational, log, oo, symbols

from geometry import DeepLinearNetwork, LogarithmicMean, PowerDifferenceMean, compile_kernel
from geometry.entropy import entropy

jax = pytest.importorskip("jax")
a, b, c, N = symbols("a b c N", positive=True)
NEAR = [0.0, 1e-15, 1e-12, 1e-8, 1e-4, 0.1, 3.0]


@pytest.fixture
def doubles() -> Iterator[None]:
    """JAX with 64 bits, for this test only."""
    with jax.enable_x64(True):
        yield


def differentiated(kernel: Any, points: list[tuple[float, ...]], order: int) -> np.ndarray:
    """The gradients or the Hessians at several points, in one program."""
    derivative = (jax.grad if order == 1 else jax.hessian)(lambda point: kernel(*point))
    return np.asarray(jax.jit(jax.vmap(derivative))(np.array(points)))


def precise_derivatives(expression: Expr, points: tuple[float, ...], order: int) -> np.ndarray:
    """Central differences with 60 digits, of the kernel that has them."""
    kernel = compile_kernel(expression, (a, b), "mpmath")
    with mpmath.workdps(90):
        x, h = [mpmath.mpf(p) for p in points], mpmath.mpf(10) ** -20
        step = [[h * x[0], mpmath.mpf(0)], [mpmath.mpf(0), h * x[1]]]

        def value(*weights: int) -> mpmath.mpf:
            return kernel(*(x[i] + weights[0] * step[0][i] + weights[1] * step[1][i] for i in range(2)))

        if order == 1:
            first = (value(1, 0) - value(-1, 0)) / (2 * h * x[0])
            return np.array([float(first), float((value(0, 1) - value(0, -1)) / (2 * h * x[1]))])
        mixed = (value(1, 1) - value(1, -1) - value(-1, 1) + value(-1, -1)) / (4 * h * h * x[0] * x[1])
        pure = [
            (value(*w) - 2 * value(0, 0) + value(*(-v for v in w))) / (h * h * y * y)
            for w, y in (((1, 0), x[0]), ((0, 1), x[1]))
        ]
        return np.array([[float(pure[0]), float(mixed)], [float(mixed), float(pure[1])]])


EXPRESSIONS = [
    *(DeepLinearNetwork(depth, (2, 2)).pair_multiplier(a, b) for depth in (2, 3, 7, 10, 1000, oo)),
    PowerDifferenceMean(a, b, Rational(5, 2), Rational(-1, 3)),
    PowerDifferenceMean(a, b, -2, Rational(-1, 3)),
    LogarithmicMean(a, b),
    log(DeepLinearNetwork(7, (2, 2)).pair_multiplier(a, b)) + 1,
    log(LogarithmicMean(a**2, b**2)) / 2,
    a ** Rational(2, 3) - b ** Rational(2, 3),
    a ** Rational(2, 7) - b ** Rational(2, 7),
    log(a) - log(b),
]


@pytest.mark.parametrize(
    ("expression", "order"), [*((e, 1) for e in EXPRESSIONS), *((e, 2) for e in EXPRESSIONS[1:10:2])], ids=str
)
def test_derivatives_are_exact_also_where_numbers_coalesce(doubles: None, expression: Expr, order: int) -> None:
    kernel = compile_kernel(expression, (a, b), "jax")
    points = [point for gap in NEAR for point in ((1.3 * (1 + gap), 1.3), (1.3, 1.3 * (1 + gap)))]
    for point, found in zip(points, differentiated(kernel, points, order), strict=True):
        exact = precise_derivatives(expression, point, order)
        np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-13 * np.abs(exact).max())


def test_differentiating_the_quotient_would_fail(doubles: None) -> None:
    """The mutant: what JAX makes of the code for (1 - exp(-x))/x."""
    slope = jax.grad(lambda x: -jax.numpy.expm1(-x) / x)(1e-12)
    assert abs(slope + 0.5) > 1e-6


@pytest.mark.parametrize("depth", [2, 3, 7, 10, oo])
def test_nothing_is_nan_at_zero(doubles: None, depth: Any) -> None:
    network = DeepLinearNetwork(depth, (3, 3))
    kernel = compile_kernel(Matrix(3, 3, network.multiplier), network.singular_values, "jax")
    sigma = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [2.0, 1.0, 0.0]])
    for derivative in (jax.jacfwd, jax.jacrev):
        assert np.isfinite(jax.jit(jax.vmap(derivative(lambda s: kernel(*s))))(sigma)).all()


@pytest.mark.parametrize("depth", [1, 3, oo])
def test_nothing_is_nan_where_a_density_vanishes(doubles: None, depth: Any) -> None:
    network = DeepLinearNetwork(depth, (3, 3))
    kernel = compile_kernel(network.log_volume_density(), network.singular_values, "jax")
    assert kernel(2.0, 2.0, 1.0) == -np.inf
    assert np.isfinite(jax.grad(kernel, (0, 1, 2))(2.0, 2.0, 1.0)).all()


@pytest.mark.parametrize("depth", [2, 3, oo])
def test_matrices_are_stacked_vectorized_and_compiled(doubles: None, depth: Any) -> None:
    network = DeepLinearNetwork(depth, (3, 3))
    arguments = network.singular_values
    kernel, plain = (compile_kernel(Matrix(3, 3, network.multiplier), arguments, name) for name in ("jax", "numpy"))
    sigma = np.random.default_rng(0).uniform(0.5, 2, (4, 5, 3))
    expected = plain(*np.moveaxis(sigma, -1, 0))
    assert expected.shape == (4, 5, 3, 3)
    for function in (kernel, jax.jit(kernel), kernel.function):
        np.testing.assert_allclose(function(*np.moveaxis(sigma, -1, 0)), expected, rtol=1e-14)
    mapped = jax.vmap(jax.vmap(lambda s: kernel(*s)))(sigma)
    assert mapped.dtype == np.float64
    np.testing.assert_allclose(mapped, expected, rtol=1e-14)


def test_depth_may_be_an_argument_and_is_differentiated(doubles: None) -> None:
    expression = DeepLinearNetwork(N, (2, 2)).pair_multiplier(a, b)
    kernel = compile_kernel(expression, (a, b, N), "jax")
    exact = compile_kernel(expression, (a, b, N), "mpmath")
    for point in ((2.0, 1.0, 3.0), (2.0, 2.0, 5.0), (1e100, 1.0, 7.0)):
        with mpmath.workdps(60):
            x, y, depth = map(mpmath.mpf, point)
            h = mpmath.mpf(10) ** -20
            slope = float((exact(x, y, depth + h) - exact(x, y, depth - h)) / (2 * h))
        assert float(jax.grad(kernel, 2)(*point)) == pytest.approx(slope, rel=1e-12)


def test_in_single_precision_mode_values_are_doubles_and_tracing_is_refused() -> None:
    kernel = compile_kernel(DeepLinearNetwork(3, (2, 2)).pair_multiplier(a, b), (a, b), "jax")
    with jax.enable_x64(False):
        value = kernel(1 + 1e-12, 1.0)
        assert value.dtype == np.float64
        assert value == pytest.approx(3 + 2e-12, rel=1e-15)
        for transformed in (jax.jit(kernel), jax.grad(kernel), jax.vmap(kernel)):
            with pytest.raises(RuntimeError, match="jax_enable_x64"):
                transformed(np.ones(2) if transformed is not jax.grad(kernel) else 1.0, np.ones(2))
        assert not jax.config.read("jax_enable_x64")


def test_calls_are_checked(doubles: None) -> None:
    kernel = compile_kernel(a + b, (a, b), "jax")
    with pytest.raises(TypeError, match="arguments"):
        kernel(1.0)
    with pytest.raises(TypeError, match="complex"):
        kernel(1j, 1.0)
    with pytest.raises(ValueError, match=r"[Ii]ncompatible"):
        kernel(np.ones(2), np.ones(3))
    assert np.isnan(kernel(np.nan, 1.0))
    assert kernel(np.ones((0, 2)), 1.0).shape == (0, 2)
    assert kernel(np.float32(0.5), 3).dtype == np.float64


def test_entropy_has_the_gradient_that_sympy_finds(doubles: None) -> None:
    network = DeepLinearNetwork(5, (3, 3))
    kernel = compile_kernel(entropy(network), network.singular_values, "jax")
    symbolic = compile_kernel([entropy(network).diff(x) for x in network.singular_values], network.singular_values)
    sigma = [(3.0, 2.0, 1.0), (3.0, 2.0 + 1e-9, 2.0), (2.0, 2.0, 1e-3)]
    np.testing.assert_allclose(differentiated(kernel, sigma, 1), symbolic(*np.transpose(sigma)), rtol=1e-12)


def test_what_is_not_a_number_stays_so(doubles: None) -> None:
    network = DeepLinearNetwork(7, (2, 2))
    expressions = [network.multiplier(0, 1), network.log_volume_density(), entropy(network)]
    kernel = compile_kernel(expressions, network.singular_values, "jax")
    assert np.isnan(kernel(np.array([np.nan, 1.0, np.nan]), np.array([1.0, np.nan, np.nan]))).all()
