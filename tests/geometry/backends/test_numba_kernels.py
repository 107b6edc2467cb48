"""Numba kernels: called with arrays, and from other jitted code."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sympy import Abs, Matrix, Max, Min, Piecewise, exp, log, oo, sign, sqrt, symbols

from geometry import DeepLinearNetwork, compile_kernel
from geometry.entropy import entropy

numba = pytest.importorskip("numba")
a, b = symbols("a b", positive=True)


@pytest.mark.parametrize("depth", [3, oo])
def test_kernels_agree_with_numpy(depth: object) -> None:
    network = DeepLinearNetwork(depth, (3, 3))
    sigma = np.random.default_rng(0).uniform(0.2, 2, (3, 4, 5))
    for expression in (Matrix(3, 3, network.multiplier), network.log_volume_density(), entropy(network)):
        jitted, plain = (compile_kernel(expression, network.singular_values, name) for name in ("numba", "numpy"))
        assert jitted(*sigma).shape == plain(*sigma).shape
        np.testing.assert_allclose(jitted(*sigma), plain(*sigma), rtol=1e-14, atol=1e-14)


def test_other_jitted_code_calls_the_function() -> None:
    network = DeepLinearNetwork(3, (2, 2))
    multiplier = compile_kernel(network.pair_multiplier(a, b), (a, b), "numba").function
    both = compile_kernel([a + b, a * b], (a, b), "numba").function

    @numba.njit
    def total(values: np.ndarray) -> float:
        result = 0.0
        for x in values:
            for y in values:
                result += multiplier(x, y)
        first, second = both(values[0], values[1])
        return result + first + second

    # Powers of 8 and 1 by 2/3: 16·3, 21·2, 3 and 9 + 8.
    assert total(np.array([8.0, 1.0])) == pytest.approx(48 + 42 + 3 + 9 + 8, rel=1e-15)
    assert multiplier(8.0, 1.0) == pytest.approx(21, rel=1e-15)


def test_elementary_functions() -> None:
    expression = exp(-a) + sqrt(b) + Max(a, b) - Min(a, 1) + Abs(a - b) + sign(a - b) + log(a) / 3
    expression += Piecewise((a, a < 1), (b**2, True)) + 1 / sqrt(a)
    x, y = np.linspace(0.1, 3, 7), np.linspace(2, 1, 7)
    jitted, plain = (compile_kernel(expression, (a, b), name) for name in ("numba", "numpy"))
    np.testing.assert_allclose(jitted(x, y), plain(x, y), rtol=1e-15)
    assert np.isnan(compile_kernel(sqrt(a) + log(b), (a, b), "numba")(-1.0, 1.0))
    assert compile_kernel(log(a), (a,), "numba")(0.0) == -np.inf


def test_shapes_and_types() -> None:
    kernel = compile_kernel(Matrix([[a, 1], [b, a * b]]), (a, b), "numba")
    assert kernel(np.ones((4, 1)), np.ones(3)).shape == (4, 3, 2, 2)
    assert kernel(1, np.float32(2)).tolist() == [[1, 1], [2, 2]]
    assert kernel(np.ones((0, 3)), 1.0).shape == (0, 3, 2, 2)
    scalar = compile_kernel(a / b, (a, b), "numba")
    assert np.shape(scalar(1.0, 2.0)) == ()
    assert scalar(1.0, 0.0) == np.inf
    assert np.isnan(scalar(np.nan, 1.0))
    with pytest.raises(TypeError, match="complex"):
        scalar(1j, 1.0)
    with pytest.raises(ValueError, match="broadcast"):
        scalar(np.ones(2), np.ones(3))
    assert pickle.loads(pickle.dumps(scalar))(1.0, 4.0) == 0.25


def test_what_is_not_a_number_stays_so() -> None:
    network = DeepLinearNetwork(7, (2, 2))
    x, y = network.singular_values
    expressions = [network.multiplier(0, 1), network.log_volume_density(), entropy(network), Max(x, y), Min(x, y, 3)]
    kernel = compile_kernel(expressions, (x, y), "numba")
    assert np.isnan(kernel([np.nan, 1.0, np.nan], [1.0, np.nan, np.nan])).all()
