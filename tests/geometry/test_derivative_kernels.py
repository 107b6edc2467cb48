"""Kernels of gradients, Jacobians and Hessians against differences of 60 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import Abs, Matrix, lambdify, log, oo, symbols

from geometry import DeepLinearNetwork, compile_kernel, explicit
from geometry.derivative_kernels import gradient_kernel, hessian_kernel, jacobian_kernel
from geometry.entropy import entropy

a, b, c, N = symbols("a b c N", positive=True)
STEP = mpmath.mpf("1e-25")


def differences(function: Callable[..., Any], point: tuple[float, ...]) -> list[Any]:
    """Central differences along every argument."""
    slopes = []
    for index in range(len(point)):
        ends = []
        for sign in (1, -1):
            moved = [mpmath.mpf(x) for x in point]
            moved[index] *= 1 + sign * STEP
            ends.append(function(*moved))
        slopes.append((ends[0] - ends[1]) / (2 * STEP * mpmath.mpf(point[index])))
    return slopes


POINTS = [(3.0, 2.0, 1.0), (1.3, 1.3 - 1e-13, 0.2), (1e100, 1e99, 3e98)]


@pytest.mark.parametrize("depth", [2, 3, 7, oo])
@pytest.mark.parametrize("what", ["multiplier", "log volume", "entropy"])
def test_gradients(depth: Any, what: str) -> None:
    network = DeepLinearNetwork(depth, (3, 3))
    expression = {
        "multiplier": network.multiplier(0, 1),
        "log volume": network.log_volume_density(),
        "entropy": entropy(network),
    }[what]
    gradient = gradient_kernel(expression, network.singular_values)
    precise = compile_kernel(expression, network.singular_values, "mpmath")
    for point in POINTS:
        with mpmath.workdps(80):
            exact = np.array([float(slope) for slope in differences(precise, point)])
        np.testing.assert_allclose(gradient(*point), exact, rtol=2e-14, atol=1e-14 * np.abs(exact).max())


@pytest.mark.parametrize("depth", [2, 3, 7, oo])
def test_hessians_are_symmetric_and_regular_where_values_coalesce(depth: Any) -> None:
    network = DeepLinearNetwork(depth, (2, 2))
    hessian = hessian_kernel(network.pair_multiplier(a, b), (a, b))
    gradient = gradient_kernel(network.pair_multiplier(a, b), (a, b), "mpmath")
    for point in ((3.0, 2.0), (1.3, 1.3 - 1e-13), (1.3, 1.3)):
        found = hessian(*point)
        np.testing.assert_array_equal(found, found.T)
        with mpmath.workdps(80):
            rows = differences(lambda x, y: gradient(x, y), point)
            exact = np.array([[float(row[i]) for i in range(2)] for row in rows])
        np.testing.assert_allclose(found, exact, rtol=1e-13, atol=1e-14)


def test_the_derivative_of_the_quotient_would_fail() -> None:
    """The mutant: what SymPy prints of it, where singular values nearly coalesce."""
    multiplier = DeepLinearNetwork(3, (2, 2)).pair_multiplier(a, b)
    naive = lambdify((a, b), explicit(multiplier).diff(a))
    x, y = 1.0 + 1e-9, 1.0
    # λ = x² + x y + y² in x = a^(2/3): ∂λ/∂a = 2 at a = b = 1.
    assert abs(naive(x, y) - 2.0) > 1e-3
    assert gradient_kernel(multiplier, (a, b))(x, y)[0] == pytest.approx(2.0, abs=1e-8)


def test_jacobians_of_several_expressions_by_some_arguments() -> None:
    jacobian = jacobian_kernel([a * c, b**2 * c, c], (a, b, c), variables=(b, a))
    x = np.linspace(1, 2, 4)
    values = jacobian(x, 2.0, 3.0)
    assert values.shape == (4, 3, 2)
    np.testing.assert_array_equal(values[1], [[0, 3], [12, 0], [0, 0]])
    assert jacobian_kernel(Matrix([a * b, a]), (a, b))(2.0, 3.0).tolist() == [[3, 2], [1, 0]]
    assert gradient_kernel(log(Abs(a - b)), (a, b))(1.0, 3.0).tolist() == [-0.5, 0.5]
    assert hessian_kernel(log(Abs(a - b)), (a, b))(1.0, 3.0).tolist() == [[-0.25, 0.25], [0.25, -0.25]]


@pytest.mark.parametrize("backend", ["jax", "numba", "mpmath"])
def test_other_backends(backend: str) -> None:
    if backend != "mpmath":
        pytest.importorskip(backend)
    expression = DeepLinearNetwork(3, (2, 2)).pair_multiplier(a, b)
    found = gradient_kernel(expression, (a, b), backend)(2.0, 1.0)
    expected = gradient_kernel(expression, (a, b))(2.0, 1.0)
    np.testing.assert_allclose([float(x) for x in found], expected, rtol=1e-14)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="variables"):
        gradient_kernel(a * b, (a, b), variables=(c,))
    with pytest.raises(TypeError, match="jacobian_kernel"):
        gradient_kernel([a, b], (a, b))
    with pytest.raises(TypeError, match="string"):
        gradient_kernel("a*b", (a, b))
    with pytest.raises(ValueError, match="free symbols"):
        gradient_kernel(a * b * c, (a, b))
