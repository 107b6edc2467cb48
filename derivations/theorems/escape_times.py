r"""Escape times: how long a small singular value stays small, by depth."""

from __future__ import annotations

from typing import Any

import mpmath
from sympy import Add, Expr, Rational, Symbol, Tuple, cancel, simplify

import geometry.escape
import geometry.training
from geometry import DeepLinearNetwork

from ..check_points import CHECK_DEPTHS
from ..derivation import Derivation
from ..references import SAXE_MCCLELLAND_GANGULI
from ..step import Step
from .diagonal_training import TARGET, mobility, networks, real_value, trained_layers
from .multiplier import defining_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "escape-times"
REFERENCE = SAXE_MCCLELLAND_GANGULI

START, FRACTION = Symbol("sigma_0", positive=True), Symbol("theta", positive=True)
SMALL = (Rational(1, 2**10), Rational(1, 2**20))
"""The starts at which the asymptotic form, with the integral of what it leaves out, is the escape time."""
END, GOAL = Rational(243, 100), Rational(1, 2)
"""s and θ."""


def derive(network: DeepLinearNetwork) -> Derivation:
    """The escape time is bounded at depth 1, logarithmic in the start at 2, a power of it beyond, 1/(s σ_0) at oo."""
    asymptotics = geometry.escape.escape_asymptotics(network, START, TARGET, FRACTION)
    symbolic = isinstance(network.depth, Symbol)
    return Derivation(
        name=NAME,
        network=network,
        statement=r"From a small $\sigma_0$ to $\theta s$ the flow of $\tfrac12 (\sigma - s)^2$ takes the time $T$, up "
        r"to terms that vanish with $\sigma_0$" + (r" (for $N > 2$)." if symbolic else "."),
        steps=_steps(network, asymptotics.growing, growing_count(network)),
        result=Tuple(asymptotics.growing, asymptotics.constant),
        subject=(r"T - T_0", "T_0"),
        reference=REFERENCE,
        residual=_residual,
    )


def growing_count(network: DeepLinearNetwork) -> int:
    """How many terms of the geometric series of 1/(1 - x) are not integrable at 0 against x^{-p}."""
    _, power = geometry.training.radial_power(network)
    _, order = geometry.escape.growing_terms(power, START)
    return int(cancel(order - 1 + power))


def _steps(network: DeepLinearNetwork, growing: Expr, count: int) -> tuple[Step, ...]:
    own, x = defining_multiplier(network, START, START), START / TARGET
    series = Add(*(x**n for n in range(count))) / (own * TARGET)
    steps = [Step(1 / (own * (TARGET - START)), _in_powers(network, count), "geometric series")]
    if count:
        steps.append(Step(series, -_derivative(growing), "what cannot be integrated to zero"))
    return tuple(steps)


def _in_powers(network: DeepLinearNetwork, count: int) -> Expr:
    """The integrand with its first terms written out, in the closed form of the multiplier."""
    own, x = geometry.training.radial_multiplier(network, START), START / TARGET
    return Add(*(x**n / (own * TARGET) for n in range(count))) + x**count / (own * (TARGET - START))


def _derivative(growing: Expr) -> Expr:
    """d/dσ_0 of powers and logarithms, with symbolic exponents cancelled: one of them is 0 at depth 2."""
    terms = []
    for term in Add.make_args(growing.diff(START)):
        coefficient, power = term.as_independent(START, as_Add=False)
        terms.append(cancel(coefficient) * power)
    return Add(*terms)


def _residual(derivation: Derivation, route: str) -> float:
    """By quadrature from 0; by N layers, at σ_0 that time before they are at θ s; exactly by the derivative in θ."""
    network, worst = derivation.network, 0.0
    for numeric, values in _instances(network):
        growing, constant = (part.subs(values) for part in derivation.result)
        if route == "exact":
            worst = max(worst, 0.0 if values or numeric.is_infinitely_deep else _end_error(numeric, constant))
            continue
        for small in SMALL:
            worst = max(worst, _time_error(numeric, growing + constant, small, growing_count(network), route))
    return worst


def _instances(network: DeepLinearNetwork) -> list[tuple[DeepLinearNetwork, dict[Symbol, Any]]]:
    if not isinstance(network.depth, Symbol):
        return [(network, {})]
    depths = [depth for depth in CHECK_DEPTHS if depth > 2]
    return [(DeepLinearNetwork(d, (1, 1), rescaled=network.rescaled), {network.depth: Rational(d)}) for d in depths]


def _end_error(numeric: DeepLinearNetwork, constant: Expr) -> float:
    """dT/dθ = s/(λ (s - θ s)) at rational numbers: N-th powers, λ as a sum of N terms."""
    depth, root, target = int(numeric.depth), Rational(2, 3), Rational(3, 2)
    own = sum((root * target) ** (2 * depth - 2) for _ in range(depth)) / numeric.operator_divisor
    at = {FRACTION: root**depth, TARGET: target**depth}
    found = geometry.training.without_signs(constant.diff(FRACTION)).subs(at)
    return 0.0 if simplify(found * own * (1 - root**depth) - 1) == 0 else 1.0


def _time_error(numeric: DeepLinearNetwork, total: Expr, small: Rational, count: int, route: str) -> float:
    target, start = (mpmath.mpf(value.p) / value.q for value in (END, small))
    end = target * GOAL.p / GOAL.q
    asymptotic = real_value(total, {START: start, TARGET: target, FRACTION: mpmath.mpf(GOAL.p) / GOAL.q})
    # Left out are the integrable terms of the series between 0 and the start.
    time = asymptotic - _remainder(numeric, start, target, count)
    if route == "float":
        # Backwards, where the flow contracts: forwards an error in the time is magnified by σ_end'/σ_0'.
        found = trained_layers(numeric, float(end), float(target), -float(time))
        return abs(found - float(start)) / float(abs(mobility(numeric, start) * (target - start) * time))

    def integrand(y: Any) -> Any:
        value = mpmath.exp(y)
        return value / (mobility(numeric, value) * (target - value))

    places = mpmath.linspace(mpmath.log(start), mpmath.log(end), 6)
    return float(abs(time / mpmath.quad(integrand, places, method="gauss-legendre") - 1))


def _remainder(numeric: DeepLinearNetwork, start: Any, target: Any, count: int) -> Any:
    """∫ x^count/(λ (s - σ)) dσ from 0 to the start, in the layer's τ = σ^{1/N}, where it is smooth."""
    depth = 1 if numeric.is_infinitely_deep else int(numeric.depth)

    def integrand(tau: Any) -> Any:
        value = tau**depth
        own = mobility(numeric, value)
        return depth * tau ** (depth - 1) * (value / target) ** count / (own * (target - value))

    return mpmath.quad(integrand, [0, start ** (mpmath.mpf(1) / depth)], method="gauss-legendre")
