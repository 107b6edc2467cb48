r"""The metric g^N in the coframe of the singular value decomposition."""

from __future__ import annotations

from sympy import Add, Expr, Symbol

from geometry import DeepLinearNetwork
from geometry.coframe import CoframeBlock, gram_matrix

from ..check_points import instances, value_at
from ..derivation import Derivation
from ..references import COHEN_MENON_VERASZTO
from ..step import Step
from .multiplier import defining_multiplier, defining_null_multiplier

__all__ = ["NAME", "REFERENCE", "block_multiplier", "derive", "network_multiplier"]

NAME = "metric"
REFERENCE = COHEN_MENON_VERASZTO.at("section 3")
REASONS = {
    "radial": "along a singular value",
    "phase": "along a phase",
    "pair": "rotating a pair: the two entries of the velocity",
    "left": "turning the column space",
    "right": "turning the row space",
}


def derive(network: DeepLinearNetwork) -> Derivation:
    """ds² block by block from the velocity Ω^U Σ + dΣ - Σ Ω^V.

    Raises
    ------
    ValueError
        At infinite depth unless m = n = r: the metric has no limit.
    """
    element = network.metric.line_element()
    squares: list[Expr] = []
    steps: list[Step] = []
    weights: dict[Symbol, Expr] = {}
    for block in network.coframe.blocks():
        name, weight = block_multiplier(network, block)
        weights[name] = weight
        squares.append(Add(*(component**2 for component in block.velocity.values())) / name)
        summed = _quadratic(block) / network_multiplier(network, block)
        steps.append(Step.abbreviated(squares[-1], summed, REASONS[block.kind], {name: weight}))
    steps.append(Step.abbreviated(Add(*squares), element, "the blocks are orthogonal to each other", weights))
    return Derivation(
        name=NAME,
        network=network,
        statement=r"In the coframe $(d\sigma, \Omega^U, \Omega^V, A, B)$ the metric "
        r"$\langle Z, \mathcal{A}^{-1} Z\rangle$ is block diagonal.",
        steps=tuple(steps),
        result=element,
        subject=(r"ds^2",),
        reference=REFERENCE,
        residual=_residual,
    )


def block_multiplier(network: DeepLinearNetwork, block: CoframeBlock) -> tuple[Symbol, Expr]:
    """What A multiplies the entries of a block by: λ_kl or λ_k0 against a null space, and its definition."""
    k, l = block.indices[0], block.indices[-1]
    comma = "," if network.coframe.rank > 9 else ""
    first, second = (network.coframe.singular_value(index) for index in (k, l))
    if block.kind in ("left", "right"):
        return Symbol(f"lambda_{k + 1}{comma}0", positive=True), defining_null_multiplier(network, first)
    return Symbol(f"lambda_{k + 1}{comma}{l + 1}", positive=True), defining_multiplier(network, first, second)


def network_multiplier(network: DeepLinearNetwork, block: CoframeBlock) -> Expr:
    """The same multiplier as the network has summed it."""
    k, l = block.indices[0], block.indices[-1]
    return network.null_multiplier(k) if block.kind in ("left", "right") else network.multiplier(k, l)


def _quadratic(block: CoframeBlock) -> Expr:
    gram = gram_matrix(block)
    return Add(*(gram[i, j] * v * w for i, v in enumerate(block.forms) for j, w in enumerate(block.forms)))


def _residual(derivation: Derivation, route: str) -> float:
    """ds² of a random tangent vector against <Z, A⁻¹ Z>, solved with the operator of the definition."""
    if route == "exact" and derivation.network.is_infinitely_deep:
        return 0.0  # nothing rational to compare with: the steps are symbolic, the other routes numeric
    worst = 0.0
    for numeric, values, point in instances(derivation.network, route):
        numbers = {**values, **dict(zip(numeric.singular_values, point.singular_values, strict=True))}
        (m, n), r = numeric.shape, numeric.coframe.rank
        pairs = r * (r - 1)
        frame = point.frame()
        # A_k and B_k are represented by their first components.
        chosen = list(range(r + pairs))
        chosen += [r + pairs + k * (m - r) for k in range(r) if m > r]
        chosen += [r + pairs + r * (m - r) + k * (n - r) for k in range(r) if n > r]
        vector = point.matrix(m, n)
        for form, position in zip(derivation.network.metric.forms, chosen, strict=True):
            numbers[form] = point.random()
            vector = vector + numbers[form] * frame[position]
        expected = point.inner_product(vector, vector)
        scale = numeric.operator_divisor
        found = value_at(derivation.result.subs(values), numbers, route) / scale
        worst = max(worst, abs(float((found - expected) / expected)))
    return worst
