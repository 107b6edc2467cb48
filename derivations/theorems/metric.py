r"""The metric g^N in the coframe of the singular value decomposition."""

from __future__ import annotations

from sympy import Add, Expr, Symbol

from geometry import DeepLinearNetwork
from geometry.coframe import CoframeBlock, SingularCoframe, gram_matrix, indexed
from geometry.indexed import IndexedSum, IndexedSymbol, labelled

from ..check_points import at_instance, instances, value_at
from ..derivation import Derivation, require_metric
from ..references import COHEN_MENON_VERASZTO
from ..standard_networks import networks_with_metric_of_all_kinds as networks
from ..step import Step
from .multiplier import defining_multiplier, defining_null_multiplier

__all__ = [
    "NAME",
    "REFERENCE",
    "block_multiplier",
    "derive",
    "network_multiplier",
    "networks",
    "over_indices",
    "summed_multiplier",
]

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
    NotApplicableError
        At infinite depth unless m = n = r: the metric has no limit.
    """
    require_metric(network)
    coframe, element = network.coframe, network.metric.line_element()
    squares: list[Expr] = []
    steps: list[Step] = []
    weights: dict[Expr, Expr] = {}
    for block in coframe.blocks():
        name, weight = block_multiplier(network, block)
        square = Add(*(component**2 for component in block.velocity.values()))
        summed = _quadratic(block) / network_multiplier(network, block)
        steps.append(Step.abbreviated(square / name, summed, REASONS[block.kind], {name: weight}))
        squares.append(over_indices(coframe, block, IndexedSum, square / name))
        weights |= summed_multiplier(coframe, block, name, weight)
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
    first, second = (network.coframe.singular_value(index) for index in (block.indices[0], block.indices[-1]))
    name = Symbol(labelled("lambda", _labels(block)), positive=True)
    if block.kind in ("left", "right"):
        return name, defining_null_multiplier(network, first)
    return name, defining_multiplier(network, first, second)


def _labels(block: CoframeBlock) -> list[int | Symbol]:
    """The indices of a block's multiplier as they are written: kl, or k0 against a null space."""
    k, l = (index if isinstance(index, Symbol) else index + 1 for index in (block.indices[0], block.indices[-1]))
    return [k, 0 if block.kind in ("left", "right") else l]


def over_indices(coframe: SingularCoframe, block: CoframeBlock, over: type[Expr], term: Expr) -> Expr:
    """A block's term, for a generic block summed or multiplied over its indices, the multiplier λ_kl with it."""
    if coframe.has_explicit_rank:
        return term
    labels = _labels(block)
    name = Symbol(labelled("lambda", labels), positive=True)
    return coframe.over_block(block, over, term.xreplace({name: IndexedSymbol("lambda", *labels)}))


def summed_multiplier(coframe: SingularCoframe, block: CoframeBlock, name: Symbol, weight: Expr) -> dict[Expr, Expr]:
    """What a block's multiplier stands for where blocks are summed up."""
    if coframe.has_explicit_rank:
        return {name: weight}
    return {IndexedSymbol("lambda", *_labels(block)): indexed(weight)}


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
        numbers = dict(zip(numeric.singular_values, point.singular_values, strict=True))
        # A_k and B_k, and forms with several real components, are represented by the first of them.
        representatives = [vector.velocity for vector in point.named_frame() if vector.component == 0]
        vector = 0 * point.outer(0, 0)
        for form, velocity in zip(numeric.metric.forms, representatives, strict=True):
            numbers[form] = point.random()
            vector = vector + numbers[form] * velocity
        expected = point.inner_product(vector, vector)
        scale = numeric.operator_divisor
        found = value_at(at_instance(derivation.result, values), numbers, route) / scale
        worst = max(worst, abs(float((found - expected) / expected)))
    return worst
