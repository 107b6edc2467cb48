"""The theorems on Laplacian, diffusions, Gibbs measures and Langevin equations hold, and fail once mutated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from sympy import Expr, Rational, S, Symbol, Tuple, oo, symbols

import geometry.gibbs
import geometry.langevin_equation
import geometry.laplacian
from derivations.derivation import ROUTES, Derivation, DerivationError, NotApplicableError
from derivations.theorems import (
    equilibrium,
    gibbs_partition,
    langevin,
    laplacian,
    layer_langevin,
    radial_brownian_motion,
)
from geometry import DeepLinearNetwork

N = Symbol("N", positive=True)
m, n, r = symbols("m n r", integer=True, positive=True)
THEOREMS: dict[ModuleType, tuple[DeepLinearNetwork, ...]] = {
    laplacian: (DeepLinearNetwork(N, (2, 2)), DeepLinearNetwork(3, (3, 2)), DeepLinearNetwork(oo, (2, 2), field="C")),
    radial_brownian_motion: (DeepLinearNetwork(N, (2, 2), field="C"), DeepLinearNetwork(oo, (2, 2))),
    gibbs_partition: (DeepLinearNetwork(N, (m, n), r), DeepLinearNetwork(3, (3, 2), rescaled=True)),
    langevin: (DeepLinearNetwork(N, (2, 2)), DeepLinearNetwork(2, (2, 1), field="H"), DeepLinearNetwork(oo, (2, 2))),
    layer_langevin: (
        DeepLinearNetwork(N, (2, 2)),
        DeepLinearNetwork(3, (3, 2)),
        DeepLinearNetwork(2, (1, 1), field="H"),
    ),
    equilibrium: equilibrium.networks(),
}
CASES = [(theorem, network) for theorem, networks in THEOREMS.items() for network in networks]


def name_of(value: Any) -> str:
    return getattr(value, "NAME", str(value))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("theorem", "network"), CASES, ids=name_of)
def test_holds(theorem: ModuleType, network: DeepLinearNetwork, route: str) -> None:
    derivation = theorem.derive(network)
    assert derivation.check(route).passed
    assert derivation.steps


@pytest.mark.parametrize("theorem", THEOREMS, ids=name_of)
def test_is_written_out(theorem: ModuleType) -> None:
    for network in theorem.networks():
        derivation = theorem.derive(network)
        assert r"\begin{align*}" in derivation.latex()
        assert derivation.name in str(derivation)


def test_symbolic_rank_holds() -> None:
    """Everything a symbol, exactly, for the theorem that the others build on."""
    assert laplacian.derive(DeepLinearNetwork(N, (m, n), r)).check("float").passed
    assert langevin.derive(DeepLinearNetwork(N, (m, n), r)).check("precise").passed


@pytest.mark.parametrize(
    ("theorem", "network"),
    [
        (laplacian, DeepLinearNetwork(oo, (3, 2))),
        (radial_brownian_motion, DeepLinearNetwork(oo, (3, 2))),
        (langevin, DeepLinearNetwork(oo, (3, 2))),
        (layer_langevin, DeepLinearNetwork(oo, (2, 2))),
        (gibbs_partition, DeepLinearNetwork(oo, (2, 2))),
        (equilibrium, DeepLinearNetwork(3, (3, 3))),
    ],
    ids=name_of,
)
def test_not_applicable(theorem: ModuleType, network: DeepLinearNetwork) -> None:
    with pytest.raises(NotApplicableError):
        theorem.derive(network)


# ------------------------------------------------- mutants of the result, caught by the definition alone

K = Symbol("k", integer=True, positive=True)


def doubled(value: Expr) -> Expr:
    return 2 * value


def negated(value: Expr) -> Expr:
    return -value


def slightly_off(value: Expr) -> Expr:
    return value * (1 + Rational(1, 10**9))


def fails(derivation: Derivation, route: str) -> bool:
    try:
        derivation.check(route)
    except DerivationError:
        return True
    return False


@pytest.mark.parametrize("mutate", [doubled, negated, slightly_off])
@pytest.mark.parametrize(
    "theorem", [laplacian, radial_brownian_motion, langevin, layer_langevin, gibbs_partition], ids=name_of
)
def test_a_mutated_result_fails_against_the_definition(theorem: ModuleType, mutate: Callable[[Expr], Expr]) -> None:
    # Z enters as a square, whose sign is lost; a drift of zero has no factor.
    if theorem is gibbs_partition and mutate is negated:
        mutate = doubled
    network = DeepLinearNetwork(3, (2, 2))
    derivation = theorem.derive(network)
    several = isinstance(derivation.result, Tuple)
    result = Tuple(mutate(derivation.result[0]), *derivation.result[1:]) if several else mutate(derivation.result)
    mutant = replace(derivation, steps=(), result=result)
    assert all(fails(mutant, route) for route in ROUTES)


@pytest.mark.parametrize("position", range(8))
def test_mutated_exponents_fail(position: int) -> None:
    derivation = equilibrium.derive(DeepLinearNetwork(3, (2, 2)))
    values = list(derivation.result)
    values[position] += Rational(1, 10**9)
    assert all(fails(replace(derivation, steps=(), result=Tuple(*values)), route) for route in ROUTES)


def test_without_the_entropy_the_layers_do_not_agree() -> None:
    derivation = layer_langevin.derive(DeepLinearNetwork(3, (2, 2)))
    mutant = replace(derivation, steps=(), result=Tuple(derivation.result[0], S.Zero))
    assert all(fails(mutant, route) for route in ROUTES)


# ----------------------------------------------------------- mutants of the derivation, caught by steps


def test_a_mutated_volume_form_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    original = geometry.laplacian.log_volume_derivatives

    def mutated(metric: Any) -> tuple[Expr, Expr]:
        own, pair = original(metric)
        return own, pair / 2

    monkeypatch.setattr(geometry.laplacian, "log_volume_derivatives", mutated)
    derivation = laplacian.derive(DeepLinearNetwork(N, (2, 2)))
    assert all(fails(derivation, route) for route in ROUTES)


@pytest.mark.parametrize("kind", ["pair", "left", "right"])
def test_a_mutated_orbit_fails(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    original = geometry.langevin_equation.orbit_acceleration

    def mutated(block: Any, sigma: Any) -> Expr:
        return original(block, sigma) * (2 if block.kind == kind else 1)

    monkeypatch.setattr(geometry.langevin_equation, "orbit_acceleration", mutated)
    derivation = langevin.derive(DeepLinearNetwork(N, (4, 3), 2))
    assert all(fails(derivation, route) for route in ROUTES)


def test_a_mutated_selberg_integral_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    original = geometry.gibbs.laguerre_selberg
    monkeypatch.setattr(geometry.gibbs, "laguerre_selberg", lambda alpha, g, rank: original(alpha + 1, g, rank))
    derivation = gibbs_partition.derive(DeepLinearNetwork(N, (3, 3)))
    assert all(fails(derivation, route) for route in ROUTES)


def test_a_mutated_flat_coordinate_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    import geometry.radial_diffusion as module

    original = module.flat_coordinate

    def mutated(metric: Any) -> tuple[Expr, Expr]:
        y, sigma = original(metric)
        (name,) = sigma.free_symbols - {N}
        return 2 * y, sigma.subs(name, name / 2)

    monkeypatch.setattr(module, "flat_coordinate", mutated)
    derivation = radial_brownian_motion.derive(DeepLinearNetwork(N, (2, 2)))
    assert all(fails(derivation, route) for route in ROUTES)


def test_a_mutated_entropy_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    original = layer_langevin.entropy_drift
    monkeypatch.setattr(layer_langevin, "entropy_drift", lambda *arguments: original(*arguments) / 2)
    derivation = layer_langevin.derive(DeepLinearNetwork(N, (2, 2)))
    assert all(fails(derivation, route) for route in ROUTES)
