"""Calling NumPy kernels: blocks, grids, types, what is not a number, and what is missing."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from sympy import LambertW, Matrix, Rational, S, gamma, hyper, log, loggamma, oo, symbols

from geometry import DeepLinearNetwork, compile_kernel
from geometry.backends.numpy_calls import BLOCK
from geometry.entropy import entropy

a, b = symbols("a b", positive=True)


@pytest.mark.parametrize("depth", [2, 3, 7, 10, oo])
@pytest.mark.parametrize("what", ["multipliers", "log volume", "entropy"])
def test_blocks_give_what_single_calls_give(depth: Any, what: str) -> None:
    network = DeepLinearNetwork(depth, (3, 3))
    expression = {
        "multipliers": Matrix(3, 3, network.multiplier),
        "log volume": network.log_volume_density(),
        "entropy": entropy(network),
    }[what]
    kernel = compile_kernel(expression, network.singular_values)
    sigma = np.random.default_rng(0).uniform(0.1, 2, (3, 2 * BLOCK + 5))
    # What is looked for in blocks, here and there: equal, zero, a ratio that overflows.
    sigma[1, 7] = sigma[0, 7]
    sigma[2, BLOCK + 3] = 0.0
    sigma[:2, BLOCK + 9] = 1e200, 1e-200
    values = kernel(*sigma)
    for index in [0, 7, BLOCK - 1, BLOCK, BLOCK + 3, BLOCK + 9, 2 * BLOCK + 4]:
        np.testing.assert_allclose(values[index], kernel(*sigma[:, index]), rtol=1e-14, atol=1e-14)
    matrix = sigma[:, : BLOCK + BLOCK // 2].reshape(3, 3, -1)
    np.testing.assert_array_equal(kernel(*matrix).reshape(-1, *values.shape[1:]), values[: matrix[0].size])


def test_layout_of_the_argument_does_not_matter() -> None:
    kernel = compile_kernel([a + b, a * b], (a, b))
    columns = np.random.default_rng(0).uniform(size=(3 * BLOCK, 2))
    np.testing.assert_array_equal(kernel(*columns.T), kernel(*np.ascontiguousarray(columns.T)))
    np.testing.assert_array_equal(kernel(columns[:, 0], 2.0)[:, 0], columns[:, 0] + 2)


def test_a_grid_larger_than_a_block() -> None:
    kernel = compile_kernel(DeepLinearNetwork(3, (2, 2)).pair_multiplier(a, b), (a, b))
    x = np.linspace(0.1, 2, 200)
    grid = kernel(x[:, None], x)
    assert grid.shape == (200, 200)
    assert grid.size > BLOCK
    np.testing.assert_array_equal(grid, grid.T)
    np.testing.assert_array_equal(grid, kernel(*np.broadcast_arrays(x[:, None], x)))
    spectra = np.random.default_rng(0).uniform(0.1, 2, (2 * BLOCK, 3))
    batch = kernel(spectra[:, :, None], spectra[:, None, :])
    np.testing.assert_array_equal(batch[-5], kernel(spectra[-5][:, None], spectra[-5]))
    np.testing.assert_array_equal(kernel(spectra[None, :, :, None], x[:3])[0, 7], kernel(spectra[7][:, None], x[:3]))


@pytest.mark.parametrize("depth", [2, 3, 7, 10, oo])
def test_what_is_not_a_number_stays_so_alone_and_without_warnings(depth: Any) -> None:
    network = DeepLinearNetwork(depth, (2, 2))
    x, y = np.array([1.0, np.nan, 3.0, 2.0, 0.0, -1.0]), np.array([np.nan, 2.0, 1.0, 2.0, 0.0, 1.0])
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for expression in (network.multiplier(0, 1), network.log_volume_density(), entropy(network)):
            values = compile_kernel(expression, network.singular_values)(x, y)
            assert np.isnan(values[:2]).all()
            assert np.isfinite(values[2])
    with pytest.raises(FloatingPointError), np.errstate(all="raise"):
        np.log(np.zeros(1))


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int64, np.int8, np.uint8, bool, object])
def test_arguments_of_any_real_type(kind: type) -> None:
    kernel = compile_kernel(DeepLinearNetwork(3, (2, 2)).pair_multiplier(a, b), (a, b))
    value = kernel(np.array([1, 1], dtype=kind), np.array(1, dtype=kind))
    assert value.dtype == np.float64
    assert value.tolist() == [3, 3]
    assert kernel([8, 1], (1, 1)).tolist() == pytest.approx([21, 3], rel=1e-15)


def test_shapes_of_nothing() -> None:
    kernel = compile_kernel(Matrix(2, 2, [a, b, b, a]), (a, b))
    for shape in ((0,), (0, 3), (2, 0)):
        assert kernel(np.ones(shape), 1.0).shape == (*shape, 2, 2)
    assert compile_kernel(S(2), ())() == 2
    assert kernel(np.float64(1), np.array(2.0)).shape == (2, 2)


def test_arguments_are_not_changed_and_results_are_writable() -> None:
    x, y = np.array([1.0, 2.0]), np.array([2.0, 2.0])
    for expression in ([a, b, a / b], DeepLinearNetwork(7, (2, 2)).pair_multiplier(a, b), log(a) - log(b)):
        values = compile_kernel(expression, (a, b))(x, y)
        values[...] = 0
        assert x.tolist() == [1, 2]
        assert y.tolist() == [2, 2]


@pytest.mark.parametrize("name", ["out", "add", "multiply", "log_gap"])
def test_names_of_the_code_around_are_no_obstacle(name: str) -> None:
    symbol = symbols(name, positive=True)
    kernel = compile_kernel([symbol + b, abs(log(symbol) - log(b))], (symbol, b))
    np.testing.assert_allclose(kernel(2.0, 1.0), [3, np.log(2)], rtol=1e-15)


@pytest.mark.parametrize("backend", ["numpy", "mpmath"])
def test_special_functions(backend: str) -> None:
    cases = [gamma(a), loggamma(a), LambertW(a), hyper((Rational(1, 2),), (Rational(3, 2),), -a)]
    cases += [hyper((1, Rational(1, 3)), (Rational(4, 3),), -a), hyper((), (Rational(3, 2),), a)]
    for case in cases:
        expected = float(case.subs(a, Rational(7, 10)).evalf(30))
        assert float(compile_kernel(case, (a,), backend)(0.7)) == pytest.approx(expected, rel=1e-14)
    assert np.isnan(float(compile_kernel(LambertW(-a), (a,))(1.0)))


@pytest.mark.parametrize(("backend", "library", "extra"), [("jax", "jax", "jax"), ("numba", "numba", "compiled")])
def test_a_missing_library_names_its_extra(backend: str, library: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from sympy import Symbol\nfrom geometry import compile_kernel\n"
        f"compile_kernel(Symbol('a'), Symbol('a'), {backend!r})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 1
    assert f"pip install 'dln-geometry[{extra}]'" in run.stderr


def test_a_backend_without_a_function_refuses_it() -> None:
    pytest.importorskip("numba")
    with pytest.raises(ValueError, match="LambertW"):
        compile_kernel(LambertW(a), (a,), "numba")
