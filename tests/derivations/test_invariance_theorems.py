"""The invariances hold by every route, and fail with a factor, a sign or an exponent changed."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from sympy import Expr, Symbol, log, oo, sqrt

from derivations.derivation import ROUTES, NotApplicableError
from derivations.theorems import invariance, scaling_and_inversion, split_off_factor
from geometry import DeepLinearNetwork

N = Symbol("N", positive=True)
THEOREMS = (invariance, scaling_and_inversion, split_off_factor)
SMALL = (DeepLinearNetwork(N, (2, 2)), DeepLinearNetwork(3, (3, 2), 1, rescaled=True), DeepLinearNetwork(oo, (2, 2)))
SQUARE = (SMALL[0], SMALL[2])


def fresh(network: DeepLinearNetwork) -> DeepLinearNetwork:
    """The same network, its metric not cached yet."""
    return DeepLinearNetwork(network.depth, network.shape, network.rank, network.field, network.rescaled)


def failing_routes(theorem: ModuleType, network: DeepLinearNetwork) -> set[str]:
    """The routes by which a theorem fails, be it that it cannot be derived or not be compiled, as `verify` has it."""
    failed = set()
    for route in ROUTES:
        try:
            theorem.derive(fresh(network)).check(route)
        except (ArithmeticError, ValueError):
            failed.add(route)
    return failed


@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.NAME)
def test_theorems_hold(theorem: ModuleType) -> None:
    for network in SMALL:
        for route in ROUTES:
            result = theorem.derive(network).check(route)
            assert result.passed
            assert result.figure <= result.bound


@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.NAME)
def test_theorems_are_readable(theorem: ModuleType) -> None:
    for network in SMALL:
        derivation = theorem.derive(network)
        assert derivation.name == theorem.NAME
        assert all(step.reason for step in derivation.steps)
        assert r"\begin{align*}" in derivation.latex()
        assert str(theorem.REFERENCE) in str(derivation)
    assert (theorem.derive.__doc__ or "").splitlines()[0].endswith(".")


@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.NAME)
def test_without_a_metric_there_is_nothing_to_say(theorem: ModuleType) -> None:
    with pytest.raises(NotApplicableError, match="no metric"):
        theorem.derive(DeepLinearNetwork(oo, (3, 2)))


def test_results() -> None:
    c, k, l = symbols = tuple(Symbol(name, positive=True) for name in ("c", "sigma_k", "sigma_l"))
    assert len(symbols) == 3
    assert tuple(scaling_and_inversion.derive(SMALL[0]).result) == (c ** (2 / N), k ** (2 / N) * l ** (2 / N))
    assert tuple(scaling_and_inversion.derive(SMALL[2]).result) == (1, 1)
    first, second = (Symbol(f"sigma_{index}", positive=True) for index in (1, 2))
    coordinate, length = split_off_factor.derive(SMALL[2]).result
    assert (coordinate - (log(first) + log(second)) / sqrt(2)).expand() == 0
    assert length == 2
    radius, _ = split_off_factor.derive(SMALL[0]).result
    assert (radius**2 - N * (first ** (2 / N) + second ** (2 / N))).expand() == 0


# --------------------------------------------------------------------------------------------- as they are not


Mutation = Callable[[pytest.MonkeyPatch], None]


def replaced(module: ModuleType, name: str, change: Callable[..., Any]) -> Mutation:
    """A function replaced in a module; `change` gets the original and its arguments."""

    def mutate(monkeypatch: pytest.MonkeyPatch) -> None:
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *arguments: change(original, *arguments))

    return mutate


def of_multiplier(change: Callable[[Expr, Expr, Expr], Expr]) -> Mutation:
    def mutate(monkeypatch: pytest.MonkeyPatch) -> None:
        original = DeepLinearNetwork.pair_multiplier
        monkeypatch.setattr(DeepLinearNetwork, "pair_multiplier", lambda self, a, b: change(original(self, a, b), a, b))

    return mutate


@pytest.mark.parametrize(
    "mutate",
    [
        of_multiplier(lambda value, a, b: 2 * value),
        of_multiplier(lambda value, a, b: -value),
        of_multiplier(lambda value, a, b: value * a / b if a != b else 3 * value),
    ],
    ids=["factor", "sign", "asymmetric"],
)
def test_invariance(monkeypatch: pytest.MonkeyPatch, mutate: Mutation) -> None:
    mutate(monkeypatch)
    for network in SQUARE:
        # At infinite depth the exact route has no rational point to compare with, unless nothing can be derived at all.
        expected = {"precise", "float"} if network.is_infinitely_deep else set(ROUTES)
        assert failing_routes(invariance, network) >= expected


def test_a_rotation_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(invariance, "rotation", lambda f, tangent: 2 * f(tangent))(monkeypatch)
    for network in SMALL:
        assert failing_routes(invariance, network) == set(ROUTES)


@pytest.mark.parametrize(
    "mutate",
    [
        replaced(scaling_and_inversion, "degree_of_homogeneity", lambda f, metric: 2 * f(metric)),
        replaced(scaling_and_inversion, "degree_of_homogeneity", lambda f, metric: -f(metric)),
        replaced(scaling_and_inversion, "inversion_factor", lambda f, metric, a, b: 2 * f(metric, a, b)),
        replaced(scaling_and_inversion, "inversion_factor", lambda f, metric, a, b: f(metric, a, b) * a),
        replaced(scaling_and_inversion, "inversion_factor", lambda f, metric, a, b: -f(metric, a, b)),
    ],
    ids=["degree", "degree sign", "factor", "exponent", "sign"],
)
def test_scaling_and_inversion(monkeypatch: pytest.MonkeyPatch, mutate: Mutation) -> None:
    mutate(monkeypatch)
    for network in SQUARE:
        assert failing_routes(scaling_and_inversion, network) == set(ROUTES)


@pytest.mark.parametrize(
    "mutate",
    [
        replaced(split_off_factor, "radial_coordinate", lambda f, metric: 2 * f(metric)),
        replaced(split_off_factor, "radial_coordinate", lambda f, metric: f(metric) ** 2),
        replaced(split_off_factor, "position_length_squared", lambda f, metric: 2 * f(metric)),
        of_multiplier(lambda value, a, b: 2 * value),
    ],
    ids=["factor", "exponent", "length", "multiplier"],
)
def test_split_off_factor(monkeypatch: pytest.MonkeyPatch, mutate: Mutation) -> None:
    mutate(monkeypatch)
    for network in SMALL:
        assert {"precise", "float"} <= failing_routes(split_off_factor, network)
    assert failing_routes(split_off_factor, SMALL[0]) == set(ROUTES)
