"""The curvature theorems pass by every route, and fail with a factor or a sign changed."""

from __future__ import annotations

from types import ModuleType

import pytest
from sympy import Symbol, oo

import geometry.curvature
import geometry.ricci
import geometry.riemann
from derivations.derivation import ROUTES, DerivationError
from derivations.theorems import ricci_curvature, scalar_curvature, sectional_curvature, structure_equations
from geometry import DeepLinearNetwork

THEOREMS = (structure_equations, scalar_curvature, ricci_curvature, sectional_curvature)


@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda module: module.NAME)
def test_it_holds(theorem: ModuleType) -> None:
    for network in theorem.networks():
        if network.depth != Symbol("N", positive=True):
            for route in ROUTES:
                assert theorem.derive(network).check(route).passed


def test_symbolic_depth() -> None:
    network = DeepLinearNetwork(Symbol("N", positive=True), (2, 2))
    for theorem in THEOREMS[1:]:
        assert theorem.derive(network).check("float").passed
        assert theorem.derive(network).latex()


def test_rescaled() -> None:
    """The metric times N has the curvature over N, the same Ricci tensor."""
    network = DeepLinearNetwork(3, (2, 2), rescaled=True)
    for theorem in THEOREMS[1:]:
        for route in ROUTES:
            assert theorem.derive(network).check(route).passed


@pytest.mark.parametrize("route", ROUTES)
def test_mutants(monkeypatch: pytest.MonkeyPatch, route: str) -> None:
    """A factor in the scalar curvature, a sign in the Ricci tensor, a factor in the Riemann tensor."""
    scalar, ricci = geometry.curvature.scalar_curvature, geometry.ricci.ricci_curvature
    sectional = geometry.riemann.sectional_curvature
    monkeypatch.setattr(geometry.curvature, "scalar_curvature", lambda metric: 2 * scalar(metric))
    monkeypatch.setattr(geometry.ricci, "ricci_curvature", lambda metric: -ricci(metric))
    monkeypatch.setattr(geometry.riemann, "sectional_curvature", lambda metric, a, b: 2 * sectional(metric, a, b))
    network = DeepLinearNetwork(3, (2, 2))
    for theorem in (scalar_curvature, ricci_curvature, sectional_curvature):
        with pytest.raises(DerivationError):
            theorem.derive(network).check(route)


@pytest.mark.parametrize("route", ROUTES)
def test_mutant_of_the_brackets(monkeypatch: pytest.MonkeyPatch, route: str) -> None:
    original = structure_equations.bracket

    def mutated(*arguments: object) -> object:
        return {z: -c for z, c in original(*arguments).items()}  # type: ignore[arg-type]

    monkeypatch.setattr(structure_equations, "bracket", mutated)
    with pytest.raises(DerivationError):
        structure_equations.derive(DeepLinearNetwork(3, (3, 3))).check(route)


def test_no_metric() -> None:
    for theorem in THEOREMS[1:]:
        with pytest.raises(ValueError, match="infinite depth"):
            theorem.derive(DeepLinearNetwork(oo, (3, 2), 2))
