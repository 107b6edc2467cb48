"""Derivations: their parts, their checks, and what they say when a check fails."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from sympy import Limit, Rational, Sum, Symbol, cos, oo, symbols

from derivations import DERIVATIONS, CheckResult, DerivationError, Step, verify
from derivations.derivation import BOUNDS, NotApplicableError
from derivations.standard_networks import standard_networks
from derivations.verification import Verification, verified_networks
from geometry import DeepLinearNetwork

N = Symbol("N", positive=True)
ROUTES = ("exact", "precise", "float")
NETWORKS = [
    DeepLinearNetwork(N, (2, 2)),
    DeepLinearNetwork(1, (2, 3), 1),
    DeepLinearNetwork(2, (3, 3)),
    DeepLinearNetwork(7, (2, 2), rescaled=True),
    DeepLinearNetwork(oo, (2, 2)),
    DeepLinearNetwork(N, symbols("m n", integer=True, positive=True), 2),
]


BASIC = ("multiplier", "metric", "volume-form", "infinite-depth", "spectral-flow")
"""The theorems that say something about every network here."""
CATALOGUE = [(name, network) for name in DERIVATIONS for network in verified_networks(name)]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("name", "network"), CATALOGUE, ids=str)
def test_the_catalogue_holds(name: str, network: DeepLinearNetwork, route: str) -> None:
    try:
        derivation = DERIVATIONS[name](network)
    except NotApplicableError:
        return
    assert derivation.check(route).passed


@pytest.mark.parametrize("name", list(DERIVATIONS))
def test_every_theorem_says_something(name: str) -> None:
    assert len(verify([name], ["float"], verified_networks(name)[:2])) > 0


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("name", BASIC)
def test_every_theorem_holds_on_every_network(name: str, network: DeepLinearNetwork, route: str) -> None:
    result = DERIVATIONS[name](network).check(route)
    assert isinstance(result, CheckResult)
    assert result.passed
    assert (result.name, result.route, result.bound) == (name, route, BOUNDS[route])
    assert 0 <= result.figure <= result.bound


@pytest.mark.parametrize("name", list(DERIVATIONS))
def test_parts_of_a_derivation(name: str) -> None:
    derivation = DERIVATIONS[name](verified_networks(name)[0])
    assert derivation.name == name
    assert len(derivation.steps) >= 2
    assert derivation.reference.authors
    assert derivation.reference.identifier
    source = derivation.latex()
    for begin in re.findall(r"\\begin{(\w+\*?)}", source):
        assert source.count(rf"\begin{{{begin}}}") == source.count(rf"\end{{{begin}}}")
    assert source.count("{") == source.count("}")
    assert derivation._repr_latex_().startswith("$")
    for step in derivation.steps:
        assert step.reason
        assert " = " in step.latex()
        assert step._repr_latex_().startswith("$")
        assert str(derivation).count(step.reason) >= 1


@pytest.mark.parametrize("name", BASIC)
@pytest.mark.parametrize("depth", [N, Rational(3)])
def test_steps_are_equalities_in_full(name: str, depth: Any) -> None:
    """At numbers of ours, with nothing of the checks: both sides agree, and are not the same expression."""
    derivation = DERIVATIONS[name](DeepLinearNetwork(depth, (3, 2), 2))
    for number, step in enumerate(derivation.steps):
        assert step.lhs != step.rhs, step
        if isinstance(step.lhs, Limit):
            continue
        free = sorted((step.lhs.free_symbols | step.rhs.free_symbols) - {N}, key=str)
        values = {symbol: Rational(7 + 3 * i, 5 + number) for i, symbol in enumerate(free)} | {N: Rational(4)}
        sides = [complex(side.subs(values).doit().evalf(30)) for side in (step.lhs, step.rhs)]
        assert abs(sides[0] - sides[1]) < 1e-12 * abs(sides[1]), step


def test_multipliers_are_written_as_symbols_and_explained_once() -> None:
    derivation = DERIVATIONS["volume-form"](DeepLinearNetwork(N, (2, 2)))
    product = derivation.steps[-1]
    assert {str(symbol) for symbol in product.where} == {"lambda_11", "lambda_22", "lambda_12"}
    assert all(value.has(Sum) for value in product.where.values())
    assert not product.sides[0].has(Sum)
    assert product.lhs.has(Sum)
    explained = [str(symbol) for _, new in derivation.explained_steps() for symbol in new]
    assert sorted(explained) == ["lambda_11", "lambda_12", "lambda_22"]
    assert str(derivation).count("where lambda_11") == 1


@pytest.mark.parametrize("route", ROUTES)
def test_a_wrong_step_is_named(route: str) -> None:
    derivation = DERIVATIONS["multiplier"](DeepLinearNetwork(N, (2, 2)))
    first = derivation.steps[0]
    wrong = replace(derivation, steps=(Step(first.lhs, 2 * first.rhs, "a slip"), *derivation.steps[1:]))
    with pytest.raises(DerivationError, match=rf"multiplier, route {route}: step 1 \(a slip\) fails"):
        wrong.check(route)


@pytest.mark.parametrize("route", ROUTES)
def test_a_wrong_result_is_named(route: str) -> None:
    derivation = DERIVATIONS["volume-form"](DeepLinearNetwork(2, (2, 2)))
    wrong = replace(derivation, residual=lambda *_: 1.0)
    with pytest.raises(DerivationError, match=r"against the definition fails: residual 1 >"):
        wrong.check(route)


def test_a_residual_that_is_nan_fails() -> None:
    derivation = DERIVATIONS["metric"](DeepLinearNetwork(2, (2, 2)))
    with pytest.raises(DerivationError, match="residual nan"):
        replace(derivation, residual=lambda *_: float("nan")).check("float")


def test_unknown_routes() -> None:
    derivation = DERIVATIONS["metric"](DeepLinearNetwork(2, (2, 2)))
    with pytest.raises(ValueError, match="route must be one of 'exact', 'precise', 'float', not 'guess'"):
        derivation.check("guess")
    with pytest.raises(ValueError, match="unknown route 'guess'"):
        verify(routes=["guess"])
    with pytest.raises(ValueError, match="unknown theorem 'guess'"):
        verify(["guess"])


def test_the_metric_has_no_limit() -> None:
    network = DeepLinearNetwork(oo, (3, 2))
    with pytest.raises(ValueError, match=r"network\.volume_density"):
        DERIVATIONS["metric"](network)
    assert len(verify(["metric"], networks=[network])) == 0


def test_verification_table() -> None:
    table = verify(["multiplier", "volume-form"], ["exact"], NETWORKS[:2])
    assert table
    assert len(table) == 4
    assert str(table).count("passed") == 4
    told: list[float] = []
    verify(["multiplier"], ["exact"], NETWORKS[:2], progress=lambda _, share: told.append(share))
    assert told == [0.0, 0.5]


def test_failures_are_reported_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    original = DeepLinearNetwork.pair_multiplier
    monkeypatch.setattr(DeepLinearNetwork, "pair_multiplier", lambda self, a, b: cos(a) * original(self, a, b))
    table = verify(["multiplier"], networks=[DeepLinearNetwork(2, (2, 2))])
    assert not table
    assert not any(result.passed for result in table)
    assert all(result.message for result in table)


def test_verification_json(tmp_path: Any) -> None:
    results = (
        CheckResult("a", "exact", True, 0.0, 0.0),
        CheckResult("b", "float", False, float("inf"), 1e-10, "not derived"),
    )
    path = tmp_path / "verification.json"
    Verification(results).write(path, seed=4)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert content["seed"] == 4
    assert {"python", "sympy", "numpy", "scipy", "mpmath"} <= set(content["versions"])
    assert content["checks"][0] == {"name": "a", "route": "exact", "passed": True, "figure": 0.0, "bound": 0.0}
    assert content["checks"][1]["figure"] is None
    assert content["checks"][1]["message"] == "not derived"


def test_standard_networks_cover_the_kinds_of_depth() -> None:
    networks = standard_networks()
    assert any(isinstance(network.depth, Symbol) for network in networks)
    assert any(network.is_infinitely_deep for network in networks)
    assert any(network.coframe.has_null_directions for network in networks)
