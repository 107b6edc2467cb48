r"""The velocity X of scaling: at infinite depth parallel, so that a line splits off; at finite depth that of a cone."""

from __future__ import annotations

from typing import Any

from sympy import Add, Expr, Symbol, Tuple, expand, powsimp, sqrt, sympify

from geometry import DeepLinearNetwork, SpectralMetric, explicit
from geometry.invariance import cone_radius, position_length_squared, scaling_weights, split_off_coordinate

from ..check_points import at_instance, instances, values_at
from ..definition import Point
from ..derivation import Derivation, require_metric
from ..layer_points import tangent_vector
from ..moved_points import scaled
from ..references import PETERSEN
from ..step import Step
from .invariance import networks
from .multiplier import defining_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks", "radial_coordinate"]

NAME = "split-off-factor"
REFERENCE = PETERSEN
FACTOR = Symbol("c", positive=True)


def derive(network: DeepLinearNetwork) -> Derivation:
    """At infinite depth log |det X| splits off as a factor R; at finite depth g^N is a cone over N Σ σ^{2/N} = const.

    Raises
    ------
    NotApplicableError
        At infinite depth unless m = n = r: there is no metric.
    """
    require_metric(network)
    metric = network.metric
    splits = scaling_weights(metric).metric == 0
    return Derivation(
        name=NAME,
        network=network,
        statement=_statement(splits),
        steps=_steps(network),
        result=Tuple(radial_coordinate(metric), position_length_squared(metric)),
        subject=("s" if splits else r"\rho", r"g(X, X)"),
        reference=REFERENCE,
        residual=_residual,
    )


def _statement(splits: bool) -> str:
    if splits:
        return (
            r"At infinite depth the velocity $X$ of scaling is a parallel field of constant length, so that the lines "
            r"$c \mapsto c X$ are geodesics and $g = ds^2 + g|_{\det = \mathrm{const}}$, a product with $R$."
        )
    return (
        r"The velocity $X$ of scaling is the gradient of a function with $\nabla X = \frac{w}{2}$, where $X \to c X$ "
        r"multiplies the metric by $c^w$: the metric is a cone, $g = d\rho^2 + \rho^2 h$ with $h$ on $\rho = 1$, and "
        r"the lines $c \mapsto c X$ are geodesics."
    )


def radial_coordinate(metric: SpectralMetric) -> Expr:
    """The arc length along the lines of scaling: the distance from the apex of a cone, or the coordinate of a line."""
    return split_off_coordinate(metric) if scaling_weights(metric).metric == 0 else cone_radius(metric)


def _steps(network: DeepLinearNetwork) -> tuple[Step, ...]:
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    own, length = defining_multiplier(network, a, a), powsimp(a**2 / network.pair_multiplier(a, a))
    weight = scaling_weights(network.metric).metric
    pair = explicit(network.pair_multiplier(a, b))
    # Of rank 2, which shows the dependence on several singular values.
    small = DeepLinearNetwork(network.depth, (2, 2), 2, "R", network.rescaled)
    coordinate = radial_coordinate(small.metric)
    speeds = (coordinate.diff(sigma) ** 2 * small.pair_multiplier(sigma, sigma) for sigma in small.singular_values)
    closed = "the dual form of X: each component depends on its own singular value only, so that it is closed"
    return (
        Step(a**2 / own, length, "the share of each singular value in g(X, X)"),
        Step(a / own, powsimp(a / network.pair_multiplier(a, a)), closed),
        Step(
            a * pair.diff(a) + b * pair.diff(b),
            expand(2 - weight) * pair,
            "Euler's equation: the Lie derivative of g along X is w g; "
            "as the dual form is closed, X has the derivative w/2",
        ),
        Step(Add(*speeds), sympify(1), "the gradient of the coordinate along these lines has length 1, for rank 2"),
    )


# ---------------------------------------------------------------------------------- against the definition


def _residual(derivation: Derivation, route: str) -> float:
    """g(X, X), the dual form of X, and the metric at c X, with the metric of the definition."""
    network = derivation.network
    if route == "exact" and network.is_infinitely_deep:
        return 0.0  # no rational points: the steps are symbolic, the other routes numeric
    weight = scaling_weights(network.metric).metric
    worst = 0.0
    for numeric, values, point in instances(network, route):
        X, Z = _position(point), tangent_vector(point)
        sigma = dict(zip(numeric.singular_values, point.singular_values, strict=True))
        coordinate, length = (at_instance(part, values) for part in derivation.result)
        slopes, squared = _slopes(coordinate, length, weight.subs(values), numeric)
        *expected, norm = values_at([*slopes, squared], sigma, route)
        scale = float(numeric.operator_divisor) if route == "float" else numeric.operator_divisor
        paired = sum(slope * entry for slope, entry in zip(expected, _diagonal(point, Z), strict=True))
        found = point.inner_product(X, Z) * scale
        worst = max(worst, abs(float((found - paired) / found)))
        worst = max(worst, abs(float(point.inner_product(X, X) * scale / norm - 1)))
        worst = max(worst, _scaling_error(point, Z, weight.subs(values), route))
    return worst


def _slopes(coordinate: Expr, length: Expr, weight: Expr, numeric: DeepLinearNetwork) -> tuple[list[Expr], Expr]:
    """g(X, ·) from the coordinate: |X| ds for a line, (w/2) ρ dρ for a cone, which is rational in the roots of σ."""
    potential = sqrt(length) * coordinate if weight == 0 else weight * coordinate**2 / 4
    return [potential.diff(sigma) for sigma in numeric.singular_values], length


def _position(point: Point) -> Any:
    """X as a vector, along its own scaling."""
    first, *others = (sigma * point.outer(k, k) for k, sigma in enumerate(point.singular_values))
    return sum(others, first)


def _diagonal(point: Point, Z: Any) -> list[Any]:
    """The real parts of the entries z_kk: the velocities of the singular values."""
    components, basis = point.components(Z), point.tangent_basis()
    return [components[basis.index((k, k, 0)), 0] for k in range(point.rank)]


def _scaling_error(point: Point, Z: Any, weight: Expr, route: str) -> float:
    factor = abs(point.random()) + 1
    if route == "exact":
        factor = factor**point.depth
    (expected,) = values_at([FACTOR**weight], {FACTOR: factor}, route)
    ratio = scaled(point, factor).inner_product(factor * Z, factor * Z) / point.inner_product(Z, Z)
    return abs(float(ratio / expected - 1))
