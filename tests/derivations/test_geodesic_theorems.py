"""The theorems on geodesics hold, and fail with a factor or a sign changed."""

from __future__ import annotations

from typing import Any

import pytest
from sympy import Symbol, oo

import derivations.theorems.bures_wasserstein as bures_wasserstein
import derivations.theorems.diagonal_geodesics as diagonal_geodesics
import derivations.theorems.geodesic_equations as geodesic_equations
import geometry.geodesic_closed_forms
import geometry.geodesics
from derivations.derivation import DerivationError, NotApplicableError
from geometry import DeepLinearNetwork

ROUTES = ("exact", "precise", "float")
THEOREMS: tuple[Any, ...] = (bures_wasserstein, diagonal_geodesics, geodesic_equations)
NETWORK = DeepLinearNetwork(2, (2, 2))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.NAME)
def test_holds(theorem: Any, route: str) -> None:
    for network in theorem.networks():
        assert theorem.derive(network).check(route).passed
    assert r"\begin{align*}" in theorem.derive(theorem.networks()[0]).latex()


@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.NAME)
def test_not_applicable(theorem: Any) -> None:
    with pytest.raises(NotApplicableError):
        theorem.derive(DeepLinearNetwork(oo, (3, 2)))


def fails(theorem: Any, network: DeepLinearNetwork, route: str) -> None:
    with pytest.raises(DerivationError):
        theorem.derive(network).check(route)


@pytest.mark.parametrize("route", ROUTES)
def test_energy_with_a_factor(monkeypatch: pytest.MonkeyPatch, route: str) -> None:
    original = geometry.geodesics.kinetic_energy
    monkeypatch.setattr(geometry.geodesics, "kinetic_energy", lambda *given: 2 * original(*given))
    fails(geodesic_equations, NETWORK, route)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("change", ["force", "euler"])
def test_equations_with_a_sign(monkeypatch: pytest.MonkeyPatch, route: str, change: str) -> None:
    original = geometry.geodesics.geodesic_system

    def mutant(metric: Any) -> Any:
        from dataclasses import replace

        system = original(metric)
        letter = {"force": "p_", "euler": "M^"}[change]
        rates = [
            -rate if symbol.name.startswith(letter) else rate
            for symbol, rate in zip(system.state, system.rates, strict=True)
        ]
        return replace(system, rates=tuple(rates))

    monkeypatch.setattr(geometry.geodesics, "geodesic_system", mutant)
    fails(geodesic_equations, DeepLinearNetwork(2, (3, 3)), route)


@pytest.mark.parametrize("route", ROUTES)
def test_flat_coordinate_with_an_exponent(monkeypatch: pytest.MonkeyPatch, route: str) -> None:
    original = geometry.geodesic_closed_forms.flat_coordinate
    monkeypatch.setattr(
        geometry.geodesic_closed_forms, "flat_coordinate", lambda metric, value: original(metric, value) ** 2
    )
    fails(diagonal_geodesics, DeepLinearNetwork(Symbol("N", positive=True), (2, 2)), route)


@pytest.mark.parametrize("route", ROUTES)
def test_momentum_with_a_sign(monkeypatch: pytest.MonkeyPatch, route: str) -> None:
    monkeypatch.setattr(bures_wasserstein, "momentum_of", lambda slope, time: slope / (1 - time * slope))
    fails(bures_wasserstein, NETWORK, route)
