r"""Two time scales: at large depth the block Uᵀ X V moves fast, and the spaces of U and V slowly."""

from __future__ import annotations

from typing import Any

from sympy import Symbol, Tuple

import geometry.decay
from geometry import DeepLinearNetwork

from ..check_points import instances, values_at
from ..derivation import Derivation, NotApplicableError
from ..references import COHEN_MENON_VERASZTO
from ..step import Step
from .multiplier import defining_multiplier, defining_null_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "time-scales"
REFERENCE = COHEN_MENON_VERASZTO

LARGEST, SMALLEST = Symbol("sigma_1", positive=True), Symbol("sigma_r", positive=True)


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those with null spaces that move, over all fields."""
    N = Symbol("N", positive=True)
    return (
        DeepLinearNetwork(N, (4, 3), 2),
        DeepLinearNetwork(3, (2, 4), 2, rescaled=True),
        DeepLinearNetwork(N, (3, 2), rescaled=True),
        DeepLinearNetwork(3, (2, 1), field="H"),
    )


def derive(network: DeepLinearNetwork) -> Derivation:
    """The block moves at least N (σ_r/σ_1)^{2-2/N} times as fast as the spaces.

    Raises
    ------
    NotApplicableError
        If there are no null spaces, or at infinite depth, where the spaces rest.
    """
    if not network.coframe.has_null_directions:
        raise NotApplicableError(f"{network} has no null spaces: the block is all of X; choose a lower rank")
    if network.freezes_spaces:
        raise NotApplicableError(f"the spaces of {network} are frozen; choose a finite depth")
    scales = geometry.decay.time_scales(network, LARGEST, SMALLEST)
    slowest, fastest = defining_multiplier(network, SMALLEST, SMALLEST), defining_null_multiplier(network, LARGEST)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"All rates of the block $U^{\mathsf T} X V$ are at least $\lambda(\sigma_r, \sigma_r)$, since each "
        r"term of the sum is; all rates of the spaces are at most $\lambda(\sigma_1, 0)$. Their ratio grows with the "
        r"depth: the block is slaved, and in rescaled time the spaces freeze.",
        steps=(
            Step(slowest, scales.slowest_block, "the smallest of the multipliers of the block"),
            Step(fastest, scales.fastest_space, "the largest of the multipliers against zero"),
            Step(slowest / fastest, scales.ratio, "the ratio"),
        ),
        result=Tuple(scales.slowest_block, scales.fastest_space, scales.ratio),
        subject=(r"\min \lambda_{kl}", r"\max \lambda_{k0}", r"\min \lambda_{kl} / \max \lambda_{k0}"),
        reference=REFERENCE,
        residual=_residual,
    )


def _residual(derivation: Derivation, route: str) -> float:
    """The extreme eigenvalues of A of the definition, on the block and against the null spaces."""
    worst = 0.0
    for numeric, values, point in instances(derivation.network, route):
        operator, r = point.operator_matrix(), point.rank
        divisor = numeric.operator_divisor if route == "exact" else float(numeric.operator_divisor)
        block: list[Any] = []
        spaces: list[Any] = []
        for place, (k, l, _) in enumerate(point.tangent_basis()):
            (block if k < r and l < r else spaces).append(operator[place, place] / divisor)
        numbers = {LARGEST: max(point.singular_values), SMALLEST: min(point.singular_values)}
        found = values_at([part.subs(values) for part in derivation.result], numbers, route)
        expected = (min(block), max(spaces), min(block) / max(spaces))
        worst = max(worst, *(float(abs(f - e) / abs(e)) for f, e in zip(found, expected, strict=True)))
    return worst
