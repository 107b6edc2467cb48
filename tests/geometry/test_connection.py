"""The Levi-Civita connection: it is metric, and its torsion vanishes on the structure equations."""

from __future__ import annotations

from typing import Any

import pytest
from sympy import Float, Matrix, Symbol, diff, log, oo

from geometry import DeepLinearNetwork, SpectralMetric
from geometry.normal_form import factored

N = Symbol("N", positive=True)


def point(metric: SpectralMetric) -> dict[Symbol, Any]:
    numbers = dict(zip(metric.singular_values, (Float("1.7", 30), Float("0.6", 30), Float("0.25", 30)), strict=False))
    return {**numbers, N: Float("3.5", 30)}


@pytest.mark.parametrize(
    ("depth", "shape", "rank"), [(N, (2, 2), 2), (3, (3, 3), 3), (oo, (2, 2), 2), (2, (4, 3), 2), (1, (3, 1), 1)]
)
def test_it_is_metric_and_without_torsion(depth: Any, shape: tuple[int, int], rank: int) -> None:
    """e_c g_ab = Γ_a,bc + Γ_b,ac, and Γ^a_bc - Γ^a_cb is the bracket: of so_m + so_n, from Ω's own commutators."""
    metric = DeepLinearNetwork(depth, shape, rank).metric
    forms, numbers, gamma = metric.forms, point(metric), metric.christoffel_symbols()
    size, element = len(forms), metric.line_element()
    g = Matrix(size, size, lambda i, j: diff(element, forms[i], forms[j]) / 2)
    value = {key: number.subs(numbers) for key, number in gamma.items()}
    g_here = g.subs(numbers)
    for c in range(size):
        for a in range(size):
            for b in range(a, size):
                slope = diff(g[a, b], metric.singular_values[c]).subs(numbers) if c < rank else 0
                terms = (
                    value.get((forms[e], forms[i], forms[c]), 0) * g_here[e, j]
                    for e in range(size)
                    for i, j in ((a, b), (b, a))
                )
                assert abs(slope - sum(terms)) < 1e-25
    for a, b, c in value:
        torsion = value[a, b, c] - value.get((a, c, b), 0)
        # Brackets of the frame are 0 or ±1.
        assert min(abs(torsion), abs(torsion - 1), abs(torsion + 1)) < 1e-25


def test_factored_is_bounded() -> None:
    """A long expression comes back as it is, and what is not rational does too."""
    a, b = DeepLinearNetwork(2, (2, 2)).singular_values
    long = sum(1 / (a**k + b ** (k + 1) + k) for k in range(1, 60))
    assert factored(long) == long
    assert factored(log(a) ** 2 - log(b) ** 2 - (log(a) - log(b)) * (log(a) + log(b))) == 0


def test_symbolic_rank() -> None:
    r = Symbol("r", integer=True, positive=True)
    with pytest.raises(ValueError, match="rank must be a number"):
        DeepLinearNetwork(2, (r, r), r).metric.christoffel_symbols()
