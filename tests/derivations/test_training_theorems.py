"""The theorems on training hold by every route, and fail once a factor, a sign or an exponent is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from sympy import Expr, Symbol, oo

import geometry.decay
import geometry.escape
import geometry.training
from derivations.derivation import ROUTES, DerivationError, NotApplicableError
from derivations.theorems import (
    decay_rates,
    diagonal_training,
    escape_times,
    linearization,
    spectral_energy_flow,
    time_scales,
)
from geometry import DeepLinearNetwork
from geometry.decay import DecayLaw, LinearMode, TimeScales
from geometry.training import SpectralEnergyFlow

N = Symbol("N", positive=True)
THEOREMS = (spectral_energy_flow, diagonal_training, escape_times, decay_rates, linearization, time_scales)
CASES = [(theorem, network) for theorem in THEOREMS for network in theorem.networks()]


def name_of(value: Any) -> str:
    return getattr(value, "NAME", str(value))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("theorem", "network"), CASES, ids=name_of)
def test_holds(theorem: ModuleType, network: DeepLinearNetwork, route: str) -> None:
    derivation = theorem.derive(network)
    assert derivation.check(route).passed
    assert derivation.steps


@pytest.mark.parametrize(("theorem", "network"), CASES, ids=name_of)
def test_is_written_out(theorem: ModuleType, network: DeepLinearNetwork) -> None:
    assert r"\begin{align*}" in theorem.derive(network).latex()


def test_time_scales_need_null_spaces_that_move() -> None:
    for network in (DeepLinearNetwork(N, (2, 2)), DeepLinearNetwork(oo, (3, 2))):
        with pytest.raises(NotApplicableError):
            time_scales.derive(network)


def fails(theorem: ModuleType, network: DeepLinearNetwork, routes: tuple[str, ...] = ROUTES) -> None:
    derivation = theorem.derive(network)
    for route in routes:
        with pytest.raises(DerivationError):
            derivation.check(route)
        # The definition alone sees it as well, without the steps.
        with pytest.raises(DerivationError):
            replace(derivation, steps=()).check(route)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda flow: SpectralEnergyFlow(flow.equations, 2 * flow.dissipation),
        lambda flow: SpectralEnergyFlow(flow.equations, -flow.dissipation),
        lambda flow: SpectralEnergyFlow(
            tuple(eq.func(eq.lhs, eq.rhs * eq.lhs.args[0], evaluate=False) for eq in flow.equations), flow.dissipation
        ),
    ],
    ids=["factor", "sign", "exponent"],
)
def test_spectral_energy_flow(monkeypatch: pytest.MonkeyPatch, mutate: Callable[..., Any]) -> None:
    original = geometry.training.spectral_energy_flow
    monkeypatch.setattr(geometry.training, "spectral_energy_flow", lambda *given: mutate(original(*given)))
    fails(spectral_energy_flow, DeepLinearNetwork(N, (3, 2), 2))
    fails(spectral_energy_flow, DeepLinearNetwork(oo, (2, 2)), ("precise", "float"))


@pytest.mark.parametrize(
    "mutate",
    [lambda value, power, x: 2 * value, lambda value, power, x: -value, lambda value, power, x: value * x],
    ids=["factor", "sign", "exponent"],
)
@pytest.mark.parametrize("depth", [N, 1, 3], ids=str)
def test_antiderivative(monkeypatch: pytest.MonkeyPatch, depth: Any, mutate: Callable[..., Expr]) -> None:
    original = geometry.training.power_antiderivative
    for module in (geometry.training, geometry.escape):
        monkeypatch.setattr(module, "power_antiderivative", lambda p, x: mutate(original(p, x), p, x))
    # The explicit solution is solved from the same integral: its equation changes with it.
    monkeypatch.setattr(diagonal_training, "_explicit_solution", lambda network: None)
    network = DeepLinearNetwork(depth, (2, 2))
    fails(diagonal_training, network)
    if depth != N:
        fails(escape_times, network)
    else:
        fails(escape_times, network, ("precise", "float"))


@pytest.mark.parametrize("depth", [1, 2, oo], ids=str)
def test_explicit_solution(monkeypatch: pytest.MonkeyPatch, depth: Any) -> None:
    original = geometry.training.solution

    def mutated(operator: Any, start: Expr, target: Expr, time: Expr) -> Expr:
        return original(operator, start, target, time if target == 0 else 2 * time)

    monkeypatch.setattr(geometry.training, "solution", mutated)
    derivation = diagonal_training.derive(DeepLinearNetwork(depth, (2, 2)))
    for route in ("precise", "float"):
        with pytest.raises(DerivationError):
            derivation.check(route)


@pytest.mark.parametrize("depth", [N, 2, 4, oo], ids=str)
def test_growing_terms(monkeypatch: pytest.MonkeyPatch, depth: Any) -> None:
    original = geometry.escape.growing_terms

    def mutated(power: Expr, x: Expr) -> tuple[Expr, Expr]:
        growing, order = original(power, x)
        return 2 * growing, order

    monkeypatch.setattr(geometry.escape, "growing_terms", mutated)
    fails(escape_times, DeepLinearNetwork(depth, (2, 2)), ("precise", "float"))


@pytest.mark.parametrize(
    "mutate",
    [
        lambda law: replace(law, rate=2 * law.rate),
        lambda law: replace(law, rate=-law.rate),
        lambda law: law if law.exponent is None else replace(law, exponent=2 * law.exponent),
    ],
    ids=["factor", "sign", "exponent"],
)
@pytest.mark.parametrize("depth", [N, 1, 3], ids=str)
def test_decay_law(monkeypatch: pytest.MonkeyPatch, depth: Any, mutate: Callable[[DecayLaw], DecayLaw]) -> None:
    original = geometry.decay.decay_law
    monkeypatch.setattr(geometry.decay, "decay_law", lambda *given: mutate(original(*given)))
    fails(decay_rates, DeepLinearNetwork(depth, (2, 2)))


@pytest.mark.parametrize("kind", ["radial", "pair", "left"])
def test_linearization(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    original = geometry.decay.linearization

    def mutated(operator: Any) -> tuple[LinearMode, ...]:
        return tuple(replace(m, rate=2 * m.rate) if m.kind == kind else m for m in original(operator))

    monkeypatch.setattr(geometry.decay, "linearization", mutated)
    for network in (DeepLinearNetwork(N, (3, 2)), DeepLinearNetwork(3, (3, 2), field="C")):
        derivation = linearization.derive(network)
        for route in ROUTES:
            with pytest.raises(DerivationError):
                derivation.check(route)
            with pytest.raises(DerivationError):
                replace(derivation, steps=()).check(route)


def test_spectral_linearization(monkeypatch: pytest.MonkeyPatch) -> None:
    original = geometry.decay.spectral_linearization
    monkeypatch.setattr(geometry.decay, "spectral_linearization", lambda *given: original(*given) / 2)
    derivation = linearization.derive(DeepLinearNetwork(N, (3, 2)))
    for route in ROUTES:
        with pytest.raises(DerivationError):
            derivation.check(route)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda scales: TimeScales(2 * scales.slowest_block, scales.fastest_space),
        lambda scales: TimeScales(scales.slowest_block, -scales.fastest_space),
        lambda scales: TimeScales(scales.slowest_block**2, scales.fastest_space),
    ],
    ids=["factor", "sign", "exponent"],
)
def test_time_scales(monkeypatch: pytest.MonkeyPatch, mutate: Callable[[TimeScales], TimeScales]) -> None:
    original = geometry.decay.time_scales
    monkeypatch.setattr(geometry.decay, "time_scales", lambda *given: mutate(original(*given)))
    fails(time_scales, DeepLinearNetwork(N, (4, 3), 2))
