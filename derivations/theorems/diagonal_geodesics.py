r"""Diagonals are flat and totally geodesic: geodesics there are straight lines in √N σ^{1/N}, or in log σ."""

from __future__ import annotations

from sympy import Symbol, Tuple, symbols

import geometry.geodesic_closed_forms
from geometry import DeepLinearNetwork

from ..check_points import instances, values_at
from ..derivation import Derivation, NotApplicableError
from ..references import CHEN
from ..standard_networks import networks_with_metric, symbolic_network
from ..step import Step
from .multiplier import defining_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "diagonal-geodesics"
REFERENCE = CHEN


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those with a metric, and symbolic rank."""
    return (*networks_with_metric(), symbolic_network())


def derive(network: DeepLinearNetwork) -> Derivation:
    """The flat coordinate y with y'² λ = 1, and the straight lines in it.

    Raises
    ------
    NotApplicableError
        If the network has no metric.
    """
    if network.freezes_spaces:
        raise NotApplicableError(f"{network} has no metric, so no geodesics; choose rank = m = n")
    module = geometry.geodesic_closed_forms
    a, b, u = symbols("sigma_1 sigma_2 u", positive=True)
    first, last = (module.flat_coordinate(network, value) for value in (a, b))
    # t = u/(1 + u) is between 0 and 1 for every positive u.
    between = module.path_between(network, a, b, u / (1 + u))
    line = (first + u * last) / (1 + u)
    steps = (
        Step(defining_multiplier(network, a, a), first.diff(a) ** -2, "the metric on diagonals in one singular value"),
        Step(
            module.flat_coordinate(network, between),
            line,
            "a straight line in the flat coordinate, at the time t = u/(1 + u)",
        ),
    )
    t = Symbol("t", positive=True)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"Diagonal matrices are the fixed points of isometries, the sign changes of singular vectors, so "
        r"totally geodesic; the metric there is $\sum_k dy_k^2$, and geodesics are straight lines in $y$.",
        steps=steps,
        result=Tuple(first, module.path_between(network, a, b, t)),
        subject=(r"y_1", r"\sigma(t)"),
        reference=REFERENCE,
        residual=_residual,
    )


def _residual(derivation: Derivation, route: str) -> float:
    """(dy/dσ)² against the length of u_k v_kᵀ, with A_N of the definition inverted on the tangent space."""
    network = derivation.network
    if route == "exact" and network.is_infinitely_deep:
        return 0.0  # no rational points: the steps are symbolic, the other routes numeric
    sigma, worst = Symbol("sigma_1", positive=True), 0.0
    squared = derivation.result[0].diff(sigma) ** 2
    for _, values, point in instances(network, route):
        scale = network.operator_divisor.subs(values)
        for k, value in enumerate(point.singular_values):
            found = values_at([squared.subs(values)], {sigma: value}, route)[0]
            expected = point.inner_product(point.outer(k, k), point.outer(k, k))
            expected = expected * (scale if route == "exact" else float(scale))
            worst = max(worst, float(abs(found - expected) / abs(expected)))
    return worst
