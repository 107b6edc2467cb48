r"""The Ricci tensor of g^N in the frame dual to the coframe."""

from __future__ import annotations

from sympy import Add, Expr, Float, Function, Integer, Symbol, Tuple, latex, oo

from geometry import DeepLinearNetwork
from geometry.coframe import gram_matrix

from ..check_points import instances, values_at
from ..curvature_oracle import CurvatureOracle
from ..derivation import Derivation, require_metric
from ..references import BESSE
from ..step import Step
from .scalar_curvature import oracle_value

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "ricci-curvature"
REFERENCE = BESSE.at("chapters 7 and 9")


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Symbolic, integer and infinite depth, with null spaces, and over C."""
    N = Symbol("N", positive=True)
    return (
        DeepLinearNetwork(N, (2, 2)),
        DeepLinearNetwork(3, (3, 2), 2),
        DeepLinearNetwork(oo, (2, 2)),
        DeepLinearNetwork(2, (2, 1), 1, "C"),
    )


def derive(network: DeepLinearNetwork) -> Derivation:
    """Ric(e_a, e_b): the orbit's and the second fundamental forms; its trace is the scalar curvature.

    Raises
    ------
    ValueError
        If the rank is a symbol; at infinite depth unless m = n = r.
    """
    require_metric(network)
    forms, tensor = network.metric.forms, network.metric.ricci_curvature()
    places = [(i, j) for i in range(len(forms)) for j in range(i, len(forms)) if i == j or tensor[i, j] != 0]
    return Derivation(
        name=NAME,
        network=network,
        statement=r"The Ricci tensor couples singular values with each other, and the two rotations of a pair.",
        steps=(
            _sum_of_planes(network),
            Step(
                _trace(network),
                network.metric.scalar_curvature(),
                "the trace is the scalar curvature",
                shown=(Function("tr")(Symbol("Ric")), network.metric.scalar_curvature()),
            ),
        ),
        result=Tuple(*(tensor[place] for place in places)),
        subject=tuple(rf"\operatorname{{Ric}}({latex(forms[i])}, {latex(forms[j])})" for i, j in places),
        reference=REFERENCE,
        residual=_residual,
    )


def _sum_of_planes(network: DeepLinearNetwork) -> Step:
    """λ_11 Ric(∂_1, ∂_1) = Σ K(∂_1, e) over orthogonal e, with the multiplicities of the blocks."""
    metric = network.metric
    total, named = Integer(0), Integer(0)
    for block in network.coframe.blocks():
        if block.kind == "radial":
            continue
        labels = "".join(str(index + 1) for index in block.indices)
        directions: dict[str, Expr] = {block.kind: block.forms[0]}
        if len(block.forms) == 2:
            left, right = block.forms
            directions = {"common": left + right, "opposite": left - right}
        for name, direction in directions.items():
            total += block.multiplicity * metric.sectional_curvature(metric.forms[0], direction)
            named += block.multiplicity * Symbol(f"K_{name}{labels}")
    rate = network.multiplier(0, 0) * metric.ricci_curvature()[0, 0]
    reason = (
        "along a singular value: the sectional curvatures of the planes with common and opposite rotations and others"
    )
    return Step(total, rate, reason, shown=(named, rate))


def _trace(network: DeepLinearNetwork) -> Expr:
    """Σ g^ab Ric_ab with the multiplicities of the blocks."""
    tensor, row, terms = network.metric.ricci_curvature(), 0, []
    for block in network.coframe.blocks():
        size = len(block.forms)
        inverse = gram_matrix(block).inv() * network.metric.block_multiplier(block)
        terms.append(block.multiplicity * (inverse * tensor[row : row + size, row : row + size]).trace())
        row += size
    return Add(*terms)


def _residual(derivation: Derivation, route: str) -> float:
    """Every entry against the metric of the definition in a chart, expanded to second order."""
    network = derivation.network
    if route == "exact" and network.is_infinitely_deep:
        return 0.0  # no rational points: the other routes are numeric
    worst = 0.0
    for _, values, point in instances(network, route):
        oracle = CurvatureOracle(point)
        vectors = [components for vector, components in oracle.frame() if vector.component == 0]
        numbers = dict(zip(network.singular_values, point.singular_values, strict=True))
        entries = values_at([entry.subs(values) for entry in derivation.result], numbers, route)
        # Vanishing entries are no part of the result.
        expected = [oracle_value(oracle, a @ oracle.ricci @ b) for i, a in enumerate(vectors) for b in vectors[i:]]
        listed = iter(zip(derivation.subject, entries, strict=True))
        names = [latex(form) for form in network.metric.forms]
        pairs = [rf"\operatorname{{Ric}}({x}, {y})" for i, x in enumerate(names) for y in names[i:]]
        known = dict(listed)
        scale = max(1.0, *(abs(float(value)) for value in expected))
        for name, value in zip(pairs, expected, strict=True):
            difference = abs(Float(known.get(name, 0), 60) - Float(value, 60)) if route != "exact" else None
            difference = abs(known.get(name, 0) - value) if difference is None else difference
            worst = max(worst, float(difference) / scale)
    return worst
