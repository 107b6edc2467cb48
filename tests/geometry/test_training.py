"""The flow of singular values against the layers' own gradient flow, sums of N terms and quadrature."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sympy import Integer, LambertW, Rational, Symbol, log, oo, symbols

from geometry import DeepLinearNetwork, SpectralMetric, compile_kernel
from geometry.training import (
    first_integral,
    power_antiderivative,
    radial_power,
    solution,
    spectral_energy_flow,
)

N = Symbol("N", positive=True)
sigma, s, start, t = symbols("sigma s sigma_0 t", positive=True)
r = Symbol("r", integer=True, positive=True)


def of_depth(depth: Any) -> DeepLinearNetwork:
    return DeepLinearNetwork(depth, (1, 1))


def mobility(depth: Any, value: Any) -> Any:
    """λ(σ, σ) of a 1 x 1 matrix as the sum of N terms, at infinite depth as the integral."""
    if depth == oo:
        return mpmath.quad(lambda u: value ** (2 * (1 - u)) * value ** (2 * u), [0, 1])
    return mpmath.fsum(
        value ** (mpmath.mpf(2 * (depth - p)) / depth) * value ** (mpmath.mpf(2 * (p - 1)) / depth)
        for p in range(1, depth + 1)
    )


def orthogonal(generator: np.random.Generator, size: int) -> Any:
    return np.linalg.qr(generator.standard_normal((size, size)))[0]


def product(layers: Any) -> Any:
    result = np.eye(layers.shape[-1])
    for layer in layers:
        result = layer @ result
    return result


def layer_gradients(layers: Any, slope: Any) -> Any:
    """∂E/∂W_p = (W_N ⋯ W_{p+1})ᵀ ∇E (W_{p-1} ⋯ W_1)ᵀ."""
    return np.array([product(layers[p + 1 :]).T @ slope @ product(layers[:p]).T for p in range(len(layers))])


def train_layers(depth: int, values: Any, targets: Any, until: float) -> tuple[Any, Any]:
    """Singular values after integrating the layers from balanced ones, all in rotated frames; and the layers."""
    generator, size = np.random.default_rng(depth), len(values)
    frames = [orthogonal(generator, size) for _ in range(depth + 1)]
    core = np.diag(np.asarray(values) ** (1 / depth))
    layers = np.array([frames[p + 1] @ core @ frames[p].T for p in range(depth)])
    target = frames[-1] @ np.diag(targets) @ frames[0].T

    def velocity(_: float, flat: Any) -> Any:
        W = flat.reshape(layers.shape)
        return -layer_gradients(W, product(W) - target).ravel()

    run = solve_ivp(velocity, (0, until), layers.ravel(), method="DOP853", rtol=1e-12, atol=1e-14)
    W = run.y[:, -1].reshape(layers.shape)
    return np.diag(frames[-1].T @ product(W) @ frames[0]), W


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_first_integral_along_the_layers(depth: int) -> None:
    """Three modes, from below and from above: each obeys t + G = const on its own."""
    values, targets, until = [0.5, 0.3, 2.0], [1.5, 1.1, 0.7], 0.4
    after, _ = train_layers(depth, values, targets, until)
    kernel = compile_kernel(first_integral(of_depth(depth), sigma, s), [sigma, s])
    elapsed = kernel(np.array(values), np.array(targets)) - kernel(after, np.array(targets))
    # The integrator's tolerance of 1e-12, carried along by a flow without growth beyond e^5.
    assert np.allclose(elapsed, until, rtol=0, atol=1e-9)


@pytest.mark.parametrize("depth", [1, 2, 3, 6, oo])
def test_first_integral_by_quadrature(depth: Any) -> None:
    with mpmath.workdps(30):
        target = mpmath.mpf(6) / 5
        kernel = compile_kernel(first_integral(of_depth(depth), sigma, s), [sigma, s], "mpmath")
        for a, b in ((mpmath.mpf("0.2"), mpmath.mpf("1.1")), (mpmath.mpf("1.3"), mpmath.mpf(7))):
            expected = mpmath.quad(lambda x: 1 / (mobility(depth, x) * (x - target)), [a, (a + b) / 2, b])
            # Gauss quadrature near the pole at s, five digits short of thirty.
            assert abs(kernel(b, target) - kernel(a, target) - expected) < mpmath.mpf(10) ** -18


@pytest.mark.parametrize("depth", [1, 3, 4, 7])
def test_symbolic_depth_is_the_same_integral(depth: int) -> None:
    """The hypergeometric function at an integer depth is the finite sum, constant included."""
    values = {sigma: Rational(1, 3), s: Rational(6, 5)}
    general = first_integral(of_depth(N), sigma, s).subs({N: depth, **values}).evalf(30)
    special = first_integral(of_depth(depth), sigma, s).subs(values).evalf(30)
    assert abs(general - special) < Rational(1, 10**27)
    assert special != 0


@pytest.mark.parametrize("power", [0, 1, 2, 3, Rational(-5, 3), Rational(4, 3), Rational(17, 9), Rational(5, 6)])
def test_antiderivative(power: Any) -> None:
    """Between two points against quadrature, and without a constant at zero."""
    x = Symbol("x", positive=True)
    kernel = compile_kernel(power_antiderivative(Integer(power) if isinstance(power, int) else power, x), [x], "mpmath")
    with mpmath.workdps(25):
        p = mpmath.mpf(Rational(power).p) / Rational(power).q
        for a, b in (("0.1", "0.9"), ("1.2", "30")):
            expected = mpmath.quad(lambda u: u**-p / (1 - u), [a, (float(a) + float(b)) / 2, b])
            assert abs(kernel(mpmath.mpf(b)) - kernel(mpmath.mpf(a)) - expected) < mpmath.mpf(10) ** -14
    with mpmath.workdps(60):
        x0, p = mpmath.mpf(10) ** -6, mpmath.mpf(Rational(power).p) / Rational(power).q
        singular = mpmath.fsum(mpmath.log(x0) if n + 1 == power else x0 ** (n + 1 - p) / (n + 1 - p) for n in range(12))
        # Twelve terms leave x0^(13-p) and the terms of smaller order, p at most 3.
        assert abs(kernel(x0) - singular) < mpmath.mpf(10) ** -40


@pytest.mark.parametrize("depth", [1, 2])
def test_solution_is_that_of_the_layers(depth: int) -> None:
    values, targets, until = [0.5, 0.3, 2.0], [1.5, 1.1, 0.7], 0.8
    after, _ = train_layers(depth, values, targets, until)
    kernel = compile_kernel(solution(of_depth(depth), start, s, t), [start, s, t])
    assert np.allclose(kernel(np.array(values), np.array(targets), until), after, rtol=1e-9)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_solution_towards_zero_is_that_of_the_layers(depth: int) -> None:
    values, until = [2.0, 0.5], 1.5
    after, _ = train_layers(depth, values, [0.0, 0.0], until)
    kernel = compile_kernel(solution(of_depth(depth), start, 0, t), [start, t])
    if depth > 1:
        general = compile_kernel(solution(of_depth(N), start, 0, t), [N, start, t])
        assert np.allclose(general(depth, np.array(values), until), after, rtol=1e-9)
    assert np.allclose(kernel(np.array(values), until), after, rtol=1e-9)


@pytest.mark.parametrize("initial", ["0.05", "0.4", "3.5"])
def test_solution_at_infinite_depth(initial: str) -> None:
    """Lambert's W against the integrator on dσ/dt = -∫ σ^{2-2u} σ^{2u} du (σ - s), from below and above."""
    found = solution(of_depth(oo), start, s, t)
    assert found.has(LambertW)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    shares = (1 + nodes) / 2

    def velocity(_: float, y: Any) -> Any:
        return -np.sum(weights / 2 * y ** (2 - 2 * shares) * y ** (2 * shares)) * (y - 1.2)

    run = solve_ivp(velocity, (0, 1), [float(initial)], method="DOP853", rtol=1e-12, atol=1e-14, t_eval=[0.3, 1])
    for time, expected in zip(("0.3", "1"), run.y[0], strict=True):
        values = {start: Rational(initial), s: Rational("1.2"), t: Rational(time)}
        # The integrator's tolerance of 1e-12, grown by at most e^{s²}.
        assert abs(float(found.subs(values)) / expected - 1) < 1e-10


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_dissipation_is_the_gradient_of_the_layers(depth: int) -> None:
    """dE/dt = -Σ_p |∂L/∂W_p|² for the layers' gradient flow."""
    values, targets = [2.0, 0.9, 0.4], np.array([1.0, 1.4, 0.2])
    _, layers = train_layers(depth, values, targets, 1e-12)
    network = DeepLinearNetwork(depth, (3, 3))
    flow = spectral_energy_flow(
        network, sum((x - Rational(v)) ** 2 / 2 for x, v in zip(network.singular_values, targets, strict=True))
    )
    # The slope of the energy in a frame of singular vectors, from an SVD in decreasing order.
    U, X, V = np.linalg.svd(product(layers))
    slope = U @ np.diag(X - targets) @ V
    expected = -np.sum(layer_gradients(layers, slope) ** 2)
    kernel = compile_kernel(flow.dissipation, network.singular_values)
    assert np.isclose(kernel(*X), expected, rtol=1e-10)
    assert expected < -0.01


def test_symbolic_rank_is_the_explicit_one() -> None:
    def energy(x: Any) -> Any:
        return (x - s) ** 2 / 2 + log(1 + x)

    symbolic = spectral_energy_flow(DeepLinearNetwork(N, (r, r), r), energy)
    explicit_rank = spectral_energy_flow(DeepLinearNetwork(N, (3, 3)), energy)
    difference = symbolic.dissipation.subs(r, 3).doit() - explicit_rank.dissipation
    assert difference.expand() == 0 != explicit_rank.dissipation
    assert len(symbolic.equations) == 1
    renamed = symbolic.equations[0].rhs.subs(Symbol("sigma_k", positive=True), Symbol("sigma_1", positive=True))
    assert (renamed - explicit_rank.equations[0].rhs).expand() == 0


def test_metrics_of_ones_own() -> None:
    bures = SpectralMetric(shape=(2, 2), multiplier=lambda a, b: a + b)
    assert radial_power(bures) == (2, 1)
    assert (solution(bures, start, s, t) - solution(of_depth(2), start, s, t)).expand() == 0
    with pytest.raises(ValueError, match="multiplier must be"):
        first_integral(SpectralMetric(shape=(2, 2), multiplier=lambda a, b: 1 + a * b), sigma, s)


def test_what_cannot_be_had_is_refused() -> None:
    with pytest.raises(ValueError, match="implicit"):
        solution(of_depth(3), start, s, t)
    with pytest.raises(ValueError, match="target"):
        first_integral(of_depth(3), sigma, -1)
    with pytest.raises(ValueError, match="symbolic rank"):
        spectral_energy_flow(DeepLinearNetwork(N, (r, r), r), sigma**2)


def test_fields_have_the_same_radial_flow() -> None:
    flows = [spectral_energy_flow(DeepLinearNetwork(3, (2, 2), field=f), lambda x: x**3) for f in "RCH"]
    assert flows[0] == flows[1] == flows[2]
