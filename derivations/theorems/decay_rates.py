r"""How singular values vanish: in finite time, exponentially or algebraically, by the power in λ(σ, σ)."""

from __future__ import annotations

from typing import Any

from sympy import Expr, Symbol, Tuple, cancel

import geometry.decay
from geometry import DeepLinearNetwork
from geometry.decay import DecayLaw

from ..check_points import instances, values_at
from ..derivation import Derivation
from ..references import ARORA_COHEN_HU_LUO
from ..standard_networks import standard_networks
from ..step import Step
from .multiplier import defining_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "decay-rates"
REFERENCE = ARORA_COHEN_HU_LUO

H = Symbol("h", positive=True)
SIGMA = Symbol("sigma_1", positive=True)
ORDERS = (1, 2)
"""E ~ h σ, and E ~ ½ h σ²."""


def networks() -> tuple[DeepLinearNetwork, ...]:
    """The standard ones, and the depths whose law is another: 1 and 2."""
    return (*standard_networks(), DeepLinearNetwork(1, (2, 2)), DeepLinearNetwork(2, (3, 2)))


def derive(network: DeepLinearNetwork) -> Derivation:
    """Zero is reached in finite time at depth 1, exponentially at 2, algebraically beyond; flat minima more slowly."""
    laws = [geometry.decay.decay_law(network, order, H) for order in ORDERS]
    steps = tuple(_step(network, law, order) for law, order in zip(laws, ORDERS, strict=True))
    return Derivation(
        name=NAME,
        network=network,
        statement=r"The time at which a small singular value is at $\sigma$, under $E \sim h \sigma$ (a minimum at the "
        rf"boundary: {_described(laws[0])}) and under $E \sim \tfrac12 h \sigma^2$ ({_described(laws[1])}).",
        steps=steps,
        result=Tuple(*(law.time(SIGMA) for law in laws)),
        subject=tuple(r"t_* - t" if law.kind == "finite time" else "t" for law in laws),
        reference=REFERENCE,
        residual=_residual,
    )


def _described(law: DecayLaw) -> str:
    return law.kind if law.condition == True else f"{law.kind} where ${law.condition}$"  # noqa: E712


def _direction(law: DecayLaw) -> int:
    """dt over the change of the law's time: what is left of a finite time runs backwards."""
    return -1 if law.kind == "finite time" else 1


def _step(network: DeepLinearNetwork, law: DecayLaw, order: int) -> Step:
    velocity = -defining_multiplier(network, SIGMA, SIGMA) * H * SIGMA ** (order - 1)
    return Step(1 / velocity, _direction(law) * _derivative(law.time(SIGMA)), f"{law.kind}, order {order}")


def _derivative(time: Expr) -> Expr:
    """d/dσ of a power or a logarithm, with the symbolic exponent cancelled: it is 0 at depth 2."""
    coefficient, power = time.diff(SIGMA).as_independent(SIGMA, as_Add=False)
    return cancel(coefficient) * power


def _residual(derivation: Derivation, route: str) -> float:
    """dt/dσ against -A(∇E) of the definition, and σ at that time against σ."""
    network = derivation.network
    if route == "exact" and network.is_infinitely_deep:
        return 0.0  # no rational points: the steps are symbolic, the other routes numeric
    worst = 0.0
    for numeric, values, point in instances(network, route):
        divisor = numeric.operator_divisor if route == "exact" else float(numeric.operator_divisor)
        for order, time in zip(ORDERS, derivation.result, strict=True):
            law = geometry.decay.decay_law(numeric, order, H)
            # The generic law is not the one of depths 1 and 2 themselves, but its derivative is.
            slope = _derivative(time).subs(values)
            generic = geometry.decay.decay_law(network, order, H)
            for k, value in enumerate(point.singular_values):
                numbers = {SIGMA: value, H: abs(point.random()) + 1}
                image = point.components(point.apply(point.outer(k, k)))
                mobility = (point.components(point.outer(k, k)).T @ image)[0, 0] / divisor
                velocity = -mobility * numbers[H] * value ** (order - 1)
                found = values_at([slope], numbers, route)[0]
                worst = max(worst, float(abs(_direction(generic) * found * velocity - 1)))
                if worst > 0.1:
                    return worst  # the times of a wrong law need have no real inverse
                worst = max(worst, _inversion_error(law, numbers, route))
    return worst


def _inversion_error(law: DecayLaw, numbers: dict[Symbol, Any], route: str) -> float:
    """σ(t(σ)) against σ, for the law of a numeric depth."""
    if law.exponent is None or route == "exact":
        return 0.0  # roots of rational numbers; the other routes are numeric
    found = values_at([_at_its_time(law)], numbers, route)[0]
    return float(abs(found / numbers[SIGMA] - 1))


def _at_its_time(law: DecayLaw) -> Expr:
    return law.at(law.time(SIGMA))
