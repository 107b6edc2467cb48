"""Spectral metrics against the Gram matrix of tangent vectors, and against metrics that are known otherwise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.linalg import expm
from sympy import Expr, Matrix, Rational, Symbol, exp, log, oo, sqrt, symbols

from geometry import DeepLinearNetwork, LogarithmicMean, SpectralMetric
from tests.definition import DefinedPoint

a, b = symbols("a b", positive=True)


def spectrum(rank: int, seed: int) -> np.ndarray:
    """Singular values between 0.5 and 2.5."""
    return np.sort(np.random.default_rng(seed).uniform(0.5, 2.5, rank))[::-1]


# ------------------------------------------------------------------------------------ the line element


@pytest.mark.parametrize(
    ("depth", "shape", "rank"),
    [(N, shape, rank) for N in (1, 2, 3, 6) for shape, rank in (((3, 3), 3), ((3, 3), 2), ((2, 3), 2))]
    + [(oo, (3, 3), 3)],
)
def test_line_element_is_the_gram_matrix_of_the_definition(depth: Any, shape: tuple[int, int], rank: int) -> None:
    metric = DeepLinearNetwork(depth, shape, rank).metric
    point = DefinedPoint.random(shape, spectrum(rank, 3), np.random.default_rng(4))
    # Here there is at most one null direction a side, so every form is one real component.
    names = {
        "radial": "dsigma_{k}",
        "left rotation": "Omega^U_{k}{l}",
        "right rotation": "Omega^V_{k}{l}",
        "left": "A_{l}",
        "right": "B_{l}",
    }
    order = [
        names[v.kind].format(k=v.indices[0] + 1, l=(v.indices[1] + 1 if len(v.indices) > 1 else ""))
        for v in point.frame()
    ]
    forms = {form.name: form for form in metric.forms}
    assert sorted(order) == sorted(forms)
    quadratic = metric.line_element().subs(dict(zip(metric.singular_values, point.sigma, strict=True)))
    gram = point.gram(float(depth))

    def length(components: np.ndarray) -> float:
        return float(quadratic.subs({forms[name]: value for name, value in zip(order, components, strict=True)}))

    generator = np.random.default_rng(5)
    for _ in range(3):
        components = generator.standard_normal(len(order))
        # Condition of X about 5, its square times 1e-15 in the eigenvalues of X Xᵀ.
        np.testing.assert_allclose(length(components), components @ gram @ components, rtol=1e-11)


# --------------------------------------------------------------------------------- metrics of one's own


def bures_wasserstein_square(A: mpmath.matrix, C: mpmath.matrix) -> mpmath.mpf:
    """tr A + tr C - 2 tr (A^½ C A^½)^½."""

    def root(matrix: mpmath.matrix) -> mpmath.matrix:
        values, vectors = mpmath.eigsy(matrix)
        return vectors * mpmath.diag([mpmath.sqrt(value) for value in values]) * vectors.T

    def trace(matrix: mpmath.matrix) -> mpmath.mpf:
        return mpmath.fsum(matrix[i, i] for i in range(matrix.rows))

    half = root(A)
    return trace(A) + trace(C) - 2 * trace(root(half * C * half))


@pytest.mark.parametrize(
    "source", [SpectralMetric((3, 3), multiplier=lambda a, b: a + b), DeepLinearNetwork(2, (3, 3)).metric]
)
def test_sum_multiplier_on_positive_matrices_is_twice_bures_wasserstein(source: SpectralMetric) -> None:
    generator = np.random.default_rng(8)
    sigma, turned = spectrum(3, 9), np.linalg.qr(generator.standard_normal((3, 3)))[0]
    Z = generator.standard_normal((3, 3))
    Z = Z + Z.T
    with mpmath.workdps(60):
        frame = mpmath.matrix(turned.tolist())
        frame = mpmath.qr(frame)[0]
        A = frame * mpmath.diag([mpmath.mpf(float(value)) for value in sigma]) * frame.T
        direction = frame * mpmath.matrix(Z.tolist()) * frame.T
        step = mpmath.mpf(10) ** -15
        # Forward and backward: odd orders cancel, so that the error is of order step² = 1e-30.
        both = [bures_wasserstein_square(A, A + s * step * direction) for s in (1, -1)]
        expected = (both[0] + both[1]) / step**2
    forms = {form.name: form for form in source.forms}
    values: dict[Symbol, float] = dict(zip(source.singular_values, map(float, sigma), strict=True))
    for k in range(3):
        values[forms[f"dsigma_{k + 1}"]] = Z[k, k]
    for k, l in combinations(range(3), 2):
        # A symmetric velocity turns U and V alike: Ω Λ - Λ Ω is Z off the diagonal.
        for side in "UV":
            values[forms[f"Omega^{side}_{k + 1}{l + 1}"]] = Z[k, l] / (sigma[l] - sigma[k])
    np.testing.assert_allclose(float(source.line_element().subs(values)), float(expected), rtol=1e-12)


@pytest.mark.parametrize(("shape", "rank"), [((2, 2), 2), ((3, 3), 3), ((3, 2), 2), ((4, 3), 2)])
def test_frobenius_volume_is_the_jacobian_of_the_decomposition(shape: tuple[int, int], rank: int) -> None:
    metric = SpectralMetric(shape, rank)
    (m, n), sigma = shape, spectrum(rank, 21)
    moves = [("sigma", k, k) for k in range(rank)]
    moves += [("U", k, l) for k in range(rank) for l in range(k + 1, m)]
    moves += [("V", k, l) for k in range(rank) for l in range(k + 1, n)]

    def matrix(parameters: np.ndarray) -> np.ndarray:
        inner, turns = np.zeros(shape), {"U": np.zeros((m, m)), "V": np.zeros((n, n))}
        inner[np.arange(rank), np.arange(rank)] = sigma
        for (kind, k, l), value in zip(moves, parameters, strict=True):
            if kind == "sigma":
                inner[k, k] += value
            else:
                turns[kind][l, k], turns[kind][k, l] = value, -value
        return expm(turns["U"]) @ inner @ expm(turns["V"]).T

    step = 1e-4
    columns = []
    for index in range(len(moves)):
        e = np.zeros(len(moves))
        e[index] = step
        # Fourth-order differences: h⁴ = 1e-16 and rounding 1e-12.
        columns.append((8 * (matrix(e) - matrix(-e)) - (matrix(2 * e) - matrix(-2 * e))).ravel() / (12 * step))
    jacobian = np.array(columns).T
    expected = np.sqrt(np.linalg.det(jacobian.T @ jacobian))
    assert len(moves) == metric.dimension
    density = metric.volume_density().subs(dict(zip(metric.singular_values, sigma, strict=True)))
    np.testing.assert_allclose(float(density), expected, rtol=1e-9)


@pytest.mark.parametrize(
    "multiplier",
    [
        lambda a, b: a + b,
        lambda a, b: sqrt(a * b),
        lambda a, b: LogarithmicMean(a**2, b**2),
        lambda a, b: (a**3 - b**3) / (a - b),
    ],
)
def test_volume_of_any_metric_is_that_of_its_gram_matrix(multiplier: Callable[[Any, Any], Any]) -> None:
    metric = SpectralMetric((3, 3), multiplier=multiplier)
    point = DefinedPoint.random((3, 3), spectrum(3, 31), np.random.default_rng(32))
    weights = np.array(
        [
            [
                float(metric.multiplier(k, l).subs(dict(zip(metric.singular_values, point.sigma, strict=True))))
                for l in range(3)
            ]
            for k in range(3)
        ]
    )
    inner = [point.left.T @ vector.velocity @ point.right for vector in point.frame()]
    gram = np.array([[np.sum(F * G / weights) for G in inner] for F in inner])
    density = metric.volume_density().subs(dict(zip(metric.singular_values, point.sigma, strict=True)))
    np.testing.assert_allclose(float(density), np.sqrt(np.linalg.det(gram)), rtol=1e-11)
    log_density = metric.log_volume_density().subs(dict(zip(metric.singular_values, point.sigma, strict=True)))
    np.testing.assert_allclose(float(log_density), np.linalg.slogdet(gram)[1] / 2, atol=1e-11)


@pytest.mark.parametrize(
    ("multiplier", "diagonal", "against_zero"),
    [
        (lambda a, b: a + b, 2 * a, a),
        (lambda a, b: (a**2 - b**2) / (log(a) - log(b)) if a != b else a, 2 * a**2, None),
        (lambda a, b: (a**3 - b**3) / (a - b), 3 * a**2, a**2),
        (lambda a, b: 1 + a * b, 1 + a**2, Rational(1)),
    ],
)
def test_values_at_coalescence_and_against_zero_are_limits(
    multiplier: Callable[[Any, Any], Any], diagonal: Expr, against_zero: Expr | None
) -> None:
    metric = SpectralMetric((3, 3), 3, multiplier)
    sigma = metric.singular_values[0]
    assert (metric.multiplier(0, 0) - diagonal.subs(a, sigma)).simplify() == 0
    if against_zero is not None:
        deficient = SpectralMetric((3, 3), 2, multiplier)
        assert (deficient.null_multiplier(0) - against_zero.subs(a, sigma)).simplify() == 0


def test_a_given_null_multiplier_is_taken() -> None:
    metric = SpectralMetric((3, 2), 2, lambda a, b: a * b, null_multiplier=lambda a: 5 * a)
    assert metric.null_multiplier(1) == 5 * metric.singular_values[1]


def test_properties_are_those_of_the_coframe() -> None:
    metric = SpectralMetric((4, 3), 2, field="C")
    assert (metric.shape, metric.rank, metric.field) == ((4, 3), 2, "C")
    assert metric.dimension == 2 * 2 * (4 + 3 - 2)
    assert metric.singular_values == DeepLinearNetwork(3, (4, 3), 2).metric.singular_values


# -------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"shape": (3, 3), "multiplier": lambda a, b: a + 2 * b}, "symmetric"),
        ({"shape": (3, 3), "multiplier": lambda a, b: -a - b}, "positive"),
        ({"shape": (3, 2), "multiplier": lambda a, b: a * b}, "rank = m = n"),
        ({"shape": (3, 3), "rank": 2, "multiplier": lambda a, b: LogarithmicMean(a, b)}, "rank = m = n"),
        ({"shape": (0, 3)}, "shape"),
        ({"shape": (3,)}, "shape"),
        ({"shape": 3}, "shape"),
        ({"shape": (3, 3.5)}, "shape"),
        ({"shape": (3, True)}, "shape"),
        ({"shape": (3, 3), "rank": 0}, "rank"),
        ({"shape": (3, 2), "rank": 3}, "rank"),
        ({"shape": (3, 3), "rank": 1.5}, "rank"),
        ({"shape": (3, 3), "field": "Q"}, "field"),
        ({"shape": symbols("m n", integer=True, positive=True)}, "rank"),
        ({"shape": (Symbol("m", integer=False), 3), "rank": 2}, "shape"),
    ],
)
def test_what_is_no_metric_is_refused(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        SpectralMetric(**arguments)


@pytest.mark.parametrize("index", [2, 5, -1])
def test_indices_out_of_range_are_refused(index: int) -> None:
    metric = SpectralMetric((3, 2), 2)
    with pytest.raises(IndexError, match="index"):
        metric.multiplier(index, 0)
    with pytest.raises(IndexError, match="index"):
        metric.multiplier(0, index)
    with pytest.raises(IndexError, match="index"):
        metric.null_multiplier(index)


def test_a_multiplier_of_unknown_sign_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        SpectralMetric((2, 2), multiplier=lambda a, b: exp(-a - b) - 1)


def test_text_is_never_evaluated(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from geometry.decay import decay_law
    from geometry.gibbs import partition_function
    from geometry.group_volumes import group_volume
    from geometry.training import spectral_energy_flow

    monkeypatch.chdir(tmp_path)
    hostile: Any = "open('evaluated', 'w')"
    network = DeepLinearNetwork(3, (2, 2))
    for use in (
        lambda: SpectralMetric((2, 2), multiplier=lambda a, b: hostile),
        lambda: SpectralMetric((3, 2), multiplier=lambda a, b: a + b, null_multiplier=lambda a: hostile),
        lambda: partition_function(network, hostile),
        lambda: group_volume(hostile),
        lambda: decay_law(network, 2, hostile),
        lambda: spectral_energy_flow(network, hostile),
        lambda: network.metric.laplacian(hostile),
        lambda: network.metric.sectional_curvature([hostile, 0, 0, 0], [0, 1, 0, 0]),
    ):
        with pytest.raises((ValueError, TypeError)):
            use()
    assert not list(tmp_path.iterdir())


def test_tangent_vectors_and_functions_are_finite_scalars() -> None:
    metric = DeepLinearNetwork(2, (2, 2)).metric
    for bad in (float("nan"), float("inf"), oo):
        with pytest.raises(ValueError, match="finite"):
            metric.sectional_curvature([bad, 0, 0, 0], [0, 0, 1, 0])
    with pytest.raises(ValueError, match="scalar"):
        metric.laplacian(Matrix([1]))
