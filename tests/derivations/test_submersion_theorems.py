"""Theorems about layers hold by every route, and fail with a factor, a sign, an exponent or a transpose changed."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from sympy import Expr, Symbol, latex, oo, sqrt

import geometry.balancing
import geometry.constant_defect
import geometry.layers
import geometry.submersion
from derivations.derivation import ROUTES, DerivationError, NotApplicableError
from derivations.theorems import balancing_flow, conserved_quantities, constant_defect, riemannian_submersion
from geometry import DeepLinearNetwork, SpectralMetric
from geometry.submersion import HorizontalLift

N = Symbol("N", positive=True)
THEOREMS = (riemannian_submersion, conserved_quantities, balancing_flow, constant_defect)
SMALL = (DeepLinearNetwork(N, (2, 2)), DeepLinearNetwork(3, (3, 2), 1, rescaled=True))
LAYERED = (riemannian_submersion, conserved_quantities, balancing_flow)


def failing_routes(theorem: ModuleType, network: DeepLinearNetwork) -> set[str]:
    """The routes by which a theorem fails, be it while it is derived."""
    failed = set()
    for route in ROUTES:
        try:
            theorem.derive(network).check(route)
        except DerivationError:
            failed.add(route)
    return failed


# ---------------------------------------------------------------------------------------------- as they are


@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.NAME)
def test_theorems_hold(theorem: ModuleType) -> None:
    for network in (theorem.networks()[0], theorem.networks()[-1]):
        for route in ROUTES:
            result = theorem.derive(network).check(route)
            assert result.passed
            assert result.figure <= result.bound


@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.NAME)
def test_theorems_are_readable(theorem: ModuleType) -> None:
    derivation = theorem.derive(theorem.networks()[0])
    assert derivation.name == theorem.NAME
    assert len(derivation.steps) >= 4
    assert all(step.reason for step in derivation.steps)
    assert r"\begin{align*}" in derivation.latex()
    # A prime and an exponent on one letter would be a double superscript.
    assert "'" not in derivation.latex()
    assert str(theorem.REFERENCE) in str(derivation)
    assert (theorem.derive.__doc__ or "").splitlines()[0].endswith(".")


@pytest.mark.parametrize("theorem", LAYERED, ids=lambda theorem: theorem.NAME)
def test_infinite_depth_has_no_layers(theorem: ModuleType) -> None:
    with pytest.raises(NotApplicableError, match="depth oo"):
        theorem.derive(DeepLinearNetwork(oo, (2, 2)))


def test_a_constant_defect_is_one_of_two_square_layers() -> None:
    for network in (DeepLinearNetwork(3, (2, 2)), DeepLinearNetwork(2, (3, 2)), DeepLinearNetwork(N, (2, 2))):
        with pytest.raises(NotApplicableError, match="two layers"):
            constant_defect.derive(network)


def test_results() -> None:
    sigma = Symbol("sigma_1", positive=True)
    least, decay = balancing_flow.derive(DeepLinearNetwork(N, (1, 1))).result
    assert least == N * sigma ** (2 / N) / 2
    assert latex(decay) == "e^{- 2 t}"
    component, square, null = riemannian_submersion.derive(DeepLinearNetwork(2, (2, 2))).result
    k, l = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    p = Symbol("p", integer=True, positive=True)
    assert (component.subs(p, 1), component.subs(p, 2)) == (sqrt(k), sqrt(l))
    assert square == k + l
    assert null == l


# --------------------------------------------------------------------------------------------- as they are not


Mutation = Callable[[pytest.MonkeyPatch], None]


def replaced(modules: tuple[ModuleType, ...], name: str, change: Callable[..., Any]) -> Mutation:
    """A function replaced wherever it has been imported; `change` gets the original and its arguments."""

    def mutate(monkeypatch: pytest.MonkeyPatch) -> None:
        original = getattr(modules[0], name)
        for module in modules:
            monkeypatch.setattr(module, name, lambda *arguments: change(original, *arguments))

    return mutate


LIFT = (geometry.submersion, riemannian_submersion)
ADJOINT = (geometry.layers, riemannian_submersion)


def of_norm(change: Callable[[Expr], Expr]) -> Mutation:
    def mutate(monkeypatch: pytest.MonkeyPatch) -> None:
        original = HorizontalLift.summed_norm
        monkeypatch.setattr(HorizontalLift, "summed_norm", lambda self: change(original(self)))

    return mutate


@pytest.mark.parametrize(
    "mutate",
    [
        replaced(LIFT, "lift_component", lambda f, a, b, p, depth: 2 * f(a, b, p, depth)),
        replaced(LIFT, "lift_component", lambda f, a, b, p, depth: f(b, a, p, depth)),
        replaced(LIFT, "lift_component", lambda f, a, b, p, depth: f(a, b, p, 2 * depth)),
        replaced(LIFT, "vertical_component", lambda f, a, b, turn, previous, depth: f(a, b, turn, -previous, depth)),
        replaced(LIFT, "vertical_component", lambda f, a, b, turn, previous, depth: f(b, a, turn, previous, depth)),
        of_norm(lambda norm: 2 * norm),
        of_norm(lambda norm: -norm),
        of_norm(lambda norm: norm**2),
        replaced(ADJOINT, "adjoint", lambda f, layers, Z: [2 * V if p == 0 else V for p, V in enumerate(f(layers, Z))]),
    ],
    ids=["factor", "sides", "exponent", "sign", "vertical", "norm factor", "norm sign", "norm exponent", "adjoint"],
)
def test_riemannian_submersion(monkeypatch: pytest.MonkeyPatch, mutate: Mutation) -> None:
    mutate(monkeypatch)
    for network in SMALL:
        assert failing_routes(riemannian_submersion, network) == set(ROUTES)


DECAY = (geometry.layers, conserved_quantities)


@pytest.mark.parametrize(
    "mutate",
    [
        replaced(DECAY, "defect_decay", lambda f, mu, t: f(-mu, t)),
        replaced(DECAY, "defect_decay", lambda f, mu, t: f(mu / 2, t)),
        replaced(DECAY, "defect_decay", lambda f, mu, t: f(mu, t**2)),
        replaced(DECAY, "adjoint", lambda f, layers, Z: tuple(-V if p else V for p, V in enumerate(f(layers, Z)))),
        replaced(DECAY, "defects", lambda f, layers: tuple(2 * D for D in f(layers))),
        replaced(DECAY, "defect_velocity", lambda f, layers, moves: tuple(-D for D in f(layers, moves))),
    ],
    ids=["sign", "factor", "exponent", "force", "defect", "velocity"],
)
def test_conserved_quantities(monkeypatch: pytest.MonkeyPatch, mutate: Mutation) -> None:
    mutate(monkeypatch)
    for network in SMALL:
        assert failing_routes(conserved_quantities, network) == set(ROUTES)


BALANCING = (geometry.balancing, balancing_flow)


@pytest.mark.parametrize(
    "mutate",
    [
        replaced(BALANCING, "least_regularizer", lambda f, network: 2 * f(network)),
        replaced(BALANCING, "least_regularizer", lambda f, network: -f(network)),
        replaced(
            BALANCING,
            "least_regularizer",
            lambda f, network: f(network).replace(lambda x: x.is_Symbol and "sigma" in x.name, lambda x: x**2),
        ),
        replaced((geometry.layers, balancing_flow), "defect_decay", lambda f, mu, t: f(2 * mu, t)),
        replaced(BALANCING, "regularizer_derivative", lambda f, layers, xi: -f(layers, xi)),
        replaced(BALANCING, "regularizer_second_derivative", lambda f, layers, xi: f(layers, xi) / 2),
        replaced(BALANCING, "scalar_balancing_flow", lambda f, count: [e.func(e.lhs, 2 * e.rhs) for e in f(count)]),
        replaced(
            BALANCING,
            "fibre_velocity",
            lambda f, layers, xi: tuple(-V if p else V for p, V in enumerate(f(layers, xi))),
        ),
    ],
    ids=["factor", "sign", "exponent", "decay", "derivative", "hessian", "scalar", "generators"],
)
def test_balancing_flow(monkeypatch: pytest.MonkeyPatch, mutate: Mutation) -> None:
    mutate(monkeypatch)
    for network in SMALL:
        assert failing_routes(balancing_flow, network) == set(ROUTES)


def changed_metric(change: Callable[[Expr, Expr, Expr], Expr]) -> Mutation:
    def mutate(monkeypatch: pytest.MonkeyPatch) -> None:
        original = SpectralMetric.pair_multiplier
        monkeypatch.setattr(SpectralMetric, "pair_multiplier", lambda self, a, b: change(original(self, a, b), a, b))

    return mutate


@pytest.mark.parametrize(
    "mutate",
    [
        changed_metric(lambda value, a, b: 2 * value),
        changed_metric(lambda value, a, b: -value),
        changed_metric(lambda value, a, b: value.subs(a, a**2) if a != b else 3 * value),
        replaced(
            (geometry.constant_defect, constant_defect), "layer_square", lambda f, sigma, delta: f(sigma, 2 * delta)
        ),
    ],
    ids=["factor", "sign", "exponent", "defect"],
)
def test_constant_defect(monkeypatch: pytest.MonkeyPatch, mutate: Mutation) -> None:
    mutate(monkeypatch)
    assert failing_routes(constant_defect, DeepLinearNetwork(2, (2, 2))) == set(ROUTES)
