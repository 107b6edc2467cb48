"""What `dln derive` prints: code that runs, JSON that reads back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sympy import Symbol, oo, simplify, sympify

from derivations import DERIVATIONS
from derivations.verification import verified_networks
from derivations.writing import as_json, as_python, flow_text, identifier
from geometry import DeepLinearNetwork, explicit
from geometry.coframe import OneForm

N = Symbol("N", positive=True)
NETWORKS = [DeepLinearNetwork(N, (3, 2), 2), DeepLinearNetwork(5, (2, 2)), DeepLinearNetwork(oo, (2, 2))]


def executed(source: str) -> dict[str, Any]:
    """The names that code defines."""
    names: dict[str, Any] = {}
    exec(compile(source, "<derived>", "exec"), names)
    return names


BASIC = ("multiplier", "metric", "volume-form", "infinite-depth", "spectral-flow")
WRITTEN = [(name, network) for name in BASIC for network in NETWORKS]
WRITTEN += [(name, verified_networks(name)[0]) for name in DERIVATIONS if name not in BASIC]


@pytest.mark.parametrize(("name", "network"), WRITTEN, ids=str)
def test_python_code_defines_the_result(name: str, network: DeepLinearNetwork) -> None:
    derivation = DERIVATIONS[name](network)
    result = executed(as_python(derivation))["result"]
    expected = derivation.result
    # One-forms are written as the real symbols that they are.
    renamed = expected.xreplace({form: Symbol(form.name, real=True) for form in expected.atoms(OneForm)})
    parts = zip(result, renamed, strict=True) if isinstance(result, tuple) else [(result, renamed)]
    for there, here in ((sympify(part), expected_part) for part, expected_part in parts):
        if there.is_Relational:
            assert simplify(explicit(there.rhs - here.rhs)) == 0
        else:
            assert simplify(explicit(there - here)) == 0


@pytest.mark.parametrize("name", list(DERIVATIONS))
def test_json_reads_back(name: str) -> None:
    derivation = DERIVATIONS[name](NETWORKS[0] if name in BASIC else verified_networks(name)[0])
    content = json.loads(json.dumps(as_json(derivation)))
    assert set(content) == {"name", "network", "statement", "steps", "subject", "result", "latex", "reference"}
    assert len(content["steps"]) == len(derivation.steps)
    for written, step in zip(content["steps"], derivation.steps, strict=True):
        assert set(written) == {"lhs", "rhs", "reason", "where", "latex"}
        assert written["lhs"] == str(explicit(step.lhs))
        assert set(written["where"]) == {str(symbol) for symbol in step.where}


@pytest.mark.parametrize("output_format", ["text", "latex", "python", "json"])
def test_flows_in_every_format(output_format: str) -> None:
    equations = DeepLinearNetwork(3, (2, 2)).gradient_flow(lambda X: (X[0, 0] - 1) ** 2 / 2)
    written = flow_text(equations, output_format)
    if output_format == "python":
        assert len(executed(written)["equations"]) == len(equations)
    elif output_format == "json":
        rows = json.loads(written)
        assert [row["lhs"] for row in rows] == [str(equation.lhs) for equation in equations]
    else:
        assert len(written.splitlines()) >= len(equations)


def test_identifiers() -> None:
    for name in ("sigma_1", "Omega^U_12", "U_1,10"):
        assert identifier(Symbol(name)).isidentifier()
