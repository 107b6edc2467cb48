"""The expansion in 1/N holds by every route, and fails with a coefficient, a factor or a sign changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sympy import Expr, Symbol

import derivations.theorems.depth_expansion as theorem
import geometry.power_series
from derivations.derivation import ROUTES
from geometry import DeepLinearNetwork
from geometry.network import DeepLinearNetwork as Network

N = Symbol("N", positive=True)
SMALL = DeepLinearNetwork(N, (2, 2))


def failing_routes() -> set[str]:
    """The routes by which the theorem fails."""
    failed = set()
    for route in ROUTES:
        try:
            theorem.derive(DeepLinearNetwork(N, (2, 2))).check(route)
        except (ArithmeticError, ValueError):
            failed.add(route)
    return failed


def test_it_holds() -> None:
    assert failing_routes() == set()


def test_any_depth_will_do() -> None:
    derivation = theorem.derive(DeepLinearNetwork(3, (3, 2), rescaled=True))
    assert derivation.network.depth == N
    assert derivation.check("float").passed


@pytest.mark.parametrize(
    "change",
    [lambda c, k: 2 * c, lambda c, k: -c, lambda c, k: c * (k + 1)],
    ids=["factor", "sign", "denominator"],
)
@pytest.mark.parametrize("name", ["_sinh_quotient", "_inverse_sinh_quotient"])
def test_coefficients(monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Expr, int], Expr]) -> None:
    original = getattr(geometry.power_series, name)
    monkeypatch.setattr(geometry.power_series, name, lambda k: change(original(k), k))
    # The volume form's pairs are no part of the exact route.
    expected = {"precise", "float"} if name == "_sinh_quotient" else set(ROUTES)
    assert failing_routes() >= expected


def test_a_multiplier_that_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Network.pair_multiplier

    def mutated(self: Any, a: Expr, b: Expr) -> Expr:
        return original(self, a, b) * (1 + 1 / self.depth)

    monkeypatch.setattr(Network, "pair_multiplier", mutated)
    assert failing_routes() == set(ROUTES)
