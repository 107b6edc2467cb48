"""The theorem on the slow flow holds, and fails with a factor, a sign or an exponent changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sympy import Symbol, oo

import geometry.slow_flow
from derivations.derivation import ROUTES, DerivationError, NotApplicableError
from derivations.theorems import slow_flow
from geometry import DeepLinearNetwork
from geometry.slow_flow import SlowFlow

N = Symbol("N", positive=True)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("network", slow_flow.networks(), ids=str)
def test_holds(network: DeepLinearNetwork, route: str) -> None:
    derivation = slow_flow.derive(network)
    assert derivation.check(route).passed
    assert r"\begin{align*}" in derivation.latex()


@pytest.mark.parametrize(
    "mutate",
    [
        lambda flow: replace(flow, left_velocity=2 * flow.left_velocity),
        lambda flow: replace(flow, left_velocity=-flow.left_velocity),
        lambda flow: replace(flow, right_velocity=flow.right_velocity * flow.block),
        lambda flow: replace(flow, block=2 * flow.block),
    ],
    ids=["factor", "sign", "exponent", "block"],
)
def test_mutants_fail(monkeypatch: pytest.MonkeyPatch, mutate: Callable[[SlowFlow], SlowFlow]) -> None:
    original = geometry.slow_flow.slow_flow
    monkeypatch.setattr(geometry.slow_flow, "slow_flow", lambda *given: mutate(original(*given)))
    derivation = slow_flow.derive(DeepLinearNetwork(N, (3, 2), 1))
    for route in ROUTES:
        with pytest.raises(DerivationError):
            replace(derivation, steps=()).check(route)


def test_needs_null_spaces_that_move() -> None:
    for network in (DeepLinearNetwork(N, (2, 2)), DeepLinearNetwork(oo, (3, 2))):
        with pytest.raises(NotApplicableError):
            slow_flow.derive(network)
