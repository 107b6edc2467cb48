r"""What X → c X and X → X⁻¹ do to the metric: a homothety; isometries at infinite depth."""

from __future__ import annotations

from typing import Any

from sympy import Matrix, MatrixSymbol, Symbol, Tuple, diag, latex

from geometry import DeepLinearNetwork
from geometry.invariance import degree_of_homogeneity, inversion_factor, scaling_weights
from geometry.layers import symbolic_matrix

from ..check_points import instances, values_at
from ..definition import Point
from ..derivation import Derivation, require_metric
from ..layer_points import tangent_vector
from ..moved_points import inverted, scaled
from ..references import COHEN_MENON_VERASZTO
from ..step import Step
from .invariance import networks, rotation, weighted_square
from .multiplier import defining_multiplier, defining_null_multiplier

__all__ = ["NAME", "REFERENCE", "derive", "networks"]

NAME = "scaling-and-inversion"
REFERENCE = COHEN_MENON_VERASZTO
FACTOR = Symbol("c", positive=True)


def derive(network: DeepLinearNetwork) -> Derivation:
    """X → c X multiplies g^N by c^{2/N}; at infinite depth it is an isometry, and X → X⁻¹ is another.

    Raises
    ------
    NotApplicableError
        At infinite depth unless m = n = r: there is no metric.
    """
    require_metric(network)
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    weight = scaling_weights(network.metric).metric
    invertible = not network.coframe.has_null_directions
    result = (FACTOR**weight, *((inversion_factor(network.metric, a, b),) if invertible else ()))
    subject = (r"g_{cX}(cZ, cZ)/g_X(Z, Z)", r"(\sigma_k \sigma_l)^2 \lambda(1/\sigma_k, 1/\sigma_l)/\lambda_{kl}")
    return Derivation(
        name=NAME,
        network=network,
        statement=_statement(network),
        steps=(*_scaling_steps(network, a, b), *(_inversion_steps(network, a, b) if invertible else ())),
        result=Tuple(*result),
        subject=subject[: len(result)],
        reference=REFERENCE,
        residual=_residual,
    )


def _statement(network: DeepLinearNetwork) -> str:
    if network.is_infinitely_deep:
        return r"At infinite depth $X \to c X$ and $X \to X^{-1}$ are isometries."
    weight = latex(scaling_weights(network.metric).metric)
    scaling = rf"The homothety $X \to c X$ multiplies the metric by $c^{{{weight}}}$"
    inversion = (
        r"; inversion $X \to X^{-1}$ is no isometry, but divides the square of an entry by a power of $\sigma_k "
    )
    return scaling + (inversion + r"\sigma_l$." if not network.coframe.has_null_directions else ".")


def _scaling_steps(network: DeepLinearNetwork, a: Symbol, b: Symbol) -> tuple[Step, ...]:
    degree, c = degree_of_homogeneity(network.metric), FACTOR
    steps = [
        Step(
            defining_multiplier(network, c * a, c * b),
            c**degree * network.pair_multiplier(a, b),
            "the multiplier is homogeneous; entries of c Z are c times those of Z, so that the metric gets the rest",
        )
    ]
    if network.coframe.has_null_directions:
        null = c**degree * network.pair_null_multiplier(a)
        steps.append(Step(defining_null_multiplier(network, c * a), null, "also against the null spaces"))
    return tuple(steps)


def _inversion_steps(network: DeepLinearNetwork, a: Symbol, b: Symbol) -> tuple[Step, Step]:
    P, Q = (rotation(Symbol(name, real=True)) for name in "pq")
    entries, values = symbolic_matrix("z", 2, 2), diag(a, b)
    X, Z = P * values * Q.T, P * entries * Q.T
    named_X, named_Z = (MatrixSymbol(name, 2, 2) for name in "XZ")
    u, v = (MatrixSymbol(name, 2, 1) for name in ("u_l", "v_k"))
    inverse = _inverse(X)
    z = entries[0, 1]
    return (
        Step(
            -(Q.T * inverse * Z * inverse * P)[0, 1],
            -z / (a * b),
            "the derivative of the inverse, in its singular basis",
            shown=(-(v.T * named_X.I * named_Z * named_X.I * u), -Symbol("z_kl", real=True) / (a * b)),
        ),
        Step(
            a**2 * b**2 * defining_multiplier(network, 1 / a, 1 / b),
            inversion_factor(network.metric, a, b) * network.pair_multiplier(a, b),
            "the multiplier at the singular values of the inverse, with the squares of the entries: by symmetry and "
            "homogeneity a power of the product",
        ),
    )


def _inverse(X: Matrix) -> Matrix:
    return X.adjugate() / X.det()


# ---------------------------------------------------------------------------------- against the definition


def _residual(derivation: Derivation, route: str) -> float:
    """<Z, A⁻¹ Z> of the definition at c X and at X⁻¹, against the derived factors and the definition at X."""
    network = derivation.network
    if route == "exact" and network.is_infinitely_deep:
        return 0.0  # no rational points: the steps are symbolic, the other routes numeric
    worst = 0.0
    for numeric, values, point in instances(network, route):
        Z, factor = tangent_vector(point), abs(point.random()) + 1
        if route == "exact":
            factor = factor**point.depth
        before = point.inner_product(Z, Z)
        after = scaled(point, factor).inner_product(factor * Z, factor * Z)
        (expected,) = values_at([derivation.result[0].subs(values)], {FACTOR: factor}, route)
        worst = max(worst, abs(float((after - expected * before) / after)))
        if not network.coframe.has_null_directions:
            worst = max(worst, _inversion_error(derivation, numeric, values, point, Z, route))
    return worst


def _inversion_error(
    derivation: Derivation,
    numeric: DeepLinearNetwork,
    values: dict[Symbol, Any],
    point: Point,
    Z: Any,
    route: str,
) -> float:
    """The velocity -X⁻¹ Z X⁻¹ at X⁻¹, in the metric of the definition there."""
    a, b = (Symbol(f"sigma_{index}", positive=True) for index in "kl")
    weight = 1 / (derivation.result[1] * derivation.network.pair_multiplier(a, b))
    expected = weighted_square([weight], values, point, Z, route)
    there = inverted(point)
    inverse = _from_singular_values(there)
    moved = -(inverse @ Z @ inverse)
    scale = float(numeric.operator_divisor) if route == "float" else numeric.operator_divisor
    found = there.inner_product(moved, moved) * scale
    return abs(float((found - expected) / found))


def _from_singular_values(point: Point) -> Any:
    first, *others = (sigma * point.outer(k, k) for k, sigma in enumerate(point.singular_values))
    return sum(others, first)
