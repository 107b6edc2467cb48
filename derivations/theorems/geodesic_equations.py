r"""The geodesic equations in singular values, singular vectors and the conserved momenta of both unitary actions."""

from __future__ import annotations

from typing import Any

import mpmath
from sympy import Expr, Rational, Symbol, Tuple

import geometry.geodesics
from geometry import DeepLinearNetwork
from geometry.coframe import SingularCoframe

from ..check_points import instances, values_at
from ..definition import Point
from ..derivation import Derivation, NotApplicableError
from ..references import ARNOLD
from ..standard_networks import networks_over_fields, networks_with_metric
from ..step import Step
from .multiplier import defining_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "geodesic-equations"
REFERENCE = ARNOLD.at("appendix 2")


def networks() -> tuple[DeepLinearNetwork, ...]:
    """Those with a metric, over all fields."""
    return (*networks_with_metric(), *networks_over_fields())


def derive(network: DeepLinearNetwork) -> Derivation:
    """H in the momenta of σ, U and V; Hamilton's equations for σ and Euler's for the momenta.

    Raises
    ------
    NotApplicableError
        If the network has no metric.
    """
    if network.freezes_spaces:
        raise NotApplicableError(f"{network} has no metric, so no geodesics; choose rank = m = n")
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in ("1", "2"))
    radial, pair = (_block(kind) for kind in ("radial", "pair"))
    above, below, diagonal = (Symbol(f"p_{index}", real=True) for index in ("12", "21", "1"))
    left, right = above * b - a * below, below * b - a * above
    weight, own = network.pair_multiplier(a, b), network.pair_multiplier(a, a)
    half = Rational(1, 2)
    energies = (
        geometry.geodesics.kinetic_energy(radial, (diagonal,), own),
        geometry.geodesics.kinetic_energy(pair, (left, right), weight),
    )
    reference = [defining_multiplier(network, a, other) for other in (a, b)]
    steps = [
        Step(half * reference[0] * diagonal**2, energies[0], "radial energy, from the inverse Gram matrix"),
        Step(half * reference[1] * (above**2 + below**2), energies[1], "energy of a pair in its momenta M^U and M^V"),
    ]
    if network.coframe.has_null_directions:
        null = network.pair_null_multiplier(a)
        energy = geometry.geodesics.kinetic_energy(_block("left"), (a * above,), null)
        steps.append(Step(half * null * above**2, energy, "energy against a null space in its momentum"))
    momenta = tuple(Symbol(f"M^{side}_12", real=True) for side in "UV")
    names = (r"H_{kk}", r"H_{kl}")
    result: tuple[Expr, ...] = (energies[0], geometry.geodesics.kinetic_energy(pair, momenta, weight))
    return Derivation(
        name=NAME,
        network=network,
        statement=r"With $P = \mathcal{A}^{-1} dX/dt$ the matrices $P X^{*} - X P^{*} = U M^U U^{*}$ and "
        r"$P^{*} X - X^{*} P = V M^V V^{*}$ are constant on geodesics, $d\sigma_k/dt = \partial H/\partial p_k$, "
        r"$dp_k/dt = -\partial H/\partial \sigma_k$, and $dU/dt = U \, \partial H/\partial M^U$, "
        r"$dV/dt = V \, \partial H/\partial M^V$, where $H$ is the sum over singular values and pairs of",
        steps=tuple(steps),
        result=Tuple(*result),
        subject=names,
        reference=REFERENCE,
        residual=_residual,
    )


def _block(kind: str) -> Any:
    return next(block for block in SingularCoframe((3, 3), 2).blocks() if block.kind == kind)


def _residual(derivation: Derivation, route: str) -> float:
    """dX/dt = A(P) and dP/dt = -½ ∂_X <P, A P> from the definition, at points with a random momentum."""
    network = derivation.network
    if route == "exact" and network.is_infinitely_deep:
        return 0.0  # no rational points: the steps are symbolic, the other routes numeric
    worst = 0.0
    for numeric, values, point in instances(network, route):
        own = DeepLinearNetwork(network.depth, numeric.shape, numeric.rank, network.field, network.rescaled)
        scale = network.operator_divisor.subs(values)
        worst = max(worst, _error(own, values, point, route, scale if route == "exact" else float(scale)))
    return worst


def _error(network: DeepLinearNetwork, values: dict[Symbol, Any], point: Point, route: str, scale: Any) -> float:
    system = geometry.geodesics.geodesic_system(network)
    (m, n), r, beta, sigma = point.shape, point.rank, point.beta, point.singular_values
    body = point.random_matrix()
    for k in range(beta * r, beta * m):
        for l in range(beta * r, beta * n):
            body[k, l] *= 0
    core = point.matrix(beta * m, beta * n)
    for k in range(beta * r):
        core[k, k] = sigma[k // beta]
    momenta = {"U": body @ core.T - core @ body.T, "V": body.T @ core - core.T @ body}
    numbers = dict(zip(system.singular_values, sigma, strict=True))
    numbers |= {p: body[beta * k, beta * k] for k, p in enumerate(system.radial_momenta)}
    for symbols, momentum in ((system.left_momentum, momenta["U"]), (system.right_momentum, momenta["V"])):
        for i, j in ((i, j) for i in range(symbols.rows) for j in range(symbols.cols)):
            coefficient, symbol = symbols[i, j].as_coeff_Mul()
            if symbol.is_Symbol and symbol not in numbers:
                numbers[symbol] = momentum[i, j] / int(coefficient)
    moving = len(system.state) - beta * (m * m + n * n)
    expressions = [*system.rates[:moving], *system.left_rotation, *system.right_rotation]
    found = values_at([expression.subs(values) for expression in expressions], numbers, route)
    rates = dict(zip(system.state[:moving], found, strict=False))
    turns = {"U": _square(point, m, found[moving:]), "V": _square(point, n, found[moving + (beta * m) ** 2 :])}
    core_rate = point.matrix(beta * m, beta * n)
    for k in range(beta * r):
        core_rate[k, k] = rates[system.singular_values[k // beta]]
    velocity = turns["U"] @ core + core_rate - core @ turns["V"]
    expected = point.components(point.apply(point.U @ body @ point.V.T))
    moved = point.components(point.U @ velocity @ point.V.T)
    size = len(point.tangent_basis())
    errors = [_relative(moved[i, 0], expected[i, 0] / scale) for i in range(size)]
    turned = turns["U"] @ body - body @ turns["V"]
    for k, p in enumerate(system.radial_momenta):
        force = -_energy_slope(point, body, k) / scale
        errors.append(_relative(rates[p] + turned[beta * k, beta * k], force))
    for side, symbols in (("U", system.left_momentum), ("V", system.right_momentum)):
        change = momenta[side] @ turns[side] - turns[side] @ momenta[side]
        for i, j in ((i, j) for i in range(symbols.rows) for j in range(symbols.cols)):
            coefficient, symbol = symbols[i, j].as_coeff_Mul()
            rate = int(coefficient) * rates[symbol] if symbol in rates else 0
            errors.append(_relative(rate, change[i, j]))
    return max(errors)


def _relative(found: Any, expected: Any) -> float:
    return float(abs(found - expected) / (1 + abs(expected)))


def _square(point: Point, side: int, entries: list[Any]) -> Any:
    size = point.beta * side
    matrix = point.matrix(size, size)
    for position in range(size**2):
        matrix[position // size, position % size] = entries[position]
    return matrix


def _energy_slope(point: Point, body: Any, k: int) -> Any:
    """½ ∂/∂σ_k <P, A P> at fixed P, U and V, term by term of the definition."""
    (m, n), r, beta, total = point.shape, point.rank, point.beta, 0
    for i in range(m):
        for j in range(n):
            if k in (i, j) and (i < r or j < r):
                square = sum(body[beta * i + u, beta * j] ** 2 for u in range(beta))
                total = total + square * _multiplier_slope(point, i, j, k) / 2
    return total


def _multiplier_slope(point: Point, i: int, j: int, k: int) -> Any:
    """∂/∂σ_k of Σ_p σ_i^{2(N-p)/N} σ_j^{2(p-1)/N}, or of its integral at infinite depth."""
    sigma = [*point.singular_values, *[0] * max(point.shape)]

    def slope(first: Any, second: Any) -> Any:
        """The derivative of σ_i^first σ_j^second; a power 0 is constant."""
        power = (sigma[i] ** first if first else 1) * (sigma[j] ** second if second else 1)
        return power * ((first if i == k else 0) + (second if j == k else 0)) / sigma[k]

    if not getattr(point.depth, "is_finite", True):
        nodes = mpmath.calculus.quadrature.GaussLegendre(mpmath.mp).calc_nodes(5, mpmath.mp.prec)
        return sum(weight / 2 * slope(1 - node, 1 + node) for node, weight in nodes)
    N = int(point.depth)
    number = {True: mpmath.mpf, False: Rational}[isinstance(sigma[0], mpmath.mpf)]
    two_over = number(2) / N
    return sum(slope(two_over * (N - p), two_over * (p - 1)) for p in range(1, N + 1))
