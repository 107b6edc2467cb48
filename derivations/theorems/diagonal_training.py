r"""Training of one singular value towards a target: the first integral, and where it can be solved."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import mpmath
from sympy import Expr, Float, Integer, Rational, Symbol, Tuple, hyper, oo, rf, simplify

import geometry.training
from geometry import DeepLinearNetwork

from ..check_points import CHECK_DEPTHS
from ..derivation import Derivation
from ..references import SAXE_MCCLELLAND_GANGULI
from ..step import Step
from .multiplier import defining_multiplier

__all__ = [
    "NAME",
    "REFERENCE",
    "derive",
    "mobility",
    "networks",
    "real_value",
    "trained_layers",
]

NAME = "diagonal-training"
REFERENCE = SAXE_MCCLELLAND_GANGULI

SIGMA, TARGET, START, TIME = (Symbol(name, positive=True) for name in ("sigma", "s", "sigma_0", "t"))
PAIRS = ((Rational(1, 32), Rational(16, 5)), (Rational(243, 100), Rational(16, 5)))
"""Values of σ and the target, from far below it and from close to it."""
TERMS = 8
"""Of the hypergeometric series, compared exactly."""


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Each of the closed forms: exponential, logistic, logarithms, arctangents, a series, and at depth oo."""
    N = Symbol("N", positive=True)
    return (
        DeepLinearNetwork(N, (3, 3)),
        DeepLinearNetwork(1, (2, 2)),
        DeepLinearNetwork(2, (3, 2)),
        DeepLinearNetwork(3, (2, 4), 2, rescaled=True),
        DeepLinearNetwork(4, (2, 2), field="C"),
        DeepLinearNetwork(oo, (2, 2)),
    )


def derive(network: DeepLinearNetwork) -> Derivation:
    """Under ½ (σ - s)² the sum t + G(σ) is constant; towards s = 0 the solution is algebraic beyond depth 1."""
    training = geometry.training
    integral = training.first_integral(network, SIGMA, TARGET)
    decay = training.solution(network, START, 0, TIME)
    parts: list[tuple[str, Expr]] = [("G(\\sigma)", integral), (r"\sigma(t)|_{s = 0}", decay)]
    explicit = _explicit_solution(network)
    if explicit is not None:
        parts.append((r"\sigma(t)", explicit))
    return Derivation(
        name=NAME,
        network=network,
        statement=r"Under $E = \tfrac12 |X - M|^2$ with the singular vectors of $M$ each singular value obeys "
        r"$d\sigma/dt = -\lambda(\sigma, \sigma)\,(\sigma - s)$, and $t + G(\sigma)$ is constant"
        + (r" ($\sigma < s$, $N \neq 2$)." if integral.has(hyper) else "."),
        steps=_steps(network, integral, decay),
        result=Tuple(*(value for _, value in parts)),
        subject=tuple(name for name, _ in parts),
        reference=REFERENCE,
        residual=_residual,
    )


def _explicit_solution(network: DeepLinearNetwork) -> Expr | None:
    try:
        return geometry.training.solution(network, START, TARGET, TIME)
    except ValueError:
        return None


def _steps(network: DeepLinearNetwork, integral: Expr, decay: Expr) -> tuple[Step, ...]:
    own = defining_multiplier(network, SIGMA, SIGMA)
    steps = [Step(own, geometry.training.radial_multiplier(network, SIGMA), "the multiplier on the diagonal")]
    if not integral.has(hyper):
        steps.append(Step(1 / (own * (SIGMA - TARGET)), derivative(integral), "separation of variables"))
    velocity = -defining_multiplier(network, START, START) * START
    steps.append(Step(velocity, decay.diff(TIME).subs(TIME, 0), "towards zero, at the start"))
    return tuple(steps)


def derivative(integral: Expr) -> Expr:
    """d/dσ, with sign(x)/|x| written 1/x."""
    return geometry.training.without_signs(integral.diff(SIGMA))


@lru_cache(maxsize=8)
def _nodes(precision: int) -> list[tuple[Any, Any]]:
    """Gauss-Legendre nodes and weights on [-1, 1]; few, since the integrand of A_∞ on u_k v_kᵀ is constant."""
    return list(mpmath.calculus.quadrature.GaussLegendre(mpmath.mp).calc_nodes(1, precision))


def mobility(network: DeepLinearNetwork, value: Any) -> Any:
    """λ(σ, σ) as the sum of N powers that the definition of A_N puts on u vᵀ; at infinite depth their mean."""
    if network.is_infinitely_deep:
        return mpmath.fsum(w / 2 * value ** (1 - u) * value ** (1 + u) for u, w in _nodes(mpmath.mp.prec))
    depth = int(network.depth)
    layer = value ** (mpmath.mpf(1) / depth)
    total = mpmath.fsum(layer ** (2 * (depth - p)) * layer ** (2 * (p - 1)) for p in range(1, depth + 1))
    return total / int(network.operator_divisor)


def _instances(network: DeepLinearNetwork, integral: Expr) -> list[tuple[DeepLinearNetwork, dict[Symbol, Any]]]:
    if not isinstance(network.depth, Symbol):
        return [(network, {})]
    # The hypergeometric function has a pole at depth 2, where the series has a logarithm.
    depths = [depth for depth in CHECK_DEPTHS if depth != 2 or not integral.has(hyper)]
    return [
        (DeepLinearNetwork(depth, (1, 1), rescaled=network.rescaled), {network.depth: Integer(depth)})
        for depth in depths
    ]


def _residual(derivation: Derivation, route: str) -> float:
    """Exactly by the series or the derivative; by quadrature; by integrating N layers."""
    integral, network = derivation.result[0], derivation.network
    cases = _instances(network, integral)
    if route == "exact":
        if network.is_infinitely_deep:
            return 0.0  # the steps are symbolic, the other routes numeric
        return max(_exact_error(numeric, integral, values) for numeric, values in cases)
    compare = _quadrature_error if route == "precise" else _layers_error
    return max(
        compare(numeric, tuple(part.subs(values) for part in derivation.result), pair)
        for numeric, values in cases
        for pair in PAIRS
    )


def _exact_error(numeric: DeepLinearNetwork, integral: Expr, values: dict[Symbol, Any]) -> float:
    depth, divisor = int(numeric.depth), numeric.operator_divisor
    if integral.has(hyper):
        return _series_error(depth, integral.subs(values), divisor)
    worst = 0.0
    for root, target in ((Rational(1, 2), Rational(3, 2)), (Rational(7, 3), Rational(4, 3))):
        at = {SIGMA: root**depth, TARGET: target**depth}
        own = sum(root ** (2 * (depth - p)) * root ** (2 * (p - 1)) for p in range(1, depth + 1)) / divisor
        product = derivative(integral).subs(at) * own * (root**depth - target**depth)
        worst = max(worst, 0.0 if simplify(product - 1) == 0 else 1.0)
    return worst


def _series_error(depth: int, integral: Expr, divisor: Expr) -> float:
    """The terms of G' = -Σ σ^n/(λ s^{n+1}), from the arguments of the hypergeometric function; at s = 1, λ = c σ^p."""
    (function,) = integral.atoms(hyper)
    prefactor = (integral / function).subs(TARGET, 1)
    worst = 0.0
    for n in range(TERMS):
        term = prefactor * SIGMA**n
        for upper in function.ap:
            term *= rf(upper, n)
        for lower in (*function.bq, Integer(1)):
            term /= rf(lower, n)
        root = Rational(2, 3)
        own = sum(root ** (2 * (depth - p)) * root ** (2 * (p - 1)) for p in range(1, depth + 1)) / divisor
        found = term.diff(SIGMA).subs(SIGMA, root**depth)
        worst = max(worst, float(abs(found * own / root ** (depth * n) + 1)))
    return worst


def _quadrature_error(numeric: DeepLinearNetwork, parts: tuple[Expr, ...], pair: tuple[Rational, Rational]) -> float:
    """G between two points against ∫ dσ/(λ (σ - s)); the solutions against G, at the time that passes."""
    first, target = (mpmath.mpf(value.p) / value.q for value in pair)
    last = (first + 3 * target) / 4
    time = -_integral(numeric, first, last, target)
    G = [real_value(parts[0], {SIGMA: value, TARGET: target}) for value in (first, last)]
    worst = float(abs((G[0] - G[1]) / time - 1))
    down = -_integral(numeric, last, first, mpmath.mpf(0))
    worst = max(worst, float(abs(real_value(parts[1], {START: last, TIME: down}) / first - 1)))
    for explicit in parts[2:]:
        found = real_value(explicit, {START: first, TARGET: target, TIME: time})
        worst = max(worst, float(abs(found / last - 1)))
    return worst


def _integral(numeric: DeepLinearNetwork, first: Any, last: Any, target: Any) -> Any:
    """∫ dσ/(λ (σ - s)), in log σ."""

    def integrand(y: Any) -> Any:
        value = mpmath.exp(y)
        return value / (mobility(numeric, value) * (value - target))

    return mpmath.quad(integrand, mpmath.linspace(mpmath.log(first), mpmath.log(last), 4), method="gauss-legendre")


def real_value(expression: Expr, numbers: dict[Symbol, Any]) -> Any:
    """A value in the working precision; hypergeometric functions and Lambert's W have no kernels."""
    digits = mpmath.mp.dps
    found = expression.subs({symbol: Float(value, digits) for symbol, value in numbers.items()}).evalf(digits)
    return mpmath.mpf(found._to_mpmath(mpmath.mp.prec))


def trained_layers(network: DeepLinearNetwork, first: float, target: float, until: float) -> float:
    """σ after a time (negative: before), from the gradient flow of N balanced 1 x 1 layers; at depth oo from A_∞."""
    from scipy.integrate import solve_ivp

    if network.is_infinitely_deep:
        nodes = [(float(node), float(weight)) for node, weight in _nodes(53)]

        def velocity(_: float, y: Any) -> Any:
            return -sum(w / 2 * y ** (1 - u) * y ** (1 + u) for u, w in nodes) * (y - target)

        start = [first]
    else:
        depth, divisor = int(network.depth), float(network.operator_divisor)

        def velocity(_: float, y: Any) -> Any:
            others = [y[:p].prod() * y[p + 1 :].prod() for p in range(depth)]
            return [-other * (y.prod() - target) / divisor for other in others]

        start = [first ** (1 / depth)] * depth
    run = solve_ivp(velocity, (0, until), start, method="DOP853", rtol=1e-13, atol=1e-24)
    return float(run.y[:, -1].prod())


def _layers_error(numeric: DeepLinearNetwork, parts: tuple[Expr, ...], pair: tuple[Rational, Rational]) -> float:
    first, target = map(float, pair)
    last = (first + 3 * target) / 4
    G = [float(real_value(parts[0], {SIGMA: value, TARGET: target})) for value in (first, last)]
    worst = abs(trained_layers(numeric, first, target, G[0] - G[1]) / last - 1)
    down = float(real_value(parts[1], {START: last, TIME: 0.5}))
    worst = max(worst, abs(trained_layers(numeric, last, 0.0, 0.5) / down - 1))
    for explicit in parts[2:]:
        found = float(real_value(explicit, {START: first, TARGET: target, TIME: 0.25}))
        worst = max(worst, abs(trained_layers(numeric, first, target, 0.25) / found - 1))
    return worst
