r"""Under an energy of the singular values alone each of them obeys its own equation, and singular vectors rest."""

from __future__ import annotations

from typing import Any

from sympy import Symbol, Tuple, symbols

import geometry.training
from geometry import DeepLinearNetwork

from ..check_points import at_instance, instances, values_at
from ..definition import Point
from ..derivation import Derivation
from ..references import ARORA_COHEN_HU_LUO
from ..standard_networks import networks_over_fields, standard_networks, symbolic_network
from ..step import Step
from .multiplier import defining_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "spectral-energy-flow"
REFERENCE = ARORA_COHEN_HU_LUO

A, B = symbols("a b", real=True)


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those of all kinds: standard, symbolic in everything, over C and H."""
    return (*standard_networks(), symbolic_network(), *networks_over_fields())


def slope(sigma: Any) -> Any:
    """e'(σ) = a + b σ: at one point the slope is any number."""
    return A + B * sigma


def derive(network: DeepLinearNetwork) -> Derivation:
    """The singular values of a spectral energy follow dσ_k/dt = -λ_kk e'(σ_k), and E falls at the rate of a sum."""
    flow = geometry.training.spectral_energy_flow(network, lambda sigma: A * sigma + B * sigma**2 / 2)
    equation = flow.equations[0]
    sigma = equation.lhs.args[0]
    steps = (
        Step(
            -defining_multiplier(network, sigma, sigma) * slope(sigma),
            equation.rhs,
            "the gradient is diagonal in the singular basis, and A multiplies its entries",
        ),
        Step(
            network.coframe.sum_over(1, lambda x: -(slope(x) ** 2) * geometry.training.radial_multiplier(network, x)),
            flow.dissipation,
            "the chain rule",
        ),
    )
    return Derivation(
        name=NAME,
        network=network,
        statement=r"For $E = \sum_k e(\sigma_k)$ with $e(\sigma) = a \sigma + \tfrac12 b \sigma^2$ the flow is one "
        r"equation for each singular value, $U$ and $V$ rest, and $dE/dt = -\sum_k \lambda_{kk}\, e'(\sigma_k)^2$.",
        steps=steps,
        result=Tuple(equation, flow.dissipation),
        subject=("", r"\frac{dE}{dt}"),
        reference=REFERENCE,
        residual=_residual,
    )


def _residual(derivation: Derivation, route: str) -> float:
    """-A(∇E) from the definition: its diagonal, the rest of it, and its product with ∇E."""
    if route == "exact" and derivation.network.is_infinitely_deep:
        return 0.0  # no rational points: the steps are symbolic, the other routes numeric
    return max(
        _error(derivation.result, numeric, values, point, route)
        for numeric, values, point in instances(derivation.network, route)
    )


def _error(result: Tuple, network: DeepLinearNetwork, values: dict[Symbol, Any], point: Point, route: str) -> float:
    sigma, r = point.singular_values, point.rank
    numbers: dict[Symbol, Any] = dict(zip(network.singular_values, sigma, strict=True))
    numbers |= {A: point.random(), B: point.random()}
    equation, dissipation = result
    rate = equation.rhs.subs(values)
    rates = [rate.subs(equation.lhs.args[0], name) for name in network.singular_values]
    *found, loss = values_at([*rates, at_instance(dissipation, values)], numbers, route)
    slopes = [numbers[A] + numbers[B] * value for value in sigma]
    gradient = sum((slopes[k] * point.outer(k, k) for k in range(1, r)), slopes[0] * point.outer(0, 0))
    divisor = network.operator_divisor if route == "exact" else float(network.operator_divisor)
    velocity = point.apply(gradient) / -divisor
    expected = sum((found[k] * point.outer(k, k) for k in range(1, r)), found[0] * point.outer(0, 0))
    rows, columns = (point.beta * side for side in point.shape)
    product = sum(gradient[i, j] * velocity[i, j] for i in range(rows) for j in range(columns)) / point.beta
    size = max(abs(velocity[i, j]) for i in range(rows) for j in range(columns))
    off = max(abs(velocity[i, j] - expected[i, j]) for i in range(rows) for j in range(columns))
    return max(float(off / size), float(abs(product - loss) / abs(product)))
