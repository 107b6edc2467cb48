"""Every backend against mpmath, in units in the last place: all gaps, all sizes, all depths."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Expr, Rational, log, oo, symbols

from geometry import DeepLinearNetwork, Kernel, compile_kernel
from geometry.entropy import entropy
from tests.definition import precise_multiplier

DEPTHS = [1, 2, 3, 4, 5, 7, 10, 37, 100, 10**6, oo]
SUMMED_DEPTH = 40
"""Up to here the multiplier is the sum of N terms; beyond, its closed form to 80 digits, which cancels 16."""
BOUND = 8.0
SMALLEST, LARGEST = 2.3e-308, 1.7e308
a, b = symbols("a b", positive=True)


def exact_multiplier(x: float, y: float, depth: Any) -> mpmath.mpf:
    with mpmath.workdps(80):
        u, v = mpmath.mpf(x), mpmath.mpf(y)
        if depth == oo:
            if u == v:
                return u * u
            return mpmath.mpf(0) if v == 0 or u == 0 else (u * u - v * v) / (2 * (mpmath.log(u) - mpmath.log(v)))
        if depth <= SUMMED_DEPTH:
            return precise_multiplier(x, y, depth)
        q = mpmath.mpf(2) / depth
        return depth * u ** (2 - q) if u == v else (u * u - v * v) / (u**q - v**q)


def exact_denominator(x: float, y: float, depth: Any) -> mpmath.mpf:
    """What the rates of rotation are divided by."""
    with mpmath.workdps(80):
        u, v = mpmath.mpf(x), mpmath.mpf(y)
        if depth == oo:
            return mpmath.log(u) - mpmath.log(v)
        q = mpmath.mpf(2) / depth
        return u**q - v**q


def ulps(value: Any, exact: mpmath.mpf) -> float:
    """The error in units in the last place; 0 where the exact value is no normal double."""
    size = float(abs(exact))
    if exact == 0:
        return 0.0 if value == 0 else float("inf")
    if not SMALLEST < size < LARGEST:
        return 0.0
    if not np.isfinite(float(value)):
        return float("inf")
    return float(abs(mpmath.mpf(float(value)) - exact) / mpmath.mpf(float(np.spacing(size))))


def denominator(depth: Any) -> Expr:
    return log(a) - log(b) if depth == oo else a ** Rational(2, depth) - b ** Rational(2, depth)


@cache
def kernels(depth: Any, backend: str) -> tuple[Kernel, Kernel, Kernel]:
    """Multiplier, its inverse, the denominator of the rates."""
    multiplier = DeepLinearNetwork(depth, (2, 2)).pair_multiplier(a, b)
    return tuple(compile_kernel(f, (a, b), backend) for f in (multiplier, 1 / multiplier, denominator(depth)))  # type: ignore[return-value]


def pairs(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sizes from 1e-300 to 1e300; equal, an ulp apart, near, far, very far, in either order."""
    generator = np.random.default_rng(seed)
    x = np.where(
        generator.random(count) < 0.5, 10.0 ** generator.uniform(-300, 300, count), generator.uniform(0.1, 2, count)
    )
    below = 10.0 ** generator.uniform(-300, np.log10(x))
    near = x * (1 - 10.0 ** generator.uniform(-16, -1, count))
    kinds = [x, np.nextafter(x, 0), near, x * generator.uniform(0.01, 1, count), below]
    y = np.choose(generator.integers(0, len(kinds), count), kinds)
    swap = generator.random(count) < 0.5
    return np.where(swap, y, x), np.where(swap, x, y)


# ------------------------------------------------------------------- multipliers and the rates' denominators


CASES = [*(("numpy", depth) for depth in DEPTHS), *(("jax", depth) for depth in (2, 3, 10, 37, oo))]
CASES += [("numba", depth) for depth in (3, 37, oo)]
"""Compiling takes seconds; these depths are of every kind: written out, in roots, by logarithms, the limit."""


@pytest.mark.parametrize(("backend", "depth"), CASES)
def test_within_eight_ulps(backend: str, depth: Any) -> None:
    if backend != "numpy":
        pytest.importorskip(backend)
    x, y = pairs(7, 120 if backend == "numpy" else 60)
    multiplier, inverse, difference = (np.asarray(kernel(x, y)) for kernel in kernels(depth, backend))
    for k in range(len(x)):
        exact = exact_multiplier(x[k], y[k], depth)
        assert ulps(multiplier[k], exact) <= BOUND, (x[k], y[k])
        # XLA takes a multiplier that is no normal number for zero.
        if exact > SMALLEST:
            assert ulps(inverse[k], 1 / exact) <= BOUND, (x[k], y[k])
        assert ulps(difference[k], exact_denominator(x[k], y[k], depth)) <= BOUND, (x[k], y[k])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.floats(min_value=-300, max_value=300),
    st.one_of(st.floats(-16, 0).map(lambda e: 10.0**e), st.floats(0, 690), st.sampled_from([0.0, 2.0**-52])),
    st.sampled_from(DEPTHS),
)
def test_any_pair(log_size: float, log_gap: float, depth: Any) -> None:
    x = 10.0**log_size
    y = max(x * float(np.exp(-log_gap)), 1e-300)
    multiplier, inverse, difference = kernels(depth, "numpy")
    exact = exact_multiplier(x, y, depth)
    assert ulps(multiplier(x, y), exact) <= BOUND
    assert multiplier(x, y) == multiplier(y, x)
    assert ulps(inverse(x, y), 1 / exact) <= BOUND
    assert ulps(difference(x, y), exact_denominator(x, y, depth)) <= BOUND
    assert difference(x, y) == -difference(y, x)


@pytest.mark.parametrize(("backend", "depth"), [*CASES, *(("mpmath", depth) for depth in DEPTHS)])
def test_against_zero(backend: str, depth: Any) -> None:
    if backend in ("jax", "numba"):
        pytest.importorskip(backend)
    multiplier = kernels(depth, backend)[0]
    for x in (1e-200, 0.7, 1e200):
        exact = exact_multiplier(x, 0.0, depth)
        assert ulps(multiplier(x, 0.0), exact) <= BOUND
        assert ulps(multiplier(0.0, x), exact) <= BOUND
    assert multiplier(0.0, 0.0) == (1 if depth == 1 else 0)


def test_a_depth_slightly_off_would_be_seen() -> None:
    """The mutant: an exponent that is rounded, not compensated, at a large scale."""
    x, y = 1e200, 1.3e199
    q = 2 / 7
    assert ulps((x / y) ** q * y**q - y**q, exact_denominator(x, y, 7)) > BOUND


# --------------------------------------------------------------------- log volume density and log entropy


def spectra(rank: int, count: int, seed: int) -> np.ndarray:
    """(count, rank): of order 1, near 1, at any scale, over all scales, nearly coalescing."""
    generator = np.random.default_rng(seed)
    kinds = [
        lambda: generator.uniform(0.1, 2, rank),
        lambda: np.exp(generator.normal(0, 0.05, rank)),
        lambda: 10.0 ** generator.uniform(-299, 299) * generator.uniform(0.5, 1, rank),
        lambda: 10.0 ** generator.uniform(-150, 150, rank),
        lambda: (
            generator.uniform(0.5, 2) * (1 + 1e-13 * np.arange(rank)) * generator.uniform(1 - 1e-12, 1 + 1e-12, rank)
        ),
        lambda: 1 + 1e-12 * np.arange(1, rank + 1),
    ]
    return np.array([np.sort(kinds[index % len(kinds)]())[::-1] for index in range(count)])


def terms(kind: str, depth: Any, rank: int, sigma: list[mpmath.mpf]) -> list[mpmath.mpf]:
    """What log √det g, or S, is a sum of, from multipliers summed from the definition where that is possible."""
    if kind == "entropy":
        logs = [mpmath.log(_multiplier(x, y, depth)) / 2 for x, y in combinations(sigma, 2)]
        return logs if depth == oo else [*logs, (depth - 1) * _log_constant(rank)]
    if depth == oo:
        pairs_ = [mpmath.log(2 * abs(mpmath.log(x) - mpmath.log(y))) for x, y in combinations(sigma, 2)]
        return [*(-mpmath.log(x) for x in sigma), *pairs_]
    q = mpmath.mpf(2) / depth
    singles = [(mpmath.mpf(1) / depth - 1) * mpmath.log(x) for x in sigma]
    gaps = [mpmath.log(abs(x**q - y**q)) for x, y in combinations(sigma, 2)]
    return [*singles, *gaps, -mpmath.mpf(rank) / 2 * mpmath.log(depth)]


def _multiplier(x: mpmath.mpf, y: mpmath.mpf, depth: Any) -> mpmath.mpf:
    if depth == oo:
        return (x * x - y * y) / (2 * (mpmath.log(x) - mpmath.log(y)))
    exponent = mpmath.mpf(2) / depth
    return mpmath.fsum(x ** (exponent * (depth - p)) * y ** (exponent * (p - 1)) for p in range(1, depth + 1))


def _log_constant(rank: int) -> mpmath.mpf:
    """log c, c = 2^(r(r-1)/4) vol(O_r)."""
    spheres = [2 * mpmath.pi ** (mpmath.mpf(j) / 2) / mpmath.gamma(mpmath.mpf(j) / 2) for j in range(1, rank + 1)]
    return mpmath.mpf(rank * (rank - 1)) / 4 * mpmath.log(2) + mpmath.fsum(map(mpmath.log, spheres))


LOG_CASES = [("numpy", depth, rank) for depth in (2, 3, 10, oo) for rank in (2, 3, 8, 10)]
LOG_CASES += [(backend, depth, 3) for backend in ("jax", "numba") for depth in (3, oo)]


@pytest.mark.parametrize(("backend", "depth", "rank"), LOG_CASES)
@pytest.mark.parametrize("kind", ["volume", "entropy"])
def test_logarithms_to_their_largest_term(kind: str, backend: str, depth: Any, rank: int) -> None:
    """8 ulps of the largest term, and the rounding of the result, which with 45 terms is larger than any of them."""
    if backend != "numpy":
        pytest.importorskip(backend)
    network = DeepLinearNetwork(depth, (rank, rank))
    expression = network.log_volume_density() if kind == "volume" else entropy(network)
    sigma = spectra(rank, 18 if rank < 5 else 6, 11)
    values = np.asarray(compile_kernel(expression, network.singular_values, backend)(*sigma.T))
    for row, value in zip(sigma, values, strict=True):
        with mpmath.workdps(80):
            parts = terms(kind, depth, rank, [mpmath.mpf(float(x)) for x in row])
            exact, largest = mpmath.fsum(parts), float(max(map(abs, parts)))
            error = float(abs(mpmath.mpf(float(value)) - exact))
        assert error <= BOUND * np.spacing(largest) + np.spacing(abs(float(exact))) / 2, row


def test_naive_sums_would_fail() -> None:
    """The mutant: logarithms rounded one by one, at a size where their coefficients add up."""
    depth, rank, sigma = 3, 8, [1e250 * (1 - 0.1 * k) for k in range(8)]
    powers = [x ** (2 / 3) for x in sigma]
    naive = -4 * np.log(3.0) + sum((1 / 3 - 1) * np.log(x) for x in sigma)
    naive += sum(np.log(x - y) for x, y in combinations(powers, 2))
    with mpmath.workdps(80):
        parts = terms("volume", depth, rank, [mpmath.mpf(x) for x in sigma])
        exact, largest = mpmath.fsum(parts), float(max(map(abs, parts)))
        error = float(abs(mpmath.mpf(float(naive)) - exact))
    assert error > np.spacing(abs(float(exact))) / 2 + np.spacing(largest)
    network = DeepLinearNetwork(depth, (rank, rank))
    value = compile_kernel(network.log_volume_density(), network.singular_values)(*sigma)
    with mpmath.workdps(80):
        assert float(abs(mpmath.mpf(float(value)) - exact)) <= np.spacing(abs(float(exact))) / 2 + np.spacing(largest)
