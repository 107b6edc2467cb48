"""Radial Brownian motion in flat coordinates: Laguerre at every finite depth, Dyson's at infinite depth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import Integer, Rational, Symbol, oo, symbols

from geometry import DeepLinearNetwork, SpectralMetric
from geometry.laplacian import laplacian
from geometry.radial_diffusion import brownian_matrix_diffusion, flat_coordinate, radial_diffusion

N = Symbol("N", positive=True)
m, n, r = symbols("m n r", integer=True, positive=True)


@pytest.mark.parametrize("field", ["R", "C", "H"])
@pytest.mark.parametrize("depth", [1, 3, N])
def test_every_depth_has_the_diffusion_of_a_brownian_matrix(depth: Any, field: str) -> None:
    for shape, rank in (((m, n), r), ((4, 3), 2), ((3, 3), 3), ((5, 1), 1)):
        metric = DeepLinearNetwork(depth, shape, rank, field).metric
        ours, flat = radial_diffusion(metric), brownian_matrix_diffusion(metric)
        difference = (
            (ours.drift - flat.drift).subs({r: 2, m: 4, n: 3}).subs(Symbol("k", integer=True, positive=True), 1)
        )
        assert difference.doit().simplify() == 0


@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("field", ["R", "C", "H"])
def test_dyson_laguerre(field: str, rescaled: bool) -> None:
    """½ [(β(m+n-2r) + β-1)/y_k + β Σ 2 y_k/(y_k² - y_l²)], as in the literature."""
    beta = {"R": 1, "C": 2, "H": 4}[field]
    diffusion = radial_diffusion(DeepLinearNetwork(N, (4, 3), 2, field, rescaled).metric)
    y1, y2 = Integer(3), Rational(5, 7)
    names = {Symbol("y_1", real=True): y1, Symbol("y_2", real=True): y2}
    for position, (own, other) in enumerate(((y1, y2), (y2, y1))):
        expected = Rational(1, 2) * ((beta * 3 + beta - 1) / own + beta * 2 * own / (own**2 - other**2))
        assert diffusion.drift_at(position).subs(names) == expected


@pytest.mark.parametrize("field", ["R", "C", "H"])
def test_dyson(field: str) -> None:
    beta = {"R": 1, "C": 2, "H": 4}[field]
    diffusion = radial_diffusion(DeepLinearNetwork(oo, (3, 3), field=field).metric)
    values = (Integer(3), Rational(5, 7), Integer(-2))
    names = {Symbol(f"y_{k}", real=True): value for k, value in enumerate(values, 1)}
    for position, own in enumerate(values):
        expected = sum(Rational(beta, 2) / (own - other) for other in values if other != own)
        assert diffusion.drift_at(position).subs(names) == expected


@pytest.mark.parametrize("depth", [1, 2, 5, oo])
def test_the_generator_is_half_the_laplacian(depth: Any) -> None:
    """Itô's formula backwards: ½ Δ y_k is the drift of y_k."""
    network = DeepLinearNetwork(depth, (3, 3), field="C")
    diffusion = radial_diffusion(network.metric)
    point = dict(zip(network.singular_values, (Integer(5), Integer(2), Rational(1, 3)), strict=True))
    names = {Symbol(f"y_{k + 1}", real=True): diffusion.coordinate_at(k) for k in range(3)}
    for k in range(3):
        ours = diffusion.drift_at(k).subs(names).subs(point).evalf(30)
        expected = laplacian(network.metric, diffusion.coordinate_at(k)).subs(point).evalf(30) / 2
        assert abs(ours - expected) < Rational(1, 10**25) * abs(expected)


def test_coordinates_are_flat_and_inverse_to_each_other() -> None:
    for metric in (
        DeepLinearNetwork(N, (3, 3)).metric,
        DeepLinearNetwork(N, (3, 3), rescaled=True).metric,
        DeepLinearNetwork(oo, (3, 3)).metric,
        SpectralMetric((3, 3), multiplier=lambda a, b: a + b),
    ):
        y, sigma = flat_coordinate(metric)
        (name,), (own,) = sigma.free_symbols - {N}, y.free_symbols - {N}
        assert sigma.subs(name, y).simplify() == own
        assert (y.diff(own) ** 2 * metric.pair_multiplier(own, own)).simplify() == 1


def test_the_drift_moves_the_mean_square_of_a_brownian_matrix() -> None:
    """Σ y² of an r x q Brownian matrix grows by r q dt, that is 2 y drift + 1 summed; simulated and exactly."""
    diffusion = radial_diffusion(DeepLinearNetwork(7, (4, 3), 3).metric)
    generator = np.random.default_rng(5)
    values = np.linalg.svd(generator.standard_normal((3, 4)), compute_uv=False)
    names = {Symbol(f"y_{k + 1}", real=True): Rational(float(value)) for k, value in enumerate(values)}
    growth = sum(2 * value * diffusion.drift_at(k).subs(names) + 1 for k, value in enumerate(names.values()))
    assert abs(growth - 12) < Rational(1, 10**9)


def test_one_step_of_a_brownian_matrix() -> None:
    """The mean step of the singular values of M + √dt G, over antithetic samples."""
    diffusion = radial_diffusion(DeepLinearNetwork(3, (4, 2), 2).metric)
    start, dt, samples = np.array([2.0, 0.9]), 1e-4, 40000
    matrix = np.zeros((2, 4))
    matrix[0, 0], matrix[1, 1] = start
    noise = np.sqrt(dt) * np.random.default_rng(1).standard_normal((samples, 2, 4))
    both = [np.linalg.svd(matrix + sign * noise, compute_uv=False) for sign in (1, -1)]
    steps = (both[0] + both[1]) / 2 - start
    names = {Symbol("y_1", real=True): 2, Symbol("y_2", real=True): Rational(9, 10)}
    expected = np.array([float(diffusion.drift_at(k).subs(names)) for k in range(2)])
    error = steps.std(axis=0) / np.sqrt(samples) / dt
    # Five standard errors, and what is of second order in dt.
    assert np.all(np.abs(steps.mean(axis=0) / dt - expected) < 5 * error + 10 * dt)


def test_a_metric_without_a_power_on_the_diagonal_is_refused() -> None:
    metric = SpectralMetric((2, 2), multiplier=lambda a, b: 1 + a * b)
    with pytest.raises(ValueError, match="power of σ"):
        radial_diffusion(metric)
