"""The Riemann tensor against the metric of the definition in a chart, and its symmetries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import Float, Matrix, Rational, Symbol, oo, zeros

from derivations.curvature_oracle import CurvatureOracle
from derivations.definition import FloatPoint
from geometry import DeepLinearNetwork, SpectralMetric

N = Symbol("N", positive=True)


@pytest.mark.parametrize(
    ("depth", "shape", "rank", "field"),
    [(3, (2, 2), 2, "R"), (2, (4, 3), 2, "R"), (oo, (3, 3), 3, "R"), (2, (3, 2), 2, "C"), (3, (2, 2), 2, "H")],
)
def test_components(depth: Any, shape: tuple[int, int], rank: int, field: str) -> None:
    """Random components, and a random plane: 1e-10, the oracle's rounding times the condition of its metric."""
    point = FloatPoint(depth, shape, rank, seed=3, field=field)
    oracle, metric = CurvatureOracle(point), DeepLinearNetwork(depth, shape, rank, field).metric
    numbers = dict(zip(metric.singular_values, (Float(x, 30) for x in point.singular_values), strict=True))
    vectors = [components for vector, components in oracle.frame() if vector.component == 0]
    generator = np.random.default_rng(0)
    for a, b in generator.integers(0, len(vectors), (6, 2)):
        for c, d in ((b, a), *generator.integers(0, len(vectors), (2, 2))):
            found = float(metric.riemann_curvature(int(a), int(b), int(c), int(d)).subs(numbers))
            expected = oracle.riemann_component(vectors[a], vectors[b], vectors[c], vectors[d])
            assert abs(found - expected) < 1e-10
    u, v = generator.standard_normal((2, len(vectors)))
    first, second = (sum(x * w for x, w in zip(weights, vectors, strict=True)) for weights in (u, v))
    g = oracle.metric.value
    area = (first @ g @ first) * (second @ g @ second) - (first @ g @ second) ** 2
    expected = oracle.riemann_component(first, second, second, first) / area
    found = float(metric.sectional_curvature(list(map(float, u)), list(map(float, v))).subs(numbers))
    assert abs(found - expected) < 1e-10


def test_symmetries_and_bianchi() -> None:
    """On vectors with rational components, for symbolic depth."""
    metric = DeepLinearNetwork(N, (2, 2)).metric
    numbers = {
        **dict(zip(metric.singular_values, (Float("1.7", 40), Float("0.6", 40)), strict=True)),
        N: Float(3.5, 40),
    }
    generator = np.random.default_rng(1)
    a, b, c, d = ([Rational(int(x), 3) for x in row] for row in generator.integers(-5, 6, (4, 4)))

    def R(*vectors: Any) -> Any:
        return metric.riemann_curvature(*vectors).subs(numbers)

    here = R(a, b, c, d)
    assert here != 0
    for other in (-R(b, a, c, d), -R(a, b, d, c), R(c, d, a, b), -R(b, c, a, d) - R(c, a, b, d)):
        assert abs(here - other) < 1e-30


def test_ricci_is_the_trace() -> None:
    """Of 3 x 3 matrices of rank 2, where every component has a form of its own."""
    metric = DeepLinearNetwork(3, (3, 3), 2).metric
    numbers = dict(zip(metric.singular_values, (Float("1.7", 30), Float("0.6", 30)), strict=True))
    forms, ricci = metric.forms, metric.ricci_curvature().subs(numbers)
    element = metric.line_element()
    gram = Matrix(len(forms), len(forms), lambda i, j: element.diff(forms[i], forms[j]) / 2).subs(numbers)
    inverse, size = gram.inv(), range(len(forms))
    for b in size:
        for c in size:
            terms = (
                inverse[a, d] * metric.riemann_curvature(a, b, c, d).subs(numbers)
                for a in size
                for d in size
                if inverse[a, d] != 0
            )
            assert abs(sum(terms) - ricci[b, c]) < 1e-22


def test_spheres_are_positive() -> None:
    """The cone over S³ x S² at rank one: a plane of S³ in the flat R⁴ x {v}, mixed planes by Gauss."""
    metric = SpectralMetric(shape=(4, 3), rank=1)
    a, b = zeros(4, 3), zeros(4, 3)
    a[1, 0], b[2, 0] = 1, 1
    assert metric.sectional_curvature(a, b) == 0  # the cone over a unit sphere is flat
    assert metric.sectional_curvature("A_1", "B_1") == -(metric.singular_values[0] ** -2)
    deep = DeepLinearNetwork(3, (4, 3), 1).metric
    assert deep.sectional_curvature(a, b).subs(deep.singular_values[0], 1) > 0


def test_what_a_tangent_vector_can_be() -> None:
    metric = DeepLinearNetwork(3, (2, 2)).metric
    forms = metric.forms
    s, t = metric.singular_values
    expected = metric.riemann_curvature(0, 2, 2, 0)
    assert expected == metric.riemann_curvature(forms[0], forms[2], [0, 0, 1, 0], "dsigma_1") != 0
    turn = Matrix([[0, t], [-s, 0]])  # the velocity of Ω^U = 1
    assert (metric.riemann_curvature(0, turn, turn, 0) - expected).equals(0)
    assert (metric.riemann_curvature(0, 2 * forms[2], forms[2], 0) - 2 * expected).equals(0)


@pytest.mark.parametrize("vector", [7, -1, "X", [1, 2], Matrix([[1, 2]]), 1.5, Symbol("y")])
def test_what_it_cannot_be(vector: Any) -> None:
    metric = DeepLinearNetwork(3, (2, 2)).metric
    with pytest.raises(ValueError, match=r"tangent vector|form|velocity|linear"):
        metric.riemann_curvature(vector, 1, 1, 0)


def test_no_plane() -> None:
    metric = DeepLinearNetwork(3, (2, 2)).metric
    with pytest.raises(ValueError, match="span a plane"):
        metric.sectional_curvature(0, 2 * metric.forms[0])


def test_components_do_not_know_the_size() -> None:
    small, large = (DeepLinearNetwork(N, (d, d)).metric for d in (2, 4))
    assert (
        small.sectional_curvature("dsigma_1", "Omega^U_12") == large.sectional_curvature("dsigma_1", "Omega^U_12") != 0
    )
