r"""Sectional curvatures of g^N."""

from __future__ import annotations

from itertools import islice

from sympy import Expr, Float, Function, Symbol, Tuple, latex, oo

from geometry import DeepLinearNetwork
from geometry.normal_form import factored

from ..check_points import instances, values_at
from ..curvature_oracle import CurvatureOracle
from ..derivation import Derivation, NotApplicableError, require_metric
from ..references import BESSE
from ..step import Step
from .scalar_curvature import oracle_value

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "sectional-curvature"
REFERENCE = BESSE.at("chapters 7 and 9")
MOST_PLANES = 8
"""How many planes are shown and checked."""
COORDINATE = Symbol("y", real=True)
LENGTH = Function("f")(COORDINATE)
WARPING = -LENGTH.diff(COORDINATE, 2) / LENGTH
"""The curvature -f''/f of a warped product dy² + f(y)² dθ², y the flat coordinate of σ_1."""


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Symbolic, integer and infinite depth, with null spaces."""
    N = Symbol("N", positive=True)
    return (
        DeepLinearNetwork(N, (2, 2)),
        DeepLinearNetwork(3, (3, 2), 2),
        DeepLinearNetwork(oo, (2, 2)),
        DeepLinearNetwork(2, (3, 2), 1),
    )


def derive(network: DeepLinearNetwork) -> Derivation:
    """K of the planes of neighbouring vectors of the frame, by Koszul's formula on the orbits.

    Raises
    ------
    ValueError
        If the rank is a symbol; at infinite depth unless m = n = r.
    """
    require_metric(network)
    metric = network.metric
    every = ((a, b) for place, a in enumerate(_directions(network)) for b in _directions(network)[:place])
    curved = (((b, a), factored(K)) for a, b in every if (K := metric.sectional_curvature(a, b)) != 0)
    planes = dict(islice(curved, MOST_PLANES))
    if not planes:
        raise NotApplicableError(f"all planes of the frame of {network} are flat")
    return Derivation(
        name=NAME,
        network=network,
        statement=r"Sectional curvatures of the planes of two vectors of the orthogonal frame, named by their "
        r"components in the coframe: $\Omega^U_{kl} + \Omega^V_{kl}$ turns both sides alike. "
        r"Along $y_1 = \int d\sigma_1/\sqrt{\lambda_{11}}$ they "
        r"are those of warped products, $-f''/f$. Spheres are positive.",
        steps=_steps(network),
        result=Tuple(*planes.values()),
        subject=tuple(f"K({latex(a)}, {latex(b)})" for a, b in planes),
        reference=REFERENCE,
        residual=_residual,
    )


def _directions(network: DeepLinearNetwork) -> list[Expr]:
    """The vectors of the orthogonal frame, as linear combinations of the forms that they are dual to."""
    found: list[Expr] = []
    for block in network.coframe.blocks():
        if block.kind == "pair":
            left, right = block.forms
            found += [left + right, left - right]
        else:
            found += block.forms
    return found


def _steps(network: DeepLinearNetwork) -> tuple[Step, ...]:
    """A plane of a singular value and a rotation has the curvature -f''/f of a warped product."""
    metric = network.metric
    radial, steps = metric.forms[0], []
    a, seen = metric.coframe.singular_value(0), set()
    for block in metric.coframe.blocks():
        if block.kind == "radial" or block.kind in seen:
            continue  # blocks of one kind differ in their singular values only
        seen.add(block.kind)
        b = metric.coframe.singular_value(block.indices[-1])
        turns: list[tuple[Expr, Expr, str]] = [(block.forms[0], a**2, block.kind)]
        if block.kind == "pair":
            left, right = block.forms
            turns = [(left + right, (a - b) ** 2, "common rotation"), (left - right, (a + b) ** 2, "opposite rotation")]
        for turned, square, name in turns:
            found = metric.sectional_curvature(radial, turned)
            warped = _warped(network, square / metric.block_multiplier(block))
            steps.append(Step(warped, factored(found), f"{name} of length f", shown=(WARPING, factored(found))))
    return tuple(steps)


def _warped(network: DeepLinearNetwork, square: Expr) -> Expr:
    """-(D² f)/f of f² = `square` along D = √λ_11 ∂/∂σ_1."""
    a = network.coframe.singular_value(0)
    speed, h = network.multiplier(0, 0), square.diff(a) / (2 * square)
    return -speed * (h.diff(a) + h**2) - speed.diff(a) * h / 2


def _residual(derivation: Derivation, route: str) -> float:
    """Against the Riemann tensor of the definition in a chart."""
    network = derivation.network
    if route == "exact" and network.is_infinitely_deep:
        return 0.0  # no rational points: the other routes are numeric
    worst = 0.0
    forms = network.metric.forms
    for numeric, values, point in instances(network, route):
        oracle = CurvatureOracle(point)
        duals = [components for vector, components in oracle.frame() if vector.component == 0]
        numbers = dict(zip(network.singular_values, point.singular_values, strict=True))
        # A multiple of the metric divides its curvature.
        planes = [entry.subs(values) * numeric.operator_divisor for entry in derivation.result]
        found = dict(zip(derivation.subject, values_at(planes, numbers, route), strict=True))
        g, directions = oracle.metric.value, _directions(network)
        for place, second in enumerate(directions):
            for first in directions[:place]:
                key = f"K({latex(first)}, {latex(second)})"
                if key in found:
                    a, b = (
                        sum(int(vector.coeff(form)) * dual for form, dual in zip(forms, duals, strict=True))
                        for vector in (first, second)
                    )
                    area = (a @ g @ a) * (b @ g @ b) - (a @ g @ b) ** 2
                    value = oracle_value(oracle, oracle.riemann_component(a, b, b, a) / area)
                    exact = route == "exact"
                    gap = abs(found[key] - value) if exact else abs(Float(found[key], 60) - Float(value, 60))
                    worst = max(worst, float(gap) / max(1.0, abs(float(value))))
    return worst
